"""Issuing: what is checked before any key is touched, what is registered, and what a refusal leaves: nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from hashlib import sha256
from typing import Any, cast

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from keys.custodian import Custodian, KeyRef, SignRequest
from keys.errors import Kind, VermilionError
from registry.agencies.tables import Client, ClientType, Person
from registry.licences import taking
from registry.licences.examine import Examined, civil_day, examine
from registry.licences.fsck import fsck
from registry.licences.issue import Preview, issue
from registry.licences.issued import attached_printout
from registry.licences.numbers import STATUS_LIST_SIZE, new_lookup_code, new_number, new_serial, uniform
from registry.licences.reserve import Setting, Wanted, reserve
from registry.licences.tables import (
    Document,
    Edition,
    IdempotencyKey,
    Intent,
    Licence,
    Number,
    StatusIndex,
    TypeVersion,
)
from registry.log.tables import Event, Leaf
from registry.ports import Ports, SharingDocumentStore
from registry.seals.tables import AuthorisationDay, KeyUse, SealUse
from registry.shared_parts import Part
from signing.codes import CROCKFORD
from signing.credential import parse_link
from signing.licence_type import NumberRule
from tests.registry.faults import NoStore
from tests.registry.issuing import issue_one, just_before_a_lock, request_body, to_request
from tests.registry.world import BASIS, Ticker, World
from tests.signing.sealing import NoStamps

BUSINESS_TABLES = (
    Licence,
    Number,
    Intent,
    Edition,
    Document,
    StatusIndex,
    IdempotencyKey,
    SealUse,
    KeyUse,
    Event,
)


def rows(world: World, *tables: Any) -> list[int]:
    with Session(world.ports.database.read) as session:
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def refused(world: World, body: dict[str, Any], **ports: Any) -> VermilionError:
    with pytest.raises(VermilionError) as caught:
        issue_one(world, body, ports=replace(world.ports, **ports))
    return caught.value


class Untouchable:
    """A custodian that must not be asked."""

    def sign(self, ref: KeyRef, requests: Any) -> list[bytes]:
        raise AssertionError("a key was touched")


class Meddling:
    """The real custodian, with something happening just before it seals."""

    def __init__(self, ports: Ports, purpose: str, act: Callable[[], object]) -> None:
        self.inner, self.purpose, self.act = ports.custodian, purpose, act

    def sign(self, ref: KeyRef, requests: list[SignRequest]) -> list[bytes]:
        signed = self.inner.sign(ref, requests)
        if ref.purpose.value == self.purpose:
            self.act()
        return signed


@dataclass(frozen=True)
class LastMoment:
    """The real store, with something happening when the document lies there and before it is registered."""

    inner: SharingDocumentStore
    act: Callable[[], object]

    def put_new(self, key: str, data: bytes) -> None:
        raise AssertionError

    def put_many(self, documents: Sequence[tuple[str, bytes]]) -> list[VermilionError | None]:
        outcomes = self.inner.put_many(documents)
        self.act()
        return outcomes

    def share(self, *parts: Part) -> None:
        self.inner.share(*parts)

    def get(self, key: str) -> bytes | None:
        return self.inner.get(key)


def test_a_licence_is_sealed_registered_and_stored(world: World) -> None:
    body = request_body(world)
    issued = issue_one(world, body)
    data = world.ports.documents.get(f"{issued.edition_id[:2]}/{issued.edition_id}.enc")
    assert data is not None
    assert sha256(data).digest() == issued.sha256
    assert attached_printout(data) == replace(issued.printout, photo=None)
    record = issued.printout.record
    assert (record.number, record.edition, record.issuer_code) == (body["number"], 1, world.codes["own"])
    assert record.fields["issuer"] == "云溪省样本市市场监督管理局"
    assert record.specimen  # the root is named TEST
    assert issued.level == "B-LT"
    assert fsck(world.ports) == []


def test_only_digests_of_the_papers_secrets_are_kept(world: World) -> None:
    issued = issue_one(world)
    link = parse_link(issued.link)
    with Session(world.ports.database.read) as session:
        edition = session.get_one(Edition, issued.edition_id)
        kept = repr([{c.name: getattr(row, c.key) for c in row.__table__.columns}
                     for row in (edition, session.get_one(Intent, issued.edition_id))])  # fmt: skip
    assert edition.link_id_sha256 == sha256(link.id_bytes).digest()
    assert link.credential is not None
    assert edition.credential_sha256 == sha256(link.credential).digest()
    for secret in (link.id_text, issued.printout.lookup_code, repr(link.id_bytes)):
        assert secret not in kept


def test_each_event_has_one_leaf_and_the_issue_is_an_event(world: World) -> None:
    issue_one(world)
    events, leaves = rows(world, Event, Leaf)
    assert events == leaves
    told = the_event(world, "licence.issued")
    assert told.operator == "window-03"
    assert "林知遥" not in repr(told.detail)


def test_the_issue_names_its_law_and_the_case_it_came_from(world: World) -> None:
    """The law is the licence type's; matter code and case number say where to look at the agency."""
    issued = issue_one(world)
    with Session(world.ports.database.read) as session:
        intent = session.get_one(Intent, issued.edition_id)
    assert (intent.matter_code, intent.case_number, intent.operator) == (
        "000131001000", "20261120-0001", "window-03",
    )  # fmt: skip
    told = the_event(world, "licence.issued")
    assert told.legal_basis == "《中华人民共和国食品安全法》第三十五条"
    assert (told.reason_code, told.detail["matter_code"], told.detail["case_number"]) == (
        "issued", "000131001000", "20261120-0001",
    )  # fmt: skip


