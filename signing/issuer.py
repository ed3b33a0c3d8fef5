"""Who vouches for it, and may they? Keys of the trust list, and the registry's history of a seal.

Every function answers with an `Issuer` value and the reason that goes with it (design, section 6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from keys.errors import Kind, VermilionError
from keys.suite import SUITES
from keys.trust_list import TrustedKey, TrustList
from signing.credential import Credential, Link, decode_credential, normal_origin, signed_by
from signing.live import LiveLicence, LiveSeal
from signing.verdict import Content, Issuer

if TYPE_CHECKING:
    from signing.record import Record
    from signing.strict_check import FileEvidence, SealEvidence

Judgement = tuple[Issuer, str]

RECOGNISED: Judgement = (Issuer.RECOGNISED, "issuer_recognised")


@dataclass(frozen=True, slots=True)
class CredentialProof:
    """What a fragment proves by the trust list alone. `key` made the signature, whatever it may sign."""

    credential: Credential | None
    key: TrustedKey | None
    content: Content
    content_reason: str
    issuer: Issuer
    issuer_reason: str


def civil_day(moment: datetime, zone: str) -> date:
    """The civil day of an aware instant in an IANA zone; VermilionError(UNAVAILABLE) without its rules."""
    try:
        return moment.astimezone(ZoneInfo(zone)).date()
    except (ZoneInfoNotFoundError, ValueError, OSError, OverflowError):
        raise VermilionError(Kind.UNAVAILABLE, "the zone's rules are not installed", reason="zone") from None


def origin_is_trusted(origin: str, trust: TrustList) -> bool:
    """Whether a link's normal origin is one that the trust list names."""
    for named in trust.origins:
        try:
            if normal_origin(named) == origin:
                return True
        except VermilionError:
            continue
    return False


def _key_judgement(
    key: TrustedKey, agency: str, type_code: str, trust: TrustList, at: datetime, *, beside: bool = False
) -> Judgement:
    """`beside`: for a further seal on another agency's licence."""
    types = key.co_types if beside else key.types
    if key.agency != agency or type_code not in types:
        return Issuer.REFUSED, "co_seal_not_entitled" if beside else "not_entitled"
    if key.state == "compromised":
        return Issuer.DOUBTFUL, "key_compromised"
    if at >= trust.expires_at:
        return Issuer.DOUBTFUL, "trust_list_expired"
    return RECOGNISED


def verify_credential(link: Link, trust: TrustList, at: datetime) -> CredentialProof:
    """Check a scanned link's credential against a verified trust list at the present instant `at`.

    Every key with the credential's kid is tried (two may share one); the algorithm is the trust list's, never
    the header's alone. The key must be entitled to the claims' issuer and type, and the issue day must not
    lie after its period. An earlier issue day is no fault: a licence may be registered after its issue, and
    nothing else in the credential tells when it was signed. Raises no error.
    """
    not_compared = (Content.NOT_COMPARED, "content_not_compared")
    if not origin_is_trusted(link.origin, trust):
        return CredentialProof(None, None, *not_compared, Issuer.REFUSED, "origin_unknown")
    if link.credential is None:
        return CredentialProof(None, None, *not_compared, Issuer.NOT_CHECKED, "issuer_not_checked")
    try:
        credential = decode_credential(link.credential)
    except VermilionError:
        altered = (Content.ALTERED, "credential_malformed")
        return CredentialProof(None, None, *altered, Issuer.NOT_CHECKED, "issuer_not_checked")
    named = [key for key in trust.keys if key.use == "qr" and key.kid == credential.kid]
    usable = [key for key in named if SUITES[key.suite].cose_alg == credential.alg]
    if not usable:
        reason = "key_algorithm" if named else "key_unknown"
        unproven = (Content.NOT_COMPARED, "content_not_proven")
        return CredentialProof(credential, None, *unproven, Issuer.REFUSED, reason)
    for key in usable:
        if signed_by(credential, link.origin, link.id_text, key.public_key, SUITES[key.suite]):
            break
    else:
        altered = (Content.ALTERED, "signature_wrong")
        return CredentialProof(credential, None, *altered, Issuer.NOT_CHECKED, "issuer_not_checked")
    claims = credential.claims
    judgement = _key_judgement(key, claims.issuer_code, claims.type_code, trust, at)
    if judgement == RECOGNISED:
        judgement = _period_judgement(claims.issue_date, key, trust)
    return CredentialProof(credential, key, Content.PROVEN, "signature_correct", *judgement)


