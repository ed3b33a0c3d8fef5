"""The page that scans: by a camera that shows a printed licence of ours, and from photos; what it opens and what not."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from random import Random

import pytest
import qrcode
import zxingcpp
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from signing.credential import link_text
from signing.sentences import table
from signing.status_list import compress
from tests.browser.conftest import ARGUMENTS
from tests.browser.offline_site import (
    NOW,
    READY,
    OfflineSite,
    device,
    kept,
    offline_site,
    opened,
    said,
    until,
    visit,
)
from tests.signing import printing
from tests.signing.checking import LINK_ID, food, sign
from tests.tools import need
from verify_web.assets import ON_DEMAND, SCRIPT_WORDS, VERSION

WORDS = SCRIPT_WORDS["scan"]["en"]
VERDICTS = table()["verdicts"]
RED_INK = (230, 20, 30)


@cache
def paper(origin: str) -> Image.Image:
    """A page of a licence with a real code of that origin, 150 dots an inch."""
    sample = next(one for one in printing.samples() if one.printout.record.type_code == food().type_code)
    printout = replace(
        sample.printout, link=link_text(origin, LINK_ID), credential=sign(food(), origin=origin)
    )
    return printing.raster(printing.drawn(replace(sample, printout=printout)), 150)


def code_box(page: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the code on a page."""
    (found,) = zxingcpp.read_barcodes(page)
    corners = [found.position.top_left, found.position.bottom_right]
    return corners[0].x, corners[0].y, corners[1].x, corners[1].y


