"""What leaves the registry by itself, one attempt after another: what a worker has claimed, and what came of
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, Protocol, TypeVar


class Receiver(Protocol):
    """Who something is due for."""

    @property
    def id(self) -> str: ...
    @property
    def failures(self) -> int: ...  # in a row


class Claimed(Protocol):
    """Something for the caller alone to send, until its lease ends."""

    @property
    def receiver(self) -> Receiver: ...
    @property
    def lease_until(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt; `status` is the other side's (HTTP, SMTP), None without an answer, and
    `reason` None for success.
    """

    status: int | None
    reason: str | None
    asked: timedelta | None = None  # Retry-After
    final: bool = False  # another attempt would come to the same


C = TypeVar("C", bound=Claimed)
R = TypeVar("R", bound=Receiver)


@dataclass(frozen=True, slots=True)
class Tried(Generic[C]):
    claimed: C
    outcome: Outcome
    at: datetime


class Queue(Protocol[R, C]):
    """Where what is to leave waits, for all processes. Each method raises VermilionError(UNAVAILABLE)."""

    def due(self) -> Sequence[R]:
        """Whom something is due for."""

    def claim(self, wanted: Sequence[tuple[R, int]], defects: list[tuple[str, Exception]]) -> Sequence[C]:
        """For each receiver at most so much. What keeps one receiver's from being read is added to `defects`,
        by its id.
        """

    def give_back(self, claimed: Sequence[C]) -> None:
        """Claimed and not sent: due again at once."""

    def put_down(self, tried: Sequence[Tried[C]]) -> Mapping[str, StrEnum]:
        """What came of attempts; the receivers that are sent nothing more because of it, by id."""
