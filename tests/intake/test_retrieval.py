"""Looked for before it is asked for: in the registry, then in data exchange; outages are no answers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.canonical import strict_json
from keys.errors import VermilionError
from registry.intake import materials, retrieving, wanted
from registry.intake.applications import Item, Said
from registry.intake.cases import locked
from registry.intake.connector_register import import_connector, set_secret
from registry.intake.material_tables import CaseMaterial
from registry.intake.matter_lists import matter_version
from registry.intake.matters import Matter
from registry.intake.moves import Action, CaseState, Who
from registry.intake.retrieval import ask_now, found, open_content, retrievals_of
from registry.intake.retrieving import retrieve_due
from registry.intake.tables import Case
from registry.intake.work import work
from registry.licences import rules
from registry.licences.operations import Decision
from registry.log.tables import Event
from registry.outgoing.retries import RETRIES
from registry.uses.rules import open_told
from registry.uses.tables import LicenceUse
from tests.intake.casework import MATTER, Desk, application, open_desk, step, taken
from tests.intake.casework import found as case_of
from tests.intake.exchanging import (
    CONNECTOR,
    OWN_MATTER,
    SECRET,
    SOURCE,
    Source,
    connect,
    import_own,
    own_application,
    own_case,
    put_down,
    retrievals,
    source,
    told,
)
from tests.registry.issuing import issue_one
from tests.registry.mailing import server_and_authority
from tests.registry.next_editions import next_edition
from tests.registry.world import Ticker, World


@pytest.fixture
def desk(world: World) -> Desk:
    return open_desk(world)


@pytest.fixture
def platform(desk: Desk) -> Iterator[Source]:
    with source(desk.ports.clock) as made:
        made.reply = lambda _path, asked: told(asked, same(desk))
        yield made


def same(desk: Desk, **changes: Any) -> dict[str, Any]:
    """What a source tells that knows the applicant as the applicant does."""
    fields = application(desk.world).fields
    value = {
        "name": fields["operator_name"],
        "legal_person": fields["representative"],
        "address": fields["domicile"],
        "capital": "壹佰万元",
    }
    return value | changes


def events(desk: Desk, case_id: str) -> dict[str, Event]:
    with Session(desk.ports.database.read) as session:
        rows = select(Event).where(Event.subject == case_id)
        return {row.kind: row for row in session.scalars(rows)}


def refusal(desk: Desk, case_id: str, action: Action, **more: Any) -> VermilionError:
    with pytest.raises(VermilionError) as error:
        step(desk, case_id, action, **more)
    return error.value


def look_again(desk: Desk, case_id: str) -> int:
    actor = desk.actors[Who.WINDOW]
    with desk.ports.database.transaction() as session:
        case = locked(session, actor, case_id)
        matter = matter_version(session, case.matter_code, case.matter_version)
        return ask_now(session, desk.ports, case, matter, actor)


# --- data exchange ---------------------------------------------------------------------------------------


def test_a_retrieval_records_purpose_source_time_and_digest(desk: Desk, platform: Source) -> None:
    desk = connect(desk, platform.url)
    case_id = taken(desk, Action.SUBMIT)
    (row,) = retrievals(desk, case_id)
    assert (row.material, row.state, row.attempt) == ("business_licence", "waiting", 0)
    assert platform.asked == []  # nothing is asked in the transaction of a step
    done = retrieve_due(desk.ports)
    assert (done.found, done.not_found, done.outages, done.defects) == (1, 0, {}, [])
    (row,) = retrievals(desk, case_id)
    assert (row.state, row.source, row.data_set) == ("found", SOURCE, "business-registration")
    assert (row.connector, row.connector_version, row.edition_id) == ("yunxi-exchange", 1, None)
    assert (row.purpose, row.legal_basis) == ("办理食品经营许可，核验主体资格", "《样本办法》第八条")
    assert row.ended_at == desk.ports.clock()
    (asked,) = platform.asked
    assert (asked["purpose"], asked["case_number"]) == (row.purpose, case_of(desk, case_id).number)
    content = open_content(desk.ports.vault, row)
    assert row.sha256 == sha256(content).digest()
    value = strict_json(content, max_bytes=10_000, max_depth=5)
    assert value["fields"] == same(desk)
    assert row.content is not None
    assert "壹佰万元".encode() not in row.content
    event = events(desk, case_id)["case.retrieved"]
    assert event.detail["sha256"] == row.sha256.hex()
    assert same(desk)["name"] not in str(event.detail)
    assert retrieve_due(desk.ports).found == 0


def test_what_was_found_opens_for_its_own_case_alone(desk: Desk, platform: Source) -> None:
    desk = connect(desk, platform.url)
    one, other = taken(desk, Action.SUBMIT), taken(desk, Action.SUBMIT)
    assert retrieve_due(desk.ports).found == 2
    (mine,), (theirs,) = retrievals(desk, one), retrievals(desk, other)
    mine.content = theirs.content
    with pytest.raises(VermilionError) as error:
        open_content(desk.ports.vault, mine)
    assert error.value.reason == "record_damaged"


def test_a_folder_is_a_source_too(desk: Desk) -> None:
    desk = connect(desk)
    holder = application(desk.world).id_code
    put_down(desk.ports, holder, None)
    case_id = taken(desk, Action.SUBMIT)
    assert retrieve_due(desk.ports).not_found == 1
    put_down(desk.ports, holder, same(desk))
    assert look_again(desk, case_id) == 1
    done = retrieve_due(desk.ports)
    assert (done.found, done.outages, done.defects) == (1, {}, [])
    first, second = retrievals(desk, case_id)
    assert (first.state, second.state, second.number) == ("not_found", "found", 2)
    assert look_again(desk, case_id) == 0  # what was found is not looked for again


def test_an_outage_is_no_answer_and_tried_again(desk: Desk, platform: Source, clock: Ticker) -> None:
    desk = connect(desk, "http://127.0.0.1:9/exchange")
    case_id, other = taken(desk, Action.SUBMIT), taken(desk, Action.SUBMIT)
    done = retrieve_due(desk.ports)
    assert done.outages == {case_id: "no_answer", other: "no_answer"}
    (row,) = retrievals(desk, case_id)
    assert (row.state, row.reason, row.attempt, row.ended_at) == ("outage", "no_answer", 1, None)
    assert row.due_at is not None
    assert row.due_at >= clock.now + RETRIES[0]
    assert "case.not_retrieved" not in events(desk, case_id)
    assert events(desk, case_id)["case.retrieval_out"].detail["outage"] == "no_answer"
    assert retrieve_due(desk.ports).outages == {}  # not before it is due
    for attempt in range(2, len(RETRIES) + 2):
        clock.advance(timedelta(days=2))
        assert set(retrieve_due(desk.ports).outages) == {case_id, other}
        (row,) = retrievals(desk, case_id)
        assert (row.state, row.attempt) == ("outage", attempt)
    assert row.due_at is None  # given up until somebody asks
    connect(desk, platform.url, version=2)
    assert look_again(desk, case_id) == 1
    assert retrieve_due(desk.ports).found == 1
    (row,) = retrievals(desk, case_id)
    assert (row.state, row.reason, row.attempt) == ("found", None, len(RETRIES) + 2)


def test_a_source_that_has_nothing_counts_only_where_all_were_asked(desk: Desk, platform: Source) -> None:
    platform.reply = lambda _path, asked: told(asked, None)
    desk = connect(desk, platform.url)
    case_id = taken(desk, Action.SUBMIT)
    assert retrieve_due(desk.ports).not_found == 1
    connect(desk, "http://127.0.0.1:9/exchange", code="another")
    later = taken(desk, Action.SUBMIT)
    assert retrieve_due(desk.ports).outages == {later: "no_answer"}
    (first,), (second,) = retrievals(desk, case_id), retrievals(desk, later)
    assert (first.state, second.state) == ("not_found", "outage")


def test_whatever_a_source_does_is_an_outage_at_most(desk: Desk, platform: Source, clock: Ticker) -> None:
    """Nothing of it is a defect, and nothing is found."""
    desk = connect(desk, platform.url)
    case_id = taken(desk, Action.SUBMIT)

    def hang_up(handler: Any) -> None:
        handler.connection.close()

    for reply, reason in (
        (lambda _p, asked: {**told(asked, {"name": "x"}), "holder": {}}, "answer_form"),
        (lambda _p, _a: hang_up, "no_answer"),
        (lambda _p, _a: lambda handler: handler.send_error(404), "answer_status"),
    ):
        platform.reply = reply
        done = retrieve_due(desk.ports)
        assert (done.outages, done.defects) == ({case_id: reason}, [])
        clock.advance(timedelta(days=1))
    assert retrievals(desk, case_id)[0].state == "outage"


def test_a_connector_without_a_secret_is_out(desk: Desk, platform: Source) -> None:
    toml = CONNECTOR.format(
        code="bare", version=1, kind="http", url=f'url = "{platform.url}"', source=SOURCE, matter=MATTER
    )
    settings = desk.ports.settings.model_copy(update={"exchange_networks": "127.0.0.0/8"})
    desk = replace(desk, ports=replace(desk.ports, settings=settings))
    with desk.ports.database.transaction() as session:
        import_connector(session, desk.ports, desk.world.system, toml.encode(), "x")
    case_id = taken(desk, Action.SUBMIT)
    assert retrieve_due(desk.ports).outages == {case_id: "connector_secret"}
    assert platform.asked == []
    with desk.ports.database.transaction() as session:
        set_secret(session, desk.ports, desk.world.system, "bare", SECRET.key_id, SECRET.value)
    look_again(desk, case_id)
    assert retrieve_due(desk.ports).found == 1


def test_a_source_s_certificate_is_of_an_authority_that_is_known(desk: Desk, tmp_path: Path) -> None:
    server, authority = server_and_authority(tmp_path, "127.0.0.1")
    with source(desk.ports.clock, server) as made:
        made.reply = lambda _path, asked: told(asked, same(desk))
        desk = connect(desk, made.url)
        case_id = taken(desk, Action.SUBMIT)
        assert retrieve_due(desk.ports).outages == {case_id: "no_answer"}
        for path, came in ((tmp_path / "none.pem", "exchange_ca_file"), (authority, None)):
            settings = desk.ports.settings.model_copy(update={"exchange_ca_file": path})
            look_again(desk, case_id)
            done = retrieve_due(replace(desk.ports, settings=settings))
            assert done.outages == ({} if came is None else {case_id: came})
    assert len(made.asked) == 1


def test_what_is_decided_first_is_not_looked_for(desk: Desk, platform: Source) -> None:
    desk = connect(desk, platform.url)
    case_id = taken(desk, Action.SUBMIT, Action.WITHDRAW)
    done = retrieve_due(desk.ports)
    assert (done.found, done.not_found, done.outages, platform.asked) == (0, 0, {}, [])
    assert retrievals(desk, case_id)[0].state == "dropped"
    with pytest.raises(VermilionError) as error:
        look_again(desk, case_id)
    assert error.value.reason == "case_state"


def test_a_lease_lapses_and_what_an_earlier_one_says_counts_no_more(
    desk: Desk, platform: Source, clock: Ticker
) -> None:
    desk = connect(desk, platform.url)
    case_id = taken(desk, Action.SUBMIT)

    def slow(_path: str, asked: dict[str, Any]) -> dict[str, Any]:
        if len(platform.asked) == 1:  # while the first waits, its lease is over and another takes it up
            clock.advance(timedelta(minutes=30))
            platform.reply = lambda _path, asked: told(asked, same(desk, name="第二次"))
            assert retrieve_due(desk.ports).found == 1
        return told(asked, same(desk))

    platform.reply = slow
    retrieve_due(desk.ports)
    (row,) = retrievals(desk, case_id)
    assert (row.state, row.attempt) == ("found", 2)
    assert "第二次".encode() in open_content(desk.ports.vault, row)
    assert len({one["reference"] for one in platform.asked}) == 2


class Died(BaseException):
    """No failure that anybody catches."""


def test_a_worker_that_dies_has_lost_nothing(
    desk: Desk, platform: Source, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = connect(desk, platform.url)
    case_id = taken(desk, Action.SUBMIT)

    def die(*_arguments: object) -> None:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(retrieving, "_exchanged", die)  # asked, and not put down
        with pytest.raises(Died):
            retrieve_due(desk.ports)
    assert (len(platform.asked), retrieve_due(desk.ports).found) == (1, 0)  # the lease has not lapsed
    clock.advance(timedelta(minutes=5))
    assert retrieve_due(desk.ports).found == 1
    (row,) = retrievals(desk, case_id)
    assert (row.state, row.attempt) == ("found", 2)


def test_a_defect_keeps_nobody_waiting(
    desk: Desk, platform: Source, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor the next order, nor the window, who may ask once it was tried."""
    desk = connect(desk, platform.url)
    one, other = taken(desk, Action.SUBMIT), taken(desk, Action.SUBMIT)
    first = iter([one])

    def broken(session: Session, code: str, version: int) -> Matter:
        if next(first, None):
            raise RuntimeError("a defect")
        return matter_version(session, code, version)

    monkeypatch.setattr(retrieving, "matter_version", broken)
    done = retrieve_due(desk.ports)
    assert (done.found, len(done.defects), type(done.defects[0][1])) == (1, 1, RuntimeError)
    states = {row.state for case_id in (one, other) for row in retrievals(desk, case_id)}
    assert states == {"outage", "found"}
    clock.advance(timedelta(minutes=1))
    assert retrieve_due(desk.ports).found == 1


