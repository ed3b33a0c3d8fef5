"""The token endpoint and bearer tokens: what is let in, what is refused, and in which words."""

from __future__ import annotations

import base64
import hmac
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.agencies.assertions import parse_assertion
from registry.agencies.credentials import thumbprints_of
from registry.agencies.enrolments import decide
from registry.agencies.rules import add_client, new_secret, set_client_active, set_person_active
from registry.agencies.tables import AccessToken
from tests.registry.world import CLIENT_ASSERTION, GROUND, JWT_BEARER, Holder, Ticker, World, on_sqlite

SELF = "/api/v1/agencies/self"


def error_of(
    world: World, client: str = "system", person: str | None = None, **changes: Any
) -> tuple[int, str]:
    answer = world.ask_token(client, person, **changes)
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, str(answer.get_json()["error"])


def test_a_client_gets_a_token_for_fifteen_minutes(world: World, clock: Ticker) -> None:
    answer = world.ask_token("system").get_json()
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == (
        "Bearer",
        900,
        "case licence seal use",
    )
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    shown = world.http.get(SELF, headers=headers)
    assert shown.get_json()["agency"] == world.codes["own"]
    assert shown.get_json()["person"] is None
    clock.advance(timedelta(minutes=15))
    assert world.http.get(SELF, headers=headers).status_code == 401


def test_a_token_is_kept_as_its_digest_only(world: World) -> None:
    token = world.token("system")
    with Session(world.ports.database.read) as session:
        rows = session.scalars(select(AccessToken)).all()
    assert rows
    assert all(len(row.token_sha256) == 32 and token.encode() not in row.token_sha256 for row in rows)


def test_a_person_acts_through_a_client_of_their_own_agency(world: World) -> None:
    shown = world.get(SELF, "desk", "keeper").get_json()
    assert (shown["person"], shown["roles"]) == (world.people["keeper"].id, ["keeper"])
    for client in ("other-system", "authority-system"):
        assert error_of(world, client, "keeper") == (400, "invalid_grant")


def test_an_assertion_serves_once(world: World) -> None:
    used = world.assertion(world.clients["system"])
    assert world.ask_token("system", client_assertion=used).status_code == 200
    assert error_of(world, client_assertion=used) == (401, "invalid_client")
    mine = world.assertion(world.people["keeper"])
    assert world.ask_token("system", "keeper", assertion=mine).status_code == 200
    assert error_of(world, "system", "keeper", assertion=mine) == (400, "invalid_grant")


def test_whoever_proves_nothing_never_takes_the_writers_lock(world: World) -> None:
    """On SQLite there is one writer: else anybody could keep it from issuing."""
    system, keeper = world.clients["system"], world.people["keeper"]
    forged = world.assertion(Holder(system.id, ECKey.generate_key("P-256"), system.agency))
    posing = world.assertion(Holder(keeper.id, system.key, keeper.agency))
    secret = {"client_assertion": None, "client_assertion_type": None, "client_secret": "x" * 40}
    begun: list[object] = []

    @event.listens_for(world.ports.database.write, "begin")
    def note(connection: object) -> None:
        begun.append(connection)

    for client, person, changes in (
        ("system", None, {"client_assertion": forged}),
        ("system", None, {"client_assertion": "a.b.c"}),
        ("system", None, secret | {"client_id": system.id}),
        ("system", None, secret | {"client_id": "0" * 32}),
        ("system", None, {"scope": "everything"}),
        ("system", "keeper", {"assertion": posing}),
        ("other-system", "keeper", {}),
    ):
        assert world.ask_token(client, person, **changes).status_code in {400, 401}, changes
    assert begun == []
    assert world.ask_token("system", "keeper").status_code == 200
    assert len(begun) == 1


def test_an_assertion_that_expires_while_it_waits_to_be_used_up_is_refused(
    world: World, clock: Ticker
) -> None:
    """Once expired its use is forgotten, so a copy held back for long enough would serve again."""

    @event.listens_for(world.ports.database.write, "begin")
    def wait(_connection: object) -> None:
        clock.advance(timedelta(seconds=61))

    assert error_of(world) == (401, "invalid_client")


@on_sqlite
@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://elsewhere.example/oauth2/token"},
        {"aud": None},
        {"aud": []},
        {"exp": None},
        {"exp": 10**9},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 2**60},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 129},
        {"sub": "0" * 32},
        {"sub": None},
        {"iss": "somebody"},
        {"nbf": 4 * 10**9},
        {"iat": 4 * 10**9},
    ],
    ids=str,
)
def test_a_client_assertion_with_a_wrong_claim_is_refused(world: World, claims: dict[str, Any]) -> None:
    wrong = world.assertion(world.clients["system"], **claims)
    assert error_of(world, client_assertion=wrong) == (401, "invalid_client")


