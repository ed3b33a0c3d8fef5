"""The public site's process taken over, on PostgreSQL: what it can write, read and have signed.

The services are started as documented, on a server that asks each role for its password. Orders are carried out
within the worker that answers visitors (`taken_over_app`), and each thing tried must fail for want of a right:
PostgreSQL's `insufficient_privilege`, the kernel's EACCES or EPERM, the signer's refusal of the caller. What a
check needs is tried by the same roads, before and after, and must succeed.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key
from sqlalchemy import text

import registry.tables  # noqa: F401  (loads every table)
from keys.custodian import Kind, Purpose
from keys.signed_answer import Content
from keys.suite import SUITES, verifies
from registry.database import Base
from registry.schema import PUBLIC_COLUMNS, PUBLIC_TABLES
from registry.settings import Settings
from signing.credential import split_link
from tests.services.asking import (
    CALLER,
    DONE,
    Call,
    Held,
    disguised,
    held,
    other_calls,
    receipt_key,
    to_be_signed,
)
from tests.services.relying import known_party, signed_answer
from tests.services.running import line, listener, status
from tests.services.taken_over import MARK, SITE_USER, Site, taken_over

pytestmark = pytest.mark.timeout(900)  # whole services start in it, on a machine that may be busy

OTHER_ROLES = ("vermilion_owner", "vermilion_signer", "vermilion_authority", "vermilion_auditor", "postgres")
NO_RIGHT = "42501"  # insufficient_privilege
CLOSED = {"EACCES", "EPERM"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_site_that_was_taken_over_reads_what_a_check_needs_and_has_the_truth_signed() -> None:
    with taken_over() as site:
        link = line(site.run.out, "link")
        answer = _true_answer(site, link)
        made = site.known("SELECT count(*) FROM key")
        _it_is_the_site(site)
        _it_does_its_work(site, link, answer)
        _it_writes_nothing(site)
        _it_reads_nothing_else(site)
        _it_opens_no_file(site)
        _it_enters_no_process(site)
        _it_holds_no_secret_but_its_own(site)
        _it_has_nothing_else_signed(site, answer)
        _it_does_its_work(site, link, answer)
        assert site.place.verdict(link) == "valid"
        assert site.known("SELECT count(*) FROM key") == made


def _it_is_the_site(site: Site) -> None:
    """Orders are carried out in the very process that answers visitors, which is nobody special."""
    told = site.does("identity")
    assert told["pid"] in listener(site.place.public_port)
    assert MARK not in json.dumps(told["environment"])
    user = pwd.getpwnam(SITE_USER)
    shown = status(told["pid"])
    assert shown["Uid"].split() == [str(user.pw_uid)] * 4
    assert shown["Gid"].split() == [str(user.pw_gid)] * 4
    assert shown["Groups"].split() == [str(user.pw_gid)]
    refused = site.does("became")
    assert len(refused) == 5
    assert set(refused.values()) == {"EPERM"}, refused


# What it is for.


@dataclass(frozen=True)
class Answer:
    """A true answer that was signed for a relying party, and the key that signed it."""

    content: Content
    key: Held


def _true_answer(site: Site, link: str) -> Answer:
    own = Settings(data=site.place.data, database_url=site.server.url("vermilion"))
    signed = signed_answer(site.place, known_party(own), json.dumps({"qr": link}).encode())
    assert signed.content.answers[0]["verdict"] == "valid"
    return Answer(signed.content, receipt_key(held(site.administrator), signed))


def _it_does_its_work(site: Site, link: str, answer: Answer) -> None:
    found, _ = split_link(link)
    assert site.does("checked", found.id_bytes.hex()) == answer.content.answers[0]["identifier"]
    before = site.does("counted", "a scan")
    assert site.does("counted", "a scan") == before + 1
    wanted, data = to_be_signed(answer.content, answer.key)
    ((said, signature),) = site.does("asked", [wanted])
    assert said == DONE
    public = load_der_public_key(answer.key.public_key)
    assert verifies(public, SUITES[answer.key.ref.suite], bytes.fromhex(signature), data)


# The database.


def _relations(site: Site) -> dict[str, list[str]]:
    """The columns of everything in the registry's schema that has rows."""
    found: dict[str, list[str]] = {}
    for table, column in site.known(
        "SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
        " AND attnum > 0 AND NOT attisdropped ORDER BY relname, attnum"
    ):
        found.setdefault(table, []).append(column)
    assert set(found) == {*Base.metadata.tables, "alembic_version"}
    return found


