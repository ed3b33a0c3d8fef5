"""People as an OpenID provider knows them: bound by administration, two of them, never by signing in."""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.agencies.tables import Enrolment, Person
from registry.console.sessions import end_all_of, ground
from registry.console.tables import OutsideIdentity
from registry.log.rules import Ground, record_of_person
from registry.ports import Surroundings
from registry.rows import unless_known

MAX_SUBJECT = 255  # OpenID Connect Core, 2


def thumbprint(issuer: str, subject: str) -> str:
    """By which an identity is approved: SHA-256 of issuer, line feed, subject, in hex."""
    return sha256(f"{issuer}\n{subject}".encode()).hexdigest()


def bind(
    session: Session, ports: Surroundings, admin: Administrator, *, person_id: str, subject: str
) -> OutsideIdentity:
    """Say by which subject of the provider of the settings a person is known; in force once security
    administration has approved it.

    Raises VermilionError: FORBIDDEN; INVALID, `no_provider` too; NOT_FOUND; CONFLICT for an identity that is
    on record already.
    """
    in_office(session, admin, Duty.SYSTEM)
    issuer = ports.settings.oidc_issuer
    if not issuer:
        raise VermilionError(Kind.INVALID, "the settings name no OpenID provider", reason="no_provider")
    if not 1 <= len(subject) <= MAX_SUBJECT or not subject.isascii() or not subject.isprintable():
        raise field_fault("/subject", "subject", f"1 to {MAX_SUBJECT} printable ASCII characters")
    person = session.get(Person, person_id)
    if person is None:
        raise VermilionError(Kind.NOT_FOUND, "no such person", reason="person_unknown")
    row = OutsideIdentity(
        id=ports.random(16).hex(),
        person_id=person_id,
        issuer=issuer,
        subject=subject,
        active=False,
        created_at=ports.clock(),
    )
    known = VermilionError(Kind.CONFLICT, "the identity is on record already", reason="identity_known")
    with unless_known(session, known):
        session.add(row)
    session.add(
        Enrolment(
            subject=row.id,
            subject_kind="identity",
            asked={"person": person_id, "issuer": issuer, "subject": subject},
            enrolled_by=admin.person_id,
            enrolled_at=ports.clock(),
            state="open",
        )
    )
    session.flush()
    detail = {"identity": row.id, "key": thumbprint(issuer, subject)}
    record_of_person(session, ports, "identity.added", person_id, ground(ports, "enrolment"), admin, detail)
    return row


def unbind(
    session: Session, ports: Surroundings, admin: Administrator, *, identity_id: str, why: Ground
) -> None:
    """Nobody signs in by it any more, and whoever did is signed out. The same again changes nothing.

    Raises VermilionError(FORBIDDEN, NOT_FOUND).
    """
    in_office(session, admin, Duty.SYSTEM, Duty.SECURITY)
    row = session.get(OutsideIdentity, identity_id, with_for_update=True)
    if row is None:
        raise VermilionError(Kind.NOT_FOUND, "no such identity", reason="identity_unknown")
    if row.active:
        row.active = False
        end_all_of(session, row.person_id)
        detail = {"identity": row.id}
        record_of_person(session, ports, "identity.disabled", row.person_id, why, admin, detail)


def person_of(session: Session, issuer: str, subject: str) -> str:
    """Whose it is, as long as the caller's transaction lasts: who unbinds it ends what is begun there.

    Raises VermilionError(UNAUTHENTICATED, `identity`) for an identity that is bound to nobody in force.
    """
    found = session.scalar(
        select(OutsideIdentity.person_id)
        .join(Person, Person.id == OutsideIdentity.person_id)
        .where(
            OutsideIdentity.issuer == issuer,
            OutsideIdentity.subject == subject,
            OutsideIdentity.active,
            Person.active,
        )
        .with_for_update(of=OutsideIdentity)
    )
    if found is None:
        raise VermilionError(
            Kind.UNAUTHENTICATED, "nobody is on record under this identity", reason="identity"
        )
    return found
