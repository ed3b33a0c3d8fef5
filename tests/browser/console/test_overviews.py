"""The console's pages of types, people and enrolments before a real browser."""

from __future__ import annotations

from datetime import timedelta

from joserfc.jwk import ECKey
from playwright.sync_api import Browser, Page, expect

from registry.actor import Duty
from registry.agencies.enrolments import decide
from registry.agencies.rules import add_person
from registry.oversight.counting import count_due
from tests.browser.console.place import Place, device
from tests.browser.console.test_console import enter, enter_as, keep
from tests.browser.test_accessible import by_keyboard, fits, without_violation
from tests.registry.batching import sent
from tests.registry.issuing import issue_one


def look(page: Page, place: Place, paths: list[str], name: str) -> None:
    """axe, the keyboard, a small screen; in both languages."""
    for turn, path in enumerate(paths):
        for lang in ("en", "zh"):
            page.goto(f"{place.console}{path}?lang={lang}")
            keep(page, f"small-{name}-{turn}-{lang}")
            fits(page)
            without_violation(page)
            by_keyboard(page)


def test_a_type_is_read_with_its_picture(place: Place, browser: Browser) -> None:
    with device(browser, script=False) as context:
        page = enter(context, place, "officer")
        page.get_by_role("link", name="证照类型").click()
        page.get_by_role("link", name="第 1 版").click()
        picture = page.locator("img.face")
        expect(picture).to_be_visible()
        wide = "e => e.decode().then(() => e.naturalWidth)"
        assert picture.evaluate(wide) > 500
        expect(page.locator("ul.rows > li")).to_have_count(12)
        keep(page, "type")


def test_somebody_is_approved_and_stopped(place: Place, browser: Browser) -> None:
    world, key = place.world, ECKey.generate_key("P-256")
    with world.ports.database.transaction() as session:
        add_person(
            session, world.ports, world.system, agency_code=world.codes["own"], name="新来的人", roles=["officer"],
            jwk=key.as_dict(private=False),
        )  # fmt: skip
    with device(browser, script=False) as context:
        page = enter_as(context, place, world.admins[Duty.SECURITY].id)
        page.get_by_role("link", name="入册审批").click()
        page.get_by_role("link", name="新来的人").click()
        page.locator("#thumbprints").fill("no such thumbprint")
        page.get_by_role("button", name="批准", exact=True).click()
        expect(page.get_by_role("alert")).to_have_text("所填指纹与登记的密钥不一致。")
        page.locator("#thumbprints").fill(key.thumbprint())
        keep(page, "enrolment")
        page.get_by_role("button", name="批准", exact=True).click()
        expect(page.get_by_role("status")).to_have_text("已批准。")
        page.get_by_role("link", name="机构", exact=True).click()
        page.locator(f"a[href$='{world.codes['own']}']").click()
        keep(page, "agency")
        page.get_by_role("link", name="停用 新来的人").click()
        page.locator("#legal_basis").fill("人员管理办法")
        page.locator("#reason_code").fill("left")
        page.get_by_role("button", name="立即停用").click()
        expect(page.get_by_role("status")).to_have_text("已停用。")


def test_they_are_for_everybody(place: Place, browser: Browser) -> None:
    world = place.world
    with world.ports.database.transaction() as session:
        waits = add_person(
            session, world.ports, world.system, agency_code=world.codes["own"], name="新来的人", roles=["officer"],
            jwk=ECKey.generate_key("P-256").as_dict(private=False),
        ).id  # fmt: skip
    with device(browser, width=320) as context:
        page = enter(context, place, "officer")
        look(page, place, ["/types", f"/types/{world.type_code}/1", "/people"], "officer")
    with device(browser, width=320) as context:
        page = enter_as(context, place, world.admins[Duty.SECURITY].id)
        own = world.codes["own"]
        paths = [
            "/",
            "/enrolments",
            f"/enrolments/{waits}",
            "/agencies",
            f"/agencies/{own}",
            "/administrators",
        ]
        look(page, place, [*paths, f"/people/{world.people['keeper'].id}/disabling"], "security")


def test_records_are_found_and_figures_read(place: Place, browser: Browser) -> None:
    world = place.world
    record = issue_one(world).printout.record
    count_due(world.ports)
    supervisor = newcomer(place, "supervisor")
    with device(browser, script=False) as context:
        page = enter(context, place, "officer")
        keep(page, "home-officer")
        page.get_by_role("link", name="操作记录").click()
        page.locator("#subject").fill(record.identifier)
        page.get_by_role("button", name="查询").click()
        expect(page.locator("ol.events > li")).to_have_count(1)
        keep(page, "events")
        page.get_by_role("link", name=record.identifier).click()
        expect(page.locator("h1")).to_have_text(record.number)
        page.goto(f"{place.console}/events")
        place.clock.advance(timedelta(minutes=2))
        with page.expect_download() as got:
            page.get_by_role("link", name="下载 CSV").click()
        assert got.value.suggested_filename == "events.csv"
        assert record.identifier in got.value.path().read_text("utf-8-sig")
    with device(browser, script=False) as context:
        page = enter_as(context, place, supervisor)
        page.get_by_role("link", name="监督统计").click()
        row = page.locator("table", has_text="云溪省样本市市场监督管理局").locator("tr", has_text="新发证照")
        expect(row.locator("td")).to_have_text("1")
        keep(page, "oversight")
        page.locator("#from").fill("2026-12-01")
        page.locator("#to").fill("2026-11-01")
        page.get_by_role("button", name="显示").click()
        expect(page.get_by_role("alert")).to_contain_text("截止日期不得早于起始日期")
        with page.expect_download() as got:
            page.get_by_role("link", name="下载 CSV").click()
        assert got.value.suggested_filename == "oversight-2026-11-01-2026-11-20.csv"


def test_records_and_figures_are_for_everybody(place: Place, browser: Browser) -> None:
    world = place.world
    issue_one(world)
    world.approved_seal()
    batch = sent(world, 1)
    assert batch
    count_due(world.ports)
    for who, person, paths in (
        ("of-officer", world.people["officer"].id, ["/", "/events"]),
        ("of-maker", world.people["maker"].id, ["/"]),
        ("of-auditor", world.admins[Duty.AUDIT].id, ["/", "/events", "/oversight"]),
        ("of-supervisor", newcomer(place, "supervisor"), ["/", "/oversight"]),
    ):
        with device(browser, width=320) as context:
            look(enter_as(context, place, person), place, paths, who)


def newcomer(place: Place, role: str) -> str:
    world = place.world
    with world.ports.database.transaction() as session:
        person = add_person(
            session,
            world.ports,
            world.system,
            agency_code=world.codes["authority"],
            name="新来的人",
            roles=[role],
        )
        decide(session, world.ports, world.security, subject=person.id, approve=True)
    return person.id
