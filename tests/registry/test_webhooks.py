"""Webhooks by the API: who is told of what, and what may be done with endpoints, secrets and deliveries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from registry.agencies.tables import ClientType
from registry.licences.fsck import fsck
from registry.licences.issue import Issued
from registry.licences.issue_many import issue_many
from registry.log.tables import Event
from registry.outgoing.attempts import Outcome
from registry.webhooks.answers import LicencePayload
from registry.webhooks.kinds import KINDS, UNTOLD
from registry.webhooks.rules import MAX_ACTIVE, MAX_SIGNING, TOLD_AGAIN
from registry.webhooks.signature import PREFIX
from registry.webhooks.tables import WebhookDelivery, WebhookEndpoint, WebhookSecret
from tests.accountable import KINDS as ACCOUNTED
from tests.registry import batching
from tests.registry.hooking import (
    OPERATOR,
    PATH,
    Receiver,
    answering,
    ask_endpoint,
    endpoint,
    get,
    heard,
    is_signed,
    keyed,
    permitting,
    post,
    receiver,
    rows,
    sent,
)
from tests.registry.issuing import issue_one, ordered, request_body
from tests.registry.next_editions import next_body
from tests.registry.test_bodies import LICENCE_GROUND
from tests.registry.world import Ticker, World, on_sqlite

REGISTRY = Path(__file__).parents[2] / "registry"
URL = "https://hooks.example/licences?key=not-to-be-logged"
NONE = "0" * 32


@pytest.fixture
def hook(world: World) -> Iterator[Receiver]:
    permitting(world)
    with receiver() as made:
        yield made


def changed(world: World, identifier: str, act: str, **more: str) -> None:
    answer = world.post(f"/api/v1/licences/{identifier}/{act}", LICENCE_GROUND | more)
    assert answer.status_code == 200, answer.get_data(as_text=True)


# --- who is told of what -------------------------------------------------------------------------------


def test_an_issued_licence_is_told_signed_and_once(world: World, hook: Receiver) -> None:
    made = endpoint(world, hook.url)
    issued = issue_one(world)
    assert hook.calls == []
    assert sent(world).delivered == 1
    (call,) = hook.calls
    assert is_signed(call, made["secret"], world.ports.clock())
    assert call.told == {
        "type": "licence.issued",
        "timestamp": "2026-11-20T02:30:00Z",
        "data": {
            "event": call.id,
            "identifier": issued.printout.record.identifier,
            "status": "in_force",
            "status_version": 1,
            "effective_from": "2026-11-20",
        },
    }
    assert call.headers["content-type"] == "application/json"
    assert sent(world).delivered == 0
    assert [row.state for row in rows(world)] == ["delivered"]
    assert fsck(world.ports) == []


def test_each_change_is_told_with_what_it_came_to(world: World, hook: Receiver) -> None:
    """In any order: the status version says which is the newest."""
    endpoint(world, hook.url)
    identifier = issue_one(world).printout.record.identifier
    changed(world, identifier, "suspension", ground="penalty")
    changed(world, identifier, "resumption")
    changed(world, identifier, "ending", how="revoked")
    changed(world, identifier, "ending", how="cancelled")
    sent(world)
    told = sorted((call.told for call in hook.calls), key=lambda one: one["data"]["status_version"])
    assert [(one["type"], one["data"]["status"]) for one in told] == [
        ("licence.issued", "in_force"),
        ("licence.suspended", "suspended"),
        ("licence.resumed", "in_force"),
        ("licence.ended", "ended"),
        ("licence.removed", "ended"),
    ]
    assert {one["data"]["identifier"] for one in told} == {identifier}
    assert len({one["data"]["event"] for one in told}) == 5
    for call in hook.calls:
        LicencePayload.model_validate_json(call.body)
        assert set(call.told["data"]) == {"event", "identifier", "status", "status_version", "effective_from"}


def test_a_next_edition_an_inspection_and_what_waits_for_its_day_are_told(
    world: World, hook: Receiver
) -> None:
    endpoint(world, hook.url)
    first = issue_one(world).printout.record.identifier
    made = world.post(f"/api/v1/licences/{first}/replacement", next_body(world), **keyed()).get_json()
    second = made["identifier"]
    changed(world, second, "inspection", period="2026", result="passed")
    later = LICENCE_GROUND | {"how": "revoked", "effective_from": "2026-12-24"}
    planned = world.post(f"/api/v1/licences/{second}/ending", later).get_json()["scheduled"]
    withdrawal = f"/api/v1/licences/{second}/scheduled/{planned['id']}/withdrawal"
    assert world.post(withdrawal, LICENCE_GROUND).status_code == 200
    sent(world)
    told: dict[tuple[str, str], Any] = {}
    for call in hook.calls:
        LicencePayload.model_validate_json(call.body)
        data = call.told["data"]
        told[call.told["type"], data["identifier"]] = data
    assert len(told) == len(hook.calls) == 6
    assert told["licence.issued", second]["previous"] == first
    assert told["licence.replaced", first]["next"] == second
    assert told["licence.replaced", first]["status"] == "ended"
    assert told["licence.inspected", second]["identifier"] == second
    for kind in ("licence.scheduled", "licence.change_withdrawn"):
        said = told[kind, second]
        assert (said["operation"], said["due"], said["scheduled"]) == ("end", "2026-12-24", planned["id"])
        assert "status" not in said


def test_a_batch_is_told_of(world: World, hook: Receiver) -> None:
    endpoint(world, hook.url, events=["batch.accepted", "batch.done"])
    batch_id = batching.sent(world, 2)
    batching.worked(world)
    sent(world)
    told = {call.told["type"]: call.told["data"] for call in hook.calls}
    assert set(told) == {"batch.accepted", "batch.done"}
    for data in told.values():
        assert (data["batch"], data["type"]) == (batch_id, world.type_code)


def test_an_endpoint_is_told_of_the_kinds_and_types_that_it_wants(world: World, hook: Receiver) -> None:
    endpoint(world, f"{hook.url}/ended", events=["licence.ended"])
    endpoint(world, f"{hook.url}/type", types=[world.type_code])
    endpoint(world, f"{hook.url}/all")
    identifier = issue_one(world).printout.record.identifier
    changed(world, identifier, "ending", how="withdrawn")
    sent(world)
    told = sorted((call.path.rpartition("/")[2], call.told["type"]) for call in hook.calls)
    assert told == [
        ("all", "licence.ended"),
        ("all", "licence.issued"),
        ("ended", "licence.ended"),
        ("type", "licence.ended"),
        ("type", "licence.issued"),
    ]
    assert len({call.id for call in hook.calls if call.told["type"] == "licence.ended"}) == 1


def test_nobody_is_told_of_another_agency_or_of_types_that_are_not_theirs(
    world: World, hook: Receiver
) -> None:
    endpoint(world, hook.url, client="other-system")
    issue_one(world)
    assert not sent(world)
    mine = endpoint(world, hook.url)
    with world.ports.database.transaction() as session:
        own = session.query(ClientType).where(ClientType.client_id == world.clients["system"].id)
        types = [row.type_code for row in own]
        own.delete()
    issued_elsewhere(world)
    assert not sent(world)
    with world.ports.database.transaction() as session:
        session.add_all(ClientType(client_id=world.clients["system"].id, type_code=code) for code in types)
    issue_one(world)
    assert sent(world).delivered == 1
    assert {row.endpoint_id for row in rows(world)} == {mine["id"]}


def issued_elsewhere(world: World) -> None:
    """An event about a licence of the agency's, as another of its clients would bring about."""
    from registry.log.rules import Ground, record_event
    from signing.codes import make_identifier

    with world.ports.database.transaction() as session:
        record_event(
            session, kind="licence.issued", subject_kind="edition", subject=NONE,
            ground=Ground("law", "issued", world.today), actor=replace(world.actor(), operator="window-03"),
            now=world.ports.clock(),
            random=world.ports.random,
            detail={"identifier": make_identifier(world.type_code, world.codes["own"], "000000001", 1)},
        )  # fmt: skip


