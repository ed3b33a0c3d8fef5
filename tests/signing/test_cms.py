"""There is one encoding of a seal's CMS, and nothing else is read."""

from __future__ import annotations

import asyncio
from functools import cache
from hashlib import sha256
from typing import Any

import pytest
from asn1crypto import cms as asn1_cms
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from asn1crypto.algos import SignedDigestAlgorithm
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.sign import signers
from pyhanko_certvalidator.registry import SimpleCertificateStore

from keys.der import tlv
from keys.errors import VermilionError
from keys.suite import P256, SUITES, Suite, SuiteName, verifies
from signing import cms
from tests.signing.alter import gap_of
from tests.signing.sealing import make_office, office, seal_of, sealed


def contents() -> bytes:
    start, end = gap_of(sealed().data)
    return cms.leading_element(bytes.fromhex(sealed().data[start:end].decode()))


def rebuilt(**other: object) -> bytes:
    found = cms.parse_seal(contents())
    parts = {
        "certificate": found.certificate, "issuers": found.issuers, "attributes": found.attributes,
        "signature": found.signature, "token": found.token, "suite": P256,
    }  # fmt: skip
    return cms.build_seal(**(parts | other))  # type: ignore[arg-type]


def refused(der: bytes) -> bool:
    try:
        cms.parse_seal(der)
    except VermilionError as error:
        assert error.reason == "structure"
        return True
    return False


@pytest.mark.parametrize("octet", [b"\x00", b"\xff", b"\x80"], ids=["zero", "minus one", "negative"])
def test_a_certificate_needs_a_positive_serial_number(octet: bytes) -> None:
    """The library only warns of another (RFC 5280, 4.1.2.2), on standard error, whoever sent it."""
    der = office().material.certificate
    serial = asn1_x509.Certificate.load(der)["tbs_certificate"]["serial_number"]
    assert cms.load_certificate(der).serial_number == serial.native
    other = octet * len(serial.contents)
    changed = der.replace(serial.dump(), tlv(0x02, other))
    assert changed != der
    with pytest.raises(VermilionError) as refusal:
        cms.load_certificate(changed)
    assert refusal.value.reason == "structure"


def test_a_certificate_of_the_first_version_is_read() -> None:
    theirs = asn1_x509.Certificate.load(office().material.certificate)
    body = [theirs["tbs_certificate"][name].dump() for name in (
        "serial_number", "signature", "issuer", "validity", "subject", "subject_public_key_info",
    )]  # fmt: skip
    der = tlv(0x30, tlv(0x30, *body), theirs["signature_algorithm"].dump(), theirs["signature_value"].dump())
    assert cms.load_certificate(der).serial_number == theirs.serial_number


def test_an_independent_decoder_reads_the_same() -> None:
    info = asn1_cms.ContentInfo.load(contents(), strict=True)
    signed = info["content"]
    (signer,) = signed["signer_infos"]
    assert signed["version"].native == "v1"
    assert {a["type"].native for a in signer["signed_attrs"]} == {
        "content_type", "message_digest", "signing_certificate_v2", "cms_algorithm_protection",
    }  # fmt: skip
    assert [a["type"].native for a in signer["unsigned_attrs"]] == ["signature_time_stamp_token"]
    assert len(signed["certificates"]) == 2
    assert signer["signed_attrs"].untag().dump() == cms.parse_seal(contents()).attributes


def test_attributes_are_a_der_set_whatever_the_digest() -> None:
    for digest in (bytes(32), b"\xff" * 32):
        der = cms.signed_attributes(digest, office().material.certificate, P256)
        assert asn1_cms.CMSAttributes.load(der, strict=True).dump() == der


def test_rebuilding_gives_the_same_bytes() -> None:
    assert rebuilt() == contents()
    assert not refused(rebuilt(token=None))


def test_the_greater_s_is_refused_though_it_verifies() -> None:
    r, s = decode_dss_signature(cms.parse_seal(contents()).signature)
    assert refused(rebuilt(signature=encode_dss_signature(r, P256.curve.group_order - s)))


@pytest.mark.parametrize(
    "value", [b"", b"\x30\x00", b"\x30\x06\x02\x01\x00\x02\x01\x00", b"\x30\x06\x02\x01\xff\x02\x01\x01"]
)
def test_what_is_no_signature_is_refused(value: bytes) -> None:
    assert refused(rebuilt(signature=value))


def test_a_padded_signature_number_is_refused() -> None:
    r, s = decode_dss_signature(cms.parse_seal(contents()).signature)
    padded = tlv(0x30, tlv(2, b"\0\0" + r.to_bytes(32, "big")), tlv(2, b"\0" + s.to_bytes(32, "big")))
    assert refused(rebuilt(signature=padded))


