"""A seal with a certificate of a licensed CA outside: asked for, brought, judged, bound, used and verified."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from keys.certificates import certificate_key
from keys.csr import request_info, request_record
from keys.custodian import Kind as SignKind
from keys.custodian import SignRequest
from keys.errors import Kind, VermilionError
from keys.outside_status import MAX_CRL_BYTES, MAX_OCSP_BYTES
from keys.trust_list import TrustList, read_trust_list
from registry.documents import document_key
from registry.licences.fsck import fsck
from registry.log.tables import Event
from registry.seals.keys import key_ref, subject_name
from registry.seals.outside_ca import add_authority, leads_to, withdraw_authority
from registry.seals.outside_tables import (
    CertificationRequest,
    OutsideCertificate,
    OutsideEvidence,
    OutsideStatus,
)
from registry.seals.tables import Certificate, Key, KeyUse, Seal, SealEdition, SealUse
from registry.seals.trust import current_trust_list, publish_trust_list
from signing.check import check_file
from signing.strict_check import strict_check
from signing.verdict import Verdict
from tests.registry.issuing import issue_one
from tests.registry.licensed_ca import DAY, PEM, LicensedCa, licensed_ca, make_ca, new_key, send, usage
from tests.registry.outside_seal import hand_in, in_use, made, request, trust, watcher
from tests.registry.world import BASIS, GROUND, Ticker, World, on_sqlite
from tests.tools import need


@pytest.fixture
def ca(world: World, clock: Ticker) -> Iterator[LicensedCa]:
    """A licensed CA that is on record."""
    with licensed_ca(clock) as running:
        trust(world, running)
        yield running


def sealed(world: World) -> bytes:
    """A document sealed with the world's seal."""
    data = world.ports.documents.get(document_key(issue_one(world).edition_id))
    assert data is not None
    return data


def trust_list(world: World) -> TrustList:
    publish_trust_list(world.ports)
    with Session(world.ports.database.read) as session:
        jws = current_trust_list(session)
    assert jws is not None
    return read_trust_list(jws, at=world.ports.clock())


def refused(world: World) -> tuple[Kind, str]:
    with pytest.raises(VermilionError) as caught:
        issue_one(world)
    assert [fault.field for fault in caught.value.faults] == ["/seal"]
    return caught.value.kind, caught.value.reason


def uses_of_seal_keys(world: World) -> int:
    with Session(world.ports.database.read) as session:
        statement = select(func.count()).where(KeyUse.kind == SignKind.SIGNED_ATTRIBUTES.value)
        return session.scalars(statement.select_from(KeyUse)).one()


UNKNOWN, REVOKED = (Kind.UNAVAILABLE, "status_unknown"), (Kind.CONFLICT, "certificate_revoked")


# --- request, chain, trust list --------------------------------------------------------------------------


