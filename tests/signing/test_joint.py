"""Joint licences: several seals, one after another; one shape passes, and no other."""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1_x509
from PIL import Image
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import FieldMDPAction, MDPPerm
from pyhanko.sign.validation import EmbeddedPdfSignature, validate_pdf_signature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from keys.errors import VermilionError
from signing.check import check_file
from signing.codes import make_identifier
from signing.document_time_stamp import lay_out as lay_out_stamp
from signing.document_time_stamp import read_document
from signing.joint import lay_out_next
from signing.pdf_structure import Pdf, Stream, read_pdf, revision_ends
from signing.record import RecordSeal, record_from_json, record_to_json
from signing.revision import object_text, signed_revision
from signing.strict_check import strict_check
from signing.validation_data import Carried
from signing.verdict import Verdict
from tests.signing.alter import alterations, attacks, gap_of
from tests.signing.checking import Alarms, Register
from tests.signing.jointly import ISSUER, OTHERS, TYPE, Agencies, agencies, base_sample, forms, in_turn
from tests.signing.sealing import LATER
from tests.tools import need

COUNTS = pytest.mark.parametrize("count", [2, 3])


def reason(data: bytes, **other: object) -> str:
    with pytest.raises(VermilionError) as refused:
        strict_check(data, agencies().trust, **({"at": LATER} | other))  # type: ignore[arg-type]
    return refused.value.reason


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def signatures(data: bytes) -> list[EmbeddedPdfSignature]:
    return list(PdfFileReader(io.BytesIO(data)).embedded_regular_signatures)


@COUNTS
def test_it_proves_each_seal_by_its_own_time_stamp_at_b_lt(count: int) -> None:
    here = agencies()
    evidence = here.check(forms(count)[-1])
    assert [one.certificate for one in evidence.seals] == [one.certificate for one in here.materials[:count]]
    assert [one.key for one in evidence.seals] == [here.key_of(place) for place in range(count)]
    times = [one.sealed_at for one in evidence.seals]
    assert times == sorted(set(times))
    assert (evidence.level, evidence.stamped_at) == ("B-LT", times[-1])
    assert evidence.original_sha256 == sha256(forms(count)[-1]).digest()
    asked = {sha256(request.data).digest() for request in here.office.witness.requests}
    assert {one.signed_sha256 for one in evidence.seals} <= asked
    assert len(evidence.to_tell) == count


@COUNTS
def test_each_seal_is_one_revision_of_two_objects_behind_all_that_was_there(count: int) -> None:
    ends = revision_ends(forms(count)[-1])
    assert ends == [len(form) for form in forms(count)]
    before: Pdf | None = None
    for form in forms(count):
        pdf = read_document(form)
        if before is not None:
            assert form.startswith(before.data)
            newer = {n for n, span in pdf.spans.items() if span[0] >= len(before.data)}
            field = next(n for n in newer if n in before.objects)
            assert newer == {field, len(before.objects) + 1}
            old, new = object_text(before, field), object_text(pdf, field)
            added = re.fullmatch(
                re.escape(old[: old.rindex(b">>")])
                + rb" /AP << /N ([0-9]+) 0 R >> /V %d 0 R " % (len(before.objects) + 1)
                + re.escape(old[old.rindex(b">>") :]),
                new,
            )
            assert added is not None
            assert isinstance(before.objects[int(added[1])], Stream)
        before = pdf


@COUNTS
def test_pyhanko_trusts_each_seal_and_finds_the_document_locked_by_the_last(count: int) -> None:
    root = asn1_x509.Certificate.load(agencies().office.root)

    def context() -> ValidationContext:
        return ValidationContext(trust_roots=[root], moment=LATER, allow_fetching=False)

    found = signatures(forms(count)[-1])
    assert [one.field_name for one in found] == ["Seal1", "Seal2", "Seal3"][:count]
    for number, one in enumerate(found, 1):
        status = validate_pdf_signature(one, context(), context())
        last = number == count
        assert status.bottom_line, status.pretty_print_details()
        assert status.docmdp_ok
        assert status.coverage == (
            SignatureCoverageLevel.ENTIRE_FILE if last else SignatureCoverageLevel.ENTIRE_REVISION
        )
        assert status.modification_level == (
            ModificationLevel.NONE if last else ModificationLevel.FORM_FILLING
        )
    assert (found[0].docmdp_level, found[-1].docmdp_level) == (MDPPerm.FILL_FORMS, MDPPerm.NO_CHANGES)
    assert found[-1].fieldmdp is not None
    assert found[-1].fieldmdp.action is FieldMDPAction.ALL
    lock = found[-1].sig_field.raw_get("/Lock")
    assert lock.get_object() == {"/Type": "/SigFieldLock", "/Action": "/All", "/P": 1}


