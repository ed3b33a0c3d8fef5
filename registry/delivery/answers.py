"""What the agency API answers about pick-up links."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from registry.delivery.rules import Channel, PickUpState
from registry.described import Id, Instant, Reference, Told
from registry.licences.answers import Identifier
from registry.notices.answers import NoticeShown
from registry.notices.kinds import Language


class PickUpShown(Told):
    """A link by which a holder takes their document once."""

    id: Id
    href: Reference
    identifier: Identifier
    channel: Channel
    language: Language
    state: PickUpState
    created_at: Instant
    expires_at: Instant
    used_at: Instant | None
    notice: Annotated[NoticeShown | None, Field(description="Null where the agency hands the link over.")]


class PickUpMade(PickUpShown):
    link: Annotated[
        str | None,
        Field(
            description="For the holder alone; null where it is sent to them, and where it is told no more."
        ),
    ]


class PickUpPage(Told):
    identifier: Identifier
    pick_ups: list[PickUpShown]
    next: Annotated[Reference | None, Field(description="The next page; missing after the last.")] = None
