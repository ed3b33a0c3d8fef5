"""The JSON forms by which what was retrieved is asked for anew, and differences are cleared."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from registry import web
from registry.intake.forms import Words
from registry.licences.forms import Operator

Item = Annotated[str, Field(min_length=1, max_length=2000)]


class LookAgainBody(web.Body):
    operator: Operator | None = None


class TaskEndingBody(web.Body):
    """`corrected`: with the applicant's other value, which is the source's, and by which the applicant
    declares that it is true (`declaration`). `confirmed`: the source is wrong, and is told so. `refused`: the
    applicant is wrong; no licence says what was refused.
    """

    outcome: Literal["corrected", "confirmed", "refused"]
    legal_basis: web.Basis
    reason_code: web.ReasonCode
    words: Words | None = None
    value: Item | Annotated[list[Item], Field(min_length=1, max_length=100)] | None = None
    declaration: bool = False
    operator: Operator | None = None


class DeclinationBody(web.Body):
    """The issuer finds its licence right."""

    legal_basis: web.Basis
    reason_code: web.ReasonCode
    operator: Operator | None = None
