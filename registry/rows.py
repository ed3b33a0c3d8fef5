"""Conditional writes: how many rows a statement changed."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import CursorResult, Delete, Insert, Update
from sqlalchemy.orm import Session


def changed_rows(session: Session, statement: Update | Delete | Insert) -> int:
    """Run the statement and count. Objects already loaded in the session are not brought up to date."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", result).rowcount
