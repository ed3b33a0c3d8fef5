"""The two-tier authority of the registry: first start, the agencies' QR keys, the chain."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from keys.certificates import Issuer
from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from keys.suite import SuiteName
from registry.agencies.rules import known_agency
from registry.seals.keys import Certified, Pieces, certify_new_key, key_ref, subject_name
from registry.seals.tables import Certificate, Key

ROOT_SUITE: SuiteName = "p384-sha384"
ISSUING_SUITE: SuiteName = "p384-sha384"
END_SUITE: SuiteName = "p256-sha256"


@dataclass(frozen=True, slots=True)
class AuthorityNames:
    """What the authority's certificates are called."""

    organisation: str
    root: str = "Root CA"
    issuing: str = "Seal Issuing CA"
    tsa: str = "Time-Stamp Authority"


def establish(pieces: Pieces, names: AuthorityNames, *, test: bool) -> None:
    """Make what is missing of root, issuing CA and time-stamp authority; a `test` root says TEST in its name.

    Started again after a failure it goes on where it stopped. Raises VermilionError from the custodian.
    """
    prefix = "TEST " if test else ""
    root = _established(pieces, ProfileName.ROOT)
    if root is None:
        name = subject_name(prefix + names.root, None, prefix + names.organisation)
        root = _issuer(certify_new_key(pieces, ProfileName.ROOT, ROOT_SUITE, name, None))
    issuing = _established(pieces, ProfileName.ISSUING)
    if issuing is None:
        name = subject_name(prefix + names.issuing, None, prefix + names.organisation)
        issuing = _issuer(certify_new_key(pieces, ProfileName.ISSUING, ISSUING_SUITE, name, root))
    if _established(pieces, ProfileName.TSA) is None:
        name = subject_name(prefix + names.tsa, None, prefix + names.organisation)
        certify_new_key(pieces, ProfileName.TSA, END_SUITE, name, issuing)


def give_qr_key(pieces: Pieces, agency_code: str) -> Certified:
    """A key that signs the agency's QR credentials, with its certificate; the newest one is used.

    Raises VermilionError(NOT_FOUND, UNAVAILABLE) and what the custodian raises.
    """
    with Session(pieces.database.read) as session:
        agency = known_agency(session, agency_code)
        issuing = issuing_authority(session)
    name = subject_name(f"QR {agency_code}", agency_code, agency.name_zh)
    return certify_new_key(pieces, ProfileName.QR, END_SUITE, name, issuing, agency_code)


def issuing_authority(session: Session) -> Issuer:
    """The CA that signs end entities. Raises VermilionError(UNAVAILABLE) before the first start is done."""
    return _required(session, ProfileName.ISSUING)


def root_authority(session: Session) -> Issuer:
    """The root, which signs issuing CAs and the trust list. Raises VermilionError(UNAVAILABLE)."""
    return _required(session, ProfileName.ROOT)


def time_stamp_authority(session: Session) -> Issuer:
    """Key and certificate of the TSA. Raises VermilionError(UNAVAILABLE)."""
    return _required(session, ProfileName.TSA)


def chain(session: Session) -> tuple[bytes, ...]:
    """What goes beside an end entity's certificate: the issuing CA; the root is not embedded."""
    certificate = issuing_authority(session).certificate
    assert certificate is not None
    return (certificate,)


def root(session: Session) -> bytes:
    """The root certificate, DER. Raises VermilionError(UNAVAILABLE) before the first start is done."""
    certificate = root_authority(session).certificate
    assert certificate is not None
    return certificate


def signed_certificates(profile: ProfileName) -> Select[Key, Certificate]:
    """Keys of a profile with their signed certificates, the newest first."""
    return (
        select(Key, Certificate)
        .join(Certificate, Certificate.key_id == Key.id)
        .where(Certificate.profile == profile.value, Certificate.der.is_not(None))
        .order_by(Certificate.not_before.desc(), Certificate.serial)
    )


def _required(session: Session, profile: ProfileName) -> Issuer:
    row = session.execute(signed_certificates(profile).where(Key.state == "active").limit(1)).one_or_none()
    if row is None:
        raise VermilionError(
            Kind.UNAVAILABLE, f"the registry has no {profile.value} certificate yet", reason="not_established"
        )
    key, certificate = row
    return Issuer(key_ref(key), certificate.der)


def _established(pieces: Pieces, profile: ProfileName) -> Issuer | None:
    with Session(pieces.database.read) as session:
        try:
            return _required(session, profile)
        except VermilionError:
            return None


def _issuer(certified: Certified) -> Issuer:
    return Issuer(certified.key, certified.certificate)
