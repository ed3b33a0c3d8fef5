"""A strict reader of the one PDF shape our writers emit (ISO 32000-1, 7.3 and 7.5).

This is no general PDF parser: it accepts header, objects, one classical cross-reference table, one
trailer, and nothing between or after them, so that every byte of a file belongs to exactly one known
thing. Positions come from the cross-reference table and from parsing, never from searching for text.
Every way out for bad input is `VermilionError(INVALID)`; work is linear in the file's length.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import new as new_hash
from typing import Any, NoReturn

from keys.errors import Kind, VermilionError

MAX_BYTES = 8 * 1024 * 1024
MAX_OBJECTS = 5000
MAX_DEPTH = 24
MAX_TOKENS = 30_000  # values, and pieces of strings; our documents have some 600
MAX_LITERAL = 64 * 1024
MAX_REVISIONS = 19  # the sealed one, two further seals, and document time-stamps for decades


@dataclass(frozen=True, slots=True)
class Name:
    """A name without its solidus, #-escapes resolved."""

    text: str


@dataclass(frozen=True, slots=True)
class Ref:
    """An indirect reference of generation 0."""

    number: int


@dataclass(frozen=True, slots=True)
class Text:
    """A string: its bytes, and where it stands in the file, delimiters included."""

    value: bytes
    start: int
    end: int
    hexadecimal: bool


