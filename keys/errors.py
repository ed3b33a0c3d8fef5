"""The one taxonomy of expected failures, shared by every floor.

Anything a caller can bring about from outside is a `VermilionError` with a `Kind`. Whatever else
is raised is a defect: it is counted and answered without detail (design, section 10).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What went wrong, as a stable slug. `registry.problems` maps each to one HTTP status."""

    MALFORMED = "malformed"  # the bytes or the JSON cannot be parsed
    INVALID = "invalid"  # parsed, but a value breaks its rule; `faults` names the fields
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    CONFLICT = "conflict"  # the present state does not permit it
    IN_PROGRESS = "in-progress"  # the same request is being served now
    IDEMPOTENCY_REUSED = "idempotency-key-reused"  # same key, another body
    TOO_LARGE = "too-large"
    UNSUPPORTED_MEDIA = "unsupported-media-type"
    TOO_MANY = "too-many-requests"
    KEY_REFUSED = "key-use-refused"  # a custodian would not sign this
    UNAVAILABLE = "unavailable"  # a part we depend on is out; trying again may help


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in an input: `field` is a JSON Pointer (RFC 6901), `reason` a stable slug."""

    field: str
    reason: str
    detail: str


class VermilionError(Exception):
    """An expected failure. `detail` is shown to the caller: no secrets, no personal data in it."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        reason: str = "",
        faults: tuple[Fault, ...] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.reason = reason or kind.value
        self.faults = faults
        self.retry_after = retry_after


def field_fault(field: str, reason: str, detail: str, kind: Kind = Kind.INVALID) -> VermilionError:
    """The failure that one fault in an input is: its reason and words are the fault's."""
    return VermilionError(kind, detail, reason=reason, faults=(Fault(field, reason, detail),))


def places(error: BaseException, most: int = 24) -> list[str]:
    """Where a defect was raised, outermost call first, as `file:line`: what may be logged of it. Its message
    may hold secrets or personal data.
    """
    found = []
    traceback = error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename.rpartition("/")[2]
        found.append(f"{file}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return found[-most:]
