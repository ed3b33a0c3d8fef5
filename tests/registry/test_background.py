"""What the API's process does beside answering, from its start until it is told to stop."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.profiles import PROFILES, ProfileName
from registry import background
from registry.intake.moves import Action, CaseState
from registry.licences.fsck import fsck
from registry.licences.issued import ARCHIVED, TIME_STAMPED
from registry.licences.tables import Document, Intent
from registry.seals.keys import Pieces
from registry.seals.renewal import REMAINING, renew_delegate
from registry.seals.tables import Key, PublishedTrustList
from registry.seals.trust import publish_trust_list
from registry.wsgi import start_background
from tests.intake.casework import TO_HANDLING, found, open_desk, step, taken
from tests.intake.exchanging import connect, retrievals, source
from tests.registry.batching import sent, told
from tests.registry.hooking import endpoint, get, permitting, receiver
from tests.registry.issuing import die, issue_one
from tests.registry.test_archive import archiving, later
from tests.registry.test_document_stamps import documents
from tests.registry.world import Ticker, World
from tests.services.running import until
from tests.signing.sealing import NoStamps


def test_a_start_settles_what_was_left_and_publishes_what_is_due(world: World, clock: Ticker) -> None:
    """A licence whose process died is adopted, one without a time-stamp gets it, a batch is issued, and a trust
    list past a third of its life is signed again.
    """
    bare = issue_one(world, ports=replace(world.ports, timestamper=NoStamps()))
    die(world)
    before = latest(world)
    clock.advance(timedelta(days=3))
    batch_id = sent(world, 1)
    stop = threading.Event()
    threads = start_background(world.ports, stop)
    try:
        until(lambda: told(world, batch_id)["state"] == "done", "the batch is issued")
        until(lambda: states(world) == ["done"] * 3, "the intent is adopted")
        until(lambda: stamped(world) == [bare.edition_id], "the time-stamp is appended")
        until(lambda: latest(world) == before + 1, "the trust list is published")
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert [thread.name for thread in threads] == [
        "receipts",
        "outside-status",
        "document-stamps",
        "archive",
        "archive-audit",
        "scheduled-changes",
        "batches",
        "cases",
        "retrievals",
        "webhooks",
        "notices",
        "figures",
        "checks",
        "status-lists",
        "recovery",
        "trust-list",
    ]
    assert not any(thread.is_alive() for thread in threads)
    assert fsck(world.ports) == []


def test_a_start_renews_what_is_due_and_lists_it(world: World, clock: Ticker) -> None:
    clock.advance(PROFILES[ProfileName.QR].life * (1 - REMAINING))
    renew_delegate(world.with_root())
    stop = threading.Event()
    threads = start_background(world.ports, stop)
    try:
        until(lambda: listed(world) == 4, "the new QR keys are in the trust list")
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


def test_what_happens_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Within a second or so, and the log says how much and not where."""
    permitting(world)
    stop = threading.Event()
    with receiver() as hook:
        made = endpoint(world, f"{hook.url}?key=not-to-be-logged")
        threads = start_background(world.ports, stop)
        try:
            issue_one(world)
            until(lambda: len(hook.calls) == 1, "the licence is told")
            hook.reply = lambda _call: 410
            issue_one(world)
            until(lambda: get(world, made["id"])["state"] == "gone", "the receiver is gone")
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    said = [line for line in lines if line["event"].startswith("webhook")]
    rounds = [(line["delivered"], line["failed"]) for line in said if line["event"] == "webhooks"]
    assert rounds in ([(1, 0), (0, 1)], [(1, 1)])  # in one round, where it was long in coming
    (gone,) = (line for line in said if line["event"] == "webhook_disabled")
    assert (gone["endpoint"], gone["state"]) == (made["id"], "gone")
    assert all("not-to-be-logged" not in json.dumps(line) for line in lines)


def test_what_is_old_is_archived(world: World, clock: Ticker) -> None:
    old = issue_one(world)
    later(world, clock, timedelta(days=2))
    stop = threading.Event()
    threads = start_background(archiving(world.ports, archive_after=1), stop)
    try:
        until(lambda: ARCHIVED in documents(world, old.edition_id), "the old document is archived")
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert fsck(world.ports) == []


def stamped(world: World) -> list[str]:
    with Session(world.ports.database.read) as session:
        return list(session.scalars(select(Document.edition_id).where(Document.kind == TIME_STAMPED)))


def listed(world: World) -> int:
    with Session(world.ports.database.read) as session:
        keys = select(func.count()).select_from(Key).where(Key.purpose == "qr", Key.listed_at.is_not(None))
        return session.scalars(keys).one()


def test_no_failure_ends_the_publishing_of_the_trust_list(
    world: World, clock: Ticker, capsys: pytest.CaptureFixture[str]
) -> None:
    """A defect in one round is logged by kind and place, and the next round is held all the same."""
    before = latest(world)
    rounds: list[int] = []

    def failing_once(pieces: Pieces) -> int:
        rounds.append(1)
        if len(rounds) == 1:
            raise MemoryError("what nobody foresaw")
        return publish_trust_list(pieces)

    clock.advance(timedelta(days=3))
    stop = threading.Event()
    thread = threading.Thread(
        target=background.keep,
        args=(
            {"trust_list_not_published": lambda: failing_once(world.ports)},
            stop,
            timedelta(milliseconds=1),
        ),
        daemon=True,
    )
    thread.start()
    try:
        until(lambda: latest(world) == before + 1 or not thread.is_alive(), "the trust list is published")
        assert thread.is_alive()
    finally:
        stop.set()
        thread.join(30)
    said = json.loads(capsys.readouterr().err.splitlines()[0])
    assert (said["event"], said["kind"]) == ("trust_list_not_published", "MemoryError")
    assert said["where"][-1].startswith("test_background.py:")


def states(world: World) -> list[str]:
    with Session(world.ports.database.read) as session:
        return list(session.scalars(select(Intent.state)))


def latest(world: World) -> int:
    with Session(world.ports.database.read) as session:
        return session.scalars(select(func.max(PublishedTrustList.sequence))).one() or 0


def test_a_material_is_retrieved_while_a_source_hangs(world: World) -> None:
    """The API's process looks for what others have; whoever hangs keeps no licence from being issued."""
    with source(world.ports.clock) as made:
        made.reply = lambda _path, _asked: lambda _handler: made.stop.wait(60)
        plain = open_desk(world)
        other = taken(plain, *TO_HANDLING)  # of which nobody knows anything
        desk = connect(plain, made.url)
        case_id = taken(desk, Action.SUBMIT)
        stop = threading.Event()
        threads = start_background(desk.ports, stop)
        try:
            until(lambda: bool(made.asked), "the source is asked")
            step(desk, other, Action.PERMIT)
            until(lambda: found(desk, other).state == CaseState.DONE, "the licence is issued")
            assert retrievals(desk, case_id)[0].state == "waiting"
        finally:
            made.stop.set()
            stop.set()
            for thread in threads:
                thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
