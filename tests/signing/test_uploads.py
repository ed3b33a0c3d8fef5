"""What is taken of uploads and what is not: files as people send them, and files that do more than show themselves."""

from __future__ import annotations

import contextlib
import io
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pikepdf import Array, Dictionary, Encryption, Name, Pdf, String
from PIL import Image

from keys.errors import Kind, VermilionError
from signing.apart import Apart
from signing.report import Explained
from signing.signatory import THEIRS, Match, Signatory, match_of, match_one, signatories
from signing.upload_checks import JPEG, PDF, PNG, REASONS, refusal_of
from signing.uploads import Examiner
from signing.validator import LIMITS, Validator
from tests.examining import AT, examiner, licensed, plain_pdf, signed_pdf, signer, unknown
from tests.signing import long_term
from tests.signing.hostile_files import GROUPS
from tests.signing.sealing import sealed

NAME, CODE = "样本市云水间餐饮管理有限公司", "91340100MA2TEST000"


def rewritten(change: Callable[[Pdf], None], **options: Any) -> bytes:
    with Pdf.open(io.BytesIO(plain_pdf())) as pdf:
        change(pdf)
        out = io.BytesIO()
        pdf.save(out, **options)
        return out.getvalue()


def picture(kind: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind, **options)
    return out.getvalue()


def attached(name: str, content: bytes) -> Callable[[Pdf], None]:
    def change(pdf: Pdf) -> None:
        pdf.attachments[name] = pikepdf.AttachedFileSpec(pdf, content, filename=name)

    return change


def opening(**action: Any) -> Callable[[Pdf], None]:
    def change(pdf: Pdf) -> None:
        pdf.Root.OpenAction = Dictionary(**action)

    return change


def annotated(**annotation: Any) -> Callable[[Pdf], None]:
    def change(pdf: Pdf) -> None:
        box = Array([0, 0, 10, 10])
        pdf.pages[0].obj.Annots = Array(
            [pdf.make_indirect(Dictionary(Type=Name.Annot, Rect=box, **annotation))]
        )

    return change


def written(*objects: bytes) -> bytes:
    """A PDF by hand: these objects behind a page, which is the third."""
    bodies = (
        b"<</Type/Catalog/Pages 2 0 R/OpenAction 4 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
        *objects,
    )
    data, places = b"%PDF-1.7\n", list[int]()
    for number, body in enumerate(bodies, 1):
        places.append(len(data))
        data += b"%d 0 obj%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(bodies) + 1
    return data + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
        % (size, table, size, len(data))
    )


def unreferenced(pdf: Pdf) -> None:
    pdf.Root.AcroForm = Dictionary(Fields=Array([]), DR=Dictionary(X=Array([Dictionary(S=Name.Launch)])))


TAKEN = {
    "plain": (plain_pdf(), PDF),
    "a licence of ours, with its record": (sealed().data, PDF),
    "by hand": (written(b"<</S/GoTo/D[3 0 R/Fit]>>"), PDF),
    "a link": (rewritten(annotated(Subtype=Name.Link, A=Dictionary(S=Name.URI, URI=String("https://a.example")))), PDF),
    "an attached text": (rewritten(attached("data.xml", b"<a/>")), PDF),
    "object streams": (
        rewritten(lambda pdf: None, object_stream_mode=pikepdf.ObjectStreamMode.generate), PDF,
    ),
    "linearised": (rewritten(lambda pdf: None, linearize=True), PDF),
    "jpeg": (picture("JPEG"), JPEG),
    "progressive": (picture("JPEG", progressive=True), JPEG),
    "two pictures, as a telephone adds": (picture("JPEG") + picture("JPEG"), JPEG),
    "png": (picture("PNG"), PNG),
}  # fmt: skip


@pytest.mark.parametrize("case", TAKEN)
def test_what_people_send_is_taken(case: str) -> None:
    examiner().require_harmless(*TAKEN[case])


def bomb(pdf: Pdf) -> None:
    text = zlib.compress(b" " * (64 << 20), 9)
    stream = pdf.make_stream(text, Type=Name.EmbeddedFile, Filter=Name.FlateDecode)
    spec = Dictionary(Type=Name.Filespec, F=String("a.txt"), UF=String("a.txt"), EF=Dictionary(F=stream))
    pdf.Root.AF = Array([pdf.make_indirect(spec)])


def png_with(chunk: bytes) -> bytes:
    whole, end = picture("PNG"), b"\0\0\0\0IEND\xaeB`\x82"
    return whole.removesuffix(end) + chunk + end


