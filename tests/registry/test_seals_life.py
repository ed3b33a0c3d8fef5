"""The life of a seal over HTTP: who may do what, exactly once, and what is written down."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.log.tables import Event, Leaf
from registry.seals.tables import Certificate, Key, SealEdition, SealState
from tests.registry.world import BASIS, Ticker, World, on_sqlite

SUSPEND, CANCEL, RESUME = "suspension", "cancellation-request", "resumption-request"


def refused(
    world: World, person: str, path: str, body: object, status: int, reason: str, client: str | None = None
) -> None:
    answer = world.post(path, body, client or world.system_of(person), person)
    assert (answer.status_code, answer.get_json().get("reason")) == (status, reason), answer.get_json()
    assert answer.content_type == "application/problem+json"


def state_of(world: World, code: str) -> str:
    return str(world.get(f"/api/v1/seals/{code}").get_json()["state"])


def test_a_seal_passes_through_the_hands_of_five_people(world: World) -> None:
    shown = world.get(f"/api/v1/seals/{world.seal_code}").get_json()
    assert [row["state"] for row in shown["history"]] == ["approved", "made", "filed", "active"]
    assert shown["code"][:6] == "990100"
    assert len(shown["code"]) == 14
    assert len(shown["editions"]) == 1
    assert [row["id"] for row in shown["authorisations"]] == [world.authorisation_id]


def test_each_event_has_one_leaf_and_each_state_its_event(world: World) -> None:
    with Session(world.ports.database.read) as session:
        events = session.scalar(select(func.count()).select_from(Event))
        assert events == session.scalar(select(func.count()).select_from(Leaf))
        kinds = set(session.scalars(select(Event.kind)))
        assert kinds >= {"seal.applied", "seal.approved", "seal.made", "seal.filed", "seal.active"}
        assert kinds >= {"seal.authorised", "key.certified"}
        for row in session.scalars(select(SealState)):
            assert session.get_one(Event, row.event_id).subject == row.seal_code


def test_the_certificate_names_unit_and_seal_code(world: World) -> None:
    from cryptography import x509

    with Session(world.ports.database.read) as session:
        edition = session.scalars(select(SealEdition)).one()
        der = session.get_one(Certificate, edition.certificate_serial).der
    assert der is not None
    name = x509.load_der_x509_certificate(der).subject.rfc4514_string()
    assert f"CN={world.seal_code}" in name
    assert f"O={world.codes['own']}" in name


def test_the_applicant_may_not_approve_also_through_another_client(world: World) -> None:
    application = world.apply_for_seal("everything")
    body = {"decision": "approve", "payload_sha256": application["payload_sha256"]}
    path = f"/api/v1/seal-applications/{application['id']}/approval"
    for client in ("authority-system", "authority-desk"):
        refused(world, "everything", path, body, 403, "same_person", client)
    assert world.decide(application, "approver")["state"] == "approved"


def test_only_an_approver_of_a_seal_authority_approves(world: World) -> None:
    application = world.apply_for_seal()
    body = {"decision": "approve", "payload_sha256": application["payload_sha256"]}
    path = f"/api/v1/seal-applications/{application['id']}/approval"
    refused(world, "keeper", path, body, 403, "role")
    refused(world, "maker", path, body, 403, "role")
    answer = world.post(path, body, "authority-system")  # a client alone is nobody's approver
    assert answer.get_json()["reason"] == "person_required"


def test_an_approval_binds_the_digest_of_what_is_approved(world: World) -> None:
    first, second = world.apply_for_seal(), world.apply_for_seal("approver")
    body = {"decision": "approve", "payload_sha256": second["payload_sha256"]}
    path = f"/api/v1/seal-applications/{first['id']}/approval"
    refused(world, "approver2", path, body, 409, "payload_digest")
    told = world.post(path, body, "authority-system", "approver2").get_json()
    assert [fault["pointer"] for fault in told["errors"]] == ["/payload_sha256"]


def test_an_approval_expires(world: World, clock: Ticker) -> None:
    application = world.apply_for_seal()
    clock.advance(timedelta(days=world.ports.settings.approval_days))
    body = {"decision": "approve", "payload_sha256": application["payload_sha256"]}
    path = f"/api/v1/seal-applications/{application['id']}/approval"
    refused(world, "approver", path, body, 409, "expired")


def test_a_decision_is_taken_once(world: World) -> None:
    application = world.apply_for_seal()
    assert world.decide(application, decision="refuse")["seal"] is None
    body = {"decision": "approve", "payload_sha256": application["payload_sha256"]}
    path = f"/api/v1/seal-applications/{application['id']}/approval"
    refused(world, "approver2", path, body, 409, "decided")


def test_who_approved_may_not_make_and_who_made_may_not_keep(world: World) -> None:
    application = world.apply_for_seal("approver")  # a seal of the authority's own
    code = str(world.decide(application, "everything")["seal"])
    refused(world, "everything", f"/api/v1/seals/{code}/making", {}, 403, "same_person")
    world.act("maker", f"/api/v1/seals/{code}/making", {}, 201)
    world.act("maker", f"/api/v1/seals/{code}/filing", {})
    refused(world, "everything", f"/api/v1/seals/{code}/activation", {}, 403, "same_person")


def test_who_applied_may_not_keep(world: World) -> None:
    """Neither put the seal into use nor say who may use it, though of the seal's own agency and a keeper."""
    application = world.apply_for_seal("everything")
    code = str(world.decide(application)["seal"])
    world.act("maker", f"/api/v1/seals/{code}/making", {}, 201)
    world.act("maker", f"/api/v1/seals/{code}/filing", {})
    refused(world, "everything", f"/api/v1/seals/{code}/activation", {}, 403, "same_person")
    for client in ("authority-system", "authority-desk"):
        permission = {
            "client_id": world.clients[client].id,
            "type_code": world.type_code,
            "valid_from": world.today.isoformat(),
            "valid_to": world.today.isoformat(),
            "daily_limit": 1,
        }
        path = f"/api/v1/seals/{code}/authorisations"
        refused(world, "everything", path, permission, 403, "same_person", client)


