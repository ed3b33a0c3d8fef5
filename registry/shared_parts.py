"""Documents without what they share: base and validation data of a prefix (`signing.prefix`) are stored once.

A document is kept as the digests of the parts it begins with and its compressed rest; what is read back is
the very bytes that were put. A part lies under the beginning of its SHA-256 and is stored, durably, before
the first document that names it.
"""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from isal import isal_zlib

from keys.errors import Kind, VermilionError
from registry.documents import document_key
from registry.ports import DocumentStore

MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
KNOWN = 256
"""Beginnings that a process remembers; a base is shared by many of them and held once."""
LEVEL = 1
"""Of ISA-L, which at it is four times as quick as zlib at its own 1, and no larger."""

_VERSION = 1
_DIGEST_BYTES = 32
_MAX_PARTS = 4


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes that many documents have in common, with their SHA-256."""

    data: bytes
    sha256: bytes

    @classmethod
    def of(cls, data: bytes) -> Part:
        return cls(data, sha256(data).digest())


class SharingStore:
    """A document store that keeps beginnings once. Safe between threads."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[bytes, ...], tuple[Part, ...]] = OrderedDict()
        self._parts: dict[bytes, Part] = {}  # those of `_known`, and durable

    def share(self, *parts: Part) -> None:
        """From now on keep documents that begin with these parts without them.

        Raises VermilionError(UNAVAILABLE) where a part cannot be stored.
        """
        wanted = tuple(part for part in parts if part.data)
        name = tuple(part.sha256 for part in wanted)
        with self._lock:
            if name in self._known:
                self._known.move_to_end(name)
                return
            missing = [part for part in wanted if part.sha256 not in self._parts]
        for part in missing:
            self._keep(part)
        self._learn(wanted)

    def put_new(self, key: str, data: bytes) -> None:
        """Store durably. Raises VermilionError(CONFLICT) if the key exists; UNAVAILABLE."""
        self._store.put_new(key, self._packed(data))

    def put_many(self, documents: Sequence[tuple[str, bytes]]) -> list[VermilionError | None]:
        """As `put_new` for each."""
        return self._store.put_many([(key, self._packed(data)) for key, data in documents])

    def get(self, key: str) -> bytes | None:
        """The bytes, or None. Raises VermilionError: as the store; UNAVAILABLE (`document_part_lost`) where a
        part cannot be had; UNAUTHENTICATED (`document_damaged`) for what was not stored here.
        """
        kept = self._store.get(key)
        return None if kept is None else self._unpacked(kept)

    def _packed(self, data: bytes) -> bytes:
        parts = self._beginning(data)
        start = sum(len(part.data) for part in parts)
        digests = b"".join(part.sha256 for part in parts)
        return bytes((_VERSION, len(parts))) + digests + isal_zlib.compress(memoryview(data)[start:], LEVEL)

    def _beginning(self, data: bytes) -> tuple[Part, ...]:
        with self._lock:
            known = list(self._known.values())
        best: tuple[Part, ...] = ()
        length = 0
        for parts in reversed(known):
            whole = sum(len(part.data) for part in parts)
            if whole > length and _begins(data, parts):
                best, length = parts, whole
        return best

    def _unpacked(self, kept: bytes) -> bytes:
        if len(kept) < 2 or kept[0] != _VERSION or kept[1] > _MAX_PARTS:
            raise _damaged()
        start = 2 + kept[1] * _DIGEST_BYTES
        digests = [kept[at : at + _DIGEST_BYTES] for at in range(2, start, _DIGEST_BYTES)]
        parts = tuple(self._part(digest) for digest in digests)
        if parts:
            self._learn(parts)
        inflater = zlib.decompressobj()
        try:
            rest = inflater.decompress(memoryview(kept)[start:], MAX_DOCUMENT_BYTES)
        except zlib.error:
            raise _damaged() from None
        if not inflater.eof or inflater.unused_data:
            raise _damaged()
        return b"".join((*(part.data for part in parts), rest))

    def _part(self, digest: bytes) -> Part:
        with self._lock:
            part = self._parts.get(digest)
        if part is not None:
            return part
        data = self._store.get(part_key(digest))
        if data is None or sha256(data).digest() != digest:
            raise VermilionError(
                Kind.UNAVAILABLE, "a part of the document cannot be read", reason="document_part_lost"
            )
        return Part(data, digest)

    def _keep(self, part: Part) -> None:
        try:
            self._store.put_new(part_key(part.sha256), part.data)
        except VermilionError as error:
            if error.kind is not Kind.CONFLICT:
                raise
            self._part(
                part.sha256
            )  # somebody was faster; what lies there is what its name says, or this fails

    def _learn(self, parts: Sequence[Part]) -> None:
        with self._lock:
            self._parts |= {part.sha256: part for part in parts}
            held = tuple(self._parts[part.sha256] for part in parts)
            self._known[tuple(part.sha256 for part in parts)] = held
            while len(self._known) > KNOWN:
                _, forgotten = self._known.popitem(last=False)
                kept = {part.sha256 for others in self._known.values() for part in others}
                for part in forgotten:
                    if part.sha256 not in kept:
                        del self._parts[part.sha256]


def part_key(digest: bytes) -> str:
    """Where a part of this SHA-256 lies."""
    return document_key(digest.hex()[:32])


def _begins(data: bytes, parts: Sequence[Part]) -> bool:
    at = 0
    for part in parts:
        if not data.startswith(part.data, at):
            return False
        at += len(part.data)
    return True


def _damaged() -> VermilionError:
    return VermilionError(
        Kind.UNAUTHENTICATED, "the document was not stored here, or was altered", reason="document_damaged"
    )
