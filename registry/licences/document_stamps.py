"""Document time-stamps are appended to registered documents that wait for one (design, section 4.6).

Two kinds wait, in one queue: originals that were sealed while no time-stamp could be had, and forms that are
due for the archive (`registry.licences.archive`). What is there stays as it is; the stamped form becomes a
further document of the edition. Each attempt is on record before the time-stamp is asked for, with the digest
that it is over; what it makes is stored under a key of its own before it is registered. An attempt whose
process died between the two is found again and adopted; one that died earlier is begun anew under the next
number. Nothing here touches a seal's key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from keys.trust_list import TrustList
from registry.documents import document_key, open_store
from registry.licences.issued import ARCHIVED, TIME_STAMPED, read_document
from registry.licences.moment import moment
from registry.licences.outage import DATABASE_OUT, database_errors
from registry.licences.public_records import stored_public
from registry.licences.tables import Document, DocumentStamp, Edition
from registry.licences.trust import trust_now
from registry.licences.types import type_version
from registry.log.rules import Ground, record_event
from registry.ports import Ports
from registry.rows import changed_rows
from signing.document_time_stamp import StampRevision, lay_out
from signing.document_time_stamp import read_document as read_form
from signing.security_store import EMPTY, read_store
from signing.strict_check import FileEvidence, require_proofs, strict_check
from signing.validation_data import Carried

BATCH = 500
NOT_PROVABLE, NO_PROOFS = "not_provable", "no_proofs"
_OF_ONE_DOCUMENT = frozenset({"document_lost", "sealed_in_future", "validation_data", NO_PROOFS})
"""Reasons; with any other the next document would fare no better. A first time-stamp wants no proofs."""
FIRST_REST, LONGEST_REST = timedelta(minutes=1), timedelta(hours=1)


@dataclass
class StampReport:
    """What one round did, by edition id."""

    stamped: list[str] = field(default_factory=list)
    deferred: list[str] = field(default_factory=list)  # tried again later
    refused: dict[str, VermilionError] = field(default_factory=dict)  # not tried again by itself
    outage: VermilionError | None = None  # a part that was out
    defects: dict[str, Exception] = field(default_factory=dict)  # what must not happen

    def __bool__(self) -> bool:
        return bool(self.stamped or self.deferred or self.refused or self.defects)


@dataclass(frozen=True, slots=True)
class _Waiting:
    edition_id: str
    attempt: int  # the last one
    sha256: bytes  # of the form
    store_key: str


def stamp_due(ports: Ports, edition_id: str | None = None) -> StampReport:
    """Append time-stamps to the documents that wait for one, those that wait longest first, at most 500; or
    to that of one edition.

    A document that cannot have one keeps no other waiting; a part that all of them want and that is out ends
    the round. Raises
    VermilionError(UNAVAILABLE) without database, trust list or data key.
    """
    report = StampReport()
    with database_errors():
        waiting = _due(ports, edition_id)
        if not waiting:
            return report
        trust = trust_now(ports)
        ports.vault.ready()
    work = _Work(ports, trust)
    for one in waiting:
        try:
            with database_errors():
                if work.stamp(one):
                    report.stamped.append(one.edition_id)
        except Exception as error:  # noqa: BLE001  (whatever it is, the others are not kept waiting)
            reason = error.reason if isinstance(error, VermilionError) else None
            if (
                isinstance(error, VermilionError)
                and error.kind in {Kind.UNAVAILABLE, Kind.KEY_REFUSED}
                and reason not in _OF_ONE_DOCUMENT
            ):
                report.deferred.append(one.edition_id)
                report.outage = error
                break
            if isinstance(error, VermilionError) and reason == NOT_PROVABLE:
                report.refused[one.edition_id] = error
                with database_errors():
                    _change(ports, one.edition_id, one.attempt, state="refused")
                continue
            if isinstance(error, VermilionError) and reason in _OF_ONE_DOCUMENT:
                report.deferred.append(one.edition_id)
                report.outage = error if reason == NO_PROOFS else report.outage
            else:
                report.defects[one.edition_id] = error
            with database_errors():
                _postpone(ports, one.edition_id, one.attempt, LONGEST_REST)
    return report


def _due(ports: Ports, edition_id: str | None) -> list[_Waiting]:
    statement = (
        select(DocumentStamp.edition_id, DocumentStamp.attempt, Document.sha256, Document.store_key)
        .join(Document, Document.sha256 == DocumentStamp.form)
        .where(DocumentStamp.state == "waiting", DocumentStamp.due_at <= ports.clock())
        .order_by(DocumentStamp.due_at)
        .limit(BATCH)
    )
    if edition_id is not None:
        statement = statement.where(DocumentStamp.edition_id == edition_id)
    with ports.database.read.connect() as connection:
        return [_Waiting(*row) for row in connection.execute(statement)]


class _Work:
    """One round, under one trust list."""

    def __init__(self, ports: Ports, trust: TrustList) -> None:
        self.ports, self.trust = ports, trust
        self.without: VermilionError | None = None  # why there are no proofs

    def stamp(self, waiting: _Waiting) -> bool:
        """Whether this process registered the stamped form."""
        ports = self.ports
        form = read_document(ports.documents, waiting.store_key, waiting.sha256)
        before = strict_check(form, self.trust, at=ports.clock())
        found = self._left_behind(waiting, form, before)
        if found is not None:
            return _register(ports, waiting, waiting.attempt, *found)
        revision = self._laid_out(form, before)
        attempt = waiting.attempt + 1
        if not _begin(ports, waiting, revision.digest()):
            return False
        try:
            record = f"document-stamp:{waiting.edition_id}:{attempt}"
            token = ports.timestamper.stamp(revision.digest(), record)
        except VermilionError:
            rest = min(FIRST_REST * 2 ** min(waiting.attempt, 10), LONGEST_REST)
            _postpone(ports, waiting.edition_id, attempt, rest)
            raise
        data = revision.stamped(token, self.trust.issuing)
        evidence = strict_check(data, self.trust, at=ports.clock())
        key = document_key(waiting.edition_id, attempt)
        ports.documents.put_new(key, data)
        if _register(ports, waiting, attempt, data, evidence):
            return True
        _discard(ports, key)
        return False

    def _laid_out(self, form: bytes, before: FileEvidence) -> StampRevision:
        """What is to be stamped: a first time-stamp alone, a further one with the proofs that it is to keep.

        Raises VermilionError: UNAVAILABLE where they cannot be had now; INVALID (`not_provable`) where they
        say that a certificate is not good, or it has ended.
        """
        pdf = read_form(form)
        if not before.stamps:
            return lay_out(pdf)
        added = self._proofs(before)
        held = (read_store(pdf) or EMPTY).carried
        try:
            require_proofs(held.plus(added), before.to_prove, self.trust, self.ports.clock())
        except VermilionError as error:
            raise VermilionError(
                Kind.INVALID,
                "what the document's certificates were good for cannot be proven any more",
                reason=NOT_PROVABLE,
            ) from error
        return lay_out(pdf, added)

    def _proofs(self, before: FileEvidence) -> Carried:
        """Once they cannot be had, they are not asked for again in this round."""
        if self.without is not None:
            raise self.without
        try:
            return self.ports.validation.proofs(before.to_prove, before.to_tell)
        except VermilionError as error:
            if error.kind is not Kind.UNAVAILABLE or error.reason == DATABASE_OUT:
                raise
            self.without = VermilionError(Kind.UNAVAILABLE, error.detail, reason=NO_PROOFS)
            raise self.without from error

    def _left_behind(
        self, waiting: _Waiting, form: bytes, before: FileEvidence
    ) -> tuple[bytes, FileEvidence] | None:
        """What the last attempt stored and did not register, if it is this very form with one stamp more."""
        if waiting.attempt == 0:
            return None
        try:
            data = self.ports.documents.get(document_key(waiting.edition_id, waiting.attempt))
            if data is None or not data.startswith(form):
                return None
            evidence = strict_check(data, self.trust, at=self.ports.clock())
        except VermilionError as error:
            if error.kind is Kind.UNAVAILABLE:
                raise
            return None
        return (data, evidence) if len(evidence.stamps) == len(before.stamps) + 1 else None


def _begin(ports: Ports, waiting: _Waiting, imprint: bytes) -> bool:
    """Put the next attempt on record, under a lease; False if somebody else was quicker."""
    now = ports.clock()
    statement = (
        update(DocumentStamp)
        .where(
            DocumentStamp.edition_id == waiting.edition_id,
            DocumentStamp.state == "waiting",
            DocumentStamp.attempt == waiting.attempt,
            DocumentStamp.due_at <= now,
        )
        .values(attempt=waiting.attempt + 1, imprint=imprint, due_at=now + ports.settings.lease)
    )
    with ports.database.transaction() as session:
        return changed_rows(session, statement) == 1


def _postpone(ports: Ports, edition_id: str, attempt: int, rest: timedelta) -> None:
    _change(ports, edition_id, attempt, due_at=ports.clock() + rest)


def _change(ports: Ports, edition_id: str, attempt: int, **values: object) -> None:
    """Unless somebody began another attempt."""
    statement = (
        update(DocumentStamp)
        .where(
            DocumentStamp.edition_id == edition_id,
            DocumentStamp.state == "waiting",
            DocumentStamp.attempt == attempt,
        )
        .values(**values)
    )
    with ports.database.transaction() as session:
        changed_rows(session, statement)


def _register(ports: Ports, waiting: _Waiting, attempt: int, data: bytes, evidence: FileEvidence) -> bool:
    """Document, event and leaf; False where another attempt was registered, or is under way."""
    edition_id, newest = waiting.edition_id, evidence.stamps[-1]
    kind, event = (
        (TIME_STAMPED, "time_stamped") if len(evidence.stamps) == 1 else (ARCHIVED, "archive_stamped")
    )
    own = (
        update(DocumentStamp)
        .where(
            DocumentStamp.edition_id == edition_id,
            DocumentStamp.state == "waiting",
            DocumentStamp.attempt == attempt,
            DocumentStamp.form == waiting.sha256,
        )
        .values(state="done")
    )
    with ports.database.transaction() as session:
        if changed_rows(session, own) != 1:
            return False
        at = moment(ports)
        digest = sha256(data).digest()
        document = {
            "sha256": digest,
            "edition_id": edition_id,
            "kind": kind,
            "format": "pdf",
            "level": evidence.level,
            "store_key": document_key(edition_id, attempt),
            "size": len(data),
            "stamped_at": newest.at,
            "stamped_by": sha256(newest.by).hexdigest(),
            "registered_at": at.now,
        }
        session.execute(insert(Document).values(document))
        edition = session.get_one(Edition, edition_id)
        record_event(
            session,
            kind=f"licence.{event}",
            subject_kind="edition",
            subject=edition_id,
            ground=Ground(_legal_basis(session, edition), event, at.day),
            actor=None,
            now=at.now,
            random=ports.random,
            detail={
                "identifier": edition.identifier,
                "original": evidence.original_sha256.hex(),
                "form": waiting.sha256.hex(),
                "document": digest.hex(),
                "level": evidence.level,
            },
        )
    return True


def _discard(ports: Ports, key: str) -> None:
    """A form that was stored and is not to be registered: its edition was disposed of meanwhile, or another
    attempt is under way. One that the next process found, and registered, stays.
    """
    with database_errors(), ports.database.read.connect() as connection:
        if connection.scalar(select(Document.sha256).where(Document.store_key == key)) is not None:
            return
    open_store(ports.settings.documents_directory).remove(key)


def _legal_basis(session: Session, edition: Edition) -> str:
    record = stored_public(edition.public_record)
    return type_version(session, record.type_code, record.type_version).type.legal_basis
