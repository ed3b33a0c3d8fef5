"""Making a seal whose certificate an authority outside gives: the request goes out, the chain comes in.

What is bound is this one certificate: the trust list names it with what leads to it, and nothing else of that
authority's is worth anything here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from cryptography import x509
from sqlalchemy.orm import Session

from keys.certificates import public_key_der
from keys.csr import request_info, request_record, sign_request
from keys.custodian import Purpose
from keys.errors import Kind, VermilionError
from keys.outside_chain import OutsideChain, lead_to_anchor, read_certificates
from keys.suite import SuiteName
from registry.actor import Actor
from registry.agencies.tables import Agency
from registry.ports import Ports
from registry.seals.authority import END_SUITE
from registry.seals.keys import Certified, key_ref, reserved_key, subject_name
from registry.seals.making import finish, open_workshop
from registry.seals.outside_ca import authorities, packed, published_at
from registry.seals.outside_request import waiting_requests
from registry.seals.outside_tables import (
    OUTSIDE_PROFILE,
    CertificationRequest,
    OutsideAuthority,
    OutsideCertificate,
)
from registry.seals.rules import begin_making
from registry.seals.tables import Certificate, Key, Seal
from registry.seals.transitions import seal_event

FINGERPRINT_DIGITS = 40  # of a certificate's SHA-256, by which it stands in `certificate`


def request_certificate(
    ports: Ports, actor: Actor, code: str, suite: SuiteName = END_SUITE
) -> CertificationRequest:
    """The request for the edition that is to be made of a seal, signed by a new key of this suite. Asked
    again, the same one. Not inside a transaction: it signs.

    Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT) as making does, and what the custodian raises.
    """
    with Session(ports.database.read) as session:
        seal, order = begin_making(session, actor, code)
        agency = session.get_one(Agency, seal.agency_code)
        before = session.scalars(
            waiting_requests(order.approval_id)
            .where(Key.suite == suite)
            .order_by(CertificationRequest.requested_at)
            .limit(1)
        ).one_or_none()
    if before is not None:
        return before
    now = ports.clock()
    ref = ports.custodian.generate(Purpose.SEAL, suite)
    spki = public_key_der(ports.custodian.public_key(ref))
    info = request_info(subject_name(code, agency.code, agency.name_zh), spki)
    request = CertificationRequest(
        id=ports.random(16).hex(),
        approval_id=order.approval_id,
        key_id=ref.id,
        info_sha256=sha256(info).digest(),
        requested_by=actor.require_person("maker"),
        requested_at=now,
        der=None,
    )
    with ports.database.transaction() as session:
        session.add(reserved_key(ref, spki, agency.code, now))
        session.flush()
        session.add(request)
    der = sign_request(ports.custodian, ref, info, request_record(request.id))
    with ports.database.transaction() as session:
        request = session.get_one(CertificationRequest, request.id, with_for_update=True)
        request.der = der
        seal_event(
            session, ports, actor, "seal.certificate_requested", code, "making",
            request=request.id, key=ref.id, suite=suite, sha256=sha256(der).hexdigest(),
        )  # fmt: skip
    return request


def make_outside(ports: Ports, actor: Actor, code: str, files: Sequence[bytes]) -> Seal:
    """Make what was approved of a seal, with the certificate for a key that was asked for, and what leads
    from it to a licensed CA on record: files in DER or PEM. Not inside a transaction: it signs.

    Where it fails, key and request wait on. Raises VermilionError: FORBIDDEN, NOT_FOUND, CONFLICT as making
    does; INVALID (`chain`, `key_mismatch`, `issuer_unknown`, `status_unpublished`); as the custodian.
    """
    shop = open_workshop(ports, actor, code)
    now = ports.clock()
    with Session(ports.database.read) as session:
        requests = list(session.scalars(waiting_requests(shop.order.approval_id)))
        keys = {key.public_key: key for key in (session.get_one(Key, one.key_id) for one in requests)}
        known = {authority.der: authority for authority in authorities(session, serving=True)}
    if not keys:
        raise VermilionError(
            Kind.CONFLICT,
            "no certificate was asked for: make the certification request first",
            reason="not_requested",
        )
    chain = lead_to_anchor(read_certificates(files), keys, known, now)
    key, authority = keys[chain.public_key], known[chain.anchor]
    request = next(one for one in requests if one.key_id == key.id)
    serial = _record(ports, chain, key, request, authority, now)
    certified = Certified(key_ref(key), serial, chain.certificate, chain.valid_from, chain.valid_to)
    return finish(ports, actor, code, shop, certified)


def _record(
    ports: Ports,
    chain: OutsideChain,
    key: Key,
    request: CertificationRequest,
    authority: OutsideAuthority,
    now: datetime,
) -> str:
    """The certificate's rows, which an attempt that failed may have left; its name in `certificate`."""
    ocsp, crl = published_at(chain.certificate, authority.hosts.split(" "))
    parsed = x509.load_der_x509_certificate(chain.certificate)
    serial = sha256(chain.certificate).hexdigest()[:FINGERPRINT_DIGITS]
    with ports.database.transaction() as session:
        if session.get(Certificate, serial) is not None:
            return serial
        session.add(
            Certificate(
                serial=serial,
                key_id=key.id,
                issuer_key_id=None,
                profile=OUTSIDE_PROFILE,
                tbs_sha256=sha256(parsed.tbs_certificate_bytes).digest(),
                der=chain.certificate,
                not_before=chain.valid_from,
                not_after=chain.valid_to,
            )
        )
        session.flush()
        session.add(
            OutsideCertificate(
                certificate_serial=serial,
                authority=authority.sha256,
                request_id=request.id,
                issuers=packed(chain.issuers),
                serial_number=f"{parsed.serial_number:x}",
                ocsp_url=ocsp,
                crl_url=crl,
                bound_at=now,
            )
        )
    return serial
