"""What a service says of each request: a log line, a measurement, the headers every answer carries."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog
from flask import Flask, Response, g, got_request_exception, request
from flask.globals import app_ctx, request_ctx
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest

from keys.errors import Kind, VermilionError, places
from registry.defects import Defects
from registry.framework import Answer, QuietFlask
from registry.local import is_local
from registry.logs import say
from registry.request_ids import HEADER, Names, request_id

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer that does not say otherwise."""
_UNLESS_SAID = tuple((name, name.lower(), value) for name, value in HEADERS.items())


def observe(
    app: QuietFlask,
    name: str,
    random: Callable[[int], bytes],
    metrics: CollectorRegistry,
    defects: Defects,
) -> None:
    """One log line and one measurement for each request; no body, token, query string or person in either.

    What `g` and `request` stand for is looked up once in each hook, since each mention looks it up again.
    """
    log = structlog.get_logger(name).bind()  # once, and not for each line
    seconds = Histogram(
        "vermilion_request_seconds", "Time to answer.", ["endpoint", "status"], registry=metrics
    )
    children: dict[tuple[str, int], Histogram] = {}  # of `seconds`: to look one up costs more than to count
    problems = Counter("vermilion_problems_total", "Refused requests.", ["endpoint"], registry=metrics)
    names = Names(random)

    @app.before_request
    def begin() -> None:
        held = app_ctx.g
        held.begun = time.perf_counter()
        held.request_id = request_id(request_ctx.request.environ.get(_SENT), names.draw)

    # Flask runs these in order: the clock starts before anybody is asked who they are.
    app.before_request_funcs[None].insert(0, app.before_request_funcs[None].pop())

    @app.after_request
    def finish(response: Response) -> Response:
        asked, held = request_ctx.request, app_ctx.g
        endpoint, method, name = asked.endpoint or "none", asked.method, held.request_id
        elapsed = time.perf_counter() - held.begun
        assert isinstance(response, Answer)
        response.unless_said = _UNLESS_SAID
        response.headers.add(HEADER, name)
        key = endpoint, response.status_code
        if (measured := children.get(key)) is None:
            measured = children[key] = seconds.labels(endpoint, str(response.status_code))
        measured.observe(elapsed)
        if response.status_code >= 400:
            problems.labels(endpoint).inc()
        actor = held.get("actor")
        line = {
            "request_id": name,
            "method": method if method in _METHODS else "other",
            "endpoint": endpoint,
            "status": response.status_code,
            "milliseconds": round(elapsed * 1000, 1),
            "client": actor.client_id if actor else None,
        }
        say("request", line)
        return response

    def note_defect(_sender: Flask, exception: BaseException, **_: Any) -> None:
        defects.count(request.endpoint or "none", exception)
        log.error(
            "defect",
            request_id=g.get("request_id"),
            endpoint=request.endpoint,
            kind=type(exception).__name__,
            where=places(exception),
        )

    got_request_exception.connect(note_defect, app, weak=False)


_SENT = f"HTTP_{HEADER.upper().replace('-', '_')}"  # where WSGI puts it
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})


def serve_metrics(app: Flask, metrics: CollectorRegistry) -> None:
    """`/metrics`, for a collector on this machine: not through a proxy, not from elsewhere."""

    @app.get("/metrics", endpoint="metrics")
    def measures() -> Response:
        if not is_local(request):
            raise VermilionError(Kind.NOT_FOUND, "not found")
        return Response(generate_latest(metrics), content_type=CONTENT_TYPE_LATEST)
