"""Is a stored document what is registered of it? For `fsck`."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from keys.errors import VermilionError
from keys.trust_list import TrustList
from registry.licences.digests import link_digest, lookup_digest
from registry.licences.issued import read_document
from registry.licences.records import record_text
from registry.licences.tables import AnnotatedCopy, Document, Edition
from registry.ports import DocumentStore
from signing.credential import parse_link
from signing.record import Record, printout_from_json
from signing.strict_check import FileEvidence, strict_check


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """What is registered of a sealed document, and where it lies."""

    store_key: str
    document: Document | AnnotatedCopy
    identifier: str
    sealed: Edition | AnnotatedCopy


def document_faults(
    stored: StoredDocument,
    record: Record | None,
    further: Sequence[datetime | None],
    documents: DocumentStore,
    trust: TrustList,
    now: datetime,
) -> Iterator[str]:
    """What is wrong with the sealed document of an edition or a copy."""
    document, sealed = stored.document, stored.sealed
    try:
        data = read_document(documents, stored.store_key, document.sha256)
        evidence = strict_check(data, trust, at=now)
        printout = printout_from_json(evidence.printout_json)
        link_id = parse_link(printout.link).id_bytes
    except VermilionError as error:
        yield f"the document does not verify ({error.reason})"
        return
    yield from kept_faults(document, data, evidence)
    if evidence.original_sha256 != document.sha256:
        yield "the original has another's time-stamp appended"
    if [one.sealed_at for one in evidence.seals] != [sealed.sealed_at, *further]:
        yield "the document was sealed at another time, or by more or fewer seals"
    borne = [sha256(one.certificate).hexdigest() for one in evidence.seals]
    if record is not None and record.seals and borne != [one.certificate_sha256 for one in record.seals]:
        yield "the document bears other seals than its record names"
    if record is not None and record_text(printout.record) != record_text(record):
        yield "the document says another thing than the record"
    if not hmac.compare_digest(link_digest(link_id), sealed.link_id_sha256):
        yield "the document has another link"
    if not hmac.compare_digest(lookup_digest(stored.identifier, printout.lookup_code), sealed.lookup_sha256):
        yield "the document has another look-up code"
    if sha256(printout.credential).digest() != sealed.credential_sha256:
        yield "the document has another QR credential"


def kept_faults(document: Document | AnnotatedCopy, data: bytes, evidence: FileEvidence) -> Iterator[str]:
    """What stands beside a document is what it says."""
    if len(data) != document.size or evidence.level != document.level:
        yield "size or level of the document are others"
    stamp = evidence.stamps[-1] if evidence.stamps else None
    found = (None, None) if stamp is None else (stamp.at, sha256(stamp.by).hexdigest())
    if found != (document.stamped_at, document.stamped_by):
        yield "the document was time-stamped at another time, or by another authority"
