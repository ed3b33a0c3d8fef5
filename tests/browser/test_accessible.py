"""Every page of the site, every verdict, in each language: axe finds nothing, the keyboard reaches everything and shows
where it is, and nothing is wider than a small screen.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from pypdfium2 import PdfDocument

from signing.live import LiveCopy
from signing.sentences import table
from signing.showing import Showing
from signing.verdict import HOWS
from tests.browser.offline_site import NOW, OfflineSite, device, offline_site, visit
from tests.signing.checking import food, licence, sign
from tests.signing.scan_cases import annotated
from tests.verify_web.world import SHOWN_ID
from verify_web.language import HTML_LANG, LANGUAGES

DAY = timedelta(days=1)
TODAY = date(2026, 11, 20)
SECONDS = timedelta(seconds=30)


@dataclass(frozen=True)
class Shown:
    """A page with a verdict: what the registry says of the licence, and what comes after its link."""

    heading: str  # key of the sentence table
    changes: dict[str, Any] = field(default_factory=dict)
    fragment: str = "right"  # "right", "wrong", "none"
    known: bool = True
    out: bool = False
    until: date | None = None  # the last day of a copy
    withdrawn: date | None = None
    shown_for: timedelta | None = (
        None  # of a presentation code: how long it still is, below 0 that it is over
    )


def shown() -> Iterator[Shown]:
    yield Shown("valid")
    yield Shown("valid_not_compared", fragment="none")
    yield Shown("altered", fragment="wrong")
    yield Shown("not_recognised", {"seal_state": "compromised"})
    yield Shown("unknown", known=False, fragment="none")
    for how in sorted({*HOWS} - {"copy_withdrawn"}):
        yield Shown(f"ended_{how}", {"status": "ended", "how": how, "since": TODAY - 9 * DAY})
    yield Shown("suspended", {"status": "suspended", "ground": "penalty", "since": TODAY - 9 * DAY})
    yield Shown("replaced", {"status": "ended", "how": "replaced", "since": TODAY - 9 * DAY})
    yield Shown("expired", {"valid": (TODAY - 99 * DAY, TODAY - DAY)})
    yield Shown("not_yet_valid", {"valid": (TODAY + DAY, None)})
    yield Shown("cannot_check", out=True, fragment="none")
    yield Shown("genuine_offline", out=True)
    yield Shown("copy_valid", until=TODAY + DAY)
    yield Shown("copy_valid_not_compared", until=TODAY + DAY, fragment="none")
    yield Shown("copy_genuine_offline", until=TODAY + DAY, out=True)
    yield Shown("copy_expired", until=TODAY - DAY)
    yield Shown("ended_copy_withdrawn", until=TODAY + DAY, withdrawn=TODAY)
    yield Shown("shown_valid", shown_for=SECONDS)
    yield Shown("shown_unknown", shown_for=SECONDS, known=False)
    yield Shown("code_over", shown_for=-SECONDS)


def put(site: OfflineSite, one: Shown) -> str:
    """Let the registry say so; the path of the page with what follows it."""
    record, changes = food(), dict(one.changes)
    first, last = changes.pop("valid", (record.valid_from, record.valid_to))
    record = replace(record, valid_from=first, valid_to=last)
    site.memory.showing = None
    if one.shown_for is not None:
        site.memory.showing = Showing(NOW - 2 * SECONDS, NOW + one.shown_for)
    if one.until is not None:
        record = replace(record, copy=annotated(one.until))
        changes["copy"] = LiveCopy(annotated(one.until), one.withdrawn, NOW, NOW, bytes(32))
    cose = sign(record, origin=site.origin)
    site.memory.licence = licence(record, cose, origin=site.origin, **changes) if one.known else None
    site.memory.fails = one.out
    if one.shown_for is not None:
        return f"/p/{SHOWN_ID}"
    path, _, fragment = site.code(record).removeprefix(site.origin).partition("#")
    return path + {"right": f"#{fragment}", "wrong": f"#{fragment[:-1]}", "none": ""}[one.fragment]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineSite]:
    with offline_site(tmp_path_factory.mktemp("site")) as made:
        yield made


def fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 320, page.url


def without_violation(page: Page) -> None:
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"


def with_language(path: str, lang: str) -> str:
    address, mark, fragment = path.partition("#")
    return f"{address}?lang={lang}{mark}{fragment}"


ALL = os.environ.get("VERMILION_ALL_PAGES") == "1"
"""Every page in every language (`make pages`); else each page in one of them, in turn."""


ONE_OF_A_KIND = (
    "valid", "valid_not_compared", "altered", "unknown", "suspended", "cannot_check", "genuine_offline",
    "copy_valid", "copy_expired", "shown_valid", "code_over",
)  # fmt: skip
"""Of each tone, with and without a record: what axe sees of the others differs by words alone."""


def in_turn(place: int) -> tuple[str, ...]:
    return tuple(LANGUAGES) if ALL else (list(LANGUAGES)[place % len(LANGUAGES)],)


def test_every_verdict(site: OfflineSite, browser: Browser) -> None:
    told = set()
    with device(browser, viewport={"width": 320, "height": 640}) as context:
        page = context.new_page()
        for place, one in enumerate(shown()):
            path = put(site, one)
            for lang in in_turn(place):
                page.goto("about:blank")
                page.goto(site.origin + with_language(path, lang))
                if "#" in path:
                    expect(page.locator("#verdict[data-checked]")).to_be_visible()
                expect(page.locator("h1")).to_have_text(table()["verdicts"][one.heading][lang]["heading"])
                fits(page)
                if ALL or one.heading in ONE_OF_A_KIND:
                    without_violation(page)
                by_keyboard(page)
            told.add(one.heading)
    assert told == set(table()["verdicts"])


def by_keyboard(page: Page) -> None:
    """Tab goes through all that can be used, in the order of the page, and each shows that it has the focus."""
    wanted = page.evaluate(
        """() => {
          const all = [...document.querySelectorAll("a[href], button, input, summary, select, textarea")];
          window.reachable = all.filter((one) => one.checkVisibility() && !one.disabled);
          return window.reachable.length;
        }"""
    )
    assert wanted >= 4
    page.evaluate("document.activeElement.blur()")
    order = []
    for _ in range(wanted):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate(
                """() => {
                  const one = document.activeElement;
                  const { outlineStyle, outlineWidth } = getComputedStyle(one);
                  const box = one.getBoundingClientRect();
                  const seen = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && box.width > 0 && box.left >= 0;
                  return seen && box.bottom > 8 && box.top < innerHeight - 8 ? window.reachable.indexOf(one) : one.outerHTML;
                }"""
            )
        )
    assert order == list(range(wanted)), page.url


def test_the_skip_link_leads_to_the_result(site: OfflineSite, browser: Browser) -> None:
    path = put(site, Shown("valid"))
    with device(browser) as context:
        page = context.new_page()
        page.goto(site.origin + path)
        expect(page.locator("#verdict[data-checked]")).to_be_visible()
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        expect(page.locator(".skip")).to_be_in_viewport()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
        expect(page.locator("#verdict")).to_have_attribute(
            "data-verdict", "valid"
        )  # it is no fragment to check


def test_a_result_prints_on_one_page_without_script(site: OfflineSite, browser: Browser) -> None:
    path = put(site, Shown("ended_revoked", {"status": "ended", "how": "revoked", "since": TODAY}))
    with device(browser, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(site.origin + with_language(path, "en"))
        reference = page.locator("#reference").text_content()
        printed = PdfDocument(page.pdf(format="A4"))
    assert len(printed) == 1
    text = printed[0].get_textpage().get_text_bounded()
    heading = table()["verdicts"]["ended_revoked"]["en"]["heading"]
    address = site.origin + path.partition("#")[0]
    for said in (heading, address, "Checked 20 November 2026, 10:30", reference, food().number):
        assert str(said) in text
    for button in ("Check another licence", "Print this result", "Español"):
        assert button not in text
    printed.close()


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (Shown("copy_valid", until=TODAY + DAY), ("办理银行开户", "样本市商业银行", "21 November 2026")),
        (Shown("shown_valid", shown_for=SECONDS), ("for 30 more seconds",)),
    ],
    ids=["copy", "code"],
)
def test_what_a_copy_is_for_and_since_when_a_code_is_shown_is_printed(
    site: OfflineSite, browser: Browser, one: Shown, said: tuple[str, ...]
) -> None:
    path = put(site, one)
    with device(browser) as context:
        page = context.new_page()
        page.goto(site.origin + with_language(path, "en"))
        if "#" in path:
            expect(page.locator("#verdict[data-checked]")).to_be_visible()
        printed = PdfDocument(page.pdf(format="A4"))
    assert len(printed) == 1
    text = printed[0].get_textpage().get_text_bounded()
    for words in (table()["verdicts"][one.heading]["en"]["heading"], *said):
        assert "".join(words.split()) in "".join(text.split())
    printed.close()


def test_the_details_that_a_copy_s_code_signs_say_for_what_it_is(site: OfflineSite, browser: Browser) -> None:
    for one in (
        Shown("copy_valid", until=TODAY + DAY),
        Shown("copy_genuine_offline", until=TODAY + DAY, out=True),
    ):
        path = put(site, one)
        with device(browser) as context:
            page = context.new_page()
            page.goto(site.origin + with_language(path, "en"))
            expect(page.locator("h1")).to_have_text(table()["verdicts"][one.heading]["en"]["heading"])
            for words in ("办理银行开户", "样本市商业银行", "21 November 2026"):
                expect(page.locator("#claims")).to_contain_text(words)


def wrong_details(page: Page) -> None:
    page.locator("#identifier").fill("1.2.156")
    page.locator("form[action^='/check'] button").click()


def details_that_do_not_match(page: Page) -> None:
    page.locator("#identifier").fill(food().identifier)
    page.locator("#lookup_code").fill("7K3MQ8ZV")
    page.locator("form[action^='/check'] button").click()


def no_file(page: Page) -> None:
    page.locator("form[action^='/upload'] button").click()


def another_file(page: Page) -> None:
    page.locator("#file").set_input_files(
        {"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7\n"}
    )
    page.locator("form[action^='/upload'] button").click()


OTHERS: tuple[tuple[str, Callable[[Page], None] | None], ...] = (
    ("/", None),
    ("/scan", None),
    ("/none", None),
    ("/", wrong_details),
    ("/", details_that_do_not_match),
    ("/", no_file),
    ("/", another_file),
)
"""Where it begins, and what a visitor does there."""


def test_every_other_page(site: OfflineSite, browser: Browser) -> None:
    put(site, Shown("valid"))
    with device(browser, viewport={"width": 320, "height": 640}) as context:
        page = context.new_page()
        for place, (path, act) in enumerate(OTHERS):
            for lang in in_turn(place):
                page.goto(f"{site.origin}{path}?lang={lang}")
                if act is not None:
                    act(page)
                    page.wait_for_load_state()
                expect(page.locator("html")).to_have_attribute("lang", HTML_LANG[lang])
                fits(page)
                without_violation(page)
                by_keyboard(page)


def test_the_page_without_a_network(site: OfflineSite, browser: Browser) -> None:
    path = site.code().removeprefix(site.origin)
    with device(browser, viewport={"width": 320, "height": 640}) as context:
        page = visit(context, site)
        context.set_offline(True)
        for lang, at in zip(LANGUAGES, (NOW, NOW + 1.5 * DAY, NOW + 8 * DAY), strict=True):
            context.clock.set_fixed_time(at)
            page.goto("about:blank")
            page.goto(site.origin + with_language(path, lang))
            expect(page.locator("#verdict[data-checked]")).to_be_visible()
            fits(page)
            without_violation(page)
            by_keyboard(page)


def test_axe_notices_what_is_wrong(site: OfflineSite, browser: Browser) -> None:
    with device(browser) as context:
        page = context.new_page()
        page.goto(site.origin + "/")
        without_violation(page)
        page.evaluate("document.querySelector('label').remove()")
        with pytest.raises(AssertionError, match="label"):
            without_violation(page)
