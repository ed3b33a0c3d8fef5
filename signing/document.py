"""Types shared by drawing, sealing and checking a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from keys.custodian import KeyRef
from keys.errors import VermilionError

MAX_SEALS = 3
"""On one document."""


@dataclass(frozen=True, slots=True)
class SealPicture:
    """The visible seal: `data` is a one-page vector PDF of exactly the stated size."""

    type: str  # "pdf"
    data: bytes
    width_mm: float
    height_mm: float


NO_PICTURE = SealPicture("none", b"", 0.0, 0.0)
"""Of a signature that shows nothing."""


@dataclass(frozen=True, slots=True)
class SealMaterial:
    """A seal edition as the sealing function needs it: key, certificate, picture."""

    key: KeyRef
    certificate: bytes  # DER
    chain: tuple[bytes, ...]  # DER, its issuer first; a root is not embedded, but an outside one that issued
    picture: SealPicture


@dataclass(frozen=True, slots=True)
class ValidationData:
    """What proves the certificates of a seal and of its time-stamp good: DER, and when all of it holds.

    `certificates` are the issuers', and the time-stamp authority's; not the seal's own.
    """

    certificates: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    this_update: datetime  # the latest
    next_update: datetime  # the earliest; the token's time must lie before it

    def covers(self, gen_time: datetime) -> bool:
        """Whether all of it was current at a token's time."""
        return self.this_update <= gen_time < self.next_update


@dataclass(frozen=True, slots=True)
class SealPlace:
    """Where a seal goes: the picture's centre in mm from the page's lower left corner."""

    page: int  # from 0
    x_mm: float
    y_mm: float


@dataclass(frozen=True, slots=True)
class SealedDocument:
    """Sealed bytes, the level reached and the moment the seal is proven or claimed for."""

    data: bytes
    level: str  # "B-LT", "B-T" without validation data, "B-B" when no time-stamp could be had
    sealed_at: datetime  # genTime of the token; the given clock's time at B-B


class TimeStamper(Protocol):
    """RFC 3161 as a port."""

    def stamp(self, digest: bytes, record: str) -> bytes:
        """A TimeStampToken (DER ContentInfo) over a SHA-256 digest, for the record named.

        Raises VermilionError(UNAVAILABLE) when no token can be had.
        """


class ManyStamper(TimeStamper, Protocol):
    """RFC 3161 as a port, for many at a time."""

    def stamp_many(self, asked: Sequence[tuple[bytes, str]]) -> list[bytes | VermilionError]:
        """A TimeStampToken, or why there is none, for each SHA-256 digest and record, in order."""
