"""A face as data: what is printed where. No drawing here, so that another drawer can use the same faces.

An agency draws a face as a PDF form (`signing.face_form` reads it). Lengths are mm, sizes of type are points,
pages count from 0, the origin is the page's lower left corner.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from keys.errors import Fault, Kind, VermilionError
from signing.document import MAX_SEALS, SealPlace
from signing.fonts import Weight
from signing.licence_type import FieldKind, LicenceType

MIN_MODULE_MM = 0.42
"""Smallest module of a printed QR code (measured: smaller ones fail at 150 dpi scans)."""

QUIET_ZONE = 4
"""Light modules around a QR code, ISO/IEC 18004."""

SEAL_CLEARANCE_MM = 2.0
"""Between a seal and the QR box, which holds the quiet zone already: at least 4 modules up to 0.5 mm."""

MAX_SIZE = 400.0
"""Largest type in points: a value is set smaller step by step until it fits."""

MAX_PAGE_MM = 1200.0
"""A little over A0."""

MAX_PAGES = 20
MAX_PLACES = 500

_MAX_SHOWN = 60  # characters of a name

BUILT_IN = ("identifier", "lookup_code", "verify_host")
"""Values that are no field of the type. Each has a place on every face."""

SPECIMEN_TEXT = "样本 SPECIMEN"
SPECIMEN_COLOUR = "#b5121b"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its lower left corner."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: Box) -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )

    def distance(self, x: float, y: float) -> float:
        """From a point to the nearest point of the box."""
        dx = max(self.x - x, 0.0, x - self.x - self.width)
        dy = max(self.y - y, 0.0, y - self.y - self.height)
        return math.hypot(dx, dy)


@dataclass(frozen=True, slots=True)
class TextStyle:
    size: float
    weight: Weight
    colour: str  # "#rrggbb"
    align: str  # "left", "center", "right", "justify" (one line spread over the box)
    valign: str  # "top", "middle", "bottom"


@dataclass(frozen=True, slots=True)
class Page:
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class ValueBox:
    """Where a value goes; type shrinks from `style.size` to `min_size` until it fits. Several may share one
    source: the same value stands at several places, as on an original and its duplicate.
    """

    source: str  # a field's name or one of BUILT_IN
    page: int
    box: Box
    style: TextStyle
    min_size: float
    line_spacing: float  # in sizes
    wrap: bool

    def __hash__(self) -> int:  # of what tells places apart: all of it would take longer than to set a line
        return hash((self.source, self.page, self.box.x, self.box.y))


@dataclass(frozen=True, slots=True)
class QrBox:
    """A square that holds the symbol and its quiet zone."""

    page: int
    x: float
    y: float
    size: float

    @property
    def box(self) -> Box:
        return Box(self.x, self.y, self.size, self.size)


@dataclass(frozen=True, slots=True)
class SealSpot:
    """Centre of a seal and the largest diameter that may come there. Several spots may share a number: the
    first bears the signature's widget, the others show the picture only.
    """

    number: int  # from 1
    page: int
    x: float
    y: float
    diameter: float

    @property
    def box(self) -> Box:
        radius = self.diameter / 2
        return Box(self.x - radius, self.y - radius, self.diameter, self.diameter)


@dataclass(frozen=True, slots=True)
class PhotoBox:
    """Where the photo goes, as large as fits, in the middle."""

    page: int
    box: Box


@dataclass(frozen=True, slots=True)
class SpecimenMark:
    """What a specimen carries across a page, over the artwork and under the values: `text` in bold type of
    `size` points, its middle at (x, y), turned by `angle` degrees to the left, 16 % opaque.
    """

    page: int
    text: str
    x: float
    y: float
    size: float
    angle: float
    colour: str


@dataclass(frozen=True, slots=True)
class Face:
    """The look of a licence type, one version."""

    version: int  # of the type
    pages: tuple[Page, ...]
    values: tuple[ValueBox, ...]  # in the form's order
    qr: tuple[QrBox, ...]  # at least one, each bears the same symbol
    seals: tuple[SealSpot, ...]  # ascending by number; numbers run from 1 without a gap
    photos: tuple[PhotoBox, ...]
    specimen: tuple[SpecimenMark, ...]  # one a page
    artwork: bytes  # a PDF with as many pages: the form without its fields, every font embedded

    @property
    def seal_count(self) -> int:
        return self.seals[-1].number

    def seal_places(self, number: int = 1) -> tuple[SealPlace, ...]:
        """Where the seal of that number goes, as `signing.seal` wants it: the signature's place first."""
        return tuple(SealPlace(page=s.page, x_mm=s.x, y_mm=s.y) for s in self.seals if s.number == number)

    @property
    def smallest_qr(self) -> float:
        return min(qr.size for qr in self.qr)


