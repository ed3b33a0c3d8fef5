"""Which events are told to agencies, what is said of them, and the states of endpoints and deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Literal, get_args

from keys.canonical import canonical_json
from signing.verdict import instant


class EndpointState(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"  # by its client, or an administrator
    GONE = "gone"  # it answered 410
    FAILING = "failing"  # nothing was taken for days


class DeliveryState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"  # given up; sent again only where somebody asks for it


LicenceKind = Literal[
    "licence.issued",
    "licence.replaced",
    "licence.suspended",
    "licence.resumed",
    "licence.lifted",
    "licence.ended",
    "licence.removed",
    "licence.inspected",
    "licence.scanned_often",
    "licence.scheduled",
    "licence.change_withdrawn",
    "licence.change_dropped",
    "licence.copied",
    "licence.copy_withdrawn",
]
BatchKind = Literal["batch.accepted", "batch.cancelled", "batch.done"]
CaseKind = Literal[
    "case.submitted",
    "case.received",
    "case.correction_asked",
    "case.corrected",
    "case.accepted",
    "case.not_accepted",
    "case.returned",
    "case.begun",
    "case.suspended",
    "case.resumed",
    "case.extended",
    "case.permitted",
    "case.refused",
    "case.terminated",
    "case.withdrawn",
    "case.issue_refused",
    "case.finished",
    "case.archived",
]
SubCaseKind = Literal[
    "sub_case.opened",
    "sub_case.begun",
    "sub_case.opinion_given",
    "sub_case.opinion_missed",
    "sub_case.closed",
]
EventKind = Literal[LicenceKind, BatchKind, CaseKind, SubCaseKind]
Taken = Literal[EventKind, "notice"]
"""What an endpoint may say that it takes: events, and messages to people (`registry.notices`)."""
KINDS: tuple[str, ...] = get_args(EventKind)
LICENCE_KINDS: frozenset[str] = frozenset(get_args(LicenceKind))
BATCH_KINDS: frozenset[str] = frozenset(get_args(BatchKind))
CASE_KINDS: frozenset[str] = frozenset(get_args(CaseKind))
SUB_CASE_KINDS: frozenset[str] = frozenset(get_args(SubCaseKind))
UNTOLD = frozenset(
    {
        "licence.abandoned",
        "licence.copy_abandoned",
        "licence.time_stamped",
        "licence.archive_stamped",
        "licence.presented",
        "case.drafted",
        "case.redrawn",
        "case.lapsed",
        "case.recounted",
        "case.issue_ordered",
        "case.material_added",
        "case.form_made",
        "case.form_confirmed",
        "case.form_signed",
        "case.retrieval_asked",
        "case.retrieved",
        "case.not_retrieved",
        "case.retrieval_out",
        "case.task_opened",
        "case.task_corrected",
        "case.task_confirmed",
        "case.task_refused",
        "case.error_acknowledged",
        "case.error_corrected",
        "case.error_declined",
        "case.error_lapsed",
        "sub_case.recounted",
    }
)
"""Events that are nobody's news: no licence came of it, its document has a further form, whoever would be
told has shown it; a draft is its applicant's, what only moves a day is asked for when it is needed, and what
a case rests on belongs to its handling: whoever takes its steps reads it.
"""

_AT_ISSUE = {"status": "in_force", "status_version": 1}
_SAID = (
    "identifier", "status", "status_version", "previous", "next", "operation", "scheduled", "due", "copy",
    "scans",
)  # fmt: skip
"""Members of an event's detail that are told where it has them."""
_SAID_OF_CASES = ("case", "matter", "from", "to", "days", "opinion", "reason")
"""As well, of events about cases and sub-cases."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it is on record."""

    id: str
    kind: str
    subject: str
    recorded_at: datetime
    effective_from: date
    detail: Mapping[str, Any]

    def body(self) -> bytes:
        """The payload, the same at every attempt: what happened to what, and nothing about anybody. The
        receiver reads the rest by the API, as whoever may.
        """
        if self.kind in LICENCE_KINDS:
            about = _of_licence(self)
        elif self.kind in BATCH_KINDS:
            about = _of_batch(self)
        else:
            about = _of_case(self)
        return canonical_json(
            {"type": self.kind, "timestamp": instant(self.recorded_at), "data": {"event": self.id, **about}}
        )


def _of_licence(event: Told) -> dict[str, object]:
    """`status_version` grows with each change of the edition: deliveries come in any order."""
    known = {**event.detail, **(_AT_ISSUE if event.kind == "licence.issued" else {})}
    told: dict[str, object] = {"effective_from": event.effective_from.isoformat()}
    return told | {name: known[name] for name in _SAID if name in known}


def _of_batch(event: Told) -> dict[str, object]:
    return {"batch": event.subject, "type": event.detail["type"]}


def _of_case(event: Told) -> dict[str, object]:
    """Of a sub-case with its case; states and codes, and nothing of an application."""
    told: dict[str, object] = {event.kind.partition(".")[0]: event.subject}
    told["effective_from"] = event.effective_from.isoformat()
    return told | {name: event.detail[name] for name in _SAID_OF_CASES if name in event.detail}