@COUNTS
def test_poppler_and_qpdf_find_every_seal_valid_and_nothing_to_complain_of(
    tmp_path: Path, count: int
) -> None:
    path = tmp_path / "joint.pdf"
    path.write_bytes(forms(count)[-1])
    said = run(need("pdfsig"), "-nocert", str(path))
    assert said.count("Signature is Valid.") == count
    assert said.count("Not total document signed") == count - 1
    checked = run(need("qpdf"), "--check", str(path))
    assert "No syntax or stream encoding errors found" in checked
    assert "WARNING" not in checked


def test_a_seals_picture_shows_once_its_seal_is_there(tmp_path: Path) -> None:
    face, dpi = base_sample(3).face, 150
    for number, form in enumerate(forms(3), 1):
        path = tmp_path / f"{number}.pdf"
        path.write_bytes(form)
        run(need("pdftoppm"), "-r", str(dpi), "-png", "-singlefile", str(path), str(tmp_path / str(number)))
        page = Image.open(tmp_path / f"{number}.png").convert("RGB")
        for spot in face.seals:
            right = int(
                (spot.x + spot.diameter / 2 - 0.6) / 25.4 * dpi
            )  # the rim, at the height of the middle
            middle = int((face.pages[0].height - spot.y) / 25.4 * dpi)
            seen = [page.getpixel((right + at, middle)) for at in range(-4, 5)]
            red = any(isinstance(one, tuple) and one[0] - max(one[1:]) > 60 for one in seen)
            assert red is (spot.number <= number), (number, spot.number, seen)


@COUNTS
def test_a_document_without_all_its_seals_is_refused(count: int) -> None:
    for form in forms(count)[:-1]:
        assert reason(form) == "seal_missing"
        outcome = check_file(form, agencies().trust, None, None, LATER)
        assert outcome.verification.verdict is Verdict.ALTERED
        assert outcome.facts.content_reason == "seal_missing"


def test_seals_in_another_order_are_refused() -> None:
    here = agencies()
    first = here.sealed(here.first(here.materials), in_turn(here.office))

    def third(pdf: Pdf) -> Pdf:
        """The document as if its second field were signed already."""
        fields = pdf.dictionary(pdf.dictionary(pdf.trailer.get("Root"), "").get("AcroForm"), "").get("Fields")
        second = pdf.array(fields, "").items[1]
        entries = pdf.dictionary(second, "").entries
        entries["V"] = True
        return pdf

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "signing.joint.read_pdf", lambda data, beginnings=None: third(read_pdf(data, beginnings))
        )
        swapped = here.next(first, here.materials[2])
    assert reason(here.next(swapped, here.materials[1])) == "seal_order"


def test_the_seals_of_a_joint_licence_are_those_that_its_record_names() -> None:
    here = agencies()
    issuer, second, third = here.materials
    swapped = here.forms((issuer, third, second), sample=here.sample((issuer, second, third)))[-1]
    assert here.check(swapped).level == "B-LT"
    another = here.forms((issuer, third), sample=here.sample((issuer, second)))[-1]
    for data in (swapped, another):
        outcome = check_file(data, here.trust, None, None, LATER)
        assert (outcome.verification.verdict, outcome.facts.issuer_reason) == (
            Verdict.NOT_RECOGNISED,
            "seals_differ",
        )
    outcome = check_file(forms(3)[-1], here.trust, None, None, LATER)
    assert outcome.verification.verdict is Verdict.GENUINE_OFFLINE
    assert outcome.printout is not None
    assert outcome.printout.record.seals == here.named(here.materials)


def test_a_record_that_names_no_seals_is_not_jointly_sealed_and_the_other_way_round() -> None:
    here = agencies()
    alone, together = here.sample(here.materials[:1]), here.sample(here.materials[:2])
    unnamed = replace(together, printout=replace(together.printout, record=alone.printout.record))
    named = replace(alone, printout=together.printout)
    for data in (
        here.forms(here.materials[:2], sample=unnamed)[-1],
        here.forms(here.materials[:1], sample=named)[-1],
    ):
        assert check_file(data, here.trust, None, None, LATER).facts.issuer_reason == "seals_differ"


def test_a_further_seal_is_of_the_agency_that_the_record_names_and_entitled_beside_it() -> None:
    here, data = agencies(), forms(2)[-1]

    def judged(**changes: object) -> tuple[Verdict, str]:
        outcome = check_file(data, here.with_key(1, **changes), None, None, LATER)
        return outcome.verification.verdict, outcome.facts.issuer_reason

    assert judged()[0] is Verdict.GENUINE_OFFLINE
    assert judged(co_types=(), types=(TYPE,)) == (Verdict.NOT_RECOGNISED, "co_seal_not_entitled")
    assert judged(co_types=()) == (Verdict.NOT_RECOGNISED, "co_seal_not_entitled")
    assert judged(agency=OTHERS[1]) == (Verdict.NOT_RECOGNISED, "co_seal_not_entitled")
    ended = here.check(data).seals[1].sealed_at - timedelta(seconds=1)
    assert judged(state="retired", since=ended, sign_to=ended) == (Verdict.NOT_RECOGNISED, "out_of_period")
    assert judged(state="compromised", since=LATER) == (Verdict.CANNOT_CHECK, "key_compromised")
    without = replace(here.trust, keys=tuple(key for key in here.trust.keys if key is not here.key_of(1)))
    assert check_file(data, without, None, None, LATER).facts.issuer_reason == "key_unknown"


