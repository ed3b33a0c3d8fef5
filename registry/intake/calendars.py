"""The notices of holidays on record, and what is due recounted by them (Measures, Art. 14).

The State Council's office publishes the next year's holidays each autumn. What the installed library knows is
the beginning; a notice on record takes its place for that year, and a later one the place of that. Whatever
was counted with a year that nobody knew is marked provisional, and counted anew once there is a notice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from hashlib import sha256

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from keys.errors import Kind, VermilionError
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.intake.holiday_notices import HolidayNotice, library_notices, working_days
from registry.intake.tables import HolidayNoticeVersion
from registry.intake.working_days import SATURDAY, WorkingDays
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings
from registry.rows import unless_known
from signing.toml_table import Table

LEGAL_BASIS = "Administrative Licensing Law, Art. 82"
FIRST, LAST = 2020, 2100
MAX_SOURCE = 200


@dataclass(frozen=True, slots=True)
class Read:
    """A notice as its file has it."""

    notice: HolidayNotice
    version: int


def read_notice(raw: bytes, name: str) -> Read:
    """A notice's file: `year`, `version`, `source`, and `rest` and `work`, days of that year by their names,
    of which each says otherwise than its day of the week.

    Raises VermilionError: TOO_LARGE, MALFORMED, INVALID (`bad_data_file`).
    """
    table = Table.parse(raw, name)
    year, version, source = table.integer("year"), table.integer("version"), table.text("source")
    days: dict[date, tuple[bool, str]] = {}
    for key, works in (("rest", False), ("work", True)):
        for one in table.tables(key):
            day, said = one.day("day"), one.text("name")
            one.finish()
            if day.year != year or day in days:
                one.refuse("day", "must be a day of the year, and stand once")
            if (day.weekday() >= SATURDAY) != works:
                one.refuse("day", "is worked on, or not, by its day of the week already")
            if len(said) > 40 or not said.isprintable():
                one.refuse("name", "must be printable, of at most 40 characters")
            days[day] = (works, said)
    table.finish()
    if not FIRST <= year < LAST:
        table.refuse("year", f"must lie between {FIRST} and {LAST - 1}")
    if version < 1:
        table.refuse("version", "counts from 1")
    if len(source) > MAX_SOURCE or not source.isprintable():
        table.refuse("source", f"must be a printable line of at most {MAX_SOURCE} characters")
    if not any(not works for works, _ in days.values()):
        table.refuse("rest", "must list the holidays that fall on a day from Monday to Friday")
    return Read(HolidayNotice(year, source, dict(sorted(days.items()))), version)


def import_notice(session: Session, ports: Surroundings, admin: Administrator, raw: bytes, name: str) -> Read:
    """Put a notice on record; cases are counted anew by it in the background. The same again changes nothing.

    Raises VermilionError: as `read_notice`; FORBIDDEN; CONFLICT (`version_exists`).
    """
    in_office(session, admin, Duty.SYSTEM)
    made = read_notice(raw, name)
    year, digest = made.notice.year, sha256(raw).hexdigest()
    days = {day.isoformat(): [works, said] for day, (works, said) in made.notice.days.items()}
    newest = session.scalar(
        select(func.max(HolidayNoticeVersion.version)).where(HolidayNoticeVersion.year == year)
    )
    known = session.get(HolidayNoticeVersion, (year, made.version))
    if known is not None and (known.source, known.days) == (made.notice.source, days):
        return made
    taken = VermilionError(
        Kind.CONFLICT, "another notice of this year and version is on record", reason="version_exists"
    )
    if newest is not None and made.version <= newest:
        raise taken
    with unless_known(session, taken):
        session.add(
            HolidayNoticeVersion(
                year=year,
                version=made.version,
                source=made.notice.source,
                days=days,
                created_at=ports.clock(),
            )
        )
    record_event(
        session,
        kind="holiday_notice.imported",
        subject_kind="holiday_notice",
        subject=str(year),
        ground=Ground(LEGAL_BASIS, "imported", ports.clock().astimezone(ports.settings.tz).date()),
        actor=admin,
        now=ports.clock(),
        random=ports.random,
        detail={"version": made.version, "source": made.notice.source, "sha256": digest},
    )
    return made


def notices_on_record(session: Session) -> int:
    """How many there are, the library's among them, of which a later release has more: what was reckoned by
    fewer is to be reckoned anew.
    """
    imported = session.scalar(select(func.count()).select_from(HolidayNoticeVersion)) or 0
    return len(_library()) + imported


def calendar(session: Session) -> WorkingDays:
    """By all notices that there are: the library's, and the newest on record of each year."""
    other = aliased(HolidayNoticeVersion)
    newest = select(func.max(other.version)).where(other.year == HolidayNoticeVersion.year).scalar_subquery()
    rows = session.scalars(select(HolidayNoticeVersion).where(HolidayNoticeVersion.version == newest))
    return working_days([*_library(), *map(_notice, rows)])


@lru_cache(maxsize=1)
def _library() -> tuple[HolidayNotice, ...]:
    return tuple(library_notices(range(FIRST, LAST)))


def _notice(row: HolidayNoticeVersion) -> HolidayNotice:
    days = {date.fromisoformat(day): (bool(works), str(said)) for day, (works, said) in row.days.items()}
    return HolidayNotice(row.year, row.source, days)
