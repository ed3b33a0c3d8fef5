"""Sub-cases over HTTP, for the agencies that take part in another's case, and for the one that leads
(Measures, Art. 10).
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from keys.errors import Kind
from registry import repeats, web
from registry.actor import Actor
from registry.agencies.rules import SCOPE_CASE
from registry.described import (
    BINARY,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    Answer,
    Parameter,
    described,
    told,
)
from registry.intake import opinions
from registry.intake.applications import open_application, open_said
from registry.intake.cases import DECIDER
from registry.intake.finding import Due
from registry.intake.joint import moves_of, part_of
from registry.intake.joint_answers import (
    BeginBody,
    MissedBody,
    OpinionBody,
    SubCasePage,
    SubCaseShown,
    sub_case_json,
    sub_listed_json,
)
from registry.intake.joint_moves import Opinion, SubState
from registry.intake.materials import read_material, supplied
from registry.intake.materials_api import material_file
from registry.intake.matter_lists import matter_version
from registry.intake.matters import MEDIA
from registry.intake.retrieval import found as retrieved
from registry.intake.tables import Case
from registry.licences.duties import require_officer
from registry.licences.idempotency import Answered
from registry.licences.moment import moment
from registry.licences.outage import database_errors
from registry.licences.shown import file_answer, require_named

blueprint = Blueprint("sub_cases", __name__, url_prefix="/api/v1")

NO_STORE = {"Cache-Control": "no-store"}
LISTED = 100
_OPTIONAL_KEY = (IDEMPOTENCY_KEY,)


class Seen(StrEnum):
    """From which side an agency looks at sub-cases."""

    PART = "part"
    LEAD = "lead"


@blueprint.get("/sub-cases")
@described(
    "listSubCases", "The agency's sub-cases",
    parameters=(
        Parameter("after", "The sub-case before the page."),
        Parameter("state", "Only those of this state.", {"enum": [one.value for one in SubState]}),
        Parameter(
            "due", "Those whose opinion is due today, or overdue: the most urgent first.",
            {"enum": [one.value for one in Due]},
        ),
        Parameter(
            "side", "Those in which the agency takes part; `lead`: those of its own cases.",
            {"enum": [one.value for one in Seen]},
        ),
    ),
    answers={200: told("A page.", SubCasePage)},
    refuses=(Kind.NOT_FOUND,),
)  # fmt: skip
def index() -> Response:
    """The newest first, or by when they are due; in pages of 100."""
    arguments = web.query({"after", "state", "due", "side"})
    state = web.chosen("state", arguments, SubState, "no sub-case is ever in this state")
    due = web.chosen("due", arguments, Due, "today or overdue")
    side = web.chosen("side", arguments, Seen, "part or lead")
    after = web.hex_id("?after", arguments["after"]) if "after" in arguments else None
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        found, following = opinions.sub_cases(
            session,
            _actor(),
            moment(ports).day,
            after,
            LISTED,
            lead=side is Seen.LEAD,
            state=state,
            due=due,
        )
    body: dict[str, Any] = {"sub_cases": [sub_listed_json(one, href(one.id)) for one in found]}
    if following is not None:
        picked = {name: arguments[name] for name in ("state", "due", "side") if name in arguments}
        body["next"] = f"/api/v1/sub-cases?{urlencode({'after': following, **picked})}"
    return web.answer(body, 200, NO_STORE)


@blueprint.get("/sub-cases/<hex32:sub_case_id>")
@described(
    "readSubCase", "A sub-case",
    parameters=(IF_NONE_MATCH,),
    answers={200: told("As it stands.", SubCaseShown)},
)  # fmt: skip
def show(sub_case_id: str) -> Response:
    """What the agency gives its opinion on, what it needs of the application, and every step."""
    web.query()
    return web.shown(_told(_actor(), sub_case_id), NO_STORE)


@blueprint.get("/sub-cases/<hex32:sub_case_id>/materials/<material_code>/<edition_number:version>")
@described(
    "readSubCaseMaterial", "A file that the agency needs",
    parameters=(IF_NONE_MATCH,),
    answers={200: Answer("The file.", dict.fromkeys(MEDIA, BINARY))},
)  # fmt: skip
def material(sub_case_id: str, material_code: str, version: int) -> Response:
    """Of the materials that the matter's list says the agency needs, and of no other."""
    web.query()
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        row = opinions.find_material(session, _actor(), sub_case_id, material_code, version)
        session.expunge(row)
    return file_answer(material_file(row), row.media, row.sha256, lambda: read_material(ports, row))


