"""A registry on PostgreSQL as an operator sets it up, in whose public site somebody else gives orders."""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, make_url, text

from registry.client import call
from registry.schema import upgrade
from tests.postgres import PostgresServer, find_binaries
from tests.services.places import READY
from tests.services.running import Command, Place, command, passable_folder, status, until
from tests.services.taken_over_app import ADDRESS
from tests.services.test_postgres import COMPOSE, DEPLOY, ROLES, psql

SITE_USER = "nobody"
MARK = "a-secret-of-"  # how each secret of the deployment begins, so that one search finds all
PROGRAM = """
from functools import partial
import registry.cli, registry.cli.run as run
run.started = partial(run.started, public_app="tests.services.taken_over_app:application")
registry.cli.main()
"""
# Root is the server's superuser, as its administrator may be; everybody else has a password to show.
ACCESS = {
    "pg_hba.conf": "local all postgres peer map=administrator\nlocal all all scram-sha-256\n",
    "pg_ident.conf": "administrator root postgres\n",
}


@dataclass(frozen=True)
class Site:
    """A running registry whose public site was taken over."""

    place: Place
    folder: Path  # holds all that the deployment has but the server's own directory
    server: PostgresServer
    server_data: Path
    owner: Engine  # of the tables
    administrator: Engine  # the server's superuser, in the registry's database
    run: Command
    signer: Command

    def does(self, order: str, *arguments: Any) -> Any:
        """What the site's process says of an order of `taken_over_app`."""
        body = json.dumps([order, *arguments]).encode()
        return json.loads(call("POST", self.place.public + ADDRESS, body=body).expect(200).body)

    def known(self, query: str) -> list[Any]:
        """What the superuser reads."""
        with self.administrator.connect() as connection:
            return list(connection.execute(text(query)))

    def processes(self) -> tuple[list[int], list[int]]:
        """The site's own, and everybody else's of the deployment."""
        every = [os.getpid(), self.signer.process.pid, self.run.process.pid, *self.run.descendants()]
        servers = "SELECT pid FROM pg_stat_activity WHERE backend_type IN ('checkpointer', 'walwriter')"
        every += [pid for (pid,) in self.known(servers)]
        user = str(pwd.getpwnam(SITE_USER).pw_uid)
        found: tuple[list[int], list[int]] = ([], [])
        for pid in every:
            if shown := status(pid):
                found[shown["Uid"].split()[0] != user].append(pid)
        return found


def _secret(path: Path, words: str, owner: str = "root") -> Path:
    path.touch(mode=0o600)
    path.write_text(words)
    os.chown(path, pwd.getpwnam(owner).pw_uid, -1)
    return path


@contextmanager
def taken_over() -> Iterator[Site]:
    """A signer, and `vermilion run` as root; each role with a password that its own processes alone can read."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("postgresql is not installed")
    with ExitStack() as stack:
        folder = stack.enter_context(passable_folder())
        server = PostgresServer(binaries, access=ACCESS)
        stack.callback(server.stop)
        password = {role: f"{MARK}{role}-{token_hex(8)}" for role in ROLES}
        passfile = {
            role: _secret(
                folder / role,
                f"*:*:*:vermilion_{role}:{password[role]}\n",
                SITE_USER if role == "public" else "root",
            )
            for role in ROLES
        }
        psql(
            server, str(DEPLOY / "roles.sh"),
            **{f"{role.upper()}_PGPASS": str(passfile[role]) for role in ROLES},
        )  # fmt: skip
        base = make_url(server.url("vermilion"))
        url = {
            role: base.set(username=f"vermilion_{role}").render_as_string(hide_password=False)
            for role in ROLES
        }
        url |= {role: f"{url[role]}&passfile={passfile[role]}" for role in ("public", "owner")}
        upgrade(url["owner"])
        psql(
            server, "psql", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--single-transaction",
            "--username=vermilion_owner", "--dbname=vermilion", "--file", str(DEPLOY / "grants.sql"),
            PGPASSFILE=str(passfile["owner"]),
        )  # fmt: skip
        place, socket = Place(folder / "var"), folder / "run" / "socket"
        asked = place.settings | {
            "VERMILION_DATA": folder / "keys",
            "VERMILION_DATABASE_URL": url["signer"],
            "PGPASSFILE": passfile["signer"],
            "VERMILION_PASSPHRASE_FILE": _secret(folder / "passphrase", f"{MARK}passphrase-{token_hex(16)}"),
            "VERMILION_SIGNER_SOCKET": socket,
            "VERMILION_SIGNER_CALLERS": _callers(),
        }
        signer = stack.enter_context(command("signer", settings=asked))
        until(lambda: socket.exists() or signer.process.poll() is not None, "the signer")
        settings = place.settings | {
            "VERMILION_DATABASE_URL": url["owner"],
            "VERMILION_PUBLIC_DATABASE_URL": url["public"],
            "VERMILION_SIGNER_SOCKET": socket,
        }
        run = stack.enter_context(command("run", settings=settings, program=[sys.executable, "-c", PROGRAM]))
        run.said(READY)
        owner, administrator = (
            create_engine(one, isolation_level="AUTOCOMMIT") for one in (url["owner"], base)
        )
        stack.callback(owner.dispose)
        stack.callback(administrator.dispose)
        server_data = Path(str(base.query["host"])) / "data"
        yield Site(place, folder, server, server_data, owner, administrator, run, signer)
        assert run.stop() == 0


def _callers() -> str:
    """Those of the Compose file, by the users of this machine."""
    services = COMPOSE["services"]
    found: str = services["signer"]["environment"]["VERMILION_SIGNER_CALLERS"]
    for service, user in (("api", "root"), ("public", SITE_USER)):
        there = services[service]["user"].partition(":")[0]
        assert f"{there}=" in found
        found = found.replace(f"{there}=", f"{user}=")
    return found
