"""The time-stamp protocol: each answer that RFC 3161 knows, to whatever bytes; other implementations agree."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from datetime import UTC, timedelta
from hashlib import new as new_hash
from hashlib import sha256
from pathlib import Path

import pytest
from asn1crypto import cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import example, given
from hypothesis import strategies as st
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko_certvalidator import ValidationContext
from rfc3161_client import TimestampRequestBuilder, VerifierBuilder, decode_timestamp_response
from rfc3161_client.base import HashAlgorithm
from rfc3161_client.errors import VerificationError

from keys.custodian import KeyRef, SignRequest
from keys.der import integer, tlv
from keys.errors import Kind, VermilionError
from keys.profiles import POLICY_TSA
from keys.time_source import Reading
from keys.time_stamp import verify_token
from keys.tsa import ACCURACY, TimeStampAuthority, time_stamp_record
from keys.tsp import MAX_NONCE_BYTES, MAX_REQUEST_BYTES, OURS_TO_MEND, FailInfo, answer, parse_request
from tests.authority import TestAuthority, make_authority
from tests.keys import asn1_tokens
from tests.keys.requests import NULL, Said, extension, imprint, never, oid, read, request
from tests.tools import need

TRUE, FALSE = b"\x01\x01\xff", b"\x01\x01\x00"
DATA = b"a document to be stamped"


def ask(authority: TestAuthority, body: bytes) -> Said:
    return read(answer(body, authority.stamper.grant, on_failure=never))


def rejection_of(authority: TestAuthority, body: bytes) -> FailInfo:
    said = ask(authority, body)
    assert said.status == "rejection"
    assert said.token is None
    assert said.text
    assert said.fail_info is not None
    return said.fail_info


@pytest.mark.parametrize(("name", "size"), [("sha256", 32), ("sha384", 48), ("sha512", 64)])
@pytest.mark.parametrize("parameters", [b"", NULL])
def test_a_request_is_granted_and_its_parts_come_back(
    authority: TestAuthority, name: str, size: int, parameters: bytes
) -> None:
    stamped = imprint(name, size, parameters)
    said = ask(authority, request(oid(POLICY_TSA), integer(1 << 63), TRUE, stamped=stamped))
    assert (said.status, said.fail_info) == ("granted", None)
    info = said.info
    assert info["message_imprint"].dump() == stamped  # RFC 3161, 2.4.2: the same value
    assert info["nonce"].native == 1 << 63
    assert info["policy"].native == POLICY_TSA
    assert info["version"].native == "v1"
    assert info["gen_time"].native == authority.now
    assert info["accuracy"].native == {"seconds": 1, "millis": None, "micros": None}
    assert info["ordering"].native is False
    assert info["extensions"].native is None
    if parameters:  # a tree writes no other
        content = asn1_tokens.tst_info(
            bytes(range(size)), info["serial_number"].native, authority.now, hash_name=name, nonce=1 << 63
        )
        assert info.dump() == content
    assert {c.chosen.dump() for c in said.signed["certificates"]} == {authority.tsa, authority.issuing}
    serial = info["serial_number"].native
    assert authority.ledger.uses[authority.tsa_key.id, time_stamp_record(serial)] is True
    assert authority.time_stamps.announced[serial].info == info.dump()


@pytest.mark.parametrize("parts", [(), (FALSE,)], ids=["absent", "false"])
def test_certificates_are_given_on_request_alone(authority: TestAuthority, parts: tuple[bytes, ...]) -> None:
    said = ask(authority, request(*parts))
    assert said.status == "granted"
    assert said.signed["certificates"].native is None
    (signer,) = said.signed["signer_infos"]
    named = {a["type"].native: a["values"][0] for a in signer["signed_attrs"]}["signing_certificate_v2"]
    assert named["certs"][0]["cert_hash"].native == sha256(authority.tsa).digest()
    assert said.info["nonce"].native is None


def test_a_token_over_sha_256_with_certificates_is_one_of_ours(authority: TestAuthority) -> None:
    said = ask(authority, request(TRUE))
    assert said.token is not None
    stamp = verify_token(said.token, bytes(range(32)), trust=authority.trust())
    assert stamp.gen_time == authority.now


@pytest.mark.parametrize("nonce", [0, 1, -1, -128, 127, 128, -(1 << 63), (1 << 8 * MAX_NONCE_BYTES - 1) - 1])
def test_a_nonce_comes_back_as_it_was(authority: TestAuthority, nonce: int) -> None:
    encoded = core.Integer(nonce).dump()
    said = ask(authority, request(encoded))
    assert said.info["nonce"].native == nonce
    assert said.info["nonce"].contents == encoded[2:]


NAMED = {  # what is wrong: (request, answer)
    "md5": (request(stamped=imprint("md5", 16)), FailInfo.BAD_ALG),
    "sha-1": (request(stamped=imprint("sha1", 20)), FailInfo.BAD_ALG),
    "sha-224": (request(stamped=imprint("sha224", 28)), FailInfo.BAD_ALG),
    "sha-512/256": (request(stamped=imprint("sha512_256", 32)), FailInfo.BAD_ALG),
    "unknown digest": (
        request(stamped=tlv(0x30, tlv(0x30, oid("1.2.3.4")), tlv(0x04, bytes(32)))),
        FailInfo.BAD_ALG,
    ),
    "parameters": (request(stamped=imprint(parameters=integer(1))), FailInfo.BAD_ALG),
    "two parameters": (request(stamped=imprint(parameters=NULL + NULL)), FailInfo.BAD_ALG),
    "short digest": (request(stamped=imprint(size=31)), FailInfo.BAD_DATA_FORMAT),
    "long digest": (request(stamped=imprint(size=48)), FailInfo.BAD_DATA_FORMAT),
    "another length": (request(stamped=imprint("sha512", 32)), FailInfo.BAD_DATA_FORMAT),
    "no digest": (request(stamped=imprint(size=0)), FailInfo.BAD_DATA_FORMAT),
    "version 2": (request(version=integer(2)), FailInfo.BAD_REQUEST),
    "version 0": (request(version=integer(0)), FailInfo.BAD_REQUEST),
    "negative version": (request(version=b"\x02\x01\xff"), FailInfo.BAD_REQUEST),
    "version of another shape": (tlv(0x30, integer(2), b"\x05\x00"), FailInfo.BAD_REQUEST),
    "long version": (request(version=b"\x02\x02\x00\x01"), FailInfo.BAD_DATA_FORMAT),
    "no version": (tlv(0x30, imprint()), FailInfo.BAD_DATA_FORMAT),
    "long nonce": (request(integer(1 << 8 * MAX_NONCE_BYTES)), FailInfo.BAD_REQUEST),
    "nonce with a filler": (request(b"\x02\x02\x00\x7f"), FailInfo.BAD_DATA_FORMAT),
    "empty nonce": (request(b"\x02\x00"), FailInfo.BAD_DATA_FORMAT),
    "another policy": (request(oid("1.2.3.4.1")), FailInfo.UNACCEPTED_POLICY),
    "policy and all": (request(oid("1.2.3.4.1"), integer(7), TRUE), FailInfo.UNACCEPTED_POLICY),
    "no policy": (request(b"\x06\x00"), FailInfo.BAD_DATA_FORMAT),
    "policy cut off": (request(b"\x06\x02\x2a\x86"), FailInfo.BAD_DATA_FORMAT),
    "policy with a filler": (request(b"\x06\x03\x2a\x80\x01"), FailInfo.BAD_DATA_FORMAT),
    "extension": (request(tlv(0xA0, extension())), FailInfo.UNACCEPTED_EXTENSION),
    "critical": (request(TRUE, tlv(0xA0, extension(critical=TRUE))), FailInfo.UNACCEPTED_EXTENSION),
    "two extensions": (request(tlv(0xA0, extension(), extension("1.2.4"))), FailInfo.UNACCEPTED_EXTENSION),
    "no extensions": (request(tlv(0xA0)), FailInfo.BAD_DATA_FORMAT),
    "no extension": (request(tlv(0xA0, b"\x05\x00")), FailInfo.BAD_DATA_FORMAT),
    "half an extension": (request(tlv(0xA0, tlv(0x30, oid("1.2.3")))), FailInfo.BAD_DATA_FORMAT),
    "extension before certReq": (request(tlv(0xA0, extension()), TRUE), FailInfo.BAD_DATA_FORMAT),
    "boolean of one": (request(b"\x01\x01\x01"), FailInfo.BAD_DATA_FORMAT),
    "boolean of two": (request(b"\x01\x02\xff\xff"), FailInfo.BAD_DATA_FORMAT),
    "nonce after certReq": (request(TRUE, integer(1)), FailInfo.BAD_DATA_FORMAT),
    "policy after nonce": (request(integer(1), oid(POLICY_TSA)), FailInfo.BAD_DATA_FORMAT),
    "two nonces": (request(integer(1), integer(1)), FailInfo.BAD_DATA_FORMAT),
    "nothing": (b"", FailInfo.BAD_DATA_FORMAT),
    "an empty sequence": (b"\x30\x00", FailInfo.BAD_DATA_FORMAT),
    "something follows": (request() + b"\x00", FailInfo.BAD_DATA_FORMAT),
    "cut off": (request()[:-1], FailInfo.BAD_DATA_FORMAT),
    "indefinite": (b"\x30\x80" + request()[2:] + b"\x00\x00", FailInfo.BAD_DATA_FORMAT),
    "long length": (b"\x30\x81" + request()[1:], FailInfo.BAD_DATA_FORMAT),
    "imprint only": (imprint(), FailInfo.BAD_DATA_FORMAT),
    "too long": (request(integer(1 << 8 * MAX_REQUEST_BYTES)), FailInfo.BAD_REQUEST),
}  # fmt: skip


@pytest.mark.parametrize("wrong", NAMED)
def test_what_is_wrong_is_named(authority: TestAuthority, wrong: str) -> None:
    body, expected = NAMED[wrong]
    used = len(authority.ledger.uses)
    assert rejection_of(authority, body) is expected
    assert len(authority.ledger.uses) == used


def test_every_failure_but_one_is_answered_by_some_request() -> None:
    """`addInfoNotAvailable` never is: see `keys.tsp`."""
    answered = {expected for _body, expected in NAMED.values()} | OURS_TO_MEND
    assert set(FailInfo) - answered == {FailInfo.ADD_INFO_NOT_AVAILABLE}


ELEMENT = st.builds(
    tlv,
    st.sampled_from([0x01, 0x02, 0x04, 0x05, 0x06, 0x18, 0x30, 0x31, 0x80, 0xA0]),
    st.binary(max_size=40),
)
GOOD = st.one_of(
    st.sampled_from([oid(POLICY_TSA), TRUE, FALSE, tlv(0xA0, extension()), imprint(), b""]),
    st.integers(-(1 << 70), 1 << 300).map(lambda value: bytes(core.Integer(value).dump())),
    st.builds(
        imprint,
        st.sampled_from(["sha256", "sha384", "sha512", "sha1", "md5"]),
        st.integers(0, 70),
        st.sampled_from([b"", NULL]),
    ),
)
STRUCTURED = st.lists(st.one_of(GOOD, ELEMENT), max_size=7).map(lambda parts: tlv(0x30, *parts))
ALMOST = st.lists(GOOD, max_size=4).map(lambda parts: tlv(0x30, integer(1), imprint(), *parts))


@given(body=st.one_of(st.binary(max_size=400), STRUCTURED, ALMOST))
@example(body=request())
@example(body=b"\x30\x84\xff\xff\xff\xff")
@example(body=b"\x30\x80" * 1000)
@example(body=bytes(100_000))
def test_whatever_is_asked_is_answered(authority: TestAuthority, body: bytes) -> None:
    said = ask(authority, body)
    if said.status == "granted":
        assert said.fail_info is None
        # What we grant, a tree reads too, and as the same.
        asked = tsp.TimeStampReq.load(body, strict=True)
        assert said.info["message_imprint"].dump() == asked["message_imprint"].dump()
        assert said.info["nonce"].native == asked["nonce"].native
        assert (said.signed["certificates"].native is not None) is asked["cert_req"].native
        assert asked["extensions"].native is None
        assert asked["req_policy"].native in (None, POLICY_TSA)
    else:
        assert said.status == "rejection"
        assert said.fail_info not in {None, *OURS_TO_MEND}


@given(at=st.integers(0, 200), byte=st.integers(0, 255), kind=st.sampled_from(["set", "insert", "remove"]))
def test_an_altered_request_is_answered(authority: TestAuthority, at: int, byte: int, kind: str) -> None:
    body = bytearray(request(oid(POLICY_TSA), integer(1 << 63), TRUE))
    at %= len(body)
    body[at : at + (kind != "insert")] = b"" if kind == "remove" else bytes([byte])
    said = ask(authority, bytes(body))
    assert (said.status == "granted") is (said.token is not None)


def failing(
    authority: TestAuthority, grant_by: TimeStampAuthority
) -> tuple[Said, list[tuple[FailInfo, str]]]:
    heard: list[tuple[FailInfo, str]] = []
    response = answer(
        request(TRUE), grant_by.grant, on_failure=lambda info, error: heard.append((info, error.reason))
    )
    return read(response), heard


def test_without_a_custodian_the_answer_is_system_failure_and_says_no_more(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    (authority.directory / f"{authority.tsa_key.id}.key").unlink()
    authority.custodian._keys.clear()
    said, heard = failing(authority, authority.stamper)
    assert (said.status, said.fail_info) == ("rejection", FailInfo.SYSTEM_FAILURE)
    assert heard == [(FailInfo.SYSTEM_FAILURE, "key_unusable")]
    assert said.text == "the authority cannot answer now; try again later"


def test_a_policy_that_refuses_is_a_system_failure_too(tmp_path: Path) -> None:
    refusing = [False]

    def policy(ref: KeyRef, asked: Sequence[SignRequest]) -> None:
        if refusing[0]:
            raise VermilionError(Kind.KEY_REFUSED, "the key is not active", reason="key_state")

    authority = make_authority(tmp_path, policy=policy)
    refusing[0] = True
    said, heard = failing(authority, authority.stamper)
    assert said.fail_info is FailInfo.SYSTEM_FAILURE
    assert "key" not in str(said.text)
    assert heard == [(FailInfo.SYSTEM_FAILURE, "key_state")]


class Source:
    """A time source that can be lost, or be less sure."""

    def __init__(self, authority: TestAuthority) -> None:
        self.authority = authority
        self.lost = False
        self.accuracy = ACCURACY

    def read(self) -> Reading:
        if self.lost:
            raise VermilionError(Kind.UNAVAILABLE, "no time", reason="clock")
        return Reading(self.authority.now, self.accuracy)


def test_time_that_is_not_known_is_not_given(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    source = Source(authority)
    stamper = TimeStampAuthority(
        authority.custodian, authority.tsa_key, authority.tsa, (authority.issuing,), time=source,
        register=authority.time_stamps, random=authority.random,
    )  # fmt: skip
    assert failing(authority, stamper)[0].status == "granted"
    source.lost = True
    said, heard = failing(authority, stamper)
    assert said.fail_info is FailInfo.TIME_NOT_AVAILABLE
    assert heard == [(FailInfo.TIME_NOT_AVAILABLE, "clock")]
    source.lost, source.accuracy = False, ACCURACY + timedelta(microseconds=1)
    assert failing(authority, stamper)[0].fail_info is FailInfo.TIME_NOT_AVAILABLE
    source.accuracy = ACCURACY
    assert failing(authority, stamper)[0].status == "granted"


def test_a_serial_that_comes_again_is_never_signed_twice(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    stuck = TimeStampAuthority(
        authority.custodian, authority.tsa_key, authority.tsa, (authority.issuing,), time=Source(authority),
        register=authority.time_stamps, random=lambda size: b"\x07" * size,
    )  # fmt: skip
    assert failing(authority, stuck)[0].status == "granted"
    said, heard = failing(authority, stuck)
    assert said.fail_info is FailInfo.SYSTEM_FAILURE
    assert heard[0][1] == "serial_used"
    assert len(authority.ledger.uses) == len(authority.time_stamps.announced) + _certificates(authority)


def _certificates(authority: TestAuthority) -> int:
    return sum(record.startswith("certificate:") for _key, record in authority.ledger.uses)


def test_tokens_for_us_and_for_others_share_no_serial(tmp_path: Path) -> None:
    """Even where chance repeats itself."""
    authority = make_authority(tmp_path)
    stuck = TimeStampAuthority(
        authority.custodian, authority.tsa_key, authority.tsa, (authority.issuing,), time=Source(authority),
        register=authority.time_stamps, random=lambda size: b"\x07" * size,
    )  # fmt: skip
    stuck.stamp(bytes(32), "intent:1")
    assert failing(authority, stuck)[0].status == "granted"
    assert len(authority.time_stamps.announced) == 2


# What independent implementations ask, and say of what they get.


def openssl(place: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [need("openssl"), "ts", *args], cwd=place, capture_output=True, text=True, check=False
    )


def pem(path: Path, certificate: bytes) -> str:
    loaded = x509.load_der_x509_certificate(certificate)
    path.write_bytes(loaded.public_bytes(serialization.Encoding.PEM))
    return str(path)


@pytest.fixture
def place(authority: TestAuthority, tmp_path: Path) -> Path:
    for name in ("root", "issuing", "tsa"):
        pem(tmp_path / f"{name}.pem", getattr(authority, name))
    (tmp_path / "data").write_bytes(DATA)
    return tmp_path


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("certificates", [True, False])
def test_openssl_asks_reads_and_verifies(
    authority: TestAuthority, place: Path, digest: str, certificates: bool
) -> None:
    cert = ["-cert"] if certificates else []
    asked = openssl(
        place, "-query", "-data", "data", f"-{digest}", *cert, "-out", "q", "-tspolicy", POLICY_TSA
    )
    assert asked.returncode == 0, asked.stderr
    body = (place / "q").read_bytes()
    (place / "r").write_bytes(answer(body, authority.stamper.grant, on_failure=never))
    shown = openssl(place, "-reply", "-in", "r", "-text").stdout
    assert "Status: Granted." in shown
    assert f"Hash Algorithm: {digest}" in shown
    assert f"Policy OID: {POLICY_TSA}" in shown
    assert "Ordering: no" in shown
    at = ["-attime", str(int(authority.now.timestamp()))]
    anchors = ["-CAfile", "root.pem"]
    chain = ["-untrusted", "issuing.pem"]
    if not certificates:  # the signer's own must then come from elsewhere
        (place / "chain.pem").write_bytes(
            (place / "tsa.pem").read_bytes() + (place / "issuing.pem").read_bytes()
        )
        chain = ["-untrusted", "chain.pem"]
    for against in (["-queryfile", "q"], ["-data", "data"]):
        done = openssl(place, "-verify", "-in", "r", *against, *anchors, *chain, *at)
        assert "Verification: OK" in done.stdout, done.stderr
    (place / "data").write_bytes(b"another document")
    assert openssl(place, "-verify", "-in", "r", "-data", "data", *anchors, *chain, *at).returncode != 0


def test_openssl_refuses_another_request_s_answer(authority: TestAuthority, place: Path) -> None:
    for name in ("q1", "q2"):
        openssl(place, "-query", "-data", "data", "-sha256", "-cert", "-out", name)
    body = (place / "q1").read_bytes()
    (place / "r").write_bytes(answer(body, authority.stamper.grant, on_failure=never))
    at = ["-attime", str(int(authority.now.timestamp()))]
    done = openssl(
        place,
        "-verify",
        "-in",
        "r",
        "-queryfile",
        "q2",
        "-CAfile",
        "root.pem",
        "-untrusted",
        "issuing.pem",
        *at,
    )
    assert done.returncode != 0
    assert "nonce" in done.stderr


WORDS = {
    FailInfo.BAD_ALG: "unrecognized or unsupported algorithm identifier",
    FailInfo.BAD_REQUEST: "transaction not permitted or supported",
    FailInfo.BAD_DATA_FORMAT: "the data submitted has the wrong format",
    FailInfo.UNACCEPTED_POLICY: "the requested TSA policy is not supported by the TSA",
    FailInfo.UNACCEPTED_EXTENSION: "the requested extension is not supported by the TSA",
}


@pytest.mark.parametrize("wrong", ["md5", "version 2", "short digest", "another policy", "extension"])
def test_openssl_reads_each_rejection(authority: TestAuthority, place: Path, wrong: str) -> None:
    body, expected = NAMED[wrong]
    (place / "r").write_bytes(answer(body, authority.stamper.grant, on_failure=never))
    shown = openssl(place, "-reply", "-in", "r", "-text").stdout
    assert "Status: Rejected." in shown
    assert f"Failure info: {WORDS[expected]}" in shown
    assert "TST info:\nNot included." in shown


def verifier(authority: TestAuthority) -> VerifierBuilder:
    return (
        VerifierBuilder()
        .add_root_certificate(x509.load_der_x509_certificate(authority.root))
        .add_intermediate_certificate(x509.load_der_x509_certificate(authority.issuing))
        .tsa_certificate(x509.load_der_x509_certificate(authority.tsa))
        .policy_id(x509.ObjectIdentifier(POLICY_TSA))
    )


@pytest.mark.parametrize("algorithm", list(HashAlgorithm))
def test_rfc3161_client_asks_and_verifies(authority: TestAuthority, algorithm: HashAlgorithm) -> None:
    builder = TimestampRequestBuilder().data(DATA).hash_algorithm(algorithm)
    for certificates in (True, False):
        asked = builder.cert_request(cert_request=certificates).build()
        said = decode_timestamp_response(answer(asked.as_bytes(), authority.stamper.grant, on_failure=never))
        assert asked.nonce is not None
        by = verifier(authority).nonce(asked.nonce).build()
        assert by.verify_message(said, DATA)
        name = algorithm.name.lower()
        assert said.tst_info.message_imprint.message == new_hash(name, DATA).digest()
        with pytest.raises(VerificationError):
            by.verify_message(said, b"another document")
        with pytest.raises(VerificationError):
            verifier(authority).nonce(asked.nonce + 1).build().verify_message(said, DATA)


def test_rfc3161_client_reads_a_rejection(authority: TestAuthority) -> None:
    said = decode_timestamp_response(
        answer(request(stamped=imprint("sha1", 20)), authority.stamper.grant, on_failure=never)
    )
    assert said.status == 2
    assert said.status_string == ["digests are of SHA-256, SHA-384 or SHA-512"]


def test_pyhanko_validates_a_token(authority: TestAuthority) -> None:
    said = ask(authority, request(TRUE))
    context = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(authority.root)],
        moment=authority.now.astimezone(UTC),
        allow_fetching=False,
    )
    signed = cms.ContentInfo.load(said.token)["content"]
    status = asyncio.run(validate_tst_signed_data(signed, context, lambda _hash: bytes(range(32))))
    assert status["intact"]
    assert status["valid"]
    assert status["timestamp"] == authority.now
    assert status["trust_problem_indic"] is None
    changed = asyncio.run(validate_tst_signed_data(signed, context, lambda _hash: bytes(32)))
    assert not changed["intact"]


def test_openssl_reads_our_authority_s_certificate_as_a_time_stamper(
    authority: TestAuthority, place: Path
) -> None:
    done = subprocess.run(
        [need("openssl"), "verify", "-purpose", "timestampsign", "-CAfile", "root.pem", "-untrusted",
         "issuing.pem", "-attime", str(int(authority.now.timestamp())), "tsa.pem"],
        cwd=place, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = x509.load_der_x509_certificate(authority.tsa)
    usage = loaded.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert usage.critical
    assert list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]


def test_a_parsed_request_holds_its_own_bytes() -> None:
    found = parse_request(request(oid(POLICY_TSA), integer(5), TRUE))
    assert (found.imprint, found.policy, found.nonce) == (imprint(), oid(POLICY_TSA), integer(5))
    assert found.certificates
