"""Prefix and tail: a licence as the fast path makes it, looked at by readers that are not ours."""

from __future__ import annotations

import io
import re
import subprocess
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pikepdf
import pypdfium2
import pytest
import zxingcpp
from asn1crypto import x509 as asn1_x509
from fontTools.ttLib import TTFont
from PIL import ImageChops, ImageStat
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from keys.crl import RevocationReason
from keys.errors import Kind, VermilionError
from keys.ocsp import UNKNOWN, Revoked
from signing import cms
from signing.credential import qr_text
from signing.document import ValidationData
from signing.draw import ATTACHMENT, printed_values
from signing.fonts import Weight
from signing.pdf_structure import read_pdf
from signing.prefix import compile_base, make_prefix
from signing.record import printout_to_json
from signing.seal import seal
from signing.strict_check import strict_check
from signing.tail import write_tail
from signing.validation_data import gather
from signing.value_font import GlyphSet, build_value_font
from tests.authority import AT
from tests.prover import OCSP_LIFE
from tests.signing import printing
from tests.signing.long_term import (
    base_of,
    document,
    glyphs,
    laid_out,
    prefix_of,
    proofs,
    prover,
    sealed,
)
from tests.signing.sealing import LATER, office, seal_picture
from tests.tools import need

SAMPLES = range(len(printing.samples()))
every_source = pytest.mark.parametrize("source", printing.SOURCES)
every_sample = pytest.mark.parametrize("number", SAMPLES)
RARE = ("䶮", "𠮷", "㛃")


