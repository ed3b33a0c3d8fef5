"""A document time-stamp appended to a sealed document: one file passes, and nothing else that was appended."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation import validate_pdf_signature, validate_pdf_timestamp
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from keys.errors import VermilionError
from keys.profiles import ProfileName
from signing import cms
from signing.check import check_file
from signing.document_time_stamp import RESERVED_BYTES, lay_out
from signing.pdf_structure import Pdf, read_pdf
from signing.strict_check import FileEvidence, Stamped, strict_check
from signing.validation_data import Chain
from tests.signing.alter import alterations, attacks, changed_at, gap_of
from tests.signing.sealing import LATER, NOW, NoStamps, Office, drawn_page, make_office, seal_of, use_of
from tests.tools import need

STAMPED = NOW + timedelta(minutes=30)


@cache
def here() -> Office:
    """An office of this file's own, whose time-stamps are of `STAMPED`."""
    made = make_office()
    made.authority.now = STAMPED
    return made


@cache
def original() -> bytes:
    return here().seal(NoStamps()).data


def stamp(data: bytes, by: Office | None = None) -> bytes:
    by = by or here()
    revision = lay_out(read_pdf(data))
    return revision.stamped(by.stamps.stamp(revision.digest(), next(by.records)), by.trust.issuing)


@cache
def stamped() -> bytes:
    return stamp(original())


def check(data: bytes, **other: object) -> FileEvidence:
    return strict_check(data, here().trust, **({"at": LATER} | other))  # type: ignore[arg-type]


def reason(data: bytes, **other: object) -> str:
    with pytest.raises(VermilionError) as refused:
        check(data, **other)
    return refused.value.reason


def taken_for_one(data: bytes) -> Pdf:
    """A file of more revisions, as a reader that took them all for the first would see it."""
    return replace(read_pdf(original()), data=data)


def with_token(data: bytes, token: bytes) -> bytes:
    start, end = gap_of(data, 1)
    return data[:start] + token.hex().encode().ljust(end - start, b"0") + data[end:]


def token_in(data: bytes) -> bytes:
    start, end = gap_of(data, 1)
    return cms.leading_element(bytes.fromhex(data[start:end].decode()))


def test_it_proves_when_the_document_existed_and_not_when_it_was_sealed() -> None:
    before, after = check(original()), check(stamped())
    assert stamped().startswith(original())
    assert (before.level, before.sealed_at, before.stamped_at) == ("B-B", NOW, None)
    assert after == replace(
        before,
        sha256=sha256(stamped()).digest(),
        level="B-T",
        stamps=(Stamped(STAMPED, here().authority.tsa),),
        to_prove=(
            *before.to_prove,
            Chain(here().authority.tsa, (here().authority.issuing,), profile=ProfileName.TSA),
        ),
    )
    assert after.original_sha256 == sha256(original()).digest()
    assert after.seals[0].signed_sha256 == use_of(original())


def test_it_is_over_everything_but_its_own_hex_string() -> None:
    start, end = gap_of(stamped(), 1)
    covered = stamped()[: start - 1] + stamped()[end + 1 :]
    assert sha256(covered).digest() in here().stamps.asked
    assert cms.token_time(token_in(stamped()), sha256(covered).digest()) == STAMPED


def test_original_and_token_give_one_file() -> None:
    assert lay_out(read_pdf(original())).with_token(token_in(stamped())) == stamped()


@pytest.mark.parametrize("seed", [1, 2])
def test_no_changed_byte_passes(seed: int) -> None:
    data, size = stamped(), len(original())
    tried = set()
    for name, altered in alterations(data, seed, positions=900, gap=200, number=1):
        assert reason(altered), name
        tried.add(changed_at(data, altered))
    start, end = gap_of(data, 1)
    assert len(tried) == 900
    assert sum(start <= at < end for at in tried) >= 200
    assert sum(at < size for at in tried) > 300


def test_every_byte_of_the_revision_around_the_token_is_fixed() -> None:
    start, end = gap_of(stamped(), 1)
    places = [*range(len(original()), start), *range(end, len(stamped()))]
    assert len(places) > 500
    for at in places:
        changed = stamped()[:at] + bytes((stamped()[at] ^ 1,)) + stamped()[at + 1 :]
        assert reason(changed), at


