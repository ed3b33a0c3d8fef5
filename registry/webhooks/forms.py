"""The JSON forms of what is asked about webhooks."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from registry import web
from registry.licences.forms import Operator
from registry.webhooks.address import MAX_URL
from registry.webhooks.kinds import Taken

OVERLAP_HOURS = 24
LONGEST_OVERLAP = 7 * 24


class ActBody(web.Body):
    """Who acts, where no person does by a credential of their own."""

    operator: Operator | None = None


class EndpointBody(ActBody):
    """No `events`: all kinds. No `types`: all licence types that the client may act on. Only an endpoint that
    names `notice` among its events is sent messages to people, such as pick-up links, to pass them on.
    """

    url: Annotated[str, Field(min_length=1, max_length=MAX_URL)]
    events: Annotated[list[Taken], Field(max_length=50)] = Field(default_factory=list)
    types: Annotated[list[web.TypeCode], Field(max_length=100)] = Field(default_factory=list)


class RotationBody(ActBody):
    """For how long secrets before the new one go on signing beside it; 0: not at all."""

    overlap_hours: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP)] = OVERLAP_HOURS


class RedeliveryBody(ActBody):
    """What was given up is sent again, of events recorded since then."""

    since: web.Instant
