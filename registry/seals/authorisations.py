"""Standing authorisations: a keeper's permission for a client to use a seal for a type."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry.actor import Actor
from registry.agencies.rules import is_entitled
from registry.agencies.tables import Client
from registry.licences.types import current_type
from registry.log.rules import record_event
from registry.ports import Ports
from registry.rows import changed_rows
from registry.seals.duties import keeper_of
from registry.seals.keys import civil_ground
from registry.seals.tables import StandingAuthorisation
from signing.codes import check_type_code

LONGEST = timedelta(days=3 * 366)
MAX_DAILY = 1_000_000


@dataclass(frozen=True, slots=True)
class Permission:
    """What a keeper permits; both days included."""

    client_id: str
    type_code: str
    valid_from: date
    valid_to: date
    daily_limit: int


def authorise(
    session: Session, ports: Ports, actor: Actor, code: str, permission: Permission
) -> StandingAuthorisation:
    """Permit a client to use the seal: its keeper, who neither applied for, approved nor made it. The client
    is one of the seal's agency; or of another, for a joint licence, on which the seal then stands beside that
    agency's own.

    Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT, INVALID).
    """
    keeper, seal = keeper_of(session, actor, code)
    if seal.state != "active":
        raise VermilionError(Kind.CONFLICT, f"the seal is {seal.state}, not active", reason="seal_not_active")
    now = ports.clock()
    try:
        check_type_code(permission.type_code)
    except VermilionError as error:
        raise field_fault("/type_code", error.reason, error.detail) from None
    _check_terms(permission, now.astimezone(ports.settings.tz).date())
    client = session.get(Client, permission.client_id)
    loaded = current_type(session, permission.type_code)
    joint = loaded is not None and loaded.face.seal_count > 1
    own = client is not None and client.agency_code == seal.agency_code
    if client is None or not (own or joint):
        raise field_fault("/client_id", "client_unknown", "the agency has no such client")
    if not is_entitled(session, client_id=client.id, type_code=permission.type_code):
        raise field_fault("/type_code", "not_entitled", "the client may not issue this type")
    if loaded is not None:
        places = range(1 if own else 2, loaded.face.seal_count + 1)
        kinds = dict.fromkeys(loaded.type.kind_at(place) for place in places)
        if seal.kind not in kinds:
            detail = f"the type is sealed with a seal of the kind {' or '.join(kinds)}"
            raise field_fault("/type_code", "seal_kind", detail)
    authorisation = StandingAuthorisation(
        id=ports.random(16).hex(),
        seal_code=code,
        client_id=client.id,
        type_code=permission.type_code,
        valid_from=permission.valid_from,
        valid_to=permission.valid_to,
        daily_limit=permission.daily_limit,
        keeper=keeper,
        granted_at=now,
        withdrawn_at=None,
    )
    session.add(authorisation)
    session.flush()
    _record(
        session, ports, actor, "seal.authorised", authorisation,
        client=client.id, type=permission.type_code, valid_from=permission.valid_from.isoformat(),
        valid_to=permission.valid_to.isoformat(), daily_limit=permission.daily_limit,
    )  # fmt: skip
    return authorisation


def withdraw(
    session: Session, ports: Ports, actor: Actor, code: str, authorisation_id: str
) -> StandingAuthorisation:
    """End an authorisation at once: the seal's keeper.

    Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT).
    """
    keeper_of(session, actor, code)
    # Locked before the clock is read: a registration under it comes before that instant, or never.
    authorisation = session.get(StandingAuthorisation, authorisation_id, with_for_update=True)
    if authorisation is None or authorisation.seal_code != code:
        raise VermilionError(Kind.NOT_FOUND, "no such authorisation", reason="authorisation_unknown")
    statement = (
        update(StandingAuthorisation)
        .where(StandingAuthorisation.id == authorisation_id, StandingAuthorisation.withdrawn_at.is_(None))
        .values(withdrawn_at=ports.clock())
    )
    if changed_rows(session, statement) != 1:
        raise VermilionError(Kind.CONFLICT, "the authorisation was withdrawn before", reason="withdrawn")
    session.refresh(authorisation)
    _record(session, ports, actor, "seal.authorisation_withdrawn", authorisation)
    return authorisation


def withdraw_all(session: Session, ports: Ports, actor: Actor, code: str) -> None:
    """End every authorisation of a seal that its keeper has put into use under another face."""
    open_ones = select(StandingAuthorisation).where(
        StandingAuthorisation.seal_code == code, StandingAuthorisation.withdrawn_at.is_(None)
    )
    for authorisation in session.scalars(open_ones.order_by(StandingAuthorisation.id).with_for_update()):
        authorisation.withdrawn_at = ports.clock()
        _record(session, ports, actor, "seal.authorisation_withdrawn", authorisation, cause="change")


def _check_terms(permission: Permission, today: date) -> None:
    if permission.valid_to < permission.valid_from:
        raise field_fault("/valid_to", "before_start", "the last day lies before the first")
    if permission.valid_to < today:
        raise field_fault("/valid_to", "past", "the last day has passed")
    if permission.valid_to - permission.valid_from > LONGEST:
        raise field_fault("/valid_to", "too_long", "an authorisation runs for three years at most")
    if not 1 <= permission.daily_limit <= MAX_DAILY:
        raise field_fault("/daily_limit", "range", f"a daily limit lies between 1 and {MAX_DAILY}")


def _record(
    session: Session,
    ports: Ports,
    actor: Actor,
    kind: str,
    authorisation: StandingAuthorisation,
    **detail: str | int,
) -> None:
    now = ports.clock()
    record_event(
        session,
        kind=kind,
        subject_kind="seal",
        subject=authorisation.seal_code,
        ground=civil_ground(now, ports.settings.tz, "authorisation"),
        actor=actor,
        now=now,
        random=ports.random,
        detail={"authorisation": authorisation.id, **detail},
    )
