"""Legal holds, and what is disposed of: asked by one, approved by another, carried out object by object."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base

_OPEN: dict[str, Any] = dict.fromkeys(
    ("sqlite_where", "postgresql_where"), text("state IN ('listed', 'erasing')")
)


class ArchiveHold(Base):
    """A legal hold on an archive number: nothing of it is disposed of until every one was released."""

    __tablename__ = "archive_hold"
    __table_args__ = (Index(None, "number", "released_at"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[str] = mapped_column(String(100))  # 档号
    legal_basis: Mapped[str] = mapped_column(String(200))
    reason_code: Mapped[str] = mapped_column(String(40))
    placed_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    placed_at: Mapped[datetime]
    release_basis: Mapped[str | None] = mapped_column(String(200))
    released_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    released_at: Mapped[datetime | None]


class ArchiveDisposal(Base):
    """A list of archive numbers that somebody wants disposed of, and what became of it."""

    __tablename__ = "archive_disposal"
    __table_args__ = (Index(None, "state", "asked_at"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    state: Mapped[str] = mapped_column(String(10))  # `registry.archive.disposal.DisposalState`
    legal_basis: Mapped[str] = mapped_column(String(200))
    reason_code: Mapped[str] = mapped_column(String(40))
    asked_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    asked_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    certificate: Mapped[bytes | None]  # 销毁清册, JSON, once it is done
    token: Mapped[bytes | None]  # TimeStampToken over the certificate's SHA-256, DER


class ArchiveDisposalItem(Base):
    """One number of such a list. It stands in one open list at most."""

    __tablename__ = "archive_disposal_item"
    __table_args__ = (Index("ix_archive_disposal_item_open", "number", unique=True, **_OPEN),)
    disposal_id: Mapped[str] = mapped_column(ForeignKey("archive_disposal.id"), primary_key=True)
    number: Mapped[str] = mapped_column(String(100), primary_key=True)
    state: Mapped[str] = mapped_column(String(10))  # `registry.archive.disposal.ItemState`
    reason: Mapped[str | None] = mapped_column(String(40))  # why it was left out, or is not done yet
    ended_at: Mapped[datetime | None]


class ArchiveErasure(Base):
    """An object that is to be erased: a copy of a package in a store of the archive, or a document."""

    __tablename__ = "archive_erasure"
    __table_args__ = (Index(None, "number", "erased_at"),)
    store: Mapped[str] = mapped_column(String(20), primary_key=True)  # "": the documents in service
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    number: Mapped[str] = mapped_column(String(100))
    erased_at: Mapped[datetime | None]  # removed, and looked for again


class ArchiveTombstone(Base):
    """What is left of what was disposed of: nothing about anybody."""

    __tablename__ = "archive_tombstone"
    __table_args__ = (Index(None, "subject_kind", "subject", unique=True),)
    number: Mapped[str] = mapped_column(String(100), primary_key=True)
    disposal_id: Mapped[str] = mapped_column(ForeignKey("archive_disposal.id"), index=True)
    subject_kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(80))
    agency_code: Mapped[str] = mapped_column(ForeignKey("agency.code"))
    title: Mapped[str] = mapped_column(String(200))  # of its class: the licence type's, the matter's
    packages: Mapped[dict[str, Any]]  # by id: sequence, digests, size and day
    retention: Mapped[str] = mapped_column(String(10))
    retention_until: Mapped[date]
    begun_at: Mapped[datetime]  # from then on the database has no content of it
    disposed_at: Mapped[datetime | None]  # from then on nothing else has, either
