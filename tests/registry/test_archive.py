"""Documents grow old: they get time-stamps for the archive when they are due, once, whatever fails on the way."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from keys.profiles import PROFILES, ProfileName
from keys.trust_list import RENEW_AFTER
from registry.documents import document_key
from registry.licences.archive import pick_due, pick_one
from registry.licences.document_stamps import LONGEST_REST, StampReport, stamp_due
from registry.licences.fsck import fsck
from registry.licences.issued import ARCHIVED, ORIGINAL, TIME_STAMPED, Issued, read_issued
from registry.licences.tables import Document, DocumentStamp
from registry.licences.trust import trust_now
from registry.log.tables import Event, Leaf
from registry.ports import Ports
from registry.seals.authority import give_own_key
from registry.seals.renewal import REMAINING, renew_delegate, renew_due
from registry.seals.responder import Responder
from registry.seals.revocation_list import publish_due, publish_root_crl
from registry.seals.tables import KeyUse
from registry.seals.trust import publish_trust_list
from signing.strict_check import strict_check
from tests.postgres import Backend
from tests.registry.faults import Faults, Point, When, by_turns, fail, faulty, points_of
from tests.registry.issuing import Died, issue_one
from tests.registry.licensed_ca import licensed_ca
from tests.registry.outside_seal import in_use, trust
from tests.registry.test_document_stamps import (
    DiesAfterStoring,
    documents,
    download,
    issue_in_outage,
    offline,
    stored,
    verdict,
)
from tests.registry.test_seals_impact import cancel, listed
from tests.registry.world import Ticker, World, on_sqlite
from tests.signing.sealing import NoStamps

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
AFTER = 30
TSA = PROFILES[ProfileName.TSA].life


def archiving(ports: Ports, **changes: object) -> Ports:
    changed: dict[str, Any] = {"archive_after": AFTER, **changes}
    return replace(ports, settings=ports.settings.model_copy(update=changed))


def later(world: World, clock: Ticker, by: timedelta) -> None:
    """The background work goes on meanwhile, and a ceremony now and then."""
    clock.advance(by)
    renew_delegate(world.with_root())
    renew_due(world.ports)
    publish_root_crl(world.with_root())
    publish_due(world.ports)
    publish_trust_list(world.ports)


def archive_all(ports: Ports) -> StampReport:
    pick_due(ports)
    return stamp_due(ports)


def row_of(world: World, edition_id: str) -> DocumentStamp:
    with Session(world.ports.database.read) as session:
        row = session.get_one(DocumentStamp, edition_id)
        session.expunge_all()
    return row


def events(world: World, kind: str) -> list[Event]:
    with Session(world.ports.database.read) as session:
        found = session.scalars(select(Event).where(Event.kind == kind)).all()
        session.expunge_all()
    return list(found)


def test_a_document_is_archived_when_it_is_old_enough(world: World, clock: Ticker) -> None:
    issued = issue_one(world)
    original, ports = download(world, issued), archiving(world.ports)
    later(world, clock, AFTER * DAY - MINUTE)
    assert archive_all(ports) == StampReport()
    assert archive_all(world.ports) == StampReport()  # by default nothing is
    later(world, clock, MINUTE)
    assert archive_all(world.ports) == StampReport()
    assert archive_all(ports) == StampReport(stamped=[issued.edition_id])

    archived = download(world, issued)
    assert archived.startswith(original)
    assert len(PdfFileReader(io.BytesIO(archived)).embedded_timestamp_signatures) == 1
    told = world.get(f"/api/v1/licences/{issued.printout.record.identifier}").get_json()
    assert (told["document"]["level"], told["document"]["sha256"]) == ("B-LTA", sha256(archived).hexdigest())
    again = read_issued(world.ports, issued.edition_id, replayed=True)  # what a replay answers with
    assert (again.sha256, again.level, again.link) == (issued.sha256, issued.level, issued.link)
    assert [verdict(world, data) for data in (original, archived)] == ["valid", "valid"]
    assert [offline(world, data) for data in (original, archived)] == ["genuine_offline"] * 2

    found = documents(world, issued.edition_id)
    assert {kind: row.followed for kind, row in found.items()} == {ORIGINAL: True, ARCHIVED: False}
    now = clock.now.replace(microsecond=0)
    assert found[ARCHIVED].stamped_at == now != found[ORIGINAL].stamped_at
    evidence = strict_check(archived, trust_now(world.ports), at=clock.now)
    assert evidence.stamped_at == found[ORIGINAL].stamped_at
    assert [stamp.at for stamp in evidence.stamps] == [found[ORIGINAL].stamped_at, now]
    (event,) = events(world, "licence.archive_stamped")
    assert event.detail["original"] == event.detail["form"] == issued.sha256.hex()
    assert event.detail["document"] == sha256(archived).hexdigest()
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(Leaf).where(Leaf.event_id == event.id)).one()
    assert archive_all(ports) == StampReport()
    assert fsck(world.ports) == []


def test_a_repaired_one_is_archived_as_well(world: World, clock: Ticker) -> None:
    issued = issue_in_outage(world)
    clock.advance(MINUTE)
    assert stamp_due(world.ports).stamped == [issued.edition_id]
    repaired = download(world, issued)
    later(world, clock, (AFTER + 1) * DAY)
    assert archive_all(archiving(world.ports)).stamped == [issued.edition_id]
    assert download(world, issued).startswith(repaired)
    found = documents(world, issued.edition_id)
    assert {kind: row.level for kind, row in found.items()} == {
        ORIGINAL: "B-B", TIME_STAMPED: "B-T", ARCHIVED: "B-LTA",
    }  # fmt: skip
    assert row_of(world, issued.edition_id).attempt == 2
    assert fsck(world.ports) == []


def archived_one(world: World, clock: Ticker) -> Issued:
    issued = issue_one(world)
    later(world, clock, (AFTER + 1) * DAY)
    assert archive_all(archiving(world.ports)).stamped == [issued.edition_id]
    return issued


def test_it_is_renewed_under_another_authority_before_the_last_one_ends(world: World, clock: Ticker) -> None:
    issued = archived_one(world, clock)
    first, ports = download(world, issued), world.ports  # without VERMILION_ARCHIVE_AFTER
    started = clock.now
    later(world, clock, TSA * (1 - REMAINING) - (clock.now - started))  # the next authority is on record
    later(world, clock, RENEW_AFTER)
    assert archive_all(ports) == StampReport()
    later(world, clock, TSA - 364 * DAY - (clock.now - started))
    assert archive_all(ports).stamped == [issued.edition_id]
    second = download(world, issued)
    assert second.startswith(first)
    evidence = strict_check(second, trust_now(ports), at=clock.now)
    assert evidence.level == "B-LTA"
    assert len({stamp.by for stamp in evidence.stamps}) == 2
    assert archive_all(ports) == StampReport()
    assert len(events(world, "licence.archive_stamped")) == 2
    with Session(world.ports.database.read) as session:
        forms = session.scalars(select(Document).order_by(Document.registered_at)).all()
        assert [(one.kind, one.followed) for one in forms] == [
            (ORIGINAL, True), (ARCHIVED, True), (ARCHIVED, False),
        ]  # fmt: skip
    assert verdict(world, second) == "valid"
    assert fsck(world.ports) == []


def test_it_is_not_renewed_while_the_authority_that_serves_is_no_better(world: World, clock: Ticker) -> None:
    issued = archived_one(world, clock)
    assert archive_all(archiving(world.ports, archive_renew_days=1825)) == StampReport()
    retired = archiving(world.ports, archive_retired="p256-sha256")
    assert archive_all(retired) == StampReport()
    give_own_key(world.ports, ProfileName.TSA)
    publish_trust_list(world.ports)
    later(world, clock, RENEW_AFTER)
    assert archive_all(retired) == StampReport()  # the new one is of the same suite
    assert archive_all(archiving(world.ports)) == StampReport()
    assert set(documents(world, issued.edition_id)) == {ORIGINAL, ARCHIVED}


def test_one_that_is_named_is_archived_whatever_its_age(world: World, clock: Ticker) -> None:
    issued, other = issue_one(world), issue_one(world)
    identifier = issued.printout.record.identifier
    clock.advance(MINUTE)
    assert pick_one(world.ports, identifier) == issued.edition_id
    assert pick_one(world.ports, identifier) == issued.edition_id  # it waits already
    assert stamp_due(world.ports, issued.edition_id).stamped == [issued.edition_id]
    assert set(documents(world, other.edition_id)) == {ORIGINAL}

    def refusal(name: str) -> tuple[Kind, str]:
        with pytest.raises(VermilionError) as refused:
            pick_one(world.ports, name)
        return refused.value.kind, refused.value.reason

    assert refusal(identifier) == (Kind.CONFLICT, "archive_current")
    assert refusal("1.2.156.3005.2.1") == (Kind.NOT_FOUND, "licence_unknown")
    assert fsck(world.ports) == []


def test_the_oldest_are_first_and_a_round_is_bounded(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = []
    for _ in range(3):
        issued.append(issue_one(world).edition_id)
        clock.advance(MINUTE)
    later(world, clock, (AFTER + 1) * DAY)
    monkeypatch.setattr("registry.licences.archive.BATCH", 2)
    ports = archiving(world.ports)
    assert pick_due(ports) == 2
    assert stamp_due(ports).stamped == issued[:2]
    assert archive_all(ports).stamped == issued[2:]


def test_without_an_answer_about_the_certificates_it_waits(world: World, clock: Ticker) -> None:
    issued, bare = issue_one(world), issue_in_outage(world)
    with world.ports.database.transaction() as session:  # behind the other in the queue
        behind = update(DocumentStamp).where(DocumentStamp.edition_id == bare.edition_id)
        session.execute(behind.values(due_at=clock.now + AFTER * DAY + MINUTE))
    clock.advance(AFTER * DAY)  # and nobody renewed the responder, whose certificate lasts two weeks
    publish_trust_list(world.ports)
    pick_due(archiving(world.ports))
    clock.advance(MINUTE)
    report = stamp_due(world.ports)  # who wants no proofs does not wait
    assert (report.stamped, report.deferred) == ([bare.edition_id], [issued.edition_id])
    assert report.outage is not None
    assert report.outage.reason == "no_proofs"
    renew_due(world.ports)
    clock.advance(LONGEST_REST)
    assert stamp_due(world.ports).stamped == [issued.edition_id]


def without_validation_data(world: World) -> Issued:
    """Sealed while the responder had no key."""

    def nothing(*_: object) -> None:
        raise VermilionError(Kind.UNAVAILABLE, "no answer", reason="ocsp")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Responder, "answer", nothing)
        issued = issue_one(world)
    assert issued.level == "B-T"
    return issued


def test_a_seal_that_ended_keeps_only_what_was_never_proven_out(world: World, clock: Ticker) -> None:
    """At B-LT the seal was proven good when it sealed; at B-T nothing proves it any more."""
    proven, bare = issue_one(world), without_validation_data(world)
    clock.advance(MINUTE)
    cancel(world)
    before = listed(world)
    later(world, clock, (AFTER + 1) * DAY)
    ports = archiving(world.ports)
    report = archive_all(ports)
    assert report.stamped == [proven.edition_id]
    assert {name: one.reason for name, one in report.refused.items()} == {bare.edition_id: "not_provable"}
    assert row_of(world, bare.edition_id).state == "refused"
    assert archive_all(ports) == StampReport()  # and nobody tries again
    assert fsck(world.ports) == []
    assert pick_one(world.ports, bare.printout.record.identifier) == bare.edition_id  # but who asks for it
    assert list(stamp_due(ports).refused) == [bare.edition_id]
    # What proves that a seal was there first is the earliest time-stamp: the archive's, after its end, adds none.
    after = listed(world)
    assert after["totals"] == before["totals"]
    assert after["licences"] == before["licences"]


def test_one_sealed_without_validation_data_is_archived(world: World, clock: Ticker) -> None:
    bare = without_validation_data(world)
    later(world, clock, (AFTER + 1) * DAY)
    assert archive_all(archiving(world.ports)).stamped == [bare.edition_id]
    assert documents(world, bare.edition_id)[ARCHIVED].level == "B-LTA"


def test_an_outage_of_the_time_stamps_rests_and_a_lost_document_keeps_no_other_waiting(
    world: World, clock: Ticker
) -> None:
    lost, whole = issue_one(world), issue_one(world)
    later(world, clock, (AFTER + 1) * DAY)
    path = world.ports.settings.documents_directory / document_key(lost.edition_id)
    kept = path.read_bytes()
    path.unlink()
    ports = archiving(world.ports)
    out = archive_all(replace(ports, timestamper=NoStamps()))
    assert set(out.deferred) == {lost.edition_id, whole.edition_id}
    clock.advance(MINUTE)
    assert stamp_due(ports).stamped == [whole.edition_id]
    path.write_bytes(kept)
    clock.advance(LONGEST_REST)
    assert stamp_due(ports).stamped == [lost.edition_id]


def test_what_a_dead_process_stored_is_adopted(world: World, clock: Ticker) -> None:
    issued = issue_one(world)
    later(world, clock, (AFTER + 1) * DAY)
    ports = archiving(world.ports)
    with pytest.raises(Died):
        archive_all(replace(ports, documents=DiesAfterStoring(world)))
    assert not stamp_due(ports)  # its lease still runs
    clock.advance(2 * MINUTE)
    out = replace(ports, timestamper=NoStamps())  # no second time-stamp is needed
    assert stamp_due(out).stamped == [issued.edition_id]
    assert download(world, issued) == stored(world, issued.edition_id, 1)
    assert fsck(world.ports) == []


def test_the_form_before_is_not_taken_for_what_an_attempt_left(world: World, clock: Ticker) -> None:
    """The attempts of an edition count on: the last one's key has the form that is to be stamped."""
    issued = issue_in_outage(world)
    clock.advance(MINUTE)
    stamp_due(world.ports)
    clock.advance(MINUTE)
    pick_one(world.ports, issued.printout.record.identifier)
    assert stamp_due(world.ports).stamped == [issued.edition_id]
    assert (
        download(world, issued) == stored(world, issued.edition_id, 2) != stored(world, issued.edition_id, 1)
    )


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
    first = issue_one(world)
    pick_one(world.ports, first.printout.record.identifier)
    counting = Faults()
    with faulty(world.ports, counting) as watched:
        assert len(stamp_due(watched).stamped) == 1
    return counting.calls


