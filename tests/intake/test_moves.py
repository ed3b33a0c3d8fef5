"""The life of a case as pure rules: what the table has happens, whatever it has not is refused."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from keys.errors import Kind, VermilionError
from registry.intake.moves import (
    CLOSED,
    ENDED_UNMADE,
    PERMITTED,
    Action,
    CaseState,
    Given,
    Need,
    Who,
    permitted,
)

EVERYTHING = Given(declared=True, grounded=True, items=1, days=1)
REACHED_BY = {move.to for move in PERMITTED.values()}
ENDS = {CaseState.ARCHIVED, CaseState.LAPSED}


def test_every_state_is_reached_and_all_but_the_ends_are_left() -> None:
    assert set(CaseState) - {CaseState.DRAFT} == REACHED_BY
    assert {state for state, _ in PERMITTED} == set(CaseState) - ENDS
    assert {action for _, action in PERMITTED} == set(Action)


def test_from_everywhere_there_is_a_way_into_the_archive() -> None:
    """Nothing can be closed and never archived. A draft that lapses was never submitted."""
    leads = {CaseState.ARCHIVED}
    while more := {state for (state, _), move in PERMITTED.items() if move.to in leads} - leads:
        leads |= more
    assert leads == set(CaseState) - {CaseState.LAPSED}
    for state in CLOSED:
        assert PERMITTED[state, Action.ARCHIVE].to is CaseState.ARCHIVED
    for state in ENDED_UNMADE:
        assert PERMITTED[state, Action.FINISH].to is CaseState.DONE


@pytest.mark.parametrize(
    ("state", "action"), [pair for pair in product(CaseState, Action) if pair not in PERMITTED]
)
def test_whatever_is_not_in_the_table_is_refused_to_everybody(state: CaseState, action: Action) -> None:
    for who in Who:
        with pytest.raises(VermilionError) as refused:
            permitted(state, action, who, EVERYTHING)
        assert (refused.value.kind, refused.value.reason) == (Kind.CONFLICT, "case_state")


@pytest.mark.parametrize(("state", "action"), list(PERMITTED))
def test_each_move_is_of_those_who_may_and_needs_what_it_needs(state: CaseState, action: Action) -> None:
    move = PERMITTED[state, action]
    for who in Who:
        if who in move.who:
            assert permitted(state, action, who, EVERYTHING) is move
            continue
        with pytest.raises(VermilionError) as refused:
            permitted(state, action, who, EVERYTHING)
        assert (refused.value.kind, refused.value.reason) == (Kind.FORBIDDEN, "part")
    who = min(move.who)
    if move.needs:
        with pytest.raises(VermilionError) as refused:
            permitted(state, action, who, Given())
        assert refused.value.reason == "move_needs"
        assert len(refused.value.faults) == len(move.needs)


def test_who_handles_a_case_does_not_decide_it() -> None:
    for (state, action), move in PERMITTED.items():
        if Who.APPROVER in move.who:
            with pytest.raises(VermilionError) as refused:
                permitted(state, action, Who.APPROVER, EVERYTHING, has_handled=True)
            assert refused.value.reason == "same_person"


def test_what_takes_something_from_the_applicant_says_why_and_is_told() -> None:
    """Arts. 32, 38, 42, 45: reasons for every refusal, correction, suspension and extension."""
    against = {
        CaseState.NOT_ACCEPTED, CaseState.RETURNED, CaseState.REFUSED, CaseState.TERMINATED,
        CaseState.SUSPENDED, CaseState.CORRECTION,
    }  # fmt: skip
    for (_, action), move in PERMITTED.items():
        if move.to in against or action is Action.EXTEND:
            assert Need.GROUND in move.needs
            assert move.told
    for action in (Action.SUSPEND, Action.EXTEND):
        assert Need.DAYS in PERMITTED[CaseState.HANDLING, action].needs


class Lives(RuleBasedStateMachine):
    """Anybody tries anything in any order; the law's order comes out all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.state = CaseState.DRAFT
        self.path = [self.state]

    @rule(
        action=st.sampled_from(Action),
        who=st.sampled_from(Who),
        given=st.builds(Given, st.booleans(), st.booleans(), st.integers(0, 2), st.integers(0, 2)),
        has_handled=st.booleans(),
    )
    def anything(self, action: Action, who: Who, given: Given, has_handled: bool) -> None:
        try:
            move = permitted(self.state, action, who, given, has_handled=has_handled)
        except VermilionError as error:
            assert error.reason in {"case_state", "part", "same_person", "move_needs"}
            return
        assert who in move.who
        assert all(given.has(need) for need in move.needs)
        self._moved(move.to)

    @precondition(lambda self: self.state not in ENDS)
    @rule(data=st.data())
    def something_that_is_permitted(self, data: st.DataObject) -> None:
        action = data.draw(st.sampled_from([a for state, a in PERMITTED if state is self.state]))
        who = data.draw(st.sampled_from(sorted(PERMITTED[self.state, action].who)))
        self._moved(permitted(self.state, action, who, EVERYTHING).to)

    def _moved(self, to: CaseState) -> None:
        self.state = to
        self.path.append(to)

    @invariant()
    def the_order_of_the_law_holds(self) -> None:
        path = self.path
        if CaseState.PERMITTED in path or CaseState.REFUSED in path:
            assert CaseState.ACCEPTED in path
            assert CaseState.HANDLING in path
        decided = {CaseState.PERMITTED, CaseState.REFUSED, CaseState.TERMINATED, CaseState.WITHDRAWN}
        assert len([state for state in path if state in decided]) <= 1
        if self.state is CaseState.DONE:
            assert path[-2] in decided
        for state in (CaseState.SUBMITTED, CaseState.ACCEPTED, CaseState.DONE, CaseState.ARCHIVED):
            assert path.count(state) <= 1


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
