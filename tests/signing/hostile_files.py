"""Hostile files, made from a licence that we seal: what attackers of signed PDFs do, and what tires a reader.

The attacks are those of the literature on signed PDF: incremental saving, signature wrapping, universal
forgery, shadow documents; and those of whoever wants a service to break. Each is a function of the licence.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pikepdf
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import serialization
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata
from pyhanko_certvalidator.registry import SimpleCertificateStore

from signing.document_time_stamp import lay_out, read_document
from signing.pdf_structure import MAX_BYTES
from tests.signing.alter import attacks, gap_of
from tests.signing.sealing import Office, make_office, office, other_page

Make = Callable[[bytes], bytes]

CATALOGUE, SEAL, PAGE = 1, 3, 8


@dataclass(frozen=True)
class Hostile:
    """`sentence`: the one that explains it, or several of which one must. `added`: what must be told of."""

    make: Make
    sentence: tuple[str, ...]
    added: tuple[tuple[str, int | None], ...] = ()


def written(data: bytes, number: int) -> bytes:
    """An object as it was written last, without its frame."""
    begin = data.rindex(b"\n%d 0 obj\n" % number) + len(b"\n%d 0 obj\n" % number)
    return data[begin : data.index(b"\nendobj", begin)]


def size_of(data: bytes) -> int:
    return int(re.findall(rb"/Size (\d+)", data)[-1])


def table_of(data: bytes) -> int:
    return int(re.findall(rb"startxref\s+(\d+)", data)[-1])


def update(
    data: bytes,
    objects: Mapping[int, bytes],
    *,
    previous: int | None = None,
    root: int = CATALOGUE,
    trailer: bytes = b"",
    free: tuple[int, ...] = (),
) -> bytes:
    """One more revision, as any editor would write it."""
    out, table = bytearray(data), []
    for number, body in sorted(objects.items()):
        table.append((number, b"%010d 00000 n \n" % len(out)))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table += [(number, b"0000000000 00001 f \n") for number in free]
    at = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n"
    for number, entry in sorted(table):
        out += b"%d 1\n%s" % (number, entry)
    size = max([size_of(data), *(number + 1 for number in objects)])
    before = table_of(data) if previous is None else previous
    out += b"trailer\n<< /Size %d /Root %d 0 R /Prev %d %s >>\n" % (size, root, before, trailer)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % at)


def stream(body: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(body), entries, body)


def squeezed(size: int) -> bytes:
    """So many zero bytes in very few, by zlib: a multiple of a megabyte."""
    squeezer = zlib.compressobj(9)
    first, block = (squeezer.compress(bytes(1 << 20)) + squeezer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    check = ((size % 65521) << 16 | 1).to_bytes(4)  # Adler-32 of zeros
    return first + block * ((size >> 20) - 1) + b"\x03\x00" + check


SQUEEZED = squeezed(240 << 20)  # what a reader that allows 256 MiB for a stream will inflate


def replaced(data: bytes, number: int, old: bytes, new: bytes) -> dict[int, bytes]:
    """One object with one change."""
    body = written(data, number)
    assert old in body, (number, old)
    return {number: body.replace(old, new, 1)}


def _key(name: bytes, value: bytes) -> Callable[[bytes, int], dict[int, bytes]]:
    """An object with a key put in front of its others, of which one may bear the same name."""

    def change(data: bytes, number: int) -> dict[int, bytes]:
        body = re.sub(rb"/%s (?:\d+ 0 R|\[[^\]]*\]|/\w+)" % name, b"", written(data, number), count=1)
        return {number: b"<< /%s %s %s" % (name, value, body[2:])}

    return change


def _free(data: bytes) -> int:
    return size_of(data)


TEXT = b"BT /F1 40 Tf 100 400 Td (FORGED) Tj ET"


# Incremental saving: what a revision can do, and say what it likes of what was signed.


def page_content(data: bytes) -> bytes:
    new = _free(data)
    return update(data, {**_key(b"Contents", b"%d 0 R" % new)(data, PAGE), new: stream(TEXT)})


def content_overwritten(data: bytes) -> bytes:
    found = re.search(rb"/Contents (?:\[ ?)?(\d+) 0 R", written(data, PAGE))
    assert found is not None
    return update(data, {int(found.group(1)): stream(TEXT)})


def page_box(data: bytes) -> bytes:
    return update(data, _key(b"MediaBox", b"[0 0 90 90]")(data, PAGE))


def page_added(data: bytes) -> bytes:
    new = _free(data)
    tree = b"<< /Type /Pages /Count 2 /Kids [%d 0 R %d 0 R] >>" % (new, PAGE)
    page = b"<< /Type /Page /Parent 5 0 R /MediaBox [0 0 595 842] /Contents %d 0 R >>" % (new + 1)
    return update(data, {5: tree, new: page, new + 1: stream(TEXT)})


def page_swapped(data: bytes) -> bytes:
    new = _free(data)
    page = b"<< /Type /Page /Parent 5 0 R /MediaBox [0 0 595 842] /Contents %d 0 R >>" % (new + 1)
    return update(
        data,
        {5: b"<< /Type /Pages /Count 1 /Kids [%d 0 R] >>" % new, new: page, new + 1: stream(TEXT)},
    )


def annotated(annotation: bytes, *, more: Callable[[int], dict[int, bytes]] = lambda _: {}) -> Make:
    def make(data: bytes) -> bytes:
        new = _free(data)
        page = re.sub(rb"/Annots \[([^\]]*)\]", rb"/Annots [\1 %d 0 R]" % new, written(data, PAGE))
        assert b" %d 0 R]" % new in page
        return update(
            data, {PAGE: page, new: annotation.replace(b"NEXT", b"%d" % (new + 1)), **more(new + 1)}
        )

    return make


FREE_TEXT = (
    b"<< /Type /Annot /Subtype /FreeText /Rect [90 600 400 640] /Contents (FORGED) /DA (/Helv 30 Tf) >>"
)
STAMP = b"<< /Type /Annot /Subtype /Stamp /Rect [90 600 400 640] /AP << /N NEXT 0 R >> >>"
LINK = b"<< /Type /Annot /Subtype /Link /Rect [0 0 595 842] /A << /S /URI /URI (http://127.0.0.1/) >> >>"
FIELD = b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (x) /V (FORGED) /Rect [90 600 400 640] >>"


def picture(number: int) -> dict[int, bytes]:
    return {number: stream(TEXT, b"/Type /XObject /Subtype /Form /BBox [0 0 400 50]")}


def catalogue(name: bytes, value: bytes) -> Make:
    def make(data: bytes) -> bytes:
        return update(data, _key(name, value)(data, CATALOGUE))

    return make


def seal_emptied(data: bytes) -> bytes:
    return update(data, _key(b"V", b"null")(data, SEAL))


def seal_picture_replaced(data: bytes) -> bytes:
    new = _free(data)
    return update(data, {**replaced(data, SEAL, b"/AP", b"/AP << /N %d 0 R >> /Was" % new), **picture(new)})


def font_replaced(data: bytes) -> bytes:
    """The value font's own programme: the signed page now shows other characters."""
    found = re.search(rb"/DescendantFonts \[ ?(\d+) 0 R", data)
    assert found is not None
    return update(data, replaced(data, int(found.group(1)), b"/CIDToGIDMap /Identity", b"/CIDToGIDMap /X"))


