"""A document time-stamp appended to a sealed document (ETSI EN 319 142-1, 5.4.3; ISO 32000-2, 12.8.5).

A seal made while no time-stamp could be had is at level B-B. Its proof of time is appended later as a second
revision: one invisible field, one dictionary `/Type /DocTimeStamp`, and the object that lists the form's
fields written again with one more. The original's bytes stay, and no page of it is touched; DocMDP P=1
permits this and nothing else.

There is exactly one such revision of an original and a token: one function lays it out, and a reader lays it
out again and compares. So whatever else was appended to a document is refused without being understood.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from signing import cms
from signing.pdf_structure import Array, Pdf, Ref, Text, refuse

FIELD_NAME = "TimeStamp1"
RESERVED_BYTES = 8192  # for the token: fixed, so that its length never depends on what is stamped
_RANGE_WIDTH = 40
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


def lay_out(pdf: Pdf) -> StampRevision:
    """The one revision that may follow this one. Raises VermilionError(INVALID, "structure")."""
    catalogue = pdf.dictionary(pdf.trailer.get("Root"), "the catalogue")
    fields = pdf.array(
        pdf.dictionary(catalogue.get("AcroForm"), "the form").get("Fields"), "the list of form fields"
    )
    field = len(pdf.objects) + 1
    begin = len(pdf.data)
    listing, listing_object = _listing(pdf, fields, field)
    field_object = (
        b"%d 0 obj\n<< /FT /Sig /T (%s) /Type /Annot /Subtype /Widget /F 132 /Rect [0 0 0 0] /V %d 0 R >>\n"
        b"endobj\n"
    ) % (field, FIELD_NAME.encode("ascii"), field + 1)
    head = b"%d 0 obj\n<< /Type /DocTimeStamp /Filter /Adobe.PPKLite /SubFilter /ETSI.RFC3161 /Contents " % (
        field + 1
    )
    gap = b"<" + b"0" * (2 * RESERVED_BYTES) + b">"
    field_at = begin + len(listing_object)
    stamp_at = field_at + len(field_object)
    start = stamp_at + len(head)
    end = start + len(gap)
    after = b" /ByteRange %s >>\nendobj\n"
    table_at = end + len(after % (b" " * _RANGE_WIDTH))
    tail = (
        b"xref\n%d 1\n%010d 00000 n \n%d 2\n%010d 00000 n \n%010d 00000 n \n"
        b"trailer\n%s\nstartxref\n%d\n%%%%EOF\n"
    ) % (listing, begin, field, field_at, stamp_at, _trailer(pdf, field + 2), table_at)
    size = table_at + len(tail)
    byte_range = (b"[0 %d %d %d]" % (start, end, size - end)).ljust(_RANGE_WIDTH)
    appended = b"".join((listing_object, field_object, head, gap, after % byte_range, tail))
    return StampRevision(pdf.data, appended, start, end)


def token_of(pdf: Pdf, data: bytes) -> tuple[bytes, bytes]:
    """The token in `data`, a file whose first revision is `pdf`; and the digest that it must be over.

    Raises VermilionError(INVALID, "structure") unless what follows the first revision is the one that may.
    """
    revision = lay_out(pdf)
    digits = data[revision.start + 1 : revision.end - 1]
    if _LOWER_HEX.fullmatch(digits) is None:
        refuse("the document time-stamp is not where it belongs, or not lower-case hexadecimal")
    token = cms.leading_element(bytes.fromhex(digits.decode("ascii")))
    if revision.with_token(token) != data:
        refuse("what was appended is no document time-stamp of our form")
    return token, revision.digest()


def _listing(pdf: Pdf, fields: Array, field: int) -> tuple[int, bytes]:
    """The object that holds the list of fields: its number, and the same with one field more."""
    number = next((n for n, (start, end) in pdf.spans.items() if start <= fields.start < end), None)
    if number is None:
        refuse("the list of form fields lies in no object")
    start, end = pdf.spans[number]
    last = fields.end - 1
    return number, pdf.data[start:last] + b" %d 0 R " % field + pdf.data[last:end]


def _trailer(pdf: Pdf, size: int) -> bytes:
    identifier = pdf.trailer.get("ID")
    first = identifier.items[0] if isinstance(identifier, Array) and identifier.items else None
    root, info = pdf.trailer.get("Root"), pdf.trailer.get("Info")
    if not isinstance(first, Text) or not isinstance(root, Ref):
        refuse("the trailer has no identifier of our form")
    parts = [b"<< /Root %d 0 R" % root.number]
    if isinstance(info, Ref):
        parts.append(b"/Info %d 0 R" % info.number)
    # ISO 32000-2, 14.4: the first part names the document, the second this version of it.
    version = sha256(pdf.data).digest()[:16]
    parts.append(b"/ID [<%s> <%s>]" % (first.value.hex().encode("ascii"), version.hex().encode("ascii")))
    parts.append(b"/Size %d /Prev %d >>" % (size, pdf.table))
    return b" ".join(parts)
