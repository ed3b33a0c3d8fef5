"""Many at once, where one must not spoil the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")
_E = TypeVar("_E", bound=Exception)


def by_halves(
    items: Sequence[_T],
    work: Callable[[Sequence[_T]], Sequence[_R]],
    error_type: type[_E],
    is_ones: Callable[[_E], bool],
) -> list[_R | _E]:
    """Work on all at once; where that fails, on each half, until what fails stands alone. An outcome or a
    failure for each, in order.

    `is_ones`: whether a failure may be that of one of them, and left nothing done of the others. Any other
    one is everybody's, as is; what is not of `error_type` is raised.
    """
    if not items:
        return []
    try:
        return list(work(items))
    except error_type as error:
        if len(items) == 1 or not is_ones(error):
            return [error] * len(items)
    middle = len(items) // 2
    return [
        *by_halves(items[:middle], work, error_type, is_ones),
        *by_halves(items[middle:], work, error_type, is_ones),
    ]
