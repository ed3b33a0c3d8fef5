"""What was retrieved for cases, differences from it and errors in sources, over HTTP (Arts. 8, 9)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from keys.errors import Kind
from registry import repeats, web
from registry.actor import Actor
from registry.agencies.rules import SCOPE_CASE, SCOPE_LICENCE
from registry.described import IDEMPOTENCY_KEY, IF_NONE_MATCH, Parameter, described, told
from registry.intake import cases, source_errors, tasks
from registry.intake.exchange_answers import (
    CaseRetrievals,
    LicenceErrorPage,
    LicenceErrorShown,
    MatterSources,
    TaskPage,
    TaskShown,
    error_json,
    looked_for_json,
    retrieval_json,
    task_json,
)
from registry.intake.exchange_forms import DeclinationBody, LookAgainBody, TaskEndingBody
from registry.intake.exchange_tables import CaseRetrieval, SourceError, VerificationTask
from registry.intake.finding import find_case, require_case_worker
from registry.intake.matter_lists import matter_on, matter_version
from registry.intake.retrieval import RetrievalState, ask_now, looked_for, retrievals_of, told_fields
from registry.intake.task_values import TaskState, open_values, open_words
from registry.intake.tasks import Ending
from registry.intake.wanted import wanted
from registry.licences.duties import require_officer
from registry.licences.idempotency import Answered
from registry.licences.moment import moment
from registry.licences.outage import database_errors
from registry.licences.shown import require_named
from registry.licences.tables import Edition

blueprint = Blueprint("exchange", __name__, url_prefix="/api/v1")

NO_STORE = {"Cache-Control": "no-store"}
LISTED = 100
_KEY = (IDEMPOTENCY_KEY,)
_AFTER = Parameter("after", "What stands before the page.")


@blueprint.get("/matters/<matter_code>/sources")
@described(
    "listMatterSources", "What is looked for before it is asked for",
    parameters=(IF_NONE_MATCH,),
    answers={200: told("By material, as it is now.", MatterSources)},
)  # fmt: skip
def sources(matter_code: str) -> Response:
    """The required materials of a matter that an applicant need not supply unless they are not found: which
    licence replaces each, and which data sets stand in for it, for what purpose.
    """
    web.query()
    actor = _case_actor()
    require_case_worker(actor)
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        known = matter_on(session, matter_code, moment(ports).day)
        mine = known if known is not None and known.matter.agency_code == actor.agency_code else None
        found = looked_for(session, web.found(mine, "matter").matter)
    return web.shown({"materials": [looked_for_json(one) for one in found]}, NO_STORE)


@blueprint.get("/cases/<hex32:case_id>/retrievals")
@described(
    "listRetrievals", "What was looked for, for a case",
    answers={200: told("Every search, by material.", CaseRetrievals)},
)  # fmt: skip
def retrievals(case_id: str) -> Response:
    """Each required material that somebody else may have is looked for when an application comes, before the
    applicant is asked: among licences, then in data exchange.
    """
    web.query()
    return web.answer(_retrievals(_case_actor(), case_id), 200, NO_STORE)


@blueprint.post("/cases/<hex32:case_id>/retrievals")
@described(
    "lookAgain", "Look again for what was not found",
    sends=LookAgainBody,
    parameters=_KEY,
    answers={202: told("What is looked for now.", CaseRetrievals)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def look_again(case_id: str) -> Response:
    """At once, in the background: sources that were out, and those that had nothing."""
    body = web.parse_body(LookAgainBody)
    actor = _case_actor(body.operator)
    require_officer(actor)
    require_named(actor)
    ports = web.ports()
    ports.vault.ready()

    def work(session: Session) -> Answered:
        case = cases.locked(session, actor, case_id)
        matter = matter_version(session, case.matter_code, case.matter_version)
        ask_now(session, ports, case, matter, actor)
        return Answered(202, {})

    answered, replayed = repeats.once(actor, body, work)
    return repeats.told(answered, replayed=replayed, **_retrievals(actor, case_id))


@blueprint.get("/cases/<hex32:case_id>/tasks")
@described(
    "listCaseTasks", "The differences of a case",
    answers={200: told("All of them, also those that were cleared.", TaskPage)},
)  # fmt: skip
def case_tasks(case_id: str) -> Response:
    """Where the application and what was retrieved say different things. A case with an open one is not
    permitted.
    """
    web.query()
    actor, ports = _case_actor(), web.ports()
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        find_case(session, actor, case_id)
        shown = [_task(session, task) for task in tasks.tasks_of_case(session, case_id)]
    return web.answer({"tasks": shown}, 200, NO_STORE)


@blueprint.get("/verification-tasks")
@described(
    "listTasks", "The agency's differences",
    parameters=(
        _AFTER,
        Parameter("state", "Only those of this state.", {"enum": [one.value for one in TaskState]}),
    ),
    answers={200: told("A page.", TaskPage)},
    refuses=(Kind.NOT_FOUND,),
)  # fmt: skip
def agency_tasks() -> Response:
    """Of all its cases, the oldest first; in pages of 100."""
    arguments = web.query({"after", "state"})
    state = web.chosen("state", arguments, TaskState, "no difference is ever in this state")
    after = web.hex_id("?after", arguments["after"]) if "after" in arguments else None
    actor, ports = _case_actor(), web.ports()
    require_case_worker(actor)
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        found, following = tasks.tasks_of_agency(session, actor, after, LISTED, state=state)
        body: dict[str, Any] = {"tasks": [_task(session, task) for task in found]}
    if following is not None:
        picked = {"state": arguments["state"]} if "state" in arguments else {}
        body["next"] = f"/api/v1/verification-tasks?{urlencode({'after': following, **picked})}"
    return web.answer(body, 200, NO_STORE)


@blueprint.post("/verification-tasks/<hex32:task_id>/ending")
@described(
    "endTask", "Clear a difference",
    sends=TaskEndingBody,
    parameters=_KEY,
    answers={200: told("The difference.", TaskShown)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def end_task(task_id: str) -> Response:
    """Who is right is for a person to find out. A source that is wrong is told so until it has acknowledged
    that; a licence of this registry waits for its issuer to correct it.
    """
    body = web.parse_body(TaskEndingBody)
    actor = _case_actor(body.operator)
    require_officer(actor)
    require_named(actor)
    ports = web.ports()
    ports.vault.ready()
    ending = Ending(
        TaskState(body.outcome),
        body.legal_basis,
        body.reason_code,
        body.words or "",
        body.value,
        declared=body.declaration,
    )

    def work(session: Session) -> Answered:
        case = cases.locked(session, actor, tasks.own_task(session, actor, task_id).case_id)
        task = session.get_one(VerificationTask, task_id, with_for_update=True, populate_existing=True)
        tasks.end(session, ports, actor, case, task, ending)
        return Answered(200, {})

    answered, replayed = repeats.once(actor, body, work)
    with database_errors(), Session(ports.database.read) as session:
        shown = _task(session, tasks.own_task(session, actor, task_id))
    return repeats.told(answered, replayed=replayed, **shown)


@blueprint.get("/source-errors")
@described(
    "listSourceErrors", "Errors that were confirmed in the agency's licences",
    parameters=(_AFTER,),
    answers={200: told("Those that wait for a correction.", LicenceErrorPage)},
    refuses=(Kind.NOT_FOUND,),
)  # fmt: skip
def errors() -> Response:
    """Found by agencies that used a licence in place of a paper; the oldest first, in pages of 100. Each is
    settled when its licence is corrected.
    """
    arguments = web.query({"after"})
    after = web.hex_id("?after", arguments["after"]) if "after" in arguments else None
    actor, ports = _licence_actor(), web.ports()
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        found, following = source_errors.errors_in_licences(session, actor, after, LISTED)
        body: dict[str, Any] = {"errors": [_error(session, one) for one in found]}
    if following is not None:
        body["next"] = f"/api/v1/source-errors?{urlencode({'after': following})}"
    return web.answer(body, 200, NO_STORE)


@blueprint.post("/source-errors/<hex32:error_id>/declination")
@described(
    "declineSourceError", "Find a licence right after all",
    sends=DeclinationBody,
    parameters=_KEY,
    answers={200: told("The error.", LicenceErrorShown)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def decline(error_id: str) -> Response:
    """Its issuer says why nothing of it is corrected."""
    body = web.parse_body(DeclinationBody)
    actor = _licence_actor(body.operator)
    require_officer(actor)
    require_named(actor)
    ports = web.ports()
    ports.vault.ready()

    def work(session: Session) -> Answered:
        source_errors.decline(session, ports, actor, error_id, body.legal_basis, body.reason_code)
        return Answered(200, {})

    answered, replayed = repeats.once(actor, body, work)
    with database_errors(), Session(ports.database.read) as session:
        shown = _error(session, source_errors.licence_error(session, actor, error_id))
    return repeats.told(answered, replayed=replayed, **shown)


def _case_actor(operator: str | None = None) -> Actor:
    return _actor(SCOPE_CASE, operator)


def _licence_actor(operator: str | None = None) -> Actor:
    return _actor(SCOPE_LICENCE, operator)


def _actor(scope: str, operator: str | None) -> Actor:
    actor = web.actor()
    actor.require_scope(scope)
    return actor if operator is None else replace(actor, operator=operator)


def _retrievals(actor: Actor, case_id: str) -> dict[str, Any]:
    ports = web.ports()
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        case = find_case(session, actor, case_id)
        matter = matter_version(session, case.matter_code, case.matter_version)
        return {
            "retrievals": [_retrieval(session, row) for row in retrievals_of(session, case.id)],
            "wanted": [{"code": one.code, "name": dict(one.name)} for one in wanted(session, case, matter)],
        }


def _retrieval(session: Session, row: CaseRetrieval) -> dict[str, Any]:
    if row.state != RetrievalState.FOUND:
        return retrieval_json(row, None, None)
    identifier = None
    if row.edition_id is not None:
        identifier = session.get_one(Edition, row.edition_id).identifier
    return retrieval_json(row, identifier, told_fields(web.ports().vault, row))


def _task(session: Session, task: VerificationTask) -> dict[str, Any]:
    vault = web.ports().vault
    error = source_errors.error_of(session, task.id)
    return task_json(task, open_values(vault, task), open_words(vault, task), error)


def _error(session: Session, error: SourceError) -> dict[str, Any]:
    task = session.get_one(VerificationTask, error.task_id)
    identifier = session.get_one(Edition, error.edition_id).identifier
    return error_json(error, task, open_values(web.ports().vault, task), identifier)
