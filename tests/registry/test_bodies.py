"""Whatever is sent to a route that changes something gets an answer. The catch-all is off: a defect is raised.

The routes are those of the application itself, and each needs a right request here: none can be forgotten.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, note, settings
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from registry import web
from registry.agencies.api import TOKEN_ENDPOINT
from registry.licences.fsck import fsck
from registry.licences.tables import Intent
from tests.hostile import json_bodies
from tests.intake.casework import case_requests
from tests.intake.exchanging import exchange_requests
from tests.intake.joint_casework import sub_case_requests
from tests.postgres import Backend
from tests.registry.batching import sent
from tests.registry.copying import copy_body, make_copy
from tests.registry.delivering import pick_up, use_body
from tests.registry.hooking import endpoint, rows
from tests.registry.issuing import issue_one, request_body
from tests.registry.next_editions import next_body
from tests.registry.world import BASIS, World, on_sqlite
from tests.signing.test_seal_upload import imprint, png

LICENCE_GROUND = {
    "legal_basis": "食品安全法 第一百三十二条",
    "reason_code": "expired_food",
    "operator": "window-03",
}
_numbers = count(1)


@dataclass(frozen=True)
class Right:
    """A request that its route accepts: about what, by whom, with which body; None where it takes none."""

    about: Mapping[str, str]  # the variables of the path
    person: str | None  # through their agency's system; None: the system of `own` alone
    body: Mapping[str, Any] | None = field(default_factory=dict)


def right_requests(world: World) -> dict[str, Right]:
    """By endpoint; sent in the order of the routes, each finds its seal, licence or request as it wants it."""
    seal = "/api/v1/seals"
    applied = world.apply_for_seal()
    filed = world.made_seal()
    world.act("maker", f"{seal}/{filed}/filing", {})
    active, suspended = world.active_seal(), world.active_seal()
    world.act("keeper", f"{seal}/{suspended}/suspension", BASIS)
    asked = world.act("keeper", f"{seal}/{suspended}/resumption-request", BASIS, 202)
    cancelled = world.active_seal()
    world.decide(world.act("keeper", f"{seal}/{cancelled}/cancellation-request", BASIS, 202))
    picture = base64.b64encode(png(imprint())).decode()
    used = {"code": world.seal_code}
    face = {"kind": "special", "name": "云溪省样本局", "bottom_text": "许可专用章"}
    hook = {"endpoint_id": endpoint(world, "https://8.8.8.8/")["id"]}
    operator = {"operator": "window-03"}
    licences = [{"identifier": issue_one(world).printout.record.identifier} for _ in range(9)]
    given = issue_one(world).printout
    delivered = {"identifier": given.record.identifier}
    link = {**delivered, "pick_up_id": pick_up(world, delivered["identifier"])["id"]}
    later = world.post(
        f"/api/v1/licences/{licences[8]['identifier']}/ending",
        LICENCE_GROUND | {"how": "revoked", "effective_from": "2026-12-24"},
    )
    shown = {"identifier": issue_one(world).printout.record.identifier}
    copy = {**shown, "copy_id": make_copy(world, shown["identifier"]).edition_id}
    told = rows(world)[0].event_id
    world.post(
        f"/api/v1/licences/{licences[1]['identifier']}/suspension", LICENCE_GROUND | {"ground": "other"}
    )
    permission = {
        "client_id": world.clients["system"].id,
        "type_code": world.type_code,
        "valid_from": world.today.isoformat(),
        "valid_to": (world.today + timedelta(days=1)).isoformat(),
        "daily_limit": 1,
    }

    def decision(of: Mapping[str, Any]) -> dict[str, Any]:
        return {"decision": "approve", "payload_sha256": of["payload_sha256"]}

    def authorised() -> dict[str, str]:
        return {**used, "authorisation_id": world.authorise(used["code"])}

    return {
        "seals.apply": Right({}, "applicant", {**face, "bottom_text": None, "picture": picture}),
        "seals.decide_application": Right({"approval_id": applied["id"]}, "approver", decision(applied)),
        "seals.making": Right({"code": world.approved_seal()}, "maker"),
        "seals.certification_request": Right({"code": world.approved_seal()}, "maker"),
        "seals.filing": Right({"code": world.made_seal()}, "maker"),
        "seals.activation": Right({"code": filed}, "keeper"),
        "seals.apply_for_renewal": Right(used, "applicant"),
        "seals.apply_for_change": Right(used, "applicant", face),
        "seals.report_lost": Right(
            {"code": world.active_seal()}, "keeper", {"legal_basis": BASIS["legal_basis"]}
        ),
        "seals.seal_away": Right({"code": cancelled, "number": "1"}, "maker", BASIS),
        "seals.suspension": Right({"code": active}, "keeper", BASIS),
        "seals.request_resumption": Right({"code": suspended}, "keeper", BASIS),
        "seals.request_cancellation": Right(
            {"code": active}, "keeper", BASIS | {"compromised_since": "2026-11-19T00:00:00Z"}
        ),
        "seals.decide_change": Right({"approval_id": asked["id"]}, "approver", decision(asked)),
        "seals.authorise": Right(used, "keeper", permission),
        "seals.withdraw": Right(authorised(), "keeper"),
        "seals.delete_authorisation": Right(authorised(), "keeper", None),
        "webhooks.create": Right({}, None, {"url": "https://hooks.example/", **operator}),
        "webhooks.rotate": Right(hook, None, operator),
        "webhooks.deactivate": Right(
            {"endpoint_id": endpoint(world, "https://8.8.8.8/")["id"]}, None, operator
        ),
        "webhooks.activate": Right(hook, None, operator),
        "webhooks.redeliver": Right({**hook, "event_id": told}, None, operator),
        "webhooks.redeliver_dead": Right(hook, None, {"since": "2026-11-20T00:00:00Z", **operator}),
        **case_requests(world),
        **exchange_requests(world),
        **sub_case_requests(world),
        "delivery.create": Right(
            delivered, None, {"channel": "none", "language": "es", "hours": 24, **operator}
        ),
        "delivery.withdraw": Right(
            link, None, {"legal_basis": "样本办法", "reason_code": "sent_astray", **operator}
        ),
        "uses.create": Right(delivered, None, use_body(given)),
        "batches.cancel": Right({"batch_id": sent(world, 1)}, None, {"operator": "window-03"}),
        "licences.create": Right({}, None, request_body(world)),
        "licence_life.amendment": Right(licences[3], None, next_body(world, fields={"premises": "甲路1号"})),
        "licence_life.renewal": Right(licences[4], None, next_body(world, fields={"valid_to": "2031-11-20"})),
        "licence_life.correction": Right(licences[5], None, next_body(world, fields={"premises": "甲路1号"})),
        "licence_life.replacement": Right(licences[6], None, next_body(world)),
        "licence_life.suspension": Right(
            licences[0], None, LICENCE_GROUND | {"ground": "penalty", "until": "2026-12-24"}
        ),
        "licence_life.resumption": Right(licences[1], None, LICENCE_GROUND | {"status_version": 2}),
        "licence_life.ending": Right(licences[2], None, LICENCE_GROUND | {"how": "revoked"}),
        "licence_life.inspection": Right(
            licences[7], None, LICENCE_GROUND | {"period": "2026", "result": "passed"}
        ),
        "licence_copies.create": Right(shown, None, copy_body(world)),
        "licence_copies.withdrawal": Right(copy, None, LICENCE_GROUND),
        "licence_presentations.create": Right(shown, None, {"operator": "window-03", "seconds": 90}),
        "licence_life.scheduled_withdrawal": Right(
            licences[8] | {"scheduled": later.get_json()["scheduled"]["id"]}, None, LICENCE_GROUND
        ),
    }


def writing(app: Flask) -> Iterator[tuple[str, str]]:
    """(endpoint, method) of every route that takes JSON and changes something. The token endpoint takes a form
    (test_auth.py), a new batch lines (test_batches.py), materials and signed forms files (test_materials.py, test_application_form.py), pages forms of their own (test_sign_in.py, test_pick_ups.py, tests/applicants).
    """
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith((f"{web.CONSOLE}.", f"{web.HOLDER}.", f"{web.APPLICANT}.")):
            continue
        for method in sorted((rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}):
            if rule.endpoint not in {
                TOKEN_ENDPOINT,
                "batches.create",
                "case_materials.put",
                "case_forms.sign",
            }:
                yield rule.endpoint, method


@dataclass(frozen=True)
class Sender:
    """Sends bytes or JSON to a route as whoever may, about what its right request is about."""

    world: World
    endpoint: str
    method: str
    right: Right
    headers: Mapping[str, str]

    def __call__(self, body: object = None, key: str | None = None, **about: str) -> TestResponse:
        """Under a key of its own, where none is given."""
        variables: dict[str, Any] = {**self.right.about, **about}
        with self.world.app.test_request_context():
            path = self.world.app.url_for(self.endpoint, **variables)
        sent = {"data": body} if isinstance(body, bytes | None) else {"json": body}
        return self.world.http.open(
            path,
            method=self.method,
            content_type="application/json",
            headers={**self.headers, "Idempotency-Key": key or f"key-{next(_numbers)}"},
            **sent,
        )


def senders(world: World) -> list[Sender]:
    """One for each route of the application. Raises KeyError for a route without a right request."""
    rights = right_requests(world)
    tokens = {
        person: world.headers("system" if person is None else world.system_of(person), person)
        for person in {right.person for right in rights.values()}
    }
    return [
        Sender(world, endpoint, method, rights[endpoint], tokens[rights[endpoint].person])
        for endpoint, method in writing(world.app)
    ]


@on_sqlite
def test_right_requests_are_accepted_and_a_line_feed_at_the_end_of_a_value_is_part_of_it(
    world: World,
) -> None:
    """Where `$` ends a pattern a line feed would be overlooked, and pass for a code that no rule allows."""
    asked = senders(world)
    for send in asked:
        right = send.right.body or {}
        for name, value in right.items():
            if isinstance(value, str):
                answer = send({**right, name: f"{value}\n"})
                told = [fault["pointer"] for fault in answer.get_json().get("errors", [])]
                assert (answer.status_code, told) == (422, [f"/{name}"]), (send.endpoint, name)
        for name, value in send.right.about.items():
            assert send(send.right.body, **{name: f"{value}\n"}).status_code == 404, (send.endpoint, name)
    for send in asked:
        answer = send(send.right.body)
        assert answer.status_code in {200, 201, 202}, (send.endpoint, answer.get_data(as_text=True))


def test_no_body_is_a_defect_and_none_leaves_anything_half_done(worlds: dict[Backend, World]) -> None:
    """Each route on one of the databases, in turn."""
    for which, world in enumerate(worlds.values()):
        send_to_each(world, senders(world)[which :: len(worlds)])


@pytest.mark.long(short="test_no_body_is_a_defect_and_none_leaves_anything_half_done")
def test_no_body_is_a_defect_on_either_database(world: World) -> None:
    send_to_each(world, senders(world))


def send_to_each(world: World, asked: list[Sender]) -> None:
    for send in asked:
        send_anything(send)
    assert world.defects.total == 0
    with Session(world.ports.database.read) as session:
        opened = select(func.count()).select_from(Intent).where(Intent.state == "open")
        assert session.scalar(opened) == 0
    assert fsck(world.ports) == []


def send_anything(send: Sender) -> None:
    @settings(max_examples=30)
    @given(json_bodies(send.right.body or {}))
    def ask(body: bytes) -> None:
        note(send.endpoint)
        answer = send(body)
        if answer.status_code >= 400:
            assert answer.status_code < 500
            assert answer.content_type == "application/problem+json"
            assert answer.get_json()["reason"]

    ask()
