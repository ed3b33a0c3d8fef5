"""The database's schema: brought up to date by one migrator at a time, in one transaction.

Alembic is loaded to migrate alone: each command asks what a database is at, and would spend a sixth of its
start on that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, event, inspect, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from keys.errors import Kind, VermilionError
from registry.database import read_engine, write_engine
from registry.licences.outage import database_errors, is_outage

if TYPE_CHECKING:
    from alembic.config import Config

_VERSIONS = Path(__file__).parent / "migrations" / "versions"
_REVISION = re.compile(r'^(revision|down_revision) = "(\w+)"$', re.MULTILINE)
_LOCK = 0x7665726D696C696F  # pg_advisory_xact_lock: "vermilio", ours alone

PUBLIC_TABLES = (
    "agency",
    "annotated_copy",
    "certificate",
    "certificate_authority",
    "co_seal",
    "document",
    "edition",
    "event",
    "leaf",
    "licence",
    "presentation",
    "published_result",
    "published_trust_list",
    "result_matter",
    "revocation_list",
    "seal",
    "seal_edition",
    "seal_state",
    "seal_use",
    "standing_authorisation",
    "status_index",
    "status_list_token",
    "type_version",
)
"""What the public site's role may read, and `vermilion publish` with it. Persons, clients, tokens, requests
and intents are not its business. `deploy/postgres/grants.sql` says the same for the Compose file."""

PUBLIC_COLUMNS = {
    "key_use": ("digest", "kind", "signed"),
    "verifier": ("id", "key_sha256", "per_minute", "per_day", "active"),
}
"""Of other tables it may read these columns: whether a signature that it was shown was made here; whose key a
relying party's is, and its quotas."""


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to `revision`; a second migrator waits and then finds nothing to do.

    All or nothing: both databases undo schema changes with the transaction.
    Raises VermilionError(UNAVAILABLE) when the database cannot be reached or is busy for too long.
    """
    with _migrating(url) as connection:
        if revision == "head" and current(connection) in heads():
            return
        from alembic import command

        command.upgrade(_config(connection), revision)


def downgrade(url: str, revision: str) -> None:
    """Take the database back to `revision` (`base`: empty). Data in tables that go is lost."""
    from alembic import command

    with _migrating(url) as connection:
        command.downgrade(_config(connection), revision)


def heads() -> list[str]:
    """The newest revisions in the tree; there is always exactly one."""
    found: dict[str, set[str]] = {"revision": set(), "down_revision": set()}
    for path in _VERSIONS.glob("*.py"):
        for name, revision in _REVISION.findall(path.read_text(encoding="utf-8")):
            found[name].add(revision)
    return sorted(found["revision"] - found["down_revision"])


def current(connection: Connection) -> str | None:
    """The revision that a database is at."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def require_current(url: str) -> None:
    """See that there is a database at the newest revision; makes none, and changes nothing.

    Raises VermilionError(UNAVAILABLE).
    """
    path = make_url(url).database
    if make_url(url).get_backend_name() == "sqlite" and not Path(path or "").is_file():
        raise _not_set_up()
    engine = read_engine(url)
    try:
        with database_errors(), engine.connect() as connection:
            revision = current(connection)
    finally:
        engine.dispose()
    if revision is None:
        raise _not_set_up()
    if revision not in heads():
        raise VermilionError(
            Kind.UNAVAILABLE,
            "the database's schema is of another version: bring it up to date by `vermilion migrate`",
            reason="schema",
        )


def _not_set_up() -> VermilionError:
    return VermilionError(
        Kind.UNAVAILABLE,
        "there is no registry here: start it once, or say by VERMILION_DATA or VERMILION_DATABASE_URL where "
        "it is",
        reason="not_established",
    )


def grant_read_only(url: str, role: str) -> None:
    """Let `role` (PostgreSQL) read what the public site needs, and nothing else. Run by the tables' owner."""
    engine = write_engine(url)
    if engine.dialect.name != "postgresql":
        engine.dispose()
        raise VermilionError(Kind.INVALID, "only PostgreSQL has roles", reason="no_roles")
    quoted = engine.dialect.identifier_preparer.quote(role)
    try:
        with engine.begin() as connection:
            connection.execute(text(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {quoted}"))
            connection.execute(text(f"GRANT SELECT ON {', '.join(PUBLIC_TABLES)} TO {quoted}"))
            for table, columns in PUBLIC_COLUMNS.items():
                connection.execute(text(f"GRANT SELECT ({', '.join(columns)}) ON {table} TO {quoted}"))
    finally:
        engine.dispose()


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "registry:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@contextmanager
def _migrating(url: str) -> Iterator[Connection]:
    engine = write_engine(url)
    sqlite = engine.dialect.name == "sqlite"
    if sqlite:
        # Batch mode drops and renames tables, which foreign keys would follow; they are checked below.
        event.listen(engine, "connect", _without_foreign_keys)
    try:
        with engine.begin() as connection:  # BEGIN IMMEDIATE on SQLite: one migrator at a time
            if not sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            yield connection
            if sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                raise RuntimeError("a migration left rows that refer to nothing")
    except SQLAlchemyError as error:
        if not is_outage(error):
            raise
        raise VermilionError(Kind.UNAVAILABLE, "the database cannot be migrated now") from error
    finally:
        engine.dispose()


def _without_foreign_keys(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA foreign_keys=OFF")
