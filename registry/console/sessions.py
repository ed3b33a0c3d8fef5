"""Sessions of the console: begun by signing in, known by a cookie, ended by time, by their owner, or by
whatever changes what that person may do.

A session's row is looked up at each use, with the present state of its person and client: who is disabled is
refused at once, as with a token.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor, Administrator, Duty
from registry.agencies.tables import Agency, Client, Person
from registry.console.tables import ConsoleSession
from registry.log.rules import Ground, record_of_person
from registry.ports import Surroundings
from registry.rows import changed_rows
from registry.seals.keys import civil_ground

IDLE = timedelta(minutes=30)
LIFE = timedelta(hours=12)  # NIST SP 800-63B-4, 2.2.3: a day at most, an hour idle at most
FRESH = timedelta(minutes=5)
"""For how long a shown factor stands for dangerous acts."""
HALF_LIFE = timedelta(minutes=5)  # between the password and the code
ENROLLING_LIFE = timedelta(minutes=20)
SEEN_EVERY = timedelta(minutes=1)
MOST_SESSIONS = 8
"""Browsers of one person at a time; the one longest signed in goes first."""

TOKEN_BYTES = 32
LEGAL_BASIS = "GB/T 22239-2019, 8.1.4.1"
"""What signing in rests on: who signs in is identified, by two factors, and is signed out when idle."""

PASSWORD, ENROLLING, OPEN = "password", "enrolling", "open"  # stages
BEGUN, ENDED = "session.begun", "session.ended"


@dataclass(frozen=True, slots=True)
class Half:
    """A browser between two steps; it lets nobody do anything but the next one."""

    token: str
    person_id: str
    invitation_id: str | None
    totp_draft: bytes | None


@dataclass(frozen=True, slots=True)
class Live:
    """A session in force. `token` is empty where only its handle was shown."""

    token: str
    handle: bytes  # SHA-256 of the token
    person_id: str
    name: str
    actor: Actor | Administrator
    means: str  # password, passkey, oidc
    begun_at: datetime
    seen_at: datetime
    proved_at: datetime
    seal_authority: bool = False  # whether the person's agency is one

    @property
    def csrf(self) -> str:
        return csrf_of(self.token)


def actor_of(live: Live) -> Actor | Administrator:
    """Who acts when this browser does: the person through their agency's console, or an administrator."""
    return live.actor


def csrf_of(token: str) -> str:
    """What every form of a session carries: not the token, and nothing that leads to it."""
    mac = hmac.digest(token.encode(), b"vermilion console form", "sha256")
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")


def principal(session: Session, person: Person) -> Actor | Administrator:
    """As whom a person acts in the console.

    Raises VermilionError: UNAUTHENTICATED for who is disabled; FORBIDDEN, `no_console`, where their agency
    has no console on record.
    """
    if not person.active:
        raise VermilionError(Kind.UNAUTHENTICATED, "the person is disabled", reason="disabled")
    if person.duty is not None:
        return Administrator(person.id, Duty(person.duty))
    console = session.scalar(
        select(Client).where(Client.agency_code == person.agency_code, Client.console, Client.active)
    )
    if console is None:
        raise VermilionError(
            Kind.FORBIDDEN,
            "the agency has no console on record, by which its people act",
            reason="no_console",
        )
    return Actor(
        client_id=console.id,
        agency_code=console.agency_code,
        scopes=frozenset(console.scopes),
        person_id=person.id,
        roles=frozenset(person.roles),
    )


def begin(session: Session, ports: Surroundings, person_id: str, means: str) -> str:
    """A new session of a person who has proved who they are; its token, which exists nowhere else.

    Raises VermilionError as `principal` does.
    """
    person = session.get(Person, person_id)
    if person is None:
        raise VermilionError(Kind.UNAUTHENTICATED, "the person is not on record", reason="disabled")
    actor = principal(session, person)
    now = ports.clock()
    token = _add(session, ports, now, person_id, actor.client_id, OPEN, means, LIFE)
    older = session.scalars(
        select(ConsoleSession.token_sha256)
        .where(ConsoleSession.person_id == person_id, ConsoleSession.stage == OPEN)
        .order_by(ConsoleSession.begun_at.desc(), ConsoleSession.token_sha256)
        .offset(MOST_SESSIONS)
    ).all()
    session.execute(delete(ConsoleSession).where(ConsoleSession.token_sha256.in_(older)))
    record_of_person(session, ports, BEGUN, person_id, ground(ports, "sign_in"), actor, {"means": means})
    return token


def begin_half(
    session: Session, ports: Surroundings, person_id: str, stage: str, invitation_id: str | None = None
) -> str:
    """The token of a browser that is in the middle of something."""
    life = HALF_LIFE if stage == PASSWORD else ENROLLING_LIFE
    return _add(session, ports, ports.clock(), person_id, None, stage, "none", life, invitation_id)


def find_half(session: Session, token: str | None, stage: str, now: datetime) -> Half | None:
    row = session.get(ConsoleSession, _digest(token)) if token else None
    if row is None or token is None or row.stage != stage or row.expires_at <= now:
        return None
    return Half(token, row.person_id, row.invitation_id, row.totp_draft)


