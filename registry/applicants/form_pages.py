"""Applying: the form of a matter, the draft that can be left and come back to, and its submission.

A form carries the link of its draft from the moment it is shown, so a second press saves the same draft. What
is wrong is told beside its field and keeps what was typed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError
from registry import web
from registry.agencies.tables import Agency
from registry.applicants import acts, links
from registry.applicants.acts import Opened
from registry.applicants.browser import (
    APPLICATIONS,
    GUIDES,
    before_the_file,
    blueprint,
    chinese,
    form,
    go,
    lang,
    page,
    words,
)
from registry.applicants.fields import (
    Input,
    control,
    id_types,
    in_language,
    inputs_of,
    kinds_of,
    name_of,
    read_application,
    said_of_fault,
    told,
    typed_of,
)
from registry.applicants.guide_pages import agency_named, named, no_matter
from registry.applicants.material_pages import drawn_form, received, standing
from registry.applicants.progress_pages import progress
from registry.holders.rendering import minute
from registry.intake.application_form import MAX_SIGNED
from registry.intake.applications import Application
from registry.intake.matter_lists import matter_on
from registry.intake.matters import Matter
from registry.intake.moves import CaseState
from registry.licences.moment import moment
from registry.licences.outage import database_errors
from registry.notices.addresses import MAX_ADDRESS
from registry.problems import status_of
from signing.licence_type import FieldKind

WRONG = status_of(Kind.INVALID)


# --- the form ------------------------------------------------------------------------------------------


@blueprint.get("/services/<code>/application", endpoint="application_form")
def application_form(code: str) -> Response:
    """An empty form, with the link of the draft that it will be."""
    found = _matter(code)
    if found is None:
        return no_matter()
    matter, agency, open_now = found
    if not open_now:
        return _closed(matter)
    return _form(matter, agency, links.new_token(web.ports().random), {}, ())


@blueprint.post("/services/<code>/application", endpoint="begin_application")
def begin_application(code: str) -> Response:
    """Save a draft as it is, or check it and go on."""
    typed = form()
    token = typed.get("draft", "")
    found = _matter(code)
    if found is None:
        return no_matter()
    matter, agency, open_now = found
    if not open_now:
        return _closed(matter)
    if not links.is_token(token):
        raise VermilionError(Kind.MALFORMED, "the form is not one of ours")
    return _saved(matter, agency, token, typed, None)


@blueprint.get("/applications/<token>/details", endpoint="details")
def details(token: str) -> Response:
    """A draft's form, filled in as it was saved."""
    opened, agency = _opened(token)
    if opened.state is not CaseState.DRAFT:
        return go(f"{APPLICATIONS}/{token}")
    if opened.form is None:
        return _closed(opened.matter)
    return _form(opened.matter, agency, token, typed_of(opened.application), ())


@blueprint.post("/applications/<token>/details", endpoint="save_details")
def save_details(token: str) -> Response:
    typed = form()
    opened, agency = _opened(token)
    if opened.state is not CaseState.DRAFT:
        return go(f"{APPLICATIONS}/{token}")
    return _saved(opened.matter, agency, token, typed, opened.application)


def _saved(
    matter: Matter, agency: Agency, token: str, typed: Mapping[str, str], before: Application | None
) -> Response:
    ports = web.ports()
    made = read_application(matter, typed, lang(), before)
    if "later" not in typed:
        with database_errors(), Session(ports.database.read) as session:
            actor = acts.public_form(session, matter.agency_code)
            if actor is None:
                return _closed(matter)
            faults = acts.faults_of(session, ports, actor, matter, made, photos_too=False)
        if faults:
            return _form(matter, agency, token, typed_of(made), faults)
    acts.save(ports, web.network(), token, matter.code, made)
    return go(f"{APPLICATIONS}/{token}")


def _form(
    matter: Matter, agency: Agency, token: str, typed: Mapping[str, str], faults: Sequence[Fault]
) -> Response:
    said, kinds = words(), kinds_of(matter.fields)
    fields = [one for one in matter.fields if one.kind is not FieldKind.PHOTO]
    who = told(_who(matter, typed), faults, kinds, said)
    about = told(inputs_of(fields, typed, said, lang()), faults, kinds, said)
    reached = told(_reached(typed), faults, kinds, said)
    shown = [*who, *about, *reached]
    return page(
        "form.html",
        WRONG if faults else 200,
        m=named(matter.name),
        guide=f"{GUIDES}/{matter.code}",
        agency=agency_named(agency),
        token=token,
        who=who,
        about=about,
        reached=reached,
        wrong=[(one.name, one.label, one.label_lang, one.fault) for one in shown if one.fault],
        until=web.ports().settings.draft_days,
    )


