"""Standing authorisations: the keeper's alone, for a client and a type, within limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from keys.errors import VermilionError
from registry.agencies.rules import set_client_active
from registry.seals.authorisations import withdraw
from registry.seals.tables import StandingAuthorisation
from registry.seals.use import still_usable
from tests.registry.uses import draw_use
from tests.registry.world import BASIS, GROUND, World, on_sqlite


def body(world: World, **changes: Any) -> dict[str, Any]:
    right: dict[str, Any] = {
        "client_id": world.clients["system"].id,
        "type_code": world.type_code,
        "valid_from": world.today.isoformat(),
        "valid_to": world.today.isoformat(),
        "daily_limit": 1,
    }
    return right | changes


@on_sqlite
@pytest.mark.parametrize(
    ("person", "status"),
    [
        ("officer", 403),
        ("applicant", 403),
        ("approver", 403),
        ("maker", 403),
        ("everything", 403),
        ("other-keeper", 404),
    ],
)
def test_nobody_but_the_keeper_authorises(world: World, person: str, status: int) -> None:
    path = f"/api/v1/seals/{world.seal_code}/authorisations"
    assert world.post(path, body(world), world.system_of(person), person).status_code == status
    assert world.post(path, body(world), "system").get_json()["reason"] == "person_required"


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"daily_limit": 0}, "/daily_limit"),
        ({"daily_limit": "5"}, "/daily_limit"),
        ({"daily_limit": True}, "/daily_limit"),
        ({"valid_to": "2026-11-19"}, "/valid_to"),
        ({"valid_from": "2026-11-18", "valid_to": "2026-11-19"}, "/valid_to"),
        ({"valid_to": "2036-11-19"}, "/valid_to"),
        ({"valid_from": "2026-02-30"}, "/valid_from"),
        ({"valid_from": "20261120"}, "/valid_from"),
        ({"valid_from": 1}, "/valid_from"),
        ({"client_id": "0" * 32}, "/client_id"),
        ({"type_code": "11990000MB00020229001"}, "/type_code"),
        ({"type_code": "11990000MB00020220001"}, "/type_code"),  # another check character
        ({"type_code": "I" * 21}, "/type_code"),
    ],
    ids=str,
)
def test_its_terms_are_checked(world: World, changes: dict[str, Any], pointer: str) -> None:
    path = f"/api/v1/seals/{world.seal_code}/authorisations"
    answer = world.post(path, body(world, **changes), "system", "keeper")
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.get_json()["errors"]] == [pointer]


def test_each_reason_why_a_seal_cannot_be_used_names_it(world: World) -> None:
    def reason(**changes: Any) -> str:
        with pytest.raises(VermilionError) as refused, world.ports.database.transaction() as session:
            draw_use(session, world, **changes)
        (fault,) = refused.value.faults
        assert (fault.field, fault.reason) == ("/seal", refused.value.reason)
        return fault.reason

    assert reason(seal_code="99010000000999") == "seal_unknown"
    assert reason(agency_code=world.codes["other"]) == "seal_unknown"
    assert reason(seal_kind="finance") == "seal_kind"
    assert reason(seal_code=world.made_seal()) == "seal_not_active"
    assert reason(day=world.today + timedelta(days=20 * 366)) == "seal_expired"
    assert reason(client_id=world.clients["desk"].id) == "not_authorised"
    once = world.active_seal()
    world.authorise(once, daily_limit=1)
    with world.ports.database.transaction() as session:
        draw_use(session, world, seal_code=once)
    assert reason(seal_code=once) == "daily_limit"


def test_a_client_of_another_agency_cannot_be_authorised(world: World) -> None:
    path = f"/api/v1/seals/{world.seal_code}/authorisations"
    answer = world.post(path, body(world, client_id=world.clients["other-system"].id), "system", "keeper")
    assert answer.get_json()["reason"] == "client_unknown"


def test_a_seal_of_another_kind_than_the_type_wants_is_not_authorised(world: World) -> None:
    code = world.active_seal("name")
    path = f"/api/v1/seals/{code}/authorisations"
    answer = world.post(path, body(world), "system", "keeper")
    assert answer.status_code == 422
    (fault,) = answer.get_json()["errors"]
    assert (fault["pointer"], fault["reason"]) == ("/type_code", "seal_kind")


def test_a_suspended_seal_takes_no_authorisation(world: World) -> None:
    world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", BASIS)
    answer = world.post(f"/api/v1/seals/{world.seal_code}/authorisations", body(world), "system", "keeper")
    assert answer.get_json()["reason"] == "seal_not_active"


@pytest.mark.parametrize("way", ["withdrawal", "delete"])
def test_withdrawn_once_and_at_once(world: World, way: str) -> None:
    path = f"/api/v1/seals/{world.seal_code}/authorisations/{world.authorisation_id}"

    def withdraw() -> Any:
        if way == "withdrawal":
            return world.post(f"{path}/withdrawal", {}, "system", "keeper")
        return world.http.delete(path, headers=world.headers("system", "keeper"))

    assert usable(world)
    assert withdraw().get_json()["withdrawn_at"]
    assert not usable(world)
    assert withdraw().get_json()["reason"] == "withdrawn"


@pytest.mark.parametrize("database_backend", ["postgresql"])  # SQLite lets one writer in at a time
def test_the_instant_of_a_withdrawal_is_read_under_its_lock(world: World) -> None:
    """One read before waiting for a registration would lie before it, and a licence sealed under a good
    authorisation would be taken for one sealed after its end.
    """
    database, free = world.ports.database, []

    def clock() -> datetime:
        with database.transaction() as session:
            statement = select(StandingAuthorisation.id).with_for_update(skip_locked=True)
            free.append(session.scalars(statement).all())
        return world.ports.clock()

    ports = replace(world.ports, clock=clock)
    with database.transaction() as session:
        actor = world.actor("system", "keeper")
        withdraw(session, ports, actor, world.seal_code, world.authorisation_id)
    assert free[0] == []


def usable(world: World) -> bool:
    with world.ports.database.transaction() as session:
        return still_usable(
            session,
            seal_edition_id=world.get(f"/api/v1/seals/{world.seal_code}").get_json()["editions"][0]["id"],
            state_version=4,
            authorisation_id=world.authorisation_id,
            client_id=world.clients["system"].id,
            type_code=world.type_code,
            day=world.today,
            agency_code=world.codes["own"],
        )


def test_what_was_usable_stops_being_so_with_seal_client_or_day(world: World) -> None:
    with world.ports.database.transaction() as session:
        found = draw_use(session, world)

    def still(**changes: Any) -> bool:
        wanted: dict[str, Any] = {
            "seal_edition_id": found.seal_edition_id, "state_version": found.state_version,
            "authorisation_id": found.authorisation_id, "client_id": world.clients["system"].id,
            "type_code": world.type_code, "day": world.today, "agency_code": world.codes["own"],
        }  # fmt: skip
        with world.ports.database.transaction() as session:
            return still_usable(session, **(wanted | changes))

    assert still()
    assert still(agency_code=None)  # beside another's
    assert not still(agency_code=world.codes["other"])
    assert not still(state_version=found.state_version + 1)
    assert not still(seal_edition_id="0" * 32)
    assert not still(authorisation_id="0" * 32)
    assert not still(client_id=world.clients["desk"].id)
    assert not still(type_code=world.types["other"])
    assert not still(day=world.today + timedelta(days=400))
    with world.ports.database.transaction() as session:
        set_client_active(
            session,
            world.ports,
            world.security,
            client_id=world.clients["system"].id,
            active=False,
            ground=GROUND,
        )
    assert not still()
    with world.ports.database.transaction() as session:
        set_client_active(
            session,
            world.ports,
            world.security,
            client_id=world.clients["system"].id,
            active=True,
            ground=GROUND,
        )
    world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", BASIS)
    assert not still()
