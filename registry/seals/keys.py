"""Key pairs and their certificates: the rows that stand behind a custodian's references.

Nothing here signs inside a transaction: the row that permits a signature is committed first, then the
custodian signs, then the result is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.certificates import (
    Issuer,
    Publication,
    Subject,
    build_tbs,
    certificate_key,
    key_identifier,
    new_serial,
    public_key_der,
    sign_certificate,
    tbs_validity,
)
from keys.clock import Clock
from keys.custodian import Custodian, KeyRef, Purpose
from keys.errors import Kind, VermilionError
from keys.lint import lint_tbs
from keys.profiles import PROFILES, ProfileName
from keys.suite import SUITES, SuiteName
from registry.actor import Actor, Administrator
from registry.database import Database
from registry.log.rules import Ground, record_event
from registry.rows import changed_rows
from registry.seals.tables import Certificate, CertificateAuthority, Key
from registry.settings import Settings

LEGAL_BASIS = "State Council Order 716, Art. 9"
"""What the ordinary steps of a seal's life rest on: seals of the unified system, equal to physical ones."""

MAX_NAME = 64  # ub-common-name and ub-organization-name of X.520


class Pieces(Protocol):
    """What an authority works with; `registry.ports.Ports` is one."""

    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...
    @property
    def custodian(self) -> Custodian: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def random(self) -> Callable[[int], bytes]: ...


@dataclass(frozen=True, slots=True)
class Certified:
    """A key with its certificate, both on record."""

    key: KeyRef
    serial: str
    certificate: bytes
    not_before: datetime
    not_after: datetime


def key_ref(key: Key) -> KeyRef:
    """The custodian's reference of a recorded key."""
    suite: SuiteName = next(name for name in SUITES if name == key.suite)
    return KeyRef(key.id, Purpose(key.purpose), suite)


def reserved_key(ref: KeyRef, public_key: bytes, agency_code: str | None, now: datetime) -> Key:
    """The row of a new key (`public_key`: SubjectPublicKeyInfo, DER), which nothing can use yet."""
    return Key(
        id=ref.id,
        purpose=ref.purpose.value,
        suite=ref.suite,
        public_key=public_key,
        agency_code=agency_code,
        state="reserved",
        since=now,
        listed_at=None,
        created_at=now,
    )


def civil_ground(now: datetime, zone: ZoneInfo, reason_code: str, legal_basis: str = LEGAL_BASIS) -> Ground:
    """A ground that takes effect on the registry's civil day of `now`."""
    return Ground(legal_basis, reason_code, now.astimezone(zone).date())


def subject_name(common_name: str, agency_code: str | None, name: str) -> Subject:
    """CN the code, O the USCC immediately followed by the name, as the seal systems have it; cut to X.520."""
    return Subject(common_name[:MAX_NAME], f"{agency_code or ''}{name}"[:MAX_NAME])


def certify_new_key(
    pieces: Pieces,
    profile: ProfileName,
    suite: SuiteName,
    subject: Subject,
    issuer: Issuer | None,
    agency_code: str | None = None,
    life: timedelta | None = None,
    by: Actor | Administrator | None = None,
) -> Certified:
    """Make a key and its certificate; without an issuer it signs its own (a root). A `life` replaces the
    profile's. `by`: who ordered it; None: the registry itself, or a ceremony.

    Serial and content are on record before anything is signed: a step that fails leaves a visible, unsigned
    row, and a reserved key that nothing can use. A seal's key stays reserved: its edition activates it.
    Raises VermilionError: CONFLICT for an issuer near its end or a serial
    number that is taken, and what the custodian raises.
    """
    now = pieces.clock()
    ref = pieces.custodian.generate(PROFILES[profile].purpose, suite)
    draft = draft_certificate(pieces, profile, ref, subject, issuer, now, agency_code=agency_code, life=life)
    enter = None if profile is ProfileName.SEAL else activate_key
    return sign_draft(pieces, draft, now, enter=enter, by=by)


@dataclass(frozen=True, slots=True)
class Draft:
    """A certificate that waits for its signature; all of it is on record."""

    profile: ProfileName
    key: KeyRef
    issuer: KeyRef
    serial: str
    tbs: bytes