def test_an_assertion_lives_five_minutes_at_most(world: World) -> None:
    now = int(world.ports.clock().timestamp())
    long = world.assertion(world.clients["system"], exp=now + 331)
    assert error_of(world, client_assertion=long) == (401, "invalid_client")
    for audience in ("http://localhost:8800", ["x", "http://127.0.0.1:8800/oauth2/token"]):
        good = world.assertion(world.clients["system"], exp=now + 300, aud=audience)
        assert world.ask_token("system", client_assertion=good).status_code == 200


@on_sqlite
def test_the_algorithm_is_pinned(world: World) -> None:
    """Neither none, nor a MAC keyed with the public key, nor a key carried in the header."""
    client = world.clients["system"]
    signed = world.assertion(client).split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=").decode()
    digest = hmac.digest(client.key.as_pem(private=False), f"{header}.{signed[1]}".encode(), "sha256")
    mac = f"{header}.{signed[1]}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    none = world.assertion(client).split(".")
    none[0], none[2] = "eyJhbGciOiJub25lIn0", ""
    stranger = ECKey.generate_key("P-256")
    carried = world.assertion(
        Holder(client.id, stranger, client.agency),
        header={"alg": "ES256", "jwk": stranger.as_dict(private=False)},
    )
    for forged in (mac, ".".join(none), carried):
        assert error_of(world, client_assertion=forged) == (401, "invalid_client")


def test_another_clients_or_persons_key_does_not_serve(world: World) -> None:
    system, desk = world.clients["system"], world.clients["desk"]
    forged = world.assertion(Holder(system.id, desk.key, system.agency))
    assert error_of(world, client_assertion=forged) == (401, "invalid_client")
    assert error_of(world, client_id=desk.id) == (401, "invalid_client")
    keeper = world.people["keeper"]
    forged = world.assertion(Holder(keeper.id, system.key, keeper.agency))
    assert error_of(world, "system", "keeper", assertion=forged) == (400, "invalid_grant")


def test_a_disabled_client_or_person_is_refused_at_use_and_at_issue(world: World) -> None:
    keeper = world.headers("desk", "keeper")
    desk = world.headers("desk")
    with world.ports.database.transaction() as session:
        set_person_active(
            session,
            world.ports,
            world.security,
            person_id=world.people["keeper"].id,
            active=False,
            ground=GROUND,
        )
    assert world.http.get(SELF, headers=keeper).status_code == 401
    assert world.http.get(SELF, headers=desk).status_code == 200
    assert error_of(world, "desk", "keeper") == (400, "invalid_grant")
    with world.ports.database.transaction() as session:
        set_client_active(
            session,
            world.ports,
            world.security,
            client_id=world.clients["desk"].id,
            active=False,
            ground=GROUND,
        )
    assert world.http.get(SELF, headers=desk).status_code == 401
    assert error_of(world, "desk") == (401, "invalid_client")


def with_secret(world: World, *, certificate_required: bool = False) -> tuple[str, str]:
    """Id and secret of another client, approved."""
    secret = new_secret(world.ports.random)
    with world.ports.database.transaction() as session:
        client = add_client(
            session, world.ports, world.system, agency_code=world.codes["own"], name="desk 2", scopes=["seal"], types=[],
            secret=secret, certificate_required=certificate_required,
        )  # fmt: skip
        for seen in ([], ["x" * 43], [secret]):
            with pytest.raises(VermilionError) as refused:
                decide(session, world.ports, world.security, subject=client.id, approve=True, seen=seen)
            assert refused.value.reason == "key_unseen"
        seen = thumbprints_of(session, client)
        decide(session, world.ports, world.security, subject=client.id, approve=True, seen=seen)
        return client.id, secret


def test_a_client_that_cannot_sign_has_a_secret_that_the_registry_made(world: World) -> None:
    client, secret = with_secret(world)
    form: dict[str, Any] = {
        "client_id": client, "client_secret": secret, "client_assertion": None, "client_assertion_type": None,
    }  # fmt: skip
    assert world.ask_token("system", **form).status_code == 200
    assert error_of(world, **{**form, "client_secret": "t" * 43}) == (401, "invalid_client")
    # A client with keys has no secret, whatever is sent.
    assert error_of(world, **{**form, "client_id": world.clients["desk"].id}) == (401, "invalid_client")
    for chosen in ("s" * 42, "s" * 44, "é" * 43, "correct horse battery staple, as they say"):
        with world.ports.database.transaction() as session, pytest.raises(VermilionError) as refused:
            add_client(
                session, world.ports, world.system, agency_code=world.codes["own"], name="desk 3", scopes=["seal"],
                types=[], secret=chosen,
            )  # fmt: skip
        assert refused.value.faults[0].field == "/secret"


