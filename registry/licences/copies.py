"""Annotated copies 加注件 that are registered: read, listed and withdrawn by the agency that made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry.actor import Actor
from registry.licences.moment import moment
from registry.licences.rules import own_for
from registry.licences.status_changes import note_changes
from registry.licences.tables import AnnotatedCopy, CopyOrder, Edition, Intent
from registry.log.rules import Ground, record_event
from registry.ports import Ports

PAGE = 50


@dataclass(frozen=True, slots=True)
class Found:
    """A copy with what was asked for it. Its link and look-up code are told once, when it is made."""

    copy: AnnotatedCopy
    identifier: str  # of the edition that it is of
    holder_wish: str
    matter_code: str
    case_number: str


def copy_of(session: Session, actor: Actor, identifier: str, copy_id: str) -> Found:
    """Raises VermilionError as `own_for`; NOT_FOUND (`copy_unknown`)."""
    edition = own_for(session, actor, identifier)
    row = session.execute(_COPIES.where(AnnotatedCopy.id == copy_id, _of(edition))).one_or_none()
    if row is None:
        raise _unknown()
    return _found(edition, row)


def copies_of(
    session: Session, actor: Actor, identifier: str, after: str | None = None
) -> tuple[list[Found], bool]:
    """At most 50 copies of an edition, the newest first, behind the one of the id `after`; and whether there
    are more. Raises VermilionError as `own_for`; INVALID for a copy that is none of this edition's.
    """
    edition = own_for(session, actor, identifier)
    statement = _COPIES.where(_of(edition))
    if after is not None:
        last = session.get(AnnotatedCopy, after)
        if last is None or last.edition_id != edition.id:
            raise field_fault("?after", "cursor", "after is what `next` of a full page says")
        at = AnnotatedCopy.registered_at
        before = or_(at < last.registered_at, and_(at == last.registered_at, AnnotatedCopy.id < last.id))
        statement = statement.where(before)
    ordered = statement.order_by(AnnotatedCopy.registered_at.desc(), AnnotatedCopy.id.desc())
    rows = session.execute(ordered.limit(PAGE + 1)).all()
    return [_found(edition, row) for row in rows[:PAGE]], len(rows) > PAGE


def withdraw_copy(
    session: Session,
    ports: Ports,
    actor: Actor,
    identifier: str,
    copy_id: str,
    legal_basis: str,
    reason_code: str,
) -> Found:
    """Withdraw a copy, at once and for good: checks say so from now on. Its licence stays what it is.

    Raises VermilionError as `copy_of`; CONFLICT (`copy_withdrawn`) for one that was withdrawn before.
    """
    edition = own_for(session, actor, identifier, lock=True)
    mine = select(AnnotatedCopy).where(AnnotatedCopy.id == copy_id, _of(edition)).with_for_update()
    copy = session.scalars(mine.execution_options(populate_existing=True)).one_or_none()
    if copy is None:
        raise _unknown()
    if copy.withdrawn_on is not None:
        raise VermilionError(Kind.CONFLICT, "the copy was withdrawn before", reason="copy_withdrawn")
    at = moment(ports)
    copy.withdrawn_on, copy.withdrawn_at = at.day, at.now
    session.flush()  # the event's row comes behind it
    note_changes(session, ports.random, [copy.id], at.now)
    record_event(
        session,
        kind="licence.copy_withdrawn",
        subject_kind="edition",
        subject=edition.id,
        ground=Ground(legal_basis, reason_code, at.day),
        actor=actor,
        now=at.now,
        random=ports.random,
        detail={"identifier": edition.identifier, "copy": copy.id},
    )
    return copy_of(session, actor, identifier, copy_id)


_COPIES = (
    select(AnnotatedCopy, CopyOrder.holder_wish, Intent.matter_code, Intent.case_number)
    .join(CopyOrder, CopyOrder.intent_id == AnnotatedCopy.id)
    .join(Intent, Intent.id == AnnotatedCopy.id)
)


def _of(edition: Edition) -> Any:
    return AnnotatedCopy.edition_id == edition.id


def _found(edition: Edition, row: Any) -> Found:
    return Found(row[0], edition.identifier, row.holder_wish, row.matter_code, row.case_number)


def _unknown() -> VermilionError:
    return VermilionError(Kind.NOT_FOUND, "the licence has no such copy", reason="copy_unknown")
