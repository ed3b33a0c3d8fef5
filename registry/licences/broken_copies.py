"""Do annotated copies fit what they are copies of? For `fsck`: changes nothing."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from sqlalchemy import and_, select
from sqlalchemy.orm import Session, aliased

from keys.errors import VermilionError
from keys.trust_list import TrustList
from registry.documents import document_key
from registry.licences.document_faults import StoredDocument, document_faults
from registry.licences.records import open_record, record_text
from registry.licences.tables import AnnotatedCopy, CopyOrder, CoSeal, Edition, Intent
from registry.log.tables import Event
from registry.ports import Ports
from registry.seals.tables import SealUse
from registry.vault import DISPOSED
from signing.annotation import Annotation
from signing.record import Record

BATCH = 500


def broken_copies(session: Session, ports: Ports, trust: TrustList, now: datetime) -> Iterator[str]:
    """A sentence for each thing that is wrong with a copy, its document or its events."""
    original = aliased(Intent)
    rows = session.execute(
        select(AnnotatedCopy, Edition.identifier, Intent, original, SealUse.document_sha256)
        .join(Edition, Edition.id == AnnotatedCopy.edition_id)
        .join(Intent, Intent.id == AnnotatedCopy.id)
        .join(original, original.id == AnnotatedCopy.edition_id)
        .outerjoin(SealUse, and_(SealUse.intent_id == AnnotatedCopy.id, SealUse.place == 1))
        .execution_options(yield_per=BATCH)
    )
    for copy, identifier, intent, of, used_for in rows:
        name = f"copy {copy.id}"
        if used_for != copy.sha256:
            yield f"{name}: the seal use names another document"
        if (copy.withdrawn_on is None) != (copy.withdrawn_at is None):
            yield f"{name}: its withdrawal has no day, or no time"
        if (copy.origin, copy.link_id_sha256, copy.lookup_sha256) != (
            intent.origin,
            intent.link_id_sha256,
            intent.lookup_sha256,
        ):
            yield f"{name} is another than its intent"
        if intent.record == DISPOSED:
            continue
        record = None
        with contextlib.suppress(VermilionError):  # said of its intent
            record = open_record(ports.vault, intent.id, intent.record)
            copied = open_record(ports.vault, of.id, of.record)
            yield from (f"{name}: {fault}" for fault in _record_faults(copy, record, copied))
        yield from (
            f"{name}: {fault}"
            for fault in _document_faults(session, ports, copy, identifier, record, trust, now)
        )
    yield from _events(session)


def _record_faults(copy: AnnotatedCopy, record: Record, copied: Record) -> Iterator[str]:
    told = Annotation(copy.purpose, copy.recipient, copy.valid_to, copy.made_on, copy.count)
    if record.copy != told:
        yield "the public is told another annotation than its record's"
    as_original = replace(
        record,
        copy=None,
        seals=copied.seals,
        status_list=copied.status_list,
        status_index=copied.status_index,
        specimen=copied.specimen,
    )
    if record_text(as_original) != record_text(copied):
        yield "it says another thing than the edition that it is of"


def _document_faults(
    session: Session,
    ports: Ports,
    copy: AnnotatedCopy,
    identifier: str,
    record: Record | None,
    trust: TrustList,
    now: datetime,
) -> Iterator[str]:
    times = select(CoSeal.sealed_at).where(CoSeal.intent_id == copy.id).order_by(CoSeal.place)
    stored = StoredDocument(document_key(copy.id), copy, identifier, copy)
    further = list(session.scalars(times))
    yield from document_faults(stored, record, further, ports.documents, trust, now)


def _events(session: Session) -> Iterator[str]:
    """One event tells of each copy that was made, withdrawn, or came to nothing."""
    wanted: Counter[tuple[str, str]] = Counter()
    for copy_id, withdrawn in session.execute(select(AnnotatedCopy.id, AnnotatedCopy.withdrawn_on)):
        wanted["licence.copied", copy_id] += 1
        if withdrawn is not None:
            wanted["licence.copy_withdrawn", copy_id] += 1
    abandoned = (
        select(CopyOrder.intent_id)
        .join(Intent, Intent.id == CopyOrder.intent_id)
        .where(Intent.state == "abandoned")
    )
    for copy_id in session.scalars(abandoned):
        wanted["licence.copy_abandoned", copy_id] += 1
    kinds = ("licence.copied", "licence.copy_withdrawn", "licence.copy_abandoned")
    told = select(Event.kind, Event.detail).where(Event.subject_kind == "edition", Event.kind.in_(kinds))
    found = Counter((event.kind, str(event.detail.get("copy"))) for event in session.execute(told))
    for kind, copy_id in sorted((wanted | found).keys()):
        if wanted[kind, copy_id] != found[kind, copy_id]:
            yield f"copy {copy_id}: its events {kind} are more or fewer than they should be"
