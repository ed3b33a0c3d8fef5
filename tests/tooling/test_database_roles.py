"""The two database roles of docker-compose.yml, made by its own scripts on a real PostgreSQL."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import ProgrammingError

import registry.tables  # noqa: F401  (loads every table)
from registry.database import Base
from tests.postgres import PostgresServer, find_binaries

DEPLOY = Path(__file__).parents[2] / "deploy" / "postgres"
GRANTED = re.findall(r"^  (\w+),?$", (DEPLOY / "grants.sql").read_text(), re.MULTILINE)
WITHHELD = sorted(set(Base.metadata.tables) - set(GRANTED))


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
    for role in ("owner", "public"):
        (secrets / role).write_text(f"*:*:*:vermilion_{role}:pass:with'colon and quote\n")
    run(
        postgres_server, str(DEPLOY / "roles.sh"),
        OWNER_PGPASS=str(secrets / "owner"), PUBLIC_PGPASS=str(secrets / "public"),
    )  # fmt: skip
    base = make_url(postgres_server.url("vermilion"))
    engine = create_engine(base.set(username="vermilion_owner"))
    Base.metadata.create_all(engine)
    engine.dispose()
    psql = ("psql", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--username", "vermilion_owner")
    run(postgres_server, *psql, "--dbname", "vermilion", "--file", str(DEPLOY / "grants.sql"))
    yield base.set(username="vermilion_public")
    postgres_server.drop(postgres_server.url("vermilion"))
    for role in ("vermilion_public", "vermilion_owner"):
        run(postgres_server, "psql", "--username", "postgres", "--command", f"DROP ROLE {role}")


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
    if table != "key_use":  # of which it may see some columns, so that it may count the rows
        with pytest.raises(ProgrammingError, match=f"permission denied for table {table}"):
            attempt(visitor, f'SELECT count(*) FROM "{table}"')


def test_of_the_uses_of_keys_the_public_role_reads_what_was_signed_and_not_for_whom(visitor: URL) -> None:
    attempt(visitor, "SELECT digest, kind, signed FROM key_use")
    for column in ("id", "key_id", "record", "begun_at"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            attempt(visitor, f"SELECT {column} FROM key_use")


def test_people_clients_and_keys_are_among_the_rest() -> None:
    assert {"person", "client", "access_token", "key", "intent", "idempotency_key"} <= set(WITHHELD)


def test_the_public_role_writes_nothing_even_when_it_leaves_read_only_mode(visitor: URL) -> None:
    for statement in ("DELETE FROM edition", "UPDATE seal SET code = code", "CREATE TABLE mine (x int)"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            attempt(visitor, f"SET TRANSACTION READ WRITE; {statement}")
