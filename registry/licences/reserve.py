"""Transaction 1: everything that will be printed is fixed, and the intent to print it written down.

No key has been touched when it commits, and nothing it reserved outlives an abandoned intent but the
registry's own serial, slot and number (design, section 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.x509.oid import NameOID
from sqlalchemy import func, insert, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from keys.custodian import KeyRef
from keys.errors import Kind, VermilionError, field_fault
from registry.actor import Actor
from registry.database import Base
from registry.licences.digests import link_digest, lookup_digest
from registry.licences.examine import Examined, IssueRequest, may_issue, not_entitled, number_field
from registry.licences.numbers import (
    STATUS_LIST_SIZE,
    new_lookup_code,
    new_number,
    new_serial,
    number_mac,
    uniform,
)
from registry.licences.records import close_record
from registry.licences.tables import IdempotencyKey, Intent, Licence, Number, StatusIndex
from registry.licences.types import still_published
from registry.ports import Random
from registry.seals.authority import chain
from registry.seals.tables import Key
from registry.seals.use import authorise_use, begin_use, qr_key, seal_material
from registry.vault import Vault
from signing.claims import claims_of
from signing.codes import make_identifier
from signing.credential import normal_origin
from signing.document import SealMaterial
from signing.record import Record

FIRST_FENCE = 1
SLOT_PROBES = 24
"""When so many random slots in a row are taken, the next status list is begun: at 58 to 68 % of a list's
slots nine times in ten, above half of them and below 70 % but for one list in 200. Nothing is counted, and
no row is every issue's.
"""


@dataclass(frozen=True, slots=True)
class Reserved:
    """All that drawing and sealing need, so that they hold no connection. Secrets of the paper included."""

    intent_id: str
    fence: int
    record: Record
    examined: Examined
    origin: str
    link_id: bytes
    lookup_code: str
    qr: KeyRef
    qr_kid: bytes
    material: SealMaterial


@dataclass(frozen=True, slots=True)
class Setting:
    """The moment and the manner of one reservation."""

    now: datetime
    day: date
    lease: timedelta
    origin: str
    vault: Vault
    random: Random


def reserve(
    session: Session,
    actor: Actor,
    request: IssueRequest,
    examined: Examined,
    setting: Setting,
    *,
    intent_id: str,
    idempotency: tuple[str, bytes] | None,
) -> Reserved:
    """Reserve number, identifier, slot and seal use, and write the intent.

    `idempotency` is the key and the MAC of the request; None in a dry run, which is rolled back.
    Raises VermilionError: FORBIDDEN or CONFLICT from the seal's rules, CONFLICT `number_taken`.
    """
    random, licence_type = setting.random, examined.loaded.type
    entitled = may_issue(session, actor.client_id, actor.agency_code, licence_type.code)
    if not entitled or not still_published(session, licence_type.code, licence_type.version):
        raise not_entitled()
    usable = authorise_use(
        session,
        seal_code=request.seal_code,
        client_id=actor.client_id,
        agency_code=actor.agency_code,
        type_code=licence_type.code,
        seal_kind=licence_type.seal_kind,
        day=setting.day,
        now=setting.now,
    )
    material = seal_material(session, usable.seal_edition_id)
    qr = qr_key(session, actor.agency_code, setting.now)
    qr_kid = sha256(session.get_one(Key, qr.id).public_key).digest()[:8]

    licence_id, serial = random(16).hex(), new_serial(random)
    session.execute(
        insert(Licence).values(
            id=licence_id,
            type_code=licence_type.code,
            issuer_code=actor.agency_code,
            serial=serial,
            created_at=setting.now,
        )
    )
    number = _reserve_number(session, examined, actor.agency_code, licence_id, setting)
    status_list, status_index = free_slot(session, random)
    record = first_edition(
        examined,
        actor.agency_code,
        serial,
        number,
        (status_list, status_index),
        specimen=is_test(chain(session)[-1]),
    )
    claims_of(record, licence_type)  # what cannot be printed is refused here
    link_id, lookup_code = random(16), new_lookup_code(random)
    session.execute(
        insert(Intent).values(
            id=intent_id,
            licence_id=licence_id,
            client_id=actor.client_id,
            person_id=actor.person_id,
            operator=request.operator,
            matter_code=request.matter_code,
            case_number=request.case_number,
            seal_edition_id=usable.seal_edition_id,
            seal_state_version=usable.state_version,
            authorisation_id=usable.authorisation_id,
            qr_key_id=qr.id,
            record=close_record(setting.vault, intent_id, record),
            origin=setting.origin,
            link_id_sha256=link_digest(link_id),
            lookup_sha256=lookup_digest(record.identifier, lookup_code),
            state="open",
            fence=FIRST_FENCE,
            lease_until=setting.now + setting.lease,
            created_at=setting.now,
        )
    )
    _take(
        session,
        StatusIndex,
        {"list": status_list, "index": status_index, "intent_id": intent_id, "invalid": False},
    )
    begin_use(session, intent_id, usable, setting.now, random)
    if idempotency is not None:
        row = {"client_id": actor.client_id, "key": idempotency[0], "request_mac": idempotency[1]}
        _take(session, IdempotencyKey, {**row, "intent_id": intent_id, "created_at": setting.now})
    session.flush()
    return Reserved(
        intent_id=intent_id,
        fence=FIRST_FENCE,
        record=record,
        examined=examined,
        origin=normal_origin(setting.origin),
        link_id=link_id,
        lookup_code=lookup_code,
        qr=qr,
        qr_kid=qr_kid,
        material=material,
    )


def first_edition(
    examined: Examined, issuer_code: str, serial: str, number: str, slot: tuple[int, int], *, specimen: bool
) -> Record:
    """The record of a licence's first edition; `slot` is its list and index in the status lists."""
    licence_type = examined.loaded.type
    return Record(
        identifier=make_identifier(licence_type.code, issuer_code, serial, 1),
        type_code=licence_type.code,
        type_version=licence_type.version,
        issuer_code=issuer_code,
        number=number,
        edition=1,
        fields={**examined.fields, number_field(licence_type): number},
        issue_date=examined.issue_date,
        valid_from=examined.valid_from,
        valid_to=examined.valid_to,
        status_list=slot[0],
        status_index=slot[1],
        specimen=specimen,
    )


