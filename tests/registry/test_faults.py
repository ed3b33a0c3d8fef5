"""Each call that issuing makes to database, store, custodian and time-stamper fails in turn, or is the last.

After recovery there is a complete licence or an abandoned intent, and nothing between.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.licences.fsck import fsck
from registry.licences.issue_many import DEFECT, issue_many
from registry.licences.issued import Issued
from registry.licences.numbers import number_mac
from registry.licences.records import open_record
from registry.licences.recovery import recover
from registry.licences.tables import Document, Edition, IdempotencyKey, Intent, Number
from registry.ports import Ports
from registry.seals.use import seal_material
from tests import warm
from tests.postgres import Backend
from tests.registry.faults import Faults, Point, When, by_turns, fail, faulty, has_effect, points_of
from tests.registry.issuing import LEASE, issue_one, ordered, request_body
from tests.registry.world import Ticker, World

READ_OUTSIDE = {  # what issuing reads outside its two transactions
    "idempotency_key", "client", "type_version", "agency", "key", "intent", "published_trust_list",
}  # fmt: skip


sizes = pytest.mark.parametrize("size", [1, 3], ids=["one", "a group"])


def attempt(
    world: World, bodies: list[dict[str, Any]], ports: Ports | None = None
) -> list[Issued | VermilionError]:
    """What became of each: of one by itself, of several as a group."""
    ports = ports or world.ports
    try:
        if len(bodies) == 1:
            return [issue_one(world, bodies[0], ports=ports)]
        return issue_many(ports, world.actor(), [ordered(body) for body in bodies])
    except VermilionError as error:
        return [error] * len(bodies)


def bodies_of(world: World, size: int) -> list[dict[str, Any]]:
    return [request_body(world) for _ in range(size)]


def proofs_at_hand(world: World) -> None:
    """Answers about certificates are made anew every few minutes: not in the midst of calls that are counted."""
    with Session(world.ports.database.read) as session:
        edition = session.scalars(select(Intent.seal_edition_id).limit(1)).one()
        material = seal_material(session, edition)
    assert world.ports.validation.of(material) is not None


def calls_of_one_issue(world: World, size: int) -> list[str]:
    """Every call that one issue makes, in order."""
    attempt(world, bodies_of(world, size))  # what happens once in a process happens here
    faults = Faults()
    with faulty(world.ports, faults) as watched:
        attempt(world, bodies_of(world, size), watched)
    return faults.calls


@dataclass(frozen=True)
class Outcome:
    """What the database says of a request, by its number."""

    intents: tuple[str, ...]  # their states
    editions: int
    documents: int
    number_held: bool
    key_held: bool

    @property
    def complete(self) -> bool:
        return self == Outcome(("done",), 1, 1, number_held=True, key_held=True)

    @property
    def abandoned(self) -> bool:
        return set(self.intents) <= {"abandoned"} and self == Outcome(
            self.intents, 0, 0, number_held=False, key_held=False
        )


def outcome_of(world: World, number: str) -> Outcome:
    vault = world.ports.vault
    with Session(world.ports.database.read) as session:
        named = [
            intent
            for intent in session.scalars(select(Intent))
            if open_record(vault, intent.id, intent.record).number == number
        ]
        ids = [intent.id for intent in named]
        mac = number_mac(vault, world.type_code, world.codes["own"], number)

        def many(table: Any, condition: Any) -> int:
            return session.scalar(select(func.count()).select_from(table).where(condition)) or 0

        return Outcome(
            intents=tuple(intent.state for intent in named),
            editions=many(Edition, Edition.id.in_(ids)),
            documents=many(Document, Document.edition_id.in_(ids)),
            number_held=many(Number, Number.number_mac == mac) == 1,
            key_held=many(IdempotencyKey, IdempotencyKey.intent_id.in_(ids)) == 1,
        )


@pytest.mark.long(short="test_every_call_fails_once_and_is_once_the_last")
@sizes
@pytest.mark.parametrize("when", ["before", "after"])
def test_every_call_fails_once(
    world: World, clock: Ticker, when: When, size: int, tell: Callable[[str], None]
) -> None:
    calls = calls_of_one_issue(world, size)
    live = live_intent(world, clock)
    points = points_of(calls, when)
    outcomes = fail_at(world, clock, calls, points, size)
    assert_untouched(world, live)
    assert fsck(world.ports) == []
    tell(f"{size}: {len(calls)} calls, {len(points)} failed {when}: {dict(outcomes)}")


def fail_at(
    world: World, clock: Ticker, calls: list[str], points: Sequence[Point], size: int
) -> Counter[str]:
    """Issue with a failure at each point in turn; what became of the licences."""
    kinds = {name.split(maxsplit=1)[0] for name in calls}
    assert kinds == {"read", "sql", "store", "custodian", "time-stamp"}
    assert {name.split()[-1] for name in calls if name.startswith("read")} >= READ_OUTSIDE
    outcomes: Counter[str] = Counter()
    for at, when in points:
        bodies = bodies_of(world, size)
        proofs_at_hand(world)
        faults = Faults(at=at, when=when, strike=fail)
        with faulty(world.ports, faults) as watched:
            answers = attempt(world, bodies, watched)
        assert faults.struck
        clock.advance(LEASE)
        assert not recover(world.ports).defects
        for body, answer in zip(bodies, answers, strict=True):
            outcome = outcome_of(world, body["number"])
            where = f"{when} {calls[at - 1]} ({at})"
            assert outcome.complete or outcome.abandoned, (where, outcome)
            if isinstance(answer, VermilionError):
                assert answer.kind is Kind.UNAVAILABLE, (where, answer.detail)
                assert answer.reason != DEFECT, (where, answer.__cause__)
            else:  # nobody was told of a licence that is not there
                assert outcome.complete, where
                if calls[at - 1] == "time-stamp":
                    assert answer.level == "B-B"
            outcomes["complete" if outcome.complete else "abandoned"] += 1
    assert outcomes["abandoned"] > outcomes["complete"] > 0
    return outcomes


@pytest.mark.long(short="test_every_call_fails_once_and_is_once_the_last")
@sizes
@pytest.mark.timeout(900)
def test_the_process_is_killed_at_every_call(
    world: World, clock: Ticker, size: int, tell: Callable[[str], None]
) -> None:
    calls = calls_of_one_issue(world, size)
    live = live_intent(world, clock)
    points = [(at, when) for at, name in enumerate(calls, 1) for when in ends(name, size)]
    outcomes, adopted = kill_at(world, clock, calls, points, size)
    assert_untouched(world, live)
    assert fsck(world.ports) == []
    tell(f"{size}: killed at {len(points)} points of {len(calls)} calls: {dict(outcomes)}, {adopted} adopted")


def ends(name: str, size: int) -> list[When]:
    """When a process is to be killed at a call.

    Nothing durable happens between one call's return and the next call: to be killed after a call is to be
    killed before its successor. Only the last has none; calls with an effect are killed after it as well.
    One licence is killed before its reads too, which a group makes where one does.
    """
    found: list[When] = ["before"] if size == 1 or has_effect(name) else []
    if name.startswith(("sql COMMIT", "store put", "custodian", "time-stamp")):
        found.append("after")
    return found


def kill_at(
    world: World, clock: Ticker, calls: list[str], points: Sequence[Point], size: int
) -> tuple[Counter[str], int]:
    """Issue in processes that are killed, one at each point; what became of the licences, and how many of them
    were adopted.
    """
    jobs: list[dict[str, Any]] = [
        {"at": at, "when": when, "bodies": bodies_of(world, size)} for at, when in points
    ]
    statuses = run_and_kill(world, clock, jobs)
    assert set(statuses) == {-9}
    assert any(
        outcome_of(world, body["number"]).intents == ("open",) for job in jobs for body in job["bodies"]
    )
    assert not recover(world.ports)  # the leases still run
    clock.advance(LEASE)
    adopted = 0
    while report := recover(world.ports):
        assert not report.deferred
        assert not report.defects
        adopted += len(report.adopted)
    assert adopted > 0
    outcomes: Counter[str] = Counter()
    for job in jobs:
        for body in job["bodies"]:
            outcome = outcome_of(world, body["number"])
            where = f"killed {job['when']} {calls[job['at'] - 1]} ({job['at']})"
            assert outcome.complete or outcome.abandoned, (where, outcome)
            outcomes["complete" if outcome.complete else "abandoned"] += 1
    assert outcomes["abandoned"] > outcomes["complete"] > 0
    return outcomes, adopted


@sizes
@pytest.mark.timeout(900)
def test_every_call_fails_once_and_is_once_the_last(
    worlds: dict[Backend, World], clock: Ticker, size: int, tell: Callable[[str], None]
) -> None:
    """Of the long tests' points, for each call one failure and one kill: on one database and on the other, before
    the call and after it, by turns.
    """
    calls = {backend: calls_of_one_issue(world, size) for backend, world in worlds.items()}
    failed = by_turns(calls)
    killed = by_turns(calls, partial(ends, size=size), first=1)
    for backend, world in worlds.items():
        live = live_intent(world, clock)
        outcomes = fail_at(world, clock, calls[backend], failed[backend], size)
        ended, adopted = kill_at(world, clock, calls[backend], killed[backend], size)
        assert_untouched(world, live)
        assert fsck(world.ports) == []
        tell(
            f"{size}, {backend}: of {len(calls[backend])} calls {len(failed[backend])} failed: {dict(outcomes)}; "
            f"killed at {len(killed[backend])}: {dict(ended)}, {adopted} adopted; the others on the other database, "
            "all of them on both by `make test-long`"
        )


def test_the_turns_leave_out_no_call() -> None:
    calls: dict[Backend, list[str]] = {
        "sqlite": ["sql BEGIN", "read SELECT a", "read SELECT a", "sql INSERT a", "sql COMMIT"] * 9,
        "postgresql": ["read SELECT a", "read SELECT a", "sql INSERT a", "sql COMMIT", "store put"] * 9,
    }
    of_each = {name: Counter(names) for name, names in calls.items()}
    for points in (by_turns(calls), by_turns(calls, partial(ends, size=1), first=1)):
        struck = Counter(calls[backend][at - 1] for backend in calls for at, _ in points[backend])
        assert struck == of_each["sqlite"] | of_each["postgresql"]
        assert {when for at_and_when in points.values() for _, when in at_and_when} == {"before", "after"}
        assert all(len(points[backend]) > 15 for backend in calls)


def run_and_kill(world: World, clock: Ticker, jobs: list[dict[str, Any]]) -> list[int]:
    settings = world.ports.settings
    plan = {
        "now": clock().isoformat(),
        "data": str(settings.data),
        "url": settings.database_url,
        "client": world.clients["system"].id,
        "agency": world.codes["own"],
        "warm": request_body(world),
        "jobs": jobs,
    }
    done = warm.ran("tests.registry.faults", told=json.dumps(plan), timeout=580)
    assert done.returncode == 0, done.stderr
    statuses: list[int] = json.loads(done.stdout)
    return statuses


def live_intent(world: World, clock: Ticker) -> tuple[str, int]:
    """An intent of another process at work, whose lease runs past this test: id and fence."""
    body = request_body(world)
    (status,) = run_and_kill(
        world,
        clock,
        [{"at": first_custodian_call(world), "when": "before", "bodies": [body]}],
    )
    assert status == -9
    with world.ports.database.transaction() as session:
        intent = session.scalars(select(Intent).where(Intent.state == "open")).one()
        intent.lease_until = clock() + 10_000 * LEASE
        return intent.id, intent.fence


def first_custodian_call(world: World) -> int:
    faults = Faults()
    with faulty(world.ports, faults) as watched:
        issue_one(world, ports=watched)
    return 1 + next(n for n, name in enumerate(faults.calls) if name.startswith("custodian"))


def assert_untouched(world: World, live: tuple[str, int]) -> None:
    with Session(world.ports.database.read) as session:
        intent = session.get_one(Intent, live[0])
        assert (intent.state, intent.fence) == ("open", live[1])
