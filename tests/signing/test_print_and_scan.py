"""A printed code is read after scanning; `make scans` gives the figures."""

from __future__ import annotations

from PIL import Image, ImageFilter

from tests.signing.print_and_scan import Wear, pages, paper, reads, scanned, trials

UNWORN = Wear(shift=(0, 0), scale=1, tilt=0, blur=0, contrast=1, jpeg=90, seal=None)


def test_at_150_dots_an_inch_99_of_100_are_read() -> None:
    found = list(trials(150, 8, among=2))
    assert sum(found) / len(found) >= 0.99


def test_what_cannot_be_read_is_not_counted_as_read() -> None:
    assert reads(0, scanned(0, 150, UNWORN))
    assert not reads(0, scanned(0, 150, UNWORN).filter(ImageFilter.GaussianBlur(6)))
    assert not reads(0, Image.new("RGB", (300, 300), "white"))
    assert paper(0).text != paper(1).text
    assert not reads(1, scanned(0, 150, UNWORN))


def test_every_page_with_a_code_has_its_turn() -> None:
    assert len(pages()) == 16
    assert {number for number, _ in pages()} == set(range(14))
    assert reads(pages().index((6, 1)), scanned(pages().index((6, 1)), 200, UNWORN))
