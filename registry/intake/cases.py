"""Cases: drawn up, submitted, and moved by the one table of moves (`registry.intake.moves`).

Each step locks the case, is put on record for good with who, when and why, reckons the clocks anew, and
writes what the applicant is told, all in one transaction with its event. Who calls says in whose part they
act; the server knows who they are by their credential.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError, field_fault
from registry.actor import Actor
from registry.intake import joint
from registry.intake.applications import (
    Application,
    Item,
    Said,
    close_application,
    close_said,
    open_application,
    open_said,
)
from registry.intake.case_days import set_due
from registry.intake.declarations import Declared, declared_by
from registry.intake.exchange_tables import VerificationTask
from registry.intake.issuing import order, order_again
from registry.intake.materials import leave, match_anew, require_enough
from registry.intake.matter_lists import InForce, matter_on, matter_version
from registry.intake.matters import Matter
from registry.intake.moves import (
    ENDED_UNMADE,
    Action,
    CaseState,
    Given,
    Move,
    Need,
    Who,
    permitted,
    same_person,
)
from registry.intake.results import publish
from registry.intake.retrieval import lost
from registry.intake.retrieval import order as look_for
from registry.intake.tables import Case, CaseMove
from registry.intake.tasks import compare_anew, require_cleared
from registry.intake.telling import tell
from registry.intake.wanted import require_looked_for, require_told_completely
from registry.licences.duties import require_officer
from registry.licences.moment import Moment, moment
from registry.licences.numbers import uniform
from registry.log.rules import Ground, record_event
from registry.log.tables import Event
from registry.ports import Ports
from signing.codes import CROCKFORD, LOOKUP_CODE_LENGTH
from signing.form_values import check_form

DECIDER = "decider"
SUBJECT = "case"
NUMBER_DIGITS = 10

DECLARING = frozenset({Action.SUBMIT, Action.CORRECT})
"""With which the applicant says that all is true."""
WORKING_DAYS = "Administrative Licensing Law, Art. 82"
DRAFTED, SUBMISSION = "Administrative Licensing Law, Art. 29", "Administrative Licensing Law, Arts. 29, 31"
RESTS_ON: Mapping[Action, str] = {
    Action.SUBMIT: SUBMISSION,
    Action.RECEIVE: "Administrative Licensing Law, Art. 32",
    Action.CORRECT: SUBMISSION,
    Action.ACCEPT: "Administrative Licensing Law, Art. 32",
    Action.BEGIN: "Administrative Licensing Law, Art. 34",
    Action.WITHDRAW: "Administrative Licensing Law, Art. 29",
    Action.FINISH: "Administrative Licensing Law, Art. 44",
    Action.ARCHIVE: "Anhui Measures, Art. 13",
    Action.LAPSE: "Personal Information Protection Law, Arts. 19, 47",
}
"""What a step rests on where nobody names a ground of its own."""
EVENTS: Mapping[Action, str] = {
    Action.SUBMIT: "submitted", Action.RECEIVE: "received", Action.ASK_CORRECTION: "correction_asked",
    Action.CORRECT: "corrected", Action.ACCEPT: "accepted", Action.REFUSE_ACCEPTANCE: "not_accepted",
    Action.RETURN: "returned", Action.BEGIN: "begun", Action.SUSPEND: "suspended", Action.RESUME: "resumed",
    Action.EXTEND: "extended", Action.PERMIT: "permitted", Action.REFUSE: "refused",
    Action.TERMINATE: "terminated", Action.WITHDRAW: "withdrawn", Action.FINISH: "finished",
    Action.ARCHIVE: "archived", Action.LAPSE: "lapsed",
}  # fmt: skip
"""What an event of the kind `case.…` calls a step."""


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody does to a case; `actor` is None for the registry by itself."""

    who: Who
    actor: Actor | None
    legal_basis: str = ""
    reason_code: str = ""
    said: Said = field(default_factory=Said)
    days: int = 0
    declared: bool = False
    licence: Mapping[str, Any] | None = None  # of a permission: seal, number and fields that are decided
    correction: Mapping[str, Any] | None = None  # values of the form that take the place of earlier ones

    @property
    def given(self) -> Given:
        grounded = bool(self.legal_basis and self.reason_code)
        return Given(self.declared, grounded, len(self.said.items), self.days)


