"""A key file that does not open is the registry's trouble: a client hears 503, the log says which and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.seals.tables import Key
from tests.registry.issuing import request_body
from tests.registry.world import World, on_sqlite


def alter(path: Path) -> None:
    value = json.loads(path.read_bytes())
    value["sealed"] = ("B" if value["sealed"][0] != "B" else "C") + value["sealed"][1:]
    path.write_bytes(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


FAULTS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "altered": ("key_locked", alter),
    "open to others": ("permissions", lambda path: path.chmod(0o644)),
    "cut short": ("malformed", lambda path: path.write_bytes(path.read_bytes()[:-5])),
    "missing": ("key_unknown", Path.unlink),
}


def spoil(world: World, purpose: str, fault: Callable[[Path], Any]) -> str:
    own = (Key.agency_code == world.codes["own"]) if purpose != "tsa" else Key.agency_code.is_(None)
    with Session(world.ports.database.read) as session:
        key_id = session.scalars(select(Key.id).where(Key.purpose == purpose, own)).one()
    fault(world.ports.settings.keys_directory / f"{key_id}.key")
    return key_id


def issue(world: World, capsys: pytest.CaptureFixture[str]) -> tuple[Any, list[dict[str, Any]]]:
    headers = world.headers("system") | {"Idempotency-Key": "k"}
    capsys.readouterr()
    answer = world.http.post("/api/v1/licences", json=request_body(world), headers=headers)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return answer, [line for line in lines if line["event"] == "key_unusable"]


@on_sqlite
@pytest.mark.parametrize("fault", list(FAULTS))
@pytest.mark.parametrize("purpose", ["qr", "seal"])
def test_no_fault_of_a_key_file_is_told_as_the_clients_own(
    world: World, capsys: pytest.CaptureFixture[str], purpose: str, fault: str
) -> None:
    reason, spoiled = FAULTS[fault]
    key_id = spoil(world, purpose, spoiled)
    answer, told = issue(world, capsys)
    assert (answer.status_code, answer.get_json()["reason"]) == (503, "key_unusable")
    assert "WWW-Authenticate" not in answer.headers
    assert [(line["key"], line["reason"]) for line in told] == [(key_id, reason)]


@on_sqlite
def test_a_time_stamp_key_that_does_not_open_costs_a_level_and_is_told_to_the_operator(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    key_id = spoil(world, "tsa", alter)
    answer, told = issue(world, capsys)
    assert (answer.status_code, answer.get_json()["document"]["level"]) == (201, "B-B")
    assert [line["key"] for line in told] == [key_id]
