"""Drafts that nobody goes on with: erased after a while, on record, and the applicant is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.documents import document_key
from registry.intake.applications import Application, Contact
from registry.intake.cases import moves_of, redraw
from registry.intake.material_sweep import sweep
from registry.intake.material_tables import CaseMaterial
from registry.intake.materials import MaterialState
from registry.intake.moves import Action, CaseState, Who
from registry.intake.supplying import keep
from registry.intake.work import work
from registry.log.tables import Event
from registry.notices.messages import open_message
from registry.notices.tables import Notice
from tests.accountable import unanswered
from tests.intake.casework import (
    TO,
    Desk,
    a_material,
    application,
    draft,
    found,
    open_desk,
    step,
    supply_all,
    taken,
)
from tests.registry.world import Ticker, World

DAYS = timedelta(days=90)


@pytest.fixture
def desk(world: World) -> Desk:
    return open_desk(world)


def test_a_draft_lapses_after_its_days_and_nothing_of_it_is_kept(desk: Desk, clock: Ticker) -> None:
    case_id, submitted = draft(desk), taken(desk, Action.SUBMIT, Action.RECEIVE, Action.RETURN)
    clock.advance(DAYS)
    assert work(desk.ports).lapsed == 0
    clock.advance(timedelta(seconds=1))
    assert work(desk.ports).lapsed == 1
    case = found(desk, case_id)
    assert (case.state, case.application, case.number) == (CaseState.LAPSED, b"", None)
    assert found(desk, submitted).state == CaseState.RETURNED
    assert work(desk.ports).lapsed == 0
    with Session(desk.ports.database.read) as session:
        (move,) = moves_of(session, case_id)
        assert (move.action, move.who, move.said) == ("lapse", Who.SYSTEM, None)
        event = session.get_one(Event, move.event_id)
        assert (event.kind, event.legal_basis) == (
            "case.lapsed", "Personal Information Protection Law, Arts. 19, 47",
        )  # fmt: skip
        notice = session.scalars(select(Notice).where(Notice.subject == case_id)).one()
        assert (notice.id, notice.message is None) == (move.notice_id, False)
        message = open_message(desk.ports.vault, notice.id, notice.message or b"")
        assert (message.to, "草稿" in message.values["step"]) == (TO, True)
        assert unanswered(session) == []


def test_whoever_goes_on_with_a_draft_keeps_it(desk: Desk, clock: Ticker) -> None:
    case_id, left = draft(desk), draft(desk)
    clock.advance(DAYS)
    with desk.ports.database.transaction() as session:
        redraw(session, desk.ports, desk.actors[Who.APPLICANT], case_id, application(desk.world))
    clock.advance(timedelta(days=1))
    assert work(desk.ports).lapsed == 1
    assert found(desk, left).state == CaseState.LAPSED
    step(desk, case_id, Action.SUBMIT)
    assert found(desk, case_id).state == CaseState.SUBMITTED


def test_who_named_no_channel_is_told_by_nobody_and_the_setting_says_how_long(
    desk: Desk, clock: Ticker
) -> None:
    made = application(desk.world)
    quiet = Application(made.name, made.id_type, made.id_code, Contact(), made.fields)
    case_id = draft(desk, quiet)
    clock.advance(timedelta(days=10, seconds=1))
    assert work(desk.ports).lapsed == 0
    settings = desk.ports.settings.model_copy(update={"draft_days": 10})
    assert work(replace(desk.ports, settings=settings)).lapsed == 1
    with Session(desk.ports.database.read) as session:
        assert moves_of(session, case_id)[0].notice_id is None


def test_what_lapsed_is_shown_as_such(world: World, clock: Ticker) -> None:
    desk = open_desk(world)
    case_id = draft(desk)
    clock.advance(DAYS + timedelta(days=1))
    work(desk.ports)
    shown = world.get(f"/api/v1/cases/{case_id}").get_json()
    assert (shown["state"], shown["applicant"], shown["fields"]) == ("lapsed", None, {})
    answer = world.post(
        f"/api/v1/cases/{case_id}/steps", {"action": "submit", "declaration": True, "operator": "window-03"}
    )
    assert (answer.status_code, answer.get_json()["reason"]) == (409, "case_state")


def materials(desk: Desk, case_id: str) -> list[CaseMaterial]:
    with Session(desk.ports.database.read) as session:
        return list(session.scalars(select(CaseMaterial).where(CaseMaterial.case_id == case_id)))


def test_the_files_of_a_draft_go_with_it(desk: Desk, clock: Ticker) -> None:
    case_id, other = draft(desk), draft(desk)
    for one in (case_id, other):
        supply_all(desk.ports, desk.actors[Who.APPLICANT], one)
    step(desk, other, Action.SUBMIT)
    keys = [document_key(row.id) for row in materials(desk, case_id)]
    assert all(desk.ports.documents.get(key) is not None for key in keys)
    clock.advance(DAYS + timedelta(seconds=1))
    assert work(desk.ports).lapsed == 1
    assert sweep(desk.ports) == len(keys)
    assert [desk.ports.documents.get(key) for key in keys] == [None] * len(keys)
    assert {(row.state, row.report) for row in materials(desk, case_id)} == {(MaterialState.ERASED, None)}
    for row in materials(desk, other):
        assert desk.ports.documents.get(document_key(row.id)) is not None


def test_a_material_that_comes_lately_keeps_a_draft(desk: Desk, clock: Ticker) -> None:
    case_id = draft(desk)
    clock.advance(DAYS)
    system = replace(desk.actors[Who.APPLICANT], operator="window-03")
    keep(desk.ports, system, case_id, "layout", a_material())
    clock.advance(timedelta(days=1))
    assert work(desk.ports).lapsed == 0
    clock.advance(DAYS)
    assert work(desk.ports).lapsed == 1
