"""How an intent ends: transaction 2 registers the edition, or the intent is abandoned (design, section 4.4).

Issuing and recovery end intents through these two functions alone. Both begin by locking the intent, open
and under the caller's fence, so of two who try only one does; what they record is timed under that lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.documents import document_key
from registry.licences.duties import still_officer
from registry.licences.examine import may_issue
from registry.licences.issued import ORIGINAL
from registry.licences.moment import Moment, moment
from registry.licences.public_records import public_text
from registry.licences.records import open_record
from registry.licences.tables import (
    Document,
    Edition,
    IdempotencyKey,
    Intent,
    Licence,
    Number,
    StatusIndex,
    TimeStampRepair,
)
from registry.licences.types import newest_version, published_version, type_version
from registry.log.rules import Ground, record_event
from registry.ports import Ports
from registry.rows import changed_rows
from registry.seals.tables import Key
from registry.seals.use import apply_use, still_usable, void_use
from signing.disclosure import public_record
from signing.licence_type import LicenceType
from signing.record import Record
from signing.strict_check import FileEvidence


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is registered of a sealed document that lies in the store already."""

    sha256: bytes
    size: int
    level: str
    sealed_at: datetime
    stamped_by: str | None  # SHA-256 of the time-stamp authority's certificate, hex; None at B-B
    credential_sha256: bytes


def sealed_as(data: bytes, evidence: FileEvidence, credential: bytes) -> Sealed:
    """Of a document that the strict check has accepted."""
    own = evidence.stamps[0] if evidence.stamps else None
    return Sealed(
        sha256=sha256(data).digest(),
        size=len(data),
        level=evidence.level,
        sealed_at=evidence.sealed_at,
        stamped_by=None if own is None else sha256(own.by).hexdigest(),
        credential_sha256=sha256(credential).digest(),
    )


def register(
    session: Session, ports: Ports, intent_id: str, fence: int, sealed: Sealed, actor: Actor | None
) -> None:
    """Transaction 2: edition, document, seal use, event and leaf, if everything still holds; and the repair
    that is due where the document has no time-stamp.

    A first edition has no predecessor; its licence's number and identifier are unique by constraint.
    `actor` is None in recovery. Raises VermilionError(CONFLICT) with reason `taken_over`, `seal_changed`,
    `not_entitled` or `qr_key_retired`; the caller's transaction must then be rolled back.
    """
    intent = _open_intent(session, intent_id, fence)
    if intent is None:
        raise _no_longer("the intent is no longer this one's to end", "taken_over")
    at = moment(ports)
    record = open_record(ports.vault, intent_id, intent.record)
    licence_type = _require_still_entitled(session, intent, record, at)
    _end(session, intent_id, "done", at)
    session.execute(
        insert(Edition).values(
            id=intent_id,
            licence_id=intent.licence_id,
            number=record.edition,
            identifier=record.identifier,
            public_record=public_text(public_record(record, licence_type)),
            status="in_force",
            status_version=1,
            since=record.issue_date,
            issue_date=record.issue_date,
            valid_from=record.valid_from,
            valid_to=record.valid_to,
            origin=intent.origin,
            link_id_sha256=intent.link_id_sha256,
            lookup_sha256=intent.lookup_sha256,
            credential_sha256=sealed.credential_sha256,
            seal_edition_id=intent.seal_edition_id,
            seal_state_version=intent.seal_state_version,
            sealed_at=sealed.sealed_at,
            registered_at=at.now,
        )
    )
    session.execute(
        insert(Document).values(
            sha256=sealed.sha256,
            edition_id=intent_id,
            kind=ORIGINAL,
            format="pdf",
            level=sealed.level,
            store_key=document_key(intent_id),
            size=sealed.size,
            stamped_at=None if sealed.stamped_by is None else sealed.sealed_at,
            stamped_by=sealed.stamped_by,
            registered_at=at.now,
        )
    )
    if sealed.stamped_by is None:
        waiting = {"edition_id": intent_id, "state": "waiting", "attempt": 0, "due_at": at.now}
        session.execute(insert(TimeStampRepair).values(waiting))
    apply_use(session, intent_id, sealed.sha256, at.now)
    record_event(
        session,
        kind="licence.issued",
        subject_kind="edition",
        subject=intent_id,
        ground=Ground(licence_type.legal_basis, "issued", record.issue_date),
        actor=actor or _actor_of(intent, record),
        now=at.now,
        random=ports.random,
        detail={
            "identifier": record.identifier,
            "matter_code": intent.matter_code,
            "case_number": intent.case_number,
            "document": sealed.sha256.hex(),
            "level": sealed.level,
            "recovered": actor is None,
        },
    )


