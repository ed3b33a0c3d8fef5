"""A request of one person that another decides: it binds the digest of what is approved, and expires."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import literal, select, tuple_, update
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from keys.errors import Kind, VermilionError, field_fault
from registry.actor import Actor
from registry.ports import Ports
from registry.rows import changed_rows
from registry.seals.duties import approval_seen_by, authority_person
from registry.seals.tables import Approval


def payload_digest(payload: dict[str, Any]) -> bytes:
    """SHA-256 of the canonical JSON of what is to be approved."""
    return hashlib.sha256(canonical_json(payload)).digest()


def request(
    session: Session, ports: Ports, actor: Actor, action: str, code: str | None, payload: dict[str, Any]
) -> Approval:
    now = ports.clock()
    assert actor.person_id is not None
    approval = Approval(
        id=ports.random(16).hex(),
        action=action,
        seal_code=code,
        payload=payload,
        payload_sha256=payload_digest(payload),
        requested_by=actor.person_id,
        requested_via=actor.client_id,
        requested_at=now,
        expires_at=now + timedelta(days=ports.settings.approval_days),
        state="open",
        decided_by=None,
        decided_at=None,
    )
    session.add(approval)
    session.flush()
    return approval


def waiting(
    session: Session, actor: Actor, now: datetime, limit: int = 100, after: str | None = None
) -> list[Approval]:
    """What waits for an approver of a seal authority, what ends first coming first, behind the request
    `after`; their own requests are another's.

    Raises VermilionError(FORBIDDEN, NOT_FOUND).
    """
    person = authority_person(session, actor, "approver")
    wanted = select(Approval).where(
        Approval.state == "open", Approval.expires_at > now, Approval.requested_by != person
    )
    if after is not None:
        last = approval_seen_by(session, actor, after)
        place = tuple_(literal(last.expires_at, Approval.expires_at.type), literal(last.id))
        wanted = wanted.where(tuple_(Approval.expires_at, Approval.id) > place)
    return list(session.scalars(wanted.order_by(Approval.expires_at, Approval.id).limit(limit)))


def asked_by(session: Session, person_id: str, now: datetime, limit: int = 100) -> list[Approval]:
    """What this person asked for and nobody has decided, the oldest first."""
    wanted = select(Approval).where(
        Approval.state == "open", Approval.expires_at > now, Approval.requested_by == person_id
    )
    return list(session.scalars(wanted.order_by(Approval.expires_at, Approval.id).limit(limit)))


def decide(
    session: Session,
    ports: Ports,
    actor: Actor,
    approval_id: str,
    payload_sha256: bytes,
    actions: Collection[str],
    *,
    approve: bool,
) -> Approval:
    """Take the decision exactly once. The person counts, through whatever client they come."""
    person = authority_person(session, actor, "approver")
    approval = session.get(Approval, approval_id)
    if approval is None or approval.action not in actions:
        raise VermilionError(Kind.NOT_FOUND, "no such request", reason="approval_unknown")
    if approval.requested_by == person:
        raise VermilionError(
            Kind.FORBIDDEN, "whoever asked for something may not decide it", reason="same_person"
        )
    if payload_sha256 != approval.payload_sha256 or payload_digest(approval.payload) != payload_sha256:
        detail = "the digest is not that of what is to be decided"
        raise field_fault("/payload_sha256", "payload_digest", detail, Kind.CONFLICT)
    now = ports.clock()
    statement = (
        update(Approval)
        .where(Approval.id == approval_id, Approval.state == "open", Approval.expires_at > now)
        .values(state="approved" if approve else "refused", decided_by=person, decided_at=now)
    )
    if changed_rows(session, statement) != 1:
        reason = "expired" if approval.state == "open" and approval.expires_at <= now else "decided"
        raise VermilionError(Kind.CONFLICT, "the request was decided, or has expired", reason=reason)
    session.refresh(approval)
    return approval
