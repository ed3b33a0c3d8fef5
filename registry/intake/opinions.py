"""What people do with sub-cases: the agency that takes part finds, takes up and answers its own, the lead
puts down what it does without (Measures, Art. 10).

Every act locks the case before the sub-case, as the case's own steps do: no opinion comes between a decision
and what it rests on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import exists, literal, select, tuple_
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.intake.cases import DECIDER, has_handled
from registry.intake.finding import Due, require_case_worker
from registry.intake.joint import UNDECIDED, part_of, put_down, set_due_days
from registry.intake.joint_moves import Opinion, Side, SubAction, SubState
from registry.intake.joint_tables import SubCase, SubCaseMove
from registry.intake.material_tables import CaseMaterial
from registry.intake.materials import find_version
from registry.intake.matter_lists import matter_version
from registry.intake.tables import Case
from registry.licences.duties import require_officer
from registry.licences.moment import moment
from registry.ports import Ports


def begin(session: Session, ports: Ports, actor: Actor, sub_case_id: str) -> SubCase:
    """Take up a sub-case of the caller's agency. Raises VermilionError: FORBIDDEN; NOT_FOUND; CONFLICT
    (`sub_case_state`).
    """
    require_officer(actor)
    case, sub_case = _locked(session, actor, sub_case_id)
    _require_own(actor, sub_case, Side.PART)
    put_down(session, ports, sub_case, SubAction.BEGIN, Side.PART, moment(ports), actor=actor)
    set_due_days(session, case, matter_version(session, case.matter_code, case.matter_version))
    return sub_case


def give(
    session: Session,
    ports: Ports,
    actor: Actor,
    sub_case_id: str,
    opinion: Opinion,
    *,
    legal_basis: str,
    reason_code: str,
    words: str,
) -> SubCase:
    """The opinion of the caller's agency, by a person who decides and has not handled it. The vault is ready.

    Raises VermilionError: as `begin`; INVALID (`move_needs`); UNAVAILABLE.
    """
    actor.require_person(DECIDER)
    case, sub_case = _locked(session, actor, sub_case_id)
    _require_own(actor, sub_case, Side.PART)
    put_down(
        session,
        ports,
        sub_case,
        SubAction.GIVE,
        Side.PART,
        moment(ports),
        actor=actor,
        legal_basis=legal_basis,
        reason_code=reason_code,
        opinion=opinion,
        words=words,
        has_handled=_has_handled(session, sub_case, actor),
    )
    set_due_days(session, case, matter_version(session, case.matter_code, case.matter_version))
    return sub_case


def miss(
    session: Session,
    ports: Ports,
    actor: Actor,
    sub_case_id: str,
    *,
    legal_basis: str,
    reason_code: str,
    words: str,
) -> SubCase:
    """The lead's decider puts down that an opinion is overdue, and that it is decided without. The vault is
    ready.

    Raises VermilionError: as `begin`; INVALID (`move_needs`); CONFLICT (`opinion_needed`) where the matter's
    list names no law for that, `not_overdue`; UNAVAILABLE.
    """
    actor.require_person(DECIDER)
    case, sub_case = _locked(session, actor, sub_case_id)
    _require_own(actor, sub_case, Side.LEAD)
    at = moment(ports)
    matter = matter_version(session, case.matter_code, case.matter_version)
    if SubState(sub_case.state) in {SubState.WAITING, SubState.HANDLING}:
        if part_of(matter, sub_case).overdue is None:
            detail = "the matter's list names no law by which it is decided without this opinion"
            raise VermilionError(Kind.CONFLICT, detail, reason="opinion_needed")
        if sub_case.due_on is None or at.day <= sub_case.due_on:
            raise VermilionError(Kind.CONFLICT, "the opinion is not overdue", reason="not_overdue")
    put_down(
        session,
        ports,
        sub_case,
        SubAction.MISS,
        Side.LEAD,
        at,
        actor=actor,
        legal_basis=legal_basis,
        reason_code=reason_code,
        words=words,
        has_handled=has_handled(session, case, actor),
    )
    set_due_days(session, case, matter)
    return sub_case


def find_sub_case(session: Session, actor: Actor, sub_case_id: str) -> SubCase:
    """Of the caller's agency, or of its case. Raises VermilionError(FORBIDDEN, NOT_FOUND)."""
    require_case_worker(actor)
    found = session.get(SubCase, sub_case_id)
    if found is None or actor.agency_code not in {found.agency_code, found.lead_code}:
        raise unknown()
    return found


