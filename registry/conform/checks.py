"""What is looked at: each check with its id, what is promised, where that is written, how it is found out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from keys.errors import VermilionError

Outcome = Literal["passed", "failed", "skipped"]


class WrongError(Exception):
    """It is not as promised; the words say what was seen, and hold no secret."""


class UnmetError(Exception):
    """It cannot be looked at; the words say why."""


@dataclass(frozen=True, slots=True)
class Check:
    id: str
    says: str
    clause: str
    look: Callable[[Any], str]
    """What was seen. Raises WrongError, UnmetError, VermilionError (the sandbox cannot be asked)."""


@dataclass(frozen=True, slots=True)
class Result:
    check: Check
    outcome: Outcome
    seen: str
    seconds: float


SERVER: dict[str, Check] = {}
CLIENT: dict[str, Check] = {}
"""By id, in the order in which they are looked at."""


Look = Callable[[Any], str]


def check(table: dict[str, Check], name: str, says: str, clause: str) -> Callable[[Look], Look]:
    """Put a function into a table."""

    def put(look: Look) -> Look:
        assert name not in table
        table[name] = Check(name, says, clause, look)
        return look

    return put


def looked(checks: Iterable[Check], subject: object, deadline: float) -> Iterable[Result]:
    """Each in turn; what would begin after the deadline is skipped."""
    for one in checks:
        begun = time.monotonic()
        outcome, seen = _look(one, subject) if begun < deadline else ("skipped", "the time was over")
        yield Result(one, outcome, seen, time.monotonic() - begun)


def _look(one: Check, subject: object) -> tuple[Outcome, str]:
    try:
        return "passed", one.look(subject)
    except WrongError as error:
        return "failed", str(error)
    except UnmetError as error:
        return "skipped", str(error)
    except VermilionError as error:
        return "failed", error.detail
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        return "failed", f"an answer was not of the form that is described ({type(error).__name__})"


def want(true: object, seen: str) -> None:
    """Raises WrongError where it is not so."""
    if not true:
        raise WrongError(seen)
