"""Signing in to the console: invitation, password and code, passkeys, and the session that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.actor import Actor, Administrator, Duty
from registry.agencies.enrolments import decide
from registry.agencies.rules import add_client, add_person, set_client_active, set_person_active, set_roles
from registry.agencies.tables import Person
from registry.attempts.tables import AttemptBucket
from registry.buckets import Counted, Rate
from registry.console import attempts, invitations, passwords, sessions, totp
from registry.console.tables import ConsoleSession, Invitation, LocalAccount, Passkey
from registry.log.tables import Event
from registry.permissions import PUBLIC
from tests.registry.signing_in import (
    PASSWORD,
    Authenticator,
    Browser,
    Local,
    enrolling,
    invited,
    secret_on,
    with_password,
)
from tests.registry.test_app import routes
from tests.registry.world import GROUND, Ticker, World, on_sqlite


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "LOG_N", 5)
    monkeypatch.setattr(passwords, "P", 1)


@pytest.fixture
def keeper(world: World) -> Local:
    return with_password(world, world.people["keeper"].id)


def events(world: World, kind: str) -> list[Event]:
    with Session(world.ports.database.read) as session:
        return list(session.scalars(select(Event).where(Event.kind == kind).order_by(Event.recorded_at)))


def rows(world: World, table: Any) -> int:
    with Session(world.ports.database.read) as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def with_passkey(world: World, person_id: str, account: str = "officer") -> Authenticator:
    browser, one = enrolling(world, person_id, account), Authenticator()
    token = browser.token_of("/enrol/choose")
    options = browser.send("/enrol/passkey/options", **{"X-Form-Token": token}).get_json()
    answer = browser.send("/enrol/passkey", {"answer": one.create(options)}, **{"X-Form-Token": token})
    assert answer.get_json() == {"location": "/console/sign-in?done=1"}, answer.get_data(as_text=True)
    return one


def by_passkey(world: World, one: Authenticator, account: str = "") -> Browser:
    browser = Browser.new(world)
    options = browser.send("/sign-in/passkey/options", {"account": account}).get_json()
    answer = browser.send("/sign-in/passkey", {"answer": one.get(options)})
    assert answer.get_json() == {"location": "/console/"}, answer.get_data(as_text=True)
    return browser


# --- the main roads ------------------------------------------------------------------------------------


def test_somebody_who_was_invited_signs_in_and_is_greeted(world: World, keeper: Local) -> None:
    browser = keeper.sign_in()
    page = browser.get("/").get_data(as_text=True)
    assert "样本keeper，您好" in page
    assert "印章保管人" in page
    english = browser.get("/?lang=en").get_data(as_text=True)
    assert "Good day, 样本keeper" in english
    assert "Keeper" in browser.get("/").get_data(as_text=True), "the language was remembered"


def test_a_passkey_signs_in_by_itself_and_by_the_account_s_name(world: World) -> None:
    one = with_passkey(world, world.people["officer"].id)
    assert "样本officer" in by_passkey(world, one).get("/").get_data(as_text=True)
    assert "样本officer" in by_passkey(world, one, " Officer ").get("/").get_data(as_text=True)
    assert [event.detail["means"] for event in events(world, "session.begun")] == ["passkey", "passkey"]


def test_the_pages_act_as_the_person_through_their_agency_s_console(world: World, keeper: Local) -> None:
    browser = keeper.sign_in()
    with Session(world.ports.database.read) as session:
        live = sessions.find(session, browser.cookie(), world.ports.clock())
    assert live is not None
    assert sessions.actor_of(live) == Actor(
        client_id=world.consoles["own"],
        agency_code=world.codes["own"],
        scopes=frozenset({"licence", "seal"}),
        person_id=world.people["keeper"].id,
        roles=frozenset({"keeper"}),
    )


def test_an_administrator_signs_in_as_one_and_through_no_client(world: World) -> None:
    auditor = with_password(world, world.admins[Duty.AUDIT].id, "auditor")
    browser = auditor.sign_in()
    assert "审计管理员" in browser.get("/").get_data(as_text=True)
    with Session(world.ports.database.read) as session:
        live = sessions.find(session, browser.cookie(), world.ports.clock())
    assert live is not None
    assert sessions.actor_of(live) == Administrator(auditor.person_id, Duty.AUDIT)


def test_all_of_it_is_on_record_and_no_secret_is(
    world: World, keeper: Local, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = keeper.sign_in()
    keeper.type_password(Browser.new(world), "wrong horse battery")
    browser.submit("/sign-out", "/")
    mine = {event.kind: event for event in _about(world, keeper.person_id)}
    assert set(mine) >= {
        "invitation.made", "invitation.released", "authenticators.set", "session.begun", "session.ended",
    }  # fmt: skip
    for event in mine.values():
        assert event.legal_basis
        assert event.reason_code
        assert event.person_id is not None
    assert mine["session.begun"].client_id == world.consoles["own"]
    assert mine["invitation.made"].person_id == world.admins[Duty.SYSTEM].id
    assert mine["invitation.released"].person_id == world.admins[Duty.SECURITY].id
    logged = capsys.readouterr()
    kept = logged.out + logged.err + str([event.detail for event in mine.values()]) + _dumped(world)
    for secret in (keeper.secret.hex(), PASSWORD, "wrong horse battery", browser.cookie() or "no cookie"):
        assert secret not in kept


def _about(world: World, person_id: str) -> list[Event]:
    with Session(world.ports.database.read) as session:
        return list(
            session.scalars(select(Event).where(Event.subject == person_id, Event.kind != "person.added"))
        )


def _dumped(world: World) -> str:
    """What the console's tables hold, as text, bytes in hex."""
    found = ""
    with Session(world.ports.database.read) as session:
        for table in ("local_account", "console_session", "invitation", "attempt_bucket", "passkey"):
            for row in session.execute(text(f"SELECT * FROM {table}")):
                found += " ".join(
                    bytes(v).hex() if isinstance(v, bytes | memoryview) else str(v) for v in row
                )
    return found


