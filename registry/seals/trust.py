"""The trust list: derived from what is on record, signed again when that changes or a third of its life is
past.

What a key may sign is what its agency was ever entitled to: a QR key, the types of all the agency's clients,
disabled ones included; a seal's key, the types that its keeper ever authorised for its own agency's clients
and, apart from them, those for others', on whose licences it may stand beside their own seal. Neither row is
ever deleted, so that what was sealed under an entitlement goes on being recognised after it ended. A seal
that is suspended or cancelled is `retired` from that instant, and so is an edition when another takes its
place: what it sealed earlier stays good, a document sealed later is out of period. A seal that is resumed is
active again. A compromised one carries its invalidity date.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import structlog
from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.certificates import certificate_validity
from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from keys.suite import SUITES
from keys.trust_list import (
    LIFE,
    REGISTRY_USES,
    RENEW_AFTER,
    KeyState,
    KeyUse,
    TrustedKey,
    TrustList,
    kid_of,
    read_trust_list,
    sign_trust_list,
    signer_of,
    trust_list_input,
)
from registry.agencies.tables import Agency, Client, ClientType
from registry.licences.tables import TypeVersion
from registry.licences.types import DRAFT
from registry.seals.authority import chain_of, trust_list_delegate
from registry.seals.keys import Pieces, key_ref
from registry.seals.outside_ca import embedded_issuers
from registry.seals.serving import signed_certificates
from registry.seals.tables import (
    Certificate,
    CertificateStatus,
    Key,
    PublishedTrustList,
    Seal,
    SealEdition,
    SealState,
    StandingAuthorisation,
    TrustListDraft,
)
from registry.settings import Settings

PATIENCE = timedelta(hours=1)  # many rounds of `registry.background`
ATTEMPTS = 5
_log = structlog.get_logger("registry.trust_list")
_EPOCH = datetime.fromtimestamp(0, UTC)


def current_trust_list(session: Session) -> str | None:
    """The compact JWS last published."""
    return session.scalar(
        select(PublishedTrustList.jws).order_by(PublishedTrustList.sequence.desc()).limit(1)
    )


def last_issued_at(session: Session) -> datetime | None:
    """When the list last published was issued; None before the first one."""
    return session.scalar(
        select(PublishedTrustList.issued_at).order_by(PublishedTrustList.sequence.desc()).limit(1)
    )


def overdue(issued_at: datetime, now: datetime) -> bool:
    """Whether a newer list than the last one should have been published by now, and was not: whoever
    publishes has stopped, or keeps failing. The last one serves for some days yet.
    """
    return now > issued_at + RENEW_AFTER + PATIENCE


def publish_trust_list(pieces: Pieces) -> int:
    """Publish the list if it is not current; its sequence. Never inside a transaction: it signs.

    Raises VermilionError: UNAVAILABLE when others publish faster than we can or the list fails our own check,
    and what the custodian raises.
    """
    for _ in range(ATTEMPTS):
        now = pieces.clock().replace(microsecond=0)
        with Session(pieces.database.read) as session:
            delegate = trust_list_delegate(session, now)
            (root,) = chain_of(session, delegate.key.id)
            assert delegate.certificate is not None
            # The number is read before the content: whoever drafts in between takes the number, and we
            # begin again with what they may not have seen. A later number never says less.
            sequence = (session.scalar(select(func.max(TrustListDraft.sequence))) or 0) + 1
            last, by = _last(session)
            content = _content(session, pieces.settings, root, last)
        if (
            last is not None
            and by == delegate.certificate
            and now < last.issued_at + RENEW_AFTER
            and _timeless(last) == content
        ):
            return last.sequence
        end = min(now + LIFE, certificate_validity(delegate.certificate)[1])  # no list outlives its signer
        trust = replace(
            content,
            sequence=sequence,
            issued_at=now,
            next_update=min(now + RENEW_AFTER, end),
            expires_at=end,
        )
        data = trust_list_input(trust, SUITES[delegate.key.suite], delegate.certificate, root)
        try:
            with pieces.database.transaction() as session:
                session.add(
                    TrustListDraft(sequence=sequence, input_sha256=sha256(data).digest(), drafted_at=now)
                )
            jws = sign_trust_list(pieces.custodian, delegate.key, data, sequence)
            _check_own_work(jws, now)
            with pieces.database.transaction() as session:
                session.add(PublishedTrustList(sequence=sequence, jws=jws, issued_at=now, expires_at=end))
                _mark_listed(session, trust)
        except IntegrityError:
            continue
        except VermilionError as error:
            if error.kind is Kind.KEY_REFUSED and error.reason == "sequence":
                continue  # a later one is published: whether it says what ours would is seen next
            raise
        return sequence
    raise VermilionError(Kind.UNAVAILABLE, "others are publishing the trust list", retry_after=1)


def _mark_listed(session: Session, trust: TrustList) -> None:
    """The list's keys may serve from now on; none ever leaves the list again."""
    named = {key.public_key for key in trust.keys}
    waiting = session.execute(select(Key.id, Key.public_key).where(Key.listed_at.is_(None))).all()
    ids = [row.id for row in waiting if row.public_key in named]
    session.execute(update(Key).where(Key.id.in_(ids)).values(listed_at=trust.issued_at))


