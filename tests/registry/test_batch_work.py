"""The background work on batches: killed, doubled, put off, stopped; nothing is issued twice or lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from keys.custodian import Custodian, KeyRef, SignRequest
from keys.errors import Kind, VermilionError
from registry.agencies.tables import Client, Person
from registry.batches import work as work_module
from registry.batches.claims import ISSUE, claim
from registry.batches.requests import open_request, ordered
from registry.batches.states import BatchState
from registry.batches.tables import Batch, BatchItem
from registry.batches.work import work
from registry.licences.examine import examine
from registry.licences.fsck import fsck
from registry.licences.issue import Issued
from registry.licences.issue_many import Ordered, issue_many
from registry.licences.recovery import recover
from registry.licences.tables import Edition, IdempotencyKey
from registry.log.tables import Event
from tests.registry.batch_process import workers
from tests.registry.batching import (
    cancel,
    editions,
    items,
    kept_requests,
    ndjson,
    requests,
    row,
    sent,
    told,
    worked,
)
from tests.registry.faults import Faults, NoStore, faulty
from tests.registry.issuing import LEASE, Died, Store
from tests.registry.world import Ticker, World


def edition_ids(world: World, batch_id: str) -> list[str | None]:
    with Session(world.ports.database.read) as session:
        mine = select(BatchItem.edition_id).where(BatchItem.batch_id == batch_id)
        return list(session.scalars(mine.order_by(BatchItem.line)))


def calls_of_one_batch(world: World) -> list[str]:
    """Every call that a worker makes for a batch of two lines, a line a slice."""
    sent(world, 1)
    worked(world)  # what happens once in a process happens here
    sent(world, 2)
    faults = Faults()
    with faulty(world.ports, faults) as watched:
        work(watched, size=1)
    return faults.calls


def test_a_worker_is_killed_and_the_next_one_goes_on(
    world: World, clock: Ticker, tell: Callable[[str], None]
) -> None:
    """At some of the commits, the custodian's and the store's calls, from the check's first to the batch's end: every
    line is issued in the end, and once.
    """
    calls = calls_of_one_batch(world)
    durable = ("sql COMMIT", "store put", "custodian seal")
    points = [
        (at, when)
        for at, name in enumerate(calls, 1)
        if name.startswith(durable)
        for when in ("before", "after")
    ]
    before, killed = editions(world), 0
    with workers(world) as run:
        for at, when in points[:: len(points) // 6]:
            batch_id = sent(world, 2)
            ended = run(clock(), at=at, when=when)
            where = f"{when} {calls[at - 1]} ({at})"
            assert ended in ([-9], [2]), where
            killed += ended == [-9]
            clock.advance(LEASE)
            assert not recover(world.ports).defects
            for _ in range(3):  # a claim lapses, and what recovery found is asked after
                assert not worked(world).defects, where
                clock.advance(LEASE)
            assert told(world, batch_id)["counts"] == {"issued": 2}, where
            before += 2
            assert editions(world) == before, where
            assert len(set(edition_ids(world, batch_id))) == 2, where
    assert killed >= 5
    assert kept_requests(world) == 0
    assert fsck(world.ports) == []
    tell(f"killed at {killed} points of {len(calls)} calls")


def test_two_workers_share_a_batch(world: World) -> None:
    batch_id = sent(world, 4)
    with workers(world) as run:
        ended = run(world.ports.clock(), count=2)
    assert sum(ended) == 4
    assert min(ended) > 0
    assert told(world, batch_id)["counts"] == {"issued": 4}
    assert editions(world) == 4 == len(set(edition_ids(world, batch_id)))
    with Session(world.ports.database.read) as session:
        kinds = Counter(session.scalars(select(Event.kind).where(Event.kind.like("batch.%"))))
    assert kinds == {"batch.accepted": 1, "batch.done": 1}
    assert fsck(world.ports) == []


def to_issuing(world: World, lines: int) -> str:
    """A batch that was checked and accepted, nothing of it begun."""
    batch_id = sent(world, lines)
    worked(world, 2)
    assert told(world, batch_id)["state"] == "issuing"
    return batch_id


def test_what_is_begun_when_it_is_cancelled_comes_to_its_end(world: World, clock: Ticker) -> None:
    """One line of a dead worker was issued, one's process died after sealing, one was only claimed, and one nobody
    had.
    """
    batch_id = to_issuing(world, 4)
    claimed = claim(world.ports, batch_id, ISSUE, 3)
    assert claimed is not None
    orders = [
        ordered(batch_id, item.line, open_request(world.ports.vault, batch_id, item.line, item.request))
        for item in claimed[1]
    ]
    actor = world.actor()
    assert isinstance(issue_many(world.ports, actor, orders[:1])[0], Issued)
    with pytest.raises(Died):
        issue_many(replace(world.ports, documents=Store(world.ports.documents)), actor, orders[1:2])
    cancel(world, batch_id)
    assert not worked(world)
    assert told(world, batch_id)["counts"] == {"cancelled": 1, "issuing": 3}
    clock.advance(LEASE + timedelta(seconds=1))
    worked(world)
    counts = told(world, batch_id)["counts"]
    assert (counts.pop("issued"), counts.pop("waiting")) == (1, 1)  # the sealed one waits for recovery
    assert counts == {"cancelled": 2}
    assert len(recover(world.ports).adopted) == 1
    clock.advance(LEASE)
    worked(world)
    batch = told(world, batch_id)
    assert (batch["state"], batch["counts"]) == ("cancelled", {"cancelled": 2, "issued": 2})
    assert editions(world) == 2
    assert kept_requests(world) == 0
    assert fsck(world.ports) == []


def test_a_batch_that_ended_while_its_lines_were_looked_at_is_due_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker looks at lines; meanwhile the client cancels, and another worker brings the batch to its end."""
    batch_id = sent(world, 2)

    def looked(*about: Any) -> Any:
        monkeypatch.undo()
        cancel(world, batch_id)
        worked(world)
        assert told(world, batch_id)["state"] == "cancelled"
        return examine(*about)

    monkeypatch.setattr(work_module, "examine", looked)
    assert not worked(world).defects
    assert (told(world, batch_id)["state"], row(world, batch_id).due_at) == ("cancelled", None)
    assert not kept_requests(world)
    assert fsck(world.ports) == []


