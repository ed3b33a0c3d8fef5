"""docs/legal-force.md claims nothing that no test shows, and leaves no norm out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "legal-force.md").read_text(encoding="utf-8")
STATES = ("met", "partly", "not yet")
NORMS = [
    "Art. 5-6", "Art. 13 (1)", "Art. 13 (2)", "Art. 13 (3)", "Art. 13 (4)", "Art. 14", "Art. 15", "Art. 16-20",
    "Anhui Measures, Art. 5-10, 14", "Anhui Measures, Art. 11", "Anhui Measures, Art. 12", "Anhui Measures, Art. 13",
    "Order 716, Art. 7", "Order 716, Art. 8, 11", "Order 716, Art. 9", "Order 716, Art. 10", "Order 716, Art. 12",
    "Administrative Licensing Law, Art. 8, 69, 70", "Administrative Licensing Law, Art. 32",
    "Administrative Licensing Law, Art. 38", "Administrative Licensing Law, Art. 42",
    "Administrative Licensing Law, Art. 44", "Administrative Licensing Law, Art. 45",
    "Administrative Licensing Law, Art. 82", "Civil Code, Art. 201-203", "国办发〔2019〕51号",
    "Personal Information Protection Law",
    "GB/T 36901", "GB/T 36902", "GB/T 36903", "GB/T 36904", "GB/T 36905", "GB/T 36906",
    "GB/T 38540", "GM/T 0031", "GB/T 33481", "GB/T 33190", "GM/T 0099", "GM/T 0047", "GB/T 35275",
    "National platform's series on unified e-seals", "SM2", "SM3", "SM4", "TLCP", "国发〔1999〕25号", "GB 32100", "GB 11714", "GB 11643", "GB/T 2260", "GB/T 17710", "GB/T 18284", "GB/T 27766",
    "DA/T 85", "GB/T 42727", "DA/T 70", "DA/T 46", "GB/T 18894", "Archives Order No. 8", "GB/T 39046", "GB/T 39786",
    "level protection",
]  # fmt: skip


def rows() -> list[list[str]]:
    """Provision, what it asks, state, by what, tests, missing."""
    cells = [line.strip("|").split("|") for line in TEXT.splitlines() if line.startswith("|")]
    return [
        [cell.strip() for cell in row]
        for row in cells
        if row[0].strip() not in ("provision", "norm") and not row[0].startswith("---")
    ]


def named_tests(row: list[str]) -> list[str]:
    return re.findall(r"tests/[\w/]+\.py", row[4])


def test_every_row_has_its_six_cells_and_a_known_state() -> None:
    assert len(rows()) > 30
    for row in rows():
        assert len(row) == 6, row[0]
        assert row[2] in STATES, row[0]


def test_every_test_named_exists() -> None:
    missing = {name for row in rows() for name in named_tests(row) if not (ROOT / name).exists()}
    assert missing == set()


def test_what_is_met_names_a_test_and_lacks_nothing() -> None:
    for row in rows():
        if row[2] == "met":
            assert named_tests(row), row[0]
            assert not row[5], row[0]
        if row[2] == "not yet":
            assert not named_tests(row), row[0]
            assert row[5] or not row[3], row[0]


@pytest.mark.parametrize("norm", NORMS)
def test_no_norm_is_left_out(norm: str) -> None:
    assert any(norm in row[0] or norm in row[5] for row in rows())
