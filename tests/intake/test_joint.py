"""Cases that other agencies take part in: asked at acceptance, each with a clock and an opinion of its own, and
one answer to the applicant (Measures, Art. 10).
"""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.intake import opinions
from registry.intake.calendars import import_notice
from registry.intake.cases import moves_of as case_moves
from registry.intake.joint import moves_of
from registry.intake.joint_moves import PERMITTED, Opinion, Side, SubAction, SubState, permitted
from registry.intake.moves import Action, Who
from registry.intake.work import work
from registry.log.tables import Event
from registry.notices.messages import open_message
from registry.notices.tables import Notice
from tests.accountable import unanswered
from tests.intake.casework import BASIS, TO_HANDLING, case_body, decided, found, step, supply_all, taken
from tests.intake.joint_casework import Table, beside, import_joint, joint_text, open_joint_desk, sub_case
from tests.intake.test_matters import refused
from tests.registry.hooking import endpoint, permitting, receiver, sent
from tests.registry.test_seals_races import at_once
from tests.registry.world import Ticker, World

CASES, SUB_CASES = "/api/v1/cases", "/api/v1/sub-cases"
AGREES = {"opinion": "agrees", **BASIS}


@pytest.fixture
def table(world: World) -> Table:
    return open_joint_desk(world)


def begun(table: Table, case_id: str) -> str:
    with table.desk.ports.database.transaction() as session:
        return opinions.begin(session, table.desk.ports, table.officer, sub_case(table.desk, case_id).id).id


def given(table: Table, case_id: str, opinion: Opinion = Opinion.AGREES, words: str = "") -> None:
    with table.desk.ports.database.transaction() as session:
        opinions.give(
            session, table.desk.ports, table.decider, sub_case(table.desk, case_id).id, opinion,
            **BASIS, words=words,
        )  # fmt: skip


def missed(table: Table, case_id: str) -> None:
    with table.desk.ports.database.transaction() as session:
        actor = table.desk.actors[Who.APPROVER]
        sub = sub_case(table.desk, case_id).id
        opinions.miss(session, table.desk.ports, actor, sub, **BASIS, words="")


def reason(taking: Any) -> str:
    with pytest.raises(VermilionError) as raised:
        taking()
    return raised.value.reason


def told(table: Table, case_id: str) -> list[str]:
    """The reasons of the messages about a case, in order."""
    with Session(table.desk.ports.database.read) as session:
        wanted = select(Notice).where(Notice.subject == case_id).order_by(Notice.created_at, Notice.id)
        rows = [row for row in session.scalars(wanted) if row.message is not None]
        vault = table.desk.ports.vault
        return [open_message(vault, row.id, row.message or b"").values["reason"] for row in rows]


def test_the_case_is_decided_when_all_opinions_are_there_and_answered_once(table: Table) -> None:
    desk = table.desk
    case_id = taken(desk, Action.SUBMIT, Action.RECEIVE)
    with Session(desk.ports.database.read) as session:
        assert session.scalars(select(Event).where(Event.kind == "sub_case.opened")).all() == []
    step(desk, case_id, Action.ACCEPT)
    opened = sub_case(desk, case_id)
    assert (opened.agency_code, opened.state) == (desk.world.codes["other"], SubState.WAITING)
    assert (opened.began_on, opened.due_on) == (date(2026, 11, 20), date(2026, 11, 25))
    assert found(desk, case_id).due_on == date(2026, 11, 27), "the lead has its own"
    step(desk, case_id, Action.BEGIN)
    for action in (Action.PERMIT, Action.REFUSE):
        assert reason(lambda action=action: step(desk, case_id, action)) == "opinions_wanted"
    begun(table, case_id)
    assert reason(lambda: step(desk, case_id, Action.PERMIT)) == "opinions_wanted"
    given(table, case_id, Opinion.CONDITIONS, "保持疏散通道畅通")
    assert sub_case(desk, case_id).due_on is None
    before = len(told(table, case_id))
    step(desk, case_id, Action.PERMIT)
    (answer,) = [one for one in told(table, case_id) if "经营场所消防条件" in one]
    assert "附条件同意. 保持疏散通道畅通" in answer
    assert len(told(table, case_id)) == before + 1
    assert work(desk.ports).issued == 1
    assert len([one for one in told(table, case_id) if "经营场所消防条件" in one]) == 1
    with Session(desk.ports.database.read) as session:
        assert unanswered(session) == []
        events = session.scalars(select(Event).where(Event.subject_kind == "sub_case")).all()
        assert {one.agency_code for one in events} == {desk.world.codes["other"]}
        assert sorted(one.kind for one in events) == [
            "sub_case.begun", "sub_case.opened", "sub_case.opinion_given",
        ]  # fmt: skip
        assert all("畅通" not in str(one.detail) for one in events)


