"""Signed status lists as whoever serves them reads them: by a read-only engine, and nothing that signs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, bindparam, select

from registry.licences.outage import database_errors
from registry.licences.status_tables import StatusListToken


@dataclass(frozen=True, slots=True)
class SignedList:
    """The newest signed generation of a list, in one of its two forms."""

    uri: str
    generation: int
    issued_at: datetime
    expires_at: datetime
    token: bytes


_SIGNED = (
    StatusListToken.uri,
    StatusListToken.generation,
    StatusListToken.issued_at,
    StatusListToken.expires_at,
)
_NEWEST = {
    cwt: select(*_SIGNED, form.label("token"))
    .where(StatusListToken.list == bindparam("number"), form.is_not(None))
    .order_by(StatusListToken.generation.desc())
    .limit(1)
    for cwt, form in ((False, StatusListToken.jwt), (True, StatusListToken.cwt))
}
_NUMBERS = (
    select(StatusListToken.list, StatusListToken.uri)
    .where(StatusListToken.jwt.is_not(None))
    .order_by(StatusListToken.list, StatusListToken.generation)
)


class SignedLists:
    """Each raises VermilionError(UNAVAILABLE) if the database is out."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def newest(self, number: int, *, cwt: bool) -> SignedList | None:
        """None for a list that there is not, or not yet."""
        with database_errors(), self._engine.connect() as connection:
            row = connection.execute(_NEWEST[cwt], {"number": number}).one_or_none()
        if row is None:
            return None
        token = row.token if isinstance(row.token, bytes) else row.token.encode("ascii")
        return SignedList(row.uri, row.generation, row.issued_at, row.expires_at, token)

    def addresses(self) -> dict[int, str]:
        """Number and address of each list, in order."""
        with database_errors(), self._engine.connect() as connection:
            return {number: uri for number, uri in connection.execute(_NUMBERS)}  # noqa: C416