def _check_own_work(jws: str, now: datetime) -> None:
    """A list that nobody can read must not take the place of one that everybody can: the last one stays.

    Raises VermilionError(UNAVAILABLE).
    """
    try:
        read_trust_list(jws, at=now)
    except VermilionError as error:
        _log.error("trust_list_defective", reason=error.reason)
        raise VermilionError(
            Kind.UNAVAILABLE,
            "the next trust list would not be read by anybody",
            reason="trust_list_defective",
        ) from error


def _last(session: Session) -> tuple[TrustList | None, bytes | None]:
    """The list published last, and the certificate of the delegate that signed it."""
    row = session.scalars(
        select(PublishedTrustList).order_by(PublishedTrustList.sequence.desc()).limit(1)
    ).one_or_none()
    if row is None:
        return None, None
    return read_trust_list(row.jws, at=row.issued_at), signer_of(row.jws)


def _timeless(trust: TrustList) -> TrustList:
    return replace(trust, sequence=0, issued_at=_EPOCH, next_update=_EPOCH, expires_at=_EPOCH)


def _content(session: Session, settings: Settings, root: bytes, last: TrustList | None) -> TrustList:
    """Everything but number and times. Instants are whole seconds, as the list carries them."""
    keys = (*_seal_keys(session), *_qr_keys(session), *_own_keys(session))
    issuing = [certificate for _key, certificate in session.execute(signed_certificates(ProfileName.ISSUING))]
    certifying = {certificate.issuer_key_id for certificate in issuing}
    roots = [
        certificate.der or b""
        for key, certificate in session.execute(signed_certificates(ProfileName.ROOT))
        if key.id in certifying
    ]
    # Old papers carry old origins: one once named stays.
    origins = dict.fromkeys([*(last.origins if last else ()), settings.public_origin])
    codes = {key.agency for key in keys if key.agency is not None}
    agencies = session.scalars(select(Agency).where(Agency.code.in_(codes)).order_by(Agency.code))
    return TrustList(
        sequence=0,
        issued_at=_EPOCH,
        next_update=_EPOCH,
        expires_at=_EPOCH,
        zone=settings.zone,
        origins=tuple(origins),
        roots=(root, *(one for one in roots if one != root)),
        issuing=tuple(certificate.der or b"" for certificate in issuing),
        agencies={agency.code: {"zh": agency.name_zh, "en": agency.name_en} for agency in agencies},
        types=_type_names(session),
        keys=keys,
        status_lists=f"{settings.public_origin}/status/",
    )


def _seal_keys(session: Session) -> Iterator[TrustedKey]:
    """The editions that are or were in use, and filed ones of active seals: a successor is known before it is
    used. One that is filed while its seal is suspended waits: as a retired key it would end before it begins.
    """
    activated = select(SealState.seal_code).where(SealState.state == "active")
    filed = and_(SealEdition.state == "filed", Seal.state == "active")
    rows = session.execute(
        select(SealEdition.ended_at, Seal, Key, Certificate)
        .join(Seal, Seal.code == SealEdition.seal_code)
        .join(Key, Key.id == SealEdition.key_id)
        .join(Certificate, Certificate.serial == SealEdition.certificate_serial)
        .where(Seal.code.in_(activated))
        .where(or_(SealEdition.state.in_(("in_use", "ended")), filed, Key.listed_at.is_not(None)))
        .order_by(SealEdition.seal_code, SealEdition.number)
    )
    for ended_at, seal, key, certificate in rows:
        permitted = session.execute(
            select(StandingAuthorisation.type_code, Client.agency_code == seal.agency_code)
            .join(Client, Client.id == StandingAuthorisation.client_id)
            .where(StandingAuthorisation.seal_code == seal.code)
            .distinct()
            .order_by(StandingAuthorisation.type_code)
        ).all()
        types = [code for code, own in permitted if own]
        co_types = [code for code, own in permitted if not own]  # beside the seals of others
        outside = certificate.issuer_key_id is None
        state: KeyState = "active"
        since = None
        if seal.compromised_since is not None:
            state, since = "compromised", seal.compromised_since
        else:
            stopped = None if seal.state == "active" else _entered(session, seal)
            gainsaid = _gainsaid(session, certificate) if outside else None
            ends = [at for at in (ended_at, stopped, gainsaid) if at is not None]
            if ends:
                state, since = "retired", min(ends)
        issuers = embedded_issuers(session, certificate.serial) if outside else ()
        entry = _entry(key, certificate, "seal", types, state, since, issuers)
        yield replace(entry, co_types=tuple(co_types))


