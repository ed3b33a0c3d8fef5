"""Transaction 1: everything that will be printed is fixed, and the intent to print it written down.

No key has been touched when it commits, and nothing it reserved outlives an abandoned intent but the
registry's own serial, slot and number (design, section 4.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from sqlalchemy.orm import InstrumentedAttribute, Session

from keys.custodian import KeyRef
from keys.errors import VermilionError
from registry.actor import Actor
from registry.licences.copying import order_row, take_copies
from registry.licences.digests import link_digest, lookup_digest
from registry.licences.examine import Examined, IssueRequest, may_issue, not_entitled, number_field
from registry.licences.holdings import Held, hold, holder_of
from registry.licences.numbers import new_lookup_code
from registry.licences.records import close_record
from registry.licences.succession import succession_row, take_places
from registry.licences.tables import CopyOrder, CoSeal, IdempotencyKey, Intent, StatusIndex, Succession
from registry.licences.taking import (
    Taken,
    Want,
    free_slots,
    give_back,
    number_taken,
    race,
    take_numbers,
)
from registry.licences.types import still_published
from registry.ports import Random
from registry.rows import insert_absent, insert_rows, new_ids
from registry.seals.authority import chain
from registry.seals.use import (
    UsableSeal,
    Use,
    begin_uses,
    draw_uses,
    give_back_uses,
    limit_used_up,
    qr_key,
    seal_material,
    usable_seal,
)
from registry.vault import Vault
from signing.claims import claims_of
from signing.codes import make_identifier
from signing.credential import normal_origin
from signing.document import SealMaterial
from signing.record import Record, RecordSeal

FIRST_FENCE = 1


@dataclass(frozen=True, slots=True)
class Reserved:
    """All that drawing and sealing need, so that they hold no connection. Secrets of the paper included."""

    intent_id: str
    fence: int
    record: Record
    claims: dict[int, object]  # what the QR credential says of the record
    examined: Examined
    origin: str
    link_id: bytes
    lookup_code: str
    qr: KeyRef
    qr_kid: bytes
    material: SealMaterial  # of the issuer's seal
    co_materials: tuple[SealMaterial, ...]  # of the further places of a joint licence, in order

    @property
    def materials(self) -> tuple[SealMaterial, ...]:
        return (self.material, *self.co_materials)


@dataclass(frozen=True, slots=True)
class Setting:
    """The moment and the manner of one reservation."""

    now: datetime
    day: date
    lease: timedelta
    origin: str
    vault: Vault
    random: Random


@dataclass(frozen=True, slots=True)
class Wanted:
    """One licence to be reserved."""

    intent_id: str
    request: IssueRequest
    examined: Examined
    idempotency: tuple[str, bytes] | None  # the key and the request's MAC; None in a dry run


def reserve(
    session: Session, actor: Actor, wanted: Sequence[Wanted], setting: Setting
) -> list[Reserved | VermilionError]:
    """Reserve number, identifier, slot and seal use for each, and write the intents: what was reserved, or
    why it was not, in order. What is refused leaves nothing, draws on no limit and costs no other anything.

    A dry run is rolled back. The failures: FORBIDDEN or CONFLICT from the seal's rules, CONFLICT
    `number_taken`. Raises VermilionError(UNAVAILABLE, reason "race") where another was quicker: the
    transaction may be tried again.
    """
    refused: dict[str, VermilionError] = {}
    seals = _usable_seals(session, actor, wanted, setting, refused)
    begun = {one.intent_id for one in wanted if _begins(one.examined)}

    def left() -> list[Wanted]:
        return [one for one in wanted if one.intent_id not in refused]

    licences = _take_licences(session, actor, left(), setting, refused)
    holders = [_held(one, licences[one.intent_id]) for one in left() if one.examined.copied is None]
    hold(session, setting.vault, holders, setting.day, refused)
    made: dict[str, Reserved] = {}
    if waiting := left():
        specimen = is_test(chain(session)[-1])
        slots = free_slots(session, setting.random, len(waiting))
        for one, slot in zip(waiting, slots, strict=True):
            seal, licence = seals[_seal_of(one)], licences[one.intent_id]
            record = edition_record(one.examined, actor.agency_code, licence, slot, specimen=specimen)
            if seal.named:
                record = replace(record, seals=seal.named)
            try:
                made[one.intent_id] = _reserved(one, record, seal, setting)
            except VermilionError as error:  # what cannot be printed is refused here
                refused[one.intent_id] = error
    uses = _draw(session, left(), seals, setting.day, refused)
    give_back(session, [licence.id for of, licence in licences.items() if of in refused and of in begun])
    _write(session, actor, left(), licences, made, uses, seals, setting)
    return [refused.get(one.intent_id) or made[one.intent_id] for one in wanted]


@dataclass(frozen=True, slots=True)
class _Seal:
    usable: tuple[UsableSeal, ...]  # by place
    materials: tuple[SealMaterial, ...]
    named: tuple[RecordSeal, ...]  # in the record: of joint licences alone
    qr: KeyRef
    qr_kid: bytes


_Conditions = tuple[str, tuple[str, ...], str, int, bool]


def _seal_of(one: Wanted) -> _Conditions:
    """What licences that are sealed under the same conditions have in common: seals, type and its version,
    and whether that version must be one that is still issued.
    """
    licence_type, copied = one.examined.loaded.type, one.examined.copied is not None
    return one.request.seal_code, one.request.co_seals, licence_type.code, licence_type.version, copied


def _begins(examined: Examined) -> bool:
    """Whether it is a licence's first edition, which alone takes a place in the register."""
    return examined.previous is None and examined.copied is None


