"""Tokens of OpenSSL's authority: verified against a pinned CA, and refused for each thing that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from keys.der import integer, tlv
from keys.errors import Kind, VermilionError
from keys.outside_token import verify_outside_token
from keys.suite import RSA3072
from keys.time_stamp import TimeStamp, token_shape
from keys.tsp import FailInfo, encode_request, granted, parse_request, read_response, rejection
from keys.tst_info import StampAttributes, encode_attributes, encode_policy, encode_tst_info, message_imprint
from tests.authority import TestAuthority
from tests.keys.outside import OTHER_POLICY, POLICY, Outside, certificate, make_outside, stamping

DIGEST = sha256(b"an outside document").digest()
NONCE = 1 << 63


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Outside:
    return make_outside(tmp_path_factory.mktemp("outside") / "tsa")


@pytest.fixture(scope="module")
def token(outside: Outside) -> bytes:
    return ask(outside)


def ask(outside: Outside, policy: str | None = None, nonce: int = NONCE, digest: bytes = DIGEST) -> bytes:
    encoded = None if policy is None else encode_policy(policy)
    request = encode_request(message_imprint(digest), integer(nonce), encoded)
    return read_response(outside.answer(request))


def verify(outside: Outside, token: bytes, **changes: Any) -> TimeStamp:
    wanted = {
        "nonce": NONCE, "policy": None, "anchors": (outside.root.certificate,), "at": datetime.now(UTC),
        "tolerance": timedelta(minutes=5),
    }  # fmt: skip
    digest = changes.pop("digest", DIGEST)
    return verify_outside_token(token, digest, **(wanted | changes))


def refusal(outside: Outside, token: bytes, **changes: Any) -> str:
    with pytest.raises(VermilionError) as caught:
        verify(outside, token, **changes)
    assert caught.value.kind is Kind.INVALID
    return caught.value.reason


def test_a_token_of_openssl_s_verifies(outside: Outside, token: bytes) -> None:
    stamp = verify(outside, token)
    assert abs(stamp.gen_time - datetime.now(UTC)) < timedelta(minutes=2)
    assert (stamp.policy, stamp.certificate) == (POLICY, outside.signer.der)
    assert verify(outside, token, policy=POLICY) == stamp
    for pinned in (*outside.between, outside.signer):  # whatever the list pins: a CA below, or the signer
        assert verify(outside, token, anchors=[pinned.certificate]) == stamp


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"signer_digest": "sha512"},
        {"ess": "sha1"},
        {"ess": "sha384"},
        {"chain": "yes"},
        {"tsa_name": "no"},
    ],
    ids=str,
)
def test_what_rfc_3161_leaves_open_may_be_so(tmp_path: Path, kind: str, changes: dict[str, Any]) -> None:
    outside = make_outside(tmp_path / "tsa", kind=kind, **changes)
    assert verify(outside, ask(outside, OTHER_POLICY), policy=OTHER_POLICY).policy == OTHER_POLICY


def test_the_request_is_one_that_we_would_grant(authority: TestAuthority) -> None:
    request = encode_request(message_imprint(DIGEST), integer(NONCE), None)
    found = parse_request(request)
    assert (found.imprint, found.nonce, found.certificates) == (
        message_imprint(DIGEST), integer(NONCE), True,
    )  # fmt: skip
    ours = authority.stamper.grant(found)
    stamp = verify_outside_token(
        ours, DIGEST, nonce=NONCE, policy=None, at=authority.now, tolerance=timedelta(0),
        anchors=[x509.load_der_x509_certificate(authority.root)],
    )  # fmt: skip
    assert stamp.certificate == authority.tsa


def test_what_was_not_asked_for_is_refused(outside: Outside, token: bytes) -> None:
    now = datetime.now(UTC)
    other = make_outside(outside.place.parent / "other")
    for changes in (
        {"digest": sha256(b"x").digest()}, {"nonce": NONCE + 1}, {"nonce": 0}, {"policy": OTHER_POLICY},
        {"at": now - timedelta(minutes=6)}, {"at": now + timedelta(minutes=6)},
    ):  # fmt: skip
        assert refusal(outside, token, **changes) == "time_stamp"
    assert refusal(outside, token, anchors=[other.root.certificate]) == "chain"


SIGNERS: dict[str, Callable[[Outside], Any]] = {
    "expired": lambda o: stamping("T", o.between[0], begin=timedelta(days=-9), life=timedelta(days=8)),
    "not yet valid": lambda o: stamping("T", o.between[0], begin=timedelta(days=1)),
    "of another use": lambda o: stamping(
        "T", o.between[0], usages=[ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING]
    ),
    "unknown and critical": lambda o: stamping(
        "T",
        o.between[0],
        extra=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"), True)],
    ),
}


@pytest.mark.parametrize("name", SIGNERS)
def test_a_signer_that_is_no_authority_is_refused(tmp_path: Path, name: str) -> None:
    """OpenSSL's own side refuses some of these, so the right key signs and the certificate is exchanged."""
    outside = make_outside(tmp_path / "tsa")
    assert refusal(outside, exchanged(outside, SIGNERS[name](outside))) == "chain"


