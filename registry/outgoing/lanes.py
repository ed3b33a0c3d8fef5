"""How a process sends what is due: claimed, sent by several threads at once, put down in groups.

A receiver has a lane of its own, with a few threads at most, so that a slow one keeps no other waiting; one
that fails again and again is left alone for a while, and asked by one thread then. A process that dies leaves
claims that lapse.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic

from keys.clock import Clock
from registry.outgoing.attempts import C, Outcome, Queue, R, Tried
from registry.outgoing.retries import OUT

THREADS = 32
LANES = 8  # threads of one receiver
WINDOW = 256  # of one receiver's that are claimed at once
HELD = 1024  # of all receivers': what is claimed must be begun before its lease ends
GROUP = 128  # outcomes that are put down together, or as many as there are after
LINGER = 0.05  # seconds
LOOK_AGAIN = 0.5  # seconds, for what falls due while something slow is under way
SPARE = 45  # seconds of a lease that must be left when something is begun


@dataclass
class Round:
    """One round of work: what came of it."""

    delivered: int = 0
    failed: int = 0
    ended: dict[str, StrEnum] = field(default_factory=dict)  # receivers that are sent nothing more
    defects: list[tuple[str, Exception]] = field(default_factory=list)  # receiver: what must not happen

    def __bool__(self) -> bool:
        return bool(self.delivered or self.failed or self.ended or self.defects)


@dataclass
class _Lane(Generic[R, C]):
    """What this process has claimed of one receiver's."""

    receiver: R
    failures: int  # in a row
    waiting: deque[C] = field(default_factory=deque)
    under_way: int = 0

    @property
    def threads(self) -> int:
        return 1 if self.failures >= OUT else LANES

    @property
    def room(self) -> int:
        """How many more may be claimed. Few are left before more are: claims are made in groups."""
        held = len(self.waiting) + self.under_way
        if self.failures >= OUT:
            return 1 - held
        return WINDOW - held if held <= WINDOW // 2 else 0


def send(
    waiting: Queue[R, C],
    post: Callable[[C], Outcome],
    clock: Clock,
    stopped: Callable[[], bool] = lambda: False,
    *,
    name: str,
) -> Round:
    """Send what is due until nothing is, or `stopped` says so; what is under way then comes to its end. The
    threads bear the `name`. Raises VermilionError(UNAVAILABLE) as the queue does.
    """
    round_ = Round()
    with ThreadPoolExecutor(THREADS, thread_name_prefix=name) as pool:
        _Pump(waiting, post, clock, pool, round_, stopped).run()
    return round_


class _Pump(Generic[R, C]):
    """Lanes, filled from the queue and emptied by the pool. Used by one thread."""

    def __init__(
        self,
        waiting: Queue[R, C],
        post: Callable[[C], Outcome],
        clock: Clock,
        pool: ThreadPoolExecutor,
        round_: Round,
        stopped: Callable[[], bool],
    ) -> None:
        self.queue, self.post, self.clock, self.pool = waiting, post, clock, pool
        self.round, self.stopped = round_, stopped
        self.lanes: dict[str, _Lane[R, C]] = {}
        self.results: queue.SimpleQueue[Tried[C] | tuple[C, Exception]] = queue.SimpleQueue()
        self.under_way = 0
        self.last = ""  # receiver that something was claimed for

    def run(self) -> None:
        try:
            while True:
                if not self.stopped():
                    self._claim()
                    self._begin()
                if not self.under_way:
                    break
                self._put_down(self._ended())
        finally:
            self.queue.give_back([one for lane in self.lanes.values() for one in lane.waiting])

    def _claim(self) -> None:
        """For each receiver a fair share of what may be held, beginning behind the last one that had some."""
        receivers = self.queue.due()
        left = HELD - self.under_way - sum(len(lane.waiting) for lane in self.lanes.values())
        share = max(1, left // max(1, len(receivers)))
        wanted: list[tuple[R, int]] = []
        for receiver in sorted(receivers, key=lambda one: (one.id <= self.last, one.id)):
            lane = self.lanes.get(receiver.id) or _Lane[R, C](receiver, receiver.failures)
            most = min(lane.room, share, left)
            if most > 0:
                self.lanes[receiver.id] = lane
                wanted.append((receiver, most))
                left -= most
        if wanted:
            self.last = wanted[-1][0].id
            for one in self.queue.claim(wanted, self.round.defects):
                self.lanes[one.receiver.id].waiting.append(one)

    def _begin(self) -> None:
        """Give the pool what lanes have threads for, one of each lane in turn."""
        moved = not self.stopped()
        while moved:
            moved = False
            for lane in self.lanes.values():
                if lane.waiting and lane.under_way < lane.threads and self.under_way < THREADS:
                    one, moved = lane.waiting.popleft(), True
                    if (one.lease_until - self.clock()).total_seconds() < SPARE:
                        continue  # somebody else may have it by the time that it would be sent
                    lane.under_way += 1
                    self.under_way += 1
                    self.pool.submit(self._try, one)

    def _try(self, one: C) -> None:
        try:
            outcome = self.post(one)
        except Exception as error:  # noqa: BLE001  (whatever it is, the others are not kept waiting)
            self.results.put((one, error))
        else:
            self.results.put(Tried(one, outcome, self.clock()))

    def _ended(self) -> list[Tried[C]]:
        """What ended since the last time, in order, and what ends soon after. Threads that became free are
        used meanwhile. Nothing, where nothing ends for a while.
        """
        tried: list[Tried[C]] = []
        ended = 0
        while ended < GROUP and self.under_way:
            try:
                result = self.results.get(timeout=LINGER if ended else LOOK_AGAIN)
            except queue.Empty:
                break
            ended += 1
            self.under_way -= 1
            one = result.claimed if isinstance(result, Tried) else result[0]
            lane = self.lanes[one.receiver.id]
            lane.under_way -= 1
            if isinstance(result, Tried):
                tried.append(result)
                lane.failures = 0 if result.outcome.reason is None else lane.failures + 1
            else:
                self.round.defects.append((one.receiver.id, result[1]))
                lane.failures += 1
            if lane.failures < OUT:
                self._begin()
        return tried

    def _put_down(self, tried: list[Tried[C]]) -> None:
        if tried:
            self.round.ended |= self.queue.put_down(tried)
        self.round.delivered += sum(one.outcome.reason is None for one in tried)
        self.round.failed += sum(one.outcome.reason is not None for one in tried)
        out = [
            lane
            for lane in self.lanes.values()
            if lane.failures >= OUT or lane.receiver.id in self.round.ended
        ]
        self.queue.give_back([one for lane in out for one in lane.waiting])
        for lane in out:
            lane.waiting.clear()
        self.lanes = {name: lane for name, lane in self.lanes.items() if lane.waiting or lane.under_way}
