"""What waits for security administration: whom system administration put on record, and what they ask for.

A name is what system administration wrote; what acts afterwards is the key, or the secret. So whoever
approves says which key they approve, by its thumbprint (RFC 7638), as its holder told it to them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.agencies.credentials import thumbprints_of
from registry.agencies.rules import LEGAL_BASIS
from registry.agencies.tables import Agency, Client, ClientType, Enrolment, Person, Verifier
from registry.agencies.verifiers import thumbprint
from registry.console.identities import thumbprint as identity_thumbprint
from registry.console.tables import OutsideIdentity
from registry.log.rules import record_event
from registry.ports import Surroundings
from registry.seals.keys import civil_ground


def pending(session: Session) -> Iterator[dict[str, Any]]:
    """Members of a JSON object for each enrolment that waits, the oldest first."""
    for enrolment in waiting(session):
        told = told_of_enrolment(session, enrolment)
        yield {**told, "enrolled_at": told["enrolled_at"].isoformat()}


def waiting(session: Session, most: int | None = None) -> Sequence[Enrolment]:
    """Enrolments that wait, the oldest first; at most so many."""
    wanted = (
        select(Enrolment).where(Enrolment.state == "open").order_by(Enrolment.enrolled_at, Enrolment.subject)
    )
    return session.scalars(wanted.limit(most)).all()


def told_of_enrolment(session: Session, enrolment: Enrolment) -> dict[str, Any]:
    """Of whom it is, and what they ask for."""
    row = _subject(session, enrolment)
    about = session.get_one(Person, row.person_id) if isinstance(row, OutsideIdentity) else row
    code = None if isinstance(about, Verifier) else about.agency_code
    agency = None if code is None else session.get(Agency, code)
    return {
        "id": enrolment.subject,
        "kind": enrolment.subject_kind,
        "name": about.name,
        "agency": code,
        "seal_authority": agency is not None and agency.seal_authority,
        "asks": enrolment.asked,
        "thumbprints": _thumbprints(session, row),
        "enrolled_by": enrolment.enrolled_by,
        "enrolled_at": enrolment.enrolled_at,
    }


def decide(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    *,
    subject: str,
    approve: bool,
    seen: Collection[str] = (),
) -> None:
    """Approve, and what was asked for takes effect; or refuse, and it never does.

    `seen`: the thumbprints (RFC 7638) of all keys that are approved with it, or that of its secret.
    Raises VermilionError: FORBIDDEN for another duty, and for whoever enrolled or is enrolled; NOT_FOUND;
    CONFLICT: `decided` where it was decided before, `key_unseen` where other keys are on record than were
    seen; `enroller_disabled` while whoever enrolled is not in office, whose enrolments may be a thief's.
    """
    in_office(session, admin, Duty.SECURITY)
    enrolment = session.get(Enrolment, subject, with_for_update=True)
    if enrolment is None:
        raise VermilionError(Kind.NOT_FOUND, "nobody of this id was enrolled", reason="enrolment_unknown")
    row = _subject(session, enrolment)
    about = row.person_id if isinstance(row, OutsideIdentity) else subject
    if admin.person_id in {enrolment.enrolled_by, about}:
        raise VermilionError(Kind.FORBIDDEN, "nobody approves their own", reason="same_person")
    if enrolment.state != "open":
        raise VermilionError(Kind.CONFLICT, "this was decided before", reason="decided")
    thumbprints = _thumbprints(session, row)
    if approve and sorted(seen) != thumbprints:
        raise VermilionError(
            Kind.CONFLICT, "the keys on record are not those named with the id", reason="key_unseen"
        )
    enroller = select(Person.active).where(Person.id == enrolment.enrolled_by)
    if approve and not session.scalar(enroller):
        detail = "whoever enrolled this is disabled: refuse it, and have it enrolled anew with a new key"
        raise VermilionError(Kind.CONFLICT, detail, reason="enroller_disabled")
    now = ports.clock()
    enrolment.state = "approved" if approve else "refused"
    enrolment.decided_by, enrolment.decided_at = admin.person_id, now
    if approve:
        _give(session, row, enrolment.asked)
    record_event(
        session,
        kind=f"enrolment.{enrolment.state}",
        subject_kind=enrolment.subject_kind,
        subject=subject,
        ground=civil_ground(now, ports.settings.tz, "enrolment", LEGAL_BASIS),
        actor=admin,
        now=now,
        random=ports.random,
        detail={"asked": enrolment.asked, "enrolled_by": enrolment.enrolled_by, "keys": thumbprints},
    )


_Row = Person | Client | Verifier | OutsideIdentity


def _subject(session: Session, enrolment: Enrolment) -> _Row:
    if enrolment.subject_kind == "person":
        return session.get_one(Person, enrolment.subject)
    if enrolment.subject_kind == "verifier":
        return session.get_one(Verifier, enrolment.subject)
    if enrolment.subject_kind == "identity":
        return session.get_one(OutsideIdentity, enrolment.subject)
    return session.get_one(Client, enrolment.subject)


def _thumbprints(session: Session, row: _Row) -> list[str]:
    if isinstance(row, OutsideIdentity):
        return [identity_thumbprint(row.issuer, row.subject)]
    return [thumbprint(row)] if isinstance(row, Verifier) else thumbprints_of(session, row)


def _give(session: Session, row: _Row, asked: dict[str, Any]) -> None:
    row.active = True
    if isinstance(row, Verifier):
        row.per_minute, row.per_day = asked["per_minute"], asked["per_day"]
    elif isinstance(row, Person):
        row.roles = asked.get("roles", [])  # of an administrator: none, the duty is the row's already
    elif isinstance(row, Client):
        row.scopes = asked["scopes"]
        session.add_all(ClientType(client_id=row.id, type_code=code) for code in asked["types"])
    session.flush()
