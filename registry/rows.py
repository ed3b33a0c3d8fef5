"""Rows written past the ORM: many by one statement, conditional writes that say how many they changed, and
the ids of what is written together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    CursorResult,
    Delete,
    Executable,
    Insert,
    Table,
    Update,
    delete,
    exists,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute, Session

from keys.errors import VermilionError
from registry.database import Base, Database
from registry.driver_select import Prepared

_V = TypeVar("_V")
SHARED_BYTES = 4
SLICE = 1000  # rows that are changed or removed together, where nothing else is touched


def new_ids(random: Callable[[int], bytes], count: int) -> list[str]:
    """Ids of 16 octets, hex, of rows that are written together. They have their first four in common, drawn
    for them, so that they lie side by side in every index, and their documents in one folder; the other
    twelve are each one's own.
    """
    shared = random(SHARED_BYTES).hex()
    return [shared + random(16 - SHARED_BYTES).hex() for _ in range(count)]


def insert_rows(session: Session, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of the same columns by one prepared statement."""
    if rows:
        _insert(cast("Table", table.__table__)).write(session, rows)


@contextmanager
def unless_known(session: Session, refused: VermilionError) -> Iterator[None]:
    """What is written within it stays in the caller's transaction; where a constraint has it already, none
    of it does. Raises `refused` then.
    """
    try:
        with session.begin_nested():
            yield
    except IntegrityError:
        raise refused from None


def insert_absent(
    session: Session, rows: Sequence[dict[str, Any]], key: InstrumentedAttribute[_V]
) -> set[_V]:
    """Insert those rows whose keys no other row has, or is about to have: then the answer waits for that one.
    `key` is the column by which the answer names the rows that were inserted.
    """
    if not rows:
        return set()
    table = cast("Table", key.class_.__table__)
    connection = session.connection()
    statement = _insert_absent(table, table.c[key.key], connection.dialect.name)
    if len(rows) == 1:
        return {row[0] for row in _one(statement).rows(session, **rows[0])}
    return set(connection.scalars(statement, rows))


@cache
def _insert(table: Table) -> Prepared:
    return Prepared(insert(table))


@cache
def _insert_absent(table: Table, answer: Column[Any], dialect: str) -> Executable:
    build = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return build(table).on_conflict_do_nothing().returning(answer)


_one = cache(Prepared)


def changed_rows(session: Session, statement: Update | Delete | Insert) -> int:
    """Run the statement and count. Objects already loaded in the session are not brought up to date."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", result).rowcount


def changed_each(session: Session, statement: Update, rows: Sequence[dict[str, Any]]) -> int:
    """As `changed_rows`, the statement run with the parameters of each row: how many they changed in all."""
    if not rows:
        return 0
    result = session.connection().execute(statement, rows)
    return result.rowcount


def in_slices(database: Database, some: Callable[[Session], int]) -> int:
    """Have `some`, which changes at most `SLICE` rows, done in a transaction of its own until it finds fewer;
    how many in all.
    """
    count = 0
    while True:
        with database.transaction() as session:
            changed = some(session)
        count += changed
        if changed < SLICE:
            return count


def swept(
    database: Database,
    key: InstrumentedAttribute[Any],
    *which: ColumnElement[bool],
    values: Mapping[str, Any] | None = None,
) -> int:
    """Rows of the key's table, of those that are meant, get these values, by which they are meant no more;
    or, without any, are removed. Slice by slice; nobody is kept from writing where there are none. How many.
    """
    with database.read.connect() as connection:
        if not connection.scalar(select(exists().where(*which))):
            return 0
    some = key.in_(select(key).where(*which).limit(SLICE))
    wanted: Update | Delete = delete(key.class_) if values is None else update(key.class_).values(values)
    return in_slices(database, lambda session: changed_rows(session, wanted.where(some, *which)))
