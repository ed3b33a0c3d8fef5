"""Which worker sends what: claimed for a while, by several processes at once, and put down in groups.

PostgreSQL's workers skip what another is claiming; SQLite has one writer. A claim raises the delivery's
fence, so that what an earlier holder says of it later counts no more, and lapses with its lease: whoever
claims it then sends the same event under the same id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import ColumnElement, Update, case, delete, exists, literal, or_, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.agencies.tables import Client
from registry.database import Instant
from registry.log.tables import Event
from registry.outgoing.attempts import Outcome, Tried
from registry.outgoing.retries import LONGEST_QUIET, OUT, PATIENCE, receiver_rest, rest
from registry.ports import Ports
from registry.rows import SLICE, changed_rows, in_slices
from registry.webhooks.kinds import DeliveryState, EndpointState, Told
from registry.webhooks.rules import LOCKED, deactivate, signing
from registry.webhooks.secrets import open_secret
from registry.webhooks.tables import WebhookDelivery, WebhookEndpoint

LEASE = timedelta(minutes=2)
KEPT = timedelta(days=30)  # for which what was delivered can be looked up and sent again
GONE = 410
OVERLOADED = frozenset({429, 503})

_Wanted = tuple[ColumnElement[bool], ...]
_T = TypeVar("_T")
_K = TypeVar("_K")


@dataclass(frozen=True, slots=True)
class Receiver:
    """An endpoint that something is due for."""

    id: str
    url: str
    failures: int  # in a row


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery for the caller alone, until its lease ends."""

    receiver: Receiver
    event_id: str
    fence: int
    attempt: int  # how often it was tried before
    body: bytes
    secrets: tuple[bytes, ...]
    lease_until: datetime


def due(ports: Ports) -> list[Receiver]:
    """The endpoints that something is due for: active ones of active clients that do not rest."""
    now = ports.clock()
    waiting = exists().where(
        WebhookDelivery.endpoint_id == WebhookEndpoint.id,
        WebhookDelivery.state == DeliveryState.WAITING,
        WebhookDelivery.due_at <= now,
    )
    wanted = (
        select(WebhookEndpoint.id, WebhookEndpoint.url, WebhookEndpoint.failures)
        .join(Client, Client.id == WebhookEndpoint.client_id)
        .where(
            WebhookEndpoint.state == EndpointState.ACTIVE,
            Client.active,
            or_(WebhookEndpoint.rest_until.is_(None), WebhookEndpoint.rest_until <= now),
            waiting,
        )
        .order_by(WebhookEndpoint.id)
    )
    with ports.database.read.connect() as connection:
        return [Receiver(*row) for row in connection.execute(wanted)]


def claim(
    ports: Ports, wanted: Sequence[tuple[Receiver, int]], defects: list[tuple[str, Exception]]
) -> list[Claimed]:
    """For each endpoint at most so many deliveries, those due longest first. The vault is ready.

    What keeps one endpoint's deliveries from being read is added to `defects`, by its id; they are due again
    when their leases end.
    """
    now = ports.clock()
    lease_until = now + LEASE
    found: list[tuple[Receiver, Sequence[tuple[str, int, int]]]] = []
    with ports.database.transaction() as session:
        for receiver, most in wanted:
            of_endpoint = (
                WebhookDelivery.endpoint_id == receiver.id,
                WebhookDelivery.state == DeliveryState.WAITING,
            )
            first = (
                select(WebhookDelivery.event_id)
                .where(*of_endpoint, WebhookDelivery.due_at <= now)
                .order_by(WebhookDelivery.due_at)
                .limit(most)
                .with_for_update(skip_locked=True)
            )
            ids = session.scalars(first).all()
            if not ids:
                continue
            taken = (
                update(WebhookDelivery)
                .where(*of_endpoint, WebhookDelivery.event_id.in_(ids))
                .values(fence=WebhookDelivery.fence + 1, due_at=lease_until)
                .returning(WebhookDelivery.event_id, WebhookDelivery.fence, WebhookDelivery.attempt)
            )
            rows = session.execute(taken, execution_options={"synchronize_session": False})
            found.append((receiver, [(row.event_id, row.fence, row.attempt) for row in rows]))
    claimed: list[Claimed] = []
    for receiver, taken_rows in found:
        try:
            claimed += _read(ports, receiver, taken_rows, now, lease_until)
        except Exception as error:
            if isinstance(error, VermilionError) and error.kind is Kind.UNAVAILABLE:
                raise
            defects.append((receiver.id, error))
    return claimed


