"""CRLs: made when a status changed, coalesced, before one expires; numbers grow, generations are kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography import x509
from sqlalchemy import event, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from keys.crl import RevocationReason, crl_entry, crl_tbs, read_crl, verify_crl
from keys.custodian import Kind, Purpose, SignRequest
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from registry.composition import establish_registry
from registry.seals import revocation, revocation_list
from registry.seals.authority import issuing_authority, root
from registry.seals.revocation_list import (
    COALESCE,
    LIFE,
    PATIENCE,
    RENEW_AFTER,
    ROOT_LIFE,
    ROOT_RENEW_AFTER,
    overdue_crls,
    publish_due,
)
from registry.seals.shown import shown_in
from registry.seals.tables import Certificate, Key, KeyUse, RevocationList
from tests.registry.test_revocation import change, serial_of
from tests.registry.test_seals_races import at_once
from tests.registry.world import CHEAP, GROUND, START, Ticker, World, on_sqlite


def lists(world: World, *, of_root: bool = False) -> list[RevocationList]:
    """Of the issuing CA, or of the root."""
    purpose = Purpose.ROOT_CA if of_root else Purpose.ISSUING_CA
    statement = select(RevocationList).join(Key, Key.id == RevocationList.ca_key_id)
    with Session(world.ports.database.read) as session:
        return list(
            session.scalars(statement.where(Key.purpose == purpose.value).order_by(RevocationList.number))
        )


def newest(world: World) -> x509.CertificateRevocationList:
    der = lists(world)[-1].der
    assert der is not None
    return x509.load_der_x509_crl(der)


@pytest.fixture
def published(world: World, clock: Ticker) -> World:
    """As the first start left it, a minute later."""
    clock.advance(timedelta(minutes=1))
    return world


def test_an_authority_begins_with_an_empty_list(world: World) -> None:
    (row,) = lists(world)
    assert row.der is not None
    found = newest(world)
    assert len(found) == 0
    assert found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 1
    assert row.next_update - row.this_update == LIFE
    assert publish_due(world.ports) == 0


def test_a_change_is_in_the_list_within_a_minute_and_a_release_takes_it_out(
    published: World, clock: Ticker
) -> None:
    world, serial = published, serial_of(published)
    for act, there in ((revocation.hold, True), (revocation.release, False), (revocation.revoke, True)):
        change(world, act, serial)()
        with Session(world.ports.database.read) as session:
            assert shown_in(session, world.seal_code, clock.now)["crl"] == "pending"
        clock.advance(COALESCE)
        assert publish_due(world.ports) == 1
        with Session(world.ports.database.read) as session:
            assert shown_in(session, world.seal_code, clock.now)["crl"] == "published"
        entry = newest(world).get_revoked_certificate_by_serial_number(int(serial, 16))
        assert (entry is not None) is there
    assert [row.number for row in lists(world)] == [1, 2, 3, 4]
    assert all(row.der for row in lists(world))  # every generation is kept
    assert timedelta(seconds=60) > COALESCE + revocation_list.LOOK_EVERY


def test_changes_close_together_share_a_list(published: World, clock: Ticker) -> None:
    world, serial = published, serial_of(published)
    change(world, revocation.hold, serial)()
    assert publish_due(world.ports) == 1
    change(world, revocation.release, serial)()
    assert publish_due(world.ports) == 0  # not yet
    change(world, revocation.hold, serial)()
    clock.advance(COALESCE)
    assert publish_due(world.ports) == 1
    assert len(lists(world)) == 3


def test_a_list_is_made_anew_before_it_expires_though_nothing_changed(
    published: World, clock: Ticker
) -> None:
    world = published
    clock.now = lists(world)[-1].this_update + RENEW_AFTER - timedelta(seconds=1)
    assert publish_due(world.ports) == 0
    clock.advance(timedelta(seconds=1))
    assert publish_due(world.ports) == 1
    assert 3 * RENEW_AFTER < LIFE
    with Session(world.ports.database.read) as session:
        assert overdue_crls(session, clock.now) == []
        assert overdue_crls(session, clock.now + RENEW_AFTER + PATIENCE + timedelta(seconds=1))


def test_one_that_expired_is_shown_once_more_and_then_left_out(published: World, clock: Ticker) -> None:
    world, serial = published, serial_of(published)
    change(world, revocation.revoke, serial)()
    with world.ports.database.transaction() as session:  # it ends before any list shows it
        session.execute(update(Certificate).where(Certificate.serial == serial).values(not_after=clock.now))
    clock.advance(COALESCE)
    assert publish_due(world.ports) == 1
    assert len(newest(world)) == 1
    clock.advance(RENEW_AFTER)
    assert publish_due(world.ports) == 1
    assert len(newest(world)) == 0


def test_a_new_list_costs_the_database_no_more_for_those_revoked_before(
    published: World, clock: Ticker
) -> None:
    """Their entries are read in one statement, and none of them is made or looked up again."""
    world, serial = published, serial_of(published)
    statements: list[str] = []

    def count(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    def cost(before: int) -> int:
        """Of a list with one change, where so many certificates are revoked already."""
        with world.ports.database.transaction() as session:
            row = session.get_one(Certificate, serial)
            like = {column.key: getattr(row, column.key) for column in Certificate.__table__.columns}
            for number in range(before):
                name = (1 << 128) + number
                entry = crl_entry(name, clock.now, RevocationReason.SUPERSEDED, None)
                session.add(
                    Certificate(**like | {"serial": f"{name:x}", "state": "revoked", "crl_entry": entry})
                )
        change(world, revocation.hold, serial)()
        clock.advance(COALESCE)
        statements.clear()
        assert publish_due(world.ports) == 1
        made = len(statements)
        assert len(newest(world)) == before + 1
        change(world, revocation.release, serial)()
        clock.advance(COALESCE)
        assert publish_due(world.ports) == 1
        return made

    engines = (world.ports.database.read, world.ports.database.write)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", count)
    try:
        assert cost(0) == cost(300)
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", count)


def test_two_processes_make_one_list(published: World) -> None:
    world = published
    change(world, revocation.hold, serial_of(world))()
    with Session(world.ports.database.read) as session:
        issuer = issuing_authority(session)
    assert at_once(*[lambda: revocation_list.publish_crl(world.ports, issuer)] * 3) == ["done"] * 3
    rows = lists(world)
    numbers = [row.number for row in rows]
    assert numbers == sorted(set(numbers))
    signed = [row for row in rows if row.der is not None]
    assert signed[-1].number == max(numbers)
    assert len(read_crl(signed[-1].der or b"").entries) == 1


@on_sqlite
def test_a_list_of_a_later_number_is_of_no_earlier_moment(
    published: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 5280, 5.2.3. Whoever looks at the clock is overtaken before anything is read."""
    world = published
    change(world, revocation.hold, serial_of(world))()
    with Session(world.ports.database.read) as session:
        issuer = issuing_authority(session)
    overtaken: list[int | None] = []

    def slow() -> datetime:
        now = clock.now
        if not overtaken:
            overtaken.append(None)
            clock.advance(timedelta(seconds=5))
            overtaken.append(revocation_list.publish_crl(world.ports, issuer))
            clock.advance(timedelta(seconds=5))
        return now

    made = revocation_list.publish_crl(replace(world.ports, clock=slow), issuer)
    assert overtaken[-1] is not None
    assert made is None  # its number was taken
    rows = lists(world)
    assert [row.this_update for row in rows] == sorted(row.this_update for row in rows)
    assert all(row.der is not None for row in rows)


