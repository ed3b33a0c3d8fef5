"""Who is on record: agencies, their people, their clients, and what each may do.

System administration puts on record; what people and clients may do waits until security administration has
approved it (`registry.agencies.enrolments`), and is later granted and withdrawn by it alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.base64url import b64url
from keys.errors import Kind, VermilionError, field_fault
from registry.actor import Administrator, Duty
from registry.agencies.administrators import (
    Newcomer,
    in_office,
    put_on_record,
    require_line,
    require_successor,
)
from registry.agencies.credentials import public_jwk, record_keys, thumbprints_of
from registry.agencies.tables import Agency, Client, ClientType, Enrolment, Person
from registry.console.sessions import end_all_of
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings
from registry.rows import unless_known
from registry.seals.keys import civil_ground
from signing.codes import check_type_code, check_uscc

ROLES = frozenset({"applicant", "approver", "maker", "keeper", "officer", "decider", "supervisor"})
SCOPE_LICENCE = "licence"  # issue, change and read licences
SCOPE_SEAL = "seal"  # the seal life and standing authorisations
SCOPE_USE = "use"  # use licences of any agency that their holders have shown
SCOPE_CASE = "case"  # applications and cases
SCOPES = frozenset({SCOPE_LICENCE, SCOPE_SEAL, SCOPE_USE, SCOPE_CASE})

LEGAL_BASIS = "Anhui Measures, Art. 12"
"""What enrolment rests on: agencies issue electronic licences through the province's one system."""

MAX_KEYS = 4
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")  # of 32 random bytes
_DIVISION = re.compile(r"[0-9]{6}")


def add_agency(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    *,
    code: str,
    name: Mapping[str, str],
    division: str,
    seal_authority: bool = False,
) -> Agency:
    """Put an agency on record; `name` by language, "zh" and "en". The same again changes nothing, so that an
    administrator can repeat what was interrupted. What it may do its people and clients do, each approved.

    Raises VermilionError(FORBIDDEN, INVALID, CONFLICT).
    """
    in_office(session, admin, Duty.SYSTEM)
    _code("/code", check_uscc, code)
    if not _DIVISION.fullmatch(division):
        raise field_fault("/division", "division", "a division code has 6 digits")
    require_line("/name/zh", name.get("zh", ""), 120)
    require_line("/name/en", name.get("en", ""), 200)
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
    race = VermilionError(
        Kind.CONFLICT, "somebody else puts the agency on record at this moment", reason="agency_exists"
    )
    with unless_known(session, race):
        session.add(agency)
    detail = {"division": division, "seal_authority": seal_authority}
    _record(session, ports, admin, "agency.added", "agency", code, None, detail)
    return agency


def add_person(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    *,
    agency_code: str,
    name: str,
    roles: Collection[str],
    jwk: Mapping[str, Any] | None = None,
) -> Person:
    """Put a person on record by the public key that signs for them; disabled, and without the roles until
    they are approved. Who has no key acts with a browser alone, once invited to the console.

    One key is one person: a key already on record is refused, so that nobody acts as two people.
    Raises VermilionError(FORBIDDEN, INVALID, NOT_FOUND, CONFLICT).
    """
    in_office(session, admin, Duty.SYSTEM)
    known_agency(session, agency_code)
    if not roles or not set(roles) <= ROLES:
        raise field_fault("/roles", "role", f"roles are some of {', '.join(sorted(ROLES))}")
    asked = sorted(set(roles))
    person, kid = put_on_record(
        session, ports, Newcomer(name, jwk), agency_code=agency_code, duty=None, active=False
    )
    _ask(session, ports, admin, "person", person.id, {"roles": asked})
    detail = {"agency": agency_code, "roles": asked, "key": kid}
    _record(session, ports, admin, "person.added", "person", person.id, None, detail)
    return person


def add_administrator(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    *,
    duty: Duty,
    name: str,
    jwk: Mapping[str, Any],
) -> Person:
    """Put one more administrator on record; in office once security administration has approved.

    Raises VermilionError(FORBIDDEN, INVALID, CONFLICT).
    """
    in_office(session, admin, Duty.SYSTEM)
    person, kid = put_on_record(
        session, ports, Newcomer(name, jwk), agency_code=None, duty=duty, active=False
    )
    _ask(session, ports, admin, "person", person.id, {"duty": duty.value})
    detail = {"duty": duty.value, "key": kid}
    _record(session, ports, admin, "administrator.added", "person", person.id, None, detail)
    return person


