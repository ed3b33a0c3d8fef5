"""How intents end: transaction 2 registers the editions, or the intents are abandoned (design, section 4.4).

Issuing and recovery end intents through these two functions alone. Both begin by locking the intents, open
and under the caller's fences, so of two who try only one does; what they record is timed under that lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.documents import document_key
from registry.driver_select import Prepared
from registry.licences.copying import Source, orders_of, sources
from registry.licences.duties import still_officer
from registry.licences.examine import may_issue
from registry.licences.issued import ORIGINAL
from registry.licences.moment import Moment, moment
from registry.licences.operations import REPLACED
from registry.licences.public_records import public_text
from registry.licences.records import open_record
from registry.licences.status_changes import note_changes
from registry.licences.succession import Successor, replace_editions, successors
from registry.licences.tables import (
    AnnotatedCopy,
    CoSeal,
    Document,
    DocumentStamp,
    Edition,
    Holding,
    IdempotencyKey,
    Intent,
    Licence,
    Number,
    StatusIndex,
    Succession,
)
from registry.licences.types import newest_version, published_version, type_version
from registry.log.rules import Ground, Happening, record_events
from registry.ports import Ports
from registry.rows import changed_each, changed_rows, insert_rows
from registry.seals.tables import Key
from registry.seals.use import apply_uses, still_usable, void_uses
from registry.uses import rules as uses
from registry.uses.rules import Purpose, Used, UseKind
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
    stamped_at: datetime | None  # None at B-B
    stamped_by: str | None  # SHA-256 of the time-stamp authority's certificate, hex; None at B-B
    credential_sha256: bytes
    co_sealed_at: tuple[datetime, ...]  # by the further seals of a joint licence


def sealed_as(data: bytes, evidence: FileEvidence, credential: bytes) -> Sealed:
    """Of a document that the strict check has accepted."""
    own = evidence.stamps[0] if evidence.stamps else None
    return Sealed(
        sha256=evidence.sha256,
        size=len(data),
        level=evidence.level,
        sealed_at=evidence.sealed_at,
        stamped_at=None if own is None else own.at,
        stamped_by=None if own is None else sha256(own.by).hexdigest(),
        credential_sha256=sha256(credential).digest(),
        co_sealed_at=tuple(one.sealed_at for one in evidence.seals[1:]),
    )


@dataclass(frozen=True, slots=True)
class Registration:
    """A sealed document for its intent."""

    intent_id: str
    fence: int
    sealed: Sealed


@dataclass(frozen=True, slots=True)
class Ending:
    """An intent that comes to nothing."""

    intent_id: str
    fence: int
    reason: str


def register(
    session: Session, ports: Ports, wanted: Sequence[Registration], actor: Actor | None
) -> list[VermilionError | None]:
    """Transaction 2: edition, document, seal use, event and leaf of each, if everything still holds for it;
    and the time-stamp that is due where the document has none. None for each that was registered, or
    why it was not: that one's intent stays as it was.

    A first edition has no predecessor; its licence's number and identifier are unique by constraint. The
    edition before a next one ends in the same commit, if it is still what the decision rests on. `actor` is
    None in recovery. An annotated copy is registered beside the edition that it is of, if that is still in
    force. The failures: CONFLICT with reason `taken_over`, `seal_changed`, `not_entitled`, `qr_key_retired`,
    `previous_changed`, or `licence_changed` and `copy_status` for a copy. Raises VermilionError where none
    may be registered: the caller's transaction must then be rolled back.
    """
    intents = _open_intents(session, {one.intent_id: one.fence for one in wanted})
    at = moment(ports)
    records = {one.id: open_record(ports.vault, one.id, one.record) for one in intents.values()}
    further = _further_seals(session, [one for one, record in records.items() if record.seals])
    failures: dict[str, VermilionError] = {}
    permitted: dict[_Conditions, LicenceType | VermilionError] = {}
    whole: list[_Registered] = []
    for one in wanted:
        intent = intents.get(one.intent_id)
        if intent is None:
            failures[one.intent_id] = _no_longer("the intent is no longer this one's to end", "taken_over")
            continue
        record = records[one.intent_id]
        conditions = _conditions(intent, record, further.get(one.intent_id, ()))
        if conditions not in permitted:
            try:
                permitted[conditions] = _require_still_entitled(session, conditions, at)
            except VermilionError as error:
                permitted[conditions] = error
        licence_type = permitted[conditions]
        if isinstance(licence_type, VermilionError):
            failures[one.intent_id] = licence_type
        else:
            whole.append(_Registered(intent, record, licence_type, one.sealed))
    copies = [one for one in whole if one.record.copy is not None]
    whole = [one for one in whole if one.record.copy is None]
    following = successors(session, [one.intent.id for one in whole if one.record.edition > 1])
    copied = sources(session, orders_of(session, [one.intent.id for one in copies]), at.day)
    for found in (following, copied):
        failures |= {of: failure for of, failure in found.items() if isinstance(failure, VermilionError)}
    if whole := [_following(one, following) for one in whole if one.intent.id not in failures]:
        _write(session, ports, whole, actor, at)
    pairs = [(one, copied[one.intent.id]) for one in copies]
    if made := [(one, source) for one, source in pairs if isinstance(source, Source)]:
        _write_copies(session, ports, made, actor, at)
    return [failures.get(one.intent_id) for one in wanted]


_Intent = Any  # a row of `_OPEN`
_OPEN = Prepared(
    select(*Intent.__table__.columns)
    .where(Intent.id.in_(bindparam("ids", expanding=True)), Intent.state == "open")
    .order_by(Intent.id)
    .with_for_update()
)
_END = Prepared(
    update(Intent)
    .where(Intent.id.in_(bindparam("ids", expanding=True)))
    .values(state=bindparam("to"), ended_at=bindparam("now"), end_reason=bindparam("why"))
)
_KEY_STATE = Prepared(select(Key.state).where(Key.id == bindparam("id")).with_for_update(read=True))


@dataclass(frozen=True, slots=True)
class _Registered:
    intent: _Intent
    record: Record
    type: LicenceType
    sealed: Sealed
    successor: Successor | None = None  # of a next edition

    @property
    def ground(self) -> Ground:
        """The law of a first edition is its type's; a next one has a decision of its own."""
        if self.successor is not None:
            return self.successor.ground
        return Ground(self.type.legal_basis, "issued", self.record.issue_date)


