"""The strict whole-file check: one file passes, and nothing that anybody makes of it does."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from itertools import combinations

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer

from keys.certificates import Issuer, Subject, new_serial
from keys.custodian import Purpose
from keys.der import tlv
from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from keys.trust_list import TrustList
from signing import cms
from signing.pdf_structure import Beginnings
from signing.strict_check import FileEvidence, SealEvidence, Stamped, strict_check
from signing.validation_data import Chain
from tests.authority import issue_certificate
from tests.signing.alter import alterations, attacks, changed_at, gap_of
from tests.signing.sealing import (
    LATER,
    NOW,
    RECORD,
    NoStamps,
    Office,
    drawn_page,
    make_office,
    office,
    rebuilt,
    resealed,
    seal_of,
    sealed,
    use_of,
    with_contents,
)


def check(data: bytes, trust: TrustList | None = None, at: datetime = LATER) -> FileEvidence:
    return strict_check(data, trust or office().trust, at=at)


def reason(data: bytes, trust: TrustList | None = None, at: datetime = LATER) -> str:
    with pytest.raises(VermilionError) as refused:
        check(data, trust, at)
    assert refused.value.kind is Kind.INVALID
    return refused.value.reason


@cache
def other_office() -> Office:
    return make_office()


def test_an_untouched_document_proves_record_seal_and_time() -> None:
    evidence = check(sealed().data)
    (key,) = (k for k in office().trust.keys if k.use == "seal")
    assert evidence == FileEvidence(
        printout_json=RECORD,
        seals=(
            SealEvidence(
                key=key,
                certificate=office().material.certificate,
                sealed_at=office().stamps.at,
                key_id=key.kid,
                signed_sha256=use_of(sealed().data),
            ),
        ),
        level="B-T",
        stamps=(Stamped(office().stamps.at, office().authority.tsa),),
        to_prove=(
            Chain(office().material.certificate, (office().authority.issuing,)),
            Chain(office().authority.tsa, (office().authority.issuing,), profile=ProfileName.TSA),
        ),
        to_tell=(),
        sha256=sha256(sealed().data).digest(),
        original_sha256=sha256(sealed().data).digest(),
    )
    assert evidence.stamped_at == office().stamps.at
    assert use_of(sealed().data) in {sha256(r.data).digest() for r in office().witness.requests}


def test_without_a_token_the_level_and_the_claimed_moment_say_so() -> None:
    evidence = check(office().seal(NoStamps()).data)
    assert (evidence.level, evidence.sealed_at) == ("B-B", NOW)
    assert (evidence.stamped_at, evidence.stamps) == (None, ())


def test_what_was_found_in_one_file_lets_no_changed_one_pass() -> None:
    """A beginning, a token and a signature that are remembered answer for the same bytes alone: the same file
    passes again, and one that differs in a byte of any of them does not.
    """
    data, seal = sealed().data, seal_of(sealed().data)
    known = data.index(b"endobj", gap_of(data)[0] // 2) + len(b"endobj\n")
    beginnings = Beginnings()
    beginnings.expect(data[:known])
    found = strict_check(data, office().trust, at=LATER, beginnings=beginnings)
    assert beginnings.of(data) is not None
    assert strict_check(data, office().trust, at=LATER, beginnings=beginnings) == found
    for place in range(0, known, known // 40):
        altered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(VermilionError):
            strict_check(altered, office().trust, at=LATER, beginnings=beginnings)
    assert cms.made_by(seal.certificate, seal.suite.name, seal.signature, seal.attributes)
    assert not cms.made_by(seal.certificate, seal.suite.name, seal.signature, seal.attributes + b"\0")
    assert not cms.made_by(office().authority.tsa, seal.suite.name, seal.signature, seal.attributes)
    assert seal.token is not None
    assert cms.canonical_token(seal.token, (office().authority.issuing,)) == seal.token
    with pytest.raises(VermilionError, match="none that we know"):  # whoever else had it settled before
        cms.canonical_token(seal.token, (other_office().authority.issuing,))


@pytest.mark.parametrize("seed", [1, 2])
def test_no_changed_byte_passes(seed: int) -> None:
    data = sealed().data
    start, end = gap_of(data)
    tried = set()
    for name, altered in alterations(data, seed, positions=1000, gap=200):
        assert reason(altered), name
        tried.add(changed_at(data, altered))
    assert len(tried) == 1000
    assert sum(start <= at < end for at in tried) == 200


def test_no_part_of_the_signature_is_loose() -> None:
    """Certificates, attributes, signature and token: a bit turned every few bytes, from end to end."""
    data = sealed().data
    start, end = gap_of(data)
    der = cms.leading_element(bytes.fromhex(data[start:end].decode()))
    for at in range(0, len(der), 13):
        altered = der[:at] + bytes((der[at] ^ (1 << at % 8),)) + der[at + 1 :]
        assert reason(with_contents(data, altered)), f"byte {at} of the CMS"


@pytest.mark.parametrize("stamped", [True, False])
def test_nothing_may_be_added_removed_or_written_again(stamped: bool) -> None:
    data = sealed().data if stamped else office().seal(NoStamps()).data
    names = [name for name, altered in attacks(data) if reason(altered)]
    assert len(names) == len(set(names)) > 25


def test_case_of_the_hex_digits_and_padding_are_fixed() -> None:
    data = sealed().data
    start, end = gap_of(data)
    assert reason(data[:start] + data[start:end].upper() + data[end:]) == "structure"
    assert reason(data[: end - 1] + b"1" + data[end:]) == "structure"
    assert reason(data[: end - 2] + b"  " + data[end:]) == "structure"


def test_a_removed_token_leaves_no_time_stamped_document() -> None:
    """A seal is complete without its token (B-B), so taking it away takes the proof of time and no more."""
    evidence = check(rebuilt(sealed().data, token=None))
    assert (evidence.level, evidence.sealed_at) == ("B-B", NOW)


def test_a_token_of_another_document_is_refused() -> None:
    other = office().seal(pdf=drawn_page())
    assert reason(rebuilt(sealed().data, token=seal_of(other.data).token)) == "signature_invalid"


@pytest.mark.parametrize("tag", [0x02, 0x03, 0x05, 0x0C, 0x30])
def test_a_token_whose_authority_has_a_malformed_name_is_refused(tag: int) -> None:
    """Anyone can put a token of their own into a genuine file: it is no part of what the seal signs."""
    token = seal_of(sealed().data).token
    assert token is not None
    name = b"\x0c\x0cTEST issuing"
    assert token.count(name) == 3  # in the signer's identifier and in both certificates
    hostile = token.replace(name, bytes([tag]) + b"\x0c\xff\xffST issuing")
    assert reason(rebuilt(sealed().data, token=hostile)) == "issuer_unknown"


def test_a_token_of_another_authority_is_refused() -> None:
    stamped = office().seal(other_office().stamps)
    assert stamped.level == "B-T"
    assert reason(stamped.data) == "issuer_unknown"


def test_a_token_of_an_authority_not_listed_or_compromised_is_refused() -> None:
    trust = office().trust
    seals, (tsa,) = (tuple(k for k in trust.keys if (k.use == "tsa") is stamps) for stamps in (False, True))
    assert reason(sealed().data, replace(trust, keys=seals)) == "chain"
    for since, result in ((sealed().sealed_at, "chain"), (None, "chain")):
        bad = replace(tsa, state="compromised", since=since)
        assert reason(sealed().data, replace(trust, keys=(*seals, bad))) == result
    later = replace(tsa, state="compromised", since=sealed().sealed_at + timedelta(seconds=1))
    assert check(sealed().data, replace(trust, keys=(*seals, later))).level == "B-T"


def test_a_time_stamp_counts_only_within_the_period_of_its_authority_s_key() -> None:
    trust = office().trust
    seals, (tsa,) = (tuple(k for k in trust.keys if (k.use == "tsa") is stamps) for stamps in (False, True))
    stamped, second = sealed().sealed_at, timedelta(seconds=1)
    for period, good in (
        ({"sign_to": stamped}, True),
        ({"sign_to": stamped - second}, False),
        ({"sign_from": stamped}, True),
        ({"sign_from": stamped + second}, False),
    ):
        for state in ("active", "retired"):
            key = replace(tsa, state=state, since=stamped, **period)  # type: ignore[arg-type]
            listed = replace(trust, keys=(*seals, key))
            if good:
                assert check(sealed().data, listed).level == "B-T"
            else:
                assert reason(sealed().data, listed) == "chain"


def test_a_swapped_certificate_or_signature_is_refused() -> None:
    here = sealed().data
    foreign = seal_of(other_office().seal().data)
    assert reason(rebuilt(here, certificate=foreign.certificate)) == "structure"
    assert reason(rebuilt(here, issuers=foreign.issuers)) == "structure"
    assert reason(rebuilt(here, issuers=())) == "structure"
    assert reason(rebuilt(here, issuers=(*seal_of(here).issuers, *foreign.issuers))) == "structure"
    assert reason(rebuilt(here, signature=foreign.signature)) == "signature_invalid"
    attributes = cms.signed_attributes(seal_of(here).digest, foreign.certificate, foreign.suite)
    assert (
        reason(rebuilt(here, certificate=foreign.certificate, attributes=attributes)) == "signature_invalid"
    )


def with_second_authority(name: str) -> tuple[TrustList, bytes]:
    """The office's list with one more issuing authority of its root, listed before its own; and that one."""
    here = office().authority
    second = issue_certificate(
        here.custodian,
        Issuer(here.root_key, here.root),
        ProfileName.ISSUING,
        Subject(name, "TEST Vermilion"),
        here.custodian.generate(Purpose.ISSUING_CA, "p256-sha256"),
        serial=new_serial(here.random),
        at=NOW - timedelta(days=20),
    )
    return replace(office().trust, issuing=(second, *office().trust.issuing)), second


