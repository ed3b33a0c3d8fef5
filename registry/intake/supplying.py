"""Supplying materials: while an application is a draft or is being corrected, one version after another.

What comes is examined before anything is kept: that it is what it says and does no harm, by a scanner where
there is one, and who signed it. The row is written first, then the document is stored, then the row counts:
no transaction waits for a store, and nothing lies there that nobody knows of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.documents import document_key, open_store
from registry.intake.applications import open_application
from registry.intake.cases import SUBMISSION, locked, record_about
from registry.intake.finding import find_case
from registry.intake.material_tables import CaseMaterial
from registry.intake.materials import MaterialState, SignatureReport, close_report, supplied
from registry.intake.matter_lists import matter_of
from registry.intake.matters import Material
from registry.intake.moves import CaseState
from registry.intake.scanning import Scan, scan
from registry.intake.tables import Case
from registry.licences.duties import require_officer
from registry.licences.moment import moment
from registry.licences.outage import database_errors
from registry.licences.trust import trust_now
from registry.ports import Ports
from signing.report import Explained
from signing.report_words import report_json
from signing.signatory import signatories

PDF = "application/pdf"
SUPPLIED_IN = frozenset({CaseState.DRAFT, CaseState.CORRECTION})
"""While the application is the applicant's to change."""
GIVEN_UP = "material_given_up"
MAX_VERSIONS = 50
"""Of one material: enough for whoever corrects, and an end for whoever fills a disk."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that may be kept. `report`: on its signatures; None where it is no PDF."""

    data: bytes
    media: str
    sha256: bytes
    scan: Scan
    report: SignatureReport | None


def examine(ports: Ports, data: bytes, media: str) -> Examined:
    """What can be told of a file before it is kept. No transaction is open.

    Raises VermilionError: INVALID (`empty`, `malware`, one of `signing.upload_checks.REASONS`); UNAVAILABLE.
    """
    if not data:
        raise VermilionError(Kind.INVALID, "the file is empty", reason="empty")
    if ports.examiner is None:
        raise VermilionError(Kind.UNAVAILABLE, "nobody examines files here", reason="examiner")
    ports.examiner.require_harmless(data, media)
    scanned = scan(ports.settings, data)
    report = None
    if media == PDF:
        with database_errors():
            trust = trust_now(ports)
        found = ports.examiner.report(data, trust, ports.clock())
        whole = found.explained in {Explained.KNOWN, Explained.DONE}
        report = SignatureReport(report_json(found), signatories(found.signatures), whole)
    return Examined(data, media, sha256(data).digest(), scanned, report)


def to_supply(session: Session, actor: Actor, case_id: str, code: str, day: date) -> Material:
    """The material of the caller's case, which may be supplied on this day.

    Raises VermilionError: FORBIDDEN; NOT_FOUND (`case_unknown`, `material_unknown`); CONFLICT (`case_state`).
    """
    require_officer(actor)
    return _suppliable(session, find_case(session, actor, case_id), code, day)


def supply(
    ports: Ports, actor: Actor, case_id: str, code: str, data: bytes, media: str, *, most: int | None = None
) -> tuple[CaseMaterial, bool]:
    """Examine a file and keep it as the case's material, as the next version; and whether it is one: the very
    file that is the latest is not kept again. `most`: bytes that the files of the case may have together. The
    vault is ready, and no transaction is open.

    Raises VermilionError: as `to_supply`, `examine` and `keep`; UNSUPPORTED_MEDIA, TOO_LARGE.
    """
    with database_errors(), Session(ports.database.read) as session:
        material = to_supply(session, actor, case_id, code, moment(ports).day)
    if media not in material.media:
        raise VermilionError(Kind.UNSUPPORTED_MEDIA, f"the material is {' or '.join(material.media)}")
    if len(data) > material.max_bytes:
        raise VermilionError(Kind.TOO_LARGE, f"more than {material.max_bytes} bytes")
    return keep(ports, actor, case_id, code, examine(ports, data, media), most=most)


def keep(
    ports: Ports, actor: Actor, case_id: str, code: str, examined: Examined, *, most: int | None = None
) -> tuple[CaseMaterial, bool]:
    """Keep a file that was examined. `most`: as for `supply`. No transaction is open.

    Raises VermilionError: as `to_supply`; CONFLICT (`too_many_versions`, `files_full`); UNAVAILABLE.
    """

    def may(session: Session, case: Case) -> None:
        _suppliable(session, case, code, moment(ports).day)

    return keep_as(ports, actor, case_id, code, examined, may=may, most=most)


