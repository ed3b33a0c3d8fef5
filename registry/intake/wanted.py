"""What is still missing of a case, and that it is told once and completely (Measures, Art. 8)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError
from registry.intake.applications import Item
from registry.intake.materials import wants
from registry.intake.matters import Material, Matter
from registry.intake.retrieval import found, unasked
from registry.intake.tables import Case


def wanted(session: Session, case: Case, matter: Matter) -> tuple[Material, ...]:
    """What keeps the application from being accepted, in the matter's order."""
    lacking = wants(session, case.id, matter)
    return tuple(one for one in matter.materials if one.code in lacking)


def require_looked_for(session: Session, case_id: str) -> None:
    """Nobody is asked for what others may have, and nothing is permitted, before they were asked. An outage
    is an answer, here. Raises VermilionError(CONFLICT, `retrieval_pending`).
    """
    if unasked(session, case_id):
        detail = "what others may have is being looked for"
        raise VermilionError(Kind.CONFLICT, detail, reason="retrieval_pending", retry_after=2)


def require_told_completely(session: Session, case: Case, matter: Matter, items: Sequence[Item]) -> None:
    """Whoever asks for something has looked for it first, asks for nothing that was found, and for all that
    is missing.

    Raises VermilionError: CONFLICT (`retrieval_pending`); INVALID (`items`) with a fault for each.
    """
    require_looked_for(session, case.id)
    have = found(session, case.id)
    asked = {one.code for one in items}
    faults = [
        Fault(f"/items/{place}/code", "found", "it was found: nobody is asked for it")
        for place, item in enumerate(items)
        if item.code in have
    ]
    faults += [
        Fault("/items", "incomplete", f"{one.code} is missing, and is told now or never")
        for one in wanted(session, case, matter)
        if one.code not in asked
    ]
    if faults:
        detail = "what is missing is told once and completely, and what was found is not asked for"
        raise VermilionError(Kind.INVALID, detail, reason="items", faults=tuple(faults))
