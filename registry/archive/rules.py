"""Archiving: what is due becomes a package, registered before it is written, kept once copies are found
good.

A round numbers packages, makes them, registers their digests, writes them to every store, and counts the
copies that were read back right; no database waits while packages are made or written. Whoever dies in
between leaves a row whose lease lapses: the next round takes the copies that were written, or makes the
package anew under the next attempt. Nothing lies in a store that the register does not know, and no number
is lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from keys.trust_list import TrustList
from registry.archive.checks import INGEST, failed, note_checks
from registry.archive.claims import claimed, elsewhere, give_back, held
from registry.archive.contents import Gathered
from registry.archive.natures import Finding, four_natures
from registry.archive.numbering import (
    KEPT,
    LEASE,
    NUMBERED,
    WRITING,
    as_values,
    described,
    number_packages,
    subjects_being_written,
)
from registry.archive.package import Package, make_package
from registry.archive.stores import COPIES, Stores, package_key
from registry.archive.tables import ArchiveCopy, ArchiveDue, ArchivePackage
from registry.licences.examine import civil_day
from registry.licences.outage import database_errors
from registry.licences.trust import trust_now
from registry.log.rules import Ground, Happening, record_events
from registry.ports import Ports
from registry.rows import changed_each, changed_rows, insert_rows
from signing.held_evidence import DocumentReader

Rest = Callable[[float], object]
"""Waits so many seconds, or less where it is told to stop."""
BATCH = 64
"""Packages of a round: so many are in memory at once, and share transactions and syncing."""
FIRST_REST, LONGEST_REST = timedelta(minutes=1), timedelta(hours=6)
LEGAL_BASIS = "国务院令第716号 第十二条"
"""Electronic files of government services are archived as such, and need no paper beside them."""
RECORD_DISPOSED = "record_disposed"
"""The answer about what was disposed of: there is nothing of it to be archived again."""
PRESENT, MISSING, DAMAGED = "present", "missing", "damaged"


@dataclass(frozen=True, slots=True)
class Archived:
    """`gather` finds what packages are made of, by subject; `kept` is called in the transaction in which
    packages of these subjects count as kept.
    """

    gather: Callable[
        [Ports, Sequence[str], TrustList, DocumentReader], Mapping[str, Gathered | VermilionError]
    ]
    kept: Callable[[Session, Ports, Sequence[str]], None]


@dataclass
class Round:
    """Packages that are kept; by subject or store what was put off; by subject what is a defect."""

    kept: list[str] = field(default_factory=list)
    deferred: dict[str, VermilionError] = field(default_factory=dict)
    defects: dict[str, Exception] = field(default_factory=dict)
    unsound: dict[str, list[Finding]] = field(default_factory=dict)  # by package what its check found wrong

    def __bool__(self) -> bool:
        return bool(self.kept or self.deferred or self.defects or self.unsound)


@dataclass(frozen=True, slots=True)
class _Written:
    """A package that is registered with its digest, and is to be written."""

    row: dict[str, Any]
    tar: bytes

    @property
    def key(self) -> str:
        return package_key(self.row["id"], self.row["attempt"])


def keep_kinds(
    ports: Ports, stores: Stores, kinds: Mapping[str, Archived], stopping: Callable[[], bool], rest: Rest
) -> Round:
    """Archive what is due until nothing is, or `stopping` says so. What cannot be now is tried again later,
    and keeps nothing else waiting. After each batch `rest` is asked for three times as long as it took: in a
    process that answers requests, those come first, and the night is long.

    Raises VermilionError(UNAVAILABLE) without database, trust list or data key.
    """
    done, reader = Round(), DocumentReader()
    with database_errors():
        busy = True
        while busy:  # of each kind in turn: none keeps another waiting
            found = [_batch(ports, stores, *kind, reader, stopping, rest, done) for kind in kinds.items()]
            busy = any(found)
    return done


def _batch(
    ports: Ports,
    stores: Stores,
    kind: str,
    archived: Archived,
    reader: DocumentReader,
    stopping: Callable[[], bool],
    rest: Rest,
    done: Round,
) -> bool:
    """Whether there was anything of a kind to archive."""
    if stopping():
        return False
    begun = perf_counter()
    lapsed = _lapsed(ports, kind)
    until = ports.clock() + LEASE
    subjects = {} if lapsed else claimed(ports, kind, lambda: _due(ports, kind), until)
    if not lapsed and not subjects:
        return False
    with held(ports, kind, subjects):
        trust = trust_now(ports)
        writing = _taken_up(ports, stores, archived, lapsed, trust, reader, done) if lapsed else []
        writing += _begun(ports, kind, archived, subjects, trust, reader, done) if subjects else []
    _write(ports, stores, archived, writing, done)
    rest(3 * (perf_counter() - begun))
    return True


def _due(ports: Ports, kind: str) -> dict[str, list[str]]:
    """Subjects that are due, with their events, those that wait longest first. One of which a package is
    being written waits for it.
    """
    free = (
        ArchiveDue.package_id.is_(None),
        ArchiveDue.due_at <= ports.clock(),
        ArchiveDue.subject_kind == kind,
        ArchiveDue.subject.not_in(elsewhere(kind, ports.clock())),
    )
    longest = (
        select(ArchiveDue.subject, func.min(ArchiveDue.due_at).label("since"))
        .where(*free, ArchiveDue.subject.not_in(subjects_being_written(kind)))
        .group_by(ArchiveDue.subject)
        .order_by("since", ArchiveDue.subject)
        .limit(BATCH)
        .subquery()
    )
    waiting = (
        select(ArchiveDue.subject, ArchiveDue.event_id)
        .join(longest, longest.c.subject == ArchiveDue.subject)
        .where(*free)
        .order_by(longest.c.since, ArchiveDue.subject)
    )
    found = defaultdict[str, list[str]](list)
    with ports.database.read.connect() as connection:  # one statement: nothing is claimed halfway through
        for subject, event_id in connection.execute(waiting):
            found[subject].append(event_id)
    return found


def _begun(
    ports: Ports,
    kind: str,
    archived: Archived,
    subjects: Mapping[str, Sequence[str]],
    trust: TrustList,
    reader: DocumentReader,
    done: Round,
) -> list[_Written]:
    """New packages of these subjects."""
    whole, refused = _split(archived.gather(ports, list(subjects), trust, reader))
    now = ports.clock()
    over = [one for one, error in refused.items() if error.reason == RECORD_DISPOSED]
    events = [event_id for one in over for event_id in subjects[one]]
    refused = {one: error for one, error in refused.items() if one not in over}
    done.deferred |= refused
    with ports.database.transaction() as session:
        changed_rows(session, delete(ArchiveDue).where(ArchiveDue.event_id.in_(events)))
        _postpone(session, {one: (subjects[one], error.reason) for one, error in refused.items()}, now)
        claimed = _claimed(session, {one: subjects[one] for one in whole})
        rows = number_packages(session, ports, kind, {one: whole[one] for one in claimed}, now)
        marks = [
            {"event": event_id, "package": row["id"]} for row in rows for event_id in claimed[row["subject"]]
        ]
        marked = update(ArchiveDue).where(ArchiveDue.event_id == bindparam("event"))
        changed_each(session, marked.values(package_id=bindparam("package")), marks)
        give_back(session, kind, subjects)
    return _made(ports, rows, whole, done)


def _taken_up(
    ports: Ports,
    stores: Stores,
    archived: Archived,
    lapsed: Sequence[dict[str, Any]],
    trust: TrustList,
    reader: DocumentReader,
    done: Round,
) -> list[_Written]:
    """Packages whose writing was broken off: what lies in a store is taken, else all is made anew."""
    written, anew = list[_Written](), list[dict[str, Any]]()
    for row in lapsed:
        key = package_key(row["id"], row["attempt"]) if row["attempt"] else None
        data = None if key is None else stores.first_good(key, row["sha256"])
        if data is not None:
            written.append(_Written(row, data))
        else:
            anew.append(row)
    wanted = [row["subject"] for row in anew]
    whole, refused = _split(archived.gather(ports, wanted, trust, reader))
    done.deferred |= refused
    made = _made(ports, [row for row in anew if row["subject"] in whole], whole, done)
    for one in made:
        _remove_before(stores, one)
    return written + made


def _remove_before(stores: Stores, package: _Written) -> None:
    """What lies there of the attempt before is nobody's, now that the next one is on record: whoever was only
    slow keeps none of it any more. A store that is out keeps it: attempts count up, so it is known.
    """
    before = package.row["attempt"] - 1
    for name in stores.by_name if before else ():
        with suppress(VermilionError):
            stores.remove(name, package_key(package.row["id"], before))


def _lapsed(ports: Ports, kind: str) -> list[dict[str, Any]]:
    """Packages on which nobody is at work any more, from now on ours."""
    now = ports.clock()
    over = (
        ArchivePackage.state.in_((NUMBERED, WRITING)),
        ArchivePackage.lease_until <= now,
        ArchivePackage.subject_kind == kind,
    )
    with ports.database.read.connect() as connection:
        if connection.scalar(select(ArchivePackage.id).where(*over).limit(1)) is None:
            return []
    with ports.database.transaction() as session:
        rows = session.scalars(
            select(ArchivePackage)
            .where(*over)
            .order_by(ArchivePackage.lease_until, ArchivePackage.id)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        ).all()
        for row in rows:
            row.lease_until = now + LEASE
        return [as_values(row) for row in rows]


def _split(
    found: Mapping[str, Gathered | VermilionError],
) -> tuple[dict[str, Gathered], dict[str, VermilionError]]:
    whole = {one: value for one, value in found.items() if isinstance(value, Gathered)}
    return whole, {one: value for one, value in found.items() if isinstance(value, VermilionError)}


def _postpone(
    session: Session, refused: Mapping[str, tuple[Sequence[str], str | None]], now: datetime
) -> None:
    """What could not be gathered is due again later, later each time."""
    for events, reason in refused.values():
        rows = session.scalars(
            select(ArchiveDue).where(ArchiveDue.event_id.in_(events)).with_for_update()
        ).all()
        for row in rows:
            row.due_at = now + min(FIRST_REST * 2 ** min(row.attempt, 10), LONGEST_REST)
            row.attempt += 1
            row.reason = (reason or "unavailable")[:40]


def _claimed(session: Session, wanted: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Those whose events are still nobody's, locked until the transaction ends."""
    every = [event_id for some in wanted.values() for event_id in some]
    rows = session.execute(
        select(ArchiveDue.subject, ArchiveDue.event_id)
        .where(ArchiveDue.event_id.in_(every), ArchiveDue.package_id.is_(None))
        .order_by(ArchiveDue.event_id)
        .with_for_update()
    )
    found = defaultdict[str, list[str]](list)
    for subject, event_id in rows:
        found[subject].append(event_id)
    return {subject: found[subject] for subject in wanted if len(found[subject]) == len(wanted[subject])}


