"""Time as an argument: nothing below `registry` reads a clock by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The present instant, UTC, timezone-aware."""
    return datetime.now(UTC)


def parse_compact_utc(text: str) -> datetime:
    """An instant written YYYYMMDDhhmmss, UTC, as PDF and ASN.1 write it. Raises ValueError."""
    if len(text) != 14 or not (text.isascii() and text.isdigit()):
        raise ValueError("not an instant of 14 digits")
    year, rest = int(text[:4]), [int(text[i : i + 2]) for i in range(4, 14, 2)]
    return datetime(year, rest[0], rest[1], rest[2], rest[3], rest[4], tzinfo=UTC)
