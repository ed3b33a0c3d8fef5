"""The current trust list: asked for every few seconds, verified once for each sequence."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from keys.clock import Clock
from keys.errors import VermilionError
from keys.trust_list import TrustList, read_trust_list

KEEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Published:
    """A list as signed and as read; `readable` is None where it does not verify."""

    jws: str
    readable: TrustList | None


class TrustSource:
    """`fetch` gives the compact JWS, or raises VermilionError."""

    def __init__(self, fetch: Callable[[], str], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: Published | None = None
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
        kept = self._kept
        if kept is None or kept.jws != jws or kept.readable is None:
            try:
                kept = Published(jws, read_trust_list(jws, at=now))
            except VermilionError:
                kept = Published(jws, None)
        with self._lock:
            self._kept, self._fetched_at = kept, now.timestamp()
        return kept

    def current(self) -> TrustList | None:
        """The list to check against; None where there is none that verifies and has not expired."""
        try:
            found = self.published().readable
        except VermilionError:
            return None
        return found if found is not None and self._clock() < found.expires_at else None
