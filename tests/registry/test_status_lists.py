"""The status lists follow the record: each change shows within about a minute, and nothing else is signed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bench.many import fill
from keys.custodian import Kind, SignRequest
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.status_list import LIFE, TTL, Content, cwt_input, jwt_input, take_apart
from keys.suite import P256
from keys.trust_list import read_trust_list
from registry.licences import status_lists
from registry.licences.fsck import fsck
from registry.licences.issue import Issued
from registry.licences.issue_many import issue_many
from registry.licences.numbers import STATUS_LIST_SIZE
from registry.licences.recovery import recover
from registry.licences.status_changes import derived, note_changes
from registry.licences.status_lists import COALESCE, PATIENCE, RENEW_AFTER, overdue, publish_due
from registry.licences.status_tables import StatusChange, StatusListState, StatusListToken
from registry.licences.tables import Edition, StatusIndex
from registry.licences.taking import free_slots
from registry.licences.trust import trust_now
from registry.seals.custody import registry_policy
from registry.seals.keys import key_ref
from registry.seals.retirement import retire_key, succeed
from registry.seals.status_policy import AHEAD
from registry.seals.tables import Key, KeyUse
from registry.seals.trust import current_trust_list, publish_trust_list
from signing.status_list import EMPTY, StatusList, Value, compress, packed_with, read_status_list, uri_of
from tests.registry.issuing import LEASE, die, issue_one, ordered, request_body
from tests.registry.test_status import change
from tests.registry.world import GROUND, Ticker, World, on_sqlite

SECOND = timedelta(seconds=1)


def rows(world: World) -> list[StatusListToken]:
    with Session(world.ports.database.read) as session:
        statement = select(StatusListToken).order_by(StatusListToken.list, StatusListToken.generation)
        return list(session.scalars(statement))


def read(world: World, number: int = 0) -> StatusList:
    """As a relying party does, which has the trust list and the newest token; both forms."""
    now = world.ports.clock()
    with Session(world.ports.database.read) as session:
        trust = read_trust_list(current_trust_list(session) or "", at=now)
    row = [one for one in rows(world) if one.list == number and one.jwt is not None][-1]
    uri = uri_of(trust.status_lists, number)
    assert row.jwt is not None
    assert row.cwt is not None
    found = [read_status_list(token, uri=uri, trust=trust, at=now) for token in (row.jwt.encode(), row.cwt)]
    assert found[0] == found[1]
    return found[0]


def slots(world: World) -> dict[str, tuple[int, int]]:
    """List and index of each intent."""
    with Session(world.ports.database.read) as session:
        found = session.execute(select(StatusIndex.intent_id, StatusIndex.list, StatusIndex.index)).all()
        return {intent: (number, index) for intent, number, index in found}


def others(found: StatusList, values: Mapping[int, int]) -> bool:
    """Whether the list says these values and nothing of any other slot."""
    return found.values == packed_with(EMPTY, values)


def shown(world: World, identifier: str) -> dict[str, str]:
    answer = world.get(f"/api/v1/licences/{identifier}", person="officer").get_json()["shown_in"]
    assert isinstance(answer, dict)
    return answer


def test_a_life_is_followed_by_its_list(world: World, clock: Ticker) -> None:
    issued = [issue_one(world) for _ in range(4)]
    names = [one.printout.record.identifier for one in issued]
    index = [one.printout.record.status_index for one in issued]
    assert shown(world, names[0]) == {
        "registry": "live",
        "status_list": "not_available",
        "log": "not_available",
    }
    assert publish_due(world.ports) == 2  # the next list is there before its first licence
    assert [row.list for row in rows(world)] == [0, 1]
    first = read(world)
    assert others(first, {})
    assert (first.ttl, first.expires_at - first.issued_at) == (TTL, LIFE)
    assert others(read(world, 1), {})
    assert shown(world, names[0])["status_list"] == "published"

    change(world, "suspend", names[0], suspension="penalty")
    change(world, "end", names[1], how="revoked")
    change(world, "suspend", names[2], suspension="other")
    change(world, "resume", names[2])
    assert shown(world, names[0])["status_list"] == "pending"
    assert shown(world, names[3])["status_list"] == "published"
    assert fsck(world.ports) == []  # what waits is no fault
    assert publish_due(world.ports) == 0  # signed a moment ago
    clock.advance(COALESCE)
    assert publish_due(world.ports) == 1
    assert others(read(world), {index[0]: Value.SUSPENDED, index[1]: Value.INVALID})
    assert {shown(world, name)["status_list"] for name in names} == {"published"}
    clock.advance(COALESCE)
    assert publish_due(world.ports) == 0

    change(world, "resume", names[0])
    change(world, "end", names[1], how="cancelled")  # the formal removal changes nothing here
    with world.ports.database.transaction() as session:  # a newer edition takes the place of this one
        session.execute(
            update(Edition).where(Edition.identifier == names[3]).values(status="ended", how="replaced")
        )
        note_changes(session, world.ports.random, [issued[3].edition_id], clock.now)
    assert publish_due(world.ports) == 1
    assert others(read(world), {index[1]: Value.INVALID, index[3]: Value.REPLACED})
    with Session(world.ports.database.read) as session:
        assert session.scalar(select(func.count()).select_from(StatusChange)) == 0
        assert derived(session, 0) == read(world).values
    assert [(row.list, row.generation) for row in rows(world)] == [(0, 3), (1, 1)]
    assert [one for one in fsck(world.ports) if "status list" in one] == []


def test_an_abandoned_intent_leaves_an_invalid_slot(world: World, clock: Ticker) -> None:
    before = set(slots(world))
    publish_due(world.ports)
    die(world, change=lambda _data: None)
    clock.advance(LEASE)
    report = recover(world.ports)
    assert len(report.abandoned) == 1
    (intent,) = set(slots(world)) - before
    number, index = slots(world)[intent]
    assert number == 0
    assert publish_due(world.ports) >= 1
    assert others(read(world), {index: Value.INVALID})
    assert fsck(world.ports) == []


@on_sqlite
def test_lists_are_signed_again_before_their_ttl_is_over(world: World, clock: Ticker) -> None:
    issue_one(world)
    assert publish_due(world.ports) == 2
    first = read(world)
    clock.advance(RENEW_AFTER - SECOND)
    assert publish_due(world.ports) == 0
    clock.advance(SECOND)
    assert publish_due(world.ports) == 2
    second = read(world)
    assert second.issued_at - first.issued_at == RENEW_AFTER < TTL
    assert second.values == first.values
    with Session(world.ports.database.read) as session:
        assert [s.version for s in session.scalars(select(StatusListState))] == [1, 1]


@on_sqlite
def test_a_list_of_a_wrong_clock_is_followed_at_once(world: World, clock: Ticker) -> None:
    publish_due(world.ports)
    with world.ports.database.transaction() as session:
        session.execute(update(StatusListToken).values(issued_at=clock.now + AHEAD))
    assert publish_due(world.ports) == 0  # two hosts' clocks differ
    with Session(world.ports.database.read) as session:
        assert not overdue(session, clock.now)
    with world.ports.database.transaction() as session:
        session.execute(update(StatusListToken).values(issued_at=clock.now + timedelta(days=9)))
    with Session(world.ports.database.read) as session:
        assert overdue(session, clock.now)
    assert publish_due(world.ports) == 1
    assert [(row.generation, row.issued_at) for row in rows(world)] == [(2, clock.now.replace(microsecond=0))]
    with Session(world.ports.database.read) as session:
        assert not overdue(session, clock.now)


@on_sqlite
def test_a_list_that_cannot_be_made_keeps_none_behind_it_waiting(world: World, clock: Ticker) -> None:
    issued = issue_one(world)
    with world.ports.database.transaction() as session:
        session.execute(update(StatusIndex).values(index=2**20))
        session.execute(update(Edition).values(status="suspended", ground="other"))
    with pytest.raises(VermilionError) as caught:
        publish_due(world.ports)
    assert caught.value.reason == "status_index"
    assert [(row.list, row.jwt is not None) for row in rows(world)] == [(1, True)]
    with world.ports.database.transaction() as session:
        session.execute(update(StatusIndex).values(index=issued.printout.record.status_index))
    assert publish_due(world.ports) == 1
    assert others(read(world), {issued.printout.record.status_index: Value.SUSPENDED})


@on_sqlite
def test_a_state_that_cannot_be_read_is_derived_anew(world: World, clock: Ticker) -> None:
    issued = issue_one(world)
    publish_due(world.ports)
    change(world, "suspend", issued.printout.record.identifier, suspension="other")
    with world.ports.database.transaction() as session:
        session.execute(update(StatusListState).where(StatusListState.list == 0).values(lst=b"nothing"))
    clock.advance(COALESCE)
    assert publish_due(world.ports) == 1
    assert others(read(world), {issued.printout.record.status_index: Value.SUSPENDED})
    assert fsck(world.ports) == []


@on_sqlite
def test_a_change_is_told_though_the_database_goes_out_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier = issue_one(world).printout.record.identifier

    def out(*_: object) -> Any:
        raise OperationalError("SELECT", {}, OSError("the server closed the connection"))

    with monkeypatch.context() as patched:
        patched.setattr("registry.licences.life_api.shown_in", out)
        body = {"legal_basis": "x", "reason_code": "expired_food", "ground": "other"}
        answer = world.post(f"/api/v1/licences/{identifier}/suspension", body, person="officer")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "suspended")
    assert "shown_in" not in answer.get_json()
    assert shown(world, identifier)["registry"] == "live"


@on_sqlite
def test_lists_move_with_the_site(world: World, clock: Ticker) -> None:
    """A code names a list by its number: where that stands, the trust list says."""
    issue_one(world)
    publish_due(world.ports)
    assert read(world).uri == "http://localhost:8801/status/0"
    moved = world.ports.settings.model_copy(update={"origin": "https://licence.example"})
    elsewhere = replace(world.ports, settings=moved)
    publish_trust_list(elsewhere)
    clock.advance(COALESCE)
    assert publish_due(elsewhere) == 2
    assert read(world).uri == "https://licence.example/status/0"


@on_sqlite
def test_who_fails_to_sign_is_found_out(world: World, clock: Ticker) -> None:
    def late() -> list[str]:
        answer = world.http.get("/readyz")
        assert answer.status_code == 200  # licences can be issued all the same
        return list(answer.get_json().get("overdue", []))

    identifier = issue_one(world).printout.record.identifier
    clock.advance(timedelta(days=1))
    assert late() == []  # no list was ever signed here
    publish_due(world.ports)
    change(world, "suspend", identifier, suspension="penalty")
    clock.advance(PATIENCE)
    assert late() == []
    clock.advance(SECOND)
    assert late() == ["status_list"]
    publish_due(world.ports)
    assert late() == []
    clock.advance(RENEW_AFTER + PATIENCE + SECOND)
    with Session(world.ports.database.read) as session:
        assert overdue(session, clock.now)
    publish_due(world.ports)
    assert late() == []


@on_sqlite
def test_a_list_that_could_not_be_signed_is_followed_by_another(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = issue_one(world)
    publish_due(world.ports)
    clock.advance(COALESCE)
    change(world, "end", issued.printout.record.identifier, how="revoked")

    def dead(*_: object) -> Any:
        raise VermilionError(ErrorKind.UNAVAILABLE, "no key", reason="key_unusable")

    with monkeypatch.context() as patched:
        patched.setattr(status_lists, "sign_status_list", dead)
        with pytest.raises(VermilionError):
            publish_due(world.ports)
    assert others(read(world), {})  # the last one that was signed
    assert shown(world, issued.printout.record.identifier)["status_list"] == "pending"
    assert publish_due(world.ports) == 0  # another process may be signing it
    clock.advance(COALESCE)
    assert publish_due(world.ports) == 1
    assert others(read(world), {issued.printout.record.status_index: Value.INVALID})
    assert [(row.list, row.generation, row.jwt is not None) for row in rows(world)] == [
        (0, 3, True),
        (1, 1, True),
    ]
    assert shown(world, issued.printout.record.identifier)["status_list"] == "published"


@on_sqlite
def test_a_slot_is_the_one_that_chance_names(world: World) -> None:
    """Whatever was given away before. What is drawn twice, or is taken, is drawn again."""
    taken = issue_one(world).printout.record.status_index
    wanted = [one for one in (0x0F_FFFF, 3, 0x08_0000, 7, 2) if one != taken][:4]
    drawn = iter(one.to_bytes(4) for one in (wanted[0], wanted[1], wanted[1], taken, *wanted[2:]))

    def chance(size: int) -> bytes:
        assert size == 4
        return next(drawn)

    with Session(world.ports.database.read) as session:
        found = free_slots(session, chance, 4)
    assert found == [(0, index) for index in wanted]


def rank_correlation(values: Sequence[int]) -> float:
    """Of values with their order, Spearman's: 1 for what counts upwards, -1 downwards, near 0 by chance."""
    count = len(values)
    rank = {value: place for place, value in enumerate(sorted(values))}
    apart = sum((place - rank[value]) ** 2 for place, value in enumerate(values))
    return 1 - 6 * apart / (count * (count**2 - 1))


