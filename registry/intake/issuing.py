"""The licence of a case that was permitted: ordered with the decision, issued in the background, once.

The order is a row by case, written in the decision's transaction. The licence goes the road of every other,
under an idempotency key of the case's own: whoever issues it, and however often it is tried, there is one.
An order that is refused stays, with its reason, and the case stays permitted: somebody decides it anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy.orm import Session

from keys.canonical import canonical_json, strict_json
from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.intake.applications import MAX_APPLICATION, Application, open_application
from registry.intake.matter_lists import matter_version
from registry.intake.matters import Matter
from registry.intake.moves import CaseState
from registry.intake.tables import Case, CaseIssue
from registry.intake.tasks import require_none_refused
from registry.licences.forms import issue_request
from registry.licences.issue import preview
from registry.licences.issue_many import Ordered
from registry.licences.moment import Moment, moment
from registry.licences.outage import database_errors
from registry.licences.types import known_type
from registry.ports import Ports
from registry.vault import Use, Vault
from signing.licence_type import Role


class IssueState(StrEnum):
    WAITING = "waiting"
    ISSUED = "issued"
    REFUSED = "refused"  # an officer sees why, and orders it anew


def order(
    session: Session,
    ports: Ports,
    case: Case,
    matter: Matter,
    application: Application,
    actor: Actor,
    licence: Mapping[str, Any],
    at: Moment,
) -> CaseIssue:
    """Have the case's licence issued by the client through which it is decided. `licence` has the seal, and
    the number and the fields that the decision says; the rest is the application's.

    Raises VermilionError: INVALID for what is no request for a licence; CONFLICT (`value_refused`);
    UNAVAILABLE.
    """
    value = request_of(session, case, matter, application, actor, licence, at)
    issue_request(value)  # its form, at once: the decision is refused, not the licence later
    require_none_refused(session, ports, case, matter, value["fields"])
    made = CaseIssue(
        case_id=case.id,
        client_id=actor.client_id,
        operator=value["operator"],
        request=close_order(ports.vault, case.id, value),
        state=IssueState.WAITING.value,
        attempt=0,
        due_at=at.now,
        reason=None,
        ended_at=None,
    )
    session.add(made)
    return made


def order_again(
    session: Session,
    ports: Ports,
    case: Case,
    matter: Matter,
    application: Application,
    actor: Actor,
    licence: Mapping[str, Any],
    at: Moment,
) -> CaseIssue:
    """As `order`, for one that was refused, whose row stays the only one.

    Raises VermilionError: as `order`; CONFLICT (`not_refused`); FORBIDDEN (`other_client`) through another
    client than the decision's, by whose key it would be another licence.
    """
    row = session.get(CaseIssue, case.id, with_for_update=True, populate_existing=True)
    if row is None or row.state != IssueState.REFUSED:
        raise VermilionError(Kind.CONFLICT, "no licence of this case was refused", reason="not_refused")
    if row.client_id != actor.client_id:
        detail = "it is ordered anew through the client through which the case was decided"
        raise VermilionError(Kind.FORBIDDEN, detail, reason="other_client")
    value = request_of(session, case, matter, application, actor, licence, at)
    issue_request(value)
    require_none_refused(session, ports, case, matter, value["fields"])
    row.request, row.operator = close_order(ports.vault, case.id, value), value["operator"]
    # Attempts count on: what one of the refused order says late is nobody's word any more.
    row.state, row.due_at, row.reason, row.ended_at = IssueState.WAITING.value, at.now, None, None
    return row


def require_issuable(ports: Ports, actor: Actor, case_id: str, licence: Mapping[str, Any]) -> None:
    """Try what a permission says of the licence before it is decided, so that a wrong value is told then. An
    outage, or a seal that may not be used today, is no reason not to decide.

    Raises VermilionError: INVALID with the faults of a request for a licence; CONFLICT (`number_taken`).
    """
    with database_errors(), Session(ports.database.read) as session:
        case = session.get(Case, case_id)
        if case is None or case.agency_code != actor.agency_code or case.state != CaseState.HANDLING:
            return  # the step itself is refused
        matter = matter_version(session, case.matter_code, case.matter_version)
        if matter.result.licence_type is None:
            return
        application = open_application(ports.vault, case.id, case.application)
        value = request_of(session, case, matter, application, actor, licence, moment(ports))
    system = Actor(actor.client_id, actor.agency_code, actor.scopes, operator=value["operator"])
    try:
        preview(ports, system, issue_request(value))
    except VermilionError as error:
        if error.kind is Kind.INVALID or error.reason == "number_taken":
            raise


def request_of(
    session: Session,
    case: Case,
    matter: Matter,
    application: Application,
    actor: Actor,
    licence: Mapping[str, Any],
    at: Moment,
) -> dict[str, Any]:
    """What `issueLicence` takes: the application's values that the licence's type has, and the decision's."""
    code = matter.result.licence_type
    assert code is not None
    licence_type = known_type(session, code)
    fields: dict[str, Any] = {}
    for one in () if licence_type is None else licence_type.fields:
        if one.role in {Role.ISSUE_DATE, Role.VALID_FROM}:
            fields[one.name] = at.day.isoformat()
        elif one.name in application.fields:
            fields[one.name] = application.fields[one.name]
    return {
        "type": code,
        **{name: licence[name] for name in ("seal", "co_seals", "number") if licence.get(name) is not None},
        "fields": {**fields, **(licence.get("fields") or {})},
        "matter_code": case.matter_code,
        "case_number": case.number,
        "operator": actor.operator or f"person {actor.person_id}",
    }


def close_order(vault: Vault, case_id: str, value: object) -> bytes:
    return vault.encrypt(Use.RECORD, canonical_json(value), _owner(case_id))


def open_order(vault: Vault, case_id: str, kept: bytes) -> Ordered:
    """Raises VermilionError: UNAUTHENTICATED (`record_damaged`); UNAVAILABLE."""
    text = vault.decrypt(Use.RECORD, kept, _owner(case_id))
    value = strict_json(text, max_bytes=2 * MAX_APPLICATION, max_depth=8)
    return Ordered(issue_request(value), idempotency_key(case_id), sha256(text).digest())


def idempotency_key(case_id: str) -> str:
    """It holds a space, which no client's own key does."""
    return f"case {case_id}"


def _owner(case_id: str) -> str:
    return f"case_issue:{case_id}"
