"""Whatever happens to a licence in whatever order: the table decides, and every past moment is answered by both
clocks as a model of it says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, note, settings
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
from registry.licences.due import make_due
from registry.licences.examine import civil_day
from registry.licences.fsck import fsck
from registry.licences.history import status_at
from registry.licences.operations import NEXT_EDITIONS, PERMITTED, NextEdition
from registry.licences.rules import status_of
from registry.licences.schedule import Planned, waiting
from registry.licences.tables import Edition
from registry.seals.trust import publish_trust_list
from tests.accountable import unanswered
from tests.registry.issuing import issue_one, request_body
from tests.registry.next_editions import next_edition
from tests.registry.test_status import decide
from tests.registry.world import Ticker, World, worlds_in

DAY = timedelta(days=1)
CHANGES = ("suspend", "resume", "end", "remove")
TERM = 40  # days that a first edition is valid


@dataclass
class Told:
    """A change of an edition, as the model has it."""

    recorded: datetime
    effective: date
    status: str
    how: str | None


@dataclass
class Model:
    """An edition."""

    identifier: str
    valid_to: date
    told: list[Told]
    removed: bool = False

    @property
    def status(self) -> str:
        return self.told[-1].status


@dataclass
class Plan:
    operation: str
    due: date
    how: str | None = None
    until: date | None = None


@dataclass
class Licence:
    editions: list[Model] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)


class Lives(RuleBasedStateMachine):
    """One licence in a world of its own."""

    new_world: Callable[[Ticker], World]

    @initialize()
    def issue(self) -> None:
        self.clock = Ticker()
        self.world = type(self).new_world(self.clock)
        publish_trust_list(self.world.ports)
        until = self.world.today + TERM * DAY
        body = request_body(self.world)
        body["fields"] = {
            **body["fields"],
            "valid_to": until.isoformat(),
            "issue_date": self.world.today.isoformat(),
        }
        issued = issue_one(self.world, body)
        self.began = self.clock.now
        self.licence = Licence()
        self._edition(issued.printout.record.identifier, until, self.world.today)

    def _edition(self, identifier: str, until: date, effective: date) -> None:
        told = Told(self.clock.now, effective, "in_force", None)
        self.licence.editions.append(Model(identifier, until, [told]))

    @property
    def newest(self) -> Model:
        return self.licence.editions[-1]

    @rule(days=st.integers(0, 9), hours=st.integers(1, 23))
    def wait(self, days: int, hours: int) -> None:
        """Days pass, and with each what is due is made; the service may have been down on some."""
        self.clock.advance(timedelta(days=days, hours=hours))
        make_due(self.world.ports)
        self._make_due()

    def _make_due(self) -> None:
        today = self.world.today
        for plan in sorted(self.licence.plans, key=lambda one: one.due):
            if plan.due > today or plan not in self.licence.plans:
                continue
            self.licence.plans.remove(plan)
            last = self.newest.told[-1]
            permitted = (self.newest.status, plan.operation) in PERMITTED
            over = plan.until is not None and plan.until < today
            if permitted and not over:
                self._changed(plan.operation, max(plan.due, last.effective), plan.how, plan.until)

    def _changed(self, operation: str, effective: date, how: str | None, until: date | None) -> None:
        after = PERMITTED[self.newest.status, operation]  # type: ignore[index]
        if operation == "remove":
            self.newest.removed = True
            return
        self.newest.told.append(Told(self.clock.now, effective, after, how))
        if operation == "suspend" and until is not None:
            self.licence.plans.append(Plan("lift", until + DAY))
        if operation in {"resume", "lift"}:
            self.licence.plans = [one for one in self.licence.plans if one.operation != "lift"]
        if operation == "end":
            self.licence.plans = []

    @rule(
        operation=st.sampled_from(CHANGES),
        days=st.integers(-3, 6),
        how=st.sampled_from(["revoked", "annulled", "withdrawn", "cancelled"]),
        term=st.none() | st.integers(0, 8),
    )
    def change(self, operation: str, days: int, how: str, term: int | None) -> None:
        today, edition = self.world.today, self.newest
        effective = today + days * DAY
        act = "end" if operation == "remove" else operation
        more: dict[str, Any] = {}
        until = None
        if act == "suspend":
            until = None if term is None else effective + term * DAY
            more = {"suspension": "other", "until": until}
        if act == "end":
            more = {"how": "cancelled" if operation == "remove" else how}
        meant = "remove" if act == "end" and edition.status == "ended" and more["how"] == "cancelled" else act
        hows = more.get("how")
        try:
            outcome = decide(self.world, act, edition.identifier, effective, **more)
        except VermilionError as error:
            assert not self._allowed(meant, effective, hows, until), (operation, days, how, term, error)
            return
        note(f"{act} of {effective}: {outcome}")
        assert self._allowed(meant, effective, hows, until), (operation, days, how, term)
        if isinstance(outcome, Planned):
            self.licence.plans.append(Plan(meant, effective, hows, until))
        else:
            self._changed(meant, effective, hows, until)

    def _allowed(self, operation: str, effective: date, how: str | None, until: date | None) -> bool:
        edition, today = self.newest, self.world.today
        last, issued = edition.told[-1], edition.told[0].effective
        if until is not None and until < max(effective, today):
            return False
        if effective > today and operation != "remove":
            return edition.status != "ended" and len(self.licence.plans) < 20
        if (edition.status, operation) not in PERMITTED or effective > today:
            return False
        if operation == "remove":
            return (
                not edition.removed
                and last.how not in {"cancelled", "replaced"}
                and effective >= last.effective
            )
        if operation == "end" and how == "annulled":
            return effective >= issued
        return effective >= last.effective

    @precondition(lambda self: len(self.licence.editions) < 4)
    @rule(operation=st.sampled_from(NEXT_EDITIONS))
    def next_edition(self, operation: NextEdition) -> None:
        today, edition = self.world.today, self.newest
        publish_trust_list(self.world.ports)
        until = edition.valid_to
        more: dict[str, Any] = {"fields": {"premises": f"云溪省样本市{len(self.licence.editions)}号"}}
        if operation == "renew":
            until = max(edition.valid_to, today) + TERM * DAY
            more = {"fields": {"valid_to": until.isoformat()}}
        if operation == "replace":
            more = {}
        may = edition.status == "in_force" and (operation == "renew" or edition.valid_to >= today)
        try:
            issued = next_edition(self.world, operation, edition.identifier, **more)
        except VermilionError as error:
            assert not may, error
            return
        assert may
        edition.told.append(Told(self.clock.now, today, "ended", "replaced"))
        self._edition(issued.printout.record.identifier, until, today)

    @rule(back=st.integers(0, 60 * 24), clock=st.sampled_from(["effective", "recorded"]), data=st.data())
    def ask(self, back: int, clock: str, data: st.DataObject) -> None:
        """A past moment, of any edition, by either clock."""
        edition = data.draw(st.sampled_from(self.licence.editions))
        at = max(self.clock.now - timedelta(hours=back), self.began - DAY)
        day = civil_day(at, self.world.ports.settings.tz)
        if clock == "recorded":
            known = [one for one in edition.told if one.recorded <= at]
        else:
            known = [one for one in edition.told if one.effective <= day]
        expected = known[-1] if known else None
        with Session(self.world.ports.database.read) as session:
            row = session.scalars(select(Edition).where(Edition.identifier == edition.identifier)).one()
            try:
                found = status_at(session, self.world.ports, row, at, clock)  # type: ignore[arg-type]
            except VermilionError as error:
                assert error.reason == "not_yet_there"
                assert expected is None
                return
        assert expected is not None
        assert (found["status"], found["how"]) == (expected.status, expected.how)
        within = row.valid_from <= day <= edition.valid_to
        assert found["valid"] == (expected.status == "in_force" and within)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            settled(self.world)
            self.world.close()

    @invariant()
    def the_record_is_the_models(self) -> None:
        if not hasattr(self, "licence"):
            return
        actor = self.world.actor("system", "officer")
        with Session(self.world.ports.database.read) as session:
            for edition in self.licence.editions:
                status = status_of(session, actor, edition.identifier)
                last = edition.told[-1]
                assert (status.status, status.how, status.since) == (last.status, last.how, last.effective)
                assert status.status_version == len(edition.told) + edition.removed
            licence_id = session.scalars(
                select(Edition.licence_id).where(Edition.identifier == self.newest.identifier)
            ).one()
            waits = sorted((one.operation, one.due) for one in waiting(session, licence_id))
        assert waits == sorted((one.operation, one.due) for one in self.licence.plans)


def settled(world: World) -> None:
    """The record holds together, and every change says who, why and by which law."""
    publish_trust_list(world.ports)
    assert fsck(world.ports) == []
    with Session(world.ports.database.read) as session:
        assert unanswered(session) == []
    assert world.defects.last == []


def test_every_order_of_operations_is_answered_as_the_model_says(
    new_database: Callable[..., str], tmp_path: Path
) -> None:
    Lives.new_world = staticmethod(worlds_in(tmp_path, new_database))
    run_state_machine_as_test(
        Lives,
        settings=settings(
            max_examples=8,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
