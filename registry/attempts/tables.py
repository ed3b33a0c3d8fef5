"""How often something that can be guessed was tried."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class AttemptBucket(Base):
    """Attempts at one account or licence, of one network, or both, as a leaky bucket that all processes
    share.
    """

    __tablename__ = "attempt_bucket"
    key: Mapped[bytes] = mapped_column(primary_key=True)  # a MAC: whose it is cannot be read here
    empty_at: Mapped[float] = mapped_column(index=True)  # Unix time at which it will have drained
