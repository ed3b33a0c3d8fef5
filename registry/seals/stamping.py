"""The registry's own time-stamps, by whichever of its keys serves at the moment."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy.orm import Session

from keys.clock import Clock
from keys.custodian import Custodian
from keys.tsa import TimeStampAuthority
from registry.database import Database
from registry.seals.authority import chain_of, time_stamp_authority


class RegistryTimeStamper:
    """The port `signing.document.TimeStamper`: a renewed key takes over without a restart.

    Safe between threads.
    """

    def __init__(
        self, database: Database, custodian: Custodian, *, clock: Clock, random: Callable[[int], bytes]
    ) -> None:
        self._database = database
        self._custodian = custodian
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._authorities: dict[str, TimeStampAuthority] = {}  # by key id: each remembers its last time

    def stamp(self, digest: bytes, record: str) -> bytes:
        """See `keys.tsa.TimeStampAuthority.stamp`; UNAVAILABLE also where no key serves."""
        with Session(self._database.read) as session:
            tsa = time_stamp_authority(session, self._clock())
            beside = chain_of(session, tsa.key.id)
        assert tsa.certificate is not None
        with self._lock:
            authority = self._authorities.get(tsa.key.id)
            if authority is None:
                authority = self._authorities[tsa.key.id] = TimeStampAuthority(
                    self._custodian, tsa.key, tsa.certificate, beside, clock=self._clock, random=self._random
                )
        return authority.stamp(digest, record)
