"""Files that hold secrets: whole or not there, durable, their owner's alone, never written over."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_once(path: Path, data: bytes) -> None:
    """Write aside (mode 0600), sync, link into place, sync the directory: a power failure leaves the whole
    file or none.

    Raises FileExistsError where there is one; OSError with nothing left behind.
    """
    descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)
    finally:
        Path(aside).unlink()
    sync(path.parent)


def sync(path: Path) -> None:
    """A file or a directory that is there, to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
