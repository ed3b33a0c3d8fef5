"""What the site needs of a registry, whatever it is kept in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from signing.licence_type import LicenceType
from signing.live import LiveRegistry

Types = Callable[[str, int], LicenceType | None]
"""A licence type by code and version, or None where the registry does not have it."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where answers come from. Each part raises VermilionError(UNAVAILABLE) when it cannot be asked."""

    live: LiveRegistry
    types: Types
    trust_list: Callable[[], str]  # the current list as signed, a compact JWS
