"""The next edition of a licence: what it takes over, what may differ, and the place that it takes.

Serial and number are kept; edition, check character, link and look-up code are new. In transaction 1 the
edition before is locked and must still be what the decision rests on; in transaction 2 it ends as replaced
换发, in the same commit that registers the new one. Until then it stays what it was.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from typing import Any

import pikepdf
from sqlalchemy import Row, bindparam, func, select, update
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError, field_fault
from registry.actor import Actor
from registry.licences.days import require_day
from registry.licences.examine import IssueRequest
from registry.licences.issued import ORIGINAL, read_document
from registry.licences.operations import NEXT_EDITIONS, REPLACED, Decision, NextEdition
from registry.licences.records import kept_record
from registry.licences.rules import changed_meanwhile, own_for, require_permitted
from registry.licences.tables import Document, Edition, Intent, Licence, Succession
from registry.licences.taking import Taken
from registry.licences.types import current_type
from registry.log.rules import Ground
from registry.ports import Ports
from registry.rows import changed_each
from signing.codes import MAX_EDITION
from signing.licence_type import FieldKind, LicenceType, Role
from signing.record import FieldValue, Record, fields_to_json


@dataclass(frozen=True, slots=True)
class Succeeding:
    """What is asked: the operation, the edition that it acts on, and the decision."""

    operation: NextEdition
    identifier: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Previous:
    """The edition whose place a next one takes, as it was found, and by which decision."""

    operation: NextEdition
    ground: Ground
    edition_id: str
    licence_id: str
    identifier: str
    serial: str
    status_version: int
    number: str
    issue_date: date
    valid_from: date
    valid_to: date | None
    holder_code: FieldValue | None
    photo: bytes | None

    def check_period(self, issue_date: date, valid_from: date, valid_to: date | None) -> None:
        """A next edition is valid from the day on which it takes its place, at the latest: else there would
        be days on which the licence has no valid edition. Raises VermilionError(INVALID) with every fault.
        """
        faults = []
        if issue_date < self.issue_date:
            faults.append(Fault("/fields/issue_date", "before_issue", "it lies before the first issue"))
        if valid_from > max(self.ground.effective_from, self.valid_from):
            detail = "the next edition would be valid later than it takes the place of the one before"
            faults.append(Fault("/valid_from", "begins_later", detail))
        if valid_to is not None and valid_to < max(valid_from, issue_date):
            faults.append(Fault("/valid_from", "after_expiry", "it lies after the last day of validity"))
        if self.operation == "renew" and (
            valid_to is not None and self.valid_to is not None and valid_to <= self.valid_to
        ):
            faults.append(Fault("/fields/valid_to", "not_later", "a renewal ends later than what it renews"))
        if faults:
            detail = "the period of validity is not right"
            raise VermilionError(Kind.INVALID, detail, reason="invalid_fields", faults=tuple(faults))

    def range_begin(self, valid_from: date, valid_to: date) -> date | None:
        """From when the type's validity range counts; None where the last day stays as it was granted. Only
        a renewal grants a period anew, and one before the end may let it follow the old one; a correction
        mends the one that was wrong.
        """
        if valid_to == self.valid_to:
            return None
        if self.operation == "renew":
            return max(valid_from, self.valid_to or valid_from)
        return valid_from if self.operation == "correct" else min(valid_from, self.valid_from)

    def check_holder(self, licence_type: LicenceType, values: Mapping[str, FieldValue]) -> None:
        """A licence is one holder's: only a correction of what was wrong from the start names another code,
        and none where each holder has one licence. Raises VermilionError(INVALID).
        """
        field = licence_type.field(Role.HOLDER_CODE)
        if field is None or values.get(field.name) == self.holder_code:
            return
        if self.operation != "correct" or licence_type.one_per_holder:
            detail = "a next edition is the same holder's: end this licence, and issue another"
            raise field_fault(f"/fields/{field.name}", "another_holder", detail)


def succeeding(
    ports: Ports, actor: Actor, request: IssueRequest, wanted: Succeeding, today: date
) -> IssueRequest:
    """The whole request for a next edition: `request` holds what is to differ, the rest is taken over. A
    value of None leaves a field out.

    Raises VermilionError: NOT_FOUND; FORBIDDEN as `own_for`; CONFLICT for what the status does not permit or
    when it changed meanwhile; INVALID for a day that cannot be; UNAVAILABLE.
    """
    with Session(ports.database.read) as session:
        edition = own_for(session, actor, wanted.identifier)
        _require_permitted(edition, wanted.operation, wanted.decision, today)
        intent = session.get_one(Intent, edition.id)
        licence = session.get_one(Licence, edition.licence_id)
        record = kept_record(ports.vault, intent.id, intent.record)
        loaded = current_type(session, record.type_code)
    if loaded is None:
        raise field_fault("/type", "type_unknown", "no such licence type is published")
    if wanted.operation == "renew" and not loaded.type.expires:
        raise VermilionError(Kind.CONFLICT, "a licence of this type does not expire", reason="never_expires")
    effective_from = wanted.decision.effective_from or today
    fields = _taken_over(loaded.type, record, wanted.operation, today, effective_from) | dict(request.fields)
    picture = loaded.type.field(Role.PHOTO)
    photo = None
    if picture is not None and picture.name not in request.fields and picture.name in record.fields:
        photo = kept_photo(ports, edition.id, str(record.fields[picture.name]))
    code = loaded.type.field(Role.HOLDER_CODE)
    ground = Ground(wanted.decision.legal_basis, wanted.decision.reason_code, effective_from)
    previous = Previous(
        operation=wanted.operation,
        ground=ground,
        edition_id=edition.id,
        licence_id=edition.licence_id,
        identifier=edition.identifier,
        serial=licence.serial,
        status_version=edition.status_version,
        number=record.number,
        issue_date=record.issue_date,
        valid_from=record.valid_from,
        valid_to=record.valid_to,
        holder_code=None if code is None else record.fields.get(code.name),
        photo=photo,
    )
    return replace(
        request,
        type_code=record.type_code,
        fields={name: value for name, value in fields.items() if value is not None},
        number=record.number if loaded.type.number.given_by == "agency" else None,
        valid_from=request.valid_from or _kept_from(loaded.type, record, wanted.operation),
        previous=previous,
    )


def _require_permitted(edition: Edition, operation: NextEdition, decision: Decision, today: date) -> None:
    require_permitted(edition, operation, decision, today)
    earliest = edition.issue_date if operation == "correct" else edition.since
    require_day(decision.effective_from or today, today=today, issued=edition.issue_date, earliest=earliest)


def _taken_over(
    licence_type: LicenceType, record: Record, operation: NextEdition, today: date, effective_from: date
) -> dict[str, object]:
    """Values of the edition before, by field, in the form of a request. What was decided anew is issued
    today, unless the request says when; what only says the same again keeps its date. A renewal begins when
    it takes its place, also where the face prints the first day of validity.
    """
    kept = fields_to_json(record.fields)
    taken: dict[str, object] = {}
    for field in licence_type.fields:
        if field.role in {Role.ISSUER_NAME, Role.NUMBER} or field.kind is FieldKind.PHOTO:
            continue
        if field.role is Role.ISSUE_DATE and operation in {"amend", "renew"}:
            taken[field.name] = today.isoformat()
        elif field.role is Role.VALID_FROM and operation == "renew":
            taken[field.name] = effective_from.isoformat()
        elif field.name in kept:
            taken[field.name] = kept[field.name]
    return taken


def _kept_from(licence_type: LicenceType, record: Record, operation: NextEdition) -> date | None:
    """The first day of validity that stays, where the face does not print it: a renewal begins anew."""
    if operation == "renew" or licence_type.field(Role.VALID_FROM) is not None:
        return None
    return record.valid_from


def kept_photo(ports: Ports, edition_id: str, digest: str) -> bytes:
    """The photo of an edition, from its sealed original. Raises VermilionError(UNAVAILABLE)."""
    original = select(Document).where(Document.edition_id == edition_id, Document.kind == ORIGINAL)
    with Session(ports.database.read) as session:
        document = session.scalars(original).one()
        session.expunge_all()  # it is read below, without a connection
    return printed_photo(read_document(ports.documents, document.store_key, document.sha256), digest)


def printed_photo(pdf: bytes, digest: str) -> bytes:
    """The JPEG on a document already known by its digest, as its record names it: SHA-256 in hex. Raises
    VermilionError(UNAVAILABLE) where it is not on it.
    """
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        for found in opened.objects:
            if isinstance(found, pikepdf.Stream) and found.get("/Subtype") == "/Image":
                data = bytes(found.read_raw_bytes())
                if sha256(data).hexdigest() == digest:
                    return data
    raise VermilionError(Kind.UNAVAILABLE, "the photo cannot be read from the document", reason="photo_lost")


def take_places(session: Session, wanted: Mapping[str, Previous]) -> dict[str, Taken | VermilionError]:
    """In transaction 1, by intent: a number for each next edition, or why there is none. The editions before
    stay locked until the transaction ends; of two for one edition the first has it.
    """
    if not wanted:
        return {}
    found = _locked(session, [one.edition_id for one in wanted.values()])
    waits = set(
        session.scalars(
            select(Succession.previous_id)
            .join(Intent, Intent.id == Succession.intent_id)
            .where(Succession.previous_id.in_(found), Intent.state == "open")
        )
    )
    used = _numbers_used(session, [one.licence_id for one in wanted.values()])
    places: dict[str, Taken | VermilionError] = {}
    for intent_id, one in wanted.items():
        before = found[one.edition_id]
        number = used[one.licence_id] + 1
        if (before.status, before.status_version) != ("in_force", one.status_version):
            places[intent_id] = changed_meanwhile(None)
        elif one.edition_id in waits:
            detail = "another next edition of this licence is being made"
            places[intent_id] = VermilionError(Kind.CONFLICT, detail, reason="edition_pending", retry_after=1)
        elif number > MAX_EDITION:
            detail = f"a licence has at most {MAX_EDITION} editions: end this one, and issue another"
            places[intent_id] = VermilionError(Kind.CONFLICT, detail, reason="editions_used_up")
        else:
            waits.add(one.edition_id)
            places[intent_id] = Taken(one.licence_id, one.serial, one.number, number)
    return places


def _locked(session: Session, edition_ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Editions by id, locked in one order."""
    statement = (
        select(Edition.id, Edition.identifier, Edition.status, Edition.status_version)
        .where(Edition.id.in_(edition_ids))
        .order_by(Edition.id)
        .with_for_update()
    )
    rows: list[Row[Any]] = list(session.execute(statement))
    return {row.id: row for row in rows}


