"""Rows written past the ORM: many by one statement, and conditional writes that say how many they changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import CursorResult, Delete, Insert, Table, Update, insert
from sqlalchemy.orm import Session

from registry.database import Base


def insert_rows(session: Session, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of the same columns by one prepared statement."""
    if rows:
        session.execute(insert(cast("Table", table.__table__)), rows)


def changed_rows(session: Session, statement: Update | Delete | Insert) -> int:
    """Run the statement and count. Objects already loaded in the session are not brought up to date."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", result).rowcount
