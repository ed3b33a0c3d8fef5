"""What the form of a face may not hold: anything that acts, and artwork that no document may carry.

A document shall look the same to everybody for as long as it counts, and be PDF/A-3u (ISO 19005-3): fonts
embedded, each character's text known, grey and RGB only. Every fault names its page where it has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pikepdf
from pikepdf import Pdf

from keys.errors import Fault
from signing.face import fault
from signing.strict_check import ACTIONS, ACTIVE_KEYS

# A form's own, which do not reach a document: a destination to begin at, and a hint to draw the fields.
_OF_THE_FORM = frozenset({"OpenAction", "NeedAppearances"})
_ALSO_ACTIVE = frozenset({"EmbeddedFiles", "EF", "RichMediaSettings", "RichMedia"})
_GREY_OR_RGB = frozenset({"DeviceGray", "DeviceRGB", "CalGray", "CalRGB", "G", "RGB"})
_FONT_PROGRAMS = ("/FontFile", "/FontFile2", "/FontFile3")
_MAX_DEPTH = 12


def form_faults(form: Pdf) -> list[Fault]:
    """What acts in a form, whole: scripts, actions, files in it, annotations that are no form fields."""
    found: dict[str, Fault] = {}
    if form.is_encrypted:
        found["encrypted"] = fault(None, "", "face_encrypted", "the form is encrypted")
    waiting: list[Any] = [form.trailer, *form.objects]
    while waiting:
        value = waiting.pop()
        if isinstance(value, pikepdf.Array):
            waiting += [item for item in value if _direct(item)]
        if not isinstance(value, pikepdf.Dictionary | pikepdf.Stream):
            continue
        entries = _entries(value)
        for key in entries.keys() & ((ACTIVE_KEYS | _ALSO_ACTIVE) - _OF_THE_FORM):
            found[key] = fault(None, "", "face_active", f"the form holds active content ({key})")
        opening = entries.get("OpenAction")
        if isinstance(opening, pikepdf.Dictionary):
            found["OpenAction"] = fault(None, "", "face_active", "the form holds active content (OpenAction)")
        action = _name(entries.get("S"))
        if action in ACTIONS | {"URI"}:
            found[action] = fault(None, "", "face_active", f"the form holds an action ({action})")
        waiting += [item for item in entries.values() if _direct(item)]
    return [*found.values(), *_annotation_faults(form)]


def _annotation_faults(form: Pdf) -> Iterator[Fault]:
    for number, page in enumerate(form.pages):
        for annotation in page.obj.get("/Annots", []):
            kind = _name(annotation.get("/Subtype"))
            if kind != "Widget":
                yield fault(number, "", "face_active", f"an annotation is no form field ({kind})")


def artwork_faults(artwork: Pdf) -> list[Fault]:
    """What of a face's artwork no document may carry: fonts, colours, images and names."""
    found: dict[tuple[int, str, str], Fault] = {}
    for number, page in enumerate(artwork.pages):
        for reason, why in _Content().of_page(page):
            found[number, reason, why] = fault(number, "", reason, why)
    for item in artwork.objects:
        if isinstance(item, pikepdf.Dictionary | pikepdf.Stream):
            for key in _deep_keys(item) & ACTIVE_KEYS:
                found[0, "", key] = fault(None, "", "face_active", f"the artwork has an entry {key}")
    return list(found.values())


def _deep_keys(value: Any, depth: int = 0) -> set[str]:
    keys: set[str] = set()
    if depth > _MAX_DEPTH:
        return keys
    items: Iterable[Any] = value if isinstance(value, pikepdf.Array) else ()
    if isinstance(value, pikepdf.Dictionary | pikepdf.Stream):
        entries = _entries(value)
        keys, items = set(entries), entries.values()
    for item in items:
        if _direct(item):
            keys |= _deep_keys(item, depth + 1)
    return keys


