"""What oversight reads: figures by agency and period, and nothing about any one licence.

Every figure is a sum over days that were counted before; of what is asked for now only changes that are late
are looked up, of which there should be none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import field_fault
from registry.actor import Actor, Administrator, Duty
from registry.agencies.tables import Agency
from registry.licences.tables import Licence, ScheduledChange
from registry.oversight.counting import FIGURES
from registry.oversight.tables import CheckFigure, ClosedDay, Figure
from signing.verdict import Verdict

SUPERVISOR = "supervisor"
MAX_DAYS = 366
PAGE = 100
CHECKS, CHECKS_FAILED, CHECKS_NOT_MADE, LATE = "checks", "checks_failed", "checks_not_made", "late"
ALL = (*FIGURES, LATE, CHECKS, CHECKS_FAILED, CHECKS_NOT_MADE)
"""In the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Period:
    """Civil days of the registry's zone, both inclusive."""

    begin: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.begin or (self.end - self.begin).days >= MAX_DAYS:
            raise field_fault("?to", "period", f"a period has 1 to {MAX_DAYS} days, and ends after its begin")


@dataclass(frozen=True, slots=True)
class Figures:
    """An agency's; what is not named is 0."""

    agency: Agency
    counts: Mapping[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> int:
        return self.counts.get(name, 0)


def require_supervisor(actor: Actor | Administrator) -> None:
    """Raises VermilionError(FORBIDDEN) for who neither supervises nor audits."""
    if isinstance(actor, Administrator):
        actor.require(Duty.AUDIT)
    else:
        actor.require_person(SUPERVISOR)


def figures(
    session: Session,
    actor: Actor | Administrator,
    period: Period,
    today: date,
    after: str = "",
    size: int = PAGE,
) -> tuple[list[Figures], str | None]:
    """Of at most `size` agencies behind a code, in the order of their codes; and behind which the next page
    begins. Raises VermilionError(FORBIDDEN).
    """
    require_supervisor(actor)
    rows = session.scalars(
        select(Agency).where(Agency.code > after).order_by(Agency.code).limit(size + 1)
    ).all()
    shown = rows[:size]
    counts = _counted(session, [one.code for one in shown], period, today)
    found = [Figures(one, counts.get(one.code, {})) for one in shown]
    return found, shown[-1].code if len(rows) > size else None


def own_figures(session: Session, code: str, period: Period, today: date) -> Mapping[str, int]:
    """Those of one agency, for its own people."""
    return _counted(session, [code], period, today).get(code, {})


def unmatched_checks(session: Session, actor: Actor | Administrator, period: Period) -> Mapping[str, int]:
    """Checks in the period by which no licence was found, as the figures of checks of an agency.

    Raises VermilionError(FORBIDDEN).
    """
    require_supervisor(actor)
    return _checks(session, [""], period).get("", {})


def closed_to(session: Session) -> date | None:
    """The last day of which is counted what only its end shows; None before the first."""
    mark = session.get(ClosedDay, 1)
    return None if mark is None else mark.day


def _counted(
    session: Session, codes: Sequence[str], period: Period, today: date
) -> dict[str, dict[str, int]]:
    found = _checks(session, codes, period)
    sums = (
        select(Figure.agency_code, Figure.figure, func.sum(Figure.count))
        .where(Figure.agency_code.in_(codes), Figure.day.between(period.begin, period.end))
        .group_by(Figure.agency_code, Figure.figure)
    )
    late = (
        select(Licence.issuer_code, func.count())
        .join(ScheduledChange, ScheduledChange.licence_id == Licence.id)
        .where(
            ScheduledChange.state == "waiting", ScheduledChange.due < today, Licence.issuer_code.in_(codes)
        )
        .group_by(Licence.issuer_code)
    )
    for agency, figure, count in session.execute(sums):
        found.setdefault(agency, {})[figure] = int(count)
    for agency, count in session.execute(late):
        found.setdefault(agency, {})[LATE] = int(count)
    return found


def _checks(session: Session, codes: Sequence[str], period: Period) -> dict[str, dict[str, int]]:
    wanted = (
        select(CheckFigure.agency_code, CheckFigure.verdict, func.sum(CheckFigure.checks))
        .where(CheckFigure.agency_code.in_(codes), CheckFigure.day.between(period.begin, period.end))
        .group_by(CheckFigure.agency_code, CheckFigure.verdict)
    )
    found: dict[str, dict[str, int]] = {}
    for agency, verdict, checks in session.execute(wanted):
        mine = found.setdefault(agency, {})
        mine[CHECKS] = mine.get(CHECKS, 0) + int(checks)
        name = _FAILED.get(verdict, CHECKS_FAILED)
        if name is not None:
            mine[name] = mine.get(name, 0) + int(checks)
    return found


_FAILED: dict[str, str | None] = {
    Verdict.VALID.value: None,
    Verdict.GENUINE_OFFLINE.value: CHECKS_NOT_MADE,
    Verdict.CANNOT_CHECK.value: CHECKS_NOT_MADE,
}
"""Verdicts that are no failure: every other one says that a licence is not to be relied on."""
