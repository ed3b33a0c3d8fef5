"""Issuing one licence, or saying what would be issued: a group of one (`registry.licences.issue_many`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.actor import Actor
from registry.licences.duties import require_officer
from registry.licences.examine import IssueRequest
from registry.licences.issue_many import Ordered, examine_all, issue_all, setting_now
from registry.licences.issued import Issued
from registry.licences.outage import database_errors
from registry.licences.printing import preview_printout, printout_of, unsigned_credential
from registry.licences.reserve import Wanted, reserve
from registry.ports import Ports
from signing.record import Record

__all__ = ["IssueRequest", "Issued", "Preview", "issue", "issue_beside_others", "preview"]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a dry run would have issued. Identifier, slot, link and code would be drawn anew."""

    record: Record
    seal_code: str


def issue(
    ports: Ports,
    actor: Actor,
    request: IssueRequest,
    idempotency_key: str,
    body_sha256: bytes,
    *,
    dry_run: bool = False,
) -> Issued | Preview:
    """Issue a licence, or say what would be issued.

    The same key and body again give the same sealed bytes (`replayed`). A dry run checks, reserves, draws
    and rolls back; it touches no key, custodian or store, and ignores the idempotency key. What can be
    refused by reading is refused without a transaction that writes.

    Raises VermilionError: INVALID with faults; FORBIDDEN (`role`, `type_not_entitled`, `seal_unknown`,
    `not_authorised`); CONFLICT (`number_taken`, the seal's state, or a state that changed while sealing);
    IDEMPOTENCY_REUSED; IN_PROGRESS; KEY_REFUSED; UNAVAILABLE. After any of them nothing is half done: the
    intent is abandoned, here or by recovery once its lease lapses.
    """
    if dry_run:
        return preview(ports, actor, request)
    actor = replace(actor, operator=request.operator)
    (outcome,) = issue_all(ports, actor, [Ordered(request, idempotency_key, body_sha256)])
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def issue_beside_others(
    ports: Ports, actor: Actor, request: IssueRequest, idempotency_key: str, body_sha256: bytes
) -> Issued:
    """As `issue`, together with what the same actor asks of this process meanwhile. Raises as `issue`."""
    actor = replace(actor, operator=request.operator)
    order = Ordered(request, idempotency_key, body_sha256)
    outcome = ports.gathering.together(actor, order, partial(issue_all, ports, actor))
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def preview(ports: Ports, actor: Actor, request: IssueRequest) -> Preview:
    """What `issue` calls a dry run. Raises as that."""
    actor = replace(actor, operator=request.operator)
    require_officer(actor)
    ports.vault.ready()
    with database_errors():
        return _preview(ports, actor, request)


def _preview(ports: Ports, actor: Actor, request: IssueRequest) -> Preview:
    (examined,) = examine_all(ports, actor, [request])
    if isinstance(examined, Exception):
        raise examined
    wanted = Wanted(ports.random(16).hex(), request, examined, None)
    with Session(ports.database.write) as session, session.begin() as transaction:
        (reserved,) = reserve(session, actor, [wanted], setting_now(ports))
        transaction.rollback()
    if isinstance(reserved, VermilionError):
        raise reserved
    credential = unsigned_credential(reserved.record, examined.loaded.type, reserved.qr.suite)
    preview_printout(ports, reserved, printout_of(reserved, credential))
    return Preview(reserved.record, request.seal_code)
