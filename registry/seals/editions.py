"""The editions of a seal after the first: how one takes the place of another, and how its life ends.

An edition is made, filed, put into use and ended; at most one is in use. What an ended one has sealed stays
good.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from keys.crl import RevocationReason
from keys.errors import Kind, VermilionError
from keys.trust_list import RENEW_AFTER
from registry.actor import Actor
from registry.log.rules import Ground
from registry.ports import Ports, Surroundings
from registry.rows import changed_rows
from registry.seals.applications import locked
from registry.seals.authorisations import withdraw_all
from registry.seals.duties import CHANGE, authority_person, seal_seen_by
from registry.seals.keys import civil_ground
from registry.seals.revocation import State, revoke
from registry.seals.tables import Approval, Certificate, Key, Seal, SealEdition
from registry.seals.transitions import STEPS, require_state, seal_event, take, take_edition


def edition_in_use(code: str) -> Select[SealEdition]:
    return select(SealEdition).where(SealEdition.seal_code == code, SealEdition.state == "in_use")


def editions_in(session: Session, code: str, *states: str) -> list[SealEdition]:
    """A seal's editions in these states, oldest first."""
    statement = select(SealEdition).where(SealEdition.seal_code == code, SealEdition.state.in_(states))
    return list(session.scalars(statement.order_by(SealEdition.number)))


def the_edition(session: Session, seal: Seal, state: str) -> SealEdition:
    """The one edition in that state. Raises VermilionError(CONFLICT, reason "seal_state")."""
    found = editions_in(session, seal.code, state)
    if not found:
        raise VermilionError(
            Kind.CONFLICT, f"the seal is {seal.state}, and no edition of it is {state}", reason="seal_state"
        )
    return found[-1]


def succeed(session: Session, ports: Ports, actor: Actor, seal: Seal, edition: SealEdition) -> Seal:
    """Put a filed edition into use in the place of the one that is, whose key is retired. `seal` is locked.

    Open intents under the old edition are refused when they come to be registered, as after a suspension.
    Standing authorisations carry over to a renewal. A change ends them: the keeper permitted the use of a
    seal that said something else. Raises VermilionError(CONFLICT): `seal_state`, `edition_expired`, or
    `edition_unlisted` while relying parties may hold a trust list that does not name the new key.
    """
    require_state(seal, STEPS["succession"].allowed)
    now = ports.clock()
    old = session.scalars(edition_in_use(seal.code)).one_or_none()
    if edition.valid_to <= now:
        raise VermilionError(Kind.CONFLICT, "the edition is past its validity", reason="edition_expired")
    if old is not None and old.valid_to > now:
        _require_known(session, edition, now)
    detail = {
        "edition": edition.id,
        "number": edition.number,
        "replaces": None if old is None else old.number,
        "certificate": edition.certificate_serial,
    }
    take(session, ports, actor, seal, "succession", detail=detail)
    if old is not None:
        _end(session, ports, actor, old, now)
    take_edition(session, edition, "activation", in_use_from=now)
    action = session.scalars(select(Approval.action).where(Approval.id == edition.approval_id)).one()
    if action == CHANGE:
        seal.name = edition.name
        withdraw_all(session, ports, actor, seal.code)
    session.flush()
    return seal


def drop(
    session: Session, ports: Surroundings, actor: Actor | None, edition: SealEdition, now: datetime
) -> None:
    """Give up an edition that was never put into use; its key is retired."""
    take_edition(session, edition, "dropping", ended_at=now)
    _retire(session, ports, actor, edition, now)
    seal_event(
        session, ports, actor, "seal.edition_dropped", edition.seal_code, "dropping",
        edition=edition.id, number=edition.number,
    )  # fmt: skip


def seal_away(
    session: Session, ports: Ports, actor: Actor, code: str, number: int, ground: Ground
) -> SealEdition:
    """File away an edition whose life is over (封存): ended, dropped, expired, or of a cancelled seal. It is
    done by a maker of a seal authority, who keeps the register's file.

    It is a record beside the state, which verdicts rest on and which stays. From then on nothing brings the
    edition back: its key is retired, whatever it was. Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT).
    """
    authority_person(session, actor, "maker")
    seal_seen_by(session, actor, code)
    seal = locked(session, code)
    now = ports.clock()
    statement = select(SealEdition).where(SealEdition.seal_code == code, SealEdition.number == number)
    edition = session.scalars(statement).one_or_none()
    if edition is None:
        raise VermilionError(Kind.NOT_FOUND, "the seal has no such edition", reason="edition_unknown")
    over = edition.state in ("ended", "dropped") or seal.state == "cancelled" or edition.valid_to < now
    if not over or edition.sealed_away_at is not None:
        detail = "the edition was sealed away before" if over else "the edition's life is not over"
        raise VermilionError(Kind.CONFLICT, detail, reason="edition_state")
    if edition.state == "in_use":
        _end(session, ports, actor, edition, now)
    elif edition.state in ("made", "filed"):
        drop(session, ports, actor, edition, now)
    away = update(SealEdition).where(SealEdition.id == edition.id, SealEdition.sealed_away_at.is_(None))
    changed_rows(session, away.values(sealed_away_at=now))  # once: the seal's row is locked
    session.refresh(edition)
    seal_event(
        session, ports, actor, "seal.sealed_away", code, ground,
        edition=edition.id, number=number, state=edition.state,
    )  # fmt: skip
    return edition


def _require_known(session: Session, edition: SealEdition, now: datetime) -> None:
    """A successor waits, as any key does, until the list that names it has gone round."""
    listed_at = session.scalars(select(Key.listed_at).where(Key.id == edition.key_id)).one()
    if listed_at is None or listed_at > now - RENEW_AFTER:
        until = "" if listed_at is None else f" before {(listed_at + RENEW_AFTER).isoformat()}"
        raise VermilionError(
            Kind.CONFLICT, f"not every verifier knows the new key{until}", reason="edition_unlisted"
        )


def _end(session: Session, ports: Ports, actor: Actor, edition: SealEdition, now: datetime) -> None:
    take_edition(session, edition, "ending", ended_at=now)
    _retire(session, ports, actor, edition, now)


def _retire(
    session: Session, ports: Surroundings, actor: Actor | None, edition: SealEdition, now: datetime
) -> None:
    """The edition's key signs no more, and its certificate says so while it lasts."""
    active = update(Key).where(Key.id == edition.key_id, Key.state == "active")
    changed_rows(session, active.values(state="retired", since=now))
    certificate = session.get_one(Certificate, edition.certificate_serial)
    if certificate.issuer_key_id is None:
        return  # an authority outside is told by people: docs/runbooks/outside-ca.md
    if certificate.state != State.REVOKED and certificate.not_after > now:
        ground = civil_ground(now, ports.settings.tz, "edition_ended")
        revoke(session, ports, actor, certificate.serial, ground, RevocationReason.SUPERSEDED)