def specimen_mark(number: int, page: Page, clear: Sequence[Box]) -> SpecimenMark:
    """The mark across a page: along the diagonal, a little flatter, over half of its length; as near the
    middle of the page as leaves the boxes in `clear` uncovered, where there is such a place.
    """
    diagonal = math.hypot(page.width, page.height)
    angle = round(0.8 * math.degrees(math.atan2(page.height, page.width)), 1)
    size = round(0.21 * diagonal, 1)  # points: 0.56 of the diagonal long
    step = diagonal / 60
    shifts = sorted(
        ((step * nx, step * ny) for nx in range(-20, 21) for ny in range(-20, 21)),
        key=lambda shift: (math.hypot(*shift), shift),
    )
    middle_x, middle_y = page.width / 2, page.height / 2
    for dx, dy in shifts:
        corners = _corners(middle_x + dx, middle_y + dy, 0.57 * diagonal, 0.09 * diagonal, angle)
        inside = all(0 <= x <= page.width and 0 <= y <= page.height for x, y in corners)
        if inside and not any(_covers(corners, angle, box) for box in clear):
            middle_x, middle_y = round(middle_x + dx, 1), round(middle_y + dy, 1)
            break
    return SpecimenMark(number, SPECIMEN_TEXT, middle_x, middle_y, size, angle, SPECIMEN_COLOUR)


_Point = tuple[float, float]


def _corners(x: float, y: float, width: float, height: float, angle: float) -> list[_Point]:
    """Of a rectangle around a point, turned."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return [
        (x + a * width / 2 * cos - b * height / 2 * sin, y + a * width / 2 * sin + b * height / 2 * cos)
        for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]


def _covers(corners: list[_Point], angle: float, box: Box) -> bool:
    """Whether a turned rectangle and a box share any point: no line between them separates them."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    others = [(x, y) for x in (box.x, box.x + box.width) for y in (box.y, box.y + box.height)]
    for ax, ay in ((1.0, 0.0), (0.0, 1.0), (cos, sin), (-sin, cos)):
        ones, twos = ([x * ax + y * ay for x, y in points] for points in (corners, others))
        if max(ones) <= min(twos) or max(twos) <= min(ones):
            return False
    return True


def check_face(face: Face, licence_type: LicenceType) -> None:
    """Whether a face could be printed rightly with a type's values.

    Raises VermilionError(INVALID) with a fault for each rule broken: everything lies on its page, each value
    has a place, nothing comes near a QR code, no seal lies over another. A fault's `field` is a pointer like
    `/face.pdf/1/holder_name`: page, from 1, and form field.
    """
    require_none([*_off_page(face), *_crowded(face), *_unplaced(face, licence_type)])


def fault(page: int | None, name: str, reason: str, why: str, box: Box | None = None) -> Fault:
    """What is wrong at a place of a face, in words that lead there. `page` counts from 0. Names come out of
    the form, and are shown without what a terminal would act on.
    """
    name, why = _shown(name)[:_MAX_SHOWN], _shown(why)[: 5 * _MAX_SHOWN]
    words = [] if page is None else [f"page {page + 1}"]
    words += [f"field {name}"] if name else []
    words += [f"at {box.x:.1f} x {box.y:.1f} mm"] if box else []
    pointer = "".join(f"/{part}" for part in ("face.pdf", "" if page is None else page + 1, name) if part)
    return Fault(pointer, reason, f"{', '.join(words)}: {why}" if words else why)


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def require_none(faults: list[Fault]) -> None:
    """Raises VermilionError(INVALID) for faults; the first one gives its reason."""
    if faults:
        raise VermilionError(
            Kind.INVALID,
            f"the face cannot be used: {faults[0].detail}",
            reason=faults[0].reason,
            faults=tuple(faults),
        )


