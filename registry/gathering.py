"""Calls that come at the same time are done together: what a group costs once, it costs once for several.

Who comes while fewer than `abreast` groups of its kind are at work goes at once, alone. Those that come
meanwhile wait, and go together next, led by the one that waited longest. So an idle process makes nobody
wait, and a busy one works off a queue in groups that grow with it. Two groups abreast, because most of the
time a group waits for a disk, while the other one can be worked on.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from keys.errors import Kind, VermilionError

_A = TypeVar("_A")
_B = TypeVar("_B")


@dataclass(slots=True, eq=False)
class _Place(Generic[_A, _B]):
    """A caller's place in a queue."""

    item: _A
    turn: threading.Event = field(default_factory=threading.Event)
    group: list[_Place[_A, _B]] | None = None  # to be led by this one
    outcome: _B | None = None
    failure: BaseException | None = None

    def result(self) -> _B:
        if self.failure is None:
            return cast("_B", self.outcome)
        if isinstance(self.failure, Exception):
            raise self.failure
        raise VermilionError(Kind.UNAVAILABLE, "the process is going down", reason="going_down")


class Gathering:
    """Queues by key, one a process. Safe between threads."""

    def __init__(self, most: int, abreast: int = 1) -> None:
        """`most` in a group, `abreast` groups of a key at work."""
        self._most = most
        self._abreast = abreast
        self._lock = threading.Lock()
        self._queues: dict[Hashable, deque[_Place[object, object]]] = {}  # of keys that are at work
        self._at_work: dict[Hashable, int] = {}

    def waiting(self, key: Hashable) -> int:
        """How many calls wait for the one at work."""
        with self._lock:
            return len(self._queues.get(key, ()))

    def together(self, key: Hashable, item: _A, work: Callable[[Sequence[_A]], Sequence[_B]]) -> _B:
        """Do the work on this item, with others of the same key where they wait: callers with equal keys
        must mean the same by `work`, which gives an outcome for each item, in order.

        Raises what the work raises, for each of its group; VermilionError(UNAVAILABLE, "going_down") where
        the thread that led the group was ended.
        """
        mine: _Place[_A, _B] = _Place(item)
        with self._lock:
            queue = cast("deque[_Place[_A, _B]]", self._queues.setdefault(key, deque()))
            at_work = self._at_work.get(key, 0)
            if at_work < self._abreast:
                self._at_work[key] = at_work + 1
                mine.group = [mine]
            else:
                queue.append(mine)
        if mine.group is None:
            mine.turn.wait()
        if mine.group is not None:
            self._lead(key, mine.group, work)
        return mine.result()

    def _lead(
        self, key: Hashable, group: list[_Place[_A, _B]], work: Callable[[Sequence[_A]], Sequence[_B]]
    ) -> None:
        try:
            outcomes = work([place.item for place in group])
            for place, outcome in zip(group, outcomes, strict=True):
                place.outcome = outcome
        except Exception as error:  # noqa: BLE001  (each caller's own, raised where it waits)
            for place in group:
                place.failure = error
        except BaseException as error:
            for place in group:
                place.failure = error
            raise
        finally:
            self._pass_on(key)
            for place in group[1:]:
                place.turn.set()

    def _pass_on(self, key: Hashable) -> None:
        with self._lock:
            queue = self._queues[key]
            if not queue:
                self._at_work[key] -= 1
                if not self._at_work[key]:
                    del self._queues[key], self._at_work[key]
                return
            group = [queue.popleft() for _ in range(min(len(queue), self._most))]
            group[0].group = group
        group[0].turn.set()
