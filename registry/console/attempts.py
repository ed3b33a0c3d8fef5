"""How often signing in may be tried: by account, by network, and by one network at one account.

Leaky buckets in the registry's database, shared by all processes. Each attempt adds to them and time drains
them, so a lock is a delay that ends by itself. One network's failures fill a small bucket of its own long
before the account's, so it takes many networks to keep an account's owner waiting; and who has a passkey
never waits, since nothing can be guessed there. Names that nobody has are counted like any other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, text
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.buckets import Rate
from registry.console.tables import SignInBucket
from registry.vault import Vault

NETWORK = Rate(burst=30, seconds_each=20.0)
PAIR = Rate(burst=5, seconds_each=180.0)
ACCOUNT = Rate(burst=50, seconds_each=90.0)
"""Under the 100 consecutive failures of NIST SP 800-63B-4, 3.2.2; about 1000 guesses a day after these."""
CODE = Rate(burst=5, seconds_each=900.0)
"""Of TOTP codes by somebody who knows the password: about a hundred a day, of a million."""

_POUR = text(
    "INSERT INTO sign_in_bucket (key, empty_at) VALUES (:key, :now + :drop)"
    " ON CONFLICT (key) DO UPDATE SET empty_at = "
    "CASE WHEN sign_in_bucket.empty_at > :now THEN sign_in_bucket.empty_at ELSE :now END + :drop"
    " WHERE CASE WHEN sign_in_bucket.empty_at > :now THEN sign_in_bucket.empty_at ELSE :now END + :drop"
    " <= :now + :size"
)
_DRAINED = text("SELECT empty_at FROM sign_in_bucket WHERE key = :key")
_RETURN = text("UPDATE sign_in_bucket SET empty_at = empty_at - :drop WHERE key = :key")


@dataclass(frozen=True, slots=True)
class Attempt:
    """The buckets of one attempt, by which a right one is given back."""

    keys: tuple[tuple[bytes, Rate], ...]


def password_attempt(vault: Vault, network: str, account: str) -> Attempt:
    """What somebody in `network` tries at `account`, a name that need not exist."""
    return Attempt(
        (
            (_key(vault, "network", network), NETWORK),
            (_key(vault, "pair", network, account), PAIR),
            (_key(vault, "account", account), ACCOUNT),
        )
    )


def code_attempt(vault: Vault, person_id: str) -> Attempt:
    return Attempt(((_key(vault, "code", person_id), CODE),))


def network_attempt(vault: Vault, network: str) -> Attempt:
    """What is tried at no account in particular."""
    return Attempt(((_key(vault, "network", network), NETWORK),))


def enter(session: Session, attempt: Attempt, now: datetime) -> int:
    """Count an attempt: 0, or after how many seconds there is room for it. `require_room` says so, once this
    transaction has committed what it counted.

    Of several buckets the narrowest comes first, and one that is full keeps the later ones from filling.
    """
    session.execute(delete(SignInBucket).where(SignInBucket.empty_at < now.timestamp()))
    for key, rate in attempt.keys:
        row = {"key": key, "now": now.timestamp(), "drop": rate.seconds_each}
        if cast("CursorResult[Any]", session.execute(_POUR, {**row, "size": rate.size})).rowcount != 1:
            full: float = session.execute(_DRAINED, {"key": key}).scalar_one()
            return max(1, math.ceil(full + rate.seconds_each - rate.size - now.timestamp()))
    return 0


def require_room(wait: int) -> None:
    """Raises VermilionError(TOO_MANY) with the seconds to wait, where there are any."""
    if wait:
        raise VermilionError(
            Kind.TOO_MANY,
            "there were too many attempts: wait, or sign in with a passkey",
            reason="attempts",
            retry_after=wait,
        )


def succeeded(session: Session, attempt: Attempt) -> None:
    """An attempt that was right is no failure: it does not count."""
    for key, rate in attempt.keys:
        session.execute(_RETURN, {"key": key, "drop": rate.seconds_each})


def _key(vault: Vault, *parts: str) -> bytes:
    return vault.blind("sign-in", *parts)
