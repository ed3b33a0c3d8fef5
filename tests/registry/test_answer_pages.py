"""The page of a signed answer: a PDF that says what the answer says, signed whole, checked again by anybody."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from asn1crypto import x509
from click.testing import CliRunner
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

import registry.cli.verify_answer
from keys.custodian import Kind, SignRequest
from keys.errors import VermilionError
from keys.profiles import ProfileName
from keys.suite import SUITES
from registry.cli.verify_answer import verify_answer
from registry.licences.issued import Issued
from registry.licences.tables import Document
from registry.seals.authority import give_own_key, root
from registry.seals.drawn_pages import drawn
from registry.seals.tables import KeyUse
from registry.seals.trust import publish_trust_list
from signing.answer_page import ATTACHMENT, MAX_BYTES, read_page
from signing.cms import signed_attributes
from tests.cli.test_verify_offline import clock_at
from tests.registry.issuing import issue_one
from tests.registry.relying import API, SIGNED, TAKEN_BACK, Front, front, moment, taken_over
from tests.registry.test_status import change
from tests.registry.world import START, Ticker, World, on_sqlite
from tests.tools import need

PAGE = {"Accept": "application/pdf", "Accept-Language": "en"}
CHANGED = 60  # bytes that are changed, spread over the file


@pytest.fixture
def site(world: World) -> Iterator[Front]:
    with front(world) as made:
        yield made


def page_of(site: Front, issued: Issued, language: str = "en", **options: str) -> bytes:
    answer = site.ask({"qr": issued.link, **options}, **PAGE | {"Accept-Language": language})
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf"), answer.get_data(as_text=True)
    return bytes(answer.data)


def text_of(page: bytes, folder: Path) -> str:
    file = folder / "page.pdf"
    file.write_bytes(page)
    said = subprocess.run(
        [need("pdftotext"), "-layout", file, "-"], check=True, capture_output=True, text=True
    )
    return said.stdout


def document_of(site: Front, issued: Issued) -> bytes:
    with Session(site.world.ports.database.read) as session:
        document = session.scalars(select(Document).where(Document.sha256 == issued.sha256)).one()
        stored = site.world.ports.documents.get(document.store_key)
    assert stored is not None
    return stored


def test_a_page_says_what_the_answer_says_and_carries_it(site: Front, tmp_path: Path) -> None:
    issued = issue_one(site.world)
    page = page_of(site, issued, reference="loan 4711/2026")
    found = read_page(page, trust=site.trust, at=site.world.ports.clock())
    (answer,) = found.content.answers
    assert answer["verdict"] == "valid"
    assert {name: value for name, value in answer.items() if name != "presented"} == site.said(
        {"qr": issued.link}
    )
    assert (found.content.audience, found.content.request_reference) == (site.party, "loan 4711/2026")
    with pikepdf.open(io.BytesIO(page)) as pdf:
        assert site.read(pdf.attachments[ATTACHMENT].get_file().read_bytes()) == found
    shown = " ".join(text_of(page, tmp_path).split())
    record = issued.printout.record
    told = [
        "Valid", found.content.reference, "loan 4711/2026", site.party, site.world.ports.settings.public_origin,
        found.key.kid, record.identifier, record.issuer_code, answer["licence"]["type"]["name"]["en"],
        "2026-11-20 10:30:00+08:00", "SPECIMEN", "Page 1 of 1",
    ]  # fmt: skip
    dense = shown.replace(" ", "")
    assert [one for one in told if one.replace(" ", "") not in dense] == []
    for field in answer["licence"]["fields"]:
        value = field["value"] if isinstance(field["value"], str) else "、".join(field["value"])
        assert value.replace(" ", "") in dense, field
    assert len(page) < MAX_BYTES


@on_sqlite
@pytest.mark.parametrize(
    ("language", "words"), [("zh", "证照核验回执"), ("en", "Receipt of a"), ("es", "Comprobante de la")]
)
def test_it_is_in_the_language_that_is_asked_for(
    site: Front, tmp_path: Path, language: str, words: str
) -> None:
    issued = issue_one(site.world)
    change(site.world, "end", issued.printout.record.identifier, how="revoked")
    shown = text_of(page_of(site, issued, language), tmp_path)
    assert words in shown
    assert {"zh": "吊销", "en": "Revoked", "es": "Revocada"}[language] in shown


@on_sqlite
def test_other_readers_find_the_signature_valid_and_over_the_whole_file(site: Front, tmp_path: Path) -> None:
    page = page_of(site, issue_one(site.world))
    file = tmp_path / "page.pdf"
    file.write_bytes(page)
    subprocess.run([need("qpdf"), "--check", file], check=True, capture_output=True)
    told = subprocess.run([need("pdfsig"), "-nocert", file], check=True, capture_output=True, text=True)
    assert "Signature Validation: Signature is Valid." in told.stdout
    assert "Total document signed" in told.stdout
    with Session(site.world.ports.database.read) as session:
        anchor = root(session)
    context = ValidationContext(
        trust_roots=[x509.Certificate.load(anchor)],
        moment=site.world.ports.clock(),
        revocation_mode="soft-fail",
    )
    (signature,) = PdfFileReader(io.BytesIO(page)).embedded_signatures
    status = validate_pdf_signature(
        signature, context, key_usage_settings=KeyUsageConstraints(key_usage={"digital_signature"})
    )
    assert status.bottom_line
    assert status.coverage is SignatureCoverageLevel.ENTIRE_FILE


def file_form(data: bytes, *references: str) -> dict[str, Any]:
    """A form as a browser's or a program's, with what the request is called."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
    more = b"".join(
        b'\r\n--b\r\nContent-Disposition: form-data; name="reference"\r\n\r\n' + one.encode()
        for one in references
    )
    return {"data": head + data + more + b"\r\n--b--\r\n", "content_type": "multipart/form-data; boundary=b"}


