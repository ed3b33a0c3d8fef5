"""`vermilion webhook`: what an operator sees of endpoints, and does about what was given up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from registry.actor import Actor
from registry.agencies.tables import Client, ClientType
from registry.cli.machine import unlocked
from registry.log.rules import Ground, record_event
from registry.log.tables import Event
from registry.webhooks.rules import Wanted, register
from registry.webhooks.tables import WebhookDelivery
from signing.codes import make_identifier
from tests.cli.conftest import Run
from tests.cli.test_administration import GROUND, at
from tests.services.running import Place

URL = "https://hooks.example/?key=not-to-be-shown"


@pytest.fixture
def given_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[str]]:
    """An endpoint of a sample client's, and two events that were given up for it."""
    for name, value in place.settings.items():
        monkeypatch.setenv(name, str(value))
    with unlocked() as ports:
        ports.vault.ready()
        with ports.database.transaction() as session:
            client, type_code = session.execute(
                select(Client, ClientType.type_code)
                .join(ClientType, ClientType.client_id == Client.id)
                .limit(1)
            ).one()
            actor = Actor(client.id, client.agency_code, frozenset({"licence"}), operator="window-03")
            key = ports.random(8).hex()
            made = register(session, ports, actor, Wanted(URL)).endpoint
            now = ports.clock()
            events = [
                record_event(
                    session, kind="licence.issued", subject_kind="sample", subject=key,
                    ground=Ground("law", "issued", now.date()), actor=actor, now=now, random=ports.random,
                    detail={"identifier": make_identifier(type_code, client.agency_code, f"{number:09}", 1)},
                ).id
                for number in range(2)
            ]  # fmt: skip
            session.execute(
                update(WebhookDelivery).values(state="dead", due_at=None, attempt=12, reason="timeout")
            )
    return made.id, events


def lines(vermilion: Run, place: Place, *arguments: str) -> list[dict[str, Any]]:
    code, out, err = vermilion(place, "webhook", *arguments)
    assert (code, err) == (0, "")
    assert "not-to-be-shown" not in out
    return [json.loads(line) for line in out.splitlines()]


def test_an_operator_sees_dead_letters_and_has_them_sent_again(
    vermilion: Run, place: Place, given_up: tuple[str, list[str]]
) -> None:
    endpoint_id, events = given_up

    def listed() -> dict[str, Any]:
        return next(one for one in lines(vermilion, place, "list") if one["id"] == endpoint_id)

    assert (listed()["origin"], listed()["deliveries"]) == ("https://hooks.example", {"dead": 2})
    dead = lines(vermilion, place, "dead", endpoint_id)
    assert {one["event"] for one in dead} == set(events)
    assert {(one["attempts"], one["reason"]) for one in dead} == {(12, "timeout")}
    assert lines(vermilion, place, "redeliver", endpoint_id, "--event", events[0]) == [{"redelivered": 1}]
    assert listed()["deliveries"] == {"dead": 1, "waiting": 1}
    since = ("redeliver", endpoint_id, "--since", "2026-01-01T00:00:00Z")
    assert lines(vermilion, place, *since) == [{"redelivered": 1}]
    assert lines(vermilion, place, *since) == [{"redelivered": 0}]
    assert lines(vermilion, place, "dead", endpoint_id) == []
    assert vermilion(place, "webhook", "disable", endpoint_id, *GROUND) == (0, "", "")
    assert listed()["state"] == "disabled"
    for how in (since[2:], ("--event", events[0]), ()):
        code, _, err = vermilion(place, "webhook", "redeliver", endpoint_id, *how)
        assert (code, "not active" in err) == (1, True)
    with at(place) as machine, Session(machine.database.read) as session:
        acts = session.scalars(
            select(Event).where(Event.subject == endpoint_id, Event.person_id.is_not(None))
        ).all()
    assert sorted(act.kind for act in acts if act.kind.startswith("webhook.")) == [
        "webhook.disabled", "webhook.redelivered", "webhook.redelivered",
    ]  # fmt: skip


def test_what_is_not_there_is_refused(vermilion: Run, place: Place) -> None:
    nothing = "0" * 32
    assert vermilion(place, "webhook", "dead", nothing)[0] == 1
    assert vermilion(place, "webhook", "disable", nothing, *GROUND)[0] == 1
    assert vermilion(place, "webhook", "redeliver", nothing, "--event", nothing)[0] == 1
    assert vermilion(place, "webhook", "redeliver", nothing)[0] == 1
    assert vermilion(place, "webhook", "redeliver", nothing, "--event", nothing, "--since", "x")[0] == 64
    assert vermilion(place, "webhook", "redeliver", nothing, "--since", "soon")[0] == 1
