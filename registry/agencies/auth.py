"""OAuth 2.0 for agencies: the token endpoint's rules, and who a bearer token stands for.

RFC 6749 client credentials, a client authenticated by private_key_jwt (RFC 7523, section 2.2) or by its
secret (section 2.3.1); a person
acts through a client of their own agency by an authorization-grant assertion signed with the person's key
(section 2.1). An auditor, who is of no agency, acts through no client: by that assertion alone, to read the
audit. Other administrators get no token; they act by commands on the registry's machine, proved by the same
assertion. Tokens are opaque (RFC 6750) and kept as SHA-256. What a token permits is looked up at each use: a
client or person disabled meanwhile is refused at once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from keys.clock import Clock
from keys.errors import Kind, VermilionError
from registry.actor import Actor, Administrator, Duty
from registry.agencies.assertions import Assertion, parse_assertion, use_up, verify
from registry.agencies.credentials import keys_of
from registry.agencies.tables import AccessToken, Client, Person
from registry.driver_select import Kept, Prepared
from registry.settings import Settings

TOKEN_LIFE = timedelta(minutes=15)
TOKEN_BYTES = 32
CLIENT_CREDENTIALS = "client_credentials"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE_AUDIT = "audit"  # an auditor's, never a client's
CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PARAMETERS = frozenset(
    {
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion_type",
        "client_assertion",
        "assertion",
        "scope",
    }
)
_CLIENT_PARAMETERS = frozenset({"client_id", "client_secret", "client_assertion_type", "client_assertion"})
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_ID = re.compile(r"[0-9a-f]{32}")


class TokenError(Exception):
    """An error answer of the token endpoint (RFC 6749, section 5.2)."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


@dataclass(frozen=True, slots=True)
class Grant:
    """Who proved to be who, and what for; a token is issued on it once its assertions are used up."""

    client_id: str | None  # None: an auditor's own
    person_id: str | None
    scopes: tuple[str, ...]
    client_assertion: Assertion | None
    person_assertion: Assertion | None
    certificate: bytes | None  # SHA-256 of the one that the token is bound to


@dataclass(frozen=True, slots=True)
class Issued:
    """A new token; the only moment its text exists here."""

    token: str
    scopes: tuple[str, ...]
    life: timedelta


def authenticate_request(
    session: Session,
    form: Mapping[str, str],
    *,
    settings: Settings,
    now: datetime,
    certificate: bytes | None = None,
) -> Grant:
    """Judge one request of the token endpoint, reading alone: whoever proves nothing never waits for the
    writer, nor keeps it. `certificate` is the SHA-256 of the client's, where a proxy of ours passed one.

    Raises TokenError.
    """
    grant = form.get("grant_type")
    if grant is None:
        raise TokenError("invalid_request", "grant_type is missing")
    if grant not in {CLIENT_CREDENTIALS, JWT_BEARER}:
        raise TokenError("unsupported_grant_type", "client_credentials or the JWT bearer grant")
    if grant == JWT_BEARER and not _CLIENT_PARAMETERS & set(form):
        return _authenticate_auditor(session, form, settings, now, certificate)
    client, client_assertion = _authenticate_client(session, form, settings, now)
    if client.certificate_required and certificate is None:
        raise _invalid_client("this client proves itself by a certificate as well")
    person = person_assertion = None
    if grant == JWT_BEARER:
        person, person_assertion = _authenticate_person(session, form, client, settings, now)
    elif "assertion" in form:
        raise TokenError("invalid_request", "assertion belongs to the JWT bearer grant")
    return Grant(
        client_id=client.id,
        person_id=person.id if person else None,
        scopes=_scopes(form, client),
        client_assertion=client_assertion,
        person_assertion=person_assertion,
        certificate=certificate,
    )


