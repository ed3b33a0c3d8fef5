"""Where sealed documents lie: write-once objects in a folder or an S3-compatible store (design, section 9),
encrypted before they leave the process.

Both go through obstore, which speaks to either in one way. `mode="create"` makes an object appear whole
or not at all, and never in place of another: a hard link from a finished temporary file in a folder, a
conditional request (`If-None-Match: *`) in S3.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import LocalStore, from_url

from keys.errors import Kind, VermilionError
from keys.files import sync
from registry.ports import DocumentStore
from registry.vault import Use, Vault

DOCUMENT_KEYS = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{30}(?:-[1-9][0-9]{0,5})?\.enc")


def document_key(intent_id: str, attempt: int = 0) -> str:
    """The key of the original that an intent seals: `<2 hex>/<intent id>.enc`; and of the form that the
    attempt of this number, from 1, to append a time-stamp made: `<2 hex>/<intent id>-<attempt>.enc`.
    """
    return f"{intent_id[:2]}/{intent_id}{f'-{attempt}' if attempt else ''}.enc"


class EncryptedStore:
    """Documents that this registry's vault alone opens, in a store that sees no content."""

    def __init__(self, store: DocumentStore, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    def put_new(self, key: str, data: bytes) -> None:
        """Encrypt and store. Raises VermilionError: as the store, and UNAVAILABLE without a data key."""
        _the_one(self.put_many([(key, data)]))

    def put_many(self, documents: Sequence[tuple[str, bytes]]) -> list[VermilionError | None]:
        """As `put_new` for each."""
        try:
            kept = [(key, self._vault.encrypt(Use.DOCUMENT, data, key)) for key, data in documents]
        except VermilionError as error:  # without a data key there is none for any
            return [error] * len(documents)
        return self._store.put_many(kept)

    def get(self, key: str) -> bytes | None:
        """The document, or None. Raises VermilionError: as the store; UNAUTHENTICATED (`document_damaged`)
        for what was not stored here under this key, or was altered.
        """
        kept = self._store.get(key)
        return None if kept is None else self._vault.decrypt(Use.DOCUMENT, kept, key)


class ObjectStore:
    """Objects in an object store, which by its contract holds an object durably once it says so."""

    def __init__(self, store: Any, keys: re.Pattern[str] = DOCUMENT_KEYS) -> None:
        """Objects of no other keys than these are asked for, or written."""
        self._store = store
        self._keys = keys

    @classmethod
    def at(cls, url: str, keys: re.Pattern[str] = DOCUMENT_KEYS, **options: Any) -> ObjectStore:
        """The store at `s3://bucket/prefix`; credentials and endpoint by obstore's options or environment."""
        return cls(from_url(url, **options), keys)

    def put_new(self, key: str, data: bytes) -> None:
        """Store durably. Raises VermilionError: CONFLICT if the key exists, UNAVAILABLE, INVALID."""
        _the_one(self.put_many([(key, data)]))

    def put_many(self, documents: Sequence[tuple[str, bytes]]) -> list[VermilionError | None]:
        """As `put_new` for each."""
        return [self._put(key, data) for key, data in documents]

    def _put(self, key: str, data: bytes) -> VermilionError | None:
        try:
            self._check_key(key)
            obstore.put(self._store, key, data, mode="create", use_multipart=False)
        except VermilionError as error:
            return error
        except AlreadyExistsError:
            return VermilionError(Kind.CONFLICT, "the document exists", reason="document_exists")
        except (BaseError, OSError):
            return _unavailable()
        return None

    def get(self, key: str) -> bytes | None:
        """The bytes, or None where nothing was stored. Raises VermilionError(UNAVAILABLE, INVALID)."""
        self._check_key(key)
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except (FileNotFoundError, NotFoundError):
            return None
        except (BaseError, OSError):
            raise _unavailable() from None

    def read_again(self, key: str) -> bytes | None:
        """As `get`, of what is durable there."""
        return self.get(key)

    def remove(self, key: str) -> None:
        """Nothing lies under the key any more. Raises VermilionError(UNAVAILABLE, INVALID)."""
        self._check_key(key)
        try:
            obstore.delete(self._store, key)
        except (FileNotFoundError, NotFoundError):
            return
        except (BaseError, OSError):
            raise _unavailable() from None

    def keys(self) -> Iterator[str]:
        """Of all objects that are there, in whatever order. Raises VermilionError(UNAVAILABLE)."""
        try:
            for some in obstore.list(self._store, chunk_size=1000):
                for one in some:
                    if self._keys.fullmatch(one["path"]):
                        yield one["path"]
        except (BaseError, OSError):
            raise _unavailable() from None

    def drop_unfinished(self, before: datetime) -> int:  # noqa: ARG002
        """Remove what was begun before then and never finished; how many. A store of objects has none: what
        is not whole does not appear there.
        """
        return 0

    def _check_key(self, key: str) -> None:
        if not self._keys.fullmatch(key):
            raise VermilionError(Kind.INVALID, "not a key of this store", reason="document_key")


class FolderStore(ObjectStore):
    """Documents in a folder of a local disk, readable by their owner's group alone.

    obstore leaves writing to the disk to the kernel, so a power failure could take a document whose
    licence is registered. A put therefore returns only after the file and the directories that name
    it are synced. If that fails, the caller hears UNAVAILABLE although the file may be there: it belongs
    to no licence then, and its key is never used again.
    """

    def __init__(self, root: Path, keys: re.Pattern[str] = DOCUMENT_KEYS) -> None:
        root.mkdir(mode=0o750, parents=True, exist_ok=True)
        super().__init__(LocalStore(root, automatic_cleanup=False, mkdir=False), keys)
        self._root = root
        self._named: set[Path] = set()  # directories in the root whose names are on the disk

    def put_many(self, documents: Sequence[tuple[str, bytes]]) -> list[VermilionError | None]:
        """As `put_new` for each; a directory that names several is synced once, after all of them.
        What exists is synced, too: whoever wrote it may have died before that.
        """
        outcomes = super().put_many(documents)
        there = [one is None or one.kind is Kind.CONFLICT for one in outcomes]
        written = {key: at for at, (key, _) in enumerate(documents) if there[at]}
        if len(written) > 1:
            self._begin_writing(written)
        lost: set[Path] = set()
        for path in [*(self._root / key for key in written), *self._directories(written)]:
            try:
                sync(path)
            except OSError:
                lost.add(path)
        for key, at in written.items():
            path = self._root / key
            if not lost.isdisjoint((path, path.parent, self._root)):
                outcomes[at] = _unavailable()
            else:
                self._named.add(path.parent)
        return outcomes

    def _begin_writing(self, keys: Iterable[str]) -> None:
        """Have the kernel begin to write several files before one is waited for: else each is allocated when
        it is synced, and each sync waits for a commit of the file system's journal of its own.
        """
        for key in keys:
            with contextlib.suppress(OSError):  # what fails here fails in `sync`, and is told there
                descriptor = os.open(self._root / key, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                finally:
                    os.close(descriptor)

    def remove(self, key: str) -> None:
        """As above, and durably."""
        super().remove(key)
        try:
            sync((self._root / key).parent)
        except FileNotFoundError:
            return
        except OSError:
            raise _unavailable() from None

    def read_again(self, key: str) -> bytes | None:
        """As `get`, from the disk and not from what the kernel remembers of it."""
        self._check_key(key)
        try:
            with (self._root / key).open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                return file.read()
        except FileNotFoundError:
            return None
        except OSError:
            raise _unavailable() from None

    def drop_unfinished(self, before: datetime) -> int:
        """As above: obstore writes a file beside its name, with `#` and a number, and gives it its name when
        it is whole.
        """
        count = 0
        try:
            for path in self._root.glob("*/*#*"):
                key, _, number = path.relative_to(self._root).as_posix().partition("#")
                if not (self._keys.fullmatch(key) and number.isdigit()):
                    continue
                with contextlib.suppress(FileNotFoundError):  # its writer has finished it
                    if path.stat().st_mtime < before.timestamp():
                        path.unlink()
                        count += 1
        except OSError:
            raise _unavailable() from None
        return count

    def _directories(self, keys: Iterable[str]) -> list[Path]:
        """Those that name objects of these keys, the inner ones first. A directory's own name is synced once:
        none is ever taken away.
        """
        inner = dict.fromkeys((self._root / key).parent for key in keys)
        return [*inner, *([self._root] if inner.keys() - self._named else [])]


def _the_one(outcomes: Sequence[VermilionError | None]) -> None:
    (error,) = outcomes
    if error is not None:
        raise error


def _unavailable() -> VermilionError:
    return VermilionError(Kind.UNAVAILABLE, "the document store does not answer", reason="documents")


def open_store(where: str | Path, keys: re.Pattern[str] = DOCUMENT_KEYS) -> ObjectStore:
    """A folder for a path, an object store for a URL."""
    if isinstance(where, str) and "://" in where:
        return ObjectStore.at(where, keys)
    return FolderStore(Path(where), keys)