def test_a_refusal_by_one_is_a_refusal_of_the_case(table: Table) -> None:
    case_id = taken(table.desk, *TO_HANDLING)
    begun(table, case_id)
    given(table, case_id, Opinion.REFUSES, "疏散宽度不足")
    assert reason(lambda: step(table.desk, case_id, Action.PERMIT)) == "opinion_refuses"
    step(table.desk, case_id, Action.REFUSE)
    assert any("不同意. 疏散宽度不足" in one for one in told(table, case_id))


def test_the_clock_stands_while_the_case_is_suspended(table: Table, clock: Ticker) -> None:
    desk = table.desk
    case_id = taken(desk, *TO_HANDLING, Action.SUSPEND)
    assert sub_case(desk, case_id).due_on is None
    clock.now = datetime.fromisoformat("2026-11-24T02:00:00+00:00")
    step(desk, case_id, Action.RESUME)
    assert sub_case(desk, case_id).due_on == date(2026, 11, 27)
    assert found(desk, case_id).due_on == date(2026, 12, 1)


def test_an_overdue_opinion_is_put_down_by_the_lead_and_still_counts_when_it_comes(
    table: Table, clock: Ticker
) -> None:
    desk = table.desk
    case_id = taken(desk, *TO_HANDLING)
    begun(table, case_id)
    assert reason(lambda: missed(table, case_id)) == "not_overdue"
    clock.now = datetime.fromisoformat("2026-11-25T15:00:00+00:00")
    assert reason(lambda: missed(table, case_id)) == "not_overdue"
    clock.now = datetime.fromisoformat("2026-11-25T17:00:00+00:00")  # the 26th there
    missed(table, case_id)
    assert (sub_case(desk, case_id).state, sub_case(desk, case_id).due_on) == (SubState.MISSED, None)
    assert reason(lambda: missed(table, case_id)) == "sub_case_state"
    assert reason(lambda: given(table, case_id)) == "sub_case_state"
    begun(table, case_id)  # late: it is waited for, or missed again
    assert reason(lambda: step(desk, case_id, Action.PERMIT)) == "opinions_wanted"
    missed(table, case_id)
    step(desk, case_id, Action.PERMIT)
    assert any("逾期未提出意见" in one for one in told(table, case_id))
    assert reason(lambda: begun(table, case_id)) == "sub_case_state", "the case is decided"


def test_where_the_list_names_no_law_no_opinion_is_done_without(world: World, clock: Ticker) -> None:
    table = open_joint_desk(world, overdue="")
    case_id = taken(table.desk, *TO_HANDLING)
    clock.now = datetime.fromisoformat("2026-12-10T02:00:00+00:00")
    assert reason(lambda: missed(table, case_id)) == "opinion_needed"
    assert reason(lambda: step(table.desk, case_id, Action.REFUSE)) == "opinions_wanted"
    step(table.desk, case_id, Action.TERMINATE)
    assert sub_case(table.desk, case_id).state == SubState.CLOSED


def test_what_ends_without_a_decision_closes_it(table: Table) -> None:
    case_id = taken(table.desk, *TO_HANDLING)
    begun(table, case_id)
    step(table.desk, case_id, Action.WITHDRAW)
    assert (sub_case(table.desk, case_id).state, sub_case(table.desk, case_id).due_on) == (
        SubState.CLOSED,
        None,
    )
    assert reason(lambda: given(table, case_id)) == "sub_case_state"


