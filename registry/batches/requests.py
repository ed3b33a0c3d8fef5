"""The request of a line, as it is kept until it is issued: canonical JSON, encrypted."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from keys.canonical import canonical_json, strict_json
from registry.licences.examine import IssueRequest
from registry.licences.forms import MAX_REQUEST, issue_request
from registry.licences.issue_many import Ordered
from registry.vault import Use, Vault
from registry.web import MAX_DEPTH

_KEPT = 8 * MAX_REQUEST  # bytes: JSON escapes characters that CSV does not


@dataclass(frozen=True, slots=True)
class KeptRequest:
    request: IssueRequest
    sha256: bytes  # of the canonical JSON


def close_request(vault: Vault, batch_id: str, line: int, value: object) -> bytes:
    """For keeping; only this line's own row opens it. Raises VermilionError(UNAVAILABLE)."""
    return vault.encrypt(Use.RECORD, canonical_json(value), _owner(batch_id, line))


def open_request(vault: Vault, batch_id: str, line: int, kept: bytes | None) -> KeptRequest:
    """Raises VermilionError: UNAUTHENTICATED (`record_damaged`) for what is not this line's; UNAVAILABLE."""
    text = vault.decrypt(Use.RECORD, kept or b"", _owner(batch_id, line))
    value = strict_json(text, max_bytes=_KEPT, max_depth=MAX_DEPTH)
    return KeptRequest(issue_request(value), sha256(text).digest())


def idempotency_key(batch_id: str, line: int) -> str:
    """The key under which a line is issued, whoever issues it and however often. It holds spaces, which no
    client's own key does.
    """
    return f"batch {batch_id} line {line}"


def ordered(batch_id: str, line: int, kept: KeptRequest) -> Ordered:
    return Ordered(kept.request, idempotency_key(batch_id, line), kept.sha256)


def _owner(batch_id: str, line: int) -> str:
    return f"batch:{batch_id}:{line}"
