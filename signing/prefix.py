"""The part of a licence's file that is the same for many licences: compiled, stored and hashed once.

A licence is a prefix and a tail (`signing.tail`), one revision, signed whole (design, section 4.3). A prefix
is the base of a face and a block of validation data. The base holds all that never changes: pages, artwork,
seal pictures, a font of common characters, the structure tree that gives each value its name, the colour
profile, the form with its seals; it names the objects of block and tail by fixed numbers. The block holds
what proves the certificates of seal and time-stamp (PAdES B-LT, EN 319 142-1, 5.4), within what is signed; it
is made anew every few minutes and is small. PDF/A-3u (ISO 19005-3).
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import new as new_hash
from importlib.resources import files
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf, String
from PIL import ImageCms

from keys.errors import Kind, VermilionError
from signing import security_store
from signing.annotation_drawing import BAND_MM, SOURCE, band
from signing.associated_file import associate
from signing.document import SealPicture, ValidationData
from signing.draw import ATTACHMENT
from signing.face import Box, Face, Page, SealSpot, SpecimenMark, ValueBox
from signing.fonts import ASCENT, DESCENT, Weight
from signing.glyphs import UNITS_PER_EM
from signing.licence_type import FieldKind, LicenceType
from signing.pdf_objects import slot, write_body
from signing.text_layout import MM
from signing.value_font import BOX, GlyphSet, build_value_font

FIELD_NAME = "Seal%d"
COMMON, OWN = b"/F0", b"/F1"
"""Resource names of the prefix's font, and of the font of the characters that only this licence has."""

CALLED = {
    "identifier": "证照标识",
    "lookup_code": "查验码",
    "verify_host": "核验网址",
    SOURCE: "加注",
}
"""What a screen reader calls the values that are no field of the type."""

_ASCII = "".join(map(chr, range(0x20, 0x7F)))
_OF_CODES = frozenset(
    {FieldKind.DATE, FieldKind.MONTH, FieldKind.USCC, FieldKind.CITIZEN_ID, FieldKind.PHONE, FieldKind.NUMBER}
)
_PRINTED = 4  # annotation flag
_LOCKED = 128


@dataclass(frozen=True)
class Base:
    """A compiled face, and what writing a tail needs to know of it."""

    data: bytes
    table: bytes  # its cross-reference entries, the free one included
    slots: dict[str, int]  # numbers of the tail's objects, in their order; "validation" is the last
    licence_type: LicenceType
    face: Face
    glyphs: GlyphSet
    common: dict[Weight, dict[str, bytes]]  # glyph numbers in the base's font, hex
    specimen: bool
    photo: bool
    copied: bool  # of annotated copies
    validated: bool  # whether a block of validation data follows

    @property
    def tail_objects(self) -> int:
        """How many objects a tail has."""
        return len(self.slots) - self.validated

    @cached_property
    def parts(self) -> list[list[Part]]:
        """What each page's tail draws, as `page_parts` has it."""
        pages = range(len(self.face.pages))
        return [page_parts(self.face, page, photo=self.photo, copied=self.copied) for page in pages]


@dataclass(frozen=True)
class Prefix:
    """A base, and the validation data of one seal and one time-stamp authority where it wants them."""

    base: Base
    validation: ValidationData | None
    block: bytes
    table: bytes  # the block's cross-reference entries; its numbers follow the tail's
    _states: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def data(self) -> bytes:
        """The bytes of the file before the tail."""
        return self.base.data + self.block

    def state(self, digest_name: str) -> Any:
        """A hash object that has read the prefix; the caller copies it before going on."""
        if digest_name not in self._states:
            self._states[digest_name] = new_hash(digest_name, self.data)
        return self._states[digest_name]


