"""What the authority answers over HTTP: to whom, with which headers, and whatever it is sent."""

from __future__ import annotations

import base64
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from time import process_time
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rfc3161_client import TimestampRequestBuilder, VerifierBuilder, decode_timestamp_response
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from keys.errors import VermilionError
from keys.ocsp import (
    GOOD,
    MALFORMED_REQUEST,
    MAX_REQUEST_BYTES,
    TRY_LATER,
    UNAUTHORIZED,
    UNKNOWN,
    matches,
    parse_request,
)
from keys.ocsp_response import verify_response
from keys.tsp import OURS_TO_MEND
from registry import web
from registry.authority_app import create_authority_app
from registry.database import Database
from registry.seals import revocation
from registry.seals.authority import root as root_certificate
from registry.seals.renewal import renew_due
from registry.seals.responder import LIFE, MAX_AGE
from registry.seals.revocation_list import COALESCE, PATIENCE, RENEW_AFTER, publish_due
from registry.seals.tables import Certificate, RevocationList, TimeStamp
from tests.keys.ocsp_requests import asked, bent_requests
from tests.keys.requests import read
from tests.keys.test_tsp import ALMOST, STRUCTURED
from tests.registry.test_responder import ca_name, issuer_of, request
from tests.registry.test_revocation import change, serial_of
from tests.registry.world import Ticker, World, on_sqlite

GIVEN = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)


QUICK = 0.5
"""Seconds of the processor for one answer, however it was asked: many times what any of them takes."""


@contextmanager
def quick() -> Iterator[None]:
    gc.disable()  # a collection goes through all that other tests have left
    try:
        begun = process_time()
        yield
        assert process_time() - begun < QUICK
    finally:
        gc.enable()


@pytest.fixture
def authority(world: World) -> Iterator[FlaskClient]:
    unlimited = world.ports.settings.model_copy(update={"tsa_per_minute": 0})
    app = create_authority_app(replace(world.ports, settings=unlimited))
    app.config["PROPAGATE_EXCEPTIONS"] = True
    yield app.test_client()
    state: web.AppState = app.extensions[web.EXTENSION]
    assert state.defects.last == []


def get(world: World, serial: str) -> str:
    encoded = quote(base64.b64encode(request(world, serial)).decode(), safe="")
    return f"/ocsp/{ca_name(world)}/{encoded}"


def test_an_answer_by_get_says_how_long_it_may_be_kept(
    world: World, authority: FlaskClient, clock: Ticker
) -> None:
    path = get(world, serial_of(world))
    answer = authority.get(path)
    assert (answer.status_code, answer.content_type) == (200, "application/ocsp-response")
    said = ocsp.load_der_ocsp_response(answer.data)
    assert said.certificate_status is ocsp.OCSPCertStatus.GOOD
    seconds = int(MAX_AGE.total_seconds())
    assert seconds <= 300
    assert answer.headers["Cache-Control"] == (f"max-age={seconds}, public, no-transform, must-revalidate")
    assert answer.last_modified == said.produced_at_utc
    assert answer.expires == said.next_update_utc
    assert answer.headers["ETag"] == f'"{sha256(answer.data).hexdigest()}"'
    again = authority.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    clock.advance(LIFE - timedelta(seconds=1))
    assert authority.get(path).data != answer.data


@on_sqlite
def test_a_status_of_the_same_second_is_told_from_the_one_before(
    world: World, authority: FlaskClient, clock: Ticker
) -> None:
    """Times in headers are whole seconds: who asks by time alone is not told that "good" is still right."""
    path, serial = get(world, serial_of(world)), serial_of(world)
    good = authority.get(path)
    change(world, revocation.hold, serial)()
    since = {"If-Modified-Since": good.headers["Last-Modified"]}
    held = authority.get(path, headers=since)
    assert held.headers["Last-Modified"] == good.headers["Last-Modified"]
    assert held.status_code == 200
    said = ocsp.load_der_ocsp_response(held.data)
    assert said.certificate_status is ocsp.OCSPCertStatus.REVOKED
    for tag, status in ((good.headers["ETag"], 200), (held.headers["ETag"], 304)):
        assert authority.get(path, headers={"If-None-Match": tag} | since).status_code == status


