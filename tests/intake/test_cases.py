"""Cases on record: each step with who, when and why, the clocks, the messages, and the licence, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, NoReturn

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.intake.applications import Item, Said, open_application, open_said
from registry.intake.cases import act, code_of, find_by_code, locked, moves_of
from registry.intake.issuing import IssueState, order_again
from registry.intake.matter_lists import matter_version
from registry.intake.moves import Action, CaseState, Who
from registry.intake.tables import Case, CaseIssue
from registry.intake.work import work
from registry.licences.issue_many import issue_many
from registry.licences.moment import moment
from registry.licences.tables import Edition, Intent
from registry.log.tables import Event
from registry.notices.messages import open_message
from registry.notices.tables import Notice
from tests.intake.casework import (
    MATTER,
    TO,
    TO_HANDLING,
    Desk,
    an_act,
    application,
    decided,
    draft,
    found,
    open_desk,
    somebody,
    step,
    taken,
)
from tests.registry.issuing import issue_one
from tests.registry.world import Ticker, World


@pytest.fixture
def desk(world: World) -> Desk:
    return open_desk(world)


def refusal(desk: Desk, case_id: str, action: Action, **more: object) -> str:
    with pytest.raises(VermilionError) as error:
        step(desk, case_id, action, **more)
    return error.value.reason


def test_a_case_goes_from_draft_to_done_and_its_licence_is_issued(desk: Desk, clock: Ticker) -> None:
    case_id = taken(desk, *TO_HANDLING, Action.PERMIT)
    assert found(desk, case_id).state == CaseState.PERMITTED
    done = work(desk.ports)
    assert (done.issued, done.refused, done.defects) == (1, 0, [])
    case = found(desk, case_id)
    assert case.state == CaseState.DONE
    with Session(desk.ports.database.read) as session:
        edition = session.get_one(Edition, case.edition_id)
        intent = session.get_one(Intent, case.edition_id)
        moves = moves_of(session, case_id)
        events = {event.id: event for event in session.scalars(select(Event).where(Event.subject == case_id))}
    assert (intent.matter_code, intent.case_number) == (MATTER, case.number)
    assert edition.issuer_code == desk.world.codes["own"]
    assert [one.action for one in moves] == [*(a.value for a in TO_HANDLING), "permit", "finish"]
    assert [one.number for one in moves] == list(range(1, 7))
    for one in moves:
        assert events[one.event_id].recorded_at == one.at
        assert (events[one.event_id].legal_basis, one.legal_basis != "") == (one.legal_basis, True)
        assert events[one.event_id].agency_code == case.agency_code
    assert moves[4].person_id == desk.actors[Who.APPROVER].person_id
    assert work(desk.ports).issued == 0


def test_every_message_is_in_the_queue_with_its_step(desk: Desk) -> None:
    case_id = taken(desk, Action.SUBMIT, Action.RECEIVE, Action.ASK_CORRECTION)
    with Session(desk.ports.database.read) as session:
        moves = moves_of(session, case_id)
        notices = {row.id: row for row in session.scalars(select(Notice).where(Notice.subject == case_id))}
        number = session.get_one(Case, case_id).number
    assert {one.notice_id for one in moves} == set(notices)
    asked = notices[moves[2].notice_id or ""]
    assert (asked.kind, asked.created_at) == ("case", moves[2].at)
    assert asked.message is not None
    message = open_message(desk.ports.vault, asked.id, asked.message)
    assert message.to == TO
    assert message.values["number"] == number
    assert "主要设备设施、经营布局、操作流程等文件: 缺少经营布局图" in message.values["reason"]
    assert "《样本法》第一条" in message.values["reason"]


def test_who_names_no_channel_is_told_by_the_record_alone(desk: Desk) -> None:
    case_id = draft(desk, application(desk.world, told=False))
    step(desk, case_id, Action.SUBMIT)
    with Session(desk.ports.database.read) as session:
        assert [one.notice_id for one in moves_of(session, case_id)] == [None]


def test_a_submission_declares_that_all_is_true_and_fits_the_form(desk: Desk) -> None:
    case_id = draft(desk, application(desk.world, credit_code="91990100MA1000017B", more="x"))
    assert refusal(desk, case_id, Action.SUBMIT, declared=False) == "move_needs"
    with pytest.raises(VermilionError) as error:
        step(desk, case_id, Action.SUBMIT)
    assert {one.field for one in error.value.faults} == {"/fields/credit_code", "/fields/more"}
    assert found(desk, case_id).state == CaseState.DRAFT


def test_a_case_is_looked_up_by_number_and_code(desk: Desk) -> None:
    first, second = taken(desk, Action.SUBMIT), taken(desk, Action.SUBMIT)
    with Session(desk.ports.database.read) as session:
        case, other = session.get_one(Case, first), session.get_one(Case, second)
        code = code_of(desk.ports, case)
        assert case.number is not None
        assert case.number.startswith("20261120")
        assert find_by_code(session, desk.ports, case.number, code) is case
        assert find_by_code(session, desk.ports, other.number or "", code) is None
        assert find_by_code(session, desk.ports, "202611200000000000", code) is None


def test_what_is_missing_is_told_once_and_completely(desk: Desk) -> None:
    case_id = taken(desk, Action.SUBMIT, Action.RECEIVE)
    two = Said("", (Item("layout", "缺"), Item("premises", "与营业执照不符")))
    assert refusal(desk, case_id, Action.ASK_CORRECTION, said=Said("", (Item("none", "x"),))) == "items"
    step(desk, case_id, Action.ASK_CORRECTION, said=two)
    step(desk, case_id, Action.CORRECT, correction={"premises": "云溪省样本市青禾区新址1号"})
    one = Said("", (Item("layout", "仍缺"),))
    other = Said("", (Item("layout", "仍缺"), Item("safety_rules", "缺")))
    assert refusal(desk, case_id, Action.ASK_CORRECTION, said=other) == "told_once"
    step(desk, case_id, Action.ASK_CORRECTION, said=one)
    case = found(desk, case_id)
    kept = open_application(desk.ports.vault, case_id, case.application)
    assert kept.fields["premises"] == "云溪省样本市青禾区新址1号"
    with Session(desk.ports.database.read) as session:
        asked = moves_of(session, case_id)[2]
    assert open_said(desk.ports.vault, case_id, asked.number, asked.said) == two


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T02:00:00+00:00")


def test_the_clocks_of_the_law_run_stand_and_are_extended(desk: Desk, clock: Ticker) -> None:
    """Statutory 10 and committed 5 working days; hand-reckoned in December 2026, whose days are ordinary."""
    case_id = taken(desk, Action.SUBMIT)  # Friday, 20 November
    case = found(desk, case_id)
    assert (case.received_on, case.due_on) == (date(2026, 11, 20), date(2026, 11, 27))
    step(desk, case_id, Action.RECEIVE)
    step(desk, case_id, Action.ASK_CORRECTION)
    assert found(desk, case_id).due_on is None  # it is the applicant's turn
    clock.now = at("2026-11-30")
    step(desk, case_id, Action.CORRECT)
    assert found(desk, case_id).due_on == date(2026, 12, 7)  # from the correction anew
    clock.now = at("2026-12-01")
    step(desk, case_id, Action.ACCEPT)
    step(desk, case_id, Action.BEGIN)
    case = found(desk, case_id)
    assert (case.committed_due, case.statutory_due) == (date(2026, 12, 8), date(2026, 12, 15))
    clock.now = at("2026-12-03")
    step(desk, case_id, Action.SUSPEND)
    case = found(desk, case_id)
    assert (case.due_on, case.committed_due, case.statutory_due) == (None, None, None)
    clock.now = at("2026-12-10")
    step(desk, case_id, Action.RESUME)
    case = found(desk, case_id)
    assert (case.due_on, case.statutory_due) == (date(2026, 12, 15), date(2026, 12, 22))
    assert refusal(desk, case_id, Action.EXTEND, days=6) == "extension"
    step(desk, case_id, Action.EXTEND)
    case = found(desk, case_id)
    assert (case.committed_due, case.statutory_due) == (date(2026, 12, 22), date(2026, 12, 29))
    assert refusal(desk, case_id, Action.EXTEND) == "extended"
    assert not case.provisional
    clock.now = at("2026-12-25")
    step(desk, case_id, Action.PERMIT)
    case = found(desk, case_id)
    assert (case.due_on, case.provisional) == (date(2027, 1, 8), True)  # no notice of 2027 is loaded


def test_silence_counts_as_acceptance_from_the_day_the_application_came(desk: Desk, clock: Ticker) -> None:
    case_id = taken(desk, Action.SUBMIT)
    clock.now = at("2026-11-27")
    assert work(desk.ports).silent == 0
    clock.now = at("2026-11-28")
    assert work(desk.ports).silent == 1
    case = found(desk, case_id)
    assert (case.state, case.accepted_on) == ("accepted", date(2026, 11, 20))
    assert case.committed_due == date(2026, 11, 27)
    with Session(desk.ports.database.read) as session:
        last = moves_of(session, case_id)[-1]
    assert (last.who, last.reason_code, last.person_id) == ("system", "silence", None)
    assert work(desk.ports).silent == 0


def test_who_handles_a_case_does_not_decide_it(desk: Desk) -> None:
    case_id = taken(desk, *TO_HANDLING[:3])
    both = somebody(desk.world, "decider", "officer")
    mixed = replace(desk, actors={**desk.actors, Who.HANDLER: both, Who.APPROVER: both})
    step(mixed, case_id, Action.BEGIN)
    assert refusal(mixed, case_id, Action.PERMIT) == "same_person"
    officer = replace(desk, actors={**desk.actors, Who.APPROVER: desk.actors[Who.HANDLER]})
    assert refusal(officer, case_id, Action.PERMIT) == "role"
    machine = replace(desk, actors={**desk.actors, Who.APPROVER: desk.actors[Who.WINDOW]})
    assert refusal(machine, case_id, Action.PERMIT) == "person_required"
    step(desk, case_id, Action.PERMIT)


def test_no_agency_finds_what_is_another_s(desk: Desk) -> None:
    case_id = draft(desk)
    with pytest.raises(VermilionError) as error, desk.ports.database.transaction() as session:
        locked(session, desk.world.actor("other-system"), case_id)
    assert error.value.reason == "case_unknown"


@pytest.mark.parametrize("action", [Action.REFUSE, Action.TERMINATE, Action.WITHDRAW])
def test_what_is_decided_otherwise_is_done_at_once_and_issues_nothing(desk: Desk, action: Action) -> None:
    case_id = taken(desk, *TO_HANDLING, action)
    assert found(desk, case_id).state == CaseState.DONE
    with Session(desk.ports.database.read) as session:
        assert session.get(CaseIssue, case_id) is None
        assert [one.led_to for one in moves_of(session, case_id)][-2:] == [
            {"refuse": "refused", "terminate": "terminated", "withdraw": "withdrawn"}[action.value], "done",
        ]  # fmt: skip
    assert work(desk.ports).issued == 0


def test_a_licence_that_is_refused_leaves_the_case_permitted_for_an_officer(desk: Desk) -> None:
    taken_number = decided(desk.world)
    issue_one(desk.world, None)
    other = taken(desk, *TO_HANDLING)
    step(desk, other, Action.PERMIT, licence=taken_number)
    assert work(desk.ports).issued == 1
    case_id = taken(desk, *TO_HANDLING)
    step(desk, case_id, Action.PERMIT, licence=taken_number)
    assert (work(desk.ports).refused, found(desk, case_id).state) == (1, "permitted")
    with Session(desk.ports.database.read) as session:
        row = session.get_one(CaseIssue, case_id)
        assert (row.state, row.reason) == (IssueState.REFUSED, "number_taken")
        kinds = list(session.scalars(select(Event.kind).where(Event.subject == case_id)))
    assert "case.issue_refused" in kinds
    assert work(desk.ports).refused == 0  # it waits for somebody
    again(desk, case_id, decided(desk.world))
    assert work(desk.ports).issued == 1
    assert found(desk, case_id).state == CaseState.DONE
    with pytest.raises(VermilionError) as error:
        again(desk, case_id, decided(desk.world))
    assert error.value.reason == "not_refused"


def again(desk: Desk, case_id: str, licence: dict[str, object]) -> None:
    with desk.ports.database.transaction() as session:
        case = locked(session, desk.actors[Who.WINDOW], case_id)
        matter = matter_version(session, case.matter_code, case.matter_version)
        made = open_application(desk.ports.vault, case.id, case.application)
        actor = desk.actors[Who.APPROVER]
        order_again(session, desk.ports, case, matter, made, actor, licence, moment(desk.ports))


def test_the_licence_s_registration_ends_its_case_in_one_transaction(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = taken(desk, *TO_HANDLING, Action.PERMIT)

    def dies(*arguments: Any, **more: Any) -> NoReturn:
        issue_many(*arguments, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("registry.intake.work.issue_many", dies)
        with pytest.raises(KeyboardInterrupt):
            work(desk.ports)
    case = found(desk, case_id)
    with Session(desk.ports.database.read) as session:
        made = session.scalars(select(Intent.id).where(Intent.case_number == case.number)).all()
        order = session.get_one(CaseIssue, case_id)
        assert (order.state, case.state, [case.edition_id]) == (IssueState.ISSUED, CaseState.DONE, made)
    assert work(desk.ports).issued == 0


def test_a_worker_that_dies_before_its_case_is_done_leads_to_no_second_licence(
    desk: Desk, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor to one that its case does not know: it may have been issued before by whoever did not say so."""
    case_id = taken(desk, *TO_HANDLING, Action.PERMIT)
    with monkeypatch.context() as patched:
        patched.setattr("registry.intake.work._issued", lambda *_: None)
        work(desk.ports)
    with desk.ports.database.transaction() as session:
        row = session.get_one(CaseIssue, case_id)
        assert (row.state, found(desk, case_id).state) == (IssueState.WAITING, CaseState.PERMITTED)
    assert work(desk.ports).issued == 0  # its lease holds
    clock.advance(desk.ports.settings.lease + timedelta(seconds=1))
    assert work(desk.ports).issued == 1
    assert found(desk, case_id).state == CaseState.DONE
    with Session(desk.ports.database.read) as session:
        intents = select(Intent.id).where(Intent.case_number == found(desk, case_id).number)
        assert len(session.scalars(intents).all()) == 1


