"""What an administrator sees of messages on the registry's own machine, and may do about them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.log.rules import Ground, record_event
from registry.notices.kinds import NoticeState
from registry.notices.tables import Notice
from registry.ports import Surroundings
from registry.rows import SLICE

PAGE = 500
LEGAL_BASIS = "GB/T 36906-2018"


def on_record(session: Session) -> Iterator[dict[str, Any]]:
    """Members of a JSON object for each receiver and state: how many messages, and since when."""
    found = session.execute(
        select(Notice.channel, Notice.receiver, Notice.state, func.count(), func.min(Notice.created_at))
        .group_by(Notice.channel, Notice.receiver, Notice.state)
        .order_by(Notice.channel, Notice.receiver, Notice.state)
    )
    for channel, receiver, state, count, oldest in found:
        yield {
            "channel": channel,
            "receiver": receiver,
            "state": state,
            "messages": count,
            "oldest": oldest.isoformat(),
        }


def dead_letters(session: Session) -> Iterator[dict[str, Any]]:
    """Members of a JSON object for each message that was given up, the first to expire first. To whom it was
    to go is not told.
    """
    after: tuple[datetime, str] | None = None
    while True:
        wanted = select(Notice).where(Notice.state == NoticeState.DEAD)
        if after is not None:
            at, row_id = after
            wanted = wanted.where(Notice.expires_at >= at, (Notice.expires_at > at) | (Notice.id > row_id))
        found = session.scalars(wanted.order_by(Notice.expires_at, Notice.id).limit(PAGE)).all()
        for one in found:
            yield _dead(one)
        if len(found) < PAGE:
            return
        after = found[-1].expires_at, found[-1].id


def redeliver(session: Session, ports: Surroundings, admin: Administrator, notice_id: str) -> None:
    """Send one again that was given up, or handed over in vain.

    Raises VermilionError: FORBIDDEN; NOT_FOUND (`notice_unknown`); CONFLICT (`notice_state`, `erased`).
    """
    in_office(session, admin, Duty.SYSTEM)
    notice = session.get(Notice, notice_id, with_for_update=True)
    if notice is None:
        raise VermilionError(Kind.NOT_FOUND, "there is no such message", reason="notice_unknown")
    _again(ports, notice)
    _record(session, ports, admin, notice, 1)


def redeliver_dead(session: Session, ports: Surroundings, admin: Administrator, since: datetime) -> int:
    """Send again what was given up, was written since then, and is still of use: at most a thousand, how
    many. Whoever wants all asks until there are none. Raises VermilionError(FORBIDDEN).
    """
    in_office(session, admin, Duty.SYSTEM)
    wanted = (
        select(Notice)
        .where(
            Notice.state == NoticeState.DEAD,
            Notice.expires_at > ports.clock(),
            Notice.message.is_not(None),
            Notice.created_at >= since,
        )
        .order_by(Notice.expires_at, Notice.id)
        .limit(SLICE)
        .with_for_update()
    )
    found = session.scalars(wanted).all()
    for notice in found:
        _again(ports, notice)
    if found:
        _record(session, ports, admin, found[0], len(found))
    return len(found)


def _again(ports: Surroundings, notice: Notice) -> None:
    """Send it again, under the id that it has; its row is locked. Raises VermilionError(CONFLICT): `erased`
    where there is nothing left to send; `notice_state` for one that waits.
    """
    now = ports.clock()
    if notice.state == NoticeState.WAITING:
        raise VermilionError(Kind.CONFLICT, "the message waits already", reason="notice_state")
    if notice.message is None or notice.expires_at <= now:
        raise VermilionError(Kind.CONFLICT, "the message was erased", reason="erased")
    notice.state = NoticeState.WAITING.value
    notice.attempt, notice.due_at, notice.ended_at = 0, now, None
    notice.fence += 1


def _record(session: Session, ports: Surroundings, admin: Administrator, notice: Notice, count: int) -> None:
    now = ports.clock()
    record_event(
        session,
        kind="notice.redelivered",
        subject_kind="notice",
        subject=notice.id,
        ground=Ground(LEGAL_BASIS, "redelivered", now.astimezone(ports.settings.tz).date()),
        actor=admin,
        now=now,
        random=ports.random,
        detail={"messages": count},
    )


def _dead(row: Notice) -> dict[str, Any]:
    return {
        "notice": row.id,
        "kind": row.kind,
        "about": row.subject,
        "agency": row.agency_code,
        "channel": row.channel,
        "receiver": row.receiver,
        "attempts": row.attempt,
        "status": row.status,
        "reason": row.reason,
        "tried_at": None if row.tried_at is None else row.tried_at.isoformat(),
        "expires_at": row.expires_at.isoformat(),
        "erased": row.message is None,
    }
