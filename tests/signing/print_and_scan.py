"""Printing and scanning, simulated: whole pages of sealed licences as a scanner hands them on, read by zxing-cpp.

`python -m tests.signing.print_and_scan` measures 320 scans at each resolution (`make scans`).
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from random import Random

import zxingcpp
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

from signing.credential import qr_text
from tests.signing import long_term, printing

SEED = 20261120
RESOLUTIONS = (100, 150, 200)
INK = (219, 38, 51)  # what red seal paste lets through of white; on black toner it stays black
PRINTER = 300  # dots an inch


@dataclass(frozen=True)
class Wear:
    """What happens to one scan. Lengths in pixels of the scan, or of the code's side where it says so."""

    shift: tuple[float, float]  # where the scanner's grid lies
    scale: float
    tilt: float  # degrees
    blur: float  # Gaussian, standard deviation
    contrast: float
    jpeg: int
    seal: tuple[float, float, float] | None  # centre from the code's, and radius, in sides of the code

    @classmethod
    def drawn(cls, random: Random) -> Wear:
        seal = None
        if random.random() < 0.5:  # over a corner or an edge, by up to a third of the code
            seal = (
                random.choice((-1, 1)) * random.uniform(0.35, 0.6),
                random.choice((-1, 1)) * random.uniform(0.35, 0.6),
                random.uniform(0.25, 0.4),
            )
        return cls(
            shift=(random.random(), random.random()),
            scale=random.uniform(0.99, 1.01),
            tilt=random.uniform(-4, 4),
            blur=random.uniform(0.2, 0.7),
            contrast=random.uniform(0.6, 1.1),
            jpeg=random.randint(40, 90),
            seal=seal,
        )


@dataclass(frozen=True)
class Paper:
    """A sealed page as printed. `code` is the place of its code: left, top and side in dots; `text` what that says."""

    image: Image.Image
    code: tuple[float, float, float]
    text: str


@cache
def pages() -> tuple[tuple[int, int], ...]:
    """Number of a sample and of a page of it that bears a code."""
    return tuple((n, qr.page) for n, one in enumerate(printing.samples()) for qr in one.face.qr)


@lru_cache(maxsize=4)  # 26 MB each
def paper(place: int) -> Paper:
    """One of `pages`."""
    number, page = pages()[place]
    one = printing.samples()[number]
    (box,) = (qr.box for qr in one.face.qr if qr.page == page)
    dots, height = PRINTER / 25.4, one.face.pages[page].height
    return Paper(
        printing.raster(long_term.document(number).data, PRINTER, page),
        (box.x * dots, (height - box.y - box.height) * dots, box.width * dots),
        qr_text(one.printout.link, one.printout.credential),
    )


def scanned(place: int, dpi: int, wear: Wear) -> Image.Image:
    """The page as it comes out of a scanner of that resolution, white around it where it lay askew."""
    page = paper(place)
    sharp = page.image
    if wear.seal is not None:
        sharp = _sealed(sharp, page.code, *wear.seal)
    shrink = dpi / PRINTER * wear.scale
    dx, dy = (round(part / shrink) for part in wear.shift)  # of a pixel of the scan
    turned = sharp.rotate(
        wear.tilt, Image.Resampling.BILINEAR, expand=True, fillcolor="white", translate=(dx, dy)
    )
    size = int(turned.width * shrink), int(turned.height * shrink)
    image = turned.resize(size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(wear.blur))
    data = io.BytesIO()
    ImageEnhance.Contrast(image).enhance(wear.contrast).save(data, "JPEG", quality=wear.jpeg)
    return Image.open(data)


def _sealed(
    image: Image.Image, code: tuple[float, float, float], x: float, y: float, radius: float
) -> Image.Image:
    left, top, side = code
    middle = left + (x + 0.5) * side, top + (y + 0.5) * side
    ink = Image.new("RGB", image.size, "white")
    box = [at + sign * radius * side for sign in (-1, 1) for at in middle]
    ImageDraw.Draw(ink).ellipse(box, fill=INK)
    return ImageChops.multiply(image, ink)


def reads(place: int, image: Image.Image) -> bool:
    """Whether a reader that tries the red channel too, as the page's does, reads the very text, and nothing else."""
    for one in (image.convert("L"), image.getchannel(0)):
        found = [code.text for code in zxingcpp.read_barcodes(one)]
        if found:
            return found == [paper(place).text]
    return False


def trials(dpi: int, count: int, among: int | None = None) -> Iterator[bool]:
    """Whether each of `count` scans is read: as many of each of the first `among` pages, or of all, in their order."""
    random = Random(f"{SEED} {dpi}")
    among = among or len(pages())
    for turn in range(count):
        place = turn * among // count
        yield reads(place, scanned(place, dpi, Wear.drawn(random)))


def main(count: int = 320) -> int:
    shares = {}
    for dpi in RESOLUTIONS:
        read = sum(trials(dpi, count))
        shares[dpi] = read / count
        print(f"{dpi} dpi: {shares[dpi]:.2%}, {read} of {count} pages read", flush=True)
    return int(shares[150] < 0.99)


if __name__ == "__main__":
    sys.exit(main())