def test_openssl_verifies_the_request_and_asking_again_gives_the_same(
    world: World, ca: LicensedCa, tmp_path: Path
) -> None:
    code = world.approved_seal()
    for suite in ("p256-sha256", "p384-sha384", "rsa3072-sha256"):
        asked = request(world, code, suite)
        (tmp_path / "request.der").write_bytes(asked)
        told = subprocess.run(
            [need("openssl"), "req", "-inform", "DER", "-in", str(tmp_path / "request.der"), "-verify", "-noout",
             "-subject", "-nameopt", "utf8"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        assert "verify OK" in told.stderr + told.stdout
        assert code in told.stdout
        assert world.codes["own"] in told.stdout
        assert request(world, code, suite) == asked


@pytest.mark.parametrize("suite", ["p256-sha256", "rsa3072-sha256"])
@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
def test_it_is_sealed_and_verified_with_nothing_but_the_trust_list(
    world: World, clock: Ticker, suite: str, kind: str
) -> None:
    with licensed_ca(clock, kind=kind) as ca:
        trust(world, ca)
        _code, certificate = in_use(world, ca, suite)
        data = sealed(world)
    trusted = trust_list(world)
    (entry,) = [key for key in trusted.keys if key.certificate == certificate]
    assert (entry.issuers, entry.suite) == ((ca.below.der,), suite)
    evidence = strict_check(data, trusted, at=world.ports.clock())
    assert (evidence.seals[0].certificate, evidence.seal_key, evidence.level) == (certificate, entry, "B-LT")
    outcome = check_file(data, trusted, None, None, world.ports.clock())
    assert outcome.verification.verdict is Verdict.GENUINE_OFFLINE


def test_openssl_verifies_the_chain_that_a_document_carries(
    world: World, ca: LicensedCa, tmp_path: Path
) -> None:
    _code, certificate = in_use(world, ca)
    for name, der in (("leaf", certificate), ("below", ca.below.der), ("root", ca.root.der)):
        pem = x509.load_der_x509_certificate(der).public_bytes(PEM)
        (tmp_path / name).write_bytes(pem)
    at = str(int(world.ports.clock().timestamp()))
    subprocess.run(
        [need("openssl"), "verify", "-attime", at, "-CAfile", "root", "-untrusted", "below", "leaf"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip


def test_another_certificate_of_the_same_authority_is_worth_nothing(world: World, ca: LicensedCa) -> None:
    """For another key, and for the very key of the seal: only the bound one is in the trust list."""
    _code, certificate = in_use(world, ca)
    data = sealed(world)
    trusted = trust_list(world)
    bound = x509.load_der_x509_certificate(certificate)
    again = ca.certify_key(bound.subject, bound.public_key())
    stranger = ca.certify_key(bound.subject, new_key().public_key())
    for other, reason in ((again, "chain"), (stranger, "issuer_unknown")):
        keys = tuple(
            replace(key, certificate=other, public_key=certificate_key(other))
            if key.certificate == certificate
            else key
            for key in trusted.keys
        )
        with pytest.raises(VermilionError) as caught:
            strict_check(data, replace(trusted, keys=keys), at=world.ports.clock())
        assert caught.value.reason == reason
    code = world.approved_seal()
    assert hand_in(world, code, *ca.chain(stranger), status=409)["reason"] == "not_requested"
    request(world, code)
    for other in (stranger, certificate, again):
        assert hand_in(world, code, *ca.chain(other), status=422)["reason"] == "key_mismatch"


def test_pem_in_any_order_and_the_anchor_beside_it_are_taken(world: World, ca: LicensedCa) -> None:
    code = world.approved_seal()
    certificate = ca.certify(request(world, code))
    chain = [ca.root.der, ca.below.der, certificate]
    pem = b"".join(x509.load_der_x509_certificate(der).public_bytes(PEM) for der in chain)
    hand_in(world, code, pem)
    with Session(world.ports.database.read) as session:
        row = session.scalars(select(Certificate).where(Certificate.der == certificate)).one()
        edition = session.scalars(select(SealEdition).where(SealEdition.seal_code == code)).one()
        assert (row.issuer_key_id, edition.certificate_serial) == (None, row.serial)


Bad = Callable[[LicensedCa, bytes], list[bytes]]


def _changed(**changes: Any) -> Bad:
    return lambda ca, asked: ca.chain(ca.certify(asked, **changes))


def _usage(**members: bool) -> Bad:
    def bad(ca: LicensedCa, asked: bytes) -> list[bytes]:
        others = [one for one in ca.extensions() if not isinstance(one[0], x509.KeyUsage)]
        return ca.chain(ca.certify(asked, extensions=[*others, (usage(**members), True)]))

    return bad


def _extra(value: Any, critical: bool) -> Bad:
    return lambda ca, asked: ca.chain(ca.certify(asked, extensions=[*ca.extensions(), (value, critical)]))


def _under(**changes: Any) -> Bad:
    """Under another CA of the same root."""

    def bad(ca: LicensedCa, asked: bytes) -> list[bytes]:
        other = make_ca("Other", ca.root, ca.clock(), **changes)
        return [ca.certify(asked, issuer=other), other.der]

    return bad


def _too_deep(ca: LicensedCa, asked: bytes) -> list[bytes]:
    deeper = make_ca("Deeper", ca.below, ca.clock())
    return [ca.certify(asked, issuer=deeper), deeper.der, ca.below.der]


def _foreign_root(ca: LicensedCa, asked: bytes) -> list[bytes]:
    """The licensed authority's names, other keys: the chain brings its own anchor."""
    root = make_ca("Licensed Root CA", None, ca.clock())
    below = make_ca("Licensed Seal CA", root, ca.clock())
    return [ca.certify(asked, issuer=below), below.der, root.der]


def _wrong_issuer(ca: LicensedCa, asked: bytes) -> list[bytes]:
    """Signed by a key that only has the issuer's name."""
    impostor = make_ca("Licensed Seal CA", ca.root, ca.clock())
    return ca.chain(ca.certify(asked, issuer=impostor))


UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.7"), b"\x05\x00")
BAD: dict[str, tuple[Bad, str]] = {
    "expired": (_changed(life=-timedelta(hours=1)), "chain"),
    "no usage to sign": (_usage(key_encipherment=True), "chain"),
    "may sign certificates": (_usage(digital_signature=True, key_cert_sign=True), "chain"),
    "for servers": (_extra(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False), "chain"),
    "for time-stamps too": (
        _extra(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.TIME_STAMPING]), False
        ),
        "chain",
    ),
    "unknown critical": (_extra(UNKNOWN_EXTENSION, True), "chain"),
    "issuer is no CA": (_under(ca=False, key_usage=usage(digital_signature=True)), "chain"),
    "issuer may not certify": (_under(key_usage=usage(crl_sign=True)), "chain"),
    "issuer has ended": (_under(life=-timedelta(hours=1)), "chain"),
    "issuer constrains names": (
        _under(extra=[(x509.NameConstraints([x509.DNSName("example.test")], None), False)]), "chain",
    ),
    "issuer is for servers": (
        _under(extra=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)]), "chain",
    ),
    "a path too long": (_too_deep, "chain"),
    "another root": (_foreign_root, "issuer_unknown"),
    "another key of the issuer's name": (_wrong_issuer, "issuer_unknown"),
    "without its issuer": (lambda ca, asked: [ca.certify(asked)], "issuer_unknown"),
    "with a stranger beside": (
        lambda ca, asked: [*ca.chain(ca.certify(asked)), make_ca("X", None, ca.clock()).der], "chain",
    ),
    "twice certified": (lambda ca, asked: [ca.certify(asked), *ca.chain(ca.certify(asked))], "chain"),
    "no address of its status": (
        lambda ca, asked: ca.chain(ca.certify(asked, extensions=ca.extensions(crl=False, answers=False))),
        "status_unpublished",
    ),
    "garbage": (lambda _ca, _asked: [b"\x30\x03\x02\x01\x00"], "chain"),
    "nothing of size": (lambda _ca, _asked: [bytes(60_000), bytes(6_000)], "chain"),
}  # fmt: skip


