"""The agency API's limit for each client, what answers tell of it, and what a request is called."""

from __future__ import annotations

import json
import multiprocessing
import re
import secrets
import threading
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from registry.app import create_app
from registry.request_ids import Names, request_id
from registry.settings import Settings
from tests.registry.world import World, on_sqlite

UUID = "0190b1c2-3f4a-7bcd-8e9f-a0b1c2d3e4f5"


def limited(world: World, now: list[float], **settings: int) -> FlaskClient:
    """The API over the same registry, under other limits."""
    ports = replace(world.ports, settings=world.ports.settings.model_copy(update=settings))
    return create_app(ports, monotonic=lambda: now[0]).test_client()


@on_sqlite
def test_each_client_has_its_share_and_is_told_what_is_left(world: World) -> None:
    now = [1000.0]
    http = limited(world, now, client_per_minute=6)
    one, other = world.headers("system"), world.headers("desk")
    told = [http.get("/api/v1/agencies/self", headers=one) for _ in range(7)]
    assert [answer.status_code for answer in told] == [200] * 6 + [429]
    assert [answer.headers["RateLimit"] for answer in told] == [
        *(f'"client";r={5 - n};t={10 * (n + 1)}' for n in range(6)),
        '"client";r=0;t=60',
    ]
    assert {answer.headers["RateLimit-Policy"] for answer in told} == {'"client";q=6;w=60'}
    refused = told[-1]
    assert (refused.headers["Retry-After"], refused.get_json()["reason"]) == ("10", "rate")
    assert refused.get_json()["type"] == "/problems/too-many-requests"
    assert http.get("/api/v1/agencies/self", headers=other).status_code == 200  # another client
    assert http.get("/api/v1/seals/1", headers=one).status_code == 404  # no route: nobody was asked who it is
    now[0] += 10
    assert http.get("/api/v1/agencies/self", headers=one).status_code == 200


@on_sqlite
def test_a_persons_requests_are_their_clients_and_who_is_refused_counts_too(world: World) -> None:
    now = [0.0]
    http = limited(world, now, client_per_minute=3)
    client, person = world.headers("system"), world.headers("system", "keeper")
    assert http.get("/api/v1/seals", headers=client).status_code == 200
    assert http.get("/api/v1/seals", headers=person).status_code == 200
    assert http.get("/api/v1/audit/events", headers=client).status_code == 403
    assert http.get("/api/v1/seals", headers=person).status_code == 429


@on_sqlite
def test_processes_share_a_limit_and_none_says_more_than_its_part(world: World) -> None:
    now = [0.0]
    http = limited(world, now, client_per_minute=8, limit_shares=4)
    headers = world.headers("system")
    told = [http.get("/api/v1/seals", headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in told] == [200, 200, 429]
    assert told[0].headers["RateLimit-Policy"] == '"client";q=8;w=60'
    assert told[0].headers["RateLimit"] == '"client";r=1;t=30'


@on_sqlite
def test_without_a_limit_nothing_is_told(world: World) -> None:
    http = limited(world, [0.0], client_per_minute=0)
    answer = http.get("/api/v1/seals", headers=world.headers("system"))
    assert answer.status_code == 200
    assert "RateLimit" not in answer.headers


def test_the_default_is_generous() -> None:
    assert Settings().client_per_minute == 12_000


@on_sqlite
def test_a_request_keeps_the_name_that_its_caller_gave_it(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    headers = world.headers("system")
    for name in ("0" * 32, UUID):
        capsys.readouterr()
        answer = world.http.get("/api/v1/seals?x=1", headers={**headers, "X-Request-Id": name})
        assert answer.headers["X-Request-Id"] == answer.get_json()["request_id"] == name
        (line,) = capsys.readouterr().err.splitlines()
        assert json.loads(line)["request_id"] == name


@pytest.mark.parametrize(
    "sent",
    [None, "", "x", "0" * 31, "0" * 33, "0" * 32 + "\n", "11010119900307721X", "110101199003077212",
     "9199010000MA0001X0", UUID.upper(), UUID.replace("-", "_"), "é" * 32, "6222020200112233445"],
)  # fmt: skip
def test_any_other_name_is_replaced(sent: str | None) -> None:
    """An identity card's or a bank card's number among them: none comes into a log this way."""
    made = request_id(sent)
    assert made != sent
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert request_id(made) == made  # a name of ours may be passed on


def test_drawn_names_differ_between_threads_and_in_a_forked_process() -> None:
    names = Names(secrets.token_bytes)
    drawn: list[str] = [names.draw()]
    threads = [
        threading.Thread(target=lambda: drawn.extend([names.draw() for _ in range(500)])) for _ in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(
        target=lambda: sender.send([names.draw() for _ in range(300)])
    )
    child.start()
    drawn += receiver.recv()
    child.join()
    drawn += [names.draw() for _ in range(300)]
    assert len(set(drawn)) == len(drawn) == 1 + 4 * 500 + 300 + 300
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in drawn)
