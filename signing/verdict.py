"""What a check answers (design, section 6): types and `decide`, which runs the table in `verdict_table.json`.

The same table and the same vectors are run by the page's script (`verify_web/static/verdict.js`). Facts are
gathered by `signing.check`; nothing but the table turns them into a verdict.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache, lru_cache
from operator import attrgetter
from pathlib import Path
from typing import TypedDict

from signing.annotation import Annotation, annotation_to_json
from signing.showing import Showing

TABLE = Path(__file__).parent / "verdict_table.json"


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


class Content(StrEnum):
    """Is the content what the issuer signed or the registry recorded?"""

    PROVEN = "proven"
    ALTERED = "altered"
    NOT_COMPARED = "not_compared"


class Issuer(StrEnum):
    """May the key, agency or origin vouch for it?"""

    RECOGNISED = "recognised"
    REFUSED = "refused"
    DOUBTFUL = "doubtful"  # only the registry can say: a compromised key seen offline
    NOT_CHECKED = "not_checked"


class OnRecord(StrEnum):
    """Does the registry hold it?"""

    KNOWN = "known"
    UNKNOWN = "unknown"
    NOT_ASKED = "not_asked"  # offline, out of reach, or the question could not be put


class Status(StrEnum):
    IN_FORCE = "in_force"
    SUSPENDED = "suspended"
    ENDED = "ended"
    REPLACED = "replaced"
    NOT_CHECKED = "not_checked"
    LISTED = "listed"  # in force by a signed status list within its ttl
    LISTED_BEFORE = "listed_before"  # by one older than that
    WITHDRAWN = "withdrawn"  # an annotated copy, of a licence in force


class Time(StrEnum):
    """The civil day against first and last day of validity, both inclusive; of an annotated copy against its
    own last day as well.
    """

    WITHIN = "within"
    AFTER = "after"
    BEFORE = "before"
    UNKNOWN = "unknown"
    COPY_AFTER = "copy_after"  # the licence is within its validity
    CODE_OVER = "code_over"  # of a presentation code: whatever the licence is, the code is shown no more


class Age(StrEnum):
    """Of a status list, by its own times."""

    FRESH = "fresh"  # within its ttl
    OLD = "old"
    EXPIRED = "expired"
    FUTURE = "future"


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out. Defaults say: nothing yet, which can never become a positive verdict.

    The `*_reason` slugs are keys of the sentence table. `status_reason` is used where the status check is not
    done; the table names the others.
    """

    content: Content = Content.NOT_COMPARED
    issuer: Issuer = Issuer.NOT_CHECKED
    record: OnRecord = OnRecord.NOT_ASKED
    status: Status = Status.NOT_CHECKED
    time: Time = Time.UNKNOWN
    content_reason: str = "content_not_compared"
    issuer_reason: str = "issuer_not_checked"
    status_reason: str = "status_not_asked"


@dataclass(frozen=True, slots=True)
class Check:
    result: Result
    reason: str  # stable slug, a key of the sentence table


@dataclass(frozen=True, slots=True)
class Verification:
    """A verdict with its three named checks, as every interface answers it."""

    verdict: Verdict
    how: str | None  # how it ended: revoked, annulled, withdrawn, cancelled, copy_withdrawn, unspecified
    content: Check
    issuer: Check
    status: Check
    as_of: datetime  # the moment the status is known for
    identifier: str | None
    copy: Annotation | None = None  # what was checked is an annotated copy, whatever the verdict
    showing: Showing | None = None  # what was checked is a presentation code

    @property
    def green(self) -> bool:
        """Only `valid` with all three checks passed may be shown as green."""
        return self.verdict is Verdict.VALID and all(
            c.result is Result.PASSED for c in (self.content, self.issuer, self.status)
        )

    @property
    def heading(self) -> str:
        """Key of heading and sentence in the sentence table: the verdict, refined where words differ."""
        what = COPY if self.copy is not None else SHOWN if self.showing is not None else LICENCE
        return heading_key(self.verdict, self.how, self.status.reason, green=self.green, what=what)


class Rule(TypedDict, total=False):
    when: dict[str, list[str]]
    then: str
    reason: str


class Table(TypedDict):
    axes: dict[str, list[str]]
    verdict: list[Rule]
    checks: dict[str, list[Rule]]
    listed_axes: dict[str, list[str]]
    listed: list[Rule]


COPY_WITHDRAWN, COPY_EXPIRED, CODE_OVER = "copy_withdrawn", "copy_expired", "code_over"
LICENCE, COPY, SHOWN = "licence", "copy", "shown"
"""What was checked: a licence itself, an annotated copy, or one that its holder shows by a code."""
HOWS = ("revoked", "annulled", "withdrawn", "cancelled", COPY_WITHDRAWN, "unspecified")
"""How a licence ended, or that a copy of one did; `replaced` has a verdict of its own."""


@cache
def table() -> Table:
    """The decision table as it lies in the package."""
    loaded: Table = json.loads(TABLE.read_text(encoding="utf-8"))
    return loaded


def _first(rules: Sequence[Rule], facts: Mapping[str, str]) -> Rule:
    return next(
        rule for rule in rules if all(facts[axis] in values for axis, values in rule["when"].items())
    )  # the last rule of every list has no condition


