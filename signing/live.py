"""What a check may ask of the registry: a port, so that `signing` needs no database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from signing.disclosure import PublicRecord


@dataclass(frozen=True, slots=True)
class LiveSeal:
    """A further seal of a joint licence, at `LiveLicence.as_of`; as what a licence says of its first one."""

    sealed_at: datetime
    state: str
    state_at_sealing: str
    compromised_since: datetime | None
    entitled: bool


@dataclass(frozen=True, slots=True)
class LiveLicence:
    """An edition as the registry knows it at `as_of`, read in one transaction."""

    record: PublicRecord
    origin: str  # as printed: what the QR credential is bound to
    status: str  # "in_force", "suspended", "ended"
    ground: str | None  # of a suspension: "penalty" or "other"
    how: str | None  # of an end: revoked, annulled, withdrawn, cancelled, replaced
    since: date | None  # effective date of the present status
    credential_sha256: bytes  # of the QR credential (COSE bytes)
    sealed_at: datetime
    seal_state: str  # of the sealing seal now: "active", "suspended", "cancelled", "compromised", ...
    seal_state_at_sealing: str  # from the stored history
    seal_compromised_since: datetime | None  # invalidity date
    entitled: bool  # seal and issuer were entitled to this type when it was sealed
    documents: tuple[bytes, ...]  # SHA-256 of each registered document
    issuer_name: dict[str, str]
    type_name: dict[str, str]
    as_of: datetime
    co_seals: tuple[LiveSeal, ...] = ()  # by place
    levels: tuple[str, ...] = ()  # of each of `documents`


class LiveRegistry(Protocol):
    """Look-ups by unguessable keys only. Each raises VermilionError(UNAVAILABLE) if it cannot ask."""

    def by_link_id(self, id_sha256: bytes) -> LiveLicence | None:
        """By SHA-256 of the 16 bytes of the link's id."""

    def by_document(self, sha256: bytes) -> LiveLicence | None:
        """By SHA-256 of a registered document."""

    def by_identifier_and_code(self, identifier: str, lookup_code: str) -> LiveLicence | None:
        """By identifier and look-up code; None for an unknown one and for a wrong code alike."""

    def by_identifier(self, identifier: str) -> LiveLicence | None:
        """By identifier taken from content whose signature was verified."""

    def seal_use_recorded(self, signed_sha256: bytes) -> bool:
        """Whether a seal's key was used for these bytes (SHA-256 of the signed attributes) by the registry
        itself, whatever became of the document: it may be void, or have lost its time-stamp since.
        """


class Alarm(Protocol):
    """Where a sign of key compromise goes: a correct signature of ours over what we never registered."""

    def raise_alarm(self, reason: str, key_id: str, identifier: str | None, digest: bytes) -> None:
        """Write the alarm down. `digest` is SHA-256 of the unregistered bytes."""
