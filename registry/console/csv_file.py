"""Tables as files that a spreadsheet opens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flask import Response

from registry.csv_text import csv_text


def csv_answer(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """A file of this name."""
    response = Response(csv_text(header, rows), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
