"""Before a face serves it is tried: each thing that no document may carry is refused with reason and place."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, Pdf, String
from PIL import Image, ImageDraw

import registry.samples
from keys.errors import Fault, Kind, VermilionError
from registry.samples import sample_types
from signing import face_trial
from signing.draw import draw
from signing.face_form import read_face
from signing.face_specimen import corpus, longest_number, longest_printout
from signing.face_trial import Trial, examine, try_face
from signing.fonts import Fonts, build_font
from signing.glyphs import FontSource
from signing.licence_type import load_licence_type
from signing.qr_symbol import make_symbol, path
from tests.signing import printing
from tests.signing.forms import FOOD, TEACHER, Change, added, edited, entry, moved, saved

ORIGIN = "https://check.elic.example.org"


def tried(folder: Path, *changes: Change) -> Trial:
    return examine(load_licence_type(folder), edited(folder, *changes), printing.fonts(), ORIGIN)


def apart(folder: Path, form: bytes) -> Trial:
    text = (folder / "type.toml").read_text("utf-8")
    return try_face(folder.name, text, form, printing.fonts(), ORIGIN)


def faults(trial: Trial) -> dict[str, Fault]:
    assert trial.faults
    assert trial.picture == b""
    return {fault.reason: fault for fault in trial.faults}


@pytest.mark.parametrize("folder", sample_types(), ids=lambda folder: folder.name)
def test_every_sample_face_passes_and_shows_a_specimen(folder: Path) -> None:
    trial = apart(folder, (folder / "face.pdf").read_bytes())
    assert trial.faults == ()
    trial.require()
    face = read_face((folder / "face.pdf").read_bytes(), load_licence_type(folder))
    with Image.open(io.BytesIO(trial.picture)) as picture:
        assert picture.format == "PNG"
        assert picture.width == pytest.approx(max(page.width for page in face.pages) * 150 / 25.4, abs=1)
        assert picture.height >= sum(page.height for page in face.pages) * 150 / 25.4 - 1
        colours: Any = picture.getcolors(1 << 24)
        assert any(red > 200 and green < 40 for _, (red, green, _) in colours)  # the seal


def test_room_is_told_where_a_text_may_be_longer_than_its_place() -> None:
    room = tried(TEACHER).room
    assert set(room) == {"holder_name"}
    assert 12 <= room["holder_name"] < 40
    assert tried(FOOD).room == {}


def script(pdf: Pdf) -> None:
    pdf.Root.OpenAction = Dictionary(S=Name.JavaScript, JS=String("app.alert(1)"))


def named_script(pdf: Pdf) -> None:
    action = Dictionary(S=Name.JavaScript, JS=String("1"))
    pdf.Root.Names = Dictionary(JavaScript=Dictionary(Names=Array([String("x"), action])))


def page_action(pdf: Pdf) -> None:
    pdf.pages[0].obj.AA = Dictionary(O=Dictionary(S=Name.Named, N=Name.Print))


def opening_action(pdf: Pdf) -> None:
    pdf.Root.OpenAction = Dictionary(S=Name.GoTo, D=Array([pdf.pages[0].obj, Name.Fit]))


def embedded_file(pdf: Pdf) -> None:
    pdf.attachments["x.txt"] = b"x"


def xfa(pdf: Pdf) -> None:
    pdf.Root.AcroForm.XFA = pdf.make_stream(b"<xdp/>")


def layers(pdf: Pdf) -> None:
    pdf.Root.OCProperties = Dictionary(OCGs=Array([]), D=Dictionary())


def annotated(subtype: str, **more: Any) -> Change:
    def change(pdf: Pdf) -> None:
        pdf.pages[0].obj.Annots.append(
            pdf.make_indirect(Dictionary(Type=Name.Annot, Subtype=Name(subtype), Rect=[1, 1, 9, 9], **more))
        )

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (script, "JavaScript"), (named_script, "JavaScript"), (page_action, "AA"), (opening_action, "OpenAction"),
        (embedded_file, "EmbeddedFiles"), (xfa, "XFA"), (layers, "OCProperties"),
        (annotated("/Link", A=Dictionary(S=Name.URI, URI=String("https://example.org"))), "Link"),
        (annotated("/RichMedia"), "RichMedia"), (annotated("/FileAttachment"), "FileAttachment"),
        (entry("premises", "/A", Dictionary(S=Name.URI, URI=String("https://example.org"))), "URI"),
        (entry("premises", "/AA", Dictionary(K=Dictionary(S=Name.JavaScript, JS=String("1")))), "AA"),
        (entry("premises", "/A", Dictionary(S=Name.SubmitForm, F=String("https://example.org"))), "SubmitForm"),
    ],
)  # fmt: skip
def test_active_content_is_refused(change: Change, said: str) -> None:
    fault = faults(tried(FOOD, change))["face_active"]
    assert said in " ".join(f.detail for f in tried(FOOD, change).faults), fault


def test_a_form_may_say_where_a_viewer_begins() -> None:
    def destination(pdf: Pdf) -> None:
        pdf.Root.OpenAction = Array([pdf.pages[0].obj, Name.XYZ, None, None, 0])

    assert tried(FOOD, destination).faults == ()


@pytest.mark.parametrize("user", ["", "word"])
def test_an_encrypted_form_is_refused(user: str) -> None:
    form = io.BytesIO()
    with Pdf.open(FOOD / "face.pdf") as pdf:
        pdf.save(form, encryption=pikepdf.Encryption(owner="x", user=user))
    trial = examine(load_licence_type(FOOD), form.getvalue(), printing.fonts(), ORIGIN)
    assert "face_encrypted" in faults(trial)


def font(change: Callable[[pikepdf.Object], None]) -> Change:
    return lambda pdf: change(next(iter(pdf.pages[0].Resources.Font.values())))


def without(*keys: str) -> Callable[[pikepdf.Object], None]:
    def change(owner: pikepdf.Object) -> None:
        *way, last = keys
        for key in way:
            owner = owner[key]
        del owner[last]

    return change


def unembedded(pdf: Pdf) -> None:
    pdf.pages[0].Resources.Font["/Out"] = Dictionary(
        Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica, Encoding=Name.WinAnsiEncoding
    )
    pdf.pages[0].contents_add(b"BT /Out 12 Tf 100 100 Td (x) Tj ET")


def drawn(operators: bytes, **resources: Any) -> Change:
    """Within a form of its own, so that the walk goes down."""

    def change(pdf: Pdf) -> None:
        form = pdf.make_stream(
            operators, Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 900, 900], Resources=Dictionary(**resources)
        )  # fmt: skip
        outer = pdf.make_stream(
            b"/In Do", Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 900, 900],
            Resources=Dictionary(XObject=Dictionary(In=form)),
        )  # fmt: skip
        pdf.pages[0].Resources.XObject["/Out"] = outer
        pdf.pages[0].contents_add(b"/Out Do")

    return change


def image(**entries: object) -> Change:
    def change(pdf: Pdf) -> None:
        given = {"ColorSpace": Name.DeviceGray, "BitsPerComponent": 8, **entries}
        thing = pdf.make_stream(b"\0", Type=Name.XObject, Subtype=Name.Image, Width=1, Height=1, **given)
        drawn(b"/Im Do", XObject=Dictionary(Im=thing))(pdf)

    return change


def separation(pdf: Pdf) -> None:
    function = Dictionary(FunctionType=2, Domain=[0, 1], C0=[0, 0, 0], C1=[1, 0, 0], N=1)
    space = Array([Name.Separation, Name.Gold, Name.DeviceRGB, function])
    drawn(b"/Spot cs 1 scn 0 0 9 9 re f", ColorSpace=Dictionary(Spot=space))(pdf)


CMYK = Name.DeviceCMYK


@pytest.mark.parametrize(
    ("change", "reason", "said"),
    [
        (unembedded, "face_font", "page 1: the font Helvetica is not embedded"),
        (font(without("/FontDescriptor", "/FontFile2")), "face_font", "is not embedded"),
        (font(without("/ToUnicode")), "face_font", "cannot be read back (no ToUnicode)"),
        (drawn(b"0 0 0 1 k 0 0 9 9 re f"), "face_colour", "page 1: a colour is in CMYK"),
        (drawn(b"/DeviceCMYK CS"), "face_colour", "CMYK"),
        (drawn(b"BI /W 1 /H 1 /BPC 8 /CS /CMYK ID 0000 EI"), "face_colour", "an image is in CMYK"),
        (drawn(b"", ExtGState=Dictionary(G=Dictionary(TR=Name.Identity))), "face_artwork", "graphics state"),
        (drawn(b"", Shading=Dictionary(S=Dictionary(ShadingType=2, ColorSpace=CMYK))), "face_colour", "CMYK"),
        (separation, "face_colour", "Separation"),
        (image(ColorSpace=CMYK), "face_colour", "a colour space is DeviceCMYK"),
        (image(ColorSpace=Array([Name.Indexed, CMYK, 0, String("0000")])), "face_colour", "DeviceCMYK"),
        (image(Interpolate=True), "face_artwork", "smoothed"),
        (image(Filter=Name.JPXDecode), "face_artwork", "JPEG 2000"),
    ],
)  # fmt: skip
def test_artwork_that_no_document_may_carry_is_refused(change: Change, reason: str, said: str) -> None:
    trial = tried(FOOD, change)
    assert reason in faults(trial)
    assert said in " ".join(fault.detail for fault in trial.faults)


def test_colours_with_a_profile_and_grey_images_are_accepted() -> None:
    def profiled(pdf: Pdf) -> None:
        profile = pdf.make_stream(b"profile", N=3, Alternate=Name.DeviceRGB)
        space = pdf.make_indirect(Array([Name.ICCBased, profile]))
        drawn(b"/P cs 1 0 0 scn 0 0 2 2 re f", ColorSpace=Dictionary(P=space))(pdf)

    assert tried(FOOD, profiled).faults == ()
    assert tried(FOOD, image()).faults == ()


@pytest.mark.parametrize(
    ("folder", "change", "reason", "field", "said"),
    [
        (TEACHER, moved("holder_name", 96.5, 149.5, 20, 8), "face_no_room", "/face.pdf/1/holder_name",
         "page 1, field holder_name, at 96.5 x 149.5 mm: names like"),
        (FOOD, moved("representative", 82, 123.5, 30, 8), "face_no_room", "/face.pdf/1/representative", "names like"),
        (FOOD, moved("identifier", 48, 39.4, 60, 6), "face_no_room", "/face.pdf/1/identifier", "does not fit"),
        (FOOD, moved("verify_host", 29, 24.5, 90, 3), "face_no_room", "/face.pdf/1/verify_host", "does not fit"),
        (FOOD, moved("seal-1", 221, 40, 34, 34), "face_no_room", "/face.pdf/1/seal-1", "the type's seal 38 mm"),
        (FOOD, moved("qr", 213, 86, 40, 40), "face_qr_small", "/face.pdf/1/qr", "smaller than 0.42 mm"),
        (FOOD, added("nothing", 30, 50, 9, 3), "face_field_unknown", "/face.pdf/1/nothing", "no field of the type"),
    ],
)  # fmt: skip
def test_what_has_no_room_is_refused(
    folder: Path, change: Change, reason: str, field: str, said: str
) -> None:
    found = faults(tried(folder, change))[reason]
    assert found.field == field
    assert said in found.detail


def test_a_code_in_the_artwork_is_refused_with_its_place() -> None:
    symbol = make_symbol("https://elsewhere.example/c/" + "A" * 22, bytes(90))
    side = 2 * symbol.size + 16
    lines = (
        f"q 1 1 1 rg 300 20 {side} {side} re f 0 g 2 0 0 -2 308 {12 + side} cm {path(symbol).decode()} f Q"
    )
    (fault,) = tried(FOOD, lambda pdf: pdf.pages[0].contents_add(lines.encode())).faults
    assert (fault.reason, fault.field) == ("face_other_code", "/face.pdf/1")


def test_a_code_that_does_not_read_back_is_told() -> None:
    """Drawing guards against it; this is the proof of what comes out."""
    licence_type = load_licence_type(FOOD)
    face = read_face((FOOD / "face.pdf").read_bytes(), licence_type)
    printout, _ = longest_printout(licence_type, face, printing.fonts(), ORIGIN)
    drawn_face = draw(printout, licence_type, face, printing.fonts())
    pages = list(face_trial._render(drawn_face))
    assert list(face_trial._unread_codes(printout, face, pages)) == []
    left, top = (round(mm * 150 / 25.4) for mm in (face.qr[0].x, 210 - face.qr[0].y - 50))
    ImageDraw.Draw(pages[0]).rectangle((left, top, left + 130, top + 130), fill=(200, 0, 0))
    (fault,) = face_trial._unread_codes(printout, face, pages)
    assert (fault.reason, fault.field) == ("face_qr_unread", "/face.pdf/1/qr")


def test_names_of_the_corpus_must_have_glyphs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_trial, "corpus", lambda: (*corpus(), "陈\U000323af"))
    trial = tried(FOOD)
    found = {fault.field: fault for fault in trial.faults}
    assert {fault.reason for fault in trial.faults} == {"glyph_missing"}
    assert {"/face.pdf/1/operator_name", "/face.pdf/1/representative"} <= set(found)
    assert not {"/face.pdf/1/credit_code", "/face.pdf/1/valid_to"} & set(found)  # they hold no names
    said = found["/face.pdf/1/representative"].detail
    assert said.startswith("page 1, field representative, at ")
    assert said.endswith("(U+323AF), which names of people may hold")


def lacking(folder: Path, char: str) -> Fonts:
    """A font for every other character that the sample faces want: of another maker, as it were."""
    store = printing.fonts().regular
    texts = [
        *corpus(),
        *(path.read_text("utf-8") for path in Path(registry.samples.__file__).parent.rglob("*.toml")),
    ]
    known = {one for one in "".join((*texts, *map(chr, range(32, 127)), MARKS)) if store.covers(one)}
    folder.mkdir()
    path = folder / "font.ttf"
    path.write_bytes(build_font(store, known - {char}, "Lacking"))
    return Fonts.find(folder / "cache", regular=FontSource(path, 0, {}, serif=False))


MARKS = "样本省市局扫码核验，网址须以开头。–年月日；"


def test_a_glyph_that_the_machine_s_fonts_lack_is_refused_with_its_place(tmp_path: Path) -> None:
    """In the process apart, with a real font: a rare character of a name, and one of a choice."""
    text = (TEACHER / "type.toml").read_text("utf-8")
    form = (TEACHER / "face.pdf").read_bytes()
    for char, wanting in (("䶮", "holder_name"), ("女", "sex")):
        trial = try_face(TEACHER.name, text, form, lacking(tmp_path / wanting, char), ORIGIN)
        (fault,) = [one for one in trial.faults if one.field == f"/face.pdf/1/{wanting}"]
        assert fault.reason == "glyph_missing"
        assert f"no glyph for {char}" in fault.detail
        with pytest.raises(VermilionError) as refused:
            trial.require()
        assert refused.value.reason == "glyph_missing"
        assert refused.value.faults == trial.faults


def test_the_corpus_holds_rare_characters_and_names_of_minority_nationalities() -> None:
    letters = "".join(corpus())
    assert {"䶮", "𠮷", "·"} <= set(letters)
    assert sum(0x3400 <= ord(char) <= 0x4DBF for char in letters) >= 8  # Extension A
    assert sum(ord(char) > 0xFFFF for char in letters) >= 8
    assert max(len(name) for name in corpus() if "·" in name) >= 12


@pytest.mark.parametrize(
    "pattern", ["JY[123][0-9]{13}", "(19|20)[0-9]{2}[0-9]{5}[1-7][0-9]{6}[0-9]", "a*", "a"]
)
def test_a_number_as_long_as_a_pattern_allows(pattern: str) -> None:
    assert len(longest_number(pattern)) == {"a*": 60, "a": 1}.get(pattern, 16 if "JY" in pattern else 17)


def bomb() -> bytes:
    """A form whose content is 3 GiB long when it is unpacked."""
    maker = zlib.compressobj(9)
    head = maker.compress(b" " * (1 << 24)) + maker.flush(zlib.Z_FULL_FLUSH)
    chunk = maker.compress(b" " * (1 << 24)) + maker.flush(zlib.Z_FULL_FLUSH)
    with Pdf.open(FOOD / "face.pdf") as pdf:
        content = pdf.make_stream(b"")
        content.write(head + chunk * 192 + maker.flush(), filter=Name.FlateDecode)
        pdf.pages[0].obj.Contents = content
        return saved(pdf, stream_decode_level=pikepdf.StreamDecodeLevel.none, compress_streams=False)


def test_a_form_that_breaks_the_limits_is_refused() -> None:
    """Memory ends within a library, which may say so as of a broken file; what is after it never runs."""
    form = bomb()
    assert len(form) < 8 << 20
    with pytest.raises(VermilionError) as refused:
        apart(FOOD, form)
    assert (refused.value.kind, refused.value.reason) in {
        (Kind.INVALID, "face_trial"), (Kind.MALFORMED, "malformed"),
    }  # fmt: skip


def test_a_trial_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_trial, "LIMITS", replace(face_trial.LIMITS, wall_seconds=0.01))
    with pytest.raises(VermilionError) as refused:
        apart(FOOD, (FOOD / "face.pdf").read_bytes())
    assert refused.value.reason == "face_trial"


def test_what_the_process_apart_refuses_comes_back_with_kind_and_faults() -> None:
    with pytest.raises(VermilionError) as refused:
        apart(FOOD, b"%PDF-1.7 nothing")
    assert refused.value.kind is Kind.MALFORMED
    trial = apart(FOOD, edited(FOOD, script))
    assert [fault.reason for fault in trial.faults if "JavaScript" in fault.detail]
    with pytest.raises(VermilionError) as refused:
        trial.require()
    assert refused.value.faults == trial.faults


def test_content_that_breaks_off_is_no_artwork() -> None:
    with pytest.raises(VermilionError) as refused:
        apart(FOOD, edited(FOOD, drawn(b"(never closed")))
    assert refused.value.kind is Kind.MALFORMED
