"""An agency with everybody and everything that acts for it: what its administrator looks ids up in, and what
the console shows of people and clients. Never a secret: keys by their thumbprints alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import func, literal, select, tuple_
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from registry.agencies.rules import known_agency
from registry.agencies.tables import AccessToken, Agency, AssertionKey, Client, ClientType, Enrolment, Person
from registry.console.sessions import BEGUN
from registry.console.tables import LocalAccount, OutsideIdentity, Passkey
from registry.log.tables import Event
from registry.seals.serving import signed_certificates
from registry.seals.tables import Key

_Row = TypeVar("_Row", Person, Client)


@dataclass(frozen=True, slots=True)
class PersonShown:
    """A person, how they prove who they are, and when they last signed in to the console."""

    id: str
    name: str
    roles: Sequence[str]  # or the duty
    active: bool
    enrolment: str | None  # open, approved, refused; None for who was founded
    keys: Sequence[str]  # thumbprints, of those that sign for them at the API
    means: Sequence[str]  # password, passkey, oidc: ways into the console
    last_sign_in: datetime | None


@dataclass(frozen=True, slots=True)
class ClientShown:
    """A client, and until when a token of it is in force."""

    id: str
    name: str
    scopes: Sequence[str]
    types: Sequence[str]
    console: bool
    public_form: bool
    active: bool
    enrolment: str | None
    keys: Sequence[str]
    token_until: datetime | None


def people_of(
    session: Session, code: str | None, after: str | None, size: int
) -> tuple[list[PersonShown], str | None]:
    """At most `size` people of an agency, or administrators where that is None, by name, behind a person; and
    behind whom the next page begins. Raises VermilionError(NOT_FOUND).
    """
    rows, following = _by_name(session, Person, code, after, size)
    ids = [row.id for row in rows]
    keys = _thumbprints(session, AssertionKey.person_id, ids)
    enrolments = _enrolments(session, ids)
    passwords = LocalAccount.password.is_not(None)
    local = set(
        session.scalars(select(LocalAccount.person_id).where(LocalAccount.person_id.in_(ids), passwords))
    )
    passkeys = set(session.scalars(select(Passkey.person_id).where(Passkey.person_id.in_(ids)).distinct()))
    outside = set(
        session.scalars(
            select(OutsideIdentity.person_id).where(
                OutsideIdentity.person_id.in_(ids), OutsideIdentity.active
            )
        )
    )
    ways = (("passkey", passkeys), ("password", local), ("oidc", outside))
    return [
        PersonShown(
            id=row.id,
            name=row.name,
            roles=[row.duty] if row.duty is not None else row.roles,
            active=row.active,
            enrolment=enrolments.get(row.id),
            keys=keys.get(row.id, []),
            means=[name for name, held in ways if row.id in held],
            last_sign_in=_last_sign_in(session, row.id),
        )
        for row in rows
    ], following


def _last_sign_in(session: Session, person_id: str) -> datetime | None:
    """One step in an index, however often they signed in."""
    signed = select(Event.recorded_at).where(Event.person_id == person_id, Event.kind == BEGUN)
    return session.scalar(signed.order_by(Event.recorded_at.desc()).limit(1))


def clients_of(
    session: Session, code: str, after: str | None, size: int, now: datetime
) -> tuple[list[ClientShown], str | None]:
    """At most `size` clients of an agency, as `people_of`."""
    rows, following = _by_name(session, Client, code, after, size)
    ids = [row.id for row in rows]
    keys = _thumbprints(session, AssertionKey.client_id, ids)
    enrolments = _enrolments(session, ids)
    types: dict[str, list[str]] = {}
    entitled = select(ClientType.client_id, ClientType.type_code).where(ClientType.client_id.in_(ids))
    for client_id, type_code in session.execute(entitled.order_by(ClientType.type_code)):
        types.setdefault(client_id, []).append(type_code)
    tokens = (
        select(AccessToken.client_id, func.max(AccessToken.expires_at))
        .where(AccessToken.client_id.in_(ids), AccessToken.expires_at > now)
        .group_by(AccessToken.client_id)
    )
    until = {row[0]: row[1] for row in session.execute(tokens)}
    return [
        ClientShown(
            id=row.id,
            name=row.name,
            scopes=row.scopes,
            types=types.get(row.id, []),
            console=row.console,
            public_form=row.public_form,
            active=row.active,
            enrolment=enrolments.get(row.id),
            keys=keys.get(row.id, []),
            token_until=until.get(row.id),
        )
        for row in rows
    ], following


def _by_name(
    session: Session, table: type[_Row], code: str | None, after: str | None, size: int
) -> tuple[Sequence[_Row], str | None]:
    wanted = select(table).where(table.agency_code.is_(None) if code is None else table.agency_code == code)
    if after is not None:
        last = session.get(table, after)
        if last is None or last.agency_code != code:
            raise VermilionError(Kind.NOT_FOUND, "no page ended so", reason="cursor")
        place = tuple_(literal(last.name), literal(last.id))
        wanted = wanted.where(tuple_(table.name, table.id) > place)
    rows = session.scalars(wanted.order_by(table.name, table.id).limit(size + 1)).all()
    return rows[:size], rows[size - 1].id if len(rows) > size else None


def _thumbprints(session: Session, owner: Any, ids: Collection[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for holder, kid in session.execute(
        select(owner, AssertionKey.kid).where(owner.in_(ids)).order_by(AssertionKey.kid)
    ):
        found.setdefault(holder, []).append(kid)
    return found


def _enrolments(session: Session, ids: Collection[str]) -> dict[str, str]:
    rows = session.execute(select(Enrolment.subject, Enrolment.state).where(Enrolment.subject.in_(ids)))
    return {row.subject: row.state for row in rows}


def agencies_page(session: Session, after: str, size: int) -> Sequence[Agency]:
    """At most so many agencies behind a code, in the order of their codes."""
    return session.scalars(select(Agency).where(Agency.code > after).order_by(Agency.code).limit(size)).all()


def types_of_agency(session: Session, code: str) -> list[str]:
    """Codes of the licence types that some client of the agency, in force, may issue."""
    mine = (
        select(ClientType.type_code)
        .join(Client, Client.id == ClientType.client_id)
        .where(Client.agency_code == code, Client.active)
    )
    return list(session.scalars(mine.distinct().order_by(ClientType.type_code)))


def overview(session: Session, code: str) -> dict[str, Any]:
    """Members of a JSON object. Raises VermilionError(NOT_FOUND)."""
    agency = known_agency(session, code)
    types: dict[str, list[str]] = {}
    for client_id, type_code in session.execute(
        select(ClientType.client_id, ClientType.type_code)
        .join(Client, Client.id == ClientType.client_id)
        .where(Client.agency_code == code)
        .order_by(ClientType.type_code)
    ):
        types.setdefault(client_id, []).append(type_code)
    clients = session.scalars(select(Client).where(Client.agency_code == code).order_by(Client.created_at))
    people = session.scalars(select(Person).where(Person.agency_code == code).order_by(Person.created_at))
    qr_keys = session.execute(signed_certificates(ProfileName.QR).where(Key.agency_code == code))
    return {
        "agency": code,
        "name": {"zh": agency.name_zh, "en": agency.name_en},
        "division": agency.division,
        "seal_authority": agency.seal_authority,
        "clients": [
            {
                "id": row.id,
                "name": row.name,
                "active": row.active,
                "scopes": row.scopes,
                "types": types.get(row.id, []),
            }
            for row in clients
        ],
        "people": [
            {"id": row.id, "name": row.name, "active": row.active, "roles": row.roles} for row in people
        ],
        "qr_keys": [
            {"id": key.id, "state": key.state, "not_after": certificate.not_after.isoformat()}
            for key, certificate in qr_keys
        ],
    }
