"""Trying a face before it serves: everything that could be wrong with a form, and how a specimen looks.

A form comes from outside, and what reads and renders PDF is large. So it runs in a process of its own, under
limits of processor time, memory and files written, which gets bytes and gives back faults and a picture.
"""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pikepdf
from pikepdf import Pdf
from PIL import Image

from keys.errors import Fault, Kind, VermilionError
from signing.apart import Limits
from signing.draw import draw, printed_values
from signing.face import Box, Face, fault
from signing.face_form import BROKEN, read_face
from signing.face_specimen import corpus, fits_all, longest_printout
from signing.fonts import Fonts
from signing.form_faults import artwork_faults, form_faults
from signing.glyphs import FontSource
from signing.licence_type import Field, FieldKind, LicenceType, Role, read_licence_type
from signing.qr_symbol import qr_text
from signing.record import Printout
from signing.seal_picture import DIAMETER_MM, EMBLEM_KINDS, SealKind, draw_seal_picture
from signing.text_layout import MM

DPI = 150
"""Of the picture from which the QR code must scan: an office printer's draft, or a simple scanner."""

LIMITS = Limits(cpu_seconds=120, wall_seconds=240, memory_bytes=2 << 30)
MAX_ANSWER = 64 << 20

_GAP_MM = 4  # between the pages of a preview


@dataclass(frozen=True, slots=True)
class Trial:
    """What trying a face gave. With faults there may be no picture."""

    faults: tuple[Fault, ...]
    room: dict[str, int]  # characters, for each text of the type that may be longer than its place
    picture: bytes  # PNG: the pages of a specimen, one below the other; empty where none could be drawn

    def require(self) -> None:
        """Raises VermilionError(INVALID) for faults."""
        if self.faults:
            first = self.faults[0]
            raise VermilionError(
                Kind.INVALID,
                f"the face cannot be used: {first.detail}",
                reason=first.reason,
                faults=self.faults,
            )


def try_face(slug: str, type_toml: str, face_pdf: bytes, fonts: Fonts, origin: str) -> Trial:
    """Try a form with a type's longest values, these fonts and links of this origin.

    Raises VermilionError: what `read_licence_type` and `read_face` raise; INVALID, reason `face_trial`, for a
    form whose trial breaks its limits; UNAVAILABLE where there is no trying.
    """
    names = "".join(corpus())
    # Into the cache, which the process below may only read; it says which field wants those that are missing.
    fonts.require("".join(char for char in names if char not in _missing(names, fonts)))
    order = {
        "slug": slug,
        "type_toml": type_toml,
        "face_pdf": base64.b64encode(face_pdf).decode("ascii"),
        "fonts": [_font_order(store.source) for store in (fonts.regular, fonts.bold)],
        "cache": str(fonts.regular.cache_dir),
        "origin": origin,
    }
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ}
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "signing.face_trial"],
                input=json.dumps(order).encode(),
                capture_output=True,
                timeout=LIMITS.wall_seconds,
                check=False,
                cwd=folder,
                env=kept,
            )
        except subprocess.TimeoutExpired:
            raise _broke_limits() from None
        except OSError as error:
            raise VermilionError(Kind.UNAVAILABLE, "a face cannot be tried on this machine") from error
    if done.returncode != 0 or len(done.stdout) > MAX_ANSWER:
        raise _broke_limits()
    answer = json.loads(done.stdout)
    if "error" in answer:
        told = answer["error"]
        raise VermilionError(
            Kind(told["kind"]), told["detail"], reason=told["reason"], faults=_faults(told["faults"])
        )
    return Trial(_faults(answer["faults"]), answer["room"], base64.b64decode(answer["picture"]))


def _broke_limits() -> VermilionError:
    return VermilionError(
        Kind.INVALID,
        f"trying the face took more than {LIMITS.cpu_seconds} s or {LIMITS.memory_bytes >> 20} MiB, "
        "or broke off",
        reason="face_trial",
    )


def _font_order(source: FontSource) -> dict[str, object]:
    return {**asdict(source), "path": str(source.path), "location": dict(source.location)}


def _faults(found: list[list[str]]) -> tuple[Fault, ...]:
    return tuple(Fault(*parts) for parts in found)


