"""The JSON forms of webhooks: bodies, answers, and what a receiver is sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from registry import web
from registry.licences.forms import Operator
from registry.webhooks.address import MAX_URL
from registry.webhooks.kinds import DeliveryState, EndpointState, EventKind
from signing.verdict import instant

OVERLAP_HOURS = 24
LONGEST_OVERLAP = 7 * 24

Spoken = Annotated[
    datetime,
    PlainSerializer(instant, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class ActBody(web.Body):
    """Who acts, where no person does by a credential of their own."""

    operator: Operator | None = None


class EndpointBody(ActBody):
    """No `events`: all kinds. No `types`: all licence types that the client may act on."""

    url: Annotated[str, Field(min_length=1, max_length=MAX_URL)]
    events: Annotated[list[EventKind], Field(max_length=20)] = Field(default_factory=list)
    types: Annotated[list[web.TypeCode], Field(max_length=100)] = Field(default_factory=list)


class RotationBody(ActBody):
    """For how long secrets before the new one go on signing beside it; 0: not at all."""

    overlap_hours: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP)] = OVERLAP_HOURS


class RedeliveryBody(ActBody):
    """What was given up is sent again, of events recorded since then."""

    since: web.Instant


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True)


class SecretAnswer(Answer):
    """A secret that signs now; what it is was told once."""

    number: int
    created_at: Spoken
    signs_until: Spoken | None


class EndpointAnswer(Answer):
    id: str
    url: str
    events: list[str]
    types: list[str]
    state: EndpointState
    failures: int
    failing_since: Spoken | None
    rest_until: Spoken | None
    created_at: Spoken
    secrets: list[SecretAnswer]
    deliveries: str


class EndpointSecretAnswer(EndpointAnswer):
    """`secret`: `whsec_` and base64, for the receiver; null where it was told an hour ago."""

    secret: str | None


class EndpointsAnswer(Answer):
    endpoints: list[EndpointAnswer]
    next: str | None = None


class DeliveryAnswer(Answer):
    """`event` is the `webhook-id` of every attempt. `status` is HTTP's, `reason` why the last one failed."""

    event: str
    type: str
    event_at: Spoken
    state: DeliveryState
    attempts: int
    due_at: Spoken | None
    tried_at: Spoken | None
    status: int | None
    reason: str | None


class DeliveriesAnswer(Answer):
    endpoint: str
    deliveries: list[DeliveryAnswer]
    next: str | None = None


class RedeliveryAnswer(Answer):
    endpoint: str
    redelivered: int


class LicenceNews(Answer):
    """`data` of an event about a licence. What else is to be known of it the API tells."""

    event: str
    identifier: str
    status: Literal["in_force", "suspended", "ended"]
    status_version: int
    effective_from: str


class BatchNews(Answer):
    """`data` of an event about a batch."""

    event: str
    batch: str
    type: str


class Payload(Answer):
    """What is posted to an endpoint, beside the headers of Standard Webhooks."""

    type: EventKind
    timestamp: Spoken
    data: LicenceNews | BatchNews