def sent_file(
    site: Front, key: str | None = "", accept: Mapping[str, str] = PAGE, **body: Any
) -> TestResponse:
    bearer = {} if key is None else {"Authorization": f"Bearer {key or site.key}"}
    return site.http.post(API, headers={**accept, **bearer}, **body)


def test_an_uploaded_file_has_a_receipt_that_is_checked_again(
    site: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another reader, by `vermilion verify-answer` without a network, and by the site, which says what is so now;
    of a licence, of one that was changed, and of what somebody else made.
    """
    issued = issue_one(site.world)
    right = document_of(site, issued)
    wrong = bytearray(right)
    wrong[len(wrong) // 2] ^= 1
    others = b"%PDF-1.7\nof somebody else\n%%EOF\n"
    verdicts = {right: "valid", bytes(wrong): "altered", others: "not_recognised"}
    receipts = {}
    for file, verdict in verdicts.items():
        answer = sent_file(site, data=file, content_type="application/pdf")
        assert (answer.status_code, answer.mimetype) == (200, "application/pdf"), answer.get_data(
            as_text=True
        )
        receipts[file] = answer.data
        found = read_page(answer.data, trust=site.trust, at=site.world.ports.clock())
        (said,) = found.content.answers
        assert (said["verdict"], found.content.audience) == (verdict, site.party)
        assert said["presented"] == {"document_sha256": sha256(file).hexdigest()}
        assert "report" not in said  # nobody vouches for what explains
        shown = "".join(text_of(answer.data, tmp_path).split())
        assert found.content.reference in shown
        assert sha256(file).hexdigest() in shown
        told = subprocess.run(
            [need("pdfsig"), "-nocert", tmp_path / "page.pdf"], capture_output=True, check=True
        )
        assert b"Signature Validation: Signature is Valid." in told.stdout
        assert b"Total document signed" in told.stdout

    jws = site.http.get("/.well-known/elicence/trust-list").data
    (tmp_path / "trust.jwt").write_bytes(jws)
    monkeypatch.setattr(registry.cli.verify_answer, "datetime", clock_at(site.world.ports.clock()))
    for file, receipt in receipts.items():
        (tmp_path / "receipt.pdf").write_bytes(receipt)
        asked = [str(tmp_path / "receipt.pdf"), "--trust", str(tmp_path / "trust.jwt"), "--json"]
        done = CliRunner().invoke(verify_answer, asked)
        assert (done.exit_code, json.loads(done.stdout)["genuine"]) == (0, True), done.output
        assert verdicts[file] in done.stdout

    change(site.world, "end", issued.printout.record.identifier, how="revoked")
    then = []
    for receipt in receipts.values():
        taken = site.http.post(TAKEN_BACK, data=receipt, content_type="application/pdf").get_json()
        assert taken["genuine"] is True
        (one,) = taken["answers"]
        then.append((one["said"]["verdict"], one["now"]["verdict"]))
    assert [said for said, _ in then] == list(verdicts.values())
    assert then[0] == ("valid", "ended")
    assert {now for _, now in then[1:]} == {"unknown"}  # by its digest alone nobody sees more


@on_sqlite
def test_a_file_s_receipt_bears_what_the_relying_party_calls_it(site: Front, tmp_path: Path) -> None:
    file = document_of(site, issue_one(site.world))
    answer = sent_file(site, **file_form(file, "loan 4711/2026"))
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found = read_page(answer.data, trust=site.trust, at=site.world.ports.clock())
    assert found.content.request_reference == "loan 4711/2026"
    assert found.content.answers[0]["verdict"] == "valid"
    assert "loan4711/2026" in "".join(text_of(answer.data, tmp_path).split())
    signed = sent_file(site, accept=SIGNED, **file_form(file, "loan 4711/2026"))
    assert site.read(signed.data).content.request_reference == "loan 4711/2026"
    for references in (("",), ("x" * 200,), ("one", "two"), ("a\x00b",)):
        assert sent_file(site, **file_form(file, *references)).status_code == 422, references
    for body in (file_form(file), file_form(file, "mine"), {"data": file, "content_type": "application/pdf"}):
        refused = sent_file(site, key=None, **body)
        assert (refused.status_code, refused.get_json()["reason"]) == (401, "no_key")


@on_sqlite
def test_one_byte_changed_and_it_is_no_receipt(site: Front) -> None:
    page = page_of(site, issue_one(site.world))
    trust, at = site.trust, site.world.ports.clock()
    for position in range(0, len(page), max(1, len(page) // CHANGED)):
        changed = bytearray(page)
        changed[position] ^= 1
        with pytest.raises(VermilionError):
            read_page(bytes(changed), trust=trust, at=at)
    for other in (page + b"\n", page[:-1], page + page, b"%PDF-1.7\n"):
        with pytest.raises(VermilionError):
            read_page(other, trust=trust, at=at)


@on_sqlite
def test_it_is_taken_back_as_its_answer_is(site: Front) -> None:
    issued = issue_one(site.world)
    page = page_of(site, issued)
    change(site.world, "end", issued.printout.record.identifier, how="revoked")

    def taken(data: bytes) -> dict[str, Any]:
        answer = site.http.post(TAKEN_BACK, data=data, content_type="application/pdf")
        assert answer.status_code == 200
        value: dict[str, Any] = answer.get_json()
        return value

    told = taken(page)
    assert told["genuine"] is True
    (one,) = told["answers"]
    assert (one["said"]["verdict"], one["now"]["verdict"]) == ("valid", "ended")
    assert taken(page[:-1])["genuine"] is False
    with pytest.raises(VermilionError):  # a licence is no receipt
        read_page(document_of(site, issued), trust=site.trust, at=site.world.ports.clock())


@on_sqlite
def test_a_page_about_the_past_says_nothing_of_now(site: Front, clock: Ticker, tmp_path: Path) -> None:
    issued = issue_one(site.world)
    clock.advance(timedelta(days=2))
    publish_trust_list(site.world.ports)
    change(site.world, "end", issued.printout.record.identifier, how="revoked")
    clock.advance(timedelta(minutes=5))
    page = page_of(site, issued, as_of=moment(START + timedelta(hours=1)), clock="recorded")
    shown = " ".join(text_of(page, tmp_path).split())
    assert "Valid" in shown
    assert "As of 2026-11-20 11:30:00+08:00 (as was recorded then)" in shown
    assert "So it was then." in shown
    assert "In force at that moment passed" in shown
    for word in ("In force now", "current", "that it is in force", "Revoked"):
        assert word not in shown


@on_sqlite
def test_an_answer_is_no_page_for_ever(site: Front, clock: Ticker) -> None:
    token = site.ask({"qr": issue_one(site.world).link}, **SIGNED).data
    clock.advance(timedelta(minutes=2))
    with taken_over(site) as signer, pytest.raises(VermilionError) as refused:
        signer.custodian.answer_page(signer.key, token, "en")
    assert refused.value.reason == "page"


@on_sqlite
def test_a_receipt_is_no_licence_and_is_not_called_altered(site: Front) -> None:
    page = page_of(site, issue_one(site.world))
    said = site.http.post(API, data=page, content_type="application/pdf").get_json()
    assert (said["verdict"], said["checks"]["content"]["reason"]) == ("unknown", "a_receipt")
    changed = site.http.post(API, data=page[:-200] + b"%" + page[-199:], content_type="application/pdf")
    assert changed.get_json()["verdict"] not in {"valid", "unknown"}


@on_sqlite
def test_it_is_for_relying_parties_and_counts_as_ten_checks(world: World) -> None:
    with front(world, per_minute=25) as site:
        issued = issue_one(world)
        asked = {"qr": issued.link}
        assert site.ask(asked, key=None, **PAGE).status_code == 401
        assert [site.ask(asked, **PAGE).status_code for _ in range(3)] == [200, 200, 429]
        world.ports.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
        assert site.ask({"id": "A" * 22}, **PAGE).status_code == 200, "of an unknown licence as well"


@on_sqlite
def test_whoever_takes_the_site_over_has_no_other_page_signed(site: Front) -> None:
    issued = issue_one(site.world)
    token = site.ask({"qr": issued.link}, **SIGNED).data
    ports = site.world.ports
    with taken_over(site) as signer:
        page = signer.custodian.answer_page(signer.key, token, "es")
        assert read_page(page, trust=site.trust, at=ports.clock()).content.answers[0]["verdict"] == "valid"
        header, payload, signature = token.decode().split(".")
        altered = json.dumps({"answers": []}).encode().hex()
        with pytest.raises(VermilionError) as refused:
            signer.custodian.answer_page(signer.key, token, "es")
        assert refused.value.reason == "record_used", "an answer has one page"
        for other, language in (
            (f"{header}.{payload}.{signature[:-4]}AAAA".encode(), "en"),
            (f"{header}.{altered}.{signature}".encode(), "en"),
            (token, "de"),
            (b"", "en"),
        ):
            with pytest.raises(VermilionError):
                signer.custodian.answer_page(signer.key, other, language)
        attributes = signed_attributes(bytes(32), b"certificate", SUITES[signer.key.suite])
        asked = SignRequest(Kind.PAGE_ATTRIBUTES, attributes, f"answer-page:{'1' * 32}")
        with pytest.raises(VermilionError) as refused, drawn(attributes):
            signer.custodian.sign(signer.key, [asked])
        assert refused.value.reason == "caller", "not even one that was drawn: whoever draws it has it signed"
        with pytest.raises(VermilionError) as refused:
            ports.custodian.sign(signer.key, [asked])
        assert refused.value.reason == "page"
        with drawn(attributes):
            assert ports.custodian.sign(signer.key, [asked])
            again = SignRequest(Kind.PAGE_ATTRIBUTES, attributes, f"answer-page:{'3' * 32}")
            with pytest.raises(VermilionError) as refused:
                ports.custodian.sign(signer.key, [again])
        assert refused.value.reason == "page"
    with Session(ports.database.read) as session:
        uses = session.scalars(select(KeyUse).where(KeyUse.kind == Kind.PAGE_ATTRIBUTES.value)).all()
    assert [use.signed for use in uses] == [True, True]


@on_sqlite
def test_an_answer_of_another_key_has_no_page_by_this_one(site: Front) -> None:
    token = site.ask({"qr": issue_one(site.world).link}, **SIGNED).data
    ports = site.world.ports
    successor = give_own_key(ports, ProfileName.RECEIPT).key
    publish_trust_list(ports)
    with taken_over(site) as signer:
        other = replace(signer.key, id=successor.id)
        with pytest.raises(VermilionError) as refused:
            signer.custodian.answer_page(other, token, "en")
        assert (refused.value.reason, "another key" in refused.value.detail) == ("page", True)


@on_sqlite
def test_what_the_fonts_lack_is_written_by_its_number(site: Front, tmp_path: Path) -> None:
    page = page_of(site, issue_one(site.world), reference="loan 🦆 7")
    assert "loan [U+1F986] 7" in " ".join(text_of(page, tmp_path).split())
    found = read_page(page, trust=site.trust, at=site.world.ports.clock())
    assert found.content.request_reference == "loan 🦆 7"