def is_test(issuing: bytes) -> bool:
    """Whether an issuing authority hangs under a root named TEST: its registry seals specimens (样本)."""
    names = x509.load_der_x509_certificate(issuing).issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return any("TEST" in str(name.value).split() for name in names)


def _reserve_number(
    session: Session, examined: Examined, issuer_code: str, licence_id: str, setting: Setting
) -> str:
    rule, given, type_code = examined.loaded.type.number, examined.number, examined.loaded.type.code
    row = {"type_code": type_code, "issuer_code": issuer_code, "licence_id": licence_id}
    for _ in range(1 if given else 20):
        number = given or new_number(rule, setting.random)
        mac = number_mac(setting.vault, type_code, issuer_code, number)
        if insert_if_absent(session, Number, {**row, "number_mac": mac}):
            return number
    detail = "the agency has a licence of this type with this number"
    raise field_fault("/number", "number_taken", detail, Kind.CONFLICT)


def free_slot(session: Session, random: Random) -> tuple[int, int]:
    """A random free slot of the newest status list, or of a new one: list and index.

    Random, because neighbours in a status list would say something about each other.
    """
    newest = session.scalar(select(func.max(StatusIndex.list))) or 0
    for _ in range(SLOT_PROBES):
        index = uniform(random, STATUS_LIST_SIZE)
        if session.get(StatusIndex, (newest, index)) is None:
            return newest, index
    return newest + 1, uniform(random, STATUS_LIST_SIZE)


def _take(session: Session, table: type[Base], values: dict[str, object]) -> None:
    if not insert_if_absent(session, table, values):  # taken between our look and our touch
        raise VermilionError(Kind.UNAVAILABLE, "try again", reason="race", retry_after=1)


def insert_if_absent(session: Session, table: type[Base], values: dict[str, object]) -> bool:
    """Insert a row unless one with its key exists, or is about to: then the answer waits for that one."""
    build = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = build(table).values(**values).on_conflict_do_nothing().returning(literal(1))
    return session.execute(statement).first() is not None
