"""Connectors to where data is exchanged; what was retrieved for cases; differences that somebody clears."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class ConnectorVersion(Base):
    """A connector as its file says, one version; it never changes, and the newest serves."""

    __tablename__ = "connector"
    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    toml: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class ConnectorSecret(Base):
    """The secret that requests of a connector, and their answers, are signed by; the newest serves."""

    __tablename__ = "connector_secret"
    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # from 1
    key_id: Mapped[str] = mapped_column(String(60))  # as the other side calls it
    secret: Mapped[bytes]  # encrypted (`registry.intake.connector_register`)
    created_at: Mapped[datetime]


class CaseRetrieval(Base):
    """One search for one material of a case, over all who may have it; and what came of it."""

    __tablename__ = "case_retrieval"
    __table_args__ = (
        ForeignKeyConstraint(("connector", "connector_version"), ("connector.code", "connector.version")),
        UniqueConstraint("case_id", "material", "number"),
        Index(None, "state", "due_at"),
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("intake_case.id"))
    material: Mapped[str] = mapped_column(String(40))  # its code in the matter's list
    number: Mapped[int]  # from 1: how often it was looked for from the beginning
    state: Mapped[str] = mapped_column(String(10))  # `registry.intake.retrieval.RetrievalState`
    # Who had it looked for, as the log of uses names them.
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    operator: Mapped[str] = mapped_column(String(80))
    asked_at: Mapped[datetime]
    attempt: Mapped[int]  # raised by whoever takes it: what an earlier one says counts no more
    due_at: Mapped[datetime | None]  # not before; while somebody has it, the end of their lease
    tried_at: Mapped[datetime | None]  # the last time
    reason: Mapped[str | None] = mapped_column(String(60))  # of an outage
    # Of what was found: where, for what, when it was told, and its digest.
    edition_id: Mapped[str | None] = mapped_column(ForeignKey("edition.id"))  # a licence of this registry
    connector: Mapped[str | None] = mapped_column(String(40))
    connector_version: Mapped[int | None]
    data_set: Mapped[str | None] = mapped_column(String(40))
    source: Mapped[str | None] = mapped_column(String(18))  # the agency that vouches for it
    purpose: Mapped[str | None] = mapped_column(String(200))
    legal_basis: Mapped[str | None] = mapped_column(String(200))
    content: Mapped[bytes | None]  # encrypted, for this case and retrieval alone
    sha256: Mapped[bytes | None]  # of the content as it was told
    ended_at: Mapped[datetime | None]


class VerificationTask(Base):
    """A value that the applicant and a source tell differently, until somebody has cleared which is right."""

    __tablename__ = "verification_task"
    __table_args__ = (
        UniqueConstraint("retrieval_id", "field", "number"),
        Index(None, "case_id", "state"),
        Index(None, "agency_code", "state", "opened_at", "id"),
        Index(None, "agency_code", "opened_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("intake_case.id"))
    agency_code: Mapped[str] = mapped_column(ForeignKey("agency.code"))  # that handles the case
    retrieval_id: Mapped[str] = mapped_column(ForeignKey("case_retrieval.id"))
    field: Mapped[str] = mapped_column(String(40))  # of the application's form
    number: Mapped[int]  # from 1: a value that was changed again may differ again
    source_field: Mapped[str] = mapped_column(String(40))
    values: Mapped[bytes]  # the applicant's and the source's: encrypted
    state: Mapped[str] = mapped_column(String(10))  # `registry.intake.tasks.TaskState`
    opened_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    client_id: Mapped[str | None] = mapped_column(ForeignKey("client.id"))  # by whom, as the two below
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    operator: Mapped[str] = mapped_column(String(80))
    legal_basis: Mapped[str] = mapped_column(String(200))
    reason_code: Mapped[str] = mapped_column(String(40))
    words: Mapped[bytes | None]  # encrypted


class SourceError(Base):
    """A confirmed error in a source, told to whoever vouches for it, until they have answered."""

    __tablename__ = "source_error"
    __table_args__ = (
        Index(None, "state", "due_at"),
        Index(None, "source", "state", "made_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    task_id: Mapped[str] = mapped_column(ForeignKey("verification_task.id"), unique=True)
    edition_id: Mapped[str | None] = mapped_column(ForeignKey("edition.id"))  # of this registry: to correct
    connector: Mapped[str | None] = mapped_column(String(40))  # else: by which it is told
    data_set: Mapped[str | None] = mapped_column(String(40))
    source: Mapped[str] = mapped_column(String(18))  # the agency that vouches for what is wrong
    state: Mapped[str] = mapped_column(String(12))  # `registry.intake.source_errors.ErrorState`
    made_at: Mapped[datetime]
    attempt: Mapped[int]
    due_at: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(60))
    answered_at: Mapped[datetime | None]
    answer: Mapped[str | None] = mapped_column(String(60))  # what the source calls its acknowledgement
