"""What the public sees of decided cases: once each, by the matter's rule, and as the licence stands now."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.intake.matter_lists import import_list
from registry.intake.moves import Action
from registry.intake.published_results import CaseResult, PublishedResults
from registry.intake.result_tables import PublishedResult
from registry.intake.work import work
from registry.licences.published_types import PublishedTypes
from registry.licences.tables import Edition
from registry.samples import sample_matters
from tests.describing import client_of
from tests.intake.casework import MATTER, TO_HANDLING, Desk, found, open_desk, step, taken
from tests.registry.next_editions import next_body
from tests.registry.world import Ticker, World
from verify_web import openapi
from verify_web.app import create_app as create_site

SECRET = '\nsecret_basis = { law = "《中华人民共和国保守国家秘密法》" }\npublished = false'
LICENCES = "/api/v1/licences"
WHY = {"legal_basis": "《样本法》第三条", "reason_code": "sample", "operator": "window-03"}


@pytest.fixture
def desk(world: World) -> Desk:
    return open_desk(world)


def results(desk: Desk) -> PublishedResults:
    engine = desk.ports.database.read
    return PublishedResults(engine, PublishedTypes(engine))


def listed(desk: Desk, after: str | None = None, size: int = 100) -> list[CaseResult]:
    return results(desk).results(MATTER, after, size)[0]


def issued(desk: Desk) -> str:
    case_id = taken(desk, *TO_HANDLING)
    step(desk, case_id, Action.PERMIT)
    assert listed(desk) == [one for one in listed(desk) if one.number != found(desk, case_id).number]
    assert work(desk.ports).issued == 1
    return case_id


def test_a_result_is_published_when_the_case_is_done_once(desk: Desk) -> None:
    assert results(desk).matter(MATTER) is None
    case = found(desk, issued(desk))
    (one,) = listed(desk)
    assert (one.number, one.decided_on, one.result) == (case.number, case.decided_on, "permitted")
    assert (one.holder, one.status, one.how) == ("样本市云水间餐饮管理有限公司", "in_force", None)
    with Session(desk.ports.database.read) as session:
        assert one.identifier == session.get_one(Edition, case.edition_id).identifier
    matter = results(desk).matter(MATTER)
    assert matter is not None
    assert (matter.published, matter.withheld, matter.secret_basis) == (1, 0, None)
    assert matter.name["en"] == "Food business licence (first issue)"
    assert results(desk).matters("", 10) == ([matter], False)
    assert results(desk).matters(MATTER, 10) == ([], False)


def test_what_was_refused_names_nobody_and_what_was_withdrawn_is_no_result(desk: Desk) -> None:
    for action in (Action.REFUSE, Action.TERMINATE, Action.WITHDRAW):
        step(desk, taken(desk, *TO_HANDLING), action)
    taken(desk, Action.SUBMIT, Action.RECEIVE, Action.RETURN)
    assert sorted(one.result for one in listed(desk)) == ["refused", "terminated"]
    assert {(one.holder, one.identifier, one.status) for one in listed(desk)} == {(None, None, None)}


def test_what_became_of_the_licence_since_shows(desk: Desk) -> None:
    world = desk.world
    issued(desk)
    identifier = listed(desk)[0].identifier
    answer = world.post(
        f"{LICENCES}/{identifier}/replacement", next_body(world), **{"Idempotency-Key": "next"}
    )
    assert answer.status_code == 201, answer.text
    assert (listed(desk)[0].status, listed(desk)[0].how) == ("ended", "replaced")
    issued(desk)
    newest = next(one for one in listed(desk) if one.status == "in_force")
    answer = world.post(f"{LICENCES}/{newest.identifier}/ending", WHY | {"how": "annulled"})
    assert answer.status_code == 200, answer.text
    shown = next(one for one in listed(desk) if one.number == newest.number)
    assert (shown.status, shown.how, shown.holder) == ("ended", "annulled", newest.holder)


def test_results_that_a_law_keeps_secret_are_counted_alone(desk: Desk, clock: Ticker) -> None:
    step(desk, taken(desk, *TO_HANDLING), Action.REFUSE)
    path = next(one for one in sample_matters() if one.name == "food-business-licence.toml")
    text = path.read_text("utf-8").replace("version = 1", "version = 2", 1)
    text = text.replace("effective_from = 2026-03-01", "effective_from = 2026-11-21", 1)
    before = 'licence_type = "11990000MB0001011X001"'
    with desk.ports.database.transaction() as session:
        changed = text.replace(before, before + SECRET, 1)
        import_list(session, desk.ports, desk.world.system, changed.encode(), "food.toml")
    clock.advance(timedelta(days=1))
    for _ in range(2):
        step(desk, taken(desk, *TO_HANDLING), Action.REFUSE)
    matter = results(desk).matter(MATTER)
    assert matter is not None
    assert (matter.published, matter.withheld, matter.secret_basis) == (
        1,
        2,
        "《中华人民共和国保守国家秘密法》",
    )
    assert len(listed(desk)) == 1
    with Session(desk.ports.database.read) as session:
        assert len(session.scalars(select(PublishedResult)).all()) == 1


def test_the_list_is_paged_the_newest_decision_first(desk: Desk, clock: Ticker) -> None:
    for _ in range(2):
        step(desk, taken(desk, *TO_HANDLING), Action.REFUSE)
        step(desk, taken(desk, *TO_HANDLING), Action.REFUSE)
        clock.advance(timedelta(days=1))
    whole = listed(desk)
    assert [one.decided_on for one in whole] == sorted((one.decided_on for one in whole), reverse=True)
    seen: list[CaseResult] = []
    after: str | None = None
    while True:
        page, after = results(desk).results(MATTER, after, 1)
        seen += page
        if after is None:
            break
    assert seen == whole
    assert results(desk).results(MATTER, "20261120" + "0" * 10, 10) == ([], None)


def test_the_public_site_lists_them(desk: Desk, clock: Ticker) -> None:
    site = create_site(desk.ports.settings, clock=clock, catch_all=False)
    site.test_client_class = client_of(openapi.text)
    http = site.test_client()
    try:
        assert http.get("/api/v1/results").get_json() == {"matters": []}
        assert http.get(f"/api/v1/results/{MATTER}").status_code == 404
        issued(desk)
        (matter,) = http.get("/api/v1/results").get_json()["matters"]
        (told,) = http.get(matter["href"]).get_json()["results"]
        assert (told["licence"]["holder"], told["licence"]["status"]) == (
            "样本市云水间餐饮管理有限公司", "in_force",
        )  # fmt: skip
        assert told["number"] in http.get(f"/results/{MATTER}?lang=en").text
    finally:
        site.extensions["site"].store.close()
        site.extensions["site"].types._engine.dispose()
