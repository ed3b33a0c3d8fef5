"""The use ledger in memory: for a ceremony, whose transcript is its record, and for tests."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from keys.custodian import KeyRef, SignRequest
from keys.errors import Kind, VermilionError


class MemoryLedger:
    """Serves each (key, record) once. `uses` maps them to: None while begun, then signed or not."""

    def __init__(self) -> None:
        self.uses: dict[tuple[str, str], bool | None] = {}
        self._lock = threading.Lock()

    def begin(self, ref: KeyRef, requests: Sequence[SignRequest]) -> None:
        wanted = [(ref.id, request.record) for request in requests]
        with self._lock:
            if len(set(wanted)) != len(wanted) or any(use in self.uses for use in wanted):
                raise VermilionError(
                    Kind.KEY_REFUSED, "the key has served this record already", reason="record_used"
                )
            self.uses.update(dict.fromkeys(wanted))

    def end(self, ref: KeyRef, requests: Sequence[SignRequest], signed: bool) -> None:
        with self._lock:
            self.uses.update({(ref.id, request.record): signed for request in requests})
