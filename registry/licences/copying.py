"""Making an annotated copy 加注件 of an edition: what is asked, what it copies, and how it is registered.

A copy is made as a licence is (`issue_many`): an intent, then signatures, then transaction 2. It takes no
number and no place in the register; its record is its edition's, with the annotation and a slot of its own in
the status lists. The original is handed to no third party: a copy is for one purpose and recipient, until a
day (GB/T 36903, JZJZZSY and the three beside it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Literal

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError
from registry.actor import Actor
from registry.licences.days import is_within
from registry.licences.examine import Examined, IssueRequest, check_seals
from registry.licences.records import kept_record
from registry.licences.rules import own_for
from registry.licences.succession import kept_photo
from registry.licences.tables import CopyOrder, Edition, Intent, Licence
from registry.licences.taking import Taken
from registry.licences.types import type_version
from registry.ports import Ports
from signing.annotation import MAX_COUNT, Annotation
from signing.fonts import Fonts
from signing.licence_type import Role
from signing.record import Record

LONGEST = timedelta(days=366)
"""From the day a copy is made to its last: who needs one for longer asks for another."""
MOST = 1000
"""Copies of one edition: each has a look-up code that answers for its identifier."""

HolderWish = Literal["in_person", "online", "in_writing"]


@dataclass(frozen=True, slots=True)
class Copying:
    """What is asked: a copy of which edition, for what, and how its holder asked for it."""

    identifier: str
    purpose: str
    recipient: str
    valid_to: date
    count: int
    holder_wish: HolderWish


@dataclass(frozen=True, slots=True)
class Copied:
    """The edition that is to be copied, as it was found, with the record that the copy is to have."""

    edition_id: str
    status_version: int
    licence: Taken
    record: Record  # but for its slot in the status lists
    holder_wish: HolderWish


def copying(ports: Ports, actor: Actor, request: IssueRequest, wanted: Copying, today: date) -> Examined:
    """The whole of what is to be copied.

    Raises VermilionError: NOT_FOUND; FORBIDDEN as `own_for`; CONFLICT (`copy_status`) for an edition that is
    not in force and within its validity; INVALID with every fault of the annotation; UNAVAILABLE.
    """
    with Session(ports.database.read) as session:
        edition = own_for(session, actor, wanted.identifier)
        require_copied(edition, today)
        licence = session.get_one(Licence, edition.licence_id)
        record = kept_record(ports.vault, edition.id, session.get_one(Intent, edition.id).record)
        loaded = type_version(session, record.type_code, record.type_version)
    check_seals(loaded, request)
    annotation = Annotation(wanted.purpose, wanted.recipient, wanted.valid_to, today, wanted.count)
    _check(annotation, record, today, ports.fonts)
    picture, photo = loaded.type.field(Role.PHOTO), None
    if picture is not None and picture.name in record.fields:
        photo = kept_photo(ports, edition.id, str(record.fields[picture.name]))
    return Examined(
        loaded=loaded,
        fields=record.fields,
        number=record.number,
        photo=photo,
        issue_date=record.issue_date,
        valid_from=record.valid_from,
        valid_to=record.valid_to,
        copied=Copied(
            edition_id=edition.id,
            status_version=edition.status_version,
            licence=Taken(edition.licence_id, licence.serial, record.number, record.edition),
            record=replace(record, seals=(), copy=annotation),
            holder_wish=wanted.holder_wish,
        ),
    )


def require_copied(edition: Any, today: date) -> None:
    """Only what is valid is copied. `edition`: a row with status and validity. Raises
    VermilionError(CONFLICT).
    """
    if edition.status == "in_force" and is_within(edition.valid_from, edition.valid_to, today):
        return
    detail = "only a licence that is in force, and within its validity, is copied"
    raise VermilionError(Kind.CONFLICT, detail, reason="copy_status")


def _check(annotation: Annotation, record: Record, today: date, fonts: Fonts) -> None:
    faults = []
    if annotation.valid_to < today:
        faults.append(Fault("/valid_to", "in_past", "a copy's last day is today at the earliest"))
    if annotation.valid_to > today + LONGEST:
        detail = f"a copy is valid for {LONGEST.days} days at most"
        faults.append(Fault("/valid_to", "too_late", detail))
    if record.valid_to is not None and annotation.valid_to > record.valid_to:
        faults.append(Fault("/valid_to", "after_expiry", "it lies after the licence's last day of validity"))
    if not 1 <= (annotation.count or 0) <= MAX_COUNT:
        faults.append(Fault("/count", "count", f"from 1 to {MAX_COUNT}"))
    for name, text in (("purpose", annotation.purpose), ("recipient", annotation.recipient)):
        try:
            fonts.require(text)
        except VermilionError as error:
            if error.kind is not Kind.INVALID:
                raise
            faults.append(Fault(f"/{name}", error.reason, error.detail))
    if faults:
        detail = "the annotation is not right"
        raise VermilionError(Kind.INVALID, detail, reason="invalid_fields", faults=tuple(faults))


def take_copies(
    session: Session, wanted: Mapping[str, Copied], today: date
) -> dict[str, Taken | VermilionError]:
    """In transaction 1, by intent: the licence that each copy is of, or why there is none. The editions stay
    locked until the transaction ends.
    """
    if not wanted:
        return {}
    found = _locked(session, [one.edition_id for one in wanted.values()])
    ordered = {
        row.edition_id: row[1]
        for row in session.execute(
            select(CopyOrder.edition_id, func.count())
            .where(CopyOrder.edition_id.in_(found))
            .group_by(CopyOrder.edition_id)
        )
    }
    places: dict[str, Taken | VermilionError] = {}
    for intent_id, one in wanted.items():
        failure = _changed(found[one.edition_id], one.status_version, today)
        if failure is None and ordered.get(one.edition_id, 0) >= MOST:
            detail = f"an edition has at most {MOST} copies"
            failure = VermilionError(Kind.CONFLICT, detail, reason="copies_used_up")
        if failure is None:
            ordered[one.edition_id] = ordered.get(one.edition_id, 0) + 1
        places[intent_id] = failure or one.licence
    return places


def _locked(session: Session, edition_ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Editions by id, locked in one order."""
    statement = (
        select(
            Edition.id,
            Edition.identifier,
            Edition.status,
            Edition.status_version,
            Edition.valid_from,
            Edition.valid_to,
        )
        .where(Edition.id.in_(set(edition_ids)))
        .order_by(Edition.id)
        .with_for_update()
    )
    rows: list[Row[Any]] = list(session.execute(statement))
    return {row.id: row for row in rows}


