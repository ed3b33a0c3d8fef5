"""Certificates as OpenSSL and GnuTLS see them, and what our own path check refuses."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import core
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from keys import certificates
from keys.certificates import Issuer, Publication, Subject, new_serial
from keys.custodian import KeyRef, Kind, Purpose, SignRequest
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.path import issued_by, parse_certificate, require_root, verify_chain, verify_issuing
from keys.profiles import PROFILES, ProfileName
from keys.suite import SUITES
from tests.authority import AGENCY, AGENCY_NAME, SEAL_CODE, TestAuthority, issue_certificate, make_authority
from tests.keys.tbs_samples import der
from tests.tools import need

LEAVES = ("seal", "tsa", "qr")


def openssl_verify(place: Path, authority: TestAuthority, leaf: bytes, at: datetime, *more: str) -> bool:
    for name, data in (("root", authority.root), ("issuing", authority.issuing), ("leaf", leaf)):
        pem = x509.load_der_x509_certificate(data).public_bytes(serialization.Encoding.PEM)
        (place / f"{name}.pem").write_bytes(pem)
    done = subprocess.run(
        [need("openssl"), "verify", "-x509_strict", "-attime", str(int(at.timestamp())), *more,
         "-CAfile", "root.pem", "-untrusted", "issuing.pem", "leaf.pem"],
        cwd=place, capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0


def gnutls_said(place: Path, *chain: str) -> str:
    """What certtool says of a chain of these files to the root; it knows no other time than the present."""
    (place / "chain.pem").write_bytes(b"".join((place / f"{name}.pem").read_bytes() for name in chain))
    done = subprocess.run(
        [need("certtool"), "--verify", "--load-ca-certificate", "root.pem", "--infile", "chain.pem"],
        cwd=place, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


CA_PROFILES = {ProfileName.ROOT, ProfileName.ROOT_LINK, ProfileName.ISSUING}


@pytest.mark.parametrize("profile", [profile for profile in ProfileName if profile not in CA_PROFILES])
def test_openssl_and_gnutls_accept_a_certificate_of_every_profile(
    tmp_path: Path, profile: ProfileName
) -> None:
    """By the chain from the one who signs it: the issuing CA, or the root itself."""
    authority = make_authority(tmp_path, datetime.now(UTC))
    key = authority.custodian.generate(PROFILES[profile].purpose, "p256-sha256")
    by_root = PROFILES[profile].issuer is Purpose.ROOT_CA
    leaf = issue_certificate(
        authority.custodian,
        Issuer(authority.root_key, authority.root)
        if by_root
        else Issuer(authority.issuing_key, authority.issuing),
        profile,
        Subject("TEST leaf", "TEST Vermilion"),
        key,
        serial=new_serial(authority.random),
        at=authority.now,
    )
    assert openssl_verify(tmp_path, authority, leaf, authority.now)
    chain = ("leaf",) if by_root else ("leaf", "issuing")
    said = gnutls_said(tmp_path, *chain)
    assert "Verified. The certificate is trusted." in said, said


@pytest.mark.parametrize("suite", list(SUITES))
def test_openssl_and_gnutls_accept_every_chain(tmp_path: Path, suite: Any) -> None:
    authority = make_authority(
        tmp_path, datetime.now(UTC), root_suite=suite, issuing_suite=suite
    )  # certtool knows no other time
    for leaf in LEAVES:
        assert openssl_verify(tmp_path, authority, getattr(authority, leaf), authority.now)
        said = gnutls_said(tmp_path, "leaf", "issuing")
        assert "Verified. The certificate is trusted." in said, said
    assert openssl_verify(tmp_path, authority, authority.tsa, authority.now, "-purpose", "timestampsign")
    assert not openssl_verify(tmp_path, authority, authority.seal, authority.now, "-purpose", "timestampsign")


def test_a_seal_certificate_names_seal_and_agency_and_no_other_use(authority: TestAuthority) -> None:
    seal = x509.load_der_x509_certificate(authority.seal)
    assert [(a.oid, a.value) for a in seal.subject] == [
        (NameOID.COUNTRY_NAME, "CN"),
        (NameOID.ORGANIZATION_NAME, AGENCY + AGENCY_NAME),
        (NameOID.COMMON_NAME, SEAL_CODE),
    ]
    usage = seal.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert (usage.value.digital_signature, usage.value.content_commitment) == (True, True)
    assert not any((usage.value.key_cert_sign, usage.value.crl_sign, usage.value.key_encipherment))
    issuing = x509.load_der_x509_certificate(authority.issuing)
    assert seal.issuer.public_bytes() == issuing.subject.public_bytes()
    authority_id = seal.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    issuer_id = issuing.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert authority_id.key_identifier == issuer_id.digest
    expected = x509.SubjectKeyIdentifier.from_public_key(seal.public_key())
    assert seal.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value == expected
    for absent in (x509.BasicConstraints, x509.CRLDistributionPoints, x509.AuthorityInformationAccess):
        with pytest.raises(x509.ExtensionNotFound):
            seal.extensions.get_extension_for_class(absent)


def test_authorities_and_tsa_have_the_critical_extensions_they_must(authority: TestAuthority) -> None:
    for data, length in ((authority.root, None), (authority.issuing, 0)):
        certificate = x509.load_der_x509_certificate(data)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (
            True,
            True,
            length,
        )
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, True)
        assert not usage.value.digital_signature
    tsa = x509.load_der_x509_certificate(authority.tsa)
    use = tsa.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert use.critical  # RFC 3161, 2.3
    assert list(use.value) == [ExtendedKeyUsageOID.TIME_STAMPING]


def test_places_of_publication_stand_only_where_given(authority: TestAuthority, tmp_path: Path) -> None:
    key = authority.custodian.generate(Purpose.SEAL, "p256-sha256")
    urls = Publication("http://crl.example/1.crl", "http://ocsp.example", "http://ca.example/1.cer")
    leaf = issue_certificate(
        authority.custodian,
        Issuer(authority.issuing_key, authority.issuing, urls),
        ProfileName.SEAL,
        Subject(SEAL_CODE, AGENCY + AGENCY_NAME),
        key,
        serial=new_serial(authority.random),
        at=authority.now,
    )
    parsed = x509.load_der_x509_certificate(leaf)
    (point,) = parsed.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name is not None
    assert point.full_name[0].value == urls.crl
    access = parsed.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert [a.access_location.value for a in access] == [urls.ocsp, urls.ca_issuers]
    assert openssl_verify(tmp_path, authority, leaf, authority.now)
    verify_chain(leaf, trust=authority.trust(), at=authority.now)


def test_years_from_2050_are_generalized_time() -> None:
    """RFC 5280, 4.1.2.5."""
    assert (
        certificates._time(datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)).dump() == b"\x17\x0d491231235959Z"
    )
    assert certificates._time(datetime(2050, 1, 1, tzinfo=UTC)).dump() == b"\x18\x0f20500101000000Z"


@given(entropy=st.binary(min_size=16, max_size=16))
def test_serials_are_positive_with_128_random_bits(entropy: bytes) -> None:
    serial = new_serial(lambda size: entropy[:size])
    assert 0 < serial < 1 << 159
    assert serial.to_bytes(17, "big") == b"\x01" + entropy


def test_each_serial_is_signed_once(authority: TestAuthority) -> None:
    key = authority.custodian.generate(Purpose.SEAL, "p256-sha256")
    serial = new_serial(authority.random)
    for attempt in range(2):
        try:
            issue_certificate(
                authority.custodian, Issuer(authority.issuing_key, authority.issuing), ProfileName.SEAL,
                Subject(SEAL_CODE, AGENCY), key, serial=serial, at=authority.now + timedelta(days=attempt),
            )  # fmt: skip
        except VermilionError as error:
            assert (attempt, error.reason) == (1, "record_used")
            return
    pytest.fail("one serial number was signed twice")


def test_a_certificate_may_not_outlive_its_issuer(authority: TestAuthority) -> None:
    key = authority.custodian.generate(Purpose.SEAL, "p256-sha256")
    with pytest.raises(VermilionError) as caught:
        authority.certify(ProfileName.SEAL, Subject(SEAL_CODE, AGENCY), key, life=timedelta(days=4000))
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.CONFLICT, "outlives_issuer")


def test_a_certificate_without_a_life_of_its_own_ends_with_its_issuer_at_the_latest(
    authority: TestAuthority,
) -> None:
    _begin, end = certificates.certificate_validity(authority.issuing)
    key = authority.custodian.generate(Purpose.SEAL, "p256-sha256")
    late = authority.certify(ProfileName.SEAL, Subject(SEAL_CODE, AGENCY), key, at=end - timedelta(days=40))
    assert certificates.certificate_validity(late)[1] == end
    with pytest.raises(VermilionError) as caught:
        authority.certify(ProfileName.SEAL, Subject(SEAL_CODE, AGENCY), key, at=end + timedelta(days=1))
    assert caught.value.reason == "outlives_issuer"


def test_keys_get_only_the_certificates_of_their_purpose(authority: TestAuthority) -> None:
    def attempt(issuer: Issuer, profile: ProfileName, key: KeyRef) -> str:
        with pytest.raises(VermilionError) as caught:
            issue_certificate(
                authority.custodian, issuer, profile, Subject(SEAL_CODE, AGENCY), key,
                serial=new_serial(authority.random), at=authority.now,
            )  # fmt: skip
        return caught.value.reason

    by_root = Issuer(authority.root_key, authority.root)
    by_issuing = Issuer(authority.issuing_key, authority.issuing)
    assert attempt(by_issuing, ProfileName.TSA, authority.seal_key) == "profile"
    assert attempt(by_issuing, ProfileName.ISSUING, authority.issuing_key) == "profile"
    assert attempt(by_root, ProfileName.SEAL, authority.seal_key) == "profile"
    assert attempt(by_root, ProfileName.ROOT, authority.root_key) == "profile"
    assert attempt(Issuer(authority.root_key, None), ProfileName.ISSUING, authority.issuing_key) == "profile"
    another_s = replace(by_issuing, certificate=authority.root)
    assert attempt(another_s, ProfileName.SEAL, authority.seal_key) == "key_mismatch"


@pytest.mark.parametrize("name", ["", "局" * 65])
def test_names_that_rfc_5280_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(VermilionError) as caught:
        Subject(SEAL_CODE, name).to_name()
    assert caught.value.reason == "subject"


def test_our_path_check_accepts_what_openssl_accepts(authority: TestAuthority) -> None:
    trust = authority.trust()
    for profile in (ProfileName.SEAL, ProfileName.TSA, ProfileName.QR):
        verify_chain(getattr(authority, profile.value), trust=trust, at=authority.now, profile=profile)
        for other in (ProfileName.SEAL, ProfileName.TSA, ProfileName.QR, ProfileName.ISSUING):
            if other is not profile:
                with pytest.raises(VermilionError):
                    verify_chain(
                        getattr(authority, profile.value), trust=trust, at=authority.now, profile=other
                    )


@pytest.mark.parametrize("seconds", [-1, 0, 1])
@pytest.mark.parametrize("edge", ["not_before", "not_after"])
def test_validity_counts_to_the_second_as_openssl_counts_it(
    authority: TestAuthority, tmp_path: Path, edge: str, seconds: int
) -> None:
    key = authority.custodian.generate(Purpose.SEAL, "p256-sha256")
    leaf = authority.certify(ProfileName.SEAL, Subject(SEAL_CODE, AGENCY), key, life=timedelta(days=30))
    not_before, not_after = certificates.certificate_validity(leaf)
    at = (not_before if edge == "not_before" else not_after) + timedelta(seconds=seconds)
    try:
        verify_chain(leaf, trust=authority.trust(), at=at)
        ours = True
    except VermilionError:
        ours = False
    # RFC 5280, 4.1.2.5: both ends inclusive; OpenSSL 3.0 excludes the last second itself.
    if (edge, seconds) != ("not_after", 0):
        assert ours == openssl_verify(tmp_path, authority, leaf, at)
    assert ours == (not_before <= at <= not_after)


def forged(authority: TestAuthority, signer: KeyRef, **changes: Any) -> bytes:
    """The seal's certificate with members replaced, signed in earnest."""
    tbs = asn1_x509.Certificate.load(authority.seal)["tbs_certificate"].copy()
    tbs["serial_number"] = new_serial(authority.random)
    for name, value in changes.items():
        tbs[name] = value
    data = tbs.dump()
    request = SignRequest(Kind.CERTIFICATE, data, f"certificate:{new_serial(authority.random):x}")
    (signature,) = authority.custodian.sign(signer, [request])
    made = asn1_x509.Certificate(
        {
            "tbs_certificate": asn1_x509.TbsCertificate.load(data),
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "signature_value": core.OctetBitString(signature),
        }
    )
    return bytes(made.dump())


