"""The root's key is needed by nothing that serves; its delegate signs the trust list, and is renewed in time."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.certificates import certificate_validity
from keys.custodian import Kind, Purpose, SignRequest
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.profiles import PROFILES, ProfileName
from keys.trust_list import LIFE, read_trust_list, signer_of
from registry.composition import establish_registry, open_ports
from registry.seals.authority import give_delegate_key, give_qr_key, root_authority, trust_list_delegate
from registry.seals.keys import key_ref
from registry.seals.renewal import expiring, renew_delegate, renew_due
from registry.seals.revocation_list import publish_due
from registry.seals.tables import Certificate, Key, KeyUse
from registry.seals.trust import current_trust_list, publish_trust_list
from tests.registry.issuing import issue_one
from tests.registry.world import BASIS, CHEAP, Ticker, World

_watched: list[tuple[str, list[str]]] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched and event in {"open", "os.listdir", "os.scandir"} and isinstance(arguments[0], str | Path):
        place, seen = _watched[0]
        if str(arguments[0]).startswith(place):
            seen.append(f"{event} {arguments[0]}")


sys.addaudithook(_audit)


@contextmanager
def watched(place: Path) -> Iterator[list[str]]:
    """What Python code opens or lists in a directory meanwhile."""
    seen: list[str] = []
    _watched.append((str(place), seen))
    try:
        yield seen
    finally:
        _watched.clear()


def test_nothing_that_serves_opens_or_lists_the_root_s_directory(world: World, clock: Ticker) -> None:
    place = world.ports.settings.root_place
    with watched(place) as seen:
        assert list(place.glob("*.key"))
        assert seen, "the watch sees"
    with watched(place) as seen:
        ports = open_ports(world.ports.settings, clock=clock, cost=CHEAP)
        assert issue_one(world, ports=ports).status == "in_force"
        world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", BASIS)
        clock.advance(timedelta(days=3))
        publish_trust_list(ports)
        give_qr_key(ports, world.codes["own"])
        renew_due(ports)
        publish_due(ports)
        ports.database.dispose()
    assert seen == []


def test_a_registry_whose_root_was_carried_away_starts_issues_and_publishes(
    world: World, clock: Ticker, tmp_path: Path
) -> None:
    settings = world.ports.settings
    before = _sequence(world)
    shutil.move(settings.root_place, tmp_path / "a safe")
    clock.advance(timedelta(days=3))
    establish_registry(settings, test=True, clock=clock, cost=CHEAP)
    assert not settings.root_place.exists(), "and no other root is made"
    assert _sequence(world) == before + 1
    assert issue_one(world).status == "in_force"
    with Session(world.ports.database.read) as session:
        roots = select(func.count()).select_from(Key).where(Key.purpose == Purpose.ROOT_CA.value)
        assert session.scalar(roots) == 1


def _sequence(world: World) -> int:
    with Session(world.ports.database.read) as session:
        jws = current_trust_list(session)
    assert jws is not None
    return read_trust_list(jws, at=world.ports.clock()).sequence


def test_a_registry_has_one_root_in_service(world: World) -> None:
    """Two first starts at the same moment, on two machines and one database."""
    with Session(world.ports.database.read) as session:
        root = session.get_one(Key, root_authority(session).key.id)
    with pytest.raises(IntegrityError), world.ports.database.transaction() as session:
        session.add(
            Key(
                id="f" * 32, purpose=root.purpose, suite=root.suite, public_key=b"another", state="active",
                since=root.since, created_at=root.created_at,
            )
        )  # fmt: skip


def test_the_root_signs_no_list_and_the_delegate_no_certificate(world: World) -> None:
    with Session(world.ports.database.read) as session:
        root, delegate = root_authority(session), trust_list_delegate(session, world.ports.clock())
    for custodian, ref, kind in (
        (world.root_custodian(), root.key, Kind.TRUST_LIST),
        (world.ports.custodian, delegate.key, Kind.CERTIFICATE),
        (world.ports.custodian, delegate.key, Kind.CEREMONY_TRANSCRIPT),
    ):
        with pytest.raises(VermilionError) as refused:
            custodian.sign(ref, [SignRequest(kind, b"x", "trust-list:1")])
        assert (refused.value.kind, refused.value.reason) == (ErrorKind.KEY_REFUSED, "purpose")
    with pytest.raises(VermilionError) as refused:
        world.ports.custodian.public_key(root.key)
    assert refused.value.reason == "key_unusable", "its file is not among theirs"


def _delegate(world: World) -> bytes:
    with Session(world.ports.database.read) as session:
        certificate = trust_list_delegate(session, world.ports.clock()).certificate
        jws = current_trust_list(session)
    assert certificate is not None
    assert jws is not None
    assert signer_of(jws) == certificate
    return certificate


def test_a_first_start_renews_the_delegate_in_the_last_quarter_of_its_life(
    world: World, clock: Ticker
) -> None:
    first, life = _delegate(world), PROFILES[ProfileName.TRUST_LIST].life
    clock.advance(life * 3 / 4 - timedelta(minutes=6))
    establish_registry(world.ports.settings, test=True, clock=clock, cost=CHEAP)
    assert _delegate(world) == first
    clock.advance(timedelta(minutes=2))
    with Session(world.ports.database.read) as session:
        (found,) = expiring(session, clock())
        assert (found.profile, found.until) == (ProfileName.TRUST_LIST, certificate_validity(first)[1])
    establish_registry(world.ports.settings, test=True, clock=clock, cost=CHEAP)
    second = _delegate(world)
    assert second != first
    with Session(world.ports.database.read) as session:
        assert expiring(session, clock()) == []
    assert renew_delegate(world.ports) is False


def test_no_list_outlives_its_delegate_and_none_is_signed_after_it(world: World, clock: Ticker) -> None:
    _, end = certificate_validity(_delegate(world))
    clock.advance(end - clock() - timedelta(days=1))
    publish_trust_list(world.ports)
    with Session(world.ports.database.read) as session:
        jws = current_trust_list(session)
    assert jws is not None
    found = read_trust_list(jws, at=clock())
    assert found.expires_at == end < found.issued_at + LIFE
    clock.advance(timedelta(days=1, seconds=1))
    with pytest.raises(VermilionError) as refused:
        publish_trust_list(world.ports)
    assert (refused.value.kind, refused.value.reason) == (ErrorKind.UNAVAILABLE, "not_established")
    with Session(world.ports.database.read) as session:
        assert expiring(session, clock()) != []


def test_a_delegate_that_was_retired_signs_no_more_and_the_next_list_is_another_s(world: World) -> None:
    with Session(world.ports.database.read) as session:
        old = trust_list_delegate(session, world.ports.clock())
    before = _sequence(world)
    given = give_delegate_key(world.with_root())
    with world.ports.database.transaction() as session:
        session.execute(update(Key).where(Key.id == old.key.id).values(state="compromised"))
    assert publish_trust_list(world.ports) == before + 1
    assert _delegate(world) == given.certificate
    with Session(world.ports.database.read) as session:
        signed = session.scalars(
            select(KeyUse.key_id).where(KeyUse.record == f"trust-list:{before + 1}")
        ).all()
        assert signed == [given.key.id]
        row = session.scalars(select(Certificate).where(Certificate.key_id == given.key.id)).one()
        assert row.issuer_key_id == root_authority(session).key.id
        assert key_ref(session.get_one(Key, given.key.id)).purpose is Purpose.TRUST_LIST