BY_ITSELF = Act(Who.SYSTEM, None)


def draw_up(session: Session, ports: Ports, actor: Actor, matter_code: str, application: Application) -> Case:
    """A draft for a matter of the caller's agency that is handled today. Its values are checked when it is
    submitted. The vault is ready. Raises VermilionError: INVALID (`matter_unknown`); FORBIDDEN; UNAVAILABLE.
    """
    require_officer(actor)
    at = moment(ports)
    found = _of_agency(matter_on(session, matter_code, at.day), actor)
    case_id = ports.random(16).hex()
    case = Case(
        id=case_id,
        number=None,
        agency_code=actor.agency_code,
        client_id=actor.client_id,
        matter_code=matter_code,
        matter_version=found.version,
        state=CaseState.DRAFT.value,
        moves=0,
        application=close_application(ports.vault, case_id, application),
        created_at=at.now,
        drawn_at=at.now,
        submitted_on=None,
        received_on=None,
        accepted_on=None,
        decided_on=None,
        extension_days=0,
        due_on=None,
        statutory_due=None,
        committed_due=None,
        provisional=False,
        calendar=0,
        edition_id=None,
    )
    session.add(case)
    session.flush()
    _record(session, ports, case, actor, "drafted", Ground(DRAFTED, "drafted", at.day), at, {})
    return case


def redraw(session: Session, ports: Ports, actor: Actor, case_id: str, application: Application) -> Case:
    """Other values for a draft. Raises VermilionError: NOT_FOUND; CONFLICT (`case_state`) once submitted."""
    require_officer(actor)
    case = locked(session, actor, case_id)
    if case.state != CaseState.DRAFT:
        raise VermilionError(Kind.CONFLICT, "the case was submitted", reason="case_state")
    before = open_application(ports.vault, case.id, case.application)
    case.application = close_application(ports.vault, case.id, application)
    if (before.name, before.id_code) != (application.name, application.id_code):
        match_anew(session, ports, case.id, application)
    at = moment(ports)
    handled = matter_on(session, case.matter_code, at.day)
    case.drawn_at = at.now
    case.matter_version = case.matter_version if handled is None else handled.version
    _record(session, ports, case, actor, "redrawn", Ground(DRAFTED, "redrawn", at.day), at, {})
    return case


def locked(session: Session, actor: Actor, case_id: str) -> Case:
    """A case of the caller's agency, its row locked. Raises VermilionError(NOT_FOUND)."""
    case = session.get(Case, case_id, with_for_update=True, populate_existing=True)
    if case is None or case.agency_code != actor.agency_code:
        raise unknown()
    return case


def act(session: Session, ports: Ports, case: Case, action: Action, what: Act) -> CaseMove:
    """Take one step of a case, whose row is locked. The vault is ready.

    Raises VermilionError: as `moves.permitted`; FORBIDDEN for whose part it is not; INVALID with the faults
    of the form, or `items`, `extension`; CONFLICT (`told_once`, `extended`); UNAVAILABLE.
    """
    _require_part(what)
    state = CaseState(case.state)
    handled = what.who is Who.APPROVER and has_handled(session, case, what.actor)
    at = moment(ports)
    declared = _declared(session, ports, case, action, what, at.day)
    given = replace(what.given, declared=declared is not None)
    move = permitted(state, action, what.who, given, has_handled=handled)
    matter = _matter(session, case, action, at.day)
    _apply(session, ports, case, matter, action, what, at)
    made = _put_down(session, ports, case, matter, action, move, what, at, declared)
    if action is Action.LAPSE:
        case.application = b""  # who was to be told is in the message alone
        leave(session, case.id)
    if action is Action.FINISH:
        publish(session, case, matter, state)
    if move.to in ENDED_UNMADE or (move.to is CaseState.PERMITTED and matter.result.licence_type is None):
        act(session, ports, case, Action.FINISH, BY_ITSELF)
    return made