def _who(matter: Matter, typed: Mapping[str, str]) -> list[Input]:
    said, kinds = words(), id_types(matter)
    choices = tuple((kind, said[f"id_type_{kind}"]) for kind in kinds)
    persons = "001" not in kinds
    return [
        Input(
            "name", said["applicant_name"], "text", hint=said["applicant_name_hint"],
            value=typed.get("name", ""), max_length=120, autocomplete="name" if persons else "organization",
        ),
        Input(
            "id_type", said["id_type"], "select", value=typed.get("id_type", kinds[0]), choices=choices,
        ),
        Input(
            "id_code", said["id_code"], "text", value=typed.get("id_code", ""), max_length=40,
            autocomplete="off",
        ),
    ]  # fmt: skip


def _reached(typed: Mapping[str, str]) -> list[Input]:
    """How the applicant is told: by e-mail, where this registry sends any."""
    if not web.ports().settings.smtp_host:
        return []
    said = words()
    return [
        Input(
            "email", said["email"], "text", required=False, hint=said["email_hint"],
            value=typed.get("email", ""), max_length=MAX_ADDRESS, autocomplete="email", inputmode="email",
        )
    ]  # fmt: skip


# --- a draft -------------------------------------------------------------------------------------------


@blueprint.get("/applications/<token>", endpoint="application")
def application(token: str) -> Response:
    """What a link opens: the draft and what is left to do; or, once it was submitted, its progress."""
    ports = web.ports()
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        opened = _open(session, token)
        if opened.state is not CaseState.DRAFT:
            return progress(session, token, opened)
        agency = session.get_one(Agency, opened.case.agency_code)
        faults = _faults(session, opened)
        link = links.required(session, token, ports.clock())
        rows = standing(session, opened, f"{APPLICATIONS}/{token}")
        until = minute(link.expires_at, ports.settings.tz, lang())
    photos = [one for one in opened.matter.fields if one.kind is FieldKind.PHOTO]
    names = {name_of(one) for one in photos}
    return page(
        "draft.html",
        m=named(opened.matter.name),
        guide=f"{GUIDES}/{opened.matter.code}",
        agency=agency_named(agency),
        here=f"{APPLICATIONS}/{token}",
        link=f"{ports.settings.holder}{APPLICATIONS}/{token}",
        until=until,
        details_done=all(control(one.field) in names for one in faults),
        files=bool(photos or rows),
        files_done=all(one["done"] for one in rows)
        and not any(control(one.field) in names for one in faults),
        ready=not faults,
        open=opened.form is not None,
        consult=opened.matter.consult_phone,
        zh=chinese(),
    )


@blueprint.get("/applications/<token>/submission", endpoint="review")
def review(token: str) -> Response:
    """All that was put in, to be looked at once more, and declared true."""
    return _review(token)


@blueprint.post("/applications/<token>/submission", endpoint="submit")
def submit(token: str) -> Response:
    """Submit it; a second press finds it submitted."""
    typed = form()
    digest = typed.get("form", "")
    if typed.get("declaration") != "yes" or not re.fullmatch(r"[0-9a-f]{64}", digest):
        return _review(token, undeclared=True)
    try:
        acts.submit(web.ports(), token, bytes.fromhex(digest), declared=True)
    except VermilionError as error:
        if error.kind is not Kind.INVALID and error.reason not in {"form_stale", "form_unknown"}:
            raise
        return _review(token, stale=error.kind is not Kind.INVALID)
    return go(f"{APPLICATIONS}/{token}")


@blueprint.post("/applications/<token>/form", endpoint="draw_form")
def draw_form(token: str) -> Response:
    """Have the form drawn of what the application says now."""
    form()
    chosen: Any = lang()
    try:
        acts.draw_form(web.ports(), web.network(), token, chosen)
    except VermilionError as error:
        if error.kind is not Kind.INVALID:  # its faults are told by the page that this leads to
            raise
    return go(f"{APPLICATIONS}/{token}/submission")


