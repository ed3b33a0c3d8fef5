"""The agency API as a Flask application."""

from __future__ import annotations

import time
from typing import Any

import structlog
from flask import Flask, Response, g, got_request_exception, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, places
from registry import web
from registry.agencies.api import TOKEN_ENDPOINT, authenticate
from registry.agencies.api import blueprint as agencies
from registry.body_slots import TOKEN_SLOTS, BodySlots
from registry.defects import Defects, QuietFlask
from registry.licences.api import blueprint as licences
from registry.licences.outage import database_out
from registry.local import is_local
from registry.logs import configure_logs
from registry.ports import Ports
from registry.seals.api import blueprint as seals
from registry.seals.records_api import blueprint as seal_records
from registry.seals.trust import current_trust_list, last_issued_at, overdue

PUBLIC = frozenset({TOKEN_ENDPOINT, "livez", "readyz", "metrics", "trust_list"})
"""Endpoints answered without a token; every other route asks for one."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TRUST_LIST_TYPE = "application/jose"


def create_app(ports: Ports) -> Flask:
    """The application for these ports. `PROPAGATE_EXCEPTIONS` switches the catch-all off, for tests."""
    configure_logs()
    app = QuietFlask("registry", static_folder=None)
    metrics = CollectorRegistry()
    defects = Defects(metrics)
    web.install(
        app, web.AppState(ports, defects, lambda r: authenticate(ports, r), PUBLIC, BodySlots(TOKEN_SLOTS))
    )
    _observe(app, ports, metrics, defects)
    _serve_operations(app, ports, metrics)
    for blueprint in (agencies, seals, seal_records, licences):
        app.register_blueprint(blueprint)
    return app


def _observe(app: Flask, ports: Ports, metrics: CollectorRegistry, defects: Defects) -> None:
    """One log line and one measurement for each request; no body, token, query string or person in either."""
    log = structlog.get_logger("registry.api")
    seconds = Histogram(
        "vermilion_request_seconds", "Time to answer.", ["endpoint", "status"], registry=metrics
    )
    problems = Counter("vermilion_problems_total", "Refused requests.", ["endpoint"], registry=metrics)

    @app.before_request
    def begin() -> None:
        g.begun = time.perf_counter()
        g.request_id = ports.random(8).hex()

    # Flask runs these in order: the clock starts before anybody is asked who they are.
    app.before_request_funcs[None].insert(0, app.before_request_funcs[None].pop())

    @app.after_request
    def finish(response: Response) -> Response:
        endpoint = request.endpoint or "none"
        elapsed = time.perf_counter() - g.begun
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Request-Id"] = g.request_id
        seconds.labels(endpoint, str(response.status_code)).observe(elapsed)
        if response.status_code >= 400:
            problems.labels(endpoint).inc()
        actor = g.get("actor")
        log.info(
            "request",
            request_id=g.request_id,
            method=request.method if request.method in _METHODS else "other",
            endpoint=endpoint,
            status=response.status_code,
            milliseconds=round(elapsed * 1000, 1),
            client=actor.client_id if actor else None,
        )
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


_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS"})


def _serve_operations(app: Flask, ports: Ports, metrics: CollectorRegistry) -> None:
    @app.get("/livez")
    def livez() -> Response:
        return web.answer({"status": "ok"})

    @app.get("/readyz")
    def readyz() -> Response:
        """Ready when the database answers, and a trust list is published and not overdue."""
        try:
            with Session(ports.database.read) as session:
                issued_at = last_issued_at(session)
        except SQLAlchemyError as error:
            raise database_out() from error
        if issued_at is None:
            raise VermilionError(Kind.UNAVAILABLE, "no trust list is published yet", reason="not_established")
        if overdue(issued_at, ports.clock()):
            raise VermilionError(
                Kind.UNAVAILABLE, "the trust list was not signed again in time", reason="trust_list_overdue"
            )
        return web.answer({"status": "ready"})

    @app.get("/metrics", endpoint="metrics")
    def measures() -> Response:
        """For a collector on this machine: not through a proxy, not from elsewhere."""
        if not is_local(request):
            raise VermilionError(Kind.NOT_FOUND, "not found")
        return Response(generate_latest(metrics), content_type=CONTENT_TYPE_LATEST)

    @app.get("/.well-known/elicence/trust-list")
    def trust_list() -> Response:
        with Session(ports.database.read) as session:
            jws = web.found(current_trust_list(session), "trust list yet")
        return Response(jws, content_type=TRUST_LIST_TYPE, headers={"Cache-Control": "public, max-age=300"})