def the_event(world: World, kind: str) -> Event:
    with Session(world.ports.database.read) as session:
        return session.scalars(select(Event).where(Event.kind == kind)).one()


def test_a_dry_run_says_what_would_be_issued_and_leaves_nothing(world: World) -> None:
    body = request_body(world)
    before = rows(world, *BUSINESS_TABLES)
    ports = replace(world.ports, custodian=cast("Custodian", Untouchable()))
    preview = issue(ports, world.actor(), to_request(body), "", b"", dry_run=True)
    assert isinstance(preview, Preview)
    assert preview.record.number == body["number"]
    assert rows(world, *BUSINESS_TABLES) == before
    assert issue_one(world, body).printout.record.fields == preview.record.fields


def test_a_dry_run_refuses_what_cannot_be_printed(world: World) -> None:
    fields = request_body(world)["fields"] | {"premises": "云" * 90, "business_items": ["热" * 60] * 30}
    body = request_body(world, fields=fields)
    with pytest.raises(VermilionError) as caught:
        issue(world.ports, world.actor(), to_request(body), "", b"", dry_run=True)
    assert caught.value.kind is Kind.INVALID


def test_what_has_no_room_on_the_face_is_refused_before_anything_is_reserved(world: World) -> None:
    before = rows(world, *BUSINESS_TABLES, AuthorisationDay)
    fields = request_body(world)["fields"] | {"business_items": ["热" * 60] * 30}
    error = refused(world, request_body(world, fields=fields), custodian=Untouchable())
    assert (error.kind, error.reason) == (Kind.INVALID, "overflow")
    assert [f.field for f in error.faults] == ["/fields/business_items"]
    assert rows(world, *BUSINESS_TABLES, AuthorisationDay) == before


@contextmanager
def writing(world: World) -> Iterator[list[bool]]:
    """The transactions that write which are begun within."""
    begun: list[bool] = []

    def note(_connection: Any) -> None:
        begun.append(True)

    event.listen(world.ports.database.write, "begin", note)
    yield begun
    event.remove(world.ports.database.write, "begin", note)


def test_what_reading_can_refuse_waits_for_no_writer(world: World) -> None:
    """Wrong values, another's type, a key in use or used for another body: no transaction that writes."""
    issue_one(world, request_body(world), key="used")
    fields = request_body(world)["fields"] | {"valid_to": "nonsense"}
    wrong = {
        "invalid_fields": (request_body(world, fields=fields), "a"),
        "type_not_entitled": (request_body(world, type=world.types["other"]), "b"),
        "key_reused": (request_body(world), "used"),
    }
    for reason, (body, key) in wrong.items():
        with writing(world) as begun, pytest.raises(VermilionError) as caught:
            issue_one(world, body, key=key)
        assert (caught.value.reason, len(begun)) == (reason, 0)
    with writing(world) as begun, pytest.raises(VermilionError) as caught:
        issue_one(world, request_body(world, seal="99010000000999"))
    assert (caught.value.reason, len(begun)) == ("seal_unknown", 1)  # asked in transaction 1, and that is all


def test_a_poll_while_the_first_request_runs_waits_for_no_writer(world: World) -> None:
    body = request_body(world)
    reasons: list[tuple[str, int]] = []

    def poll() -> None:
        with writing(world) as begun, pytest.raises(VermilionError) as caught:
            issue_one(world, body)
        reasons.append((caught.value.reason, len(begun)))

    issue_one(world, body, ports=replace(world.ports, documents=LastMoment(world.ports.documents, poll)))
    assert reasons == [("in_progress", 0)]


