"""An agency's licences, found by number, holder or state, and listed by pages. Each question enters an
index, and reads no more rows than it shows, but for those of one holder.

Only the types that the client may act on are looked in. Pages go from the newest registration to the oldest,
by key: what is registered meanwhile moves none of them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Row, Select, and_, or_, select, union_all
from sqlalchemy.orm import Session

from keys.errors import field_fault
from registry.actor import Actor
from registry.agencies.tables import Client, ClientType
from registry.licences.duties import require_officer
from registry.licences.holdings import holder_mac
from registry.licences.numbers import number_mac
from registry.licences.records import kept_record
from registry.licences.rules import type_not_entitled
from registry.licences.tables import Edition, Intent, Number
from registry.ports import Ports
from registry.vault import DISPOSED
from signing.record import Record

PAGE, MAX_PAGE = 50, 200
Status = Literal["in_force", "suspended", "ended"]
_STATUSES: tuple[Status, ...] = get_args(Status)
_CURSOR = re.compile(r"([0-9]{1,17}):([0-9a-f]{32})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for: all that is given holds of each licence found. Days are of the registry's zone."""

    type_code: str | None = None
    number: str | None = None
    holder: str | None = None  # the holder's code
    status: Status | None = None
    registered_from: date | None = None
    registered_to: date | None = None  # inclusive
    limit: int = PAGE
    after: str | None = None  # where the page before ended


@dataclass(frozen=True, slots=True)
class Found:
    """An edition, and its record."""

    edition: Row[Any]
    record: Record


@dataclass(frozen=True, slots=True)
class Page:
    found: tuple[Found, ...]
    after: str | None  # of the next page; None where there is none


_COLUMNS: Select[*tuple[Any, ...]] = select(
    Edition.id,
    Edition.identifier,
    Edition.number,
    Edition.type_code,
    Edition.status,
    Edition.status_version,
    Edition.ground,
    Edition.how,
    Edition.since,
    Edition.suspended_until,
    Edition.removed_on,
    Edition.issue_date,
    Edition.valid_from,
    Edition.valid_to,
    Edition.registered_at,
)


def search(session: Session, ports: Ports, actor: Actor, question: Question) -> Page:
    """A page of the agency's licences that the client may act on.

    Raises VermilionError: FORBIDDEN for a person who is no officer, and for a type that the client may not
    act on; INVALID; UNAVAILABLE.
    """
    require_officer(actor)
    types = _types(session, actor, question.type_code)
    conditions = _conditions(question, ports)
    if not types:
        return Page((), None)
    if question.number is not None:
        parts = [_of_number(session, ports, actor, types, question.number).where(*conditions)]
    elif question.holder is not None:
        parts = [_COLUMNS.where(_issued_by(actor.agency_code), *conditions)]
    else:
        parts = _of_state(actor, types, question.status, conditions)
    if question.holder is not None:
        parts = [_held_by(part, ports, types, question.holder) for part in parts]
    rows = _merged(session, parts, question.limit + 1)
    shown = rows[: question.limit]
    records = _records(session, ports, [row.id for row in shown])
    more = len(rows) > question.limit
    return Page(
        tuple(Found(row, records[row.id]) for row in shown if row.id in records),
        _cursor(shown[-1]) if more else None,
    )


def types_of(session: Session, actor: Actor) -> list[str]:
    """Codes of the types that the client may act on."""
    mine = session.scalars(
        select(ClientType.type_code)
        .join(Client, Client.id == ClientType.client_id)
        .where(Client.id == actor.client_id, Client.active, Client.agency_code == actor.agency_code)
        .order_by(ClientType.type_code)
    )
    return list(mine)


def _types(session: Session, actor: Actor, wanted: str | None) -> list[str]:
    """Codes of the types that are looked in."""
    mine = types_of(session, actor)
    if wanted is None:
        return mine
    if wanted not in mine:
        raise type_not_entitled()
    return [wanted]


