"""Printing and scanning, simulated: a licence's code as a scanner hands it on, read by zxing-cpp.

`python -m tests.signing.print_and_scan` measures 2,000 scans at each resolution (`make scans`).
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from random import Random

import zxingcpp
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

from tests.signing import printing

SEED = 20261120
RESOLUTIONS = (100, 150, 200)
INK = (219, 38, 51)  # what red seal paste lets through of white; on black toner it stays black
MARGIN = 0.5  # of the code's side, kept around it


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


@cache
def code_on(number: int) -> tuple[Image.Image, str]:
    """The code of a sample and some of the page around it, at 300 dots an inch, and the text it bears."""
    page = printing.raster(printing.document(number), 300)
    (found, *_) = zxingcpp.read_barcodes(page)
    corners = found.position.top_left, found.position.bottom_right
    left, top, right, bottom = (n for at in corners for n in (at.x, at.y))
    more = int((right - left) * MARGIN)
    return page.crop((left - more, top - more, right + more, bottom + more)), found.text


def scanned(number: int, dpi: int, wear: Wear) -> Image.Image:
    """The place of the code as it comes out of a scanner of that resolution."""
    sharp, _ = code_on(number)
    if wear.seal is not None:
        sharp = _sealed(sharp, *wear.seal)
    shrink = dpi / 300 * wear.scale
    size = int(sharp.width * shrink), int(sharp.height * shrink)
    dx, dy = (round(part / shrink) for part in wear.shift)  # of a pixel of the scan
    turned = sharp.rotate(wear.tilt, Image.Resampling.BILINEAR, fillcolor="white", translate=(dx, dy))
    image = turned.resize(size, Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(wear.blur))
    data = io.BytesIO()
    ImageEnhance.Contrast(image).enhance(wear.contrast).save(data, "JPEG", quality=wear.jpeg)
    return Image.open(data)


def _sealed(image: Image.Image, x: float, y: float, radius: float) -> Image.Image:
    side = image.width / (1 + 2 * MARGIN)
    middle = image.width / 2 + x * side, image.height / 2 + y * side
    ink = Image.new("RGB", image.size, "white")
    box = [at + sign * radius * side for sign in (-1, 1) for at in middle]
    ImageDraw.Draw(ink).ellipse(box, fill=INK)
    return ImageChops.multiply(image, ink)


def reads(number: int, image: Image.Image) -> bool:
    """Whether a reader that tries the red channel too, as the page's does, reads the very text."""
    _, text = code_on(number)
    for one in (image.convert("L"), image.getchannel(0)):
        found = [code.text for code in zxingcpp.read_barcodes(one)]
        if found:
            return found == [text]
    return False


def trials(dpi: int, count: int, samples: int | None = None) -> Iterator[bool]:
    """Whether each of `count` scans is read; each of the first `samples`, or of all, has its turn."""
    random = Random(f"{SEED} {dpi}")
    for place in range(count):
        number = place % (samples or len(printing.samples()))
        yield reads(number, scanned(number, dpi, Wear.drawn(random)))


def main(count: int = 2000) -> int:
    shares = {}
    for dpi in RESOLUTIONS:
        shares[dpi] = sum(trials(dpi, count)) / count
        print(f"{dpi} dpi: {shares[dpi]:.2%} of {count} scans read")
    return int(shares[150] < 0.99)


if __name__ == "__main__":
    sys.exit(main())
