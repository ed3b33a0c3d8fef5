"""Figures by agency and day, and what is still to be counted."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class Uncounted(Base):
    """An event that no figure has yet: written with it, removed in the transaction that counts it."""

    __tablename__ = "uncounted"
    event_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    agency_code: Mapped[str] = mapped_column(String(18))
    figure: Mapped[str] = mapped_column(String(20))
    recorded_at: Mapped[datetime]


class Figure(Base):
    """How often something happened to an agency's licences on a civil day of the registry's zone."""

    __tablename__ = "figure"
    agency_code: Mapped[str] = mapped_column(String(18), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    figure: Mapped[str] = mapped_column(String(20), primary_key=True)
    count: Mapped[int]


class ClosedDay(Base):
    """The last day of which all is counted that only its end shows: one row, of number 1."""

    __tablename__ = "closed_day"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[date]


class CheckFigure(Base):
    """How often a public site says that an agency's licences were checked on a day, and with which verdict;
    of no agency (an empty code) where no licence was found.
    """

    __tablename__ = "check_figure"
    agency_code: Mapped[str] = mapped_column(String(18), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    verdict: Mapped[str] = mapped_column(String(20), primary_key=True)
    site: Mapped[str] = mapped_column(String(200), primary_key=True)
    checks: Mapped[int]