# --- one answer to whatever is wrong -------------------------------------------------------------------


def test_a_name_that_nobody_has_and_a_wrong_password_are_told_the_same(world: World, keeper: Local) -> None:
    browser = Browser.new(world)
    wrong = keeper.type_password(browser, "wrong horse battery")
    nobody = browser.post("/sign-in", {"account": "nobody", "password": PASSWORD})
    odd = browser.post("/sign-in", {"account": "\x00é" * 200, "password": "\x00"})
    _disable(world, keeper.person_id)
    disabled = keeper.type_password(browser)
    told = [
        answer.get_data(as_text=True).replace(keeper.account, "nobody")
        for answer in (wrong, nobody, disabled)
    ]
    assert told[0] == told[1] == told[2]
    assert {answer.status_code for answer in (wrong, nobody, odd, disabled)} == {401}
    assert browser.cookie("step") is None


def test_a_code_serves_once_whoever_shows_it_first(world: World, keeper: Local, clock: Ticker) -> None:
    keeper.sign_in(steps=0)
    browser = Browser.new(world)
    keeper.type_password(browser)
    for steps in (0, -1, 5):
        refused = browser.submit("/sign-in/code", "/sign-in/code", code=keeper.code(steps))
        assert refused.status_code == 401, steps
    assert len(events(world, "sign_in.refused")) == 3
    clock.advance(timedelta(seconds=30))
    assert browser.submit("/sign-in/code", "/sign-in/code", code=keeper.code()).status_code == 303
    assert [event.person_id for event in events(world, "sign_in.refused")] == [None] * 3


def test_a_right_password_alone_opens_nothing(world: World, keeper: Local, clock: Ticker) -> None:
    browser = Browser.new(world)
    keeper.type_password(browser)
    step = browser.cookie("step")
    assert browser.cookie() is None
    browser.http.set_cookie("console-session", str(step))
    assert browser.get("/account").headers["Location"] == "/console/sign-in?next=/console/account"
    clock.advance(sessions.HALF_LIFE)
    assert browser.get("/sign-in/code").headers["Location"] == "/console/sign-in"
    assert browser.post("/sign-in/code", {"code": keeper.code()}).headers["Location"] == "/console/sign-in"


# --- attempts ------------------------------------------------------------------------------------------


def test_attempts_are_few_and_a_lock_is_a_delay(world: World, keeper: Local, clock: Ticker) -> None:
    browser = Browser.new(world)
    for _ in range(attempts.PAIR.burst):
        assert keeper.type_password(browser, "wrong horse battery").status_code == 401
    locked = keeper.type_password(browser)
    assert locked.status_code == 429, "the right one, too: nobody learns from a lock"
    assert 0 < int(locked.headers["Retry-After"]) <= attempts.PAIR.seconds_each
    nobody = [browser.post("/sign-in", {"account": "nobody", "password": "x"}) for _ in range(6)]
    assert [one.status_code for one in nobody] == [401] * 5 + [429], "whether there is such a name or not"
    elsewhere = keeper.type_password(_from(world, "198.51.100.7"))
    assert elsewhere.status_code == 303, "another network is not kept waiting"
    clock.advance(timedelta(seconds=int(locked.headers["Retry-After"])))
    assert keeper.type_password(browser).status_code == 303


def _from(world: World, address: str) -> Browser:
    browser = Browser.new(world)
    browser.http.environ_base["REMOTE_ADDR"] = address
    return browser


def test_many_networks_fill_the_account_s_bucket_and_a_passkey_still_signs_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "ACCOUNT", Rate(burst=3, seconds_each=90.0))
    one = with_passkey(world, world.people["officer"].id)
    tried = [
        _from(world, f"198.51.{n}.1").post("/sign-in", {"account": "officer", "password": "x"})
        for n in range(4)
    ]
    assert [answer.status_code for answer in tried] == [401, 401, 401, 429]
    assert by_passkey(world, one, "officer").cookie()


def test_right_attempts_do_not_count_and_what_has_drained_is_forgotten(
    world: World, keeper: Local, clock: Ticker
) -> None:
    for _ in range(3 * attempts.PAIR.burst):
        assert keeper.type_password(Browser.new(world)).status_code == 303
    Browser.new(world).post("/sign-in", {"account": "nobody", "password": "x"})
    assert rows(world, AttemptBucket) > 0
    clock.advance(timedelta(days=1))
    keeper.type_password(Browser.new(world))
    assert rows(world, AttemptBucket) <= 3


