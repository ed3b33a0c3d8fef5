"""The console's pages of seals and of what waits for a decision; and every page of it, asked by everybody."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from registry.actor import Duty
from registry.console import sessions
from registry.permissions import PUBLIC, TABLE, admits
from registry.seals.tables import Approval, Seal
from tests.archive.keeping import archived_package
from tests.registry.batching import sent
from tests.registry.console import one_more, seen, signed_in, told
from tests.registry.issuing import issue_one
from tests.registry.signing_in import Browser
from tests.registry.test_app import routes
from tests.registry.world import BASIS, Ticker, World, on_sqlite


def state(world: World, code: str) -> str:
    with Session(world.ports.database.read) as session:
        return session.get_one(Seal, code).state


def digest_on(browser: Browser, path: str) -> str:
    found = re.search(
        r'name="payload_sha256" value="([0-9a-f]{64})"', browser.get(path).get_data(as_text=True)
    )
    assert found
    return found[1]


def test_a_seal_is_read_with_its_picture_and_its_uses(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    keeper = signed_in(world, "keeper")
    assert world.seal_code in told(keeper, "/seals")
    page = told(keeper, f"/seals/{world.seal_code}")
    assert "启用" in page
    assert "每日 1000 次" in page
    picture = keeper.get(f"/seals/{world.seal_code}/editions/1/picture")
    assert (picture.mimetype, picture.data[:4]) == ("image/png", b"\x89PNG")
    assert keeper.get(f"/seals/{world.seal_code}/editions/2/picture").status_code == 404
    assert identifier in told(keeper, f"/seals/{world.seal_code}/uses")


def test_a_seal_is_suspended_by_one_press_and_resumed_by_two_people(world: World) -> None:
    keeper, code = signed_in(world, "keeper"), world.seal_code
    path = f"/seals/{code}/suspension"
    assert keeper.submit(path, path, legal_basis="", reason_code="lost").status_code == 422
    pressed = keeper.submit(path, path, **BASIS)
    assert pressed.headers["Location"] == f"/console/seals/{code}?done=suspension"
    assert state(world, code) == "suspended"
    assert keeper.submit(path, "/", **BASIS).status_code == 409
    asked = keeper.submit(f"/seals/{code}/resumption-request", "/", **BASIS)
    assert asked.headers["Location"] == f"/console/seals/{code}?done=resumption-request"
    assert state(world, code) == "suspended"
    approver = signed_in(world, "approver")
    assert "恢复印章" in told(approver, "/")
    (link,) = set(
        re.findall(r"/console(/approvals/[0-9a-f]{32})", approver.get("/approvals").get_data(as_text=True))
    )
    decided = approver.submit(link, link, decision="approve", payload_sha256=digest_on(approver, link))
    assert decided.headers["Location"] == "/console/approvals?done=approve"
    assert state(world, code) == "active"
    assert "没有待审批的事项" in told(approver, "/approvals")


def test_a_loss_is_reported_of_a_suspended_seal_too(world: World) -> None:
    keeper = signed_in(world, "keeper")
    for _ in range(2):
        answer = keeper.submit(f"/seals/{world.seal_code}/loss-report", "/", legal_basis="印章管理办法")
        assert answer.status_code == 303
    assert state(world, world.seal_code) == "suspended"


def test_an_application_is_decided_as_it_was_shown(world: World, clock: Ticker) -> None:
    applied = world.apply_for_seal()
    path = f"/approvals/{applied['id']}"
    approver = signed_in(world, "approver")
    page = told(approver, path)
    assert "食品经营许可专用章" in page
    assert approver.get(f"{path}/picture").mimetype == "image/png"
    assert "批准" not in seen(signed_in(world, "applicant").get(path).get_data(as_text=True)).split()
    other = approver.submit(path, path, decision="approve", payload_sha256="0" * 64)
    assert other.status_code == 409
    assert "请重新加载" in seen(other.get_data(as_text=True))
    assert approver.submit(path, path, decision="perhaps", payload_sha256="0" * 64).status_code == 422
    digest = digest_on(approver, path)
    token = approver.token_of(path)
    clock.advance(sessions.FRESH + timedelta(seconds=1))
    stale = approver.post(path, {"form": token, "decision": "approve", "payload_sha256": digest})
    assert stale.headers["Location"] == f"/console/confirm?next=/console{path}"
    with Session(world.ports.database.read) as session:
        assert session.get_one(Approval, applied["id"]).state == "open"
    approver = signed_in(world, "approver")
    assert approver.submit(path, path, decision="refuse", payload_sha256=digest).status_code == 303
    assert "未批准" in told(approver, path)
    assert approver.submit(path, "/", decision="approve", payload_sha256=digest).status_code == 409


def test_nobody_decides_what_they_asked_for(world: World) -> None:
    applied = world.apply_for_seal("approver")
    path = f"/approvals/{applied['id']}"
    approver = signed_in(world, "approver")
    assert applied["id"] not in approver.get("/approvals").get_data(as_text=True)
    assert "不得审批自己提出的事项" in told(approver, path)
    answer = approver.submit(path, "/", decision="approve", payload_sha256=applied["payload_sha256"])
    assert answer.status_code == 403
    assert applied["id"] in signed_in(world, "approver2").get("/approvals").get_data(as_text=True)


def test_an_agency_never_sees_another_s_seals(world: World) -> None:
    applied = world.apply_for_seal("approver")  # the authority's own
    for person in ("keeper", "applicant", "officer"):
        browser = signed_in(world, person)
        assert browser.get(f"/approvals/{applied['id']}").status_code == 404
        assert browser.get(f"/approvals/{applied['id']}/picture").status_code == 404
    ports = world.ports
    with ports.database.transaction() as session:
        session.get_one(Seal, world.seal_code).agency_code = world.codes["authority"]
    keeper = signed_in(world, "keeper")
    assert world.seal_code not in told(keeper, "/seals")
    for page in ("", "/uses", "/suspension", "/editions/1/picture"):
        assert keeper.get(f"/seals/{world.seal_code}{page}").status_code == 404
    assert keeper.submit(f"/seals/{world.seal_code}/suspension", "/", **BASIS).status_code == 404
    assert state(world, world.seal_code) == "active"


@on_sqlite
@pytest.mark.timeout(600)
def test_every_page_answers_everybody_as_the_table_says(world: World) -> None:
    """And the menu leads where its reader may go, and nowhere else."""
    identifier = issue_one(world).printout.record.identifier
    applied = world.apply_for_seal()
    about = {
        "identifier": identifier, "code": world.seal_code, "package_id": archived_package(world),
        "approval_id": applied["id"], "number": 1,
        "change": "suspension", "passkey_id": "0" * 32, "batch_id": sent(world, 1),
        "what": "people", "subject": world.people["keeper"].id,
    }  # fmt: skip
    everybody: dict[str, Browser] = {duty.value: signed_in(world, duty) for duty in Duty}
    for agency in ("own", "authority"):
        for role in ("applicant", "approver", "maker", "keeper", "officer"):
            everybody[f"{role} of {agency}"] = one_more(world, agency, role)
    wrong = []
    for rule in world.app.url_map.iter_rules():
        if not rule.endpoint.startswith("console.") or rule.endpoint in PUBLIC:
            continue
        (method,) = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if method == "POST" and "sign_out" in rule.endpoint:
            continue
        about["code"] = {
            "console.type_version": world.type_code, "console.type_face": world.type_code,
            "console.agency": world.codes["own"],
        }.get(rule.endpoint, world.seal_code)  # fmt: skip
        with world.app.test_request_context():
            path = world.app.url_for(rule.endpoint, **{name: about[name] for name in rule.arguments})
        for name, browser in everybody.items():
            with Session(world.ports.database.read) as session:
                live = sessions.find(session, browser.cookie(), world.ports.clock())
            assert live is not None
            may = admits(TABLE[rule.endpoint], live.actor, authority=live.seal_authority)
            if name == "keeper of authority" and "chang" in rule.endpoint:
                continue  # a keeper, but not of the agency whose seal it is
            if "of authority" in name and (identifier in path or rule.endpoint.startswith("console.type_")):
                continue  # another agency's: test_console_licences.py
            headers = {**browser.headers, "X-Form-Token": live.csrf}
            answer = browser.http.open(
                path, method=method, headers=headers, data={"form": live.csrf} if method == "POST" else None
            )
            if (answer.status_code == 403) == may:
                wrong.append((rule.endpoint, name, answer.status_code))
    assert wrong == []
    assert len({endpoint for endpoint, _, _ in routes(world.app, pages=True)} - PUBLIC) >= 25
    for browser in everybody.values():
        page = browser.get("/").get_data(as_text=True)
        menu = page.partition('class="menu"')[2].partition("</nav>")[0]
        for address in re.findall(r'href="/console([^"]+)"', menu):
            assert browser.get(address).status_code == 200
