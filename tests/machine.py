"""Where and how the tests run, which no test is about: files in memory, statements compiled once, addresses of routes
compiled when they are written, faces compiled and empty tables laid once, little garbage collection. With it the suite
takes half the time.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, MutableMapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import sqlalchemy
from sqlalchemy import Dialect, Engine, make_url
from werkzeug.routing import Rule

from registry import database

if TYPE_CHECKING:
    from signing.document import SealPicture
    from signing.face import Face
    from signing.licence_type import LicenceType
    from signing.prefix import Base
    from signing.value_font import GlyphSet

MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that must be free there. A run has 1 GiB of files at once at most, most of them databases."""
A_SERVICE_WAITS: int = database._SILENCE["connect_timeout"]
"""Seconds for PostgreSQL to take a connection. They may pass on a busy machine, so tests wait for longer."""


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


FACES = 32
"""Compiled ones that are kept for other tests of the process: 10 MB."""


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


def _routes_that_wait() -> None:
    """What writes a route's address is compiled when the first one is written. A world has two hundred routes, most
    tests write no address, and compiling took four fifths of what it takes to make a world.
    """
    real = Rule._compile_builder

    def compile_builder(self: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled: list[Callable[..., tuple[str, str]]] = []

        def write(rule: Rule, /, **values: Any) -> tuple[str, str]:
            if not compiled:
                compiled.append(real(self, append_unknown))
            return compiled[0](rule, **values)

        return write

    cast("Any", Rule)._compile_builder = compile_builder


def _faces_compiled_once() -> None:
    """A world that prints the same face under the same seals as an earlier one finds it compiled, which took a tenth
    of the suite's time: the same input gives the same bytes (`tests/signing/test_prefix_and_tail.py`).
    """
    # Here, since `tests.warm` changes defaults before it imports such.
    from registry.licences import prefixes
    from signing import prefix

    made: dict[tuple[Any, ...], Base] = {}

    def compile_base(
        face: Face, licence_type: LicenceType, pictures: Sequence[SealPicture], glyphs: GlyphSet, **of: bool
    ) -> Base:
        key = face, repr(licence_type), tuple(pictures), id(glyphs), tuple(sorted(of.items()))
        if (found := made.pop(key, None)) is None:  # each holds its glyphs, so that no others get their id
            found = prefix.compile_base(face, licence_type, pictures, glyphs, **of)
        made[key] = found
        if len(made) > FACES:
            del made[next(iter(made))]
        return found

    prefixes.compile_base = compile_base  # type: ignore[attr-defined]


def _tables_laid_once() -> None:
    """A first start on SQLite finds its empty tables made: migrating to them is half a second's work, and the same
    each time. Who is about migrations asks `registry.schema` itself.
    """
    from registry import composition, schema

    laid: list[Path] = []

    def upgrade(url: str, revision: str = "head") -> None:
        if not laid:
            laid.append(_empty_tables())
        to = make_url(url)
        if to.get_backend_name() == "sqlite" and to.database and not (path := Path(to.database)).exists():
            _copy(laid[0], path)
        schema.upgrade(url, revision)  # finds nothing to do

    composition.upgrade = upgrade  # type: ignore[attr-defined]


def _empty_tables() -> Path:
    from registry import schema

    folder = Path(tempfile.mkdtemp(prefix="vermilion-tables-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    schema.upgrade(f"sqlite:///{folder}/empty.db")
    assert [path.name for path in folder.iterdir()] == ["empty.db"], "its journal is folded in"
    return folder / "empty.db"


def _copy(empty: Path, path: Path) -> None:
    """Whole or not at all, of the mode that SQLite gives; where there is one meanwhile, that one stays."""
    part = path.with_name(f"{path.name}-{os.getpid()}-{threading.get_ident()}")
    try:
        made = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except OSError:
        return  # what is wrong there is the registry's to say
    with os.fdopen(made, "wb") as file:
        file.write(empty.read_bytes())
    with contextlib.suppress(FileExistsError):
        os.link(part, path)
    part.unlink()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    database._SILENCE["connect_timeout"] = 60
    _engines_that_share()
    _routes_that_wait()
    _faces_compiled_once()
    _tables_laid_once()
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
