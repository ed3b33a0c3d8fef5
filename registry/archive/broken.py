"""Is everything archived, and does the register hold together? Read by `fsck`; the stores are the audit's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from registry.archive.checks import INGEST, failed, not_passed, unpacked
from registry.archive.disposal import ItemState
from registry.archive.disposal_tables import (
    ArchiveDisposal,
    ArchiveDisposalItem,
    ArchiveErasure,
    ArchiveHold,
    ArchiveTombstone,
)
from registry.archive.numbering import (
    CASE,
    DISPOSED,
    EDITION,
    ERASING,
    FOREIGN,
    KEPT,
    catalogue_of,
    serial_of,
)
from registry.archive.stores import COPIES
from registry.archive.tables import ArchiveCopy, ArchiveDue, ArchivePackage, ArchiveSerial
from registry.archive.transfer_tables import ArchiveCheck
from registry.intake.joint_tables import SubCase
from registry.intake.moves import CLOSED, CaseState
from registry.intake.tables import Case
from registry.licences.tables import Edition, Intent
from registry.log.tables import Event, Leaf
from registry.vault import DISPOSED as NOTHING

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
    for check in session.scalars(not_passed(ArchiveCheck).order_by(ArchiveCheck.package_id)):
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
    yield from _gaps(session)
    yield from _disposals(session)


def _gaps(session: Session) -> Iterator[str]:
    """Of each catalogue in which numbers are given all up to the next one stand in the register. Of what came
    from elsewhere its number alone says whether it is one of them, as where it is passed over.
    """
    foreign = ArchivePackage.subject_kind == FOREIGN
    given = (
        select(ArchivePackage.fonds, ArchivePackage.catalogue, func.count(ArchivePackage.number.distinct()))
        .where(~foreign)
        .group_by(ArchivePackage.fonds, ArchivePackage.catalogue)
    )
    counted = Counter({(fonds, catalogue): count for fonds, catalogue, count in session.execute(given)})
    serials = {(one.fonds, one.catalogue): one.next for one in session.scalars(select(ArchiveSerial))}
    came = select(ArchivePackage.number).where(foreign).distinct()
    for number in session.scalars(came.execution_options(yield_per=BATCH)):
        catalogue, serial = catalogue_of(number), serial_of(number)
        if catalogue in serials and serial is not None and 1 <= serial < serials[catalogue]:
            counted[catalogue] += 1
    for (fonds, name), following in serials.items():
        if counted[fonds, name] != following - 1:
            yield f"catalogue {name} of fonds {fonds} has gaps in its numbers"


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
        ArchivePackage.subject_kind == CASE,
        ArchivePackage.subject == Case.id,
        ArchivePackage.state.in_((KEPT, ERASING, DISPOSED)),
    )
    for case_id in session.scalars(select(Case.id).outerjoin(ArchivePackage, and_(*kept)).where(*said)):
        yield f"case {case_id} is archived and has no package that is kept"
    closed = Case.state.in_([state.value for state in CLOSED])
    for case_id in session.scalars(select(Case.id).join(ArchivePackage, and_(*kept)).where(closed)):
        yield f"case {case_id} has a package that is kept and is not archived"


def _disposals(session: Session) -> Iterator[str]:
    """What was disposed of was asked and approved by two, and nothing else is without its content."""
    stone = ArchiveTombstone.number
    alone = ArchiveDisposal.asked_by == ArchiveDisposal.decided_by
    for disposal_id in session.scalars(select(ArchiveDisposal.id).where(alone)):
        yield f"disposal {disposal_id} was asked and approved by one person"
    over = ArchivePackage.state.in_((ERASING, DISPOSED))
    unburied = (
        select(ArchivePackage.id)
        .outerjoin(ArchiveTombstone, stone == ArchivePackage.number)
        .where(or_(and_(over, stone.is_(None)), and_(~over, stone.is_not(None))))
    )
    for package_id in session.scalars(unburied):
        yield f"package {package_id} and its tombstone do not agree"
    approved = (ItemState.ERASING.value, ItemState.DISPOSED.value)
    item = and_(
        ArchiveDisposalItem.disposal_id == ArchiveTombstone.disposal_id,
        ArchiveDisposalItem.number == stone,
        ArchiveDisposalItem.state.in_(approved),
    )
    never = select(stone).outerjoin(ArchiveDisposalItem, item).where(ArchiveDisposalItem.number.is_(None))
    for number in session.scalars(never):
        yield f"{number} was disposed of, and no list says so"
    left = exists().where(ArchiveErasure.number == stone, ArchiveErasure.erased_at.is_(None))
    said = select(stone).where(ArchiveTombstone.disposed_at.is_not(None), left)
    for number in session.scalars(said):
        yield f"{number} is said to be disposed of, and a store was not asked"
    held = select(stone).join(ArchiveHold, ArchiveHold.number == stone)
    for number in session.scalars(held.where(ArchiveHold.released_at.is_(None))):
        yield f"{number} was disposed of under a hold"
    yield from _without_content(session)


def _without_content(session: Session) -> Iterator[str]:
    """Records, applications and salts are gone where a tombstone says so, and nowhere else."""
    editions = select(Edition.id, Intent.record).join(Intent, Intent.id == Edition.id)
    of = (
        (EDITION, Edition.id, Intent.record, editions),
        (CASE, Case.id, Case.application, select(Case.id, Case.application)),
    )
    for kind, key, content, rows in of:
        stone = and_(ArchiveTombstone.subject_kind == kind, ArchiveTombstone.subject == key)
        wanted = rows.outerjoin(ArchiveTombstone, stone)
        gone, buried = content == NOTHING, ArchiveTombstone.number.is_not(None)
        for subject, _ in session.execute(wanted.where(gone, ~buried)):
            yield f"{kind} {subject} has no content and was not disposed of"
        for subject, _ in session.execute(wanted.where(~gone, buried)):
            yield f"{kind} {subject} was disposed of and has content"
    stone = and_(
        ArchiveTombstone.subject_kind == Event.subject_kind, ArchiveTombstone.subject == Event.subject
    )
    whole = aliased(ArchiveTombstone)  # of the case that an agency took part in
    of_a_part = exists().where(
        SubCase.id == Event.subject, whole.subject_kind == CASE, whole.subject == SubCase.case_id
    )
    unsalted = (
        select(Event.id)
        .join(Leaf, Leaf.event_id == Event.id)
        .outerjoin(ArchiveTombstone, stone)
        .where(Leaf.salt == NOTHING, ArchiveTombstone.number.is_(None), ~of_a_part)
    )
    for event_id in session.scalars(unsalted):
        yield f"event {event_id} has no salt and was not disposed of"