def test_silence_asks_the_others_from_the_day_it_is_put_down(table: Table, clock: Ticker) -> None:
    case_id = taken(table.desk, Action.SUBMIT)
    clock.now = datetime.fromisoformat("2026-12-01T02:00:00+00:00")
    assert work(table.desk.ports).silent == 1
    assert found(table.desk, case_id).accepted_on == date(2026, 11, 20)
    opened = sub_case(table.desk, case_id)
    assert (opened.began_on, opened.due_on) == (date(2026, 12, 1), date(2026, 12, 4))


def test_a_notice_of_holidays_counts_its_days_anew(table: Table) -> None:
    desk = table.desk
    case_id = taken(desk, *TO_HANDLING)
    text = (
        'year = 2026\nversion = 2\nsource = "样本通知"\n'
        '[[rest]]\nday = 2026-11-23\nname = "样本节"\n'
    )  # fmt: skip
    with desk.ports.database.transaction() as session:
        import_notice(session, desk.ports, desk.world.system, text.encode(), "notice.toml")
    assert work(desk.ports).recounted == 1
    assert sub_case(desk, case_id).due_on == date(2026, 11, 26)
    with Session(desk.ports.database.read) as session:
        assert len(session.scalars(select(Event).where(Event.kind == "sub_case.recounted")).all()) == 1


@pytest.mark.parametrize("state", SubState)
@pytest.mark.parametrize("action", SubAction)
@pytest.mark.parametrize("side", Side)
def test_what_is_not_in_the_table_of_moves_is_refused(state: SubState, action: SubAction, side: Side) -> None:
    def take(**more: Any) -> Any:
        full: dict[str, Any] = {"grounded": True, "opinion": Opinion.AGREES} | more
        return permitted(state, action, side, **full)

    move = PERMITTED.get((state, action))
    if move is None:
        assert reason(take) == "sub_case_state"
    elif move.side is not side:
        assert reason(take) == "part"
    else:
        assert take() is move
        if move.decided:
            assert reason(lambda: take(grounded=False)) == "move_needs"
            assert reason(lambda: take(has_handled=True)) == "same_person"
        if action is SubAction.GIVE:
            assert reason(lambda: take(opinion=None)) == "move_needs"
            for opinion in (Opinion.CONDITIONS, Opinion.REFUSES):
                assert reason(lambda opinion=opinion: take(opinion=opinion)) == "move_needs"
                assert take(opinion=opinion, words="不足") is move


# --- over HTTP -------------------------------------------------------------------------------------------


@pytest.fixture
def office(world: World) -> World:
    import_joint(world)
    return world


def handled(world: World, key: str = "one") -> str:
    answer = world.post(CASES, case_body(world), **{"Idempotency-Key": key})
    case_id = str(answer.get_json()["id"])
    supply_all(world.ports, world.actor(), case_id)
    for action in ("receive", "accept", "begin"):
        taken = world.post(f"{CASES}/{case_id}/steps", {"action": action, "operator": "window-03"})
        assert taken.status_code == 200, taken.text
    return case_id


def test_an_agency_that_takes_part_sees_its_part_and_no_more(office: World) -> None:
    case_id = handled(office)
    (listed,) = office.get(SUB_CASES, "other-system").get_json()["sub_cases"]
    assert (listed["case"], listed["lead"], listed["state"]) == (case_id, office.codes["own"], "waiting")
    shown = office.get(listed["href"], "other-system").get_json()
    assert set(shown["fields"]) == {"operator_name", "premises"}
    assert shown["decides_on"]["en"] == "Fire safety of the premises"
    (needed,) = shown["materials"]
    assert (needed["code"], needed["version"], needed["source"]) == ("layout", 1, None)
    file = office.get(needed["href"], "other-system")
    assert (file.status_code, file.mimetype, file.data[:5]) == (200, "application/pdf", b"%PDF-")
    for kept_back in ("business_licence", "safety_rules", "nothing"):
        path = needed["href"].replace("layout", kept_back)
        assert office.get(path, "other-system").status_code == 404, kept_back
    assert office.get(f"{CASES}/{case_id}/materials/layout/1", "other-system").status_code == 404
    assert shown["case_state"] == "handling"
    assert office.get(f"{CASES}/{case_id}", "other-system").status_code == 404
    assert office.get(f"{CASES}", "other-system").get_json() == {"cases": []}
    assert office.get(SUB_CASES).get_json() == {"sub_cases": []}
    (led,) = office.get(f"{SUB_CASES}?side=lead").get_json()["sub_cases"]
    assert led == listed
    (seen,) = office.get(f"{CASES}/{case_id}").get_json()["sub_cases"]
    assert (seen["href"], seen["opinion"]) == (listed["href"], None)
    assert office.get(listed["href"]).get_json()["href"] == listed["href"], "the lead reads it as well"
    assert office.get(f"{SUB_CASES}?side=system").status_code == 422