def find_material(session: Session, actor: Actor, sub_case_id: str, code: str, version: int) -> CaseMaterial:
    """A version of a material that the sub-case's agency needs.

    Raises VermilionError(FORBIDDEN, NOT_FOUND).
    """
    found = find_sub_case(session, actor, sub_case_id)
    case = session.get_one(Case, found.case_id)
    matter = matter_version(session, case.matter_code, case.matter_version)
    if code not in part_of(matter, found).materials:
        raise VermilionError(Kind.NOT_FOUND, "the agency needs no such material", reason="material_unknown")
    return find_version(session, case.id, code, version)


def sub_cases(
    session: Session,
    actor: Actor,
    today: date,
    after: str | None,
    size: int,
    *,
    lead: bool = False,
    state: SubState | None = None,
    due: Due | None = None,
) -> tuple[Sequence[SubCase], str | None]:
    """At most `size` sub-cases in which the caller's agency takes part, or leads, behind the one `after`: the
    newest first; where it is asked what is due, the most urgent first. And behind which the next page begins.

    Raises VermilionError(FORBIDDEN, NOT_FOUND).
    """
    require_case_worker(actor)
    whose = SubCase.lead_code if lead else SubCase.agency_code
    wanted = select(SubCase).where(whose == actor.agency_code)
    if state is not None:
        wanted = wanted.where(SubCase.state == state)
    if due is not None:
        wanted = wanted.where(SubCase.due_on == today if due is Due.TODAY else SubCase.due_on < today)
    last = None if after is None else find_sub_case(session, actor, after)
    if due is None:
        if last is not None:
            place = tuple_(literal(last.created_at, SubCase.created_at.type), literal(last.id))
            wanted = wanted.where(tuple_(SubCase.created_at, SubCase.id) < place)
        wanted = wanted.order_by(SubCase.created_at.desc(), SubCase.id.desc())
    else:
        if last is not None and last.due_on is not None:
            place = tuple_(literal(last.due_on, SubCase.due_on.type), literal(last.id))
            wanted = wanted.where(tuple_(SubCase.due_on, SubCase.id) > place)
        wanted = wanted.order_by(SubCase.due_on, SubCase.id)
    rows = session.scalars(wanted.limit(size + 1)).all()
    return rows[:size], rows[size - 1].id if len(rows) > size else None


def unknown() -> VermilionError:
    return VermilionError(Kind.NOT_FOUND, "the agency has no such sub-case", reason="sub_case_unknown")


def _locked(session: Session, actor: Actor, sub_case_id: str) -> tuple[Case, SubCase]:
    """The case first, as everywhere; then what became of its sub-case meanwhile. The case is not decided."""
    case_id = find_sub_case(session, actor, sub_case_id).case_id
    case = session.get_one(Case, case_id, with_for_update=True, populate_existing=True)
    sub_case = session.get_one(SubCase, sub_case_id, with_for_update=True, populate_existing=True)
    if case.state not in UNDECIDED:
        raise VermilionError(Kind.CONFLICT, "the case is decided, or ended", reason="sub_case_state")
    return case, sub_case


def _require_own(actor: Actor, sub_case: SubCase, side: Side) -> None:
    """Each side sees the other's part, and does not do it."""
    wanted = sub_case.agency_code if side is Side.PART else sub_case.lead_code
    if actor.agency_code != wanted:
        raise VermilionError(Kind.FORBIDDEN, "this is the other agency's part", reason="part")


def _has_handled(session: Session, sub_case: SubCase, actor: Actor) -> bool:
    handled = exists().where(
        SubCaseMove.sub_case_id == sub_case.id,
        SubCaseMove.action == SubAction.BEGIN,
        SubCaseMove.person_id == actor.person_id,
    )
    return bool(session.scalar(select(handled)))
