"""Every POST is done once for an `Idempotency-Key`: the very request is answered again, and nothing is done."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.described import IDEMPOTENCY_KEY, operations
from registry.licences.tables import KeptAnswer
from registry.log.tables import Event
from tests.registry.test_bodies import Sender, senders
from tests.registry.world import BASIS, World

ELSEWHERE = {
    "agencies.token": "RFC 6749 knows no such key; an assertion serves once by its own (RFC 7523, 3)",
}
AS_OF_NOW = {"shown_in"}
"""What is told as it stands when it is asked again."""


def test_every_post_takes_a_key(world: World) -> None:
    without = {
        rule.endpoint
        for rule, method, declared in operations(world.app)
        if method == "POST" and declared is not None
        if IDEMPOTENCY_KEY.name not in {one.name for one in declared.parameters}
    }
    assert without == set(ELSEWHERE)


def test_what_is_sent_again_is_answered_again_and_nothing_is_done(world: World) -> None:
    earlier: dict[str, Sender] = {}  # by client, whose the keys are
    for number, send in enumerate(one for one in senders(world) if one.method == "POST"):
        key = f"once-{number}"
        first = send(send.right.body, key=key)
        done = events(world)
        again = send(send.right.body, key=key)
        assert (again.status_code, again.headers["Idempotency-Replayed"]) == (first.status_code, "true"), send
        assert "Idempotency-Replayed" not in first.headers
        assert told(again.get_json()) == told(first.get_json()), send.endpoint
        assert again.headers.get("Location") == first.headers.get("Location"), send.endpoint
        assert events(world) == done, send.endpoint
        client = "system" if send.right.person is None else world.system_of(send.right.person)
        before = earlier.get(client)
        if before is not None:
            reused = before(before.right.body, key=key)
            assert (reused.status_code, reused.get_json().get("reason")) == (422, "key_reused"), (
                before.endpoint,
                send.endpoint,
            )
            assert events(world) == done
        earlier[client] = send


def told(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in AS_OF_NOW}


def events(world: World) -> int:
    with Session(world.ports.database.read) as session:
        return session.scalar(select(func.count()).select_from(Event)) or 0


def test_a_key_is_of_one_person_alone(world: World) -> None:
    """Two people's decisions are never one, though they act through one client and say the same."""
    code = world.active_seal()
    path = f"/api/v1/seals/{code}/suspension"
    key = {"Idempotency-Key": "of-one"}
    first = world.http.post(path, json=BASIS, headers={**world.headers("system", "keeper"), **key})
    assert first.status_code == 200
    other = world.http.post(path, json=BASIS, headers={**world.headers("system", "applicant"), **key})
    assert (other.status_code, other.get_json()["reason"]) == (422, "key_reused")


def test_what_was_refused_keeps_no_answer(world: World) -> None:
    """The rules may say otherwise the next time."""
    code = world.active_seal()
    headers = {**world.headers("system", "keeper"), "Idempotency-Key": "refused"}
    path = f"/api/v1/seals/{code}/resumption-request"
    refused = world.http.post(path, json=BASIS, headers=headers)
    assert refused.status_code == 409
    world.act("keeper", f"/api/v1/seals/{code}/suspension", BASIS)
    with Session(world.ports.database.read) as session:
        assert session.get(KeptAnswer, (world.clients["system"].id, "refused")) is None
    assert world.http.post(path, json=BASIS, headers=headers).status_code == 202


def test_a_making_that_was_cut_off_before_its_answer_was_kept_is_not_done_twice(world: World) -> None:
    """As if the process had been killed then: the seal is made, and the rules say so."""
    code = world.approved_seal()
    headers = world.headers("authority-system", "maker")
    path = f"/api/v1/seals/{code}/making"
    assert world.http.post(path, json={}, headers=headers).status_code == 201
    again = world.http.post(path, json={}, headers={**headers, "Idempotency-Key": "cut-off"})
    assert (again.status_code, again.get_json()["reason"]) == (409, "seal_state")
