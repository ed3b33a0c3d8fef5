"""Time as an argument: nothing below `registry` reads a clock by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The present instant, UTC, timezone-aware."""
    return datetime.now(UTC)
