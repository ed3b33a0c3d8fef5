"""The current trust list: asked for every few seconds, verified once for each sequence."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from keys.certificates import fingerprint
from keys.clock import Clock
from keys.errors import VermilionError
from keys.trust_list import TrustList, read_trust_list

KEEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Published:
    """A list as signed and as read; `readable` is None where it does not verify."""

    jws: str
    readable: TrustList | None
    root_sha256: str = ""  # of the root it is signed under, hex


class TrustSource:
    """`fetch` gives the compact JWS, or raises VermilionError."""

    def __init__(self, fetch: Callable[[], str], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: Published | None = None
        self._newest = 0  # sequence of the newest list seen
        self._fetched_at = 0.0

    def published(self) -> Published:
        """Raises VermilionError(UNAVAILABLE) when it cannot be asked for and none is kept."""
        now = self._clock()
        with self._lock:
            if self._kept is not None and 0 <= now.timestamp() - self._fetched_at < KEEP_SECONDS:
                return self._kept
        try:
            jws = self._fetch()
        except VermilionError:
            if self._kept is not None:  # it is signed and carries its own expiry: older is still true
                return self._kept
            raise
        with self._lock:
            kept, newest = self._kept, self._newest
        if kept is None or kept.jws != jws or kept.readable is None:
            kept = self._read(jws, now, kept, newest)
        with self._lock:
            if kept.readable is not None and kept.readable.sequence < self._newest and self._kept is not None:
                return self._kept  # while this one was being verified, a newer one was
            if kept.readable is not None:
                self._newest = kept.readable.sequence
            self._kept, self._fetched_at = kept, now.timestamp()
        return kept

    def _read(self, jws: str, at: datetime, kept: Published | None, newest: int) -> Published:
        """The list fetched; the one kept where that is newer. A replica that lags may give an older list than
        one seen before, and so may whoever would like a compromised key back.
        """
        try:
            read = read_trust_list(jws, at=at, min_sequence=newest)
            return Published(jws, read, fingerprint(read.roots[0]))
        except VermilionError as error:
            if error.reason == "rollback" and kept is not None and kept.readable is not None:
                return kept
            return Published(jws, None)

    def current(self) -> TrustList | None:
        """The list to check against; None where there is none that verifies and has not expired."""
        found = self._in_time()
        return None if found is None else found.readable

    def root_sha256(self) -> str:
        """Fingerprint (hex) of the root that lists are signed under now; "" where no list tells it."""
        found = self._in_time()
        return "" if found is None else found.root_sha256

    def _in_time(self) -> Published | None:
        try:
            found = self.published()
        except VermilionError:
            return None
        return found if found.readable is not None and self._clock() < found.readable.expires_at else None
