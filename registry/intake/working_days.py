"""Which days are worked on (Administrative Licensing Law, Art. 82; Measures, Art. 14).

Monday to Friday, but for public holidays, and the Saturdays and Sundays that make up for them (调休). The
State Council's office gives notice of both each autumn for the next year; what no notice was loaded for
follows the days of the week, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

SATURDAY = 5


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """`exceptions`: whether a day is worked on that would not be by its day of the week, or the other way
    round; `years`: those whose notice is loaded.
    """

    exceptions: Mapping[date, bool]
    years: frozenset[int]

    def works(self, day: date) -> bool:
        return self.exceptions.get(day, day.weekday() < SATURDAY)

    def known(self, day: date) -> bool:
        """Whether the notice of its year is loaded; else `works` goes by the day of the week alone."""
        return day.year in self.years
