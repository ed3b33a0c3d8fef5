"""The three checks: a scanned code, a file, and typed details (design, section 6).

Each gathers `Facts` and lets the table decide. The registry is asked through the ports of `signing.live`;
without one a check is offline and can be positive only by the trust list, and by the registry's status lists
where they are at hand. No clock: `now` is an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from keys.errors import Fault, Kind, VermilionError
from keys.trust_list import TrustList
from signing.annotation import Annotation
from signing.claims import Claims, agree
from signing.codes import normalise_lookup_code, parse_identifier
from signing.credential import (
    decode_credential,
    parse_digits,
    parse_id,
    parse_link,
    split_link,
    split_showing,
)
from signing.issuer import (
    CredentialProof,
    Judgement,
    civil_day,
    judge_live,
    judge_seals,
    origin_is_trusted,
    verify_credential,
)
from signing.live import Alarm, LiveLicence, LiveRegistry
from signing.record import Printout, printout_from_json
from signing.showing import Showing
from signing.verdict import Content, Facts, Issuer, OnRecord, Status, Time, Verification, decide

if TYPE_CHECKING:
    from signing.signed_answer import Presented
    from signing.status_list import Source, StatusList
    from signing.strict_check import FileEvidence

__all__ = [
    "Outcome",
    "check_file",
    "check_id",
    "check_presented",
    "check_scan",
    "check_showing",
    "check_typed",
    "failed_check",
    "judge_evidence",
    "unmatched",
]

DEFAULT_ZONE = "Asia/Shanghai"
_OF_SHAPE = frozenset({"structure", "not_a_pdf", "seal_missing", "seal_order", "seal_twice"})
_A_CENTURY = timedelta(days=36500)
# The registry answered once and then no more: neither "altered" nor an alarm would be known to be right.
_CUT_OFF = Facts(content_reason="content_not_proven", status_reason="registry_unreachable")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verification with what it rests on.

    `claims` and `printout` are there only where they are proven and their issuer is not refused; `licence` is
    what the registry holds, of which `disclose` shows what the public may see. `alarm` names the sign of key
    compromise that was raised. `status_list` is the list that was looked at, an expired one included;
    `as_of` is its time where the verdict rests on it. `evidence` is there where a file passed the strict
    check, whatever the verdict says of it: it explains, and is no verdict.
    """

    verification: Verification
    claims: Claims | None = None
    licence: LiveLicence | None = None
    printout: Printout | None = None
    facts: Facts = field(default_factory=Facts)
    alarm: str | None = None
    status_list: StatusList | None = None
    evidence: FileEvidence | None = None


def check_scan(
    text: str,
    trust: TrustList | None,
    live: LiveRegistry | None,
    alarm: Alarm | None,
    now: datetime,
    lists: Source | None = None,
) -> Outcome:
    """Check what a scanner read: a licence's link with or without its fragment. Never raises. `lists` are the
    status lists at hand, for where the registry does not answer.

    Online the fragment's bytes must be the registered ones, whatever their signature says. A right signature
    over others raises the alarm `credential_not_registered`.
    """
    try:
        link, fragment = split_link(text)
    except VermilionError:
        return _end(Facts(issuer=Issuer.REFUSED, issuer_reason="not_a_link"), now)
    if trust is not None and not origin_is_trusted(link.origin, trust):
        return _end(Facts(issuer=Issuer.REFUSED, issuer_reason="origin_unknown"), now)
    proof: CredentialProof | None = None
    if fragment:
        try:
            cose = parse_digits(fragment)
            link = replace(link, credential=cose)
            if trust is None:  # a trust list is asked about credentials only
                decode_credential(cose)
        except VermilionError:
            proof = _unreadable()
    if proof is None and trust is not None:
        proof = verify_credential(link, trust, now)
    facts, licence = _ask_for_link(link.id_bytes, live)
    zone = DEFAULT_ZONE if trust is None else trust.zone
    claims = proof.credential.claims if proof and proof.credential and proof.key else None
    raised, found = None, None
    if licence is None:
        if proof is not None:
            facts = replace(
                facts,
                content=proof.content,
                content_reason=proof.content_reason,
                issuer=proof.issuer,
                issuer_reason=proof.issuer_reason,
            )
        elif link.credential is not None:
            facts = replace(facts, content_reason="content_not_proven", issuer_reason="trust_list_missing")
        if claims is not None and proof is not None and proof.issuer is Issuer.RECOGNISED:
            facts = replace(facts, time=_time(claims.valid_from, claims.valid_to, claims.copy, now, zone))
            facts, found = _by_list(facts, claims.status_list, claims.status_index, trust, lists, now)
        if facts.record is OnRecord.UNKNOWN:
            raised = _raise_for_credential(alarm, proof, None)
        if facts.record is OnRecord.UNKNOWN or facts.issuer is Issuer.REFUSED:
            claims = None
        return _end(facts, now, claims=claims, alarm=raised, found=found)

    facts = _with_licence(facts, licence, now, zone)
    if link.credential is None:
        if proof is not None:
            facts = replace(facts, content=proof.content, content_reason=proof.content_reason)
        return _end(facts, now, licence=licence)
    if sha256(link.credential).digest() != licence.credential_sha256:
        raised = _raise_for_credential(alarm, proof, licence.record.identifier)
        facts = replace(facts, content=Content.ALTERED, content_reason="credential_differs")
        return _end(facts, now, licence=licence, alarm=raised)
    facts = replace(facts, content=Content.PROVEN, content_reason="registered_credential")
    if proof is not None and proof.content is Content.ALTERED:
        facts = replace(facts, content=proof.content, content_reason=proof.content_reason)
    if proof is not None and proof.issuer is Issuer.REFUSED:
        facts = replace(facts, issuer=proof.issuer, issuer_reason=proof.issuer_reason)
    proven = facts.content is Content.PROVEN and facts.issuer is Issuer.RECOGNISED
    return _end(facts, now, claims=claims if proven else None, licence=licence)