def _qr_keys(session: Session) -> Iterator[TrustedKey]:
    for key, certificate in session.execute(signed_certificates(ProfileName.QR)):
        types = session.scalars(
            select(ClientType.type_code)
            .join(Client, Client.id == ClientType.client_id)
            .where(Client.agency_code == key.agency_code)
            .distinct()
            .order_by(ClientType.type_code)
        )
        yield _entry(key, certificate, "qr", types, *_key_state(key))


def _own_keys(session: Session) -> Iterator[TrustedKey]:
    """The registry's own: for time-stamps, status lists and receipts."""
    uses: tuple[tuple[ProfileName, KeyUse], ...] = (
        (ProfileName.TSA, "tsa"),
        (ProfileName.STATUS_LIST, "status-list"),
        (ProfileName.RECEIPT, "receipt"),
    )
    for profile, use in uses:
        for key, certificate in session.execute(signed_certificates(profile)):
            yield _entry(key, certificate, use, (), *_key_state(key))


def _key_state(key: Key) -> tuple[KeyState, datetime | None]:
    if key.state == "compromised":
        return "compromised", key.since
    return ("active", None) if key.state == "active" else ("retired", key.since)


def _entered(session: Session, seal: Seal) -> datetime:
    """When a seal that is not active stopped being so."""
    last_active = select(func.max(SealState.version)).where(
        SealState.seal_code == seal.code,
        SealState.state == "active",
        SealState.version < seal.state_version,  # the seal may have been resumed since its row was read
    )
    version = session.scalars(last_active).one()
    return session.get_one(SealState, (seal.code, version + 1)).from_at


def _gainsaid(session: Session, certificate: Certificate) -> datetime | None:
    """When a certificate of an authority outside stopped being good, as it is recorded; None while it is."""
    rows = session.execute(
        select(CertificateStatus.state, CertificateStatus.from_at)
        .where(
            CertificateStatus.serial == certificate.serial,
            CertificateStatus.version <= certificate.state_version,
        )
        .order_by(CertificateStatus.version.desc())
    )
    since = None
    for state, from_at in rows:
        if state == "good":
            break
        since = from_at
    return since


def _entry(
    key: Key,
    certificate: Certificate,
    use: KeyUse,
    types: Iterable[str],
    state: KeyState,
    since: datetime | None,
    issuers: tuple[bytes, ...] = (),
) -> TrustedKey:
    cut = certificate.not_after if state != "retired" or since is None else min(certificate.not_after, since)
    return TrustedKey(
        kid=kid_of(key.public_key),
        use=use,
        suite=key_ref(key).suite,
        public_key=key.public_key,
        certificate=None if use == "qr" else certificate.der,
        agency=None if use in REGISTRY_USES else key.agency_code,
        types=tuple(types),
        sign_from=_whole(certificate.not_before),
        sign_to=_whole(cut),
        state=state,
        since=None if since is None else _whole(since),
        issuers=issuers,
    )


def _whole(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def _type_names(session: Session) -> dict[str, dict[str, str]]:
    """Names of all types by their newest version that is no draft, withdrawn ones included."""
    rows = session.execute(
        select(TypeVersion.code, TypeVersion.type_toml)
        .where(TypeVersion.state != DRAFT)
        .order_by(TypeVersion.code, TypeVersion.version)
    )
    return {code: dict(tomllib.loads(text)["name"]) for code, text in rows}