def extensions(authority: TestAuthority, name: str, critical: bool, value: object) -> list[Any]:
    """The seal's extensions with one replaced or added; bytes stand for a value that is not DER of its kind."""
    listed = asn1_x509.Certificate.load(authority.seal)["tbs_certificate"]["extensions"].copy()
    kept = [e for e in listed if e["extn_id"].native != name]
    if not isinstance(value, bytes):
        return [*kept, asn1_x509.Extension({"extn_id": name, "critical": critical, "extn_value": value})]
    parts = asn1_x509.ExtensionId(name).dump(), core.Boolean(critical).dump(), der(0x04, value)
    return [*kept, asn1_x509.Extension.load(der(0x30, *parts))]


def test_what_our_own_authority_never_issues_is_refused_even_when_it_signed_it(
    authority: TestAuthority,
) -> None:
    trust = authority.trust()
    verify_chain(forged(authority, authority.issuing_key), trust=trust, at=authority.now)
    wrong: dict[str, list[Any]] = {
        "a CA": extensions(authority, "basic_constraints", True, {"ca": True}),
        "usage not critical": extensions(
            authority, "key_usage", False, {"digital_signature", "non_repudiation"}
        ),
        "more usage": extensions(
            authority, "key_usage", True, {"digital_signature", "non_repudiation", "key_cert_sign"}
        ),
        "another use": extensions(authority, "extended_key_usage", True, ["time_stamping"]),
        "unknown and critical": extensions(authority, "1.2.156.3005.9.9", True, b"\x05\x00"),
        "none": [],
    }
    for what, listed in wrong.items():
        leaf = forged(authority, authority.issuing_key, extensions=listed)
        try:
            verify_chain(leaf, trust=trust, at=authority.now)
            pytest.fail(what)
        except VermilionError as error:
            assert error.reason == "chain", what


