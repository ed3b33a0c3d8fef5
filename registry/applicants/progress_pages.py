"""Following a case: by its number and code, every step, what was told, what is due, and what came of it.

Number and code are typed, and stand in no address: what is shown for them has a link of its own, which is
over in an hour. An unknown number, a wrong code and one attempt too many get the very same page.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry import web
from registry.agencies.tables import Agency
from registry.applicants import acts, links
from registry.applicants.acts import Opened
from registry.applicants.browser import (
    APPLICATIONS,
    blueprint,
    chinese,
    form,
    form_with_photos,
    go,
    lang,
    page,
    words,
)
from registry.applicants.fields import Input, inputs_of, kinds_of, read_values, told, typed_of
from registry.applicants.guide_pages import agency_named, named
from registry.applicants.material_pages import standing
from registry.holders import proof
from registry.holders.rendering import civil, minute
from registry.intake import cases, joint
from registry.intake.applications import Said, open_said
from registry.intake.joint_moves import WANTED, SubState
from registry.intake.materials import supplied
from registry.intake.matters import Matter
from registry.intake.moves import Action, CaseState
from registry.intake.tables import CaseMove
from registry.intake.telling import WORDS as TOLD
from registry.licences.outage import database_errors
from registry.licences.tables import Edition
from registry.notices.kinds import NoticeState
from registry.notices.tables import Notice
from registry.problems import status_of
from signing.codes import normalise_lookup_code, print_lookup_code

NUMBER = re.compile(r"[0-9]{18}")
_OVER = frozenset(
    {CaseState.NOT_ACCEPTED, CaseState.RETURNED, CaseState.REFUSED, CaseState.TERMINATED, CaseState.DONE}
)


# --- the way in ----------------------------------------------------------------------------------------


@blueprint.get("/applications/", endpoint="applications")
def applications() -> Response:
    return _way_in()


@blueprint.post("/applications/", endpoint="find_application")
def find_application() -> Response:
    """By number and code, or by a draft's link. Attempts at the first are counted and limited as those at
    licences are.
    """
    ports, typed = web.ports(), form()
    if "draft" in typed:
        return _draft(typed["draft"])
    try:
        number = _number(typed.get("number", ""))
        code = normalise_lookup_code(typed.get("code", ""))
    except VermilionError:
        return _way_in("fault_number", status_of(Kind.INVALID))
    ports.vault.ready()
    try:
        with database_errors():
            attempt = proof.attempt(ports, web.network(), f"case {number}")
            proof.count(ports, attempt)
            with Session(ports.database.read) as session:
                case = cases.find_by_code(session, ports, number, code)
            if case is None:
                raise proof.unmatched()
            token = acts.link_for(ports, case)
            with ports.database.transaction() as session:
                proof.was_right(session, attempt)
    except VermilionError as error:
        if error.reason != "unmatched":
            raise
        return _way_in("fault_unmatched", status_of(Kind.NOT_FOUND))
    return go(f"{APPLICATIONS}/{token}")


def _draft(text: str) -> Response:
    """On to a draft, for its whole link or what stands at its end."""
    token = "".join(text.split()).partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[2]
    if not links.is_token(token):
        return _way_in("fault_draft", status_of(Kind.INVALID))
    return go(f"{APPLICATIONS}/{token}")


def _number(text: str) -> str:
    number = "".join(text.split()).replace("-", "")
    if not NUMBER.fullmatch(number):
        raise VermilionError(Kind.MALFORMED, "a case number has 18 digits")
    return number


def _way_in(fault: str | None = None, status: int = 200) -> Response:
    return page("applications.html", status, fault=None if fault is None else words()[fault])


# --- progress ------------------------------------------------------------------------------------------


def progress(session: Session, token: str, opened: Opened) -> Response:
    """The page of a case that was submitted. The vault is ready."""
    ports, case, matter = web.ports(), opened.case, opened.matter
    agency = session.get_one(Agency, case.agency_code)
    moves = cases.moves_of(session, case.id)
    said = [(one, open_said(ports.vault, case.id, one.number, one.said)) for one in moves]
    notices = _notices(session, moves)
    state = opened.state
    return page(
        "progress.html",
        m=named(matter.name),
        agency=agency_named(agency),
        here=f"{APPLICATIONS}/{token}",
        number=case.number,
        code=print_lookup_code(cases.code_of(ports, case)) if opened.drawn_up else None,
        way_in=f"{ports.settings.holder}{APPLICATIONS}/",
        state=words()[f"state_{state.value}"],
        state_hint=words().get(f"state_{state.value}_hint"),
        applicant=opened.application.name,
        due=_due(opened),
        provisional=case.provisional and case.due_on is not None,
        items=_open_items(opened, said),
        steps=[_step(one, what, matter, notices) for one, what in reversed(said)],
        licence=_licence(session, opened),
        taking_part=_taking_part(session, opened),
        materials=standing(session, opened, f"{APPLICATIONS}/{token}"),
        over=state in _OVER,
        may={action.value: opened.may(action) for action in (Action.CORRECT, Action.WITHDRAW)},
        waits=state is CaseState.CORRECTION,
        other_way=not opened.of_form,
        form_open=opened.form is not None,
        consult=matter.consult_phone,
        complaint=matter.complaint_phone,
        review=matter.review,
        litigation=matter.litigation,
        zh=chinese(),
    )


def _due(opened: Opened) -> list[tuple[str, str]]:
    """The days that are told, each with what it is."""
    case, said = opened.case, words()
    rows: list[tuple[str, str]] = []
    if case.submitted_on is not None:
        rows.append((said["submitted_on"], civil(case.submitted_on, lang())))
    if case.accepted_on is not None:
        rows.append((said["accepted_on"], civil(case.accepted_on, lang())))
    if opened.state in {CaseState.SUBMITTED, CaseState.RECEIVED} and case.due_on is not None:
        rows.append((said["due_told"], civil(case.due_on, lang())))
    if opened.state in {CaseState.ACCEPTED, CaseState.HANDLING}:
        for name, day in (("due_committed", case.committed_due), ("due_statutory", case.statutory_due)):
            if day is not None:
                rows.append((said[name], civil(day, lang())))
    if opened.state is CaseState.PERMITTED and case.due_on is not None:
        rows.append((said["due_delivered"], civil(case.due_on, lang())))
    if case.decided_on is not None:
        rows.append((said["decided_on"], civil(case.decided_on, lang())))
    return rows


def _step(move: CaseMove, what: Said, matter: Matter, notices: Mapping[str, NoticeState]) -> dict[str, Any]:
    said, chosen = words(), lang()
    shown = TOLD.get(move.action, {}).get(chosen)
    if move.action == Action.FINISH and move.came_from != CaseState.PERMITTED:
        shown = said["step_finish"]
    told_by = None
    if move.notice_id is not None:
        state = notices.get(move.notice_id)
        told_by = said["notice_written" if state is None else f"notice_{state.value}"]
    ground = move.legal_basis if move.who in {"window", "handler", "approver"} and what_rests(move) else None
    return {
        "what": shown or said[f"step_{move.action}"],
        "at": minute(move.at, web.ports().settings.tz, chosen),
        "who": said[f"who_{move.who}"],
        "words": what.words,
        "items": [_item(one.code, one.why, matter) for one in what.items],
        "days": said["days_of"].format(days=move.days) if move.days else None,
        "ground": ground,
        "told": told_by,
    }


def what_rests(move: CaseMove) -> bool:
    """Whether somebody named a ground of their own for it."""
    return move.legal_basis != cases.RESTS_ON.get(Action(move.action))


def _item(code: str, why: str, matter: Matter) -> dict[str, Any]:
    names = {
        **{one.code: one.name for one in matter.materials},
        **{one.name: one.label for one in matter.fields},
    }
    return {"name": named(names[code]), "why": why}


def _notices(session: Session, moves: Sequence[CaseMove]) -> dict[str, NoticeState]:
    ids = [one.notice_id for one in moves if one.notice_id is not None]
    rows = session.execute(select(Notice.id, Notice.state).where(Notice.id.in_(ids)))
    return {row.id: NoticeState(row.state) for row in rows}


def _open_items(opened: Opened, said: Sequence[tuple[CaseMove, Said]]) -> list[dict[str, Any]]:
    if opened.state is not CaseState.CORRECTION:
        return []
    return [_item(one.code, one.why, opened.matter) for one in _asked(said).items]


def _asked(said: Sequence[tuple[CaseMove, Said]]) -> Said:
    """What the last demand for a correction wants."""
    return next(what for one, what in reversed(said) if one.action == Action.ASK_CORRECTION)


def _taking_part(session: Session, opened: Opened) -> list[dict[str, Any]]:
    """The other agencies of a joint case, and whether they have given their opinion; what it is stands in the
    one answer.
    """
    rows = []
    for one in joint.sub_cases_of(session, opened.case.id) if opened.matter.joint else ():
        state = SubState(one.state)
        shown = words()[f"part_{state.value}"]
        if state in WANTED and one.due_on is not None:
            shown = words()["part_due"].format(day=civil(one.due_on, lang()))
        rows.append(
            {
                "agency": agency_named(session.get_one(Agency, one.agency_code)),
                "about": named(joint.part_of(opened.matter, one).decides_on),
                "state": shown,
                "given": state is SubState.GIVEN,
            }
        )
    return rows


def _licence(session: Session, opened: Opened) -> dict[str, Any] | None:
    if opened.case.edition_id is None:
        return None
    edition = session.get_one(Edition, opened.case.edition_id)
    settings = web.ports().settings
    return {
        "identifier": edition.identifier,
        "site": settings.public_origin,
        "take": opened.form is not None and opened.of_form,
    }


# --- what applicants do to a case ----------------------------------------------------------------------


@blueprint.get("/applications/<token>/correction", endpoint="correction")
def correction(token: str) -> Response:
    """What is to be corrected, each item beside its field."""
    return _correction(token, None, undeclared=False)


@blueprint.post("/applications/<token>/correction", endpoint="correct")
def correct(token: str) -> Response:
    """Put in what was asked for; a second press finds it done."""
    typed, files = form_with_photos()
    ports = web.ports()
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        opened = acts.opened(session, ports, token)
        fields = _asked_fields(session, opened) if opened.state is CaseState.CORRECTION else []
    if opened.state is not CaseState.CORRECTION:
        return go(f"{APPLICATIONS}/{token}")
    values: dict[str, Any] = {field.name: None for field in fields if field.kind.value != "photo"}
    values |= read_values(fields, typed)
    for field in fields:
        if (data := files.get(f"f_{field.name}")) is not None:
            values[field.name] = base64.b64encode(data).decode("ascii")
    if typed.get("declaration") != "yes":
        return _correction(token, typed, undeclared=True)
    try:
        acts.correct(ports, token, values, declared=True)
    except VermilionError as error:
        if error.kind is not Kind.INVALID or not error.faults:
            raise
        return _correction(token, typed, undeclared=False, error=error)
    return go(f"{APPLICATIONS}/{token}")


def _correction(
    token: str,
    typed: Mapping[str, str] | None,
    *,
    undeclared: bool,
    error: VermilionError | None = None,
) -> Response:
    ports, said = web.ports(), words()
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        opened = acts.opened(session, ports, token)
        if not opened.may(Action.CORRECT):
            return go(f"{APPLICATIONS}/{token}")
        asked = _demanded(session, opened)
        fields = _asked_fields(session, opened)
        agency = session.get_one(Agency, opened.case.agency_code)
        there = {code: row.at for code, row in supplied(session, opened.case.id).items()}
    why = {one.code: one.why for one in asked.items}
    shown = typed_of(opened.application) if typed is None else typed
    faults = () if error is None else error.faults
    inputs = [
        _because(one, why.get(one.name.removeprefix("f_")))
        for one in told(inputs_of(fields, shown, said, lang()), faults, kinds_of(opened.matter.fields), said)
    ]
    names = {one.name for one in opened.matter.fields}
    status = status_of(Kind.INVALID) if undeclared or error is not None else 200
    return page(
        "correction.html",
        status,
        m=named(opened.matter.name),
        agency=agency_named(agency),
        here=f"{APPLICATIONS}/{token}",
        number=opened.case.number,
        said=asked.words,
        inputs=inputs,
        items=[
            {**_item(one.code, one.why, opened.matter), "file": _at(there.get(one.code))}
            for one in asked.items
            if one.code not in names
        ],
        photos=any(one.kind == "file" for one in inputs),
        wrong=[(one.name, one.label, one.label_lang, one.fault) for one in inputs if one.fault],
        undeclared=undeclared,
        zh=chinese(),
    )


def _at(when: datetime | None) -> dict[str, str] | None:
    if when is None:
        return None
    return {"at": words()["file_sent"].format(at=minute(when, web.ports().settings.tz, lang()))}


def _because(one: Input, why: str | None) -> Input:
    return replace(one, why=why)


def _demanded(session: Session, opened: Opened) -> Said:
    vault, case = web.ports().vault, opened.case
    moves = cases.moves_of(session, case.id)
    return _asked([(one, open_said(vault, case.id, one.number, one.said)) for one in moves])


def _asked_fields(session: Session, opened: Opened) -> list[Any]:
    names = {one.code for one in _demanded(session, opened).items}
    return [one for one in opened.matter.fields if one.name in names]


@blueprint.get("/applications/<token>/withdrawal", endpoint="withdrawal")
def withdrawal(token: str) -> Response:
    """Asks once more: there is no way back."""
    ports = web.ports()
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        opened = acts.opened(session, ports, token)
        if not opened.may(Action.WITHDRAW):
            return go(f"{APPLICATIONS}/{token}")
        agency = session.get_one(Agency, opened.case.agency_code)
    return page(
        "withdrawal.html",
        m=named(opened.matter.name),
        agency=agency_named(agency),
        here=f"{APPLICATIONS}/{token}",
        number=opened.case.number,
    )


@blueprint.post("/applications/<token>/withdrawal", endpoint="withdraw")
def withdraw(token: str) -> Response:
    form()
    acts.withdraw(web.ports(), token)
    return go(f"{APPLICATIONS}/{token}")


@blueprint.post("/applications/<token>/licence", endpoint="take_licence")
def take_licence(token: str) -> Response:
    """On to a pick-up link's own page, where the document is given once."""
    form()
    chosen: Any = lang()
    return go(f"/holder/pick-up/{acts.take_licence(web.ports(), token, chosen)}")
