"""What a seal was at a given instant."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.seals.tables import SealState

RESOLUTION = timedelta(seconds=1)  # of a time-stamp's genTime


def state_at_sealing(session: Session, seal_code: str, sealed_at: datetime) -> str | None:
    """The state of a seal when it sealed, by the stored history; None before it was approved.

    A time-stamp names a whole second: a seal active at any instant of it was active.
    """
    rows = session.execute(
        select(SealState.state, SealState.from_at)
        .where(SealState.seal_code == seal_code, SealState.from_at < sealed_at + RESOLUTION)
        .order_by(SealState.version.desc())
    )
    latest = None
    for state, from_at in rows:
        if state == "active":
            return state
        latest = latest or state
        if from_at <= sealed_at:
            break
    return latest
