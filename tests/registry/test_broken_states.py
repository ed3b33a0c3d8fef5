"""A state that was changed in the database alone is found: no event says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from registry.licences.fsck import fsck
from registry.log.tables import Event
from registry.seals import revocation
from registry.seals.revocation_list import COALESCE, publish_due
from registry.seals.tables import Certificate, CertificateStatus, RevocationList, Seal, SealState
from tests.registry.test_revocation import SINCE, cancel, change, serial_of
from tests.registry.world import BASIS, Ticker, World, on_sqlite


def findings(world: World) -> list[str]:
    return [one for one in fsck(world.ports) if one.startswith(("seal ", "certificate ", "CRL "))]


def test_a_whole_life_has_no_finding(world: World, clock: Ticker) -> None:
    path = f"/api/v1/seals/{world.seal_code}"
    assert findings(world) == []
    for _ in range(2):
        clock.advance(timedelta(minutes=1))
        world.act("keeper", f"{path}/suspension", BASIS)
        assert findings(world) == []
        world.decide(world.act("keeper", f"{path}/resumption-request", BASIS, 202))
        assert publish_due(world.ports) == 1
        assert findings(world) == []
    cancel(world)
    cancel(world, SINCE)
    clock.advance(COALESCE)
    assert publish_due(world.ports) == 1
    assert findings(world) == []


def _revive_seal(session: Session, world: World) -> None:
    session.execute(update(Seal).where(Seal.code == world.seal_code).values(state="active"))


def _revive_seal_and_history(session: Session, world: World) -> None:
    seal = session.get_one(Seal, world.seal_code)
    session.execute(delete(SealState).where(SealState.version == seal.state_version))
    seal.state, seal.state_version = "active", seal.state_version - 1


def _rewrite_history(session: Session, world: World) -> None:
    seal = session.get_one(Seal, world.seal_code)
    seal.state = "active"
    session.execute(update(SealState).where(SealState.version == seal.state_version).values(state="active"))


def _revive_certificate(session: Session, world: World) -> None:
    serial = serial_of(world)
    session.execute(
        update(Certificate)
        .where(Certificate.serial == serial)
        .values(state="good", reason=None, revoked_at=None, crl_entry=None)
    )


def _revive_certificate_and_history(session: Session, world: World) -> None:
    _revive_certificate(session, world)
    session.execute(delete(CertificateStatus))
    session.execute(update(Certificate).values(state_version=1))


def _leave_out_of_lists(session: Session, _world: World) -> None:
    session.execute(update(Certificate).values(crl_entry=None))


def _later_revocation(session: Session, world: World) -> None:
    row = session.get_one(Certificate, serial_of(world))
    assert row.revoked_at is not None
    row.revoked_at += timedelta(days=1)


@on_sqlite
@pytest.mark.parametrize(
    ("meddle", "beginnings"),
    [
        (_revive_seal, {"seal"}),
        (_revive_seal_and_history, {"seal"}),
        (_rewrite_history, {"seal"}),
        (_revive_certificate, {"certificate", "CRL"}),
        (_revive_certificate_and_history, {"certificate", "CRL"}),
        (_leave_out_of_lists, {"certificate", "CRL"}),
        (_later_revocation, {"certificate"}),
    ],
)
def test_what_no_event_says_is_found(
    world: World, clock: Ticker, meddle: Callable[[Session, World], None], beginnings: set[str]
) -> None:
    """Whoever can write the database, and has no commitment in the log for it."""
    cancel(world)
    clock.advance(COALESCE)
    assert publish_due(world.ports) == 1
    with world.ports.database.transaction() as session:
        meddle(session, world)
    assert {one.split()[0] for one in findings(world)} == beginnings


@on_sqlite
def test_a_signed_list_that_lacks_a_revocation_is_found(world: World, clock: Ticker) -> None:
    """The custodian signs the list on record: whoever writes the record could have put another there."""
    clock.advance(COALESCE)
    serial = serial_of(world)
    change(world, revocation.revoke, serial)()
    with world.ports.database.transaction() as session:
        entry = session.get_one(Certificate, serial).crl_entry
        session.execute(update(Certificate).values(crl_entry=None))
    assert publish_due(world.ports) == 1
    with world.ports.database.transaction() as session:
        session.get_one(Certificate, serial).crl_entry = entry
    (said,) = findings(world)
    assert said.endswith(f"says otherwise of certificate {serial} than the record")


@on_sqlite
def test_an_event_of_another_kind_says_nothing(world: World) -> None:
    world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", BASIS)
    with world.ports.database.transaction() as session:
        made = session.scalars(select(Event.id).where(Event.kind == "seal.made")).first()
        session.execute(update(SealState).where(SealState.state == "suspended").values(event_id=made))
        assert session.scalars(select(RevocationList)).first() is not None
    assert [one for one in findings(world) if "by no event that says so" in one]
