"""What holders do with a browser: take their document by a link, and see who used their licence; on a small screen, by
the keyboard, and without a script.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.console.place import Place, device
from tests.browser.test_accessible import by_keyboard, fits, without_violation
from tests.registry.delivering import pick_up, use
from tests.registry.issuing import issue_one

SCREENS = os.environ.get("VERMILION_SCREENS")
"""A folder for pictures of the pages, for whoever wants to look at them."""


def keep(page: Page, name: str) -> None:
    if SCREENS:
        page.screenshot(path=f"{SCREENS}/{name}.png", full_page=True)


def address(place: Place, link: str) -> str:
    """A link of the world's own application, at where it is served to browsers."""
    return place.served.origin + link[link.index("/holder/") :]


def test_a_holder_takes_their_document(place: Place, browser: Browser) -> None:
    """By one press of a button; again, where the download broke off; and nobody else after that."""
    made = issue_one(place.world)
    link = address(place, pick_up(place.world, made.printout.record.identifier)["link"])
    with device(browser, script=False) as context, device(browser, script=False) as stranger:
        page, other = context.new_page(), stranger.new_page()
        page.goto(link)
        other.goto(link)
        expect(page.locator("h1")).to_have_text("领取您的电子证照")
        keep(page, "pick-up")
        with page.expect_download() as got:
            page.get_by_role("button", name="领取 PDF 文件").click()
        assert got.value.suggested_filename == f"{made.printout.record.identifier}.pdf"
        assert sha256(Path(got.value.path()).read_bytes()).digest() == made.sha256
        page.reload()
        expect(page.get_by_role("status")).to_contain_text("文件已由本浏览器领取")
        keep(page, "pick-up-again")
        with page.expect_download() as again:
            page.get_by_role("button", name="领取 PDF 文件").click()
        assert sha256(Path(again.value.path()).read_bytes()).digest() == made.sha256
        other.get_by_role("button", name="领取 PDF 文件").click()
        expect(other.locator("h1")).to_have_text("此链接不能领取文件")
        keep(other, "pick-up-nothing")


def test_a_holder_sees_who_used_their_licence(place: Place, browser: Browser) -> None:
    printout = issue_one(place.world).printout
    use(place.world, printout)
    with device(browser, script=False) as context:
        page = context.new_page()
        page.goto(f"{place.served.origin}/holder/uses")
        page.locator("#licence").fill(printout.record.identifier)
        page.locator("#code").fill("22222222")
        page.get_by_role("button", name="查看").click()
        expect(page.get_by_role("alert")).to_contain_text("这些信息无法匹配")
        page.locator("#licence").fill(printout.record.identifier)
        page.locator("#code").fill(printout.lookup_code)
        page.get_by_role("button", name="查看").click()
        expect(page.locator("ol.events > li")).to_have_count(1)
        expect(page.locator("ol.events")).to_contain_text("云溪省样本市教育局")
        assert printout.lookup_code not in page.url
        keep(page, "uses")


def test_pages_are_for_everybody(place: Place, browser: Browser) -> None:
    """axe, the keyboard, a small screen; in each language in turn."""
    printout = issue_one(place.world).printout
    use(place.world, printout)
    link = address(place, pick_up(place.world, printout.record.identifier, language="en")["link"])
    nothing = f"{place.served.origin}/holder/pick-up/none"
    uses = f"{place.served.origin}/holder/uses"
    with device(browser, width=320) as context:
        page = context.new_page()
        for turn, path in enumerate((link, nothing, uses)):
            for lang in ("zh", "en", "es"):
                page.goto(f"{path}?lang={lang}")
                keep(page, f"small-{turn}-{lang}")
                fits(page)
                without_violation(page)
        page.goto(f"{link}?lang=es")
        by_keyboard(page)
        page.goto(f"{uses}?lang=es")
        by_keyboard(page)
        page.locator("#licence").fill(printout.record.identifier)
        page.locator("#code").fill(printout.lookup_code)
        page.get_by_role("button", name="Ver").click()
        expect(page.locator("ol.events > li")).to_have_count(1)
        keep(page, "small-log-es")
        fits(page)
        without_violation(page)