def _following(one: _Registered, found: Mapping[str, Successor | VermilionError]) -> _Registered:
    successor = found.get(one.intent.id)
    return replace(one, successor=successor) if isinstance(successor, Successor) else one


@dataclass(frozen=True, slots=True)
class _SealThen:
    """A seal as it was found usable in transaction 1."""

    edition_id: str
    state_version: int
    authorisation_id: str


@dataclass(frozen=True, slots=True)
class _Conditions:
    """What must hold still for licences that are issued under the same: asked once for all of them."""

    seals: tuple[_SealThen, ...]
    client_id: str
    person_id: str | None
    qr_key_id: str
    issuer_code: str
    type_code: str
    type_version: int
    copied: bool  # a licence outlives the version that it was issued by


def _further_seals(session: Session, intent_ids: Sequence[str]) -> dict[str, tuple[_SealThen, ...]]:
    """Of joint licences, by intent and in order."""
    found: dict[str, tuple[_SealThen, ...]] = {}
    if intent_ids:
        rows = select(CoSeal).where(CoSeal.intent_id.in_(intent_ids)).order_by(CoSeal.intent_id, CoSeal.place)
        for row in session.scalars(rows):
            seal = _SealThen(row.seal_edition_id, row.seal_state_version, row.authorisation_id)
            found[row.intent_id] = (*found.get(row.intent_id, ()), seal)
    return found


def _conditions(intent: _Intent, record: Record, further: tuple[_SealThen, ...]) -> _Conditions:
    first = _SealThen(intent.seal_edition_id, intent.seal_state_version, intent.authorisation_id)
    return _Conditions(
        seals=(first, *further),
        client_id=intent.client_id,
        person_id=intent.person_id,
        qr_key_id=intent.qr_key_id,
        issuer_code=record.issuer_code,
        type_code=record.type_code,
        type_version=record.type_version,
        copied=record.copy is not None,
    )


