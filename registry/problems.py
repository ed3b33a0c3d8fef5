"""The one mapper from expected failures to RFC 9457 problem documents, and what is explained of them.

`problems.toml` is the one table: each kind of problem with its status, its meaning, what to do, and the
reasons it may carry. The `type` of a document is an address at the service that answered, `/problems/<slug>`,
which explains it (`registry.problem_pages`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema

from keys.errors import Kind, VermilionError

PROBLEM_JSON = "application/problem+json"
ADDRESS = "/problems/"
INTERNAL_ERROR = "internal-error"
METHOD_NOT_ALLOWED = "method-not-allowed"
LANGUAGES = ("zh", "en")
_TABLE = Path(__file__).with_name("problems.toml")


@dataclass(frozen=True, slots=True)
class Explained:
    """A kind of problem; words by language. `retry`: its answers may say when to come again."""

    slug: str
    status: int
    title: Mapping[str, str]
    meaning: Mapping[str, str]
    advice: Mapping[str, str]
    retry: bool
    reasons: Mapping[str, Mapping[str, str]]


class FaultEntry(BaseModel):
    """One thing that is wrong in the request."""

    pointer: Annotated[
        str, Field(description="Where: a JSON Pointer into the body, `?name` of the query, or a header.")
    ]
    reason: str
    detail: str


class Problem(BaseModel):
    """RFC 9457. `type` is an address at this service that explains the kind and its reasons."""

    type: Annotated[str, WithJsonSchema({"type": "string", "format": "uri-reference"})]
    title: str
    status: int
    detail: str | None = None
    reason: Annotated[str | None, Field(description="A stable word for the cause.")] = None
    errors: list[FaultEntry] | None = None
    request_id: Annotated[str | None, Field(description="As `X-Request-Id`; to be named when asking.")] = None


def _read(path: Path) -> dict[str, Explained]:
    return {
        slug: Explained(slug, retry=row.pop("retry", False), reasons=row.pop("reasons", {}), **row)
        for slug, row in tomllib.loads(path.read_text("utf-8")).items()
    }


TABLE: Mapping[str, Explained] = _read(_TABLE)
"""By slug. Read when this module is: the process may become a user who could not."""


def slug_of(kind: Kind) -> str:
    return kind.value


def status_of(kind: Kind) -> int:
    return TABLE[slug_of(kind)].status


def type_uri(slug: str) -> str:
    """RFC 9457, 3.1.1: relative to the service that answers, with its whole path."""
    return ADDRESS + slug


def problem(
    error: VermilionError, request_id: str | None = None
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Body, status and headers for an expected failure."""
    body, status, headers = plain(slug_of(error.kind), request_id)
    body |= {"detail": error.detail, "reason": error.reason}
    if error.faults:
        body["errors"] = [{"pointer": f.field, "reason": f.reason, "detail": f.detail} for f in error.faults]
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return body, status, headers


def defect(request_id: str | None = None) -> tuple[dict[str, Any], int, dict[str, str]]:
    """The opaque answer to anything that is not an expected failure."""
    return plain(INTERNAL_ERROR, request_id)


def plain(slug: str, request_id: str | None = None) -> tuple[dict[str, Any], int, dict[str, str]]:
    """A problem of which nothing is said but its kind."""
    kind = TABLE[slug]
    body = {"type": type_uri(slug), "title": kind.title["en"], "status": kind.status}
    if request_id:
        body["request_id"] = request_id
    return body, kind.status, {"Content-Type": PROBLEM_JSON, "Cache-Control": "no-store"}
