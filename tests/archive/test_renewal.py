"""Evidence outlives its digests' algorithm: packages are read once more and stand in a tree by a stronger one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import new as new_hash

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from keys.evidence_record import EvidenceRecord, encode_record, parse_record, renewal_digest
from keys.profiles import PROFILES, ProfileName
from keys.trust_list import RENEW_AFTER
from registry.archive import renewal
from registry.archive.evidence import digests_of, evidence_of, renew_due, stamp_night, stamp_row, verified
from registry.archive.evidence import stamped as stamped_now
from registry.archive.renewal import Renewed, renew_evidence
from registry.archive.tables import ArchiveNightStamp, ArchivePackage
from registry.archive.transfer_tables import ArchiveDigest
from registry.licences.trust import trust_now
from registry.ports import Ports
from registry.seals.renewal import REMAINING
from tests.archive.disposing import approved, carried_out
from tests.archive.keeping import NAMES, file_of, packages, stores_of
from tests.archive.test_audit import archived
from tests.archive.test_disposal import archived_case
from tests.archive.test_evidence import count, record_of
from tests.registry.test_archive import later
from tests.registry.world import Ticker, World

DAY = timedelta(days=1)


def renewed(
    world: World,
    algorithm: str = "sha512",
    *,
    ports: Ports | None = None,
    rest: Callable[[float], object] = lambda _seconds: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Renewed:
    return renew_evidence(ports or world.ports, stores_of(world), algorithm, rest=rest, stopping=stopping)


def stamped(world: World, how_many: int) -> list[ArchivePackage]:
    found = archived(world, how_many)
    stamp_night(world.ports, at_once=True)
    return found


def proven(world: World, package: ArchivePackage) -> EvidenceRecord:
    """By the digests of the bytes in a store, and by those on record."""
    record = record_of(world, package.id)
    assert parse_record(encode_record(record)) == record
    data = file_of(world, package, "second").read_bytes()
    digests = {name: new_hash(name, data).digest() for name in ("sha256", "sha384", "sha512")}
    times = verified(record, digests, trust_now(world.ports)).times
    assert len(times) == sum(map(len, record.chains))
    with Session(world.ports.database.read) as session:
        kept = digests_of(session, package.id, package.sha256 or b"")
    assert verified(record, kept, trust_now(world.ports)).times == times
    for name in {chain[0].algorithm for chain in record.chains}:
        with pytest.raises(VermilionError):
            verified(record, digests | {name: bytes(len(digests[name]))}, trust_now(world.ports))
    return record


def test_a_stronger_tree_stands_over_all_that_was_before(world: World, clock: Ticker) -> None:
    found = stamped(world, 5)
    later(world, clock, DAY)
    assert renewed(world) == Renewed(read=5, renewed=5)
    assert renewed(world) == Renewed()
    for one in found:
        record = proven(world, one)
        assert [chain[0].algorithm for chain in record.chains] == ["sha256", "sha512"]
        tokens = sum(len(stamp.token) for chain in record.chains for stamp in chain)
        assert len(encode_record(record)) - tokens < 1000
        with pytest.raises(VermilionError):  # the old digest alone proves it no longer
            verified(record, {"sha256": one.sha256 or b""}, trust_now(world.ports))


def test_from_one_algorithm_to_the_next_and_the_next(world: World, clock: Ticker) -> None:
    found = stamped(world, 3)
    for algorithm in ("sha384", "sha512"):
        later(world, clock, DAY)
        assert renewed(world, algorithm).renewed == 3
    assert renewed(world, "sha384") == Renewed()  # what is stronger need not be renewed by what is weaker
    assert all(len(proven(world, one).chains) == 3 for one in found)
    for weaker in ("sha256", "md5", ""):
        with pytest.raises(VermilionError) as caught:
            renewed(world, weaker)
        assert caught.value.reason == "digest_algorithm"


def test_it_goes_on_where_it_was_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "SLICE", 2)
    found = stamped(world, 5)
    looks = iter([False])
    assert renewed(world, stopping=lambda: next(looks, True)) == Renewed(read=2)
    assert all(len(record_of(world, one.id).chains) == 1 for one in found)
    assert renewed(world) == Renewed(read=3, renewed=5)
    assert all(len(proven(world, one).chains) == 2 for one in found)


def test_stores_are_read_no_faster_than_is_allowed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "SLICE", 1)
    found = stamped(world, 2)
    settings = world.ports.settings.model_copy(update={"archive_audit_mb": 1})
    rests: list[float] = []
    renewed(world, ports=replace(world.ports, settings=settings), rest=rests.append)
    size = found[0].size or 0
    assert len(rests) == 2
    assert all(0 < one <= size / 1_000_000 + 0.5 for one in rests)


def test_what_no_store_has_whole_keeps_its_night(world: World, clock: Ticker) -> None:
    """It is named, goes on having its night's time-stamps, and gets its place when a copy is back."""
    lost, *others = stamped(world, 3)
    data = file_of(world, lost, "first").read_bytes()
    for name in NAMES:
        file_of(world, lost, name).unlink()
    assert renewed(world) == Renewed(read=2, renewed=2, unreadable=[lost.id])
    life, started = PROFILES[ProfileName.TSA].life, clock.now
    later(world, clock, life * (1 - REMAINING))
    later(world, clock, RENEW_AFTER)
    later(world, clock, life - 364 * DAY - (clock.now - started))
    assert renew_due(world.ports) == 2  # its night, and the others' tree
    assert [len(chain) for chain in record_of(world, lost.id).chains] == [2]
    for one in others:  # what came to the night since is no part of what their tree is over
        assert [len(chain) for chain in proven(world, one).chains] == [1, 2]
    for name in NAMES:
        file_of(world, lost, name).write_bytes(data)
    assert renewed(world) == Renewed(read=1, renewed=1)
    assert [len(chain) for chain in proven(world, lost).chains] == [2, 1]


