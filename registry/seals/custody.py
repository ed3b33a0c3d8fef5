"""What a custodian asks the registry before a key is used, and where each use is written down.

The policy permits exactly the signatures that a committed row has announced: an open intent, a certificate or
a trust list of these very bytes. Everything else is refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from asn1crypto import x509
from sqlalchemy import bindparam, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.clock import Clock
from keys.custodian import KeyRef, Policy, Purpose, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from keys.profiles import PROFILES, ProfileName
from registry.archive.transfer_tables import ArchiveStatement
from registry.database import Database
from registry.driver_select import Prepared
from registry.rows import changed_rows, insert_rows, new_ids
from registry.seals.answer_ledger import KINDS as BLOCK_KINDS
from registry.seals.answer_ledger import BlockLedger
from registry.seals.answer_policy import AnswerPolicy, require_answer_form
from registry.seals.drawn_pages import require_drawn
from registry.seals.intent_policy import require_intents
from registry.seals.maker import require_drafted_edition
from registry.seals.outside_request import require_drafted_request
from registry.seals.status_policy import (
    require_drafted_crl,
    require_drafted_status_list,
    require_true_answer,
)
from registry.seals.tables import (
    Ceremony,
    Certificate,
    Key,
    KeyUse,
    PublishedTrustList,
    TrustListDraft,
)
from registry.seals.time_stamp_policy import require_announced, require_document_stamp
from registry.vault import Vault

UNWRAP = "unwrap"  # a kind of use beside those of signatures
_INTENT = re.compile(r"intent:([0-9a-f]{32})(?::([23]))?")  # with the place of a further seal
_CERTIFICATE = re.compile(r"certificate:([0-9a-f]{1,40})")
_TIME_STAMP = re.compile(
    r"intent:([0-9a-f]{32})(?::([23]))?|time-stamp:([0-9a-f]{1,40})"
    r"|document-stamp:([0-9a-f]{32}):([1-9][0-9]{0,5})"
    r"|archive:[0-9a-f]{32}"  # a night's evidence, or a report: each once
)
_TRUST_LIST = re.compile(r"trust-list:([1-9][0-9]{0,8})")
_CEREMONY = re.compile(r"ceremony:([0-9a-f]{64}):([1-9][0-9]{0,5})")
_CRL = re.compile(r"crl:([0-9a-f]{32}):([1-9][0-9]{0,8})")
_OCSP = re.compile(r"ocsp:[0-9a-f]{32}")
_REQUEST = re.compile(r"certification-request:([0-9a-f]{32})")
_SEAL_EDITION = re.compile(r"seal-edition:([0-9a-f]{32})")
_STATUS_LIST_JWT = re.compile(r"status-list:(0|[1-9][0-9]{0,8}):([1-9][0-9]{0,8}):jwt")
_STATUS_LIST_CWT = re.compile(r"status-list:(0|[1-9][0-9]{0,8}):([1-9][0-9]{0,8}):cwt")
_ANSWER = re.compile(r"answer:([0-9a-f]{32})")
_STATEMENT = re.compile(r"archive-statement:([0-9a-f]{32})")
_PAGE = re.compile(r"answer-page:[0-9a-f]{32}")
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
    SignKind.STATUS_LIST_JWT: _STATUS_LIST_JWT,
    SignKind.STATUS_LIST_CWT: _STATUS_LIST_CWT,
    SignKind.SIGNED_ANSWER: _ANSWER,
    SignKind.ARCHIVE_STATEMENT: _STATEMENT,
    SignKind.PAGE_ATTRIBUTES: _PAGE,
}
_LISTED = frozenset({Purpose.QR, Purpose.TSA, Purpose.STATUS_LIST, Purpose.RECEIPT})
"""What nobody could recognise that a trust list does not name."""
_BEFORE_IT_SERVES = frozenset({SignKind.CERTIFICATE, SignKind.CERTIFICATION_REQUEST})
"""What a key signs, or an authority for it, that does not serve yet; each asks for itself."""
# Which profiles an authority's key may sign; a root's own is among them.
_SIGNS = {
    Purpose.ROOT_CA: frozenset(
        {ProfileName.ROOT, ProfileName.ROOT_LINK, ProfileName.ISSUING, ProfileName.TRUST_LIST}
    ),
    Purpose.ISSUING_CA: frozenset(
        {
            ProfileName.SEAL,
            ProfileName.TSA,
            ProfileName.QR,
            ProfileName.OCSP,
            ProfileName.SEAL_MAKER,
            ProfileName.STATUS_LIST,
            ProfileName.RECEIPT,
        }
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
                "id": use_id,
                "key_id": ref.id,
                "record": request.record,
                "kind": request.kind.value,
                "digest": hashlib.sha256(request.data).digest(),
                "begun_at": now,
                "ended_at": None,
                "signed": None,
            }
            for use_id, request in zip(new_ids(self._random, len(requests)), requests, strict=True)
        ]
        try:
            with self._database.transaction() as session:
                insert_rows(session, KeyUse, rows)
        except IntegrityError:
            raise VermilionError(
                Kind.KEY_REFUSED, "the key has served this record already", reason="record_used"
            ) from None

    def end(self, ref: KeyRef, requests: Sequence[SignRequest], signed: bool) -> None:
        """Write down how the uses begun came out; where a licence is on its way, with what is written for it
        next (`Database.carrying`): until then they stand as begun.
        """
        if _in_blocks(requests):
            self._blocks.end(ref, requests, signed)
            return
        records = [request.record for request in requests]
        asked = {"of_key": ref.id, "records": records, "now": self._clock(), "came_out": signed}

        def write(session: Session) -> None:
            _END.changed(session, **asked)

        if not self._database.later(write):
            with self._database.transaction() as session:
                write(session)

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


_END = Prepared(
    update(KeyUse)
    .where(
        KeyUse.key_id == bindparam("of_key"),
        KeyUse.record.in_(bindparam("records", expanding=True)),
        KeyUse.ended_at.is_(None),
    )
    .values(ended_at=bindparam("now"), signed=bindparam("came_out"))
)


def _in_blocks(requests: Sequence[SignRequest]) -> bool:
    return all(request.kind in BLOCK_KINDS for request in requests)


def registry_policy(database: Database, clock: Clock, zone: ZoneInfo, vault: Vault) -> Policy:
    """The policy of this registry's custodian. It raises VermilionError(KEY_REFUSED) to refuse."""
    answers = AnswerPolicy(database.read, clock, zone)

    def policy(ref: KeyRef, requests: Sequence[SignRequest]) -> None:
        now = clock()
        with Session(database.read) as session:
            key = _KEY.first(session, id=ref.id, now=now)
            if key is None or key.purpose != ref.purpose.value:
                _refuse("the key is not one of the registry's", "key_state")
            asked = [(request, _asked_by(request)) for request in requests]
            if not all(request.kind in _BEFORE_IT_SERVES for request in requests):
                _require_serving(key)
            for request, match in asked:
                _require_on_record(session, ref, key, now, request, match)
            stamps = [(request, match) for request, match in asked if request.kind is SignKind.TIME_STAMP]
            if stamps:
                _require_stamps(session, ref, stamps, now)
            # A time-stamp for whoever asked, or of a document, serves no open intent.
            serving = [
                (match[1], int(match[2] or 1), request)
                for request, match in asked
                if match.re in (_INTENT, _TIME_STAMP) and match[1] is not None
            ]
            if serving:
                require_intents(session, vault, ref, key, serving, now, zone)
            said = [
                require_answer_form(session, key, request, match[1], now)
                for request, match in asked
                if request.kind is SignKind.SIGNED_ANSWER
            ]
        for content in said:  # by connections of its own
            answers.require_true(content, now)

    return policy