def record_replaced(data: bytes) -> bytes:
    found = re.search(rb"/EF << /F (\d+) 0 R", data) or re.search(rb"/EF ?<< ?/F (\d+) 0 R", data)
    assert found is not None
    return update(data, {int(found.group(1)): stream(b'{"identifier":"forged"}', b"/Type /EmbeddedFile")})


def freed(data: bytes) -> bytes:
    return update(data, {}, free=(7,))


def twice(make: Make) -> Make:
    return lambda data: make(make(data))


def same_revision_twice(data: bytes) -> bytes:
    """The last revision's bytes once more behind it."""
    one = page_content(data)
    return one + one[len(data) :]


def many_revisions(data: bytes) -> bytes:
    for _ in range(25):
        data = update(data, {_free(data): b"null"})
    return data


def no_table(data: bytes) -> bytes:
    """Objects without a table: a reader that mends the file takes the page from them."""
    new = _free(data)
    page = _key(b"Contents", b"%d 0 R" % new)(data, PAGE)[PAGE]
    return data + b"%d 0 obj\n%s\nendobj\n%d 0 obj\n%s\nendobj\n" % (PAGE, page, new, stream(TEXT))


def no_end(data: bytes) -> bytes:
    return page_content(data).rsplit(b"startxref", 1)[0]