def test_codes_are_tried_five_times_by_whoever_knows_the_password(
    world: World, keeper: Local, clock: Ticker
) -> None:
    browser = Browser.new(world)
    keeper.type_password(browser)
    tried = [browser.submit("/sign-in/code", "/sign-in/code", code="000000").status_code for _ in range(6)]
    assert tried == [401] * 5 + [429]
    locked = browser.submit("/sign-in/code", "/sign-in/code", code=keeper.code(1))
    assert locked.status_code == 429
    clock.advance(timedelta(seconds=int(locked.headers["Retry-After"])))
    assert keeper.sign_in()


def test_two_processes_count_together(world: World, keeper: Local) -> None:
    """The buckets are in the database: another application over it counts on from there."""
    second = replace(world)
    assert second.app is not world.app
    for one in (world, second, world, second, world):
        assert keeper.type_password(Browser.new(one), "wrong horse battery").status_code == 401
    assert keeper.type_password(Browser.new(second)).status_code == 429


def test_one_network_asks_a_process_sixty_times_a_minute(world: World) -> None:
    browser = Browser.new(world)
    asked = [browser.send("/sign-in/passkey/options").status_code for _ in range(61)]
    assert asked == [200] * 60 + [429]


def test_behind_a_proxy_the_network_is_what_our_own_proxy_says(world: World) -> None:
    served = world.ports.settings.model_copy(update={"trusted_proxies": 1})
    object.__setattr__(world.ports, "settings", served)
    told = []
    for _ in range(6):
        header = {"X-Forwarded-For": "203.0.113.1, 198.51.100.7"}
        answer = Browser.new(world).post("/sign-in", {"account": "nobody", "password": "x"}, **header)
        told.append(answer.status_code)
    assert told[-1] == 429
    other = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
    assert (
        Browser.new(world).post("/sign-in", {"account": "nobody", "password": "x"}, **other).status_code
        == 401
    )


# --- sessions ------------------------------------------------------------------------------------------


def test_a_session_ends_idle_and_ends_at_last(world: World, keeper: Local, clock: Ticker) -> None:
    browser = keeper.sign_in()
    clock.advance(sessions.IDLE - timedelta(seconds=1))
    assert browser.get("/").status_code == 200
    clock.advance(sessions.IDLE - timedelta(seconds=1))
    assert browser.get("/").status_code == 200
    clock.advance(sessions.IDLE)
    assert browser.get("/").headers["Location"] == "/console/sign-in"
    browser = keeper.sign_in()
    for _ in range(23):
        clock.advance(timedelta(minutes=29))
        assert browser.get("/").status_code == 200
    clock.advance(timedelta(minutes=54))
    assert browser.get("/").status_code == 303


def test_the_cookie_is_out_of_reach_and_new_at_each_sign_in(
    world: World, keeper: Local, clock: Ticker
) -> None:
    browser = Browser.new(world)
    browser.http.set_cookie("console-session", "a" * 43)  # planted
    keeper.type_password(browser)
    answer = browser.submit("/sign-in/code", "/sign-in/code", code=keeper.code(1))
    (given,) = [c for c in answer.headers.getlist("Set-Cookie") if c.startswith("console-session=")]
    assert "HttpOnly" in given
    assert "SameSite=Strict" in given
    assert "Secure" not in given
    assert "Expires" not in given
    first = browser.cookie()
    assert first != "a" * 43
    assert browser.cookie("step") is None
    clock.advance(timedelta(seconds=90))
    keeper.type_password(browser)
    browser.submit("/sign-in/code", "/sign-in/code", code=keeper.code(1))
    assert browser.cookie() != first
    browser.http.set_cookie("console-session", str(first))
    assert browser.get("/").status_code == 303, "the session that the browser had is over"


def test_on_https_the_cookies_are_secure_and_the_host_s_alone(world: World) -> None:
    one = with_passkey(world, world.people["officer"].id)
    served = world.ports.settings.model_copy(update={"console_origin": "https://console.example"})
    object.__setattr__(world.ports, "settings", served)
    browser = Browser.new(world)
    browser.headers["Origin"] = one.origin = "https://console.example"
    one.rp_id = "console.example"
    options = browser.send("/sign-in/passkey/options").get_json()
    assert options["rpId"] == "console.example"
    answer = browser.send("/sign-in/passkey", {"answer": one.get(options)})
    (given,) = [c for c in answer.headers.getlist("Set-Cookie") if c.startswith("__Host-session=")]
    for part in ("Secure", "HttpOnly", "Path=/", "SameSite=Strict"):
        assert part in given
    assert "Domain" not in given
    assert answer.headers["Strict-Transport-Security"]


def _disable(world: World, person_id: str) -> None:
    with world.ports.database.transaction() as session:
        set_person_active(
            session, world.ports, world.security, person_id=person_id, active=False, ground=GROUND
        )


def _enable(world: World, person_id: str) -> None:
    with world.ports.database.transaction() as session:
        set_person_active(
            session, world.ports, world.security, person_id=person_id, active=True, ground=GROUND
        )


def _switch_console(world: World, active: bool) -> None:
    with world.ports.database.transaction() as session:
        set_client_active(
            session,
            world.ports,
            world.security,
            client_id=world.consoles["own"],
            active=active,
            ground=GROUND,
        )


def _grant(world: World, person_id: str) -> None:
    with world.ports.database.transaction() as session:
        set_roles(
            session, world.ports, world.security, person_id=person_id, grant=["applicant"], ground=GROUND
        )


