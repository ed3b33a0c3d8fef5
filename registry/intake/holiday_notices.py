"""The State Council's notices of holidays and of the days that make up for them.

A notice is data with a version; a later one of the same year takes its place. `chinesecalendar` carries those
that were published when it was released.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version

from chinese_calendar import constants

from registry.intake.working_days import SATURDAY, WorkingDays


@dataclass(frozen=True, slots=True)
class HolidayNotice:
    """`days`: whether a day of that year is worked on, and why, where its day of the week says otherwise."""

    year: int
    source: str
    days: Mapping[date, tuple[bool, str]]


def library_notices(years: Iterable[int]) -> list[HolidayNotice]:
    """Those that the library has of these years; of other years none."""
    source = f"chinesecalendar {version('chinesecalendar')}"
    published = {day.year for day in constants.holidays}
    return [HolidayNotice(year, source, _days(year)) for year in sorted(published.intersection(years))]


def _days(year: int) -> dict[date, tuple[bool, str]]:
    rest = {day: (False, name) for day, name in constants.holidays.items() if day.weekday() < SATURDAY}
    work = {day: (True, name) for day, name in constants.workdays.items() if day.weekday() >= SATURDAY}
    return {day: said for day, said in sorted({**rest, **work}.items()) if day.year == year}


def working_days(notices: Iterable[HolidayNotice]) -> WorkingDays:
    """By all these notices, of which the last of a year holds."""
    of_year = {notice.year: notice for notice in notices}
    exceptions = {day: works for notice in of_year.values() for day, (works, _) in notice.days.items()}
    return WorkingDays(exceptions, frozenset(of_year))