def test_attributes_in_another_order_or_number_are_refused() -> None:
    found = cms.parse_seal(contents())
    parts = cms.children(found.attributes, 0x31, range(4, 5))
    assert refused(rebuilt(attributes=tlv(0x31, *reversed(parts))))
    assert refused(rebuilt(attributes=tlv(0x31, *parts[:3])))
    assert refused(rebuilt(attributes=tlv(0x31, *parts, parts[0])))


def test_a_certificate_given_twice_or_belonging_to_nobody_is_refused() -> None:
    found = cms.parse_seal(contents())
    assert refused(rebuilt(issuers=(*found.issuers, found.certificate)))
    assert refused(rebuilt(issuers=(*found.issuers, b"\x30\x00")))
    assert refused(contents().replace(found.certificate, found.issuers[0]))


def test_a_second_signer_crls_or_a_second_unsigned_attribute_are_refused() -> None:
    found = cms.parse_seal(contents())
    body = cms.children(cms.content(cms.children(contents(), 0x30, range(2, 3))[1], 0xA0), 0x30, range(5, 6))
    (signer,) = cms.children(body[4], 0x31, range(1, 2))
    unsigned = cms.children(signer, 0x30, range(7, 8))[6]
    (stamp,) = cms.children(unsigned, 0xA1, range(1, 2))

    def wrapped(*parts: bytes) -> bytes:
        return tlv(0x30, cms.children(contents(), 0x30, range(2, 3))[0], tlv(0xA0, tlv(0x30, *parts)))

    assert found.token is not None
    assert wrapped(*body) == contents()
    assert refused(wrapped(*body[:4], tlv(0x31, signer, signer)))
    assert refused(wrapped(*body[:4], tlv(0xA1), body[4]))
    for extra in (tlv(0xA1, stamp, stamp), tlv(0xA1), unsigned + unsigned):
        other = tlv(0x30, *cms.children(signer, 0x30, range(7, 8))[:6], extra)
        assert refused(wrapped(*body[:4], tlv(0x31, other)))


def test_lengths_that_are_not_minimal_or_not_definite_are_refused() -> None:
    der = contents()
    assert der[:2] == b"\x30\x82"
    assert refused(b"\x30\x83\x00" + der[2:])
    assert refused(b"\x30\x80" + der[4:] + b"\0\0")


def test_a_token_has_one_form() -> None:
    """What anybody could change in a token without its signature noticing is brought back, or refused."""
    token = cms.parse_seal(contents()).token
    assert token is not None
    assert cms.canonical_token(token, office().trust.issuing) == token
    kind, wrapped = cms.children(token, 0x30, range(2, 3))
    body = cms.children(cms.content(wrapped, 0xA0), 0x30, range(5, 6))
    (signer,) = cms.children(body[4], 0x31, range(1, 2))
    fields = cms.children(signer, 0x30, range(6, 7))

    def variant(part: int, new: bytes, field: int | None = None) -> bytes:
        changed = list(body)
        if field is None:
            changed[part] = new
        else:
            changed[part] = tlv(0x31, tlv(0x30, *fields[:field], new, *fields[field + 1 :]))
        return tlv(0x30, kind, tlv(0xA0, tlv(0x30, *changed)))

    r, s = decode_dss_signature(cms.content(fields[5], 4))
    greater = tlv(4, encode_dss_signature(r, P256.curve.group_order - s))
    listed = cms.children(body[3], 0xA0, range(2, 3))
    (own,) = (c for c in listed if c not in office().trust.issuing)
    reordered = tlv(0xA0, *reversed(listed))
    with_null = tlv(0x30, cms.children(fields[2], 0x30, range(1, 2))[0], b"\x05\x00")
    for same in (
        variant(4, greater, 5), variant(3, reordered), variant(4, with_null, 2), variant(1, tlv(0x31, with_null)),
        variant(3, tlv(0xA0, own)), variant(3, tlv(0xA0, *listed, office().root)),
    ):  # fmt: skip
        assert same != token
        assert cms.canonical_token(same, office().trust.issuing) == token
    seal_certificate = cms.parse_seal(contents()).certificate
    for other in (
        variant(0, b"\x02\x01\x01"),
        variant(1, tlv(0x31, fields[2], fields[2])),
        variant(3, tlv(0xA0, seal_certificate)),
        variant(4, tlv(0x31, signer, signer)),
        variant(4, b"\x02\x01\x03", 0),
        variant(4, fields[2], 4),
        variant(4, fields[5] + tlv(0xA1), 5),
    ):
        with pytest.raises(VermilionError):
            cms.canonical_token(other, office().trust.issuing)


