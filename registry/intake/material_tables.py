"""Materials of an application as they were uploaded, and the forms on which it was confirmed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class CaseMaterial(Base):
    """A material of a case, one version; whatever takes its place is the next. The row is written before its
    document lies in the store, so that nothing lies there that nobody knows of, and counts once it is kept.
    """

    __tablename__ = "case_material"
    __table_args__ = (Index(None, "state", "at"),)
    case_id: Mapped[str] = mapped_column(ForeignKey("intake_case.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(40), primary_key=True)  # of the matter's material
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # from 1
    id: Mapped[str] = mapped_column(String(32), unique=True)  # by which its document is stored
    state: Mapped[str] = mapped_column(String(10))  # `registry.intake.materials.MaterialState`
    sha256: Mapped[bytes]
    size: Mapped[int]
    media: Mapped[str] = mapped_column(String(40))
    scan: Mapped[str] = mapped_column(String(20))  # `registry.intake.scanning.Scan`
    match: Mapped[str] = mapped_column(String(12))  # `signing.signatory.Match`; "": no PDF
    report: Mapped[bytes | None]  # on its signatures: encrypted
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    operator: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime]
    event_id: Mapped[str | None] = mapped_column(ForeignKey("event.id"))  # once it is kept


class CaseForm(Base):
    """The form of an application as the registry drew it: what became of it. Its document, and that with the
    applicant's signature, are materials under codes of their own (`registry.intake.declarations`).
    """

    __tablename__ = "case_form"
    case_id: Mapped[str] = mapped_column(ForeignKey("intake_case.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # of the document
    language: Mapped[str] = mapped_column(String(2))
    application: Mapped[bytes]  # a MAC of what it says: another application is not what was confirmed
    confirmed_at: Mapped[datetime | None]
    client_id: Mapped[str | None] = mapped_column(ForeignKey("client.id"))  # who passed on that it was
    person_id: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    operator: Mapped[str | None] = mapped_column(String(80))
    event_id: Mapped[str | None] = mapped_column(ForeignKey("event.id"))
    signed_version: Mapped[int | None]  # of the document with the applicant's signature
