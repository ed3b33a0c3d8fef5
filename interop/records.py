"""Evidence records of the archive (RFC 4998), shown to Bouncy Castle: `python -m interop.records`.

Packages of a registry of our own, with the records that they would have: each must prove its package, and
neither another one nor one that was cut short.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from interop.java import SkippedError, check_records, prepare
from keys.evidence_record import EvidenceRecord, encode_record, renewal_digest
from registry.archive.evidence import chain_of, evidence_of, stamp_night, stamp_row, stamped
from registry.archive.keep import keep_due
from registry.archive.renewal import renew_evidence
from registry.archive.stores import Stores, open_stores, package_key
from registry.archive.tables import ArchiveNightStamp, ArchivePackage
from registry.licences.trust import trust_now
from tests.registry.issuing import issue_one
from tests.registry.world import Ticker, World, make_world

COUNT = 5
"""Of which the last has a path of its own through the tree: the others stand in pairs."""


def main() -> int:
    try:
        command = prepare()
    except SkippedError as reason:
        print(f"evidence records: not shown to Bouncy Castle, {reason}")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = _made(folder)
        (folder / "short.tar").write_bytes(pairs[0][1].read_bytes()[:-1])
        wrong = [
            (pairs[0][0], pairs[-1][1]),
            (pairs[-1][0], pairs[0][1]),
            (pairs[0][0], folder / "short.tar"),
            (pairs[-COUNT][0], pairs[-1][1]),
            (pairs[-COUNT][0], folder / "short.tar"),
        ]
        found = check_records(command, folder / "authority.cer", [*pairs, *wrong])
    right = found == [True] * len(pairs) + [False] * len(wrong)
    print(f"evidence records: Bouncy Castle {'agrees' if right else 'differs'} on {len(found)}")
    return 0 if right else 1


def _made(folder: Path) -> list[tuple[Path, Path]]:
    """Each package's record as it is after its night, a time-stamp renewal, a hash-tree renewal to SHA-512,
    and a time-stamp renewal of that.
    """
    world = make_world(folder, f"sqlite:///{folder}/registry.db", Ticker())
    try:
        for _ in range(COUNT):
            issue_one(world)
        stores = open_stores(world.ports.settings)
        keep_due(world.ports, stores)
        stamp_night(world.ports, at_once=True)
        trust = trust_now(world.ports)
        (authority,) = (key.certificate for key in trust.keys if key.use == "tsa" and key.certificate)
        (folder / "authority.cer").write_bytes(authority)
        pairs = _written(world, stores, folder, "night")
        _stamp_anew(world)
        pairs += _written(world, stores, folder, "stamped-anew")
        renew_evidence(world.ports, stores, "sha512", rest=lambda _seconds: None)
        pairs += _written(world, stores, folder, "tree")
        _stamp_anew(world)
        return pairs + _written(world, stores, folder, "tree-stamped-anew")
    finally:
        world.close()


def _written(world: World, stores: Stores, folder: Path, when: str) -> list[tuple[Path, Path]]:
    pairs = []
    with Session(world.ports.database.read) as session:
        for one in session.scalars(select(ArchivePackage).order_by(ArchivePackage.id)):
            record = evidence_of(session, one.id)
            data = stores.read("first", package_key(one.id, one.attempt))
            assert record is not None
            assert data is not None
            pairs.append((folder / f"{one.id}-{when}.ers", folder / f"{one.id}.tar"))
            pairs[-1][0].write_bytes(encode_record(record))
            pairs[-1][1].write_bytes(data)
    return pairs


def _stamp_anew(world: World) -> None:
    """As `renew_due` would years later, but by the same authority, which the checker knows."""
    with world.ports.database.transaction() as session:
        last = session.scalars(select(ArchiveNightStamp).where(ArchiveNightStamp.followed.is_(False))).one()
        chain = chain_of(session, last.night_id, b"")
        last.followed = True
        night_id, number = last.night_id, last.number + 1
    digest, algorithm = renewal_digest(EvidenceRecord((chain,))), chain[-1].algorithm
    token, stamp = stamped(world.ports, digest, algorithm, trust_now(world.ports))
    with world.ports.database.transaction() as session:
        session.add(stamp_row(night_id, number, token, stamp))


if __name__ == "__main__":
    sys.exit(main())
