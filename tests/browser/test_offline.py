"""After one visit, with the network gone: what a code is worth on the reader's own device, and what is kept there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from keys.status_list import LIFE, TTL
from signing.sentences import table
from tests.browser.offline_site import (
    NOW,
    NUMBER,
    OfflineSite,
    device,
    kept,
    offline_site,
    opened,
    said,
    until,
    visit,
)
from tests.signing.checking import food, key

PASSED = ["passed"] * 3
SECOND = timedelta(seconds=1)
VERDICTS = table()["verdicts"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[OfflineSite]:
    with offline_site(tmp_path) as made:
        yield made


@dataclass
class CutOff:
    """A device after one visit, whose server is gone. `text`: a code of ours; `kept`: what the device was given."""

    site: OfflineSite
    context: BrowserContext
    page: Page
    text: str
    trust: str
    token: bytes

    def put_back(self) -> None:
        put(self.page, TRUST, self.trust)
        put(self.page, STATUS, self.token)
        self.context.clock.set_fixed_time(NOW)


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[CutOff]:
    with offline_site(tmp_path_factory.mktemp("site")) as site, device(browser) as context:
        site.publish_list()
        (token, _) = site.lists[NUMBER]
        page = visit(context, site)
        site.served.stop()
        yield CutOff(site, context, page, site.code(), site.jws, token)


@pytest.fixture
def cut_off(visited: CutOff) -> CutOff:
    visited.put_back()
    return visited


TRUST, STATUS = "/.well-known/elicence/trust-list", f"/status/{NUMBER}"


def put(page: Page, path: str, text: str | bytes) -> None:
    """Write into what the site keeps on the device, as somebody who can."""
    body = text if isinstance(text, str) else text.decode()
    page.evaluate(
        "async ([path, text]) => (await caches.open('vermilion-lists')).put(path, new Response(text))",
        [path, body],
    )


def test_after_one_visit_a_code_is_checked_without_the_server(site: OfflineSite, browser: Browser) -> None:
    text = site.code()
    fragment = text.partition("#")[2]
    with device(browser) as context:
        page = visit(context, site)
        sent = len(site.served.seen)
        site.served.stop()
        opened(page, text)
        assert said(page) == ("valid", "good", PASSED)
        expect(page.locator("h1")).to_have_text(VERDICTS["valid"]["en"]["heading"])
        expect(page.locator("#claims")).to_contain_text(food().number)
        expect(page.locator("#claims")).to_contain_text("Yangben Administration")
        expect(page.locator("#check-status .reason")).to_contain_text("status list")
        # It says what it rests on, and of when.
        expect(page.locator("#ages")).to_contain_text("Status as of 20 November 2026")
        expect(page.locator("#ages")).to_contain_text("0 minutes ago")
        expect(page.locator("#checked-at")).to_contain_text("without a network")
        assert page.url == text.partition("#")[0]  # the fragment is gone from the address bar
        found = kept(page)
        assert "vermilion-set-" in found
        assert "BEGIN" not in found
        for start in (0, 40, 200):
            assert fragment[start : start + 40] not in found
        assert text.partition("#")[0].rpartition("/")[2] not in found.partition("\n")[2]
        assert len(site.served.seen) == sent
    assert not any(fragment[:40] in request for request in site.served.seen)


def test_with_the_network_cut_and_back(site: OfflineSite, browser: Browser) -> None:
    text = site.register()
    with device(browser) as context:
        page = visit(context, site)
        context.set_offline(True)
        opened(page, text)
        assert said(page) == ("valid", "good", PASSED)
        expect(page.locator("#ages")).to_be_visible()
        # With the network there the live page answers, as ever.
        context.set_offline(False)
        assert site.memory.licence is not None
        site.memory.licence = type(site.memory.licence)(
            **{name: getattr(site.memory.licence, name) for name in site.memory.licence.__slots__}
            | {"status": "ended", "how": "revoked"}
        )
        page.locator("#retry").click()
        expect(page.locator("h1")).to_have_text(VERDICTS["ended_revoked"]["en"]["heading"])
        expect(page.locator("#ages")).to_have_count(0)
        assert page.url == text.partition("#")[0]
    fragment = text.partition("#")[2]
    assert not any(fragment[:40] in request for request in site.served.seen)


def test_each_age_of_the_status_list(cut_off: CutOff) -> None:
    day, page = timedelta(days=1), cut_off.page
    for at, verdict, tone, status in (
        (TTL, "valid", "good", "passed"),
        (TTL + SECOND, "genuine_offline", "note", "not_done"),
        (day, "genuine_offline", "note", "not_done"),
        (day + SECOND, "genuine_offline", "note", "not_done"),
        (LIFE, "genuine_offline", "note", "not_done"),
        (7 * day, "cannot_check", "unsure", "not_done"),
        (-timedelta(hours=1), "cannot_check", "unsure", "not_done"),
    ):
        cut_off.context.clock.set_fixed_time(NOW + at)
        opened(page, cut_off.text)
        found = said(page)
        assert (*found[:2], found[2][2]) == (verdict, tone, status), at
        assert page.locator("#ages .dated").count() == (1 if day < at < 7 * day else 0), at
    expect(page.locator("#ages")).to_contain_text("clock of this device is wrong")
    cut_off.context.clock.set_fixed_time(NOW + timedelta(hours=5))
    opened(page, cut_off.text)
    expect(page.locator("#ages")).to_contain_text("5 hours ago")


def test_what_the_lists_say_of_an_end(cut_off: CutOff) -> None:
    """A device that learnt of an end says so as long as its list holds."""
    for value, verdict in ((1, "ended"), (2, "suspended"), (3, "replaced")):
        put(cut_off.page, STATUS, cut_off.site.token(value))
        for hours in (0, 30):
            cut_off.context.clock.set_fixed_time(NOW + timedelta(hours=hours))
            opened(cut_off.page, cut_off.text)
            assert said(cut_off.page)[0] == verdict


def test_what_is_kept_is_verified_again_when_it_is_read(cut_off: CutOff) -> None:
    page, text, genuine, token = cut_off.page, cut_off.text, cut_off.trust, cut_off.token
    lower = cut_off.site.publish_trust(sequence=6)

    def now_kept(path: str, value: str | bytes) -> tuple[str | None, str | None]:
        put(page, path, value)
        opened(page, text)
        return said(page)[0], page.locator("#check-status .reason").text_content()

    refused = table()["reasons"]["status_list_refused"]["en"]
    altered = token[:-4] + (b"AAAA" if token[-4:] != b"AAAA" else b"BBBB")
    assert now_kept(STATUS, altered) == ("genuine_offline", refused)
    assert now_kept(STATUS, b"") == ("genuine_offline", refused)
    assert now_kept(STATUS, token)[0] == "valid"
    head, body, signature = genuine.split(".")
    for wrong in (
        lower,
        f"{head}.{lower.split('.')[1]}.{signature}",
        f"{head}.{body}.{lower.split('.')[2]}",
        "",
    ):
        assert now_kept(TRUST, wrong)[0] == "cannot_check"
        expect(page.locator("#claims")).to_have_count(0)
    assert now_kept(TRUST, genuine)[0] == "valid"
    # And what is no code of ours stays that, whatever lies here.
    opened(page, cut_off.site.code(private=key(2)))
    assert said(page)[0] == "not_recognised"
    opened(page, text[:-1] + str((int(text[-1]) + 1) % 10))
    assert said(page)[0] == "altered"
    # A list that is not here is missing, and says nothing.
    page.evaluate("async (path) => (await caches.open('vermilion-lists')).delete(path)", STATUS)
    opened(page, text)
    assert said(page)[:2] == ("genuine_offline", "note")
    expect(page.locator("#check-status .reason")).to_have_text(
        table()["reasons"]["status_list_missing"]["en"]
    )


def test_in_each_language(cut_off: CutOff) -> None:
    page = cut_off.page
    opened(page, cut_off.text)
    for name, lang in (("Español", "es"), ("简体中文", "zh")):
        page.get_by_role("link", name=name).click()
        expect(page.locator("h1")).to_have_text(VERDICTS["valid"][lang]["heading"])
        expect(page.locator("#verdict[data-checked]")).to_be_visible()
        assert said(page)[2] == PASSED


def asked_anew(context: BrowserContext, site: OfflineSite, page: Page, *, after: timedelta) -> None:
    """A visit after some time, when the device may ask again, and its end."""
    page.goto("about:blank")  # else the page that is there may ask as well, and be cut off
    site.now = NOW + after
    context.clock.set_fixed_time(NOW + after)
    at = int((NOW + after).timestamp())
    page.goto(site.origin + "/")
    until(
        page,
        """const state = await (await (await caches.open("vermilion-lists")).match("/offline/state")).json();
        return state.triedAt === arg;""",
        at,
    )


def test_no_older_list_and_no_other_root_takes_the_place_of_what_is_kept(
    site: OfflineSite, browser: Browser, tmp_path: Path
) -> None:
    text, newest = site.code(), site.jws
    hour = timedelta(hours=1)
    with device(browser) as context:
        page = visit(context, site)

        def state_after(hours: int) -> tuple[int, str | None]:
            asked_anew(context, site, page, after=hours * hour)
            state = page.evaluate(
                "async () => (await (await caches.open('vermilion-lists')).match('/offline/state')).json()"
            )
            return state["sequence"], state["trouble"]

        site.publish_trust(sequence=6)
        site.publish_list(0, NOW + hour)
        assert state_after(1) == (7, "rollback")
        assert newest in kept(page)
        site.publish_trust(sequence=8)
        assert state_after(2) == (8, None)
        assert newest not in kept(page)
        # Another root altogether, which everything that it publishes agrees with.
        with offline_site(tmp_path / "other") as other:
            lists = f"{site.origin}/status/"
            site.give_trust(other.publish_trust(origins=(site.origin,), status_lists=lists, sequence=99))
            assert state_after(3) == (8, "wrong_root")
        # An older status list than the one kept.
        site.publish_trust(sequence=8)
        site.publish_list(2, NOW)
        assert state_after(4) == (8, None)
        context.set_offline(True)
        opened(page, text)
        assert said(page)[0] == "genuine_offline"
        expect(page.locator("#ages")).to_contain_text("Status as of 20 November 2026 at 11:30")


def test_the_site_is_asked_once_an_hour_and_by_what_is_held(site: OfflineSite, browser: Browser) -> None:
    with device(browser) as context:
        page = visit(context, site)

        def asked() -> list[str]:
            wanted = ("GET /.well-known", "GET /status/")
            return [one for one in site.served.seen if one.startswith(wanted)]

        first = asked()
        assert [one.partition("\n")[0] for one in first] == [
            "GET /.well-known/elicence/trust-list", "GET /status/", f"GET /status/{NUMBER}",
        ]  # fmt: skip
        assert not any("HTTP_IF_NONE_MATCH" in one for one in first)
        page.goto(site.origin + "/?lang=en")
        until(page, "return performance.now() > 400;")
        assert asked() == first
        asked_anew(context, site, page, after=timedelta(hours=1, seconds=1))
        again = asked()[len(first) :]
        assert len(again) == 3
        assert "HTTP_IF_NONE_MATCH" in again[0]
        assert "HTTP_IF_NONE_MATCH" in again[2]


def test_a_device_that_never_visited_has_nothing_to_say(site: OfflineSite, browser: Browser) -> None:
    """The page that makes the check, on a device that could not fetch a list yet."""
    text = site.code()
    site.give_trust("")
    with device(browser) as context:
        page = context.new_page()
        page.goto(site.origin + "/")
        until(page, "return navigator.serviceWorker.controller;")
        context.set_offline(True)
        opened(page, text)
        assert said(page)[:2] == ("cannot_check", "unsure")
        expect(page.locator("#ages")).to_contain_text("no list of recognised issuers yet")


def test_a_new_set_replaces_the_old_one_whole(
    site: OfflineSite, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker of another version, and its scripts; while its pages are still the old ones nothing is replaced."""
    from verify_web import assets

    before = assets.SET_VERSION
    with device(browser) as context:
        page = visit(context, site)
        old = assets.WORKER
        monkeypatch.setattr(assets, "WORKER", old.replace(before.encode(), b"0123456789ab"))
        update = "async () => { const one = await navigator.serviceWorker.ready; try { await one.update(); } catch {} }"
        page.evaluate(update)
        until(page, "return !(await navigator.serviceWorker.ready).installing;")
        assert f"vermilion-set-{before}" in page.evaluate("caches.keys()")
        context.set_offline(True)
        opened(page, site.code())
        assert said(page)[0] == "valid"
        context.set_offline(False)
        monkeypatch.setattr(assets, "SET_VERSION", "0123456789ab")
        page.goto(site.origin + "/")
        page.evaluate(update)
        until(
            page,
            """const sets = (await caches.keys()).filter((name) => name.startsWith("vermilion-set-"));
            return sets.join() === "vermilion-set-0123456789ab";""",
        )
        context.set_offline(True)
        opened(page, site.code())
        assert said(page)[0] == "valid"


def test_the_link_is_never_answered_from_what_was_answered_before(
    site: OfflineSite, browser: Browser
) -> None:
    """A live answer is of its moment: offline the same address shows the check of this device, or none."""
    text = site.register()
    with device(browser) as context:
        page = visit(context, site, "/c/" + text.partition("/c/")[2].partition("#")[0])
        assert said(page)[0] == "valid"
        context.set_offline(True)
        page.goto("about:blank")
        page.goto(text.partition("#")[0])
        expect(page.locator("#verdict[data-checked]")).to_be_visible()
        assert said(page)[:2] == ("cannot_check", "unsure")
