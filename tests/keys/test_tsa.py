"""Time-stamps: OpenSSL verifies ours, and we refuse whatever is not exactly one."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from keys.certificates import Subject
from keys.custodian import Kind, Purpose, SignRequest
from keys.der import integer, tlv
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.ledger import MemoryTimeStamps
from keys.profiles import POLICY_TSA, ProfileName
from keys.suite import P256
from keys.time_source import GivenClock
from keys.time_stamp import token_shape, verify_token
from keys.tsa import TimeStampAuthority
from keys.tst_info import encode_policy, encode_tst_info, message_imprint, read_tst_info
from tests.authority import TestAuthority, counted_random, make_authority
from tests.tools import need

DIGEST = sha256(b"the signature of a seal").digest()


@pytest.fixture(scope="module")
def token(authority: TestAuthority) -> bytes:
    return authority.stamper.stamp(DIGEST, f"intent:{authority.random(16).hex()}")


def refusal(authority: TestAuthority, token: bytes, digest: bytes = DIGEST) -> VermilionError:
    with pytest.raises(VermilionError) as caught:
        verify_token(token, digest, trust=authority.trust())
    assert caught.value.kind is ErrorKind.INVALID
    return caught.value


def openssl(place: Path, authority: TestAuthority, *args: str) -> subprocess.CompletedProcess[str]:
    for name in ("root", "issuing"):
        certificate = x509.load_der_x509_certificate(getattr(authority, name))
        (place / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return subprocess.run(
        [need("openssl"), "ts", *args], cwd=place, capture_output=True, text=True, check=False
    )


def openssl_verifies(place: Path, authority: TestAuthority, token: bytes, digest: bytes) -> bool:
    (place / "token").write_bytes(token)
    done = openssl(
        place, authority, "-verify", "-attime", str(int(authority.now.timestamp())), "-digest", digest.hex(),
        "-in", "token", "-token_in", "-CAfile", "root.pem", "-untrusted", "issuing.pem",
    )  # fmt: skip
    return done.returncode == 0 and "Verification: OK" in done.stdout


def test_openssl_verifies_our_token_over_this_digest_alone(
    authority: TestAuthority, token: bytes, tmp_path: Path
) -> None:
    assert openssl_verifies(tmp_path, authority, token, DIGEST)
    assert not openssl_verifies(tmp_path, authority, token, sha256(b"another").digest())
    shown = openssl(tmp_path, authority, "-reply", "-token_in", "-token_out", "-in", "token", "-text").stdout
    assert "Hash Algorithm: sha256" in shown
    assert f"Policy OID: {POLICY_TSA}" in shown
    assert "Time stamp: Nov 20 02:30:00 2026 GMT" in shown
    assert re.search(r"Accuracy: 0x01 seconds", shown)


def test_we_verify_our_token(authority: TestAuthority, token: bytes) -> None:
    stamp = verify_token(token, DIGEST, trust=authority.trust())
    assert stamp.gen_time == authority.now
    assert stamp.policy == POLICY_TSA
    assert stamp.certificate == authority.tsa
    assert stamp.serial.bit_length() > 128
    assert refusal(authority, token, sha256(b"another").digest()).reason == "time_stamp"


def test_a_p384_authority_stamps_too(authority: TestAuthority, tmp_path: Path) -> None:
    key = authority.custodian.generate(Purpose.TSA, "p384-sha384")
    certificate = authority.certify(ProfileName.TSA, Subject("TEST TSA 2", "TEST Vermilion"), key)
    stamper = authority.authority_of(key, certificate)
    token = stamper.stamp(DIGEST, "intent:1")
    assert verify_token(token, DIGEST, trust=authority.trust()).certificate == certificate
    assert openssl_verifies(tmp_path, authority, token, DIGEST)


def test_the_time_has_whole_seconds_and_the_serial_never_repeats(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    authority.now += timedelta(microseconds=999_999)
    tokens = [authority.stamper.stamp(DIGEST, f"intent:{n}") for n in range(3)]
    stamps = [verify_token(token, DIGEST, trust=authority.trust()) for token in tokens]
    assert {stamp.gen_time for stamp in stamps} == {authority.now.replace(microsecond=0)}
    assert len({stamp.serial for stamp in stamps}) == 3
    for token in tokens:
        assert b"\x18\x0f20261120023000Z" in token


def test_a_clock_that_steps_back_stops_the_authority(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    authority.stamper.stamp(DIGEST, "intent:1")
    authority.now -= timedelta(seconds=1)
    with pytest.raises(VermilionError) as caught:
        authority.stamper.stamp(DIGEST, "intent:2")
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    assert (authority.tsa_key.id, "intent:2") not in authority.ledger.uses
    authority.now += timedelta(seconds=1)
    authority.stamper.stamp(DIGEST, "intent:2")


def test_one_record_is_stamped_once(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    authority.stamper.stamp(DIGEST, "intent:1")
    with pytest.raises(VermilionError) as caught:
        authority.stamper.stamp(DIGEST, "intent:1")
    assert caught.value.kind is ErrorKind.KEY_REFUSED


@pytest.mark.parametrize("size", [0, 20, 31, 33, 48])
def test_only_sha_256_is_stamped(authority: TestAuthority, size: int) -> None:
    with pytest.raises(VermilionError) as caught:
        authority.stamper.stamp(bytes(size), "intent:size")
    assert caught.value.kind is ErrorKind.INVALID


def test_a_token_of_a_stranger_is_refused(authority: TestAuthority, tmp_path: Path) -> None:
    stranger = make_authority(tmp_path)
    error = refusal(authority, stranger.stamper.stamp(DIGEST, "intent:1"))
    assert error.reason == "issuer_unknown", error.detail


def test_a_token_outside_its_certificate_s_time_is_refused(authority: TestAuthority) -> None:
    key = authority.custodian.generate(Purpose.TSA, "p256-sha256")
    certificate = authority.certify(ProfileName.TSA, Subject("TEST TSA", "T"), key, life=timedelta(days=1))
    late = TimeStampAuthority(
        authority.custodian, key, certificate, (authority.issuing,), register=MemoryTimeStamps(),
        time=GivenClock(lambda: authority.now + timedelta(days=2)), random=counted_random(),
    )  # fmt: skip
    assert refusal(authority, late.stamp(DIGEST, "intent:1")).reason == "chain"


def rebuilt(
    authority: TestAuthority,
    *,
    certificate: bytes | None = None,
    certificates: tuple[bytes, ...] | None = None,
    change: Callable[[Any], None] | None = None,
    info: dict[str, Any] | None = None,
    record: str = "intent:rebuilt",
) -> bytes:
    """A token signed by the real key, with a fault put in before or after signing."""
    leaf = authority.tsa if certificate is None else certificate
    content = {
        "version": "v1",
        "policy": POLICY_TSA,
        "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": DIGEST},
        "serial_number": 5,
        "gen_time": core.GeneralizedTime(authority.now),
        "accuracy": {"seconds": 1},
        **(info or {}),
    }
    inner = tsp.TSTInfo(content).dump()
    attributes = cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["tst_info"]},
            {"type": "message_digest", "values": [sha256(inner).digest()]},
            {"type": "signing_certificate_v2", "values": [{"certs": [{"cert_hash": sha256(leaf).digest()}]}]},
        ]
    )
    attributes = cms.CMSAttributes.load(attributes.dump(force=True))
    (signature,) = authority.custodian.sign(
        authority.tsa_key,
        [SignRequest(Kind.TIME_STAMP, attributes.dump(), record + authority.random(8).hex())],
    )
    shape = token_shape(
        P256, asn1_x509.Certificate.load(leaf), certificates or (authority.tsa, authority.issuing)
    )
    token = shape.token(inner, attributes.dump(), signature)
    if change is None:
        return token
    outer = cms.ContentInfo.load(token)
    change(outer["content"])
    return bytes(outer.dump(force=True))


def test_the_rebuilt_token_verifies_without_a_fault(authority: TestAuthority) -> None:
    assert verify_token(rebuilt(authority), DIGEST, trust=authority.trust()).serial == 5


def test_the_signer_is_the_certificate_that_the_attributes_name(authority: TestAuthority) -> None:
    """The key signs, but the token names another certificate of the same authority, or none that is in it."""
    assert refusal(authority, rebuilt(authority, certificate=authority.seal)).reason == "time_stamp"
    both = (authority.seal, authority.tsa, authority.issuing)
    assert refusal(authority, rebuilt(authority, certificate=authority.seal, certificates=both))
    assert refusal(authority, rebuilt(authority, certificates=(authority.issuing,))).reason == "time_stamp"


def test_beside_the_signer_stands_its_issuer_and_nobody_else(authority: TestAuthority) -> None:
    own, issuing, root = authority.tsa, authority.issuing, authority.root
    for certificates in ((own,), (own, root), (own, issuing, root), (own, issuing, authority.seal)):
        token = rebuilt(authority, certificates=certificates)
        assert refusal(authority, token).reason == "time_stamp"


def test_a_signer_on_a_curve_of_no_suite_is_refused_for_a_reason_that_has_words(
    authority: TestAuthority,
) -> None:
    key = ec.generate_private_key(ec.SECP256K1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a stranger")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(authority.now - timedelta(days=1))
        .not_valid_after(authority.now + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    token = rebuilt(authority, certificate=certificate, certificates=(certificate,))
    assert refusal(authority, token).reason == "chain"


def _unsigned(signed: Any) -> None:
    attribute = {"type": "content_type", "values": ["data"]}
    signed["signer_infos"][0]["unsigned_attrs"] = cms.CMSAttributes([attribute])


def _second_signer(signed: Any) -> None:
    signer = signed["signer_infos"][0].copy()
    signer["signature"] = b"\x30\x00"
    signed["signer_infos"].append(signer)


def _no_signer(signed: Any) -> None:
    signed["signer_infos"] = cms.SignerInfos([])


def _no_attributes(signed: Any) -> None:
    signed["signer_infos"][0]["signed_attrs"] = None


def _no_certificates(signed: Any) -> None:
    signed["certificates"] = None


def _another_digest(signed: Any) -> None:
    signed["signer_infos"][0]["digest_algorithm"] = {"algorithm": "sha512"}


def _another_version(signed: Any) -> None:
    signed["version"] = "v1"


def _another_content(signed: Any) -> None:
    signed["encap_content_info"]["content_type"] = "data"


def _another_signature(signed: Any) -> None:
    value = signed["signer_infos"][0]["signature"].native
    signed["signer_infos"][0]["signature"] = value[:-1] + bytes([value[-1] ^ 1])


@pytest.mark.parametrize(
    "change",
    [
        _unsigned, _second_signer, _no_signer, _no_attributes, _no_certificates, _another_digest,
        _another_version, _another_content, _another_signature,
    ],
)  # fmt: skip
def test_a_token_of_another_shape_is_refused(authority: TestAuthority, change: Callable[[Any], None]) -> None:
    assert refusal(authority, rebuilt(authority, change=change)).reason == "time_stamp"


def test_an_imprint_of_another_algorithm_is_refused(authority: TestAuthority) -> None:
    imprint = {"hash_algorithm": {"algorithm": "sha1"}, "hashed_message": DIGEST}
    assert refusal(authority, rebuilt(authority, info={"message_imprint": imprint})).reason == "time_stamp"


def test_a_trust_list_without_the_authority_s_issuer_refuses_its_tokens(
    authority: TestAuthority, token: bytes
) -> None:
    with pytest.raises(VermilionError) as caught:
        verify_token(token, DIGEST, trust=replace(authority.trust(), issuing=()))
    assert caught.value.reason == "issuer_unknown"


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), kind=st.sampled_from(["set", "insert", "remove"]))
def test_no_altered_token_verifies_or_raises_another_error(
    authority: TestAuthority, token: bytes, at: int, byte: int, kind: str
) -> None:
    data = bytearray(token)
    at %= len(data)
    data[at : at + (kind != "insert")] = b"" if kind == "remove" else bytes([byte])
    if bytes(data) != token:
        refusal(authority, bytes(data))


@given(data=st.binary(max_size=300))
def test_other_bytes_are_no_token(authority: TestAuthority, data: bytes) -> None:
    refusal(authority, data)


def test_what_follows_a_token_is_not_ignored(authority: TestAuthority, token: bytes) -> None:
    for data in (token + b"\x00", token + token, token * 20, token[:-1]):
        refusal(authority, data)


def test_what_the_signature_does_not_hold_in_place_has_one_form_all_the_same(
    authority: TestAuthority, token: bytes
) -> None:
    """Versions and algorithm parameters of CMS are not signed: a second form would be a second file."""
    version_of_signer = token.rindex(b"\x02\x01\x01\x30")
    changed = bytearray(token)
    changed[version_of_signer + 2] = 3
    assert "otherwise" in refusal(authority, bytes(changed)).detail

    def null_parameters(signed: Any) -> None:
        signed["digest_algorithms"] = [{"algorithm": "sha256"}]

    with_null = rebuilt(authority, change=null_parameters)
    assert bytes.fromhex("300d06096086480165030402010500") in with_null
    assert "otherwise" in refusal(authority, with_null).detail

    def twice(signed: Any) -> None:
        signed["digest_algorithms"].append(signed["digest_algorithms"][0].copy())

    assert refusal(authority, rebuilt(authority, change=twice)).reason == "time_stamp"


def test_many_at_once_say_one_time_and_a_refusal_costs_itself_alone(authority: TestAuthority) -> None:
    authority.stamper.stamp(DIGEST, "intent:used")
    digests = [sha256(bytes([number])).digest() for number in range(5)]
    records = ["intent:many-0", "intent:many-1", "intent:used", "intent:many-3", "intent:many-1"]
    outcomes = authority.stamper.stamp_many(list(zip(digests, records, strict=True)))
    reasons = [one.reason if isinstance(one, VermilionError) else "stamped" for one in outcomes]
    assert reasons == ["stamped", "stamped", "record_used", "stamped", "record_used"]
    for digest, one in zip(digests, outcomes, strict=True):
        if isinstance(one, bytes):
            assert verify_token(one, digest, trust=authority.trust()).gen_time == authority.now
    assert authority.stamper.stamp_many([]) == []


def test_what_a_token_says_is_read_in_its_one_form(authority: TestAuthority) -> None:
    now = authority.now.replace(microsecond=0)
    for nonce in (b"", integer(7)):
        info = encode_tst_info(encode_policy(POLICY_TSA), message_imprint(DIGEST), 1 << 130, now, nonce)
        said = read_tst_info(info)
        assert (said.serial, said.gen_time, said.digest(), said.nonce) == (1 << 130, now, DIGEST, nonce)
        assert said.policy == encode_policy(POLICY_TSA)
        for at in range(len(info)):
            altered = info[:at] + bytes([info[at] ^ 1]) + info[at + 1 :]
            with contextlib.suppress(ValueError):
                assert read_tst_info(altered) != said
        no_policy = encode_tst_info(integer(7), message_imprint(DIGEST), 5, now, nonce)
        two_nonces = encode_tst_info(
            encode_policy(POLICY_TSA), message_imprint(DIGEST), 5, now, integer(7) * 2
        )
        no_number = encode_tst_info(
            encode_policy(POLICY_TSA), message_imprint(DIGEST), 5, now, tlv(0x04, b"7")
        )
        for other in (b"", info[:-1], info + b"\0", no_policy, two_nonces, no_number):
            with pytest.raises(ValueError, match=r"."):
                read_tst_info(other)
