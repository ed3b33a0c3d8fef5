"""What other agencies have to say of a case (联合办理), and each step of that."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class SubCase(Base):
    """The part of one agency in another's case: what it gives its opinion on, and until when."""

    __tablename__ = "sub_case"
    __table_args__ = (
        UniqueConstraint("case_id", "agency_code"),
        Index(None, "agency_code", "due_on", "id"),
        Index(None, "agency_code", "created_at", "id"),  # the pages of a list, of all states and of one
        Index(None, "agency_code", "state", "created_at", "id"),
        Index(None, "lead_code", "due_on", "id"),
        Index(None, "lead_code", "created_at", "id"),
        Index(None, "lead_code", "state", "created_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("intake_case.id"))
    agency_code: Mapped[str] = mapped_column(ForeignKey("agency.code"))
    lead_code: Mapped[str] = mapped_column(ForeignKey("agency.code"))  # the case's agency
    state: Mapped[str] = mapped_column(String(10))  # `registry.intake.joint_moves.SubState`
    moves: Mapped[int]  # how many there are
    created_at: Mapped[datetime]
    began_on: Mapped[date]  # the case was accepted, and the agency asked
    due_on: Mapped[
        date | None
    ]  # the last day of the opinion; None: nothing is due, or the case's clock stands
    provisional: Mapped[bool]  # counted with a year whose notice of holidays is not loaded
    opinion: Mapped[str | None] = mapped_column(String(24))  # `registry.intake.joint_moves.Opinion`


class SubCaseMove(Base):
    """One step of a sub-case: who did what, when and why. It never changes."""

    __tablename__ = "sub_case_move"
    sub_case_id: Mapped[str] = mapped_column(ForeignKey("sub_case.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # from 1
    action: Mapped[str] = mapped_column(String(10))  # `registry.intake.joint_moves.SubAction`
    came_from: Mapped[str] = mapped_column(String(10))
    led_to: Mapped[str] = mapped_column(String(10))
    side: Mapped[str] = mapped_column(String(10))  # `registry.intake.joint_moves.Side`
    client_id: Mapped[str | None] = mapped_column(ForeignKey("client.id"))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    operator: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]
    day: Mapped[date]  # the registry's civil day
    legal_basis: Mapped[str] = mapped_column(String(200))
    reason_code: Mapped[str] = mapped_column(String(40))
    opinion: Mapped[str | None] = mapped_column(String(24))
    said: Mapped[bytes | None]  # the words of it: encrypted
    event_id: Mapped[str] = mapped_column(ForeignKey("event.id"))
