"""Document time-stamps appended to a sealed document (ETSI EN 319 142-1, 5.4.3; ISO 32000-2, 12.8.5).

Each is a revision of its own: one invisible field, one dictionary `/Type /DocTimeStamp`, and the object that
lists the form's fields written again with one more. There are two kinds:

- a repair, over a seal that was made while no time-stamp could be had: nothing but that;
- an archival time-stamp (level B-LTA), over a document that has a time-stamp already: the document security
  store is written again with what proves that one's authority good by then, and so on, one after another.

What was there stays, byte by byte, and no page is touched; DocMDP P=1 permits this and nothing else. There is
exactly one such revision of a document, its validation data and a token: one function lays it out, and a
reader lays it out again and compares. So whatever else was appended is refused without being understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from signing import cms, security_store
from signing.pdf_structure import (
    Array,
    Beginnings,
    Dictionary,
    Name,
    Pdf,
    Ref,
    Value,
    read_appended,
    read_pdf,
    refuse,
    revision_ends,
)
from signing.revision import object_text, signed_revision, written_object
from signing.security_store import EMPTY, added_since, place_of, read_store
from signing.validation_data import Carried

FIELD_NAME = "TimeStamp%d"
RESERVED_BYTES = 8192  # for the token: fixed, so that its length never depends on what is stamped
_LOWER_HEX = re.compile(rb"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class StampRevision:
    """The revision that is to be stamped, its gap still filled with zeros."""

    original: bytes
    appended: bytes
    start: int  # of the hex string in the whole file, delimiters included
    end: int

    def digest(self) -> bytes:
        """SHA-256 of the whole file but the gap: what the token is over."""
        state = sha256(self.original)
        at = len(self.original)
        state.update(self.appended[: self.start - at])
        state.update(self.appended[self.end - at :])
        return state.digest()

    def stamped(self, answer: bytes, issuers: Sequence[bytes]) -> bytes:
        """The whole file with a time-stamper's answer over `digest`, in its one form; `issuers` (DER) are the
        authorities of which one certified the time-stamper. It is for the strict check to judge.

        Raises VermilionError(INVALID) for a token that has no such form, or does not fit.
        """
        return self.with_token(cms.canonical_token(answer, issuers))

    def with_token(self, token: bytes) -> bytes:
        """The whole file with this very token. Raises VermilionError(INVALID, "token_too_long")."""
        if len(token) > RESERVED_BYTES:
            refuse("the time-stamp does not fit its place", "token_too_long")
        digits = token.hex().encode("ascii")
        at = self.start + 1 - len(self.original)
        return self.original + self.appended[:at] + digits + self.appended[at + len(digits) :]


@dataclass(frozen=True, slots=True)
class Appended:
    """A document time-stamp that was appended, in our one form; its token is not looked at yet."""

    token: bytes
    digest: bytes  # what the token must be over
    added: Carried | None  # validation data that came with it; None: it is a repair
    carried: Carried  # all that the document carries by then


def read_document(data: bytes, beginnings: Beginnings | None = None) -> Pdf:
    """A document of ours with all that was appended to it, to append more. It is for the strict check to
    judge it. Raises VermilionError(INVALID).
    """
    first, *others = revision_ends(data)
    pdf = read_pdf(data[:first], beginnings)
    for end in others:
        pdf = read_appended(pdf, data[:end])
    return pdf


def appended_stamps(first: Pdf, data: bytes, ends: Sequence[int]) -> Iterator[Appended]:
    """Each document time-stamp of `data`, a file whose first revision is `first` and whose others end at
    `ends`, the oldest first.

    Raises VermilionError(INVALID, "structure") unless each revision is one that may follow the one before.
    """
    before = first
    for end in ends:
        whole = data[:end]
        after = read_appended(before, whole)
        added = added_since(before, after)
        revision = lay_out(before, added)
        digits = whole[revision.start + 1 : revision.end - 1]
        if _LOWER_HEX.fullmatch(digits) is None:
            refuse("the document time-stamp is not where it belongs, or not lower-case hexadecimal")
        token = cms.leading_element(bytes.fromhex(digits.decode("ascii")))
        if revision.with_token(token) != whole:
            refuse("what was appended is no document time-stamp of our form")
        yield Appended(token, revision.digest(), added, (read_store(after) or EMPTY).carried)
        before = after


def lay_out(pdf: Pdf, adding: Carried | None = None) -> StampRevision:
    """The one revision that may follow: a repair, or an archival time-stamp that adds these validation data,
    as far as the document does not carry them already. Raises VermilionError(INVALID, "structure").
    """
    free = len(pdf.objects) + 1
    objects: dict[int, bytes] = {}  # as they are written; the first is how a reader finds where all begin
    fields = _fields(pdf)
    listing = _holder(pdf, fields)
    objects[listing] = b""
    if adding is not None:
        free = _write_store(pdf, adding, objects, free)
    stamp = free + 1
    listed = objects[listing] or object_text(pdf, listing)
    last = fields.end - 1 - pdf.spans[listing][0]
    objects[listing] = listed[:last] + b" %d 0 R " % free + listed[last:]
    name = FIELD_NAME % (1 + sum(_is_stamp(pdf, one) for one in fields.items))
    objects[free] = (
        b"%d 0 obj\n<< /FT /Sig /T (%s) /Type /Annot /Subtype /Widget /F 132 /Rect [0 0 0 0] /V %d 0 R >>\n"
        b"endobj\n"
    ) % (free, name.encode("ascii"), stamp)
    entries = b"/Type /DocTimeStamp /Filter /Adobe.PPKLite /SubFilter /ETSI.RFC3161"
    return StampRevision(pdf.data, *signed_revision(pdf, objects, stamp, entries, RESERVED_BYTES))


def _fields(pdf: Pdf) -> Array:
    catalogue = pdf.dictionary(pdf.trailer.get("Root"), "the catalogue")
    form = pdf.dictionary(catalogue.get("AcroForm"), "the form")
    return pdf.array(form.get("Fields"), "the list of form fields")


def _holder(pdf: Pdf, fields: Array) -> int:
    """The object that holds the list of fields."""
    number = next((n for n, (start, end) in pdf.spans.items() if start <= fields.start < end), None)
    if number is None:
        refuse("the list of form fields lies in no object")
    return number


def _is_stamp(pdf: Pdf, field: Value) -> bool:
    value = pdf.resolve(pdf.dictionary(field, "a form field").get("V"))
    return isinstance(value, Dictionary) and value.get("Type") == Name("DocTimeStamp")


def _write_store(pdf: Pdf, adding: Carried, objects: dict[int, bytes], free: int) -> int:
    """Write the store again with what is new, and the catalogue where it named none; the next free number."""
    store, held = place_of(pdf), read_store(pdf) or EMPTY
    if store is None:
        store, free = free, free + 1
        root = pdf.trailer.get("Root")
        assert isinstance(root, Ref)
        text = object_text(pdf, root.number)
        last = text.rindex(b">>")  # the object is one dictionary, and nothing but its end follows it
        objects[root.number] = text[:last] + b" /DSS %d 0 R " % store + text[last:]
    objects[store] = b""
    lists = []
    for numbers, had, values in (
        (held.crls, held.carried.crls, adding.crls),
        (held.certificates, held.carried.certificates, adding.certificates),
        (held.ocsps, held.carried.ocsps, adding.ocsps),
    ):
        new = sorted(set(values) - set(had))
        lists.append((*numbers, *range(free, free + len(new))))
        for value in new:
            objects[free] = written_object(free, security_store.stream(value))
            free += 1
    objects[store] = written_object(store, security_store.dictionary(*lists))
    return free
