"""How a person comes to sign in with a browser: an invitation, which serves once.

System administration invites somebody who is on record, and hands them the link; security administration
releases the invitation, and hands them the code. Both are needed, so no administrator can set up somebody
else's way in alone. What the person sets replaces all that they had: so recovery is a new invitation.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.agencies.tables import Person
from registry.console.sessions import end_all_of, ground, principal
from registry.console.tables import Invitation, LocalAccount, Passkey
from registry.log.rules import record_of_person
from registry.ports import Surroundings
from registry.rows import changed_rows, unless_known

LIFE = timedelta(hours=24)
"""From the invitation to its release, and again from there to its use."""

TOKEN_BYTES = 32
CODE_BYTES = 10
ACCOUNT = re.compile(r"[a-z0-9](?:[a-z0-9._-]{1,62}[a-z0-9])")
OPEN, RELEASED, USED, WITHDRAWN = "open", "released", "used", "withdrawn"


@dataclass(frozen=True, slots=True)
class Invited:
    """`token` is what the link carries; it exists nowhere else."""

    id: str
    token: str
    expires_at: datetime


def invite(
    session: Session, ports: Surroundings, admin: Administrator, *, person_id: str, account: str
) -> Invited:
    """Invite a person who is in force to set how they sign in, under the name `account`. An invitation that
    they had before lapses.

    Raises VermilionError: FORBIDDEN; NOT_FOUND; INVALID for a name that is none; CONFLICT for a person who is
    disabled or waits for approval, and for a name that is another's.
    """
    in_office(session, admin, Duty.SYSTEM)
    if not ACCOUNT.fullmatch(account):
        detail = "3 to 64 of a-z, 0-9, dot, dash, underscore; letters or digits at its ends"
        raise field_fault("/account", "account", detail)
    person = session.get(Person, person_id, with_for_update=True)
    if person is None:
        raise VermilionError(Kind.NOT_FOUND, "no such person", reason="person_unknown")
    if not person.active:
        raise VermilionError(
            Kind.CONFLICT, "the person is disabled, or not approved yet", reason="person_disabled"
        )
    if account_taken(session, account, person_id):
        raise VermilionError(
            Kind.CONFLICT, "somebody else signs in, or is invited, by this name", reason="account_taken"
        )
    _withdraw_all(session, person_id)
    now = ports.clock()
    token = base64.urlsafe_b64encode(ports.random(TOKEN_BYTES)).rstrip(b"=").decode("ascii")
    row = Invitation(
        id=ports.random(16).hex(),
        person_id=person_id,
        account=account,
        token_sha256=_digest(token),
        state=OPEN,
        invited_by=admin.person_id,
        invited_at=now,
        expires_at=now + LIFE,
    )
    session.add(row)
    session.flush()
    why, what = ground(ports, "sign_in"), {"invitation": row.id}
    record_of_person(session, ports, "invitation.made", person_id, why, admin, what)
    return Invited(row.id, token, row.expires_at)


def release(session: Session, ports: Surroundings, admin: Administrator, *, invitation_id: str) -> str:
    """Let an invitation serve; the code that it needs beside its link, which is told now and never again.

    Raises VermilionError: FORBIDDEN for another duty, and for whoever is invited; NOT_FOUND; CONFLICT for one
    that is not open, and `inviter_disabled` where whoever invited is not in office any more.
    """
    in_office(session, admin, Duty.SECURITY)
    row = session.get(Invitation, invitation_id, with_for_update=True)
    if row is None:
        raise VermilionError(Kind.NOT_FOUND, "no such invitation", reason="invitation_unknown")
    if admin.person_id in {row.person_id, row.invited_by}:
        raise VermilionError(Kind.FORBIDDEN, "nobody releases their own", reason="same_person")
    now = ports.clock()
    if row.state != OPEN or row.expires_at <= now:
        raise VermilionError(Kind.CONFLICT, "the invitation is not open", reason="decided")
    inviter = session.get_one(Person, row.invited_by)
    if not inviter.active:
        raise VermilionError(
            Kind.CONFLICT, "whoever invited is disabled: have it done anew", reason="inviter_disabled"
        )
    code = base64.b32encode(ports.random(CODE_BYTES)).decode("ascii")
    row.state, row.released_by = RELEASED, admin.person_id
    row.code_sha256, row.expires_at = _digest(code), now + LIFE
    why, detail = ground(ports, "sign_in"), {"invitation": row.id}
    record_of_person(session, ports, "invitation.released", row.person_id, why, admin, detail)
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def waiting(session: Session, now: datetime) -> Iterator[dict[str, Any]]:
    """Members of a JSON object for each invitation that waits for its release, the oldest first."""
    rows = session.execute(
        select(Invitation, Person)
        .join(Person, Person.id == Invitation.person_id)
        .where(Invitation.state == OPEN, Invitation.expires_at > now)
        .order_by(Invitation.invited_at, Invitation.id)
    )
    for row, person in rows:
        yield {
            "invitation": row.id,
            "person": person.id,
            "name": person.name,
            "agency": person.agency_code,
            "duty": person.duty,
            "roles": person.roles,
            "account": row.account,
            "invited_by": row.invited_by,
            "expires_at": row.expires_at.isoformat(),
        }


def opened_by(session: Session, token: str, code: str, now: datetime) -> Invitation:
    """The invitation of a link and a code. Raises VermilionError(UNAUTHENTICATED, `invitation`), whatever of
    the two is wrong.
    """
    row = session.scalar(select(Invitation).where(Invitation.token_sha256 == _digest(token)))
    plain = "".join(c for c in code.upper() if c.isalnum())
    known = row.code_sha256 if row is not None and row.code_sha256 is not None else bytes(32)
    right = hmac.compare_digest(_digest(plain), known)
    if row is None or not right or not is_good(row, now):
        raise no_invitation()
    return row


def is_good(row: Invitation, now: datetime) -> bool:
    return row.state == RELEASED and now < row.expires_at


def use(session: Session, ports: Surroundings, invitation_id: str) -> Invitation:
    """Use an invitation up, and take away all by which its person signed in before; what they set now is the
    caller's to write, in this transaction.

    Raises VermilionError(UNAUTHENTICATED, `invitation`) for one that is used or too old by now, or whose
    person is disabled.
    """
    row = session.get(Invitation, invitation_id, with_for_update=True)
    if row is None or not is_good(row, ports.clock()):
        raise no_invitation()
    person = session.get_one(Person, row.person_id)
    if not person.active:
        raise no_invitation()
    row.state = USED
    session.execute(delete(Passkey).where(Passkey.person_id == row.person_id))
    session.execute(delete(LocalAccount).where(LocalAccount.person_id == row.person_id))
    end_all_of(session, row.person_id)
    taken = VermilionError(
        Kind.CONFLICT, "somebody else signs in by this name by now", reason="account_taken"
    )
    with unless_known(session, taken):
        session.add(LocalAccount(person_id=row.person_id, name=row.account, created_at=ports.clock()))
    return row


def note_use(session: Session, ports: Surroundings, row: Invitation, what: str) -> None:
    """Put on record what the person has set: `password` with TOTP, or `passkey`."""
    person = session.get_one(Person, row.person_id)
    detail = {
        "invitation": row.id,
        "invited_by": row.invited_by,
        "released_by": row.released_by,
        "set": what,
    }
    by, why = principal(session, person), ground(ports, "invitation")
    record_of_person(session, ports, "authenticators.set", row.person_id, why, by, detail)


def account_taken(session: Session, account: str, person_id: str) -> bool:
    """Whether the name is another person's."""
    owner = session.scalar(select(LocalAccount.person_id).where(LocalAccount.name == account))
    return owner not in {None, person_id}


def _withdraw_all(session: Session, person_id: str) -> None:
    changed_rows(
        session,
        update(Invitation)
        .where(Invitation.person_id == person_id, Invitation.state.in_([OPEN, RELEASED]))
        .values(state=WITHDRAWN),
    )


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "replace")).digest()


def no_invitation() -> VermilionError:
    return VermilionError(
        Kind.UNAUTHENTICATED, "the link or the code is wrong, was used, or is too old", reason="invitation"
    )
