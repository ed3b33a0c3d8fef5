"""The console's batches before a real browser: a file sent and watched, with a script and without one."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.console.place import Place, device
from tests.browser.console.test_console import enter, keep
from tests.browser.test_accessible import by_keyboard, fits, without_violation
from tests.registry.batching import ndjson, requests, worked


@pytest.mark.parametrize("script", [True, False])
def test_a_batch_is_sent_watched_and_fetched(
    place: Place, browser: Browser, tmp_path: Path, script: bool
) -> None:
    """Its page comes to its end by itself; with a script nothing but the part in question is renewed."""
    world = place.world
    world.authorise(world.seal_code, client_id=world.consoles["own"])
    file = tmp_path / "licences.ndjson"
    file.write_bytes(ndjson(requests(world, 2)))
    with device(browser, script=script) as context:
        page = enter(context, place, "officer")
        page.get_by_role("link", name="批量", exact=True).click()
        keep(page, f"batch-list-{script}")
        page.get_by_role("link", name="上传批量文件").click()
        page.locator("#file").set_input_files(file)
        page.locator("#purpose").select_option("issue")
        keep(page, f"batches-{script}")
        page.get_by_role("button", name="上传").click()
        expect(page.locator("#said")).to_have_text("检查中，已完成约 0%")
        keep(page, f"batch-{script}")
        if script:
            page.evaluate("window.stayed = true")
            page.get_by_role("link", name="停止更新").focus()
        worked(world)
        expect(page.locator("#said")).to_have_text("已完成")
        if script:
            assert page.evaluate("window.stayed") is True
            assert page.evaluate("document.activeElement.id") == "main"
        keep(page, f"batch-done-{script}")
        with page.expect_download() as got:
            page.get_by_role("link", name="下载全部 PDF").click()
        assert got.value.suggested_filename.endswith(".zip")
        page.locator("ul.rows a", has_text="1.2.156").first.click()
        expect(page.get_by_role("link", name="暂停", exact=True)).to_be_visible()


def test_batches_are_for_everybody(place: Place, browser: Browser, tmp_path: Path) -> None:
    world = place.world
    world.authorise(world.seal_code, client_id=world.consoles["own"])
    file = tmp_path / "licences.ndjson"
    bodies = requests(world, 3)
    bodies[1]["fields"].pop("operator_name")
    file.write_bytes(ndjson(bodies))
    with device(browser, width=320) as context:
        page = enter(context, place, "officer")

        def look(name: str) -> None:
            for lang in ("en", "zh"):
                page.goto(f"{page.url.partition('?')[0]}?lang={lang}")
                keep(page, f"small-{name}-{lang}")
                fits(page)
                without_violation(page)
                by_keyboard(page)

        page.goto(f"{place.console}/batches")
        look("batches")
        page.goto(f"{place.console}/batches/new")
        look("batch-form")
        page.locator("#file").set_input_files(file)
        page.locator("form.card button").click()
        look("batch-checking")
        worked(world)
        look("batch-refused")
