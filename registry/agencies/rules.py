"""Who is on record: agencies, their people, their clients, and what each may do."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError
from registry.agencies.tables import Agency, Client, ClientType, Person
from signing.codes import check_type_code, check_uscc

ROLES = frozenset({"applicant", "approver", "maker", "keeper", "officer"})
SCOPE_LICENCE = "licence"  # issue, change and read licences
SCOPE_SEAL = "seal"  # the seal life and standing authorisations
SCOPES = frozenset({SCOPE_LICENCE, SCOPE_SEAL})

MAX_KEYS = 4
MIN_SECRET = 32  # characters
_DIVISION = re.compile(r"[0-9]{6}")


def add_agency(
    session: Session,
    *,
    code: str,
    name: Mapping[str, str],
    division: str,
    now: datetime,
    seal_authority: bool = False,
) -> Agency:
    """Put an agency on record; `name` by language, "zh" and "en".

    Raises VermilionError(INVALID, CONFLICT).
    """
    _code("/code", check_uscc, code)
    if not _DIVISION.fullmatch(division):
        raise _bad("/division", "division", "a division code has 6 digits")
    _text("/name/zh", name.get("zh", ""), 120)
    _text("/name/en", name.get("en", ""), 200)
    if session.get(Agency, code) is not None:
        raise VermilionError(Kind.CONFLICT, "the agency is on record", reason="agency_exists")
    agency = Agency(
        code=code,
        name_zh=name["zh"],
        name_en=name["en"],
        division=division,
        seal_authority=seal_authority,
        created_at=now,
    )
    session.add(agency)
    session.flush()
    return agency


def add_person(
    session: Session,
    *,
    agency_code: str,
    name: str,
    roles: Collection[str],
    jwk: Mapping[str, Any],
    now: datetime,
    random: Callable[[int], bytes],
) -> Person:
    """Put a person on record by the public key that signs for them.

    One key is one person: a key already on record is refused, so that nobody acts as two people.
    Raises VermilionError(INVALID, NOT_FOUND, CONFLICT).
    """
    known_agency(session, agency_code)
    _text("/name", name, 80)
    if not roles or not set(roles) <= ROLES:
        raise _bad("/roles", "role", f"roles are some of {', '.join(sorted(ROLES))}")
    public = public_jwk(jwk, "/jwk")
    if public["kid"] in _known_kids(session):
        raise VermilionError(Kind.CONFLICT, "the key is on record already", reason="key_known")
    person = Person(
        id=random(16).hex(),
        agency_code=agency_code,
        name=name,
        roles=sorted(set(roles)),
        jwk=public,
        active=True,
        created_at=now,
    )
    session.add(person)
    session.flush()
    return person


def add_client(
    session: Session,
    *,
    agency_code: str,
    name: str,
    scopes: Collection[str],
    types: Collection[str],
    now: datetime,
    random: Callable[[int], bytes],
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
        raise _bad("/scopes", "scope", f"scopes are some of {', '.join(sorted(SCOPES))}")
    for i, type_code in enumerate(types):
        _code(f"/types/{i}", check_type_code, type_code)
    if bool(jwks) == (secret is not None):
        raise _bad("/jwks", "credential", "a client has public keys, or in a demonstration a secret")
    if secret is not None and not demo:
        raise _bad("/secret", "demo_only", "a shared secret is for the demonstration only")
    if secret is not None and (len(secret) < MIN_SECRET or not secret.isascii()):
        raise _bad("/secret", "too_short", f"a secret has at least {MIN_SECRET} characters")
    if len(jwks) > MAX_KEYS:
        raise _bad("/jwks", "too_many", f"a client has at most {MAX_KEYS} keys")
    keys = [public_jwk(jwk, f"/jwks/{i}") for i, jwk in enumerate(jwks)]
    if {key["kid"] for key in keys} & _known_kids(session):
        raise VermilionError(Kind.CONFLICT, "the key is on record already", reason="key_known")
    client = Client(
        id=random(16).hex(),
        agency_code=agency_code,
        name=name,
        scopes=sorted(set(scopes)),
        jwks={"keys": keys} if keys else None,
        secret_sha256=hashlib.sha256(secret.encode()).digest() if secret is not None else None,
        active=True,
        created_at=now,
    )
    session.add(client)
    session.flush()
    session.add_all(ClientType(client_id=client.id, type_code=code) for code in sorted(set(types)))
    session.flush()
    return client


def entitle(session: Session, *, client_id: str, type_code: str) -> None:
    """Let a client issue one more type. An entitlement is never deleted: disable the client instead, because
    what was sealed under it must go on being recognised.
    """
    check_type_code(type_code)
    if session.get(Client, client_id) is None:
        raise VermilionError(Kind.NOT_FOUND, "no such client", reason="client_unknown")
    if session.get(ClientType, (client_id, type_code)) is None:
        session.add(ClientType(client_id=client_id, type_code=type_code))
        session.flush()


def is_entitled(session: Session, *, client_id: str, type_code: str) -> bool:
    """Whether an active client may issue the type."""
    statement = (
        select(ClientType.client_id)
        .join(Client, Client.id == ClientType.client_id)
        .where(ClientType.client_id == client_id, ClientType.type_code == type_code, Client.active)
    )
    return session.scalar(statement) is not None


def set_client_active(session: Session, *, client_id: str, active: bool) -> None:
    """Enable or disable a client; its tokens in hand lose their force at once."""
    client = session.get(Client, client_id)
    if client is None:
        raise VermilionError(Kind.NOT_FOUND, "no such client", reason="client_unknown")
    client.active = active


def set_person_active(session: Session, *, person_id: str, active: bool) -> None:
    """Enable or disable a person; tokens in hand lose their force at once."""
    person = session.get(Person, person_id)
    if person is None:
        raise VermilionError(Kind.NOT_FOUND, "no such person", reason="person_unknown")
    person.active = active


def known_agency(session: Session, code: str) -> Agency:
    """The agency of this code. Raises VermilionError(NOT_FOUND, `agency_unknown`)."""
    agency = session.get(Agency, code)
    if agency is None:
        fault = Fault("/agency", "agency_unknown", "no such agency")
        raise VermilionError(Kind.NOT_FOUND, fault.detail, reason=fault.reason, faults=(fault,))
    return agency


def public_jwk(jwk: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A P-256 public key (RFC 7517), cut to what is public, with its thumbprint (RFC 7638) as kid.

    One key has one spelling (RFC 7518, section 6.2.1), else it had several thumbprints and could be put on
    record again. Raises VermilionError(INVALID) for anything else, private keys included: those are never
    sent here.
    """
    if "d" in jwk:
        raise _bad(where, "private_key", "this is a private key: send the public half only")
    if (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256"):
        raise _bad(where, "key_kind", "a key is an EC key on P-256")
    public = {name: str(jwk.get(name)) for name in ("kty", "crv", "x", "y")}
    try:
        key = ECKey.import_key(ECKey.import_key(dict(public)).public_key)
        spelt = key.as_dict(private=False)
        thumbprint = key.thumbprint()
    except (JoseError, ValueError, TypeError, AttributeError):
        raise _bad(where, "key", "not a public key") from None
    if (public["x"], public["y"]) != (spelt["x"], spelt["y"]):
        raise _bad(where, "key", "a coordinate has 32 bytes, in base64url")
    return {**public, "kid": thumbprint}


def _known_kids(session: Session) -> set[str]:
    """Thumbprints of all credentials: read when somebody is put on record, which is rare."""
    kids = {str(jwk["kid"]) for jwk in session.scalars(select(Person.jwk))}
    for jwks in session.scalars(select(Client.jwks)):
        kids.update(str(key["kid"]) for key in (jwks or {"keys": []})["keys"])
    return kids


def _code(where: str, check: Callable[[str], str], text: str) -> None:
    try:
        check(text)
    except VermilionError as error:
        raise _bad(where, error.reason, error.detail) from None


def _text(where: str, value: str, longest: int) -> None:
    if not 1 <= len(value) <= longest or not value.isprintable() or value != value.strip():
        raise _bad(where, "text", f"a printable line of 1 to {longest} characters")


def _bad(where: str, reason: str, detail: str) -> VermilionError:
    return VermilionError(Kind.INVALID, detail, reason=reason, faults=(Fault(where, reason, detail),))
