"""What the site needs of a registry, whatever it is kept in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from registry.licences.status_read import SignedList
from signing.licence_type import LicenceType
from signing.live import LiveRegistry

Types = Callable[[str, int], LicenceType | None]
"""A licence type by code and version, or None where the registry does not have it."""


class StatusLists(Protocol):
    """The status lists as they were signed; `registry.licences.status_read.SignedLists` is one."""

    def newest(self, number: int, *, cwt: bool) -> SignedList | None:
        """The newest generation of a list, as JWT or CWT; None where there is none."""

    def addresses(self) -> Mapping[int, str]:
        """Number and address of each list."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where answers come from. Each part raises VermilionError(UNAVAILABLE) when it cannot be asked."""

    live: LiveRegistry
    types: Types
    trust_list: Callable[[], str]  # the current list as signed, a compact JWS
    status_lists: StatusLists
