"""DER (X.690, sections 8 to 11): one element written; and judged on the bytes themselves, in one pass."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

MAX_DEPTH = 24

_BOOLEAN, _INTEGER, _BIT_STRING, _NULL, _OID, _ENUMERATED = 0x01, 0x02, 0x03, 0x05, 0x06, 0x0A
_UTC_TIME, _GENERALIZED_TIME, _SET = 0x17, 0x18, 0x31
_CONSTRUCTED = 0x20
_ARCS = re.compile(rb"(?:(?:[\x81-\xff][\x80-\xff]*)?[\x00-\x7f])+")
_UTC = re.compile(rb"[0-9]{12}Z")
_GENERALIZED_SECONDS = re.compile(rb"[0-9]{14}Z")
_GENERALIZED = re.compile(rb"[0-9]{14}(\.[0-9]{0,5}[1-9])?Z")


def tlv(tag: int, *parts: bytes) -> bytes:
    """One DER element of definite, minimal length."""
    content = parts[0] if len(parts) == 1 else b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(value: int) -> bytes:
    """INTEGER of a value that is not negative."""
    return tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


@lru_cache(maxsize=4096)
def time(at: datetime) -> bytes:
    """RFC 5280, 4.1.2.5: UTCTime through 2049, GeneralizedTime after; whole seconds, UTC."""
    at = at.astimezone(UTC)
    if 1950 <= at.year < 2050:  # the years that two digits stand for
        return tlv(_UTC_TIME, at.strftime("%y%m%d%H%M%SZ").encode())
    return generalized_time(at)


@lru_cache(maxsize=4096)
def generalized_time(at: datetime) -> bytes:
    """GeneralizedTime in whole seconds, UTC."""
    at = at.astimezone(UTC)
    return tlv(_GENERALIZED_TIME, f"{at.year:04}{at:%m%d%H%M%SZ}".encode())


@lru_cache(maxsize=4096)
def read_time(element: bytes) -> datetime:
    """The instant of a UTCTime or GeneralizedTime in whole seconds. Raises ValueError for anything else."""
    head, text = element[:2], element[2:]
    if head == b"\x18\x0f" and _GENERALIZED_SECONDS.fullmatch(text):
        year, at = int(text[:4]), 4
    elif head == b"\x17\x0d" and _UTC.fullmatch(text):
        year, at = int(text[:2]), 2
        year += 1900 if year >= 50 else 2000  # RFC 5280, 4.1.2.5.1
    else:
        raise ValueError("a time of another form")
    month, day, hour, minute, second = (int(text[n : n + 2]) for n in range(at, at + 10, 2))
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def read_x509_time(element: bytes) -> datetime:
    """The instant of a Time (RFC 5280, 4.1.2.5) from 1950 on: through 2049 UTCTime, then GeneralizedTime.

    Raises ValueError for anything else.
    """
    at = read_time(element)
    if at.year < 1950 or time(at) != element:
        raise ValueError("a time in the form of another year")
    return at


def members(data: bytes, tag: int) -> list[bytes]:
    """The elements inside the one element that `data` is. Raises ValueError unless it is of `tag`, and whole.

    Lengths are judged, and nothing that is deeper: the caller reads on.
    """
    element, content, end = header(data, 0, len(data))
    if element != tag or end != len(data):
        raise ValueError("another element")
    found = []
    while content < end:
        _tag, _start, stop = header(data, content, end)
        found.append(data[content:stop])
        content = stop
    return found


def content_of(element: bytes, tag: int) -> bytes:
    """What is inside one whole element of `tag`. Raises ValueError."""
    found, start, end = header(element, 0, len(element))
    if found != tag or end != len(element):
        raise ValueError("another element")
    return element[start:end]


def read_integer(element: bytes, tag: int = _INTEGER) -> int:
    """The value of a minimal INTEGER or ENUMERATED. Raises ValueError."""
    content = content_of(element, tag)
    _primitive(tag, content)
    return int.from_bytes(content, "big", signed=True)


def header(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag of the element at `at`, and where its content begins and ends, at `end` or before it.

    Raises ValueError unless its tag has one byte and its length is definite and minimal.
    """
    if at + 2 > end or data[at] & 0x1F == 0x1F:
        raise ValueError("no element of a one-byte tag")
    tag, length, start = data[at], data[at + 1], at + 2
    if length >= 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4 or start + size > end:
            raise ValueError("the length is not definite, or too long")
        length = int.from_bytes(data[start : start + size], "big")
        if length < 0x80 or length >> (8 * (size - 1)) == 0:
            raise ValueError("the length is not minimal")
        start += size
    if start + length > end:
        raise ValueError("the element ends beyond its surroundings")
    return tag, start, start + length


def require_der(data: bytes) -> None:
    """Raises ValueError unless `data` is one whole DER element.

    Checked: definite, minimal lengths; one-byte tags; minimal integers and OIDs; BOOLEAN true as FF, and
    false not at all, because every BOOLEAN of X.509, CMS and RFC 3161 has FALSE as its default; primitive
    strings; the order of sets; times in UTC without needless digits.
    """
    if _element(data, 0, len(data), 0) != len(data):
        raise ValueError("bytes follow the element")


def _element(data: bytes, at: int, end: int, depth: int) -> int:
    """Check the element at `at`; return where it ends."""
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    tag, start, stop = header(data, at, end)
    if tag & _CONSTRUCTED:
        _children(data, tag, start, stop, depth)
    else:
        _primitive(tag, data[start:stop])
    return stop


def _children(data: bytes, tag: int, at: int, end: int, depth: int) -> None:
    if tag < 0x40 and tag not in (0x30, _SET):
        raise ValueError("a string in pieces")
    before = b""
    while at < end:
        following = _element(data, at, end, depth + 1)
        if tag == _SET:
            element = data[at:following]
            if element < before:
                raise ValueError("a set out of order")
            before = element
        at = following


def _primitive(tag: int, content: bytes) -> None:
    if tag in (_INTEGER, _ENUMERATED):
        redundant = len(content) > 1 and (
            (content[0] == 0x00 and content[1] < 0x80) or (content[0] == 0xFF and content[1] >= 0x80)
        )
        if not content or redundant:
            raise ValueError("an integer is not minimal")
    elif tag == _BOOLEAN and content != b"\xff":
        raise ValueError("a BOOLEAN is written that is false or not FF")
    elif tag == _NULL and content:
        raise ValueError("a NULL with content")
    elif tag == _OID and not _ARCS.fullmatch(content):
        raise ValueError("an OID is cut short, or not minimal")
    elif tag == _BIT_STRING:
        unused = content[0] if content else 8
        if unused > 7 or (unused and (len(content) == 1 or content[-1] & ((1 << unused) - 1))):
            raise ValueError("a bit string with stray bits")
    elif tag == _UTC_TIME and not _UTC.fullmatch(content):
        raise ValueError("a UTCTime of another form")
    elif tag == _GENERALIZED_TIME and not _GENERALIZED.fullmatch(content):
        raise ValueError("a GeneralizedTime of another form")
