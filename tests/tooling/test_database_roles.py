"""The database roles of docker-compose.yml, made by its own scripts on a real PostgreSQL."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import OperationalError, ProgrammingError

import registry.tables  # noqa: F401  (loads every table)
from registry.database import Base
from tests.postgres import PostgresServer, find_binaries

DEPLOY = Path(__file__).parents[2] / "deploy" / "postgres"


def granted(role: str) -> list[str]:
    """The tables that grants.sql lets a role read whole."""
    text = (DEPLOY / "grants.sql").read_text()
    (listed,) = re.findall(rf"^GRANT SELECT ON\n((?:  \w+,?\n)+)TO {role};$", text, re.MULTILINE)
    return re.findall(r"\w+", listed)


GRANTED = granted("vermilion_public")
WITHHELD = sorted(set(Base.metadata.tables) - set(GRANTED))
FOR_SIGNER = granted("vermilion_signer")
KEPT_FROM_SIGNER = sorted(set(Base.metadata.tables) - set(FOR_SIGNER))


FOR_AUDITOR = granted("vermilion_auditor")
FOR_AUTHORITY = granted("vermilion_authority")

ROLES = ("public", "signer", "auditor", "authority", "owner")  # the owner last: it owns


def run(server: PostgresServer, *command: str, **environment: str) -> None:
    binaries = find_binaries()
    assert binaries
    url = make_url(server.url())
    subprocess.run(
        command, check=True, capture_output=True, timeout=60,
        env={"PATH": f"{binaries}:{os.environ['PATH']}", "PGHOST": str(url.query["host"]), **environment},
    )  # fmt: skip


@pytest.fixture(scope="module")
def visitor(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """The public role's URL, after roles.sh, the owner's tables and grants.sql."""
    secrets = tmp_path_factory.mktemp("secrets")
    for role in ROLES:
        (secrets / role).write_text(f"*:*:*:vermilion_{role}:pass:with'colon and quote\n")
    run(
        postgres_server, str(DEPLOY / "roles.sh"),
        **{f"{role.upper()}_PGPASS": str(secrets / role) for role in ROLES},
    )  # fmt: skip
    base = make_url(postgres_server.url("vermilion"))
    engine = create_engine(base.set(username="vermilion_owner"))
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)"))
    engine.dispose()
    psql = ("psql", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--username", "vermilion_owner")
    run(postgres_server, *psql, "--dbname", "vermilion", "--file", str(DEPLOY / "grants.sql"))
    yield base.set(username="vermilion_public")
    postgres_server.drop(postgres_server.url("vermilion"))
    for role in ROLES:
        run(postgres_server, "psql", "--username", "postgres", "--command", f"DROP ROLE vermilion_{role}")


@pytest.fixture(scope="module")
def signer(visitor: URL) -> URL:
    return visitor.set(username="vermilion_signer")


def attempt(url: URL, statement: str) -> None:
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()


def test_the_public_role_reads_what_a_check_needs(visitor: URL) -> None:
    assert GRANTED
    for table in GRANTED:
        attempt(visitor, f'SELECT count(*) FROM "{table}"')


@pytest.mark.parametrize("table", WITHHELD)
def test_the_public_role_cannot_read_the_rest(visitor: URL, table: str) -> None:
    with pytest.raises(ProgrammingError, match=f"permission denied for table {table}"):
        attempt(visitor, f'SELECT * FROM "{table}"')
    if table not in {
        "key_use",
        "verifier",
    }:  # of which it may see some columns, so that it may count the rows
        with pytest.raises(ProgrammingError, match=f"permission denied for table {table}"):
            attempt(visitor, f'SELECT count(*) FROM "{table}"')


def test_of_the_uses_of_keys_the_public_role_reads_what_was_signed_and_not_for_whom(visitor: URL) -> None:
    attempt(visitor, "SELECT digest, kind, signed FROM key_use")
    for column in ("id", "key_id", "record", "begun_at"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            attempt(visitor, f"SELECT {column} FROM key_use")


def test_of_relying_parties_the_public_role_reads_what_a_key_may_ask_and_not_whose_it_is(
    visitor: URL,
) -> None:
    attempt(visitor, "SELECT id, key_sha256, per_minute, per_day, active FROM verifier")
    with pytest.raises(ProgrammingError, match="permission denied"):
        attempt(visitor, "SELECT name FROM verifier")


def test_people_clients_and_keys_are_among_the_rest() -> None:
    assert {"person", "client", "access_token", "key", "intent", "idempotency_key"} <= set(WITHHELD)


def test_the_public_role_writes_nothing_even_when_it_leaves_read_only_mode(visitor: URL) -> None:
    for statement in ("DELETE FROM edition", "UPDATE seal SET code = code", "CREATE TABLE mine (x int)"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            attempt(visitor, f"SET TRANSACTION READ WRITE; {statement}")


def test_the_signer_s_role_reads_what_its_policy_asks_for_and_nothing_else(signer: URL) -> None:
    for table in FOR_SIGNER:
        attempt(signer, f'SELECT count(*) FROM "{table}"')
    for table in KEPT_FROM_SIGNER:
        with pytest.raises(ProgrammingError, match=f"permission denied for table {table}"):
            attempt(signer, f'SELECT * FROM "{table}"')
    assert {"person", "access_token", "assertion_key", "event", "verifier"} <= set(KEPT_FROM_SIGNER)


def test_the_signer_s_role_writes_the_uses_of_keys_alone_and_never_takes_one_back(signer: URL) -> None:
    attempt(signer, "UPDATE key_use SET signed = true, ended_at = now() WHERE key_id = '' AND record = ''")
    for statement in (
        "DELETE FROM key_use",
        "UPDATE key_use SET digest = ''",
        "UPDATE key_use SET record = ''",
        "UPDATE intent SET state = 'open'",
        "UPDATE seal SET state = 'active'",
        "UPDATE key SET state = 'active'",
        "INSERT INTO trust_list_draft (sequence) VALUES (1)",
        "CREATE TABLE mine (x int)",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"):
            attempt(signer, statement)


def test_the_authority_s_role_reads_certificates_and_announces_lists_and_time_stamps(visitor: URL) -> None:
    authority = visitor.set(username="vermilion_authority")
    for table in sorted(Base.metadata.tables):
        if table in FOR_AUTHORITY:
            attempt(authority, f'SELECT * FROM "{table}"')
            continue
        with pytest.raises(ProgrammingError, match=f"permission denied for table {table}"):
            attempt(authority, f'SELECT count(*) FROM "{table}"')
    attempt(authority, "UPDATE revocation_list SET der = NULL WHERE number = 0")
    attempt(authority, "SELECT version_num FROM alembic_version")
    for statement in (
        "UPDATE certificate SET state = 'good'",
        "UPDATE certificate SET crl_entry = NULL",
        "UPDATE certificate_authority SET status_version = 0",
        "UPDATE key SET state = 'active'",
        "UPDATE seal SET state = 'active'",
        "UPDATE revocation_list SET tbs_sha256 = ''",
        "UPDATE time_stamp SET info = ''",
        "INSERT INTO published_trust_list (sequence) VALUES (1)",
        "UPDATE alembic_version SET version_num = ''",
        "CREATE TABLE mine (x int)",
        *(f'DELETE FROM "{table}"' for table in FOR_AUTHORITY),
    ):
        with pytest.raises(ProgrammingError, match="permission denied"):
            attempt(authority, statement)


def test_an_auditor_s_role_reads_what_was_done_and_nothing_of_anybody(visitor: URL) -> None:
    auditor = visitor.set(username="vermilion_auditor")
    assert set(FOR_AUDITOR) == {"event", "leaf", "key_use", "key_use_block", "seal_use"}
    for table in sorted(Base.metadata.tables):
        if table in FOR_AUDITOR:
            attempt(auditor, f'SELECT * FROM "{table}"')
            continue
        with pytest.raises(ProgrammingError, match=f"permission denied for table {table}"):
            attempt(auditor, f'SELECT count(*) FROM "{table}"')


def test_an_auditor_s_role_changes_nothing_even_when_it_leaves_read_only_mode(visitor: URL) -> None:
    auditor = visitor.set(username="vermilion_auditor")
    for table in sorted(Base.metadata.tables):
        with pytest.raises(ProgrammingError, match="permission denied"):
            attempt(auditor, f'SET TRANSACTION READ WRITE; DELETE FROM "{table}"')
    with pytest.raises(ProgrammingError, match="permission denied"):
        attempt(auditor, "SET TRANSACTION READ WRITE; CREATE TABLE mine (x int)")


@pytest.mark.parametrize("role", ["public", "signer", "auditor", "authority"])
def test_no_role_has_what_postgresql_gives_to_everybody(visitor: URL, role: str) -> None:
    """Large objects and messages in the log of changes would stay; so would whatever is made in another database."""
    own = visitor.set(username=f"vermilion_{role}")
    for call in (
        "lo_create(0)",
        "lo_from_bytea(0, 'mine')",
        "pg_logical_emit_message(false, 'mine', 'mine')",
    ):
        with pytest.raises(ProgrammingError, match="permission denied for function"):
            attempt(own, f"SET TRANSACTION READ WRITE; SELECT {call}")
    for database in ("postgres", "template1"):
        with pytest.raises(OperationalError, match="permission denied for database"):
            attempt(own.set(database=database), "SELECT 1")
