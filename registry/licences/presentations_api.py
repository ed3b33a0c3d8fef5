"""Presentation codes 亮证码 over HTTP: made for an agency's own system, which shows them to its holder."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from flask import Blueprint, Response
from pydantic import Field
from sqlalchemy.orm import Session

from keys.errors import Kind
from registry import repeats, web
from registry.described import IDEMPOTENCY_KEY, Instant, Told, described, told
from registry.licences.answers import Identifier
from registry.licences.forms import Operator
from registry.licences.idempotency import Answered
from registry.licences.presentations import present
from registry.licences.shown import known_form, licence_actor, require_named
from signing.credential import showing_text
from signing.showing import LONGEST, SHORTEST
from signing.verdict import instant

blueprint = Blueprint("licence_presentations", __name__)


class PresentationBody(web.Body):
    """`operator`: the account for which the agency's system shows it; an opaque name."""

    operator: Operator
    seconds: Annotated[int, Field(ge=SHORTEST, le=LONGEST)] | None = None


class PresentationMade(Told):
    """A code that is being shown. Its link is the holder's, and is told only here and on a replay."""

    licence: Identifier
    link: Annotated[str, Field(description="What the code on the screen says: draw it as a QR code.")]
    shown_at: Instant
    until: Annotated[Instant, Field(description="When it is over. Make a new one a little before.")]
    seconds: int


@blueprint.post("/api/v1/licences/<identifier>/presentations")
@described(
    "presentLicence", "Show a licence on its holder's screen 亮证",
    sends=PresentationBody,
    parameters=(IDEMPOTENCY_KEY,),
    answers={201: told("The code.", PresentationMade)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def create(identifier: str) -> Response:
    """A code for 60 to 120 seconds, which is checked online alone: a picture of it is worth nothing once it
    is over. A licence has one at a time; a new one ends the one before.
    """
    body = web.parse_body(PresentationBody)
    ports, actor = web.ports(), licence_actor(body.operator)
    known_form(identifier)
    require_named(actor)
    seconds = body.seconds or ports.settings.presentation_seconds
    key = web.idempotency_key(required=False)
    ports.vault.ready()

    def id_of(shown_at: datetime) -> bytes:
        """Of a request with a key it follows from it, so that an answer can be given again and nothing secret
        is kept.
        """
        if not key:
            return ports.random(16)
        return ports.vault.blind("presentation", actor.client_id, identifier, key, instant(shown_at))[:16]

    made: bytes | None = None

    def work(session: Session) -> Answered:
        nonlocal made
        found = present(session, ports, actor, identifier, seconds, id_of)
        made = found.id_bytes
        return Answered(201, _told(identifier, found.shown_at, found.until, seconds))

    answered, replayed = repeats.once(actor, body, work)
    id_bytes = made or id_of(datetime.fromisoformat(answered.body["shown_at"]))
    link = showing_text(ports.settings.public_origin, id_bytes)
    return repeats.told(answered, replayed=replayed, link=link)


def _told(identifier: str, shown_at: datetime, until: datetime, seconds: int) -> dict[str, Any]:
    return {
        "licence": identifier,
        "shown_at": instant(shown_at),
        "until": instant(until),
        "seconds": seconds,
    }
