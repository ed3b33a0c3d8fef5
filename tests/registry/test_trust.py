"""The published trust list says what is on record, to whoever verifies with the root alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from keys.trust_list import LIFE, RENEW_AFTER, TrustedKey, TrustList, read_trust_list
from registry.agencies.rules import set_client_active
from registry.seals.authority import root
from registry.seals.history import state_at_sealing
from registry.seals.tables import Seal
from registry.seals.trust import publish_trust_list
from tests.registry.world import BASIS, GROUND, Ticker, World


def published(world: World) -> TrustList:
    with Session(world.ports.database.read) as session:
        fingerprint = sha256(root(session)).hexdigest()
    answer = world.http.get("/.well-known/elicence/trust-list")
    assert answer.content_type == "application/jose"
    return read_trust_list(answer.data, at=world.ports.clock(), root_sha256=fingerprint)


def seal_key(trust: TrustList) -> TrustedKey:
    (key,) = (key for key in trust.keys if key.use == "seal")
    return key


def test_it_names_agencies_types_keys_and_origin(world: World) -> None:
    trust = published(world)
    own, other = world.codes["own"], world.codes["other"]
    assert set(trust.agencies) == {own, other}
    assert set(trust.types) == set(world.types.values())
    entitled = {(key.use, key.agency, key.types) for key in trust.keys}
    assert entitled == {
        ("seal", own, (world.types["own"],)),
        ("qr", own, (world.types["own"],)),
        ("qr", other, (world.types["other"],)),
        ("tsa", None, ()),
        ("status-list", None, ()),
        ("receipt", None, ()),
    }
    assert trust.origins == ("http://localhost:8801",)
    assert trust.expires_at - trust.issued_at == LIFE == timedelta(days=7)


def test_it_is_signed_again_on_change_or_after_a_third_of_its_life(world: World, clock: Ticker) -> None:
    first = published(world).sequence
    assert publish_trust_list(world.ports) == first
    clock.advance(RENEW_AFTER - timedelta(seconds=1))
    assert publish_trust_list(world.ports) == first
    clock.advance(timedelta(seconds=1))
    assert publish_trust_list(world.ports) == first + 1
    assert published(world).sequence == first + 1


def test_a_suspended_seal_is_out_of_period_from_then_on_and_back_when_resumed(
    world: World, clock: Ticker
) -> None:
    path = f"/api/v1/seals/{world.seal_code}"
    before = seal_key(published(world))
    clock.advance(timedelta(days=1))
    world.act("keeper", f"{path}/suspension", BASIS)
    during = seal_key(published(world))
    stopped = clock().replace(microsecond=0)
    assert (during.state, during.since, during.sign_to) == ("retired", stopped, stopped)
    world.decide(world.act("keeper", f"{path}/resumption-request", BASIS, 202))
    assert seal_key(published(world)) == before


def test_a_compromised_seal_carries_its_invalidity_date(world: World) -> None:
    body = {**BASIS, "compromised_since": "2026-11-19T00:00:00Z"}
    world.decide(world.act("keeper", f"/api/v1/seals/{world.seal_code}/cancellation-request", body, 202))
    key = seal_key(published(world))
    assert (key.state, key.since) == ("compromised", datetime(2026, 11, 19, tzinfo=UTC))


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z"])
def test_an_invalidity_date_that_no_list_can_carry_is_refused(world: World, since: str) -> None:
    body = {**BASIS, "compromised_since": since}
    path = f"/api/v1/seals/{world.seal_code}/cancellation-request"
    fault = world.act("keeper", path, body, 422)["errors"][0]
    assert (fault["pointer"], fault["reason"]) == ("/compromised_since", "too_early")


def test_a_list_that_nobody_could_read_is_not_published(world: World) -> None:
    before = published(world)
    with world.ports.database.transaction() as session:
        session.execute(update(Seal).values(compromised_since=datetime(1960, 1, 1, tzinfo=UTC)))
    with pytest.raises(VermilionError) as refused:
        publish_trust_list(world.ports)
    assert refused.value.reason == "trust_list_defective"
    assert published(world) == before


def test_a_list_that_cannot_be_stored_leaves_the_change_done_and_says_pending(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out(_pieces: object) -> int:
        raise OperationalError("select", {}, Exception("database is locked"))

    monkeypatch.setattr("registry.seals.api.publish_trust_list", out)
    answer = world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", BASIS)
    assert (answer["state"], answer["shown_in"]["trust_list"]) == ("suspended", "pending")
    monkeypatch.undo()
    publish_trust_list(world.ports)
    assert seal_key(published(world)).state == "retired"


def test_what_a_client_was_entitled_to_goes_on_being_recognised(world: World) -> None:
    before = published(world)
    world.act(
        "keeper", f"/api/v1/seals/{world.seal_code}/authorisations/{world.authorisation_id}/withdrawal", {}
    )
    with world.ports.database.transaction() as session:
        for client in world.clients.values():
            set_client_active(
                session, world.ports, world.security, client_id=client.id, active=False, ground=GROUND
            )
    assert publish_trust_list(world.ports) == before.sequence
    assert published(world) == before


def test_an_origin_once_printed_stays(world: World) -> None:
    moved = world.ports.settings.model_copy(update={"origin": "https://verify.example"})
    object.__setattr__(world.ports, "settings", moved)
    publish_trust_list(world.ports)
    assert published(world).origins == ("http://localhost:8801", "https://verify.example")


def test_a_seal_that_was_never_active_is_not_listed(world: World) -> None:
    world.made_seal()
    publish_trust_list(world.ports)
    seal_key(published(world))  # one only


def test_the_history_answers_for_the_second_that_a_time_stamp_names(world: World, clock: Ticker) -> None:
    code = world.seal_code
    activated = clock()  # 0.25 s past the second
    stamped = activated.replace(microsecond=0)
    clock.advance(timedelta(seconds=10))
    world.act("keeper", f"/api/v1/seals/{code}/suspension", BASIS)
    suspended = clock()

    def state(at: datetime) -> str | None:
        with Session(world.ports.database.read) as session:
            return state_at_sealing(session, code, at)

    assert state(stamped) == "active"
    assert state(suspended.replace(microsecond=0)) == "active"  # sealed in that second, before it
    assert state(suspended + timedelta(seconds=1)) == "suspended"
    assert state(stamped - timedelta(days=1)) is None
