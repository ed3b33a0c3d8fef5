"""What an auditor reads over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from registry.described import Date, Digest, Id, Instant, Reference, Told


class EventLine(Told):
    """An event or a refusal; `commitment` says whether what was committed to still holds."""

    id: Id
    at: Instant
    kind: str
    subject_kind: str
    subject: str
    agency: Annotated[str | None, Field(description="Whom it concerns; null: the registry as a whole.")]
    effective_from: Date
    legal_basis: str
    reason: str
    person: Id | None
    client: Id | None
    operator: str
    detail: dict[str, Any]
    commitment: Literal["kept", "broken", "missing"]


class KeyUseLine(Told):
    id: Id
    begun_at: Instant
    ended_at: Instant | None
    key: str
    kind: str
    record: str
    sha256: Digest
    signed: bool | None


class KeyUseBlockLine(Told):
    """Uses that are written down together: answers of OCSP."""

    id: Id
    opened_at: Instant
    closed_at: Instant | None
    key: str
    kind: str
    size: int
    begun: int | None
    failed: int | None
    sha256: Digest | None


class SealUseLine(Told):
    id: Id
    begun_at: Instant
    ended_at: Instant | None
    seal_edition: Id
    place: int
    authorisation: Id
    intent: Id
    state: Literal["begun", "applied", "void"]
    document_sha256: Digest | None


class AuditPage(Told):
    ledger: str
    until: Instant
    lines: list[EventLine | KeyUseLine | KeyUseBlockLine | SealUseLine]
    next: Annotated[Reference | None, Field(description="The next page; missing after the last.")] = None