BAD_VALUES = {
    "not DER": b"\x03\x02\x00\xc0",
    "garbage": b"\xff\xff",
    "empty": b"",
    "another type": b"\x05\x00",
}


@pytest.mark.parametrize("value", BAD_VALUES)
def test_an_extension_that_cannot_be_read_is_neither_signed_nor_believed(
    authority: TestAuthority, value: str
) -> None:
    listed = extensions(authority, "key_usage", True, BAD_VALUES[value])
    with pytest.raises(VermilionError) as caught:
        forged(authority, authority.issuing_key, extensions=listed)
    assert caught.value.kind is ErrorKind.KEY_REFUSED
    # A list without a pinned root brings its own: anybody may have made and signed that.
    private = ec.generate_private_key(ec.SECP256R1())
    tbs = asn1_x509.Certificate.load(authority.issuing)["tbs_certificate"].copy()
    tbs["subject_public_key_info"] = asn1_keys.PublicKeyInfo.load(
        certificates.public_key_der(private.public_key())
    )
    tbs["issuer"] = tbs["subject"]
    algorithm = {"algorithm": "sha256_ecdsa"}
    tbs["signature"] = algorithm
    tbs["extensions"] = listed
    body = tbs.dump()
    signature = core.OctetBitString(private.sign(body, ec.ECDSA(hashes.SHA256()))).dump()
    root = der(0x30, body, asn1_x509.SignedDigestAlgorithm(algorithm).dump(), signature)
    with pytest.raises(VermilionError) as caught:
        require_root(root, authority.now)
    assert caught.value.kind is ErrorKind.INVALID