def test_an_ended_batch_that_is_due_for_whatever_reason_comes_to_rest(world: World) -> None:
    batch_id = sent(world, 1)
    worked(world)
    with world.ports.database.transaction() as session:
        session.execute(update(Batch).values(due_at=world.ports.clock(), waiting_for="store"))
    assert not worked(world).defects
    assert (row(world, batch_id).due_at, row(world, batch_id).waiting_for) == (None, None)
    assert told(world, batch_id)["state"] == "done"


def test_a_slow_worker_tells_what_it_issued_whoever_has_the_line_by_then(world: World, clock: Ticker) -> None:
    batch_id = to_issuing(world, 2)

    def slow(ports: Any, actor: Any, orders: Sequence[Ordered]) -> list[Issued | VermilionError]:
        outcomes = issue_many(ports, actor, orders[:1])
        clock.advance(LEASE + timedelta(seconds=1))
        assert claim(ports, batch_id, ISSUE, 2) is not None  # another worker takes both
        return [*outcomes, VermilionError(Kind.CONFLICT, "stale", reason="stale")]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work_module, "issue_many", slow)
        worked(world, 1)
    assert told(world, batch_id)["counts"] == {"issued": 1, "issuing": 1}
    clock.advance(LEASE + timedelta(seconds=2))
    worked(world)
    assert told(world, batch_id)["counts"] == {"issued": 2}
    assert editions(world) == 2


def test_an_outage_puts_a_batch_off_and_it_goes_on_by_itself(world: World, clock: Ticker) -> None:
    batch_id = to_issuing(world, 2)
    rests = []
    for before in (0, 1, 2, 20):
        with world.ports.database.transaction() as session:
            session.execute(update(Batch).values(outages=before))
        assert set(work(replace(world.ports, documents=NoStore())).outages) == {batch_id}
        due = row(world, batch_id).due_at
        assert due is not None
        rests.append(int((due - clock()).total_seconds()))
        assert not work(world.ports).outages  # nothing is due before
        clock.advance(due - clock())
    assert rests == [2, 4, 8, 300]
    batch = told(world, batch_id)
    assert (batch["waiting_for"], batch["counts"]) == ("unavailable", {"waiting": 2})
    worked(world)
    batch = told(world, batch_id)
    assert (batch["state"], batch["counts"]) == ("done", {"issued": 2})
    assert "waiting_for" not in batch
    assert fsck(world.ports) == []


