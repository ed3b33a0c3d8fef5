"""A licence as its agency reads it, by one statement: an agency's systems read all day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, exists, func, select
from sqlalchemy.orm import Session, aliased

from registry.actor import Actor
from registry.agencies.tables import Client, ClientType
from registry.driver_select import Prepared
from registry.licences.duties import require_officer
from registry.licences.issued import newest_form
from registry.licences.records import kept_record
from registry.licences.rules import LicenceStatus, licence_unknown, recorded_status, type_not_entitled
from registry.licences.schedule import Planned, waiting
from registry.licences.status_changes import shown
from registry.licences.status_tables import StatusChange, StatusListState, StatusListToken
from registry.licences.tables import (
    Document,
    Edition,
    Intent,
    ScheduledChange,
    StatusIndex,
    Succession,
)
from registry.ports import Ports
from signing.record import Record


@dataclass(frozen=True, slots=True)
class Read:
    """An edition and what stands beside it."""

    edition: Any  # a row with the columns of the statement below
    status: LicenceStatus
    record: Record
    document: Any  # the newest form's columns
    shown_in: dict[str, str]
    scheduled: tuple[Planned, ...]


_Before, _After = aliased(Edition), aliased(Edition)
_Back, _Forward = aliased(Succession), aliased(Succession)
_ENTITLED = exists().where(
    ClientType.client_id == Client.id,
    ClientType.type_code == Edition.type_code,
    Client.id == bindparam("client"),
    Client.active,
    Client.agency_code == Edition.issuer_code,
)
_SIGNED = (
    select(func.max(StatusListToken.version))
    .where(StatusListToken.list == StatusIndex.list, StatusListToken.jwt.is_not(None))
    .correlate(StatusIndex)
    .scalar_subquery()
)
_READ = Prepared(
    select(
        Edition.id,
        Edition.identifier,
        Edition.licence_id,
        Edition.status,
        Edition.status_version,
        Edition.ground,
        Edition.how,
        Edition.since,
        Edition.suspended_until,
        Edition.removed_on,
        Edition.sealed_at,
        Intent.record,
        Intent.matter_code,
        Intent.case_number,
        Document.sha256,
        Document.size,
        Document.level,
        Document.kind,
        Document.registered_at,
        _ENTITLED.label("entitled"),
        _Before.identifier.label("previous"),
        _Back.operation,
        _After.identifier.label("next"),
        exists()
        .where(ScheduledChange.licence_id == Edition.licence_id, ScheduledChange.state == "waiting")
        .label("waits"),
        exists().where(StatusChange.intent_id == Edition.id).label("changing"),
        StatusListState.version.label("list_version"),
        _SIGNED.label("list_signed"),
    )
    .select_from(Edition)
    .join(Intent, Intent.id == Edition.id)
    .join(Document, Document.edition_id == Edition.id)
    .join(StatusIndex, StatusIndex.intent_id == Edition.id)
    .outerjoin(StatusListState, StatusListState.list == StatusIndex.list)
    .outerjoin(_Back, _Back.intent_id == Edition.id)
    .outerjoin(_Before, _Before.id == _Back.previous_id)
    .outerjoin(_Forward, _Forward.previous_id == Edition.id)
    .outerjoin(_After, _After.id == _Forward.intent_id)
    .where(and_(Edition.identifier == bindparam("identifier"), Edition.issuer_code == bindparam("agency")))
)


def read(ports: Ports, actor: Actor, identifier: str) -> Read:
    """Raises VermilionError: FORBIDDEN for a person who is no officer, and for a type that the client may not
    act on; NOT_FOUND alike for a licence of another agency and for none; UNAVAILABLE.
    """
    require_officer(actor)
    rows: Sequence[Any] = _READ.rows(
        ports.database.kept, identifier=identifier, agency=actor.agency_code, client=actor.client_id
    )
    if not rows:
        raise licence_unknown()
    row = rows[0]
    if not row.entitled:
        raise type_not_entitled()
    # An abandoned attempt at a next edition leaves a row without one.
    following = next((one for one in rows if one.next is not None), row)
    return Read(
        edition=following,
        status=recorded_status(following),
        record=kept_record(ports.vault, row.id, row.record),
        document=newest_form(rows),
        shown_in=shown(changing=row.changing, version=row.list_version, signed=row.list_signed),
        scheduled=_scheduled(ports, row.licence_id) if row.waits else (),
    )


def _scheduled(ports: Ports, licence_id: str) -> tuple[Planned, ...]:
    with Session(ports.database.read) as session:
        return tuple(waiting(session, licence_id))