def with_certificates(token: bytes, certificates: Iterable[bytes]) -> bytes:
    kind, wrapped = cms.children(token, 0x30, range(2, 3))
    body = cms.children(cms.content(wrapped, 0xA0), 0x30, range(5, 6))
    body[3] = tlv(0xA0, *sorted(certificates))
    return tlv(0x30, kind, tlv(0xA0, tlv(0x30, *body)))


@pytest.mark.parametrize("name", ["TEST issuing 2", "TEST issuing"])
def test_with_several_issuing_authorities_there_is_still_one_file(name: str) -> None:
    """Nobody signs the certificates that seal and token carry: each has exactly one that may be there."""
    trust, second = with_second_authority(name)
    here, (own,) = office().authority, office().trust.issuing
    data = sealed().data
    assert check(data, trust).level == "B-T"
    token = seal_of(data).token
    assert token is not None
    tried = 0
    for beside_seal in ((own,), (second,), (own, second), ()):
        for count in range(4):
            for beside_stamp in combinations((own, second, here.root), count):
                if (beside_seal, beside_stamp) == ((own,), (own,)):
                    continue
                changed = with_certificates(token, (here.tsa, *beside_stamp))
                assert reason(rebuilt(data, issuers=beside_seal, token=changed), trust)
                tried += 1
        if beside_seal != (own,):
            assert reason(rebuilt(data, issuers=beside_seal, token=None), trust)
    assert tried == 31