def test_no_bit_of_the_token_is_loose() -> None:
    token = token_in(stamped())
    for at in range(0, len(token), 7):
        altered = token[:at] + bytes((token[at] ^ (1 << at % 8),)) + token[at + 1 :]
        assert reason(with_token(stamped(), altered)), at


def test_nothing_may_be_added_removed_or_written_again() -> None:
    names = [name for name, altered in attacks(stamped()) if reason(altered)]
    assert len(names) == len(set(names)) > 25


def test_a_second_time_stamp_is_refused() -> None:
    revision = lay_out(taken_for_one(stamped()))
    token = here().stamps.stamp(revision.digest(), next(here().records))
    twice = revision.stamped(token, here().trust.issuing)
    assert twice.startswith(stamped())
    assert reason(twice) == "structure"


def test_one_beside_a_seal_that_has_its_own_is_refused() -> None:
    sealed = here().seal().data
    assert check(sealed).level == "B-T"
    assert reason(stamp(sealed)) == "structure"


def test_the_token_of_another_file_is_refused() -> None:
    other = here().seal(NoStamps(), pdf=drawn_page().replace(b"untitled", b"renamed_")).data
    assert reason(with_token(stamped(), token_in(stamp(other)))) == "signature_invalid"
    assert reason(other + stamped()[len(original()) :])
    own = seal_of(here().seal().data).token
    assert own is not None
    assert reason(with_token(stamped(), own)) == "signature_invalid"


def test_the_token_of_another_authority_is_refused() -> None:
    other = make_office()
    assert reason(stamp(original(), other)) == "issuer_unknown"


def test_an_authority_not_listed_or_compromised_then_is_refused() -> None:
    trust = here().trust
    seals, (tsa,) = (tuple(k for k in trust.keys if (k.use == "tsa") is stamps) for stamps in (False, True))

    def under(*keys: object) -> str:
        try:
            return strict_check(stamped(), replace(trust, keys=(*seals, *keys)), at=LATER).level  # type: ignore[arg-type]
        except VermilionError as error:
            return error.reason

    assert under() == "chain"
    assert under(replace(tsa, state="compromised", since=STAMPED)) == "chain"
    assert under(replace(tsa, state="compromised", since=STAMPED + timedelta(seconds=1))) == "B-T"
    assert under(replace(tsa, sign_to=STAMPED - timedelta(seconds=1))) == "chain"


def test_it_proves_nothing_of_a_moment_that_has_not_come_or_before_the_seal_s_own() -> None:
    assert reason(stamped(), at=NOW) == "sealed_in_future"
    early = make_office()
    data = early.seal(NoStamps()).data
    early.authority.now = NOW - timedelta(minutes=6)
    with pytest.raises(VermilionError) as refused:
        strict_check(stamp(data, early), early.trust, at=LATER)
    assert refused.value.reason == "chain"
    early = make_office()
    data = early.seal(NoStamps()).data
    early.authority.now = NOW - timedelta(minutes=4)
    assert strict_check(stamp(data, early), early.trust, at=LATER).level == "B-T"


def test_a_token_that_does_not_fit_is_refused() -> None:
    with pytest.raises(VermilionError) as refused:
        lay_out(read_pdf(original())).with_token(bytes(RESERVED_BYTES + 1))
    assert refused.value.reason == "token_too_long"


def _thief(change: Callable[[IncrementalPdfFileWriter], None], before: bytes) -> bytes:
    out = io.BytesIO()
    writer = IncrementalPdfFileWriter(io.BytesIO(before))
    change(writer)
    writer.write(out)
    assert out.getvalue().startswith(before)
    return out.getvalue()


def _forged_text(writer: IncrementalPdfFileWriter) -> None:
    stream = generic.StreamObject(stream_data=b"BT /F1 40 Tf 100 400 Td (FORGED) Tj ET")
    writer.add_stream_to_page(0, writer.add_object(stream))