@pytest.mark.parametrize("change", ["disabled and enabled", "roles", "invited anew"])
def test_a_session_ends_for_good_when_what_its_person_may_do_changes(
    world: World, keeper: Local, change: str
) -> None:
    browser = keeper.sign_in()
    if change == "roles":
        _grant(world, keeper.person_id)
    elif change == "disabled and enabled":
        _disable(world, keeper.person_id)
        _enable(world, keeper.person_id)
    else:
        with_password(world, keeper.person_id)
    assert browser.get("/").headers["Location"] == "/console/sign-in"
    assert rows(world, ConsoleSession) == 0


def test_a_session_lets_nobody_in_while_their_console_is_disabled(world: World, keeper: Local) -> None:
    browser = keeper.sign_in()
    _switch_console(world, active=False)
    assert browser.get("/").status_code == 303
    other = Browser.new(world)
    keeper.type_password(other)
    answer = other.submit("/sign-in/code", "/sign-in/code", code=keeper.code(0))
    assert answer.status_code in {401, 403}
    _switch_console(world, active=True)
    assert browser.get("/").status_code == 200


def test_signing_out_ends_it_here_or_everywhere(world: World, keeper: Local, clock: Ticker) -> None:
    browsers = []
    for _ in range(3):
        browsers.append(keeper.sign_in())
        clock.advance(timedelta(seconds=60))
    kept = browsers[0].cookie()
    assert browsers[0].submit("/sign-out", "/").headers["Location"] == "/console/sign-in"
    assert browsers[0].cookie() is None
    browsers[0].http.set_cookie("console-session", str(kept))
    assert browsers[0].get("/").status_code == 303
    assert browsers[1].get("/").status_code == 200
    assert "当前登录的浏览器：2" in browsers[1].get("/account").get_data(as_text=True)
    browsers[1].submit("/sign-out-everywhere", "/account")
    assert browsers[2].get("/").status_code == 303
    assert sorted(event.detail["sessions"] for event in events(world, "session.ended")) == [1, 2]


def test_a_person_has_eight_browsers_at_most(world: World) -> None:
    one = with_passkey(world, world.people["officer"].id)
    browsers = []
    for _ in range(sessions.MOST_SESSIONS + 1):
        world.ports.clock.advance(timedelta(seconds=1))  # type: ignore[attr-defined]
        browsers.append(by_passkey(world, one))
    assert [browser.get("/").status_code for browser in browsers] == [303] + [200] * sessions.MOST_SESSIONS


# --- whose page sends it -------------------------------------------------------------------------------

SITES: tuple[dict[str, str], ...] = (
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://localhost:8801", "Sec-Fetch-Site": "same-site"},
    {"Origin": "http://localhost:8800", "Sec-Fetch-Site": "cross-site"},
    {},
)


def posts(world: World) -> list[str]:
    return [
        path.removeprefix("/console") for _, method, path in routes(world.app, pages=True) if method == "POST"
    ]


def test_every_post_comes_from_a_page_of_the_console(world: World, keeper: Local) -> None:
    browser = keeper.sign_in()
    assert len(posts(world)) >= 14
    for path in posts(world):
        for headers in SITES:
            answer = browser.http.post(f"/console{path}", headers=headers)
            assert answer.status_code == 403, (path, headers)
    assert browser.get("/").status_code == 200


def test_every_post_of_a_session_carries_its_token(world: World, keeper: Local, clock: Ticker) -> None:
    browser = keeper.sign_in()
    clock.advance(timedelta(seconds=60))
    other = keeper.sign_in().token_of("/")
    wanting = [path for path in posts(world) if path.startswith(("/account", "/confirm", "/sign-out"))]
    assert len(wanting) >= 7
    for path in wanting:
        for token in (None, "", other, "é"):
            body = {} if token is None else {"form": token}
            assert browser.post(path, body).status_code == 403, (path, token)
            headers = {} if token in {None, "é"} else {"X-Form-Token": str(token)}
            assert browser.send(path, {}, **headers).status_code in {403, 415}, (path, token)
    assert browser.get("/").status_code == 200


def test_every_page_asks_who_you_are_unless_it_is_listed(world: World) -> None:
    browser = Browser.new(world)
    for endpoint, method, path in routes(world.app, pages=True):
        if endpoint in PUBLIC:
            continue
        answer = browser.http.open(path, method=method, headers=browser.headers)
        assert answer.status_code == 303, endpoint
        assert answer.headers["Location"].startswith("/console/sign-in"), endpoint


def test_every_page_is_as_strict_as_the_public_site_s(world: World, keeper: Local) -> None:
    browser = keeper.sign_in()
    for path in ("/", "/account", "/confirm", "/sign-in", "/enrol", "/nowhere/at/all", "/sign-in/code"):
        answer = browser.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "<script>" not in answer.get_data(as_text=True)
        assert " style=" not in answer.get_data(as_text=True)


