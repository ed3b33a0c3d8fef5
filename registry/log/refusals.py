"""What was refused to somebody who had proved who they are: on record as an event, like what was done."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.actor import Actor, Administrator
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings

REFUSED = "act.refused"
LEGAL_BASIS = "GB/T 22239-2019, 8.1.4.3"
"""What this rests on: security audit covers each user, and important user behaviour."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is told apart where the same is refused again and again. Not the operator: a client names them."""

    person_id: str | None
    client_id: str | None
    act: str
    reason: str


@dataclass(slots=True)
class OncePerMinute:
    """The refusals of the minute that a process has put on record: else somebody known could fill the log."""

    _minute: int = -1
    _recorded: set[Refusal] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def is_first(self, refusal: Refusal, now: datetime) -> bool:
        """Whether it is the first of its kind in the minute of `now`; the next is not, unless `forget`."""
        minute = int(now.timestamp()) // 60
        with self._lock:
            if minute != self._minute:
                self._minute = minute
                self._recorded.clear()
            known = refusal in self._recorded
            self._recorded.add(refusal)
            return not known

    def forget(self, refusal: Refusal) -> None:
        """It could not be recorded after all."""
        with self._lock:
            self._recorded.discard(refusal)


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
