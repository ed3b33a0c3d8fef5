"""The two-tier authority of the registry: first start, the agencies' QR keys, the chain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from keys.certificates import Issuer, certificate_subject
from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from keys.suite import SuiteName
from registry.agencies.rules import known_agency
from registry.seals.keys import Certified, Pieces, certify_new_key, key_ref, subject_name
from registry.seals.serving import serving_key, signed_certificates
from registry.seals.tables import Key

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
    if _established(pieces, ProfileName.OCSP) is None:
        give_ocsp_key(pieces)


def give_ocsp_key(pieces: Pieces) -> Certified:
    """One more key for the issuing CA's OCSP answers. It serves at once: its certificate goes with each
    answer.

    Raises VermilionError(UNAVAILABLE) and what the custodian raises.
    """
    with Session(pieces.database.read) as session:
        issuing = issuing_authority(session)
    assert issuing.certificate is not None
    of = certificate_subject(issuing.certificate)
    name = subject_name(f"{of.common_name} OCSP", None, of.organisation)
    return certify_new_key(pieces, ProfileName.OCSP, END_SUITE, name, issuing)


def give_qr_key(pieces: Pieces, agency_code: str) -> Certified:
    """One more key for the agency's QR credentials, with its certificate. It serves once a trust list that
    names it is published.

    Raises VermilionError(NOT_FOUND, UNAVAILABLE) and what the custodian raises.
    """
    with Session(pieces.database.read) as session:
        agency = known_agency(session, agency_code)
        issuing = issuing_authority(session)
    name = subject_name(f"QR {agency_code}", agency_code, agency.name_zh)
    return certify_new_key(pieces, ProfileName.QR, END_SUITE, name, issuing, agency_code)


def give_tsa_key(pieces: Pieces) -> Certified:
    """One more key for time-stamps, named as the last one. It serves once a trust list that names it is
    published.

    Raises VermilionError(UNAVAILABLE) and what the custodian raises.
    """
    with Session(pieces.database.read) as session:
        row = session.execute(signed_certificates(ProfileName.TSA).limit(1)).first()
        issuing = issuing_authority(session)
    if row is None or row.Certificate.der is None:
        raise _missing(ProfileName.TSA)
    name = certificate_subject(row.Certificate.der)
    return certify_new_key(pieces, ProfileName.TSA, END_SUITE, name, issuing)


def issuing_authority(session: Session) -> Issuer:
    """The CA that signs end entities. Raises VermilionError(UNAVAILABLE) before the first start is done."""
    return _required(session, ProfileName.ISSUING)


def root_authority(session: Session) -> Issuer:
    """The root, which signs issuing CAs and the trust list. Raises VermilionError(UNAVAILABLE)."""
    return _required(session, ProfileName.ROOT)


def time_stamp_authority(session: Session, now: datetime) -> Issuer:
    """Key and certificate that stamp now. Raises VermilionError(UNAVAILABLE)."""
    found = serving_key(session, ProfileName.TSA, now)
    if found is None:
        raise _missing(ProfileName.TSA)
    key, certificate = found
    return Issuer(key_ref(key), certificate.der)


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


def _required(session: Session, profile: ProfileName) -> Issuer:
    row = session.execute(signed_certificates(profile).where(Key.state == "active").limit(1)).one_or_none()
    if row is None:
        raise _missing(profile)
    key, certificate = row
    return Issuer(key_ref(key), certificate.der)


def _missing(profile: ProfileName) -> VermilionError:
    return VermilionError(
        Kind.UNAVAILABLE, f"the registry has no valid {profile.value} certificate", reason="not_established"
    )


def _established(pieces: Pieces, profile: ProfileName) -> Issuer | None:
    with Session(pieces.database.read) as session:
        try:
            return _required(session, profile)
        except VermilionError:
            return None


def _issuer(certified: Certified) -> Issuer:
    return Issuer(certified.key, certified.certificate)