@pytest.mark.parametrize(
    ("change", "kind", "reason", "pointer"),
    [
        (lambda w: {"seal": "99010000000999"}, Kind.FORBIDDEN, "seal_unknown", "/seal"),
        (lambda w: {"type": w.types["other"]}, Kind.FORBIDDEN, "type_not_entitled", "/type"),
        (lambda w: {"type": "11990000MB0001011X999"}, Kind.FORBIDDEN, "type_not_entitled", "/type"),
        (lambda w: {"number": "JY29901020000012"}, Kind.INVALID, "invalid_fields", "/number"),
        (lambda w: {"number": "JY2990102"}, Kind.INVALID, "invalid_fields", "/number"),
        # Longer than the five years of its type.
        (
            lambda w: {"fields": {**request_body(w)["fields"], "valid_to": "2032-01-01"}},
            Kind.INVALID, "invalid_fields", "/fields/valid_to",
        ),
    ],
)  # fmt: skip
def test_a_refused_request_touches_no_key_and_leaves_nothing(
    world: World, change: Callable[[World], dict[str, Any]], kind: Kind, reason: str, pointer: str
) -> None:
    before = rows(world, *BUSINESS_TABLES)
    error = refused(world, request_body(world, **change(world)), custodian=Untouchable())
    assert (error.kind, error.reason) == (kind, reason)
    assert [f.field for f in error.faults] == [pointer]
    assert rows(world, *BUSINESS_TABLES) == before


def test_all_faults_are_told_at_once(world: World) -> None:
    fields = dict(request_body(world)["fields"])
    fields |= {"credit_code": "91990100MA1000017B", "valid_to": "2031-02-30", "nonsense": "1"}
    del fields["operator_name"]
    error = refused(world, request_body(world, fields=fields))
    assert {f.field for f in error.faults} == {
        "/fields/credit_code", "/fields/valid_to", "/fields/nonsense", "/fields/operator_name",
    }  # fmt: skip


def test_a_character_no_font_has_is_named_before_anything_is_reserved(world: World) -> None:
    fields = request_body(world)["fields"] | {"representative": "林\U0003134a"}
    error = refused(world, request_body(world, fields=fields), custodian=Untouchable())
    assert error.reason == "glyph_missing"
    assert [f.field for f in error.faults] == ["/fields/representative"]
    assert rows(world, Licence, Intent) == [0, 0]


def test_no_licence_is_granted_for_longer_than_its_type_says(world: World) -> None:
    """Five years: from the first day of validity, which a request may put off, to its counterpart."""
    fields = request_body(world)["fields"]
    first = date.fromisoformat(fields["issue_date"])
    for later in (0, 30):
        begin = first + timedelta(days=later)
        last = begin.replace(year=begin.year + 5)
        for day, right in ((last, True), (last + timedelta(days=1), False)):
            body = request_body(world, fields=fields | {"valid_to": day.isoformat()})
            answer = world.post(
                "/api/v1/licences?dry_run=1",
                body | {"valid_from": begin.isoformat()},
                **{"Idempotency-Key": f"{later}-{right}"},
            )
            assert answer.status_code == (200 if right else 422), answer.get_json()
            told = [(one["pointer"], one["reason"]) for one in answer.get_json().get("errors", ())]
            assert told == ([] if right else [("/fields/valid_to", "validity_range")])
    missing = {name: value for name, value in fields.items() if name != "valid_to"}
    error = refused(world, request_body(world, fields=missing))
    assert [(one.field, one.reason) for one in error.faults] == [("/fields/valid_to", "missing")]


def test_without_a_standing_authorisation_no_key_is_touched(world: World) -> None:
    world.act(
        "keeper", f"/api/v1/seals/{world.seal_code}/authorisations/{world.authorisation_id}/withdrawal", {}
    )
    error = refused(world, request_body(world), custodian=Untouchable())
    assert (error.kind, error.reason) == (Kind.FORBIDDEN, "not_authorised")
    assert [f.field for f in error.faults] == ["/seal"]


def test_a_suspended_seal_issues_nothing(world: World) -> None:
    world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", BASIS)
    error = refused(world, request_body(world), custodian=Untouchable())
    assert (error.kind, error.reason) == (Kind.CONFLICT, "seal_not_active")
    assert [f.field for f in error.faults] == ["/seal"]


