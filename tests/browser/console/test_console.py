"""The console's main roads before a real browser: a licence found and suspended, an application decided; on a
small screen, by the keyboard, and without a script.
"""

from __future__ import annotations

import os

from playwright.sync_api import Browser, BrowserContext, Page, expect

from registry.console import sessions
from tests.browser.console.place import Place, device
from tests.browser.test_accessible import by_keyboard, fits, without_violation
from tests.registry.issuing import issue_one

SCREENS = os.environ.get("VERMILION_SCREENS")
"""A folder for pictures of the pages, for whoever wants to look at them."""


def enter(context: BrowserContext, place: Place, person: str) -> Page:
    """Signed in already: test_sign_in.py walks that road."""
    return enter_as(context, place, place.world.people[person].id)


def enter_as(context: BrowserContext, place: Place, person_id: str) -> Page:
    world = place.world
    with world.ports.database.transaction() as session:
        token = sessions.begin(session, world.ports, person_id, "passkey")
    context.add_cookies(
        [{"name": "console-session", "value": token, "url": place.served.origin, "sameSite": "Strict"}]
    )
    page = context.new_page()
    page.goto(f"{place.console}/")
    return page


def keep(page: Page, name: str) -> None:
    if SCREENS:
        page.screenshot(path=f"{SCREENS}/{name}.png", full_page=True)


def test_a_licence_is_found_and_suspended(place: Place, browser: Browser) -> None:
    record = issue_one(place.world).printout.record
    with device(browser, script=False) as context:
        page = enter(context, place, "officer")
        page.get_by_role("link", name="证照", exact=True).click()
        page.locator("#number").fill(record.number)
        page.get_by_role("button", name="查询").click()
        keep(page, "licences")
        page.get_by_role("link", name=record.number).click()
        expect(page.locator("h1")).to_have_text(record.number)
        keep(page, "licence")
        with page.expect_download() as got:
            page.get_by_role("link", name="下载 PDF").click()
        assert got.value.suggested_filename == f"{record.identifier}.pdf"
        page.get_by_role("link", name="暂停", exact=True).click()
        page.locator("#reason_code").fill("Inspection Failed")
        page.get_by_role("button", name="立即暂停").click()
        expect(page.get_by_role("alert")).to_have_text("请检查：原因代码")
        page.locator("#reason_code").fill("inspection.failed")
        keep(page, "suspension")
        page.get_by_role("button", name="立即暂停").click()
        expect(page.get_by_role("status")).to_have_text("证照已暂停。")
        page.get_by_role("link", name="历史记录").click()
        expect(page.locator("ol.events > li")).to_have_count(2)
        keep(page, "history")


def test_an_application_is_approved(place: Place, browser: Browser) -> None:
    place.world.apply_for_seal()
    with device(browser, script=False) as context:
        page = enter(context, place, "approver")
        keep(page, "home")
        page.get_by_role("link", name="新印章申请").click()
        picture = page.locator("img.picture")
        expect(picture).to_be_visible()
        loaded = "e => e.decode().then(() => e.naturalWidth)"  # visible before its bytes have come
        assert picture.evaluate(loaded) > 100
        keep(page, "approval")
        page.get_by_role("button", name="批准", exact=True).click()
        expect(page.get_by_role("status")).to_have_text("已批准。")
        page.get_by_role("link", name="印章", exact=True).click()
        expect(page.locator("ul.rows li")).to_have_count(2)
        keep(page, "seals")


def test_a_seal_is_suspended(place: Place, browser: Browser) -> None:
    with device(browser, script=False) as context:
        page = enter(context, place, "keeper")
        page.get_by_role("link", name="印章", exact=True).click()
        page.locator("ul.rows a").first.click()
        keep(page, "seal")
        page.get_by_role("link", name="停用印章").click()
        page.locator("#legal_basis").fill("印章管理办法")
        page.locator("#reason_code").fill("inspection")
        page.get_by_role("button", name="立即停用").click()
        expect(page.get_by_role("status")).to_have_text("印章已停用。")


def test_pages_are_for_everybody(place: Place, browser: Browser) -> None:
    """axe, the keyboard, a small screen; in both languages in turn."""
    world = place.world
    identifier, seal = issue_one(world).printout.record.identifier, world.seal_code
    applied = world.apply_for_seal()
    pages = {
        "officer": (
            "/", "/licences", f"/licences/{identifier}", f"/licences/{identifier}/history",
            f"/licences/{identifier}/suspension",
        ),
        "keeper": ("/seals", f"/seals/{seal}", f"/seals/{seal}/uses", f"/seals/{seal}/suspension"),
        "approver": ("/", "/approvals", f"/approvals/{applied['id']}"),
    }  # fmt: skip
    for person, paths in pages.items():
        with device(browser, width=320) as context:
            page = enter(context, place, person)
            for turn, path in enumerate(paths):
                page.goto(f"{place.console}{path}?lang={('en', 'zh')[turn % 2]}")
                keep(page, f"small-{person}-{turn}")
                fits(page)
                without_violation(page)
                by_keyboard(page)
