"""Copies are read again and again; what is lost is found and made anew, from a good copy and from no other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.archive import audit
from registry.archive.audit import Audited, audit_due
from registry.archive.stores import Stores, open_stores
from registry.archive.tables import ArchiveAudit, ArchivePackage
from registry.log.tables import Event
from registry.ports import Ports
from tests.archive.keeping import NAMES, OutStore, copies, file_of, kept, packages, stores_of, whole
from tests.registry.issuing import issue_one
from tests.registry.world import Ticker, World


def audited(
    world: World,
    stores: Stores | None = None,
    *,
    ports: Ports | None = None,
    rest: Callable[[float], object] = lambda _seconds: None,
    at_once: bool = False,
    stopping: Callable[[], bool] = lambda: False,
) -> Audited:
    return audit_due(
        ports or world.ports, stores or stores_of(world), rest=rest, at_once=at_once, stopping=stopping
    )


def archived(world: World, count: int) -> list[ArchivePackage]:
    for _ in range(count):
        issue_one(world)
    kept(world)
    return sorted(packages(world), key=lambda one: one.id)


def rounds(world: World) -> dict[str, ArchiveAudit]:
    with Session(world.ports.database.read) as session:
        found = {one.store: one for one in session.scalars(select(ArchiveAudit))}
        session.expunge_all()
    return found


def told(world: World) -> list[tuple[str, str]]:
    with Session(world.ports.database.read) as session:
        kinds = ("package.copy_lost", "package.copy_repaired")
        found = select(Event.kind, Event.subject).where(Event.kind.in_(kinds)).order_by(Event.recorded_at)
        return [(kind.partition(".")[2], subject) for kind, subject in session.execute(found)]


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def test_every_copy_is_read_once_a_round(world: World, clock: Ticker) -> None:
    archived(world, 3)
    done = audited(world)
    assert (done.read, bool(done)) == (dict.fromkeys(NAMES, 3), False)
    assert audited(world).read == {}
    clock.advance(timedelta(days=30))
    assert audited(world).read == dict.fromkeys(NAMES, 3)
    assert {name: (one.round, one.read, one.faults) for name, one in rounds(world).items()} == dict.fromkeys(
        NAMES, (2, 3, 0)
    )


@pytest.mark.parametrize(("spoil", "found"), [(damaged, "damaged"), (Path.unlink, "missing")])
@pytest.mark.parametrize("store", NAMES)
def test_a_copy_that_is_lost_is_made_anew(
    world: World, spoil: Callable[[Path], None], found: str, store: str
) -> None:
    package = archived(world, 2)[0]
    spoil(file_of(world, package, store))
    done = audited(world)
    assert (done.lost, done.repaired) == ([(package.id, store, found)], [(package.id, store)])
    assert all(whole(world, package, name) for name in NAMES)
    assert copies(world, package.id) == dict.fromkeys(NAMES, "present")
    assert told(world) == [("copy_lost", package.id), ("copy_repaired", package.id)]
    assert not audited(world, at_once=True)


def test_what_no_store_has_whole_is_said_and_nothing_is_made_of_it(world: World) -> None:
    package = archived(world, 1)[0]
    bad = {}
    for name in NAMES:
        damaged(file_of(world, package, name))
        bad[name] = file_of(world, package, name).read_bytes()
    done = audited(world)
    assert (done.repaired, done.beyond_repair) == ([], [package.id])
    assert {name: file_of(world, package, name).read_bytes() for name in NAMES} == bad
    assert audited(world, at_once=True).lost == []  # it is known already
    assert copies(world, package.id) == dict.fromkeys(NAMES, "damaged")


def test_a_store_that_is_out_has_lost_nothing(world: World) -> None:
    package = archived(world, 1)[0]
    half = Stores({"first": stores_of(world).by_name["first"], "second": OutStore()})
    done = audited(world, half)
    assert (list(done.outages), done.lost) == (["second"], [])
    assert copies(world, package.id) == dict.fromkeys(NAMES, "present")
    assert rounds(world)["second"].ended_at is None  # goes on when it is back
    assert audited(world).read == {"second": 1}


def test_a_copy_is_not_repaired_from_a_store_that_is_out(world: World) -> None:
    package = archived(world, 1)[0]
    file_of(world, package, "first").unlink()
    half = Stores({"first": stores_of(world).by_name["first"], "second": OutStore()})
    assert audited(world, half).repaired == []
    assert copies(world, package.id)["first"] == "missing"
    assert audited(world).repaired == [(package.id, "first")]


def test_a_new_store_is_filled(world: World, tmp_path: Path) -> None:
    found = archived(world, 3)
    settings = world.ports.settings
    places = (
        f"first={settings.data}/archive/first,second={settings.data}/archive/second,third={tmp_path}/third"
    )
    ports = replace(world.ports, settings=settings.model_copy(update={"archive_stores": places}))
    done = audited(world, open_stores(ports.settings), ports=ports)
    assert done.repaired == [(one.id, "third") for one in found]
    assert len(list((tmp_path / "third").rglob("*.tar"))) == 3
    assert {name for one in found for name in copies(world, one.id)} == {*NAMES, "third"}


def test_a_round_goes_on_where_it_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "SLICE", 2)
    archived(world, 5)
    looks = iter([False, True])  # one slice of the first store
    done = audited(world, stopping=lambda: next(looks, True))
    assert done.read == {"first": 2}
    assert audited(world).read == {"first": 3, "second": 5}
    assert {name: (one.round, one.read) for name, one in rounds(world).items()} == dict.fromkeys(
        NAMES, (1, 5)
    )


def test_a_store_is_read_no_faster_than_is_allowed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "SLICE", 1)
    found = archived(world, 3)
    settings = world.ports.settings.model_copy(update={"archive_audit_mb": 1})
    rests: list[float] = []
    audited(world, ports=replace(world.ports, settings=settings), rest=rests.append)
    size = found[0].size or 0
    assert len(rests) == 6
    assert all(size / 1_000_000 - 0.5 < one <= size / 1_000_000 + 0.5 for one in rests)
    assert any(one > 0 for one in rests)
