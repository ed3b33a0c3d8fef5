"""One structured line a request. Neither links, identifiers, queries nor bodies are in it."""

from __future__ import annotations

import logging
import os
import sys
import time
from datetime import UTC, datetime
from typing import TextIO

import structlog
from flask import Response, g, request
from pydantic_core import to_json

from keys.errors import places
from registry.request_ids import HEADER, request_id
from verify_web.store import Store

_log = logging.getLogger("vermilion.access")


def begin() -> None:
    g.started = time.perf_counter()
    g.request_id = request_id(request.headers.get(HEADER))


def write(store: Store, response: Response) -> None:
    """The line: method, route as it is written in the code, status, time, size; for a link the keyed hash
    of its id, by which the scans of one licence can be counted without naming it.
    """
    line: dict[str, object] = {}
    link_id = (request.view_args or {}).get("link_id")
    if link_id is not None:
        line["link"] = store.keyed_hash("link", str(link_id)).hex()
    line |= {name: g.get(name) for name in ("request_id", "party", "verdict", "reference") if name in g}
    say(
        request.method if request.url_rule is not None else "(other)",
        request.url_rule.rule if request.url_rule is not None else "(none)",
        response.status_code,
        time.perf_counter() - g.get("started", time.perf_counter()),
        response.content_length,
        line,
    )


def say(
    method: str, route: str, status: int, seconds: float, size: int | None, more: dict[str, object]
) -> None:
    """Write a line; `more`: what only some requests have."""
    line = {"event": "request", "method": method, "route": route, "status": status}
    line |= {"ms": round(seconds * 1000, 1), "bytes": size, **more}
    if _straight is not None:
        _straight.tell(line)
    elif _log.isEnabledFor(logging.INFO):  # past `info`, which looks up the stack for who called
        _log.handle(
            _log.makeRecord(_log.name, logging.INFO, "", 0, "request", (), None, None, {"line": line})
        )


class JsonLines(logging.Formatter):
    """Each record as one JSON object."""

    _render = structlog.processors.JSONRenderer(ensure_ascii=False)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        extra = getattr(record, "line", None)
        line |= extra if isinstance(extra, dict) else {"event": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            line |= {"error": type(record.exc_info[1]).__name__, "where": places(record.exc_info[1])}
        return str(self._render(None, "", line))


class _Lines(logging.StreamHandler[TextIO]):
    """Where lines go; those of requests without a record made of each, which costs more than the line, and in
    one call of the system, for which no other thread's line has to be waited for.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._file = stream.fileno()

    def tell(self, line: dict[str, object]) -> None:
        at = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
        left = to_json({"at": at, "level": "info", **line}) + b"\n"
        while left := left[os.write(self._file, left) :]:
            pass


_straight: _Lines | None = None


def to_stderr() -> None:
    """Send the site's log lines to standard error, once a process."""
    global _straight  # noqa: PLW0603
    logger = logging.getLogger("vermilion")
    if not logger.handlers:
        handler = _Lines(sys.stderr)
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        _straight = handler
