"""Signing in with what the registry itself keeps: a password with a one-time code, both or neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.agencies.tables import Agency, Person
from registry.attempts.rules import enter, succeeded
from registry.console import attempts, invitations, passwords, totp
from registry.console.sessions import PASSWORD, Half, begin, begin_half, drop, ground, keep_draft
from registry.console.tables import Invitation, LocalAccount
from registry.log.rules import record_of_person
from registry.ports import Ports
from registry.rows import changed_rows
from registry.vault import Use

V = TypeVar("V")
_log = structlog.get_logger("registry.console")


@dataclass(frozen=True, slots=True)
class Draft:
    """A TOTP secret in the making, as its owner is shown it."""

    secret: bytes
    account: str


def plain_account(typed: str) -> str:
    """A name as it is looked up and counted; empty, which is nobody's, for what can be none."""
    name = typed.strip().casefold()
    return name if invitations.ACCOUNT.fullmatch(name) else ""


def check_password(ports: Ports, network: str, account: str, password: str) -> str:
    """The token of a browser whose person now shows a code. An account that nobody has costs the same and is
    answered the same.

    Raises VermilionError: UNAUTHENTICATED, `sign_in`; TOO_MANY; UNAVAILABLE.
    """
    name = plain_account(account)
    attempt = attempts.password_attempt(ports.vault, network, name)
    with ports.database.transaction() as session:
        wait = enter(session, attempt, ports.clock())
    attempts.require_room(wait)
    with Session(ports.database.read) as session:
        found = session.execute(
            select(LocalAccount.person_id, LocalAccount.password, Person.active)
            .join(Person, Person.id == LocalAccount.person_id)
            .where(LocalAccount.name == name)
        ).one_or_none()
    right = passwords.matches(password, found.password if found is not None else None)
    if not right or found is None or not found.active:
        _log.warning("sign_in_refused", step="password", network=network)
        raise refused()
    with ports.database.transaction() as session:
        succeeded(session, attempt)
        return begin_half(session, ports, found.person_id, PASSWORD)


def check_code(ports: Ports, half: Half, code: str) -> str:
    """The token of a new session, for the code of now; it serves once.

    Raises VermilionError: UNAUTHENTICATED, `code`; TOO_MANY; UNAVAILABLE.
    """

    def begun(session: Session) -> str:
        drop(session, half.token)
        return begin(session, ports, half.person_id, "password")

    return _use_code(ports, half.person_id, code, begun)


def show_code_again(ports: Ports, person_id: str, code: str) -> None:
    """As a factor shown again in a session. Raises VermilionError as `check_code` does."""
    _use_code(ports, person_id, code, lambda _session: None)


def draft_for(ports: Ports, half: Half) -> Draft:
    """The TOTP secret that an invited person puts into their application; the same until they are done.

    Raises VermilionError(UNAUTHENTICATED, `invitation`).
    """
    ports.vault.ready()
    with ports.database.transaction() as session:
        row = session.get(Invitation, half.invitation_id)
        if row is None or not invitations.is_good(row, ports.clock()):
            raise invitations.no_invitation()
        if half.totp_draft is not None:
            secret = ports.vault.decrypt(Use.RECORD, half.totp_draft, _owner(half.person_id))
        else:
            secret = ports.random(totp.SECRET_BYTES)
            keep_draft(session, half, ports.vault.encrypt(Use.RECORD, secret, _owner(half.person_id)))
        return Draft(secret, row.account)


def set_password(ports: Ports, half: Half, password: str, repeated: str, code: str) -> None:
    """What an invited person sets: a password, and the secret that their application shows codes of.

    Raises VermilionError: INVALID (`password_*`, `password_differs`, `code`); UNAUTHENTICATED, `invitation`.
    """
    draft = draft_for(ports, half)
    with Session(ports.database.read) as session:
        person = session.get_one(Person, half.person_id)
        agency = session.get(Agency, person.agency_code) if person.agency_code else None
        known = [draft.account, person.name, *((agency.name_zh, agency.name_en) if agency else ())]
    good = passwords.require_good(password, known)
    if passwords.normal(repeated) != good:
        raise VermilionError(Kind.INVALID, "the two passwords differ", reason="password_differs")
    step = totp.matching_step(draft.secret, code, ports.clock(), None)
    if step is None:
        raise VermilionError(Kind.INVALID, "the code is not the one of now", reason="code")
    kept = passwords.keep(good, ports.random)
    sealed = ports.vault.encrypt(Use.RECORD, draft.secret, _owner(half.person_id))
    with ports.database.transaction() as session:
        row = invitations.use(session, ports, half.invitation_id or "")
        session.execute(
            update(LocalAccount)
            .where(LocalAccount.person_id == row.person_id)
            .values(password=kept, totp_secret=sealed, totp_step=step)
        )
        invitations.note_use(session, ports, row, "password")


def has_code(session: Session, person_id: str) -> bool:
    """Whether the person has a password with TOTP."""
    held = select(LocalAccount.totp_secret).where(LocalAccount.person_id == person_id)
    return session.scalar(held) is not None


def _use_code(ports: Ports, person_id: str, code: str, then: Callable[[Session], V]) -> V:
    """`then`, in the transaction in which the code serves: who sets other authenticators meanwhile does so
    before, and the code serves no more, or after, and ends what it began.
    """
    ports.vault.ready()
    attempt = attempts.code_attempt(ports.vault, person_id)
    with ports.database.transaction() as session:
        wait = enter(session, attempt, ports.clock())
    attempts.require_room(wait)
    with Session(ports.database.read) as session:
        account = session.get(LocalAccount, person_id)
        kept, last = (None, None) if account is None else (account.totp_secret, account.totp_step)
    step = None
    if kept is not None:
        secret = ports.vault.decrypt(Use.RECORD, kept, _owner(person_id))
        step = totp.matching_step(secret, code, ports.clock(), last)
    with ports.database.transaction() as session:
        later = or_(LocalAccount.totp_step.is_(None), LocalAccount.totp_step < (step or 0))
        this = (LocalAccount.person_id == person_id, LocalAccount.totp_secret == kept, later)
        once = update(LocalAccount).where(*this).values(totp_step=step)
        if step is not None and changed_rows(session, once) == 1:
            succeeded(session, attempt)
            return then(session)
        # The attempts of a code are few: they cannot fill the record.
        _note_wrong_code(session, ports, person_id)
    _log.warning("sign_in_refused", step="code", person=person_id)
    raise VermilionError(Kind.UNAUTHENTICATED, "the code is not the one of now", reason="code")


def _note_wrong_code(session: Session, ports: Ports, person_id: str) -> None:
    """By nobody: whoever typed it knew a password, and has proved nothing."""
    record_of_person(session, ports, "sign_in.refused", person_id, ground(ports, "code"), None)


def refused() -> VermilionError:
    """The one answer to a name that nobody has, a wrong password, and somebody who is disabled."""
    return VermilionError(Kind.UNAUTHENTICATED, "the name or the password is wrong", reason="sign_in")


def _owner(person_id: str) -> str:
    return f"totp:{person_id}"
