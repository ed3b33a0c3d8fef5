"""A printed link opened in a real browser: what the reader's own device checks, and what it keeps to itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect

from keys.custodian import Kind, SignRequest
from keys.suite import P256
from keys.trust_list import kid_of
from registry.settings import Settings
from signing.claims import claims_of, encode_claims
from signing.credential import assemble, link_text, qr_text, raw_signature, sig_structure
from signing.record import Record
from signing.sentences import table
from tests.authority import TestAuthority, make_authority
from tests.browser.site import Served, serve
from tests.verify_web.world import NOW, Decided, Lists, Memory, find_type, licence_type, sample, sample_record
from verify_web.access_log import JsonLines
from verify_web.app import create_app
from verify_web.language import LANGUAGES, day_in_words
from verify_web.source import Source

FOOD = licence_type("food-business-licence")
ID, OTHER_ID = bytes(range(16)), bytes(range(1, 17))
WORDS = table()["verdicts"]


@dataclass
class Desk:
    """The site before a browser, an authority behind it, one licence on record."""

    served: Served
    memory: Memory
    authority: TestAuthority

    def scanned(self, record: Record, link_id: bytes = ID) -> tuple[str, bytes]:
        """The text of a printed code, signed by the agency's real key, and its COSE bytes."""
        suite = P256
        key = self.authority.trusted("qr", self.authority.qr)
        claims = claims_of(record, FOOD)
        structure, protected = sig_structure(
            claims, bytes.fromhex(kid_of(key.public_key)), suite.cose_alg, self.served.origin, link_id
        )
        request = SignRequest(Kind.SIG_STRUCTURE, structure, f"intent:{sha256(structure).hexdigest()[:32]}")
        (der,) = self.authority.custodian.sign(self.authority.qr_key, [request])
        cose = assemble(protected, encode_claims(claims), raw_signature(der, suite))
        return qr_text(link_text(self.served.origin, link_id), cose), cose


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    licence = sample()
    authority = make_authority(tmp_path, NOW, agency=licence.record.issuer_code, types=(FOOD.code,))
    memory = Memory(licence)

    def make(port: int) -> Flask:
        jws = authority.jws(origins=(f"http://localhost:{port}",))
        return create_app(
            Settings(data=tmp_path / "site", public_port=port),
            source=Source(memory, find_type, lambda: jws, Lists({}), Decided()),
            clock=lambda: NOW,
            catch_all=False,
        )

    with serve(make) as served:
        yield Desk(served, memory, authority)
        served.app.extensions["site"].store.close()


@contextmanager
def phone(browser: Browser, **options: object) -> Iterator[Page]:
    """A page of 360 px, whose script must not fail and which must ask nobody but the site."""
    context: BrowserContext = browser.new_context(
        viewport={"width": 360, "height": 740},
        **{"locale": "en-GB", **options},  # type: ignore[arg-type]
    )
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda line: wrong.append(line.text) if line.type == "error" and "404" not in line.text else None,
    )
    page.on("request", lambda asked: None if "//localhost:" in asked.url else wrong.append(asked.url))
    yield page
    context.close()
    assert wrong == []


def checked(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("#verdict[data-checked]")).to_be_visible()


def on_record(desk: Desk, **changes: object) -> str:
    """Register a sample licence with its real credential; returns the text of its code."""
    licence = replace(sample(), **changes)  # type: ignore[arg-type]
    text, cose = desk.scanned(sample_record())
    desk.memory.licence = replace(licence, origin=desk.served.origin, credential_sha256=sha256(cose).digest())
    return text


def test_a_printed_link_becomes_green_on_the_readers_device(desk: Desk, browser: Browser) -> None:
    text = on_record(desk)
    link, _, fragment = text.partition("#")
    with phone(browser) as page:
        checked(page, text)
        expect(page.locator("h1")).to_have_text(WORDS["valid"]["en"]["heading"])
        assert page.locator("#verdict").get_attribute("data-tone") == "good"
        results = page.locator(".checks li").evaluate_all("all => all.map(one => one.dataset.result)")
        assert results == ["passed"] * 3
        assert page.title().startswith("Valid ")
        record = sample_record()
        expect(page.locator("#claims")).to_contain_text(record.number)
        expect(page.locator("#claims")).to_contain_text(str(record.fields["operator_name"]))
        assert page.url == link  # the fragment is gone from the address bar
    assert len(desk.served.seen) >= 3
    assert not any(fragment[:30] in request for request in desk.served.seen)
    assert any(link.partition("/c/")[2] in request for request in desk.served.seen)


def test_without_script_the_live_status_shows(desk: Desk, browser: Browser) -> None:
    text = on_record(desk)
    with phone(browser, java_script_enabled=False) as page:
        page.goto(text)
        expect(page.locator("h1")).to_have_text(WORDS["valid_not_compared"]["en"]["heading"])
        assert page.locator("#verdict").get_attribute("data-tone") == "note"
        expect(page.locator("noscript p, .aside")).to_be_visible()
        expect(page.locator("#fields")).to_be_visible()
    assert not any(text.partition("#")[2][:30] in request for request in desk.served.seen)


def test_an_altered_fragment_is_altered(desk: Desk, browser: Browser) -> None:
    text = on_record(desk)
    with phone(browser) as page:
        checked(page, text[:-1] + str((int(text[-1]) + 1) % 10))
        expect(page.locator("h1")).to_have_text(WORDS["altered"]["en"]["heading"])
        assert page.locator("#verdict").get_attribute("data-tone") == "bad"
        expect(page.locator("#claims")).to_have_count(0)
        assert "#" not in page.url