@pytest.mark.parametrize("database_backend", ["postgresql"])  # SQLite lets one writer in at a time
def test_no_list_is_of_a_moment_after_a_revocation_that_it_lacks(
    published: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revocation has its time before it is committed: whoever makes a list meanwhile waits for it."""
    monkeypatch.setattr(revocation, "SHARED_PATIENCE_MS", 100)
    world, serial = published, serial_of(published)
    with Session(world.ports.database.read) as session:
        issuer = issuing_authority(session)
    with world.ports.database.transaction() as session:
        revocation.revoke(session, world.ports, None, serial, GROUND)
        clock.advance(timedelta(seconds=1))
        with pytest.raises(OperationalError):
            revocation_list.publish_crl(world.ports, issuer)
    assert revocation_list.publish_crl(world.ports, issuer) is not None
    assert len(newest(world)) == 1
    assert len(lists(world)) == 2


def test_a_clock_that_is_set_back_holds_no_change_up(published: World, clock: Ticker) -> None:
    """Nor does it have lists made again and again."""
    world, serial = published, serial_of(published)
    clock.advance(timedelta(hours=1))
    change(world, revocation.hold, serial)()
    assert publish_due(world.ports) == 1
    clock.advance(-timedelta(minutes=30))
    assert publish_due(world.ports) == 0
    change(world, revocation.release, serial)()
    assert publish_due(world.ports) == 1
    assert len(newest(world)) == 0
    assert publish_due(world.ports) == 0


@on_sqlite
def test_a_list_that_could_not_be_signed_is_followed_by_another(
    published: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = published
    change(world, revocation.hold, serial_of(world))()

    def dead(*_: object) -> bytes:
        raise VermilionError(ErrorKind.UNAVAILABLE, "no key", reason="key_unusable")

    with monkeypatch.context() as patched:
        patched.setattr(revocation_list, "sign_crl", dead)
        with pytest.raises(VermilionError):
            publish_due(world.ports)
    assert lists(world)[-1].der is None
    assert publish_due(world.ports) == 0  # another process may be signing it
    clock.advance(COALESCE)
    assert publish_due(world.ports) == 1
    assert [row.der is not None for row in lists(world)] == [True, False, True]


@on_sqlite
def test_the_key_signs_no_list_but_the_one_on_record(published: World) -> None:
    world = published
    with Session(world.ports.database.read) as session:
        issuer = issuing_authority(session)
    (row,) = lists(world)
    draft = revocation_list._draft(world.ports, issuer, LIFE)
    assert draft is not None
    assert issuer.certificate is not None
    other = crl_tbs(
        issuer.certificate, issuer.key.suite, number=draft.number, this_update=row.this_update,
        next_update=row.next_update, entries=[],
    )  # fmt: skip
    for data, record, reason in (
        (other, f"crl:{issuer.key.id}:{draft.number}", "crl"),
        (draft.tbs, f"crl:{issuer.key.id}:{draft.number + 1}", "crl_number"),
        (draft.tbs, f"crl:{issuer.key.id}:1", "crl_number"),
        (draft.tbs, f"crl:{'0' * 32}:{draft.number}", "crl_number"),
        (draft.tbs, "certificate:1", "record"),
    ):
        with pytest.raises(VermilionError) as caught:
            world.ports.custodian.sign(issuer.key, [SignRequest(Kind.CRL, data, record)])
        assert (caught.value.kind, caught.value.reason) == (ErrorKind.KEY_REFUSED, reason)
    with Session(world.ports.database.read) as session:
        used = session.scalars(
            select(KeyUse.record).where(KeyUse.kind == Kind.CRL.value, KeyUse.key_id == issuer.key.id)
        ).all()
    assert used == [f"crl:{issuer.key.id}:1"]


@on_sqlite
def test_the_key_signs_no_list_that_says_otherwise_of_a_certificate(published: World, clock: Ticker) -> None:
    """Whoever can put a list on record, and not the status of a certificate, has no lie signed."""
    world, serial = published, serial_of(published)
    change(world, revocation.revoke, serial, RevocationReason.KEY_COMPROMISE)()
    with Session(world.ports.database.read) as session:
        issuer = issuing_authority(session)
        own = session.get_one(Certificate, serial).crl_entry
        unrevoked = session.scalars(select(Certificate.serial).where(Certificate.profile == "tsa")).one()
    assert own is not None
    assert issuer.certificate is not None
    before = clock.now
    clock.advance(timedelta(minutes=4))

    def refusal(*entries: bytes, at: datetime = clock.now, life: timedelta = LIFE) -> str:
        number = lists(world)[-1].number + 1
        tbs = crl_tbs(
            issuer.certificate or b"", issuer.key.suite, number=number, this_update=at, next_update=at + life,
            entries=sorted(entries),
        )  # fmt: skip
        with world.ports.database.transaction() as session:
            session.add(
                RevocationList(
                    ca_key_id=issuer.key.id, number=number, status_version=1, tbs_sha256=sha256(tbs).digest(),
                    this_update=at, next_update=at + life, der=None,
                )
            )  # fmt: skip
        request = SignRequest(Kind.CRL, tbs, f"crl:{issuer.key.id}:{number}")
        try:
            world.ports.custodian.sign(issuer.key, [request])
        except VermilionError as error:
            return error.reason
        return "signed"

    def entry(name: str) -> bytes:
        return crl_entry(int(name, 16), before, RevocationReason.SUPERSEDED, None)

    assert refusal() == "crl_content", "left out"
    assert refusal(entry(serial)) == "crl_content", "for another reason"
    assert refusal(own, entry(unrevoked)) == "crl_content", "one that is good"
    assert refusal(own, entry("1" + 32 * "0")) == "crl_content", "one that was never issued"
    assert refusal(at=before - timedelta(hours=1)) == "crl_time", "as if it had been made before"
    for life in (timedelta(days=400), timedelta(hours=47)):
        assert refusal(own, life=life) == "crl_time", "for longer than lists hold, or not as long"
    assert refusal(own) == "signed"
    assert refusal(at=before) == "signed", "begun in the very second of the change"


@on_sqlite
def test_the_root_s_list_is_made_where_the_root_is(world: World, clock: Ticker) -> None:
    """At the first start here. It holds for a year, and a start makes the next one when it is a month old."""
    (row,) = lists(world, of_root=True)
    with Session(world.ports.database.read) as session:
        assert len(verify_crl(row.der or b"", root(session)).entries) == 0
    assert row.next_update - row.this_update == ROOT_LIFE
    for later, number in ((timedelta(days=29), 1), (timedelta(days=31), 2)):
        clock.now = START + later
        establish_registry(world.ports.settings, test=True, clock=clock, cost=CHEAP)
        assert [row.number for row in lists(world, of_root=True)] == list(range(1, number + 1))
    clock.advance(ROOT_RENEW_AFTER)
    assert publish_due(world.ports) == 1  # the issuing CA's alone: nothing that serves has the root's key
    assert len(lists(world, of_root=True)) == 2
