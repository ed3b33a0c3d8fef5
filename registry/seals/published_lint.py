"""The linter beside the service, for what it does not see before it is signed: OCSP answers, which are too
many, and whole CRLs, of which each build lints the header and the new entries alone.

What it finds is told to the operator and stops nothing: a revocation that shows nowhere would be worse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.crl import RevocationReason
from keys.errors import VermilionError
from keys.lint import lint_crl, lint_response_data
from keys.ocsp import GOOD, UNKNOWN, Answer, CertStatus, Revoked, cert_id, response_data
from keys.profiles import ProfileName
from registry.seals.authority import chain_of
from registry.seals.keys import Pieces, key_ref
from registry.seals.responder import LIFE
from registry.seals.serving import certified_keys
from registry.seals.tables import CertificateAuthority, RevocationList

WHOLE_EVERY = timedelta(hours=1)
"""Of one CA's lists: 100,000 entries take most of a minute, and each was linted when it was new."""
LOOK_EVERY = timedelta(seconds=30)
_log = structlog.get_logger("registry.published_lint")


class PublishedLint:
    """Remembers what this process has linted. For one thread."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._responders: set[str] = set()  # serials of their certificates
        self._lists: dict[str, tuple[int, datetime]] = {}  # by CA: the number linted last, and when

    def look(self) -> int:
        """Lint what there is to lint; how many objects. What the linter finds is logged as `lint_found`."""
        return self._look_at_answers() + self._look_at_lists()

    def _look_at_answers(self) -> int:
        """Every form that an answer takes, under the certificate of each responder that serves, once."""
        now = self._pieces.clock().replace(microsecond=0)
        with Session(self._pieces.database.read) as session:
            serving = [
                (certificate, key, chain_of(session, key.id)[0])
                for key, certificate in session.execute(certified_keys(ProfileName.OCSP, now))
                if certificate.serial not in self._responders
            ]
        linted = 0
        for certificate, key, issuer in serving:
            suite = key_ref(key).suite
            for data in _answers(key.public_key, issuer, now):
                self._tell("ocsp", certificate.serial, lint_response_data, data, suite, certificate.der)
                linted += 1
            self._responders.add(certificate.serial)
        return linted

    def _look_at_lists(self) -> int:
        """The list last signed by each CA, as it is given to whoever asks."""
        now = self._pieces.clock()
        due: list[tuple[str, int, bytes | None]] = []
        with Session(self._pieces.database.read) as session:
            for ca in session.scalars(select(CertificateAuthority.key_id)).all():
                newest = (
                    select(RevocationList.number)
                    .where(RevocationList.ca_key_id == ca, RevocationList.der.is_not(None))
                    .order_by(RevocationList.number.desc())
                    .limit(1)
                )
                number = session.scalar(newest)
                last, at = self._lists.get(ca, (None, None))
                if number in (None, last) or (at is not None and abs(now - at) < WHOLE_EVERY):
                    continue
                due.append((ca, number, session.get_one(RevocationList, (ca, number)).der))
        for ca, number, der in due:
            self._tell("crl", f"{ca}:{number}", lint_crl, der)
            self._lists[ca] = (number, now)
        return len(due)

    def _tell(self, what: str, name: str, lint: Callable[..., None], *arguments: object) -> None:
        try:
            lint(*arguments)
        except VermilionError as error:
            found = sorted({fault.reason for fault in error.faults})
            _log.error("lint_found", object=what, name=name, detail=error.detail, findings=found)


def _answers(responder_spki: bytes, issuer: bytes, at: datetime) -> Iterator[bytes]:
    """ResponseData of each status, for certificates asked for by either digest, with a nonce and without."""
    statuses: list[CertStatus] = [
        GOOD,
        UNKNOWN,
        *(Revoked(at, reason) for reason in (*RevocationReason, None)),
    ]
    for status in statuses:
        for nonce in (None, b"n" * 32):
            answers = [
                Answer(cert_id(issuer, 1, digest), status, at, at + LIFE) for digest in ("sha1", "sha256")
            ]
            yield response_data(responder_spki, answers, produced_at=at, nonce=nonce)
