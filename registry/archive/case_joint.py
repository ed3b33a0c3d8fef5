"""What a case's package has of the agencies that took part: each step of a sub-case with its words. And its
erasure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from registry.agencies.tables import Agency
from registry.archive.contents import Item, Part
from registry.archive.edition import committed
from registry.intake.applications import open_said
from registry.intake.joint import SUBJECT, moves_of, sub_cases_of
from registry.intake.joint_tables import SubCase, SubCaseMove
from registry.licences.outage import database_errors
from registry.log.tables import Event, Leaf
from registry.ports import Ports
from registry.rows import changed_rows
from registry.vault import DISPOSED


def joint_items(ports: Ports, case_id: str) -> Iterator[Item]:
    """The parts of other agencies in a case, each step of them with its words. The vault is ready.

    Raises VermilionError: UNAVAILABLE; UNAUTHENTICATED (`record_damaged`).
    """
    with database_errors(), Session(ports.database.read) as session:
        found = sub_cases_of(session, case_id)
        told = [_sub_case(session, ports, one) for one in found]
        events = session.execute(
            select(Event, Leaf)
            .join(Leaf, Leaf.event_id == Event.id)
            .where(Event.subject_kind == SUBJECT, Event.subject.in_([one.id for one in found]))
            .order_by(Event.recorded_at, Event.id)
        ).all()
        commitments = committed(events)
    if told:
        yield Item(Part.PROCESS, "sub-case-events.json", "联合办理的全部业务行为及其承诺值", commitments)
        title = "联合办理：各机关的意见与环节"
        yield Item(Part.PROCESS, "sub-cases.json", title, canonical_json(told))


def erase_joint(session: Session, case_id: str) -> Iterator[str]:
    """What agencies said of somebody's application; that they agreed or not stays."""
    of_case = select(SubCase.id).where(SubCase.case_id == case_id)
    changed_rows(session, update(SubCaseMove).where(SubCaseMove.sub_case_id.in_(of_case)).values(said=None))
    events = select(Event.id).where(Event.subject_kind == SUBJECT, Event.subject.in_(of_case))
    changed_rows(session, update(Leaf).where(Leaf.event_id.in_(events)).values(salt=DISPOSED))
    yield from ()


def _sub_case(session: Session, ports: Ports, one: SubCase) -> dict[str, Any]:
    agency = session.get_one(Agency, one.agency_code)
    return {
        "id": one.id,
        "agency": {"code": agency.code, "name": agency.name_zh},
        "state": one.state,
        "opinion": one.opinion,
        "began_on": one.began_on.isoformat(),
        "steps": [_step(ports, one, move) for move in moves_of(session, one.id)],
    }


def _step(ports: Ports, one: SubCase, move: SubCaseMove) -> dict[str, Any]:
    return {
        "number": move.number,
        "action": move.action,
        "from": move.came_from,
        "to": move.led_to,
        "side": move.side,
        "person": move.person_id,
        "client": move.client_id,
        "operator": move.operator,
        "at": move.at.isoformat(),
        "legal_basis": move.legal_basis,
        "reason": move.reason_code,
        "opinion": move.opinion,
        "words": open_said(ports.vault, one.id, move.number, move.said).words,
        "event": move.event_id,
    }
