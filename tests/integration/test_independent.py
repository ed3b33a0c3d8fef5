"""What implementations that are not ours say of an issued licence, and what is printed against the record."""

from __future__ import annotations

import io
import subprocess
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pytest
import zxingcpp
from asn1crypto import cms as asn1_cms
from asn1crypto import tsp as asn1_tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.trust_list import TrustList, read_trust_list
from registry.licences.records import open_record
from registry.licences.tables import Edition, Intent
from signing.credential import decode_credential, parse_link
from signing.draw import ATTACHMENT
from signing.record import record_to_json
from tests.integration.province import Paper, Province
from tests.registry.world import on_sqlite
from tests.signing.alter import gap_of
from tests.tools import need

EPOCH = datetime(1970, 1, 1, tzinfo=UTC).date()


@pytest.fixture
def file(paper: Paper, tmp_path: Path) -> Path:
    path = tmp_path / "licence.pdf"
    path.write_bytes(paper.pdf)
    return path


@pytest.fixture
def trust(province: Province) -> TrustList:
    return read_trust_list(province.trust_file.read_bytes(), at=datetime.now(UTC))


def run(*command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def pem(path: Path, *certificates: bytes) -> Path:
    loaded = [x509.load_der_x509_certificate(certificate) for certificate in certificates]
    path.write_bytes(b"".join(certificate.public_bytes(Encoding.PEM) for certificate in loaded))
    return path


def signed_data(pdf: bytes) -> asn1_cms.SignedData:
    start, end = gap_of(pdf)
    return asn1_cms.ContentInfo.load(bytes.fromhex(pdf[start:end].decode()))["content"]


@on_sqlite
def test_poppler_and_qpdf(province: Province, file: Path) -> None:
    said = run(need("pdfsig"), "-nocert", file)
    assert said.count("Signature is Valid") == 1
    assert said.count("Total document signed") == 1
    assert "Signature #2" not in said
    assert "No syntax or stream encoding errors found" in run(need("qpdf"), "--check", file)


@on_sqlite
def test_pyhanko_with_our_root(paper: Paper, trust: TrustList) -> None:
    def context() -> ValidationContext:
        roots = [asn1_x509.Certificate.load(root) for root in trust.roots]
        later = datetime.now(UTC) + timedelta(minutes=1)
        return ValidationContext(trust_roots=roots, moment=later, allow_fetching=False)

    (embedded,) = PdfFileReader(io.BytesIO(paper.pdf)).embedded_regular_signatures
    status = validate_pdf_signature(embedded, context(), context())
    assert status.bottom_line
    assert status.coverage == SignatureCoverageLevel.ENTIRE_FILE
    assert status.docmdp_ok
    assert status.timestamp_validity is not None
    assert status.timestamp_validity.trusted
    name = status.signing_cert.subject.native
    assert paper.request["seal"] in str(name)


@on_sqlite
def test_openssl_verifies_the_token_and_the_signature(paper: Paper, trust: TrustList, tmp_path: Path) -> None:
    openssl = need("openssl")
    (signer,) = signed_data(paper.pdf)["signer_infos"]
    (token,) = [
        value
        for attribute in signer["unsigned_attrs"]
        if attribute["type"].native == "signature_time_stamp_token"
        for value in attribute["values"]
    ]
    assert isinstance(token, asn1_cms.ContentInfo)
    info = token["content"]["encap_content_info"]["content"].parsed
    assert isinstance(info, asn1_tsp.TSTInfo)
    root, issuing = pem(tmp_path / "root.pem", *trust.roots), pem(tmp_path / "issuing.pem", *trust.issuing)
    (tmp_path / "token.der").write_bytes(token.dump())
    over = sha256(signer["signature"].native).hexdigest()
    assert "Verification: OK" in run(
        openssl, "ts", "-verify", "-digest", over, "-token_in", "-in", tmp_path / "token.der",
        "-CAfile", root, "-untrusted", issuing,
    )  # fmt: skip
    start, end = gap_of(paper.pdf)
    (tmp_path / "signed").write_bytes(paper.pdf[: start - 1] + paper.pdf[end + 1 :])
    (tmp_path / "seal.der").write_bytes(
        asn1_cms.ContentInfo.load(bytes.fromhex(paper.pdf[start:end].decode())).dump()
    )
    assert "Verification successful" in run(
        openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", tmp_path / "seal.der",
        "-content", tmp_path / "signed", "-CAfile", root, "-purpose", "any", "-out", tmp_path / "out",
    )  # fmt: skip


@on_sqlite
def test_a_scanner_reads_the_link_byte_for_byte_at_150_dpi(province: Province, paper: Paper) -> None:
    document = pypdfium2.PdfDocument(paper.pdf)
    try:
        image = document[0].render(scale=150 / 72).to_pil().convert("RGB")
    finally:
        document.close()
    (found,) = zxingcpp.read_barcodes(image)
    assert bytes(found.bytes) == paper.link.encode("ascii")
    assert found.text == paper.link
    assert province.check_link(found.text).verdict == "valid"


def attached(paper: Paper) -> bytes:
    with pikepdf.open(io.BytesIO(paper.pdf)) as pdf:
        assert list(pdf.attachments) == [ATTACHMENT]
        return bytes(pdf.attachments[ATTACHMENT].get_file().read_bytes())


def test_the_record_attached_is_the_one_in_the_database(province: Province, paper: Paper) -> None:
    import json

    with Session(province.world.ports.database.read) as session:
        stored = session.scalars(select(Edition).where(Edition.identifier == paper.identifier)).one()
        kept = session.get_one(Intent, stored.id).record
    in_file = json.loads(attached(paper))
    in_database: dict[str, Any] = record_to_json(open_record(province.world.ports.vault, stored.id, kept))
    assert in_file["record"] == in_database
    assert in_database["number"] == paper.request["number"]
    for name, value in paper.request["fields"].items():
        if name != "photo":
            assert in_database["fields"][name] == value
    assert sha256(parse_link(paper.link).credential or b"").digest() == stored.credential_sha256


@on_sqlite
def test_the_claims_of_the_code_are_what_the_face_shows(paper: Paper, file: Path) -> None:
    """Every claim is a printed value or its mask; the text is what pdftotext reads from the page."""
    credential = parse_link(paper.link).credential
    assert credential is not None
    claims = decode_credential(credential).claims
    page = "".join(run(need("pdftotext"), "-raw", file, "-").split())
    fields = paper.request["fields"]
    assert claims.number == paper.request["number"]
    for full in (claims.number, claims.holder_name, claims.representative):
        assert full is None or "".join(full.split()) in page
    assert claims.type_code == paper.request["type"]
    assert claims.issue_date.isoformat() == fields["issue_date"]
    if paper.agency == "own":
        assert (claims.holder_name, claims.holder_code) == (fields["operator_name"], fields["credit_code"])
        assert claims.valid_to is not None
        assert claims.valid_to.isoformat() == fields["valid_to"]
        assert fields["credit_code"] in page
    else:
        number = fields["citizen_id"]
        assert (claims.holder_name, claims.valid_to) == (fields["holder_name"], None)
        assert claims.holder_code is not None
        assert claims.holder_code != number
        assert len(claims.holder_code) == len(number)
        assert all(shown in ("*", real) for shown, real in zip(claims.holder_code, number, strict=True))
        assert number in page
        assert number.encode() not in credential
