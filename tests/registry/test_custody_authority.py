"""What root and issuing authority sign: certificates and trust lists that stand on record to the last byte."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from asn1crypto import x509
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.apart import RootApart
from keys.certificates import Issuer, Subject, build_tbs, new_serial, public_key_der, sign_certificate
from keys.custodian import KeyRef, Purpose
from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from keys.suite import SUITES
from keys.trust_list import TrustList, read_trust_list, sign_trust_list, trust_list_input
from registry.seals.authority import give_qr_key, issuing_authority, root_authority, trust_list_delegate
from registry.seals.keys import key_ref
from registry.seals.tables import Certificate, Key, KeyUse, PublishedTrustList, TrustListDraft
from registry.seals.trust import current_trust_list, publish_trust_list
from tests.registry.world import BASIS, World


@dataclass(frozen=True)
class Reserved:
    """A new seal's key, and what is on record to be signed for it."""

    key: KeyRef
    issuer: Issuer
    subject: Subject
    serial: int


def tbs(world: World, reserved: Reserved, **changes: Any) -> bytes:
    wanted: dict[str, Any] = {"subject": reserved.subject, "serial": reserved.serial, "life": None}
    wanted |= changes
    return build_tbs(
        world.ports.custodian, reserved.issuer, ProfileName.SEAL, wanted["subject"], reserved.key,
        serial=wanted["serial"], at=world.ports.clock(), life=wanted["life"],
    )  # fmt: skip


@pytest.fixture
def reserved(world: World) -> Reserved:
    ports, now = world.ports, world.ports.clock()
    with Session(ports.database.read) as session:
        issuer = issuing_authority(session)
    key = ports.custodian.generate(Purpose.SEAL, "p256-sha256")
    made = Reserved(key, issuer, Subject("99010000000042", world.codes["own"]), new_serial(ports.random))
    with ports.database.transaction() as session:
        session.add(
            Key(
                id=key.id, purpose="seal", suite=key.suite, agency_code=world.codes["own"], state="reserved",
                public_key=public_key_der(ports.custodian.public_key(key)), since=now, created_at=now,
            )
        )  # fmt: skip
        session.flush()
        session.add(
            Certificate(
                serial=f"{made.serial:x}", key_id=key.id, issuer_key_id=key.id, profile="seal", der=None, not_before=now,
                not_after=now, tbs_sha256=sha256(tbs(world, made)).digest(),
            )
        )  # fmt: skip
    return made


def refusal(world: World, signer: KeyRef, data: bytes) -> str:
    apart = RootApart(world.root_custodian(), world.ports.custodian)
    with pytest.raises(VermilionError) as refused:
        sign_certificate(apart, signer, data)
    assert refused.value.kind is Kind.KEY_REFUSED
    return refused.value.reason


def test_a_certificate_is_signed_as_it_stands_on_record(world: World, reserved: Reserved) -> None:
    ca, data = reserved.issuer.key, tbs(world, reserved)
    der = sign_certificate(world.ports.custodian, ca, data)
    assert x509.Certificate.load(der)["tbs_certificate"].dump() == data
    assert refusal(world, ca, data) == "record_used"


def test_no_other_subject_dates_or_usage_is_signed_under_a_reserved_serial(
    world: World, reserved: Reserved
) -> None:
    used = x509.TbsCertificate.load(tbs(world, reserved))
    for extension in used["extensions"]:
        if extension["extn_id"].native == "key_usage":
            extension["extn_value"] = {"digital_signature", "key_agreement"}
    stolen = (
        tbs(world, reserved, subject=Subject("99010000000043", "Another agency")),
        tbs(world, reserved, life=timedelta(days=3000)),
        used.dump(force=True),
    )
    for data in stolen:
        assert refusal(world, reserved.issuer.key, data) == "serial"
    with Session(world.ports.database.read) as session:
        record = f"certificate:{reserved.serial:x}"
        assert session.scalars(select(KeyUse).where(KeyUse.record == record)).all() == []
    assert sign_certificate(world.ports.custodian, reserved.issuer.key, tbs(world, reserved))


def test_no_certificate_without_its_reserved_serial(world: World, reserved: Reserved) -> None:
    """Neither an unknown serial, nor one signed already, nor one for another authority to sign."""
    with Session(world.ports.database.read) as session:
        root = root_authority(session).key
        signed = session.scalars(
            select(Certificate).where(Certificate.profile == "seal", Certificate.der.is_not(None))
        ).one()
        seal = key_ref(session.get_one(Key, signed.key_id))
    again = replace(reserved, key=seal, serial=int(signed.serial, 16))
    assert refusal(world, reserved.issuer.key, tbs(world, reserved, serial=12345)) == "serial"
    assert refusal(world, reserved.issuer.key, tbs(world, again)) == "serial"
    assert refusal(world, root, tbs(world, reserved)) == "profile"


