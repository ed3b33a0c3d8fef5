"""A face is data, and refused when it could not be printed rightly."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from keys.errors import Kind, VermilionError
from registry.samples import sample_types
from signing.face import Box, load_face
from signing.seal_picture import DIAMETER_MM, SealKind
from signing.text_layout import break_lines, fit
from tests.signing import printing

FOOD, TEACHER = sample_types()


PHOTO = "photo = { x = 30, y = 113, width = 35, height = 45 }"
LOOKUP_CODE = """[[value]]
source = "lookup_code"
x = 48
y = 33.6
width = 40
height = 6
size = 11
min_size = 9
weight = "bold"
colour = "#1c2a25"
"""


@pytest.mark.parametrize(
    ("source", "old", "new", "why"),
    [
        (FOOD, "version = 1", "version = 1\nlanguage = 1", "language is not known here"),
        (FOOD, "width = 297", "width = 200", "licence_number leaves the page"),
        (FOOD, "width = 297", "width = -1", "width must be positive"),
        (FOOD, "width = 297", "width = 1201", "page is larger than A0"),
        (FOOD, "width = 297", "width = true", "width must be a number"),
        (FOOD, "angle = 27", "angle = nan", "angle must be a number"),
        (FOOD, "angle = 27", "angle = -inf", "angle must be a number"),
        (FOOD, "angle = 27", "angle = -1e6", "angle must be a number"),
        (FOOD, "x = 213, y = 86, size = 50", "x = 250, y = 86, size = 50", "qr leaves the page"),
        (FOOD, "x = 213, y = 86, size = 50", "x = 213, y = 86, size = 10", "qr is too small"),
        (FOOD, "x = 213, y = 86, size = 50", "x = 90, y = 86, size = 50", "credit_code overlaps the QR code"),
        (FOOD, "y = 56.5", "y = 70", "seal 1 overlaps the QR code"),
        (FOOD, "y = 56.5", "y = 62.6", "seal comes too near the QR code"),  # within 4 modules
        (FOOD, "diameter = 45", "diameter = 450", "seal 1 overlaps the QR code"),
        (FOOD, 'kind = "waves"', 'kind = "script"', "kind must be one of"),
        (FOOD, "period = 9", "period = 0.001", "period is too small"),
        (FOOD, "strands = 5", "strands = 13", "strands must lie between"),
        (FOOD, "spacing = 1.5", "spacing = 0.1", "spacing or period is too small"),
        (FOOD, "inner = 20", "inner = 62", "petals rings and radii"),
        (FOOD, 'source = "premises"', 'source = "premise"', "premise is placed twice, or is no field"),
        (FOOD, 'source = "premises"', 'source = "domicile"', "domicile is placed twice"),
        (FOOD, LOOKUP_CODE, "", "lookup_code has no place on the face"),
        (FOOD, 'align = "justify"', 'align = "wild"', "align must be one of"),
        (FOOD, 'colour = "#143d32"', 'colour = "green"', "colour must be a colour"),
        (FOOD, "min_size = 8", "min_size = 80", "min_size must not exceed size"),
        (FOOD, "size = 46", "size = 401", "size is larger than 400 points"),
        (FOOD, "qr = {", "photo = { x = 1, y = 1, width = 3, height = 4 }\nqr = {", "photo and a field"),
        (TEACHER, PHOTO, "", "photo and a field for it belong together"),
        (TEACHER, PHOTO, PHOTO.replace("113", "60"), "photo overlaps the QR code"),
        (TEACHER, "x = 226", "x = 280", "seal 1 leaves the page"),
        (TEACHER, "y = 60\n", "y = 10\n", "seal 1 leaves the page"),
        (TEACHER, "[[seal]]\nx = 226\ny = 60\ndiameter = 45\n", "", "seal is missing"),
    ],
)
def test_what_breaks_a_rule_is_refused(tmp_path: Path, source: Path, old: str, new: str, why: str) -> None:
    folder = tmp_path / source.name
    shutil.copytree(source, folder)
    text = (folder / "face.toml").read_text("utf-8")
    assert old in text
    load_face(folder)
    (folder / "face.toml").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(VermilionError) as refused:
        load_face(folder)
    assert refused.value.kind is Kind.INVALID
    assert why in refused.value.detail


def test_every_sample_seal_fits_its_place() -> None:
    for licence_type, face in printing.types().values():
        assert DIAMETER_MM[SealKind(licence_type.seal_kind)] <= face.seals[0].diameter


def test_the_distance_of_a_box_is_that_of_its_nearest_point() -> None:
    box = Box(10, 10, 20, 20)
    assert box.distance(15, 15) == 0
    assert box.distance(5, 15) == 5
    assert box.distance(7, 6) == 5


def em(text: str) -> float:
    return sum(0.5 if ord(char) < 0x2000 else 1.0 for char in text)


def test_lines_break_by_the_rules_of_chinese_setting() -> None:
    assert break_lines("一二三四五六七", 3, em) == ["一二三", "四五六", "七"]
    assert break_lines("一二三，四五", 3, em) == ["一二", "三，四", "五"]  # no comma heads a line
    assert break_lines("一二B1-23号", 3, em) == ["一二", "B1-23", "号"]  # a word stays whole
    assert break_lines("ABCDEFGH", 2, em) == ["ABCD", "EFGH"]  # unless it is longer than the line
    assert "".join(break_lines("样本，。（样本）" * 9, 4, em)) == "样本，。（样本）" * 9


def test_type_shrinks_until_it_fits_and_then_is_refused() -> None:
    face = next(iter(printing.types().values()))[1]
    place = replace(face.values[0], box=Box(0, 0, 40, 10), min_size=6, wrap=True, line_spacing=1.2)
    size, lines = fit("样" * 5, place, em)
    assert (size, len(lines)) == (place.style.size, 1)
    smaller, lines = fit("样" * 22, place, em)
    assert 6 <= smaller < size
    assert len(lines) >= 2
    with pytest.raises(VermilionError) as caught:
        fit("样" * 200, place, em)
    assert caught.value.reason == "overflow"
