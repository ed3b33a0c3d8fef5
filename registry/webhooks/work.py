"""Events told to agencies in the background, by the lanes that all that leaves is sent by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from registry.licences.outage import database_errors
from registry.outgoing import lanes
from registry.outgoing.attempts import Outcome, Tried
from registry.outgoing.lanes import Round
from registry.ports import Ports
from registry.webhooks.claims import Claimed, Receiver, claim, due, give_back, put_down
from registry.webhooks.kinds import EndpointState

Post = Callable[[Claimed], Outcome]


def deliver(ports: Ports, post: Post, stopped: Callable[[], bool] = lambda: False) -> Round:
    """Send what is due until nothing is, or `stopped` says so; what is under way then comes to its end.

    Raises VermilionError(UNAVAILABLE) without a database or data key.
    """
    with database_errors():
        if not due(ports):
            return Round()
        ports.vault.ready()
        return lanes.send(_Deliveries(ports), post, ports.clock, stopped, name="webhook")


@dataclass(frozen=True, slots=True)
class _Deliveries:
    """`registry.outgoing.attempts.Queue` of deliveries."""

    ports: Ports

    def due(self) -> list[Receiver]:
        return due(self.ports)

    def claim(
        self, wanted: Sequence[tuple[Receiver, int]], defects: list[tuple[str, Exception]]
    ) -> list[Claimed]:
        return claim(self.ports, wanted, defects)

    def give_back(self, claimed: Sequence[Claimed]) -> None:
        give_back(self.ports, claimed)

    def put_down(self, tried: Sequence[Tried[Claimed]]) -> dict[str, EndpointState]:
        return put_down(self.ports, tried)