def _places(face: Face) -> Iterator[tuple[str, int, Box]]:
    """Everything but the QR codes, by form field, page and box."""
    for value in face.values:
        yield value.source, value.page, value.box
    for seal in face.seals:
        yield f"seal-{seal.number}", seal.page, seal.box
    for photo in face.photos:
        yield "photo", photo.page, photo.box


def _off_page(face: Face) -> Iterator[Fault]:
    for number, page in enumerate(face.pages):
        if page.width > MAX_PAGE_MM or page.height > MAX_PAGE_MM:
            yield fault(number, "", "face_page", "the page is larger than A0")
    for name, number, box in [*_places(face), *(("qr", qr.page, qr.box) for qr in face.qr)]:
        page = face.pages[number]
        on_page = box.x >= 0 and box.y >= 0 and box.x + box.width <= page.width
        if not on_page or box.y + box.height > page.height:
            yield fault(number, name, "face_off_page", "leaves the page", box)


def _crowded(face: Face) -> Iterator[Fault]:
    for qr in face.qr:
        if qr.size < (21 + 2 * QUIET_ZONE) * MIN_MODULE_MM:
            yield fault(qr.page, "qr", "face_qr_small", "is too small for any symbol", qr.box)
        for name, page, box in _places(face):
            if page == qr.page and qr.box.overlaps(box):
                yield fault(page, name, "face_over_qr", "overlaps the QR code", box)
        for seal in face.seals:
            near = qr.box.distance(seal.x, seal.y) < seal.diameter / 2 + SEAL_CLEARANCE_MM
            if seal.page == qr.page and near and not qr.box.overlaps(seal.box):
                yield fault(
                    seal.page, f"seal-{seal.number}", "face_over_qr", "comes too near the QR code", seal.box
                )
    for n, one in enumerate(face.qr):
        if any(one.page == other.page and one.box.overlaps(other.box) for other in face.qr[:n]):
            yield fault(one.page, "qr", "face_over_qr", "overlaps another QR code", one.box)
    for n, seal in enumerate(face.seals):
        for other in face.seals[:n]:
            apart = math.hypot(seal.x - other.x, seal.y - other.y)
            if seal.page == other.page and apart < (seal.diameter + other.diameter) / 2:
                yield fault(
                    seal.page, f"seal-{seal.number}", "face_over_seal", "lies over another seal", seal.box
                )


def _unplaced(face: Face, licence_type: LicenceType) -> Iterator[Fault]:
    sources = {value.source for value in face.values}
    fields = {field.name for field in licence_type.fields if field.kind is not FieldKind.PHOTO}
    photo = next((f.name for f in licence_type.fields if f.kind is FieldKind.PHOTO), None)
    for value in face.values:
        if value.source not in fields | set(BUILT_IN):
            yield fault(value.page, value.source, "face_field_unknown", "is no field of the type", value.box)
    for name in licence_type.settings:
        if name not in fields | set(BUILT_IN):
            yield fault(None, name, "face_field_unknown", "the table face sets what is no field of the type")
    for name in fields & {*BUILT_IN, "qr", "photo"}:
        yield fault(None, name, "face_field_unknown", "the name means another thing on a face")
    for name in (*sorted(fields), *BUILT_IN):
        if name not in sources:
            yield fault(None, name, "face_field_missing", "has no place on the face")
    if photo is not None and not face.photos:
        yield fault(None, "photo", "face_field_missing", f"the type's field {photo} has no place on the face")
    if photo is None:
        for place in face.photos:
            yield fault(place.page, "photo", "face_field_unknown", "the type has no photo", place.box)
    if not face.qr:
        yield fault(None, "qr", "face_field_missing", "has no place on the face")
    numbers = sorted({seal.number for seal in face.seals})
    if numbers != list(range(1, max(len(numbers), 1) + 1)):
        missing = next(n for n in range(1, MAX_SEALS + 2) if n not in numbers)
        yield fault(
            None, f"seal-{missing}", "face_field_missing", "has no place on the face: a licence is sealed"
        )
    elif licence_type.co_seal_kinds and len(licence_type.co_seal_kinds) != len(numbers) - 1:
        yield fault(
            None, f"seal-{len(numbers)}", "face_seal_kinds", "co_seal_kinds names other places than the face"
        )
    for before, seal in pairwise(face.seals):
        if seal.number == before.number > 1:  # its copies would show before it is there
            yield fault(
                seal.page, f"seal-{seal.number}", "face_seal_twice", "a further seal has one place", seal.box
            )
