"""What happens to deliveries: tried again, given up, sent again; whatever receivers and workers do."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.agencies.tables import Client
from registry.log.tables import Event
from registry.outgoing import lanes
from registry.outgoing.attempts import Outcome, Tried
from registry.outgoing.lanes import LANES
from registry.outgoing.retries import (
    ATTEMPTS,
    FIRST_REST,
    LONGEST_QUIET,
    LONGEST_REST,
    OUT,
    PATIENCE,
    RETRIES,
)
from registry.webhooks import claims
from registry.webhooks import work as work_module
from registry.webhooks.claims import KEPT, LEASE, Claimed, sweep
from registry.webhooks.claims import Receiver as Endpoint
from registry.webhooks.tables import WebhookSecret
from tests.registry.faults import Faults, fail, faulty
from tests.registry.hooking import (
    Receiver,
    answering,
    endpoint,
    get,
    is_signed,
    permitting,
    post,
    receiver,
    rows,
    sent,
)
from tests.registry.issuing import Died, issue_one
from tests.registry.test_bodies import LICENCE_GROUND
from tests.registry.world import Ticker, World, on_sqlite

LONGEST = RETRIES[-1] * 1.3


@pytest.fixture
def hook(world: World) -> Iterator[Receiver]:
    permitting(world)
    with receiver() as made:
        yield made


def changes(world: World, count: int) -> str:
    """A licence that was issued and changed so often: its identifier."""
    identifier = issue_one(world).printout.record.identifier
    for number in range(count):
        act, more = (("resumption", {}), ("suspension", {"ground": "other"}))[1 - number % 2]
        answer = world.post(f"/api/v1/licences/{identifier}/{act}", LICENCE_GROUND | more)
        assert answer.status_code == 200, answer.get_data(as_text=True)
    return identifier


def test_one_that_fails_is_tried_again_later_under_its_id(
    world: World, clock: Ticker, hook: Receiver
) -> None:
    made = endpoint(world, hook.url)
    issue_one(world)
    replies = iter([500, 404, 204])
    hook.reply = lambda _call: next(replies)
    for attempt, usual in enumerate(RETRIES[:2], 1):
        assert (sent(world).failed, len(hook.calls)) == (1, attempt)
        clock.advance(usual - timedelta(seconds=1))
        assert not sent(world), "nothing is sent before it is due"
        clock.advance(usual / 5 + timedelta(seconds=1))
    assert (sent(world).delivered, sent(world).delivered) == (1, 0)
    assert len(hook.calls) == 3
    assert len(set(hook.ids)) == 1
    assert len({call.body for call in hook.calls}) == 1
    assert len({call.headers["webhook-timestamp"] for call in hook.calls}) == 3
    assert is_signed(hook.calls[-1], made["secret"], clock())
    (told,) = get(world, f"{made['id']}/deliveries")["deliveries"]
    assert (told["event"], told["state"], told["attempts"], told["status"]) == (
        hook.ids[0],
        "delivered",
        3,
        204,
    )
    assert told["due_at"] is None


def to_the_end(world: World, clock: Ticker, outcome: Outcome) -> None:
    while due := [row.due_at for row in rows(world) if row.due_at is not None]:
        clock.now = max(min(due), clock() + LONGEST_REST)
        sent(world, answering(outcome))


def test_what_was_tried_to_the_end_is_a_dead_letter_until_somebody_asks_for_it(
    world: World, clock: Ticker, hook: Receiver
) -> None:
    made = endpoint(world, hook.url)
    issue_one(world)
    deliveries = f"{made['id']}/deliveries"
    to_the_end(world, clock, Outcome(None, "timeout"))
    assert not sent(world)
    (dead,) = get(world, f"{deliveries}?state=dead")["deliveries"]
    assert (dead["state"], dead["attempts"], dead["status"], dead["reason"]) == (
        "dead",
        ATTEMPTS,
        None,
        "timeout",
    )
    assert hook.calls == []
    again = post(world, f"{deliveries}/{dead['event']}/redelivery", status=202)
    assert (again["state"], again["attempts"]) == ("waiting", 0)
    assert sent(world).delivered == 1
    assert hook.ids == [dead["event"]]
    assert get(world, f"{deliveries}/{dead['event']}")["state"] == "delivered"
    post(world, f"{deliveries}/{dead['event']}/redelivery", status=202)  # delivered ones too
    assert sent(world).delivered == 1
    assert hook.ids == [dead["event"]] * 2


def test_all_that_was_given_up_since_then_is_sent_again(world: World, clock: Ticker, hook: Receiver) -> None:
    made = endpoint(world, hook.url)
    for _ in range(3):
        issue_one(world)
        clock.advance(timedelta(hours=1))
    to_the_end(world, clock, Outcome(503, "status"))
    assert Counter(row.state for row in rows(world)) == {"dead": 3}
    second = rows(world)[1]
    since = f"{second.event_at.replace(microsecond=0, tzinfo=None).isoformat()}Z"
    told = post(world, f"{made['id']}/redelivery", {"since": since}, 202)
    assert told == {"endpoint": made["id"], "redelivered": 2}
    assert sent(world).delivered == 2
    assert sorted(hook.ids) == sorted(row.event_id for row in rows(world)[1:])
    assert post(world, f"{made['id']}/redelivery", {"since": since}, 202)["redelivered"] == 0
    with Session(world.ports.database.read) as session:
        events = session.scalars(select(Event).where(Event.kind == "webhook.redelivered")).all()
    assert [event.detail for event in events] == [{"events": 2}]


def test_who_is_gone_is_told_nothing_more(world: World, clock: Ticker, hook: Receiver) -> None:
    made = endpoint(world, hook.url)
    identifier = changes(world, 0)
    hook.reply = lambda _call: 410
    assert list(sent(world).ended) == [made["id"]]
    changes(world, 0)  # recorded for nobody
    clock.advance(LONGEST)
    assert not sent(world)
    assert sweep(world.ports) == 1
    (row,) = rows(world)
    assert (row.state, row.reason) == ("dead", "endpoint_disabled")
    assert get(world, made["id"])["state"] == "gone"
    assert (
        post(world, f"{made['id']}/deliveries/{row.event_id}/redelivery", status=409)["reason"]
        == "webhook_state"
    )
    hook.reply = lambda _call: 204
    assert post(world, f"{made['id']}/activation")["state"] == "active"
    assert not sent(world)
    post(world, f"{made['id']}/redelivery", {"since": "2026-11-20T00:00:00Z"}, 202)
    assert sent(world).delivered == 1
    assert hook.calls[-1].told["data"]["identifier"] == identifier
    with Session(world.ports.database.read) as session:
        wanted = select(Event.kind, Event.client_id).where(Event.subject == made["id"])
        said = [(kind, client is None) for kind, client in session.execute(wanted)]
    assert sorted(said) == [
        ("webhook.disabled", True),
        ("webhook.enabled", False),
        ("webhook.redelivered", False),
        ("webhook.registered", False),
    ]


def test_one_that_takes_nothing_for_days_is_told_nothing_more(
    world: World, clock: Ticker, hook: Receiver
) -> None:
    made = endpoint(world, hook.url)
    changes(world, 2)
    begun = clock()
    ended: dict[str, Any] = {}
    while not ended and clock() < begun + 2 * PATIENCE:
        ended = dict(sent(world, answering(Outcome(None, "unreachable"))).ended)
        clock.advance(timedelta(hours=6))
        if all(row.state == "dead" for row in rows(world)):
            changes(world, 0)
    assert list(ended) == [made["id"]]
    assert clock() > begun + PATIENCE
    told = get(world, made["id"])
    assert (told["state"], told["failing_since"]) == ("failing", "2026-11-20T02:30:00Z")


def test_a_receiver_that_says_when_is_left_alone_until_then(
    world: World, clock: Ticker, hook: Receiver
) -> None:
    """What it refused waits as long as it says, within a day; everything else for it, within an hour."""
    endpoint(world, hook.url)
    issue_one(world)
    assert sent(world, answering(Outcome(429, "status", timedelta(hours=5)))).failed == 1
    issue_one(world)
    clock.advance(LONGEST_QUIET - timedelta(seconds=1))
    assert not sent(world)
    clock.advance(timedelta(seconds=1))
    assert sent(world).delivered == 1
    clock.advance(timedelta(hours=5) - LONGEST_QUIET - timedelta(seconds=1))
    assert not sent(world)
    clock.advance(timedelta(seconds=1))
    assert sent(world).delivered == 1
    assert len(set(hook.ids)) == 2


def test_an_endpoint_that_is_out_rests_and_is_then_asked_by_one(
    world: World, clock: Ticker, hook: Receiver
) -> None:
    """While it is out no attempts are used up, and another endpoint notices nothing."""
    broken = endpoint(world, "http://127.0.0.1:9/hooks")
    good = endpoint(world, hook.url)
    changes(world, OUT + LANES + 3)
    events = OUT + LANES + 4
    asked: list[str] = []
    lock = threading.Lock()

    def sender(one: Claimed) -> Outcome:
        if one.receiver.id == good["id"]:
            return Outcome(204, None)
        with lock:
            asked.append(one.event_id)
        return Outcome(None, "unreachable")

    round_ = sent(world, sender)
    assert round_.delivered == events
    assert OUT <= len(asked) <= OUT + LANES
    untried = [row for row in rows(world) if row.endpoint_id == broken["id"] and row.attempt == 0]
    assert len(untried) == events - len(asked) > 0
    assert {row.due_at for row in untried} <= {clock(), *(row.event_at for row in untried)}, "given back"
    told = get(world, broken["id"])
    assert told["failures"] == len(asked)
    assert told["rest_until"] is not None
    before = len(asked)
    assert not sent(world, sender)
    clock.advance(timedelta(minutes=10))
    sent(world, sender)
    assert len(asked) == before + 1, "one probe"
    clock.advance(timedelta(minutes=10))
    assert sent(world, answering(Outcome(204, None))).delivered == events
    assert get(world, broken["id"])["failures"] == 0


@on_sqlite
def test_rests_of_an_endpoint_begin_short(world: World, clock: Ticker, hook: Receiver) -> None:
    made = endpoint(world, hook.url)
    changes(world, OUT - 1)
    assert sent(world, answering(Outcome(502, "status"))).failed == OUT
    told = get(world, made["id"])
    until = (clock() + FIRST_REST).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
    assert (told["failures"], told["rest_until"], told["failing_since"]) == (
        OUT,
        until,
        "2026-11-20T02:30:00Z",
    )


def test_a_slow_receiver_keeps_no_other_waiting(world: World, hook: Receiver) -> None:
    release = threading.Event()
    with receiver() as slow:

        def wait(handler: BaseHTTPRequestHandler) -> None:
            release.wait(120)
            handler.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")

        slow.reply = lambda _call: wait
        endpoint(world, slow.url)
        endpoint(world, hook.url)
        changes(world, 3 * LANES)
        done: list[Any] = []
        thread = threading.Thread(target=lambda: done.append(sent(world)), daemon=True)
        thread.start()
        arrived = threading.Event()

        def count(_call: object) -> int:
            if len(hook.calls) == 3 * LANES + 2:
                arrived.set()
            return 204

        hook.reply = count
        if len(hook.calls) < 3 * LANES + 1:
            hook.reply = count
        issue_one(world)  # while the slow one holds its threads
        assert arrived.wait(60)
        assert len(slow.calls) == LANES
        assert not done
        release.set()
        thread.join(60)
        assert done[0].delivered == 2 * (3 * LANES + 2)
    assert len(set(hook.ids)) == len(hook.ids)


def test_who_dies_between_sending_and_putting_down_has_it_sent_again_under_the_same_id(
    world: World, clock: Ticker, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint(world, hook.url)
    issue_one(world)

    def die(*_arguments: object) -> dict[str, Any]:
        raise Died

    with monkeypatch.context() as here:
        here.setattr(work_module, "put_down", die)
        with pytest.raises(Died):
            sent(world)
    assert len(hook.calls) == 1
    assert not sent(world), "its lease holds"
    clock.advance(LEASE)
    assert sent(world).delivered == 1
    assert len(hook.calls) == 2
    assert len(set(hook.ids)) == 1
    assert [(row.state, row.attempt) for row in rows(world)] == [("delivered", 1)]


def test_a_late_word_counts_no_more(world: World, clock: Ticker, hook: Receiver) -> None:
    """A worker that took longer than its lease; another has it by then."""
    endpoint(world, hook.url)
    issue_one(world)
    late: list[Any] = []

    def slow(_one: Claimed) -> Outcome:
        clock.advance(LEASE)
        late.append(sent(world))
        return Outcome(500, "status")

    assert sent(world, slow).failed == 1
    assert late[0].delivered == 1
    assert [(row.state, row.attempt) for row in rows(world)] == [("delivered", 1)]


@on_sqlite
def test_wherever_the_database_fails_every_event_is_told_under_its_one_id(
    world: World, clock: Ticker, hook: Receiver
) -> None:
    endpoint(world, hook.url)
    issue_one(world)
    with faulty(world.ports, counted := Faults()) as ports:
        assert work_module.deliver(ports, answering(Outcome(500, "status"))).failed == 1
    clock.advance(LONGEST)
    sent(world)
    assert len(counted.calls) > 8
    told = Counter(hook.ids)
    for at in range(1, len(counted.calls) + 1):
        event_id = changes(world, 0) and rows(world)[-1].event_id
        faults = Faults(at=at, strike=fail)
        with faulty(world.ports, faults) as ports:
            try:
                work_module.deliver(ports, answering(Outcome(204, None)))
            except VermilionError as error:
                assert error.reason == "database"
        clock.advance(LEASE)
        sent(world)
        row = next(row for row in rows(world) if row.event_id == event_id)
        assert row.state == "delivered", at
    assert set(told.values()) == {1}


def test_a_stop_lets_what_is_under_way_end_and_gives_the_rest_back(
    world: World, clock: Ticker, hook: Receiver
) -> None:
    endpoint(world, hook.url)
    changes(world, 2 * LANES)
    stop = threading.Event()

    def reply(_call: object) -> int:
        stop.set()
        return 204

    hook.reply = reply
    delivered = sent(world, stopped=stop.is_set).delivered
    assert 1 <= delivered == len(hook.calls) < 2 * LANES
    waiting = [row for row in rows(world) if row.state == "waiting"]
    assert {row.due_at for row in waiting} == {clock()}
    assert sent(world).delivered == len(waiting)
    assert len(set(hook.ids)) == len(hook.ids) == 2 * LANES + 1


def test_a_client_that_is_disabled_is_told_nothing(world: World, clock: Ticker, hook: Receiver) -> None:
    endpoint(world, hook.url)
    issue_one(world)
    with world.ports.database.transaction() as session:
        session.execute(update(Client).where(Client.id == world.clients["system"].id).values(active=False))
    assert not sent(world)
    assert sweep(world.ports) == 1
    with world.ports.database.transaction() as session:
        session.execute(update(Client).values(active=True))
    assert not sent(world)
    assert [row.state for row in rows(world)] == ["dead"]


def test_a_secret_that_was_altered_is_a_defect_of_one_endpoint_alone(world: World, hook: Receiver) -> None:
    broken = endpoint(world, hook.url + "/broken")
    endpoint(world, hook.url)
    issue_one(world)
    with world.ports.database.transaction() as session:
        wrong = update(WebhookSecret).where(WebhookSecret.endpoint_id == broken["id"])
        session.execute(wrong.values(secret=b"\x01\x00\x00\x00\x01" + bytes(60)))
    round_ = sent(world)
    assert round_.delivered == 1
    assert [one for one, _ in round_.defects] == [broken["id"]]
    assert [call.path for call in hook.calls] == ["/hooks"]


def test_a_defect_of_a_sender_keeps_no_other_waiting(world: World, clock: Ticker, hook: Receiver) -> None:
    endpoint(world, hook.url)
    changes(world, 1)
    first = rows(world)[0].event_id

    def sender(one: Claimed) -> Outcome:
        if one.event_id == first:
            raise MemoryError
        return Outcome(204, None)

    round_ = sent(world, sender)
    assert (round_.delivered, len(round_.defects)) == (1, 1)
    clock.advance(LEASE)
    assert sent(world).delivered == 1


def test_what_was_delivered_is_kept_for_a_while(world: World, clock: Ticker, hook: Receiver) -> None:
    endpoint(world, hook.url)
    issue_one(world)
    sent(world)
    clock.advance(KEPT - timedelta(seconds=1))
    assert (sweep(world.ports), len(rows(world))) == (0, 1)
    clock.advance(timedelta(seconds=1))
    assert (sweep(world.ports), len(rows(world))) == (1, 0)


def test_what_is_held_is_shared_between_endpoints_and_none_is_left_out(
    world: World, clock: Ticker, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "HELD", 4)
    for number in range(6):
        endpoint(world, f"{hook.url}/{number}")
    changes(world, 3)
    assert sent(world).delivered == 24
    assert len({call.path for call in hook.calls[:12]}) >= 4
    assert Counter(call.path for call in hook.calls) == {f"/hooks/{number}": 4 for number in range(6)}


def test_a_wish_to_be_left_alone_outlasts_what_comes_in_after_it(
    world: World, clock: Ticker, hook: Receiver
) -> None:
    """Of calls that were under way together one was told to wait; others, a moment later, failed or not."""
    made = endpoint(world, hook.url)
    issue_one(world)
    assert sent(world, answering(Outcome(503, "status", timedelta(minutes=20)))).failed == 1
    until = get(world, made["id"])["rest_until"]
    issue_one(world)
    (second,) = [row for row in rows(world) if row.attempt == 0]
    told = Claimed(Endpoint(made["id"], hook.url, 1), second.event_id, second.fence, 0, b"", (), clock())
    claims.put_down(world.ports, [Tried(told, Outcome(500, "status"), clock())])
    assert get(world, made["id"])["rest_until"] == until