def _asked_by(request: SignRequest) -> re.Match[str]:
    """The record that asks. What the bytes are decides which one can: else bytes of one kind, made to read as
    another kind's, would be signed under a record that never announced them.
    """
    match = _RECORDS[request.kind].fullmatch(request.record)
    if match is None:
        _refuse("no record of the registry asks for this", "record")
    return match


def _require_on_record(
    session: Session, ref: KeyRef, key: Key, now: datetime, request: SignRequest, match: re.Match[str]
) -> None:
    """What is asked for one by one; time-stamps and whatever serves intents are asked for together."""
    if request.kind is SignKind.CERTIFICATE:
        _require_reserved(session, ref, key, match[1], request.data)
    elif request.kind is SignKind.CERTIFICATION_REQUEST:
        require_drafted_request(session, key, match[1], request.data)
    elif request.kind is SignKind.TRUST_LIST:
        _require_draft(session, int(match[1]), request.data)
    elif request.kind is SignKind.CEREMONY_TRANSCRIPT:
        _require_ceremony(session, key, match[1], int(match[2]), request.data)
    elif request.kind is SignKind.CRL:
        require_drafted_crl(session, key, match[1], int(match[2]), request.data, now)
    elif request.kind is SignKind.OCSP_RESPONSE:
        require_true_answer(session, key, request.data, now)
    elif request.kind is SignKind.SEAL_EDITION:
        require_drafted_edition(session, key, match[1], request.data)
    elif request.kind is SignKind.ARCHIVE_STATEMENT:
        _require_stated(session, match[1], request.data)
    elif request.kind is SignKind.PAGE_ATTRIBUTES:
        require_drawn(request.data)
    elif request.kind in (SignKind.STATUS_LIST_JWT, SignKind.STATUS_LIST_CWT):
        require_drafted_status_list(session, key, int(match[1]), int(match[2]), request, now)