def test_the_seal_of_another_document_is_refused() -> None:
    other = office().seal(
        pdf=drawn_page().replace(b"SPECIMEN LICENCE", b"SPECIMEN LICENSE").replace(b"untitled", b"renamed_")
    )
    start, end = gap_of(other.data)
    digits = other.data[start:end]
    mine_start, mine_end = gap_of(sealed().data)
    assert reason(sealed().data[:mine_start] + digits + sealed().data[mine_end:]) == "digest_mismatch"


def test_another_authority_is_not_recognised() -> None:
    assert reason(other_office().seal().data) == "issuer_unknown"
    assert reason(sealed().data, other_office().trust) == "issuer_unknown"


def test_a_seal_the_trust_list_does_not_name_is_told_apart() -> None:
    trust = replace(office().trust, keys=tuple(k for k in office().trust.keys if k.use != "seal"))
    assert check(sealed().data, trust).seal_key is None


def test_a_seal_from_the_future_is_refused() -> None:
    assert reason(sealed().data, at=NOW - timedelta(days=1)) == "sealed_in_future"
    assert check(sealed().data, at=NOW - timedelta(minutes=1)).level == "B-T"


# Sealed with the right key, yet not what our writer makes: the shape alone refuses it.


def _set(key: str, value: object) -> Callable[[pikepdf.Pdf], None]:
    def change(pdf: pikepdf.Pdf) -> None:
        pdf.Root[key] = value

    return change