def test_making_needs_a_maker_and_happens_once(world: World) -> None:
    code = world.approved_seal()
    refused(world, "approver", f"/api/v1/seals/{code}/making", {}, 403, "role")
    refused(world, "keeper", f"/api/v1/seals/{code}/making", {}, 403, "role")
    world.act("maker", f"/api/v1/seals/{code}/making", {}, 201)
    refused(world, "maker", f"/api/v1/seals/{code}/making", {}, 409, "seal_state")


def test_states_follow_each_other_in_order(world: World) -> None:
    code = world.approved_seal()
    refused(world, "maker", f"/api/v1/seals/{code}/filing", {}, 409, "seal_state")
    refused(world, "keeper", f"/api/v1/seals/{code}/activation", {}, 409, "seal_state")
    refused(world, "keeper", f"/api/v1/seals/{code}/suspension", BASIS, 409, "seal_state")
    refused(world, "keeper", f"/api/v1/seals/{code}/{RESUME}", BASIS, 409, "seal_state")


@pytest.mark.parametrize("person", ["keeper", "approver"])
def test_one_person_suspends_at_once(world: World, person: str) -> None:
    path = f"/api/v1/seals/{world.seal_code}/{SUSPEND}"
    answer = world.act(person, path, BASIS)
    assert answer["state"] == "suspended"
    assert answer["shown_in"] == {
        "ocsp": "live",
        "crl": "pending",  # nobody makes lists in this test
        "log": "not_available",
        "trust_list": "published",
    }
    refused(world, person, path, BASIS, 409, "seal_state")


@on_sqlite
@pytest.mark.parametrize("person", ["officer", "applicant", "maker"])
def test_others_do_not_suspend(world: World, person: str) -> None:
    answer = world.post(f"/api/v1/seals/{world.seal_code}/{SUSPEND}", BASIS, world.system_of(person), person)
    assert answer.status_code == 403
    assert state_of(world, world.seal_code) == "active"


