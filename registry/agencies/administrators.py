"""The administrators of the registry: who they are, how the first come about, that none is the last to go.

System, security and audit administration are separate duties (三员分立) of people who hold no other. Each act
of theirs names them. Only a founding act, and a recovery from lock-out, are nobody's: done on the registry's
own machine, and recorded as that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry.actor import Administrator, Duty
from registry.agencies.credentials import public_jwk, record_keys
from registry.agencies.tables import Founding, Person
from registry.console.sessions import end_all_of
from registry.log.rules import Ground, record_of_person
from registry.ports import Surroundings
from registry.rows import unless_known
from registry.seals.keys import civil_ground

LEGAL_BASIS = "GB/T 22239-2019, 8.1.5"
"""What separate administration rests on: system, audit and security management of the management centre."""

_log = structlog.get_logger("registry.administration")


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A name and the public key (JWK) that signs for it; None for who acts with a browser alone."""

    name: str
    jwk: Mapping[str, Any] | None


def found(
    session: Session, ports: Surroundings, newcomers: Mapping[Duty, Newcomer]
) -> dict[Duty, Administrator]:
    """The founding act: the first administrator of each duty. Done once, by nobody.

    Raises VermilionError: INVALID unless there is one for each duty; CONFLICT, `founded`, ever after.
    """
    if set(newcomers) != set(Duty):
        raise field_fault("/", "duty", f"name one of each: {', '.join(duty.value for duty in Duty)}")
    now = ports.clock()
    _note_founding(session, 1, now, "the registry has administrators already")
    ground = civil_ground(now, ports.settings.tz, "founding", LEGAL_BASIS)
    return {
        duty: _appoint(session, ports, duty, newcomer, "administrator.founded", ground)
        for duty, newcomer in newcomers.items()
    }


def recover(
    session: Session, ports: Surroundings, newcomers: Mapping[Duty, Newcomer], ground: Ground
) -> dict[Duty, Administrator]:
    """Out of a lock-out: for each duty named a new administrator; whoever held it before is disabled.

    Nobody's act, as the founding was, and an error line in the log as well as an event. Raises
    VermilionError(INVALID, CONFLICT, UNAVAILABLE before the founding).
    """
    if not newcomers:
        raise field_fault("/", "duty", f"name some of: {', '.join(duty.value for duty in Duty)}")
    lock_administration(session)
    now = ports.clock()
    number = (session.scalar(select(func.max(Founding.number))) or 0) + 1
    _note_founding(session, number, now, "somebody else recovers at this moment")
    former = session.scalars(
        select(Person).where(Person.duty.in_([duty.value for duty in newcomers]), Person.active)
    ).all()
    for person in former:
        person.active = False
        end_all_of(session, person.id)
        record_of_person(session, ports, "person.disabled", person.id, ground, None, {"duty": person.duty})
    appointed = {
        duty: _appoint(session, ports, duty, newcomer, "administrator.recovered", ground)
        for duty, newcomer in newcomers.items()
    }
    _log.error("administrators_recovered", number=number, duties=sorted(duty.value for duty in newcomers))
    return appointed


def put_on_record(
    session: Session,
    ports: Surroundings,
    newcomer: Newcomer,
    *,
    agency_code: str | None,
    duty: Duty | None,
    active: bool,
) -> tuple[Person, str | None]:
    """A person without roles, and the thumbprint of their key, if they have one. One key is one person.

    Raises VermilionError(INVALID, CONFLICT).
    """
    require_line("/name", newcomer.name, 80)
    public = None if newcomer.jwk is None else public_jwk(newcomer.jwk, "/jwk")
    person = Person(
        id=ports.random(16).hex(),
        agency_code=agency_code,
        name=newcomer.name,
        duty=None if duty is None else duty.value,
        roles=[],
        active=active,
        created_at=ports.clock(),
    )
    session.add(person)
    session.flush()
    if public is None:
        return person, None
    record_keys(session, [public], person=person)
    return person, public["kid"]


def in_office(session: Session, administrator: Administrator, *duties: Duty) -> None:
    """See, at the beginning of an administrative act, that it is this administrator's to do; no other goes on
    at the same time.

    Raises VermilionError: FORBIDDEN for another duty, or one who was disabled meanwhile; UNAVAILABLE before
    the founding.
    """
    administrator.require(*duties)
    lock_administration(session)
    held = select(Person.duty).where(Person.id == administrator.person_id, Person.active)
    if session.scalar(held) != administrator.duty.value:
        raise VermilionError(Kind.FORBIDDEN, "the administrator is disabled", reason="disabled")


def lock_administration(session: Session) -> None:
    """One administrative act at a time. Raises VermilionError(UNAVAILABLE) before the founding."""
    if session.get(Founding, 1, with_for_update=True) is None:
        raise VermilionError(
            Kind.UNAVAILABLE,
            "the registry has no administrators yet: found them by `vermilion admin found`",
            reason="not_founded",
        )


def require_successor(session: Session, person: Person) -> None:
    """See that an administrator may go. Under the lock of `lock_administration`.

    Raises VermilionError(CONFLICT, `last_administrator`) for the last active one of a duty.
    """
    if person.duty is None:
        return
    others = select(Person.id).where(Person.duty == person.duty, Person.active, Person.id != person.id)
    if session.scalar(others.limit(1)) is None:
        raise VermilionError(
            Kind.CONFLICT,
            f"the last {person.duty} is not disabled before a successor is in office",
            reason="last_administrator",
        )


def require_line(where: str, text: str, longest: int) -> None:
    """Raises VermilionError(INVALID) for what is not one printable line."""
    if not 1 <= len(text) <= longest or not text.isprintable() or text != text.strip():
        raise field_fault(where, "text", f"a printable line of 1 to {longest} characters")


def is_founded(session: Session) -> bool:
    return session.get(Founding, 1) is not None


def _note_founding(session: Session, number: int, now: datetime, words: str) -> None:
    """The primary key decides between two at the same moment."""
    with unless_known(session, VermilionError(Kind.CONFLICT, words, reason="founded")):
        session.execute(insert(Founding).values(number=number, at=now))


def _appoint(
    session: Session, ports: Surroundings, duty: Duty, newcomer: Newcomer, kind: str, ground: Ground
) -> Administrator:
    person, kid = put_on_record(session, ports, newcomer, agency_code=None, duty=duty, active=True)
    record_of_person(session, ports, kind, person.id, ground, None, {"duty": duty.value, "key": kid})
    return Administrator(person.id, duty)
