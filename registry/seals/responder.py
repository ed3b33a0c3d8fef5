"""The OCSP responder (RFC 6960, 9654, 9919): the status of a certificate as it is on record at this moment.

An answer is signed for whoever asks with a nonce. Without one it may come from this process's cache, but only
if the certificate's state version, read from the database in the same request, is the one that it was made
of: so a revocation shows at the first question after its commit, with any number of processes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from keys.clock import Clock
from keys.crl import RevocationReason
from keys.custodian import Custodian, KeyRef
from keys.errors import Kind, VermilionError
from keys.ocsp import (
    GOOD,
    MALFORMED_REQUEST,
    TRY_LATER,
    UNAUTHORIZED,
    UNKNOWN,
    Answer,
    CertId,
    CertStatus,
    OcspRequest,
    Revoked,
    decode_get,
    matches,
    parse_request,
    response_data,
    sign_response,
)
from keys.profiles import ProfileName
from registry.database import Database
from registry.driver_select import Prepared
from registry.seals.keys import key_ref
from registry.seals.revocation import State, lock_status
from registry.seals.serving import certified_keys, signed_certificates
from registry.seals.tables import Certificate, CertificateAuthority, Key

MAX_AGE = timedelta(seconds=300)
"""How long a relying party, or a cache on the way, may go on using an answer (RFC 9919, section 5)."""
LIFE = timedelta(seconds=900)
"""nextUpdate after thisUpdate."""
REUSED = timedelta(seconds=300)
"""How long an answer is given again; it has more than MAX_AGE left then."""
CACHED = 20_000
ATTEMPTS = 5
_log = structlog.get_logger("registry.responder")


@dataclass(frozen=True, slots=True)
class OcspReply:
    """An OCSPResponse (DER); `produced_at` and `next_update` are those of one that caches may keep."""

    body: bytes
    produced_at: datetime | None = None
    next_update: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Signer:
    """The delegated responder whose key serves, for one CA."""

    key: KeyRef
    certificate: bytes
    spki: bytes
    not_after: datetime


@dataclass(frozen=True, slots=True)
class _Found:
    """A status on record. Version 0: never issued by this CA."""

    version: int
    status: CertStatus


class Responder:
    """Answers for every CA on record whose key has a delegated responder. Safe between threads."""

    def __init__(
        self, database: Database, custodian: Custodian, *, clock: Clock, random: Callable[[int], bytes]
    ) -> None:
        self._database = database
        self._custodian = custodian
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._authorities: dict[str, tuple[str, bytes]] = {}  # name: (key id, certificate); they never change
        self._cache: OrderedDict[tuple[str, bytes], tuple[int, OcspReply]] = OrderedDict()

    def answer(self, ca_name: str, request: bytes) -> OcspReply:
        """Answer an OCSPRequest (DER) sent to the address of the CA `ca_name`.

        What cannot be answered has an unsigned error as its reply (RFC 6960, 2.3). Raises VermilionError
        (NOT_FOUND) for a name that no CA has; and what a database raises that is out.
        """
        key_id, certificate = self._authority(ca_name)
        try:
            asked = parse_request(request)
        except VermilionError:
            return OcspReply(MALFORMED_REQUEST)
        if not all(matches(certificate, cert_id) for cert_id in asked.ids):
            return OcspReply(UNAUTHORIZED)
        alone = asked.ids[0] if len(asked.ids) == 1 and asked.nonce is None else None
        if alone is not None and (cached := self._cached(key_id, alone)) is not None:
            return cached
        reason = ""
        for _ in range(ATTEMPTS):
            try:
                return self._fresh(key_id, asked, alone)
            except VermilionError as error:
                reason = error.reason
                if reason != "status_changed":  # the policy found another status: look again
                    break
        _log.error("ocsp_not_signed", reason=reason)
        return OcspReply(UNAUTHORIZED if reason == "no_responder" else TRY_LATER)

    def decode_get(self, ca_name: str, encoded: str) -> bytes:
        """The request in the path of a GET to the address of the CA. Raises VermilionError: MALFORMED, and as
        `answer`.
        """
        _key_id, certificate = self._authority(ca_name)
        return decode_get(encoded, lambda asked: all(matches(certificate, one) for one in asked.ids))

    def _authority(self, ca_name: str) -> tuple[str, bytes]:
        found = self._authorities.get(ca_name)
        if found is not None:
            return found
        with Session(self._database.read) as session:
            row = session.execute(
                select(CertificateAuthority.key_id, Certificate.der)
                .join(Certificate, Certificate.key_id == CertificateAuthority.key_id)
                .where(CertificateAuthority.name == ca_name, Certificate.der.is_not(None))
                .where(Certificate.profile != ProfileName.ROOT_LINK)
                .limit(1)
            ).one_or_none()
        if row is None:
            raise VermilionError(Kind.NOT_FOUND, "no such certificate authority", reason="ca_unknown")
        self._authorities[ca_name] = (row.key_id, row.der)
        return row.key_id, row.der

    def _cached(self, ca_key_id: str, cert_id: CertId) -> OcspReply | None:
        """An answer made of the status that is on record now."""
        with self._lock:
            held = self._cache.get((ca_key_id, cert_id.der))
        if held is None:
            return None
        version, reply = held
        assert reply.produced_at is not None
        assert reply.next_update is not None
        # It may end with its signer's certificate; and a clock that was set back makes it one of the future.
        if not reply.produced_at <= self._clock() < min(reply.produced_at + REUSED, reply.next_update):
            return None
        with Session(self._database.read) as session:
            (now,) = statuses(session, ca_key_id, [cert_id.serial])
        return reply if now.version == version else None

    def _fresh(self, ca_key_id: str, asked: OcspRequest, alone: CertId | None) -> OcspReply:
        with self._database.transaction() as session:
            lock_status(session, shared=True)
            now = self._clock()  # under the lock: whoever revokes after it reads a later moment
            found = statuses(session, ca_key_id, [cert_id.serial for cert_id in asked.ids])
            signer = _signer(session, ca_key_id, now)
        produced_at = now.replace(microsecond=0)
        next_update = min(produced_at + LIFE, signer.not_after)
        answers = [
            Answer(cert_id, one.status, produced_at, next_update)
            for cert_id, one in zip(asked.ids, found, strict=True)
        ]
        data = response_data(signer.spki, answers, produced_at=produced_at, nonce=asked.nonce)
        record = f"ocsp:{self._random(16).hex()}"
        body = sign_response(self._custodian, signer.key, data, record, signer.certificate)
        if alone is None or found[0].version == 0:  # a serial may be issued any moment
            return OcspReply(body)
        reply = OcspReply(body, produced_at, next_update)
        with self._lock:
            self._cache[(ca_key_id, alone.der)] = (found[0].version, reply)
            self._cache.move_to_end((ca_key_id, alone.der))
            while len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        return reply


def statuses(session: Session, ca_key_id: str, serials: Sequence[int]) -> list[_Found]:
    """What is on record of each serial, in order. A certificate is good once it is signed and on record."""
    names = {serial: f"{serial:x}" for serial in serials}
    rows = _STATUSES.rows(session, ca=ca_key_id, serials=list(names.values()))
    known = {row.serial: row for row in rows}
    return [_found(known.get(names[serial])) for serial in serials]


_STATUSES = Prepared(
    select(
        Certificate.serial,
        Certificate.state,
        Certificate.state_version,
        Certificate.revoked_at,
        Certificate.reason,
    ).where(
        Certificate.issuer_key_id == bindparam("ca"),
        Certificate.key_id != bindparam("ca"),
        Certificate.serial.in_(bindparam("serials", expanding=True)),
        Certificate.der.is_not(None) | (Certificate.state != State.GOOD),
    )
)


def unanswered(session: Session, now: datetime) -> list[str]:
    """Keys of CAs in service for which no responder can sign: all their certificates have no status."""
    issuing = session.scalars(
        signed_certificates(ProfileName.ISSUING)
        .where(Key.state == "active", Certificate.not_after >= now)
        .with_only_columns(Key.id)
    ).all()
    answering = session.scalars(
        certified_keys(ProfileName.OCSP, now).with_only_columns(Certificate.issuer_key_id)
    ).all()
    return sorted(set(issuing) - set(answering))


def _found(row: Any) -> _Found:
    if row is None:
        return _Found(0, UNKNOWN)
    if row.state == State.GOOD:
        return _Found(row.state_version, GOOD)
    reason = None if row.reason is None else RevocationReason(row.reason)
    return _Found(row.state_version, Revoked(row.revoked_at.replace(microsecond=0), reason))


def _signer(session: Session, ca_key_id: str, now: datetime) -> _Signer:
    """Raises VermilionError(UNAVAILABLE, "no_responder") where the CA has none."""
    row = session.execute(
        certified_keys(ProfileName.OCSP, now).where(Certificate.issuer_key_id == ca_key_id).limit(1)
    ).first()
    if row is None:
        raise VermilionError(Kind.UNAVAILABLE, "no key answers for this authority", reason="no_responder")
    key: Key = row.Key
    assert row.Certificate.der is not None
    return _Signer(key_ref(key), row.Certificate.der, key.public_key, row.Certificate.not_after)