def code_of(ports: Ports, case: Case) -> str:
    """The code by which its applicant looks it up: 40 bits, derived under the index key and kept nowhere.

    Raises VermilionError(UNAVAILABLE).
    """
    value = int.from_bytes(ports.vault.blind("case_code", case.id)[:5], "big")
    return "".join(CROCKFORD[value >> 5 * place & 31] for place in range(LOOKUP_CODE_LENGTH))


def find_by_code(session: Session, ports: Ports, number: str, code: str) -> Case | None:
    """The case of this number, if the code is its own; unknown and wrong do the same work. Whoever asks has
    counted the attempt. Raises VermilionError(UNAVAILABLE).
    """
    case = session.scalars(select(Case).where(Case.number == number)).one_or_none()
    right = code_of(ports, case or Case(id="0" * 32))
    return case if hmac.compare_digest(right, code) and case is not None else None


def moves_of(session: Session, case_id: str) -> list[CaseMove]:
    """Every step, the first first."""
    rows = select(CaseMove).where(CaseMove.case_id == case_id).order_by(CaseMove.number)
    return list(session.scalars(rows))


def declarations_of(session: Session, moves: Sequence[CaseMove]) -> dict[int, str]:
    """By what the applicant has declared that all is true, by the step's number (`Declared`)."""
    events = {one.event_id: one.number for one in moves if Action(one.action) in DECLARING}
    rows = session.execute(select(Event.id, Event.detail).where(Event.id.in_(events))) if events else ()
    return {events[row.id]: row.detail["declared"] for row in rows if "declared" in row.detail}


def order_anew(session: Session, ports: Ports, case: Case, actor: Actor, licence: Mapping[str, Any]) -> None:
    """Have the licence of a permitted case, whose row is locked, issued once more after it was refused.

    Raises VermilionError: FORBIDDEN; as `issuing.order_again`.
    """
    _require_part(Act(Who.APPROVER, actor))
    if has_handled(session, case, actor):
        raise same_person()
    at = moment(ports)
    matter = matter_version(session, case.matter_code, case.matter_version)
    application = open_application(ports.vault, case.id, case.application)
    order_again(session, ports, case, matter, application, actor, licence, at)
    record_about(session, ports, case, actor, "issue_ordered", at, {})


def recount(session: Session, ports: Ports, case: Case) -> bool:
    """Reckon the clocks of a case, whose row is locked, by the notices of holidays there are now; whether a
    day is another one, which is put on record.
    """
    before = (case.due_on, case.statutory_due, case.committed_due, case.provisional)
    matter, at = matter_version(session, case.matter_code, case.matter_version), moment(ports)
    set_due(session, case, matter)
    after = (case.due_on, case.statutory_due, case.committed_due, case.provisional)
    others = joint.recount(session, ports, case, matter, at)
    if before == after:
        return others
    days = {"due_on": None if case.due_on is None else case.due_on.isoformat()}
    ground = Ground(WORKING_DAYS, "recounted", at.day)
    _record(session, ports, case, None, "recounted", ground, at, days)
    return True


def record_about(
    session: Session,
    ports: Ports,
    case: Case,
    actor: Actor | None,
    what: str,
    at: Moment,
    detail: dict[str, Any],
    *,
    rests_on: str = RESTS_ON[Action.FINISH],
) -> str:
    """Add an event about a case that is no step of it; its id."""
    return _record(session, ports, case, actor, what, Ground(rests_on, what, at.day), at, detail)


def unknown() -> VermilionError:
    return VermilionError(Kind.NOT_FOUND, "the agency has no such case", reason="case_unknown")


# --- how a step is taken ---------------------------------------------------------------------------------


def _require_part(what: Act) -> None:
    """The registry by itself, or somebody whose credential has what the part wants: for a decision a person
    who holds that role; an officer or the agency's own system for the rest. That one passes on what the
    applicant did, whom its agency has identified.
    """
    if what.who is Who.SYSTEM:
        assert what.actor is None
        return
    assert what.actor is not None
    if what.who is Who.APPROVER:
        what.actor.require_person(DECIDER)
    else:
        require_officer(what.actor)


