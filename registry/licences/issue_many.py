"""Issuing many licences that one client asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keys.errors import VermilionError
from registry.actor import Actor
from registry.licences.examine import IssueRequest
from registry.licences.issue import Issued, issue
from registry.ports import Ports


@dataclass(frozen=True, slots=True)
class Ordered:
    """One licence of a group."""

    request: IssueRequest
    idempotency_key: str  # unique per client
    body_sha256: bytes


def issue_many(ports: Ports, actor: Actor, orders: Sequence[Ordered]) -> list[Issued | VermilionError]:
    """Issue each, one outcome per order and in order. The very same order again gives the same licence.

    Raises VermilionError only where none of them can be served now.
    """
    outcomes: list[Issued | VermilionError] = []
    for order in orders:
        try:
            issued = issue(ports, actor, order.request, order.idempotency_key, order.body_sha256)
        except VermilionError as error:
            outcomes.append(error)
        else:
            assert isinstance(issued, Issued)  # a Preview is a dry run's
            outcomes.append(issued)
    return outcomes