def test_a_token_s_issuer_is_known_by_name_and_key() -> None:
    token = cms.parse_seal(contents()).token
    assert token is not None
    (issuing,) = office().trust.issuing
    namesake = make_office().authority.issuing
    assert cms.canonical_token(token, (namesake, issuing)) == token
    assert set(cms.token_certificates(token)) == {office().authority.tsa, issuing}
    for others in ((), (namesake,), (office().root, office().authority.seal)):
        with pytest.raises(VermilionError) as refused:
            cms.canonical_token(token, others)
        assert refused.value.reason == "issuer_unknown"


@given(st.binary(max_size=200))
def test_garbage_is_refused_by_every_reader(data: bytes) -> None:
    for read in (
        cms.parse_seal,
        lambda t: cms.canonical_token(t, ()),
        cms.token_certificates,
        cms.leading_element,
        cms.load_certificate,
    ):
        try:
            read(data)
        except VermilionError:
            continue
        assert read is cms.leading_element


@given(st.data())
def test_damaged_signatures_and_tokens_raise_nothing_but_the_typed_error(data: st.DataObject) -> None:
    whole = contents()
    at = data.draw(st.integers(0, len(whole) - 1))
    piece = data.draw(st.binary(max_size=8))
    damaged = whole[:at] + piece + whole[at + data.draw(st.integers(0, 8)) :]
    token = cms.parse_seal(whole).token
    assert token is not None
    begin = at % len(token)
    for read, value in (
        (cms.parse_seal, damaged),
        (
            lambda t: cms.canonical_token(t, office().trust.issuing),
            token[:begin] + piece + token[begin + len(piece) :],
        ),
        (lambda t: cms.token_time(t, bytes(32)), token[:begin] + piece + token[begin + len(piece) :]),
        (cms.load_certificate, office().material.certificate[:begin] + piece),
    ):
        try:
            read(value)
        except VermilionError:
            continue


def bare(digest_name: str) -> asn1_cms.DigestAlgorithm:
    """Without parameters (RFC 5754, 2), where asn1crypto fills in NULL."""
    name = asn1_cms.DigestAlgorithm({"algorithm": digest_name})["algorithm"]
    return asn1_cms.DigestAlgorithm.load(tlv(0x30, name.dump()))


def attribute_trees(digest: bytes, certificate: bytes, suite: Suite) -> asn1_cms.CMSAttributes:
    """The signed attributes as asn1crypto makes them, in the order of a DER set (X.690, 11.6)."""
    protection = asn1_cms.CMSAlgorithmProtection(
        {
            "digest_algorithm": bare(suite.digest_name),
            "signature_algorithm": SignedDigestAlgorithm({"algorithm": suite.signature_name}),
        }
    )
    reference = {
        "certs": [{"cert_hash": sha256(certificate).digest()}]
    }  # SHA-256 is the default, and left out
    made = [
        asn1_cms.CMSAttribute({"type": name, "values": [value]})
        for name, value in (
            ("content_type", "data"), ("message_digest", digest),
            ("signing_certificate_v2", tsp.SigningCertificateV2(reference)),
            ("cms_algorithm_protection", protection),
        )
    ]  # fmt: skip
    return asn1_cms.CMSAttributes(sorted(made, key=lambda one: bytes(one.dump())))


@cache
def of_suite(name: SuiteName) -> cms.SealSignature:
    return seal_of(make_office(name).seal().data)


@pytest.mark.parametrize("name", SUITES)
def test_asn1crypto_builds_the_same_bytes(name: SuiteName) -> None:
    """Its trees, from the same values, with and without a token; nothing of them is taken from our bytes but
    certificates, digest, signature and token.
    """
    found = of_suite(name)
    assert found.suite is SUITES[name]
    certificate = asn1_x509.Certificate.load(found.certificate)
    attributes = attribute_trees(found.digest, found.certificate, found.suite)
    assert attributes.dump() == found.attributes
    assert verifies(
        cms.load_certificate(found.certificate).public_key(), found.suite, found.signature, attributes.dump()
    )
    for token in (found.token, None):
        signer = {
            "version": "v1",
            "sid": {
                "issuer_and_serial_number": {
                    "issuer": certificate.issuer,
                    "serial_number": certificate.serial_number,
                }
            },
            "digest_algorithm": bare(found.suite.digest_name),
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": found.suite.signature_name},
            "signature": found.signature,
        }
        if token is not None:
            value = asn1_cms.ContentInfo.load(token)
            signer["unsigned_attrs"] = [{"type": "signature_time_stamp_token", "values": [value]}]
        bag = sorted((found.certificate, *found.issuers))
        built = asn1_cms.ContentInfo(
            {
                "content_type": "signed_data",
                "content": {
                    "version": "v1",
                    "digest_algorithms": [bare(found.suite.digest_name)],
                    "encap_content_info": {"content_type": "data"},
                    "certificates": [asn1_x509.Certificate.load(one) for one in bag],
                    "signer_infos": [signer],
                },
            }
        )
        parts = found.certificate, found.issuers, found.attributes, found.signature, token, found.suite
        assert built.dump() == cms.build_seal(*parts)


