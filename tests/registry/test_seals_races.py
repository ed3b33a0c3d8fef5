"""Two at once: what may happen once happens once, whichever database serialises it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.log.tables import Event
from registry.seals.applications import decide_application
from registry.seals.keys import civil_ground
from registry.seals.making import make
from registry.seals.rules import decide_change, suspend
from registry.seals.tables import AuthorisationDay, PublishedTrustList, Seal, SealState, StandingAuthorisation
from registry.seals.trust import publish_trust_list
from tests.registry.uses import draw_use
from tests.registry.world import BASIS, World


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Run all at the same moment; "done" or the reason of the refusal, sorted."""
    ready = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> str:
        ready.wait(timeout=30)
        try:
            act()
        except VermilionError as error:
            assert error.kind in {Kind.CONFLICT, Kind.KEY_REFUSED}, error
            return error.reason
        return "done"

    with ThreadPoolExecutor(len(acts)) as pool:
        return sorted(pool.map(run, acts))


def test_an_application_is_approved_once(world: World) -> None:
    application = world.apply_for_seal()
    digest = bytes.fromhex(str(application["payload_sha256"]))

    def approve(person: str) -> Callable[[], object]:
        def act() -> None:
            with world.ports.database.transaction() as session:
                actor = world.actor("authority-system", person)
                decide_application(session, world.ports, actor, str(application["id"]), digest, approve=True)

        return act

    assert at_once(approve("approver"), approve("approver2"), approve("approver2")) == [
        "decided",
        "decided",
        "done",
    ]
    with Session(world.ports.database.read) as session:
        assert session.scalar(select(func.count()).select_from(Seal)) == 2  # the world's, and this one


def test_suspending_and_resuming_meet_and_each_counts_once(world: World) -> None:
    """A second approval of one request, and a new suspension, while the seal is being resumed."""
    ports, path = world.ports, f"/api/v1/seals/{world.seal_code}"
    world.act("keeper", f"{path}/suspension", BASIS)
    request = world.act("keeper", f"{path}/resumption-request", BASIS, 202)
    digest = bytes.fromhex(str(request["payload_sha256"]))
    now = ports.clock()

    def resume(person: str) -> Callable[[], object]:
        def act() -> None:
            with ports.database.transaction() as session:
                actor = world.actor("authority-system", person)
                decide_change(session, ports, actor, str(request["id"]), digest, approve=True)

        return act

    def stop() -> None:
        with ports.database.transaction() as session:
            ground = civil_ground(now, ports.settings.tz, "lost")
            suspend(session, ports, world.actor("system", "keeper"), world.seal_code, ground)

    outcome = at_once(resume("approver"), resume("approver2"), stop)
    assert outcome.count("done") in {
        1,
        2,
    }  # the suspension finds the seal resumed already, or still suspended
    with Session(ports.database.read) as session:
        seal = session.get_one(Seal, world.seal_code)
        states = session.scalars(
            select(SealState.state).where(SealState.seal_code == seal.code).order_by(SealState.version)
        ).all()
        assert len(states) == seal.state_version
        assert states[-1] == seal.state
        assert states[4:6] == ["suspended", "active"]
        resumed = select(func.count()).select_from(Event).where(Event.kind == "seal.resumed")
        assert session.scalar(resumed) == 1


def test_a_seal_is_suspended_once(world: World) -> None:
    ports = world.ports
    ground = civil_ground(ports.clock(), ports.settings.tz, "lost")

    def act() -> None:
        with ports.database.transaction() as session:
            suspend(session, ports, world.actor("system", "keeper"), world.seal_code, ground)

    assert at_once(act, act, act) == ["done", "seal_state", "seal_state"]


def test_a_seal_is_made_once(world: World) -> None:
    code = world.approved_seal()
    maker = world.actor("authority-system", "maker")
    outcome = at_once(*[lambda: make(world.ports, maker, code)] * 2)
    assert outcome == ["done", "seal_state"]
    shown = world.get(f"/api/v1/seals/{code}").get_json()
    assert (shown["state"], len(shown["editions"])) == ("made", 1)


def test_the_daily_limit_holds_when_many_draw(world: World) -> None:
    ports = world.ports
    with ports.database.transaction() as session:
        session.execute(update(StandingAuthorisation).values(daily_limit=3))

    def act() -> None:
        with ports.database.transaction() as session:
            draw_use(session, world)

    assert at_once(*[act] * 6) == ["daily_limit"] * 3 + ["done"] * 3
    with Session(ports.database.read) as session:
        assert session.scalars(select(AuthorisationDay.used)).one() == 3


@pytest.mark.parametrize("database_backend", ["postgresql"])  # SQLite lets one writer in at a time
def test_who_finds_the_day_begun_by_another_takes_no_more_than_asked(world: World) -> None:
    """Another begins the day between the first try and the look."""
    ports = world.ports

    def other() -> None:
        with ports.database.transaction() as session:
            draw_use(session, world, "b" * 32)

    waiting = [other]
    with ports.database.transaction() as session:

        def before(_c: object, _u: object, statement: str, *_rest: object) -> None:
            if waiting and statement.startswith("SELECT authorisation_day.day"):
                with ThreadPoolExecutor(1) as beside:
                    beside.submit(waiting.pop()).result()

        event.listen(session.connection(), "before_cursor_execute", before)
        draw_use(session, world)
    assert not waiting
    with Session(ports.database.read) as session:
        assert session.scalars(select(AuthorisationDay.used)).one() == 2


def test_the_trust_list_is_numbered_without_a_fork(world: World) -> None:
    ports = world.ports
    with ports.database.transaction() as session:
        session.execute(update(Seal).values(state="suspended", state_version=Seal.state_version + 1))
        version = session.scalar(select(func.max(SealState.version)))
        event = session.scalars(select(SealState.event_id)).first()
        session.add(
            SealState(
                seal_code=world.seal_code, version=(version or 0) + 1, state="suspended",
                from_at=ports.clock(), event_id=event,
            )
        )  # fmt: skip
    before = _sequences(world)
    assert at_once(*[lambda: publish_trust_list(ports)] * 3) == ["done"] * 3
    after = _sequences(world)
    assert after[: len(before)] == before
    assert 1 <= len(after) - len(before) <= 3  # each number signed once; an equal list may follow another
    assert publish_trust_list(ports) == after[-1]


def _sequences(world: World) -> list[int]:
    with Session(world.ports.database.read) as session:
        return list(
            session.scalars(select(PublishedTrustList.sequence).order_by(PublishedTrustList.sequence))
        )
