"""The seal life and standing authorisations over HTTP: parse, call one rule, answer."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlencode

import structlog
from flask import Blueprint, Response
from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError
from keys.outside_chain import MAX_FILE_BYTES
from keys.suite import SuiteName
from registry import repeats, web
from registry.actor import Actor
from registry.agencies.rules import SCOPE_SEAL
from registry.described import ADDRESS, IDEMPOTENCY_KEY, IF_NONE_MATCH, Parameter, described, told
from registry.licences.idempotency import Answered
from registry.log.rules import Ground
from registry.seals import answers as said
from registry.seals import (
    applications,
    approvals,
    authorisations,
    duties,
    editions,
    maker,
    outside_status,
    rules,
)
from registry.seals.applications import Application
from registry.seals.authority import END_SUITE
from registry.seals.making import make
from registry.seals.outside_making import make_outside, request_certificate
from registry.seals.shown import shown_in
from registry.seals.tables import Approval, Certificate, Seal, SealEdition, SealState, StandingAuthorisation
from registry.seals.trust import publish_trust_list
from signing.seal_upload import MAX_BYTES as MAX_PICTURE

blueprint = Blueprint("seals", __name__, url_prefix="/api/v1")

SEAL = told("The seal.", said.SealShown)
CHANGED = told("The seal, and where the change shows already.", said.SealChanged)
AUTHORISATION = told("The authorisation.", said.AuthorisationShown)

_changes = partial(described, parameters=(IDEMPOTENCY_KEY,))

PAGE = 100
STATES = get_args(said.SealStateName)
USCC = "^[0-9A-Z]{18}$"
MAX_APPLICATION = 4 * MAX_PICTURE // 3 + 8 * 1024  # a picture in base64, and the words
MAX_CHAIN = 4 * MAX_FILE_BYTES // 3 + 8 * 1024  # a chain in base64
_log = structlog.get_logger("registry.seals")


def _base64(value: object) -> object:
    if isinstance(value, str) and len(value) <= 4 * (MAX_PICTURE + 2) // 3 + 4:
        try:
            return base64.b64decode(value, validate=True)
        except ValueError:
            pass
    raise PydanticCustomError("base64", "a PNG of at most {size} bytes in base64", {"size": MAX_PICTURE})


def _file(value: object) -> object:
    if isinstance(value, str) and len(value) <= MAX_CHAIN:
        try:
            return base64.b64decode(value, validate=True)
        except ValueError:
            pass
    raise PydanticCustomError("base64", "a file in base64")


class ApplicationBody(web.Body):
    kind: web.Line
    name: web.Line
    bottom_text: web.Line | None = None
    picture: Annotated[bytes, BeforeValidator(_base64)] | None = None  # a PNG; drawn where there is none

    def application(self) -> Application:
        return Application(self.kind, self.name, self.bottom_text)


class DecisionBody(web.Body):
    decision: Literal["approve", "refuse"]
    payload_sha256: web.Hex64


class StepBody(web.Body):
    """Steps that need no words: an empty object."""


class RequestBody(web.Body):
    suite: SuiteName = END_SUITE


class MakingBody(web.Body):
    """Nothing where our own authority certifies the seal; else the chain of one outside, files in base64."""

    chain: (
        Annotated[list[Annotated[bytes, BeforeValidator(_file)]], Field(min_length=1, max_length=8)] | None
    ) = None


class GroundBody(web.Body):
    legal_basis: web.Basis
    reason_code: web.ReasonCode

    def ground(self) -> Ground:
        today = web.ports().clock().astimezone(web.ports().settings.tz).date()
        return Ground(self.legal_basis, self.reason_code, today)


class LossBody(web.Body):
    legal_basis: web.Basis


class CancellationBody(GroundBody):
    compromised_since: web.Instant | None = None


class AuthorisationBody(web.Body):
    client_id: web.Hex32
    type_code: web.TypeCode
    valid_from: web.Day
    valid_to: web.Day
    daily_limit: Annotated[int, Field(ge=1, le=authorisations.MAX_DAILY)]


# --- the life of a seal --------------------------------------------------------------------------------


@blueprint.post("/seal-applications")
@_changes(
    "applyForSeal", "Apply for a seal 申请",
    sends=ApplicationBody,
    answers={201: told("The request.", said.ApprovalShown, Location=ADDRESS)},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def apply() -> Response:
    actor, ports = _actor(), web.ports()
    body = web.parse_body(ApplicationBody, max_bytes=MAX_APPLICATION)
    application = body.application()
    actor.require_person("applicant")
    picture = applications.picture_for(ports, application, body.picture)  # it takes its time

    def work(session: Session) -> Answered:
        return Answered(201, _approval(applications.apply(session, ports, actor, application, picture)))

    return _applied(*repeats.once(actor, body, work))


@blueprint.get("/seal-applications/<hex32:approval_id>")
@described(
    "readApplication", "An application for a seal edition",
    parameters=(IF_NONE_MATCH,),
    answers={200: told("The request.", said.ApprovalShown)},
)  # fmt: skip
def show_application(approval_id: str) -> Response:
    return _asked(approval_id)


@blueprint.get("/approvals")
@described(
    "listApprovals", "What waits for an approver",
    parameters=(Parameter("after", "The request before the page."),),
    answers={200: told("A page.", said.ApprovalPage)},
    refuses=(Kind.NOT_FOUND,),
)  # fmt: skip
def waiting() -> Response:
    """What is asked about seals and nobody has decided, what ends first coming first; not what the approver
    asked for.
    """
    actor, arguments = _actor(), web.query({"after"})
    after = web.hex_id("?after", arguments["after"]) if "after" in arguments else None
    with Session(web.ports().database.read) as session:
        found = approvals.waiting(session, actor, web.ports().clock(), PAGE + 1, after)
    more = {"next": f"/api/v1/approvals?after={found[PAGE - 1].id}"} if len(found) > PAGE else {}
    return web.answer({"approvals": [_approval(one) for one in found[:PAGE]], **more})


@blueprint.get("/approvals/<hex32:approval_id>")
@described(
    "readApproval", "What was asked about a seal",
    parameters=(IF_NONE_MATCH,),
    answers={200: told("The request.", said.ApprovalShown)},
)  # fmt: skip
def show_approval(approval_id: str) -> Response:
    return _asked(approval_id)


def _asked(approval_id: str) -> Response:
    actor = _actor()
    web.query()
    with Session(web.ports().database.read) as session:
        return web.shown(_approval(duties.approval_seen_by(session, actor, approval_id)))


@blueprint.post("/seal-applications/<hex32:approval_id>/approval")
@_changes(
    "decideApplication", "Approve an application, or refuse it 审批",
    sends=DecisionBody,
    answers={200: told("The request, and the seal.", said.ApplicationDecided)},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def decide_application(approval_id: str) -> Response:
    actor, ports = _actor(), web.ports()
    body = web.parse_body(DecisionBody)

    def work(session: Session) -> Answered:
        approval, seal = applications.decide_application(
            session, ports, actor, approval_id, bytes.fromhex(body.payload_sha256),
            approve=body.decision == "approve",
        )  # fmt: skip
        made = {"seal": None} if seal is None else {"seal": seal.code, "seal_state": seal.state}
        return Answered(200, {**_approval(approval), **made})

    decided, replayed = repeats.once(actor, body, work)
    return repeats.told(decided, replayed=replayed)


@blueprint.post("/seals/<seal_code:code>/making")
@_changes(
    "makeSeal", "Make the seal edition that was approved 制作",
    sends=MakingBody,
    answers={201: SEAL},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def making(code: str) -> Response:
    actor = _actor()
    body = web.parse_body(MakingBody, max_bytes=MAX_CHAIN)
    ports, chain = web.ports(), body.chain

    def work() -> Answered:
        made = make(ports, actor, code) if chain is None else make_outside(ports, actor, code, chain)
        return Answered(201, _seal(made))

    answered, replayed = repeats.once_apart(actor, body, work)
    return repeats.told(answered, replayed=replayed)


@blueprint.post("/seals/<seal_code:code>/certification-request")
@_changes(
    "requestCertificate", "A certification request for an authority outside",
    sends=RequestBody,
    answers={201: told("The request.", said.CertificationRequested)},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def certification_request(code: str) -> Response:
    """The PKCS #10 request for the edition that is to be made, for an authority outside."""
    actor = _actor()
    body = web.parse_body(RequestBody)

    def work() -> Answered:
        request = request_certificate(web.ports(), actor, code, body.suite)
        assert request.der is not None
        told = {"id": request.id, "seal": code, "requested_at": request.requested_at.isoformat()}
        return Answered(201, {**told, "request": base64.b64encode(request.der).decode("ascii")})

    answered, replayed = repeats.once_apart(actor, body, work)
    return repeats.told(answered, replayed=replayed)


