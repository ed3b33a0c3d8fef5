"""Scheduled changes whose day has come: each takes effect, with no process restarted.

Each is settled in a transaction of its own, with the change that it makes: whoever comes second finds it
settled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.licences.moment import moment
from registry.licences.operations import REPLACED, Change, Decision
from registry.licences.outage import database_errors
from registry.licences.rules import change
from registry.licences.schedule import effect_of, lapse
from registry.licences.tables import Edition, Licence, ScheduledChange
from registry.log.rules import Ground
from registry.ports import Ports

BATCH = 100


@dataclass
class ScheduleReport:
    """What a round did, by id of the scheduled change."""

    made: list[str] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)  # and why
    defects: dict[str, Exception] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.made or self.dropped or self.defects)


def make_due(ports: Ports) -> ScheduleReport:
    """Make the changes whose day has come, oldest first, at most 100 in a round; a defect in one keeps no
    other waiting. Raises VermilionError(UNAVAILABLE) without a database.
    """
    report = ScheduleReport()
    today = moment(ports).day
    due = (
        select(ScheduledChange.id)
        .where(ScheduledChange.state == "waiting", ScheduledChange.due <= today)
        .order_by(ScheduledChange.due, ScheduledChange.recorded_at)
        .limit(BATCH)
    )
    with database_errors(), Session(ports.database.read) as session:
        ids = session.scalars(due).all()
    for scheduled in ids:
        try:
            with database_errors(), ports.database.transaction() as session:
                _settle(session, ports, scheduled, report)
        except VermilionError as error:
            if error.kind is Kind.UNAVAILABLE:
                raise
            report.defects[scheduled] = error
        except Exception as error:  # noqa: BLE001  (whatever it is, the others are not kept waiting)
            report.defects[scheduled] = error
    return report


def _settle(session: Session, ports: Ports, scheduled: str, report: ScheduleReport) -> None:
    """Make one change or drop it. The edition is locked before the row, as whoever changes a licence does."""
    licence_id = session.scalar(select(ScheduledChange.licence_id).where(ScheduledChange.id == scheduled))
    edition = session.scalars(
        select(Edition)
        .where(Edition.licence_id == licence_id)
        .order_by(Edition.number.desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    row = session.get_one(ScheduledChange, scheduled, with_for_update=True, populate_existing=True)
    # Replaced, it is so by one that came while we waited for it: the next round finds that one.
    if row.state != "waiting" or edition.how == REPLACED:
        return
    at = moment(ports)
    actor = _actor(session, row)
    # Where the service was down on its day, something may have come between: it takes effect after that.
    effective = max(row.due, edition.since)
    decision = Decision(row.legal_basis, row.reason_code, effective)
    try:
        change(
            session,
            ports,
            actor,
            edition,
            cast("Change", row.operation),
            decision,
            effect_of(row),
            at,
            row.id,
        )
    except VermilionError as error:
        if error.kind not in {Kind.CONFLICT, Kind.INVALID}:
            raise
        ground = Ground(row.legal_basis, row.reason_code, effective)
        lapse(
            session,
            ports,
            actor,
            edition,
            row,
            "licence.change_dropped",
            error.reason[:40],
            ground,
            at,
        )
        report.dropped[row.id] = error.reason
        return
    row.state, row.ended_at = "done", at.now
    report.made.append(row.id)


def _actor(session: Session, row: ScheduledChange) -> Actor:
    """Whose decision it was."""
    return Actor(
        client_id=row.client_id,
        agency_code=session.get_one(Licence, row.licence_id).issuer_code,
        scopes=frozenset(),
        person_id=row.person_id,
        operator=row.operator,
    )