def _refused_by_the_database(site: Site, statements: Sequence[str]) -> None:
    states = site.does("stated", statements)
    wrong = {one: state for one, state in zip(statements, states, strict=True) if state != NO_RIGHT}
    assert wrong == {}


ON_A_TABLE = (
    "INSERT INTO {table} DEFAULT VALUES",
    "UPDATE {table} SET {column} = {column}",
    "DELETE FROM {table}",
    "TRUNCATE {table}",
    "SELECT 1 FROM {table} FOR UPDATE",
    "DO $$ BEGIN LOCK TABLE {table} IN ROW EXCLUSIVE MODE; END $$",
    "COPY {table} FROM PROGRAM 'true'",
    "ALTER TABLE {table} ADD COLUMN mine int",
    "CREATE INDEX ON {table} ({column})",
    "DROP TABLE {table}",
)
ON_THE_SERVER = (
    "CREATE TABLE mine (x int)",
    "CREATE TEMPORARY TABLE mine (x int)",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "CREATE PUBLICATION mine",
    "ALTER SCHEMA public OWNER TO vermilion_public",
    "ALTER DATABASE vermilion OWNER TO vermilion_public",
    "ALTER DATABASE vermilion RESET ALL",
    "ALTER DEFAULT PRIVILEGES FOR ROLE vermilion_owner GRANT SELECT ON TABLES TO vermilion_public",
    "ALTER ROLE vermilion_public SUPERUSER",
    "ALTER ROLE vermilion_public CREATEROLE",
    "ALTER ROLE vermilion_owner PASSWORD 'mine'",
    "ALTER SYSTEM SET log_statement = 'none'",
    "SET log_statement = 'none'",
    "SET session_preload_libraries = 'mine'",
    "LOAD '/tmp/mine'",
    "GRANT SELECT ON person TO vermilion_public",
    "GRANT vermilion_owner TO vermilion_public",
    "GRANT pg_read_all_data TO vermilion_public",
    "COPY (SELECT 1) TO PROGRAM 'cat >/dev/null'",
    "COPY (SELECT 1) TO '/tmp/mine'",
    "SELECT lo_create(0)",
    "SELECT lo_creat(-1)",
    "SELECT lo_from_bytea(0, 'mine')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/mine')",
    "SELECT pg_logical_emit_message(false, 'mine', 'mine')",
    "SELECT pg_create_physical_replication_slot('mine')",
    "SELECT pg_create_restore_point('mine')",
    "SELECT pg_switch_wal()",
    "SELECT pg_reload_conf()",
    "SELECT pg_stat_reset()",
)


