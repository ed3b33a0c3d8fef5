"""One request, one licence, however often and from wherever it is sent."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.envelope import ScryptCost
from keys.errors import Kind, VermilionError
from registry.composition import open_ports
from registry.licences.fsck import fsck
from registry.licences.tables import Edition
from tests.registry.issuing import issue_one, request_body
from tests.registry.world import Ticker, World


def editions(world: World) -> int:
    with Session(world.ports.database.read) as session:
        return session.scalar(select(func.count()).select_from(Edition)) or 0


def at_once(work: list[Callable[[], Any]]) -> list[Any]:
    """What each returned or raised, all started together."""
    results: list[Any] = [None] * len(work)
    start = threading.Barrier(len(work))

    def run(n: int) -> None:
        start.wait()
        try:
            results[n] = work[n]()
        except VermilionError as error:
            results[n] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_the_same_request_again_gives_the_same_sealed_bytes(world: World) -> None:
    body = request_body(world)
    first, again = issue_one(world, body), issue_one(world, body)
    assert not first.replayed
    assert again.replayed
    assert (again.sha256, again.link, again.printout.lookup_code, again.level, again.size) == (
        first.sha256, first.link, first.printout.lookup_code, first.level, first.size,
    )  # fmt: skip
    assert editions(world) == 1


def test_a_replay_survives_a_suspended_seal(world: World) -> None:
    body = request_body(world)
    first = issue_one(world, body)
    basis = {"legal_basis": "印章管理办法(样本)", "reason_code": "lost"}
    world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", basis)
    assert issue_one(world, body).sha256 == first.sha256


def test_another_body_under_the_key_is_refused(world: World) -> None:
    issue_one(world, request_body(world), key="k")
    with pytest.raises(VermilionError) as caught:
        issue_one(world, request_body(world), key="k")
    assert caught.value.kind is Kind.IDEMPOTENCY_REUSED
    assert editions(world) == 1


def test_a_key_belongs_to_its_client(world: World) -> None:
    issue_one(world, request_body(world), key="k")
    world_of_other = replace(world, clients={**world.clients, "system": world.clients["other-system"]})
    with pytest.raises(VermilionError) as caught:  # not IDEMPOTENCY_REUSED: the request itself decides
        issue_one(world_of_other, request_body(world), key="k")
    assert caught.value.kind is Kind.FORBIDDEN


def test_while_the_first_runs_the_second_is_told_to_wait(world: World) -> None:
    body = request_body(world)
    told: list[VermilionError] = []

    class Slow:
        def sign(self, ref: Any, requests: Any) -> list[bytes]:
            if not told:
                with pytest.raises(VermilionError) as caught:
                    issue_one(world, body)
                told.append(caught.value)
            return world.ports.custodian.sign(ref, requests)

    issue_one(world, body, ports=replace(world.ports, custodian=Slow()))  # type: ignore[arg-type]
    assert [e.kind for e in told] == [Kind.IN_PROGRESS]
    assert told[0].retry_after is not None
    assert 1 <= told[0].retry_after <= 60
    assert issue_one(world, body).replayed


def test_an_abandoned_request_may_be_sent_again(world: World) -> None:
    body = request_body(world)

    class Out:
        def sign(self, ref: Any, requests: Any) -> list[bytes]:
            raise VermilionError(Kind.UNAVAILABLE, "out")

    with pytest.raises(VermilionError):
        issue_one(world, body, ports=replace(world.ports, custodian=Out()))  # type: ignore[arg-type]
    issued = issue_one(world, body)  # same key, same number
    assert not issued.replayed
    assert issued.printout.record.number == body["number"]
    assert fsck(world.ports) == []


def test_many_at_once_with_one_key_make_one_licence(world: World, clock: Ticker, tmp_path: Path) -> None:
    """Two sets of engines and custodians, as two processes have them."""
    body = request_body(world)
    second = open_ports(world.ports.settings, clock=clock, cost=ScryptCost(n=2**10))
    results = at_once([partial(issue_one, world, body, ports=p) for p in (world.ports, second) * 2])
    second.database.dispose()
    issued = [r for r in results if not isinstance(r, VermilionError)]
    errors = Counter(r.kind for r in results if isinstance(r, VermilionError))
    assert set(errors) <= {Kind.IN_PROGRESS}
    assert len({r.sha256 for r in issued}) == 1
    assert sum(not r.replayed for r in issued) == 1
    assert editions(world) == 1
    assert fsck(world.ports) == []


def test_many_at_once_for_one_number_make_one_licence(world: World) -> None:
    body = request_body(world)
    results = at_once([partial(issue_one, world, body, key=f"k{n}") for n in range(4)])
    errors = [r for r in results if isinstance(r, VermilionError)]
    assert len(errors) == 3
    assert {(e.kind, e.reason) for e in errors} == {(Kind.CONFLICT, "number_taken")}
    assert editions(world) == 1
    assert fsck(world.ports) == []