def test_of_two_workers_one_asks(desk: Desk, platform: Source) -> None:
    desk = connect(desk, platform.url)
    cases = [taken(desk, Action.SUBMIT) for _ in range(6)]
    with ThreadPoolExecutor(3) as pool:
        rounds = list(pool.map(lambda _: retrieve_due(desk.ports), range(3)))
    assert sum(one.found for one in rounds) == len(cases)
    assert all(one.defects == [] for one in rounds)
    assert len(platform.asked) == len(cases)
    assert {row.state for case_id in cases for row in retrievals(desk, case_id)} == {"found"}


# --- licences of this registry ---------------------------------------------------------------------------


def test_a_licence_that_the_holder_has_replaces_its_paper(desk: Desk) -> None:
    import_own(desk.world)
    issued = issue_one(desk.world)
    case_id = own_case(desk, own_application(issued.printout.record), Action.SUBMIT)
    assert retrieve_due(desk.ports).found == 1
    (row,) = retrievals(desk, case_id)
    assert (row.edition_id, row.connector, row.source) == (issued.edition_id, None, desk.world.codes["own"])
    value = strict_json(open_content(desk.ports.vault, row), max_bytes=10_000, max_depth=5)
    assert value["identifier"] == issued.printout.record.identifier
    assert set(value["fields"]) == {
        "operator_name",
        "premises",
        "business_items",
    }  # what is compared, no more
    with Session(desk.ports.database.read) as session:
        (use,) = session.scalars(select(LicenceUse).where(LicenceUse.edition_id == issued.edition_id))
    assert (use.kind, use.matter_code, use.case_number) == (
        "used", OWN_MATTER, case_of(desk, case_id).number,
    )  # fmt: skip
    assert (use.agency_code, use.operator) == (desk.world.codes["own"], "window-03")
    assert use.told is not None
    assert "食品经营许可证" in open_told(desk.ports.vault, use.id, use.told)[0]