def _it_writes_nothing(site: Site) -> None:
    relations = _relations(site)
    # Each role may change its own defaults in PostgreSQL, so nothing may rest on them.
    assert site.does("rows", "SHOW default_transaction_read_only") == [["on"]]
    assert site.does("stated", ["ALTER ROLE vermilion_public RESET ALL"]) == [DONE]
    assert site.does("rows", "SHOW default_transaction_read_only") == [["off"]]
    _refused_by_the_database(
        site,
        [
            statement.format(table=f'"{table}"', column=f'"{columns[0]}"')
            for table, columns in relations.items()
            for statement in ON_A_TABLE
        ],
    )
    with site.owner.connect() as connection:
        other = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        _refused_by_the_database(
            site,
            [
                *ON_THE_SERVER,
                *(f"SET ROLE {role}" for role in OTHER_ROLES),
                *(f"SET SESSION AUTHORIZATION {role}" for role in OTHER_ROLES),
                f"SELECT pg_terminate_backend({other})",
                f"SELECT pg_cancel_backend({other})",
            ],
        )
    assert site.known("SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]


OF_THE_SERVER = (
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_shadow",
    "SELECT * FROM pg_largeobject",
    "SELECT * FROM pg_statistic",
    "SELECT * FROM pg_user_mapping",
    "SELECT * FROM pg_hba_file_rules",
    "SELECT * FROM pg_file_settings",
    "SELECT subconninfo FROM pg_subscription",
    "SELECT current_setting('data_directory')",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT pg_ls_dir('.')",
    "SELECT pg_stat_file('.')",
    "SELECT pg_current_logfile()",
)


def _it_reads_nothing_else(site: Site) -> None:
    relations = _relations(site)
    assert {*PUBLIC_TABLES, *PUBLIC_COLUMNS} < set(relations)
    granted = {table: relations[table] for table in PUBLIC_TABLES} | {
        table: list(columns) for table, columns in PUBLIC_COLUMNS.items()
    }
    allowed = [f'SELECT "{one}" FROM "{table}"' for table, columns in granted.items() for one in columns]
    assert site.does("stated", allowed) == [DONE] * len(allowed)
    withheld = {table: columns for table, columns in relations.items() if table not in PUBLIC_TABLES}
    refused = [
        f'SELECT "{one}" FROM "{table}"'
        for table, columns in withheld.items()
        for one in columns
        if one not in PUBLIC_COLUMNS.get(table, ())
    ]
    refused += [f'SELECT {what} FROM "{table}"' for table in withheld for what in ("*", f'"{table}"')]
    refused += [f'SELECT count(*) FROM "{table}"' for table in withheld if table not in PUBLIC_COLUMNS]
    _refused_by_the_database(site, [*refused, *OF_THE_SERVER])

    # What others ask, and the most frequent values of columns, PostgreSQL shows to those with a right.
    names = ", ".join(f"'{table}'" for table in withheld if table not in PUBLIC_COLUMNS)
    frequent = f"SELECT count(*) FROM pg_stats WHERE schemaname = 'public' AND tablename IN ({names})"
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE usename <> current_user"
        " AND query NOT IN ('', '<insufficient privilege>')"
    )
    with site.administrator.connect() as connection:
        connection.execute(text("ANALYZE"))
        for query in (frequent, others):
            assert connection.execute(text(query.replace("current_user", "'nobody'"))).scalar_one() > 0
    assert site.does("rows", frequent) == [["0"]]
    assert site.does("rows", others) == [["0"]]

    own = (site.folder / "public").read_text().rpartition(":")[2].strip()
    logins = [{"user": role} | more for role in OTHER_ROLES for more in ({}, {"password": own})]
    logins += [{"dbname": database} for database in ("postgres", "template1")]
    wrong = {
        str(login): said
        for login, said in zip(logins, site.does("logged_in", [{}, *logins])[1:], strict=True)
        if not re.search(
            r"no password supplied|authentication failed for user|permission denied for database", said
        )
    }
    assert wrong == {}
    assert site.does("logged_in", [{}]) == [DONE]


# The machine.


