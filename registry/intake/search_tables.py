"""By what matters are found: pairs of characters that follow each other in their names."""

from __future__ import annotations

from sqlalchemy import ForeignKeyConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class MatterGram(Base):
    """That the names of a matter's version, or of its agency, have a pair of characters."""

    __tablename__ = "matter_gram"
    __table_args__ = (ForeignKeyConstraint(("code", "version"), ("matter.code", "matter.version")),)
    gram: Mapped[str] = mapped_column(String(2), primary_key=True)
    code: Mapped[str] = mapped_column(String(36), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
