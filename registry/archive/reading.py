"""The register of the archive, read by whoever may: an agency its own packages, by pages or one with its
checks, copies, evidence and where it went.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry.archive.checks import Check, checks_of
from registry.archive.handover import HANDED_OVER, WAITING
from registry.archive.tables import ArchiveCopy, ArchiveEvidence, ArchiveNightStamp, ArchivePackage
from registry.archive.transfer_tables import (
    ArchiveArrival,
    ArchiveHandover,
    ArchiveHandoverItem,
    ArchiveRenewal,
)

PAGE, MAX_PAGE = 50, 200
_CURSOR = re.compile(r"([0-9]{4}):([0-9a-f]{32})")


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for: all that is given holds of each package found."""

    number: str | None = None
    identifier: str | None = None
    catalogue: str | None = None
    year: int | None = None
    limit: int = PAGE
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """Where a package went, or is on its way to: `at` is when it was accepted."""

    handover: str
    to_code: str
    to_name: str
    state: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Whole:
    """A package with all that is on record of it."""

    row: ArchivePackage
    copies: tuple[ArchiveCopy, ...]
    checks: tuple[Check, ...]
    stamped_at: tuple[datetime, ...]  # by its evidence record, oldest first
    passed: Passed | None
    arrival: ArchiveArrival | None


def find_packages(
    session: Session, agency_code: str | None, question: Question
) -> tuple[list[tuple[ArchivePackage, Passed | None]], str | None]:
    """A page, the newest years first, and where the next one begins; of every agency where none is named.

    Raises VermilionError(INVALID) for a place where no page ended.
    """
    wanted = select(ArchivePackage)
    for column, value in (
        (ArchivePackage.agency_code, agency_code),
        (ArchivePackage.number, question.number),
        (ArchivePackage.identifier, question.identifier),
        (ArchivePackage.catalogue, question.catalogue),
        (ArchivePackage.year, question.year),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    if question.after is not None:
        year, package_id = _read_cursor(question.after)
        wanted = wanted.where(
            or_(
                ArchivePackage.year < year,
                and_(ArchivePackage.year == year, ArchivePackage.id > package_id),
            )
        )
    ordered = wanted.order_by(ArchivePackage.year.desc(), ArchivePackage.id).limit(question.limit + 1)
    rows = list(session.scalars(ordered))
    shown = rows[: question.limit]
    passed = _passed(session, [row.id for row in shown])
    following = _cursor(shown[-1]) if len(rows) > question.limit else None
    return [(row, passed.get(row.id)) for row in shown], following


def read_package(session: Session, agency_code: str | None, package_id: str) -> Whole:
    """One package, of this agency or of any. Raises VermilionError(NOT_FOUND, `package_unknown`)."""
    row = session.get(ArchivePackage, package_id)
    if row is None or agency_code not in (None, row.agency_code):
        raise VermilionError(Kind.NOT_FOUND, "no such package", reason="package_unknown")
    copies = select(ArchiveCopy).where(ArchiveCopy.package_id == package_id).order_by(ArchiveCopy.store)
    arrival = select(ArchiveArrival).where(ArchiveArrival.package_id == package_id)
    return Whole(
        row,
        tuple(session.scalars(copies)),
        tuple(checks_of(session, package_id)),
        tuple(_stamps(session, package_id)),
        _passed(session, [package_id]).get(package_id),
        session.scalars(arrival).one_or_none(),
    )


def _passed(session: Session, ids: Sequence[str]) -> dict[str, Passed]:
    rows = session.execute(
        select(ArchiveHandoverItem.package_id, ArchiveHandoverItem.state, ArchiveHandover)
        .join(ArchiveHandover, ArchiveHandover.id == ArchiveHandoverItem.handover_id)
        .where(ArchiveHandoverItem.package_id.in_(ids), ArchiveHandoverItem.state.in_((WAITING, HANDED_OVER)))
    )
    return {
        package_id: Passed(one.id, one.to_code, one.to_name, state, one.answered_at)
        for package_id, state, one in rows
    }


def _stamps(session: Session, package_id: str) -> list[datetime]:
    """When each time-stamp of its record was made: of a chain that was renewed, those before that."""
    evidence = session.get(ArchiveEvidence, package_id)
    if evidence is None:
        return []
    renewals = session.scalars(
        select(ArchiveRenewal).where(ArchiveRenewal.package_id == package_id).order_by(ArchiveRenewal.chain)
    ).all()
    nights = [evidence.night_id, *(one.night_id for one in renewals)]
    counts = [*(one.stamps for one in renewals), None]
    found: list[datetime] = []
    for night_id, count in zip(nights, counts, strict=True):
        stamps = select(ArchiveNightStamp.stamped_at).where(ArchiveNightStamp.night_id == night_id)
        found += session.scalars(stamps.order_by(ArchiveNightStamp.number).limit(count))
    return found


def _cursor(row: ArchivePackage) -> str:
    return base64.urlsafe_b64encode(f"{row.year:04}:{row.id}".encode()).rstrip(b"=").decode()


def _read_cursor(text: str) -> tuple[int, str]:
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        plain = ""
    found = _CURSOR.fullmatch(plain)
    if found is None:
        raise field_fault("?after", "cursor", "no page ended so")
    return int(found[1]), found[2]
