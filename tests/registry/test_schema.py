"""The schema: one line of migrations that makes exactly what the models say, on both databases."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from keys.errors import Kind, VermilionError
from registry.migrations.options import OPTIONS
from registry.schema import PUBLIC_COLUMNS, PUBLIC_TABLES, current, downgrade, grant_read_only, heads, upgrade
from registry.tables import metadata

GRANTS = Path(__file__).parents[2] / "deploy" / "postgres" / "grants.sql"


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    try:
        return set(inspect(engine).get_table_names()) - {"alembic_version"}
    finally:
        engine.dispose()


def test_there_is_one_head() -> None:
    """Read from the files without Alembic, and the same as it reads."""
    config = Config()
    config.set_main_option("script_location", "registry:migrations")
    config.set_main_option("path_separator", "os")
    assert len(heads()) == 1
    assert heads() == list(ScriptDirectory.from_config(config).get_heads())


def test_migrations_make_what_the_models_say(database_url: str) -> None:
    upgrade(database_url)
    engine = create_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": OPTIONS["compare_type"]})
        assert compare_metadata(context, metadata) == []
        assert [current(connection)] == [context.get_current_revision()] == heads()
    downgrade(database_url, "base")
    with engine.connect() as connection:
        assert current(connection) is None
    engine.dispose()


def test_up_down_up(database_url: str) -> None:
    upgrade(database_url)
    assert tables(database_url) == set(metadata.tables)
    downgrade(database_url, "base")
    assert tables(database_url) == set()
    upgrade(database_url)
    upgrade(database_url)  # nothing to do
    assert tables(database_url) == set(metadata.tables)


def test_migrators_wait_for_each_other(database_url: str) -> None:
    failures: list[BaseException] = []

    def migrate() -> None:
        try:
            upgrade(database_url)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert tables(database_url) == set(metadata.tables)


def test_a_migration_that_fails_leaves_nothing(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:  # in the way of the migration's own
        connection.execute(text("CREATE TABLE published_trust_list (x INTEGER)"))
    engine.dispose()
    with pytest.raises((OperationalError, ProgrammingError)):  # a defect of ours, and no outage
        upgrade(database_url)
    assert tables(database_url) == {"published_trust_list"}


def test_a_database_out_of_reach_is_an_expected_failure(tmp_path: Path) -> None:
    with pytest.raises(VermilionError) as caught:
        upgrade(f"sqlite:///{tmp_path}/missing/registry.db")
    assert caught.value.kind is Kind.UNAVAILABLE


def test_the_read_only_role_reads_what_the_public_site_needs(new_database: Callable[..., str]) -> None:
    url = new_database(upgrade)
    if url.startswith("sqlite"):
        with pytest.raises(VermilionError):
            grant_read_only(url, "reader")
        return
    owner = create_engine(url)
    with owner.begin() as connection:
        connection.execute(text("CREATE ROLE reader LOGIN"))
    grant_read_only(url, "reader")
    reader = create_engine(make_url(url).set(username="reader"))
    try:
        for table in sorted(metadata.tables):
            with reader.connect() as connection:
                if table in PUBLIC_TABLES:
                    connection.execute(text(f'SELECT 1 FROM "{table}"'))
                    continue
                with pytest.raises(ProgrammingError, match="permission denied"):
                    connection.execute(text(f'SELECT * FROM "{table}"'))
                connection.rollback()
                if table in PUBLIC_COLUMNS:
                    connection.execute(text(f'SELECT {", ".join(PUBLIC_COLUMNS[table])} FROM "{table}"'))
                    continue
                with pytest.raises(ProgrammingError, match="permission denied"):
                    connection.execute(text(f'SELECT count(*) FROM "{table}"'))  # any one column would do
    finally:
        reader.dispose()
        with owner.begin() as connection:
            connection.execute(text("DROP OWNED BY reader"))
            connection.execute(text("DROP ROLE reader"))
        owner.dispose()


def test_the_compose_file_grants_the_same() -> None:
    text = GRANTS.read_text()
    (tables,) = re.findall(r"^GRANT SELECT ON\n((?:  \w+,?\n)+)TO vermilion_public;$", text, re.MULTILINE)
    assert set(re.findall(r"\w+", tables)) == set(PUBLIC_TABLES)
    columns = re.findall(r"^GRANT SELECT \(([\w, ]+)\) ON (\w+) TO vermilion_public;$", text, re.MULTILINE)
    assert text.count("TO vermilion_public;") == 1 + len(columns), "it is granted nothing else"
    assert {table: tuple(names.split(", ")) for names, table in columns} == PUBLIC_COLUMNS
