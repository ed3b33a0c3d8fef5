"""OCSP: requests of openssl and gnutls are read, our answers accepted by them; nothing else gets an answer."""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement
from pathlib import Path
from urllib.parse import quote

import pytest
from asn1crypto import core
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from keys.certificates import Subject, certificate_key
from keys.crl import RevocationReason
from keys.custodian import KeyRef, Kind, Purpose
from keys.der import require_der, tlv
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.lint import lint_ocsp_response
from keys.ocsp import (
    GOOD,
    MAX_GUESSES,
    MAX_IDS,
    MAX_NONCE_BYTES,
    MAX_REQUEST_BYTES,
    UNKNOWN,
    Answer,
    CertId,
    CertStatus,
    OcspRequest,
    Revoked,
    build_request,
    cert_id,
    decode_get,
    matches,
    parse_request,
    read_response_data,
    response_data,
    sign_response,
)
from keys.ocsp_response import verify_response
from keys.profiles import ProfileName
from keys.suite import P256, SuiteName
from keys.tbs import check_tbs
from tests.authority import TestAuthority
from tests.keys.ocsp_requests import asked, bent_requests
from tests.keys.test_certificates import forged
from tests.tools import need

NONCE = bytes(range(32))
UNUSED = (1 << 128) + 5


@pytest.fixture(scope="session")
def responder(authority: TestAuthority) -> tuple[KeyRef, bytes]:
    """The delegated responder of `authority`."""
    key = authority.custodian.generate(Purpose.OCSP, "p256-sha256")
    subject = Subject("TEST OCSP", "TEST Vermilion")
    # A life that lasts while these tests do: openssl and gnutls have no other clock than the machine's.
    return key, authority.certify(ProfileName.OCSP, subject, key, life=timedelta(days=2000))


Make = Callable[..., bytes]


@pytest.fixture(scope="session")
def make(authority: TestAuthority, responder: tuple[KeyRef, bytes]) -> Make:
    key, certificate = responder

    def answer(
        *statuses: CertStatus,
        nonce: bytes | None = None,
        hash_name: str = "sha256",
        at: datetime = authority.now,
    ) -> bytes:
        serials = [x509.load_der_x509_certificate(authority.seal).serial_number, UNUSED]
        answers = [
            Answer(cert_id(authority.issuing, number, hash_name), status, at, at + timedelta(minutes=15))
            for number, status in zip(serials, statuses, strict=False)
        ]
        data = response_data(certificate_key(certificate), answers, produced_at=at, nonce=nonce)
        return sign_response(authority.custodian, key, data, f"ocsp:{authority.random(8).hex()}", certificate)

    return answer


@pytest.fixture
def folder(authority: TestAuthority, tmp_path: Path) -> Path:
    pems(authority, tmp_path)
    return tmp_path


def pems(authority: TestAuthority, folder: Path) -> None:
    for name, der in (("root", authority.root), ("ca", authority.issuing), ("seal", authority.seal)):
        pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
        (folder / f"{name}.pem").write_bytes(pem)


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# --- requests ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
@pytest.mark.parametrize("nonce", ["-nonce", "-no_nonce"])
def test_a_request_of_openssl_is_read(
    authority: TestAuthority, folder: Path, digest: str, nonce: str
) -> None:
    run(
        need("openssl"), "ocsp", f"-{digest}", "-issuer", "ca.pem", "-cert", "seal.pem", f"-{digest}",
        "-serial", "0x1234", nonce, "-reqout", "request.der", folder=folder,
    )  # fmt: skip
    asked = parse_request((folder / "request.der").read_bytes())
    assert [one.hash_name for one in asked.ids] == [digest] * 2
    assert asked.ids[0].serial == x509.load_der_x509_certificate(authority.seal).serial_number
    assert asked.ids[1].serial == 0x1234
    assert all(matches(authority.issuing, one) for one in asked.ids)
    assert not matches(authority.root, asked.ids[0])
    assert (asked.nonce is not None) is (nonce == "-nonce")


def test_a_request_of_gnutls_is_read(authority: TestAuthority, folder: Path) -> None:
    run(
        need("ocsptool"), "--generate-request", "--load-issuer=ca.pem", "--load-cert=seal.pem",
        "--outfile=request.der", folder=folder,
    )  # fmt: skip
    asked = parse_request((folder / "request.der").read_bytes())
    assert matches(authority.issuing, asked.ids[0])


