"""OCSP: the status on record at this moment, whatever was cached and however many processes there are."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.custodian import Kind, SignRequest
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.ocsp import GOOD, TRY_LATER, UNAUTHORIZED, Answer, parse_request, response_data
from registry.authority_app import create_authority_app
from registry.composition import open_ports
from registry.seals import revocation
from registry.seals.answer_ledger import LONGEST, SIZE
from registry.seals.authority import give_ocsp_key, issuing_authority, root
from registry.seals.keys import authority_name, key_ref
from registry.seals.responder import LIFE, REUSED, Responder
from registry.seals.revocation import State
from registry.seals.tables import Certificate, Key, KeyUse, KeyUseBlock
from tests.registry.test_revocation import SINCE, change, serial_of
from tests.registry.world import CHEAP, Ticker, World, on_sqlite
from tests.services.running import until
from tests.tools import need


@pytest.fixture
def at_the_end() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def responder(world: World) -> Responder:
    """As a process of its own would have it."""
    ports = world.ports
    return Responder(ports.database, ports.custodian, clock=ports.clock, random=ports.random)


def issuer_of(world: World) -> x509.Certificate:
    with Session(world.ports.database.read) as session:
        return x509.load_der_x509_certificate(issuing_authority(session).certificate or b"")


def ca_name(world: World) -> str:
    with Session(world.ports.database.read) as session:
        key = session.get_one(Key, issuing_authority(session).key.id)
        return authority_name(key.public_key)


def request(
    world: World, serial: str, *, nonce: bytes | None = None, algorithm: hashes.HashAlgorithm | None = None
) -> bytes:
    algorithm = algorithm or hashes.SHA256()
    name, key = (hashes.Hash(algorithm), hashes.Hash(algorithm))
    issuer = asn1_x509.Certificate.load(issuer_of(world).public_bytes(Encoding.DER))
    name.update(issuer.subject.dump())
    key.update(bytes(issuer.public_key["public_key"]))
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        name.finalize(), key.finalize(), int(serial, 16), algorithm
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def ask(world: World, serial: str, by: Responder | None = None, **how: object) -> ocsp.OCSPResponse:
    reply = (by or responder(world)).answer(ca_name(world), request(world, serial, **how))  # type: ignore[arg-type]
    return ocsp.load_der_ocsp_response(reply.body)


@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()])
def test_a_good_certificate(world: World, clock: Ticker, algorithm: hashes.HashAlgorithm) -> None:
    answer = ask(world, serial_of(world), algorithm=algorithm)
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert answer.hash_algorithm.name == algorithm.name
    assert answer.produced_at_utc == clock.now.replace(microsecond=0)
    assert answer.next_update_utc == answer.this_update_utc + LIFE
    (delegate,) = answer.certificates
    delegate.verify_directly_issued_by(issuer_of(world))
    delegate.extensions.get_extension_for_class(x509.OCSPNoCheck)


def test_a_revocation_is_live_at_its_commit_and_a_release_too(world: World, clock: Ticker) -> None:
    serial, by = serial_of(world), responder(world)
    assert ask(world, serial, by).certificate_status is ocsp.OCSPCertStatus.GOOD
    change(world, revocation.hold, serial)()
    held = ask(world, serial, by)  # the same process: its cache holds the answer before
    assert held.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert held.revocation_reason is x509.ReasonFlags.certificate_hold
    assert held.revocation_time_utc == clock.now.replace(microsecond=0)
    change(world, revocation.release, serial)()
    assert ask(world, serial, by).certificate_status is ocsp.OCSPCertStatus.GOOD
    change(world, revocation.revoke, serial, None, SINCE)()
    assert ask(world, serial, by).certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert ask(world, serial, by).revocation_reason is None  # unspecified is not written


def test_a_cached_answer_is_given_again_while_the_record_is_the_same(world: World, clock: Ticker) -> None:
    serial, by = serial_of(world), responder(world)
    first = by.answer(ca_name(world), request(world, serial))
    clock.advance(REUSED - timedelta(seconds=1))
    assert by.answer(ca_name(world), request(world, serial)) is first
    clock.advance(timedelta(seconds=1))
    later = by.answer(ca_name(world), request(world, serial))
    assert later.produced_at is not None
    assert first.next_update is not None
    assert later.produced_at > (first.produced_at or later.produced_at)
    nonced = by.answer(ca_name(world), request(world, serial, nonce=b"n" * 32))
    assert nonced.produced_at is None  # not for caches
    assert (
        ocsp.load_der_ocsp_response(nonced.body)
        .extensions.get_extension_for_class(x509.OCSPNonce)
        .value.nonce
        == b"n" * 32
    )


@on_sqlite
def test_no_answer_outlives_its_signer_or_comes_from_the_future(world: World, clock: Ticker) -> None:
    """One that was kept is as old as it says, and ends with the responder's certificate at the latest."""
    serial, by, name = serial_of(world), responder(world), ca_name(world)
    with Session(world.ports.database.read) as session:
        end = session.scalars(select(Certificate.not_after).where(Certificate.profile == "ocsp")).one()
    clock.now = end - timedelta(minutes=1)
    first = by.answer(name, request(world, serial))
    assert first.next_update == end
    assert by.answer(name, request(world, serial)) is first
    clock.now = end
    assert by.answer(name, request(world, serial)).body == TRY_LATER  # nothing can hold any more
    clock.advance(timedelta(seconds=1))
    assert by.answer(name, request(world, serial)).body == UNAUTHORIZED
    clock.now = end - timedelta(minutes=2)  # set back
    earlier = by.answer(name, request(world, serial))
    assert earlier.produced_at == clock.now
    assert earlier is not first


