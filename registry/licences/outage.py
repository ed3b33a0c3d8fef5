"""A database that is out, or too busy, is an expected failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from keys.errors import Kind, VermilionError

DATABASE_OUT = "database"
"""The reason by which a database that is out is told from other parts that are."""


@contextmanager
def database_errors() -> Iterator[None]:
    """Turns an outage into VermilionError(UNAVAILABLE); the statement and its values are not repeated."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError):
        raise VermilionError(
            Kind.UNAVAILABLE, "the database does not answer", reason=DATABASE_OUT, retry_after=2
        ) from None
