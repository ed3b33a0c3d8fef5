"""How often a licence's link is opened, and an alert where that is unusual.

A genuine code that is copied onto many papers passes every check: nothing shows it but how often it is
scanned. Counts are kept by the keyed hash of the link, by civil day, and of days that are over only their
order of magnitude: enough to see a copied code, too little to follow anybody. A scan never waits for a write
of another one: each process adds up in memory and writes now and then; what it had not written when it ended
is lost.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

from keys.clock import Clock
from keys.errors import VermilionError
from registry.scan_levels import SCANNED_OFTEN
from signing.live import LiveLicence
from verify_web.metrics import Metrics
from verify_web.store import Store

WRITE_SECONDS = 60.0
MOST_WAITING = 10_000
"""Links that a process adds up before it writes, at the latest."""
KEPT_DAYS = 30

_log = logging.getLogger("vermilion.scans")


@dataclass(slots=True)
class _Waiting:
    identifier: str
    issuer: str
    scans: int = 0


@dataclass(slots=True)
class ScanCounter:
    """Safe between threads; processes share `store`."""

    store: Store
    metrics: Metrics
    clock: Clock
    zone: ZoneInfo
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _waiting: dict[bytes, _Waiting] = field(default_factory=dict)
    _day: date | None = None
    _written_at: float = 0.0
    _coarsened_at: date | None = None

    def count(self, link: bytes, licence: LiveLicence) -> None:
        """One scan of the link with this keyed hash. Never fails: a check does not hang on being counted."""
        now = self.clock()
        day = now.astimezone(self.zone).date()
        due: tuple[date, dict[bytes, _Waiting]] | None = None
        with self._lock:
            if self._day is None:
                self._day, self._written_at = day, now.timestamp()
            if self._waiting and (
                day != self._day
                or len(self._waiting) >= MOST_WAITING
                or not 0 <= now.timestamp() - self._written_at < WRITE_SECONDS
            ):
                due, self._waiting = (self._day, self._waiting), {}
                self._written_at = now.timestamp()
            self._day = day
            record = licence.record
            one = self._waiting.setdefault(link, _Waiting(record.identifier, record.issuer_code))
            one.scans += 1
        if due is not None:
            self._write(*due)

    def _write(self, day: date, waiting: dict[bytes, _Waiting]) -> None:
        try:
            with self.store.begin() as connection:
                totals = self.store.add_scans(
                    connection, day, {link: one.scans for link, one in waiting.items()}
                )
                if self._coarsened_at != day:  # by each process, behind what itself wrote of the day before
                    self.store.coarsen_scans(connection, day, KEPT_DAYS)
                reached = [
                    (link, threshold)
                    for link, total in totals.items()
                    for threshold in SCANNED_OFTEN
                    if total - waiting[link].scans < threshold <= total
                ]
                for link, threshold in reached:
                    one = waiting[link]
                    self.store.write_alert(connection, day, threshold, one.issuer, one.identifier)
        except VermilionError:
            _log.error("scans_not_counted", extra={"line": {"event": "scans_not_counted"}})
            return
        self._coarsened_at = day
        for link, threshold in reached:
            self.metrics.alerts.labels(str(threshold)).inc()
            line = {"event": "scanned_often", "day": day.isoformat(), "scans": threshold}
            line |= {"issuer": waiting[link].issuer, "link": link.hex()}
            _log.warning("scanned_often", extra={"line": line})