@on_sqlite
@pytest.mark.parametrize(
    "told",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/console/../api",
        "/api/v1/seals",
        "/console//evil.example",
        "/console/a?b=c",
        "/console/\r\nx: y",
        "",
    ],
)
def test_where_somebody_was_going_is_a_page_of_the_console(world: World, told: str) -> None:
    one = with_passkey(world, world.people["officer"].id)
    browser = Browser.new(world)
    options = browser.send("/sign-in/passkey/options").get_json()
    answer = browser.send("/sign-in/passkey", {"answer": one.get(options), "next": told})
    assert answer.get_json() == {"location": "/console/"}
    assert browser.send("/sign-in/passkey", {"answer": 1, "next": told}).status_code == 422


# --- passkeys ------------------------------------------------------------------------------------------


def test_a_passkey_s_answer_serves_once_and_for_its_own_challenge(world: World, clock: Ticker) -> None:
    one = with_passkey(world, world.people["officer"].id)
    browser = Browser.new(world)
    options = browser.send("/sign-in/passkey/options").get_json()
    answer = one.get(options)
    assert browser.send("/sign-in/passkey", {"answer": answer}).status_code == 200
    again = browser.send("/sign-in/passkey", {"answer": answer})
    assert (again.status_code, again.get_json()["reason"]) == (401, "challenge")
    late = one.get(browser.send("/sign-in/passkey/options").get_json())
    clock.advance(timedelta(minutes=5))
    assert browser.send("/sign-in/passkey", {"answer": late}).get_json()["reason"] == "challenge"
    made_up = one.get({"challenge": "A" * 75})
    assert browser.send("/sign-in/passkey", {"answer": made_up}).status_code in {401, 422}


def test_a_counter_that_goes_back_is_refused_and_one_that_does_not_count_is_not(world: World) -> None:
    one = with_passkey(world, world.people["officer"].id)
    one.count = 5
    by_passkey(world, one)
    one.count = 5  # shows 6 again: somebody has a copy
    browser = Browser.new(world)
    answer = one.get(browser.send("/sign-in/passkey/options").get_json())
    refused = browser.send("/sign-in/passkey", {"answer": answer})
    assert (refused.status_code, refused.get_json()["reason"]) == (401, "passkey_copied")
    still = Authenticator(credential_id=b"\x08" * 16)
    plain = with_passkey_of(world, world.people["keeper"].id, "keeper", still)
    for _ in range(2):
        plain.count = -1  # it shows 0
        by_passkey(world, plain)


def with_passkey_of(world: World, person_id: str, account: str, one: Authenticator) -> Authenticator:
    browser = enrolling(world, person_id, account)
    token = browser.token_of("/enrol/choose")
    options = browser.send("/enrol/passkey/options", **{"X-Form-Token": token}).get_json()
    assert (
        browser.send("/enrol/passkey", {"answer": one.create(options)}, **{"X-Form-Token": token}).status_code
        == 200
    )
    return one


def test_whether_an_account_has_passkeys_is_told_to_nobody(world: World) -> None:
    with_passkey(world, world.people["officer"].id)
    ask = Browser.new(world).send
    shown = [
        ask("/sign-in/passkey/options", {"account": name}).get_json()
        for name in ("officer", "nobody", "nobody")
    ]
    ids = [[one["id"] for one in told["allowCredentials"]] for told in shown]
    assert [len(one) for one in ids] == [1, 1, 1]
    assert len(ids[0][0]) == len(ids[1][0])
    assert ids[1] == ids[2], "always the same one, as a real one would be"
    assert ask("/sign-in/passkey/options").get_json()["allowCredentials"] == []


def test_somebody_else_s_handle_or_an_unknown_passkey_signs_nobody_in(world: World) -> None:
    one = with_passkey(world, world.people["officer"].id)
    browser = Browser.new(world)

    def tried(change: Callable[[dict[str, str]], dict[str, str]]) -> int:
        options = browser.send("/sign-in/passkey/options").get_json()
        return browser.send("/sign-in/passkey", {"answer": change(one.get(options))}).status_code

    assert tried(lambda a: a | {"userHandle": "AAAA"}) == 401
    assert tried(lambda a: a | {"id": "AAAA"}) == 401
    assert tried(lambda a: a | {"signature": "AAAA"}) == 422
    assert tried(lambda a: {**a, "id": ""}) == 401
    assert tried(lambda a: {"id": a["id"]}) == 422
    assert browser.cookie() is None
    wrong: tuple[dict[str, object], ...] = ({}, {"answer": []}, {"answer": None})
    for body in wrong:
        assert browser.send("/sign-in/passkey", body).status_code == 422
    assert browser.send("/sign-in/passkey", []).status_code == 400
    _disable(world, world.people["officer"].id)
    assert tried(lambda a: a) == 401


