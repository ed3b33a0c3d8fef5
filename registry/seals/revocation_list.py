"""A CA's CRLs (RFC 5280, section 5): one full list, made anew when a status changed and before it expires.

Number and content are on record before the list is signed; numbers only grow, and one whose list came to
nothing is left out. The bytes of each entry were made when the status changed: a rebuild joins them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.certificates import Issuer
from keys.crl import crl_tbs, sign_crl, verify_crl
from keys.custodian import Purpose
from keys.errors import Kind, VermilionError
from keys.lint import lint_crl_parts
from keys.profiles import ProfileName
from registry.rows import changed_rows
from registry.seals.authority import root_authority
from registry.seals.keys import Pieces, key_ref
from registry.seals.revocation import lock_status
from registry.seals.serving import signed_certificates
from registry.seals.tables import Certificate, CertificateAuthority, Key, RevocationList

LIFE = timedelta(hours=48)
RENEW_AFTER = timedelta(hours=12)
"""A list is made anew by then though nothing changed: three builds in a row may fail before one expires."""
ROOT_LIFE = timedelta(days=400)
ROOT_RENEW_AFTER = timedelta(days=30)
"""Of a root's list, which is made where its key is: at a ceremony, or at each start where it is at hand."""
COALESCE = timedelta(seconds=10)
"""Changes within this time of one another share a list."""
PATIENCE = timedelta(hours=1)
LOOK_EVERY = timedelta(seconds=5)
_log = structlog.get_logger("registry.revocation_list")


@dataclass(frozen=True, slots=True)
class _Draft:
    """What is to be signed, and the row that says so."""

    issuer: Issuer
    number: int
    tbs: bytes


def crl_record(ca_key_id: str, number: int) -> str:
    """The record that a CRL's signature serves."""
    return f"crl:{ca_key_id}:{number}"


def current_crl(session: Session, ca_name: str) -> RevocationList | None:
    """The list last signed by the CA of this name."""
    return session.scalars(
        select(RevocationList)
        .join(CertificateAuthority, CertificateAuthority.key_id == RevocationList.ca_key_id)
        .where(CertificateAuthority.name == ca_name, RevocationList.der.is_not(None))
        .order_by(RevocationList.number.desc())
        .limit(1)
    ).one_or_none()


def overdue_crls(session: Session, now: datetime) -> list[str]:
    """Keys of CAs in service that have no list, or one that should have been followed by another long ago:
    whoever makes them has stopped, or keeps failing.
    """
    newest = (
        select(RevocationList.this_update)
        .where(RevocationList.ca_key_id == Key.id, RevocationList.der.is_not(None))
        .order_by(RevocationList.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Key.id, newest).where(Key.purpose == Purpose.ISSUING_CA.value, Key.state == "active")
    )
    return [key_id for key_id, made in rows if made is None or now > made + RENEW_AFTER + PATIENCE]


def publish_due(pieces: Pieces) -> int:
    """Make the lists that are due, of each CA whose key is at hand; how many were made.

    Raises VermilionError: what the custodian raises, UNAVAILABLE for a list that fails our own check.
    """
    now = pieces.clock()
    made = 0
    with Session(pieces.database.read) as session:
        authorities = [
            Issuer(key_ref(key), certificate.der)
            for key, certificate in session.execute(signed_certificates(ProfileName.ISSUING))
            if key.state == "active"
        ]
        due = [issuer for issuer in authorities if _due(session, issuer.key.id, now, RENEW_AFTER)]
    for issuer in due:
        made += publish_crl(pieces, issuer) is not None
    return made


def publish_root_crl(pieces: Pieces) -> int | None:
    """Make the root's list if it is due: its number, or None. For where the root's key is at hand.

    Raises as `publish_due` does.
    """
    with Session(pieces.database.read) as session:
        root = root_authority(session)
        if not _due(session, root.key.id, pieces.clock(), ROOT_RENEW_AFTER):
            return None
    return publish_crl(pieces, root, ROOT_LIFE)


