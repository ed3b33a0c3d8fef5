"""Changes over HTTP: each in one transaction, and once for an `Idempotency-Key`
(draft-ietf-httpapi-idempotency-key-header).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from flask import Response, request
from pydantic import BaseModel
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from registry import web
from registry.actor import Actor
from registry.licences.idempotency import Answered, answer_once, answered_before, request_mac, serialise_keys
from registry.licences.outage import database_errors

REPLAY = {"Idempotency-Replayed": "true"}


def asked_mac(actor: Actor, body: BaseModel) -> bytes:
    """What tells this request from another under its key, for answers that are kept: whoever acts through the
    client is a part of it. The vault is ready then. Raises VermilionError(UNAVAILABLE).
    """
    vault = web.ports().vault
    vault.ready()
    asked = {"path": request.path, "person": actor.person_id, "body": body.model_dump(mode="json")}
    return request_mac(vault, sha256(canonical_json(asked)).digest())


def once(actor: Actor, body: BaseModel, work: Callable[[Session], Answered]) -> tuple[Answered, bool]:
    """What `work` answers, in a transaction of its own. Under a key the very request is answered as before,
    with True, and nothing is done.

    Raises VermilionError: IDEMPOTENCY_REUSED, UNAVAILABLE, and what `work` raises.
    """
    ports = web.ports()
    key = web.idempotency_key(required=False)
    mac = asked_mac(actor, body) if key else b""
    with database_errors(), ports.database.transaction() as session:
        if not key:
            return work(session), False
        return answer_once(session, actor.client_id, key, mac, ports.clock(), lambda: work(session))


def tried(work: Callable[[Session], Answered]) -> Answered:
    """What `work` would answer, for a dry run: it is done in a transaction, and undone.

    Raises VermilionError: UNAVAILABLE, and what `work` raises.
    """
    with database_errors(), web.ports().database.transaction() as session:
        with session.begin_nested() as undone:
            answered = work(session)
            undone.rollback()
        return Answered(answered.status, {**answered.body, "dry_run": True})


def once_apart(actor: Actor, body: BaseModel, work: Callable[[], Answered]) -> tuple[Answered, bool]:
    """As `once`, for work that has transactions of its own, because something is signed between them. Where
    it is cut off before its answer is kept, a repetition meets what the rules say of doing it twice.
    """
    ports = web.ports()
    key = web.idempotency_key(required=False)
    if not key:
        return work(), False
    mac = asked_mac(actor, body)
    with database_errors(), ports.database.transaction() as session:
        serialise_keys(session, actor.client_id, [key])
        before = answered_before(session, actor.client_id, key, mac)
    if before is not None:
        return before, True
    made = work()
    with database_errors(), ports.database.transaction() as session:
        return answer_once(session, actor.client_id, key, mac, ports.clock(), lambda: made)


def told(
    answered: Answered, headers: Mapping[str, str] | None = None, *, replayed: bool, **more: Any
) -> Response:
    """The answer, with what is not kept: `more` is as of now."""
    said = {"Cache-Control": "no-store", **(headers or {}), **(REPLAY if replayed else {})}
    return web.answer({**answered.body, **more}, answered.status, said)
