"""Batches and their lines."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class Batch(Base):
    """Many requests for licences of one type under one seal, issued in the background."""

    __tablename__ = "batch"
    __table_args__ = (
        UniqueConstraint("client_id", "idempotency_key"),
        Index(None, "due_at"),
        Index(None, "agency_code", "created_at", "id"),  # the pages of a list, of all states and of one
        Index(None, "agency_code", "state", "created_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    agency_code: Mapped[str] = mapped_column(ForeignKey("agency.code"))
    operator: Mapped[str] = mapped_column(String(80))  # of its first right line; "" before there is one
    idempotency_key: Mapped[str | None] = mapped_column(String(255))  # None: free again, nothing is issued
    body_mac: Mapped[bytes | None]  # of the body, by the index key; None while it comes
    check_only: Mapped[bool]  # a dry run
    type_code: Mapped[str] = mapped_column(String(21))  # of its first right line, as the seal; "" before
    seal_code: Mapped[str] = mapped_column(String(14))
    state: Mapped[str] = mapped_column(String(12))  # `states.BatchState`
    lines: Mapped[int]
    outages: Mapped[int]  # in a row, without any line coming to its end
    waiting_for: Mapped[str | None] = mapped_column(String(60))  # reason of the newest outage
    due_at: Mapped[datetime | None]  # no worker looks at it before; None: nothing is left to do
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(60))


class BatchItem(Base):
    """One line of a batch."""

    __tablename__ = "batch_item"
    __table_args__ = (Index(None, "batch_id", "state", "attempt", "line"),)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batch.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # of the file, from 1
    state: Mapped[str] = mapped_column(String(10))  # `states.ItemState`
    attempt: Mapped[int]  # raised by whoever claims it: what an earlier holder says counts no more
    lease_until: Mapped[datetime | None]
    request: Mapped[bytes | None]  # canonical JSON, encrypted; None once it is no longer needed
    number_mac: Mapped[bytes | None]  # `licences.numbers.number_mac`, while the batch is checked
    edition_id: Mapped[str | None] = mapped_column(ForeignKey("edition.id"))
    reason: Mapped[str | None] = mapped_column(String(60))
    # Pointer, reason and detail of each, and no value.
    faults: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
