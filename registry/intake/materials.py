"""Materials of an application: what was supplied, and what of it an application still lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from keys.canonical import canonical_json, strict_json
from keys.errors import Fault, Kind, VermilionError
from registry.documents import document_key
from registry.intake.applications import Application
from registry.intake.material_tables import CaseForm, CaseMaterial
from registry.intake.matters import MEDIA, Material, Matter
from registry.intake.retrieval import found
from registry.licences.issued import read_document
from registry.ports import Ports
from registry.rows import changed_rows
from registry.vault import Use, Vault
from signing.signatory import THEIRS, Match, Signatory, match_of

MAX_REPORT = 256 * 1024
SUFFIXES: Mapping[str, str] = dict(zip(MEDIA, ("pdf", "jpg", "png"), strict=True))
"""How a file's name ends, by its media type."""
_DEPTH = 8


class MaterialState(StrEnum):
    TAKEN = "taken"  # its document may lie in the store, or never came to
    KEPT = "kept"
    LEFT = "left"  # by an application that was never submitted: it is to be removed
    ERASED = "erased"  # nothing lies in the store any more


class Want(StrEnum):
    """Why a material keeps an application from being accepted."""

    MISSING = "missing"  # required, and neither supplied nor found
    UNSIGNED = "unsigned"  # to be signed by the applicant, which nothing shows


def supplied(session: Session, case_id: str) -> Mapping[str, CaseMaterial]:
    """The latest version of each material that was supplied, by its code."""
    return {row.code: row for row in versions(session, case_id)}


def versions(session: Session, case_id: str) -> Sequence[CaseMaterial]:
    """Every material that was supplied, replaced ones too: by code, the first version first."""
    kept = (CaseMaterial.case_id == case_id, CaseMaterial.state == MaterialState.KEPT)
    rows = select(CaseMaterial).where(*kept).order_by(CaseMaterial.code, CaseMaterial.version)
    return session.scalars(rows).all()


def wants(session: Session, case_id: str, matter: Matter) -> Mapping[str, Want]:
    """What the application still lacks of the matter's materials, by code. The one place where it is said
    what is enough: whatever was found elsewhere counts here as if it was supplied. What the law has handed in
    on paper the window has, who accepts, in its hands.
    """
    there, elsewhere = supplied(session, case_id), found(session, case_id)
    lacking = {
        one.code: _want(one, there.get(one.code)) for one in matter.materials if one.code not in elsewhere
    }
    return {code: want for code, want in lacking.items() if want is not None}


def require_enough(session: Session, case_id: str, matter: Matter) -> None:
    """Raises VermilionError(CONFLICT, reason "materials_missing") with a fault for each that is lacking."""
    lacking = wants(session, case_id, matter)
    if lacking:
        said = {
            Want.MISSING: "it is required, and was neither supplied nor found",
            Want.UNSIGNED: "nothing shows that the applicant signed it",
        }
        raise VermilionError(
            Kind.CONFLICT,
            "the application lacks materials that it rests on",
            reason="materials_missing",
            faults=tuple(Fault(f"/materials/{code}", one.value, said[one]) for code, one in lacking.items()),
        )


def _want(material: Material, there: CaseMaterial | None) -> Want | None:
    if there is None:
        return Want.MISSING if material.required and material.paper is None else None
    return Want.UNSIGNED if material.signed and there.match not in THEIRS else None


def find_version(session: Session, case_id: str, code: str, version: int) -> CaseMaterial:
    """One version of a material. Raises VermilionError(NOT_FOUND)."""
    row = session.get(CaseMaterial, (case_id, code, version))
    if row is None or row.state != MaterialState.KEPT:
        raise VermilionError(Kind.NOT_FOUND, "the case has no such material", reason="material_unknown")
    return row


def read_material(ports: Ports, row: CaseMaterial) -> bytes:
    """The file as it was supplied. Raises VermilionError(UNAVAILABLE)."""
    return read_document(ports.documents, document_key(row.id), row.sha256)


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """What is on record of a PDF's signatures: the report as it is told, and whom the certificates name."""

    told: Mapping[str, Any]
    signatories: tuple[Signatory, ...]
    whole: bool  # it was examined to its end

    def match(self, applicant: Application) -> Match:
        found = match_of(self.signatories, applicant.name, applicant.id_code)
        return Match.UNKNOWN if found is Match.UNSIGNED and not self.whole else found


def open_report(vault: Vault, row_id: str, kept: bytes) -> SignatureReport:
    """Raises VermilionError: UNAUTHENTICATED (`record_damaged`) for what is not of this file; UNAVAILABLE."""
    value = strict_json(
        vault.decrypt(Use.RECORD, kept, _owner(row_id)), max_bytes=MAX_REPORT, max_depth=_DEPTH
    )
    found = tuple(Signatory(tuple(n), tuple(i), p) for n, i, p in value["signatories"])
    return SignatureReport(value["told"], found, value["whole"])


def signatures_of(ports: Ports, row: CaseMaterial) -> SignatureReport | None:
    """As `open_report`; None where the file is no PDF."""
    return None if row.report is None else open_report(ports.vault, row.id, row.report)


def close_report(vault: Vault, row_id: str, report: SignatureReport) -> bytes:
    """For keeping. Raises VermilionError(UNAVAILABLE)."""
    found = [[list(one.names), list(one.identifiers), one.proven] for one in report.signatories]
    value = {"told": dict(report.told), "signatories": found, "whole": report.whole}
    return vault.encrypt(Use.RECORD, canonical_json(value), _owner(row_id))


def match_anew(session: Session, ports: Ports, case_id: str, applicant: Application) -> None:
    """The applicant of a draft, whose row is locked, is another: compare who signed with them."""
    for row in versions(session, case_id):
        if row.report is not None:
            row.match = open_report(ports.vault, row.id, row.report).match(applicant).value


def leave(session: Session, case_id: str) -> None:
    """A draft lapses, in this transaction: what was supplied with it is nobody's any more, and is removed by
    `registry.intake.material_sweep`.
    """
    there = (CaseMaterial.case_id == case_id, CaseMaterial.state == MaterialState.KEPT)
    changed_rows(session, update(CaseMaterial).where(*there).values(state=MaterialState.LEFT.value))
    session.execute(delete(CaseForm).where(CaseForm.case_id == case_id))


def _owner(row_id: str) -> str:
    return f"material:{row_id}"
