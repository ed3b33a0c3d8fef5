"""Drawing a licence: pages with artwork, values, photo and QR code, as a PDF with its record attached.

The reference path, by reportlab and pikepdf. The same printout, face and fonts give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
from datetime import date

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf, String
from reportlab.lib.colors import HexColor
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from keys.errors import Fault, Kind, VermilionError
from signing.annotation_drawing import (
    BAND_MM,
    SOURCE,
    Watermark,
    band,
    text_of,
    watermark_text,
    watermarks,
)
from signing.associated_file import associate
from signing.codes import print_lookup_code
from signing.embedded_font import registered
from signing.face import Box, Face, QrBox, SpecimenMark, ValueBox
from signing.fonts import Fonts, Weight
from signing.licence_type import FieldKind, LicenceType, Role
from signing.qr_symbol import QrSymbol, make_symbol, module_mm, path, placed, symbol_size
from signing.record import LIST_JOIN, FieldValue, Printout, Record, check_link, printout_to_json
from signing.text_layout import MM, OVERFLOW, fit, overflow, place_lines, place_picture

ATTACHMENT = "record.json"

_ARTWORK = "Artwork"

_FONT_NAMES = {Weight.REGULAR: "VermilionRegular", Weight.BOLD: "VermilionBold"}


def printed(kind: FieldKind, value: FieldValue) -> str:
    """A canonical value as the face spells it: dates in Chinese, lists joined."""
    if isinstance(value, tuple):
        return LIST_JOIN.join(value)
    if kind is FieldKind.DATE:
        day = date.fromisoformat(value)
        return f"{day.year}年{day.month:02}月{day.day:02}日"
    if kind is FieldKind.MONTH:
        year, month = value.split("-")
        return f"{int(year)}年{month}月"
    return value


def printed_values(printout: Printout, licence_type: LicenceType) -> dict[str, str]:
    """All texts that a face may place, by source. Raises VermilionError(INVALID) when one is missing."""
    record = printout.record
    if (record.type_code, record.type_version) != (licence_type.code, licence_type.version):
        raise VermilionError(Kind.INVALID, "the record is of another licence type", reason="other_type")
    told = {
        Role.NUMBER: record.number,
        Role.ISSUE_DATE: record.issue_date.isoformat(),
        Role.VALID_TO: record.valid_to and record.valid_to.isoformat(),
    }
    if licence_type.field(Role.VALID_FROM) is not None:
        told[Role.VALID_FROM] = record.valid_from.isoformat()
    for role, value in told.items():
        field = licence_type.field(role)
        if (record.fields.get(field.name) if field else None) != value:
            raise VermilionError(
                Kind.INVALID, f"the record disagrees with itself on {role}", reason="bad_record"
            )
    unknown = set(record.fields) - {field.name for field in licence_type.fields}
    missing = [f.name for f in licence_type.fields if f.required and f.name not in record.fields]
    if unknown or missing:
        faults = tuple(Fault(f"/fields/{name}", "missing", "a value is required") for name in missing)
        raise VermilionError(
            Kind.INVALID, "the record does not fit its type", reason="bad_record", faults=faults
        )
    origin = check_link(printout.link).removesuffix(printout.link[-25:])
    texts = {
        field.name: printed(field.kind, record.fields[field.name])
        for field in licence_type.fields
        if field.kind is not FieldKind.PHOTO and field.name in record.fields
    }
    texts["identifier"] = record.identifier
    texts["lookup_code"] = print_lookup_code(printout.lookup_code)
    texts["verify_host"] = (
        f"扫码核验，网址须以 {origin}/ 开头。Scan to check – the address must start with {origin}/"
    )
    return texts


def title_of(licence_type: LicenceType, record: Record) -> str:
    """The document's title."""
    title = f"{licence_type.name['zh']} {record.number}"
    return title if record.copy is None else f"{title}（加注件）"


