"""Links by which holders take their documents: used once, by whomever; what they give, when, and to whom nothing."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from keys.errors import VermilionError
from registry.delivery import rules
from registry.delivery.rules import FETCH_AGAIN, KEPT, MAX_OPEN, MOST_FETCHES, TOLD_AGAIN, sweep
from registry.delivery.tables import PickUp
from registry.holders.browser import REQUESTS_PER_MINUTE
from registry.licences.fsck import fsck
from registry.licences.issued import read_document
from registry.licences.lookup import SqlLiveRegistry
from registry.licences.tables import Edition
from registry.log.tables import Event
from registry.tables import metadata
from signing.check import check_file
from signing.verdict import Verdict
from tests.registry.delivering import ask_pick_up, holder, keyed, log, notices, path_of, pick_up, sent, told
from tests.registry.faults import NoStore
from tests.registry.hooking import endpoint, permitting, receiver
from tests.registry.issuing import issue_one, request_body
from tests.registry.keeping import trust_list
from tests.registry.mailing import Server, mail_server, mailing
from tests.registry.next_editions import next_edition
from tests.registry.test_bodies import LICENCE_GROUND
from tests.registry.world import Ticker, World, on_sqlite, serve

TO = "lin.zhiyao@people.example"
NEVER = "/holder/pick-up/" + "x" * 43
GROUND = {"legal_basis": "样本办法", "reason_code": "sent_astray", "operator": "window-03"}


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    with mail_server() as made:
        mailing(world, made)
        yield made


def issued(world: World, **changes: Any) -> str:
    return issue_one(world, request_body(world, **changes)).printout.record.identifier


def link(world: World, identifier: str, **body: Any) -> str:
    """The path of a new link that the agency hands over itself."""
    return path_of(pick_up(world, identifier, **body)["link"])


def document(world: World, identifier: str) -> bytes:
    return world.get(f"/api/v1/licences/{identifier}/document").get_data()


def nothing(answer: TestResponse) -> bool:
    """Whether it is the page of links that give nothing, whatever the cause."""
    page = answer.get_data(as_text=True)
    known = re.sub(r"/holder/pick-up/[A-Za-z0-9_-]+", NEVER, page)
    return answer.status_code == 404 and sha256(known.encode()).digest() == _NOTHING.setdefault(
        answer.headers["Content-Language"], sha256(known.encode()).digest()
    )


_NOTHING: dict[str, bytes] = {}
"""The one page, by language: the first that was seen, which must be of a link that never was."""


@pytest.fixture(autouse=True)
def first_seen(world: World) -> None:
    answer = holder(world).get(NEVER)
    assert answer.status_code == 404
    assert nothing(answer)
    assert "此链接不能领取文件" in answer.get_data(as_text=True)


# --- what a link gives ---------------------------------------------------------------------------------


def test_a_link_gives_the_sealed_document_once(world: World) -> None:
    made = issue_one(world)
    identifier = made.printout.record.identifier
    offer = pick_up(world, identifier)
    assert (offer["state"], offer["notice"], offer["channel"]) == ("open", None, "none")
    assert offer["expires_at"] == "2026-11-27T02:30:00Z", "seven days"
    path, first, second = path_of(offer["link"]), holder(world), holder(world)
    for browser in (first, second):  # scanners, previews, people: looking uses nothing up
        for _ in range(2):
            page = browser.get(path)
            assert page.status_code == 200
            assert "领取 PDF 文件" in page.get_data(as_text=True)
            assert identifier not in page.get_data(as_text=True)
            assert browser.head(path).status_code == 200
    assert told(world, offer)["state"] == "open"
    answer = first.post(path)
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{identifier}.pdf"'
    pdf = answer.get_data()
    assert sha256(pdf).digest() == made.sha256
    live = SqlLiveRegistry(world.ports.database.read, world.ports.clock)
    verdict = check_file(pdf, trust_list(world), live, None, world.ports.clock()).verification.verdict
    assert verdict is Verdict.VALID
    for browser in (second, holder(world)):
        assert nothing(browser.get(path))
        assert nothing(browser.post(path))
    after = told(world, offer)
    assert (after["state"], after["used_at"]) == ("used", "2026-11-20T02:30:00Z")
    assert pdf == document(world, identifier)
    assert fsck(world.ports) == []


def test_used_by_many_at_once_a_link_gives_one_document(world: World) -> None:
    path = link(world, issued(world))
    browsers = [holder(world) for _ in range(6)]
    for browser in browsers:
        assert browser.get(path).status_code == 200
    begin, answers = threading.Barrier(len(browsers)), []

    def use(browser: FlaskClient) -> None:
        begin.wait(60)
        answers.append(browser.post(path).status_code)

    threads = [threading.Thread(target=use, args=(browser,)) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert Counter(answers) == {200: 1, 404: 5}
    assert [one.kind for one in log(world)] == ["picked_up"]
    assert [event.kind for event in events(world)] == ["pick_up.offered", "pick_up.taken"]


def test_the_browser_that_used_it_may_fetch_it_again_for_a_few_minutes(world: World, clock: Ticker) -> None:
    path = link(world, issued(world))
    browser, other = holder(world), holder(world)
    browser.get(path)
    other.get(path)
    pdf = browser.post(path).get_data()
    page = browser.get(path)
    assert page.status_code == 200
    assert "如下载中断，请重新领取" in page.get_data(as_text=True)
    clock.advance(FETCH_AGAIN - timedelta(seconds=1))
    assert browser.post(path).get_data() == pdf
    assert nothing(other.post(path))
    clock.advance(timedelta(seconds=1))
    assert nothing(browser.get(path))
    assert nothing(browser.post(path))
    assert [one.kind for one in log(world)] == ["picked_up"], "it is one use"
    again = link(world, issued(world))
    browser.get(again)
    assert [browser.post(again).status_code for _ in range(MOST_FETCHES + 1)] == [200] * MOST_FETCHES + [404]
    assert fsck(world.ports) == []


def test_what_a_browser_is_known_by_is_of_one_link(world: World) -> None:
    """And one that keeps no cookies gets the document all the same, once."""
    first, second = link(world, issued(world)), link(world, issued(world))
    bare = world.app.test_client(use_cookies=False)
    assert bare.post(first).status_code == 200
    assert nothing(bare.post(first))
    browser = holder(world)
    browser.get(second)
    browser.post(second)
    with Session(world.ports.database.read) as session:
        kept = {row.fetched: row.browser_sha256 for row in session.scalars(select(PickUp))}
    cookie = browser.get_cookie("vermilion-holder")
    assert cookie is not None
    with Session(world.ports.database.read) as session:
        rows = session.scalars(select(PickUp)).all()
    assert {row.browser_sha256 is None for row in rows} == {True, False}
    assert sha256(cookie.value.encode()).digest() not in kept.values()
    assert (cookie.http_only, cookie.same_site, cookie.path) == (True, "Lax", "/")


def test_a_store_that_is_out_costs_no_link(world: World) -> None:
    path = link(world, issued(world))
    broken = serve(
        replace(world.ports, documents=NoStore()), world.codes, world.types, world.clients, world.people
    )
    answer = broken.http.post(path)
    assert answer.status_code == 503
    assert "链接并未因此失效" in answer.get_data(as_text=True)
    assert holder(world).post(path).status_code == 200


# --- what gives nothing --------------------------------------------------------------------------------


def test_a_link_that_expired_gives_nothing(world: World, clock: Ticker) -> None:
    identifier = issued(world)
    offer = pick_up(world, identifier, hours=24)
    path = path_of(offer["link"])
    clock.advance(timedelta(hours=24) - timedelta(seconds=1))
    assert holder(world).get(path).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert nothing(holder(world).get(path))
    assert nothing(holder(world).post(path))
    assert told(world, offer)["state"] == "expired"


def test_a_link_that_was_withdrawn_gives_nothing(world: World) -> None:
    offer = pick_up(world, issued(world))
    path = path_of(offer["link"])
    for _ in range(2):
        answer = world.post(f"{offer['href']}/withdrawal", GROUND)
        assert (answer.status_code, answer.get_json()["state"]) == (200, "withdrawn")
    assert nothing(holder(world).get(path))
    assert nothing(holder(world).post(path))
    (event,) = [event for event in events(world) if event.kind == "pick_up.withdrawn"]
    assert (event.legal_basis, event.reason_code, event.operator) == ("样本办法", "sent_astray", "window-03")
    assert event.client_id == world.clients["system"].id
    used = pick_up(world, issued(world))
    assert holder(world).post(path_of(used["link"])).status_code == 200
    assert world.post(f"{used['href']}/withdrawal", GROUND).get_json()["state"] == "used"
    assert fsck(world.ports) == []


def change(world: World, identifier: str, what: str, **more: Any) -> None:
    answer = world.post(f"/api/v1/licences/{identifier}/{what}", LICENCE_GROUND | more)
    assert answer.status_code == 200, answer.get_data(as_text=True)


def test_a_link_gives_what_is_in_force_and_nothing_else(world: World, clock: Ticker) -> None:
    identifier = issued(world)
    path = link(world, identifier, hours=720)
    change(world, identifier, "suspension", ground="penalty")
    assert nothing(holder(world).get(path))
    assert nothing(holder(world).post(path))
    refused = ask_pick_up(world, identifier)
    assert (refused.status_code, refused.get_json()["reason"]) == (409, "status")
    change(world, identifier, "resumption")
    assert holder(world).get(path).status_code == 200, "as before"
    replaced = next_edition(world, "replace", identifier).printout.record.identifier
    assert nothing(holder(world).post(path))
    path = link(world, replaced, hours=720)
    change(world, replaced, "ending", how="revoked")
    assert nothing(holder(world).get(path))
    assert nothing(holder(world).post(path))
    sample = request_body(world)
    fields = {**sample["fields"], "issue_date": "2026-11-20", "valid_to": "2026-11-25"}
    short = issued(world, fields=fields)
    path = link(world, short, hours=720)
    clock.now = clock.now.replace(day=25)
    assert holder(world).get(path).status_code == 200, "its last day"
    clock.now = clock.now.replace(day=26)
    assert nothing(holder(world).get(path))
    assert nothing(holder(world).post(path))
    assert [one.kind for one in log(world)] == []


def test_what_ends_while_a_document_is_taken_is_not_given(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking and using, which locks what it looks at."""
    identifier = issued(world)
    path = link(world, identifier)

    def ended_meanwhile(*arguments: Any) -> bytes:
        data = read_document(*arguments)
        change(world, identifier, "ending", how="annulled")
        return data

    monkeypatch.setattr("registry.delivery.rules.read_document", ended_meanwhile)
    assert nothing(holder(world).post(path))
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(PickUp.state)).all() == ["open"]


