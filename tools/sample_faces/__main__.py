"""Draws the faces of the sample types that are made here, from the `.toml` files beside this one.

    python -m tools.sample_faces

writes registry/samples/<type>/face.pdf: ornament, labels in an embedded subset of Noto Serif CJK (OFL-1.1,
Debian package fonts-noto-cjk), and a form field at the place of each value. Lengths in those files are mm
from the lower left corner, sizes of type points. The same files and fonts give the same bytes.
"""

from __future__ import annotations

import io
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf, String
from reportlab.lib.colors import HexColor
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from signing.embedded_font import EmbeddedFont
from signing.face import Box
from signing.fonts import Fonts, Weight, build_font
from signing.text_layout import MM
from tools.sample_faces import ornament

HERE = Path(__file__).parent
SAMPLES = HERE.parents[1] / "registry" / "samples"
FONT_NAMES = {Weight.REGULAR: "LabelRegular", Weight.BOLD: "LabelBold"}
ASCENT = 0.88  # of an em, as signing.draw sets values
ART = {
    "rect": ornament.Rect,
    "line": ornament.Line,
    "border": ornament.Border,
    "rosette": ornament.Rosette,
    "waves": ornament.Waves,
}
DEFAULTS = {"rect": {"line_width": 0.0, "stroke": "#000000", "fill": ""}}
ALIGN = {"left": 0, "justify": 0, "center": 1, "right": 2}


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        fonts = Fonts.find(Path(cache))
        if not fonts.regular.source.serif:
            raise SystemExit("labels are set in Noto Serif CJK: install fonts-noto-cjk")
        for source in sorted(HERE.glob("*.toml")):
            data = tomllib.loads(source.read_text("utf-8"))
            (SAMPLES / source.stem / "face.pdf").write_bytes(draw_form(data, fonts))


def draw_form(data: dict[str, Any], fonts: Fonts) -> bytes:
    width, height = data["page"]["width"], data["page"]["height"]
    labels = [art for art in data["art"] if art["kind"] == "label"]
    arts = [make_art(art) for art in data["art"] if art["kind"] != "label"]
    page = draw_page(width, height, labels, fonts)
    with Pdf.open(io.BytesIO(page)) as pdf:
        add_ornament(pdf, ornament.make_artwork(width, height, arts))
        add_fields(pdf, data)
        for key in list(pdf.docinfo.keys()):
            del pdf.docinfo[key]
        pdf.Root.Lang = String("zh-CN")
        buffer = io.BytesIO()
        pdf.save(buffer, deterministic_id=True, compress_streams=True, recompress_flate=True)
        return buffer.getvalue()


def make_art(data: dict[str, Any]) -> ornament.Art:
    kind = data["kind"]
    values = DEFAULTS.get(kind, {}) | {key: value for key, value in data.items() if key != "kind"}
    if kind in ("rect", "border", "waves"):
        values["box"] = Box(*(values.pop(key) for key in ("x", "y", "width", "height")))
    return ART[kind](**values)


def draw_page(width: float, height: float, labels: list[dict[str, Any]], fonts: Fonts) -> bytes:
    embedded = register_fonts(labels, fonts)
    buffer = io.BytesIO()
    canvas = Canvas(
        buffer,
        pagesize=(width * MM, height * MM),
        pageCompression=0,
        invariant=1,
        initialFontName=FONT_NAMES[Weight.REGULAR],
    )
    canvas.addLiteral("/Ornament Do")
    for label in labels:
        draw_label(canvas, label, fonts)
    canvas.showPage()
    canvas.save()
    for font in embedded:
        font.unregister()
    return buffer.getvalue()


def register_fonts(labels: list[dict[str, Any]], fonts: Fonts) -> list[EmbeddedFont]:
    wanted: dict[Weight, set[str]] = {weight: set() for weight in Weight}
    for label in labels:
        wanted[Weight(label.get("weight", "regular"))].update(label["text"])
    embedded = []
    for weight, chars in wanted.items():
        name = FONT_NAMES[weight]
        program = build_font(fonts.store(weight), chars | {" "}, name)
        embedded.append(EmbeddedFont(name, io.BytesIO(program)))
    for font in embedded:
        pdfmetrics.registerFont(font)
    return embedded


