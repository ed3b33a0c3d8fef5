"""Whatever is issued or ended is archived, once for each, in two stores; whatever fails on the way."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import bagit
import pytest
from obstore.store import MemoryStore
from sqlalchemy import func, select
from sqlalchemy.event import listen
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from keys.files import sync
from registry.archive.keep import keep_due
from registry.archive.numbering import EDITION, LEASE, retention_until
from registry.archive.rules import FIRST_REST
from registry.archive.stores import PACKAGE_KEYS, Stores, named_places, open_stores
from registry.documents import ObjectStore, document_key, open_store
from registry.licences.fsck import fsck
from registry.licences.issued import Issued
from registry.licences.tables import Document
from registry.log.tables import Event
from registry.shared_parts import SharingStore
from tests.archive.keeping import (
    NAMES,
    OutStore,
    copies,
    due,
    file_of,
    files,
    kept,
    packages,
    stores_of,
    whole,
)
from tests.archive.packages import unpacked
from tests.registry.issuing import issue_one
from tests.registry.next_editions import next_edition
from tests.registry.world import Ticker, World


def told(world: World, kind: str) -> list[Event]:
    with Session(world.ports.database.read) as session:
        found = list(session.scalars(select(Event).where(Event.kind == kind).order_by(Event.recorded_at)))
        session.expunge_all()
    return found


def end(world: World, issued: Issued) -> None:
    ground = {"legal_basis": "食品安全法第一百三十二条", "reason_code": "penalty", "operator": "window-03"}
    path = f"/api/v1/licences/{issued.printout.record.identifier}/ending"
    assert world.post(path, ground | {"how": "revoked"}).status_code == 200


def test_an_edition_is_archived_in_both_stores(world: World, tmp_path: Path) -> None:
    issued = issue_one(world)
    assert due(world) == 1
    done = kept(world)
    (package,) = packages(world)
    assert (done.kept, package.state, package.subject) == ([package.id], "kept", issued.edition_id)
    assert copies(world, package.id) == dict.fromkeys(NAMES, "present")
    assert all(whole(world, package, name) for name in NAMES)
    assert due(world) == 0
    assert not kept(world)  # nothing is archived twice
    folder = unpacked(file_of(world, package, "second").read_bytes(), tmp_path)
    bag = bagit.Bag(str(folder))
    assert bag.validate(processes=1)
    assert bag.info["External-Identifier"] == package.number
    (event,) = told(world, "package.kept")
    assert (event.subject, event.agency_code) == (package.id, package.agency_code)
    assert event.detail["sha256"] == (package.sha256 or b"").hex()
    assert fsck(world.ports) == []


def test_what_ended_is_archived_again_under_its_number(world: World, clock: Ticker, tmp_path: Path) -> None:
    issued = issue_one(world)
    kept(world)
    clock.advance(timedelta(minutes=1))
    end(world, issued)
    assert due(world) == 1
    kept(world)
    first, second = packages(world)
    assert (first.subject, first.number) == (second.subject, second.number)
    assert (first.sequence, second.sequence, second.occasion) == (1, 2, "licence.ended")
    assert all(whole(world, one, name) for one in (first, second) for name in NAMES)
    text = (
        unpacked(file_of(world, second, "first").read_bytes(), tmp_path) / "data/process/events.json"
    ).read_text()
    assert "licence.issued" in text
    assert "licence.ended" in text


def test_numbers_have_no_gaps(world: World) -> None:
    for _ in range(3):
        issue_one(world)
    kept(world)
    issue_one(world)
    kept(world)
    numbers = [one.number for one in packages(world)]
    assert [number[-6:] for number in numbers] == ["000001", "000002", "000003", "000004"]
    assert {number[:-6] for number in numbers} == {f"{world.codes['own']}-ZZ·2026·Y-"}


def test_a_document_out_of_reach_waits_and_keeps_nothing_else_waiting(world: World, clock: Ticker) -> None:
    lost, other = issue_one(world), issue_one(world)
    with Session(world.ports.database.read) as session:
        key = session.scalars(select(Document.store_key).where(Document.edition_id == lost.edition_id)).one()
    path = world.ports.settings.documents_directory / key
    aside = path.rename(path.with_suffix(".aside"))
    done = kept(world)
    assert done.deferred[lost.edition_id].reason == "document_lost"
    assert [one.subject for one in packages(world)] == [other.edition_id]
    assert due(world) == 1
    aside.rename(path)
    assert not kept(world)
    clock.advance(FIRST_REST)
    assert len(kept(world).kept) == 1
    assert due(world) == 0


def test_one_store_is_no_archive(world: World, clock: Ticker) -> None:
    """With a store out nothing is kept; when it is back, what was written is taken."""
    issue_one(world)
    good = stores_of(world)
    half = Stores({"first": good.by_name["first"], "second": OutStore()})
    done = kept(world, half)
    assert (done.kept, list(done.deferred)) == ([], ["second"])
    (package,) = packages(world)
    assert (package.state, due(world)) == ("writing", 1)
    clock.advance(FIRST_REST)
    assert kept(world).kept == [package.id]
    assert [one.attempt for one in packages(world)] == [1]
    assert copies(world, package.id) == dict.fromkeys(NAMES, "present")


def test_a_third_store_that_is_out_delays_nothing(world: World) -> None:
    issue_one(world)
    stores = Stores({**stores_of(world).by_name, "third": OutStore()})
    done = kept(world, stores)
    (package,) = packages(world)
    assert (done.kept, list(done.deferred)) == ([package.id], ["third"])
    assert copies(world, package.id) == {**dict.fromkeys(NAMES, "present"), "third": "missing"}


class _Died(BaseException):
    """A process that is gone."""


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_process_that_dies_loses_neither_number_nor_package(
    world: World, clock: Ticker, written: int
) -> None:
    issue_one(world)
    stores = stores_of(world)
    alive = list(stores.by_name.values())[:written]

    class Dies(Stores):
        def write(self, name, some):  # type: ignore[no-untyped-def]
            if self.by_name[name] in alive:
                super().write(name, some)
            raise _Died

    with pytest.raises(_Died):
        keep_due(world.ports, Dies(stores.by_name))
    (package,) = packages(world)
    assert (package.state, package.attempt, due(world)) == ("writing", 1, 1)
    assert not kept(world)  # its lease holds
    clock.advance(LEASE)
    assert kept(world).kept == [package.id]
    (again,) = packages(world)
    assert (again.number, again.attempt) == (package.number, 1 if written else 2)
    assert len(files(world)) == 2
    assert (due(world), len(told(world, "package.kept"))) == (0, 1)


def test_a_copy_that_a_dead_process_left_is_synced_before_it_counts(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have died before it did so itself."""
    issue_one(world)
    kept(world, Stores({**stores_of(world).by_name, "second": OutStore()}))
    (package,) = packages(world)
    clock.advance(FIRST_REST)
    synced: list[Path] = []

    def watched(path: Path) -> None:
        synced.append(path)
        sync(path)

    monkeypatch.setattr("registry.documents.sync", watched)
    assert kept(world).kept == [package.id]
    assert {file_of(world, package, name) for name in NAMES} <= set(synced)


