"""Following a case by number and code: every step, what was told, what is due, what came of it; and what its applicant
does to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import get_args

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.applicants import links
from registry.applicants.rendering import PAGES
from registry.applicants.tables import ApplicationLink
from registry.intake.applications import Item, Said, open_application
from registry.intake.exchange_tables import CaseRetrieval
from registry.intake.forms import HolderCodeType
from registry.intake.joint_moves import SubState
from registry.intake.matters import AUDIENCES, CASE_TYPES, FORMS, KINDS
from registry.intake.moves import PERMITTED, Action, CaseState, Who
from registry.intake.telling import WORDS as TOLD
from registry.intake.work import work
from registry.log.tables import Event
from registry.notices.kinds import NoticeState
from registry.typed_limits import IDENTIFIER, NETWORK, PAIR
from tests.applicants.applying import (
    WAY_IN,
    Applicant,
    applicant,
    case_of,
    cases_of,
    open_form,
    shown,
    token_of,
)
from tests.intake.casework import MATTER, TO_HANDLING, Desk, case_body, found, open_desk, step
from tests.intake.joint_casework import open_joint_desk
from tests.registry.delivering import sent
from tests.registry.mailing import Server, mail_server, mailing
from tests.registry.test_answers import wrong
from tests.registry.test_unmatched import statements
from tests.registry.world import BASIS, Ticker, World, on_sqlite

ITEMS = (Item("layout", "缺少经营布局图"), Item("premises", "请写明门牌号"))
OFFICE = Said("请补正下列内容。", ITEMS)


@pytest.fixture
def desk(world: World) -> Desk:
    made = open_desk(world)
    open_form(world)
    object.__setattr__(world.ports, "settings", made.ports.settings)
    return made


@pytest.fixture
def somebody(desk: Desk) -> Applicant:
    return applicant(desk.world)


def page_of(somebody: Applicant, number: str, code: str) -> str:
    """The words of the page that number and code lead to."""
    answer = somebody.post(WAY_IN, {"number": number, "code": code})
    assert answer.status_code == 303, shown(answer)
    return shown(somebody.get(f"{WAY_IN}{token_of(answer)}"))


def taken(desk: Desk, number: str, *actions: Action) -> str:
    case_id = case_of(desk.world, number)
    for action in actions:
        step(desk, case_id, action)
    return case_id


# --- the way in ----------------------------------------------------------------------------------------


def test_number_and_code_lead_to_a_page_of_their_own(somebody: Applicant, clock: Ticker) -> None:
    """However they are typed; they stand in no address, and the page is over in an hour."""
    _, number, code = somebody.submitted()
    typed = {"number": f" {number[:8]} {number[8:]} ", "code": code.lower().replace(" ", "-")}
    answer = somebody.post(WAY_IN, typed)
    path = f"{WAY_IN}{token_of(answer)}"
    assert answer.headers["Location"] == f"{path}?lang=en"
    page = shown(somebody.get(path))
    assert number in page
    assert code not in page
    clock.advance(links.SEEN_LIFE)
    assert somebody.get(path).status_code == 404


def test_whoever_has_not_the_code_sees_one_page_whatever_the_cause(somebody: Applicant) -> None:
    """The same bytes and the same statements for an unknown number and a wrong code; and for one too many."""
    _, number, code = somebody.submitted()
    nobody_s = number[:-1] + str((int(number[-1]) + 1) % 10)
    pages, asked = [], []
    for place, typed in enumerate(
        ({"number": number, "code": wrong(code)}, {"number": nobody_s, "code": code})
    ):
        stranger = applicant(somebody.world, address=f"198.51.{place}.1")
        with statements() as seen:
            pages.append(stranger.post(WAY_IN, typed))
        asked.append([re.sub(r"\s+", " ", one) for one in seen])
    assert asked[0] == asked[1]
    for _ in range(PAIR.burst):
        somebody.post(WAY_IN, {"number": number, "code": wrong(code)})
    pages.append(somebody.post(WAY_IN, {"number": number, "code": code}))
    assert {page.status_code for page in pages} == {404}
    assert len({page.data for page in pages}) == 1
    heads = [{name: value for name, value in page.headers if name != "X-Request-Id"} for page in pages]
    assert heads == [heads[0]] * len(heads)
    with Session(somebody.world.ports.database.read) as session:
        assert len(session.scalars(select(ApplicationLink)).all()) == 1, "the draft's own"


@on_sqlite
def test_attempts_are_counted_by_network_and_by_number(somebody: Applicant, clock: Ticker) -> None:
    world = somebody.world
    _, number, code = somebody.submitted()
    for place in range(NETWORK.burst):
        somebody.post(WAY_IN, {"number": f"{place:018}", "code": code})
    assert somebody.post(WAY_IN, {"number": number, "code": code}).status_code == 404, "of the network"
    other = applicant(world, address="198.51.100.7")
    assert other.post(WAY_IN, {"number": number, "code": code}).status_code == 303
    clock.advance(timedelta(seconds=NETWORK.size))
    assert somebody.post(WAY_IN, {"number": number, "code": code}).status_code == 303
    for place in range(IDENTIFIER.burst):
        guess = applicant(world, address=f"10.{place}.0.1")
        assert guess.post(WAY_IN, {"number": number, "code": wrong(code)}).status_code == 404
    late = applicant(world, address="10.200.0.1")
    assert late.post(WAY_IN, {"number": number, "code": code}).status_code == 404, "of the number"
    clock.advance(timedelta(seconds=2 * IDENTIFIER.seconds_each))
    assert late.post(WAY_IN, {"number": number, "code": code}).status_code == 303


@on_sqlite
def test_right_ones_do_not_count(somebody: Applicant) -> None:
    _, number, code = somebody.submitted()
    for _ in range(2 * NETWORK.burst):
        assert somebody.post(WAY_IN, {"number": number, "code": code}).status_code == 303


def test_a_case_that_came_another_way_is_followed_here_and_goes_on_there(desk: Desk) -> None:
    world = desk.world
    filed = world.post("/api/v1/cases", case_body(world), **{"Idempotency-Key": "x"}).get_json()
    somebody = applicant(world)
    answer = somebody.post(WAY_IN, {"number": filed["number"], "code": filed["lookup_code"]})
    here = f"{WAY_IN}{token_of(answer)}"
    page = shown(somebody.get(here))
    assert "This case came another way" in page
    assert "Withdraw" not in page
    assert somebody.post(f"{here}/withdrawal").status_code == 409
    taken(desk, filed["number"], Action.RECEIVE, Action.ASK_CORRECTION)
    assert "Correct" not in shown(somebody.get(here)).replace("correct", "")
    assert somebody.get(f"{here}/correction").status_code == 303
    assert somebody.post(f"{here}/correction", {"declaration": "yes"}).status_code == 409
    assert [one.state for one in cases_of(world)] == ["correction"]


# --- what is shown -------------------------------------------------------------------------------------


def test_every_step_is_shown_with_its_words_and_days(desk: Desk, somebody: Applicant, clock: Ticker) -> None:
    _, number, code = somebody.submitted(email="applicant@example.org")
    page = page_of(somebody, number, code)
    for part in (
        "Submitted", "Submitted on 20 November 2026", "You are told whether it is accepted by 27 November 2026",
        "Your application was submitted.", "20 November 2026, 10:30 · the applicant", "A message is on its way",
    ):  # fmt: skip
        assert part in page, part
    case_id = taken(desk, number, Action.RECEIVE)
    step(desk, case_id, Action.ASK_CORRECTION, said=OFFICE)
    page = page_of(somebody, number, code)
    for part in (
        "Waiting for your correction", "请补正下列内容。", "Main equipment, layout and workflow : 缺少经营布局图",
        "Place of business : 请写明门牌号", "Ground: 《样本法》第一条", "the window",
    ):  # fmt: skip
        assert part in page, part
    assert "window-03" not in page, "whose account it was is the agency's to tell"
    step(desk, case_id, Action.CORRECT)
    step(desk, case_id, Action.ACCEPT)
    step(desk, case_id, Action.BEGIN)
    page = page_of(somebody, number, code)
    for part in (
        "Being handled", "Committed to be decided by 27 November 2026", "To be decided by law by 4 December 2026",
        "Accepted on 20 November 2026", "Handling began",
    ):  # fmt: skip
        assert part in page, part
    assert "provisional" not in page
    step(desk, case_id, Action.SUSPEND)
    page = page_of(somebody, number, code)
    assert "Suspended" in page
    assert "Committed to be decided" not in page, "the clock stands"
    assert "Days: 5" in page
    clock.advance(timedelta(days=400))
    step(desk, case_id, Action.RESUME)
    assert "The days are provisional" in page_of(somebody, number, code)


def test_who_named_no_channel_is_told_here_alone(somebody: Applicant) -> None:
    _, number, code = somebody.submitted()
    assert "message" not in page_of(somebody, number, code)


def test_a_refusal_says_why_and_what_can_be_done(desk: Desk, somebody: Applicant) -> None:
    _, number, code = somebody.submitted()
    case_id = taken(desk, number, *TO_HANDLING[1:])
    step(desk, case_id, Action.REFUSE, said=Said("不符合条件。"))
    page = page_of(somebody, number, code)
    for part in (
        "Done", "Your application was refused.", "不符合条件。", "《样本法》第一条",
        "The case is done", "Decided on 20 November 2026", "行政复议", "行政诉讼", "Complaints 12345",
    ):  # fmt: skip
        assert part in page, part
    assert "the licence was issued" not in page
    assert "Withdraw" not in page


def test_the_licence_is_taken_by_a_link_of_its_own(desk: Desk, somebody: Applicant) -> None:
    """Once, as any pick-up; through the public form, and on record so."""
    world = desk.world
    _, number, code = somebody.submitted()
    case_id = taken(desk, number, *TO_HANDLING[1:], Action.PERMIT)
    page = page_of(somebody, number, code)
    assert "The licence is being made" in page
    assert "Take the licence" not in page
    assert work(desk.ports).issued == 1
    found_here = somebody.post(WAY_IN, {"number": number, "code": code})
    here = f"{WAY_IN}{token_of(found_here)}"
    page = shown(somebody.get(here))
    edition_id = found(desk, case_id).edition_id
    assert edition_id is not None
    assert "1.2.156.3005.2." in page
    on = somebody.post(f"{here}/licence")
    assert on.status_code == 303
    assert on.headers["Location"].startswith("/holder/pick-up/")
    path = on.headers["Location"].partition("?")[0]
    document = somebody.http.post(path)
    assert document.status_code == 200
    assert document.data.startswith(b"%PDF")
    assert applicant(world).http.post(path).status_code == 404
    with Session(world.ports.database.read) as session:
        (offered,) = session.scalars(select(Event).where(Event.kind == "pick_up.offered"))
    assert (offered.client_id, offered.operator) == (found(desk, case_id).client_id, "applicant")


@on_sqlite
def test_a_licence_that_is_withheld_is_not_given(desk: Desk, somebody: Applicant) -> None:
    token, number, _ = somebody.submitted()
    taken(desk, number, *TO_HANDLING[1:], Action.PERMIT)
    assert work(desk.ports).issued == 1
    page = shown(somebody.get(f"{WAY_IN}{token}"))
    identifier = re.search(r"1\.2\.156\.3005\.2\.\S+", page)
    assert identifier is not None
    body = {"ground": "penalty", **BASIS, "operator": "window-03"}
    desk.world.post(f"/api/v1/licences/{identifier[0]}/suspension", body)
    answer = somebody.post(f"{WAY_IN}{token}/licence")
    assert answer.status_code == 409
    assert "not in force now" in shown(answer)


# --- what the applicant does ---------------------------------------------------------------------------


def test_what_was_asked_for_is_put_in_once(desk: Desk, somebody: Applicant, clock: Ticker) -> None:
    """Beside each field stands why; only what was asked for is changed, and the clock begins anew."""
    token, number, _ = somebody.submitted()
    case_id = taken(desk, number, Action.RECEIVE)
    step(desk, case_id, Action.ASK_CORRECTION, said=OFFICE)
    clock.advance(timedelta(minutes=30))
    here = f"{WAY_IN}{token}"
    form = somebody.get(f"{here}/correction")
    page = form.get_data(as_text=True)
    assert '<p class="told" id="f_premises-why" lang="zh-Hans">请写明门牌号</p>' in page
    assert 'aria-describedby="f_premises-why"' in page
    assert "f_domicile" not in page
    assert "缺少经营布局图" in shown(form)
    for typed, said in (
        ({"f_premises": "样本路8号"}, "Please make the declaration of truth"),
        ({"f_premises": "", "declaration": "yes"}, "Please fill this in"),
        ({"f_premises": "x" * 91, "declaration": "yes"}, "It is too long"),
    ):
        wrong_one = somebody.post(f"{here}/correction", typed)
        assert wrong_one.status_code == 422
        assert said in shown(wrong_one)
        assert f'value="{typed["f_premises"]}"' in wrong_one.get_data(as_text=True)
    assert found(desk, case_id).state == CaseState.CORRECTION
    right = {"f_premises": "样本路8号", "f_domicile": "another", "declaration": "yes"}
    for _ in range(2):
        assert somebody.post(f"{here}/correction", right).status_code == 303
    case = found(desk, case_id)
    assert (case.state, case.moves, case.received_on) == ("received", 4, date(2026, 11, 20))
    fields = open_application(desk.ports.vault, case_id, case.application).fields
    assert fields["premises"] == "样本路8号"
    assert fields["domicile"] != "another"
    assert somebody.get(f"{here}/correction").status_code == 303, "there is nothing to correct now"


def test_an_application_is_taken_back_once(desk: Desk, somebody: Applicant) -> None:
    token, number, _ = somebody.submitted()
    here = f"{WAY_IN}{token}"
    assert "cannot be restored" in shown(somebody.get(f"{here}/withdrawal"))
    for _ in range(2):
        assert somebody.post(f"{here}/withdrawal").status_code == 303
    case = found(desk, case_of(desk.world, number))
    assert (case.state, case.moves) == ("done", 3)
    page = shown(somebody.get(here))
    assert "Your application was withdrawn." in page
    assert somebody.get(f"{here}/withdrawal").status_code == 303


@pytest.mark.parametrize("action", [Action.CORRECT, Action.WITHDRAW, Action.SUBMIT])
@on_sqlite
def test_an_applicant_does_what_the_table_permits_and_nothing_else(
    desk: Desk, somebody: Applicant, action: Action
) -> None:
    """In each state, by the very pages."""
    roads = {
        CaseState.SUBMITTED: (), CaseState.RECEIVED: (Action.RECEIVE,),
        CaseState.CORRECTION: (Action.RECEIVE, Action.ASK_CORRECTION),
        CaseState.ACCEPTED: (Action.RECEIVE, Action.ACCEPT), CaseState.HANDLING: TO_HANDLING[1:],
        CaseState.SUSPENDED: (*TO_HANDLING[1:], Action.SUSPEND),
        CaseState.RETURNED: (Action.RECEIVE, Action.RETURN),
        CaseState.DONE: (*TO_HANDLING[1:], Action.REFUSE),
    }  # fmt: skip
    paths = {Action.CORRECT: "correction", Action.WITHDRAW: "withdrawal", Action.SUBMIT: "submission"}
    for place, (state, road) in enumerate(roads.items()):
        there = applicant(desk.world, address=f"10.{place}.0.1")
        token, number, _ = there.submitted()
        case_id = taken(desk, number, *road)
        before = found(desk, case_id)
        assert before.state == state
        typed = {"declaration": "yes", "f_premises": "样本路8号"}
        answer = there.post(f"{WAY_IN}{token}/{paths[action]}", typed)
        assert answer.status_code == 303
        after = found(desk, case_id)
        assert (after.moves > before.moves) == ((state, action) in PERMITTED), (state, action)


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    with mail_server() as made:
        mailing(world, made)
        yield made


def test_a_message_leads_to_this_page_and_carries_no_code(world: World, server: Server) -> None:
    """And the page says what became of it."""
    open_desk(world)
    open_form(world)
    somebody = applicant(world)
    _, number, code = somebody.submitted(email="applicant@example.org")
    assert "A message is on its way" in page_of(somebody, number, code)
    assert sent(world).delivered == 1
    (letter,) = server.letters
    assert letter.to == ["applicant@example.org"]
    assert f"{world.ports.settings.holder}{WAY_IN}?lang=en" in letter.text
    assert number in letter.text
    assert code.replace(" ", "") not in letter.text.replace(" ", "")
    assert "A message was sent" in page_of(somebody, number, code)


# --- what others do about it ---------------------------------------------------------------------------


def test_what_was_found_elsewhere_is_shown_and_not_asked_for(desk: Desk, somebody: Applicant) -> None:
    """Once somebody at the agency has accepted it: else anybody could learn with anybody's code what they have. A row
    of a search is as `registry.intake.retrieving` leaves it.
    """
    token, number, _ = somebody.submitted()
    case = found(desk, case_of(desk.world, number))
    page = shown(somebody.get(f"{WAY_IN}{token}"))
    assert "Business licence or other proof of the legal subject Not handed in" in page
    row = {
        "id": "a" * 32, "case_id": case.id, "material": "business_licence", "number": 1, "client_id": case.client_id,
        "operator": "applicant", "asked_at": desk.ports.clock(), "attempt": 0,
    }  # fmt: skip
    with desk.ports.database.transaction() as session:
        session.add(CaseRetrieval(**row, state="waiting", due_at=desk.ports.clock()))
    looked_up = "proof of the legal subject Looked up by the agency"
    assert looked_up in shown(somebody.get(f"{WAY_IN}{token}"))
    with desk.ports.database.transaction() as session:
        one = session.get_one(CaseRetrieval, row["id"])
        one.state, one.source, one.ended_at = "found", desk.world.codes["other"], desk.ports.clock()
    page = shown(somebody.get(f"{WAY_IN}{token}"))
    assert looked_up in page, "as before: nobody has seen yet who applies"
    assert "Had from" not in page
    for action in (Action.RECEIVE, Action.ACCEPT):
        step(desk, case.id, action)
    page = shown(somebody.get(f"{WAY_IN}{token}"))
    assert "Had from Yangben Municipal Education Bureau (20 November 2026, 10:30)" in page
    assert "Found: need not be handed in" in page


@pytest.mark.parametrize("lang", ["zh", "en", "es"])
def test_every_state_step_and_part_has_words(lang: str) -> None:
    words = PAGES.words[lang]
    assert {f"state_{one.value}" for one in CaseState if one is not CaseState.DRAFT} <= set(words)
    untold = {one.value for one in Action} - set(TOLD)
    assert {f"step_{one}" for one in untold} | {"step_finish"} <= set(words)
    assert {f"who_{one.value}" for one in Who} <= set(words)
    assert {f"notice_{one.value}" for one in NoticeState} <= set(words)
    assert {f"part_{one.value}" for one in SubState} <= set(words)
    assert {f"id_type_{one}" for one in get_args(HolderCodeType)} <= set(words)
    for table, name in ((KINDS, "kind"), (AUDIENCES, "audience"), (FORMS, "way"), (CASE_TYPES, "case_type")):
        assert {f"{name}_{code}" for code in table} <= set(words)
    assert set(PAGES.words["zh"]) == set(words)


def test_agencies_that_take_part_are_shown(world: World) -> None:
    """In the guide, and in the progress: until when they give their opinion, and that it is there."""
    table = open_joint_desk(world)
    open_form(world)
    somebody = applicant(world)
    guide = shown(somebody.get(f"/holder/services/{MATTER}"))
    assert "Handled jointly with Yangben Municipal Education Bureau" in guide
    token, number, _ = somebody.submitted()
    desk = table.desk
    case_id = taken(desk, number, Action.RECEIVE)
    step(desk, case_id, Action.ACCEPT)
    page = shown(somebody.get(f"{WAY_IN}{token}"))
    assert "Agencies that take part Yangben Municipal Education Bureau" in page
    assert re.search(r"Opinion due by \d+ November 2026", page)
