"""The page's script in a real browser: what a reader sees, and what no longer stands in the address bar."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import verify_web
from signing.check import check_id
from signing.credential import link_text
from signing.page_data import page_json
from signing.record import Record
from signing.sentences import check_name, heading, next_step, reason_sentence, result_word, sentence
from tests.signing.checking import (
    LINK_ID,
    NOW,
    QR_KEY,
    Register,
    changed,
    food,
    licence,
    register,
    scanned,
    sign,
    trust_list,
    trusted,
)
from tests.tools import need

STATIC = Path(verify_web.__file__).parent / "static"
HOSTILE = "<img src=x onerror=alert(1)>样本"
POLICY = "default-src 'none'; script-src 'self'; require-trusted-types-for 'script'"


def document(live: Register | None, *origins: str) -> str:
    """The page as the site writes it, down to what the script touches."""
    trust = trust_list(trusted(QR_KEY, food()), origins=origins)
    outcome = check_id(PATH[3:], trust, live, NOW)
    v = outcome.verification
    lines = "".join(
        f'<li id="check-{name}" data-result="{check.result}">{check_name(name, "en")}'
        f'<span class="result">{result_word(check.result, "en")}</span>'
        f'<p class="reason">{reason_sentence(check.reason, "en")}</p></li>'
        for name, check in (("content", v.content), ("issuer", v.issuer), ("status", v.status))
    )
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
    <title>{heading(v, "en")} – Check a licence</title><script type="module" src="/static/page.js"></script></head>
    <body><a class="skip" href="#main">Skip</a><nav><a hreflang="zh" href="{PATH}?lang=zh">中文</a></nav><main id="main">
    <section id="verdict" data-verdict="{v.verdict}" data-tone="note" role="status"><h1 id="heading">{heading(v, "en")}</h1>
    <p id="sentence">{sentence(v, "en")}</p><p class="dated">Until</p></section>
    <section id="compare"><dl id="fields"></dl></section><ul>{lines}</ul><p id="next">{next_step(v, "en")}</p>
    <button id="print" type="button" hidden>Print</button></main>
    <script type="application/json" id="live">{page_json(outcome, trust, "en")}</script></body></html>"""


