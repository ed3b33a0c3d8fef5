"""What waits for a decision: read and decided by an approver, bound to the digest of what was shown."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry import web
from registry.agencies.rules import SCOPE_SEAL
from registry.agencies.tables import Person
from registry.console.browser import at, blueprint, form, fresh, go, live, page, staff, words
from registry.console.grounds import fault_of
from registry.console.seal_pages import agency_names, png, told_of
from registry.licences.outage import database_errors
from registry.seals import applications, rules
from registry.seals.api import DecisionBody, made_known
from registry.seals.approvals import asked_by, waiting
from registry.seals.duties import APPLICATIONS, approval_seen_by, authority_person
from registry.seals.records_api import picture_applied_for
from registry.seals.tables import ApplicationPicture, Approval, Seal

APPROVALS = "/console/approvals"


@blueprint.get("/approvals")
def approvals() -> Response:
    with database_errors(), Session(web.ports().database.read) as session:
        rows = waiting_rows(session)
    did = request.args.get("done")
    done = words()[f"done_{did}"] if did in {"approve", "refuse"} else None
    return page("approvals.html", waiting=rows, done=done)


def waiting_rows(session: Session) -> list[dict[str, Any]]:
    """What waits for whoever is signed in. Raises VermilionError(FORBIDDEN) for who decides nothing."""
    found = waiting(session, staff(SCOPE_SEAL), web.ports().clock())
    return [_row(session, one) for one in found]


def asked_rows(session: Session) -> list[dict[str, Any]]:
    """What whoever is signed in asked for, and waits for others."""
    return [_row(session, one) for one in asked_by(session, live().person_id, web.ports().clock())]


def _row(session: Session, one: Approval) -> dict[str, Any]:
    seal = None if one.seal_code is None else session.get(Seal, one.seal_code)
    agency = str(one.payload["agency"]) if seal is None else seal.agency_code
    return {
        "id": one.id,
        "action": words()[f"action_{one.action}"],
        "name": one.payload.get("name") or (seal.name if seal else ""),
        "code": one.seal_code,
        "agency": agency_names(session, {agency}).get(agency, agency),
        "by": session.get_one(Person, one.requested_by).name,
        "at": at(one.requested_at),
        "expires": at(one.expires_at),
    }


@blueprint.get("/approvals/<hex32:approval_id>")
def approval(approval_id: str) -> Response:
    return _approval_page(approval_id)


@blueprint.post("/approvals/<hex32:approval_id>")
def decide_approval(approval_id: str) -> Response:
    fresh()
    actor, ports, told = staff(SCOPE_SEAL), web.ports(), form()
    with database_errors(), Session(ports.database.read) as session:
        authority_person(session, actor, "approver")  # before anything is said of the form
    try:
        body = web.parse(DecisionBody, {name: told.get(name, "") for name in ("decision", "payload_sha256")})
        approve, digest = body.decision == "approve", bytes.fromhex(body.payload_sha256)
        with database_errors(), ports.database.transaction() as session:
            found = approval_seen_by(session, actor, approval_id)
            decide = applications.decide_application if found.action in APPLICATIONS else rules.decide_change
            decided, _ = decide(session, ports, actor, approval_id, digest, approve=approve)
            code, changes = decided.seal_code, decided.action not in APPLICATIONS
    except VermilionError as error:
        if error.kind not in {Kind.INVALID, Kind.CONFLICT}:
            raise
        return _approval_page(approval_id, error)
    if approve and changes and code is not None:
        made_known(code)
    return go(f"{APPROVALS}?done={body.decision}")


def _approval_page(approval_id: str, error: VermilionError | None = None) -> Response:
    actor, told = staff(SCOPE_SEAL), words()
    with database_errors(), Session(web.ports().database.read) as session:
        found = approval_seen_by(session, actor, approval_id)
        row = _row(session, found)
        pictured = session.get(ApplicationPicture, found.id) is not None
    now = web.ports().clock()
    state = "expired" if found.state == "open" and found.expires_at <= now else found.state
    decider = live().seal_authority and "approver" in actor.roles
    fault, _ = fault_of(error, ())
    return page(
        "approval.html",
        error=error,
        one=row,
        rows=told_of(found.payload),
        pictured=pictured,
        digest=found.payload_sha256.hex(),
        state=told[f"approval_{state}"],
        may_decide=decider and state == "open" and found.requested_by != actor.person_id,
        own=decider and state == "open" and found.requested_by == actor.person_id,
        fault=fault,
    )


@blueprint.get("/approvals/<hex32:approval_id>/picture")
def approval_picture(approval_id: str) -> Response:
    """The very picture that is to be approved and made, as a PNG."""
    actor = staff(SCOPE_SEAL)
    with database_errors(), Session(web.ports().database.read) as session:
        data = picture_applied_for(session, approval_seen_by(session, actor, approval_id))
    return png(data)
