"""A licence's life over HTTP: its next editions, its changes, now or on a later day, and its history."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal, TypeVar, cast

from flask import Blueprint, Response
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry import repeats, web
from registry.actor import Actor
from registry.described import DRY_RUN, IDEMPOTENCY_KEY, IF_NONE_MATCH, Parameter, described, told
from registry.licences import rules
from registry.licences.answers import (
    CHANGED,
    MADE,
    NEW_EDITION,
    LicenceHistory,
    PastStatus,
    WithdrawnChange,
)
from registry.licences.forms import (
    ChangedFieldsBody,
    NextEditionBody,
    Operator,
    next_edition_request,
)
from registry.licences.history import history_of, status_at
from registry.licences.idempotency import Answered
from registry.licences.moment import moment
from registry.licences.operations import Decision, How, NextEdition, SuspensionGround
from registry.licences.outage import database_errors
from registry.licences.rules import LicenceStatus
from registry.licences.schedule import Planned, withdraw
from registry.licences.shown import (
    issuing,
    known_form,
    licence_actor,
    planned_json,
    require_named,
    status_json,
)
from registry.licences.status_changes import shown_in
from registry.licences.tables import Edition
from registry.log.rules import Ground
from signing.live import PastClock
from signing.verdict import instant

blueprint = Blueprint("licence_life", __name__)

_makes_an_edition = partial(
    described,
    parameters=(DRY_RUN, IDEMPOTENCY_KEY),
    answers=NEW_EDITION,
    refuses=(Kind.CONFLICT, Kind.KEY_REFUSED),
)
_changes = partial(described, parameters=(DRY_RUN, IDEMPOTENCY_KEY), refuses=(Kind.CONFLICT,))


class ChangeBody(web.Body):
    """Every change of status names its ground; without `effective_from` it takes effect today, with a later
    day it waits for that.
    """

    legal_basis: web.Basis
    reason_code: web.ReasonCode
    effective_from: web.Day | None = None
    operator: Operator | None = None
    status_version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


_Form = TypeVar("_Form", bound=ChangeBody)


class SuspensionBody(ChangeBody):
    ground: SuspensionGround
    until: web.Day | None = None


class EndingBody(ChangeBody):
    how: How


class InspectionBody(ChangeBody):
    period: Annotated[str, Field(pattern=r"^[0-9]{4}(-[0-9]{2})?\Z")]
    result: Literal["passed", "failed"]


@blueprint.post("/api/v1/licences/<identifier>/amendment")
@_makes_an_edition("amendLicence", "Amend a licence 变更", sends=ChangedFieldsBody)
def amendment(identifier: str) -> Response:
    """变更: the next edition says something else."""
    return _next_edition("amend", identifier)


@blueprint.post("/api/v1/licences/<identifier>/renewal")
@_makes_an_edition("renewLicence", "Renew a licence 延续", sends=ChangedFieldsBody)
def renewal(identifier: str) -> Response:
    """延续: the next edition is valid for longer."""
    return _next_edition("renew", identifier)


@blueprint.post("/api/v1/licences/<identifier>/correction")
@_makes_an_edition("correctLicence", "Correct a licence 纠错", sends=ChangedFieldsBody)
def correction(identifier: str) -> Response:
    """纠错: the next edition says what this one should have said."""
    return _next_edition("correct", identifier)


@blueprint.post("/api/v1/licences/<identifier>/replacement")
@_makes_an_edition("replaceLicence", "Replace a licence that was lost 补发", sends=NextEditionBody)
def replacement(identifier: str) -> Response:
    """补发: the next edition says the same, for one that was lost."""
    return _next_edition("replace", identifier)


def _next_edition(operation: NextEdition, identifier: str) -> Response:
    """As issuing a licence. The edition before ends as replaced."""
    actor = licence_actor()
    known_form(identifier)
    wanted_of = partial(next_edition_request, operation, identifier)
    return issuing(actor, wanted_of, operation=operation, of=identifier)


@blueprint.post("/api/v1/licences/<identifier>/suspension")
@_changes("suspendLicence", "Suspend a licence 暂扣 暂停", sends=SuspensionBody, answers=CHANGED)
def suspension(identifier: str) -> Response:
    body = _body(SuspensionBody)

    def work(session: Session, actor: Actor, decision: Decision) -> LicenceStatus | Planned:
        ports = web.ports()
        return rules.suspend(session, ports, actor, identifier, decision, body.ground, body.until)

    return _change(identifier, body, work)


@blueprint.post("/api/v1/licences/<identifier>/resumption")
@_changes("resumeLicence", "Put a suspended licence in force again", sends=ChangeBody, answers=CHANGED)
def resumption(identifier: str) -> Response:
    def work(session: Session, actor: Actor, decision: Decision) -> LicenceStatus | Planned:
        return rules.resume(session, web.ports(), actor, identifier, decision)

    return _change(identifier, _body(ChangeBody), work)


@blueprint.post("/api/v1/licences/<identifier>/ending")
@_changes("endLicence", "End a licence 吊销 撤销 撤回 注销", sends=EndingBody, answers=CHANGED)
def ending(identifier: str) -> Response:
    body = _body(EndingBody)

    def work(session: Session, actor: Actor, decision: Decision) -> LicenceStatus | Planned:
        return rules.end(session, web.ports(), actor, identifier, decision, body.how)

    return _change(identifier, body, work)


@blueprint.post("/api/v1/licences/<identifier>/inspection")
@_changes("inspectLicence", "Record an annual inspection 年检", sends=InspectionBody, answers={200: MADE})
def inspection(identifier: str) -> Response:
    """An annual inspection 年检 is put on record; the status stays what it is."""
    body = _body(InspectionBody)

    def work(session: Session, actor: Actor, decision: Decision) -> LicenceStatus:
        passed = body.result == "passed"
        return rules.inspect(session, web.ports(), actor, identifier, decision, body.period, passed=passed)

    return _change(identifier, body, work)


@blueprint.post("/api/v1/licences/<identifier>/scheduled/<hex32:scheduled>/withdrawal")
@_changes(
    "withdrawScheduled", "Take back a change that waits for its day",
    sends=ChangeBody,
    answers={200: told("The change.", WithdrawnChange)},
)  # fmt: skip
def scheduled_withdrawal(identifier: str, scheduled: str) -> Response:
    """A change that waits for its day is taken back."""

    def work(session: Session, actor: Actor, decision: Decision) -> Withdrawn:
        edition = rules.own_for(session, actor, identifier, lock=True)
        if decision.effective_from is not None:
            raise field_fault("/effective_from", "not_accepted", "a withdrawal takes effect at once")
        ground = Ground(decision.legal_basis, decision.reason_code, moment(web.ports()).day)
        return Withdrawn(withdraw(session, web.ports(), actor, edition, scheduled, ground))

    return _change(identifier, _body(ChangeBody), work)


@blueprint.get("/api/v1/licences/<identifier>/history")
@described(
    "readHistory", "A licence's history",
    parameters=(IF_NONE_MATCH,),
    answers={200: told("In the order in which it was recorded.", LicenceHistory)},
)  # fmt: skip
def history(identifier: str) -> Response:
    """Every event of every edition of the licence, as recorded: nothing is ever taken out."""
    web.query()
    with database_errors(), Session(web.ports().database.read) as session:
        edition = rules.own_for(session, licence_actor(), known_form(identifier))
        body = {"identifier": edition.identifier, "events": history_of(session, edition.licence_id)}
    return web.shown(body)


@blueprint.get("/api/v1/licences/<identifier>/status")
@described(
    "readPastStatus", "What a licence's status was",
    parameters=(
        Parameter("at", "The moment.", {"type": "string", "format": "date-time"}, required=True),
        Parameter(
            "clock",
            "`recorded`: what the registry would have answered then. `effective`: what held then, by all "
            "that is on record now.",
            {"enum": ["effective", "recorded"]},
            required=True,
        ),
    ),
    answers={200: told("As of that moment.", PastStatus)},
)  # fmt: skip
def past_status(identifier: str) -> Response:
    """The status as of a past moment (`at`, RFC 3339), by the clock that is named: `effective` or
    `recorded`.
    """
    arguments = web.query({"at", "clock"})
    clock = arguments.get("clock")
    if clock not in ("effective", "recorded"):
        raise field_fault("?clock", "clock", "say which clock is meant: effective or recorded")
    at = _instant(arguments.get("at", ""))
    meant = cast("PastClock", clock)
    with database_errors(), Session(web.ports().database.read) as session:
        edition = rules.own_for(session, licence_actor(), known_form(identifier))
        found = status_at(session, web.ports(), edition, at, meant)
    return web.answer(
        {"identifier": identifier, "at": instant(at), "clock": clock, **found},
        200,
        {"Cache-Control": "no-store"},
    )


def _instant(text: str) -> datetime:
    """Raises VermilionError(INVALID)."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or len(text) > 40:
        raise field_fault("?at", "instant", "an instant is written as RFC 3339 says, with its offset")
    if at > web.ports().clock():
        raise field_fault("?at", "in_future", "only the past and the present can be asked for")
    return at


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A change that was taken back."""

    planned: Planned


Outcome = LicenceStatus | Planned | Withdrawn


def _body(form: type[_Form]) -> _Form:
    return web.parse_body(form, arguments={"dry_run"})


def _change(
    identifier: str, body: ChangeBody, work: Callable[[Session, Actor, Decision], Outcome]
) -> Response:
    """A transaction for one change: who acts, and what was decided. Under an `Idempotency-Key` the very
    request is answered again as before, and nothing is done; nor is it for a dry run, which needs no key.

    200 for a change that is made; 202 for one that waits. Where it shows already is as of now, and left out
    when the database is out by then.
    """
    dry_run = web.flag("dry_run", web.query({"dry_run"}))
    actor = licence_actor(body.operator)
    known_form(identifier)
    require_named(actor)
    decision = Decision(body.legal_basis, body.reason_code, body.effective_from, body.status_version)

    def change(session: Session) -> Answered:
        return _answered(work(session, actor, decision))

    if dry_run:
        return repeats.told(repeats.tried(change), replayed=False)
    answered, replayed = repeats.once(actor, body, change)
    return repeats.told(answered, replayed=replayed, **_shown_in(identifier, answered))


def _answered(outcome: Outcome) -> Answered:
    match outcome:
        case Planned():
            return Answered(202, {"scheduled": planned_json(outcome)})
        case Withdrawn():
            return Answered(200, {"withdrawn": planned_json(outcome.planned)})
        case _:
            return Answered(200, status_json(outcome))


def _shown_in(identifier: str, answered: Answered) -> dict[str, Any]:
    if "status" not in answered.body:
        return {}
    with suppress(VermilionError), database_errors(), Session(web.ports().database.read) as session:
        edition_id = session.scalars(select(Edition.id).where(Edition.identifier == identifier)).one()
        return {"shown_in": shown_in(session, edition_id)}
    return {}
