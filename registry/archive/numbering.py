"""Archive numbers (档号), and what a package's description says: number, fonds, catalogue, retention.

A number is `<fonds>-<category>·<year>·<retention>-<serial>`, in the manner of DA/T 13. Serials of a
catalogue have no gaps, which an archive checks: a number that was given stays with its subject, whatever
becomes of the attempts to make its package. The fonds is the agency's code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from importlib.metadata import version
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from registry.archive.contents import Description, Gathered
from registry.archive.tables import ArchivePackage, ArchiveRetention, ArchiveSerial
from registry.licences.examine import civil_day
from registry.ports import Ports
from registry.rows import changed_rows, insert_absent, insert_rows, new_ids

EDITION, CASE = "edition", "case"
FOREIGN = "foreign"  # a package that came from elsewhere
NUMBERED, WRITING, KEPT = "numbered", "writing", "kept"
ERASING, DISPOSED = "erasing", "disposed"
CATEGORIES = {EDITION: "ZZ", CASE: "BJ"}  # 证照, 办件: in a catalogue's number
OF_TYPE, OF_MATTER = "type", "matter"
PERMANENT = "permanent"
RETENTIONS: Mapping[str, int | None] = {PERMANENT: None, "30": 30, "10": 10}
LEASE = timedelta(minutes=10)
RETENTION_CODES = {PERMANENT: "Y", "30": "D30", "10": "D10"}  # as DA/T 13 writes them
_GIVEN = re.compile(r"([^-]+)-([A-Z]+·[0-9]{4}·[A-Z0-9]+)-([0-9]+)")
_SOFTWARE = f"vermilion {version('vermilion')}"


def number_packages(
    session: Session, ports: Ports, kind: str, wanted: Mapping[str, Gathered], now: datetime
) -> list[dict[str, Any]]:
    """Rows of packages to be made of these subjects of a kind: each with the number that the subject has
    already, or the next of its catalogue.
    """
    newest = select(ArchivePackage.subject, func.max(ArchivePackage.sequence)).where(
        ArchivePackage.subject_kind == kind, ArchivePackage.subject.in_(list(wanted))
    )
    sequences = {row[0]: row[1] for row in session.execute(newest.group_by(ArchivePackage.subject))}
    first = select(ArchivePackage).where(
        ArchivePackage.subject_kind == kind,
        ArchivePackage.subject.in_(list(sequences)),
        ArchivePackage.sequence == 1,
    )
    before = {one.subject: one for one in session.scalars(first)}
    schedule = schedule_of(session)
    this_year = civil_day(now, ports.settings.tz).year
    plans: list[dict[str, Any]] = []
    without: dict[tuple[str, str], list[dict[str, Any]]] = {}
    ids = new_ids(ports.random, len(wanted))
    for package_id, (subject, found) in zip(ids, sorted(wanted.items()), strict=True):
        old = before.get(subject)
        retention = old.retention if old else retention_of(kind, found, schedule)
        year = old.year if old else this_year
        row = {
            "id": package_id,
            "subject_kind": kind,
            "subject": subject,
            "sequence": sequences.get(subject, 0) + 1,
            "number": old.number if old else "",
            "fonds": old.fonds if old else found.agency_code,
            "catalogue": old.catalogue if old else f"{CATEGORIES[kind]}·{year}·{RETENTION_CODES[retention]}",
            "year": year,
            "occasion": max(found.acts, key=lambda act: (act.at, act.id)).kind,
            "agency_code": found.agency_code,
            "type_code": found.type_code,
            "identifier": found.identifier,
            "retention": retention,
            "retention_until": retention_until(retention, year, found.lasts_to),
            "state": NUMBERED,
            "attempt": 0,
            "lease_until": now + LEASE,
            "sha256": None,
            "manifest_sha256": None,
            "size": None,
            "items": None,
            "made_at": now,
            "kept_at": None,
        }
        plans.append(row)
        if old is None:
            without.setdefault((str(row["fonds"]), str(row["catalogue"])), []).append(row)
    for (fonds, catalogue), rows in sorted(without.items()):  # in one order: nobody waits in a circle
        for one, number in zip(rows, next_numbers(session, fonds, catalogue, len(rows)), strict=True):
            one["number"] = number
    insert_rows(session, ArchivePackage, plans)
    return plans


def schedule_of(session: Session) -> dict[tuple[str, str], str]:
    """Retentions that were decided: of types and matters, each by its code."""
    rows = select(ArchiveRetention.of, ArchiveRetention.code, ArchiveRetention.retention)
    return {(row.of, row.code): row.retention for row in session.execute(rows)}


def retention_of(kind: str, found: Gathered, schedule: Mapping[tuple[str, str], str]) -> str:
    """Of an edition its type's, of a case its matter's: as the schedule says, else the matter's own list;
    what nobody decided on is kept for good.
    """
    key = (OF_MATTER, found.matter_code) if kind == CASE else (OF_TYPE, found.type_code or "")
    return schedule.get(key) or found.retention or PERMANENT


def retention_until(retention: str, year: int, valid_to: date | None) -> date | None:
    """The last day, reckoned from the year after completion, and not before the licence's own; None: for
    good. What never expires is kept for good, whatever its type's retention is.
    """
    years = RETENTIONS[retention]
    if years is None or valid_to is None:
        return None
    return date(max(year + years, valid_to.year), 12, 31)


def described(row: Mapping[str, Any], found: Gathered) -> Description:
    """What a package says of itself: its row, and what was gathered."""
    return Description(
        id=row["id"],
        number=row["number"],
        fonds=row["fonds"],
        fonds_name=found.agency_name,
        catalogue=row["catalogue"],
        year=row["year"],
        retention=row["retention"],
        retention_until=row["retention_until"],
        title=found.title,
        document_number=found.document_number,
        identifier=found.identifier,
        agency_code=found.agency_code,
        agency_name=found.agency_name,
        applicant=found.applicant,
        matter_code=found.matter_code,
        matter_name=found.matter_name,
        case_number=found.case_number,
        accepted_on=found.accepted_on,
        completed_on=found.completed_on,
        occasion=row["occasion"],
        made_at=row["made_at"],
        software=_SOFTWARE,
    )


def catalogue_of(number: str) -> tuple[str, str] | None:
    """Fonds and catalogue of a number of the form of those that are given here; None for another's."""
    given = _GIVEN.fullmatch(number)
    return None if given is None else (given[1], given[2])


