"""Putting agencies, people and clients on record."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, RSAKey

from keys.errors import Kind, VermilionError
from registry.agencies.rules import add_agency, add_client, add_person, entitle, is_entitled, public_jwk
from tests.hostile import json_values, mutated
from tests.registry.world import World, on_sqlite

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
        "now": world.ports.clock(),
    }
    with pytest.raises(VermilionError) as refused, world.ports.database.transaction() as session:
        add_agency(session, **(right | changes))
    assert refused.value.kind is (Kind.INVALID if pointer else Kind.CONFLICT)
    assert [fault.field for fault in refused.value.faults] == ([pointer] if pointer else [])
    with world.ports.database.transaction() as session:
        assert add_agency(session, **right).code == right["code"]


def person(world: World, **changes: Any) -> str:
    right: dict[str, Any] = {
        "agency_code": world.codes["own"], "name": "样本", "roles": ["keeper"], "jwk": public(),
        "now": world.ports.clock(), "random": world.ports.random,
    }  # fmt: skip
    with world.ports.database.transaction() as session:
        return add_person(session, **(right | changes)).id


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
    with pytest.raises(VermilionError) as refused, world.ports.database.transaction() as session:
        add_client(
            session, agency_code=world.codes["own"], name="x", scopes=["seal"], types=[], jwks=[jwk],
            now=world.ports.clock(), random=world.ports.random,
        )  # fmt: skip
    assert refused.value.reason == "key_known"


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
def test_a_key_has_one_spelling(coordinate: str, before: bytes, after: str) -> None:
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
        ({"secret": "s" * 40, "demo": True}, "credential /jwks"),
        ({"jwks": [], "secret": "short", "demo": True}, "too_short /secret"),
        ({"jwks": [{}]}, "key_kind /jwks/0"),
        ({"scopes": ["everything"]}, "scope /scopes"),
        ({"types": ["x"]}, "malformed /types/0"),
        ({"types": ["11990000MB00020220001"]}, "check_character /types/0"),
    ],
    ids=str,
)
def test_a_client_has_one_kind_of_credential(world: World, changes: dict[str, Any], reason: str) -> None:
    right: dict[str, Any] = {
        "agency_code": world.codes["own"], "name": "x", "scopes": ["seal"], "types": [], "jwks": [public()],
        "now": world.ports.clock(), "random": world.ports.random,
    }  # fmt: skip
    with pytest.raises(VermilionError) as refused, world.ports.database.transaction() as session:
        add_client(session, **(right | changes))
    (fault,) = refused.value.faults
    assert f"{refused.value.reason} {fault.field}" == reason


def test_a_client_is_entitled_type_by_type(world: World) -> None:
    client, other = world.clients["system"].id, world.types["other"]
    with world.ports.database.transaction() as session:
        assert is_entitled(session, client_id=client, type_code=world.type_code)
        assert not is_entitled(session, client_id=client, type_code=other)
        entitle(session, client_id=client, type_code=other)
        entitle(session, client_id=client, type_code=other)
        assert is_entitled(session, client_id=client, type_code=other)
