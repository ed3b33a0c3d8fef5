"""Differences between an application and what was retrieved, cleared by people (Measures, Art. 9).

Each difference is a task. It ends as `corrected`, the applicant's value being changed; as `confirmed`, the
source's being wrong, which it is told; or as `refused`, the applicant's being wrong and left so. While one is
open a case is not permitted; and what was refused gets into no licence. Silence still accepts an application.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError, field_fault
from registry.actor import Actor
from registry.intake import source_errors
from registry.intake.applications import close_application, open_application
from registry.intake.comparing import Difference, as_value, differences, same
from registry.intake.connector_register import connector_version
from registry.intake.exchange_tables import CaseRetrieval, VerificationTask
from registry.intake.matter_lists import matter_version
from registry.intake.matters import Matter
from registry.intake.retrieval import SEARCHED, found, record, told_fields
from registry.intake.tables import Case
from registry.intake.task_values import TaskState, Values, close_values, close_words, open_values
from registry.licences.duties import require_officer
from registry.licences.moment import Moment, moment
from registry.log.rules import Ground
from registry.ports import Ports
from signing.form_values import check_form
from signing.licence_type import FieldKind

LEGAL_BASIS = source_errors.LEGAL_BASIS


@dataclass(frozen=True, slots=True)
class Ending:
    """How somebody clears a difference. `value`: the applicant's other one, `declared` to be true."""

    outcome: TaskState
    legal_basis: str
    reason_code: str
    words: str = ""
    value: object = None
    declared: bool = False


# --- comparing -------------------------------------------------------------------------------------------


def compare(
    session: Session, ports: Ports, case: Case, matter: Matter, retrieval: CaseRetrieval, at: Moment
) -> None:
    """Open a task for each difference between the application and what was retrieved; one that is open takes
    the applicant's value as it is now, and ends where there is no difference any more. What was cleared stays
    so while both values stay. The case's row is locked, the vault is ready.

    Raises VermilionError(UNAVAILABLE).
    """
    application = open_application(ports.vault, case.id, case.application)
    compared = compared_fields(session, matter, retrieval)
    told = told_fields(ports.vault, retrieval)
    differing = {one.field: one for one in differences(matter.fields, compared, application.fields, told)}
    tasks = {task.field: task for task in _tasks(session, retrieval.id)}  # the last of each field
    for name, one in differing.items():
        task = tasks.get(name)
        if task is None or (task.state != TaskState.OPEN and not _cleared(ports, task, matter, one)):
            _open(session, ports, case, retrieval, one, 1 if task is None else task.number + 1, at)
        elif task.state == TaskState.OPEN:
            task.values = close_values(ports.vault, task.id, Values(one.applicant, one.source))


def compare_anew(
    session: Session, ports: Ports, case: Case, matter: Matter, actor: Actor, ground: Ground, at: Moment
) -> None:
    """After the applicant has changed values: as `compare`, with all that was found; what differs no more is
    corrected, by that step.
    """
    for retrieval in found(session, case.id).values():
        compared = compared_fields(session, matter, retrieval)
        told = told_fields(ports.vault, retrieval)
        application = open_application(ports.vault, case.id, case.application)
        differing = {one.field for one in differences(matter.fields, compared, application.fields, told)}
        for task in _tasks(session, retrieval.id):
            if task.state == TaskState.OPEN and task.field not in differing:
                _end(session, ports, case, task, TaskState.CORRECTED, actor, ground, at)
        compare(session, ports, case, matter, retrieval, at)


def compared_fields(session: Session, matter: Matter, retrieval: CaseRetrieval) -> Mapping[str, str]:
    """By form field, the field of what was retrieved that is to say the same."""
    if retrieval.connector is None:
        return next(one.compared for one in matter.materials if one.code == retrieval.material)
    assert retrieval.connector_version is not None
    file = connector_version(session, retrieval.connector, retrieval.connector_version)
    return next(one.compared for one in file.data_sets if one.code == retrieval.data_set)


