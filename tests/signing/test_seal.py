"""What sealing promises: one revision, one signature, one use of the key, and documents that others accept."""

from __future__ import annotations

import asyncio
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
from asn1crypto import cms as asn1_cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from keys.custodian import Kind as SignKind
from keys.custodian import Purpose
from keys.errors import Kind, VermilionError
from signing.cms import leading_element, parse_seal
from signing.document import SealPlace
from signing.seal import seal
from signing.strict_check import strict_check
from tests.signing.alter import gap_of
from tests.signing.sealing import MM, NOW, PLACE, NoStamps, drawn_page, make_office, office, sealed
from tests.tools import need


def contents(data: bytes) -> bytes:
    start, end = gap_of(data)
    return leading_element(bytes.fromhex(data[start:end].decode()))


def signed_bytes(data: bytes) -> bytes:
    start, end = gap_of(data)
    return data[: start - 1] + data[end + 1 :]


def test_the_key_and_the_time_stamp_authority_are_each_asked_once() -> None:
    here = make_office()
    here.records = iter(["intent:1"])
    document = here.seal()
    (request,) = here.witness.requests
    found = parse_seal(contents(document.data))
    assert (request.kind, request.record) == (SignKind.SIGNED_ATTRIBUTES, "intent:1")
    assert request.data == found.attributes
    assert here.stamps.asked == [sha256(found.signature).digest()]
    assert (document.level, document.sealed_at) == ("B-T", here.stamps.at)


def test_an_outage_of_the_time_stamp_authority_costs_a_level_and_no_licence() -> None:
    document = office().seal(NoStamps())
    assert (document.level, document.sealed_at) == ("B-B", NOW)
    assert parse_seal(contents(document.data)).token is None


@pytest.mark.parametrize("answer", [b"", b"garbage", b"\x30\x80", b"\x30\x03\x02\x01\x02"])
def test_what_is_no_token_is_not_put_into_a_document(answer: bytes) -> None:
    class Liar:
        def stamp(self, digest: bytes, record: str) -> bytes:
            return answer

    assert office().seal(Liar()).level == "B-B"


def test_a_token_of_another_signature_is_not_put_into_a_document() -> None:
    class Mixed:
        def stamp(self, digest: bytes, record: str) -> bytes:
            return office().stamps.stamp(sha256(b"another").digest(), record)

    assert office().seal(Mixed()).level == "B-B"


def test_a_refusal_by_the_time_stamp_authority_is_not_taken_for_an_outage() -> None:
    class Refusing:
        def stamp(self, digest: bytes, record: str) -> bytes:
            raise VermilionError(Kind.KEY_REFUSED, "used before")

    with pytest.raises(VermilionError) as refused:
        office().seal(Refusing())
    assert refused.value.kind is Kind.KEY_REFUSED


def test_one_input_gives_one_set_of_signed_bytes_of_one_revision() -> None:
    first, second = sealed().data, office().seal().data
    assert signed_bytes(first) == signed_bytes(second)
    assert first.count(b"%%EOF") == first.count(b"\nxref\n") == first.count(b"startxref") == 1
    assert not re.search(rb"/Prev\b", first)


def test_sealing_works_within_a_running_event_loop() -> None:
    async def within() -> str:
        return office().seal().level

    assert asyncio.run(within()) == "B-T"


def test_the_seal_lies_at_its_place_in_its_exact_size_as_vectors() -> None:
    with pikepdf.open(io.BytesIO(sealed().data)) as pdf:
        (widget,) = pdf.pages[0].Annots
        x0, y0, x1, y1 = (float(n) / MM for n in widget.Rect)
        box = [float(n) / MM for n in widget.AP.N.BBox]
        assert (x1 - x0, y1 - y0) == pytest.approx((42, 42), abs=0.001)
        assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((PLACE.x_mm, PLACE.y_mm), abs=0.001)
        assert box == pytest.approx([0, 0, 42, 42], abs=0.001)
        assert "/XObject" not in widget.AP.N.Resources
        assert int(widget.F) & 0b100  # printed


