"""What the agency API answers about what was retrieved, differences and errors in sources."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from registry.described import Digest, Id, Instant, Reference, Told
from registry.intake.comparing import Value
from registry.intake.exchange_tables import CaseRetrieval, SourceError, VerificationTask
from registry.intake.retrieval import LookedFor, RetrievalState
from registry.intake.source_errors import ErrorState
from registry.intake.task_values import TaskState, Values
from signing.verdict import instant

ValueShown = str | list[str]


class SourceShown(Told):
    """Who vouches for it, and through what it was had."""

    agency: str
    licence: Annotated[str | None, Field(description="A licence of this registry, by its identifier.")]
    connector: str | None
    data_set: str | None


class RetrievalShown(Told):
    """`outage`: a source could not be asked, and is tried again; that is no `not_found`."""

    id: Id
    material: str
    state: RetrievalState
    asked_at: Instant
    attempts: int
    tried_at: Instant | None
    outage: Annotated[str | None, Field(description="Why a source could not be asked.")]
    next_attempt: Instant | None
    source: SourceShown | None
    purpose: str | None
    legal_basis: str | None
    retrieved_at: Instant | None
    sha256: Digest | None
    values: Annotated[
        dict[str, ValueShown] | None,
        Field(description="What was told; of a licence the values that are compared."),
    ]


class DataSetShown(Told):
    connector: str
    code: str
    name: dict[str, str]
    source: Annotated[str, Field(description="The agency that vouches for it.")]
    purpose: str
    legal_basis: str
    holder_types: Annotated[list[str], Field(description="Of GB/T 36903: about whom it can be asked.")]


class LookedForShown(Told):
    """A required material that is looked for before anybody is asked for it."""

    material: str
    name: dict[str, str]
    licence_type: Annotated[str | None, Field(description="A licence of this type replaces it.")]
    data_sets: list[DataSetShown]


class MatterSources(Told):
    materials: list[LookedForShown]


class WantedShown(Told):
    code: str
    name: dict[str, str]


class CaseRetrievals(Told):
    retrievals: list[RetrievalShown]
    wanted: Annotated[
        list[WantedShown],
        Field(description="Required materials that were neither found nor supplied: told once, all of them."),
    ]


class TaskErrorShown(Told):
    """What became of an error that the source was told."""

    id: Id
    state: ErrorState
    told_at: Instant | None
    outage: str | None
    answered_at: Instant | None
    answer: Annotated[str | None, Field(description="What the source calls its acknowledgement.")]


class TaskShown(Told):
    """A value that the applicant and a source tell differently."""

    id: Id
    case: Reference
    retrieval: Id
    field: str
    source_field: str
    applicant: ValueShown
    source: ValueShown
    state: TaskState
    opened_at: Instant
    ended_at: Instant | None
    person: str | None
    operator: str
    legal_basis: str
    reason_code: str
    words: str
    error: TaskErrorShown | None


class TaskPage(Told):
    tasks: list[TaskShown]
    next: Annotated[Reference | None, Field(description="The next page; missing after the last.")] = None


class LicenceErrorShown(Told):
    """A confirmed error in a licence of the agency's. `correction` is where it is corrected, by the rule of
    corrections; then it is settled by itself.
    """

    id: Id
    identifier: str
    field: str
    told: ValueShown
    right: ValueShown
    found_by: Annotated[str, Field(description="The agency that confirmed it.")]
    legal_basis: str
    reason_code: str
    made_at: Instant
    state: ErrorState
    correction: Reference


class LicenceErrorPage(Told):
    errors: list[LicenceErrorShown]
    next: Annotated[Reference | None, Field(description="The next page; missing after the last.")] = None


def looked_for_json(one: LookedFor) -> dict[str, Any]:
    """`LookedForShown`."""
    return {
        "material": one.material.code,
        "name": dict(one.material.name),
        "licence_type": one.material.licence_type,
        "data_sets": [
            {
                "connector": connector,
                "code": data_set.code,
                "name": dict(data_set.name),
                "source": data_set.source,
                "purpose": data_set.purpose,
                "legal_basis": data_set.legal_basis,
                "holder_types": list(data_set.holder_types),
            }
            for connector, data_set in one.data_sets
        ],
    }


def retrieval_json(
    row: CaseRetrieval, identifier: str | None, values: dict[str, Value] | None
) -> dict[str, Any]:
    """`RetrievalShown`."""
    found = row.state == RetrievalState.FOUND
    source = {
        "agency": row.source,
        "licence": identifier,
        "connector": row.connector,
        "data_set": row.data_set,
    }
    return {
        "id": row.id,
        "material": row.material,
        "state": row.state,
        "asked_at": instant(row.asked_at),
        "attempts": row.attempt,
        "tried_at": None if row.tried_at is None else instant(row.tried_at),
        "outage": row.reason,
        "next_attempt": None if row.due_at is None else instant(row.due_at),
        "source": source if found else None,
        "purpose": row.purpose,
        "legal_basis": row.legal_basis,
        "retrieved_at": instant(row.ended_at) if found and row.ended_at is not None else None,
        "sha256": None if row.sha256 is None else row.sha256.hex(),
        "values": None if values is None else {name: _shown(value) for name, value in values.items()},
    }


def task_json(
    task: VerificationTask, values: Values, words: str, error: SourceError | None
) -> dict[str, Any]:
    """`TaskShown`."""
    return {
        "id": task.id,
        "case": f"/api/v1/cases/{task.case_id}",
        "retrieval": task.retrieval_id,
        "field": task.field,
        "source_field": task.source_field,
        "applicant": _shown(values.applicant),
        "source": _shown(values.source),
        "state": task.state,
        "opened_at": instant(task.opened_at),
        "ended_at": None if task.ended_at is None else instant(task.ended_at),
        "person": task.person_id,
        "operator": task.operator,
        "legal_basis": task.legal_basis,
        "reason_code": task.reason_code,
        "words": words,
        "error": None
        if error is None
        else {
            "id": error.id,
            "state": error.state,
            "told_at": None if error.tried_at is None else instant(error.tried_at),
            "outage": error.reason,
            "answered_at": None if error.answered_at is None else instant(error.answered_at),
            "answer": error.answer,
        },
    }


def error_json(error: SourceError, task: VerificationTask, values: Values, identifier: str) -> dict[str, Any]:
    """`LicenceErrorShown`."""
    return {
        "id": error.id,
        "identifier": identifier,
        "field": task.source_field,
        "told": _shown(values.source),
        "right": _shown(values.applicant),
        "found_by": task.agency_code,
        "legal_basis": task.legal_basis,
        "reason_code": task.reason_code,
        "made_at": instant(error.made_at),
        "state": error.state,
        "correction": f"/api/v1/licences/{identifier}/correction",
    }


def _shown(value: Value) -> ValueShown:
    return value if isinstance(value, str) else list(value)
