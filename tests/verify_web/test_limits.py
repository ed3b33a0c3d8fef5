"""Typed look-ups are limited by network and by licence, with decay, across processes and without traces."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.networks import network_of
from registry.typed_limits import IDENTIFIER, NETWORK, PAIR
from tests.verify_web.conftest import MakeWorld
from tests.verify_web.world import LOOKUP_CODE, WRONG_CODE, Hand, World, sample
from verify_web.limits import TypedLimits
from verify_web.store import Store

UNKNOWN = sample(serial="0000019").record.identifier


def ask(world: World, identifier: str, code: str, address: str = "203.0.113.7") -> tuple[int, bytes]:
    answer = world.client.post(
        "/api/v1/verifications",
        json={"identifier": identifier, "lookup_code": code},
        environ_base={"REMOTE_ADDR": address},
    )
    return answer.status_code, answer.data


def limited(world: World) -> int:
    """How many attempts were one too many, by the site's own count."""
    return int(world.app.extensions["site"].metrics.limited._value.get())


def test_right_details_give_the_licence_and_are_no_failure(world: World) -> None:
    for turn in range(3 * IDENTIFIER.burst):
        world.clock.now += timedelta(seconds=NETWORK.seconds_each)
        status, body = ask(world, world.identifier, LOOKUP_CODE)
        assert (status, b'"verdict":"valid"' in body) == (200, True), turn


def test_unknown_number_wrong_code_and_too_many_attempts_give_the_same_bytes(build: MakeWorld) -> None:
    world = build()
    answers = [ask(world, UNKNOWN, LOOKUP_CODE), ask(world, world.identifier, WRONG_CODE)]
    answers += [ask(world, world.identifier, WRONG_CODE, f"203.0.{n}.1") for n in range(IDENTIFIER.burst - 1)]
    asked = len(answers)
    answers.append(ask(world, world.identifier, LOOKUP_CODE, "198.51.100.1"))  # right, and one too many
    assert len(set(answers)) == 1
    status, body = answers[0]
    assert status == 200
    assert b'"verdict":"cannot_check"' in body
    assert b"not_matched" in body
    assert world.memory.asked == ["typed"] * asked  # a right code one too many is not even looked at


@pytest.mark.parametrize("path", ["/api/v1/verifications", "/check"], ids=["program", "page"])
def test_a_network_past_its_limit_gets_the_same_bytes(world: World, path: str) -> None:
    """Headers included: nobody can tell a guess that was not looked up from one that was wrong."""

    def whole(identifier: str, code: str, address: str) -> tuple[int, str, bytes]:
        form = {"identifier": identifier, "lookup_code": code}
        sent: dict[str, Any] = {"data": form} if path == "/check" else {"json": form}
        sent["headers"] = {"X-Request-Id": "0" * 32}
        answer = world.client.post(path, **sent, environ_base={"REMOTE_ADDR": address})
        return answer.status_code, str(answer.headers), answer.data

    others = [sample(serial=f"3{turn:06}").record.identifier for turn in range(NETWORK.burst)]
    within = {whole(other, WRONG_CODE, f"203.0.113.{n}") for n, other in enumerate(others)}
    assert limited(world) == 0
    past = {whole(*details, "203.0.113.200") for details in (
        (world.identifier, LOOKUP_CODE), (world.identifier, WRONG_CODE), (UNKNOWN, LOOKUP_CODE),
    )}  # fmt: skip
    assert limited(world) == 3
    assert len(within | past) == 1
    ((status, _headers, body),) = within | past
    assert (status, world.identifier.encode() in body) == (200, False)
    assert world.memory.asked == ["typed"] * NETWORK.burst  # one too many is not even looked at
    # It is the network's share that was used up, and not the licence's: from elsewhere the code is right.
    assert whole(world.identifier, LOOKUP_CODE, "198.51.100.1") not in within


def test_the_page_too_is_the_same(world: World) -> None:
    def page(identifier: str, code: str, address: str) -> tuple[int, bytes]:
        answer = world.client.post(
            "/check",
            data={"identifier": identifier, "lookup_code": code},
            environ_base={"REMOTE_ADDR": address},
        )
        return answer.status_code, answer.data

    pages = {page(UNKNOWN, LOOKUP_CODE, "203.0.113.1")}
    pages |= {page(world.identifier, WRONG_CODE, f"203.0.{n}.1") for n in range(IDENTIFIER.burst)}
    pages.add(page(world.identifier, LOOKUP_CODE, "198.51.100.1"))
    assert len(pages) == 1
    ((status, body),) = pages
    assert status == 200
    assert world.identifier.encode() not in body


def test_attempts_come_back_with_time(world: World) -> None:
    for turn in range(IDENTIFIER.burst):
        ask(world, world.identifier, WRONG_CODE, f"203.0.{turn}.1")
    assert b"cannot_check" in ask(world, world.identifier, LOOKUP_CODE)[1]
    world.clock.now += timedelta(seconds=IDENTIFIER.seconds_each)
    assert b'"valid"' in ask(world, world.identifier, LOOKUP_CODE)[1]


def test_a_limited_network_cannot_close_a_licence_for_others(world: World) -> None:
    for turn in range(NETWORK.burst):
        ask(world, sample(serial=f"1{turn:06}").record.identifier, WRONG_CODE, "203.0.113.9")
    for _ in range(5 * IDENTIFIER.burst):
        ask(world, world.identifier, WRONG_CODE, "203.0.113.10")  # the same /24: over its limit
    assert b'"valid"' in ask(world, world.identifier, LOOKUP_CODE, "198.51.100.1")[1]