def test_further_places_show_the_picture_and_the_signature_has_one_widget() -> None:
    here = make_office()
    with pikepdf.open(io.BytesIO(drawn_page())) as pdf:
        pdf.pages.append(pdf.pages[0])
        paper = io.BytesIO()
        pdf.save(paper, static_id=True)
    document = seal(
        paper.getvalue(), material=here.material, places=(PLACE, SealPlace(1, 60, 70), SealPlace(1, 130, 200)),
        custodian=here.custodian, timestamper=here.stamps, at=NOW, record="intent:1", reason_text="issue",
    )  # fmt: skip
    strict_check(document.data, here.trust, at=here.stamps.at)
    with pikepdf.open(io.BytesIO(document.data)) as pdf:
        (widget,) = pdf.pages[0].Annots
        assert "/Annots" not in pdf.pages[1]
        shown = [x for name, x in pdf.pages[1].Resources.XObject.items() if name.startswith("/SealPicture")]
        assert {x.objgen for x in shown} == {widget.AP.N.objgen}
    rendered = pypdfium2.PdfDocument(document.data)
    try:
        second = rendered[1].render(scale=1).to_pil().convert("RGB")
    finally:
        rendered.close()
    for x, y in ((60, 70), (130, 200)):
        ring = second.crop(tuple(round(n * MM) for n in (x - 22, 297 - y - 22, x + 22, 297 - y + 22)))
        assert any(red > 190 and green < 20 for _, (red, green, _) in ring.getcolors(maxcolors=1 << 16))


def test_reason_moment_and_certification_stand_in_the_signature_dictionary() -> None:
    here = office()
    document = seal(
        drawn_page(), material=here.material, places=(PLACE,), custodian=here.custodian, timestamper=None,
        at=NOW + timedelta(microseconds=999_999), record="intent:reason", reason_text="签发 𠮷 (食品经营许可证)",
    )  # fmt: skip
    assert document.sealed_at == NOW
    with pikepdf.open(io.BytesIO(document.data)) as pdf:
        signature = pdf.Root.AcroForm.Fields[0].V
        assert pdf.Root.Perms.DocMDP.objgen == signature.objgen
        assert str(signature.Reason) == "签发 𠮷 (食品经营许可证)"
        assert str(signature.M) == NOW.strftime("D:%Y%m%d%H%M%SZ")
        assert signature.SubFilter == "/ETSI.CAdES.detached"
        assert int(signature.Reference[0].TransformParams.P) == 1


@pytest.mark.parametrize("place", [SealPlace(1, 100, 100), SealPlace(-1, 100, 100), SealPlace(0, 20, 100)])
def test_a_seal_off_its_page_is_refused_before_any_key_is_used(place: SealPlace) -> None:
    here = make_office()
    with pytest.raises(VermilionError, match="page") as refused:
        seal(
            drawn_page(), material=here.material, places=(place,), custodian=here.custodian, timestamper=None,
            at=NOW, record="intent:1", reason_text="issue",
        )  # fmt: skip
    assert refused.value.reason == "seal_off_page"
    assert here.witness.requests == []


def test_garbage_is_refused_before_any_key_is_used() -> None:
    here = make_office()
    with pytest.raises(VermilionError) as refused:
        here.seal(pdf=b"%PDF-1.7\nnothing")
    assert refused.value.kind is Kind.INVALID
    assert here.witness.requests == []


def test_no_document_leaves_whose_key_and_certificate_differ() -> None:
    here = make_office()
    other = here.authority.custodian.generate(Purpose.SEAL, "p256-sha256")
    here.material = replace(here.material, key=other)
    with pytest.raises(VermilionError) as refused:
        here.seal()
    assert refused.value.reason == "key_mismatch"


