"""Webhooks over HTTP: where a client wants to be told of events, and what became of what it was told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind
from registry import repeats, web
from registry.actor import Actor
from registry.described import ADDRESS, IDEMPOTENCY_KEY, IF_NONE_MATCH, Parameter, Told, described, told
from registry.licences.idempotency import Answered, answer_once
from registry.licences.outage import database_errors
from registry.licences.shown import licence_actor, require_named
from registry.log.tables import Event
from registry.webhooks import rules
from registry.webhooks.answers import (
    DeliveryPage,
    DeliveryShown,
    EndpointPage,
    EndpointShown,
    EndpointWithSecret,
    Redelivered,
    SecretShown,
)
from registry.webhooks.forms import ActBody, EndpointBody, RedeliveryBody, RotationBody
from registry.webhooks.kinds import DeliveryState, EndpointState
from registry.webhooks.signature import spoken
from registry.webhooks.tables import WebhookDelivery, WebhookEndpoint
from signing.verdict import instant

blueprint = Blueprint("webhooks", __name__, url_prefix="/api/v1/webhooks")

NO_STORE = {"Cache-Control": "no-store"}
KEY = replace(IDEMPOTENCY_KEY, required=True)
SECRET = told("The endpoint and its secret.", EndpointWithSecret)


@blueprint.post("")
@described(
    "createWebhook", "Register an endpoint",
    sends=EndpointBody,
    parameters=(KEY,),
    answers={201: replace(SECRET, headers={"Location": ADDRESS, **SECRET.headers})},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def create() -> Response:
    """From now on events of the client's agency are posted there, signed to Standard Webhooks. The secret is
    told in this answer, and for an hour again to the very same request.
    """
    key = web.idempotency_key(required=True)
    body = web.parse_body(EndpointBody)
    wanted = rules.Wanted(body.url, body.events, body.types)
    return _with_secret(
        body, key, 201, lambda session, actor: rules.register(session, web.ports(), actor, wanted)
    )


@blueprint.get("")
@described(
    "listWebhooks", "The client's endpoints",
    parameters=(Parameter("after", "The endpoint before the page."),),
    answers={200: told("A page.", EndpointPage)},
)  # fmt: skip
def index() -> Response:
    """In pages of 100."""
    after = web.query({"after"}).get("after", "")
    with database_errors(), Session(web.ports().database.read) as session:
        found, more = rules.endpoints(session, licence_actor(), web.hex_id("?after", after) if after else "")
        shown = [_endpoint(session, endpoint) for endpoint in found]
    if not more:
        return _answer(EndpointPage(endpoints=shown))
    following = f"/api/v1/webhooks?{urlencode({'after': found[-1].id})}"
    return _answer(EndpointPage(endpoints=shown, next=following))


@blueprint.get("/<hex32:endpoint_id>")
@described(
    "readWebhook", "An endpoint",
    parameters=(IF_NONE_MATCH,),
    answers={200: told("As it stands.", EndpointShown)},
)  # fmt: skip
def show(endpoint_id: str) -> Response:
    """How it does, and which secrets sign."""
    web.query()
    with database_errors(), Session(web.ports().database.read) as session:
        endpoint = rules.own_endpoint(session, licence_actor(), endpoint_id)
        return web.shown(_json(_endpoint(session, endpoint)), NO_STORE)


@blueprint.post("/<hex32:endpoint_id>/secret-rotation")
@described(
    "rotateWebhookSecret", "A new secret",
    sends=RotationBody,
    parameters=(KEY,),
    answers={200: SECRET},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def rotate(endpoint_id: str) -> Response:
    """It is told as at registration; those before it sign beside it for `overlap_hours`."""
    key = web.idempotency_key(required=True)
    body = web.parse_body(RotationBody)

    def work(session: Session, actor: Actor) -> rules.Made:
        endpoint = rules.own_endpoint(session, actor, endpoint_id, lock=True)
        return rules.rotate(session, web.ports(), actor, endpoint, timedelta(hours=body.overlap_hours))

    return _with_secret(body, key, 200, work)


@blueprint.post("/<hex32:endpoint_id>/deactivation")
@described(
    "deactivateWebhook", "Send nothing more",
    sends=ActBody,
    parameters=(IDEMPOTENCY_KEY,),
    answers={200: told("The endpoint.", EndpointShown)},
)  # fmt: skip
def deactivate(endpoint_id: str) -> Response:
    """What waits is given up, and can be sent again after an activation."""

    def work(session: Session, actor: Actor) -> Told:
        endpoint = rules.own_endpoint(session, actor, endpoint_id, lock=True)
        rules.deactivate(session, web.ports(), endpoint, actor)
        return _endpoint(session, endpoint)

    return _act(200, work)


@blueprint.post("/<hex32:endpoint_id>/activation")
@described(
    "activateWebhook", "Send again",
    sends=ActBody,
    parameters=(IDEMPOTENCY_KEY,),
    answers={200: told("The endpoint.", EndpointShown)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def activate(endpoint_id: str) -> Response:
    """Events from now on are told."""

    def work(session: Session, actor: Actor) -> Told:
        endpoint = rules.own_endpoint(session, actor, endpoint_id, lock=True)
        rules.activate(session, web.ports(), actor, endpoint)
        return _endpoint(session, endpoint)

    return _act(200, work)


@blueprint.get("/<hex32:endpoint_id>/deliveries")
@described(
    "listDeliveries", "What an endpoint was told",
    parameters=(
        Parameter("after", "The event before the page."),
        Parameter("state", "Only deliveries of this state.", {"enum": [one.value for one in DeliveryState]}),
    ),
    answers={200: told("A page.", DeliveryPage)},
)  # fmt: skip
def deliveries(endpoint_id: str) -> Response:
    """The newest events first, in pages of 100; `state` picks one. What was delivered is kept for 30 days."""
    arguments = web.query({"after", "state"})
    state = web.chosen("state", arguments, DeliveryState, "no delivery is ever in this state")
    after = web.hex_id("?after", arguments["after"]) if "after" in arguments else None
    with database_errors(), Session(web.ports().database.read) as session:
        endpoint = rules.own_endpoint(session, licence_actor(), endpoint_id)
        found, more = rules.deliveries(session, endpoint, state, after)
        shown = _deliveries(session, found)
    if not more:
        return _answer(DeliveryPage(endpoint=endpoint_id, deliveries=shown))
    picked = {} if state is None else {"state": state.value}
    following = f"{_href(endpoint_id)}/deliveries?{urlencode({'after': found[-1].event_id, **picked})}"
    return _answer(DeliveryPage(endpoint=endpoint_id, deliveries=shown, next=following))


@blueprint.get("/<hex32:endpoint_id>/deliveries/<hex32:event_id>")
@described(
    "readDelivery", "One event for one endpoint",
    parameters=(IF_NONE_MATCH,),
    answers={200: told("As it stands.", DeliveryShown)},
)  # fmt: skip
def delivery(endpoint_id: str, event_id: str) -> Response:
    """How often it was tried, and what came of it."""
    web.query()
    with database_errors(), Session(web.ports().database.read) as session:
        endpoint = rules.own_endpoint(session, licence_actor(), endpoint_id)
        (found,) = _deliveries(session, [rules.delivery(session, endpoint, event_id)])
        return web.shown(_json(found), NO_STORE)


@blueprint.post("/<hex32:endpoint_id>/deliveries/<hex32:event_id>/redelivery")
@described(
    "redeliver", "Send an event again",
    sends=ActBody,
    parameters=(IDEMPOTENCY_KEY,),
    answers={202: told("It is sent again.", DeliveryShown)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def redeliver(endpoint_id: str, event_id: str) -> Response:
    """Whatever became of it, under the same `webhook-id`."""

    def work(session: Session, actor: Actor) -> Told:
        endpoint = rules.own_endpoint(session, actor, endpoint_id)
        row = rules.redeliver(session, web.ports(), endpoint, actor, event_id)
        return _deliveries(session, [row])[0]

    return _act(202, work)


@blueprint.post("/<hex32:endpoint_id>/redelivery")
@described(
    "redeliverDead", "Send again what was given up",
    sends=RedeliveryBody,
    parameters=(IDEMPOTENCY_KEY,),
    answers={202: told("They are sent again.", Redelivered)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def redeliver_dead(endpoint_id: str) -> Response:
    """All that was given up, of events recorded since then, under the same ids."""
    body = web.parse_body(RedeliveryBody)

    def work() -> Answered:
        count = 0
        while True:
            with _acting(body) as (session, actor):
                endpoint = rules.own_endpoint(session, actor, endpoint_id)
                some = rules.redeliver_dead(session, web.ports(), endpoint, actor, body.since)
            count += some
            if some < rules.SLICE:
                return Answered(202, _json(Redelivered(endpoint=endpoint_id, redelivered=count)))

    answered, replayed = repeats.once_apart(licence_actor(body.operator), body, work)
    return repeats.told(answered, replayed=replayed)


def _act(status: int, work: Callable[[Session, Actor], Told]) -> Response:
    """One act upon what there is."""
    body = web.parse_body(ActBody)
    actor = licence_actor(body.operator)
    require_named(actor)
    answered, replayed = repeats.once(
        actor, body, lambda session: Answered(status, _json(work(session, actor)))
    )
    return repeats.told(answered, replayed=replayed)


@contextmanager
def _acting(body: ActBody) -> Iterator[tuple[Session, Actor]]:
    """A transaction for one act, and who acts."""
    actor = licence_actor(body.operator)
    require_named(actor)
    with database_errors(), web.ports().database.transaction() as session:
        yield session, actor


def _with_secret(
    body: ActBody, key: str, status: int, work: Callable[[Session, Actor], rules.Made]
) -> Response:
    """The answer that tells a secret. What is kept under the key names it, and is not it."""
    ports, mac = web.ports(), repeats.asked_mac(licence_actor(body.operator), body)
    with _acting(body) as (session, actor):
        new: rules.Made | None = None

        def made() -> Answered:
            nonlocal new
            new = work(session, actor)
            return Answered(status, {"webhook": new.endpoint.id, "secret": new.number})

        kept, replayed = answer_once(session, actor.client_id, key, mac, ports.clock(), made)
        if new is None:
            endpoint = rules.own_endpoint(session, actor, kept.body["webhook"])
            secret = rules.told_again(session, ports, endpoint, kept.body["secret"])
        else:
            endpoint, secret = new.endpoint, new.secret
        shown = _endpoint(session, endpoint).model_dump()
    headers = dict(repeats.REPLAY) if replayed else {}
    if status == 201:
        headers["Location"] = _href(endpoint.id)
    answer = EndpointWithSecret(**shown, secret=None if secret is None else spoken(secret))
    return _answer(answer, status, **headers)


def _answer(shown: Told, status: int = 200, **headers: str) -> Response:
    return web.answer(_json(shown), status, {**NO_STORE, **headers})


def _json(shown: Told) -> dict[str, Any]:
    """Members that were left out stay out."""
    return shown.model_dump(mode="json", exclude_unset=True)


def _endpoint(session: Session, endpoint: WebhookEndpoint) -> EndpointShown:
    return EndpointShown(
        id=endpoint.id,
        url=endpoint.url,
        events=endpoint.events,
        types=endpoint.types,
        state=EndpointState(endpoint.state),
        failures=endpoint.failures,
        failing_since=_instant(endpoint.failing_since),
        rest_until=_instant(endpoint.rest_until),
        created_at=instant(endpoint.created_at),
        secrets=[
            SecretShown(
                number=one.number, created_at=instant(one.created_at), signs_until=_instant(one.signs_until)
            )
            for one in rules.signing(session, endpoint.id, web.ports().clock())
        ],
        deliveries=f"{_href(endpoint.id)}/deliveries",
    )


def _deliveries(session: Session, rows: list[WebhookDelivery]) -> list[DeliveryShown]:
    named = select(Event.id, Event.kind).where(Event.id.in_([row.event_id for row in rows]))
    kinds = {row.id: row.kind for row in session.execute(named)}
    return [
        DeliveryShown(
            event=row.event_id,
            type=kinds[row.event_id],
            event_at=instant(row.event_at),
            state=DeliveryState(row.state),
            attempts=row.attempt,
            due_at=_instant(row.due_at) if row.state == DeliveryState.WAITING else None,
            tried_at=_instant(row.tried_at),
            status=row.status,
            reason=row.reason,
        )
        for row in rows
    ]


def _href(endpoint_id: str) -> str:
    return f"/api/v1/webhooks/{endpoint_id}"


def _instant(at: datetime | None) -> str | None:
    return None if at is None else instant(at)