@on_sqlite
def test_nothing_is_kept_beyond_its_time(world: World, authority: FlaskClient, clock: Ticker) -> None:
    """An answer of a responder that ends, and a list that nobody followed up."""

    def age(path: str) -> int:
        answer = authority.get(path)
        left = answer.expires - clock.now if answer.expires else timedelta()
        directives = answer.headers["Cache-Control"].split(", ")
        assert directives[1:] == ["public", "no-transform", "must-revalidate"]
        seconds = int(directives[0].removeprefix("max-age="))
        assert seconds == 0 or timedelta(seconds=seconds) < left
        return seconds

    with Session(world.ports.database.read) as session:
        end = session.scalars(select(Certificate.not_after).where(Certificate.profile == "ocsp")).one()
        crl_end = session.scalars(
            select(RevocationList.next_update).order_by(RevocationList.next_update)
        ).first()
    assert crl_end is not None
    crl = f"/crl/{ca_name(world)}.crl"
    for before, expected in ((3600, 60), (61, 60), (60, 59), (1, 0), (0, 0), (-3600, 0)):
        clock.now = crl_end - timedelta(seconds=before)
        assert age(crl) == expected, before
    for before, expected in ((3600, 300), (301, 300), (100, 99), (1, 0)):
        clock.now = end - timedelta(seconds=before)
        assert age(get(world, serial_of(world))) == expected, before


@on_sqlite
def test_without_its_database_the_responder_says_that_it_is_to_be_asked_again(
    world: World, tmp_path: Path
) -> None:
    """By either method, from the first request on."""
    path, name = get(world, serial_of(world)), ca_name(world)
    body = request(world, serial_of(world))
    nowhere = Database.open(f"sqlite:///{tmp_path}/nothing/here.sqlite3")
    client = create_authority_app(replace(world.ports, database=nowhere)).test_client()
    posted = client.post(f"/ocsp/{name}", data=body, content_type="application/ocsp-request")
    for answer in (client.get(path), posted):
        assert (answer.status_code, answer.data) == (200, TRY_LATER)
        assert answer.headers["Cache-Control"] == "no-store"
    assert client.get(f"/crl/{name}.crl").status_code == 503


def test_what_caches_must_not_keep(world: World, authority: FlaskClient) -> None:
    name, serial = ca_name(world), serial_of(world)
    posted = authority.post(
        f"/ocsp/{name}", data=request(world, serial), content_type="application/ocsp-request"
    )
    nonced = base64.b64encode(request(world, serial, nonce=b"n" * 32)).decode()
    unknown = get(world, "1" + 32 * "0")
    for answer in (
        posted,
        authority.get(f"/ocsp/{name}/{quote(nonced, safe='')}"),
        authority.get(unknown),
        authority.get(f"/ocsp/{name}/bm90IGEgcmVxdWVzdA=="),
    ):
        assert answer.status_code == 200
        assert answer.content_type == "application/ocsp-response"
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("safe", ["", "+/=", "/"])
def test_base64_arrives_however_it_was_encoded(world: World, authority: FlaskClient, safe: str) -> None:
    """`+`, `/` and `=` may be percent-encoded or not (RFC 6960, A.1)."""
    for number in range(64):  # serials whose base64 has each of the three
        encoded = quote(base64.b64encode(request(world, f"{number + 2**120:x}")).decode(), safe=safe)
        answer = authority.get(f"/ocsp/{ca_name(world)}/{encoded}")
        assert answer.status_code == 200
        said = ocsp.load_der_ocsp_response(answer.data)
        assert said.certificate_status is ocsp.OCSPCertStatus.UNKNOWN


def test_posts_are_bounded_and_of_one_type(world: World, authority: FlaskClient) -> None:
    path = f"/ocsp/{ca_name(world)}"
    assert authority.post(path, data=b"x", content_type="text/plain").status_code == 415
    long = b"x" * (MAX_REQUEST_BYTES + 1)
    assert authority.post(path, data=long, content_type="application/ocsp-request").status_code == 413
    assert authority.put(path).status_code == 405
    assert authority.get("/ocsp/" + "0" * 40 + "/AAAA").status_code == 404


