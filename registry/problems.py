"""The one mapper from expected failures to RFC 9457 problem documents."""

from __future__ import annotations

from typing import Any

from keys.errors import Kind, VermilionError

PROBLEM_TYPE = "https://vermilion.invalid/problems/"

STATUS: dict[Kind, tuple[int, str]] = {
    Kind.MALFORMED: (400, "Malformed request"),
    Kind.INVALID: (422, "Invalid content"),
    Kind.UNAUTHENTICATED: (401, "Authentication required"),
    Kind.FORBIDDEN: (403, "Not permitted"),
    Kind.NOT_FOUND: (404, "Not found"),
    Kind.CONFLICT: (409, "Not possible in the present state"),
    Kind.IN_PROGRESS: (409, "The same request is in progress"),
    Kind.IDEMPOTENCY_REUSED: (422, "Idempotency key reused"),
    Kind.TOO_LARGE: (413, "Content too large"),
    Kind.UNSUPPORTED_MEDIA: (415, "Unsupported media type"),
    Kind.TOO_MANY: (429, "Too many requests"),
    Kind.KEY_REFUSED: (403, "Key use refused"),
    Kind.UNAVAILABLE: (503, "Temporarily unavailable"),
}


def problem(error: VermilionError) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Body, status and headers for an expected failure."""
    status, title = STATUS[error.kind]
    body: dict[str, Any] = {
        "type": PROBLEM_TYPE + error.kind.value,
        "title": title,
        "status": status,
        "detail": error.detail,
        "reason": error.reason,
    }
    if error.faults:
        body["errors"] = [{"pointer": f.field, "reason": f.reason, "detail": f.detail} for f in error.faults]
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return body, status, headers


def defect() -> tuple[dict[str, Any], int, dict[str, str]]:
    """The opaque answer to anything that is not an expected failure."""
    body = {"type": "about:blank", "title": "Internal error", "status": 500}
    return body, 500, {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