def signed_by(there: Office, data: bytes) -> bytes:
    """By somebody's seal, with pyHanko, in a revision of its own."""
    private = there.authority.custodian._unlock(there.authority.seal_key)
    der = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    store: Any = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    store.register(asn1_x509.Certificate.load(there.authority.issuing))
    signer = signers.SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(there.authority.seal),
        signing_key=asn1_keys.PrivateKeyInfo.load(der),
        cert_registry=store,
    )
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    meta = PdfSignatureMetadata(field_name="Again", subfilter=SigSeedSubFilter.PADES)
    again: Any = signers.PdfSigner(meta, signer, new_field_spec=SigFieldSpec("Again", on_page=0))
    again._enforce_certification_constraints = lambda _: None  # no honest writer would
    out: io.BytesIO = again.sign_pdf(writer)
    return out.getvalue()


def signed_again(data: bytes) -> bytes:
    return signed_by(make_office(), data)


def stamped_by_a_stranger(data: bytes) -> bytes:
    revision = lay_out(read_document(data), None)
    there = make_office()
    token = there.stamps.stamp(revision.digest(), "stranger:1")
    return revision.stamped(token, (there.authority.issuing,))


# Signature wrapping: what was signed is kept, and lies elsewhere.


def wrapped(data: bytes) -> bytes:
    """The second part of what was signed is moved behind the attacker's; the range says so."""
    _, end = gap_of(data)
    inserted = b"\n%d 0 obj\n%s\nendobj\n" % (PAGE, written(data, PAGE).replace(b"/Contents", b"/Was"))
    rest = re.sub(
        rb"/ByteRange ?\[0 (\d+) (\d+)",
        lambda m: b"/ByteRange[0 %s %d" % (m.group(1), int(m.group(2)) + len(inserted)),
        data[end + 1 :],
        count=1,
    )
    return data[: end + 1] + inserted + rest


def wrapped_by_update(data: bytes) -> bytes:
    """A new signature dictionary with the old value and range stands in the field."""
    start, end = gap_of(data)
    new, cover = _free(data), re.findall(rb"/ByteRange ?\[[^\]]*\]", data)[0]
    body = b"<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached %s /Contents <%s> >>" % (
        cover,
        data[start:end],
    )
    page = _key(b"Rotate", b"90")(data, PAGE)
    return update(data, {**_key(b"V", b"%d 0 R" % new)(data, SEAL), new: body, **page})


def second_range(data: bytes) -> bytes:
    return re.sub(rb"/ByteRange ?\[", b"/ByteRange [0 1 2 3] /ByteRange [", data, count=1)


# Universal forgery: the signature's dictionary says little, and a reader may believe what it does not say.


def in_signature(old: bytes, new: bytes) -> Make:
    """A change of the dictionary's own words, of the same length so that everything stays in its place."""

    def make(data: bytes) -> bytes:
        found = re.search(old, data)
        assert found is not None, old
        return data[: found.start()] + new.ljust(len(found.group())) + data[found.end() :]

    return make


def contents(digits: bytes) -> Make:
    def make(data: bytes) -> bytes:
        start, end = gap_of(data)
        return data[:start] + digits[: end - start].ljust(end - start, b"0") + data[end:]

    return make


RANGE = rb"/ByteRange ?\[[^\]]*\]"

# Shadow documents: what is to be shown later was there when it was sealed. A registry draws what it seals
# itself, so this takes a page that somebody could smuggle in.


def _sealed_page(change: Callable[[pikepdf.Pdf], None]) -> bytes:
    return office().seal(pdf=other_page(change)).data


