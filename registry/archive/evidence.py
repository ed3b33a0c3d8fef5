"""Evidence records (RFC 4998) of packages: each day's are one tree of digests under one time-stamp.

A package keeps the few digests that lead to its night's root; the night keeps the time-stamps, which its
packages share. Before the certificate of a time-stamp's authority ends, the night gets a further one over
it: one for all packages, and no package is read for it. Before the digests' algorithm weakens, packages are
read and get a place in a tree by a stronger one (`renewal`). A record is put together when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from hashlib import sha256

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from keys.evidence_record import (
    SIZES,
    ArchiveTimeStamp,
    EvidenceRecord,
    HashTree,
    Lists,
    renewal_digest,
    verify_record,
)
from keys.time_stamp import TimeStamp, verify_token
from keys.trust_list import TrustList
from registry.archive.numbering import KEPT
from registry.archive.tables import ArchiveEvidence, ArchiveNight, ArchiveNightStamp, ArchivePackage
from registry.archive.transfer_tables import ArchiveDigest, ArchiveRenewal
from registry.licences.archive import ending_authorities
from registry.licences.examine import civil_day
from registry.licences.outage import database_errors
from registry.licences.trust import trust_now
from registry.ports import Ports
from registry.rows import changed_rows, insert_rows, unless_known

ALGORITHM = "sha256"
MOST = 100_000
"""Packages under one root: what is more goes under the next."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one package: its record, and the times that its time-stamps prove, oldest first."""

    record: EvidenceRecord
    times: tuple[datetime, ...]


def stamp_night(ports: Ports, *, at_once: bool = False) -> int:
    """Put the packages that were kept before today, and have none, under a time-stamp; or, `at_once`, all
    that have none. How many. Raises VermilionError(UNAVAILABLE) without database or time-stamp.
    """
    day = civil_day(ports.clock(), ports.settings.tz)
    midnight = datetime.combine(day, time.min, ports.settings.tz)
    before = ports.clock() + timedelta(seconds=1) if at_once else midnight
    done = 0
    with database_errors():
        while rows := _without(ports, before):
            if not _stamped(ports, day, rows):
                break  # another process was quicker
            done += len(rows)
    return done


def _without(ports: Ports, before: datetime) -> list[tuple[str, bytes]]:
    has = exists().where(ArchiveEvidence.package_id == ArchivePackage.id)
    wanted = (
        select(ArchivePackage.id, ArchivePackage.sha256)
        .where(ArchivePackage.state == KEPT, ArchivePackage.kept_at < before, ~has)
        .order_by(ArchivePackage.id)
        .limit(MOST)
    )
    with ports.database.read.connect() as connection:
        return [(row.id, row.sha256) for row in connection.execute(wanted)]


def _stamped(ports: Ports, day: date, rows: Sequence[tuple[str, bytes]]) -> bool:
    tree = HashTree.over(ALGORITHM, [[digest] for _, digest in rows])
    night_id = ports.random(16).hex()
    token, stamp = stamped(ports, tree.root, ALGORITHM, trust_now(ports))
    try:
        with ports.database.transaction() as session, unless_known(session, _taken()):
            session.add(ArchiveNight(id=night_id, day=day, algorithm=ALGORITHM, packages=len(rows)))
            session.flush()  # the rows below refer to it
            session.add(stamp_row(night_id, 1, token, stamp))
            lists = (tree.stamped(leaf, token).lists for leaf in range(len(rows)))
            insert_rows(
                session,
                ArchiveEvidence,
                [
                    {"package_id": package_id, "night_id": night_id, "lists": pack(some)}
                    for (package_id, _), some in zip(rows, lists, strict=True)
                ],
            )
    except VermilionError as error:
        if error.kind is not Kind.CONFLICT:
            raise
        return False
    return True


def renew_due(ports: Ports) -> int:
    """Stamp anew the nights whose newest time-stamp's authority ends soon, or is of a suite to be left. How
    many. Raises VermilionError(UNAVAILABLE).
    """
    renewed = 0
    with database_errors():
        with Session(ports.database.read) as session:
            ending = ending_authorities(session, ports.settings, ports.clock())
            nights = session.scalars(
                select(ArchiveNightStamp.night_id)
                .where(ArchiveNightStamp.stamped_by.in_(ending), ArchiveNightStamp.followed.is_(False))
                .order_by(ArchiveNightStamp.night_id)
            ).all()
        for night_id in nights:
            with Session(ports.database.read) as session:
                record = EvidenceRecord((chain_of(session, night_id, b""),))
            number = len(record.chains[0])
            algorithm = record.newest.algorithm
            token, stamp = stamped(ports, renewal_digest(record), algorithm, trust_now(ports))
            last = (
                ArchiveNightStamp.night_id == night_id,
                ArchiveNightStamp.number == number,
                ArchiveNightStamp.followed.is_(False),
            )
            with ports.database.transaction() as session:
                if changed_rows(session, update(ArchiveNightStamp).where(*last).values(followed=True)) == 1:
                    session.add(stamp_row(night_id, number + 1, token, stamp))
                    renewed += 1
    return renewed