@on_sqlite
@pytest.mark.parametrize("fault", BAD)
def test_a_chain_with_a_fault_is_refused_and_the_right_one_is_taken_after_it(
    world: World, ca: LicensedCa, fault: str
) -> None:
    bad, reason = BAD[fault]
    code = world.approved_seal()
    asked = request(world, code)
    assert hand_in(world, code, *bad(ca, asked), status=422)["reason"] == reason
    with Session(world.ports.database.read) as session:
        assert session.get_one(Seal, code).state == "approved"
    hand_in(world, code, *ca.chain(ca.certify(asked)))


@on_sqlite
@pytest.mark.parametrize(
    "purpose", [ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]
)
def test_an_issuer_whose_purposes_have_a_seals_certifies(
    world: World, ca: LicensedCa, purpose: x509.ObjectIdentifier
) -> None:
    under = _under(extra=[(x509.ExtendedKeyUsage([purpose]), False)])
    code = world.approved_seal()
    hand_in(world, code, *under(ca, request(world, code)))


def test_a_host_that_the_operator_did_not_allow_is_no_place_of_a_status(world: World, ca: LicensedCa) -> None:
    code = world.approved_seal()
    asked = request(world, code)
    origin, ca.origin = ca.origin, "http://169.254.169.254"
    bad = ca.certify(asked)
    ca.origin = origin
    assert hand_in(world, code, *ca.chain(bad), status=422)["reason"] == "status_unpublished"


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://crl.test/a", True),
        ("http://CRL.test/a", True),
        ("http://crl.test:80/a?b=c", True),
        ("http://crl.test:8080/a", False),
        ("https://crl.test/a", False),
        ("ldap://crl.test/a", False),
        ("http://user@crl.test/a", False),
        ("http://crl.test\\@evil.test/", False),
        ("http://evil.test/#crl.test", False),
        ("http://crl.test.evil.test/", False),
        ("http://crl.test:x/", False),
        ("http://[::1/", False),
        ("http://crl.test/\r\nHost: evil", False),
        ("http://crl.test/" + "a" * 500, False),
        ("", False),
    ],
)
def test_an_address_leads_to_an_allowed_host_or_is_none(url: str, allowed: bool) -> None:
    assert leads_to(url, ["crl.test"]) is allowed


