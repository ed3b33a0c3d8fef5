"""An installed page asks the browser not to throw away what it needs without a network; a page visited does not ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.offline_site import OfflineSite, device, offline_site, until, visit

WATCH = """
  window.asked = 0;
  const plain = window.matchMedia.bind(window);
  window.matchMedia = (query) => query.includes("display-mode") ? { matches: query.includes(MODE) } : plain(query);
  if (navigator.storage) {  // of a secure context
    navigator.storage.persisted = async () => LASTING;
    navigator.storage.persist = async () => { window.asked += 1; return false; };
  }
"""
PREPARED = """
  const { prepared } = await import(document.querySelector('script[src$="app.js"]').src);
  await prepared;
  return true;
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineSite]:
    with offline_site(tmp_path_factory.mktemp("site")) as made:
        yield made


@pytest.mark.parametrize(
    ("mode", "lasting", "asked"), [("browser", False, 0), ("standalone", False, 1), ("standalone", True, 0)]
)
def test_only_an_installed_page_asks(
    site: OfflineSite, browser: Browser, mode: str, lasting: bool, asked: int
) -> None:
    """Until it was granted. What it is told changes nothing: the device is as ready as before."""
    with device(browser) as context:
        context.add_init_script(WATCH.replace("MODE", f'"{mode}"').replace("LASTING", str(lasting).lower()))
        page = visit(context, site)
        for path in ("/", "/scan"):
            page.goto(site.origin + path)
            until(page, PREPARED)
            assert page.evaluate("window.asked") == asked
