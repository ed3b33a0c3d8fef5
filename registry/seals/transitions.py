"""One change of a seal's state: a conditional update, a row of history and an event, all or nothing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.log.rules import Ground, record_event
from registry.log.tables import Event
from registry.ports import Ports
from registry.rows import changed_rows
from registry.seals.keys import civil_ground
from registry.seals.tables import Seal, SealState

SUBJECT = "seal"


def move(
    session: Session,
    ports: Ports,
    actor: Actor,
    seal: Seal,
    state: str,
    allowed: tuple[str, ...],
    reason_code: str,
    *,
    ground: Ground | None = None,
    version: int | None = None,
    detail: dict[str, Any] | None = None,
) -> Seal:
    """One change of state, exactly once under races. Raises VermilionError(CONFLICT, reason "seal_state")."""
    require_state(seal, allowed)
    expected = seal.state_version if version is None else version
    statement = (
        update(Seal)
        .where(Seal.code == seal.code, Seal.state_version == expected, Seal.state.in_(allowed))
        .values(state=state, state_version=expected + 1)
    )
    if changed_rows(session, statement) != 1:
        raise VermilionError(
            Kind.CONFLICT, "the seal was changed by somebody else meanwhile", reason="seal_state"
        )
    session.refresh(seal)
    kind = f"seal.{'resumed' if reason_code == 'resumption' else state}"
    detail = {**(detail or {}), "version": seal.state_version}
    event = seal_event(session, ports, actor, kind, seal.code, ground or reason_code, **detail)
    session.add(history_row(seal, event))
    session.flush()
    return seal


def history_row(seal: Seal, event: Event) -> SealState:
    return SealState(
        seal_code=seal.code,
        version=seal.state_version,
        state=seal.state,
        from_at=event.recorded_at,
        event_id=event.id,
    )


def seal_event(
    session: Session,
    ports: Ports,
    actor: Actor,
    kind: str,
    subject: str,
    ground: Ground | str,
    *,
    subject_kind: str = SUBJECT,
    **detail: Any,
) -> Event:
    """Record an event of the present moment; `ground` may be the reason code of an ordinary step."""
    now = ports.clock()
    if isinstance(ground, str):
        ground = civil_ground(now, ports.settings.tz, ground)
    return record_event(
        session,
        kind=kind,
        subject_kind=subject_kind,
        subject=subject,
        ground=ground,
        actor=actor,
        now=now,
        random=ports.random,
        detail=detail,
    )


def require_state(seal: Seal, allowed: tuple[str, ...]) -> None:
    if seal.state not in allowed:
        raise VermilionError(
            Kind.CONFLICT, f"the seal is {seal.state}, not {' or '.join(allowed)}", reason="seal_state"
        )