def test_a_night_that_all_have_left_is_stamped_no_more(world: World, clock: Ticker) -> None:
    found = stamped(world, 2)
    renewed(world)
    life, started = PROFILES[ProfileName.TSA].life, clock.now
    later(world, clock, life * (1 - REMAINING))
    later(world, clock, RENEW_AFTER)
    later(world, clock, life - 364 * DAY - (clock.now - started))
    assert renew_due(world.ports) == 1
    assert count(world, ArchiveNightStamp) == 3
    assert all([len(chain) for chain in proven(world, one).chains] == [1, 2] for one in found)


def test_a_night_with_one_that_was_disposed_of_goes_on_for_what_is_known_of_it(
    world: World, clock: Ticker
) -> None:
    """Its bytes are gone and are not asked for: by its digest on record it is proven as it was, and the others
    are proven by both algorithms.
    """
    gone = archived_case(world)
    others = [one for one in archived(world, 2) if one.id != gone.id]
    stamp_night(world.ports, at_once=True)
    approved(world, gone.number)
    assert len(carried_out(world).disposed) == 1
    assert renewed(world) == Renewed(read=2, renewed=2)
    assert renewed(world) == Renewed()
    life, started = PROFILES[ProfileName.TSA].life, clock.now
    later(world, clock, life * (1 - REMAINING))
    later(world, clock, RENEW_AFTER)
    later(world, clock, life - 364 * DAY - (clock.now - started))
    assert renew_due(world.ports) == 2  # its night, and the others' tree
    for one in others:
        assert [len(chain) for chain in proven(world, one).chains] == [1, 2]
    record = record_of(world, gone.id)
    assert [len(chain) for chain in record.chains] == [2]
    assert len(verified(record, {"sha256": gone.sha256 or b""}, trust_now(world.ports)).times) == 2
    with pytest.raises(VermilionError):
        verified(record, {"sha256": bytes(32)}, trust_now(world.ports))


def test_a_night_that_is_stamped_meanwhile_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = stamped(world, 1)
    stamp, again = stamped_now, iter([True])

    def meanwhile(ports: Ports, digest: bytes, *rest: str) -> object:
        if next(again, False):
            with world.ports.database.transaction() as session:
                last = session.scalars(select(ArchiveNightStamp)).one()
                last.followed = True
                night = last.night_id
            record = record_of(world, one.id)
            token, found = stamp(ports, renewal_digest(record), "sha256", trust_now(ports))
            with world.ports.database.transaction() as session:
                session.add(stamp_row(night, 2, token, found))
        return stamp(ports, digest, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(renewal, "stamped", meanwhile)
    assert renewed(world).renewed == 1
    assert [len(chain) for chain in proven(world, one).chains] == [2, 1]


def test_what_has_no_evidence_yet_waits_for_its_night(world: World) -> None:
    archived(world, 1)
    assert renewed(world) == Renewed()
    stamp_night(world.ports, at_once=True)
    assert renewed(world).renewed == 1
    with Session(world.ports.database.read) as session:
        assert session.scalar(select(func.count()).select_from(ArchiveDigest)) == 1
        assert evidence_of(session, packages(world)[0].id) is not None
