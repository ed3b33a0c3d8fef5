"""Is everything archived, and does the register hold together? Read by `fsck`; the stores are the audit's."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from registry.archive.checks import INGEST, failed, unpacked
from registry.archive.numbering import CASE, EDITION, KEPT
from registry.archive.stores import COPIES
from registry.archive.tables import ArchiveCopy, ArchiveDue, ArchivePackage, ArchiveSerial
from registry.archive.transfer_tables import ArchiveCheck
from registry.intake.moves import CLOSED, CaseState
from registry.intake.tables import Case
from registry.licences.tables import Edition

BATCH = 500


def broken_archive(session: Session) -> Iterator[str]:
    """Every finding as a sentence without personal data."""
    yield from _never_archived(session, EDITION, Edition.id)
    closed = Case.state.in_([state.value for state in CLOSED | {CaseState.ARCHIVED}])
    yield from _never_archived(session, CASE, Case.id, closed)
    yield from _said_archived(session)
    copies = (
        select(ArchivePackage.id, func.count(ArchiveCopy.store))
        .outerjoin(ArchiveCopy, ArchiveCopy.package_id == ArchivePackage.id)
        .where(ArchivePackage.state == KEPT)
        .group_by(ArchivePackage.id)
        .having(func.count(ArchiveCopy.store) < COPIES)
    )
    for package_id, count in session.execute(copies.execution_options(yield_per=BATCH)):
        yield f"package {package_id} is kept with {count} copies on record"
    bare = select(ArchivePackage.id).where(ArchivePackage.state == KEPT, ArchivePackage.sha256.is_(None))
    for package_id in session.scalars(bare):
        yield f"package {package_id} is kept and nobody knows its digest"
    unsound = select(ArchiveCheck).where(ArchiveCheck.failed > 0).order_by(ArchiveCheck.package_id)
    for check in session.scalars(unsound):
        items = ", ".join(one.item for one in failed(unpacked(check.findings)))
        yield f"package {check.package_id} did not pass the four-nature check ({check.occasion}): {items}"
    unchecked = (
        select(ArchivePackage.id)
        .outerjoin(
            ArchiveCheck, and_(ArchiveCheck.package_id == ArchivePackage.id, ArchiveCheck.occasion == INGEST)
        )
        .where(ArchivePackage.state == KEPT, ArchiveCheck.package_id.is_(None))
    )
    for package_id in session.scalars(unchecked.execution_options(yield_per=BATCH)):
        yield f"package {package_id} is kept without a check at ingest"
    given = select(
        ArchivePackage.fonds, ArchivePackage.catalogue, func.count(ArchivePackage.number.distinct())
    ).group_by(ArchivePackage.fonds, ArchivePackage.catalogue)
    counted = {(fonds, catalogue): count for fonds, catalogue, count in session.execute(given)}
    for serial in session.scalars(select(ArchiveSerial)):
        if counted.get((serial.fonds, serial.catalogue), 0) != serial.next - 1:
            yield f"catalogue {serial.catalogue} of fonds {serial.fonds} has gaps in its numbers"


def _never_archived(
    session: Session, kind: str, key: InstrumentedAttribute[str], *which: ColumnElement[bool]
) -> Iterator[str]:
    never = (
        select(key)
        .outerjoin(ArchivePackage, and_(ArchivePackage.subject_kind == kind, ArchivePackage.subject == key))
        .outerjoin(ArchiveDue, and_(ArchiveDue.subject_kind == kind, ArchiveDue.subject == key))
        .where(ArchivePackage.id.is_(None), ArchiveDue.event_id.is_(None), *which)
    )
    for subject in session.scalars(never.execution_options(yield_per=BATCH)):
        yield f"{kind} {subject} was never archived and does not wait to be"


def _said_archived(session: Session) -> Iterator[str]:
    """A case is archived once its package is kept, by the same transaction."""
    said = (Case.state == CaseState.ARCHIVED, ArchivePackage.id.is_(None))
    kept = (
        ArchivePackage.subject_kind == CASE, ArchivePackage.subject == Case.id, ArchivePackage.state == KEPT
    )  # fmt: skip
    for case_id in session.scalars(select(Case.id).outerjoin(ArchivePackage, and_(*kept)).where(*said)):
        yield f"case {case_id} is archived and has no package that is kept"
    closed = Case.state.in_([state.value for state in CLOSED])
    for case_id in session.scalars(select(Case.id).join(ArchivePackage, and_(*kept)).where(closed)):
        yield f"case {case_id} has a package that is kept and is not archived"
