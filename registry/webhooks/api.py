"""Webhooks over HTTP: where a client wants to be shown of events, and what became of what it was shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from keys.errors import Fault, Kind, VermilionError
from registry import web
from registry.actor import Actor
from registry.agencies.rules import SCOPE_LICENCE
from registry.described import ADDRESS, IDEMPOTENCY_KEY, REPLAYED, Parameter, described, told
from registry.licences.idempotency import request_mac
from registry.licences.outage import database_errors
from registry.log.tables import Event
from registry.webhooks import forms, rules
from registry.webhooks.kinds import DeliveryState, EndpointState
from registry.webhooks.signature import spoken
from registry.webhooks.tables import WebhookDelivery, WebhookEndpoint

blueprint = Blueprint("webhooks", __name__, url_prefix="/api/v1/webhooks")

NO_STORE = {"Cache-Control": "no-store"}
STATE = Parameter("state", "One state alone.", {"enum": [one.value for one in DeliveryState]})
AFTER = Parameter("after", "Where the page before ended, as its `next` has it.")


@blueprint.post("")
@described(
    "createWebhook",
    "Ask to be told of events",
    sends=forms.EndpointBody,
    parameters=(replace(IDEMPOTENCY_KEY, required=True),),
    answers={
        201: told(
            "The endpoint, and its secret.",
            forms.EndpointSecretAnswer,
            Location=ADDRESS,
            Idempotency_Replayed=REPLAYED,
        )
    },
    refuses=(Kind.CONFLICT,),
)
def create() -> Response:
    """201 with the endpoint and its secret, which no other answer tells: but the very same request again does
    for an hour, and says `Idempotency-Replayed: true`.
    """
    key = web.idempotency_key(required=True)
    web.query()
    body = web.parse(forms.EndpointBody, value := web.read_json())
    wanted = rules.Wanted(body.url, body.events, body.types)
    mac = _mac("create", value)
    with _acting(body) as (session, actor):
        made = rules.register(session, web.ports(), actor, wanted, key, mac)
        shown = _with_secret(session, made)
    return _answer(shown, 201, {"Location": _href(shown.id)}, replayed=made.replayed)


@blueprint.get("")
@described(
    "listWebhooks",
    "List the client's endpoints",
    parameters=(AFTER,),
    answers={200: told("A page of endpoints.", forms.EndpointsAnswer)},
)
def index() -> Response:
    """The client's own, in pages of 100."""
    after = web.query({"after"}).get("after", "")
    with database_errors(), Session(web.ports().database.read) as session:
        found, more = rules.endpoints(session, _actor(), _id("?after", after) if after else "")
        shown = [_endpoint(session, endpoint) for endpoint in found]
    following = f"/api/v1/webhooks?{urlencode({'after': found[-1].id})}" if more else None
    return _answer(forms.EndpointsAnswer(endpoints=shown, next=following))


@blueprint.get("/<hex32:endpoint_id>")
@described("readWebhook", "Read an endpoint", answers={200: told("The endpoint.", forms.EndpointAnswer)})
def show(endpoint_id: str) -> Response:
    web.query()
    with database_errors(), Session(web.ports().database.read) as session:
        return _answer(_endpoint(session, rules.own_endpoint(session, _actor(), endpoint_id)))


@blueprint.post("/<hex32:endpoint_id>/secret-rotation")
@described(
    "rotateWebhookSecret",
    "Make a new secret",
    sends=forms.RotationBody,
    parameters=(replace(IDEMPOTENCY_KEY, required=True),),
    answers={
        200: told(
            "The endpoint, and its new secret.", forms.EndpointSecretAnswer, Idempotency_Replayed=REPLAYED
        )
    },
    refuses=(Kind.CONFLICT,),
)
def rotate(endpoint_id: str) -> Response:
    """200 with a new secret, as `create` tells one; those before it sign beside it for `overlap_hours`."""
    key = web.idempotency_key(required=True)
    web.query()
    body = web.parse(forms.RotationBody, value := web.read_json())
    mac = _mac(endpoint_id, value)
    with _acting(body) as (session, actor):
        overlap = timedelta(hours=body.overlap_hours)
        made = rules.rotate(session, web.ports(), actor, endpoint_id, overlap, key, mac)
        shown = _with_secret(session, made)
    return _answer(shown, replayed=made.replayed)


