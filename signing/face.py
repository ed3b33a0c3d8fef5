"""A face as data: what is printed where. No drawing here, so that another drawer can use the same faces.

Loaded from `face.toml` beside a type's `type.toml`. Lengths are mm, sizes of type are points, the origin is
the page's lower left corner.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from signing.document import SealPlace
from signing.fonts import Weight
from signing.licence_type import FieldKind, LicenceType, load_licence_type
from signing.toml_table import Table

MIN_MODULE_MM = 0.42
"""Smallest module of a printed QR code (measured: smaller ones fail at 150 dpi scans)."""

QUIET_ZONE = 4
"""Light modules around a QR code, ISO/IEC 18004."""

SEAL_CLEARANCE_MM = 2.0
"""Between a seal and the QR box, which holds the quiet zone already: at least 4 modules up to 0.5 mm."""

MAX_SIZE = 400.0
"""Largest type in points: a value is set smaller step by step until it fits."""

BUILT_IN = ("identifier", "lookup_code", "verify_host")
"""Values that are no field of the type. The first three are on every face."""


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
class Rect:
    box: Box
    line_width: float  # 0: no line
    stroke: str
    fill: str  # "" for none


@dataclass(frozen=True, slots=True)
class Line:
    x1: float
    y1: float
    x2: float
    y2: float
    line_width: float
    stroke: str


@dataclass(frozen=True, slots=True)
class Label:
    box: Box
    text: str
    style: TextStyle


@dataclass(frozen=True, slots=True)
class Border:
    """An ornamental frame: a band of interlaced waves between rules, rosettes in the corners."""

    box: Box  # outer edge
    band: float
    strands: int
    period: float
    stroke: str
    accent: str
    fill: str


@dataclass(frozen=True, slots=True)
class Rosette:
    """Guilloche: rings of closed waves around a centre."""

    x: float
    y: float
    inner: float
    outer: float
    petals: int
    rings: int
    line_width: float
    stroke: str


@dataclass(frozen=True, slots=True)
class Waves:
    """Guilloche: a field of parallel waves, each shifted against the one below."""

    box: Box
    period: float
    amplitude: float
    spacing: float
    line_width: float
    stroke: str


Art = Rect | Line | Label | Border | Rosette | Waves


@dataclass(frozen=True, slots=True)
class ValueBox:
    """Where a value goes; type shrinks from `style.size` to `min_size` until it fits."""

    source: str  # a field's name or one of BUILT_IN
    box: Box
    style: TextStyle
    min_size: float
    line_spacing: float  # in sizes
    wrap: bool


@dataclass(frozen=True, slots=True)
class QrBox:
    """A square that holds the symbol and its quiet zone."""

    x: float
    y: float
    size: float

    @property
    def box(self) -> Box:
        return Box(self.x, self.y, self.size, self.size)


@dataclass(frozen=True, slots=True)
class SealSpot:
    """Centre of a seal and the largest diameter that may come there."""

    x: float
    y: float
    diameter: float


@dataclass(frozen=True, slots=True)
class SpecimenMark:
    """What a specimen carries across its face."""

    text: str
    x: float
    y: float
    size: float
    angle: float
    colour: str


@dataclass(frozen=True, slots=True)
class Face:
    """The look of a licence type, one version."""

    version: int
    width: float
    height: float
    art: tuple[Art, ...]
    values: tuple[ValueBox, ...]
    qr: QrBox
    seals: tuple[SealSpot, ...]
    photo: Box | None
    specimen: SpecimenMark

    def seal_place(self, number: int = 0) -> SealPlace:
        """Where the seal of that number goes, as `signing.seal` wants it."""
        return SealPlace(page=0, x_mm=self.seals[number].x, y_mm=self.seals[number].y)


_COLOUR = re.compile(r"#[0-9a-f]{6}")


def _colour(table: Table, key: str, default: str | None = None) -> str:
    value = table.text(key, default or None) if default != "" or table.has(key) else ""
    if value and not _COLOUR.fullmatch(value):
        table.refuse(key, "must be a colour #rrggbb")
    return value


def _length(table: Table, key: str, default: float | None = None) -> float:
    value = table.number(key, default)
    if value < 0:
        table.refuse(key, "must not be negative")
    return value


def _positive(table: Table, key: str, default: float | None = None) -> float:
    value = table.number(key, default)
    if value <= 0:
        table.refuse(key, "must be positive")
    return value


def _box(table: Table) -> Box:
    return Box(
        *(_length(table, key) for key in ("x", "y")), *(_positive(table, k) for k in ("width", "height"))
    )


def _style(table: Table) -> TextStyle:
    size = _positive(table, "size")
    if size > MAX_SIZE:
        table.refuse("size", f"is larger than {MAX_SIZE:.0f} points")
    return TextStyle(
        size=size,
        weight=Weight(table.choice("weight", tuple(Weight), "regular")),
        colour=_colour(table, "colour", "#000000"),
        align=table.choice("align", ("left", "center", "right", "justify"), "left"),
        valign=table.choice("valign", ("top", "middle", "bottom"), "middle"),
    )


def _load_art(table: Table) -> Art:
    art: Art
    match table.choice("kind", ("rect", "line", "label", "border", "rosette", "waves")):
        case "rect":
            art = Rect(_box(table), _length(table, "line_width", 0.0), _colour(table, "stroke", "#000000"),
                       _colour(table, "fill", ""))  # fmt: skip
        case "line":
            x1, y1, x2, y2 = (_length(table, key) for key in ("x1", "y1", "x2", "y2"))
            art = Line(x1, y1, x2, y2, _positive(table, "line_width"), _colour(table, "stroke"))
        case "label":
            art = Label(_box(table), table.text("text"), _style(table))
        case "border":
            art = Border(_box(table), _positive(table, "band"), table.integer("strands"),
                         _positive(table, "period"), _colour(table, "stroke"), _colour(table, "accent"),
                         _colour(table, "fill"))  # fmt: skip
            if not 1 <= art.strands <= 12:
                table.refuse("strands", "must lie between 1 and 12")
            if art.period < 1:
                table.refuse("period", "is too small")
        case "rosette":
            art = Rosette(_length(table, "x"), _length(table, "y"), _length(table, "inner"),
                          _positive(table, "outer"), table.integer("petals"), table.integer("rings"),
                          _positive(table, "line_width"), _colour(table, "stroke"))  # fmt: skip
            if not 3 <= art.petals <= 60 or not 1 <= art.rings <= 60 or art.inner >= art.outer:
                table.refuse("petals", "rings and radii must be possible")
        case _:
            art = Waves(_box(table), _positive(table, "period"), _positive(table, "amplitude"),
                        _positive(table, "spacing"), _positive(table, "line_width"),
                        _colour(table, "stroke"))  # fmt: skip
            if art.spacing < 0.3 or art.period < 1:
                table.refuse("spacing", "or period is too small")
    table.finish()
    return art


def _load_value(table: Table) -> ValueBox:
    style = _style(table)
    value = ValueBox(
        source=table.text("source"),
        box=_box(table),
        style=style,
        min_size=_positive(table, "min_size", style.size),
        line_spacing=_positive(table, "line_spacing", 1.35),
        wrap=table.flag("wrap", default=False),
    )
    table.finish()
    if value.min_size > style.size:
        table.refuse("min_size", "must not exceed size")
    return value


def _load_photo(table: Table) -> Box:
    box = _box(table)
    table.finish()
    return box


def load_face(folder: Path) -> Face:
    """Load and check `face.toml`, against the `type.toml` beside it.

    Raises VermilionError(NOT_FOUND, TOO_LARGE, MALFORMED, INVALID): everything lies on the page, each field
    of the type has one place, nothing but artwork comes near the QR code.
    """
    table = Table.load(folder / "face.toml")
    page, qr, specimen = table.table("page"), table.table("qr"), table.table("specimen")
    face = Face(
        version=table.integer("version"),
        width=_positive(page, "width"),
        height=_positive(page, "height"),
        art=tuple(_load_art(art) for art in table.tables("art")),
        values=tuple(_load_value(value) for value in table.tables("value")),
        qr=QrBox(_length(qr, "x"), _length(qr, "y"), _positive(qr, "size")),
        seals=tuple(_load_seal(seal) for seal in table.tables("seal")),
        photo=_load_photo(table.table("photo")) if table.has("photo") else None,
        specimen=SpecimenMark(
            specimen.text("text"),
            _length(specimen, "x"),
            _length(specimen, "y"),
            _positive(specimen, "size"),
            specimen.number("angle"),
            _colour(specimen, "colour"),
        ),
    )
    for part in (page, qr, specimen, table):
        part.finish()
    _check_places(table, face)
    _check_fields(table, face, load_licence_type(folder))
    return face


def _load_seal(table: Table) -> SealSpot:
    spot = SealSpot(_length(table, "x"), _length(table, "y"), _positive(table, "diameter"))
    table.finish()
    return spot


def _check_places(table: Table, face: Face) -> None:
    if face.width > 1200 or face.height > 1200:
        table.refuse("page", "is larger than A0")
    boxes = {value.source: value.box for value in face.values}
    boxes |= {f"seal {n}": _seal_box(seal) for n, seal in enumerate(face.seals, 1)}
    if face.photo is not None:
        boxes["photo"] = face.photo
    for name, box in boxes.items():
        if face.qr.box.overlaps(box):
            table.refuse(name, "overlaps the QR code")
    boxes |= {f"art {n}": _art_box(art) for n, art in enumerate(face.art, 1)}
    boxes |= {"qr": face.qr.box, "specimen": Box(face.specimen.x, face.specimen.y, 0, 0)}
    for name, box in boxes.items():
        inside = box.x >= 0 and box.y >= 0
        if not inside or box.x + box.width > face.width or box.y + box.height > face.height:
            table.refuse(name, "leaves the page")
    if not face.seals:
        table.refuse("seal", "is missing: a licence is sealed")
    for seal in face.seals:
        if face.qr.box.distance(seal.x, seal.y) < seal.diameter / 2 + SEAL_CLEARANCE_MM:
            table.refuse("seal", "comes too near the QR code")
    if face.qr.size < (21 + 2 * QUIET_ZONE) * MIN_MODULE_MM:
        table.refuse("qr", "is too small for any symbol")


def _seal_box(seal: SealSpot) -> Box:
    radius = seal.diameter / 2
    return Box(seal.x - radius, seal.y - radius, seal.diameter, seal.diameter)


def _art_box(art: Art) -> Box:
    match art:
        case Line():
            return Box(min(art.x1, art.x2), min(art.y1, art.y2), abs(art.x1 - art.x2), abs(art.y1 - art.y2))
        case Rosette():
            return Box(art.x - art.outer, art.y - art.outer, 2 * art.outer, 2 * art.outer)
        case _:
            return art.box


def _check_fields(table: Table, face: Face, licence_type: LicenceType) -> None:
    sources = [value.source for value in face.values]
    fields = {field.name for field in licence_type.fields if field.kind is not FieldKind.PHOTO}
    for source in sources:
        if sources.count(source) > 1 or source not in fields | set(BUILT_IN):
            table.refuse(source, "is placed twice, or is no field of the type")
    for name in (*sorted(fields), *BUILT_IN):
        if name not in sources:
            table.refuse(name, "has no place on the face")
    if (face.photo is not None) != any(field.kind is FieldKind.PHOTO for field in licence_type.fields):
        table.refuse("photo", "and a field for it belong together")