@pytest.mark.parametrize("how", ["suspended", "ended", "expired", "another"])
def test_only_a_valid_licence_of_this_very_holder_does(desk: Desk, how: str, clock: Ticker) -> None:
    import_own(desk.world)
    issued = issue_one(desk.world)
    record = issued.printout.record
    made = own_application(record)
    decision = Decision("《样本法》", "sample", desk.world.today)
    world = desk.world
    with world.ports.database.transaction() as session:
        actor = desk.actors[Who.WINDOW]
        if how == "suspended":
            rules.suspend(session, world.ports, actor, record.identifier, decision, "penalty", None)
        elif how == "ended":
            rules.end(session, world.ports, actor, record.identifier, decision, "revoked")
    if how == "expired":
        clock.advance(timedelta(days=6 * 366))
    if how == "another":
        made = replace(made, id_type="099")  # a code of another kind, with the same characters
    case_id = own_case(desk, made, Action.SUBMIT)
    assert retrieve_due(desk.ports).not_found == 1
    assert retrievals(desk, case_id)[0].state == "not_found"
    with Session(desk.ports.database.read) as session:
        assert session.scalars(select(LicenceUse).where(LicenceUse.kind == "used")).all() == []


def test_a_licence_that_ended_since_replaces_nothing_and_its_next_edition_does(desk: Desk) -> None:
    import_own(desk.world)
    issued = issue_one(desk.world)
    identifier = issued.printout.record.identifier
    case_id = own_case(desk, own_application(issued.printout.record), Action.SUBMIT)
    retrieve_due(desk.ports)

    def still() -> set[str]:
        with Session(desk.ports.database.read) as session:
            return set(found(session, case_id))

    assert still() == {"food_licence"}
    amended = next_edition(desk.world, "amend", identifier, fields={"premises": "新址2号"})
    assert still() == {"food_licence"}
    decision = Decision("《样本法》", "sample", desk.world.today)
    with desk.ports.database.transaction() as session:
        actor, of = desk.actors[Who.WINDOW], amended.printout.record.identifier
        rules.end(session, desk.ports, actor, of, decision, "revoked")
    assert still() == set()
    assert look_again(desk, case_id) == 1
    assert retrieve_due(desk.ports).not_found == 1


