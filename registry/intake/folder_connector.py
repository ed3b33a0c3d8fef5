"""A connector that reads a folder into which somebody else puts files, as a nightly drop of an exchange does.

    <folder>/<data set>/serving                  that the data set is here: else it is out, not empty
    <folder>/<data set>/<name>.json              what there is of one holder
    <folder>/<data set>/<name>.json.sha256       its digest in hex, written after it
    <folder>/corrections/<reference>.json        an error that we tell
    <folder>/corrections/<reference>.ack.json    what is answered to it

A holder's name here is the SHA-256 of "<type>:<code>": no code stands in a file's name, and nothing that an
applicant writes leads anywhere. No symbolic link is followed, at no step below the folder.
"""

from __future__ import annotations

import hmac
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from keys.errors import Kind, VermilionError
from registry.intake.connectors import Acknowledged, Answer, Query, Wrong
from registry.intake.exchanged import MAX_ANSWER, read_acknowledgement, read_answer, wrong_json

SERVING, CORRECTIONS = "serving", "corrections"
_DATA_SET = re.compile(r"[a-z][a-z0-9-]{2,39}")
_REFERENCE = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(rb"([0-9a-f]{64})\n?")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe keeps nobody waiting


class FolderConnector:
    """Reads below one folder, and writes corrections there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def retrieve(self, query: Query) -> Answer | None:
        """As `Connector`. Raises VermilionError(UNAVAILABLE)."""
        if not _DATA_SET.fullmatch(query.data_set) or query.data_set == CORRECTIONS:
            raise _out("folder", "the data set has no folder")
        with self._opened(query.data_set) as folder:
            if _read(folder, SERVING) is None:
                raise _out("folder", "the data set is not in its folder now")
            name = holder_file(query.holder_type, query.holder_code)
            raw = _read(folder, name)
            if raw is None:
                return None
            digest = _DIGEST.fullmatch(_read(folder, f"{name}.sha256") or b"")
            if digest is None or not hmac.compare_digest(digest[1], sha256(raw).hexdigest().encode()):
                raise _out("answer_digest", "a file is not what its digest names, or is being written")
        return read_answer(raw, query, reference=None)

    def report(self, wrong: Wrong) -> Acknowledged | None:
        """As `Connector`. Raises VermilionError(UNAVAILABLE)."""
        if not _REFERENCE.fullmatch(wrong.reference):
            raise _out("folder", "a report has no such name")
        with self._opened(CORRECTIONS) as folder:
            _write(folder, f"{wrong.reference}.json", wrong_json(wrong))
            raw = _read(folder, f"{wrong.reference}.ack.json")
        return None if raw is None else read_acknowledgement(raw, wrong)

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        """A folder within ours."""
        outer = _folder(self._folder)
        try:
            inner = _folder(name, within=outer)
        finally:
            os.close(outer)
        try:
            yield inner
        finally:
            os.close(inner)


def _folder(name: str | Path, within: int | None = None) -> int:
    """Others may not write to it: what is read there is believed. Raises VermilionError(UNAVAILABLE)."""
    try:
        opened = os.open(name, _FOLDER, dir_fd=within)
    except OSError:
        raise _out("folder", "the folder cannot be read") from None
    if os.fstat(opened).st_mode & stat.S_IWOTH:
        os.close(opened)
        raise _out("folder", "everybody may write to the folder")
    return opened


def holder_file(holder_type: str, holder_code: str) -> str:
    """What the file about a holder is called."""
    return sha256(f"{holder_type}:{holder_code}".encode()).hexdigest() + ".json"


def _read(folder: int, name: str) -> bytes | None:
    """A plain file, whole; None where there is none. Raises VermilionError(UNAVAILABLE)."""
    try:
        opened = os.open(name, _FILE, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError:
        raise _out("folder", "a file cannot be read, or is none") from None
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise _out("folder", "this is no plain file")
        with os.fdopen(opened, "rb", closefd=False) as file:
            raw = file.read(MAX_ANSWER + 1)
    except OSError:
        raise _out("folder", "a file cannot be read") from None
    finally:
        os.close(opened)
    if len(raw) > MAX_ANSWER:
        raise _out("answer_size", "a file is too long")
    return raw


def _write(folder: int, name: str, data: bytes) -> None:
    """Whole and synced, or not at all; what is there stays. Raises VermilionError(UNAVAILABLE)."""
    if _read(folder, name) is not None:
        return
    partial = f"{name}.partial"
    try:
        with suppress(FileNotFoundError):
            os.unlink(partial, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        opened = os.open(partial, flags, 0o640, dir_fd=folder)
        with os.fdopen(opened, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except OSError:
        raise _out("folder", "a report cannot be written") from None


def _out(reason: str, detail: str) -> VermilionError:
    return VermilionError(Kind.UNAVAILABLE, detail, reason=reason)
