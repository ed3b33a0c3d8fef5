"""What the steps of a case do to its sub-cases (Measures, Art. 10): opened with acceptance, their clocks run
with its own, closed where it ends before, and their opinions told in its one answer.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.agencies.tables import Agency
from registry.intake.applications import Said, close_said, open_said
from registry.intake.calendars import calendar
from registry.intake.case_days import stops_of
from registry.intake.clocks import Limit, due
from registry.intake.joint_moves import WANTED, Opinion, Side, SubAction, SubMove, SubState, permitted
from registry.intake.joint_tables import SubCase, SubCaseMove
from registry.intake.matters import Joint, Matter
from registry.intake.moves import Action, CaseState
from registry.intake.tables import Case
from registry.licences.moment import Moment
from registry.log.rules import Ground, record_event
from registry.ports import Ports

SUBJECT = "sub_case"
LEGAL_BASIS = "Anhui Measures, Art. 10"
WORKING_DAYS = "Administrative Licensing Law, Art. 82"
UNDECIDED = frozenset({CaseState.ACCEPTED, CaseState.HANDLING, CaseState.SUSPENDED})
EVENTS = {
    SubAction.BEGIN: "begun",
    SubAction.GIVE: "opinion_given",
    SubAction.MISS: "opinion_missed",
    SubAction.CLOSE: "closed",
}
"""What an event of the kind `sub_case.…` calls a step."""

_TOLD = {
    Opinion.AGREES: {"zh": "同意", "en": "agrees", "es": "está de acuerdo"},
    Opinion.CONDITIONS: {
        "zh": "附条件同意", "en": "agrees with conditions", "es": "está de acuerdo con condiciones",
    },
    Opinion.REFUSES: {"zh": "不同意", "en": "refuses", "es": "se opone"},
    None: {"zh": "逾期未提出意见", "en": "gave no opinion in time", "es": "no se pronunció a tiempo"},
}  # fmt: skip


def follow(session: Session, ports: Ports, case: Case, matter: Matter, action: Action, at: Moment) -> None:
    """What a step that was just taken of a case, whose row is locked, means for its sub-cases."""
    if not matter.joint:
        return
    if action is Action.ACCEPT:
        _open(session, ports, case, matter, at)
    if case.state not in UNDECIDED:
        for one in sub_cases_of(session, case.id):
            if one.state in WANTED:
                put_down(session, ports, one, SubAction.CLOSE, Side.SYSTEM, at)
    set_due_days(session, case, matter)


def require_opinions(session: Session, case: Case, *, permits: bool) -> None:
    """A case is decided once all opinions are there, or were put down as missed; and not permitted against
    one. Raises VermilionError(CONFLICT): `opinions_wanted`, `opinion_refuses`.
    """
    found = sub_cases_of(session, case.id)
    if any(one.state in WANTED for one in found):
        raise VermilionError(
            Kind.CONFLICT, "other agencies have not given their opinions yet", reason="opinions_wanted"
        )
    if permits and any(one.opinion == Opinion.REFUSES for one in found):
        raise VermilionError(
            Kind.CONFLICT, "an agency that takes part refuses: the one answer is no", reason="opinion_refuses"
        )


def combined(session: Session, ports: Ports, case: Case, matter: Matter, language: str) -> list[str]:
    """The opinions, a line each, as the answer to the applicant has them. The vault is ready.

    Raises VermilionError(UNAVAILABLE).
    """
    lines = []
    for one in sub_cases_of(session, case.id) if matter.joint else ():
        agency, part = session.get_one(Agency, one.agency_code), part_of(matter, one)
        opinion = None if one.opinion is None else Opinion(one.opinion)
        name = agency.name_zh if language == "zh" else agency.name_en
        about = part.decides_on.get(language) or part.decides_on["en"]
        line = f"- {name} ({about}): {_TOLD[opinion][language]}"
        last = moves_of(session, one.id)[-1:]
        words = "".join(open_said(ports.vault, one.id, move.number, move.said).words for move in last)
        lines.append(f"{line}. {words}" if words else line)
    return lines


def set_due_days(session: Session, case: Case, matter: Matter) -> list[SubCase]:
    """Put down what the clocks of a case's sub-cases say now; those whose days are others than before. They
    stand while its own does (Administrative Licensing Law, Art. 45).
    """
    changed = []
    for one in sub_cases_of(session, case.id) if matter.joint else ():
        before = (one.due_on, one.provisional)
        one.due_on, one.provisional = _due(session, case, matter, one)
        if (one.due_on, one.provisional) != before:
            changed.append(one)
    return changed


def recount(session: Session, ports: Ports, case: Case, matter: Matter, at: Moment) -> bool:
    """As `registry.intake.cases.recount`, for the case's sub-cases."""
    changed = set_due_days(session, case, matter)
    for one in changed:
        days = {"due_on": None if one.due_on is None else one.due_on.isoformat()}
        _record(session, ports, one, None, "recounted", Ground(WORKING_DAYS, "recounted", at.day), at, days)
    return bool(changed)


