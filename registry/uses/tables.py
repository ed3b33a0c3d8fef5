"""Who used a licence, for which matter and why: for its holder to see."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class LicenceUse(Base):
    """One use of one edition. No event: events are for good, and this is erased with time."""

    __tablename__ = "licence_use"
    __table_args__ = (Index(None, "licence_id", "used_at", "id"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    edition_id: Mapped[str] = mapped_column(ForeignKey("edition.id"), index=True)
    licence_id: Mapped[str] = mapped_column(ForeignKey("licence.id"))
    kind: Mapped[str] = mapped_column(String(20))  # `registry.uses.rules.UseKind`
    used_at: Mapped[datetime] = mapped_column(index=True)
    agency_code: Mapped[str | None] = mapped_column(ForeignKey("agency.code"))  # None: the holder
    client_id: Mapped[str | None] = mapped_column(ForeignKey("client.id"))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    operator: Mapped[str] = mapped_column(String(80))
    matter_code: Mapped[str] = mapped_column(String(40))  # empty, as the next: none was named
    case_number: Mapped[str] = mapped_column(String(40))
    legal_basis: Mapped[str] = mapped_column(String(200))
    told: Mapped[bytes | None]  # reason and recipient, in words that may name people: encrypted
