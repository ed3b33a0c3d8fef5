"""Putting agencies, people and clients on record."""

from __future__ import annotations

import base64
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, RSAKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.agencies.credentials import public_jwk
from registry.agencies.rules import (
    add_agency,
    add_client,
    add_person,
    entitle,
    is_entitled,
    set_client_active,
    set_person_active,
)
from registry.agencies.tables import AssertionKey, Person
from registry.log.tables import Event, Leaf
from tests.hostile import json_values, mutated
from tests.registry.world import GROUND, World, on_sqlite

NAME = {"zh": "样本局", "en": "Sample Bureau"}


def public() -> dict[str, Any]:
    return dict(ECKey.generate_key("P-256").as_dict(private=False))


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"code": "11990100MB0101055X"}, "/code"),
        ({"code": "short"}, "/code"),
        ({"code": "11990100MB01010556"}, None),
        ({"division": "99"}, "/division"),
        ({"name": {"zh": "", "en": "x"}}, "/name/zh"),
        ({"name": {"zh": "样本\n局", "en": "x"}}, "/name/zh"),
        ({"name": {"zh": "样本局"}}, "/name/en"),
    ],
    ids=str,
)
def test_an_agency_has_a_valid_code_and_names(
    world: World, changes: dict[str, Any], pointer: str | None
) -> None:
    """None: nothing is wrong with the request; the agency is on record already."""
    right: dict[str, Any] = {
        "code": "11990102MB0103122T",
        "name": NAME,
        "division": "990102",
    }
    with pytest.raises(VermilionError) as refused, world.ports.database.transaction() as session:
        add_agency(session, world.ports, world.system, **(right | changes))
    assert refused.value.kind is (Kind.INVALID if pointer else Kind.CONFLICT)
    assert [fault.field for fault in refused.value.faults] == ([pointer] if pointer else [])
    with world.ports.database.transaction() as session:
        assert add_agency(session, world.ports, world.system, **right).code == right["code"]


def test_an_agency_put_on_record_again_changes_nothing(world: World) -> None:
    """So that an administrator repeats what was interrupted. Other particulars are refused."""
    right: dict[str, Any] = {"code": "11990102MB0103122T", "name": NAME, "division": "990102"}
    for _ in range(2):
        with world.ports.database.transaction() as session:
            add_agency(session, world.ports, world.system, **right)
    assert len(events(world, "agency.added", right["code"])) == 1
    for other in (
        {"division": "990103"},
        {"seal_authority": True},
        {"name": {"zh": "样本局", "en": "Other"}},
    ):
        with pytest.raises(VermilionError) as refused, world.ports.database.transaction() as session:
            add_agency(session, world.ports, world.system, **(right | other))
        assert refused.value.reason == "agency_exists"


def person(world: World, **changes: Any) -> str:
    right: dict[str, Any] = {
        "agency_code": world.codes["own"], "name": "样本", "roles": ["keeper"], "jwk": public(),
    }  # fmt: skip
    with world.ports.database.transaction() as session:
        return add_person(session, world.ports, world.system, **(right | changes)).id


def client(world: World, **changes: Any) -> str:
    right: dict[str, Any] = {
        "agency_code": world.codes["own"], "name": "x", "scopes": ["seal"], "types": [], "jwks": [public()],
    }  # fmt: skip
    with world.ports.database.transaction() as session:
        return add_client(session, world.ports, world.system, **(right | changes)).id


