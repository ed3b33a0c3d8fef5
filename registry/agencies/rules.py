"""Who is on record: agencies, their people, their clients, and what each may do.

These are acts of an administrator on the registry's own machine, so their events name no actor.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry.agencies.credentials import public_jwk, record_keys
from registry.agencies.tables import Agency, Client, ClientType, Person
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings
from registry.seals.keys import civil_ground
from signing.codes import check_type_code, check_uscc

ROLES = frozenset({"applicant", "approver", "maker", "keeper", "officer"})
SCOPE_LICENCE = "licence"  # issue, change and read licences
SCOPE_SEAL = "seal"  # the seal life and standing authorisations
SCOPES = frozenset({SCOPE_LICENCE, SCOPE_SEAL})

LEGAL_BASIS = "Anhui Measures, Art. 12"
"""What enrolment rests on: agencies issue electronic licences through the province's one system."""

MAX_KEYS = 4
MIN_SECRET = 32  # characters
_DIVISION = re.compile(r"[0-9]{6}")


def add_agency(
    session: Session,
    ports: Surroundings,
    *,
    code: str,
    name: Mapping[str, str],
    division: str,
    seal_authority: bool = False,
) -> Agency:
    """Put an agency on record; `name` by language, "zh" and "en". The same again changes nothing, so that an
    administrator can repeat what was interrupted.

    Raises VermilionError(INVALID, CONFLICT).
    """
    _code("/code", check_uscc, code)
    if not _DIVISION.fullmatch(division):
        raise field_fault("/division", "division", "a division code has 6 digits")
    _text("/name/zh", name.get("zh", ""), 120)
    _text("/name/en", name.get("en", ""), 200)
    values = {
        "name_zh": name["zh"],
        "name_en": name["en"],
        "division": division,
        "seal_authority": seal_authority,
    }
    existing = session.get(Agency, code)
    if existing is not None:
        if {field: getattr(existing, field) for field in values} != values:
            raise VermilionError(
                Kind.CONFLICT, "the agency is on record, with other particulars", reason="agency_exists"
            )
        return existing
    agency = Agency(code=code, created_at=ports.clock(), **values)
    try:
        with session.begin_nested():
            session.add(agency)
    except IntegrityError:
        raise VermilionError(
            Kind.CONFLICT, "somebody else puts the agency on record at this moment", reason="agency_exists"
        ) from None
    detail = {"division": division, "seal_authority": seal_authority}
    _record(session, ports, "agency.added", "agency", code, None, detail)
    return agency


def add_person(
    session: Session,
    ports: Surroundings,
    *,
    agency_code: str,
    name: str,
    roles: Collection[str],
    jwk: Mapping[str, Any],
) -> Person:
    """Put a person on record by the public key that signs for them.

    One key is one person: a key already on record is refused, so that nobody acts as two people.
    Raises VermilionError(INVALID, NOT_FOUND, CONFLICT).
    """
    known_agency(session, agency_code)
    _text("/name", name, 80)
    if not roles or not set(roles) <= ROLES:
        raise field_fault("/roles", "role", f"roles are some of {', '.join(sorted(ROLES))}")
    public = public_jwk(jwk, "/jwk")
    person = Person(
        id=ports.random(16).hex(),
        agency_code=agency_code,
        name=name,
        roles=sorted(set(roles)),
        active=True,
        created_at=ports.clock(),
    )
    session.add(person)
    session.flush()
    record_keys(session, [public], person=person)
    detail = {"agency": agency_code, "roles": person.roles, "key": public["kid"]}
    _record(session, ports, "person.added", "person", person.id, None, detail)
    return person


def add_client(
    session: Session,
    ports: Surroundings,
    *,
    agency_code: str,
    name: str,
    scopes: Collection[str],
    types: Collection[str],
    jwks: Collection[Mapping[str, Any]] = (),
    secret: str | None = None,
    demo: bool = False,
) -> Client:
    """Put a client on record with its public keys and the licence types it may issue.

    A shared secret in place of keys is for the demonstration only. Raises VermilionError(INVALID, NOT_FOUND,
    CONFLICT).
    """
    known_agency(session, agency_code)
    _text("/name", name, 80)
    if not scopes or not set(scopes) <= SCOPES:
        raise field_fault("/scopes", "scope", f"scopes are some of {', '.join(sorted(SCOPES))}")
    for i, type_code in enumerate(types):
        _code(f"/types/{i}", check_type_code, type_code)
    if bool(jwks) == (secret is not None):
        raise field_fault("/jwks", "credential", "a client has public keys, or in a demonstration a secret")
    if secret is not None and not demo:
        raise field_fault("/secret", "demo_only", "a shared secret is for the demonstration only")
    if secret is not None and (len(secret) < MIN_SECRET or not secret.isascii()):
        raise field_fault("/secret", "too_short", f"a secret has at least {MIN_SECRET} characters")
    if len(jwks) > MAX_KEYS:
        raise field_fault("/jwks", "too_many", f"a client has at most {MAX_KEYS} keys")
    keys = [public_jwk(jwk, f"/jwks/{i}") for i, jwk in enumerate(jwks)]
    client = Client(
        id=ports.random(16).hex(),
        agency_code=agency_code,
        name=name,
        scopes=sorted(set(scopes)),
        secret_sha256=hashlib.sha256(secret.encode()).digest() if secret is not None else None,
        active=True,
        created_at=ports.clock(),
    )
    session.add(client)
    session.flush()
    record_keys(session, keys, client=client)
    entitled = sorted(set(types))
    session.add_all(ClientType(client_id=client.id, type_code=code) for code in entitled)
    session.flush()
    detail = {
        "agency": agency_code,
        "scopes": client.scopes,
        "types": entitled,
        "keys": sorted(key["kid"] for key in keys),
    }
    _record(session, ports, "client.added", "client", client.id, None, detail)
    return client


