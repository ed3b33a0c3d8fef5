"""Renewal and change as new editions of a seal, its being reported lost, and sealing away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.custodian import KeyRef, Kind, SignRequest
from keys.errors import VermilionError
from keys.trust_list import RENEW_AFTER, TrustedKey, read_trust_list
from registry.licences.fsck import fsck
from registry.licences.lookup import current_trust_list
from registry.licences.recovery import recover
from registry.licences.tables import Edition, Intent
from registry.log.tables import Event
from registry.seals import rules
from registry.seals.making import make
from registry.seals.renewal import renew_delegate
from registry.seals.tables import Key, Seal, SealEdition, SealState, SealUse
from registry.seals.transitions import STEPS
from registry.seals.trust import publish_trust_list
from signing.strict_check import strict_check
from tests.registry.issuing import LEASE, die, issue_one, request_body
from tests.registry.test_seals_life import refused
from tests.registry.test_seals_races import at_once
from tests.registry.world import BASIS, Ticker, World, on_sqlite

RENAMED = {"kind": "special", "name": "云溪省样本市样本监督管理局", "bottom_text": "食品经营许可专用章"}


def path_of(world: World, *parts: str) -> str:
    return "/".join((f"/api/v1/seals/{world.seal_code}", *parts))


def shown(world: World) -> dict[str, Any]:
    answer: dict[str, Any] = world.get(path_of(world)).get_json()
    return answer


def ordered(world: World, action: str = "renewal") -> dict[str, Any]:
    body = {} if action == "renewal" else RENAMED
    return world.act("applicant", path_of(world, f"{action}-application"), body, 201)


def approve(world: World, application: dict[str, Any], person: str = "approver") -> None:
    body = {"decision": "approve", "payload_sha256": application["payload_sha256"]}
    world.act(person, f"/api/v1/seal-applications/{application['id']}/approval", body)


def filed(world: World, action: str = "renewal") -> None:
    """A second edition, filed and listed."""
    approve(world, ordered(world, action))
    world.act("maker", path_of(world, "making"), {}, 201)
    world.act("maker", path_of(world, "filing"), {})


def known(world: World, clock: Ticker) -> None:
    """The list that names the new key has gone round."""
    clock.advance(RENEW_AFTER)
    publish_trust_list(world.ports)


def succeed(world: World, clock: Ticker, action: str = "renewal") -> None:
    filed(world, action)
    known(world, clock)
    world.act("keeper", path_of(world, "activation"), {})


def listed(world: World) -> dict[int, TrustedKey]:
    """The seal's keys in the trust list, by the number of their edition."""
    trust = read_trust_list(current_trust_list(world.ports.database.read), at=world.ports.clock())
    with Session(world.ports.database.read) as session:
        rows = session.execute(
            select(SealEdition.number, Key.public_key)
            .join(Key, Key.id == SealEdition.key_id)
            .where(SealEdition.seal_code == world.seal_code)
        ).all()
    return {n: k for n, public in rows for k in trust.keys if k.public_key == public}


def document_of(world: World, edition_id: str) -> bytes:
    data = world.ports.documents.get(f"{edition_id[:2]}/{edition_id}.enc")
    assert data is not None
    return data