@pytest.mark.parametrize("certificates", [True, False])
def test_a_request_that_openssl_signed_is_read_like_any_other(
    authority: TestAuthority, folder: Path, certificates: bool
) -> None:
    """It names who asks, and brings a signature, with or without the certificate behind it."""
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "client.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    run(
        need("openssl"), "req", "-new", "-x509", "-key", "client.key", "-subj", "/C=CN/O=法院/CN=client", "-utf8",
        "-out", "client.pem", folder=folder,
    )  # fmt: skip
    run(
        need("openssl"), "ocsp", "-issuer", "ca.pem", "-cert", "seal.pem", "-signer", "client.pem", "-signkey",
        "client.key", "-reqout", "request.der", *["-no_certs"] * (not certificates), folder=folder,
    )  # fmt: skip
    der = (folder / "request.der").read_bytes()
    signature = asn1_ocsp.OCSPRequest.load(der, strict=True)["optional_signature"]
    assert (signature["certs"].native is not None) is certificates
    asked = parse_request(der)
    assert matches(authority.issuing, asked.ids[0])
    assert asked.nonce is not None


def test_our_own_requests_are_what_asn1crypto_makes_of_them(authority: TestAuthority) -> None:
    for nonce in (None, NONCE):
        for digest in ("sha1", "sha256"):
            der = build_request([cert_id(authority.issuing, UNUSED, digest)], nonce)
            assert asn1_ocsp.OCSPRequest.load(der, strict=True).dump(force=True) == der
            asked = parse_request(der)
            assert (asked.ids[0].serial, asked.ids[0].hash_name, asked.nonce) == (UNUSED, digest, nonce)


def test_another_digest_is_read_and_matches_nobody(authority: TestAuthority) -> None:
    der = asn1_ocsp.OCSPRequest.load(build_request([cert_id(authority.issuing, UNUSED)]))
    asked = der["tbs_request"]["request_list"][0]["req_cert"]
    asked["hash_algorithm"] = {"algorithm": "sha512", "parameters": core.Null()}
    found = parse_request(der.dump(force=True))
    assert found.ids[0].hash_name is None
    assert not matches(authority.issuing, found.ids[0])


@pytest.mark.parametrize(
    ("size", "accepted"),
    [(0, False), (1, True), (16, True), (MAX_NONCE_BYTES, True), (MAX_NONCE_BYTES + 1, False)],
)
def test_a_nonce_has_1_to_128_octets(authority: TestAuthority, size: int, accepted: bool) -> None:
    der = build_request([cert_id(authority.issuing, UNUSED)], bytes(size))
    if accepted:
        assert parse_request(der).nonce == bytes(size)
    else:
        with pytest.raises(VermilionError):
            parse_request(der)


def test_extensions_that_must_be_understood_are_refused_and_others_passed_over(
    authority: TestAuthority,
) -> None:
    """Acceptable responses (RFC 6960, 4.4.3), of the whole request and of a single one."""
    one = cert_id(authority.issuing, UNUSED)
    name, value = bytes.fromhex("06092b0601050507300104"), tlv(0x04, tlv(0x30))
    for critical in (b"", b"\x01\x01\xff", b"\x01\x01\x01"):
        extensions = tlv(0xA2, tlv(0x30, tlv(0x30, name, critical, value)))
        single = tlv(0xA0, tlv(0x30, tlv(0x30, name, critical, value)))
        whole = tlv(0x30, tlv(0x30, tlv(0x30, tlv(0x30, one.der)), extensions))
        part = tlv(0x30, tlv(0x30, tlv(0x30, tlv(0x30, one.der, single))))
        for der in (whole, part):
            if critical[-1:] != b"\x01":
                assert asn1_ocsp.OCSPRequest.load(der, strict=True).dump(force=True) == der
            if critical:
                with pytest.raises(VermilionError):
                    parse_request(der)
            else:
                assert parse_request(der).ids == (one,)


