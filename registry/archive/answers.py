"""What the agency API answers about the archive."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from registry.described import Date, Digest, Id, Instant, Reference, Told

Count = Annotated[int, Field(ge=0)]
PackageState = Literal["numbered", "writing", "kept", "erasing", "disposed"]
CopyState = Literal["present", "missing", "damaged", "erasing", "erased"]


class PassedOn(Told):
    """To another archive: on its way there, or accepted."""

    handover: Id
    to: Annotated[str, Field(description="The receiver's code.")]
    name: str
    state: Literal["waiting", "handed_over"]
    accepted_at: Instant | None


class PackageShown(Told):
    package: Id
    href: Reference
    number: Annotated[str, Field(description="Archive number (档号).")]
    sequence: Annotated[int, Field(ge=1, description="Of the packages with this number, from 1.")]
    fonds: str
    catalogue: str
    year: int
    identifier: Annotated[str, Field(description="What it is about: of a licence, or as it came.")]
    occasion: Annotated[str, Field(description="The event after which it was made.")]
    retention: Literal["permanent", "30", "10"]
    retention_until: Annotated[Date | None, Field(description="Null: kept for good.")]
    state: PackageState
    size: Annotated[int | None, Field(description="Bytes; null until it is written.")]
    sha256: Digest | None
    kept_at: Instant | None
    passed_on: PassedOn | None


class PackagePage(Told):
    packages: list[PackageShown]
    next: Annotated[Reference | None, Field(description="The next page; null after the last.")]


class PackageCopy(Told):
    store: str
    state: CopyState
    written_at: Instant | None
    checked_at: Annotated[Instant | None, Field(description="When it was last read whole.")]


class PackageFinding(Told):
    nature: Literal["authenticity", "integrity", "usability", "security"]
    item: str
    passed: bool
    detail: Annotated[str, Field(description="What is wrong; empty where the item passed.")]


class PackageCheck(Told):
    """A four-nature check: the last of its occasion."""

    occasion: Literal["ingest", "handover", "store"]
    checked_at: Instant
    passed: bool
    findings: list[PackageFinding]


class ArrivedFrom(Told):
    """Of a package that came from elsewhere."""

    code: str
    name: str
    handover: Id | None
    number: Annotated[str | None, Field(description="Its archive number as it came.")]
    arrived_at: Instant


class WholePackage(PackageShown):
    copies: list[PackageCopy]
    checks: list[PackageCheck]
    time_stamped_at: Annotated[list[Instant], Field(description="By its evidence record, oldest first.")]
    arrived_from: ArrivedFrom | None


class PackageFigure(Told):
    fonds: str
    year: int
    retention: Literal["permanent", "30", "10"]
    state: PackageState
    packages: Count
    bytes: Count


class CopyFigure(Told):
    store: str
    state: CopyState
    copies: Count


class CheckFigure(Told):
    occasion: Literal["ingest", "handover", "store"]
    packages: Annotated[int, Field(ge=0, description="That did not pass.")]


class HandoverFigure(Told):
    state: Literal["waiting", "handed_over", "refused", "withdrawn"]
    handovers: Annotated[int, Field(ge=0, description="Packages.")]


class ArchiveStatistics(Told):
    """Of the agency. Counted every hour; `as_of` is null before the first time."""

    as_of: Instant | None
    packages: list[PackageFigure]
    copies: list[CopyFigure]
    checks_failed: list[CheckFigure]
    handovers: list[HandoverFigure]
    waiting: Annotated[int, Field(ge=0, description="Licence editions that are to be archived.")]