def measure(printout: Printout, licence_type: LicenceType, face: Face, fonts: Fonts) -> None:
    """Whether a printout can be drawn, at a hundredth of the cost: what has no room is told at once.

    Raises VermilionError(INVALID) as `draw` does, with one fault for each text that does not fit its place.
    """
    texts = printed_values(printout, licence_type)
    printed_photo(printout, licence_type, face)
    faults: list[Fault] = []
    copy = printout.record.copy
    places = list(face.values)
    if copy is not None:
        texts[SOURCE] = text_of(copy)  # the watermark is shorter, and has more room
        places += [band(page, number) for number, page in enumerate(face.pages)]
    for place in places:
        if text := texts.get(place.source):
            try:
                fit(text, place, fonts.store(place.style.weight).advances)
            except VermilionError as error:
                if error.reason != OVERFLOW:
                    raise
                faults += error.faults
    if faults:
        raise overflow(*faults)
    module_mm(symbol_size(printout.link, printout.credential), face.smallest_qr)


def draw(printout: Printout, licence_type: LicenceType, face: Face, fonts: Fonts) -> bytes:
    """Draw a licence as a PDF of as many pages as its face has.

    Raises VermilionError(INVALID) with reason `glyph_missing`, `overflow` or `qr_too_large` when it cannot
    be printed faithfully, `bad_photo` when the photo is not the one of the record.
    """
    texts = printed_values(printout, licence_type)
    photo = printed_photo(printout, licence_type, face)
    with registered(fonts, _FONT_NAMES, _wanted(texts, face, printout.record)):
        pages = _draw_pages(printout, texts, face, fonts, photo)
    return _finish(pages, printout, licence_type, face, photo)


def printed_photo(printout: Printout, licence_type: LicenceType, face: Face) -> bytes | None:
    """The photo to be printed, if any. Raises VermilionError(INVALID, "bad_photo")."""
    digests = [printout.record.fields.get(f.name) for f in licence_type.fields if f.kind is FieldKind.PHOTO]
    if printout.photo is None and not any(digests):
        return None
    if printout.photo is None or not face.photos or hashlib.sha256(printout.photo).hexdigest() not in digests:
        raise VermilionError(Kind.INVALID, "the photo is not the one of the record", reason="bad_photo")
    return printout.photo


def _wanted(texts: dict[str, str], face: Face, record: Record) -> dict[Weight, set[str]]:
    wanted: dict[Weight, set[str]] = {weight: set() for weight in Weight}
    for place in face.values:
        wanted[place.style.weight].update(texts.get(place.source, ""))
    if record.copy is not None:
        wanted[Weight.REGULAR].update(text_of(record.copy), watermark_text(record.copy))
    if record.specimen:
        wanted[Weight.BOLD].update(*(mark.text for mark in face.specimen))
    return wanted


def _draw_pages(
    printout: Printout, texts: dict[str, str], face: Face, fonts: Fonts, photo: bytes | None
) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(
        buffer,
        pageCompression=0,  # compressed once, when the document is finished
        invariant=1,
        initialFontName=_FONT_NAMES[Weight.REGULAR],
    )
    symbol = make_symbol(printout.link, printout.credential)
    image = None if photo is None else ImageReader(io.BytesIO(photo))
    for number, page in enumerate(face.pages):
        canvas.setPageSize((page.width * MM, page.height * MM))
        canvas.addLiteral(f"/{_ARTWORK} Do")
        if printout.record.specimen:
            for mark in face.specimen:
                if mark.page == number:
                    _draw_specimen(canvas, mark, fonts)
        copy = printout.record.copy
        if copy is not None:
            for across in watermarks(page, number):
                _draw_watermark(canvas, across, watermark_text(copy), fonts)
            _draw_lines(canvas, fonts, band(page, number), text_of(copy))
        for place in face.values:
            text = texts.get(place.source)
            if text and place.page == number:
                _draw_lines(canvas, fonts, place, text)
        for spot in face.photos:
            if image is not None and spot.page == number:
                _draw_photo(canvas, spot.box, image)
        for qr in face.qr:
            if qr.page == number:
                _draw_qr(canvas, qr, symbol)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _draw_lines(canvas: Canvas, fonts: Fonts, place: ValueBox, text: str) -> None:
    size, lines = fit(text, place, fonts.store(place.style.weight).advances)
    canvas.setFillColor(HexColor(place.style.colour))
    canvas.setFont(_FONT_NAMES[place.style.weight], size)
    for line in place_lines(lines, size, place):
        canvas.drawString(line.x, line.y, line.text, charSpace=line.spread)