def test_a_key_that_seals_beside_others_issues_nothing_of_that_type_itself() -> None:
    here = agencies()
    one = here.sample(here.materials[:1])
    record = one.printout.record
    identifier = make_identifier(TYPE, OTHERS[0], record.number, 1)
    own = here.with_record(one, replace(record, issuer_code=OTHERS[0], identifier=identifier))
    data = here.forms(here.materials[1:2], sample=own)[-1]
    outcome = check_file(data, here.trust, None, None, LATER)
    assert (outcome.verification.verdict, outcome.facts.issuer_reason) == (
        Verdict.NOT_RECOGNISED,
        "not_entitled",
    )


def test_one_seal_does_not_stand_twice() -> None:
    here = agencies()
    issuer, second, _third = here.materials
    twice = here.forms((issuer, second, second), sample=here.sample((issuer, second)))[-1]
    assert reason(twice) == "seal_twice"
    with pytest.raises(VermilionError) as refused:
        lay_out_next(forms(3)[-1], material=issuer, at=LATER, reason_text="x")
    assert refused.value.reason == "structure"


def test_a_seal_that_is_put_a_second_time_over_the_last_is_refused() -> None:
    data = forms(2)[-1]
    ends = revision_ends(data)
    pdf = read_document(data)
    fields = pdf.dictionary(pdf.dictionary(pdf.trailer.get("Root"), "").get("AcroForm"), "").get("Fields")
    field = pdf.array(fields, "").items[1].number  # type: ignore[union-attr]
    start, end = pdf.spans[field]
    again, *_ = signed_revision(pdf, {field: pdf.data[start:end]}, len(pdf.objects) + 1, b"/Type /Sig", 16)
    assert reason(data + again) == "structure"
    assert reason(data + data[ends[0] :]) == "structure"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"/F 132", b"/F 130"),
        lambda text: text.replace(b"/T <", b"/Q 1/T <"),
        lambda text: text.replace(b"/Rect [", b"/Rect [ "),
        lambda text: text.replace(b"/Lock", b"/Lick"),
    ],
)
def test_the_field_is_written_again_as_it_was(change: Callable[[bytes], bytes]) -> None:
    """By a thief of the seal's key, who signs over another field."""
    here, first = agencies(), forms(2)[0]  # made unpatched, and kept for other tests

    def changed(pdf: Pdf, number: int) -> bytes:
        written = change(object_text(pdf, number))
        assert written != object_text(pdf, number)
        return written

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("signing.joint.object_text", changed)
        data = here.next(first, here.materials[1])
    assert reason(data) == "structure"


def test_a_further_object_in_the_revision_is_refused() -> None:
    here, first = agencies(), forms(2)[0]  # made unpatched, and kept for other tests

    def more(pdf: Pdf, objects: dict[int, bytes], *rest: object) -> tuple[bytes, int, int]:
        root = pdf.spans[1]
        return signed_revision(pdf, objects | {1: pdf.data[root[0] : root[1]]}, *rest)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("signing.joint.signed_revision", more)
        data = here.next(first, here.materials[1])
    assert reason(data) == "structure"


@pytest.mark.parametrize("number", [0, 1, 2])
def test_no_changed_byte_passes(number: int) -> None:
    """The gap of each seal, and bytes anywhere."""
    for name, altered in alterations(forms(3)[-1], number, positions=130, gap=100, number=number):
        assert reason(altered), name


def test_altered_content_is_called_that_whatever_follows() -> None:
    data = forms(3)[-1]
    at = data.index(b"<dc:title>") + 4  # within a stream of the first revision
    assert reason(data[:at] + b"T" + data[at + 1 :]) == "digest_mismatch"
    assert reason(forms(3)[0][:at] + b"T" + forms(3)[0][at + 1 :]) == "digest_mismatch"


def test_every_byte_of_the_revisions_around_the_seals_is_fixed() -> None:
    data, begin = forms(2)[-1], len(forms(2)[0])
    start, end = gap_of(data, 1)
    for at in [*range(begin, start), *range(end, len(data))][::5]:
        assert reason(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]), at


def test_nothing_may_be_added_removed_or_written_again() -> None:
    names = [name for name, altered in attacks(forms(3)[-1]) if reason(altered)]
    assert len(names) > 25