def test_who_was_slow_keeps_nothing_that_another_began_anew(world: World, clock: Ticker) -> None:
    """Its copies are of an attempt that is over: the row speaks of the next one, which nobody wrote yet."""
    issue_one(world)
    stores, over = stores_of(world), threading.Event()

    class Dies(Stores):
        def write(self, name, some):  # type: ignore[no-untyped-def]
            raise _Died

    class Slow(Stores):
        def write(self, name, some):  # type: ignore[no-untyped-def]
            if name == "first":
                clock.advance(LEASE)
                with pytest.raises(_Died):
                    keep_due(world.ports, Dies(stores.by_name))
                over.set()
            assert over.wait(60)
            return super().write(name, some)

    assert keep_due(world.ports, Slow(stores.by_name)).kept == []
    (package,) = packages(world)
    assert (package.state, package.attempt, due(world)) == ("writing", 2, 1)
    clock.advance(LEASE)
    assert kept(world).kept == [package.id]
    (package,) = packages(world)
    assert all(whole(world, package, name) for name in NAMES)
    assert (due(world), len(told(world, "package.kept"))) == (0, 1)


def test_what_was_kept_after_all_is_not_removed_by_whoever_takes_it_up(world: World, clock: Ticker) -> None:
    """It looked when nothing was written yet: by the time it makes the package anew, that is kept."""
    issue_one(world)
    stores, writes, goes_on = stores_of(world), threading.Event(), threading.Event()

    class Slow(Stores):
        def write(self, name, some):  # type: ignore[no-untyped-def]
            writes.set()
            assert goes_on.wait(60)
            return super().write(name, some)

    slow = threading.Thread(target=keep_due, args=(world.ports, Slow(stores.by_name)))

    class Looks(Stores):
        def first_good(self, key, digest):  # type: ignore[no-untyped-def]
            found = super().first_good(key, digest)
            goes_on.set()
            slow.join()
            return found

    slow.start()
    assert writes.wait(60)
    clock.advance(LEASE)
    assert keep_due(world.ports, Looks(stores.by_name)).kept == []
    (package,) = packages(world)
    assert (package.state, package.attempt) == ("kept", 1)
    assert all(whole(world, package, name) for name in NAMES)


def test_what_another_numbers_between_two_looks_is_not_archived_twice(world: World) -> None:
    issue_one(world)
    nested: list[str] = []

    def meanwhile(_connection, _cursor, statement, given, *_):  # type: ignore[no-untyped-def]
        looks = "archive_due" in statement and "GROUP BY" in statement and EDITION in str(given)
        if looks and not nested:
            nested.append("")
            nested.extend(kept(world).kept)

    listen(world.ports.database.read, "after_cursor_execute", meanwhile)
    assert kept(world).kept == []
    assert [one.id for one in packages(world)] == nested[1:]