WHO = {
    "a directory name": asn1_x509.GeneralName(
        "directory_name", asn1_x509.Name.build({"common_name": "CN=客户", "country_name": "CN"})
    ).dump(),
    "an e-mail address": tlv(0x81, b"client@example.cn"),
    "a host": tlv(0x82, b"client.example.cn"),
    "a URI": tlv(0x86, b"http://client.example.cn/"),
    "an IPv4 address": tlv(0x87, bytes(4)),
    "an IPv6 address": tlv(0x87, bytes(16)),
    "an OID": tlv(0x88, bytes.fromhex("2a811cd763")),
    "another kind of name": tlv(0xA0, bytes.fromhex("06032a0304"), tlv(0xA0, tlv(0x0C, b"x"))),
    "an EDI party": tlv(0xA5, tlv(0xA1, tlv(0x0C, b"x"))),
}
NOBODY = {
    "NULL": b"\x05\x00",
    "nothing": b"",
    "two names": tlv(0x82, b"a") + tlv(0x82, b"b"),
    "a name without its tag": WHO["a directory name"][2:],
    "an empty directory name": tlv(0xA4, tlv(0x30)),
    "a directory name of a string": tlv(0xA4, tlv(0x0C, b"x")),
    "an RDN out of order": tlv(
        0xA4,
        tlv(0x30, tlv(0x31, *(tlv(0x30, bytes.fromhex(f"060355040{n}"), tlv(0x0C, b"x")) for n in (6, 3)))),
    ),
    "a host in UTF-8": tlv(0x82, "客户".encode()),
    "an address of five octets": tlv(0x87, bytes(5)),
    "an OID cut short": tlv(0x88, bytes.fromhex("2a811c87")),
    "an empty OID": tlv(0x88),
    "a number that does not exist": tlv(0x89, b"x"),
    "another kind of name, without a value": tlv(0xA0, bytes.fromhex("06032a0304")),
}  # fmt: skip


def whole(authority: TestAuthority, **parts: bytes) -> bytes:
    """A request for one certificate with some of its parts replaced or added."""
    tbs = {
        "version": b"",
        "who": b"",
        "requests": tlv(
            0x30,
            tlv(0x30, parts.pop("asked", cert_id(authority.issuing, UNUSED).der), parts.pop("single", b"")),
        ),
        "extensions": b"",
        "more": b"",
    }
    signature = parts.pop("signature", b"")
    return tlv(0x30, tlv(0x30, *(tbs | parts).values()), signature)


@pytest.mark.parametrize("who", WHO)
def test_whoever_asks_may_say_so(authority: TestAuthority, who: str) -> None:
    der = whole(authority, who=tlv(0xA1, WHO[who]))
    if who != "an EDI party":  # which asn1crypto cannot read
        assert (
            asn1_ocsp.OCSPRequest.load(der, strict=True)["tbs_request"]["requestor_name"].native is not None
        )
    assert parse_request(der).ids == (cert_id(authority.issuing, UNUSED),)


@pytest.mark.parametrize("who", NOBODY)
def test_what_is_no_name_is_malformed(authority: TestAuthority, who: str) -> None:
    with pytest.raises(VermilionError) as caught:
        parse_request(whole(authority, who=tlv(0xA1, NOBODY[who])))
    assert caught.value.kind is ErrorKind.MALFORMED


def extension(*parts: bytes) -> bytes:
    return tlv(0x30, tlv(0x30, *parts))


def signed(*parts: bytes) -> bytes:
    return tlv(0xA0, tlv(0x30, *parts))


