"""Holds SQLite's journal in being for a reader that may not make one.

A database in WAL mode is read through two files beside it. The last connection to close removes them, and
whoever reads next makes them again; a user who cannot write in the directory then reads nothing. So a process
of the database's own user keeps one connection open, for as long as the reader lives. It reads nothing but
the schema's first row, holds no transaction, and so stands in no checkpoint's way.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

POLL_SECONDS = 1.0
BUSY_SECONDS = 10


def hold(database: Path) -> sqlite3.Connection | None:
    """A connection that keeps the journal in being; None while there is no database in WAL mode."""
    try:
        connection = sqlite3.connect(
            f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS
        )
    except sqlite3.Error:
        return None
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
        if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            return connection
    except sqlite3.Error:
        pass
    connection.close()
    return None


def keep(database: Path, parent: int) -> None:
    """Hold the journal from the moment there is one until the parent process is gone."""
    held: sqlite3.Connection | None = None
    while os.getppid() == parent:
        held = held or hold(database)
        time.sleep(POLL_SECONDS)
    if held is not None:
        held.close()
