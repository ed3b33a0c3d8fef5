"""A licence's history, and what its status was at a past moment: by the clock of effect, or by that of the
record.

Nothing is stored for it: the events are the history, and are only ever added to.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.licences.days import is_within
from registry.licences.examine import civil_day
from registry.licences.gathered import HISTORY, change_in_effect, change_recorded, in_order
from registry.licences.tables import Edition
from registry.log.tables import Event
from registry.ports import Ports
from signing.live import PastClock
from signing.verdict import instant

_EVENTS: Select[*tuple[Any, ...]] = (
    select(
        Edition.identifier,
        Event.id,
        Event.kind,
        Event.effective_from,
        Event.recorded_at,
        Event.legal_basis,
        Event.reason_code,
        Event.person_id,
        Event.client_id,
        Event.operator,
        Event.detail,
    )
    .join(Event, Event.subject == Edition.id)
    .where(Event.subject_kind == "edition")
)


def history_of(session: Session, licence_id: str) -> list[dict[str, object]]:
    """Every event of a licence's editions, in the order in which they were recorded."""
    rows: list[Row[Any]] = list(session.execute(_EVENTS.where(Edition.licence_id == licence_id)))
    return [_told(row) for row in sorted(rows, key=_recorded)]


def _recorded(row: Row[Any]) -> tuple[datetime, str, int, str]:
    """Events of one transaction bear one time: of two of an edition the one with the lower status version was
    first.
    """
    return row.recorded_at, row.identifier, int(row.detail.get("status_version", 0)), row.id


def _told(row: Row[Any]) -> dict[str, object]:
    return {
        "event": row.id,
        "identifier": row.identifier,
        "kind": row.kind,
        "effective_from": row.effective_from.isoformat(),
        "recorded_at": instant(row.recorded_at),
        "legal_basis": row.legal_basis,
        "reason_code": row.reason_code,
        "person": row.person_id,
        "client": row.client_id,
        "operator": row.operator,
        "detail": {name: value for name, value in row.detail.items() if name != "identifier"},
    }


def status_at(
    session: Session, ports: Ports, edition: Edition, at: datetime, clock: PastClock
) -> dict[str, object]:
    """The edition's status at a past moment, and whether it was valid then; by the recorded clock as the
    registry would have answered, by the effective one as all that is on record now says.

    Raises VermilionError(NOT_FOUND) for a moment before the edition was there by that clock.
    """
    rows = in_order(session.execute(HISTORY, {"editions": [edition.id]}).all())
    day = civil_day(at, ports.settings.tz)
    change = change_recorded(rows, at) if clock == "recorded" else change_in_effect(rows, day)
    if change is None:
        raise VermilionError(
            Kind.NOT_FOUND, "the edition was not there at that moment", reason="not_yet_there"
        )
    status = str(change.detail.get("status", "in_force"))
    within = is_within(edition.valid_from, edition.valid_to, day)
    return {
        "status": status,
        "ground": change.detail.get("ground"),
        "how": change.detail.get("how"),
        "since": change.effective_from.isoformat(),
        "valid": status == "in_force" and within,
        "expired": edition.valid_to is not None and day > edition.valid_to,
        "event": {"kind": change.kind, "recorded_at": instant(change.recorded_at)},
    }
