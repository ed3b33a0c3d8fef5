"""Approved disposals carried out: the database's content first, in the transaction that puts a tombstone,
then every copy in every store, each looked for again before it counts as gone.

A store that does not answer leaves its objects open, and the next round goes on with them. When nothing of a
list is left, a certificate of destruction (销毁清册) says what was disposed of, by whom it was asked and
approved, and where it was erased; it is time-stamped by the registry: nobody dates or alters it later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from keys.errors import Kind, VermilionError
from registry.agencies.administrators import lock_administration
from registry.agencies.tables import Person
from registry.archive.content import erase_content, title_of
from registry.archive.disposal import (
    DisposalState,
    ItemState,
    items_of,
    locked_disposal,
    obstacle,
    record_disposal,
)
from registry.archive.disposal_tables import (
    ArchiveDisposal,
    ArchiveDisposalItem,
    ArchiveErasure,
    ArchiveTombstone,
)
from registry.archive.numbering import DISPOSED, ERASING
from registry.archive.retention import locked_packages
from registry.archive.stores import Stores, package_key
from registry.archive.tables import ArchiveCopy, ArchivePackage
from registry.documents import ObjectStore, open_store
from registry.licences.examine import civil_day
from registry.licences.outage import database_errors
from registry.log.rules import Ground, Happening, record_events
from registry.ports import Ports
from registry.rows import changed_rows, insert_absent

DOCUMENTS = ""
"""The store of the documents in service, among those of the archive."""
GONE = "erased"


@dataclass
class Disposed:
    """What a call did: numbers disposed of and left out, lists that are done; stores that were out."""

    disposed: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    outages: dict[str, VermilionError] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.disposed or self.left_out or self.done or self.outages)


def carry_out(ports: Ports, stores: Stores, stopping: Callable[[], bool] = lambda: False) -> Disposed:
    """Carry out what was approved, as far as stores answer. Raises VermilionError(UNAVAILABLE) without
    database or time-stamp.
    """
    done = Disposed()
    places = {DOCUMENTS: open_store(ports.settings.documents_directory), **stores.by_name}
    with database_errors():
        for disposal_id in _approved(ports):
            for number in _numbers(ports, disposal_id, ItemState.LISTED):
                if not stopping():
                    _begin(ports, stores, disposal_id, number, done)
            for number in _numbers(ports, disposal_id, ItemState.ERASING):
                if not stopping() and _erased(ports, places, number, done):
                    _end(ports, disposal_id, number, done)
            if not stopping() and _all_gone(ports, places, disposal_id, done):
                _certify(ports, disposal_id, done)
    return done


def _approved(ports: Ports) -> list[str]:
    wanted = select(ArchiveDisposal.id).where(ArchiveDisposal.state == DisposalState.APPROVED)
    with ports.database.read.connect() as connection:
        return list(connection.scalars(wanted.order_by(ArchiveDisposal.asked_at, ArchiveDisposal.id)))


def _numbers(ports: Ports, disposal_id: str, state: ItemState) -> list[str]:
    wanted = select(ArchiveDisposalItem.number).where(
        ArchiveDisposalItem.disposal_id == disposal_id, ArchiveDisposalItem.state == state
    )
    with ports.database.read.connect() as connection:
        return list(connection.scalars(wanted.order_by(ArchiveDisposalItem.number)))


def _begin(ports: Ports, stores: Stores, disposal_id: str, number: str, done: Disposed) -> None:
    """After this there is no way back: the database has no content of it."""
    now = ports.clock()
    with ports.database.transaction() as session:
        lock_administration(session)  # nobody places a hold meanwhile
        disposal = locked_disposal(session, disposal_id)
        item = session.get_one(
            ArchiveDisposalItem, (disposal_id, number), with_for_update=True, populate_existing=True
        )
        if disposal.state != DisposalState.APPROVED or item.state != ItemState.LISTED:
            return  # another process was quicker
        packages = locked_packages(session, number)
        reason = obstacle(session, packages, civil_day(now, ports.settings.tz))
        if reason is not None:
            item.state, item.reason, item.ended_at = ItemState.LEFT_OUT.value, reason, now
            ground = _ground(ports, disposal, "left_out")
            record_disposal(
                session, ports, None, disposal, "left_out", ground, {"number": number, "reason": reason}
            )
        else:
            _bury(session, ports, stores, disposal, packages, now)
            item.state = ItemState.ERASING.value
    if reason is not None:
        done.left_out[number] = reason


def _bury(
    session: Session,
    ports: Ports,
    stores: Stores,
    disposal: ArchiveDisposal,
    packages: list[ArchivePackage],
    now: datetime,
) -> None:
    """The tombstone, what is to be erased where, and the database's own content away."""
    first = packages[0]
    until = max(one.retention_until for one in packages if one.retention_until is not None)
    tombstone = ArchiveTombstone(
        number=first.number,
        disposal_id=disposal.id,
        subject_kind=first.subject_kind,
        subject=first.subject,
        agency_code=first.agency_code,
        title=title_of(session, first.subject_kind, first.subject),
        packages={one.id: _remembered(one) for one in packages},
        retention=first.retention,
        retention_until=until,
        begun_at=now,
        disposed_at=None,
    )
    session.add(tombstone)
    ids = [one.id for one in packages]
    stored = session.scalars(select(ArchiveCopy.store).where(ArchiveCopy.package_id.in_(ids)).distinct())
    everywhere = sorted({*stores.by_name, *stored.all()})
    wanted = [
        (store, package_key(one.id, attempt))
        for one in packages
        for attempt in range(1, one.attempt + 1)  # an earlier one may lie where a store was out
        for store in everywhere
    ]
    wanted += [(DOCUMENTS, key) for key in erase_content(session, first.subject_kind, first.subject)]
    rows = [
        {"store": store, "key": key, "number": first.number, "erased_at": None}
        for store, key in dict.fromkeys(wanted)
    ]
    for row in rows:
        insert_absent(session, [row], ArchiveErasure.key)
    of = ArchivePackage.id.in_(ids)
    changed_rows(session, update(ArchivePackage).where(of).values(state=ERASING))
    changed_rows(session, update(ArchiveCopy).where(ArchiveCopy.package_id.in_(ids)).values(state=ERASING))
    _record(session, ports, "package.erasing", packages, _ground(ports, disposal, "disposal"), now)


