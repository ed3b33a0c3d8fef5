"""Where an agency wants to be told of events, the secrets it is told under, and what is still to be told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class WebhookEndpoint(Base):
    """An address of a client's, and which events of its agency are told there."""

    __tablename__ = "webhook_endpoint"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.id"), index=True)
    agency_code: Mapped[str] = mapped_column(ForeignKey("agency.code"), index=True)
    url: Mapped[str] = mapped_column(String(500))
    events: Mapped[list[str]]  # kinds of `registry.webhooks.kinds`; none: all
    types: Mapped[list[str]]  # licence types; none: all that the client may act on
    state: Mapped[str] = mapped_column(String(10))  # `registry.webhooks.kinds.EndpointState`
    failures: Mapped[int]  # in a row
    failing_since: Mapped[datetime | None]
    rest_until: Mapped[datetime | None]  # nothing is sent before
    created_at: Mapped[datetime]


class WebhookSecret(Base):
    """A secret that deliveries to one endpoint are signed under: made here, told once, kept encrypted."""

    __tablename__ = "webhook_secret"
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoint.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # from 1
    secret: Mapped[bytes]  # encrypted (`registry.webhooks.secrets`)
    signs_until: Mapped[datetime | None]  # None: it is the newest
    created_at: Mapped[datetime]


class WebhookDelivery(Base):
    """One event for one endpoint, however often it is sent: written in the event's own transaction."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        Index(None, "endpoint_id", "state", "due_at"),
        Index(None, "endpoint_id", "state", "event_at", "event_id"),  # the pages of a list
    )
    event_id: Mapped[str] = mapped_column(ForeignKey("event.id"), primary_key=True)
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoint.id"), primary_key=True)
    event_at: Mapped[datetime]  # when the event was recorded
    state: Mapped[str] = mapped_column(String(10))  # `registry.webhooks.kinds.DeliveryState`
    attempt: Mapped[int]  # how often it was tried since it was last put in the queue
    fence: Mapped[int]  # raised by whoever claims it: what an earlier holder says counts no more
    due_at: Mapped[datetime | None]  # of one that waits: not sent before, and while claimed its lease; of one
    # that was delivered: kept until then
    tried_at: Mapped[datetime | None]  # as the two below: the last time
    status: Mapped[int | None]  # HTTP; None: there was no answer
    reason: Mapped[str | None] = mapped_column(String(40))  # why it failed