def put_down(
    session: Session,
    ports: Ports,
    sub_case: SubCase,
    action: SubAction,
    side: Side,
    at: Moment,
    *,
    actor: Actor | None = None,
    legal_basis: str = "",
    reason_code: str = "",
    opinion: Opinion | None = None,
    words: str = "",
    has_handled: bool = False,
) -> SubMove:
    """Take one step of a sub-case, whose case is locked. Raises VermilionError: as `joint_moves.permitted`;
    UNAVAILABLE.
    """
    move = permitted(
        SubState(sub_case.state),
        action,
        side,
        grounded=bool(legal_basis and reason_code),
        opinion=opinion,
        words=words,
        has_handled=has_handled,
    )
    came_from, number = sub_case.state, sub_case.moves + 1
    sub_case.state, sub_case.moves = move.to.value, number
    sub_case.opinion = None if opinion is None else opinion.value
    ground = Ground(legal_basis or LEGAL_BASIS, reason_code or action.value, at.day)
    detail = {"from": came_from, "to": sub_case.state}
    if opinion is not None:
        detail["opinion"] = opinion.value
    event_id = _record(session, ports, sub_case, actor, EVENTS[action], ground, at, detail)
    session.add(
        SubCaseMove(
            sub_case_id=sub_case.id,
            number=number,
            action=action.value,
            came_from=came_from,
            led_to=sub_case.state,
            side=side.value,
            client_id=actor.client_id if actor else None,
            person_id=actor.person_id if actor else None,
            operator=actor.operator if actor else "",
            at=at.now,
            day=at.day,
            legal_basis=ground.legal_basis,
            reason_code=ground.reason_code,
            opinion=sub_case.opinion,
            said=close_said(ports.vault, sub_case.id, number, Said(words)),
            event_id=event_id,
        )
    )
    session.flush()
    return move


def sub_cases_of(session: Session, case_id: str) -> list[SubCase]:
    """Of a case, by their agencies."""
    wanted = select(SubCase).where(SubCase.case_id == case_id).order_by(SubCase.agency_code)
    return list(session.scalars(wanted))


def moves_of(session: Session, sub_case_id: str) -> list[SubCaseMove]:
    """Every step, the first first."""
    wanted = select(SubCaseMove).where(SubCaseMove.sub_case_id == sub_case_id)
    return list(session.scalars(wanted.order_by(SubCaseMove.number)))


def part_of(matter: Matter, sub_case: SubCase) -> Joint:
    """What the matter's list says of the sub-case's agency."""
    return next(one for one in matter.joint if one.agency_code == sub_case.agency_code)


def _open(session: Session, ports: Ports, case: Case, matter: Matter, at: Moment) -> None:
    for part in matter.joint:
        made = SubCase(
            id=ports.random(16).hex(),
            case_id=case.id,
            agency_code=part.agency_code,
            lead_code=case.agency_code,
            state=SubState.WAITING.value,
            moves=0,
            created_at=at.now,
            # Acceptance by silence is dated back; nobody's clock ran before they were asked.
            began_on=at.day,
            due_on=None,
            provisional=False,
            opinion=None,
        )
        session.add(made)
        session.flush()  # its event is its agency's, by its row
        _record(session, ports, made, None, "opened", Ground(LEGAL_BASIS, "opened", at.day), at, {})


def _due(session: Session, case: Case, matter: Matter, sub_case: SubCase) -> tuple[date | None, bool]:
    if sub_case.state not in WANTED or case.state not in UNDECIDED:
        return None, False
    limit = Limit(part_of(matter, sub_case).days, matter.committed.unit)
    found = due(calendar(session), sub_case.began_on, limit, stops_of(session, case.id))
    return (None, False) if found is None else (found.day, found.provisional)


def _record(
    session: Session,
    ports: Ports,
    sub_case: SubCase,
    actor: Actor | None,
    what: str,
    ground: Ground,
    at: Moment,
    detail: dict[str, Any],
) -> str:
    return record_event(
        session,
        kind=f"{SUBJECT}.{what}",
        subject_kind=SUBJECT,
        subject=sub_case.id,
        ground=ground,
        actor=actor,
        now=at.now,
        random=ports.random,
        detail={"case": sub_case.case_id, **detail},
    ).id