def entitle(session: Session, ports: Surroundings, *, client_id: str, type_code: str) -> None:
    """Let a client issue one more type. An entitlement is never deleted: disable the client instead, because
    what was sealed under it must go on being recognised. The same again changes nothing.

    Raises VermilionError(INVALID, NOT_FOUND).
    """
    _code("/type", check_type_code, type_code)
    _locked_client(session, client_id)  # one at a time, so that each entitlement is one event
    if session.get(ClientType, (client_id, type_code)) is None:
        session.add(ClientType(client_id=client_id, type_code=type_code))
        session.flush()
        _record(session, ports, "client.entitled", "client", client_id, None, {"type": type_code})


def is_entitled(session: Session, *, client_id: str, type_code: str) -> bool:
    """Whether an active client may issue the type."""
    statement = (
        select(ClientType.client_id)
        .join(Client, Client.id == ClientType.client_id)
        .where(ClientType.client_id == client_id, ClientType.type_code == type_code, Client.active)
    )
    return session.scalar(statement) is not None


def set_client_active(
    session: Session, ports: Surroundings, *, client_id: str, active: bool, ground: Ground
) -> None:
    """Enable or disable a client; tokens in hand lose their force at once. The same again changes nothing.

    Raises VermilionError(NOT_FOUND).
    """
    _set_active(session, ports, "client", _locked_client(session, client_id), active, ground)


def set_person_active(
    session: Session, ports: Surroundings, *, person_id: str, active: bool, ground: Ground
) -> None:
    """Enable or disable a person; tokens in hand lose their force at once. The same again changes nothing.

    Raises VermilionError(NOT_FOUND).
    """
    person = session.get(Person, person_id, with_for_update=True)
    if person is None:
        raise VermilionError(Kind.NOT_FOUND, "no such person", reason="person_unknown")
    _set_active(session, ports, "person", person, active, ground)


def known_agency(session: Session, code: str) -> Agency:
    """The agency of this code. Raises VermilionError(NOT_FOUND, `agency_unknown`)."""
    agency = session.get(Agency, code)
    if agency is None:
        raise field_fault("/agency", "agency_unknown", "no such agency", Kind.NOT_FOUND)
    return agency


def _locked_client(session: Session, client_id: str) -> Client:
    client = session.get(Client, client_id, with_for_update=True)
    if client is None:
        raise VermilionError(Kind.NOT_FOUND, "no such client", reason="client_unknown")
    return client


def _set_active(
    session: Session, ports: Surroundings, what: str, row: Person | Client, active: bool, ground: Ground
) -> None:
    if row.active is not active:
        row.active = active
        done = f"{what}.{'enabled' if active else 'disabled'}"
        _record(session, ports, done, what, row.id, ground, {"agency": row.agency_code})


def _record(
    session: Session,
    ports: Surroundings,
    kind: str,
    subject_kind: str,
    subject: str,
    ground: Ground | None,
    detail: Mapping[str, Any],
) -> None:
    """An act on the registry's own machine; `ground` None is that of every enrolment."""
    now = ports.clock()
    record_event(
        session,
        kind=kind,
        subject_kind=subject_kind,
        subject=subject,
        ground=ground or civil_ground(now, ports.settings.tz, "enrolment", LEGAL_BASIS),
        actor=None,
        now=now,
        random=ports.random,
        detail=detail,
    )


def _code(where: str, check: Callable[[str], str], text: str) -> None:
    try:
        check(text)
    except VermilionError as error:
        raise field_fault(where, error.reason, error.detail) from None


def _text(where: str, value: str, longest: int) -> None:
    if not 1 <= len(value) <= longest or not value.isprintable() or value != value.strip():
        raise field_fault(where, "text", f"a printable line of 1 to {longest} characters")