def _take_licences(
    session: Session,
    actor: Actor,
    left: Sequence[Wanted],
    setting: Setting,
    refused: dict[str, VermilionError],
) -> dict[str, Taken]:
    """A place in the register for each intent: a licence of its own, or the next edition of one, or the
    edition that is copied.
    """
    first = [one for one in left if _begins(one.examined)]
    ids = new_ids(setting.random, len(first))
    wants = [
        Want(licence_id, one.examined.loaded.type, one.examined.number)
        for one, licence_id in zip(first, ids, strict=True)
    ]
    taken = take_numbers(session, actor.agency_code, wants, setting.now, setting.vault, setting.random)
    licences: dict[str, Taken] = {}
    for one, licence_id in zip(first, ids, strict=True):
        if licence_id in taken:
            licences[one.intent_id] = taken[licence_id]
        else:
            refused[one.intent_id] = number_taken()
    following = {one.intent_id: one.examined.previous for one in left if one.examined.previous is not None}
    copies = {one.intent_id: one.examined.copied for one in left if one.examined.copied is not None}
    places = take_places(session, following) | take_copies(session, copies, setting.day)
    for intent_id, place in places.items():
        if isinstance(place, VermilionError):
            refused[intent_id] = place
        else:
            licences[intent_id] = place
    return licences


def _held(one: Wanted, licence: Taken) -> Held:
    return Held(one.intent_id, licence.id, one.examined.loaded.type, one.examined.fields)


def _usable_seals(
    session: Session,
    actor: Actor,
    wanted: Sequence[Wanted],
    setting: Setting,
    refused: dict[str, VermilionError],
) -> dict[_Conditions, _Seal]:
    """What may be sealed with what, each asked once."""
    seals: dict[_Conditions, _Seal] = {}
    failures: dict[_Conditions, VermilionError] = {}
    for one in wanted:
        key = _seal_of(one)
        if key not in seals and key not in failures:
            try:
                seals[key] = _seal(session, actor, one, setting)
            except VermilionError as error:
                failures[key] = error
        if key in failures:
            refused[one.intent_id] = failures[key]
    return seals


def _seal(session: Session, actor: Actor, one: Wanted, setting: Setting) -> _Seal:
    licence_type = one.examined.loaded.type
    entitled = may_issue(session, actor.client_id, actor.agency_code, licence_type.code)
    copied = one.examined.copied is not None  # a licence outlives the version that it was issued by
    if not entitled or not (copied or still_published(session, licence_type.code, licence_type.version)):
        raise not_entitled()
    usable = tuple(
        usable_seal(
            session,
            seal_code=code,
            client_id=actor.client_id,
            agency_code=actor.agency_code,
            type_code=licence_type.code,
            seal_kind=licence_type.kind_at(place),
            day=setting.day,
            now=setting.now,
            place=place,
        )
        for place, code in enumerate((one.request.seal_code, *one.request.co_seals), 1)
    )
    materials = tuple(seal_material(session, seal.seal_edition_id) for seal in usable)
    named = tuple(
        RecordSeal(seal.agency_code, sha256(material.certificate).hexdigest())
        for seal, material in zip(usable, materials, strict=True)
    )
    qr = qr_key(session, actor.agency_code, setting.now)
    kid = sha256(qr.public_key).digest()[:8]
    return _Seal(usable, materials, named if len(named) > 1 else (), qr.key, kid)


def _reserved(one: Wanted, record: Record, seal: _Seal, setting: Setting) -> Reserved:
    """Raises VermilionError(INVALID) for what a QR credential cannot carry."""
    return Reserved(
        intent_id=one.intent_id,
        fence=FIRST_FENCE,
        record=record,
        claims=claims_of(record, one.examined.loaded.type),
        examined=one.examined,
        origin=normal_origin(setting.origin),
        link_id=setting.random(16),
        lookup_code=new_lookup_code(setting.random),
        qr=seal.qr,
        qr_kid=seal.qr_kid,
        material=seal.materials[0],
        co_materials=seal.materials[1:],
    )


