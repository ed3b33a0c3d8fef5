"""How an intent ends: transaction 2 registers the edition, or the intent is abandoned (design, section 4.4).

Issuing and recovery end intents through these two functions alone. Both begin with the same conditional
update, on the intent being open under the caller's fence, so of two who try only one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.documents import document_key
from registry.licences.examine import may_issue
from registry.licences.issued import ORIGINAL
from registry.licences.records import stored_record
from registry.licences.tables import (
    Document,
    Edition,
    IdempotencyKey,
    Intent,
    Number,
    StatusIndex,
    TypeVersion,
)
from registry.licences.types import parse_type, still_published
from registry.log.rules import Ground, record_event
from registry.ports import Random
from registry.rows import changed_rows
from registry.seals.tables import Key
from registry.seals.use import apply_use, still_usable, void_use
from signing.record import Record


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is registered of a sealed document that lies in the store already."""

    sha256: bytes
    size: int
    level: str
    sealed_at: datetime
    credential_sha256: bytes


@dataclass(frozen=True, slots=True)
class Moment:
    now: datetime
    day: date
    random: Random


def register(
    session: Session, intent_id: str, fence: int, sealed: Sealed, actor: Actor | None, moment: Moment
) -> None:
    """Transaction 2: edition, document, seal use, event and leaf, if everything still holds.

    A first edition has no predecessor; its licence's number and identifier are unique by constraint.
    `actor` is None in recovery. Raises VermilionError(CONFLICT) with reason `taken_over`, `seal_changed`,
    `not_entitled` or `qr_key_retired`; the caller's transaction must then be rolled back.
    """
    ended = (
        update(Intent)
        .where(Intent.id == intent_id, Intent.state == "open", Intent.fence == fence)
        .values(state="done", ended_at=moment.now)
    )
    if changed_rows(session, ended) != 1:
        raise _no_longer("the intent is no longer this one's to end", "taken_over")
    intent = session.execute(select(Intent).where(Intent.id == intent_id)).scalar_one()
    record = stored_record(intent.record)
    if not still_usable(
        session,
        seal_edition_id=intent.seal_edition_id,
        state_version=intent.seal_state_version,
        authorisation_id=intent.authorisation_id,
        client_id=intent.client_id,
        type_code=record.type_code,
        day=moment.day,
    ):
        raise _no_longer("the seal or its authorisation changed meanwhile", "seal_changed")
    if not may_issue(session, intent.client_id, record.issuer_code, record.type_code) or not still_published(
        session, record.type_code, record.type_version
    ):
        raise _no_longer("client or type are no longer entitled", "not_entitled")
    qr_state = session.scalar(select(Key.state).where(Key.id == intent.qr_key_id).with_for_update(read=True))
    if qr_state != "active":
        raise _no_longer("the agency's key for QR codes changed meanwhile", "qr_key_retired")
    session.execute(
        insert(Edition).values(
            id=intent_id,
            licence_id=intent.licence_id,
            number=record.edition,
            identifier=record.identifier,
            record=intent.record,
            status="in_force",
            status_version=1,
            since=record.issue_date,
            valid_from=record.valid_from,
            valid_to=record.valid_to,
            link_id_sha256=intent.link_id_sha256,
            lookup_sha256=intent.lookup_sha256,
            credential_sha256=sealed.credential_sha256,
            seal_edition_id=intent.seal_edition_id,
            seal_state_version=intent.seal_state_version,
            sealed_at=sealed.sealed_at,
            registered_at=moment.now,
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
            registered_at=moment.now,
        )
    )
    apply_use(session, intent_id, sealed.sha256, moment.now)
    record_event(
        session,
        kind="licence.issued",
        subject_kind="edition",
        subject=intent_id,
        ground=Ground(intent.matter_code, "issued", record.issue_date),
        actor=actor or _actor_of(intent, record),
        now=moment.now,
        random=moment.random,
        detail={
            "identifier": record.identifier,
            "document": sealed.sha256.hex(),
            "level": sealed.level,
            "recovered": actor is None,
        },
    )


def abandon(
    session: Session, intent_id: str, fence: int, reason: str, actor: Actor | None, moment: Moment
) -> bool:
    """End an open intent without a licence; False if it is not open under this fence.

    The seal use becomes void, the slot invalid, the idempotency key and a number given by the agency free.
    The registry's own serial, and number, stay burnt; the event says so. What lies in the store under the
    intent's id is never looked up again.
    """
    ended = (
        update(Intent)
        .where(Intent.id == intent_id, Intent.state == "open", Intent.fence == fence)
        .values(state="abandoned", ended_at=moment.now, end_reason=reason[:60])
    )
    if changed_rows(session, ended) != 1:
        return False
    intent = session.execute(select(Intent).where(Intent.id == intent_id)).scalar_one()
    record = stored_record(intent.record)
    version = session.get_one(TypeVersion, (record.type_code, record.type_version))
    rule = parse_type(version.slug, version.type_toml, version.face_toml).type.number
    if rule.given_by == "agency":
        given = delete(Number).where(  # by its key: numbers are as many as licences
            Number.type_code == record.type_code,
            Number.issuer_code == record.issuer_code,
            Number.number == record.number,
            Number.licence_id == intent.licence_id,
        )
        changed_rows(session, given)
    changed_rows(session, delete(IdempotencyKey).where(IdempotencyKey.intent_id == intent_id))
    changed_rows(session, update(StatusIndex).where(StatusIndex.intent_id == intent_id).values(invalid=True))
    void_use(session, intent_id, moment.now)
    record_event(
        session,
        kind="licence.abandoned",
        subject_kind="edition",
        subject=intent_id,
        ground=Ground("", reason[:40], moment.day),
        actor=actor,
        now=moment.now,
        random=moment.random,
        detail={"identifier": record.identifier},
    )
    return True


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
