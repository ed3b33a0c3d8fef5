"""Engines, the metadata and the two column types that both databases share (design, section 9).

Writes run in transactions (`BEGIN IMMEDIATE` on SQLite, so that read-then-write cannot deadlock);
reads run on a second engine in AUTOCOMMIT. Neither repeats a statement's values in an error.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import quote

import structlog
from pydantic_core import from_json
from sqlalchemy import JSON, DateTime, Dialect, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from registry.body_slots import BLOCKING_THREADS
from registry.driver_select import Kept

_log = structlog.get_logger("registry.database")
_NO_WAIT = "no_wait"  # an execution option of ours
BUSY_TIMEOUT_MS = 10_000
WAL_RETRY_SECONDS = 0.01
WAL_PAGES = 16_000
"""Of 4 KiB, after which a commit folds the journal in, and waits for the disk once more while it does. A
single licence writes about a hundred: at SQLite's own 1,000 one request in ten waited for it, and pages that
every licence touches went to the disk each time."""
MAPPED_BYTES = 2**31 - 2**16
"""What SQLite maps at most as it is commonly built; what lies behind is read as ever."""
POOL_SECONDS = 5  # to wait for a free connection
# A server that has gone silent is found out within seconds: each of a service's few threads may wait for it.
_SILENCE: dict[str, Any] = {
    "connect_timeout": 3,  # seconds, as the three below
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds that sent bytes may stay unacknowledged
}


class Instant(TypeDecorator[datetime]):
    """An instant, timezone-aware UTC in Python; SQLite keeps it without zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """The same; of what SQLite keeps in one step instead of four, since every answer reads some."""
        return _utc if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _utc(kept: str | None) -> datetime | None:
    return None if kept is None else datetime.fromisoformat(f"{kept}+00:00")


class Base(DeclarativeBase):
    """All tables; constraint names are fixed so that migrations can name them on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {datetime: Instant, dict[str, Any]: JSON, list[str]: JSON}


def _tune_sqlite(engine: Engine, *, read_only: bool, mapped: bool = False) -> None:
    """WAL, synchronous=FULL, foreign keys; explicit BEGIN IMMEDIATE for writers; a reader's file mapped."""

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA foreign_keys=ON")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
            if mapped:
                cursor.execute(f"PRAGMA mmap_size={MAPPED_BYTES}")
        else:
            _enter_wal(cursor)
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
        cursor.close()

    if not read_only:

        @event.listens_for(engine, "begin")
        def on_begin(connection: Connection) -> None:
            wanted = "NORMAL" if connection.get_execution_options().get(_NO_WAIT) else "FULL"
            driver = connection.connection
            if driver.info.get("synchronous", "FULL") != wanted:
                driver.cursor().execute(f"PRAGMA synchronous={wanted}")
                driver.info["synchronous"] = wanted
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def _enter_wal(cursor: Any) -> None:
    """Switch to WAL, waiting as the busy timeout would.

    Two connections that switch a new database at the same time each hold what the other needs; SQLite then
    answers SQLITE_BUSY at once, without the busy timeout, and the one that lost has only to ask again.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(WAL_RETRY_SECONDS)
        else:
            return


def _patience(url: str) -> dict[str, Any]:
    """How long to wait for a server; SQLite has none, and its own busy timeout."""
    if make_url(url).get_backend_name() == "sqlite":
        return {}
    return {"pool_pre_ping": True, "pool_timeout": POOL_SECONDS, "connect_args": _SILENCE}


def _read_json(kept: str | bytes) -> Any:
    """What a column of JSON holds. Pydantic reads it several times as fast as `json`; what it alone refuses,
    a lone surrogate, is left to `json`, which wrote it.
    """
    try:
        return from_json(kept)
    except ValueError:
        return json.loads(kept)


def write_engine(url: str) -> Engine:
    """The engine for transactions that write."""
    engine = create_engine(url, hide_parameters=True, json_deserializer=_read_json, **_patience(url))
    if engine.dialect.name == "sqlite":
        _tune_sqlite(engine, read_only=False)
    else:

        @event.listens_for(engine, "begin")
        def on_begin(connection: Connection) -> None:
            if connection.get_execution_options().get(_NO_WAIT):
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")

    return engine


def read_engine(url: str, *, mapped: bool = False) -> Engine:
    """The engine for reads: AUTOCOMMIT; a connection opened read-only on SQLite (`mode=ro`), transactions
    read-only by default on PostgreSQL. `mapped`: SQLite's file is read where the kernel holds it (up to
    `MAPPED_BYTES`), for a process that looks up a few rows anywhere in it, again and again.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = quote(parsed.database or "")  # a path is no URI: it may hold a percent sign
        parsed = parsed.set(database=f"file:{path}", query={"mode": "ro", "uri": "true"})
    # Nothing is to be rolled back where each statement stands for itself. Each thread may keep one (`Kept`)
    # and need another beside it.
    engine = create_engine(
        parsed,
        pool_size=2 * BLOCKING_THREADS,
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
        hide_parameters=True,
        json_deserializer=_read_json,
        **_patience(url),
    )
    if engine.dialect.name == "sqlite":
        _tune_sqlite(engine, read_only=True, mapped=mapped)
    else:

        @event.listens_for(engine, "connect")
        def on_connect(connection: Any, _record: Any) -> None:
            connection.execute("SET default_transaction_read_only = on")
            connection.commit()

    return engine


