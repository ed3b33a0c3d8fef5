"""A ceremony's transcript, signed by the root that the ceremony used: a compact JWS (RFC 7515)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import NoReturn

from asn1crypto import x509

from keys import jws
from keys.canonical import canonical_json
from keys.custodian import Custodian, KeyRef, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from keys.path import (
    certificate_end,
    parse_certificate,
    require_root,
    verify_delegate,
    verify_issuing,
    verify_link,
)
from keys.profiles import ProfileName
from keys.suite import SUITES, SuiteName
from keys.tbs import MAX_TRANSCRIPT_BYTES, TRANSCRIPT_TYPE
from keys.transcript import Transcript, parse_transcript, transcript_body

EXPECTED = {
    "establish": (ProfileName.ROOT, ProfileName.ISSUING, ProfileName.TRUST_LIST),
    "issuing": (ProfileName.ISSUING,),
    "delegate": (ProfileName.TRUST_LIST,),
    "successor": (ProfileName.ROOT, ProfileName.ISSUING, ProfileName.TRUST_LIST),
}
"""Which certificates an operation makes, in order."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A transcript whose signature and certificates were checked against the root (DER)."""

    transcript: Transcript
    root: bytes


def transcript_record(file_sha256: str, attempt: int) -> str:
    """The record that a transcript's signature serves."""
    return f"ceremony:{file_sha256}:{attempt}"


def transcript_input(transcript: Transcript, suite: SuiteName, root: bytes) -> bytes:
    """The JWS signing input for the key of the certificate `root` (DER), of this suite."""
    return jws.signing_input(TRANSCRIPT_TYPE, SUITES[suite], (root,), transcript_body(transcript))


def sign_transcript(custodian: Custodian, root: KeyRef, signing_input: bytes, record: str) -> str:
    """The compact JWS. Raises VermilionError from the custodian."""
    (signature,) = custodian.sign(root, [SignRequest(SignKind.CEREMONY_TRANSCRIPT, signing_input, record)])
    return jws.compact(signing_input, SUITES[root.suite], signature)


def read_transcript(text: str | bytes, *, root_sha256: str | None = None) -> Verified:
    """Verify and parse a transcript: signature, one form, and each certificate as the root's own.

    With `root_sha256` the root must have that fingerprint (hex), or have been certified as its successor by
    the retired root that has it; without it, the transcript proves only that it is whole. Raises
    VermilionError(INVALID) with `reason` "malformed", "wrong_root", "bad_signature" or "certificate".
    """
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    if len(data) > MAX_TRANSCRIPT_BYTES:
        _refuse("the transcript is too long", "malformed")
    signed = jws.take_apart(data, TRANSCRIPT_TYPE)
    root = signed.header.chain[0]
    if len(signed.header.chain) != 1:
        _refuse("the transcript names more than its root", "malformed")
    try:
        jws.verify(signed)
        transcript = parse_transcript(jws.strict(signed.payload, MAX_TRANSCRIPT_BYTES))
    except VermilionError as error:
        _refuse(error.detail, error.reason if error.reason == "bad_signature" else "malformed")
    if canonical_json(transcript_body(transcript)) != signed.payload:
        _refuse("the transcript is not in its one form", "malformed")
    try:
        require_root(root, transcript.signed_at)
        _check_certificates(transcript, root)
        vouching = {root, *_former(transcript, root)}
    except VermilionError as error:
        _refuse(error.detail, "certificate")
    pinned = None if root_sha256 is None else root_sha256.lower().replace(":", "")
    if pinned is not None and pinned not in {sha256(one).hexdigest() for one in vouching}:
        _refuse("the transcript is another root's, and the one asked for did not vouch for it", "wrong_root")
    return Verified(transcript, root)


def _former(transcript: Transcript, root: bytes) -> tuple[bytes, ...]:
    """The former root where it certified this one: then whoever trusts it may follow. One that is compromised
    vouches for nothing, and whatever a transcript says of it, its successor says so.
    """
    former = transcript.former_root
    if former is None:
        return ()
    if former.der == root:
        _refuse("a root does not follow itself", "certificate")
    if former.link is None:
        require_root(former.der, min(transcript.signed_at, certificate_end(former.der)))
        return ()
    verify_link(former.link, root, former.der, transcript.signed_at)
    return (former.der,)


def _check_certificates(transcript: Transcript, root: bytes) -> None:
    if tuple(one.profile for one in transcript.certificates) != EXPECTED[transcript.operation]:
        _refuse("the transcript has other certificates than its ceremony makes", "certificate")
    if transcript.revoked and transcript.operation != "issuing":
        _refuse("the transcript ends authorities that its ceremony does not", "certificate")
    for one in transcript.certificates:
        parsed = parse_certificate(one.der)
        said = (one.sha256, one.tbs_sha256, one.serial)
        if said != (sha256(one.der).hexdigest(), tbs_digest(one.der), f"{parsed.serial_number:x}"):
            _refuse("the transcript tells other digests than its certificates have", "certificate")
        if one.profile == ProfileName.ROOT and one.der != root:
            _refuse("the transcript's root did not sign it", "certificate")
        if one.profile == ProfileName.ISSUING:
            verify_issuing(one.der, root, transcript.signed_at)
        if one.profile == ProfileName.TRUST_LIST:
            verify_delegate(one.der, root, transcript.signed_at, transcript.signed_at)


def tbs_digest(certificate: bytes) -> str:
    """SHA-256 of a certificate's TBSCertificate, hex."""
    return sha256(x509.Certificate.load(certificate)["tbs_certificate"].dump()).hexdigest()


def _refuse(detail: str, reason: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason)
