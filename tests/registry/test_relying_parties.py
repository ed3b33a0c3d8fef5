"""Relying parties: on record, approved, within their quotas; and many checks at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.agencies.enrolments import decide, pending
from registry.agencies.tables import Verifier
from registry.agencies.verifiers import add_verifier, set_verifier_active, thumbprint
from registry.log.tables import Event
from registry.typed_limits import PAIR
from tests.registry.issuing import issue_one
from tests.registry.relying import (
    API,
    BULK,
    SIGNED,
    TAKEN_BACK,
    Front,
    approve,
    close,
    enrol,
    front,
    make_site,
)
from tests.registry.test_answers import wrong
from tests.registry.world import GROUND, Ticker, World, on_sqlite

LINK = {"link": "x"}


@pytest.fixture
def site(world: World) -> Iterator[Front]:
    with front(world) as made:
        yield made


def test_a_key_serves_from_its_approval_until_it_is_disabled(world: World) -> None:
    party, key = enrol(world, per_minute=10, per_day=100)
    app = make_site(world)
    try:
        site = Front(world, app, key, party)
        assert site.ask(LINK).status_code == 401
        with Session(world.ports.database.read) as session:
            (waiting,) = pending(session)
            row = session.get_one(Verifier, party)
            assert key.encode() not in row.key_sha256
            assert (waiting["kind"], waiting["asks"]) == ("verifier", {"per_minute": 10, "per_day": 100})
            assert waiting["thumbprints"] == [thumbprint(row)]
            assert (row.active, row.per_minute, row.per_day) == (False, 0, 0)
        with world.ports.database.transaction() as session, pytest.raises(VermilionError) as refused:
            decide(session, world.ports, world.security, subject=party, approve=True, seen=["another"])
        assert refused.value.reason == "key_unseen"
        switch(world, party, active=True, reason="not_approved")
        approve(world, party)
        assert site.ask(LINK).status_code == 200
        switch(world, party, active=False)
        refused_answer = site.ask(LINK)
        assert refused_answer.status_code == 401
        assert refused_answer.headers["WWW-Authenticate"] == 'Bearer realm="vermilion", error="invalid_token"'
        switch(world, party, active=True)
        assert site.ask(LINK).status_code == 200
    finally:
        close(app)
    with Session(world.ports.database.read) as session:
        told = session.scalars(select(Event.kind).where(Event.subject == party).order_by(Event.recorded_at))
        assert sorted(told) == [
            "enrolment.approved", "verifier.added", "verifier.disabled", "verifier.enabled",
        ]  # fmt: skip


def switch(world: World, party: str, *, active: bool, reason: str | None = None) -> None:
    try:
        with world.ports.database.transaction() as session:
            set_verifier_active(
                session, world.ports, world.security, verifier_id=party, active=active, ground=GROUND
            )
    except VermilionError as error:
        assert error.reason == reason
    else:
        assert reason is None


@on_sqlite
def test_system_administration_enables_nobody_and_quotas_are_bounded(world: World) -> None:
    party, _key = enrol(world)
    with world.ports.database.transaction() as session:
        for wrongly in ({"per_minute": 0}, {"per_day": 10_000_001}, {"name": ""}, {"name": "a\nb"}):
            asked: dict[str, Any] = {"name": "样本法院", "per_minute": 1, "per_day": 1} | wrongly
            with pytest.raises(VermilionError):
                add_verifier(session, world.ports, world.system, **asked)
        with pytest.raises(VermilionError, match="duty"):
            add_verifier(session, world.ports, world.security, name="样本法院", per_minute=1, per_day=1)
        for subject, active in (("0" * 32, False), (party, True)):
            with pytest.raises(VermilionError):
                set_verifier_active(
                    session, world.ports, world.system, verifier_id=subject, active=active, ground=GROUND
                )


@on_sqlite
def test_what_wants_a_key_says_so_and_single_checks_want_none(site: Front) -> None:
    many = {"items": [LINK]}
    past = {"as_of": "2026-05-03", "clock": "effective"}
    for path, body, headers in (
        (BULK, many, {}),
        (API, LINK, SIGNED),
        (API, {**LINK, **past}, {}),
        (API, {**LINK, "reference": "mine"}, {}),
    ):
        answer = site.ask(body, path, key=None, **headers)
        assert (answer.status_code, answer.get_json()["reason"]) == (401, "no_key")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="vermilion"'
        assert site.ask(body, path, key=site.key + "x", **headers).status_code == 401
    assert site.ask(LINK, key=None).status_code == 200
    for sent in ("", "Bearer", f"Basic {site.key}", f"Bearer {site.key} x", "Bearer " + "x" * 300):
        answer = site.http.post(API, json=LINK, headers={"Authorization": sent})
        assert (answer.status_code, answer.get_json()["reason"]) == (401, "key")


@on_sqlite
def test_quotas_are_shared_by_all_processes_and_drain(world: World, clock: Ticker) -> None:
    with front(world, per_minute=5, per_day=12) as site, closing(_Other(world, site)) as other:
        for at in (site, other.site, site, other.site, site):
            assert at.ask(LINK).status_code == 200
        refused = other.site.ask(LINK)
        assert (refused.status_code, refused.get_json()["reason"]) == (429, "quota")
        assert refused.headers["Retry-After"] == "12"  # a minute has room for five
        assert refused.mimetype == "application/problem+json"
        clock.advance(timedelta(seconds=11))
        assert site.ask(LINK).status_code == 429
        clock.advance(timedelta(seconds=1))
        assert site.ask(LINK).status_code == 200
        clock.advance(timedelta(minutes=1))
        assert site.ask({"items": [LINK] * 5}, BULK).status_code == 200
        clock.advance(timedelta(minutes=1))
        day = site.ask({"items": [LINK] * 2}, BULK)  # 11 of 12, of which less than one has drained
        assert (day.status_code, day.get_json()["reason"]) == (429, "quota")
        assert int(day.headers["Retry-After"]) > 3600
        assert site.ask(LINK).status_code == 200  # what was refused cost nothing
        assert site.ask(LINK).status_code == 429
        too_many = site.ask({"items": [LINK] * 6}, BULK)
        assert (too_many.status_code, too_many.get_json()["reason"]) == (422, "over_quota")
        assert site.ask(LINK, key=None).status_code == 200  # anybody's check


class _Other:
    """Another process of the same site."""

    def __init__(self, world: World, site: Front) -> None:
        self._app = make_site(world)
        self.site = Front(world, self._app, site.key, site.party)

    def close(self) -> None:
        close(self._app)


@on_sqlite
def test_faults_are_an_item_s_own(site: Front) -> None:
    issued = issue_one(site.world)
    right = {"qr": issued.link}
    body = site.said(
        {"items": [right, {"id": "x"}, {"sha256": "x"}, 5, {"identifier": "1.2", "lookup_code": "a"}, right]},
        BULK,
    )
    verdicts = [answer.get("verdict") for answer in body["answers"]]
    assert verdicts == ["valid", None, None, None, None, "valid"]
    pointers = [{fault["pointer"] for fault in answer.get("errors", [])} for answer in body["answers"]]
    assert pointers == [
        set(), {"/items/1/id"}, {"/items/2/sha256"}, {"/items/3"},
        {"/items/4/identifier", "/items/4/lookup_code"}, set(),
    ]  # fmt: skip
    signed = site.ask({"items": [right, {}]}, BULK, **SIGNED)
    assert (signed.status_code, signed.get_json()["errors"][0]["pointer"]) == (422, "/items/1")
    no_lists: tuple[Any, ...] = ([], [right] * 1001, "x", None, {})
    for items in no_lists:
        assert site.ask({"items": items}, BULK).status_code == 422
    assert site.ask({"items": [right], "more": 1}, BULK).status_code == 422
    assert (
        site.http.post(BULK, data=b"{}", headers={"Authorization": f"Bearer {site.key}"}).status_code == 415
    )


def test_a_thousand_checks_cost_the_statements_of_a_few(site: Front) -> None:
    issued = [issue_one(site.world) for _ in range(2)]
    items = [
        {"qr": issued[0].link},
        {"sha256": issued[1].sha256.hex()},
        {"identifier": issued[1].printout.record.identifier, "lookup_code": issued[1].printout.lookup_code},
    ]
    more = [{"sha256": f"{number:064x}"} for number in range(997)]
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if any(f"FROM {table}" in statement for table in ("edition", "event", "verifier", "certificate")):
            asked.append(statement)

    site.said({"items": items}, BULK)  # names of types are read once
    event.listen(Engine, "before_cursor_execute", note)
    try:
        few = site.said({"items": items}, BULK)["answers"]
        of_few = len(asked)
        many = site.said({"items": items + more}, BULK)["answers"]
        of_many = len(asked) - of_few
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert (
        of_few == of_many == 4
    )  # whose key it is, and one for each kind of question, look-up codes among them
    assert [one["verdict"] for one in few] == ["valid"] * 3
    assert many[:3] == few
    assert {one["verdict"] for one in many[3:]} == {"unknown"}


@on_sqlite
def test_typed_details_are_limited_for_each_licence_and_tell_nobody_why(site: Front) -> None:
    """Unknown, wrong and one too many are the same bytes, alone and among others; the right code then, too."""
    one, two = (issue_one(site.world).printout for _ in range(2))
    unknown = two.record.identifier
    guess = {"identifier": one.record.identifier, "lookup_code": wrong(one.lookup_code)}
    right = {"identifier": one.record.identifier, "lookup_code": one.lookup_code}
    nobody = {"identifier": _nobody_s(unknown), "lookup_code": one.lookup_code}
    assert site.said(right)["verdict"] == "valid"  # and costs nothing
    answers = site.said({"items": [guess] * (PAIR.burst + 1) + [right, nobody]}, BULK)["answers"]
    assert answers == [answers[0]] * len(answers)
    assert answers[0]["checks"]["status"]["reason"] == "not_matched"
    assert site.said(right) == answers[0]
    assert site.said(guess) == answers[0]
    open_one = {"identifier": two.record.identifier, "lookup_code": two.lookup_code}
    assert site.said(open_one)["verdict"] == "valid"
    stranger = site.http.post(API, json=right, environ_base={"REMOTE_ADDR": "10.9.0.1"})
    assert stranger.get_json()["verdict"] == "valid"  # one party closes no licence for others


def _nobody_s(identifier: str) -> str:
    from signing.codes import make_identifier, parse_identifier

    parts = parse_identifier(identifier)
    serial = parts.serial[:-1] + ("0" if parts.serial[-1] != "0" else "1")
    return make_identifier(parts.type_code, parts.issuer_code, serial, 1)


@on_sqlite
def test_many_answers_are_taken_back_from_relying_parties_alone(site: Front) -> None:
    issued = issue_one(site.world)
    token = site.ask({"items": [{"qr": issued.link}] * 2}, BULK, **SIGNED).data
    assert site.take_back(token).status_code == 401
    body = site.take_back(token, key=site.key).get_json()
    assert [entry["now"]["verdict"] for entry in body["answers"]] == ["valid", "valid"]
    big = site.http.post(TAKEN_BACK, data=b"x" * 70_000, content_type="application/jwt")
    assert big.status_code == 413
    assert site.http.post(TAKEN_BACK, data=b"x").status_code == 415
