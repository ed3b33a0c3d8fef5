"""What the agency API takes and answers about sub-cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from registry import web
from registry.described import Date, Id, Instant, Reference, Told
from registry.intake.answers import ApplicantShown, Names
from registry.intake.applications import Application, Said
from registry.intake.forms import Words
from registry.intake.joint_moves import Opinion, Side, SubAction, SubState
from registry.intake.joint_tables import SubCase, SubCaseMove
from registry.intake.material_tables import CaseMaterial
from registry.intake.matters import Joint, Material, Matter
from registry.intake.moves import CaseState
from registry.intake.tables import Case
from registry.licences.forms import Operator
from signing.verdict import instant


class BeginBody(web.Body):
    operator: Operator | None = None


class OpinionBody(web.Body):
    """`words` are told to the applicant with the decision: the conditions, or what stands against it."""

    opinion: Literal["agrees", "agrees_with_conditions", "refuses"]
    legal_basis: web.Basis
    reason_code: web.ReasonCode
    words: Words | None = None


class MissedBody(web.Body):
    legal_basis: web.Basis
    reason_code: web.ReasonCode
    words: Words | None = None


class SubCaseListed(Told):
    id: Id
    case: Annotated[Id, Field(description="The lead's case.")]
    agency: Annotated[str, Field(description="Who takes part, by its USCC.")]
    lead: str
    state: SubState
    began_on: Date
    due_on: Annotated[
        Date | None,
        Field(description="The last day of the opinion; null: none is due, or the clock of the case stands."),
    ]
    provisional: Annotated[bool, Field(description="A year was counted whose holidays are not known yet.")]
    opinion: Opinion | None
    href: Reference


class SubCasePage(Told):
    sub_cases: list[SubCaseListed]
    next: Annotated[Reference | None, Field(description="The next page; missing after the last.")] = None


class SubStepShown(Told):
    number: int
    action: SubAction
    from_: Annotated[SubState, Field(alias="from")]
    to: SubState
    side: Side
    person: str | None
    operator: str
    at: Instant
    legal_basis: str
    reason_code: str
    opinion: Opinion | None
    words: str


class SubMaterialShown(Told):
    """A material that the agency needs: the latest version that was supplied, or that it was found."""

    code: str
    name: Names
    version: Annotated[int | None, Field(description="Null where nothing was supplied.")]
    media: str | None
    size: int | None
    href: Annotated[Reference | None, Field(description="The file.")]
    source: Annotated[str | None, Field(description="Where it was found instead; null: nowhere.")]


class SubCaseShown(SubCaseListed):
    """With what the agency needs of the application, and no more of it."""

    matter: str
    name: Names
    decides_on: Names
    case_number: str
    case_state: CaseState
    applicant: ApplicantShown
    fields: Annotated[dict[str, Any], Field(description="Of the form, what the agency needs.")]
    materials: Annotated[list[SubMaterialShown], Field(description="Those that the agency needs.")]
    may_be_missed: Annotated[
        str | None,
        Field(description="The law by which the case is decided without an opinion that is overdue."),
    ]
    steps: list[SubStepShown]


def sub_listed_json(sub_case: SubCase, href: str) -> dict[str, Any]:
    """`SubCaseListed`."""
    return {
        "id": sub_case.id,
        "case": sub_case.case_id,
        "agency": sub_case.agency_code,
        "lead": sub_case.lead_code,
        "state": sub_case.state,
        "began_on": sub_case.began_on.isoformat(),
        "due_on": None if sub_case.due_on is None else sub_case.due_on.isoformat(),
        "provisional": sub_case.provisional,
        "opinion": sub_case.opinion,
        "href": href,
    }


def sub_case_json(
    sub_case: SubCase,
    href: str,
    case: Case,
    matter: Matter,
    part: Joint,
    application: Application,
    steps: Sequence[tuple[SubCaseMove, Said]],
    supplied: Mapping[str, CaseMaterial],
    sources: Mapping[str, str | None],
) -> dict[str, Any]:
    """`SubCaseShown`."""
    return {
        **sub_listed_json(sub_case, href),
        "matter": matter.code,
        "name": dict(matter.name),
        "decides_on": dict(part.decides_on),
        "case_number": case.number,
        "case_state": case.state,
        "applicant": {
            "name": application.name,
            "id_type": application.id_type,
            "id_code": application.id_code,
        },
        "fields": {name: application.fields[name] for name in part.fields if name in application.fields},
        "materials": [
            _material(one, href, supplied.get(one.code), sources.get(one.code))
            for one in matter.materials
            if one.code in part.materials
        ],
        "may_be_missed": None if part.overdue is None else str(part.overdue),
        "steps": [_step(move, said) for move, said in steps],
    }


def _material(material: Material, href: str, row: CaseMaterial | None, source: str | None) -> dict[str, Any]:
    return {
        "code": material.code,
        "name": dict(material.name),
        "version": None if row is None else row.version,
        "media": None if row is None else row.media,
        "size": None if row is None else row.size,
        "href": None if row is None else f"{href}/materials/{row.code}/{row.version}",
        "source": source,
    }


def _step(move: SubCaseMove, said: Said) -> dict[str, Any]:
    return {
        "number": move.number,
        "action": move.action,
        "from": move.came_from,
        "to": move.led_to,
        "side": move.side,
        "person": move.person_id,
        "operator": move.operator,
        "at": instant(move.at),
        "legal_basis": move.legal_basis,
        "reason_code": move.reason_code,
        "opinion": move.opinion,
        "words": said.words,
    }
