"""On the first screen of a phone, before anything is touched: the verdict, its sentence, when it was checked,
and which licence it is about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from signing.sentences import table
from tests.browser.offline_site import OfflineSite, device, offline_site
from tests.signing.checking import food, licence, sign
from verify_web.language import LANGUAGES

WIDTH, HEIGHT = 360, 740
SINCE = {"since": date(2026, 11, 11)}
CASES: dict[str, dict[str, Any]] = {
    "valid": {},
    "altered": {},
    **{f"ended_{how}": {"status": "ended", "how": how, **SINCE} for how in ("revoked", "annulled", "cancelled")},
    "suspended": {
        "status": "suspended", "ground": "penalty", "suspended_until": date(2026, 12, 24), **SINCE,
    },
    "replaced": {"status": "ended", "how": "replaced", **SINCE},
    "not_recognised": {"entitled": False},
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineSite]:
    with offline_site(tmp_path_factory.mktemp("site")) as made:
        yield made


def place(part: Locator) -> tuple[float, float]:
    """Top and bottom. It is seen whole: by nothing cut off, by nothing covered."""
    expect(part).to_be_visible()
    box = part.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= WIDTH
    assert part.evaluate(
        """(one) => {
          const { left, top, right, bottom } = one.getBoundingClientRect();
          const seen = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
          return seen === null || one === seen || one.contains(seen) || seen.contains(one);
        }"""
    )
    return box["y"], box["y"] + box["height"]


def on_the_first_screen(page: Page, number: str) -> None:
    assert page.evaluate("[innerWidth, innerHeight, scrollY]") == [WIDTH, HEIGHT, 0]
    parts = ["#heading", "#sentence", "#checked-at", ".facts dt >> nth=0", f".facts dd:has-text('{number}')"]
    places = [place(page.locator(part).first) for part in parts]
    assert places == sorted(places)
    for part, (top, bottom) in zip(parts, places, strict=True):
        assert top >= 0, part
        assert bottom <= HEIGHT, (part, bottom)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_verdict_sentence_and_number_need_no_scrolling(
    site: OfflineSite, browser: Browser, lang: str
) -> None:
    """With the content compared, and as the page comes without a script."""
    for script in (True, False):
        with device(
            browser, viewport={"width": WIDTH, "height": HEIGHT}, java_script_enabled=script
        ) as context:
            page = context.new_page()
            for key, changes in CASES.items():
                if not script and key == "altered":  # only a script compares
                    continue
                record = food()
                cose = sign(record, origin=site.origin)
                site.memory.licence = licence(record, cose, origin=site.origin, **changes)
                path, _, fragment = site.code(record).removeprefix(site.origin).partition("#")
                page.goto("about:blank")
                page.goto(
                    f"{site.origin}{path}?lang={lang}#{fragment[:-1] if key == 'altered' else fragment}"
                )
                if script:
                    expect(page.locator("#verdict[data-checked]")).to_be_visible()
                    expect(page.locator("h1")).to_have_text(table()["verdicts"][key][lang]["heading"])
                on_the_first_screen(page, str(record.number))


def test_a_long_name_does_not_push_the_number_away(site: OfflineSite, browser: Browser) -> None:
    record = replace(food(), fields={**food().fields, "operator_name": "云溪省样本市" * 10})
    cose = sign(record, origin=site.origin)
    site.memory.licence = licence(record, cose, origin=site.origin)
    with device(browser, viewport={"width": WIDTH, "height": HEIGHT}) as context:
        page = context.new_page()
        page.goto(site.code(record).partition("#")[0] + "?lang=en")
        on_the_first_screen(page, str(record.number))