def test_an_authority_is_on_record_once_by_an_event_and_a_withdrawn_one_certifies_nothing(
    world: World, ca: LicensedCa
) -> None:
    with pytest.raises(VermilionError) as known:
        trust(world, ca, "another name")
    assert known.value.reason == "outside_ca_known"
    for bad in (ca.certify_key(ca.root.certificate.subject, new_key().public_key()), b"x"):
        with pytest.raises(VermilionError), world.ports.database.transaction() as session:
            add_authority(
                session, world.ports, world.system, name="leaf", file=bad, hosts=[ca.host], ground=GROUND
            )
    for hosts in ([], ["a b"], ["http://x"], ["x/y"]):
        with pytest.raises(VermilionError), world.ports.database.transaction() as session:
            add_authority(
                session, world.ports, world.system, name="x", file=ca.below.der, hosts=hosts, ground=GROUND
            )
    code = world.approved_seal()
    certificate = ca.certify(request(world, code))
    with world.ports.database.transaction() as session:
        withdraw_authority(session, world.ports, world.system, "licensed", GROUND)
    assert hand_in(world, code, *ca.chain(certificate), status=422)["reason"] == "issuer_unknown"
    with Session(world.ports.database.read) as session:
        kinds = session.scalars(select(Event.kind).where(Event.subject_kind == "outside_ca"))
        assert sorted(kinds) == ["outside_ca.added", "outside_ca.withdrawn"]


def test_the_custodian_signs_only_the_request_on_record_and_once(world: World, ca: LicensedCa) -> None:
    code = world.approved_seal()
    request(world, code)
    with Session(world.ports.database.read) as session:
        row, key = session.execute(
            select(CertificationRequest, Key).join(Key, Key.id == CertificationRequest.key_id)
        ).one()
    info = request_info(subject_name(code, world.codes["own"], "x"), key.public_key)

    def reason(record: str, data: bytes) -> str:
        with pytest.raises(VermilionError) as caught:
            world.ports.custodian.sign(
                key_ref(key), [SignRequest(SignKind.CERTIFICATION_REQUEST, data, record)]
            )
        return caught.value.reason

    assert reason(request_record(row.id), info) == "certification_request", "it is signed already"
    with world.ports.database.transaction() as session:
        session.execute(update(CertificationRequest).values(der=None))
    assert reason(request_record(row.id), info) == "certification_request", "other words than on record"
    assert reason(request_record("0" * 32), info) == "certification_request"
    assert reason(f"intent:{row.id}", info) == "record"
    with world.ports.database.transaction() as session:
        session.execute(update(Key).where(Key.id == key.id).values(state="active"))
    assert reason(request_record(row.id), info) == "certification_request"


def test_keys_that_were_asked_for_in_vain_are_retired(world: World, ca: LicensedCa) -> None:
    code = world.approved_seal()
    request(world, code, "p384-sha384")
    made(world, ca, code)
    with Session(world.ports.database.read) as session:
        asked = select(Key.suite, Key.state).join(CertificationRequest, CertificationRequest.key_id == Key.id)
        assert {row.suite: row.state for row in session.execute(asked)} == {
            "p384-sha384": "retired",
            "p256-sha256": "active",
        }
    assert (
        world.act("maker", f"/api/v1/seals/{code}/certification-request", {}, 409)["reason"] == "seal_state"
    )


@pytest.mark.parametrize("person", ["approver", "everything"])
def test_only_a_maker_asks_and_brings(world: World, ca: LicensedCa, person: str) -> None:
    code = str(world.decide(world.apply_for_seal(), person)["seal"])
    path = f"/api/v1/seals/{code}/certification-request"
    assert world.act(person, path, {}, 403)["reason"] in {"role", "same_person"}


# --- status ------------------------------------------------------------------------------------------------


def test_without_a_current_good_no_key_is_touched(world: World, ca: LicensedCa, clock: Ticker) -> None:
    code = world.approved_seal()
    made(world, ca, code)
    world.act("maker", f"/api/v1/seals/{code}/filing", {})
    path = f"/api/v1/seals/{code}/activation"
    assert world.act("keeper", path, {}, 503)["reason"] == "status_unknown"
    watch = watcher(world)
    assert watch.fetch_due() == 1
    world.act("keeper", path, {})
    world.authorise(code)
    world.seal_code = code
    sealed(world)
    before = uses_of_seal_keys(world)
    clock.advance(ca.lives)  # the authority is out: what it said last holds no more
    ca.reply = lambda handler: send(handler, b"", "text/plain", 503)
    assert watch.fetch_due() == 0
    assert refused(world) == UNKNOWN
    assert uses_of_seal_keys(world) == before
    ca.reply = None
    assert watch.fetch_due() == 1
    sealed(world)


def test_a_word_is_relied_on_no_longer_than_the_setting_says(
    world: World, ca: LicensedCa, clock: Ticker
) -> None:
    ca.lives = 30 * DAY
    in_use(world, ca)
    clock.advance(timedelta(hours=world.ports.settings.outside_status_hours, seconds=-1))
    sealed(world)
    clock.advance(timedelta(seconds=1))
    assert refused(world) == UNKNOWN