def _period_judgement(issue_date: date, key: TrustedKey, trust: TrustList) -> Judgement:
    try:
        last = civil_day(key.sign_to, trust.zone)
    except VermilionError:  # which says something of this machine, and nothing of the licence
        return Issuer.DOUBTFUL, "zone_rules_missing"
    return RECOGNISED if issue_date <= last else (Issuer.REFUSED, "out_of_period")


def judge_seals(evidence: FileEvidence, record: Record, trust: TrustList, at: datetime) -> Judgement:
    """May the seals' keys have sealed this record then, and are they those that it names? By the trust list
    alone. The first seal is the issuer's; each further one is of the agency that the record names for it, and
    entitled to this type by that agency, as its own or beside another's.
    """
    named = record.seals
    if len(evidence.seals) != max(1, len(named)) or any(
        sha256(seal.certificate).hexdigest() != one.certificate_sha256
        for seal, one in zip(evidence.seals, named, strict=False)
    ):
        return Issuer.REFUSED, "seals_differ"
    judgements = [_judge_seal(evidence.seals[0], record.issuer_code, record.type_code, trust, at)]
    for seal, one in zip(evidence.seals[1:], named[1:], strict=True):
        beside = one.agency != record.issuer_code
        judgements.append(_judge_seal(seal, one.agency, record.type_code, trust, at, beside=beside))
    return _worst(judgements)


def _judge_seal(
    seal: SealEvidence,
    agency: str,
    type_code: str,
    trust: TrustList,
    at: datetime,
    *,
    beside: bool = False,
) -> Judgement:
    key = seal.key
    if key is None or key.use != "seal":
        return Issuer.REFUSED, "key_unknown"
    judgement = _key_judgement(key, agency, type_code, trust, at, beside=beside)
    if judgement == RECOGNISED and not key.sign_from <= seal.sealed_at <= key.sign_to:
        return Issuer.REFUSED, "out_of_period"
    return judgement


def judge_live(licence: LiveLicence) -> Judgement:
    """The sealing against the stored history of each seal at sealing time; what came later is a note at
    most.
    """
    first = LiveSeal(
        sealed_at=licence.sealed_at,
        state=licence.seal_state,
        state_at_sealing=licence.seal_state_at_sealing,
        compromised_since=licence.seal_compromised_since,
        entitled=licence.entitled,
    )
    judged = [_judge_live_seal(first, "not_entitled")]
    judged += [_judge_live_seal(seal, "co_seal_not_entitled") for seal in licence.co_seals]
    return _worst(judged)


def _judge_live_seal(seal: LiveSeal, not_entitled: str) -> Judgement:
    if not seal.entitled:
        return Issuer.REFUSED, not_entitled
    if seal.state_at_sealing != "active":
        return Issuer.REFUSED, "seal_not_active"
    since = seal.compromised_since
    if since is not None:
        if seal.sealed_at < since:
            return Issuer.RECOGNISED, "seal_compromised_later"
        return Issuer.REFUSED, "seal_compromised"
    if seal.state == "compromised":  # compromised, and nobody can say since when
        return Issuer.REFUSED, "seal_compromised"
    if seal.state == "cancelled":
        return Issuer.RECOGNISED, "seal_cancelled_later"
    return RECOGNISED


def _worst(judged: Sequence[Judgement]) -> Judgement:
    """What is said of several seals: a refusal, else a doubt, else a note, of the first that has one."""
    order = (Issuer.REFUSED, Issuer.DOUBTFUL)
    for wanted in order:
        found = next((one for one in judged if one[0] is wanted), None)
        if found is not None:
            return found
    return next((one for one in judged if one != RECOGNISED), RECOGNISED)
