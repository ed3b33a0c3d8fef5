"""What a key signs, and what it never signs: each kind of bytes is parsed before a key sees it."""

from __future__ import annotations

import cbor2
import pytest
from asn1crypto import x509
from hypothesis import given
from hypothesis import strategies as st

from keys.custodian import Kind
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.suite import SUITES
from keys.tbs import check_tbs
from tests.authority import TestAuthority
from tests.keys import tbs_samples as samples

P256, P384 = SUITES["p256-sha256"], SUITES["p384-sha384"]
KINDS = list(Kind)


def refused(kind: Kind, data: bytes) -> None:
    with pytest.raises(VermilionError) as caught:
        check_tbs(kind, data, P256)
    assert caught.value.kind is ErrorKind.KEY_REFUSED


@pytest.mark.parametrize("kind", KINDS)
def test_the_right_bytes_pass_for_their_kind_and_suite_alone(kind: Kind, authority: TestAuthority) -> None:
    data = samples.sample(kind, authority.seal)
    check_tbs(kind, data, P256)
    as_well = {Kind.PAGE_ATTRIBUTES: Kind.SIGNED_ATTRIBUTES}.get(kind)  # one form, for keys of other purposes
    for other in KINDS:
        if other not in {kind, as_well}:
            refused(other, data)
    if kind in {Kind.OCSP_RESPONSE, Kind.SEAL_EDITION}:  # these name no algorithm
        return
    with pytest.raises(VermilionError):
        check_tbs(kind, data, P384)


@pytest.mark.parametrize("kind", KINDS)
def test_a_digest_is_never_signed(kind: Kind) -> None:
    for size in (20, 32, 48, 64):
        refused(kind, bytes(range(size)))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_may_follow_or_be_missing(kind: Kind, authority: TestAuthority) -> None:
    data = samples.sample(kind, authority.seal)
    for wrong in (b"", data[:-1], data + b"\x00", b"\x00" + data, data + data, data * 200):
        refused(kind, wrong)


@given(data=st.binary(max_size=300), kind=st.sampled_from(KINDS))
def test_any_bytes_are_refused_with_the_one_typed_error(data: bytes, kind: Kind) -> None:
    refused(kind, data)


@given(at=st.integers(0, 5000), byte=st.integers(0, 255), kind=st.sampled_from(KINDS), cut=st.booleans())
def test_no_other_error_escapes_from_altered_bytes(
    authority: TestAuthority, at: int, byte: int, kind: Kind, cut: bool
) -> None:
    data = bytearray(samples.sample(kind, authority.seal))
    at %= len(data)
    data[at : at + 1] = b"" if cut else bytes([byte])
    try:
        check_tbs(kind, bytes(data), P256)
    except VermilionError as error:
        assert error.kind is ErrorKind.KEY_REFUSED