JAVASCRIPT = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS=pikepdf.String("app.alert(1)"))


def _second_file(pdf: pikepdf.Pdf) -> None:
    pdf.attachments["other.json"] = b"{}"


def _link(pdf: pikepdf.Pdf) -> None:
    pdf.pages[0].Annots = pikepdf.Array(
        [pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Link)]
    )


def _bomb(pdf: pikepdf.Pdf) -> None:
    pdf.Root.AF[0].EF.F = pdf.make_stream(bytes(3_000_000))
    pdf.Root.AF[0].EF.UF = pdf.Root.AF[0].EF.F


def _page_twice(pdf: pikepdf.Pdf) -> None:
    pdf.add_blank_page()
    pdf.Root.Pages.Kids.append(pdf.Root.Pages.Kids[1])
    pdf.Root.Pages.Count = 3


def _renamed(pdf: pikepdf.Pdf) -> None:
    pdf.Root.AF[0].F = pikepdf.String("other.json")


@pytest.mark.parametrize(
    "change",
    [
        _set("/OpenAction", JAVASCRIPT), _set("/AA", pikepdf.Dictionary(WC=JAVASCRIPT)), _second_file, _link, _page_twice, _bomb, _renamed,
        _set("/AF", pikepdf.Array()), _set("/Names", pikepdf.Dictionary()), _set("/Collection", pikepdf.Dictionary()),
        _set("/OCProperties", pikepdf.Dictionary()),
        _set("/Elsewhere", pikepdf.Array([pikepdf.Dictionary(ByteRange=pikepdf.Array([0, 1, 2, 3]))])),
        _set("/AcroForm", pikepdf.Dictionary(Fields=pikepdf.Array(), XFA=pikepdf.String("x"))),
    ],
)  # fmt: skip
def test_other_content_than_ours_is_refused_even_under_our_key(change: Callable[[pikepdf.Pdf], None]) -> None:
    assert check(resealed(lambda pdf: None)).level == "B-B"
    assert reason(resealed(change)) == "structure"


def test_a_document_never_sealed_bears_no_seal() -> None:
    out = io.BytesIO()
    writer = copy_into_new_writer(PdfFileReader(io.BytesIO(sealed().data)))
    for key in ("/AcroForm", "/Perms"):
        del writer.root[key]
    del writer.root["/Pages"]["/Kids"][0]["/Annots"]
    writer.write(out)
    assert reason(out.getvalue()) == "signature_missing"


# Attacks that leave the signed bytes as they are (measured to deceive general validators).


def _updated(change: Callable[[IncrementalPdfFileWriter], None]) -> bytes:
    out = io.BytesIO()
    writer = IncrementalPdfFileWriter(io.BytesIO(sealed().data))
    change(writer)
    writer.write(out)
    assert out.getvalue().startswith(sealed().data)
    return out.getvalue()