def new_secret(random: Callable[[int], bytes]) -> str:
    """A client's secret: 43 characters that nobody guesses."""
    return b64url(random(32))


def add_client(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    *,
    agency_code: str,
    name: str,
    scopes: Collection[str],
    types: Collection[str],
    jwks: Collection[Mapping[str, Any]] = (),
    secret: str | None = None,
    console: bool = False,
    public_form: bool = False,
    certificate_required: bool = False,
) -> Client:
    """Put a client on record with its public keys, or with a secret that was made by `new_secret`; disabled,
    and without scopes and the licence types it may issue until they are approved.

    With `certificate_required` it gets a token only behind a proxy that passes its certificate on. The client
    that the agency's people act through in the `console` has no credential, and there is one; so it is with
    that of the `public_form`, through which people apply, which has the scope of cases alone.

    Raises VermilionError(FORBIDDEN, INVALID, NOT_FOUND; CONFLICT, `console_known` or `form_known` too).
    """
    in_office(session, admin, Duty.SYSTEM)
    known_agency(session, agency_code)
    require_line("/name", name, 80)
    if not scopes or not set(scopes) <= SCOPES:
        raise field_fault("/scopes", "scope", f"scopes are some of {', '.join(sorted(SCOPES))}")
    for i, type_code in enumerate(types):
        _code(f"/types/{i}", check_type_code, type_code)
    if console and (jwks or secret is not None or certificate_required):
        raise field_fault("/jwks", "credential", "the console has no credential: people sign in to it")
    if public_form and (console or jwks or secret is not None or certificate_required):
        raise field_fault("/jwks", "credential", "the public form has no credential: anybody may apply")
    if public_form and (set(scopes) != {SCOPE_CASE} or types):
        raise field_fault("/scopes", "scope", f"the public form has the scope {SCOPE_CASE}, and no types")
    if not (console or public_form) and bool(jwks) == (secret is not None):
        raise field_fault("/jwks", "credential", "a client has public keys, or a secret")
    if secret is not None and not _SECRET.fullmatch(secret):
        raise field_fault("/secret", "secret", "a secret is one that the registry made")
    if len(jwks) > MAX_KEYS:
        raise field_fault("/jwks", "too_many", f"a client has at most {MAX_KEYS} keys")
    keys = [public_jwk(jwk, f"/jwks/{i}") for i, jwk in enumerate(jwks)]
    client = Client(
        id=ports.random(16).hex(),
        agency_code=agency_code,
        name=name,
        scopes=[],
        secret_sha256=hashlib.sha256(secret.encode()).digest() if secret is not None else None,
        certificate_required=certificate_required,
        console=console,
        public_form=public_form,
        active=False,
        created_at=ports.clock(),
    )
    what, reason = ("public form", "form_known") if public_form else ("console", "console_known")
    known = VermilionError(Kind.CONFLICT, f"the agency's {what} is on record already", reason=reason)
    with unless_known(session, known):
        session.add(client)
    record_keys(session, keys, client=client)
    asked = {"scopes": sorted(set(scopes)), "types": sorted(set(types))}
    _ask(session, ports, admin, "client", client.id, asked)
    detail = {
        "agency": agency_code,
        **asked,
        "keys": thumbprints_of(session, client),
        "console": console,
        "public_form": public_form,
        "certificate_required": certificate_required,
    }
    _record(session, ports, admin, "client.added", "client", client.id, None, detail)
    return client


def entitle(
    session: Session, ports: Surroundings, admin: Administrator, *, client_id: str, type_code: str
) -> None:
    """Let a client issue one more type. An entitlement is never deleted: disable the client instead, because
    what was sealed under it must go on being recognised. The same again changes nothing.

    Raises VermilionError(FORBIDDEN, INVALID, NOT_FOUND, CONFLICT).
    """
    in_office(session, admin, Duty.SECURITY)
    _code("/type", check_type_code, type_code)
    _require_decided(session, _locked_client(session, client_id))
    if session.get(ClientType, (client_id, type_code)) is None:
        session.add(ClientType(client_id=client_id, type_code=type_code))
        session.flush()
        _record(session, ports, admin, "client.entitled", "client", client_id, None, {"type": type_code})