def neighbours(values: Sequence[int]) -> int:
    """How many follow the one before at less than a thousandth of the list's length, upwards or down."""
    return sum(abs(two - one) < STATUS_LIST_SIZE // 1000 for one, two in pairwise(values))


def looks_random(slots: Sequence[tuple[int, int]]) -> bool:
    """Whether indexes are spread evenly, in no order, and far from the ones before. By chance alone a list of a
    thousand and more fails each of the three less than once in a thousand million times.
    """
    indexes = [index for _, index in slots]
    count = len(indexes)
    spread = Counter(index >> 16 for index in indexes)
    chi_square = sum((spread[part] - count / 16) ** 2 / (count / 16) for part in range(16))
    return (
        len(set(indexes)) == count
        and chi_square < 75  # 15 degrees of freedom
        and abs(rank_correlation(indexes)) < 6.2 / count**0.5
        and neighbours(indexes) < 2 + count / 500 + 6.2 * (count / 500) ** 0.5
    )


@on_sqlite
def test_slots_of_the_real_source_of_chance_look_random_and_others_do_not(world: World) -> None:
    with Session(world.ports.database.read) as session:
        found = free_slots(session, os.urandom, 2_000)
    assert {number for number, _ in found} == {0}
    assert looks_random(found)
    indexes = [index for _, index in found]
    start = indexes[0] // 2
    for wrong in (
        range(start, start + 2_000),  # counted
        range(start, start + 200_000, 100),
        range(STATUS_LIST_SIZE - 1, STATUS_LIST_SIZE - 2_001, -1),
        [place * 524 for place in range(2_000)],  # spread, and counted
        [index for block in range(0, 2_000, 50) for index in range(indexes[block], indexes[block] + 50)],
        sorted(indexes),  # drawn, then given away in order
        [index // 2 for index in indexes],
        [indexes[0]] * 2_000,
    ):
        assert not looks_random([(0, index) for index in wrong])


def test_licences_issued_one_after_the_other_and_at_once_have_slots_in_no_order(world: World) -> None:
    assert world.ports.random is os.urandom
    slots = [issue_one(world).printout.record for _ in range(12)]
    many = issue_many(world.ports, world.actor("system"), [ordered(request_body(world)) for _ in range(12)])
    slots += [one.printout.record for one in many if isinstance(one, Issued)]
    assert len(slots) == 24
    for part in (slots[:12], slots[12:]):
        indexes = [record.status_index for record in part]
        assert indexes not in (sorted(indexes), sorted(indexes, reverse=True))  # by chance: twice in 12!
        assert neighbours(indexes) < 4  # by chance: of 11, with two in a thousand each


@on_sqlite
def test_a_list_that_nobody_would_believe_is_not_published(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_due(world.ports)
    clock.advance(RENEW_AFTER)
    forgetful = replace(trust_now(world.ports), keys=())  # a list that does not name the key
    monkeypatch.setattr(status_lists, "trust_now", lambda _pieces: forgetful)
    with pytest.raises(VermilionError) as caught:
        publish_due(world.ports)
    assert caught.value.reason == "status_list_defective"
    assert [row.jwt is not None for row in rows(world) if row.list == 0] == [True, False]


def test_of_two_who_sign_at_once_one_is_too_late(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the other one did while this one was reading, nothing is lost and nothing said twice."""
    first, second = issue_one(world), issue_one(world)
    publish_due(world.ports)
    trust = trust_now(world.ports)
    clock.advance(COALESCE)
    change(world, "end", first.printout.record.identifier, how="revoked")
    held = status_lists._held
    raced: list[bool] = []

    def slow(session: Session, number: int) -> Any:
        mine = held(session, number)
        if not raced:
            raced.append(True)
            assert status_lists.publish_list(world.ports, trust, number)
            change(world, "end", second.printout.record.identifier, how="revoked")
        return mine

    monkeypatch.setattr(status_lists, "_held", slow)
    assert not status_lists.publish_list(world.ports, trust, 0)
    assert others(read(world), {first.printout.record.status_index: Value.INVALID})
    clock.advance(COALESCE)
    assert publish_due(world.ports) == 1
    ended = (one.printout.record.status_index for one in (first, second))
    assert others(read(world), dict.fromkeys(ended, Value.INVALID))
    assert fsck(world.ports) == []


def test_a_registry_that_had_no_lists_derives_them_from_its_record(world: World, clock: Ticker) -> None:
    issued = [issue_one(world) for _ in range(3)]
    change(world, "end", issued[0].printout.record.identifier, how="annulled")
    change(world, "suspend", issued[1].printout.record.identifier, suspension="other")
    with world.ports.database.transaction() as session:
        session.query(StatusChange).delete()
    assert publish_due(world.ports) == 2
    assert others(
        read(world),
        {
            issued[0].printout.record.status_index: Value.INVALID,
            issued[1].printout.record.status_index: Value.SUSPENDED,
        },
    )
    assert fsck(world.ports) == []


@on_sqlite
def test_one_of_many_is_changed_and_the_others_stay(world: World, clock: Ticker) -> None:
    """As `bench.status_lists` measures it: lists that hold many values, of which one changes."""
    issued = issue_one(world)
    fill(world.ports.database, 2_000)
    publish_due(world.ports)
    before = read(world).values
    said = Counter(byte >> 2 * slot & 3 for byte in before for slot in range(4))
    with Session(world.ports.database.read) as session:
        counted = select(Edition.status, func.count().label("number")).group_by(Edition.status)
        on_record = {row.status: row.number for row in session.execute(counted)}
    assert (said[Value.INVALID], said[Value.SUSPENDED]) == (on_record["ended"], on_record["suspended"])
    assert 20 < said[Value.INVALID] < 80
    clock.advance(COALESCE)
    change(world, "suspend", issued.printout.record.identifier, suspension="other")
    assert publish_due(world.ports) == 1
    with Session(world.ports.database.read) as session:
        assert read(world).values == derived(session, 0)
    assert read(world).values == packed_with(before, {issued.printout.record.status_index: Value.SUSPENDED})


def announce(world: World, key: Key, content: Content, inputs: tuple[bytes, bytes], **others: object) -> None:
    """Put a second generation of list 0 on record, as who signs it does. `others`: what its row says instead."""
    token = StatusListToken(
        list=0, generation=2, version=2, key_id=key.id, uri=content.uri, issued_at=content.issued_at,
        expires_at=content.expires_at, jwt_sha256=sha256(inputs[0]).digest(),
        cwt_sha256=sha256(inputs[1]).digest(), jwt=None, cwt=None,
    )  # fmt: skip
    for name, value in others.items():
        setattr(token, name, value)
    with world.ports.database.transaction() as session:
        session.execute(delete(StatusListToken).where(StatusListToken.generation == 2))
        session.execute(
            update(StatusListState).where(StatusListState.list == 0).values(version=2, lst=content.lst)
        )
        session.add(token)


@on_sqlite
def test_what_the_caller_put_on_record_is_signed_only_as_a_list_of_this_moment(
    world: World, clock: Ticker
) -> None:
    """Who may write the record may not have whatever it wrote there signed."""
    issue_one(world)
    publish_due(world.ports)
    with Session(world.ports.database.read) as session:
        key = session.scalars(select(Key).where(Key.purpose == "status-list")).one()
    row = rows(world)[0]
    kid = take_apart((row.jwt or "").encode()).kid
    now = clock.now.replace(microsecond=0)
    right = Content(row.uri, now, now + LIFE, TTL, compress(packed_with(EMPTY, {1: 1})))

    def asked(
        content: Content, named: str = kid, cwt_content: Content | None = None, **others: object
    ) -> str:
        inputs = jwt_input(content, named, P256), cwt_input(cwt_content or content, named, P256)
        announce(world, key, content, inputs, **others)
        ports = world.ports
        policy = registry_policy(ports.database, ports.clock, ports.settings.tz, ports.vault)
        said = []
        for kind, data, form in zip((Kind.STATUS_LIST_JWT, Kind.STATUS_LIST_CWT), inputs, FORMS, strict=True):
            try:
                policy(key_ref(key), [SignRequest(kind, data, f"status-list:0:2:{form}")])
                said.append("permitted")
            except VermilionError as error:
                assert error.kind is ErrorKind.KEY_REFUSED
                said.append(error.reason)
        return " ".join(dict.fromkeys(said))

    def at(moment: datetime, life: timedelta = LIFE, ttl: timedelta = TTL) -> Content:
        return replace(right, issued_at=moment, expires_at=moment + life, ttl=ttl)

    assert asked(right) == "permitted"
    assert asked(at(now - timedelta(minutes=4))) == "permitted"
    assert asked(at(now + timedelta(seconds=30))) == "permitted"
    assert asked(at(now - timedelta(minutes=5, seconds=1))) == "status_list_time"
    assert asked(at(now + timedelta(seconds=31))) == "status_list_time"
    assert asked(at(now + timedelta(days=300))) == "status_list_time"
    assert asked(at(now, ttl=LIFE)) == "status_list_time"
    assert asked(at(now, timedelta(minutes=20), timedelta(minutes=20))) == "permitted"  # a key's last hour
    assert asked(at(now, timedelta(minutes=20), timedelta(minutes=10))) == "status_list_time"
    assert asked(replace(right, uri=row.uri[:-1] + "1")) == "status_list"
    assert asked(right, uri=row.uri[:-1] + "1") == "status_list"
    assert asked(right, expires_at=now + LIFE - SECOND) == "status_list"
    assert asked(right, "0" * 16) == "status_list"
    assert asked(right, version=1) == "status_list_content"
    two = replace(right, lst=compress(EMPTY))
    assert asked(right, cwt_content=two) == "permitted status_list_content"


FORMS = ("jwt", "cwt")


@on_sqlite
def test_the_key_signs_no_list_but_the_one_on_record(world: World, clock: Ticker) -> None:
    issue_one(world)
    publish_due(world.ports)
    with Session(world.ports.database.read) as session:
        key = session.scalars(select(Key).where(Key.purpose == "status-list")).one()
    row = rows(world)[0]
    kid = take_apart((row.jwt or "").encode()).kid
    now = clock.now.replace(microsecond=0)
    content = Content(row.uri, now, now + LIFE, TTL, compress(packed_with(EMPTY, {1: 1})))
    jwt, cwt = jwt_input(content, kid, P256), cwt_input(content, kid, P256)
    announce(world, key, content, (jwt, cwt))
    other = jwt_input(Content(row.uri, now, now + LIFE, TTL, compress(EMPTY)), kid, P256)
    custodian, ref = world.ports.custodian, key_ref(key)
    for kind, data, record, reason in (
        (Kind.STATUS_LIST_JWT, other, "status-list:0:2:jwt", "status_list"),
        (Kind.STATUS_LIST_CWT, cwt, "status-list:0:3:cwt", "status_list_generation"),
        (Kind.STATUS_LIST_JWT, jwt, "status-list:0:1:jwt", "status_list_generation"),
        (Kind.STATUS_LIST_JWT, jwt, "status-list:1:2:jwt", "status_list_generation"),
        (Kind.STATUS_LIST_JWT, jwt, "status-list:0:2:cwt", "record"),
        (Kind.STATUS_LIST_CWT, cwt, "status-list:0:2:jwt", "record"),
        (Kind.STATUS_LIST_JWT, jwt, "trust-list:1", "record"),
    ):
        with pytest.raises(VermilionError) as caught:
            custodian.sign(ref, [SignRequest(kind, data, record)])
        assert (caught.value.kind, caught.value.reason) == (ErrorKind.KEY_REFUSED, reason)
    custodian.sign(ref, [SignRequest(Kind.STATUS_LIST_JWT, jwt, "status-list:0:2:jwt")])
    with pytest.raises(VermilionError) as caught:
        custodian.sign(ref, [SignRequest(Kind.STATUS_LIST_JWT, jwt, "status-list:0:2:jwt")])
    assert caught.value.reason == "record_used"
    with Session(world.ports.database.read) as session:
        used = session.scalars(select(KeyUse.record).where(KeyUse.key_id == key.id)).all()
    assert sorted(used) == [
        "status-list:0:1:cwt", "status-list:0:1:jwt", "status-list:0:2:jwt",
        "status-list:1:1:cwt", "status-list:1:1:jwt",
    ]  # fmt: skip


@on_sqlite
@pytest.mark.parametrize("compromised", [False, True])
def test_a_key_that_ended_is_followed_by_its_successor(
    world: World, clock: Ticker, compromised: bool
) -> None:
    publish_due(world.ports)
    before = rows(world)[0].key_id
    clock.advance(COALESCE)
    with world.ports.database.transaction() as session:
        purpose = retire_key(
            session, world.ports, world.system, key_id=before, ground=GROUND, compromised=compromised
        )
    successor = succeed(world.ports, purpose, world.system)
    assert successor is not None
    publish_trust_list(world.ports)
    if compromised:
        with pytest.raises(VermilionError) as caught:
            read(world)
        assert caught.value.reason == "key_compromised"
    else:
        read(world)  # what it signed while it served
    assert publish_due(world.ports) == 1  # there is one list as long as there is no licence
    assert {row.key_id for row in rows(world)} == {successor}
    read(world)


@on_sqlite
def test_fsck_names_a_list_that_says_otherwise(world: World, clock: Ticker) -> None:
    issued = issue_one(world)
    index = issued.printout.record.status_index
    publish_due(world.ports)

    def lists(lst: bytes) -> list[str]:
        with world.ports.database.transaction() as session:
            session.execute(update(StatusListState).where(StatusListState.list == 0).values(lst=lst))
        return fsck(world.ports)

    with Session(world.ports.database.read) as session:
        right = session.get_one(StatusListState, 0).lst
    wrong = "status list 0 holds another value than the record of 1 of its slots"
    other = "status list 0, generation 1, is another than its row says"
    assert lists(compress(packed_with(EMPTY, {index: 1}))) == [wrong, other]
    assert lists(compress(packed_with(EMPTY, {(index + 1) % 2**20: 3}))) == [wrong, other]
    assert lists(b"nothing") == ["status list 0 cannot be read", other]
    assert lists(right) == []
    with world.ports.database.transaction() as session:
        session.execute(update(Edition).values(status="suspended", ground="other", status_version=2))
    assert wrong in fsck(world.ports)
    with world.ports.database.transaction() as session:
        session.execute(update(Edition).values(status="in_force", ground=None, status_version=1))
        session.execute(update(StatusListToken).values(jwt=StatusListToken.jwt + "A"))
    assert sorted(fsck(world.ports)) == [other, other.replace("list 0", "list 1")]
