"""Cases over HTTP: filed, followed, decided; lists of what is due; what each answer tells and to whom."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from werkzeug.test import TestResponse

from registry.intake.work import work
from tests.intake.casework import BASIS, MATTER, case_body, decided, import_matters, supply_all
from tests.registry.world import Ticker, World

CASES = "/api/v1/cases"
WINDOW = {"operator": "window-03"}


@pytest.fixture
def office(world: World) -> World:
    import_matters(world)
    return world


def file(world: World, key: str = "one", **changes: Any) -> TestResponse:
    return world.post(CASES, case_body(world, **changes), **{"Idempotency-Key": key})


def filed(world: World, key: str = "one", **changes: Any) -> dict[str, Any]:
    answer = file(world, key, **changes)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.get_json()
    return told


def step(world: World, case_id: str, action: str, status: int = 200, /, **more: Any) -> dict[str, Any]:
    answer = world.post(f"{CASES}/{case_id}/steps", {"action": action, **WINDOW, **more})
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.get_json()
    return told


def decision(world: World, case_id: str, action: str, status: int = 200, **more: Any) -> dict[str, Any]:
    answer = world.post(f"{CASES}/{case_id}/decisions", {"action": action, **BASIS, **more}, person="decider")
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.get_json()
    return told


def handled(world: World, key: str = "one") -> str:
    case_id = str(filed(world, key)["id"])
    supply_all(world.ports, world.actor("system"), case_id)
    for action in ("receive", "accept", "begin"):
        step(world, case_id, action)
    return case_id


def test_an_application_leads_to_a_licence(office: World) -> None:
    case_id = handled(office)
    told = decision(office, case_id, "permit", licence=decided(office))
    assert (told["state"], told["licence"]) == (
        "permitted", {"state": "waiting", "reason": None, "attempts": 0},
    )  # fmt: skip
    assert work(office.ports).issued == 1
    shown = office.get(f"{CASES}/{case_id}").get_json()
    assert (shown["state"], shown["licence"]["state"], shown["due_on"]) == ("done", "issued", None)
    licence = office.get(f"/api/v1/licences/{shown['edition']}").get_json()
    assert licence["status"] == "in_force"
    assert [one["action"] for one in shown["steps"]] == [
        "submit", "receive", "accept", "begin", "permit", "finish",
    ]  # fmt: skip
    decider = office.people["decider"].id
    assert [one["part"] for one in shown["steps"] if one["person"] == decider] == ["approver"]
    assert {one["operator"] for one in shown["steps"][:4]} == {"window-03"}


def test_the_code_is_told_to_the_very_request_alone(office: World) -> None:
    first, again = filed(office), file(office)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.get_json()["lookup_code"] == first["lookup_code"]
    assert len(first["lookup_code"]) == 8
    assert again.headers["Location"] == first["href"]
    shown = office.get(first["href"]).get_json()
    assert "lookup_code" not in shown
    assert file(office, operator="window-04").status_code == 422
    assert filed(office, "two")["lookup_code"] != first["lookup_code"]


def test_a_draft_survives_and_is_changed_until_it_is_submitted(office: World) -> None:
    made = filed(office, declaration=False, fields={"operator_name": "样本市云水间餐饮管理有限公司"})
    assert (made["state"], made["number"], made["lookup_code"]) == ("draft", None, None)
    refused = step(office, made["id"], "submit", 422, declaration=True)
    assert {one["pointer"] for one in refused["errors"]} >= {"/fields/credit_code", "/fields/premises"}
    right = case_body(office)
    change = {name: right[name] for name in ("applicant", "fields", "operator")}
    assert office.post(f"{made['href']}/application", change).status_code == 200
    assert step(office, made["id"], "submit", 422)["reason"] == "move_needs"
    told = step(office, made["id"], "submit", declaration=True)
    assert (told["state"], len(told["lookup_code"])) == ("submitted", 8)
    assert office.post(f"{made['href']}/application", change).status_code == 409


def test_a_refusal_says_what_a_step_lacks(office: World) -> None:
    case_id = str(filed(office)["id"])
    step(office, case_id, "receive")
    refused = step(office, case_id, "ask_correction", 422)
    assert {one["pointer"] for one in refused["errors"]} == {"/items", "/legal_basis"}
    supply_all(office.ports, office.actor(), case_id, {"layout"})
    told = step(office, case_id, "ask_correction", items=[{"code": "layout", "why": "缺"}], **BASIS)
    assert told["steps"][-1]["items"] == [{"code": "layout", "why": "缺"}]
    assert step(office, case_id, "accept", 409)["reason"] == "case_state"
    told = step(office, case_id, "correct", declaration=True, fields={"premises": "新址1号"})
    assert told["fields"]["premises"] == "新址1号"


def test_a_wrong_value_of_the_licence_is_told_before_the_decision(office: World) -> None:
    case_id = handled(office)
    wrong = decided(office, number="JY12345678901234")
    assert decision(office, case_id, "permit", 422, licence=wrong)["errors"][0]["pointer"] == "/number"
    assert decision(office, case_id, "permit", 422)["status"] == 422
    assert office.get(f"{CASES}/{case_id}").get_json()["state"] == "handling"


def test_only_who_decides_and_did_not_handle_decides(office: World) -> None:
    case_id = handled(office)
    body = {"action": "refuse", **BASIS}
    for client, person in (("system", None), ("system", "officer")):
        assert office.post(f"{CASES}/{case_id}/decisions", body, client, person).status_code == 403
    assert office.post(f"{CASES}/{case_id}/steps", {"action": "resume"}, person="decider").status_code == 403
    assert office.post(f"{CASES}/{case_id}/steps", body, person="officer").status_code == 422
    told = decision(office, case_id, "refuse", words="经营场所不符合要求")
    assert (told["state"], told["steps"][-2]["words"]) == ("done", "经营场所不符合要求")


def test_suspension_and_extension_say_for_how_long(office: World) -> None:
    case_id = handled(office)
    assert decision(office, case_id, "suspend", 422)["errors"][0]["pointer"] == "/days"
    told = decision(office, case_id, "suspend", days=10)
    assert (told["state"], told["due_on"], told["steps"][-1]["days"]) == ("suspended", None, 10)
    step(office, case_id, "resume", **BASIS)
    assert decision(office, case_id, "extend", days=5)["committed_due"] == "2026-12-04"


def test_what_is_due_today_and_what_is_overdue_is_listed(office: World, clock: Ticker) -> None:
    early = handled(office, "early")  # accepted on 20 November: by the 27th
    clock.now = datetime.fromisoformat("2026-11-25T02:00:00+00:00")
    late = str(filed(office, "late")["id"])  # by 2 December

    def due(when: str) -> list[str]:
        return [one["id"] for one in office.get(f"{CASES}?due={when}").get_json()["cases"]]

    assert (due("today"), due("overdue")) == ([], [])
    clock.now = datetime.fromisoformat("2026-11-27T02:00:00+00:00")
    assert (due("today"), due("overdue")) == ([early], [])
    clock.now = datetime.fromisoformat("2026-12-03T02:00:00+00:00")
    assert (due("today"), due("overdue")) == ([], [early, late])
    assert [one["id"] for one in office.get(f"{CASES}?state=handling").get_json()["cases"]] == [early]
    assert [one["id"] for one in office.get(CASES).get_json()["cases"]] == [late, early]
    page = office.get(f"{CASES}?after={late}").get_json()
    assert [one["id"] for one in page["cases"]] == [early]
    assert office.get(f"{CASES}?due=overdue&after={early}").get_json()["cases"][0]["id"] == late
    assert office.get(f"{CASES}?due=soon").status_code == 422


def test_the_guide_of_a_matter_is_told(office: World) -> None:
    (listed,) = office.get("/api/v1/matters").get_json()["matters"]
    guide = office.get(listed["href"]).get_json()
    assert (guide["code"], guide["committed"]["days"], guide["complaint_phone"]) == (MATTER, 5, "12345")
    assert [one["code"] for one in guide["materials"] if not one["required"]] == ["authority_of_agent"]
    assert office.get("/api/v1/matters", "other-system").get_json() == {"matters": []}
    assert office.get(f"/api/v1/matters/{MATTER}", "other-system").status_code == 404


def test_hostile_bodies_are_refused(office: World) -> None:
    for changes in (
        {"matter": "0" * 30}, {"fields": {"a" * 50_000: 1}}, {"contact": {"channel": "smtp"}},
        {"contact": {"channel": "none", "to": "x@example.org"}}, {"more": 1},
        {"applicant": {"name": "x", "id_type": "111", "id_code": "340000199305170263"}},
        {"applicant": {"name": "x\u202e", "id_type": "999", "id_code": "1"}},
    ):  # fmt: skip
        answer = file(office, "hostile", **changes)
        assert answer.status_code == 422, (changes, answer.text)
    assert office.get(CASES).get_json()["cases"] == []
