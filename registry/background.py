"""Work that falls due while a service runs: looked for again and again, until told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog

from keys.errors import VermilionError, places

_log = structlog.get_logger("registry.background")


def keep(tasks: Mapping[str, Callable[[], object]], stop: threading.Event, every: timedelta) -> None:
    """Run each task, wait, and begin again. A failure is logged under the task's key and tried again: a loop
    that dies silently would keep nothing.
    """
    while True:
        for failure, task in tasks.items():
            try:
                task()
            except Exception as error:  # noqa: BLE001
                reason = error.reason if isinstance(error, VermilionError) else None
                _log.error(failure, kind=type(error).__name__, reason=reason, where=places(error))
        if stop.wait(every.total_seconds()):
            return


def start(work: Mapping[str, Callable[[], object]]) -> tuple[threading.Thread, ...]:
    """A thread for each, by name; none keeps the process alive."""
    threads = tuple(threading.Thread(target=task, name=name, daemon=True) for name, task in work.items())
    for thread in threads:
        thread.start()
    return threads