def fail_at(world: World, clock: Ticker, calls: list[str], points: list[Point]) -> str:
    """Archive with a failure at each point in turn; what to tell of it."""
    kinds = Counter(name.split(maxsplit=1)[0] for name in calls)
    assert {"read", "sql", "store", "time-stamp"} <= set(kinds)
    outcomes: Counter[str] = Counter()
    for at, when in points:
        name = calls[at - 1]
        issued = issue_one(world)
        pick_one(world.ports, issued.printout.record.identifier)
        faults = Faults(at=at, when=when, strike=fail)
        with faulty(world.ports, faults) as watched:
            try:
                report = stamp_due(watched)
                assert (report.defects, report.refused) == ({}, {}), name
            except VermilionError as error:
                assert error.kind is Kind.UNAVAILABLE, name
        assert faults.struck, name
        outcomes["at once" if ARCHIVED in documents(world, issued.edition_id) else "later"] += 1
        clock.advance(LONGEST_REST)
        found = stamp_due(world.ports)
        assert (found.deferred, found.defects, found.refused) == ([], {}, {}), name
        assert set(documents(world, issued.edition_id)) == {ORIGINAL, ARCHIVED}, name
    assert outcomes["later"] > 0
    with Session(world.ports.database.read) as session:
        archived = session.scalar(select(func.count()).where(Document.kind == ARCHIVED))
        told = session.scalar(select(func.count()).where(Event.kind == "licence.archive_stamped"))
        unfinished = session.scalar(select(func.count()).where(KeyUse.ended_at.is_(None)))
    assert archived == told == 1 + sum(outcomes.values())
    assert fsck(world.ports) == []
    return f"{len(points)} of {len(calls)} calls {dict(kinds)} failed: {dict(outcomes)}; {unfinished} uses never ended"


