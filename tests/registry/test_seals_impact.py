"""The impact list: what a seal sealed, by page, and what proves that it came before the seal's end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from registry.licences.tables import Document
from registry.seals import impact
from registry.seals.tables import Certificate, Seal
from tests.registry.issuing import issue_one
from tests.registry.world import BASIS, Ticker, World
from tests.signing.sealing import NoStamps

MINUTE = timedelta(minutes=1)


def listed(world: World, person: str = "keeper", after: str = "") -> dict[str, Any]:
    path = f"/api/v1/seals/{world.seal_code}/impact{after}"
    answer = world.get(path, world.system_of(person), person)
    assert answer.status_code == 200, answer.get_json()
    body: dict[str, Any] = answer.get_json()
    return body


def cancel(world: World, since: str | None = None) -> None:
    body = {**BASIS, "compromised_since": since}
    asked = world.act("keeper", f"/api/v1/seals/{world.seal_code}/cancellation-request", body, 202)
    world.decide(asked)


def stamped_outside(world: World, edition_id: str) -> None:
    """As a document time-stamp of an authority outside is registered."""
    with world.ports.database.transaction() as session:
        session.add(
            Document(
                sha256=sha256(edition_id.encode()).digest(), edition_id=edition_id, kind="time_stamped",
                format="pdf", level="B-LTA", store_key="", size=1, stamped_at=world.ports.clock(),
                stamped_by="ab" * 32, registered_at=world.ports.clock(),
            )
        )  # fmt: skip


def test_the_own_time_stamp_is_told_from_an_outside_one(world: World, clock: Ticker) -> None:
    """The registry's own token is its own word; only an authority outside proves anything."""
    bare = issue_one(world, ports=replace(world.ports, timestamper=NoStamps()))
    clock.advance(MINUTE)
    own = issue_one(world)
    clock.advance(MINUTE)
    proven = issue_one(world)
    stamped_outside(world, proven.edition_id)
    clock.advance(MINUTE)
    limit = clock.now
    late = issue_one(world)
    stamped_outside(world, bare.edition_id)  # at the limit: too late to prove anything
    clock.advance(MINUTE)
    cancel(world, limit.strftime("%Y-%m-%dT%H:%M:%SZ"))

    found = listed(world)
    assert found["limit"] == {"at": limit.replace(microsecond=0).isoformat(), "kind": "invalidity_date"}
    assert found["totals"] == {"proven": 1, "own_word": 1, "unproven": 1, "after": 1}
    assert found["log"] == "not_available"
    rows = found["licences"]
    assert [row["standing"] for row in rows] == ["unproven", "own_word", "proven", "after"]
    assert [row["clock"] for row in rows] == ["signer", "time_stamp", "time_stamp", "time_stamp"]
    numbers = [issued.printout.record.identifier for issued in (bare, own, proven, late)]
    assert [row["identifier"] for row in rows] == numbers
    assert [[(p["kind"], p["independent"]) for p in row["proofs"]] for row in rows] == [
        [],
        [("own_tsa", False)],
        [("own_tsa", False), ("outside_tsa", True)],
        [],
    ]
    with Session(world.ports.database.read) as session:
        certificate = session.scalars(select(Certificate.der).where(Certificate.profile == "tsa")).one()
        stored = session.scalars(select(Document.stamped_by).where(Document.sha256 == own.sha256)).one()
    assert certificate is not None
    assert stored == sha256(certificate).hexdigest()
    assert rows[1]["proofs"][0]["name"] == "TEST Time-Stamp Authority"


def test_before_the_seal_has_ended_the_limit_is_the_present(world: World, clock: Ticker) -> None:
    issue_one(world)
    clock.advance(MINUTE)
    found = listed(world, "approver")
    assert (found["limit"]["kind"], found["limit"]["at"]) == ("present", clock.now.isoformat())
    assert found["totals"] == {"proven": 0, "own_word": 1, "unproven": 0, "after": 0}
    cancel(world)
    clock.advance(MINUTE)
    assert listed(world)["limit"] == {"at": (clock.now - MINUTE).isoformat(), "kind": "cancellation"}


def test_the_status_shown_is_the_present_one(world: World) -> None:
    issued = issue_one(world)
    identifier = issued.printout.record.identifier
    body = {**BASIS, "ground": "penalty", "operator": "window-03"}
    assert world.post(f"/api/v1/licences/{identifier}/suspension", body).status_code == 200
    (row,) = listed(world)["licences"]
    assert (row["status"], row["ground"], row["edition"]) == ("suspended", "penalty", 1)


def test_pages_join_without_gap_and_agree_with_the_totals(world: World, clock: Ticker) -> None:
    """Several of one instant among them; a page costs the same number of statements whatever its size."""
    issued = []
    for number in range(7):
        issued.append(issue_one(world).edition_id)
        if number % 3 == 0:
            clock.advance(MINUTE)
    statements: list[str] = []

    def count(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    with Session(world.ports.database.read) as session:
        seal = session.get_one(Seal, world.seal_code)
        limit = impact.limit_of(session, seal, clock.now)
        whole = impact.page(session, seal, limit)
        for size in (1, 2, 3, 7):
            ids: list[str] = []
            after = None
            costs = set()
            event.listen(world.ports.database.read, "before_cursor_execute", count)
            while True:
                session.expire_all()
                statements.clear()
                found = impact.page(session, seal, limit, after, size)
                costs.add(len(statements))
                ids += [sealing.edition_id for sealing in found.sealings]
                if not found.more:
                    break
                after = ids[-1]
            event.remove(world.ports.database.read, "before_cursor_execute", count)
            assert ids == [sealing.edition_id for sealing in whole.sealings]
            assert max(costs) <= 10, statements
        assert sorted(issued) == sorted(ids)
        assert not whole.more
        totals = impact.totals(session, seal, limit)
    assert +Counter(totals) == Counter(sealing.standing.value for sealing in whole.sealings)
    assert sum(totals.values()) == 7


@pytest.mark.parametrize(
    ("person", "status"), [("officer", 403), ("applicant", 403), ("maker", 200), ("keeper", 200)]
)
def test_who_may_read_it(world: World, person: str, status: int) -> None:
    path = f"/api/v1/seals/{world.seal_code}/impact"
    assert world.get(path, world.system_of(person), person).status_code == status


def test_nobody_else_may(world: World) -> None:
    path = f"/api/v1/seals/{world.seal_code}/impact"
    assert world.get(path, "system").get_json()["reason"] == "person_required"
    assert world.get(path, "other-system", "other-keeper").status_code == 404
    for after in ("x", "0" * 31, "0" * 32):
        answer = world.get(f"{path}?after={after}", "system", "keeper")
        assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "?after")