def test_own_passkeys_are_added_and_removed_by_whoever_has_just_shown_a_factor(
    world: World, keeper: Local, clock: Ticker
) -> None:
    browser = keeper.sign_in()
    clock.advance(sessions.FRESH)
    token = browser.token_of("/account")
    asked = browser.send("/account/passkeys/options", **{"X-Form-Token": token})
    assert asked.get_json() == {"location": "/console/confirm?next=/console/account"}
    before = browser.cookie()
    assert browser.submit("/confirm", "/confirm", code=keeper.code(9)).status_code == 401
    answer = browser.submit("/confirm", "/confirm", code=keeper.code(), next="/console/account")
    assert answer.headers["Location"] == "/console/account"
    assert browser.cookie() != before, "the session goes on under a new token"
    token = browser.token_of("/account")
    one = Authenticator()
    options = browser.send("/account/passkeys/options", **{"X-Form-Token": token}).get_json()
    made = one.create(options, label="我的手机")
    assert browser.send("/account/passkeys", {"answer": made}, **{"X-Form-Token": token}).status_code == 200
    again = browser.send("/account/passkeys", {"answer": made}, **{"X-Form-Token": token})
    assert (again.status_code, again.get_json()["reason"]) == (401, "challenge")
    options = browser.send("/account/passkeys/options", **{"X-Form-Token": token}).get_json()
    known = browser.send("/account/passkeys", {"answer": one.create(options)}, **{"X-Form-Token": token})
    assert (known.status_code, known.get_json()["reason"]) == (409, "passkey_known")
    assert "我的手机" in browser.get("/account").get_data(as_text=True)
    by_passkey(world, one)
    with Session(world.ports.database.read) as session:
        (row,) = session.scalars(select(Passkey)).all()
    removal = f"/account/passkeys/{row.id}/removal"
    assert browser.submit(removal, "/account").headers["Location"] == "/console/account?done=1"
    assert browser.submit(removal, "/account").status_code == 404
    assert {event.kind for event in _about(world, keeper.person_id)} >= {
        "passkey.added", "passkey.removed", "session.proved",
    }  # fmt: skip


def test_the_last_way_to_sign_in_is_not_removed(world: World) -> None:
    one = with_passkey(world, world.people["officer"].id)
    browser = by_passkey(world, one)
    with Session(world.ports.database.read) as session:
        (row,) = session.scalars(select(Passkey)).all()
    refused = browser.submit(f"/account/passkeys/{row.id}/removal", "/account")
    assert refused.status_code == 409
    assert "唯一的登录方式" in refused.get_data(as_text=True)


def test_a_factor_is_shown_again_by_the_same_person_s_passkey(world: World, clock: Ticker) -> None:
    one = with_passkey(world, world.people["officer"].id)
    other = with_passkey_of(
        world, world.people["keeper"].id, "keeper", Authenticator(credential_id=b"\x09" * 16)
    )
    browser = by_passkey(world, one)
    token = browser.token_of("/")
    options = browser.send("/confirm/passkey/options", **{"X-Form-Token": token}).get_json()
    refused = browser.send("/confirm/passkey", {"answer": other.get(options)}, **{"X-Form-Token": token})
    assert refused.status_code == 401
    signing_in = Browser.new(world).send("/sign-in/passkey/options").get_json()
    refused = browser.send("/confirm/passkey", {"answer": one.get(signing_in)}, **{"X-Form-Token": token})
    assert refused.get_json()["reason"] == "challenge", (
        "what was asked for signing in is no factor shown again"
    )
    before = browser.cookie()
    shown = browser.send("/confirm/passkey", {"answer": one.get(options)}, **{"X-Form-Token": token})
    assert shown.status_code == 200
    assert browser.cookie() != before
    with Session(world.ports.database.read) as session:
        live = sessions.find(session, browser.cookie(), clock())
    assert live is not None
    sessions.require_fresh(live, clock())
    clock.advance(sessions.FRESH)
    with pytest.raises(VermilionError, match="show a factor again"):
        sessions.require_fresh(live, clock())


# --- invitations ---------------------------------------------------------------------------------------


def test_an_invitation_wants_both_halves_and_serves_once(world: World, clock: Ticker) -> None:
    link, code = invited(world, world.people["keeper"].id, "keeper")
    other_link, other_code = invited(world, world.people["officer"].id, "officer")
    browser = Browser.new(world)
    for wrong in (
        (link, other_code),
        (other_link, code),
        (link, ""),
        ("", code),
        (link, "A" * 500),
        ("é", "é"),
    ):
        answer = browser.post("/enrol", {"invitation": wrong[0], "code": wrong[1]})
        assert answer.status_code == 401
    spoken = {
        "invitation": f"http://localhost:8800/console/enrol?invitation={link}",
        "code": f" {code.lower()} ",
    }
    assert browser.post("/enrol", spoken).status_code == 303
    secret = secret_on(browser.get("/enrol/choose").get_data(as_text=True))
    assert secret == secret_on(browser.get("/enrol/choose").get_data(as_text=True))
    local = Local(world, world.people["keeper"].id, "keeper", secret)
    filled = {"password": PASSWORD, "repeated": PASSWORD, "code": local.code()}
    token = browser.token_of("/enrol/choose")
    for change, words in (
        ({"password": "short"}, "密码至少需要"),
        ({"repeated": "another horse battery"}, "两次输入的密码不一致"),
        ({"code": "000000"}, "验证码不正确"),
        ({"password": "样本keeper样本keeper"}, "太容易被猜到"),
    ):
        answer = browser.post("/enrol/password", {"form": token, **filled, **change})
        assert answer.status_code == 422
        assert words in answer.get_data(as_text=True)
    assert browser.post("/enrol/password", {"form": "x", **filled}).status_code == 403
    assert browser.post("/enrol/password", {"form": token, **filled}).status_code == 303
    assert browser.post("/enrol/password", {"form": token, **filled}).status_code == 401
    assert browser.post("/enrol", {"invitation": link, "code": code}).status_code == 401
    clock.advance(invitations.LIFE)
    assert browser.post("/enrol", {"invitation": other_link, "code": other_code}).status_code == 401