def test_the_crl_and_the_ca_s_certificate(world: World, authority: FlaskClient, clock: Ticker) -> None:
    name = ca_name(world)
    assert authority.get(f"/crl/{'0' * 40}.crl").status_code == 404
    assert authority.get("/readyz").status_code == 200
    answer = authority.get(f"/crl/{name}.crl")
    assert answer.content_type == "application/pkix-crl"
    assert x509.load_der_x509_crl(answer.data).is_signature_valid(issuer_of(world).public_key())  # type: ignore[arg-type]
    assert answer.headers["Cache-Control"].startswith("max-age=60, public")
    change(world, revocation.hold, serial_of(world))()
    clock.advance(COALESCE)
    publish_due(world.ports)
    assert len(x509.load_der_x509_crl(authority.get(f"/crl/{name}.crl").data)) == 1
    certificate = authority.get(f"/ca/{name}.cer")
    assert certificate.content_type == "application/pkix-cert"
    assert x509.load_der_x509_certificate(certificate.data) == issuer_of(world)


def test_it_is_not_ready_when_lists_are_no_longer_made(authority: FlaskClient, clock: Ticker) -> None:
    clock.advance(RENEW_AFTER + PATIENCE - timedelta(seconds=1))
    assert authority.get("/readyz").status_code == 200
    clock.advance(timedelta(seconds=1))
    answer = authority.get("/readyz")
    assert (answer.status_code, answer.get_json()["reason"]) == (503, "crl_overdue")


def test_it_is_not_ready_when_nothing_answers_for_an_authority(
    world: World, authority: FlaskClient, clock: Ticker
) -> None:
    with Session(world.ports.database.read) as session:
        clock.now = session.scalars(select(Certificate.not_after).where(Certificate.profile == "ocsp")).one()
    publish_due(world.ports)
    assert authority.get("/readyz").status_code == 200
    clock.advance(timedelta(seconds=1))
    answer = authority.get("/readyz")
    assert (answer.status_code, answer.get_json()["reason"]) == (503, "no_responder")
    renew_due(world.ports)
    assert authority.get("/readyz").status_code == 200


def test_certificates_name_these_addresses(world: World) -> None:
    with Session(world.ports.database.read) as session:
        der = session.get_one(Certificate, serial_of(world)).der or b""
    certificate = x509.load_der_x509_certificate(der)
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    base, name = "http://127.0.0.1:8802", ca_name(world)
    assert {a.access_location.value for a in access} == {f"{base}/ocsp/{name}", f"{base}/ca/{name}.cer"}
    assert [p.full_name[0].value for p in points if p.full_name] == [f"{base}/crl/{name}.crl"]


def test_a_time_stamp_by_post(world: World, authority: FlaskClient, clock: Ticker) -> None:
    """rfc3161-client asks and verifies, by a reading of its own."""
    data = b"what somebody wants stamped"
    asked = TimestampRequestBuilder().data(data).nonce(nonce=True).cert_request(cert_request=True).build()
    answer = authority.post("/tsa", data=asked.as_bytes(), content_type="application/timestamp-query")
    assert (answer.status_code, answer.content_type) == (200, "application/timestamp-reply")
    assert answer.headers["Cache-Control"] == "no-store"
    token = decode_timestamp_response(answer.data)
    with Session(world.ports.database.read) as session:
        root = x509.load_der_x509_certificate(root_certificate(session))
    verifier = VerifierBuilder(roots=[root], intermediates=[issuer_of(world)], nonce=asked.nonce).build()
    assert verifier.verify_message(token, data)
    assert token.tst_info.gen_time == clock.now.replace(microsecond=0)


def test_requests_for_time_stamps_are_bounded_and_of_one_type(authority: FlaskClient) -> None:
    kind = "application/timestamp-query"
    assert authority.post("/tsa", data=b"x", content_type="text/plain").status_code == 415
    assert authority.post("/tsa", data=b"x" * 5000, content_type=kind).status_code == 413
    assert authority.get("/tsa").status_code == 405
    rejected = authority.post("/tsa", data=b"x", content_type=kind)
    assert decode_timestamp_response(rejected.data).status == 2