@pytest.mark.parametrize("by", ["ocsp", "crl"])
def test_a_revocation_there_stops_the_seal_at_once_by_an_event(
    world: World, ca: LicensedCa, clock: Ticker, by: str
) -> None:
    if by == "crl":
        ca.reply = lambda handler: (
            send(handler, ca.crl(), "application/pkix-crl")
            if handler.path == "/crl"
            else send(handler, b"", "text/plain", 503)
        )
    code, certificate = in_use(world, ca)
    sealed(world)
    clock.advance(timedelta(minutes=1))
    ca.revoke(certificate, x509.ReasonFlags.key_compromise)
    watch = watcher(world)
    assert watch.fetch_due() == 1
    assert refused(world) == (Kind.CONFLICT, "seal_not_active")
    with Session(world.ports.database.read) as session:
        assert session.get_one(Seal, code).state == "suspended"
        events = session.execute(
            select(Event.kind, Event.reason_code, Event.person_id, Event.detail)
            .where(Event.kind.in_(["certificate.revoked", "seal.suspended"]))
            .order_by(Event.recorded_at, Event.kind)
        ).all()
        evidence = session.scalars(
            select(OutsideEvidence)
            .join(OutsideStatus, OutsideStatus.evidence == OutsideEvidence.sha256)
            .where(OutsideStatus.state == "revoked")
        ).one()
        assert evidence.kind == by
        assert evidence.data
    assert [(e.kind, e.reason_code, e.person_id) for e in events] == [
        ("certificate.revoked", "outside_revoked", None),
        ("seal.suspended", "outside_revoked", None),
    ]
    assert (events[0].detail["reason"], events[0].detail["evidence"]) == ("keyCompromise", evidence.sha256)
    (entry,) = [key for key in trust_list(world).keys if key.certificate == certificate]
    assert (entry.state, entry.since) == ("retired", clock.now.replace(microsecond=0))
    shown = world.get(f"/api/v1/seals/{code}", "system", "keeper").get_json()
    assert shown["editions"][0]["outside"]["status"] == "revoked"
    assert shown["shown_in"] == {
        "ocsp": "not_applicable", "crl": "not_applicable", "log": "not_available", "outside_authority": "revoked",
    }  # fmt: skip

    world.decide(world.act("keeper", f"/api/v1/seals/{code}/resumption-request", BASIS, 202))
    assert refused(world) == REVOKED, "resumed or not: nothing takes a revocation back"
    (again,) = [key for key in trust_list(world).keys if key.certificate == certificate]
    assert (again.state, again.since) == ("retired", entry.since)
    ca.revoked.clear()
    clock.advance(timedelta(minutes=1))
    assert watch.fetch_due() == 0, "it is not asked about any more"
    assert refused(world) == REVOKED


def test_a_hold_there_suspends_and_its_end_permits_what_two_people_resume(
    world: World, ca: LicensedCa, clock: Ticker
) -> None:
    code, certificate = in_use(world, ca)
    clock.advance(timedelta(minutes=1))
    ca.revoke(certificate, x509.ReasonFlags.certificate_hold)
    watch = watcher(world)
    watch.fetch_due()
    assert refused(world) == (Kind.CONFLICT, "seal_not_active")
    ca.revoked.clear()
    clock.advance(timedelta(minutes=1))
    assert watch.fetch_due() == 1
    assert refused(world) == (Kind.CONFLICT, "seal_not_active"), "resuming takes two people"
    asked = world.act("keeper", f"/api/v1/seals/{code}/resumption-request", BASIS, 202)
    (entry,) = [key for key in trust_list(world).keys if key.certificate == certificate]
    assert entry.state == "retired"
    world.decide(asked)
    sealed(world)
    (entry,) = [key for key in trust_list(world).keys if key.certificate == certificate]
    assert (entry.state, entry.since) == ("active", None)
    assert fsck(world.ports) == []


