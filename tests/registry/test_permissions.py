"""Every route of the agency API, asked by every kind of caller: the answers are those of the one table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from joserfc.jwk import ECKey

from registry import web
from registry.agencies.auth import CLIENT_CREDENTIALS
from registry.agencies.enrolments import decide
from registry.agencies.rules import ROLES, SCOPES, add_client, add_person
from registry.described import IF_NONE_MATCH, operations
from registry.permissions import PEOPLE, TABLE, Caller, Permission
from tests.archive.keeping import archived_package
from tests.intake.casework import MATTER, filed_case, formed_case, supplied_case
from tests.intake.joint_casework import joint_case, joint_material
from tests.registry.batching import sent
from tests.registry.copying import make_copy
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
    for scope in ("licence", "seal", "use", "case", "licence seal use case"):
        token = world.ask_token("system", scope=scope).get_json()["access_token"]
        found.append(
            Asking(f"system: {scope}", {"Authorization": f"Bearer {token}"}, frozenset(scope.split()))
        )
    return [*found, *staff(world, "own")[1:], *staff(world, "authority")[1:]]


def staff(world: World, where: str) -> list[Asking]:
    """A system of an agency with all scopes, and a person of each role through it."""
    ports = world.ports
    through = ECKey.generate_key("P-256")
    with ports.database.transaction() as session:
        client = add_client(
            session, ports, world.system, agency_code=world.codes[where], name="all", scopes=SCOPES, types=[],
            jwks=[through.as_dict(private=False)],
        )  # fmt: skip
        decide(session, ports, world.security, subject=client.id, approve=True, seen=[through.thumbprint()])
    form = {
        "grant_type": CLIENT_CREDENTIALS,
        "client_assertion_type": CLIENT_ASSERTION,
        "client_assertion": world.assertion(Holder(client.id, through, "")),
    }
    token = world.http.post("/oauth2/token", data=form).get_json()["access_token"]
    found = [Asking(f"system of {where}", {"Authorization": f"Bearer {token}"}, frozenset(SCOPES))]
    for role in sorted(ROLES):
        key = ECKey.generate_key("P-256")
        with ports.database.transaction() as session:
            person = add_person(
                session, ports, world.system, agency_code=world.codes[where], name=role, roles=[role],
                jwk=key.as_dict(private=False),
            )  # fmt: skip
            decide(session, ports, world.security, subject=person.id, approve=True, seen=[key.thumbprint()])
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
    copy = {**licence, "copy_id": make_copy(world, licence["identifier"]).edition_id}
    batch = {"batch_id": sent(world, 1)}
    link = {**licence, "pick_up_id": pick_up(world, licence["identifier"])["id"]}
    material, (formed, _) = supplied_case(world), formed_case(world)
    return {
        "licence_copies.index": Right(licence, None, None),
        **{name: Right(copy, None, None) for name in ("licence_copies.show", "licence_copies.document")},
        "webhooks.index": Right({}, None, None),
        **{name: Right(hook, None, None) for name in ("webhooks.show", "webhooks.deliveries")},
        "webhooks.delivery": Right({**hook, "event_id": rows(world)[0].event_id}, None, None),
        **{name: Right({}, None, None) for name in ("agencies.self", "seals.listing", "seals.waiting", "licence_search.find", "batches.index")},
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
        "cases.matters": Right({}, None, None),
        **{name: Right({"matter_code": MATTER}, None, None) for name in ("cases.matter", "exchange.sources")},
        "cases.index": Right({}, None, None),
        "cases.show": Right({"case_id": filed_case(world)}, None, None),
        **{name: Right({"case_id": filed_case(world)}, None, None) for name in ("exchange.retrievals", "exchange.case_tasks")},
        **{name: Right({}, None, None) for name in ("exchange.agency_tasks", "exchange.errors")},
        "case_materials.index": Right({"case_id": material["case_id"]}, None, None),
        "case_materials.show": Right(material, None, None),
        "case_materials.put": Right({name: material[name] for name in ("case_id", "material_code")}, None, {}),
        "case_forms.show": Right({"case_id": formed}, None, None),
        "case_forms.sign": Right({"case_id": formed}, None, {}),
        "sub_cases.index": Right({}, None, None),
        "sub_cases.material": Right(joint_material(world), None, None),
        "sub_cases.show": Right({"sub_case_id": joint_case(world, "own", "authority")}, None, None),
        "oversight.find": Right({}, None, None),
        "archive.find": Right({}, None, None),
        "archive.statistics": Right({}, None, None),
        "archive.show": Right({"package_id": archived_package(world)}, None, None),
        "audit.page": Right({"ledger": "events"}, None, None),
    }  # fmt: skip


def path_to(world: World, endpoint: str, right: Right) -> str:
    """What the right request is about, and how it is asked."""
    about: dict[str, Any] = dict(right.about)
    with world.app.test_request_context():
        return world.app.url_for(endpoint, **about) + QUERIES.get(endpoint, "")


OF_ANY_AGENCY = {"uses.create": "by the look-up code that the holder has shown (Measures, Art. 8)"}
"""Where one agency meets what is another's, and why it may."""


