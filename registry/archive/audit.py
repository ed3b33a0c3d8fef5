"""Fixity: every copy in every store is read whole, by schedule and not faster than is allowed, and compared
with the register; a copy that is gone or altered is made anew from one that is right.

A round goes through a store by the packages' ids and remembers how far it came, so that it goes on where a
process stopped. A store that does not answer is not read further: nothing is called lost that could not be
asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from time import perf_counter
from typing import Any

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.archive.numbering import KEPT
from registry.archive.rules import DAMAGED, LEGAL_BASIS, MISSING, PRESENT, Rest
from registry.archive.stores import Stores, package_key
from registry.archive.tables import ArchiveAudit, ArchiveCopy, ArchivePackage
from registry.licences.examine import civil_day
from registry.licences.outage import database_errors
from registry.log.rules import Ground, Happening, record_events
from registry.ports import Ports
from registry.rows import changed_rows, insert_absent, insert_rows

SLICE = 64
"""Packages between two notes of how far a round came."""
MEGABYTE = 1_000_000


@dataclass
class Audited:
    """What a call did, by store: packages read, copies found lost, and repaired; stores that were out."""

    read: dict[str, int] = field(default_factory=dict)
    lost: list[tuple[str, str, str]] = field(default_factory=list)  # package, store, state
    repaired: list[tuple[str, str]] = field(default_factory=list)  # package, store
    beyond_repair: list[str] = field(default_factory=list)  # packages of which no store has a good copy
    outages: dict[str, VermilionError] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)  # stores of which a round came to its end

    def __bool__(self) -> bool:
        return bool(self.lost or self.repaired or self.beyond_repair or self.outages)


def audit_due(
    ports: Ports,
    stores: Stores,
    *,
    rest: Rest,
    stopping: Callable[[], bool] = lambda: False,
    at_once: bool = False,
) -> Audited:
    """Go on with the reading of each store, begin one that is due (or, `at_once`, any), and repair what was
    found. Raises VermilionError(UNAVAILABLE) without a database.
    """
    done = Audited()
    with database_errors():
        for name in stores.by_name:
            if _begin(ports, name, at_once=at_once):
                _read_through(ports, stores, name, rest, stopping, done)
        if not stopping():
            repair(ports, stores, done)
    return done


def _begin(ports: Ports, store: str, *, at_once: bool) -> bool:
    """Whether a round of this store is under way, or begins now."""
    now = ports.clock()
    with ports.database.read.connect() as connection:
        row = connection.execute(select(ArchiveAudit).where(ArchiveAudit.store == store)).one_or_none()
    every = timedelta(days=ports.settings.archive_audit_days)
    if row is not None and (row.ended_at is None or (not at_once and row.begun_at + every > now)):
        return row.ended_at is None
    fresh = {"after": "", "begun_at": now, "ended_at": None, "read": 0, "faults": 0}
    with ports.database.transaction() as session:
        if row is None:
            insert_absent(session, [{"store": store, "round": 1, **fresh}], ArchiveAudit.store)
        else:
            of = (ArchiveAudit.store == store, ArchiveAudit.round == row.round)
            changed_rows(session, update(ArchiveAudit).where(*of).values(round=row.round + 1, **fresh))
    return True


def _read_through(
    ports: Ports, stores: Stores, name: str, rest: Rest, stopping: Callable[[], bool], done: Audited
) -> None:
    limit = ports.settings.archive_audit_mb * MEGABYTE
    while not stopping():
        begun = perf_counter()
        with ports.database.read.connect() as connection:
            row = connection.execute(select(ArchiveAudit).where(ArchiveAudit.store == name)).one()
            packages = connection.execute(
                select(
                    ArchivePackage.id,
                    ArchivePackage.attempt,
                    ArchivePackage.sha256,
                    ArchivePackage.size,
                    ArchiveCopy.state,
                )
                .outerjoin(
                    ArchiveCopy, and_(ArchiveCopy.package_id == ArchivePackage.id, ArchiveCopy.store == name)
                )
                .where(ArchivePackage.state == KEPT, ArchivePackage.id > row.after)
                .order_by(ArchivePackage.id)
                .limit(SLICE)
            ).all()
        if row.ended_at is not None:
            return
        found: list[tuple[Any, str]] = []
        for package in packages:
            try:
                found.append((package, _state_of(stores, name, package)))
            except VermilionError as error:
                if error.kind is not Kind.UNAVAILABLE:
                    raise
                done.outages[name] = error
                break
        _note(ports, name, row, found, ended=len(packages) < SLICE and len(found) == len(packages), done=done)
        done.read[name] = done.read.get(name, 0) + len(found)
        if len(found) < len(packages) or len(packages) < SLICE:
            return
        if limit:
            rest(max(0.0, sum(one.size for one in packages) / limit - (perf_counter() - begun)))


def _state_of(stores: Stores, name: str, package: Any) -> str:
    data = stores.read(name, package_key(package.id, package.attempt))
    if data is None:
        return MISSING
    return PRESENT if sha256(data).digest() == package.sha256 else DAMAGED


def _note(
    ports: Ports,
    name: str,
    row: Any,
    found: Sequence[tuple[Any, str]],
    *,
    ended: bool,
    done: Audited,
) -> None:
    """What was found, how far the round came, and an event for each copy that is newly lost. Of what was
    disposed of as it was read, nothing: its copies are where disposing has brought them.
    """
    now = ports.clock()
    with ports.database.transaction() as session:
        still = _held(session, [package.id for package, _ in found])
        of_kept = [(package, state) for package, state in found if package.id in still]
        lost = [(package, state) for package, state in of_kept if state != PRESENT]
        newly = [(package, state) for package, state in lost if package.state == PRESENT]
        of = (
            ArchiveAudit.store == name,
            ArchiveAudit.round == row.round,
            ArchiveAudit.after == row.after,
            ArchiveAudit.ended_at.is_(None),
        )
        moved = update(ArchiveAudit).where(*of)
        values: dict[str, Any] = {"read": row.read + len(found), "faults": row.faults + len(lost)}
        if found:
            values["after"] = found[-1][0].id
        if ended:
            values["ended_at"] = now
        if changed_rows(session, moved.values(values)) != 1:
            return  # another process reads this store, and notes the same
        absent = [package.id for package, _ in of_kept if package.state is None]
        bare = {"store": name, "state": MISSING, "written_at": None, "checked_at": None}
        insert_rows(session, ArchiveCopy, [{"package_id": one, **bare} for one in absent])
        for state in (PRESENT, MISSING, DAMAGED):
            ids = [package.id for package, so in of_kept if so == state]
            copies = update(ArchiveCopy).where(ArchiveCopy.store == name, ArchiveCopy.package_id.in_(ids))
            changed_rows(session, copies.values(state=state, checked_at=now))
        _record(
            session,
            ports,
            "package.copy_lost",
            [(package.id, {"store": name, "found": state}) for package, state in newly],
        )
    done.lost += [(package.id, name, state) for package, state in newly]
    if ended:
        done.ended.append(name)


def _held(session: Session, packages: Sequence[str]) -> set[str]:
    """Those of them that are kept, and stay so until the transaction is over."""
    kept = select(ArchivePackage.id).where(ArchivePackage.id.in_(packages), ArchivePackage.state == KEPT)
    return set(session.scalars(kept.order_by(ArchivePackage.id).with_for_update(read=True)))


def repair(ports: Ports, stores: Stores, done: Audited) -> None:
    """Make anew every copy that is not there or not right, from one that has the registered digest. A store
    that is out waits; a package without any good copy is named, and left as it is.
    """
    with ports.database.read.connect() as connection:
        wanted = connection.execute(
            select(
                ArchivePackage.id,
                ArchivePackage.attempt,
                ArchivePackage.sha256,
                ArchiveCopy.store,
                ArchiveCopy.state,
            )
            .join(ArchiveCopy, ArchiveCopy.package_id == ArchivePackage.id)
            .where(
                ArchivePackage.state == KEPT,
                ArchiveCopy.store.in_(list(stores.by_name)),
                or_(ArchiveCopy.state == MISSING, ArchiveCopy.state == DAMAGED),
            )
            .order_by(ArchivePackage.id, ArchiveCopy.store)
        ).all()
    for one in wanted:
        if one.store in done.outages:
            continue
        key = package_key(one.id, one.attempt)
        try:
            good = stores.first_good(key, one.sha256)
            if good is None:
                if one.id not in done.beyond_repair:
                    done.beyond_repair.append(one.id)
                continue
            lies = stores.read(one.store, key)
            if lies is not None and lies != good:
                stores.remove(one.store, key)
            (failure,) = stores.write(one.store, [(key, good)])
            if failure is not None:
                raise failure
            if not _repaired(ports, one, done):
                stores.remove(one.store, key)  # it was disposed of as it was being repaired
        except VermilionError as error:
            if error.kind is not Kind.UNAVAILABLE:
                raise
            done.outages[one.store] = error


def _repaired(ports: Ports, one: Any, done: Audited) -> bool:
    """Whether the package is one that is kept."""
    now = ports.clock()
    copy = (ArchiveCopy.package_id == one.id, ArchiveCopy.store == one.store, ArchiveCopy.state == one.state)
    with ports.database.transaction() as session:
        mended = update(ArchiveCopy).where(*copy)
        if changed_rows(session, mended.values(state=PRESENT, written_at=now, checked_at=now)) != 1:
            return one.id in _held(session, [one.id])  # another process has mended it
        _record(session, ports, "package.copy_repaired", [(one.id, {"store": one.store, "was": one.state})])
    done.repaired.append((one.id, one.store))
    return True


def _record(session: Session, ports: Ports, kind: str, about: Sequence[tuple[str, dict[str, Any]]]) -> None:
    if not about:
        return
    now = ports.clock()
    rows = select(ArchivePackage.id, ArchivePackage.identifier).where(
        ArchivePackage.id.in_([package_id for package_id, _ in about])
    )
    identifiers = {row.id: row.identifier for row in session.execute(rows)}
    ground = Ground(LEGAL_BASIS, "fixity", civil_day(now, ports.settings.tz))
    record_events(
        session,
        kind=kind,
        subject_kind="package",
        happenings=[
            Happening(package_id, ground, None, {"identifier": identifiers[package_id], **detail})
            for package_id, detail in about
        ],
        now=now,
        random=ports.random,
    )
