"""The public site as another user: what the kernel keeps from it, and that it reads on while the API is away."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from registry.client import call, pdf_headers
from registry.sample_registry import People
from tests.services.places import READY, FirstStart, Running
from tests.services.running import (
    ROOT,
    Place,
    command,
    copy_of,
    environment,
    line,
    listener,
    passable_folder,
    status,
    until,
)

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
PUBLIC_USER = "nobody"
GROUND = {
    "legal_basis": "中华人民共和国食品安全法实施条例(样本)",
    "reason_code": "test",
    "operator": "window-03",
}

READER = """
import os, sqlite3, sys
database, uid, gid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.setgroups([gid]); os.setresgid(gid, gid, gid); os.setresuid(uid, uid, uid)
reader = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
print("read", reader.execute("SELECT count(*) FROM licence").fetchone()[0])
def attempt(name, act):
    try:
        act()
    except (OSError, sqlite3.OperationalError):
        print("refused", name)
    else:
        print("DONE", name)
folder = os.path.dirname(database)
attempt("insert read-only", lambda: reader.execute("DELETE FROM leaf"))
attempt("insert", lambda: sqlite3.connect(database, timeout=1).execute("DELETE FROM leaf"))
attempt("write file", lambda: open(database, "r+b"))
attempt("write journal", lambda: open(database + "-wal", "r+b"))
attempt("write index", lambda: open(database + "-shm", "r+b"))
attempt("remove", lambda: os.unlink(database))
attempt("replace", lambda: os.rename(database, database + ".old"))
attempt("create", lambda: open(os.path.join(folder, "new"), "wb"))
"""


def other_user() -> dict[str, Any]:
    entry = pwd.getpwnam(PUBLIC_USER)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [entry.pw_gid]}


@root_only
def test_the_workers_of_the_public_site_are_not_root(again: Running) -> None:
    workers = listener(again.place.public_port)
    assert workers
    user = other_user()
    for pid in workers:
        for process in (pid, int(status(pid)["PPid"])):
            shown = status(process)
            assert shown["Uid"].split() == [str(user["user"])] * 4
            assert shown["Gid"].split() == [str(user["group"])] * 4
            assert shown["Groups"].split() == [str(user["group"])]
            assert int(shown["CapEff"], 16) == 0
            assert int(shown["CapPrm"], 16) == 0


@root_only
def test_that_user_opens_no_file_of_the_registry_but_the_database(again: Running) -> None:
    data = again.place.data
    files = [p for p in data.rglob("*") if p.is_file()]
    assert {p.relative_to(data).parts[0] for p in files} >= {"keys", "documents", "credentials", "sample"}
    shell = 'for f in "$@"; do cat "$f" >/dev/null 2>&1 && echo "$f"; done; true'
    done = subprocess.run(
        ["/bin/sh", "-c", shell, "sh", *map(str, files)],
        check=True,
        capture_output=True,
        text=True,
        **other_user(),
    )
    opened = {str(Path(path).relative_to(data).parent) for path in done.stdout.splitlines()}
    assert opened <= {"database", "public", "fonts"}
    assert "database" in opened  # the loop can open a file at all


@root_only
def test_that_user_reads_the_database_while_it_is_written_and_never_writes(again: Running) -> None:
    database = again.place.data / "database" / "registry.db"
    user = other_user()
    writer = sqlite3.connect(database, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    try:
        done = subprocess.run(
            [sys.executable, "-c", READER, str(database), str(user["user"]), str(user["group"])],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    finally:
        writer.execute("ROLLBACK")
        writer.close()
    said = done.stdout.splitlines()
    assert said[0] == "read 2"  # both samples
    assert len(said) == 9
    assert all(row.startswith("refused ") for row in said[1:]), said


@root_only
def test_the_public_site_reads_on_while_the_api_is_stopped_or_killed(
    place: Place, first_start: FirstStart
) -> None:
    """Also started alone, when the last writer has removed the journal that a reader needs."""
    link, identifier = line(first_start.out, "link"), line(first_start.out, "Licence")
    database = place.data / "database" / "registry.db"
    journal = database.with_name("registry.db-wal")
    demo = place.settings | {"VERMILION_DEMO": "true"}

    def change(what: str, **more: str) -> None:
        officer = People.load(place.data / "credentials", place.api)["officer"]
        path = f"/api/v1/licences/{identifier}/{what}"
        officer.post(path, GROUND | more, idempotency_key=f"isolation-{what}").expect(200)

    with command("serve-public", settings=place.settings) as public:
        until(lambda: place.answers(place.public_port), "the public site")
        with command("serve-api", settings=demo) as api:
            until(lambda: place.answers(place.api_port, "/readyz"), "the API")
            assert place.verdict(link) == "valid"
            change("suspension", ground="penalty")
            assert place.verdict(link) == "suspended"
            assert api.stop() == 0
        assert place.verdict(link) == "suspended"
        assert public.stop() == 0

    def removed() -> bool:
        last = sqlite3.connect(database)
        last.execute("SELECT count(*) FROM licence").fetchone()
        last.close()
        return not journal.exists()

    until(removed, "the journal removed by the last to close")
    with command("serve-public", settings=place.settings) as public:
        until(lambda: place.answers(place.public_port), "the public site alone")
        assert until(journal.exists, "the journal kept in being")
        assert place.verdict(link) == "suspended"
        with command("serve-api", settings=demo) as api:
            until(lambda: place.answers(place.api_port, "/readyz"), "the API again")
            change("resumption")
            assert place.verdict(link) == "valid"
            for pid in (api.process.pid, *api.descendants()):
                os.kill(pid, signal.SIGKILL)
            api.ended()
        assert place.verdict(link) == "valid"
        keeper_and_workers = public.descendants()
        assert public.stop() == 0
        until(
            lambda: not any(status(pid).get("State", "Z")[0] not in "ZX" for pid in keeper_and_workers),
            "no one",
        )


def _ordinary() -> tuple[list[str], dict[str, Any], dict[str, str]]:
    """An interpreter that an ordinary user can run, how to become one, and where its modules are."""
    if os.geteuid() != 0:
        return [sys.executable], {}, {}
    modules = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])
    where = {"PYTHONPATH": modules, "PYTHONDONTWRITEBYTECODE": "1"}
    probe = "import cryptography, granian, pydantic_core, registry.cli"
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        try:
            tried = subprocess.run(
                [python, "-c", probe], env=environment(**where), cwd="/", capture_output=True, check=False,
                **other_user(),
            )  # fmt: skip
        except OSError:
            continue
        if tried.returncode == 0:
            return [python], other_user(), where
    pytest.skip("no interpreter with our modules that another user can run")


def test_an_ordinary_user_runs_both_and_is_told_what_holds() -> None:
    python, user, where = _ordinary()
    with passable_folder() as folder:
        if user:
            os.chown(folder, user["user"], user["group"])
        place = Place(folder / "var")
        with command(
            "run", settings=place.settings | where, program=[*python, "-m", "registry"], **user
        ) as run:
            run.said(READY)
            assert "The public site runs as the keys' own user" in run.out
            assert "Traceback" not in run.err
            assert place.verdict(line(run.out, "link")) == "valid"
            assert (place.data / "keys").stat().st_mode & 0o777 == 0o700
            assert run.stop() == 0


@root_only
def test_root_does_not_start_where_the_site_could_not_be_another_user() -> None:
    with passable_folder() as folder:
        closed = folder / "closed"
        closed.mkdir(mode=0o700)
        with command("run", settings=Place(closed / "var").settings) as run:
            assert run.ended() == 1
            assert run.out == ""
            assert run.err == (
                f"vermilion: the public site's user {PUBLIC_USER} cannot pass into {closed}: choose another data "
                "directory by --data (make run DATA=...), such as /var/lib/vermilion, or accept by "
                "VERMILION_PUBLIC_USER=root that the site runs as root\n"
            )
        assert list(closed.iterdir()) == []


@root_only
def test_root_may_accept_that_the_site_runs_as_root_and_is_told_so(first_start: FirstStart) -> None:
    with passable_folder() as folder:
        closed = folder / "closed"
        closed.mkdir(mode=0o700)
        place = Place(copy_of(first_start.place.data, closed))
        with command("run", settings=place.settings | {"VERMILION_PUBLIC_USER": "root"}) as run:
            run.said(READY)
            assert run.err.splitlines()[0] == (
                "WARNING: the public site runs as root, which VERMILION_PUBLIC_USER=root accepts: the kernel "
                "does not keep it from the keys."
            )
            assert "The public site runs as the keys' own user" in run.out
            assert {status(pid)["Uid"].split()[0] for pid in listener(place.public_port)} == {"0"}
            assert place.verdict(line(run.out, "link")) == "valid"


@root_only
def test_a_fresh_clone_under_a_closed_home_runs_for_root_and_the_site_is_another_user() -> None:
    """As in a container: `/root` lets nobody in, the code included. `./var` is then a link to a new directory
    (under /var/lib; here elsewhere), so that whatever names `var` goes on working.
    """
    with passable_folder() as folder:
        home, state = folder / "home", folder / "state"
        home.mkdir(mode=0o700)
        state.mkdir(mode=0o755)
        clone = home / "clone"
        for package in ("keys", "signing", "registry", "verify_web"):
            shutil.copytree(ROOT / package, clone / package, ignore=shutil.ignore_patterns("__pycache__"))
        place = Place(clone / "var")
        settings = place.settings | {"PYTHONPATH": clone}
        del settings["VERMILION_DATA"]
        moved = f"import pathlib, registry.first_start as f; f.STATE = pathlib.Path({str(state)!r})"
        program = [sys.executable, "-c", f"{moved}; import registry.cli; registry.cli.main(['run'])"]
        with command(settings=settings, program=program, cwd=clone) as run:
            run.said(READY)
            (data,) = state.iterdir()
            assert place.data.is_symlink()
            assert place.data.resolve() == data
            assert run.err.splitlines()[0] == (
                f"vermilion: the public site's user {PUBLIC_USER} cannot pass into {home}: the data lies in "
                f"{data}, and {place.data} is a link to it"
            )
            assert data.stat().st_mode & 0o777 == 0o711
            user = str(other_user()["user"])
            assert {status(pid)["Uid"].split()[0] for pid in listener(place.public_port)} == {user}
            link = line(run.out, "link")
            assert place.verdict(link) == "valid"
            altered = (data / "sample" / "licence.pdf").read_bytes()[:-1]
            answer = call("POST", f"{place.public}/api/v1/verifications", body=altered, headers=pdf_headers())
            assert answer.json()["verdict"] == "altered"
            assert run.stop() == 0
        with command(settings=settings, program=program, cwd=clone) as run:
            run.said(READY)
            assert line(run.out, "link") == link
            assert "is a link" not in run.err
        assert list(state.iterdir()) == [data]