def test_resuming_takes_two_people(world: World) -> None:
    seal = f"/api/v1/seals/{world.seal_code}"
    world.act("approver", f"{seal}/{SUSPEND}", BASIS)
    request = world.act("approver", f"{seal}/{RESUME}", BASIS, 202)
    assert state_of(world, world.seal_code) == "suspended"
    body = {"decision": "approve", "payload_sha256": request["payload_sha256"]}
    decision = f"/api/v1/approvals/{request['id']}/decision"
    refused(world, "approver", decision, body, 403, "same_person", "authority-desk")
    refused(world, "keeper", decision, body, 403, "role")
    assert world.decide(request, "approver2")["seal_state"] == "active"


def test_an_old_request_does_not_lift_a_later_suspension(world: World) -> None:
    seal = f"/api/v1/seals/{world.seal_code}"
    world.act("keeper", f"{seal}/{SUSPEND}", BASIS)
    old, new = (world.act("keeper", f"{seal}/{RESUME}", BASIS, 202) for _ in range(2))
    world.decide(new)
    world.act("keeper", f"{seal}/{SUSPEND}", BASIS)
    body = {"decision": "approve", "payload_sha256": old["payload_sha256"]}
    refused(world, "approver", f"/api/v1/approvals/{old['id']}/decision", body, 409, "seal_state")
    assert state_of(world, world.seal_code) == "suspended"


def test_cancelling_takes_two_people_and_ends_the_key(world: World) -> None:
    seal = f"/api/v1/seals/{world.seal_code}"
    request = world.act("keeper", f"{seal}/{CANCEL}", BASIS, 202)
    assert state_of(world, world.seal_code) == "active"
    answer = world.decide(request)
    assert (answer["seal"], answer["seal_state"]) == (world.seal_code, "cancelled")
    with Session(world.ports.database.read) as session:
        edition = session.scalars(select(SealEdition)).one()
        assert session.get_one(Key, edition.key_id).state == "retired"
    refused(world, "keeper", f"{seal}/{CANCEL}", BASIS, 409, "seal_state")


def test_an_invalidity_date_is_kept_and_lies_in_the_past(world: World) -> None:
    seal = f"/api/v1/seals/{world.seal_code}"
    later = {**BASIS, "compromised_since": "2027-01-01T00:00:00Z"}
    refused(world, "keeper", f"{seal}/{CANCEL}", later, 422, "in_future")
    since = {**BASIS, "compromised_since": "2026-11-19T00:00:00Z"}
    world.decide(world.act("keeper", f"{seal}/{CANCEL}", since, 202))
    shown = world.get(f"/api/v1/seals/{world.seal_code}").get_json()
    assert shown["compromised_since"] == "2026-11-19T00:00:00+00:00"


def test_a_leak_found_after_the_cancellation_is_recorded_by_two_people(world: World) -> None:
    seal = f"/api/v1/seals/{world.seal_code}"
    world.decide(world.act("keeper", f"{seal}/{CANCEL}", BASIS, 202))
    refused(world, "keeper", f"{seal}/{CANCEL}", BASIS, 409, "seal_state")  # nothing new is said
    leak = {**BASIS, "compromised_since": "2026-11-19T00:00:00Z"}
    request = world.act("approver", f"{seal}/{CANCEL}", leak, 202)
    assert request["action"] == "compromise"
    assert world.get(seal).get_json()["compromised_since"] is None
    body = {"decision": "approve", "payload_sha256": request["payload_sha256"]}
    decision = f"/api/v1/approvals/{request['id']}/decision"
    refused(world, "approver", decision, body, 403, "same_person", "authority-desk")
    decided = world.decide(request, "approver2")
    assert (decided["seal_state"], decided["shown_in"]["trust_list"]) == ("cancelled", "published")
    shown = world.get(seal).get_json()
    assert shown["compromised_since"] == "2026-11-19T00:00:00+00:00"
    assert [row["state"] for row in shown["history"]][-1] == "cancelled"
    with Session(world.ports.database.read) as session:
        edition = session.scalars(select(SealEdition)).one()
        key = session.get_one(Key, edition.key_id)
        event = session.scalars(select(Event).where(Event.kind == "seal.compromised")).one()
    assert (key.state, key.since.isoformat()) == ("compromised", shown["compromised_since"])
    assert (event.subject, event.reason_code) == (world.seal_code, BASIS["reason_code"])
    assert event.person_id == world.people["approver2"].id