@on_sqlite
def test_an_older_hold_that_is_replayed_suspends_nothing_and_an_older_revocation_does(
    world: World, ca: LicensedCa, clock: Ticker
) -> None:
    code, certificate = in_use(world, ca)
    watch = watcher(world)
    clock.advance(timedelta(minutes=1))
    ca.revoke(certificate, x509.ReasonFlags.certificate_hold)
    held = ca.crl()
    watch.fetch_due()
    ca.revoked.clear()
    ca.revoke(certificate, x509.ReasonFlags.key_compromise)
    revoked = ca.crl()
    ca.revoked.clear()
    clock.advance(timedelta(minutes=1))
    assert watch.fetch_due() == 1
    world.decide(world.act("keeper", f"/api/v1/seals/{code}/resumption-request", BASIS, 202))
    ca.reply = list_alone(held)
    assert watch.fetch_due() == 0
    sealed(world)
    ca.reply = list_alone(revoked)
    assert watch.fetch_due() == 1
    assert refused(world) == (Kind.CONFLICT, "seal_not_active")
    shown = world.get(f"/api/v1/seals/{code}", "system", "keeper").get_json()
    assert shown["editions"][0]["outside"]["status"] == "revoked"


def list_alone(crl: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """The responder is out."""
    return lambda handler: (
        send(handler, crl, "application/pkix-crl")
        if handler.path == "/crl"
        else send(handler, b"", "text/plain", 503)
    )


@on_sqlite
def test_an_older_list_serves_where_the_responder_is_out_and_while_it_holds(
    world: World, ca: LicensedCa, clock: Ticker
) -> None:
    crl = ca.crl()  # for 12 hours
    clock.advance(timedelta(hours=1))
    ca.lives = timedelta(hours=1)
    in_use(world, ca)
    clock.advance(timedelta(hours=1))
    assert refused(world) == UNKNOWN
    ca.reply = list_alone(crl)
    watch = watcher(world)
    assert watch.fetch_due() == 1
    sealed(world)
    with Session(world.ports.database.read) as session:
        relied = select(OutsideEvidence.kind).join(
            OutsideStatus, OutsideStatus.evidence == OutsideEvidence.sha256
        )
        used = relied.join(SealUse, SealUse.outside_status_id == OutsideStatus.id)
        assert session.scalars(used).all() == ["crl"]
    assert watch.fetch_due() == 1, "nothing newer, and it holds"
    clock.advance(timedelta(hours=10))
    assert refused(world) == UNKNOWN


@on_sqlite
def test_a_list_from_before_a_hold_does_not_serve_after_it(
    world: World, ca: LicensedCa, clock: Ticker
) -> None:
    crl = ca.crl()
    clock.advance(timedelta(minutes=1))
    code, certificate = in_use(world, ca)
    watch = watcher(world)
    ca.lives = timedelta(hours=1)
    clock.advance(timedelta(minutes=1))
    ca.revoke(certificate, x509.ReasonFlags.certificate_hold)
    watch.fetch_due()
    ca.reply = list_alone(crl)
    assert watch.fetch_due() == 0
    ca.revoked.clear()
    ca.reply = None
    clock.advance(timedelta(minutes=1))
    assert watch.fetch_due() == 1
    world.decide(world.act("keeper", f"/api/v1/seals/{code}/resumption-request", BASIS, 202))
    sealed(world)
    clock.advance(timedelta(hours=1))
    ca.reply = list_alone(crl)
    assert watch.fetch_due() == 0
    assert refused(world) == UNKNOWN


@on_sqlite
def test_a_revocation_of_what_is_held_ends_an_older_request_to_resume(
    world: World, ca: LicensedCa, clock: Ticker
) -> None:
    code, certificate = in_use(world, ca)
    watch = watcher(world)
    clock.advance(timedelta(minutes=1))
    held_at = clock.now
    ca.revoke(certificate, x509.ReasonFlags.certificate_hold)
    watch.fetch_due()
    asked = world.act("keeper", f"/api/v1/seals/{code}/resumption-request", BASIS, 202)
    clock.advance(timedelta(minutes=1))
    ca.revoke(certificate, x509.ReasonFlags.key_compromise)
    assert watch.fetch_due() == 1
    body = {"decision": "approve", "payload_sha256": asked["payload_sha256"]}
    answer = world.act("approver", f"/api/v1/approvals/{asked['id']}/decision", body, 409)
    assert answer["reason"] == "seal_state"
    world.decide(world.act("keeper", f"/api/v1/seals/{code}/resumption-request", BASIS, 202))
    (entry,) = [key for key in trust_list(world).keys if key.certificate == certificate]
    assert (entry.state, entry.since) == ("retired", held_at.replace(microsecond=0)), (
        "it was never good again"
    )


def test_a_revocation_before_its_use_keeps_an_edition_from_it(world: World, ca: LicensedCa) -> None:
    code = world.approved_seal()
    certificate = made(world, ca, code)
    world.act("maker", f"/api/v1/seals/{code}/filing", {})
    ca.revoke(certificate)
    watcher(world).fetch_due()
    answer = world.act("keeper", f"/api/v1/seals/{code}/activation", {}, 409)
    assert answer["reason"] == "certificate_revoked"


def test_the_policy_asks_for_the_status_again(world: World, ca: LicensedCa, clock: Ticker) -> None:
    """Between the intent and the signature what the authority said may run out."""
    in_use(world, ca)
    sign = world.ports.custodian.sign
    reasons = []

    class Late:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.ports.custodian, name)

        def sign(self, ref: Any, requests: Any) -> Any:
            with world.ports.database.transaction() as session:
                session.execute(update(OutsideStatus).values(holds_until=clock.now))
            try:
                return sign(ref, requests)
            except VermilionError as error:
                reasons.append((error.kind, error.reason))
                raise

    with pytest.raises(VermilionError):
        issue_one(world, ports=replace(world.ports, custodian=Late()))
    assert reasons == [(Kind.KEY_REFUSED, "status_unknown")]


