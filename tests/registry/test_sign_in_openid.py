"""Signing in by an OpenID provider, by a real one on loopback; and by one that lies."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from keys.errors import VermilionError
from registry.actor import Administrator, Duty
from registry.agencies.enrolments import decide, pending
from registry.console import identities, sessions
from registry.console.tables import OutsideIdentity
from registry.log.tables import Event
from tests.registry.openid_provider import CLIENT, SECRET, Provider, location_of, provider, query_of
from tests.registry.signing_in import Browser
from tests.registry.world import GROUND, Ticker, World, on_sqlite


@pytest.fixture
def openid(world: World, clock: Ticker, tmp_path: Path) -> Iterator[Provider]:
    """A provider that the console knows, and by which the keeper is bound."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    with provider(clock) as made:
        changes = {"oidc_issuer": made.issuer, "oidc_client_id": CLIENT, "oidc_client_secret_file": secret}
        object.__setattr__(world.ports, "settings", world.ports.settings.model_copy(update=changes))
        console = world.app.extensions["vermilion-console"]
        console.openid.settings = world.ports.settings
        bind(world, world.people["keeper"].id)
        yield made


def bind(world: World, person_id: str, subject: str = "u-1001") -> str:
    ports = world.ports
    with ports.database.transaction() as session:
        row = identities.bind(session, ports, world.system, person_id=person_id, subject=subject)
    with ports.database.transaction() as session:
        seen = [identities.thumbprint(row.issuer, row.subject)]
        decide(session, ports, world.security, subject=row.id, approve=True, seen=seen)
    return row.id


def begin(browser: Browser, path: str = "/oidc/start") -> str:
    """The address on which the provider sends the browser back."""
    started = browser.get(path)
    assert started.status_code == 303, started.get_data(as_text=True)
    return location_of(started.headers["Location"])


def come_back(browser: Browser, address: str) -> TestResponse:
    path, _, asked = address.partition("/console")[2].partition("?")
    return browser.get(f"{path}?{asked}")


def test_somebody_who_is_bound_signs_in(world: World, openid: Provider) -> None:
    browser = Browser.new(world)
    assert "使用OpenID登录" in browser.get("/sign-in").get_data(as_text=True)
    address = browser.get("/oidc/start").headers["Location"]
    asked = query_of(address)
    assert set(asked) == {
        "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
    }  # fmt: skip
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    answer = come_back(browser, location_of(address))
    assert answer.status_code == 200
    assert 'http-equiv="refresh"' in answer.get_data(as_text=True), (
        "a page that leads on, for the strict cookie"
    )
    assert "样本keeper" in browser.get("/").get_data(as_text=True)
    assert browser.cookie("flow") is None
    with Session(world.ports.database.read) as session:
        (event,) = session.scalars(select(Event).where(Event.kind == "session.begun")).all()
    assert (event.detail, event.client_id) == ({"means": "oidc"}, world.consoles["own"])
    page = browser.get("/account").get_data(as_text=True)
    assert "OpenID：已绑定" in page


def refused(browser: Browser, address: str, status: int = 401) -> TestResponse:
    answer = come_back(browser, address)
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert browser.cookie() is None
    assert browser.get("/").status_code == 303
    return answer


def test_nobody_is_put_on_record_by_signing_in(world: World, openid: Provider) -> None:
    openid.subject = "u-2002"
    browser = Browser.new(world)
    answer = refused(browser, begin(browser))
    assert "尚未绑定" in answer.get_data(as_text=True)
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(func.count()).select_from(OutsideIdentity)).one() == 1


def test_what_comes_back_is_the_same_browser_s_and_serves_once(
    world: World, openid: Provider, clock: Ticker
) -> None:
    mine, another = Browser.new(world), Browser.new(world)
    address = begin(mine)
    begin(another)
    refused(another, address)  # somebody else's code and state
    refused(Browser.new(world), address)  # a browser that began nothing
    address = begin(mine)
    flow = mine.cookie("flow")
    assert come_back(mine, address).status_code == 200
    replay = Browser.new(world)
    replay.http.set_cookie("console-flow", str(flow))
    refused(replay, address)  # the provider does not take the code twice
    openid.codes["code-9"] = {**_begun(world, openid, replay, flow)}
    refused(replay, address.replace(query_of(address)["code"], "code-9"))  # nor does the console the flow
    late = Browser.new(world)
    address = begin(late)
    clock.advance(timedelta(minutes=5))
    refused(late, address)


