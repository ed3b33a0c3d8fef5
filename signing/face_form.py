"""Reading a face from the PDF form that an agency drew: which field stands where, and the artwork behind.

A form field's name (/T) says what goes there: a field of the licence, one of `face.BUILT_IN`, `qr`, `photo`,
or `seal-1`, `seal-2`, `seal-3`; each of its widgets is a place. A text field's /DA gives size, weight and
colour (size 0: as large as fits; a font with Bold in its name: bold), /Q the alignment, and the flag for
several lines allows wrapping (ISO 32000-1, 12.7.3.3 and 12.7.4.3). What a form cannot say stands in the table
`face` of `type.toml`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Name, Pdf

from keys.errors import Fault, Kind, VermilionError
from signing.artwork import take_artwork
from signing.document import MAX_SEALS
from signing.face import (
    MAX_PAGES,
    MAX_PLACES,
    MAX_SIZE,
    Box,
    Face,
    Page,
    PhotoBox,
    QrBox,
    SealSpot,
    TextStyle,
    ValueBox,
    check_face,
    fault,
    require_none,
    specimen_mark,
)
from signing.fonts import Weight
from signing.licence_type import LicenceType, load_licence_type
from signing.text_layout import MM

MAX_FORM_BYTES = 8 * 1024 * 1024
BROKEN = (
    pikepdf.PdfError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError,
    UserWarning,
)  # fmt: skip
"""What pikepdf raises for a broken form: the plain ones for objects of another kind than its accessors
expect; the warning, where warnings are errors, for content that breaks off.
"""

_MAX_DEPTH = 8  # of fields under fields, which may name one another as kids
_MULTILINE = 1 << 12
_ALIGN = ("left", "center", "right")
_SEAL = re.compile(rf"seal-([1-{MAX_SEALS}])")


def load_face(folder: Path) -> Face:
    """Load and check `face.pdf`, against the `type.toml` beside it.

    Raises VermilionError(NOT_FOUND, TOO_LARGE, MALFORMED) and what `read_face` raises.
    """
    try:
        with (folder / "face.pdf").open("rb") as file:
            data = file.read(MAX_FORM_BYTES + 1)
    except OSError as error:
        raise VermilionError(Kind.NOT_FOUND, "face.pdf cannot be read") from error
    return read_face(data, load_licence_type(folder))


def read_face(data: bytes, licence_type: LicenceType) -> Face:
    """A form as the face of a type. Raises VermilionError(TOO_LARGE, MALFORMED, INVALID), the last with a
    fault for each rule broken.
    """
    if len(data) > MAX_FORM_BYTES:
        raise VermilionError(Kind.TOO_LARGE, f"face.pdf is larger than {MAX_FORM_BYTES} bytes")
    try:
        with Pdf.open(io.BytesIO(data), suppress_warnings=True) as form:
            face = _read(form, licence_type)
    except VermilionError:
        raise
    except BROKEN as error:
        raise VermilionError(
            Kind.MALFORMED, f"face.pdf cannot be read as a PDF form: {type(error).__name__}"
        ) from error
    check_face(face, licence_type)
    return face


@dataclass(frozen=True, slots=True)
class _Widget:
    """One place of a form field."""

    name: str  # fully qualified
    page: int
    box: Box
    field: pikepdf.Object  # whose inherited entries are asked

    def inherited(self, key: str) -> Any:
        node: Any = self.field
        for _ in range(_MAX_DEPTH + 1):
            if key in node:
                return node[key]
            if "/Parent" not in node:
                return None
            node = node["/Parent"]
        return None


def _read(form: Pdf, licence_type: LicenceType) -> Face:
    pages = _pages(form)
    defaults: Any = form.Root.get("/AcroForm")
    if defaults is None:
        require_none([Fault("/face.pdf", "face_no_form", "face.pdf holds no form fields")])
    faults: list[Fault] = []
    values: list[ValueBox] = []
    qr: list[QrBox] = []
    seals: list[SealSpot] = []
    photos: list[PhotoBox] = []
    for widget in _widgets(form):
        box, page = widget.box, widget.page
        side = min(box.width, box.height)
        middle_x, middle_y = box.x + box.width / 2, box.y + box.height / 2
        if widget.name == "qr":
            qr.append(QrBox(page, _mm(middle_x - side / 2), _mm(middle_y - side / 2), side))
        elif widget.name == "photo":
            photos.append(PhotoBox(page, box))
        elif seal := _SEAL.fullmatch(widget.name):
            seals.append(SealSpot(int(seal[1]), page, _mm(middle_x), _mm(middle_y), side))
        else:
            try:
                values.append(_value(widget, defaults, licence_type))
            except _WrongFieldError as error:
                faults.append(fault(page, widget.name, "face_field", str(error), box))
    require_none(faults)
    clear = [*((code.page, code.box) for code in qr), *((photo.page, photo.box) for photo in photos)]
    return Face(
        version=licence_type.version,
        pages=pages,
        values=tuple(values),
        qr=tuple(qr),
        seals=tuple(sorted(seals, key=lambda seal: seal.number)),
        photos=tuple(photos),
        specimen=tuple(
            specimen_mark(n, page, [box for number, box in clear if number == n])
            for n, page in enumerate(pages)
        ),
        artwork=take_artwork(form),
    )


def _mm(length: float) -> float:
    """To the micrometre, so that a length drawn in points is read as it was meant in mm."""
    return round(length, 3)


def _pages(form: Pdf) -> tuple[Page, ...]:
    """The pages' sizes; each lies upright with its corner at the origin, and prints whole."""
    if not 1 <= len(form.pages) <= MAX_PAGES:
        require_none([Fault("/face.pdf", "face_page", f"a face has 1 to {MAX_PAGES} pages")])
    pages, faults = [], []
    for number, page in enumerate(form.pages):
        x0, y0, x1, y1 = (float(edge) for edge in page.mediabox)
        if (x0, y0) != (0.0, 0.0) or x1 <= 0 or y1 <= 0:
            faults.append(fault(number, "", "face_page", "the media box does not begin at the origin"))
        if [float(edge) for edge in page.cropbox] != [x0, y0, x1, y1]:
            faults.append(fault(number, "", "face_page", "the page is cropped"))
        if page.obj.get("/UserUnit", 1) != 1 or page.rotation != 0:
            faults.append(fault(number, "", "face_page", "the page is turned or scaled"))
        pages.append(Page(_mm(x1 / MM), _mm(y1 / MM)))
    require_none(faults)
    return tuple(pages)


