"""Messages to people: written in the transaction of what they tell of, withdrawn, sent again, erased.

A message is about something (`subject_kind`, `subject`), of a kind that has words, for one person, on behalf
of an agency; whatever it is about decides when it is of no use any more. It leaves through a channel: the
registry's mail server, or a webhook endpoint of the agency's that takes messages, such as a gateway to
telephones.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from keys.errors import field_fault
from registry.actor import Actor
from registry.agencies.tables import Client
from registry.notices.addresses import check_address
from registry.notices.kinds import NOTICE, SMTP, Channel, NoticeState
from registry.notices.messages import Message, close_message
from registry.notices.tables import Notice
from registry.notices.words import TABLE
from registry.ports import Ports, Surroundings
from registry.rows import changed_rows, swept
from registry.settings import Settings
from registry.webhooks.kinds import EndpointState
from registry.webhooks.tables import WebhookEndpoint

KEPT = timedelta(days=30)
"""For which it can be looked up what became of a message, after it ended and was of no use any more."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a message is about, and on behalf of which agency it is sent."""

    kind: str
    id: str
    agency_code: str


@dataclass(frozen=True, slots=True)
class Way:
    """How somebody is reached: the channel, whom it is handed to there, and whom it is for."""

    channel: Channel
    receiver: str
    to: str


def by_mail(settings: Settings, to: str, field: str) -> Way:
    """By e-mail. Raises VermilionError(INVALID): `channel_closed` where no mail server is named; `email` for
    what is no address; `field` says where it stands.
    """
    if not settings.smtp_host:
        raise field_fault("/channel", "channel_closed", "this registry sends no e-mail")
    return Way(Channel.SMTP, SMTP, check_address(to, field))


def by_receiver(session: Session, actor: Actor, endpoint_id: str, to: str, field: str) -> Way:
    """Through the client's own webhook endpoint. Raises VermilionError(INVALID, `no_receiver`) for one that
    is another's, not active, or does not take messages; `field` says where it is named.
    """
    endpoint = session.get(WebhookEndpoint, endpoint_id)
    if (
        endpoint is None
        or (endpoint.client_id, endpoint.agency_code) != (actor.client_id, actor.agency_code)
        or endpoint.state != EndpointState.ACTIVE
        or NOTICE not in endpoint.events
    ):
        detail = f"the client has no active webhook of this id that takes messages (`{NOTICE}`)"
        raise field_fault(field, "no_receiver", detail)
    return Way(Channel.WEBHOOK, endpoint.id, to)


def write(
    session: Session,
    ports: Ports,
    kind: str,
    about: Subject,
    way: Way,
    message: Message,
    expires_at: datetime,
) -> Notice:
    """Put a message in the queue; it goes once this transaction commits, at once or `expires_at` at the
    latest. The vault is ready. Raises VermilionError(UNAVAILABLE).
    """
    wording = TABLE[kind][message.language]
    assert wording.values <= message.values.keys(), "a message has a value for each name of its words"
    now = ports.clock()
    notice_id = ports.random(16).hex()
    notice = Notice(
        id=notice_id,
        kind=kind,
        subject_kind=about.kind,
        subject=about.id,
        agency_code=about.agency_code,
        channel=way.channel.value,
        receiver=way.receiver,
        message=close_message(ports.vault, notice_id, message),
        state=NoticeState.WAITING.value,
        attempt=0,
        fence=0,
        due_at=now,
        tried_at=None,
        status=None,
        reason=None,
        created_at=now,
        expires_at=expires_at,
        ended_at=None,
    )
    session.add(notice)
    return notice


def about(session: Session, subject_kind: str, subjects: Collection[str]) -> dict[str, Notice]:
    """The newest message about each of them that has one, by what it is about."""
    wanted = select(Notice).where(Notice.subject_kind == subject_kind, Notice.subject.in_(subjects))
    return {row.subject: row for row in session.scalars(wanted.order_by(Notice.created_at, Notice.id))}


def withdraw(session: Session, ports: Surroundings, subject_kind: str, subject: str) -> None:
    """Send no more about it, and erase what was to be sent. What is under way at this moment may still
    arrive: what the message opens must be closed by whoever withdraws it.
    """
    of_subject = (Notice.subject_kind == subject_kind, Notice.subject == subject)
    waiting = update(Notice).where(*of_subject, Notice.state == NoticeState.WAITING)
    changed_rows(session, waiting.values(_given_up("withdrawn", ports.clock())))
    changed_rows(session, update(Notice).where(*of_subject).values(message=None))


def sweep(ports: Ports) -> int:
    """Give up what expired, or waits for receivers that are sent nothing more; erase messages that are of no
    use; and remove what ended long ago. A thousand in a transaction; how many.
    """
    now = ports.clock()
    waiting, dead = Notice.state == NoticeState.WAITING, Notice.state == NoticeState.DEAD
    expired, over = Notice.expires_at <= now, Notice.expires_at <= now - KEPT
    closed = (
        exists()
        .where(WebhookEndpoint.id == Notice.receiver, WebhookEndpoint.client_id == Client.id)
        .where(or_(WebhookEndpoint.state != EndpointState.ACTIVE, ~Client.active))
    )
    due = (waiting, Notice.channel == Channel.WEBHOOK, Notice.due_at <= now, closed)
    erased: dict[str, Any] = {"message": None}
    sweep_rows = partial(swept, ports.database, Notice.id)
    return (
        sweep_rows(waiting, expired, values=_given_up("expired", now))
        + sweep_rows(*due, values=_given_up("endpoint_disabled", now))
        + sweep_rows(dead, expired, Notice.message.is_not(None), values=erased)
        + sweep_rows(dead, over, Notice.ended_at <= now - KEPT)
        + sweep_rows(Notice.state == NoticeState.DELIVERED, over)
    )


def _given_up(reason: str, now: datetime) -> dict[str, Any]:
    return {"state": NoticeState.DEAD.value, "due_at": None, "reason": reason, "ended_at": now}
