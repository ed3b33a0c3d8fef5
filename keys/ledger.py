"""Use ledger and register of time-stamps in memory: for tests and ceremonies."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from keys.custodian import KeyRef, SignRequest
from keys.errors import Kind, VermilionError
from keys.tsa import Announced


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

    def begin_unwrap(self, key_id: str, record: str, wrapped: bytes) -> str:  # noqa: ARG002
        with self._lock:
            use = f"{record}#{len(self.uses)}"
            self.uses[key_id, use] = None
        return use

    def end_unwrap(self, key_id: str, use: str, done: bool) -> None:
        with self._lock:
            self.uses[key_id, use] = done


class MemoryTimeStamps:
    """The register of time-stamps in memory. `announced` has each by serial."""

    def __init__(self) -> None:
        self.announced: dict[int, Announced] = {}
        self._latest: datetime | None = None
        self._lock = threading.Lock()

    def latest(self) -> datetime | None:
        return self._latest

    def announce(self, key: KeyRef, announced: Sequence[Announced]) -> None:  # noqa: ARG002  (a serial serves one key)
        with self._lock:
            if not self.announced.keys().isdisjoint(one.serial for one in announced):
                raise VermilionError(Kind.KEY_REFUSED, "the serial was given before", reason="serial_used")
            for one in announced:
                self.announced[one.serial] = one
                self._latest = max(self._latest or one.gen_time, one.gen_time)
