"""What a dead process left is adopted if it is whole, else abandoned; what lives is left alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from keys.errors import Kind, VermilionError
from registry.licences.fsck import fsck
from registry.licences.recovery import RecoveryReport, recover, recovery_loop
from registry.licences.tables import Edition, Intent
from registry.log.tables import Event
from registry.ports import SharingDocumentStore
from registry.seals.tables import PublishedTrustList, SealUse
from registry.shared_parts import Part
from registry.wsgi import log_recovery
from tests.registry.issuing import LEASE, die, issue_one, request_body
from tests.registry.world import BASIS, Ticker, World


def states(world: World) -> dict[str, str]:
    with Session(world.ports.database.read) as session:
        return {row.id: row.state for row in session.execute(select(Intent.id, Intent.state))}


def end_reason(world: World) -> str | None:
    with Session(world.ports.database.read) as session:
        return session.scalars(select(Intent.end_reason).where(Intent.state == "abandoned")).one()


def test_a_live_intent_is_left_alone(world: World, clock: Ticker) -> None:
    die(world)
    clock.advance(timedelta(seconds=59))
    assert not recover(world.ports)
    with Session(world.ports.database.read) as session:
        intent = session.scalars(select(Intent)).one()
        assert (intent.state, intent.fence) == ("open", 1)


def test_an_intent_that_cannot_be_settled_keeps_no_other_waiting(world: World, clock: Ticker) -> None:
    die(world)
    clock.advance(timedelta(seconds=1))
    die(world)
    with world.ports.database.transaction() as session:  # a record that no rule of ours can leave
        first = session.scalars(select(Intent.id).order_by(Intent.created_at)).all()[0]
        session.execute(update(SealUse).where(SealUse.intent_id == first).values(state="void"))
    clock.advance(LEASE)
    report = recover(world.ports)
    assert "no seal use is open" in str(report.defects[first])
    assert list(report.defects) == [first]
    assert len(report.adopted) == 1
    assert states(world) == {first: "open", report.adopted[0]: "done"}


def test_an_intent_that_cannot_even_be_claimed_keeps_no_other_waiting(world: World, clock: Ticker) -> None:
    die(world)
    clock.advance(timedelta(seconds=1))
    die(world)
    clock.advance(LEASE)
    claims: list[str] = []

    def defect(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("UPDATE intent SET fence"):
            claims.append(statement)
            if len(claims) == 1:
                raise ZeroDivisionError

    event.listen(world.ports.database.write, "before_cursor_execute", defect)
    report = recover(world.ports)
    event.remove(world.ports.database.write, "before_cursor_execute", defect)
    assert [type(error) for error in report.defects.values()] == [ZeroDivisionError]
    assert len(report.adopted) == 1
    assert sorted(states(world).values()) == ["done", "open"]


def test_a_database_that_goes_out_ends_the_round_and_the_report_says_how_far_it_came(
    world: World, clock: Ticker
) -> None:
    for _ in range(3):
        die(world)
        clock.advance(timedelta(seconds=1))
    clock.advance(LEASE)
    claims: list[str] = []

    def out(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("UPDATE intent SET fence"):
            claims.append(statement)
            if len(claims) == 2:
                raise OperationalError("", None, Exception("injected"))

    event.listen(world.ports.database.write, "before_cursor_execute", out)
    report = recover(world.ports)
    event.remove(world.ports.database.write, "before_cursor_execute", out)
    assert (len(report.adopted), len(report.deferred), report.defects) == (1, 1, {})
    assert len(claims) == 2
    clock.advance(LEASE)
    assert len(recover(world.ports).adopted) == 2


def test_the_log_names_what_a_round_did_and_what_it_could_not() -> None:
    report = RecoveryReport(adopted=["a" * 32], defects={"b" * 32: ZeroDivisionError("not to be told")})
    with capture_logs() as told:
        log_recovery(report)
    assert told == [
        {"event": "recovery", "log_level": "info", "adopted": ["a" * 32], "abandoned": [], "deferred": []},
        {
            "event": "recovery_defect",
            "log_level": "error",
            "intent": "b" * 32,
            "kind": "ZeroDivisionError",
            "where": [],
        },
    ]


def test_a_whole_document_is_adopted_and_is_what_a_retry_gets(world: World, clock: Ticker) -> None:
    body = die(world)
    clock.advance(LEASE)
    assert len(recover(world.ports).adopted) == 1
    issued = issue_one(world, body)
    assert issued.replayed
    assert fsck(world.ports) == []
    with Session(world.ports.database.read) as session:
        event = session.scalars(select(Event).where(Event.kind == "licence.issued")).one()
    assert (event.client_id, event.operator) == (world.clients["system"].id, "window-03")


def test_without_a_document_the_intent_is_abandoned(world: World, clock: Ticker) -> None:
    body = die(world, lambda data: None)
    clock.advance(LEASE)
    assert len(recover(world.ports).abandoned) == 1
    assert end_reason(world) == "never_sealed"
    assert not issue_one(world, body).replayed
    assert fsck(world.ports) == []


@pytest.mark.parametrize("where", [0.2, 0.5, 0.8, None])
def test_an_altered_or_cut_document_is_never_adopted(
    world: World, clock: Ticker, where: float | None
) -> None:
    def alter(data: bytes) -> bytes:
        if where is None:
            return data[:-100]
        at = int(len(data) * where)
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    die(world, alter)
    clock.advance(LEASE)
    assert len(recover(world.ports).abandoned) == 1
    assert fsck(world.ports) == []


def test_another_correctly_sealed_document_is_never_adopted(world: World, clock: Ticker) -> None:
    other = issue_one(world)
    data = world.ports.documents.get(f"{other.edition_id[:2]}/{other.edition_id}.enc")
    die(world, lambda _: data)
    clock.advance(LEASE)
    assert len(recover(world.ports).abandoned) == 1
    assert end_reason(world) == "not_the_intents"
    assert fsck(world.ports) == []


def test_a_seal_suspended_meanwhile_is_not_used_after_all(world: World, clock: Ticker) -> None:
    die(world)
    world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", BASIS)
    clock.advance(LEASE)
    assert len(recover(world.ports).abandoned) == 1
    assert end_reason(world) == "seal_changed"
    assert fsck(world.ports) == []


def test_a_store_or_trust_list_out_of_reach_puts_it_off(world: World, clock: Ticker) -> None:
    class Out:
        def get(self, key: str) -> bytes | None:
            raise VermilionError(Kind.UNAVAILABLE, "out")

    die(world)
    clock.advance(LEASE)
    assert len(recover(replace(world.ports, documents=Out())).deferred) == 1  # type: ignore[arg-type]
    clock.advance(LEASE)
    with world.ports.database.transaction() as session:
        kept = session.scalars(select(PublishedTrustList.jws)).all()
        session.execute(update(PublishedTrustList).values(jws="none"))
    assert len(recover(world.ports).deferred) == 1
    clock.advance(LEASE)
    with world.ports.database.transaction() as session:
        for row, jws in zip(session.scalars(select(PublishedTrustList)), kept, strict=True):
            row.jws = jws
    assert len(recover(world.ports).adopted) == 1


def test_a_process_that_wakes_late_registers_nothing(world: World, clock: Ticker) -> None:
    """It was taken for dead: recovery abandoned its intent, and the number is another's by now."""
    body = request_body(world)

    @dataclass(frozen=True)
    class Asleep:
        inner: SharingDocumentStore

        def share(self, *parts: Part) -> None:
            self.inner.share(*parts)

        def put_many(self, documents: Sequence[tuple[str, bytes]]) -> list[VermilionError | None]:
            clock.advance(LEASE)
            assert len(recover(world.ports).abandoned) == 1
            issue_one(world, body, key="the second request")
            return self.inner.put_many(documents)

    with pytest.raises(VermilionError) as caught:
        issue_one(world, body, ports=replace(world.ports, documents=Asleep(world.ports.documents)))  # type: ignore[arg-type]
    assert (caught.value.kind, caught.value.reason) == (Kind.CONFLICT, "taken_over")
    with Session(world.ports.database.read) as session:
        assert sorted(session.scalars(select(Intent.state))) == ["abandoned", "done"]
        assert len(session.scalars(select(Edition.id)).all()) == 1
    assert fsck(world.ports) == []