class _Content:
    """A walk through what one page draws with; yields reason and words."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()

    def of_page(self, page: pikepdf.Page) -> Iterator[tuple[str, str]]:
        if "/Group" in page.obj:
            yield from self._colour_space(page.obj.Group.get("/CS"))
        yield from self._operators(page)
        yield from self._resources(page.obj.get("/Resources"), 0)

    def _resources(self, resources: Any, depth: int) -> Iterator[tuple[str, str]]:
        if resources is None or self._met(resources):
            return
        if depth > _MAX_DEPTH:
            yield "face_artwork", "forms within forms go too deep"
            return
        for font in _values(resources, "/Font"):
            yield from self._font(font, depth)
        for space in _values(resources, "/ColorSpace"):
            yield from self._colour_space(space)
        for thing in _values(resources, "/XObject"):
            yield from self._x_object(thing, depth)
        for pattern in _values(resources, "/Pattern"):
            if isinstance(pattern, pikepdf.Stream):
                yield from self._drawn(pattern, depth)
            else:
                yield from self._colour_space(pattern.get("/Shading", {}).get("/ColorSpace"))
        for shading in _values(resources, "/Shading"):
            yield from self._colour_space(shading.get("/ColorSpace"))
        for state in _values(resources, "/ExtGState"):
            yield from self._graphics_state(state, depth)

    def _drawn(self, stream: Any, depth: int) -> Iterator[tuple[str, str]]:
        """A form, a pattern or a glyph: content with resources of its own."""
        if self._met(stream):
            return
        yield from self._operators(stream)
        yield from self._resources(stream.get("/Resources"), depth + 1)

    def _operators(self, content: Any) -> Iterator[tuple[str, str]]:
        for instruction in pikepdf.parse_content_stream(content):
            operator = str(instruction.operator)
            chosen = _name(instruction.operands[0]) if operator in {"cs", "CS"} else ""
            if operator in {"k", "K"} or chosen == "DeviceCMYK":
                yield "face_colour", "a colour is in CMYK: use grey or RGB"
            elif isinstance(instruction, pikepdf.ContentStreamInlineImage):
                image = instruction.iimage.obj
                space = image.get("/ColorSpace", image.get("/CS"))
                if _name(space) in {"DeviceCMYK", "CMYK"}:
                    yield "face_colour", "an image is in CMYK: use grey or RGB"
                elif isinstance(space, pikepdf.Array):
                    yield from self._colour_space(space)

    def _font(self, font: Any, depth: int) -> Iterator[tuple[str, str]]:
        if self._met(font):
            return
        name = _name(font.get("/BaseFont")) or _name(font.get("/Name")) or "without a name"
        if not isinstance(font.get("/ToUnicode"), pikepdf.Stream):
            yield "face_font", f"the text set in the font {name} cannot be read back (no ToUnicode)"
        if font.get("/Subtype") == "/Type3":
            for glyph in font.get("/CharProcs", {}).values():
                yield from self._operators(glyph)
            yield from self._resources(font.get("/Resources"), depth + 1)
            return
        owner = font.DescendantFonts[0] if font.get("/Subtype") == "/Type0" else font
        descriptor = owner.get("/FontDescriptor", {})
        if not any(isinstance(descriptor.get(key), pikepdf.Stream) for key in _FONT_PROGRAMS):
            yield "face_font", f"the font {name} is not embedded"

    def _x_object(self, thing: Any, depth: int) -> Iterator[tuple[str, str]]:
        if thing.get("/Subtype") == "/Image":
            yield from self._image(thing)
        elif thing.get("/Subtype") != "/Form" or "/Ref" in thing or "/PS" in thing or "/Subtype2" in thing:
            yield "face_artwork", "an external object is neither image nor form"
        else:
            if "/Group" in thing:
                yield from self._colour_space(thing.Group.get("/CS"))
            yield from self._drawn(thing, depth)

    def _image(self, image: Any) -> Iterator[tuple[str, str]]:
        if self._met(image):
            return
        filters = image.get("/Filter", [])
        names = [filters] if isinstance(filters, pikepdf.Name) else list(filters)
        if "/JPXDecode" in names or "/Alternates" in image or "/OPI" in image:
            yield "face_artwork", "an image is coded as JPEG 2000, or has alternatives"
        if image.get("/Interpolate", False):
            yield "face_artwork", "an image asks to be smoothed (Interpolate)"
        if not image.get("/ImageMask", False):
            yield from self._colour_space(image.get("/ColorSpace"), missing="an image has no colour space")
        if "/SMask" in image:
            yield from self._image(image.SMask)

    def _graphics_state(self, state: Any, depth: int) -> Iterator[tuple[str, str]]:
        if state.get("/TR") is not None or state.get("/HTP") is not None:
            yield "face_artwork", "a graphics state changes how colours come out (TR, HTP)"
        if state.get("/TR2", "/Default") != "/Default":
            yield "face_artwork", "a graphics state changes how colours come out (TR2)"
        mask = state.get("/SMask")
        if isinstance(mask, pikepdf.Dictionary):
            yield from self._x_object(mask.G, depth + 1)
        if "/Font" in state:
            yield from self._font(state.Font[0], depth)

    def _colour_space(self, space: Any, missing: str = "") -> Iterator[tuple[str, str]]:
        """Device grey and RGB, calibrated ones, ICC profiles of one or three components, and palettes of
        these.
        """
        if space is None:
            if missing:
                yield "face_artwork", missing
            return
        parts = list(space) if isinstance(space, pikepdf.Array) else [space]
        name = _name(parts[0]) if parts else ""
        match name:
            case "Pattern" | "Indexed" | "I":
                if len(parts) > 1:
                    yield from self._colour_space(parts[1])
            case "ICCBased" if len(parts) == 2 and parts[1].get("/N") in (1, 3):
                pass
            case _ if name not in _GREY_OR_RGB:
                yield "face_colour", f"a colour space is {name or 'unknown'}: use grey or RGB"

    def _met(self, value: Any) -> bool:
        """Whether an indirect object was walked through before."""
        key = value.objgen
        if key == (0, 0):
            return False
        known = key in self._seen
        self._seen.add(key)
        return known


def _values(resources: Any, kind: str) -> list[Any]:
    return list(resources.get(kind, {}).values())


def _entries(value: Any) -> dict[str, Any]:
    return {key.removeprefix("/"): item for key, item in value.items()}


def _direct(value: Any) -> bool:
    """Whether a value is one that holds others, and is no object of its own."""
    return isinstance(value, pikepdf.Dictionary | pikepdf.Array) and not value.is_indirect


def _name(value: Any) -> str:
    return str(value).removeprefix("/") if isinstance(value, pikepdf.Name) else ""
