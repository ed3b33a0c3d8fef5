"""Messages handed over in the background, by the lanes that all that leaves is sent by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from registry.licences.outage import database_errors
from registry.notices.claims import Claimed, Waiting
from registry.notices.kinds import Channel
from registry.notices.receivers import Receivers
from registry.notices.smtp import Smtp
from registry.outgoing import lanes
from registry.outgoing.attempts import Outcome
from registry.outgoing.lanes import Round
from registry.outgoing.posting import Poster
from registry.ports import Ports


class Adapter(Protocol):
    """A channel's adapter: one attempt at a message. Safe between threads."""

    def __call__(self, one: Claimed) -> Outcome:
        """Raises nothing that the other side can bring about."""

    def close(self) -> None:
        """Whatever connections it keeps."""


def open_channels(ports: Ports) -> dict[Channel, Adapter]:
    """The channels of the settings."""
    settings = ports.settings
    adapters: dict[Channel, Adapter] = {
        Channel.WEBHOOK: Receivers(Poster(settings.webhook_permitted, ports.clock), ports.clock)
    }
    if settings.smtp_host:
        adapters[Channel.SMTP] = Smtp(settings)
    return adapters


class Messenger:
    """Hands over what waits; it remembers from one round to the next how receivers do."""

    def __init__(self, ports: Ports, adapters: Mapping[Channel, Adapter]) -> None:
        self._ports, self._adapters = ports, adapters
        self._waiting = Waiting(ports, adapters.keys())

    def deliver(self, stopped: Callable[[], bool] = lambda: False) -> Round:
        """Hand over what is due until nothing is, or `stopped` says so; what is under way then comes to its
        end. Raises VermilionError(UNAVAILABLE) without a database or data key.
        """
        with database_errors():
            if not self._waiting.due():
                return Round()
            self._ports.vault.ready()
            return lanes.send(self._waiting, self._send, self._ports.clock, stopped, name="notice")

    def close(self) -> None:
        for adapter in self._adapters.values():
            adapter.close()

    def _send(self, one: Claimed) -> Outcome:
        return self._adapters[one.channel](one)
