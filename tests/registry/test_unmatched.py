"""Typed details that lead to no licence: for whatever reason, everywhere the same answer and the same work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from registry.typed_limits import PAIR
from signing.codes import make_identifier, parse_identifier
from tests.registry.issuing import issue_one
from tests.registry.relying import API, BULK, SIGNED, Front, front, moment, taken_over
from tests.registry.test_answers import wrong
from tests.registry.world import Ticker, World, on_sqlite

HOUR = timedelta(hours=1)


@pytest.fixture
def site(world: World) -> Iterator[Front]:
    with front(world) as made:
        yield made


@contextmanager
def statements() -> Iterator[list[str]]:
    """Those of all processes' parts: the site, its own store and the signer run in this one."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def nobody_s(identifier: str) -> str:
    parts = parse_identifier(identifier)
    serial = parts.serial[:-1] + ("0" if parts.serial[-1] != "0" else "1")
    return make_identifier(parts.type_code, parts.issuer_code, serial, 1)


@on_sqlite
def test_a_signed_answer_taken_back_gives_no_licence_away_without_its_code(site: Front) -> None:
    """Whoever typed a number with a wrong code, and files the signed answer, learns as much from taking it
    back: nothing.
    """
    one, two = (issue_one(site.world).printout for _ in range(2))
    right = {"identifier": one.record.identifier, "lookup_code": one.lookup_code}
    guess = right | {"lookup_code": wrong(one.lookup_code)}
    nobody = right | {"identifier": nobody_s(two.record.identifier)}
    locked = {"identifier": two.record.identifier, "lookup_code": two.lookup_code}
    matched = site.ask(right, **SIGNED).data
    for _ in range(PAIR.burst + 1):
        site.said(locked | {"lookup_code": wrong(two.lookup_code)})
    tokens = [site.ask(item, **SIGNED).data for item in (guess, nobody, locked)]
    site.take_back(tokens[0])
    told, asked = [], []
    for token in tokens:
        with statements() as run:
            (entry,) = site.take_back(token).get_json()["answers"]
        told.append(entry["now"])
        asked.append(list(run))
    assert told == [site.said(guess)] * 3
    assert told[0]["identifier"] is None
    assert "licence" not in told[0]
    assert asked == [asked[0]] * 3
    (entry,) = site.take_back(matched).get_json()["answers"]
    assert entry["now"]["identifier"] == one.record.identifier  # whose code was known


@on_sqlite
def test_a_wrong_code_and_an_unknown_number_are_asked_about_by_the_same_statements(
    site: Front, clock: Ticker
) -> None:
    """By the site, and by the signer when it sees whether the answer is true."""
    printout = issue_one(site.world).printout
    clock.advance(HOUR)
    right = {"identifier": printout.record.identifier, "lookup_code": printout.lookup_code}
    guess = right | {"lookup_code": wrong(printout.lookup_code)}
    nobody = right | {"identifier": nobody_s(printout.record.identifier)}
    then = {"as_of": moment(clock.now - HOUR / 2), "clock": "recorded"}
    that_day = {"as_of": site.world.today.isoformat(), "clock": "effective"}
    ways: list[tuple[str, dict[str, Any], dict[str, str]]] = [
        (API, {}, {}),
        (API, then, SIGNED),
        (BULK, that_day, SIGNED),
    ]
    for path, options, headers in ways:
        run = []
        for item in (right, guess, nobody):
            with statements() as asked:
                answer = site.ask((item if path == API else {"items": [item]}) | options, path, **headers)
            assert answer.status_code == 200, answer.get_data(as_text=True)
            run.append(list(asked))
        found, of_guess, of_nobody = run
        assert of_guess == of_nobody, (path, options)
        assert found != of_guess
        # What was typed is asked for by its digest, and nothing is found; no licence is read by its number.
        by_number = [
            one for one in of_guess if "edition.identifier = " in one or "edition.identifier IN" in one
        ]
        assert not [*by_number, *(one for one in of_guess if "FROM event" in one)]
    with statements() as asked:  # one that matches does not bring the others along
        answers = site.said({"items": [guess, right, nobody]}, BULK)["answers"]
    assert [one["verdict"] for one in answers] == ["cannot_check", "valid", "cannot_check"]
    assert len([one for one in asked if "public_record" in one and "FROM annotated_copy" not in one]) == 1


@on_sqlite
def test_of_an_unmatched_number_nothing_but_that_is_signed(site: Front) -> None:
    """Not even that it is unknown, which would tell who has no licence."""
    printout = issue_one(site.world).printout
    guess = {"identifier": printout.record.identifier, "lookup_code": wrong(printout.lookup_code)}
    content = site.signed(guess).content
    (answer,) = content.answers
    not_on_record = {"result": "failed", "reason": "not_on_record"}
    with taken_over(site) as signer:
        lies: list[dict[str, Any]] = [
            {"verdict": "unknown", "checks": answer["checks"] | {"status": not_on_record}},
            {"verdict": "altered"},
            {"verdict": "valid"},
            {"verdict": "unknown", "identifier": nobody_s(printout.record.identifier)},
        ]
        for told in lies:
            assert signer.signs(replace(content, answers=({**answer, **told},))) == "answer_untrue", told
        assert signer.signs(content) == "signed"
