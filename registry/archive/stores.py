"""Where packages lie: at least two stores, each a folder, a mount, or an S3-compatible object store.

A copy counts once it was written, synced, read back from the disk and found to have the registered digest.
Packages are not encrypted: an archive must be readable by whoever has it and nothing else (facts: no
encryption). Who may read a store is therefore the operator's to see to, as with any archive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from keys.errors import Kind, VermilionError
from registry.documents import ObjectStore, open_store
from registry.settings import Settings

COPIES = 2
"""As many copies as a package must have before it is kept."""
PACKAGE_KEYS = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{30}-[1-9][0-9]{0,5}\.tar")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


def package_key(package_id: str, attempt: int) -> str:
    return f"{package_id[:2]}/{package_id}-{attempt}.tar"


def attempt_of(key: str) -> tuple[str, int]:
    """The package's id and the attempt of a key."""
    package_id, _, attempt = key.partition("/")[2].removesuffix(".tar").partition("-")
    return package_id, int(attempt)


@dataclass(frozen=True, slots=True)
class Stores:
    """By name, in the order of the settings."""

    by_name: Mapping[str, ObjectStore]

    def write(self, name: str, packages: Sequence[tuple[str, bytes]]) -> list[VermilionError | None]:
        """Write packages to one store, each a key and its bytes, and read them back: None where a copy
        counts, or why it does not. One that is there already counts if it is the same.
        """
        store = self.by_name[name]
        outcomes = store.put_many(packages)
        return [
            _read_back(store, key, data, outcome)
            for (key, data), outcome in zip(packages, outcomes, strict=True)
        ]

    def read(self, name: str, key: str) -> bytes | None:
        """What lies in a store, whatever it is, or None. Raises VermilionError(UNAVAILABLE)."""
        return self.by_name[name].read_again(key)

    def remove(self, name: str, key: str) -> None:
        """Raises VermilionError(UNAVAILABLE)."""
        self.by_name[name].remove(key)

    def first_good(self, key: str, digest: bytes) -> bytes | None:
        """The package from the first store that has it whole, or None. A store that is out is passed over."""
        for store in self.by_name.values():
            try:
                data = store.read_again(key)
            except VermilionError as error:
                if error.kind is not Kind.UNAVAILABLE:
                    raise
                continue
            if data is not None and sha256(data).digest() == digest:
                return data
        return None


def _read_back(
    store: ObjectStore, key: str, data: bytes, outcome: VermilionError | None
) -> VermilionError | None:
    if outcome is not None and outcome.kind is not Kind.CONFLICT:
        return outcome
    try:
        found = store.read_again(key)
    except VermilionError as error:
        return error
    if found == data:
        return None
    return VermilionError(
        Kind.UNAVAILABLE, "what was read back is not what was written", reason="archive_copy_damaged"
    )


def open_stores(settings: Settings) -> Stores:
    """Those of the settings. Raises VermilionError: INVALID for fewer than two, two of one name or place;
    UNAVAILABLE for a folder that cannot be made.
    """
    places = dict(named_places(settings))
    try:
        if not settings.archive_stores.strip():
            (settings.data / "archive").mkdir(mode=0o700, exist_ok=True)
        return Stores({name: open_store(where, PACKAGE_KEYS) for name, where in places.items()})
    except OSError as error:
        raise VermilionError(
            Kind.UNAVAILABLE, "a folder of the archive cannot be made", reason="archive_store"
        ) from error


def named_places(settings: Settings) -> list[tuple[str, str]]:
    """Name and place of each store. Raises VermilionError(INVALID)."""
    if not settings.archive_stores.strip():
        folder = settings.data / "archive"
        return [("first", str(folder / "first")), ("second", str(folder / "second"))]
    found = []
    for part in settings.archive_stores.split(","):
        name, equals, where = part.strip().partition("=")
        if not equals or not _NAME.fullmatch(name) or not where.strip():
            raise _wrong("VERMILION_ARCHIVE_STORES is `name=place,name=place`, names in lower case")
        found.append((name, where.strip()))
    if len({name for name, _ in found}) < len(found) or len({where for _, where in found}) < len(found):
        raise _wrong("VERMILION_ARCHIVE_STORES names one store, or one place, twice")
    if len(found) < COPIES:
        raise _wrong("VERMILION_ARCHIVE_STORES names a single store: an archive has at least two")
    return found


def _wrong(detail: str) -> VermilionError:
    return VermilionError(Kind.INVALID, detail, reason="archive_stores")