def test_the_opinion_is_another_person_s_of_the_agency_that_takes_part(office: World) -> None:
    handled(office)
    (listed,) = office.get(SUB_CASES, "other-system").get_json()["sub_cases"]
    path = listed["href"]
    both = office.people["both"] = beside(office, "officer", "decider")
    assert office.post(f"{path}/handling", {"operator": "x"}).status_code == 403, "the lead's own system"
    assert office.post(f"{path}/opinion", AGREES, "other-system").status_code == 403
    assert office.post(f"{path}/opinion", AGREES, "other-system", "other-decider").get_json()["reason"] == (
        "sub_case_state"
    )
    taken = office.post(f"{path}/handling", {}, "other-system", "both")
    assert (taken.status_code, taken.get_json()["steps"][0]["person"]) == (200, both.id)
    refused = office.post(f"{path}/opinion", AGREES, "other-system", "both")
    assert (refused.status_code, refused.get_json()["reason"]) == (403, "same_person")
    assert office.post(f"{path}/opinion", AGREES, person="decider").get_json()["reason"] == "part"
    lacking = {**AGREES, "opinion": "refuses"}
    assert (
        office.post(f"{path}/opinion", lacking, "other-system", "other-decider").get_json()["errors"][0][
            "pointer"
        ]
        == "/words"
    )
    key = {"Idempotency-Key": "opinion"}
    for _ in range(2):  # the very same twice is once
        answer = office.post(f"{path}/opinion", AGREES, "other-system", "other-decider", **key)
        assert (answer.status_code, answer.get_json()["opinion"]) == (200, "agrees")
    assert [one["action"] for one in answer.get_json()["steps"]] == ["begin", "give"]
    told = office.post(
        f"{CASES}/{listed['case']}/decisions",
        {"action": "permit", **BASIS, "licence": decided(office)},
        person="decider",
    )
    assert (told.status_code, told.get_json()["state"]) == (200, "permitted")


def test_what_others_owe_is_listed_by_its_day(office: World, clock: Ticker) -> None:
    handled(office, "early")
    clock.now = datetime.fromisoformat("2026-11-23T02:00:00+00:00")
    handled(office, "late")
    early, late = (
        one["id"] for one in reversed(office.get(SUB_CASES, "other-system").get_json()["sub_cases"])
    )

    def due(when: str, **more: str) -> list[str]:
        side = "&side=lead" if "lead" in more else ""
        asked = office.get(f"{SUB_CASES}?due={when}{side}", "system" if side else "other-system")
        return [one["id"] for one in asked.get_json()["sub_cases"]]

    assert (due("today"), due("overdue")) == ([], [])
    clock.now = datetime.fromisoformat("2026-11-25T02:00:00+00:00")
    assert (due("today"), due("overdue")) == ([early], [])
    clock.now = datetime.fromisoformat("2026-11-30T02:00:00+00:00")
    assert (due("today"), due("overdue"), due("overdue", lead="")) == ([], [early, late], [early, late])
    page = office.get(f"{SUB_CASES}?after={late}", "other-system").get_json()
    assert [one["id"] for one in page["sub_cases"]] == [early]
    page = office.get(f"{SUB_CASES}?due=overdue&after={early}", "other-system").get_json()
    assert [one["id"] for one in page["sub_cases"]] == [late]
    missed = office.post(f"{SUB_CASES}/{early}/missed", BASIS, person="decider")
    assert (missed.status_code, missed.get_json()["state"]) == (200, "missed")
    assert due("overdue") == [late]
    assert [
        one["id"] for one in office.get(f"{SUB_CASES}?state=missed", "other-system").get_json()["sub_cases"]
    ] == ([early])