def test_an_incremental_update_is_refused() -> None:
    def new_text(writer: IncrementalPdfFileWriter) -> None:
        stream = generic.StreamObject(stream_data=b"BT /F1 40 Tf 100 400 Td (FORGED) Tj ET")
        writer.add_stream_to_page(0, writer.add_object(stream))

    assert reason(_updated(new_text)) == "structure"
    assert reason(_updated(lambda writer: writer.update_root())) == "structure"


def test_a_form_laid_over_the_page_is_refused() -> None:
    def overlay(writer: IncrementalPdfFileWriter) -> None:
        page = writer.root["/Pages"]["/Kids"][0]
        field = generic.DictionaryObject(
            {
                pdf_name("/FT"): pdf_name("/Tx"), pdf_name("/T"): generic.pdf_string("name"),
                pdf_name("/V"): generic.pdf_string("somebody else"), pdf_name("/Type"): pdf_name("/Annot"),
                pdf_name("/Subtype"): pdf_name("/Widget"), pdf_name("/F"): generic.NumberObject(4),
                pdf_name("/Rect"): generic.ArrayObject(map(generic.NumberObject, (90, 690, 400, 720))),
            }
        )  # fmt: skip
        reference = writer.add_object(field)
        page["/Annots"].append(reference)
        writer.update_container(page["/Annots"])
        writer.root["/AcroForm"]["/Fields"].append(reference)
        writer.update_container(writer.root["/AcroForm"]["/Fields"])

    assert reason(_updated(overlay)) == "structure"


def test_a_sealed_document_is_not_sealed_again() -> None:
    used = len(office().witness.requests)
    with pytest.raises(VermilionError) as refused:
        office().seal(pdf=sealed().data)
    assert refused.value.reason == "drawing"
    assert len(office().witness.requests) == used


def test_a_moved_signature_is_refused() -> None:
    """Signature wrapping: the signed parts stay, the range is widened, and other content stands in the gap."""
    data = sealed().data
    start, end = gap_of(data)
    wedge = b" /X (" + b"A" * 200 + b")"
    grown = data[: end + 1] + wedge + data[end + 1 :]
    old = b"[0 %d %d %d]" % (start - 1, end + 1, len(data) - end - 1)
    new = b"[0 %d %d %d]" % (start - 1, end + 1 + len(wedge), len(data) - end - 1)
    assert old in data
    assert reason(grown.replace(old + b" " * (len(new) - len(old)), new)) == "structure"
    assert reason(data.replace(old, old.replace(b" ", b"  ", 1))) == "structure"
    assert reason(data.replace(old + b" ", old.replace(b"[0", b"[00"))) == "structure"
    assert reason(data.replace(old + b" ", old.replace(b"[0", b"[+0"))) == "structure"


def test_a_dictionary_with_a_key_twice_is_refused() -> None:
    data = sealed().data
    assert data.count(b"/Filter /Adobe.PPKLite") == 1
    assert reason(data.replace(b"/Filter /Adobe.PPKLite", b"/Contents <> /Filter 1")) == "structure"


# Whatever comes, the answer is typed.


@given(st.data())
def test_spliced_truncated_and_shuffled_documents_are_refused(data: st.DataObject) -> None:
    whole = sealed().data
    at, to = sorted(data.draw(st.tuples(st.integers(0, len(whole)), st.integers(0, len(whole)))))
    piece = data.draw(st.one_of(st.binary(max_size=20), st.just(whole[at:to]), st.just(b"")))
    mutated = data.draw(
        st.sampled_from([whole[:at] + piece + whole[to:], whole[:at], whole[at:], whole[to:] + whole[:to]])
    )
    if mutated != whole:
        assert reason(mutated)


@given(st.binary(max_size=300))
def test_garbage_in_the_signature_is_refused(garbage: bytes) -> None:
    assert reason(with_contents(sealed().data, garbage))
