"""The page of a signed answer: a PDF that a relying party can file, and check again whole.

It shows what the answer says and nothing else, and carries the answer as it was signed. Its own signature
covers every byte, by the key that signed the answer: that key signs no page but what
`signing.answer_drawing` drew.
"""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn

from keys.errors import Kind, VermilionError
from keys.path import verify_chain
from keys.profiles import ProfileName
from keys.suite import verifies
from keys.trust_list import TrustList
from signing import cms
from signing.pdf_structure import Text, read_pdf
from signing.signed_answer import SignedAnswer, read_signed_answer
from signing.signed_file import embedded_file, signed_range

ATTACHMENT = "answer.jwt"
MEDIA_TYPE = "application/pdf"
MAX_BYTES = 240 * 1024
"""Of a page: most of it are the glyphs of its fonts."""
MAX_ANSWER = 64 * 1024
"""Of the answer that it carries."""


def read_page(data: bytes, *, trust: TrustList, at: datetime) -> SignedAnswer:
    """The signed answer of a page, whose every byte is as it was drawn and signed.

    Raises VermilionError: INVALID ("structure", "altered", "other_key") for a file that is no page of ours as
    it was signed, and as `read_signed_answer`.
    """
    pdf = read_pdf(data)
    catalogue = pdf.dictionary(pdf.trailer.get("Root"), "the catalogue")
    form = pdf.dictionary(catalogue.get("AcroForm"), "the form")
    fields = pdf.array(form.get("Fields"), "the fields").items
    if len(fields) != 1:
        _refuse("the file has another number of signatures than a page", "structure")
    signature = pdf.dictionary(pdf.dictionary(fields[0], "the field").get("V"), "the signature")
    start, end = signed_range(pdf, signature)
    contents = signature.get("Contents")
    assert isinstance(contents, Text)  # as `signed_range` has seen
    seal = cms.parse_seal(cms.leading_element(contents.value))
    if seal.token is not None or pdf.digest(seal.suite.digest_name, start, end) != seal.digest:
        _refuse("the page is not as it was signed", "altered")
    if not verifies(
        cms.load_certificate(seal.certificate).public_key(), seal.suite, seal.signature, seal.attributes
    ):
        _refuse("the page's signature is wrong", "altered")
    listed = {key.certificate for key in trust.keys if key.use == ProfileName.RECEIPT.value}
    if seal.certificate not in listed:  # before anything is read that somebody else could have written
        _refuse("the page was not signed by a key of receipts", "other_key")
    token = embedded_file(pdf, catalogue, ATTACHMENT.encode(), MAX_ANSWER)
    found = read_signed_answer(token, trust=trust, at=at)
    if found.key.certificate != seal.certificate:
        _refuse("the page was signed by another key than its answer", "other_key")
    # It is beside the signature, which does not cover it.
    at = found.content.issued_at
    if seal.issuers != (verify_chain(seal.certificate, trust=trust, at=at, profile=ProfileName.RECEIPT),):
        _refuse("another certificate goes with the page than that of its issuer", "altered")
    return found


def is_page(data: bytes) -> bool:
    """Whether this would be a page, and no token."""
    return data.startswith(b"%PDF-")


def _refuse(detail: str, reason: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason)
