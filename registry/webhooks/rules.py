"""What may be done with endpoints and what was sent to them.

An endpoint is its client's own: it is told of what that client may act on, and no other client of the agency
finds it. A secret is told to the request that it was made for, and for an hour to the very same request
again, so that an answer that was lost costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry.actor import Actor, Administrator
from registry.agencies.tables import Client, ClientType
from registry.licences.duties import require_officer
from registry.log.rules import Ground, record_event
from registry.ports import Ports, Surroundings
from registry.rows import changed_rows
from registry.webhooks.address import check_url, origin_of
from registry.webhooks.kinds import DeliveryState, EndpointState
from registry.webhooks.secrets import close_secret, new_secret, open_secret
from registry.webhooks.tables import WebhookDelivery, WebhookEndpoint, WebhookSecret

LEGAL_BASIS = "GB/T 36906-2018"
"""What it rests on: the sharing services of electronic licences."""

MAX_ACTIVE = 20  # endpoints of one client: each event is written down for every one
MAX_SIGNING = 4  # secrets of one endpoint that sign at the same time
TOLD_AGAIN = timedelta(hours=1)
PAGE = 100
LOCKED: Any = {"key_share": True}  # for an endpoint's row: events that refer to it are recorded meanwhile
SLICE = 1000  # deliveries that are put in the queue again together


@dataclass(frozen=True, slots=True)
class Wanted:
    """An endpoint as it is asked for; no kinds: all of them, no types: all that the client may act on."""

    url: str
    events: Sequence[str] = ()
    types: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """An endpoint, and the secret that was made for it just now."""

    endpoint: WebhookEndpoint
    number: int
    secret: bytes


def register(session: Session, ports: Ports, actor: Actor, wanted: Wanted) -> Made:
    """A new endpoint, with its first secret. The vault is ready.

    Raises VermilionError: FORBIDDEN; INVALID (`url`, `url_scheme`, `address_refused`, `type_not_entitled`);
    CONFLICT (`too_many_webhooks`).
    """
    require_officer(actor)
    check_url(wanted.url, ports.settings.webhook_permitted)
    entitled = set(
        session.scalars(select(ClientType.type_code).where(ClientType.client_id == actor.client_id))
    )
    for place, code in enumerate(wanted.types):
        if code not in entitled:
            detail = "the client may not act on this licence type"
            raise field_fault(f"/types/{place}", "type_not_entitled", detail)
    _require_room(session, actor)
    endpoint = WebhookEndpoint(
        id=ports.random(16).hex(),
        client_id=actor.client_id,
        agency_code=actor.agency_code,
        url=wanted.url,
        events=sorted(set(wanted.events)),
        types=sorted(set(wanted.types)),
        state=EndpointState.ACTIVE.value,
        failures=0,
        failing_since=None,
        rest_until=None,
        created_at=ports.clock(),
    )
    session.add(endpoint)
    session.flush()  # the secret refers to its row
    made = _add_secret(session, ports, endpoint, 1)
    _record(session, ports, endpoint, actor, "registered", _shown(endpoint))
    return made


def rotate(
    session: Session, ports: Ports, actor: Actor, endpoint: WebhookEndpoint, overlap: timedelta
) -> Made:
    """A new secret for an endpoint, its row locked; those before it go on signing beside it for as long as
    `overlap` says, or as they had to anyway. The vault is ready. Raises VermilionError(CONFLICT,
    `too_many_secrets`).
    """
    now = ports.clock()
    until = now + overlap
    of_endpoint = WebhookSecret.endpoint_id == endpoint.id
    still = or_(WebhookSecret.signs_until.is_(None), WebhookSecret.signs_until > until)
    changed_rows(session, update(WebhookSecret).where(of_endpoint, still).values(signs_until=until))
    signing = select(func.count()).where(of_endpoint, WebhookSecret.signs_until > now)
    if (session.scalar(signing) or 0) >= MAX_SIGNING:
        detail = (
            f"{MAX_SIGNING} secrets sign already: let one come to its end, or rotate with an overlap of 0"
        )
        raise VermilionError(Kind.CONFLICT, detail, reason="too_many_secrets")
    newest = session.scalar(select(func.max(WebhookSecret.number)).where(of_endpoint)) or 0
    made = _add_secret(session, ports, endpoint, newest + 1)
    turned = {"secret": made.number, "overlap_hours": int(overlap / timedelta(hours=1))}
    _record(session, ports, endpoint, actor, "secret_rotated", turned)
    return made


def told_again(session: Session, ports: Ports, endpoint: WebhookEndpoint, number: int) -> bytes | None:
    """A secret for whoever asks by the very request that it was made for: None once that is an hour ago, or
    it signs no more. The vault is ready. Raises VermilionError: UNAUTHENTICATED; UNAVAILABLE.
    """
    found = session.get_one(WebhookSecret, (endpoint.id, number))
    now = ports.clock()
    if now >= found.created_at + TOLD_AGAIN or (found.signs_until is not None and now >= found.signs_until):
        return None
    return open_secret(ports.vault, endpoint.id, number, found.secret)


def deactivate(
    session: Session,
    ports: Surroundings,
    endpoint: WebhookEndpoint,
    by: Actor | Administrator | None,
    state: EndpointState = EndpointState.DISABLED,
    ground: Ground | None = None,
) -> None:
    """Send nothing more to it, its row locked; what waits is given up by the worker, to be sent again on
    demand. The same again changes nothing. `by` is None where the registry does so by itself.
    """
    if endpoint.state == EndpointState.ACTIVE:
        endpoint.state = state.value
        _record(session, ports, endpoint, by, "disabled", {"state": state.value}, ground)


def activate(session: Session, ports: Ports, actor: Actor, endpoint: WebhookEndpoint) -> None:
    """Tell it of events from now on, its row locked. What was given up is sent where somebody asks for it.

    Raises VermilionError: CONFLICT (`too_many_webhooks`); INVALID where its address may no longer be called.
    """
    if endpoint.state == EndpointState.ACTIVE:
        return
    check_url(endpoint.url, ports.settings.webhook_permitted)
    _require_room(session, actor)
    endpoint.state = EndpointState.ACTIVE.value
    endpoint.failures, endpoint.failing_since, endpoint.rest_until = 0, None, None
    _record(session, ports, endpoint, actor, "enabled", {})


def own_endpoint(session: Session, actor: Actor, endpoint_id: str, *, lock: bool = False) -> WebhookEndpoint:
    """The client's endpoint. Raises VermilionError: FORBIDDEN; NOT_FOUND alike for another's and for none."""
    require_officer(actor)
    endpoint = session.get(WebhookEndpoint, endpoint_id, with_for_update=LOCKED if lock else None)
    if endpoint is None or (endpoint.client_id, endpoint.agency_code) != (actor.client_id, actor.agency_code):
        raise unknown_endpoint()
    return endpoint


def unknown_endpoint() -> VermilionError:
    return VermilionError(Kind.NOT_FOUND, "there is no such endpoint", reason="webhook_unknown")


def endpoints(
    session: Session, actor: Actor, after: str, size: int = PAGE
) -> tuple[list[WebhookEndpoint], bool]:
    """At most `size` of the client's endpoints behind the id `after`, and whether there are more."""
    require_officer(actor)
    of_client = select(WebhookEndpoint).where(
        WebhookEndpoint.client_id == actor.client_id, WebhookEndpoint.id > after
    )
    found = session.scalars(of_client.order_by(WebhookEndpoint.id).limit(size + 1)).all()
    return list(found[:size]), len(found) > size