@blueprint.post("/applications/<token>/form/signature", endpoint="send_signed_form")
def send_signed_form(token: str) -> Response:
    """The form with the applicant's signature behind it."""
    ports = web.ports()
    ports.vault.ready()
    before_the_file(lambda: acts.receive_signed_form(ports, web.network(), token))
    fault = received(MAX_SIGNED, lambda data, _media: acts.sign_form(ports, token, data))
    return _review(token, form_fault=fault) if fault else go(f"{APPLICATIONS}/{token}/submission")


def _review(
    token: str, *, undeclared: bool = False, stale: bool = False, form_fault: str | None = None
) -> Response:
    ports = web.ports()
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        opened = _open(session, token)
        if opened.state is not CaseState.DRAFT:
            return go(f"{APPLICATIONS}/{token}")
        if opened.form is None:
            return _closed(opened.matter)
        agency = session.get_one(Agency, opened.case.agency_code)
        faults = _faults(session, opened)
        here = f"{APPLICATIONS}/{token}"
        drawn = None if faults else drawn_form(session, opened, here)
        rows_of_materials = standing(session, opened, here)
    kinds, said = kinds_of(opened.matter.fields), words()
    rows = summary(opened.matter, opened.application)
    wrong = {control(one.field): said_of_fault(one, kinds.get(control(one.field)), said) for one in faults}
    return page(
        "review.html",
        WRONG if undeclared or faults or stale or form_fault else 200,
        m=named(opened.matter.name),
        agency=agency_named(agency),
        here=here,
        rows=[{**row, "fault": wrong.get(row["name"])} for row in rows],
        materials=rows_of_materials,
        lacking=[one for one in rows_of_materials if not one["done"]],
        wrong=bool(faults),
        undeclared=undeclared and drawn is not None,
        drawn=drawn,
        stale=stale,
        form_fault=form_fault,
        zh=chinese(),
    )


def summary(matter: Matter, application: Application) -> list[dict[str, Any]]:
    """What was put in, as it is read again."""
    said, chosen = words(), lang()
    kind = said[f"id_type_{application.id_type}"] if application.id_type else ""
    rows: list[dict[str, Any]] = [
        {"name": "name", "label": said["applicant_name"], "lang": None, "lines": [application.name]},
        {"name": "id_type", "label": said["id_type"], "lang": None, "lines": [kind]},
        {"name": "id_code", "label": said["id_code"], "lang": None, "lines": [application.id_code]},
    ]
    for field in matter.fields:
        label, tag = in_language(field.label, chosen)
        value = application.fields.get(field.name, "")
        if field.kind is FieldKind.PHOTO:
            lines = [said["photo_there"]] if value else []
        else:
            lines = [str(one) for one in value] if isinstance(value, list) else [str(value)]
        rows.append({"name": name_of(field), "label": label, "lang": tag, "lines": lines})
    if application.contact.channel != "none":
        rows.append(
            {"name": "email", "label": said["email"], "lang": None, "lines": [application.contact.to]}
        )
    return rows


# --- what they share -----------------------------------------------------------------------------------


def _matter(code: str) -> tuple[Matter, Agency, bool] | None:
    """A matter that is handled today, its agency, and whether that takes applications here."""
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        found = matter_on(session, code, moment(ports).day)
        if found is None:
            return None
        agency = session.get_one(Agency, found.matter.agency_code)
        return found.matter, agency, acts.takes_applications(session, found.matter)


def _open(session: Session, token: str) -> Opened:
    return acts.opened(session, web.ports(), token)


def _opened(token: str) -> tuple[Opened, Agency]:
    ports = web.ports()
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        opened = _open(session, token)
        return opened, session.get_one(Agency, opened.case.agency_code)


def _faults(session: Session, opened: Opened) -> tuple[Fault, ...]:
    if opened.form is None:
        return ()
    return acts.faults_of(
        session, web.ports(), opened.form, opened.matter, opened.application, photos_too=True
    )


def _closed(matter: Matter) -> Response:
    said = words()
    text = said["form_closed_text"].format(phone=matter.consult_phone)
    return page("message.html", status_of(Kind.CONFLICT), title=said["form_closed_title"], texts=[text])
