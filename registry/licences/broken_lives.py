"""Do the editions of licences follow one another, and does what waits for them fit? Part of `fsck`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session, aliased

from registry.licences.operations import REPLACED
from registry.licences.tables import Edition, ScheduledChange, Succession

BATCH = 500


def broken_lives(session: Session) -> Iterator[str]:
    """Every finding as a sentence without personal data."""
    yield from _successions(session)
    yield from _scheduled(session)


def _successions(session: Session) -> Iterator[str]:
    """An edition ends as replaced if, and only if, one of the same licence with a higher number took its
    place.
    """
    after = aliased(Edition)
    rows = session.execute(
        select(Edition.id, Edition.licence_id, Edition.number, Edition.how, after)
        .outerjoin(Succession, Succession.previous_id == Edition.id)
        .outerjoin(after, after.id == Succession.intent_id)
        .where(or_(Edition.how == REPLACED, after.id.is_not(None)))
        .execution_options(yield_per=BATCH)
    )
    took: dict[str, int] = {}
    for edition_id, licence_id, number, how, successor in rows:
        took[edition_id] = took.get(edition_id, 0) + (successor is not None)
        if successor is None:
            continue
        if how != REPLACED:
            yield f"edition {edition_id} is not replaced, and edition {successor.id} took its place"
        if successor.licence_id != licence_id or successor.number <= number:
            yield f"edition {successor.id} took the place of edition {edition_id}, which is no earlier one"
    for edition_id, taken in took.items():
        if taken != 1:
            yield f"edition {edition_id} is replaced by {taken} editions"
    first = select(Succession.intent_id).where(Succession.intent_id == Edition.id).exists()
    for edition_id in session.scalars(select(Edition.id).where(Edition.number > 1, ~first)):
        yield f"edition {edition_id} is no first one, and took no other's place"


def _scheduled(session: Session) -> Iterator[str]:
    """A suspension with a term has one lift that waits, on the day after it; what has ended, nothing."""
    lift = aliased(ScheduledChange)
    waits = and_(lift.licence_id == Edition.licence_id, lift.state == "waiting", lift.operation == "lift")
    rows = session.execute(
        select(Edition.id, Edition.suspended_until, lift.due)
        .outerjoin(lift, waits)
        .where(or_(Edition.suspended_until.is_not(None), lift.id.is_not(None)), Edition.how.is_(None))
        .execution_options(yield_per=BATCH)
    )
    for edition_id, until, due in rows:
        if until is None or due != until + timedelta(days=1):
            yield f"edition {edition_id} is suspended until {until}, and is to be lifted on {due}"
    live = select(Edition.id).where(
        Edition.licence_id == ScheduledChange.licence_id, Edition.status != "ended"
    )
    dead = select(ScheduledChange.id).where(ScheduledChange.state == "waiting", ~live.exists())
    for scheduled in session.scalars(dead):
        yield f"scheduled change {scheduled} waits for a licence that has ended"