def _remembered(one: ArchivePackage) -> dict[str, Any]:
    return {
        "sequence": one.sequence,
        "sha256": None if one.sha256 is None else one.sha256.hex(),
        "manifest_sha256": None if one.manifest_sha256 is None else one.manifest_sha256.hex(),
        "size": one.size,
        "made_on": one.made_at.date().isoformat(),
    }


def _erased(ports: Ports, places: Mapping[str, ObjectStore], number: str, done: Disposed) -> bool:
    """Whether no store has anything of it any more, as each has said itself."""
    wanted = select(ArchiveErasure.store, ArchiveErasure.key).where(
        ArchiveErasure.number == number, ArchiveErasure.erased_at.is_(None)
    )
    with ports.database.read.connect() as connection:
        objects = connection.execute(wanted.order_by(ArchiveErasure.store, ArchiveErasure.key)).all()
    for store, key in objects:
        if store in done.outages:
            continue
        try:
            _remove(places, store, key)
        except VermilionError as error:
            if error.kind is not Kind.UNAVAILABLE:
                raise
            done.outages[store] = error
            continue
        with ports.database.transaction() as session:
            this = (ArchiveErasure.store == store, ArchiveErasure.key == key)
            changed_rows(session, update(ArchiveErasure).where(*this).values(erased_at=ports.clock()))
    still = exists().where(ArchiveErasure.number == number, ArchiveErasure.erased_at.is_(None))
    with ports.database.read.connect() as connection:
        return not connection.scalar(select(still))


def _remove(places: Mapping[str, ObjectStore], store: str, key: str) -> None:
    """Raises VermilionError(UNAVAILABLE), also where what was removed can still be read."""
    place = places.get(store)
    if place is None:
        raise VermilionError(
            Kind.UNAVAILABLE, f"the settings name no store {store} any more", reason="archive_store"
        )
    place.remove(key)
    if place.read_again(key) is not None:
        raise VermilionError(
            Kind.UNAVAILABLE, "what was removed can still be read", reason="archive_copy_not_erased"
        )


def _end(ports: Ports, disposal_id: str, number: str, done: Disposed) -> None:
    now = ports.clock()
    with ports.database.transaction() as session:
        erasing = (
            ArchiveDisposalItem.disposal_id == disposal_id,
            ArchiveDisposalItem.number == number,
            ArchiveDisposalItem.state == ItemState.ERASING,
        )
        ended = update(ArchiveDisposalItem).where(*erasing)
        if changed_rows(session, ended.values(state=ItemState.DISPOSED.value, ended_at=now)) != 1:
            return  # another process was quicker
        packages = locked_packages(session, number)
        for one in packages:
            one.state = DISPOSED
        ids = [one.id for one in packages]
        copies = update(ArchiveCopy).where(ArchiveCopy.package_id.in_(ids))
        changed_rows(session, copies.values(state=GONE, checked_at=now))
        session.get_one(ArchiveTombstone, number).disposed_at = now
        disposal = session.get_one(ArchiveDisposal, disposal_id)
        _record(session, ports, "package.disposed", packages, _ground(ports, disposal, "disposal"), now)
    done.disposed.append(number)


