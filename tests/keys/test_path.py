"""Each profile's certificates are its own: no other one's pass for them, nor do any with more or less in them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from asn1crypto import core
from asn1crypto import x509 as asn1_x509

from keys.certificates import Issuer, Publication, Subject, certificate_validity, new_serial
from keys.errors import VermilionError
from keys.path import verify_chain, verify_delegate, verify_issued
from keys.profiles import POLICY_QR, POLICY_SEAL, PROFILES, ProfileName
from tests.authority import TestAuthority, issue_certificate
from tests.keys.test_certificates import extensions, forged

BY_ISSUING = [ProfileName.SEAL, ProfileName.TSA, ProfileName.QR, ProfileName.OCSP, ProfileName.LOG, ProfileName.SEAL_MAKER, ProfileName.STATUS_LIST, ProfileName.RECEIPT]  # fmt: skip
PUBLICATION = Publication("http://crl.example/1.crl", "http://ocsp.example", "http://ca.example/1.cer")


@pytest.fixture(scope="session")
def certificates(authority: TestAuthority) -> dict[ProfileName, bytes]:
    """One of each profile that the issuing CA signs."""
    by = Issuer(authority.issuing_key, authority.issuing, PUBLICATION)
    made = {}
    for profile in BY_ISSUING:
        key = authority.custodian.generate(PROFILES[profile].purpose, "p256-sha256")
        made[profile] = issue_certificate(
            authority.custodian, by, profile, Subject("TEST", "TEST"), key,
            serial=new_serial(authority.random), at=authority.now,
        )  # fmt: skip
    return made


def without(certificate: bytes, name: str) -> list[Any]:
    """Its extensions but one."""
    listed = asn1_x509.Certificate.load(certificate)["tbs_certificate"]["extensions"]
    return [e for e in listed if e["extn_id"].native != name]


@pytest.mark.parametrize("profile", BY_ISSUING)
def test_a_certificate_passes_for_its_own_profile_and_for_no_other(
    authority: TestAuthority, certificates: dict[ProfileName, bytes], profile: ProfileName
) -> None:
    certificate = certificates[profile]
    for other in ProfileName:
        if other is profile:
            verify_issued(certificate, [authority.issuing], at=authority.now, profile=other)
            verify_chain(certificate, trust=authority.trust(), at=authority.now, profile=other)
            continue
        with pytest.raises(VermilionError) as caught:
            verify_issued(certificate, [authority.issuing], at=authority.now, profile=other)
        assert caught.value.reason == "chain", other
        with pytest.raises(VermilionError) as caught:
            verify_chain(certificate, trust=authority.trust(), at=authority.now, profile=other)
        assert caught.value.reason == "chain", other


def test_a_profile_s_extensions_stand_as_they_are_written(authority: TestAuthority) -> None:
    """Of a seal's: its policy alone and plain, and a status that relying parties ask for."""
    plain = {"policy_identifier": POLICY_SEAL}
    qualified = plain | {
        "policy_qualifiers": [
            {
                "policy_qualifier_id": "certification_practice_statement",
                "qualifier": core.IA5String("http://cps.example/"),
            }
        ]
    }
    cases: dict[str, tuple[bool, list[Any]]] = {
        "as it is": (True, extensions(authority, "certificate_policies", False, [plain])),
        "a QR key's policy": (
            False, extensions(authority, "certificate_policies", False, [{"policy_identifier": POLICY_QR}])
        ),
        "any policy": (
            False, extensions(authority, "certificate_policies", False, [{"policy_identifier": "any_policy"}])
        ),
        "two policies": (
            False,
            extensions(authority, "certificate_policies", False, [plain, {"policy_identifier": POLICY_QR}]),
        ),
        "a policy that is explained": (False, extensions(authority, "certificate_policies", False, [qualified])),
        "a critical policy": (False, extensions(authority, "certificate_policies", True, [plain])),
        "no policy": (
            False,
            without(authority.seal, "certificate_policies"),
        ),
        "policies that are none": (False, extensions(authority, "certificate_policies", False, [])),
        "a status that nobody asks for": (False, extensions(authority, "ocsp_no_check", False, core.Null())),
    }  # fmt: skip
    for what, (right, listed) in cases.items():
        certificate = forged(authority, authority.issuing_key, extensions=listed)
        try:
            verify_chain(certificate, trust=authority.trust(), at=authority.now)
            passed = True
        except VermilionError as error:
            assert error.reason == "chain", what
            passed = False
        assert passed is right, what


def test_nobody_asks_for_the_status_of_a_responder(
    authority: TestAuthority, certificates: dict[ProfileName, bytes]
) -> None:
    """RFC 6960, 4.2.2.2.1: it says so, plainly, and names no place where one could ask."""
    listed = list(asn1_x509.Certificate.load(certificates[ProfileName.OCSP])["tbs_certificate"]["extensions"])
    published = {
        e["extn_id"].native: e
        for e in asn1_x509.Certificate.load(certificates[ProfileName.SEAL])["tbs_certificate"]["extensions"]
    }
    kept = without(certificates[ProfileName.OCSP], "ocsp_no_check")
    assert len(kept) == len(listed) - 1
    unchecked = {"extn_id": "ocsp_no_check", "critical": True, "extn_value": core.Null()}
    cases: dict[str, tuple[bool, list[Any]]] = {
        "as it is": (True, listed),
        "without": (False, kept),
        "critical": (False, [*kept, unchecked]),
        "with a CRL": (False, [*listed, published["crl_distribution_points"]]),
        "with an OCSP of its own": (False, [*listed, published["authority_information_access"]]),
    }
    for what, (right, chosen) in cases.items():
        certificate = forged(authority, authority.issuing_key, extensions=chosen)
        try:
            verify_issued(certificate, [authority.issuing], at=authority.now, profile=ProfileName.OCSP)
            passed = True
        except VermilionError as error:
            assert error.reason == "chain", what
            passed = False
        assert passed is right, what


def test_a_delegate_of_the_trust_list_has_its_policy(authority: TestAuthority) -> None:
    begin, end = authority.now, authority.now + timedelta(days=7)
    verify_delegate(authority.delegate, authority.root, begin, end)
    assert end < certificate_validity(authority.delegate)[1]
    with pytest.raises(VermilionError):
        verify_delegate(authority.issuing, authority.root, begin, end)
