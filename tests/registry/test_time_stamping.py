"""Time-stamps for whoever asks: over HTTP, under the policy, once a serial, never back in time."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from keys.custodian import KeyRef, Kind, SignRequest
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.profiles import POLICY_TSA
from keys.time_source import GivenClock
from keys.time_stamp import verify_token
from keys.tsp import MAX_REQUEST_BYTES, QUERY_TYPE, REPLY_TYPE, FailInfo
from keys.tst_info import StampAttributes, encode_attributes, encode_policy, encode_tst_info, message_imprint
from registry.database import Database
from registry.licences.fsck import fsck
from registry.licences.trust import trust_now
from registry.seals.authority import time_stamp_authority
from registry.seals.custody import registry_policy
from registry.seals.stamping import RegistryTimeStamper, time_stamper
from registry.seals.tables import Certificate, Key, KeyUse, TimeStamp
from registry.seals.time_stamp_policy import PATIENCE
from registry.seals.time_stamping import time_stamp_reply
from tests import warm
from tests.keys.requests import Said, imprint, read, request
from tests.registry.issuing import issue_one
from tests.registry.test_idempotency import at_once
from tests.registry.world import START, Ticker, World, on_sqlite

DIGEST = bytes(range(32))
TRUE = b"\x01\x01\xff"
QUERY = request(TRUE)
SECOND = timedelta(seconds=1)
MOMENT = START.replace(microsecond=0)


def ask(stamper: RegistryTimeStamper, body: bytes = QUERY) -> Said:
    status, content_type, response = time_stamp_reply(stamper, body, QUERY_TYPE)
    assert (status, content_type) == (200, REPLY_TYPE)
    return read(response)


def count(world: World, table: type[TimeStamp | KeyUse]) -> int:
    found = select(func.count()).select_from(table)
    if table is KeyUse:
        found = found.where(KeyUse.kind == Kind.TIME_STAMP.value)
    with Session(world.ports.database.read) as session:
        return session.scalars(found).one()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in found if line["event"] == "time_stamp_not_given"]


def test_a_token_is_on_record_and_one_of_ours(world: World) -> None:
    said = ask(time_stamper(world.ports))
    assert said.status == "granted"
    assert said.token is not None
    stamp = verify_token(said.token, DIGEST, trust=trust_now(world.ports))
    assert stamp.gen_time == START.replace(microsecond=0)
    with Session(world.ports.database.read) as session:
        row = session.get_one(TimeStamp, f"{stamp.serial:x}")
        assert (row.gen_time, row.info) == (stamp.gen_time, said.info.dump())
        assert row.record == f"time-stamp:{stamp.serial:x}"
        use = session.scalars(select(KeyUse).where(KeyUse.record == row.record)).one()
        assert (use.key_id, use.signed) == (row.key_id, True)


@on_sqlite
@pytest.mark.parametrize(
    ("content_type", "size", "status"),
    [
        (QUERY_TYPE, None, 200),
        ("Application/Timestamp-Query; charset=binary", None, 200),
        (None, None, 415),
        ("", None, 415),
        ("application/octet-stream", None, 415),
        (REPLY_TYPE, None, 415),
        (QUERY_TYPE, 0, 200),
        (QUERY_TYPE, MAX_REQUEST_BYTES, 200),
        (QUERY_TYPE, MAX_REQUEST_BYTES + 1, 413),
    ],
)
def test_http_says_what_is_http_s_and_the_response_the_rest(
    world: World, content_type: str | None, size: int | None, status: int
) -> None:
    stamper = time_stamper(world.ports)
    body = QUERY if size is None else bytes(size)
    found, found_type, response = time_stamp_reply(stamper, body, content_type)
    assert found == status
    if status == 200:
        assert found_type == REPLY_TYPE
        said = read(response)
        assert said.fail_info is (None if size is None else FailInfo.BAD_DATA_FORMAT)
    else:
        assert found_type.startswith("text/plain")
        assert count(world, TimeStamp) == 0


@on_sqlite
def test_a_request_that_is_refused_leaves_nothing_on_record(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ask(time_stamper(world.ports), request(stamped=imprint("md5", 16)))
    assert said.fail_info is FailInfo.BAD_ALG
    assert (count(world, TimeStamp), count(world, KeyUse)) == (0, 0)
    assert lines(capsys) == []


@on_sqlite
def test_a_database_that_is_out_is_a_system_failure_and_logged(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    away = Database.open(f"sqlite:///{tmp_path}/nowhere/registry.db")
    stamper = time_stamper(replace(world.ports, database=away))
    said = ask(stamper)
    assert (said.fail_info, said.text) == (
        FailInfo.SYSTEM_FAILURE, "the authority cannot answer now; try again later",
    )  # fmt: skip
    (line,) = lines(capsys)
    assert (line["fail_info"], line["reason"], line["code"]) == (
        "system_failure", "database", "SQLITE_CANTOPEN",
    )  # fmt: skip


@on_sqlite
def test_a_key_that_cannot_be_had_is_a_system_failure_and_logged(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tsa_key(world)
    (world.ports.settings.keys_directory / f"{key.id}.key").unlink()
    assert ask(time_stamper(world.ports)).fail_info is FailInfo.SYSTEM_FAILURE
    assert [line["reason"] for line in lines(capsys)] == ["key_unusable"]


@on_sqlite
@pytest.mark.parametrize("change", [{"state": "retired"}, {"listed_at": None}])
def test_no_key_that_does_not_serve_stamps(world: World, change: dict[str, Any]) -> None:
    stamper = time_stamper(world.ports)
    assert ask(stamper).status == "granted"
    with world.ports.database.transaction() as session:
        session.execute(update(Key).where(Key.purpose == "tsa").values(**change))
    assert ask(stamper).fail_info is FailInfo.SYSTEM_FAILURE
    assert count(world, KeyUse) == 1


# --- what the policy permits ---------------------------------------------------------------------------


def tsa_key(world: World) -> KeyRef:
    with Session(world.ports.database.read) as session:
        return time_stamp_authority(session, world.ports.clock()).key


@dataclass
class Draft:
    """A token as it stands on record, and its signed attributes; each may be made to differ."""

    key_id: str
    certificate: bytes
    serial: int = 5
    inner_serial: int = 5
    record: str = "time-stamp:5"
    gen_time: datetime = MOMENT
    inner_time: datetime = MOMENT
    policy: str = POLICY_TSA

    def info(self) -> bytes:
        return encode_tst_info(
            encode_policy(self.policy), message_imprint(DIGEST), self.inner_serial, self.inner_time
        )

    def attributes(self) -> bytes:
        digest = sha256(self.info()).digest()
        return encode_attributes(StampAttributes(digest, sha256(self.certificate).digest()))

    def write(self, world: World) -> None:
        row = {
            "serial": f"{self.serial:x}", "key_id": self.key_id, "record": self.record,
            "gen_time": self.gen_time, "info": self.info(),
        }  # fmt: skip
        with world.ports.database.transaction() as session:
            session.execute(insert(TimeStamp), [row])


def draft(world: World) -> Draft:
    with Session(world.ports.database.read) as session:
        tsa = time_stamp_authority(session, world.ports.clock())
    assert tsa.certificate is not None
    return Draft(tsa.key.id, tsa.certificate)


def permitted(world: World, data: bytes, record: str = "time-stamp:5", ref: KeyRef | None = None) -> str:
    policy = registry_policy(
        world.ports.database, world.ports.clock, world.ports.settings.tz, world.ports.vault
    )
    try:
        policy(ref or tsa_key(world), [SignRequest(Kind.TIME_STAMP, data, record)])
    except VermilionError as error:
        assert error.kind is ErrorKind.KEY_REFUSED
        return error.reason
    return "permitted"


def test_what_is_on_record_is_permitted_under_its_own_record_and_key(world: World) -> None:
    right = draft(world)
    assert permitted(world, right.attributes()) == "time_stamp"
    right.write(world)
    assert permitted(world, right.attributes()) == "permitted"
    for record in ("time-stamp:6", "time-stamp:05", "time-stamp:", "time-stamp:5 ", f"intent:{'a' * 32}"):
        assert permitted(world, right.attributes(), record) in {"time_stamp", "record"}
    with Session(world.ports.database.read) as session:
        others = session.execute(select(Key.id, Key.purpose).where(Key.purpose != "tsa")).all()
    assert others
    for key_id, _purpose in others:
        assert permitted(world, right.attributes(), ref=replace(tsa_key(world), id=key_id)) == "key_state"


WRONG: dict[str, Callable[[Draft], Draft]] = {
    "back in time": lambda d: replace(d, inner_time=d.inner_time - timedelta(days=365)),
    "back in time, on record too": lambda d: replace(
        d, inner_time=MOMENT - PATIENCE - SECOND, gen_time=MOMENT - PATIENCE - SECOND
    ),
    "in the future": lambda d: replace(
        d, inner_time=MOMENT + PATIENCE + SECOND, gen_time=MOMENT + PATIENCE + SECOND
    ),
    "another serial inside": lambda d: replace(d, inner_serial=6),
    "another serial on record": lambda d: replace(d, serial=6),
    "another serial altogether": lambda d: replace(d, serial=6, inner_serial=6),
    "another policy": lambda d: replace(d, policy="1.2.3"),
    "another key": lambda d: replace(d, key_id="f" * 32),
}


@on_sqlite
@pytest.mark.parametrize("wrong", WRONG)
def test_nothing_that_differs_from_its_record_is_permitted(world: World, wrong: str) -> None:
    changed = WRONG[wrong](draft(world))
    changed.write(world)
    assert permitted(world, changed.attributes()) == "time_stamp"


@on_sqlite
def test_no_time_stamp_names_another_s_certificate(world: World) -> None:
    right = draft(world)
    right.write(world)
    with Session(world.ports.database.read) as session:
        others = session.scalars(select(Certificate.der).where(Certificate.key_id != right.key_id)).all()
    for der in others:
        right.certificate = der or b""
        assert permitted(world, right.attributes()) == "time_stamp"


@on_sqlite
def test_an_intent_s_time_stamp_is_on_record_too_and_of_this_moment(world: World) -> None:
    issued = issue_one(world)
    assert issued.level == "B-LT"
    with Session(world.ports.database.read) as session:
        row = session.scalars(select(TimeStamp)).one()
    assert row.record == f"intent:{issued.edition_id}"
    assert row.serial.startswith("1")  # 01: not of those that others ask for


# --- time, across restarts and processes ---------------------------------------------------------------


def test_no_time_goes_back_across_a_restart(
    world: World, clock: Ticker, capsys: pytest.CaptureFixture[str]
) -> None:
    clock.advance(timedelta(minutes=5))
    assert ask(time_stamper(world.ports)).status == "granted"
    clock.advance(timedelta(minutes=-5))
    said = ask(time_stamper(world.ports))
    assert said.fail_info is FailInfo.TIME_NOT_AVAILABLE
    assert [line["reason"] for line in lines(capsys)] == ["clock"]
    assert count(world, TimeStamp) == 1
    clock.advance(timedelta(minutes=5))
    assert ask(time_stamper(world.ports)).status == "granted"


@on_sqlite
def test_a_clock_that_stepped_back_costs_a_licence_its_level_alone(world: World, clock: Ticker) -> None:
    clock.advance(2 * SECOND)
    assert issue_one(world).level == "B-LT"
    clock.advance(-2 * SECOND)
    ports = replace(world.ports, timestamper=time_stamper(world.ports))
    assert issue_one(world, key="k2", ports=ports).level == "B-B"
    assert fsck(world.ports) == []


@on_sqlite
def test_a_time_source_that_is_lost_gives_no_time(world: World) -> None:
    class Lost:
        def read(self) -> Any:
            raise VermilionError(ErrorKind.UNAVAILABLE, "no time", reason="clock")

    stamper = RegistryTimeStamper(
        world.ports.database, world.ports.custodian, clock=world.ports.clock, time=Lost(),
        random=world.ports.random,
    )  # fmt: skip
    assert ask(stamper).fail_info is FailInfo.TIME_NOT_AVAILABLE
    assert count(world, TimeStamp) == 0


def test_threads_that_draw_the_same_serials_give_each_once(world: World) -> None:
    """Chance repeats itself: every thread draws the same serials, in the same order."""
    tries, threads = 4, 4

    def stamps() -> list[Said]:
        drawn = iter(n.to_bytes(16, "big") for n in range(1, tries + 1))
        stamper = RegistryTimeStamper(
            world.ports.database, world.ports.custodian, clock=world.ports.clock,
            time=GivenClock(world.ports.clock), random=lambda _size: next(drawn),
        )  # fmt: skip
        return [ask(stamper) for _ in range(tries)]

    said = [one for results in at_once([stamps] * threads) for one in results]
    granted = [one.info["serial_number"].native for one in said if one.status == "granted"]
    assert sorted(granted) == sorted({*granted})
    assert len(granted) == tries
    failed = {one.fail_info for one in said if one.status != "granted"}
    assert failed == {FailInfo.SYSTEM_FAILURE}
    assert count(world, TimeStamp) == count(world, KeyUse) == tries


def test_two_processes_give_each_serial_once_and_no_time_before_another(world: World) -> None:
    tries = 8
    url, data = world.ports.settings.url, world.ports.settings.data

    def run(seed: str) -> list[list[str]]:
        arguments = ("tests.registry.stamping_process", str(data), url, str(tries), seed)
        with ExitStack() as stack:
            running = [stack.enter_context(warm.talking(*arguments)) for _ in range(2)]
            for process in running:
                print(file=process.told, flush=True)
            return [process.said.read().split("\n")[:-1] for process in running]

    both = run("same")  # the same serials in both
    told = [line for lines_of_one in both for line in lines_of_one]
    granted = [bytes.fromhex(line.removeprefix("granted ")) for line in told if line.startswith("granted")]
    assert len(granted) == tries
    assert told.count("system_failure") == tries
    own = run("")
    granted += [bytes.fromhex(line.removeprefix("granted ")) for lines_of_one in own for line in lines_of_one]
    trust = trust_now(world.ports)
    stamps = [verify_token(token, DIGEST, trust=trust) for token in granted]
    assert len({stamp.serial for stamp in stamps}) == len(stamps) == 3 * tries
    for lines_of_one in own:
        times = [
            verify_token(bytes.fromhex(line.removeprefix("granted ")), DIGEST, trust=trust).gen_time
            for line in lines_of_one
        ]
        assert times == sorted(times)
    # This process's clock is behind theirs: it gives no time until it is not.
    assert ask(time_stamper(world.ports)).fail_info is FailInfo.TIME_NOT_AVAILABLE
    assert count(world, TimeStamp) == 3 * tries
