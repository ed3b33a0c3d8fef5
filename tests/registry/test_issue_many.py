"""Many licences a transaction: each as if it were alone, and one's fault no other's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from typing import Any, cast

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from keys.custodian import Custodian, KeyRef, SignRequest
from keys.errors import Kind, VermilionError
from registry.licences.fsck import fsck
from registry.licences.issue_many import MAX_GROUP, Ordered, issue_many
from registry.licences.issued import Issued, attached_printout
from registry.licences.tables import (
    Document,
    DocumentStamp,
    Edition,
    IdempotencyKey,
    Intent,
    Licence,
    Number,
    StatusIndex,
)
from registry.log.tables import Event, Leaf
from registry.ports import Ports, SharingDocumentStore
from registry.seals.tables import AuthorisationDay, KeyUse, SealUse, StandingAuthorisation, TimeStamp
from registry.shared_parts import Part
from tests.registry.faults import NoStore
from tests.registry.issuing import ordered, request_body
from tests.registry.test_issue import rows
from tests.registry.world import BASIS, Ticker, World
from tests.signing.sealing import NoStamps


def orders_of(world: World, count: int, **changes: Any) -> list[Ordered]:
    return [ordered(request_body(world, **changes)) for _ in range(count)]


def issued_by(
    world: World, orders: Sequence[Ordered], person: str | None = None, **ports: Any
) -> list[Issued | VermilionError]:
    return issue_many(replace(world.ports, **ports), world.actor("system", person), orders)


def told(outcomes: Sequence[Issued | VermilionError]) -> list[str]:
    """Level, or the reason of the failure, of each."""
    return [one.level if isinstance(one, Issued) else one.reason for one in outcomes]


def all_issued(outcomes: Sequence[Issued | VermilionError]) -> list[Issued]:
    assert all(isinstance(one, Issued) for one in outcomes), told(outcomes)
    return cast("list[Issued]", outcomes)


def number_of(order: Ordered) -> str:
    return str(order.request.number)


def test_a_group_is_issued_each_licence_by_its_own_order(world: World) -> None:
    orders = orders_of(world, 5)
    group = all_issued(issued_by(world, orders))
    assert [one.printout.record.number for one in group] == [number_of(one) for one in orders]
    for one in group:
        data = world.ports.documents.get(f"{one.edition_id[:2]}/{one.edition_id}.enc")
        assert data is not None
        assert (sha256(data).digest(), one.level, one.replayed) == (one.sha256, "B-LT", False)
        assert attached_printout(data) == replace(one.printout, photo=None)
    for table in (
        Licence,
        Number,
        Intent,
        Edition,
        Document,
        SealUse,
        StatusIndex,
        IdempotencyKey,
        TimeStamp,
    ):
        assert rows(world, table) == [5], table
    with Session(world.ports.database.read) as session:
        uses = session.scalars(select(KeyUse).where(KeyUse.record.like("intent:%"))).all()
        assert sorted(use.record for use in uses) == sorted(
            f"intent:{one.edition_id}" for one in group for _ in "qst"
        )
        assert all(use.signed for use in uses)
        assert session.scalars(select(AuthorisationDay.used)).one() == 5
        for name in ("serial", "type_code"):
            assert len(set(session.scalars(select(getattr(Licence, name))))) == (5 if name == "serial" else 1)
        told_of = session.scalars(select(Event).where(Event.kind == "licence.issued")).all()
        assert sorted(one.subject for one in told_of) == sorted(one.edition_id for one in group)
        assert {(one.client_id, one.operator) for one in told_of} == {
            (world.clients["system"].id, "window-03")
        }
    assert rows(world, Event) == rows(world, Leaf)
    assert fsck(world.ports) == []


def test_no_group_is_nothing_and_too_large_a_one_is_refused(world: World) -> None:
    assert issued_by(world, []) == []
    with pytest.raises(VermilionError) as caught:
        issued_by(world, orders_of(world, 1) * (MAX_GROUP + 1))
    assert (caught.value.kind, caught.value.reason) == (Kind.INVALID, "group")


def test_the_same_group_again_gives_the_same_bytes(world: World) -> None:
    orders = orders_of(world, 3)
    first = all_issued(issued_by(world, orders))
    more = orders_of(world, 1)
    again = all_issued(issued_by(world, [*reversed(orders), *more]))
    assert [one.replayed for one in again] == [True, True, True, False]
    assert [
        replace(one, replayed=False, printout=replace(one.printout, photo=None)) for one in again[:3]
    ] == [replace(one, printout=replace(one.printout, photo=None)) for one in reversed(first)]
    assert rows(world, Edition) == [4]


def test_what_is_refused_costs_itself_alone_and_leaves_nothing(world: World) -> None:
    taken = orders_of(world, 1)
    all_issued(issued_by(world, taken))
    fields = request_body(world)["fields"]
    bad = {
        "invalid_fields": request_body(world, fields=fields | {"valid_to": "nonsense"}),
        "overflow": request_body(world, fields=fields | {"business_items": ["热" * 60] * 30}),
        "glyph_missing": request_body(world, fields=fields | {"representative": "林\U0003134a"}),
        "type_not_entitled": request_body(world, type=world.types["other"]),
        "seal_unknown": request_body(world, seal="99010000000999"),
        "number_taken": request_body(world, number=number_of(taken[0])),
    }
    twin = request_body(world)
    orders: list[Ordered] = []
    expected: list[str] = []
    for reason, body in bad.items():
        orders += [*orders_of(world, 1), ordered(body, f"key-{reason}")]
        expected += ["B-LT", reason]
    orders += [ordered(twin, "twin 1"), ordered(twin, "twin 2")]
    expected += ["B-LT", "number_taken"]
    used = world.ports.database
    with Session(used.read) as session:
        before = session.scalars(select(AuthorisationDay.used)).one()
    outcomes = issued_by(world, orders)
    assert told(outcomes) == expected
    good = expected.count("B-LT")
    for table in (Licence, Number, Intent, Edition, SealUse, StatusIndex, IdempotencyKey):
        assert rows(world, table) == [good + 1], table
    with Session(used.read) as session:
        assert session.scalars(select(AuthorisationDay.used)).one() == before + good
    faults = {
        one.reason: [f.field for f in one.faults] for one in outcomes if isinstance(one, VermilionError)
    }
    assert faults["number_taken"] == ["/number"]
    assert faults["seal_unknown"] == ["/seal"]
    assert fsck(world.ports) == []


def test_a_key_that_stands_twice_is_served_once(world: World) -> None:
    body, other = request_body(world), request_body(world)
    outcomes = issued_by(world, [ordered(body, "k"), ordered(body, "k"), ordered(other, "k")])
    assert told(outcomes) == ["B-LT", "in_progress", "key_reused"]
    assert rows(world, Edition) == [1]
    assert told(issued_by(world, [ordered(body, "k")])) == ["B-LT"]
    assert rows(world, Edition) == [1]


def test_what_a_daily_limit_leaves_goes_to_the_first_and_the_next_grant_to_the_rest(world: World) -> None:
    with world.ports.database.transaction() as session:
        session.execute(update(StandingAuthorisation).values(daily_limit=4))
    taken = orders_of(world, 1)
    assert told(issued_by(world, taken)) == ["B-LT"]
    again = ordered(request_body(world, number=number_of(taken[0])), "again")
    orders = [orders_of(world, 1)[0], again, *orders_of(world, 4)]
    expected = ["B-LT", "number_taken", "B-LT", "B-LT", "daily_limit", "daily_limit"]
    assert told(issued_by(world, orders)) == expected, "who is refused draws nothing"
    assert rows(world, Licence, Number, Intent) == [4, 4, 4]
    world.authorise(world.seal_code, daily_limit=1)
    assert told(issued_by(world, orders[-2:])) == ["B-LT", "daily_limit"]
    with Session(world.ports.database.read) as session:
        assert sorted(session.scalars(select(AuthorisationDay.used))) == [1, 4]
    assert fsck(world.ports) == []


def test_licences_of_several_seals_are_sealed_each_by_its_own(world: World) -> None:
    other = world.active_seal()
    world.authorise(other)
    orders = [ordered(request_body(world, seal=code)) for code in (world.seal_code, other) * 2]
    world.act("keeper", f"/api/v1/seals/{other}/suspension", BASIS)
    assert told(issued_by(world, orders)) == ["B-LT", "seal_not_active"] * 2
    assert rows(world, Edition, Licence) == [2, 2]
    assert fsck(world.ports) == []


class Meddling:
    """The real custodian; something happens before one of its keys signs."""

    def __init__(self, ports: Ports, purpose: str, act: Callable[[], object]) -> None:
        self.inner, self.purpose, self.act = ports.custodian, purpose, act

    def sign(self, ref: KeyRef, requests: list[SignRequest]) -> list[bytes]:
        if ref.purpose.value == self.purpose:
            self.purpose = ""
            self.act()
        return self.inner.sign(ref, requests)


@pytest.mark.parametrize("purpose", ["qr", "seal"])
def test_what_a_key_is_refused_for_is_abandoned_alone(world: World, purpose: str) -> None:
    """The use of one is void meanwhile: the other two are signed all the same."""

    def spoil() -> None:
        with world.ports.database.transaction() as session:
            second = session.scalars(select(Intent.id).order_by(Intent.id)).all()[1]
            session.execute(update(Intent).where(Intent.id == second).values(lease_until=Intent.created_at))

    custodian = cast("Custodian", Meddling(world.ports, purpose, spoil))
    outcomes = issued_by(world, orders_of(world, 3), custodian=custodian)
    assert sorted(told(outcomes)) == ["B-LT", "B-LT", "intent"]
    assert sorted(states(world)) == ["abandoned", "done", "done"]
    assert fsck(world.ports) == []


def states(world: World) -> list[str]:
    with Session(world.ports.database.read) as session:
        return list(session.scalars(select(Intent.state)))


def test_a_defect_in_one_costs_that_one_and_is_told_in_the_log_alone(world: World) -> None:
    orders = orders_of(world, 3)
    calls: list[int] = []

    def clock() -> Any:
        return world.ports.clock()

    class Store:
        inner: SharingDocumentStore = world.ports.documents

        def put_new(self, key: str, data: bytes) -> None:
            raise AssertionError

        def put_many(self, documents: Sequence[tuple[str, bytes]]) -> list[VermilionError | None]:
            calls.append(len(documents))
            broken = [VermilionError(Kind.CONFLICT, "the document exists", reason="document_exists")]
            return [*self.inner.put_many(documents[:2]), *broken]

        def share(self, *parts: Part) -> None:
            self.inner.share(*parts)

        def get(self, key: str) -> bytes | None:
            return self.inner.get(key)

    assert told(issued_by(world, orders, documents=Store())) == ["B-LT", "B-LT", "document_exists"]
    assert calls == [3]
    with spoilt_rows(world) as spoilt, capture_logs() as log:
        outcomes = issued_by(world, [*orders[2:], *orders_of(world, 3)])
    assert spoilt
    assert sorted(told(outcomes)) == ["B-LT", "B-LT", "B-LT", "defect"]
    assert [(one["event"], one["kind"]) for one in log if one["log_level"] == "error"] == [
        ("issue_defect", "ZeroDivisionError")
    ]
    assert sorted(states(world)).count("done") == 5
    assert fsck(world.ports) == []


@contextmanager
def spoilt_rows(world: World) -> Iterator[list[str]]:
    """Transaction 2 of whatever holds one of the intents fails, by no outage."""
    chosen: list[str] = []
    engine = world.ports.database.write

    def before(_c: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("INSERT INTO edition"):
            given = (
                [parameters] if isinstance(parameters, dict) or isinstance(parameters[0], str) else parameters
            )
            ids = [row["id"] if isinstance(row, dict) else row[0] for row in given]
            chosen[:] = chosen or [ids[-1]]
            if chosen[0] in ids:
                raise ZeroDivisionError

    event.listen(engine, "before_cursor_execute", before)
    try:
        yield chosen
    finally:
        event.remove(engine, "before_cursor_execute", before)


def test_a_seal_suspended_before_transaction_2_ends_the_whole_group(world: World, clock: Ticker) -> None:
    def suspend() -> None:
        world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", BASIS)

    orders = orders_of(world, 3)
    custodian = cast("Custodian", Meddling(world.ports, "seal", suspend))
    assert told(issued_by(world, orders, custodian=custodian)) == ["seal_not_active"] * 3
    assert set(states(world)) == {"abandoned"}
    assert rows(world, Edition, Document, Number, IdempotencyKey, Licence) == [0, 0, 0, 0, 3]
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(SealUse.state)).all() == ["void"] * 3
        assert session.scalars(select(StatusIndex.invalid)).all() == [True] * 3
        ended = session.scalars(select(Event).where(Event.kind == "licence.abandoned")).all()
    assert [one.operator for one in ended] == ["window-03"] * 3
    assert fsck(world.ports) == []


def test_an_outage_of_time_stamps_lowers_each_and_one_of_the_store_abandons_each(world: World) -> None:
    assert told(issued_by(world, orders_of(world, 2), timestamper=NoStamps())) == ["B-B", "B-B"]
    assert rows(world, DocumentStamp) == [2]
    outcomes = issued_by(world, orders_of(world, 2), documents=NoStore())
    assert [one.kind for one in outcomes if isinstance(one, VermilionError)] == [Kind.UNAVAILABLE] * 2
    assert sorted(states(world)) == ["abandoned", "abandoned", "done", "done"]
    assert fsck(world.ports) == []


def test_who_is_no_officer_begins_nothing(world: World) -> None:
    with pytest.raises(VermilionError) as caught:
        issued_by(world, orders_of(world, 2), person="keeper")
    assert caught.value.kind is Kind.FORBIDDEN
    assert rows(world, Intent) == [0]


def test_the_statements_of_a_group_do_not_grow_with_it(world: World) -> None:
    """Nor do the calls to the custodian: what licences share is asked once, what they write goes out together."""
    issued_by(world, orders_of(world, 1))

    def statements(count: int) -> int:
        orders, seen = orders_of(world, count), list[str]()

        def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            seen.append(statement)

        engines = (world.ports.database.read, world.ports.database.write)
        for engine in engines:
            event.listen(engine, "before_cursor_execute", note)
        all_issued(issued_by(world, orders))
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)
        return len([one for one in seen if "published_trust_list" not in one])

    assert statements(2) == statements(7)


def test_groups_at_the_same_moment_take_one_number_once(world: World) -> None:
    """Two groups that want the same numbers, in opposite orders, wait for each other in no circle."""
    from concurrent.futures import ThreadPoolExecutor

    bodies = [request_body(world) for _ in range(4)]
    groups = [
        [ordered(body, f"{name}-{body['number']}") for body in order]
        for name, order in (("a", bodies), ("b", bodies[::-1]))
    ]
    with ThreadPoolExecutor(2) as pool:
        outcomes = [one for group in pool.map(lambda group: issued_by(world, group), groups) for one in group]
    assert sorted(told(outcomes)) == ["B-LT"] * 4 + ["number_taken"] * 4
    with Session(world.ports.database.read) as session:
        assert session.scalar(select(func.count()).select_from(Edition)) == 4
    assert fsck(world.ports) == []