def _draw_watermark(canvas: Canvas, mark: Watermark, text: str, fonts: Fonts) -> None:
    canvas.saveState()
    canvas.setFillAlpha(0.16)
    canvas.translate(mark.x * MM, mark.y * MM)
    canvas.rotate(mark.angle)
    _draw_lines(canvas, fonts, mark.place, text)
    canvas.restoreState()


def _draw_specimen(canvas: Canvas, mark: SpecimenMark, fonts: Fonts) -> None:
    canvas.saveState()
    canvas.setFillColor(HexColor(mark.colour))
    canvas.setFillAlpha(0.16)
    canvas.translate(mark.x * MM, mark.y * MM)
    canvas.rotate(mark.angle)
    canvas.setFont(_FONT_NAMES[Weight.BOLD], mark.size)
    canvas.drawString(-fonts.width(mark.text, Weight.BOLD) * mark.size / 2, -mark.size * 0.38, mark.text)
    canvas.restoreState()


def _draw_photo(canvas: Canvas, box: Box, image: ImageReader) -> None:
    width, height = image.getSize()
    canvas.drawImage(image, *place_picture(width, height, box))


def _draw_qr(canvas: Canvas, place: QrBox, symbol: QrSymbol) -> None:
    at = placed(symbol.size, place.box)
    canvas.setFillColorRGB(1, 1, 1)
    canvas.rect(at.left * MM, at.bottom * MM, at.side * MM, at.side * MM, stroke=0, fill=1)
    canvas.saveState()
    canvas.translate(*(edge * MM for edge in at.corner))
    canvas.scale(at.module * MM, -at.module * MM)
    canvas.setFillColorRGB(0, 0, 0)
    canvas.addLiteral(path(symbol).decode("ascii") + "f")
    canvas.restoreState()


def _add_artwork(pdf: Pdf, artwork: bytes) -> None:
    """Put each page of the artwork under the page of the same number, as a form XObject."""
    with Pdf.open(io.BytesIO(artwork)) as form:
        for page, under in zip(pdf.pages, form.pages, strict=True):
            if Name.XObject not in page.obj.Resources:
                page.obj.Resources.XObject = Dictionary()
            page.obj.Resources.XObject[f"/{_ARTWORK}"] = pdf.copy_foreign(under.as_form_xobject())


def _finish(
    pages: bytes, printout: Printout, licence_type: LicenceType, face: Face, photo: bytes | None
) -> bytes:
    """Add artwork and the printed record, and set what reportlab does not: language, title, plain image."""
    with Pdf.open(io.BytesIO(pages)) as pdf:
        _add_artwork(pdf, face.artwork)
        record = printout.record
        attached = pdf.make_stream(
            printout_to_json(printout),
            Type=Name.EmbeddedFile,
            Subtype=Name("/application/json"),
            Params=Dictionary(ModDate=String(f"D:{record.issue_date:%Y%m%d}")),
        )
        attached.Params.Size = len(attached.read_bytes())
        associate(pdf, ATTACHMENT, attached, "The printed record", Name.Data)
        if photo is not None:
            for page in pdf.pages:
                for image in page.obj.Resources.XObject.values():
                    if image.Subtype == Name.Image:
                        image.write(photo, filter=Name.DCTDecode)
        if record.copy is not None:
            for page in pdf.pages:
                left, _, right, top = page.mediabox
                page.mediabox = Array([left, round(-BAND_MM * MM, 3), right, top])
        return saved(pdf, title_of(licence_type, record), "zh-CN")


def saved(pdf: Pdf, title: str, language: str) -> bytes:
    """The file, with what reportlab does not set: title and language (RFC 5646), the same bytes for the same
    content.
    """
    pdf.Root.Lang = String(language)
    pdf.Root.ViewerPreferences = Dictionary(DisplayDocTitle=True)
    for key in list(pdf.docinfo.keys()):
        del pdf.docinfo[key]
    pdf.docinfo["/Title"] = title
    with pdf.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as metadata:
        metadata["dc:title"] = title
        metadata["dc:language"] = {language}
    buffer = io.BytesIO()
    pdf.save(
        buffer,
        deterministic_id=True,
        object_stream_mode=pikepdf.ObjectStreamMode.disable,
        stream_decode_level=pikepdf.StreamDecodeLevel.generalized,
        compress_streams=True,
        min_version="1.7",
    )
    return buffer.getvalue()
