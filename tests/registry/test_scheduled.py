"""What is decided for a later day takes effect on it, once, and shows who decided it and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import Connection, event, select, text
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.licences import rules
from registry.licences.due import ScheduleReport, make_due
from registry.licences.fsck import fsck
from registry.licences.rules import LicenceStatus, status_of
from registry.licences.schedule import Planned, waiting
from registry.licences.tables import Edition
from registry.log.tables import Event
from registry.seals.trust import publish_trust_list
from tests.registry.issuing import issue_one
from tests.registry.next_editions import next_edition
from tests.registry.test_status import change, decide, refused
from tests.registry.world import Ticker, World

DAY = timedelta(days=1)


def plan(world: World, act: str, identifier: str, days: int, **more: Any) -> Planned:
    planned = decide(world, act, identifier, world.today + days * DAY, **more)
    assert isinstance(planned, Planned)
    return planned


def now(world: World, identifier: str) -> LicenceStatus:
    with Session(world.ports.database.read) as session:
        return status_of(session, world.actor("system", "officer"), identifier)


def waits(world: World, identifier: str) -> list[Planned]:
    with Session(world.ports.database.read) as session:
        licence = session.scalars(select(Edition.licence_id).where(Edition.identifier == identifier)).one()
        return waiting(session, licence)


def kinds(world: World, identifier: str) -> Sequence[str]:
    with Session(world.ports.database.read) as session:
        edition = select(Edition.id).where(Edition.identifier == identifier).scalar_subquery()
        found = session.scalars(select(Event).where(Event.subject == edition)).all()
        found = sorted(found, key=lambda one: (one.recorded_at, one.detail.get("status_version", 0)))
        return [one.kind for one in found]


def test_a_suspension_with_a_term_is_lifted_on_the_day_after_it(world: World, clock: Ticker) -> None:
    identifier = issue_one(world).printout.record.identifier
    until = world.today + 10 * DAY
    suspended = change(world, "suspend", identifier, suspension="penalty", until=until)
    assert (suspended.status, suspended.suspended_until) == ("suspended", until)
    (lift,) = waits(world, identifier)
    assert (lift.operation, lift.due) == ("lift", until + DAY)
    clock.advance(10 * DAY)
    assert not make_due(world.ports)  # its last day is a day of suspension
    clock.advance(DAY)
    assert make_due(world.ports) == ScheduleReport(made=[lift.id])
    lifted = now(world, identifier)
    assert (lifted.status, lifted.since, lifted.suspended_until) == ("in_force", until + DAY, None)
    assert not make_due(world.ports)
    assert kinds(world, identifier) == ["licence.issued", "licence.suspended", "licence.lifted"]
    with Session(world.ports.database.read) as session:
        event = session.scalars(select(Event).where(Event.kind == "licence.lifted")).one()
    assert event.person_id == world.people["officer"].id
    assert (event.legal_basis, event.effective_from) == ("食品安全法 第一百三十二条", until + DAY)
    publish_trust_list(world.ports)
    assert fsck(world.ports) == []


def test_a_suspension_that_is_resumed_or_ended_before_is_not_lifted(world: World, clock: Ticker) -> None:
    resumed, ended = (issue_one(world).printout.record.identifier for _ in range(2))
    for identifier in (resumed, ended):
        change(world, "suspend", identifier, suspension="other", until=world.today + 5 * DAY)
    change(world, "resume", resumed)
    change(world, "end", ended, how="revoked")
    assert waits(world, resumed) == waits(world, ended) == []
    change(world, "suspend", resumed, suspension="other")  # anew, without a term
    clock.advance(9 * DAY)
    assert not make_due(world.ports)
    assert (now(world, resumed).status, now(world, ended).status) == ("suspended", "ended")


@pytest.mark.parametrize(
    ("act", "more", "status"),
    [("suspend", {"suspension": "penalty"}, "suspended"), ("end", {"how": "withdrawn"}, "ended")],
)
def test_a_decision_for_a_later_day_waits_for_it(
    world: World, clock: Ticker, act: str, more: dict[str, Any], status: str
) -> None:
    identifier = issue_one(world).printout.record.identifier
    planned = plan(world, act, identifier, 3, **more)
    assert (planned.operation, planned.due) == (act, world.today + 3 * DAY)
    for _ in range(2):
        clock.advance(DAY)
        assert not make_due(world.ports)
        assert now(world, identifier).status == "in_force"
    clock.advance(DAY)
    assert make_due(world.ports).made == [planned.id]
    assert (now(world, identifier).status, now(world, identifier).since) == (status, planned.due)
    assert fsck(world.ports) == []


def test_a_scheduled_change_is_the_licences_and_acts_on_the_edition_of_its_day(
    world: World, clock: Ticker
) -> None:
    first = issue_one(world).printout.record.identifier
    planned = plan(world, "end", first, 5, how="revoked")
    clock.advance(2 * DAY)
    publish_trust_list(world.ports)
    second = next_edition(world, "amend", first, fields={"premises": "甲"}).printout.record.identifier
    assert waits(world, second) == [planned]
    clock.advance(3 * DAY)
    assert make_due(world.ports).made == [planned.id]
    assert (now(world, first).how, now(world, second).how) == ("replaced", "revoked")


def test_a_service_that_was_down_on_the_day_makes_up_for_it(world: World, clock: Ticker) -> None:
    """Whatever happened meanwhile: a licence that was to end does, at the latest after what came between."""
    identifier = issue_one(world).printout.record.identifier
    planned = plan(world, "end", identifier, 1, how="revoked")
    clock.advance(4 * DAY)
    change(world, "suspend", identifier, suspension="other")
    clock.advance(DAY)
    assert make_due(world.ports).made == [planned.id]
    assert (now(world, identifier).status, now(world, identifier).since) == ("ended", world.today - DAY)


def test_a_change_that_is_no_longer_possible_is_dropped_and_told(world: World, clock: Ticker) -> None:
    identifier = issue_one(world).printout.record.identifier
    planned = plan(world, "suspend", identifier, 1, suspension="other")
    change(world, "suspend", identifier, suspension="penalty")
    clock.advance(DAY)
    assert make_due(world.ports).dropped == {planned.id: "status"}
    assert now(world, identifier).ground == "penalty"
    assert kinds(world, identifier)[-1] == "licence.change_dropped"
    assert not make_due(world.ports)
    assert fsck(world.ports) == []


def test_a_waiting_change_is_taken_back_once_and_by_its_agency_alone(world: World, clock: Ticker) -> None:
    identifier = issue_one(world).printout.record.identifier
    planned = plan(world, "suspend", identifier, 2, suspension="other")
    change(world, "suspend", identifier, suspension="other", until=world.today + 30 * DAY)
    term = next(one for one in waits(world, identifier) if one.operation == "lift")
    ground = {"legal_basis": "行政许可法 第六十九条", "reason_code": "mistake", "operator": "window-01"}

    def ask(scheduled: str, client: str = "system", **more: Any) -> tuple[int, str]:
        path = f"/api/v1/licences/{identifier}/scheduled/{scheduled}/withdrawal"
        answer = world.post(path, ground | more, client)
        return answer.status_code, str(answer.get_json().get("reason"))

    assert ask(planned.id, "other-system") == (404, "licence_unknown")
    assert ask("0" * 32)[0] == 404
    assert ask(term.id) == (409, "term")
    assert ask(planned.id, effective_from=world.today.isoformat())[0] == 422
    assert ask(planned.id)[0] == 200
    assert ask(planned.id) == (409, "settled")
    clock.advance(3 * DAY)
    assert not make_due(world.ports)
    assert "licence.change_withdrawn" in kinds(world, identifier)


def test_days_and_numbers_are_bounded(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    today = world.today
    for until, day, reason in (
        (today - DAY, None, "over"),
        (today + DAY, today + 2 * DAY, "over"),
        (today + 4000 * DAY, None, "too_far"),
    ):
        error = refused(world, "suspend", identifier, day, suspension="other", until=until)
        assert (error.kind, error.reason, error.faults[0].field) == (Kind.INVALID, reason, "/until")
    for _ in range(20):
        plan(world, "suspend", identifier, 5, suspension="other")
    with pytest.raises(VermilionError) as caught:
        plan(world, "suspend", identifier, 5, suspension="other")
    assert caught.value.reason == "too_many_waiting"


def test_many_workers_make_each_change_once(world: World, clock: Ticker) -> None:
    identifiers = [issue_one(world).printout.record.identifier for _ in range(3)]
    for identifier in identifiers:
        plan(world, "suspend", identifier, 1, suspension="other", until=world.today + 9 * DAY)
    clock.advance(DAY)
    together, reports = Barrier(3), list[ScheduleReport]()

    def work() -> None:
        together.wait()
        reports.append(make_due(world.ports))

    threads = [Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one for report in reports for one in report.made) == sorted(
        {one for report in reports for one in report.made}
    )
    assert not any(report.dropped or report.defects for report in reports)
    for identifier in identifiers:
        assert kinds(world, identifier).count("licence.suspended") == 1
        assert [one.operation for one in waits(world, identifier)] == ["lift"]
    assert fsck(world.ports) == []


def test_a_change_that_is_due_while_the_next_edition_comes_is_made_to_that_one(
    world: World, clock: Ticker
) -> None:
    """PostgreSQL gives whoever waited for the edition the one it waited for, which is replaced by then."""
    first = issue_one(world).printout.record.identifier
    plan(world, "suspend", first, 1, suspension="other")
    clock.advance(DAY)
    engine, comes = world.ports.database.write, list[Thread]()

    def meanwhile(connection: Connection) -> None:
        if not comes and connection.info.get("edition"):
            comes.append(Thread(target=lambda: make_due(world.ports)))
            comes[0].start()
            while engine.dialect.name == "postgresql" and not waits_for_lock(world):
                comes[0].join(0.01)  # SQLite has it wait before it reads anything
                assert comes[0].is_alive()

    def inserted(connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("INSERT INTO edition"):
            connection.info["edition"] = True

    event.listen(engine, "after_cursor_execute", inserted)
    event.listen(engine, "commit", meanwhile)
    try:
        second = next_edition(world, "amend", first, fields={"premises": "甲"}).printout.record.identifier
    finally:
        event.remove(engine, "after_cursor_execute", inserted)
        event.remove(engine, "commit", meanwhile)
    comes[0].join()
    make_due(world.ports)
    assert now(world, second).status == "suspended"
    assert "licence.change_dropped" not in [*kinds(world, first), *kinds(world, second)]
    assert fsck(world.ports) == []


def waits_for_lock(world: World) -> bool:
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with world.ports.database.read.connect() as connection:
        return bool(connection.scalar(text(waits)))


def test_a_defect_in_one_keeps_no_other_waiting(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, whole = (issue_one(world).printout.record.identifier for _ in range(2))
    first = plan(world, "end", broken, 1, how="revoked")
    second = plan(world, "end", whole, 1, how="revoked")

    def fails(*args: Any) -> LicenceStatus:
        if args[3].identifier == broken:
            raise RuntimeError("a defect")
        return rules.change(*args)

    clock.advance(DAY)
    monkeypatch.setattr("registry.licences.due.change", fails)
    report = make_due(world.ports)
    assert (report.made, list(report.defects)) == ([second.id], [first.id])
    monkeypatch.undo()
    assert make_due(world.ports).made == [first.id]
