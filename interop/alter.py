"""Alterations of a sealed document, and what DSS is to say of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO

import pikepdf
from asn1crypto import cms
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from interop.differences import BEHIND_THE_END, CHANGES_ARE_WARNINGS, FOREIGN_TOKEN, Difference
from keys.der import members, tlv
from signing.cms import leading_element
from tests.signing.alter import gap_of

FAILED = "TOTAL_FAILED"
NO_SIGNATURE = "NO_SIGNATURE_FOUND"
_SEQUENCE, _SET, _EXPLICIT, _UNSIGNED = 0x30, 0x31, 0xA0, 0xA1


@dataclass(frozen=True, slots=True)
class Alteration:
    """`alter` takes a document and another of the same maker, and returns None where it does not apply. What
    DSS says is to begin with `wanted`; `known` is what a checker says instead, by its name.
    """

    name: str
    alter: Callable[[bytes, bytes], bytes | None]
    wanted: str
    known: Mapping[str, Difference] = field(default_factory=dict)


def content_bit(data: bytes, _other: bytes) -> bytes:
    """One bit in the middle of the page's first content stream."""
    with pikepdf.open(BytesIO(data)) as pdf:
        contents = pdf.pages[0].obj.Contents
        raw = (contents[0] if isinstance(contents, pikepdf.Array) else contents).read_raw_bytes()
    at = data.index(raw) + len(raw) // 2
    return _with_bit(data, at)


def object_bit(data: bytes, _other: bytes) -> bytes:
    """One bit of the attached record: the middle of the stream that `/Type /EmbeddedFile` names."""
    with pikepdf.open(BytesIO(data)) as pdf:
        (attached,) = pdf.attachments.values()
        raw = attached.get_file().obj.read_raw_bytes()
    return _with_bit(data, data.index(raw) + len(raw) // 2)


def overdrawn(data: bytes, _other: bytes) -> bytes:
    """A further revision that draws a bar over the page."""
    writer = IncrementalPdfFileWriter(BytesIO(data), strict=False)
    page = writer.root["/Pages"]["/Kids"][0]
    bar = writer.add_object(generic.StreamObject(stream_data=b"q 0 0 0 rg 60 400 300 60 re f Q"))
    old = page.raw_get("/Contents")
    contents = list(page["/Contents"]) if isinstance(page["/Contents"], generic.ArrayObject) else [old]
    page["/Contents"] = generic.ArrayObject([*contents, bar])
    writer.update_container(page)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def junk_after(data: bytes, _other: bytes) -> bytes:
    return data + b"9999 0 obj\n<< /Type /Page >>\nendobj\n"


def other_signature(data: bytes, other: bytes) -> bytes:
    """The CMS of another document of the same seal."""
    start, end = gap_of(data)
    other_start, other_end = gap_of(other)
    digits = other[other_start:other_end].rstrip(b"0")
    digits += b"0" * (len(digits) % 2)
    return data[:start] + digits.ljust(end - start, b"0") + data[end:]


def signature_bit(data: bytes, _other: bytes) -> bytes:
    """One bit of the signature value."""
    start, end = gap_of(data)
    (signer,) = _signed_data(data)["signer_infos"]
    value = signer["signature"].native.hex().encode("ascii")
    at = data.index(value, start, end) + len(value) - 1
    return data[:at] + (b"1" if data[at : at + 1] == b"0" else b"0") + data[at + 1 :]


def other_token(data: bytes, other: bytes) -> bytes | None:
    """The time-stamp of another document's signature. Each structure on the way ends with the next one."""
    start, end = gap_of(data)
    way = (_SEQUENCE, _EXPLICIT, _SEQUENCE, _SET, _SEQUENCE)

    def ends(of: bytes) -> list[list[bytes]]:
        element, found = leading_element(bytes.fromhex(of[slice(*gap_of(of))].decode())), []
        for tag in way:
            found.append(members(element, tag))
            element = found[-1][-1]
        return found

    ours, theirs = ends(data), ends(other)
    element = theirs[-1][-1]
    if not ours[-1][-1].startswith(bytes((_UNSIGNED,))):
        return None
    for tag, parts in zip(reversed(way), reversed(ours), strict=True):
        element = tlv(tag, *parts[:-1], element)
    return data[:start] + element.hex().encode("ascii").ljust(end - start, b"0") + data[end:]


def without_signature(data: bytes, _other: bytes) -> bytes:
    """Written again without the seal's form field."""
    out = BytesIO()
    with pikepdf.open(BytesIO(data)) as pdf:
        for name in ("/Perms", "/AcroForm"):
            del pdf.Root[name]
        for page in pdf.pages:
            if "/Annots" in page.obj:
                del page.obj["/Annots"]
        pdf.save(out, deterministic_id=True)
    return out.getvalue()


ALTERATIONS = (
    Alteration("a bit of the page changed", content_bit, f"{FAILED}/HASH_FAILURE"),
    Alteration("a bit of the attached record changed", object_bit, f"{FAILED}/HASH_FAILURE"),
    Alteration("a bit of the signature changed", signature_bit, f"{FAILED}/SIG_CRYPTO_FAILURE"),
    Alteration("with the signature of another", other_signature, f"{FAILED}/HASH_FAILURE"),
    Alteration("with the time-stamp of another", other_token, FAILED, FOREIGN_TOKEN),
    Alteration("a revision appended that draws over the page", overdrawn, FAILED, CHANGES_ARE_WARNINGS),
    Alteration("an object appended after the end", junk_after, FAILED, BEHIND_THE_END),
    Alteration("written again without the signature", without_signature, NO_SIGNATURE),
)


def _signed_data(data: bytes) -> cms.SignedData:
    start, end = gap_of(data)
    return cms.ContentInfo.load(bytes.fromhex(data[start:end].decode()))["content"]


def _with_bit(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 0x01,)) + data[at + 1 :]
