"""Whether an uploaded file is what it says and does nothing but show itself: for the process apart.

A PDF may hold no password, no script, no action that starts or fetches something, no sound or film, and no
file but plain text (the data that an electronic document carries beside its print). A picture is decoded
whole, and nothing follows it.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NoReturn

import pikepdf
from pikepdf import Pdf
from PIL import Image

PDF, JPEG, PNG = MEDIA = ("application/pdf", "image/jpeg", "image/png")

FORMAT, ENCRYPTED, ACTIVE, EMBEDDED, LIMITS = REASONS = (
    "material_format", "material_encrypted", "material_active", "material_embedded", "material_limits",
)  # fmt: skip
MAX_PAGES = 2000
MAX_OBJECTS = 200_000
MAX_VALUES = 2_000_000  # within objects
MAX_TEXT = 1 << 20  # bytes of a file within
MAX_SIDE, MAX_PIXELS = 20_000, 64_000_000
MAX_SCANS = 20  # as `signing.photo`: each is one more pass over the whole picture
MAX_CHUNKS = 20_000

_END = re.compile(rb"%%EOF[\0\t\n\f\r ]*\Z")
_HEADER = re.compile(rb"%PDF-(?:1\.[0-7]|2\.0)[\r\n \t%]")
_ACTIONS = frozenset({
    "/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/GoToR", "/GoToE", "/Rendition", "/Movie",
    "/Sound", "/RichMediaExecute", "/GoTo3DView",
})  # fmt: skip
_SHOWS = frozenset({"/RichMedia", "/Movie", "/Sound", "/Screen", "/3D", "/PS"})  # what is no page
_PROGRAMS = frozenset({"/JS", "/JavaScript", "/XFA", "/RichMediaContent", "/RichMediaSettings"})
_BARE_PAGE = "Resources is missing"  # qpdf's words for a page that shows nothing
_PLAIN = (".json", ".txt", ".xml")
_ADDRESS = re.compile(r"(?:https?://|mailto:|tel:)", re.IGNORECASE)  # what a link may lead to
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f]")
_JPEG_MARK = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
_STANDALONE = frozenset({0x01, 0xD8})
_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Refusal(Exception):  # noqa: N818  (an answer, within this module alone)
    """Why a file is not taken: `reason` is one of `REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def refusal_of(data: bytes, media: str) -> str | None:
    """Why the file is not taken as that media type; None where it is. Raises MemoryError."""
    try:
        {PDF: _pdf, JPEG: _jpeg, PNG: _png}[media](data)
    except Refusal as refused:
        return refused.reason
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  (hostile files make libraries raise anything)
        return FORMAT
    return None


def load() -> None:
    """Have what decoding loads on first use: a child can open no file."""
    Image.preinit()
    import_module("PIL.MpoImagePlugin")


def _refuse(reason: str) -> NoReturn:
    raise Refusal(reason)


# --- PDF -------------------------------------------------------------------------------------------------


def _pdf(data: bytes) -> None:
    if not _HEADER.match(data) or not _END.search(data[-1024:]):
        _refuse(FORMAT)
    try:
        pdf = Pdf.open(io.BytesIO(data), suppress_warnings=True, attempt_recovery=False)
    except pikepdf.PasswordError:
        _refuse(ENCRYPTED)
    with pdf:
        if pdf.is_encrypted or "/Encrypt" in pdf.trailer:
            _refuse(ENCRYPTED)
        objects = list(pdf.objects)
        if len(objects) > MAX_OBJECTS:
            _refuse(LIMITS)
        for one in _values([pdf.trailer, *objects]):
            _check(one)
        # What it left out or mended another reader may understand.
        if not all(_BARE_PAGE in str(warning) for warning in pdf.get_warnings()):
            _refuse(FORMAT)
        if not 1 <= len(pdf.pages) <= MAX_PAGES:
            _refuse(LIMITS if len(pdf.pages) else FORMAT)


def _values(objects: list[Any]) -> Iterator[Any]:
    """Every dictionary and stream, within other values too; references are not followed, for what they name
    is among the objects itself.
    """
    seen = 0
    for root in objects:
        waiting = [root]
        while waiting:
            one = waiting.pop()
            if isinstance(one, pikepdf.Dictionary | pikepdf.Stream):
                yield one
                inner = [value for _, value in one.items()]
            elif isinstance(one, pikepdf.Array):
                inner = list(one)
            else:
                continue
            seen += len(inner)
            if seen > MAX_VALUES:
                _refuse(LIMITS)
            waiting += [
                value for value in inner if isinstance(value, pikepdf.Object) and not value.is_indirect
            ]


def _check(one: Any) -> None:
    keys = set(one.keys())
    if keys & _PROGRAMS or _name(one, "/S") in _ACTIONS or _name(one, "/Subtype") in _SHOWS:
        _refuse(ACTIVE)
    if _name(one, "/S") == "/URI" and not _ADDRESS.match(str(one.get("/URI", ""))):
        _refuse(ACTIVE)
    if "/EF" in keys:
        _check_named(one)
    if isinstance(one, pikepdf.Stream):
        if "/F" in keys:  # its data lie in a file outside
            _refuse(ACTIVE)
        if _name(one, "/Type") == "/EmbeddedFile":
            _check_text(one)


def _name(one: Any, key: str) -> str | None:
    value = one.get(key)
    return str(value) if isinstance(value, pikepdf.Name) else None


def _check_named(specification: Any) -> None:
    """A file within: by its names and by what it holds."""
    keys = ("/F", "/UF", "/DOS", "/Mac", "/Unix")
    names = [str(specification[key]) for key in keys if key in specification]
    if not names or not all(name.lower().endswith(_PLAIN) for name in names):
        _refuse(EMBEDDED)
    for key in specification.EF.keys():  # noqa: SIM118  (no mapping)
        _check_text(specification.EF[key])


def _check_text(stream: Any) -> None:
    if len(stream.read_raw_bytes()) > MAX_TEXT or len(content := stream.read_bytes()) > MAX_TEXT:
        _refuse(EMBEDDED)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        _refuse(EMBEDDED)
    if text.startswith("#!") or _CONTROL.search(text):
        _refuse(EMBEDDED)


# --- pictures --------------------------------------------------------------------------------------------


def _jpeg(data: bytes) -> None:
    """One picture; behind it nothing, or the further ones that a telephone adds (CIPA DC-007)."""
    at = _jpeg_end(data, 0)
    while data[at:].strip(b"\0"):
        at = _jpeg_end(data, at)
    _decode(data, "JPEG")


def _jpeg_end(data: bytes, start: int) -> int:
    """Behind the end of the picture that begins there (ITU-T T.81, B.1.1)."""
    if data[start : start + 3] != b"\xff\xd8\xff":
        _refuse(FORMAT)
    at, scans = start + 2, 0
    while (found := _JPEG_MARK.search(data, at)) is not None:
        marker, at = found[1][0], found.end()
        if marker == _END_OF_IMAGE:
            return at
        if marker in _STANDALONE:
            _refuse(FORMAT)
        scans += marker == _SCAN
        if scans > MAX_SCANS:
            _refuse(LIMITS)
        at += int.from_bytes(data[at : at + 2], "big")
        if at > len(data):
            break
    _refuse(FORMAT)


def _png(data: bytes) -> None:
    """One still picture: its end is the file's end (PNG, third edition, section 5)."""
    if not data.startswith(_PNG_SIGNATURE):
        _refuse(FORMAT)
    at, names = len(_PNG_SIGNATURE), list[bytes]()
    while at < len(data):
        if at + 12 > len(data) or len(names) == MAX_CHUNKS:
            _refuse(FORMAT)
        size, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + size
        if end > len(data):
            _refuse(FORMAT)
        if struct.unpack_from(">I", data, end - 4)[0] != zlib.crc32(memoryview(data)[at + 4 : end - 4]):
            _refuse(FORMAT)
        names.append(name)
        at = end
    if names[:1] != [b"IHDR"] or names.count(b"IEND") != 1 or names[-1] != b"IEND" or b"acTL" in names:
        _refuse(FORMAT)
    _decode(data, "PNG")


def _decode(data: bytes, kind: str) -> None:
    with Image.open(io.BytesIO(data), formats=[kind]) as image:
        width, height = image.size
        if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
            _refuse(LIMITS)
        image.load()
