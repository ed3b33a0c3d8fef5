"""有效期限范围 of a licence type (GB/T 36902): for how long its licences may be valid, as `5年` or `长期`."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from datetime import date, timedelta

UNLIMITED = "长期"
_TERM = re.compile(r"([1-9][0-9]{0,2})(年|个月|日)")
_MONTHS = {"年": 12, "个月": 1}


def is_term(text: str) -> bool:
    """Whether it is a term as a type may state it."""
    return text == UNLIMITED or _TERM.fullmatch(text) is not None


def latest_day(terms: Iterable[str], begin: date) -> date | None:
    """The last day on which a licence that is valid from `begin` may be valid; None where there is no end.

    Of several terms the longest counts. Agencies write the last day of five years as the anniversary, or as
    the day before it: neither is longer than five years. Raises ValueError for what is no term.
    """
    ends = []
    for text in terms:
        if text == UNLIMITED:
            return None
        match = _TERM.fullmatch(text)
        if match is None:
            raise ValueError("no term of validity")
        count, unit = int(match[1]), match[2]
        ends.append(begin + timedelta(days=count) if unit == "日" else _later(begin, count * _MONTHS[unit]))
    return max(ends) if ends else None


def _later(begin: date, months: int) -> date:
    """That day so many months on, or the last of a month that has no such day."""
    years, month = divmod(begin.month - 1 + months, 12)
    year, month = begin.year + years, month + 1
    if year > date.max.year:
        return date.max
    return date(year, month, min(begin.day, calendar.monthrange(year, month)[1]))
