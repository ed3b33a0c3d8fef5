"""The ledger of keys that answer anybody who asks (OCSP): blocks of uses instead of a row for each.

A stranger could fill the database otherwise, two durable writes an answer. What such a key signs is compared
with the record by the policy and commits the registry to nothing new; that it was used, how often and over
what is on record all the same: a block is announced before its first use and closed with a count and a digest
of what was signed. One that stays open, because its process was killed, stands for up to `size` uses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import update

from keys.clock import Clock
from keys.custodian import KeyRef, Kind, SignRequest
from registry.database import Database
from registry.rows import changed_rows
from registry.seals.tables import KeyUseBlock

KINDS = frozenset({Kind.OCSP_RESPONSE})
"""What is signed under blocks; everything else has a row each."""
SIZE = 10_000
LONGEST = timedelta(hours=1)


@dataclass
class _Block:
    id: str
    kind: Kind
    opened_at: datetime
    begun: int = 0
    failed: int = 0
    digest: bytes = field(default=bytes(32))


class BlockLedger:
    """Open blocks of this process, one a key and kind. Safe between threads."""

    def __init__(self, database: Database, clock: Clock, random: Callable[[int], bytes]) -> None:
        self._database = database
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._open: dict[tuple[str, Kind], _Block] = {}

    def begin(self, ref: KeyRef, requests: Sequence[SignRequest]) -> None:
        """Count the uses in a block that is on record."""
        with self._lock:
            for request in requests:
                block = self._block(ref, request.kind)
                block.begun += 1
                block.digest = sha256(block.digest + sha256(request.data).digest()).digest()

    def end(self, ref: KeyRef, requests: Sequence[SignRequest], signed: bool) -> None:
        """Count those that failed."""
        if signed:
            return
        with self._lock:
            for request in requests:
                block = self._open.get((ref.id, request.kind))
                if block is not None:
                    block.failed += 1

    def close(self) -> None:
        """Close every block, when the process ends in order."""
        with self._lock:
            for key in list(self._open):
                self._close(key)

    def _block(self, ref: KeyRef, kind: Kind) -> _Block:
        now = self._clock()
        key = (ref.id, kind)
        held = self._open.get(key)
        if held is not None and held.begun < SIZE and now < held.opened_at + LONGEST:
            return held
        if held is not None:
            self._close(key)
        block = _Block(self._random(16).hex(), kind, now)
        with self._database.transaction() as session:
            session.add(
                KeyUseBlock(
                    id=block.id, key_id=ref.id, kind=kind.value, size=SIZE, opened_at=now,
                    closed_at=None, begun=None, failed=None, digest=None,
                )
            )  # fmt: skip
        self._open[key] = block
        return block

    def _close(self, key: tuple[str, Kind]) -> None:
        block = self._open[key]
        statement = (
            update(KeyUseBlock)
            .where(KeyUseBlock.id == block.id, KeyUseBlock.closed_at.is_(None))
            .values(closed_at=self._clock(), begun=block.begun, failed=block.failed, digest=block.digest)
        )
        with self._database.transaction() as session:
            changed_rows(session, statement)
        del self._open[key]
