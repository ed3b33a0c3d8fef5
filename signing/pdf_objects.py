"""Writing a graph of PDF objects as the body of a file, in the one form that the strict check reads.

Objects are numbered in the order in which they are reached, so one graph gives one sequence of bytes. Some
are only named: slots, whose numbers follow all others and whose bytes somebody else writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import pikepdf
from pikepdf import Name, Pdf

from keys.errors import Kind, VermilionError

HEADER = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"

_SLOT = "/VermilionSlot"
_DELIMITERS = frozenset(b"()<>[]{}/%#")


@dataclass(frozen=True, slots=True)
class Body:
    """A file from its header to the last object written, and where each object begins."""

    data: bytes
    offsets: tuple[int, ...]  # of objects 1, 2, …
    root: int  # the catalogue's number
    slots: dict[str, int]  # numbers of the objects that are still to be written


def slot(pdf: Pdf, name: str) -> pikepdf.Object:
    """An object that is only named: `write_body` gives it a number and no bytes."""
    return pdf.make_indirect(pikepdf.Dictionary({_SLOT: Name(f"/{name}")}))


def write_body(pdf: Pdf, slots: Sequence[str]) -> Body:
    """Everything that the catalogue leads to; `slots` in the order of their numbers, reached or not."""
    return _Writer(slots).write(pdf.Root)


class _Writer:
    def __init__(self, slots: Sequence[str]) -> None:
        self._waiting: list[pikepdf.Object] = []
        self._numbers: dict[tuple[int, int], int] = {}
        self._slots = slots
        self._holes: list[tuple[int, str]] = []

    def write(self, root: pikepdf.Object) -> Body:
        parts: list[bytes | str] = []  # a slot's name stands for its number until that is known
        starts: list[int] = []
        self._parts = parts
        self._number(root)
        for obj in self._waiting:  # grows while it is walked
            starts.append(len(parts))
            parts.append(b"%d 0 obj\n" % (len(starts)))
            self._object(obj)
            parts.append(b"\nendobj\n")
        numbers = {name: len(starts) + at for at, name in enumerate(self._slots, 1)}
        data = bytearray(HEADER)
        offsets = []
        waiting = iter([*starts, None])
        following = next(waiting)
        for at, part in enumerate(parts):
            if at == following:
                offsets.append(len(data))
                following = next(waiting)
            data += b"%d 0 R" % numbers[part] if isinstance(part, str) else part
        return Body(bytes(data), tuple(offsets), 1, numbers)

    def _number(self, obj: pikepdf.Object) -> int:
        number = self._numbers.get(obj.objgen)
        if number is None:
            self._waiting.append(obj)
            number = self._numbers[obj.objgen] = len(self._waiting)
        return number

    def _object(self, obj: object) -> None:
        if isinstance(obj, pikepdf.Stream):
            data = obj.read_raw_bytes()
            entries = {key: value for key, value in obj.items() if key != "/Length"}
            self._dictionary({**entries, "/Length": len(data)})
            self._parts += [b"\nstream\n", data, b"\nendstream"]
        else:
            self._direct(obj)

    def _value(self, value: object) -> None:
        if isinstance(value, pikepdf.Object) and value.is_indirect:
            if isinstance(value, pikepdf.Dictionary) and _SLOT in value:
                self._parts.append(str(value[_SLOT])[1:])
            else:
                self._parts.append(b"%d 0 R" % self._number(value))
        else:
            self._direct(value)

    def _direct(self, value: object) -> None:
        match value:
            case pikepdf.Dictionary():
                self._dictionary(dict(value.items()))
            case pikepdf.Array():
                self._parts.append(b"[")
                for item in value:
                    self._value(item)
                    self._parts.append(b" ")
                self._parts.append(b"]")
            case _:
                self._parts.append(scalar(value))

    def _dictionary(self, entries: dict[str, object]) -> None:
        self._parts.append(b"<<")
        for key in sorted(entries):
            if entries[key] is not None:
                self._parts += [name(key[1:]), b" "]
                self._value(entries[key])
        self._parts.append(b">>")


def scalar(value: object) -> bytes:
    """A name, string, number, truth value or null as it is written."""
    match value:
        case None:
            return b"null"
        case bool():
            return b"true" if value else b"false"
        case int():
            return b"%d" % value
        case float() | Decimal():
            return number(float(value))
        case pikepdf.Name():
            return name(str(value)[1:])
        case pikepdf.String():
            return b"<" + bytes(value).hex().encode("ascii") + b">"
    raise VermilionError(Kind.INVALID, "a PDF object is of a kind that is not written", reason="drawing")


def name(text: str) -> bytes:
    """A name with its solidus; what is not printable, or a delimiter, is escaped."""
    return b"/" + b"".join(
        bytes((byte,)) if 0x21 <= byte <= 0x7E and byte not in _DELIMITERS else b"#%02X" % byte
        for byte in text.encode("utf-8")
    )


@lru_cache(maxsize=4096)  # the places and sizes of a few faces
def number(value: float) -> bytes:
    """A number to a ten-thousandth, without needless digits."""
    return f"{value:.4f}".rstrip("0").rstrip(".").encode("ascii") if value % 1 else b"%d" % value
