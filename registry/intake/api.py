"""Matters and cases over HTTP, for the agencies that handle them (Measures, Arts. 5-10, 14)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from keys.errors import Kind
from registry import repeats, web
from registry.actor import Actor
from registry.agencies.rules import SCOPE_CASE
from registry.described import ADDRESS, IDEMPOTENCY_KEY, IF_NONE_MATCH, Parameter, described, told
from registry.intake import cases
from registry.intake.answers import (
    CaseFiled,
    CasePage,
    CaseShown,
    MatterPage,
    MatterShown,
    case_json,
    listed_json,
    matter_json,
)
from registry.intake.applications import open_application, open_said
from registry.intake.cases import Act
from registry.intake.finding import Due, cases_of, find_case, require_case_worker
from registry.intake.forms import (
    MAX_BODY,
    AnewBody,
    CaseBody,
    CaseDecisionBody,
    CaseStepBody,
    DraftBody,
    LicenceBody,
    application_of,
    said_of,
)
from registry.intake.issuing import require_issuable
from registry.intake.joint import sub_cases_of
from registry.intake.material_answers import materials_json
from registry.intake.materials import signatures_of, supplied, wants
from registry.intake.matter_lists import matter_of, matter_on, matters_on
from registry.intake.moves import ACTIONS_OF_APPLICANTS, Action, CaseState, Who
from registry.intake.tables import Case, CaseIssue
from registry.licences.duties import require_officer
from registry.licences.idempotency import Answered
from registry.licences.moment import moment
from registry.licences.outage import database_errors
from registry.licences.shown import require_named
from registry.licences.tables import Edition

blueprint = Blueprint("cases", __name__, url_prefix="/api/v1")

NO_STORE = {"Cache-Control": "no-store"}
LISTED = 100
_HANDLERS = frozenset({Action.BEGIN, Action.RESUME})
_OPTIONAL_KEY = (IDEMPOTENCY_KEY,)


@blueprint.get("/matters")
@described(
    "listMatters", "The agency's matters",
    parameters=(Parameter("after", "The matter before the page, by its code."),),
    answers={200: told("A page.", MatterPage)},
)  # fmt: skip
def matters() -> Response:
    """As they are handled today, by their codes, in pages of 100."""
    arguments = web.query({"after"})
    actor = _actor()
    require_case_worker(actor)
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        found, more = matters_on(
            session,
            moment(ports).day,
            agency_code=actor.agency_code,
            after=arguments.get("after", ""),
            size=LISTED,
        )
    body: dict[str, Any] = {
        "matters": [
            {
                "code": one.matter.code,
                "name": dict(one.matter.name),
                "agency": one.matter.agency_code,
                "href": f"/api/v1/matters/{one.matter.code}",
            }
            for one in found
        ]
    }
    if more:
        body["next"] = f"/api/v1/matters?{urlencode({'after': found[-1].matter.code})}"
    return web.answer(body, 200, NO_STORE)


@blueprint.get("/matters/<matter_code>")
@described(
    "readMatter", "The service guide of a matter",
    parameters=(IF_NONE_MATCH,),
    answers={200: told("As it is handled today.", MatterShown)},
)  # fmt: skip
def matter(matter_code: str) -> Response:
    """Of the agency's: conditions, materials, limits, fees, steps, result, form, and where to complain."""
    web.query()
    actor = _actor()
    require_case_worker(actor)
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        found = matter_on(session, matter_code, moment(ports).day)
    mine = found if found is not None and found.matter.agency_code == actor.agency_code else None
    return web.shown(matter_json(web.found(mine, "matter")), NO_STORE)


@blueprint.post("/cases")
@described(
    "fileCase", "File an application",
    sends=CaseBody,
    parameters=(replace(IDEMPOTENCY_KEY, required=True),),
    answers={201: told("The case.", CaseFiled, Location=ADDRESS)},
)  # fmt: skip
def create() -> Response:
    """As a draft, or with the applicant's declaration as a submission, which has a number and a code by which
    the applicant follows it. The code is told here, and again to the very same request.
    """
    web.idempotency_key(required=True)
    body = web.parse_body(CaseBody, max_bytes=MAX_BODY)
    actor = _actor(body.operator)
    require_officer(actor)
    require_named(actor)
    ports = web.ports()
    ports.vault.ready()

    def work(session: Session) -> Answered:
        made = application_of(session, ports, actor, body, moment(ports).day)
        case = cases.draw_up(session, ports, actor, body.matter, made)
        if body.declaration:
            cases.act(session, ports, case, Action.SUBMIT, Act(Who.APPLICANT, actor, declared=True))
        return Answered(201, {"case": case.id})

    answered, replayed = repeats.once(actor, body, work)
    return _filed(actor, answered, replayed=replayed)


