"""The console's pages of people, clients and enrolments: who sees whom, who decides, who stops whom."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from joserfc.jwk import ECKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.actor import Duty
from registry.agencies.rules import ROLES, SCOPES, add_client, add_person
from registry.agencies.tables import Client, Person
from registry.console import invitations, people_pages, sessions
from registry.console.rendering import WORDS
from registry.log.tables import Event
from tests.registry.console import seen, signed_in, told
from tests.registry.signing_in import Browser, with_password
from tests.registry.world import BASIS, Ticker, World

GROUND = {"legal_basis": BASIS["legal_basis"], "reason_code": "left"}


def waiting_person(world: World, *, key: ECKey | None = None) -> str:
    with world.ports.database.transaction() as session:
        return add_person(
            session, world.ports, world.system, agency_code=world.codes["own"], name="新来的人",
            roles=["officer", "keeper"], jwk=None if key is None else key.as_dict(private=False),
        ).id  # fmt: skip


def person(world: World, person_id: str) -> Person:
    with Session(world.ports.database.read) as session:
        return session.get_one(Person, person_id)


def test_people_of_an_agency_see_who_is_on_record_there(world: World) -> None:
    with_password(world, world.people["keeper"].id).sign_in()
    for reader in ("officer", "applicant"):
        page = told(signed_in(world, reader), "/people")
        assert "签名密钥、密码和动态验证码 · 最近登录：2026年11月20日 " in page
        assert "10:3" not in page.partition("样本keeper")[2].partition("样本officer")[0]  # the day alone
        assert "样本approver" not in page
        assert "system" in page
        assert world.clients["system"].key.thumbprint() in page
        assert "other-system" not in page
        assert "停用 样本" not in page
    authority = told(signed_in(world, "approver"), "/people")
    assert "样本maker" in authority
    assert "样本keeper" not in authority


def test_administrators_see_all_agencies(world: World) -> None:
    keeper = with_password(world, world.people["keeper"].id)
    keeper.sign_in()
    for duty in Duty:
        browser = signed_in(world, duty)
        listed = told(browser, "/agencies")
        assert all(code in listed for code in world.codes.values())
        page = told(browser, f"/agencies/{world.codes['own']}")
        assert "最近登录：2026年11月20日 10:30" in page
        assert "样本other-keeper" in told(browser, f"/agencies/{world.codes['other']}")
        assert "系统管理员" in told(browser, "/administrators")
        assert browser.get("/agencies/11990000MB0000000X").status_code == 404
        assert browser.get("/people").status_code == 403
    for reader in ("officer", "approver"):
        browser = signed_in(world, reader)
        for path in ("/agencies", f"/agencies/{world.codes['own']}", "/administrators", "/enrolments"):
            assert browser.get(path).status_code == 403


def test_lists_lead_on_by_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people_pages, "SHOWN", 2)
    browser, path = signed_in(world, "officer"), "/people"
    names: list[str] = []
    while path:
        page = browser.get(path).get_data(as_text=True)
        names += re.findall(r"<li><div><b>(样本[^<]+)</b>", page)
        following = re.search(r'href="/console(/people\?after=[0-9a-f]{32})"', page)
        path = following[1] if following else ""
    assert names == ["样本applicant", "样本decider", "样本keeper", "样本officer"]
    foreign = world.people["approver"].id
    assert browser.get(f"/people?after={foreign}").status_code == 404
    assert browser.get("/people?after=x").status_code == 400


def test_security_approves_by_the_thumbprint_that_it_was_told(world: World) -> None:
    key = ECKey.generate_key("P-256")
    subject = waiting_person(world, key=key)
    path = f"/enrolments/{subject}"
    system, auditor = signed_in(world, Duty.SYSTEM), signed_in(world, Duty.AUDIT)
    for browser in (system, auditor):
        assert "新来的人" in told(browser, "/enrolments")
        page = browser.get(path).get_data(as_text=True)
        assert 'name="decision"' not in page
        assert key.thumbprint() not in page
        assert browser.submit(path, "/", decision="approve").status_code == 403
    security = signed_in(world, Duty.SECURITY)
    page = security.get(path).get_data(as_text=True)
    assert key.thumbprint() not in page
    wrong = security.submit(path, path, decision="approve", thumbprints="x" * 43)
    assert wrong.status_code == 409
    assert "指纹与登记的密钥不一致" in seen(wrong.get_data(as_text=True))
    assert not person(world, subject).active
    done = security.submit(path, path, decision="approve", thumbprints=f" {key.thumbprint()}\r\n")
    assert done.headers["Location"] == "/console/enrolments?done=approve"
    assert person(world, subject).roles == ["keeper", "officer"]
    assert security.submit(path, "/", decision="approve", thumbprints=key.thumbprint()).status_code == 409
    with Session(world.ports.database.read) as session:
        approved = select(Event).where(Event.kind == "enrolment.approved", Event.subject == subject)
        assert session.scalars(approved).one().person_id == world.security.person_id


def test_a_refused_client_never_acts(world: World) -> None:
    with world.ports.database.transaction() as session:
        client = add_client(
            session, world.ports, world.system, agency_code=world.codes["other"], name="窗口",
            scopes=["licence"], types=[world.types["other"]], console=True,
        )  # fmt: skip
    security = signed_in(world, Duty.SECURITY)
    path = f"/enrolments/{client.id}"
    page = told(security, path)
    assert "可签发的证照" in page
    assert "没有密钥" in page
    assert security.submit(path, path, decision="refuse").status_code == 303
    assert "未批准" in told(security, f"/agencies/{world.codes['other']}")
    with Session(world.ports.database.read) as session:
        assert not session.get_one(Client, client.id).active


def test_an_invitation_is_released_and_its_code_shown_once(world: World) -> None:
    with world.ports.database.transaction() as session:
        made = invitations.invite(
            session, world.ports, world.system, person_id=world.people["keeper"].id, account="keeper"
        )
    security = signed_in(world, Duty.SECURITY)
    assert "样本keeper" in told(security, "/enrolments")
    assert "给出邀请码" not in told(signed_in(world, Duty.SYSTEM), "/enrolments")
    answer = security.submit("/enrolments", "/enrolments", invitation=made.id)
    code = re.search(r"<code>([A-Z2-7-]{19})</code>", answer.get_data(as_text=True))
    assert code
    opened = Browser.new(world).post("/enrol", {"invitation": made.token, "code": code[1]})
    assert opened.headers["Location"] == "/console/enrol/choose"
    assert security.submit("/enrolments", "/", invitation=made.id).status_code == 409
    assert "<code>" not in security.get("/enrolments").get_data(as_text=True)


def test_somebody_is_stopped_by_one_and_let_go_on_by_security(world: World, clock: Ticker) -> None:
    officer = signed_in(world, "officer")
    subject = world.people["officer"].id
    system, security = signed_in(world, Duty.SYSTEM), signed_in(world, Duty.SECURITY)
    agency = f"/agencies/{world.codes['own']}"
    path = f"/people/{subject}/disabling"
    assert path in system.get(agency).get_data(as_text=True)
    assert system.submit(path, path, legal_basis="", reason_code="left").status_code == 422
    assert system.submit(path, path, **GROUND).headers["Location"] == f"/console{agency}?done=disabling"
    assert officer.get("/licences").headers["Location"].startswith("/console/sign-in")
    assert not person(world, subject).active
    back = f"/people/{subject}/enabling"
    assert back not in system.get(agency).get_data(as_text=True)
    assert system.get(back).status_code == 403
    assert system.submit(back, "/", **GROUND).status_code == 403
    assert security.submit(back, back, **GROUND).status_code == 303
    assert person(world, subject).active
    client = f"/clients/{world.clients['system'].id}/disabling"
    token = security.token_of(client)
    clock.advance(sessions.FRESH + timedelta(seconds=1))
    stale = security.post(client, {"form": token, **GROUND})
    assert stale.headers["Location"] == f"/console/confirm?next=/console{client}"
    fresh = signed_in(world, Duty.SECURITY)
    assert fresh.submit(client, client, **GROUND).status_code == 303
    assert world.ask_token("system").status_code == 401
    last = f"/people/{world.security.person_id}/disabling"
    refused = fresh.submit(last, last, **GROUND)
    assert refused.status_code == 409
    assert "最后一名管理人员" in seen(refused.get_data(as_text=True))
    assert fresh.get(f"/people/{'0' * 32}/disabling").status_code == 404


def test_who_waits_is_not_enabled(world: World) -> None:
    subject = waiting_person(world)
    security = signed_in(world, Duty.SECURITY)
    path = f"/people/{subject}/enabling"
    assert path not in security.get(f"/agencies/{world.codes['own']}").get_data(as_text=True)
    answer = security.submit(path, path, **GROUND)
    assert answer.status_code == 409
    assert "尚未获得批准" in seen(answer.get_data(as_text=True))


def test_every_role_and_scope_has_its_words() -> None:
    for told_ in WORDS.values():
        assert {f"role_{role}" for role in ROLES} | {f"scope_{scope}" for scope in SCOPES} <= set(told_)
