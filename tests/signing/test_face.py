"""A face is data, and refused when it could not be printed rightly."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from keys.errors import VermilionError
from registry.samples import sample_types
from signing.face import Box, load_face
from signing.seal_picture import DIAMETER_MM, SealKind
from signing.text_layout import break_lines, fit
from tests.signing import printing

FOOD, TEACHER = sample_types()


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        (FOOD, "version = 1", "version = 1\nlanguage = 1"),
        (FOOD, "width = 297", "width = 200"),
        (FOOD, "width = 297", "width = -1"),
        (FOOD, "x = 213, y = 86, size = 50", "x = 250, y = 86, size = 50"),
        (FOOD, "x = 213, y = 86, size = 50", "x = 213, y = 86, size = 10"),
        (FOOD, "x = 213, y = 86, size = 50", "x = 90, y = 86, size = 50"),  # over the values
        (FOOD, "y = 56.5", "y = 70"),  # the seal meets the QR code
        (FOOD, "y = 56.5", "y = 62.6"),  # the seal comes within 4 modules of it
        (FOOD, "diameter = 45", "diameter = 450"),
        (FOOD, 'kind = "waves"', 'kind = "script"'),
        (FOOD, 'source = "premises"', 'source = "premise"'),
        (FOOD, 'source = "premises"', 'source = "domicile"'),
        (FOOD, 'source = "lookup_code"', 'source = "verify_host"'),
        (FOOD, 'align = "justify"', 'align = "wild"'),
        (FOOD, 'colour = "#143d32"', 'colour = "green"'),
        (FOOD, "min_size = 8", "min_size = 80"),
        (FOOD, "qr = {", "photo = { x = 1, y = 1, width = 3, height = 4 }\nqr = {"),
        (TEACHER, "photo = { x = 30, y = 113, width = 35, height = 45 }\n", ""),
        (TEACHER, "photo = { x = 30, y = 113", "photo = { x = 30, y = 60"),
        (TEACHER, "[[seal]]\nx = 226\ny = 60\ndiameter = 45\n", ""),
    ],
)
def test_what_breaks_a_rule_is_refused(tmp_path: Path, source: Path, old: str, new: str) -> None:
    folder = tmp_path / source.name
    shutil.copytree(source, folder)
    text = (folder / "face.toml").read_text("utf-8")
    assert old in text
    load_face(folder)
    (folder / "face.toml").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(VermilionError):
        load_face(folder)


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