def run(*command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def words(pdf: Path) -> str:
    return "".join(run(need("pdftotext"), "-raw", pdf, "-").split())


@pytest.fixture
def file(number: int, tmp_path: Path) -> Path:
    path = tmp_path / "licence.pdf"
    path.write_bytes(document(number).data)
    return path


# What other readers say


@every_sample
def test_poppler_and_qpdf_find_no_fault(file: Path) -> None:
    said = run(need("pdfsig"), "-nocert", file)
    assert said.count("Signature is Valid") == said.count("Total document signed") == 1
    assert "Signature #2" not in said
    assert "No syntax or stream encoding errors found" in run(need("qpdf"), "--check", file)


@every_sample
def test_artwork_is_kept_compressed(number: int) -> None:
    with pikepdf.open(io.BytesIO(document(number).data)) as pdf:
        for page in pdf.pages:
            artwork = page.Resources.XObject["/Artwork"]
            assert artwork.Filter == "/FlateDecode"
            assert len(artwork.read_raw_bytes()) <= len(artwork.read_bytes())


@every_sample
def test_pyhanko_finds_it_untouched_under_our_root(number: int) -> None:
    def context() -> ValidationContext:
        roots = [asn1_x509.Certificate.load(office().root)]
        return ValidationContext(trust_roots=roots, moment=LATER, allow_fetching=False)

    (embedded,) = PdfFileReader(io.BytesIO(document(number).data)).embedded_regular_signatures
    status = validate_pdf_signature(embedded, context(), context())
    assert status.bottom_line
    assert status.coverage == SignatureCoverageLevel.ENTIRE_FILE
    assert status.docmdp_ok
    assert status.timestamp_validity is not None
    assert status.timestamp_validity.trusted


@every_source
@every_sample
def test_every_value_is_read_back_as_text(number: int, source: str, tmp_path: Path) -> None:
    one = printing.samples()[number]
    path = tmp_path / "licence.pdf"
    path.write_bytes(document(number, source).data)
    page = words(path)
    for text in printed_values(one.printout, one.licence_type).values():
        assert "".join(text.split()) in page


@every_sample
def test_a_scanner_reads_the_link_at_150_dpi(number: int) -> None:
    printout = printing.samples()[number].printout
    found = zxingcpp.read_barcodes(printing.raster(document(number).data, 150))
    assert [code.text for code in found] == ["".join(qr_text(printout.link, printout.credential))]


@every_source
@every_sample
def test_it_looks_like_what_the_reference_path_draws(number: int, source: str) -> None:
    """Alike to the eye: the two differ in the edges of strokes and in the code, whose masks differ."""
    one = printing.samples()[number]
    reference = seal(
        printing.drawn(one, source),
        material=replace(office().material, picture=seal_picture(one.face.seals[0].diameter)),
        places=one.face.seal_places(),
        custodian=office().custodian,
        timestamper=None,
        at=AT,
        record=next(office().records),
        reason_text=one.licence_type.name["zh"],
    )
    pictures = [
        printing.raster(data, 100).convert("L") for data in (reference.data, document(number, source).data)
    ]
    for qr in one.face.qr:
        scale = 100 / 25.4
        top = one.face.pages[0].height - qr.y - qr.size
        left, right, bottom = (int(edge * scale) for edge in (qr.x, qr.x + qr.size, top + qr.size))
        for picture in pictures:
            picture.paste(255, (left, int(top * scale), right, bottom))
    (difference,) = ImageStat.Stat(ImageChops.difference(*pictures)).mean
    assert difference < 0.5


# What it says of itself


@every_sample
def test_the_strict_check_accepts_it_at_b_lt(number: int) -> None:
    made = document(number)
    evidence = strict_check(made.data, office().trust, at=LATER)
    assert (evidence.level, made.level) == ("B-LT", "B-LT")
    assert evidence.printout_json == printout_to_json(printing.samples()[number].printout)
    assert evidence.seal_key is not None
    assert evidence.sealed_at == made.sealed_at


def marked_texts(pdf: pikepdf.Pdf) -> list[tuple[str, str]]:
    """What a screen reader says: the name and the value of each field, in the structure's order."""
    root = pdf.Root.StructTreeRoot
    assert bool(pdf.Root.MarkInfo.Marked)
    found = []
    for element in root.K.K:
        owners = dict(
            zip(
                [int(n) for n in list(root.ParentTree.Nums)[::2]],
                list(root.ParentTree.Nums)[1::2],
                strict=True,
            )
        )
        if element.S == pikepdf.Name.P:
            label, mark = element.K
            mine = owners[int(element.Pg.StructParents)]
            assert mine[int(mark)].objgen == element.objgen
            assert mine[int(label.K)].objgen == label.objgen
            found.append((str(label.Alt), marked_text(element.Pg, int(mark))))
        else:
            found.append((str(element.Alt), ""))
    return found


def marked_text(page: pikepdf.Object, mark: int) -> str:
    """The text of a marked-content sequence, by the ToUnicode maps of its fonts."""
    content = b"".join(bytes(stream.read_bytes()) for stream in page.Contents)
    start = content.index(b"<</MCID %d>>BDC" % mark)
    within = content[start : content.index(b"EMC", start)]
    maps = {}
    for name, font in page.Resources.Font.items():
        pairs = re.findall(rb"<([0-9a-f]{4})> <([0-9a-f]+)>\n", bytes(font.ToUnicode.read_bytes()))
        maps[name.encode()] = {code: bytes.fromhex(text.decode()).decode("utf-16-be") for code, text in pairs}
    text = ""
    for name, shown in re.findall(rb"(/F\d) [0-9.]+ Tf <([0-9a-f]+)>Tj", within):
        text += "".join(maps[name][shown[at : at + 4]] for at in range(0, len(shown), 4))
    return text


@every_sample
def test_a_screen_reader_reads_names_and_values(number: int) -> None:
    one = printing.samples()[number]
    with pikepdf.open(io.BytesIO(document(number).data)) as pdf:
        said = marked_texts(pdf)
        assert str(pdf.Root.Lang) == "zh-CN"
    texts = printed_values(one.printout, one.licence_type)
    for field in one.licence_type.fields:
        if field.name in texts:
            assert (field.label["zh"], "".join(texts[field.name].split())) in [
                (name, "".join(value.split())) for name, value in said
            ]
    assert ("二维码", "") in said
    assert ("电子印章", "") in said
    assert (("照片", "") in said) == (one.printout.photo is not None)


def test_the_printed_record_is_attached() -> None:
    with pikepdf.open(io.BytesIO(document(0).data)) as pdf:
        assert list(pdf.attachments) == [ATTACHMENT]
        attached = bytes(pdf.attachments[ATTACHMENT].get_file().read_bytes())
        assert pdf.Root.AF[0].AFRelationship == pikepdf.Name.Data
    assert attached == printout_to_json(printing.samples()[0].printout)


@every_sample
def test_it_says_what_pdf_a_3u_wants_to_be_told(number: int) -> None:
    """ISO 19005-3, 6.2 and 6.6 to 6.8; veraPDF is asked by `make interop`."""
    with pikepdf.open(io.BytesIO(document(number).data)) as pdf:
        told = pdf.open_metadata()
        assert (told["pdfaid:part"], told["pdfaid:conformance"]) == ("3", "U")
        assert told.pdfa_status == "3U"
        (intent,) = pdf.Root.OutputIntents
        assert intent.S == pikepdf.Name.GTS_PDFA1
        assert intent.DestOutputProfile.N == 3
        assert intent.DestOutputProfile.read_bytes()[36:40] == b"acsp"  # ISO 15076-1, 7.2.9
        assert "/Info" not in pdf.trailer
        assert [one.AFRelationship for one in pdf.Root.AF] == [pikepdf.Name.Data]
        fonts = [font for page in pdf.pages for font in page.Resources.Font.values()]
        assert fonts
        for font in fonts:
            composite = "/DescendantFonts" in font
            assert not composite or font.ToUnicode.read_bytes()
            described = (font.DescendantFonts[0] if composite else font).FontDescriptor
            assert {"/FontFile2", "/FontFile3"} & set(described.keys()), font


# One revision, prefix and tail


def test_licences_of_a_face_share_their_prefix_and_the_same_input_gives_the_same_bytes() -> None:
    food = [one for one in printing.samples() if one.licence_type.slug == "food-business-licence"]
    prefix = prefix_of(food[0])
    made = [laid_out(one).tail for one in food]
    assert all(laid_out(one).prefix == prefix.data for one in food)
    assert len({sha256(data).digest() for data in made}) == len(food)
    assert laid_out(food[0]).tail == made[0]
    again = compile_base(
        food[0].face, food[0].licence_type, [seal_picture(food[0].face.seals[0].diameter)], glyphs("packaged"),
        specimen=True, photo=False, validated=True,
    )  # fmt: skip
    assert again.data == prefix.base.data


def test_new_validation_data_leave_the_base_as_it_is() -> None:
    one = printing.samples()[0]
    later = prover().everything(AT + timedelta(minutes=10))
    first, second = prefix_of(one), make_prefix(base_of(one), later)
    assert first.base is second.base
    assert len(second.block) < 12_000 < len(second.base.data)
    assert first.block != second.block


def test_the_tail_lies_behind_all_that_is_shared() -> None:
    one = printing.samples()[0]
    prefix = prefix_of(one)
    tail = write_tail(prefix, one.printout, moment=AT, reason_text="样本")
    parsed = read_pdf(prefix.data + tail.data)
    numbers = {number for number, (start, _) in parsed.spans.items() if start >= len(prefix.data)}
    assert numbers == {number for name, number in prefix.base.slots.items() if name != "validation"}
    assert len(numbers) == prefix.base.tail_objects


@pytest.mark.parametrize("place", ["base", "block", "tail"])
def test_a_changed_byte_anywhere_is_altered(place: str) -> None:
    data, prefix = document(0).data, prefix_of(printing.samples()[0])
    at = {
        "base": data.index(b"/Lang") + 2,
        "block": len(prefix.data) - 400,
        "tail": data.index(b"MCID 1>>BDC", len(prefix.data)),
    }[place]
    changed = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
    with pytest.raises(VermilionError) as refused:
        strict_check(changed, office().trust, at=LATER)
    assert refused.value.reason in {"digest_mismatch", "structure"}


# Validation data


def level_with(validation: ValidationData) -> tuple[str, str]:
    """What the sealing promises, and what the strict check finds."""
    one = printing.samples()[0]
    prefix = make_prefix(base_of(one), validation)
    made = sealed(laid_out(one, prefix))
    return made.level, strict_check(made.data, office().trust, at=LATER).level


def test_without_validation_data_the_level_is_b_t() -> None:
    one = printing.samples()[0]
    made = sealed(laid_out(one, make_prefix(base_of(one, validated=False))))
    assert made.level == strict_check(made.data, office().trust, at=LATER).level == "B-T"


def test_without_a_time_stamp_the_level_is_b_b() -> None:
    def out(asked: object) -> list[bytes | VermilionError]:
        return [VermilionError(Kind.UNAVAILABLE, "no time-stamp can be had")]

    made = sealed(laid_out(printing.samples()[0]), stamp=out)
    assert made.level == strict_check(made.data, office().trust, at=LATER).level == "B-B"


@pytest.mark.parametrize("age", [OCSP_LIFE, -timedelta(minutes=1)])
def test_validation_data_of_another_moment_do_not_count(age: timedelta) -> None:
    """Current is: thisUpdate <= token time < nextUpdate."""
    assert level_with(prover().everything(AT - age)) == ("B-T", "B-T")
    assert level_with(prover().everything(AT + timedelta(seconds=2) - OCSP_LIFE + timedelta(seconds=1))) == (
        "B-LT",
        "B-LT",
    )


WRONG = (
    "no answer about the seal", "no answer about the time-stamp", "the seal is revoked",
    "the seal is unknown", "no list of the root", "the issuing CA is revoked",
    "no certificate of the issuing CA", "an answer that nobody signed",
)  # fmt: skip


def wrong_validation(what: str) -> ValidationData:
    authority, by = office().authority, prover()
    certificates = [authority.issuing, authority.tsa]
    answers = [by.ocsp(authority.seal, AT), by.ocsp(authority.tsa, AT)]
    lists = [by.root_crl(AT)]
    match what:
        case "no answer about the seal":
            del answers[0]
        case "no answer about the time-stamp":
            del answers[1]
        case "the seal is revoked":
            revoked = Revoked(AT - timedelta(hours=1), RevocationReason.KEY_COMPROMISE)
            answers[0] = by.ocsp(authority.seal, AT, revoked)
        case "the seal is unknown":
            answers[0] = by.ocsp(authority.seal, AT, UNKNOWN)
        case "no list of the root":
            lists.clear()
        case "the issuing CA is revoked":
            lists = [by.root_crl(AT, [authority.issuing])]
        case "no certificate of the issuing CA":
            del certificates[0]
        case "an answer that nobody signed":
            data = gather(certificates, answers, lists)
            altered = answers[0][:-1] + bytes((answers[0][-1] ^ 1,))
            return replace(data, ocsps=(altered, answers[1]))
    return gather(certificates, answers, lists)


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_prove_everything_is_no_long_term_level(what: str) -> None:
    assert level_with(wrong_validation(what))[1] == "B-T"


def test_validation_data_without_times_are_refused() -> None:
    with pytest.raises(VermilionError) as refused:
        gather((), [], [])
    assert refused.value.reason == "validation_data"
    with pytest.raises(VermilionError):
        gather((), [b"no answer"], [])


# Refusals


def refusal(**changes: object) -> str:
    one = printing.samples()[0]
    arguments: dict[str, object] = {
        "pictures": [seal_picture(one.face.seals[0].diameter)], "specimen": True, "photo": False,
    } | changes  # fmt: skip
    with pytest.raises(VermilionError) as refused:
        compile_base(one.face, one.licence_type, glyphs=glyphs("packaged"), validated=False, **arguments)  # type: ignore[arg-type]
    return refused.value.reason


def test_a_seal_that_does_not_fit_is_refused() -> None:
    assert refusal(pictures=[]) == "seal_count"
    assert refusal(pictures=[seal_picture(80)]) == "seal_size"


def test_a_prefix_of_other_licences_is_refused() -> None:
    food, teacher = printing.samples()[0], printing.samples()[-1]
    real = replace(food.printout, record=replace(food.printout.record, specimen=False))
    for printout in (teacher.printout, real):
        with pytest.raises(VermilionError) as refused:
            write_tail(prefix_of(food), printout, moment=AT, reason_text="x")
        assert refused.value.reason in {"other_prefix", "bad_photo"}
    with pytest.raises(VermilionError):
        make_prefix(base_of(food))
    with pytest.raises(VermilionError):
        make_prefix(base_of(food, validated=False), proofs())


@pytest.mark.parametrize(
    ("value", "reason"), [("样本市\U000323af店", "glyph_missing"), ("样" * 400, "overflow")]
)
def test_what_cannot_be_printed_is_refused(value: str, reason: str) -> None:
    one = printing.samples()[0].renamed(value)
    with pytest.raises(VermilionError) as refused:
        laid_out(one, prefix_of(printing.samples()[0]))
    assert refused.value.reason == reason


# The font


@every_source
def test_the_value_font_has_the_outlines_of_the_cache(source: str) -> None:
    wanted = [(weight, char) for weight in Weight for char in ("样", "·", "g", *RARE)]
    known: GlyphSet = glyphs(source)
    covered = [key for key in wanted if known.covers(*key)]
    assert len(covered) >= 6
    data = build_value_font([known.get(*key) for key in covered])
    font = TTFont(io.BytesIO(data), checkChecksums=2)
    store = printing.fonts(source).store
    assert font["maxp"].numGlyphs == len(covered) + 1
    for number, (weight, char) in enumerate(covered, 1):
        glyph = store(weight).get(char)
        name = font.getGlyphName(number)
        assert font["hmtx"][name] == (glyph.advance, glyph.left)
        start, end = font["loca"].locations[number : number + 2]
        outline = font.getTableData("glyf")[start:end]
        assert outline.rstrip(b"\0") == glyph.outline.rstrip(b"\0")
    assert (
        sum(int.from_bytes(data[at : at + 4], "big") for at in range(0, len(data), 4)) & 0xFFFFFFFF
        == 0xB1B0AFBA
    )


def test_pdfium_shows_rare_characters_that_only_this_licence_has(tmp_path: Path) -> None:
    usual = printing.samples()[0]
    pictures = []
    for char in ("店", *RARE[:2]):
        if not glyphs("packaged").covers(Weight.BOLD, char):
            continue
        one = usual.renamed(f"样本市{char}")
        made = sealed(laid_out(one, prefix_of(usual)))
        path = tmp_path / "rare.pdf"
        path.write_bytes(made.data)
        assert f"样本市{char}" in words(path)
        pdf = pypdfium2.PdfDocument(made.data)
        pictures.append(pdf[0].render(scale=2).to_pil().tobytes())
        pdf.close()
    assert len(set(pictures)) == len(pictures) >= 2


def test_the_cms_is_what_the_strict_builder_makes() -> None:
    data = document(0).data
    evidence = strict_check(data, office().trust, at=LATER)
    assert evidence.seals[0].signed_sha256 == sha256(laid_out(printing.samples()[0]).attributes).digest()
    assert cms.load_certificate(evidence.seals[0].certificate)
