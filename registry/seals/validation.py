"""What a document carries to prove its certificates good: our OCSP answers and the root's CRL, as of now.

An answer comes from the responder's cache only for the state that is on record at this moment, so a document
never carries a `good` from before a revocation that it could know of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256

import structlog
from cryptography import x509
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from keys.certificates import certificate_key, key_identifier
from keys.clock import Clock
from keys.custodian import Custodian
from keys.errors import Kind, VermilionError
from keys.ocsp import build_request, cert_id
from keys.profiles import ProfileName
from registry.database import Database
from registry.driver_select import Prepared
from registry.licences.outage import database_errors
from registry.seals.authority import chain_of, time_stamp_authority
from registry.seals.outside_making import FINGERPRINT_DIGITS
from registry.seals.outside_status import current_good
from registry.seals.outside_tables import OutsideEvidence, OutsideStatus
from registry.seals.responder import Responder
from registry.seals.tables import Certificate, RevocationList
from signing.document import SealMaterial, ValidationData
from signing.validation_data import Carried, Chain, gather

_log = structlog.get_logger("registry.validation")


class Validation:
    """Validation data of seals in use. Safe between threads; one a process that seals."""

    def __init__(
        self, database: Database, custodian: Custodian, *, clock: Clock, random: Callable[[int], bytes]
    ) -> None:
        self._database = database
        self._clock = clock
        self._responder = Responder(database, custodian, clock=clock, random=random)

    def of(self, *materials: SealMaterial) -> ValidationData | None:
        """What a document under these seals carries now; None where not all of it can be had, which costs the
        document a level and is logged.
        """
        try:
            return self._gather(materials)
        except VermilionError as error:
            _log.warning("validation_data_missing", reason=error.reason)
            return None

    def _gather(self, materials: Sequence[SealMaterial]) -> ValidationData:
        with database_errors(), Session(self._database.read) as session:
            stamp = time_stamp_authority(session, self._clock())
            assert stamp.certificate is not None
            beside = chain_of(session, stamp.key.id)
            ours, answers = [], []
            for material in materials:
                serial = _OUTSIDE.value(session, of_key=material.key.id, der=material.certificate)
                if serial is not None:
                    answers.append(self._outside(session, session.get_one(Certificate, serial)))
                else:
                    ours.append((material.certificate, material.chain[0]))
            ours.append((stamp.certificate, beside[0]))
            lists = _root_lists(session, [issuer for _, issuer in ours])
        with database_errors():
            answers += [self._answer(certificate, issuer) for certificate, issuer in ours]
        chains = [der for material in materials for der in material.chain]
        return gather((*chains, *beside, stamp.certificate), answers, lists)

    def proofs(self, chains: Sequence[Chain], told: Sequence[Chain]) -> Carried:
        """What is said now of the certificates of these chains, for a document that exists already: of those
        that are only `told`, where it can be had. Whether it proves them good is not asked.

        Raises VermilionError(UNAVAILABLE).
        """
        ours = [chain for chain in chains if not chain.outside]
        answers = []
        with database_errors(), Session(self._database.read) as session:
            lists = _root_lists(session, [chain.issuers[0] for chain in (*ours, *told) if not chain.outside])
            for chain in (*chains, *told):
                if chain.outside:
                    try:
                        answers.append(self._outside(session, _of_outside(session, chain.certificate)))
                    except VermilionError:
                        if chain in chains:
                            raise
        with database_errors():
            asked = [*ours, *(chain for chain in told if not chain.outside)]
            answers += [self._answer(chain.certificate, chain.issuers[0]) for chain in asked]
        certificates = [der for chain in (*chains, *told) for der in chain.issuers]
        certificates += [chain.certificate for chain in chains if chain.profile is ProfileName.TSA]
        return Carried(tuple(dict.fromkeys(certificates)), tuple(answers), tuple(lists))

    def _answer(self, certificate: bytes, issuer: bytes) -> bytes:
        reply = self._responder.answer(*_question(certificate, issuer))
        if reply.produced_at is None:
            raise VermilionError(Kind.UNAVAILABLE, "no answer about a certificate can be had", reason="ocsp")
        return reply.body

    def _outside(self, session: Session, certificate: Certificate) -> bytes:
        """The OCSP response of its authority by which the seal may be used now."""
        status = current_good(session, certificate, self._clock())
        found = session.execute(
            select(OutsideEvidence.kind, OutsideEvidence.data)
            .join(OutsideStatus, OutsideStatus.evidence == OutsideEvidence.sha256)
            .where(OutsideStatus.id == status)
        ).one()
        if found.kind != "ocsp":
            raise VermilionError(Kind.UNAVAILABLE, "the authority outside gave a list only", reason="crl")
        return bytes(found.data)


_OUTSIDE = Prepared(
    select(Certificate.serial).where(
        Certificate.key_id == bindparam("of_key"),
        Certificate.der == bindparam("der"),
        Certificate.issuer_key_id.is_(None),
    )
)
_ROOT_LIST = Prepared(
    select(RevocationList.der)
    .where(
        RevocationList.ca_key_id
        == select(Certificate.issuer_key_id)
        .where(Certificate.serial == bindparam("issuing"))
        .scalar_subquery(),
        RevocationList.der.is_not(None),
    )
    .order_by(RevocationList.number.desc())
    .limit(1)
)


@lru_cache(maxsize=256)
def _serial_of(certificate: bytes) -> int:
    return x509.load_der_x509_certificate(certificate).serial_number


@lru_cache(maxsize=256)
def _question(certificate: bytes, issuer: bytes) -> tuple[str, bytes]:
    """Whom to ask about a certificate, and the request."""
    name = key_identifier(certificate_key(issuer)).hex()
    return name, build_request([cert_id(issuer, _serial_of(certificate))])


def _of_outside(session: Session, der: bytes) -> Certificate:
    """One that an authority outside gave, by the number that it has here."""
    return session.get_one(Certificate, sha256(der).hexdigest()[:FINGERPRINT_DIGITS])


def _root_lists(session: Session, issuers: Sequence[bytes]) -> list[bytes]:
    """The newest CRL of each root that certified one of these CAs. Raises VermilionError(UNAVAILABLE)."""
    lists = []
    for issuer in dict.fromkeys(issuers):
        der = _ROOT_LIST.value(session, issuing=f"{_serial_of(issuer):x}")
        if der is None:
            raise VermilionError(Kind.UNAVAILABLE, "a root has published no list yet", reason="crl")
        lists.append(der)
    return list(dict.fromkeys(lists))
