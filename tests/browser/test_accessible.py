"""Every page of the site, every verdict, in each language: axe finds nothing, in light, in the dark and in forced
colours, what is drawn stands out, the keyboard reaches everything and shows where it is, nothing is wider than a small
screen, and a result prints on a page.

VERMILION_SCREENS=folder leaves a picture of each verdict there, of a phone and of a desk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Browser, Page, expect
from pypdfium2 import PdfDocument

from signing.live import LiveCopy
from signing.sentences import table
from signing.showing import Showing
from signing.validator import start_validator
from signing.verdict import HOWS
from tests.browser.offline_site import NOW, OfflineSite, device, offline_site, visit
from tests.signing.checking import food, licence, sign
from tests.signing.scan_cases import annotated
from tests.signing.sealing import LATER, sealed, use_of
from tests.verify_web.test_headers import PATHS
from tests.verify_web.test_report import trust_list
from tests.verify_web.world import MATTER, SHOWN_ID
from verify_web.language import HTML_LANG, LANGUAGES

ALL = os.environ.get("VERMILION_ALL_PAGES") == "1"
"""Every page in every language, and axe in every look (`make pages`); else each page in one language, in turn."""

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
    validator = start_validator()
    with offline_site(tmp_path_factory.mktemp("site"), validator) as made:
        yield made
    validator.close()


def fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 320, page.url


OFF_BY_ITSELF = {"target-size": {"enabled": True}}
"""Rules for WCAG 2.2 AA that axe runs only if asked; all others for A and AA of 2.0, 2.1 and 2.2 it runs anyway."""

LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "forced colours": {"forced_colors": "active"},
    "forced colours in the dark": {"forced_colors": "active", "color_scheme": "dark"},
    "print": {"media": "print"},
}
USUAL: dict[str, Any] = {"color_scheme": "light", "forced_colors": "none", "media": "screen"}


def without_violation(page: Page) -> None:
    found = by_axe(page, {"resultTypes": ["violations"], "rules": OFF_BY_ITSELF})
    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"


def without_pale_text(page: Page) -> None:
    """Nor any that axe cannot judge, such as white on white."""
    found = by_axe(page, {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}})
    assert found.violations_count == 0, f"{page.url}\n{found.generate_report()}"
    assert found.response["incomplete"] == [], (page.url, found.response["incomplete"])


def by_axe(page: Page, options: dict[str, Any]) -> AxeResults:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
        page.evaluate(COLOUR_IS_COLOUR)
    return AxeResults(page.evaluate("(options) => axe.run(options)", options))


def in_every_look(page: Page) -> None:
    """Light last, so that it stays; what is no matter of colours is the same in all. axe takes its time: some alone."""
    for look in reversed(LOOKS):
        page.emulate_media(**USUAL | LOOKS[look])
        assert page.evaluate(TOO_PALE) == [], (page.url, look)
        if ALL or look in ("dark", "forced colours"):
            without_pale_text(page)


COLOUR_IS_COLOUR = """() => {
  const real = window.getComputedStyle;
  const name = (asked) => (asked === "-webkit-text-fill-color" ? "color" : asked);
  window.getComputedStyle = (...arguments) => new Proxy(real.apply(window, arguments), {
    get(style, key) {
      if (key === "getPropertyValue") return (asked) => style.getPropertyValue(name(asked));
      const value = style[key];
      return typeof value === "function" ? value.bind(style) : value;
    },
  });
}"""
"""Chromium tells -webkit-text-fill-color, which axe goes by and no page of ours sets, as if no colours were forced."""

TOO_PALE = """() => {
  const parts = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).map((n) => n / 255).map((n) => (n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((parts(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const spoken = [...document.body.querySelectorAll("*")].filter((one) =>
    one.checkVisibility() && !one.matches("script, style, template, noscript") &&
    [...one.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim()));
  const enough = (style) =>
    parseFloat(style.fontSize) >= (style.fontWeight >= 700 ? 18.66 : 24) ? 3 : 4.5;
  const pairs = {
    ".shape .edge, .shape .ink, .tick path": (one) => [getComputedStyle(one).stroke, behind(one)],
    ".shape .fill": (one) => [getComputedStyle(one).fill, behind(one)],
    ".shape .fill ~ .line": (one) => [getComputedStyle(one).stroke, getComputedStyle(one.parentElement.querySelector(".fill")).fill],
    ".tick": (one) => [getComputedStyle(one).borderTopColor, behind(one.parentElement)],
    ".verdict": (one) => [getComputedStyle(one).borderLeftColor, behind(one.parentElement)],
    "input": (one) => [getComputedStyle(one).borderTopColor, behind(one.parentElement)],
  };
  const found = spoken
    .filter((one) => contrast(getComputedStyle(one).color, behind(one)) < enough(getComputedStyle(one)))
    .map((one) => ["text", one.outerHTML, getComputedStyle(one).color, behind(one)]);
  for (const [which, of] of Object.entries(pairs)) {
    for (const one of document.querySelectorAll(which)) {
      if (one.checkVisibility() && contrast(...of(one)) < 3) found.push([which, one.outerHTML, ...of(one)]);
    }
  }
  return found;
}"""
"""Text that stands out less than 1.4.3 wants, and, which axe does not look at, what tells the verdicts apart without a
word, ticks, and where to type (1.4.11: 3:1).
"""


def with_language(path: str, lang: str) -> str:
    address, mark, fragment = path.partition("#")
    return f"{address}?lang={lang}{mark}{fragment}"


def in_turn(place: int) -> tuple[str, ...]:
    return tuple(LANGUAGES) if ALL else (list(LANGUAGES)[place % len(LANGUAGES)],)


def visited(site: OfflineSite, page: Page, lang: str) -> Iterator[Shown]:
    """The page of each verdict whose turn it is in that language."""
    for place, one in enumerate(shown()):
        if lang not in in_turn(place):
            continue
        path = put(site, one)
        page.goto("about:blank")
        page.goto(site.origin + with_language(path, lang))
        if "#" in path:
            expect(page.locator("#verdict[data-checked]")).to_be_visible()
        expect(page.locator("h1")).to_have_text(table()["verdicts"][one.heading][lang]["heading"])
        yield one


def test_every_heading_of_the_table_is_shown() -> None:
    assert {one.heading for one in shown()} == set(table()["verdicts"])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_verdict(site: OfflineSite, browser: Browser, lang: str) -> None:
    with device(browser, viewport={"width": 320, "height": 640}) as context:
        page = context.new_page()
        for one in visited(site, page, lang):
            fits(page)
            without_violation(page)
            in_every_look(page)
            by_keyboard(page)
            keep(page, f"verdict-{one.heading}-{lang}")


SCREENS = os.environ.get("VERMILION_SCREENS")
SIZES = {"phone": (360, 740), "desk": (1280, 900)}


def keep(page: Page, name: str) -> None:
    """Pictures, for whoever wants to look at them."""
    if not SCREENS:
        return
    page.evaluate("document.activeElement.blur()")
    before = page.viewport_size
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=Path(SCREENS) / f"{name}-{size}.png", full_page=True)
    assert before is not None
    page.set_viewport_size(before)


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


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_result_prints_on_one_page(site: OfflineSite, browser: Browser, lang: str) -> None:
    with device(browser) as context:
        page = context.new_page()
        for one in visited(site, page, lang):
            heading = table()["verdicts"][one.heading][lang]["heading"]
            assert "".join(heading.split()) in "".join(printed(page).split()), one.heading


def test_a_result_prints_without_script(site: OfflineSite, browser: Browser) -> None:
    path = put(site, Shown("ended_revoked", {"status": "ended", "how": "revoked", "since": TODAY}))
    with device(browser, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(site.origin + with_language(path, "en"))
        reference = page.locator("#reference").text_content()
        text = printed(page)
    heading = table()["verdicts"]["ended_revoked"]["en"]["heading"]
    address = site.origin + path.partition("#")[0]
    for said in (heading, address, "Checked 20 November 2026, 10:30", reference, food().number):
        assert str(said) in text
    for button in ("Check another licence", "Print this result", "Español"):
        assert button not in text


def printed(page: Page) -> str:
    """What stands on the one sheet of paper."""
    paper = PdfDocument(page.pdf(format="A4"))
    assert len(paper) == 1, (page.url, page.title())
    text: str = paper[0].get_textpage().get_text_bounded()
    paper.close()
    return text


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
        text = printed(page)
    for words in (table()["verdicts"][one.heading]["en"]["heading"], *said):
        assert "".join(words.split()) in "".join(text.split())


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
    ("/about/readers", None),
    ("/api/v1/", None),
    ("/problems/", None),
    ("/problems/invalid", None),
    ("/", wrong_details),
    ("/", details_that_do_not_match),
    ("/", no_file),
    ("/", another_file),
    ("/results", None),
    (f"/results/{MATTER}", None),
)
"""Where it begins, and what a visitor does there."""


def test_no_page_is_left_out(site: OfflineSite) -> None:
    """`PATHS` is held to be every route."""
    client = site.served.app.test_client()
    pages = {path for path in PATHS.values() if client.get(path).mimetype == "text/html"}
    elsewhere = {
        "pages.link",
        "pages.presentation",
        "offline.shell",
        "pages.check",
        "pages.upload",
    }  # verdicts, and forms
    assert pages - {PATHS[name] for name in elsewhere} == {path for path, _ in OTHERS} - {"/none"}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_other_page(site: OfflineSite, browser: Browser, lang: str) -> None:
    put(site, Shown("valid"))
    with device(browser, viewport={"width": 320, "height": 640}) as context:
        page = context.new_page()
        for place, (path, act) in enumerate(OTHERS):
            if lang not in in_turn(place):
                continue
            page.goto(f"{site.origin}{path}?lang={lang}")
            if act is not None:
                act(page)
                page.wait_for_load_state()
            expect(page.locator("html")).to_have_attribute("lang", HTML_LANG[lang])
            fits(page)
            without_violation(page)
            in_every_look(page)
            by_keyboard(page)
            keep(page, f"page{path.replace('/', '-')}-{act.__name__ if act else ''}-{lang}")


def test_the_report_on_a_changed_file(site: OfflineSite, browser: Browser) -> None:
    changed = {"name": "a.pdf", "mimeType": "application/pdf", "buffer": sealed().data + b"\n% a comment"}
    before = site.jws
    site.give_trust(trust_list())
    site.now = LATER
    site.memory.uses.add(use_of(sealed().data))
    try:
        with device(browser, viewport={"width": 320, "height": 640}) as context:
            page = context.new_page()
            for lang in LANGUAGES:
                page.goto(f"{site.origin}/?lang={lang}")
                page.locator("#file").set_input_files(changed)  # type: ignore[arg-type]
                page.locator("form[action^='/upload'] button").click()
                expect(page.locator("#verdict")).to_have_attribute("data-verdict", "altered")
                page.evaluate("document.querySelector('#report details').open = true")
                expect(page.locator("#report details h3").first).to_be_visible()
                fits(page)
                without_violation(page)
                in_every_look(page)
                by_keyboard(page)
                keep(page, f"report-{lang}")
    finally:
        site.give_trust(before)
        site.now = NOW
        site.memory.uses.clear()


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
            in_every_look(page)
            by_keyboard(page)


def test_it_is_noticed_what_is_wrong(site: OfflineSite, browser: Browser) -> None:
    with device(browser) as context:
        page = context.new_page()
        page.goto(site.origin + "/")
        without_violation(page)
        in_every_look(page)
        page.evaluate("document.querySelector('label').remove()")
        with pytest.raises(AssertionError, match="label"):
            without_violation(page)
        page.goto(site.origin + "/")
        page.evaluate(
            "document.querySelector('h1').insertAdjacentHTML('afterend', '<button>x</button><button>y</button>')"
        )
        dress(page, "h1 ~ button { width: 9px; height: 9px; padding: 0; border: 0 }")
        with pytest.raises(AssertionError, match="target-size"):
            without_violation(page)
        for sheet, complaint in (
            ("@media (prefers-color-scheme: dark) { h1 { color: #333 } }", "'dark'.*'text'"),
            (
                "@media (forced-colors: active) { h1 { forced-color-adjust: none; color: #eee } }",
                "'forced colours'",
            ),
            ("@media print { h1 { color: #ddd } }", "'print'"),
            ("@media screen { input { border-color: #eee } }", "'light'.*'input'"),
        ):
            page.goto(site.origin + "/")
            dress(page, sheet)
            with pytest.raises(AssertionError, match=f"(?s){complaint}"):
                in_every_look(page)
            page.emulate_media(**USUAL)
        page.goto(site.origin + "/")
        without_pale_text(page)
        for colour, complaint in (("#ddd", "color-contrast"), ("var(--paper)", "equalRatio")):
            dress(page, f"h1 {{ color: {colour} }}")
            with pytest.raises(AssertionError, match=complaint):
                without_pale_text(page)


def dress(page: Page, sheet: str) -> None:
    """Add to its style, past its policy, which refuses what is not the site's own."""
    page.evaluate(
        "(sheet) => { const one = new CSSStyleSheet(); one.replaceSync(sheet); document.adoptedStyleSheets = [one]; }",
        sheet,
    )