def test_pyhanko_signs_the_same_field_and_is_not_taken_for_us() -> None:
    """A general writer's revision is valid to it and another file than ours."""
    data = forms(2)[0]
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    field = writer.root["/AcroForm"]["/Fields"][1]
    field["/TU"] = field["/TU"]
    writer.update_container(field)
    out = io.BytesIO()
    writer.write(out)
    assert reason(out.getvalue()) in {"structure", "seal_missing"}


def test_a_joint_licence_is_at_the_level_of_the_least_of_its_seals() -> None:
    here = Agencies.make()
    two = here.materials[:2]
    without_proofs = here.forms(two, validated=False)[-1]
    assert here.check(without_proofs).level == "B-T"
    for missing in (0, 1):
        data = here.forms(two, validated=False, stamps=missing.__ne__)[-1]
        evidence = here.check(data)
        assert (evidence.level, evidence.stamps) == ("B-B", ())
        revision = lay_out_stamp(read_document(data))
        at = here.office.authority.now + timedelta(minutes=1)
        here.office.authority.now = at
        token = here.office.stamps.stamp(revision.digest(), next(here.office.records))
        repaired = here.check(revision.stamped(token, here.trust.issuing))
        assert (repaired.level, repaired.stamped_at) == ("B-T", at)
        assert repaired.seals == evidence.seals
        assert repaired.original_sha256 == sha256(data).digest()


def test_time_stamps_for_the_archive_follow_the_last_seal_and_prove_all() -> None:
    here = Agencies.make()
    original = here.forms(here.materials)[-1]
    before = here.check(original)
    at = here.office.authority.now + timedelta(minutes=2)
    here.office.authority.now = at
    proofs = here.proofs(at, here.materials)
    pdf = read_document(original)
    adding = Carried(proofs.certificates, proofs.ocsps, proofs.crls)
    revision = lay_out_stamp(pdf, adding)
    token = here.office.stamps.stamp(revision.digest(), next(here.office.records))
    archived = revision.stamped(token, here.trust.issuing)
    after = here.check(archived)
    assert (after.level, after.seals) == ("B-LTA", before.seals)
    assert (after.stamped_at, after.stamps[-1].at) == (before.stamped_at, at)
    assert after.original_sha256 == sha256(original).digest()
    root = asn1_x509.Certificate.load(here.office.root)
    for one in signatures(archived):
        context = ValidationContext(trust_roots=[root], moment=LATER, allow_fetching=False)
        status = validate_pdf_signature(one, context, context)
        assert status.bottom_line, status.pretty_print_details()
    # A time-stamp between the seals is refused, whatever comes after it.
    between = lay_out_stamp(read_document(forms(2)[0]))
    stamped = between.stamped(
        agencies().office.stamps.stamp(between.digest(), next(agencies().office.records)),
        agencies().trust.issuing,
    )
    assert reason(stamped) == "structure"


def test_seals_of_several_suites_stand_on_one_document() -> None:
    here = Agencies.make(("rsa3072-sha256", "p384-sha384"))
    assert here.check(here.forms(here.materials)[-1]).level == "B-LT"


def test_a_made_signature_over_other_bytes_raises_an_alarm_for_each_seal() -> None:
    data, alarms, register = forms(2)[-1], Alarms(), Register()
    evidence = agencies().check(data)
    register.uses = {evidence.seals[0].signed_sha256}
    outcome = check_file(data, agencies().trust, register, alarms, LATER)
    assert (outcome.verification.verdict, outcome.alarm) == (Verdict.UNKNOWN, "document_not_registered")
    assert [raised[1] for raised in alarms.raised] == [evidence.seals[1].key_id]
    register.uses = {one.signed_sha256 for one in evidence.seals}
    assert check_file(data, agencies().trust, register, alarms, LATER).alarm is None


def test_a_record_names_its_seals_in_order_and_none_twice() -> None:
    here = agencies()
    record = here.sample(here.materials).printout.record
    data = record_to_json(record)
    assert record_from_json(json.loads(json.dumps(data))) == record
    assert "seals" not in record_to_json(replace(record, seals=()))
    issuer, second, _third = record.seals
    for seals in (
        (issuer,),
        (issuer, issuer),
        (second, issuer),
        (issuer, replace(second, certificate_sha256="A" * 64)),
        (issuer, replace(second, agency="11330100000000002Q")),
        (issuer, second, _third, RecordSeal(ISSUER, "0" * 64)),
    ):
        with pytest.raises(VermilionError):
            record_from_json(record_to_json(replace(record, seals=seals)))


def test_the_first_revision_of_one_seal_locks_nothing() -> None:
    pdf = read_pdf(forms(1)[-1])
    assert b"SigFieldLock" not in pdf.data
    assert agencies().check(forms(1)[-1]).level == "B-LT"
