"""What a custodian asks before it signs a CRL, OCSP answer or status list: that it says what is on record."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import NoReturn

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.certificates import key_identifier
from keys.crl import RevocationList as CrlContent
from keys.crl import read_tbs
from keys.custodian import Kind as SignKind
from keys.custodian import Purpose, SignRequest
from keys.errors import Kind, VermilionError
from keys.ocsp import matches, read_response_data
from keys.profiles import ProfileName
from keys.status_list import Token, hold_for, read_cwt_input, read_jwt_input
from keys.suite import SUITES
from keys.trust_list import kid_of
from registry.licences.status_tables import StatusListState, StatusListToken
from registry.seals.keys import key_ref
from registry.seals.responder import LIFE, statuses
from registry.seals.revocation_list import LIFE as LIST_LIFE
from registry.seals.serving import certified_keys
from registry.seals.tables import Certificate, CertificateStatus, Key, RevocationList

PATIENCE = timedelta(seconds=30)  # between reading a status and signing it
LIST_PATIENCE = timedelta(minutes=5)  # the same of a CRL or a status list, which is long
AHEAD = timedelta(seconds=30)  # of a list's moment: two hosts' clocks differ


def require_drafted_crl(
    session: Session, key: Key, ca_key_id: str, number: int, data: bytes, now: datetime
) -> None:
    """A CRL is the very one on record under its number, and none later is signed. It is of this moment, holds
    as long as an issuing CA's lists do, and says of each certificate what is on record.
    """
    row = session.get(RevocationList, (ca_key_id, number))
    signed = session.scalar(
        select(func.max(RevocationList.number)).where(
            RevocationList.ca_key_id == ca_key_id, RevocationList.der.is_not(None)
        )
    )
    if ca_key_id != key.id or row is None or row.der is not None or number <= (signed or 0):
        _refuse("this is not a CRL that waits for its signature", "crl_number")
    if sha256(data).digest() != row.tbs_sha256:
        _refuse("the CRL is not the one on record", "crl")
    said = read_tbs(data, SUITES[key_ref(key).suite])
    if not now - LIST_PATIENCE <= said.this_update <= now + AHEAD:
        _refuse("the CRL is not of this moment", "crl_time")
    # A root's are made at ceremonies alone, and the last one of a former root holds to its end.
    if key.purpose == Purpose.ISSUING_CA.value and said.next_update != said.this_update + LIST_LIFE:
        _refuse("the CRL holds for longer than lists do, or not as long", "crl_time")
    if not _says_what_is_on_record(session, ca_key_id, said):
        _refuse("the CRL says another thing of a certificate than the record", "crl_content")


def _says_what_is_on_record(session: Session, ca_key_id: str, said: CrlContent) -> bool:
    """Whether the entries are those of the certificates that were revoked or held when it was drafted. What
    changed since then, in the same second too, may stand in it or not.
    """
    rows = session.execute(
        select(Certificate.serial, Certificate.crl_entry, Certificate.not_after, CertificateStatus.from_at)
        .outerjoin(
            CertificateStatus,
            (CertificateStatus.serial == Certificate.serial)
            & (CertificateStatus.version == Certificate.state_version),
        )
        .where(Certificate.issuer_key_id == ca_key_id)
        .where(Certificate.crl_entry.is_not(None) | (Certificate.state_version > 1))
    )
    known = 0
    for serial, entry, not_after, changed_at in rows:
        there = said.entries.get(int(serial, 16))
        known += there is not None
        if changed_at is not None and changed_at >= said.this_update:
            continue
        if there != entry and (there is not None or not_after >= said.this_update):
            return False
    return known == len(said.entries)


def require_drafted_status_list(
    session: Session, key: Key, number: int, generation: int, request: SignRequest, now: datetime
) -> None:
    """A status list is the very one on record under its generation, for this key; none later is signed. It
    is of this moment, for no longer than lists hold, and says what the registry holds of it, in either form.
    """
    row = session.get(StatusListToken, (number, generation))
    signed = session.scalar(
        select(func.max(StatusListToken.generation)).where(
            StatusListToken.list == number, StatusListToken.jwt.is_not(None)
        )
    )
    if row is None or row.key_id != key.id or row.jwt is not None or generation <= (signed or 0):
        _refuse("this is not a status list that waits for its signature", "status_list_generation")
    on_record = row.jwt_sha256 if request.kind is SignKind.STATUS_LIST_JWT else row.cwt_sha256
    if sha256(request.data).digest() != on_record:
        _refuse("the status list is not the one on record", "status_list")
    token = _read_list(key, request)
    content = token.content
    if token.kid != kid_of(key.public_key) or not content.uri.endswith(f"/status/{number}"):
        _refuse("the status list names another key, or is another list", "status_list")
    if (content.uri, content.issued_at, content.expires_at) != (row.uri, row.issued_at, row.expires_at):
        _refuse("the status list says another thing than its record", "status_list")
    if not now - LIST_PATIENCE <= content.issued_at <= now + AHEAD:
        _refuse("the status list is not of this moment", "status_list_time")
    if hold_for(content.issued_at, content.expires_at) != (content.expires_at, content.ttl):
        _refuse("the status list holds for too long", "status_list_time")
    held = session.get(StatusListState, number)
    if held is None or (held.version, held.lst) != (row.version, content.lst):
        _refuse("the status list says another thing than the registry holds of it", "status_list_content")


def _read_list(key: Key, request: SignRequest) -> Token:
    read = read_jwt_input if request.kind is SignKind.STATUS_LIST_JWT else read_cwt_input
    try:
        return read(request.data, SUITES[key_ref(key).suite])
    except VermilionError as error:
        _refuse(error.detail, "status_list")


def require_true_answer(session: Session, key: Key, data: bytes, now: datetime) -> None:
    """An OCSP answer says the status on record of each certificate of the responder's own CA, as of now."""
    row = session.execute(certified_keys(ProfileName.OCSP, now).where(Key.id == key.id).limit(1)).first()
    if row is None:
        _refuse("the key answers for no authority now", "ocsp_responder")
    certificate = row.Certificate
    ca = session.scalars(
        select(Certificate.der)
        .where(Certificate.key_id == certificate.issuer_key_id, Certificate.der.is_not(None))
        .limit(1)
    ).one()
    said = read_response_data(data)
    if said.responder != key_identifier(key.public_key):
        _refuse("the answer names another responder", "ocsp_responder")
    if not now - PATIENCE <= said.produced_at <= now:
        _refuse("the answer is not of this moment", "ocsp_time")
    found = statuses(session, certificate.issuer_key_id, [answer.cert_id.serial for answer in said.answers])
    for answer, on_record in zip(said.answers, found, strict=True):
        if ca is None or not matches(ca, answer.cert_id):
            _refuse("the answer is about another authority's certificate", "ocsp_issuer")
        if answer.this_update != said.produced_at or not (
            answer.this_update < answer.next_update <= min(answer.this_update + LIFE, certificate.not_after)
        ):
            _refuse("the answer holds for too long", "ocsp_time")
        if answer.status != on_record.status:
            _refuse("the certificate has another status by now", "status_changed")


def _refuse(detail: str, reason: str) -> NoReturn:
    raise VermilionError(Kind.KEY_REFUSED, detail, reason=reason)