class _Given(signers.Signer):
    """pyHanko's signer, with a signature that was made before."""

    def __init__(self, found: cms.SealSignature) -> None:
        registry: Any = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        registry.register_multiple([asn1_x509.Certificate.load(one) for one in found.issuers])
        super().__init__(
            signing_cert=asn1_x509.Certificate.load(found.certificate),
            cert_registry=registry,
            signature_mechanism=SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
            embed_roots=False,
        )
        self._signature = found.signature

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        self.asked = data
        return self._signature


def test_pyhanko_has_the_same_attributes_signed_and_makes_the_same_signature() -> None:
    """Compared as what they say: pyHanko orders a set as it comes, writes NULL parameters, and names in
    ESSCertIDv2 the issuer and serial number too, which RFC 5035 leaves open.
    """
    found = cms.parse_seal(contents())
    signer = _Given(found)
    made = asyncio.run(signer.async_sign(found.digest, "sha256", use_pades=True))
    (theirs,) = made["content"]["signer_infos"]
    ours = asn1_cms.ContentInfo.load(rebuilt(token=None))["content"]["signer_infos"][0]

    def said(attributes: asn1_cms.CMSAttributes) -> dict[str, Any]:
        return {one["type"].native: one["values"][0].native for one in attributes}

    expected, known = said(asn1_cms.CMSAttributes.load(signer.asked)), said(ours["signed_attrs"])
    assert known.keys() == expected.keys() | {"cms_algorithm_protection"}  # RFC 6211: our own choice
    for name in ("content_type", "message_digest"):
        assert known[name] == expected[name]
    hashes = [one["signing_certificate_v2"]["certs"][0]["cert_hash"] for one in (known, expected)]
    assert hashes == [sha256(found.certificate).digest()] * 2
    assert theirs["sid"].dump() == ours["sid"].dump()
    assert theirs["signature"].native == ours["signature"].native
    assert {one.dump() for one in made["content"]["certificates"]} == {found.certificate, *found.issuers}


def test_what_differs_from_pyhanko_is_these_things_alone() -> None:
    """Each of them changed in its tree, pyHanko's CMS is ours byte for byte (docs/architecture.md has why)."""
    found = cms.parse_seal(contents())
    made = asyncio.run(_Given(found).async_sign(found.digest, "sha256", use_pades=True))
    ours = asn1_cms.ContentInfo.load(rebuilt(token=None))
    body = made["content"]
    assert made.dump() != ours.dump()
    (signer,) = body["signer_infos"]
    for digest_algorithm in (body["digest_algorithms"][0], signer["digest_algorithm"]):
        assert digest_algorithm["parameters"].dump() == b"\x05\x00"  # 1: NULL parameters
    body["digest_algorithms"] = [bare("sha256")]
    signer["digest_algorithm"] = bare("sha256")
    kept = {one["type"].native: one for one in signer["signed_attrs"]}
    (reference,) = kept["signing_certificate_v2"]["values"][0]["certs"]
    assert reference["issuer_serial"].native is not None  # 2: issuer and serial number beside the hash
    del kept["signing_certificate_v2"]
    own = {one["type"].native: one for one in attribute_trees(found.digest, found.certificate, P256)}
    for name in ("signing_certificate_v2", "cms_algorithm_protection"):  # 3: no algorithm protection
        assert name not in kept
        kept[name] = own[name]
    in_order = sorted(kept.values(), key=lambda one: bytes(one.dump()))  # 4: sets in the order they came
    signer["signed_attrs"] = asn1_cms.CMSAttributes(in_order)
    body["certificates"] = sorted(body["certificates"], key=lambda one: bytes(one.dump()))
    body["signer_infos"] = [signer]
    made["content"] = body
    assert made.dump(force=True) == ours.dump()
