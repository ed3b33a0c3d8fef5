"""Using a seal: under a standing authorisation of its keeper, counted, and always recorded.

What issuing calls, in its order: `authorise_use` and `begin_use` in the transaction that writes the
intent, `seal_material` and `qr_key` before sealing, `still_usable` and `apply_use` in the transaction
that registers the document, `void_use` where the intent is abandoned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Select, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.custodian import KeyRef
from keys.errors import Fault, Kind, VermilionError, field_fault
from keys.profiles import ProfileName
from registry.agencies.tables import Client, ClientType
from registry.rows import changed_rows
from registry.seals.authority import chain_of
from registry.seals.editions import edition_in_use
from registry.seals.keys import key_ref
from registry.seals.maker import require_as_made
from registry.seals.outside_ca import embedded_issuers
from registry.seals.outside_status import current_good
from registry.seals.serving import certified_keys, serving_key, signed_certificates
from registry.seals.tables import (
    AuthorisationDay,
    Certificate,
    Key,
    Seal,
    SealEdition,
    SealUse,
    StandingAuthorisation,
)
from signing.document import SealMaterial, SealPicture

ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class UsableSeal:
    """A seal that may be used once, now, by this client for this type."""

    seal_edition_id: str
    seal_code: str
    state_version: int
    authorisation_id: str
    key: KeyRef
    outside_status_id: str | None  # the word of an authority outside that permits it


def authorise_use(
    session: Session,
    *,
    seal_code: str,
    client_id: str,
    agency_code: str,
    type_code: str,
    seal_kind: str,
    day: date,
    now: datetime,
) -> UsableSeal:
    """Check that the client may use the seal for the type on the civil `day` of `now`, and draw 1 from its
    limit.

    `seal_kind` is the kind of seal that the type's face wants.

    The draw stands or falls with the caller's transaction, so a refused or a dry request draws nothing; an
    abandoned intent's draw is not given back, because its key may have been used. Raises VermilionError:
    FORBIDDEN with reason `seal_unknown` (also for another agency's seal) or `not_authorised`; CONFLICT
    with `seal_not_active`, `seal_expired`, `certificate_revoked` or `daily_limit`; INVALID with `seal_kind`;
    UNAVAILABLE with `status_unknown`. Each names `/seal`.
    """
    seal = session.get(Seal, seal_code)
    if seal is None or seal.agency_code != agency_code:
        raise _unusable(Kind.FORBIDDEN, "seal_unknown", "the agency has no such seal")
    if seal.kind != seal_kind:
        raise _unusable(Kind.INVALID, "seal_kind", f"this type is sealed with a seal of the kind {seal_kind}")
    edition = session.scalars(edition_in_use(seal_code)).one_or_none()
    if seal.state != ACTIVE or edition is None:
        raise _unusable(Kind.CONFLICT, "seal_not_active", "the seal is not active")
    status = _status(session, edition, now)
    if not _valid_on(edition, day):
        raise _unusable(Kind.CONFLICT, "seal_expired", "the seal is past its validity")
    granted = session.scalars(
        _authorisations(client_id, type_code, day)
        .where(StandingAuthorisation.seal_code == seal_code)
        .order_by(StandingAuthorisation.granted_at, StandingAuthorisation.id)
    ).all()
    if not granted:
        detail = "the keeper has not authorised this client for this type"
        raise _unusable(Kind.FORBIDDEN, "not_authorised", detail)
    drawn = next((g for g in granted if _draw(session, g, day)), None)
    if drawn is None:
        raise _unusable(Kind.CONFLICT, "daily_limit", "the authorisation's daily limit is used up")
    key = session.get_one(Key, edition.key_id)
    return UsableSeal(edition.id, seal.code, seal.state_version, drawn.id, key_ref(key), status)


def still_usable(
    session: Session,
    *,
    seal_edition_id: str,
    state_version: int,
    authorisation_id: str,
    client_id: str,
    type_code: str,
    day: date,
) -> bool:
    """Whether what `authorise_use` found still holds, client and entitlement included.

    The seal's row stays locked until the caller's transaction ends: a suspension comes wholly before, and
    makes this False, or wholly after.
    """
    seal_code = session.scalar(select(SealEdition.seal_code).where(SealEdition.id == seal_edition_id))
    locked = select(Seal.state, Seal.state_version).where(Seal.code == seal_code)
    row = session.execute(locked.with_for_update(read=True)).one_or_none()
    if row is None or (row.state, row.state_version) != (ACTIVE, state_version):
        return False
    holds = session.scalar(
        _authorisations(client_id, type_code, day)
        .with_only_columns(StandingAuthorisation.id)
        .join(Client, Client.id == StandingAuthorisation.client_id)
        .join(ClientType, ClientType.client_id == Client.id)
        .where(
            StandingAuthorisation.id == authorisation_id,
            StandingAuthorisation.seal_code == seal_code,
            Client.active,
            ClientType.type_code == type_code,
        )
        .with_for_update(read=True, of=[StandingAuthorisation, Client])
    )
    return holds is not None


def begin_use(
    session: Session, intent_id: str, usable: UsableSeal, now: datetime, random: Callable[[int], bytes]
) -> None:
    """Record the use before any key is touched; the intent's row must be written already."""
    session.add(
        SealUse(
            id=random(16).hex(),
            seal_edition_id=usable.seal_edition_id,
            authorisation_id=usable.authorisation_id,
            intent_id=intent_id,
            state="begun",
            document_sha256=None,
            begun_at=now,
            ended_at=None,
            outside_status_id=usable.outside_status_id,
        )
    )


def apply_use(session: Session, intent_id: str, document_sha256: bytes, now: datetime) -> None:
    """The seal stands on the registered document. Raises VermilionError(CONFLICT) unless just begun."""
    _end(session, intent_id, "applied", document_sha256, now)


def void_use(session: Session, intent_id: str, now: datetime) -> None:
    """The intent came to nothing. Raises VermilionError(CONFLICT) unless just begun."""
    _end(session, intent_id, "void", None, now)


def seal_material(session: Session, seal_edition_id: str) -> SealMaterial:
    """Key, certificate, chain and picture of a seal edition, as its maker signed them.

    Raises VermilionError: NOT_FOUND; UNAVAILABLE with `seal_edition_altered`.
    """
    edition = session.get(SealEdition, seal_edition_id)
    if edition is None:
        raise VermilionError(Kind.NOT_FOUND, "no such seal edition", reason="seal_unknown")
    certificate = session.get_one(Certificate, edition.certificate_serial)
    assert certificate.der is not None  # an edition is recorded after its certificate
    require_as_made(session, edition, certificate.der)
    return SealMaterial(
        key=key_ref(session.get_one(Key, edition.key_id)),
        certificate=certificate.der,
        chain=(
            embedded_issuers(session, certificate.serial)
            if certificate.issuer_key_id is None
            else chain_of(session, edition.key_id)
        ),
        picture=SealPicture(edition.picture_type, edition.picture, edition.width_mm, edition.height_mm),
    )


def qr_key(session: Session, agency_code: str, now: datetime) -> KeyRef:
    """The key that signs the agency's QR credentials now: certified, and named by a published trust list.

    Raises VermilionError: CONFLICT with `no_qr_key` or `qr_key_expired`; UNAVAILABLE with `qr_key_unlisted`
    until the next trust list.
    """
    found = serving_key(session, ProfileName.QR, now, agency_code)
    if found is not None:
        return key_ref(found[0])
    if session.execute(certified_keys(ProfileName.QR, now, agency_code).limit(1)).first() is not None:
        raise VermilionError(
            Kind.UNAVAILABLE, "no trust list names the agency's key for QR codes yet",
            reason="qr_key_unlisted", retry_after=30,
        )  # fmt: skip
    of_agency = signed_certificates(ProfileName.QR).where(Key.agency_code == agency_code)
    if session.execute(of_agency.where(Key.state == ACTIVE).limit(1)).first() is not None:
        raise VermilionError(
            Kind.CONFLICT,
            "the agency's key for QR codes is past its validity",
            reason="qr_key_expired",
        )
    raise VermilionError(Kind.CONFLICT, "the agency has no key for QR codes", reason="no_qr_key")


def _status(session: Session, edition: SealEdition, now: datetime) -> str | None:
    """See `current_good`; a refusal names the seal."""
    certificate = session.get_one(Certificate, edition.certificate_serial)
    try:
        return current_good(session, certificate, now)
    except VermilionError as error:
        faults = (Fault("/seal", error.reason, error.detail),)
        raise VermilionError(
            error.kind, error.detail, reason=error.reason, faults=faults, retry_after=error.retry_after
        ) from None


def _unusable(kind: Kind, reason: str, detail: str) -> VermilionError:
    return field_fault("/seal", reason, detail, kind)


def _valid_on(edition: SealEdition, day: date) -> bool:
    # A civil day is not a UTC day: the custodian's policy asks again, by the instant.
    return edition.valid_from.date() <= day + timedelta(days=1) and day < edition.valid_to.date()


def _authorisations(client_id: str, type_code: str, day: date) -> Select[StandingAuthorisation]:
    return select(StandingAuthorisation).where(
        StandingAuthorisation.client_id == client_id,
        StandingAuthorisation.type_code == type_code,
        StandingAuthorisation.withdrawn_at.is_(None),
        StandingAuthorisation.valid_from <= day,
        StandingAuthorisation.valid_to >= day,
    )


def _draw(session: Session, granted: StandingAuthorisation, day: date) -> bool:
    """Take 1 from the day's limit, if anything is left, in one conditional statement."""
    row = (AuthorisationDay.authorisation_id == granted.id, AuthorisationDay.day == day)
    if session.scalar(select(AuthorisationDay.day).where(*row)) is None:
        try:
            with session.begin_nested():  # two may find the day missing; one inserts it
                session.execute(insert(AuthorisationDay).values(authorisation_id=granted.id, day=day, used=0))
        except IntegrityError:
            pass
    statement = (
        update(AuthorisationDay)
        .where(*row, AuthorisationDay.used < granted.daily_limit)
        .values(used=AuthorisationDay.used + 1)
    )
    return changed_rows(session, statement) == 1


def _end(session: Session, intent_id: str, state: str, document: bytes | None, now: datetime) -> None:
    statement = (
        update(SealUse)
        .where(SealUse.intent_id == intent_id, SealUse.state == "begun")
        .values(state=state, document_sha256=document, ended_at=now)
    )
    if changed_rows(session, statement) != 1:
        raise VermilionError(Kind.CONFLICT, "no seal use is open for this intent", reason="seal_use")
