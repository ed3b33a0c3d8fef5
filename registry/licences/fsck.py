"""Does the record hold together? Reads everything and changes nothing: for operators and for the tests.

Intents, editions, documents, seal uses, numbers, slots, idempotency keys, states of seals and certificates,
and leaves are compared with each other, and each document with its edition. Open intents under a lease are
work in hand, not a fault.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Engine, ScalarSelect, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from keys.errors import VermilionError
from keys.trust_list import TrustList, read_trust_list
from registry.archive.broken import broken_archive
from registry.batches.broken import broken_batches
from registry.delivery.broken import broken_deliveries
from registry.licences.broken_copies import broken_copies
from registry.licences.broken_lives import broken_lives
from registry.licences.document_faults import StoredDocument, document_faults, kept_faults
from registry.licences.holdings import holder_of
from registry.licences.issued import ARCHIVED, DISPOSED_KEY, ORIGINAL, TIME_STAMPED, read_document
from registry.licences.lookup import current_trust_list
from registry.licences.numbers import number_mac
from registry.licences.outage import database_errors
from registry.licences.public_records import public_text
from registry.licences.records import open_record
from registry.licences.status_audit import broken_lists
from registry.licences.tables import (
    AnnotatedCopy,
    CopyOrder,
    CoSeal,
    Document,
    DocumentStamp,
    Edition,
    IdempotencyKey,
    Intent,
    Licence,
    Number,
    StatusIndex,
    TypeVersion,
)
from registry.licences.types import DRAFT, parse_licence_type, type_version
from registry.log.rules import leaf_bytes
from registry.log.tables import Event, Leaf
from registry.notices.broken import broken_notices
from registry.ports import DocumentStore, Ports
from registry.seals.anchor import broken_anchors
from registry.seals.broken_states import broken_states
from registry.seals.maker import altered_editions
from registry.seals.tables import SealUse
from registry.vault import DISPOSED, Vault
from registry.webhooks.broken import broken_webhooks
from signing.codes import parse_identifier
from signing.disclosure import public_record
from signing.record import Record
from signing.strict_check import strict_check

USE_OF_INTENT = {"open": "begun", "done": "applied", "abandoned": "void"}
BATCH = 500


def fsck(ports: Ports) -> list[str]:
    """Every finding as a sentence without personal data; empty where all is well.

    Raises VermilionError(UNAVAILABLE) without a database.
    """
    now = ports.clock()
    ports.vault.ready()
    with database_errors():
        try:
            trust = read_trust_list(current_trust_list(ports.database.read), at=now)
        except VermilionError as error:
            return [f"documents cannot be verified: no current trust list ({error.reason})"]
        with _snapshot(ports.database.read) as session:
            return [
                *_intents(session, ports.vault),
                *_co_seals(session),
                *_editions(session, ports, trust, now),
                *broken_copies(session, ports, trust, now),
                *broken_lives(session),
                *_time_stamped(session, ports.documents, trust, now),
                *_stamps(session),
                *broken_batches(session, ports.vault),
                *broken_webhooks(session, ports.vault),
                *broken_archive(session),
                *broken_notices(session, ports.vault),
                *broken_deliveries(session, ports.vault),
                *_numbers(session),
                *broken_lists(session),
                *_log(session),
                *altered_editions(session),
                *broken_states(session),
                *broken_anchors(session),
            ]


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Session]:
    """A session whose statements all see one moment, and which keeps no writer waiting."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901
        try:
            with Session(connection) as session:
                yield session
        finally:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("ROLLBACK")