def test_a_renewal_takes_over_and_what_was_sealed_before_stays_good(world: World, clock: Ticker) -> None:
    before = issue_one(world)
    first = shown(world)["editions"][0]
    succeed(world, clock)
    after = issue_one(world)  # under the authorisation of the old edition
    found = shown(world)
    assert [e["state"] for e in found["editions"]] == ["ended", "in_use"]
    old, new = found["editions"]
    assert (old["picture_sha256"], old["name"]) == (new["picture_sha256"], new["name"])
    assert old["certificate_serial"] == first["certificate_serial"] != new["certificate_serial"]
    assert old["ended_at"] == new["in_use_from"] == clock.now.isoformat()
    assert found["state"] == "active"
    assert [a["id"] for a in found["authorisations"]] == [world.authorisation_id]
    with Session(world.ports.database.read) as session:
        used = dict(
            session.execute(
                select(Edition.id, SealEdition.number).join(
                    SealEdition, SealEdition.id == Edition.seal_edition_id
                )
            ).all()
        )
        states = session.scalars(
            select(Key.state).join(SealEdition, SealEdition.key_id == Key.id).order_by(SealEdition.number)
        ).all()
    assert used == {before.edition_id: 1, after.edition_id: 2}
    assert states == ["retired", "active"]
    keys = listed(world)
    assert [keys[n].state for n in (1, 2)] == ["retired", "active"]
    assert keys[1].sign_to == clock.now.replace(microsecond=0)
    trust = read_trust_list(current_trust_list(world.ports.database.read), at=clock.now)
    for issued in (before, after):
        evidence = strict_check(document_of(world, issued.edition_id), trust, at=clock.now)
        assert evidence.seal_key is not None
        assert evidence.seal_key.sign_from <= evidence.sealed_at <= evidence.seal_key.sign_to
        told = world.get(f"/api/v1/licences/{issued.printout.record.identifier}").get_json()
        assert told["status"] == "in_force"
    assert fsck(world.ports) == []


def test_a_change_bears_the_new_name_and_ends_the_authorisations(world: World, clock: Ticker) -> None:
    succeed(world, clock, "change")
    found = shown(world)
    assert found["name"] == RENAMED["name"] == found["editions"][1]["name"]
    assert found["editions"][0]["name"] != RENAMED["name"]
    assert found["editions"][0]["picture_sha256"] != found["editions"][1]["picture_sha256"]
    assert found["authorisations"] == []
    with pytest.raises(VermilionError) as error:
        issue_one(world)
    assert error.value.reason == "not_authorised"
    with Session(world.ports.database.read) as session:
        ended = session.scalars(select(Event).where(Event.kind == "seal.authorisation_withdrawn")).one()
        assert ended.detail["cause"] == "change"
    world.authorise(world.seal_code)
    issue_one(world)


def test_a_change_keeps_the_kind(world: World) -> None:
    body = {**RENAMED, "kind": "name", "bottom_text": None}
    refused(world, "applicant", path_of(world, "change-application"), body, 422, "seal_kind")


def test_duties_are_separate_for_each_edition(world: World, clock: Ticker) -> None:
    renewal = path_of(world, "renewal-application")
    refused(world, "keeper", renewal, {}, 403, "role")
    refused(world, "other-applicant", renewal, {}, 404, "seal_unknown")
    refused(world, "approver", renewal, {}, 403, "other_agency")
    application = ordered(world)
    decision = {"decision": "approve", "payload_sha256": application["payload_sha256"]}
    decide = f"/api/v1/seal-applications/{application['id']}/approval"
    refused(world, "keeper", decide, decision, 403, "role")
    refused(world, "maker", path_of(world, "making"), {}, 409, "seal_state")  # not approved yet
    world.act("everything", decide, decision)
    refused(world, "everything", path_of(world, "making"), {}, 403, "same_person")
    world.act("maker", path_of(world, "making"), {}, 201)
    refused(world, "keeper", path_of(world, "activation"), {}, 409, "seal_state")  # not filed yet
    refused(world, "everything", path_of(world, "filing"), {}, 403, "same_person")
    world.act("maker", path_of(world, "filing"), {})
    refused(world, "applicant", path_of(world, "activation"), {}, 403, "role")