def test_nothing_is_said_of_why(world: World) -> None:
    """Pages alike to the byte, and the same headers, for whatever a link is."""
    odd = ("x", "x" * 42, "x" * 44, "%00" * 3, "..", "é", "x" * 43 + "=")
    paths = [NEVER, *(f"/holder/pick-up/{one}" for one in odd)]
    used = link(world, issued(world))
    holder(world).post(used)
    headers = set()
    for path in (*paths, used):
        for method in ("get", "post"):
            answer: TestResponse = getattr(holder(world), method)(path)
            assert answer.status_code == 404, path
            shown = {
                name: value for name, value in answer.headers if name not in {"X-Request-Id", "Set-Cookie"}
            }
            headers.add(json.dumps(shown | {"Content-Length": ""}, sort_keys=True))
    assert len(headers) == 1
    for path in (NEVER, used):
        assert nothing(holder(world).get(path))


# --- the page ------------------------------------------------------------------------------------------


def test_the_page_speaks_the_holder_s_language_and_any_other(world: World) -> None:
    path = link(world, issued(world), language="es")
    browser = holder(world)
    page = browser.get(path, headers={"Accept-Language": "zh-CN"})
    assert page.headers["Content-Language"] == "es"
    assert "Recibir el archivo PDF" in page.get_data(as_text=True)
    for lang, words in (
        ("zh", "领取 PDF 文件"),
        ("en", "Take the PDF file"),
        ("xx", "Recibir el archivo PDF"),
    ):
        assert words in browser.get(f"{path}?lang={lang}").get_data(as_text=True)
    assert holder(world).get(NEVER, headers={"Accept-Language": "en"}).headers["Content-Language"] == "en"
    text_ = page.get_data(as_text=True)
    assert '<html lang="es">' in text_
    assert '<dd lang="en">Yangben Municipal Administration for Market Regulation</dd>' in text_
    assert "<dd>Licencia de actividad alimentaria</dd>" in text_


