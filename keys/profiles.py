"""Certificate profiles as data (RFC 5280; facts of the seal practice in `docs/legal-force.md`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from keys.custodian import Purpose


class ProfileName(StrEnum):
    ROOT = "root"
    ROOT_LINK = "root-link"
    ISSUING = "issuing"
    SEAL = "seal"
    TSA = "tsa"
    QR = "qr"
    OCSP = "ocsp"
    LOG = "log"
    SEAL_MAKER = "seal-maker"
    TRUST_LIST = "trust-list"
    STATUS_LIST = "status-list"
    RECEIPT = "receipt"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a certificate of this profile holds, beyond names, key and dates."""

    name: ProfileName
    purpose: Purpose  # of the subject's key
    issuer: Purpose  # of the key that signs it
    ca: bool
    path_length: int | None
    key_usage: frozenset[str]  # asn1crypto's names; always critical
    extended_key_usage: str | None  # asn1crypto's name; critical (RFC 3161, 2.3 demands it for a TSA)
    policy: str | None  # certificatePolicies: one policy OID
    life: timedelta
    published: bool = True  # says where its status is to be had
    no_check: bool = False  # RFC 6960, 4.2.2.2.1: nobody asks for its status, it is gone soon


# Policies hang under the licence arc's test branch until the province registers its own.
POLICY_SEAL = "1.2.156.3005.2.999.1"
POLICY_TSA = "1.2.156.3005.2.999.2"
POLICY_QR = "1.2.156.3005.2.999.3"
POLICY_LOG = "1.2.156.3005.2.999.4"
POLICY_SEAL_MAKER = "1.2.156.3005.2.999.5"
POLICY_TRUST_LIST = "1.2.156.3005.2.999.6"
POLICY_STATUS_LIST = "1.2.156.3005.2.999.7"
POLICY_RECEIPT = "1.2.156.3005.2.999.8"

PROFILES: dict[ProfileName, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            ProfileName.ROOT, Purpose.ROOT_CA, Purpose.ROOT_CA, ca=True, path_length=None,
            key_usage=frozenset({"key_cert_sign", "crl_sign"}), extended_key_usage=None, policy=None,
            life=timedelta(days=20 * 365),
        ),
        Profile(  # by a root that is retired, for the one that follows it (RFC 9810, 4.4: new with old)
            ProfileName.ROOT_LINK, Purpose.ROOT_CA, Purpose.ROOT_CA, ca=True, path_length=1,
            key_usage=frozenset({"key_cert_sign", "crl_sign"}), extended_key_usage=None, policy=None,
            life=timedelta(days=20 * 365),
        ),
        Profile(
            ProfileName.ISSUING, Purpose.ISSUING_CA, Purpose.ROOT_CA, ca=True, path_length=0,
            key_usage=frozenset({"key_cert_sign", "crl_sign"}), extended_key_usage=None, policy=None,
            life=timedelta(days=10 * 365),
        ),
        Profile(
            ProfileName.SEAL, Purpose.SEAL, Purpose.ISSUING_CA, ca=False, path_length=None,
            key_usage=frozenset({"digital_signature", "non_repudiation"}), extended_key_usage=None,
            policy=POLICY_SEAL, life=timedelta(days=3 * 365),
        ),
        Profile(
            ProfileName.TSA, Purpose.TSA, Purpose.ISSUING_CA, ca=False, path_length=None,
            key_usage=frozenset({"digital_signature", "non_repudiation"}),
            extended_key_usage="time_stamping", policy=POLICY_TSA, life=timedelta(days=5 * 365),
        ),
        Profile(
            ProfileName.QR, Purpose.QR, Purpose.ISSUING_CA, ca=False, path_length=None,
            key_usage=frozenset({"digital_signature"}), extended_key_usage=None,
            policy=POLICY_QR, life=timedelta(days=3 * 365),
        ),
        Profile(
            ProfileName.OCSP, Purpose.OCSP, Purpose.ISSUING_CA, ca=False, path_length=None,
            key_usage=frozenset({"digital_signature"}), extended_key_usage="ocsp_signing",
            policy=None, life=timedelta(days=14), published=False, no_check=True,
        ),
        Profile(
            ProfileName.LOG, Purpose.LOG, Purpose.ISSUING_CA, ca=False, path_length=None,
            key_usage=frozenset({"digital_signature"}), extended_key_usage=None,
            policy=POLICY_LOG, life=timedelta(days=3 * 365),
        ),
        Profile(
            ProfileName.SEAL_MAKER, Purpose.SEAL_MAKER, Purpose.ISSUING_CA, ca=False, path_length=None,
            key_usage=frozenset({"digital_signature", "non_repudiation"}), extended_key_usage=None,
            policy=POLICY_SEAL_MAKER, life=timedelta(days=3 * 365),
        ),
        Profile(
            ProfileName.TRUST_LIST, Purpose.TRUST_LIST, Purpose.ROOT_CA, ca=False, path_length=None,
            key_usage=frozenset({"digital_signature"}), extended_key_usage=None,
            policy=POLICY_TRUST_LIST, life=timedelta(days=2 * 365),
        ),
        Profile(  # no EKU: id-kp-oauthStatusSigning has no number yet (the draft's section 10)
            ProfileName.STATUS_LIST, Purpose.STATUS_LIST, Purpose.ISSUING_CA, ca=False, path_length=None,
            key_usage=frozenset({"digital_signature"}), extended_key_usage=None,
            policy=POLICY_STATUS_LIST, life=timedelta(days=3 * 365),
        ),
        Profile(
            ProfileName.RECEIPT, Purpose.RECEIPT, Purpose.ISSUING_CA, ca=False, path_length=None,
            key_usage=frozenset({"digital_signature"}), extended_key_usage=None,
            policy=POLICY_RECEIPT, life=timedelta(days=3 * 365),
        ),
    )
}  # fmt: skip
