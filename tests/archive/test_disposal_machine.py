"""Whatever is held, released, asked, approved, refused and carried out in whatever order, with stores that fail and
workers that die: nothing is disposed of that a hold is on, or that two have not decided; nothing is half gone that
is said to be kept, or half there that is said to be gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.actor import Administrator
from registry.archive.disposal import ask, decide, items_of
from registry.archive.erasure import _remove, carry_out
from registry.archive.retention import place_hold, release_hold
from registry.archive.stores import Stores
from registry.archive.tables import ArchivePackage
from registry.intake.moves import Action as Step
from registry.licences.fsck import fsck
from registry.seals.trust import publish_trust_list
from tests.accountable import unanswered
from tests.archive.disposing import asked, decided, disposal, ground, term_over, tombstones
from tests.archive.keeping import NAMES, OutStore, file_of, files, kept, packages, stores_of, whole
from tests.archive.test_audit import audited
from tests.intake.casework import open_desk, step, taken
from tests.registry.world import Ticker, World, worlds_in

COUNT = 3
_SOME = st.frozensets(st.integers(0, COUNT - 1), min_size=1)
SEEN: Counter[str] = Counter()
"""What came about in all runs, so that the machine does not pass for want of anything to see."""


class Died(BaseException):
    """The worker's process, in the midst of it."""


