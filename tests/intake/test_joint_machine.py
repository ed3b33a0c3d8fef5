"""Whatever two agencies do to a case in whatever order, with days that pass and workers that die: no state outside
the tables, no decision without the opinions, no second licence, no message lost, one answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, seed, settings
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
from registry.intake import opinions
from registry.intake.cases import act, locked
from registry.intake.joint import moves_of, sub_cases_of
from registry.intake.joint_moves import PERMITTED as SUB_PERMITTED
from registry.intake.joint_moves import WANTED, Opinion, Side, SubAction, SubState
from registry.intake.moves import PERMITTED, Action, CaseState, Need, Who
from registry.intake.result_tables import PublishedResult
from registry.intake.tables import Case, CaseMove
from registry.intake.work import work
from registry.licences.tables import Intent
from registry.log.tables import Event
from registry.notices.messages import open_message
from registry.notices.tables import Notice
from registry.seals.trust import publish_trust_list
from tests.accountable import unanswered
from tests.intake.casework import BASIS, an_act, decided, draft, found, step
from tests.intake.joint_casework import Table, open_joint_desk
from tests.intake.test_case_machine import ACTIONS, MAY_REFUSE, ONWARD, Died, dying
from tests.registry.world import Ticker, World, worlds_in

SEEN: Counter[str] = Counter()
"""What came about in all runs, so that the machine does not pass for want of anything to see."""
JOINT_REFUSALS = {"opinions_wanted", "opinion_refuses"}
SUB_REFUSALS = {
    "sub_case_state",
    "sub_case_unknown",
    "part",
    "same_person",
    "move_needs",
    "not_overdue",
    "role",
}
DECIDED = {CaseState.PERMITTED, CaseState.REFUSED}
UNDECIDED = {CaseState.ACCEPTED, CaseState.HANDLING, CaseState.SUSPENDED}


class Joint(RuleBasedStateMachine):
    """One case in a world of its own, led by one agency, in which another takes part."""

    new_world: Callable[[Ticker], World]

    @initialize(far=st.integers(2, 4))
    def begin(self, far: int) -> None:
        self.clock = Ticker()
        self.world = type(self).new_world(self.clock)
        publish_trust_list(self.world.ports)
        self.table: Table = open_joint_desk(self.world)
        self.desk, self.ports = self.table.desk, self.table.desk.ports
        self.case_id = draft(self.desk)
        for _ in range(far):
            step(self.desk, self.case_id, ONWARD[self._state()])

    def _state(self) -> CaseState:
        return CaseState(found(self.desk, self.case_id).state)

    @rule(steps=st.integers(1, 4))
    def onward(self, steps: int) -> None:
        """Some of the way that leads to a licence."""
        for _ in range(steps):
            if (action := ONWARD.get(self._state())) is None:
                return
            self._try(action)

    @rule(action=st.sampled_from(ACTIONS), ends=st.integers(0, 3))
    def what_is_permitted(self, action: Action, ends: int) -> None:
        if ends and action in {Action.TERMINATE, Action.WITHDRAW}:
            return  # else most lives are short
        move = PERMITTED.get((self._state(), action))
        if move is not None and move.who != {Who.SYSTEM}:
            self._try(action)

    @rule(action=st.sampled_from(ACTIONS), who=st.sampled_from([Who.WINDOW, Who.HANDLER, Who.APPROVER]))
    def anything(self, action: Action, who: Who) -> None:
        more = {"licence": decided(self.world)} if action is Action.PERMIT else {}
        made = an_act(self.desk, who, frozenset({Need.GROUND}), **more)
        try:
            with self.ports.database.transaction() as session:
                case = locked(session, self.desk.actors[Who.WINDOW], self.case_id)
                act(session, self.ports, case, action, made)
        except VermilionError as error:
            assert error.reason in MAY_REFUSE | JOINT_REFUSALS, error

    def _try(self, action: Action) -> None:
        before = self._state()
        try:
            step(self.desk, self.case_id, action)
        except VermilionError as error:
            assert error.reason in {"extended", "told_once"} | JOINT_REFUSALS, error
            assert self._state() is before
            SEEN[error.reason] += 1
        else:
            SEEN[action.value] += 1

    @rule(
        action=st.sampled_from([SubAction.BEGIN, SubAction.GIVE, SubAction.MISS]),
        opinion=st.sampled_from([Opinion.AGREES, Opinion.AGREES, Opinion.CONDITIONS, Opinion.REFUSES]),
        by=st.sampled_from(["right", "right", "right", "wrong"]),
        words=st.sampled_from(["", "限期整改"]),
    )
    def of_the_sub_case(self, action: SubAction, opinion: Opinion, by: str, words: str) -> None:
        self._does(action, opinion, by, words)

    def _does(self, action: SubAction, opinion: Opinion, by: str, words: str) -> None:
        with Session(self.ports.database.read) as session:
            subs = sub_cases_of(session, self.case_id)
        sub_id = subs[0].id if subs else "0" * 32
        handler, decider = self.table.officer, self.table.decider
        lead = self.desk.actors[Who.APPROVER]
        if by == "wrong":  # the other agency's, each for the other
            handler, decider, lead = self.desk.actors[Who.HANDLER], lead, decider
        try:
            with self.ports.database.transaction() as session:
                if action is SubAction.BEGIN:
                    opinions.begin(session, self.ports, handler, sub_id)
                elif action is SubAction.GIVE:
                    opinions.give(session, self.ports, decider, sub_id, opinion, **BASIS, words=words)
                else:
                    opinions.miss(session, self.ports, lead, sub_id, **BASIS, words=words)
        except VermilionError as error:
            assert error.reason in SUB_REFUSALS, error
            SEEN[error.reason] += 1
        else:
            assert by == "right"
            SEEN[action.value] += 1

    @rule(opinion=st.sampled_from([Opinion.AGREES, Opinion.AGREES, Opinion.CONDITIONS, Opinion.REFUSES]))
    def its_way(self, opinion: Opinion) -> None:
        """What the sub-case wants next: taken up, answered, or missed where it is overdue."""
        with Session(self.ports.database.read) as session:
            sub = next((one for one in sub_cases_of(session, self.case_id) if one.state in WANTED), None)
        if sub is None:
            return
        overdue = sub.due_on is not None and sub.due_on < self.world.today
        if overdue and opinion is Opinion.AGREES:
            self._does(SubAction.MISS, opinion, "right", "")
        else:
            action = SubAction.GIVE if sub.state == SubState.HANDLING else SubAction.BEGIN
            self._does(action, opinion, "right", "限期整改")

    @rule(action=st.sampled_from([Action.PERMIT, Action.REFUSE]))
    def its_end(self, action: Action) -> None:
        self._ended(Opinion.CONDITIONS, action)

    @rule()
    def its_end_against_an_opinion(self) -> None:
        self._ended(Opinion.REFUSES, Action.PERMIT)

    def _ended(self, opinion: Opinion, action: Action) -> None:
        """All at once: what is asked of the other agency, and the decision."""
        if self._state() is CaseState.HANDLING:
            for _ in range(2):
                self.its_way(opinion)
            self._try(action)

    @rule()
    def nobody_answers_in_time(self) -> None:
        """Until the day after the sub-case was due, which hours that are drawn seldom come to."""
        with Session(self.ports.database.read) as session:
            due = [one.due_on for one in sub_cases_of(session, self.case_id) if one.due_on is not None]
        if due and (days := (due[0] - self.world.today).days + 1) > 0:
            self.clock.advance(timedelta(days=days))
            publish_trust_list(self.world.ports)

    @rule(dies=st.booleans())
    def a_worker_comes_by(self, dies: bool) -> None:
        """It may die after the licence was issued: its case knows that already."""
        if not dies:
            done = work(self.ports)
            assert (done.defects, done.refused) == ([], 0)
            SEEN["issued"] += done.issued
            return
        try:
            with patch("registry.intake.work.issue_many", dying(SEEN)):
                work(self.ports)
        except Died:
            SEEN["died"] += 1

    @rule(hours=st.integers(12, 120))
    def wait(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))
        publish_trust_list(self.world.ports)

    @precondition(lambda self: hasattr(self, "case_id"))
    @invariant()
    def the_record_is_the_tables_(self) -> None:
        with Session(self.ports.database.read) as session:
            case = session.get_one(Case, self.case_id)
            moves = list(session.scalars(
                select(CaseMove).where(CaseMove.case_id == case.id).order_by(CaseMove.number)
            ))  # fmt: skip
            at = CaseState.DRAFT
            for one in moves:
                move = PERMITTED[CaseState(one.came_from), Action(one.action)]
                assert (one.came_from, one.led_to) == (at, move.to)
                at = move.to
                assert (one.notice_id is not None) == move.told
            assert at == case.state
            told = select(func.count()).select_from(Notice).where(Notice.subject == case.id)
            assert session.scalar(told) == sum(one.notice_id is not None for one in moves)
            self._of_sub_cases(session, case, moves)
            self._never_twice(session, case, moves)

    def _of_sub_cases(self, session: Session, case: Case, moves: list[CaseMove]) -> None:
        subs = sub_cases_of(session, case.id)
        accepted = [one for one in moves if one.action == Action.ACCEPT]
        assert len(subs) == len(accepted), "each agency is asked once, with acceptance"
        for sub in subs:
            assert sub.agency_code == self.world.codes["other"]
            at, steps = SubState.WAITING, moves_of(session, sub.id)
            assert [one.number for one in steps] == list(range(1, sub.moves + 1))
            for one in steps:
                move = SUB_PERMITTED[SubState(one.came_from), SubAction(one.action)]
                assert (one.came_from, one.led_to, one.side) == (at, move.to, move.side)
                at = move.to
                event = session.get_one(Event, one.event_id)
                assert (event.recorded_at, event.person_id) == (one.at, one.person_id)
                begun = {two.person_id for two in steps if two.action == SubAction.BEGIN}
                assert one.action != SubAction.GIVE or one.person_id not in begun
            assert at == sub.state
            assert (sub.opinion is None) == (at is not SubState.GIVEN)
            open_ = case.state in UNDECIDED and at in WANTED
            assert (at in WANTED) <= (case.state in UNDECIDED), "nobody is asked what is decided"
            if open_ and case.state == CaseState.SUSPENDED:  # what was due by the day of the order stays due
                ordered = [made.day for made in moves if made.action == Action.SUSPEND][-1]
                assert sub.due_on is None or sub.due_on <= ordered
            else:
                assert (sub.due_on is not None) == open_
            for made in moves:
                if made.led_to not in DECIDED:
                    continue
                before = [two for two in steps if two.at <= made.at and two.side != Side.SYSTEM]
                last = before[-1].action if before else None
                assert last in {SubAction.GIVE, SubAction.MISS}, "decided on all opinions"
                assert made.led_to != CaseState.PERMITTED or before[-1].opinion != Opinion.REFUSES

    def _never_twice(self, session: Session, case: Case, moves: list[CaseMove]) -> None:
        if case.number is None:
            return
        made = session.scalars(select(Intent).where(Intent.case_number == case.number)).all()
        assert len([one for one in made if one.state == "done"]) <= 1
        decisions = [one for one in moves if one.led_to in DECIDED]
        assert len(decisions) <= 1
        results = session.scalars(select(PublishedResult).where(PublishedResult.number == case.number)).all()
        done = case.state in {CaseState.DONE, CaseState.ARCHIVED}
        published = done and not any(one.action == Action.WITHDRAW for one in moves)
        assert len(results) == published
        vault, answers = self.ports.vault, 0
        for one in session.scalars(select(Notice).where(Notice.subject == case.id)):
            if one.message is not None:
                answers += "经营场所消防条件" in open_message(vault, one.id, one.message).values["reason"]
        assert answers <= len(decisions), "there is one answer"

    def teardown(self) -> None:
        if hasattr(self, "case_id"):
            self.clock.advance(self.ports.settings.lease + timedelta(seconds=1))
            publish_trust_list(self.world.ports)
            SEEN["issued"] += work(self.ports).issued
            with Session(self.ports.database.read) as session:
                assert session.get_one(Case, self.case_id).state != CaseState.PERMITTED
                assert unanswered(session) == []
            assert self.world.defects.last == []
            self.world.close()


def walked(new_world: Callable[[Ticker], World], *, lives: int) -> None:
    Joint.new_world = staticmethod(new_world)
    run_state_machine_as_test(
        Joint,
        settings=settings(
            max_examples=lives, stateful_step_count=35, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_a_few_lives_decide_with_the_opinions_and_answer_once(
    new_database: Callable[..., str], tmp_path: Path
) -> None:
    walked(worlds_in(tmp_path, new_database), lives=4)
    assert SEEN["begin"] > 0


@pytest.mark.timeout(900)
@pytest.mark.long(short="test_a_few_lives_decide_with_the_opinions_and_answer_once")
def test_no_order_of_acts_decides_without_the_opinions_or_answers_twice(
    new_database: Callable[..., str], tmp_path: Path
) -> None:
    for one in range(4):  # of one seed many lives are alike
        seed(one)(Joint)
        walked(worlds_in(tmp_path, new_database), lives=40)
    wanted = {"give", "miss", "permit", "refuse", "opinion_refuses", "opinions_wanted", "issued", "died"}
    assert not {what for what in wanted if SEEN[what] == 0}, SEEN
