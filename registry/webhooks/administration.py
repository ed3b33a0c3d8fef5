"""What an administrator sees of webhooks on the registry's own machine, and may do about them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.log.rules import Ground
from registry.ports import Surroundings
from registry.webhooks import rules
from registry.webhooks.address import origin_of
from registry.webhooks.kinds import DeliveryState
from registry.webhooks.tables import WebhookDelivery, WebhookEndpoint


def endpoints_on_record(session: Session) -> Iterator[dict[str, Any]]:
    """Members of a JSON object for each endpoint, the oldest first: of its address only the origin."""
    for one in session.scalars(
        select(WebhookEndpoint).order_by(WebhookEndpoint.created_at, WebhookEndpoint.id)
    ):
        yield {
            "id": one.id,
            "agency": one.agency_code,
            "client": one.client_id,
            "origin": origin_of(one.url),
            "state": one.state,
            "failures": one.failures,
            "failing_since": _spoken(one.failing_since),
            "deliveries": rules.counts(session, one.id),
        }


def dead_letters(session: Session, endpoint_id: str) -> Iterator[dict[str, Any]]:
    """Members of a JSON object for each delivery that was given up, the newest event first.

    Raises VermilionError(NOT_FOUND).
    """
    endpoint, after = any_endpoint(session, endpoint_id), None
    while True:
        found, more = rules.deliveries(session, endpoint, DeliveryState.DEAD, after)
        for one in found:
            yield _dead(one)
        if not more:
            return
        after = found[-1].event_id


def disable(
    session: Session, ports: Surroundings, admin: Administrator, endpoint_id: str, ground: Ground
) -> None:
    """Send nothing more to it; its client may activate it again.

    Raises VermilionError: FORBIDDEN, NOT_FOUND.
    """
    in_office(session, admin, Duty.SYSTEM, Duty.SECURITY)
    endpoint = any_endpoint(session, endpoint_id, lock=True)
    rules.deactivate(session, ports, endpoint, admin, ground=ground)


def redeliver(
    session: Session, ports: Surroundings, admin: Administrator, endpoint_id: str, event_id: str
) -> None:
    """As the client may. Raises VermilionError as `rules.redeliver`; FORBIDDEN."""
    in_office(session, admin, Duty.SYSTEM)
    rules.redeliver(session, ports, any_endpoint(session, endpoint_id), admin, event_id)


def redeliver_dead(
    session: Session, ports: Surroundings, admin: Administrator, endpoint_id: str, since: datetime
) -> int:
    """As the client may. Raises VermilionError as `rules.redeliver_dead`; FORBIDDEN."""
    in_office(session, admin, Duty.SYSTEM)
    return rules.redeliver_dead(session, ports, any_endpoint(session, endpoint_id), admin, since)


def any_endpoint(session: Session, endpoint_id: str, *, lock: bool = False) -> WebhookEndpoint:
    """Raises VermilionError(NOT_FOUND)."""
    found = session.get(WebhookEndpoint, endpoint_id, with_for_update=rules.LOCKED if lock else None)
    if found is None:
        raise rules.unknown_endpoint()
    return found


def _dead(row: WebhookDelivery) -> dict[str, Any]:
    return {
        "event": row.event_id,
        "event_at": _spoken(row.event_at),
        "tried_at": _spoken(row.tried_at),
        "attempts": row.attempt,
        "status": row.status,
        "reason": row.reason,
    }


def _spoken(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
