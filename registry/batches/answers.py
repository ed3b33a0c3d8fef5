"""What the agency API answers about batches."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from registry.batches.states import BatchState, ItemState
from registry.described import Id, Instant, Reference, Told
from registry.licences.answers import DocumentShown
from registry.problems import FaultEntry


class BatchListed(Told):
    """A batch."""

    id: Id
    state: BatchState
    dry_run: bool
    type: str | None
    seal: str | None
    lines: int
    created_at: Instant
    ended_at: Instant | None
    href: Reference


class BatchPage(Told):
    batches: list[BatchListed]
    next: Annotated[Reference | None, Field(description="The next page; missing after the last.")] = None


class BatchShown(Told):
    """A batch and how far it is."""

    id: Id
    state: BatchState
    dry_run: bool
    type: str | None
    seal: str | None
    lines: int
    counts: Annotated[dict[str, int], Field(description="Lines by their state.")]
    created_at: Instant
    ended_at: Instant | None
    items: Reference
    waiting_for: Annotated[str | None, Field(description="Why it rests.")] = None
    reason: Annotated[str | None, Field(description="Why it ended as it did.")] = None
    errors: Annotated[Reference | None, Field(description="The lines that were refused.")] = None
    documents: Annotated[Reference | None, Field(description="The ZIP of what was issued.")] = None


class BatchItemShown(Told):
    """A line and what became of it; never its values."""

    line: int
    state: ItemState
    identifier: str | None = None
    document: DocumentShown | None = None
    reason: str | None = None
    errors: list[FaultEntry] | None = None


class BatchItemPage(Told):
    batch: Id
    items: list[BatchItemShown]
    next: Annotated[Reference | None, Field(description="The next page; missing after the last.")] = None
