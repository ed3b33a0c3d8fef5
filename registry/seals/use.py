"""Using a seal: under a standing authorisation of its keeper, counted, and always recorded.

What issuing calls, in its order: `usable_seal`, `seal_material`, `qr_key`, `draw_uses` and `begin_uses` in
the transaction that writes the intents, `still_usable` and `apply_uses` in the transaction that registers
their documents, `void_uses` where intents are abandoned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.custodian import KeyRef, Purpose
from keys.errors import Fault, Kind, VermilionError, field_fault
from keys.profiles import ProfileName
from registry.agencies.tables import Client, ClientType
from registry.driver_select import Prepared
from registry.rows import changed_rows, insert_rows, new_ids
from registry.seals.authority import chain_of
from registry.seals.keys import key_ref
from registry.seals.maker import require_as_made
from registry.seals.outside_ca import embedded_issuers
from registry.seals.outside_status import current_good
from registry.seals.serving import Serving, certified_keys, serving_key, signed_certificates
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
class Grant:
    """A standing authorisation that holds."""

    id: str
    daily_limit: int


@dataclass(frozen=True, slots=True)
class UsableSeal:
    """A seal that may be used now, by this client for this type, as often as its grants' limits leave."""

    seal_edition_id: str
    seal_code: str
    agency_code: str  # whose the seal is
    state_version: int
    key: KeyRef
    outside_status_id: str | None  # the word of an authority outside that permits it
    grants: tuple[Grant, ...]  # the oldest first


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a seal for an intent, drawn from an authorisation's limit."""

    intent_id: str
    seal_edition_id: str
    authorisation_id: str
    outside_status_id: str | None
    place: int = 1  # on the face


def usable_seal(
    session: Session,
    *,
    seal_code: str,
    client_id: str,
    agency_code: str,
    type_code: str,
    seal_kind: str,
    day: date,
    now: datetime,
    place: int = 1,
) -> UsableSeal:
    """Check that the client may use the seal for the type on the civil `day` of `now`.

    `seal_kind` is the kind of seal that the type's face wants at this place. The first seal is one of the
    client's agency; at a further place a keeper of any agency may permit it. Raises VermilionError: FORBIDDEN
    with reason `seal_unknown` (also for another agency's seal) or `not_authorised`; CONFLICT with
    `seal_not_active`, `seal_expired` or `certificate_revoked`; INVALID with `seal_kind`; UNAVAILABLE with
    `status_unknown`. Each names `/seal`, or `/co_seals/0` and `/co_seals/1`.
    """
    try:
        return _usable(session, seal_code, client_id, agency_code, type_code, seal_kind, day, now, place)
    except VermilionError as error:
        if place == 1:
            raise
        faults = tuple(replace(fault, field=_pointer(place)) for fault in error.faults)
        raise VermilionError(
            error.kind, error.detail, reason=error.reason, faults=faults, retry_after=error.retry_after
        ) from None


def _usable(
    session: Session,
    seal_code: str,
    client_id: str,
    agency_code: str,
    type_code: str,
    seal_kind: str,
    day: date,
    now: datetime,
    place: int,
) -> UsableSeal:
    seal = _SEAL.first(session, code=seal_code)
    if place > 1 and (seal is None or seal.agency_code != agency_code):
        # Whoever may not use another agency's seal learns nothing of it.
        if seal is None or not _granted(session, seal_code, client_id, type_code, day):
            raise _not_authorised()
    elif seal is None or seal.agency_code != agency_code:
        raise _unusable(Kind.FORBIDDEN, "seal_unknown", "the agency has no such seal")
    if seal.kind != seal_kind:
        raise _unusable(Kind.INVALID, "seal_kind", f"this type is sealed with a seal of the kind {seal_kind}")
    if seal.state != ACTIVE or seal.edition_id is None:
        raise _unusable(Kind.CONFLICT, "seal_not_active", "the seal is not active")
    status = _status(session, seal.certificate_serial, now) if seal.outside else None
    if not _valid_on(seal.valid_from, seal.valid_to, day):
        raise _unusable(Kind.CONFLICT, "seal_expired", "the seal is past its validity")
    granted = _granted(session, seal_code, client_id, type_code, day)
    if not granted:
        raise _not_authorised()
    grants = tuple(Grant(one.id, one.daily_limit) for one in granted)
    return UsableSeal(
        seal_edition_id=seal.edition_id,
        seal_code=seal.code,
        agency_code=seal.agency_code,
        state_version=seal.state_version,
        key=key_ref(seal),
        outside_status_id=status,
        grants=grants,
    )