def test_the_evidence_of_each_use_is_kept_and_what_nobody_relied_on_is_not(
    world: World, ca: LicensedCa, clock: Ticker
) -> None:
    in_use(world, ca)
    watch = watcher(world)
    sealed(world)
    for _ in range(4):
        clock.advance(timedelta(hours=7))
        assert watch.fetch_due() == 1
    with Session(world.ports.database.read) as session:
        relied = session.scalars(
            select(SealUse.outside_status_id).where(SealUse.outside_status_id.is_not(None))
        ).one()
        kept = session.scalars(select(OutsideStatus).order_by(OutsideStatus.this_update)).all()
        evidence = session.scalars(select(OutsideEvidence.sha256)).all()
        assert kept[0].id == relied
        assert len(kept) == 3, "the one relied on, and those of the last 13 hours"
        assert {one.evidence for one in kept} == set(evidence)


def _slow(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/ocsp-response")
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"0")
            handler.wfile.flush()
            handler.server.slowly.wait(0.02)  # type: ignore[attr-defined]
    except OSError:
        pass


def _oversized(handler: BaseHTTPRequestHandler) -> None:
    size = MAX_CRL_BYTES + 1 if handler.path == "/crl" else MAX_OCSP_BYTES + 1
    send(
        handler,
        bytes(size),
        "application/pkix-crl" if handler.path == "/crl" else "application/ocsp-response",
    )


def _redirecting(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"", "text/html", 302, Location="http://127.0.0.1:1/")


@pytest.mark.parametrize("reply", [_oversized, _redirecting], ids=["oversized", "redirecting"])
def test_an_answer_out_of_bounds_is_none(
    world: World, ca: LicensedCa, reply: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    code = world.approved_seal()
    made(world, ca, code)
    ca.reply = reply
    assert watcher(world).fetch_due() == 0
    assert ca.asked == ["POST /ocsp", "GET /crl"], "each is asked once, and nobody else"
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(OutsideStatus)).all() == []


def test_an_answer_that_comes_byte_by_byte_is_cut_off(world: World, ca: LicensedCa) -> None:
    code = world.approved_seal()
    made(world, ca, code)

    def slow(handler: BaseHTTPRequestHandler) -> None:
        handler.server.slowly = threading.Event()  # type: ignore[attr-defined]
        _slow(handler)

    ca.reply = slow
    assert watcher(world, timeout=2).fetch_due() == 0
    assert ca.asked == ["POST /ocsp"], "a host that takes so long is asked once a round"


@on_sqlite
def test_what_the_responder_does_not_know_no_list_makes_good(world: World, ca: LicensedCa) -> None:
    made(world, ca, world.approved_seal())

    def unknown(handler: BaseHTTPRequestHandler) -> None:
        asked = handler.rfile.read(int(handler.headers["Content-Length"]))
        send(handler, ca.ocsp(asked, known=False), "application/ocsp-response")

    ca.reply = unknown
    assert watcher(world).fetch_due() == 0
    assert ca.asked == ["POST /ocsp"]


@on_sqlite
def test_a_revocation_that_could_not_be_recorded_is_asked_for_again_soon(
    world: World, ca: LicensedCa, clock: Ticker
) -> None:
    code, certificate = in_use(world, ca)
    clock.advance(timedelta(minutes=1))
    ca.revoke(certificate)
    now = [0.0]
    watch = watcher(world, monotonic=lambda: now[0])
    with world.ports.database.transaction() as session:
        session.execute(text("create trigger busy before insert on outside_status "
                             "begin select raise(abort, 'busy'); end"))  # fmt: skip
    assert watch.fetch_due() == 0
    with world.ports.database.transaction() as session:
        session.execute(text("drop trigger busy"))
    now[0] = 30.0
    assert watch.fetch_due() == 1
    with Session(world.ports.database.read) as session:
        assert session.get_one(Seal, code).state == "suspended"


