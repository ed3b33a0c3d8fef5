"""Recording what an authority outside said of a seal's certificate, and what follows from it at once.

A revocation stops the seal in the transaction that records it, by an event with its reason. The evidence is
kept as it came; an OCSP answer stands in the documents too (`registry.seals.validation`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from keys.outside_status import OutsideAnswer, Said
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings
from registry.rows import changed_rows, insert_absent
from registry.seals.applications import SUCCEEDED, locked
from registry.seals.editions import drop
from registry.seals.keys import civil_ground
from registry.seals.outside_status import goods, last_other, newest_status
from registry.seals.outside_tables import OutsideCertificate, OutsideEvidence, OutsideStatus
from registry.seals.revocation import hold_seal
from registry.seals.tables import Certificate, CertificateStatus, Seal, SealEdition, SealUse
from registry.seals.transitions import take

KEPT = timedelta(hours=1)  # beyond its time, a status on which nothing relied: somebody may be about to
_EVENTS = {
    Said.GOOD: "certificate.released",
    Said.HELD: "certificate.held",
    Said.REVOKED: "certificate.revoked",
}


def record_status(
    session: Session, ports: Surroundings, serial: str, answer: OutsideAnswer, kind: str, data: bytes
) -> Said | None:
    """Put on record what an authority said, with the evidence (`kind` crl or ocsp), and what follows from it;
    what the certificate is by that, where it changed.

    A word that is older than the last one counts where it is `revoked`, or a `good` that nothing gainsays and
    that holds longer than those on record. Nothing takes a revocation back.
    Raises VermilionError(UNAVAILABLE, reason "older_word") for an older `held`, and for a `good` where
    neither it nor one on record can be relied on.
    """
    edition = session.scalars(
        select(SealEdition).where(SealEdition.certificate_serial == serial)
    ).one_or_none()
    seal = (
        None if edition is None else locked(session, edition.seal_code)
    )  # before the certificate, as elsewhere
    certificate = session.get_one(Certificate, serial, with_for_update=True, populate_existing=True)
    if certificate.state == Said.REVOKED:
        return None
    now = ports.clock()
    longest = timedelta(hours=ports.settings.outside_status_hours)
    holds_until = min(answer.next_update, answer.this_update + longest)
    if not _counts(session, serial, answer, holds_until, now):
        return None
    digest = sha256(data).hexdigest()
    evidence = {"sha256": digest, "kind": kind, "data": data, "fetched_at": now}
    insert_absent(session, [evidence], OutsideEvidence.sha256)  # a list tells of several certificates
    session.add(
        OutsideStatus(
            id=ports.random(16).hex(),
            certificate_serial=serial,
            state=answer.said.value,
            this_update=answer.this_update,
            next_update=answer.next_update,
            holds_until=holds_until,
            revoked_at=answer.revoked_at,
            reason=None if answer.reason is None else answer.reason.value,
            evidence=digest,
        )
    )
    session.flush()
    _forget(session, serial, now)
    if answer.said == certificate.state:
        return None
    ground = _change(session, ports, certificate, answer, digest, now)
    if answer.said is not Said.GOOD and edition is not None and seal is not None:
        _stop(session, ports, seal, edition, answer.said, ground, now)
    return answer.said


def _counts(
    session: Session, serial: str, answer: OutsideAnswer, holds_until: datetime, now: datetime
) -> bool:
    """Whether it adds to what is on record. Raises VermilionError as `record_status`."""
    newest = newest_status(session, serial)
    newer = newest is None or answer.this_update > newest.this_update
    if answer.said is Said.REVOKED:
        return True
    if answer.said is Said.HELD:
        if newest is not None and answer.this_update < newest.this_update:
            raise _older()  # whoever replays it would suspend the seal again and again
        return newer or newest is None or newest.state == Said.GOOD
    other = last_other(session, serial)
    gainsaid = other is not None and other >= answer.this_update
    end = max((one.holds_until for one in goods(session, serial)), default=now)
    if not gainsaid and holds_until > now and (newer or holds_until > end):
        return True
    if end <= now:
        raise _older()
    return False


def _older() -> VermilionError:
    return VermilionError(
        Kind.UNAVAILABLE, "the authority says nothing newer that can be relied on", reason="older_word"
    )


def _change(
    session: Session,
    ports: Surroundings,
    certificate: Certificate,
    answer: OutsideAnswer,
    digest: str,
    now: datetime,
) -> Ground:
    version = certificate.state_version + 1
    changed = update(Certificate).where(
        Certificate.serial == certificate.serial, Certificate.state_version == certificate.state_version
    )
    reason = None if answer.reason is None else answer.reason.value
    values = {
        "state": answer.said.value,
        "state_version": version,
        "revoked_at": answer.revoked_at,
        "reason": reason,
    }
    assert changed_rows(session, changed.values(**values)) == 1  # its row is locked
    session.refresh(certificate)
    ground = civil_ground(now, ports.settings.tz, f"outside_{answer.said}")
    outside = session.get_one(OutsideCertificate, certificate.serial)
    event = record_event(
        session,
        kind=_EVENTS[answer.said],
        subject_kind="certificate",
        subject=certificate.serial,
        ground=ground,
        actor=None,
        now=now,
        random=ports.random,
        detail={
            "authority": outside.authority,
            "version": version,
            "reason": reason,
            "revoked_at": None if answer.revoked_at is None else answer.revoked_at.isoformat(),
            "evidence": digest,
        },
    )
    session.add(
        CertificateStatus(
            serial=certificate.serial,
            version=version,
            state=answer.said.value,
            reason=reason,
            invalidity_date=None,
            from_at=now,
            event_id=event.id,
        )
    )
    session.flush()
    return ground


def _stop(
    session: Session,
    ports: Surroundings,
    seal: Seal,
    edition: SealEdition,
    said: Said,
    ground: Ground,
    now: datetime,
) -> None:
    """The seal is suspended where it seals by this certificate, and where it is suspended already, no request
    to resume it stands that was made before; a successor that waits is dropped.
    """
    detail = {"certificate": edition.certificate_serial}
    if edition.state == "in_use" and seal.state == "active":
        take(session, ports, None, seal, "suspension", ground=ground, detail=detail)
        hold_seal(session, ports, None, seal.code, ground)
    elif edition.state == "in_use" and seal.state == "suspended":
        take(session, ports, None, seal, "outside_word", ground=ground, detail=detail)
    elif said is Said.REVOKED and edition.state in ("made", "filed") and seal.state in SUCCEEDED:
        drop(session, ports, None, edition, now)


def _forget(session: Session, serial: str, now: datetime) -> None:
    """Drop statuses on which no use of a seal relied, once nobody can be about to; and their evidence."""
    relied = select(SealUse.id).where(SealUse.outside_status_id == OutsideStatus.id).exists()
    changed_rows(
        session,
        delete(OutsideStatus).where(
            OutsideStatus.certificate_serial == serial,
            OutsideStatus.state == Said.GOOD.value,
            OutsideStatus.holds_until < now - KEPT,
            ~relied,
        ),
    )
    named = select(OutsideStatus.id).where(OutsideStatus.evidence == OutsideEvidence.sha256).exists()
    changed_rows(session, delete(OutsideEvidence).where(OutsideEvidence.fetched_at < now - KEPT, ~named))