@blueprint.post("/cases/<hex32:case_id>/application")
@described(
    "redrawCase", "Change a draft",
    sends=DraftBody,
    parameters=_OPTIONAL_KEY,
    answers={200: told("The case.", CaseShown)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def redraw(case_id: str) -> Response:
    """What is sent takes the place of the draft's contents; what was submitted is changed by no such way."""
    body = web.parse_body(DraftBody, max_bytes=MAX_BODY)
    actor = _actor(body.operator)
    require_officer(actor)
    require_named(actor)
    ports = web.ports()
    ports.vault.ready()

    def work(session: Session) -> Answered:
        made = application_of(session, ports, actor, body, moment(ports).day)
        cases.redraw(session, ports, actor, case_id, made)
        return Answered(200, {"case": case_id})

    answered, replayed = repeats.once(actor, body, work)
    return _shown_after(actor, answered, replayed=replayed)


@blueprint.get("/cases")
@described(
    "listCases", "The agency's cases",
    parameters=(
        Parameter("after", "The case before the page."),
        Parameter("state", "Only cases of this state.", {"enum": [one.value for one in CaseState]}),
        Parameter(
            "due", "What the agency has to do by today, or should have done: the most urgent first.",
            {"enum": [one.value for one in Due]},
        ),
    ),
    answers={200: told("A page.", CasePage)},
    refuses=(Kind.NOT_FOUND,),
)  # fmt: skip
def index() -> Response:
    """The newest first, or by when they are due; in pages of 100."""
    arguments = web.query({"after", "state", "due"})
    state = web.chosen("state", arguments, CaseState, "no case is ever in this state")
    due = web.chosen("due", arguments, Due, "today or overdue")
    after = web.hex_id("?after", arguments["after"]) if "after" in arguments else None
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        found, following = cases_of(session, _actor(), moment(ports).day, after, LISTED, state=state, due=due)
    body: dict[str, Any] = {"cases": [listed_json(one, _href(one.id)) for one in found]}
    if following is not None:
        picked = {name: arguments[name] for name in ("state", "due") if name in arguments}
        body["next"] = f"/api/v1/cases?{urlencode({'after': following, **picked})}"
    return web.answer(body, 200, NO_STORE)


@blueprint.get("/cases/<hex32:case_id>")
@described("readCase", "A case", parameters=(IF_NONE_MATCH,), answers={200: told("As it stands.", CaseShown)})
def show(case_id: str) -> Response:
    """The application, every step with who, when and why, the clocks, and what became of its licence."""
    web.query()
    return web.shown(_told(_actor(), case_id), NO_STORE)


@blueprint.post("/cases/<hex32:case_id>/steps")
@described(
    "stepCase", "Take a step of a case",
    sends=CaseStepBody,
    parameters=_OPTIONAL_KEY,
    answers={200: told("The case.", CaseFiled)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def step(case_id: str) -> Response:
    """The window's, the handler's, and what the applicant did. What the state does not permit is refused, and
    whatever step lacks what the law has it say.
    """
    body = web.parse_body(CaseStepBody, max_bytes=MAX_BODY)
    actor = _actor(body.operator)
    require_officer(actor)
    require_named(actor)
    action = Action(body.action)
    what = Act(
        who=_part(action),
        actor=actor,
        legal_basis=body.legal_basis or "",
        reason_code=body.reason_code or "",
        said=said_of(body.words, body.items),
        declared=body.declaration,
        correction=body.fields,
    )
    return _act(actor, case_id, body, action, what)


@blueprint.post("/cases/<hex32:case_id>/decisions")
@described(
    "decideCase", "Decide a case",
    sends=CaseDecisionBody,
    parameters=_OPTIONAL_KEY,
    answers={200: told("The case.", CaseShown)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def decide(case_id: str) -> Response:
    """By a person who decides and has not handled it. With a permission the licence is ordered, once: it is
    issued at once, and the case is done when it is.
    """
    body = web.parse_body(CaseDecisionBody, max_bytes=MAX_BODY)
    actor = _actor()
    actor.require_person(cases.DECIDER)
    action = Action(body.action)
    licence = _licence(body.licence)
    what = Act(
        who=Who.APPROVER,
        actor=actor,
        legal_basis=body.legal_basis,
        reason_code=body.reason_code,
        said=said_of(body.words),
        days=body.days or 0,
        licence=licence,
    )
    return _act(actor, case_id, body, action, what)


@blueprint.post("/cases/<hex32:case_id>/licence")
@described(
    "orderCaseLicence", "Order a case's licence anew",
    sends=AnewBody,
    parameters=_OPTIONAL_KEY,
    answers={200: told("The case.", CaseShown)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def order_anew(case_id: str) -> Response:
    """After it was refused: the case is permitted still, and what the decision said of the licence is put
    right.
    """
    body = web.parse_body(AnewBody, max_bytes=MAX_BODY)
    actor = _actor()
    actor.require_person(cases.DECIDER)
    ports = web.ports()
    ports.vault.ready()

    def work(session: Session) -> Answered:
        case = cases.locked(session, actor, case_id)
        cases.order_anew(session, ports, case, actor, _licence(body.licence) or {})
        return Answered(200, {"case": case_id})

    answered, replayed = repeats.once(actor, body, work)
    return _shown_after(actor, answered, replayed=replayed)


def _actor(operator: str | None = None) -> Actor:
    actor = web.actor()
    actor.require_scope(SCOPE_CASE)
    return actor if operator is None else replace(actor, operator=operator)


def _part(action: Action) -> Who:
    if action in ACTIONS_OF_APPLICANTS:
        return Who.APPLICANT
    return Who.HANDLER if action in _HANDLERS else Who.WINDOW


def _act(actor: Actor, case_id: str, body: web.Body, action: Action, what: Act) -> Response:
    ports = web.ports()
    ports.vault.ready()
    if action is Action.PERMIT:
        require_issuable(ports, actor, case_id, what.licence or {})

    def work(session: Session) -> Answered:
        cases.act(session, ports, cases.locked(session, actor, case_id), action, what)
        return Answered(200, {"case": case_id})

    answered, replayed = repeats.once(actor, body, work)
    if action is Action.SUBMIT:
        return _filed(actor, answered, replayed=replayed)
    return _shown_after(actor, answered, replayed=replayed)


def _licence(body: LicenceBody | None) -> dict[str, Any] | None:
    return None if body is None else body.model_dump(mode="json", exclude_none=True)


def _filed(actor: Actor, answered: Answered, *, replayed: bool) -> Response:
    """With the code, which is derived anew and kept nowhere."""
    ports, case_id = web.ports(), answered.body["case"]
    with database_errors(), Session(ports.database.read) as session:
        case = find_case(session, actor, case_id)
        code = None if case.number is None else cases.code_of(ports, case)
    kept = Answered(answered.status, {})
    headers = {"Location": _href(case_id)} if answered.status == 201 else {}
    return repeats.told(kept, headers, replayed=replayed, **_told(actor, case_id), lookup_code=code)


def _shown_after(actor: Actor, answered: Answered, *, replayed: bool) -> Response:
    """What is kept of an answer names the case alone: it is told as it stands now."""
    kept = Answered(answered.status, {})
    return repeats.told(kept, replayed=replayed, **_told(actor, answered.body["case"]))


def _told(actor: Actor, case_id: str) -> dict[str, Any]:
    ports = web.ports()
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        case = find_case(session, actor, case_id)
        lapsed = case.state == CaseState.LAPSED
        application = None if lapsed else open_application(ports.vault, case.id, case.application)
        moves = cases.moves_of(session, case.id)
        declared = cases.declarations_of(session, moves)
        steps = [
            (one, open_said(ports.vault, case.id, one.number, one.said), declared.get(one.number))
            for one in moves
        ]
        matter = matter_of(session, case, moment(ports).day)
        latest = [(one, signatures_of(ports, one)) for one in supplied(session, case.id).values()]
        return case_json(
            case,
            _href(case.id),
            application,
            materials_json(matter, wants(session, case.id, matter), latest),
            steps,
            session.get(CaseIssue, case.id),
            _edition(session, case),
            sub_cases_of(session, case.id),
        )


def _edition(session: Session, case: Case) -> str | None:
    return None if case.edition_id is None else session.get_one(Edition, case.edition_id).identifier


def _href(case_id: str) -> str:
    return f"/api/v1/cases/{case_id}"