def has_handled(session: Session, case: Case, actor: Actor | None) -> bool:
    """Whether it is somebody who has handled the case, or cleared a difference in it, and so does not decide
    it.
    """
    person = actor.person_id if actor else None
    steps = (CaseMove.case_id == case.id, CaseMove.who == Who.HANDLER, CaseMove.person_id == person)
    cleared = (VerificationTask.case_id == case.id, VerificationTask.person_id == person)
    return bool(session.scalar(select(or_(exists().where(*steps), exists().where(*cleared)))))


def _declared(
    session: Session, ports: Ports, case: Case, action: Action, what: Act, day: date
) -> Declared | None:
    """By what the applicant has declared that all is true. A form speaks for nothing that corrects it."""
    passed_on = Declared.DECLARATION if what.declared else None
    if action not in DECLARING or what.correction:
        return passed_on
    return declared_by(session, ports, case, day) or passed_on


def _matter(session: Session, case: Case, action: Action, day: date) -> Matter:
    """As its list has it on the day of submission, from then on whatever comes later."""
    if action is Action.SUBMIT:
        found = matter_on(session, case.matter_code, day)
        if found is None:
            raise _no_matter()
        case.matter_version = found.version
    return matter_version(session, case.matter_code, case.matter_version)


def _apply(
    session: Session, ports: Ports, case: Case, matter: Matter, action: Action, what: Act, at: Moment
) -> None:
    """What a step changes beside the state."""
    match action:
        case Action.SUBMIT:
            _check(ports, case, matter, {}, at.day)
            case.number = f"{at.day:%Y%m%d}{uniform(ports.random, 10**NUMBER_DIGITS):0{NUMBER_DIGITS}}"
            case.submitted_on = case.received_on = at.day
            assert what.actor is not None
            look_for(session, ports, case, matter, what.actor, at)
        case Action.ASK_CORRECTION:
            require_told_completely(session, case, matter, what.said.items)
            _require_once(session, ports, case, matter, what.said.items)
        case Action.CORRECT:
            _check(ports, case, matter, what.correction or {}, at.day)
            case.received_on = at.day
            assert what.actor is not None
            ground = Ground(RESTS_ON[action], action.value, at.day)
            compare_anew(session, ports, case, matter, what.actor, ground, at)
            look_for(session, ports, case, matter, what.actor, at)
        case Action.ACCEPT:
            # Silence counts as acceptance on the day the application came, whatever it lacks.
            if what.who is not Who.SYSTEM:
                require_enough(session, case.id, matter)
            case.accepted_on = case.received_on if what.who is Who.SYSTEM else at.day
        case Action.EXTEND:
            _require_extension(case, matter, what.days)
            case.extension_days = what.days
        case Action.PERMIT:
            require_looked_for(session, case.id)
            require_cleared(session, case)
            joint.require_opinions(session, case, permits=True)
            case.decided_on = at.day
            if matter.result.licence_type is not None:
                application = open_application(ports.vault, case.id, case.application)
                assert what.actor is not None
                order(session, ports, case, matter, application, what.actor, what.licence or {}, at)
        case Action.REFUSE | Action.TERMINATE | Action.WITHDRAW:
            if action is Action.REFUSE:
                joint.require_opinions(session, case, permits=False)
            case.decided_on = at.day
        case _:
            pass


def _check(ports: Ports, case: Case, matter: Matter, changed: Mapping[str, Any], day: date) -> None:
    """The application, with what a correction changes, fits the form; it is kept in its canonical form."""
    application = open_application(ports.vault, case.id, case.application)
    fields = check_form(matter.fields, {**application.fields, **changed}, day)
    kept = Application(
        application.name, application.id_type, application.id_code, application.contact, fields
    )
    case.application = close_application(ports.vault, case.id, kept)