@blueprint.post("/<hex32:endpoint_id>/deactivation")
@described(
    "deactivateWebhook",
    "Send nothing more",
    sends=forms.ActBody,
    answers={200: told("The endpoint.", forms.EndpointAnswer)},
    refuses=(Kind.CONFLICT,),
)
def deactivate(endpoint_id: str) -> Response:
    """Nothing more is sent. What waits is given up, and can be sent again after an activation."""
    with _acting(web.parse_body(forms.ActBody)) as (session, actor):
        endpoint = rules.own_endpoint(session, actor, endpoint_id, lock=True)
        rules.deactivate(session, web.ports(), endpoint, actor)
        return _answer(_endpoint(session, endpoint))


@blueprint.post("/<hex32:endpoint_id>/activation")
@described(
    "activateWebhook",
    "Tell of events again",
    sends=forms.ActBody,
    answers={200: told("The endpoint.", forms.EndpointAnswer)},
    refuses=(Kind.CONFLICT,),
)
def activate(endpoint_id: str) -> Response:
    """Events from now on are shown."""
    with _acting(web.parse_body(forms.ActBody)) as (session, actor):
        endpoint = rules.own_endpoint(session, actor, endpoint_id, lock=True)
        rules.activate(session, web.ports(), actor, endpoint)
        return _answer(_endpoint(session, endpoint))


@blueprint.get("/<hex32:endpoint_id>/deliveries")
@described(
    "listDeliveries",
    "List what an endpoint was told",
    parameters=(AFTER, STATE),
    answers={200: told("A page of deliveries.", forms.DeliveriesAnswer)},
)
def deliveries(endpoint_id: str) -> Response:
    """The newest events first, in pages of 100; `state` picks one. What was delivered is kept for 30 days."""
    arguments = web.query({"after", "state"})
    state = _state(arguments.get("state"))
    after = _id("?after", arguments["after"]) if "after" in arguments else None
    with database_errors(), Session(web.ports().database.read) as session:
        endpoint = rules.own_endpoint(session, _actor(), endpoint_id)
        found, more = rules.deliveries(session, endpoint, state, after)
        shown = _deliveries(session, found)
    following = None
    if more:
        picked = {} if state is None else {"state": state.value}
        following = f"{_href(endpoint_id)}/deliveries?{urlencode({'after': found[-1].event_id, **picked})}"
    return _answer(forms.DeliveriesAnswer(endpoint=endpoint_id, deliveries=shown, next=following))


@blueprint.get("/<hex32:endpoint_id>/deliveries/<hex32:event_id>")
@described("readDelivery", "Read a delivery", answers={200: told("The delivery.", forms.DeliveryAnswer)})
def delivery(endpoint_id: str, event_id: str) -> Response:
    web.query()
    with database_errors(), Session(web.ports().database.read) as session:
        endpoint = rules.own_endpoint(session, _actor(), endpoint_id)
        return _answer(_deliveries(session, [rules.delivery(session, endpoint, event_id)])[0])


@blueprint.post("/<hex32:endpoint_id>/deliveries/<hex32:event_id>/redelivery")
@described(
    "redeliver",
    "Send an event again",
    sends=forms.ActBody,
    answers={202: told("The delivery, which waits.", forms.DeliveryAnswer)},
    refuses=(Kind.CONFLICT,),
)
def redeliver(endpoint_id: str, event_id: str) -> Response:
    """202: the event is sent again, whatever became of it, under the same `webhook-id`."""
    with _acting(web.parse_body(forms.ActBody)) as (session, actor):
        endpoint = rules.own_endpoint(session, actor, endpoint_id)
        row = rules.redeliver(session, web.ports(), endpoint, actor, event_id)
        return _answer(_deliveries(session, [row])[0], 202)