def issue_token(session: Session, grant: Grant, *, clock: Clock, random: Callable[[int], bytes]) -> Issued:
    """Use the grant's assertions up and issue its token. Raises TokenError for one that has served."""
    try:
        if grant.client_assertion is not None:
            use_up(session, grant.client_assertion, clock)
    except VermilionError as error:
        raise _invalid_client(error.detail) from None
    try:
        if grant.person_assertion is not None:
            use_up(session, grant.person_assertion, clock)
    except VermilionError as error:
        raise _invalid_grant(error.detail) from None
    now = clock()
    token = base64.urlsafe_b64encode(random(TOKEN_BYTES)).rstrip(b"=").decode()
    session.execute(delete(AccessToken).where(AccessToken.expires_at < now))
    session.add(
        AccessToken(
            token_sha256=_digest(token),
            client_id=grant.client_id,
            person_id=grant.person_id,
            scopes=list(grant.scopes),
            certificate_sha256=grant.certificate,
            expires_at=now + TOKEN_LIFE,
        )
    )
    return Issued(token, grant.scopes, TOKEN_LIFE)


def actor_of(
    session: Session | Kept,
    authorization: str | None,
    now: datetime,
    certificate: Callable[[], bytes | None] = lambda: None,
) -> Actor | Administrator:
    """Whom a bearer token stands for, by its client's and person's present state. `certificate` is asked of a
    token that is bound to one: the SHA-256 of the client's.

    Raises VermilionError(UNAUTHENTICATED), and what `certificate` raises.
    """
    if authorization is None:
        raise VermilionError(Kind.UNAUTHENTICATED, "a bearer token is needed", reason="no_token")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not _TOKEN.fullmatch(token):
        _no_token()
    row = _BEARER.first(session, token_sha256=_digest(token))
    if row is None or row.expires_at <= now:
        _no_token()
    if row.certificate_sha256 is not None and not hmac.compare_digest(
        row.certificate_sha256, certificate() or b""
    ):
        _no_token()  # RFC 8705, section 3
    if row.client_id is None:
        if not row.person_active or row.duty != Duty.AUDIT.value:
            _no_token()
        return Administrator(row.person_id, Duty.AUDIT)
    if not row.client_active:
        _no_token()
    if row.person_id is not None and (not row.person_active or row.person_agency != row.client_agency):
        _no_token()
    return Actor(
        client_id=row.client_id,
        agency_code=row.client_agency,
        scopes=frozenset(row.scopes) & frozenset(row.client_scopes),
        person_id=row.person_id,
        roles=frozenset(row.roles or ()),
    )


_BEARER = Prepared(
    select(
        AccessToken.expires_at,
        AccessToken.certificate_sha256,
        AccessToken.scopes,
        AccessToken.client_id,
        AccessToken.person_id,
        Client.active.label("client_active"),
        Client.agency_code.label("client_agency"),
        Client.scopes.label("client_scopes"),
        Person.active.label("person_active"),
        Person.agency_code.label("person_agency"),
        Person.duty,
        Person.roles,
    )
    .outerjoin(Client, Client.id == AccessToken.client_id)
    .outerjoin(Person, Person.id == AccessToken.person_id)
    .where(AccessToken.token_sha256 == bindparam("token_sha256"))
)


def prove_administrator(session: Session, compact: str, *, settings: Settings, clock: Clock) -> Administrator:
    """Who acts on the registry's own machine, by an assertion that serves once, as at the token endpoint.

    Raises VermilionError(UNAUTHENTICATED, FORBIDDEN).
    """
    person, assertion = _proven_person(session, compact, settings, clock())
    if person.duty is None:
        raise VermilionError(Kind.FORBIDDEN, "the person is no administrator", reason="duty")
    use_up(session, assertion, clock)
    return Administrator(person.id, Duty(person.duty))


