"""A later package of a number that was handed over before: the next of it, from whoever brought the one
before, and nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy.orm import Session

from keys.handover import Archive
from registry.archive.arrivals import Arrived, Whence, arrive
from registry.archive.disposal import due
from registry.archive.evidence import evidence_of, stamp_night
from registry.archive.handover_list import Entry
from registry.archive.package import make_package
from registry.archive.search import find, statistics
from registry.archive.stores import Stores
from registry.licences.fsck import fsck
from tests.archive.disposing import approved, carried_out, held, term_over, tombstones
from tests.archive.keeping import NAMES, copies, files, kept, packages, stores_of
from tests.archive.packages import ABOUT, ACTS, AGENTS
from tests.archive.test_archiving import end, told
from tests.archive.test_arrivals import SENDER, _items, brought
from tests.archive.test_handover import Ends, ends
from tests.registry.issuing import issue_one
from tests.registry.world import GROUND, Ticker, World

__all__ = ["ends"]


def come(
    world: World,
    name: str,
    sequence: int | None,
    *,
    sender: Archive = SENDER,
    agency: str = "own",
    stores: Stores | None = None,
    **about: Any,
) -> Arrived:
    """What becomes of a package that its sender's list calls this sequence of its number; `name` makes it
    other bytes than another.
    """
    said = replace(ABOUT, id=name * 16, **about)
    made = make_package(said, _items(), ACTS, AGENTS)
    digest = sha256(made.tar)
    entry = Entry(
        number=said.number, fonds=said.fonds, catalogue=said.catalogue, year=said.year,
        retention=said.retention, title=said.title, identifier=said.identifier, package=said.id,
        sequence=sequence or 1, items=made.items, size=len(made.tar), sha256=digest.hexdigest(), findings=(),
    )  # fmt: skip
    whence = Whence(sender, world.codes[agency], "ab" * 16)
    listed = None if sequence is None else entry
    return arrive(
        world.ports,
        stores or stores_of(world),
        world.system,
        GROUND,
        made.tar,
        whence,
        digest.digest(),
        listed,
    )


def sequences(world: World) -> list[int]:
    return [one.sequence for one in packages(world)]


def test_what_ended_since_it_was_handed_over_is_handed_over_again(ends: Ends, clock: Ticker) -> None:
    issued = issue_one(ends.first)
    kept(ends.first)
    assert ends.answered(ends.received(ends.handed_over()).receipt).refused == ()
    clock.advance(timedelta(minutes=1))
    end(ends.first, issued)
    kept(ends.first)
    done = ends.handed_over()
    assert [one.sequence for one in done.listed.entries] == [2]
    received = ends.received(done)
    assert received.refused == ()
    assert ends.answered(received.receipt).refused == ()
    first, second = packages(ends.second)
    assert (first.number, first.subject) == (second.number, second.subject)
    assert (first.sequence, second.sequence, second.occasion) == (1, 2, "licence.ended")
    assert copies(ends.second, second.id) == dict.fromkeys(NAMES, "present")
    assert [event.detail["sequence"] for event in told(ends.second, "package.received")] == [1, 2]
    assert ends.received(done).refused == ()  # read twice, and kept once
    assert sequences(ends.second) == [1, 2]
    assert fsck(ends.second.ports) == []


def test_whoever_hands_over_leaves_none_out_that_came_since(ends: Ends) -> None:
    """Of two the newest has all; whoever has the one before them takes the next, and none that skips."""
    come(ends.first, "aa", 1)
    assert ends.received(ends.handed_over()).refused == ()
    come(ends.first, "bb", 2)
    come(ends.first, "cc", 3)
    done = ends.handed_over()
    assert [one.sequence for one in done.listed.entries] == [2, 3]
    assert ends.received(done).refused == ()
    assert sequences(ends.second) == [1, 2, 3]


def test_of_a_number_that_none_has_the_newest_goes_alone(ends: Ends) -> None:
    come(ends.first, "aa", 1)
    come(ends.first, "bb", 2)
    assert ends.received(ends.handed_over()).refused == ()
    assert sequences(ends.second) == [2]  # as its sender calls it: what comes next is the third
    assert come(ends.first, "cc", 3).package_id is not None
    assert ends.received(ends.handed_over()).refused == ()
    assert sequences(ends.second) == [2, 3]
    assert fsck(ends.second.ports) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": Archive("ARCHIVE-8", SENDER.name)},
        {"sequence": 1},  # repeated, with other bytes
        {"sequence": 3},  # one is left out
        {"sequence": None},  # no list says which it is
        {"agency": "other"},
        {"year": 2025},
        {"retention": "10", "retention_until": None},
        {"catalogue": "ZZ·2026·Y"},
        {"identifier": "of another licence"},
    ],
)
def test_from_another_out_of_turn_or_otherwise_described_it_is_refused(
    world: World, changes: dict[str, Any]
) -> None:
    come(world, "aa", 1)
    before = files(world)
    done = come(world, "bb", **{"sequence": 2, **changes})
    assert (done.package_id, done.reason) == (None, "number_taken")
    assert (sequences(world), files(world)) == ([1], before)
    assert come(world, "bb", 2).package_id is not None  # and the genuine one is still taken


def test_one_that_came_before_ours_were_given_goes_on(world: World) -> None:
    """Its catalogue is one of ours by now; its number is not, and stays what it is."""
    fonds, catalogue = world.codes["own"], f"ZZ·{world.today.year}·Y"
    about: dict[str, Any] = {"fonds": fonds, "catalogue": catalogue, "number": f"{fonds}-{catalogue}-000007"}
    assert come(world, "aa", 1, **about).package_id is not None
    issue_one(world)
    kept(world)
    assert come(world, "bb", 2, **about).package_id is not None


def test_nobody_adds_to_a_number_that_was_given_here(world: World) -> None:
    assert brought(world, own_number=True).package_id is not None
    (row,) = packages(world)
    about: dict[str, Any] = {"fonds": row.fonds, "catalogue": row.catalogue, "number": row.number}
    done = come(world, "bb", 2, **about)
    assert (done.package_id, done.reason, sequences(world)) == (None, "number_taken", [1])


def test_search_statistics_and_evidence_tell_of_both(world: World) -> None:
    come(world, "aa", 1)
    come(world, "bb", 2)
    with Session(world.ports.database.read) as session:
        found = [(one["number"], one["sequence"]) for one in find(session, number=ABOUT.number)]
        (counted,) = [one["packages"] for one in statistics(session) if "packages" in one]
    assert (sorted(found), counted) == ([(ABOUT.number, 1), (ABOUT.number, 2)], 2)
    assert stamp_night(world.ports, at_once=True) == 2
    with Session(world.ports.database.read) as session:
        assert all(evidence_of(session, one.id) is not None for one in packages(world))


@pytest.mark.parametrize("first", [1, 2])
def test_both_are_disposed_of_together_and_none_is_taken_after(world: World, first: int) -> None:
    come(world, "aa", first)
    term_over(world, ABOUT.number)
    with Session(world.ports.database.read) as session:
        assert [one["packages"] for one in due(session, world.today)] == [1]
    approved(world, ABOUT.number)
    assert come(world, "bb", first + 1, retention="10", retention_until=None).package_id is not None
    assert carried_out(world).left_out == {ABOUT.number: "permanent"}  # of which no term is over
    term_over(world, ABOUT.number)
    disposal_id = approved(world, ABOUT.number)
    done = carried_out(world)
    assert (done.disposed, done.done, files(world)) == ([ABOUT.number], [disposal_id], set())
    (stone,) = tombstones(world)
    assert sorted(one["sequence"] for one in stone.packages.values()) == [first, first + 1]
    third = come(world, "cc", first + 2, retention="10", retention_until=None)
    assert (third.package_id, third.reason, files(world)) == (None, "package_disposed", set())
    assert fsck(world.ports) == []


def test_a_hold_is_on_what_comes_later_as_well(world: World) -> None:
    come(world, "aa", 1)
    held(world, ABOUT.number)
    come(world, "bb", 2)
    with Session(world.ports.database.read) as session:
        assert [one["held"] for one in find(session, number=ABOUT.number)] == [True, True]


def test_it_is_not_taken_where_disposal_begins_as_it_is_written(world: World) -> None:
    """Else something would be kept of what is certified as disposed of."""
    come(world, "aa", 1)
    term_over(world, ABOUT.number)
    approved(world, ABOUT.number)

    class Disposing(Stores):
        def write(self, name, some):  # type: ignore[no-untyped-def]
            done = super().write(name, some)
            carried_out(world)
            return done

    stores = Disposing(stores_of(world).by_name)
    done = come(world, "bb", 2, retention="10", retention_until=None, stores=stores)
    assert (done.package_id, done.reason, sequences(world)) == (None, "package_disposed", [1])
    assert fsck(world.ports) == []