def test_what_is_not_recorded_is_not_told(world: World, hook: Receiver) -> None:
    endpoint(world, hook.url)
    identifier = issue_one(world).printout.record.identifier
    commits: list[int] = []

    def fail_once(_connection: object) -> None:
        commits.append(1)
        if len(commits) == 1:
            raise OperationalError("", None, Exception("injected"))

    event.listen(world.ports.database.write, "commit", fail_once)
    ending = LICENCE_GROUND | {"how": "revoked"}
    answers = [world.post(f"/api/v1/licences/{identifier}/ending", ending) for _ in range(2)]
    event.remove(world.ports.database.write, "commit", fail_once)
    assert [answer.status_code for answer in answers] == [503, 200]
    assert len(rows(world)) == 2


def test_events_of_a_group_cost_the_statements_of_one(world: World, hook: Receiver) -> None:
    """And where an agency has no endpoint, one look-up."""

    def asked(count: int) -> list[str]:
        statements: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            statements.append(statement)

        orders = [ordered(request_body(world)) for _ in range(count)]
        event.listen(world.ports.database.write, "before_cursor_execute", note)
        try:
            assert all(isinstance(one, Issued) for one in issue_many(world.ports, world.actor(), orders))
        finally:
            event.remove(world.ports.database.write, "before_cursor_execute", note)
        return [one for one in statements if "webhook" in one]

    issue_one(world)  # what is asked once a process was asked
    assert [len(asked(count)) for count in (1, 5)] == [1, 1]
    endpoint(world, hook.url)
    endpoint(world, hook.url + "/too")
    assert [len(asked(count)) for count in (1, 5)] == [2, 2]
    assert len(rows(world)) == 12