def test_one_record_is_sealed_once() -> None:
    here = make_office()
    here.records = iter(["intent:1", "intent:1"])
    here.seal()
    with pytest.raises(VermilionError) as refused:
        here.seal()
    assert refused.value.kind is Kind.KEY_REFUSED


def test_certificates_that_do_not_fit_are_an_error() -> None:
    here = make_office()
    here.material = replace(here.material, chain=here.material.chain * 20)
    with pytest.raises(VermilionError) as refused:
        here.seal()
    assert refused.value.reason == "certificates_too_long"


def test_a_token_that_does_not_fit_beside_them_is_left_out() -> None:
    here = make_office()
    # About 500 bytes each: all but the token find room.
    here.material = replace(here.material, chain=here.material.chain * 13)
    document = here.seal()
    assert len(here.stamps.asked) == 1
    assert (document.level, document.sealed_at) == ("B-B", NOW)
    signed = asn1_cms.ContentInfo.load(contents(document.data))["content"]
    (signer,) = signed["signer_infos"]
    assert len(signed["certificates"]) == 14
    assert signer["unsigned_attrs"].native is None


# What independent implementations say of it.


def pem(path: Path, *certificates: bytes) -> str:
    path.write_bytes(
        b"".join(
            x509.load_der_x509_certificate(c).public_bytes(serialization.Encoding.PEM) for c in certificates
        )
    )
    return str(path)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("stamped", [True, False])
def test_poppler_finds_the_signature_valid_and_the_whole_document_signed(
    tmp_path: Path, stamped: bool
) -> None:
    path = tmp_path / "sealed.pdf"
    path.write_bytes(sealed().data if stamped else office().seal(NoStamps()).data)
    said = run(need("pdfsig"), "-nocert", str(path))
    assert "Signature is Valid" in said
    assert "Total document signed" in said
    assert "ETSI.CAdES.detached" in said


def test_qpdf_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    path = tmp_path / "sealed.pdf"
    path.write_bytes(sealed().data)
    assert "No syntax or stream encoding errors found" in run(need("qpdf"), "--check", str(path))


def test_pyhanko_trusts_it_with_our_root_and_finds_it_whole() -> None:
    def context() -> ValidationContext:
        return ValidationContext(
            trust_roots=[asn1_x509.Certificate.load(office().root)],
            moment=NOW + timedelta(hours=1),
            allow_fetching=False,
        )

    (embedded,) = PdfFileReader(io.BytesIO(sealed().data)).embedded_regular_signatures
    status = validate_pdf_signature(embedded, context(), context())
    assert status.bottom_line
    assert status.coverage == SignatureCoverageLevel.ENTIRE_FILE
    assert status.docmdp_ok
    assert status.timestamp_validity is not None
    assert status.timestamp_validity.trusted
    assert status.timestamp_validity.timestamp == sealed().sealed_at


def test_openssl_verifies_the_signature_and_the_token(tmp_path: Path) -> None:
    here, openssl = office(), need("openssl")
    found = parse_seal(contents(sealed().data))
    root = pem(tmp_path / "root.pem", here.root)
    issuing = pem(tmp_path / "issuing.pem", *here.trust.issuing)
    moment = str(int((NOW + timedelta(hours=1)).timestamp()))
    (tmp_path / "signed").write_bytes(signed_bytes(sealed().data))
    (tmp_path / "seal.der").write_bytes(contents(sealed().data))
    assert "Verification successful" in run(
        openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", str(tmp_path / "seal.der"),
        "-content", str(tmp_path / "signed"), "-CAfile", root, "-purpose", "any", "-attime", moment,
        "-out", str(tmp_path / "out"),
    )  # fmt: skip
    assert found.token is not None
    (tmp_path / "token.der").write_bytes(found.token)
    assert "Verification: OK" in run(
        openssl, "ts", "-verify", "-digest", sha256(found.signature).hexdigest(), "-token_in",
        "-in", str(tmp_path / "token.der"), "-CAfile", root, "-untrusted", issuing, "-attime", moment,
    )  # fmt: skip