@dataclass(frozen=True, slots=True)
class Array:
    """An array and where it stands in the file, brackets included."""

    items: tuple[Value, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Dictionary:
    """A dictionary; keys without their solidus."""

    entries: dict[str, Value]

    def get(self, key: str) -> Value:
        """The value as written (a reference stays one); None when absent, as the standard has it."""
        return self.entries.get(key)


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream object: its dictionary and its bytes, still encoded."""

    entries: dict[str, Value]
    data: bytes

    def get(self, key: str) -> Value:
        return self.entries.get(key)


Value = None | bool | int | float | Name | Ref | Text | Array | Dictionary | Stream


@dataclass(frozen=True, slots=True)
class Pdf:
    """A parsed file: of one revision, or with those that were appended up to the end of `data`."""

    data: bytes
    trailer: Dictionary  # the first revision's
    objects: dict[int, Value]  # 1, 2, … without a gap, each as it was written last
    spans: dict[int, tuple[int, int]]  # where each object begins and ends in the file
    table: int  # where the newest cross-reference table begins
    beginning: Beginning | None = None  # of the file, judged before

    @property
    def known(self) -> Container[int]:
        """Objects that were judged before."""
        return () if self.beginning is None else self.beginning.objects

    def digest(self, name: str, start: int | None = None, end: int | None = None) -> bytes:
        """The digest of the file, without the bytes between `start` and `end` where these are given."""
        begun, view = self.beginning, memoryview(self.data)
        first = len(view) if start is None else start
        if begun is None or first < len(begun.data):
            state = new_hash(name, view[:first])
        else:
            state = begun.state(name)
            state.update(view[len(begun.data) : first])
        state.update(view[first if end is None else end :])
        return state.digest()

    def resolve(self, value: Value) -> Value:
        """The object a reference names (an object is never itself a reference), or the value itself."""
        return self.objects[value.number] if isinstance(value, Ref) else value

    def dictionary(self, value: Value, what: str) -> Dictionary:
        found = self.resolve(value)
        if not isinstance(found, Dictionary):
            refuse(f"{what} is not a dictionary")
        return found

    def array(self, value: Value, what: str) -> Array:
        found = self.resolve(value)
        if not isinstance(found, Array):
            refuse(f"{what} is not an array")
        return found


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the files of a writer begin with, read once."""

    data: bytes
    objects: dict[int, Value]
    spans: dict[int, tuple[int, int]]  # one behind the other, from the header on
    refs: frozenset[int]
    _states: dict[str, Any] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """Where the last of its objects ends; what follows in `data` is the beginning of another one."""
        return max(end for _, end in self.spans.values())

    def is_listed(self, offsets: Sequence[int]) -> bool:
        """Whether a table, which tells where objects 1, 2, … lie, has all of its objects in their places."""
        known = self.spans
        return len(offsets) >= max(known) and all(
            offsets[number - 1] == span[0] for number, span in known.items()
        )

    def state(self, name: str) -> Any:  # hashlib names no type of its own
        """The digest of `data`, to be continued by the caller."""
        if name not in self._states:
            self._states[name] = new_hash(name, self.data)
        return self._states[name].copy()


class Beginnings:
    """Beginnings that many files share, parsed once: the same bytes at the same place are the same objects.

    For whoever checks many files of the same writer. Safe between threads.
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._found: dict[bytes, Beginning | None] = {}

    def expect(self, data: bytes) -> None:
        """Files will begin so; the next one that is accepted tells what the objects are."""
        if data not in self._found:
            if len(self._found) >= self._most:
                del self._found[next(iter(self._found))]
            self._found[data] = None

    def of(self, data: bytes) -> Beginning | None:
        """The longest one that a file begins with, if its objects are known."""
        fitting = [one for one in list(self._found.values()) if one is not None and data.startswith(one.data)]
        return max(fitting, key=lambda one: len(one.data), default=None)

    def learn(self, pdf: Pdf) -> None:
        """Take the objects from a file that was accepted whole."""
        for data, found in list(self._found.items()):
            if found is None and pdf.data.startswith(data):
                spans = {n: span for n, span in pdf.spans.items() if span[1] <= len(data)}
                objects = {number: pdf.objects[number] for number in spans}
                refs = frozenset(number for value in objects.values() for number in _refs(value))
                self._found[data] = Beginning(data, objects, spans, refs)


def _refs(value: Value) -> Iterator[int]:
    waiting: list[Value] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Ref):
            yield one.number
        elif isinstance(one, Array):
            waiting.extend(one.items)
        elif isinstance(one, Dictionary | Stream):
            waiting.extend(one.entries.values())


def refuse(detail: str, reason: str = "structure") -> NoReturn:
    """Raise the one error of a file that is not of our shape. `detail` quotes nothing from the file."""
    raise VermilionError(Kind.INVALID, detail, reason=reason)


_HEADER = re.compile(rb"%PDF-1\.[4-7]\n%[\x80-\xff]{4,8}\n")
_TAIL = re.compile(rb"\nstartxref\n([1-9][0-9]{0,7})\n%%EOF\n")
_TAIL_LENGTHS = range(len("\nstartxref\n1\n%%EOF\n"), len("\nstartxref\n12345678\n%%EOF\n") + 1)
_XREF_HEAD = re.compile(rb"xref\n0 ([1-9][0-9]{0,4})\n")
_UPDATE_HEAD = re.compile(rb"xref\n[1-9][0-9]{0,4} 1\n([0-9]{10}) 00000 n \n")
_SUBSECTION = re.compile(rb"([1-9][0-9]{0,4}) ([1-9][0-9]{0,3})\n")
_XREF_FREE = b"0000000000 65535 f \n"
_XREF_ENTRIES = re.compile(rb"(?:[0-9]{10} 00000 n \n)*")
_XREF_ENTRY = re.compile(rb"([0-9]{10}) 00000 n \n")
_TRAILER_HEAD = b"trailer\n"
_OBJECT_END = b"endobj\n"
_STREAM_HEAD = re.compile(rb"stream\r?\n")
_STREAM_END = re.compile(rb"\r?\n?endstream")
_WHITE = b"\t\n\x0c\r "
_SPACE = re.compile(rb"[\t\n\x0c\r ]*")
_REF = re.compile(rb"([1-9][0-9]{0,4}) 0 R(?=[\t\n\x0c\r \[\]<>()/])")
_NUMBER = re.compile(rb"[+-]?(?:[0-9]{1,10}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?=[\t\n\x0c\r \[\]<>()/])")
_NAME = re.compile(rb"/((?:[!-\"$&'*-.0-;=?-Z\\^-z|~]|#[0-9A-Fa-f]{2}){1,127})(?=[\t\n\x0c\r \[\]<>()/])")
_ESCAPED_BYTE = re.compile(rb"#([0-9A-Fa-f]{2})")
_WORD = re.compile(rb"(true|false|null)(?=[\t\n\x0c\r \[\]<>()/])")
_LITERAL_RUN = re.compile(rb"[^()\\\r]+")
_OCTAL = re.compile(rb"[0-7]{1,3}")
_ESCAPES = {
    ord("n"): b"\n", ord("r"): b"\r", ord("t"): b"\t", ord("b"): b"\b", ord("f"): b"\x0c",
    ord("("): b"(", ord(")"): b")", ord("\\"): b"\\", ord("\n"): b"",
}  # fmt: skip


def read_pdf(data: bytes, beginnings: Beginnings | None = None) -> Pdf:
    """Parse a whole file, but for objects of a beginning that is known.

    Raises VermilionError(INVALID) with reason "too_large", "not_a_pdf" or "structure".
    """
    if len(data) > MAX_BYTES:
        refuse("the file is larger than any document of ours", "too_large")
    if not data.startswith(b"%PDF-"):
        refuse("the file does not begin as a PDF does", "not_a_pdf")
    header = _HEADER.match(data)
    if header is None:
        refuse("the header is not of our form")
    table, tail = _locate_table(data)
    offsets, trailer_at = _read_table(data, table)
    beginning = beginnings.of(data) if beginnings is not None else None
    reader = _Reader(data)
    trailer, end = reader.value(trailer_at, 0)
    if not isinstance(trailer, Dictionary) or end != tail:
        refuse("the trailer is not one dictionary up to the end of the file")
    _check_trailer(trailer, len(offsets))
    objects, spans = _read_objects(reader, offsets, header.end(), table, beginning)
    refs = reader.refs if beginning is None else reader.refs | beginning.refs
    if not refs <= objects.keys():
        refuse("a reference names no object")
    return Pdf(data, trailer, objects, spans, table, beginning)


def revision_ends(data: bytes) -> list[int]:
    """Where each revision ends, the first one's end first. An appended one begins with the object that its
    table names first, as ours do (`signing.document_time_stamp`), and lies behind the one before; whether it
    is one of ours is for others to judge. A file of another shape has one end.

    Raises VermilionError(INVALID, "structure") for more than MAX_REVISIONS.
    """
    ends = [len(data)]
    while len(data) <= MAX_BYTES:
        found = _find_table(data, ends[0])
        entry = None if found is None else _UPDATE_HEAD.match(data, found[0])
        if found is None or entry is None or int(entry.group(1)) >= found[0]:
            break
        if len(ends) == MAX_REVISIONS:
            refuse("the file has more revisions than any document of ours")
        ends.insert(0, int(entry.group(1)))
    return ends


def read_appended(before: Pdf, data: bytes) -> Pdf:
    """The file with one more revision: `data` begins with `before.data`, and its newest table lists objects
    behind that. Nothing is asked of the bytes between and after them: the caller compares the whole.

    Raises VermilionError(INVALID, "structure").
    """
    table, _tail = _locate_table(data)
    reader = _Reader(data)
    objects, spans = dict(before.objects), dict(before.spans)
    for number, offset in _read_update(data, table):
        if offset < len(before.data):
            refuse("an appended object lies in a revision before")
        objects[number], end = reader.indirect_object(offset, number)
        spans[number] = (offset, end)
    if not reader.refs <= objects.keys():
        refuse("a reference names no object")
    return Pdf(data, before.trailer, objects, spans, table, before.beginning)


def _locate_table(data: bytes) -> tuple[int, int]:
    """Where the cross-reference table and the end part begin. The file ends with its only %%EOF line."""
    found = _find_table(data, len(data))
    if found is None:
        refuse("the file does not end as ours do")
    if found[0] >= found[1]:
        refuse("the cross-reference table lies outside the file")
    return found


def _find_table(data: bytes, size: int) -> tuple[int, int] | None:
    for length in _TAIL_LENGTHS:
        start = size - length
        match = _TAIL.fullmatch(data, start, size) if start > 0 else None
        if match is not None:
            return int(match.group(1)), start
    return None


def _read_table(data: bytes, table: int) -> tuple[list[int], int]:
    """Offsets of objects 1, 2, … and the position of the trailer dictionary."""
    head = _XREF_HEAD.match(data, table)
    if head is None:
        refuse("there is no cross-reference table where the file says")
    count = int(head.group(1)) - 1
    if not 0 < count <= MAX_OBJECTS:
        refuse("the file has no objects, or too many")
    at = head.end()
    if data[at : at + 20] != _XREF_FREE:
        refuse("the cross-reference table does not begin with the free entry")
    at += 20
    end = at + 20 * count
    if _XREF_ENTRIES.fullmatch(data, at, end) is None:
        refuse("a cross-reference entry is not of our form")
    offsets = [int(data[entry : entry + 10]) for entry in range(at, end, 20)]
    at = end
    if data[at : at + len(_TRAILER_HEAD)] != _TRAILER_HEAD:
        refuse("no trailer follows the cross-reference table")
    return offsets, at + len(_TRAILER_HEAD)


def _read_update(data: bytes, table: int) -> Iterator[tuple[int, int]]:
    """Numbers and offsets of the objects that an appended table lists."""
    at, count = table + len(b"xref\n"), 0
    while data[at : at + len(_TRAILER_HEAD)] != _TRAILER_HEAD:
        head = _SUBSECTION.match(data, at)
        if head is None:
            refuse("an appended cross-reference table is not of our form")
        at = head.end()
        first, number = int(head.group(1)), int(head.group(2))
        count += number
        if count > MAX_OBJECTS:
            refuse("an appended revision has too many objects")
        for one in range(first, first + number):
            entry = _XREF_ENTRY.match(data, at)
            if entry is None:
                refuse("a cross-reference entry is not of our form")
            yield one, int(entry.group(1))
            at = entry.end()


def _check_trailer(trailer: Dictionary, count: int) -> None:
    # No /Prev, /XRefStm or /Encrypt: one revision, one table, no encryption.
    if not {"Size", "Root", "ID"} <= trailer.entries.keys() <= {"Size", "Root", "ID", "Info"}:
        refuse("the trailer has other keys than ours")
    if trailer.get("Size") != count + 1:
        refuse("the trailer states another number of objects")


def _read_objects(
    reader: _Reader, offsets: list[int], first: int, table: int, beginning: Beginning | None
) -> tuple[dict[int, Value], dict[int, tuple[int, int]]]:
    """Parse every object; together they fill the file from the header to the table without a gap."""
    objects: dict[int, Value] = {}
    spans: dict[int, tuple[int, int]] = {}
    expected = first
    if beginning is not None and beginning.spans:  # they follow one another from `first` on
        if not beginning.is_listed(offsets):
            refuse("an object is not where the cross-reference table says")
        objects, spans, expected = dict(beginning.objects), dict(beginning.spans), beginning.end
    for offset, number in sorted(
        (offset, number) for number, offset in enumerate(offsets, 1) if number not in spans
    ):
        if offset != expected:
            refuse("the objects do not follow one another without a gap")
        objects[number], expected = reader.indirect_object(offset, number)
        spans[number] = (offset, expected)
    if expected != table:
        refuse("the objects do not end where the cross-reference table begins")
    return objects, spans


@lru_cache(maxsize=1024)
def _name_of(written: bytes) -> Name:
    raw = _ESCAPED_BYTE.sub(lambda match: bytes([int(match.group(1), 16)]), written)
    return Name(raw.decode("latin-1"))


class _Reader:
    """A recursive-descent parser over one file; depth and tokens are bounded."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.refs: set[int] = set()
        self._tokens = 0

    def indirect_object(self, at: int, number: int) -> tuple[Value, int]:
        """The object that begins at `at` and must bear `number`; and where the next thing begins."""
        head = b"%d 0 obj\n" % number
        if self.data[at : at + len(head)] != head:
            refuse("an object is not where the cross-reference table says")
        value, at = self.value(at + len(head), 0)
        at = self._space(at)
        stream = _STREAM_HEAD.match(self.data, at)
        if stream is not None:
            value, at = self._stream(value, stream.end())
            at = self._space(at)
        if isinstance(value, Ref):
            refuse("an object is only a reference")
        if self.data[at : at + len(_OBJECT_END)] != _OBJECT_END:
            refuse("an object does not end as ours do")
        return value, at + len(_OBJECT_END)

    def value(self, at: int, depth: int) -> tuple[Value, int]:
        """The value at `at`, which may be preceded by white space; and where it ends."""
        self._count()
        if depth > MAX_DEPTH:
            refuse("the file is nested too deeply")
        data, at = self.data, self._space(at)
        two = data[at : at + 2]
        if two == b"<<":
            return self._dictionary(at, depth)
        one = two[:1]
        if one == b"[":
            return self._array(at, depth)
        if one == b"/":
            return self._name(at)
        if one == b"(":
            return self._literal(at)
        if one == b"<":
            return self._hexadecimal(at)
        return self._atom(at)

    def _count(self) -> None:
        """Bound the work: anybody may upload eight megabytes of the smallest values there are."""
        self._tokens += 1
        if self._tokens > MAX_TOKENS:
            refuse("the file has too many values")

    def _space(self, at: int) -> int:
        data = self.data
        if at < len(data) and data[at] not in _WHITE:  # mostly: our writers leave out what they may
            return at
        match = _SPACE.match(data, at)
        return match.end() if match is not None else at

    def _atom(self, at: int) -> tuple[Value, int]:
        if (ref := _REF.match(self.data, at)) is not None:
            number = int(ref.group(1))
            self.refs.add(number)
            return Ref(number), ref.end()
        if (number_match := _NUMBER.match(self.data, at)) is not None:
            text = number_match.group()
            return (float(text) if b"." in text else int(text)), number_match.end()
        if (word := _WORD.match(self.data, at)) is not None:
            return {b"true": True, b"false": False, b"null": None}[word.group(1)], word.end()
        refuse("something in the file is no PDF value")

    def _name(self, at: int) -> tuple[Name, int]:
        match = _NAME.match(self.data, at)
        if match is None:
            refuse("a name is malformed")
        return _name_of(match.group(1)), match.end()

    def _array(self, start: int, depth: int) -> tuple[Array, int]:
        items: list[Value] = []
        at = self._space(start + 1)
        while self.data[at : at + 1] != b"]":
            item, at = self.value(at, depth + 1)
            items.append(item)
            at = self._space(at)
        return Array(tuple(items), start, at + 1), at + 1

    def _dictionary(self, start: int, depth: int) -> tuple[Dictionary, int]:
        entries: dict[str, Value] = {}
        at = self._space(start + 2)
        while self.data[at : at + 2] != b">>":
            if self.data[at : at + 1] != b"/":
                refuse("a dictionary key is not a name")
            key, at = self._name(at)
            if key.text in entries:
                refuse("a dictionary has a key twice")
            entries[key.text], at = self.value(at, depth + 1)
            at = self._space(at)
        return Dictionary(entries), at + 2

    def _hexadecimal(self, start: int) -> tuple[Text, int]:
        end = self.data.find(b">", start)
        digits = self.data[start + 1 : max(end, start)]
        try:
            value = bytes.fromhex(digits.decode("ascii"))
        except ValueError:
            value = b""
        if end < 0 or 2 * len(value) != len(digits):  # fromhex would pass over white space
            refuse("a hexadecimal string is malformed")
        return Text(value, start, end + 1, hexadecimal=True), end + 1

    def _literal(self, start: int) -> tuple[Text, int]:
        data, at, level = self.data, start + 1, 1
        parts: list[bytes] = []
        while at - start < MAX_LITERAL:
            self._count()
            run = _LITERAL_RUN.match(data, at)
            if run is not None:
                parts.append(run.group())
                at = run.end()
            mark = data[at : at + 1]
            if mark == b"\\":
                part, at = self._escape(at + 1)
                parts.append(part)
                continue
            level += {b"(": 1, b")": -1}.get(mark, 0)
            if mark not in {b"(", b")"}:
                refuse("a string does not end, or holds a bare carriage return")
            at += 1
            if level == 0:
                return Text(b"".join(parts), start, at, hexadecimal=False), at
            parts.append(mark)
        refuse("a string is too long")

    def _escape(self, at: int) -> tuple[bytes, int]:
        octal = _OCTAL.match(self.data, at)
        if octal is not None:
            code = int(octal.group(), 8)
            if code > 255:
                refuse("a string holds an octal escape above 377")
            return bytes([code]), octal.end()
        following = self.data[at] if at < len(self.data) else -1
        if following not in _ESCAPES:
            refuse("a string holds an unknown escape")
        return _ESCAPES[following], at + 1

    def _stream(self, value: Value, at: int) -> tuple[Stream, int]:
        if not isinstance(value, Dictionary):
            refuse("a stream has no dictionary")
        length = value.get("Length")
        if type(length) is not int or not 0 <= length <= len(self.data) - at:
            refuse("a stream's length is not a direct number within the file")
        # External stream data (ISO 32000-1, table 5) would lie outside the signature.
        if not {"F", "FFilter", "FDecodeParms"}.isdisjoint(value.entries):
            refuse("a stream keeps its data outside the file")
        if value.get("Type") in {Name("ObjStm"), Name("XRef")}:
            refuse("our writers emit no object streams")
        end = _STREAM_END.match(self.data, at + length)
        if end is None:
            refuse("a stream does not end where its length says")
        return Stream(value.entries, self.data[at : at + length]), end.end()
