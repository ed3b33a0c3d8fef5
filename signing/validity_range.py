"""How long a licence of a type may be valid: the validity range 有效期限范围 of its catalogue record.

GB/T 36902 has a list of terms such as "4年", "6个月" and "30日", and "长期" where a licence may have no
last day.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

UNLIMITED = "长期"

_TERM = re.compile("([1-9][0-9]{0,4})(年|个月|日)")
_MOST = {"年": 100, "个月": 1200, "日": 36_600}


@dataclass(frozen=True, slots=True)
class Term:
    """A whole number of years, months or days."""

    count: int
    unit: str  # "年", "个月" or "日"

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"

    def last_day(self, begin: date) -> date:
        """The last day of a term that begins on that day: by years and months its counterpart, or the last
        day of a month that has none; the first day is not counted (Civil Code, Art. 201 and 202).
        """
        if self.unit == "日":
            return begin + timedelta(days=min(self.count, (date.max - begin).days))
        months = begin.year * 12 + begin.month - 1 + self.count * (12 if self.unit == "年" else 1)
        year, month = divmod(months, 12)
        if year > date.max.year:
            return date.max
        _, length = monthrange(year, month + 1)
        return date(year, month + 1, min(begin.day, length))


@dataclass(frozen=True, slots=True)
class ValidityRange:
    """What a type permits: terms, none of which a licence outlives, or no last day."""

    terms: tuple[Term, ...]
    unlimited: bool

    def last_day(self, begin: date) -> date:
        """The latest last day of a licence that is valid from that day and has one; there are terms."""
        return max(term.last_day(begin) for term in self.terms)


def parse_validity_range(texts: Sequence[str]) -> ValidityRange:
    """Raises ValueError, with what is wrong in words."""
    if not texts:
        raise ValueError(f'names at least one term, or "{UNLIMITED}"')
    if len(set(texts)) != len(texts):
        raise ValueError("names a term twice")
    return ValidityRange(tuple(_term(text) for text in texts if text != UNLIMITED), UNLIMITED in texts)


def _term(text: str) -> Term:
    found = _TERM.fullmatch(text)
    if found is None or int(found[1]) > _MOST[found[2]]:
        raise ValueError(
            f'holds terms such as "4年", "6个月", "30日", of at most 100 years, and "{UNLIMITED}"'
        )
    return Term(int(found[1]), found[2])
