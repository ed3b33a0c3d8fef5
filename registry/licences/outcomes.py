"""Steps that many licences take together: each comes to a result or to a failure, and none harms another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from registry.licences.outage import database_errors

_A = TypeVar("_A")
_B = TypeVar("_B")


def each(items: Sequence[_A | Exception], work: Callable[[_A], _B]) -> list[_B | Exception]:
    """The work on each item alone; a failure before stays one, in order."""

    def of(some: Sequence[_A]) -> list[_B | Exception]:
        return [_attempt(work, item) for item in some]

    return together(items, of)


def together(
    items: Sequence[_A | Exception], work: Callable[[Sequence[_A]], Sequence[_B]]
) -> list[_B | Exception]:
    """The work on all items at once that have not failed; it gives an outcome for each, in order, which may
    be a failure. What it raises is the failure of all of them. A database that is out is an outage, whatever
    was asked of it.
    """
    left = [item for item in items if not isinstance(item, Exception)]
    outcomes = iter(_all(work, left) if left else ())
    return [item if isinstance(item, Exception) else next(outcomes) for item in items]


def _all(work: Callable[[Sequence[_A]], Sequence[_B]], items: Sequence[_A]) -> Sequence[_B | Exception]:
    try:
        with database_errors():
            return work(items)
    except Exception as error:  # noqa: BLE001  (a defect too: its intents come to an end like others)
        return [error] * len(items)


def _attempt(work: Callable[[_A], _B], item: _A) -> _B | Exception:
    try:
        with database_errors():
            return work(item)
    except Exception as error:  # noqa: BLE001  (as above)
        return error
