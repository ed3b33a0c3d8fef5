"""What a check may ask of the registry: a port, so that `signing` needs no database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, Protocol

from signing.annotation import Annotation
from signing.disclosure import PublicRecord
from signing.showing import Showing


@dataclass(frozen=True, slots=True)
class LiveSeal:
    """A further seal of a joint licence, at `LiveLicence.as_of`; as what a licence says of its first one."""

    sealed_at: datetime
    state: str
    state_at_sealing: str
    compromised_since: datetime | None
    entitled: bool


@dataclass(frozen=True, slots=True)
class LiveCopy:
    """What makes an annotated copy another document than its licence's."""

    annotation: Annotation
    withdrawn_on: date | None
    withdrawn_at: datetime | None
    registered_at: datetime
    link_id_sha256: bytes


@dataclass(frozen=True, slots=True)
class LiveLicence:
    """An edition as the registry knows it at `as_of`, read in one transaction. Of a copy, `copy` says so: the
    record and status are its edition's, and what is said of its sealing, credential and document its own.
    """

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
    suspended_until: date | None = None  # last day of a suspension that ends by itself
    copy: LiveCopy | None = None


OLDEST = timedelta(days=36500)
"""How far back a past moment may lie: site and signer permit the same."""

SETTLING = timedelta(minutes=1)
"""What is on record is timed before it commits: of a moment older than this nothing is still to come."""

PastClock = Literal["recorded", "effective"]


@dataclass(frozen=True, slots=True)
class Past:
    """A past moment, and the clock that is meant. `recorded`: what the registry would have answered then.
    `effective`: what held then by all that is on record now, by the civil days from which changes take
    effect; an annulment that came later may reach back to it.

    Either is about the licence's own status. Whether its seals were good is judged by what is known now: a
    compromise that was found since counts.
    """

    at: datetime
    clock: PastClock
    day: date  # the civil day of `at` in the registry's zone


@dataclass(frozen=True, slots=True)
class Wanted:
    """Keys of licences that are to be asked for together. Identifiers are guessable: alone they are for what
    was matched before; with a look-up code, nothing is read of a licence whose code it is not.
    """

    links: frozenset[bytes] = frozenset()  # SHA-256 of the 16 bytes of a link's id
    documents: frozenset[bytes] = frozenset()  # SHA-256
    identifiers: frozenset[str] = frozenset()  # matched before
    typed: frozenset[tuple[str, str]] = frozenset()  # identifier and look-up code, in their normal forms


@dataclass(frozen=True, slots=True)
class LiveShowing:
    """A presentation code that is on record, and the licence that it shows."""

    showing: Showing
    licence: LiveLicence


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

    def by_showing(self, id_sha256: bytes) -> LiveShowing | None:
        """By SHA-256 of the 16 bytes of a presentation code's id."""

    def seal_use_recorded(self, signed_sha256: bytes) -> bool:
        """Whether a seal's key was used for these bytes (SHA-256 of the signed attributes) by the registry
        itself, whatever became of the document: it may be void, or have lost its time-stamp since.
        """


class ManyRegistry(Protocol):
    """Many licences asked for at once."""

    def gather(self, wanted: Wanted, past: Past | None = None) -> LiveRegistry:
        """A registry that knows what is wanted and nothing else, by a few statements however many they are;
        as of a past moment where one is named. Raises VermilionError(UNAVAILABLE) if it cannot be asked.
        """


class Alarm(Protocol):
    """Where a sign of key compromise goes: a correct signature of ours over what we never registered."""

    def raise_alarm(self, reason: str, key_id: str, identifier: str | None, digest: bytes) -> None:
        """Write the alarm down. `digest` is SHA-256 of the unregistered bytes."""