def test_what_was_never_issued_is_unknown_and_not_kept(world: World) -> None:
    reply = responder(world).answer(ca_name(world), request(world, "1" + 32 * "0"))
    answer = ocsp.load_der_ocsp_response(reply.body)
    assert answer.certificate_status is ocsp.OCSPCertStatus.UNKNOWN
    assert reply.produced_at is None


def test_a_certificate_on_record_but_not_signed_is_unknown_until_it_is_revoked(world: World) -> None:
    serial = serial_of(world)
    with world.ports.database.transaction() as session:
        session.get_one(Certificate, serial).der = None
    assert ask(world, serial).certificate_status is ocsp.OCSPCertStatus.UNKNOWN
    change(world, revocation.revoke, serial)()
    assert ask(world, serial).certificate_status is ocsp.OCSPCertStatus.REVOKED


def test_what_is_not_ours_to_say(world: World) -> None:
    foreign = (
        ocsp.OCSPRequestBuilder()
        .add_certificate_by_hash(bytes(32), bytes(32), 5, hashes.SHA256())
        .build()
        .public_bytes(Encoding.DER)
    )
    reply = responder(world).answer(ca_name(world), foreign)
    assert ocsp.load_der_ocsp_response(reply.body).response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED
    garbage = responder(world).answer(ca_name(world), b"\x30\x03\x02\x01\x05")
    assert (
        ocsp.load_der_ocsp_response(garbage.body).response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    )
    with pytest.raises(VermilionError) as caught:
        responder(world).answer("0" * 40, foreign)
    assert caught.value.kind is ErrorKind.NOT_FOUND


