"""Time-stamps for the archive (B-LTA): what they add, what others say of it, and that nothing else passes."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path

import pikepdf
import pytest
from asn1crypto import x509 as asn1_x509
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation import validate_pdf_signature, validate_pdf_timestamp
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from keys.crl import RevocationReason
from keys.errors import VermilionError
from keys.ocsp import Revoked
from signing.check import check_file
from signing.document_time_stamp import StampRevision, lay_out, read_document
from signing.pdf_structure import MAX_REVISIONS, read_pdf, revision_ends
from signing.security_store import MAX_ITEMS, read_store
from signing.strict_check import Stamped
from signing.validation_data import Carried, Chain
from tests.authority import AT
from tests.signing.archiving import DAY, END, FIRST, SECOND, archive, once, original, twice
from tests.signing.sealing import make_office
from tests.tools import need

HOUR = timedelta(hours=1)
SEALED = AT + timedelta(seconds=2)


def reason(data: bytes, **other: object) -> str:
    with pytest.raises(VermilionError) as refused:
        archive().check(data, **other)  # type: ignore[arg-type]
    return refused.value.reason


def carried(data: bytes) -> Carried:
    store = read_store(read_document(data))
    assert store is not None
    return store.carried


# What it adds


def test_it_keeps_the_proofs_and_says_when_each_time_stamp_was_given() -> None:
    before, after, renewed = (archive().check(data) for data in (original(), once(), twice()))
    assert (before.level, after.level, renewed.level) == ("B-LT", "B-LTA", "B-LTA")
    tsa, later = archive().office.authority.tsa, archive().later
    assert before.stamps == (Stamped(SEALED, tsa),)
    assert after.stamps == (*before.stamps, Stamped(FIRST, tsa))
    assert renewed.stamps == (*after.stamps, Stamped(SECOND, later))
    for evidence in (after, renewed):  # what proves that the seal came first is the first time-stamp
        assert (evidence.stamped_at, evidence.sealed_at) == (SEALED, before.sealed_at)
        assert evidence.original_sha256 == sha256(original()).digest()
        assert evidence.seals == before.seals
        assert evidence.printout_json == before.printout_json
    assert [chain.certificate for chain in after.to_prove] == [tsa]
    assert [chain.certificate for chain in renewed.to_prove] == [later]


def test_each_is_appended_to_the_one_before_and_keeps_all_that_it_carried() -> None:
    assert twice().startswith(once())
    assert once().startswith(original())
    assert revision_ends(twice()) == [len(original()), len(once()), len(twice())]
    older, newer, newest = carried(original()), carried(once()), carried(twice())
    for key in ("certificates", "ocsps", "crls"):
        one, two, three = (getattr(found, key) for found in (older, newer, newest))
        assert two[: len(one)] == one
        assert three[: len(two)] == two
        assert len(set(three)) == len(three)
    assert newer.certificates == older.certificates  # what is there already is not added again
    assert len(newest.ocsps) == len(older.ocsps) + 3


@pytest.mark.parametrize("validated", [True, False])
def test_one_without_validation_data_or_with_a_repair_gets_there_as_well(validated: bool) -> None:
    here = archive()
    bare = here.original(validated=validated, stamped=False)
    repaired = here.repaired(bare, AT + HOUR)
    made = here.archived(repaired, FIRST)
    assert [here.check(data).level for data in (bare, repaired, made)] == ["B-B", "B-T", "B-LTA"]
    assert here.check(made).stamped_at == AT + HOUR
    plain = here.original(validated=False)
    made = here.archived(plain, FIRST)
    assert [here.check(data).level for data in (plain, made)] == ["B-T", "B-LTA"]
    assert carried(made).ocsps


def test_document_proofs_and_token_give_one_file() -> None:
    before, after = carried(original()), carried(once())
    adding = Carried(
        after.certificates[len(before.certificates) :],
        after.ocsps[len(before.ocsps) :][::-1],
        after.crls[len(before.crls) :],
    )
    revision = lay_out(read_document(original()), adding)
    token = once()[revision.start + 1 : revision.end - 1].rstrip(b"0")
    assert revision.with_token(bytes.fromhex(token.decode() + "0" * (len(token) % 2))) == once()
    again = lay_out(
        read_document(once()), Carried((), (), ())
    )  # nothing new: the store is written all the same
    assert b"/Type/DSS" in again.appended


def test_a_removed_one_leaves_the_form_before() -> None:
    assert archive().check(twice()[: len(once())]) == archive().check(once())
    assert archive().check(twice()[: len(original())]).level == "B-LT"


def test_it_can_be_renewed_for_decades_and_not_for_ever() -> None:
    data = original()
    for count in range(1, MAX_REVISIONS):
        data = archive().archived(data, FIRST + count * DAY)
        assert archive().check(data).level == "B-LTA"
    adding = archive().proofs(archive().check(data).to_prove, FIRST + 99 * DAY)
    revision = lay_out(read_document(data), Carried(adding.certificates, adding.ocsps, adding.crls))
    assert reason(archive().filled(revision, FIRST + 99 * DAY)) == "structure"


def test_a_seal_that_ended_since_does_not_keep_its_licences_out_of_the_archive() -> None:
    """Its certificates were proven good when it sealed; what has become of them is told, and changes nothing."""
    here = archive()
    by, seal = here.prover(FIRST), here.office.material.certificate
    revoked = by.ocsp(seal, FIRST, Revoked(FIRST - DAY, RevocationReason.CESSATION_OF_OPERATION))
    told = here.archived(
        original(), FIRST, lambda proofs: replace(proofs, ocsps=(*proofs.ocsps[1:], revoked))
    )
    assert here.check(told).level == "B-LTA"
    silent = here.archived(original(), FIRST, lambda proofs: replace(proofs, ocsps=proofs.ocsps[1:]))
    assert here.check(silent).level == "B-LTA"
    plain = here.original(validated=False)
    gone = here.archived(plain, FIRST, lambda proofs: replace(proofs, ocsps=(*proofs.ocsps[1:], revoked)))
    assert reason(gone) == "validation_data"


# What passes


def test_every_byte_that_was_appended_is_fixed() -> None:
    data = twice()
    gaps = [range(m.start(1), m.end(1)) for m in re.finditer(rb"/ETSI.RFC3161 /Contents <([0-9a-f]+)>", data)]
    assert len(gaps) == 2
    places = [at for at in range(len(original()), len(data)) if not any(at in gap for gap in gaps)]
    tried = [*places[::17], *(at for gap in gaps for at in gap[::97])]
    assert len(tried) > 500
    for at in tried:
        assert reason(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]), at


@given(st.data())
def test_spliced_and_truncated_ones_are_refused(data: st.DataObject) -> None:
    whole = twice()
    places = st.integers(len(original()) - 50, len(whole))
    at, to = sorted(data.draw(st.tuples(places, places)))
    piece = data.draw(st.one_of(st.binary(max_size=20), st.just(whole[at:to]), st.just(b"")))
    mutated = whole[:at] + piece + whole[to:]
    if mutated not in (whole, once(), original()):
        assert reason(mutated)


@pytest.mark.parametrize("junk", [b"\n", b" ", b"\0", b"%%EOF\n", b"% nothing\n", b"9 0 obj\n<<>>\nendobj\n"])
def test_nothing_stands_behind_the_last_nor_between(junk: bytes) -> None:
    for data in (once(), twice()):
        assert reason(data + junk)
    assert reason(once() + junk + twice()[len(once()) :])
    assert reason(original() + junk + once()[len(original()) :])


def test_revisions_stand_in_their_order_and_none_is_left_out() -> None:
    first, second = once()[len(original()) :], twice()[len(once()) :]
    for tails in (
        (second,),
        (second, first),
        (first, first),
        (first, second, second),
        (first, second, first),
    ):
        assert reason(b"".join((original(), *tails)))


PLACES = re.compile(rb"(?<=\n)[0-9]{10}(?= 00000 n )")


def altered(revision: StampRevision, old: bytes, new: bytes, entry: bytes = b"") -> StampRevision:
    """A revision with something else in it, all its offsets put right; `entry` goes into its table."""
    head, found, tail = revision.appended.partition(old)
    assert found
    by, begin = len(new) - len(old), len(revision.original)
    place = begin + len(head)
    table = tail.index(b"xref\n")
    body, rest = tail[:table], tail[table:]

    def moved(match: re.Match[bytes]) -> bytes:
        at = int(match.group())
        return b"%010d" % (at + by if at > place else at)

    rest = PLACES.sub(moved, rest).replace(b"trailer", entry % place + b"trailer" if entry else b"trailer")
    rest = re.sub(rb"startxref\n(\d+)", lambda m: b"startxref\n%d" % (int(m.group(1)) + by), rest)
    size = begin + len(head) + len(new) + len(body) + len(rest)
    start, end = revision.start + by, revision.end + by
    ranged = (b"/ByteRange [0 %d %d %d]" % (start, end, size - end)).ljust(len("/ByteRange ") + 40)
    body = re.sub(rb"/ByteRange .{40}", lambda _: ranged, body)
    return StampRevision(revision.original, head + new + body + rest, start, end)


def next_revision() -> StampRevision:
    proofs = archive().proofs(archive().check(once()).to_prove, SECOND)
    return lay_out(read_document(once()), Carried(proofs.certificates, proofs.ocsps, proofs.crls))


FIELD = b" /Subtype /Widget"
ALTERATIONS: dict[str, tuple[bytes, bytes, bytes]] = {
    "an object that nothing names": (b"endobj\n", b"endobj\n900 0 obj\n<<>>\nendobj\n", b""),
    "an object in the table": (b"endobj\n", b"endobj\n900 0 obj\n<<>>\nendobj\n", b"900 1\n%010d 00000 n \n"),
    "an index by signature": (b"/Type/DSS", b"/VRI<<>>/Type/DSS", b""),
    "an action": (FIELD, FIELD + b" /AA << >>", b""),
    "a place on a page": (b"/Rect [0 0 0 0]", b"/Rect [0 0 9 9]", b""),
    "an appearance": (FIELD, FIELD + b" /AP << >>", b""),
    "another name": (b"(TimeStamp2)", b"(Time-stamp)", b""),
    "another kind of time-stamp": (b"/ETSI.RFC3161", b"/ETSI.RFC3162", b""),
    "a space": (b"/Type/DSS", b"/Type /DSS", b""),
    "another catalogue": (b"/Lang", b"/AA<<>>/Lang", b""),
}  # fmt: skip


def test_the_way_in_which_they_are_altered_is_sound() -> None:
    revision = next_revision()
    assert altered(revision, b"/Type/DSS", b"/Type/DSS") == revision
    assert archive().check(archive().filled(revision, SECOND)).level == "B-LTA"


@pytest.mark.parametrize("what", ALTERATIONS)
def test_nothing_else_is_appended_though_a_genuine_time_stamp_is_over_it(what: str) -> None:
    """Our authority stamps whatever it is given."""
    made = archive().filled(altered(next_revision(), *ALTERATIONS[what]), SECOND)
    assert reason(made) == "structure"
    with pikepdf.open(io.BytesIO(made)) as pdf:  # a reader that is not ours takes it
        assert len(pdf.Root.AcroForm.Fields) == 3


def test_another_writer_s_revision_is_refused() -> None:
    for before in (original(), once()):
        out = io.BytesIO()
        writer = IncrementalPdfFileWriter(io.BytesIO(before))
        store = DocumentSecurityStore.read_dss(PdfFileReader(io.BytesIO(before)))
        writer.update_root()
        assert store.certs
        writer.write(out)
        assert out.getvalue().startswith(before)
        assert reason(out.getvalue()) == "structure"
        over = replace(read_document(before), data=out.getvalue())
        assert reason(archive().filled(lay_out(over, Carried((), (), ())), FIRST + DAY)) == "structure"


@cache
def stranger() -> bytes:
    return make_office().authority.issuing


def of_a_stranger(proofs: Carried) -> Carried:
    return replace(proofs, certificates=(*proofs.certificates, stranger()))


def of_another_certificate(proofs: Carried) -> Carried:
    here = archive()
    return replace(proofs, ocsps=(*proofs.ocsps, here.prover(SECOND).ocsp(here.office.authority.qr, SECOND)))


def of_the_seal_again(proofs: Carried) -> Carried:
    here = archive()
    answer = here.prover(SECOND).ocsp(here.office.material.certificate, SECOND)
    return replace(proofs, ocsps=(*proofs.ocsps, answer))


def of_yesterday(proofs: Carried) -> Carried:
    here = archive()
    answer = here.prover(SECOND).ocsp(here.office.authority.tsa, SECOND - DAY)
    return replace(proofs, ocsps=(*proofs.ocsps, answer))


def of_tomorrow(proofs: Carried) -> Carried:
    answer = archive().prover(SECOND).ocsp(archive().office.authority.tsa, SECOND + timedelta(seconds=1))
    return replace(proofs, ocsps=(answer,))


def of_another_root(proofs: Carried) -> Carried:
    from tests.prover import Prover

    return replace(proofs, crls=(*proofs.crls, Prover.of(make_office().authority, SECOND).root_crl(SECOND)))


def of_a_revoked_authority(proofs: Carried) -> Carried:
    revoked = Revoked(SECOND - HOUR, RevocationReason.SUPERSEDED)
    answer = archive().prover(SECOND).ocsp(archive().office.authority.tsa, SECOND, revoked)
    return replace(proofs, ocsps=(answer,))


def of_a_revoked_issuer(proofs: Carried) -> Carried:
    authority = archive().office.authority
    return replace(proofs, crls=(archive().prover(SECOND).root_crl(SECOND, [authority.issuing]),))


def without_answers(proofs: Carried) -> Carried:
    return replace(proofs, ocsps=())


def without_lists(proofs: Carried) -> Carried:
    return replace(proofs, crls=())


def with_junk(proofs: Carried) -> Carried:
    return replace(proofs, ocsps=(*proofs.ocsps, b"no answer"))


FOREIGN = (
    of_a_stranger, of_another_certificate, of_the_seal_again, of_yesterday, of_tomorrow, of_another_root,
    of_a_revoked_authority, of_a_revoked_issuer, without_answers, without_lists, with_junk,
)  # fmt: skip


@pytest.mark.parametrize("change", FOREIGN, ids=lambda change: change.__name__)
def test_it_carries_the_proofs_of_the_one_before_and_nothing_else(
    change: Callable[[Carried], Carried],
) -> None:
    assert reason(archive().archived(once(), SECOND, change)) == "validation_data"


def test_too_many_proofs_are_refused() -> None:
    answers = [
        archive().prover(SECOND).ocsp(archive().office.authority.tsa, SECOND) for _ in range(MAX_ITEMS)
    ]
    many = archive().archived(once(), SECOND, lambda proofs: replace(proofs, ocsps=(*proofs.ocsps, *answers)))
    assert reason(many) == "structure"


def test_which_kind_may_follow_which() -> None:
    here = archive()
    for before in (original(), once(), here.original(validated=False)):
        assert reason(here.repaired(before, FIRST + DAY)) == "structure"
    bare = here.original(stamped=False)
    proofs = here.proofs(here.check(bare).to_prove, FIRST)
    early = here.filled(
        lay_out(read_document(bare), Carried(proofs.certificates, proofs.ocsps, proofs.crls)), FIRST
    )
    assert reason(early) == "structure"


def test_time_does_not_go_back() -> None:
    here = archive()
    assert reason(here.archived(once(), FIRST - DAY)) == "chain"
    assert here.check(here.archived(once(), FIRST)).level == "B-LTA"
    assert reason(once(), at=FIRST - DAY) == "sealed_in_future"


def test_it_comes_before_the_authority_of_the_one_before_has_ended() -> None:
    here = archive()
    end = asn1_x509.Certificate.load(here.office.authority.tsa).not_valid_after
    too_late = here.archived(once(), end + DAY)
    assert reason(too_late, at=end + 2 * DAY) == "chain"


def test_the_stamp_of_another_authority_is_refused() -> None:
    revision = next_revision()
    other = make_office()
    token = other.stamps.stamp(revision.digest(), next(other.records))
    assert reason(revision.stamped(token, other.trust.issuing)) == "issuer_unknown"


def test_an_authority_that_is_not_listed_or_compromised_since_before_is_refused() -> None:
    trust = archive().trust
    (later,) = (key for key in trust.keys if key.certificate == archive().later)
    others = tuple(key for key in trust.keys if key is not later)

    def under(*keys: object) -> str:
        try:
            return archive().check(twice(), trust=replace(trust, keys=(*others, *keys))).level  # type: ignore[arg-type]
        except VermilionError as error:
            return error.reason

    assert under() == "chain"
    assert under(replace(later, state="compromised", since=SECOND)) == "chain"
    assert under(replace(later, state="compromised", since=SECOND - DAY)) == "chain"
    assert under(replace(later, state="compromised", since=SECOND + timedelta(seconds=1))) == "B-LTA"


def test_the_token_of_another_revision_is_refused() -> None:
    revision = next_revision()
    elsewhere = lay_out(read_document(original()), Carried((), (), ()))
    made = revision.stamped(archive().token(elsewhere.digest(), SECOND), archive().trust.issuing)
    assert reason(made) == "signature_invalid"


def test_a_page_under_it_is_not_touched() -> None:
    """What a thief draws over a genuine document, stamped by our own authority in the form that we write."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(original())) as pdf:
        pdf.pages[0].contents_add(b"BT (FORGED) Tj ET")
        pdf.save(out)
    assert reason(out.getvalue())
    begin = original().index(b"\n1 0 obj\n") + 1
    page = original()[begin : original().index(b"endobj\n", begin) + len(b"endobj\n")]
    touched = altered(next_revision(), b"endobj\n", b"endobj\n" + page, b"1 1\n%010d 00000 n \n")
    assert reason(archive().filled(touched, SECOND)) == "structure"