def _unreadable() -> CredentialProof:
    altered = (Content.ALTERED, "credential_malformed")
    return CredentialProof(None, None, *altered, Issuer.NOT_CHECKED, "issuer_not_checked")


def check_id(id_text: str, trust: TrustList | None, live: LiveRegistry | None, now: datetime) -> Outcome:
    """What the site itself can say for /c/<id>: the fragment never reaches it. Never raises.

    A text that is no id gets the very answer of an unknown one.
    """
    try:
        id_bytes = parse_id(id_text)
    except VermilionError:
        id_bytes = b""
    facts, licence = _ask_for_link(id_bytes, live)
    if licence is None:
        return _end(facts, now)
    facts = _with_licence(facts, licence, now, DEFAULT_ZONE if trust is None else trust.zone)
    return _end(facts, now, licence=licence)


def check_showing(text: str, trust: TrustList | None, live: LiveRegistry | None, now: datetime) -> Outcome:
    """Check a presentation code, by its whole link: the licence as it is now, while the code is being shown.
    Never raises. Of a code that is over nothing is said but that, whatever the licence is: a picture of one
    is no way to ask about it.
    """
    try:
        origin, id_text = split_showing(text)
    except VermilionError:
        return _end(Facts(issuer=Issuer.REFUSED, issuer_reason="not_a_link"), now)
    if trust is not None and not origin_is_trusted(origin, trust):
        return _end(Facts(issuer=Issuer.REFUSED, issuer_reason="origin_unknown"), now)
    facts = Facts(content_reason="shown_on_screen")
    if live is None:
        return _end(facts, now, showing=Showing())
    try:
        found = live.by_showing(sha256(parse_id(id_text)).digest())
    except VermilionError:
        return _end(replace(facts, status_reason="registry_unreachable"), now, showing=Showing())
    if found is None:
        return _end(replace(facts, record=OnRecord.UNKNOWN), now, showing=Showing())
    facts = replace(facts, record=OnRecord.KNOWN)
    if not found.showing.holds(now):
        return _end(replace(facts, time=Time.CODE_OVER), now, showing=found.showing)
    zone = DEFAULT_ZONE if trust is None else trust.zone
    facts = _with_licence(facts, found.licence, now, zone)
    return _end(facts, now, licence=found.licence, showing=found.showing)


