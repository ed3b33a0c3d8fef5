"""What a visitor's browser is sent: pages, and what makes the device ready to check without a network."""

from __future__ import annotations

import shutil

from playwright.sync_api import Page, Request, sync_playwright

from bench.checks import folder_for_another_user, issue_one, site_settings
from bench.row import Row
from registry.cli.run import started


def run() -> list[Row]:
    """page.kb: the heavier of result and scan page, as it comes over the line with scripts and styles, and
    without the reader of codes. page.offline_kb: what is fetched beside it to check without a network.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("chromium is needed (Debian package chromium)")
    with folder_for_another_user() as folder:
        settings = site_settings(folder)
        with started(settings) as site, sync_playwright() as playwright:
            link = issue_one(settings, site).link
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            weights = []
            for address in (link, f"http://localhost:{settings.public_port}/scan"):
                context = browser.new_context()  # a first visit: nothing is at hand
                weights.append(_weigh(context.new_page(), address))
                context.close()
            browser.close()
    pages, beside = zip(*weights, strict=True)
    return [Row("page.kb", max(pages) / 1000, "kB"), Row("page.offline_kb", max(beside) / 1000, "kB")]


def _weigh(page: Page, address: str) -> tuple[int, int]:
    """Octets of headers and bodies that were asked for until the page was loaded, and after that."""
    finished: list[Request] = []
    page.context.on("requestfinished", lambda request: finished.append(request))  # noqa: PLW0108 (it takes no builtin)
    page.goto(address)
    loaded = page.evaluate(
        "performance.timeOrigin + performance.getEntriesByType('navigation')[0].loadEventStart"
    )
    page.evaluate(
        """async () => {
          await navigator.serviceWorker.ready;
          for (let tries = 0; tries < 200; tries += 1) {
            const state = await (await caches.open("vermilion-lists")).match("/offline/state");
            if (state && (await state.json()).askedAt) return;
            await new Promise((done) => setTimeout(done, 50));
          }
          throw new Error("the device never came to be ready");
        }"""
    )
    own = sum(_size(request) for request in finished if request.timing["startTime"] < loaded)
    return own, sum(_size(request) for request in finished) - own


def _size(request: Request) -> int:
    sizes = request.sizes()
    return sizes["responseBodySize"] + sizes["responseHeadersSize"]