def _begun(world: World, openid: Provider, browser: Browser, flow: str | None) -> dict[str, str]:
    """What a provider that plays along would have noted for the flow of this cookie."""
    from registry.console import oidc

    read = oidc.read_flow(flow)
    console = world.app.extensions["vermilion-console"]
    return query_of(oidc.address(world.ports.vault, console.openid, read))


def test_a_flow_that_has_served_does_not_serve_again_though_the_provider_plays_along(
    world: World, openid: Provider
) -> None:
    browser = Browser.new(world)
    address = begin(browser)
    flow, code = browser.cookie("flow"), query_of(address)["code"]
    begun = dict(openid.codes[code])
    come_back(browser, address)
    openid.codes[code] = begun
    again = Browser.new(world)
    again.http.set_cookie("console-flow", str(flow))
    assert "时间过长或已完成过" in refused(again, address).get_data(as_text=True)


@on_sqlite
@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.replace("state=", "state=x"), lambda a: a.replace("&state=", "&other="),
        lambda a: a.replace("code=code", "code=none"), lambda a: a.replace("code=", "nothing="),
        lambda a: a.replace("&iss=http", "&iss=https"), lambda a: a.partition("&iss=")[0], lambda a: a + "&error=access_denied",
        lambda a: a + "&state=twice",
    ],
)  # fmt: skip
def test_an_answer_with_one_fault_is_refused(
    world: World, openid: Provider, change: Callable[[str], str]
) -> None:
    browser = Browser.new(world)
    refused(browser, change(begin(browser)))


def unsigned(token: str) -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    return f"{header}.{token.split('.')[1]}."


def altered(token: str) -> str:
    header, claims, signature = token.split(".")
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(told | {"sub": "u-1001"}).encode()).rstrip(b"=").decode()
    return f"{header}.{changed}.{signature}"


FAULTS: dict[str, dict[str, Any]] = {
    "another nonce": {"changes": {"nonce": "x" * 43}},
    "no nonce": {"changes": {"nonce": None}},
    "another audience": {"changes": {"aud": "somebody else"}},
    "no audience": {"changes": {"aud": None}},
    "two audiences and nobody authorised": {"changes": {"aud": [CLIENT, "other"]}},
    "another one authorised": {"changes": {"aud": [CLIENT], "azp": "other"}},
    "another issuer": {"changes": {"iss": "https://evil.example"}},
    "no issuer": {"changes": {"iss": None}},
    "expired": {"changes": {"exp": 1_700_000_000}},
    "no end": {"changes": {"exp": None}},
    "an end that is text": {"changes": {"exp": "9999999999"}},
    "made long ago": {"changes": {"iat": 1_700_000_000}},
    "made later": {"changes": {"iat": 4_000_000_000}},
    "nobody": {"changes": {"sub": None}},
    "a number": {"changes": {"sub": 1001}},
    "no text that can be on record": {"changes": {"sub": "u\0"}},
    "algorithm none": {"forge": unsigned},
    "a MAC by the public key": {
        "header": {"alg": "HS256", "kid": "one"}, "signs_with": OctKey.import_key(b"k" * 32),
    },
    "an unknown key": {"header": {"alg": "ES256", "kid": "two"}},
    "another key under the same name": {"signs_with": ECKey.generate_key("P-256", {"kid": "one"})},
    "altered": {"forge": altered, "subject": "u-1"},
    "not a token": {"forge": lambda _token: "a.b.c"},
    "no token": {"forge": lambda _token: ""},
    "too long": {"forge": lambda token: token + "A" * 20_000},
}  # fmt: skip


@on_sqlite
@pytest.mark.parametrize("fault", FAULTS)
def test_an_id_token_with_one_fault_is_refused(world: World, openid: Provider, fault: str) -> None:
    for name, value in FAULTS[fault].items():
        setattr(openid, name, value)
    browser = Browser.new(world)
    refused(browser, begin(browser))


