"""What a case's package has of the materials that were supplied and of the agencies that took part: each file
with what was found of its signatures, each step of a sub-case with its words. And their erasure.
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
from registry.documents import document_key
from registry.intake.applications import open_said
from registry.intake.joint import SUBJECT, moves_of, sub_cases_of
from registry.intake.joint_tables import SubCase, SubCaseMove
from registry.intake.material_tables import CaseForm, CaseMaterial
from registry.intake.materials import read_material, signatures_of, versions
from registry.licences.outage import database_errors
from registry.log.tables import Event, Leaf
from registry.ports import Ports
from registry.rows import changed_rows
from registry.vault import DISPOSED

ENDINGS = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png"}
"""Of the media types that materials may have (`registry.intake.matters.MEDIA`)."""


def material_items(ports: Ports, case_id: str) -> Iterator[Item]:
    """Every version that was supplied, and what is on record of all of them. The vault is ready.

    Raises VermilionError: UNAVAILABLE; UNAUTHENTICATED (`record_damaged`).
    """
    with database_errors(), Session(ports.database.read, expire_on_commit=False) as session:
        rows = versions(session, case_id)
        forms = session.scalars(
            select(CaseForm).where(CaseForm.case_id == case_id).order_by(CaseForm.version)
        ).all()
        session.expunge_all()
    for row in rows:
        name = f"{row.code}-{row.version}.{ENDINGS[row.media]}"
        title = f"申请材料 {row.code}（第{row.version}版）"
        yield Item(Part.MATERIALS, name, title, read_material(ports, row), row.at, source=_supplier(row))
    if rows:
        told = [_material(ports, row) for row in rows]
        title = "申请材料：何时、由谁提交，签名核对结果"
        yield Item(Part.PROCESS, "materials.json", title, canonical_json(told))
    if forms:
        title = "申请表：生成、确认与签署"
        yield Item(Part.PROCESS, "forms.json", title, canonical_json([_form(one) for one in forms]))


def erase_materials(session: Session, case_id: str) -> Iterator[str]:
    """What is on record of signatures goes with the files, of whatever state: one that never counted may lie
    there all the same.
    """
    of_case = CaseMaterial.case_id == case_id
    ids = session.scalars(select(CaseMaterial.id).where(of_case).order_by(CaseMaterial.id)).all()
    reported = (of_case, CaseMaterial.report.is_not(None))
    changed_rows(session, update(CaseMaterial).where(*reported).values(report=DISPOSED))
    yield from map(document_key, ids)


def joint_items(ports: Ports, case_id: str) -> Iterator[Item]:
    """The parts of other agencies in a case, each step of them with its words. As `material_items`."""
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


def _supplier(row: CaseMaterial) -> str:
    return f"{row.client_id}/{row.operator}" if row.operator else row.client_id


def _material(ports: Ports, row: CaseMaterial) -> dict[str, Any]:
    report = signatures_of(ports, row)
    return {
        "code": row.code,
        "version": row.version,
        "sha256": row.sha256.hex(),
        "size": row.size,
        "media": row.media,
        "at": row.at.isoformat(),
        "client": row.client_id,
        "person": row.person_id,
        "operator": row.operator,
        "scan": row.scan,
        "match": row.match,
        "signatures": None if report is None else dict(report.told),
    }


def _form(row: CaseForm) -> dict[str, Any]:
    return {
        "version": row.version,
        "language": row.language,
        "confirmed_at": None if row.confirmed_at is None else row.confirmed_at.isoformat(),
        "client": row.client_id,
        "person": row.person_id,
        "operator": row.operator,
        "signed_version": row.signed_version,
    }


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