def set_roles(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    *,
    person_id: str,
    grant: Collection[str] = (),
    withdraw: Collection[str] = (),
    ground: Ground,
) -> None:
    """Grant roles to a person, or withdraw some; the rest stay. The same again changes nothing.

    Whoever is to keep none is disabled instead. Raises VermilionError: FORBIDDEN; NOT_FOUND; INVALID for a
    role that is none; CONFLICT for an administrator, for whom is not approved yet, and for the last role.
    """
    in_office(session, admin, Duty.SECURITY)
    if not set(grant) | set(withdraw) <= ROLES:
        raise field_fault("/roles", "role", f"roles are some of {', '.join(sorted(ROLES))}")
    person = _locked_person(session, person_id)
    if person.duty is not None:
        raise VermilionError(Kind.CONFLICT, "an administrator holds no other role", reason="duties_combined")
    _require_decided(session, person)
    roles = sorted((set(person.roles) | set(grant)) - set(withdraw))
    if not roles:
        raise VermilionError(
            Kind.CONFLICT, "a person without any role is disabled instead", reason="last_role"
        )
    if roles != person.roles:
        person.roles = roles
        end_all_of(session, person.id)
        detail = {"agency": person.agency_code, "roles": roles}
        _record(session, ports, admin, "person.roles", "person", person.id, ground, detail)


def is_entitled(session: Session, *, client_id: str, type_code: str) -> bool:
    """Whether an active client may issue the type."""
    statement = (
        select(ClientType.client_id)
        .join(Client, Client.id == ClientType.client_id)
        .where(ClientType.client_id == client_id, ClientType.type_code == type_code, Client.active)
    )
    return session.scalar(statement) is not None


def set_client_active(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    *,
    client_id: str,
    active: bool,
    ground: Ground,
) -> None:
    """Enable or disable a client; tokens in hand lose their force at once. The same again changes nothing.

    Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT).
    """
    in_office(session, admin, *_switchers(active))
    _set_active(session, ports, admin, "client", _locked_client(session, client_id), active, ground)


def set_person_active(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    *,
    person_id: str,
    active: bool,
    ground: Ground,
) -> None:
    """Enable or disable a person; tokens in hand lose their force at once. The same again changes nothing.

    Raises VermilionError: FORBIDDEN, NOT_FOUND, CONFLICT with `last_administrator`.
    """
    in_office(session, admin, *_switchers(active))
    person = _locked_person(session, person_id)
    if not active and person.active:
        require_successor(session, person)
    _set_active(session, ports, admin, "person", person, active, ground)


def _switchers(active: bool) -> tuple[Duty, ...]:
    """Anybody of the two may stop somebody at once; to enable is to give power."""
    return (Duty.SECURITY,) if active else (Duty.SYSTEM, Duty.SECURITY)


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


def _locked_person(session: Session, person_id: str) -> Person:
    person = session.get(Person, person_id, with_for_update=True)
    if person is None:
        raise VermilionError(Kind.NOT_FOUND, "no such person", reason="person_unknown")
    return person


def _require_decided(session: Session, row: Person | Client) -> None:
    """Raises VermilionError(CONFLICT) for somebody whose enrolment was not approved."""
    enrolment = session.get(Enrolment, row.id)
    if enrolment is not None and enrolment.state != "approved":
        raise VermilionError(Kind.CONFLICT, "the enrolment is not approved", reason="not_approved")


def _ask(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    subject_kind: str,
    subject: str,
    asked: dict[str, Any],
) -> None:
    session.add(
        Enrolment(
            subject=subject,
            subject_kind=subject_kind,
            asked=asked,
            enrolled_by=admin.person_id,
            enrolled_at=ports.clock(),
            state="open",
        )
    )
    session.flush()


def _set_active(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    what: str,
    row: Person | Client,
    active: bool,
    ground: Ground,
) -> None:
    if active:
        _require_decided(session, row)
    if row.active is not active:
        row.active = active
        if isinstance(row, Person):
            end_all_of(session, row.id)
        done = f"{what}.{'enabled' if active else 'disabled'}"
        _record(session, ports, admin, done, what, row.id, ground, {"agency": row.agency_code})


def _record(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    kind: str,
    subject_kind: str,
    subject: str,
    ground: Ground | None,
    detail: Mapping[str, Any],
) -> None:
    """`ground` None is that of every enrolment."""
    now = ports.clock()
    record_event(
        session,
        kind=kind,
        subject_kind=subject_kind,
        subject=subject,
        ground=ground or civil_ground(now, ports.settings.tz, "enrolment", LEGAL_BASIS),
        actor=admin,
        now=now,
        random=ports.random,
        detail=detail,
    )


def _code(where: str, check: Callable[[str], str], text: str) -> None:
    try:
        check(text)
    except VermilionError as error:
        raise field_fault(where, error.reason, error.detail) from None