def test_a_client_that_may_issue_no_more_makes_the_order_visible(desk: Desk) -> None:
    other = replace(desk.actors[Who.APPROVER], client_id=desk.world.clients["desk"].id)
    through = replace(desk, actors={**desk.actors, Who.APPROVER: other})
    case_id = taken(through, *TO_HANDLING, Action.PERMIT)
    assert work(desk.ports).refused == 1
    with Session(desk.ports.database.read) as session:
        assert session.get_one(CaseIssue, case_id).reason == "not_entitled"


def test_a_step_by_nobody_s_part_is_refused_and_changes_nothing(desk: Desk) -> None:
    case_id = taken(desk, Action.SUBMIT)
    with desk.ports.database.transaction() as session:
        case = locked(session, desk.actors[Who.WINDOW], case_id)
        with pytest.raises(VermilionError) as error:
            act(session, desk.ports, case, Action.ACCEPT, an_act(desk, Who.WINDOW))
    assert error.value.reason == "case_state"
    assert found(desk, case_id).moves == 1


def test_nothing_personal_stands_in_the_tables_or_the_events(desk: Desk) -> None:
    case_id = taken(desk, *TO_HANDLING[:2], Action.ASK_CORRECTION)
    case = found(desk, case_id)
    assert TO.encode() not in case.application
    with Session(desk.ports.database.read) as session:
        details = [str(one.detail) for one in session.scalars(select(Event).where(Event.subject == case_id))]
    made = application(desk.world)
    assert not [one for one in details if made.name in one or made.id_code in one or TO in one]