def exchanged(outside: Outside, signer: Any) -> bytes:
    """A token rightly signed by this certificate's key, by our own authority's builder."""
    now = datetime.now(UTC).replace(microsecond=0)
    info = encode_tst_info(encode_policy(POLICY), message_imprint(DIGEST), 5, now, integer(NONCE))
    attributes = encode_attributes(StampAttributes(sha256(info).digest(), sha256(signer.der).digest()))
    signature = signer.key.sign(attributes, padding.PKCS1v15(), hashes.SHA256())
    bag = [signer.der, *(i.der for i in outside.between)]
    return token_shape(RSA3072, asn1_x509.Certificate.load(signer.der), bag).token(
        info, attributes, signature
    )


def test_the_exchange_itself_is_no_fault(tmp_path: Path) -> None:
    outside = make_outside(tmp_path / "tsa")
    assert verify(outside, exchanged(outside, stamping("T", outside.between[0]))).serial == 5
    plain = stamping("T", outside.between[0], critical=False)
    assert refusal(outside, exchanged(outside, plain)) == "chain"
    none = certificate("T", outside.between[0])
    assert refusal(outside, exchanged(outside, none)) == "chain"


def test_a_path_through_what_is_no_ca_is_none(tmp_path: Path) -> None:
    root = certificate("R", None, ca=True)
    for middle in (
        certificate("M", root, ca=False, cert_sign=True),
        certificate("M", root, ca=True, cert_sign=False),
        stamping("M", root),
    ):
        outside = Outside(tmp_path, root, stamping("T", middle), [middle])
        assert refusal(outside, exchanged(outside, outside.signer)) == "chain"
    narrow = certificate("N", root, ca=True, path_length=0)
    below = certificate("B", narrow, ca=True)
    outside = Outside(tmp_path, root, stamping("T", below), [below, narrow])
    assert refusal(outside, exchanged(outside, outside.signer)) == "chain"
    wide = certificate("W", root, ca=True, path_length=1)
    below = certificate("B", wide, ca=True)
    outside = Outside(tmp_path, root, stamping("T", below), [below, wide])
    assert verify(outside, exchanged(outside, outside.signer)).serial == 5


def _second_signer(signed: Any) -> None:
    signed["signer_infos"].append(signed["signer_infos"][0].copy())


def _no_signer(signed: Any) -> None:
    signed["signer_infos"] = cms.SignerInfos([])


def _no_attributes(signed: Any) -> None:
    signed["signer_infos"][0]["signed_attrs"] = None


def _no_certificates(signed: Any) -> None:
    signed["certificates"] = None


def _another_content(signed: Any) -> None:
    signed["encap_content_info"]["content_type"] = "data"


def _another_digest(signed: Any) -> None:
    signed["signer_infos"][0]["digest_algorithm"] = {"algorithm": "sha512"}


def _sha1(signed: Any) -> None:
    signed["signer_infos"][0]["digest_algorithm"] = {"algorithm": "sha1"}


def _pss(signed: Any) -> None:
    signed["signer_infos"][0]["signature_algorithm"] = {"algorithm": "rsassa_pss"}


def _another_signature(signed: Any) -> None:
    value = signed["signer_infos"][0]["signature"].native
    signed["signer_infos"][0]["signature"] = value[:-1] + bytes([value[-1] ^ 1])


@pytest.mark.parametrize(
    "change",
    [
        _second_signer, _no_signer, _no_attributes, _no_certificates, _another_content, _another_digest, _sha1,
        _pss, _another_signature,
    ],
)  # fmt: skip
def test_a_token_of_another_shape_is_refused(
    outside: Outside, token: bytes, change: Callable[[Any], None]
) -> None:
    outer = cms.ContentInfo.load(token)
    change(outer["content"])
    assert refusal(outside, outer.dump(force=True)) == "time_stamp"


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), kind=st.sampled_from(["set", "insert", "remove"]))
def test_an_altered_token_raises_the_one_error_or_says_the_same(
    outside: Outside, token: bytes, at: int, byte: int, kind: str
) -> None:
    """What no signature holds in place, a version or an unused certificate, may differ here."""
    data = bytearray(token)
    at %= len(data)
    data[at : at + (kind != "insert")] = b"" if kind == "remove" else bytes([byte])
    try:
        stamp = verify(outside, bytes(data))
    except VermilionError as error:
        assert error.kind is Kind.INVALID
    else:
        assert stamp == verify(outside, token)


@given(data=st.binary(max_size=400))
def test_other_bytes_are_neither_response_nor_token(outside: Outside, data: bytes) -> None:
    assert refusal(outside, data) == "time_stamp"
    with pytest.raises(VermilionError) as caught:
        read_response(data)
    assert caught.value.kind in {Kind.MALFORMED, Kind.UNAVAILABLE}


def test_a_response_is_granted_or_none() -> None:
    token = tlv(0x30, b"\x05\x00")
    assert read_response(granted(token)) == token
    assert read_response(tlv(0x30, tlv(0x30, integer(1)), token)) == token
    for rejected in (rejection(FailInfo.BAD_ALG, "no"), tlv(0x30, tlv(0x30, integer(2)), token)):
        with pytest.raises(VermilionError) as caught:
            read_response(rejected)
        assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "rejected")
    for broken in (tlv(0x30, tlv(0x30, integer(0))), granted(token) + b"\x00", granted(token + b"\x00\x00")):
        with pytest.raises(VermilionError) as caught:
            read_response(broken)
        assert caught.value.kind is Kind.MALFORMED
