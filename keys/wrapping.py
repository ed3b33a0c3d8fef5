"""Keys that wrap other keys: the second thing a custodian does, beside signing (design, section 10).

What lies at rest is encrypted under data keys; each data key lies beside it, wrapped under a wrapping key
(NIST SP 800-57, 5.3: key-wrapping key) that never leaves its custodian. A data key does leave it, unwrapped,
to whoever may have it: encrypting each document by the custodian itself would make its token the bottleneck.

A wrapped key is one octet of version, the nonce, and AES-256-GCM's output, which authenticates the record
that the key belongs to: a data key put in another's place does not open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from keys.custodian import Custodian, UseLedger
from keys.errors import Kind, VermilionError

VERSION = b"\x01"
NONCE_BYTES = 12
TAG_BYTES = 16
KEY_BYTES = 32  # of a wrapping key, and of a data key
WRAPPED_BYTES = len(VERSION) + NONCE_BYTES + KEY_BYTES + TAG_BYTES
MAX_RECORD = 80  # characters of what a data key is named


class KeyWrapper(Protocol):
    """Holds wrapping keys, named by 32 lower-case hex digits."""

    def make_wrapping_key(self) -> str:
        """Make one; its id. Raises VermilionError(UNAVAILABLE)."""

    def wrap(self, key_id: str, data_key: bytes, record: str) -> bytes:
        """`data_key` (32 octets) for keeping, bound to the `record` it belongs to.

        Raises VermilionError: UNAVAILABLE (`key_unusable`) where the wrapping key cannot be had, INVALID.
        """

    def unwrap(self, key_id: str, wrapped: bytes, record: str) -> bytes:
        """The data key. The use is written down before and after.

        Raises VermilionError: UNAUTHENTICATED (`wrapped_key`) for what this key did not wrap for this record;
        UNAVAILABLE (`key_unusable`).
        """


class WrappingCustodian(Custodian, KeyWrapper, Protocol):
    """Does both."""


class UnwrapLedger(Protocol):
    """Where each unwrapping is written down, durably, before and after."""

    def begin_unwrap(self, key_id: str, record: str, wrapped: bytes) -> str:
        """Record it as begun; the name of this use."""

    def end_unwrap(self, key_id: str, use: str, done: bool) -> None:
        """Record how it came out."""


class Ledger(UseLedger, UnwrapLedger, Protocol):
    """Of a custodian that signs and wraps."""


def associated(record: str) -> bytes:
    """What a wrapped key authenticates. Raises VermilionError(INVALID) for an impossible name of a record."""
    if not (0 < len(record) <= MAX_RECORD and record.isascii() and record.isprintable()):
        raise VermilionError(Kind.INVALID, "not the record of a data key", reason="wrapped_key")
    return b"vermilion-wrapped-key-1|" + record.encode("ascii")


def wrap_with(
    encrypt: Callable[[bytes, bytes, bytes], bytes],
    data_key: bytes,
    record: str,
    random: Callable[[int], bytes],
) -> bytes:
    """The wrapped form, by an `encrypt(nonce, plaintext, associated)` of AES-256-GCM."""
    if len(data_key) != KEY_BYTES:
        raise VermilionError(Kind.INVALID, f"a data key has {KEY_BYTES} octets", reason="wrapped_key")
    nonce = random(NONCE_BYTES)
    return VERSION + nonce + encrypt(nonce, data_key, associated(record))


def parts_of(wrapped: bytes) -> tuple[bytes, bytes]:
    """Nonce and ciphertext. Raises VermilionError(UNAUTHENTICATED) for another shape."""
    if len(wrapped) != WRAPPED_BYTES or wrapped[:1] != VERSION:
        raise not_wrapped_here()
    return wrapped[1 : 1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES :]


def not_wrapped_here() -> VermilionError:
    return VermilionError(
        Kind.UNAUTHENTICATED, "the data key was not wrapped by this key for this record", reason="wrapped_key"
    )


@contextmanager
def recorded(ledger: UnwrapLedger, key_id: str, record: str, wrapped: bytes) -> Iterator[None]:
    """Writes one unwrapping down before and after, however it comes out."""
    use = ledger.begin_unwrap(key_id, record, wrapped)
    done = False
    try:
        yield
        done = True
    finally:
        ledger.end_unwrap(key_id, use, done)
