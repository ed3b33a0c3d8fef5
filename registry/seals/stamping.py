"""The registry's own time-stamps, by whichever of its keys serves at the moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from sqlalchemy.orm import Session

from keys.clock import Clock, system_clock
from keys.custodian import Custodian
from keys.errors import VermilionError
from keys.time_source import GivenClock, TimeSource, system_time
from keys.tsa import TimeStampAuthority
from keys.tsp import TimeStampRequest
from registry.database import Database
from registry.seals.authority import chain_of, time_stamp_authority
from registry.seals.keys import Pieces
from registry.seals.time_stamp_policy import DatabaseTimeStamps
from registry.settings import Settings


class RegistryTimeStamper:
    """The port `registry.ports.EvidenceStamper`: a renewed key takes over without a restart.

    Safe between threads.
    """

    def __init__(
        self,
        database: Database,
        custodian: Custodian,
        *,
        clock: Clock,
        time: TimeSource,
        random: Callable[[int], bytes],
    ) -> None:
        """`clock` says which key serves; `time` is what tokens say."""
        self._database = database
        self._custodian = custodian
        self._clock = clock
        self._time = time
        self._register = DatabaseTimeStamps(database)
        self._random = random
        self._lock = threading.Lock()
        self._authorities: dict[str, TimeStampAuthority] = {}  # by key id

    def stamp(self, digest: bytes, record: str, algorithm: str = "sha256") -> bytes:
        """See `keys.tsa.TimeStampAuthority.stamp`; UNAVAILABLE also where no key serves."""
        return self._authority().stamp(digest, record, algorithm)

    def stamp_many(self, asked: Sequence[tuple[bytes, str]]) -> list[bytes | VermilionError]:
        """See `keys.tsa.TimeStampAuthority.stamp_many`; UNAVAILABLE also where no key serves."""
        if not asked:
            return []
        try:
            authority = self._authority()
        except VermilionError as error:
            return [error] * len(asked)
        return authority.stamp_many(asked)

    def grant(self, request: TimeStampRequest) -> bytes:
        """See `keys.tsa.TimeStampAuthority.grant`; UNAVAILABLE also where no key serves."""
        return self._authority().grant(request)

    def _authority(self) -> TimeStampAuthority:
        with Session(self._database.read) as session:
            tsa = time_stamp_authority(session, self._clock())
            beside = chain_of(session, tsa.key.id)
        assert tsa.certificate is not None
        with self._lock:
            authority = self._authorities.get(tsa.key.id)
            if authority is None:
                authority = self._authorities[tsa.key.id] = TimeStampAuthority(
                    self._custodian,
                    tsa.key,
                    tsa.certificate,
                    beside,
                    time=self._time,
                    register=self._register,
                    random=self._random,
                )
        return authority


def time_stamper(pieces: Pieces) -> RegistryTimeStamper:
    """The time-stamping authority of a process that holds keys: one a process."""
    return RegistryTimeStamper(
        pieces.database,
        pieces.custodian,
        clock=pieces.clock,
        time=time_source(pieces.settings, pieces.clock),
        random=pieces.random,
    )


def time_source(settings: Settings, clock: Clock) -> TimeSource:
    """The machine's clock, watched; a clock that was given in its place is taken at its word."""
    if clock is not system_clock:
        return GivenClock(clock)
    return system_time(require_synchronisation=settings.tsa_require_sync)
