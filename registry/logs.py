"""One structured line an event, to standard error, as JSON."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic_core import to_json


def configure_logs() -> None:
    """Set structlog up for a service; asked again, it changes nothing."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=_stderr,
    )


def say(event: str, told: Mapping[str, object]) -> None:
    """A line at level `info`, as structlog writes it: for what is said of every request, where its chain of
    processors costs more than the line.
    """
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    _Stderr().msg(to_json({**told, "event": event, "level": "info", "at": at}).decode())


class _Stderr:
    """Whichever standard error there is when a line is written: a logger may be bound long before."""

    def msg(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    debug = info = warning = error = critical = msg


def _stderr(*_names: Any) -> _Stderr:
    return _Stderr()