def _made(
    ports: Ports, rows: Sequence[dict[str, Any]], whole: Mapping[str, Gathered], done: Round
) -> list[_Written]:
    """Make packages, look at each as at a stranger's, and register what they are, under the next attempt of
    each. One that does not pass the four-nature check is written nowhere, and made anew hours later.
    """
    made: list[tuple[dict[str, Any], Package]] = []
    checks: dict[str, list[Finding]] = {}
    for row in rows:
        found = whole[row["subject"]]
        try:
            package = make_package(described(row, found), found.items, found.acts, found.agents)
            checks[row["id"]] = four_natures(package.tar, digest=package.sha256)
            if failed(checks[row["id"]]):
                done.unsound[row["id"]] = failed(checks[row["id"]])
            else:
                made.append((row, package))
        except Exception as error:  # noqa: BLE001  (whatever it is, the others are not kept waiting)
            done.defects[row["subject"]] = error
    registered = (
        update(ArchivePackage)
        .where(
            ArchivePackage.id == bindparam("of"),
            ArchivePackage.attempt == bindparam("before"),
            ArchivePackage.state != KEPT,
        )
        .values(
            state=WRITING,
            attempt=bindparam("before") + 1,
            sha256=bindparam("digest"),
            manifest_sha256=bindparam("manifest"),
            size=bindparam("bytes"),
            items=bindparam("count"),
        )
    )
    written = []
    now = ports.clock()
    with ports.database.transaction() as session:
        note_checks(session, INGEST, checks, now)
        unsound = (ArchivePackage.id.in_(list(done.unsound)), ArchivePackage.state != KEPT)
        changed_rows(session, update(ArchivePackage).where(*unsound).values(lease_until=now + LONGEST_REST))
        for row, package in made:
            values = {
                "of": row["id"],
                "before": row["attempt"],
                "digest": package.sha256,
                "manifest": package.manifest_sha256,
                "bytes": len(package.tar),
                "count": package.items,
            }
            if changed_each(session, registered, [values]) == 1:  # else somebody else is at it
                to_be = row | {"attempt": row["attempt"] + 1, "sha256": package.sha256}
                written.append(_Written(to_be, package.tar))
    return written


