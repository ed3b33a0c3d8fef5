"""What a case's clocks say, from its days and the steps on record (Measures, Art. 14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.intake.calendars import calendar, notices_on_record
from registry.intake.clocks import DELIVER, TELL_WHAT_IS_MISSING, Due, Stop, due
from registry.intake.matters import Matter
from registry.intake.moves import Action, CaseState
from registry.intake.tables import Case, CaseMove
from registry.intake.working_days import WorkingDays


@dataclass(frozen=True, slots=True)
class Reckoned:
    """The last days of what is to be done; None: nothing is, or the clock stands."""

    due_on: date | None = None
    statutory: date | None = None
    committed: date | None = None
    provisional: bool = False


def reckon(days: WorkingDays, case: Case, matter: Matter, stops: Sequence[Stop]) -> Reckoned:
    """For the case as its columns are now; `stops` are its suspensions.

    While it is not accepted: until when it is told what is missing, from the day on which the application, or
    its correction, came. Until it is decided: both limits, each with its extension. Once it is permitted:
    until when the licence is delivered.
    """
    state = CaseState(case.state)
    statutory, committed = case.statutory_due, case.committed_due
    if state in {CaseState.SUBMITTED, CaseState.RECEIVED} and case.received_on is not None:
        return _until(due(days, case.received_on, TELL_WHAT_IS_MISSING))
    if (
        state in {CaseState.ACCEPTED, CaseState.HANDLING, CaseState.SUSPENDED}
        and case.accepted_on is not None
    ):
        extended = case.extension_days
        by_law, promised = (
            due(days, case.accepted_on, limit.extended(extended), stops)
            for limit in (matter.statutory, matter.committed)
        )
        if by_law is None or promised is None:
            return Reckoned()
        provisional = by_law.provisional or promised.provisional
        return Reckoned(promised.day, by_law.day, promised.day, provisional)
    if state is CaseState.PERMITTED and case.decided_on is not None:
        delivered = due(days, case.decided_on, DELIVER)
        assert delivered is not None  # nothing stops it
        return Reckoned(delivered.day, statutory, committed, delivered.provisional)
    return Reckoned(None, statutory, committed)


def set_due(session: Session, case: Case, matter: Matter) -> None:
    """Put down what the clocks say now."""
    case.calendar = notices_on_record(session)
    found = reckon(calendar(session), case, matter, stops_of(session, case.id))
    case.due_on, case.statutory_due, case.committed_due = found.due_on, found.statutory, found.committed
    case.provisional = found.provisional


def stops_of(session: Session, case_id: str) -> list[Stop]:
    """A suspension lasts from the day it is ordered to the day of whatever ends it."""
    rows = session.execute(
        select(CaseMove.action, CaseMove.came_from, CaseMove.day)
        .where(CaseMove.case_id == case_id)
        .order_by(CaseMove.number)
    )
    stops: list[Stop] = []
    for action, came_from, day in rows:
        if action == Action.SUSPEND:
            stops.append(Stop(day, None))
        elif came_from == CaseState.SUSPENDED:
            stops[-1] = Stop(stops[-1].since, day)
    return stops


def silence_is_over(case: Case, day: date) -> bool:
    """Whether the days have passed in which it could be told what is missing (Art. 32)."""
    state = CaseState(case.state)
    waits = state in {CaseState.SUBMITTED, CaseState.RECEIVED}
    return waits and case.due_on is not None and case.due_on < day


def _until(found: Due | None) -> Reckoned:
    assert found is not None  # nothing stops it
    return Reckoned(found.day, provisional=found.provisional)
