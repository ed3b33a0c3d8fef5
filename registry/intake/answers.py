"""What the agency API answers about matters and cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from registry.described import Date, Id, Instant, Reference, Told
from registry.intake.applications import Application, Said
from registry.intake.declarations import Declared
from registry.intake.issuing import IssueState
from registry.intake.joint_moves import Opinion, SubState
from registry.intake.joint_tables import SubCase
from registry.intake.material_answers import CaseMaterialShown
from registry.intake.matter_lists import InForce
from registry.intake.matters import AUDIENCES, FORMS, Basis, Material
from registry.intake.moves import Action, CaseState, Who
from registry.intake.tables import Case, CaseIssue, CaseMove
from signing.verdict import instant

Names = dict[str, str]


class MatterListed(Told):
    code: str
    name: Names
    agency: str
    href: Reference


class MatterPage(Told):
    matters: list[MatterListed]
    next: Annotated[Reference | None, Field(description="The next page; missing after the last.")] = None


class LimitShown(Told):
    days: int
    unit: str


class MaterialShown(Told):
    code: str
    name: Names
    required: bool
    source: Annotated[str, Field(description="Who has it: `government`, `applicant` or `other`.")]
    media: list[str]
    max_bytes: int
    licence_type: Annotated[str | None, Field(description="A licence of this type replaces it.")]
    legal_basis: str
    paper: Annotated[
        str | None, Field(description="The law by which paper may be demanded; else it may not.")
    ]
    note: str
    signed: Annotated[bool, Field(description="A PDF that the applicant has signed.")]


class FormField(Told):
    name: str
    label: Names
    kind: str
    required: bool
    max_length: int
    choices: list[str]


class MatterShown(Told):
    """The service guide of a matter."""

    code: str
    base_code: str
    version: Annotated[int, Field(description="Of the implementation list.")]
    name: Names
    agency: str
    kind: Annotated[str, Field(description="Code of GB/T 39046, as `level` and `case_type`.")]
    level: str
    case_type: str
    audience: Names
    forms: Names
    legal_basis: list[str]
    conditions: list[str]
    statutory: LimitShown
    statutory_basis: str
    committed: LimitShown
    extension_days: int
    visits: int
    fees: list[str]
    materials: list[MaterialShown]
    steps: list[Names]
    result: Names
    licence_type: str | None
    fields: Annotated[list[FormField], Field(description="The application's form.")]
    consult_phone: str
    complaint_phone: str
    review: str
    litigation: str


class CaseListed(Told):
    id: Id
    number: Annotated[str | None, Field(description="Null while it is a draft.")]
    matter: str
    state: CaseState
    submitted_on: Date | None
    due_on: Annotated[
        Date | None,
        Field(
            description="The last day of what the agency has to do next; null: nothing, or the clock stands."
        ),
    ]
    committed_due: Date | None
    statutory_due: Date | None
    provisional: Annotated[bool, Field(description="A year was counted whose holidays are not known yet.")]
    href: Reference


class CasePage(Told):
    cases: list[CaseListed]
    next: Annotated[Reference | None, Field(description="The next page; missing after the last.")] = None


class ItemShown(Told):
    code: str
    why: str


class StepShown(Told):
    number: int
    action: Action
    from_: Annotated[CaseState, Field(alias="from")]
    to: CaseState
    part: Who
    person: str | None
    operator: str
    at: Instant
    legal_basis: str
    reason_code: str
    days: int | None
    words: str
    items: list[ItemShown]
    declared: Annotated[
        Declared | None, Field(description="By what the applicant has declared that all is true.")
    ]
    told: Annotated[bool, Field(description="A message to the applicant was written with it.")]


class IssueShown(Told):
    """The licence that was ordered with the decision."""

    state: IssueState
    reason: Annotated[str | None, Field(description="Why it was refused, or is put off.")]
    attempts: int


class JointShown(Told):
    """Another agency's part in the case."""

    agency: str
    state: SubState
    due_on: Date | None
    opinion: Opinion | None
    href: Reference


class ApplicantShown(Told):
    name: str
    id_type: str
    id_code: str


class CaseShown(CaseListed):
    applicant: Annotated[
        ApplicantShown | None, Field(description="Null, as `fields` are empty, once a draft has lapsed.")
    ]
    fields: dict[str, Any]
    materials: Annotated[
        list[CaseMaterialShown], Field(description="All that the matter has, and what of it is lacking.")
    ]
    steps: list[StepShown]
    sub_cases: Annotated[list[JointShown], Field(description="Those of the agencies that take part.")]
    licence: IssueShown | None
    edition: Annotated[str | None, Field(description="The identifier of the licence that was issued.")]


