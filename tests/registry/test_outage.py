"""When the database fails: an outage is told as one, a defect as one, and neither repeats what is on record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors as postgres
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from registry.database import Database
from registry.licences.outage import is_outage
from tests.registry.issuing import request_body
from tests.registry.world import World


def ask(world: World, capsys: pytest.CaptureFixture[str], headers: dict[str, str]) -> tuple[Any, list[Any]]:
    """The answer to an issuing request, and the log lines; fails where one of them repeats a value of it."""
    world.app.config["PROPAGATE_EXCEPTIONS"] = False
    body = request_body(world)
    capsys.readouterr()
    answer = world.http.post("/api/v1/licences", json=body, headers=headers | {"Idempotency-Key": "k"})
    said = capsys.readouterr().err
    for value in (body["number"], *body["fields"].values()):
        assert str(value) not in said
    return answer, [json.loads(line) for line in said.splitlines()]


def switch_to_standby(database: Database) -> None:
    """As after a failover to a server that only reads."""
    with database.write.begin() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
        connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    database.write.dispose()


def malform(database: Database) -> None:
    """As after a disk fault: all pages but the first are noise."""
    database.dispose()
    path = Path(database.write.url.database or "")
    data = path.read_bytes()
    page = int.from_bytes(data[16:18], "big")
    path.write_bytes(data[:page] + b"\xff" * (len(data) - page))


def test_an_outage_of_any_name_is_answered_503_and_logged_without_a_value(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    headers = world.headers("system")
    sqlite = world.ports.database.write.dialect.name == "sqlite"
    (malform if sqlite else switch_to_standby)(world.ports.database)
    answer, lines = ask(world, capsys, headers)
    assert (answer.status_code, answer.get_json()["reason"]) == (503, "database")
    assert [line["event"] for line in lines] == ["unavailable", "request"]
    assert lines[0]["cause"] == ("SQLITE_CORRUPT" if sqlite else "25006")


BROKEN = {
    "sqlite": "CREATE TRIGGER broken BEFORE INSERT ON intent BEGIN SELECT RAISE(FAIL, 'broken'); END",
    # PostgreSQL's own words hold the whole row
    "postgresql": "ALTER TABLE intent ADD CONSTRAINT broken CHECK (fence < 0) NOT VALID",
}


def test_a_defect_in_the_database_is_logged_by_kind_and_place_alone(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    headers = world.headers("system")
    with world.ports.database.write.begin() as connection:
        connection.execute(text(BROKEN[connection.dialect.name]))
    answer, lines = ask(world, capsys, headers)
    assert answer.status_code == 500
    assert [line["event"] for line in lines] == ["defect", "request"]
    assert lines[0]["kind"] == "IntegrityError"
    assert any(place.startswith("reserve.py:") for place in lines[0]["where"])
    assert world.defects.last == ["licences.create: IntegrityError"]
    world.defects.last.clear()  # it was meant


def test_an_error_of_either_engine_leaves_the_values_out(world: World) -> None:
    for engine in (world.ports.database.write, world.ports.database.read):
        with engine.connect() as connection, pytest.raises(DBAPIError) as raised:
            connection.execute(text("SELECT :name FROM nowhere"), {"name": "a holder"})
        assert "a holder" not in str(raised.value)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (postgres.AdminShutdown, True),
        (postgres.DiskFull, True),
        (postgres.TooManyConnections, True),
        (postgres.DeadlockDetected, True),
        (postgres.LockNotAvailable, True),
        (postgres.ReadOnlySqlTransaction, True),
        (postgres.IdleInTransactionSessionTimeout, True),
        (postgres.DataCorrupted, True),
        (postgres.UndefinedTable, True),
        (psycopg.InterfaceError, True),
        (postgres.InFailedSqlTransaction, False),
        (postgres.UndefinedColumn, False),
        (postgres.SyntaxError, False),
        (postgres.NotNullViolation, False),
        (postgres.InsufficientPrivilege, False),
        (postgres.NumericValueOutOfRange, False),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_which_failures_of_postgresql_are_outages(failure: type[psycopg.Error], expected: bool) -> None:
    error = DBAPIError.instance("SELECT 1", {}, failure("words"), psycopg.Error)
    assert is_outage(error) is expected
