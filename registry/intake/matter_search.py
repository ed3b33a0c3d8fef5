"""Matters found by what somebody types of their names, or of their agency's: those that have the pairs of
characters of each word.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import and_
from sqlalchemy.orm import Session, aliased

from registry.intake.matter_lists import InForce, in_force_on, shown
from registry.intake.matter_names import pairs
from registry.intake.search_tables import MatterGram
from registry.intake.tables import MatterVersion

MAX_SEARCH = 60  # characters
MOST_PAIRS = 8
"""Pairs of a search that are looked for; what has them all is hardly ever without the rest."""


def searched_on(
    session: Session, day: date, typed: str, *, agency_code: str | None, after: str, size: int
) -> tuple[list[InForce], bool]:
    """As `matters_on`, of those whose names have what was typed; none where that has no word of two
    characters.
    """
    wanted = sorted(pairs([typed[:MAX_SEARCH]]))[:MOST_PAIRS]
    if not wanted:
        return [], False
    query = in_force_on(day).where(MatterVersion.code > after)
    if agency_code is not None:
        query = query.where(MatterVersion.agency_code == agency_code)
    for pair in wanted:
        has = aliased(MatterGram)
        of_matter = and_(has.code == MatterVersion.code, has.version == MatterVersion.version)
        query = query.join(has, and_(of_matter, has.gram == pair))
    rows = session.execute(query.order_by(MatterVersion.code).limit(size + 1)).all()
    return [shown(*row) for row in rows[:size]], len(rows) > size