def test_a_type_withdrawn_while_the_request_is_examined_is_named(world: World) -> None:
    body = request_body(world)
    day = civil_day(world.ports.clock(), world.ports.settings.tz)
    with Session(world.ports.database.read) as session:
        (examined,) = examine(session, world.actor(), [to_request(body)], day, world.ports.fonts)
    assert isinstance(examined, Examined)
    with world.ports.database.transaction() as session:
        session.execute(update(TypeVersion).values(state="withdrawn"))
    ports = world.ports
    setting = Setting(ports.clock(), day, timedelta(minutes=1), "http://localhost", ports.vault, ports.random)
    wanted = Wanted("0" * 32, to_request(body), examined, None)
    with world.ports.database.transaction() as session:
        (error,) = reserve(session, world.actor(), [wanted], setting)
    assert isinstance(error, VermilionError)
    assert (error.kind, error.reason) == (Kind.FORBIDDEN, "type_not_entitled")
    assert [f.field for f in error.faults] == ["/type"]


def test_the_same_number_is_issued_once(world: World) -> None:
    body = request_body(world)
    issue_one(world, body, key="first")
    error = None
    with pytest.raises(VermilionError) as caught:
        issue_one(world, body, key="second")
    error = caught.value
    assert (error.kind, error.reason) == (Kind.CONFLICT, "number_taken")
    assert [f.field for f in error.faults] == ["/number"]
    assert rows(world, Edition) == [1]


def test_a_seal_suspended_and_resumed_while_sealing_registers_nothing_either(world: World) -> None:
    def suspend_and_resume() -> None:
        path = f"/api/v1/seals/{world.seal_code}"
        world.act("keeper", f"{path}/suspension", BASIS)
        world.decide(world.act("keeper", f"{path}/resumption-request", BASIS, 202))

    documents = LastMoment(world.ports.documents, suspend_and_resume)
    assert refused(world, request_body(world), documents=documents).reason == "seal_changed"
    assert_abandoned(world)


def test_a_key_is_refused_once_the_seal_is_suspended(world: World) -> None:
    def suspend() -> None:
        world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", BASIS)

    error = refused(world, request_body(world), custodian=Meddling(world.ports, "qr", suspend))
    assert error.kind is Kind.KEY_REFUSED
    assert_abandoned(world)


def test_a_seal_suspended_while_sealing_registers_nothing(world: World) -> None:
    def suspend() -> None:
        world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", BASIS)

    error = refused(world, request_body(world), documents=LastMoment(world.ports.documents, suspend))
    assert (error.kind, error.reason) == (Kind.CONFLICT, "seal_changed")
    assert_abandoned(world)


@pytest.mark.parametrize("what", ["client", "entitlement", "type", "person", "role"])
def test_who_loses_the_right_while_sealing_gets_nothing(world: World, what: str) -> None:
    def lose() -> None:
        officer = Person.id == world.people["officer"].id
        with world.ports.database.transaction() as session:
            if what == "client":
                session.execute(
                    update(Client).where(Client.id == world.clients["system"].id).values(active=False)
                )
            elif what == "entitlement":
                session.delete(session.get_one(ClientType, (world.clients["system"].id, world.type_code)))
                session.flush()
            elif what == "person":
                session.execute(update(Person).where(officer).values(active=False))
            elif what == "role":
                session.execute(update(Person).where(officer).values(roles=["applicant"]))
            else:
                session.execute(update(TypeVersion).values(state="withdrawn"))

    ports = replace(world.ports, documents=LastMoment(world.ports.documents, lose))
    with pytest.raises(VermilionError) as caught:
        issue_one(world, ports=ports, person="officer")
    reason = "seal_changed" if what in {"client", "entitlement"} else "not_entitled"  # its use ends with them
    assert (caught.value.kind, caught.value.reason) == (Kind.CONFLICT, reason)
    assert_abandoned(world)


def assert_abandoned(world: World) -> None:
    """One intent, abandoned: visible, void, its number free and its slot invalid."""
    assert rows(world, Edition, Document, Number, IdempotencyKey, Licence) == [0, 0, 0, 0, 1]
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(Intent.state)).all() == ["abandoned"]
        assert session.scalars(select(SealUse.state)).all() == ["void"]
        assert session.scalars(select(StatusIndex.invalid)).all() == [True]
        told = session.scalars(select(Event).where(Event.kind.like("licence.%"))).one()
    assert told.kind == "licence.abandoned"
    assert told.legal_basis == "《中华人民共和国食品安全法》第三十五条"  # of the licence it was to be
    assert told.detail["case_number"] == "20261120-0001"
    assert fsck(world.ports) == []