def _read(
    ports: Ports,
    receiver: Receiver,
    rows: Sequence[tuple[str, int, int]],
    now: datetime,
    lease_until: datetime,
) -> Iterator[Claimed]:
    columns = (
        Event.id, Event.kind, Event.subject, Event.recorded_at, Event.effective_from, Event.detail,
    )  # fmt: skip
    with Session(ports.database.read) as session:
        kept = signing(session, receiver.id, now)
        events = {
            row.id: Told(*row)
            for row in session.execute(select(*columns).where(Event.id.in_([row[0] for row in rows])))
        }
    secrets = tuple(open_secret(ports.vault, receiver.id, one.number, one.secret) for one in kept)
    for event_id, fence, attempt in rows:
        body = events[event_id].body()
        yield Claimed(receiver, event_id, fence, attempt, body, secrets, lease_until)


def give_back(ports: Ports, claimed: Sequence[Claimed]) -> None:
    """Claimed and not sent: due again at once."""
    if claimed:
        now = ports.clock()
        with ports.database.transaction() as session:
            for (endpoint_id, fence), some in _grouped(claimed, lambda one: (one.receiver.id, one.fence)):
                held = _held(endpoint_id, fence, [one.event_id for one in some])
                changed_rows(session, held.values(due_at=now))


def put_down(ports: Ports, tried: Sequence[Tried[Claimed]]) -> dict[str, EndpointState]:
    """What came of attempts, by a statement for all that came to the same; the endpoints that are sent
    nothing more because of it, by id.

    What somebody else holds meanwhile, or was asked for anew, stays as it is.
    """
    rests = {
        (one.claimed.receiver.id, one.claimed.event_id): rest(
            one.claimed.attempt + 1, ports.random, one.outcome.asked
        )
        for one in tried
        if one.outcome.reason is not None
    }

    def pause(one: Tried[Claimed]) -> timedelta | None:
        return rests.get((one.claimed.receiver.id, one.claimed.event_id))

    def came_to(one: Tried[Claimed]) -> tuple[str, int, DeliveryState, int | None, str | None]:
        claimed, outcome = one.claimed, one.outcome
        if outcome.reason is None:
            state = DeliveryState.DELIVERED
        else:
            state = DeliveryState.DEAD if pause(one) is None else DeliveryState.WAITING
        return claimed.receiver.id, claimed.fence, state, outcome.status, outcome.reason

    with ports.database.transaction() as session:
        ended = _judge(session, ports, tried)  # first: endpoints are locked before what is sent to them
        for (endpoint_id, fence, state, status, reason), some in _grouped(tried, came_to):
            at = max(one.at for one in some)
            due: object = at + KEPT if state is DeliveryState.DELIVERED else None
            if state is DeliveryState.WAITING:
                each = {one.claimed.event_id: at + (pause(one) or timedelta()) for one in some}
                moments = {event_id: literal(moment, Instant()) for event_id, moment in each.items()}
                due = case(moments, value=WebhookDelivery.event_id)
            values = {
                "state": state.value, "attempt": WebhookDelivery.attempt + 1, "due_at": due, "tried_at": at,
                "status": status, "reason": reason,
            }  # fmt: skip
            held = _held(endpoint_id, fence, [one.claimed.event_id for one in some])
            changed_rows(session, held.values(values))
    return ended


def _judge(session: Session, ports: Ports, tried: Sequence[Tried[Claimed]]) -> dict[str, EndpointState]:
    """How endpoints do, after these attempts in the order in which they ended. One that goes on doing well is
    not written.
    """
    ended: dict[str, EndpointState] = {}
    for endpoint_id in sorted({one.claimed.receiver.id for one in tried}):
        own = [one for one in tried if one.claimed.receiver.id == endpoint_id]
        since = next((n for n, one in enumerate(reversed(own)) if one.outcome.reason is None), None)
        failures = len(own) if since is None else since
        asked = [one.at + quiet for one in own if (quiet := _quiet(one.outcome)) is not None]
        gone = any(one.outcome.status == GONE for one in own)
        if not (failures or asked or gone or own[-1].claimed.receiver.failures):
            continue
        endpoint = session.get_one(WebhookEndpoint, endpoint_id, with_for_update=LOCKED)
        last = own[-1].at
        if since is None:
            endpoint.failures += failures
            endpoint.failing_since = endpoint.failing_since or own[0].at
        else:
            endpoint.failures = failures
            endpoint.failing_since = last if failures else None
        pause = receiver_rest(endpoint.failures) if failures else None
        until = [*asked, *([] if pause is None else [last + pause])]
        if endpoint.rest_until is not None and endpoint.rest_until > last:
            until.append(endpoint.rest_until)  # as it was asked for before, whatever came in since
        endpoint.rest_until = max(until, default=None)
        if gone:
            ended[endpoint_id] = EndpointState.GONE
        elif (
            endpoint.failures >= OUT
            and endpoint.failing_since is not None
            and last - endpoint.failing_since > PATIENCE
        ):
            ended[endpoint_id] = EndpointState.FAILING
        if endpoint_id in ended:
            deactivate(session, ports, endpoint, None, ended[endpoint_id])
    return ended


