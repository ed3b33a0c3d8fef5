"""The services of docker-compose.yml on a real PostgreSQL, without the containers round them."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from rfc3161_client import TimestampRequestBuilder, decode_timestamp_response
from sqlalchemy import make_url, select
from sqlalchemy.orm import Session

from keys.clock import system_clock
from keys.crl import verify_crl
from keys.ocsp import GOOD, Revoked, build_request, cert_id
from keys.ocsp_response import verify_response
from registry.client import call
from registry.database import Database
from registry.log.rules import Ground
from registry.seals import revocation
from registry.seals.tables import Certificate, CertificateAuthority, Key
from registry.settings import Settings
from tests.postgres import PostgresServer, find_binaries
from tests.services.relying import answer_of_page, known_party, signed_answer
from tests.services.road import walk
from tests.services.running import ROOT, Place, command, environment, passable_folder, until

pytestmark = pytest.mark.timeout(900)  # whole services start in it, on a machine that may be busy

ROLES = ("public", "signer", "auditor", "authority", "owner")
DEPLOY = ROOT / "deploy" / "postgres"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@dataclass(frozen=True)
class Composed:
    """The running API and public site, with a licence issued over HTTP."""

    api: Place
    public: Place
    licence: dict[str, Any]
    document: Path
    public_settings: dict[str, Any]
    owner_url: str


def service_settings(name: str, server: PostgresServer, place: Place, passphrase: Path) -> dict[str, Any]:
    """A service's environment in the compose file, at home on this machine."""
    found: dict[str, Any] = {
        "VERMILION_DATA": place.data
    }  # the image says where; each has a volume of its own
    socket = make_url(server.url()).query["host"]
    for variable, value in COMPOSE["services"][name]["environment"].items():
        if variable.endswith("DATABASE_URL"):
            assert "@postgres/" in value
            found[variable] = value.replace("@postgres/", "@/") + f"?host={socket}"
        elif variable == "VERMILION_PASSPHRASE_FILE":
            found[variable] = passphrase
        elif variable in ("VERMILION_SIGNER_SOCKET", "VERMILION_RECEIPT_SOCKET"):
            found[variable] = passphrase.with_name("run") / "socket"
        elif variable == "VERMILION_SIGNER_CALLERS":
            callers = dict(entry.split("=") for entry in value.split(";"))
            api, site = (COMPOSE["services"][one]["user"].partition(":")[0] for one in ("api", "public"))
            assert set(callers) == {api, site}
            found[variable] = ";".join(
                f"{uid}={words}" for uid, words in _here(callers[api], callers[site]).items()
            )
        elif variable == "VERMILION_ORIGIN":
            found[variable] = place.public
        elif variable == "VERMILION_AUTHORITY_ORIGIN":
            found[variable] = place.authority
        elif variable == "VERMILION_CONSOLE_ORIGIN":
            found[variable] = f"http://localhost:{place.api_port}"
        elif variable == "VERMILION_CHECK_SITES":
            found[variable] = place.public if value == "http://public:8801" else value
        elif variable == "VERMILION_FIGURES_SECRET_FILE":
            found[variable] = passphrase.with_name("figures") if value else ""
        elif variable == "VERMILION_TEST":
            assert value == "${VERMILION_TEST:-true}"
            found[variable] = "true"
        elif variable in {"VERMILION_HOLDER_ORIGIN", "VERMILION_SMTP_HOST", "VERMILION_SMTP_FROM"}:
            assert value == f"${{{variable}:-}}"
        elif variable.endswith("_PORT"):
            found[variable] = getattr(place, variable.removeprefix("VERMILION_").lower())
        else:
            # The volume is the place's; the password the entrypoint's business, and not asked for here.
            assert variable in {"VERMILION_DATA", "VERMILION_PGPASS"}
    return found


def _here(of_api: str, of_site: str) -> dict[int, str]:
    """Who runs the API and the site in these tests, and what each may ask the signer."""
    if os.geteuid() == 0:
        return {0: of_api, pwd.getpwnam("nobody").pw_uid: of_site}
    return {os.geteuid(): f"{of_api},{of_site}"}


def psql(server: PostgresServer, *arguments: str, **more: str) -> None:
    binaries = find_binaries()
    assert binaries
    where = {"PATH": f"{binaries}:{os.environ['PATH']}", "PGHOST": str(make_url(server.url()).query["host"])}
    subprocess.run(arguments, check=True, capture_output=True, timeout=60, env=where | more)