def draw_label(canvas: Canvas, label: dict[str, Any], fonts: Fonts) -> None:
    weight, size, text = Weight(label.get("weight", "regular")), label["size"], label["text"]
    x, room = label["x"] * MM, label["width"] * MM - fonts.width(text, weight) * size
    y = (label["y"] + label["height"] / 2) * MM + size / 2 - ASCENT * size
    canvas.setFillColor(HexColor(label["colour"]))
    canvas.setFont(FONT_NAMES[weight], size)
    match label.get("align", "left"):
        case "justify" if len(text) > 1:
            canvas.drawString(x, y, text, charSpace=room / (len(text) - 1))
        case "right":
            canvas.drawString(x + room, y, text)
        case "center":
            canvas.drawString(x + room / 2, y, text)
        case _:
            canvas.drawString(x, y, text)


def add_ornament(pdf: Pdf, art: ornament.Artwork) -> None:
    def form(part: ornament.Form, resources: Dictionary) -> pikepdf.Object:
        return pdf.make_stream(
            part.data,
            Type=Name.XObject,
            Subtype=Name.Form,
            BBox=Array([round(edge, 3) for edge in part.bbox]),
            Filter=Name.FlateDecode,
            Resources=resources,
        )

    parts = {f"/{name}": form(part, Dictionary()) for name, part in art.parts.items()}
    resources = pdf.pages[0].obj.Resources
    resources.XObject = Dictionary(Ornament=form(art.page, Dictionary(XObject=Dictionary(parts))))


def add_fields(pdf: Pdf, data: dict[str, Any]) -> None:
    """A text field for each value, a push button for what is no text."""
    page = pdf.pages[0].obj
    fields = []

    def add(name: str, x: float, y: float, width: float, height: float, **entries: Any) -> None:
        edges = (x * MM, y * MM, (x + width) * MM, (y + height) * MM)
        field = pdf.make_indirect(
            Dictionary(
                Type=Name.Annot,
                Subtype=Name.Widget,
                T=String(name),
                Rect=Array([round(edge, 4) for edge in edges]),
                F=4,
                P=page,
                **entries,
            )
        )
        fields.append(field)

    for value in data["value"]:
        font = "HeBo" if value.get("weight") == "bold" else "Helv"
        levels = " ".join(f"{int(value['colour'][n : n + 2], 16) / 255:.4f}" for n in (1, 3, 5))
        add(
            value["source"], value["x"], value["y"], value["width"], value["height"],
            FT=Name.Tx,
            DA=String(f"/{font} {value['size']} Tf {levels} rg"),
            Q=ALIGN[value.get("align", "left")],
            Ff=(1 << 12) if value.get("wrap") else 0,
        )  # fmt: skip
    button = {"FT": Name.Btn, "Ff": 1 << 16}
    for number, seal in enumerate(data["seal"], 1):
        side = seal["diameter"]
        add(f"seal-{number}", seal["x"] - side / 2, seal["y"] - side / 2, side, side, **button)
    qr = data["qr"]
    add("qr", qr["x"], qr["y"], qr["size"], qr["size"], **button)
    if "photo" in data:
        add("photo", **data["photo"], **button)
    page.Annots = Array(fields)
    form_fonts = {
        f"/{short}": pdf.make_indirect(
            Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name(f"/{name}"))
        )
        for short, name in (("Helv", "Helvetica"), ("HeBo", "Helvetica-Bold"))
    }
    pdf.Root.AcroForm = pdf.make_indirect(
        Dictionary(Fields=Array(fields), DA=String("/Helv 0 Tf 0 g"), DR=Dictionary(Font=form_fonts))
    )


if __name__ == "__main__":
    main()