def signing(session: Session, endpoint_id: str, now: datetime) -> list[WebhookSecret]:
    """The secrets under which deliveries are signed now, the newest first."""
    wanted = select(WebhookSecret).where(
        WebhookSecret.endpoint_id == endpoint_id,
        or_(WebhookSecret.signs_until.is_(None), WebhookSecret.signs_until > now),
    )
    return list(session.scalars(wanted.order_by(WebhookSecret.number.desc())))


def counts(session: Session, endpoint_id: str) -> dict[str, int]:
    """How many deliveries are in which state; states of none are left out."""
    grouped = (
        select(WebhookDelivery.state, func.count())
        .where(WebhookDelivery.endpoint_id == endpoint_id)
        .group_by(WebhookDelivery.state)
    )
    return {str(state): int(count) for state, count in session.execute(grouped)}


def delivery(session: Session, endpoint: WebhookEndpoint, event_id: str) -> WebhookDelivery:
    """Raises VermilionError(NOT_FOUND)."""
    found = session.get(WebhookDelivery, (event_id, endpoint.id), populate_existing=True)
    if found is None:
        raise VermilionError(Kind.NOT_FOUND, "this event was not to be told there", reason="delivery_unknown")
    return found


def deliveries(
    session: Session,
    endpoint: WebhookEndpoint,
    state: DeliveryState | None,
    after: str | None,
    size: int = PAGE,
) -> tuple[list[WebhookDelivery], bool]:
    """At most `size` deliveries, the newest event first, behind that of the event `after`; and whether there
    are more. Raises VermilionError(NOT_FOUND).
    """
    behind = () if after is None else _behind(delivery(session, endpoint, after))
    found: list[WebhookDelivery] = []
    for one in DeliveryState if state is None else [state]:
        wanted = (
            select(WebhookDelivery)
            .where(WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state == one, *behind)
            .order_by(WebhookDelivery.event_at.desc(), WebhookDelivery.event_id.desc())
            .limit(size + 1)
        )
        found += session.scalars(wanted)
    found.sort(key=lambda row: (row.event_at, row.event_id), reverse=True)
    return found[:size], len(found) > size