def _it_opens_no_file(site: Site) -> None:
    data, own = site.place.data, {site.place.data / "public", site.folder / "public"}
    every = [path for path in (site.folder, *site.folder.rglob("*")) if not own & {path, *path.parents}]
    every += [site.server_data, *site.server_data.iterdir()]  # its data, not the tests' log beside
    place_of_sqlite = str(data / "database")
    assert list(Path(place_of_sqlite).iterdir()) == []
    kinds: dict[str, list[str]] = {
        "socket": [str(path) for path in every if path.is_socket()],
        "directory": [str(path) for path in every if path.is_dir()],
        "file": [str(path) for path in every if path.is_file()],
    }
    names = {path.name for path in map(Path, kinds["file"])}
    assert {"passphrase", "owner", "signer", "first-start.lock", "PG_VERSION"} <= names
    within = {path.relative_to(data).parts[0] for path in map(Path, kinds["file"]) if data in path.parents}
    assert {"root", "documents", "credentials", "sample", "fonts"} <= within
    assert len(kinds["socket"]) == 1
    for kind, paths in kinds.items():
        outcomes = site.does("touched", kind, paths)
        wrong = {
            (path, act): said
            for path, acts in outcomes.items()
            for act, said in acts.items()
            if said not in CLOSED and (path, act) != (place_of_sqlite, "list")
        }
        assert wrong == {}, kind


def _it_enters_no_process(site: Site) -> None:
    mine, others = site.processes()
    assert len(mine) >= 2
    assert len(others) >= 8
    for pid, outcomes in site.does("entered", others).items():
        assert set(outcomes.values()) <= CLOSED, (pid, Path(f"/proc/{pid}/cmdline").read_bytes(), outcomes)
    for pid in others:
        assert MARK.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


def _it_holds_no_secret_but_its_own(site: Site) -> None:
    """Neither in memory, where a fork would have left it, nor by a descriptor."""
    mine, _ = site.processes()
    roots = [path.read_bytes().strip() for path in (site.place.data / "root").glob("passphrase")]
    assert len(roots) == 1
    mark, found = MARK.encode(), set[bytes]()
    for pid in mine:
        for part in _memory(pid):
            if mark in part:
                found |= set(re.findall(mark + rb"(\w+)-", part))
            assert roots[0] not in part
        open_files = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        private = (str(site.folder), str(site.server_data))
        assert {
            name
            for name in open_files
            if name.startswith(private) and not name.startswith(str(site.place.data / "public"))
        } == set()
    assert found == {b"public"}


def _memory(pid: int) -> Iterator[bytes]:
    """What is written in a process's memory, a mapping at a time."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for mapping in Path(f"/proc/{pid}/maps").read_text().splitlines():
            addresses, rights, *_ = mapping.split()
            if not rights.startswith("rw"):
                continue
            start, end = (int(address, 16) for address in addresses.split("-"))
            with contextlib.suppress(OSError):  # it is gone by now
                memory.seek(start)
                yield memory.read(end - start)


# The keys.


def _it_has_nothing_else_signed(site: Site, answer: Answer) -> None:
    calls = other_calls(site.administrator, answer.content, answer.key)
    assert len(calls) > len(Purpose) * len(Kind)
    said = site.does("asked", calls)
    assert [pair for pair in zip(calls, said, strict=True) if pair[1] != CALLER] == []

    calls = disguised(site.administrator, answer.content)
    assert len(calls) >= 8
    assert {tuple(one) for one in site.does("asked", calls)} == {("key-use-refused", "purpose")}

    content, key = answer.content, answer.key
    first, *others = content.answers
    ended = {**first, "verdict": "ended", "how": "revoked"}
    true, _ = to_be_signed(content, key)
    wanted: list[tuple[Call, str]] = [
        (to_be_signed(content, key, answers=(ended, *others))[0], "answer_untrue"),
        (to_be_signed(content, key, audience="f" * 32)[0], "answer_audience"),
        (to_be_signed(content, key, issuer="https://example.org")[0], "answer_form"),
        (to_be_signed(content, key, reference="f" * 32)[0], "answer_form"),  # than its record
        (to_be_signed(content, key, issued_at=content.issued_at - timedelta(days=1))[0], "answer_time"),
        (true, DONE),
        (true, "record_used"),
    ]
    said = site.does("asked", [call for call, _ in wanted])
    assert [why if kind == "key-use-refused" else kind for kind, why in said] == [why for _, why in wanted]
