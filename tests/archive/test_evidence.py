"""Each package can prove when it existed, by one time-stamp a night, renewed before it weakens."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from keys.evidence_record import EvidenceRecord, encode_record, parse_record
from keys.profiles import PROFILES, ProfileName
from keys.trust_list import RENEW_AFTER
from registry.archive.evidence import evidence_of, pack, renew_due, stamp_night, unpack, verified
from registry.archive.tables import ArchiveNight, ArchiveNightStamp, ArchivePackage
from registry.licences.trust import trust_now
from registry.seals.renewal import REMAINING
from tests.archive.keeping import packages
from tests.archive.test_audit import archived
from tests.registry.test_archive import later
from tests.registry.world import Ticker, World

DAY = timedelta(days=1)


def record_of(world: World, package_id: str) -> EvidenceRecord:
    with Session(world.ports.database.read) as session:
        record = evidence_of(session, package_id)
    assert record is not None
    return record


def digests(package: ArchivePackage) -> dict[str, bytes]:
    return {"sha256": package.sha256 or b""}


def count(world: World, table: type[ArchiveNight | ArchiveNightStamp]) -> int:
    with Session(world.ports.database.read) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_night_s_packages_are_proven_by_one_time_stamp(world: World, clock: Ticker) -> None:
    found = archived(world, 5)
    assert stamp_night(world.ports) == 0  # the day is not over
    later(world, clock, DAY)
    assert stamp_night(world.ports) == 5
    assert stamp_night(world.ports) == 0
    assert (count(world, ArchiveNight), count(world, ArchiveNightStamp)) == (1, 1)
    trust = trust_now(world.ports)
    for one in found:
        record = record_of(world, one.id)
        assert parse_record(encode_record(record)) == record
        assert verified(record, digests(one), trust).times == (clock.now.replace(microsecond=0),)
        with pytest.raises(VermilionError):
            verified(record, {"sha256": b"\1" * 32}, trust)


def test_the_next_night_takes_what_is_new(world: World, clock: Ticker) -> None:
    archived(world, 1)
    later(world, clock, DAY)
    stamp_night(world.ports)
    archived(world, 2)
    assert stamp_night(world.ports, at_once=True) == 2
    assert count(world, ArchiveNight) == 2
    assert all(record_of(world, one.id) for one in packages(world))


def test_a_night_is_stamped_anew_before_its_authority_ends(world: World, clock: Ticker) -> None:
    """One further time-stamp for all its packages, of which none is read."""
    found = archived(world, 3)
    stamp_night(world.ports, at_once=True)
    assert renew_due(world.ports) == 0
    life = PROFILES[ProfileName.TSA].life
    started = clock.now
    later(world, clock, life * (1 - REMAINING))  # the next authority is on record
    later(world, clock, RENEW_AFTER)
    assert renew_due(world.ports) == 0
    later(world, clock, life - 364 * DAY - (clock.now - started))
    assert renew_due(world.ports) == 1
    assert renew_due(world.ports) == 0
    assert count(world, ArchiveNightStamp) == 2
    trust = trust_now(world.ports)
    for one in found:
        record = record_of(world, one.id)
        assert len(record.chains[0]) == 2
        first, second = verified(record, digests(one), trust).times
        assert second - first > timedelta(days=365)


@given(st.lists(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=3), max_size=6))
def test_what_is_packed_is_unpacked(lists: list[list[bytes]]) -> None:
    wanted = tuple(tuple(some) for some in lists)
    assert unpack(pack(wanted), 32) == wanted
