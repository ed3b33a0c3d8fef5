"""Events and the leaves of the append-only log that commit to them (design, section 8)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base

_BY_A_PERSON: dict[str, Any] = dict.fromkeys(
    ("sqlite_where", "postgresql_where"), text("person_id IS NOT NULL")
)
"""Most events are a system's own, which no index of people need carry."""
_OF_AN_AGENCY: dict[str, Any] = dict.fromkeys(
    ("sqlite_where", "postgresql_where"), text("agency_code IS NOT NULL")
)


class Event(Base):
    """Something that happened to a licence, a seal or a key. Holds no personal data."""

    __tablename__ = "event"
    __table_args__ = (
        Index(None, "subject_kind", "subject"),
        Index(None, "recorded_at", "id"),  # the pages of the audit, by time, kind or person
        Index(None, "kind", "recorded_at", "id"),
        Index(None, "person_id", "recorded_at", "id", **_BY_A_PERSON),
        Index(None, "person_id", "kind", "recorded_at", "id", **_BY_A_PERSON),
        Index(None, "agency_code", "kind", "recorded_at", "id", **_OF_AN_AGENCY),  # an agency's own, by kind
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))  # e.g. "licence.issued", "seal.suspended"
    subject_kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(80))  # edition id, seal code, key id
    agency_code: Mapped[str | None] = mapped_column(String(18))  # `log.owner`: whose it is
    effective_from: Mapped[date]
    recorded_at: Mapped[datetime]
    legal_basis: Mapped[str] = mapped_column(String(200))
    reason_code: Mapped[str] = mapped_column(String(40))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    client_id: Mapped[str | None] = mapped_column(ForeignKey("client.id"))
    operator: Mapped[str] = mapped_column(String(80))  # account at the agency; an opaque name
    detail: Mapped[dict[str, Any]]


class Leaf(Base):
    """The salted commitment to one event, written in the event's transaction."""

    __tablename__ = "leaf"
    event_id: Mapped[str] = mapped_column(ForeignKey("event.id"), primary_key=True)
    salt: Mapped[bytes]  # 32 random bytes
    data: Mapped[bytes]  # canonical leaf: version, kind, time, subject handle, commitment
