"""What a custodian signs for this registry: only what a committed row has announced, each once."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import cbor2
import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from keys.custodian import KeyRef, Kind, SignRequest
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from registry.agencies.rules import set_client_active
from registry.agencies.tables import ClientType
from registry.licences.numbers import new_serial
from registry.licences.records import close_record
from registry.licences.tables import Intent, Licence
from registry.seals.authority import issuing_authority, root_authority, time_stamp_authority
from registry.seals.custody import registry_policy
from registry.seals.tables import (
    Certificate,
    Key,
    KeyUse,
    Seal,
    StandingAuthorisation,
    TrustListDraft,
)
from registry.seals.use import apply_uses, begin_uses, qr_key, void_uses
from signing.codes import make_identifier
from signing.record import Record
from tests.registry.issuing import issue_one
from tests.registry.uses import Drawn, draw_use
from tests.registry.world import BASIS, GROUND, START, Ticker, World, on_sqlite

INTENT = "a" * 32


@dataclass(frozen=True)
class Prepared:
    """An open intent with its seal use begun."""

    usable: Drawn
    qr: KeyRef
    tsa: KeyRef


def usable(world: World) -> Drawn:
    with world.ports.database.transaction() as session:
        return draw_use(session, world)


@pytest.fixture
def prepared(world: World) -> Prepared:
    ports, now = world.ports, world.ports.clock()
    with ports.database.transaction() as session:
        seal, qr = draw_use(session, world, INTENT), qr_key(session, world.codes["own"], now).key
        session.add(
            Licence(
                id="b" * 32,
                type_code=world.type_code,
                issuer_code=world.codes["own"],
                serial="1",
                created_at=now,
            )
        )
        session.flush()
        session.add(
            Intent(
                id=INTENT, licence_id="b" * 32, client_id=world.clients["system"].id, person_id=None, operator="",
                matter_code="", case_number="", seal_edition_id=seal.seal_edition_id,
                seal_state_version=seal.state_version, authorisation_id=seal.authorisation_id, qr_key_id=qr.id,
                record=record_of(world), origin="", link_id_sha256=b"1", lookup_sha256=b"", state="open",
                fence=1, lease_until=now + timedelta(seconds=60), created_at=now, ended_at=None, end_reason=None,
            )
        )  # fmt: skip
        session.flush()
        begin_uses(session, [seal.use], now, ports.random)
        tsa = time_stamp_authority(session, now).key
    return Prepared(seal, qr, tsa)


def record_of(world: World) -> bytes:
    code, issuer = world.type_code, world.codes["own"]
    record = Record(
        identifier=make_identifier(code, issuer, new_serial(world.ports.random), 1), type_code=code,
        type_version=1, issuer_code=issuer, number="JY29901020000011", edition=1, fields={"x": "y"},
        issue_date=world.today, valid_from=world.today, valid_to=None, status_list=0, status_index=1,
        specimen=True,
    )  # fmt: skip
    return close_record(world.ports.vault, INTENT, record)


def ask(
    world: World,
    ref: KeyRef,
    record: str = f"intent:{INTENT}",
    data: bytes = b"",
    kind: Kind = Kind.SIGNED_ATTRIBUTES,
) -> str:
    """ "permitted", or the reason of the policy's refusal."""
    policy = registry_policy(
        world.ports.database, world.ports.clock, world.ports.settings.tz, world.ports.vault
    )
    try:
        policy(ref, [SignRequest(kind, data, record)])
    except VermilionError as error:
        assert error.kind is ErrorKind.KEY_REFUSED
        return error.reason
    return "permitted"


def test_an_open_intent_may_use_its_own_keys_and_no_others(world: World, prepared: Prepared) -> None:
    for ref in (prepared.usable.key, prepared.qr, prepared.tsa):
        assert ask(world, ref) == "permitted"
    with Session(world.ports.database.read) as session:
        foreign = qr_key(session, world.codes["other"], world.ports.clock()).key
        ca, root = issuing_authority(session).key, root_authority(session).key
    for ref in (foreign, ca, root):
        assert ask(world, ref) == "key_of_intent"
    assert ask(world, replace(prepared.qr, id="f" * 32)) == "key_state"


@on_sqlite
@pytest.mark.parametrize(
    "record",
    [
        "",
        "intent:",
        f"intent:{'c' * 32}",
        f"intent:{INTENT} ",
        f"INTENT:{INTENT}",
        "licence:1",
        "trust-list:0",
    ],
)
def test_any_other_record_is_refused(world: World, prepared: Prepared, record: str) -> None:
    assert ask(world, prepared.usable.key, record) in {"record", "intent"}


