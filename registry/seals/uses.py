"""The ledger of a seal's uses: each application of it to one document, whatever became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from registry.agencies.tables import Client
from registry.licences.tables import AnnotatedCopy, Edition, Intent
from registry.seals.tables import Seal, SealUse, StandingAuthorisation
from registry.seals.walk import Place, Source, edition_numbers, no_such_place, walk

PAGE = 500


@dataclass(frozen=True, slots=True)
class Use:
    """One use. Without a licence it came to nothing (`void`), or is under way (`begun`)."""

    id: str
    begun_at: datetime
    ended_at: datetime | None
    state: str
    seal_edition: int
    licence: str | None  # identifier of the edition sealed, or copied
    copy: str | None  # of an annotated copy, its id
    type_code: str
    document_sha256: bytes | None
    authorisation_id: str
    client_id: str
    client_name: str
    operator: str


@dataclass(frozen=True, slots=True)
class Days:
    """Civil days of the registry's zone, both included; None is open."""

    first: date | None
    last: date | None

    def bounds(self, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
        """The first instant, and the first one behind."""
        begin = None if self.first is None else datetime.combine(_within(self.first), time.min, zone)
        if self.last is None:
            return begin, None
        return begin, datetime.combine(_within(self.last) + timedelta(days=1), time.min, zone)


def _within(day: date) -> date:
    """A day whose instants every zone and database can name; nothing happened on others."""
    return min(max(day, date(1970, 1, 1)), date(9998, 12, 30))


def page(
    session: Session, seal: Seal, days: Days, zone: ZoneInfo, after: str | None = None, size: int = PAGE
) -> tuple[list[Use], bool]:
    """At most `size` uses begun on these days, behind the one of the id `after`; whether there are more.

    Raises VermilionError(INVALID) for a use that is not this seal's.
    """
    numbers = edition_numbers(session, seal.code)
    begin, end = days.bounds(zone)
    place = None
    if after is not None:
        last = session.get(SealUse, after)
        if last is None or last.seal_edition_id not in numbers:
            raise no_such_place()
        place = Place(last.seal_edition_id, last.begun_at, last.id)

    def of_edition(seal_edition_id: str) -> list[Source]:
        statement = _STATEMENT.where(SealUse.seal_edition_id == seal_edition_id)
        if begin is not None:
            statement = statement.where(SealUse.begun_at >= begin)
        if end is not None:
            statement = statement.where(SealUse.begun_at < end)
        return [(statement, SealUse.begun_at, SealUse.id)]

    rows, more = walk(session, numbers, of_edition, place, size)
    return [
        Use(
            id=row.id,
            begun_at=row.begun_at,
            ended_at=row.ended_at,
            state=row.state,
            seal_edition=numbers[row.seal_edition_id],
            licence=row.identifier,
            copy=row.copy_id,
            type_code=row.type_code,
            document_sha256=row.document_sha256,
            authorisation_id=row.authorisation_id,
            client_id=row.client_id,
            client_name=row.name,
            operator=row.operator,
        )
        for row in rows
    ], more


_STATEMENT: Select[*tuple[Any, ...]] = (
    select(
        SealUse.id,
        SealUse.seal_edition_id,
        SealUse.begun_at,
        SealUse.ended_at,
        SealUse.state,
        SealUse.document_sha256,
        SealUse.authorisation_id,
        StandingAuthorisation.type_code,
        Intent.client_id,
        Intent.operator,
        Client.name,
        Edition.identifier,
        AnnotatedCopy.id.label("copy_id"),
    )
    .join(StandingAuthorisation, StandingAuthorisation.id == SealUse.authorisation_id)
    .join(Intent, Intent.id == SealUse.intent_id)
    .join(Client, Client.id == Intent.client_id)
    .outerjoin(AnnotatedCopy, AnnotatedCopy.id == SealUse.intent_id)
    .outerjoin(Edition, Edition.id == func.coalesce(AnnotatedCopy.edition_id, SealUse.intent_id))
)