@on_sqlite
def test_the_key_signs_nothing_but_the_truth_of_this_moment(world: World, clock: Ticker) -> None:
    serial = serial_of(world)
    asked = parse_request(request(world, serial)).ids[0]
    with Session(world.ports.database.read) as session:
        key = session.scalars(select(Key).where(Key.purpose == "ocsp")).one()
    now = clock.now.replace(microsecond=0)
    record = f"ocsp:{'0' * 32}"

    def sign(
        produced_at: datetime, next_update: datetime, record: str = record, name: bytes = key.public_key
    ) -> str:
        answers = [Answer(asked, GOOD, produced_at, next_update)]
        data = response_data(name, answers, produced_at=produced_at, nonce=None)
        try:
            world.ports.custodian.sign(key_ref(key), [SignRequest(Kind.OCSP_RESPONSE, data, record)])
        except VermilionError as error:
            return error.reason
        return "signed"

    assert sign(now, now + LIFE) == "signed"
    assert sign(now - timedelta(minutes=1), now + timedelta(minutes=1)) == "ocsp_time"
    assert sign(now + timedelta(minutes=1), now + LIFE) == "ocsp_time"
    assert sign(now, now + LIFE + timedelta(seconds=1)) == "ocsp_time"
    assert sign(now, now + LIFE, "crl:0:1") == "record"
    with Session(world.ports.database.read) as session:
        others = session.scalars(select(Key.public_key).where(Key.purpose != "ocsp")).all()
    assert {sign(now, now + LIFE, name=other) for other in others} == {"ocsp_responder"}
    change(world, revocation.hold, serial)()
    assert sign(now, now + LIFE) == "status_changed"


def test_no_good_is_produced_after_the_revocation(world: World, at_the_end: ExitStack) -> None:
    """Threads that ask, of several processes' caches, while the certificate is held, released and revoked.

    Each reading of the clock is a second of its own, as an answer's times are whole seconds: so that the order
    of two readings shows, and whoever reads the record first and the clock later is found out.
    """
    begin, seconds = world.ports.clock(), count(1)
    ports = open_ports(
        world.ports.settings, clock=lambda: begin + timedelta(seconds=next(seconds)), cost=CHEAP
    )
    at_the_end.callback(ports.database.dispose)
    world = replace(world, ports=ports)
    serial, name = serial_of(world), ca_name(world)
    asked = [request(world, serial), request(world, serial, nonce=b"n" * 16)]
    responders = [responder(world) for _ in range(3)]
    stop, over = threading.Event(), threading.Event()
    found: list[
        tuple[bool, ocsp.OCSPResponse]
    ] = []  # whether the revocation was committed before the question

    def questions(by: Responder) -> None:
        while not stop.is_set():
            for one in asked:
                late = over.is_set()
                found.append((late, ocsp.load_der_ocsp_response(by.answer(name, one).body)))

    def told(*, good: bool) -> list[tuple[bool, ocsp.OCSPResponse]]:
        status = ocsp.OCSPCertStatus.GOOD if good else ocsp.OCSPCertStatus.REVOKED
        return [
            (late, answer)
            for late, answer in list(found)
            if answer.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
            and answer.certificate_status is status
        ]

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(questions, by) for by in responders]
        try:
            for act in (*(revocation.hold, revocation.release) * 2, revocation.revoke):
                said = partial(told, good=act is not revocation.release)
                more = len(said()) + 3
                until(lambda said=said, more=more: len(said()) >= more, "answers")
                change(world, act, serial)()
            over.set()
            until(lambda: any(late for late, _ in told(good=False)), "answers that say revoked")
        finally:
            stop.set()
        for one in asking:
            one.result()
    with Session(world.ports.database.read) as session:
        revoked_at = session.get_one(Certificate, serial).revoked_at
    assert revoked_at is not None
    assert [answer for late, answer in told(good=True) if late] == []
    assert max(answer.produced_at_utc for _, answer in told(good=True)) <= revoked_at


@pytest.mark.parametrize("database_backend", ["postgresql"])  # SQLite has its busy timeout
def test_a_change_of_status_that_stands_still_keeps_no_question_waiting_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation, "SHARED_PATIENCE_MS", 100)
    serial, name = serial_of(world), ca_name(world)
    app = create_authority_app(world.ports)
    app.config["PROPAGATE_EXCEPTIONS"] = True

    def ask_it() -> bytes:
        answer = app.test_client().post(
            f"/ocsp/{name}", data=request(world, serial), content_type="application/ocsp-request"
        )
        assert answer.status_code == 200
        return bytes(answer.data)

    with world.ports.database.transaction() as session:
        revocation.lock_status(session)
        assert ask_it() == TRY_LATER
    assert ocsp.load_der_ocsp_response(ask_it()).certificate_status is ocsp.OCSPCertStatus.GOOD


