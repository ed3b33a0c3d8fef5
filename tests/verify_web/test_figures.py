"""What the site says of checks to oversight: sums by agency, day and verdict, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.verify_web.conftest import MakeWorld
from tests.verify_web.world import LINK_ID, UNKNOWN_ID, World
from verify_web.figures import CHECKS_KEPT_DAYS, WRITE_SECONDS, CheckCounter
from verify_web.store import Store


def sums(world: World) -> dict[tuple[str, str, str], int]:
    answer = world.client.get("/figures").get_json()
    return {(one["day"], one["agency"], one["verdict"]): one["checks"] for one in answer["checks"]}


def test_every_way_to_check_is_counted_by_agency_and_verdict(world: World) -> None:
    licence = world.memory.licence
    assert licence is not None
    agency = licence.record.issuer_code
    verdicts: dict[tuple[str, str], int] = {}

    def told(answer: Any, found: bool = True) -> None:
        body = answer.get_json()
        key = (agency if found else "", body["verdict"])
        verdicts[key] = verdicts.get(key, 0) + 1

    json = {"Accept": "application/json"}
    for _ in range(3):
        told(world.client.get(f"/c/{LINK_ID}", headers=json))
    told(world.client.get(f"/c/{UNKNOWN_ID}", headers=json), found=False)
    told(world.client.post("/api/v1/verifications", json={"sha256": "0" * 64}, headers=json), found=False)
    found = sums(world)
    assert {day for day, _, _ in found} == {"2026-03-04"}
    assert {(agency_, verdict): count for (_, agency_, verdict), count in found.items()} == verdicts
    assert sum(found.values()) == 5


def test_no_check_waits_for_a_write_and_none_is_counted_twice(world: World) -> None:
    here = world.app.extensions["site"]
    world.client.get(f"/c/{LINK_ID}")
    assert here.store.checks(world.clock.now.date() - timedelta(days=9)) == []
    world.clock.now += timedelta(seconds=WRITE_SECONDS)
    world.client.get(f"/c/{LINK_ID}")
    ((_, _, _, checks),) = here.store.checks(world.clock.now.date() - timedelta(days=9))
    assert checks == 2
    assert sum(sums(world).values()) == sum(sums(world).values()) == 2


def test_processes_add_up_and_old_sums_go(world: World) -> None:
    here = world.app.extensions["site"]
    other = CheckCounter(Store(here.settings.public_store, world.clock), world.clock, here.settings.tz)
    outcome = _outcome(world)
    for counter in (here.figures, other):
        counter.count(outcome)
        counter.write()
    assert sum(sums(world).values()) == 2
    world.clock.now += timedelta(days=CHECKS_KEPT_DAYS + 1)
    here.figures.count(outcome)
    assert sum(sums(world).values()) == 1
    other.store.close()


def _outcome(world: World) -> Any:
    from verify_web.checks import link

    with world.app.test_request_context():
        found = link(world.app.extensions["site"], LINK_ID)
    world.app.extensions["site"].figures._waiting.clear()
    return found


def test_what_cannot_be_written_goes_on_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from keys.errors import Kind, VermilionError

    here = world.app.extensions["site"]

    def out() -> Any:
        raise VermilionError(Kind.UNAVAILABLE, "the site's own store does not answer")

    here.figures.count(_outcome(world))
    with monkeypatch.context() as patch:
        patch.setattr(Store, "begin", lambda _self: out())
        here.figures.write()
    assert sum(sums(world).values()) == 1


def test_another_machine_shows_the_secret(build: MakeWorld, tmp_path: Path) -> None:
    path = tmp_path / "figures-secret"
    path.write_text("s" * 40 + "\n")
    world = build(figures_secret_file=path)
    elsewhere = {"REMOTE_ADDR": "10.9.8.7"}
    for told, status in (
        (None, 404),
        ("Bearer " + "s" * 40, 200),
        ("Bearer " + "s" * 39, 404),
        ("s" * 39 + "é", 404),
    ):
        headers = {} if told is None else {"Authorization": told}
        answer = world.client.get("/figures", headers=headers, environ_overrides=elsewhere)
        assert answer.status_code == status, told