def test_a_defect_while_sealing_abandons_too(world: World) -> None:
    def defect() -> None:
        raise ZeroDivisionError

    ports = replace(world.ports, custodian=cast("Custodian", Meddling(world.ports, "qr", defect)))
    with pytest.raises(ZeroDivisionError):
        issue_one(world, ports=ports)
    assert_abandoned(world)


def test_an_intents_end_is_timed_under_its_lock(world: World, clock: Ticker) -> None:
    """A moment read while waiting for the lock would put the event before those that were quicker."""
    ticks: list[timedelta] = []

    def wait(*_: Any) -> None:
        ticks.append(timedelta(seconds=1))
        clock.advance(ticks[-1])

    with just_before_a_lock(world, wait):
        issued = issue_one(world)
        told = the_event(world, "licence.issued")
        assert told.recorded_at == clock.now
        with Session(world.ports.database.read) as session:
            assert session.get_one(Edition, issued.edition_id).registered_at == clock.now
        with pytest.raises(VermilionError):
            issue_one(world, ports=replace(world.ports, documents=NoStore()))
        assert the_event(world, "licence.abandoned").recorded_at == clock.now
    assert ticks


def test_a_full_status_list_is_followed_by_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "STATUS_LIST_SIZE", 1)  # each list is full after one
    records = [issue_one(world).printout.record for _ in range(3)]
    assert [(r.status_list, r.status_index) for r in records] == [(0, 0), (1, 0), (2, 0)]
    assert fsck(world.ports) == []


def test_a_status_list_is_left_between_half_and_seven_tenths() -> None:
    """A list of n slots, f of them taken, is left by the next issue with a chance of f to the power of probes."""
    left = 0.0  # the expected number of times that a list is left by then
    reached: dict[float, float] = {}
    for step in range(100):
        fill = step / 100
        reached[fill] = 1 - math.exp(-left)
        left += STATUS_LIST_SIZE / 100 * (fill + 0.005) ** taking.SLOT_PROBES
    assert reached[0.5] < 0.005
    assert reached[0.7] > 0.99


def test_an_outage_of_time_stamps_costs_a_level_and_no_licence(world: World) -> None:
    issued = issue_one(world, ports=replace(world.ports, timestamper=NoStamps()))
    assert issued.level == "B-B"
    assert fsck(world.ports) == []


def test_no_connection_is_held_while_sealing(world: World) -> None:
    held: list[int] = []

    def look() -> None:
        for engine in (world.ports.database.write, world.ports.database.read):
            assert isinstance(engine.pool, QueuePool)
            held.append(engine.pool.checkedout())

    custodian = cast("Custodian", Meddling(world.ports, "seal", look))
    issue_one(world, ports=replace(world.ports, custodian=custodian))
    assert held == [0, 0]


def test_numbers_that_the_registry_gives_follow_their_rule() -> None:
    stream = iter(range(10**6))

    def random(n: int) -> bytes:
        return sha256(next(stream).to_bytes(4, "big")).digest()[:n]

    plain = NumberRule("A[0-9]{12}", "none", "registry")
    checked = NumberRule("JY[0-9]{14}", "iso7064-mod-11-10", "registry")
    assert all(len(new_number(plain, random)) == 13 for _ in range(50))
    from stdnum.iso7064 import mod_11_10

    for _ in range(50):
        mod_11_10.validate(new_number(checked, random)[2:])
    with pytest.raises(VermilionError):
        new_number(NumberRule("(A|B)[0-9]{12}", "none", "registry"), random)
    assert all(set(new_lookup_code(random)) <= set(CROCKFORD) for _ in range(50))
    assert len({new_serial(random) for _ in range(50)}) == 50
    assert all(0 <= uniform(random, STATUS_LIST_SIZE) < STATUS_LIST_SIZE for _ in range(50))


def test_every_value_is_equally_likely_to_be_drawn() -> None:
    values = [uniform(lambda n, v=v: v.to_bytes(n, "big"), 36) for v in range(36 * 20)]  # type: ignore[misc]
    assert [values.count(v) for v in range(36)] == [20] * 36
    draws = iter([b"\xff\xff", b"\x00\x05"])
    assert uniform(lambda n: next(draws), 36) == 5  # a value beyond the last whole multiple is drawn again
