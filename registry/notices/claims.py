"""Which worker hands over what: messages are claimed for a while, by several processes at once.

As for events (`registry.webhooks.claims`): a claim raises the message's fence and lapses with its lease, and
whoever claims it then hands the same message over under the same id.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Update, exists, or_, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.agencies.tables import Client
from registry.notices.kinds import SMTP, Channel, NoticeState
from registry.notices.messages import Message, open_message
from registry.notices.tables import Notice
from registry.outgoing.attempts import Outcome, Tried
from registry.outgoing.retries import receiver_rest, rest
from registry.ports import Ports
from registry.rows import changed_rows
from registry.webhooks.kinds import EndpointState
from registry.webhooks.rules import signing
from registry.webhooks.secrets import open_secret
from registry.webhooks.tables import WebhookEndpoint

LEASE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Lane:
    """Whom something is due for: an endpoint with its address, or the mail server."""

    id: str
    url: str | None
    failures: int = 0  # in a row, as far as this process knows


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message for the caller alone, until its lease ends."""

    receiver: Lane
    id: str
    kind: str
    subject: str
    channel: Channel
    message: Message
    created_at: datetime
    expires_at: datetime
    fence: int
    attempt: int  # how often it was tried before
    secrets: tuple[bytes, ...]  # that sign for an endpoint
    lease_until: datetime


