"""Changes that were decided for a later day: they wait on record until it comes (`registry.licences.due`).

A scheduled change is the licence's, not an edition's: it acts on whichever edition holds on its day. The
registry's own lift of a suspension at the end of its term is one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.licences.moment import Moment, moment
from registry.licences.operations import Change, How, SuspensionGround
from registry.licences.tables import Edition, ScheduledChange
from registry.log.rules import Ground, record_event
from registry.ports import Ports
from registry.rows import changed_rows

MAX_WAITING = 20
"""Of one licence: more is a mistake of whoever schedules."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A change that is decided for a later day."""

    licence_id: str
    operation: Change
    due: date
    ground: SuspensionGround | None
    until: date | None
    how: How | None
    legal_basis: str
    reason_code: str
    id: str = ""  # once it is on record


@dataclass(frozen=True, slots=True)
class Lapse:
    """Why a change that waited will not come, and when that was known."""

    reason: str
    at: datetime


def schedule(
    session: Session, ports: Ports, actor: Actor, edition: Edition, planned: Planned, at: Moment
) -> Planned:
    """Put a change on record, with its event; the edition is locked. Raises VermilionError(CONFLICT)."""
    if len(waiting(session, planned.licence_id)) >= MAX_WAITING:
        detail = f"{MAX_WAITING} changes of this licence are waiting already"
        raise VermilionError(Kind.CONFLICT, detail, reason="too_many_waiting")
    row = ScheduledChange(
        id=ports.random(16).hex(),
        licence_id=planned.licence_id,
        operation=planned.operation,
        due=planned.due,
        ground=planned.ground,
        until=planned.until,
        how=planned.how,
        legal_basis=planned.legal_basis,
        reason_code=planned.reason_code,
        client_id=actor.client_id,
        person_id=actor.person_id,
        operator=actor.operator,
        state="waiting",
        recorded_at=at.now,
    )
    session.add(row)
    session.flush()
    if planned.operation != "lift":  # whose event is the suspension's, which names the day
        _tell(session, ports, actor, edition, "licence.scheduled", row, at)
    return _planned(row)


def waiting(session: Session, licence_id: str) -> list[Planned]:
    """What waits for a licence, in the order in which it comes."""
    rows = session.scalars(
        select(ScheduledChange)
        .where(ScheduledChange.licence_id == licence_id, ScheduledChange.state == "waiting")
        .order_by(ScheduledChange.due, ScheduledChange.recorded_at, ScheduledChange.id)
    )
    return [_planned(row) for row in rows]


def drop_waiting(
    session: Session, licence_id: str, lapse: Lapse, *, only: Change | None = None, but: str | None = None
) -> None:
    """What waits for a licence will not come: all of it, or `only` one kind; `but` one that is being made."""
    statement = update(ScheduledChange).where(
        ScheduledChange.licence_id == licence_id, ScheduledChange.state == "waiting"
    )
    if only is not None:
        statement = statement.where(ScheduledChange.operation == only)
    if but is not None:
        statement = statement.where(ScheduledChange.id != but)
    changed_rows(session, statement.values(state="dropped", ended_at=lapse.at, end_reason=lapse.reason))


def withdraw(
    session: Session, ports: Ports, actor: Actor, edition: Edition, scheduled: str, ground: Ground
) -> Planned:
    """Take a change back that waits for the licence of a locked edition; with its event, on this ground.

    Raises VermilionError: NOT_FOUND; CONFLICT for one that is settled, and for a lift, which is a
    suspension's.
    """
    at = moment(ports)
    row = session.scalars(
        select(ScheduledChange)
        .where(ScheduledChange.id == scheduled, ScheduledChange.licence_id == edition.licence_id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise VermilionError(Kind.NOT_FOUND, "no such scheduled change")
    if row.state != "waiting":
        raise VermilionError(Kind.CONFLICT, f"the change is {row.state} already", reason="settled")
    if row.operation == "lift":
        detail = "the term is the suspension's: resume the licence, or suspend it anew"
        raise VermilionError(Kind.CONFLICT, detail, reason="term")
    row.state, row.ended_at, row.end_reason = "dropped", at.now, "withdrawn"
    session.flush()
    _tell(session, ports, actor, edition, "licence.change_withdrawn", row, at, ground)
    return _planned(row)


def _tell(
    session: Session,
    ports: Ports,
    actor: Actor,
    edition: Edition,
    kind: str,
    row: ScheduledChange,
    at: Moment,
    ground: Ground | None = None,
) -> None:
    record_event(
        session,
        kind=kind,
        subject_kind="edition",
        subject=edition.id,
        ground=ground or Ground(row.legal_basis, row.reason_code, row.due),
        actor=actor,
        now=at.now,
        random=ports.random,
        detail=told(row, edition.identifier),
    )


def told(row: ScheduledChange, identifier: str) -> dict[str, object]:
    """What events say of a scheduled change, and of which edition holds now."""
    detail: dict[str, object] = {
        "identifier": identifier,
        "scheduled": row.id,
        "operation": row.operation,
        "due": row.due.isoformat(),
    }
    if row.ground is not None:
        detail["ground"] = row.ground
    if row.until is not None:
        detail["until"] = row.until.isoformat()
    if row.how is not None:
        detail["how"] = row.how
    if row.end_reason is not None:
        detail["reason"] = row.end_reason
    return detail


def _planned(row: ScheduledChange) -> Planned:
    return Planned(
        licence_id=row.licence_id,
        operation=cast("Change", row.operation),
        due=row.due,
        ground=cast("SuspensionGround | None", row.ground),
        until=row.until,
        how=cast("How | None", row.how),
        legal_basis=row.legal_basis,
        reason_code=row.reason_code,
        id=row.id,
    )
