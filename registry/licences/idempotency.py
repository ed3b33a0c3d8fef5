"""One request, one licence: the client's `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).

The key's row lives in the transaction that writes the intent, and goes when the intent is abandoned.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from hashlib import sha256

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.licences.tables import IdempotencyKey, Intent
from registry.vault import Vault

MAX_RETRY_AFTER = 60


def request_mac(vault: Vault, body_sha256: bytes) -> bytes:
    """What tells a request from another under its key. Raises VermilionError(UNAVAILABLE)."""
    return vault.blind("request", body_sha256.hex())


def served_before(
    session: Session, client_id: str, key: str, request_mac: bytes, now: datetime
) -> str | None:
    """The intent that this very request made, once done; None for a key that is free.

    Raises VermilionError: IDEMPOTENCY_REUSED for another body under the key, IN_PROGRESS (with
    `retry_after` seconds) while the first request runs, or until recovery has settled what became of it.
    """
    row = session.execute(
        select(IdempotencyKey.request_mac, Intent.id, Intent.state, Intent.lease_until)
        .join(Intent, Intent.id == IdempotencyKey.intent_id)
        .where(IdempotencyKey.client_id == client_id, IdempotencyKey.key == key)
    ).one_or_none()
    if row is None:
        return None
    if not hmac.compare_digest(row.request_mac, request_mac):
        raise VermilionError(
            Kind.IDEMPOTENCY_REUSED, "the idempotency key was used for another request", reason="key_reused"
        )
    if row.state == "done":
        return str(row.id)
    left = int((row.lease_until - now).total_seconds()) + 1
    raise VermilionError(
        Kind.IN_PROGRESS,
        "the same request is being served",
        reason="in_progress",
        retry_after=min(max(left, 1), MAX_RETRY_AFTER),
    )


def serialise_key(session: Session, client_id: str, key: str) -> None:
    """Let transactions under one key pass one after the other. SQLite's writers do so anyway."""
    if session.get_bind().dialect.name == "postgresql":
        digest = sha256(f"idempotency\x00{client_id}\x00{key}".encode()).digest()
        number = int.from_bytes(digest[:8], "big", signed=True)
        session.execute(select(func.pg_advisory_xact_lock(number)))