def examine(licence_type: LicenceType, face_pdf: bytes, fonts: Fonts, origin: str) -> Trial:
    """`try_face`, in this process: for files that are trusted, and for the process apart."""
    faults = _forms_faults(face_pdf)
    if any(found.reason == "face_encrypted" for found in faults):
        return Trial(tuple(faults), {}, b"")
    try:
        face = read_face(face_pdf, licence_type)
    except VermilionError as error:
        if error.kind is not Kind.INVALID:
            raise
        return Trial((*faults, *error.faults), {}, b"")
    with Pdf.open(io.BytesIO(face.artwork)) as artwork:
        faults += artwork_faults(artwork)
    if faults:
        return Trial(tuple(faults), {}, b"")
    faults += _values_without_glyphs(licence_type, face, fonts)
    if faults:
        return Trial(tuple(faults), {}, b"")
    faults += [*_names_without_room(licence_type, face, fonts), *_seals_without_room(licence_type, face)]
    printout, room = longest_printout(licence_type, face, fonts, origin)
    faults += _values_without_room(printout, licence_type, face, fonts)
    if faults:
        return Trial(tuple(faults), room, b"")
    try:
        drawn = draw(printout, licence_type, face, fonts)
    except VermilionError as error:
        if error.reason != "qr_too_large":
            raise
        smallest = min(face.qr, key=lambda qr: qr.size)
        why = "is too small for the longest values: a module would be smaller than 0.42 mm"
        return Trial((fault(smallest.page, "qr", "face_qr_small", why, smallest.box),), room, b"")
    pages = list(_render(_with_seals(drawn, licence_type, face, fonts)))
    return Trial(tuple(_unread_codes(printout, face, pages)), room, _preview(pages))


def _forms_faults(face_pdf: bytes) -> list[Fault]:
    try:
        with Pdf.open(io.BytesIO(face_pdf), suppress_warnings=True) as form:
            return form_faults(form)
    except pikepdf.PasswordError:
        return [fault(None, "", "face_encrypted", "the form is encrypted")]
    except BROKEN as error:
        raise VermilionError(
            Kind.MALFORMED, f"face.pdf cannot be read as a PDF form: {type(error).__name__}"
        ) from error


def _missing(text: str, fonts: Fonts) -> list[str]:
    """The characters that one of the weights has no glyph for."""
    return sorted({char for char in text if not (fonts.regular.covers(char) and fonts.bold.covers(char))})


def _for_people(field: Field, licence_type: LicenceType) -> bool:
    """Whether a field takes names of people."""
    roles = {Role.REPRESENTATIVE} if licence_type.holder_category == "legal" else {Role.HOLDER_NAME}
    return field.role in roles | {Role.REPRESENTATIVE}


def _values_without_glyphs(licence_type: LicenceType, face: Face, fonts: Fonts) -> Iterator[Fault]:
    """Of what values are known to hold: names of people, any text as long as they are, choices."""
    for field in licence_type.fields:
        texts = field.choices
        if field.kind in {FieldKind.TEXT, FieldKind.LIST}:
            texts = corpus()
        missing = _missing("".join(texts), fonts)
        if missing:
            whose = "names of people may hold" if _for_people(field, licence_type) else "its values may hold"
            named = ", ".join(f"{char} (U+{ord(char):04X})" for char in missing)
            why = f"the fonts have no glyph for {named}, which {whose}"
            yield from _narrow(face, field.name, why, "glyph_missing")


def _names_without_room(licence_type: LicenceType, face: Face, fonts: Fonts) -> Iterator[Fault]:
    for field in licence_type.fields:
        if _for_people(field, licence_type):
            names = [name for name in corpus() if len(name) <= field.max_length]
            long = [name for name in names if not fits_all(face, fonts, field.name, name)]
            if long:
                yield from _narrow(face, field.name, f"names like {max(long, key=len)} do not fit")


def _values_without_room(
    printout: Printout, licence_type: LicenceType, face: Face, fonts: Fonts
) -> Iterator[Fault]:
    for source, text in printed_values(printout, licence_type).items():
        try:
            if not fits_all(face, fonts, source, text):
                yield from _narrow(
                    face, source, f"the longest value, of {len(text)} characters, does not fit"
                )
        except VermilionError as error:
            if error.reason != "glyph_missing":
                raise
            yield from _narrow(face, source, error.detail, error.reason)


def _narrow(face: Face, source: str, why: str, reason: str = "face_no_room") -> Iterator[Fault]:
    """At the smallest of a source's places."""
    place = min((v for v in face.values if v.source == source), key=lambda v: v.box.width * v.box.height)
    yield fault(place.page, source, reason, why, place.box)


