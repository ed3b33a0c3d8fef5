"""Files of applications that nobody needs any more: those of drafts that were never submitted, and those that
were being kept when something broke off.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from registry.documents import document_key, open_store
from registry.intake.material_tables import CaseMaterial
from registry.intake.materials import MaterialState
from registry.licences.outage import database_errors
from registry.ports import Ports
from registry.rows import changed_rows

TAKING = timedelta(hours=1)
"""Longer than it takes to store a file."""
SLICE = 100


def sweep(ports: Ports) -> int:
    """Give up what is due, remove it from the store, then from the record; how many files that were.

    Raises VermilionError(UNAVAILABLE); whatever was not come to is there the next time.
    """
    store, count = open_store(ports.settings.documents_directory), 0
    while due := _due(ports):
        for material_id in due:
            with database_errors(), ports.database.transaction() as session:
                given_up = _given_up(session, material_id)
            if not given_up:
                continue
            store.remove(document_key(material_id))
            with database_errors(), ports.database.transaction() as session:
                count += _erased(session, material_id)
        if len(due) < SLICE:
            break
    return count


def _due(ports: Ports) -> list[str]:
    broken_off = and_(CaseMaterial.state == MaterialState.TAKEN, CaseMaterial.at < ports.clock() - TAKING)
    left = CaseMaterial.state == MaterialState.LEFT
    wanted = select(CaseMaterial.id).where(or_(broken_off, left)).order_by(CaseMaterial.id).limit(SLICE)
    with database_errors(), Session(ports.database.read) as session:
        return list(session.scalars(wanted))


def _given_up(session: Session, material_id: str) -> bool:
    """From now on it is nobody's; False where whoever was so slow has kept it by now."""
    there = (
        CaseMaterial.id == material_id,
        CaseMaterial.state.in_((MaterialState.TAKEN, MaterialState.LEFT)),
    )
    given_up = update(CaseMaterial).where(*there).values(state=MaterialState.LEFT.value)
    return changed_rows(session, given_up) == 1


def _erased(session: Session, material_id: str) -> int:
    there = (CaseMaterial.id == material_id, CaseMaterial.state != MaterialState.ERASED)
    gone = {"state": MaterialState.ERASED.value, "report": None}
    return changed_rows(session, update(CaseMaterial).where(*there).values(**gone))