def test_pages_let_nothing_out(world: World) -> None:
    path = link(world, issued(world))
    for answer in (holder(world).get(path), holder(world).get(NEVER), holder(world).post(path)):
        headers = answer.headers
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Robots-Tag"] == "noindex, nofollow"
        assert "script-src" not in headers["Content-Security-Policy"]
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    page = holder(world).get(path).get_data(as_text=True)
    assert "<script" not in page
    assert not re.search(r'(?:src|href|action)="(?!/holder/)(?!#)', page)
    static = re.findall(r'"(/holder/static/[^"]+)"', holder(world).get(NEVER).get_data(as_text=True))
    assert len(static) == 2
    for one in static:
        assert holder(world).get(one).status_code == 200


def test_another_site_s_page_uses_no_link(world: World) -> None:
    path = link(world, issued(world))
    answer = holder(world).post(path, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert holder(world).post(path, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


@on_sqlite
def test_one_network_asks_so_often_a_minute(world: World) -> None:
    browser = holder(world)
    codes = [browser.get(NEVER).status_code for _ in range(REQUESTS_PER_MINUTE + 5)]
    assert set(codes) == {404, 429}
    assert codes[-1] == 429
    answer = browser.get(NEVER)
    assert int(answer.headers["Retry-After"]) >= 1
    elsewhere = browser.get(NEVER, environ_overrides={"REMOTE_ADDR": "203.0.113.9"})
    assert elsewhere.status_code == 404


# --- how it reaches its holder -------------------------------------------------------------------------


def everything(world: World) -> str:
    """What the whole database holds, as text, bytes in hex."""
    found = []
    with Session(world.ports.database.read) as session:
        for table in metadata.tables:
            for row in session.execute(text(f"SELECT * FROM {table}")):
                found += [bytes(v).hex() if isinstance(v, bytes | memoryview) else str(v) for v in row]
    return "\n".join(found)


def traces(world: World, secret: str, logged: str) -> list[str]:
    """Where a secret can be read, in the database or in what was logged."""
    kept = everything(world)
    forms = [secret, secret.encode().hex()]
    if len(secret) == 43:
        forms.append(base64.urlsafe_b64decode(secret + "=").hex())
    return [form for form in forms for place in (kept, logged) if form in place]


def test_by_e_mail(world: World, server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    """From the request to the document; and neither link nor address lies anywhere in clear, before or after."""
    made = issue_one(world)
    identifier = made.printout.record.identifier
    offer = pick_up(world, identifier, channel="smtp", to=TO, language="en")
    assert offer["link"] is None
    assert offer["notice"]["state"] == "waiting"
    assert TO not in json.dumps(offer)
    before = everything(world)
    assert TO not in before
    assert TO.encode().hex() not in before
    assert sent(world).delivered == 1
    (letter,) = server.letters
    assert letter.to == [TO]
    path = path_of(letter.text)
    assert re.search(r"until 2026-11-27 10:30 \(Asia/Shanghai\)", letter.text)
    assert told(world, offer)["notice"] == offer["notice"] | {
        "state": "delivered", "attempts": 1, "due_at": None, "tried_at": "2026-11-20T02:30:00Z", "status": 250,
    }  # fmt: skip
    browser = holder(world)
    assert browser.get(path).status_code == 200
    assert sha256(browser.post(path).get_data()).digest() == made.sha256
    said = capfd.readouterr()
    for secret in (path.rpartition("/")[2], TO):
        assert traces(world, secret, said.out + said.err) == []
    assert [row.message for row in notices(world)] == [None]
    assert fsck(world.ports) == []


def test_a_link_that_is_told_lies_encrypted_for_an_hour(
    world: World, clock: Ticker, capfd: pytest.CaptureFixture[str]
) -> None:
    """The very request is told it again; then it is erased."""
    identifier, key = issued(world), "the-same"
    offer = ask_pick_up(world, identifier, key=key)
    secret = path_of(offer.get_json()["link"]).rpartition("/")[2]
    again = ask_pick_up(world, identifier, key=key)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.get_json() == offer.get_json()
    other = ask_pick_up(world, identifier, key=key, hours=3)
    assert (other.status_code, other.get_json()["reason"]) == (422, "key_reused")
    clock.advance(TOLD_AGAIN - timedelta(seconds=1))
    assert ask_pick_up(world, identifier, key=key).get_json()["link"] is not None
    assert sweep(world.ports) == 0
    clock.advance(timedelta(seconds=1))
    later = ask_pick_up(world, identifier, key=key)
    assert (later.status_code, later.get_json()["link"], later.get_json()["state"]) == (201, None, "open")
    assert sweep(world.ports) == 1
    with Session(world.ports.database.read) as session:
        assert [row.token for row in session.scalars(select(PickUp))] == [None]
    said = capfd.readouterr()
    assert traces(world, secret, said.out + said.err) == []
    assert holder(world).get(f"/holder/pick-up/{secret}").status_code == 200
    used = ask_pick_up(world, identifier, key="used")
    holder(world).post(path_of(used.get_json()["link"]))
    assert ask_pick_up(world, identifier, key="used").get_json()["link"] is None, "it gives nothing any more"


def test_through_the_agency_s_own_receiver(world: World) -> None:
    permitting(world)
    with receiver() as hook:
        mine = endpoint(world, hook.url, events=["notice"])
        offer = pick_up(world, issued(world), channel="webhook", webhook=mine["id"], to="+86 138 0000 0000")
        assert sent(world).delivered == 1
    told_there = hook.calls[0].told["data"]
    assert (told_there["to"], told_there["about"]) == ("+86 138 0000 0000", offer["id"])
    assert told_there["values"]["licence"] in told_there["text"]
    assert holder(world).post(path_of(told_there["text"])).status_code == 200
    assert path_of(told_there["values"]["link"]) == path_of(told_there["text"])


def test_what_was_withdrawn_before_it_was_sent_is_not_sent(world: World, server: Server) -> None:
    offer = pick_up(world, issued(world), channel="smtp", to=TO)
    assert world.post(f"{offer['href']}/withdrawal", GROUND).get_json()["notice"]["state"] == "dead"
    assert not sent(world)
    assert server.letters == []
    assert [(row.reason, row.message) for row in notices(world)] == [("withdrawn", None)]


# --- who may ask for one -------------------------------------------------------------------------------


def test_what_does_not_go_together_is_refused(world: World, server: Server) -> None:
    permitting(world)
    identifier = issued(world)
    deaf = endpoint(world, "https://hooks.example/deaf")["id"]
    off = endpoint(world, "https://hooks.example/off", events=["notice"])["id"]
    world.post(f"/api/v1/webhooks/{off}/deactivation", {"operator": "window-03"})
    other = endpoint(world, "https://hooks.example/other", events=["notice"], client="other-system")["id"]
    right = endpoint(world, "https://hooks.example/right", events=["notice"])["id"]
    mailing(world, server)
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"channel": "smtp"}, "/to", "channel"),
        ({"channel": "none", "to": TO}, "/to", "channel"),
        ({"channel": "webhook", "to": TO}, "/webhook", "channel"),
        ({"channel": "smtp", "to": TO, "webhook": right}, "/webhook", "channel"),
        ({"channel": "webhook", "webhook": right}, "/to", "channel"),
        ({"channel": "smtp", "to": "nobody"}, "/to", "email"),
        ({"channel": "smtp", "to": "a@b\tc"}, "/to", "plain_text"),
        ({"channel": "none", "hours": 0}, "/hours", "greater_than_equal"),
        ({"channel": "none", "hours": 721}, "/hours", "less_than_equal"),
        ({"channel": "none", "language": "fr"}, "/language", "literal_error"),
        ({"channel": "fax"}, "/channel", "literal_error"),
        *(
            ({"channel": "webhook", "webhook": one, "to": TO}, "/webhook", "no_receiver")
            for one in (deaf, off, other, "0" * 32)
        ),
    ]
    for body, field, reason in cases:
        answer = ask_pick_up(world, identifier, **body)
        assert answer.status_code == 422, body
        (fault,) = answer.get_json()["errors"]
        assert (fault["pointer"], fault["reason"]) == (field, reason), body
        assert TO not in answer.get_data(as_text=True)
    mailing(world, server, smtp_host="")
    closed = ask_pick_up(world, identifier, channel="smtp", to=TO)
    assert closed.get_json()["reason"] == "channel_closed"
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(PickUp.id)).all() == []
    without_key = world.post(f"/api/v1/licences/{identifier}/pick-ups", {"channel": "none", "operator": "x"})
    assert without_key.get_json()["reason"] == "idempotency_key"
    nobody = world.post(f"/api/v1/licences/{identifier}/pick-ups", {"channel": "none"}, **keyed())
    assert nobody.get_json()["reason"] == "operator"


