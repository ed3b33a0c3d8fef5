"""Status lists for whoever checks without asking the registry (draft-ietf-oauth-status-list-21).

Two bits a licence, 2^20 of them a list. Which list and which slot, a licence's QR code and record say; where
the list stands and which key signs it, the trust list says. That a licence has expired outranks what a list
says, and is not in it. No clock: moments are arguments.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import NoReturn

from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from keys.status_list import (
    BITS,
    PACKED_BYTES,
    SIZE,
    inflate,
    require_content,
    take_apart,
)
from keys.trust_list import CLOCK_SKEW, TrustList
from signing.listed_signer import listed_signer
from signing.verdict import Age, Listed, listed

__all__ = [
    "EMPTY",
    "MAX_LIST",
    "SIZE",
    "Source",
    "StatusList",
    "Value",
    "age_of",
    "compress",
    "inflate",
    "look_up",
    "packed_with",
    "read_status_list",
    "uri_of",
    "value_at",
]

MAX_LIST = 999_999_999
"""The greatest number of a list: nine digits in its address."""

EMPTY = bytes(PACKED_BYTES)
_SLOTS_PER_BYTE = {bits: 8 // bits for bits in (1, 2, 4, 8)}

Source = Callable[[int], Sequence[bytes]]
"""The tokens of a list, by the list's number, as they were fetched or lie in a bundle; none: not at hand."""


class Value(IntEnum):
    """What a slot says (the draft's section 7.1): 3 is for applications, and a newer edition's here."""

    VALID = 0
    INVALID = 1  # ended, however; or never issued, of a slot that was given away
    SUSPENDED = 2
    REPLACED = 3


@dataclass(frozen=True, slots=True)
class StatusList:
    """A list whose signature and signer were verified. Instants are UTC; `values` is the packed array."""

    uri: str
    issued_at: datetime
    expires_at: datetime
    ttl: timedelta
    values: bytes

    def value(self, index: int) -> Value:
        """Raises VermilionError(INVALID, reason "status_index") for a slot that the list does not have."""
        return Value(value_at(self.values, index))


def value_at(packed: bytes, index: int, bits: int = BITS) -> int:
    """Slot `index` of a packed array (section 4.1): slots fill each byte from its least significant bit.

    Raises VermilionError(INVALID, reason "status_index") beyond the array: nothing can be said of it.
    """
    at, slot = divmod(index, _SLOTS_PER_BYTE[bits])
    if not 0 <= at < len(packed):
        raise VermilionError(Kind.INVALID, "the list has no such slot", reason="status_index")
    return packed[at] >> slot * bits & (1 << bits) - 1


def packed_with(packed: bytes, changes: Mapping[int, int], bits: int = BITS) -> bytes:
    """The array with these slots set, the others as they were. Raises VermilionError as `value_at`, and for a
    value that does not fit.
    """
    array, mask = bytearray(packed), (1 << bits) - 1
    for index, value in changes.items():
        at, slot = divmod(index, _SLOTS_PER_BYTE[bits])
        if not 0 <= at < len(array) or not 0 <= value <= mask:
            raise VermilionError(
                Kind.INVALID, "the list has no such slot, or none for that", reason="status_index"
            )
        array[at] = array[at] & ~(mask << slot * bits) | value << slot * bits
    return bytes(array)


def compress(packed: bytes) -> bytes:
    """DEFLATE in zlib's wrapping, at the highest level (section 4.1, step 4)."""
    return zlib.compress(packed, 9)


def uri_of(base: str, number: int) -> str:
    """Address, and `sub`, of a list; `base` is what the trust list names."""
    return f"{base}{number}"


def read_status_list(data: bytes, *, uri: str, trust: TrustList, at: datetime) -> StatusList:
    """Verify a token, JWT or CWT as its first byte says, of the list at `uri`.

    Raises VermilionError: MALFORMED ("status_list"); INVALID with reason "wrong_list" for another list's,
    "key_unknown" for a key that the trust list does not name for lists at that time, "key_compromised",
    "bad_signature", "not_yet_issued" for a time ahead of `at` by more than clocks differ, and "expired".
    """
    found = authentic(data, uri=uri, trust=trust)
    age = age_of(found, at)
    if age is Age.FUTURE:
        _refuse("the status list is from the future: check the clock", "not_yet_issued")
    if age is Age.EXPIRED:
        _refuse("the status list has expired: fetch a newer one", "expired")
    return found


def authentic(data: bytes, *, uri: str, trust: TrustList) -> StatusList:
    """As `read_status_list`, without a judgement of its age, which is still to be made."""
    token = take_apart(data.strip(b"\r\n ") if data[:1] == b"e" else data)
    content = token.content
    if content.uri != uri:
        _refuse("this is another status list than the one asked for", "wrong_list")
    values = require_content(content)
    listed_signer(
        token, profile=ProfileName.STATUS_LIST, trust=trust, signed_at=content.issued_at, what="status list"
    )
    return StatusList(uri, content.issued_at, content.expires_at, content.ttl, values)


def age_of(found: StatusList, at: datetime) -> Age:
    """The list's age at a moment: fresh within its ttl, old until it expires."""
    if at + CLOCK_SKEW < found.issued_at:
        return Age.FUTURE
    if at >= found.expires_at:
        return Age.EXPIRED
    return Age.FRESH if at <= found.issued_at + found.ttl else Age.OLD


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What a list says of one licence; `found` is None where there is no list that can be believed."""

    listed: Listed
    found: StatusList | None


def look_up(source: Source, trust: TrustList, number: int, index: int, at: datetime) -> LookedUp:
    """What the status lists at hand say of a slot at a moment: the newest that is believed, and not from the
    future where another is not. Never raises: what cannot be used is not used, and the reason says why.
    """
    tokens = source(number)
    if not tokens:
        return LookedUp(Listed.unusable("status_list_missing"), None)
    believed: list[tuple[StatusList, Value]] = []
    for token in tokens:
        with suppress(VermilionError):
            found = authentic(token, uri=uri_of(trust.status_lists, number), trust=trust)
            believed.append((found, found.value(index)))
    if not believed:
        return LookedUp(Listed.unusable("status_list_refused"), None)
    found, value = max(believed, key=lambda one: (age_of(one[0], at) is not Age.FUTURE, one[0].issued_at))
    return LookedUp(listed(age_of(found, at), value.name.lower()), found)


_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


def parse_number(text: str) -> int | None:
    """The number of a list as its address has it, or None for any other text."""
    return int(text) if _NUMBER.fullmatch(text) else None


def _refuse(detail: str, reason: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason)