def _all_gone(ports: Ports, places: Mapping[str, ObjectStore], disposal_id: str, done: Disposed) -> bool:
    """Whether nothing of a list is left to be done; each object of it is looked for once more. What lies
    there again (a repair was under way as it was erased) is removed.
    """
    open_ = exists().where(
        ArchiveDisposalItem.disposal_id == disposal_id,
        ArchiveDisposalItem.state.in_((ItemState.LISTED.value, ItemState.ERASING.value)),
    )
    wanted = (
        select(ArchiveErasure.store, ArchiveErasure.key)
        .join(ArchiveTombstone, ArchiveTombstone.number == ArchiveErasure.number)
        .where(ArchiveTombstone.disposal_id == disposal_id)
        .order_by(ArchiveErasure.store, ArchiveErasure.key)
    )
    with ports.database.read.connect() as connection:
        if connection.scalar(select(open_)):
            return False
        objects = connection.execute(wanted).all()
    for store, key in objects:
        try:
            place = places.get(store)
            if place is None or place.read_again(key) is not None:
                _remove(places, store, key)
        except VermilionError as error:
            if error.kind is not Kind.UNAVAILABLE:
                raise
            done.outages[store] = error
            return False
    return True


def _certify(ports: Ports, disposal_id: str, done: Disposed) -> None:
    now = ports.clock()
    with Session(ports.database.read) as session:
        certificate = canonical_json(_certificate(session, disposal_id, now))
    digest = sha256(certificate).digest()
    token = ports.timestamper.stamp(digest, f"archive:{ports.random(16).hex()}")  # each attempt's own
    with ports.database.transaction() as session:
        ended = update(ArchiveDisposal).where(
            ArchiveDisposal.id == disposal_id, ArchiveDisposal.state == DisposalState.APPROVED
        )
        values = {
            "state": DisposalState.DONE.value, "done_at": now, "certificate": certificate, "token": token,
        }  # fmt: skip
        if changed_rows(session, ended.values(**values)) != 1:
            return  # another process was quicker
        disposal = session.get_one(ArchiveDisposal, disposal_id)
        ground = _ground(ports, disposal, "disposal")
        record_disposal(session, ports, None, disposal, "done", ground, {"certificate": digest.hex()})
    done.done.append(disposal_id)


def _certificate(session: Session, disposal_id: str, now: datetime) -> dict[str, Any]:
    """What was disposed of, by whom it was asked and approved, and where it was erased."""
    disposal = session.get_one(ArchiveDisposal, disposal_id)
    people = select(Person.id, Person.name).where(Person.id.in_([disposal.asked_by, disposal.decided_by]))
    names = {row.id: row.name for row in session.execute(people)}
    stones = select(ArchiveTombstone).where(ArchiveTombstone.disposal_id == disposal_id)
    items = [
        {
            "number": one.number,
            "kind": one.subject_kind,
            "title": one.title,
            "agency": one.agency_code,
            "retention": one.retention,
            "retention_until": one.retention_until.isoformat(),
            "packages": one.packages,
            "erased": _where(session, one.number),
            "disposed_at": None if one.disposed_at is None else one.disposed_at.isoformat(),
        }
        for one in session.scalars(stones.order_by(ArchiveTombstone.number))
    ]
    left_out = [
        {"number": item.number, "reason": item.reason}
        for item in items_of(session, disposal_id)
        if item.state == ItemState.LEFT_OUT
    ]
    asked, approved = disposal.asked_by, disposal.decided_by or ""
    return {
        "v": 1,
        "disposal": disposal_id,
        "legal_basis": disposal.legal_basis,
        "reason": disposal.reason_code,
        "asked_by": {"id": asked, "name": names[asked], "at": disposal.asked_at.isoformat()},
        "approved_by": {
            "id": approved,
            "name": names[approved],
            "at": None if disposal.decided_at is None else disposal.decided_at.isoformat(),
        },
        "disposed": items,
        "left_out": left_out,
        "made_at": now.isoformat(),
    }


def _where(session: Session, number: str) -> dict[str, dict[str, str]]:
    """By store each object, and when it was found to be gone."""
    wanted = select(ArchiveErasure).where(ArchiveErasure.number == number)
    found: dict[str, dict[str, str]] = {}
    for one in session.scalars(wanted.order_by(ArchiveErasure.store, ArchiveErasure.key)):
        assert one.erased_at is not None
        found.setdefault(one.store or "documents", {})[one.key] = one.erased_at.isoformat()
    return found


def _ground(ports: Ports, disposal: ArchiveDisposal, reason: str) -> Ground:
    return Ground(disposal.legal_basis, reason, civil_day(ports.clock(), ports.settings.tz))


def _record(
    session: Session, ports: Ports, kind: str, packages: list[ArchivePackage], ground: Ground, now: datetime
) -> None:
    record_events(
        session,
        kind=kind,
        subject_kind="package",
        happenings=[
            Happening(
                one.id,
                ground,
                None,
                {"number": one.number, "sequence": one.sequence, "identifier": one.identifier},
            )
            for one in packages
        ],
        now=now,
        random=ports.random,
    )
