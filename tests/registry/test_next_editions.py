"""Amend, renew, correct, replace: the next edition takes the place of the one before, in one commit or not at all."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.licences.fsck import fsck
from registry.licences.issued import read_document
from registry.licences.operations import NEXT_EDITIONS, NextEdition
from registry.licences.publish import own_files, put_into_service
from registry.licences.reading import read
from registry.licences.recovery import recover
from registry.licences.status_changes import changes_of, lists_that_wait
from registry.licences.succession import _taken_over, printed_photo
from registry.licences.tables import Document, Edition, Intent, Succession
from registry.log.tables import Event
from registry.samples import sample_requests
from registry.seals.trust import publish_trust_list
from signing.codes import parse_identifier
from signing.status_list import Value
from tests.registry.issuing import LEASE, Died, Store, food_number, issue_one, request_body
from tests.registry.jointly import seal_of_other
from tests.registry.next_editions import next_body, next_edition
from tests.registry.test_status import change
from tests.registry.world import Ticker, World, on_postgresql, on_sqlite
from tests.signing import printing
from tests.signing.forms import FOOD

LATER = date(2031, 12, 31)  # later than any first edition ends, and no more than five years ahead


def refused(*args: Any, **more: Any) -> VermilionError:
    with pytest.raises(VermilionError) as caught:
        next_edition(*args, **more)
    return caught.value


def edition_of(world: World, identifier: str) -> Edition:
    with Session(world.ports.database.read) as session:
        return session.scalars(select(Edition).where(Edition.identifier == identifier)).one()


def events_of(world: World, identifier: str) -> Sequence[Event]:
    with Session(world.ports.database.read) as session:
        edition = select(Edition.id).where(Edition.identifier == identifier).scalar_subquery()
        return session.scalars(
            select(Event).where(Event.subject == edition).order_by(Event.recorded_at)
        ).all()


def test_an_amended_licence_keeps_serial_and_number_and_has_all_else_anew(
    world: World, clock: Ticker
) -> None:
    first = issue_one(world)
    clock.advance(timedelta(days=40))
    publish_trust_list(world.ports)
    second = next_edition(
        world, "amend", first.printout.record.identifier, fields={"premises": "云溪省样本市西湖路9号"}
    )
    before, after = first.printout.record, second.printout.record
    old, new = parse_identifier(before.identifier), parse_identifier(after.identifier)
    assert (new.serial, new.edition) == (old.serial, 2)
    assert (after.number, after.edition, after.valid_to) == (before.number, 2, before.valid_to)
    assert after.fields["premises"] == "云溪省样本市西湖路9号"
    assert {n: v for n, v in after.fields.items() if n not in {"premises", "issue_date"}} == {
        n: v for n, v in before.fields.items() if n not in {"premises", "issue_date"}
    }
    assert after.issue_date == world.today  # a new decision, dated today
    assert first.link.partition("#")[0] != second.link.partition("#")[0]
    assert first.printout.lookup_code != second.printout.lookup_code
    ended, holds = edition_of(world, before.identifier), edition_of(world, after.identifier)
    assert (ended.status, ended.how, ended.since, ended.status_version) == (
        "ended",
        "replaced",
        world.today,
        2,
    )
    assert (holds.status, holds.since, holds.licence_id) == ("in_force", world.today, ended.licence_id)
    with Session(world.ports.database.read) as session:
        actor = world.actor("system", "officer")
        read_before, read_after = (
            read(world.ports, actor, one.identifier).edition for one in (before, after)
        )
        assert read_before.next == after.identifier
        assert (read_after.previous, read_after.operation) == (before.identifier, "amend")
        (waits,) = lists_that_wait(session)
        assert Value.REPLACED in changes_of(session, waits, 10)[1].values()
    issued, replaced = events_of(world, before.identifier)
    (amended,) = events_of(world, after.identifier)
    assert [one.kind for one in (issued, replaced, amended)] == [
        "licence.issued", "licence.replaced", "licence.issued",
    ]  # fmt: skip
    assert replaced.detail["next"] == after.identifier
    assert (amended.detail["operation"], amended.detail["previous"]) == ("amend", before.identifier)
    for told in (replaced, amended):
        assert (told.legal_basis, told.reason_code) == ("食品经营许可和备案管理办法 第三十条", "changed")
        assert (told.operator, told.effective_from) == ("window-03", world.today)
    assert fsck(world.ports) == []


def test_a_chain_of_every_operation(world: World, clock: Ticker) -> None:
    identifier = issue_one(world).printout.record.identifier
    first_day = edition_of(world, identifier).valid_from
    told = []
    for days, operation, changes in (
        (20, "amend", {"fields": {"representative": "样本甲"}}),
        (3, "correct", {"fields": {"representative": "样本乙"}}),
        (9, "replace", {}),
        (30, "renew", {"fields": {"valid_to": LATER.isoformat()}}),
    ):
        clock.advance(timedelta(days=days))
        publish_trust_list(world.ports)
        issued = next_edition(world, operation, identifier, **changes)  # type: ignore[arg-type]
        record, identifier = issued.printout.record, issued.printout.record.identifier
        told.append((operation, record.edition, record.issue_date, record.valid_from, record.valid_to))
    day = first_day
    until = told[0][4]
    amended, renewed = day + timedelta(days=20), day + timedelta(days=62)
    assert told == [
        ("amend", 2, amended, day, until),
        ("correct", 3, amended, day, until),  # says when it was decided, not when it was mended
        ("replace", 4, amended, day, until),  # says what the lost paper said
        ("renew", 5, renewed, renewed, LATER),
    ]
    assert fsck(world.ports) == []
    change(world, "end", identifier, how="cancelled")
    for operation in ("amend", "correct"):
        error = refused(world, operation, identifier, fields={"representative": "样本丙"})
        assert (error.kind, error.reason) == (Kind.CONFLICT, "status")


def five_years_on(day: date, more: int = 0) -> date:
    return day.replace(year=day.year + 5) + timedelta(days=more)


def test_a_renewal_is_for_as_long_as_its_type_says(world: World, clock: Ticker) -> None:
    issued = issue_one(world)
    identifier, until = issued.printout.record.identifier, issued.printout.record.valid_to
    assert until is not None
    clock.advance(timedelta(days=2))
    longest = five_years_on(until)
    renewed = next_edition(world, "renew", identifier, fields={"valid_to": longest.isoformat()})
    assert renewed.printout.record.valid_to == longest
    amended = next_edition(
        world, "amend", renewed.printout.record.identifier, fields={"representative": "样本甲"}
    )
    assert amended.printout.record.valid_to == longest  # which is longer than five years from its first day


def test_what_may_not_differ_is_refused_by_field(world: World, clock: Ticker) -> None:
    issued = issue_one(world)
    identifier, until = issued.printout.record.identifier, issued.printout.record.valid_to
    assert until is not None
    clock.advance(timedelta(days=2))
    other = "91990102MA1004050J"
    for operation, changes, reason, field in (
        ("amend", {"fields": {"credit_code": other}}, "another_holder", "/fields/credit_code"),
        ("renew", {"fields": {"valid_to": until.isoformat()}}, "invalid_fields", "/fields/valid_to"),
        # Five years, says the type: from the first day, or from the last day of what is renewed.
        ("renew", {"fields": {"valid_to": five_years_on(until, 1).isoformat()}}, "invalid_fields", "/fields/valid_to"),
        ("amend", {"fields": {"valid_to": LATER.isoformat()}}, "invalid_fields", "/fields/valid_to"),
        ("amend", {"fields": {"licence_number": food_number(987654)}}, "invalid_fields", "/fields/licence_number"),
        ("amend", {"fields": {"issuer": "别的机关"}}, "invalid_fields", "/fields/issuer"),
        ("amend", {"fields": {"premises": None}}, "invalid_fields", "/fields/premises"),
        ("amend", {"fields": {"no_such": "x"}}, "invalid_fields", "/fields/no_such"),
        ("amend", {"fields": {"premises": "甲"}, "effective_from": "2026-11-19"}, "before_issue", "/effective_from"),
        ("amend", {"fields": {"premises": "甲"}, "effective_from": "2027-11-19"}, "in_future", "/effective_from"),
        ("amend", {"fields": {"premises": "甲"}, "valid_from": "2027-01-01"}, "invalid_fields", "/valid_from"),
        ("amend", {}, "invalid_fields", "/fields"),
        ("replace", {"fields": {"premises": "甲"}}, "invalid_fields", "/fields"),
        ("amend", {"fields": {"premises": "甲"}, "legal_basis": None}, "invalid_fields", "/legal_basis"),
    ):  # fmt: skip
        error = refused(world, operation, identifier, **changes)
        assert (error.kind, error.reason) == (Kind.INVALID, reason), (operation, changes, error)
        assert field in {one.field for one in error.faults}, (operation, changes, error.faults)
    assert edition_of(world, identifier).status == "in_force"
    assert fsck(world.ports) == []


def beyond(error: VermilionError) -> bool:
    """Refused since no licence of the type is valid for so long, and for nothing else."""
    return [(one.field, one.reason) for one in error.faults] == [("/fields/valid_to", "validity_range")]


def test_only_a_renewal_grants_the_validity_range_anew(world: World, clock: Ticker) -> None:
    issued = issue_one(world).printout.record
    identifier, begin, until = issued.identifier, issued.valid_from, issued.valid_to
    clock.advance(timedelta(days=90))
    publish_trust_list(world.ports)
    latest = five_years_on(begin)
    assert until == latest - timedelta(days=1)

    def until_then(operation: NextEdition, day: date, **more: Any) -> VermilionError:
        return refused(world, operation, identifier, fields={"valid_to": day.isoformat()}, **more)

    day = timedelta(days=1)
    assert beyond(until_then("correct", latest + day))
    assert beyond(until_then("amend", latest + day))
    assert beyond(until_then("amend", latest + day, valid_from=world.today.isoformat()))
    assert beyond(until_then("renew", five_years_on(until, 1)))
    corrected = next_edition(world, "correct", identifier, fields={"valid_to": latest.isoformat()})
    identifier, renewed = corrected.printout.record.identifier, five_years_on(latest)
    made = next_edition(world, "renew", identifier, fields={"valid_to": renewed.isoformat()}).printout.record
    assert (made.valid_from, made.valid_to) == (world.today, renewed)
    assert fsck(world.ports) == []


def test_a_renewal_begins_anew_where_the_face_prints_the_first_day() -> None:
    road = next(one for one in printing.samples() if one.licence_type.slug == "road-transport-permit")
    record, today, effective = road.printout.record, date(2030, 5, 1), date(2030, 5, 4)
    kept = str(record.fields["valid_from"])
    for operation in NEXT_EDITIONS:
        taken = _taken_over(road.licence_type, record, operation, today, effective)
        assert taken["valid_from"] == (effective.isoformat() if operation == "renew" else kept)


def test_what_a_version_granted_stays_when_the_next_one_grants_less(
    world: World, clock: Ticker, tmp_path: Path
) -> None:
    issued = issue_one(world).printout.record
    folder = exclusive_type(tmp_path)
    text = (folder / "type.toml").read_text("utf-8")
    (folder / "type.toml").write_text(text.replace('["5年"]', '["6个月", "2年"]'), "utf-8")
    with world.ports.database.transaction() as session:
        put_into_service(session, world.ports, world.system, own_files(folder))
    clock.advance(timedelta(days=1))
    publish_trust_list(world.ports)
    amended = next_edition(world, "amend", issued.identifier, fields={"premises": "甲"}).printout.record
    assert (amended.type_version, amended.valid_to) == (2, issued.valid_to)
    assert issued.valid_to is not None
    earlier = (issued.valid_to - timedelta(days=1)).isoformat()
    assert beyond(refused(world, "amend", amended.identifier, fields={"valid_to": earlier}))


def test_an_expired_licence_is_renewed_and_nothing_else(world: World, clock: Ticker) -> None:
    until = world.today + timedelta(days=60)
    body = request_body(world)
    body["fields"] = {**body["fields"], "valid_to": until.isoformat()}
    identifier = issue_one(world, body).printout.record.identifier
    clock.advance(timedelta(days=61))
    publish_trust_list(world.ports)
    for operation, changes in (
        ("amend", {"fields": {"premises": "甲"}}), ("correct", {"fields": {"premises": "甲"}}), ("replace", {}),
    ):  # fmt: skip
        error = refused(world, operation, identifier, **changes)
        assert (error.kind, error.reason) == (Kind.CONFLICT, "expired")
    later = five_years_on(world.today)
    renewed = next_edition(world, "renew", identifier, fields={"valid_to": later.isoformat()})
    assert (renewed.printout.record.valid_from, renewed.printout.record.valid_to) == (world.today, later)


def test_a_suspended_licence_and_another_agencys_have_no_next_edition(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    change(world, "suspend", identifier, suspension="other")
    assert refused(world, "replace", identifier).reason == "status"
    change(world, "resume", identifier)
    assert refused(world, "replace", identifier, status_version=1).reason == "status_version"
    assert refused(world, "replace", identifier, person="keeper").reason == "role"
    wanted = next_body(world)
    answer = world.post(
        f"/api/v1/licences/{identifier}/replacement", wanted, "other-system", **{"Idempotency-Key": "x"}
    )
    assert (answer.status_code, answer.get_json()["reason"]) == (404, "licence_unknown")


def test_the_same_request_again_gives_the_same_bytes_and_another_is_refused(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    first = next_edition(world, "amend", identifier, key="k", fields={"premises": "甲路1号"})
    again = next_edition(world, "amend", identifier, key="k", fields={"premises": "甲路1号"})
    assert (again.sha256, again.link, again.replayed) == (first.sha256, first.link, True)
    assert refused(world, "amend", identifier, key="k", fields={"premises": "乙路1号"}).reason == "key_reused"
    assert refused(world, "replace", identifier, key="k").reason == "key_reused"
    assert refused(world, "amend", identifier, key="k2", fields={"premises": "乙路1号"}).reason == "status"


def test_of_two_at_once_one_makes_the_next_edition(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    outcomes: list[object] = []

    def amend(name: str) -> None:
        try:
            outcomes.append(next_edition(world, "amend", identifier, key=name, fields={"premises": name}))
        except VermilionError as error:
            outcomes.append(error.reason)

    threads = [threading.Thread(target=amend, args=(f"{n}路",)) for n in "甲乙丙"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [one for one in outcomes if not isinstance(one, str)]
    assert len(made) == 1
    assert {one for one in outcomes if isinstance(one, str)} <= {
        "edition_pending",
        "status_version",
        "status",
    }
    assert fsck(world.ports) == []


def test_a_licence_that_changes_while_its_next_edition_is_sealed_keeps_the_change(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier

    class Changing(Store):
        def put_many(self, documents: Sequence[tuple[str, bytes]]) -> list[VermilionError | None]:
            change(world, "suspend", identifier, suspension="penalty")
            return self.inner.put_many(documents)

    ports = replace(world.ports, documents=Changing(world.ports.documents))
    error = refused(world, "amend", identifier, ports=ports, fields={"premises": "甲"})
    assert (error.kind, error.reason) == (Kind.CONFLICT, "previous_changed")
    assert edition_of(world, identifier).status == "suspended"
    change(world, "resume", identifier)
    assert next_edition(world, "replace", identifier).printout.record.edition == 3  # 2 is not used again
    assert fsck(world.ports) == []


@pytest.mark.parametrize("sealed", [True, False])
def test_recovery_adopts_a_whole_next_edition_and_gives_up_a_lost_one(
    world: World, clock: Ticker, *, sealed: bool
) -> None:
    issued = issue_one(world)
    identifier = issued.printout.record.identifier
    store = Store(world.ports.documents, (lambda data: data) if sealed else (lambda _data: None))
    with pytest.raises(Died):
        next_edition(
            world, "amend", identifier, ports=replace(world.ports, documents=store), fields={"premises": "甲"}
        )
    assert refused(world, "replace", identifier).reason == "edition_pending"
    clock.advance(LEASE)
    report = recover(world.ports)
    assert (len(report.adopted), len(report.abandoned)) == ((1, 0) if sealed else (0, 1))
    assert edition_of(world, identifier).status == ("ended" if sealed else "in_force")
    if not sealed:
        assert next_edition(world, "replace", identifier).printout.record.edition == 3
        with Session(world.ports.database.read) as session:
            states = session.scalars(
                select(Intent.state).join(Succession, Succession.intent_id == Intent.id)
            ).all()
        assert sorted(states) == ["abandoned", "done"]
    assert fsck(world.ports) == []
    error = refused(world, "amend", identifier, fields={"premises": "乙"})
    assert error.reason == "status"
    with pytest.raises(VermilionError, match="number"):  # and its number is still its own
        issue_one(world, request_body(world, number=issued.printout.record.number), key="anew")


def test_a_dry_run_says_what_the_next_edition_would_be_and_keeps_nothing(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    path = f"/api/v1/licences/{identifier}/amendment?dry_run=1"
    answer = world.post(path, next_body(world, fields={"premises": "甲路1号"}))
    assert (answer.status_code, answer.get_json()["edition"]) == (200, 2)
    assert answer.get_json()["fields"]["premises"] == "甲路1号"
    assert edition_of(world, identifier).status == "in_force"
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(Succession)).all() == []


@on_sqlite
def test_a_photo_that_stays_is_the_very_same(world: World) -> None:
    """No generation of JPEG after JPEG: the bytes on the document before are taken over."""
    seal = seal_of_other(world, "name")
    permission = {
        "client_id": world.clients["other-system"].id,
        "type_code": world.types["other"],
        "valid_from": world.today.isoformat(),
        "valid_to": (world.today + timedelta(days=365)).isoformat(),
        "daily_limit": 10,
    }
    world.act("other-keeper", f"/api/v1/seals/{seal}/authorisations", permission, 201)
    sample = next(one for one in sample_requests(world.today) if one["type"] == world.types["other"])
    body: dict[str, Any] = {name: value for name, value in sample.items() if name != "issuer"}
    body |= {"seal": seal, "matter_code": "1", "case_number": "1", "operator": "w"}
    first = world.post("/api/v1/licences", body, "other-system", **{"Idempotency-Key": "p"}).get_json()
    path = f"/api/v1/licences/{first['identifier']}/amendment"
    wanted = next_body(world, seal=seal, fields={"subject": "数学"})
    made = world.post(path, wanted, "other-system", **{"Idempotency-Key": "q"})
    assert made.status_code == 201, made.get_json()
    second = made.get_json()
    fields = [
        world.get(f"/api/v1/licences/{one['identifier']}", "other-system").get_json()["fields"]
        for one in (first, second)
    ]
    assert (fields[0]["subject"], fields[1]["subject"]) != ("数学", "数学")
    assert fields[0]["photo"] == fields[1]["photo"]
    documents = [world.get(one["document"]["href"], "other-system").data for one in (first, second)]
    assert len({printed_photo(data, fields[0]["photo"]) for data in documents}) == 1
    assert fsck(world.ports) == []


def exclusive_type(folder: Path) -> Path:
    """The food business licence, of which each holder has one."""
    made = folder / FOOD.name
    made.mkdir()
    text = (FOOD / "type.toml").read_text(encoding="utf-8")
    text = re.sub(r"^version = 1$", "version = 2\none_per_holder = true", text, flags=re.MULTILINE)
    (made / "type.toml").write_text(text, encoding="utf-8")
    (made / "face.pdf").write_bytes((FOOD / "face.pdf").read_bytes())
    return made


def test_a_holder_has_one_valid_licence_where_the_type_says_so(
    world: World, clock: Ticker, tmp_path: Path
) -> None:
    with world.ports.database.transaction() as session:
        put_into_service(session, world.ports, world.system, own_files(exclusive_type(tmp_path)))
    until = world.today + timedelta(days=90)
    body = request_body(world)
    body["fields"] = {**body["fields"], "valid_to": until.isoformat()}
    first = issue_one(world, body).printout.record.identifier

    def another() -> dict[str, Any]:
        return request_body(world)

    def refused_one() -> VermilionError:
        with pytest.raises(VermilionError) as caught:
            issue_one(world, another())
        return caught.value

    assert (refused_one().reason, refused_one().faults[0].field) == ("holder_has_one", "/fields/credit_code")
    second = next_edition(world, "amend", first, fields={"premises": "甲"}).printout.record.identifier
    assert refused_one().reason == "holder_has_one"
    change(world, "suspend", second, suspension="other")
    assert refused_one().reason == "holder_has_one"  # a suspended licence is one
    change(world, "end", second, how="withdrawn")
    third = issue_one(world, another() | {"fields": body["fields"]}).printout.record.identifier
    assert refused_one().reason == "holder_has_one"
    clock.advance(timedelta(days=91))  # the third has expired, and gives way
    publish_trust_list(world.ports)
    issue_one(world, another())
    error = refused(world, "renew", third, fields={"valid_to": five_years_on(world.today).isoformat()})
    assert error.reason == "holder_has_one"
    assert fsck(world.ports) == []


@on_postgresql
def test_a_renewal_that_ends_while_another_licence_asks_for_the_place_keeps_it(
    world: World, clock: Ticker, tmp_path: Path
) -> None:
    """The renewal is registered when whoever asks has the place locked and has asked one thing about it."""
    with world.ports.database.transaction() as session:
        put_into_service(session, world.ports, world.system, own_files(exclusive_type(tmp_path)))
    body = request_body(world)
    body["fields"] = {**body["fields"], "valid_to": (world.today + timedelta(days=90)).isoformat()}
    expired = issue_one(world, body).printout.record.identifier
    clock.advance(timedelta(days=91))
    publish_trust_list(world.ports)
    dying = replace(world.ports, documents=Store(world.ports.documents))
    years = {"valid_to": five_years_on(world.today).isoformat()}
    with pytest.raises(Died):
        next_edition(world, "renew", expired, ports=dying, fields=years)
    clock.advance(LEASE)
    locked, adopted = list[str](), list[str]()

    def meanwhile(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if locked and not adopted:
            adopted.append("begun")  # what recovery asks is not the one that is waited for
            adopted[:] = recover(world.ports).adopted
        if "FROM holding" in statement:
            locked.append(statement)

    event.listen(world.ports.database.write, "after_cursor_execute", meanwhile)
    try:
        with pytest.raises(VermilionError) as caught:
            issue_one(world)
    finally:
        event.remove(world.ports.database.write, "after_cursor_execute", meanwhile)
    assert caught.value.reason == "holder_has_one"
    assert len(adopted) == 1
    assert fsck(world.ports) == []


def test_a_licence_refused_or_abandoned_holds_nobodys_place(
    world: World, clock: Ticker, tmp_path: Path
) -> None:
    with world.ports.database.transaction() as session:
        put_into_service(session, world.ports, world.system, own_files(exclusive_type(tmp_path)))
    with pytest.raises(Died):
        issue_one(world, ports=replace(world.ports, documents=Store(world.ports.documents, lambda _d: None)))
    clock.advance(LEASE)
    recover(world.ports)
    issued = issue_one(world)
    with Session(world.ports.database.read) as session:
        document = session.scalars(select(Document).where(Document.sha256 == issued.sha256)).one()
        assert read_document(world.ports.documents, document.store_key, document.sha256)
    assert fsck(world.ports) == []
