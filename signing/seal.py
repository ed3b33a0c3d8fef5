"""Sealing a drawn document: the reference path, with pyHanko writing the PDF (design, section 4.3).

PAdES B-T, or B-B when no time-stamp can be had (ETSI EN 319 142-1), as a certification signature that
allows no change (DocMDP P=1). The drawn file is copied, object by object, into a new file that is
written once with the signature in place: the sealed file has one revision, and no older content to
fall back to exists in it. Nothing is random or timed here, so one input gives one set of signed bytes.

pyHanko's own signer is not used: it may sign or ask for tokens more than once to measure sizes, and
writes upper-case hex. Its `PdfCMSEmbedder` lays the document out; the signature comes from
`signing.cms`, with one call to the custodian and at most one to the time-stamper. The steps between those
calls stand apart, so that many documents can be signed and stamped by one call each.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import new as new_hash
from hashlib import sha256
from io import BytesIO
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import PdfFileWriter, copy_into_new_writer
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigMDPSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import SignatureObject

from keys.custodian import Custodian
from keys.errors import Kind, VermilionError
from keys.suite import SUITES, Suite
from signing import cms
from signing.document import (
    SealedDocument,
    SealMaterial,
    SealPicture,
    SealPlace,
    TimeStamper,
    ValidationData,
)
from signing.laid_out import RESERVED_BYTES, LaidOut, Stamping, seal_laid_out

FIELD_NAME = "Seal1"
_POINTS_PER_MM = 72 / 25.4


def seal(
    pdf: bytes,
    *,
    material: SealMaterial,
    places: Sequence[SealPlace],
    custodian: Custodian,
    timestamper: TimeStamper | None,
    at: datetime,
    record: str,
    reason_text: str,
    validation: ValidationData | None = None,
) -> SealedDocument:
    """Seal a drawn document with one seal.

    The first of `places` bears the signature's widget; at the others the page shows the same picture. `at`
    (aware) is written as /M, to the second; `record` names what the key is used for, as in
    `SignRequest.record`; `reason_text` is the signature's /Reason. The signature covers every byte of
    the returned file but its own hex string, `validation` included where it is given.

    Without a time-stamper, when it raises VermilionError(UNAVAILABLE), or when what it returns is no
    token of these bytes, the level is "B-B" and `sealed_at` is `at`. Raises VermilionError: INVALID for
    a document or place that cannot be sealed, KEY_REFUSED or UNAVAILABLE from the custodian.
    """
    laid_out = lay_out(
        pdf, material=material, places=places, at=at, reason_text=reason_text, validation=validation
    )
    stamp = None if timestamper is None else _one_by_one(timestamper)
    (sealed,) = seal_laid_out([(laid_out, record)], custodian=custodian, stamp=stamp)
    return sealed


def _one_by_one(timestamper: TimeStamper) -> Stamping:
    def one(digest: bytes, record: str) -> bytes | VermilionError:
        try:
            return timestamper.stamp(digest, record)
        except VermilionError as error:
            return error

    return lambda asked: [one(digest, record) for digest, record in asked]


def lay_out(
    pdf: bytes,
    *,
    material: SealMaterial,
    places: Sequence[SealPlace],
    at: datetime,
    reason_text: str,
    validation: ValidationData | None = None,
) -> LaidOut:
    """The first step of `seal`: all but signature and time-stamp. Without `places` the signature shows
    nothing. Raises VermilionError(INVALID).
    """
    moment = at.astimezone(UTC).replace(microsecond=0)
    suite = SUITES[material.key.suite]
    try:
        writer = _one_revision(pdf)
        if validation is not None:
            _add_validation_data(writer, validation)
        document, start, end = _lay_out(writer, material.picture, places, moment, reason_text, suite)
    except (PdfError, SigningError) as error:
        raise VermilionError(Kind.INVALID, "the drawn document cannot be sealed", reason="drawing") from error
    attributes = cms.signed_attributes(_digest(document, start, end, suite), material.certificate, suite)
    return LaidOut(b"", document, start, end, moment, material, attributes, validation)


def _one_revision(pdf: bytes) -> PdfFileWriter:
    """A writer holding a copy of everything the drawn document's catalogue and Info lead to."""
    writer = copy_into_new_writer(PdfFileReader(BytesIO(pdf)))
    # pyHanko would write the machine's time into Info and XMP, and a random /ID.
    writer._update_meta = lambda: None  # type: ignore[method-assign]  # noqa: SLF001
    identifier = generic.ByteStringObject(sha256(pdf).digest()[:16])
    writer._document_id = generic.ArrayObject([identifier, identifier])  # noqa: SLF001
    return writer


