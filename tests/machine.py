"""Where and how the tests run, which no test is about: files in memory, statements compiled once, little garbage
collection. With it the suite takes half the time.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import MutableMapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import Dialect, Engine

from registry import database

MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that must be free there. A run has 1 GiB of files at once at most, most of them databases."""


def in_memory() -> Path | None:
    """A folder for temporary files that never meets a disk; the tests make, synchronise and remove thousands.
    Who sets TMPDIR has them there, and keeps them.
    """
    if "TMPDIR" in os.environ or not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return None
    if shutil.disk_usage(MEMORY).free < ROOM:
        return None
    folder = Path(tempfile.mkdtemp(prefix="v-", dir=MEMORY))  # the name of a socket in it has room for 108
    folder.chmod(0o1777)  # as /tmp: servers run under other users
    return folder


@cache
def glyphs() -> Path:
    """Where glyphs that were converted are kept, for all processes of this run: an empty registry needs 750 of them,
    which is four seconds' work.
    """
    mine = os.environ.get("TMPDIR")  # that of the process that started the workers
    folder = Path(mine, "glyphs") if mine else Path(tempfile.mkdtemp(prefix="vermilion-glyphs-"))
    folder.mkdir(exist_ok=True)
    return folder


def _engines_that_share() -> None:
    """Engines of one kind compile a statement once between them, whichever database each has: every test has
    databases of its own, and compiling took a sixth of the time.
    """
    plain = sqlalchemy.create_engine
    kinds: dict[tuple[Any, ...], tuple[Dialect, MutableMapping[Any, Any]]] = {}

    def create_engine(url: Any, **options: Any) -> Engine:
        engine = plain(url, **options)
        kind = engine.url.drivername, options.get("isolation_level")
        first, compiled = kinds.get(kind, (engine.dialect, {}))
        if first.server_version_info is None:  # it never met its database, which tells it what it talks to
            kinds[kind] = engine.dialect, {}
        else:
            engine.dialect = first
            engine.update_execution_options(compiled_cache=compiled)
        return engine

    database.create_engine = create_engine  # type: ignore[attr-defined]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    _engines_that_share()
    if hasattr(config, "workerinput"):
        return  # xdist's workers have the environment of the process that starts them
    folder = in_memory()
    if folder is not None:
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
        config.option.basetemp = config.option.basetemp or folder / "t"
        atexit.register(shutil.rmtree, folder, ignore_errors=True)  # after whatever tests have registered


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()  # what was imported stays: it need not be looked through again and again
    gc.set_threshold(50_000, 20, 20)