def _intents(session: Session, vault: Vault) -> Iterator[str]:
    rows = session.execute(
        select(
            Intent,
            SealUse,
            StatusIndex,
            Edition.id,
            IdempotencyKey.key.is_not(None),
            Number,
            _count(CoSeal.intent_id),
            _count(SealUse.intent_id),
            CopyOrder.edition_id,
            AnnotatedCopy.edition_id,
        )
        .outerjoin(SealUse, and_(SealUse.intent_id == Intent.id, SealUse.place == 1))
        .outerjoin(StatusIndex, StatusIndex.intent_id == Intent.id)
        .outerjoin(Edition, Edition.id == Intent.id)
        .outerjoin(IdempotencyKey, IdempotencyKey.intent_id == Intent.id)
        .outerjoin(Number, Number.licence_id == Intent.licence_id)
        .outerjoin(CopyOrder, CopyOrder.intent_id == Intent.id)
        .outerjoin(AnnotatedCopy, AnnotatedCopy.id == Intent.id)
        .execution_options(yield_per=BATCH)
    )
    for intent, use, slot, edition_id, has_key, held, further, uses, ordered, copied in rows:
        name = f"intent {intent.id}"
        if intent.state not in USE_OF_INTENT:
            yield f"{name} has the impossible state {intent.state}"
        made = edition_id if ordered is None else copied
        if (made is not None) != (intent.state == "done"):
            what = "edition" if ordered is None else "copy"
            yield f"{name} is {intent.state}, and its {what} is {'there' if made else 'missing'}"
        if (edition_id if ordered else copied) is not None or (copied is not None and copied != ordered):
            yield f"{name} made another thing than was ordered"
        if use is None or use.state != USE_OF_INTENT.get(intent.state):
            yield f"{name} is {intent.state}, and its seal use is {use.state if use else 'missing'}"
        if slot is None or slot.invalid != (intent.state == "abandoned"):
            yield f"{name} is {intent.state}, and its slot in the status list does not say so"
        if (intent.ended_at is None) != (intent.state == "open"):
            yield f"{name} is {intent.state}, and the time of its end does not fit"
        if has_key and intent.state == "abandoned":
            yield f"{name} is abandoned and holds an idempotency key"
        if intent.record == DISPOSED:
            continue
        try:
            record = open_record(vault, intent.id, intent.record)
        except VermilionError as error:
            yield f"{name} has a record that cannot be read ({error.reason})"
            continue
        if (record.copy is None) != (ordered is None):
            yield f"{name} makes another thing than its record is of"
        if (further, uses) != (max(len(record.seals), 1) - 1, max(len(record.seals), 1)):
            yield f"{name} has other seals, or uses of them, than its record names"
        number = number_mac(vault, record.type_code, record.issuer_code, record.number)
        if held is not None and (held.type_code, held.issuer_code, held.number_mac) != (
            record.type_code,
            record.issuer_code,
            number,
        ):
            yield f"{name} has another number than its licence holds"
        if slot is not None and (slot.list, slot.index) != (record.status_list, record.status_index):
            yield f"{name} has another slot of a status list than its record says"


def _count(of: InstrumentedAttribute[str]) -> ScalarSelect[int]:
    """How many rows of another table name the intent."""
    rows = aliased(of.class_)
    counted = select(func.count()).where(rows.intent_id == Intent.id).correlate(Intent)
    return counted.scalar_subquery()


def _co_seals(session: Session) -> Iterator[str]:
    """The further seals of joint licences, each with its use."""
    used = and_(SealUse.intent_id == CoSeal.intent_id, SealUse.place == CoSeal.place)
    rows = session.execute(
        select(CoSeal, SealUse, Intent.state, func.coalesce(Document.sha256, AnnotatedCopy.sha256))
        .join(Intent, Intent.id == CoSeal.intent_id)
        .outerjoin(SealUse, used)
        .outerjoin(Document, and_(Document.edition_id == CoSeal.intent_id, Document.kind == ORIGINAL))
        .outerjoin(AnnotatedCopy, AnnotatedCopy.id == CoSeal.intent_id)
        .execution_options(yield_per=BATCH)
    )
    for seal, use, state, document in rows:
        name = f"intent {seal.intent_id}, seal {seal.place}"
        if use is None or use.state != USE_OF_INTENT.get(state):
            yield f"{name} is {state}, and its use is {use.state if use else 'missing'}"
            continue
        if (use.seal_edition_id, use.authorisation_id) != (seal.seal_edition_id, seal.authorisation_id):
            yield f"{name}: the use is of another seal, or under another authorisation"
        if use.document_sha256 != document:
            yield f"{name}: the seal use names another document"
        if (seal.sealed_at is not None) != (state == "done"):
            yield f"{name} is {state}, and the time of its sealing does not fit"