def _draw(
    session: Session,
    left: Sequence[Wanted],
    seals: Mapping[_Conditions, _Seal],
    day: date,
    refused: dict[str, VermilionError],
) -> list[Use]:
    together: dict[tuple[str, int, _Conditions], list[str]] = {}
    for one in left:
        conditions = _seal_of(one)
        for place, usable in enumerate(seals[conditions].usable, 1):
            together.setdefault((usable.seal_code, place, conditions), []).append(one.intent_id)
    uses: list[Use] = []
    # A limit is one seal's for one type, whatever the place: in one order of these nobody waits in a circle.
    for key in sorted(together, key=lambda key: (key[0], key[2][2], *key[1:])):
        _code, place, conditions = key
        waiting = [intent_id for intent_id in together[key] if intent_id not in refused]
        drawn = draw_uses(session, seals[conditions].usable[place - 1], day, waiting, place)
        lost = dict.fromkeys(waiting[len(drawn) :], limit_used_up(place))
        refused.update(lost)
        uses += drawn
        give_back_uses(session, [use for use in uses if use.intent_id in lost], day)
        uses = [use for use in uses if use.intent_id not in lost]
    return uses


def _write(
    session: Session,
    actor: Actor,
    left: Sequence[Wanted],
    licences: Mapping[str, Taken],
    made: Mapping[str, Reserved],
    uses: Sequence[Use],
    seals: Mapping[_Conditions, _Seal],
    setting: Setting,
) -> None:
    """Intents, and what names them."""
    authorisations = {(use.intent_id, use.place): use.authorisation_id for use in uses}
    intents, co_seals, slots, keys, successions, copies = [], [], [], [], [], []
    for one in left:
        reserved, (usable, *further) = made[one.intent_id], seals[_seal_of(one)].usable
        record, request = reserved.record, one.request
        intents.append(
            {
                "id": one.intent_id,
                "licence_id": licences[one.intent_id].id,
                "client_id": actor.client_id,
                "person_id": actor.person_id,
                "operator": request.operator,
                "matter_code": request.matter_code,
                "case_number": request.case_number,
                "seal_edition_id": usable.seal_edition_id,
                "seal_state_version": usable.state_version,
                "authorisation_id": authorisations[one.intent_id, 1],
                "qr_key_id": reserved.qr.id,
                "holder_mac": holder_of(setting.vault, one.examined.loaded.type, record.fields),
                "record": close_record(setting.vault, one.intent_id, record),
                "origin": setting.origin,
                "link_id_sha256": link_digest(reserved.link_id),
                "lookup_sha256": lookup_digest(record.identifier, reserved.lookup_code),
                "state": "open",
                "fence": FIRST_FENCE,
                "lease_until": setting.now + setting.lease,
                "created_at": setting.now,
            }
        )
        if one.examined.previous is not None:
            successions.append(succession_row(one.intent_id, licences[one.intent_id], one.examined.previous))
        if one.examined.copied is not None:
            copies.append(order_row(one.intent_id, one.examined.copied))
        co_seals += [
            {
                "intent_id": one.intent_id,
                "place": place,
                "seal_edition_id": seal.seal_edition_id,
                "seal_state_version": seal.state_version,
                "authorisation_id": authorisations[one.intent_id, place],
                "sealed_at": None,
            }
            for place, seal in enumerate(further, 2)
        ]
        slots.append(
            {
                "list": record.status_list,
                "index": record.status_index,
                "intent_id": one.intent_id,
                "invalid": False,
            }
        )
        if one.idempotency is not None:
            key, mac = one.idempotency
            keys.append(
                {
                    "client_id": actor.client_id,
                    "key": key,
                    "request_mac": mac,
                    "intent_id": one.intent_id,
                    "created_at": setting.now,
                }
            )
    insert_rows(session, Intent, intents)
    insert_rows(session, CoSeal, co_seals)
    insert_rows(session, Succession, successions)
    insert_rows(session, CopyOrder, copies)
    _take(session, sorted(slots, key=itemgetter("list", "index")), StatusIndex.intent_id)
    begin_uses(session, uses, setting.now, setting.random)
    _take(session, keys, IdempotencyKey.intent_id)


def edition_record(
    examined: Examined, issuer_code: str, licence: Taken, slot: tuple[int, int], *, specimen: bool
) -> Record:
    """The record of an edition, or of a copy of one; `slot` is its list and index in the status lists."""
    if examined.copied is not None:
        record = examined.copied.record
        return replace(
            record, status_list=slot[0], status_index=slot[1], specimen=specimen or record.specimen
        )
    licence_type = examined.loaded.type
    return Record(
        identifier=make_identifier(licence_type.code, issuer_code, licence.serial, licence.edition),
        type_code=licence_type.code,
        type_version=licence_type.version,
        issuer_code=issuer_code,
        number=licence.number,
        edition=licence.edition,
        fields={**examined.fields, number_field(licence_type): licence.number},
        issue_date=examined.issue_date,
        valid_from=examined.valid_from,
        valid_to=examined.valid_to,
        status_list=slot[0],
        status_index=slot[1],
        specimen=specimen,
    )


@lru_cache(maxsize=16)
def is_test(issuing: bytes) -> bool:
    """Whether an issuing authority hangs under a root named TEST: its registry seals specimens (样本)."""
    names = x509.load_der_x509_certificate(issuing).issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return any("TEST" in str(name.value).split() for name in names)


def _take(session: Session, rows: Sequence[dict[str, Any]], key: InstrumentedAttribute[str]) -> None:
    if len(insert_absent(session, rows, key)) != len(rows):  # taken between our look and our touch
        raise race()
