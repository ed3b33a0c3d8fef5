"""Webhooks end to end: an event on record is told to whom it concerns, signed, under one id."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from registry.licences.fsck import fsck
from tests.registry.hooking import Receiver, endpoint, is_signed, permitting, receiver, rows, sent
from tests.registry.issuing import issue_one
from tests.registry.world import World


@pytest.fixture
def hook(world: World) -> Iterator[Receiver]:
    permitting(world)
    with receiver() as made:
        yield made


def test_an_issued_licence_is_told_signed_and_once(world: World, hook: Receiver) -> None:
    made = endpoint(world, hook.url)
    issued = issue_one(world)
    assert hook.calls == []
    assert sent(world).delivered == 1
    (call,) = hook.calls
    assert is_signed(call, made["secret"], world.ports.clock())
    assert call.told == {
        "type": "licence.issued",
        "timestamp": "2026-11-20T02:30:00Z",
        "data": {
            "event": call.id,
            "identifier": issued.printout.record.identifier,
            "status": "in_force",
            "status_version": 1,
            "effective_from": "2026-11-20",
        },
    }
    assert call.headers["content-type"] == "application/json"
    assert sent(world).delivered == 0
    assert [row.state for row in rows(world)] == ["delivered"]
    assert fsck(world.ports) == []
