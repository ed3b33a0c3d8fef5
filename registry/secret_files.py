"""Secrets that lie in files of their own, for their owner alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from keys.errors import Kind, VermilionError

MAX_SECRET = 4096


def read_secret(path: Path, what: str) -> bytes:
    """Without the line's end. Raises VermilionError: UNAVAILABLE without the file, INVALID when others can
    read it; `what` names it.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_SECRET)
    except OSError:
        raise VermilionError(
            Kind.UNAVAILABLE, f"the {what} file cannot be read", reason=what.lower()
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise VermilionError(
            Kind.INVALID, f"the {what} file is open to others: make it 0600", reason="permissions"
        )
    return data.rstrip(b"\r\n")
