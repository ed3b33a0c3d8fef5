"""Lists of matters."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, Text
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