def events(world: World, kind: str, subject: str) -> list[Event]:
    """In the order of their recording; each has its leaf."""
    with Session(world.ports.database.read) as session:
        found = session.scalars(
            select(Event).where(Event.kind == kind, Event.subject == subject).order_by(Event.recorded_at)
        ).all()
        assert all(session.get(Leaf, event.id) for event in found)
        return list(found)


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"agency_code": "0"}, "agency_unknown /agency", id="unknown agency"),
        pytest.param({"roles": []}, "role /roles", id="no role"),
        pytest.param({"roles": ["king"]}, "role /roles", id="unknown role"),
        pytest.param({"name": " "}, "text /name", id="blank name"),
        pytest.param({"jwk": {}}, "key_kind /jwk", id="no key"),
        pytest.param(
            {"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}, "key /jwk", id="short point"
        ),
        pytest.param(
            {"jwk": {"kty": "EC", "crv": "P-256", "x": 5, "y": None}}, "key /jwk", id="point of numbers"
        ),
        pytest.param(
            {"jwk": ECKey.generate_key("P-384").as_dict(private=False)}, "key_kind /jwk", id="P-384"
        ),
        pytest.param(
            {"jwk": ECKey.generate_key("P-256").as_dict(private=True)}, "private_key /jwk", id="private"
        ),
        pytest.param({"jwk": RSAKey.generate_key(2048).as_dict(private=False)}, "key_kind /jwk", id="RSA"),
        pytest.param({"jwk": OctKey.generate_key(256).as_dict()}, "key_kind /jwk", id="symmetric"),
    ],
)
def test_a_person_has_a_role_and_a_public_key(world: World, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(VermilionError) as refused:
        person(world, **changes)
    (fault,) = refused.value.faults
    assert f"{refused.value.reason} {fault.field}" == reason


def test_one_key_is_one_person(world: World) -> None:
    """Whoever holds two ids could approve their own application."""
    jwk = public()
    assert person(world, jwk=jwk)
    for again in (jwk, {**jwk, "kid": "another", "use": "sig"}):
        with pytest.raises(VermilionError) as refused:
            person(world, jwk=again)
        assert refused.value.reason == "key_known"
    with pytest.raises(VermilionError) as refused:
        client(world, jwks=[public(), jwk])
    assert refused.value.reason == "key_known"
    twice = public()
    with pytest.raises(VermilionError) as refused:
        client(world, jwks=[twice, twice])
    assert refused.value.reason == "key_known"


def test_one_key_is_one_person_also_at_the_same_moment(world: World) -> None:
    jwk, ready = public(), threading.Barrier(3)

    def act(add: Callable[[], str]) -> str:
        ready.wait(timeout=30)
        try:
            add()
        except VermilionError as error:
            return error.reason
        return "added"

    acts = [lambda: person(world, jwk=jwk), lambda: person(world, jwk=jwk), lambda: client(world, jwks=[jwk])]
    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(act, acts)) == ["added", "key_known", "key_known"]
    with Session(world.ports.database.read) as session:
        (row,) = session.scalars(select(AssertionKey).where(AssertionKey.jwk["x"].as_string() == jwk["x"]))
        assert (row.person_id is None) is not (row.client_id is None)


@pytest.mark.parametrize("spelling", ["padding", "other alphabet", "leading zero", "stray sign", "line end"])
@on_sqlite
def test_a_key_has_one_spelling(world: World, spelling: str) -> None:
    """A thumbprint is of the text: in a second spelling one key would be two people."""
    jwk = public()
    while "-" not in jwk["x"] and "_" not in jwk["x"]:
        jwk = public()
    raw = base64.urlsafe_b64decode(jwk["x"] + "=")
    person(world, jwk=jwk)
    other = {
        "padding": jwk["x"] + "=",
        "other alphabet": jwk["x"].replace("-", "+").replace("_", "/"),
        "leading zero": base64.urlsafe_b64encode(b"\0" + raw).rstrip(b"=").decode(),
        "stray sign": jwk["x"][:5] + "*" + jwk["x"][5:],
        "line end": jwk["x"] + "\n",
    }[spelling]
    with pytest.raises(VermilionError) as refused:
        person(world, jwk={**jwk, "x": other})
    assert refused.value.reason == "key"


KEY = public()


@given(mutated(KEY) | st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "d"]), json_values))
def test_what_is_sent_as_a_key_is_one_or_is_refused_by_its_field(jwk: dict[str, Any]) -> None:
    try:
        found = public_jwk(jwk, "/jwk")
    except VermilionError as error:
        assert (error.kind, [fault.field for fault in error.faults]) == (Kind.INVALID, ["/jwk"])
        return
    assert found == public_jwk(KEY, "/jwk") == {**KEY, "kid": ECKey.import_key(KEY).thumbprint()}