def _serial(value: int) -> str:
    return f"{value:06}"


def serial_of(number: str) -> int | None:
    """The serial of a number, where it is written as those that are given here are."""
    given = _GIVEN.fullmatch(number)
    return int(given[3]) if given is not None and given[3] == _serial(int(given[3])) else None


def next_numbers(session: Session, fonds: str, catalogue: str, count: int) -> list[str]:
    """So many numbers that nobody has. One that a package from elsewhere came with, before the first was
    given here, is passed over: it stands in the register, and is no gap. What the transaction does not commit
    is given again.
    """
    insert_absent(session, [{"fonds": fonds, "catalogue": catalogue, "next": 1}], ArchiveSerial.next)
    of = (ArchiveSerial.fonds == fonds, ArchiveSerial.catalogue == catalogue)
    following = session.scalars(select(ArchiveSerial.next).where(*of).with_for_update()).one()
    numbers: list[str] = []
    while lacking := count - len(numbers):
        asked = [f"{fonds}-{catalogue}-{_serial(one)}" for one in range(following, following + lacking)]
        taken = set(session.scalars(select(ArchivePackage.number).where(ArchivePackage.number.in_(asked))))
        numbers += [one for one in asked if one not in taken]
        following += lacking
    changed_rows(session, update(ArchiveSerial).where(*of).values(next=following))
    return numbers


def subjects_being_written(kind: str) -> Any:
    return select(ArchivePackage.subject).where(
        ArchivePackage.state.in_((NUMBERED, WRITING)), ArchivePackage.subject_kind == kind
    )


def as_values(row: ArchivePackage) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in ArchivePackage.__table__.columns}