def test_one_network_cannot_close_a_licence_for_others(world: World) -> None:
    """Day in, day out: its attempts at one licence fill a bucket of their own."""
    for _ in range(24):
        for _ in range(2 * PAIR.burst):
            ask(world, world.identifier, WRONG_CODE, "203.0.113.9")
        assert b"cannot_check" in ask(world, world.identifier, LOOKUP_CODE, "203.0.113.9")[1]
        assert b'"valid"' in ask(world, world.identifier, LOOKUP_CODE, "198.51.100.1")[1]
        world.clock.now += timedelta(hours=1)


def test_a_scan_is_never_locked(world: World) -> None:
    for _ in range(3 * NETWORK.burst):
        ask(world, world.identifier, WRONG_CODE)
    answer = world.client.get("/c/AAECAwQFBgcICQoLDA0ODw", environ_base={"REMOTE_ADDR": "203.0.113.7"})
    assert answer.status_code == 200
    assert b"Valid" in answer.data or "登记在册".encode() in answer.data


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/56"),
        ("203.0.113.7:4711", "203.0.113.0/24"),
        ("[2001:db8:1:2ff::1]:4711", "2001:db8:1:200::/56"),
        ("[2001:db8:1:2ff::1]", "2001:db8:1:200::/56"),
        (None, "unknown"),
        ("unix:", "unknown"),
    ],
)
def test_networks(address: str | None, network: str) -> None:
    assert network_of(address) == network


@given(st.one_of(st.none(), st.text(max_size=60), st.ip_addresses().map(str)))
def test_any_address_has_a_network(address: str | None) -> None:
    assert network_of(address)


def test_forwarded_addresses_count_only_behind_a_trusted_proxy(build: MakeWorld) -> None:
    def addresses(world: World) -> int:
        for turn in range(NETWORK.burst + 1):
            world.client.post(
                "/api/v1/verifications",
                json={
                    "identifier": sample(serial=f"2{turn:06}").record.identifier,
                    "lookup_code": WRONG_CODE,
                },
                headers={"X-Forwarded-For": f"198.51.{turn}.1"},
            )
        return limited(world)

    assert addresses(build()) == 1
    assert addresses(build(trusted_proxies=1)) == 0


def test_a_proxy_that_nobody_told_us_of_is_noted_once(
    build: MakeWorld, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING", logger="vermilion.site"):
        for world in (build(trusted_proxies=1), build()):
            for _ in range(3):
                world.client.get("/", headers={"X-Forwarded-For": "198.51.100.1"})
    (noted,) = (record.line for record in caplog.records if record.name == "vermilion.site")  # type: ignore[attr-defined]
    assert noted == {"event": "proxy_not_trusted", "setting": "VERMILION_TRUSTED_PROXIES"}


COUNT = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from verify_web.limits import TypedLimits
from verify_web.store import Store
limits = TypedLimits(Store(Path(sys.argv[1]), lambda: datetime(2026, 3, 4, tzinfo=UTC)))
print(sum(limits.enter(f"10.{n}.{sys.argv[2]}.1", "one") for n in range(40)))
"""


def test_all_processes_count_together(tmp_path: Path) -> None:
    path = tmp_path / "public" / "public.db"
    running = [
        subprocess.Popen([sys.executable, "-c", COUNT, str(path), str(n)], stdout=subprocess.PIPE, text=True)
        for n in range(3)
    ]
    admitted = [int(process.communicate(timeout=60)[0]) for process in running]
    assert sum(admitted) == IDENTIFIER.burst


def test_threads_never_admit_one_too_many(tmp_path: Path) -> None:
    limits = TypedLimits(Store(tmp_path / "public.db", Hand()))
    with ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(lambda n: limits.enter(f"10.0.{n}.1", "one"), range(120)))
    limits.store.close()
    assert sum(admitted) == IDENTIFIER.burst


def test_the_store_keeps_neither_addresses_nor_identifiers_nor_old_buckets(tmp_path: Path) -> None:
    clock = Hand()
    path = tmp_path / "public.db"
    store = Store(path, clock)
    limits = TypedLimits(store)
    limits.enter("203.0.113.7", UNKNOWN)
    with sqlite3.connect(path) as connection:
        dump = "\n".join(connection.iterdump())
    assert UNKNOWN not in dump
    assert "203.0.113" not in dump
    clock.now += timedelta(hours=2)
    with store.begin() as connection_:
        store.forget_empty(connection_)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM bucket").fetchone() == (0,)
    store.close()


def test_the_store_is_its_users_alone(tmp_path: Path) -> None:
    path = tmp_path / "public" / "public.db"
    Store(path, Hand()).close()
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert oct(path.parent.stat().st_mode & 0o777) == "0o700"


def test_hashes_need_the_stores_own_key(tmp_path: Path) -> None:
    one, other = Store(tmp_path / "1.db", Hand()), Store(tmp_path / "2.db", Hand())
    again = Store(tmp_path / "1.db", Hand())
    assert one.keyed_hash("link", "x") == again.keyed_hash("link", "x")
    assert one.keyed_hash("link", "x") != other.keyed_hash("link", "x")
    assert one.keyed_hash("link", "x") != one.keyed_hash("network", "x")
    for store in (one, other, again):
        store.close()
