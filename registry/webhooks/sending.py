"""One attempt: an event posted to an endpoint, signed under its secrets."""

from __future__ import annotations

from typing import Any

from keys.clock import Clock
from registry.outgoing.attempts import Outcome
from registry.outgoing.posting import Poster
from registry.outside_addresses import Networks
from registry.webhooks.claims import Claimed
from registry.webhooks.signature import headers


class Sender:
    """Posts deliveries; `options` are a `Poster`'s. Safe between threads."""

    def __init__(self, permitted: Networks, clock: Clock, **options: Any) -> None:
        self._poster, self._clock = Poster(permitted, clock, **options), clock

    def __call__(self, one: Claimed) -> Outcome:
        """One attempt at this moment. Raises nothing that a receiver can bring about."""
        signed = headers(one.event_id, self._clock(), one.body, one.secrets)
        return self._poster.post(one.receiver.url, one.body, signed)

    def close(self) -> None:
        self._poster.close()
