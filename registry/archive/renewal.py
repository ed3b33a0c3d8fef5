"""Hash-tree renewal (RFC 4998, 5.2): before the digests' algorithm weakens, each package is read from a store
and gets a place in a tree by a stronger one, over its new digest and all that its record held before.

Reading is the work: no faster than is allowed, and what was read is on record at once, so that a run that was
stopped goes on where it was. Stamping reads nothing, and is one time-stamp for a hundred thousand packages. A
night of which every package has moved on gets no further time-stamps of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import new as new_hash
from time import perf_counter
from typing import Any

from sqlalchemy import and_, exists, select, update
from sqlalchemy.orm import Session, aliased

from keys.errors import Kind, VermilionError
from keys.evidence_record import SIZES, EvidenceRecord, HashTree, renewal_group
from registry.archive.audit import MEGABYTE
from registry.archive.evidence import ALGORITHM, MOST, chain_of, pack, stamp_row, stamped, unpack
from registry.archive.numbering import KEPT
from registry.archive.rules import Rest
from registry.archive.stores import Stores, package_key
from registry.archive.tables import ArchiveEvidence, ArchiveNight, ArchiveNightStamp, ArchivePackage
from registry.archive.transfer_tables import ArchiveDigest, ArchiveRenewal
from registry.licences.examine import civil_day
from registry.licences.outage import database_errors
from registry.licences.trust import trust_now
from registry.ports import Ports
from registry.rows import changed_rows, insert_absent, insert_rows, unless_known

SLICE = 64
TRIES = 3


@dataclass
class Renewed:
    """Packages that were read, and that have their place in a new tree; those that no store has whole."""

    read: int = 0
    renewed: int = 0
    unreadable: list[str] = field(default_factory=list)


def renew_evidence(
    ports: Ports,
    stores: Stores,
    algorithm: str,
    *,
    rest: Rest,
    stopping: Callable[[], bool] = lambda: False,
) -> Renewed:
    """Put every package that has evidence by weaker algorithms alone under one by this. Called again, it goes
    on where it stopped.

    Raises VermilionError: INVALID (`digest_algorithm`) for one that is not stronger; UNAVAILABLE without
    database, trust list or time-stamp.
    """
    if algorithm not in _from(ALGORITHM)[1:]:
        detail = f"packages' digests are by {ALGORITHM}: renewed by {' or '.join(_from(ALGORITHM)[1:])}"
        raise VermilionError(Kind.INVALID, detail, reason="digest_algorithm")
    done = Renewed()
    with database_errors():
        _read(ports, stores, algorithm, rest, stopping, done)
        tries = 0
        while not stopping() and (places := _places(ports, algorithm)):
            if _stamped(ports, algorithm, places):
                done.renewed += len(places)
                tries = 0
            elif (tries := tries + 1) == TRIES:
                break  # another process is at it
    return done


def _from(algorithm: str) -> list[str]:
    """Names of the algorithm and of the stronger ones."""
    names = list(SIZES)
    return names[names.index(algorithm) :]


def _wanted(algorithm: str) -> tuple[Any, ...]:
    """Packages with a record in which nothing is as strong."""
    strong = (
        exists()
        .where(ArchiveRenewal.package_id == ArchivePackage.id)
        .where(ArchiveNight.id == ArchiveRenewal.night_id, ArchiveNight.algorithm.in_(_from(algorithm)))
    )
    evidence = aliased(ArchiveEvidence)  # which is joined beside it, too
    has = exists().where(evidence.package_id == ArchivePackage.id)
    return ArchivePackage.state == KEPT, has, ~strong


def _digested(algorithm: str) -> Any:
    return and_(ArchiveDigest.package_id == ArchivePackage.id, ArchiveDigest.algorithm == algorithm)


def _read(
    ports: Ports, stores: Stores, algorithm: str, rest: Rest, stopping: Callable[[], bool], done: Renewed
) -> None:
    limit, after = ports.settings.archive_audit_mb * MEGABYTE, ""
    while not stopping():
        begun = perf_counter()
        with ports.database.read.connect() as connection:
            rows = connection.execute(
                select(ArchivePackage.id, ArchivePackage.attempt, ArchivePackage.sha256, ArchivePackage.size)
                .outerjoin(ArchiveDigest, _digested(algorithm))
                .where(*_wanted(algorithm), ArchiveDigest.package_id.is_(None), ArchivePackage.id > after)
                .order_by(ArchivePackage.id)
                .limit(SLICE)
            ).all()
        if not rows:
            return
        after, found = rows[-1].id, []
        for row in rows:
            data = stores.first_good(package_key(row.id, row.attempt), row.sha256)
            if data is None:
                done.unreadable.append(row.id)
            else:
                digest = new_hash(algorithm, data).digest()
                found.append({"package_id": row.id, "algorithm": algorithm, "digest": digest})
        with ports.database.transaction() as session:
            insert_absent(session, found, ArchiveDigest.package_id)
        done.read += len(found)
        if limit:
            rest(max(0.0, sum(row.size for row in rows) / limit - (perf_counter() - begun)))


@dataclass(frozen=True, slots=True)
class _Place:
    """A package that is to get its place: what its record holds, and where the newest of it stands."""

    package_id: str
    leaf: list[bytes]
    chain: int  # the number of the new one
    night_id: str  # of the newest chain, with so many time-stamps
    stamps: int


def _places(ports: Ports, algorithm: str) -> list[_Place]:
    with Session(ports.database.read) as session:
        rows = session.execute(
            select(ArchivePackage.id, ArchiveDigest.digest, ArchiveEvidence.night_id, ArchiveEvidence.lists)
            .join(ArchiveDigest, _digested(algorithm))
            .join(ArchiveEvidence, ArchiveEvidence.package_id == ArchivePackage.id)
            .where(*_wanted(algorithm))
            .order_by(ArchivePackage.id)
            .limit(MOST)
        ).all()
        if not rows:
            return []
        former = defaultdict[str, list[ArchiveRenewal]](list)
        between = ArchiveRenewal.package_id.between(rows[0].id, rows[-1].id)
        for one in session.scalars(select(ArchiveRenewal).where(between).order_by(ArchiveRenewal.chain)):
            former[one.package_id].append(one)
        nights: dict[tuple[str, int | None], Any] = {}

        def chain(night_id: str, lists: bytes, stamps: int | None) -> Any:
            """Of a night's packages all but the first time-stamp's lists are the same."""
            key = night_id, stamps
            if key not in nights:
                nights[key] = chain_of(session, night_id, b"", stamps)
            first, *others = nights[key]
            return (replace(first, lists=unpack(lists, SIZES[first.algorithm])), *others)

        return [_place(row, former[row.id], chain, algorithm) for row in rows]


def _place(row: Any, former: Sequence[ArchiveRenewal], chain: Any, algorithm: str) -> _Place:
    held = [(row.night_id, row.lists), *((one.night_id, one.lists) for one in former)]
    counts = [*(one.stamps for one in former), None]
    chains = tuple(chain(*where, stamps) for where, stamps in zip(held, counts, strict=True))
    return _Place(
        package_id=row.id,
        leaf=renewal_group(EvidenceRecord(chains), algorithm, [row.digest]),
        chain=len(chains) + 1,
        night_id=held[-1][0],
        stamps=len(chains[-1]),
    )


def _stamped(ports: Ports, algorithm: str, places: Sequence[_Place]) -> bool:
    """False where a night got a time-stamp meanwhile, or another process was quicker."""
    tree = HashTree.over(algorithm, [place.leaf for place in places])
    token, stamp = stamped(ports, tree.root, algorithm, trust_now(ports))
    night_id, day = ports.random(16).hex(), civil_day(ports.clock(), ports.settings.tz)
    quicker = VermilionError(Kind.CONFLICT, "another process was quicker", reason="archive_night")
    try:
        with ports.database.transaction() as session, unless_known(session, quicker):
            before = {place.night_id: place.stamps for place in places}
            for former, stamps in sorted(before.items()):  # in one order: nobody waits in a circle
                if not _still(session, former, stamps):
                    raise quicker
            session.add(ArchiveNight(id=night_id, day=day, algorithm=algorithm, packages=len(places)))
            session.flush()  # the rows below refer to it
            session.add(stamp_row(night_id, 1, token, stamp))
            insert_rows(
                session,
                ArchiveRenewal,
                [
                    {
                        "package_id": place.package_id,
                        "chain": place.chain,
                        "night_id": night_id,
                        "stamps": place.stamps,
                        "lists": pack(tree.stamped(leaf, token).lists),
                    }
                    for leaf, place in enumerate(places)
                ],
            )
            for former in sorted(before):
                _leave(session, former)
    except VermilionError as error:
        if error.kind is not Kind.CONFLICT:
            raise
        return False
    return True


def _still(session: Session, night_id: str, stamps: int) -> bool:
    """Whether the night has so many time-stamps; it gets none until the transaction ends."""
    last = (
        ArchiveNightStamp.night_id == night_id,
        ArchiveNightStamp.number == stamps,
        ArchiveNightStamp.followed.is_(False),
    )
    return changed_rows(session, update(ArchiveNightStamp).where(*last).values(followed=False)) == 1


def _leave(session: Session, night_id: str) -> None:
    """Where all packages of a night have moved on, the tree's time-stamp is over its last one."""
    later = aliased(ArchiveRenewal)
    first = (
        select(ArchiveEvidence.package_id)
        .outerjoin(later, later.package_id == ArchiveEvidence.package_id)
        .where(ArchiveEvidence.night_id == night_id, later.package_id.is_(None))
    )
    further = (
        select(ArchiveRenewal.package_id)
        .outerjoin(
            later,
            and_(later.package_id == ArchiveRenewal.package_id, later.chain == ArchiveRenewal.chain + 1),
        )
        .where(ArchiveRenewal.night_id == night_id, later.package_id.is_(None))
    )
    if any(session.scalar(stays.limit(1)) is not None for stays in (first, further)):
        return
    whole = update(ArchiveNightStamp).where(ArchiveNightStamp.night_id == night_id)
    changed_rows(session, whole.values(followed=True))