def keep_draft(session: Session, half: Half, draft: bytes) -> None:
    """Remember a TOTP secret, under the vault, until its owner has shown a code of it."""
    session.execute(
        update(ConsoleSession)
        .where(ConsoleSession.token_sha256 == _digest(half.token))
        .values(totp_draft=draft)
    )


def find(session: Session, token: str | None, now: datetime) -> Live | None:
    """The session in force of this token, as whoever it is may act now."""
    if not token:
        return None
    found = find_by_handle(session, _digest(token), now)
    return None if found is None else replace(found, token=token)


def find_by_handle(session: Session, handle: bytes, now: datetime) -> Live | None:
    """As `find`, for a browser whose cookie did not come along, and which shows the handle under a MAC."""
    row = session.execute(
        select(ConsoleSession, Person, Agency.seal_authority)
        .join(Person, Person.id == ConsoleSession.person_id)
        .outerjoin(Agency, Agency.code == Person.agency_code)
        .where(ConsoleSession.token_sha256 == handle, ConsoleSession.stage == OPEN)
    ).one_or_none()
    if row is None:
        return None
    kept, person, authority = row
    if kept.expires_at <= now or kept.seen_at + IDLE <= now:
        return None
    try:
        actor = principal(session, person)
    except VermilionError:
        return None
    if actor.client_id != kept.client_id:
        return None
    return Live(
        "", handle, person.id, person.name, actor, kept.means, kept.begun_at, kept.seen_at, kept.proved_at,
        bool(authority),
    )  # fmt: skip


def touch(session: Session, live: Live, now: datetime) -> None:
    """Note that it is in use, where a minute has passed since that was noted."""
    session.execute(
        update(ConsoleSession)
        .where(ConsoleSession.token_sha256 == live.handle, ConsoleSession.seen_at < now)
        .values(seen_at=now)
    )


def require_fresh(live: Live, now: datetime, within: timedelta = FRESH) -> None:
    """For dangerous acts: see that a factor was shown a short time ago.

    Raises VermilionError(FORBIDDEN, `step_up`), upon which the pages ask for one.
    """
    if live.proved_at + within <= now:
        raise VermilionError(Kind.FORBIDDEN, "show a factor again for this", reason="step_up")


def prove_again(session: Session, ports: Surroundings, live: Live, means: str) -> str:
    """A factor was shown again: the session goes on under a new token.

    Raises VermilionError(UNAUTHENTICATED) where it was ended meanwhile.
    """
    token = _new_token(ports.random)
    changed = changed_rows(
        session,
        update(ConsoleSession)
        .where(ConsoleSession.token_sha256 == live.handle)
        .values(token_sha256=_digest(token), proved_at=ports.clock(), seen_at=ports.clock()),
    )
    if changed != 1:
        raise VermilionError(Kind.UNAUTHENTICATED, "the session has ended", reason="session")
    why = ground(ports, "step_up")
    record_of_person(session, ports, "session.proved", live.person_id, why, live.actor, {"means": means})
    return token


def end(session: Session, ports: Surroundings, live: Live, *, everywhere: bool = False) -> None:
    """Signed out: here, or wherever this person is signed in. The same again changes nothing."""
    mine = (
        ConsoleSession.person_id == live.person_id
        if everywhere
        else ConsoleSession.token_sha256 == live.handle
    )
    count = changed_rows(session, delete(ConsoleSession).where(mine))
    if count:
        detail = {"sessions": count}
        record_of_person(session, ports, ENDED, live.person_id, ground(ports, "sign_out"), live.actor, detail)


def drop(session: Session, token: str) -> None:
    """A browser's row goes, without a word: it was between two steps, or goes on under another token."""
    session.execute(delete(ConsoleSession).where(ConsoleSession.token_sha256 == _digest(token)))


def end_all_of(session: Session, person_id: str) -> None:
    """What a person may do has changed, or how they sign in: they sign in anew. Whoever brings that about
    records it.
    """
    session.execute(delete(ConsoleSession).where(ConsoleSession.person_id == person_id))


def _add(
    session: Session,
    ports: Surroundings,
    now: datetime,
    person_id: str,
    client_id: str | None,
    stage: str,
    means: str,
    life: timedelta,
    invitation_id: str | None = None,
) -> str:
    session.execute(delete(ConsoleSession).where(ConsoleSession.expires_at < now))
    token = _new_token(ports.random)
    session.add(
        ConsoleSession(
            token_sha256=_digest(token),
            person_id=person_id,
            client_id=client_id,
            stage=stage,
            means=means,
            begun_at=now,
            seen_at=now,
            proved_at=now,
            expires_at=now + life,
            invitation_id=invitation_id,
        )
    )
    session.flush()
    return token


def _new_token(random: Callable[[int], bytes]) -> str:
    return base64.urlsafe_b64encode(random(TOKEN_BYTES)).rstrip(b"=").decode("ascii")


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()


def ground(ports: Surroundings, reason: str) -> Ground:
    """That of all that concerns signing in."""
    return civil_ground(ports.clock(), ports.settings.tz, reason, LEGAL_BASIS)