def draft_certificate(
    pieces: Pieces,
    profile: ProfileName,
    ref: KeyRef,
    subject: Subject,
    issuer: Issuer | None,
    now: datetime,
    *,
    agency_code: str | None = None,
    life: timedelta | None = None,
    known: bool = False,
) -> Draft:
    """Lint what is to be signed and put it on record, with its new key unless that is `known`.

    Raises as `certify_new_key`.
    """
    signer = Issuer(ref, None) if issuer is None else _publishing(issuer, pieces.settings)
    serial = new_serial(pieces.random)
    tbs = build_tbs(pieces.custodian, signer, profile, subject, ref, serial=serial, at=now, life=life)
    lint_tbs(tbs, signer.key.suite)  # what is put on record below, and signed, is what was linted
    draft = Draft(profile, ref, signer.key, f"{serial:x}", tbs)
    key = None
    if not known:
        key = reserved_key(ref, public_key_der(pieces.custodian.public_key(ref)), agency_code, now)
    _reserve(pieces, draft, key)
    return draft


def sign_draft(
    pieces: Pieces,
    draft: Draft,
    now: datetime,
    *,
    enter: Callable[[Session, str, datetime], None] | None,
    by: Actor | Administrator | None = None,
) -> Certified:
    """Sign what is on record and put the certificate beside it. `enter` gets the key's id, and does in the
    same transaction what the certificate is for.

    Raises VermilionError(CONFLICT, "serial_used"), and what `enter` and the custodian raise.
    """
    der = sign_certificate(pieces.custodian, draft.issuer, draft.tbs)
    with pieces.database.transaction() as session:
        row = session.get_one(Certificate, draft.serial, with_for_update=True)
        if row.der is not None:
            raise VermilionError(Kind.CONFLICT, "the certificate is on record already", reason="serial_used")
        row.der = der
        if enter is not None:
            enter(session, draft.key.id, now)
        _record(session, pieces, draft.key, draft.profile, row.serial, now, by)
    return Certified(draft.key, draft.serial, der, *tbs_validity(draft.tbs))


def _reserve(pieces: Pieces, draft: Draft, key: Key | None) -> None:
    """Put serial and content on record, and the key where it is new. Raises VermilionError(CONFLICT,
    "serial_used") for a serial that chance, or a broken generator, gave twice.
    """
    not_before, not_after = tbs_validity(draft.tbs)
    try:
        with pieces.database.transaction() as session:
            if key is not None:
                session.add(key)
                session.flush()
                if PROFILES[draft.profile].ca:
                    name = authority_name(key.public_key)
                    session.add(CertificateAuthority(key_id=key.id, name=name, status_version=0))
            session.add(
                Certificate(
                    serial=draft.serial,
                    key_id=draft.key.id,
                    issuer_key_id=draft.issuer.id,
                    profile=draft.profile.value,
                    tbs_sha256=sha256(draft.tbs).digest(),
                    der=None,
                    not_before=not_before,
                    not_after=not_after,
                )
            )
    except IntegrityError:
        raise VermilionError(Kind.CONFLICT, "the serial number is taken", reason="serial_used") from None


def authority_name(spki: bytes) -> str:
    """What a CA is called in the addresses of its CRL, OCSP and certificate: its key identifier, hex."""
    return key_identifier(spki).hex()


def _publishing(issuer: Issuer, settings: Settings) -> Issuer:
    """An issuer with the addresses that its certificates name. A root answers no OCSP: it is not there to."""
    assert issuer.certificate is not None
    name = authority_name(certificate_key(issuer.certificate))
    ocsp = f"{settings.authority}/ocsp/{name}" if issuer.key.purpose is Purpose.ISSUING_CA else None
    return replace(
        issuer,
        publication=Publication(
            crl=f"{settings.authority}/crl/{name}.crl",
            ocsp=ocsp,
            ca_issuers=f"{settings.authority}/ca/{name}.cer",
        ),
    )


def activate_key(session: Session, key_id: str, now: datetime) -> None:
    """Let a reserved key sign. Raises VermilionError(CONFLICT) unless it is reserved."""
    statement = update(Key).where(Key.id == key_id, Key.state == "reserved")
    if changed_rows(session, statement.values(state="active", since=now)) != 1:
        raise VermilionError(Kind.CONFLICT, "the key is not waiting for its certificate", reason="key_state")


def _record(
    session: Session,
    pieces: Pieces,
    ref: KeyRef,
    profile: ProfileName,
    serial: str,
    now: datetime,
    by: Actor | Administrator | None,
) -> None:
    record_event(
        session,
        kind="key.certified",
        subject_kind="key",
        subject=ref.id,
        ground=civil_ground(now, pieces.settings.tz, profile.value),
        actor=by,
        now=now,
        random=pieces.random,
        detail={"profile": profile.value, "suite": ref.suite, "serial": serial},
    )