def test_every_kind_of_event_about_licences_batches_and_cases_is_told_or_listed_as_told_to_nobody() -> None:
    found = set()
    for file in REGISTRY.rglob("*.py"):
        if "webhooks" not in file.parts:
            found |= set(re.findall(r'"(licence\.[a-z_]+)"', file.read_text()))
    batch = {f"batch.{what}" for what in ("accepted", "cancelled", "done")}
    stamped = {"licence.time_stamped", "licence.archive_stamped"}
    no_events = {"licence.id", "licence.pdf", "licence.html"}  # a column, and files' names
    of_cases = {kind for kind in ACCOUNTED if kind.startswith(("case.", "sub_case."))}
    told = (found - no_events) | stamped | batch | of_cases
    assert told == {*KINDS, *UNTOLD}, "some are made from parts"


# --- endpoints -----------------------------------------------------------------------------------------


def test_a_secret_is_told_once_kept_encrypted_and_never_logged(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    answer = ask_endpoint(world, URL)
    made = answer.get_json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{PATH}/{made['id']}"
    assert answer.headers["Cache-Control"] == "no-store"
    secret = heard(made["secret"])
    assert len(secret) == 32
    shown = get(world, made["id"])
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert world.get(PATH).get_json() == {"endpoints": [shown]}
    assert [one["number"] for one in shown["secrets"]] == [1]
    said = capsys.readouterr().err
    for private in (made["secret"], made["secret"].removeprefix(PREFIX), "not-to-be-logged"):
        assert private not in said
    with Session(world.ports.database.read) as session:
        (kept,) = session.scalars(select(WebhookSecret.secret)).all()
        (recorded,) = session.scalars(select(Event).where(Event.kind == "webhook.registered")).all()
    assert secret not in kept
    assert recorded.detail == {"origin": "https://hooks.example", "events": [], "types": []}
    assert (recorded.client_id, recorded.operator) == (world.clients["system"].id, "window-03")


def test_the_very_same_request_is_told_the_same_secret_for_an_hour(world: World, clock: Ticker) -> None:
    made = endpoint(world, URL, key="one")
    again = ask_endpoint(world, URL, key="one")
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.get_json() == made
    other = ask_endpoint(world, URL, key="one", events=["licence.ended"])
    assert (other.status_code, other.get_json()["reason"]) == (422, "key_reused")
    theirs = endpoint(world, URL, key="one", client="other-system")
    assert theirs["secret"] != made["secret"]
    clock.advance(TOLD_AGAIN)
    late = ask_endpoint(world, URL, key="one").get_json()
    assert late == made | {"secret": None}
    missing = world.post(PATH, {"url": URL, **OPERATOR})
    assert (missing.status_code, missing.get_json()["reason"]) == (400, "idempotency_key")
    with Session(world.ports.database.read) as session:
        assert session.scalar(select(func.count()).select_from(WebhookEndpoint)) == 2


def test_old_and_new_secret_both_sign_for_a_while(world: World, clock: Ticker, hook: Receiver) -> None:
    made = endpoint(world, hook.url)
    path = f"{made['id']}/secret-rotation"
    second = post(world, path, {"overlap_hours": 2})
    assert second["secret"] != made["secret"]
    assert [one["number"] for one in second["secrets"]] == [2, 1]

    def signers() -> list[bool]:
        issue_one(world)
        assert sent(world).delivered == 1
        return [is_signed(hook.calls[-1], one["secret"], clock()) for one in (made, second)]

    assert signers() == [True, True]
    clock.advance(timedelta(hours=2, seconds=-1))
    assert signers() == [True, True]
    clock.advance(timedelta(seconds=1))
    assert signers() == [False, True]
    third = post(world, path, {"overlap_hours": 0})
    assert signers() == [False, False]
    assert is_signed(hook.calls[-1], third["secret"], clock())
    assert [one["number"] for one in third["secrets"]] == [3]


def test_a_rotation_that_is_repeated_rotates_once(world: World, clock: Ticker) -> None:
    made = endpoint(world, URL)
    path = f"{PATH}/{made['id']}/secret-rotation"
    first, again = (world.post(path, OPERATOR, **keyed("turn")) for _ in range(2))
    assert first.get_json() == again.get_json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert ask_endpoint(world, URL, key="turn").get_json()["reason"] == "key_reused"
    world.post(path, OPERATOR | {"overlap_hours": 0}, **keyed("turn-2"))
    assert world.post(path, OPERATOR, **keyed("turn")).get_json()["secret"] is None, "it signs no more"
    for _ in range(MAX_SIGNING - 1):
        post(world, f"{made['id']}/secret-rotation", {"overlap_hours": 24})
    assert post(world, f"{made['id']}/secret-rotation", status=409)["reason"] == "too_many_secrets"
    post(world, f"{made['id']}/secret-rotation", {"overlap_hours": 0})
    assert len(get(world, made["id"])["secrets"]) == 1


def test_what_is_no_endpoint_is_refused_in_words(world: World) -> None:
    cases: list[tuple[Mapping[str, Any], int, str, str]] = [
        ({"url": "http://hooks.example/"}, 422, "url_scheme", "/url"),
        ({"url": "https://127.0.0.1/"}, 422, "address_refused", "/url"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, 422, "address_refused", "/url"),
        ({"url": "https://u:p@hooks.example/"}, 422, "url", "/url"),
        ({"url": URL, "events": ["licence.abandoned"]}, 422, "invalid_fields", "/events/0"),
        ({"url": URL, "types": [world.types["other"]]}, 422, "type_not_entitled", "/types/0"),
        ({"url": URL, "operator": None}, 422, "operator", "/operator"),
        ({"url": URL, "secret": "whsec_mine"}, 422, "invalid_fields", "/secret"),
    ]
    for body, status, reason, pointer in cases:
        answer = world.post(PATH, {**OPERATOR, **body}, **keyed())
        told = answer.get_json()
        assert (answer.status_code, told["reason"]) == (status, reason), body
        assert [fault["pointer"] for fault in told["errors"]] == [pointer], body


def test_a_client_s_endpoints_are_its_own(world: World) -> None:
    made = endpoint(world, URL)
    paths = ("", "/deliveries", f"/deliveries/{NONE}")
    acts = (
        "/secret-rotation",
        "/activation",
        "/deactivation",
        "/redelivery",
        f"/deliveries/{NONE}/redelivery",
    )
    body = {"/redelivery": {"since": "2026-11-20T00:00:00Z"}}
    for client in ("other-system",):
        for path in paths:
            assert world.get(f"{PATH}/{made['id']}{path}", client).status_code == 404
        for act in acts:
            asked = world.post(f"{PATH}/{made['id']}{act}", OPERATOR | body.get(act, {}), client, **keyed())
            assert (asked.status_code, asked.get_json()["reason"]) == (404, "webhook_unknown"), act
        assert world.get(PATH, client).get_json() == {"endpoints": []}
    assert world.get(PATH, "desk").get_json()["reason"] == "scope"
    assert world.get(PATH, "system", "keeper").get_json()["reason"] == "role"
    assert ask_endpoint(world, URL, client="desk").get_json()["reason"] == "scope"
    assert world.get(f"{PATH}/{NONE}").get_json()["reason"] == "webhook_unknown"
    by_a_person = world.post(PATH, {"url": URL}, "system", "officer", **keyed())
    assert by_a_person.status_code == 201


def test_one_that_is_deactivated_is_told_nothing_until_it_is_activated(world: World, hook: Receiver) -> None:
    made = endpoint(world, hook.url)
    assert post(world, f"{made['id']}/deactivation")["state"] == "disabled"
    assert post(world, f"{made['id']}/deactivation")["state"] == "disabled"
    issue_one(world)
    assert not sent(world)
    assert rows(world) == []
    assert post(world, f"{made['id']}/activation")["state"] == "active"
    issue_one(world)
    assert sent(world).delivered == 1
    with Session(world.ports.database.read) as session:
        kinds = session.scalars(select(Event.kind).where(Event.subject == made["id"])).all()
    assert sorted(kinds) == ["webhook.disabled", "webhook.enabled", "webhook.registered"]


def test_an_address_that_is_no_longer_permitted_is_neither_called_nor_activated(
    world: World, hook: Receiver
) -> None:
    made = endpoint(world, hook.url)
    issue_one(world)
    permitting(world, "")
    assert sent(world).failed == 1
    assert hook.calls == []
    assert [row.reason for row in rows(world)] == ["address_refused"]
    post(world, f"{made['id']}/deactivation")
    assert post(world, f"{made['id']}/activation", status=422)["reason"] == "url_scheme"


@on_sqlite
def test_there_is_room_for_so_many_and_they_are_listed_in_pages(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [endpoint(world, URL)["id"] for _ in range(MAX_ACTIVE)]
    full = ask_endpoint(world, URL)
    assert (full.status_code, full.get_json()["reason"]) == (409, "too_many_webhooks")
    post(world, f"{ids[0]}/deactivation")
    ids.append(endpoint(world, URL)["id"])
    assert post(world, f"{ids[0]}/activation", status=409)["reason"] == "too_many_webhooks"
    listed, path = [], PATH
    monkeypatch.setattr("registry.webhooks.rules.endpoints.__defaults__", (4,))
    while path:
        page = world.get(path).get_json()
        listed += [one["id"] for one in page["endpoints"]]
        path = page.get("next")
    assert listed == sorted(ids)
    assert world.get(f"{PATH}?after=x").get_json()["reason"] == "query"


def test_deliveries_are_listed_in_pages_the_newest_first(
    world: World, clock: Ticker, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several of one instant among them, in whatever states."""
    made = endpoint(world, hook.url)
    identifier = issue_one(world).printout.record.identifier
    for number in range(3):
        changed(world, identifier, "suspension", ground="other")
        clock.advance(timedelta(seconds=number))
        changed(world, identifier, "resumption")
        sent(world, answering(Outcome(204 if number else None, None if number else "timeout")))
    with world.ports.database.transaction() as session:
        failed = update(WebhookDelivery).where(WebhookDelivery.reason == "timeout")
        session.execute(failed.values(state="dead", due_at=None))
    changed(world, identifier, "ending", how="annulled")
    wanted = [row.event_id for row in reversed(rows(world))]
    assert len(wanted) == 8
    monkeypatch.setattr("registry.webhooks.rules.deliveries.__defaults__", (3,))
    for query, states in (
        ("", {"dead", "delivered", "waiting"}),
        *((f"?state={s}", {s}) for s in ("dead", "delivered")),
    ):
        listed: list[dict[str, Any]] = []
        path = f"{PATH}/{made['id']}/deliveries{query}"
        while path:
            page = world.get(path).get_json()
            assert 1 <= len(page["deliveries"]) <= 3
            listed += page["deliveries"]
            path = page.get("next")
        assert {one["state"] for one in listed} == states
        assert [one["event"] for one in listed] == [
            one for one in wanted if one in {each["event"] for each in listed}
        ]
        assert (len(listed) == 8) is (query == "")
    for query in ("?state=lost", "?after=x", f"?after={NONE}"):
        assert world.get(f"{PATH}/{made['id']}/deliveries{query}").status_code in {404, 422}


def test_fsck_names_a_secret_that_was_altered_and_a_delivery_of_another_agency_s_event(
    world: World, hook: Receiver
) -> None:
    made = endpoint(world, hook.url)
    theirs = endpoint(world, hook.url, client="other-system")
    issue_one(world)
    assert fsck(world.ports) == []
    with world.ports.database.transaction() as session:
        session.execute(update(WebhookDelivery).values(endpoint_id=theirs["id"]))
        mine = update(WebhookSecret).where(WebhookSecret.endpoint_id == made["id"])
        session.execute(mine.values(secret=b"\x01\x00\x00\x00\x01" + bytes(60)))
    assert fsck(world.ports) == [
        f"webhook {made['id']} has a secret 1 that cannot be read (record_damaged)",
        f"webhook {theirs['id']} is to be told of an event of another agency",
    ]
