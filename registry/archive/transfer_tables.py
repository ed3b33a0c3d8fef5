"""What came to the archive, what went from it, what was found of each package, and who is at what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class ArchiveCheck(Base):
    """The four-nature check of a package on an occasion, the last of each: every item with its finding."""

    __tablename__ = "archive_check"
    __table_args__ = (Index(None, "failed", "package_id"),)
    package_id: Mapped[str] = mapped_column(ForeignKey("archive_package.id"), primary_key=True)
    occasion: Mapped[str] = mapped_column(String(20), primary_key=True)  # ingest, handover, store
    checked_at: Mapped[datetime]
    failed: Mapped[int]  # items that did not pass
    findings: Mapped[list[Any]] = mapped_column(JSON)  # `checks.packed`


class ArchiveFigure(Base):
    """What an agency has in the archive, counted by the registry's own work: nobody waits for a count."""

    __tablename__ = "archive_figure"
    agency_code: Mapped[str] = mapped_column(ForeignKey("agency.code"), primary_key=True)
    counted_at: Mapped[datetime]
    figures: Mapped[dict[str, Any]] = mapped_column(JSON)  # as `figures.Figures`


class ArchiveClaim(Base):
    """A subject whose material one archiver gathers, until it is numbered: no other one does."""

    __tablename__ = "archive_claim"
    subject_kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    subject: Mapped[str] = mapped_column(String(80), primary_key=True)
    until: Mapped[datetime] = mapped_column(index=True)


class ArchiveStatement(Base):
    """What is announced before it is signed: the list of a handover, or a receipt for one."""

    __tablename__ = "archive_statement"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))  # list, receipt
    input_sha256: Mapped[bytes]  # of the JWS signing input
    made_at: Mapped[datetime]
    signed: Mapped[str | None] = mapped_column(Text)  # JWS; None until it is signed


class ArchiveHandover(Base):
    """Packages that were handed over together to another archive, and its answer."""

    __tablename__ = "archive_handover"
    __table_args__ = (Index(None, "agency_code", "made_at"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    agency_code: Mapped[str] = mapped_column(ForeignKey("agency.code"))  # 移交单位
    to_code: Mapped[str] = mapped_column(String(40))
    to_name: Mapped[str] = mapped_column(String(120))  # 接收单位
    made_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(10))  # waiting, answered, withdrawn
    packages: Mapped[int]
    listed: Mapped[bytes]  # the list: canonical JSON, as it was signed for
    signed: Mapped[str] = mapped_column(Text)  # JWS
    # None until it is answered:
    receipt: Mapped[bytes | None]  # JWS, as it came
    answered_at: Mapped[datetime | None]
    accepted: Mapped[int | None]


class ArchiveHandoverItem(Base):
    """A package of a handover. One that was refused, or withdrawn, may be part of a further one."""

    __tablename__ = "archive_handover_item"
    __table_args__ = (Index(None, "package_id", "state"),)
    handover_id: Mapped[str] = mapped_column(ForeignKey("archive_handover.id"), primary_key=True)
    package_id: Mapped[str] = mapped_column(ForeignKey("archive_package.id"), primary_key=True)
    state: Mapped[str] = mapped_column(String(12))  # waiting, handed_over, refused, withdrawn
    reason: Mapped[str | None] = mapped_column(String(80))  # why it was refused


class ArchiveArrival(Base):
    """A package that came from elsewhere: on record before a store sees it, kept or refused."""

    __tablename__ = "archive_arrival"
    __table_args__ = (Index(None, "state", "lease_until"), Index(None, "package_id"))
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    sha256: Mapped[bytes] = mapped_column(index=True)
    size: Mapped[int]
    number: Mapped[str | None] = mapped_column(String(100))  # 档号, as it has it
    from_code: Mapped[str] = mapped_column(String(40))
    from_name: Mapped[str] = mapped_column(String(120))
    agency_code: Mapped[str] = mapped_column(ForeignKey("agency.code"))  # in whose charge it comes
    handover: Mapped[str | None] = mapped_column(String(32))  # as the sender calls it
    arrived_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(10))  # writing, kept, refused
    lease_until: Mapped[datetime]  # to write it
    reason: Mapped[str | None] = mapped_column(String(40))  # why it was refused
    findings: Mapped[list[Any]] = mapped_column(JSON)  # as of a check
    package_id: Mapped[str | None] = mapped_column(String(32))  # under which it is, or was to be, kept


class ArchiveDigest(Base):
    """A package's digest by a further algorithm, from the bytes that a store gave back."""

    __tablename__ = "archive_digest"
    package_id: Mapped[str] = mapped_column(ForeignKey("archive_package.id"), primary_key=True)
    algorithm: Mapped[str] = mapped_column(String(10), primary_key=True)
    digest: Mapped[bytes]


class ArchiveRenewal(Base):
    """A package's place in a tree of a stronger algorithm (RFC 4998, 5.2), which stands over all that its
    record held before: `stamps` of the chain before, and none that came later.
    """

    __tablename__ = "archive_renewal"
    package_id: Mapped[str] = mapped_column(ForeignKey("archive_package.id"), primary_key=True)
    chain: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # from 2
    night_id: Mapped[str] = mapped_column(ForeignKey("archive_night.id"), index=True)
    stamps: Mapped[int]
    lists: Mapped[bytes]  # `evidence.pack`
