"""Documents that were sealed while no time-stamp could be had get one appended (design, section 4.6).

The original stays as it is; the stamped form becomes a further document of the edition. Each attempt is on
record before the time-stamp is asked for, with the digest that it is over; what it makes is stored under a
key of its own before it is registered. An attempt whose process died between the two is found again and
adopted; one that died earlier is begun anew under the next number. Nothing here touches a seal's key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from keys.trust_list import TrustList
from registry.documents import document_key
from registry.licences.issued import ORIGINAL, TIME_STAMPED, read_document
from registry.licences.moment import moment
from registry.licences.outage import database_errors
from registry.licences.public_records import stored_public
from registry.licences.tables import Document, Edition, TimeStampRepair
from registry.licences.trust import trust_now
from registry.licences.types import type_version
from registry.log.rules import Ground, record_event
from registry.ports import Ports
from registry.rows import changed_rows
from signing.document_time_stamp import lay_out
from signing.pdf_structure import read_pdf
from signing.strict_check import FileEvidence, strict_check

BATCH = 500
_OF_ONE_DOCUMENT = frozenset({"document_lost", "sealed_in_future"})  # reasons; the others may be well
FIRST_REST, LONGEST_REST = timedelta(minutes=1), timedelta(hours=1)


@dataclass
class RepairReport:
    """What one round did, by edition id."""

    repaired: list[str] = field(default_factory=list)
    deferred: list[str] = field(default_factory=list)  # tried again later
    outage: VermilionError | None = None  # what ended the round
    defects: dict[str, Exception] = field(default_factory=dict)  # what must not happen

    def __bool__(self) -> bool:
        return bool(self.repaired or self.deferred or self.defects)


@dataclass(frozen=True, slots=True)
class _Waiting:
    edition_id: str
    attempt: int  # the last one
    store_key: str
    sha256: bytes


def repair_due(ports: Ports) -> RepairReport:
    """Append time-stamps to the documents that wait for one, those that wait longest first, at most 500.

    A document that cannot be repaired keeps no other waiting; a part that is out ends the round. Raises
    VermilionError(UNAVAILABLE) without database, trust list or data key.
    """
    report = RepairReport()
    with database_errors():
        waiting = _due(ports)
        if not waiting:
            return report
        trust = trust_now(ports)
        ports.vault.ready()
    for one in waiting:
        try:
            with database_errors():
                if _repair(ports, one, trust):
                    report.repaired.append(one.edition_id)
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
            if reason in _OF_ONE_DOCUMENT:
                report.deferred.append(one.edition_id)
            else:
                report.defects[one.edition_id] = error
            with database_errors():
                _postpone(ports, one.edition_id, one.attempt, LONGEST_REST)
    return report


def _due(ports: Ports) -> list[_Waiting]:
    statement = (
        select(TimeStampRepair.edition_id, TimeStampRepair.attempt, Document.store_key, Document.sha256)
        .join(Document, Document.edition_id == TimeStampRepair.edition_id)
        .where(
            TimeStampRepair.state == "waiting",
            TimeStampRepair.due_at <= ports.clock(),
            Document.kind == ORIGINAL,
        )
        .order_by(TimeStampRepair.due_at)
        .limit(BATCH)
    )
    with ports.database.read.connect() as connection:
        return [_Waiting(*row) for row in connection.execute(statement)]


def _repair(ports: Ports, waiting: _Waiting, trust: TrustList) -> bool:
    """Whether this process registered the stamped form."""
    found = _left_behind(ports, waiting, trust)
    if found is not None:
        return _register(ports, waiting.edition_id, waiting.attempt, *found)
    original = read_document(ports.documents, waiting.store_key, waiting.sha256)
    strict_check(original, trust, at=ports.clock())
    revision = lay_out(read_pdf(original))
    attempt = waiting.attempt + 1
    if not _begin(ports, waiting, revision.digest()):
        return False
    try:
        token = ports.timestamper.stamp(revision.digest(), f"repair:{waiting.edition_id}:{attempt}")
    except VermilionError:
        rest = min(FIRST_REST * 2 ** min(waiting.attempt, 10), LONGEST_REST)
        _postpone(ports, waiting.edition_id, attempt, rest)
        raise
    data = revision.stamped(token, trust.issuing)
    evidence = strict_check(data, trust, at=ports.clock())
    ports.documents.put_new(document_key(waiting.edition_id, attempt), data)
    return _register(ports, waiting.edition_id, attempt, data, evidence)


def _left_behind(ports: Ports, waiting: _Waiting, trust: TrustList) -> tuple[bytes, FileEvidence] | None:
    """What the last attempt stored and did not register, if it is the stamped form of this very original."""
    if waiting.attempt == 0:
        return None
    try:
        data = ports.documents.get(document_key(waiting.edition_id, waiting.attempt))
        if data is None:
            return None
        evidence = strict_check(data, trust, at=ports.clock())
    except VermilionError as error:
        if error.kind is Kind.UNAVAILABLE:
            raise
        return None
    whole = evidence.original_sha256 == waiting.sha256 and bool(evidence.stamps)
    return (data, evidence) if whole else None


def _begin(ports: Ports, waiting: _Waiting, imprint: bytes) -> bool:
    """Put the next attempt on record, under a lease; False if somebody else was quicker."""
    now = ports.clock()
    statement = (
        update(TimeStampRepair)
        .where(
            TimeStampRepair.edition_id == waiting.edition_id,
            TimeStampRepair.state == "waiting",
            TimeStampRepair.attempt == waiting.attempt,
            TimeStampRepair.due_at <= now,
        )
        .values(attempt=waiting.attempt + 1, imprint=imprint, due_at=now + ports.settings.lease)
    )
    with ports.database.transaction() as session:
        return changed_rows(session, statement) == 1


def _postpone(ports: Ports, edition_id: str, attempt: int, rest: timedelta) -> None:
    """Unless somebody began another attempt."""
    statement = (
        update(TimeStampRepair)
        .where(
            TimeStampRepair.edition_id == edition_id,
            TimeStampRepair.state == "waiting",
            TimeStampRepair.attempt == attempt,
        )
        .values(due_at=ports.clock() + rest)
    )
    with ports.database.transaction() as session:
        changed_rows(session, statement)


def _register(ports: Ports, edition_id: str, attempt: int, data: bytes, evidence: FileEvidence) -> bool:
    """Document, event and leaf; False where another attempt was registered, or is under way."""
    newest = evidence.stamps[-1]
    own = (
        update(TimeStampRepair)
        .where(
            TimeStampRepair.edition_id == edition_id,
            TimeStampRepair.state == "waiting",
            TimeStampRepair.attempt == attempt,
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
            "kind": TIME_STAMPED,
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
            kind="licence.time_stamped",
            subject_kind="edition",
            subject=edition_id,
            ground=Ground(_legal_basis(session, edition), "time_stamped", at.day),
            actor=None,
            now=at.now,
            random=ports.random,
            detail={
                "identifier": edition.identifier,
                "original": evidence.original_sha256.hex(),
                "document": digest.hex(),
                "level": evidence.level,
            },
        )
    return True


def _legal_basis(session: Session, edition: Edition) -> str:
    record = stored_public(edition.public_record)
    return type_version(session, record.type_code, record.type_version).type.legal_basis