def test_an_agency_sees_links_of_its_own_licences_alone(world: World) -> None:
    identifier, mine = issued(world), issued(world)
    offer = pick_up(world, identifier)
    for answer in (
        ask_pick_up(world, identifier, client="other-system"),
        world.get(offer["href"], "other-system"),
        world.get(f"/api/v1/licences/{identifier}/pick-ups", "other-system"),
        world.post(f"{offer['href']}/withdrawal", GROUND, "other-system"),
    ):
        assert (answer.status_code, answer.get_json()["reason"]) == (404, "licence_unknown")
    astray = f"/api/v1/licences/{mine}/pick-ups/{offer['id']}"
    for answer in (world.get(astray), world.post(f"{astray}/withdrawal", GROUND)):
        assert (answer.status_code, answer.get_json()["reason"]) == (404, "pick_up_unknown")
    assert told(world, offer)["state"] == "open"


def test_links_are_listed_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules.of_edition, "__defaults__", (2,))
    identifier = issued(world)
    made = [pick_up(world, identifier)["id"] for _ in range(MAX_OPEN)]
    full = ask_pick_up(world, identifier)
    assert (full.status_code, full.get_json()["reason"]) == (409, "too_many_pick_ups")
    found: list[str] = []
    following: str | None = f"/api/v1/licences/{identifier}/pick-ups"
    pages = 0
    while following:
        page = world.get(following).get_json()
        found += [one["id"] for one in page["pick_ups"]]
        following, pages = page.get("next"), pages + 1
    assert (sorted(found), pages) == (sorted(made), 3)
    wrong = world.get(f"/api/v1/licences/{identifier}/pick-ups?after=x")
    assert (wrong.status_code, wrong.get_json()["reason"]) == (422, "query")
    assert world.get(f"/api/v1/licences/{identifier}/pick-ups?after={'0' * 32}").status_code == 404


