"""The parts that revisions behind the first one have in common (ISO 32000-1, 7.5.6), in our one form.

Its objects, a cross-reference table that names its first object first, and by itself: so a reader finds where
the revision begins (`pdf_structure.revision_ends`); a trailer; the end. Nothing lies between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from signing.pdf_structure import Array, Pdf, Ref, Text, refuse

_RANGE_WIDTH = 40  # a byte range is padded to it, so that its length never depends on what it says


def text_string(text: str) -> bytes:
    """A text string (ISO 32000-1, 7.9.2.2) as UTF-16BE with its mark, in hexadecimal."""
    return b"<feff" + text.encode("utf-16-be").hex().encode("ascii") + b">"


def object_text(pdf: Pdf, number: int) -> bytes:
    """An object as it is written, from its number to its end."""
    start, end = pdf.spans[number]
    return pdf.data[start:end]


def written_object(number: int, content: bytes) -> bytes:
    return b"%d 0 obj\n%s\nendobj\n" % (number, content)


def signed_revision(
    pdf: Pdf, objects: Mapping[int, bytes], number: int, entries: bytes, reserved: int
) -> tuple[bytes, int, int]:
    """The revision behind `pdf` with these written objects, then the dictionary of a signature, whose number
    is the highest: its `entries`, room for a value of `reserved` bytes, a range over the whole file but that
    room. And where the room's hex string begins and ends in the file, delimiters included.

    Raises VermilionError(INVALID, "structure").
    """
    offsets: list[tuple[int, int]] = []
    at = len(pdf.data)
    for one, text in objects.items():
        offsets.append((one, at))
        at += len(text)
    offsets.append((number, at))
    head = b"%d 0 obj\n<< %s /Contents " % (number, entries)
    gap = b"<" + b"0" * (2 * reserved) + b">"
    start = at + len(head)
    end = start + len(gap)
    rest = b" /ByteRange %s >>\nendobj\n"
    table_at = end + len(rest % (b" " * _RANGE_WIDTH))
    tail = b"xref\n%strailer\n%s\nstartxref\n%d\n%%%%EOF\n" % (
        _table(offsets), _trailer(pdf, number + 1), table_at
    )  # fmt: skip
    covered = (b"[0 %d %d %d]" % (start, end, table_at + len(tail) - end)).ljust(_RANGE_WIDTH)
    return b"".join((*objects.values(), head, gap, rest % covered, tail)), start, end


def _table(offsets: Sequence[tuple[int, int]]) -> bytes:
    """Cross-reference subsections: the first object's alone, then the others' in runs."""
    runs = [[offsets[0]]]
    for one in offsets[1:]:
        if len(runs) > 1 and one[0] == runs[-1][-1][0] + 1:
            runs[-1].append(one)
        else:
            runs.append([one])
    return b"".join(
        b"%d %d\n%s" % (run[0][0], len(run), b"".join(b"%010d 00000 n \n" % at for _, at in run))
        for run in runs
    )


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
