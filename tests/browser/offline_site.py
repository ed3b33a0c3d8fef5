"""A site that publishes a trust list and status lists, before a browser that will lose it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, expect

from registry.settings import Settings
from signing.record import Record
from signing.validator import Validator
from tests.authority import make_authority
from tests.browser.site import Served, serve
from tests.keys.test_trust_list import by_hand
from tests.signing.checking import QR_KEY, food, licence, scanned, sign, trusted
from tests.signing.listing import Lister
from tests.verify_web.world import Decided, Lists, Memory, find_type, sample
from verify_web.app import create_app
from verify_web.source import Source
from verify_web.trust import TrustSource

NOW = datetime.fromisoformat("2026-11-20T02:30:00+00:00")
NUMBER, INDEX = food().status_list, food().status_index
READY = """
  const kept = await caches.open("vermilion-lists");
  const state = await kept.match("/offline/state");
  const sets = (await caches.keys()).filter((name) => name.startsWith("vermilion-set-"));
  return Boolean(navigator.serviceWorker.controller) && sets.length === 1 && state && (await state.json()).askedAt > 0;
"""


def until(page: Page, condition: str, arg: object = None) -> None:
    """Wait for what `condition`, the body of an async function of `arg`, returns to be true."""
    page.evaluate(
        f"""async (arg) => {{
          const holds = async () => {{ {condition} }};
          for (let tries = 0; tries < 400; tries += 1) {{
            if (await holds()) return;
            await new Promise((done) => setTimeout(done, 50));
          }}
          throw new Error("it never came to that");
        }}""",
        arg,
    )


@dataclass
class OfflineSite:
    """`now` is the clock of the server; a page has one of its own."""

    served: Served
    lister: Lister
    lists: dict[int, tuple[bytes, bytes]]
    memory: Memory
    now: datetime = NOW
    jws: str = ""

    @property
    def origin(self) -> str:
        return self.served.origin

    def publish_trust(self, **changes: Any) -> str:
        """A trust list under any sequence, as often as a test wants it."""
        authority = self.lister.authority
        held = authority.custodian._unlock(authority.delegate_key)
        values = {
            "keys": (trusted(QR_KEY, food()), self.lister.trust().keys[-1]),
            "origins": (self.origin,),
            "status_lists": f"{self.origin}/status/",
            "sequence": 7,
            "agencies": {food().issuer_code: {"zh": "样本市市场监督管理局", "en": "Yangben Administration"}},
            "types": {food().type_code: {"zh": "食品经营许可证", "en": "Food Business Licence"}},
        }
        trust = authority.trust(**(values | changes))
        jws = by_hand(authority, (authority.delegate, authority.root), held, trust)  # type: ignore[arg-type]
        self.give_trust(jws)
        return jws

    def give_trust(self, jws: str) -> None:
        """As a site would that was just started, and remembers no newer one."""
        extensions = self.served.app.extensions
        extensions["site"] = replace(extensions["site"], trust=TrustSource(lambda: jws, lambda: self.now))
        self.jws = jws

    def token(
        self, value: int = 0, at: datetime = NOW, number: int = NUMBER, base: str | None = None
    ) -> bytes:
        content = self.lister.content({INDEX: value}, number, at)
        return self.lister.sign(replace(content, uri=f"{base or self.origin + '/status/'}{number}"))[0]

    def publish_list(self, value: int = 0, at: datetime = NOW, number: int = NUMBER) -> None:
        self.lists[number] = (self.token(value, at, number), b"")

    def code(self, record: Record | None = None, **how: Any) -> str:
        return scanned(record or food(), origin=self.origin, **how)

    def register(self) -> str:
        """The sample licence, known to the registry; the text of its code."""
        found = licence(food(), sign(food(), origin=self.origin), origin=self.origin)
        self.memory.licence = found
        return self.code()


@contextmanager
def offline_site(folder: Path, validator: Validator | None = None) -> Iterator[OfflineSite]:
    lister = Lister(
        make_authority(folder / "authority", NOW, agency=food().issuer_code, types=(food().type_code,))
    )
    lists: dict[int, tuple[bytes, bytes]] = {}
    memory = Memory(sample())
    made: list[OfflineSite] = []

    def make(port: int) -> Flask:
        return create_app(
            Settings(data=folder / "site", public_port=port),
            source=Source(
                memory, find_type, lambda: made[0].jws, Lists(lists, f"http://localhost:{port}"), Decided()
            ),
            clock=lambda: made[0].now if made else NOW,
            catch_all=False,
            validator=validator,
        )

    with serve(make) as served:
        made.append(OfflineSite(served, lister, lists, memory))
        made[0].publish_trust()
        made[0].publish_list()
        yield made[0]
        served.app.extensions["site"].store.close()


@contextmanager
def device(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """A phone of 360 px with a clock that stands still at NOW; its scripts must not fail, and ask nobody but the site."""
    phone = {"viewport": {"width": 360, "height": 740}, "locale": "en-GB", "timezone_id": "Asia/Shanghai"}
    context = browser.new_context(**phone | options)
    context.clock.set_fixed_time(NOW)
    wrong: list[str] = []
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    context.on(
        "request",
        lambda asked: (
            None if "//localhost:" in asked.url or asked.url.startswith("data:") else wrong.append(asked.url)
        ),
    )
    yield context
    context.close()
    assert wrong == [], wrong


def visit(context: BrowserContext, site: OfflineSite, path: str = "/") -> Page:
    """The one visit that makes a device ready."""
    page = context.new_page()
    page.goto(site.origin + path)
    until(page, READY)
    return page


def opened(page: Page, text: str) -> None:
    page.goto("about:blank")
    page.goto(text)
    expect(page.locator("#verdict[data-checked]")).to_be_visible()


def said(page: Page) -> tuple[str | None, str | None, list[str]]:
    """Verdict, tone, results of the three checks."""
    region = page.locator("#verdict")
    results = page.locator(".checks li").evaluate_all("all => all.map(one => one.dataset.result)")
    return region.get_attribute("data-verdict"), region.get_attribute("data-tone"), results


def kept(page: Page) -> str:
    """Everything that the site keeps on the device, as text."""
    return str(
        page.evaluate(
            """async () => {
              const found = [location.href, JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie];
              for (const { name } of await indexedDB.databases()) found.push(name);
              for (const name of await caches.keys()) {
                const cache = await caches.open(name);
                for (const request of await cache.keys()) {
                  found.push(name, request.url, await (await cache.match(request)).text());
                }
              }
              return found.join("\\n");
            }"""
        )
    )
