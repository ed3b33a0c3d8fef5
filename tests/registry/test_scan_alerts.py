"""An issuer is told of a licence that is scanned too often: by its history and its webhooks, once for a day and level."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.licences.fsck import fsck
from registry.log.tables import Event
from registry.oversight import alerts
from registry.oversight.alerts import KIND, parse, read_alerts
from registry.scan_levels import SCANNED_OFTEN
from registry.webhooks.answers import LicencePayload
from tests.browser.site import serve
from tests.registry.hooking import Receiver, endpoint, permitting, receiver, sent
from tests.registry.issuing import issue_one
from tests.registry.test_oversight import site
from tests.registry.world import Ticker, World, on_sqlite
from verify_web.app import create_app as create_site
from verify_web.scans import WRITE_SECONDS

LEAST, MORE, MOST = SCANNED_OFTEN


@pytest.fixture
def hook(world: World) -> Iterator[Receiver]:
    permitting(world)
    with receiver() as made:
        yield made


def said(world: World, *told: tuple[str, int], **changes: Any) -> dict[str, Any]:
    day = world.today.isoformat()
    return {
        "alerts": [
            {"day": day, "issuer": world.codes["own"], "identifier": one, "scans": scans, **changes}
            for one, scans in told
        ]
    }


def told_of(world: World) -> list[tuple[str, int]]:
    with Session(world.ports.database.read) as session:
        events = session.scalars(select(Event).where(Event.kind == KIND).order_by(Event.recorded_at)).all()
    assert {one.agency_code for one in events} <= {world.codes["own"]}
    return sorted((one.detail["identifier"], one.detail["scans"]) for one in events)


def test_each_level_of_a_day_is_told_once_whoever_says_it(world: World, clock: Ticker) -> None:
    """And of licences that there are alone; a licence's status is as it was."""
    one, other = (issue_one(world).printout.record.identifier for _ in range(2))
    answers = [
        said(world, (one, LEAST), (one, LEAST), ("1.2.156.3005.2.X", MOST)),
        said(world, (one, LEAST), (one, MORE), (other, LEAST)),
    ]
    with site(world, answers, "s" * 40) as asked:
        assert [read_alerts(world.ports) for _ in range(3)] == [1, 2, 0]
    assert asked[0] == ("/alerts", f"Bearer {'s' * 40}")
    assert told_of(world) == sorted([(one, LEAST), (one, MORE), (other, LEAST)])
    events = world.get(f"/api/v1/licences/{one}/history").get_json()["events"]
    assert [event["kind"] for event in events].count(KIND) == 2
    assert world.get(f"/api/v1/licences/{one}").get_json()["status"] == "in_force"
    clock.advance(timedelta(days=1))
    with site(world, [said(world, (one, LEAST))], "s" * 40):
        assert read_alerts(world.ports) == 1  # of another day
    assert fsck(world.ports) == []


def test_webhooks_say_so(world: World, hook: Receiver) -> None:
    endpoint(world, hook.url, events=[KIND])
    identifier = issue_one(world).printout.record.identifier
    with site(world, [said(world, (identifier, MORE))]):
        read_alerts(world.ports)
    sent(world)
    (call,) = hook.calls
    LicencePayload.model_validate_json(call.body)
    assert call.told["type"] == KIND
    data = call.told["data"]
    assert (data["identifier"], data["scans"], data["effective_from"]) == (
        identifier, MORE, world.today.isoformat(),
    )  # fmt: skip


@on_sqlite
def test_a_link_that_is_scanned_is_what_the_issuer_hears_of(world: World, clock: Ticker) -> None:
    """Over HTTP, as they run: the site counts, the registry asks it."""
    issued = issue_one(world)
    settings = world.ports.settings
    app = create_site(settings, clock=clock)
    here = app.extensions["site"]
    path = issued.link.partition("#")[0].partition("/c/")[2]
    with serve(lambda _port: app) as served:
        moved = settings.model_copy(update={"check_sites": served.origin.replace("localhost", "127.0.0.1")})
        object.__setattr__(world.ports, "settings", moved)
        visitor = app.test_client()
        for _ in range(LEAST - 1):
            visitor.get(f"/c/{path}", headers={"Accept": "application/json"})
        for told in (0, 1):  # each time with what there was before the latest scan
            clock.advance(timedelta(seconds=WRITE_SECONDS))
            visitor.get(f"/c/{path}", headers={"Accept": "application/json"})
            assert read_alerts(world.ports) == told
    assert told_of(world) == [(issued.printout.record.identifier, LEAST)]
    here.store.close()
    here.types._engine.dispose()


@on_sqlite
def test_a_site_says_nothing_but_alerts(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    good = said(world, (identifier, LEAST))
    assert parse(json.dumps(good).encode(), world.today) == [(world.today, identifier, LEAST)]
    tomorrow, long_ago = (world.today + timedelta(days=days) for days in (1, -40))
    assert (
        parse(json.dumps(said(world, (identifier, LEAST), day=long_ago.isoformat())).encode(), world.today)
        == []
    )
    for wrong in (
        b"x", b"[]", {}, {"alerts": [], "more": 1},
        *(
            said(world, (identifier, LEAST), **change)
            for change in (
                {"scans": 1}, {"scans": "1000"}, {"scans": True}, {"day": tomorrow.isoformat()}, {"day": "2026-02-30"},
                {"issuer": "x"}, {"identifier": "\n"}, {"identifier": "1" * 90}, {"link": "x"},
            )
        ),
    ):  # fmt: skip
        data = wrong if isinstance(wrong, bytes) else json.dumps(wrong).encode()
        with pytest.raises(VermilionError, match="something else"):
            parse(data, world.today)
    with site(world, [b"{}"]), pytest.raises(VermilionError):
        read_alerts(world.ports)
    assert told_of(world) == []


@on_sqlite
def test_a_site_that_says_very_much_is_heard_bit_by_bit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "MOST_TOLD", 2)
    licences = [issue_one(world).printout.record.identifier for _ in range(3)]
    with site(world, [said(world, *((one, LEAST) for one in licences))]):
        assert [read_alerts(world.ports) for _ in range(3)] == [2, 1, 0]
