"""Events after which something is to be archived. Called by `registry.log.rules` for every event; of kinds
that archive nothing it costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from registry.archive.tables import ArchiveDue
from registry.log.tables import Event
from registry.rows import insert_rows

OCCASIONS = {
    "licence.issued": "edition",
    "licence.time_stamped": "edition",  # it was issued without one: now its package can prove when
    "licence.replaced": "edition",
    "licence.ended": "edition",
    "licence.removed": "edition",
    "case.finished": "case",
    "case.not_accepted": "case",
    "case.returned": "case",
}
"""Kinds of events, and what is archived then. A suspension is part of what is archived at the end, as is
every other event; a time-stamp for the archive is not: packages have their own evidence. Of a case they are
the steps that close it (`registry.intake.moves.CLOSED`).
"""


def note(session: Session, events: Sequence[Event]) -> None:
    """The events' rows are there already."""
    rows = [
        {
            "event_id": event.id,
            "subject_kind": subject_kind,
            "subject": event.subject,
            "occasion": event.kind,
            "due_at": event.recorded_at,
            "attempt": 0,
            "reason": None,
            "package_id": None,
        }
        for event in events
        if (subject_kind := OCCASIONS.get(event.kind)) is not None
    ]
    if rows:
        insert_rows(session, ArchiveDue, rows)
