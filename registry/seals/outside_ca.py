"""Licensed CAs outside whose certificates seals may have: put on record by an administrator, by hand.

Each has its anchor, which is never taken from a chain that somebody hands in, and the hosts from which its
CRLs and OCSP responses may be fetched: an address in a certificate leads nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NoReturn
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID
from sqlalchemy import select, update
from sqlalchemy.orm import Session

import registry.tables  # noqa: F401  (what is flushed here refers to most of them)
from keys.der import members, tlv
from keys.errors import Kind, VermilionError
from keys.outside_chain import read_certificates, require_anchor
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings
from registry.rows import changed_rows, unless_known
from registry.seals.outside_tables import OutsideAuthority, OutsideCertificate

MAX_URL = 500
MAX_HOSTS = 1000  # characters together
MAX_NAME = 120
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[1-9][0-9]{0,4})?")


def add_authority(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    *,
    name: str,
    file: bytes,
    hosts: Sequence[str],
    ground: Ground,
) -> OutsideAuthority:
    """Put a licensed CA on record: one certificate, in DER or PEM, and the hosts (`name` or `name:port`) of
    its CRLs and OCSP.

    Raises VermilionError: INVALID (`outside_ca`, `chain`), CONFLICT (`outside_ca_known`).
    """
    in_office(session, admin, Duty.SYSTEM)
    found = read_certificates([file])
    now = ports.clock()
    if len(found) != 1:
        _refuse("the file must hold one certificate, the authority's own")
    require_anchor(found[0], now)
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        _refuse(f"a name has 1 to {MAX_NAME} characters that can be printed")
    named = list(dict.fromkeys(host.lower().removesuffix(":80") for host in hosts))
    allowed = " ".join(named)
    if not allowed or len(allowed) > MAX_HOSTS or not all(map(_HOST.fullmatch, named)):
        _refuse("hosts are given as name or name:port, at least one")
    authority = OutsideAuthority(
        sha256=sha256(found[0]).hexdigest(),
        name=name,
        der=found[0],
        hosts=allowed,
        added_at=now,
        withdrawn_at=None,
    )
    known = VermilionError(
        Kind.CONFLICT,
        "an authority of this name or certificate is on record already",
        reason="outside_ca_known",
    )
    with unless_known(session, known):
        session.add(authority)
    _event(session, ports, admin, "outside_ca.added", authority, ground, hosts=named)
    return authority


def withdraw_authority(
    session: Session, ports: Surroundings, admin: Administrator, name: str, ground: Ground
) -> None:
    """It certifies no more seals of ours. Seals that it has certified go on: their people suspend them.

    Raises VermilionError: NOT_FOUND, CONFLICT where it was withdrawn before.
    """
    in_office(session, admin, Duty.SYSTEM)
    authority = session.scalars(select(OutsideAuthority).where(OutsideAuthority.name == name)).one_or_none()
    if authority is None:
        raise VermilionError(Kind.NOT_FOUND, "no such authority", reason="outside_ca_unknown")
    standing = update(OutsideAuthority).where(
        OutsideAuthority.sha256 == authority.sha256, OutsideAuthority.withdrawn_at.is_(None)
    )
    if changed_rows(session, standing.values(withdrawn_at=ports.clock())) != 1:
        raise VermilionError(
            Kind.CONFLICT, "the authority was withdrawn before", reason="outside_ca_withdrawn"
        )
    _event(session, ports, admin, "outside_ca.withdrawn", authority, ground)


def authorities(session: Session, *, serving: bool = False) -> list[OutsideAuthority]:
    """Those on record, or those of them that are not withdrawn, by name."""
    statement = select(OutsideAuthority).order_by(OutsideAuthority.name)
    if serving:
        statement = statement.where(OutsideAuthority.withdrawn_at.is_(None))
    return list(session.scalars(statement))


def published_at(certificate: bytes, hosts: Sequence[str]) -> tuple[str | None, str | None]:
    """Where the status of a certificate (DER) is published, by OCSP and by CRL: the first address of each
    kind that leads to one of the hosts.

    Only plain http: what is fetched is signed. A CRL must be the authority's own, and whole: no other issuer,
    not only some reasons. Raises VermilionError(INVALID, reason "status_unpublished") where there is neither.
    """
    try:
        extensions = {one.oid: one.value for one in x509.load_der_x509_certificate(certificate).extensions}
    except (ValueError, x509.DuplicateExtension):
        _refuse("the certificate's extensions cannot be read", "status_unpublished")
    ocsp: list[x509.GeneralName] = []
    crl: list[x509.GeneralName] = []
    for value in extensions.values():
        if isinstance(value, x509.AuthorityInformationAccess):
            ocsp += [
                one.access_location
                for one in value
                if one.access_method == AuthorityInformationAccessOID.OCSP
            ]
        if isinstance(value, x509.CRLDistributionPoints):
            for point in value:
                if point.reasons is None and point.crl_issuer is None:
                    crl += point.full_name or ()
    places = tuple(
        next((url for url in map(_address, names) if leads_to(url, hosts)), None) for names in (ocsp, crl)
    )
    if places == (None, None):
        _refuse(
            "the certificate names no place of its status on a host that is allowed", "status_unpublished"
        )
    return places[0], places[1]


def leads_to(url: str, hosts: Sequence[str]) -> bool:
    """Whether this is a plain http address on one of the hosts."""
    if not (0 < len(url) <= MAX_URL and url.isascii() and url.isprintable()) or set(url) & set("#@ \\"):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError:
        return False
    host = (parts.hostname or "") + ("" if port == 80 else f":{port}")
    return parts.scheme == "http" and host in hosts


def embedded_issuers(session: Session, serial: str) -> tuple[bytes, ...]:
    """The certificates (DER) that go with an outside certificate, its own issuer first."""
    return tuple(members(session.get_one(OutsideCertificate, serial).issuers, 0x30))


def packed(issuers: Sequence[bytes]) -> bytes:
    """As `OutsideCertificate.issuers` holds them."""
    return tlv(0x30, b"".join(issuers))


def _address(name: x509.GeneralName) -> str:
    return name.value if isinstance(name, x509.UniformResourceIdentifier) else ""


def _event(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    kind: str,
    authority: OutsideAuthority,
    ground: Ground,
    **detail: Any,
) -> None:
    record_event(
        session,
        kind=kind,
        subject_kind="outside_ca",
        subject=authority.sha256,
        ground=ground,
        actor=admin,
        now=ports.clock(),
        random=ports.random,
        detail={"name": authority.name, **detail},
    )


def _refuse(detail: str, reason: str = "outside_ca") -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason)
