"""What waits for security administration: who and what was put on record, and invitations.

Whoever approves names the keys that they approve, as their holders told them: no page shows those, or
approving would be reading off a screen what somebody else put there.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry import web
from registry.actor import Administrator, Duty
from registry.agencies.enrolments import decide, told_of_enrolment, waiting
from registry.agencies.tables import Agency, Enrolment, Person
from registry.console import invitations
from registry.console.browser import (
    administrator,
    agency_name,
    at,
    blueprint,
    form,
    fresh,
    go,
    live,
    page,
    said,
    words,
)
from registry.console.rendering import language_of
from registry.licences.outage import database_errors
from registry.licences.types import known_type

ENROLMENTS = "/console/enrolments"
SHOWN = 100


@blueprint.get("/enrolments")
def enrolments() -> Response:
    administrator(*Duty)
    return _enrolments_page()


def _enrolments_page(error: VermilionError | None = None, code: str | None = None) -> Response:
    with database_errors(), Session(web.ports().database.read) as session:
        enrolled, invited = waiting_for_security(session)
    did = request.args.get("done")
    return page(
        "enrolments.html",
        error=error,
        waiting=enrolled,
        invited=invited,
        releases=_is_security(),
        code=code,
        fault=None if error is None else said(error.reason),
        done=words()[f"done_{did}"] if did in {"approve", "refuse"} else None,
    )


def waiting_for_security(session: Session) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Enrolments and invitations, at most a hundred of each, the oldest first."""
    open_now = [_row(session, told_of_enrolment(session, one)) for one in waiting(session, SHOWN)]
    mine = live().person_id
    invited = [
        {
            "id": told["invitation"],
            "name": told["name"],
            "account": told["account"],
            "by": session.get_one(Person, told["invited_by"]).name,
            "own": mine in {told["person"], told["invited_by"]},
        }
        for told in islice(invitations.waiting(session, web.ports().clock()), SHOWN)
    ]
    return open_now, invited


def _is_security() -> bool:
    acting = live().actor
    return isinstance(acting, Administrator) and acting.duty is Duty.SECURITY


def _row(session: Session, told: dict[str, Any]) -> dict[str, Any]:
    agency = None if told["agency"] is None else session.get(Agency, told["agency"])
    return {
        "id": told["id"],
        "kind": words()[f"enrolment_{told['kind']}"],
        "name": told["name"],
        "agency": None if agency is None else agency_name(agency),
        "by": session.get_one(Person, told["enrolled_by"]).name,
        "at": at(told["enrolled_at"]),
    }


@blueprint.get("/enrolments/<hex32:subject>")
def enrolment(subject: str) -> Response:
    administrator(*Duty)
    return _enrolment_page(subject)


@blueprint.post("/enrolments/<hex32:subject>")
def decide_enrolment(subject: str) -> Response:
    fresh()
    admin, ports, told = administrator(Duty.SECURITY), web.ports(), form()
    decision = told.get("decision")
    if decision not in {"approve", "refuse"}:
        raise VermilionError(Kind.MALFORMED, "the form lacks its decision", reason="request")
    seen = told.get("thumbprints", "").split()
    try:
        with database_errors(), ports.database.transaction() as session:
            decide(session, ports, admin, subject=subject, approve=decision == "approve", seen=seen)
    except VermilionError as error:
        if error.kind is not Kind.CONFLICT:
            raise
        return _enrolment_page(subject, error, told.get("thumbprints", "")[:400])
    return go(f"{ENROLMENTS}?done={decision}")


def _enrolment_page(subject: str, error: VermilionError | None = None, kept: str = "") -> Response:
    told = words()
    with database_errors(), Session(web.ports().database.read) as session:
        found = session.get(Enrolment, subject)
        if found is None:
            raise VermilionError(Kind.NOT_FOUND, "nobody of this id was enrolled", reason="enrolment_unknown")
        shown = told_of_enrolment(session, found)
        row = _row(session, shown)
        asks = [(told[f"asks_{name}"], _asked(session, name, value)) for name, value in found.asked.items()]
    acting, mine = live().actor, live().person_id
    decider = isinstance(acting, Administrator) and acting.duty is Duty.SECURITY and found.state == "open"
    own = mine in {found.enrolled_by, subject}
    return page(
        "enrolment.html",
        error=error,
        one=row,
        asks=asks,
        authority=shown["seal_authority"],
        keys=len(shown["thumbprints"]),
        state=told[f"approval_{found.state}"],
        may_decide=decider and not own,
        own=decider and own,
        kept=kept,
        fault=None if error is None else said(error.reason),
    )


def _asked(session: Session, name: str, value: Any) -> str:
    """What is asked for, in words."""
    told, lang = words(), language_of(request)
    if name == "duty":
        return told[f"role_{value}"]
    if name == "types":
        known = ((code, known_type(session, code)) for code in value)
        return told["comma"].join(code if found is None else found.name[lang] for code, found in known)
    if name in {"roles", "scopes"}:
        return told["comma"].join(told[f"{name[:-1]}_{one}"] for one in value)
    return str(value)


@blueprint.post("/enrolments")
def release_invitation() -> Response:
    """The code is shown on this one page, and exists nowhere else."""
    fresh()
    admin, ports = administrator(Duty.SECURITY), web.ports()
    invitation_id = form().get("invitation", "")
    try:
        with database_errors(), ports.database.transaction() as session:
            code = invitations.release(session, ports, admin, invitation_id=invitation_id)
    except VermilionError as error:
        if error.kind is not Kind.CONFLICT:
            raise
        return _enrolments_page(error)
    return _enrolments_page(code=code)
