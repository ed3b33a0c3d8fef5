"""What the database and the documents in service have of an edition or a case, and its erasure.

What is erased: whatever says something of somebody, and the salts of the events' commitments. What stays: the
events, which name no holder or applicant; the leaves of the log; digests, numbers as MACs, dates, status. So
whoever scans a licence that was disposed of is told of its type, its issuer and its status as before, and of
nobody; a file of it is still known by its digest.

Of a case further parts are erased by one function each in `OF_A_CASE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from registry.archive.case_exchange import erase_exchange
from registry.archive.case_joint import erase_joint
from registry.archive.case_materials import erase_materials
from registry.archive.numbering import CASE, EDITION
from registry.documents import document_key
from registry.intake.matter_lists import matter_version
from registry.intake.tables import Case, CaseIssue, CaseMove
from registry.licences.issued import DISPOSED_KEY
from registry.licences.public_records import public_text, stored_public
from registry.licences.tables import AnnotatedCopy, Document, DocumentStamp, Edition, Intent
from registry.licences.types import known_type
from registry.log.tables import Event, Leaf
from registry.rows import changed_rows
from registry.vault import DISPOSED


def title_of(session: Session, kind: str, subject: str) -> str:
    """What a subject is of: its licence type's name, or its matter's."""
    if kind == EDITION:
        type_code = session.get_one(Edition, subject).type_code
        found = known_type(session, type_code)
        return type_code if found is None else found.name["zh"]
    if kind == CASE:
        case = session.get_one(Case, subject)
        return matter_version(session, case.matter_code, case.matter_version).name["zh"]
    return kind


def erase_content(session: Session, kind: str, subject: str) -> list[str]:
    """Take all content out of the database, in the caller's transaction. The keys of the documents that are
    to be removed from their store, which nothing on record leads to any more.
    """
    keys: list[str] = []
    for erase in ERASED.get(kind, ()):
        keys += erase(session, subject)
    events = select(Event.id).where(Event.subject_kind == kind, Event.subject == subject)
    changed_rows(session, update(Leaf).where(Leaf.event_id.in_(events)).values(salt=DISPOSED))
    return keys


def _edition(session: Session, edition_id: str) -> Iterator[str]:
    edition = session.get_one(Edition, edition_id)
    public = stored_public(edition.public_record)
    changed_rows(
        session,
        update(Edition)
        .where(Edition.id == edition_id)
        .values(public_record=public_text(replace(public, fields={}))),
    )
    gone = {"record": DISPOSED, "holder_mac": None}
    changed_rows(session, update(Intent).where(Intent.id == edition_id).values(**gone))
    stamped = DocumentStamp.edition_id == edition_id
    waiting = (stamped, DocumentStamp.state == "waiting")
    changed_rows(session, update(DocumentStamp).where(*waiting).values(state="refused"))
    forms = (Document.edition_id == edition_id, Document.store_key != DISPOSED_KEY)
    yield from session.scalars(select(Document.store_key).where(*forms)).all()
    attempts = session.scalar(select(DocumentStamp.attempt).where(stamped)) or 0
    for attempt in range(1, attempts + 1):  # what one stored and did not register
        yield document_key(edition_id, attempt)
    changed_rows(session, update(Document).where(*forms).values(store_key=DISPOSED_KEY))
    yield from _abandoned(session, edition.licence_id)


def _abandoned(session: Session, licence_id: str) -> Iterator[str]:
    """What was about to be sealed and was not says the same: it goes with the licence's last edition."""
    left = exists().where(
        Edition.licence_id == licence_id, Edition.id == Intent.id, Intent.record != DISPOSED
    )
    if session.scalar(select(left)):
        return
    abandoned = (Intent.licence_id == licence_id, Intent.state == "abandoned", Intent.record != DISPOSED)
    ids = session.scalars(select(Intent.id).where(*abandoned).order_by(Intent.id)).all()
    gone = {"record": DISPOSED, "holder_mac": None}
    changed_rows(session, update(Intent).where(Intent.id.in_(ids)).values(**gone))
    yield from map(document_key, ids)  # one may lie there all the same


def _annotated_copies(session: Session, edition_id: str) -> Iterator[str]:
    """Copies of it say what it says."""
    of = AnnotatedCopy.edition_id == edition_id
    ids = session.scalars(select(AnnotatedCopy.id).where(of).order_by(AnnotatedCopy.id)).all()
    changed_rows(session, update(AnnotatedCopy).where(of).values(purpose="", recipient=""))
    gone = {"record": DISPOSED, "holder_mac": None}
    changed_rows(session, update(Intent).where(Intent.id.in_(ids)).values(**gone))
    yield from map(document_key, ids)


def _case(session: Session, case_id: str) -> Iterator[str]:
    changed_rows(session, update(Case).where(Case.id == case_id).values(application=DISPOSED))
    changed_rows(session, update(CaseMove).where(CaseMove.case_id == case_id).values(said=None))
    changed_rows(session, update(CaseIssue).where(CaseIssue.case_id == case_id).values(request=DISPOSED))
    yield from ()


Erase = Callable[[Session, str], Iterator[str]]
OF_A_CASE: tuple[Erase, ...] = (_case, erase_materials, erase_exchange, erase_joint)
ERASED: dict[str, tuple[Erase, ...]] = {EDITION: (_edition, _annotated_copies), CASE: OF_A_CASE}
