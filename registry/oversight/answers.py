"""What oversight is answered."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from registry.agencies.answers import Name
from registry.described import Date, Reference, Told

Count = Annotated[int, Field(ge=0)]


class AgencyFigures(Told):
    """Of one agency in the period. docs/operate.md says exactly what each counts."""

    agency: Annotated[str, Field(description="Its unified social credit code.")]
    name: Name
    issued: Annotated[Count, Field(description="New licences.")]
    next_editions: Annotated[
        Count, Field(description="Editions by amendment, renewal, correction, replacement.")
    ]
    suspended: Count
    resumed: Annotated[Count, Field(description="By decision, or at the end of a suspension's term.")]
    ended: Annotated[Count, Field(description="Revoked, annulled, withdrawn or cancelled.")]
    inspected: Count
    abandoned: Annotated[Count, Field(description="Requests whose issuing had begun and came to nothing.")]
    refused: Annotated[Count, Field(description="Acts that were refused for want of permission.")]
    lapsed: Annotated[
        Count, Field(description="Expired on a day of the period, neither renewed nor ended by its end.")
    ]
    undecided: Annotated[Count, Field(description="Requests about seals that expired without a decision.")]
    late: Annotated[Count, Field(description="Changes whose day has passed and that are not made: now.")]
    checks: Annotated[Count, Field(description="Public checks that found a licence of the agency.")]
    checks_failed: Annotated[
        Count, Field(description="Of these: answered by neither `valid` nor `cannot_check`.")
    ]
    checks_not_made: Annotated[Count, Field(description="Of these: answered by `cannot_check`.")]


class FigurePage(Told):
    from_: Annotated[Date, Field(alias="from")]
    to: Date
    closed_to: Annotated[
        Date | None, Field(description="The last day of which `lapsed` and `undecided` are counted.")
    ]
    agencies: list[AgencyFigures]
    next: Annotated[Reference | None, Field(description="The next page; null after the last.")]
