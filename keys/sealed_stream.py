"""A long plaintext as encrypted chunks, so that it is written and read without being held.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, 2015) over AES-256-GCM: a nonce is a prefix of
the stream, the chunk's number and whether it is the last. A chunk that is missing, repeated, out of place or
of another stream does not open, and a stream that was cut off has no last one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.errors import Kind, VermilionError

CHUNK_BYTES = 1 << 20
TAG_BYTES = 16
PREFIX_BYTES = 7
MAX_CHUNKS = 1 << 32


def encrypt_stream(
    key: bytes, prefix: bytes, associated: bytes, plaintext: Iterable[bytes]
) -> Iterator[bytes]:
    """The chunks of `plaintext`, which comes in pieces of any size. `prefix` (7 octets) is never used twice
    with `key`.
    """
    cipher = AESGCM(key)
    held, number = bytearray(), 0
    for piece in plaintext:
        held += piece
        while len(held) > CHUNK_BYTES:  # the last chunk may be whole, and is never empty but alone
            yield cipher.encrypt(_nonce(prefix, number, last=False), bytes(held[:CHUNK_BYTES]), associated)
            del held[:CHUNK_BYTES]
            number += 1
    yield cipher.encrypt(_nonce(prefix, number, last=True), bytes(held), associated)


def decrypt_stream(key: bytes, prefix: bytes, associated: bytes, source: BinaryIO) -> Iterator[bytes]:
    """The plaintext, chunk by chunk, each authenticated; what came before an error is not the whole.

    Raises VermilionError(UNAUTHENTICATED, `stream_damaged`) for a chunk that is not the one that stood here,
    and for a stream that ends early or goes on.
    """
    cipher = AESGCM(key)
    number, ahead = 0, source.read(CHUNK_BYTES + TAG_BYTES)
    while True:
        chunk, ahead = ahead, source.read(CHUNK_BYTES + TAG_BYTES)
        try:
            yield cipher.decrypt(_nonce(prefix, number, last=not ahead), chunk, associated)
        except (InvalidTag, ValueError):
            raise VermilionError(
                Kind.UNAUTHENTICATED, "the stream was altered or cut off", reason="stream_damaged"
            ) from None
        if not ahead:
            return
        number += 1


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    if len(prefix) != PREFIX_BYTES or number >= MAX_CHUNKS:
        raise VermilionError(Kind.INVALID, "no such chunk of a stream", reason="stream")
    return prefix + struct.pack(">IB", number, last)