@dataclass(frozen=True)
class Listing:
    """The root's delegate, the list published last, and how to have another signed."""

    world: World
    key: KeyRef
    delegate: bytes
    root: bytes
    trust: TrustList

    def input(self, trust: TrustList) -> bytes:
        return trust_list_input(trust, SUITES[self.key.suite], self.delegate, self.root)

    def draft(self, trust: TrustList) -> None:
        with self.world.ports.database.transaction() as session:
            session.add(
                TrustListDraft(
                    sequence=trust.sequence, input_sha256=sha256(self.input(trust)).digest(),
                    drafted_at=self.world.ports.clock(),
                )
            )  # fmt: skip

    def refusal(self, trust: TrustList) -> str:
        with pytest.raises(VermilionError) as refused:
            self.sign(trust)
        assert refused.value.kind is Kind.KEY_REFUSED
        return refused.value.reason

    def sign(self, trust: TrustList) -> str:
        return sign_trust_list(self.world.ports.custodian, self.key, self.input(trust), trust.sequence)


@pytest.fixture
def listing(world: World) -> Listing:
    with Session(world.ports.database.read) as session:
        root, jws = root_authority(session), current_trust_list(session)
        delegate = trust_list_delegate(session, world.ports.clock())
    assert root.certificate is not None
    assert delegate.certificate is not None
    assert jws is not None
    return Listing(
        world,
        delegate.key,
        delegate.certificate,
        root.certificate,
        read_trust_list(jws, at=world.ports.clock()),
    )


def test_the_delegate_signs_only_the_list_on_record(listing: Listing) -> None:
    """Whoever can ask the custodian, and no more, gets no list with an origin or a key of their own."""
    following = replace(listing.trust, sequence=listing.trust.sequence + 1)
    for number in (listing.trust.sequence, following.sequence, 10**6):
        assert listing.refusal(replace(listing.trust, sequence=number)) == "sequence"
    listing.draft(following)
    stranger = replace(following, origins=("http://elsewhere.example",))
    fewer = replace(following, keys=following.keys[1:])
    longer = replace(following, expires_at=following.expires_at + timedelta(days=365))
    for other in (stranger, fewer, longer):
        assert listing.refusal(other) == "trust_list"
    assert read_trust_list(listing.sign(following), at=listing.world.ports.clock()) == following
    assert listing.refusal(following) == "record_used"


def test_a_list_overtaken_by_a_later_one_is_signed_no_more(listing: Listing) -> None:
    overtaken = replace(listing.trust, sequence=listing.trust.sequence + 1)
    listing.draft(overtaken)
    listing.world.act("keeper", f"/api/v1/seals/{listing.world.seal_code}/suspension", BASIS)
    with Session(listing.world.ports.database.read) as session:
        newest = session.scalars(select(func.max(PublishedTrustList.sequence))).one()
    assert newest == overtaken.sequence + 1
    assert listing.refusal(overtaken) == "sequence"


def test_a_list_signed_and_lost_leaves_a_gap_in_the_numbers(listing: Listing) -> None:
    lost = replace(listing.trust, sequence=listing.trust.sequence + 1)
    listing.draft(lost)
    listing.sign(lost)
    listing.world.act("keeper", f"/api/v1/seals/{listing.world.seal_code}/suspension", BASIS)
    assert publish_trust_list(listing.world.ports) == lost.sequence + 1


def test_what_the_linter_refuses_is_neither_on_record_nor_shown_to_the_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile gone wrong costs nothing but the attempt."""

    def without_key_identifier(*arguments: Any, **options: Any) -> bytes:
        made = x509.TbsCertificate.load(build_tbs(*arguments, **options)).copy()
        made["extensions"] = [
            e for e in made["extensions"] if e["extn_id"].native != "authority_key_identifier"
        ]
        return bytes(made.dump(force=True))

    def counts() -> tuple[int, ...]:
        with Session(world.ports.database.read) as session:
            tables = (Certificate, Key, KeyUse)
            return tuple(session.scalars(select(func.count()).select_from(t)).one() for t in tables)

    before = counts()
    monkeypatch.setattr("registry.seals.keys.build_tbs", without_key_identifier)
    with pytest.raises(VermilionError) as refused:
        give_qr_key(world.ports, world.codes["own"])
    assert refused.value.reason == "lint"
    assert [fault.reason for fault in refused.value.faults] == [
        "pkix.authority_key_identifier_extension_absent"
    ]
    assert counts() == before