@on_sqlite
@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (RSAKey.generate_key(2048, {"kid": "one"}), "RS256"),
        (RSAKey.generate_key(2048, {"kid": "one"}), "PS256"),
        (OKPKey.generate_key("Ed25519", {"kid": "one"}), "Ed25519"),
        (ECKey.generate_key("P-256", {"kid": "one"}), "ES256"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_the_algorithms_of_the_list_are_read(world: World, openid: Provider, key: Any, alg: str) -> None:
    openid.key, openid.header = key, {"alg": alg, "kid": "one"}
    openid.changes = {"aud": [CLIENT, "other"], "azp": CLIENT}
    browser = Browser.new(world)
    assert come_back(browser, begin(browser)).status_code == 200


def test_keys_are_fetched_anew_when_a_token_names_one_that_is_not_known_and_not_oftener(
    world: World, openid: Provider, clock: Ticker
) -> None:
    browser = Browser.new(world)
    come_back(browser, begin(browser))
    openid.key, openid.header = ECKey.generate_key("P-256", {"kid": "two"}), {"alg": "ES256", "kid": "two"}
    other = Browser.new(world)
    refused(other, begin(other))
    assert openid.asked.count("/keys") == 1, "within a minute nobody makes us ask again"
    clock.advance(timedelta(minutes=1))
    assert come_back(other, begin(other)).status_code == 200
    assert (openid.asked.count("/keys"), openid.asked.count("/.well-known/openid-configuration")) == (2, 1)
    clock.advance(timedelta(hours=1))
    browser = Browser.new(world)
    come_back(browser, begin(browser))
    assert (openid.asked.count("/keys"), openid.asked.count("/.well-known/openid-configuration")) == (3, 2)


@on_sqlite
@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "http://evil.example/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": None},
        {"token_endpoint": "http://10.0.0.1/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://[::1/keys"},
        {"jwks_uri": "https://user@idp.example/keys"},
    ],
    ids=str,
)
def test_a_provider_that_names_what_is_no_address_of_its_own_serves_nobody(
    world: World, openid: Provider, metadata: dict[str, Any]
) -> None:
    openid.metadata = metadata
    answer = Browser.new(world).get("/oidc/start")
    assert answer.status_code == 503
    assert "目前无法使用" in answer.get_data(as_text=True)


@on_sqlite
@pytest.mark.parametrize(
    "keys",
    [
        lambda: {"keys": []},
        lambda: {"keys": "x"},
        list,
        lambda: {"keys": [{"kty": "oct", "k": "AAAA"}]},
        lambda: {"keys": [{"kty": "EC"}]},
        lambda: {"keys": [{"kty": "EC", "kid": "x" * 100}] * 21},
        lambda: {"keys": ["x" * 70_000]},
    ],
)
def test_keys_that_are_none_are_an_outage(world: World, openid: Provider, keys: Callable[[], Any]) -> None:
    openid.keys = keys
    browser = Browser.new(world)
    refused(browser, begin(browser), 503)


