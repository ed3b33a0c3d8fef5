"""Whatever is done to cases in whatever order, by whomever, with workers that die in between: no state outside the
table, no second licence, no message lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn
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
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.intake.applications import Item, Said
from registry.intake.cases import act, locked
from registry.intake.moves import PERMITTED, Action, CaseState, Need, Who
from registry.intake.tables import Case, CaseIssue, CaseMove
from registry.intake.work import work
from registry.licences.issue_many import issue_many
from registry.licences.issued import Issued
from registry.licences.tables import Intent
from registry.log.tables import Event
from registry.notices.tables import Notice
from registry.seals.trust import publish_trust_list
from tests.accountable import unanswered
from tests.intake.casework import Desk, an_act, decided, draft, found, open_desk, step
from tests.registry.world import Ticker, World, worlds_in

ACTIONS = [one for one in Action if one is not Action.SUBMIT]
ONWARD = {
    CaseState.DRAFT: Action.SUBMIT,
    CaseState.SUBMITTED: Action.RECEIVE,
    CaseState.CORRECTION: Action.CORRECT,
    CaseState.RECEIVED: Action.ACCEPT,
    CaseState.ACCEPTED: Action.BEGIN,
    CaseState.SUSPENDED: Action.RESUME,
    CaseState.HANDLING: Action.PERMIT,
}
SEEN: Counter[str] = Counter()
"""What came about in all runs, so that the machine does not pass for want of anything to see."""
MAY_REFUSE = {
    "case_state", "part", "same_person", "move_needs", "told_once", "extended", "extension", "person_required",
    "role", "materials_missing",
}  # fmt: skip


class Died(BaseException):
    """The worker's process, in the midst of it."""


def dying(seen: Counter[str]) -> Callable[..., NoReturn]:
    """Issues, and dies before anybody is told."""

    def dies(*arguments: Any, **more: Any) -> NoReturn:
        seen["issued"] += isinstance(issue_many(*arguments, **more)[0], Issued)
        raise Died

    return dies