def _with_hidden_page(pdf: pikepdf.Pdf) -> None:
    hidden = pdf.make_stream(TEXT)
    pdf.pages[0].obj["/PieceInfo"] = pikepdf.Dictionary(X=pikepdf.Dictionary(Private=hidden))


def shadow_replaced(_: bytes) -> bytes:
    """The page's content becomes the stream that lay hidden in what was signed."""
    data = _sealed_page(_with_hidden_page)
    page = int(re.findall(rb"/Kids ?\[ ?(\d+) 0 R", data)[0])
    hidden = re.search(rb"/Private (\d+) 0 R", data)
    assert hidden is not None
    return update(data, _key(b"Contents", b"%s 0 R" % hidden.group(1))(data, page), root=_root(data))


def _root(data: bytes) -> int:
    found = re.findall(rb"/Root (\d+) 0 R", data)
    return int(found[-1])


def _with_hidden_catalogue(pdf: pikepdf.Pdf) -> None:
    page = pdf.make_indirect(
        pikepdf.Dictionary(Type=pikepdf.Name.Page, MediaBox=[0, 0, 595, 842], Contents=pdf.make_stream(TEXT))
    )
    tree = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.Pages, Count=1, Kids=[page]))
    page["/Parent"] = tree
    other = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.Catalog, Pages=tree, Marker=4711))
    pdf.pages[0].obj["/PieceInfo"] = pikepdf.Dictionary(X=pikepdf.Dictionary(Private=other))


def shadow_hidden_and_replaced(_: bytes) -> bytes:
    """Another catalogue, with other pages, was there all along; the last trailer names it."""
    data = _sealed_page(_with_hidden_catalogue)
    hidden = re.search(rb"/Private (\d+) 0 R", data)
    assert hidden is not None
    return update(data, {}, root=int(hidden.group(1)))


def _with_cover(pdf: pikepdf.Pdf) -> None:
    cover = pdf.make_stream(b"1 g 0 0 595 842 re f")
    cover["/Type"], cover["/Subtype"] = pikepdf.Name.XObject, pikepdf.Name.Form
    cover["/BBox"] = [0, 0, 595, 842]
    pdf.pages[0].add_resource(cover, pikepdf.Name.XObject, pikepdf.Name("/Cover"))
    pdf.pages[0].contents_add(b"/Cover Do")


def shadow_hidden(_: bytes) -> bytes:
    """What covers the page is taken away."""
    data = _sealed_page(_with_cover)
    cover = re.search(rb"/Cover (\d+) 0 R", data)
    assert cover is not None
    return update(data, {}, free=(int(cover.group(1)),), root=_root(data))


# What tires or breaks a reader. All of it lies in a last revision, so that what was sealed is there too,
# or in a file that has nothing else.


def loop(data: bytes) -> bytes:
    """/Prev names the table that it stands in."""
    one = update(data, {})
    return update(data, {}, previous=table_of(one))


def two_tables_in_a_circle(data: bytes) -> bytes:
    one = update(data, {}, previous=10**9)  # ten digits, to be overwritten
    second = update(one, {})
    return second.replace(b"/Prev 1000000000", b"/Prev %010d" % table_of(second), 1)


def table_claims(count: int) -> Make:
    def make(data: bytes) -> bytes:
        at = len(data)
        return data + (
            b"xref\n0 %d\n0000000000 65535 f \ntrailer\n<< /Size %d /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n"
            % (count, count, table_of(data), at)
        )

    return make


def long_table(data: bytes) -> bytes:
    at, count = len(data), 370_000
    entries = b"0000000015 00000 n \n" * count
    return data + (
        b"xref\n0 %d\n%strailer\n<< /Size %d /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n"
        % (count, entries, count, table_of(data), at)
    )


def xref_stream(entries: bytes, body: bytes) -> Make:
    def make(data: bytes) -> bytes:
        at, number = len(data), _free(data)
        kind = b"/Type /XRef /Root 1 0 R /Filter /FlateDecode /Prev %d %s" % (table_of(data), entries)
        table = stream(body, kind)
        return data + b"%d 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (number, table, at)

    return make