def _add_validation_data(writer: PdfFileWriter, validation: ValidationData) -> None:
    """The document security store (EN 319 142-1, 5.4.2), within what is signed."""

    def streams(values: Sequence[bytes]) -> Any:
        made = [writer.add_object(generic.StreamObject(stream_data=value)) for value in values]
        return generic.ArrayObject(made)

    store = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/DSS"),
            pdf_name("/Certs"): streams(validation.certificates),
            pdf_name("/OCSPs"): streams(validation.ocsps),
            pdf_name("/CRLs"): streams(validation.crls),
        }
    )
    writer.root[pdf_name("/DSS")] = writer.add_object(store)


def _lay_out(
    writer: PdfFileWriter,
    picture: SealPicture,
    places: Sequence[SealPlace],
    moment: datetime,
    reason_text: str,
    suite: Suite,
) -> tuple[bytes, int, int]:
    """The whole file with room for the CMS; and where its hex string begins and ends, delimiters included."""
    spec = SigFieldSpec(FIELD_NAME)
    if places:
        box = _require_on_page(writer, places[0], picture)
        # pyHanko's stubs say int; it writes what it is given, to four decimals.
        spec = SigFieldSpec(FIELD_NAME, on_page=places[0].page, box=box)  # type: ignore[arg-type]
    steps: Any = PdfCMSEmbedder(new_field_spec=spec).write_cms(field_name=FIELD_NAME, writer=writer)
    field = next(steps).get_object()
    if places:
        appearance = writer.import_page_as_xobject(PdfFileReader(BytesIO(picture.data)))
        field[pdf_name("/AP")] = generic.DictionaryObject({pdf_name("/N"): appearance})
        for number, other in enumerate(places[1:], 2):
            _show(writer, appearance, other, picture, f"/SealPicture{number}")
    placeholder = SignatureObject(
        timestamp=moment,
        subfilter=SigSeedSubFilter.PADES,
        reason=reason_text,
        bytes_reserved=2 * RESERVED_BYTES,
    )
    steps.send(
        SigObjSetup(
            sig_placeholder=placeholder,
            mdp_setup=SigMDPSetup(
                md_algorithm=suite.digest_name, certify=True, docmdp_perms=MDPPerm.NO_CHANGES
            ),
        )
    )
    prepared, output = steps.send(SigIOSetup(md_algorithm=suite.digest_name))
    return output.getvalue(), prepared.reserved_region_start, prepared.reserved_region_end


def _require_on_page(
    writer: PdfFileWriter, place: SealPlace, picture: SealPicture
) -> tuple[float, float, float, float]:
    """The picture's edges in points. Raises VermilionError(INVALID) where they leave the page."""
    left = (place.x_mm - picture.width_mm / 2) * _POINTS_PER_MM
    bottom = (place.y_mm - picture.height_mm / 2) * _POINTS_PER_MM
    right, top = left + picture.width_mm * _POINTS_PER_MM, bottom + picture.height_mm * _POINTS_PER_MM
    pages = writer.root["/Pages"]
    if not 0 <= place.page < pages["/Count"]:
        raise VermilionError(Kind.INVALID, "the seal's page does not exist", reason="seal_off_page")
    leaf, _ = writer.find_page_for_modification(place.page)
    node = leaf.get_object()
    while "/MediaBox" not in node and "/Parent" in node:
        node = node["/Parent"]
    x0, y0, x1, y1 = (float(number) for number in node["/MediaBox"])
    if not (x0 <= left < right <= x1 and y0 <= bottom < top <= y1):
        raise VermilionError(Kind.INVALID, "the seal does not lie on its page", reason="seal_off_page")
    return left, bottom, right, top


def _show(writer: PdfFileWriter, appearance: Any, place: SealPlace, picture: SealPicture, name: str) -> None:
    """Draw the picture on a page, over what is there."""
    left, bottom, *_ = _require_on_page(writer, place, picture)
    drawing = f"q 1 0 0 1 {left:.4f} {bottom:.4f} cm {name} Do Q".encode("ascii")
    writer.add_stream_to_page(
        place.page,
        writer.add_object(generic.StreamObject(stream_data=drawing)),
        resources=generic.DictionaryObject(
            {pdf_name("/XObject"): generic.DictionaryObject({pdf_name(name): appearance})}
        ),
    )


def _digest(document: bytes, start: int, end: int, suite: Suite) -> bytes:
    state = new_hash(suite.digest_name)
    view = memoryview(document)
    state.update(view[:start])
    state.update(view[end:])
    view.release()
    return state.digest()