@pytest.fixture(scope="module")
def composed(postgres_server: PostgresServer) -> Iterator[Composed]:
    with passable_folder() as folder:
        for role in ROLES:
            (folder / role).write_text(f"*:*:*:vermilion_{role}:{role}\n")
        passphrase = folder / "passphrase"
        passphrase.write_text("a passphrase of the deployment's own making\n")
        passphrase.chmod(0o600)
        (folder / "figures").write_text("f" * 64 + "\n")
        (folder / "figures").chmod(0o444)
        psql(
            postgres_server, str(DEPLOY / "roles.sh"),
            **{f"{role.upper()}_PGPASS": str(folder / role) for role in ROLES},
        )  # fmt: skip
        api = Place(folder / "api")
        public = Place(folder / "site", api.api_port, api.public_port, api.authority_port)
        settings = {
            name: service_settings(name, postgres_server, api, passphrase)
            for name in ("migrate", "api", "authority")
        }
        settings["public"] = service_settings("public", postgres_server, public, passphrase)
        holder = Place(folder / "keys", api.api_port, api.public_port)
        settings["signer"] = service_settings("signer", postgres_server, holder, passphrase)
        try:
            with command("migrate", settings=settings["migrate"]) as migrate:
                assert migrate.ended() == 0, migrate.err
            owner = ("psql", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--single-transaction")
            grants = str(DEPLOY / "grants.sql")
            psql(
                postgres_server, *owner, "--username=vermilion_owner", "--dbname=vermilion", "--file", grants
            )
            with ExitStack() as stack:
                signer = stack.enter_context(command("signer", settings=settings["signer"]))
                socket = settings["signer"]["VERMILION_SIGNER_SOCKET"]
                until(lambda: socket.exists() or _alive(signer), "the signer")
                serving = stack.enter_context(command("serve-api", settings=settings["api"]))
                site = stack.enter_context(command("serve-public", settings=settings["public"]))
                until(lambda: api.answers(api.api_port, "/readyz") or _alive(serving), "the API")
                authority = stack.enter_context(command("serve-authority", settings=settings["authority"]))
                until(lambda: api.answers(api.public_port) or _alive(site), "the public site")
                until(
                    lambda: api.answers(api.authority_port, "/readyz") or _alive(authority), "the authority"
                )
                yield _composed(api, public, settings, folder)
                assert serving.stop() == 0
                assert authority.stop() == 0
                assert site.stop() == 0
                assert not (api.data / "keys").exists()
                assert list((holder.data / "keys").glob("*.key"))
                assert signer.stop() == 0
        finally:
            postgres_server.drop(postgres_server.url("vermilion"))
            for role in ROLES:
                psql(
                    postgres_server, "psql", "--username=postgres", "--command", f"DROP ROLE vermilion_{role}"
                )


def _alive(started: Any) -> bool:
    assert started.process.poll() is None, started.err
    return False


def _composed(api: Place, public: Place, settings: dict[str, dict[str, Any]], folder: Path) -> Composed:
    """The road of docs/operate.md, as the administrator and the agencies of such a registry walk it."""
    (folder / "road").mkdir()
    made = walk(api, public, settings["api"], folder / "road")
    licence = json.loads((made / "issued.json").read_bytes())
    own = Settings(data=api.data, database_url=settings["api"]["VERMILION_DATABASE_URL"])
    return Composed(api, public, licence, made / "licence.pdf", settings["public"], own.url)


def test_a_licence_issued_over_http_is_valid_on_the_public_site(composed: Composed) -> None:
    assert composed.public.verdict(composed.licence["link"]) == "valid"
    document = composed.document.read_bytes()
    headers = {"Content-Type": "application/pdf", "Accept": "application/json"}
    answer = call("POST", f"{composed.public.public}/api/v1/verifications", body=document, headers=headers)
    assert answer.expect(200).json()["verdict"] == "valid"


def test_the_public_site_has_no_keys_and_no_documents(composed: Composed) -> None:
    assert {path.name for path in composed.public.data.iterdir()} == {"public"}
    assert "vermilion_public" in composed.public_settings["VERMILION_PUBLIC_DATABASE_URL"]
    assert "VERMILION_DATABASE_URL" not in composed.public_settings


def test_the_public_role_is_read_only_even_to_the_sites_own_engine(composed: Composed) -> None:
    """What the role may read table by table is in tests/tooling/test_database_roles.py."""
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    from registry.database import read_engine

    engine = read_engine(composed.public_settings["VERMILION_PUBLIC_DATABASE_URL"])
    refused = 0
    for statement in (
        "DELETE FROM licence",
        "UPDATE edition SET status = status",
        "SELECT * FROM person",
        "SELECT * FROM client",
        "SELECT * FROM key_use",
        "SELECT * FROM access_token",
        "SELECT * FROM licence_use",
        "SELECT * FROM pick_up",
        "SELECT * FROM notice",
        "SET default_transaction_read_only = off; DELETE FROM leaf",
    ):
        with engine.connect() as connection, pytest.raises(DBAPIError):
            connection.execute(text(statement))
        refused += 1
    assert refused == 10
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM licence")).scalar_one() == 4
    engine.dispose()


def test_the_entrypoint_closes_mounted_secrets(tmp_path: Path) -> None:
    """A mounted passphrase is readable to more than its owner, which the registry refuses."""
    script = (ROOT / "deploy" / "entrypoint.sh").read_text().replace("/tmp/", f"{tmp_path}/")
    for name in ("pgpass.mounted", "passphrase.mounted", "pin.mounted"):
        (tmp_path / name).write_text("secret")
        (tmp_path / name).chmod(0o444)
    vermilion = tmp_path / "vermilion"
    vermilion.write_text(
        '#!/bin/sh\necho "$VERMILION_PASSPHRASE_FILE $VERMILION_PKCS11_PIN_FILE $PGPASSFILE ${VERMILION_PGPASS:-none} $*"\n'
    )
    vermilion.chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", script, "entrypoint", "serve-api"], check=True, capture_output=True, text=True,
        env=environment(
            VERMILION_PGPASS=tmp_path / "pgpass.mounted",
            VERMILION_PASSPHRASE_FILE=tmp_path / "passphrase.mounted",
            VERMILION_PKCS11_PIN_FILE=tmp_path / "pin.mounted",
            PATH=f"{tmp_path}:{os.environ['PATH']}",
        ),
    )  # fmt: skip
    own = [f"{tmp_path}/{name}" for name in ("passphrase", "pin", "pgpass")]
    assert done.stdout.split() == [*own, "none", "serve-api"]
    for name in ("passphrase", "pin", "pgpass"):
        assert (tmp_path / name).read_text() == "secret"
        assert (tmp_path / name).stat().st_mode & 0o077 == 0