def object_stream(entries: bytes, body: bytes) -> Make:
    """An update whose catalogue lies in an object stream."""

    def make(data: bytes) -> bytes:
        number = _free(data)
        out = data + b"%d 0 obj\n%s\nendobj\n" % (
            number,
            stream(body, b"/Type /ObjStm /Filter /FlateDecode " + entries.replace(b"SELF", b"%d" % number)),
        )
        rows = b"\x02" + number.to_bytes(4) + b"\0\0" + b"\x01" + len(data).to_bytes(4) + b"\0\0"
        rows += b"\x01" + len(out).to_bytes(4) + b"\0\0"
        table = stream(
            rows,
            b"/Type /XRef /W [1 4 2] /Index [1 1 %d 2] /Size %d /Root 1 0 R /Prev %d"
            % (number, number + 2, table_of(data)),
        )
        return out + b"%d 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (number + 1, table, len(out))

    return make


def of_page(body: bytes) -> Make:
    """A page's content that is a bomb, or worse."""

    def make(data: bytes) -> bytes:
        new = _free(data)
        return update(data, {**_key(b"Contents", b"%d 0 R" % new)(data, PAGE), new: body})

    return make


def in_catalogue(name: bytes, body: bytes, more: Callable[[int], dict[int, bytes]] = lambda _: {}) -> Make:
    def make(data: bytes) -> bytes:
        new = _free(data)
        value = body.replace(b"SELF", b"%d 0 R" % new).replace(b"NEXT", b"%d 0 R" % (new + 1))
        return update(data, {**_key(name, b"%d 0 R" % new)(data, CATALOGUE), new: value, **more(new + 1)})

    return make


def packed(data: bytes, filters: bytes) -> bytes:
    return b"<< /Length %d /Filter %s >>\nstream\n%s\nendstream" % (len(data), filters, data)


def bombs_in_store(data: bytes) -> bytes:
    """A security store of streams that are each within what a reader will inflate."""
    new, bomb = _free(data), squeezed(200 << 20)
    listed = b" ".join(b"%d 0 R" % (new + 1 + n) for n in range(8))
    store = b"<< /Certs [%s] /OCSPs [%s] /CRLs [%s] >>" % (listed, listed, listed)
    objects = {new + 1 + n: packed(bomb, b"/FlateDecode") for n in range(8)}
    return update(data, {**_key(b"DSS", b"%d 0 R" % new)(data, CATALOGUE), new: store, **objects})


def many_fields(data: bytes) -> bytes:
    """A form with so many signatures that enumerating them alone takes long."""
    new, count = _free(data), 20_000
    field = b"<< /FT /Sig /T (%d) /V << /Type /Sig /SubFilter /ETSI.CAdES.detached >> >>"
    kids = b" ".join(b"%d 0 R" % (new + 1 + n) for n in range(count))
    objects = {new + 1 + n: field % n for n in range(count)}
    form = b"<< /Fields [%s] /SigFlags 3 >>" % kids
    return update(data, {**_key(b"AcroForm", b"%d 0 R" % new)(data, CATALOGUE), new: form, **objects})


def many_pages(data: bytes) -> bytes:
    new, count = _free(data), 30_000
    kids = b" ".join(b"%d 0 R" % (new + n) for n in range(count))
    objects = {new + n: b"<< /Type /Page /Parent 5 0 R >>" for n in range(count)}
    return update(data, {5: b"<< /Type /Pages /Count %d /Kids [%s] >>" % (count, kids), **objects})