def test_a_leaf_of_another_issuer_is_refused(authority: TestAuthority, tmp_path: Path) -> None:
    stranger = make_authority(tmp_path)
    issuer = asn1_x509.Certificate.load(authority.issuing).subject
    trust = authority.trust()
    for leaf in (stranger.seal, forged(stranger, stranger.issuing_key, issuer=issuer)):
        with pytest.raises(VermilionError) as caught:
            verify_chain(leaf, trust=trust, at=authority.now)
        assert caught.value.reason == "issuer_unknown"
        with pytest.raises(VermilionError):
            issued_by(leaf, trust.issuing)
    with pytest.raises(VermilionError):
        verify_chain(authority.seal, trust=replace(trust, roots=(stranger.root,)), at=authority.now)
    with pytest.raises(VermilionError):
        verify_issuing(authority.issuing, stranger.root, authority.now)
    with pytest.raises(VermilionError):
        require_root(authority.issuing, authority.now)


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_altered_certificates_are_refused_with_the_one_typed_error(
    authority: TestAuthority, at: int, byte: int
) -> None:
    data = bytearray(authority.seal)
    at %= len(data)
    if data[at] == byte:
        return
    data[at] = byte
    for check in (
        lambda: verify_chain(bytes(data), trust=authority.trust(), at=authority.now),
        lambda: issued_by(bytes(data), (authority.issuing,)),
        lambda: require_root(bytes(data), authority.now),
    ):
        with pytest.raises(VermilionError):
            check()