@pytest.mark.parametrize("fault", ["gone", "time", "event", "waiting", "followed", "level"])
def test_fsck_finds_what_is_wrong_with_it(world: World, clock: Ticker, fault: str) -> None:
    issued = issue_one(world)
    clock.advance(MINUTE)
    pick_one(world.ports, issued.printout.record.identifier)
    stamp_due(world.ports)
    assert fsck(world.ports) == []
    with world.ports.database.transaction() as session:
        row = session.scalars(select(Document).where(Document.kind == ARCHIVED)).one()
        if fault == "gone":
            session.delete(row)
        elif fault == "time":
            row.stamped_at = documents(world, issued.edition_id)[ORIGINAL].stamped_at
        elif fault == "event":
            session.execute(
                update(Event).where(Event.kind == "licence.archive_stamped").values(subject="0" * 32)
            )
        elif fault == "waiting":
            session.get_one(DocumentStamp, issued.edition_id).state = "waiting"
        elif fault == "followed":
            row.followed = True
        else:
            row.level = "B-LT"
    assert fsck(world.ports)


@on_sqlite  # PostgreSQL chooses by the size of a table
@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("level = 'B-LT' AND registered_at <= '2026-01-01' ORDER BY registered_at", "registered_at"),
        ("level = 'B-LTA' AND stamped_by = 'ab'", "stamped_by"),
    ],
)
def test_what_is_due_is_found_by_an_index(world: World, condition: str, index: str) -> None:
    """However many documents there are, and whatever became of them."""
    with world.ports.database.read.connect() as connection:
        plan = connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN SELECT edition_id, sha256 FROM document "
            f"WHERE followed IS 0 AND {condition} LIMIT 500"
        ).all()
    said = " ".join(str(row[3]) for row in plan)
    assert f"ix_document_followed_level_{index}" in said
    assert "SCAN" not in said
    assert "TEMP B-TREE" not in said


def test_one_under_an_outside_certificate_is_archived_as_well(world: World, clock: Ticker) -> None:
    """Its authority's own answer goes with it, as it was when it sealed and as it is now."""
    with licensed_ca(clock) as ca:
        trust(world, ca)
        in_use(world, ca)
        issued = issue_one(world)
        clock.advance(MINUTE)
        pick_one(world.ports, issued.printout.record.identifier)
        assert stamp_due(world.ports).stamped == [issued.edition_id]
    found = documents(world, issued.edition_id)
    assert (issued.level, found[ARCHIVED].level) == ("B-LT", "B-LTA")
    assert verdict(world, download(world, issued)) == "valid"
    assert fsck(world.ports) == []
