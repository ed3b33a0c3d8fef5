"""Whatever the applicant, the window and the source do in whatever order: each difference is open or cleared, no
open one is permitted, and no licence says what was refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

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
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.intake.applications import open_application
from registry.intake.comparing import same
from registry.intake.exchange_tables import SourceError, VerificationTask
from registry.intake.moves import Action, CaseState
from registry.intake.retrieving import retrieve_due
from registry.intake.task_values import TaskState, open_values
from registry.seals.trust import publish_trust_list
from signing.licence_type import FieldKind
from tests.accountable import unanswered
from tests.intake.casework import Desk, application, decided, found, open_desk, step, taken
from tests.intake.exchanging import connect, ended, put_down
from tests.registry.world import Ticker, World, worlds_in

SOURCE = "样本市来源所称有限公司"
VALUES = (
    SOURCE,
    "样本市来源 所称有限公司",
    "样本市申请人所称有限公司",
    "样本市（又一）有限公司",
    "样本市(又一) 有限公司",
)
SEEN: Counter[str] = Counter()


class Differences(RuleBasedStateMachine):
    """One case, one field that is compared, and a folder that says one thing of it."""

    new_world: Callable[[Ticker], World]

    @initialize(first=st.sampled_from(VALUES))
    def begin(self, first: str) -> None:
        self.clock = Ticker()
        self.world = type(self).new_world(self.clock)
        publish_trust_list(self.world.ports)
        self.desk: Desk = connect(open_desk(self.world))
        holder = application(self.world).id_code
        put_down(self.desk.ports, holder, {"name": SOURCE})
        self.case_id = taken(self.desk, Action.SUBMIT, Action.RECEIVE)
        assert retrieve_due(self.desk.ports).found == 1
        self.corrected(first)

    @property
    def state(self) -> str:
        return found(self.desk, self.case_id).state

    @property
    def name(self) -> str:
        case = found(self.desk, self.case_id)
        application_ = open_application(self.desk.ports.vault, case.id, case.application)
        return str(application_.fields["operator_name"])

    def tasks(self) -> list[VerificationTask]:
        with Session(self.desk.ports.database.read) as session:
            wanted = select(VerificationTask).where(VerificationTask.case_id == self.case_id)
            return list(session.scalars(wanted.order_by(VerificationTask.number)))

    @precondition(lambda self: self.state == CaseState.RECEIVED)
    @rule(value=st.sampled_from(VALUES))
    def corrected(self, value: str) -> None:
        """By the applicant, whom the window has asked."""
        step(self.desk, self.case_id, Action.ASK_CORRECTION)
        step(self.desk, self.case_id, Action.CORRECT, correction={"operator_name": value})
        assert self.name == value

    @precondition(lambda self: self.state == CaseState.RECEIVED)
    @rule()
    def taken_on(self) -> None:
        for action in (Action.ACCEPT, Action.BEGIN):
            step(self.desk, self.case_id, action)

    @rule(
        outcome=st.sampled_from([one for one in TaskState if one is not TaskState.OPEN]),
        value=st.sampled_from(VALUES),
    )
    def cleared(self, outcome: TaskState, value: str) -> None:
        self._clear(outcome, value)

    @precondition(lambda self: any(one.state == TaskState.OPEN for one in self.tasks()))
    @rule(outcome=st.sampled_from([TaskState.REFUSED, TaskState.CONFIRMED, TaskState.CORRECTED]))
    def cleared_right(self, outcome: TaskState) -> None:
        self._clear(outcome, SOURCE)

    def _clear(self, outcome: TaskState, value: str) -> None:
        tasks = self.tasks()
        if not tasks:
            return
        last, before = tasks[-1], self.name
        more: dict[str, Any] = {"value": value, "declared": True} if outcome is TaskState.CORRECTED else {}
        try:
            ended(self.desk, last.id, outcome, **more)
        except VermilionError as error:
            assert error.reason in {"task_ended", "case_state", "still_differs"}
            assert (error.reason == "still_differs") == (
                last.state == TaskState.OPEN
                and self.state != CaseState.PERMITTED
                and not same(FieldKind.TEXT, value, SOURCE)
            )
            assert self.name == before
            return
        SEEN[outcome.value] += 1
        assert self.name == (value if outcome is TaskState.CORRECTED else before)

    @rule()
    def worked_on(self) -> None:
        self.clock.advance(timedelta(hours=1))
        done = retrieve_due(self.desk.ports)
        assert (done.found, done.defects, done.told.defects) == (0, [], [])

    @precondition(lambda self: self.state == CaseState.HANDLING)
    @rule(says=st.sampled_from((None, *VALUES)))
    def permitted(self, says: str | None) -> None:
        licence = decided(self.world)
        if says is not None:
            licence["fields"] |= {"operator_name": says}
        printed, tasks = says or self.name, self.tasks()
        opened = any(one.state == TaskState.OPEN for one in tasks)
        wrong = [
            open_values(self.desk.ports.vault, one).applicant
            for one in tasks
            if one.state == TaskState.REFUSED
        ]
        refused = any(same(FieldKind.TEXT, printed, one) for one in wrong)
        try:
            step(self.desk, self.case_id, Action.PERMIT, licence=licence)
        except VermilionError as error:
            assert error.reason == ("tasks_open" if opened else "value_refused")
            assert opened or refused
            SEEN[error.reason] += 1
            return
        SEEN["permitted"] += 1
        assert not opened
        assert not refused

    @invariant()
    def each_difference_is_open_or_cleared(self) -> None:
        if not hasattr(self, "case_id"):
            return
        tasks, name = self.tasks(), self.name
        opened = [one for one in tasks if one.state == TaskState.OPEN]
        assert len(opened) <= 1
        assert [one.number for one in tasks] == list(range(1, len(tasks) + 1))
        for one in opened:
            values = open_values(self.desk.ports.vault, one)
            assert (values.applicant, values.source, one.ended_at) == (name, SOURCE, None)
        if same(FieldKind.TEXT, name, SOURCE):
            assert opened == []
        else:
            last = tasks[-1]
            assert last.state != TaskState.CORRECTED
            assert same(FieldKind.TEXT, str(open_values(self.desk.ports.vault, last).applicant), name)
        for one in tasks:
            if one.state != TaskState.OPEN:
                assert one.ended_at is not None
                assert one.client_id is not None
                assert one.legal_basis
                assert one.reason_code
        with Session(self.desk.ports.database.read) as session:
            told = session.scalars(select(SourceError.task_id)).all()
        assert sorted(told) == sorted(one.id for one in tasks if one.state == TaskState.CONFIRMED)

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            with Session(self.desk.ports.database.read) as session:
                assert unanswered(session) == []
            assert self.world.defects.last == []
            self.world.close()


def test_no_order_of_acts_permits_what_is_not_cleared(
    new_database: Callable[..., str], tmp_path: Path
) -> None:
    Differences.new_world = staticmethod(worlds_in(tmp_path, new_database))
    run_state_machine_as_test(
        Differences,
        settings=settings(
            max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    assert min(SEEN[one] for one in ("permitted", "tasks_open", "corrected", "confirmed", "refused")) > 0, (
        SEEN
    )
