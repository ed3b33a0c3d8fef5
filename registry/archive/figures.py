"""What each agency has in the archive, in figures: counted by the registry's own work, every hour, and read
by one key when it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Subquery, and_, delete, func, select
from sqlalchemy.orm import Session

from registry.agencies.tables import Agency
from registry.archive.checks import not_passed
from registry.archive.numbering import CASE, EDITION
from registry.archive.tables import ArchiveCopy, ArchiveDue, ArchivePackage
from registry.archive.transfer_tables import ArchiveCheck, ArchiveFigure, ArchiveHandoverItem
from registry.intake.tables import Case
from registry.licences.outage import database_errors
from registry.licences.tables import Edition
from registry.ports import Ports
from registry.rows import changed_rows, insert_absent

EVERY = timedelta(hours=1)
PARTS = ("packages", "copies", "checks_failed", "handovers")


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one agency. None of `counted_at`: it was not counted yet, and nothing stands in the others."""

    counted_at: datetime | None
    packages: list[dict[str, Any]]  # by fonds, year, retention and state
    copies: list[dict[str, Any]]  # by store and state
    checks_failed: list[dict[str, Any]]  # by occasion
    handovers: list[dict[str, Any]]  # of packages, by state
    waiting: int  # editions and cases that are to be archived

    def said(self) -> dict[str, Any]:
        return {**{name: getattr(self, name) for name in PARTS}, "waiting": self.waiting}


def count_due(ports: Ports, *, at_once: bool = False) -> int:
    """Count for every agency where the last count is old, or `at_once`; of how many. Raises
    VermilionError(UNAVAILABLE) without a database.
    """
    now = ports.clock()
    with database_errors():
        with Session(ports.database.read) as session:
            last = session.scalar(select(func.max(ArchiveFigure.counted_at)))
            if last is not None and last + EVERY > now and not at_once:
                return 0
            counted = _counted(session)
        rows = [
            {"agency_code": code, "counted_at": now, "figures": figures}
            for code, figures in sorted(counted.items())
        ]
        with ports.database.transaction() as session:
            changed_rows(session, delete(ArchiveFigure))
            insert_absent(session, rows, ArchiveFigure.agency_code)  # another process may count as well
    return len(rows)


def figures_of(session: Session, agency_code: str) -> Figures:
    row = session.get(ArchiveFigure, agency_code)
    if row is None:
        return Figures(None, [], [], [], [], 0)
    return Figures(row.counted_at, **row.figures)


def waiting_subjects() -> Subquery:
    """What waits to be archived: each subject once, however many events it waits for, with the reason of its
    last attempt and when it is due.
    """
    return (
        select(
            ArchiveDue.subject_kind,
            ArchiveDue.subject,
            func.max(ArchiveDue.reason).label("reason"),
            func.min(ArchiveDue.due_at).label("due_at"),
        )
        .group_by(ArchiveDue.subject_kind, ArchiveDue.subject)
        .subquery()
    )


def _counted(session: Session) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {
        code: {**{name: [] for name in PARTS}, "waiting": 0} for code in session.scalars(select(Agency.code))
    }
    package = ArchivePackage
    by = (package.agency_code, package.fonds, package.year, package.retention, package.state)
    total = select(*by, func.count(), func.coalesce(func.sum(package.size), 0)).group_by(*by).order_by(*by)
    for code, fonds, year, retention, state, count, size in session.execute(total):
        found[code]["packages"].append(
            {
                "fonds": fonds, "year": year, "retention": retention, "state": state,
                "packages": count, "bytes": int(size or 0),
            }
        )  # fmt: skip
    for name, table, column in (
        ("copies", ArchiveCopy, (ArchiveCopy.store, ArchiveCopy.state)),
        ("handovers", ArchiveHandoverItem, (ArchiveHandoverItem.state,)),
    ):
        keys = (package.agency_code, *column)
        joined = select(*keys, func.count()).join(package, package.id == table.package_id)
        for code, *key, count in session.execute(joined.group_by(*keys).order_by(*keys)):
            said = {one.key: value for one, value in zip(column, key, strict=True)}
            found[code][name].append({**said, name: count})
    wrong = (
        not_passed(package.agency_code, ArchiveCheck.occasion, func.count())
        .group_by(package.agency_code, ArchiveCheck.occasion)
        .order_by(package.agency_code, ArchiveCheck.occasion)
    )
    for code, occasion, count in session.execute(wrong):
        found[code]["checks_failed"].append({"occasion": occasion, "packages": count})
    waiting = waiting_subjects()
    waits = waiting.c
    of_editions = (
        select(Edition.issuer_code, func.count())
        .select_from(waiting)
        .join(Edition, and_(Edition.id == waits.subject, waits.subject_kind == EDITION))
        .group_by(Edition.issuer_code)
    )
    of_cases = (
        select(Case.agency_code, func.count())
        .select_from(waiting)
        .join(Case, and_(Case.id == waits.subject, waits.subject_kind == CASE))
        .group_by(Case.agency_code)
    )
    for counts in (of_editions, of_cases):
        for code, count in session.execute(counts):
            found[code]["waiting"] += count
    return found
