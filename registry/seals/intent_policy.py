"""What a custodian asks about signatures that serve intents: QR credentials, seals and their time-stamps.

Many are asked about at once, by one statement for all of them: what differs is compared for each intent, what
several share (their client's entitlement, their seal's status outside) is read once.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn, cast
from zoneinfo import ZoneInfo

import cbor2
from sqlalchemy import ColumnElement, and_, bindparam, join, literal, select
from sqlalchemy.orm import Session

from keys.custodian import KeyRef, Purpose, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from keys.suite import SUITES, ecdsa
from registry.agencies.tables import Client, ClientType
from registry.driver_select import Prepared
from registry.licences.digests import link_digest
from registry.licences.records import kept_record
from registry.licences.tables import CoSeal, Intent
from registry.licences.types import licence_type_of
from registry.seals.outside_status import current_good
from registry.seals.tables import Certificate, Key, Seal, SealEdition, SealUse, StandingAuthorisation
from registry.vault import Vault
from signing.claims import claims_of
from signing.credential import parse_id, sig_structure
from signing.licence_type import LicenceType
from signing.record import Record, RecordSeal


def _with_seal(of: type[Intent | CoSeal], place: ColumnElement[int]) -> Prepared:
    """Intents with one of their seals: the first, which the intent itself names, or a further one."""
    source = Intent.__table__ if of is Intent else join(Intent, CoSeal, CoSeal.intent_id == Intent.id)
    return Prepared(
        select(
            Intent.id,
            place.label("place"),
            Intent.state,
            Intent.lease_until,
            Intent.client_id,
            Intent.qr_key_id,
            of.seal_state_version,
            Intent.record,
            Intent.origin,
            Intent.link_id_sha256,
            SealUse.state.label("use"),
            SealEdition.key_id.label("seal_key_id"),
            SealEdition.certificate_serial,
            SealEdition.valid_from.label("edition_from"),
            SealEdition.valid_to.label("edition_to"),
            Seal.code.label("seal_code"),
            Seal.agency_code.label("seal_agency"),
            Seal.state.label("seal_state"),
            Seal.state_version.label("seal_version"),
            StandingAuthorisation.seal_code.label("authorised_seal"),
            StandingAuthorisation.client_id.label("authorised_client"),
            StandingAuthorisation.type_code.label("authorised_type"),
            StandingAuthorisation.valid_from.label("authorised_from"),
            StandingAuthorisation.valid_to.label("authorised_to"),
            StandingAuthorisation.withdrawn_at,
            Client.active.label("client_active"),
            Client.agency_code.label("client_agency"),
            ClientType.type_code.label("entitled_type"),
        )
        .select_from(source)
        .join(SealEdition, SealEdition.id == of.seal_edition_id)
        .join(Seal, Seal.code == SealEdition.seal_code)
        .join(StandingAuthorisation, StandingAuthorisation.id == of.authorisation_id)
        .join(Client, Client.id == Intent.client_id)
        .outerjoin(
            ClientType,
            and_(ClientType.client_id == Client.id, ClientType.type_code == StandingAuthorisation.type_code),
        )
        .outerjoin(SealUse, and_(SealUse.intent_id == Intent.id, SealUse.place == place))
        .where(Intent.id.in_(bindparam("ids", expanding=True)))
    )


_CERTIFICATE = Prepared(
    select(Certificate.serial, Certificate.der, Certificate.issuer_key_id, Certificate.state).where(
        Certificate.serial == bindparam("serial")
    )
)
_FIRST = _with_seal(Intent, literal(1))
_FURTHER = _with_seal(CoSeal, cast("ColumnElement[int]", CoSeal.place))


def require_intents(
    session: Session,
    vault: Vault,
    ref: KeyRef,
    key: Key,
    asked: Sequence[tuple[str, int, SignRequest]],
    now: datetime,
    zone: ZoneInfo,
) -> None:
    """A seal, a QR credential or a time-stamp serves an open intent within its lease, under its own keys,
    while the seal is as it was when the intent was written, its keeper's authorisation holds for the record's
    type, and the client may issue it. `asked`: intents by id, each with the seal's place and what is to be
    signed for it.

    Raises VermilionError(KEY_REFUSED) where one of them may not; UNAVAILABLE.
    """
    rows: dict[tuple[str, int], Any] = {}
    for statement, further in ((_FIRST, False), (_FURTHER, True)):
        ids = {intent_id for intent_id, place, _ in asked if (place > 1) is further}
        if ids:
            found = statement.rows(session, ids=sorted(ids))
            rows |= {(row.id, row.place): row for row in found}
    digests: dict[str, str] = {}  # of the seals' certificates, by their serials
    for serial in sorted({row.certificate_serial for row in rows.values()}):
        certificate = _CERTIFICATE.first(session, serial=serial)
        digests[serial] = hashlib.sha256(certificate.der or b"").hexdigest()
        try:
            current_good(session, certificate, now)
        except VermilionError as error:
            _refuse(error.detail, error.reason)
    types: dict[tuple[str, int], LicenceType] = {}
    for intent_id, place, request in asked:
        if (intent_id, place) not in rows:
            _refuse("there is no such intent", "intent")
        intent = rows[intent_id, place]
        _require_open(ref, intent, now)
        record = kept_record(vault, intent_id, intent.record)
        _require_authorised(intent, record, now.astimezone(zone))
        _require_agencies(intent, record, place, digests[intent.certificate_serial])
        if not (intent.client_active and intent.entitled_type == record.type_code):
            _refuse("the client may not issue this type", "not_entitled")
        if request.kind is SignKind.SIG_STRUCTURE:
            if place > 1:
                _refuse("a credential serves an intent, and none of its further seals", "record")
            if key.agency_code != record.issuer_code:
                _refuse("the credential's key is another agency's than the record's", "issuer")
            version = (record.type_code, record.type_version)
            if version not in types:
                types[version] = licence_type_of(session, *version)
            _require_own_credential(ref, key, intent, record, types[version], request.data)


def _require_open(ref: KeyRef, intent: Any, now: datetime) -> None:
    if intent.state != "open" or intent.lease_until <= now or intent.use != "begun":
        _refuse("the intent is not open, or its lease has run out", "intent")
    own = {Purpose.SEAL: intent.seal_key_id, Purpose.QR: intent.qr_key_id, Purpose.TSA: ref.id}
    if own.get(ref.purpose) != ref.id:
        _refuse("the key is not one of the intent's own", "key_of_intent")
    if (intent.seal_state, intent.seal_version) != ("active", intent.seal_state_version):
        _refuse("the seal is not active as it was", "seal_not_active")
    if not intent.edition_from <= now <= intent.edition_to:
        _refuse("the seal is past its validity", "seal_expired")


def _require_authorised(intent: Any, record: Record, local: datetime) -> None:
    if (
        intent.withdrawn_at is not None
        or not intent.authorised_from <= local.date() <= intent.authorised_to
        or intent.authorised_seal != intent.seal_code
        or intent.authorised_client != intent.client_id
        or intent.authorised_type != record.type_code
    ):
        _refuse("the keeper's authorisation does not hold", "not_authorised")


def _require_agencies(intent: Any, record: Record, place: int, certificate_sha256: str) -> None:
    """A licence is issued and sealed first by the client's own agency; beside it seal the agencies that its
    record names. A keeper's authorisation alone would let a client of another agency use a seal for either.
    """
    issuers = (intent.client_agency, intent.seal_agency) if place == 1 else (intent.client_agency,)
    if any(agency != record.issuer_code for agency in issuers):
        _refuse("the licence is another agency's than its client's or its first seal's", "issuer")
    own = RecordSeal(intent.seal_agency, certificate_sha256)
    named = record.seals[place - 1 : place]
    if named != (own,) and (place > 1 or record.seals):
        _refuse("the record names another seal at this place", "issuer")


def _require_own_credential(
    ref: KeyRef,
    key: Key,
    intent: Any,
    record: Record,
    licence_type: LicenceType,
    data: bytes,
) -> None:
    """A QR credential says what the intent's record says, for the intent's own link."""
    kid = hashlib.sha256(key.public_key).digest()[:8]
    bound_to: bytes = cbor2.loads(data)[
        2
    ]  # external_aad; the custodian has parsed it strictly before it asks
    try:
        link_id = parse_id(bound_to.rpartition(b"|")[2].decode("ascii", "replace"))
        announced, _ = sig_structure(
            claims_of(record, licence_type), kid, ecdsa(SUITES[ref.suite]).cose_alg, intent.origin, link_id
        )
    except VermilionError:
        _refuse("the credential is not the intent's", "credential")
    if announced != data or not hmac.compare_digest(link_digest(link_id), intent.link_id_sha256):
        _refuse("the credential is not the intent's", "credential")


def _refuse(detail: str, reason: str) -> NoReturn:
    raise VermilionError(Kind.KEY_REFUSED, detail, reason=reason)
