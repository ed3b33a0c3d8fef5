"""Cases as an agency finds them: one, those of a state, what is due today and what is overdue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum

from sqlalchemy import literal, select, tuple_
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.intake.cases import DECIDER, unknown
from registry.intake.moves import CaseState
from registry.intake.tables import Case
from registry.licences.duties import OFFICER


class Due(StrEnum):
    TODAY = "today"
    OVERDUE = "overdue"


def require_case_worker(actor: Actor) -> None:
    """The agency's own system, or a person who handles or decides. Raises VermilionError(FORBIDDEN)."""
    if actor.person_id is not None and not actor.roles & {OFFICER, DECIDER}:
        detail = f"the person lacks the role {OFFICER} or {DECIDER}"
        raise VermilionError(Kind.FORBIDDEN, detail, reason="role")


def find_case(session: Session, actor: Actor, case_id: str) -> Case:
    """A case of the caller's agency. Raises VermilionError(FORBIDDEN, NOT_FOUND)."""
    require_case_worker(actor)
    case = session.get(Case, case_id)
    if case is None or case.agency_code != actor.agency_code:
        raise unknown()
    return case


def cases_of(
    session: Session,
    actor: Actor,
    today: date,
    after: str | None,
    size: int,
    *,
    state: CaseState | None = None,
    due: Due | None = None,
) -> tuple[Sequence[Case], str | None]:
    """At most `size` cases of the caller's agency behind the case `after`, the newest first; where it is
    asked what is due, the most urgent first. And behind which the next page begins.

    Raises VermilionError(FORBIDDEN, NOT_FOUND).
    """
    require_case_worker(actor)
    wanted = select(Case).where(Case.agency_code == actor.agency_code)
    if state is not None:
        wanted = wanted.where(Case.state == state)
    if due is not None:
        wanted = wanted.where(Case.due_on == today if due is Due.TODAY else Case.due_on < today)
    last = None if after is None else find_case(session, actor, after)
    if due is None:
        if last is not None:
            place = tuple_(literal(last.created_at, Case.created_at.type), literal(last.id))
            wanted = wanted.where(tuple_(Case.created_at, Case.id) < place)
        wanted = wanted.order_by(Case.created_at.desc(), Case.id.desc())
    else:
        if last is not None and last.due_on is not None:
            place = tuple_(literal(last.due_on, Case.due_on.type), literal(last.id))
            wanted = wanted.where(tuple_(Case.due_on, Case.id) > place)
        wanted = wanted.order_by(Case.due_on, Case.id)
    rows = session.scalars(wanted.limit(size + 1)).all()
    return rows[:size], rows[size - 1].id if len(rows) > size else None