@on_sqlite
def test_a_failure_of_one_certificate_leaves_the_others(world: World, ca: LicensedCa, clock: Ticker) -> None:
    """Of whatever kind it is."""
    made(world, ca, world.approved_seal())
    made(world, ca, world.approved_seal())
    with Session(world.ports.database.read) as session:
        outside = select(OutsideCertificate.certificate_serial)
        first = session.scalars(outside.order_by(OutsideCertificate.certificate_serial)).first()
    with world.ports.database.transaction() as session:
        session.execute(text("create trigger defect before insert on outside_status when "
                             f"new.certificate_serial = '{first}' begin select raise(abort, 'no'); end"))  # fmt: skip
    assert watcher(world).fetch_due() == 1


def test_one_that_fails_rests_longer_each_time(world: World, ca: LicensedCa) -> None:
    code = world.approved_seal()
    made(world, ca, code)
    ca.reply = lambda handler: send(handler, b"", "text/plain", 500)
    now = [0.0]
    watch = watcher(world, monotonic=lambda: now[0])
    asked = []
    for second in range(0, 200, 10):
        now[0] = float(second)
        before = len(ca.asked)
        watch.fetch_due()
        if len(ca.asked) > before:
            asked.append(second)
    assert asked == [0, 30, 90]


# --- the end of a seal -------------------------------------------------------------------------------------


def test_a_cancelled_one_has_an_impact_list_and_leaves_the_trust_list_to_say_so(
    world: World, ca: LicensedCa, clock: Ticker
) -> None:
    code, certificate = in_use(world, ca)
    data = sealed(world)
    clock.advance(timedelta(minutes=1))
    asked = world.act(
        "keeper", f"/api/v1/seals/{code}/cancellation-request", {**BASIS, "compromised_since": None}, 202
    )
    answer = world.decide(asked)
    assert answer["shown_in"] == {
        "ocsp": "not_applicable", "crl": "not_applicable", "log": "not_available", "outside_authority": "good",
        "trust_list": "published",
    }  # fmt: skip
    listed = world.get(f"/api/v1/seals/{code}/impact", "system", "keeper").get_json()
    assert listed["totals"] == {"proven": 0, "own_word": 1, "unproven": 0, "after": 0}
    assert listed["limit"]["kind"] == "cancellation"
    trusted = trust_list(world)
    (entry,) = [key for key in trusted.keys if key.certificate == certificate]
    assert (entry.state, entry.since) == ("retired", clock.now.replace(microsecond=0))
    assert strict_check(data, trusted, at=clock.now).seal_key == entry, "what it sealed before stays good"
    with Session(world.ports.database.read) as session:
        row = session.scalars(select(Certificate).where(Certificate.der == certificate)).one()
        assert (row.state, row.crl_entry) == ("good", None), "ours to revoke it is not"


def test_it_is_suspended_resumed_and_renewed_under_our_own_authority(
    world: World, ca: LicensedCa, clock: Ticker
) -> None:
    code, certificate = in_use(world, ca)
    world.act("keeper", f"/api/v1/seals/{code}/suspension", BASIS)
    assert refused(world) == (Kind.CONFLICT, "seal_not_active")
    world.decide(world.act("keeper", f"/api/v1/seals/{code}/resumption-request", BASIS, 202))
    first = sealed(world)
    applied = world.act("applicant", f"/api/v1/seals/{code}/renewal-application", {}, 201)
    body = {"decision": "approve", "payload_sha256": applied["payload_sha256"]}
    world.act("approver", f"/api/v1/seal-applications/{applied['id']}/approval", body)
    world.act("maker", f"/api/v1/seals/{code}/making", {}, 201)
    world.act("maker", f"/api/v1/seals/{code}/filing", {})
    clock.advance(3 * DAY)
    world.act("keeper", f"/api/v1/seals/{code}/activation", {})
    second = sealed(world)
    trusted = trust_list(world)
    by_key = [strict_check(data, trusted, at=clock.now).seal_key for data in (first, second)]
    assert [key is not None and (key.state, bool(key.issuers)) for key in by_key] == [
        ("retired", True),
        ("active", False),
    ]
    shown = world.get(f"/api/v1/seals/{code}", "system", "keeper").get_json()["shown_in"]
    assert (shown["ocsp"], shown["outside_authority"]) == ("live", "good")
    assert certificate