def _seals_without_room(licence_type: LicenceType, face: Face) -> Iterator[Fault]:
    for seal in face.seals:
        diameter = DIAMETER_MM[SealKind(licence_type.kind_at(seal.number))]
        if seal.diameter < diameter:
            why = f"is {seal.diameter:.1f} mm wide, and the type's seal {diameter:.0f} mm"
            yield fault(seal.page, f"seal-{seal.number}", "face_no_room", why, seal.box)


def _with_seals(drawn: bytes, licence_type: LicenceType, face: Face, fonts: Fonts) -> bytes:
    """The drawing with pictures of a seal over it, as they will lie there."""
    kind = SealKind(licence_type.seal_kind)
    picture = draw_seal_picture("样本省样本市样本局", SealKind.NAME if kind in EMBLEM_KINDS else kind, fonts)
    with Pdf.open(io.BytesIO(drawn)) as pdf, Pdf.open(io.BytesIO(picture.data)) as seal:
        for spot in face.seals:
            side = min(picture.width_mm, spot.diameter) / 2
            edges = ((spot.x - side) * MM, (spot.y - side) * MM, (spot.x + side) * MM, (spot.y + side) * MM)
            pdf.pages[spot.page].add_overlay(seal.pages[0], pikepdf.Rectangle(*edges))
        buffer = io.BytesIO()
        pdf.save(buffer)
        return buffer.getvalue()


def _render(data: bytes) -> Iterator[Image.Image]:
    import pypdfium2

    document = pypdfium2.PdfDocument(data)
    try:
        for page in document:
            yield page.render(scale=DPI / 72).to_pil().convert("RGB")
    finally:
        document.close()


def _unread_codes(printout: Printout, face: Face, pages: list[Image.Image]) -> Iterator[Fault]:
    """Each QR code of the face reads back, and the page bears no other."""
    import zxingcpp

    wanted = "".join(qr_text(printout.link, printout.credential)).encode("ascii")
    for number, page in enumerate(pages):
        read = []
        for code in zxingcpp.read_barcodes(
            page, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
        ):
            at = code.position
            corners = (at.top_left, at.top_right, at.bottom_left, at.bottom_right)
            x, y = (sum(getattr(corner, axis) for corner in corners) / 4 * 25.4 / DPI for axis in "xy")
            middle = Box(round(x, 1), round(face.pages[number].height - y, 1), 0, 0)
            if code.bytes == wanted:
                read.append(middle)
            else:
                yield fault(number, "", "face_other_code", "the artwork bears a code of its own", middle)
        for place in face.qr:
            found = any(place.box.distance(middle.x, middle.y) == 0 for middle in read)
            if place.page == number and not found:
                why = f"the code does not read back from {DPI} dpi"
                yield fault(number, "qr", "face_qr_unread", why, place.box)


def _preview(pages: list[Image.Image]) -> bytes:
    gap = round(_GAP_MM * DPI / 25.4)
    height = sum(page.height for page in pages) + gap * (len(pages) - 1)
    sheet = Image.new("RGB", (max(page.width for page in pages), height), (128, 128, 128))
    top = 0
    for page in pages:
        sheet.paste(page, (0, top))
        top += page.height + gap
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", dpi=(DPI, DPI))
    return buffer.getvalue()


def main() -> None:
    """The process apart: an order in JSON on standard input, the answer on standard output."""
    order = json.load(sys.stdin.buffer)
    LIMITS.apply()
    warnings.simplefilter("error", UserWarning)  # content that breaks off is no artwork
    try:
        regular, bold = (FontSource(**{**font, "path": Path(font["path"])}) for font in order["fonts"])
        fonts = Fonts.find(Path(order["cache"]), regular=regular, bold=bold)
        licence_type = read_licence_type(order["slug"], order["type_toml"].encode())
        trial = examine(licence_type, base64.b64decode(order["face_pdf"]), fonts, order["origin"])
        answer: dict[str, object] = {
            "faults": [[f.field, f.reason, f.detail] for f in trial.faults],
            "room": trial.room,
            "picture": base64.b64encode(trial.picture).decode("ascii"),
        }
    except VermilionError as error:
        faults = [[f.field, f.reason, f.detail] for f in error.faults]
        answer = {
            "error": {
                "kind": error.kind.value,
                "detail": error.detail,
                "reason": error.reason,
                "faults": faults,
            }
        }
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