def test_each_agency_is_told_of_its_own(office: World) -> None:
    permitting(office)
    with receiver() as lead, receiver() as part, receiver() as few:
        endpoint(office, lead.url)
        endpoint(office, part.url, client="other-system")
        endpoint(office, few.url, events=["case.accepted", "sub_case.opinion_given"])
        case_id = handled(office)
        (listed,) = office.get(SUB_CASES, "other-system").get_json()["sub_cases"]
        office.post(f"{listed['href']}/handling", {}, "other-system", "other-officer")
        office.post(f"{listed['href']}/opinion", AGREES, "other-system", "other-decider")
        sent(office)
        told = {
            name: [(call.told["type"], call.told["data"]) for call in one.calls]
            for name, one in (("lead", lead), ("part", part), ("few", few))
        }
    of_sub_case = ["sub_case.begun", "sub_case.opened", "sub_case.opinion_given"]
    assert sorted(kind for kind, _ in told["part"]) == of_sub_case
    assert sorted(kind for kind, _ in told["lead"]) == [
        "case.accepted", "case.begun", "case.received", "case.submitted", *of_sub_case,
    ]  # fmt: skip
    assert sorted(kind for kind, _ in told["few"]) == ["case.accepted", "sub_case.opinion_given"]
    (given,) = [data for kind, data in told["part"] if kind == "sub_case.opinion_given"]
    del given["event"]
    assert given == {
        "sub_case": listed["id"], "case": case_id, "effective_from": "2026-11-20", "from": "handling",
        "to": "given", "opinion": "agrees",
    }  # fmt: skip
    (accepted,) = [data for kind, data in told["lead"] if kind == "case.accepted"]
    assert (accepted["case"], accepted["from"], accepted["to"]) == (case_id, "received", "accepted")


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("days = 3\nfields", "days = 6\nfields", "committed limit"),
        ("days = 3\nfields", "days = 0\nfields", "committed limit"),
        ('"operator_name", "premises"]\nmat', '"operator_name", "nothing"]\nmat', "of the matter alone"),
        ('materials = ["layout"]', 'materials = ["nothing"]', "of the matter alone"),
        ('fields = ["operator_name", "premises"]\nm', "fields = []\nm", "must name"),
        ("statutory = { days = 10,", "statutory = { days = 46,", "45 working days"),
        ("extension = { days = 5,", "extension = { days = 16,", "15 more"),
    ],
)
def test_what_a_list_may_not_say_of_who_takes_part_is_refused(
    office: World, before: str, after: str, why: str
) -> None:
    text = joint_text(office)
    assert before in text
    assert why in refused(text.replace(before, after, 1)).detail


# --- two at once -----------------------------------------------------------------------------------------


def test_an_opinion_is_given_once_and_comes_before_the_decision_or_not_at_all(table: Table) -> None:
    desk = table.desk
    for _ in range(3):
        case_id = taken(desk, *TO_HANDLING)
        begun(table, case_id)
        refuses = partial(given, table, case_id, Opinion.REFUSES, "不足")
        said = at_once(refuses, refuses, partial(step, desk, case_id, Action.REFUSE))
        assert said in (["done", "done", "sub_case_state"], ["done", "opinions_wanted", "sub_case_state"])
        with Session(desk.ports.database.read) as session:
            (give,) = [one for one in moves_of(session, sub_case(desk, case_id).id) if one.action == "give"]
            refused = [one for one in case_moves(session, case_id) if one.action == "refuse"]
        assert all(give.at <= one.at for one in refused)


def test_a_case_that_is_withdrawn_meanwhile_takes_no_opinion(table: Table) -> None:
    desk = table.desk
    for _ in range(3):
        case_id = taken(desk, *TO_HANDLING)
        begun(table, case_id)
        said = at_once(partial(given, table, case_id), partial(step, desk, case_id, Action.WITHDRAW))
        assert said in (["done", "done"], ["done", "sub_case_state"])
        state = sub_case(desk, case_id).state
        assert state == (SubState.GIVEN if said == ["done", "done"] else SubState.CLOSED)