def _write(
    ports: Ports, stores: Stores, archived: Archived, packages: Sequence[_Written], done: Round
) -> None:
    """To all stores at once, and count what was read back right."""
    if not packages:
        return
    wanted = [(one.key, one.tar) for one in packages]
    with ThreadPoolExecutor(len(stores.by_name)) as pool:
        outcomes = dict(
            zip(
                stores.by_name,
                pool.map(lambda name: stores.write(name, wanted), stores.by_name),
                strict=True,
            )
        )
    for name, some in outcomes.items():
        failures = [error for error in some if error is not None]
        if failures:
            done.deferred[name] = failures[0]
    copies = {
        one.row["id"]: {name: some[at] is None for name, some in outcomes.items()}
        for at, one in enumerate(packages)
    }
    _kept(ports, archived, packages, copies, done)


def _kept(
    ports: Ports,
    archived: Archived,
    packages: Sequence[_Written],
    copies: Mapping[str, Mapping[str, bool]],
    done: Round,
) -> None:
    """Those with copies enough are kept, and what was due of them no longer is. A store that has none yet
    gets its copy when it is looked after next; a package with too few is taken up again. Of what somebody
    else has begun anew meanwhile nothing is kept: its row speaks of other bytes, under another key.
    """
    now = ports.clock()
    with ports.database.transaction() as session:
        ours = (
            select(ArchivePackage.id, ArchivePackage.attempt)
            .where(
                ArchivePackage.id.in_([one.row["id"] for one in packages]), ArchivePackage.state == WRITING
            )
            .order_by(ArchivePackage.id)
            .with_for_update()
        )
        attempts = {row.id: row.attempt for row in session.execute(ours)}
        still = [one for one in packages if attempts.get(one.row["id"]) == one.row["attempt"]]
        kept = [one for one in still if sum(copies[one.row["id"]].values()) >= COPIES]
        ids = [one.row["id"] for one in kept]
        changed_rows(
            session, update(ArchivePackage).where(ArchivePackage.id.in_(ids)).values(state=KEPT, kept_at=now)
        )
        few = [one.row["id"] for one in still if one not in kept]
        soon = update(ArchivePackage).where(ArchivePackage.id.in_(few))
        changed_rows(session, soon.values(lease_until=now + FIRST_REST))
        insert_rows(
            session,
            ArchiveCopy,
            [
                {
                    "package_id": one.row["id"],
                    "store": name,
                    "state": PRESENT if good else MISSING,
                    "written_at": now if good else None,
                    "checked_at": now if good else None,
                }
                for one in kept
                for name, good in copies[one.row["id"]].items()
            ],
        )
        changed_rows(session, delete(ArchiveDue).where(ArchiveDue.package_id.in_(ids)))
        day = civil_day(now, ports.settings.tz)
        record_events(
            session,
            kind="package.kept",
            subject_kind="package",
            happenings=[
                Happening(
                    subject=one.row["id"],
                    ground=Ground(LEGAL_BASIS, "archived", day),
                    actor=None,
                    detail={
                        "number": one.row["number"],
                        "sequence": one.row["sequence"],
                        "occasion": one.row["occasion"],
                        "identifier": one.row["identifier"],
                        "sha256": one.row["sha256"].hex(),
                        "stores": [name for name, good in copies[one.row["id"]].items() if good],
                    },
                )
                for one in kept
            ],
            now=now,
            random=ports.random,
        )
        if kept:
            archived.kept(session, ports, [one.row["subject"] for one in kept])
    done.kept += ids
