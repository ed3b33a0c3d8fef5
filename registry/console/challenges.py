"""Challenges that cost nothing to make: each says its own end and what it is for, under a MAC. Only one that
was answered rightly is written down, so that it serves once; strangers can have as many as they like.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.console.tables import UsedChallenge
from registry.rows import unless_known
from registry.vault import Vault

LIFE = timedelta(minutes=5)
_NONCE, _END, _MAC = 16, 8, 32
BYTES = _NONCE + _END + _MAC


def make_challenge(
    vault: Vault, random: Callable[[int], bytes], now: datetime, purpose: str, whose: str = ""
) -> bytes:
    """For one answer within five minutes. `whose`: the session or person that it is for, if it is for one."""
    body = random(_NONCE) + int((now + LIFE).timestamp()).to_bytes(_END, "big")
    return body + _mac(vault, body, purpose, whose)


def read_challenge(vault: Vault, challenge: bytes, now: datetime, purpose: str, whose: str = "") -> datetime:
    """Its end. Raises VermilionError(UNAUTHENTICATED, `challenge`) for one that is not ours, is for something
    else, or is too old.
    """
    body, mac = challenge[: _NONCE + _END], challenge[_NONCE + _END :]
    if len(challenge) != BYTES or not hmac.compare_digest(mac, _mac(vault, body, purpose, whose)):
        raise _refused()
    end = datetime.fromtimestamp(int.from_bytes(body[_NONCE:], "big"), UTC)
    if end <= now:
        raise _refused()
    return end


def use_up(session: Session, challenge: bytes, end: datetime, now: datetime) -> None:
    """Note in the caller's transaction that it has served. Raises VermilionError(UNAUTHENTICATED,
    `challenge`) where it had before.
    """
    row = insert(UsedChallenge).values(challenge_sha256=sha256(challenge).digest(), expires_at=end)
    with unless_known(session, _refused()):
        session.execute(row)
    if now >= end:  # whoever waited for the writer may find that its use was forgotten
        raise _refused()
    session.execute(delete(UsedChallenge).where(UsedChallenge.expires_at < now))


def _mac(vault: Vault, body: bytes, purpose: str, whose: str) -> bytes:
    return vault.blind("challenge", purpose, whose, body.hex())


def _refused() -> VermilionError:
    return VermilionError(
        Kind.UNAUTHENTICATED, "this took too long, or was done before: begin again", reason="challenge"
    )
