"""The four-nature check on record: each item of a package's last one, by occasion, with its finding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from registry.archive.natures import Finding, Nature
from registry.archive.numbering import DISPOSED, ERASING
from registry.archive.tables import ArchivePackage
from registry.archive.transfer_tables import ArchiveCheck
from registry.rows import changed_rows, insert_rows

INGEST, HANDOVER, IN_STORE = "ingest", "handover", "store"
MAX_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of a package, when, and on which occasion."""

    occasion: str
    checked_at: datetime
    findings: tuple[Finding, ...]


def packed(findings: Iterable[Finding]) -> list[list[str]]:
    """As JSON: nature, item and detail of each. A detail may come from a stranger's package: it is cut."""
    return [[one.nature.value, one.item, one.detail[:MAX_DETAIL]] for one in findings]


def unpacked(value: Sequence[Any]) -> tuple[Finding, ...]:
    return tuple(Finding(Nature(nature), item, detail) for nature, item, detail in value)


def failed(findings: Iterable[Finding]) -> list[Finding]:
    return [one for one in findings if not one.passed]


def note_checks(
    session: Session, occasion: str, found: Mapping[str, Sequence[Finding]], now: datetime
) -> None:
    """Put checks of packages on record, in place of those of the same occasion before."""
    if not found:
        return
    which = (ArchiveCheck.occasion == occasion, ArchiveCheck.package_id.in_(list(found)))
    changed_rows(session, delete(ArchiveCheck).where(*which))
    insert_rows(
        session,
        ArchiveCheck,
        [
            {
                "package_id": package_id,
                "occasion": occasion,
                "checked_at": now,
                "failed": len(failed(findings)),
                "findings": packed(findings),
            }
            for package_id, findings in found.items()
        ],
    )


def not_passed(*columns: Any) -> Select[Any]:
    """Of checks that found something wrong, with their packages; but of none that was disposed of, since
    nobody can mend it.
    """
    there = ArchivePackage.state.not_in((ERASING, DISPOSED))
    joined = (
        select(*columns)
        .select_from(ArchiveCheck)
        .join(ArchivePackage, ArchivePackage.id == ArchiveCheck.package_id)
    )
    return joined.where(ArchiveCheck.failed > 0, there)


def checks_of(session: Session, package_id: str) -> list[Check]:
    """Those of a package, oldest first."""
    rows = session.scalars(
        select(ArchiveCheck)
        .where(ArchiveCheck.package_id == package_id)
        .order_by(ArchiveCheck.checked_at, ArchiveCheck.occasion)
    )
    return [Check(row.occasion, row.checked_at, unpacked(row.findings)) for row in rows]