def _numbers_used(session: Session, licence_ids: Sequence[str]) -> dict[str, int]:
    """The highest edition number of each licence, whatever became of its intent."""
    rows = session.execute(
        select(Intent.licence_id, func.max(Succession.number))
        .join(Succession, Succession.intent_id == Intent.id)
        .where(Intent.licence_id.in_(licence_ids))
        .group_by(Intent.licence_id)
    )
    used = dict.fromkeys(licence_ids, 1)
    for row in rows:
        used[row.licence_id] = row[1]
    return used


def succession_row(intent_id: str, taken: Taken, previous: Previous) -> dict[str, object]:
    return {
        "intent_id": intent_id,
        "previous_id": previous.edition_id,
        "previous_version": previous.status_version,
        "number": taken.edition,
        "operation": previous.operation,
        "legal_basis": previous.ground.legal_basis,
        "reason_code": previous.ground.reason_code,
        "effective_from": previous.ground.effective_from,
    }


@dataclass(frozen=True, slots=True)
class Successor:
    """A succession on record, with the edition before as it is now: locked until the transaction ends."""

    intent_id: str
    previous_id: str
    identifier: str  # of the edition before
    status_version: int
    operation: NextEdition
    ground: Ground


def successors(session: Session, intent_ids: Sequence[str]) -> dict[str, Successor | VermilionError]:
    """In transaction 2, by intent, of those that make next editions: the edition before, or that it is no
    longer what the decision rests on.
    """
    if not intent_ids:
        return {}
    rows = session.scalars(select(Succession).where(Succession.intent_id.in_(intent_ids))).all()
    before = _locked(session, [row.previous_id for row in rows])
    found: dict[str, Successor | VermilionError] = {}
    for row in rows:
        now = before[row.previous_id]
        if (now.status, now.status_version) != ("in_force", row.previous_version):
            detail = "the edition before changed meanwhile"
            found[row.intent_id] = VermilionError(Kind.CONFLICT, detail, reason="previous_changed")
            continue
        operation = next(one for one in NEXT_EDITIONS if one == row.operation)
        found[row.intent_id] = Successor(
            row.intent_id,
            row.previous_id,
            now.identifier,
            now.status_version,
            operation,
            Ground(row.legal_basis, row.reason_code, row.effective_from),
        )
    return found


def replace_editions(session: Session, made: Sequence[Successor]) -> None:
    """End the editions before, as replaced. Raises VermilionError(CONFLICT) where one is no longer what it
    was.
    """
    statement = (
        update(Edition)
        .where(Edition.id == bindparam("of"), Edition.status_version == bindparam("was"))
        .values(
            status="ended",
            how=REPLACED,
            ground=None,
            since=bindparam("day"),
            status_version=bindparam("becomes"),
        )
    )
    rows = [
        {
            "of": one.previous_id,
            "was": one.status_version,
            "becomes": one.status_version + 1,
            "day": one.ground.effective_from,
        }
        for one in made
    ]
    if changed_each(session, statement, rows) != len(rows):
        raise changed_meanwhile(None)