def test_a_request_is_judged_to_its_end(authority: TestAuthority) -> None:
    """Signature, extensions and digest: nothing of a request goes unread, though no answer depends on it."""
    name, value = bytes.fromhex("06092b0601050507300104"), tlv(0x04, tlv(0x30))
    nonce = bytes.fromhex("06092b0601050507300102"), tlv(0x04, tlv(0x04, NONCE))
    algorithm, bits = tlv(0x30, bytes.fromhex("06082a8648ce3d040302")), tlv(0x03, bytes(70))
    one = cert_id(authority.issuing, UNUSED)
    hashes = one.der[2 + one.der[3] + 2 :]  # what follows the algorithm
    sha512, sm3 = bytes.fromhex("0609608648016503040203"), bytes.fromhex("06082a811ccf55018311")
    right = {
        "nothing": {},
        "a critical nonce": {"extensions": tlv(0xA2, extension(nonce[0], b"\x01\x01\xff", nonce[1]))},
        "a nonce of old Keycloak's": {"single": tlv(0xA0, extension(nonce[0], tlv(0x04, NONCE)))},
        "a signature": {"signature": signed(algorithm, bits)},
        "its certificates": {"signature": signed(algorithm, bits, tlv(0xA0, tlv(0x30, authority.seal)))},
        "no certificates": {"signature": signed(algorithm, bits, tlv(0xA0, tlv(0x30)))},
        "another digest": {"asked": tlv(0x30, tlv(0x30, sha512, b"\x05\x00"), hashes)},
        "a digest with parameters": {"asked": tlv(0x30, tlv(0x30, sm3, tlv(0x30)), hashes)},
    }
    for what, parts in right.items():
        der = whole(authority, **parts)
        assert asn1_ocsp.OCSPRequest.load(der, strict=True).dump(force=True) == der, what
        assert parse_request(der).ids[0].serial == UNUSED, what
    assert parse_request(whole(authority, **right["a critical nonce"])).nonce == NONCE
    assert parse_request(whole(authority, **right["a nonce of old Keycloak's"])).nonce is None
    wrong = {
        "the default version": {"version": tlv(0xA0, b"\x02\x01\x00")},
        "another version": {"version": tlv(0xA0, b"\x02\x01\x01")},
        "more than a request": {"more": b"\x05\x00"},
        "a digest that is no OID": {"asked": tlv(0x30, tlv(0x30, b"\x04" + sha512[1:], b"\x05\x00"), hashes)},
        "an OID cut short": {"asked": tlv(0x30, tlv(0x30, b"\x06\x02\x2a\x86"), hashes)},
        "two parameters": {"asked": tlv(0x30, tlv(0x30, sha512, b"\x05\x00", b"\x05\x00"), hashes)},
        "parameters that are not DER": {"asked": tlv(0x30, tlv(0x30, sha512, b"\x02\x02\x00\x01"), hashes)},
        "no extensions": {"extensions": tlv(0xA2, tlv(0x30))},
        "no extensions of one": {"single": tlv(0xA0, tlv(0x30))},
        "an extension that is not named": {"extensions": tlv(0xA2, extension(b"\x04" + name[1:], value))},
        "an extension named by half an OID": {"extensions": tlv(0xA2, extension(name[:-1] + b"\x81", value))},
        "an extension of another type": {"extensions": tlv(0xA2, extension(name, b"\x03\x02\x00\x00"))},
        "an extension twice": {
            "extensions": tlv(0xA2, tlv(0x30, tlv(0x30, name, value), tlv(0x30, name, value)))
        },
        "an extension of one twice": {
            "single": tlv(0xA0, tlv(0x30, tlv(0x30, name, value), tlv(0x30, name, value)))
        },
        "an extension that says FALSE": {"extensions": tlv(0xA2, extension(name, b"\x01\x01\x00", value))},
        "a nonce that says FALSE": {"extensions": tlv(0xA2, extension(nonce[0], b"\x01\x01\x00", nonce[1]))},
        "a nonce that says more": {"extensions": tlv(0xA2, extension(nonce[0], b"\x05\x00", nonce[1]))},
        "a nonce of one that is critical": {
            "single": tlv(0xA0, extension(nonce[0], b"\x01\x01\xff", nonce[1]))
        },
        "a bare nonce": {"extensions": tlv(0xA2, extension(nonce[0], tlv(0x04, NONCE)))},
        "a signature of nothing": {"signature": tlv(0xA0, b"\x05\x00")},
        "no signature": {"signature": signed()},
        "a signature without its algorithm": {"signature": signed(bits)},
        "an algorithm that is no OID": {"signature": signed(tlv(0x30, b"\x05\x00"), bits)},
        "a signature of other bits": {"signature": signed(algorithm, tlv(0x03, b"\x01\x00"))},
        "octets as a signature": {"signature": signed(algorithm, tlv(0x04, bytes(70)))},
        "certificates that are none": {"signature": signed(algorithm, bits, tlv(0xA0, tlv(0x30, b"\x05\x00")))},
        "one that is not DER": {
            "signature": signed(
                algorithm, bits, tlv(0xA0, tlv(0x30, authority.seal.replace(b"\x13\x02CN", b"\x01\x02CN")))
            )
        },
        "bytes after them": {"signature": signed(algorithm, bits, tlv(0xA0, tlv(0x30)), b"\x05\x00")},
        "two signatures": {"signature": 2 * signed(algorithm, bits)},
    }  # fmt: skip
    for what, parts in wrong.items():
        with pytest.raises(VermilionError) as caught:
            parse_request(whole(authority, **parts))
        assert caught.value.kind is ErrorKind.MALFORMED, what


def test_requests_are_bounded(authority: TestAuthority) -> None:
    one = cert_id(authority.issuing, UNUSED)
    assert len(parse_request(build_request([one] * MAX_IDS)).ids) == MAX_IDS
    for wrong in (
        build_request([one] * (MAX_IDS + 1)),
        build_request([]),
        b"\x30" * MAX_REQUEST_BYTES,
        b"\x30" * 10_000,
        build_request([one]) + b"\0",
        build_request([one])[:-1],
    ):
        with pytest.raises(VermilionError) as caught:
            parse_request(wrong)
        assert caught.value.kind is ErrorKind.MALFORMED


