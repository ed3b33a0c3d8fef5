"""Licences over HTTP, as an agency's system meets them. The catch-all is off: a defect fails the test."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.licences.fsck import fsck
from registry.licences.tables import Edition, Intent
from registry.log.tables import Event
from signing.credential import parse_link
from tests.hostile import mutated
from tests.registry.issuing import request_body
from tests.registry.world import Ticker, World, on_sqlite

_numbers = count(1)
PATH = "/api/v1/licences"
GROUND = {"legal_basis": "食品安全法 第一百三十二条", "reason_code": "expired_food", "operator": "window-03"}


def issued(world: World, **changes: Any) -> dict[str, Any]:
    body = request_body(world, **changes)
    answer = world.post(PATH, body, **{"Idempotency-Key": body["number"]})
    assert answer.status_code == 201, answer.get_data(as_text=True)
    value: dict[str, Any] = answer.get_json()
    return value


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.mimetype == "application/problem+json"
    value: dict[str, Any] = answer.get_json()
    assert value["status"] == status
    return value


def test_a_licence_from_request_to_document(world: World) -> None:
    body = request_body(world)
    answer = world.post(PATH, body, **{"Idempotency-Key": "first"})
    assert answer.status_code == 201
    licence = answer.get_json()
    assert answer.headers["Location"] == f"{PATH}/{licence['identifier']}"
    assert "Idempotency-Replayed" not in answer.headers
    assert licence["number"] == body["number"]
    assert parse_link(licence["link"]).credential is not None
    again = world.post(PATH, body, **{"Idempotency-Key": "first"})
    assert again.status_code == 201
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.get_json() == licence

    document = world.get(licence["document"]["href"])
    assert document.mimetype == "application/pdf"
    assert sha256(document.data).hexdigest() == licence["document"]["sha256"]
    assert len(document.data) == licence["document"]["size"]
    assert document.headers["ETag"] == f'"{licence["document"]["sha256"]}"'
    assert document.headers["Content-Disposition"].startswith("attachment")
    headers = {**world.headers("system"), "If-None-Match": document.headers["ETag"]}
    unchanged = world.http.get(licence["document"]["href"], headers=headers)
    assert (unchanged.status_code, unchanged.data) == (304, b"")


def test_what_is_read_later_holds_no_secret_of_the_paper(world: World) -> None:
    licence = issued(world)
    answer = world.get(f"{PATH}/{licence['identifier']}")
    shown = answer.get_json()
    assert (shown["status"], shown["document"]) == ("in_force", licence["document"])
    assert (shown["matter_code"], shown["case_number"]) == ("000131001000", "20261120-0001")
    text = answer.get_data(as_text=True)
    assert licence["lookup_code"] not in text
    assert parse_link(licence["link"]).id_text not in text


def test_the_order_of_members_makes_no_other_request(world: World) -> None:
    body = request_body(world)
    first = world.post(PATH, body, **{"Idempotency-Key": "k"}).get_json()
    turned = dict(reversed(body.items()))
    assert world.post(PATH, turned, **{"Idempotency-Key": "k"}).get_json() == first
    assert (
        problem(world.post(PATH, request_body(world), **{"Idempotency-Key": "k"}), 422)["reason"]
        == "key_reused"
    )


def test_a_dry_run_needs_no_key_and_issues_nothing(world: World) -> None:
    body = request_body(world)
    answer = world.post(f"{PATH}?dry_run=1", body)
    assert answer.status_code == 200
    assert answer.get_json()["number"] == body["number"]
    assert "link" not in answer.get_json()
    with Session(world.ports.database.read) as session:
        assert session.scalar(select(func.count()).select_from(Intent)) == 0


def test_suspended_resumed_ended(world: World, clock: Ticker) -> None:
    path = f"{PATH}/{issued(world)['identifier']}"
    clock.advance(timedelta(days=1))
    status = world.act("officer", f"{path}/suspension", GROUND | {"ground": "penalty"})
    assert (status["status"], status["ground"], status["status_version"]) == ("suspended", "penalty", 2)
    stale = world.post(f"{path}/resumption", GROUND | {"status_version": 1})
    assert problem(stale, 409)["reason"] == "status_version"
    assert [e["pointer"] for e in stale.get_json()["errors"]] == ["/status_version"]
    assert world.post(f"{path}/resumption", GROUND).get_json()["status"] == "in_force"
    ended = world.post(f"{path}/ending", GROUND | {"how": "revoked"}).get_json()
    assert (ended["status"], ended["how"], ended["since"]) == ("ended", "revoked", world.today.isoformat())
    assert problem(world.post(f"{path}/suspension", GROUND | {"ground": "other"}), 409)["reason"] == "status"
    assert world.get(path).get_json()["how"] == "revoked"


def test_a_change_names_who_acts(world: World) -> None:
    path = f"{PATH}/{issued(world)['identifier']}/suspension"
    nameless = {k: v for k, v in GROUND.items() if k != "operator"} | {"ground": "other"}
    assert problem(world.post(path, nameless), 422)["errors"][0]["pointer"] == "/operator"
    assert world.act("officer", path, nameless)["status"] == "suspended"


def test_other_agencies_find_nothing(world: World) -> None:
    path = f"{PATH}/{issued(world)['identifier']}"
    for answer in (
        world.get(path, "other-system"),
        world.get(f"{path}/document", "other-system"),
        world.post(f"{path}/suspension", GROUND | {"ground": "other"}, "other-system"),
        world.get(f"{PATH}/1.2.156.3005.2.nothing"),
        world.get(f"{PATH}/%00"),
    ):
        assert problem(answer, 404)["reason"] == "licence_unknown"


@pytest.mark.parametrize("person", ["applicant", "keeper"])
def test_a_person_who_is_no_officer_gets_nothing_through_the_agencys_system(
    world: World, person: str
) -> None:
    body = request_body(world)
    licence = world.post(PATH, body, **{"Idempotency-Key": "first"}).get_json()
    path = f"{PATH}/{licence['identifier']}"
    for answer in (
        world.get(path, person=person),
        world.get(f"{path}/document", person=person),
        world.post(f"{path}/suspension", GROUND | {"ground": "other"}, person=person),
        world.post(f"{path}/ending", GROUND | {"how": "revoked"}, person=person),
        world.post(PATH, request_body(world), person=person, **{"Idempotency-Key": "another"}),
        world.post(PATH, body, person=person, **{"Idempotency-Key": "first"}),  # a replay tells link and code
        world.post(f"{PATH}?dry_run=1", request_body(world), person=person),
    ):
        assert problem(answer, 403)["reason"] == "role"
    assert world.get(path).get_json()["status_version"] == 1
    with Session(world.ports.database.read) as session:
        assert session.scalar(select(func.count()).select_from(Intent)) == 1


def test_an_officer_issues_reads_and_changes_through_the_agencys_system(world: World) -> None:
    body = request_body(world)
    answer = world.post(PATH, body, person="officer", **{"Idempotency-Key": "first"})
    assert answer.status_code == 201
    path = f"{PATH}/{answer.get_json()['identifier']}"
    assert world.get(path, person="officer").status_code == 200
    assert world.get(f"{path}/document", person="officer").status_code == 200
    assert world.act("officer", f"{path}/suspension", GROUND | {"ground": "other"})["status"] == "suspended"
    with Session(world.ports.database.read) as session:
        people = session.scalars(select(Event.person_id).where(Event.kind.like("licence.%"))).all()
    assert set(people) == {world.people["officer"].id}


BAD_LINES = {
    "missing": None, "empty": "", "a number": 17, "too long": "x" * 81, "a control character": "a\nb",
    "white space at the end": "a ", "a list": ["a"],
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD_LINES.values(), ids=list(BAD_LINES))
@pytest.mark.parametrize("member", ["matter_code", "case_number", "operator"])
@on_sqlite
def test_a_request_says_which_matter_which_case_and_who(world: World, member: str, bad: object) -> None:
    told = problem(world.post(PATH, request_body(world, **{member: bad}), **{"Idempotency-Key": "k"}), 422)
    assert [error["pointer"] for error in told["errors"]] == [f"/{member}"]
    with Session(world.ports.database.read) as session:
        assert session.scalar(select(func.count()).select_from(Intent)) == 0


def test_a_client_without_the_scope_is_refused(world: World) -> None:
    answer = world.post(PATH, request_body(world), "desk", **{"Idempotency-Key": "k"})
    assert problem(answer, 403)["reason"] == "scope"


@pytest.mark.parametrize("key", [None, "", "x" * 256, "a b", "ключ".encode().decode("latin-1")])
def test_a_request_without_a_proper_key_is_refused(world: World, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    assert problem(world.post(PATH, request_body(world), **headers), 400)["reason"] == "idempotency_key"


def test_the_answer_names_field_and_reason(world: World) -> None:
    fields = request_body(world)["fields"] | {"credit_code": "91990100MA1000017B"}
    answer = world.post(PATH, request_body(world, fields=fields, operator=None), **{"Idempotency-Key": "k"})
    assert {e["pointer"] for e in problem(answer, 422)["errors"]} == {"/operator"}
    answer = world.post(PATH, request_body(world, fields=fields), **{"Idempotency-Key": "k"})
    assert {e["pointer"] for e in problem(answer, 422)["errors"]} == {"/fields/credit_code"}
    assert "91990100MA1000017B" not in answer.get_data(as_text=True)


def test_a_refused_type_or_seal_is_named(world: World) -> None:
    """As the request names them, though neither is malformed: whoever sent it may not use them."""
    for changes, status, told in (
        (
            {"type": world.types["other"]}, 403,
            ("/type", "type_not_entitled", "the client may not issue this licence type"),
        ),
        ({"seal": "99010000000999"}, 403, ("/seal", "seal_unknown", "the agency has no such seal")),
    ):  # fmt: skip
        refused = problem(world.post(f"{PATH}?dry_run=1", request_body(world, **changes)), status)
        assert refused["errors"] == [dict(zip(("pointer", "reason", "detail"), told, strict=True))]
        assert refused["reason"] == told[1]


def test_malformed_and_oversized_bodies(world: World) -> None:
    headers = {**world.headers("system"), "Idempotency-Key": "k", "Content-Type": "application/json"}
    for data, status in (
        (b"{", 400), (b"\xff", 400), (b"[" * 100, 400), (b'{"type":1,"type":2}', 400), (b"null", 422),
        (b'"' + b"x" * 600_000 + b'"', 413),
    ):  # fmt: skip
        problem(world.http.post(PATH, data=data, headers=headers), status)
    problem(world.http.post(PATH, data=b"{}", headers={**headers, "Content-Type": "text/plain"}), 415)
    problem(world.http.post(f"{PATH}?dry_run=2", data=b"{}", headers=headers), 422)


@pytest.mark.parametrize("query", ["?dry_run=1", ""], ids=["dry run", "issue"])
def test_no_request_is_a_defect_and_none_leaves_anything_half_done(world: World, query: str) -> None:
    """Members and fields of a right request are replaced, dropped and added at will: it is issued or it is not."""
    issued = 0
    headers = world.headers("system")

    @settings(max_examples=40)
    @given(body=mutated(request_body(world)), fields=mutated(request_body(world)["fields"]))
    def ask(body: dict[str, Any], fields: dict[str, Any]) -> None:
        nonlocal issued
        if isinstance(body.get("fields"), dict):
            body["fields"] = fields
        key = {"Idempotency-Key": f"key-{next(_numbers)}"}
        answer = world.http.post(PATH + query, json=body, headers={**headers, **key})
        issued += answer.status_code == 201
        assert answer.status_code in {200, 201, 400, 403, 409, 422}
        if answer.status_code >= 400:
            assert answer.mimetype == "application/problem+json"

    ask()
    assert world.defects.total == 0
    with Session(world.ports.database.read) as session:
        assert session.scalar(select(func.count()).select_from(Edition)) == issued
        states = set(session.scalars(select(Intent.state)))
    assert states <= {"done", "abandoned"} if query == "" else states == set()
    assert fsck(world.ports) == []
