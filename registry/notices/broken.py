"""Do messages hold together? Read by `fsck`."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.notices.kinds import SMTP, Channel, NoticeState
from registry.notices.messages import open_message
from registry.notices.tables import Notice
from registry.vault import Vault
from registry.webhooks.tables import WebhookEndpoint

BATCH = 500


def broken_notices(session: Session, vault: Vault) -> Iterator[str]:
    """Every finding as a sentence without personal data."""
    agencies = {
        row.id: row.agency_code
        for row in session.execute(select(WebhookEndpoint.id, WebhookEndpoint.agency_code))
    }
    for one in session.scalars(select(Notice).execution_options(yield_per=BATCH)):
        name = f"notice {one.id}"
        if one.channel == Channel.SMTP:
            rightly = one.receiver == SMTP
        else:
            rightly = agencies.get(one.receiver) == one.agency_code
        if not rightly:
            yield f"{name} is to go to a receiver that is not its agency's"
        waits = one.state == NoticeState.WAITING
        if waits != (one.due_at is not None) or waits != (one.ended_at is None):
            yield f"{name} is {one.state}, and its times do not say so"
        if one.message is None:
            if waits:
                yield f"{name} waits and has no message"
        elif one.state == NoticeState.DELIVERED:
            yield f"{name} was delivered, and its message is not erased"
        else:
            try:
                open_message(vault, one.id, one.message)
            except VermilionError as error:
                yield f"{name} has a message that cannot be read ({error.reason})"