REFUSED = {
    "not a pdf": (b"MZ" + plain_pdf(), PDF, "material_format"),
    "something before it": (b"\n" + plain_pdf(), PDF, "material_format"),
    "cut off": (plain_pdf()[:-40], PDF, "material_format"),
    "something behind it": (plain_pdf() + b"PK\x03\x04" + bytes(2000), PDF, "material_format"),
    "no table": (plain_pdf().replace(b"startxref", b"startxrex"), PDF, "material_format"),
    "encrypted": (rewritten(lambda pdf: None, encryption=Encryption(user="a", owner="b")), PDF, "material_encrypted"),
    "encrypted for nobody": (rewritten(lambda pdf: None, encryption=Encryption(user="", owner="b")), PDF, "material_encrypted"),
    "a script": (rewritten(opening(S=Name.JavaScript, JS=String("app.alert(1)"))), PDF, "material_active"),
    "a name in other letters": (written(b"<</S/Java#53cript>>"), PDF, "material_active"),
    "a name elsewhere": (written(b"<</S 5 0 R>>", b"/Launch"), PDF, "material_active"),
    "an action after another": (written(b"<</S/GoTo/D[3 0 R/Fit]/Next[<</S/Named/N/NextPage>><</S/Launch>>]>>"), PDF, "material_active"),
    "a link that is a script": (written(b"<</S/URI/URI(javascript:alert)>>"), PDF, "material_active"),
    "a link to a file here": (written(b"<</S/URI/URI(file:///c:/a.exe)>>"), PDF, "material_active"),
    "a stream elsewhere": (written(b"<</Length 0/F(b.pdf)>>stream\n\nendstream"), PDF, "material_active"),
    "no pages": (b"%PDF-1.7\n" + written(b"null").partition(b"\n")[2].replace(b"[3 0 R]", b"[     ]"), PDF, "material_format"),
    "too deep": (written(b"[" * 5000 + b"]" * 5000), PDF, ("material_format", "material_limits")),
    "a program started": (rewritten(opening(S=Name.Launch, F=String("a.exe"))), PDF, "material_active"),
    "a form sent": (rewritten(annotated(Subtype=Name.Link, A=Dictionary(S=Name.SubmitForm))), PDF, "material_active"),
    "another file opened": (rewritten(annotated(Subtype=Name.Link, A=Dictionary(S=Name.GoToR, F=String("b.pdf")))), PDF, "material_active"),
    "film": (rewritten(annotated(Subtype=Name.RichMedia)), PDF, "material_active"),
    "xfa": (rewritten(lambda pdf: pdf.Root.__setattr__("AcroForm", Dictionary(XFA=String("x")))), PDF, "material_active"),
    "deep within": (rewritten(unreferenced), PDF, "material_active"),
    "a program within": (rewritten(attached("a.exe", b"MZ\0")), PDF, "material_embedded"),
    "a program under another name": (rewritten(attached("a.txt", b"MZ\0\x90")), PDF, "material_embedded"),
    "a shell script": (rewritten(attached("a.txt", b"#!/bin/sh\n")), PDF, "material_embedded"),
    "a bomb": (rewritten(bomb), PDF, ("material_embedded", "material_limits")),
    "a page of a picture": (picture("PNG"), PDF, "material_format"),
    "a picture of a page": (plain_pdf(), PNG, "material_format"),
    "a picture that is another": (picture("PNG"), JPEG, "material_format"),
    "behind a jpeg": (picture("JPEG") + b"PK\x03\x04", JPEG, "material_format"),
    "half a jpeg": (picture("JPEG", (400, 400))[:600], JPEG, "material_format"),
    "behind a png": (picture("PNG") + b"PK\x03\x04", PNG, "material_format"),
    "a damaged png": (picture("PNG").replace(b"IDAT", b"IDAU"), PNG, "material_format"),
    "an animated png": (png_with(b"\0\0\0\x08acTL" + bytes(8) + zlib.crc32(b"acTL" + bytes(8)).to_bytes(4, "big")), PNG, "material_format"),
    "a wide picture": (picture("PNG", (20_001, 1)), PNG, "material_limits"),
    "a picture that is a bomb": (picture("PNG", (9_000, 9_000), "1"), PNG, "material_limits"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_page_or_picture_alone_is_refused(case: str) -> None:
    data, media, reason = REFUSED[case]
    with pytest.raises(VermilionError) as refused:
        examiner().require_harmless(data, media)
    assert refused.value.kind is Kind.INVALID
    assert refused.value.reason in ((reason,) if isinstance(reason, str) else reason)


@given(st.data())
def test_whatever_is_changed_in_a_file_has_an_answer(data: st.DataObject) -> None:
    media, whole = data.draw(
        st.sampled_from([(PDF, plain_pdf()), (JPEG, picture("JPEG")), (PNG, picture("PNG"))])
    )
    changed = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        if not changed:
            return
    assert refusal_of(bytes(changed), media) in {None, *REASONS}


@pytest.fixture
def nobody() -> Examiner:
    """Whose process apart is gone."""
    apart = Apart(lambda _order, _emit: None, LIMITS)
    apart.close()
    return Examiner(Validator(apart))


def test_where_nobody_can_look_nothing_is_taken(nobody: Examiner) -> None:
    for look in (
        lambda: nobody.require_harmless(plain_pdf(), PDF),
        lambda: nobody.report(plain_pdf(), None, AT),
    ):
        with pytest.raises(VermilionError) as out:
            look()
        assert (out.value.kind, out.value.reason) == (Kind.UNAVAILABLE, "examiner")


def test_an_answer_that_is_none_of_ours_is_an_outage() -> None:
    apart = Apart(lambda _order, emit: emit(b"fine"), LIMITS)
    try:
        with pytest.raises(VermilionError) as out:
            Examiner(Validator(apart)).require_harmless(plain_pdf(), PDF)
        assert out.value.reason == "examiner"
    finally:
        apart.close()


# --- who signed


def told(data: bytes) -> Match:
    report = examiner().report(data, None, AT)
    assert report.explained is Explained.DONE
    return match_of(signatories(report.signatures), NAME, CODE)


@pytest.mark.parametrize(
    ("by", "match"),
    [
        (signer(NAME, CODE), Match.BY_CODE),
        (signer("张三", f"NTRCN-{CODE}"), Match.BY_CODE),
        (signer(NAME, "", None, ("1.2.156.10260.4.1.4", b"\x13\x12" + CODE.encode())), Match.BY_CODE),
        (
            signer("李四", "", None, ("1.2.156.10260.4.1.1", b"\x31\x14\x80\x12" + CODE.encode())),
            Match.BY_CODE,
        ),
        (signer(NAME.replace("样", " 样")), Match.BY_NAME),
        (signer(NAME, "91340100MA2OTHER00"), Match.ANOTHER),
        (signer("别的公司"), Match.ANOTHER),
        (signer(NAME, CODE, unknown()), Match.UNPROVEN),
    ],
    ids=lambda one: one.value if isinstance(one, Match) else "",
)
def test_the_signer_is_compared_by_code_first_and_by_name(by: Any, match: Match) -> None:
    assert told(signed_pdf(plain_pdf(), by)) is match


def test_what_was_changed_after_signing_proves_nothing() -> None:
    data = signed_pdf(plain_pdf(), signer(NAME, CODE))
    assert told(data.replace(b" 842 ", b" 841 ")) is Match.UNPROVEN
    assert told(data + b"\n% more") is Match.UNPROVEN
    assert told(plain_pdf()) is Match.UNSIGNED
    assert licensed().der  # the one authority that is known


def test_the_best_of_several_signers_counts() -> None:
    theirs, another = Signatory((NAME,), (CODE,), proven=True), Signatory(("x",), (), proven=True)
    assert match_of([another, theirs], NAME, CODE) is Match.BY_CODE
    assert match_of([another, replace(theirs, proven=False)], NAME, CODE) is Match.ANOTHER
    assert match_of([], NAME, CODE) is Match.UNSIGNED


@given(
    st.text(max_size=30),
    st.lists(st.text(max_size=30), max_size=3),
    st.lists(st.text(max_size=30), max_size=3),
)
def test_nobody_is_the_applicant_without_their_code_or_name(
    code: str, names: list[str], identifiers: list[str]
) -> None:
    found = match_one(Signatory(tuple(names), tuple(identifiers), proven=True), "甲" * 40, "乙" * 18 + code)
    assert found is Match.ANOTHER


# --- the files that were made to mislead a reader of licences


@pytest.mark.parametrize("group", [name for name in GROUPS if name != "tiring"])
def test_whatever_misleads_a_reader_is_answered_and_never_the_applicant_s(group: str) -> None:
    """A child that breaks would be an outage; none does."""
    for name, one in GROUPS[group].items():
        data = one.make(long_term.genuine(0).data)
        with contextlib.suppress(VermilionError):
            try:
                examiner().require_harmless(data, PDF)
            except VermilionError as refused:
                assert refused.reason in REASONS, name
                raise
            report = examiner().report(data, None, AT)
            assert match_of(signatories(report.signatures), NAME, CODE) not in THEIRS, name


def test_one_that_tires_the_reader_is_refused_within_the_limits() -> None:
    name, one = next(iter(GROUPS["tiring"].items()))
    began = time.monotonic()
    with pytest.raises(VermilionError) as refused:
        examiner().require_harmless(one.make(long_term.genuine(0).data), PDF)
    assert refused.value.reason in REASONS, name
    assert time.monotonic() - began < LIMITS.wall_seconds + 3
