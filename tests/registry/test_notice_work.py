"""What becomes of messages: written with what they tell of, handed over once, tried again, given up, erased;
whatever servers and workers do.
"""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Duty
from registry.agencies.tables import Client
from registry.licences.fsck import fsck
from registry.log.tables import Event
from registry.notices import administration
from registry.notices.claims import LEASE, Claimed, Waiting
from registry.notices.kinds import SMTP, Channel
from registry.notices.messages import Message
from registry.notices.rules import KEPT, Subject, Way, about, sweep, withdraw, write
from registry.notices.tables import Notice
from registry.notices.work import Adapter, Messenger
from registry.outgoing.attempts import Outcome
from registry.outgoing.retries import ATTEMPTS, LONGEST_REST, OUT, RETRIES
from registry.webhooks.tables import WebhookEndpoint
from registry.wsgi import start_background
from tests import warm
from tests.registry.delivering import notices, sent
from tests.registry.faults import Faults, fail, faulty
from tests.registry.hooking import endpoint, permitting, receiver
from tests.registry.mailing import Server, mail_server, mailing
from tests.registry.world import Ticker, World, on_sqlite
from tests.services.running import until

LIFE = timedelta(days=7)
TO = "lin.zhiyao@people.example"
SECRET = "x" * 43
VALUES = {
    "agency": "甲局",
    "licence": "食品经营许可证",
    "link": f"http://localhost/holder/pick-up/{SECRET}",
    "until": "x",
}


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    with mail_server() as made:
        mailing(world, made)
        yield made


def written(world: World, count: int = 1, life: timedelta = LIFE, way: Way | None = None) -> list[str]:
    """So many messages in the queue; their ids."""
    with world.ports.database.transaction() as session:
        return [
            write(
                session,
                world.ports,
                "pick_up",
                Subject("sample", f"{number:032}", world.codes["own"]),
                way or Way(Channel.SMTP, SMTP, TO),
                Message(TO if way is None else way.to, "en", VALUES),
                world.ports.clock() + life,
            ).id
            for number in range(count)
        ]


