"""Fetching what authorities outside say of the certificates that seals have: by OCSP, else by CRL.

Nothing is fetched but from the addresses in those certificates, and from there only over plain http on hosts
that the authority's record allows. A certificate of which nothing useful is had rests for a while; a host
that was not reached is not asked again in the same round.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.der import members
from keys.errors import Kind, VermilionError, places
from keys.outside_status import (
    MAX_CRL_BYTES,
    MAX_OCSP_BYTES,
    NOT_KNOWN,
    OutsideAnswer,
    Said,
    read_crl,
    read_ocsp,
    status_request,
)
from keys.time_source import Monotonic
from registry.outside_http import TIMEOUT, UnreachedError, exchange
from registry.seals.keys import Pieces
from registry.seals.outside_ca import leads_to
from registry.seals.outside_record import record_status
from registry.seals.outside_tables import OutsideAuthority, OutsideCertificate
from registry.seals.tables import Certificate, SealEdition

REFRESH = timedelta(minutes=10)  # so long a revocation may go unseen
FIRST_REST, LONGEST_REST = timedelta(seconds=30), timedelta(minutes=10)
NONCE_BYTES = 32  # RFC 9654, 2.1
_log = structlog.get_logger("registry.outside_status")


@dataclass(frozen=True, slots=True)
class _Asked:
    serial: str
    certificate: bytes
    issuer: bytes
    ocsp: str | None
    crl: str | None


@dataclass
class _Round:
    lists: dict[str, bytes] = field(default_factory=dict)  # by address: certificates share them
    unreached: set[str] = field(default_factory=set)  # hosts, with their ports


@dataclass
class OutsideStatuses:
    """One a process; for one thread."""

    pieces: Pieces
    monotonic: Monotonic = time.monotonic
    timeout: float = TIMEOUT
    _rests: dict[str, tuple[int, float]] = field(default_factory=dict)  # failures, and until when it rests

    def fetch_due(self) -> int:
        """Ask about each certificate whose time has come; how many answers were had. A failure is logged."""
        now = self.pieces.clock()
        with Session(self.pieces.database.read) as session:
            due = [one for one in _in_life(session, now) if self._due(one.serial)]
        this_round = _Round()
        return sum(self._fetch(one, this_round) for one in due)

    def _due(self, serial: str) -> bool:
        return self.monotonic() >= self._rests.get(serial, (0, 0.0))[1]

    def _fetch(self, one: _Asked, this_round: _Round) -> bool:
        """Whatever fails, fails for this certificate alone, and is tried again after a short rest."""
        try:
            answer, kind, data = self._ask(one, this_round)
            with self.pieces.database.transaction() as session:
                changed = record_status(session, self.pieces, one.serial, answer, kind, data)
        except Exception as error:  # noqa: BLE001
            self._rest(one.serial)
            told = (
                {"reason": error.reason, "detail": error.detail}
                if isinstance(error, VermilionError)
                else {"kind": type(error).__name__, "where": places(error)}
            )
            _log.warning("outside_status_failed", certificate=one.serial, **told)
            return False
        self._rests[one.serial] = (0, self.monotonic() + REFRESH.total_seconds())
        if changed is not None:
            _log.warning("outside_status_changed", certificate=one.serial, state=changed.value)
        return True

    def _rest(self, serial: str) -> None:
        failures = self._rests.get(serial, (0, 0.0))[0] + 1
        pause = min(FIRST_REST * 2 ** min(failures - 1, 10), LONGEST_REST)
        self._rests[serial] = (failures, self.monotonic() + pause.total_seconds())

    def _ask(self, one: _Asked, this_round: _Round) -> tuple[OutsideAnswer, str, bytes]:
        """By OCSP, whose word is the fresher; where there is none, by CRL. `unknown` is a word too: a list of
        what is revoked does not name what was never issued. Raises VermilionError.
        """
        failure = VermilionError(Kind.UNAVAILABLE, "no address of its status is allowed", reason="no_address")
        if one.ocsp is not None:
            try:
                return self._by_ocsp(one, one.ocsp, this_round)
            except VermilionError as error:
                if error.reason == NOT_KNOWN:
                    raise
                failure = error
        if one.crl is not None:
            return self._by_crl(one, one.crl, this_round)
        raise failure

    def _by_ocsp(self, one: _Asked, url: str, this_round: _Round) -> tuple[OutsideAnswer, str, bytes]:
        nonce = self.pieces.random(NONCE_BYTES)
        data = self._exchange(
            url,
            this_round,
            body=status_request(one.certificate, one.issuer, nonce),
            headers={"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"},
            content_type="application/ocsp-response",
            max_bytes=MAX_OCSP_BYTES,
        )
        answer = read_ocsp(data, one.certificate, one.issuer, at=self.pieces.clock(), nonce=nonce)
        return answer, "ocsp", data

    def _by_crl(self, one: _Asked, url: str, this_round: _Round) -> tuple[OutsideAnswer, str, bytes]:
        lists = this_round.lists
        if url not in lists:
            lists[url] = self._exchange(
                url,
                this_round,
                headers={"Accept": "application/pkix-crl, */*"},
                content_type=None,  # servers call it what they like
                max_bytes=MAX_CRL_BYTES,
            )
        answer = read_crl(lists[url], one.certificate, one.issuer, at=self.pieces.clock(), url=url)
        return answer, "crl", lists[url]

    def _exchange(self, url: str, this_round: _Round, **asked: Any) -> bytes:
        host = urlsplit(url).netloc.lower()
        if host in this_round.unreached:
            raise VermilionError(
                Kind.UNAVAILABLE, "the authority was not reached in this round", reason="no_answer"
            )
        try:
            return exchange(url, timeout=self.timeout, **asked)
        except UnreachedError:
            this_round.unreached.add(host)
            raise


def _in_life(session: Session, now: datetime) -> list[_Asked]:
    """The outside certificates of editions that are used, or may yet be, and are not revoked."""
    rows = session.execute(
        select(Certificate, OutsideCertificate, OutsideAuthority.hosts)
        .join(OutsideCertificate, OutsideCertificate.certificate_serial == Certificate.serial)
        .join(OutsideAuthority, OutsideAuthority.sha256 == OutsideCertificate.authority)
        .join(SealEdition, SealEdition.certificate_serial == Certificate.serial)
        .where(
            SealEdition.state.in_(("made", "filed", "in_use")),
            Certificate.not_after >= now,
            Certificate.state != Said.REVOKED.value,
        )
        .order_by(Certificate.serial)
    )
    found = []
    for certificate, outside, hosts in rows:
        assert certificate.der is not None
        places = [
            url if url is not None and leads_to(url, hosts.split(" ")) else None
            for url in (outside.ocsp_url, outside.crl_url)
        ]
        issuer = members(outside.issuers, 0x30)[0]
        found.append(_Asked(certificate.serial, certificate.der, issuer, *places))
    return found