WRONG_ATTRIBUTES = {
    "none": [],
    "no digest": [samples.content_type(), samples.signing_certificate()],
    "no certificate": [samples.content_type(), samples.message_digest()],
    "twice": [
        samples.content_type(), samples.message_digest(), samples.message_digest(), samples.signing_certificate(),
    ],
    "two values": [
        samples.content_type(),
        samples.attribute("message_digest", bytes(32), b"\x01" * 32),
        samples.signing_certificate(),
    ],
    "a signing time": [
        samples.content_type(),
        samples.message_digest(),
        samples.signing_certificate(),
        samples.signing_time(),
    ],
    "short digest": [samples.content_type(), samples.message_digest(20), samples.signing_certificate()],
    "another content": [samples.content_type("signed_data"), samples.message_digest(), samples.signing_certificate()],
    "other algorithms protected": [
        samples.content_type(),
        samples.message_digest(),
        samples.signing_certificate(),
        samples.protection("sha512", "sha512_ecdsa"),
    ],
    "no signature algorithm protected": [
        samples.content_type(),
        samples.message_digest(),
        samples.signing_certificate(),
        samples.attribute("cms_algorithm_protection", {"digest_algorithm": {"algorithm": "sha256"}}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_ATTRIBUTES)
def test_attributes_other_than_a_seal_s_are_refused(wrong: str) -> None:
    refused(Kind.SIGNED_ATTRIBUTES, samples.attributes(*WRONG_ATTRIBUTES[wrong]))


def test_algorithm_protection_is_optional() -> None:
    check_tbs(
        Kind.SIGNED_ATTRIBUTES,
        samples.attributes(samples.content_type(), samples.message_digest(), samples.signing_certificate()),
        P256,
    )


def test_a_set_in_another_order_is_not_der() -> None:
    data = samples.seal_attributes()
    assert samples.reordered(samples.reordered(data)) == data
    refused(Kind.SIGNED_ATTRIBUTES, samples.reordered(data))


def test_an_explicit_default_is_not_der() -> None:
    """SHA-256 is ESSCertIDv2's default (RFC 5035): naming it is another encoding of the same."""
    essid = samples.der(0x04, samples.CERTIFICATE_HASH)
    algorithm = samples.der(0x30, bytes.fromhex("0609608648016503040201"))
    implied, named = (
        samples.der(0x31, *sorted((
            samples.attributes(samples.content_type())[2:],
            samples.attributes(samples.message_digest())[2:],
            samples.der(
                0x30,
                bytes.fromhex("060b2a864886f70d010910022f"),
                samples.der(0x31, samples.der(0x30, samples.der(0x30, samples.der(0x30, *certificate)))),
            ),
        )))
        for certificate in ([essid], [algorithm, essid])
    )  # fmt: skip
    check_tbs(Kind.SIGNED_ATTRIBUTES, implied, P256)
    refused(Kind.SIGNED_ATTRIBUTES, named)


@pytest.mark.parametrize("serial", [0, -5, 1 << 159, 1 << 200])
def test_serial_numbers_are_positive_and_of_20_octets(authority: TestAuthority, serial: int) -> None:
    refused(Kind.CERTIFICATE, samples.tbs_certificate(authority.seal, serial_number=serial))
    check_tbs(Kind.CERTIFICATE, samples.tbs_certificate(authority.seal, serial_number=(1 << 159) - 1), P256)


def test_a_certificate_names_the_key_s_own_algorithm(authority: TestAuthority) -> None:
    other = {"algorithm": "sha384_ecdsa"}
    refused(Kind.CERTIFICATE, samples.tbs_certificate(authority.seal, signature=other))
    refused(Kind.CERTIFICATE, samples.tbs_certificate(authority.seal, version="v1"))


def test_a_whole_certificate_is_no_tbs_certificate(authority: TestAuthority) -> None:
    refused(Kind.CERTIFICATE, x509.Certificate.load(authority.seal).dump())


WRONG_STRUCTURES = {
    "another application": samples.sig_structure(aad=b"elic2|localhost|AAAAAAAAAAAAAAAAAAAAAA"),
    "another algorithm": samples.sig_structure({1: -35, 4: bytes(8)}),
    "no kid": samples.sig_structure({1: -7}),
    "a third header": samples.sig_structure({1: -7, 4: bytes(8), 5: b""}),
    "a float for an integer": samples.sig_structure({1.0: -7, 4: bytes(8)}),
    "text claims": samples.sig_structure(claims={"1": 1}),
    "claims of tags": samples.sig_structure(claims={1: cbor2.CBORTag(1000, 1)}),
    "claims with floats": samples.sig_structure(claims={1: 1.5}),
    "no claims": samples.sig_structure(claims=[1]),
    "another context": cbor2.dumps(["Signature", b"\xa0", b"", b"elic1|", b"\xa0"], canonical=True),
    "indefinite": b"\x9f" + samples.sig_structure()[1:] + b"\xff",
    "long head": b"\x98\x04" + samples.sig_structure()[1:],
}


@pytest.mark.parametrize("wrong", WRONG_STRUCTURES)
def test_sig_structures_of_another_shape_are_refused(wrong: str) -> None:
    refused(Kind.SIG_STRUCTURE, WRONG_STRUCTURES[wrong])


WRONG_LISTS = {
    "typ": samples.trust_list(typ="JWT"),
    "alg": samples.trust_list(alg="none"),
    "no sequence": samples.trust_list(payload={"iat": 1}),
    "an array": samples.trust_list(payload=[1]),
    "padding": samples.trust_list() + b"=",
    "three parts": samples.trust_list() + b".AAAA",
}


@pytest.mark.parametrize("wrong", WRONG_LISTS)
def test_other_signing_inputs_are_refused(wrong: str) -> None:
    refused(Kind.TRUST_LIST, WRONG_LISTS[wrong])