# --- the record ----------------------------------------------------------------------------------------


def events(world: World) -> list[Event]:
    with Session(world.ports.database.read) as session:
        wanted = select(Event).where(Event.subject_kind == "pick_up").order_by(Event.recorded_at, Event.kind)
        return list(session.scalars(wanted))


def test_what_happens_to_a_link_is_on_record_and_names_nobody(world: World, server: Server) -> None:
    made = issue_one(world)
    identifier = made.printout.record.identifier
    offer = pick_up(world, identifier, channel="smtp", to=TO)
    sent(world)
    holder(world).post(path_of(server.letters[0].text))
    offered, taken = events(world)
    assert offered.detail == {
        "identifier": identifier, "channel": "smtp", "expires_at": "2026-11-27T02:30:00+00:00",
    }  # fmt: skip
    assert (offered.client_id, offered.operator) == (world.clients["system"].id, "window-03")
    assert taken.detail == {"identifier": identifier, "sha256": made.sha256.hex()}
    assert (taken.client_id, taken.person_id, taken.subject) == (None, None, offer["id"])
    (use,) = log(world)
    assert (use.kind, use.agency_code, use.matter_code) == ("picked_up", None, "000131001000")


def test_links_that_were_over_long_ago_are_on_record_no_more(world: World, clock: Ticker) -> None:
    identifier, key = issued(world), "long-ago"
    offer = ask_pick_up(world, identifier, key=key).get_json()
    path = path_of(offer["link"])
    holder(world).post(path)
    clock.advance(timedelta(days=7) + KEPT)
    assert sweep(world.ports) == 1
    assert world.get(offer["href"]).status_code == 404
    assert nothing(holder(world).get(path))
    gone = ask_pick_up(world, identifier, key=key)
    assert (gone.status_code, gone.get_json()["reason"]) == (404, "pick_up_unknown")
    assert len(events(world)) == 2


