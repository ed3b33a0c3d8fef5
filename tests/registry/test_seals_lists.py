"""Seals and requests about them, found by pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from registry.seals import api
from tests.registry.world import BASIS, Ticker, World

SEALS, APPROVALS = "/api/v1/seals", "/api/v1/approvals"


@pytest.fixture(autouse=True)
def two_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PAGE", 2)


def pages(
    world: World, path: str, what: str, client: str = "system", person: str | None = None
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    following: str | None = path
    while following is not None:
        page = world.get(following, client, person).get_json()
        assert len(page[what]) <= 2
        found += page[what]
        following = page.get("next")
    return found


def test_seals_are_found_by_state_and_a_seal_authority_finds_them_by_agency(world: World) -> None:
    made = [world.seal_code, world.made_seal(), *(world.approved_seal() for _ in range(3))]
    world.act("keeper", f"{SEALS}/{world.seal_code}/suspension", BASIS)

    def codes(query: str = "", client: str = "system") -> list[str]:
        return [one["code"] for one in pages(world, f"{SEALS}{query}", "seals", client)]

    assert codes() == codes("", "authority-system") == sorted(made)
    assert codes("?state=approved") == sorted(made[2:])
    assert codes("?state=made") == made[1:2]
    assert codes("?state=suspended") == made[:1]
    assert codes("?state=cancelled") == []
    own, other = world.codes["own"], world.codes["other"]
    assert codes(f"?agency={own}&state=approved", "authority-system") == sorted(made[2:])
    assert codes(f"?agency={other}", "authority-system") == []
    assert codes(f"?agency={own}", "other-system") == codes("", "other-system") == []
    for query in ("state=lost", "agency=x", f"agency={own}%0A", "state=made&state=filed"):
        answer = world.get(f"{SEALS}?{query}")
        assert (answer.status_code, answer.get_json()["reason"]) == (422, "query"), query


def test_an_approver_finds_what_waits_for_them(world: World, clock: Ticker) -> None:
    """What ends first comes first; what is decided, over, or their own is not there."""
    asked = [world.apply_for_seal()["id"]]
    clock.advance(timedelta(hours=1))
    asked += sorted(world.apply_for_seal()["id"] for _ in range(3))  # of one moment
    clock.advance(timedelta(hours=1))
    asked.append(world.apply_for_seal("approver")["id"])
    asked.append(world.act("keeper", f"{SEALS}/{world.seal_code}/cancellation-request", BASIS, 202)["id"])

    def waits(person: str) -> list[str]:
        found = pages(world, APPROVALS, "approvals", "authority-system", person)
        for one in found:
            whole = world.get(f"{APPROVALS}/{one['id']}", "authority-system", person).get_json()
            assert whole == one
        return [one["id"] for one in found]

    latest = sorted(asked[4:])
    assert waits("approver2") == asked[:4] + latest
    assert waits("approver") == asked[:4] + [one for one in latest if one != asked[4]]
    applied = world.get(f"{APPROVALS}/{asked[1]}", "authority-system", "approver").get_json()
    world.decide(applied)
    assert waits("approver2") == [asked[0], *asked[2:4], *latest]
    clock.advance(timedelta(days=world.ports.settings.approval_days, hours=-1))
    assert waits("approver2") == latest
    for query, status, reason in (("after=x", 422, "query"), (f"after={'0' * 32}", 404, "approval_unknown")):
        answer = world.get(f"{APPROVALS}?{query}", "authority-system", "approver")
        assert (answer.status_code, answer.get_json()["reason"]) == (status, reason)
    refused = world.get(APPROVALS, "system", "keeper")
    assert (refused.status_code, refused.get_json()["reason"]) == (403, "role")
