"""What the site needs of a registry, whatever it is kept in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from keys.custodian import Custodian, KeyRef
from keys.trust_list import TrustList
from registry.agencies.parties import Party, ReceiptKey
from registry.intake.published_results import CaseResult, MatterResults
from registry.licences.status_read import SignedList
from signing.licence_type import LicenceType
from signing.live import LiveRegistry, ManyRegistry

Types = Callable[[str, int], LicenceType | None]
"""A licence type by code and version, or None where the registry does not have it."""


class StatusLists(Protocol):
    """The status lists as they were signed; `registry.licences.status_read.SignedLists` is one."""

    def newest(self, number: int, *, cwt: bool) -> SignedList | None:
        """The newest generation of a list, as JWT or CWT; None where there is none."""

    def addresses(self) -> Mapping[int, str]:
        """Number and address of each list."""


class Results(Protocol):
    """Results of decided cases; `registry.intake.published_results.PublishedResults` is one."""

    def matters(self, after: str, size: int) -> tuple[list[MatterResults], bool]:
        """At most `size` matters behind a code, and whether there are more."""

    def matter(self, code: str) -> MatterResults | None:
        """One of them."""

    def results(self, code: str, after: str | None, size: int) -> tuple[list[CaseResult], str | None]:
        """At most `size` of a matter behind a case's number, and behind which the next page begins."""


@dataclass(frozen=True, slots=True)
class Relying:
    """What relying parties that are known are answered by."""

    many: ManyRegistry
    party: Callable[[str], Party | None]  # by the key that was sent
    receipt_key: Callable[[TrustList, datetime], ReceiptKey]
    custodian: Custodian  # of which nothing but receipts can be had
    page: Callable[[KeyRef, bytes, str], bytes]  # of an answer that the key has signed, in a language


@dataclass(frozen=True, slots=True)
class Source:
    """Where answers come from. Each part raises VermilionError(UNAVAILABLE) when it cannot be asked."""

    live: LiveRegistry
    types: Types
    trust_list: Callable[[], str]  # the current list as signed, a compact JWS
    status_lists: StatusLists
    results: Results
    relying: Relying | None = None  # None: no relying party is known here
