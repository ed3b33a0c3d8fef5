"""What was retrieved and what differs from it, over HTTP: who is told what, and what is cleared how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from registry.intake.moves import Action
from registry.intake.retrieving import Round, retrieve_due
from tests.intake.casework import BASIS, MATTER, Desk, application, case_body, open_desk
from tests.intake.exchanging import (
    OWN_MATTER,
    SOURCE,
    Source,
    connect,
    import_own,
    own_application,
    own_case,
    source,
    tasks_of,
    told,
)
from tests.registry.issuing import issue_one
from tests.registry.world import World

CASES, TASKS, ERRORS = "/api/v1/cases", "/api/v1/verification-tasks", "/api/v1/source-errors"
WINDOW = {"operator": "window-03"}
ANOTHER = "样本市另一名称有限公司"


@pytest.fixture
def plain(world: World) -> Desk:
    return open_desk(world)


@pytest.fixture
def platform(plain: Desk) -> Iterator[Source]:
    fields = application(plain.world).fields
    with source(plain.ports.clock) as made:
        made.reply = lambda _path, asked: told(
            asked, {"name": ANOTHER, "legal_person": fields["representative"]}
        )
        yield made


@pytest.fixture
def desk(plain: Desk, platform: Source) -> Desk:
    return connect(plain, platform.url)


def filed(desk: Desk, key: str = "one") -> str:
    answer = desk.world.post(CASES, case_body(desk.world), **{"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    return str(answer.get_json()["id"])


def shown(desk: Desk, case_id: str) -> dict[str, Any]:
    (one,) = desk.world.get(f"{CASES}/{case_id}/retrievals").get_json()["retrievals"]
    value: dict[str, Any] = one
    return value


def round_(desk: Desk) -> Round:
    done = retrieve_due(desk.ports)
    assert done.defects == []
    return done


def test_a_retrieval_is_shown_with_purpose_source_time_and_digest(desk: Desk) -> None:
    case_id = filed(desk)
    one = shown(desk, case_id)
    assert (one["state"], one["attempts"], one["source"], one["values"]) == ("waiting", 0, None, None)
    round_(desk)
    one = shown(desk, case_id)
    assert one["source"] == {
        "agency": SOURCE, "licence": None, "connector": "yunxi-exchange", "data_set": "business-registration",
    }  # fmt: skip
    assert (one["state"], one["purpose"], one["values"]["name"]) == (
        "found", "办理食品经营许可，核验主体资格", ANOTHER,
    )  # fmt: skip
    assert len(one["sha256"]) == 64
    assert one["retrieved_at"] == "2026-11-20T02:30:00Z"
    assert desk.world.get(f"{CASES}/{case_id}/retrievals", "other-system").status_code == 404


def test_what_is_looked_for_first_is_told_beside_the_guide(desk: Desk) -> None:
    import_own(desk.world)
    (one,) = desk.world.get(f"/api/v1/matters/{MATTER}/sources").get_json()["materials"]
    assert (one["material"], one["licence_type"]) == ("business_licence", None)
    (data_set,) = one["data_sets"]
    assert (data_set["connector"], data_set["source"], data_set["holder_types"]) == (
        "yunxi-exchange", SOURCE, ["001"],
    )  # fmt: skip
    (one,) = desk.world.get(f"/api/v1/matters/{OWN_MATTER}/sources").get_json()["materials"]
    assert (one["material"], one["licence_type"], one["data_sets"]) == (
        "food_licence", desk.world.type_code, [],
    )  # fmt: skip
    assert desk.world.get(f"/api/v1/matters/{MATTER}/sources", "other-system").status_code == 404


def test_an_outage_is_shown_as_one_and_asked_again_at_once(plain: Desk, platform: Source) -> None:
    desk = connect(plain, "http://127.0.0.1:9/exchange")
    case_id = filed(desk)
    round_(desk)
    one = shown(desk, case_id)
    assert (one["state"], one["outage"], one["retrieved_at"], one["sha256"]) == (
        "outage", "no_answer", None, None,
    )  # fmt: skip
    assert one["next_attempt"] > "2026-11-20T02:30:00Z"
    connect(plain, platform.url, version=2)
    assert round_(desk).found == 0
    path = f"{CASES}/{case_id}/retrievals"
    assert desk.world.post(path, {}).status_code == 422  # somebody asks
    answer = desk.world.post(path, WINDOW, **{"Idempotency-Key": "again"})
    wanted = [one["code"] for one in answer.get_json()["wanted"]]
    assert (answer.status_code, wanted) == (202, ["business_licence", "layout", "safety_rules"])
    assert answer.status_code == 202
    assert answer.get_json()["retrievals"][0]["state"] == "outage"  # until it was tried
    again = desk.world.post(path, WINDOW, **{"Idempotency-Key": "again"})
    assert again.headers["Idempotency-Replayed"] == "true"
    assert round_(desk).found == 1
    assert shown(desk, case_id)["state"] == "found"
    assert desk.world.post(path, WINDOW, person="decider").status_code == 403


def test_a_difference_is_listed_and_cleared(desk: Desk) -> None:
    world, case_id = desk.world, filed(desk)
    for action in ("receive", "accept", "begin"):
        world.post(f"{CASES}/{case_id}/steps", {"action": action, **WINDOW})
    round_(desk)
    (task,) = world.get(f"{CASES}/{case_id}/tasks").get_json()["tasks"]
    assert (task["state"], task["field"], task["source"], task["error"]) == (
        "open", "operator_name", ANOTHER, None,
    )  # fmt: skip
    assert task["applicant"] == application(world).fields["operator_name"]
    assert world.get(f"{TASKS}?state=open").get_json()["tasks"] == [task]
    assert world.get(f"{TASKS}?state=refused").get_json()["tasks"] == []
    assert world.get(TASKS, "other-system").get_json() == {"tasks": []}
    assert world.get(f"{TASKS}?state=none").status_code == 422
    permit = {"action": "permit", **BASIS, "licence": {"seal": world.seal_code}}
    path, ending = f"{TASKS}/{task['id']}/ending", {"outcome": "confirmed", **BASIS, **WINDOW}
    refused = world.post(f"{CASES}/{case_id}/decisions", permit, person="decider")
    assert refused.status_code in {409, 422}
    for body, status in (
        ({**ending, "outcome": "open"}, 422), ({**ending, "legal_basis": ""}, 422), ({**ending, "x": 1}, 422),
        ({name: value for name, value in ending.items() if name != "operator"}, 422),
        ({**ending, "outcome": "corrected"}, 422),
        ({**ending, "outcome": "corrected", "value": "又一名称", "declaration": True}, 409),
    ):  # fmt: skip
        assert world.post(path, body).status_code == status, body
    assert world.post(path, ending, "other-system").status_code == 404
    assert world.post(path, ending, person="decider").status_code == 403
    told_ = world.post(path, {**ending, "words": "登记机关已确认"}, person="officer").get_json()
    assert (told_["state"], told_["words"], told_["person"]) == (
        "confirmed", "登记机关已确认", world.people["officer"].id,
    )  # fmt: skip
    assert told_["error"]["state"] == "waiting"
    assert world.post(path, ending).get_json()["reason"] == "task_ended"


def test_a_value_of_several_items_is_cleared_too(desk: Desk, plain: Desk) -> None:
    import_own(plain.world)
    record = issue_one(plain.world).printout.record
    made = own_application(record, business_items=["别的项目"])
    case_id = own_case(plain, made, Action.SUBMIT)
    round_(desk)
    task = tasks_of(plain, case_id)["business_items"]
    (told_,) = plain.world.get(f"{CASES}/{case_id}/tasks").get_json()["tasks"]
    assert told_["applicant"] == ["别的项目"]
    body = {"outcome": "corrected", **BASIS, **WINDOW, "value": told_["source"], "declaration": True}
    ended = plain.world.post(f"{TASKS}/{task.id}/ending", body).get_json()
    assert ended["state"] == "corrected"
    fields = plain.world.get(f"{CASES}/{case_id}").get_json()["fields"]
    assert fields["business_items"] == told_["source"]


def test_an_issuer_sees_where_its_licence_is_to_be_corrected(plain: Desk) -> None:
    world = plain.world
    import_own(world)
    record = issue_one(world).printout.record
    case_id = own_case(plain, own_application(record, premises="别处1号"), Action.SUBMIT)
    round_(plain)
    task = tasks_of(plain, case_id)["premises"]
    ending = {"outcome": "confirmed", **BASIS, **WINDOW}
    assert world.post(f"{TASKS}/{task.id}/ending", ending).status_code == 200
    (error,) = world.get(ERRORS).get_json()["errors"]
    assert (error["identifier"], error["field"], error["right"]) == (record.identifier, "premises", "别处1号")
    assert error["correction"] == f"/api/v1/licences/{record.identifier}/correction"
    assert world.get(ERRORS, "other-system").get_json() == {"errors": []}
    path, body = f"{ERRORS}/{error['id']}/declination", {**BASIS, **WINDOW}
    assert world.post(path, body, "other-system").status_code == 404
    assert world.post(path, body, person="decider").status_code == 403
    assert world.post(path, body).get_json()["state"] == "declined"
    assert world.post(path, body).get_json()["reason"] == "source_error_settled"
    assert world.get(ERRORS).get_json() == {"errors": []}