@dataclass
class Waiting:
    """`registry.outgoing.attempts.Queue` of messages, for the channels that are open. It remembers how
    receivers do, as far as this process has tried them; used by one thread.
    """

    ports: Ports
    channels: Collection[Channel]
    failures: dict[str, int] = field(default_factory=dict)  # in a row, by receiver
    rest_until: dict[str, datetime] = field(default_factory=dict)

    def due(self) -> list[Lane]:
        """The mail server, and active endpoints of active clients, that something is due for and that do not
        rest.
        """
        now = self.ports.clock()
        found: list[Lane] = []
        with self.ports.database.read.connect() as connection:
            if Channel.SMTP in self.channels and connection.scalar(
                select(exists().where(Notice.receiver == SMTP, *_due(now)))
            ):
                found.append(Lane(SMTP, None, self.failures.get(SMTP, 0)))
            if Channel.WEBHOOK in self.channels:
                wanted = (
                    select(WebhookEndpoint.id, WebhookEndpoint.url)
                    .join(Client, Client.id == WebhookEndpoint.client_id)
                    .where(
                        WebhookEndpoint.state == EndpointState.ACTIVE,
                        Client.active,
                        or_(WebhookEndpoint.rest_until.is_(None), WebhookEndpoint.rest_until <= now),
                        exists().where(Notice.receiver == WebhookEndpoint.id, *_due(now)),
                    )
                    .order_by(WebhookEndpoint.id)
                )
                found += [
                    Lane(one.id, one.url, self.failures.get(one.id, 0)) for one in connection.execute(wanted)
                ]
        return [lane for lane in found if self.rest_until.get(lane.id, now) <= now]

    def claim(
        self, wanted: Sequence[tuple[Lane, int]], defects: list[tuple[str, Exception]]
    ) -> list[Claimed]:
        """The vault is ready."""
        now = self.ports.clock()
        lease_until = now + LEASE
        found: list[tuple[Lane, Sequence[Any]]] = []
        with self.ports.database.transaction() as session:
            for lane, most in wanted:
                first = (
                    select(Notice.id)
                    .where(Notice.receiver == lane.id, *_due(now))
                    .order_by(Notice.due_at)
                    .limit(most)
                    .with_for_update(skip_locked=True)
                )
                taken = (
                    update(Notice)
                    .where(Notice.id.in_(session.scalars(first).all()))
                    .values(fence=Notice.fence + 1, due_at=lease_until)
                    .returning(
                        Notice.id,
                        Notice.kind,
                        Notice.subject,
                        Notice.channel,
                        Notice.message,
                        Notice.created_at,
                        Notice.expires_at,
                        Notice.fence,
                        Notice.attempt,
                    )
                )
                rows = session.execute(taken, execution_options={"synchronize_session": False}).all()
                found.append((lane, rows))
        return [
            one
            for lane, rows in found
            for row in rows
            if (one := self._opened(lane, row, lease_until, defects)) is not None
        ]

    def give_back(self, claimed: Sequence[Claimed]) -> None:
        if claimed:
            now = self.ports.clock()
            with self.ports.database.transaction() as session:
                for one in _in_order(claimed):
                    changed_rows(session, _held(one).values(due_at=now))

    def put_down(self, tried: Sequence[Tried[Claimed]]) -> dict[str, EndpointState]:
        """What was handed over is erased here. None is sent nothing more: an endpoint's own deliveries decide
        that.
        """
        with self.ports.database.transaction() as session:
            for claimed in _in_order([one.claimed for one in tried]):
                one = next(one for one in tried if one.claimed is claimed)
                changed_rows(session, _held(claimed).values(self._came_to(one)))
        for one in tried:
            self._judge(one)
        return {}

    def _came_to(self, one: Tried[Claimed]) -> dict[str, Any]:
        claimed, outcome = one.claimed, one.outcome
        values: dict[str, Any] = {
            "attempt": Notice.attempt + 1,
            "tried_at": one.at,
            "status": outcome.status,
            "reason": outcome.reason,
        }
        if outcome.reason is None:
            ended = {"state": NoticeState.DELIVERED.value, "due_at": None, "ended_at": one.at}
            return values | ended | {"message": None}
        pause = None if outcome.final else rest(claimed.attempt + 1, self.ports.random, outcome.asked)
        if pause is None or one.at + pause >= claimed.expires_at:
            return values | {"state": NoticeState.DEAD.value, "due_at": None, "ended_at": one.at}
        return values | {"due_at": one.at + pause}

    def _judge(self, one: Tried[Claimed]) -> None:
        """A receiver that answers is not out, whatever it answers."""
        lane, outcome = one.claimed.receiver.id, one.outcome
        self.failures[lane] = self.failures.get(lane, 0) + 1 if _unanswered(outcome) else 0
        pause = receiver_rest(self.failures[lane])
        if pause is not None:
            self.rest_until[lane] = one.at + pause
        else:
            self.rest_until.pop(lane, None)

    def _opened(
        self, lane: Lane, row: Any, lease_until: datetime, defects: list[tuple[str, Exception]]
    ) -> Claimed | None:
        """What cannot be read keeps no other from being sent; it is due again when its lease ends."""
        try:
            return Claimed(
                receiver=lane,
                id=row.id,
                kind=row.kind,
                subject=row.subject,
                channel=Channel(row.channel),
                message=open_message(self.ports.vault, row.id, row.message),
                created_at=row.created_at,
                expires_at=row.expires_at,
                fence=row.fence,
                attempt=row.attempt,
                secrets=self._secrets(lane),
                lease_until=lease_until,
            )
        except Exception as error:
            if isinstance(error, VermilionError) and error.kind is Kind.UNAVAILABLE:
                raise
            defects.append((lane.id, error))
            return None

    def _secrets(self, lane: Lane) -> tuple[bytes, ...]:
        if lane.url is None:
            return ()
        with Session(self.ports.database.read) as session:
            kept = signing(session, lane.id, self.ports.clock())
        return tuple(open_secret(self.ports.vault, lane.id, one.number, one.secret) for one in kept)


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return Notice.state == NoticeState.WAITING, Notice.due_at <= now, Notice.expires_at > now


def _unanswered(outcome: Outcome) -> bool:
    return outcome.reason is not None and outcome.status is None


def _held(one: Claimed) -> Update:
    """The message, if it still is whose claim raised its fence to this."""
    return update(Notice).where(
        Notice.id == one.id, Notice.state == NoticeState.WAITING, Notice.fence == one.fence
    )


def _in_order(claimed: Sequence[Claimed]) -> list[Claimed]:
    """So that workers wait for each other in no circle."""
    return sorted(claimed, key=lambda one: one.id)
