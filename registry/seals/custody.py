"""What a custodian asks the registry before a key is used, and where each use is written down.

The policy permits exactly the signatures that a committed row has announced: an open intent, a certificate or
a trust list of these very bytes. Everything else is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NoReturn
from zoneinfo import ZoneInfo

import cbor2
from asn1crypto import x509
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.clock import Clock
from keys.custodian import KeyRef, Policy, Purpose, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from keys.profiles import PROFILES, ProfileName
from keys.suite import SUITES, ecdsa
from registry.agencies.tables import Client, ClientType
from registry.database import Database
from registry.licences.digests import link_digest
from registry.licences.records import kept_record
from registry.licences.tables import Intent, TypeVersion
from registry.licences.types import parse_type
from registry.rows import changed_rows
from registry.seals.answer_ledger import KINDS as BLOCK_KINDS
from registry.seals.answer_ledger import BlockLedger
from registry.seals.maker import require_drafted_edition
from registry.seals.outside_request import require_drafted_request
from registry.seals.outside_status import current_good
from registry.seals.status_policy import require_drafted_crl, require_true_answer
from registry.seals.tables import (
    Ceremony,
    Certificate,
    Key,
    KeyUse,
    PublishedTrustList,
    Seal,
    SealEdition,
    SealUse,
    StandingAuthorisation,
    TrustListDraft,
)
from registry.seals.time_stamp_policy import require_announced, require_repair
from registry.vault import Vault
from signing.claims import claims_of
from signing.credential import parse_id, sig_structure
from signing.record import Record

UNWRAP = "unwrap"  # a kind of use beside those of signatures
_INTENT = re.compile(r"intent:([0-9a-f]{32})")
_CERTIFICATE = re.compile(r"certificate:([0-9a-f]{1,40})")
_TIME_STAMP = re.compile(
    r"intent:([0-9a-f]{32})|time-stamp:([0-9a-f]{1,40})|repair:([0-9a-f]{32}):([1-9][0-9]{0,5})"
)
_TRUST_LIST = re.compile(r"trust-list:([1-9][0-9]{0,8})")
_CEREMONY = re.compile(r"ceremony:([0-9a-f]{64}):([1-9][0-9]{0,5})")
_CRL = re.compile(r"crl:([0-9a-f]{32}):([1-9][0-9]{0,8})")
_OCSP = re.compile(r"ocsp:[0-9a-f]{32}")
_REQUEST = re.compile(r"certification-request:([0-9a-f]{32})")
_SEAL_EDITION = re.compile(r"seal-edition:([0-9a-f]{32})")
_RECORDS = {
    SignKind.CERTIFICATE: _CERTIFICATE,
    SignKind.TRUST_LIST: _TRUST_LIST,
    SignKind.CEREMONY_TRANSCRIPT: _CEREMONY,
    SignKind.CERTIFICATION_REQUEST: _REQUEST,
    SignKind.CRL: _CRL,
    SignKind.OCSP_RESPONSE: _OCSP,
    SignKind.SEAL_EDITION: _SEAL_EDITION,
    SignKind.SIGNED_ATTRIBUTES: _INTENT,
    SignKind.TIME_STAMP: _TIME_STAMP,
    SignKind.SIG_STRUCTURE: _INTENT,
}
# Which profiles an authority's key may sign; a root's own is among them.
_SIGNS = {
    Purpose.ROOT_CA: frozenset({ProfileName.ROOT, ProfileName.ISSUING, ProfileName.TRUST_LIST}),
    Purpose.ISSUING_CA: frozenset(
        {ProfileName.SEAL, ProfileName.TSA, ProfileName.QR, ProfileName.OCSP, ProfileName.SEAL_MAKER}
    ),
}


class DatabaseLedger:
    """The use ledger on table `key_use`, in short transactions of its own, so that a use is on record
    whatever becomes of the caller's work. One (key, record) is served once, by a unique constraint. Answers
    to strangers are counted in blocks (`answer_ledger`).
    """

    def __init__(self, database: Database, clock: Clock, random: Callable[[int], bytes]) -> None:
        self._database = database
        self._clock = clock
        self._random = random
        self._blocks = BlockLedger(database, clock, random)

    def begin(self, ref: KeyRef, requests: Sequence[SignRequest]) -> None:
        """Raises VermilionError(KEY_REFUSED) if a (key, record) was used before."""
        if _in_blocks(requests):
            self._blocks.begin(ref, requests)
            return
        now = self._clock()
        rows = [
            {
                "id": self._random(16).hex(),
                "key_id": ref.id,
                "record": request.record,
                "kind": request.kind.value,
                "digest": hashlib.sha256(request.data).digest(),
                "begun_at": now,
                "ended_at": None,
                "signed": None,
            }
            for request in requests
        ]
        try:
            with self._database.transaction() as session:
                session.execute(insert(KeyUse), rows)
        except IntegrityError:
            raise VermilionError(
                Kind.KEY_REFUSED, "the key has served this record already", reason="record_used"
            ) from None

    def end(self, ref: KeyRef, requests: Sequence[SignRequest], signed: bool) -> None:
        """Write down how the uses begun came out."""
        if _in_blocks(requests):
            self._blocks.end(ref, requests, signed)
            return
        records = [request.record for request in requests]
        statement = (
            update(KeyUse)
            .where(KeyUse.key_id == ref.id, KeyUse.record.in_(records), KeyUse.ended_at.is_(None))
            .values(ended_at=self._clock(), signed=signed)
        )
        with self._database.transaction() as session:
            changed_rows(session, statement)

    def begin_unwrap(self, key_id: str, record: str, wrapped: bytes) -> str:
        """A row of the same table. A data key is unwrapped as often as processes start, so chance numbers
        the uses.
        """
        use = f"{record}#{self._random(8).hex()}"
        row = {
            "id": self._random(16).hex(),
            "key_id": key_id,
            "record": use,
            "kind": UNWRAP,
            "digest": hashlib.sha256(wrapped).digest(),
            "begun_at": self._clock(),
        }
        with self._database.transaction() as session:
            session.execute(insert(KeyUse).values(row))
        return use

    def end_unwrap(self, key_id: str, use: str, done: bool) -> None:
        statement = (
            update(KeyUse)
            .where(KeyUse.key_id == key_id, KeyUse.record == use)
            .values(ended_at=self._clock(), signed=done)
        )
        with self._database.transaction() as session:
            changed_rows(session, statement)


def _in_blocks(requests: Sequence[SignRequest]) -> bool:
    return all(request.kind in BLOCK_KINDS for request in requests)


def registry_policy(database: Database, clock: Clock, zone: ZoneInfo, vault: Vault) -> Policy:
    """The policy of this registry's custodian. It raises VermilionError(KEY_REFUSED) to refuse."""

    def policy(ref: KeyRef, request: SignRequest) -> None:
        now = clock()
        with Session(database.read) as session:
            key = session.get(Key, ref.id)
            if key is None or key.purpose != ref.purpose.value:
                _refuse("the key is not one of the registry's", "key_state")
            # What the bytes are decides which record can ask for them: else bytes of one kind, made to read
            # as another kind's, would be signed under a record that never announced them.
            match = _RECORDS[request.kind].fullmatch(request.record)
            if match is None:
                _refuse("no record of the registry asks for this", "record")
            if request.kind is SignKind.CERTIFICATE:
                _require_reserved(session, ref, key, now, match[1], request.data)
                return
            if request.kind is SignKind.CERTIFICATION_REQUEST:
                require_drafted_request(session, key, match[1], request.data)
                return
            _require_serving(session, key, now)
            if request.kind is SignKind.TRUST_LIST:
                _require_draft(session, int(match[1]), request.data)
            elif request.kind is SignKind.CEREMONY_TRANSCRIPT:
                _require_ceremony(session, key, match[1], int(match[2]), request.data)
            elif request.kind is SignKind.CRL:
                require_drafted_crl(session, key, match[1], int(match[2]), request.data)
            elif request.kind is SignKind.OCSP_RESPONSE:
                require_true_answer(session, key, request.data, now)
            elif request.kind is SignKind.SEAL_EDITION:
                require_drafted_edition(session, key, match[1], request.data)
            elif request.kind is SignKind.TIME_STAMP:
                imprint = require_announced(session, ref, request, now, serial=match[2])
                if match[3] is not None:
                    require_repair(session, match[3], int(match[4]), imprint, now)
            intent_id = match[1] if match.re in (_INTENT, _TIME_STAMP) else None
            if intent_id is not None:  # a time-stamp for whoever asked, or to repair, serves no open intent
                intent, record = _require_intent(session, vault, ref, intent_id, now, zone)
                if request.kind is SignKind.SIG_STRUCTURE:
                    _require_own_credential(session, ref, key, intent, record, request.data)

    return policy