@on_sqlite
@pytest.mark.parametrize("kind", list(Kind))
def test_what_the_bytes_are_decides_which_record_can_ask_for_them(
    world: World, prepared: Prepared, kind: Kind
) -> None:
    """Claims or names can spell `.<base64url of a trust list's number>`: they are no trust list for that."""
    with Session(world.ports.database.read) as session:
        keys = [prepared.usable.key, prepared.qr, prepared.tsa, issuing_authority(session).key]
        root = root_authority(session).key
        serial = session.scalars(select(Certificate.serial)).first()
        number = session.scalars(select(func.max(TrustListDraft.sequence))).one()
    spelt = b"x." + base64.urlsafe_b64encode(b'{"seq": %d} ' % number) + b"=x"
    own = {
        Kind.TRUST_LIST: "trust-list",
        Kind.CERTIFICATE: "certificate",
        Kind.SEAL_EDITION: "seal-edition",
    }
    right = own.get(kind, "intent")
    for ref in (*keys, root):
        for record in (
            f"trust-list:{number}",
            f"certificate:{serial}",
            f"intent:{INTENT}",
            f"seal-edition:{INTENT}",
        ):
            if not record.startswith(right):
                assert ask(world, ref, record, spelt, kind) == "record"


def test_a_stolen_intent_signs_no_other_credential(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The QR key of an open intent signs the credential of its record and link, and nothing else."""
    other = b"\x07" * 16
    asked: list[str] = []
    sign = world.ports.custodian.sign

    def instead(ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
        (request,) = requests
        if request.kind is Kind.SIG_STRUCTURE:
            head, protected, aad, payload = cbor2.loads(request.data)
            claims = cbor2.loads(payload)
            link = aad.rpartition(b"|")[0] + b"|" + base64.urlsafe_b64encode(other).rstrip(b"=")
            named = {**claims, 3: "JY29901029999990"}
            for forged in (
                [head, protected, link, payload],
                [head, protected, aad.replace(b"localhost", b"elsewhere"), payload],
                [head, protected, b"elic1|", payload],
                [head, protected, aad, cbor2.dumps(named, canonical=True)],
            ):
                data = cbor2.dumps(forged, canonical=True)
                with pytest.raises(VermilionError) as refused:
                    sign(ref, [SignRequest(request.kind, data, request.record)])
                asked.append(refused.value.reason)
        return sign(ref, requests)

    monkeypatch.setattr(world.ports.custodian, "sign", instead)
    assert issue_one(world).status == "in_force"  # a refusal spends nothing: the right one is signed
    assert asked == ["credential"] * 4


@pytest.mark.parametrize("state", ["done", "abandoned"])
def test_an_ended_intent_uses_no_key(world: World, prepared: Prepared, state: str) -> None:
    with world.ports.database.transaction() as session:
        session.execute(update(Intent).values(state=state))
    assert ask(world, prepared.usable.key) == "intent"


def test_a_lapsed_lease_uses_no_key(world: World, prepared: Prepared, clock: Ticker) -> None:
    clock.advance(timedelta(seconds=60))
    assert {ask(world, ref) for ref in (prepared.usable.key, prepared.qr, prepared.tsa)} == {"intent"}


def test_a_voided_use_uses_no_key(world: World, prepared: Prepared) -> None:
    with world.ports.database.transaction() as session:
        void_uses(session, [INTENT], world.ports.clock())
    assert ask(world, prepared.usable.key) == "intent"
    with pytest.raises(VermilionError), world.ports.database.transaction() as session:
        apply_uses(session, {INTENT: b"d"}, world.ports.clock())


def test_a_suspended_seal_is_not_used_nor_one_resumed_since(world: World, prepared: Prepared) -> None:
    path = f"/api/v1/seals/{world.seal_code}"
    world.act("keeper", f"{path}/suspension", BASIS)
    assert ask(world, prepared.usable.key) == "seal_not_active"
    world.decide(world.act("keeper", f"{path}/resumption-request", BASIS, 202))
    assert ask(world, prepared.usable.key) == "seal_not_active"  # the intent was written in another time


def test_a_withdrawn_or_ended_authorisation_permits_nothing(world: World, prepared: Prepared) -> None:
    with world.ports.database.transaction() as session:
        session.execute(update(StandingAuthorisation).values(valid_to=world.today - timedelta(days=1)))
    assert ask(world, prepared.usable.key) == "not_authorised"
    with world.ports.database.transaction() as session:
        session.execute(update(StandingAuthorisation).values(valid_to=world.today))
    assert ask(world, prepared.usable.key) == "permitted"
    path = f"/api/v1/seals/{world.seal_code}/authorisations/{world.authorisation_id}/withdrawal"
    world.act("keeper", path, {})
    assert ask(world, prepared.usable.key) == "not_authorised"


def test_a_client_that_may_not_issue_the_type_any_more_uses_no_key(world: World, prepared: Prepared) -> None:
    keys, client = (prepared.usable.key, prepared.qr, prepared.tsa), world.clients["system"].id
    with world.ports.database.transaction() as session:
        set_client_active(session, world.ports, world.security, client_id=client, active=False, ground=GROUND)
    assert {ask(world, ref) for ref in keys} == {"not_entitled"}
    with world.ports.database.transaction() as session:
        set_client_active(session, world.ports, world.security, client_id=client, active=True, ground=GROUND)
        session.execute(delete(ClientType).where(ClientType.client_id == client))
    assert {ask(world, ref) for ref in keys} == {"not_entitled"}


def test_an_authorisation_for_another_type_permits_nothing(world: World, prepared: Prepared) -> None:
    with world.ports.database.transaction() as session:
        session.execute(update(StandingAuthorisation).values(type_code=world.types["other"]))
    for ref in (prepared.usable.key, prepared.qr, prepared.tsa):
        assert ask(world, ref) == "not_authorised"


def test_a_retired_key_signs_nothing(world: World, prepared: Prepared) -> None:
    with world.ports.database.transaction() as session:
        session.execute(update(Key).where(Key.id == prepared.qr.id).values(state="retired"))
    assert ask(world, prepared.qr) == "key_state"


@pytest.mark.parametrize(
    ("table", "change", "reason"),
    [
        (Key, {"state": "reserved"}, "key_state"),
        (Key, {"listed_at": None}, "key_unlisted"),
        (Certificate, {"not_after": START - timedelta(seconds=1)}, "key_expired"),
        (Certificate, {"not_before": START + timedelta(seconds=1)}, "key_expired"),
        (Certificate, {"der": None}, "key_expired"),
    ],
    ids=["reserved", "unlisted", "over", "to come", "unsigned"],
)
def test_codes_and_time_stamps_are_signed_only_by_keys_that_everybody_recognises(
    world: World, prepared: Prepared, table: type[Key | Certificate], change: dict[str, Any], reason: str
) -> None:
    for ref in (prepared.qr, prepared.tsa):
        assert ask(world, ref) == "permitted"
        key_id = Key.id if table is Key else Certificate.key_id
        with world.ports.database.transaction() as session:
            session.execute(update(table).where(key_id == ref.id).values(**change))
        assert ask(world, ref) == reason


def test_a_use_is_on_record_before_and_after_and_happens_once(world: World, prepared: Prepared) -> None:
    token = world.ports.timestamper.stamp(b"d" * 32, f"intent:{INTENT}")
    assert token
    with Session(world.ports.database.read) as session:
        use = session.scalars(select(KeyUse).where(KeyUse.record == f"intent:{INTENT}")).one()
        assert (use.key_id, use.signed, use.ended_at) == (prepared.tsa.id, True, world.ports.clock())
    with pytest.raises(VermilionError) as refused:
        world.ports.timestamper.stamp(b"e" * 32, f"intent:{INTENT}")
    assert (refused.value.kind, refused.value.reason) == (ErrorKind.KEY_REFUSED, "record_used")


# --- authorised use ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seal_code": "99010000000000"}, "seal_unknown"),
        ({"agency_code": "11990100MB0102074C"}, "seal_unknown"),
        ({"client_id": "0" * 32}, "not_authorised"),
        ({"type_code": "11990000MB00020229001"}, "not_authorised"),
    ],
    ids=str,
)
def test_a_use_nobody_authorised_is_refused(world: World, changes: dict[str, str], reason: str) -> None:
    with pytest.raises(VermilionError) as refused, world.ports.database.transaction() as session:
        draw_use(session, world, **changes)
    assert (refused.value.kind, refused.value.reason) == (ErrorKind.FORBIDDEN, reason)


def test_a_seal_of_another_kind_than_the_type_wants_is_not_used(world: World) -> None:
    with pytest.raises(VermilionError) as refused, world.ports.database.transaction() as session:
        draw_use(session, world, seal_kind="name")
    assert (refused.value.kind, refused.value.reason) == (ErrorKind.INVALID, "seal_kind")
    assert [fault.field for fault in refused.value.faults] == ["/seal"]


def test_the_daily_limit_is_drawn_down_day_by_day(world: World, clock: Ticker) -> None:
    with world.ports.database.transaction() as session:
        session.execute(update(StandingAuthorisation).values(daily_limit=2))
    for _ in range(2):
        assert usable(world).authorisation_id == world.authorisation_id
    with pytest.raises(VermilionError) as refused:
        usable(world)
    assert (refused.value.kind, refused.value.reason) == (ErrorKind.CONFLICT, "daily_limit")
    clock.advance(timedelta(days=1))
    assert usable(world)


def test_a_seal_past_its_validity_or_suspended_is_not_used(world: World, clock: Ticker) -> None:
    clock.advance(timedelta(days=3 * 365))
    with pytest.raises(VermilionError) as refused:
        usable(world)
    assert refused.value.reason == "seal_expired"
    with world.ports.database.transaction() as session:
        session.execute(update(Seal).values(state="suspended"))
    with pytest.raises(VermilionError) as refused:
        usable(world)
    assert refused.value.reason == "seal_not_active"
