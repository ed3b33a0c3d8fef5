"""Requests for annotated copies, through the rule and as HTTP asks it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from itertools import count
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from registry import web
from registry.licences.copies_api import CopyBody, copy_request
from registry.licences.issue import Issued, issue
from registry.licences.tables import Edition
from registry.ports import Ports
from registry.uses.rules import Entry, log_of
from tests.registry.world import World

PURPOSE, RECIPIENT = "办理银行开户", "样本市商业银行"
_keys = count(1)


def copy_body(world: World, **changes: Any) -> dict[str, Any]:
    """The JSON body of a request that is right; `changes` add and replace members, None leaves one out."""
    body = {
        "purpose": PURPOSE,
        "recipient": RECIPIENT,
        "valid_to": "2026-12-31",
        "count": 2,
        "holder_wish": "online",
        "seal": world.seal_code,
        "matter_code": "000131001000",
        "case_number": "20261120-0001",
        "operator": "window-03",
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def make_copy(
    world: World,
    identifier: str,
    *,
    ports: Ports | None = None,
    key: str | None = None,
    person: str | None = None,
    **changes: Any,
) -> Issued:
    """Make a copy through the rule, as the agency's system (and the person through it) would over HTTP."""
    body = copy_body(world, **changes)
    wanted = copy_request(identifier, web.parse(CopyBody, body))
    actor = replace(world.actor("system", person), operator=body["operator"])
    digest = sha256(canonical_json({"operation": "copy", "of": identifier, "body": body})).digest()
    made = issue(ports or world.ports, actor, wanted, key or f"copy-{next(_keys)}", digest)
    assert isinstance(made, Issued)
    return made


def used_as(world: World, identifier: str) -> Entry:
    """The newest line of the log that the licence's holder sees."""
    with Session(world.ports.database.read) as session:
        licence = session.scalars(select(Edition.licence_id).where(Edition.identifier == identifier)).one()
        return log_of(session, world.ports.vault, licence)[0][0]
