"""What a receiver of messages is sent, and what is told of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from registry.described import Id, Instant, Told
from registry.notices.kinds import Language, NoticeState
from registry.notices.tables import Notice
from signing.verdict import instant


class NoticeShown(Told):
    """What became of a message. To whom it went is told to nobody."""

    id: Annotated[Id, Field(description="Its `webhook-id`, and in its `Message-ID`.")]
    state: NoticeState
    attempts: int
    due_at: Annotated[Instant | None, Field(description="When it is tried next.")]
    tried_at: Annotated[Instant | None, Field(description="The last time, as the two below.")]
    status: Annotated[int | None, Field(description="SMTP's or HTTP's; null without an answer.")]
    reason: Annotated[str | None, Field(description="Why it failed.")]


class NoticeForSomebody(Told):
    """A message for one person, to be passed on to them and to nobody else."""

    notice: Annotated[Id, Field(description="The `webhook-id`.")]
    about: Annotated[Id, Field(description="What it is about: the id of the pick-up link, or of the case.")]
    to: Annotated[str, Field(description="Whom it is for, as the agency has said it.")]
    language: Language
    subject: str
    text: str
    values: Annotated[
        dict[str, str], Field(description="What the words were filled in with, for words of your own.")
    ]
    expires_at: Annotated[Instant, Field(description="Of no use after that.")]


class NoticePayload(Told):
    """Of a message that a webhook is to pass on."""

    type: Literal["notice.pick_up", "notice.case"]
    timestamp: Annotated[Instant, Field(description="When it was written, whenever it is sent.")]
    data: NoticeForSomebody


def notice_json(row: Notice) -> dict[str, object]:
    waits = row.state == NoticeState.WAITING
    return {
        "id": row.id,
        "state": row.state,
        "attempts": row.attempt,
        "due_at": instant(row.due_at) if waits and row.due_at is not None else None,
        "tried_at": None if row.tried_at is None else instant(row.tried_at),
        "status": row.status,
        "reason": row.reason,
    }