@blueprint.post("/seals/<seal_code:code>/filing")
@_changes(
    "fileSeal", "File a seal 备案",
    sends=StepBody,
    answers={200: SEAL},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def filing(code: str) -> Response:
    actor, ports = _actor(), web.ports()

    def work(session: Session) -> Answered:
        return Answered(200, _seal(rules.file(session, ports, actor, code)))

    filed, replayed = repeats.once(actor, web.parse_body(StepBody), work)
    if filed.body["state"] in applications.SUCCEEDED:
        _publish()  # its key is known before it is put into use
    return repeats.told(filed, replayed=replayed)


@blueprint.post("/seals/<seal_code:code>/activation")
@_changes(
    "activateSeal", "Put a seal into use 启用",
    sends=StepBody,
    answers={200: CHANGED},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def activation(code: str) -> Response:
    actor, ports = _actor(), web.ports()
    body = web.parse_body(StepBody)
    return _changed(actor, body, code, lambda session: rules.activate(session, ports, actor, code))


@blueprint.post("/seals/<seal_code:code>/suspension")
@_changes(
    "suspendSeal", "Suspend a seal at once 停用",
    sends=GroundBody,
    answers={200: CHANGED},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def suspension(code: str) -> Response:
    actor, ports = _actor(), web.ports()
    body = web.parse_body(GroundBody)
    ground = body.ground()
    return _changed(actor, body, code, lambda session: rules.suspend(session, ports, actor, code, ground))


@blueprint.post("/seals/<seal_code:code>/resumption-request")
@_changes(
    "requestResumption", "Ask for a suspended seal to be resumed",
    sends=GroundBody,
    answers={202: told("The request.", said.ApprovalShown, Location=ADDRESS)},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def request_resumption(code: str) -> Response:
    actor, ports = _actor(), web.ports()
    body = web.parse_body(GroundBody)
    ground = body.ground()

    def work(session: Session) -> Answered:
        return Answered(
            202, _approval(rules.request_change(session, ports, actor, code, rules.RESUME, ground))
        )

    return _requested(*repeats.once(actor, body, work))


@blueprint.post("/seals/<seal_code:code>/cancellation-request")
@_changes(
    "requestCancellation", "Ask for a seal to be cancelled 注销",
    sends=CancellationBody,
    answers={202: told("The request.", said.ApprovalShown, Location=ADDRESS)},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def request_cancellation(code: str) -> Response:
    actor, ports = _actor(), web.ports()
    body = web.parse_body(CancellationBody)
    ground, since = body.ground(), body.compromised_since

    def work(session: Session) -> Answered:
        approval = rules.request_change(session, ports, actor, code, rules.CANCEL, ground, since)
        return Answered(202, _approval(approval))

    return _requested(*repeats.once(actor, body, work))


@blueprint.post("/seals/<seal_code:code>/loss-report")
@_changes(
    "reportLost", "Report a seal lost 挂失",
    sends=LossBody,
    answers={200: CHANGED},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def report_lost(code: str) -> Response:
    actor, ports = _actor(), web.ports()
    body = web.parse_body(LossBody)
    basis = body.legal_basis
    return _changed(actor, body, code, lambda session: rules.report_lost(session, ports, actor, code, basis))


@blueprint.post("/seals/<seal_code:code>/renewal-application")
@_changes(
    "applyForRenewal", "Apply for a seal's next edition with the same picture",
    sends=StepBody,
    answers={201: told("The request.", said.ApprovalShown, Location=ADDRESS)},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def apply_for_renewal(code: str) -> Response:
    actor, ports = _actor(), web.ports()

    def work(session: Session) -> Answered:
        return Answered(201, _approval(applications.apply_for_renewal(session, ports, actor, code)))

    return _applied(*repeats.once(actor, web.parse_body(StepBody), work))


@blueprint.post("/seals/<seal_code:code>/change-application")
@_changes(
    "applyForChange", "Apply for another name or picture of a seal 变更",
    sends=ApplicationBody,
    answers={201: told("The request.", said.ApprovalShown, Location=ADDRESS)},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def apply_for_change(code: str) -> Response:
    actor, ports = _actor(), web.ports()
    body = web.parse_body(ApplicationBody, max_bytes=MAX_APPLICATION)
    application = body.application()
    actor.require_person("applicant")
    picture = applications.picture_for(ports, application, body.picture)

    def work(session: Session) -> Answered:
        approval = applications.apply_for_change(session, ports, actor, code, application, picture)
        return Answered(201, _approval(approval))

    return _applied(*repeats.once(actor, body, work))


@blueprint.post("/seals/<seal_code:code>/editions/<edition_number:number>/sealing-away")
@_changes(
    "sealAway", "Record that an edition is sealed away 封存",
    sends=GroundBody,
    answers={200: told("The edition.", said.SealEditionShown)},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def seal_away(code: str, number: int) -> Response:
    actor, ports = _actor(), web.ports()
    body = web.parse_body(GroundBody)
    ground = body.ground()

    def work(session: Session) -> Answered:
        edition = editions.seal_away(session, ports, actor, code, number, ground)
        certificate = session.get_one(Certificate, edition.certificate_serial)
        return Answered(200, _edition(edition, certificate))

    answered, replayed = repeats.once(actor, body, work)
    _publish()
    return repeats.told(answered, replayed=replayed)


@blueprint.post("/approvals/<hex32:approval_id>/decision")
@_changes(
    "decideChange", "Agree to what was asked about a seal, or refuse",
    sends=DecisionBody,
    answers={200: told("The request, and the seal.", said.ChangeDecided)},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def decide_change(approval_id: str) -> Response:
    actor, ports = _actor(), web.ports()
    body = web.parse_body(DecisionBody)

    def work(session: Session) -> Answered:
        approval, seal = rules.decide_change(
            session, ports, actor, approval_id, bytes.fromhex(body.payload_sha256),
            approve=body.decision == "approve",
        )  # fmt: skip
        return Answered(200, {**_approval(approval), "seal": seal.code, "seal_state": seal.state})

    decided, replayed = repeats.once(actor, body, work)
    shown = {"shown_in": made_known(decided.body["seal"])} if body.decision == "approve" else {}
    return repeats.told(decided, replayed=replayed, **shown)


@blueprint.get("/seals")
@described(
    "listSeals", "Seals",
    parameters=(
        Parameter("after", "The code before the page.", {"type": "string", "pattern": "^[0-9]{0,14}$"}),
        Parameter("state", "Only seals of this state.", {"enum": list(STATES)}),
        Parameter("agency", "Only seals of this agency, by its code.", {"type": "string", "pattern": USCC}),
    ),
    answers={200: told("A page.", said.SealPage)},
)  # fmt: skip
def listing() -> Response:
    """The seals of the actor's agency, every agency's for a seal authority; paged by code."""
    actor = _actor()
    arguments = web.query({"after", "state", "agency"})
    after, state, agency = arguments.get("after", ""), arguments.get("state"), arguments.get("agency")
    if not re.fullmatch(r"[0-9]{0,14}", after):
        fault = Fault("?after", "seal_code", "after is a seal code")
        raise VermilionError(Kind.INVALID, fault.detail, reason="query", faults=(fault,))
    if state is not None and state not in STATES:
        fault = Fault("?state", "unknown", "no seal is ever in this state")
        raise VermilionError(Kind.INVALID, fault.detail, reason="query", faults=(fault,))
    if agency is not None and not re.fullmatch(USCC, agency):
        fault = Fault("?agency", "uscc", "a unified social credit code has 18 characters")
        raise VermilionError(Kind.INVALID, fault.detail, reason="query", faults=(fault,))
    with Session(web.ports().database.read) as session:
        seals = duties.seals_seen_by(session, actor, after, PAGE + 1, state=state, agency=agency)
    body: dict[str, Any] = {"seals": [_seal(seal) for seal in seals[:PAGE]]}
    if len(seals) > PAGE:
        picked = {name: arguments[name] for name in ("state", "agency") if name in arguments}
        body["next"] = f"/api/v1/seals?{urlencode({'after': seals[PAGE - 1].code, **picked})}"
    return web.answer(body)


@blueprint.get("/seals/<seal_code:code>")
@described(
    "readSeal", "A seal, its history, editions and authorisations",
    parameters=(IF_NONE_MATCH,),
    answers={200: told("As it stands.", said.WholeSeal)},
)  # fmt: skip
def show(code: str) -> Response:
    actor = _actor()
    web.query()
    with Session(web.ports().database.read) as session:
        seal = duties.seal_seen_by(session, actor, code)
        history = session.scalars(
            select(SealState).where(SealState.seal_code == code).order_by(SealState.version)
        ).all()
        bound = session.execute(
            select(SealEdition, Certificate)
            .join(Certificate, Certificate.serial == SealEdition.certificate_serial)
            .where(SealEdition.seal_code == code)
            .order_by(SealEdition.number)
            .options(*maker.WHOLE)
        ).all()
        granted = session.scalars(
            select(StandingAuthorisation)
            .where(StandingAuthorisation.seal_code == code, StandingAuthorisation.withdrawn_at.is_(None))
            .order_by(StandingAuthorisation.granted_at, StandingAuthorisation.id)
            .limit(100)
        ).all()
        body = {
            **_seal(seal),
            "history": [{"state": row.state, "from": row.from_at.isoformat()} for row in history],
            "editions": [_edition(edition, certificate) for edition, certificate in bound],
            "shown_in": shown_in(session, code, web.ports().clock()),
            "authorisations": [_authorisation(row) for row in granted],
        }
        for told, (edition, certificate) in zip(body["editions"], bound, strict=True):
            told["maker"] = maker.shown(session, edition, certificate.der or b"")
            if certificate.issuer_key_id is None:
                told["outside"] = outside_status.shown(session, certificate, web.ports().clock())
    return web.shown(body)


# --- standing authorisations ---------------------------------------------------------------------------


@blueprint.post("/seals/<seal_code:code>/authorisations")
@_changes(
    "authoriseUse", "Permit a client to use a seal for a type",
    sends=AuthorisationBody,
    answers={201: AUTHORISATION},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def authorise(code: str) -> Response:
    actor, ports = _actor(), web.ports()
    body = web.parse_body(AuthorisationBody)
    permission = authorisations.Permission(
        body.client_id, body.type_code, body.valid_from, body.valid_to, body.daily_limit
    )

    def work(session: Session) -> Answered:
        return Answered(
            201, _authorisation(authorisations.authorise(session, ports, actor, code, permission))
        )

    granted, replayed = repeats.once(actor, body, work)
    _publish()  # the seal's key is now named for the type
    return repeats.told(granted, replayed=replayed)


@blueprint.post("/seals/<seal_code:code>/authorisations/<hex32:authorisation_id>/withdrawal")
@_changes(
    "withdrawAuthorisation", "End an authorisation",
    sends=StepBody,
    answers={200: AUTHORISATION},
    refuses=(Kind.CONFLICT, Kind.NOT_FOUND),
)  # fmt: skip
def withdraw(code: str, authorisation_id: str) -> Response:
    actor, ports = _actor(), web.ports()

    def work(session: Session) -> Answered:
        withdrawn = authorisations.withdraw(session, ports, actor, code, authorisation_id)
        return Answered(200, _authorisation(withdrawn))

    answered, replayed = repeats.once(actor, web.parse_body(StepBody), work)
    return repeats.told(answered, replayed=replayed)


@blueprint.delete("/seals/<seal_code:code>/authorisations/<hex32:authorisation_id>")
@described(
    "deleteAuthorisation", "End an authorisation",
    answers={200: AUTHORISATION},
    refuses=(Kind.CONFLICT, Kind.MALFORMED, Kind.TOO_LARGE),
    description="As `withdrawAuthorisation`.",
)  # fmt: skip
def delete_authorisation(code: str, authorisation_id: str) -> Response:
    actor, ports = _actor(), web.ports()
    web.no_body()
    with ports.database.transaction() as session:
        authorisation = authorisations.withdraw(session, ports, actor, code, authorisation_id)
    return web.answer(_authorisation(authorisation))


# --- answers -------------------------------------------------------------------------------------------


def _actor() -> Actor:
    actor = web.actor()
    actor.require_scope(SCOPE_SEAL)
    return actor


def _changed(actor: Actor, body: web.Body, code: str, change: Callable[[Session], Seal]) -> Response:
    """A seal as its change left it, and where that shows already."""
    answered, replayed = repeats.once(actor, body, lambda session: Answered(200, _seal(change(session))))
    return repeats.told(answered, replayed=replayed, shown_in=made_known(code))


def _applied(answered: Answered, replayed: bool) -> Response:
    href = f"/api/v1/seal-applications/{answered.body['id']}"
    return repeats.told(answered, {"Location": href}, replayed=replayed)


def _requested(answered: Answered, replayed: bool) -> Response:
    href = f"/api/v1/approvals/{answered.body['id']}"
    return repeats.told(answered, {"Location": href}, replayed=replayed)


def _publish() -> int | None:
    """The trust list's number once it shows the change; None where that has to wait for the next try."""
    try:
        return publish_trust_list(web.ports())
    except VermilionError as error:
        _log.warning("trust_list_not_published", reason=error.reason)
    except SQLAlchemyError as error:  # the change is committed: it must not be answered as if it had failed
        _log.warning("trust_list_not_published", reason=type(error).__name__)
    return None


def made_known(code: str) -> dict[str, Any]:
    """Publish a seal's change. Where it shows already; nothing of OCSP and CRL where the database went out
    meanwhile.
    """
    sequence = _publish()
    found: dict[str, Any] = {}
    try:
        with Session(web.ports().database.read) as session:
            found = shown_in(session, code, web.ports().clock())
    except SQLAlchemyError as error:  # as above
        _log.warning("shown_in_not_known", reason=type(error).__name__)
    return {**found, "trust_list": "pending" if sequence is None else "published"}


def _approval(approval: Approval) -> dict[str, Any]:
    return {
        "id": approval.id,
        "action": approval.action,
        "state": approval.state,
        "seal_code": approval.seal_code,
        "payload": approval.payload,
        "payload_sha256": approval.payload_sha256.hex(),
        "requested_at": approval.requested_at.isoformat(),
        "expires_at": approval.expires_at.isoformat(),
    }


def _seal(seal: Seal) -> dict[str, Any]:
    return {
        "code": seal.code,
        "agency": seal.agency_code,
        "kind": seal.kind,
        "name": seal.name,
        "state": seal.state,
        "state_version": seal.state_version,
        "compromised_since": seal.compromised_since.isoformat() if seal.compromised_since else None,
    }


def _edition(edition: SealEdition, certificate: Certificate) -> dict[str, Any]:
    return {
        "id": edition.id,
        "number": edition.number,
        "certificate_serial": edition.certificate_serial,
        "certificate_state": certificate.state,
        "revoked_at": certificate.revoked_at.isoformat() if certificate.revoked_at else None,
        "width_mm": edition.width_mm,
        "height_mm": edition.height_mm,
        "valid_from": edition.valid_from.isoformat(),
        "valid_to": edition.valid_to.isoformat(),
        "name": edition.name,
        "picture_sha256": sha256(edition.picture).hexdigest(),
        "state": edition.state,
        "in_use_from": _instant_or_none(edition.in_use_from),
        "ended_at": _instant_or_none(edition.ended_at),
        "sealed_away_at": _instant_or_none(edition.sealed_away_at),
    }


def _instant_or_none(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _authorisation(row: StandingAuthorisation) -> dict[str, Any]:
    return {
        "id": row.id,
        "seal_code": row.seal_code,
        "client_id": row.client_id,
        "type_code": row.type_code,
        "valid_from": row.valid_from.isoformat(),
        "valid_to": row.valid_to.isoformat(),
        "daily_limit": row.daily_limit,
        "withdrawn_at": row.withdrawn_at.isoformat() if row.withdrawn_at else None,
    }