def _write(
    session: Session, ports: Ports, whole: Sequence[_Registered], actor: Actor | None, at: Moment
) -> None:
    _end(session, [one.intent.id for one in whole], "done", at)
    insert_rows(session, Edition, [_edition(one, at) for one in whole])
    insert_rows(session, Document, [_document(one, at) for one in whole])
    waiting = {"state": "waiting", "attempt": 0, "imprint": None, "due_at": at.now}
    without = [one for one in whole if one.sealed.stamped_by is None]
    stamps = [{"edition_id": one.intent.id, "form": one.sealed.sha256, **waiting} for one in without]
    insert_rows(session, DocumentStamp, stamps)
    co_seals = _co_sealed(session, whole)
    apply_uses(session, {one.intent.id: one.sealed.sha256 for one in whole}, at.now, co_seals)
    record_events(
        session,
        kind="licence.issued",
        subject_kind="edition",
        happenings=[
            Happening(
                subject=one.intent.id,
                ground=one.ground,
                actor=_actor_of(one.intent, one.record.issuer_code),
                detail=_issued_detail(one, recovered=actor is None),
            )
            for one in whole
        ],
        now=at.now,
        random=ports.random,
    )
    _end_those_before(session, ports, [one for one in whole if one.successor is not None], at)


def _write_copies(
    session: Session,
    ports: Ports,
    made: Sequence[tuple[_Registered, Source]],
    actor: Actor | None,
    at: Moment,
) -> None:
    whole = [one for one, _ in made]
    _end(session, [one.intent.id for one in whole], "done", at)
    insert_rows(session, AnnotatedCopy, [_copy(one, source, at) for one, source in made])
    co_seals = _co_sealed(session, whole)
    apply_uses(session, {one.intent.id: one.sealed.sha256 for one in whole}, at.now, co_seals)
    record_events(
        session,
        kind="licence.copied",
        subject_kind="edition",
        happenings=[
            Happening(
                subject=source.edition_id,
                ground=Ground(one.type.legal_basis, "copied", at.day),
                actor=_actor_of(one.intent, one.record.issuer_code),
                detail={
                    "identifier": source.identifier,
                    "copy": one.intent.id,
                    "holder_wish": source.holder_wish,
                    "matter_code": one.intent.matter_code,
                    "case_number": one.intent.case_number,
                    "document": one.sealed.sha256.hex(),
                    "level": one.sealed.level,
                    "recovered": actor is None,
                },
            )
            for one, source in made
        ],
        now=at.now,
        random=ports.random,
    )
    for one, source in made:
        _record_use(session, ports, one, source)


def _record_use(session: Session, ports: Ports, one: _Registered, source: Source) -> None:
    """For its holder to see: for what the copy was made, and for whom."""
    intent, copy = one.intent, one.record.copy
    assert copy is not None
    case = intent.matter_code, intent.case_number
    purpose = Purpose(*case, copy.purpose, one.type.legal_basis, copy.recipient)
    by = _actor_of(intent, one.record.issuer_code)
    uses.record(session, ports, Used(source.edition_id, intent.licence_id), UseKind.COPIED, by, purpose)


def _copy(one: _Registered, source: Source, at: Moment) -> dict[str, Any]:
    intent, sealed, copy = one.intent, one.sealed, one.record.copy
    assert copy is not None
    return {
        "id": intent.id,
        "edition_id": source.edition_id,
        "purpose": copy.purpose,
        "recipient": copy.recipient,
        "valid_to": copy.valid_to,
        "made_on": copy.made_on,
        "count": copy.count,
        "withdrawn_on": None,
        "withdrawn_at": None,
        "origin": intent.origin,
        "link_id_sha256": intent.link_id_sha256,
        "lookup_sha256": intent.lookup_sha256,
        "credential_sha256": sealed.credential_sha256,
        "seal_edition_id": intent.seal_edition_id,
        "seal_state_version": intent.seal_state_version,
        "sealed_at": sealed.sealed_at,
        "sha256": sealed.sha256,
        "size": sealed.size,
        "level": sealed.level,
        "stamped_at": sealed.stamped_at,
        "stamped_by": sealed.stamped_by,
        "registered_at": at.now,
    }


def _issued_detail(one: _Registered, *, recovered: bool) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "identifier": one.record.identifier,
        "matter_code": one.intent.matter_code,
        "case_number": one.intent.case_number,
        "document": one.sealed.sha256.hex(),
        "level": one.sealed.level,
        "recovered": recovered,
    }
    if one.successor is not None:
        detail |= {"operation": one.successor.operation, "previous": one.successor.identifier}
    return detail


