"""What a check answers (design, section 6): types and `decide`, which runs the table in `verdict_table.json`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """First match wins, in this order."""

    ALTERED = "altered"
    NOT_RECOGNISED = "not_recognised"
    UNKNOWN = "unknown"
    ENDED = "ended"
    SUSPENDED = "suspended"
    REPLACED = "replaced"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    GENUINE_OFFLINE = "genuine_offline"
    CANNOT_CHECK = "cannot_check"
    VALID = "valid"


class Result(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_DONE = "not_done"


@dataclass(frozen=True, slots=True)
class Check:
    result: Result
    reason: str  # stable slug, a key of the sentence table


@dataclass(frozen=True, slots=True)
class Verification:
    """A verdict with its three named checks, as every interface answers it."""

    verdict: Verdict
    how: str | None  # how it ended: revoked, annulled, withdrawn, cancelled, unspecified
    content: Check
    issuer: Check
    status: Check
    as_of: datetime  # the moment the status is known for
    identifier: str | None

    @property
    def green(self) -> bool:
        """Only `valid` with all three checks passed may be shown as green."""
        return self.verdict is Verdict.VALID and all(
            c.result is Result.PASSED for c in (self.content, self.issuer, self.status)
        )
