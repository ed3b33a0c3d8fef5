"""What was refused to somebody who had proved who they are: on record as an event, like what was done."""

from __future__ import annotations

from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.actor import Actor, Administrator
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings

REFUSED = "act.refused"
LEGAL_BASIS = "GB/T 22239-2019, 8.1.4.3"
"""What this rests on: security audit covers each user, and important user behaviour."""


def record_refusal(
    session: Session,
    ports: Surroundings,
    actor: Actor | Administrator,
    act: str,
    error: VermilionError,
) -> None:
    """`act`: a command, or an endpoint of the API. Of the error only its reason, a slug."""
    now = ports.clock()
    record_event(
        session,
        kind=REFUSED,
        subject_kind="act",
        subject=act[:80],
        ground=Ground(LEGAL_BASIS, error.reason[:40], now.astimezone(ports.settings.tz).date()),
        actor=actor,
        now=now,
        random=ports.random,
        detail={"kind": error.kind.value},
    )
