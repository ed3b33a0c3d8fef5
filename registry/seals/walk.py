"""Pages over what a seal has done: seal edition after seal edition, each in the order of time.

Editions are in use one after the other, so this is the order of time on the whole. Each page enters an index
where the last one ended: it costs the same wherever it lies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from keys.errors import Fault, Kind, VermilionError
from registry.seals.tables import SealEdition


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: a row by its seal edition, its time and its id."""

    seal_edition_id: str
    at: datetime
    id: str


def edition_numbers(session: Session, code: str) -> dict[str, int]:
    """A seal's editions, id to number, in their order."""
    rows = session.execute(
        select(SealEdition.id, SealEdition.number)
        .where(SealEdition.seal_code == code)
        .order_by(SealEdition.number)
    )
    return {row.id: row.number for row in rows}


Source = tuple[Select[*tuple[Any, ...]], InstrumentedAttribute[datetime], InstrumentedAttribute[str]]
"""A statement, and the time and the id by which its rows are ordered and an index has them."""


def walk(
    session: Session,
    numbers: dict[str, int],
    of_edition: Callable[[str], Sequence[Source]],
    after: Place | None,
    size: int,
) -> tuple[list[Row[Any]], bool]:
    """At most `size` rows of the sources `of_edition`, and whether there are more."""
    waiting = list(numbers)
    rows: list[Row[Any]] = []
    if after is not None:
        waiting = waiting[waiting.index(after.seal_edition_id) :]
    for seal_edition_id in waiting:
        found: list[tuple[tuple[datetime, str], Row[Any]]] = []
        for statement, at, row_id in of_edition(seal_edition_id):
            wanted = statement.add_columns(at.label("walk_at"), row_id.label("walk_id"))
            wanted = wanted.order_by(at, row_id).limit(size + 1 - len(rows))
            if after is not None and seal_edition_id == after.seal_edition_id:
                wanted = wanted.where(_behind(at, row_id, after))
            found += [((row.walk_at, row.walk_id), row) for row in session.execute(wanted)]
        rows += [row for _, row in sorted(found, key=itemgetter(0))][: size + 1 - len(rows)]
        if len(rows) > size:
            break
    return rows[:size], len(rows) > size


def no_such_place() -> VermilionError:
    """`after` names nothing of this seal's."""
    fault = Fault("?after", "unknown", "after is what `next` of a full page says")
    return VermilionError(Kind.INVALID, fault.detail, reason="query", faults=(fault,))


def _behind(
    at: InstrumentedAttribute[datetime], row_id: InstrumentedAttribute[str], after: Place
) -> ColumnElement[bool]:
    return and_(
        at >= after.at, or_(at > after.at, row_id > after.id)
    )  # the first is where the index is entered
