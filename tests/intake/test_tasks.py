"""What the applicant and a source tell differently: opened, cleared each way, and what it keeps from happening."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from keys.errors import Kind, VermilionError
from registry.intake import source_errors, tasks
from registry.intake.applications import open_application
from registry.intake.exchange_tables import CaseRetrieval, SourceError, VerificationTask
from registry.intake.moves import Action, CaseState, Who
from registry.intake.retrieving import reference, retrieve_due
from registry.intake.task_values import TaskState, Values, open_values, open_words
from registry.intake.work import work
from registry.licences import rules
from registry.licences.operations import Decision
from registry.log.tables import Event
from tests.intake.casework import BASIS, Desk, application, decided, open_desk, somebody, step, taken
from tests.intake.casework import found as case_of
from tests.intake.exchanging import (
    SOURCE,
    Source,
    connect,
    ended,
    import_own,
    own_application,
    own_case,
    put_down,
    retrievals,
    source,
    tasks_of,
    told,
)
from tests.registry.issuing import issue_one
from tests.registry.next_editions import next_edition
from tests.registry.world import Ticker, World

TO_RECEIVED = (Action.SUBMIT, Action.RECEIVE)
ANOTHER = "样本市另一名称有限公司"


@pytest.fixture
def plain(world: World) -> Desk:
    return open_desk(world)


@pytest.fixture
def platform(plain: Desk) -> Iterator[Source]:
    with source(plain.ports.clock) as made:
        made.reply = lambda _path, asked: told(asked, same(plain, name=ANOTHER))
        yield made


@pytest.fixture
def desk(plain: Desk, platform: Source) -> Desk:
    return connect(plain, platform.url)


def same(desk: Desk, **changes: Any) -> dict[str, Any]:
    fields = application(desk.world).fields
    value = {
        "name": fields["operator_name"],
        "legal_person": fields["representative"],
        "address": fields["domicile"],
    }
    return value | changes


def differing(desk: Desk, *actions: Action) -> tuple[str, VerificationTask]:
    """A case of which the name is told differently, with these steps taken after it was looked for."""
    case_id = taken(desk, *TO_RECEIVED)
    done = retrieve_due(desk.ports)
    assert (done.found, done.defects) == (1, [])
    for action in actions:
        step(desk, case_id, action)
    (task,) = tasks_of(desk, case_id).values()
    return case_id, task


def refusal(desk: Desk, task: VerificationTask, outcome: TaskState, **more: Any) -> VermilionError:
    with pytest.raises(VermilionError) as error:
        ended(desk, task.id, outcome, **more)
    return error.value


def refused_step(desk: Desk, case_id: str, action: Action, **more: Any) -> VermilionError:
    with pytest.raises(VermilionError) as error:
        step(desk, case_id, action, **more)
    return error.value


def fields_of(desk: Desk, case_id: str) -> dict[str, Any]:
    case = case_of(desk, case_id)
    return dict(open_application(desk.ports.vault, case_id, case.application).fields)


def events(desk: Desk, case_id: str, kind: str) -> list[Event]:
    with Session(desk.ports.database.read) as session:
        wanted = select(Event).where(Event.subject == case_id, Event.kind == kind)
        return list(session.scalars(wanted.order_by(Event.recorded_at)))


def errors(desk: Desk) -> list[SourceError]:
    with Session(desk.ports.database.read) as session:
        return list(session.scalars(select(SourceError).order_by(SourceError.made_at)))


# --- opened, and what it blocks --------------------------------------------------------------------------


def test_each_difference_is_a_task_with_the_two_values(desk: Desk, platform: Source) -> None:
    platform.reply = lambda _path, asked: told(
        asked, same(desk, name=ANOTHER, legal_person="张 三 " + "另", address=same(desk)["address"] + " ")
    )
    case_id = taken(desk, *TO_RECEIVED)
    retrieve_due(desk.ports)
    found = tasks_of(desk, case_id)
    assert set(found) == {"operator_name", "representative"}  # white space is no difference
    task = found["operator_name"]
    assert (task.state, task.source_field, task.agency_code) == ("open", "name", desk.world.codes["own"])
    values = open_values(desk.ports.vault, task)
    assert values == Values(same(desk)["name"], ANOTHER)
    assert ANOTHER.encode() not in task.values
    opened = events(desk, case_id, "case.task_opened")
    assert {one.detail["field"] for one in opened} == {"operator_name", "representative"}
    assert all(
        ANOTHER not in str(one.detail) and str(values.applicant) not in str(one.detail) for one in opened
    )


def test_what_agrees_opens_nothing(desk: Desk, platform: Source) -> None:
    platform.reply = lambda _path, asked: told(asked, same(desk, more="x"))
    case_id = taken(desk, *TO_RECEIVED)
    retrieve_due(desk.ports)
    assert tasks_of(desk, case_id) == {}


def test_an_open_task_keeps_a_case_from_being_permitted(desk: Desk) -> None:
    case_id, task = differing(desk, Action.ACCEPT, Action.BEGIN)
    found = refused_step(desk, case_id, Action.PERMIT)
    assert (found.kind, found.reason) == (Kind.CONFLICT, "tasks_open")
    ended(desk, task.id, TaskState.CONFIRMED)
    step(desk, case_id, Action.PERMIT)
    assert work(desk.ports).issued == 1


def test_an_open_task_keeps_no_case_from_being_refused(desk: Desk) -> None:
    case_id, task = differing(desk, Action.ACCEPT, Action.BEGIN)
    step(desk, case_id, Action.REFUSE)
    assert case_of(desk, case_id).state == CaseState.DONE
    assert refusal(desk, task, TaskState.REFUSED).reason == "case_state"


def test_silence_accepts_a_case_with_an_open_task(desk: Desk, clock: Ticker) -> None:
    case_id, _ = differing(desk)
    clock.advance(timedelta(days=12))
    assert work(desk.ports).silent == 1
    assert case_of(desk, case_id).state == CaseState.ACCEPTED


# --- corrected -------------------------------------------------------------------------------------------


def test_corrected_the_applicant_s_value_is_changed(desk: Desk) -> None:
    case_id, task = differing(desk, Action.ACCEPT, Action.BEGIN)
    missing = refusal(desk, task, TaskState.CORRECTED)
    assert {one.field for one in missing.faults} == {"/declaration", "/value"}
    other = refusal(desk, task, TaskState.CORRECTED, value="又一名称", declared=True)
    assert (other.kind, other.reason) == (Kind.CONFLICT, "still_differs")
    wrong = refusal(desk, task, TaskState.CORRECTED, value=["x"], declared=True)
    assert (wrong.kind, wrong.reason) == (Kind.INVALID, "invalid_fields")
    assert fields_of(desk, case_id)["operator_name"] == same(desk)["name"]
    ended(desk, task.id, TaskState.CORRECTED, value=ANOTHER, declared=True, words="已与申请人核对")
    assert fields_of(desk, case_id)["operator_name"] == ANOTHER
    (task,) = tasks_of(desk, case_id).values()
    handler = desk.actors[Who.HANDLER]
    assert (task.state, task.person_id, task.client_id) == (
        "corrected", handler.person_id, handler.client_id,
    )  # fmt: skip
    assert (task.ended_at, task.legal_basis) == (desk.ports.clock(), BASIS["legal_basis"])
    assert open_words(desk.ports.vault, task) == "已与申请人核对"
    assert open_values(desk.ports.vault, task).applicant == same(desk)["name"]  # as it was
    (event,) = events(desk, case_id, "case.task_corrected")
    assert (event.person_id, event.reason_code) == (handler.person_id, BASIS["reason_code"])
    assert refusal(desk, task, TaskState.REFUSED).reason == "task_ended"
    step(desk, case_id, Action.PERMIT)


def test_a_correction_by_the_applicant_clears_what_differs_no_more(desk: Desk) -> None:
    case_id, task = differing(desk, Action.ASK_CORRECTION)
    step(desk, case_id, Action.CORRECT, correction={"operator_name": "又一名称"})
    (task,) = tasks_of(desk, case_id).values()
    assert (task.state, task.number) == ("open", 1)
    assert open_values(desk.ports.vault, task) == Values("又一名称", ANOTHER)
    step(desk, case_id, Action.ASK_CORRECTION)
    step(desk, case_id, Action.CORRECT, correction={"operator_name": ANOTHER})
    (task,) = tasks_of(desk, case_id).values()
    assert (task.state, task.operator) == ("corrected", "window-03")
    step(desk, case_id, Action.ASK_CORRECTION)
    step(
        desk, case_id, Action.CORRECT, correction={"operator_name": same(desk)["name"], "premises": "新址1号"}
    )
    (task,) = tasks_of(desk, case_id).values()  # whoever goes back to it differs again
    assert (task.state, task.number) == ("open", 2)


# --- refused ---------------------------------------------------------------------------------------------


def test_refused_the_applicant_s_value_gets_into_no_licence(desk: Desk) -> None:
    case_id, task = differing(desk, Action.ACCEPT, Action.BEGIN)
    ended(desk, task.id, TaskState.REFUSED)
    assert fields_of(desk, case_id)["operator_name"] == same(desk)["name"]
    found = refused_step(desk, case_id, Action.PERMIT)
    assert (found.reason, found.faults[0].field) == ("value_refused", "/licence/fields/operator_name")
    licence = decided(desk.world)
    licence["fields"] |= {"operator_name": ANOTHER}
    step(desk, case_id, Action.PERMIT, licence=licence)
    assert work(desk.ports).issued == 1


def test_what_was_cleared_stays_so_while_both_values_stay(desk: Desk) -> None:
    for outcome in (TaskState.REFUSED, TaskState.CONFIRMED):
        case_id, task = differing(desk)
        ended(desk, task.id, outcome)
        step(desk, case_id, Action.ASK_CORRECTION)
        step(desk, case_id, Action.CORRECT, correction={"premises": "新址1号"})
        assert {name: one.state for name, one in tasks_of(desk, case_id).items()} == {
            "operator_name": outcome.value
        }
        step(desk, case_id, Action.ASK_CORRECTION)
        step(desk, case_id, Action.CORRECT, correction={"operator_name": "又一名称"})
        assert tasks_of(desk, case_id)["operator_name"].state == "open"


# --- confirmed: told to the source -----------------------------------------------------------------------


def test_confirmed_the_source_is_told_until_it_acknowledges(
    desk: Desk, platform: Source, clock: Ticker
) -> None:
    case_id, task = differing(desk)
    ended(desk, task.id, TaskState.CONFIRMED)
    (row,) = errors(desk)
    assert (row.state, row.source, row.connector, row.edition_id) == (
        "waiting", SOURCE, "yunxi-exchange", None,
    )  # fmt: skip
    platform.reply = lambda _path, _asked: lambda handler: handler.send_error(500)
    assert retrieve_due(desk.ports).told.outages == {row.id: "answer_status"}
    platform.reply = lambda _path, asked: {"reference": asked["reference"], "state": "pending"}
    clock.advance(timedelta(minutes=1))
    assert retrieve_due(desk.ports).told.pending == 1
    assert retrieve_due(desk.ports).told.pending == 0  # not before it is due
    platform.reply = lambda _path, asked: {
        "reference": asked["reference"], "state": "acknowledged", "name": "HX-2026-0042",
    }  # fmt: skip
    clock.advance(timedelta(hours=1))
    assert retrieve_due(desk.ports).told.settled == 1
    (row,) = errors(desk)
    assert (row.state, row.answer, row.attempt, row.reason) == ("acknowledged", "HX-2026-0042", 3, None)
    assert row.answered_at == clock.now
    asked = [one for path, one in zip(platform.paths, platform.asked, strict=True) if "corrections" in path]
    assert {one["reference"] for one in asked} == {row.id}
    assert (asked[0]["told"], asked[0]["right"], asked[0]["field"]) == (ANOTHER, same(desk)["name"], "name")
    (retrieval,) = retrievals(desk, case_id)
    assert retrieval.sha256 is not None
    assert asked[0]["answer"] == {
        "reference": reference(retrieval.id, 1), "sha256": retrieval.sha256.hex(),
    }  # fmt: skip
    (event,) = events(desk, case_id, "case.error_acknowledged")
    assert event.detail["answer"] == "HX-2026-0042"
    assert ANOTHER not in str(event.detail)


def test_an_error_that_a_source_never_acknowledges_is_told_every_day(
    desk: Desk, platform: Source, clock: Ticker
) -> None:
    _, task = differing(desk)
    ended(desk, task.id, TaskState.CONFIRMED)
    platform.reply = lambda _path, asked: {"reference": asked["reference"], "state": "pending"}
    for _ in range(20):
        assert retrieve_due(desk.ports).told.pending == 1
        clock.advance(timedelta(days=2))
    (row,) = errors(desk)
    assert (row.state, row.attempt) == ("waiting", 20)


def test_a_folder_s_source_is_told_by_a_file(plain: Desk, clock: Ticker) -> None:
    desk = connect(plain)
    path = put_down(desk.ports, application(desk.world).id_code, same(desk, name=ANOTHER))
    _, task = differing(desk)
    ended(desk, task.id, TaskState.CONFIRMED)
    assert retrieve_due(desk.ports).told.pending == 1
    (row,) = errors(desk)
    corrections = path.parent.parent / "corrections"
    assert [one.name for one in corrections.iterdir()] == [f"{row.id}.json"]
    answer = {"reference": row.id, "state": "acknowledged", "name": "HX-1"}
    (corrections / f"{row.id}.ack.json").write_bytes(canonical_json(answer))
    clock.advance(timedelta(hours=1))
    assert retrieve_due(desk.ports).told.settled == 1
    assert errors(desk)[0].state == "acknowledged"


# --- confirmed: a licence of this registry ---------------------------------------------------------------


def of_licence(desk: Desk) -> tuple[str, str]:
    """A case whose applicant finds another place of business on their licence; and its identifier."""
    import_own(desk.world)
    record = issue_one(desk.world).printout.record
    case_id = own_case(desk, own_application(record, premises="别处1号"), *TO_RECEIVED)
    assert retrieve_due(desk.ports).found == 1
    ended(desk, tasks_of(desk, case_id)["premises"].id, TaskState.CONFIRMED)
    return case_id, record.identifier


def test_a_licence_waits_for_its_issuer_s_correction(plain: Desk, clock: Ticker) -> None:
    case_id, identifier = of_licence(plain)
    (row,) = errors(plain)
    assert (row.connector, row.source, row.edition_id is None) == (None, plain.world.codes["own"], False)
    actor = plain.world.actor("system")
    with Session(plain.ports.database.read) as session:
        listed, _ = source_errors.errors_in_licences(session, actor, None, 10)
        assert [one.id for one in listed] == [row.id]
        other = plain.world.actor("other-system")
        assert source_errors.errors_in_licences(session, other, None, 10) == ([], None)
    assert retrieve_due(plain.ports).told.pending == 1
    amended = next_edition(plain.world, "amend", identifier, fields={"premises": "新址1号"})
    clock.advance(timedelta(hours=1))
    assert retrieve_due(plain.ports).told.pending == 1  # something else was changed by decision
    next_edition(plain.world, "correct", amended.printout.record.identifier, fields={"premises": "别处1号"})
    clock.advance(timedelta(hours=1))
    assert retrieve_due(plain.ports).told.settled == 1
    (row,) = errors(plain)
    assert (row.state, row.answered_at) == ("corrected", clock.now)
    assert len(events(plain, case_id, "case.error_corrected")) == 1
    with Session(plain.ports.database.read) as session:
        assert source_errors.errors_in_licences(session, actor, None, 10) == ([], None)


def test_a_correction_of_something_else_leaves_the_error_to_its_issuer(plain: Desk, clock: Ticker) -> None:
    case_id, identifier = of_licence(plain)
    other = next_edition(plain.world, "correct", identifier, fields={"operator_name": "更名后的经营者"})
    clock.advance(timedelta(hours=1))
    assert retrieve_due(plain.ports).told.pending == 1
    assert (errors(plain)[0].state, events(plain, case_id, "case.error_corrected")) == ("waiting", [])
    next_edition(plain.world, "correct", other.printout.record.identifier, fields={"premises": "别处1号"})
    clock.advance(timedelta(hours=1))
    assert retrieve_due(plain.ports).told.settled == 1
    assert errors(plain)[0].state == "corrected"


def test_an_issuer_declines_with_a_reason(plain: Desk) -> None:
    case_id, _ = of_licence(plain)
    (row,) = errors(plain)
    for actor in (plain.world.actor("other-system"), somebody(plain.world, "decider")):
        with pytest.raises(VermilionError), plain.ports.database.transaction() as session:
            source_errors.decline(session, plain.ports, actor, row.id, "《样本法》", "right_after_all")
    officer = plain.actors[Who.HANDLER]
    with plain.ports.database.transaction() as session:
        source_errors.decline(session, plain.ports, officer, row.id, "《样本法》", "right_after_all")
    (row,) = errors(plain)
    assert (row.state, row.due_at) == ("declined", None)
    (event,) = events(plain, case_id, "case.error_declined")
    assert (event.person_id, event.reason_code) == (officer.person_id, "right_after_all")
    with pytest.raises(VermilionError) as error, plain.ports.database.transaction() as session:
        source_errors.decline(session, plain.ports, officer, row.id, "《样本法》", "again")
    assert error.value.reason == "source_error_settled"


def test_an_error_lapses_with_its_licence(plain: Desk, clock: Ticker) -> None:
    case_id, identifier = of_licence(plain)
    with plain.ports.database.transaction() as session:
        actor, decision = plain.actors[Who.WINDOW], Decision("《样本法》", "sample", plain.world.today)
        rules.end(session, plain.ports, actor, identifier, decision, "revoked")
    clock.advance(timedelta(hours=1))
    assert retrieve_due(plain.ports).told.settled == 1
    assert errors(plain)[0].state == "lapsed"
    assert len(events(plain, case_id, "case.error_lapsed")) == 1


# --- who ------------------------------------------------------------------------------------------------


def test_only_those_who_handle_at_this_agency_clear_a_difference(desk: Desk) -> None:
    _, task = differing(desk)
    decider = desk.actors[Who.APPROVER]
    assert refusal(desk, task, TaskState.REFUSED, actor=decider).reason == "role"
    other = replace(desk.world.actor("other-system"), operator="x")
    with Session(desk.ports.database.read) as session, pytest.raises(VermilionError) as error:
        tasks.own_task(session, other, task.id)
    assert error.value.reason == "task_unknown"


def test_pages_of_an_agency_s_tasks(desk: Desk) -> None:
    made = [differing(desk)[1].id for _ in range(3)]
    actor = desk.actors[Who.WINDOW]
    ended(desk, made[1], TaskState.REFUSED)
    with Session(desk.ports.database.read) as session:
        first, after = tasks.tasks_of_agency(session, actor, None, 2)
        rest, none = tasks.tasks_of_agency(session, actor, after, 2)
        assert {one.id for one in (*first, *rest)} == set(made)
        assert (len(first), len(rest), none) == (2, 1, None)
        found, _ = tasks.tasks_of_agency(session, actor, None, 5, state=TaskState.REFUSED)
        assert [one.id for one in found] == [made[1]]
        other = desk.world.actor("other-system")
        assert tasks.tasks_of_agency(session, other, None, 5) == ([], None)
        rows = session.scalars(select(CaseRetrieval)).all()
        assert len(rows) == 3