class Disposals(RuleBasedStateMachine):
    """Three cases whose term is over, in a world of their own."""

    new_world: Callable[[Ticker], World]

    @initialize(first=_SOME)
    def begin(self, first: frozenset[int]) -> None:
        self.world = type(self).new_world(Ticker())
        publish_trust_list(self.world.ports)
        desk = open_desk(self.world)
        for _ in range(COUNT):
            step(desk, taken(desk, Step.SUBMIT, Step.RECEIVE), Step.RETURN)
        kept(self.world)
        term_over(self.world)
        self.found: dict[str, ArchivePackage] = {one.number: one for one in packages(self.world)}
        self.numbers = sorted(self.found)
        self.holds: dict[str, str] = {}  # number by hold
        self.lists: dict[str, tuple[str, frozenset[str]]] = {}  # state, and what may still be disposed of
        self.begun: set[str] = set()
        self.two_decide(first)

    @rule(which=_SOME)
    def two_decide(self, which: frozenset[int]) -> None:
        """A list is asked and approved, where nothing keeps it."""
        numbers = frozenset(self.numbers[one] for one in which) - self._held() - self.begun - self._open()
        if numbers:
            disposal_id = asked(self.world, *numbers)
            decided(self.world, disposal_id)
            self.lists[disposal_id] = "approved", numbers
            SEEN["asked"] += 1

    @rule(which=st.integers(0, COUNT - 1), who=st.sampled_from(["system", "security"]))
    def hold(self, which: int, who: str) -> None:
        number = self.numbers[which]
        try:
            with self.world.ports.database.transaction() as session:
                made = place_hold(session, self.world.ports, self._who(who), number, ground(self.world))
                self.holds[made.id] = number
        except VermilionError as error:
            assert (error.reason, number in self.begun) == ("disposed", True)
            SEEN["too late"] += 1

    @precondition(lambda self: bool(getattr(self, "holds", None)))
    @rule(data=st.data(), who=st.sampled_from(["system", "security"]))
    def release(self, data: st.DataObject, who: str) -> None:
        hold_id = data.draw(st.sampled_from(sorted(self.holds)))
        try:
            with self.world.ports.database.transaction() as session:
                release_hold(session, self.world.ports, self._who(who), hold_id, ground(self.world))
        except VermilionError as error:
            assert (error.reason, who) == ("duty", "system")
            return
        assert who == "security"
        del self.holds[hold_id]

    @rule(
        which=_SOME,
        who=st.sampled_from(["system", "system", "system", "security"]),
    )
    def ask(self, which: frozenset[int], who: str) -> None:
        numbers = frozenset(self.numbers[one] for one in which)
        keeps = self._held() | self.begun | self._open()
        try:
            with self.world.ports.database.transaction() as session:
                made = ask(session, self.world.ports, self._who(who), sorted(numbers), ground(self.world))
                disposal_id = made.id
        except VermilionError as error:
            assert error.reason in {"not_due", "duty"}
            assert (error.reason == "duty") == (who == "security")
            assert who == "security" or {one.field.removeprefix("/numbers/") for one in error.faults} == (
                numbers & keeps
            )
            return
        assert (who, numbers & keeps) == ("system", frozenset())
        self.lists[disposal_id] = "asked", numbers
        SEEN["asked"] += 1

    @precondition(lambda self: bool(getattr(self, "lists", None)))
    @rule(data=st.data(), who=st.sampled_from(["system", "security", "security"]), approve=st.booleans())
    def decide(self, data: st.DataObject, who: str, approve: bool) -> None:
        disposal_id = data.draw(st.sampled_from(sorted(self.lists)))
        state, numbers = self.lists[disposal_id]
        try:
            with self.world.ports.database.transaction() as session:
                decide(
                    session,
                    self.world.ports,
                    self._who(who),
                    disposal_id,
                    ground(self.world),
                    approve=approve,
                )
        except VermilionError as error:
            assert error.reason == ("duty" if who == "system" else "disposal_state")
            assert who == "system" or state != "asked"
            return
        assert (who, state) == ("security", "asked")
        if approve:
            self.lists[disposal_id] = "approved", numbers - self._held()
            SEEN["left out"] += bool(numbers & self._held())
        else:
            self.lists[disposal_id] = "refused", frozenset()

    @rule(out=st.frozensets(st.sampled_from(NAMES)), dies=st.integers(0, 6))
    def carry_out(self, out: frozenset[str], dies: int) -> None:
        """It may die before any of its first removals; 0 and more than there are: it does not."""
        good = stores_of(self.world).by_name
        stores = Stores({name: OutStore() if name in out else good[name] for name in NAMES})
        left = [dies]
        held = self._held()

        def remove(places: object, store: str, key: str, remove=_remove) -> None:  # type: ignore[no-untyped-def]
            left[0] -= 1
            if left[0] == 0:
                raise Died
            remove(places, store, key)

        try:
            with patch("registry.archive.erasure._remove", remove):
                done = carry_out(self.world.ports, stores)
        except Died:
            SEEN["died"] += 1
        else:
            assert set(done.outages) <= out
            SEEN["disposed"] += len(done.disposed)
            SEEN["out"] += bool(done.outages)
        approved = {one for state, numbers in self.lists.values() if state == "approved" for one in numbers}
        for stone in tombstones(self.world):
            if stone.number not in self.begun:
                assert stone.number in approved - held
                self.begun.add(stone.number)
        for disposal_id, (state, numbers) in self.lists.items():
            row = disposal(self.world, disposal_id)
            assert (row.certificate is not None) == (row.state == "done")
            if state == "approved":
                self.lists[disposal_id] = row.state, self._still_open(disposal_id, numbers, held)

    def _still_open(self, disposal_id: str, numbers: frozenset[str], held: frozenset[str]) -> frozenset[str]:
        """Of the numbers of a list those that are to be disposed of yet; what was left out was held."""
        with Session(self.world.ports.database.read) as session:
            states = {one.number: one.state for one in items_of(session, disposal_id)}
        assert {one for one in numbers if states[one] == "left_out"} <= held
        return frozenset(one for one in numbers if states[one] in {"listed", "erasing"})

    @rule(which=st.integers(0, COUNT - 1), store=st.sampled_from(NAMES))
    def a_copy_is_lost_and_read_for(self, which: int, store: str) -> None:
        """What is kept gets its copy again; of what is being erased nothing is made anew."""
        number = self.numbers[which]
        path = file_of(self.world, self.found[number], store)
        path.unlink(missing_ok=True)
        audited(self.world, at_once=True)
        assert path.exists() == (number not in self.begun)
        SEEN["repaired"] += path.exists()

    @precondition(lambda self: hasattr(self, "begun"))
    @invariant()
    def nothing_is_half_kept(self) -> None:
        stones = {one.number: one for one in tombstones(self.world)}
        assert set(stones) == self.begun
        there = files(self.world)
        for number, package in self.found.items():
            if number not in stones:
                assert all(whole(self.world, package, name) for name in NAMES)
            elif stones[number].disposed_at is not None:
                assert not [path for path in there if package.id in path.name]

    def teardown(self) -> None:
        if hasattr(self, "begun"):
            carry_out(self.world.ports, stores_of(self.world))
            for stone in tombstones(self.world):
                assert stone.disposed_at is not None
            with Session(self.world.ports.database.read) as session:
                assert unanswered(session) == []
            assert fsck(self.world.ports) == []
            self.world.close()

    def _who(self, who: str) -> Administrator:
        return self.world.system if who == "system" else self.world.security

    def _held(self) -> frozenset[str]:
        return frozenset(self.holds.values())

    def _open(self) -> frozenset[str]:
        return frozenset(
            one for state, numbers in self.lists.values() if state in {"asked", "approved"} for one in numbers
        )


def test_no_order_of_acts_disposes_of_what_is_held_or_was_not_decided_by_two(
    new_database: Callable[..., str], tmp_path: Path
) -> None:
    Disposals.new_world = staticmethod(worlds_in(tmp_path, new_database))
    run_state_machine_as_test(
        Disposals,
        settings=settings(
            max_examples=6,
            stateful_step_count=24,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert min(SEEN[one] for one in ("asked", "disposed", "out", "died", "repaired")) > 0, SEEN