def test_an_invalidity_date_is_only_ever_moved_back(world: World) -> None:
    seal = f"/api/v1/seals/{world.seal_code}"
    first = {**BASIS, "compromised_since": "2026-11-19T00:00:00Z"}
    world.decide(world.act("keeper", f"{seal}/{CANCEL}", first, 202))
    for later in ("2026-11-19T00:00:00Z", "2026-11-19T12:00:00Z"):
        body = {**BASIS, "compromised_since": later}
        refused(world, "keeper", f"{seal}/{CANCEL}", body, 422, "not_earlier")
    asked = [
        world.act("keeper", f"{seal}/{CANCEL}", {**BASIS, "compromised_since": since}, 202)
        for since in ("2026-11-18T00:00:00Z", "2026-11-17T00:00:00Z")
    ]
    world.decide(asked[1])
    body = {"decision": "approve", "payload_sha256": asked[0]["payload_sha256"]}
    refused(world, "approver", f"/api/v1/approvals/{asked[0]['id']}/decision", body, 409, "not_earlier")
    shown = world.get(seal).get_json()
    assert shown["compromised_since"] == "2026-11-17T00:00:00+00:00"


def test_what_is_asked_for_is_an_event_before_it_is_decided(world: World) -> None:
    seal = f"/api/v1/seals/{world.seal_code}"
    world.act("keeper", f"{seal}/{SUSPEND}", BASIS)
    asked = {
        "seal.resumption_requested": world.act("keeper", f"{seal}/{RESUME}", BASIS, 202),
        "seal.cancellation_requested": world.act("approver", f"{seal}/{CANCEL}", BASIS, 202),
    }
    world.decide(asked["seal.cancellation_requested"], "approver2")
    leak = {**BASIS, "compromised_since": "2026-11-19T00:00:00Z"}
    asked["seal.compromise_requested"] = world.act("keeper", f"{seal}/{CANCEL}", leak, 202)
    with Session(world.ports.database.read) as session:
        for kind, approval in asked.items():
            event, leaf = session.execute(
                select(Event, Leaf).join(Leaf, Leaf.event_id == Event.id).where(Event.kind == kind)
            ).one()
            assert (event.subject, event.detail["approval"]) == (world.seal_code, approval["id"])
            assert event.detail["payload_sha256"] == approval["payload_sha256"]
            assert (event.legal_basis, event.reason_code) == (BASIS["legal_basis"], BASIS["reason_code"])
            assert event.person_id is not None
            assert leaf.data


def test_an_agency_never_sees_anothers_seals(world: World) -> None:
    path = f"/api/v1/seals/{world.seal_code}"
    absent = "/api/v1/seals/99010099999999"
    for foreign in (world.get(path, "other-system"), world.get(absent, "other-system")):
        assert foreign.status_code == 404
        assert foreign.get_json()["reason"] == "seal_unknown"
    refused(world, "other-keeper", f"{path}/{SUSPEND}", BASIS, 404, "seal_unknown")
    refused(world, "other-keeper", f"{path}/{CANCEL}", BASIS, 404, "seal_unknown")
    assert world.get("/api/v1/seals", "other-system").get_json()["seals"] == []
    assert len(world.get("/api/v1/seals", "authority-system").get_json()["seals"]) == 1
    application = world.apply_for_seal()
    assert world.get(f"/api/v1/approvals/{application['id']}", "other-system").status_code == 404
    assert world.get(f"/api/v1/approvals/{application['id']}", "authority-system").status_code == 200


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"kind": "emblem"}, "/kind"),
        ({"name": "一"}, "/name"),
        ({"name": "\U000e0001字"}, "/name"),
        ({"bottom_text": "字" * 13}, "/bottom_text"),
        ({"agency": "11990100MB0102074C"}, "/agency"),
    ],
)
def test_an_application_names_the_field_at_fault(
    world: World, changes: dict[str, object], pointer: str
) -> None:
    body = {"kind": "special", "name": "云溪省样本市市场监督管理局", **changes}
    answer = world.post("/api/v1/seal-applications", body, "system", "applicant")
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"] == pointer