def _authenticate_client(
    session: Session, form: Mapping[str, str], settings: Settings, now: datetime
) -> tuple[Client, Assertion | None]:
    """By private_key_jwt, or by the client's secret."""
    assertion = None
    if "client_assertion" in form or "client_assertion_type" in form:
        if "client_secret" in form or form.get("client_assertion_type") != CLIENT_ASSERTION:
            raise TokenError("invalid_request", "one way of client authentication, by JWT bearer assertion")
        try:
            assertion = parse_assertion(form.get("client_assertion", ""))
            client = session.get(Client, _id(assertion.subject))
            verify(assertion, keys_of(session, client), audiences=settings.audiences, now=now)
        except VermilionError as error:
            raise _invalid_client(error.detail) from None
        if client is None or form.get("client_id", client.id) != client.id:
            raise _invalid_client("client_id and assertion name different clients")
    elif "client_secret" in form:
        client = _by_secret(session, form)
    else:
        raise _invalid_client("authenticate the client by private_key_jwt, or by its secret")
    if not client.active:
        raise _invalid_client("the client is disabled")
    return client, assertion


def _by_secret(session: Session, form: Mapping[str, str]) -> Client:
    client = session.get(Client, _id(form.get("client_id", "")))
    known = client.secret_sha256 if client and client.secret_sha256 else b""
    if not hmac.compare_digest(known, hashlib.sha256(form["client_secret"].encode()).digest()):
        raise _invalid_client("this is no client's secret")
    assert client is not None  # an absent client has no secret that any digest equals
    return client


def _authenticate_person(
    session: Session, form: Mapping[str, str], client: Client, settings: Settings, now: datetime
) -> tuple[Person, Assertion]:
    try:
        person, assertion = _proven_person(session, form.get("assertion", ""), settings, now)
    except VermilionError as error:
        raise _invalid_grant(error.detail) from None
    if person.agency_code != client.agency_code:
        raise _invalid_grant("a person acts through a client of the person's own agency")
    return person, assertion


def _authenticate_auditor(
    session: Session, form: Mapping[str, str], settings: Settings, now: datetime, certificate: bytes | None
) -> Grant:
    try:
        person, assertion = _proven_person(session, form.get("assertion", ""), settings, now)
    except VermilionError as error:
        raise _invalid_grant(error.detail) from None
    if person.duty != Duty.AUDIT.value:
        raise _invalid_client("authenticate the client by private_key_jwt")
    if form.get("scope", SCOPE_AUDIT) != SCOPE_AUDIT:
        raise TokenError("invalid_scope", "an auditor reads the audit and nothing else")
    return Grant(None, person.id, (SCOPE_AUDIT,), None, assertion, certificate)


def _proven_person(
    session: Session, compact: str, settings: Settings, now: datetime
) -> tuple[Person, Assertion]:
    """Raises VermilionError(UNAUTHENTICATED) for a person who is not known, not active, or not proven."""
    assertion = parse_assertion(compact)
    person = session.get(Person, _id(assertion.subject))
    verify(assertion, keys_of(session, person), audiences=settings.audiences, now=now)
    if person is None or not person.active:
        raise VermilionError(Kind.UNAUTHENTICATED, "the person is disabled", reason="disabled")
    return person, assertion


def _scopes(form: Mapping[str, str], client: Client) -> tuple[str, ...]:
    if "scope" not in form:
        return tuple(sorted(client.scopes))
    wanted = form["scope"].split(" ")
    if not set(wanted) <= set(client.scopes):
        raise TokenError("invalid_scope", "the client does not have that scope")
    return tuple(sorted(set(wanted)))


def _id(text: str) -> str:
    """The text where it can be an id at all; else one that no row has."""
    return text if _ID.fullmatch(text) else ""


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _invalid_client(description: str) -> TokenError:
    return TokenError("invalid_client", description, 401)


def _invalid_grant(description: str) -> TokenError:
    return TokenError("invalid_grant", description)


def _no_token() -> NoReturn:
    raise VermilionError(Kind.UNAUTHENTICATED, "the token is unknown or has lapsed", reason="token")