def test_a_relying_party_has_an_answer_signed_by_the_signer(composed: Composed) -> None:
    """Through three processes and three roles: the site reads, the signer sees for itself that it is so."""
    api, url = composed.api, composed.owner_url
    key = known_party(Settings(data=api.data, database_url=url))
    asked = {"qr": composed.licence["link"], "reference": "file 12"}
    signed = signed_answer(composed.public, key, json.dumps(asked).encode())
    (answer,) = signed.content.answers
    assert (answer["verdict"], signed.content.request_reference) == ("valid", "file 12")
    (answer,) = answer_of_page(composed.public, key, json.dumps(asked).encode()).content.answers
    assert answer["verdict"] == "valid"
    past = asked | {"as_of": "2020-01-01", "clock": "effective"}
    (answer,) = signed_answer(composed.public, key, json.dumps(past).encode()).content.answers
    assert (answer["verdict"], answer["clock"]) == ("not_yet_valid", "effective")


def test_the_authority_answers_by_a_role_that_changes_no_status(composed: Composed) -> None:
    """What the role may do table by table is in tests/tooling/test_database_roles.py."""
    database = Database.open(composed.owner_url)
    with Session(database.read) as session:
        rows = session.execute(
            select(Certificate.profile, Certificate.serial, Certificate.der)
            .where(Certificate.profile.in_(("seal", "issuing")), Certificate.der.is_not(None))
            .order_by(Certificate.not_before)
        ).all()
        name = session.scalars(
            select(CertificateAuthority.name)
            .join(Key, Key.id == CertificateAuthority.key_id)
            .where(Key.purpose == "issuing-ca")
        ).one()
    (issuing,) = [row.der for row in rows if row.profile == "issuing"]
    serial = next(row.serial for row in rows if row.profile == "seal")
    base = composed.api.authority

    def status() -> object:
        asked = build_request([cert_id(issuing, int(serial, 16))], b"n" * 16)
        headers = {"Content-Type": "application/ocsp-request"}
        answer = call("POST", f"{base}/ocsp/{name}", body=asked, headers=headers).body
        return verify_response(answer, issuing, system_clock(), nonce=b"n" * 16).answers[0].status

    def listed() -> bool:
        crl = verify_crl(call("GET", f"{base}/crl/{name}.crl").body, issuing)
        return int(serial, 16) in crl.entries

    def change(act: Callable[..., None]) -> None:
        ground = Ground("a test", "test", system_clock().date())
        with database.transaction() as session:
            act(session, SimpleNamespace(clock=system_clock, random=os.urandom), None, serial, ground)

    assert (status(), listed()) == (GOOD, False)
    change(revocation.hold)
    assert isinstance(status(), Revoked)
    until(listed, "the CRL")
    change(revocation.release)
    assert status() == GOOD
    until(lambda: not listed(), "the next CRL")
    database.dispose()

    query = TimestampRequestBuilder().data(b"x").build().as_bytes()
    headers = {"Content-Type": "application/timestamp-query"}
    stamped = call("POST", f"{base}/tsa", body=query, headers=headers)
    assert decode_timestamp_response(stamped.body).status == 0
