"""What is in the archive: by number, identifier, agency and year; and how much of it, and what waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.archive.checks import not_passed
from registry.archive.disposal_tables import ArchiveHold, ArchiveTombstone
from registry.archive.figures import waiting_subjects
from registry.archive.tables import ArchiveCopy, ArchivePackage
from registry.archive.transfer_tables import ArchiveCheck

PAGE = 500


def find(
    session: Session,
    *,
    number: str | None = None,
    identifier: str | None = None,
    agency_code: str | None = None,
    year: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Packages that fit, at most 500, each with its copies; no personal data is in the register."""
    wanted = select(ArchivePackage).order_by(ArchivePackage.id).limit(PAGE)
    for column, value in (
        (ArchivePackage.number, number),
        (ArchivePackage.identifier, identifier),
        (ArchivePackage.agency_code, agency_code),
        (ArchivePackage.year, year),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    rows = session.scalars(wanted).all()
    stored = select(ArchiveCopy).where(ArchiveCopy.package_id.in_([row.id for row in rows]))
    copies: dict[str, dict[str, str]] = {row.id: {} for row in rows}
    for copy in session.scalars(stored):
        copies[copy.package_id][copy.store] = copy.state
    numbers = {row.number for row in rows}
    stones = {
        one.number: one
        for one in session.scalars(select(ArchiveTombstone).where(ArchiveTombstone.number.in_(numbers)))
    }
    held = set(
        session.scalars(
            select(ArchiveHold.number).where(
                ArchiveHold.number.in_(numbers), ArchiveHold.released_at.is_(None)
            )
        )
    )
    for row in rows:
        yield {
            "package": row.id,
            "number": row.number,
            "sequence": row.sequence,
            "identifier": row.identifier,
            "occasion": row.occasion,
            "retention": row.retention,
            "retention_until": None if row.retention_until is None else row.retention_until.isoformat(),
            "state": row.state,
            "sha256": None if row.sha256 is None else row.sha256.hex(),
            "size": row.size,
            "copies": copies[row.id],
            "held": row.number in held,
            "tombstone": _tombstone(stones.get(row.number)),
        }


def _tombstone(stone: ArchiveTombstone | None) -> dict[str, Any] | None:
    if stone is None:
        return None
    return {
        "title": stone.title,
        "disposal": stone.disposal_id,
        "begun_at": stone.begun_at.isoformat(),
        "disposed_at": None if stone.disposed_at is None else stone.disposed_at.isoformat(),
    }


def statistics(session: Session) -> Iterator[dict[str, Any]]:
    """Packages and bytes by fonds, year and retention; checks that did not pass; copies by store and state;
    editions and cases that wait, by reason.
    """
    packages = (
        select(
            ArchivePackage.fonds,
            ArchivePackage.year,
            ArchivePackage.retention,
            ArchivePackage.state,
            func.count(),
            func.coalesce(func.sum(ArchivePackage.size), 0),
        )
        .group_by(ArchivePackage.fonds, ArchivePackage.year, ArchivePackage.retention, ArchivePackage.state)
        .order_by(ArchivePackage.fonds, ArchivePackage.year, ArchivePackage.retention)
    )
    for fonds, year, retention, state, count, size in session.execute(packages):
        yield {
            "fonds": fonds,
            "year": year,
            "retention": retention,
            "state": state,
            "packages": count,
            "bytes": int(size or 0),
        }
    checks = not_passed(ArchiveCheck.occasion, func.count())
    for occasion, count in session.execute(checks.group_by(ArchiveCheck.occasion)):
        yield {"check": occasion, "failed": count}
    copies = select(ArchiveCopy.store, ArchiveCopy.state, func.count()).group_by(
        ArchiveCopy.store, ArchiveCopy.state
    )
    for store, state, count in session.execute(copies.order_by(ArchiveCopy.store)):
        yield {"store": store, "state": state, "copies": count}
    waits = waiting_subjects().c
    waiting = select(waits.reason, func.count(), func.min(waits.due_at)).group_by(waits.reason)
    for reason, count, since in session.execute(waiting):
        yield {"waiting": count, "reason": reason, "next": since.isoformat()}
