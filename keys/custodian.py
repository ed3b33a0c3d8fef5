"""The one door to private keys (design, section 3).

A custodian never returns private key bytes and is no oracle for any digest: a request carries the
bytes to be signed, what kind they are and the record they serve. The custodian parses them strictly
for that kind, refuses a kind the key was not made for, asks the policy, serves one record once per
key, and writes the use down before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.halves import by_halves
from keys.suite import PublicKey, SuiteName


class Purpose(StrEnum):
    """What a key was made for; fixed for its life."""

    ROOT_CA = "root-ca"
    ISSUING_CA = "issuing-ca"
    SEAL = "seal"
    TSA = "tsa"
    QR = "qr"
    OCSP = "ocsp"
    LOG = "log"
    SEAL_MAKER = "seal-maker"
    TRUST_LIST = "trust-list"
    STATUS_LIST = "status-list"
    RECEIPT = "receipt"


class Kind(StrEnum):
    """What the bytes to be signed are."""

    CERTIFICATE = "tbs-certificate"  # RFC 5280 TBSCertificate, DER
    SIGNED_ATTRIBUTES = "signed-attributes"  # RFC 5652 SET OF Attribute, DER, of a seal use
    TIME_STAMP = "time-stamp-attributes"  # RFC 5652 SET OF Attribute over a TSTInfo, DER
    SIG_STRUCTURE = "sig-structure"  # RFC 9052 Sig_structure of a QR credential
    TRUST_LIST = "trust-list"  # RFC 7515 JWS signing input
    CRL = "tbs-cert-list"  # RFC 5280 TBSCertList, DER
    OCSP_RESPONSE = "ocsp-response-data"  # RFC 6960 ResponseData, DER
    SEAL_EDITION = "seal-edition"  # GB/T 38540 SES_SealInfo, DER
    CEREMONY_TRANSCRIPT = "ceremony-transcript"  # RFC 7515 JWS signing input
    CERTIFICATION_REQUEST = "certification-request-info"  # RFC 2986 CertificationRequestInfo, DER
    STATUS_LIST_JWT = "status-list-jwt"  # RFC 7515 JWS signing input of a status list token
    STATUS_LIST_CWT = "status-list-cwt"  # RFC 9052 Sig_structure of a status list token
    SIGNED_ANSWER = "signed-answer"  # RFC 7515 JWS signing input of the answer to a check
    ARCHIVE_STATEMENT = "archive-statement"  # RFC 7515 JWS signing input: a handover's list, or its receipt
    PAGE_ATTRIBUTES = "page-attributes"  # RFC 5652 SET OF Attribute, DER, of the page of a signed answer


PURPOSE_KINDS: dict[Purpose, frozenset[Kind]] = {
    Purpose.ROOT_CA: frozenset({Kind.CERTIFICATE, Kind.CRL, Kind.CEREMONY_TRANSCRIPT}),
    Purpose.ISSUING_CA: frozenset({Kind.CERTIFICATE, Kind.CRL}),
    Purpose.SEAL: frozenset({Kind.SIGNED_ATTRIBUTES, Kind.CERTIFICATION_REQUEST}),
    Purpose.TSA: frozenset({Kind.TIME_STAMP}),
    Purpose.QR: frozenset({Kind.SIG_STRUCTURE}),
    Purpose.OCSP: frozenset({Kind.OCSP_RESPONSE}),
    Purpose.LOG: frozenset(),  # until a log serves
    Purpose.SEAL_MAKER: frozenset({Kind.SEAL_EDITION}),
    Purpose.TRUST_LIST: frozenset({Kind.TRUST_LIST}),
    Purpose.STATUS_LIST: frozenset({Kind.STATUS_LIST_JWT, Kind.STATUS_LIST_CWT}),
    Purpose.RECEIPT: frozenset({Kind.SIGNED_ANSWER, Kind.PAGE_ATTRIBUTES, Kind.ARCHIVE_STATEMENT}),
}

_ANY: frozenset[SuiteName] = frozenset({"p256-sha256", "p384-sha384", "rsa3072-sha256"})
_ECDSA: frozenset[SuiteName] = frozenset({"p256-sha256", "p384-sha384"})
_ONLY_ECDSA = frozenset({Purpose.QR, Purpose.STATUS_LIST, Purpose.RECEIPT})
"""A credential must fit its QR code; a status list is signed by JOSE and COSE alike, for browsers too; any
library reads the ES256 of a signed answer."""
PURPOSE_SUITES: dict[Purpose, frozenset[SuiteName]] = {
    purpose: _ECDSA if purpose in _ONLY_ECDSA else _ANY for purpose in Purpose
}


def require_suite(purpose: Purpose, suite: SuiteName) -> None:
    """Raises VermilionError(KEY_REFUSED, reason "suite") where a key for `purpose` may not be of `suite`."""
    if suite not in PURPOSE_SUITES[purpose]:
        raise VermilionError(
            ErrorKind.KEY_REFUSED, f"a {purpose} key is not of suite {suite}", reason="suite"
        )


@dataclass(frozen=True, slots=True)
class KeyRef:
    """Names a key; carries nothing secret."""

    id: str  # 32 lower-case hex digits
    purpose: Purpose
    suite: SuiteName


@dataclass(frozen=True, slots=True)
class SignRequest:
    """One thing to sign: `data` are the bytes themselves, never a digest."""

    kind: Kind
    data: bytes
    record: str  # the record served, e.g. "intent:<id>", "certificate:<serial hex>"; once per key


MAX_REQUESTS = 256  # of one call


# Asked before the uses of a call, about all of them at once; raises VermilionError(KEY_REFUSED) to refuse the
# call, if only for one of them.
Policy = Callable[[KeyRef, Sequence[SignRequest]], None]


class UseLedger(Protocol):
    """Where each use of a key is written down, durably, before and after (design, section 3)."""

    def begin(self, ref: KeyRef, requests: Sequence[SignRequest]) -> None:
        """Record the uses as begun. Raises VermilionError(KEY_REFUSED) if a (key, record) was used before."""

    def end(self, ref: KeyRef, requests: Sequence[SignRequest], signed: bool) -> None:
        """Record that the uses begun were signed, or failed."""


class Custodian(Protocol):
    """Holds private keys and signs with them."""

    def generate(self, purpose: Purpose, suite: SuiteName) -> KeyRef:
        """Make a key pair for one purpose.

        Raises VermilionError: KEY_REFUSED for a suite that the purpose may not have, UNAVAILABLE where no key
        can be made now.
        """

    def public_key(self, ref: KeyRef) -> PublicKey:
        """The public half. Raises VermilionError(UNAVAILABLE, `key_unusable`) where the key cannot be had."""

    def sign(self, ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
        """Sign each request, all or none, in order: signatures as CMS carries them (`keys.suite.verifies`).

        Raises VermilionError: KEY_REFUSED when bytes, kind, purpose, policy or ledger forbid it; UNAVAILABLE
        (`key_unusable`) for a key that cannot be had, whatever is the matter with it.
        """


def sign_each(
    custodian: Custodian, ref: KeyRef, requests: Sequence[SignRequest]
) -> list[bytes | VermilionError]:
    """Sign what may be signed, many at a time: a signature or a refusal for each, in order.

    A call is refused whole before anything of it is begun, so what is refused is found by halves and harms
    nothing beside it. Any other failure is that of all that were asked for: whether they are used up is not
    known, and none is asked for again.
    """
    return by_halves(
        requests,
        lambda some: custodian.sign(ref, some),
        VermilionError,
        lambda error: error.kind is ErrorKind.KEY_REFUSED,
    )
