"""Links by which holders take their documents, each once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class PickUp(Base):
    """A link that gives one edition's document to whoever uses it first."""

    __tablename__ = "pick_up"
    __table_args__ = (
        Index(None, "edition_id", "created_at", "id"),
        CheckConstraint("(state = 'used') = (used_at IS NOT NULL)", name="used"),
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    edition_id: Mapped[str] = mapped_column(ForeignKey("edition.id"))
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))  # who asked for it
    channel: Mapped[str] = mapped_column(String(10))  # `registry.delivery.rules.Channel`
    language: Mapped[str] = mapped_column(String(2))  # in which its page speaks
    token_sha256: Mapped[bytes] = mapped_column(unique=True)  # of what the link carries, 256 random bits
    token: Mapped[bytes | None]  # that itself, encrypted: as long as the agency is told it again
    told_until: Mapped[datetime | None] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(String(10))  # open, used, withdrawn
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    browser_sha256: Mapped[bytes | None]  # of the browser that used it, which may fetch the same again
    again_until: Mapped[datetime | None]
    fetched: Mapped[int]  # how often the document went out