def _editions(session: Session, ports: Ports, trust: TrustList, now: datetime) -> Iterator[str]:
    originals = and_(Document.edition_id == Edition.id, Document.kind == ORIGINAL)
    rows = session.execute(
        select(Edition, Intent, Document, SealUse.document_sha256)
        .join(Intent, Intent.id == Edition.id)
        .outerjoin(Document, originals)
        .outerjoin(SealUse, and_(SealUse.intent_id == Edition.id, SealUse.place == 1))
        .execution_options(yield_per=BATCH)
    )
    for edition, intent, document, used_for in rows:
        name = f"edition {edition.id}"
        if document is None:
            yield f"{name} has no original document"
            continue
        if used_for != document.sha256:
            yield f"{name}: the seal use names another document"
        if (edition.origin, edition.link_id_sha256, edition.lookup_sha256) != (
            intent.origin,
            intent.link_id_sha256,
            intent.lookup_sha256,
        ):
            yield f"{name} is another than its intent"
        if intent.record == DISPOSED:
            continue
        record = None
        with contextlib.suppress(VermilionError):  # said above
            record = open_record(ports.vault, intent.id, intent.record)
        if record is not None:
            yield from (
                f"{name}: {fault}" for fault in _in_clear(session, ports.vault, edition, intent, record)
            )
        further: list[datetime | None] = []
        if record is not None and record.seals:
            times = select(CoSeal.sealed_at).where(CoSeal.intent_id == edition.id).order_by(CoSeal.place)
            further = list(session.scalars(times))
        stored = StoredDocument(document.store_key, document, edition.identifier, edition)
        found = document_faults(stored, record, further, ports.documents, trust, now)
        yield from (f"{name}: {fault}" for fault in found)


def _in_clear(
    session: Session, vault: Vault, edition: Edition, intent: Intent, record: Record
) -> Iterator[str]:
    """What stands beside the record, in clear, is what follows from it."""
    try:
        licence_type = type_version(session, record.type_code, record.type_version).type
        if edition.public_record != public_text(public_record(record, licence_type)):
            yield "the public is shown another thing than the record's type says"
        if intent.holder_mac != holder_of(vault, licence_type, record.fields):
            yield "it would be found by another holder than the record's"
    except VermilionError as error:
        yield f"its type cannot be read ({error.reason})"
    if (edition.identifier, edition.number, edition.issue_date, edition.valid_from, edition.valid_to) != (
        record.identifier,
        record.edition,
        record.issue_date,
        record.valid_from,
        record.valid_to,
    ):
        yield "identifier, number or dates are others than the record's"
    licence = session.get_one(Licence, edition.licence_id)
    named = parse_identifier(record.identifier)
    mine = edition.licence_id, licence.type_code, licence.issuer_code, licence.serial
    if mine != (intent.licence_id, record.type_code, record.issuer_code, named.serial) or (
        edition.type_code,
        edition.issuer_code,
    ) != (licence.type_code, licence.issuer_code):
        yield "its licence is another than the record's"


def _time_stamped(
    session: Session, documents: DocumentStore, trust: TrustList, now: datetime
) -> Iterator[str]:
    """A form with appended time-stamps holds its edition's very original."""
    original = aliased(Document)
    rows = session.execute(
        select(Document, original.sha256)
        .outerjoin(original, and_(original.edition_id == Document.edition_id, original.kind == ORIGINAL))
        .where(Document.kind != ORIGINAL, Document.store_key != DISPOSED_KEY)
        .execution_options(yield_per=BATCH)
    )
    for document, original_sha256 in rows:
        name = f"edition {document.edition_id}, time-stamped form"
        if document.kind not in _TOLD:
            yield f"{name}: a document of the impossible kind {document.kind}"
            continue
        try:
            data = read_document(documents, document.store_key, document.sha256)
            evidence = strict_check(data, trust, at=now)
        except VermilionError as error:
            yield f"{name}: the document does not verify ({error.reason})"
            continue
        yield from (f"{name}: {fault}" for fault in kept_faults(document, data, evidence))
        if evidence.original_sha256 != original_sha256 or document.sha256 == original_sha256:
            yield f"{name}: it is not the original with a time-stamp"


_TOLD = {TIME_STAMPED: "licence.time_stamped", ARCHIVED: "licence.archive_stamped"}
"""The event that tells of each form."""


