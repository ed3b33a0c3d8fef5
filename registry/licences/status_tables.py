"""Status lists: what waits to be shown in them, what they hold, and what was signed of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class StatusChange(Base):
    """A licence whose slot is to be looked at: written in the transaction that changes what it says, gone in
    the one that puts the slot right. What it says then is read from the record itself.
    """

    __tablename__ = "status_change"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    intent_id: Mapped[str] = mapped_column(ForeignKey("intent.id"), index=True)
    list: Mapped[int] = mapped_column(index=True)  # of its slot: what waits for a list is found by this alone
    recorded_at: Mapped[datetime]


class StatusListState(Base):
    """What a list holds: changes are applied to it. The record says the same, and takes longer to ask."""

    __tablename__ = "status_list"
    list: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]  # counts the times it was changed
    lst: Mapped[bytes]  # the compressed byte array


class StatusListToken(Base):
    """A generation of a list: content on record before it is signed. Older ones than the newest signed are
    removed; what was signed of them stays on record in the ledger of key uses.
    """

    __tablename__ = "status_list_token"
    list: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    generation: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int]  # of the values that it shows
    key_id: Mapped[str] = mapped_column(ForeignKey("key.id"))
    uri: Mapped[str] = mapped_column(String(300))
    jwt_sha256: Mapped[bytes]  # of the JWS signing input
    cwt_sha256: Mapped[bytes]  # of the Sig_structure
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    jwt: Mapped[str | None]  # None until signed
    cwt: Mapped[bytes | None]
