"""One structured line an event, to standard error, as JSON."""

from __future__ import annotations

import sys
from typing import Any

import structlog


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


def _stderr(*_names: Any) -> structlog.PrintLogger:
    return structlog.PrintLogger(sys.stderr)