def _require_stamps(
    session: Session, ref: KeyRef, stamps: Sequence[tuple[SignRequest, re.Match[str]]], now: datetime
) -> None:
    imprints = require_announced(session, ref, [(request, match[3]) for request, match in stamps], now)
    for (_, match), imprint in zip(stamps, imprints, strict=True):
        if match[4] is not None:
            require_document_stamp(session, match[4], int(match[5]), imprint, now)


_KEY = Prepared(
    select(
        *Key.__table__.columns,
        exists()
        .where(
            Certificate.key_id == Key.id,
            Certificate.der.is_not(None),
            Certificate.not_before <= bindparam("now"),
            Certificate.not_after >= bindparam("now"),
        )
        .label("certified"),
    ).where(Key.id == bindparam("id"))
)
"""A key, and whether a certificate of it is valid at the moment."""


def _require_serving(key: Any) -> None:
    """A row of `_KEY`: an active key within its certificate, which relying parties can know of."""
    if key.state != "active":
        _refuse("the key is not an active key of the registry", "key_state")
    if key.listed_at is None and key.purpose in _LISTED:
        _refuse("no trust list names the key yet", "key_unlisted")
    if not key.certified:
        _refuse("the key's certificate is not valid now", "key_expired")


def _require_reserved(session: Session, ref: KeyRef, key: Key, serial: str, data: bytes) -> None:
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
        _require_serving(key)
    elif subject.id != ref.id:
        _refuse("a root signs no other root's own certificate", "profile")
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


def _require_stated(session: Session, statement_id: str, data: bytes) -> None:
    """A statement to another archive is the very one on record."""
    statement = session.get(ArchiveStatement, statement_id)
    if statement is None or hashlib.sha256(data).digest() != statement.input_sha256:
        _refuse("the statement is not the one on record", "archive_statement")


def _require_ceremony(session: Session, key: Key, file_sha256: str, attempt: int, data: bytes) -> None:
    """A transcript is the very one on record of a ceremony that is not over, under the root it names."""
    ceremony = session.get(Ceremony, file_sha256)
    if ceremony is None or ceremony.transcript is not None or ceremony.attempt != attempt:
        _refuse("this is not a transcript that waits for its signature", "ceremony")
    if ceremony.root_key_id != key.id or hashlib.sha256(data).digest() != ceremony.input_sha256:
        _refuse("the transcript is not the one on record", "ceremony")


def _refuse(detail: str, reason: str) -> NoReturn:
    raise VermilionError(Kind.KEY_REFUSED, detail, reason=reason)
