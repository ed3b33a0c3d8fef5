"""What issuing touches in the outer world, in one place: faults are injected here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from keys.clock import Clock
from keys.custodian import MAX_REQUESTS, Custodian
from keys.errors import VermilionError
from registry.database import Database
from registry.gathering import Gathering
from registry.settings import Settings
from registry.vault import Vault
from signing.document import ManyStamper
from signing.fonts import Fonts

if TYPE_CHECKING:
    from registry.licences.prefixes import Prefixes
    from registry.seals.validation import Validation
    from registry.shared_parts import Part
    from signing.uploads import Examiner

Random = Callable[[int], bytes]  # n -> n unpredictable bytes


class Surroundings(Protocol):
    """What a rule needs that touches no key: settings, a clock, chance. `Ports` is one."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def random(self) -> Random: ...


class DocumentStore(Protocol):
    """Write-once objects by key (design, section 9)."""

    def put_new(self, key: str, data: bytes) -> None:
        """Store durably (synced). Raises VermilionError(CONFLICT) if the key exists."""

    def put_many(self, documents: Sequence[tuple[str, bytes]]) -> list[VermilionError | None]:
        """As `put_new` for each key and its bytes: None where they are stored, or why they are not."""

    def get(self, key: str) -> bytes | None:
        """The bytes, or None where nothing was ever stored under the key."""


class SharingDocumentStore(DocumentStore, Protocol):
    """A document store that keeps once what documents begin with."""

    def share(self, *parts: Part) -> None:
        """From now on keep documents that begin with these parts without them, which are stored durably.

        Raises VermilionError(UNAVAILABLE).
        """


class EvidenceStamper(ManyStamper, Protocol):
    """RFC 3161 as a port, over digests by stronger algorithms, too."""

    def stamp(self, digest: bytes, record: str, algorithm: str = "sha256") -> bytes:
        """A TimeStampToken (DER ContentInfo) over a digest by this algorithm, for the record named.

        Raises VermilionError(UNAVAILABLE) when no token can be had.
        """


@dataclass(frozen=True)
class Ports:
    """One per process."""

    settings: Settings
    database: Database
    documents: SharingDocumentStore
    custodian: Custodian
    vault: Vault
    timestamper: EvidenceStamper
    validation: Validation
    prefixes: Prefixes
    fonts: Fonts
    clock: Clock
    random: Random
    examiner: Examiner | None = None  # of uploads; without one none is taken
    gathering: Gathering = field(default_factory=lambda: Gathering(MAX_REQUESTS, abreast=2))
