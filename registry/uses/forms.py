"""The JSON form by which an agency uses a licence."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from registry import web
from registry.licences.forms import Operator, Text40
from registry.uses.rules import MAX_REASON


def _words(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise PydanticCustomError("plain_text", "no control characters, no white space at the ends")
    return value


Reason = Annotated[str, Field(min_length=1, max_length=MAX_REASON), AfterValidator(_words)]


class UseBody(web.Body):
    """What the licence's holder has shown (`lookup_code`), and for which matter and why it is used: the
    holder sees that.
    """

    lookup_code: Annotated[str, Field(min_length=8, max_length=20, pattern=r"^[0-9A-Za-z -]+\Z")]
    matter_code: Text40
    case_number: Text40
    reason: Reason
    legal_basis: web.Basis
    operator: Operator | None = None