def compile_base(
    face: Face,
    licence_type: LicenceType,
    pictures: Sequence[SealPicture],
    glyphs: GlyphSet,
    *,
    specimen: bool,
    photo: bool,
    validated: bool,
    copied: bool = False,
) -> Base:
    """Compile a face for these seals' pictures, in the order of the seals' numbers.

    The same input gives the same bytes. Raises VermilionError(INVALID): `seal_count`, `seal_size` where a
    picture is larger than its place, `glyph_missing`, `drawing` for artwork that cannot be written.
    """
    _check_pictures(face, pictures)
    try:
        with Pdf.new() as pdf:
            compiler = _Compiler(
                pdf,
                face,
                licence_type,
                glyphs,
                specimen=specimen,
                photo=photo,
                copied=copied,
                validated=validated,
            )
            return compiler.compile(pictures)
    except pikepdf.PdfError as error:
        raise VermilionError(Kind.INVALID, "the face cannot be compiled", reason="drawing") from error


def make_prefix(base: Base, validation: ValidationData | None = None) -> Prefix:
    """A base with the validation data that it wants, or without where it wants none."""
    if base.validated != (validation is not None):
        raise VermilionError(Kind.INVALID, "the face was compiled otherwise", reason="other_prefix")
    if validation is None:
        return Prefix(base, None, b"", b"")
    block = bytearray()
    entries: list[bytes] = []
    first = base.slots["validation"]

    def write(content: bytes) -> bytes:
        """Write the next object; a reference to it."""
        number = first + len(entries)
        entries.append(b"%010d 00000 n \n" % (len(base.data) + len(block)))
        block.extend(b"%d 0 obj\n%s\nendobj\n" % (number, content))
        return b"%d 0 R" % number

    lists = (validation.crls, validation.certificates, validation.ocsps)
    after = first + 1
    numbers = []
    for values in lists:
        numbers.append(range(after, after + len(values)))
        after += len(values)
    write(security_store.dictionary(*numbers))
    for values in lists:
        for value in values:
            write(security_store.stream(value))
    return Prefix(base, validation, bytes(block), b"".join(entries))


def _check_pictures(face: Face, pictures: Sequence[SealPicture]) -> None:
    if len(pictures) != face.seal_count:
        raise VermilionError(
            Kind.INVALID, "the face has places for another number of seals", reason="seal_count"
        )
    for spot in face.seals:
        picture = pictures[spot.number - 1]
        if max(picture.width_mm, picture.height_mm) > spot.diameter + 1e-6:
            raise VermilionError(
                Kind.INVALID, "the seal is larger than its place on the face", reason="seal_size"
            )


@lru_cache(maxsize=1)
def _common_characters() -> str:
    text = files("signing").joinpath("common_characters.txt").read_text("utf-8")
    return "".join(line for line in text.splitlines() if not line.startswith("#"))