class Site:
    """A server of one page; remembers every request line and header it got."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.html = ""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.seen.append(f"{self.path}\n{self.headers}")
                script = STATIC / self.path.removeprefix("/static/")
                if self.path.startswith("/c/"):
                    body, kind = site.html.encode(), "text/html; charset=utf-8"
                elif self.path.startswith("/static/") and script.is_file():
                    body, kind = script.read_bytes(), "text/javascript; charset=utf-8"
                else:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Security-Policy", POLICY)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


def on_record(site: Site, record: Record | None = None, **other: object) -> Register:
    """A registry that knows one licence, printed for this site."""
    record = record or food()
    return register(licence(record, sign(record, origin=site.origin), origin=site.origin, **other))


PATH = "/c/" + link_text("http://localhost", LINK_ID)[-22:]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = need("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.server.shutdown()
    made.server.server_close()


def opened(browser: Browser, site: Site, url: str, *, before: str = "") -> Page:
    page = browser.new_page()
    page.set_default_timeout(20000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: errors.append("a dialog opened"))
    if before:
        page.add_init_script(before)
    page.goto(url)
    page.wait_for_selector("#print:not([hidden])")
    if "#" in url and not url.endswith("#main"):
        page.wait_for_selector("#verdict[data-checked]")
    assert [error for error in errors if "favicon" not in error and "404" not in error] == []
    return page


def verdict(page: Page) -> tuple[str | None, str | None, str | None]:
    region = page.locator("#verdict")
    return region.get_attribute("data-verdict"), region.get_attribute("data-tone"), page.text_content("h1")


def test_a_licence_printed_under_an_older_address_is_checked_under_that(browser: Browser, site: Site) -> None:
    """The old address leads here now: what binds the credential is what was printed, not where the page stands."""
    older = "http://older.example"
    known = register(licence(food(), sign(food(), origin=older), origin=older))
    site.html = document(known, older, site.origin)
    link = scanned(food(), origin=older).replace(older, site.origin)
    assert verdict(opened(browser, site, link))[:2] == ("valid", "good")


def test_a_site_that_moved_to_https_is_checked_by_its_host(browser: Browser, site: Site) -> None:
    """Not on record here, so nothing says how it was printed: the listed origin of the same host does."""
    printed = site.origin.replace("http://", "https://")
    site.html = document(Register(out=True), printed)
    link = scanned(food(), origin=printed).replace(printed, site.origin)
    assert verdict(opened(browser, site, link))[0] == "genuine_offline"


@pytest.mark.parametrize(
    ("live", "expected"), [(Register(out=True), "genuine_offline"), (Register(), "unknown")]
)
def test_a_code_of_an_older_address_is_never_called_altered_where_no_record_tells_the_address(
    browser: Browser, site: Site, live: Register, expected: str
) -> None:
    older = "https://older.example"
    site.html = document(live, site.origin, older)
    page = opened(browser, site, scanned(food(), origin=older).replace(older, site.origin))
    assert verdict(page)[0] == expected
    assert page.get_attribute("#verdict", "data-checked") == "signature_correct"


def test_a_printed_link_is_checked_and_its_fragment_goes(browser: Browser, site: Site) -> None:
    link = scanned(food(), origin=site.origin)
    site.html = document(on_record(site), site.origin)
    page = opened(browser, site, link)
    assert verdict(page) == ("valid", "good", "Valid")
    assert page.title() == "Valid – Check a licence"
    assert page.text_content("#claims dd >> nth=2") == food().number
    assert str(food().fields["operator_name"]) in str(page.text_content("#claims"))
    assert page.text_content("#check-content .result") == "passed"
    assert page.url == site.origin + PATH
    assert page.evaluate("history.length") == 2
    assert str(page.evaluate("document.querySelector('nav a').hash")) == "#" + link.partition("#")[2]
    digits = link.partition("#")[2]
    assert site.seen
    assert not any(digits[:40] in request for request in site.seen)
    # The same code scanned again in the same tab is only a change of fragment for the browser.
    page.evaluate("delete document.querySelector('#verdict').dataset.checked")
    page.evaluate(f"location.hash = '{digits[:-1]}{(int(digits[-1]) + 1) % 10}'")
    page.wait_for_selector("#verdict[data-checked]")
    assert verdict(page)[0] == "altered"
    assert page.locator("#claims").count() == 0
    page.close()


def test_a_code_scanned_again_in_the_same_tab_is_asked_about_again(browser: Browser, site: Site) -> None:
    """A tab may have stood open for days: the browser itself would only change the fragment."""
    link = scanned(food(), origin=site.origin)
    site.html = document(on_record(site), site.origin)
    page = opened(browser, site, link)
    assert verdict(page)[0] == "valid"
    site.html = document(on_record(site, status="ended", how="revoked"), site.origin)
    asked = len(site.seen)
    page.evaluate("location.hash = 'main'")  # a place in the page asks nothing
    page.evaluate(f"location.hash = '{link.partition('#')[2]}'")
    page.wait_for_selector("#verdict[data-verdict=ended][data-checked]")
    assert verdict(page)[1] == "bad"
    assert page.url == site.origin + PATH
    assert sum(request.startswith(PATH) for request in site.seen[asked:]) == 1
    page.close()


def test_other_words_under_a_real_link(browser: Browser, site: Site) -> None:
    forged = changed(food(), operator_name="另一家样本餐馆")
    site.html = document(on_record(site), site.origin)
    page = opened(browser, site, scanned(forged, origin=site.origin))
    assert verdict(page) == ("altered", "bad", "This code or file has been altered")
    assert page.text_content("#check-content .reason") == reason_sentence("credential_differs", "en")
    assert page.locator("#claims").count() == 0
    assert page.locator(".dated").count() == 0
    assert "另一家" not in page.content()
    page.close()


def test_without_a_fragment_the_page_stays_as_the_site_wrote_it(browser: Browser, site: Site) -> None:
    site.html = document(on_record(site), site.origin)
    for suffix in ("", "#main"):
        page = opened(browser, site, site.origin + PATH + suffix)
        assert verdict(page) == ("valid", "note", "On record and in force: compare with your document")
        assert page.url == site.origin + PATH + suffix
        page.close()


def test_a_choice_of_language_keeps_the_check(browser: Browser, site: Site) -> None:
    link = scanned(food(), origin=site.origin)
    site.html = document(on_record(site), site.origin)
    page = opened(browser, site, link)
    page.click("nav a")
    page.wait_for_url("**lang=zh")
    page.wait_for_selector("#verdict[data-checked]")
    assert verdict(page)[:2] == ("valid", "good")
    page.close()


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ("Object.defineProperty(crypto, 'subtle', {value: undefined})", "browser_cannot"),
        ("crypto.subtle.digest = () => { throw new Error('broken') }", "check_failed"),
        ("crypto.subtle.verify = async () => { throw new Error('broken') }", "check_failed"),
        ("window.TextDecoder = undefined; window.BigInt = undefined", "check_failed"),
    ],
)
def test_a_browser_that_fails_says_not_compared(
    browser: Browser, site: Site, before: str, reason: str
) -> None:
    site.html = document(on_record(site), site.origin)
    page = opened(browser, site, scanned(food(), origin=site.origin), before=before)
    assert verdict(page) == ("valid", "note", "On record and in force: compare with your document")
    assert page.text_content("#check-content .reason") == reason_sentence(reason, "en")
    assert page.url == site.origin + PATH
    page.close()


def test_the_registry_out_of_reach(browser: Browser, site: Site) -> None:
    site.html = document(Register(out=True), site.origin)
    page = opened(browser, site, scanned(food(), origin=site.origin))
    assert verdict(page) == ("genuine_offline", "note", "Genuine when issued – current status not checked")
    page.close()


def test_signed_text_is_text_and_never_markup(browser: Browser, site: Site) -> None:
    hostile = replace(changed(food(), operator_name=HOSTILE), identifier=food().identifier)
    site.html = document(on_record(site, hostile), site.origin)
    page = opened(browser, site, scanned(hostile, origin=site.origin))
    assert verdict(page)[0] == "valid"
    assert HOSTILE in str(page.text_content("#claims"))
    assert page.locator("#claims img").count() == 0
    page.close()