@dataclass(frozen=True, slots=True)
class Listed:
    """What a status list comes to: the fact, and the reason where the status check is not done."""

    status: Status
    reason: str

    @classmethod
    def unusable(cls, reason: str) -> Listed:
        return cls(Status.NOT_CHECKED, reason)


def listed(age: Age, value: str) -> Listed:
    """Run the table for a status list of this age that says `value`: valid, invalid, suspended, replaced."""
    rule = _first(table()["listed"], {"age": age.value, "value": value})
    return Listed(Status(rule["then"]), rule.get("reason", "status_not_asked"))


@cache
def _axes() -> attrgetter[tuple[str, ...]]:
    return attrgetter(*table()["axes"])


@lru_cache(maxsize=2048)  # more than there are combinations of the axes
def _ruled(values: tuple[str, ...]) -> tuple[Verdict, dict[str, Rule]]:
    """The verdict and the rule of each check, for facts in the order of the table's axes."""
    rules = table()
    by_axis = dict(zip(rules["axes"], values, strict=True))
    by_check = {name: _first(of_check, by_axis) for name, of_check in rules["checks"].items()}
    return Verdict(_first(rules["verdict"], by_axis)["then"]), by_check


def decide(
    facts: Facts,
    *,
    as_of: datetime,
    how: str | None = None,
    identifier: str | None = None,
    copy: Annotation | None = None,
    showing: Showing | None = None,
) -> Verification:
    """Run the table. `how` is kept for `ended` only, where it is never missing, and a withdrawn copy has its
    own; `as_of` is aware.
    """
    verdict, rules = _ruled(_axes()(facts))

    def check(name: str, reason: str) -> Check:
        rule = rules[name]
        return Check(Result(rule["then"]), rule.get("reason", reason))

    if verdict is not Verdict.ENDED:
        how = None
    elif facts.status is Status.WITHDRAWN:
        how = COPY_WITHDRAWN
    elif how not in HOWS:
        how = "unspecified"
    return Verification(
        verdict=verdict,
        how=how,
        content=check("content", facts.content_reason),
        issuer=check("issuer", facts.issuer_reason),
        status=check("status", facts.status_reason),
        as_of=as_of,
        identifier=identifier,
        copy=copy,
        showing=showing,
    )


def heading_key(
    verdict: Verdict, how: str | None, status_reason: str, *, green: bool, what: str = LICENCE
) -> str:
    """Key of the words for a verdict: `ended_<how>`, `valid_not_compared` where not all checks passed, and
    others where a copy, or what a code shows, is not called what the licence itself would be.
    """
    key = _heading_key(verdict, how, green=green)
    if verdict is Verdict.EXPIRED and status_reason in {COPY_EXPIRED, CODE_OVER}:
        return status_reason
    if what == SHOWN:
        return {Verdict.VALID: "shown_valid", Verdict.UNKNOWN: "shown_unknown"}.get(verdict, key)
    return f"copy_{key}" if what == COPY and verdict in {Verdict.VALID, Verdict.GENUINE_OFFLINE} else key


def _heading_key(verdict: Verdict, how: str | None, *, green: bool) -> str:
    if verdict is Verdict.ENDED:
        return f"ended_{how if how in HOWS else 'unspecified'}"
    if verdict is Verdict.VALID and not green:
        return "valid_not_compared"
    return verdict.value


def instant(moment: datetime) -> str:
    """An aware instant as answers print it: UTC, RFC 3339, whole seconds."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def to_json(verification: Verification, details: Mapping[str, object] | None = None) -> dict[str, object]:
    """The JSON of design section 6; `details` add members and never replace one. `copy` stands in the answer
    about an annotated copy alone, `showing` in the one about a presentation code.
    """
    answer: dict[str, object] = {
        "verdict": verification.verdict.value,
        "how": verification.how,
        "checks": {
            name: {"result": check.result.value, "reason": check.reason}
            for name, check in (
                ("content", verification.content),
                ("issuer", verification.issuer),
                ("status", verification.status),
            )
        },
        "as_of": instant(verification.as_of),
        "identifier": verification.identifier,
    }
    if verification.copy is not None:
        answer["copy"] = annotation_to_json(verification.copy)
    if verification.showing is not None:
        shown = (verification.showing.shown_at, verification.showing.until)
        moments = [None if at is None else instant(at) for at in shown]
        answer["showing"] = dict(zip(("shown_at", "until"), moments, strict=True))
    return {**(details or {}), **answer}


def list_json(issued_at: datetime, expires_at: datetime, now: datetime) -> dict[str, object]:
    """The member `status_list` of an answer that a status list was looked at for; its age is in seconds."""
    return {
        "issued_at": instant(issued_at),
        "expires_at": instant(expires_at),
        "age": int((now - issued_at).total_seconds()),
    }


def exit_code(verdict: Verdict) -> int:
    """Exit code of a command that ends with this verdict: 0 valid, 2 not known, 1 the rest."""
    if verdict is Verdict.VALID:
        return 0
    return 2 if verdict in {Verdict.GENUINE_OFFLINE, Verdict.CANNOT_CHECK} else 1
