"""Calls that come while one of their kind is at work go together next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from keys.errors import VermilionError
from registry.gathering import Gathering
from registry.licences.issue import issue_beside_others
from registry.licences.issue_many import issue_all
from tests.registry.issuing import Died, ordered, request_body
from tests.registry.world import World, on_sqlite

PATIENCE = 30  # seconds, for a test that fails


Many = Callable[[Sequence[int]], Sequence[int]]


def negated(group: Sequence[int]) -> Sequence[int]:
    return [-number for number in group]


class Work:
    """Notes the groups it is given; the first one is held until it is let go."""

    def __init__(self, then: Many = negated) -> None:
        self.groups: list[list[int]] = []
        self.begun, self.go = threading.Event(), threading.Event()
        self.then = then

    def __call__(self, group: Sequence[int]) -> Sequence[int]:
        self.groups.append(list(group))
        if len(self.groups) == 1:
            self.begun.set()
            assert self.go.wait(PATIENCE)
        return self.then(group)


class Caller(threading.Thread):
    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.call = call
        self.outcome: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.outcome = self.call()
        except BaseException as error:  # noqa: BLE001
            self.outcome = error

    def told(self) -> Any:
        self.join(PATIENCE)
        assert not self.is_alive()
        return self.outcome


def queued(gathering: Gathering, work: Work, count: int, key: str = "k") -> list[Caller]:
    """Callers 0, 1, …, in this order: the first at work, the others waiting."""
    callers = [Caller(partial(gathering.together, key, 0, work))]
    assert work.begun.wait(PATIENCE)
    for number in range(1, count):
        callers.append(Caller(partial(gathering.together, key, number, work)))
        while gathering.waiting(key) < number:
            threading.Event().wait(0.001)
    return callers


def test_who_comes_alone_goes_alone_and_at_once() -> None:
    gathering, work = Gathering(8), Work()
    work.go.set()
    assert [gathering.together("k", n, work) for n in (1, 2)] == [-1, -2]
    assert work.groups == [[1], [2]]


def test_who_comes_meanwhile_goes_together_next_each_with_its_own_outcome() -> None:
    gathering, work = Gathering(3), Work()
    callers = queued(gathering, work, 6)
    work.go.set()
    assert [caller.told() for caller in callers] == [0, -1, -2, -3, -4, -5]
    assert work.groups == [[0], [1, 2, 3], [4, 5]]
    assert gathering.together("k", 7, work) == -7  # nothing is left behind


def test_as_many_groups_as_go_abreast_are_at_work_together() -> None:
    gathering, work = Gathering(8, abreast=2), Work()
    held = Caller(partial(gathering.together, "k", 0, work))
    assert work.begun.wait(PATIENCE)
    second = Work()
    beside = Caller(partial(gathering.together, "k", 1, second))
    assert second.begun.wait(PATIENCE)
    callers = [Caller(partial(gathering.together, "k", number, second)) for number in (2, 3)]
    while gathering.waiting("k") < 2:
        threading.Event().wait(0.001)
    second.go.set()
    assert [caller.told() for caller in (beside, *callers)] == [-1, -2, -3]
    assert sorted(map(len, second.groups)) == [1, 2]
    work.go.set()
    assert held.told() == 0
    assert gathering.together("k", 4, negated) == -4  # nothing is left behind


def test_another_key_waits_for_nobody() -> None:
    gathering, work = Gathering(8), Work()
    callers = queued(gathering, work, 2)
    assert gathering.together("other", 9, negated) == -9
    work.go.set()
    assert [caller.told() for caller in callers] == [0, -1]


def test_a_failure_is_its_groups_alone() -> None:
    def fails(group: Sequence[int]) -> Sequence[int]:
        if 1 in group:
            raise ValueError(group)
        return [-n for n in group]

    gathering, work = Gathering(2), Work(fails)
    callers = queued(gathering, work, 5)
    work.go.set()
    told = [caller.told() for caller in callers]
    assert (told[0], told[3:]) == (0, [-3, -4])
    assert all(isinstance(one, ValueError) for one in told[1:3])


def test_a_leader_that_is_ended_leaves_nobody_waiting() -> None:
    def dies(group: Sequence[int]) -> Sequence[int]:
        if 1 in group:
            raise Died
        return [-n for n in group]

    gathering, work = Gathering(2), Work(dies)
    callers = queued(gathering, work, 4)
    work.go.set()
    told = [caller.told() for caller in callers]
    assert (told[0], told[3]) == (0, -3)
    assert isinstance(told[1], Died)
    assert isinstance(told[2], VermilionError)
    assert told[2].reason == "going_down"


@on_sqlite
def test_single_requests_that_come_together_are_issued_as_a_group(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each gets its own licence; what is refused costs the others nothing."""
    first, go, groups = threading.Event(), threading.Event(), list[int]()

    def issue_group(*asked: Any) -> Any:
        groups.append(len(asked[2]))
        first.set()
        assert go.wait(PATIENCE)
        return issue_all(*asked)

    monkeypatch.setattr("registry.licences.issue.issue_all", issue_group)
    ports = replace(world.ports, gathering=Gathering(8))
    actor = world.actor()
    wanted = [ordered(request_body(world)) for _ in range(4)]
    wanted.append(ordered(request_body(world, seal="99000000000001")))
    callers = []
    for number, one in enumerate(wanted):
        asked = (ports, actor, one.request, one.idempotency_key, one.body_sha256)
        callers.append(Caller(partial(issue_beside_others, *asked)))
        assert first.wait(PATIENCE)
        key = replace(actor, operator=one.request.operator)
        while ports.gathering.waiting(key) < number:
            threading.Event().wait(0.001)
    go.set()
    told = [caller.told() for caller in callers]
    assert groups == [1, 4]
    numbers = [one.printout.record.number for one in told[:4]]
    assert numbers == [one.request.number for one in wanted[:4]]
    assert isinstance(told[4], VermilionError)
    assert told[4].reason == "seal_unknown"