def _require_serving(session: Session, key: Key, now: datetime) -> None:
    """An active key within its certificate, which relying parties can know of."""
    if key.state != "active":
        _refuse("the key is not an active key of the registry", "key_state")
    if key.listed_at is None and key.purpose in (Purpose.QR, Purpose.TSA):
        _refuse("no trust list names the key yet", "key_unlisted")
    valid = select(Certificate.serial).where(
        Certificate.key_id == key.id,
        Certificate.der.is_not(None),
        Certificate.not_before <= now,
        Certificate.not_after >= now,
    )
    if session.scalar(valid.limit(1)) is None:
        _refuse("the key's certificate is not valid now", "key_expired")


def _require_intent(
    session: Session, vault: Vault, ref: KeyRef, intent_id: str, now: datetime, zone: ZoneInfo
) -> tuple[Intent, Record]:
    """A seal, a QR credential or a time-stamp serves an open intent within its lease, under its own keys,
    while the seal is as it was when the intent was written, its keeper's authorisation holds for the record's
    type, and the client may issue it.
    """
    row = session.execute(
        select(Intent, SealEdition, Seal, StandingAuthorisation, SealUse.state, Client.active)
        .join(SealEdition, SealEdition.id == Intent.seal_edition_id)
        .join(Seal, Seal.code == SealEdition.seal_code)
        .join(StandingAuthorisation, StandingAuthorisation.id == Intent.authorisation_id)
        .join(Client, Client.id == Intent.client_id)
        .outerjoin(SealUse, SealUse.intent_id == Intent.id)
        .where(Intent.id == intent_id)
    ).one_or_none()
    if row is None:
        _refuse("there is no such intent", "intent")
    intent, edition, seal, authorisation, use, client_active = row
    if intent.state != "open" or intent.lease_until <= now or use != "begun":
        _refuse("the intent is not open, or its lease has run out", "intent")
    own = {Purpose.SEAL: edition.key_id, Purpose.QR: intent.qr_key_id, Purpose.TSA: ref.id}.get(ref.purpose)
    if own != ref.id:
        _refuse("the key is not one of the intent's own", "key_of_intent")
    if (seal.state, seal.state_version) != ("active", intent.seal_state_version):
        _refuse("the seal is not active as it was", "seal_not_active")
    if not edition.valid_from <= now <= edition.valid_to:
        _refuse("the seal is past its validity", "seal_expired")
    try:
        current_good(session, session.get_one(Certificate, edition.certificate_serial), now)
    except VermilionError as error:
        _refuse(error.detail, error.reason)
    record = kept_record(vault, intent.id, intent.record)
    day = now.astimezone(zone).date()
    if (
        authorisation.withdrawn_at is not None
        or not authorisation.valid_from <= day <= authorisation.valid_to
        or authorisation.seal_code != seal.code
        or authorisation.client_id != intent.client_id
        or authorisation.type_code != record.type_code
    ):
        _refuse("the keeper's authorisation does not hold", "not_authorised")
    if not client_active or session.get(ClientType, (intent.client_id, record.type_code)) is None:
        _refuse("the client may not issue this type", "not_entitled")
    return intent, record