@given(data=st.binary(max_size=400))
def test_garbage_is_malformed(data: bytes) -> None:
    with pytest.raises(VermilionError) as caught:
        parse_request(data)
    assert caught.value.kind is ErrorKind.MALFORMED


@given(
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.integers(0, 5),
)
def test_an_altered_request_is_read_or_malformed(
    authority: TestAuthority, changes: list[tuple[int, int]], cut: int
) -> None:
    der = bytearray(build_request([cert_id(authority.issuing, UNUSED)], NONCE))
    for at, value in changes:
        der[at % len(der)] = value
    try:
        asked = parse_request(bytes(der[: len(der) - cut]))
    except VermilionError as error:
        assert error.kind is ErrorKind.MALFORMED
    else:
        assert 1 <= len(asked.ids) <= MAX_IDS


def as_asn1crypto_reads_it(der: bytes) -> OcspRequest:
    """What an answer depends on; names and other extensions are not looked into."""
    tbs = asn1_ocsp.OCSPRequest.load(der, strict=True)["tbs_request"]
    ids = []
    for request in tbs["request_list"]:
        one = request["req_cert"]
        digest = one["hash_algorithm"]["algorithm"].native
        hashes = one["issuer_name_hash"].native, one["issuer_key_hash"].native
        name = digest if digest in {"sha1", "sha256"} else None
        ids.append(CertId(name, *hashes, one["serial_number"].native, one.dump()))
    listed = tbs["request_extensions"] or []
    nonces = [e["extn_value"].parsed.native for e in listed if e["extn_id"].native == "nonce"]
    assert len(nonces) <= 1
    return OcspRequest(tuple(ids), nonces[0] if nonces else None)


@given(data=st.data())
def test_every_well_formed_request_is_read_as_another_reader_reads_it(
    authority: TestAuthority, data: st.DataObject
) -> None:
    request = data.draw(asked(authority.issuing, [UNUSED]))
    der = request.request.der()
    if len(der) > MAX_REQUEST_BYTES:
        with pytest.raises(VermilionError):
            parse_request(der)
        return
    found = parse_request(der)
    assert (tuple(one.der for one in found.ids), found.nonce) == (request.ids, request.nonce)
    assert found == as_asn1crypto_reads_it(der)


@given(data=st.data())
def test_a_request_of_another_shape_is_malformed_or_read_to_its_end(
    authority: TestAuthority, data: st.DataObject
) -> None:
    der = data.draw(bent_requests(authority.issuing, [UNUSED]))
    try:
        found = parse_request(der)
    except VermilionError as error:
        assert (error.kind, error.reason) == (ErrorKind.MALFORMED, "ocsp_request")
    else:
        require_der(der)  # whatever is read is DER throughout
        assert found == as_asn1crypto_reads_it(der)


@given(serial=st.integers(1 << 128, (1 << 129) - 1), size=st.integers(0, 32))
def test_a_request_by_get_comes_back_whole(authority: TestAuthority, serial: int, size: int) -> None:
    der = build_request(
        [cert_id(authority.issuing, serial)], serial.to_bytes(40, "big")[-size:] if size else None
    )
    text = base64.b64encode(der).decode()
    assert decode_get(text) == der
    assert decode_get(quote(text, safe="")) == der
    assert decode_get(text.rstrip("=")) == der
    with pytest.raises(VermilionError):
        decode_get(text[:1] + " " + text[1:])


@given(serial=st.integers(1 << 128, (1 << 129) - 1), sha1=st.booleans())
def test_slashes_that_a_proxy_collapsed_are_found_again(
    authority: TestAuthority, serial: int, sha1: bool
) -> None:
    """0xff in a row is a slash in a row; the guess may be of another serial only where both are read."""
    serial |= 0xFFFFFF << 64
    asked = cert_id(authority.issuing, serial, "sha1" if sha1 else "sha256")
    text = base64.b64encode(build_request([asked])).decode()
    collapsed = re.sub("/+", "/", text)
    if len(text) - len(collapsed) in (1, 2):
        meant = decode_get(collapsed, lambda request: request.ids == (asked,))
        assert parse_request(meant).ids == (asked,)
        parse_request(decode_get(collapsed))  # a guess without knowing whose it is can be read, at least