@on_sqlite
def test_what_does_not_fit_is_found(world: World) -> None:
    broken: Mapping[str, dict[str, Any]] = {
        "is open, and was fetched 2 times": {"fetched": 2},
        "is open, and knows whose browser used it": {"browser_sha256": b"x"},
        "is withdrawn, and what its link carried is not erased": {"state": "withdrawn"},
    }
    for values in broken.values():
        made = pick_up(world, issued(world))
        with world.ports.database.transaction() as session:
            session.execute(update(PickUp).where(PickUp.id == made["id"]).values(**values))
    found = fsck(world.ports)
    assert sorted(line.partition(" ")[2].partition(" ")[2] for line in found) == sorted(broken)


def test_a_licence_that_is_not_valid_yet_is_delivered(world: World) -> None:
    """Its holder is to have it by then."""
    edition = Edition(status="in_force", valid_from=date(2027, 1, 1), valid_to=None)
    assert rules.deliverable(edition, date(2026, 11, 20))


def test_whatever_is_asked_is_no_defect(world: World) -> None:
    """Forms, bodies and methods that no page sends."""
    path = link(world, issued(world))
    asked: list[Callable[[], TestResponse]] = [
        lambda: holder(world).post(f"{path}?lang=%00", data=b"\xff" * 100, content_type="text/plain"),
        lambda: holder(world).put(path),
        lambda: holder(world).get(f"{path}/more"),
        lambda: holder(world).get("/holder/static/x/none.css"),
        lambda: holder(world).get("/holder/"),
    ]
    assert [ask().status_code for ask in asked] == [200, 405, 404, 404, 404]
    with pytest.raises(VermilionError):
        rules.take(world.ports, "x", None)