def evidence_of(session: Session, package_id: str) -> EvidenceRecord | None:
    """The package's record as it stands; None before its first night."""
    row = session.get(ArchiveEvidence, package_id)
    if row is None:
        return None
    renewals = session.scalars(
        select(ArchiveRenewal).where(ArchiveRenewal.package_id == package_id).order_by(ArchiveRenewal.chain)
    ).all()
    places = [(row.night_id, row.lists), *((one.night_id, one.lists) for one in renewals)]
    counts = [*(one.stamps for one in renewals), None]
    return EvidenceRecord(
        tuple(
            chain_of(session, night_id, lists, stamps)
            for (night_id, lists), stamps in zip(places, counts, strict=True)
        )
    )


def digests_of(session: Session, package_id: str, digest: bytes) -> dict[str, bytes]:
    """A package's digests on record, by algorithm; `digest` is its SHA-256."""
    further = select(ArchiveDigest.algorithm, ArchiveDigest.digest).where(
        ArchiveDigest.package_id == package_id
    )
    return {ALGORITHM: digest} | {row.algorithm: row.digest for row in session.execute(further)}


def verified(record: EvidenceRecord, digests: Mapping[str, bytes], trust: TrustList) -> Evidence:
    """What a record proves of a package of these digests, of which it has to have one for each algorithm of
    the record's. Raises VermilionError(INVALID).
    """

    def verify(token: bytes, over: bytes, algorithm: str) -> datetime:
        return verify_token(token, over, trust=trust, algorithm=algorithm).gen_time

    return Evidence(record, verify_record(record, {name: [one] for name, one in digests.items()}, verify))


def chain_of(
    session: Session, night_id: str, lists: bytes, stamps: int | None = None
) -> tuple[ArchiveTimeStamp, ...]:
    """A night's time-stamps, the first so many, as the chain of a package with these lists (as packed)."""
    algorithm = session.scalars(select(ArchiveNight.algorithm).where(ArchiveNight.id == night_id)).one()
    tokens = session.scalars(
        select(ArchiveNightStamp.token)
        .where(ArchiveNightStamp.night_id == night_id)
        .order_by(ArchiveNightStamp.number)
        .limit(stamps)
    ).all()
    first = ArchiveTimeStamp(algorithm, unpack(lists, SIZES[algorithm]), tokens[0])
    return (first, *(ArchiveTimeStamp(algorithm, (), token) for token in tokens[1:]))


def stamped(ports: Ports, digest: bytes, algorithm: str, trust: TrustList) -> tuple[bytes, TimeStamp]:
    """A time-stamp of our own over a digest by this algorithm, verified."""
    token = ports.timestamper.stamp(digest, f"archive:{ports.random(16).hex()}", algorithm)
    return token, verify_token(token, digest, trust=trust, algorithm=algorithm)


def stamp_row(night_id: str, number: int, token: bytes, stamp: TimeStamp) -> ArchiveNightStamp:
    return ArchiveNightStamp(
        night_id=night_id,
        number=number,
        token=token,
        stamped_at=stamp.gen_time,
        stamped_by=sha256(stamp.certificate).hexdigest(),
        followed=False,
    )


def pack(lists: Lists) -> bytes:
    """Of each list its length, in one octet, and its digests: a night's are at most two."""
    return b"".join(bytes((len(some),)) + b"".join(some) for some in lists)


def unpack(data: bytes, size: int) -> Lists:
    """What was packed, of digests of this size. Raises ValueError."""
    lists, at = [], 0
    while at < len(data):
        end = at + 1 + data[at] * size
        if end > len(data):
            raise ValueError("not what was packed")
        lists.append(tuple(data[start : start + size] for start in range(at + 1, end, size)))
        at = end
    return tuple(lists)


def _taken() -> VermilionError:
    return VermilionError(Kind.CONFLICT, "another process was quicker", reason="archive_night")