def test_who_had_a_duty_of_one_edition_keeps_none(world: World) -> None:
    """The keeper of a seal is nobody who ever applied for, approved or made an edition of it."""
    application = world.apply_for_seal("approver")
    code = str(world.decide(application, "approver2")["seal"])
    world.act("maker", f"/api/v1/seals/{code}/making", {}, 201)
    world.act("maker", f"/api/v1/seals/{code}/filing", {})
    with world.ports.database.transaction() as session:  # so that "everything" may renew it
        session.execute(update(Seal).where(Seal.code == code).values(state="active"))
        session.execute(
            update(SealEdition)
            .where(SealEdition.seal_code == code)
            .values(state="in_use", in_use_from=world.ports.clock())
        )
    path = f"/api/v1/seals/{code}"
    renewal = world.act("everything", f"{path}/renewal-application", {}, 201)
    approve(world, renewal, "approver2")
    permission = {
        "client_id": world.clients["authority-system"].id, "type_code": world.type_code,
        "valid_from": world.today.isoformat(), "valid_to": world.today.isoformat(), "daily_limit": 1,
    }  # fmt: skip
    refused(world, "everything", f"{path}/authorisations", permission, 403, "same_person")


def test_a_successor_waits_until_every_verifier_knows_its_key(world: World, clock: Ticker) -> None:
    filed(world)
    assert listed(world)[2].state == "active"  # named before it signs
    refused(world, "keeper", path_of(world, "activation"), {}, 409, "edition_unlisted")
    clock.advance(RENEW_AFTER - timedelta(seconds=1))
    refused(world, "keeper", path_of(world, "activation"), {}, 409, "edition_unlisted")
    clock.advance(timedelta(seconds=1))
    world.act("keeper", path_of(world, "activation"), {})


def test_nobody_waits_for_verifiers_once_the_old_edition_has_expired(world: World, clock: Ticker) -> None:
    with Session(world.ports.database.read) as session:
        end = session.scalars(select(SealEdition.valid_to)).one()
    clock.now = end + timedelta(seconds=1)
    filed(world)
    world.act("keeper", path_of(world, "activation"), {})
    assert [e["state"] for e in shown(world)["editions"]] == ["ended", "in_use"]


def test_a_renewal_that_was_overtaken_is_dropped(world: World, clock: Ticker) -> None:
    filed(world)
    filed(world, "change")
    assert [e["state"] for e in shown(world)["editions"]] == ["in_use", "dropped", "filed"]
    known(world, clock)
    keys = listed(world)
    assert [keys[n].state for n in (1, 2, 3)] == ["active", "retired", "active"]  # once listed, always
    world.act("keeper", path_of(world, "activation"), {})
    assert [e["state"] for e in shown(world)["editions"]] == ["ended", "dropped", "in_use"]
    refused(world, "maker", path_of(world, "making"), {}, 409, "seal_state")
    refused(world, "maker", path_of(world, "filing"), {}, 409, "seal_state")
    refused(world, "keeper", path_of(world, "activation"), {}, 409, "seal_state")


def test_a_suspended_seal_is_renewed_but_not_put_into_use(world: World, clock: Ticker) -> None:
    application = ordered(world)
    world.act("keeper", path_of(world, "suspension"), BASIS)
    refused(world, "applicant", path_of(world, "renewal-application"), {}, 409, "seal_state")
    approve(world, application)
    world.act("maker", path_of(world, "making"), {}, 201)
    world.act("maker", path_of(world, "filing"), {})
    known(world, clock)
    refused(world, "keeper", path_of(world, "activation"), {}, 409, "seal_state")
    world.decide(world.act("keeper", path_of(world, "resumption-request"), BASIS, 202))
    assert [e["state"] for e in shown(world)["editions"]] == ["in_use", "filed"]
    refused(world, "keeper", path_of(world, "activation"), {}, 409, "edition_unlisted")
    known(world, clock)
    world.act("keeper", path_of(world, "activation"), {})


def test_what_is_filed_while_the_seal_is_suspended_is_listed_when_it_is_resumed(
    world: World, clock: Ticker
) -> None:
    """A key whose certificate begins after the seal stopped could have signed at no time."""
    application = ordered(world)
    world.act("keeper", path_of(world, "suspension"), BASIS)
    clock.advance(timedelta(hours=1))
    approve(world, application)
    world.act("maker", path_of(world, "making"), {}, 201)
    world.act("maker", path_of(world, "filing"), {})
    publish_trust_list(world.ports)
    assert set(listed(world)) == {1}
    world.decide(world.act("keeper", path_of(world, "resumption-request"), BASIS, 202))
    assert [listed(world)[n].state for n in (1, 2)] == ["active", "active"]
    known(world, clock)
    world.act("keeper", path_of(world, "suspension"), BASIS)
    assert [listed(world)[n].state for n in (1, 2)] == ["retired", "retired"]