def redeliver(
    session: Session, ports: Surroundings, endpoint: WebhookEndpoint, by: Actor | Administrator, event_id: str
) -> WebhookDelivery:
    """Send an event again, whatever became of it, under the id that it has.

    Raises VermilionError: NOT_FOUND; CONFLICT (`webhook_state`) where the endpoint is not active.
    """
    delivery(session, endpoint, event_id)
    _again(session, ports, endpoint, by, [event_id])
    return delivery(session, endpoint, event_id)


def redeliver_dead(
    session: Session,
    ports: Surroundings,
    endpoint: WebhookEndpoint,
    by: Actor | Administrator,
    since: datetime,
) -> int:
    """Put in the queue again what was given up, of events recorded since then: at most a thousand, how many.
    Whoever wants all asks until there are none. Raises VermilionError(CONFLICT) as `redeliver`.
    """
    dead = (
        select(WebhookDelivery.event_id)
        .where(
            WebhookDelivery.endpoint_id == endpoint.id,
            WebhookDelivery.state == DeliveryState.DEAD,
            WebhookDelivery.event_at >= since,
        )
        .order_by(WebhookDelivery.event_at, WebhookDelivery.event_id)
        .limit(SLICE)
    )
    return _again(session, ports, endpoint, by, session.scalars(dead).all())


def _again(
    session: Session,
    ports: Surroundings,
    endpoint: WebhookEndpoint,
    by: Actor | Administrator,
    event_ids: Sequence[str],
) -> int:
    if endpoint.state != EndpointState.ACTIVE:
        raise VermilionError(Kind.CONFLICT, "the endpoint is not active", reason="webhook_state")
    if not event_ids:
        return 0
    resting = update(WebhookEndpoint).where(
        WebhookEndpoint.id == endpoint.id, WebhookEndpoint.rest_until.is_not(None)
    )
    changed_rows(session, resting.values(rest_until=None))  # somebody says that it is back
    wanted = update(WebhookDelivery).where(
        WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.event_id.in_(event_ids)
    )
    values = {
        "state": DeliveryState.WAITING.value,
        "attempt": 0,
        "fence": WebhookDelivery.fence + 1,
        "due_at": ports.clock(),
    }
    count = changed_rows(session, wanted.values(values))
    detail: dict[str, Any] = {"events": count}
    if len(event_ids) == 1:
        detail["event"] = event_ids[0]
    _record(session, ports, endpoint, by, "redelivered", detail)
    return count


def _behind(row: WebhookDelivery) -> tuple[Any, ...]:
    at, event_id = WebhookDelivery.event_at, WebhookDelivery.event_id
    return at <= row.event_at, or_(at < row.event_at, event_id < row.event_id)


def _add_secret(session: Session, ports: Ports, endpoint: WebhookEndpoint, number: int) -> Made:
    secret = new_secret(ports.random)
    session.add(
        WebhookSecret(
            endpoint_id=endpoint.id,
            number=number,
            secret=close_secret(ports.vault, endpoint.id, number, secret),
            signs_until=None,
            created_at=ports.clock(),
        )
    )
    session.flush()
    return Made(endpoint, number, secret)


def _require_room(session: Session, actor: Actor) -> None:
    """The client's row is locked: who registers at the same time is counted."""
    session.get_one(Client, actor.client_id, with_for_update=LOCKED)
    active = select(func.count()).where(
        WebhookEndpoint.client_id == actor.client_id, WebhookEndpoint.state == EndpointState.ACTIVE
    )
    if (session.scalar(active) or 0) >= MAX_ACTIVE:
        raise VermilionError(
            Kind.CONFLICT, f"the client has {MAX_ACTIVE} active endpoints", reason="too_many_webhooks"
        )


def _shown(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {"origin": origin_of(endpoint.url), "events": endpoint.events, "types": endpoint.types}


def _record(
    session: Session,
    ports: Surroundings,
    endpoint: WebhookEndpoint,
    by: Actor | Administrator | None,
    what: str,
    detail: Mapping[str, Any],
    ground: Ground | None = None,
) -> None:
    now = ports.clock()
    record_event(
        session,
        kind=f"webhook.{what}",
        subject_kind="webhook",
        subject=endpoint.id,
        ground=ground or Ground(LEGAL_BASIS, what, now.astimezone(ports.settings.tz).date()),
        actor=by,
        now=now,
        random=ports.random,
        detail=detail,
    )
