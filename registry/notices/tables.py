"""What is to be told to people outside, by e-mail or through an agency's own receiver."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class Notice(Base):
    """A message to one person, written in the transaction of what it tells of, however often it is sent."""

    __tablename__ = "notice"
    __table_args__ = (
        Index(None, "receiver", "state", "due_at"),
        Index(None, "subject_kind", "subject"),
        Index(None, "state", "expires_at", "id"),
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))  # whose words it is made of (`registry.notices.words`)
    subject_kind: Mapped[str] = mapped_column(String(20))  # what it is about
    subject: Mapped[str] = mapped_column(String(32))
    agency_code: Mapped[str] = mapped_column(ForeignKey("agency.code"))  # on whose behalf
    channel: Mapped[str] = mapped_column(String(10))  # `registry.notices.kinds.Channel`
    receiver: Mapped[str] = mapped_column(String(32))  # a webhook endpoint's id, or "smtp"
    message: Mapped[bytes | None]  # to whom and with which values, encrypted; None: erased
    state: Mapped[str] = mapped_column(String(10))  # `registry.notices.kinds.NoticeState`
    attempt: Mapped[int]  # how often it was tried since it was last put in the queue
    fence: Mapped[int]  # raised by whoever claims it: what an earlier holder says counts no more
    due_at: Mapped[datetime | None]  # of one that waits: not sent before, and while claimed its lease
    tried_at: Mapped[datetime | None]  # as the two below: the last time
    status: Mapped[int | None]  # SMTP's or HTTP's; None: there was no answer
    reason: Mapped[str | None] = mapped_column(String(40))  # why it failed
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]  # of no use after that: not sent, and the message erased
    ended_at: Mapped[datetime | None]