def _end_those_before(session: Session, ports: Ports, made: Sequence[_Registered], at: Moment) -> None:
    """The editions whose places were taken, and their events."""
    if not made:
        return
    pairs = [(one, one.successor) for one in made if one.successor is not None]
    replace_editions(session, [successor for _, successor in pairs])
    note_changes(session, ports.random, [successor.previous_id for _, successor in pairs], at.now)
    record_events(
        session,
        kind="licence.replaced",
        subject_kind="edition",
        happenings=[
            Happening(
                subject=successor.previous_id,
                ground=successor.ground,
                actor=_actor_of(one.intent, one.record.issuer_code),
                detail={
                    "identifier": successor.identifier,
                    "status": "ended",
                    "status_version": successor.status_version + 1,
                    "how": REPLACED,
                    "operation": successor.operation,
                    "next": one.record.identifier,
                },
            )
            for one, successor in pairs
        ],
        now=at.now,
        random=ports.random,
    )


def _co_sealed(session: Session, whole: Sequence[_Registered]) -> int:
    """When the further seals of joint licences were put on them; how many those are."""
    rows = [
        {"of_intent": one.intent.id, "at_place": place, "at": sealed_at}
        for one in whole
        for place, sealed_at in enumerate(one.sealed.co_sealed_at, 2)
    ]
    statement = (
        update(CoSeal)
        .where(CoSeal.intent_id == bindparam("of_intent"), CoSeal.place == bindparam("at_place"))
        .values(sealed_at=bindparam("at"))
    )
    if changed_each(session, statement, rows) != len(rows):
        raise _no_longer("the document bears other seals than its intent", "seal_use")
    return len(rows)


def _edition(one: _Registered, at: Moment) -> dict[str, Any]:
    intent, record = one.intent, one.record
    return {
        "id": intent.id,
        "licence_id": intent.licence_id,
        "issuer_code": record.issuer_code,
        "type_code": record.type_code,
        "number": record.edition,
        "identifier": record.identifier,
        "public_record": public_text(public_record(record, one.type)),
        "status": "in_force",
        "status_version": 1,
        "since": one.ground.effective_from,
        "issue_date": record.issue_date,
        "valid_from": record.valid_from,
        "valid_to": record.valid_to,
        "origin": intent.origin,
        "link_id_sha256": intent.link_id_sha256,
        "lookup_sha256": intent.lookup_sha256,
        "credential_sha256": one.sealed.credential_sha256,
        "seal_edition_id": intent.seal_edition_id,
        "seal_state_version": intent.seal_state_version,
        "sealed_at": one.sealed.sealed_at,
        "registered_at": at.now,
    }


def _document(one: _Registered, at: Moment) -> dict[str, Any]:
    sealed = one.sealed
    return {
        "sha256": sealed.sha256,
        "edition_id": one.intent.id,
        "kind": ORIGINAL,
        "format": "pdf",
        "level": sealed.level,
        "store_key": document_key(one.intent.id),
        "size": sealed.size,
        "stamped_at": sealed.stamped_at,
        "stamped_by": sealed.stamped_by,
        "registered_at": at.now,
        "followed": sealed.stamped_by is None,
    }


def abandon(session: Session, ports: Ports, endings: Sequence[Ending], actor: Actor | None) -> set[str]:
    """End open intents without a licence or a copy; the ids of those that were open under their fence.

    The seal use becomes void, the slot invalid, the idempotency key and a number given by the agency free;
    the licence of a next edition stays what it was, and that edition's number is not used again. The
    registry's own serial, and number, stay burnt; the event says so, and names the law that the licence was
    to be issued under. What lies in the store under the intent's id is never looked up again. `actor` is
    None in recovery.
    """
    intents = _open_intents(session, {one.intent_id: one.fence for one in endings})
    ending = [one for one in endings if one.intent_id in intents]
    if not ending:
        return set()
    at = moment(ports)
    ids = [one.intent_id for one in ending]
    for reason in sorted({one.reason for one in ending}):
        _end(session, [one.intent_id for one in ending if one.reason == reason], "abandoned", at, reason)
    free, happenings = [], []
    next_editions = set(session.scalars(select(Succession.intent_id).where(Succession.intent_id.in_(ids))))
    copies = orders_of(session, ids)
    first = [one for one in ids if one not in next_editions and one not in copies]
    begun = [intents[one].licence_id for one in first]
    for one in ending:
        intent = intents[one.intent_id]
        record, licence_type = _as_far_as_known(session, ports, intent)
        if licence_type.number.given_by == "agency" and one.intent_id in first:
            free.append(intent.licence_id)
        order = copies.get(one.intent_id)
        happenings.append(
            Happening(
                subject=one.intent_id if order is None else order.edition_id,
                ground=Ground(licence_type.legal_basis, one.reason[:40], at.day),
                actor=None if actor is None else _actor_of(intent, actor.agency_code),
                detail={
                    "identifier": None if record is None else record.identifier,
                    "matter_code": intent.matter_code,
                    "case_number": intent.case_number,
                    **({} if order is None else {"copy": one.intent_id}),
                },
            )
        )
    changed_rows(session, delete(Holding).where(Holding.licence_id.in_(begun)))
    changed_rows(session, delete(Number).where(Number.licence_id.in_(free)))
    changed_rows(session, delete(IdempotencyKey).where(IdempotencyKey.intent_id.in_(ids)))
    changed_rows(session, update(StatusIndex).where(StatusIndex.intent_id.in_(ids)).values(invalid=True))
    note_changes(session, ports.random, ids, at.now)
    further = select(func.count()).select_from(CoSeal).where(CoSeal.intent_id.in_(ids))
    void_uses(session, ids, at.now, session.scalars(further).one())
    of_copies = [one for one in happenings if "copy" in one.detail]
    of_editions = [one for one in happenings if "copy" not in one.detail]
    for kind, some in (("licence.abandoned", of_editions), ("licence.copy_abandoned", of_copies)):
        if some:
            record_events(
                session,
                kind=kind,
                subject_kind="edition",
                happenings=some,
                now=at.now,
                random=ports.random,
            )
    return set(ids)


