"""The two-tier authority of the registry: first start, the agencies' QR keys, the chain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.certificates import Issuer, Subject, certificate_subject
from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from keys.suite import SuiteName
from registry.actor import Administrator
from registry.agencies.rules import known_agency
from registry.driver_select import Prepared
from registry.seals.keys import MAX_NAME, Certified, Pieces, certify_new_key, key_ref, subject_name
from registry.seals.serving import certified_keys, serving_key, signed_certificates
from registry.seals.tables import Certificate, Key

ROOT_SUITE: SuiteName = "p384-sha384"
ISSUING_SUITE: SuiteName = "p384-sha384"
END_SUITE: SuiteName = "p256-sha256"


OWN = (ProfileName.TSA, ProfileName.STATUS_LIST, ProfileName.RECEIPT)
"""Profiles of the registry's own keys that the trust list names."""


@dataclass(frozen=True, slots=True)
class AuthorityNames:
    """What the authority's certificates are called."""

    organisation: str
    root: str = "Root CA"
    issuing: str = "Seal Issuing CA"
    trust_list: str = "Trust List"
    tsa: str = "Time-Stamp Authority"
    status_lists: str = "Status Lists"
    receipts: str = "Receipts"


def establish(pieces: Pieces, names: AuthorityNames, *, test: bool) -> None:
    """Make what is missing of root, issuing CA, the trust list's delegate, time-stamp authority, OCSP
    responder, keys for status lists and receipts; a `test` root says TEST in its name. What a ceremony made
    has named the rest.

    Started again after a failure it goes on where it stopped. Raises VermilionError: CONFLICT where another
    made a root meanwhile, UNAVAILABLE (`root_absent`) where the root is needed and not here, and what the
    custodian raises.
    """
    prefix = "TEST " if test else ""
    organisation = prefix + names.organisation
    root = _established(pieces, ProfileName.ROOT)
    if root is None:
        root = make_root(pieces, ROOT_SUITE, subject_name(prefix + names.root, None, organisation))
    issuing = _established(pieces, ProfileName.ISSUING)
    if issuing is None:
        name = subject_name(prefix + names.issuing, None, organisation)
        issuing = _issuer(certify_new_key(pieces, ProfileName.ISSUING, ISSUING_SUITE, name, root))
    if _established(pieces, ProfileName.TRUST_LIST) is None:
        give_delegate_key(pieces, subject_name(prefix + names.trust_list, None, organisation))
    for profile, called in (
        (ProfileName.TSA, names.tsa),
        (ProfileName.STATUS_LIST, names.status_lists),
        (ProfileName.RECEIPT, names.receipts),
    ):
        if _established(pieces, profile) is not None:
            continue
        assert root.certificate is not None
        assert issuing.certificate is not None
        prefix = "TEST " if "TEST" in certificate_subject(root.certificate).common_name.split() else ""
        of = certificate_subject(issuing.certificate)
        name = Subject((prefix + called)[:MAX_NAME], of.organisation, of.country)
        certify_new_key(pieces, profile, END_SUITE, name, issuing)
    if _established(pieces, ProfileName.OCSP) is None:
        give_ocsp_key(pieces)


def make_root(pieces: Pieces, suite: SuiteName, name: Subject, life: timedelta | None = None) -> Issuer:
    """The root's key and certificate. A registry has one in service, which the database holds it to.

    Raises VermilionError(CONFLICT, reason "root_exists") and what the custodian raises.
    """
    try:
        return _issuer(certify_new_key(pieces, ProfileName.ROOT, suite, name, None, life=life))
    except IntegrityError:
        raise VermilionError(Kind.CONFLICT, "the registry has a root already", reason="root_exists") from None


def give_issuing_key(
    pieces: Pieces, suite: SuiteName, name: Subject, life: timedelta | None = None
) -> Certified:
    """One more issuing CA, which issues from now on. The root signs: in a ceremony, or a first start."""
    with Session(pieces.database.read) as session:
        root = root_authority(session)
    return certify_new_key(pieces, ProfileName.ISSUING, suite, name, root, life=life)


def give_delegate_key(
    pieces: Pieces,
    name: Subject | None = None,
    suite: SuiteName = END_SUITE,
    life: timedelta | None = None,
) -> Certified:
    """One more delegate for the trust list, which signs the next one; without a `name`, named as the last.

    The root signs. Raises VermilionError: UNAVAILABLE where the root is not here, and what the custodian
    raises.
    """
    with Session(pieces.database.read) as session:
        root = root_authority(session)
        if name is None:
            last = _required(session, ProfileName.TRUST_LIST).certificate
            assert last is not None
            name = certificate_subject(last)
    return certify_new_key(pieces, ProfileName.TRUST_LIST, suite, name, root, life=life)


def give_ocsp_key(
    pieces: Pieces, by: Administrator | None = None, issuing: Issuer | None = None
) -> Certified:
    """One more key for an issuing CA's OCSP answers; without one, the newest's. It serves at once: its
    certificate goes with each answer.

    Raises VermilionError(UNAVAILABLE) and what the custodian raises.
    """
    if issuing is None:
        with Session(pieces.database.read) as session:
            issuing = issuing_authority(session)
    assert issuing.certificate is not None
    of = certificate_subject(issuing.certificate)
    name = subject_name(f"{of.common_name} OCSP", None, of.organisation)
    return certify_new_key(pieces, ProfileName.OCSP, END_SUITE, name, issuing, by=by)


