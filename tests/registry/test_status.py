"""Suspended, resumed, ended: by the table of permitted changes, each with its ground, none overwritten."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product
from typing import Any, get_args

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.licences import rules
from registry.licences.days import FARTHEST
from registry.licences.fsck import fsck
from registry.licences.operations import NEXT_EDITIONS, PERMITTED, Decision, How
from registry.licences.rules import LicenceStatus
from registry.licences.schedule import Planned
from registry.log.tables import Event, Leaf
from tests.registry.issuing import ISSUED, issue_one, just_before_a_lock
from tests.registry.world import Ticker, World


def change(world: World, act: str, identifier: str, day: date | None = None, **more: Any) -> LicenceStatus:
    status = decide(world, act, identifier, day, **more)
    assert isinstance(status, LicenceStatus)
    return status


def decide(
    world: World, act: str, identifier: str, day: date | None = None, **more: Any
) -> LicenceStatus | Planned:
    actor = more.pop("actor", world.actor("system", "officer"))
    decision = Decision("食品安全法 第一百三十二条", "expired_food", day, more.pop("version", None))
    with world.ports.database.transaction() as session:
        rule = getattr(rules, act)
        outcome: LicenceStatus | Planned = rule(session, world.ports, actor, identifier, decision, **more)
        return outcome


def refused(*args: Any, **more: Any) -> VermilionError:
    with pytest.raises(VermilionError) as caught:
        change(*args, **more)
    return caught.value


def events(world: World) -> list[Event]:
    with Session(world.ports.database.read) as session:
        found = session.execute(select(Event, Leaf).join(Leaf).where(Event.kind.like("licence.%"))).all()
        return sorted((event for event, _ in found), key=lambda e: e.detail.get("status_version", 0))


def test_a_life_with_every_change_and_its_events(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    status = change(world, "suspend", identifier, suspension="penalty")
    assert (status.status, status.ground, status.status_version) == ("suspended", "penalty", 2)
    status = change(world, "resume", identifier)
    assert (status.status, status.ground, status.how) == ("in_force", None, None)
    status = change(world, "end", identifier, how="revoked")
    assert (status.status, status.how, status.removed_on) == ("ended", "revoked", None)
    status = change(world, "end", identifier, how="cancelled")  # the later formal removal
    assert (status.how, status.removed_on) == ("revoked", world.today)
    told = events(world)
    assert [e.kind for e in told] == [
        "licence.issued", "licence.suspended", "licence.resumed", "licence.ended", "licence.removed",
    ]  # fmt: skip
    assert {e.person_id for e in told[1:]} == {world.people["officer"].id}
    assert {e.legal_basis for e in told[1:]} == {"食品安全法 第一百三十二条"}
    assert fsck(world.ports) == []


def test_what_the_table_does_not_permit_is_refused(world: World) -> None:
    acts: dict[str, dict[str, Any]] = {
        "suspend": {"suspension": "other"}, "resume": {}, "end": {"how": "withdrawn"},
    }  # fmt: skip
    for status, (act, more) in product(("in_force", "suspended", "ended"), acts.items()):
        identifier = issue_one(world).printout.record.identifier
        if status == "suspended":
            change(world, "suspend", identifier, suspension="other")
        elif status == "ended":
            change(world, "end", identifier, how="annulled")
        if after := PERMITTED.get((status, act)):
            assert change(world, act, identifier, **more).status == after
        else:
            error = refused(world, act, identifier, **more)
            assert (error.kind, error.reason) == (Kind.CONFLICT, "status")
    changes = {"suspend", "resume", "lift", "end", "remove", "inspect"}
    assert {operation for _, operation in PERMITTED} == {"issue", *NEXT_EDITIONS, *changes}


@pytest.mark.parametrize("how", get_args(How))
def test_how_it_ended_is_never_overwritten(world: World, how: str) -> None:
    identifier = issue_one(world).printout.record.identifier
    change(world, "end", identifier, how=how)
    for other in set(get_args(How)) - {"cancelled"}:
        assert refused(world, "end", identifier, how=other).kind is Kind.CONFLICT
    if how == "cancelled":
        assert refused(world, "end", identifier, how="cancelled").kind is Kind.CONFLICT
        return
    assert change(world, "end", identifier, how="cancelled").how == how
    assert refused(world, "end", identifier, how="cancelled").kind is Kind.CONFLICT


def test_days_that_cannot_be_are_refused(world: World, clock: Ticker) -> None:
    identifier = issue_one(world).printout.record.identifier
    clock.advance(timedelta(days=10))
    for day, reason in (
        (world.today + FARTHEST + timedelta(days=1), "too_far"),
        (ISSUED - timedelta(days=1), "before_issue"),
    ):
        error = refused(world, "suspend", identifier, day, suspension="other")
        assert (error.kind, error.reason, error.faults[0].field) == (Kind.INVALID, reason, "/effective_from")
    change(world, "suspend", identifier, ISSUED + timedelta(days=5), suspension="other")
    assert refused(world, "resume", identifier, ISSUED + timedelta(days=4)).reason == "before_last_change"
    early = ISSUED + timedelta(days=1)
    assert refused(world, "end", identifier, early, how="revoked").reason == "before_last_change"
    assert change(world, "end", identifier, early, how="annulled").since == early  # void from the start


def test_a_decision_on_an_older_status_is_refused(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    change(world, "suspend", identifier, suspension="other", version=1)
    error = refused(world, "resume", identifier, version=1)
    assert (error.kind, error.reason) == (Kind.CONFLICT, "status_version")


def test_events_are_recorded_in_the_order_they_happened(world: World, clock: Ticker) -> None:
    """Of two requests at once the one that waited for the lock comes second, in the log too."""
    identifier = issue_one(world).printout.record.identifier
    quicker: list[LicenceStatus] = []

    def be_quicker() -> None:
        clock.advance(timedelta(seconds=1))
        if not quicker:
            quicker.append(change(world, "suspend", identifier, suspension="other"))
            clock.advance(timedelta(seconds=1))

    with just_before_a_lock(world, be_quicker):
        assert change(world, "end", identifier, how="revoked").status_version == 3
    told = events(world)
    assert [e.kind for e in told] == ["licence.issued", "licence.suspended", "licence.ended"]
    times = [e.recorded_at for e in told]
    assert times == sorted(set(times))


def test_a_change_that_waits_past_midnight_takes_effect_on_the_new_day(world: World, clock: Ticker) -> None:
    identifier = issue_one(world).printout.record.identifier
    with just_before_a_lock(world, lambda: clock.advance(timedelta(days=1))):
        assert change(world, "suspend", identifier, suspension="other").since == ISSUED + timedelta(days=1)


@pytest.mark.parametrize("person", ["applicant", "keeper"])
def test_a_person_who_is_no_officer_changes_and_reads_nothing(world: World, person: str) -> None:
    identifier = issue_one(world).printout.record.identifier
    actor = world.actor("system", person)
    error = refused(world, "end", identifier, how="revoked", actor=actor)
    assert (error.kind, error.reason) == (Kind.FORBIDDEN, "role")
    with Session(world.ports.database.read) as session, pytest.raises(VermilionError) as caught:
        rules.status_of(session, actor, identifier)
    assert caught.value.reason == "role"
    assert [e.kind for e in events(world)] == ["licence.issued"]


def test_other_agencies_find_nothing(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    error = refused(world, "suspend", identifier, suspension="other", actor=world.actor("other-system"))
    assert error.kind is Kind.NOT_FOUND
