"""How models and database are compared and rendered, by migrations and by the test that holds both equal."""

from __future__ import annotations

from typing import Any

from sqlalchemy import DateTime
from sqlalchemy.types import TypeEngine

from registry.database import Instant


def _compare_type(
    _context: Any, _inspected: Any, _column: Any, inspected_type: TypeEngine[Any], model_type: Any
) -> bool | None:
    if isinstance(model_type, Instant):  # both databases hold it as a DateTime of their own
        return not isinstance(inspected_type, DateTime)
    return None


def _render_item(kind: str, item: Any, _context: Any) -> str | bool:
    if kind == "type" and isinstance(item, Instant):  # a migration must not change when the class does
        return "sa.DateTime(timezone=True)"
    return False


OPTIONS: dict[str, Any] = {
    "render_as_batch": True,  # SQLite alters a table by copying it
    "compare_type": _compare_type,
    "render_item": _render_item,
}
