"""Joint licences: several seals of several agencies, each under its own keeper's authorisation."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from keys.custodian import KeyRef, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import VermilionError
from keys.suite import SUITES
from keys.trust_list import TrustList, read_trust_list
from registry.agencies.tables import Client
from registry.documents import document_key
from registry.licences.document_stamps import stamp_due
from registry.licences.fsck import fsck
from registry.licences.issue import Issued
from registry.licences.issue_many import issue_many
from registry.licences.lookup import SqlLiveRegistry
from registry.licences.recovery import recover
from registry.licences.tables import CoSeal, Document, Edition, Intent
from registry.ports import Ports
from registry.seals import impact
from registry.seals.tables import AuthorisationDay, Key, KeyUse, Seal, SealEdition, SealUse
from registry.seals.trust import current_trust_list, publish_trust_list
from registry.seals.use import qr_key, seal_material
from registry.seals.uses import Days, page
from signing.check import check_file
from signing.claims import claims_of
from signing.cms import signed_attributes
from signing.credential import sig_structure
from signing.document import SealMaterial
from signing.record import LIST_JOIN
from signing.strict_check import FileEvidence, strict_check
from signing.verdict import Verdict
from tests.registry import conftest
from tests.registry.batching import editions, items, ndjson, sent, told, worked
from tests.registry.issuing import LEASE, Died, Store, issue_one, just_before_a_lock, ordered
from tests.registry.jointly import JOINT, authorise_beside, joint_body, make_joint, seal_of_other
from tests.registry.world import BASIS, Ticker, World, on_sqlite, prepare_template
from tests.signing.checking import food, types
from tests.signing.sealing import NoStamps


def prepare(url: str) -> None:
    prepare_template(url, JOINT, make_joint)


@pytest.fixture
def world(new_database: Callable[..., str], tmp_path: Path, clock: Ticker) -> Iterator[World]:
    with conftest.opened(tmp_path, new_database(prepare), clock, JOINT) as made:
        yield made


def trust(world: World) -> TrustList:
    with Session(world.ports.database.read) as session:
        return read_trust_list(current_trust_list(session) or "", at=world.ports.clock())


def sealed(world: World, edition_id: str) -> bytes:
    data = world.ports.documents.get(document_key(edition_id))
    assert data is not None
    return data


def evidence_of(world: World, edition_id: str) -> FileEvidence:
    return strict_check(sealed(world, edition_id), trust(world), at=world.ports.clock())


def refused(world: World, **changes: Any) -> tuple[str, list[tuple[str, str]]]:
    with pytest.raises(VermilionError) as caught:
        issue_one(world, joint_body(world, **changes))
    return caught.value.reason, [(fault.field, fault.reason) for fault in caught.value.faults]


def test_a_joint_licence_bears_the_seals_of_its_agencies_in_order(world: World) -> None:
    answer = world.post("/api/v1/licences", joint_body(world), **{"Idempotency-Key": "joint"})
    assert answer.status_code == 201, answer.get_json()
    with Session(world.ports.database.read) as session:
        edition = session.scalars(select(Edition)).one()
        uses = session.scalars(select(SealUse).order_by(SealUse.place)).all()
        further = session.scalars(select(CoSeal).order_by(CoSeal.place)).all()
        stamped = session.scalars(select(Document)).one()
        records = session.scalars(
            select(KeyUse.record).where(KeyUse.record.like(f"intent:{edition.id}%"), KeyUse.signed.is_(True))
        ).all()
    evidence = evidence_of(world, edition.id)
    assert evidence.level == "B-LT"
    agencies = [seal.key.agency for seal in evidence.seals if seal.key is not None]
    assert agencies == [world.codes["own"], world.codes["other"], world.codes["own"]]
    assert [use.state for use in uses] == ["applied"] * 3
    assert {use.document_sha256 for use in uses} == {sha256(sealed(world, edition.id)).digest()}
    assert [use.place for use in uses] == [1, 2, 3]
    assert [edition.sealed_at, *(one.sealed_at for one in further)] == [s.sealed_at for s in evidence.seals]
    assert stamped.stamped_at == evidence.stamped_at
    name = f"intent:{edition.id}"
    assert sorted(records) == sorted([name] * 3 + [f"{name}:2"] * 2 + [f"{name}:3"] * 2)  # QR, seal, stamp
    shown = world.get(answer.headers["Location"]).get_json()
    assert [seal["agency"] for seal in shown["seals"]] == agencies
    outcome = check_file(sealed(world, edition.id), trust(world), None, None, world.ports.clock())
    assert outcome.verification.verdict is Verdict.GENUINE_OFFLINE
    assert fsck(world.ports) == []


def test_the_trust_list_lets_the_other_agency_seal_beside_and_not_issue(world: World) -> None:
    seals = [key for key in trust(world).keys if key.use == "seal"]
    beside = [key for key in seals if key.agency == world.codes["other"]]
    assert [(key.types, key.co_types) for key in beside] == [((), (world.type_code,))]
    assert all(key.co_types == () for key in seals if key not in beside)


@on_sqlite
def test_a_group_of_joint_licences_asks_each_key_once_a_place(world: World) -> None:
    calls: list[tuple[str, int]] = []
    custodian = world.ports.custodian

    class Counting:
        def sign(self, ref: Any, requests: Any) -> list[bytes]:
            if all(request.record.startswith("intent:") for request in requests):
                calls.append((ref.purpose.value, len(requests)))
            return custodian.sign(ref, requests)

        def __getattr__(self, name: str) -> Any:
            return getattr(custodian, name)

    ports = replace(world.ports, custodian=Counting())
    group = issue_many(ports, world.actor(), [ordered(joint_body(world)) for _ in range(4)])
    assert all(isinstance(one, Issued) for one in group), group
    assert [call for call in calls if call[0] == "seal"] == [("seal", 4)] * 3
    assert fsck(world.ports) == []


@on_sqlite
def test_the_request_names_a_seal_for_each_place(world: World) -> None:
    other, name = world.beside.seals
    assert refused(world, co_seals=None) == ("seal_count", [("/co_seals", "seal_count")])
    assert refused(world, co_seals=[other])[0] == "seal_count"
    assert refused(world, co_seals=[other, world.seal_code])[0] == "seal_twice"
    assert refused(world, co_seals=[name, other]) == ("seal_kind", [("/co_seals/0", "seal_kind")])
    assert refused(world, seal=other, co_seals=[world.seal_code, name]) == (
        "seal_unknown",
        [("/seal", "seal_unknown")],
    )
    unknown = "99010000000999"
    assert refused(world, co_seals=[unknown, name]) == ("not_authorised", [("/co_seals/0", "not_authorised")])
    body = joint_body(world, co_seals=["x", name])
    answer = world.post("/api/v1/licences", body, **{"Idempotency-Key": "x"})
    assert answer.status_code == 422
    dry = world.post("/api/v1/licences?dry_run=1", joint_body(world))
    assert len(dry.get_json()["seals"]) == 3


@on_sqlite
def test_a_one_seal_type_takes_no_further_seal(world: World) -> None:
    body = joint_body(world, type=world.types["other"])
    answer = world.post("/api/v1/licences", body, "other-system", **{"Idempotency-Key": "x"})
    assert answer.get_json()["reason"] == "seal_count"


@on_sqlite
def test_only_its_keeper_lets_another_agency_use_a_seal(world: World) -> None:
    other, name = world.beside.seals
    path = f"/api/v1/seals/{other}/authorisations/{world.beside.authorisations[0]}/withdrawal"
    assert world.post(path, {}, "system", "keeper").status_code == 404
    world.act("other-keeper", path, {})
    assert refused(world) == ("not_authorised", [("/co_seals/0", "not_authorised")])
    authorise_beside(world, other)
    issue_one(world, joint_body(world))
    body = {  # a seal stands beside others where the face has a place for its kind behind the first
        "client_id": world.clients["other-system"].id, "type_code": world.types["other"],
        "valid_from": world.today.isoformat(), "valid_to": world.today.isoformat(), "daily_limit": 1,
    }  # fmt: skip
    answer = world.post(f"/api/v1/seals/{name}/authorisations", body, "system", "keeper")
    assert answer.get_json()["reason"] == "client_unknown"  # the other type is no joint one


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_suspension_of_any_seal_refuses_issuing(world: World, place: int) -> None:
    code = (world.seal_code, *world.beside.seals)[place - 1]
    keeper = "other-keeper" if place == 2 else "keeper"
    suspended: list[bool] = []

    def suspend() -> None:
        if not suspended and opened(world):
            suspended.append(True)
            world.act(keeper, f"/api/v1/seals/{code}/suspension", BASIS)

    with just_before_a_lock(world, suspend), pytest.raises(VermilionError) as caught:
        issue_one(world, joint_body(world))
    assert caught.value.reason in {"seal_changed", "seal_not_active"}
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(SealUse.state)).all() == ["void"] * 3
        assert session.scalars(select(CoSeal.sealed_at)).all() == [None, None]
    assert refused(world)[0] == "seal_not_active"
    assert fsck(world.ports) == []


def opened(world: World) -> bool:
    with Session(world.ports.database.read) as session:
        return session.scalar(select(Intent.id).where(Intent.state == "open")) is not None


def test_each_seals_daily_limit_counts_and_what_another_lacks_is_given_back(world: World) -> None:
    other, name = world.beside.seals
    for code, authorisation in zip((other, name), world.beside.authorisations, strict=True):
        keeper = "other-keeper" if code == other else "keeper"
        world.act(keeper, f"/api/v1/seals/{code}/authorisations/{authorisation}/withdrawal", {})
    two, three = authorise_beside(world, other, daily_limit=2), world.authorise(name, daily_limit=3)
    outcomes = issue_many(world.ports, world.actor(), [ordered(joint_body(world)) for _ in range(4)])
    reasons = [one.reason if isinstance(one, VermilionError) else "issued" for one in outcomes]
    assert reasons == ["issued", "issued", "daily_limit", "daily_limit"]
    with Session(world.ports.database.read) as session:
        used = dict(session.execute(select(AuthorisationDay.authorisation_id, AuthorisationDay.used)).all())
    assert used == {world.authorisation_id: 2, two: 2, three: 2}
    assert refused(world) == ("daily_limit", [("/co_seals/0", "daily_limit")])


@on_sqlite
def test_who_lacks_one_seal_takes_no_place_in_the_limit_of_another(world: World) -> None:
    other, name = world.beside.seals
    for code, keeper, authorisation in zip(
        (other, name), ("other-keeper", "keeper"), world.beside.authorisations, strict=True
    ):
        world.act(keeper, f"/api/v1/seals/{code}/authorisations/{authorisation}/withdrawal", {})
    others_first = other < name  # they are drawn upon in the order of their codes, which are drawn by lot
    authorise_beside(world, other, daily_limit=1 if others_first else 2)
    world.authorise(name, daily_limit=2 if others_first else 1)
    if others_first:
        second = seal_of_other(world)
        authorise_beside(world, second)
    else:
        second = world.active_seal("name")
        world.authorise(second)
    publish_trust_list(world.ports)
    rest = [second, name] if others_first else [other, second]
    bodies = [joint_body(world), joint_body(world), joint_body(world, co_seals=rest)]
    outcomes = issue_many(world.ports, world.actor(), [ordered(body) for body in bodies])
    reasons = [one.reason if isinstance(one, VermilionError) else "issued" for one in outcomes]
    assert reasons == ["issued", "daily_limit", "issued"]


def test_a_found_document_is_adopted_with_all_its_seals_or_not_at_all(world: World, clock: Ticker) -> None:
    def die(change: Callable[[bytes], bytes | None]) -> None:
        ports = replace(world.ports, documents=Store(world.ports.documents, change))
        with pytest.raises(Died):
            issue_one(world, joint_body(world), ports=ports)

    die(lambda data: data)
    die(lambda data: data[: data.index(b"%%EOF\n") + 6])  # the first seal alone
    die(lambda _data: None)
    clock.advance(LEASE)
    report = recover(world.ports)
    assert (len(report.adopted), len(report.abandoned), report.defects) == (1, 2, {})
    with Session(world.ports.database.read) as session:
        reasons = set(session.scalars(select(Intent.end_reason).where(Intent.state == "abandoned")))
        states = sorted(session.scalars(select(SealUse.state)))
    assert reasons == {"seal_missing", "never_sealed"}
    assert states == ["applied"] * 3 + ["void"] * 6
    assert fsck(world.ports) == []


def test_what_a_seal_sealed_beside_others_is_in_its_ledger_and_impact_list(world: World) -> None:
    editions = [issue_one(world, joint_body(world)).edition_id for _ in range(3)]
    other, _name = world.beside.seals
    with Session(world.ports.database.read) as session:
        seal = session.get_one(Seal, other)
        limit = impact.limit_of(session, seal, world.ports.clock() + timedelta(seconds=1))
        assert sum(impact.totals(session, seal, limit).values()) == 3
        whole = impact.page(session, seal, limit)
        first = impact.page(session, seal, limit, size=2)
        rest = impact.page(session, seal, limit, after=first.sealings[-1].edition_id)
        assert (*first.sealings, *rest.sealings) == whole.sealings
        assert {one.edition_id for one in whole.sealings} == set(editions)
        assert all(one.proofs for one in whole.sealings)
        uses, more = page(session, seal, Days(None, None), world.ports.settings.tz)
        assert (len(uses), more) == (3, False)
        unknown = session.get_one(Seal, world.seal_code)
        assert len(impact.page(session, unknown, limit).sealings) == 3


def test_a_further_seal_is_judged_by_its_own_history(world: World) -> None:
    issued = issue_one(world, joint_body(world))
    live = SqlLiveRegistry(world.ports.database.read, world.ports.clock)

    def verdict() -> tuple[Verdict, str]:
        data = sealed(world, issued.edition_id)
        outcome = check_file(data, trust(world), live, None, world.ports.clock())
        return outcome.verification.verdict, outcome.facts.issuer_reason

    assert verdict() == (Verdict.VALID, "issuer_recognised")
    whole = sealed(world, issued.edition_id)
    short = whole[: whole.index(b"%%EOF\n") + 6]  # ours, and not the licence
    incomplete = check_file(short, trust(world), live, None, world.ports.clock())
    assert (incomplete.verification.verdict, incomplete.alarm) == (Verdict.ALTERED, None)
    assert incomplete.facts.content_reason == "seal_missing"
    found = live.by_identifier(issued.printout.record.identifier)
    assert found is not None
    assert [seal.state_at_sealing for seal in found.co_seals] == ["active", "active"]
    assert len(found.documents) == 1
    other, _name = world.beside.seals
    with world.ports.database.transaction() as session:
        session.execute(update(Seal).where(Seal.code == other).values(state="cancelled"))
    assert verdict() == (Verdict.VALID, "seal_cancelled_later")
    before = found.co_seals[0].sealed_at - timedelta(seconds=1)
    with world.ports.database.transaction() as session:
        session.execute(update(Seal).where(Seal.code == other).values(compromised_since=before))
    assert verdict() == (Verdict.NOT_RECOGNISED, "seal_compromised")
    with world.ports.database.transaction() as session:
        session.execute(update(Seal).where(Seal.code == other).values(compromised_since=None))
        session.execute(update(SealUse).where(SealUse.place == 2).values(state="void"))
    assert verdict() == (Verdict.NOT_RECOGNISED, "co_seal_not_entitled")


@on_sqlite
def test_fsck_names_what_is_wrong_with_a_further_seal(world: World) -> None:
    issued = issue_one(world, joint_body(world))

    def findings(*statements: Any) -> str:
        with world.ports.database.write.begin() as connection:
            for statement in statements:
                connection.execute(statement)
        return "\n".join(fsck(world.ports))

    assert findings() == ""
    second = CoSeal.place == 2
    assert "time of its sealing" in findings(update(CoSeal).where(second).values(sealed_at=None))
    with Session(world.ports.database.read) as session:
        edition = session.get_one(Edition, issued.edition_id)
        third = session.scalars(select(CoSeal).where(CoSeal.place == 3)).one()
    again = update(CoSeal).where(second).values(sealed_at=edition.sealed_at)
    assert "another time" not in findings(again)
    swapped = update(SealUse).where(SealUse.place == 2).values(seal_edition_id=third.seal_edition_id)
    assert "the use is of another seal" in findings(swapped)
    assert "has other seals" in findings(delete(CoSeal).where(second))


@on_sqlite
def test_a_joint_licence_without_time_stamps_is_repaired(world: World, clock: Ticker) -> None:
    ports: Ports = replace(world.ports, timestamper=NoStamps())
    issued = issue_one(world, joint_body(world), ports=ports)
    assert issued.level == "B-B"
    clock.advance(timedelta(minutes=1))
    assert stamp_due(world.ports).stamped == [issued.edition_id]
    assert fsck(world.ports) == []


def test_a_changed_trust_list_does_not_lose_the_seal_of_before(world: World) -> None:
    issued = issue_one(world, joint_body(world))
    other, _name = world.beside.seals
    path = f"/api/v1/seals/{other}/authorisations/{world.beside.authorisations[0]}/withdrawal"
    world.act("other-keeper", path, {})
    publish_trust_list(world.ports)
    outcome = check_file(sealed(world, issued.edition_id), trust(world), None, None, world.ports.clock())
    assert outcome.verification.verdict is Verdict.GENUINE_OFFLINE


@on_sqlite
def test_a_batch_of_joint_licences_is_issued_and_waits_for_any_seals_limit(world: World) -> None:
    other, _name = world.beside.seals
    path = f"/api/v1/seals/{other}/authorisations/{world.beside.authorisations[0]}/withdrawal"
    world.act("other-keeper", path, {})
    authorise_beside(world, other, daily_limit=2)
    batch = sent(world, ndjson([joint_body(world) for _ in range(3)]))
    worked(world)
    found = told(world, batch)
    assert (editions(world), found["waiting_for"]) == (2, "daily_limit"), found
    wrong = joint_body(world, co_seals=[other, world.seal_code])
    refused_batch = sent(world, ndjson([joint_body(world), wrong]))
    worked(world)
    (item,) = items(world, refused_batch, "?state=refused")
    assert {fault["pointer"] for fault in item["errors"]} == {"/co_seals"}


@on_sqlite
def test_a_csv_line_names_its_further_seals_as_a_list(world: World) -> None:
    body = joint_body(world)
    flat = {name: value for name, value in body.items() if name not in {"fields", "co_seals"}}
    flat["co_seals"] = LIST_JOIN.join(body["co_seals"])
    for name, value in body["fields"].items():
        is_list = isinstance(value, list)
        flat[f"fields.{name}{'[]' if is_list else ''}"] = LIST_JOIN.join(value) if is_list else value
    text = io.StringIO()
    csv.writer(text).writerows([flat.keys(), flat.values()])
    sent(world, text.getvalue().encode(), media="text/csv")
    worked(world)
    assert editions(world) == 1


def sealed_and_died(world: World) -> tuple[Intent, list[SealMaterial], KeyRef, list[str]]:
    """An intent whose process died once all had signed: it, its seals by place, the code's key, the seals'
    codes.
    """
    ports = replace(world.ports, documents=Store(world.ports.documents, lambda _data: None))
    with pytest.raises(Died):
        issue_one(world, joint_body(world), ports=ports)
    with Session(world.ports.database.read) as session:
        intent = session.scalars(select(Intent)).one()
        further = session.scalars(select(CoSeal.seal_edition_id).order_by(CoSeal.place)).all()
        editions = (intent.seal_edition_id, *further)
        seals = [seal_material(session, one) for one in editions]
        codes = [session.get_one(SealEdition, one).seal_code for one in editions]
        return intent, seals, qr_key(session, world.codes["own"], world.ports.clock()).key, codes


@on_sqlite
def test_each_key_serves_its_own_place_of_an_intent(world: World) -> None:
    intent, seals, qr, _codes = sealed_and_died(world)

    def reason(seal: int, record: str) -> str:
        key, suite = seals[seal].key, SUITES[seals[seal].key.suite]
        data = signed_attributes(bytes(32), seals[seal].certificate, suite)
        with pytest.raises(VermilionError) as caught:
            world.ports.custodian.sign(key, [SignRequest(SignKind.SIGNED_ATTRIBUTES, data, record)])
        return caught.value.reason

    name = f"intent:{intent.id}"
    assert [reason(seal, name) for seal in range(3)] == ["record_used", "key_of_intent", "key_of_intent"]
    assert [reason(seal, f"{name}:2") for seal in range(3)] == [
        "key_of_intent",
        "record_used",
        "key_of_intent",
    ]
    assert [reason(seal, f"{name}:3") for seal in range(3)] == [
        "key_of_intent",
        "key_of_intent",
        "record_used",
    ]
    assert {reason(0, f"{name}:{place}") for place in ("1", "4", "02", "")} == {"record"}
    claims = claims_of(food(), types()[food().type_code])
    structure, _ = sig_structure(claims, bytes(8), -7, "http://localhost:8801", bytes(16))
    with pytest.raises(VermilionError) as caught:
        world.ports.custodian.sign(qr, [SignRequest(SignKind.SIG_STRUCTURE, structure, f"{name}:2")])
    assert caught.value.reason == "record"
    with Session(world.ports.database.write) as session, session.begin():
        session.execute(update(SealUse).where(SealUse.place == 3).values(state="void"))
    assert reason(2, f"{name}:3") == "intent"
    assert reason(1, f"{name}:2") == "record_used"


def test_a_licence_is_its_clients_agencys_and_bears_the_seals_that_its_record_names(world: World) -> None:
    """What the signer asks by itself: whoever writes the registry's tables gets no other agency's licence."""
    intent, seals, qr, codes = sealed_and_died(world)
    name, own, other = f"intent:{intent.id}", world.codes["own"], world.codes["other"]

    def reason(place: int) -> str:
        key = seals[place - 1].key
        data = signed_attributes(bytes(32), seals[place - 1].certificate, SUITES[key.suite])
        record = name if place == 1 else f"{name}:{place}"
        with pytest.raises(VermilionError) as caught:
            world.ports.custodian.sign(key, [SignRequest(SignKind.SIGNED_ATTRIBUTES, data, record)])
        return caught.value.reason

    def with_agency(row: type[Client | Seal | Key], key: str, agency: str) -> Callable[[], None]:
        with Session(world.ports.database.write) as session, session.begin():
            found: Any = session.get_one(row, key)
            before, found.agency_code = found.agency_code, agency
        return lambda: None if before is None else (with_agency(row, key, before), None)[1]

    assert [reason(place) for place in (1, 2, 3)] == ["record_used"] * 3
    undo = with_agency(Seal, codes[0], other)
    assert [reason(place) for place in (1, 2)] == ["issuer", "record_used"]
    undo()
    undo = with_agency(Seal, codes[1], own)
    assert [reason(place) for place in (1, 2)] == ["record_used", "issuer"]
    undo()
    undo = with_agency(Client, intent.client_id, other)
    assert [reason(place) for place in (1, 2)] == ["issuer", "issuer"]
    undo()
    with_agency(Key, qr.id, other)
    claims = claims_of(food(), types()[food().type_code])
    structure, _ = sig_structure(claims, bytes(8), -7, "http://localhost:8801", bytes(16))
    with pytest.raises(VermilionError) as caught:
        world.ports.custodian.sign(qr, [SignRequest(SignKind.SIG_STRUCTURE, structure, name)])
    assert caught.value.reason == "issuer"
