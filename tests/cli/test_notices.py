"""`vermilion notice`: what an operator sees of messages to people, and does about what was given up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from registry.agencies.tables import Agency
from registry.cli.machine import unlocked
from registry.log.tables import Event
from registry.notices.kinds import SMTP, Channel
from registry.notices.messages import Message
from registry.notices.rules import Subject, Way, write
from registry.notices.tables import Notice
from tests.cli.conftest import Run
from tests.cli.test_administration import at
from tests.services.running import Place

TO = "not-to-be-shown@people.example"


@pytest.fixture
def given_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Two messages that were given up, and one whose content is erased by now."""
    for name, value in place.settings.items():
        monkeypatch.setenv(name, str(value))
    values = {"agency": "甲局", "licence": "样本", "link": "http://localhost/not-to-be-shown", "until": "x"}
    with unlocked() as ports:
        ports.vault.ready()
        with ports.database.transaction() as session:
            agency = session.scalars(select(Agency.code).limit(1)).one()
            made = [
                write(
                    session, ports, "pick_up", Subject("sample", f"{number:032}", agency), Way(Channel.SMTP, SMTP, TO),
                    Message(TO, "en", values), ports.clock() + timedelta(days=7),
                ).id
                for number in range(3)
            ]  # fmt: skip
            session.flush()
            dead = {"state": "dead", "due_at": None, "ended_at": ports.clock(), "attempt": 12}
            session.execute(update(Notice).values(**dead, status=451, reason="status"))
            session.execute(update(Notice).where(Notice.id == made[2]).values(message=None))
    yield made
    with at(place) as machine, machine.database.transaction() as session:
        session.execute(delete(Notice))  # others share the place


def lines(vermilion: Run, place: Place, *arguments: str) -> list[dict[str, Any]]:
    code, out, err = vermilion(place, "notice", *arguments)
    assert (code, err) == (0, "")
    assert "not-to-be-shown" not in out
    return [json.loads(line) for line in out.splitlines()]


def test_an_operator_sees_what_was_given_up_and_has_it_sent_again(
    vermilion: Run, place: Place, given_up: list[str]
) -> None:
    first, second, erased = given_up

    def listed() -> dict[str, int]:
        return {one["state"]: one["messages"] for one in lines(vermilion, place, "list")}

    assert listed() == {"dead": 3}
    dead = {one["notice"]: one for one in lines(vermilion, place, "dead")}
    assert set(dead) == set(given_up)
    assert {(one["attempts"], one["status"], one["reason"]) for one in dead.values()} == {(12, 451, "status")}
    assert [dead[one]["erased"] for one in given_up] == [False, False, True]
    assert lines(vermilion, place, "redeliver", "--notice", first) == [{"redelivered": 1}]
    assert listed() == {"dead": 2, "waiting": 1}
    for refused, words in ((first, "waits already"), (erased, "was erased"), ("0" * 32, "no such message")):
        code, _, err = vermilion(place, "notice", "redeliver", "--notice", refused)
        assert (code, words in err) == (1, True)
    since = ("redeliver", "--since", "2026-01-01T00:00:00Z")
    assert lines(vermilion, place, *since) == [{"redelivered": 1}]
    assert lines(vermilion, place, "redeliver") == [{"redelivered": 0}]
    assert listed() == {"dead": 1, "waiting": 2}
    with at(place) as machine, Session(machine.database.read) as session:
        acts = session.scalars(select(Event).where(Event.kind == "notice.redelivered")).all()
    assert sorted(act.subject for act in acts) == sorted([first, second])
    assert all(act.person_id is not None for act in acts)
    assert vermilion(place, "notice", "redeliver", "--notice", first, "--since", "x")[0] == 64
    assert vermilion(place, "notice", "redeliver", "--since", "soon")[0] == 1


def test_settings_that_do_not_go_together_are_said_in_words(
    vermilion: Run, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in place.settings.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("VERMILION_SMTP_HOST", "mail.example")
    code, out, err = vermilion(place, "notice", "list")
    assert (code, out) == (64, "")
    assert err.startswith("vermilion: ")
    assert "VERMILION_SMTP_HOST wants VERMILION_SMTP_FROM" in err
