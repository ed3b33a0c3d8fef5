"""Every route of the agency API, asked by every kind of caller: the answers are those of the one table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from joserfc.jwk import ECKey

from registry import web
from registry.agencies.enrolments import decide
from registry.agencies.rules import ROLES, SCOPES, add_client, add_person
from registry.permissions import PEOPLE, TABLE, Caller, Permission
from tests.registry.batching import sent
from tests.registry.delivering import pick_up
from tests.registry.hooking import endpoint, rows
from tests.registry.issuing import issue_one, request_body
from tests.registry.test_administrators import auditor_headers
from tests.registry.test_bodies import Right, right_requests
from tests.registry.world import CLIENT_ASSERTION, JWT_BEARER, Holder, World, on_sqlite

DENIED = {"scope", "role", "person_required", "seal_authority", "duty"}
"""Reasons of a refusal that rest on who asks alone."""

QUERIES = {
    "licence_life.past_status": "?at=2026-11-19T00:00:00Z&clock=recorded",
    "oversight.find": "?from=2026-11-01&to=2026-11-30",
}
"""What a route wants to be asked beside its path."""


@dataclass(frozen=True)
class Asking:
    """A kind of caller: an agency's system or a person through it, and the scopes of their token."""

    name: str
    headers: Mapping[str, str]
    scopes: frozenset[str] = frozenset()
    role: str | None = None  # None: a system
    authority: bool = False
    auditor: bool = False

    def may(self, permission: Permission) -> bool:
        """What the table says of it."""
        if permission.public:
            return True
        if not self.headers or self.auditor:
            return self.auditor and Caller.AUDITOR in permission.who
        if permission.scope is not None and permission.scope not in self.scopes:
            return False
        if self.role is None:
            return Caller.SYSTEM in permission.who
        if permission.who >= PEOPLE:
            return True
        if self.authority and Caller.AUTHORITY in permission.who:
            return True
        mine = Caller(self.role)
        return mine in permission.who and (self.authority or mine not in {Caller.APPROVER, Caller.MAKER})


def callers(world: World) -> list[Asking]:
    """Nobody; systems by scope; people of each role, of the agency and of the seal authority; the auditor."""
    found = [Asking("nobody", {}), Asking("auditor", auditor_headers(world), auditor=True)]
    for scope in ("licence", "seal", "use", "licence seal use"):
        token = world.ask_token("system", scope=scope).get_json()["access_token"]
        found.append(
            Asking(f"system: {scope}", {"Authorization": f"Bearer {token}"}, frozenset(scope.split()))
        )
    ports = world.ports
    for where in ("own", "authority"):
        through = ECKey.generate_key("P-256")
        with ports.database.transaction() as session:
            client = add_client(
                session, ports, world.system, agency_code=world.codes[where], name="all", scopes=SCOPES, types=[],
                jwks=[through.as_dict(private=False)],
            )  # fmt: skip
            decide(
                session, ports, world.security, subject=client.id, approve=True, seen=[through.thumbprint()]
            )
        for role in sorted(ROLES):
            key = ECKey.generate_key("P-256")
            with ports.database.transaction() as session:
                person = add_person(
                    session, ports, world.system, agency_code=world.codes[where], name=role, roles=[role],
                    jwk=key.as_dict(private=False),
                )  # fmt: skip
                decide(
                    session, ports, world.security, subject=person.id, approve=True, seen=[key.thumbprint()]
                )
            form = {
                "grant_type": JWT_BEARER,
                "client_assertion_type": CLIENT_ASSERTION,
                "client_assertion": world.assertion(Holder(client.id, through, "")),
                "assertion": world.assertion(Holder(person.id, key, "")),
            }
            token = world.http.post("/oauth2/token", data=form).get_json()["access_token"]
            found.append(
                Asking(
                    f"{role} of {where}", {"Authorization": f"Bearer {token}"}, frozenset(SCOPES), role,
                    where == "authority",
                )
            )  # fmt: skip
    return found