_SEAL = Prepared(
    select(
        Seal.code,
        Seal.agency_code,
        Seal.kind,
        Seal.state,
        Seal.state_version,
        SealEdition.id.label("edition_id"),
        SealEdition.certificate_serial,
        SealEdition.valid_from,
        SealEdition.valid_to,
        Certificate.issuer_key_id.is_(None).label("outside"),
        Key.id,
        Key.purpose,
        Key.suite,
    )
    .outerjoin(SealEdition, and_(SealEdition.seal_code == Seal.code, SealEdition.state == "in_use"))
    .outerjoin(Certificate, Certificate.serial == SealEdition.certificate_serial)
    .outerjoin(Key, Key.id == SealEdition.key_id)
    .where(Seal.code == bindparam("code"))
)
"""A seal with its edition in use, where it has one."""
_HOLDS = (
    StandingAuthorisation.seal_code == bindparam("seal_code"),
    StandingAuthorisation.client_id == bindparam("client_id"),
    StandingAuthorisation.type_code == bindparam("type_code"),
    StandingAuthorisation.withdrawn_at.is_(None),
    StandingAuthorisation.valid_from <= bindparam("day"),
    StandingAuthorisation.valid_to >= bindparam("day"),
)
_GRANTED = Prepared(
    select(StandingAuthorisation.id, StandingAuthorisation.daily_limit)
    .where(*_HOLDS)
    .order_by(StandingAuthorisation.granted_at, StandingAuthorisation.id)
)


def _granted(session: Session, seal_code: str, client_id: str, type_code: str, day: date) -> Sequence[Any]:
    asked = {"seal_code": seal_code, "client_id": client_id, "type_code": type_code, "day": day}
    return _GRANTED.rows(session, **asked)


def draw_uses(
    session: Session, usable: UsableSeal, day: date, intent_ids: Sequence[str], place: int = 1
) -> list[Use]:
    """Draw one use for each intent from the day's limits: as many as are left, for the first of them.

    The draws stand or fall with the caller's transaction, so a refused or a dry request draws nothing; an
    abandoned intent's draw is not given back, because its key may have been used.
    """
    uses: list[Use] = []
    for grant in usable.grants:
        waiting = intent_ids[len(uses) :]
        if waiting:
            uses += [
                Use(intent_id, usable.seal_edition_id, grant.id, usable.outside_status_id, place)
                for intent_id in waiting[: _draw(session, grant, day, len(waiting))]
            ]
    return uses


def give_back_uses(session: Session, uses: Sequence[Use], day: date) -> None:
    """Uses that were drawn in this transaction, for licences that lack the use of another seal."""
    for authorisation_id, count in sorted(Counter(use.authorisation_id for use in uses).items()):
        row = AuthorisationDay.authorisation_id == authorisation_id, AuthorisationDay.day == day
        changed_rows(session, update(AuthorisationDay).where(*row).values(used=AuthorisationDay.used - count))


def limit_used_up(place: int = 1) -> VermilionError:
    """The answer to whoever no use is left for."""
    detail = "the authorisation's daily limit is used up"
    return field_fault(_pointer(place), "daily_limit", detail, Kind.CONFLICT)


def _pointer(place: int) -> str:
    """Where a request names the seal at a place."""
    return "/seal" if place == 1 else f"/co_seals/{place - 2}"


