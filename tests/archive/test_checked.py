"""What is archived is looked at first; archivers side by side do not do each other's work; what was left is
swept.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.archive import keep, rules
from registry.archive.checks import INGEST, checks_of
from registry.archive.contents import Description
from registry.archive.edition import gather_editions
from registry.archive.keep import keep_due
from registry.archive.natures import Nature
from registry.archive.numbering import EDITION
from registry.archive.package import Package, make_package
from registry.archive.rules import LONGEST_REST
from registry.archive.search import statistics
from registry.archive.stores import Stores
from registry.archive.sweep import sweep
from registry.archive.tables import ArchiveDue
from registry.archive.transfer_tables import ArchiveClaim
from registry.licences.fsck import fsck
from registry.wsgi import _audit
from tests.archive.keeping import OutStore, due, file_of, files, kept, packages, stores_of
from tests.registry.between import after_statement
from tests.registry.issuing import issue_one
from tests.registry.world import Ticker, World


def test_what_is_kept_was_looked_at_item_by_item(world: World) -> None:
    issue_one(world)
    kept(world)
    (package,) = packages(world)
    with Session(world.ports.database.read) as session:
        (check,) = checks_of(session, package.id)
    assert check.occasion == INGEST
    assert all(one.passed for one in check.findings)
    assert {one.nature for one in check.findings} == set(Nature)
    assert fsck(world.ports) == []


def test_what_does_not_pass_is_not_archived_and_shows(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_one(world)

    def nobody_s(about: Description, *some: Any) -> Package:
        return make_package(replace(about, fonds_name=""), *some)

    monkeypatch.setattr(rules, "make_package", nobody_s)
    done = keep_due(world.ports, stores_of(world))
    (package,) = packages(world)
    assert [one.item for one in done.unsound[package.id]] == ["metadata_complete"]
    assert (done.kept, package.state, due(world)) == ([], "numbered", 1)
    assert files(world) == set()
    told = f"package {package.id} did not pass the four-nature check (ingest): metadata_complete"
    assert fsck(world.ports) == [told]
    with Session(world.ports.database.read) as session:
        assert {"check": "ingest", "failed": 1} in list(statistics(session))
    assert not kept(world)  # tried again hours later, and not every minute
    monkeypatch.undo()
    clock.advance(LONGEST_REST)
    assert kept(world).kept == [package.id]
    assert fsck(world.ports) == []


def test_archivers_side_by_side_gather_nothing_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = {issue_one(world).edition_id for _ in range(6)}
    gathered, both, gather = Counter[str](), threading.Barrier(2, timeout=60), gather_editions
    at_once = threading.local()

    def together(ports: Any, ids: Sequence[str], *rest: Any) -> Any:
        gathered.update(ids)
        if ids and not getattr(at_once, "met", False):  # each is at its first ones while the other is
            at_once.met = True
            both.wait()
        return gather(ports, ids, *rest)

    editions = replace(keep.KINDS[EDITION], gather=together)
    monkeypatch.setattr(keep, "KINDS", {EDITION: editions})
    monkeypatch.setattr(rules, "BATCH", 2)
    kept_by: list[list[str]] = []
    archivers = [
        threading.Thread(target=lambda: kept_by.append(keep_due(world.ports, stores_of(world)).kept))
        for _ in range(2)
    ]
    for one in archivers:
        one.start()
    for one in archivers:
        one.join()
    assert gathered == Counter(issued)
    assert sum(map(len, kept_by)) == 6
    assert all(kept_by)
    assert {one.subject for one in packages(world)} == issued
    with Session(world.ports.database.read) as session:
        assert session.scalar(select(func.count()).select_from(ArchiveClaim)) == 0


def test_what_is_claimed_while_it_is_looked_for_ends_no_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = {issue_one(world).edition_id for _ in range(4)}
    monkeypatch.setattr(keep, "KINDS", {EDITION: keep.KINDS[EDITION]})  # the first that look
    monkeypatch.setattr(rules, "BATCH", 2)

    def by_another() -> Sequence[str]:
        """What is due first, as soon as anybody has looked."""
        first = select(ArchiveDue.subject).order_by(ArchiveDue.due_at, ArchiveDue.subject).limit(2)
        with world.ports.database.transaction() as session:
            some = session.scalars(first).all()
            until = world.ports.clock() + timedelta(hours=1)
            session.add_all(ArchiveClaim(subject_kind=EDITION, subject=one, until=until) for one in some)
        return some

    with after_statement(world.ports.database.read, lambda said: "archive_due" in said, by_another) as came:
        kept(world)
    (claimed,) = came
    assert len(claimed) == 2
    assert {one.subject for one in packages(world)} == issued - set(claimed)


def test_who_fails_holds_up_nobody(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    issue_one(world)

    def out(*_: Any) -> Any:
        raise VermilionError(Kind.UNAVAILABLE, "no trust list", reason="trust_list")

    with monkeypatch.context() as without:
        without.setattr(rules, "trust_now", out)
        with pytest.raises(VermilionError):
            keep_due(world.ports, stores_of(world))
    assert len(kept(world).kept) == 1


def test_what_was_left_is_swept_and_nothing_else(world: World, clock: Ticker) -> None:
    issue_one(world)
    kept(world)
    (package,) = packages(world)
    stores = stores_of(world)
    copy = file_of(world, package, "first")
    beside = copy.with_name(copy.name.replace("-1.tar", "-2.tar"))
    unfinished = copy.with_name(f"{copy.name}#1")
    strange = copy.with_name(f"{package.id[:2]}{'0' * 30}-1.tar")
    for path in (beside, unfinished, strange):
        path.write_bytes(b"1")
    at = clock.now.timestamp()
    os.utime(unfinished, (at, at))
    done = sweep(world.ports, stores)
    assert (done.removed, done.unknown) == ({"first": 1, "second": 0}, {"first": 1, "second": 0})
    assert files(world) == {copy, file_of(world, package, "second"), unfinished, strange}
    clock.advance(timedelta(days=2))
    assert sweep(world.ports, stores).removed == {"first": 1, "second": 0}
    assert files(world) == {copy, file_of(world, package, "second"), strange}


def test_nothing_of_a_package_that_is_being_written_is_swept(world: World) -> None:
    issue_one(world)
    half = Stores({**stores_of(world).by_name, "second": OutStore()})
    kept(world, half)
    (package,) = packages(world)
    assert package.state == "writing"
    done = sweep(world.ports, half)
    assert (done.removed["first"], list(done.outages)) == (0, [])
    assert file_of(world, package, "first").exists()


def test_a_store_that_was_read_through_is_swept(world: World) -> None:
    """As the API does by itself."""
    issue_one(world)
    kept(world)
    (package,) = packages(world)
    copy = file_of(world, package, "second")
    beside = copy.with_name(copy.name.replace("-1.tar", "-7.tar"))
    beside.write_bytes(b"1")
    _audit(world.ports, threading.Event())
    assert not beside.exists()
    assert copy.exists()