def test_a_secret_is_taken_from_the_header_as_well(world: World) -> None:
    """RFC 6749, 2.3.1."""
    client, secret = with_secret(world)

    def asked(user: str, password: str, **more: str) -> tuple[int, Any]:
        form = {"grant_type": "client_credentials", **more}
        answer = world.http.post("/oauth2/token", data=form, auth=(user, password))
        return answer.status_code, answer.get_json().get("error")

    assert asked(client, secret) == (200, None)
    assert asked(client, secret, client_id=client) == (200, None)
    assert asked(client, "t" * 43) == (401, "invalid_client")
    assert asked("", secret) == (401, "invalid_client")
    assert asked(client, secret, client_id=world.clients["desk"].id) == (401, "invalid_client")
    assert asked(client, secret, client_secret=secret) == (400, "invalid_request")


def test_scopes_are_narrowed_never_widened(world: World) -> None:
    assert world.ask_token("system", scope="seal").get_json()["scope"] == "seal"
    assert error_of(world, "desk", scope="licence") == (400, "invalid_scope")
    token = world.ask_token("system", scope="licence").get_json()["access_token"]
    answer = world.http.get("/api/v1/seals", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_assertion": None, "client_assertion_type": None}, "invalid_client"),
        ({"client_assertion_type": "other"}, "invalid_request"),
        ({"client_secret": "both"}, "invalid_request"),
        ({"assertion": "a.b.c"}, "invalid_request"),
        ({"grant_type": JWT_BEARER}, "invalid_grant"),
    ],
    ids=str,
)
def test_errors_are_those_of_rfc_6749(world: World, changes: dict[str, Any], error: str) -> None:
    assert error_of(world, **changes)[1] == error


def test_a_repeated_parameter_and_another_media_type_are_refused(world: World) -> None:
    form = {"grant_type": ["client_credentials", "client_credentials"]}
    assert world.http.post("/oauth2/token", data=form).get_json()["error"] == "invalid_request"
    assert world.http.post("/oauth2/token", json={}).get_json()["error"] == "invalid_request"
    assert world.http.post("/oauth2/token?grant_type=x", data={}).get_json()["error"] == "invalid_request"
    large = world.http.post("/oauth2/token", data={"assertion": "x" * 20_000})
    assert (large.status_code, large.get_json()["error"]) == (413, "invalid_request")
    basic = world.http.post(
        "/oauth2/token", data={"grant_type": "client_credentials"}, headers={"Authorization": "Basic eDp5"}
    )
    assert (basic.status_code, basic.get_json()["error"]) == (401, "invalid_client")


@on_sqlite
@pytest.mark.parametrize(
    "value", [None, "", "Bearer", "Bearer x", "Basic eDp5", "Bearer " + "A" * 43, "Bearer é"]
)
def test_a_request_without_a_good_token_is_told_so(world: World, value: str | None) -> None:
    answer = world.http.get(SELF, headers={} if value is None else {"Authorization": value})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")


@settings(max_examples=150)
@given(
    st.one_of(
        st.text(max_size=300), st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,60}\.[A-Za-z0-9_-]{0,90}")
    )
)
def test_no_text_gets_another_error_from_the_parser(text: str) -> None:
    with pytest.raises(VermilionError):
        parse_assertion(text)


_value = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["client_credentials", JWT_BEARER, CLIENT_ASSERTION, "eyJhbGciOiJFUzI1NiJ9.e30." + "A" * 86]
    ),
)
_names = st.sampled_from(
    [
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion_type",
        "client_assertion",
        "assertion",
        "scope",
    ]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=st.dictionaries(_names | st.text(max_size=8), _value, max_size=7), raw=st.binary(max_size=200))
def test_no_form_brings_the_endpoint_down(world: World, form: dict[str, str], raw: bytes) -> None:
    """The catch-all is off: anything unexpected would be raised here."""
    assert world.http.post("/oauth2/token", data=form).status_code in {400, 401}
    kind = "application/x-www-form-urlencoded"
    assert world.http.post("/oauth2/token", data=raw, content_type=kind).status_code in {400, 401}