def test_what_happens_meanwhile_is_archived_too(world: World, clock: Ticker) -> None:
    """An event that comes while the package is being written belongs to the next one."""
    issued = issue_one(world)
    stores = stores_of(world)

    class Meanwhile(Stores):
        done = False

        def write(self, name, some):  # type: ignore[no-untyped-def]
            if not Meanwhile.done:
                Meanwhile.done = True
                clock.advance(timedelta(minutes=1))
                end(world, issued)
            return super().write(name, some)

    assert len(keep_due(world.ports, Meanwhile(stores.by_name)).kept) == 2
    assert [one.occasion for one in packages(world)] == ["licence.issued", "licence.ended"]
    assert due(world) == 0


def test_between_batches_it_rests(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that archives answers requests as well."""
    monkeypatch.setattr("registry.archive.rules.BATCH", 1)
    for _ in range(2):
        issue_one(world)
    rests: list[float] = []
    assert len(keep_due(world.ports, stores_of(world), rest=rests.append).kept) == 2
    assert len(rests) == 2
    assert min(rests) > 0


def test_a_copy_that_was_written_wrong_does_not_count(world: World) -> None:
    issue_one(world)

    class Bad(ObjectStore):
        def put_many(self, documents):  # type: ignore[no-untyped-def]
            return super().put_many([(key, data[:-1] + b"\1") for key, data in documents])

    stores = Stores({"first": stores_of(world).by_name["first"], "second": Bad(MemoryStore(), PACKAGE_KEYS)})
    done = kept(world, stores)
    assert (done.kept, done.deferred["second"].reason) == ([], "archive_copy_damaged")
    assert due(world) == 1


def test_a_next_edition_and_the_one_that_it_replaced(world: World, clock: Ticker) -> None:
    first = issue_one(world)
    kept(world)
    clock.advance(timedelta(minutes=1))
    second = next_edition(world, "replace", first.printout.record.identifier)
    kept(world)
    found = [(one.subject, one.sequence, one.occasion) for one in packages(world)]
    assert found == [
        (first.edition_id, 1, "licence.issued"),
        (first.edition_id, 2, "licence.replaced"),
        (second.edition_id, 1, "licence.issued"),
    ]


def test_many_are_archived_in_one_call(world: World) -> None:
    issued = {issue_one(world).edition_id for _ in range(5)}
    assert len(kept(world).kept) == 5
    assert {one.subject for one in packages(world)} == issued


@pytest.mark.parametrize(
    ("retention", "year", "valid_to", "until"),
    [
        ("permanent", 2026, date(2031, 1, 1), None),
        ("30", 2026, date(2031, 1, 1), date(2056, 12, 31)),
        ("10", 2026, date(2031, 1, 1), date(2036, 12, 31)),
        ("10", 2026, date(2040, 5, 5), date(2040, 12, 31)),  # not before the licence's own end
        ("10", 2026, None, None),  # it never expires
    ],
)
def test_retention_is_reckoned_from_the_year_after(
    retention: str, year: int, valid_to: date | None, until: date | None
) -> None:
    assert retention_until(retention, year, valid_to) == until


@pytest.mark.parametrize(
    "stores",
    ["first=/a", "first=/a,first=/b", "first=/a,second=/a", "first", "First=/a,second=/b", "a=,b=/b"],
)
def test_an_archive_has_two_stores_at_least(world: World, stores: str) -> None:
    settings = world.ports.settings.model_copy(update={"archive_stores": stores})
    with pytest.raises(VermilionError) as caught:
        open_stores(settings)
    assert caught.value.reason == "archive_stores"


def test_stores_are_folders_mounts_and_object_stores(world: World, tmp_path: Path) -> None:
    named = f"near={tmp_path}/near, far=s3://archive/far"
    settings = world.ports.settings.model_copy(update={"archive_stores": named})
    assert named_places(settings) == [("near", f"{tmp_path}/near"), ("far", "s3://archive/far")]


def test_an_archive_takes_its_own_keys_alone(tmp_path: Path) -> None:
    store = open_store(tmp_path / "archive", PACKAGE_KEYS)
    with pytest.raises(VermilionError):
        store.put_new(document_key("ab" * 16), b"a document")


def test_the_register_counts_an_object_store_as_any(world: World) -> None:
    issue_one(world)
    stores = Stores(
        {"first": stores_of(world).by_name["first"], "far": ObjectStore(MemoryStore(), PACKAGE_KEYS)}
    )
    assert len(kept(world, stores).kept) == 1
    (package,) = packages(world)
    assert copies(world, package.id) == {"first": "present", "far": "present"}
    assert stores.read("far", f"{package.id[:2]}/{package.id}-1.tar") is not None


def test_nothing_is_archived_without_its_documents(world: World, tmp_path: Path) -> None:
    issue_one(world)
    ports = replace(world.ports, documents=SharingStore(open_store(tmp_path / "empty")))
    assert keep_due(ports, stores_of(world)).kept == []
    with Session(world.ports.database.read) as session:
        assert (
            session.scalar(select(func.count()).select_from(Event).where(Event.kind == "package.kept")) == 0
        )
    assert files(world) == set()
