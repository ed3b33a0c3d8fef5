"""What an auditor reads: whole pages by key, each event with its commitment, each reading an event."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import event as sql_event
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from registry.actor import Duty
from registry.log import audit
from registry.log.audit import LEDGERS, Question
from registry.log.refusals import REFUSED
from registry.log.rules import Ground, record_event
from registry.log.tables import Event, Leaf
from signing.live import SETTLING
from tests.registry.test_administrators import auditor_headers
from tests.registry.world import GROUND, World, on_sqlite


def ask(world: World, path: str, headers: dict[str, str]) -> dict[str, Any]:
    if "after=" not in path:
        world.ports.clock.advance(SETTLING + timedelta(seconds=1))  # type: ignore[attr-defined]
    answer = world.http.get(path, headers=headers)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    body: dict[str, Any] = answer.get_json()
    return body


def test_every_ledger_is_read_to_its_end_without_gap_or_repetition(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PAGE", 3)
    headers = auditor_headers(world)
    for name, ledger in LEDGERS.items():
        with Session(world.ports.database.read) as session:
            rows = session.scalars(
                ledger.statement.with_only_columns(ledger.id).order_by(ledger.at, ledger.id)
            )
            expected = list(rows)
        world.ports.clock.advance(timedelta(seconds=2))  # type: ignore[attr-defined]
        found, path = [], f"/api/v1/audit/{name}"
        while path:
            body = ask(world, path, headers)
            assert len(body["lines"]) <= 3
            found += [line["id"] for line in body["lines"]]
            path = body.get("next", "")
            world.ports.clock.advance(timedelta(seconds=2))  # type: ignore[attr-defined]
        assert found[: len(expected)] == expected, name
        assert len(set(found)) == len(found)


def test_a_question_is_narrowed_by_time_person_and_kind(world: World) -> None:
    headers = auditor_headers(world)
    keeper = world.people["keeper"].id
    lines = ask(world, f"/api/v1/audit/events?actor={keeper}", headers)["lines"]
    assert lines
    assert {line["person"] for line in lines} == {keeper}
    kinds = ask(world, "/api/v1/audit/events?kind=person.added", headers)["lines"]
    assert {line["kind"] for line in kinds} == {"person.added"}
    both = ask(world, f"/api/v1/audit/events?kind=person.added&actor={world.system.person_id}", headers)
    assert both["lines"] == kinds
    assert ask(world, "/api/v1/audit/events?until=2020-01-01T00:00:00Z", headers)["lines"] == []
    for wrong in (
        "since=yesterday",
        "after=x",
        "after=999999999999999999-" + "0" * 32,
        "kind=",
        "limit=5",
        "kind=added",
        "kind=person.added%0A",
        "kind=张三.added",
        "kind=" + "a." * 2,
        "kind=" + "a" * 41 + ".b",
        "actor=张三",
        "actor=" + "A" * 32,
        "actor=" + "0" * 31,
    ):
        answer = world.http.get(f"/api/v1/audit/events?{wrong}", headers=headers)
        assert (answer.status_code, answer.get_json()["reason"]) == (422, "query"), wrong
    assert world.http.get("/api/v1/audit/key-uses?actor=x", headers=headers).status_code == 422


def test_an_altered_event_and_a_missing_leaf_are_told(world: World) -> None:
    headers = auditor_headers(world)
    with world.ports.database.transaction() as session:
        first, second = session.scalars(select(Event.id).order_by(Event.recorded_at, Event.id).limit(2))
        session.execute(update(Event).where(Event.id == first).values(reason_code="other"))
        session.delete(session.get_one(Leaf, second))
    lines = {line["id"]: line for line in ask(world, "/api/v1/audit/events", headers)["lines"]}
    said = [lines.pop(one)["commitment"] for one in (first, second)]
    assert said == ["broken", "missing"]
    assert {line["commitment"] for line in lines.values()} == {"kept"}


@on_sqlite
def test_an_export_says_what_it_holds(world: World) -> None:
    headers = auditor_headers(world) | {"Accept": "application/x-ndjson"}
    world.ports.clock.advance(SETTLING + timedelta(seconds=1))  # type: ignore[attr-defined]
    answer = world.http.get("/api/v1/audit/events", headers=headers)
    assert answer.content_type == "application/x-ndjson"
    *lines, last = answer.get_data().splitlines(keepends=True)
    trailer = json.loads(last)["trailer"]
    assert trailer["lines"] == len(lines) > 0
    assert trailer["sha256"] == sha256(b"".join(lines)).hexdigest()
    assert trailer["commitments"] == {"kept": len(lines)}


def test_exports_from_end_to_end_leave_nothing_out(world: World) -> None:
    """What commits after an export, timed before its end: the next one has it."""
    headers = auditor_headers(world) | {"Accept": "application/x-ndjson"}
    clock = world.ports.clock
    clock.advance(SETTLING)  # type: ignore[attr-defined]

    def export(question: str) -> tuple[list[str], str]:
        *lines, last = world.http.get(f"/api/v1/audit/events?{question}", headers=headers).text.splitlines()
        return [json.loads(line)["id"] for line in lines], json.loads(last)["trailer"]["until"]

    found, until = export("until=2999-01-01T00:00:00Z")
    with world.ports.database.transaction() as session:
        late = record_event(
            session, kind="late.one", subject_kind="x", subject="x", actor=None, ground=GROUND,
            now=clock() - timedelta(seconds=50), random=world.ports.random,
        ).id  # fmt: skip
    clock.advance(2 * SETTLING)  # type: ignore[attr-defined]
    more, later = export(f"since={until}")
    assert late in more
    assert until < later
    with Session(world.ports.database.read) as session:
        everything = set(session.scalars(select(Event.id).where(Event.recorded_at < clock() - SETTLING)))
    assert sorted(found + more) == sorted(everything)


@on_sqlite
def test_each_reading_is_an_event_of_the_auditor_s(world: World) -> None:
    headers = auditor_headers(world)
    ask(world, "/api/v1/audit/seal-uses?since=2026-01-01T00:00:00Z", headers)
    with Session(world.ports.database.read) as session:
        (read,) = session.scalars(select(Event).where(Event.kind == "audit.read"))
    assert (read.person_id, read.subject) == (world.admins[Duty.AUDIT].id, "seal-uses")
    assert read.detail["since"] == "2026-01-01T00:00:00+00:00"


@on_sqlite
def test_what_is_refused_to_somebody_known_is_on_record(world: World) -> None:
    answer = world.post(f"/api/v1/seals/{world.seal_code}/suspension", {
        "legal_basis": "样本", "reason_code": "lost"}, "system", "applicant")  # fmt: skip
    assert answer.status_code == 403
    (line,) = ask(world, "/api/v1/audit/refusals", auditor_headers(world))["lines"]
    assert (line["person"], line["client"]) == (world.people["applicant"].id, world.clients["system"].id)
    assert (line["kind"], line["reason"]) == ("act.refused", answer.get_json()["reason"])
    assert line["subject"].startswith("seals.")
    assert world.http.get("/api/v1/seals").status_code == 401  # nobody: nothing to put on record
    assert len(ask(world, "/api/v1/audit/refusals", auditor_headers(world))["lines"]) == 1


@on_sqlite
def test_the_same_refusal_is_on_record_once_in_a_minute(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(person: str, times: int) -> None:
        body = {"legal_basis": "样本", "reason_code": "lost"}
        path = f"/api/v1/seals/{world.seal_code}/suspension"
        for _ in range(times):
            assert world.post(path, body, "system", person).status_code == 403

    def recorded() -> int:
        with Session(world.ports.database.read) as session:
            return session.scalars(select(func.count()).select_from(Event).where(Event.kind == REFUSED)).one()

    refused("applicant", 5)
    assert recorded() == 1
    again = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "refused_again" in line]
    assert len(again) == 4
    assert {line["person"] for line in again} == {world.people["applicant"].id}
    refused("officer", 2)  # another person
    assert recorded() == 2
    answer = world.get("/api/v1/audit/events", "system", "applicant")  # another act
    assert (answer.status_code, recorded()) == (403, 3)
    world.ports.clock.advance(timedelta(minutes=1))  # type: ignore[attr-defined]
    refused("applicant", 2)
    assert recorded() == 4


@pytest.mark.parametrize(
    "question",
    [{}, {"kind": "filler.a"}, {"actor": "0" * 32}, {"kind": "x.x", "actor": "0" * 32}],
    ids=str,
)
def test_no_reading_scans_or_sorts(
    world: World, question: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the database itself plans it, with pages small enough beside the rows for an index to pay."""
    monkeypatch.setattr(audit, "PAGE", 5)
    with world.ports.database.transaction() as session:
        for number in range(400):
            record_event(
                session, kind=f"filler.{'abcdefg'[number % 7]}", subject_kind="x", subject="x", actor=None,
                ground=Ground(GROUND.legal_basis, "x", GROUND.effective_from), now=world.ports.clock(),
                random=world.ports.random,
            )  # fmt: skip
    said: list[tuple[str, Any]] = []
    engine = world.ports.database.write

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _m: Any) -> None:
        if statement.startswith("SELECT") and "JOIN leaf" in statement:
            said.append((statement, parameters))

    sql_event.listen(engine, "before_cursor_execute", note)
    after = f"{int(world.ports.clock().timestamp()) * 10**6}-{'0' * 32}"
    with world.ports.database.transaction() as session:
        audit.read(
            session, world.ports, world.admin(Duty.AUDIT), audit.EVENTS,
            Question(world.ports.clock() + timedelta(days=1), **question), after,
        )  # fmt: skip
    sql_event.remove(engine, "before_cursor_execute", note)
    ((statement, parameters),) = said
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("ANALYZE event"))
            connection.execute(text("ANALYZE leaf"))
            prefix = "EXPLAIN "
        else:
            prefix = "EXPLAIN QUERY PLAN "
        plan = "\n".join(
            " ".join(map(str, row)) for row in connection.exec_driver_sql(prefix + statement, parameters)
        )
    assert "ix_event_" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
    assert not re.search(r"SCAN event(?! USING)|Seq Scan on event", plan), plan
