"""Whose duty an act on a seal is: told by credential, and never two duties of one seal for one person."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.agencies.tables import Agency
from registry.seals.tables import Approval, Seal, SealEdition

APPLY, RENEW, CHANGE = "apply", "renew", "change"
APPLICATIONS = (APPLY, RENEW, CHANGE)
"""Requests for a seal edition: of a new seal, the same picture again, or another one."""


def seal_seen_by(session: Session, actor: Actor, code: str) -> Seal:
    """A seal of the actor's own agency; a seal authority sees every agency's.

    Raises VermilionError(NOT_FOUND).
    """
    seal = session.get(Seal, code)
    if seal is None or (seal.agency_code != actor.agency_code and not is_authority(session, actor)):
        raise VermilionError(Kind.NOT_FOUND, "no such seal", reason="seal_unknown")
    return seal


def seals_seen_by(
    session: Session,
    actor: Actor,
    after: str,
    limit: int,
    *,
    state: str | None = None,
    agency: str | None = None,
) -> Sequence[Seal]:
    """At most so many seals of the actor's own agency, of every agency for a seal authority, by code; of one
    state or one agency, where that is asked.
    """
    statement = select(Seal).where(Seal.code > after).order_by(Seal.code).limit(limit)
    if state is not None:
        statement = statement.where(Seal.state == state)
    if agency is not None:
        statement = statement.where(Seal.agency_code == agency)
    if not is_authority(session, actor):
        statement = statement.where(Seal.agency_code == actor.agency_code)
    return session.scalars(statement).all()


def seals_waiting_for(session: Session, actor: Actor, limit: int) -> Sequence[Seal]:
    """At most so many seals whose next step is this person's duty: to be made and filed by a maker of a seal
    authority, to be put into use by a keeper of their own agency.
    """
    found: list[Seal] = []
    if "maker" in actor.roles and is_authority(session, actor):
        made = select(Seal).where(Seal.state.in_(("approved", "made"))).order_by(Seal.state, Seal.code)
        found += session.scalars(made.limit(limit))
    if "keeper" in actor.roles:
        filed = select(Seal).where(Seal.state == "filed", Seal.agency_code == actor.agency_code)
        found += session.scalars(filed.order_by(Seal.code).limit(limit))
    return found[:limit]


def approval_seen_by(session: Session, actor: Actor, approval_id: str) -> Approval:
    """A request of the actor's own agency, or any for a seal authority. Raises VermilionError(NOT_FOUND)."""
    approval = session.get(Approval, approval_id)
    if approval is not None and is_authority(session, actor):
        return approval
    if approval is not None:
        seal = None if approval.seal_code is None else session.get(Seal, approval.seal_code)
        agency = approval.payload["agency"] if seal is None else seal.agency_code
        if agency == actor.agency_code:
            return approval
    raise VermilionError(Kind.NOT_FOUND, "no such request", reason="approval_unknown")


def keeper_of(session: Session, actor: Actor, code: str) -> tuple[str, Seal]:
    """The keeper's id and the seal. Raises VermilionError(FORBIDDEN, NOT_FOUND)."""
    return keeper(session, actor, code), seal_seen_by(session, actor, code)


def is_authority(session: Session, actor: Actor) -> bool:
    agency = session.get(Agency, actor.agency_code)
    return agency is not None and agency.seal_authority


def authority_person(session: Session, actor: Actor, role: str) -> str:
    person = actor.require_person(role)
    if not is_authority(session, actor):
        raise VermilionError(
            Kind.FORBIDDEN, "this is for people of a seal authority", reason="seal_authority"
        )
    return person


def keeper(session: Session, actor: Actor, code: str) -> str:
    """A keeper of the seal's own agency who neither applied for it, nor approved, nor made it."""
    person = actor.require_person("keeper")
    seal = seal_seen_by(session, actor, code)
    if seal.agency_code != actor.agency_code:
        raise VermilionError(Kind.FORBIDDEN, "a seal is kept by its own agency", reason="other_agency")
    require_different(session, person, code, applied=True, approved=True, made=True)
    return person


def require_keeper_or_approver(session: Session, actor: Actor, seal: Seal) -> None:
    if seal.agency_code == actor.agency_code and "keeper" in actor.roles:
        actor.require_person("keeper")
    else:
        authority_person(session, actor, "approver")


def require_overseer(session: Session, actor: Actor) -> None:
    """Who may read what a seal they see has sealed: its agency's keepers, and people of a seal authority.

    Raises VermilionError(FORBIDDEN).
    """
    if actor.person_id is None or not is_authority(session, actor):
        actor.require_person("keeper")


def require_different(
    session: Session,
    person: str,
    code: str,
    *,
    applied: bool = False,
    approved: bool = False,
    made: bool = False,
) -> None:
    """Separate duties of a seal, whichever its edition, are held by different people.

    Raises VermilionError(FORBIDDEN, reason "same_person").
    """
    granted = select(Approval.id).where(
        Approval.seal_code == code, Approval.action.in_(APPLICATIONS), Approval.state == "approved"
    )
    held = (
        ("applied for", applied, granted.where(Approval.requested_by == person)),
        ("approved", approved, granted.where(Approval.decided_by == person)),
        (
            "made",
            made,
            select(SealEdition.id).where(SealEdition.seal_code == code, SealEdition.made_by == person),
        ),
    )
    for duty, asked, holder in held:
        if asked and session.execute(holder.limit(1)).first() is not None:
            raise VermilionError(
                Kind.FORBIDDEN, f"whoever {duty} a seal may not do this", reason="same_person"
            )
