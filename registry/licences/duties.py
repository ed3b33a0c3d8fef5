"""Whose duty licences are: an officer's of the agency, or the agency's own system's."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.actor import Actor
from registry.agencies.tables import Person

OFFICER = "officer"


def require_officer(actor: Actor) -> None:
    """A person who acts through a client holds the role `officer`, to issue, read and change licences.

    A client by itself needs no person: its agency vouches for the people behind it and names the operator.
    Raises VermilionError(FORBIDDEN).
    """
    if actor.person_id is not None:
        actor.require_person(OFFICER)


def still_officer(session: Session, person_id: str | None) -> bool:
    """Whether the person, where one acts, is active and an officer; their row stays locked until the
    transaction ends.
    """
    if person_id is None:
        return True
    roles = session.scalar(
        select(Person.roles).where(Person.id == person_id, Person.active).with_for_update(read=True)
    )
    return roles is not None and OFFICER in roles
