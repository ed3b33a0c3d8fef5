"""What a sealed document holds to prove itself, taken out of it: an archive keeps each by itself too."""

from __future__ import annotations

from dataclasses import dataclass

from signing.cms import leading_element, parse_seal, token_certificates
from signing.document_time_stamp import read_document
from signing.pdf_structure import Beginnings, Dictionary, Name, Pdf, Text, refuse
from signing.security_store import EMPTY, read_store

KEPT = 64
"""Beginnings that a reader remembers."""
LEAST = 4096
"""Bytes; what is shorter is parsed as quickly as it is compared."""
_END = b"\nendobj\n"
_SIGNATURE, _TIME_STAMP = Name("Sig"), Name("DocTimeStamp")


@dataclass(frozen=True, slots=True)
class HeldEvidence:
    """Each once, DER, as the document has them in order; nothing of it is verified here."""

    certificates: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    tokens: tuple[bytes, ...]


class DocumentReader:
    """Takes evidence out of many documents, of which most begin as others do: that is parsed once."""

    def __init__(self) -> None:
        self._beginnings = Beginnings(KEPT)
        self._last: dict[str, bytes] = {}

    def evidence(self, kind: str, data: bytes) -> HeldEvidence:
        """`kind`: documents of one are likely to begin alike. Raises VermilionError(INVALID)."""
        if self._beginnings.of(data) is None and (last := self._last.get(kind)) is not None:
            shared = _shared(last, data)
            if shared:
                self._beginnings.expect(shared)
        self._last[kind] = data
        pdf = read_document(data, self._beginnings)
        self._beginnings.learn(pdf)
        return _evidence(pdf)


def _shared(one: bytes, other: bytes) -> bytes:
    """What both begin with, up to the end of an object."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if other.startswith(memoryview(one)[low:middle].tobytes(), low):
            low = middle
        else:
            high = middle - 1
    end = one.rfind(_END, 0, low)
    return one[: end + len(_END)] if end > LEAST else b""


def held_evidence(data: bytes) -> HeldEvidence:
    """Of a document that the strict check has accepted. Raises VermilionError(INVALID) for another form."""
    return _evidence(read_document(data))


def _evidence(pdf: Pdf) -> HeldEvidence:
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
