"""The console's pages of licences: found, read, suspended at once and resumed; by whom, and by whom not."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.console import licence_pages, sessions
from registry.licences.tables import Edition
from registry.log.tables import Event
from tests.registry.console import one_more, seen, signed_in, told
from tests.registry.issuing import issue_one
from tests.registry.next_editions import next_edition
from tests.registry.world import Ticker, World

GROUND = {"legal_basis": "食品经营许可管理办法", "reason_code": "inspection.failed"}


def status(world: World, identifier: str) -> Edition:
    with Session(world.ports.database.read) as session:
        return session.scalars(select(Edition).where(Edition.identifier == identifier)).one()


def version_on(page: str) -> str:
    found = re.search(r'name="status_version" value="([0-9]+)"', page)
    assert found
    return found[1]


def test_a_licence_is_found_and_read(world: World) -> None:
    record = issue_one(world).printout.record
    officer = signed_in(world, "officer")
    assert record.number in told(officer, "/licences")
    holder = str(record.fields["credit_code"])
    for asked in (
        {"number": record.number},
        {"holder": holder},
        {"status": "in_force"},
        {"type": record.type_code},
    ):
        page = officer.submit("/licences", "/licences", **asked).get_data(as_text=True)
        assert f'href="/console/licences/{record.identifier}"' in page, asked
    nothing = officer.submit("/licences", "/licences", number=record.number, status="ended")
    assert "没有找到" in seen(nothing.get_data(as_text=True))
    page = told(officer, f"/licences/{record.identifier}")
    assert record.number in page
    assert holder in page
    assert "有效" in page
    pdf = officer.get(f"/licences/{record.identifier}/document")
    assert pdf.mimetype == "application/pdf"
    assert pdf.data.startswith(b"%PDF")
    assert pdf.headers["Cache-Control"] == "private, no-cache"


def test_no_holder_and_no_number_stands_in_an_address(world: World) -> None:
    record = issue_one(world).printout.record
    officer = signed_in(world, "officer")
    page = officer.submit("/licences", "/licences", number=record.number).get_data(as_text=True)
    assert not re.search(f'(href|action)="[^"]*{record.number}', page)
    assert (
        officer.get(f"/licences?number={record.number}").get_data(as_text=True).count(record.identifier) == 1
    )


def test_pages_lead_on_by_key(world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for _ in range(3):
        made.append(issue_one(world).printout.record.identifier)
        clock.advance(timedelta(seconds=1))
    officer = signed_in(world, "officer")
    monkeypatch.setattr(licence_pages, "SHOWN", 2)
    page = officer.get("/licences").get_data(as_text=True)
    shown = re.findall(r'<li><div><a href="/console/licences/([^"]+)"', page)
    after = re.search(r'name="after" value="([^"]+)"', page)
    assert after
    page = officer.submit("/licences", "/licences", after=after[1]).get_data(as_text=True)
    shown += re.findall(r'<li><div><a href="/console/licences/([^"]+)"', page)
    assert shown == made[::-1]
    wrong = officer.submit("/licences", "/licences", after="x")
    assert wrong.status_code == 422


def test_a_licence_is_suspended_by_one_press_and_resumed(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    officer = signed_in(world, "officer")
    path = f"/licences/{identifier}/suspension"
    version = version_on(officer.get(path).get_data(as_text=True))
    pressed = officer.submit(path, path, ground="other", status_version=version, **GROUND)
    assert pressed.headers["Location"] == f"/console/licences/{identifier}?done=suspend"
    page = told(officer, f"/licences/{identifier}?done=suspend")
    assert "证照已暂停" in page
    assert "暂停（其他原因）" in page
    again = officer.submit(path, f"/licences/{identifier}", ground="other", status_version=version, **GROUND)
    assert again.status_code == 409
    with Session(world.ports.database.read) as session:
        event = session.scalars(select(Event).where(Event.kind == "licence.suspended")).one()
    assert event.person_id == world.people["officer"].id
    assert event.client_id == world.consoles["own"]
    assert (event.legal_basis, event.reason_code) == tuple(GROUND.values())
    path = f"/licences/{identifier}/resumption"
    version = version_on(officer.get(path).get_data(as_text=True))
    officer.submit(path, path, status_version=version, **GROUND)
    assert status(world, identifier).status == "in_force"
    history = told(officer, f"/licences/{identifier}/history")
    assert history.index("签发") < history.index("暂停 ") < history.index("恢复 ")
    assert "样本officer" in history


def test_what_is_wrong_is_said_by_the_field_and_kept(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    officer = signed_in(world, "officer")
    path = f"/licences/{identifier}/suspension"
    version = version_on(officer.get(path).get_data(as_text=True))
    answer = officer.submit(
        path, path, ground="other", status_version=version, legal_basis="某法", reason_code="Not A Code", until="2020-01-01"
    )  # fmt: skip
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "请检查：原因代码" in seen(page)
    assert 'value="某法"' in page
    assert page.count('aria-invalid="true"') == 1
    over = officer.submit(path, path, ground="other", status_version=version, until="2020-01-01", **GROUND)
    assert "已经到期" in seen(over.get_data(as_text=True))
    assert status(world, identifier).status == "in_force"
    lacking = officer.submit(path, path, ground="other", **GROUND)
    assert lacking.status_code == 400


def test_stopping_wants_a_factor_shown_just_now(world: World, clock: Ticker) -> None:
    identifier = issue_one(world).printout.record.identifier
    officer = signed_in(world, "officer")
    path = f"/licences/{identifier}/suspension"
    token = officer.token_of(path)
    clock.advance(sessions.FRESH + timedelta(seconds=1))
    asked = officer.get(path)
    assert asked.headers["Location"] == f"/console/confirm?next=/console{path}"
    pressed = officer.post(path, {"form": token, "ground": "other", "status_version": "1", **GROUND})
    assert pressed.headers["Location"] == f"/console/confirm?next=/console{path}"
    assert status(world, identifier).status == "in_force"


def test_editions_lead_to_each_other(world: World) -> None:
    first = issue_one(world).printout.record.identifier
    second = next_edition(world, "renew", first, fields={"valid_to": "2031-11-20"}).printout.record.identifier
    officer = signed_in(world, "officer")
    assert "下一版本" in told(officer, f"/licences/{first}")
    page = told(officer, f"/licences/{second}")
    assert "上一版本" in page
    assert "延续" in page


def test_an_agency_never_sees_another_s_licences(world: World) -> None:
    """Nor does anybody whose duty they are not; and no page says that there are any."""
    record = issue_one(world).printout.record
    pages = [
        f"/licences/{record.identifier}{page}" for page in ("", "/document", "/history", "/suspension", "/resumption")
    ]  # fmt: skip
    for person, expected in (("keeper", 403), ("approver", 403)):
        browser = signed_in(world, person)
        assert "/console/licences" not in browser.get("/").get_data(as_text=True)
        for page in ["/licences", *pages]:
            answer = browser.get(page)
            assert answer.status_code == expected, (person, page)
            assert record.number not in answer.get_data(as_text=True)
    stranger = one_more(world, "authority", "officer")
    assert record.number not in told(stranger, "/licences")
    found = stranger.submit("/licences", "/licences", number=record.number).get_data(as_text=True)
    assert record.identifier not in found
    for page in pages:
        answer = stranger.get(page)
        assert answer.status_code == 404, page
        assert record.number not in answer.get_data(as_text=True)
    form = {"form": stranger.token_of("/"), "ground": "other", "status_version": "1", **GROUND}
    assert stranger.post(f"/licences/{record.identifier}/suspension", form).status_code == 404
    assert status(world, record.identifier).status == "in_force"
    officer = signed_in(world, "officer")
    unknown = record.identifier[:-1] + ("0" if record.identifier[-1] != "0" else "1")
    assert officer.get(f"/licences/{unknown}").status_code == 404