def test_a_licence_that_ended_is_asked_for_although_nobody_has_told_so_before(desk: Desk) -> None:
    """What was found when all else was told could not be told then."""
    import_own(desk.world)
    record = issue_one(desk.world).printout.record
    case_id = own_case(desk, own_application(record), Action.SUBMIT, Action.RECEIVE)
    retrieve_due(desk.ports)
    step(desk, case_id, Action.ASK_CORRECTION, said=asking("premises"))
    step(desk, case_id, Action.CORRECT)
    assert refusal(desk, case_id, Action.ASK_CORRECTION, said=asking("food_licence")).reason == "items"
    decision = Decision("《样本法》", "sample", desk.world.today)
    with desk.ports.database.transaction() as session:
        rules.end(session, desk.ports, desk.actors[Who.WINDOW], record.identifier, decision, "revoked")
    asked = refusal(desk, case_id, Action.ASK_CORRECTION, said=asking("food_licence", "business_items"))
    assert asked.reason == "told_once"
    step(desk, case_id, Action.ASK_CORRECTION, said=asking("food_licence"))


# --- what is asked for -----------------------------------------------------------------------------------


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """What applicants have supplied, by case."""
    supplied: dict[str, set[str]] = {}
    monkeypatch.setattr(
        materials,
        "supplied",
        lambda _session, case_id: {
            code: CaseMaterial(code=code, match="") for code in supplied.get(case_id, ())
        },
    )
    return supplied


