"""What a sealed document holds to prove itself, taken out of it: an archive keeps each by itself too."""

from __future__ import annotations

from dataclasses import dataclass

from signing.cms import leading_element, parse_seal, token_certificates
from signing.document_time_stamp import read_document
from signing.pdf_structure import Dictionary, Name, Text, refuse
from signing.security_store import EMPTY, read_store

_SIGNATURE, _TIME_STAMP = Name("Sig"), Name("DocTimeStamp")


@dataclass(frozen=True, slots=True)
class HeldEvidence:
    """Each once, DER, as the document has them in order; nothing of it is verified here."""

    certificates: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    tokens: tuple[bytes, ...]


def held_evidence(data: bytes) -> HeldEvidence:
    """Of a document that the strict check has accepted. Raises VermilionError(INVALID) for another form."""
    pdf = read_document(data)
    carried = (read_store(pdf) or EMPTY).carried
    certificates, tokens = list[bytes](), list[bytes]()
    for number in sorted(pdf.objects):
        value = pdf.objects[number]
        if not isinstance(value, Dictionary) or value.get("Type") not in (_SIGNATURE, _TIME_STAMP):
            continue
        contents = value.get("Contents")
        if not isinstance(contents, Text):
            refuse("a signature has no value")
        der = leading_element(contents.value)
        if value.get("Type") == _TIME_STAMP:
            tokens.append(der)
            continue
        seal = parse_seal(der)
        certificates += [seal.certificate, *seal.issuers]
        if seal.token is not None:
            tokens.append(seal.token)
    for token in tokens:
        certificates += token_certificates(token)
    return HeldEvidence(
        certificates=tuple(dict.fromkeys((*certificates, *carried.certificates))),
        ocsps=tuple(dict.fromkeys(carried.ocsps)),
        crls=tuple(dict.fromkeys(carried.crls)),
        tokens=tuple(tokens),
    )
