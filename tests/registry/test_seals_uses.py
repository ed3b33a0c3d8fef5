"""The ledger of a seal's uses: complete, by day and page, and for those who may read it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from registry.licences.recovery import recover
from registry.seals import uses
from registry.seals.tables import Seal
from tests.registry.issuing import LEASE, die, issue_one
from tests.registry.world import Ticker, World, on_sqlite


def ledger(world: World, query: str = "", person: str = "keeper") -> list[dict[str, Any]]:
    answer = world.get(f"/api/v1/seals/{world.seal_code}/uses{query}", world.system_of(person), person)
    assert answer.status_code == 200, answer.get_json()
    rows: list[dict[str, Any]] = answer.get_json()["uses"]
    return rows


def test_every_use_is_there_whatever_became_of_it(world: World, clock: Ticker) -> None:
    applied = issue_one(world)
    clock.advance(timedelta(minutes=1))
    die(world, lambda _data: None)
    clock.advance(timedelta(minutes=1))
    open_one = die(world)
    first, second, third = ledger(world)
    assert first["state"] == "applied"
    assert first["licence"] == applied.printout.record.identifier
    assert first["document_sha256"] == applied.sha256.hex()
    assert first["authorisation"] == world.authorisation_id
    assert (first["client"], first["client_name"]) == (world.clients["system"].id, "system")
    assert (first["operator"], first["type"], first["seal_edition"]) == ("window-03", world.type_code, 1)
    for begun in (second, third):
        assert (begun["state"], begun["licence"], begun["ended_at"]) == ("begun", None, None)
    assert open_one
    clock.advance(LEASE)
    recover(world.ports)
    assert [row["state"] for row in ledger(world, person="approver")] == ["applied", "void", "applied"]


def test_days_are_the_registrys_civil_days(world: World, clock: Ticker) -> None:
    """2026-11-20 begins at 16:00 UTC of the day before."""
    clock.now = clock.now.replace(hour=15, minute=59)
    issue_one(world)
    clock.now = clock.now.replace(hour=16, minute=0)
    issue_one(world)
    found = [row["begun_at"][11:16] for row in ledger(world)]
    assert found == ["15:59", "16:00"]

    def on(query: str) -> list[str]:
        return [row["begun_at"][11:16] for row in ledger(world, query)]

    assert on("?from=2026-11-20&to=2026-11-20") == ["15:59"]
    assert on("?from=2026-11-21") == ["16:00"]
    assert on("?to=2026-11-20") == ["15:59"]
    assert on("?from=2026-11-22") == on("?to=2026-11-19") == []
    assert on("?from=0001-01-01&to=9999-12-31") == found


def test_pages_join_without_gap_within_their_days(world: World, clock: Ticker) -> None:
    made = []
    for number in range(6):
        made.append(issue_one(world).printout.record.identifier)
        if number % 2:
            clock.advance(timedelta(hours=9))
    zone = world.ports.settings.tz
    days = uses.Days(world.today - timedelta(days=1), world.today)
    with Session(world.ports.database.read) as session:
        seal = session.get_one(Seal, world.seal_code)
        whole, more = uses.page(session, seal, days, zone)
        assert not more
        for size in (1, 2, 4):
            found: list[str] = []
            after = None
            more = True
            while more:
                rows, more = uses.page(session, seal, days, zone, after, size)
                assert len(rows) == size or not more
                found += [row.id for row in rows]
                after = found[-1]
            assert found == [use.id for use in whole]
    assert {use.licence for use in whole} == set(made)


def test_who_may_read_it(world: World) -> None:
    path = f"/api/v1/seals/{world.seal_code}/uses"
    for person, status in (("officer", 403), ("applicant", 403), ("maker", 200), ("keeper", 200)):
        assert world.get(path, world.system_of(person), person).status_code == status
    assert world.get(path, "system").get_json()["reason"] == "person_required"
    assert world.get(path, "other-system", "other-keeper").status_code == 404


@on_sqlite
@pytest.mark.parametrize(
    "query", ["from=yesterday", "to=2026-02-30", "from=20261120", "after=x", f"after={'0' * 32}", "day=1"]
)
def test_a_wrong_query_is_named(world: World, query: str) -> None:
    answer = world.get(f"/api/v1/seals/{world.seal_code}/uses?{query}", "system", "keeper")
    name = query.partition("=")[0]
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, f"?{name}")