def test_a_cancelled_seal_is_not_renewed_and_its_keys_keep_their_ends(world: World, clock: Ticker) -> None:
    succeed(world, clock)
    ended = clock.now
    application = ordered(world)
    clock.advance(timedelta(minutes=1))
    world.decide(world.act("keeper", path_of(world, "cancellation-request"), BASIS, 202))
    body = {"decision": "approve", "payload_sha256": application["payload_sha256"]}
    refused(
        world, "approver", f"/api/v1/seal-applications/{application['id']}/approval", body, 409, "seal_state"
    )
    with Session(world.ports.database.read) as session:
        since = session.scalars(
            select(Key.since).join(SealEdition, SealEdition.key_id == Key.id).order_by(SealEdition.number)
        ).all()
    assert list(since) == [ended, clock.now]
    assert [k.since for k in listed(world).values()] == [at.replace(microsecond=0) for at in since]


def test_an_intent_of_the_old_edition_is_refused_cleanly(world: World, clock: Ticker) -> None:
    """Its process died after sealing; meanwhile the keeper put the successor into use."""
    filed(world)
    known(world, clock)
    body = die(world)
    world.act("keeper", path_of(world, "activation"), {})
    clock.advance(LEASE)
    report = recover(world.ports)
    assert (len(report.abandoned), report.adopted, report.deferred, report.defects) == (1, [], [], {})
    with Session(world.ports.database.read) as session:
        intent = session.scalars(select(Intent)).one()
        assert intent.end_reason == "seal_changed"
        assert session.scalars(select(SealUse.state)).one() == "void"
    again = issue_one(world, body)
    assert not again.replayed
    assert fsck(world.ports) == []


def test_the_old_key_signs_nothing_for_an_open_intent(world: World, clock: Ticker) -> None:
    filed(world)
    known(world, clock)
    asked: list[str] = []
    sign = world.ports.custodian.sign

    class Late:
        """Puts the successor into use between the intent and the seal."""

        def __getattr__(self, name: str) -> Any:
            return getattr(world.ports.custodian, name)

        def sign(self, ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
            if requests[0].kind is Kind.SIGNED_ATTRIBUTES:
                world.act("keeper", path_of(world, "activation"), {})
                asked.append(ref.id)
            return sign(ref, requests)

    with pytest.raises(VermilionError) as error:
        issue_one(world, ports=replace(world.ports, custodian=Late()))
    assert asked
    assert error.value.reason in {"key_state", "seal_not_active"}
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(Intent.state)).one() == "abandoned"
    issue_one(world)


# --- lost, and sealed away -----------------------------------------------------------------------------


def test_a_lost_seal_is_suspended_by_one_person_under_a_reason_of_its_own(world: World) -> None:
    answer = world.act("keeper", path_of(world, "loss-report"), {"legal_basis": BASIS["legal_basis"]})
    assert answer["state"] == "suspended"
    with Session(world.ports.database.read) as session:
        event = session.scalars(select(Event).where(Event.kind == "seal.suspended")).one()
    assert event.reason_code == "reported_lost"
    refused(world, "officer", path_of(world, "loss-report"), {"legal_basis": "x"}, 403, "role")


