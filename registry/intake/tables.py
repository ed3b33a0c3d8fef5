"""Lists of matters; cases, each step of them, and the licences that are to be issued for them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class MatterListVersion(Base):
    """A list as its file says, one version; it never changes."""

    __tablename__ = "matter_list"
    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(20))  # `registry.intake.matters.ListKind`
    owner: Mapped[str] = mapped_column(String(18))
    division: Mapped[str] = mapped_column(String(6))
    effective_from: Mapped[date]
    effective_to: Mapped[date | None]
    toml: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class HolidayNoticeVersion(Base):
    """A notice of a year's holidays and of the days that make up for them; the last of a year holds."""

    __tablename__ = "holiday_notice"
    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    source: Mapped[str] = mapped_column(String(200))
    days: Mapped[dict[str, Any]]  # by day: whether it is worked on, and its name
    created_at: Mapped[datetime]


class ListedMatter(Base):
    """That a catalogue or a supplement has a matter."""

    __tablename__ = "listed_matter"
    __table_args__ = (
        ForeignKeyConstraint(("list_code", "list_version"), ("matter_list.code", "matter_list.version")),
    )
    base_code: Mapped[str] = mapped_column(String(12), primary_key=True)
    list_code: Mapped[str] = mapped_column(String(40), primary_key=True)
    list_version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class MatterVersion(Base):
    """A matter of an agency's implementation list."""

    __tablename__ = "matter"
    __table_args__ = (
        ForeignKeyConstraint(("list_code", "version"), ("matter_list.code", "matter_list.version")),
        Index(None, "agency_code", "code"),
    )
    code: Mapped[str] = mapped_column(String(36), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # of its list
    list_code: Mapped[str] = mapped_column(String(40))
    base_code: Mapped[str] = mapped_column(String(12))
    agency_code: Mapped[str] = mapped_column(ForeignKey("agency.code"))


class Case(Base):
    """An application and what became of it (办件)."""

    __tablename__ = "intake_case"
    __table_args__ = (
        ForeignKeyConstraint(("matter_code", "matter_version"), ("matter.code", "matter.version")),
        UniqueConstraint("number"),
        Index(None, "agency_code", "due_on", "id"),
        Index(None, "agency_code", "created_at", "id"),  # the pages of a list, of all states and of one
        Index(None, "agency_code", "state", "created_at", "id"),
        Index(None, "state", "due_on"),
        Index(None, "state", "calendar"),
        Index(None, "state", "drawn_at"),
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[str | None] = mapped_column(String(24))  # None while it is a draft
    agency_code: Mapped[str] = mapped_column(ForeignKey("agency.code"))
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))  # through which it came
    matter_code: Mapped[str] = mapped_column(String(36))
    matter_version: Mapped[int]  # by which it is handled: that of the day it was submitted
    state: Mapped[str] = mapped_column(String(12))  # `registry.intake.moves.CaseState`
    moves: Mapped[int]  # how many there are
    application: Mapped[bytes]  # who applies, for what, how they are reached: encrypted; empty once it lapsed
    created_at: Mapped[datetime]
    drawn_at: Mapped[datetime]  # the draft's contents were changed last
    # Civil days.
    submitted_on: Mapped[date | None]
    received_on: Mapped[date | None]  # what was submitted or corrected came
    accepted_on: Mapped[date | None]
    decided_on: Mapped[date | None]
    extension_days: Mapped[int]
    due_on: Mapped[date | None]  # the last day of what the agency has to do next; None: nothing, or it stands
    statutory_due: Mapped[date | None]
    committed_due: Mapped[date | None]
    provisional: Mapped[bool]  # counted with a year whose notice of holidays is not loaded
    calendar: Mapped[int]  # how many notices of holidays were known when it was reckoned last
    edition_id: Mapped[str | None] = mapped_column(ForeignKey("edition.id"))


class CaseMove(Base):
    """One step of a case: who did what, when and why. It never changes."""

    __tablename__ = "case_move"
    case_id: Mapped[str] = mapped_column(ForeignKey("intake_case.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # from 1
    action: Mapped[str] = mapped_column(String(20))  # `registry.intake.moves.Action`
    came_from: Mapped[str] = mapped_column(String(12))
    led_to: Mapped[str] = mapped_column(String(12))
    who: Mapped[str] = mapped_column(String(12))  # `registry.intake.moves.Who`
    client_id: Mapped[str | None] = mapped_column(ForeignKey("client.id"))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    operator: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]
    day: Mapped[date]  # the registry's civil day
    legal_basis: Mapped[str] = mapped_column(String(200))
    reason_code: Mapped[str] = mapped_column(String(40))
    days: Mapped[int]  # of a suspension or an extension; 0: none
    said: Mapped[bytes | None]  # words and items that are told to the applicant: encrypted
    event_id: Mapped[str] = mapped_column(ForeignKey("event.id"))
    notice_id: Mapped[str | None] = mapped_column(String(32))  # of the message, which is removed in time


class CaseIssue(Base):
    """That a licence is to be issued for a case: written with the decision, one for each case."""

    __tablename__ = "case_issue"
    __table_args__ = (Index(None, "state", "due_at"),)
    case_id: Mapped[str] = mapped_column(ForeignKey("intake_case.id"), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    operator: Mapped[str] = mapped_column(String(80))
    request: Mapped[bytes]  # what `issueLicence` takes, encrypted
    state: Mapped[str] = mapped_column(String(10))  # `registry.intake.issuing.IssueState`
    attempt: Mapped[int]  # raised by whoever takes it: what an earlier one says counts no more
    due_at: Mapped[datetime | None]  # not before; while somebody has it, the end of their lease
    reason: Mapped[str | None] = mapped_column(String(60))  # why it was refused, or put off
    ended_at: Mapped[datetime | None]
