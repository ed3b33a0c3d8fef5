"""What is to be archived, what was, and where the copies of each package are."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class ArchiveDue(Base):
    """An event after which its subject is to be archived: written in the event's transaction, removed in the
    one in which a package that has it is kept. So nothing ends and is never archived.
    """

    __tablename__ = "archive_due"
    __table_args__ = (Index(None, "package_id", "due_at"), Index(None, "subject_kind", "subject"))
    event_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    subject_kind: Mapped[str] = mapped_column(String(20))  # "edition", "case"
    subject: Mapped[str] = mapped_column(String(80))
    occasion: Mapped[str] = mapped_column(String(40))  # the event's kind
    due_at: Mapped[datetime]
    attempt: Mapped[int]
    reason: Mapped[str | None] = mapped_column(String(40))  # why the last attempt made no package
    package_id: Mapped[str | None] = mapped_column(String(32))  # that is being written, and has it


class ArchiveSerial(Base):
    """The next number in a catalogue of a fonds: given without gaps."""

    __tablename__ = "archive_serial"
    fonds: Mapped[str] = mapped_column(String(40), primary_key=True)
    catalogue: Mapped[str] = mapped_column(String(40), primary_key=True)
    next: Mapped[int]


class ArchivePackage(Base):
    """A package, registered before it is written. A later one of the same subject (it ended meanwhile) has
    the same number and the next sequence, and holds all that the one before holds. Of those that came from
    elsewhere the first has the sequence that its sender's list gives it.
    """

    __tablename__ = "archive_package"
    __table_args__ = (
        UniqueConstraint("subject_kind", "subject", "sequence"),
        UniqueConstraint("number", "sequence"),
        Index(None, "state", "lease_until"),
        Index(None, "agency_code", "year", "id"),
        Index(None, "identifier"),
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    subject_kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(80))
    sequence: Mapped[int]
    number: Mapped[str] = mapped_column(String(100))  # 档号
    fonds: Mapped[str] = mapped_column(String(40))  # 全宗号
    catalogue: Mapped[str] = mapped_column(String(40))  # 目录号
    year: Mapped[int]
    occasion: Mapped[str] = mapped_column(String(40))
    agency_code: Mapped[str] = mapped_column(ForeignKey("agency.code"))
    type_code: Mapped[str | None] = mapped_column(String(21))
    identifier: Mapped[str] = mapped_column(String(120))
    retention: Mapped[str] = mapped_column(String(10))  # permanent, 30, 10
    retention_until: Mapped[date | None]  # None: permanent
    state: Mapped[str] = mapped_column(String(10))  # numbered, writing, kept
    attempt: Mapped[int]  # to write it, from 1; in the key of its copies
    lease_until: Mapped[datetime]
    # None until it is written:
    sha256: Mapped[bytes | None] = mapped_column(index=True)
    manifest_sha256: Mapped[bytes | None]
    size: Mapped[int | None]
    items: Mapped[int | None]
    made_at: Mapped[datetime]
    kept_at: Mapped[datetime | None]


class ArchiveCopy(Base):
    """A copy of a package in a store."""

    __tablename__ = "archive_copy"
    __table_args__ = (Index(None, "store", "state", "package_id"),)
    package_id: Mapped[str] = mapped_column(ForeignKey("archive_package.id"), primary_key=True)
    store: Mapped[str] = mapped_column(String(20), primary_key=True)
    state: Mapped[str] = mapped_column(String(10))  # present, missing, damaged
    written_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]  # read whole, and found right or not


class ArchiveAudit(Base):
    """How far a store was read through: in rounds, each of all packages, in the order of their ids."""

    __tablename__ = "archive_audit"
    store: Mapped[str] = mapped_column(String(20), primary_key=True)
    round: Mapped[int]
    after: Mapped[str] = mapped_column(String(32))  # the package that was read last; "" before the first
    begun_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # None while it is under way
    read: Mapped[int]
    faults: Mapped[int]


class ArchiveDrill(Base):
    """A restoration that was tried, and its report (JSON), time-stamped by the registry."""

    __tablename__ = "archive_drill"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    store: Mapped[str] = mapped_column(String(20))
    ended_at: Mapped[datetime] = mapped_column(index=True)
    packages: Mapped[int]
    faults: Mapped[int]
    report: Mapped[bytes]
    token: Mapped[bytes]  # TimeStampToken over the report's SHA-256, DER


class ArchiveNight(Base):
    """Packages that one tree of digests stands for (RFC 4998)."""

    __tablename__ = "archive_night"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    day: Mapped[date] = mapped_column(index=True)
    algorithm: Mapped[str] = mapped_column(String(10))
    packages: Mapped[int]


class ArchiveNightStamp(Base):
    """A time-stamp of a night: the first over the tree's root, each further one over the one before."""

    __tablename__ = "archive_night_stamp"
    __table_args__ = (Index(None, "stamped_by", "followed"),)
    night_id: Mapped[str] = mapped_column(ForeignKey("archive_night.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # from 1
    token: Mapped[bytes]  # TimeStampToken, DER
    stamped_at: Mapped[datetime]
    stamped_by: Mapped[str] = mapped_column(String(64))  # SHA-256 of the authority's certificate, hex
    followed: Mapped[bool]  # a further one is over it


class ArchiveEvidence(Base):
    """What leads from a package to its night's root: digests, and nothing of the token."""

    __tablename__ = "archive_evidence"
    package_id: Mapped[str] = mapped_column(ForeignKey("archive_package.id"), primary_key=True)
    night_id: Mapped[str] = mapped_column(ForeignKey("archive_night.id"), index=True)
    lists: Mapped[bytes]  # `evidence.pack`


class ArchiveRetention(Base):
    """How long the packages of a licence type's editions, or of a matter's cases, are kept: of those that are
    numbered from then on. Without a row a matter's own list says it, and a type's are kept for good.
    """

    __tablename__ = "archive_retention"
    of: Mapped[str] = mapped_column(String(10), primary_key=True)  # "type", "matter"
    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    retention: Mapped[str] = mapped_column(String(10))
    legal_basis: Mapped[str] = mapped_column(String(200))
    decided_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    decided_at: Mapped[datetime]