@on_sqlite
@pytest.mark.timeout(600)
def test_no_agency_meets_what_is_another_s(world: World) -> None:
    """Each route about one thing, asked by another agency's system, and by everybody through it: as if there
    were no such thing. What a seal authority sees is not asked here: it sees every agency's seals.
    """
    asked = {**reading(world), **right_requests(world)}
    outside, met = staff(world, "other"), set()
    for rule in world.app.url_map.iter_rules():
        right = asked.get(rule.endpoint)
        if right is None or not right.about or "ledger" in right.about or rule.endpoint in OF_ANY_AGENCY:
            continue
        (method,) = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        path = path_to(world, rule.endpoint, right)
        for one in outside:
            sent: dict[str, Any] = {} if right.body is None else {"json": right.body}
            headers = {**one.headers, "Idempotency-Key": f"outside-{rule.endpoint}"}
            answer = world.http.open(path, method=method, headers=headers, **sent)
            told = (rule.endpoint, one.name, answer.status_code, answer.text)
            if one.may(TABLE[rule.endpoint]):
                assert answer.status_code == 404, told
                met.add(rule.endpoint)
            else:
                assert answer.status_code in {403, 404}, told
            assert not [one for one in right.about.values() if len(one) > 4 and one in answer.text], told
    authority_alone = {
        name for name, one in TABLE.items()
        if one.who and one.who <= {Caller.APPROVER, Caller.MAKER, Caller.AUDITOR}
    }  # fmt: skip
    about_one = {name for name, right in asked.items() if right.about} - set(OF_ANY_AGENCY) - {"audit.page"}
    assert met == about_one - authority_alone


@on_sqlite
def test_what_a_reader_has_is_not_sent_again(world: World) -> None:
    """Each route that takes `If-None-Match` answers it; each that is about one thing does take it."""
    asked = reading(world)
    tagged, plain = set(), set()
    for rule, method, declared in operations(world.app):
        right = asked.get(rule.endpoint)
        if method != "GET" or right is None or declared is None:
            continue
        if IF_NONE_MATCH not in declared.parameters:
            plain.add(rule.endpoint)
            continue
        path = path_to(world, rule.endpoint, right)
        caller = ("system", "applicant") if rule.endpoint.startswith("seal") else ("system", None)
        headers = world.headers(*caller)
        first = world.http.get(path, headers=headers)
        assert first.status_code == 200, first.text
        tag = first.headers["ETag"]
        assert tag.startswith('"')  # strong: RFC 9110, 8.8.3
        again = world.http.get(path, headers={**headers, "If-None-Match": tag})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag), rule.endpoint
        other = world.http.get(path, headers={**headers, "If-None-Match": '"another"'})
        assert (other.status_code, other.data) == (200, first.data), rule.endpoint
        tagged.add(rule.endpoint)
    assert plain == {
        "agencies.self", "archive.find", "archive.show", "archive.statistics", "audit.page", "batches.documents", "batches.index", "batches.items", "cases.index",
        "cases.matters", "delivery.index", "licence_copies.index",
        "exchange.agency_tasks", "exchange.case_tasks", "exchange.errors", "exchange.retrievals",
        "licence_life.past_status", "licence_search.find", "oversight.find", "seal_records.impact_list", "seal_records.use_ledger",
        "seals.listing", "seals.waiting", "sub_cases.index", "webhooks.deliveries", "webhooks.index",
    }  # fmt: skip
    assert "licences.show" in tagged


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
        path = path_to(world, rule.endpoint, right)
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
    assert len(everybody) == 21