class Cases(RuleBasedStateMachine):
    """Two cases in a world of their own."""

    new_world: Callable[[Ticker], World]

    @initialize(far=st.lists(st.integers(0, 5), min_size=2, max_size=2))
    def begin(self, far: list[int]) -> None:
        self.clock = Ticker()
        self.world = type(self).new_world(self.clock)
        publish_trust_list(self.world.ports)
        self.desk: Desk = open_desk(self.world)
        self.states = {draft(self.desk): CaseState.DRAFT for _ in range(2)}
        self.ids = list(self.states)
        for which, steps in enumerate(far):
            self._onward(which, steps)

    @rule(which=st.integers(0, 1), data=st.data())
    def what_is_permitted(self, which: int, data: st.DataObject) -> None:
        case_id = self.ids[which]
        state = self.states[case_id]
        actions = [
            action for one, action in PERMITTED if one is state and PERMITTED[one, action].who != {Who.SYSTEM}
        ]
        if not actions:
            return
        action = data.draw(st.sampled_from(actions))
        try:
            step(self.desk, case_id, action)
        except VermilionError as error:
            assert error.reason in {"extended", "told_once"}
            return
        self._moved(case_id, action)

    @rule(which=st.integers(0, 1), steps=st.integers(1, 5))
    def onward(self, which: int, steps: int) -> None:
        """Some of the way that leads to a licence."""
        self._onward(which, steps)

    def _onward(self, which: int, steps: int) -> None:
        for _ in range(steps):
            action = ONWARD.get(self.states[self.ids[which]])
            if action is None:
                return
            step(self.desk, self.ids[which], action)
            self._moved(self.ids[which], action)
            SEEN[action.value] += 1

    @rule(
        which=st.integers(0, 1),
        action=st.sampled_from(ACTIONS),
        who=st.sampled_from([one for one in Who if one is not Who.SYSTEM]),
        needs=st.frozensets(st.sampled_from(Need)),
        licence=st.booleans(),
        items=st.sampled_from(["layout", "safety_rules"]),
    )
    def anything(
        self, which: int, action: Action, who: Who, needs: frozenset[Need], licence: bool, items: str
    ) -> None:
        case_id = self.ids[which]
        more = {"licence": decided(self.world)} if licence or action is Action.PERMIT else {}
        made = an_act(self.desk, who, needs, **more)
        if made.said.items:
            made = an_act(self.desk, who, needs, said=Said("", (Item(items, "缺"),)), **more)
        try:
            with self.desk.ports.database.transaction() as session:
                case = locked(session, self.desk.actors[Who.WINDOW], case_id)
                act(session, self.desk.ports, case, action, made)
        except VermilionError as error:
            assert error.reason in MAY_REFUSE, error
            return
        move = PERMITTED[self.states[case_id], action]
        assert who in move.who
        assert move.needs <= needs
        self._moved(case_id, action)

    def _moved(self, case_id: str, action: Action) -> None:
        to = PERMITTED[self.states[case_id], action].to
        ended = {CaseState.REFUSED, CaseState.TERMINATED, CaseState.WITHDRAWN}
        self.states[case_id] = CaseState.DONE if to in ended else to

    @rule(dies=st.booleans())
    def a_worker_comes_by(self, dies: bool) -> None:
        """It may die after the licence was issued: its case knows that already."""
        if dies:
            try:
                with patch("registry.intake.work.issue_many", dying(SEEN)):
                    work(self.desk.ports)
            except Died:
                SEEN["died"] += 1
        else:
            done = work(self.desk.ports)
            assert done.defects == []
            assert done.refused == 0
            SEEN["issued"] += done.issued
        for case_id in self.ids:
            state = CaseState(found(self.desk, case_id).state)
            if state is not self.states[case_id]:
                assert (self.states[case_id], state) in {
                    (CaseState.PERMITTED, CaseState.DONE),
                    (CaseState.SUBMITTED, CaseState.ACCEPTED),
                    (CaseState.RECEIVED, CaseState.ACCEPTED),
                }
                self.states[case_id] = state

    @rule(hours=st.integers(1, 60))
    def wait(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))
        publish_trust_list(self.world.ports)

    @precondition(lambda self: hasattr(self, "desk"))
    @invariant()
    def the_record_is_the_table_s(self) -> None:
        with Session(self.desk.ports.database.read) as session:
            for case_id, state in self.states.items():
                case = session.get_one(Case, case_id)
                assert case.state == state
                moves = session.scalars(
                    select(CaseMove).where(CaseMove.case_id == case_id).order_by(CaseMove.number)
                ).all()
                assert [one.number for one in moves] == list(range(1, case.moves + 1))
                at = CaseState.DRAFT
                for one in moves:
                    move = PERMITTED[CaseState(one.came_from), Action(one.action)]
                    assert (one.came_from, one.led_to) == (at, move.to)
                    at = move.to
                    assert Who(one.who) in move.who
                    event = session.get_one(Event, one.event_id)
                    assert (event.recorded_at, event.person_id) == (one.at, one.person_id)
                    # No message is lost, and none is about a step that was not taken.
                    assert (one.notice_id is not None) == move.told
                    if one.notice_id is not None:
                        assert session.get_one(Notice, one.notice_id).created_at == one.at
                assert at is state
                told = select(func.count()).select_from(Notice).where(Notice.subject == case_id)
                assert session.scalar(told) == sum(one.notice_id is not None for one in moves)
                self._never_twice(session, case)

    def _never_twice(self, session: Session, case: Case) -> None:
        if case.number is None:
            return
        made = session.scalars(select(Intent).where(Intent.case_number == case.number)).all()
        issued = [one.id for one in made if one.state == "done"]
        assert len(issued) <= 1
        ordered = session.get(CaseIssue, case.id)
        assert (ordered is not None) == (
            case.state == CaseState.PERMITTED
            or session.scalar(
                select(func.count()).where(CaseMove.case_id == case.id, CaseMove.action == Action.PERMIT)
            )
            == 1
        )
        assert case.edition_id is None or [case.edition_id] == issued

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.clock.advance(self.world.ports.settings.lease + timedelta(seconds=1))
            publish_trust_list(self.world.ports)
            SEEN["issued"] += work(self.desk.ports).issued
            with Session(self.desk.ports.database.read) as session:
                for case_id in self.ids:  # nothing stays permitted that could be issued
                    assert session.get_one(Case, case_id).state != CaseState.PERMITTED
                assert unanswered(session) == []
            assert self.world.defects.last == []
            self.world.close()


def test_no_order_of_acts_leaves_the_table_issues_twice_or_loses_a_message(
    new_database: Callable[..., str], tmp_path: Path
) -> None:
    Cases.new_world = staticmethod(worlds_in(tmp_path, new_database))
    run_state_machine_as_test(
        Cases,
        settings=settings(
            max_examples=6,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert SEEN["issued"] > 0
