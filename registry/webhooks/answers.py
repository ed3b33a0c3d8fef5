"""What the agency API answers about webhooks, and what a receiver is sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from registry.described import Date, Id, Instant, Reference, Told
from registry.webhooks.kinds import BatchKind, DeliveryState, EndpointState, LicenceKind


class SecretShown(Told):
    """A secret that signs now; what it is was told once."""

    number: int
    created_at: Instant
    signs_until: Annotated[Instant | None, Field(description="Null: the newest.")]


class EndpointShown(Told):
    """Where a client is told of events, and how it does there."""

    id: Id
    url: str
    events: Annotated[list[str], Field(description="None: all kinds.")]
    types: Annotated[list[str], Field(description="None: all that the client may act on.")]
    state: EndpointState
    failures: Annotated[int, Field(description="In a row.")]
    failing_since: Instant | None
    rest_until: Annotated[Instant | None, Field(description="Nothing is sent before.")]
    created_at: Instant
    secrets: list[SecretShown]
    deliveries: Reference


class EndpointWithSecret(EndpointShown):
    secret: Annotated[
        str | None, Field(description="`whsec_` and base64, for the receiver; null where it is told no more.")
    ]


class EndpointPage(Told):
    endpoints: list[EndpointShown]
    next: Annotated[Reference | None, Field(description="The next page; missing after the last.")] = None


class DeliveryShown(Told):
    """One event for one endpoint."""

    event: Annotated[Id, Field(description="The `webhook-id` of every attempt.")]
    type: str
    event_at: Instant
    state: DeliveryState
    attempts: Annotated[int, Field(description="Since it was last put in the queue.")]
    due_at: Annotated[Instant | None, Field(description="When it is tried next.")]
    tried_at: Annotated[Instant | None, Field(description="The last time, as the two below.")]
    status: Annotated[int | None, Field(description="HTTP's; null without an answer.")]
    reason: Annotated[str | None, Field(description="Why it failed.")]


class DeliveryPage(Told):
    endpoint: Id
    deliveries: list[DeliveryShown]
    next: Annotated[Reference | None, Field(description="The next page; missing after the last.")] = None


class Redelivered(Told):
    endpoint: Id
    redelivered: Annotated[int, Field(description="How many events are sent again.")]


class LicenceNews(Told):
    """What happened to a licence; what else is to be known the API tells."""

    event: Annotated[Id, Field(description="The `webhook-id`.")]
    identifier: str
    effective_from: Date
    status: Literal["in_force", "suspended", "ended"] | None = None
    status_version: Annotated[
        int | None, Field(description="Grows with each change: deliveries come in any order.")
    ] = None
    operation: str | None = None
    previous: Annotated[str | None, Field(description="The edition whose place it takes.")] = None
    next: Annotated[str | None, Field(description="The edition that takes its place.")] = None
    scheduled: Annotated[Id | None, Field(description="The change that waits for its day, or did.")] = None
    due: Date | None = None
    scans: Annotated[
        int | None,
        Field(description="So often was it scanned on the day of `effective_from`, or more often."),
    ] = None


class BatchNews(Told):
    """What happened to a batch."""

    event: Annotated[Id, Field(description="The `webhook-id`.")]
    batch: Id
    type: str


class LicencePayload(Told):
    """Of a webhook about a licence."""

    type: LicenceKind
    timestamp: Annotated[Instant, Field(description="When it was recorded, whenever it is sent.")]
    data: LicenceNews


class BatchPayload(Told):
    """Of a webhook about a batch."""

    type: BatchKind
    timestamp: Annotated[Instant, Field(description="When it was recorded, whenever it is sent.")]
    data: BatchNews
