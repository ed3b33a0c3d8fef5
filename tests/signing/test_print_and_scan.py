"""A printed code is read after scanning; `make scans` gives the figures."""

from __future__ import annotations

from PIL import Image, ImageFilter

from tests.signing.print_and_scan import Wear, code_on, reads, scanned, trials


def test_at_150_dots_an_inch_99_of_100_are_read() -> None:
    found = list(trials(150, 40, samples=2))
    assert sum(found) / len(found) >= 0.99


def test_what_cannot_be_read_is_not_counted_as_read() -> None:
    unworn = Wear(shift=(0, 0), scale=1, tilt=0, blur=0, contrast=1, jpeg=90, seal=None)
    assert reads(0, scanned(0, 150, unworn))
    assert not reads(0, scanned(0, 150, unworn).filter(ImageFilter.GaussianBlur(6)))
    assert not reads(0, Image.new("RGB", (300, 300), "white"))
    assert code_on(0)[1] != code_on(1)[1]
    assert not reads(1, scanned(0, 150, unworn))
