"""Every change of a state says who made it. What is held over each test that has a world (`tests.accountable`) is
shown to find what is planted, and every act over the API is on record as that of whoever asked.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

import registry.console
from registry import tables
from registry.actor import Actor, Administrator
from registry.licences.tables import Edition
from registry.log.rules import Ground, record_event
from registry.log.tables import Event
from registry.rows import changed_rows
from tests.accountable import (
    BY_NOBODY,
    KINDS,
    NO_STATES,
    RECORDED_ELSEWHERE,
    ROW,
    STATES,
    Watch,
    states_of,
    unanswered,
)
from tests.registry.issuing import issue_one
from tests.registry.test_bodies import senders
from tests.registry.world import World

WORDS = Path(registry.console.__file__).parent / "words"

LAW = Ground("食品安全法 第一百三十二条", "expired_food", date(2026, 11, 20))

UNRECORDED = {
    "uses.create": "the log of uses is the record, which is erased with time",
    "webhooks.activate": "it is active already: nothing is changed",
    "webhooks.redeliver_dead": "nothing was given up: nothing is changed",
}
"""Right requests that leave no event."""


def test_every_table_and_every_kind_of_event_was_thought_about() -> None:
    """The kinds are those that the console has words for."""
    assert not set(STATES) & set(NO_STATES)
    assert set(STATES) | set(NO_STATES) == {table.name for table in tables.metadata.sorted_tables}
    for name, states in STATES.items():
        assert states - {ROW} <= {column.name for column in tables.metadata.tables[name].columns}, name
    assert {table for table, _by in RECORDED_ELSEWHERE} <= set(STATES)
    for path in sorted(WORDS.glob("*.toml")):
        words = tomllib.loads(path.read_text("utf-8"))
        told = {name.removeprefix("event_") for name in words if name.startswith("event_")}
        assert told == {kind.replace(".", "_") for kind in KINDS}, path.name
    assert set(BY_NOBODY) <= set(KINDS)


def test_a_statement_is_known_by_the_states_that_it_changes() -> None:
    assert states_of("UPDATE edition SET status=?, since=? WHERE edition.how IS NULL") == (
        "edition", frozenset({"status", "since"}),
    )  # fmt: skip
    assert states_of("UPDATE webhook_endpoint SET failures=?, failing_since=?") == (
        "webhook_endpoint",
        frozenset(),
    )
    assert states_of("INSERT INTO seal (code, state) VALUES (?, ?)") == ("seal", frozenset({ROW}))
    assert states_of("DELETE FROM passkey WHERE id = ?") == ("passkey", frozenset({ROW}))
    assert states_of("INSERT INTO key (id) VALUES (?)") == ("key", frozenset())
    assert states_of("SELECT seal.state FROM seal") == ("", frozenset())


def test_a_change_without_an_event_is_found(world: World) -> None:
    """As of a rule that forgot to record it; what is undone is no change."""
    identifier = issue_one(world).printout.record.identifier
    watch = Watch(lambda _frame: "forgot")
    watch.listen(world.ports.database.write)
    ends = update(Edition).values(status="ended", how="revoked")
    with world.ports.database.transaction() as session:
        with session.begin_nested() as undone:
            changed_rows(session, ends)
            undone.rollback()
        changed_rows(session, ends.where(Edition.id == "none"))
    assert watch.unrecorded == []
    with world.ports.database.transaction() as session, session.begin_nested():
        changed_rows(session, ends)
    assert sorted(watch.unrecorded) == ["edition.how by forgot", "edition.status by forgot"]
    watch.unrecorded.clear()
    with world.ports.database.transaction() as session:
        changed_rows(session, ends.values(status="in_force", how=None))
        planted(session, world, identifier, "licence.resumed", world.actor("system", "officer"))
    assert watch.unrecorded == []
    with pytest.raises(ZeroDivisionError), world.ports.database.transaction() as session:
        changed_rows(session, ends) / 0
    assert watch.unrecorded == []


def test_an_event_that_does_not_say_who_and_why_is_found(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    system, officer = world.actor(), world.actor("system", "officer")
    through_none = replace(officer, client_id=None)  # type: ignore[arg-type]
    found: dict[str, list[str]] = {}
    with world.ports.database.transaction() as session, session.begin_nested() as undone:
        for name, kind, actor, ground in (
            ("right", "licence.ended", officer, LAW),
            ("an operator", "licence.ended", replace(system, operator="window-03"), LAW),
            ("the registry", "licence.archive_stamped", None, LAW),
            ("no ground", "licence.ended", officer, replace(LAW, legal_basis=" ")),
            ("no reason", "licence.ended", officer, replace(LAW, reason_code="")),
            ("words", "licence.ended", officer, replace(LAW, reason_code="Because")),
            ("nobody", "licence.ended", None, LAW),
            ("a machine", "licence.ended", system, LAW),
            ("no client", "licence.ended", through_none, LAW),
            ("an administrator", "licence.ended", world.system, LAW),
            ("another's", "client.disabled", officer, LAW),
            ("new", "licence.lent", officer, LAW),
        ):
            with session.begin_nested() as one:
                planted(session, world, identifier, kind, actor, ground)
                found[name] = unanswered(session)
                one.rollback()
        undone.rollback()
    assert found == {
        "right": [],
        "an operator": [],
        "the registry": [],
        "no ground": ["licence.ended: no ground"],
        "no reason": ["licence.ended: no reason, but ''"],
        "words": ["licence.ended: no reason, but 'Because'"],
        "nobody": ["licence.ended: nobody has done it"],
        "a machine": ["licence.ended: by CLIENT"],
        "no client": [
            "licence.ended: a client where there should be none, or none where there should be one"
        ],
        "an administrator": ["licence.ended: by ADMINISTRATOR"],
        "another's": ["client.disabled: by PERSON"],
        "new": ["licence.lent: no kind that is known"],
    }


def planted(
    session: Session,
    world: World,
    identifier: str,
    kind: str,
    actor: Actor | Administrator | None,
    ground: Ground = LAW,
) -> None:
    record_event(
        session, kind=kind, subject_kind="edition", subject="0" * 32, ground=ground, actor=actor,
        now=world.ports.clock(), random=world.ports.random, detail={"identifier": identifier},
    )  # fmt: skip


def test_each_act_is_on_record_as_that_of_whoever_asked(world: World) -> None:
    """With the ground and the reason that they gave, or that the rule has."""
    asked, silent = senders(world), set()
    known = set(world_events(world))
    for send in asked:
        answer = send(send.right.body)
        assert answer.status_code in {200, 201, 202}, (send.endpoint, answer.text)
        found = world_events(world)
        new = [one for name, one in found.items() if name not in known]
        known |= set(found)
        person, body = send.right.person, send.right.body or {}
        client = "system" if person is None else world.system_of(person)
        for one in new:
            assert one.client_id == world.clients[client].id, (send.endpoint, one.kind)
            assert one.person_id == (None if person is None else world.people[person].id), (
                send.endpoint,
                one.kind,
            )
            assert one.operator == body.get("operator", ""), (send.endpoint, one.kind)
        if not new:
            silent.add(send.endpoint)
        for name in ("legal_basis", "reason_code"):
            if name in body and new:
                assert body[name] in {getattr(one, name) for one in new}, (send.endpoint, name)
    assert silent == set(UNRECORDED)


def world_events(world: World) -> dict[str, Event]:
    with Session(world.ports.database.read) as session:
        return {one.id: one for one in session.scalars(select(Event))}