def _quiet(outcome: Outcome) -> timedelta | None:
    """For how long the receiver wants nothing at all; None where it has not said so."""
    if outcome.asked is None or outcome.status not in OVERLOADED:
        return None
    return min(outcome.asked, LONGEST_QUIET)


def sweep(ports: Ports) -> int:
    """Give up what waits for endpoints that are sent nothing more, and remove what was delivered long ago, a
    thousand in a transaction; how many.
    """
    now = ports.clock()
    off = (
        select(WebhookEndpoint.id)
        .join(Client, Client.id == WebhookEndpoint.client_id)
        .where(or_(WebhookEndpoint.state != EndpointState.ACTIVE, ~Client.active))
    )
    waiting = (WebhookDelivery.state == DeliveryState.WAITING, WebhookDelivery.due_at <= now)
    old = (WebhookDelivery.state == DeliveryState.DELIVERED, WebhookDelivery.due_at <= now)
    with ports.database.read.connect() as connection:
        closed = list(connection.scalars(off.where(_any(*waiting))))
        stale = list(connection.scalars(select(WebhookEndpoint.id).where(_any(*old))))
    return sum(_closed(ports, endpoint_id, waiting) for endpoint_id in closed) + sum(
        _stale(ports, endpoint_id, old) for endpoint_id in stale
    )


def _closed(ports: Ports, endpoint_id: str, waiting: _Wanted) -> int:
    dead = {"state": DeliveryState.DEAD.value, "due_at": None, "reason": "endpoint_disabled"}

    def some(session: Session) -> int:
        endpoint = session.get_one(WebhookEndpoint, endpoint_id, with_for_update=LOCKED)
        if endpoint.state == EndpointState.ACTIVE and session.get_one(Client, endpoint.client_id).active:
            return 0
        return changed_rows(
            session, update(WebhookDelivery).where(*_some(endpoint_id, *waiting)).values(dead)
        )

    return in_slices(ports.database, some)


def _stale(ports: Ports, endpoint_id: str, old: _Wanted) -> int:
    wanted = delete(WebhookDelivery).where(*_some(endpoint_id, *old))
    return in_slices(ports.database, lambda session: changed_rows(session, wanted))


def _any(*wanted: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(WebhookDelivery.endpoint_id == WebhookEndpoint.id, *wanted)


def _some(endpoint_id: str, *wanted: ColumnElement[bool]) -> tuple[ColumnElement[bool], ...]:
    of_endpoint = WebhookDelivery.endpoint_id == endpoint_id
    ids = select(WebhookDelivery.event_id).where(of_endpoint, *wanted).limit(SLICE)
    return of_endpoint, WebhookDelivery.event_id.in_(ids), *wanted


def _held(endpoint_id: str, fence: int, event_ids: Sequence[str]) -> Update:
    """Deliveries that are still whose claim raised their fence to this."""
    return update(WebhookDelivery).where(
        WebhookDelivery.endpoint_id == endpoint_id,
        WebhookDelivery.event_id.in_(event_ids),
        WebhookDelivery.state == DeliveryState.WAITING,
        WebhookDelivery.fence == fence,
    )


def _grouped(items: Sequence[_T], key: Callable[[_T], _K]) -> list[tuple[_K, list[_T]]]:
    """In one order, so that workers wait for each other in no circle."""
    found: dict[_K, list[_T]] = {}
    for one in items:
        found.setdefault(key(one), []).append(one)
    return sorted(found.items(), key=lambda group: str(group[0]))