def asking(*codes: str) -> Said:
    return Said("请补正", tuple(Item(code, "缺少") for code in codes))


def test_what_is_missing_is_told_once_and_completely(
    desk: Desk, platform: Source, brought: dict[str, set[str]]
) -> None:
    desk = connect(desk, platform.url)
    case_id = taken(desk, Action.SUBMIT, Action.RECEIVE)
    brought[case_id] = {"safety_rules"}
    asked = refusal(desk, case_id, Action.ASK_CORRECTION, said=asking("layout"))
    assert asked.reason == "retrieval_pending"  # first it is looked for
    retrieve_due(desk.ports)
    asked = refusal(desk, case_id, Action.ASK_CORRECTION, said=asking("business_licence", "contact_phone"))
    assert {(one.field, one.reason) for one in asked.faults} == {
        ("/items/0/code", "found"), ("/items", "incomplete"),
    }  # fmt: skip
    missing = refusal(desk, case_id, Action.ACCEPT)
    assert (missing.reason, [one.field for one in missing.faults]) == (
        "materials_missing", ["/materials/layout"],
    )  # fmt: skip
    step(desk, case_id, Action.ASK_CORRECTION, said=asking("layout", "contact_phone"))
    step(desk, case_id, Action.CORRECT)
    assert refusal(desk, case_id, Action.ACCEPT).reason == "materials_missing"
    again = refusal(desk, case_id, Action.ASK_CORRECTION, said=asking("layout", "premises"))
    assert again.reason == "told_once"
    brought[case_id].add("layout")
    step(desk, case_id, Action.ACCEPT)
    assert case_of(desk, case_id).state == CaseState.ACCEPTED


def test_what_could_not_be_retrieved_is_wanted_and_looked_for_again_with_a_correction(
    desk: Desk, platform: Source, brought: dict[str, set[str]], clock: Ticker
) -> None:
    desk = connect(desk, "http://127.0.0.1:9/exchange")
    case_id = taken(desk, Action.SUBMIT, Action.RECEIVE)
    brought[case_id] = {"layout", "safety_rules"}
    retrieve_due(desk.ports)
    with Session(desk.ports.database.read) as session:
        case = session.get_one(Case, case_id)
        matter = matter_version(session, case.matter_code, case.matter_version)
        assert [one.code for one in wanted.wanted(session, case, matter)] == ["business_licence"]
    step(desk, case_id, Action.ASK_CORRECTION, said=asking("business_licence"))
    connect(desk, platform.url, version=2)
    clock.advance(timedelta(minutes=1))
    step(desk, case_id, Action.CORRECT)
    assert retrieve_due(desk.ports).found == 1
    step(desk, case_id, Action.ACCEPT)


def test_silence_accepts_what_there_is(desk: Desk, brought: dict[str, set[str]], clock: Ticker) -> None:
    case_id = taken(desk, Action.SUBMIT)
    assert brought == {}
    clock.advance(timedelta(days=12))
    assert work(desk.ports).silent == 1
    assert case_of(desk, case_id).state == CaseState.ACCEPTED


def test_every_order_of_a_material_has_its_number(desk: Desk, platform: Source) -> None:
    platform.reply = lambda _path, asked: told(asked, None)
    desk = connect(desk, platform.url)
    case_id = taken(desk, Action.SUBMIT)
    for _ in range(3):
        retrieve_due(desk.ports)
        assert look_again(desk, case_id) == 1
        assert look_again(desk, case_id) == 1  # it waits already
    with Session(desk.ports.database.read) as session:
        assert [row.number for row in retrievals_of(session, case_id)] == [1, 2, 3, 4]