def _conditions(question: Question, ports: Ports) -> list[ColumnElement[bool]]:
    zone, conditions = ports.settings.tz, list[ColumnElement[bool]]()
    if question.status is not None:
        conditions.append(Edition.status == question.status)
    if question.registered_from is not None:
        begin = datetime.combine(question.registered_from, time.min, zone)
        conditions.append(Edition.registered_at >= begin)
    if question.registered_to is not None:
        end = datetime.combine(question.registered_to + timedelta(days=1), time.min, zone)
        conditions.append(Edition.registered_at < end)
    if question.after is not None:
        at, edition_id = _read_cursor(question.after)
        conditions.append(
            or_(
                Edition.registered_at < at,
                and_(Edition.registered_at == at, Edition.id < edition_id),
            )
        )
        conditions.append(Edition.registered_at <= at)  # by which an index is entered
    return conditions


def _of_number(
    session: Session, ports: Ports, actor: Actor, types: Sequence[str], number: str
) -> Select[*tuple[Any, ...]]:
    """The editions of the licences that bear the number: one of each type at most."""
    named = or_(
        *(
            and_(
                Number.type_code == code,
                Number.issuer_code == actor.agency_code,
                Number.number_mac == number_mac(ports.vault, code, actor.agency_code, number),
            )
            for code in types
        )
    )
    licences = session.scalars(select(Number.licence_id).where(named)).all()
    return _COLUMNS.where(Edition.licence_id.in_(licences))


def _of_state(
    actor: Actor, types: Sequence[str], status: Status | None, conditions: Sequence[ColumnElement[bool]]
) -> list[Select[*tuple[Any, ...]]]:
    """A range of the index for each type and status."""
    return [
        _COLUMNS.where(
            Edition.issuer_code == actor.agency_code,
            Edition.type_code == code,
            Edition.status == one,
            *conditions,
        )
        for code in types
        for one in (_STATUSES if status is None else (status,))
    ]


def _issued_by(agency_code: str) -> ColumnElement[bool]:
    """No index is entered by it: SQLite, which keeps no statistics, would rather read all of an agency's
    editions in their order than sort those of one holder.
    """
    return Edition.issuer_code.concat("") == agency_code


def _held_by(
    statement: Select[*tuple[Any, ...]], ports: Ports, types: Sequence[str], holder: str
) -> Select[*tuple[Any, ...]]:
    """Those of a holder. The site's own role reads editions, and cannot tell which are one holder's: what
    says so stands with the intents.
    """
    marks = [holder_mac(ports.vault, code, holder) for code in types]
    return statement.where(Edition.id.in_(select(Intent.id).where(Intent.holder_mac.in_(marks))))


def _merged(session: Session, parts: Sequence[Select[*tuple[Any, ...]]], wanted: int) -> Sequence[Row[Any]]:
    """The newest of all parts, of each no more than are wanted."""
    ordered = [part.order_by(Edition.registered_at.desc(), Edition.id.desc()).limit(wanted) for part in parts]
    if len(ordered) == 1:
        return session.execute(ordered[0]).all()
    together = union_all(*(select(part.subquery()) for part in ordered)).subquery()
    statement = select(together).order_by(together.c.registered_at.desc(), together.c.id.desc())
    return session.execute(statement.limit(wanted)).all()


def _records(session: Session, ports: Ports, edition_ids: Sequence[str]) -> dict[str, Record]:
    """Of those whose content was not disposed of."""
    rows = session.execute(select(Intent.id, Intent.record).where(Intent.id.in_(edition_ids))).all()
    return {row.id: kept_record(ports.vault, row.id, row.record) for row in rows if row.record != DISPOSED}


def _cursor(row: Row[Any]) -> str:
    microseconds = (row.registered_at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{microseconds}:{row.id}".encode()).rstrip(b"=").decode()


def _read_cursor(text: str) -> tuple[datetime, str]:
    """Raises VermilionError(INVALID) for what no page named."""
    try:
        match = _CURSOR.fullmatch(
            base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
        )
        if match is not None:
            return _EPOCH + timedelta(microseconds=int(match[1])), match[2]
    except (binascii.Error, ValueError, OverflowError):
        pass
    raise field_fault("?after", "cursor", "no page ended so")
