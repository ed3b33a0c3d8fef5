"""Limits on typed look-ups, by network and by identifier, with decay (design, section 6).

Leaky buckets: each attempt adds to three of them and time drains them, so there is no lock to wait out and
nothing to reset. One network's failures at one licence fill a small bucket of their own long before they
could fill the licence's, so it takes a score of networks to close a licence for its holder. The store is
shared by all processes of the site. Scans are never limited: their ids cannot be guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from registry.buckets import Rate
from registry.networks import network_of
from registry.typed_limits import IDENTIFIER, NETWORK, PAIR
from verify_web.store import Store


@dataclass(frozen=True, slots=True)
class TypedLimits:
    """Counts typed look-ups in `store`."""

    store: Store
    network: Rate = NETWORK
    pair: Rate = PAIR
    identifier: Rate = IDENTIFIER

    def enter(self, address: str | None, identifier: str) -> bool:
        """Count an attempt; False when it is one too many. The same statements run either way.

        A network that has used up its share, of all licences or of this one, adds nothing to the licence's
        bucket: it cannot close a licence for others.
        """
        network_key, pair_key, identifier_key = self._keys(network_of(address), identifier)
        with self.store.begin() as connection:
            self.store.forget_empty(connection)
            welcome = self.store.pour(connection, network_key, self.network.seconds_each, self.network.size)
            return self._enter(connection, pair_key, identifier_key, welcome=welcome)

    def enter_each(self, party: str, identifiers: Sequence[str]) -> list[bool]:
        """As `enter` for each, by a relying party that is known, whose quota stands for its network's limit:
        what one licence may be tried is limited like anybody's.
        """
        if not identifiers:
            return []
        with self.store.begin() as connection:
            self.store.forget_empty(connection)
            keys = [self._keys(f"party {party}", identifier) for identifier in identifiers]
            return [self._enter(connection, pair, licence, welcome=True) for _, pair, licence in keys]

    def matched(self, address: str | None, identifier: str) -> None:
        """An attempt that found its licence is no failure: it does not count against the licence."""
        self._give_back(network_of(address), [identifier])

    def matched_each(self, party: str, identifiers: Sequence[str]) -> None:
        """As `matched`, of attempts that `enter_each` counted."""
        if identifiers:
            self._give_back(f"party {party}", identifiers)

    def _enter(
        self, connection: Connection, pair_key: bytes, identifier_key: bytes, *, welcome: bool
    ) -> bool:
        cost = self.pair.seconds_each if welcome else 0.0
        patient = self.store.pour(connection, pair_key, cost, self.pair.size) and welcome
        cost = self.identifier.seconds_each if patient else 0.0
        free = self.store.pour(connection, identifier_key, cost, self.identifier.size)
        return patient and free

    def _give_back(self, network: str, identifiers: Sequence[str]) -> None:
        with self.store.begin() as connection:
            for identifier in identifiers:
                _, pair_key, identifier_key = self._keys(network, identifier)
                self.store.give_back(connection, pair_key, self.pair.seconds_each)
                self.store.give_back(connection, identifier_key, self.identifier.seconds_each)

    def _keys(self, network: str, identifier: str) -> tuple[bytes, bytes, bytes]:
        """Of the three buckets: network, network and licence, licence."""
        return (
            self.store.keyed_hash("network", network),
            self.store.keyed_hash("pair", f"{network} {identifier}"),
            self.store.keyed_hash("identifier", identifier),
        )