def publish_crl(pieces: Pieces, issuer: Issuer, life: timedelta = LIFE) -> int | None:
    """Make the CA's next list; its number, or None where another process was faster.

    Never inside a transaction: it signs. Raises as `publish_due` does.
    """
    assert issuer.certificate is not None
    draft = _draft(pieces, issuer, life)
    if draft is None:
        return None
    der = sign_crl(pieces.custodian, issuer.key, draft.tbs, crl_record(issuer.key.id, draft.number))
    _check_own_work(der, issuer.certificate)
    statement = (
        update(RevocationList)
        .where(
            RevocationList.ca_key_id == issuer.key.id,
            RevocationList.number == draft.number,
            RevocationList.der.is_(None),
        )
        .values(der=der)
    )
    with pieces.database.transaction() as session:
        if changed_rows(session, statement) != 1:
            return None
    return draft.number


def _due(session: Session, ca_key_id: str, now: datetime, renew_after: timedelta) -> bool:
    """Whether the newest list on record, signed or just being signed, is missing a change or growing old."""
    last = session.execute(
        select(RevocationList.status_version, RevocationList.this_update, RevocationList.der.is_not(None))
        .where(RevocationList.ca_key_id == ca_key_id)
        .order_by(RevocationList.number.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        return True
    covered, this_update, signed = last
    if abs(now - this_update) < COALESCE:  # also a list that another process is signing now
        return False
    changes = session.scalar(
        select(CertificateAuthority.status_version).where(CertificateAuthority.key_id == ca_key_id)
    )
    return not signed or changes != covered or now >= this_update + renew_after


def _draft(pieces: Pieces, issuer: Issuer, life: timedelta) -> _Draft | None:
    """The next list, linted and on record. None where another process took its number."""
    assert issuer.certificate is not None
    ca = issuer.key.id
    with Session(pieces.database.read) as session:
        taken = select(func.max(RevocationList.number)).where(RevocationList.ca_key_id == ca)
        number = (session.scalar(taken) or 0) + 1
    # After the number: a later one is of a later moment. Under the lock: all that was revoked by then is on
    # record, and read below.
    with pieces.database.transaction() as session:
        lock_status(session, shared=True)
        this_update = pieces.clock().replace(microsecond=0)
        changes = session.scalars(
            select(CertificateAuthority.status_version).where(CertificateAuthority.key_id == ca)
        ).one()
    with Session(pieces.database.read) as session:
        last = session.execute(
            select(RevocationList.status_version, RevocationList.this_update)
            .where(RevocationList.ca_key_id == ca, RevocationList.der.is_not(None))
            .order_by(RevocationList.number.desc())
            .limit(1)
        ).one_or_none()
        covered, before = (0, this_update) if last is None else (last.status_version, last.this_update)
        # One that expired meanwhile is shown once more, lest its revocation was never seen.
        standing = select(Certificate.crl_entry).where(
            Certificate.issuer_key_id == ca,
            Certificate.crl_entry.is_not(None),
            Certificate.not_after >= min(before, this_update),
        )
        standing = standing.order_by(Certificate.serial)  # all are of one length
        entries = [entry for entry in session.scalars(standing) if entry is not None]
        changed = session.scalars(standing.where(Certificate.status_version > covered))
        new = [entry for entry in changed if entry is not None]
    next_update = this_update + life
    tbs = crl_tbs(
        issuer.certificate, issuer.key.suite,
        number=number, this_update=this_update, next_update=next_update, entries=entries,
    )  # fmt: skip
    lint_crl_parts(tbs, issuer.key.suite, new)
    row = RevocationList(
        ca_key_id=ca, number=number, status_version=changes, tbs_sha256=sha256(tbs).digest(),
        this_update=this_update, next_update=next_update, der=None,
    )  # fmt: skip
    try:
        with pieces.database.transaction() as session:
            session.add(row)
    except IntegrityError:
        return None
    return _Draft(issuer, number, tbs)


def _check_own_work(der: bytes, issuer: bytes) -> None:
    """A list that nobody accepts must not take the place of one that everybody does.

    Raises VermilionError(UNAVAILABLE).
    """
    try:
        verify_crl(der, issuer)
    except VermilionError as error:
        _log.error("crl_defective", reason=error.reason)
        raise VermilionError(
            Kind.UNAVAILABLE, "the next CRL would be accepted by nobody", reason="crl_defective"
        ) from error