def _widgets(form: Pdf) -> Iterator[_Widget]:
    """Every place of every field, in the form's order. Raises VermilionError(INVALID) for too many, or one
    that lies on no page.
    """
    owner = {
        widget.objgen: number
        for number, page in enumerate(form.pages)
        for widget in page.obj.get("/Annots", [])
    }
    waiting = [(field, "", 0) for field in reversed(list(form.Root.AcroForm.get("/Fields", [])))]
    found = 0
    while waiting:
        field, prefix, depth = waiting.pop()
        name = ".".join(part for part in (prefix, str(field.get("/T", ""))) if part)
        children = list(field.get("/Kids", []))
        if children and depth < _MAX_DEPTH:
            waiting += [(child, name, depth + 1) for child in reversed(children)]
            continue
        found += 1
        page = owner.get(field.objgen)
        if page is None or found > MAX_PLACES or children:
            why = "is on no page" if page is None else "is one too many, or too deep"
            require_none([fault(None, name, "face_field", why)])
        assert page is not None
        x0, y0, x1, y1 = (float(edge) / MM for edge in field.Rect)
        left, bottom = _mm(min(x0, x1)), _mm(min(y0, y1))
        box = Box(left, bottom, _mm(abs(x1 - x0)), _mm(abs(y1 - y0)))
        if not box.width or not box.height:
            require_none([fault(page, name, "face_field", "has no extent", box)])
        yield _Widget(name, page, box, field)


class _WrongFieldError(Exception):
    """A field does not say how its value is set; the message is for people."""


def _value(widget: _Widget, defaults: Any, licence_type: LicenceType) -> ValueBox:
    if widget.inherited("/FT") != Name.Tx:
        raise _WrongFieldError("is no text field")
    appearance = widget.inherited("/DA")
    if appearance is None:
        appearance = defaults.get("/DA")
    if appearance is None:
        raise _WrongFieldError("has no appearance (/DA)")
    font, size, colour = _appearance(str(appearance))
    setting = licence_type.settings.get(widget.name, licence_type.setting)
    align = widget.inherited("/Q")
    if align is None:
        align = defaults.get("/Q", 0)
    if align not in (0, 1, 2):
        raise _WrongFieldError("has another alignment than left, centre and right")
    size = size or min(widget.box.height * MM, MAX_SIZE)
    if size > MAX_SIZE:
        raise _WrongFieldError(f"wants type larger than {MAX_SIZE:.0f} points")
    style = TextStyle(
        size=size,
        weight=Weight.BOLD if _is_bold(font, widget.inherited("/DR"), defaults) else Weight.REGULAR,
        colour=colour,
        align=setting.align or _ALIGN[int(align)],
        valign=setting.valign,
    )
    return ValueBox(
        source=widget.name,
        page=widget.page,
        box=widget.box,
        style=style,
        min_size=min(setting.min_size, size),
        line_spacing=setting.line_spacing,
        wrap=bool(int(widget.inherited("/Ff") or 0) & _MULTILINE),
    )


def _appearance(text: str) -> tuple[str, float, str]:
    """Font resource, size and colour of a /DA string, which holds text state operators."""
    operands: list[str] = []
    font, size, colour = "", None, "#000000"
    for token in text.split():
        if re.fullmatch(r"[-+]?[0-9]*\.?[0-9]+|[-+]?[0-9]+\.|/\S*", token):
            operands.append(token)
            continue
        match token, operands:
            case "Tf", [name, points] if name.startswith("/"):
                font, size = name, round(float(points), 1)  # tools reckon in other units
            case "g", [level]:
                colour = _colour(level, level, level)
            case "rg", [red, green, blue]:
                colour = _colour(red, green, blue)
            case "k", _:
                raise _WrongFieldError("has a colour in CMYK; a document's colours are grey or RGB")
        operands = []
    if size is None or size < 0:
        raise _WrongFieldError("has no font and size in its appearance (/DA)")
    return font, size, colour


def _colour(*levels: str) -> str:
    parts = [min(max(float(level), 0.0), 1.0) for level in levels if not level.startswith("/")]
    if len(parts) != 3:
        raise _WrongFieldError("has no colour in its appearance (/DA)")
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def _is_bold(font: str, own: Any, defaults: Any) -> bool:
    """By the name of the resource, or of the font that it stands for in the field's or the form's /DR."""
    names = [font]
    for resources in (own, defaults.get("/DR")):
        fonts: Any = {} if resources is None else resources.get("/Font", {})
        names += [str(fonts[font].get("/BaseFont", ""))] if font in fonts else []
    return any("bold" in name.lower() for name in names)
