"""The status of certificates (RFC 5280, section 5.3; RFC 6960, section 2.2): held, released, revoked.

Each change is one conditional update, so it happens exactly once; it is in force, and OCSP says so, when its
transaction commits. The bytes that stand for the certificate in a CRL are made here, once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NoReturn

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from keys.crl import RevocationReason, crl_entry
from keys.errors import Kind, VermilionError
from registry.actor import Actor, Administrator
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings
from registry.rows import changed_rows
from registry.seals.tables import Certificate, CertificateAuthority, CertificateStatus, SealEdition

SHARED_PATIENCE_MS = 3_000
_STATUS_LOCK = 0x7665726D63657274  # pg_advisory_xact_lock: "vermcert"


class State(StrEnum):
    GOOD = "good"
    HELD = "held"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Status:
    """What becomes of a certificate."""

    state: State
    reason: RevocationReason | None = None  # None: unspecified, which is never written (RFC 5280, 5.3.1)
    invalidity_date: datetime | None = None


def lock_status(session: Session, *, shared: bool = False) -> None:
    """Until the transaction ends: no status changes meanwhile (`shared`), or nobody else's does.

    Whoever says "good" reads the clock and the state under the shared lock, whoever revokes reads the clock
    under the other one: so no "good" is produced after the moment of a revocation, however many processes
    there are and however long their transactions take. On SQLite a transaction that may write is alone
    already.

    A stranger's question does not wait for ever on somebody who stands still with a status half changed: it
    is turned away as by a database that is out (SQLSTATE 55P03), as by SQLite's busy timeout.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    kind = "pg_advisory_xact_lock"
    if shared:
        kind += "_shared"
        session.execute(text(f"SET LOCAL lock_timeout = {SHARED_PATIENCE_MS}"))
    session.execute(text(f"SELECT {kind}(:key)"), {"key": _STATUS_LOCK})


def hold(session: Session, ports: Surroundings, actor: Actor | None, serial: str, ground: Ground) -> None:
    """Suspend a certificate. Raises VermilionError(CONFLICT, "certificate_state") unless it is good."""
    status = Status(State.HELD, RevocationReason.CERTIFICATE_HOLD)
    _change(session, ports, actor, serial, status, (State.GOOD,), ground)


def release(session: Session, ports: Surroundings, actor: Actor | None, serial: str, ground: Ground) -> None:
    """End a hold. Raises VermilionError(CONFLICT, "certificate_state") unless it is held."""
    _change(session, ports, actor, serial, Status(State.GOOD), (State.HELD,), ground)


def revoke(
    session: Session,
    ports: Surroundings,
    actor: Actor | Administrator | None,
    serial: str,
    ground: Ground,
    reason: RevocationReason | None = None,
    invalidity_date: datetime | None = None,
) -> None:
    """Revoke a certificate for good, held or not; one that was held is revoked since then. `invalidity_date`:
    since when its key is not to be trusted.

    Raises VermilionError: CONFLICT with "certificate_state" when it is revoked already, INVALID for a hold or
    a removal as the reason.
    """
    if reason is RevocationReason.CERTIFICATE_HOLD:
        raise VermilionError(Kind.INVALID, "a hold is no revocation", reason="revocation_reason")
    status = Status(State.REVOKED, reason, invalidity_date)
    _change(session, ports, actor, serial, status, (State.GOOD, State.HELD), ground)


def compromise(
    session: Session,
    ports: Surroundings,
    actor: Actor | Administrator | None,
    serial: str,
    ground: Ground,
    invalidity_date: datetime | None,
) -> None:
    """Say of a revoked certificate that its key is compromised: the one change that a revocation allows. The
    moment of the revocation stays; an invalidity date only ever moves back.

    Raises VermilionError(CONFLICT, "certificate_state").
    """
    status = Status(State.REVOKED, RevocationReason.KEY_COMPROMISE, invalidity_date)
    _change(session, ports, actor, serial, status, (State.REVOKED,), ground)


def certificates_of_seal(session: Session, code: str, *states: State) -> list[str]:
    """Serials of a seal's certificates that are in one of these states, in the order of its editions. Those
    that an authority outside gave are its own to hold and revoke.
    """
    statement = (
        select(Certificate.serial)
        .join(SealEdition, SealEdition.certificate_serial == Certificate.serial)
        .where(SealEdition.seal_code == code, Certificate.state.in_(states))
        .where(Certificate.issuer_key_id.is_not(None))
        .order_by(SealEdition.number)
    )
    return list(session.scalars(statement))


def hold_seal(session: Session, ports: Surroundings, actor: Actor | None, code: str, ground: Ground) -> None:
    """Hold every good certificate of a seal that was suspended."""
    for serial in certificates_of_seal(session, code, State.GOOD):
        hold(session, ports, actor, serial, ground)