def around_the_code(page: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """What a camera shows that is held over the code: 1280 by 720, the code in two thirds of the height."""
    left, top, right, bottom = box
    height = int((bottom - top) * 1.5)
    width, x, y = height * 16 // 9, (left + right) // 2, (top + bottom) // 2
    return page.crop((x - width // 2, y - height // 2, x + width // 2, y + height // 2)).resize((1280, 720))


def sealed_over(page: Image.Image) -> Image.Image:
    """A red seal of thick ink over all of the code: nothing reads it by its brightness."""
    left, top, right, bottom = code_box(page)
    ink = Image.new("L", page.size, 0)
    radius, x, y = (right - left) * 0.7, (left + right) / 2, (top + bottom) / 2
    ImageDraw.Draw(ink).ellipse((x - radius, y - radius, x + radius, y + radius), fill=190)
    return Image.composite(Image.new("RGB", page.size, RED_INK), page, ink)


def jpeg(image: Image.Image, quality: int = 92) -> bytes:
    data = io.BytesIO()
    image.convert("RGB").save(data, "JPEG", quality=quality)
    return data.getvalue()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the camera shows; read when the camera starts."""
    return tmp_path_factory.mktemp("camera") / "film.mjpeg"


@pytest.fixture(scope="module")
def camera(film: Path) -> Iterator[Browser]:
    film.write_bytes(jpeg(Image.new("RGB", (1280, 720), "white")))
    more = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=need("chromium"), args=[*ARGUMENTS, *more])
        yield running
        running.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfflineSite]:
    with offline_site(tmp_path_factory.mktemp("site")) as made:
        yield made


def photo(page: Page, image: Image.Image | bytes) -> None:
    data = image if isinstance(image, bytes) else jpeg(image)
    chosen = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": data}
    page.locator("#photo").set_input_files(chosen)  # type: ignore[arg-type]


def asked(context: BrowserContext) -> list[str]:
    """Address and body of everything that is asked for from now on, by pages and by the service worker."""
    found: list[str] = []
    context.on("request", lambda one: found.append(f"{one.method} {one.url} {one.post_data or ''}"))
    return found


def test_a_camera_reads_a_printed_licence_and_the_live_page_answers(
    site: OfflineSite, camera: Browser, film: Path
) -> None:
    text = site.register()
    link, _, fragment = text.partition("#")
    shown = paper(site.origin)
    film.write_bytes(jpeg(around_the_code(shown, code_box(shown))))
    with device(camera) as context:
        sent = asked(context)
        page = visit(context, site, "/scan")
        assert not any(name in one for one in sent for name in ON_DEMAND)  # nobody scans yet
        page.keyboard.press("Tab")
        start = page.get_by_role("button", name="Start scanning")
        start.focus()
        page.keyboard.press("Enter")
        page.wait_for_url(link)
        expect(page.locator("#verdict[data-checked]")).to_be_visible()
        expect(page.locator("h1")).to_have_text(VERDICTS["valid"]["en"]["heading"])
        assert any("zxing_reader.wasm" in one for one in sent)
        # Pages, scripts and lists were asked for, by GET, and nothing else left: no picture, no code.
        assert all(one.startswith("GET ") and one.endswith(" ") for one in sent)
        for start_at in (0, 40, 200):
            assert fragment[start_at : start_at + 40] not in kept(page)
    received = "\n".join(site.served.seen)
    assert fragment[:40] not in received
    assert "POST" not in received


def test_without_a_network_the_page_scans_and_checks(site: OfflineSite, camera: Browser, film: Path) -> None:
    """The reader is kept from its first use on."""
    film.write_bytes(jpeg(Image.new("RGB", (1280, 720), "white")))
    with device(camera) as context:
        page = visit(context, site, "/scan")
        expect(page.locator("#ready")).to_have_attribute("data-ready", "yes")
        page.locator("#start").click()
        expect(page.locator("#said")).to_have_text(WORDS["looking"])
        until(page, "return Boolean(await caches.match(arg));", f"/static/{VERSION}/zxing_reader.wasm")
        page.locator("#stop").click()
        expect(page.locator("#start")).to_be_focused()
        shown = paper(site.origin)
        film.write_bytes(jpeg(around_the_code(sealed_over(shown), code_box(shown))))
        context.set_offline(True)
        page.goto("about:blank")
        page.goto(site.origin + "/")  # the start page cannot be had: the page that scans stands in
        page.locator("#start").click()
        page.wait_for_url("**/c/*")
        expect(page.locator("#verdict[data-checked]")).to_be_visible()
        assert said(page) == ("valid", "good", ["passed"] * 3)
        expect(page.locator("#ages")).to_be_visible()


def test_a_photo_of_the_whole_page_and_one_with_a_seal_over_the_code(
    site: OfflineSite, camera: Browser
) -> None:
    text = site.code()
    sealed = sealed_over(paper(site.origin))
    assert not zxingcpp.read_barcodes(sealed.convert("L"))  # which is why the red channel is looked at
    with device(camera) as context:
        page = visit(context, site, "/scan")
        for picture in (paper(site.origin).rotate(7, fillcolor="white", expand=True), sealed):
            page.goto(site.origin + "/scan")
            photo(page, picture)
            page.wait_for_url(text.partition("#")[0])
            expect(page.locator("#verdict[data-checked]")).to_be_visible()


def test_what_is_no_code_of_this_registry_is_not_opened(site: OfflineSite, camera: Browser) -> None:
    elsewhere = site.code().replace(site.origin, "http://licence.example")
    with device(camera) as context:
        sent = asked(context)
        page = visit(context, site, "/scan")
        spoken = page.locator("#said")
        assert spoken.get_attribute("role") == "status"
        photo(page, qrcode.make(elsewhere).get_image())
        expect(spoken).to_have_text(WORDS["foreign"].replace("{host}", "licence.example"))
        for text in ("https://evil.example/", "WIFI:S:x;;", "javascript:alert(1)//c/AAECAwQFBgcICQoLDA0ODw"):
            photo(page, qrcode.make(text).get_image())
            expect(spoken).to_have_text(WORDS["other"])
        photo(page, Image.new("RGB", (400, 300), "white"))
        expect(spoken).to_have_text(WORDS["nothing"])
        photo(page, b"this is no picture")
        expect(spoken).to_have_text(WORDS["unreadable"])
        photo(page, Image.new("L", (9000, 6000), 255))
        expect(spoken).to_have_text(WORDS["nothing"])
        assert page.url == site.origin + "/scan"
        assert not any(".example" in one for one in sent)


def test_lists_that_do_not_fit_are_told_and_not_guessed(camera: Browser, tmp_path: Path) -> None:
    """Nine lists that nothing makes smaller are more than a device keeps: the oldest one is left out."""
    with offline_site(tmp_path) as site, device(camera) as context:
        for number in range(9):
            packed = Random(number).randbytes(2**18)
            content = replace(site.lister.content({}, number), lst=compress(packed))
            jwt, _ = site.lister.sign(replace(content, uri=f"{site.origin}/status/{number}"))
            site.lists[number] = (jwt, b"")
        page = visit(context, site, "/scan")
        told = WORDS["left"].replace("{left}", "1").replace("{all}", "9")
        expect(page.locator("#left")).to_have_text(told)
        assert food().status_list == 0
        context.set_offline(True)
        opened(page, site.code())
        assert said(page)[0] == "genuine_offline"
        missing = table()["reasons"]["status_list_missing"]["en"]
        expect(page.locator("#check-status .reason")).to_have_text(missing)


def test_where_there_is_no_camera_or_it_is_not_allowed(site: OfflineSite, camera: Browser) -> None:
    for name, told in (("NotAllowedError", "denied"), ("NotFoundError", "no_camera")):
        with device(camera) as context:
            context.add_init_script(
                f"if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{name}'); }}"
            )
            page = context.new_page()
            page.goto(site.origin + "/scan")
            page.locator("#start").click()
            expect(page.locator("#said")).to_have_text(WORDS[told])
            expect(page.locator("#start")).to_be_visible()


def test_without_script_the_page_says_what_to_do_instead(site: OfflineSite, camera: Browser) -> None:
    with device(camera, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(site.origin + "/scan?lang=en")
        expect(page.get_by_text("Use your phone's own camera")).to_be_visible()
        expect(page.locator("#ready")).to_be_hidden()
        expect(page.locator("#scanner")).to_be_hidden()
        page.get_by_role("link", name="Type what is printed").click()
        expect(page.get_by_label("Look-up code")).to_be_visible()


def test_no_other_page_may_use_the_camera_or_compile(site: OfflineSite, camera: Browser) -> None:
    with device(camera) as context:
        page = context.new_page()
        for path, allowed in (("/scan", True), ("/", False), ("/offline", False)):
            page.goto(site.origin + path)
            found = page.evaluate(
                """async () => {
                  const empty = Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0]);
                  const tries = [() => navigator.mediaDevices.getUserMedia({ video: true }), () => WebAssembly.compile(empty)];
                  const came = await Promise.allSettled(tries.map((one) => one()));
                  return came.map(({ status }) => status === "fulfilled");
                }"""
            )
            assert found == [allowed, allowed], path


def test_a_root_that_is_new_is_taken_only_when_the_reader_says_so(camera: Browser, tmp_path: Path) -> None:
    with offline_site(tmp_path / "one") as site, device(camera) as context:
        text = site.code()
        page = visit(context, site, "/scan")
        with offline_site(tmp_path / "other") as other:
            lists = f"{site.origin}/status/"
            site.give_trust(other.publish_trust(origins=(site.origin,), status_lists=lists, sequence=99))
            site.lists[food().status_list] = (other.token(at=NOW + timedelta(hours=2), base=lists), b"")
            context.clock.set_fixed_time(NOW + timedelta(hours=2))
            page.reload()
            expect(page.locator("#trouble")).to_have_text(WORDS["root"])
            expect(page.locator("#ready")).to_have_attribute("data-ready", "yes")  # what it has holds on
            with page.expect_navigation():
                page.locator("#forget").click()
            until(page, READY)
            context.set_offline(True)
            opened(page, text)
            assert said(page)[0] == "valid"