@given(text=st.text(max_size=100))
def test_any_path_is_decoded_or_malformed(text: str) -> None:
    try:
        decode_get(text)
    except VermilionError as error:
        assert error.kind is ErrorKind.MALFORMED


# --- answers -------------------------------------------------------------------------------------------

STATUSES: list[CertStatus] = [
    GOOD,
    UNKNOWN,
    Revoked(datetime(2026, 11, 1, tzinfo=UTC), None),
    *(Revoked(datetime(2026, 11, 1, tzinfo=UTC), reason) for reason in RevocationReason),
    Revoked(datetime(2051, 1, 1, tzinfo=UTC), RevocationReason.SUPERSEDED),
]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("nonce", [None, NONCE])
def test_every_reader_finds_what_was_said(
    authority: TestAuthority, make: Make, status: CertStatus, nonce: bytes | None
) -> None:
    der = make(status, nonce=nonce)
    ours = verify_response(der, authority.issuing, authority.now, nonce=nonce)
    assert ours.answers[0].status == status
    theirs = ocsp.load_der_ocsp_response(der)
    assert theirs.produced_at_utc == authority.now.replace(microsecond=0)
    (certificate,) = theirs.certificates
    certificate.verify_directly_issued_by(x509.load_der_x509_certificate(authority.issuing))
    if isinstance(status, Revoked):
        assert theirs.revocation_time_utc == status.at
        reason = theirs.revocation_reason
        assert (reason.value if reason else None) == status.reason
    assert asn1_ocsp.OCSPResponse.load(der, strict=True).dump(force=True) == der
    lint_ocsp_response(der)


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_openssl_accepts_our_answers(authority: TestAuthority, make: Make, folder: Path, digest: str) -> None:
    at = datetime.now(UTC).replace(microsecond=0)  # openssl has no other clock for this
    (folder / "answer.der").write_bytes(make(GOOD, UNKNOWN, hash_name=digest, at=at))
    said = run(
        need("openssl"), "ocsp", f"-{digest}", "-issuer", "ca.pem", "-cert", "seal.pem", "-no_nonce", "-respin",
        "answer.der", "-CAfile", "root.pem", "-verify_other", "ca.pem", folder=folder,
    )  # fmt: skip
    assert "Response verify OK" in said
    assert "seal.pem: good" in said


def test_gnutls_accepts_our_answers(authority: TestAuthority, make: Make, folder: Path) -> None:
    (folder / "answer.der").write_bytes(make(Revoked(authority.now, RevocationReason.CERTIFICATE_HOLD)))
    said = run(
        need("ocsptool"), "--verify-response", "--load-response=answer.der", "--load-trust=ca.pem",
        "--load-issuer=ca.pem", folder=folder,
    )  # fmt: skip
    assert "Success" in said
    said = run(need("ocsptool"), "--response-info", "--load-response=answer.der", folder=folder)
    assert "Certificate Status: revoked" in said


@pytest.mark.parametrize("suite", ["p256-sha256", "rsa3072-sha256"])
def test_openssl_gnutls_and_pkilint_accept_an_answer_under_an_authority_of_rsa(
    rsa_authority: TestAuthority, tmp_path: Path, suite: SuiteName
) -> None:
    """The responder's key is of RSA, or of the curve that every responder has by default."""
    at = datetime.now(UTC).replace(microsecond=0)
    key = rsa_authority.custodian.generate(Purpose.OCSP, suite)
    certificate = rsa_authority.certify(
        ProfileName.OCSP, Subject("TEST OCSP", "TEST Vermilion"), key, life=timedelta(days=2000)
    )
    serial = x509.load_der_x509_certificate(rsa_authority.seal).serial_number
    asked = [cert_id(rsa_authority.issuing, serial, "sha1"), cert_id(rsa_authority.issuing, UNUSED)]
    statuses: list[CertStatus] = [GOOD, UNKNOWN]
    answers = [
        Answer(one, status, at, at + timedelta(minutes=15))
        for one, status in zip(asked, statuses, strict=True)
    ]
    data = response_data(certificate_key(certificate), answers, produced_at=at, nonce=NONCE)
    der = sign_response(
        rsa_authority.custodian, key, data, f"ocsp:{rsa_authority.random(8).hex()}", certificate
    )
    said = verify_response(der, rsa_authority.issuing, at, nonce=NONCE)
    assert [answer.status for answer in said.answers] == statuses
    lint_ocsp_response(der)
    assert asn1_ocsp.OCSPResponse.load(der, strict=True).dump(force=True) == der
    pems(rsa_authority, tmp_path)
    (tmp_path / "answer.der").write_bytes(der)
    shown = run(
        need("openssl"), "ocsp", "-issuer", "ca.pem", "-cert", "seal.pem", "-no_nonce", "-respin", "answer.der",
        "-CAfile", "root.pem", "-verify_other", "ca.pem", folder=tmp_path,
    )  # fmt: skip
    assert "Response verify OK" in shown
    assert "seal.pem: good" in shown
    shown = run(
        need("ocsptool"), "--verify-response", "--load-response=answer.der", "--load-trust=ca.pem",
        "--load-issuer=ca.pem", folder=tmp_path,
    )  # fmt: skip
    assert "Success" in shown


