"""An agency finds its licences by number, holder and state, page by page; nobody else's, and no type of others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from sqlalchemy import event

from tests.registry.issuing import request_body
from tests.registry.next_editions import next_edition
from tests.registry.test_licences_api import GROUND, PATH, issued, problem
from tests.registry.world import Ticker, World, on_sqlite

DAY = timedelta(days=1)
OTHER_HOLDER = "91990102MA1004050J"


def find(world: World, query: str = "", client: str = "system") -> dict[str, Any]:
    answer = world.get(f"{PATH}?{query}", client)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    value: dict[str, Any] = answer.get_json()
    return value


def identifiers(found: dict[str, Any]) -> list[str]:
    return [one["identifier"] for one in found["licences"]]


def of_other_holder(world: World) -> str:
    fields = request_body(world)["fields"] | {"credit_code": OTHER_HOLDER}
    return str(issued(world, fields=fields)["identifier"])


@contextmanager
def told(world: World) -> Iterator[list[tuple[str, Any]]]:
    """Statements and their values, as the database reads them."""
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        statements.append((statement, values))

    event.listen(world.ports.database.read, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(world.ports.database.read, "before_cursor_execute", note)


def test_by_number_holder_and_state(world: World, clock: Ticker) -> None:
    first = issued(world)
    clock.advance(DAY)
    second, third = issued(world), of_other_holder(world)
    holder = request_body(world)["fields"]["credit_code"]
    suspended = world.post(f"{PATH}/{second['identifier']}/suspension", GROUND | {"ground": "other"})
    assert suspended.status_code == 200
    assert identifiers(find(world, f"number={first['number']}")) == [first["identifier"]]
    assert identifiers(find(world, f"holder={OTHER_HOLDER}")) == [third]
    assert set(identifiers(find(world, f"holder={holder}"))) == {first["identifier"], second["identifier"]}
    assert identifiers(find(world, "status=suspended")) == [second["identifier"]]
    assert identifiers(find(world, f"holder={holder}&status=in_force")) == [first["identifier"]]
    assert identifiers(find(world, f"holder={OTHER_HOLDER}&number={first['number']}")) == []
    assert identifiers(find(world, "number=JY0")) == []
    today = world.today.isoformat()
    assert set(identifiers(find(world, f"registered_from={today}"))) == {second["identifier"], third}
    yesterday = (world.today - DAY).isoformat()
    assert identifiers(find(world, f"registered_to={yesterday}")) == [first["identifier"]]
    (one,) = find(world, f"number={first['number']}")["licences"]
    shown = world.get(f"{PATH}/{first['identifier']}").get_json()
    assert {name: shown[name] for name in one.keys() & shown.keys()} == {
        name: one[name] for name in one.keys() & shown.keys()
    }
    assert one["href"] == f"{PATH}/{first['identifier']}"


def test_every_edition_of_a_number_is_found(world: World) -> None:
    first = issued(world)
    second = next_edition(world, "amend", first["identifier"], fields={"premises": "甲路1号"})
    found = find(world, f"number={first['number']}")
    assert sorted(identifiers(found)) == sorted([first["identifier"], second.printout.record.identifier])
    assert {one["identifier"]: one["how"] for one in found["licences"]} == {
        first["identifier"]: "replaced", second.printout.record.identifier: None,
    }  # fmt: skip


def test_pages_hold_each_licence_once_whatever_comes_meanwhile(world: World, clock: Ticker) -> None:
    there = []
    for _ in range(4):
        there += [issued(world)["identifier"] for _ in range(2)]  # two at one moment
        clock.advance(timedelta(seconds=1))
    told: list[str] = []
    path: str | None = f"{PATH}?limit=3"
    while path is not None:
        page = world.get(path).get_json()
        told += identifiers(page)
        path = page["next"]
        issued(world)  # newer than where the pages have come to
        assert len(page["licences"]) <= 3
    assert sorted(told) == sorted(there)
    assert [there.index(one) // 2 for one in told] == [3, 3, 2, 2, 1, 1, 0, 0]


def test_nobody_finds_another_agencys_licences(world: World) -> None:
    first = issued(world)
    for query in ("", f"number={first['number']}", f"holder={request_body(world)['fields']['credit_code']}"):
        assert find(world, query, "other-system") == {"licences": [], "next": None}
    refused = world.get(f"{PATH}?type={world.type_code}", "other-system")
    assert problem(refused, 403)["reason"] == "type_not_entitled"
    assert problem(world.get(PATH, "desk"), 403)["reason"] == "scope"
    assert problem(world.get(PATH, "system", "keeper"), 403)["reason"] == "role"


def test_what_is_no_question_is_refused(world: World) -> None:
    for query in (
        "limit=0", "limit=201", "limit=x", "limit=５", "after=x", "after=" + quote("A" * 90), "status=valid",
        "registered_from=2026-2-1", "registered_to=0001-01-01", "number=", "number=" + "1" * 101, "sort=number",
        "number=1&number=2", "holder=%00", "type=X",
    ):  # fmt: skip
        assert problem(world.get(f"{PATH}?{query}"), 422)["errors"], query


def test_no_question_costs_more_for_more_licences(world: World, clock: Ticker) -> None:
    """The same few statements, whichever page, and each record is opened once."""
    counts = []
    for _ in range(2):
        for _ in range(3):
            number = issued(world)["number"]
            clock.advance(timedelta(seconds=1))
        for query in ("limit=2", f"number={number}", "status=in_force&limit=2"):
            find(world)  # its token is there already
            with told(world) as statements:
                find(world, query)
            counts.append(len(statements))
    assert counts[:3] == counts[3:]


@on_sqlite  # PostgreSQL plans by what it counted
def test_every_question_enters_its_index(world: World) -> None:
    """SQLite plans without knowing how many rows there are: as here, so among a million."""
    number = issued(world)["number"]
    fields = request_body(world)["fields"]
    for query, entry in (
        ("", "issuer_code=? AND type_code=? AND status=?"),
        ("status=suspended", "issuer_code=? AND type_code=? AND status=?"),
        (f"number={number}", "licence_id=?"),
        (f"holder={fields['credit_code']}", "holder_mac=?"),
        (f"holder={fields['credit_code']}&status=in_force", "holder_mac=?"),
        (f"holder={fields['credit_code']}&number={number}", "licence_id=?"),
    ):
        with told(world) as statements:
            assert find(world, query)["licences"] or "suspended" in query
        plans = [
            row.detail
            for statement, values in statements
            if "FROM edition" in statement
            for row in explained(world, statement, values)
        ]
        assert any(entry in plan for plan in plans), (query, plans)
        assert not [plan for plan in plans if re.match("SCAN (edition|intent|licence|number)", plan)], query


def explained(world: World, statement: str, values: Any) -> list[Any]:
    with world.ports.database.read.connect() as connection:
        return list(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values))
