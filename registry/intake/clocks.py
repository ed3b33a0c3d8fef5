"""When something is due (Administrative Licensing Law, Arts. 32, 42, 44, 45, 82; Civil Code, Arts. 201-203).

A period is counted in days from the day after the one on which it begins. A suspension (特别程序: hearing,
inspection, expert review …) is a period as well: it stops the clock from the day after the one on which it
begins up to the day on which it ends, that day included. A period in natural days that would end on a day of
rest ends on the next working day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from registry.intake.working_days import WorkingDays

MAX_DAYS = 3660
"""The longest limit, and the farthest that a due day is looked for."""

_DAY = timedelta(days=1)


class Unit(StrEnum):
    WORKING_DAY = "working_day"
    NATURAL_DAY = "natural_day"


@dataclass(frozen=True, slots=True)
class Limit:
    """So many days; none is for what is done at once (即办件): on the day itself, or the next working day."""

    days: int
    unit: Unit = Unit.WORKING_DAY

    def __post_init__(self) -> None:
        if not 0 <= self.days <= MAX_DAYS:
            raise ValueError(f"a limit has at most {MAX_DAYS} days")

    def extended(self, days: int) -> Limit:
        return Limit(self.days + days, self.unit)


@dataclass(frozen=True, slots=True)
class Stop:
    """The clock stands after `since` up to and including `until`; None while nobody knows when it ends."""

    since: date
    until: date | None

    def holds(self, day: date) -> bool:
        return self.since < day and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True)
class Due:
    """The last day on which it is in time. `provisional`: a year was counted whose notice is not loaded, so
    the day may be another once it is.
    """

    day: date
    provisional: bool


TELL_WHAT_IS_MISSING = Limit(5)
"""Art. 32: within so many days it is told, once and completely, what is to be corrected; else the application
counts as accepted on the day on which it was received.
"""
DELIVER = Limit(10)
"""Art. 44: the licence is delivered within so many days of the decision."""


def due(days: WorkingDays, begin: date, limit: Limit, stops: Sequence[Stop] = ()) -> Due | None:
    """When a limit that begins on a day is over; None while a stop stands that has no end.

    Raises ValueError for one that lies more than MAX_DAYS ahead.
    """
    day, left, provisional = begin, limit.days, not days.known(begin)
    while left > 0 or not days.works(day):
        day += _DAY
        if any(stop.until is None and stop.holds(day) for stop in stops):
            return None
        if day - begin > timedelta(days=MAX_DAYS):
            raise ValueError(f"it would be due more than {MAX_DAYS} days ahead")
        provisional = provisional or not days.known(day)
        if left > 0 and _counts(days, day, limit.unit, stops):
            left -= 1
    return Due(day, provisional)


def used(days: WorkingDays, begin: date, limit: Limit, today: date, stops: Sequence[Stop] = ()) -> int:
    """How many days of a limit are over, today included."""
    spent = (begin + timedelta(days=count) for count in range(1, (today - begin).days + 1))
    return sum(_counts(days, day, limit.unit, stops) for day in spent)


def _counts(days: WorkingDays, day: date, unit: Unit, stops: Sequence[Stop]) -> bool:
    if any(stop.holds(day) for stop in stops):
        return False
    return unit is Unit.NATURAL_DAY or days.works(day)
