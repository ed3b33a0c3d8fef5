"""What a relying party without a network checks by: a folder with the trust list and the status lists, as
`vermilion publish` writes it, or a copy of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keys.errors import Kind, VermilionError
from keys.status_list import MAX_BYTES as MAX_STATUS_LIST
from keys.trust_list import MAX_BYTES as MAX_TRUST_LIST

TRUST_LIST = ".well-known/elicence/trust-list"
STATUS = "status"


def status_path(number: int, *, cwt: bool = False) -> str:
    """Where the token of a list lies: the path of its address, and beside it the CWT."""
    return f"{STATUS}/{number}{'.cwt' if cwt else ''}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Such a folder. Nothing in it is believed for lying there: all of it is signed."""

    folder: Path

    def trust_list(self) -> bytes:
        """Raises VermilionError(UNAVAILABLE) where there is none that can be read."""
        found = _read(self.folder / TRUST_LIST, MAX_TRUST_LIST)
        if found is None:
            raise VermilionError(
                Kind.UNAVAILABLE, f"{self.folder / TRUST_LIST} cannot be read", reason="trust_list_missing"
            )
        return found

    def status_lists(self, number: int) -> tuple[bytes, ...]:
        """The tokens of a list, in the forms that are there: one may have been copied before the other, or be
        damaged. A `signing.status_list.Source`.
        """
        read = (_read(self.folder / status_path(number, cwt=cwt), MAX_STATUS_LIST) for cwt in (False, True))
        return tuple(found for found in read if found is not None)


def _read(path: Path, most: int) -> bytes | None:
    """At most one byte more than is allowed, which whoever parses it refuses."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError:
        return None
