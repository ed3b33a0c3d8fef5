"""Materials of an application: what is wanted, what there is, and files that are sent; what is said of the
form that the registry draws of it. Who signed a PDF is told before anything is submitted.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from flask import Response
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry import web
from registry.agencies.tables import Agency
from registry.applicants import acts
from registry.applicants.acts import Opened
from registry.applicants.browser import (
    APPLICATIONS,
    before_the_file,
    blueprint,
    chinese,
    drain,
    form_with_photos,
    go,
    lang,
    page,
    words,
)
from registry.applicants.fields import in_language
from registry.applicants.guide_pages import agency_named, material, named
from registry.console.uploads import FileForm
from registry.holders.rendering import minute
from registry.intake.applications import Application, open_said
from registry.intake.cases import moves_of
from registry.intake.declarations import FORM, SIGNED_FORM, is_current, latest_form
from registry.intake.exchange_tables import CaseRetrieval
from registry.intake.material_tables import CaseMaterial
from registry.intake.materials import (
    SignatureReport,
    find_version,
    read_material,
    signatures_of,
    supplied,
    wants,
)
from registry.intake.moves import Action, CaseState, Who
from registry.intake.retrieval import UNANSWERED, found, retrievals_of
from registry.intake.supplying import PDF, SUPPLIED_IN
from registry.intake.tables import CaseMove
from registry.licences.moment import moment
from registry.licences.outage import database_errors
from registry.licences.shown import file_answer
from registry.problems import status_of
from signing.licence_type import Field, FieldKind
from signing.report_words import indication_word, word
from signing.signatory import THEIRS, Match

_BEGINNINGS = {b"%PDF-": PDF, b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
_SUFFIX = {PDF: "pdf", "image/jpeg": "jpg", "image/png": "png"}
_TOLD_BY_PAGE = frozenset({Kind.INVALID, Kind.TOO_LARGE, Kind.UNSUPPORTED_MEDIA, Kind.MALFORMED})


@blueprint.get("/applications/<token>/materials", endpoint="materials")
def materials(token: str) -> Response:
    """All of them, each with what there is of it and a place to send a file."""
    return _materials(token)


@blueprint.post("/applications/<token>/materials/<code>", endpoint="send_material")
def send_material(token: str, code: str) -> Response:
    """One file; it is examined at once, and what takes its place is the next version."""
    ports = web.ports()
    ports.vault.ready()
    wanted = before_the_file(lambda: acts.receive_file(ports, web.network(), token, code))
    fault = received(
        wanted.max_bytes, lambda data, media: acts.supply_material(ports, token, code, data, media)
    )
    return _materials(token, (code, fault)) if fault else go(f"{APPLICATIONS}/{token}/materials")


@blueprint.post("/applications/<token>/photos/<name>", endpoint="save_photo")
def save_photo(token: str, name: str) -> Response:
    """Put in one photo, or take it out."""
    typed, files = form_with_photos()
    data = files.get("photo")
    if data is None and "remove" not in typed:
        return go(f"{APPLICATIONS}/{token}/materials")
    photo = None if data is None else base64.b64encode(data).decode("ascii")
    try:
        acts.keep_photo(web.ports(), web.network(), token, name, photo)
    except VermilionError as error:
        if error.kind is not Kind.INVALID:
            raise
        return _materials(token, (name, words()["photo_refused"]))
    return go(f"{APPLICATIONS}/{token}/materials")


@blueprint.get("/applications/<token>/materials/<code>/<edition_number:version>", endpoint="material_file")
def material_file(token: str, code: str, version: int) -> Response:
    """A file as it was sent, or the form as it was drawn."""
    ports = web.ports()
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        opened = acts.opened(session, ports, token)
        row = find_version(session, opened.case.id, code, version)
        session.expunge(row)
    name = f"{row.code}-{row.version}.{_SUFFIX[row.media]}"
    answer = file_answer(name, row.media, row.sha256, lambda: read_material(ports, row))
    answer.headers["Cache-Control"] = "no-store"
    return answer


def drawn_form(session: Session, opened: Opened, here: str) -> dict[str, Any] | None:
    """What a page says of the form of the application as it stands; None where there is none of it. The vault
    is ready.
    """
    ports, case = web.ports(), opened.case
    found = latest_form(session, case.id)
    if found is None or not is_current(session, ports, case, found, moment(ports).day):
        return None
    row = find_version(session, case.id, FORM, found.version)
    signed = None
    if found.signed_version is not None:
        signed = find_version(session, case.id, SIGNED_FORM, found.signed_version)
    return {
        "sha256": row.sha256.hex(),
        "href": f"{here}/materials/{FORM}/{found.version}",
        "at": minute(row.at, ports.settings.tz, lang()),
        "signed": None if signed is None else _file(signed, here),
    }


def standing(session: Session, opened: Opened, here: str) -> list[dict[str, Any]]:
    """Each material of the matter, with what there is of it. The vault is ready."""
    case = opened.case
    there = supplied(session, case.id)
    known = _is_known(session, opened)
    elsewhere = found(session, case.id) if known else {}
    searched = {row.material: row for row in retrievals_of(session, case.id)}  # the last of each
    lacking = wants(session, case.id, opened.matter)
    why = _asked(session, opened)
    rows = []
    for one in opened.matter.materials:
        shown, row = material(one), there.get(one.code)
        search = searched.get(one.code)
        if row is not None:
            state = "unsigned" if one.code in lacking else "supplied"
        elif one.code in elsewhere:
            state = "found"
        elif (search is not None and one.code not in why and (not known or search.state in UNANSWERED)) or (
            opened.state is CaseState.DRAFT and shown["looked_up"]
        ):
            state = "looked_for"
        elif one.code in lacking:
            state = "missing"
        else:
            state = "not_needed" if one.paper is None else "on_paper"
        rows.append(
            {
                **shown,
                "state": state,
                "done": state not in {"missing", "unsigned"},
                "found": _found(session, elsewhere[one.code]) if state == "found" else None,
                "why": why.get(one.code),
                "signed": one.signed,
                "file": None if row is None else _file(row, here),
            }
        )
    return rows


def _is_known(session: Session, opened: Opened) -> bool:
    """Whether somebody at the agency has seen who applies. Until then it is not told what was found of them:
    else anybody could apply with anybody's code, and learn which licences they have.
    """
    accepted = exists().where(
        CaseMove.case_id == opened.case.id, CaseMove.action == Action.ACCEPT, CaseMove.who != Who.SYSTEM
    )
    return not opened.of_form or bool(session.scalar(select(accepted)))


def _found(session: Session, row: CaseRetrieval) -> str:
    """Who has it, and when that was told."""
    vouches = None if row.source is None else session.get(Agency, row.source)
    told, name = words(), "" if vouches is None else agency_named(vouches)["text"]
    when = row.ended_at or row.asked_at
    return told["found_at"].format(
        source=name or told["unknown"], at=minute(when, web.ports().settings.tz, lang())
    )


def _asked(session: Session, opened: Opened) -> Mapping[str, str]:
    """What the last demand for a correction says, by material or field."""
    if opened.state is not CaseState.CORRECTION:
        return {}
    vault, case = web.ports().vault, opened.case
    last = [one for one in moves_of(session, case.id) if one.action == Action.ASK_CORRECTION][-1]
    return {item.code: item.why for item in open_said(vault, case.id, last.number, last.said).items}


def _materials(token: str, fault: tuple[str, str] | None = None) -> Response:
    ports = web.ports()
    ports.vault.ready()
    here = f"{APPLICATIONS}/{token}"
    with database_errors(), Session(ports.database.read) as session:
        opened = acts.opened(session, ports, token)
        if opened.state not in SUPPLIED_IN or opened.form is None or not opened.of_form:
            return go(here)
        agency = session.get_one(Agency, opened.case.agency_code)
        rows = standing(session, opened, here)
    draft = opened.state is CaseState.DRAFT
    photos = [one for one in opened.matter.fields if one.kind is FieldKind.PHOTO and draft]
    return page(
        "materials.html",
        200 if fault is None else status_of(Kind.INVALID),
        m=named(opened.matter.name),
        agency=agency_named(agency),
        here=here,
        rows=[{**row, "fault": fault[1] if fault and fault[0] == row["code"] else None} for row in rows],
        photos=[
            _photo(one, opened.application, fault[1] if fault and fault[0] == one.name else None)
            for one in photos
        ],
        wrong=fault is not None,
        correction=opened.state is CaseState.CORRECTION,
        zh=chinese(),
    )


def _photo(field: Field, application: Application, fault: str | None) -> dict[str, Any]:
    label, tag = in_language(field.label, lang())
    return {
        "name": field.name,
        "label": label,
        "lang": tag,
        "required": field.required,
        "fault": fault,
        "there": field.name in application.fields,
    }


def received(max_bytes: int, keep: Callable[[bytes, str], None]) -> str | None:
    """Read a form with a file and keep it; or what a page says of why not."""
    with web.state().public_uploads.one():
        try:
            sent = FileForm(max_bytes=max_bytes)
        except VermilionError as error:
            drain()
            return _said(error)
        try:
            data = _whole(sent, max_bytes)
        except VermilionError as error:
            sent.drain()
            return _said(error)
        media = next((kind for start, kind in _BEGINNINGS.items() if data.startswith(start)), None)
        if not data:
            return words()["file_empty"]
        if media is None:
            return words()["file_material_format"]
        try:
            keep(data, media)
        except VermilionError as error:
            return _said(error)
    return None


def _whole(sent: FileForm, max_bytes: int) -> bytes:
    pieces, length = [], 0
    while piece := sent.read(1 << 20):
        length += len(piece)
        if length > max_bytes:
            raise VermilionError(Kind.TOO_LARGE, f"more than {max_bytes} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _said(error: VermilionError) -> str:
    """Raises what is no fault of the file."""
    if error.kind not in _TOLD_BY_PAGE:
        raise error
    told = words()
    by_kind = {Kind.TOO_LARGE: "file_too_large", Kind.UNSUPPORTED_MEDIA: "file_material_format"}
    return told.get(f"file_{error.reason}", told[by_kind.get(error.kind, "file_other")])


def _file(row: CaseMaterial, here: str) -> dict[str, Any]:
    ports, told = web.ports(), words()
    report = signatures_of(ports, row)
    return {
        "href": f"{here}/materials/{row.code}/{row.version}",
        "kind": _SUFFIX[row.media].upper(),
        "size": f"{max(1, row.size // 1024)} KB",
        "at": minute(row.at, ports.settings.tz, lang()),
        "scan": told["not_scanned"] if row.scan == "not_scanned" else None,
        "report": None if report is None else _report(report, Match(row.match)),
    }


def _report(report: SignatureReport, match: Match) -> dict[str, Any]:
    """What was found of a PDF's signatures, in the reader's language."""
    chosen = lang()
    return {
        "says": report.told["says"][chosen],
        "theirs": match in THEIRS,
        "match": word("signatories", match.value, chosen),
        "unsigned": match is Match.UNSIGNED,
        "signatures": [
            {
                "signer": one["signer"],
                "issuer": one["issuer"],
                "authority": word("authorities", one["authority"] or "none", chosen),
                "integrity": word("integrity", one["integrity"], chosen),
                "verdict": indication_word(one["indication"], one["sub_indication"], chosen),
            }
            for one in report.told["signatures"]
            if one["kind"] == "signature"
        ],
    }
