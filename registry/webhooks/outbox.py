"""Events of the record become deliveries, in the transaction that records them.

Called by `registry.log.rules` for every event. Where an agency has no endpoint it costs one look-up by its
code, for however many events; of kinds that are told to nobody it costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from registry.agencies.tables import Client, ClientType
from registry.batches.tables import Batch
from registry.driver_select import Prepared
from registry.intake.joint_tables import SubCase
from registry.log.tables import Event
from registry.rows import insert_rows
from registry.webhooks.kinds import (
    BATCH_KINDS,
    CASE_KINDS,
    LICENCE_KINDS,
    SUB_CASE_KINDS,
    DeliveryState,
    EndpointState,
)
from registry.webhooks.tables import WebhookDelivery, WebhookEndpoint
from signing.codes import IDENTIFIER_ROOT

_ENDPOINTS = Prepared(
    select(
        WebhookEndpoint.id,
        WebhookEndpoint.agency_code,
        WebhookEndpoint.events,
        WebhookEndpoint.types,
        ClientType.type_code,
    )
    .join(Client, Client.id == WebhookEndpoint.client_id)
    .join(ClientType, ClientType.client_id == Client.id)
    .where(
        WebhookEndpoint.agency_code.in_(bindparam("agencies", expanding=True)),
        WebhookEndpoint.state == EndpointState.ACTIVE,
        Client.active,
        Client.agency_code == WebhookEndpoint.agency_code,
    )
    .order_by(WebhookEndpoint.id)
)
"""A row for each type that an endpoint's client may act on now: it is told of no others."""

_OF_CASES = Prepared(
    select(WebhookEndpoint.id, WebhookEndpoint.agency_code, WebhookEndpoint.events, Client.scopes)
    .join(Client, Client.id == WebhookEndpoint.client_id)
    .where(
        WebhookEndpoint.agency_code.in_(bindparam("agencies", expanding=True)),
        WebhookEndpoint.state == EndpointState.ACTIVE,
        Client.active,
        Client.agency_code == WebhookEndpoint.agency_code,
    )
    .order_by(WebhookEndpoint.id)
)
"""Cases are no licence type's: whoever's client may read them is told of them."""
_SCOPE = "case"  # `registry.agencies.rules.SCOPE_CASE`: that module records events, and so needs this one


def queue(session: Session, events: Sequence[Event]) -> None:
    """Write a delivery of each event for each endpoint that wants it. The events' rows are there already."""
    insert_rows(
        session,
        WebhookDelivery,
        [
            {
                "event_id": event.id,
                "endpoint_id": endpoint_id,
                "event_at": event.recorded_at,
                "state": DeliveryState.WAITING.value,
                "attempt": 0,
                "fence": 0,
                "due_at": event.recorded_at,
                "tried_at": None,
                "status": None,
                "reason": None,
            }
            for event, endpoint_id in [*_of_types(session, events), *_of_cases(session, events)]
        ],
    )


def _of_types(session: Session, events: Sequence[Event]) -> list[tuple[Event, str]]:
    about = _about(session, events)
    if not about:
        return []
    endpoints = _ENDPOINTS.rows(session, agencies=list({agency for _, agency, _ in about}))
    return [
        (event, endpoint.id)
        for event, agency, type_code in about
        for endpoint in endpoints
        if (endpoint.agency_code, endpoint.type_code) == (agency, type_code)
        and (not endpoint.events or event.kind in endpoint.events)
        and (not endpoint.types or type_code in endpoint.types)
    ]


def _of_cases(session: Session, events: Sequence[Event]) -> list[tuple[Event, str]]:
    """Of a case its agency is told; of a sub-case the agency that takes part, and the one that leads."""
    about: list[tuple[Event, str]] = []
    for event in events:
        if event.kind in CASE_KINDS or event.kind in SUB_CASE_KINDS:
            assert event.agency_code is not None  # it is of a row that is there
            about.append((event, event.agency_code))
        if event.kind in SUB_CASE_KINDS:
            wanted = select(SubCase.lead_code).where(SubCase.id == event.subject)
            about.append((event, session.scalars(wanted).one()))
    if not about:
        return []
    endpoints = _OF_CASES.rows(session, agencies=list({agency for _, agency in about}))
    return [
        (event, endpoint.id)
        for event, agency in about
        for endpoint in endpoints
        if endpoint.agency_code == agency
        and _SCOPE in endpoint.scopes
        and (not endpoint.events or event.kind in endpoint.events)
    ]


def _about(session: Session, events: Sequence[Event]) -> list[tuple[Event, str, str]]:
    """Those events that are told to agencies, with the agency and the licence type that they are about."""
    found = []
    for event in events:
        if event.kind in LICENCE_KINDS:
            own = event.detail["identifier"].removeprefix(f"{IDENTIFIER_ROOT}.")  # made here: it is in form
            type_code, agency = own.split(".")[:2]
            found.append((event, agency, type_code))
        elif event.kind in BATCH_KINDS:
            agency = session.scalars(select(Batch.agency_code).where(Batch.id == event.subject)).one()
            found.append((event, agency, event.detail["type"]))
    return found