def test_a_suspended_seal_reported_lost_is_not_resumed_by_an_earlier_request(world: World) -> None:
    world.act("keeper", path_of(world, "suspension"), BASIS)
    asked = world.act("keeper", path_of(world, "resumption-request"), BASIS, 202)
    world.act("approver", path_of(world, "loss-report"), {"legal_basis": BASIS["legal_basis"]})
    body = {"decision": "approve", "payload_sha256": asked["payload_sha256"]}
    refused(world, "approver2", f"/api/v1/approvals/{asked['id']}/decision", body, 409, "seal_state")
    world.decide(world.act("keeper", path_of(world, "resumption-request"), BASIS, 202))
    assert shown(world)["state"] == "active"
    assert [row["state"] for row in shown(world)["history"]][-3:] == ["suspended", "suspended", "active"]


@on_sqlite
def test_a_cancelled_seal_is_not_reported_lost(world: World) -> None:
    world.decide(world.act("keeper", path_of(world, "cancellation-request"), BASIS, 202))
    refused(world, "keeper", path_of(world, "loss-report"), {"legal_basis": "x"}, 409, "seal_state")


def test_an_ended_edition_is_sealed_away_once(world: World, clock: Ticker) -> None:
    succeed(world, clock)
    away = path_of(world, "editions/1/sealing-away")
    refused(world, "maker", path_of(world, "editions/2/sealing-away"), BASIS, 409, "edition_state")
    refused(world, "maker", path_of(world, "editions/3/sealing-away"), BASIS, 404, "edition_unknown")
    refused(world, "approver", away, BASIS, 403, "role")
    assert world.act("maker", away, BASIS)["sealed_away_at"] == clock.now.isoformat()
    refused(world, "maker", away, BASIS, 409, "edition_state")
    with Session(world.ports.database.read) as session:
        event = session.scalars(select(Event).where(Event.kind == "seal.sealed_away")).one()
    assert (event.subject, event.detail["number"]) == (world.seal_code, 1)
    issue_one(world)


def test_the_editions_of_a_cancelled_seal_are_sealed_away(world: World, clock: Ticker) -> None:
    issued = issue_one(world)
    filed(world)
    world.decide(world.act("keeper", path_of(world, "cancellation-request"), BASIS, 202))
    for number in (1, 2):
        world.act("maker", path_of(world, f"editions/{number}/sealing-away"), BASIS)
    found = shown(world)
    assert found["state"] == "cancelled"  # what verdicts rest on stays
    assert [e["state"] for e in found["editions"]] == ["ended", "dropped"]
    assert (
        world.get(f"/api/v1/licences/{issued.printout.record.identifier}").get_json()["status"] == "in_force"
    )


def test_an_expired_edition_is_sealed_away_and_the_seal_can_be_renewed(world: World, clock: Ticker) -> None:
    with Session(world.ports.database.read) as session:
        end = session.scalars(select(SealEdition.valid_to)).one()
    clock.now = end + timedelta(seconds=1)
    renew_delegate(world.with_root())  # the list's delegate has ended before the seal has
    world.act("maker", path_of(world, "editions/1/sealing-away"), BASIS)
    assert listed(world)[1].sign_to == end
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(Key.state).where(Key.purpose == "seal")).one() == "retired"
    filed(world)
    world.act("keeper", path_of(world, "activation"), {})
    assert [e["state"] for e in shown(world)["editions"]] == ["ended", "in_use"]


def test_every_step_is_one_of_the_table(world: World, clock: Ticker) -> None:
    """What a whole life writes into the history is what the table permits, in its order."""
    succeed(world, clock)
    world.act("keeper", path_of(world, "loss-report"), {"legal_basis": "x"})
    world.decide(world.act("keeper", path_of(world, "cancellation-request"), BASIS, 202))
    with Session(world.ports.database.read) as session:
        history = session.scalars(select(SealState.state).order_by(SealState.version)).all()
        kinds = session.scalars(
            select(Event.kind).join(SealState, SealState.event_id == Event.id).order_by(SealState.version)
        ).all()
    permitted = {(before, step.state) for step in STEPS.values() for before in step.allowed}
    assert all(pair in permitted for pair in pairwise(history))
    assert list(history) == ["approved", "made", "filed", "active", "active", "suspended", "cancelled"]
    assert set(kinds[1:]) <= {step.event for step in STEPS.values()}