def _not_authorised() -> VermilionError:
    detail = "the keeper has not authorised this client for this type"
    return _unusable(Kind.FORBIDDEN, "not_authorised", detail)


def still_usable(
    session: Session,
    *,
    seal_edition_id: str,
    state_version: int,
    authorisation_id: str,
    client_id: str,
    type_code: str,
    day: date,
    agency_code: str | None,
) -> bool:
    """Whether what `usable_seal` found still holds, client and entitlement included. `agency_code`: whose
    the seal has to be; None for one beside another's.

    The seal's row stays locked until the caller's transaction ends: a suspension comes wholly before, and
    makes this False, or wholly after.
    """
    row = _LOCKED.first(session, seal_edition_id=seal_edition_id)
    if row is None or (row.state, row.state_version) != (ACTIVE, state_version):
        return False
    if agency_code not in (None, row.agency_code):
        return False
    asked = {"seal_code": row.code, "client_id": client_id, "type_code": type_code, "day": day}
    return _STILL_HOLDS.first(session, authorisation_id=authorisation_id, **asked) is not None


_LOCKED = Prepared(
    select(Seal.code, Seal.agency_code, Seal.state, Seal.state_version)
    .join(SealEdition, SealEdition.seal_code == Seal.code)
    .where(SealEdition.id == bindparam("seal_edition_id"))
    .with_for_update(read=True, of=Seal)
)
_STILL_HOLDS = Prepared(
    select(StandingAuthorisation.id)
    .join(Client, Client.id == StandingAuthorisation.client_id)
    .join(ClientType, ClientType.client_id == Client.id)
    .where(
        *_HOLDS,
        StandingAuthorisation.id == bindparam("authorisation_id"),
        Client.active,
        ClientType.type_code == bindparam("type_code"),
    )
    .with_for_update(read=True, of=[StandingAuthorisation, Client])
)


def begin_uses(session: Session, uses: Sequence[Use], now: datetime, random: Callable[[int], bytes]) -> None:
    """Record uses before any key is touched; their intents' rows must be written already."""
    insert_rows(
        session,
        SealUse,
        [
            {
                "id": use_id,
                "seal_edition_id": use.seal_edition_id,
                "authorisation_id": use.authorisation_id,
                "intent_id": use.intent_id,
                "place": use.place,
                "state": "begun",
                "document_sha256": None,
                "begun_at": now,
                "ended_at": None,
                "outside_status_id": use.outside_status_id,
            }
            for use_id, use in zip(new_ids(random, len(uses)), uses, strict=True)
        ],
    )


def apply_uses(session: Session, documents: Mapping[str, bytes], now: datetime, co_seals: int = 0) -> None:
    """The seals stand on the registered documents (SHA-256, by intent), with so many `co_seals` on joint ones
    among them. Raises VermilionError(CONFLICT) unless each use was just begun.
    """
    rows = [{"of_intent": intent_id, "document": one, "now": now} for intent_id, one in documents.items()]
    _require_all(_APPLY.write(session, rows) if rows else 0, len(rows) + co_seals)


_APPLY = Prepared(
    update(SealUse)
    .where(SealUse.intent_id == bindparam("of_intent"), SealUse.state == "begun")
    .values(state="applied", document_sha256=bindparam("document"), ended_at=bindparam("now"))
)


def void_uses(session: Session, intent_ids: Sequence[str], now: datetime, co_seals: int = 0) -> None:
    """The intents came to nothing, with their `co_seals` on joint licences. Raises VermilionError(CONFLICT)
    unless each use was just begun.
    """
    statement = (
        update(SealUse)
        .where(SealUse.intent_id.in_(intent_ids), SealUse.state == "begun")
        .values(state="void", ended_at=now)
    )
    _require_all(changed_rows(session, statement), len(intent_ids) + co_seals)