def test_a_provider_that_is_out_keeps_nobody_else_from_signing_in(
    world: World, openid: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.outside_http.TIMEOUT", 0.2)
    served = world.ports.settings.model_copy(update={"oidc_issuer": "http://127.0.0.1:1"})
    object.__setattr__(world.ports, "settings", served)
    world.app.extensions["vermilion-console"].openid.settings = served
    browser = Browser.new(world)
    answer = browser.get("/oidc/start")
    assert answer.status_code == 503
    assert browser.get("/sign-in").status_code == 200


def test_a_factor_is_shown_again_at_the_provider(world: World, openid: Provider, clock: Ticker) -> None:
    browser = Browser.new(world)
    come_back(browser, begin(browser))
    clock.advance(timedelta(minutes=20))
    assert "oidc/start?again=1" in browser.get("/confirm").get_data(as_text=True)
    before = str(browser.cookie())
    address = begin(browser, "/oidc/start?again=1")
    asked = next(iter(openid.codes.values()))
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    browser.http.delete_cookie("console-session")  # it is strict: it does not come along from another site
    assert come_back(browser, address).status_code == 200
    assert browser.cookie() != before
    with Session(world.ports.database.read) as session:
        live = sessions.find(session, browser.cookie(), clock())
        assert sessions.find(session, before, clock()) is None
    assert live is not None
    sessions.require_fresh(live, clock())


@on_sqlite
@pytest.mark.parametrize(
    "changes", [{"auth_time": None}, {"auth_time": 1_700_000_000}, {"sub": "u-3"}], ids=str
)
def test_a_factor_that_was_not_shown_again_does_not_count(
    world: World, openid: Provider, clock: Ticker, changes: dict[str, Any]
) -> None:
    bind(world, world.people["officer"].id, "u-3")
    browser = Browser.new(world)
    come_back(browser, begin(browser))
    clock.advance(timedelta(minutes=20))
    before = browser.cookie()
    openid.changes = changes
    address = begin(browser, "/oidc/start?again=1")
    assert come_back(browser, address).status_code == 401
    assert browser.cookie() == before
    with Session(world.ports.database.read) as session:
        live = sessions.find(session, browser.cookie(), clock())
    assert live is not None
    with pytest.raises(VermilionError, match="show a factor again"):
        sessions.require_fresh(live, clock())


# --- binding -------------------------------------------------------------------------------------------


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(VermilionError) as caught:
        act()
    return caught.value.reason


def test_binding_takes_two_and_is_undone_by_one(world: World, openid: Provider) -> None:
    ports, officer = world.ports, world.people["officer"].id

    def bound(admin: Administrator = world.system, subject: str = "u-7", person_id: str = officer) -> Any:
        with ports.database.transaction() as session:
            return identities.bind(session, ports, admin, person_id=person_id, subject=subject)

    assert refusal(lambda: bound(world.security)) == "duty"
    assert refusal(lambda: bound(person_id="0" * 32)) == "person_unknown"
    for subject in ("", "x" * 256, "张三", "a\nb"):
        assert refusal(lambda subject=subject: bound(subject=subject)) == "subject"  # type: ignore[misc]
    assert refusal(lambda: bound(subject="u-1001")) == "identity_known"
    row = bound()
    openid.subject = "u-7"
    browser = Browser.new(world)
    refused(browser, begin(browser))  # not approved yet
    with Session(ports.database.read) as session:
        (waiting,) = list(pending(session))
    assert (waiting["kind"], waiting["name"], waiting["asks"]["subject"]) == (
        "identity",
        "样本officer",
        "u-7",
    )

    def approve(seen: list[str]) -> None:
        with ports.database.transaction() as session:
            decide(session, ports, world.security, subject=row.id, approve=True, seen=seen)

    assert refusal(lambda: approve([])) == "key_unseen"
    approve(waiting["thumbprints"])
    assert come_back(browser, begin(browser)).status_code == 200
    with ports.database.transaction() as session:
        identities.unbind(session, ports, world.security, identity_id=row.id, why=GROUND)
    assert browser.get("/").status_code == 303
    browser = Browser.new(world)
    refused(browser, begin(browser))


def test_nobody_approves_an_identity_of_their_own(world: World, openid: Provider) -> None:
    ports, mine = world.ports, world.admins[Duty.SECURITY].id
    with ports.database.transaction() as session:
        row = identities.bind(session, ports, world.system, person_id=mine, subject="u-9")

    def approve() -> None:
        with ports.database.transaction() as session:
            seen = [identities.thumbprint(row.issuer, row.subject)]
            decide(session, ports, world.security, subject=row.id, approve=True, seen=seen)

    assert refusal(approve) == "same_person"


def test_without_a_provider_nothing_of_it_is_offered(world: World) -> None:
    browser = Browser.new(world)
    assert "oidc" not in browser.get("/sign-in").get_data(as_text=True)
    assert browser.get("/oidc/start").headers["Location"] == "/console/sign-in"
    assert browser.get("/oidc/callback").status_code == 401

    def bound() -> None:
        with world.ports.database.transaction() as session:
            identities.bind(
                session, world.ports, world.system, person_id=world.people["keeper"].id, subject="u-1"
            )

    assert refusal(bound) == "no_provider"
