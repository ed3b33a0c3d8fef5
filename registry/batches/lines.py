"""The lines of a batch as they come: NDJSON or CSV (RFC 4180), bounded, none of them trusted.

A line that cannot be read is a fault of that line, and the next one is read all the same.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from keys.canonical import strict_json
from keys.errors import Fault, Kind, VermilionError
from registry.licences.forms import MAX_REQUEST, IssueBody
from registry.web import MAX_DEPTH
from signing.record import LIST_JOIN

NDJSON, CSV = "application/x-ndjson", "text/csv"
MEMBERS = frozenset(IssueBody.model_fields) - {"fields"}
REQUIRED = frozenset(name for name in MEMBERS if IssueBody.model_fields[name].is_required())
LISTS = frozenset({"co_seals"})
MAX_COLUMNS = 200
_FIELD = re.compile(r"fields\.([a-z][a-z0-9_]{0,39})(\[\])?")
_BOM = b"\xef\xbb\xbf"

csv.field_size_limit(MAX_REQUEST)  # a photo in base64


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its JSON value, or with what is wrong with it."""

    number: int  # of the file, from 1; a CSV record's is that of the line it begins on
    value: object
    fault: Fault | None = None


def read_lines(media_type: str, chunks: Iterable[bytes]) -> Iterator[Line]:
    """The lines of a body that is NDJSON or CSV. Empty ones count and are left out.

    Raises VermilionError(INVALID, MALFORMED) for a CSV header that is not right: then no line could be.
    """
    lines = bounded_lines(chunks, MAX_REQUEST)
    return _ndjson(lines) if media_type == NDJSON else _csv(lines)


def bounded_lines(chunks: Iterable[bytes], limit: int) -> Iterator[bytes | None]:
    """Each line without its line feed; None for one of more than `limit` bytes, which is never kept."""
    rest, too_long = b"", False
    for chunk in chunks:
        *ended, begun = chunk.split(b"\n")
        for piece in ended:
            line = rest + piece
            yield None if too_long or len(line) > limit else line
            rest, too_long = b"", False
        rest += begun
        if len(rest) > limit:
            rest, too_long = b"", True
    if rest or too_long:
        yield None if too_long else rest


def _ndjson(lines: Iterator[bytes | None]) -> Iterator[Line]:
    for number, data in enumerate(lines, 1):
        if data is None:
            yield Line(number, None, _too_large())
        elif data.strip():
            try:
                yield Line(number, strict_json(data, max_bytes=MAX_REQUEST, max_depth=MAX_DEPTH))
            except VermilionError as error:
                yield Line(number, None, Fault("", error.reason, error.detail))


# --- CSV -----------------------------------------------------------------------------------------------


class _Unreadable(Exception):  # noqa: N818  (it becomes a fault of its line)
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


class _Text:
    """The lines as text for the csv module, counted, a record's bytes bounded."""

    def __init__(self, lines: Iterator[bytes | None]) -> None:
        self._lines = lines
        self._left = 0
        self.number = 0

    def begin(self) -> None:
        """A record begins."""
        self._left = MAX_REQUEST

    def __iter__(self) -> _Text:
        return self

    def __next__(self) -> str:
        data = next(self._lines)
        self.number += 1
        self._left -= MAX_REQUEST if data is None else len(data)
        if data is None or self._left < 0:
            raise _Unreadable(_too_large())
        if self.number == 1:
            data = data.removeprefix(_BOM)
        try:
            return data.decode("utf-8") + "\n"
        except UnicodeDecodeError:
            raise _Unreadable(Fault("", Kind.MALFORMED.value, "not UTF-8")) from None


@dataclass(frozen=True, slots=True)
class _Column:
    member: str  # of the request, or of its `fields`
    is_field: bool
    is_list: bool


def _csv(lines: Iterator[bytes | None]) -> Iterator[Line]:
    source = _Text(lines)
    columns: tuple[_Column, ...] | None = None
    while True:
        source.begin()
        begun = source.number + 1
        try:
            cells = next(csv.reader(source, strict=True))
        except StopIteration:
            return
        except (csv.Error, _Unreadable) as error:
            fault = error.fault if isinstance(error, _Unreadable) else _not_csv()
            if columns is None:
                raise VermilionError(Kind.MALFORMED, f"the header cannot be read: {fault.detail}") from None
            if source.number > begun:  # within quotes: nobody can say where the next record begins
                yield Line(begun, None, _open_quotes())
                return
            yield Line(begun, None, fault)
            continue
        if columns is None:
            columns = _header(cells)
        elif cells:
            yield _record(begun, columns, cells)


def _header(cells: list[str]) -> tuple[_Column, ...]:
    """What is in which column. Names that are not known are not repeated: a file without a header begins
    with somebody's licence.
    """
    if not 1 <= len(cells) <= MAX_COLUMNS:
        raise VermilionError(Kind.INVALID, f"a header has 1 to {MAX_COLUMNS} columns", reason="header")
    columns: list[_Column] = []
    faults: list[Fault] = []
    for number, name in enumerate(cells, 1):
        field = _FIELD.fullmatch(name)
        if field is None and name not in MEMBERS:
            words = "neither a member of a request nor fields.<name>, or fields.<name>[] for a list"
            faults.append(Fault(f"column {number}", "unknown", words))
            continue
        is_list = bool(field[2]) if field else name in LISTS
        column = _Column(field[1] if field else name, field is not None, is_list)
        if any((c.member, c.is_field) == (column.member, column.is_field) for c in columns):
            faults.append(Fault(f"column {number}", "repeated", "an earlier column has this name"))
        columns.append(column)
    named = {column.member for column in columns if not column.is_field}
    faults += [Fault(f"/{name}", "missing", "the header lacks it") for name in sorted(REQUIRED - named)]
    if faults:
        detail = "the first line names the columns, and these are not right"
        raise VermilionError(Kind.INVALID, detail, reason="header", faults=tuple(faults[:20]))
    return tuple(columns)


def _record(number: int, columns: tuple[_Column, ...], cells: list[str]) -> Line:
    """An empty cell is a member left out."""
    if len(cells) != len(columns):
        return Line(number, None, Fault("", "columns", "it has not as many cells as the header"))
    fields: dict[str, Any] = {}
    value: dict[str, Any] = {"fields": fields}
    for column, cell in zip(columns, cells, strict=True):
        if cell:
            into = fields if column.is_field else value
            into[column.member] = cell.split(LIST_JOIN) if column.is_list else cell
    return Line(number, value)


def _too_large() -> Fault:
    return Fault("", Kind.TOO_LARGE.value, f"more than {MAX_REQUEST} bytes")


def _not_csv() -> Fault:
    return Fault("", Kind.MALFORMED.value, "not CSV: a quote stands where none may, or a line has a lone CR")


def _open_quotes() -> Fault:
    return Fault(
        "", Kind.MALFORMED.value, "its quotes do not end as they should: nothing behind it could be read"
    )