def _changed(edition: Row[Any], version: int, today: date) -> VermilionError | None:
    try:
        require_copied(edition, today)
    except VermilionError as error:
        return error
    if edition.status_version != version:
        detail = "the licence changed meanwhile"
        return VermilionError(Kind.CONFLICT, detail, reason="licence_changed")
    return None


def order_row(intent_id: str, copied: Copied) -> dict[str, object]:
    return {
        "intent_id": intent_id,
        "edition_id": copied.edition_id,
        "edition_version": copied.status_version,
        "holder_wish": copied.holder_wish,
    }


def orders_of(session: Session, intent_ids: Sequence[str]) -> dict[str, CopyOrder]:
    """Those of these intents that make copies, by intent."""
    if not intent_ids:
        return {}
    rows = session.scalars(select(CopyOrder).where(CopyOrder.intent_id.in_(intent_ids)))
    return {row.intent_id: row for row in rows}


@dataclass(frozen=True, slots=True)
class Source:
    """What a copy is of, locked until the transaction ends."""

    edition_id: str
    identifier: str
    holder_wish: str


def sources(
    session: Session, orders: Mapping[str, CopyOrder], today: date
) -> dict[str, Source | VermilionError]:
    """In transaction 2, by intent: the edition that is copied, or that it is no longer what it was."""
    if not orders:
        return {}
    editions = _locked(session, [order.edition_id for order in orders.values()])
    return {
        intent_id: _changed(editions[order.edition_id], order.edition_version, today)
        or Source(order.edition_id, editions[order.edition_id].identifier, order.holder_wish)
        for intent_id, order in orders.items()
    }