@blueprint.post("/<hex32:endpoint_id>/redelivery")
@described(
    "redeliverDead",
    "Send again what was given up",
    sends=forms.RedeliveryBody,
    answers={202: told("How many wait now.", forms.RedeliveryAnswer)},
    refuses=(Kind.CONFLICT,),
)
def redeliver_dead(endpoint_id: str) -> Response:
    """202: all that was given up, of events recorded since then, is sent again under the same ids."""
    body = web.parse_body(forms.RedeliveryBody)
    count = 0
    while True:
        with _acting(body) as (session, actor):
            endpoint = rules.own_endpoint(session, actor, endpoint_id)
            some = rules.redeliver_dead(session, web.ports(), endpoint, actor, body.since)
        count += some
        if some < rules.SLICE:
            return _answer(forms.RedeliveryAnswer(endpoint=endpoint_id, redelivered=count), 202)


@contextmanager
def _acting(body: forms.ActBody) -> Iterator[tuple[Session, Actor]]:
    """A transaction for one act, and who acts."""
    actor = _actor()
    if body.operator is not None:
        actor = replace(actor, operator=body.operator)
    elif actor.person_id is None:
        fault = Fault("/operator", "missing", "say who acts: a person's credential, or the operator")
        raise VermilionError(Kind.INVALID, fault.detail, reason="operator", faults=(fault,))
    with database_errors(), web.ports().database.transaction() as session:
        yield session, actor


def _actor() -> Actor:
    actor = web.actor()
    actor.require_scope(SCOPE_LICENCE)
    return actor


def _mac(what: str, value: Any) -> bytes:
    """What tells a request from another under its key. Raises VermilionError(UNAVAILABLE)."""
    vault = web.ports().vault
    vault.ready()
    return request_mac(vault, sha256(canonical_json({"webhook": what, "body": value})).digest())


def _answer(
    shown: forms.Answer, status: int = 200, headers: dict[str, str] | None = None, *, replayed: bool = False
) -> Response:
    said = {"Idempotency-Replayed": "true"} if replayed else {}
    left_out = {"next"} if getattr(shown, "next", "") is None else None
    body = shown.model_dump(mode="json", exclude=left_out)
    return web.answer(body, status, {**NO_STORE, **(headers or {}), **said})


def _with_secret(session: Session, made: rules.Told) -> forms.EndpointSecretAnswer:
    shown = _endpoint(session, made.endpoint)
    secret = None if made.secret is None else spoken(made.secret)
    return forms.EndpointSecretAnswer(**dict(shown), secret=secret)


def _endpoint(session: Session, endpoint: WebhookEndpoint) -> forms.EndpointAnswer:
    secrets = rules.signing(session, endpoint.id, web.ports().clock())
    return forms.EndpointAnswer(
        id=endpoint.id,
        url=endpoint.url,
        events=endpoint.events,
        types=endpoint.types,
        state=EndpointState(endpoint.state),
        failures=endpoint.failures,
        failing_since=endpoint.failing_since,
        rest_until=endpoint.rest_until,
        created_at=endpoint.created_at,
        secrets=[
            forms.SecretAnswer(number=one.number, created_at=one.created_at, signs_until=one.signs_until)
            for one in secrets
        ],
        deliveries=f"{_href(endpoint.id)}/deliveries",
    )


def _deliveries(session: Session, rows: list[WebhookDelivery]) -> list[forms.DeliveryAnswer]:
    named = select(Event.id, Event.kind).where(Event.id.in_([row.event_id for row in rows]))
    kinds = {row.id: row.kind for row in session.execute(named)}
    return [
        forms.DeliveryAnswer(
            event=row.event_id,
            type=kinds[row.event_id],
            event_at=row.event_at,
            state=DeliveryState(row.state),
            attempts=row.attempt,
            due_at=row.due_at if row.state == DeliveryState.WAITING else None,
            tried_at=row.tried_at,
            status=row.status,
            reason=row.reason,
        )
        for row in rows
    ]


def _href(endpoint_id: str) -> str:
    return f"/api/v1/webhooks/{endpoint_id}"


def _id(field: str, text: str) -> str:
    if len(text) != 32 or not set(text) <= set("0123456789abcdef"):
        fault = Fault(field, "id", "this is no id")
        raise VermilionError(Kind.INVALID, fault.detail, reason="query", faults=(fault,))
    return text


def _state(text: str | None) -> DeliveryState | None:
    try:
        return None if text is None else DeliveryState(text)
    except ValueError:
        fault = Fault("?state", "unknown", "no delivery is ever in this state")
        raise VermilionError(Kind.INVALID, fault.detail, reason="query", faults=(fault,)) from None