Write = Callable[[Session], object]


class _Carried(threading.local):
    """What a thread's next transaction is to write; None where it carries nothing."""

    waiting: list[Write] | None = None


@dataclass(frozen=True)
class Database:
    """One URL, two engines."""

    write: Engine
    read: Engine
    _carried: _Carried = field(default_factory=_Carried, repr=False, compare=False)
    _turn: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    @classmethod
    def open(cls, url: str) -> Database:
        return cls(write_engine(url), read_engine(url))

    @cached_property
    def _without_wait(self) -> Engine:
        return self.write.execution_options(**{_NO_WAIT: True})

    @cached_property
    def kept(self) -> Kept:
        """For what is read so often that a session would cost more than the answer."""
        return Kept(self.read)

    @contextmanager
    def transaction(self, *, waits: bool = True) -> Iterator[Session]:
        """A session whose work commits as one, or not at all.

        It waits until that is on the disk; without `waits` it leaves that to the next transaction that does,
        whichever process makes it: both databases write their journals from one end to the other. For what
        nothing outside of the database rests on before.
        """
        carried: Sequence[Write] = ()
        engine = self.write if waits else self._without_wait
        with self._one_writer(), Session(engine, expire_on_commit=False) as session, session.begin():
            yield session
            carried = tuple(self._carried.waiting or ())
            for write in carried:
                write(session)
        if carried and self._carried.waiting is not None:
            del self._carried.waiting[: len(carried)]

    @contextmanager
    def _one_writer(self) -> Iterator[None]:
        """Of SQLite's writers in this process one goes on as soon as another has ended: SQLite itself only
        looks again now and then, later each time. Whoever waits too long is left to its answer.
        """
        if self.write.dialect.name != "sqlite":
            yield
            return
        held = self._turn.acquire(timeout=BUSY_TIMEOUT_MS / 1000)
        try:
            yield
        finally:
            if held:
                self._turn.release()

    @contextmanager
    def carrying(self) -> Iterator[None]:
        """Within it, what this thread puts off with `later` is written by its next transaction that commits,
        or at the end by one of its own. Where that fails it is lost, as if the process had been killed then,
        and logged.
        """
        self._carried.waiting = []
        try:
            yield
        except Exception:
            self._write_what_waits()
            raise
        else:
            self._write_what_waits()
        finally:
            self._carried.waiting = None

    def later(self, write: Write) -> bool:
        """Put a write off to this thread's next transaction. False where nothing carries it: then it is the
        caller's to write now.
        """
        if self._carried.waiting is None:
            return False
        self._carried.waiting.append(write)
        return True

    def _write_what_waits(self) -> None:
        if not self._carried.waiting:
            return
        try:
            with self.transaction():
                pass
        except SQLAlchemyError as error:
            _log.error("not_written", kind=type(error).__name__, writes=len(self._carried.waiting or ()))

    def dispose(self) -> None:
        self.read.dispose()
        self.write.dispose()  # last: SQLite's last writer folds the journal in and removes it
