"""An agency's QR key signs only while everybody can recognise it: certified, in time, named by the trust list."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from keys.trust_list import RENEW_AFTER, kid_of
from registry.agencies.qr_keys import ensure_qr_key
from registry.licences.fsck import fsck
from registry.seals.authority import give_qr_key
from registry.seals.renewal import renew_delegate
from registry.seals.tables import Certificate, Key, SealUse
from registry.seals.trust import publish_trust_list
from registry.seals.use import qr_key
from signing.credential import decode_credential, parse_link
from tests.registry.issuing import issue_one, request_body
from tests.registry.keeping import body_today, dying, serving, trust_list, verdict
from tests.registry.world import Ticker, World


def die_giving_a_key(world: World, code: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        give_qr_key(dying(world), code)


def kid_in(link: str) -> str:
    credential = parse_link(link).credential
    assert credential is not None
    return decode_credential(credential).kid


def test_a_key_whose_certificate_was_never_signed_signs_nothing(world: World, clock: Ticker) -> None:
    before = serving(world)
    clock.advance(timedelta(seconds=5))
    die_giving_a_key(world, world.codes["own"])
    clock.advance(timedelta(days=3))
    publish_trust_list(world.ports)
    assert serving(world) == before
    assert verdict(world, issue_one(world).link) == "valid"
    assert fsck(world.ports) == []


def test_a_first_key_that_came_to_nothing_is_made_up_for(world: World) -> None:
    """However often it is asked for, there is one key that serves in the end."""
    code = world.codes["authority"]
    die_giving_a_key(world, code)
    assert serving(world, "authority") == "no_qr_key"
    for _ in range(2):
        ensure_qr_key(world.ports, code)
        publish_trust_list(world.ports)
    with Session(world.ports.database.read) as session:
        of_agency = select(Key).where(Key.agency_code == code, Key.purpose == "qr")
        keys = session.scalars(of_agency).all()
    assert sorted(key.state for key in keys) == ["active", "reserved"]
    assert serving(world, "authority") == next(key.id for key in keys if key.state == "active")


def test_a_new_key_serves_once_every_verifier_can_know_it(world: World, clock: Ticker) -> None:
    """Not before a list names it, and while an older one serves not before that list has gone round."""
    first = serving(world)
    clock.advance(timedelta(hours=1))
    second = give_qr_key(world.ports, world.codes["own"]).key.id
    assert serving(world) == first
    publish_trust_list(world.ports)
    clock.advance(RENEW_AFTER - timedelta(seconds=1))
    assert serving(world) == first
    old = issue_one(world)
    clock.advance(timedelta(seconds=2))
    publish_trust_list(world.ports)
    assert serving(world) == second
    new = issue_one(world)
    assert kid_in(new.link) != kid_in(old.link)
    assert [verdict(world, issued.link) for issued in (old, new)] == ["valid", "valid"]


def test_without_an_older_one_a_new_key_serves_as_soon_as_it_is_listed(world: World, clock: Ticker) -> None:
    with world.ports.database.transaction() as session:
        session.execute(update(Key).where(Key.purpose == "qr").values(state="retired", since=clock()))
    assert serving(world) == "no_qr_key"
    given = give_qr_key(world.ports, world.codes["own"]).key
    with Session(world.ports.database.read) as session, pytest.raises(VermilionError) as refused:
        qr_key(session, world.codes["own"], clock())
    assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "qr_key_unlisted")
    with pytest.raises(VermilionError) as refused:
        issue_one(world)
    assert refused.value.reason == "qr_key_unlisted"
    publish_trust_list(world.ports)
    assert serving(world) == given.id
    assert verdict(world, issue_one(world).link) == "valid"


def test_a_key_past_its_certificate_signs_nothing(world: World, clock: Ticker) -> None:
    old = issue_one(world)
    clock.advance(timedelta(days=3 * 365 + 10))
    renew_delegate(world.with_root())
    publish_trust_list(world.ports)
    seal = world.active_seal()
    world.authorise(seal)
    assert serving(world) == "qr_key_expired"
    with pytest.raises(VermilionError) as refused:
        issue_one(world, body_today(world, seal))
    assert (refused.value.kind, refused.value.reason) == (Kind.CONFLICT, "qr_key_expired")
    ensure_qr_key(world.ports, world.codes["own"])
    publish_trust_list(world.ports)
    new = issue_one(world, body_today(world, seal))
    assert [verdict(world, issued.link) for issued in (old, new)] == ["valid", "valid"]


def test_a_code_that_the_list_would_not_let_through_is_not_registered(world: World) -> None:
    """Here its origin: the setting changed, and the list that names it is not published yet."""
    moved = world.ports.settings.model_copy(update={"origin": "https://verify.example"})
    ports = replace(world.ports, settings=moved)
    with pytest.raises(VermilionError) as refused:
        issue_one(world, ports=ports)
    assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "origin_unknown")
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(SealUse.state)).all() == ["void"]
    publish_trust_list(ports)
    assert verdict(world, issue_one(world, ports=ports).link) == "valid"


def test_nor_is_a_seal_that_the_list_does_not_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def out(_pieces: object) -> int:
        raise VermilionError(Kind.UNAVAILABLE, "out")

    monkeypatch.setattr("registry.seals.api.publish_trust_list", out)
    seal = world.active_seal()
    world.authorise(seal)
    with pytest.raises(VermilionError) as refused:
        issue_one(world, request_body(world, seal=seal))
    assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "key_unknown")
    publish_trust_list(world.ports)
    assert verdict(world, issue_one(world, request_body(world, seal=seal)).link) == "valid"


def test_every_key_that_ever_served_stays_in_the_list(world: World, clock: Ticker) -> None:
    give_qr_key(world.ports, world.codes["own"])
    clock.advance(timedelta(days=4 * 365))
    renew_delegate(world.with_root())
    publish_trust_list(world.ports)
    trust = trust_list(world)
    with Session(world.ports.database.read) as session:
        signed = select(Key.public_key).join(Certificate, Certificate.key_id == Key.id)
        keys = session.scalars(signed.where(Key.purpose == "qr", Certificate.der.is_not(None))).all()
    assert {key.kid for key in trust.keys if key.use == "qr"} == {kid_of(key) for key in keys}
    assert len(keys) == 3