def release_seal(session: Session, ports: Surroundings, actor: Actor, code: str, ground: Ground) -> None:
    """Release every held certificate of a seal that was resumed."""
    for serial in certificates_of_seal(session, code, State.HELD):
        release(session, ports, actor, serial, ground)


def revoke_seal(
    session: Session,
    ports: Surroundings,
    actor: Actor,
    code: str,
    ground: Ground,
    compromised_since: datetime | None,
) -> None:
    """Revoke every certificate of a seal that was cancelled. Those revoked before are given the reason and
    the invalidity date of a compromise, where there is one.
    """
    open_ones = certificates_of_seal(session, code, State.GOOD, State.HELD)
    revoked = certificates_of_seal(session, code, State.REVOKED) if compromised_since else []
    reason = RevocationReason.KEY_COMPROMISE if compromised_since else RevocationReason.CESSATION_OF_OPERATION
    for serial in open_ones:
        revoke(session, ports, actor, serial, ground, reason, compromised_since)
    for serial in revoked:
        compromise(session, ports, actor, serial, ground, compromised_since)


def revoke_key(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    key_id: str,
    ground: Ground,
    *,
    compromised: bool,
) -> None:
    """Revoke the certificates of a key that an administrator retired, or found compromised."""
    rows = session.execute(select(Certificate.serial, Certificate.state).where(Certificate.key_id == key_id))
    for serial, state in rows.all():
        if state != State.REVOKED:
            reason = RevocationReason.KEY_COMPROMISE if compromised else RevocationReason.SUPERSEDED
            revoke(session, ports, admin, serial, ground, reason)
        elif compromised:
            compromise(session, ports, admin, serial, ground, None)


def _change(
    session: Session,
    ports: Surroundings,
    actor: Actor | Administrator | None,
    serial: str,
    status: Status,
    allowed: Iterable[State],
    ground: Ground,
) -> None:
    lock_status(session)
    now = ports.clock()  # under the lock, and before what others say after it
    row = session.get(Certificate, serial, populate_existing=True, with_for_update=True)
    if row is None:
        raise VermilionError(Kind.NOT_FOUND, "no such certificate", reason="certificate_unknown")
    allowed = tuple(allowed)
    if row.state not in allowed:
        _refuse(f"the certificate is {row.state}")
    _require_back(row, status)
    # A hold that becomes a revocation keeps its date: the certificate was not good in between.
    since = None if status.state is State.GOOD else row.revoked_at or now
    entry = (
        None if since is None else crl_entry(int(serial, 16), since, status.reason, status.invalidity_date)
    )
    counted = (
        update(CertificateAuthority)
        .where(CertificateAuthority.key_id == row.issuer_key_id)
        .values(status_version=CertificateAuthority.status_version + 1)
    )
    if changed_rows(session, counted) != 1:
        raise VermilionError(Kind.NOT_FOUND, "no authority of ours issued it", reason="certificate_unknown")
    count = session.scalars(
        select(CertificateAuthority.status_version).where(CertificateAuthority.key_id == row.issuer_key_id)
    ).one()
    changed = (
        update(Certificate)
        .where(
            Certificate.serial == serial,
            Certificate.state.in_(allowed),
            Certificate.state_version == row.state_version,
        )
        .values(
            state=status.state.value,
            state_version=row.state_version + 1,
            status_version=count,
            revoked_at=since,
            reason=status.reason,
            invalidity_date=status.invalidity_date,
            crl_entry=entry,
        )
    )
    if changed_rows(session, changed) != 1:
        _refuse("the certificate was changed by somebody else meanwhile")
    session.refresh(row)
    event = record_event(
        session,
        kind=EVENTS[(status.state, status.reason is RevocationReason.KEY_COMPROMISE)],
        subject_kind="certificate",
        subject=serial,
        ground=ground,
        actor=actor,
        now=now,
        random=ports.random,
        detail={
            "version": row.state_version,
            "reason": None if status.reason is None else status.reason.value,
            "invalidity_date": None if row.invalidity_date is None else row.invalidity_date.isoformat(),
        },
    )
    session.add(
        CertificateStatus(
            serial=serial,
            version=row.state_version,
            state=row.state,
            reason=row.reason,
            invalidity_date=row.invalidity_date,
            from_at=now,
            event_id=event.id,
        )
    )
    session.flush()


EVENTS = {
    (State.HELD, False): "certificate.held",
    (State.GOOD, False): "certificate.released",
    (State.REVOKED, False): "certificate.revoked",
    (State.REVOKED, True): "certificate.compromised",
}
"""By the state that a certificate is in from then on, and whether its key is compromised."""


def _require_back(row: Certificate, status: Status) -> None:
    """A revocation is changed for a compromise only, and its invalidity date only moves back."""
    if row.state != State.REVOKED or row.reason != RevocationReason.KEY_COMPROMISE:
        return
    before, after = row.invalidity_date, status.invalidity_date
    if after is None or (before is not None and after >= before):
        _refuse("an invalidity date no later than that is on record already")


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.CONFLICT, detail, reason="certificate_state")
