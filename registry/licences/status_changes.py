"""What a licence's slot in the status lists is to say, and where a change of it is noted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session

from registry.licences.status_tables import StatusChange, StatusListState, StatusListToken
from registry.licences.tables import AnnotatedCopy, Edition, StatusIndex
from registry.ports import Random
from registry.rows import insert_rows, new_ids
from signing.status_list import EMPTY, Value, packed_with

_SAID = (
    StatusIndex.index.label("slot"),
    StatusIndex.invalid,
    Edition.status,
    Edition.how,
    AnnotatedCopy.withdrawn_on,
)
_ITS_COPY = AnnotatedCopy.id == StatusIndex.intent_id
_ITS_EDITION = Edition.id == func.coalesce(AnnotatedCopy.edition_id, StatusIndex.intent_id)
"""A copy has a slot of its own, which says what its edition's does; and more where it was withdrawn."""


def note_changes(session: Session, random: Random, intent_ids: Sequence[str], now: datetime) -> None:
    """Have the slots of these licences looked at, and those of their copies. In the transaction that changes
    what they are to say.
    """
    copies = select(AnnotatedCopy.id).where(AnnotatedCopy.edition_id.in_(intent_ids))
    slots = session.execute(
        select(StatusIndex.intent_id, StatusIndex.list).where(
            or_(StatusIndex.intent_id.in_(intent_ids), StatusIndex.intent_id.in_(copies))
        )
    ).all()
    rows = [
        {"id": change_id, "intent_id": intent_id, "list": number, "recorded_at": now}
        for change_id, (intent_id, number) in zip(new_ids(random, len(slots)), slots, strict=True)
    ]
    insert_rows(session, StatusChange, rows)


def value_of(invalid: bool, status: str | None, how: str | None, withdrawn_on: date | None = None) -> Value:
    """The one rule of what a slot says: an abandoned intent's is invalid, one that is not registered yet is
    as if it were never given away, an ended licence's is invalid unless a newer edition took its place. A
    copy says what its edition does, and is invalid where that is in force and the copy was withdrawn.
    """
    if invalid:
        return Value.INVALID
    if status == "suspended":
        return Value.SUSPENDED
    if status == "ended":
        return Value.REPLACED if how == "replaced" else Value.INVALID
    return Value.VALID if withdrawn_on is None else Value.INVALID


def changes_of(session: Session, number: int, limit: int) -> tuple[list[str], dict[int, Value]]:
    """What waits for a list: ids of the changes, and what their slots are to say as of this statement."""
    statement = (
        select(StatusChange.id, *_SAID)
        .join(StatusIndex, StatusIndex.intent_id == StatusChange.intent_id)
        .outerjoin(AnnotatedCopy, _ITS_COPY)
        .outerjoin(Edition, _ITS_EDITION)
        .where(StatusChange.list == number)
        .limit(limit)
    )
    rows = session.execute(statement).all()
    return [row.id for row in rows], _values(rows)


def lists_that_wait(session: Session) -> set[int]:
    """Numbers of the lists that changes wait for."""
    return set(session.scalars(select(StatusChange.list).distinct()))


def derived(session: Session, number: int) -> bytes:
    """The packed values of a list from the record itself, which reads every licence of it."""
    statement = (
        select(*_SAID)
        .outerjoin(AnnotatedCopy, _ITS_COPY)
        .outerjoin(Edition, _ITS_EDITION)
        .where(
            StatusIndex.list == number,
            or_(
                StatusIndex.invalid,
                and_(Edition.status.is_not(None), Edition.status != "in_force"),
                AnnotatedCopy.withdrawn_on.is_not(None),
            ),
        )
    )
    return packed_with(EMPTY, _values(session.execute(statement)))


def _values(rows: Iterable[Any]) -> dict[int, Value]:
    return {row.slot: value_of(row.invalid, row.status, row.how, row.withdrawn_on) for row in rows}


def shown_in(session: Session, intent_id: str) -> dict[str, str]:
    """Where a licence's status shows already: the register is `live`; a status list is `pending` until one is
    signed that covers the last change, `published` then, `not_available` before the first one.
    """
    number = session.scalar(select(StatusIndex.list).where(StatusIndex.intent_id == intent_id))
    waits = session.scalar(select(exists().where(StatusChange.intent_id == intent_id)))
    version = session.scalar(select(StatusListState.version).where(StatusListState.list == number))
    signed = session.scalar(
        select(func.max(StatusListToken.version)).where(
            StatusListToken.list == number, StatusListToken.jwt.is_not(None)
        )
    )
    return shown(changing=bool(waits), version=version, signed=signed)


def shown(*, changing: bool, version: int | None, signed: int | None) -> dict[str, str]:
    """As `shown_in`: whether the slot waits to be looked at, and the versions of its list that there is, and
    that was signed last.
    """
    if changing or (version is not None and signed != version):
        status_list = "pending"
    else:
        status_list = "not_available" if signed is None else "published"
    return {"registry": "live", "status_list": status_list, "log": "not_available"}
