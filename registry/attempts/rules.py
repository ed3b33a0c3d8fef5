"""How often what can be guessed may be tried, counted for all processes together.

Leaky buckets in the registry's database. Each attempt adds to them and time drains them, so a lock is a delay
that ends by itself. Whose a bucket is cannot be read from it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete, text
from sqlalchemy.orm import Session

from registry.attempts.tables import AttemptBucket
from registry.buckets import Rate

_POUR = text(
    "INSERT INTO attempt_bucket (key, empty_at) VALUES (:key, :now + :drop)"
    " ON CONFLICT (key) DO UPDATE SET empty_at = "
    "CASE WHEN attempt_bucket.empty_at > :now THEN attempt_bucket.empty_at ELSE :now END + :drop"
    " WHERE CASE WHEN attempt_bucket.empty_at > :now THEN attempt_bucket.empty_at ELSE :now END + :drop"
    " <= :now + :size"
)
_DRAINED = text("SELECT empty_at FROM attempt_bucket WHERE key = :key")
_RETURN = text("UPDATE attempt_bucket SET empty_at = empty_at - :drop WHERE key = :key")


@dataclass(frozen=True, slots=True)
class Attempt:
    """The buckets of one attempt, by which a right one is given back."""

    keys: tuple[tuple[bytes, Rate], ...]


def enter(session: Session, attempt: Attempt, now: datetime) -> int:
    """Count an attempt: 0, or after how many seconds there is room for it. The caller refuses once this
    transaction has committed what it counted.

    Of several buckets the narrowest comes first, and one that is full keeps the later ones from filling.
    """
    session.execute(delete(AttemptBucket).where(AttemptBucket.empty_at < now.timestamp()))
    for key, rate in attempt.keys:
        row = {"key": key, "now": now.timestamp(), "drop": rate.seconds_each}
        if cast("CursorResult[Any]", session.execute(_POUR, {**row, "size": rate.size})).rowcount != 1:
            full: float = session.execute(_DRAINED, {"key": key}).scalar_one()
            return max(1, math.ceil(full + rate.seconds_each - rate.size - now.timestamp()))
    return 0


def succeeded(session: Session, attempt: Attempt) -> None:
    """An attempt that was right is no failure: it does not count."""
    for key, rate in attempt.keys:
        session.execute(_RETURN, {"key": key, "drop": rate.seconds_each})
