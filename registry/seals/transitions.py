"""One change of a seal's state: a conditional update, a row of history and an event, all or nothing.

What may follow what stands in two tables: the states of a seal, and those of its editions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.log.rules import Ground, record_event
from registry.log.tables import Event
from registry.ports import Surroundings
from registry.rows import changed_rows
from registry.seals.keys import civil_ground
from registry.seals.tables import Seal, SealEdition, SealState

SUBJECT = "seal"


@dataclass(frozen=True, slots=True)
class Step:
    """From which states to which; the event that says so."""

    allowed: tuple[str, ...]
    state: str
    event: str


NOT_CANCELLED = ("approved", "made", "filed", "active", "suspended")

STEPS: Mapping[str, Step] = {
    "making": Step(("approved",), "made", "seal.made"),
    "filing": Step(("made",), "filed", "seal.filed"),
    "activation": Step(("filed",), "active", "seal.active"),
    "succession": Step(("active",), "active", "seal.edition_in_use"),
    "suspension": Step(("active",), "suspended", "seal.suspended"),
    "reported_lost": Step(("suspended",), "suspended", "seal.suspended"),
    "outside_word": Step(("suspended",), "suspended", "seal.suspended"),
    "resumption": Step(("suspended",), "active", "seal.resumed"),
    "cancellation": Step(NOT_CANCELLED, "cancelled", "seal.cancelled"),
}
"""A seal's changes of state, by the reason code of the step. Nothing follows `cancelled`. A step that ends
where it began counts all the same: what was permitted before it, an open intent or a request, is permitted no
more.
"""

EDITION_STEPS: Mapping[str, Step] = {
    "filing": Step(("made",), "filed", "seal.edition_filed"),
    "activation": Step(("filed",), "in_use", "seal.edition_in_use"),
    "dropping": Step(("made", "filed"), "dropped", "seal.edition_dropped"),
    "ending": Step(("in_use",), "ended", "seal.edition_ended"),
}
"""A seal edition's changes of state; it begins as `made`."""


def take(
    session: Session,
    ports: Surroundings,
    actor: Actor | None,
    seal: Seal,
    name: str,
    *,
    ground: Ground | None = None,
    detail: dict[str, Any] | None = None,
) -> Seal:
    """The step of that name in `STEPS`, as `move`."""
    step = STEPS[name]
    return move(session, ports, actor, seal, step.state, step.allowed, name, ground=ground, detail=detail)


def take_edition(session: Session, edition: SealEdition, name: str, **changes: Any) -> None:
    """The step of that name in `EDITION_STEPS`, with other `changes` of the row.

    Raises VermilionError(CONFLICT, reason "seal_state").
    """
    step = EDITION_STEPS[name]
    statement = (
        update(SealEdition)
        .where(SealEdition.id == edition.id, SealEdition.state.in_(step.allowed))
        .values(state=step.state, **changes)
    )
    if changed_rows(session, statement) != 1:
        detail = f"the edition is not {' or '.join(step.allowed)}"
        raise VermilionError(Kind.CONFLICT, detail, reason="seal_state")
    session.refresh(edition)


def move(
    session: Session,
    ports: Surroundings,
    actor: Actor | None,
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
    step = STEPS[reason_code]
    assert (step.state, step.allowed) == (state, allowed)  # the table decides
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
    detail = {**(detail or {}), "version": seal.state_version}
    event = seal_event(session, ports, actor, step.event, seal.code, ground or reason_code, **detail)
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
    ports: Surroundings,
    actor: Actor | None,
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