def test_an_answer_holds_for_its_time_its_issuer_and_its_nonce(
    authority: TestAuthority, rsa_authority: TestAuthority, make: Make
) -> None:
    der = make(GOOD, nonce=NONCE)
    verify_response(der, authority.issuing, authority.now, nonce=NONCE)
    wrong: list[tuple[bytes, datetime, bytes | None]] = [
        (authority.issuing, authority.now - timedelta(minutes=1), NONCE),
        (authority.issuing, authority.now + timedelta(minutes=15), NONCE),
        (authority.issuing, authority.now, None),
        (authority.issuing, authority.now, bytes(32)),
        (rsa_authority.issuing, authority.now, NONCE),
        (authority.root, authority.now, NONCE),
    ]
    for issuer, at, nonce in wrong:
        with pytest.raises(VermilionError):
            verify_response(der, issuer, at, nonce=nonce)


@pytest.mark.parametrize("profile", [ProfileName.SEAL, ProfileName.TSA, ProfileName.QR])
def test_nobody_answers_to_whom_it_was_not_delegated(
    authority: TestAuthority, make: Make, profile: ProfileName
) -> None:
    """A certificate of the same CA, but of another profile, in the responder's place."""
    other = {
        ProfileName.SEAL: authority.seal, ProfileName.TSA: authority.tsa, ProfileName.QR: authority.qr
    }[profile]  # fmt: skip
    response = asn1_ocsp.OCSPResponse.load(make(GOOD))
    basic = response["response_bytes"]["response"].parsed
    basic["certs"] = [asn1_x509.Certificate.load(other)]
    response["response_bytes"]["response"] = basic
    with pytest.raises(VermilionError):
        verify_response(response.dump(force=True), authority.issuing, authority.now)


def test_a_delegate_has_a_responder_s_certificate_and_nothing_else_in_it(
    authority: TestAuthority, responder: tuple[KeyRef, bytes]
) -> None:
    """Signed by the CA itself, with the right purpose, and yet no delegation."""
    key, certificate = responder
    tbs = asn1_x509.Certificate.load(certificate)["tbs_certificate"]
    listed = {e["extn_id"].native: e for e in tbs["extensions"]}
    asked = cert_id(authority.issuing, UNUSED)
    data = response_data(
        certificate_key(certificate),
        [Answer(asked, GOOD, authority.now, authority.now + timedelta(minutes=15))],
        produced_at=authority.now, nonce=None,
    )  # fmt: skip

    def judged(**changes: object) -> str:
        extensions = [value for value in (listed | changes).values() if value is not None]
        delegate = forged(
            authority, authority.issuing_key, subject=tbs["subject"],
            subject_public_key_info=tbs["subject_public_key_info"], extensions=extensions,
        )  # fmt: skip
        der = sign_response(authority.custodian, key, data, f"ocsp:{authority.random(8).hex()}", delegate)
        try:
            verify_response(der, authority.issuing, authority.now)
        except VermilionError as error:
            assert (error.kind, error.reason) == (ErrorKind.INVALID, "ocsp")
            return "refused"
        return "accepted"

    def extension(name: str, critical: bool, value: object) -> asn1_x509.Extension:
        return asn1_x509.Extension({"extn_id": name, "critical": critical, "extn_value": value})

    assert judged() == "accepted"
    assert judged(key_usage=None) == "refused"
    assert judged(key_usage=extension("key_usage", True, {"key_agreement"})) == "refused"
    assert judged(key_usage=extension("key_usage", True, {"digital_signature", "crl_sign"})) == "refused"
    assert judged(basic_constraints=extension("basic_constraints", True, {"ca": True})) == "refused"
    odd = bytes.fromhex("06052a811cd763"), tlv(0x04, b"\x05\x00")
    assert judged(odd=asn1_x509.Extension.load(tlv(0x30, odd[0], b"\x01\x01\xff", odd[1]))) == "refused"
    assert judged(odd=asn1_x509.Extension.load(tlv(0x30, *odd))) == "accepted"
    two = extension("extended_key_usage", True, ["ocsp_signing", "time_stamping"])
    assert judged(extended_key_usage=two) == "refused"
    assert judged(extended_key_usage=None) == "refused"
    assert judged(ocsp_no_check=None) == "refused"


