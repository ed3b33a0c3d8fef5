"""The trust list as relying parties have it now: what the registry checks its own work against."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine

from keys.errors import Kind, VermilionError
from keys.trust_list import TrustList, read_trust_list
from registry.licences.lookup import current_trust_list
from registry.seals.keys import Pieces
from signing.credential import parse_link, qr_text
from signing.issuer import judge_seals, verify_credential
from signing.record import Printout
from signing.strict_check import FileEvidence
from signing.verdict import Issuer

_read: dict[str, TrustList] = {}  # the list read last, by its text: verifying one takes milliseconds


def trust_now(ports: Pieces) -> TrustList:
    """The current list. Raises VermilionError(UNAVAILABLE) without one that serves."""
    return current_list(ports.database.read, ports.clock())


def current_list(engine: Engine, now: datetime) -> TrustList:
    """As `trust_now`, of a database that is read. Raises as that."""
    try:
        jws = current_trust_list(engine)
        kept = _read.get(jws)
        if kept is None or not kept.issued_at <= now < kept.expires_at:
            kept = read_trust_list(jws, at=now)
            _read.clear()
            _read[jws] = kept
    except VermilionError as error:
        raise VermilionError(Kind.UNAVAILABLE, "no current trust list", reason=error.reason) from None
    return kept


def require_recognised(evidence: FileEvidence, printout: Printout, trust: TrustList, now: datetime) -> None:
    """The list names the keys of a document of ours and of its QR code, for its agency, type and origin.

    A key that was compromised meanwhile is left to whoever registers: they look at its state under lock.
    Raises VermilionError(UNAVAILABLE) where the list is behind; RuntimeError for a code that is wrong itself.
    """
    proof = verify_credential(parse_link(qr_text(printout.link, printout.credential)), trust, now)
    if proof.issuer is Issuer.NOT_CHECKED:
        raise RuntimeError(f"the QR code does not pass our own check: {proof.content_reason}")
    record = printout.record
    judged = judge_seals(evidence, record, trust, now)
    for issuer, reason in ((proof.issuer, proof.issuer_reason), judged):
        if issuer is Issuer.REFUSED:
            detail = "the trust list does not name the agency's keys for this yet"
            raise VermilionError(Kind.UNAVAILABLE, detail, reason=reason, retry_after=30)
