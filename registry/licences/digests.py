"""What the database keeps of secrets that only the paper carries."""

from __future__ import annotations

from hashlib import sha256

_LOOKUP = b"vermilion look-up code 1\x00"


def link_digest(link_id: bytes) -> bytes:
    """SHA-256 of the 16 bytes of a link's id."""
    return sha256(link_id).digest()


def lookup_digest(identifier: str, code: str) -> bytes:
    """A look-up code's digest, bound to its identifier: equal codes of two licences do not look equal.

    It keeps the code out of sight, no more: 40 bits can be tried by whoever reads this table, and reads
    with it the record that the code would show.
    """
    return sha256(_LOOKUP + identifier.encode("ascii") + b"\x00" + code.encode("ascii")).digest()