def check_file(
    data: bytes,
    trust: TrustList | None,
    live: LiveRegistry | None,
    alarm: Alarm | None,
    now: datetime,
    lists: Source | None = None,
) -> Outcome:
    """Check an uploaded file: its digest in the registry, else the strict check. Never raises. `lists` are
    the status lists at hand, for where the registry does not answer.

    Online only a registered digest can be positive. A right signature of ours over other bytes is `unknown`
    and, unless it is one that the registry itself made, raises the alarm `document_not_registered`.
    """
    digest = sha256(data).digest()
    zone = DEFAULT_ZONE if trust is None else trust.zone
    facts, licence = _ask(live, lambda registry: registry.by_document(digest))
    if licence is not None:
        facts = replace(facts, content=Content.PROVEN, content_reason="registered_document")
        return _end(_with_licence(facts, licence, now, zone), now, licence=licence)
    if trust is None:
        facts = replace(facts, content_reason="content_not_proven", issuer_reason="trust_list_missing")
        return _end(facts, now)

    try:
        evidence, in_future = _strict_check(data, trust, now)
    except VermilionError as error:
        return _refused_file(facts, error.reason, data, trust, live, alarm, now)
    facts = replace(facts, content=Content.PROVEN, content_reason="signature_correct")
    printout = _printout(evidence)
    registered, found = facts.record is not OnRecord.UNKNOWN, None
    if printout is None:
        identifier = None
        # Only a stolen key seals what is no record; online that is first of all not registered.
        if registered:
            facts = replace(facts, issuer=Issuer.REFUSED, issuer_reason="record_malformed")
    else:
        record = printout.record
        identifier = record.identifier
        issuer, reason = _judge(evidence, printout, trust, now, compare=registered)
        if in_future and issuer is Issuer.RECOGNISED:
            issuer, reason = Issuer.DOUBTFUL, "sealed_in_future"
        facts = replace(facts, issuer=issuer, issuer_reason=reason)
        if issuer is Issuer.RECOGNISED:
            facts = replace(facts, time=_time(record.valid_from, record.valid_to, record.copy, now, zone))
            facts, found = _by_list(facts, record.status_list, record.status_index, trust, lists, now)
    raised = None
    if not registered:
        for seal in evidence.seals:
            made_here = _made_here(live, seal.signed_sha256)
            if made_here is None:
                return _end(_CUT_OFF, now)
            if not made_here:
                raised = _raise(alarm, "document_not_registered", seal.key_id, identifier, digest)
    if facts.issuer is Issuer.REFUSED:
        identifier = None
    if identifier is None or not registered:
        printout = None
    outcome = _end(facts, now, printout=printout, identifier=identifier, alarm=raised, found=found)
    return replace(outcome, evidence=evidence)


def judge_evidence(evidence: FileEvidence, trust: TrustList, now: datetime) -> Judgement:
    """What a check without the registry says of the issuer of a document that passed the strict check."""
    printout = _printout(evidence)
    if printout is None:
        return Issuer.REFUSED, "record_malformed"
    return _judge(evidence, printout, trust, now, compare=True)


def _judge(
    evidence: FileEvidence, printout: Printout, trust: TrustList, now: datetime, *, compare: bool
) -> Judgement:
    """`compare`: the record with its QR credential as well."""
    judged = judge_seals(evidence, printout.record, trust, now)
    if not compare or judged[0] is Issuer.REFUSED:
        return judged
    disagreement = _disagreement(printout, trust, now)
    return judged if disagreement is None else (Issuer.REFUSED, disagreement)


def check_typed(
    identifier: str,
    lookup_code: str,
    live: LiveRegistry | None,
    now: datetime,
    trust: TrustList | None = None,
) -> Outcome:
    """Check typed details. One answer, `cannot_check`, for an unknown identifier and a wrong look-up code.

    Raises VermilionError(INVALID) naming /identifier or /lookup_code only for what the text itself shows:
    another shape, or a wrong check character.
    """
    faults = []
    typed = identifier.strip().upper() if len(identifier) <= 200 else identifier
    try:
        parse_identifier(typed)
    except VermilionError as error:
        faults.append(Fault("/identifier", error.reason, error.detail))
    code = ""
    try:
        code = normalise_lookup_code(lookup_code)
    except VermilionError as error:
        faults.append(Fault("/lookup_code", error.reason, error.detail))
    if faults:
        raise VermilionError(
            Kind.INVALID, "the details have not the right form", reason="invalid_fields", faults=tuple(faults)
        )
    facts, licence = _ask(live, lambda registry: registry.by_identifier_and_code(typed, code))
    if licence is None:
        reason = facts.status_reason if facts.record is OnRecord.NOT_ASKED else "not_matched"
        return unmatched(now) if reason == "not_matched" else _end(Facts(status_reason=reason), now)
    facts = _with_licence(facts, licence, now, DEFAULT_ZONE if trust is None else trust.zone)
    return _end(facts, now, licence=licence)