@given(at=st.integers(0, 5000), bit=st.integers(0, 7))
def test_no_altered_answer_verifies(authority: TestAuthority, make: Make, at: int, bit: int) -> None:
    der = bytearray(_fixed(make))
    der[at % len(der)] ^= 1 << bit
    with pytest.raises(VermilionError) as caught:
        verify_response(bytes(der), authority.issuing, authority.now, nonce=NONCE)
    assert caught.value.kind is ErrorKind.INVALID


def test_an_answer_was_made_while_it_holds_and_names_digests_of_their_length(
    authority: TestAuthority,
) -> None:
    """RFC 6960, 2.4 and 4.1.1. What is not so is neither signed nor read."""
    at, later = authority.now, authority.now + timedelta(minutes=15)
    asked = cert_id(authority.issuing, UNUSED)
    second = timedelta(seconds=1)

    def judged(answer: Answer, produced_at: datetime) -> str:
        data = response_data(
            certificate_key(authority.seal), [Answer(asked, GOOD, at, later), answer],
            produced_at=produced_at, nonce=None,
        )  # fmt: skip
        try:
            read_response_data(data)
            check_tbs(Kind.OCSP_RESPONSE, data, P256)
        except VermilionError as error:
            assert error.kind is ErrorKind.INVALID
            return "refused"
        return "read"

    assert judged(Answer(asked, GOOD, at, later), at) == "read"
    assert judged(Answer(asked, GOOD, at, later), later - second) == "read"
    assert judged(Answer(asked, GOOD, at + second, later), at + second) == "read"
    assert judged(Answer(asked, GOOD, at + second, later), at) == "refused"
    assert judged(Answer(asked, GOOD, at, later), later) == "refused"
    assert judged(Answer(asked, GOOD, at, at), at) == "refused"
    assert judged(Answer(asked, GOOD, later, at), at) == "refused"
    for digest in ("sha1", "sha256"):
        one = cert_id(authority.issuing, UNUSED, digest)
        size = len(one.name_hash)
        start = one.der.index(one.name_hash) - 2
        for name, key in (
            (size, size),
            (size - 1, size),
            (size, size + 1),
            (0, size),
            (52 - size, 52 - size),
        ):
            hashes = tlv(0x04, bytes(name)) + tlv(0x04, bytes(key))
            der = one.der[2:start] + hashes + one.der[start + 2 * (2 + size) :]
            answer = Answer(replace(one, der=tlv(0x30, der)), GOOD, at, later)
            assert judged(answer, at) == ("read" if (name, key) == (size, size) else "refused"), (
                digest,
                name,
                key,
            )


@given(data=st.binary(max_size=300))
def test_garbage_is_no_answer(authority: TestAuthority, data: bytes) -> None:
    with pytest.raises(VermilionError):
        verify_response(data, authority.issuing, authority.now)
    with pytest.raises(VermilionError):
        read_response_data(data)


_made: list[bytes] = []


def _fixed(make: Make) -> bytes:
    if not _made:
        _made.append(
            make(Revoked(datetime(2026, 11, 1, tzinfo=UTC), RevocationReason.SUPERSEDED), nonce=NONCE)
        )
    return _made[0]


def test_a_path_of_nothing_but_slashes_costs_a_bounded_number_of_guesses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Anybody may send one; its pairs of slashes are some thirty million."""
    drawn: list[int] = []

    def counted(slashes: list[int], size: int) -> Iterator[tuple[int, ...]]:
        for pair in combinations_with_replacement(slashes, size):
            drawn.append(1)
            yield pair

    monkeypatch.setattr("keys.ocsp.combinations_with_replacement", counted)
    for text in ("/" * (4 * MAX_REQUEST_BYTES), "/" * 20):
        with pytest.raises(VermilionError) as caught:
            decode_get(text)
        assert caught.value.kind is ErrorKind.MALFORMED
    assert 0 < len(drawn) <= MAX_GUESSES
