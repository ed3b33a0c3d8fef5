"""The states of a batch and of its lines."""

from __future__ import annotations

from enum import StrEnum


class BatchState(StrEnum):
    """What is being done with a batch."""

    RECEIVING = "receiving"  # its body is on the way
    DROPPED = "dropped"  # it never came whole; its rows are being removed
    CHECKING = "checking"
    REFUSED = "refused"  # a line is wrong: nothing is issued
    CHECKED = "checked"  # a dry run, every line right
    ISSUING = "issuing"
    CANCELLING = "cancelling"  # no line is begun any more; those that were come to their end
    CANCELLED = "cancelled"
    DONE = "done"


UNFINISHED = frozenset({BatchState.RECEIVING, BatchState.CHECKING, BatchState.ISSUING, BatchState.CANCELLING})
UNTOLD = frozenset({BatchState.RECEIVING, BatchState.DROPPED})
"""Nobody was told the id of such a batch."""
TOLD = tuple(state for state in BatchState if state not in UNTOLD)


class ItemState(StrEnum):
    """What became of a line."""

    RECEIVED = "received"
    CHECKING = "checking"  # a worker has it
    REFUSED = "refused"
    CHECKED = "checked"  # right, and not to be issued: another line is wrong, or it is a dry run
    WAITING = "waiting"  # to be issued
    ISSUING = "issuing"  # a worker has it
    ISSUED = "issued"
    FAILED = "failed"
    CANCELLED = "cancelled"