@given(st.sampled_from("xy"), st.binary(max_size=3), st.sampled_from(["", "=", "==", "\n", " ", "A"]))
@example("x", b"\0", "")
@example("y", b"", "=")
def test_of_the_spellings_of_a_key_one_is_accepted(coordinate: str, before: bytes, after: str) -> None:
    """Of several, each would have a thumbprint of its own, and one key could be put on record as two people."""
    spelt = urlsafe_b64encode(before + urlsafe_b64decode(KEY[coordinate] + "=")).rstrip(b"=").decode() + after
    if spelt == KEY[coordinate]:
        return
    with pytest.raises(VermilionError) as refused:
        public_jwk(KEY | {coordinate: spelt}, "/jwk")
    assert refused.value.reason == "key"


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"agency_code": "11990102MB0103122T"}, "agency_unknown /agency"),
        ({"jwks": []}, "credential /jwks"),
        ({"secret": "s" * 43}, "credential /jwks"),
        ({"jwks": [], "secret": "short"}, "secret /secret"),
        ({"jwks": [{}]}, "key_kind /jwks/0"),
        ({"scopes": ["everything"]}, "scope /scopes"),
        ({"types": ["x"]}, "malformed /types/0"),
        ({"types": ["11990000MB00020220001"]}, "check_character /types/0"),
    ],
    ids=str,
)
def test_a_client_has_one_kind_of_credential(world: World, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(VermilionError) as refused:
        client(world, **changes)
    (fault,) = refused.value.faults
    assert f"{refused.value.reason} {fault.field}" == reason


def test_a_client_is_entitled_type_by_type(world: World) -> None:
    system, other = world.clients["system"].id, world.types["other"]
    with world.ports.database.transaction() as session:
        assert is_entitled(session, client_id=system, type_code=world.type_code)
        assert not is_entitled(session, client_id=system, type_code=other)
        for _ in range(2):
            entitle(session, world.ports, world.security, client_id=system, type_code=other)
        assert is_entitled(session, client_id=system, type_code=other)
    (event,) = events(world, "client.entitled", system)
    assert event.detail == {"type": other}


def test_who_is_put_on_record_is_an_event_without_their_name(world: World) -> None:
    jwk = public()
    someone = person(world, name="张三丰", roles=["keeper", "officer"], jwk=jwk)
    machine = client(world, name="某系统", types=[world.type_code], scopes=["licence"])
    with Session(world.ports.database.read) as session:
        kid = session.scalars(select(AssertionKey.kid).where(AssertionKey.person_id == someone)).one()
    (added,) = events(world, "person.added", someone)
    assert added.detail == {"agency": world.codes["own"], "roles": ["keeper", "officer"], "key": kid}
    assert (added.person_id, added.client_id) == (world.system.person_id, None)
    assert added.legal_basis
    (connected,) = events(world, "client.added", machine)
    assert connected.detail["types"] == [world.type_code]
    assert connected.detail["scopes"] == ["licence"]
    (known,) = events(world, "agency.added", world.codes["authority"])
    assert known.detail == {"division": "990000", "seal_authority": True}


def test_disabling_and_enabling_are_events_with_their_ground(world: World) -> None:
    keeper, desk = world.people["keeper"].id, world.clients["desk"].id
    with world.ports.database.transaction() as session:
        for active in (False, False, True):
            set_person_active(
                session, world.ports, world.security, person_id=keeper, active=active, ground=GROUND
            )
            set_client_active(
                session, world.ports, world.security, client_id=desk, active=active, ground=GROUND
            )
    for what, subject in (("person", keeper), ("client", desk)):
        for done in ("disabled", "enabled"):
            (event,) = events(world, f"{what}.{done}", subject)  # the same again is none
            assert (event.legal_basis, event.reason_code) == (GROUND.legal_basis, GROUND.reason_code)
    with Session(world.ports.database.read) as session:
        assert session.get_one(Person, keeper).active
    with pytest.raises(VermilionError) as refused, world.ports.database.transaction() as session:
        set_person_active(
            session, world.ports, world.security, person_id="0" * 32, active=False, ground=GROUND
        )
    assert refused.value.kind is Kind.NOT_FOUND
    with pytest.raises(VermilionError) as refused, world.ports.database.transaction() as session:
        set_client_active(
            session, world.ports, world.security, client_id="0" * 32, active=False, ground=GROUND
        )
    assert refused.value.kind is Kind.NOT_FOUND
