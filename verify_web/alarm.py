"""Where a sign of key compromise goes: a row, a line for the operator, a counter."""

from __future__ import annotations

import logging

from keys.errors import VermilionError
from verify_web.metrics import Metrics
from verify_web.store import Store

_log = logging.getLogger("vermilion.alarm")


class SiteAlarm:
    """Implements `signing.live.Alarm`. The line comes first: a full disk must not silence it."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    def raise_alarm(self, reason: str, key_id: str, identifier: str | None, digest: bytes) -> None:
        line = {"event": "alarm", "reason": reason, "key": key_id, "digest": digest.hex()}
        _log.error("alarm", extra={"line": line})
        self._metrics.alarms.labels(reason).inc()
        try:
            self._store.write_alarm(reason, key_id, identifier, digest)
        except VermilionError:
            _log.error("alarm_not_stored", extra={"line": line | {"event": "alarm_not_stored"}})
