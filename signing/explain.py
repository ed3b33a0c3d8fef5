"""The general validator: what is in a file that is not one of ours as it was issued? For the process apart.

It reads with our own strict check, part by part, and with pyHanko, which forgives what our check does not.
Its findings only explain: a verdict never rests on them (`signing.report`).
"""

from __future__ import annotations

import io
import json
import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from keys.errors import VermilionError
from signing.check import judge_evidence
from signing.pdf_structure import revision_ends
from signing.report import Change, Findings, Original, Shape, against, findings_json
from signing.strict_check import FileEvidence, strict_check

if TYPE_CHECKING:
    from keys.trust_list import TrustList
    from signing.apart import Emit

MAX_STARTS, MAX_ENDS = 4, 8
_START = re.compile(rb"%PDF-1\.")
_END = re.compile(rb"startxref[\r\n]+[0-9]{1,10}[\r\n]+%%EOF(?:\r\n|[\r\n])?")
_OBJECT = re.compile(rb"\b[0-9]{1,10} [0-9]{1,5} obj\b")
# Of what a reader that mends broken files may come upon behind the last revision it was told of.
_TELLING = (
    ("signature", re.compile(rb"/ByteRange\b")),
    ("annotation", re.compile(rb"/Subtype\s*/(?:FreeText|Stamp|Square|Ink|Text|Link|Highlight|Widget)\b")),
    ("page_content", re.compile(rb"/Type\s*/Page\b|/Contents\b|\bstream\r?\n")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be explained, and whom to know. Pickled by whoever asks; never unpickled from outside."""

    data: bytes
    trust: TrustList | None
    licensed: tuple[bytes, ...]  # certificates of other authorities, DER
    at: datetime


def work(order: bytes, emit: Emit) -> None:
    """`signing.apart.Work`: emits findings as JSON, better ones each time, so that what was found before a
    limit was met is not lost.
    """
    work_on(pickle.loads(order), emit)  # noqa: S301  (of our own process, which forked this one)


def work_on(order: Order, emit: Emit) -> None:
    """As `work`, of an order that was read."""
    for found in explain(order):
        emit(json.dumps(findings_json(found)).encode())


def explain(order: Order) -> Iterator[Findings]:
    """The findings, as far as they are, again and again."""
    data, parts = order.data, tuple(_parts(order.data))
    found = Findings(parts=() if order.trust is not None else parts)
    original = None if order.trust is None else _find_original(data, parts, order.trust, order.at)
    if original is not None:
        trailing = _trailing(data, original.end) if original.end < len(data) else None
        found = replace(found, original=original, trailing=trailing)
    yield found
    if not data[:1024].lstrip().startswith(b"%PDF-") and b"%PDF-" not in data[:1024]:
        yield replace(found, shape=Shape.NOT_PDF)
        return
    yield from _read(order, found)


def _read(order: Order, found: Findings) -> Iterator[Findings]:
    from pyhanko.pdf_utils.reader import PdfFileReader

    from signing.explain_changes import revisions
    from signing.explain_signatures import signatures

    data = order.data
    try:
        reader = PdfFileReader(io.BytesIO(data), strict=False)
        if reader.encrypted:
            yield replace(found, shape=Shape.ENCRYPTED)
            return
        number = reader.total_revisions
        reader.root["/Pages"]
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  (hostile files make libraries raise anything)
        yield replace(found, shape=Shape.BROKEN)
        return
    found = replace(found, shape=Shape.READ)
    yield found
    told = revisions(reader, data)
    last = told[-1].end if told else None
    trailing = found.trailing
    if last is not None:
        trailing = _trailing(data, last) if last < len(data) else None
    original = found.original
    if original is not None:
        at = next((one.number for one in told if one.end == original.end), None)
        original = replace(original, revision=at or min(original.revision, number))
    found = replace(found, revisions=told, original=original, trailing=trailing)
    yield found
    try:
        # An original with anything behind it is no whole licence, whatever that is: no need to compare.
        for so_far in signatures(reader, order, apart=trailing is not None, compare=original is None):
            yield replace(found, signatures=so_far)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  (a form that cannot be read has no signatures to tell of)
        return


def _parts(data: bytes) -> Iterator[tuple[int, int]]:
    """Where a document may lie within the file: the first of its bytes, and the one behind its last."""
    starts = [match.start() for match in _START.finditer(data)]
    ends = [match.end() for match in _END.finditer(data)]
    first, last = ends[: MAX_ENDS // 2], ends[MAX_ENDS // 2 :][-MAX_ENDS // 2 :]
    for start in starts[:MAX_STARTS]:
        for end in (*reversed(last), *reversed(first)):
            if end > start and (start, end) != (0, len(data)):
                yield start, end
        if start > 0 and len(data) not in ends:
            yield start, len(data)


def _find_original(
    data: bytes, parts: tuple[tuple[int, int], ...], trust: TrustList, at: datetime
) -> Original | None:
    """The longest part, from the first start that has any, that passes the strict check and of which nobody
    else may be the issuer; where there is none, the longest that only passes the strict check.
    """
    refused = None
    for start, end in parts:
        try:
            evidence = strict_check(data[start:end], trust, at=at)
            number = len(revision_ends(data[start:end]))
        except VermilionError:
            continue
        found = Original(
            start,
            end,
            number,
            registered=False,
            level=evidence.level,
            signer=signer_of(evidence),
            sealed_at=evidence.sealed_at,
            judged=against(*judge_evidence(evidence, trust, at)),
        )
        if found.vouched:
            return found
        refused = refused or found
    return refused


def signer_of(evidence: FileEvidence) -> str:
    """Who sealed, as the certificate says: the issuer first."""
    from signing.certificate_names import name_of

    return ", ".join(dict.fromkeys(name_of(seal.certificate) for seal in evidence.seals))


def _trailing(data: bytes, end: int) -> Change | None:
    """What bytes that belong to no revision look like, by a search: another reader may mend the file."""
    rest = data[end:]
    if not rest.strip(b"\0\t\n\f\r "):
        return Change("bytes")
    if rest.lstrip(b"\0\t\n\f\r ").startswith(b"%PDF-"):
        return Change("file")
    if _OBJECT.search(rest) is not None:
        return Change(next((kind for kind, pattern in _TELLING if pattern.search(rest)), "other"))
    return Change("bytes")
