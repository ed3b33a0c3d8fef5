"""What a case's package has of its materials: each file as it was supplied, replaced ones too, what was found
of its signatures, the forms that were confirmed or signed; and how all of it came. And its erasure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from registry.archive.contents import Item, Part
from registry.documents import document_key
from registry.intake.material_tables import CaseForm, CaseMaterial
from registry.intake.materials import SUFFIXES, MaterialState, read_material, signatures_of, versions
from registry.licences.outage import database_errors
from registry.ports import Ports
from registry.rows import changed_rows
from signing.verdict import instant

ERASED = b""
"""What stands in the place of a MAC."""


def material_items(ports: Ports, case_id: str) -> Iterator[Item]:
    """Nothing for a case for which nothing was supplied. The vault is ready.

    Raises VermilionError: UNAVAILABLE; UNAUTHENTICATED (`record_damaged`).
    """
    with database_errors(), Session(ports.database.read) as session:
        rows = versions(session, case_id)
        forms = session.scalars(
            select(CaseForm).where(CaseForm.case_id == case_id).order_by(CaseForm.version)
        ).all()
        session.expunge_all()
    for row in rows:
        name = f"{row.code}-{row.version}"
        yield Item(
            Part.MATERIALS,
            f"{name}.{SUFFIXES[row.media]}",
            f"申请材料 {row.code}（第{row.version}版）",
            read_material(ports, row),
            created=row.at,
        )
        report = signatures_of(ports, row)
        if report is not None:
            title = f"申请材料 {row.code}（第{row.version}版）的签名检查报告"
            told = canonical_json({**report.told, "match": row.match})
            yield Item(Part.MATERIALS, f"{name}-signatures.json", title, told, created=row.at)
    if rows:
        told = canonical_json(
            {"materials": [_row(row) for row in rows], "forms": [_form(one) for one in forms]}
        )
        yield Item(Part.PROCESS, "materials.json", "申请材料的提交、检查以及申请表的确认", told)


def erase_materials(session: Session, case_id: str) -> Iterator[str]:
    """Take what was supplied out of the database; what came when stays. The keys of the documents that are to
    be removed from their store, of whatever state: one that never counted may lie there all the same, and
    one that was taken out before may not have been removed.
    """
    of_case = CaseMaterial.case_id == case_id
    ids = session.scalars(select(CaseMaterial.id).where(of_case).order_by(CaseMaterial.id)).all()
    gone = {"state": MaterialState.ERASED.value, "report": None}
    changed_rows(session, update(CaseMaterial).where(of_case).values(**gone))
    yield from map(document_key, ids)
    changed_rows(session, update(CaseForm).where(CaseForm.case_id == case_id).values(application=ERASED))


def _row(row: CaseMaterial) -> dict[str, Any]:
    return {
        "code": row.code,
        "version": row.version,
        "sha256": row.sha256.hex(),
        "media": row.media,
        "size": row.size,
        "at": instant(row.at),
        "person": row.person_id,
        "operator": row.operator,
        "scan": row.scan,
        "match": row.match or None,
    }


def _form(one: CaseForm) -> dict[str, Any]:
    return {
        "version": one.version,
        "language": one.language,
        "confirmed_at": None if one.confirmed_at is None else instant(one.confirmed_at),
        "person": one.person_id,
        "operator": one.operator,
        "signed_version": one.signed_version,
    }