def keep_as(
    ports: Ports,
    actor: Actor,
    case_id: str,
    code: str,
    examined: Examined,
    *,
    may: Callable[[Session, Case], None],
    event: str = "material_added",
    also: Callable[[Session, CaseMaterial], None] | None = None,
    most: int | None = None,
) -> tuple[CaseMaterial, bool]:
    """As `keep`. `may`: raises where the case takes no such file; `event`: what its event is called; `also`:
    what is put down with it.
    """
    with database_errors(), ports.database.transaction() as session:
        case = locked(session, actor, case_id)
        may(session, case)
        latest = supplied(session, case.id).get(code)
        if latest is not None and (latest.sha256, latest.media) == (examined.sha256, examined.media):
            session.expunge(latest)
            return latest, False
        if most is not None:
            require_room(session, case.id, len(examined.data), most)
        row = _taken(session, ports, actor, case, code, examined)
        material_id, version = row.id, row.version
    ports.documents.put_new(document_key(material_id), examined.data)
    try:
        return _kept(ports, actor, (case_id, code, version), examined, may, event, also), True
    except VermilionError as error:
        if error.reason == GIVEN_UP:  # by the sweep, which may have looked for the file before it was there
            open_store(ports.settings.documents_directory).remove(document_key(material_id))
        raise


def _kept(
    ports: Ports,
    actor: Actor,
    which: tuple[str, str, int],
    examined: Examined,
    may: Callable[[Session, Case], None],
    event: str,
    also: Callable[[Session, CaseMaterial], None] | None,
) -> CaseMaterial:
    """A version of a material whose file is stored."""
    case_id, code, version = which
    with database_errors(), ports.database.transaction() as session:
        case = locked(session, actor, case_id)
        may(session, case)
        kept = session.get_one(CaseMaterial, which, with_for_update=True)
        if kept.state != MaterialState.TAKEN:  # it took so long that it was given up meanwhile
            raise VermilionError(Kind.UNAVAILABLE, "the file was not kept in time", reason=GIVEN_UP)
        if examined.report is not None:
            applicant = open_application(ports.vault, case.id, case.application)
            kept.match = examined.report.match(applicant).value
        at = moment(ports)
        detail = {"material": code, "version": str(version), "sha256": kept.sha256.hex(), "scan": kept.scan}
        event_id = record_about(session, ports, case, actor, event, at, detail, rests_on=SUBMISSION)
        kept.state, kept.at, kept.event_id = MaterialState.KEPT.value, at.now, event_id
        case.drawn_at = at.now  # whoever adds to a draft goes on with it
        session.flush()
        if also is not None:
            also(session, kept)
            session.flush()
        session.expunge(kept)
    return kept


def require_room(session: Session, case_id: str, size: int, most: int) -> None:
    """Raises VermilionError(CONFLICT, reason "files_full") where a further file of so many bytes has no room
    beside those that are there or on their way.
    """
    counted = (MaterialState.TAKEN, MaterialState.KEPT)
    sizes = select(func.sum(CaseMaterial.size)).where(
        CaseMaterial.case_id == case_id, CaseMaterial.state.in_(counted)
    )
    if (session.scalar(sizes) or 0) + size > most:
        raise VermilionError(
            Kind.CONFLICT,
            "the files of this application are as large as they may be together",
            reason="files_full",
        )


def require_open(case: Case) -> None:
    """Raises VermilionError(CONFLICT, reason "case_state") where the application is not the applicant's to
    change.
    """
    if CaseState(case.state) not in SUPPLIED_IN:
        raise VermilionError(
            Kind.CONFLICT,
            "materials come with a draft, or when a correction was asked for",
            reason="case_state",
        )


def _suppliable(session: Session, case: Case, code: str, day: date) -> Material:
    matter = matter_of(session, case, day)
    material = next((one for one in matter.materials if one.code == code), None)
    if material is None:
        raise VermilionError(Kind.NOT_FOUND, "the matter has no such material", reason="material_unknown")
    require_open(case)
    return material


def _taken(
    session: Session, ports: Ports, actor: Actor, case: Case, code: str, examined: Examined
) -> CaseMaterial:
    of_code = (CaseMaterial.case_id == case.id, CaseMaterial.code == code)
    last = session.scalar(select(func.max(CaseMaterial.version)).where(*of_code)) or 0
    if last >= MAX_VERSIONS:
        detail = f"a material has at most {MAX_VERSIONS} versions"
        raise VermilionError(Kind.CONFLICT, detail, reason="too_many_versions")
    material_id = ports.random(16).hex()
    report = None
    if examined.report is not None:
        report = close_report(ports.vault, material_id, examined.report)
    row = CaseMaterial(
        case_id=case.id,
        code=code,
        version=last + 1,
        id=material_id,
        state=MaterialState.TAKEN.value,
        sha256=examined.sha256,
        size=len(examined.data),
        media=examined.media,
        scan=examined.scan.value,
        match="",
        report=report,
        client_id=actor.client_id,
        person_id=actor.person_id,
        operator=actor.operator,
        at=moment(ports).now,
        event_id=None,
    )
    session.add(row)
    session.flush()
    return row
