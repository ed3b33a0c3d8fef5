"""What the agency API answers to whoever uses a licence."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from registry.described import Date, Id, Instant, Told
from registry.licences.answers import How, Identifier, Status
from registry.licences.operations import SuspensionGround

Names = Annotated[dict[str, str], Field(description="By language.")]


class TypeUsed(Told):
    code: str
    version: int
    name: Names


class IssuerNamed(Told):
    code: str
    name: Names


class DisclosedValue(Told):
    """A value as its licence type lets the public see it."""

    name: str
    label: Names
    value: str | list[str]
    masked: bool


class LicenceUsed(Told):
    """What the public may see of it, and its status; never its record or document."""

    use: Annotated[Id, Field(description="In the log that the holder sees.")]
    used_at: Instant
    as_of: Annotated[Instant, Field(description="What follows is as of then: on a replay, later.")]
    identifier: Identifier
    type: TypeUsed
    issuer: IssuerNamed
    edition: int
    issue_date: Date
    valid_from: Date
    valid_to: Date | None
    status: Status
    ground: SuspensionGround | None
    how: How | None
    since: Date
    suspended_until: Date | None
    removed_on: Date | None
    valid: Annotated[bool, Field(description="In force, and within its validity.")]
    specimen: bool
    fields: list[DisclosedValue]
