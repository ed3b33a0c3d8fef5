"""Seals of suite rsa3072-sha256: the same promises as those of ECDSA, whose lesser s they do not have."""

from __future__ import annotations

import io
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from keys.der import tlv
from keys.errors import VermilionError
from keys.suite import RSA3072, signature_algorithm
from signing import cms
from signing.document import SealedDocument
from signing.foreign_seal import foreign_seals
from signing.strict_check import strict_check
from tests.signing.sealing import LATER, NOW, Office, make_office, seal_of, with_contents
from tests.signing.test_foreign_seal import enclosed
from tests.signing.test_seal import contents, pem, run, signed_bytes
from tests.tools import need


@cache
def office() -> Office:
    return make_office("rsa3072-sha256")


@cache
def sealed() -> SealedDocument:
    return office().seal()


def test_the_strict_check_accepts_it_and_nothing_beside_it() -> None:
    data = sealed().data
    assert sealed().level == "B-T"
    evidence = strict_check(data, office().trust, at=LATER)
    assert evidence.seal_key is not None
    assert evidence.seal_key.suite == "rsa3072-sha256"
    found = seal_of(data)
    assert len(found.signature) == 384
    for signature in (found.signature[:-1] + bytes([found.signature[-1] ^ 1]), b"\0" + found.signature):
        parts = (found.certificate, found.issuers, found.attributes, signature, found.token, found.suite)
        with pytest.raises(VermilionError):
            strict_check(with_contents(data, cms.build_seal(*parts)), office().trust, at=LATER)


def test_the_algorithm_of_a_seal_has_one_spelling() -> None:
    der = contents(sealed().data)
    assert cms.parse_seal(der).suite is RSA3072
    for other in ("300d06092a864886f70d0101010500", "300a06082a8648ce3d040302"):
        renamed = der.replace(signature_algorithm(RSA3072) + b"\x04\x82", bytes.fromhex(other) + b"\x04\x82")
        assert renamed != der
        with pytest.raises(VermilionError):
            cms.parse_seal(renamed)


def test_sealing_again_makes_the_same_signature() -> None:
    first, second = (seal_of(office().seal().data).signature for _ in range(2))
    assert first == second


def test_openssl_and_pyhanko_verify_it(tmp_path: Path) -> None:
    (tmp_path / "signed").write_bytes(signed_bytes(sealed().data))
    (tmp_path / "seal.der").write_bytes(contents(sealed().data))
    moment = str(int(LATER.timestamp()))
    assert "Verification successful" in run(
        need("openssl"), "cms", "-verify", "-binary", "-inform", "DER", "-in", str(tmp_path / "seal.der"),
        "-content", str(tmp_path / "signed"), "-CAfile", pem(tmp_path / "root.pem", office().root),
        "-purpose", "any", "-attime", moment, "-out", str(tmp_path / "out"),
    )  # fmt: skip

    def context() -> ValidationContext:
        return ValidationContext(
            trust_roots=[asn1_x509.Certificate.load(office().root)], moment=LATER, allow_fetching=False
        )

    (embedded,) = PdfFileReader(io.BytesIO(sealed().data)).embedded_regular_signatures
    status = validate_pdf_signature(embedded, context(), context())
    assert status.bottom_line
    assert status.timestamp_validity is not None
    assert status.timestamp_validity.trusted


def test_a_token_of_rsa_has_one_form() -> None:
    token = cms.parse_seal(contents(sealed().data)).token
    assert token is not None
    issuers = office().trust.issuing
    assert cms.canonical_token(token, issuers) == token
    kind, wrapped = cms.children(token, 0x30, range(2, 3))
    body = cms.children(cms.content(wrapped, 0xA0), 0x30, range(5, 6))
    (signer,) = cms.children(body[4], 0x31, range(1, 2))
    fields = cms.children(signer, 0x30, range(6, 7))

    def named(algorithm: str) -> bytes:
        other = tlv(0x31, tlv(0x30, *fields[:4], bytes.fromhex(algorithm), fields[5]))
        return tlv(0x30, kind, tlv(0xA0, tlv(0x30, *body[:4], other)))

    for same in (
        "300d06092a864886f70d0101010500",
        "300b06092a864886f70d010101",
        "300b06092a864886f70d01010b",
    ):
        assert cms.canonical_token(named(same), issuers) == token
    for wrong in (
        "300d06092a864886f70d01010a0500",
        "300d06092a864886f70d01010c0500",
        "300a06082a8648ce3d040302",
    ):
        with pytest.raises(VermilionError):
            cms.canonical_token(named(wrong), issuers)


@pytest.mark.parametrize("scheme", ["pkcs1", "pss"])
def test_a_thief_of_an_rsa_key_is_noticed_by_either_padding(scheme: str) -> None:
    here = office().authority
    private = here.custodian._unlock(here.seal_key)
    assert isinstance(private, rsa.RSAPrivateKey)
    pad: padding.AsymmetricPadding = padding.PKCS1v15()
    if scheme == "pss":
        pad = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)

    def write(content: bytes, right: bool = True) -> bytes:
        attributes = cms.signed_attributes(sha256(content).digest(), here.seal, RSA3072)
        signature = private.sign(attributes if right else content, pad, hashes.SHA256())
        return cms.build_seal(here.seal, (here.issuing,), attributes, signature, None, RSA3072)

    (found,) = foreign_seals(enclosed(write), office().trust)
    assert found.key_id == here.trusted("seal", here.seal).kid
    assert foreign_seals(enclosed(lambda content: write(content, right=False)), office().trust) == ()


def test_its_room_suffices(tmp_path: Path) -> None:
    """Of all suites RSA needs the most; what does not fit loses its time-stamp, which none of ours may."""
    assert len(contents(sealed().data)) < 7500
    assert sealed().sealed_at > NOW