class Answering:
    """A channel that comes to an outcome, and notes what it was given."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes, self.given = list(outcomes), []  # type: ignore[var-annotated]
        self.lock = threading.Lock()

    def __call__(self, one: Claimed) -> Outcome:
        with self.lock:
            self.given.append(one)
            return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]

    def close(self) -> None:
        pass


def by(world: World, adapter: Adapter) -> Messenger:
    return Messenger(world.ports, {Channel.SMTP: adapter})


TAKEN, LATER = Outcome(250, None), Outcome(451, "status")
GONE = Outcome(None, "unreachable")


def test_a_message_is_handed_over_once_and_erased(world: World, server: Server) -> None:
    (notice_id,) = written(world)
    (row,) = notices(world)
    assert row.message is not None
    for plain in (TO, SECRET, "食品"):
        assert plain.encode() not in row.message, "encrypted"
    assert (sent(world).delivered, sent(world).delivered) == (1, 0)
    (letter,) = server.letters
    assert letter.mail["Message-ID"] == f"<{notice_id}@yunxi.example>"
    assert SECRET in letter.text
    (row,) = notices(world)
    assert (row.state, row.attempt, row.status, row.reason, row.message) == ("delivered", 1, 250, None, None)
    assert row.ended_at is not None
    assert fsck(world.ports) == []


def test_what_its_transaction_does_not_commit_is_not_sent(world: World, server: Server) -> None:
    with world.ports.database.transaction() as session:
        way = Way(Channel.SMTP, SMTP, TO)
        about_it = Subject("sample", "1" * 32, world.codes["own"])
        expires_at = world.ports.clock() + LIFE
        write(session, world.ports, "pick_up", about_it, way, Message(TO, "en", VALUES), expires_at)
        session.flush()
        session.rollback()
    assert not sent(world)
    assert server.letters == []


def test_one_that_fails_is_tried_again_later_under_its_id(
    world: World, clock: Ticker, server: Server
) -> None:
    (notice_id,) = written(world)
    replies = iter(["451 later", "450 greylisted"])
    server.say = lambda line: next(replies, None) if line.startswith("RCPT") else None
    for usual in RETRIES[:2]:
        assert sent(world).failed == 1
        clock.advance(usual - timedelta(seconds=1))
        assert not sent(world), "nothing is sent before it is due"
        clock.advance(usual / 5 + timedelta(seconds=1))
    assert sent(world).delivered == 1
    (letter,) = server.letters
    assert letter.mail["Message-ID"].startswith(f"<{notice_id}@")
    (row,) = notices(world)
    assert (row.state, row.attempt, row.message) == ("delivered", 3, None)


def test_what_was_tried_to_the_end_is_given_up_and_sent_again_where_somebody_asks_for_it(
    world: World, clock: Ticker, server: Server
) -> None:
    (notice_id,) = written(world)
    messenger = by(world, Answering(LATER))
    while due := [row.due_at for row in notices(world) if row.due_at is not None]:
        clock.now = max(due)
        messenger.deliver()
    (row,) = notices(world)
    assert (row.state, row.attempt, row.status, row.reason) == ("dead", ATTEMPTS, 451, "status")
    assert row.message is not None, "as long as it is of use"
    with Session(world.ports.database.read) as session:
        (dead,) = administration.dead_letters(session)
        (counted,) = administration.on_record(session)
    assert (dead["notice"], dead["attempts"], dead["erased"]) == (notice_id, ATTEMPTS, False)
    assert TO not in json.dumps([dead, counted])
    assert (counted["channel"], counted["state"], counted["messages"]) == ("smtp", "dead", 1)
    with world.ports.database.transaction() as session:
        administration.redeliver(session, world.ports, world.system, notice_id)
    with pytest.raises(VermilionError, match="waits already"), world.ports.database.transaction() as session:
        administration.redeliver(session, world.ports, world.system, notice_id)
    assert sent(world).delivered == 1
    assert len(server.letters) == 1
    with pytest.raises(VermilionError, match="erased"), world.ports.database.transaction() as session:
        administration.redeliver(session, world.ports, world.system, notice_id)
    with Session(world.ports.database.read) as session:
        (event,) = session.scalars(select(Event).where(Event.kind == "notice.redelivered"))
    assert (event.person_id, event.subject) == (world.admins[Duty.SYSTEM].id, notice_id)


def test_what_is_refused_for_good_is_not_tried_again(world: World, server: Server) -> None:
    written(world)
    server.say = lambda line: "550 no such mailbox" if line.startswith("RCPT") else None
    assert sent(world).failed == 1
    (row,) = notices(world)
    assert (row.state, row.status, row.reason) == ("dead", 550, "recipient_refused")
    server.say = lambda _line: None
    with world.ports.database.transaction() as session:
        assert administration.redeliver_dead(session, world.ports, world.system, row.created_at) == 1
    assert sent(world).delivered == 1
    with pytest.raises(VermilionError) as refused, world.ports.database.transaction() as session:
        administration.redeliver(session, world.ports, world.security, row.id)
    assert refused.value.kind is Kind.FORBIDDEN


def test_nothing_is_sent_once_it_expired_and_what_is_left_is_erased(
    world: World, clock: Ticker, server: Server
) -> None:
    written(world, life=timedelta(hours=1))
    clock.advance(timedelta(hours=1))
    assert not sent(world)
    assert sweep(world.ports) == 2
    (row,) = notices(world)
    assert (row.state, row.reason, row.message) == ("dead", "expired", None)
    written(world, life=timedelta(seconds=3))
    assert by(world, Answering(LATER)).deliver().failed == 1
    rows = notices(world)
    assert (rows[1].state, rows[1].reason) == ("dead", "status"), "the next attempt would be too late"
    assert rows[1].message is not None
    clock.advance(timedelta(seconds=3))
    sweep(world.ports)
    assert notices(world)[1].message is None
    with world.ports.database.transaction() as session:
        assert administration.redeliver_dead(session, world.ports, world.system, rows[0].created_at) == 0
    assert server.letters == []
    assert fsck(world.ports) == []
    clock.advance(KEPT - timedelta(seconds=4))
    assert (sweep(world.ports), len(notices(world))) == (0, 2)
    clock.advance(timedelta(seconds=4))
    assert (sweep(world.ports), notices(world)) == (2, [])


def test_what_was_delivered_is_looked_up_for_a_while(world: World, clock: Ticker, server: Server) -> None:
    written(world)
    sent(world)
    clock.advance(LIFE + KEPT - timedelta(seconds=1))
    assert (sweep(world.ports), len(notices(world))) == (0, 1)
    clock.advance(timedelta(seconds=1))
    assert (sweep(world.ports), len(notices(world))) == (1, 0)


def test_what_is_withdrawn_is_erased_and_not_sent(world: World, server: Server) -> None:
    written(world, 2)
    with world.ports.database.transaction() as session:
        withdraw(session, world.ports, "sample", f"{0:032}")
        withdraw(session, world.ports, "sample", f"{7:032}")
    assert sent(world).delivered == 1
    with Session(world.ports.database.read) as session:
        found = about(session, "sample", [f"{number:032}" for number in range(3)])
    first, second = found[f"{0:032}"], found[f"{1:032}"]
    assert len(found) == 2
    assert (first.state, first.reason, first.message) == ("dead", "withdrawn", None)
    assert second.state == "delivered"


def test_a_server_that_is_out_uses_up_few_attempts_and_rests(world: World, clock: Ticker) -> None:
    """While it is out it is asked by one, and what waits is not used up; and it is remembered from one round to the
    next.
    """
    written(world, 40)
    adapter = Answering(GONE)
    messenger = by(world, adapter)
    assert OUT <= messenger.deliver().failed <= OUT + 8
    tried = len(adapter.given)
    assert not messenger.deliver()
    clock.advance(LONGEST_REST)
    assert messenger.deliver().failed == 1, "one probe"
    clock.advance(LONGEST_REST)
    adapter.outcomes = [TAKEN]
    delivered = messenger.deliver().delivered
    clock.advance(timedelta(minutes=2))
    assert delivered + messenger.deliver().delivered == 40
    assert {row.state for row in notices(world)} == {"delivered"}
    assert len(adapter.given) == 40 + tried + 1


def test_many_refused_mailboxes_are_no_server_that_is_out(world: World) -> None:
    written(world, 3 * OUT)
    adapter = Answering(*[Outcome(550, "recipient_refused", final=True)] * (2 * OUT), TAKEN)
    assert by(world, adapter).deliver().delivered == OUT
    assert Counter(row.state for row in notices(world)) == {"dead": 2 * OUT, "delivered": OUT}


def test_channels_that_are_closed_leave_messages_waiting(world: World, server: Server) -> None:
    written(world)
    mailing(world, server, smtp_host="")
    assert not sent(world)
    assert [row.state for row in notices(world)] == ["waiting"]
    mailing(world, server)
    assert sent(world).delivered == 1


def test_an_agency_s_receiver_is_handed_messages_and_its_events_are_apart(
    world: World, clock: Ticker, server: Server
) -> None:
    permitting(world)
    with receiver() as hook:
        made = endpoint(world, hook.url, events=["notice"])
        way = Way(Channel.WEBHOOK, made["id"], "+86 138 0000 0000")
        first, second = written(world, 2, way=way)
        hook.reply = lambda call: 204 if call.id == first else 503
        round_ = sent(world)
        assert (round_.delivered, round_.failed) == (1, 1)
        assert {call.told["data"]["to"] for call in hook.calls} == {"+86 138 0000 0000"}
        assert [call.told["type"] for call in hook.calls] == ["notice.pick_up"] * 2
        with Session(world.ports.database.read) as session:
            kept = session.get_one(WebhookEndpoint, made["id"])
            assert (kept.failures, kept.rest_until) == (0, None)
        clock.advance(timedelta(hours=1))
        with world.ports.database.transaction() as session:
            session.execute(update(Client).values(active=False))
        assert not sent(world)
        assert sweep(world.ports) == 1
    rows = {row.id: row for row in notices(world)}
    assert (rows[first].state, rows[first].message) == ("delivered", None)
    assert (rows[second].state, rows[second].reason) == ("dead", "endpoint_disabled")
    assert fsck(world.ports) == []


def test_a_message_that_was_altered_keeps_no_other_waiting(world: World, server: Server) -> None:
    broken, _ = written(world, 2)
    with world.ports.database.transaction() as session:
        wrong = update(Notice).where(Notice.id == broken)
        session.execute(wrong.values(message=b"\x01\x00\x00\x00\x01" + bytes(60)))
    round_ = sent(world)
    assert (round_.delivered, [receiver for receiver, _ in round_.defects]) == (1, [SMTP])
    assert fsck(world.ports) == [f"notice {broken} has a message that cannot be read (record_damaged)"]


@on_sqlite
def test_what_does_not_fit_is_found(world: World) -> None:
    first, second = written(world, 2)
    with world.ports.database.transaction() as session:
        wrong = update(Notice).where(Notice.id == first)
        session.execute(wrong.values(message=b"", state="delivered", receiver="e" * 32))
        session.execute(update(Notice).where(Notice.id == second).values(message=None))
    assert set(fsck(world.ports)) == {
        f"notice {first} is to go to a receiver that is not its agency's",
        f"notice {first} is delivered, and its times do not say so",
        f"notice {first} was delivered, and its message is not erased",
        f"notice {second} waits and has no message",
    }


def test_a_defect_of_a_channel_keeps_no_other_waiting(world: World, clock: Ticker) -> None:
    first, second = written(world, 2)

    class Broken(Answering):
        def __call__(self, one: Claimed) -> Outcome:
            if one.id == first:
                raise MemoryError
            return super().__call__(one)

    round_ = by(world, Broken(TAKEN)).deliver()
    assert (round_.delivered, len(round_.defects)) == (1, 1)
    clock.advance(LEASE)
    adapter = Answering(TAKEN)
    assert by(world, adapter).deliver().delivered == 1
    assert [one.id for one in adapter.given] == [first]
    assert second != first


def test_a_late_word_counts_no_more(world: World, clock: Ticker) -> None:
    """A worker that took longer than its lease; another has it by then."""
    written(world)

    class Slow(Answering):
        def __call__(self, one: Claimed) -> Outcome:
            clock.advance(LEASE)
            assert by(world, Answering(TAKEN)).deliver().delivered == 1
            return LATER

    assert by(world, Slow(LATER)).deliver().failed == 1
    assert [(row.state, row.attempt) for row in notices(world)] == [("delivered", 1)]


def test_a_stop_lets_what_is_under_way_end_and_gives_the_rest_back(world: World, clock: Ticker) -> None:
    written(world, 30)
    stop = threading.Event()

    class Stopping(Answering):
        def __call__(self, one: Claimed) -> Outcome:
            stop.set()
            return super().__call__(one)

    adapter = Stopping(TAKEN)
    delivered = by(world, adapter).deliver(stop.is_set).delivered
    assert 1 <= delivered == len(adapter.given) < 30
    assert {row.due_at for row in notices(world) if row.state == "waiting"} == {clock()}
    assert by(world, adapter).deliver().delivered == 30 - delivered
    assert len({one.id for one in adapter.given}) == 30


@on_sqlite
def test_wherever_the_database_fails_a_message_is_handed_over_under_its_one_id(
    world: World, clock: Ticker
) -> None:
    written(world)
    with faulty(world.ports, counted := Faults()) as ports:
        assert Messenger(ports, {Channel.SMTP: Answering(TAKEN)}).deliver().delivered == 1
    assert len(counted.calls) > 4
    for at in range(1, len(counted.calls) + 1):
        (notice_id,) = written(world)
        adapter = Answering(TAKEN)
        with faulty(world.ports, Faults(at=at, strike=fail)) as ports:
            try:
                Messenger(ports, {Channel.SMTP: adapter}).deliver()
            except VermilionError as error:
                assert error.reason == "database"
        clock.advance(LEASE)
        by(world, adapter).deliver()
        assert {one.id for one in adapter.given} == {notice_id}
        row = next(row for row in notices(world) if row.id == notice_id)
        assert (row.state, row.message) == ("delivered", None), at


def worked(world: World, server: Server, count: int, kill_after: int = 0) -> list[int]:
    """So many workers at once, each with claims of its own before either sends anything; how they ended."""
    settings, now = world.ports.settings, world.ports.clock().isoformat()
    order = (str(settings.data), settings.database_url, now, str(server.port), str(kill_after))
    with ExitStack() as stack:
        running = [
            stack.enter_context(warm.talking("tests.registry.notice_process", *order)) for _ in range(count)
        ]
        for process in running:
            assert process.said.readline() == "claimed\n"
        for process in running:
            print(file=process.told, flush=True)
        return [int(process.said.read()) for process in running]


def ids(server: Server) -> Counter[str]:
    return Counter(str(letter.mail["Message-ID"]) for letter in server.letters)


def test_two_workers_hand_each_message_over_once(world: World, server: Server) -> None:
    written(world, 30)
    assert worked(world, server, 2) == [0, 0]
    assert set(ids(server).values()) == {1}
    assert len(ids(server)) == 30
    assert {(row.state, row.message) for row in notices(world)} == {("delivered", None)}


def test_what_a_killed_worker_had_handed_over_is_handed_over_again_under_the_same_id(
    world: World, clock: Ticker, server: Server
) -> None:
    """Nothing is lost; what came twice came under one Message-ID."""
    written(world, 3)
    assert worked(world, server, 1, kill_after=2) == [-signal.SIGKILL]
    before = ids(server)
    assert sum(before.values()) >= 2
    assert not sent(world), "its leases hold"
    clock.advance(LEASE)
    assert sent(world).delivered == 3
    assert len(ids(server)) == 3
    assert {message for message, count in ids(server).items() if count == 2} == set(before)
    assert fsck(world.ports) == []


def test_a_service_hands_over_what_waits_and_stops_when_told(
    world: World, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within a second or so; the log says how much, and to nobody's address."""
    stop = threading.Event()
    threads = start_background(world.ports, stop)
    try:
        server.say = lambda line: "451 later" if line.startswith("RCPT") and not server.letters else None
        written(world)
        until(lambda: any(row.attempt == 1 for row in notices(world)), "the first is tried")
        server.say = lambda _line: None
        written(world)
        until(lambda: any(row.state == "delivered" for row in notices(world)), "the second is handed over")
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    said = [(line["delivered"], line["failed"]) for line in lines if line["event"] == "notices"]
    assert said in ([(0, 1), (1, 0)], [(1, 1)])  # in one round, where it was long in coming
    told: dict[str, Any]
    for told in lines:
        assert TO not in json.dumps(told)
        assert SECRET not in json.dumps(told)


def test_waiting_is_a_queue_of_what_is_open(world: World) -> None:
    written(world)
    assert Waiting(world.ports, ()).due() == []
    assert [lane.id for lane in Waiting(world.ports, [Channel.SMTP]).due()] == [SMTP]
