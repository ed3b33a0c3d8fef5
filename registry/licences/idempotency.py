"""One request, one licence: the client's `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).

The key's row lives in the transaction that writes the intent, and goes when the intent is abandoned.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import BigInteger, BindParameter, bindparam, func, literal, null, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.driver_select import Prepared
from registry.licences.tables import IdempotencyKey, Intent, KeptAnswer
from registry.vault import Vault

MAX_RETRY_AFTER = 60


def request_mac(vault: Vault, body_sha256: bytes) -> bytes:
    """What tells a request from another under its key. Raises VermilionError(UNAVAILABLE)."""
    return vault.blind("request", body_sha256.hex())


def served_before(
    session: Session, client_id: str, asked: Mapping[str, bytes], now: datetime
) -> dict[str, str | VermilionError]:
    """What is known of requests (their MAC by idempotency key): the intent that the very request made, once
    done, or a failure; nothing of a key that is free.

    The failures: IDEMPOTENCY_REUSED for another body under the key; IN_PROGRESS (with `retry_after` seconds)
    while the first request runs, or until recovery has settled what became of it.
    """
    rows = _SERVED.rows(session, client_id=client_id, keys=list(asked)) if asked else ()
    found: dict[str, str | VermilionError] = {}
    for row in rows:
        if row.id is None or not hmac.compare_digest(row.request_mac, asked[row.key]):
            found[row.key] = reused()
        elif row.state == "done":
            found[row.key] = str(row.id)
        else:
            found[row.key] = in_progress(int((row.lease_until - now).total_seconds()) + 1)
    return found


_CLIENT: BindParameter[str] = bindparam("client_id")
_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_SERVED = Prepared(
    union_all(
        select(
            IdempotencyKey.key,
            IdempotencyKey.request_mac,
            Intent.id,
            Intent.state,
            Intent.lease_until,
        )
        .join(Intent, Intent.id == IdempotencyKey.intent_id)
        .where(IdempotencyKey.client_id == _CLIENT, IdempotencyKey.key.in_(_KEYS)),
        # A change was answered under it, which is another request.
        select(
            KeptAnswer.key,
            KeptAnswer.request_mac,
            null().label("id"),
            literal("answered").label("state"),
            null().label("lease_until"),
        ).where(KeptAnswer.client_id == _CLIENT, KeptAnswer.key.in_(_KEYS)),
    )
)


def reused() -> VermilionError:
    """The answer to another body under a key that was used."""
    return VermilionError(
        Kind.IDEMPOTENCY_REUSED, "the idempotency key was used for another request", reason="key_reused"
    )


def in_progress(seconds: int) -> VermilionError:
    """The answer while the first request runs, for so many seconds at most."""
    return VermilionError(
        Kind.IN_PROGRESS,
        "the same request is being served",
        reason="in_progress",
        retry_after=min(max(seconds, 1), MAX_RETRY_AFTER),
    )


@dataclass(frozen=True, slots=True)
class Answered:
    """What a request was answered."""

    status: int
    body: dict[str, Any]


def answer_once(
    session: Session, client_id: str, key: str, mac: bytes, now: datetime, work: Callable[[], Answered]
) -> tuple[Answered, bool]:
    """What the very request was answered before, and True; else what `work` answers, kept in its
    transaction under the key.

    Raises VermilionError(IDEMPOTENCY_REUSED) for another request under the key, an issue too.
    """
    serialise_keys(session, client_id, [key])
    before = answered_before(session, client_id, key, mac)
    if before is not None:
        return before, True
    answered = work()
    session.add(
        KeptAnswer(
            client_id=client_id,
            key=key,
            request_mac=mac,
            status=answered.status,
            body=answered.body,
            created_at=now,
        )
    )
    return answered, False


def answered_before(session: Session, client_id: str, key: str, mac: bytes) -> Answered | None:
    """What the very request was answered. Raises VermilionError(IDEMPOTENCY_REUSED) for another."""
    if session.get(IdempotencyKey, (client_id, key)) is not None:
        raise reused()
    kept = session.get(KeptAnswer, (client_id, key))
    if kept is None:
        return None
    if not hmac.compare_digest(kept.request_mac, mac):
        raise reused()
    return Answered(kept.status, kept.body)


def serialise_keys(session: Session, client_id: str, keys: Iterable[str]) -> None:
    """Let transactions under one key pass one after the other. SQLite's writers do so anyway."""
    if session.get_bind().dialect.name == "postgresql":
        locks = sorted({_lock(client_id, key) for key in keys})  # in one order: nobody waits in a circle
        numbers = func.unnest(literal(locks, ARRAY(BigInteger))).column_valued("number")
        session.execute(select(func.pg_advisory_xact_lock(numbers)))


def _lock(client_id: str, key: str) -> int:
    digest = sha256(f"idempotency\x00{client_id}\x00{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