@on_sqlite
def test_a_network_has_its_share_of_time_stamps_and_no_more(world: World) -> None:
    now = [0.0]
    app = create_authority_app(world.ports, monotonic=lambda: now[0])
    asked = TimestampRequestBuilder().data(b"x").build().as_bytes()

    def stamp(address: str) -> TestResponse:
        return app.test_client().post(
            "/tsa", data=asked, content_type="application/timestamp-query",
            environ_overrides={"REMOTE_ADDR": address},
        )  # fmt: skip

    share = world.ports.settings.tsa_per_minute
    assert {stamp(f"192.0.2.{n % 250}").status_code for n in range(share)} == {200}
    refused = stamp("192.0.2.7")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert stamp("198.51.100.7").status_code == 200
    now[0] += 1.0
    assert stamp("192.0.2.7").status_code == 200


@on_sqlite
@GIVEN
@given(data=st.binary(max_size=200))
def test_whatever_is_sent_is_answered(world: World, authority: FlaskClient, data: bytes) -> None:
    name = ca_name(world)
    with quick():
        posted = authority.post(f"/ocsp/{name}", data=data, content_type="application/ocsp-request")
    assert (posted.status_code, posted.content_type) == (200, "application/ocsp-response")
    with quick():
        stamped = authority.post("/tsa", data=data, content_type="application/timestamp-query")
    assert (stamped.status_code, stamped.content_type) == (200, "application/timestamp-reply")
    with quick():
        got = authority.get(f"/ocsp/{name}/{quote(data, safe='')}")
    assert got.status_code in {200, 404, 405}  # an empty path is no request


@on_sqlite
@GIVEN
@given(data=st.data())
def test_a_request_with_any_byte_changed_is_answered(
    world: World, authority: FlaskClient, data: st.DataObject
) -> None:
    good = bytearray(request(world, serial_of(world), nonce=b"n" * 16))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    posted = authority.post(
        f"/ocsp/{ca_name(world)}", data=bytes(good), content_type="application/ocsp-request"
    )
    assert posted.status_code == 200
    assert (
        ocsp.load_der_ocsp_response(posted.data).response_status is not ocsp.OCSPResponseStatus.INTERNAL_ERROR
    )


@on_sqlite
@GIVEN
@given(data=st.data())
def test_what_can_be_read_is_answered_in_kind_and_nothing_else_is(
    world: World, authority: FlaskClient, data: st.DataObject
) -> None:
    """Requests of every shape: an answer to each certificate that was asked for, as it was asked, with the
    nonce that was sent; else the one error that says why not.
    """
    serials = [int(serial_of(world), 16), (1 << 128) + 5]
    issuer = issuer_of(world).public_bytes(Encoding.DER)
    der = data.draw(
        asked(issuer, serials).map(lambda one: one.request.der()) | bent_requests(issuer, serials)
    )
    with quick():
        posted = authority.post(f"/ocsp/{ca_name(world)}", data=der, content_type="application/ocsp-request")
    if len(der) > MAX_REQUEST_BYTES:
        assert posted.status_code == 413
        return
    assert (posted.status_code, posted.content_type) == (200, "application/ocsp-response")
    try:
        request = parse_request(der)
    except VermilionError:
        assert posted.data == MALFORMED_REQUEST
        return
    if not all(matches(issuer, one) for one in request.ids):
        assert posted.data == UNAUTHORIZED
        return
    said = verify_response(posted.data, issuer, world.ports.clock(), nonce=request.nonce)
    assert [one.cert_id for one in said.answers] == list(request.ids)
    assert [one.status for one in said.answers] == [
        GOOD if one.serial == serials[0] else UNKNOWN for one in request.ids
    ]


@on_sqlite
@GIVEN
@given(body=st.one_of(STRUCTURED, ALMOST))
def test_every_shape_of_request_for_a_time_stamp_is_answered(
    world: World, authority: FlaskClient, body: bytes
) -> None:
    """A token that is on record, or a rejection by a failure of whoever asks."""
    with quick():
        answer = authority.post("/tsa", data=body, content_type="application/timestamp-query")
    assert (answer.status_code, answer.content_type) == (200, "application/timestamp-reply")
    said = read(answer.data)
    if said.status == "rejection":
        assert said.fail_info not in {None, *OURS_TO_MEND}
        return
    assert said.status == "granted"
    with Session(world.ports.database.read) as session:
        row = session.get_one(TimeStamp, f"{said.info['serial_number'].native:x}")
    assert row.info == said.info.dump()