def check_presented(presented: Presented, zone: str, live: LiveRegistry | None, now: datetime) -> Outcome:
    """What the registry alone says of what was presented, of which digests are at hand: the very verdict of
    the other checks, but for what only the thing itself shows (who made a signature, or that it is wrong).
    `zone`: the registry's (IANA). An identifier that was not matched before is not asked about. Never raises.
    """
    if not presented.matched:
        return unmatched(now)
    content: tuple[Content, str] | None = None
    if presented.document is not None:
        digest = presented.document
        facts, licence = _ask(live, lambda registry: registry.by_document(digest))
        content = (Content.PROVEN, "registered_document")
    elif presented.identifier is not None:
        identifier = presented.identifier
        facts, licence = _ask(live, lambda registry: registry.by_identifier(identifier))
    elif presented.link_id is not None:
        link_id = presented.link_id
        facts, licence = _ask(live, lambda registry: registry.by_link_id(link_id))
        if licence is not None and presented.credential is not None:
            same = presented.credential == licence.credential_sha256
            proven, differs = (
                (Content.PROVEN, "registered_credential"),
                (Content.ALTERED, "credential_differs"),
            )
            content = proven if same else differs
    else:
        return _end(Facts(issuer=Issuer.REFUSED, issuer_reason="not_a_link"), now)
    if licence is None:
        return _end(facts, now)
    if content is not None:
        facts = replace(facts, content=content[0], content_reason=content[1])
    return _end(_with_licence(facts, licence, now, zone), now, licence=licence)


def unmatched(now: datetime) -> Outcome:
    """The one answer to typed details that lead to no licence, for whatever reason (design, section 6)."""
    return _end(Facts(status_reason="not_matched"), now)


def failed_check(now: datetime) -> Outcome:
    """The answer where a check broke on a defect: `cannot_check`, and nothing about the subject."""
    failed = "check_failed"
    return _end(Facts(content_reason=failed, issuer_reason=failed, status_reason=failed), now)


def _ask(
    live: LiveRegistry | None, question: Callable[[LiveRegistry], LiveLicence | None]
) -> tuple[Facts, LiveLicence | None]:
    if live is None:
        return Facts(status_reason="status_not_asked"), None
    try:
        licence = question(live)
    except VermilionError:
        return Facts(status_reason="registry_unreachable"), None
    if licence is None:
        return Facts(record=OnRecord.UNKNOWN), None
    return Facts(record=OnRecord.KNOWN), licence


def _ask_for_link(id_bytes: bytes, live: LiveRegistry | None) -> tuple[Facts, LiveLicence | None]:
    return _ask(live, lambda registry: registry.by_link_id(sha256(id_bytes).digest()))


def _time(first: date, last: date | None, copy: Annotation | None, now: datetime, zone: str) -> Time:
    """Both days belong to the validity, as a copy's last one; they are civil days of the registry's zone."""
    try:
        today = civil_day(now, zone)
    except VermilionError:
        return Time.UNKNOWN
    if today < first:
        return Time.BEFORE
    if last is not None and today > last:
        return Time.AFTER
    return Time.COPY_AFTER if copy is not None and today > copy.valid_to else Time.WITHIN


def _by_list(
    facts: Facts, number: int, index: int, trust: TrustList | None, lists: Source | None, now: datetime
) -> tuple[Facts, StatusList | None]:
    """What the status lists say of a licence whose content and issuer are proven, where the registry was not
    asked or does not answer; and the list.
    """
    if facts.record is not OnRecord.NOT_ASKED or trust is None or lists is None:
        return facts, None
    from signing.status_list import look_up

    looked = look_up(lists, trust, number, index, now)
    return replace(facts, status=looked.listed.status, status_reason=looked.listed.reason), looked.found


def _with_licence(facts: Facts, licence: LiveLicence, now: datetime, zone: str) -> Facts:
    issuer, reason = judge_live(licence)
    status = {"in_force": Status.IN_FORCE, "suspended": Status.SUSPENDED, "ended": Status.ENDED}.get(
        licence.status, Status.NOT_CHECKED
    )
    if status is Status.ENDED and licence.how == "replaced":
        status = Status.REPLACED
    copy = licence.copy
    if copy is not None and copy.withdrawn_on is not None and status is Status.IN_FORCE:
        status = Status.WITHDRAWN
    return replace(
        facts,
        issuer=issuer,
        issuer_reason=reason,
        status=status,
        time=_time(
            licence.record.valid_from,
            licence.record.valid_to,
            None if copy is None else copy.annotation,
            now,
            zone,
        ),
    )


def _strict_check(data: bytes, trust: TrustList, now: datetime) -> tuple[FileEvidence, bool]:
    """What the file proves, and whether only its moment has not come: then a clock is wrong, perhaps ours."""
    from signing.strict_check import strict_check

    try:
        return strict_check(data, trust, at=now), False
    except VermilionError as error:
        if error.reason != "sealed_in_future":
            raise
    return strict_check(data, trust, at=now + _A_CENTURY), True


