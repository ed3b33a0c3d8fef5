"""Links that open an application for whoever has them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base

_OF_DRAFTS = text("network IS NOT NULL")


class ApplicationLink(Base):
    """What opens one application: a draft's link, or one that was given for number and code."""

    __tablename__ = "application_link"
    __table_args__ = (
        Index(None, "network", "matter_code", sqlite_where=_OF_DRAFTS, postgresql_where=_OF_DRAFTS),
    )
    token_sha256: Mapped[bytes] = mapped_column(primary_key=True)  # of what the link carries, 256 random bits
    case_id: Mapped[str] = mapped_column(ForeignKey("intake_case.id", ondelete="CASCADE"), index=True)
    matter_code: Mapped[str] = mapped_column(String(36))
    network: Mapped[bytes | None]  # of a draft: a MAC of where it was drawn up
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
