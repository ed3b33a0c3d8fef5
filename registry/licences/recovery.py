"""What becomes of intents whose process died: adopted if whole, else abandoned (design, section 4.5).

Only lapsed leases are touched, and each only after its fence was raised by a conditional update: of two
recoverers one gets the intent, and a process that wakes late finds its fence gone and registers nothing.
Nothing is ever signed here.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from sqlalchemy import select, update

from keys.errors import Kind, VermilionError
from keys.suite import SUITES, Suite, SuiteName
from registry.documents import document_key
from registry.licences.digests import link_digest, lookup_digest
from registry.licences.outage import DATABASE_OUT, database_errors
from registry.licences.records import open_record, record_text
from registry.licences.register import Ending, Registration, Sealed, abandon, register, sealed_as
from registry.licences.tables import CoSeal, Intent
from registry.licences.trust import trust_now
from registry.ports import Ports
from registry.rows import changed_rows
from registry.seals.tables import Key
from registry.seals.use import seal_material
from signing.credential import decode_credential, normal_origin, parse_link, signed_by
from signing.record import printout_from_json
from signing.strict_check import strict_check

BATCH = 100


@dataclass
class RecoveryReport:
    """What one round did, by intent id."""

    adopted: list[str] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)
    deferred: list[str] = field(default_factory=list)  # a part was out: the next round tries again
    defects: dict[str, Exception] = field(default_factory=dict)  # what must not happen

    def __bool__(self) -> bool:
        return bool(self.adopted or self.abandoned or self.deferred or self.defects)


@dataclass(frozen=True, slots=True)
class _Claimed:
    id: str
    fence: int
    record: bytes  # encrypted
    origin: str
    link_id_sha256: bytes
    lookup_sha256: bytes
    seal_certificates: tuple[bytes, ...]  # by place
    qr_public_key: bytes  # SubjectPublicKeyInfo, DER
    qr_suite: Suite


def recover(ports: Ports) -> RecoveryReport:
    """Settle the intents whose lease has lapsed, oldest first, at most 100 in a round.

    A defect in one intent keeps no other waiting, and a database that goes out ends the round: the report
    says how far it came. Raises VermilionError(UNAVAILABLE) without a database.
    """
    report = RecoveryReport()
    ports.vault.refresh()
    now = ports.clock()
    lapsed = (
        select(Intent.id, Intent.fence)
        .where(Intent.state == "open", Intent.lease_until < now)
        .order_by(Intent.lease_until)
        .limit(BATCH)
    )
    with database_errors(), ports.database.read.connect() as connection:
        rows = connection.execute(lapsed).all()
    for intent_id, fence in rows:
        try:
            with database_errors():
                claimed = _claim(ports, intent_id, fence)
            if claimed is not None:
                _settle(ports, claimed, report)
        except Exception as error:  # noqa: BLE001  (whatever it is, the others are not kept waiting)
            if not isinstance(error, VermilionError) or error.kind is not Kind.UNAVAILABLE:
                report.defects[intent_id] = error
                continue
            report.deferred.append(intent_id)
            if error.reason == DATABASE_OUT:
                break
    return report


def recovery_loop(
    ports: Ports,
    stop: threading.Event,
    interval: float = 30,
    report: Callable[[RecoveryReport | Exception], None] = lambda _outcome: None,
) -> None:
    """Recover at once and then every `interval` seconds, until stopped. A failed round is reported; the next
    one comes anyway.
    """
    while True:
        try:
            outcome = recover(ports)
            if outcome:
                report(outcome)
        except Exception as error:  # noqa: BLE001  (a loop that dies silently would recover nothing)
            report(error)
        if stop.wait(interval):
            return


def _claim(ports: Ports, intent_id: str, fence: int) -> _Claimed | None:
    """Take the intent over, with a lease of our own; None if somebody else was quicker."""
    now = ports.clock()
    with ports.database.transaction() as session:
        taken = (
            update(Intent)
            .where(
                Intent.id == intent_id,
                Intent.state == "open",
                Intent.fence == fence,
                Intent.lease_until < now,
            )
            .values(fence=fence + 1, lease_until=now + ports.settings.lease)
        )
        if changed_rows(session, taken) != 1:
            return None
        intent = session.execute(select(Intent).where(Intent.id == intent_id)).scalar_one()
        qr = session.get_one(Key, intent.qr_key_id)
        further = session.scalars(
            select(CoSeal.seal_edition_id).where(CoSeal.intent_id == intent_id).order_by(CoSeal.place)
        )
        seals = [seal_material(session, one) for one in (intent.seal_edition_id, *further)]
        return _Claimed(
            id=intent_id,
            fence=fence + 1,
            record=intent.record,
            origin=intent.origin,
            link_id_sha256=intent.link_id_sha256,
            lookup_sha256=intent.lookup_sha256,
            seal_certificates=tuple(one.certificate for one in seals),
            qr_public_key=qr.public_key,
            qr_suite=SUITES[cast("SuiteName", qr.suite)],
        )


def _settle(ports: Ports, claimed: _Claimed, report: RecoveryReport) -> None:
    """Adopt or abandon. Raises VermilionError(UNAVAILABLE) where neither can be decided now."""
    reason = "never_sealed"
    try:
        data = ports.documents.get(document_key(claimed.id))
        if data is not None:
            sealed = _verified(data, claimed, ports)
            with database_errors(), ports.database.transaction() as session:
                registration = Registration(claimed.id, claimed.fence, sealed)
                (failure,) = register(session, ports, [registration], None)
            if failure is None:
                report.adopted.append(claimed.id)
                return
            reason = failure.reason
    except VermilionError as error:
        if error.kind is Kind.UNAVAILABLE:
            raise
        reason = error.reason
    with database_errors(), ports.database.transaction() as session:
        if abandon(session, ports, [Ending(claimed.id, claimed.fence, reason)], None):
            report.abandoned.append(claimed.id)


def _verified(data: bytes, claimed: _Claimed, ports: Ports) -> Sealed:
    """The facts of a found document, if it is exactly what the intent was to make.

    Raises VermilionError: from the strict check, or INVALID with `not_the_intents`; UNAVAILABLE without a
    current trust list, which is no reason to give up a licence: that round is put off.
    """
    now = ports.clock()
    evidence = strict_check(data, trust_now(ports), at=now)
    if tuple(one.certificate for one in evidence.seals) != claimed.seal_certificates:
        raise _foreign("another seal")
    printout = printout_from_json(evidence.printout_json)
    link = parse_link(printout.link)
    credential = decode_credential(printout.credential)
    same = (
        record_text(printout.record) == record_text(open_record(ports.vault, claimed.id, claimed.record)),
        hmac.compare_digest(link_digest(link.id_bytes), claimed.link_id_sha256),
        link.origin == normal_origin(claimed.origin),
        hmac.compare_digest(
            lookup_digest(printout.record.identifier, printout.lookup_code), claimed.lookup_sha256
        ),
        signed_by(credential, link.origin, link.id_text, claimed.qr_public_key, claimed.qr_suite),
    )
    if not all(same):
        raise _foreign("another record, link or code")
    return sealed_as(data, evidence, printout.credential)


def _foreign(what: str) -> VermilionError:
    return VermilionError(
        Kind.INVALID, f"the stored document has {what} than the intent", reason="not_the_intents"
    )
