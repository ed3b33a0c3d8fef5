"""How an applicant has declared that an application is true: beside the declaration that the agency's system
passes on, by the form that the registry draws of it, confirmed by its digest or signed.

A form speaks for the application of which it was drawn, with the files that it had, and for no other:
whatever is changed afterwards takes it away.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from keys.errors import VermilionError
from registry.intake.applications import Application, open_application
from registry.intake.material_tables import CaseForm, CaseMaterial
from registry.intake.materials import MaterialState, supplied
from registry.intake.matter_lists import matter_of
from registry.intake.tables import Case
from registry.ports import Ports
from signing.form_values import check_form
from signing.signatory import THEIRS

FORM, SIGNED_FORM = OF_FORMS = ("application-form", "signed-form")
"""Under which codes the documents lie among the materials: no matter's material has such a code."""


class Declared(StrEnum):
    """By what an application was declared true: the strongest, where there are several."""

    SIGNED_FORM = "signed_form"
    CONFIRMED_FORM = "confirmed_form"
    DECLARATION = "declaration"


def files_of(session: Session, case_id: str) -> list[list[str]]:
    """The materials with which an application comes, as they are now: code and digest of each."""
    there = supplied(session, case_id)
    return [[code, row.sha256.hex()] for code, row in sorted(there.items()) if code not in OF_FORMS]


def application_mac(
    ports: Ports,
    case_id: str,
    application: Application,
    fields: Mapping[str, Any],
    files: Sequence[Sequence[str]],
) -> bytes:
    """What tells one application of a case, with its files, from another, without telling what it says.

    Raises VermilionError(UNAVAILABLE).
    """
    said = {
        "name": application.name,
        "id_type": application.id_type,
        "id_code": application.id_code,
        "fields": dict(fields),
        "files": [list(one) for one in files],
    }
    return ports.vault.blind("application", case_id, canonical_json(said).decode())


def latest_form(session: Session, case_id: str) -> CaseForm | None:
    rows = select(CaseForm).where(CaseForm.case_id == case_id).order_by(CaseForm.version.desc())
    return session.scalars(rows.limit(1)).first()


def is_current(session: Session, ports: Ports, case: Case, form: CaseForm, day: date) -> bool:
    """Whether the form says what the application says. The vault is ready."""
    application = open_application(ports.vault, case.id, case.application)
    matter = matter_of(session, case, day)
    try:
        fields = check_form(matter.fields, application.fields, day)
    except VermilionError:  # it does not fit any form
        return False
    files = files_of(session, case.id)
    return hmac.compare_digest(form.application, application_mac(ports, case.id, application, fields, files))


def declared_by(session: Session, ports: Ports, case: Case, day: date) -> Declared | None:
    """By which form, if any, the application as it stands was declared true. The vault is ready."""
    form = latest_form(session, case.id)
    if form is None or (form.confirmed_at is None and form.signed_version is None):
        return None
    if not is_current(session, ports, case, form, day):
        return None
    signed = None
    if form.signed_version is not None:
        signed = session.get(CaseMaterial, (case.id, SIGNED_FORM, form.signed_version))
    if signed is not None and signed.state == MaterialState.KEPT and signed.match in THEIRS:
        return Declared.SIGNED_FORM
    return None if form.confirmed_at is None else Declared.CONFIRMED_FORM
