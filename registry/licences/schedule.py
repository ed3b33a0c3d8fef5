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
from registry.licences.operations import NO_MORE, Change, Effect, How, SuspensionGround
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
    legal_basis: str
    reason_code: str
    effect: Effect = NO_MORE
    id: str = ""  # once it is on record


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
        ground=planned.effect.ground,
        until=planned.effect.until,
        how=planned.effect.how,
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
        ground = Ground(planned.legal_basis, planned.reason_code, planned.due)
        _tell(session, ports, actor, edition, "licence.scheduled", row, ground, at)
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
    session: Session,
    licence_id: str,
    reason: str,
    now: datetime,
    *,
    only: Change | None = None,
    but: str | None = None,
) -> None:
    """What waits for a licence will not come: all of it, or `only` one kind; `but` one that is being made."""
    statement = update(ScheduledChange).where(
        ScheduledChange.licence_id == licence_id, ScheduledChange.state == "waiting"
    )
    if only is not None:
        statement = statement.where(ScheduledChange.operation == only)
    if but is not None:
        statement = statement.where(ScheduledChange.id != but)
    changed_rows(session, statement.values(state="dropped", ended_at=now, end_reason=reason))


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
    lapse(session, ports, actor, edition, row, "licence.change_withdrawn", "withdrawn", ground, at)
    return _planned(row)


def lapse(
    session: Session,
    ports: Ports,
    actor: Actor,
    edition: Edition,
    row: ScheduledChange,
    kind: str,
    reason: str,
    ground: Ground,
    at: Moment,
) -> None:
    """A locked row will not come: with an event of this kind, about the edition that holds now."""
    row.state, row.ended_at, row.end_reason = "dropped", at.now, reason
    session.flush()
    _tell(session, ports, actor, edition, kind, row, ground, at)


def _tell(
    session: Session,
    ports: Ports,
    actor: Actor,
    edition: Edition,
    kind: str,
    row: ScheduledChange,
    ground: Ground,
    at: Moment,
) -> None:
    detail: dict[str, object] = {
        "identifier": edition.identifier,
        "scheduled": row.id,
        "operation": row.operation,
        "due": row.due.isoformat(),
        **effect_of(row).told(),
    }
    if row.end_reason is not None:
        detail["reason"] = row.end_reason
    record_event(
        session,
        kind=kind,
        subject_kind="edition",
        subject=edition.id,
        ground=ground,
        actor=actor,
        now=at.now,
        random=ports.random,
        detail=detail,
    )


def effect_of(row: ScheduledChange) -> Effect:
    return Effect(cast("SuspensionGround | None", row.ground), row.until, cast("How | None", row.how))


def _planned(row: ScheduledChange) -> Planned:
    return Planned(
        licence_id=row.licence_id,
        operation=cast("Change", row.operation),
        due=row.due,
        legal_basis=row.legal_basis,
        reason_code=row.reason_code,
        effect=effect_of(row),
        id=row.id,
    )
