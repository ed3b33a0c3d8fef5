"""Whatever is done to an application in whatever order: its materials, its form and what these stand for agree with a
model that is a few lines long.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.intake.application_form import confirm_form, make_form
from registry.intake.applications import Item, Said
from registry.intake.cases import Act, act, locked, redraw
from registry.intake.declarations import declared_by, latest_form
from registry.intake.materials import find_version, supplied, versions, wants
from registry.intake.matter_lists import matter_version
from registry.intake.moves import Action, CaseState, Who
from registry.intake.supplying import Examined, keep
from registry.intake.tables import Case
from registry.licences.moment import moment
from tests.intake.casework import BASIS, Desk, a_material, application, draft, open_desk
from tests.intake.test_materials import named
from tests.registry.world import World

CODES = ("business_licence", "layout", "safety_rules", "authority_of_agent")
REQUIRED = frozenset(CODES[:3])
OPEN = {CaseState.DRAFT, CaseState.CORRECTION}

operations = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(CODES), st.integers(0, 2)),
    st.tuples(st.just("redraw"), st.sampled_from(["甲路1号", "乙路2号"]), st.just(0)),
    st.tuples(
        st.sampled_from(["form", "confirm", "submit", "receive", "ask", "correct", "accept"]),
        st.just(""),
        st.just(0),
    ),
)


@dataclass
class Model:
    state: CaseState = CaseState.DRAFT
    premises: str = ""
    files: dict[str, list[int]] = field(default_factory=dict)
    formed: object = None  # what the last form says
    confirmed: bool = False

    @property
    def declared(self) -> bool:
        return self.confirmed and self.formed == self.now

    @property
    def now(self) -> object:
        return self.premises, {code: there[-1] for code, there in self.files.items()}


def content(number: int) -> Examined:
    return replace(a_material(), sha256=sha256(b"%d" % number).digest())


@dataclass
class Walk:
    desk: Desk
    case_id: str
    model: Model

    def put(self, code: str, number: int) -> None:
        actor = named(self.desk.world)
        if self.model.state not in OPEN:
            self.refused(
                "case_state", lambda: keep(self.desk.ports, actor, self.case_id, code, content(number))
            )
            return
        there = self.model.files.setdefault(code, [])
        row, new = keep(self.desk.ports, actor, self.case_id, code, content(number))
        assert new == (there[-1:] != [number])
        if new:
            there.append(number)
        assert row.version == len(there)

    def redraw(self, premises: str) -> None:
        def work() -> None:
            with self.desk.ports.database.transaction() as session:
                made = application(self.desk.world, premises=premises)
                redraw(session, self.desk.ports, named(self.desk.world), self.case_id, made)

        if self.model.state is not CaseState.DRAFT:
            self.refused("case_state", work)
            return
        work()
        self.model.premises = premises

    def form(self) -> None:
        def work() -> bool:
            return make_form(self.desk.ports, named(self.desk.world), self.case_id, "zh")[1]

        if self.model.state not in OPEN:
            self.refused("case_state", work)
            return
        assert work() == (self.model.formed != self.model.now)
        if self.model.formed != self.model.now:
            self.model.formed, self.model.confirmed = self.model.now, False

    def confirm(self) -> None:
        def work() -> None:
            with self.desk.ports.database.transaction() as session:
                form = latest_form(session, self.case_id)
                digest = (
                    b""
                    if form is None
                    else find_version(session, self.case_id, "application-form", form.version).sha256
                )
                confirm_form(session, self.desk.ports, named(self.desk.world), self.case_id, digest)

        if self.model.state not in OPEN:
            self.refused("case_state", work)
        elif self.model.formed is None:
            self.refused("form_unknown", work)
        elif self.model.formed != self.model.now:
            self.refused("form_stale", work)
        else:
            work()
            self.model.confirmed = True

    def step(self, action: Action, who: Who, came_from: CaseState, led_to: CaseState, **more: object) -> None:
        def work() -> None:
            with self.desk.ports.database.transaction() as session:
                case = locked(session, self.desk.actors[who], self.case_id)
                act(session, self.desk.ports, case, action, Act(who, self.desk.actors[who], **more))  # type: ignore[arg-type]

        if self.model.state is not came_from:
            self.refused("case_state", work)
        elif action in {Action.SUBMIT, Action.CORRECT} and not self.model.declared:
            self.refused("move_needs", work)
        elif action is Action.ACCEPT and not set(self.model.files) >= REQUIRED:
            self.refused("materials_missing", work)
        else:
            work()
            self.model.state = led_to

    def take(self, what: str, name: str, number: int) -> None:
        state = CaseState
        match what:
            case "put":
                self.put(name, number)
            case "redraw":
                self.redraw(name)
            case "form":
                self.form()
            case "confirm":
                self.confirm()
            case "submit":
                self.step(Action.SUBMIT, Who.APPLICANT, state.DRAFT, state.SUBMITTED)
            case "receive":
                self.step(Action.RECEIVE, Who.WINDOW, state.SUBMITTED, state.RECEIVED)
            case "ask":
                wanted = sorted({"layout"} | REQUIRED - set(self.model.files))  # all of it is told
                said = Said("", tuple(Item(code, "缺") for code in wanted))
                self.step(
                    Action.ASK_CORRECTION, Who.WINDOW, state.RECEIVED, state.CORRECTION, said=said, **BASIS
                )
            case "correct":
                self.step(Action.CORRECT, Who.APPLICANT, state.CORRECTION, state.RECEIVED)
            case "accept":
                self.step(Action.ACCEPT, Who.WINDOW, state.RECEIVED, state.ACCEPTED)

    def refused(self, reason: str, work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except VermilionError as error:
            assert error.reason == reason
        else:
            raise AssertionError(reason)

    def agrees(self) -> None:
        ports, model = self.desk.ports, self.model
        with Session(ports.database.read) as session:
            case = session.get_one(Case, self.case_id)
            assert case.state == model.state
            of_matter = [one for one in versions(session, case.id) if one.code in CODES]
            assert [(one.code, one.version) for one in of_matter] == [
                (code, at) for code in sorted(model.files) for at in range(1, len(model.files[code]) + 1)
            ]
            last = {code: one.sha256 for code, one in supplied(session, case.id).items() if code in CODES}
            assert last == {code: content(numbers[-1]).sha256 for code, numbers in model.files.items()}
            matter = matter_version(session, case.matter_code, case.matter_version)
            assert set(wants(session, case.id, matter)) == REQUIRED - set(model.files)
            form = declared_by(session, ports, case, moment(ports).day)
            assert (form is not None) == model.declared


def test_no_order_of_acts_loses_a_material_or_declares_what_was_not(world: World) -> None:
    desk = open_desk(world)
    seen: set[CaseState] = set()

    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(st.lists(operations, min_size=5, max_size=25), st.integers(0, 3))
    def walk(taken: list[tuple[str, str, int]], onward: int) -> None:
        made = application(world)
        one = Walk(desk, draft(desk, made), Model(premises=str(made.fields["premises"])))
        for what, name, number in taken:
            one.take(what, name, number)
        for what in ("form", "confirm", "submit", "receive", "accept")[: onward + 2]:
            one.take(what, "", 0)
        one.agrees()
        seen.add(one.model.state)

    walk()
    assert len(seen) > 2
