"""Joint licences: further seals on a document that the first one has sealed (design, section 4.3).

All seals' fields and pictures exist in the first revision, whose signature certifies with DocMDP P=2: what
may follow is that fields are signed. Each further seal is a revision of its own with two objects: its field
written again with its value and its picture, which shows only from then on, and the signature's dictionary.
The last field carries a lock (ISO 32000-2,
12.7.5.5) and the last signature a FieldMDP reference over all fields: with it the document is closed, P=1.
The validation data of all seals stand in the first revision.

There is exactly one such revision of a document, a moment, a reason and a CMS: one function lays it out, and
a reader lays it out again and compares, as for document time-stamps (`signing.document_time_stamp`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from keys.suite import SUITES
from signing import cms
from signing.document import MAX_SEALS, SealMaterial, ValidationData
from signing.laid_out import RESERVED_BYTES, LaidOut
from signing.pdf_structure import (
    Beginnings,
    Dictionary,
    Name,
    Pdf,
    Ref,
    Text,
    Value,
    read_appended,
    read_pdf,
    refuse,
    revision_ends,
)
from signing.revision import object_text, signed_revision, text_string

MAX_REASON = 400  # bytes of /Reason
_LOWER_HEX = re.compile(rb"<[0-9a-f]+>")
_MOMENT = re.compile(rb"D:[0-9]{14}Z")
_LOCK: dict[str, Value] = {"Type": Name("SigFieldLock"), "Action": Name("All"), "P": 1}


@dataclass(frozen=True, slots=True)
class Sealed:
    """A document up to the end of one seal's revision; the seal's CMS is not looked at yet."""

    pdf: Pdf
    start: int  # of the CMS's hex string, delimiters included
    end: int
    signature: Dictionary


def lay_out_next(
    data: bytes,
    *,
    material: SealMaterial,
    at: datetime,
    reason_text: str,
    validation: ValidationData | None = None,
    beginnings: Beginnings | None = None,
) -> LaidOut:
    """A sealed document with room for the next seal: the whole file. `validation` is what it carries.

    The document is one of ours: whether its seals are right is for the strict check to judge. Raises
    VermilionError(INVALID, "structure") where no field is left, and for another file.
    """
    first, *others = revision_ends(data)
    pdf = read_pdf(data[:first], beginnings)
    for end in others:
        pdf = read_appended(pdf, data[:end])
    fields = seal_fields(pdf)
    place = next((n for n, one in enumerate(fields) if _field(pdf, one).get("V") is None), None)
    if place is None:
        refuse("the document bears all its seals")
    moment = at.astimezone(UTC).replace(microsecond=0)
    written = b"D:%sZ" % moment.strftime("%Y%m%d%H%M%S").encode("ascii")
    revision, start, end = _lay_out(pdf, fields, place, written, text_string(reason_text))
    suite = SUITES[material.key.suite]
    digest = replace(pdf, data=pdf.data + revision).digest(suite.digest_name, start, end)
    attributes = cms.signed_attributes(digest, material.certificate, suite)
    return LaidOut(pdf.data, revision, start, end, moment, material, attributes, validation)


def seal_fields(pdf: Pdf) -> tuple[Ref, ...]:
    """The fields of all seals, in order; at most three, and nothing else is in the form.

    Raises VermilionError(INVALID) with "signature_missing" or "structure".
    """
    catalogue = pdf.dictionary(pdf.trailer.get("Root"), "the catalogue")
    if catalogue.get("AcroForm") is None:
        refuse("the file bears no seal", "signature_missing")
    form = pdf.dictionary(catalogue.get("AcroForm"), "the form")
    fields = pdf.array(form.get("Fields"), "the list of form fields").items
    if not fields:
        refuse("the file bears no seal", "signature_missing")
    refs = tuple(one for one in fields if isinstance(one, Ref))
    if len(refs) != len(fields) or len({*refs}) != len(refs) or len(refs) > MAX_SEALS:
        refuse("the form holds other things than seals")
    if form.get("SigFlags") != 3:
        refuse("the form does not say that it is signed")
    for one in refs:
        field = _field(pdf, one)
        kinds = field.get("FT"), field.get("Subtype")
        if kinds != (Name("Sig"), Name("Widget")) or "Kids" in field.entries or "Parent" in field.entries:
            refuse("a seal's field is of another kind than ours")
    return refs


def check_locks(pdf: Pdf, fields: Sequence[Ref]) -> None:
    """Check that the last of several fields locks all of them, and no other locks any.

    Raises VermilionError(INVALID, "structure").
    """
    *others, last = fields
    locks = [one for one in (others or fields) if "Lock" in _field(pdf, one).entries]
    if locks:
        refuse("a seal's field locks others before the last seal")
    if not others:
        return
    lock = _field(pdf, last).get("Lock")
    if not isinstance(lock, Ref) or not _is(pdf.resolve(lock), _LOCK):
        refuse("the last seal's field does not lock the document")


def appended_seals(first: Pdf, data: bytes, ends: Sequence[int], fields: Sequence[Ref]) -> Iterator[Sealed]:
    """Each further seal of `data`, a file whose first revision is `first` and whose others end at `ends`.

    Raises VermilionError(INVALID): "seal_missing" for one that is not there, "seal_order" where another seal
    stands in its place, "structure" unless each revision is the one that may follow the one before.
    """
    for one in fields[1:]:
        if "V" in _field(first, one).entries:
            refuse("a further seal stands in the first revision")
    if len(ends) < len(fields) - 1:
        refuse("not every seal is on the document", "seal_missing")
    before = first
    for place, end in enumerate(ends[: len(fields) - 1], 1):
        whole = data[:end]
        after = read_appended(before, whole)
        begun = next((n for n, span in after.spans.items() if span[0] == len(before.data)), None)
        if begun != fields[place].number:
            if any(one.number == begun for one in fields):
                refuse("a seal stands where another belongs", "seal_order")
            refuse("what follows the first seal is no further one")
        value = _field(after, fields[place]).get("V")
        signature = after.dictionary(value, "a seal's value")
        moment, reason = signature.get("M"), signature.get("Reason")
        if not isinstance(moment, Text) or _MOMENT.fullmatch(moment.value) is None:
            refuse("the signature has no moment of our form")
        written = _written_reason(whole, reason)
        revision, start, finish = _lay_out(before, fields, place, moment.value, written)
        begin = len(before.data)
        if (
            _LOWER_HEX.fullmatch(whole, start, finish) is None
            or revision[: start - begin] != whole[begin:start]
            or revision[finish - begin :] != whole[finish:]
        ):
            refuse("what was appended is no seal of our form")
        yield Sealed(after, start, finish, signature)
        before = after


def _lay_out(
    pdf: Pdf, fields: Sequence[Ref], place: int, moment: bytes, reason: bytes
) -> tuple[bytes, int, int]:
    """The revision of the seal at `place`, from 0, and where its CMS lies in the file; `reason` as it is
    written.
    """
    field = fields[place].number
    signature = len(pdf.objects) + 1
    text = object_text(pdf, field)
    last = text.rindex(b">>")  # the object is one dictionary, and nothing but its end follows it
    shown = b" /AP << /N %d 0 R >> /V %d 0 R " % (_picture(pdf, fields[place], place), signature)
    written = text[:last] + shown + text[last:]
    entries = b"/Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached /M (%s) /Reason %s" % (
        moment,
        reason,
    )
    if place == len(fields) - 1:
        root = pdf.trailer.get("Root")
        assert isinstance(root, Ref)
        entries += (
            b" /Reference [<< /Type /SigRef /TransformMethod /FieldMDP /Data %d 0 R"
            b" /TransformParams << /Type /TransformParams /V /1.2 /Action /All /P 1 >> >>]" % root.number
        )  # /P beside the lock's: some readers look for it here
    return signed_revision(pdf, {field: written}, signature, entries, RESERVED_BYTES)


def _picture(pdf: Pdf, field: Ref, place: int) -> int:
    """The seal's picture, among the resources of the page that its field is on."""
    page = pdf.dictionary(_field(pdf, field).get("P"), "the page of a seal")
    resources = pdf.dictionary(page.get("Resources"), "the resources of a page")
    picture = pdf.dictionary(resources.get("XObject"), "the pictures of a page").get(f"Seal{place + 1}")
    if not isinstance(picture, Ref):
        refuse("a seal has no picture")
    return picture.number


def _field(pdf: Pdf, ref: Ref) -> Dictionary:
    return pdf.dictionary(ref, "a form field")


def _is(value: Value, entries: dict[str, Value]) -> bool:
    """Whether a dictionary has just these entries; a truth value is no number."""
    if not isinstance(value, Dictionary) or value.entries != entries:
        return False
    return all(type(value.get(key)) is type(wanted) for key, wanted in entries.items())


def _written_reason(data: bytes, reason: Value) -> bytes:
    """A reason as it stands in the file: a text string in hexadecimal, of a bounded length."""
    if not isinstance(reason, Text) or not reason.hexadecimal or len(reason.value) > MAX_REASON:
        refuse("the signature's reason is not of our form")
    written = data[reason.start : reason.end]
    try:
        told = reason.value[2:].decode("utf-16-be")
    except UnicodeDecodeError:
        refuse("the signature's reason is not of our form")
    if text_string(told) != written:
        refuse("the signature's reason is not of our form")
    return written