def test_the_path_of_one_and_the_fragment_of_another_is_altered(desk: Desk, browser: Browser) -> None:
    text = on_record(desk)
    other, _ = desk.scanned(sample_record(serial="0000042"), OTHER_ID)
    with phone(browser) as page:
        checked(page, f"{text.partition('#')[0]}#{other.partition('#')[2]}")
        expect(page.locator("h1")).to_have_text(WORDS["altered"]["en"]["heading"])


def test_other_words_rightly_signed_for_a_real_link_are_altered(desk: Desk, browser: Browser) -> None:
    on_record(desk)
    record = sample_record()
    forged, _ = desk.scanned(replace(record, fields={**record.fields, "operator_name": "另一家样本餐馆"}))
    with phone(browser) as page:
        checked(page, forged)
        expect(page.locator("h1")).to_have_text(WORDS["altered"]["en"]["heading"])
        expect(page.locator("body")).not_to_contain_text("另一家样本餐馆")


def test_after_the_end_the_same_code_says_so(desk: Desk, browser: Browser) -> None:
    text = on_record(desk)
    with phone(browser) as page:
        checked(page, text)
        expect(page.locator("h1")).to_have_text("Valid")
        assert desk.memory.licence is not None
        desk.memory.licence = replace(
            desk.memory.licence, status="ended", how="revoked", since=date(2026, 3, 3)
        )
        page.goto("about:blank")
        checked(page, text)
        expect(page.locator("h1")).to_have_text(WORDS["ended_revoked"]["en"]["heading"])
        expect(page.locator(".dated")).to_have_text("Since 3 March 2026.")
        expect(page.locator("#check-content")).to_have_attribute("data-result", "passed")
        expect(page.locator("#check-status")).to_have_attribute("data-result", "failed")


def test_an_unknown_link_stays_unknown_whatever_its_fragment_proves(desk: Desk, browser: Browser) -> None:
    forged, _ = desk.scanned(sample_record(serial="0000042"), OTHER_ID)
    with phone(browser) as page:
        checked(page, forged)
        expect(page.locator("h1")).to_have_text(WORDS["unknown"]["en"]["heading"])
        expect(page.locator("#claims")).to_have_count(0)


def test_another_language_keeps_what_was_compared(desk: Desk, browser: Browser) -> None:
    text = on_record(desk)
    with phone(browser) as page:
        checked(page, text)
        page.get_by_role("link", name="简体中文").click()
        expect(page.locator("h1")).to_have_text(WORDS["valid"]["zh"]["heading"])
        assert page.locator("html").get_attribute("lang") == "zh-Hans"
        assert page.url.endswith("?lang=zh")
    assert not any(text.partition("#")[2][:30] in request for request in desk.served.seen)


def test_in_spanish_the_script_says_the_same_and_writes_days_as_the_page_does(
    desk: Desk, browser: Browser
) -> None:
    text = on_record(desk)
    with phone(browser, locale="es-MX") as page:
        checked(page, text)
        expect(page.locator("h1")).to_have_text(WORDS["valid"]["es"]["heading"])
        assert page.title().startswith("Válida ")
        claims = page.locator("#claims")
        for said in (day_in_words(sample_record().issue_date, "es"), "28 de febrero de 2031"):
            expect(claims).to_contain_text(said)
        expect(claims).to_contain_text(sample().type_name["es"])
        expect(claims.locator("[lang=en]")).to_have_text(
            [sample().issuer_name["en"]]
        )  # agencies have no other
        expect(claims.locator("[lang=zh]").first).to_have_text(str(sample_record().fields["operator_name"]))
        checked(page, text[:-1] + str((int(text[-1]) + 1) % 10))
        expect(page.locator("h1")).to_have_text(WORDS["altered"]["es"]["heading"])


def test_it_reflows_and_its_targets_are_large(desk: Desk, browser: Browser) -> None:
    text = on_record(desk)
    for lang in LANGUAGES:
        with phone(browser, locale=lang) as page:
            page.set_viewport_size({"width": 320, "height": 600})
            for address in (text, desk.served.origin + "/"):
                page.goto(address)
                assert page.evaluate("document.documentElement.scrollWidth") <= 320
                small = page.locator(
                    "a:visible:not(.skip), button:visible, input:visible, summary:visible"
                ).evaluate_all(
                    "all => all.filter(one => one.getBoundingClientRect().height < 44).map(one => one.outerHTML)"
                )
                assert small == []


def test_typed_details_from_the_keyboard(desk: Desk, browser: Browser) -> None:
    on_record(desk)
    licence = desk.memory.licence
    assert licence is not None
    with phone(browser) as page:
        page.goto(desk.served.origin + "/")
        page.get_by_label("Licence identifier").fill(licence.record.identifier.lower())
        page.get_by_label("Look-up code").fill("7k3m q8zt")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text(WORDS["valid_not_compared"]["en"]["heading"])
        assert licence.record.identifier not in page.url


def test_other_words_rightly_signed_raise_the_alarm_where_a_program_sends_them(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    text = on_record(desk)
    record = sample_record()
    forged, _ = desk.scanned(replace(record, fields={**record.fields, "operator_name": "另一家样本餐馆"}))
    client, site = desk.served.app.test_client(), desk.served.app.extensions["site"]
    answer = client.post("/api/v1/verifications", json={"qr": forged})
    assert answer.get_json()["verdict"] == "altered"
    assert site.store.alarms() == 1
    assert 'vermilion_alarms_total{reason="credential_not_registered"} 1.0' in client.get("/metrics").text
    (line,) = [one for one in caplog.records if one.name == "vermilion.alarm"]
    assert line.levelname == "ERROR"
    assert record.identifier not in JsonLines().format(line)
    real = client.post("/api/v1/verifications", json={"qr": text}).get_json()
    assert (real["verdict"], site.store.alarms()) == ("valid", 1)