def _cleared(ports: Ports, task: VerificationTask, matter: Matter, now: Difference) -> bool:
    """Whether it was cleared which of these very values is right. An applicant who corrected a value, and
    goes back to it, differs again.
    """
    if task.state == TaskState.CORRECTED:
        return False
    was, kind = open_values(ports.vault, task), _kind(matter, task.field)
    return same(kind, was.applicant, now.applicant) and same(kind, was.source, now.source)


def _open(
    session: Session,
    ports: Ports,
    case: Case,
    retrieval: CaseRetrieval,
    one: Difference,
    number: int,
    at: Moment,
) -> None:
    task_id = ports.random(16).hex()
    session.add(
        VerificationTask(
            id=task_id,
            case_id=case.id,
            agency_code=case.agency_code,
            retrieval_id=retrieval.id,
            field=one.field,
            number=number,
            source_field=one.source_field,
            values=close_values(ports.vault, task_id, Values(one.applicant, one.source)),
            state=TaskState.OPEN.value,
            opened_at=at.now,
            operator="",
            legal_basis="",
            reason_code="",
        )
    )
    session.flush()
    detail = {"task": task_id, "field": one.field, "source": retrieval.source}
    record(
        session, ports, case, None, "task_opened", at, detail, Ground(LEGAL_BASIS, "values_differ", at.day)
    )


# --- clearing --------------------------------------------------------------------------------------------


def end(
    session: Session, ports: Ports, actor: Actor, case: Case, task: VerificationTask, ending: Ending
) -> None:
    """Clear a difference, the case's row locked. The vault is ready.

    Raises VermilionError: FORBIDDEN; CONFLICT (`task_ended`, `case_state`, `still_differs`); INVALID
    (`move_needs`, `invalid_fields`); UNAVAILABLE.
    """
    require_officer(actor)
    if task.state != TaskState.OPEN:
        raise VermilionError(Kind.CONFLICT, "the difference was cleared before", reason="task_ended")
    if case.state not in SEARCHED:
        raise VermilionError(Kind.CONFLICT, "the case was decided", reason="case_state")
    at = moment(ports)
    matter = matter_version(session, case.matter_code, case.matter_version)
    ground = Ground(ending.legal_basis, ending.reason_code, at.day)
    if ending.outcome is TaskState.CORRECTED:
        _change(ports, case, matter, task, ending, at)
    task.words = close_words(ports.vault, task.id, ending.words)
    _end(session, ports, case, task, ending.outcome, actor, ground, at)
    if ending.outcome is TaskState.CONFIRMED:
        retrieval = session.get_one(CaseRetrieval, task.retrieval_id)
        source_errors.make(session, ports, task, retrieval, at)
    elif ending.outcome is TaskState.CORRECTED:
        compare_anew(session, ports, case, matter, actor, ground, at)  # other sources say the same field


def _change(
    ports: Ports, case: Case, matter: Matter, task: VerificationTask, ending: Ending, at: Moment
) -> None:
    """The applicant's other value, which is the source's, takes the place of the first."""
    missing = []
    if not ending.declared:
        missing.append(
            Fault("/declaration", "missing", "the applicant declares that the other value is true")
        )
    if ending.value is None:
        missing.append(Fault("/value", "missing", "the applicant's other value is named"))
    if missing:
        detail = "; ".join(one.detail for one in missing)
        raise VermilionError(Kind.INVALID, detail, reason="move_needs", faults=tuple(missing))
    application = open_application(ports.vault, case.id, case.application)
    fields = check_form(matter.fields, {**application.fields, task.field: ending.value}, at.day)
    value, values = as_value(fields[task.field]), open_values(ports.vault, task)
    if value is None or not same(_kind(matter, task.field), value, values.source):
        raise field_fault("/value", "still_differs", "this is not what the source says", Kind.CONFLICT)
    case.application = close_application(ports.vault, case.id, replace(application, fields=fields))