@blueprint.post("/sub-cases/<hex32:sub_case_id>/handling")
@described(
    "beginSubCase", "Take up a sub-case",
    sends=BeginBody,
    parameters=_OPTIONAL_KEY,
    answers={200: told("The sub-case.", SubCaseShown)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def begin(sub_case_id: str) -> Response:
    """By the agency that takes part. Whoever takes it up does not give the opinion."""
    body = web.parse_body(BeginBody)
    actor = _actor(body.operator)
    require_officer(actor)
    require_named(actor)
    ports = web.ports()
    ports.vault.ready()

    def work(session: Session) -> Answered:
        opinions.begin(session, ports, actor, sub_case_id)
        return Answered(200, {"sub_case": sub_case_id})

    answered, replayed = repeats.once(actor, body, work)
    return _shown_after(actor, answered, replayed=replayed)


@blueprint.post("/sub-cases/<hex32:sub_case_id>/opinion")
@described(
    "giveOpinion", "Give an agency's opinion",
    sends=OpinionBody,
    parameters=_OPTIONAL_KEY,
    answers={200: told("The sub-case.", SubCaseShown)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def give(sub_case_id: str) -> Response:
    """By a person who decides at the agency that takes part, and has not handled the sub-case. The applicant
    is told of it in the one answer of the agency that leads.
    """
    body = web.parse_body(OpinionBody)
    actor = _actor()
    actor.require_person(DECIDER)
    ports = web.ports()
    ports.vault.ready()

    def work(session: Session) -> Answered:
        opinions.give(
            session,
            ports,
            actor,
            sub_case_id,
            Opinion(body.opinion),
            legal_basis=body.legal_basis,
            reason_code=body.reason_code,
            words=body.words or "",
        )
        return Answered(200, {"sub_case": sub_case_id})

    answered, replayed = repeats.once(actor, body, work)
    return _shown_after(actor, answered, replayed=replayed)


@blueprint.post("/sub-cases/<hex32:sub_case_id>/missed")
@described(
    "recordMissedOpinion", "Decide without an overdue opinion",
    sends=MissedBody,
    parameters=_OPTIONAL_KEY,
    answers={200: told("The sub-case.", SubCaseShown)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def miss(sub_case_id: str) -> Response:
    """By a person who decides at the agency that leads and has not handled the case; where the matter's list
    names the law for it. It is put down as missed, which is no consent.
    """
    body = web.parse_body(MissedBody)
    actor = _actor()
    actor.require_person(DECIDER)
    ports = web.ports()
    ports.vault.ready()

    def work(session: Session) -> Answered:
        opinions.miss(
            session,
            ports,
            actor,
            sub_case_id,
            legal_basis=body.legal_basis,
            reason_code=body.reason_code,
            words=body.words or "",
        )
        return Answered(200, {"sub_case": sub_case_id})

    answered, replayed = repeats.once(actor, body, work)
    return _shown_after(actor, answered, replayed=replayed)


def href(sub_case_id: str) -> str:
    return f"/api/v1/sub-cases/{sub_case_id}"


def _actor(operator: str | None = None) -> Actor:
    actor = web.actor()
    actor.require_scope(SCOPE_CASE)
    return actor if operator is None else replace(actor, operator=operator)


def _shown_after(actor: Actor, answered: Answered, *, replayed: bool) -> Response:
    """What is kept of an answer names the sub-case alone: it is told as it stands now."""
    kept = Answered(answered.status, {})
    return repeats.told(kept, replayed=replayed, **_told(actor, answered.body["sub_case"]))


def _told(actor: Actor, sub_case_id: str) -> dict[str, Any]:
    ports = web.ports()
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        found = opinions.find_sub_case(session, actor, sub_case_id)
        case = session.get_one(Case, found.case_id)
        matter = matter_version(session, case.matter_code, case.matter_version)
        application = open_application(ports.vault, case.id, case.application)
        steps = [
            (one, open_said(ports.vault, found.id, one.number, one.said))
            for one in moves_of(session, found.id)
        ]
        return sub_case_json(
            found,
            href(found.id),
            case,
            matter,
            part_of(matter, found),
            application,
            steps,
            supplied(session, case.id),
            {code: row.source for code, row in retrieved(session, case.id).items()},
        )