def test_of_two_recoverers_one_acts(world: World, clock: Ticker) -> None:
    for _ in range(3):
        die(world)
    clock.advance(LEASE)
    reports: list[RecoveryReport] = []
    start = threading.Barrier(2)

    def run() -> None:
        start.wait()
        reports.append(recover(world.ports))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    adopted = [intent for report in reports for intent in report.adopted]
    assert len(adopted) == len(set(adopted)) == 3
    assert not any(report.abandoned or report.deferred for report in reports)
    assert fsck(world.ports) == []


def test_the_loop_recovers_reports_and_stops(world: World, clock: Ticker) -> None:
    die(world)
    clock.advance(LEASE)
    stop = threading.Event()
    outcomes: list[RecoveryReport | Exception] = []

    def report(outcome: RecoveryReport | Exception) -> None:
        outcomes.append(outcome)
        stop.set()

    recovery_loop(world.ports, stop, 30, report)
    assert [len(o.adopted) for o in outcomes if isinstance(o, RecoveryReport)] == [1]


def test_the_loop_outlives_a_failed_round(world: World) -> None:
    stop = threading.Event()
    outcomes: list[RecoveryReport | Exception] = []

    def broken() -> Any:
        stop.set()
        raise ZeroDivisionError

    recovery_loop(replace(world.ports, clock=broken), stop, 30, outcomes.append)
    assert [type(o) for o in outcomes] == [ZeroDivisionError]