class _Compiler:
    def __init__(
        self,
        pdf: Pdf,
        face: Face,
        licence_type: LicenceType,
        glyphs: GlyphSet,
        *,
        specimen: bool,
        photo: bool,
        copied: bool,
        validated: bool,
    ) -> None:
        self.pdf, self.face, self.type, self.glyphs = pdf, face, licence_type, glyphs
        self.specimen, self.photo, self.copied, self.validated = specimen, photo, copied, validated
        self.slots = [f"content-{n}" for n in range(len(face.pages))]
        self.slots += ["font", "widths", "to-unicode", "record", "metadata"]
        self.slots += ["photo"] if photo else []
        self.slots.append("seal")
        self.slots += ["validation"] if validated else []
        self.objects = {name: slot(pdf, name) for name in self.slots}

    def compile(self, pictures: Sequence[SealPicture]) -> Base:
        pdf, root = self.pdf, self.pdf.Root
        common = self._common_glyphs()
        self.fonts = Dictionary({COMMON.decode(): self._common_font(common), OWN.decode(): self._own_font()})
        forms = [self._form(picture.data, 0) for picture in pictures]
        self.pages = [self._page(number, common, forms) for number in range(len(self.face.pages))]
        tree = pdf.make_indirect(Dictionary(Type=Name.Pages, Count=len(self.pages), Kids=Array(self.pages)))
        for page in self.pages:
            page.Parent = tree
        root.Pages = tree
        fields = self._seal_fields(forms)
        root.AcroForm = Dictionary(Fields=Array(fields), SigFlags=3)
        root.Perms = Dictionary(DocMDP=self.objects["seal"])
        self._structure(fields[:1])  # a further seal changes its field, and the structure is not to change
        self._archive()
        self._record()
        if self.validated:
            root.DSS = self.objects["validation"]
        body = write_body(pdf, self.slots)
        entries = [b"0000000000 65535 f \n", *(b"%010d 00000 n \n" % offset for offset in body.offsets)]
        return Base(
            data=body.data,
            table=b"".join(entries),
            slots=body.slots,
            licence_type=self.type,
            face=self.face,
            glyphs=self.glyphs,
            common={
                weight: {char: b"%04x" % at for at, (own, char) in enumerate(common, 1) if own is weight}
                for weight in Weight
            },
            specimen=self.specimen,
            photo=self.photo,
            copied=self.copied,
            validated=self.validated,
        )

    # Fonts

    def _common_glyphs(self) -> list[tuple[Weight, str]]:
        """The characters that values of this type probably have, and all that the specimen's mark has."""
        wanted: dict[tuple[Weight, str], None] = {}
        kinds = {f.name: f for f in self.type.fields}
        for place in self.face.values:
            known = kinds.get(place.source)
            if known is None or known.kind in _OF_CODES:
                text = _ASCII + "年月日" + ("扫码核验，网址须以开头。–" if known is None else "")
            else:
                text = _ASCII + (_common_characters() if not known.choices else "".join(known.choices))
            wanted |= dict.fromkeys((place.style.weight, char) for char in text)
        if self.specimen:
            marks = "".join(mark.text for mark in self.face.specimen)
            wanted |= dict.fromkeys((Weight.BOLD, char) for char in marks)
        return [key for key in wanted if self.glyphs.covers(*key)]

    def _common_font(self, common: Sequence[tuple[Weight, str]]) -> pikepdf.Object:
        glyphs = [self.glyphs.get(*key) for key in common]
        font = self.pdf.make_stream(zlib.compress(build_value_font(glyphs), 9), Filter=Name.FlateDecode)
        font.Length1 = len(build_value_font(glyphs))
        widths = Array([1, Array([glyph.advance for glyph in glyphs])])
        characters = to_unicode(char for _, char in common)
        map_ = self.pdf.make_stream(zlib.compress(characters, 9), Filter=Name.FlateDecode)
        return self._font("VERMIA+Vermilion", font, widths, map_)

    def _own_font(self) -> pikepdf.Object:
        return self._font(
            "VERMIB+Vermilion", self.objects["font"], self.objects["widths"], self.objects["to-unicode"]
        )

    def _font(self, name: str, file: object, widths: object, characters: object) -> pikepdf.Object:
        pdf = self.pdf
        descriptor = Dictionary(
            Type=Name.FontDescriptor,
            FontName=Name(f"/{name}"),
            Flags=4,
            FontBBox=Array(list(BOX)),
            ItalicAngle=0,
            Ascent=ASCENT,
            Descent=DESCENT,
            CapHeight=ASCENT,
            StemV=80,
            FontFile2=file,
        )
        descendant = Dictionary(
            Type=Name.Font,
            Subtype=Name.CIDFontType2,
            BaseFont=Name(f"/{name}"),
            CIDSystemInfo=Dictionary(Registry=String("Adobe"), Ordering=String("Identity"), Supplement=0),
            FontDescriptor=pdf.make_indirect(descriptor),
            DW=UNITS_PER_EM,
            W=widths,
            CIDToGIDMap=Name.Identity,
        )
        return pdf.make_indirect(
            Dictionary(
                Type=Name.Font,
                Subtype=Name.Type0,
                BaseFont=Name(f"/{name}"),
                Encoding=Name("/Identity-H"),
                DescendantFonts=Array([pdf.make_indirect(descendant)]),
                ToUnicode=characters,
            )
        )

    # Pages

    def _form(self, data: bytes, page: int) -> pikepdf.Object:
        """A page of another file as a form XObject."""
        with Pdf.open(io.BytesIO(data)) as source:
            form = self.pdf.copy_foreign(source.pages[page].as_form_xobject())
        form.write(zlib.compress(form.read_bytes(), 9), filter=Name.FlateDecode)  # a page's are joined plain
        for key in ("/StructParents", "/StructParent", "/PieceInfo", "/Metadata"):
            if key in form:
                del form[key]
        return form

    def _page(
        self, number: int, common: Sequence[tuple[Weight, str]], seals: Sequence[pikepdf.Object]
    ) -> pikepdf.Object:
        size = self.face.pages[number]
        background = [b"/Artifact BMC\n/Artwork Do\n"]
        forms = {"/Artwork": self._form(self.face.artwork, number)}
        if self.specimen:
            glyph_numbers = {key: at for at, key in enumerate(common, 1)}
            background += [self._mark(m, glyph_numbers) for m in self.face.specimen if m.page == number]
        background.append(b"EMC\n")
        foreground = []
        for spot in self._copies():
            if spot.page == number:
                form = forms[f"/Seal{spot.number}"] = seals[spot.number - 1]
                left, bottom, right, top = map(float, form.BBox)
                x, y = spot.x * MM - (left + right) / 2, spot.y * MM - (bottom + top) / 2
                foreground.append(b"q 1 0 0 1 %.3f %.3f cm /Seal%d Do Q\n" % (x, y, spot.number))
        contents = [self.pdf.make_stream(b"".join(background)), self.objects[f"content-{number}"]]
        if foreground:
            drawn = b"/Artifact BMC\n%sEMC\n" % b"".join(foreground)
            contents.append(self.pdf.make_stream(drawn))
        for spot in self._firsts():
            if spot.number > 1 and spot.page == number:
                # Shown once it is sealed (`signing.joint`), and named here until then.
                forms[f"/Seal{spot.number}"] = seals[spot.number - 1]
        if any(photo.page == number for photo in self.face.photos) and self.photo:
            forms["/Photo"] = self.objects["photo"]
        faint = Dictionary(Type=Name.ExtGState, ca=0.16)
        bottom = -BAND_MM if self.copied else 0
        return self.pdf.make_indirect(
            Dictionary(
                Type=Name.Page,
                MediaBox=Array([0, round(bottom * MM, 3), *_corner(size)]),
                Resources=Dictionary(
                    XObject=Dictionary(forms), Font=self.fonts, ExtGState=Dictionary(Faint=faint)
                ),
                Contents=Array(contents),
                StructParents=number,
                Tabs=Name.S,
            )
        )

    def _firsts(self) -> Iterable[SealSpot]:
        """Where the seals' widgets are, in their order."""
        numbers = range(1, self.face.seal_count + 1)
        return (next(s for s in self.face.seals if s.number == number) for number in numbers)

    def _copies(self) -> Iterable[SealSpot]:
        """Where a seal's picture stands without its widget, which is at its first place."""
        seen = set()
        for spot in self.face.seals:
            if spot.number in seen:
                yield spot
            seen.add(spot.number)

    def _mark(self, mark: SpecimenMark, numbers: dict[tuple[Weight, str], int]) -> bytes:
        cos, sin = (f(math.radians(mark.angle)) for f in (math.cos, math.sin))
        width = sum(self.glyphs.get(Weight.BOLD, char).advance for char in mark.text) / UNITS_PER_EM
        shown = "".join(f"{numbers[Weight.BOLD, char]:04x}" for char in mark.text)
        return (
            f"q /Faint gs {colour(mark.colour)} rg "
            f"{cos:.6f} {sin:.6f} {-sin:.6f} {cos:.6f} {mark.x * MM:.3f} {mark.y * MM:.3f} cm "
            f"BT {COMMON.decode()} {mark.size:.3f} Tf "
            f"{-width * mark.size / 2:.3f} {-mark.size * 0.38:.3f} Td <{shown}> Tj ET Q\n"
        ).encode("ascii")

    # Seals

    def _seal_fields(self, forms: Sequence[pikepdf.Object]) -> list[pikepdf.Object]:
        fields: list[pikepdf.Object] = []
        for number, (form, spot) in enumerate(zip(forms, self._firsts(), strict=True), 1):
            bounds = [float(edge) for edge in form.BBox]
            half = (bounds[2] - bounds[0]) / 2, (bounds[3] - bounds[1]) / 2
            x, y = spot.x * MM, spot.y * MM
            widget = Dictionary(
                Type=Name.Annot,
                Subtype=Name.Widget,
                FT=Name.Sig,
                T=String(FIELD_NAME % number),
                TU=String("电子印章"),
                F=_PRINTED | _LOCKED,
                Rect=Array([round(n, 3) for n in (x - half[0], y - half[1], x + half[0], y + half[1])]),
                P=self.pages[spot.page],
            )
            if number == 1:
                widget.AP = Dictionary(N=form)
                widget.V = self.objects["seal"]
            elif number == len(forms):
                lock = Dictionary(Type=Name.SigFieldLock, Action=Name.All, P=1)
                widget.Lock = self.pdf.make_indirect(lock)  # ISO 32000-2, 12.7.5.5, wants it so
            made = self.pdf.make_indirect(widget)
            page = self.pages[spot.page]
            page.Annots = Array([*page.get("/Annots", []), made])
            fields.append(made)
        return fields

    # Structure (ISO 32000-1, 14.7)

    def _structure(self, fields: Sequence[pikepdf.Object]) -> None:
        pdf = self.pdf
        root = pdf.make_indirect(Dictionary(Type=Name.StructTreeRoot))
        document = pdf.make_indirect(
            Dictionary(Type=Name.StructElem, S=Name.Document, P=root, Lang=String("zh-CN"))
        )
        children: list[pikepdf.Object] = []
        numbers: list[object] = []
        labels = {f.name: f.label["zh"] for f in self.type.fields} | CALLED
        for number, page in enumerate(self.pages):
            owners: list[pikepdf.Object] = []  # by marked-content number
            for part in page_parts(self.face, number, photo=self.photo, copied=self.copied):
                element = Dictionary(Type=Name.StructElem, P=document, Pg=page)
                made = pdf.make_indirect(element)
                if isinstance(part, ValueBox):
                    label = pdf.make_indirect(
                        Dictionary(
                            Type=Name.StructElem, S=Name.Span, P=made, Pg=page, K=len(owners),
                            Alt=String(labels[part.source]),
                        )
                    )  # fmt: skip
                    made.S = Name.P
                    made.K = Array([label, len(owners) + 1])
                    owners += [label, made]
                else:
                    what, box = part
                    made.S = Name.Figure
                    made.Alt = String("二维码" if what == "qr" else "照片")
                    made.A = Dictionary(O=Name.Layout, BBox=Array([round(n, 3) for n in _edges(box)]))
                    made.K = len(owners)
                    owners.append(made)
                children.append(made)
            numbers += [number, Array(owners)]
        for at, widget in enumerate(fields):
            key = len(self.pages) + at
            element = pdf.make_indirect(
                Dictionary(
                    Type=Name.StructElem, S=Name.Form, P=document, Pg=widget.P, Alt=String("电子印章"),
                    K=Dictionary(Type=Name.OBJR, Obj=widget, Pg=widget.P),
                )
            )  # fmt: skip
            widget.StructParent = key
            numbers += [key, element]
            children.append(element)
        document.K = Array(children)
        root.K = document
        root.ParentTree = Dictionary(Nums=Array(numbers))
        root.ParentTreeNextKey = len(self.pages) + len(fields)
        pdf.Root.StructTreeRoot = root
        pdf.Root.MarkInfo = Dictionary(Marked=True)

    # What an archive wants

    def _archive(self) -> None:
        root = self.pdf.Root
        profile = self.pdf.make_stream(zlib.compress(_srgb(), 9), Filter=Name.FlateDecode, N=3)
        root.OutputIntents = Array(
            [
                Dictionary(
                    Type=Name.OutputIntent,
                    S=Name.GTS_PDFA1,
                    OutputConditionIdentifier=String("sRGB IEC61966-2.1"),
                    Info=String("sRGB IEC61966-2.1"),
                    DestOutputProfile=profile,
                )
            ]
        )
        root.Metadata = self.objects["metadata"]
        root.Lang = String("zh-CN")
        root.ViewerPreferences = Dictionary(DisplayDocTitle=True)

    def _record(self) -> None:
        associate(self.pdf, ATTACHMENT, self.objects["record"], "The printed record", Name.Data)