# --- two at once ---------------------------------------------------------------------------------------


def test_an_edition_is_made_once(world: World) -> None:
    approve(world, ordered(world))
    maker = world.actor("authority-system", "maker")
    assert at_once(*[lambda: make(world.ports, maker, world.seal_code)] * 2) == ["done", "seal_state"]
    assert [e["number"] for e in shown(world)["editions"]] == [1, 2]
    with Session(world.ports.database.read) as session:
        kept = set(session.scalars(select(SealEdition.key_id)))
        active = set(session.scalars(select(Key.id).where(Key.purpose == "seal", Key.state == "active")))
    assert kept == active


def test_the_database_itself_keeps_one_edition_in_use(world: World) -> None:
    filed(world)
    with pytest.raises(IntegrityError), world.ports.database.transaction() as session:
        session.execute(update(SealEdition).where(SealEdition.number == 2).values(state="in_use"))


def test_a_successor_is_put_into_use_once(world: World, clock: Ticker) -> None:
    filed(world)
    known(world, clock)

    def act() -> None:
        with world.ports.database.transaction() as session:
            rules.activate(session, world.ports, world.actor("system", "keeper"), world.seal_code)

    assert at_once(act, act, act) == ["done", "seal_state", "seal_state"]
    assert [e["state"] for e in shown(world)["editions"]] == ["ended", "in_use"]
    with Session(world.ports.database.read) as session:
        count = select(func.count()).select_from(Event).where(Event.kind == "seal.edition_in_use")
        assert session.scalar(count) == 1


def test_putting_into_use_meets_a_suspension(world: World, clock: Ticker) -> None:
    filed(world)
    known(world, clock)
    actor = world.actor("system", "keeper")

    def activate() -> None:
        with world.ports.database.transaction() as session:
            rules.activate(session, world.ports, actor, world.seal_code)

    def lose() -> None:
        with world.ports.database.transaction() as session:
            rules.report_lost(session, world.ports, actor, world.seal_code, "x")

    outcome = at_once(activate, lose)
    states = [e["state"] for e in shown(world)["editions"]]
    if outcome == ["done", "done"]:
        assert states == ["ended", "in_use"]  # first put into use, then suspended
        assert shown(world)["state"] == "suspended"
    else:
        assert outcome == ["done", "seal_state"]
        assert states in (["in_use", "filed"], ["ended", "in_use"])


def test_issuing_meets_a_succession(world: World, clock: Ticker) -> None:
    """Each licence is sealed by one edition that was in use all the while, or not at all."""
    filed(world)
    known(world, clock)
    ready = threading.Barrier(4)

    def run(act: Callable[[], object]) -> str:
        ready.wait(timeout=30)
        try:
            act()
        except VermilionError as error:
            return error.reason
        return "done"

    def activate() -> None:
        with world.ports.database.transaction() as session:
            rules.activate(session, world.ports, world.actor("system", "keeper"), world.seal_code)

    bodies = [request_body(world) for _ in range(3)]
    acts: list[Callable[[], object]] = [lambda body=body: issue_one(world, body) for body in bodies]  # type: ignore[misc]
    with ThreadPoolExecutor(4) as pool:
        outcome = list(pool.map(run, [activate, *acts]))
    assert outcome[0] == "done"
    assert set(outcome) <= {"done", "seal_changed", "seal_not_active", "key_state", "trust_list_behind"}, (
        outcome
    )
    publish_trust_list(world.ports)
    with Session(world.ports.database.read) as session:
        rows = session.execute(
            select(Edition.seal_state_version, SealEdition.number).join(
                SealEdition, SealEdition.id == Edition.seal_edition_id
            )
        ).all()
        assert not session.scalars(select(Intent.id).where(Intent.state == "open")).all()
        assert len(rows) == outcome.count("done") - 1
    assert {tuple(row) for row in rows} <= {(4, 1), (5, 2)}
    assert fsck(world.ports) == []