def test_where_leases_run_out_fewer_lines_are_begun_together(world: World, clock: Ticker) -> None:
    """A custodian that takes its time for each signature: four lines, or two, are more than a lease has room for."""
    batch_id = to_issuing(world, 4)
    asked: list[int] = []

    @dataclass(frozen=True)
    class Slow:
        inner: Custodian

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def sign(self, ref: KeyRef, some: Sequence[SignRequest]) -> list[bytes]:
            asked.append(len(some))
            clock.advance(timedelta(seconds=16) * len(some))
            return self.inner.sign(ref, some)

    for _ in range(8):
        round_ = work(replace(world.ports, custodian=Slow(world.ports.custodian)), size=4)
        assert not round_.defects
        clock.advance(LEASE)
    assert max(asked) == 4
    assert 1 in asked
    batch = told(world, batch_id)
    assert (batch["state"], batch["counts"]) == ("done", {"issued": 4})
    assert editions(world) == 4
    assert fsck(world.ports) == []


def test_a_database_that_goes_out_leaves_claims_that_lapse(world: World, clock: Ticker) -> None:
    batch_id = to_issuing(world, 2)

    def out(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("UPDATE batch_item SET lease_until=NULL") or "edition_id=" in statement:
            raise OperationalError("", None, Exception("injected"))

    event.listen(world.ports.database.write, "before_cursor_execute", out)
    with pytest.raises(VermilionError) as caught:
        worked(world)
    event.remove(world.ports.database.write, "before_cursor_execute", out)
    assert caught.value.kind is Kind.UNAVAILABLE
    assert told(world, batch_id)["counts"] == {"issuing": 2}
    assert editions(world) == 2
    worked(world)
    clock.advance(LEASE + timedelta(seconds=1))
    worked(world)
    assert told(world, batch_id)["counts"] == {"issued": 2}
    assert editions(world) == 2


def test_a_batch_that_used_up_the_day_goes_on_the_next(world: World, clock: Ticker) -> None:
    code = world.active_seal()
    world.authorise(code, daily_limit=2)
    bodies = [body | {"seal": code} for body in requests(world, 3)]
    batch_id = sent(world, ndjson(bodies))
    worked(world)
    batch = told(world, batch_id)
    assert (batch["waiting_for"], batch["counts"]) == ("daily_limit", {"issued": 2, "waiting": 1})
    due = row(world, batch_id).due_at
    assert due is not None
    midnight = due.astimezone(world.ports.settings.tz)
    assert (midnight.hour, midnight.minute, midnight.date()) == (0, 0, world.today + timedelta(days=1))
    another = sent(
        world, ndjson([body | {"seal": code} for body in requests(world, 1)])
    )  # it may wait as well
    worked(world)
    assert told(world, another)["waiting_for"] == "daily_limit"
    clock.advance(due - clock())
    worked(world)
    assert [told(world, one)["state"] for one in (batch_id, another)] == ["done", "done"]


def test_a_line_that_is_refused_while_it_is_issued_says_why(world: World) -> None:
    """Its number was taken after the check; the others are issued."""
    batch_id = to_issuing(world, 2)
    kept = claim(world.ports, batch_id, ISSUE, 1)
    assert kept is not None
    order = ordered(batch_id, 1, open_request(world.ports.vault, batch_id, 1, kept[1][0].request))
    issue_many(world.ports, world.actor(), [replace(order, idempotency_key="somebody else")])
    with world.ports.database.transaction() as session:
        session.execute(update(BatchItem).values(state="waiting", lease_until=None))
    worked(world)
    failed, issued = items(world, batch_id)
    assert (failed["state"], failed["reason"], issued["state"]) == ("failed", "number_taken", "issued")
    assert [fault["pointer"] for fault in failed["errors"]] == ["/number"]
    assert told(world, batch_id)["state"] == "done"
    assert kept_requests(world) == 0


@pytest.mark.parametrize("who", ["client", "person"])
def test_a_batch_ends_when_whoever_sent_it_may_no_longer_issue(world: World, who: str) -> None:
    batch_id = sent(world, 4, person="officer")
    worked(world, 4, size=2)  # checked, accepted, two issued
    assert told(world, batch_id)["counts"] == {"issued": 2, "waiting": 2} if who else {}
    with world.ports.database.transaction() as session:
        if who == "client":
            session.execute(
                update(Client).where(Client.id == world.clients["system"].id).values(scopes=["seal"])
            )
        else:
            session.execute(
                update(Person).where(Person.id == world.people["officer"].id).values(active=False)
            )
    worked(world)
    with Session(world.ports.database.read) as session:
        batch = session.get_one(Batch, batch_id)
        assert (batch.state, batch.end_reason) == ("cancelled", "not_entitled")
        states = Counter(session.scalars(select(BatchItem.state)))
        (ended,) = session.scalars(select(Event).where(Event.kind == "batch.cancelled"))
    assert states == {"issued": 2, "cancelled": 2}
    assert (ended.client_id, ended.reason_code) == (None, "not_entitled")
    assert kept_requests(world) == 0


@pytest.mark.parametrize("told", ["raised", "answered"])
def test_a_defect_in_one_line_is_its_own(world: World, told: str) -> None:
    batch_id = to_issuing(world, 3)

    def broken(ports: Any, actor: Any, orders: Sequence[Ordered]) -> list[Issued | VermilionError]:
        bad = [order.idempotency_key.endswith(" 2") for order in orders]
        if any(bad) and told == "raised":
            raise ZeroDivisionError
        defect = VermilionError(Kind.UNAVAILABLE, "a defect", reason="defect")
        return [
            defect if wrong else issue_many(ports, actor, [order])[0]
            for order, wrong in zip(orders, bad, strict=True)
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work_module, "issue_many", broken)
        round_ = worked(world)
    assert [type(error) for _, error in round_.defects] == [ZeroDivisionError] * (told == "raised")
    assert [(item["state"], item.get("reason")) for item in items(world, batch_id)] == [
        ("issued", None), ("failed", "defect"), ("issued", None),
    ]  # fmt: skip
    assert fsck(world.ports) == []


def test_lines_that_are_claimed_together_fit_into_memory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id = to_issuing(world, 3)
    with Session(world.ports.database.read) as session:
        sizes = [len(kept or b"") for kept in session.scalars(select(BatchItem.request))]
    for room, lines in ((max(sizes) * 2 + 10, [1, 2]), (1, [3])):
        monkeypatch.setattr("registry.batches.claims.SLICE_BYTES", room)
        claimed = claim(world.ports, batch_id, ISSUE, 3)
        assert claimed is not None
        assert [item.line for item in claimed[1]] == lines


def test_a_defect_whose_licence_may_still_come_is_no_failure(world: World, clock: Ticker) -> None:
    """The process of the line's intent failed after sealing: recovery adopts it, and the line has it then."""
    batch_id = to_issuing(world, 1)

    def broken(ports: Any, actor: Any, orders: Sequence[Ordered]) -> list[Issued | VermilionError]:
        try:
            return issue_many(replace(ports, documents=Store(ports.documents)), actor, orders)
        except Died:
            raise ZeroDivisionError from None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work_module, "issue_many", broken)
        worked(world, 1)
    assert told(world, batch_id)["counts"] == {"waiting": 1}
    clock.advance(LEASE)
    recover(world.ports)
    worked(world)
    assert told(world, batch_id)["counts"] == {"issued": 1}
    assert editions(world) == 1


def test_a_defect_in_one_batch_keeps_no_other_waiting(world: World, clock: Ticker) -> None:
    first, second = sent(world, 1), sent(world, 1)
    check = work_module.STEPS[BatchState.CHECKING]

    def checked(ports: Any, batch_id: str, round_: Any) -> None:
        if batch_id == first:
            raise ZeroDivisionError
        check(ports, batch_id, round_)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(work_module.STEPS, BatchState.CHECKING, checked)
        round_ = worked(world)
    assert [batch for batch, _ in round_.defects] == [first]
    assert told(world, second)["state"] == "done"
    due = row(world, first).due_at
    assert due is not None
    assert due - clock() == timedelta(minutes=1)


def test_each_line_is_issued_under_a_key_that_no_client_can_send(world: World) -> None:
    sent(world, 2)
    worked(world)
    with Session(world.ports.database.read) as session:
        keys = session.scalars(select(IdempotencyKey.key)).all()
        assert session.scalars(select(Edition.id)).all()
    assert len(set(keys)) == 2
    assert all(" " in key for key in keys)
