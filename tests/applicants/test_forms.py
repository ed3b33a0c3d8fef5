"""Applying at the public pages: from the guide to a submitted case, drafts that survive, and what is refused."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.intake.tables import Case
from tests.applicants.applying import GUIDE, WAY_IN, applicant, open_form, shown, typed_of
from tests.intake.casework import application, open_desk
from tests.registry.world import World


def test_from_the_guide_to_a_submitted_case(world: World) -> None:
    open_desk(world)
    form = open_form(world)
    somebody = applicant(world)
    assert "Food business licence" in shown(somebody.get("/holder/services"))
    assert "Apply online" in shown(somebody.get(GUIDE))
    token = somebody.blank()
    typed = typed_of(application(world), f_credit_code="11990100MB0101055X", draft=token)
    wrong = somebody.post(f"{GUIDE}/application", typed)
    assert wrong.status_code == 422
    assert "There is a mistake in the number" in shown(wrong)
    token, number, code = somebody.submitted()
    with Session(world.ports.database.read) as session:
        case = session.scalars(select(Case)).one()
        assert (case.number, case.state, case.client_id) == (number, "submitted", form)
    found = somebody.post(WAY_IN, {"number": number, "code": code})
    assert found.status_code == 303
    assert number in shown(somebody.get(found.headers["Location"].partition("?")[0]))
