"""What a request is called in logs, in its answer, and in what is said of it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

HEADER = "X-Request-Id"
_WELL_FORMED = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def request_id(sent: str | None, random: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """The caller's, where it is 32 hex digits or a UUID in lower case; else one of 16 random bytes.

    Nothing that names a person, a licence or a card has that form, so none of them gets into a log this way.
    """
    if sent is not None and _WELL_FORMED.fullmatch(sent):
        return sent
    return random(16).hex()