def _end(
    session: Session,
    ports: Ports,
    case: Case,
    task: VerificationTask,
    outcome: TaskState,
    actor: Actor,
    ground: Ground,
    at: Moment,
) -> None:
    task.state, task.ended_at = outcome.value, at.now
    task.client_id, task.person_id, task.operator = actor.client_id, actor.person_id, actor.operator
    task.legal_basis, task.reason_code = ground.legal_basis, ground.reason_code
    detail = {"task": task.id, "field": task.field, "outcome": outcome.value}
    record(session, ports, case, actor, f"task_{outcome.value}", at, detail, ground)
    session.flush()


# --- what a decision asks --------------------------------------------------------------------------------


def require_cleared(session: Session, case: Case) -> None:
    """Raises VermilionError(CONFLICT, `tasks_open`)."""
    opened = exists().where(VerificationTask.case_id == case.id, VerificationTask.state == TaskState.OPEN)
    if session.scalar(select(opened)):
        detail = "what the applicant and a source tell differently is cleared first"
        raise VermilionError(Kind.CONFLICT, detail, reason="tasks_open")


def require_none_refused(
    session: Session, ports: Ports, case: Case, matter: Matter, fields: Mapping[str, Any]
) -> None:
    """No licence says what was refused. `fields`: the licence's values as they are ordered.

    Raises VermilionError(CONFLICT, `value_refused`) with a fault for each.
    """
    rows = select(VerificationTask).where(
        VerificationTask.case_id == case.id, VerificationTask.state == TaskState.REFUSED
    )
    faults = []
    for task in session.scalars(rows.order_by(VerificationTask.field)):
        value = as_value(fields.get(task.field))
        wrong = open_values(ports.vault, task).applicant
        if value is not None and same(_kind(matter, task.field), value, wrong):
            detail = "this value was found to be wrong: the decision says another"
            faults.append(Fault(f"/licence/fields/{task.field}", "value_refused", detail))
    if faults:
        raise VermilionError(Kind.CONFLICT, faults[0].detail, reason="value_refused", faults=tuple(faults))


# --- finding ---------------------------------------------------------------------------------------------


def tasks_of_case(session: Session, case_id: str) -> Sequence[VerificationTask]:
    """All of a case, the first that was opened first."""
    rows = select(VerificationTask).where(VerificationTask.case_id == case_id)
    return session.scalars(rows.order_by(VerificationTask.opened_at, VerificationTask.id)).all()


def tasks_of_agency(
    session: Session, actor: Actor, after: str | None, size: int, *, state: TaskState | None = None
) -> tuple[Sequence[VerificationTask], str | None]:
    """At most `size` of the agency's, the oldest first; and behind which the next page begins.

    Raises VermilionError(NOT_FOUND).
    """
    wanted = select(VerificationTask).where(VerificationTask.agency_code == actor.agency_code)
    if state is not None:
        wanted = wanted.where(VerificationTask.state == state)
    if after is not None:
        last = own_task(session, actor, after)
        later = (VerificationTask.opened_at > last.opened_at) | (
            (VerificationTask.opened_at == last.opened_at) & (VerificationTask.id > last.id)
        )
        wanted = wanted.where(later)
    order = (VerificationTask.opened_at, VerificationTask.id)
    rows = session.scalars(wanted.order_by(*order).limit(size + 1)).all()
    return rows[:size], rows[size - 1].id if len(rows) > size else None


def own_task(session: Session, actor: Actor, task_id: str) -> VerificationTask:
    """A task of the caller's agency. Raises VermilionError(NOT_FOUND)."""
    task = session.get(VerificationTask, task_id)
    if task is None or task.agency_code != actor.agency_code:
        raise VermilionError(Kind.NOT_FOUND, "the agency has no such task", reason="task_unknown")
    return task


def _tasks(session: Session, retrieval_id: str) -> Sequence[VerificationTask]:
    rows = select(VerificationTask).where(VerificationTask.retrieval_id == retrieval_id)
    return session.scalars(rows.order_by(VerificationTask.field, VerificationTask.number)).all()


def _kind(matter: Matter, field: str) -> FieldKind:
    return next(one.kind for one in matter.fields if one.name == field)