def small_values(data: bytes) -> bytes:
    """Eight megabytes of the smallest values there are."""
    return of_catalogue_values(b"[" + b"0 " * ((MAX_BYTES - len(data) - 4096) // 2) + b"]")(data)


def of_catalogue_values(body: bytes) -> Make:
    return in_catalogue(b"Extra", body)


def encrypted(data: bytes) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        pdf.save(out, encryption=pikepdf.Encryption(owner="o", user="u", R=6))
    return out.getvalue()


def saved(**options: Any) -> Make:
    def make(data: bytes) -> bytes:
        out = io.BytesIO()
        with pikepdf.open(io.BytesIO(data)) as pdf:
            pdf.save(out, deterministic_id=True, **options)
        return out.getvalue()

    return make


CHANGED = ("original_changed",)
ADDED = CHANGED
NEITHER = ("broken", "no_signature", "unreadable", "digest_differs", "not_covered")
STRUCTURE = (*CHANGED, "limit", *NEITHER)

INCREMENTAL: dict[str, Hostile] = {
    "page content": Hostile(page_content, CHANGED, (("page_content", 1),)),
    "content overwritten": Hostile(content_overwritten, CHANGED, (("page_content", 1),)),
    "page box": Hostile(page_box, CHANGED, (("page_content", 1),)),
    "page added": Hostile(page_added, CHANGED, (("pages", None), ("page_content", 1))),
    "page swapped": Hostile(page_swapped, CHANGED, (("pages", None), ("page_content", 1))),
    "free text": Hostile(annotated(FREE_TEXT), CHANGED, (("annotation", 1),)),
    "stamp": Hostile(annotated(STAMP, more=picture), CHANGED, (("annotation", 1),)),
    "link": Hostile(annotated(LINK), CHANGED, (("annotation", 1),)),
    "form field": Hostile(annotated(FIELD), CHANGED, (("form_value", 1),)),
    "free text, then a page": Hostile(
        lambda data: page_content(annotated(FREE_TEXT)(data)),
        CHANGED,
        (("annotation", 1), ("page_content", 1)),
    ),
    "script": Hostile(
        catalogue(b"OpenAction", b"<< /S /JavaScript /JS (app.alert(1)) >>"), CHANGED, (("action", None),)
    ),
    "layers": Hostile(catalogue(b"OCProperties", b"<< /OCGs [] /D << >> >>"), CHANGED, (("action", None),)),
    "language": Hostile(catalogue(b"Lang", b"(xx)"), CHANGED, (("metadata", None),)),
    "form taken away": Hostile(catalogue(b"AcroForm", b"null"), CHANGED, (("removal", None),)),
    "store emptied": Hostile(catalogue(b"DSS", b"<< >>"), CHANGED, (("validation_data", None),)),
    "store swapped": Hostile(
        in_catalogue(b"DSS", b"<< /Certs [NEXT] >>", lambda n: {n: stream(make_office().authority.issuing)}),
        CHANGED,
        (("validation_data", None),),
    ),
    "seal emptied": Hostile(seal_emptied, CHANGED, (("removal", 1),)),
    "seal's picture": Hostile(seal_picture_replaced, CHANGED, (("annotation", 1),)),
    "font": Hostile(font_replaced, CHANGED, (("page_content", 1),)),
    "record": Hostile(record_replaced, CHANGED, (("attachment", None),)),
    "object freed": Hostile(freed, CHANGED, (("removal", None),)),
    "the same twice": Hostile(twice(page_content), CHANGED, (("page_content", 1),)),
    "revision's bytes twice": Hostile(same_revision_twice, CHANGED, (("page_content", 1),)),
    "twenty-five revisions": Hostile(many_revisions, CHANGED),
    "no table": Hostile(no_table, CHANGED, (("page_content", None),)),
    "no end": Hostile(no_end, CHANGED, (("page_content", None),)),
    "signed again": Hostile(signed_again, CHANGED, (("signature", None),)),
    "stamped by a stranger": Hostile(stamped_by_a_stranger, CHANGED, (("time_stamp", None),)),
}
WRAPPING: dict[str, Hostile] = {
    "wrapped": Hostile(wrapped, NEITHER),
    "wrapped by an update": Hostile(wrapped_by_update, CHANGED, (("signature", None), ("page_content", 1))),
    "a second range": Hostile(second_range, NEITHER),
}
FORGERY: dict[str, Hostile] = {
    "no range": Hostile(in_signature(RANGE, b""), ("unreadable",)),
    "range null": Hostile(in_signature(RANGE, b"/ByteRange null"), ("unreadable",)),
    "range empty": Hostile(in_signature(RANGE, b"/ByteRange []"), ("unreadable", "digest_differs")),
    "range of nothing": Hostile(
        in_signature(RANGE, b"/ByteRange [0 0 0 0]"), ("unreadable", "digest_differs")
    ),
    "range negative": Hostile(
        in_signature(RANGE, b"/ByteRange [0 -1 2 -1]"), ("unreadable", "digest_differs")
    ),
    "range a word": Hostile(in_signature(RANGE, b"/ByteRange /All"), ("unreadable", "digest_differs")),
    "range endless": Hostile(
        in_signature(RANGE, b"/ByteRange [0 9 9 99999999]"), ("unreadable", "digest_differs")
    ),
    "contents of zeros": Hostile(contents(b""), ("unreadable",)),
    "contents of nothing": Hostile(contents(b"3000"), ("unreadable",)),
    "contents endless": Hostile(contents(b"3084ffffffff"), ("unreadable",)),
    "contents nested": Hostile(contents(b"3080" * 4000), ("unreadable",)),
    "contents renamed": Hostile(
        in_signature(rb"/Contents ?<(?=3)", b"/Contentz<"), ("unreadable", "no_signature")
    ),
    "another filter": Hostile(
        in_signature(rb"/SubFilter ?/ETSI.CAdES.detached", b"/SubFilter /adbe.x509.rsa_sha1"),
        ("unreadable", "digest_differs", "no_signature"),
    ),
    "no filter": Hostile(in_signature(rb"/SubFilter ?/ETSI.CAdES.detached", b""), NEITHER),
}
SHADOW: dict[str, Hostile] = {
    "hidden content": Hostile(shadow_hidden, ("sealed_refused",), (("removal", None),)),
    "replaced content": Hostile(shadow_replaced, ("sealed_refused",), (("page_content", 1),)),
    "hidden and replaced": Hostile(shadow_hidden_and_replaced, ("sealed_refused",)),
}
TIRING: dict[str, Hostile] = {
    "table in a loop": Hostile(loop, CHANGED),
    "tables in a circle": Hostile(two_tables_in_a_circle, CHANGED),
    "table before the file": Hostile(lambda data: update(data, {}, previous=-1), CHANGED),
    "table behind the file": Hostile(lambda data: update(data, {}, previous=10**10), CHANGED),
    "end without a place": Hostile(lambda data: data + b"startxref\n99999999\n%%EOF\n", CHANGED),
    "ten thousand ends": Hostile(lambda data: data + b"startxref\n0\n%%EOF\n" * 10_000, CHANGED),
    "ten thousand heads": Hostile(lambda data: data + b"%PDF-1.7\n" * 10_000, CHANGED, (("file", None),)),
    "table claims millions": Hostile(table_claims(99_999_999), CHANGED),
    "long table": Hostile(long_table, CHANGED),
    "table stream claims all": Hostile(
        xref_stream(b"/W [1 4 2] /Size 2147483647 /Index [0 2147483647]", zlib.compress(bytes(70))), CHANGED
    ),
    "table stream of wide rows": Hostile(
        xref_stream(b"/W [9 9999999 9] /Size 9", zlib.compress(bytes(70))), CHANGED
    ),
    "table stream a bomb": Hostile(
        xref_stream(b"/W [1 4 2] /Size 35000000 /Index [0 35000000]", SQUEEZED), CHANGED
    ),
    "objects in themselves": Hostile(
        object_stream(b"/N 1 /First 4 /Extends SELF 0 R", zlib.compress(b"1 0 << /Pages 5 0 R >>")), CHANGED
    ),
    "objects before their stream": Hostile(
        object_stream(b"/N 1 /First -9999", zlib.compress(b"1 0 << /Pages 5 0 R >>")), CHANGED
    ),
    "objects without number": Hostile(
        object_stream(b"/N 99999999 /First 4", zlib.compress(b"1 0 ")), CHANGED
    ),
    "objects a bomb": Hostile(object_stream(b"/N 1 /First 4", zlib.compress(b"1 0 ") + SQUEEZED), CHANGED),
    "pages in a circle": Hostile(
        lambda data: update(data, {5: b"<< /Type /Pages /Count 1 /Kids [5 0 R 8 0 R 5 0 R] >>"}), CHANGED
    ),
    "page its own parent": Hostile(lambda data: update(data, _key(b"Parent", b"8 0 R")(data, PAGE)), CHANGED),
    "fields in a circle": Hostile(
        in_catalogue(
            b"AcroForm",
            b"<< /SigFlags 3 /Fields [NEXT] >>",
            lambda n: {n: b"<< /T (a) /Kids [%d 0 R %d 0 R] >>" % (n, n)},
        ),
        CHANGED,
    ),
    "references in a circle": Hostile(
        in_catalogue(b"Extra", b"NEXT", lambda n: {n: b"%d 0 R" % (n - 1)}), CHANGED
    ),
    "store in itself": Hostile(in_catalogue(b"DSS", b"<< /Certs [SELF] /VRI SELF >>"), CHANGED),
    "length its own": Hostile(
        in_catalogue(b"Metadata", b"<< /Length SELF >>\nstream\nx\nendstream"), CHANGED
    ),
    "length endless": Hostile(
        in_catalogue(b"Metadata", b"<< /Length 99999999999 >>\nstream\nx\nendstream"), CHANGED
    ),
    "deep arrays": Hostile(of_catalogue_values(b"[" * 100_000 + b"]" * 100_000), CHANGED),
    "deep dictionaries": Hostile(of_catalogue_values(b"<< /A " * 50_000 + b"0" + b">>" * 50_000), CHANGED),
    "long number": Hostile(of_catalogue_values(b"[" + b"9" * 2_000_000 + b"]"), CHANGED),
    "long name": Hostile(of_catalogue_values(b"/" + b"#41" * 60_000), CHANGED),
    "endless string": Hostile(of_catalogue_values(b"(" * 200_000), CHANGED),
    "content a bomb": Hostile(of_page(packed(squeezed(1 << 28), b"/FlateDecode")), CHANGED),
    "content filtered fifty times": Hostile(
        of_page(packed(b"x", b"[" + b"/FlateDecode " * 50 + b"]")), CHANGED
    ),
    "record filtered twice": Hostile(
        in_catalogue(
            b"Metadata", packed(zlib.compress(squeezed(1 << 28), 9), b"[/FlateDecode /FlateDecode]")
        ),
        CHANGED,
    ),
    "bombs in the store": Hostile(bombs_in_store, CHANGED),
    "many fields": Hostile(many_fields, CHANGED),
    "many pages": Hostile(many_pages, CHANGED),
    "small values": Hostile(small_values, CHANGED),
    "encrypted": Hostile(encrypted, ("encrypted", "broken")),
    "encrypted in words": Hostile(
        lambda data: update(data, {}, trailer=b"/Encrypt << /Filter /Standard /V 99 >>"), CHANGED
    ),
}
OTHER_FORM: dict[str, Hostile] = {
    "linearised": Hostile(saved(linearize=True), NEITHER),
    "objects packed": Hostile(saved(object_stream_mode=pikepdf.ObjectStreamMode.generate), NEITHER),
    "behind a page of hypertext": Hostile(lambda data: b"<html>" + data, ("original_within",)),
    "behind a kilobyte": Hostile(lambda data: bytes(2000) + data, ("original_within",)),
    "empty but its head": Hostile(lambda _: b"%PDF-1.7\n", ("broken",)),
    "text": Hostile(lambda _: b"valid", ("not_pdf",)),
    "picture": Hostile(lambda _: b"\x89PNG\r\n\x1a\n" + bytes(100), ("not_pdf",)),
    "zeros": Hostile(lambda _: bytes(1 << 20), ("not_pdf",)),
}
GROUPS = {
    "incremental": INCREMENTAL,
    "wrapping": WRAPPING,
    "forgery": FORGERY,
    "shadow": SHADOW,
    "tiring": TIRING,
    "other form": OTHER_FORM,
}


def plain_attacks(data: bytes) -> dict[str, bytes]:
    """Those that every other check is tried with too."""
    return dict(attacks(data))
