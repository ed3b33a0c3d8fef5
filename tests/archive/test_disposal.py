"""What is over is disposed of by two persons, never under a hold, in all copies; what is left names nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from keys.canonical import strict_json
from keys.errors import Kind, VermilionError
from keys.time_stamp import verify_token
from registry.actor import Administrator, Duty
from registry.archive.disposal import ItemState, decide, due, items_of
from registry.archive.drill import restore_drill
from registry.archive.erasure import carry_out
from registry.archive.evidence import evidence_of, stamp_night, verified
from registry.archive.retention import decide_retention
from registry.archive.search import find, statistics
from registry.archive.stores import Stores
from registry.archive.sweep import sweep
from registry.archive.tables import ArchivePackage
from registry.archive.transfer_tables import ArchiveHandover, ArchiveHandoverItem
from registry.intake.tables import Case
from registry.licences.digests import link_digest
from registry.licences.fsck import fsck
from registry.licences.lookup import SqlLiveRegistry
from registry.licences.tables import Edition, Intent
from registry.licences.trust import trust_now
from registry.log.tables import Event, Leaf
from signing.check import check_file, check_scan, check_typed
from signing.credential import parse_link
from tests.archive.disposing import (
    approved,
    asked,
    carried_out,
    decided,
    disposal,
    ground,
    held,
    released,
    term_over,
    tombstones,
)
from tests.archive.faulty_stores import faulty_places
from tests.archive.keeping import NAMES, OutStore, copies, file_of, files, kept, packages, stores_of
from tests.archive.test_archiving import end, told
from tests.archive.test_audit import audited
from tests.archive.test_cases import closed, package_of
from tests.intake.casework import MATTER, open_desk
from tests.postgres import Backend
from tests.registry.copying import make_copy
from tests.registry.faults import Faults, Point, by_turns, fail, faulty
from tests.registry.issuing import issue_one
from tests.registry.test_document_stamps import download
from tests.registry.world import Ticker, World


def archived_case(world: World) -> ArchivePackage:
    """The package of a case whose term is over."""
    case_id = closed(open_desk(world), "refused")
    kept(world)
    package = package_of(world, case_id)
    term_over(world, package.number)
    return package


def ended_licence(world: World) -> str:
    """The number of a licence that was revoked, and whose term is over."""
    issued = issue_one(world)
    end(world, issued)
    kept(world)
    (number,) = {one.number for one in packages(world) if one.subject == issued.edition_id}
    term_over(world, number)
    return number


def nowhere(world: World, package: ArchivePackage) -> bool:
    return not any(package.id in str(path) for path in files(world))


def test_a_case_is_disposed_of_in_all_copies(world: World) -> None:
    package = archived_case(world)
    with Session(world.ports.database.read) as session:
        assert [one["number"] for one in due(session, world.today)] == [package.number]
    disposal_id = approved(world, package.number)
    done = carried_out(world)
    assert (done.disposed, done.done, done.outages) == ([package.number], [disposal_id], {})
    assert nowhere(world, package)
    assert copies(world, package.id) == dict.fromkeys(NAMES, "erased")
    (stone,) = tombstones(world)
    assert (stone.number, stone.subject, stone.title) == (
        package.number,
        package.subject,
        "食品经营许可（新办）",
    )
    assert stone.packages[package.id]["sha256"] == (package.sha256 or b"").hex()
    assert stone.disposed_at is not None
    with Session(world.ports.database.read) as session:
        case = session.get_one(Case, package.subject)
        assert (case.application, case.state) == (b"", "archived")
        salts = select(Leaf.salt).join(Event).where(Event.subject == package.subject)
        assert set(session.scalars(salts)) == {b""}
        assert list(due(session, world.today)) == []
    assert [one.subject for one in told(world, "package.disposed")] == [package.id]
    assert fsck(world.ports) == []
    assert not carried_out(world)  # nothing twice
    answer = world.get(f"/api/v1/cases/{package.subject}")
    assert (answer.status_code, answer.get_json()["reason"]) == (404, "record_disposed")


def test_nothing_of_anybody_is_left_anywhere(world: World) -> None:
    """Neither in a store nor in a column: the applicant's and the operator's names, as the form had them."""
    package = archived_case(world)
    number = ended_licence(world)
    with Session(world.ports.database.read) as session:
        public = session.scalars(select(Edition.public_record)).one()
    assert "样本" in public
    approved(world, package.number, number)
    carried_out(world)
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(Intent.record)).all() == [b""]
        (public,) = session.scalars(select(Edition.public_record))
    assert '"fields":{}' in public
    folder = world.ports.settings.documents_directory
    with Session(world.ports.database.read) as session:
        ids = session.scalars(select(Intent.id)).all()
    assert not [path for path in folder.rglob("*") if any(one in path.name for one in ids)]
    assert files(world) == set()
    assert fsck(world.ports) == []


def test_a_disposed_licence_still_has_its_status_and_no_content(world: World, clock: Ticker) -> None:
    issued = issue_one(world)
    identifier = issued.printout.record.identifier
    end(world, issued)
    kept(world)
    term_over(world)
    approved(world, packages(world)[0].number)
    assert len(carried_out(world).disposed) == 1
    shown = world.get(f"/api/v1/licences/{identifier}")
    assert (shown.status_code, shown.get_json()["reason"]) == (404, "record_disposed")
    document = world.get(f"/api/v1/licences/{identifier}/document")
    assert (document.status_code, document.get_json()["reason"]) == (404, "record_disposed")
    history = world.get(f"/api/v1/licences/{identifier}/history")
    assert history.status_code == 200
    kinds = [one["kind"] for one in history.get_json()["events"]]
    assert kinds == ["licence.issued", "licence.ended"]
    clock.advance(timedelta(days=1))
    assert fsck(world.ports) == []


def test_the_public_is_told_its_status_as_before_and_of_nobody(world: World) -> None:
    """By link, by typed code and by file; an annotated copy of it has gone the same way."""
    issued = issue_one(world)
    copied = make_copy(world, issued.printout.record.identifier)
    link, identifier = issued.link, issued.printout.record.identifier
    pdf = download(world, issued)
    end(world, issued)
    kept(world)
    term_over(world)
    now, trust = world.ports.clock(), trust_now(world.ports)
    live = SqlLiveRegistry(world.ports.database.read, world.ports.clock)

    def told_of() -> list[tuple[str, str, str]]:
        found = (
            check_scan(link, trust, live, None, now),
            check_file(pdf, trust, live, None, now),
            check_typed(identifier, issued.printout.lookup_code, live, now, trust),
            check_scan(copied.link, trust, live, None, now),
        )
        return [
            (
                one.verification.verdict.value,
                str(one.verification.how),
                one.verification.content.result.value,
            )
            for one in found
        ]

    before = told_of()
    assert {one[0] for one in before} == {"ended"}
    approved(world, packages(world)[0].number)
    assert len(carried_out(world).disposed) == 1
    assert told_of() == before
    licence = live.by_link_id(link_digest(parse_link(link).id_bytes))
    of_copy = live.by_link_id(link_digest(parse_link(copied.link).id_bytes))
    assert licence is not None
    assert of_copy is not None
    assert (licence.record.fields, of_copy.record.fields) == ({}, {})
    assert of_copy.copy is not None
    assert (of_copy.copy.annotation.purpose, of_copy.copy.annotation.recipient) == ("", "")
    assert fsck(world.ports) == []


def test_what_happens_to_it_later_is_not_archived_and_waits_for_nothing(world: World) -> None:
    number = ended_licence(world)
    approved(world, number)
    carried_out(world)
    with Session(world.ports.database.read) as session:
        identifier = session.scalars(select(Edition.identifier)).one()
    body = {
        "how": "cancelled", "legal_basis": "行政许可法第七十条", "reason_code": "formal", "operator": "window-03",
    }  # fmt: skip
    answer = world.post(f"/api/v1/licences/{identifier}/ending", body)
    assert answer.status_code in {200, 404}, answer.get_json()
    done = kept(world)
    assert (done.kept, done.deferred) == ([], {})
    assert fsck(world.ports) == []


def test_nobody_asks_and_approves(world: World) -> None:
    package = archived_case(world)
    disposal_id = asked(world, package.number)
    both = Administrator(world.system.person_id, Duty.SECURITY)
    for who, reason in ((both, "disabled"), (world.system, "duty")):
        with pytest.raises(VermilionError) as caught, world.ports.database.transaction() as session:
            decide(session, world.ports, who, disposal_id, ground(world), approve=True)
        assert (caught.value.kind, caught.value.reason) == (Kind.FORBIDDEN, reason)
    with world.ports.database.transaction() as session:
        session.execute(
            text("UPDATE archive_disposal SET asked_by = :one"), {"one": world.security.person_id}
        )
    with pytest.raises(VermilionError) as caught:
        decided(world, disposal_id)
    assert caught.value.reason == "same_person"
    assert not carried_out(world)
    assert not nowhere(world, package)


@pytest.mark.parametrize("when", ["before asking", "before approving", "before carrying out"])
def test_a_hold_stops_it_whenever_it_comes(world: World, when: str) -> None:
    package = archived_case(world)
    if when == "before asking":
        hold = held(world, package.number)
        with pytest.raises(VermilionError) as caught:
            asked(world, package.number)
        assert (caught.value.reason, caught.value.faults[0].reason) == ("not_due", "held")
        disposal_id = None
    else:
        disposal_id = asked(world, package.number)
        if when == "before carrying out":
            decided(world, disposal_id)
        hold = held(world, package.number)
        if when == "before approving":
            decided(world, disposal_id)
    done = carried_out(world)
    assert done.disposed == []
    assert not nowhere(world, package)
    assert tombstones(world) == []
    if disposal_id is not None:
        assert disposal(world, disposal_id).state == "done"  # with nothing but what was left out
        with Session(world.ports.database.read) as session:
            (item,) = items_of(session, disposal_id)
        assert (item.state, item.reason) == (ItemState.LEFT_OUT, "held")
    released(world, hold)
    approved(world, package.number)
    assert carried_out(world).disposed == [package.number]
    with pytest.raises(VermilionError) as caught:
        held(world, package.number)
    assert caught.value.reason == "disposed"
    assert fsck(world.ports) == []


def test_each_hold_is_released_by_itself(world: World) -> None:
    package = archived_case(world)
    first, second = held(world, package.number), held(world, package.number)
    released(world, first)
    with pytest.raises(VermilionError) as caught:
        released(world, first)
    assert caught.value.reason == "released"
    with pytest.raises(VermilionError):
        asked(world, package.number)
    released(world, second)
    asked(world, package.number)
    assert {one.detail["hold"] for one in told(world, "package.held")} == {first, second}
    assert [one.person_id for one in told(world, "package.released")] == [world.security.person_id] * 2


def test_what_is_kept_for_good_or_in_force_or_not_over_is_not_asked_for(world: World) -> None:
    issue_one(world)
    kept(world)
    (package,) = packages(world)

    def reason() -> str:
        with pytest.raises(VermilionError) as caught:
            asked(world, package.number)
        return caught.value.faults[0].reason

    assert reason() == "permanent"
    with world.ports.database.transaction() as session:
        session.execute(update(ArchivePackage).values(retention_until=world.today))
    assert reason() == "term"
    term_over(world)
    assert reason() == "in_force"


def test_a_number_is_on_one_open_list(world: World) -> None:
    package = archived_case(world)
    first = asked(world, package.number)
    with pytest.raises(VermilionError) as caught:
        asked(world, package.number)
    assert caught.value.faults[0].reason == "listed"
    assert decided(world, first, approve=False) == "refused"
    assert not carried_out(world)
    asked(world, package.number)
    with pytest.raises(VermilionError) as caught:
        decided(world, first)
    assert caught.value.reason == "disposal_state"


def test_a_store_that_is_out_leaves_it_open(world: World) -> None:
    package = archived_case(world)
    disposal_id = approved(world, package.number)
    half = Stores({"first": stores_of(world).by_name["first"], "second": OutStore()})
    for _ in range(2):
        done = carried_out(world, half)
        assert (done.disposed, done.done, list(done.outages)) == ([], [], ["second"])
    assert not file_of(world, package, "first").exists()
    assert file_of(world, package, "second").exists()
    (stone,) = tombstones(world)
    assert stone.disposed_at is None
    assert disposal(world, disposal_id).certificate is None
    assert fsck(world.ports) == []
    assert not audited(world, at_once=True)  # nothing is repaired that is being erased
    assert not file_of(world, package, "first").exists()
    assert carried_out(world).done == [disposal_id]
    assert nowhere(world, package)


def test_a_store_that_the_settings_name_no_more_is_not_passed_over(world: World) -> None:
    package = archived_case(world)
    approved(world, package.number)
    alone = Stores({"first": stores_of(world).by_name["first"]})
    assert carried_out(world, alone).outages["second"].reason == "archive_store"
    assert carried_out(world).disposed == [package.number]


def test_a_copy_that_comes_back_is_found_before_the_certificate(world: World) -> None:
    package = archived_case(world)
    path = file_of(world, package, "first")
    data = path.read_bytes()
    disposal_id = approved(world, package.number)
    ports = replace(world.ports, timestamper=_Out())
    with pytest.raises(VermilionError):
        carry_out(ports, stores_of(world))
    assert nowhere(world, package)
    path.write_bytes(data)  # a repair that was under way
    assert carried_out(world).done == [disposal_id]
    assert nowhere(world, package)


def test_what_lies_there_again_is_swept(world: World) -> None:
    package = archived_case(world)
    path = file_of(world, package, "second")
    data = path.read_bytes()
    approved(world, package.number)
    carried_out(world)
    path.write_bytes(data)
    assert sweep(world.ports, stores_of(world)).removed["second"] == 1
    assert nowhere(world, package)


def test_what_is_on_its_way_to_another_archive_waits_for_its_receipt(world: World) -> None:
    package = archived_case(world)
    now = world.ports.clock()
    with world.ports.database.transaction() as session:
        session.add(
            ArchiveHandover(
                id="ab" * 16, agency_code=package.agency_code, to_code="archives", to_name="样本省档案馆",
                made_at=now, state="waiting", packages=1, listed=b"{}", signed="", receipt=None,
                answered_at=None, accepted=None,
            )
        )  # fmt: skip
        session.flush()
        waiting = {"handover_id": "ab" * 16, "package_id": package.id, "state": "waiting", "reason": None}
        session.add(ArchiveHandoverItem(**waiting))
    with pytest.raises(VermilionError) as caught:
        asked(world, package.number)
    assert caught.value.faults[0].reason == "handover"
    with world.ports.database.transaction() as session:
        session.execute(update(ArchiveHandoverItem).values(state="handed_over"))
    asked(world, package.number)


def test_the_archive_s_api_knows_it(world: World) -> None:
    package = archived_case(world)
    approved(world, package.number)
    half = Stores({"first": stores_of(world).by_name["first"], "second": OutStore()})
    for stores, state, copy in ((half, "erasing", "erasing"), (stores_of(world), "disposed", "erased")):
        carried_out(world, stores)
        answer = world.get(f"/api/v1/archive/packages/{package.id}")
        assert answer.status_code == 200, answer.text
        told_of = answer.get_json()
        assert told_of["state"] == state
        assert {one["state"] for one in told_of["copies"]} == {copy}


class _Out:
    def stamp(self, digest: bytes, record: str, algorithm: str = "sha256") -> bytes:
        raise VermilionError(Kind.UNAVAILABLE, "no time-stamp", reason="time_stamp")

    def stamp_many(self, asked: object) -> list[bytes | VermilionError]:
        raise VermilionError(Kind.UNAVAILABLE, "no time-stamp", reason="time_stamp")


def test_the_certificate_is_kept_and_nobody_alters_it(world: World) -> None:
    package = archived_case(world)
    other = archived_case(world)
    disposal_id = approved(world, package.number, other.number)
    held(world, other.number)
    carried_out(world)
    row = disposal(world, disposal_id)
    assert row.certificate is not None
    assert row.token is not None
    trust = trust_now(world.ports)
    assert verify_token(row.token, sha256(row.certificate).digest(), trust=trust).gen_time
    with pytest.raises(VermilionError):
        verify_token(row.token, sha256(row.certificate + b" ").digest(), trust=trust)
    said = strict_json(row.certificate, max_bytes=100_000, max_depth=8)
    (one,) = said["disposed"]
    assert (one["number"], one["title"]) == (package.number, "食品经营许可（新办）")
    assert set(one["erased"]) == {*NAMES, "documents"}
    assert said["left_out"] == [{"number": other.number, "reason": "held"}]
    assert said["asked_by"]["id"] != said["approved_by"]["id"]
    assert "样本餐饮" not in row.certificate.decode()


def test_register_drill_audit_and_evidence_know_it(world: World, tmp_path: Path) -> None:
    package = archived_case(world)
    others = [issue_one(world).edition_id for _ in range(2)]
    kept(world)
    stamp_night(world.ports, at_once=True)
    approved(world, package.number)
    carried_out(world)
    trust = trust_now(world.ports)
    with Session(world.ports.database.read) as session:
        for one in packages(world):
            record = evidence_of(session, one.id)
            assert record is not None
            assert one.sha256 is not None
            assert verified(record, {"sha256": one.sha256}, trust).times
        (found,) = find(session, number=package.number)
        figures = [one for one in statistics(session) if one.get("state") == "disposed"]
    assert (found["state"], found["tombstone"]["title"]) == ("disposed", "食品经营许可（新办）")
    assert [one["packages"] for one in figures] == [1]
    assert not audited(world, at_once=True)
    drill = restore_drill(world.ports, stores_of(world), "first", tmp_path / "restored", None)
    assert (drill.faults, drill.report["restored"]) == ([], len(others))
    assert fsck(world.ports) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_is_disposed_of_as_it_is_read_is_not_lost(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, when: str
) -> None:
    """By an audit, and by a drill; before its bytes were read, and before that is put down."""
    real, left = Stores.read, [True]

    def meanwhile(stores: Stores, name: str, key: str) -> bytes | None:
        disposes = package.id in key and left and left.pop()
        if disposes and when == "before":
            carried_out(world)
        data = real(stores, name, key)
        if disposes and when == "after":
            carried_out(world)
        return data

    monkeypatch.setattr(Stores, "read", meanwhile)
    for look in ("audit", "drill"):
        left.clear()
        package = archived_case(world) if look == "audit" else package_ended(world)
        approved(world, package.number)
        left.append(True)
        if look == "audit":
            assert not audited(world, at_once=True)
        else:
            drill = restore_drill(world.ports, stores_of(world), "first", tmp_path / "restored", None)
            assert drill.faults == []
        assert left == []
        assert set(copies(world, package.id).values()) == {"erased"}
    assert told(world, "package.copy_lost") == []
    drill = restore_drill(world.ports, stores_of(world), "first", tmp_path / "again", None)
    assert drill.faults == []
    clock.advance(timedelta(days=1))
    assert fsck(world.ports) == []


def package_ended(world: World) -> ArchivePackage:
    """The package of a licence whose term is over."""
    number = ended_licence(world)
    return next(one for one in packages(world) if one.number == number)


def test_retention_is_decided_by_its_duty_with_a_ground(world: World) -> None:
    desk = open_desk(world)

    def decide_of(of: str, code: str, term: str, who: Administrator = world.system) -> None:
        with world.ports.database.transaction() as session:
            decide_retention(
                session, world.ports, who, of=of, code=code, retention=term, ground=ground(world)
            )

    for arguments, reason in (
        (("matter", "NONE", "10"), "matter_unknown"), (("type", "NONE", "10"), "type_unknown"),
        (("matter", MATTER, "11"), "retention"), (("matter", MATTER, "10", world.security), "duty"),
    ):  # fmt: skip
        with pytest.raises(VermilionError) as caught:
            decide_of(*arguments)
        assert caught.value.reason == reason
    decide_of("matter", MATTER, "30")
    decide_of("matter", MATTER, "10")
    case_id = closed(desk, "refused")
    kept(world)
    assert package_of(world, case_id).retention == "10"
    assert {one.detail["was"] for one in told(world, "retention.decided")} == {None, "30"}


@pytest.mark.parametrize(
    ("spoilt", "finding"),
    [
        ("UPDATE intake_case SET application = :nothing", "has no content and was not disposed of"),
        ("UPDATE leaf SET salt = :nothing", "has no salt and was not disposed of"),
        ("UPDATE archive_package SET state = 'disposed'", "and its tombstone do not agree"),
    ],
)
def test_fsck_finds_content_that_went_another_way(world: World, spoilt: str, finding: str) -> None:
    closed(open_desk(world), "refused")
    kept(world)
    with world.ports.database.transaction() as session:
        session.execute(text(spoilt), {"nothing": b""} if ":nothing" in spoilt else {})
    assert any(finding in one for one in fsck(world.ports))


def test_every_call_fails_once_in_turn(
    worlds: dict[Backend, World], clock: Ticker, tell: Callable[[str], None]
) -> None:
    """Each call to database and stores as a disposal is carried out: in the end it is disposed of once, and said
    to be only then.
    """
    calls: dict[Backend, list[str]] = {}
    for backend, world in worlds.items():
        approved(world, archived_case(world).number)
        counting = Faults()
        with faulty(world.ports, counting) as watched:
            assert carry_out(watched, faulty_places(stores_of(world), counting)).done
        calls[backend] = counting.calls
    for backend, points in by_turns(calls).items():
        later = sum(_disposed_though(worlds[backend], calls[backend], point) for point in points)
        tell(
            f"{backend}: {len(points)} of {len(calls[backend])} calls failed; {later} were disposed of later"
        )
        assert later > 0
        assert fsck(worlds[backend].ports) == []


def _disposed_though(world: World, calls: list[str], point: Point) -> bool:
    at, when = point
    package = archived_case(world)
    disposal_id = approved(world, package.number)
    faults = Faults(at=at, when=when, strike=fail)
    with faulty(world.ports, faults) as watched:
        try:
            carry_out(watched, faulty_places(stores_of(world), faults))
        except VermilionError as error:
            assert error.kind is Kind.UNAVAILABLE, calls[at - 1]
    assert faults.struck, calls[at - 1]
    row = disposal(world, disposal_id)
    later = row.state != "done"
    assert (row.certificate is None) == later
    if later:
        assert carried_out(world).done == [disposal_id], calls[at - 1]
    assert nowhere(world, package), calls[at - 1]
    assert [one.subject for one in told(world, "package.disposed")].count(package.id) == 1
    return later
