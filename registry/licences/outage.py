"""A database that is out, or too busy, is an expected failure; a wrong statement of ours is a defect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from keys.errors import Kind, VermilionError

DATABASE_OUT = "database"
"""The reason by which a database that is out is told from other parts that are."""

# What the drivers do not file under operational errors, and is one all the same.
_SQLITE_OUTAGES = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_POSTGRES_OUTAGES = frozenset(
    {
        "25006",  # read_only_sql_transaction: the server became a standby
        "25P03",  # idle_in_transaction_session_timeout
        "25P04",  # transaction_timeout
        "42P01",  # undefined_table: the schema is not there yet
        "XX001",  # data_corrupted
        "XX002",  # index_corrupted
    }
)
_SQLITE_DEFECTS = ("SQLITE_ERROR", "SQLITE_MISUSE")  # operational errors to the driver; statements of ours


@contextmanager
def database_errors() -> Iterator[None]:
    """Turns an outage into VermilionError(UNAVAILABLE); the statement and its values are not repeated."""
    try:
        yield
    except SQLAlchemyError as error:
        if not is_outage(error):
            raise
        raise database_out() from error


def database_out() -> VermilionError:
    return VermilionError(
        Kind.UNAVAILABLE, "the database does not answer", reason=DATABASE_OUT, retry_after=2
    )


def is_outage(error: BaseException) -> bool:
    """Whether the database failed, and not what we asked of it."""
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    sqlite = _sqlite_name(error)
    if sqlite in _SQLITE_DEFECTS:
        return "no such table" in str(error.orig)  # the schema is not there yet
    return (
        error.connection_invalidated
        or isinstance(error, (OperationalError, InterfaceError))
        or sqlite.startswith(_SQLITE_OUTAGES)
        or getattr(error.orig, "sqlstate", None) in _POSTGRES_OUTAGES
    )


def database_code(error: BaseException | None) -> str | None:
    """How the database names its failure (SQLSTATE, or SQLite's result code): for the log, where its words,
    which may hold what was stored, are not.
    """
    if not isinstance(error, DBAPIError):
        return None
    return getattr(error.orig, "sqlstate", None) or _sqlite_name(error) or None


def _sqlite_name(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlite_errorname", ""))