@given(data=st.binary(max_size=200))
def test_other_bytes_are_no_certificate(authority: TestAuthority, data: bytes) -> None:
    with pytest.raises(VermilionError):
        require_root(data, authority.now)
    with pytest.raises(VermilionError):
        issued_by(data, (authority.issuing,))


def test_a_signature_has_one_encoding(authority: TestAuthority) -> None:
    """A bit string may say that its last bits do not count, where they are zero: DER all the same, and other
    bytes with a right signature.
    """
    while True:
        key = authority.custodian.generate(Purpose.SEAL, "p256-sha256")
        good = authority.certify(ProfileName.SEAL, Subject("x", "y"), key)
        if good[-1] % 2 == 0:
            break
    signature = asn1_x509.Certificate.load(good)["signature_value"].dump()
    at = len(good) - len(signature) + 2
    assert (good[at], good[at - 2]) == (0, 3)
    other = good[:at] + b"\x01" + good[at + 1 :]
    assert asn1_x509.Certificate.load(other, strict=True)["signature_value"].native == signature[3:]
    verify_chain(good, trust=authority.trust(), at=authority.now)
    for check in (
        lambda: parse_certificate(other),
        lambda: verify_chain(other, trust=authority.trust(), at=authority.now),
    ):
        with pytest.raises(VermilionError) as caught:
            check()
        assert caught.value.reason == "chain"
