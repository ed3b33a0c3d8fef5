"""Do webhooks hold together? Read by `fsck`."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.batches.tables import Batch
from registry.licences.tables import Edition, Licence
from registry.log.tables import Event
from registry.vault import Vault
from registry.webhooks.secrets import open_secret
from registry.webhooks.tables import WebhookDelivery, WebhookEndpoint, WebhookSecret


def broken_webhooks(session: Session, vault: Vault) -> Iterator[str]:
    """Every finding as a sentence without personal data."""
    for one in session.scalars(
        select(WebhookSecret).order_by(WebhookSecret.endpoint_id, WebhookSecret.number)
    ):
        try:
            open_secret(vault, one.endpoint_id, one.number, one.secret)
        except VermilionError as error:
            name = f"webhook {one.endpoint_id} has a secret {one.number}"
            yield f"{name} that cannot be read ({error.reason})"
    told = (
        select(WebhookEndpoint.id)
        .join(WebhookDelivery, WebhookDelivery.endpoint_id == WebhookEndpoint.id)
        .join(Event, Event.id == WebhookDelivery.event_id)
    )
    licences = (
        told.join(Edition, Edition.id == Event.subject)
        .join(Licence, Licence.id == Edition.licence_id)
        .where(Event.subject_kind == "edition", Licence.issuer_code != WebhookEndpoint.agency_code)
    )
    batches = told.join(Batch, Batch.id == Event.subject).where(
        Event.subject_kind == "batch", Batch.agency_code != WebhookEndpoint.agency_code
    )
    foreign = {*session.scalars(licences), *session.scalars(batches)}
    for endpoint_id in sorted(foreign):
        yield f"webhook {endpoint_id} is to be told of an event of another agency"