def test_two_browsers_with_one_invitation_set_one_way_in(world: World) -> None:
    link, code = invited(world, world.people["keeper"].id, "keeper")
    browsers = [Browser.new(world) for _ in range(2)]
    for browser in browsers:
        browser.post("/enrol", {"invitation": link, "code": code})
    done: list[str] = []
    for n, browser in enumerate(browsers):
        token = browser.token_of("/enrol/choose") if n == 0 else done[0]
        if n == 0:
            done.append(browsers[1].token_of("/enrol/choose"))
        one = Authenticator(credential_id=bytes([n]) * 16)
        asked = browser.send("/enrol/passkey/options", **{"X-Form-Token": token})
        if asked.status_code == 200:
            answer = {"answer": one.create(asked.get_json())}
            done.append(str(browser.send("/enrol/passkey", answer, **{"X-Form-Token": token}).status_code))
        else:
            done.append(str(asked.status_code))
    assert done[1:] == ["200", "401"]
    assert rows(world, Passkey) == 1


def test_a_new_invitation_replaces_all_that_was(world: World, keeper: Local) -> None:
    browser = keeper.sign_in()
    one = with_passkey(world, keeper.person_id, "keeper")
    assert browser.get("/").status_code == 303
    assert keeper.type_password(Browser.new(world)).status_code == 401
    with_passkey_of(world, keeper.person_id, "keeper", Authenticator(credential_id=b"\x11" * 16))
    other = Browser.new(world)
    options = other.send("/sign-in/passkey/options").get_json()
    assert other.send("/sign-in/passkey", {"answer": one.get(options)}).status_code == 401
    assert (rows(world, Passkey), rows(world, LocalAccount)) == (1, 1)


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(VermilionError) as caught:
        act()
    return caught.value.reason