class CaseFiled(CaseShown):
    lookup_code: Annotated[
        str | None,
        Field(description="By which the applicant follows the case: told at submission; null for a draft."),
    ] = None


def matter_json(found: InForce) -> dict[str, Any]:
    """`MatterShown`."""
    matter = found.matter
    return {
        "code": matter.code,
        "base_code": matter.base_code,
        "version": found.version,
        "name": dict(matter.name),
        "agency": matter.agency_code,
        "kind": matter.kind,
        "level": matter.level,
        "case_type": matter.case_type,
        "audience": {code: AUDIENCES[code] for code in matter.audience},
        "forms": {code: FORMS[code] for code in matter.forms},
        "legal_basis": [str(one) for one in matter.basis],
        "conditions": list(matter.conditions),
        "statutory": {"days": matter.statutory.days, "unit": matter.statutory.unit.value},
        "statutory_basis": str(matter.statutory_basis),
        "committed": {"days": matter.committed.days, "unit": matter.committed.unit.value},
        "extension_days": 0 if matter.extension is None else matter.extension[0],
        "visits": matter.visits,
        "fees": [f"{one.amount} ({one.basis})" for one in matter.fees],
        "materials": [_material(one) for one in matter.materials],
        "steps": [dict(one.name) for one in matter.steps],
        "result": dict(matter.result.name),
        "licence_type": matter.result.licence_type,
        "fields": [
            {
                "name": one.name,
                "label": dict(one.label),
                "kind": one.kind.value,
                "required": one.required,
                "max_length": one.max_length,
                "choices": list(one.choices),
            }
            for one in matter.fields
        ],
        "consult_phone": matter.consult_phone,
        "complaint_phone": matter.complaint_phone,
        "review": matter.review,
        "litigation": matter.litigation,
    }


def _material(one: Material) -> dict[str, Any]:
    return {
        "code": one.code,
        "name": dict(one.name),
        "required": one.required,
        "source": one.source,
        "media": list(one.media),
        "max_bytes": one.max_bytes,
        "licence_type": one.licence_type,
        "legal_basis": str(one.basis),
        "paper": _basis(one.paper),
        "note": one.note,
        "signed": one.signed,
    }


def _basis(basis: Basis | None) -> str | None:
    return None if basis is None else str(basis)


def listed_json(case: Case, href: str) -> dict[str, Any]:
    """`CaseListed`."""
    days = ("submitted_on", "due_on", "committed_due", "statutory_due")
    return {
        "id": case.id,
        "number": case.number,
        "matter": case.matter_code,
        "state": case.state,
        **{name: None if (day := getattr(case, name)) is None else day.isoformat() for name in days},
        "provisional": case.provisional,
        "href": href,
    }


def case_json(
    case: Case,
    href: str,
    application: Application | None,
    materials: Sequence[dict[str, Any]],
    steps: Sequence[tuple[CaseMove, Said, str | None]],
    ordered: CaseIssue | None,
    edition: str | None,
    sub_cases: Sequence[SubCase] = (),
) -> dict[str, Any]:
    """`CaseShown`."""
    return {
        **listed_json(case, href),
        "applicant": None
        if application is None
        else {
            "name": application.name,
            "id_type": application.id_type,
            "id_code": application.id_code,
        },
        "materials": list(materials),
        "fields": {} if application is None else dict(application.fields),
        "sub_cases": [
            {
                "agency": one.agency_code,
                "state": one.state,
                "due_on": None if one.due_on is None else one.due_on.isoformat(),
                "opinion": one.opinion,
                "href": f"/api/v1/sub-cases/{one.id}",
            }
            for one in sub_cases
        ],
        "steps": [_step(move, said, declared) for move, said, declared in steps],
        "licence": None
        if ordered is None
        else {"state": ordered.state, "reason": ordered.reason, "attempts": ordered.attempt},
        "edition": edition,
    }


def _step(move: CaseMove, said: Said, declared: str | None) -> dict[str, Any]:
    return {
        "number": move.number,
        "action": move.action,
        "from": move.came_from,
        "to": move.led_to,
        "part": move.who,
        "person": move.person_id,
        "operator": move.operator,
        "at": instant(move.at),
        "legal_basis": move.legal_basis,
        "reason_code": move.reason_code,
        "days": move.days or None,
        "words": said.words,
        "items": [{"code": one.code, "why": one.why} for one in said.items],
        "declared": declared,
        "told": move.notice_id is not None,
    }
