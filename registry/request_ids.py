"""What a request is called in logs, in its answer, and in what is said of it."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable

HEADER = "X-Request-Id"
_WELL_FORMED = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Names:
    """Names of 16 random bytes, of which many are drawn at a time: to ask the system for randomness lets
    another thread have the interpreter, which then has to be waited for. Safe between threads; a process that
    was forked draws its own.
    """

    _AT_A_TIME = 256

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random
        self._process, self._drawn = os.getpid(), list[str]()

    def draw(self) -> str:
        process = os.getpid()
        if process != self._process:
            self._process, self._drawn = process, []
        while True:
            try:
                return self._drawn.pop()
            except IndexError:
                drawn = self._random(16 * self._AT_A_TIME).hex()
                self._drawn.extend(drawn[at : at + 32] for at in range(0, len(drawn), 32))


_NAMES = Names(secrets.token_bytes)


def request_id(sent: str | None, draw: Callable[[], str] = _NAMES.draw) -> str:
    """The caller's, where it is 32 hex digits or a UUID in lower case; else a drawn name.

    Nothing that names a person, a licence or a card has that form, so none of them gets into a log this way.
    """
    if sent is not None and _WELL_FORMED.fullmatch(sent):
        return sent
    return draw()
