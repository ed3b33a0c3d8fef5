"""The two engines: one writes, one cannot; and no look-up on a request's path reads a whole table."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import Engine, event, func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry import database
from registry.database import MAPPED_BYTES, Database, read_engine, write_engine
from registry.licences.fsck import fsck
from registry.licences.tables import Number
from registry.seals.tables import Seal
from tests.machine import A_SERVICE_WAITS
from tests.registry.issuing import issue_one, request_body
from tests.registry.world import BASIS, World, on_sqlite

OWN_ORDER = {"published_trust_list"}  # read backwards by its key, which SQLite calls a scan


def test_the_reading_engine_cannot_write(world: World) -> None:
    with (
        pytest.raises(DBAPIError, match=r"(?i)read.?only"),
        world.ports.database.read.connect() as connection,
    ):
        connection.execute(text("UPDATE seal SET state = 'active'"))
    with Session(world.ports.database.read) as session:
        session.get_one(Seal, world.seal_code).state = "cancelled"
        with pytest.raises(DBAPIError, match=r"(?i)read.?only"):
            session.flush()


@pytest.mark.parametrize("folder", ["a?b", "a#b", "a%20b", "省 级"])
def test_a_database_may_lie_anywhere(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    database = Database.open(f"sqlite:///{quote(str(tmp_path / folder))}/registry.db")
    with database.transaction() as session:
        session.execute(text("CREATE TABLE t (x INTEGER)"))
    with Session(database.read) as session:
        assert session.scalar(text("SELECT count(*) FROM t")) == 0
    database.dispose()
    assert [path.name for path in tmp_path.iterdir()] == [folder]


@on_sqlite
def test_no_statement_of_issuing_scans_a_table(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issued, refused and abandoned: the work is the same however many licences and keys there are."""
    seen: dict[str, Any] = {}

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if re.match("SELECT|UPDATE|DELETE|INSERT", statement):
            seen.setdefault(statement, parameters)

    engines: list[Engine] = [world.ports.database.read, world.ports.database.write]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    body = request_body(world)
    issue_one(world, body)
    issue_one(world, body)  # replayed
    with pytest.raises(VermilionError):
        issue_one(world, body, key="another")  # the number is taken
    identifier = world.post(
        "/api/v1/licences", request_body(world), **{"Idempotency-Key": "by-http"}
    ).get_json()["identifier"]
    path = f"/api/v1/licences/{identifier}"
    assert world.get(path).status_code == world.get(f"{path}/document").status_code == 200
    change = {**BASIS, "ground": "other", "operator": "window-03"}
    assert world.post(f"{path}/suspension", change).status_code == 200
    with monkeypatch.context() as patch:
        patch.setattr(world.ports.documents, "put_many", _full)
        with pytest.raises(OSError, match="full"):
            issue_one(world)  # abandoned, and its number free again
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)

    with world.ports.database.read.connect() as connection:
        assert connection.execute(select(func.count()).select_from(Number)).scalar() == 2
        scans = [
            (step[3], statement)
            for statement, parameters in seen.items()
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            if step[3].startswith("SCAN") and step[3] != "SCAN CONSTANT ROW"  # of SELECT EXISTS
            if step[3].split()[1] not in OWN_ORDER
        ]
    assert len(seen) > 30
    assert scans == []


@on_sqlite
def test_checking_the_record_reads_no_table_once_for_each_row(world: World) -> None:
    """`fsck` goes through each table once; what it looks up for a row, it finds by an index."""
    issue_one(world)
    plans: list[tuple[str, str]] = []
    engine = world.ports.database.read

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT"):
            raw = connection.connection.driver_connection.execute(
                f"EXPLAIN QUERY PLAN {statement}", parameters
            )
            steps = {step[0]: step for step in raw}
            plans.extend(
                (step[3], statement)
                for step in steps.values()
                if step[3].startswith("SCAN") and "CORRELATED" in steps.get(step[1], ("", "", "", ""))[3]
            )

    event.listen(engine, "before_cursor_execute", explain)
    assert fsck(world.ports) == []
    event.remove(engine, "before_cursor_execute", explain)
    assert plans == []


def test_a_transaction_waits_for_the_disk_unless_another_one_will(world: World) -> None:
    database = world.ports.database
    if database.write.dialect.name == "sqlite":
        statement, levels = "PRAGMA synchronous", {True: "2", False: "1"}
    else:
        statement, levels = "SHOW synchronous_commit", {True: "on", False: "off"}
        with database.transaction() as session:  # which our servers for tests are started without
            session.execute(text("SET synchronous_commit TO on"))
    for waits in (True, False, True, True, False, False, True):
        with database.transaction(waits=waits) as session:
            assert str(session.scalar(text(statement))) == levels[waits]


@on_sqlite
def test_requests_about_a_seal_are_found_by_it(world: World) -> None:
    with world.ports.database.read.connect() as connection:
        plan = connection.execute(
            text("EXPLAIN QUERY PLAN SELECT id FROM approval WHERE seal_code = '99010000000999'")
        ).all()
    assert not [step for step in plan if step[3].startswith("SCAN")]


def test_who_reads_a_mapped_file_sees_each_commit(tmp_path: Path) -> None:
    """Before and after the journal is folded in, and where the file grows beyond what was mapped."""
    url = f"sqlite:///{tmp_path}/registry.db"
    writer, reader = write_engine(url), read_engine(url, mapped=True)
    with writer.begin() as connection:
        connection.execute(text("CREATE TABLE kept (id INTEGER PRIMARY KEY, value TEXT)"))
    count = text("SELECT count(*), count(DISTINCT value) FROM kept")
    with reader.connect() as reading:
        assert reading.scalar(text("PRAGMA mmap_size")) == MAPPED_BYTES
        for number in range(1, 6):
            with writer.begin() as connection:
                rows = [{"value": f"{number} {at}".ljust(2000)} for at in range(200)]
                connection.execute(text("INSERT INTO kept (value) VALUES (:value)"), rows)
            assert reading.execute(count).one() == (200 * number, 200 * number)
            raw = writer.raw_connection()  # no transaction of ours
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            raw.close()
            assert reading.execute(count).one() == (200 * number, 200 * number)
        with writer.begin() as connection:
            connection.execute(text("UPDATE kept SET value = 'the same'"))
        assert reading.execute(count).one() == (1000, 1)
    writer.dispose()
    reader.dispose()


def _full(_documents: object) -> None:
    raise OSError("the disk is full")


@pytest.mark.parametrize("make", [read_engine, write_engine])
def test_a_silent_server_is_given_up_within_seconds(
    make: Callable[[str], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes the connection and never says a word: each thread that asks would wait for it."""
    assert A_SERVICE_WAITS < 5
    monkeypatch.setitem(database._SILENCE, "connect_timeout", A_SERVICE_WAITS)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = make(f"postgresql+psycopg://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing")
        with pytest.raises(OperationalError, match="timeout"):
            engine.connect()
        engine.dispose()
