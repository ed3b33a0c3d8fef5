"""The status of certificates behind the life of a seal: each change once, on record, and shown where it must be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from keys.crl import RevocationReason, crl_entry
from keys.errors import Kind, VermilionError
from registry.log.tables import Event
from registry.seals import revocation
from registry.seals.revocation import State
from registry.seals.tables import Certificate, CertificateAuthority, CertificateStatus, Seal, SealEdition
from tests.registry.test_seals_races import at_once
from tests.registry.world import BASIS, GROUND, Ticker, World

SINCE = datetime(2026, 11, 18, 8, 0, tzinfo=UTC)


def serial_of(world: World, code: str | None = None) -> str:
    with Session(world.ports.database.read) as session:
        return session.scalars(
            select(SealEdition.certificate_serial).where(SealEdition.seal_code == (code or world.seal_code))
        ).one()


def row_of(world: World, serial: str) -> Certificate:
    with Session(world.ports.database.read) as session:
        return session.get_one(Certificate, serial)


def change(world: World, act: Callable[..., None], serial: str, *arguments: object) -> Callable[[], None]:
    def run() -> None:
        with world.ports.database.transaction() as session:
            act(session, world.ports, None, serial, GROUND, *arguments)

    return run


def cancel(world: World, since: datetime | None = None, status: int = 202) -> None:
    body = BASIS if since is None else BASIS | {"compromised_since": since.strftime("%Y-%m-%dT%H:%M:%SZ")}
    path = f"/api/v1/seals/{world.seal_code}/cancellation-request"
    world.decide(world.act("keeper", path, body, status))


def test_a_suspended_seal_s_certificate_is_held_and_released_when_it_is_resumed(
    world: World, clock: Ticker
) -> None:
    serial, path = serial_of(world), f"/api/v1/seals/{world.seal_code}"
    clock.advance(timedelta(minutes=1))
    world.act("keeper", f"{path}/suspension", BASIS)
    held = row_of(world, serial)
    assert (held.state, held.reason, held.revoked_at) == ("held", "certificateHold", clock.now)
    assert held.crl_entry == crl_entry(int(serial, 16), clock.now, RevocationReason.CERTIFICATE_HOLD, None)
    clock.advance(timedelta(minutes=1))
    world.decide(world.act("keeper", f"{path}/resumption-request", BASIS, 202))
    released = row_of(world, serial)
    assert (released.state, released.reason, released.revoked_at) == ("good", None, None)
    assert released.crl_entry is None
    with Session(world.ports.database.read) as session:
        history = session.scalars(
            select(CertificateStatus)
            .where(CertificateStatus.serial == serial)
            .order_by(CertificateStatus.version)
        ).all()
        events = session.scalars(
            select(Event.kind).where(Event.subject == serial).order_by(Event.recorded_at)
        ).all()
    assert [(row.version, row.state) for row in history] == [(2, "held"), (3, "good")]
    assert list(events) == ["certificate.held", "certificate.released"]


def test_a_cancelled_seal_s_certificate_is_revoked_with_its_reason(world: World, clock: Ticker) -> None:
    serial = serial_of(world)
    cancel(world)
    revoked = row_of(world, serial)
    assert (revoked.state, revoked.reason) == ("revoked", "cessationOfOperation")
    assert revoked.invalidity_date is None


def test_a_leaked_key_s_certificate_says_since_when(world: World, clock: Ticker) -> None:
    """Found at the cancellation or after it; the moment of the revocation stays what it was."""
    serial = serial_of(world)
    cancel(world)
    revoked_at = row_of(world, serial).revoked_at
    clock.advance(timedelta(hours=1))
    cancel(world, SINCE)
    found = row_of(world, serial)
    assert (found.reason, found.invalidity_date, found.revoked_at) == ("keyCompromise", SINCE, revoked_at)
    clock.advance(timedelta(hours=1))
    cancel(world, SINCE - timedelta(days=1))
    assert row_of(world, serial).invalidity_date == SINCE - timedelta(days=1)


def test_a_suspended_seal_that_is_cancelled_has_a_certificate_revoked_since_then(
    world: World, clock: Ticker
) -> None:
    """Else what a thief signs meanwhile would count as signed before the revocation."""
    serial = serial_of(world)
    clock.advance(timedelta(minutes=1))
    world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", BASIS)
    held_at = clock.now
    clock.advance(timedelta(days=1))
    cancel(world)
    row = row_of(world, serial)
    assert (row.state, row.reason, row.revoked_at) == ("revoked", "cessationOfOperation", held_at)
    assert row.crl_entry == crl_entry(int(serial, 16), held_at, RevocationReason.CESSATION_OF_OPERATION, None)
    cancel(world, SINCE)
    row = row_of(world, serial)
    assert (row.reason, row.invalidity_date, row.revoked_at) == ("keyCompromise", SINCE, held_at)


def test_a_hold_that_was_released_has_no_part_in_a_later_revocation(world: World, clock: Ticker) -> None:
    serial = serial_of(world)
    for act in (revocation.hold, revocation.release, revocation.revoke):
        clock.advance(timedelta(minutes=1))
        change(world, act, serial)()
    assert row_of(world, serial).revoked_at == clock.now


def test_a_seal_that_was_never_made_has_nothing_to_revoke(world: World) -> None:
    code = world.approved_seal()
    request = world.act("keeper", f"/api/v1/seals/{code}/cancellation-request", BASIS, 202)
    answer = world.decide(request)
    assert answer["seal_state"] == "cancelled"
    assert answer["shown_in"]["ocsp"] == "not_available"


@pytest.mark.parametrize(
    "reason", [*(r for r in RevocationReason if r is not RevocationReason.CERTIFICATE_HOLD), None]
)
def test_hold_release_and_revoke_with_each_reason(world: World, reason: RevocationReason | None) -> None:
    serial = serial_of(world)
    for act in (revocation.hold, revocation.release, revocation.hold):
        change(world, act, serial)()
    change(world, revocation.revoke, serial, reason, SINCE)()
    row = row_of(world, serial)
    assert (row.state, row.reason, row.invalidity_date) == ("revoked", reason, SINCE)
    assert row.revoked_at is not None
    assert row.crl_entry == crl_entry(int(serial, 16), row.revoked_at, reason, SINCE)
    assert row.state_version == 5


def test_what_is_not_allowed_changes_nothing(world: World) -> None:
    serial = serial_of(world)
    refused: list[tuple[Callable[..., None], tuple[object, ...]]] = [
        (revocation.release, ()),
        (revocation.compromise, (SINCE,)),
        (revocation.revoke, (RevocationReason.CERTIFICATE_HOLD,)),
    ]
    for act, arguments in refused:
        with pytest.raises(VermilionError):
            change(world, act, serial, *arguments)()
    change(world, revocation.revoke, serial, RevocationReason.KEY_COMPROMISE, SINCE)()
    after: list[tuple[Callable[..., None], tuple[object, ...]]] = [
        (revocation.hold, ()),
        (revocation.release, ()),
        (revocation.revoke, ()),
        (revocation.compromise, (SINCE,)),
        (revocation.compromise, (SINCE + timedelta(days=1),)),
        (revocation.compromise, (None,)),
    ]
    for act, arguments in after:
        with pytest.raises(VermilionError) as caught:
            change(world, act, serial, *arguments)()
        assert (caught.value.kind, caught.value.reason) == (Kind.CONFLICT, "certificate_state")
    row = row_of(world, serial)
    assert (row.state, row.state_version, row.invalidity_date) == ("revoked", 2, SINCE)
    with pytest.raises(VermilionError) as caught:
        change(world, revocation.hold, "1" + 32 * "0")()
    assert caught.value.kind is Kind.NOT_FOUND


def test_one_revocation_of_many_is_done(world: World) -> None:
    serial = serial_of(world)
    acts = [change(world, revocation.revoke, serial) for _ in range(4)]
    holds = [change(world, revocation.hold, serial) for _ in range(4)]
    said = at_once(*acts, *holds)
    row = row_of(world, serial)
    assert row.state == State.REVOKED
    done = said.count("done")
    assert done in {1, 2}  # a hold may come first, once
    assert row.state_version == 1 + done
    with Session(world.ports.database.read) as session:
        kinds = session.scalars(select(Event.kind).where(Event.subject == serial)).all()
        counted = session.scalars(
            select(CertificateAuthority.status_version).where(
                CertificateAuthority.key_id == row.issuer_key_id
            )
        ).one()
    assert kinds.count("certificate.revoked") == 1
    assert counted == done


def test_a_retired_qr_key_s_certificate_is_revoked_and_a_leaked_one_s_says_so(world: World) -> None:
    from registry.seals.retirement import retire_key
    from registry.seals.tables import Key

    with Session(world.ports.database.read) as session:
        key, certificate = session.execute(
            select(Key.id, Certificate.serial)
            .join(Certificate, Certificate.key_id == Key.id)
            .where(Key.purpose == "qr")
        ).first() or ("", "")
    for compromised, reason in ((False, "superseded"), (True, "keyCompromise")):
        with world.ports.database.transaction() as session:
            retire_key(session, world.ports, world.system, key_id=key, ground=GROUND, compromised=compromised)
        row = row_of(world, certificate)
        assert (row.state, row.reason) == ("revoked", reason)


def test_a_change_that_is_undone_leaves_no_trace(world: World) -> None:
    """Seal, certificate, history and count stand or fall together."""
    serial = serial_of(world)

    def broken(session: Session, *_: object) -> None:
        actor = world.actor("system", "keeper")
        revocation.hold_seal(session, world.ports, actor, world.seal_code, GROUND)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        change(world, broken, serial)()
    assert row_of(world, serial).state == "good"
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(CertificateStatus)).all() == []
        assert session.scalars(select(CertificateAuthority.status_version)).all() == [0, 0]
        assert session.get_one(Seal, world.seal_code).state == "active"


def test_a_suspension_is_told_though_the_database_goes_out_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out(*_: object) -> None:
        raise OperationalError("SELECT", {}, OSError("the server closed the connection"))

    with monkeypatch.context() as patched:
        patched.setattr("registry.seals.api.shown_in", out)
        answer = world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", BASIS)
    assert answer["shown_in"] == {"trust_list": "published"}
    assert world.get(f"/api/v1/seals/{world.seal_code}").get_json()["state"] == "suspended"
