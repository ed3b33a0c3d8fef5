"""What the registry answers about an issued licence, read back from what is stored.

The link and the look-up code are in the sealed document alone (the database has their digests), so one
who asks again with the same idempotency key gets them from there (design, section 4.1).
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeVar

import pikepdf
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.documents import document_key
from registry.licences.outage import database_errors
from registry.licences.tables import AnnotatedCopy, Document, Edition
from registry.ports import DocumentStore, Ports
from registry.vault import disposed
from signing.credential import qr_text
from signing.draw import ATTACHMENT
from signing.record import Printout, printout_from_json

ORIGINAL, TIME_STAMPED, ARCHIVED = "original", "time_stamped", "archived"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Issued:
    """A registered edition, or annotated copy of one, with what its holder was given: link and look-up code
    are secrets of the paper.
    """

    edition_id: str  # of a copy, its own id
    printout: Printout
    link: str  # with the fragment, as the QR code says it
    sha256: bytes  # of the sealed original
    size: int
    level: str  # as in SealedDocument
    status: str
    replayed: bool


def read_issued(ports: Ports, edition_id: str, *, replayed: bool) -> Issued:
    """The issued edition or copy. Raises VermilionError: NOT_FOUND; UNAVAILABLE when its document is out of
    reach.
    """
    with database_errors(), Session(ports.database.read) as session:
        row = session.execute(
            select(Edition, Document)
            .join(Document, Document.edition_id == Edition.id)
            .where(Edition.id == edition_id, Document.kind == ORIGINAL)
        ).one_or_none()
        edition: Edition
        document: Document | AnnotatedCopy
        if row is not None:
            (edition, document), key = row, row[1].store_key
        else:
            document, key = _registered_copy(session, edition_id), document_key(edition_id)
            edition = session.get_one(Edition, document.edition_id)
        session.expunge_all()  # both are read below, without a connection
    printout = attached_printout(read_document(ports.documents, key, document.sha256))
    return Issued(
        edition_id=edition_id,
        printout=printout,
        link=qr_text(printout.link, printout.credential),
        sha256=document.sha256,
        size=document.size,
        level=document.level,
        status=edition.status,
        replayed=replayed,
    )


def _registered_copy(session: Session, copy_id: str) -> AnnotatedCopy:
    found = session.get(AnnotatedCopy, copy_id)
    if found is None:
        raise VermilionError(Kind.NOT_FOUND, "no such licence")
    return found


def newest_form(documents: Iterable[_T]) -> _T:
    """Of an edition's documents (rows of `Document`, or with its columns) the newest form with appended
    time-stamps, where there is one.
    """

    def newness(document: Any) -> tuple[bool, datetime]:
        return document.kind != ORIGINAL, document.registered_at

    return max(documents, key=newness)


DISPOSED_KEY = ""
"""Where a document lay that was disposed of."""


def read_document(documents: DocumentStore, key: str, digest: bytes) -> bytes:
    """The registered bytes and no others. Raises VermilionError: UNAVAILABLE where they are not to be had;
    NOT_FOUND (`record_disposed`) where they were disposed of.
    """
    if key == DISPOSED_KEY:
        raise disposed()
    try:
        data = documents.get(key)
    except VermilionError as error:
        if error.kind is Kind.UNAVAILABLE:
            raise
        data = None
    if data is None or sha256(data).digest() != digest:
        raise VermilionError(
            Kind.UNAVAILABLE, "the document cannot be read from its store", reason="document_lost"
        )
    return data


def attached_printout(pdf: bytes) -> Printout:
    """The printed record of a document already known by its digest: nothing is checked but its form."""
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        attached = bytes(opened.attachments[ATTACHMENT].get_file().read_bytes())
    return printout_from_json(attached)
