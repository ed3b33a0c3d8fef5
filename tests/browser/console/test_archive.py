"""The archive in a real browser: found from the menu, read, and for everybody."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from registry.actor import Duty
from registry.archive.figures import count_due
from tests.archive.keeping import archived_package, packages
from tests.browser.console.place import Place, device
from tests.browser.console.test_console import enter, enter_as, keep
from tests.browser.console.test_overviews import look


def test_a_package_is_found_and_its_checks_are_read(place: Place, browser: Browser) -> None:
    package_id = archived_package(place.world)
    row = next(one for one in packages(place.world) if one.id == package_id)
    count_due(place.world.ports, at_once=True)
    with device(browser, script=False) as context:
        page = enter(context, place, "officer")
        page.get_by_role("link", name="档案", exact=True).click()
        page.locator("#archive_number").fill(row.number)
        page.get_by_role("button", name="查询").click()
        keep(page, "archive")
        expect(page.locator("ul.rows > li")).to_have_count(1)
        page.get_by_role("link", name=row.number).click()
        expect(page.locator("h1")).to_have_text(row.number)
        expect(page.locator("table tbody tr")).to_have_count(11)
        keep(page, "archive-package")


def test_the_archive_is_for_everybody(place: Place, browser: Browser) -> None:
    package_id = archived_package(place.world)
    count_due(place.world.ports, at_once=True)
    for who, person in (
        ("of-officer", place.world.people["officer"].id),
        ("of-auditor", place.world.admins[Duty.AUDIT].id),
    ):
        with device(browser, width=320) as context:
            look(enter_as(context, place, person), place, ["/archive", f"/archive/{package_id}"], who)