def _require_once(
    session: Session, ports: Ports, case: Case, matter: Matter, items: tuple[Item, ...]
) -> None:
    """What is to be corrected is told once and completely (Measures, Art. 8): a second time only what was
    told then, and did not come, or was found then, and is no more.
    """
    known = {one.code for one in matter.materials} | {one.name for one in matter.fields}
    faults = [
        Fault(f"/items/{place}/code", "unknown", "the matter has no such material or field")
        for place, item in enumerate(items)
        if item.code not in known
    ]
    if faults:
        raise VermilionError(
            Kind.INVALID, "it is told by material or field", reason="items", faults=tuple(faults)
        )
    first = session.scalars(
        select(CaseMove)
        .where(CaseMove.case_id == case.id, CaseMove.action == Action.ASK_CORRECTION)
        .order_by(CaseMove.number)
        .limit(1)
    ).one_or_none()
    if first is None:
        return
    told = {item.code for item in open_said(ports.vault, case.id, first.number, first.said).items}
    if not {item.code for item in items} <= told | lost(session, case.id):
        detail = "what is to be corrected is told once and completely: no more may be asked for now"
        raise VermilionError(Kind.CONFLICT, detail, reason="told_once")


def _require_extension(case: Case, matter: Matter, days: int) -> None:
    if case.extension_days:
        raise VermilionError(Kind.CONFLICT, "the case was extended before", reason="extended")
    most = 0 if matter.extension is None else matter.extension[0]
    if days > most:
        raise field_fault("/days", "extension", f"the matter's list permits an extension by {most} days")


def _put_down(
    session: Session,
    ports: Ports,
    case: Case,
    matter: Matter,
    action: Action,
    move: Move,
    what: Act,
    at: Moment,
    declared: Declared | None,
) -> CaseMove:
    came_from, number = case.state, case.moves + 1
    case.state, case.moves = move.to.value, number
    legal_basis = what.legal_basis or RESTS_ON[action]
    reason = what.reason_code or (
        "silence" if action is Action.ACCEPT and what.actor is None else action.value
    )
    detail = {"matter": case.matter_code, "from": came_from, "to": case.state, "part": what.who.value}
    if what.days:
        detail["days"] = str(what.days)
    if Need.DECLARATION in move.needs and declared is not None:
        detail["declared"] = declared.value
    ground = Ground(legal_basis, reason, at.day)
    event_id = _record(session, ports, case, what.actor, EVENTS[action], ground, at, detail)
    notice_id = None
    if move.told:
        application = open_application(ports.vault, case.id, case.application)
        notice_id = tell(
            session,
            ports,
            case,
            matter,
            application,
            action,
            what.said,
            legal_basis=legal_basis,
            days=what.days,
            opinions=_opinions(session, ports, case, matter, action, application),
        )
    made = CaseMove(
        case_id=case.id,
        number=number,
        action=action.value,
        came_from=came_from,
        led_to=case.state,
        who=what.who.value,
        client_id=what.actor.client_id if what.actor else None,
        person_id=what.actor.person_id if what.actor else None,
        operator=what.actor.operator if what.actor else "",
        at=at.now,
        day=at.day,
        legal_basis=legal_basis,
        reason_code=reason,
        days=what.days,
        said=close_said(ports.vault, case.id, number, what.said),
        event_id=event_id,
        notice_id=notice_id,
    )
    session.add(made)
    session.flush()  # the clocks are reckoned from the steps on record
    set_due(session, case, matter)
    joint.follow(session, ports, case, matter, action, at)
    return made


def _opinions(
    session: Session, ports: Ports, case: Case, matter: Matter, action: Action, application: Application
) -> list[str]:
    """Those of the agencies that took part, in the one answer (Measures, Art. 10)."""
    if action not in {Action.PERMIT, Action.REFUSE}:
        return []
    return joint.combined(session, ports, case, matter, application.contact.language)


def _record(
    session: Session,
    ports: Ports,
    case: Case,
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
        subject=case.id,
        ground=ground,
        actor=actor,
        now=at.now,
        random=ports.random,
        detail=detail,
    ).id


def _of_agency(found: InForce | None, actor: Actor) -> InForce:
    if found is None or found.matter.agency_code != actor.agency_code:
        raise _no_matter()
    return found


def _no_matter() -> VermilionError:
    return field_fault("/matter", "matter_unknown", "the agency handles no such matter today")