def give_qr_key(pieces: Pieces, agency_code: str, by: Administrator | None = None) -> Certified:
    """One more key for the agency's QR credentials, with its certificate. It serves once a trust list that
    names it is published.

    Raises VermilionError(NOT_FOUND, UNAVAILABLE) and what the custodian raises.
    """
    with Session(pieces.database.read) as session:
        agency = known_agency(session, agency_code)
        issuing = issuing_authority(session)
    name = subject_name(f"QR {agency_code}", agency_code, agency.name_zh)
    return certify_new_key(pieces, ProfileName.QR, END_SUITE, name, issuing, agency_code, by=by)


def give_own_key(pieces: Pieces, profile: ProfileName, by: Administrator | None = None) -> Certified:
    """One more key of one of the OWN profiles, named as the last one. It serves once a trust list that
    names it is published.

    Raises VermilionError(UNAVAILABLE) and what the custodian raises.
    """
    with Session(pieces.database.read) as session:
        row = session.execute(signed_certificates(profile).limit(1)).first()
        issuing = issuing_authority(session)
    if row is None or row.Certificate.der is None:
        raise _missing(profile)
    name = certificate_subject(row.Certificate.der)
    return certify_new_key(pieces, profile, END_SUITE, name, issuing, by=by)


def issuing_authority(session: Session) -> Issuer:
    """The CA that signs end entities. Raises VermilionError(UNAVAILABLE) before the first start is done."""
    return _required(session, ProfileName.ISSUING)


def has_root(session: Session) -> bool:
    """Whether a root is on record and in service, wherever its key is."""
    return _established_in(session, ProfileName.ROOT) is not None


def root_authority(session: Session) -> Issuer:
    """The root: it signs issuing CAs and the trust list's delegates. Raises VermilionError(UNAVAILABLE)."""
    return _required(session, ProfileName.ROOT)


def trust_list_delegate(session: Session, now: datetime) -> Issuer:
    """Key and certificate that sign the trust list now: of the root in service, but for a moment in the
    ceremony that gives another. Raises VermilionError(UNAVAILABLE).
    """
    rows = session.execute(certified_keys(ProfileName.TRUST_LIST, now)).all()
    if not rows:
        raise _missing(ProfileName.TRUST_LIST)
    serving = root_authority(session).key.id
    key, certificate = min(rows, key=lambda row: row.Certificate.issuer_key_id != serving)  # the first such
    return Issuer(key_ref(key), certificate.der)


def time_stamp_authority(session: Session, now: datetime) -> Issuer:
    """Key and certificate that stamp now. Raises VermilionError(UNAVAILABLE)."""
    found = serving_key(session, ProfileName.TSA, now)
    if found is None:
        raise _missing(ProfileName.TSA)
    return Issuer(found.key, found.certificate)


def chain_of(session: Session, key_id: str) -> tuple[bytes, ...]:
    """What goes beside the certificate of a key: the CA that issued it, of an end entity's key in a document;
    the root is not embedded there. Raises VermilionError(UNAVAILABLE).
    """
    der = _ISSUER.value(session, key_id=key_id)
    if der is None:
        raise _missing(ProfileName.ISSUING)
    return (der,)


_ISSUER = Prepared(
    select(Certificate.der)
    .where(
        Certificate.key_id
        == select(Certificate.issuer_key_id)
        .where(Certificate.key_id == bindparam("key_id"))
        .scalar_subquery(),
        Certificate.der.is_not(None),
        Certificate.profile != ProfileName.ROOT_LINK,
    )
    .limit(1)
)


def chain(session: Session) -> tuple[bytes, ...]:
    """What goes beside the certificate of whoever is certified now: the issuing CA that issues now."""
    certificate = issuing_authority(session).certificate
    assert certificate is not None
    return (certificate,)


def root(session: Session) -> bytes:
    """The root certificate, DER. Raises VermilionError(UNAVAILABLE) before the first start is done."""
    certificate = root_authority(session).certificate
    assert certificate is not None
    return certificate


def _required(session: Session, profile: ProfileName) -> Issuer:
    row = _active(profile).first(session)
    if row is None:
        raise _missing(profile)
    return Issuer(key_ref(row), row.der)


@cache
def _active(profile: ProfileName) -> Prepared:
    columns = Key.id, Key.purpose, Key.suite, Certificate.der
    return Prepared(
        signed_certificates(profile).with_only_columns(*columns).where(Key.state == "active").limit(1)
    )


def _missing(profile: ProfileName) -> VermilionError:
    return VermilionError(
        Kind.UNAVAILABLE, f"the registry has no valid {profile.value} certificate", reason="not_established"
    )


def _established(pieces: Pieces, profile: ProfileName) -> Issuer | None:
    with Session(pieces.database.read) as session:
        return _established_in(session, profile)


def _established_in(session: Session, profile: ProfileName) -> Issuer | None:
    try:
        return _required(session, profile)
    except VermilionError:
        return None


def _issuer(certified: Certified) -> Issuer:
    return Issuer(certified.key, certified.certificate)
