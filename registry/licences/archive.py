"""Which documents are due for the archive (level B-LTA), and which archived ones for their next time-stamp.

Picking one puts its edition into the queue of `registry.licences.document_stamps`; it is found by an index
over the newest forms, and once picked it is in that index no more: a round costs the same however many
documents there are, and whatever became of those before.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from registry.licences.issued import DISPOSED_KEY
from registry.licences.outage import database_errors
from registry.licences.tables import Document, DocumentStamp, Edition
from registry.ports import Ports
from registry.rows import changed_rows
from registry.seals.serving import serving_key, signed_certificates
from registry.settings import Settings

BATCH = 500
_BEFORE = ("B-T", "B-LT")
_ARCHIVED = "B-LTA"


def pick_due(ports: Ports) -> int:
    """Put what is due into the queue, at most 500 of each kind, the oldest first; how many were.

    Raises VermilionError(UNAVAILABLE) without a database.
    """
    now = ports.clock()
    with database_errors():
        with Session(ports.database.read) as session:
            found = _due(session, ports.settings, now)
        return sum(_pick(ports, edition_id, digest, now) for edition_id, digest in found)


def pick_one(ports: Ports, identifier: str) -> str:
    """Put the newest form of this edition into the queue, whatever its age; what is there already goes on
    waiting, and what was refused is tried again. The edition's id.

    Raises VermilionError: NOT_FOUND; CONFLICT (`archive_current`) where its newest time-stamp is one for the
    archive and needs no successor; UNAVAILABLE.
    """
    now = ports.clock()
    with database_errors():
        with Session(ports.database.read) as session:
            edition_id = session.scalar(select(Edition.id).where(Edition.identifier == identifier))
            if edition_id is None:
                raise VermilionError(Kind.NOT_FOUND, "no such licence", reason="licence_unknown")
            newest = session.execute(
                select(Document.sha256, Document.level, Document.stamped_by).where(
                    Document.edition_id == edition_id,
                    Document.followed.is_(False),
                    Document.store_key != DISPOSED_KEY,
                )
            ).one_or_none()
            ending = ending_authorities(session, ports.settings, now)
        if newest is None:
            _again(ports, edition_id, now)
        elif newest.level == _ARCHIVED and newest.stamped_by not in ending:
            raise VermilionError(
                Kind.CONFLICT,
                "its time-stamp for the archive needs no successor yet",
                reason="archive_current",
            )
        else:
            _pick(ports, edition_id, newest.sha256, now)
    return edition_id


def _due(session: Session, settings: Settings, now: datetime) -> list[tuple[str, bytes]]:
    newest = (
        select(Document.edition_id, Document.sha256)
        .where(Document.followed.is_(False), Document.store_key != DISPOSED_KEY)
        .limit(BATCH)
    )
    statements = []
    if settings.archive_after:
        before = now - timedelta(days=settings.archive_after)
        statements += [
            newest.where(Document.level == level, Document.registered_at <= before).order_by(
                Document.registered_at
            )
            for level in _BEFORE
        ]
    statements += [
        newest.where(Document.level == _ARCHIVED, Document.stamped_by == authority)
        for authority in sorted(ending_authorities(session, settings, now))
    ]
    return [(row.edition_id, row.sha256) for one in statements for row in session.execute(one)]


def ending_authorities(session: Session, settings: Settings, now: datetime) -> set[str]:
    """The time-stamp authorities whose archived documents want another one's, by SHA-256 of the certificate
    (hex): those that end soon, or are of a suite to be left. None, while the one that serves is no better.
    """
    soon = now + timedelta(days=settings.archive_renew_days)
    retired = set(settings.archive_retired.split(","))
    serving = serving_key(session, ProfileName.TSA, now)
    if serving is None:
        return set()
    if serving.not_after <= soon or serving.key.suite in retired:
        return set()
    return {
        sha256(one.der or b"").hexdigest()
        for of, one in session.execute(signed_certificates(ProfileName.TSA))
        if one.not_after <= soon or of.suite in retired
    }


def _pick(ports: Ports, edition_id: str, digest: bytes, now: datetime) -> bool:
    """Whether this process put it into the queue."""
    followed = (
        update(Document).where(Document.sha256 == digest, Document.followed.is_(False)).values(followed=True)
    )
    waiting = {"form": digest, "state": "waiting", "imprint": None, "due_at": now}
    again = update(DocumentStamp).where(DocumentStamp.edition_id == edition_id).values(**waiting)
    with ports.database.transaction() as session:
        if changed_rows(session, followed) != 1:
            return False
        if changed_rows(session, again) == 0:
            session.execute(insert(DocumentStamp).values(edition_id=edition_id, attempt=0, **waiting))
    return True


def _again(ports: Ports, edition_id: str, now: datetime) -> None:
    """What was refused is tried once more."""
    refused = (
        update(DocumentStamp)
        .where(DocumentStamp.edition_id == edition_id, DocumentStamp.state == "refused")
        .values(state="waiting", due_at=now)
    )
    with ports.database.transaction() as session:
        changed_rows(session, refused)