def test_a_code_that_is_replaced_as_it_is_looked_at_signs_nobody_in(
    world: World, keeper: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person recovers, since somebody else has password and application."""
    browser = Browser.new(world)
    assert keeper.type_password(browser).headers["Location"] == "/console/sign-in/code"
    form, matching = browser.token_of("/sign-in/code"), totp.matching_step

    with monkeypatch.context() as patch:

        def meanwhile(*about: Any) -> int | None:
            patch.undo()
            step = matching(*about)
            assert step is not None
            with ThreadPoolExecutor(1) as another:
                another.submit(with_password, world, keeper.person_id).result()
            return step

        patch.setattr(totp, "matching_step", meanwhile)
        answer = browser.post("/sign-in/code", {"form": form, "code": keeper.code(1)})
    assert answer.headers.get("Location") != "/console/"
    assert browser.cookie() is None or browser.get("/").status_code == 303


def test_inviting_and_releasing_are_two_people_s(world: World) -> None:
    ports, person = world.ports, world.people["keeper"].id

    def invite(admin: Administrator = world.system, person_id: str = person, account: str = "keeper") -> Any:
        with ports.database.transaction() as session:
            return invitations.invite(session, ports, admin, person_id=person_id, account=account)

    def release(invitation_id: str, admin: Administrator = world.security) -> str:
        with ports.database.transaction() as session:
            return invitations.release(session, ports, admin, invitation_id=invitation_id)

    for admin in (world.security, world.admin(Duty.AUDIT)):
        assert refusal(lambda admin=admin: invite(admin)) == "duty"  # type: ignore[misc]
    for account in ("ab", "Zhang", "张三", ".abc", "abc-", "a b c", "x" * 65, "abc\n"):
        assert refusal(lambda account=account: invite(account=account)) == "account"  # type: ignore[misc]
    assert refusal(lambda: invite(person_id="0" * 32)) == "person_unknown"
    first = invite()
    assert refusal(lambda: release(first.id, world.system)) == "duty"
    assert refusal(lambda: release("0" * 32)) == "invitation_unknown"
    second = invite()
    assert refusal(lambda: release(first.id)) == "decided", "a newer invitation takes its place"
    assert len(release(second.id).replace("-", "")) == 16
    assert refusal(lambda: release(second.id)) == "decided"
    own = invite(person_id=world.admins[Duty.SECURITY].id, account="security")
    assert refusal(lambda: release(own.id)) == "same_person"
    _disable(world, person)
    assert refusal(invite) == "person_disabled"
    with_password(world, world.people["officer"].id, "officer")
    assert (
        refusal(lambda: invite(person_id=world.people["applicant"].id, account="officer")) == "account_taken"
    )


def test_what_a_disabled_inviter_began_is_not_released(world: World) -> None:
    ports = world.ports
    with ports.database.transaction() as session:
        made = invitations.invite(
            session, ports, world.system, person_id=world.people["keeper"].id, account="keeper"
        )
        session.get_one(Person, world.system.person_id).active = False
    with ports.database.transaction() as session:
        assert [row["account"] for row in invitations.waiting(session, ports.clock())] == ["keeper"]

    def release() -> None:
        with ports.database.transaction() as session:
            invitations.release(session, ports, world.security, invitation_id=made.id)

    assert refusal(release) == "inviter_disabled"


def test_an_account_s_name_that_was_taken_meanwhile_is_refused_whole(world: World) -> None:
    first = enrolling(world, world.people["keeper"].id, "same")
    token = first.token_of("/enrol/choose")
    with_password(world, world.people["officer"].id, "same")
    options = first.send("/enrol/passkey/options", **{"X-Form-Token": token}).get_json()
    answer = first.send(
        "/enrol/passkey", {"answer": Authenticator().create(options)}, **{"X-Form-Token": token}
    )
    assert (answer.status_code, answer.get_json()["reason"]) == (409, "account_taken")
    with Session(world.ports.database.read) as session:
        states = session.scalars(select(Invitation.state)).all()
    assert sorted(states) == ["released", "used"]


# --- people and clients of the console -----------------------------------------------------------------


def test_somebody_without_a_key_acts_with_a_browser_alone(world: World) -> None:
    ports = world.ports
    with ports.database.transaction() as session:
        person = add_person(
            session, ports, world.system, agency_code=world.codes["own"], name="样本新人", roles=["keeper"]
        )
        decide(session, ports, world.security, subject=person.id, approve=True)
    assert "样本新人" in with_password(world, person.id, "new.one").sign_in().get("/").get_data(as_text=True)


def test_the_console_s_client_has_no_credential_and_there_is_one(world: World) -> None:
    ports = world.ports

    def add(**more: Any) -> None:
        with ports.database.transaction() as session:
            add_client(
                session, ports, world.system, agency_code=world.codes["own"], name="console", scopes=["seal"], types=[],
                console=True, **more,
            )  # fmt: skip

    assert refusal(add) == "console_known"
    assert refusal(lambda: add(jwks=[world.clients["system"].key.as_dict(private=False)])) == "credential"
    assert refusal(lambda: add(secret="s" * 43)) == "credential"
    form = {"grant_type": "client_credentials", "client_id": world.consoles["own"], "client_secret": "x" * 40}
    assert world.http.post("/oauth2/token", data=form).status_code == 401


def test_people_of_an_agency_without_a_console_do_not_sign_in(world: World) -> None:
    browser = enrolling(world, world.people["other-keeper"].id, "other")
    token = browser.token_of("/enrol/choose")
    options = browser.send("/enrol/passkey/options", **{"X-Form-Token": token}).get_json()
    answer = browser.send(
        "/enrol/passkey", {"answer": Authenticator().create(options)}, **{"X-Form-Token": token}
    )
    assert (answer.status_code, answer.get_json()["reason"]) == (403, "no_console")
    assert rows(world, Passkey) == 0


# --- whatever is sent ----------------------------------------------------------------------------------

_texts = st.text(max_size=60) | st.sampled_from(["keeper", "", "\0", "1", "A" * 43, PASSWORD])
_names = st.sampled_from(["account", "password", "repeated", "code", "invitation", "form", "next", "x"])
_values = st.recursive(
    st.none() | st.integers() | _texts, lambda inner: st.lists(inner, max_size=3), max_leaves=4
)
_members = st.sampled_from(
    [
        "answer",
        "account",
        "next",
        "id",
        "clientDataJSON",
        "authenticatorData",
        "signature",
        "userHandle",
        "label",
    ]
)


@on_sqlite
def test_no_form_and_no_object_is_a_defect(
    world: World, keeper: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page that takes something, to somebody signed in and to nobody. The catch-all is off."""
    monkeypatch.setattr("registry.buckets.Buckets.enter", lambda *_: Counted(0, 1, 0))
    for module in ("local", "enrolment_pages"):
        monkeypatch.setattr(f"registry.console.{module}.enter", lambda *_: 0)
    signed_in, nobody = keeper.sign_in(), Browser.new(world)
    half = enrolling(world, world.people["officer"].id, "officer")
    tokens = {
        id(signed_in): signed_in.token_of("/"),
        id(half): half.token_of("/enrol/choose"),
        id(nobody): "x",
    }
    paths = [path for path in posts(world) if "sign-out" not in path]

    @settings(max_examples=40)
    @given(
        form=st.dictionaries(_names, _texts, max_size=5),
        value=st.dictionaries(_members, _values | st.dictionaries(_members, _values, max_size=4), max_size=4),
        raw=st.binary(max_size=60),
    )
    def ask(form: dict[str, str], value: dict[str, object], raw: bytes) -> None:
        for browser in (signed_in, half, nobody):
            token = tokens[id(browser)]
            for path in paths:
                told = [
                    browser.post(path, {**form, "form": token}),
                    browser.send(path, value, **{"X-Form-Token": token}),
                    browser.http.post(
                        f"/console{path}",
                        data=raw,
                        content_type="application/json",
                        headers={**browser.headers, "X-Form-Token": token},
                    ),
                ]
                assert all(answer.status_code < 500 for answer in told), path

    ask()


@on_sqlite
@given(value=st.text(max_size=120))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_cookie_or_address_is_a_defect(world: World, value: str) -> None:
    browser = Browser.new(world)
    plain = "".join(c for c in value if c.isascii() and c.isprintable() and c not in ';," \\')
    for name in ("session", "step", "flow"):
        browser.http.set_cookie(f"console-{name}", plain)
    for path in ("/", "/sign-in/code", "/enrol/choose", "/oidc/callback"):
        assert browser.get(path, query_string={"code": value, "state": value}).status_code in {200, 303, 401}
    for name in ("invitation", "next", "lang"):
        for path in ("/sign-in", "/enrol"):
            assert browser.get(path, query_string={name: value}).status_code == 200
