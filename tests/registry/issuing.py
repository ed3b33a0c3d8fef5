"""Requests for licences of a test world's own agency, each with a number of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from hashlib import sha256
from itertools import count
from typing import Any

import pytest
from sqlalchemy import event
from stdnum.iso7064 import mod_11_10

from keys.canonical import canonical_json
from keys.errors import VermilionError
from registry.licences.examine import IssueRequest
from registry.licences.issue import Issued, issue
from registry.licences.issue_many import Ordered
from registry.ports import Ports, SharingDocumentStore
from registry.samples import sample_requests
from registry.shared_parts import Part
from tests.registry.world import World

ISSUED = date(2026, 11, 20)
LEASE = timedelta(seconds=61)
_numbers = count(1)


def food_number(serial: int) -> str:
    """A food business licence number with its check digit."""
    digits = f"2990102{serial:06}"
    return f"JY{digits}{mod_11_10.calc_check_digit(digits)}"


def request_body(world: World, **changes: Any) -> dict[str, Any]:
    """The JSON body of a request that is right; `changes` replace members, None leaves one out."""
    sample = next(r for r in sample_requests(ISSUED) if r["type"] == world.type_code)
    body = {
        "type": world.type_code,
        "seal": world.seal_code,
        "number": food_number(next(_numbers)),
        "fields": sample["fields"],
        "matter_code": "000131001000",
        "case_number": "20261120-0001",
        "operator": "window-03",
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def to_request(body: dict[str, Any]) -> IssueRequest:
    return IssueRequest(
        type_code=body["type"],
        seal_code=body["seal"],
        fields=body["fields"],
        number=body.get("number"),
        matter_code=body["matter_code"],
        case_number=body["case_number"],
        operator=body["operator"],
        co_seals=tuple(body.get("co_seals", ())),
    )


def ordered(body: dict[str, Any], key: str | None = None) -> Ordered:
    """As one of a group."""
    return Ordered(to_request(body), key or f"key-{body['number']}", sha256(canonical_json(body)).digest())


def issue_one(
    world: World,
    body: dict[str, Any] | None = None,
    *,
    key: str | None = None,
    ports: Ports | None = None,
    person: str | None = None,
) -> Issued:
    """Issue through the rule, as the agency's system (and the person through it) would through HTTP."""
    body = body or request_body(world)
    digest = sha256(canonical_json(body)).digest()
    key = key or f"key-{body['number']}"
    actor = replace(world.actor("system", person), operator=body["operator"])
    issued = issue(ports or world.ports, actor, to_request(body), key, digest)
    assert isinstance(issued, Issued)
    return issued


@contextmanager
def just_before_a_lock(world: World, act: Callable[[], object]) -> Iterator[None]:
    """Does something before each lock that a writing transaction takes: SQLite's own, PostgreSQL's of rows.

    What happens within `act` takes its locks undisturbed.
    """
    engine = world.ports.database.write
    busy: list[bool] = []

    def before(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not busy and (statement == "BEGIN IMMEDIATE" or "FOR UPDATE" in statement):
            busy.append(True)
            act()
            busy.clear()

    event.listen(engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", before)


class Died(BaseException):
    """The process is gone: nothing that issuing does about failures runs."""


@dataclass(frozen=True)
class Store:
    """The real store of a process that dies once its document lies there (or just before)."""

    inner: SharingDocumentStore
    change: Callable[[bytes], bytes | None] = lambda data: data

    def put_new(self, key: str, data: bytes) -> None:
        raise AssertionError

    def put_many(self, documents: Sequence[tuple[str, bytes]]) -> list[VermilionError | None]:
        for key, data in documents:
            changed = self.change(data)
            if changed is not None:
                self.inner.put_new(key, changed)
        raise Died

    def share(self, *parts: Part) -> None:
        self.inner.share(*parts)

    def get(self, key: str) -> bytes | None:
        return self.inner.get(key)


def die(world: World, change: Callable[[bytes], bytes | None] = lambda data: data) -> dict[str, Any]:
    """A request whose process died after sealing; its body."""
    body = request_body(world)
    with pytest.raises(Died):
        issue_one(world, body, ports=replace(world.ports, documents=Store(world.ports.documents, change)))
    return body