@pytest.mark.parametrize("before", [original, stamped])
def test_what_a_thief_appends_is_refused_stamped_or_not(before: Callable[[], bytes]) -> None:
    """Our authority stamps whatever it is given, so a genuine token may stand over a forged page."""
    forged = _thief(_forged_text, before())
    assert reason(forged) == "structure"
    size = len(before())
    revision = lay_out(taken_for_one(forged))
    made = revision.stamped(
        here().stamps.stamp(revision.digest(), next(here().records)), here().trust.issuing
    )
    assert reason(made) == "structure"
    # The same, where the last table leads straight to the genuine original.
    tail = made[len(forged) :]
    assert reason(before() + forged[size:] + tail.replace(b"%010d" % len(forged), b"%010d" % size))


@given(st.data())
def test_spliced_and_truncated_ones_are_refused(data: st.DataObject) -> None:
    whole = stamped()
    at, to = sorted(data.draw(st.tuples(st.integers(0, len(whole)), st.integers(0, len(whole)))))
    piece = data.draw(st.one_of(st.binary(max_size=20), st.just(whole[at:to]), st.just(b"")))
    mutated = whole[:at] + piece + whole[to:]
    if mutated not in (whole, original()):
        assert reason(mutated)


def test_offline_an_altered_one_is_altered() -> None:
    """By the answer that a relying party sees: in the original, in the revision and in the token."""
    start, end = gap_of(stamped(), 1)
    for at in (100, len(original()) + 20, start + 600, end - 5, len(stamped()) - 100):
        changed = stamped()[:at] + bytes((stamped()[at] ^ 1,)) + stamped()[at + 1 :]
        outcome = check_file(changed, here().trust, None, None, LATER)
        assert outcome.verification.verdict == "altered", at


# What others say of the same file.


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_poppler_finds_the_seal_valid_and_the_time_stamp_over_the_total_document(tmp_path: Path) -> None:
    """It reads the time-stamp's place and range and does not verify time-stamps of documents (22.12)."""
    path = tmp_path / "stamped.pdf"
    path.write_bytes(stamped())
    seal, time_stamp = run(need("pdfsig"), "-nocert", str(path)).split("Signature #2:")
    assert "Signature is Valid" in seal
    assert "Not total document signed" in seal
    assert "TimeStamp1" in time_stamp
    assert "Total document signed" in time_stamp


def test_qpdf_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    path = tmp_path / "stamped.pdf"
    path.write_bytes(stamped())
    said = run(need("qpdf"), "--check", str(path))
    assert "No syntax or stream encoding errors found" in said
    assert "WARNING" not in said


def test_pyhanko_trusts_seal_and_time_stamp_and_finds_the_change_permitted() -> None:
    def context() -> ValidationContext:
        return ValidationContext(
            trust_roots=[asn1_x509.Certificate.load(here().root)], moment=LATER, allow_fetching=False
        )

    reader = PdfFileReader(io.BytesIO(stamped()))
    (seal,) = reader.embedded_regular_signatures
    status = validate_pdf_signature(seal, context(), context())
    assert status.bottom_line
    assert status.docmdp_ok
    assert status.coverage == SignatureCoverageLevel.ENTIRE_REVISION
    assert status.modification_level == ModificationLevel.LTA_UPDATES
    (embedded,) = reader.embedded_timestamp_signatures
    time_stamp = validate_pdf_timestamp(embedded, context())
    assert (time_stamp.intact, time_stamp.valid, time_stamp.trusted) == (True, True, True)
    assert time_stamp.coverage == SignatureCoverageLevel.ENTIRE_FILE
    assert time_stamp.timestamp == STAMPED


def test_openssl_verifies_the_token_over_the_file(tmp_path: Path) -> None:
    start, end = gap_of(stamped(), 1)
    (tmp_path / "covered").write_bytes(stamped()[: start - 1] + stamped()[end + 1 :])
    (tmp_path / "token.der").write_bytes(token_in(stamped()))
    for name, certificate in (("root", here().root), ("issuing", here().trust.issuing[0])):
        pem = x509.load_der_x509_certificate(certificate).public_bytes(serialization.Encoding.PEM)
        (tmp_path / f"{name}.pem").write_bytes(pem)
    said = run(
        need("openssl"), "ts", "-verify", "-data", str(tmp_path / "covered"), "-token_in",
        "-in", str(tmp_path / "token.der"), "-CAfile", str(tmp_path / "root.pem"),
        "-untrusted", str(tmp_path / "issuing.pem"), "-attime", str(int(LATER.timestamp())),
    )  # fmt: skip
    assert "Verification: OK" in said
