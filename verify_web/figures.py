"""How often licences were checked, by agency, day and verdict: sums for oversight, of which none names a
licence, a link or a visitor.

As of scans, no check waits for a write of another one: each process adds up in memory and writes now and
then; what it had not written when it ended is lost.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from keys.clock import Clock
from keys.errors import VermilionError
from signing.check import Outcome
from verify_web.store import Store

WRITE_SECONDS = 60.0
CHECKS_KEPT_DAYS = 62
"""For whoever reads them late."""

NOBODY = ""
"""In place of an agency's code, where no licence was found."""

_log = logging.getLogger("vermilion.figures")
_Key = tuple[str, str, str]  # day, agency, verdict


@dataclass(slots=True)
class CheckCounter:
    """Safe between threads; processes share `store`."""

    store: Store
    clock: Clock
    zone: ZoneInfo
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _waiting: Counter[_Key] = field(default_factory=Counter)
    _written_at: float | None = None

    def count(self, outcome: Outcome) -> None:
        """One check that was answered. Never fails: a check does not hang on being counted."""
        now = self.clock()
        licence = outcome.licence
        agency = NOBODY if licence is None else licence.record.issuer_code
        day = now.astimezone(self.zone).date().isoformat()
        with self._lock:
            if self._written_at is None:
                self._written_at = now.timestamp()
            self._waiting[day, agency, outcome.verification.verdict.value] += 1
            due = not 0 <= now.timestamp() - self._written_at < WRITE_SECONDS
        if due:
            self.write()

    def write(self) -> None:
        """Into the store, now; what cannot be written goes on waiting."""
        now = self.clock()
        with self._lock:
            due, self._waiting = self._waiting, Counter()
            self._written_at = now.timestamp()
        if not due:
            return
        try:
            with self.store.begin() as connection:
                self.store.add_checks(connection, due)
                today = now.astimezone(self.zone).date()
                self.store.forget_checks(connection, today - timedelta(days=CHECKS_KEPT_DAYS))
        except VermilionError:
            with self._lock:
                self._waiting.update(due)
            _log.error("checks_not_counted", extra={"line": {"event": "checks_not_counted"}})

    def told(self, since: date) -> list[tuple[str, str, str, int]]:
        """Day, agency, verdict and checks, of that day or later. Raises VermilionError(UNAVAILABLE)."""
        self.write()
        return self.store.checks(since)