def reading(world: World) -> dict[str, Right]:
    """What is read, by endpoint, each about something that there is; and the routes that take no JSON."""
    seal, applied = {"code": world.seal_code}, world.apply_for_seal()
    hook = {"endpoint_id": endpoint(world, "https://hooks.example/read")["id"]}
    licence = {"identifier": issue_one(world).printout.record.identifier}
    batch = {"batch_id": sent(world, 1)}
    link = {**licence, "pick_up_id": pick_up(world, licence["identifier"])["id"]}
    return {
        "webhooks.index": Right({}, None, None),
        **{name: Right(hook, None, None) for name in ("webhooks.show", "webhooks.deliveries")},
        "webhooks.delivery": Right({**hook, "event_id": rows(world)[0].event_id}, None, None),
        **{name: Right({}, None, None) for name in ("agencies.self", "seals.listing", "licence_search.find")},
        **{name: Right(seal, None, None) for name in ("seals.show", "seal_records.impact_list", "seal_records.use_ledger")},
        **{
            name: Right({"approval_id": applied["id"]}, None, None)
            for name in ("seals.show_application", "seals.show_approval", "seal_records.picture")
        },
        **{name: Right(licence, None, None) for name in ("licences.show", "licences.document", "licence_life.history", "licence_life.past_status")},
        **{name: Right(batch, None, None) for name in ("batches.show", "batches.items", "batches.documents")},
        "batches.create": Right({}, None, request_body(world)),
        "delivery.index": Right(licence, None, None),
        "delivery.show": Right(link, None, None),
        "oversight.find": Right({}, None, None),
        "audit.page": Right({"ledger": "events"}, None, None),
    }  # fmt: skip


def test_every_route_has_a_row_and_every_row_a_route(world: World) -> None:
    assert {rule.endpoint for rule in world.app.url_map.iter_rules()} == set(TABLE)
    assert {permission.scope for permission in TABLE.values()} == {None, *SCOPES}


@on_sqlite
@pytest.mark.timeout(600)
def test_each_route_answers_each_caller_as_the_table_says(world: World) -> None:
    asked = {**reading(world), **right_requests(world)}
    everybody = callers(world)
    wrong: list[tuple[str, str, int, Any]] = []
    told = set()
    for rule in world.app.url_map.iter_rules():
        permission = TABLE[rule.endpoint]
        if permission.public or rule.endpoint.startswith(f"{web.CONSOLE}."):
            continue
        (method,) = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        right = asked[rule.endpoint]
        with world.app.test_request_context():
            about: dict[str, Any] = dict(right.about)
            path = world.app.url_for(rule.endpoint, **about) + QUERIES.get(rule.endpoint, "")
        for one in sorted(
            everybody, key=lambda one: one.may(permission)
        ):  # who may not first: it stays as it is
            if one.name == "keeper of authority" and permission.who == {Caller.KEEPER, Caller.APPROVER}:
                continue  # a keeper, but not of the agency whose seal it is
            key = f"{rule.endpoint} {one.name}".replace(" ", "-")  # of each act its own
            headers = {**one.headers, "Idempotency-Key": key}
            body: dict[str, Any] = {} if right.body is None else {"json": right.body}
            if rule.endpoint == "batches.create":
                body = {"data": json.dumps(right.body), "content_type": "application/x-ndjson"}
            answer = world.http.open(path, method=method, headers=headers, **body)
            reason = (answer.get_json(silent=True) or {}).get("reason")
            refused = answer.status_code == 401 or (answer.status_code == 403 and reason in DENIED)
            if refused == one.may(permission):
                wrong.append((rule.endpoint, one.name, answer.status_code, reason))
            told.add((rule.endpoint, one.name))
    assert wrong == []
    assert {endpoint for endpoint, _ in told} == {
        endpoint
        for endpoint, permission in TABLE.items()
        if not permission.public and not endpoint.startswith(f"{web.CONSOLE}.")
    }
    assert len(everybody) == 18