Part = ValueBox | tuple[str, Box]


def page_parts(face: Face, page: int, *, photo: bool, copied: bool) -> list[Part]:
    """What a page's tail draws, in reading order: values, and ("qr" or "photo", its box).

    Prefix and tail number marked content alike by it: a value takes two numbers, the empty one of its label
    first, a figure one.
    """
    parts: list[Part] = [value for value in face.values if value.page == page]
    parts += [("qr", qr.box) for qr in face.qr if qr.page == page]
    parts += [("photo", place.box) for place in face.photos if place.page == page and photo]
    parts += [band(face.pages[page], page)] if copied else []
    return sorted(parts, key=_reading_order)


def _reading_order(part: Part) -> tuple[float, float]:
    box = part.box if isinstance(part, ValueBox) else part[1]
    return -(box.y + box.height), box.x


def _corner(page: Page) -> tuple[float, float]:
    return round(page.width * MM, 3), round(page.height * MM, 3)


def _edges(box: Box) -> tuple[float, float, float, float]:
    return box.x * MM, box.y * MM, (box.x + box.width) * MM, (box.y + box.height) * MM


def colour(value: str) -> str:
    """The three operands of a colour "#rrggbb"."""
    return " ".join(f"{int(value[at : at + 2], 16) / 255:.3f}" for at in (1, 3, 5))


_CMAP_HEAD = (
    b"/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
    b"/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def\n"
    b"/CMapName /Vermilion-UCS def\n/CMapType 2 def\n"
    b"1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n"
)
_CMAP_END = b"endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n"
_BLOCK = 100  # entries in one bfchar section, at most


def to_unicode(characters: Iterable[str]) -> bytes:
    """The ToUnicode CMap of a font whose glyphs 1, 2, … are these characters (ISO 32000-1, 9.10.3)."""
    lines = [
        f"<{number:04x}> <{char.encode('utf-16-be').hex()}>\n" for number, char in enumerate(characters, 1)
    ]
    blocks = []
    for at in range(0, len(lines), _BLOCK):
        block = lines[at : at + _BLOCK]
        blocks.append(f"{len(block)} beginbfchar\n{''.join(block)}endbfchar\n")
    return _CMAP_HEAD + "".join(blocks).encode("ascii") + _CMAP_END


@lru_cache(maxsize=1)
def _srgb() -> bytes:
    """An sRGB profile (ICC.1) without a date of making."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    moment = slice(24, 36)
    return profile[: moment.start] + bytes.fromhex("07ea00010001000000000000") + profile[moment.stop :]