def _require_own_credential(
    session: Session, ref: KeyRef, key: Key, intent: Intent, record: Record, data: bytes
) -> None:
    """A QR credential says what the intent's record says, for the intent's own link."""
    version = session.get_one(TypeVersion, (record.type_code, record.type_version))
    licence_type = parse_type(version.slug, version.type_toml, version.face_toml).type
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


def _require_reserved(
    session: Session, ref: KeyRef, key: Key, now: datetime, serial: str, data: bytes
) -> None:
    """A certificate is the very one on record under its serial, unsigned, for a reserved key."""
    row = session.execute(
        select(Certificate, Key).join(Key, Key.id == Certificate.key_id).where(Certificate.serial == serial)
    ).one_or_none()
    if row is None:
        _refuse("the serial is not reserved", "serial")
    certificate, subject = row
    if certificate.der is not None:
        _refuse("the serial is signed already", "serial")
    profile = ProfileName(certificate.profile)
    if profile not in _SIGNS.get(ref.purpose, frozenset()):
        _refuse("this authority does not sign that profile", "profile")
    if subject.state != "reserved":
        _refuse("the key has its certificate already", "serial")
    if profile is not ProfileName.ROOT:
        _require_serving(session, key, now)
    elif subject.id != ref.id:
        _refuse("a root signs no other root", "profile")
    tbs = x509.TbsCertificate.load(data)  # the custodian has parsed it strictly before it asks
    if (
        hashlib.sha256(data).digest() != certificate.tbs_sha256
        or f"{tbs['serial_number'].native:x}" != serial
        or tbs["subject_public_key_info"].dump() != subject.public_key
        or _is_ca(tbs) is not PROFILES[profile].ca
    ):
        _refuse("the certificate is not the one that was reserved", "serial")


def _is_ca(tbs: x509.TbsCertificate) -> bool:
    for extension in tbs["extensions"]:
        if extension["extn_id"].native == "basic_constraints":
            return bool(extension["extn_value"].parsed["ca"].native)
    return False


def _require_draft(session: Session, sequence: int, data: bytes) -> None:
    """A trust list is the very one on record under its number, and none later is published."""
    draft = session.get(TrustListDraft, sequence)
    published = session.scalar(select(func.max(PublishedTrustList.sequence))) or 0
    if draft is None or sequence <= published:
        _refuse("this is not a trust list that waits for its signature", "sequence")
    if hashlib.sha256(data).digest() != draft.input_sha256:
        _refuse("the trust list is not the one on record", "trust_list")


def _require_ceremony(session: Session, key: Key, file_sha256: str, attempt: int, data: bytes) -> None:
    """A transcript is the very one on record of a ceremony that is not over, under the root it names."""
    ceremony = session.get(Ceremony, file_sha256)
    if ceremony is None or ceremony.transcript is not None or ceremony.attempt != attempt:
        _refuse("this is not a transcript that waits for its signature", "ceremony")
    if ceremony.root_key_id != key.id or hashlib.sha256(data).digest() != ceremony.input_sha256:
        _refuse("the transcript is not the one on record", "ceremony")


def _refuse(detail: str, reason: str) -> NoReturn:
    raise VermilionError(Kind.KEY_REFUSED, detail, reason=reason)
