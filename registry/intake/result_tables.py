"""Results of decided cases for the public (Measures, Art. 6): no name, and no value of an application."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class ResultMatter(Base):
    """A matter of which cases were decided: what the public is told of them all."""

    __tablename__ = "result_matter"
    code: Mapped[str] = mapped_column(String(36), primary_key=True)
    agency_code: Mapped[str] = mapped_column(ForeignKey("agency.code"))
    names: Mapped[dict[str, Any]]  # by language, of the version by which the last case was decided
    published: Mapped[int]  # how many of its results are on the list
    withheld: Mapped[int]  # and how many are kept from the public
    secret_basis: Mapped[str | None] = mapped_column(String(200))  # the law by which they are


class PublishedResult(Base):
    """The result of a case, on its matter's list. The holder is the licence's, by its type's own rule."""

    __tablename__ = "published_result"
    __table_args__ = (Index(None, "matter_code", "decided_on", "number"),)
    number: Mapped[str] = mapped_column(String(24), primary_key=True)  # the case's
    matter_code: Mapped[str] = mapped_column(ForeignKey("result_matter.code"))
    decided_on: Mapped[date]
    result: Mapped[str] = mapped_column(String(12))  # permitted, refused, terminated
    edition_id: Mapped[str | None] = mapped_column(ForeignKey("edition.id"))
