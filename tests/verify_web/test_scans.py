"""Scans are counted coarsely and without a trace of who scanned what; the issuer is to be told of too many."""

from __future__ import annotations

import logging
import sqlite3
from datetime import timedelta
from typing import Any

import pytest

from keys.errors import Kind, VermilionError
from registry.scan_levels import SCANNED_OFTEN
from tests.verify_web.conftest import MakeWorld
from tests.verify_web.world import LINK_ID, UNKNOWN_ID, World
from verify_web.scans import KEPT_DAYS, WRITE_SECONDS

LEAST = SCANNED_OFTEN[0]


def scan(world: World, times: int = 1, link_id: str = LINK_ID) -> None:
    for _ in range(times):
        world.client.get(f"/c/{link_id}")


def later(world: World, **by: float) -> None:
    """Some time on, with a scan by which it is noticed."""
    world.clock.now += timedelta(**by)
    scan(world)


def rows(world: World, columns: str, table: str) -> list[tuple[Any, ...]]:
    store = world.app.extensions["site"].store
    with store.begin() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(f"SELECT {columns} FROM {table}")]


def test_scans_are_added_up_and_written_now_and_then(world: World) -> None:
    scan(world, 5)
    assert rows(world, "scans", "scans") == []  # no scan waits for a write
    later(world, seconds=WRITE_SECONDS)
    assert rows(world, "day, scans", "scans") == [("2026-03-04", 5)]
    later(world, seconds=WRITE_SECONDS)
    assert rows(world, "day, scans", "scans") == [("2026-03-04", 6)]


def test_of_a_day_that_is_over_only_the_order_of_magnitude_is_kept(world: World) -> None:
    scan(world, 37)
    later(world, days=1)
    later(world, seconds=WRITE_SECONDS)
    assert rows(world, "day, scans", "scans ORDER BY day") == [("2026-03-04", 10), ("2026-03-05", 1)]
    later(world, days=KEPT_DAYS)
    later(world, seconds=WRITE_SECONDS)
    assert [day for day, _ in rows(world, "day, scans", "scans")] == ["2026-03-05", "2026-04-04"]


def test_a_link_that_nobody_issued_is_not_counted(world: World) -> None:
    scan(world, 3, UNKNOWN_ID)
    world.memory.licence = None
    scan(world)
    later(world, seconds=WRITE_SECONDS)
    assert rows(world, "*", "scans") == []


def test_too_many_scans_of_one_licence_in_a_day_are_an_alert_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    counter, licence = world.app.extensions["site"].scans, world.memory.licence
    assert licence is not None
    key = world.app.extensions["site"].store.keyed_hash("link", LINK_ID)
    for _ in range(LEAST - 1):
        counter.count(key, licence)
    later(world, seconds=WRITE_SECONDS)
    assert rows(world, "*", "alert") == []
    with caplog.at_level(logging.WARNING, "vermilion.scans"):
        later(world, seconds=WRITE_SECONDS)
        later(world, seconds=WRITE_SECONDS)
    expected = ("2026-03-04", licence.record.issuer_code, licence.record.identifier, LEAST)
    told = dict(zip(("day", "issuer", "identifier", "scans"), expected, strict=True))
    assert world.client.get("/alerts").get_json() == {"alerts": [told]}
    (said,) = caplog.records
    assert said.line == {  # type: ignore[attr-defined]
        "event": "scanned_often",
        "day": "2026-03-04",
        "scans": LEAST,
        "issuer": licence.record.issuer_code,
        "link": key.hex(),
    }


def test_a_day_begins_a_new_count(world: World) -> None:
    counter, licence = world.app.extensions["site"].scans, world.memory.licence
    assert licence is not None
    for _day in range(2):
        for _ in range(LEAST - 10):
            counter.count(bytes(16), licence)
        world.clock.now += timedelta(days=1)
    later(world, days=1)
    assert rows(world, "*", "alert") == []


def test_processes_count_together(build: MakeWorld) -> None:
    """Two applications on one store: neither alone has seen enough."""
    one = build()
    settings = one.app.extensions["site"].settings
    from verify_web.scans import ScanCounter
    from verify_web.store import Store

    store = Store(settings.public_store, one.clock)
    other = ScanCounter(store, one.app.extensions["site"].metrics, one.clock, settings.tz)
    licence = one.memory.licence
    assert licence is not None
    counters = (one.app.extensions["site"].scans, other)
    for counter in counters:
        for _ in range(LEAST // 2):
            counter.count(bytes(16), licence)
    one.clock.now += timedelta(seconds=WRITE_SECONDS)
    for counter in counters:
        counter.count(bytes(16), licence)
    assert len(rows(one, "*", "alert")) == 1
    store.close()


def test_neither_link_nor_visitor_stands_in_the_store(world: World) -> None:
    scan(world, 2)
    later(world, seconds=WRITE_SECONDS)
    with sqlite3.connect(world.app.extensions["site"].settings.public_store) as connection:
        content = "\n".join(connection.iterdump())
    for trace in (LINK_ID, world.identifier, "127.0.0.1"):
        assert trace not in content


def test_a_check_does_not_hang_on_being_counted(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scan(world)

    def out(*_arguments: object) -> object:
        raise VermilionError(Kind.UNAVAILABLE, "the store is out")

    monkeypatch.setattr(world.app.extensions["site"].store, "begin", out)
    world.clock.now += timedelta(seconds=WRITE_SECONDS)
    assert world.client.get(f"/c/{LINK_ID}").status_code == 200
    assert "scans_not_counted" in caplog.text