def test_offline_its_content_passes_and_what_was_altered_is_altered() -> None:
    trust = archive().trust
    untouched = check_file(twice(), trust, None, None, END).verification
    assert (untouched.content.result, untouched.verdict == "altered") == ("passed", False)
    for at in (100, len(original()) + 40, len(once()) + 40, len(twice()) - 100):
        changed = twice()[:at] + bytes((twice()[at] ^ 1,)) + twice()[at + 1 :]
        assert check_file(changed, trust, None, None, END).verification.verdict == "altered", at


# What others say of it


def run(*command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(("data", "stamps"), [(once, 1), (twice, 2)])
def test_poppler_and_qpdf_find_no_fault(data: Callable[[], bytes], stamps: int, tmp_path: Path) -> None:
    path = tmp_path / "archived.pdf"
    path.write_bytes(data())
    seal, *others = re.split(r"Signature #\d:", run(need("pdfsig"), "-nocert", path))[1:]
    assert "Signature is Valid" in seal
    assert "Not total document signed" in seal
    assert len(others) == stamps
    assert ["Total document signed" in said for said in others] == [False] * (stamps - 1) + [True]
    said = run(need("qpdf"), "--check", path)
    assert "No syntax or stream encoding errors found" in said
    assert "WARNING" not in said


@pytest.mark.parametrize(("data", "times"), [(once, [FIRST]), (twice, [FIRST, SECOND])])
def test_pyhanko_trusts_every_signature_and_finds_the_changes_permitted(
    data: Callable[[], bytes], times: list[datetime]
) -> None:
    """Each while its certificate lasts: this way of asking it takes no older proof."""

    def context(at: datetime) -> ValidationContext:
        roots = [asn1_x509.Certificate.load(archive().office.root)]
        return ValidationContext(trust_roots=roots, moment=at + HOUR, allow_fetching=False)

    reader = PdfFileReader(io.BytesIO(data()))
    (seal,) = reader.embedded_regular_signatures
    status = validate_pdf_signature(seal, context(FIRST), context(FIRST))
    assert status.bottom_line
    assert status.docmdp_ok
    assert status.coverage == SignatureCoverageLevel.ENTIRE_REVISION
    assert status.modification_level == ModificationLevel.LTA_UPDATES
    found = [
        validate_pdf_timestamp(one, context(at))
        for one, at in zip(reader.embedded_timestamp_signatures, times, strict=True)
    ]
    assert [stamp.timestamp for stamp in found] == times
    for stamp in found:
        assert (stamp.intact, stamp.valid, stamp.trusted) == (True, True, True)
    assert found[-1].coverage == SignatureCoverageLevel.ENTIRE_FILE
    store = DocumentSecurityStore.read_dss(reader)
    assert len(store.certs) == len(carried(data()).certificates)


def test_text_and_record_are_the_original_s(tmp_path: Path) -> None:
    words = []
    for name, data in (("original", original()), ("archived", twice())):
        path = tmp_path / f"{name}.pdf"
        path.write_bytes(data)
        words.append(run(need("pdftotext"), "-raw", path, "-"))
    assert words[0] == words[1]
    assert read_pdf(original()).data == read_document(twice()).data[: len(original())]


def test_a_chain_is_what_it_was() -> None:
    """The seal's certificates are proven once: after that only the time-stamps need proofs."""
    here = archive()
    before = here.check(original())
    assert before.to_tell == (Chain(here.office.material.certificate, (here.office.authority.issuing,)),)
    assert here.check(once()).to_tell == ()
