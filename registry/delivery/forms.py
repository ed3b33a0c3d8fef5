"""The JSON forms of what is asked about pick-up links."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from registry import web
from registry.delivery.rules import LIFE_HOURS, LONGEST_HOURS, Channel
from registry.licences.forms import Operator
from registry.notices.addresses import MAX_ADDRESS
from registry.notices.kinds import Language


def _plain(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise PydanticCustomError("plain_text", "no control characters, no white space at the ends")
    return value


To = Annotated[str, Field(min_length=1, max_length=MAX_ADDRESS), AfterValidator(_plain)]


class PickUpBody(web.Body):
    """By `smtp` a link goes to the e-mail address `to`. By `webhook` it is posted to the client's own
    endpoint of that id, which takes `notice`, for whom `to` names there. By `none` it is told in the answer.
    """

    channel: Channel
    to: To | None = None
    webhook: web.Hex32 | None = None
    language: Language = "zh"
    hours: Annotated[int, Field(ge=1, le=LONGEST_HOURS)] = LIFE_HOURS
    operator: Operator | None = None


class WithdrawalBody(web.Body):
    legal_basis: web.Basis
    reason_code: web.ReasonCode
    operator: Operator | None = None
