"""What can be done to a licence: operations and statuses, two code sets, and the one table of permitted
pairs.

An operation acts on an edition. Amend 变更, renew 延续, correct 纠错 and replace 补发 make the next edition
of the licence, and end the one that they act on as replaced 换发. Inspect 年检 is a record beside the
status. Expired and not yet valid are computed, never stored; which operations want a licence that has not
expired is said here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

NextEdition = Literal["amend", "renew", "correct", "replace"]
Change = Literal["suspend", "resume", "lift", "end", "remove", "inspect"]
Operation = Literal["issue"] | NextEdition | Change

SuspensionGround = Literal["penalty", "other"]  # 暂扣 / 暂停
How = Literal["revoked", "annulled", "withdrawn", "cancelled"]  # 吊销 / 撤销 / 撤回 / 注销
REPLACED = "replaced"  # how an edition ends whose licence goes on in the next one

NEXT_EDITIONS: tuple[NextEdition, ...] = get_args(NextEdition)

PERMITTED: dict[tuple[str | None, Operation], str] = {
    (None, "issue"): "in_force",
    ("in_force", "amend"): "ended",
    ("in_force", "renew"): "ended",
    ("in_force", "correct"): "ended",
    ("in_force", "replace"): "ended",
    ("in_force", "inspect"): "in_force",
    ("in_force", "suspend"): "suspended",
    ("in_force", "end"): "ended",
    ("suspended", "resume"): "in_force",
    ("suspended", "lift"): "in_force",
    ("suspended", "end"): "ended",
    ("ended", "remove"): "ended",
}
"""(status, operation) -> the status after it of the edition that is acted on; any other pair is refused.
`lift` is the registry's own, at the end of a suspension's term."""

UNEXPIRED: frozenset[Operation] = frozenset({"amend", "correct", "replace", "inspect"})
"""Operations on a licence that has not expired. A renewal that was applied for in time may be decided after
the last day (Administrative Licensing Law, Art. 50)."""

EVENTS: dict[Operation, str] = {
    "suspend": "licence.suspended",
    "resume": "licence.resumed",
    "lift": "licence.lifted",
    "end": "licence.ended",
    "remove": "licence.removed",
    "inspect": "licence.inspected",
}
"""The event that tells of a change. An edition that comes into being has `licence.issued`, whatever made it;
the one before it `licence.replaced`."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change does beside its decision."""

    ground: SuspensionGround | None = None  # of a suspension
    until: date | None = None  # its last day, where it ends by itself
    how: How | None = None  # of an end

    def told(self) -> dict[str, object]:
        """Members of an event's detail; what it does not do is left out."""
        members = {
            "ground": self.ground,
            "until": None if self.until is None else self.until.isoformat(),
            "how": self.how,
        }
        return {name: value for name, value in members.items() if value is not None}


NO_MORE = Effect()


@dataclass(frozen=True, slots=True)
class Decision:
    """An agency's decision on a licence: its ground, and what it was decided on."""

    legal_basis: str
    reason_code: str
    effective_from: date | None = None  # None: the day it is recorded
    version: int | None = None  # the status version it was decided on; None: whatever it is when recorded