def seal_material(session: Session, seal_edition_id: str) -> SealMaterial:
    """Key, certificate, chain and picture of a seal edition, as its maker signed them.

    Raises VermilionError: NOT_FOUND; UNAVAILABLE with `seal_edition_altered`.
    """
    edition = _MATERIAL.first(session, id=seal_edition_id)
    if edition is None:
        raise VermilionError(Kind.NOT_FOUND, "no such seal edition", reason="seal_unknown")
    assert edition.der is not None  # an edition is recorded after its certificate
    require_as_made(session, edition, edition.der)
    return SealMaterial(
        key=KeyRef(edition.key_id, Purpose(edition.purpose), edition.suite),
        certificate=edition.der,
        chain=(
            embedded_issuers(session, edition.certificate_serial)
            if edition.issuer_key_id is None
            else chain_of(session, edition.key_id)
        ),
        picture=SealPicture(edition.picture_type, edition.picture, edition.width_mm, edition.height_mm),
    )


_MATERIAL = Prepared(
    select(
        *SealEdition.__table__.columns,
        Certificate.der,
        Certificate.issuer_key_id,
        Key.purpose,
        Key.suite,
    )
    .join(Certificate, Certificate.serial == SealEdition.certificate_serial)
    .join(Key, Key.id == SealEdition.key_id)
    .where(SealEdition.id == bindparam("id"))
)


def qr_key(session: Session, agency_code: str, now: datetime) -> Serving:
    """The key that signs the agency's QR credentials now: certified, and named by a published trust list.

    Raises VermilionError: CONFLICT with `no_qr_key` or `qr_key_expired`; UNAVAILABLE with `qr_key_unlisted`
    until the next trust list.
    """
    found = serving_key(session, ProfileName.QR, now, agency_code)
    if found is not None:
        return found
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


def _status(session: Session, certificate_serial: str, now: datetime) -> str | None:
    """See `current_good`; a refusal names the seal."""
    certificate = session.get_one(Certificate, certificate_serial)
    try:
        return current_good(session, certificate, now)
    except VermilionError as error:
        faults = (Fault("/seal", error.reason, error.detail),)
        raise VermilionError(
            error.kind, error.detail, reason=error.reason, faults=faults, retry_after=error.retry_after
        ) from None


def _unusable(kind: Kind, reason: str, detail: str) -> VermilionError:
    return field_fault("/seal", reason, detail, kind)


def _valid_on(begin: datetime, end: datetime, day: date) -> bool:
    # A civil day is not a UTC day: the custodian's policy asks again, by the instant.
    return begin.date() <= day + timedelta(days=1) and day < end.date()


def _draw(session: Session, grant: Grant, day: date, wanted: int) -> int:
    """Take so many from the day's limit, or what is left of it, by conditional statements: how many."""
    row = (AuthorisationDay.authorisation_id == grant.id, AuthorisationDay.day == day)

    def taken(count: int) -> bool:
        most = grant.daily_limit - count
        return _TAKE.changed(session, of=grant.id, on=day, drawn=count, most=most) == 1

    if taken(wanted):
        return wanted
    if session.scalar(select(AuthorisationDay.day).where(*row)) is None:
        try:
            with session.begin_nested():  # two may find the day missing; one inserts it
                session.execute(insert(AuthorisationDay).values(authorisation_id=grant.id, day=day, used=0))
        except IntegrityError:
            pass
    # Locked from here on, and another may have begun the day, or added to it, since it was looked at.
    used = session.scalars(select(AuthorisationDay.used).where(*row).with_for_update()).one()
    count = min(wanted, grant.daily_limit - used)
    return count if count > 0 and taken(count) else 0


_TAKE = Prepared(
    update(AuthorisationDay)
    .where(
        AuthorisationDay.authorisation_id == bindparam("of"),
        AuthorisationDay.day == bindparam("on"),
        AuthorisationDay.used <= bindparam("most"),
    )
    .values(used=AuthorisationDay.used + bindparam("drawn"))
)


def _require_all(changed: int, wanted: int) -> None:
    if changed != wanted:
        raise VermilionError(Kind.CONFLICT, "no seal use is open for this intent", reason="seal_use")
