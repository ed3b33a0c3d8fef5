"""What a seal has sealed, as rows: nothing in them is a formula for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.cli.seal_records import cell, write_rows

FORMULAE = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\n=1", '=HYPERLINK("http://x";"y")']


@pytest.mark.parametrize("text", FORMULAE)
def test_a_formula_becomes_text(text: str) -> None:
    assert cell(text) == f"'{text}"


@given(st.text(max_size=40))
def test_no_cell_begins_like_a_formula_and_none_is_lost(text: str) -> None:
    shown = cell(text)
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert shown.removeprefix("'") == text.removeprefix("'") or shown == text


def test_rows_as_csv_and_as_lines_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "client_name": "=cmd|' /C calc'!A0", "licence": None, "number": 3},
        {"id": "b", "client_name": '样本, "系统"', "licence": "1.2.156", "number": -4},
    ]
    write_rows(iter(rows), ("id", "client_name", "licence", "number"), "csv")
    told = capsys.readouterr().out
    assert list(csv.reader(io.StringIO(told, newline=""))) == [
        ["id", "client_name", "licence", "number"],
        ["a", "'=cmd|' /C calc'!A0", "", "3"],
        ["b", '样本, "系统"', "1.2.156", "'-4"],
    ]
    write_rows(iter(rows), ("id",), "json")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == rows
