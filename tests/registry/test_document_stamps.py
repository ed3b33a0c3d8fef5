"""A licence issued in an outage of the time-stamps gets one appended, once, whatever fails on the way; and
licences that grow old get theirs for the archive.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.archive.content import erase_content
from registry.documents import document_key
from registry.licences.document_stamps import LONGEST_REST, StampReport, stamp_due
from registry.licences.fsck import fsck
from registry.licences.issued import Issued, read_issued
from registry.licences.lookup import SqlLiveRegistry
from registry.licences.recovery import recover
from registry.licences.tables import Document, DocumentStamp
from registry.licences.trust import trust_now
from registry.log.tables import Event, Leaf
from registry.seals.tables import KeyUse, TimeStamp
from registry.shared_parts import Part
from signing.check import check_file
from signing.document_time_stamp import lay_out
from signing.pdf_structure import read_pdf
from signing.strict_check import strict_check
from tests.postgres import Backend
from tests.registry.faults import Faults, Point, When, by_turns, fail, faulty, points_of
from tests.registry.issuing import Died, die, issue_one
from tests.registry.test_seals_impact import cancel, listed
from tests.registry.test_two_processes import both
from tests.registry.world import Ticker, World, on_sqlite
from tests.signing.sealing import NoStamps

MINUTE = timedelta(minutes=1)


def issue_in_outage(world: World) -> Issued:
    issued = issue_one(world, ports=replace(world.ports, timestamper=NoStamps()))
    assert issued.level == "B-B"
    return issued


def documents(world: World, edition_id: str) -> dict[str, Document]:
    with Session(world.ports.database.read) as session:
        rows = session.scalars(select(Document).where(Document.edition_id == edition_id)).all()
        session.expunge_all()
    return {row.kind: row for row in rows}


def stored(world: World, edition_id: str, attempt: int) -> bytes:
    data = world.ports.documents.get(document_key(edition_id, attempt))
    assert data is not None
    return data


def verdict(world: World, data: bytes) -> str:
    live = SqlLiveRegistry(world.ports.database.read, world.ports.clock)
    outcome = check_file(data, trust_now(world.ports), live, None, world.ports.clock())
    return outcome.verification.verdict.value


def offline(world: World, data: bytes) -> str:
    return check_file(
        data, trust_now(world.ports), None, None, world.ports.clock()
    ).verification.verdict.value


def download(world: World, issued: Issued) -> bytes:
    answer = world.get(f"/api/v1/licences/{issued.printout.record.identifier}/document")
    assert answer.status_code == 200
    return answer.get_data()


def test_an_outage_costs_the_level_until_time_stamps_are_back(world: World, clock: Ticker) -> None:
    issued = issue_in_outage(world)
    original = download(world, issued)
    assert sha256(original).digest() == issued.sha256
    clock.advance(MINUTE)
    report = stamp_due(replace(world.ports, timestamper=NoStamps()))
    assert (report.stamped, report.deferred, report.defects) == ([], [issued.edition_id], {})
    assert download(world, issued) == original
    assert fsck(world.ports) == []

    clock.advance(MINUTE)
    assert stamp_due(world.ports) == StampReport(stamped=[issued.edition_id])
    repaired = download(world, issued)
    assert repaired.startswith(original)
    assert len(repaired) > len(original)
    assert len(PdfFileReader(io.BytesIO(repaired)).embedded_timestamp_signatures) == 1
    told = world.get(f"/api/v1/licences/{issued.printout.record.identifier}").get_json()
    assert told["document"]["level"] == "B-T"
    assert told["document"]["sha256"] == sha256(repaired).hexdigest()

    again = read_issued(world.ports, issued.edition_id, replayed=True)  # what a replay answers with
    assert (again.sha256, again.level, again.link) == (issued.sha256, "B-B", issued.link)
    assert [verdict(world, data) for data in (original, repaired)] == ["valid", "valid"]
    assert [offline(world, data) for data in (original, repaired)] == ["genuine_offline"] * 2
    found = documents(world, issued.edition_id)
    second = clock.now.replace(microsecond=0)
    assert (found["original"].stamped_at, found["original"].stamped_by) == (None, None)
    assert found["time_stamped"].stamped_at == second
    with Session(world.ports.database.read) as session:
        event = session.scalars(select(Event).where(Event.kind == "licence.time_stamped")).one()
        assert event.subject == issued.edition_id
        assert event.detail["original"] == issued.sha256.hex()
        assert event.detail["document"] == sha256(repaired).hexdigest()
        assert session.scalars(select(Leaf).where(Leaf.event_id == event.id)).one()
    assert stamp_due(world.ports) == StampReport()
    assert fsck(world.ports) == []


def test_one_that_has_its_time_stamp_is_not_repaired(world: World) -> None:
    issued = issue_one(world)
    assert issued.level == "B-LT"
    assert stamp_due(world.ports) == StampReport()
    assert set(documents(world, issued.edition_id)) == {"original"}


def test_those_that_wait_longest_are_first_and_an_outage_is_asked_once(world: World, clock: Ticker) -> None:
    first = issue_in_outage(world)
    clock.advance(MINUTE)
    second = issue_in_outage(world)
    out = replace(world.ports, timestamper=NoStamps())
    assert stamp_due(out).deferred == [first.edition_id]
    assert stamp_due(out).deferred == [second.edition_id]
    assert not stamp_due(out)  # both are left alone for a while
    clock.advance(MINUTE)
    assert stamp_due(out).deferred == [first.edition_id]
    clock.advance(MINUTE)  # the first rests twice as long now
    assert stamp_due(world.ports).stamped == [second.edition_id]
    clock.advance(MINUTE)
    assert stamp_due(world.ports).stamped == [first.edition_id]


def test_a_document_that_is_lost_keeps_no_other_waiting(world: World, clock: Ticker) -> None:
    lost, whole = issue_in_outage(world), issue_in_outage(world)
    path = world.ports.settings.documents_directory / document_key(lost.edition_id)
    kept = path.read_bytes()
    path.unlink()
    clock.advance(MINUTE)
    report = stamp_due(world.ports)
    assert (report.stamped, report.deferred) == ([whole.edition_id], [lost.edition_id])
    path.write_bytes(kept)
    clock.advance(LONGEST_REST)
    assert stamp_due(world.ports).stamped == [lost.edition_id]
    assert fsck(world.ports) == []


def test_the_impact_list_shows_it_as_proof_of_its_own_moment(world: World, clock: Ticker) -> None:
    early, late = issue_in_outage(world), issue_in_outage(world)
    with world.ports.database.transaction() as session:  # the second is repaired after the seal's end
        later = update(DocumentStamp).where(DocumentStamp.edition_id == late.edition_id)
        session.execute(later.values(due_at=clock.now + timedelta(hours=2)))
    clock.advance(MINUTE)
    assert stamp_due(world.ports).stamped == [early.edition_id]
    clock.advance(MINUTE)
    cancel(world)
    clock.advance(timedelta(hours=3))
    assert stamp_due(world.ports).stamped == [late.edition_id]
    found = listed(world)
    assert found["totals"] == {"proven": 0, "own_word": 1, "unproven": 1, "after": 0}
    rows = {row["identifier"]: row for row in found["licences"]}
    row = rows[early.printout.record.identifier]
    assert (row["clock"], row["standing"]) == ("signer", "own_word")
    assert [p["kind"] for p in row["proofs"]] == ["own_tsa"]
    row = rows[late.printout.record.identifier]
    assert (row["clock"], row["standing"], row["proofs"]) == ("signer", "unproven", [])
    assert offline(world, stored(world, late.edition_id, 1)) == "genuine_offline"


def test_an_altered_one_is_altered_and_another_form_is_not_registered(world: World, clock: Ticker) -> None:
    issued = issue_in_outage(world)
    clock.advance(MINUTE)
    stamp_due(world.ports)
    original, data = stored(world, issued.edition_id, 0), stored(world, issued.edition_id, 1)
    size = len(original)
    (gap,) = (
        s.sig_object.raw_get("/Contents")
        for s in PdfFileReader(io.BytesIO(data)).embedded_timestamp_signatures
    )
    assert len(gap) > 1000
    token = data.index(b"<30", size) + 1
    for at in (
        50,
        size // 2,
        size - 3,
        size + 20,
        token + 700,
        token + 16000,
        len(data) - 150,
        len(data) - 3,
    ):
        changed = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        assert verdict(world, changed) == "altered", at
    # Our authority stamps for anybody: a second genuine form of the same original is not a registered one.
    revision = lay_out(read_pdf(original))
    with pytest.raises(VermilionError) as refused:
        world.ports.timestamper.stamp(revision.digest(), f"document-stamp:{issued.edition_id}:2")
    assert (refused.value.kind, refused.value.reason) == (Kind.KEY_REFUSED, "document_stamp")


def test_a_time_stamp_serves_the_attempt_on_record_and_its_digest_alone(world: World, clock: Ticker) -> None:
    issued = issue_in_outage(world)
    digest = lay_out(read_pdf(stored(world, issued.edition_id, 0))).digest()

    def refusal(over: bytes, record: str) -> str:
        with pytest.raises(VermilionError) as refused:
            world.ports.timestamper.stamp(over, record)
        assert refused.value.kind is Kind.KEY_REFUSED
        return refused.value.reason

    name = f"document-stamp:{issued.edition_id}"
    assert refusal(digest, f"{name}:1") == "document_stamp"  # nobody has begun
    with world.ports.database.transaction() as session:
        row = session.get_one(DocumentStamp, issued.edition_id)
        row.attempt, row.imprint, row.due_at = 3, digest, clock.now + MINUTE
    for over, record in (
        (digest, f"{name}:2"), (digest, f"{name}:4"), (bytes(32), f"{name}:3"), (digest, f"document-stamp:{'0' * 32}:3"),
    ):  # fmt: skip
        assert refusal(over, record) == "document_stamp"
    for record in (name, f"{name}:0", f"{name}:03", f"{name}:3 "):
        assert refusal(digest, record) == "record"
    clock.advance(MINUTE)
    assert refusal(digest, f"{name}:3") == "document_stamp"  # its lease is over
    with world.ports.database.transaction() as session:
        session.get_one(DocumentStamp, issued.edition_id).due_at = clock.now + MINUTE
    # each record serves once, refused or not: the custodian asks before it writes a use down
    assert world.ports.timestamper.stamp(digest, f"{name}:3")
    assert refusal(digest, f"{name}:3") == "record_used"
    with world.ports.database.transaction() as session:
        session.get_one(DocumentStamp, issued.edition_id).state = "done"
    assert refusal(digest, f"{name}:4") == "document_stamp"


class DiesAfterStoring:
    """A store whose process dies once the stamped form lies there."""

    def __init__(self, world: World, change: Callable[[bytes], bytes] = lambda data: data) -> None:
        self._inner, self._change = world.ports.documents, change

    def put_new(self, key: str, data: bytes) -> None:
        self._inner.put_new(key, self._change(data))
        raise Died

    def put_many(self, documents: Sequence[tuple[str, bytes]]) -> list[VermilionError | None]:
        raise AssertionError

    def share(self, *parts: Part) -> None:
        self._inner.share(*parts)

    def get(self, key: str) -> bytes | None:
        return self._inner.get(key)


def test_what_a_dead_process_stored_is_adopted(world: World, clock: Ticker) -> None:
    issued = issue_in_outage(world)
    with pytest.raises(Died):
        stamp_due(replace(world.ports, documents=DiesAfterStoring(world)))
    assert not stamp_due(world.ports)  # its lease still runs
    clock.advance(2 * MINUTE)
    out = replace(world.ports, timestamper=NoStamps())  # no second time-stamp is needed
    assert stamp_due(out).stamped == [issued.edition_id]
    assert download(world, issued) == stored(world, issued.edition_id, 1)
    assert fsck(world.ports) == []


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: b"", lambda data: data + b" "])
def test_what_does_not_verify_is_left_behind(
    world: World, clock: Ticker, change: Callable[[bytes], bytes]
) -> None:
    issued = issue_in_outage(world)
    with pytest.raises(Died):
        stamp_due(replace(world.ports, documents=DiesAfterStoring(world, change)))
    clock.advance(2 * MINUTE)
    assert stamp_due(world.ports).stamped == [issued.edition_id]
    assert download(world, issued) == stored(world, issued.edition_id, 2)
    assert fsck(world.ports) == []


def test_the_stamped_form_of_another_original_is_not_adopted(world: World, clock: Ticker) -> None:
    one, other = issue_in_outage(world), issue_in_outage(world)
    clock.advance(MINUTE)
    assert set(stamp_due(world.ports).stamped) == {one.edition_id, other.edition_id}
    third = issue_in_outage(world)
    with pytest.raises(Died):
        stamp_due(
            replace(
                world.ports, documents=DiesAfterStoring(world, lambda _: stored(world, one.edition_id, 1))
            )
        )
    clock.advance(2 * MINUTE)
    assert stamp_due(world.ports).stamped == [third.edition_id]
    assert download(world, third) == stored(world, third.edition_id, 2)


def test_a_licence_that_recovery_adopts_is_repaired_as_well(world: World, clock: Ticker) -> None:
    ports = replace(world.ports, timestamper=NoStamps())
    die(replace(world, ports=ports))
    clock.advance(2 * MINUTE)
    (adopted,) = recover(world.ports).adopted
    assert stamp_due(world.ports).stamped == [adopted]
    assert fsck(world.ports) == []


def test_two_processes_at_once_make_one(world: World) -> None:
    issued = issue_in_outage(world)
    said = both(world, "repair")
    assert said.count("done") == 1
    assert set(said) <= {"done", "nothing"}
    assert set(documents(world, issued.edition_id)) == {"original", "time_stamped"}
    with Session(world.ports.database.read) as session:
        assert session.scalar(select(func.count()).select_from(TimeStamp)) == 1
        told = select(func.count()).where(Event.kind == "licence.time_stamped")
        assert session.scalar(told) == 1
    assert fsck(world.ports) == []


@pytest.mark.long(short="test_every_call_fails_once_in_turn")
@pytest.mark.parametrize("when", ["before", "after"])
def test_every_call_fails_once(world: World, clock: Ticker, when: When, tell: Callable[[str], None]) -> None:
    calls = calls_of_one(world)
    tell(f"{when}: {fail_at(world, clock, calls, points_of(calls, when))}")


def test_every_call_fails_once_in_turn(
    worlds: dict[Backend, World], clock: Ticker, tell: Callable[[str], None]
) -> None:
    """Each on one of the databases, before it or after it."""
    calls = {backend: calls_of_one(world) for backend, world in worlds.items()}
    for backend, points in by_turns(calls).items():
        told = fail_at(worlds[backend], clock, calls[backend], points)
        tell(f"{backend}: {told}; the others on the other database, all of them on both by `make test-long`")


def calls_of_one(world: World) -> list[str]:
    issue_in_outage(world)
    counting = Faults()
    with faulty(world.ports, counting) as watched:
        assert len(stamp_due(watched).stamped) == 1
    return counting.calls


def fail_at(world: World, clock: Ticker, calls: list[str], points: list[Point]) -> str:
    """Append with a failure at each point in turn; what to tell of it."""
    kinds = Counter(name.split(maxsplit=1)[0] for name in calls)
    assert set(kinds) == {"read", "sql", "store", "time-stamp"}
    outcomes: Counter[str] = Counter()
    for at, when in points:
        name = calls[at - 1]
        issued = issue_in_outage(world)
        faults = Faults(at=at, when=when, strike=fail)
        with faulty(world.ports, faults) as watched:
            try:
                report = stamp_due(watched)
                assert report.defects == {}, name
            except VermilionError as error:
                assert error.kind is Kind.UNAVAILABLE, name
        assert faults.struck, name
        now = set(documents(world, issued.edition_id))
        outcomes["at once" if "time_stamped" in now else "later"] += 1
        clock.advance(2 * MINUTE)
        later = stamp_due(world.ports)
        assert (later.deferred, later.defects) == ([], {}), name
        assert set(documents(world, issued.edition_id)) == {"original", "time_stamped"}, name
    assert outcomes["later"] > 0
    with Session(world.ports.database.read) as session:
        repaired = session.scalar(select(func.count()).where(Document.kind == "time_stamped"))
        told = session.scalar(select(func.count()).where(Event.kind == "licence.time_stamped"))
        unfinished = session.scalar(select(func.count()).where(KeyUse.ended_at.is_(None)))
    assert repaired == told == 1 + sum(outcomes.values())
    assert fsck(world.ports) == []
    return f"{len(points)} of {len(calls)} calls {dict(kinds)} failed: {dict(outcomes)}; {unfinished} uses never ended"


@pytest.mark.parametrize("other", ["disposed", "registered"])
def test_a_form_that_is_not_registered_any_more_is_not_left_behind(
    world: World, clock: Ticker, other: str
) -> None:
    """What becomes of the edition while its stamped form is stored: a disposal would say that nothing is left."""
    issued = issue_in_outage(world)
    clock.advance(MINUTE)
    store = world.ports.documents

    class Slow(type(store)):  # type: ignore[misc]
        def __init__(self) -> None:
            pass

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def get(self, key: str) -> bytes | None:
            return store.get(key)

        def put_new(self, key: str, data: bytes) -> None:
            store.put_new(key, data)
            if other == "disposed":
                with world.ports.database.transaction() as session:
                    session.execute(update(DocumentStamp).values(state="refused"))
            else:
                clock.advance(world.ports.settings.lease)
                assert stamp_due(world.ports).stamped

    report = stamp_due(replace(world.ports, documents=Slow()))
    assert not report.stamped
    assert (store.get(document_key(issued.edition_id, 1)) is not None) is (other == "registered")


def test_disposal_takes_every_attempt_that_may_lie_there(world: World, clock: Ticker) -> None:
    issued = issue_in_outage(world)
    clock.advance(MINUTE)
    stamp_due(world.ports)
    with world.ports.database.transaction() as session:
        session.execute(update(DocumentStamp).values(attempt=3))
        keys = erase_content(session, "edition", issued.edition_id)
        session.rollback()
    assert {document_key(issued.edition_id, attempt) for attempt in range(4)} <= set(keys)


@pytest.mark.parametrize("fault", ["damaged", "gone", "other", "time", "event", "waiting"])
def test_fsck_finds_what_is_wrong_with_it(world: World, clock: Ticker, fault: str) -> None:
    issued = issue_in_outage(world)
    clock.advance(MINUTE)
    stamp_due(world.ports)
    assert fsck(world.ports) == []
    path = world.ports.settings.documents_directory / document_key(issued.edition_id, 1)
    with world.ports.database.transaction() as session:
        row: Any = session.scalars(select(Document).where(Document.kind == "time_stamped")).one()
        if fault == "damaged":
            whole = path.read_bytes()
            path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        elif fault == "gone":
            session.delete(row)
        elif fault == "other":
            row.store_key, row.size = document_key(issued.edition_id), issued.size
            row.sha256 = bytes(32)
        elif fault == "time":
            row.stamped_at += timedelta(seconds=1)
        elif fault == "event":
            event = session.scalars(select(Event).where(Event.kind == "licence.time_stamped")).one()
            session.delete(session.scalars(select(Leaf).where(Leaf.event_id == event.id)).one())
            session.flush()
            session.delete(event)
        else:
            session.get_one(DocumentStamp, issued.edition_id).state = "waiting"
    assert len(fsck(world.ports)) == 1


@on_sqlite  # PostgreSQL chooses by the size of a table
def test_the_queue_is_read_by_its_index(world: World) -> None:
    """However many documents there are, a round asks only for those that wait."""
    with world.ports.database.read.connect() as connection:
        plan = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT edition_id FROM document_stamp JOIN document USING (edition_id) "
            "WHERE state = 'waiting' AND due_at <= '2026-01-01' AND kind = 'original' ORDER BY due_at LIMIT 500"
        ).all()
    said = " ".join(str(row[3]) for row in plan)
    assert "ix_document_stamp_state_due_at" in said
    assert "SCAN" not in said
    assert "TEMP B-TREE" not in said


def test_strictly_checked_it_says_both_moments(world: World, clock: Ticker) -> None:
    issued = issue_in_outage(world)
    sealed = clock.now.replace(microsecond=0)
    clock.advance(10 * MINUTE)
    stamp_due(world.ports)
    evidence = strict_check(stored(world, issued.edition_id, 1), trust_now(world.ports), at=clock.now)
    assert evidence.sealed_at == sealed
    assert evidence.stamped_at == sealed + 10 * MINUTE
    assert evidence.original_sha256 == issued.sha256
