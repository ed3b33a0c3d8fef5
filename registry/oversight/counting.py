"""Events become figures: exactly once each, whenever their transaction commits.

A row that says "not counted yet" is written in the event's transaction (`note`), and removed in the one that
adds it to its day's figure (`count_due`). So it does not matter in which order transactions become visible,
whether a process dies in between, or how many count at once; and no issuing waits for a figure's row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, cast

from sqlalchemy import Insert, Table, delete, exists, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from registry.licences.outage import database_errors
from registry.licences.tables import Edition
from registry.log.tables import Event
from registry.oversight.tables import ClosedDay, Figure, Uncounted
from registry.ports import Ports
from registry.rows import insert_rows
from registry.seals.tables import Approval, Seal

SLICE = 2000
CLOSING = timedelta(minutes=10)
"""After midnight, before the day is closed: what was recorded on it has committed by then."""

OF_EVENTS = {
    "licence.suspended": "suspended",
    "licence.resumed": "resumed",
    "licence.lifted": "resumed",
    "licence.ended": "ended",
    "licence.inspected": "inspected",
    "licence.abandoned": "abandoned",
    "act.refused": "refused",
}
ISSUED, NEXT_EDITIONS, LAPSED, UNDECIDED = "issued", "next_editions", "lapsed", "undecided"
FIGURES = (ISSUED, NEXT_EDITIONS, *dict.fromkeys(OF_EVENTS.values()), LAPSED, UNDECIDED)
"""docs/operate.md says what each counts."""


def note(session: Session, events: Sequence[Event]) -> None:
    """These events are to be counted. Their rows are there already."""
    rows = [
        {
            "event_id": event.id,
            "agency_code": event.agency_code,
            "figure": figure,
            "recorded_at": event.recorded_at,
        }
        for event in events
        if event.agency_code is not None and (figure := figure_of(event)) is not None
    ]
    if rows:
        insert_rows(session, Uncounted, rows)


def figure_of(event: Event) -> str | None:
    """The figure that an event is counted in."""
    if event.kind == "licence.issued":
        return NEXT_EDITIONS if "operation" in event.detail else ISSUED
    return OF_EVENTS.get(event.kind)


def count_due(ports: Ports) -> int:
    """Count all that is to be counted; how many events that were. Raises VermilionError(UNAVAILABLE)."""
    counted = 0
    while True:
        with database_errors(), Session(ports.database.read) as session:
            if session.scalar(select(Uncounted.event_id).limit(1)) is None:
                return counted
        with database_errors(), ports.database.transaction() as session:
            done = _count_slice(session, ports)
        counted += done
        if done < SLICE:  # what others are counting at this moment is theirs
            return counted


def _count_slice(session: Session, ports: Ports) -> int:
    zone = ports.settings.tz
    rows = session.scalars(select(Uncounted).limit(SLICE).with_for_update(skip_locked=True)).all()
    if not rows:
        return 0
    counts = Counter((row.agency_code, row.recorded_at.astimezone(zone).date(), row.figure) for row in rows)
    _add(session, counts)
    ids = [row.event_id for row in rows]
    session.execute(
        delete(Uncounted).where(Uncounted.event_id.in_(ids)),
        execution_options={"synchronize_session": False},
    )
    return len(rows)


def _add(session: Session, counts: Counter[tuple[str, date, str]]) -> None:
    """In one order, so that those who count at once wait for each other in no circle."""
    if not counts:
        return
    connection = session.connection()
    build = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    table = cast("Table", Figure.__table__)
    statement: Any = build(table)
    adding: Insert = statement.on_conflict_do_update(
        index_elements=[table.c.agency_code, table.c.day, table.c.figure],
        set_={"count": table.c.count + statement.excluded["count"]},
    )
    connection.execute(
        adding,
        [
            {"agency_code": agency, "day": day, "figure": figure, "count": count}
            for (agency, day, figure), count in sorted(counts.items())
        ],
    )


# --- what only the end of a day shows ------------------------------------------------------------------


def close_days(ports: Ports) -> int:
    """Count of each day that is over what it left undone; how many days were closed.

    Raises VermilionError(UNAVAILABLE).
    """
    closed = 0
    while True:
        with database_errors(), Session(ports.database.read) as session:
            mark = session.get(ClosedDay, 1)
            if mark is not None and _next_to_close(ports, mark.day) is None:
                return closed
        with database_errors(), ports.database.transaction() as session:
            if not _close_one(session, ports):
                return closed
        closed += 1


def _next_to_close(ports: Ports, last: date) -> date | None:
    day = last + timedelta(days=1)
    over = _midnight(ports, day + timedelta(days=1)) + CLOSING
    return day if ports.clock() >= over else None


def _midnight(ports: Ports, day: date) -> datetime:
    return datetime.combine(day, time.min, ports.settings.tz)


def _close_one(session: Session, ports: Ports) -> bool:
    mark = session.get(ClosedDay, 1, with_for_update=True)
    if mark is None:
        first = session.scalar(select(func.min(Event.recorded_at))) or ports.clock()
        before = first.astimezone(ports.settings.tz).date() - timedelta(days=1)
        mark = ClosedDay(number=1, day=before)
        session.add(mark)
        session.flush()  # of two who begin at once the second fails here, and tries again
    day = _next_to_close(ports, mark.day)
    if day is None:
        return False
    begin, end = _midnight(ports, day), _midnight(ports, day + timedelta(days=1))
    _add(session, _lapsed(session, day, end) + _undecided(session, day, begin, end))
    mark.day = day
    return True


def _lapsed(session: Session, day: date, end: datetime) -> Counter[tuple[str, date, str]]:
    """Licences whose last day it was, and that nobody had renewed, replaced or ended by its end."""
    settled = exists().where(
        Event.subject_kind == "edition",
        Event.subject == Edition.id,
        # By no index of kinds, which would be all ends that there ever were: those of this edition are few.
        func.coalesce(Event.kind, "").in_(("licence.ended", "licence.replaced")),
        Event.recorded_at < end,
    )
    wanted = (
        select(Edition.issuer_code, func.count())
        .where(Edition.valid_to == day, Edition.registered_at < end, ~settled)
        .group_by(Edition.issuer_code)
    )
    return Counter({(agency, day, LAPSED): count for agency, count in session.execute(wanted)})


def _undecided(session: Session, day: date, begin: datetime, end: datetime) -> Counter[tuple[str, date, str]]:
    """Requests about an agency's seals that expired on the day without a decision."""
    wanted = (
        select(Approval.payload, Seal.agency_code)
        .outerjoin(Seal, Seal.code == Approval.seal_code)
        .where(Approval.state == "open", Approval.expires_at >= begin, Approval.expires_at < end)
    )
    rows = session.execute(wanted)
    return Counter((agency or str(payload["agency"]), day, UNDECIDED) for payload, agency in rows)
