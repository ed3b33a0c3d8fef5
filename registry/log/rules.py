"""Every event writes its leaf in the same transaction (design, section 8), and what is to be told of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from registry.actor import Actor, Administrator
from registry.archive.queue import note as to_archive
from registry.log.owner import agency_of
from registry.log.tables import Event, Leaf
from registry.oversight.counting import note
from registry.rows import insert_rows, new_ids
from registry.webhooks.outbox import queue

if TYPE_CHECKING:
    from registry.ports import Surroundings

SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Ground:
    """Why something is done: the words of the law, a code, and the day it takes effect."""

    legal_basis: str
    reason_code: str
    effective_from: date


@dataclass(frozen=True, slots=True)
class Happening:
    """What an event is about, and who brought it about. `detail` holds no personal data."""

    subject: str
    ground: Ground
    actor: Actor | Administrator | None
    detail: Mapping[str, Any]


def record_event(
    session: Session,
    *,
    kind: str,
    subject_kind: str,
    subject: str,
    ground: Ground,
    actor: Actor | Administrator | None,
    now: datetime,
    random: Callable[[int], bytes],
    detail: Mapping[str, Any] | None = None,
) -> Event:
    """Add an event and the salted commitment to it. `detail` holds no personal data.

    `actor` is None for what the registry does by itself (recovery, first start), for ceremonies, and for the
    founding of its administration.
    """
    happening = Happening(subject, ground, actor, detail or {})
    event = _event(session, random(16).hex(), kind, subject_kind, happening, now)
    session.add(event)
    session.flush()  # the leaf refers to the event's row
    salt = random(SALT_BYTES)
    session.add(Leaf(event_id=event.id, salt=salt, data=leaf_bytes(event, salt)))
    _tell(session, [event])
    return event


def record_of_person(
    session: Session,
    ports: Surroundings,
    kind: str,
    person_id: str,
    ground: Ground,
    by: Actor | Administrator | None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Add an event about a person, which happens now."""
    record_event(
        session,
        kind=kind,
        subject_kind="person",
        subject=person_id,
        ground=ground,
        actor=by,
        now=ports.clock(),
        random=ports.random,
        detail=detail,
    )


def record_events(
    session: Session,
    *,
    kind: str,
    subject_kind: str,
    happenings: Sequence[Happening],
    now: datetime,
    random: Callable[[int], bytes],
) -> None:
    """As `record_event` for each: many events of one kind and moment, by as many statements as for one."""
    events = [
        _event(session, event_id, kind, subject_kind, one, now)
        for event_id, one in zip(new_ids(random, len(happenings)), happenings, strict=True)
    ]
    insert_rows(session, Event, [{name: getattr(event, name) for name in _COLUMNS} for event in events])
    salts = [random(SALT_BYTES) for _ in events]
    insert_rows(
        session,
        Leaf,
        [
            {"event_id": event.id, "salt": salt, "data": leaf_bytes(event, salt)}
            for event, salt in zip(events, salts, strict=True)
        ],
    )
    _tell(session, events)


def _tell(session: Session, events: Sequence[Event]) -> None:
    """To whom it is of use, in the same transaction: agencies' receivers, the figures, the archive."""
    queue(session, events)
    note(session, events)
    to_archive(session, events)


_COLUMNS = tuple(column.key for column in Event.__table__.columns)


def _event(
    session: Session, event_id: str, kind: str, subject_kind: str, happening: Happening, now: datetime
) -> Event:
    ground, actor = happening.ground, happening.actor
    event = Event(
        id=event_id,
        kind=kind,
        subject_kind=subject_kind,
        subject=happening.subject,
        effective_from=ground.effective_from,
        recorded_at=now,
        legal_basis=ground.legal_basis,
        reason_code=ground.reason_code,
        person_id=actor.person_id if actor else None,
        client_id=actor.client_id if actor else None,
        operator=actor.operator if actor else "",
        detail=dict(happening.detail),
    )
    event.agency_code = agency_of(session, event, actor)
    return event


def leaf_bytes(event: Event, salt: bytes) -> bytes:
    """Canonical leaf: version, kind, time, and SHA-256(salt || canonical event) as commitment."""
    committed = canonical_json(committed_event(event))
    return canonical_json(
        {
            "v": 1,
            "kind": event.kind,
            "time": event.recorded_at.isoformat(timespec="seconds"),
            "commitment": hashlib.sha256(salt + committed).hexdigest(),
        }
    )


def committed_event(event: Event) -> dict[str, Any]:
    """What a leaf commits to, as canonical JSON."""
    return {
        "id": event.id,
        "kind": event.kind,
        "subject_kind": event.subject_kind,
        "subject": event.subject,
        "agency": event.agency_code,
        "effective_from": event.effective_from.isoformat(),
        "recorded_at": event.recorded_at.isoformat(),
        "legal_basis": event.legal_basis,
        "reason_code": event.reason_code,
        "person": event.person_id,
        "client": event.client_id,
        "operator": event.operator,
        "detail": event.detail,
    }