def _with_real_clock(world: World) -> World:
    """The same registry today, with a responder that was certified today."""
    ports = open_ports(world.ports.settings, clock=lambda: datetime.now(UTC), cost=CHEAP)
    give_ocsp_key(ports)
    return replace(world, ports=ports)


@on_sqlite
@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_openssl_verifies_the_answer_to_its_own_request_with_a_nonce(
    world: World, at_the_end: ExitStack, tmp_path: Path, digest: str
) -> None:
    """What openssl wrote is answered, and openssl compares the answer with what it wrote."""
    world = _with_real_clock(world)  # openssl has no other
    at_the_end.callback(world.close)
    serial = serial_of(world)
    with Session(world.ports.database.read) as session:
        ders = {"seal": session.get_one(Certificate, serial).der, "root": root(session)}
    ders["ca"] = issuer_of(world).public_bytes(Encoding.DER)
    for name, der in ders.items():
        assert der is not None
        pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
        (tmp_path / f"{name}.pem").write_bytes(pem)

    def openssl(*arguments: str) -> str:
        done = subprocess.run(
            [need("openssl"), "ocsp", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def compared() -> str:
        # With a certificate beside it openssl replaces the nonce of what it reads, but for "-no_nonce".
        return openssl(
            "-no_nonce", "-reqin", "request.der", "-respin", "answer.der", f"-{digest}", "-issuer", "ca.pem", "-cert",
            "seal.pem", "-CAfile", "root.pem", "-verify_other", "ca.pem",
        )  # fmt: skip

    asking = ("-nonce", f"-{digest}", "-issuer", "ca.pem", "-cert", "seal.pem", "-reqout", "request.der")
    openssl(*asking)
    by = responder(world)
    asked = (tmp_path / "request.der").read_bytes()
    assert parse_request(asked).nonce is not None
    (tmp_path / "answer.der").write_bytes(by.answer(ca_name(world), asked).body)
    said = compared()
    assert "Response verify OK" in said
    assert "Nonce Verify error" not in said
    assert "no nonce" not in said
    assert "seal.pem: good" in said
    change(world, revocation.hold, serial)()
    openssl(*asking)  # another nonce: the answer of before is not one to this
    done = subprocess.run(
        [need("openssl"), "ocsp", "-no_nonce", "-reqin", "request.der", "-respin", "answer.der", "-CAfile", "root.pem",
         "-verify_other", "ca.pem"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Nonce Verify error" in done.stdout + done.stderr
    (tmp_path / "answer.der").write_bytes(
        by.answer(ca_name(world), (tmp_path / "request.der").read_bytes()).body
    )
    said = compared()
    assert "Response verify OK" in said
    assert "seal.pem: revoked" in said


@on_sqlite
def test_uses_are_counted_in_blocks_that_are_on_record_before_and_after(world: World, clock: Ticker) -> None:
    serial = serial_of(world)

    def blocks() -> list[tuple[int | None, int | None, bool]]:
        with Session(world.ports.database.read) as session:
            rows = session.scalars(select(KeyUseBlock).order_by(KeyUseBlock.opened_at, KeyUseBlock.closed_at))
            return [(row.begun, row.failed, row.closed_at is not None) for row in rows]

    for _ in range(3):
        ask(world, serial, nonce=b"n" * 16)
    assert blocks() == [(None, None, False)]  # announced, for up to SIZE uses
    clock.advance(LONGEST)
    for _ in range(SIZE + 1):
        ask(world, serial, nonce=b"n" * 16)
    assert sorted(blocks(), key=str) == [(100, 0, True), (3, 0, True), (None, None, False)]
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(KeyUse).where(KeyUse.kind == Kind.OCSP_RESPONSE.value)).all() == []


def test_states_have_one_spelling(world: World) -> None:
    with Session(world.ports.database.read) as session:
        assert set(session.scalars(select(Certificate.state))) <= set(State)
