"""Requests for the next edition of a licence, through the rule as HTTP asks it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from itertools import count
from typing import Any

from keys.canonical import canonical_json
from registry.licences.forms import next_edition_request
from registry.licences.issue import Issued, issue
from registry.licences.operations import NextEdition
from registry.ports import Ports
from tests.registry.world import World

_keys = count(1)


def next_body(world: World, **changes: Any) -> dict[str, Any]:
    """The JSON body of a request that is right for a replacement; `changes` add and replace members, None leaves
    one out.
    """
    body = {
        "seal": world.seal_code,
        "matter_code": "000131001000",
        "case_number": "20261201-0007",
        "operator": "window-03",
        "legal_basis": "食品经营许可和备案管理办法 第三十条",
        "reason_code": "changed",
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def next_edition(
    world: World,
    operation: NextEdition,
    identifier: str,
    *,
    ports: Ports | None = None,
    person: str | None = None,
    key: str | None = None,
    **changes: Any,
) -> Issued:
    """Issue the next edition; `changes` as of `next_body`."""
    body = next_body(world, **changes)
    wanted = next_edition_request(operation, identifier, body)
    actor = replace(world.actor("system", person), operator=body["operator"])
    digest = sha256(canonical_json({"operation": operation, "of": identifier, "body": body})).digest()
    issued = issue(ports or world.ports, actor, wanted, key or f"next-{next(_keys)}", digest)
    assert isinstance(issued, Issued)
    return issued