def _as_far_as_known(session: Session, ports: Ports, intent: _Intent) -> tuple[Record | None, LicenceType]:
    """The record of an intent that ends, None where it was altered where it is kept: its intent comes to an
    end all the same. Raises VermilionError(UNAVAILABLE).
    """
    try:
        record = open_record(ports.vault, intent.id, intent.record)
    except VermilionError as error:
        if error.kind is Kind.UNAVAILABLE:
            raise
        licence = session.get_one(Licence, intent.licence_id)
        return None, newest_version(session, licence.type_code).type
    return record, type_version(session, record.type_code, record.type_version).type


def _open_intents(session: Session, fences: Mapping[str, int]) -> dict[str, _Intent]:
    """Those intents that are open under these fences, by id, locked until the transaction ends."""
    rows = _OPEN.rows(session, ids=list(fences)) if fences else ()
    return {row.id: row for row in rows if row.fence == fences[row.id]}


def _end(session: Session, ids: Sequence[str], state: str, at: Moment, reason: str | None = None) -> None:
    why = None if reason is None else reason[:60]
    _END.changed(session, ids=list(ids), to=state, now=at.now, why=why)


def _require_still_entitled(session: Session, wanted: _Conditions, at: Moment) -> LicenceType:
    """What transaction 1 found still holds, its rows locked; the type. Raises VermilionError(CONFLICT)."""
    for place, seal in enumerate(wanted.seals, 1):
        if not still_usable(
            session,
            seal_edition_id=seal.edition_id,
            state_version=seal.state_version,
            authorisation_id=seal.authorisation_id,
            client_id=wanted.client_id,
            type_code=wanted.type_code,
            day=at.day,
            agency_code=wanted.issuer_code if place == 1 else None,
        ):
            raise _no_longer("the seal or its authorisation changed meanwhile", "seal_changed")
    of_version = type_version if wanted.copied else published_version
    loaded = of_version(session, wanted.type_code, wanted.type_version)
    if (
        loaded is None
        or loaded.face.seal_count != len(wanted.seals)
        or not may_issue(session, wanted.client_id, wanted.issuer_code, wanted.type_code)
        or not still_officer(session, wanted.person_id)
    ):
        raise _no_longer("client, person or type are no longer entitled", "not_entitled")
    qr_state = _KEY_STATE.value(session, id=wanted.qr_key_id)
    if qr_state != "active":
        raise _no_longer("the agency's key for QR codes changed meanwhile", "qr_key_retired")
    return loaded.type


def _actor_of(intent: _Intent, agency_code: str) -> Actor:
    """On whose behalf the intent was written."""
    return Actor(
        client_id=intent.client_id,
        agency_code=agency_code,
        scopes=frozenset(),
        person_id=intent.person_id,
        operator=intent.operator,
    )


def _no_longer(detail: str, reason: str) -> VermilionError:
    return VermilionError(Kind.CONFLICT, detail, reason=reason)
