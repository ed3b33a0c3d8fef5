"""When what failed to leave is tried again, and when it is given up."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

RETRIES = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=45),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""After the first attempt, the second and so on: twelve attempts in a little over three days."""

ATTEMPTS = 1 + len(RETRIES)
JITTER = 5  # a rest is longer by up to a fifth of it, so what failed together does not come back together
LONGEST_ASKED = timedelta(hours=24)  # of a Retry-After that is heeded, for what it answers
LONGEST_QUIET = timedelta(hours=1)  # and for all else to one that says it is overloaded

OUT = 8  # failures in a row by which a receiver is taken to be out
FIRST_REST, LONGEST_REST = timedelta(seconds=5), timedelta(minutes=10)
PATIENCE = timedelta(days=5)  # for a receiver that takes nothing

_SECONDS = re.compile(r"[0-9]{1,9}")


def rest(attempt: int, random: Callable[[int], bytes], asked: timedelta | None = None) -> timedelta | None:
    """How long to wait after this attempt (from 1) failed; None where it was the last. What the receiver has
    asked for makes it longer, never shorter.
    """
    if attempt >= ATTEMPTS:
        return None
    usual = RETRIES[attempt - 1]
    chance = int.from_bytes(random(4), "big") / 2**32
    own = usual + usual * chance / JITTER
    return own if asked is None else max(own, asked)


def receiver_rest(failures: int) -> timedelta | None:
    """How long a receiver is left alone after so many failures in a row; None while it is not out."""
    if failures < OUT:
        return None
    doubled: int = 2 ** min(failures - OUT, 10)
    return min(FIRST_REST * doubled, LONGEST_REST)


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """What a Retry-After header asks for, within bounds; None for none and for what cannot be read."""
    if value is None:
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        asked = timedelta(seconds=int(value))
    else:
        try:
            moment = parsedate_to_datetime(value[:40])
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        asked = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - now
    return min(max(asked, timedelta(0)), LONGEST_ASKED)