def _refused_file(
    facts: Facts,
    reason: str,
    data: bytes,
    trust: TrustList,
    live: LiveRegistry | None,
    alarm: Alarm | None,
    now: datetime,
) -> Outcome:
    """What the strict check has refused. Only what bears a seal of ours can be called altered; anything else
    was not issued by anybody we recognise, which says nothing about what it is.

    Online a right signature in it tells more: the registry made it, and something was done to the file; or
    the registry did not, and somebody else has the key.
    """
    from signing.foreign_seal import bears_a_seal, foreign_seals

    if reason in _OF_SHAPE and _is_receipt(data, trust, now):
        return _end(replace(facts, content_reason="a_receipt"), now)
    seals = foreign_seals(data, trust) if facts.record is OnRecord.UNKNOWN else ()
    for seal in seals:
        made_here = _made_here(live, seal.signed_sha256)
        if made_here is None:
            return _end(_CUT_OFF, now)
        if not made_here:
            digest = sha256(data).digest()
            raised = _raise(alarm, "document_not_registered", seal.key_id, None, digest)
            return _end(replace(facts, content_reason="content_not_proven"), now, alarm=raised)
    if seals and reason in {"issuer_unknown", "chain", "signature_missing"}:
        reason = "structure"  # the seal is right: what is wrong stands beside it
    of_content = reason in {"digest_mismatch", "signature_invalid"}
    if of_content or seals or (reason in _OF_SHAPE and bears_a_seal(data, trust)):
        facts = replace(facts, content=Content.ALTERED, content_reason=reason)
    else:
        facts = replace(
            facts, content_reason="content_not_proven", issuer=Issuer.REFUSED, issuer_reason=reason
        )
    return _end(facts, now)


def _is_receipt(data: bytes, trust: TrustList, now: datetime) -> bool:
    """Whether it is the page of a signed answer of ours: no licence, and nothing is wrong with it."""
    from signing.answer_page import read_page

    try:
        read_page(data, trust=trust, at=now)
    except VermilionError:
        return False
    return True


def _made_here(live: LiveRegistry | None, signed_sha256: bytes) -> bool | None:
    """Whether the registry, which has just answered, made this signature; None if it does not answer now."""
    assert live is not None
    try:
        return live.seal_use_recorded(signed_sha256)
    except VermilionError:
        return None


def _printout(evidence: FileEvidence) -> Printout | None:
    try:
        return printout_from_json(evidence.printout_json)
    except VermilionError:
        return None


def _disagreement(printout: Printout, trust: TrustList, now: datetime) -> str | None:
    """Why the QR credential of a sealed record does not go with it, or None."""
    try:
        link = parse_link(printout.link)
    except VermilionError:
        return "record_disagrees"
    proof = verify_credential(replace(link, credential=printout.credential), trust, now)
    if proof.issuer is Issuer.REFUSED:
        return proof.issuer_reason
    if proof.content is not Content.PROVEN or proof.credential is None:
        return "record_disagrees"
    return None if agree(proof.credential.claims, printout.record) else "record_disagrees"


def _raise_for_credential(
    alarm: Alarm | None, proof: CredentialProof | None, identifier: str | None
) -> str | None:
    """A right signature of a key of ours, for this very link, over what was never registered."""
    if proof is None or proof.key is None or proof.credential is None:
        return None
    digest = sha256(proof.credential.cose).digest()
    return _raise(alarm, "credential_not_registered", proof.key.kid, identifier, digest)


def _raise(alarm: Alarm | None, reason: str, key_id: str, identifier: str | None, digest: bytes) -> str:
    if alarm is not None:
        # The answer is negative with or without it, and must be given; the port counts its own failures.
        with suppress(VermilionError):
            alarm.raise_alarm(reason, key_id, identifier, digest)
    return reason


def _end(
    facts: Facts,
    now: datetime,
    *,
    claims: Claims | None = None,
    licence: LiveLicence | None = None,
    printout: Printout | None = None,
    identifier: str | None = None,
    alarm: str | None = None,
    found: StatusList | None = None,
    showing: Showing | None = None,
) -> Outcome:
    as_of = now if licence is None else licence.as_of
    if found is not None and facts.status is not Status.NOT_CHECKED:
        as_of = found.issued_at
    verification = decide(
        facts,
        as_of=as_of,
        how=None if licence is None else licence.how,
        identifier=identifier if licence is None else licence.record.identifier,
        copy=_copy(claims, licence, printout),
        showing=showing,
    )
    return Outcome(verification, claims, licence, printout, facts, alarm, found)


def _copy(claims: Claims | None, licence: LiveLicence | None, printout: Printout | None) -> Annotation | None:
    """The annotation of what was checked: as the registry has it, else as what is proven says."""
    if licence is not None:
        return None if licence.copy is None else licence.copy.annotation
    if printout is not None:
        return printout.record.copy
    return None if claims is None else claims.copy