def _stamps(session: Session) -> Iterator[str]:
    """Of an edition's forms each but the newest was followed, and the newest where it waits for a time-stamp,
    as one without any does; events tell of all that were appended.
    """
    told = {
        kind: select(func.count())
        .where(Event.subject_kind == "edition", Event.subject == Edition.id, Event.kind == event)
        .correlate(Edition)
        .scalar_subquery()
        for kind, event in _TOLD.items()
    }
    rows = session.execute(
        select(Edition.id, DocumentStamp.state, DocumentStamp.form, *told.values())
        .outerjoin(DocumentStamp, DocumentStamp.edition_id == Edition.id)
        .execution_options(yield_per=BATCH)
    )
    for page in rows.partitions():
        forms: dict[str, list[Document]] = {row[0]: [] for row in page}
        found = select(Document).where(Document.edition_id.in_(forms)).order_by(Document.registered_at)
        for document in session.scalars(found):
            forms[document.edition_id].append(document)
        for edition_id, state, form, *events in page:
            ordered = sorted(forms[edition_id], key=lambda one: one.kind != ORIGINAL)
            counts = [sum(one.kind == kind for one in ordered) for kind in _TOLD]
            if ordered and (counts != events or not _queued(ordered, state, form)):
                yield f"edition {edition_id}: a time-stamp is {state}, and documents or events do not say so"


def _queued(ordered: Sequence[Document], state: str | None, form: bytes | None) -> bool:
    """Whether the row of the queue fits these forms of an edition, oldest first."""
    newest = ordered[-1]
    if not all(one.followed for one in ordered[:-1]):
        return False
    if state in {"waiting", "refused"}:
        return newest.followed and newest.sha256 == form
    if newest.followed or newest.stamped_at is None:
        return False
    return len(ordered) == 1 if state is None else len(ordered) > 1 and ordered[-2].sha256 == form


def _numbers(session: Session) -> Iterator[str]:
    """A number belongs to a licence with an edition or an open intent; the registry's own may be burnt."""
    alive = (
        select(Intent.id)
        .where(Intent.licence_id == Licence.id, or_(Intent.state == "open", Intent.state == "done"))
        .exists()
    )
    dead = session.execute(
        select(Number.type_code, Number.licence_id)
        .join(Licence, Licence.id == Number.licence_id)
        .where(~alive)
        .execution_options(yield_per=BATCH)
    )
    for type_code, licence_id in dead:
        versions = session.scalars(
            select(TypeVersion).where(TypeVersion.code == type_code, TypeVersion.state != DRAFT)
        ).all()
        rules = [parse_licence_type(v.slug, v.type_toml).number for v in versions]
        if all(rule.given_by == "agency" for rule in rules):
            yield f"licence {licence_id} was never issued and holds an agency's number"
    held = select(Number.licence_id).where(Number.licence_id == Licence.id).exists()
    for licence_id in session.scalars(select(Licence.id).where(alive, ~held)):
        yield f"licence {licence_id} has no number"


def _log(session: Session) -> Iterator[str]:
    rows = session.execute(
        select(Event, Leaf).outerjoin(Leaf, Leaf.event_id == Event.id).execution_options(yield_per=BATCH)
    )
    for event, leaf in rows:
        if leaf is None:
            yield f"event {event.id} has no leaf"
        elif leaf.salt != DISPOSED and leaf.data != leaf_bytes(event, leaf.salt):
            yield f"event {event.id} is another than its leaf commits to"
    no_copy = Intent.id.not_in(select(CopyOrder.intent_id))
    for state, kind in (("done", "licence.issued"), ("abandoned", "licence.abandoned")):
        count = (
            select(func.count())
            .where(Event.subject_kind == "edition", Event.subject == Intent.id, Event.kind == kind)
            .scalar_subquery()
        )
        for intent_id in session.scalars(select(Intent.id).where(Intent.state == state, no_copy, count != 1)):
            yield f"intent {intent_id} is {state} without exactly one event {kind}"
        for intent_id in session.scalars(select(Intent.id).where(Intent.state != state, count != 0)):
            yield f"intent {intent_id} is not {state} and has the event {kind}"
