"""Alterations of a sealed document, each of which every check must refuse. Used through every interface."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterable, Iterator

import pikepdf

_BYTE_RANGE = re.compile(rb"/ByteRange ?\[0 (\d+) (\d+) (\d+) *\]")


def gap_of(data: bytes, number: int = 0) -> tuple[int, int]:
    """Where the hex digits of the signature begin and end, without their angle brackets; of the second, that
    of an appended document time-stamp, by `number` 1.
    """
    match = list(_BYTE_RANGE.finditer(data))[number]
    return int(match.group(1)) + 1, int(match.group(2)) - 1


def alterations(
    data: bytes, seed: int, positions: int, gap: int, number: int = 0
) -> Iterator[tuple[str, bytes]]:
    """`positions` copies with one byte changed each, no byte twice, `gap` of them within the signature's hex
    string: letters' case, padding, digits and bytes that are no digits, in turn. The rest lie anywhere else.
    """
    rng = random.Random(seed)
    start, end = gap_of(data, number)
    digits_end = start + len(data[start:end].rstrip(b"0"))
    free = set(range(start, end))

    def draw(count: int, among: Iterable[int]) -> list[int]:
        drawn = rng.sample(sorted(free.intersection(among)), count)
        free.difference_update(drawn)
        return drawn

    share = [len(range(turn, gap, 4)) for turn in range(4)]
    case = draw(share[0], (at for at in range(start, digits_end) if data[at] in b"abcdef"))
    padding = draw(share[1], range(digits_end + 1, end))
    digit = draw(share[2], range(start, digits_end))
    other = draw(share[3], range(start, end))
    for count in range(gap):
        kind = ("case", "padding", "digit", "other")[count % 4]
        at = (case, padding, digit, other)[count % 4][count // 4]
        if kind == "case":
            new = data[at] ^ 0x20
        elif kind == "padding":
            new = rng.choice(b"123456789abcdefABCDEF \n")
        elif kind == "digit":
            new = rng.choice([b for b in b"0123456789abcdef" if b != data[at]])
        else:
            new = rng.choice([b for b in range(256) if b not in b"0123456789abcdefABCDEF"])
        yield f"gap {kind} at {at}: {data[at]:02x} to {new:02x}", _changed(data, at, new)
    for at in rng.sample([*range(start), *range(end, len(data))], positions - gap):
        new = rng.choice([b for b in range(256) if b != data[at]])
        yield f"byte at {at}: {data[at]:02x} to {new:02x}", _changed(data, at, new)


def changed_at(data: bytes, altered: bytes) -> int:
    """Where the first byte lies in which two copies of one length differ."""
    assert len(data) == len(altered)
    difference = int.from_bytes(data, "big") ^ int.from_bytes(altered, "big")
    return len(data) - (difference.bit_length() + 7) // 8


def attacks(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Things added, taken away or written again, the whole file kept well-formed where that helps the attack."""
    for name, tail in (
        ("newline", b"\n"),
        ("carriage return", b"\r"),
        ("space", b" "),
        ("NUL", b"\0"),
        ("end of file again", b"%%EOF\n"),
        ("comment", b"% nothing\n"),
        ("object", b"9 0 obj\n<< /Type /Page >>\nendobj\n"),
        ("itself", data),
    ):
        yield f"appended {name}", data + tail
        yield f"prefixed {name}", tail + data
    for cut in (1, 2, 6, 100, len(data) // 2):
        yield f"cut by {cut}", data[:-cut]
    start, end = gap_of(data)
    yield "signature zeroed", data[:start] + b"0" * (end - start) + data[end:]
    yield "signature value emptied", data[:start] + data[end:]
    yield "byte range renamed", data.replace(b"/ByteRange", b"/ByteRanger")
    yield "byte range blanked", _BYTE_RANGE.sub(lambda m: b" " * len(m.group()), data)
    yield "field value renamed", data.replace(b"/FT /Sig", b"/FT /Btn")
    yield "form renamed", data.replace(b"/AcroForm", b"/AcroFrom")
    yield "certification renamed", data.replace(b"/DocMDP", b"/DocMDQ")
    yield "written again", _rewritten(data, "nothing")
    yield "signature removed, written again", _rewritten(data, "signature")
    yield "form removed, written again", _rewritten(data, "form")
    yield "incremental update", _incremental(data)


def _changed(data: bytes, at: int, new: int) -> bytes:
    assert data[at] != new
    return data[:at] + bytes((new,)) + data[at + 1 :]


def _rewritten(data: bytes, without: str) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        if without in {"signature", "form"}:
            del pdf.Root["/Perms"]
        if without == "signature":
            del pdf.Root.AcroForm.Fields[0]["/V"]
        if without == "form":
            del pdf.Root["/AcroForm"]
            del pdf.pages[0]["/Annots"]
        pdf.save(
            out,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
            compress_streams=False,
            deterministic_id=True,
        )
    return out.getvalue()


def _incremental(data: bytes) -> bytes:
    """A further revision in which object 1, the catalogue, is written again as it was."""
    previous = int(data[data.rindex(b"startxref\n") + 10 :].split(b"\n")[0])
    size = int(data[previous + len("xref\n0 ") :].split(b"\n")[0])
    begin = data.index(b"\n1 0 obj\n") + 1
    catalogue = data[begin : data.index(b"endobj\n", begin) + len(b"endobj\n")]
    table = len(data) + len(catalogue)
    return b"".join(
        (
            data,
            catalogue,
            b"xref\n0 1\n0000000000 65535 f \n1 1\n%010d 00000 n \n" % len(data),
            b"trailer\n<< /Size %d /Root 1 0 R /Prev %d >>\n" % (size, previous),
            b"startxref\n%d\n%%%%EOF\n" % table,
        )
    )
