"""Presentation codes: shown for a minute or two, checked by nobody but the registry, and over for good."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.licences.fsck import fsck
from registry.licences.lookup import SqlLiveRegistry
from registry.licences.presentations import KEPT, sweep
from registry.licences.tables import KeptAnswer, Presentation
from registry.licences.trust import trust_now
from registry.log.tables import Event, Leaf
from registry.settings import Settings
from registry.uses.rules import UseKind
from signing.check import Outcome, check_showing
from signing.credential import split_showing
from tests.registry.copying import used_as
from tests.registry.issuing import issue_one
from tests.registry.test_status import change
from tests.registry.world import Ticker, World, on_sqlite

SECOND = timedelta(seconds=1)
BODY = {"operator": "citizen-app"}


def shown(world: World, identifier: str, client: str = "system", key: str = "", **more: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return world.post(f"/api/v1/licences/{identifier}/presentations", BODY | more, client, **headers)


def code_of(world: World, identifier: str, **more: Any) -> dict[str, Any]:
    answer = shown(world, identifier, **more)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.get_json()
    return told


def looked_at(world: World, link: str) -> Outcome:
    live = SqlLiveRegistry(world.ports.database.read, world.ports.clock)
    return check_showing(link, trust_now(world.ports), live, world.ports.clock())


def verdict(world: World, link: str) -> tuple[str, str]:
    found = looked_at(world, link).verification
    return found.verdict.value, found.status.reason


def rows(world: World, table: Any = Presentation) -> int:
    with Session(world.ports.database.read) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_code_shows_the_licence_as_it_is_and_is_over_to_the_second(world: World, clock: Ticker) -> None:
    identifier = issue_one(world).printout.record.identifier
    made = code_of(world, identifier)
    assert made["seconds"] == 60
    assert made["licence"] == identifier
    assert split_showing(made["link"])[0] == world.ports.settings.public_origin
    outcome = looked_at(world, made["link"])
    found = outcome.verification
    assert (found.verdict, found.heading, found.green) == ("valid", "shown_valid", False)
    assert found.identifier == identifier
    assert outcome.licence is not None
    clock.advance(59 * SECOND)
    assert verdict(world, made["link"]) == ("valid", "in_force")
    change(world, "suspend", identifier, suspension="penalty")  # while it is being shown
    assert verdict(world, made["link"]) == ("suspended", "suspended")
    clock.advance(SECOND)
    over = looked_at(world, made["link"])
    assert (over.verification.verdict, over.verification.status.reason) == ("expired", "code_over")
    assert over.licence is None
    assert over.verification.identifier is None
    clock.advance(timedelta(days=300))
    world.ports.vault.refresh()
    live = SqlLiveRegistry(world.ports.database.read, world.ports.clock)
    replayed = check_showing(made["link"], None, live, clock()).verification
    assert (replayed.verdict, replayed.status.reason) == ("expired", "code_over")  # a picture, a year later


def test_a_new_code_ends_the_one_before(world: World, clock: Ticker) -> None:
    identifier = issue_one(world).printout.record.identifier
    other = issue_one(world).printout.record.identifier
    first, beside = code_of(world, identifier, seconds=120), code_of(world, other)
    clock.advance(SECOND)
    second = code_of(world, identifier, seconds=90)
    assert first["link"] != second["link"]
    assert verdict(world, first["link"]) == ("expired", "code_over")
    assert verdict(world, second["link"])[0] == verdict(world, beside["link"])[0] == "valid"


def test_only_the_digest_of_a_code_is_kept_and_rows_go(world: World, clock: Ticker) -> None:
    identifier = issue_one(world).printout.record.identifier
    made = code_of(world, identifier, key="shown-1")
    id_text = made["link"].rpartition("/")[2]
    with Session(world.ports.database.read) as session:
        kept = session.scalars(select(KeptAnswer)).one()
        assert id_text not in str(kept.body)
        event = session.scalars(select(Event).where(Event.kind == "licence.presented")).one()
        assert (event.operator, event.client_id) == ("citizen-app", world.clients["system"].id)
        assert id_text not in str(event.detail)
        assert session.get(Leaf, event.id) is not None
    assert used_as(world, identifier).kind is UseKind.PRESENTED  # for its holder to see
    assert sweep(world.ports) == 0
    clock.advance(59 * SECOND + KEPT)
    assert (sweep(world.ports), rows(world)) == (0, 1)
    clock.advance(2 * SECOND)
    assert (sweep(world.ports), rows(world)) == (1, 0)
    assert verdict(world, made["link"]) == ("unknown", "not_on_record")
    assert fsck(world.ports) == []


def test_what_is_swept_in_a_round_is_bounded(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.licences.presentations.SWEPT", 2)
    for identifier in [issue_one(world).printout.record.identifier for _ in range(3)]:
        code_of(world, identifier)
    clock.advance(timedelta(hours=1))
    assert [sweep(world.ports) for _ in range(3)] == [2, 1, 0]


def test_the_same_key_gives_the_same_code_until_it_is_over_and_none_after(
    world: World, clock: Ticker
) -> None:
    identifier = issue_one(world).printout.record.identifier
    first = code_of(world, identifier, key="again")
    clock.advance(30 * SECOND)
    again = shown(world, identifier, key="again")
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.get_json() == first
    assert rows(world) == 1
    assert shown(world, identifier, key="again", seconds=120).status_code == 422
    clock.advance(timedelta(hours=1))
    sweep(world.ports)
    assert code_of(world, identifier, key="again") == first  # over, and never shown again
    assert verdict(world, first["link"])[0] == "unknown"


def test_nobody_shows_what_is_not_theirs_or_not_in_force(world: World) -> None:
    identifier, ended = (issue_one(world).printout.record.identifier for _ in range(2))
    assert shown(world, identifier, "other-system").status_code == 404
    change(world, "end", ended, how="revoked")
    refused = shown(world, ended)
    assert (refused.status_code, refused.get_json()["reason"]) == (409, "status")
    for seconds in (0, 59, 121, 10**9):
        assert shown(world, identifier, seconds=seconds).status_code == 422
    assert rows(world) == 0


def test_codes_that_nobody_shows_lead_nowhere(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    made = code_of(world, identifier)
    origin = world.ports.settings.public_origin
    assert verdict(world, f"{origin}/p/{'A' * 22}") == ("unknown", "not_on_record")
    for text in (
        "",
        "x",
        f"{origin}/p/",
        f"{origin}/p/{'A' * 21}B",
        made["link"] + "?a",
        made["link"] + "#1",
    ):
        assert verdict(world, text)[0] == "not_recognised", text
    elsewhere = made["link"].replace("localhost", "example.org")
    assert looked_at(world, elsewhere).verification.issuer.reason == "origin_unknown"


def test_a_licence_s_own_link_is_no_code_and_a_code_no_link(world: World) -> None:
    from signing.check import check_scan

    issued = issue_one(world)
    made = code_of(world, issued.printout.record.identifier)
    live = SqlLiveRegistry(world.ports.database.read, world.ports.clock)
    trust, now = trust_now(world.ports), world.ports.clock()
    assert check_scan(made["link"], trust, live, None, now).verification.verdict == "not_recognised"
    as_link = made["link"].replace("/p/", "/c/")
    assert check_scan(as_link, trust, live, None, now).verification.verdict == "unknown"
    as_code = issued.printout.link.replace("/c/", "/p/")
    assert verdict(world, as_code) == ("unknown", "not_on_record")


@on_sqlite
def test_the_setting_has_its_bounds(world: World) -> None:
    assert Settings(data=world.ports.settings.data, presentation_seconds=120).presentation_seconds == 120
    for seconds in (59, 121):
        with pytest.raises(ValidationError):
            Settings(data=world.ports.settings.data, presentation_seconds=seconds)