def abandon(
    session: Session, ports: Ports, intent_id: str, fence: int, reason: str, actor: Actor | None
) -> bool:
    """End an open intent without a licence; False if it is not open under this fence.

    The seal use becomes void, the slot invalid, the idempotency key and a number given by the agency free.
    The registry's own serial, and number, stay burnt; the event says so, and names the law that the licence
    was to be issued under. What lies in the store under the intent's id is never looked up again.
    """
    intent = _open_intent(session, intent_id, fence)
    if intent is None:
        return False
    at = moment(ports)
    _end(session, intent_id, "abandoned", at, reason)
    record = None
    try:
        record = open_record(ports.vault, intent_id, intent.record)
    except VermilionError as error:
        if error.kind is Kind.UNAVAILABLE:
            raise  # else it was altered where it is kept, and its intent comes to an end all the same
    licence = session.get_one(Licence, intent.licence_id)
    if record is None:
        licence_type = newest_version(session, licence.type_code).type
    else:
        licence_type = type_version(session, record.type_code, record.type_version).type
    if licence_type.number.given_by == "agency":
        changed_rows(session, delete(Number).where(Number.licence_id == licence.id))
    changed_rows(session, delete(IdempotencyKey).where(IdempotencyKey.intent_id == intent_id))
    changed_rows(session, update(StatusIndex).where(StatusIndex.intent_id == intent_id).values(invalid=True))
    void_use(session, intent_id, at.now)
    record_event(
        session,
        kind="licence.abandoned",
        subject_kind="edition",
        subject=intent_id,
        ground=Ground(licence_type.legal_basis, reason[:40], at.day),
        actor=actor,
        now=at.now,
        random=ports.random,
        detail={
            "identifier": None if record is None else record.identifier,
            "matter_code": intent.matter_code,
            "case_number": intent.case_number,
        },
    )
    return True


def _open_intent(session: Session, intent_id: str, fence: int) -> Intent | None:
    """The intent, locked until the transaction ends; None unless it is open under this fence."""
    statement = select(Intent).where(Intent.id == intent_id, Intent.state == "open", Intent.fence == fence)
    return session.execute(statement.with_for_update()).scalar_one_or_none()


def _end(session: Session, intent_id: str, state: str, at: Moment, reason: str | None = None) -> None:
    values = {"state": state, "ended_at": at.now, "end_reason": None if reason is None else reason[:60]}
    changed_rows(session, update(Intent).where(Intent.id == intent_id).values(**values))


def _require_still_entitled(session: Session, intent: Intent, record: Record, at: Moment) -> LicenceType:
    """What transaction 1 found still holds, its rows locked; the type. Raises VermilionError(CONFLICT)."""
    if not still_usable(
        session,
        seal_edition_id=intent.seal_edition_id,
        state_version=intent.seal_state_version,
        authorisation_id=intent.authorisation_id,
        client_id=intent.client_id,
        type_code=record.type_code,
        day=at.day,
    ):
        raise _no_longer("the seal or its authorisation changed meanwhile", "seal_changed")
    loaded = published_version(session, record.type_code, record.type_version)
    if (
        loaded is None
        or not may_issue(session, intent.client_id, record.issuer_code, record.type_code)
        or not still_officer(session, intent.person_id)
    ):
        raise _no_longer("client, person or type are no longer entitled", "not_entitled")
    qr_state = session.scalar(select(Key.state).where(Key.id == intent.qr_key_id).with_for_update(read=True))
    if qr_state != "active":
        raise _no_longer("the agency's key for QR codes changed meanwhile", "qr_key_retired")
    return loaded.type


def _actor_of(intent: Intent, record: Record) -> Actor:
    """On whose behalf recovery completes what a process left."""
    return Actor(
        client_id=intent.client_id,
        agency_code=record.issuer_code,
        scopes=frozenset(),
        person_id=intent.person_id,
        operator=intent.operator,
    )


def _no_longer(detail: str, reason: str) -> VermilionError:
    return VermilionError(Kind.CONFLICT, detail, reason=reason)
