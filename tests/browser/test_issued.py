"""A licence issued through the API, its printed link opened in a real browser, through its whole life."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import pypdfium2
import pytest
import zxingcpp
from playwright.sync_api import Browser, expect

from signing.sentences import table
from tests.browser.site import Served, serve
from tests.browser.test_scan import checked, phone
from tests.integration.province import Paper, Province, make_province
from verify_web.access_log import JsonLines

WORDS = table()["verdicts"]


@dataclass
class Street:
    """A province whose links lead to the site that a browser can open."""

    province: Province
    served: Served

    def sent(self) -> str:
        """All request lines and headers that ever reached the site."""
        return "\n".join(self.served.seen)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    made: list[Province] = []

    def make(port: int) -> object:
        made.append(make_province(tmp_path_factory.mktemp("street"), public_port=port))
        return made[0].site

    with serve(make) as served:  # type: ignore[arg-type]  # a Flask application
        yield Street(made[0], served)
    made[0].close()


@pytest.fixture(params=["own", "other"])
def paper(street: Street, request: pytest.FixtureRequest) -> Paper:
    return street.province.issue(request.param)


def scanned(paper: Paper) -> str:
    """What a scanner reads from the paper, 150 dots an inch."""
    document = pypdfium2.PdfDocument(io.BytesIO(paper.pdf))
    try:
        (code,) = zxingcpp.read_barcodes(document[0].render(scale=150 / 72).to_pil().convert("RGB"))
    finally:
        document.close()
    return str(code.text)


def heading(key: str, lang: str = "en") -> str:
    return str(WORDS[key][lang]["heading"])


def test_issued_printed_scanned_and_green(
    street: Street, paper: Paper, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="vermilion")
    text = scanned(paper)
    assert text == paper.link
    assert text.startswith(street.served.origin + "/c/")
    with phone(browser) as page:
        checked(page, text)
        expect(page.locator("h1")).to_have_text(heading("valid"))
        assert page.locator("#verdict").get_attribute("data-tone") == "good"
        results = page.locator(".checks li").evaluate_all("all => all.map(one => one.dataset.result)")
        assert results == ["passed"] * 3
        expect(page.locator("#claims")).to_contain_text(str(paper.request["number"]))
        name = "operator_name" if paper.agency == "own" else "holder_name"
        expect(page.locator("#claims")).to_contain_text(str(paper.request["fields"][name]))
        assert page.url == paper.address
    # The id came to the server, the fragment never did: not in a request, not in a line of its log.
    logged = "\n".join(JsonLines().format(record) for record in caplog.records)
    assert paper.path in street.sent()
    assert '"route": "/c/<link_id>"' in logged
    for start in (0, 40, len(paper.fragment) - 40):
        assert paper.fragment[start : start + 40] not in street.sent()
        assert paper.fragment[start : start + 40] not in logged
    assert paper.path.removeprefix("/c/") not in logged


def test_suspended_resumed_and_ended_show_on_the_same_link(
    street: Street, paper: Paper, browser: Browser
) -> None:
    life: tuple[tuple[str | None, dict[str, str], str, str], ...] = (
        (None, {}, "valid", "good"),
        ("suspension", {"ground": "penalty"}, "suspended", "bad"),
        ("resumption", {}, "valid", "good"),
        ("suspension", {"ground": "other"}, "suspended", "bad"),
        ("ending", {"how": "revoked"}, "ended_revoked", "bad"),
    )
    with phone(browser) as page:
        for act, more, expected, tone in life:
            if act is not None:
                street.province.change(paper, act, **more)
            page.goto("about:blank")
            checked(page, paper.link)
            expect(page.locator("h1")).to_have_text(heading(expected))
            assert (page.locator("#verdict").get_attribute("data-tone") == "good") is (tone == "good")
            # The paper still says what the registry recorded; only its force changed.
            expect(page.locator("#check-content")).to_have_attribute("data-result", "passed")
            status = "passed" if expected == "valid" else "failed"
            expect(page.locator("#check-status")).to_have_attribute("data-result", status)


def test_without_script_the_live_status_shows(street: Street, paper: Paper, browser: Browser) -> None:
    with phone(browser, java_script_enabled=False) as page:
        page.goto(paper.link)
        expect(page.locator("h1")).to_have_text(heading("valid_not_compared"))
        assert page.locator("#verdict").get_attribute("data-tone") == "note"
        street.province.change(paper, "suspension", ground="other")
        page.goto("about:blank")
        page.goto(paper.link)
        expect(page.locator("h1")).to_have_text(heading("suspended"))
        street.province.change(paper, "ending", how="annulled")
        page.goto("about:blank")
        page.goto(paper.link)
        expect(page.locator("h1")).to_have_text(heading("ended_annulled"))
    assert paper.fragment[:40] not in street.sent()


def test_the_path_of_one_and_the_fragment_of_another(street: Street, paper: Paper, browser: Browser) -> None:
    other = street.province.issue(paper.agency, holder=1)
    with phone(browser) as page:
        checked(page, f"{paper.address}#{other.fragment}")
        expect(page.locator("h1")).to_have_text(heading("altered"))
        assert page.locator("#verdict").get_attribute("data-tone") == "bad"
        expect(page.locator("#claims")).to_have_count(0)


def test_the_file_uploaded_in_the_browser(street: Street, paper: Paper, browser: Browser) -> None:
    with phone(browser) as page:
        for data, expected in ((paper.pdf, "valid"), (paper.pdf + b"\n", "altered")):
            page.goto(street.served.origin + "/")
            chosen = {"name": "licence.pdf", "mimeType": "application/pdf", "buffer": data}
            page.locator("input[type=file]").set_input_files(chosen)  # type: ignore[arg-type]
            page.locator("form:has(input[type=file]) button").click()
            expect(page.locator("h1")).to_have_text(heading(expected))


def test_in_chinese_too(street: Street, paper: Paper, browser: Browser) -> None:
    with phone(browser, locale="zh-CN") as page:
        checked(page, paper.link)
        expect(page.locator("h1")).to_have_text(heading("valid", "zh"))
