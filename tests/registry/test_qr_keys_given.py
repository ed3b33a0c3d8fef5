"""The keys of an agency's QR codes: one where there is none, a new one, the end of an old one."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from keys.trust_list import read_trust_list
from registry.agencies.qr_keys import ensure_qr_key
from registry.licences.lookup import current_trust_list
from registry.log.tables import Event, Leaf
from registry.seals.authority import give_qr_key
from registry.seals.retirement import keys_on_record, retire_key, succeed
from registry.seals.tables import Key
from registry.seals.trust import publish_trust_list
from signing.credential import parse_link
from signing.issuer import verify_credential
from signing.verdict import Issuer
from tests.registry.issuing import issue_one, request_body
from tests.registry.world import GROUND, World


def qr_keys(world: World) -> list[str]:
    with Session(world.ports.database.read) as session:
        own = select(Key.id).where(Key.agency_code == world.codes["own"], Key.purpose == "qr")
        return list(session.scalars(own.order_by(Key.created_at)))


def retire(world: World, key_id: str, *, compromised: bool = False) -> None:
    with world.ports.database.transaction() as session:
        retire_key(session, world.ports, world.system, key_id=key_id, ground=GROUND, compromised=compromised)
    publish_trust_list(world.ports)


def judged(world: World, link: str) -> tuple[Issuer, str]:
    """Of a scanned code, by the trust list as published now, and nothing else."""
    now = world.ports.clock()
    trust = read_trust_list(current_trust_list(world.ports.database.read), at=now)
    proof = verify_credential(parse_link(link), trust, now)
    return proof.issuer, proof.issuer_reason


def test_an_agency_without_a_key_gets_one_and_no_second(world: World) -> None:
    (first,) = qr_keys(world)
    ensure_qr_key(world.ports, world.codes["own"])
    assert qr_keys(world) == [first]
    retire(world, first)
    for _ in range(2):
        ensure_qr_key(world.ports, world.codes["own"])
    assert len(qr_keys(world)) == 2


def test_a_key_that_was_never_certified_does_not_count(world: World) -> None:
    """A process that died between making a key and its certificate leaves such a row."""
    with Session(world.ports.database.read) as session:
        some = session.get_one(Key, qr_keys(world)[0])
        public_key = some.public_key
    retire(world, some.id)
    with world.ports.database.transaction() as session:
        session.add(
            Key(
                id="f" * 32, purpose="qr", suite=some.suite, public_key=public_key,
                agency_code=some.agency_code, state="active", since=world.ports.clock(),
                created_at=world.ports.clock(),
            )
        )  # fmt: skip
    ensure_qr_key(world.ports, world.codes["own"])
    assert len(qr_keys(world)) == 3


def test_what_a_retired_key_signed_stays_recognised_and_nothing_new_is_signed(world: World) -> None:
    issued = issue_one(world)
    (old,) = qr_keys(world)
    retire(world, old)
    retire(world, old)  # the same again is no event
    with Session(world.ports.database.read) as session:
        (event,) = session.scalars(select(Event).where(Event.kind == "key.retired", Event.subject == old))
        assert session.get(Leaf, event.id)
        assert (event.legal_basis, event.person_id) == (GROUND.legal_basis, world.system.person_id)
    refused = world.post("/api/v1/licences", request_body(world), **{"Idempotency-Key": "no-key"})
    assert (refused.status_code, refused.get_json()["reason"]) == (409, "no_qr_key")
    give_qr_key(world.ports, world.codes["own"])
    publish_trust_list(world.ports)
    again = issue_one(world)
    assert judged(world, issued.link) == judged(world, again.link) == (Issuer.RECOGNISED, "issuer_recognised")


def test_what_a_compromised_key_signed_is_for_the_registry_to_say(world: World) -> None:
    issued = issue_one(world)
    (old,) = qr_keys(world)
    retire(world, old)
    retire(world, old, compromised=True)  # found out later
    retire(world, old)  # never taken back
    assert judged(world, issued.link) == (Issuer.DOUBTFUL, "key_compromised")


def test_keys_that_end_otherwise_are_not_retired_here(world: World) -> None:
    statement = select(Key.id, Key.purpose).where(Key.purpose.in_(("seal", "issuing-ca", "root-ca")))
    with Session(world.ports.database.read) as session:
        others = {purpose: key_id for key_id, purpose in session.execute(statement)}
        (delegate,) = session.scalars(select(Key.id).where(Key.purpose == "trust-list"))
    assert len(others) == 3
    wrong = dict.fromkeys(others.values(), "purpose") | {"0" * 32: "key_unknown", delegate: "last_delegate"}
    for key_id, reason in wrong.items():
        with pytest.raises(VermilionError) as refused:
            retire(world, key_id)
        assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("purpose", "compromised"),
    [("tsa", False), ("tsa", True), ("ocsp", True), ("status-list", False), ("receipt", True)],
)
def test_the_registry_s_own_keys_have_a_successor_at_once(
    world: World, purpose: str, compromised: bool
) -> None:
    statement = select(Key.id).where(Key.purpose == purpose, Key.state == "active")
    with Session(world.ports.database.read) as session:
        (old,) = session.scalars(statement)
    with world.ports.database.transaction() as session:
        ended = retire_key(
            session, world.ports, world.system, key_id=old, ground=GROUND, compromised=compromised
        )
    new = succeed(world.ports, ended, world.system)
    publish_trust_list(world.ports)
    assert new is not None
    assert succeed(world.ports, ended, world.system) is None
    with Session(world.ports.database.read) as session:
        assert list(session.scalars(statement)) == [new]
        (row,) = [one for one in keys_on_record(session, purpose) if one["id"] == old]
    assert (row["state"], row["certificate_state"]) == (
        "compromised" if compromised else "retired",
        "revoked",
    )
    assert issue_one(world).level == "B-LT"
