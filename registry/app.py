"""The agency API as a Flask application."""

from __future__ import annotations

from flask import Flask, Response
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry import web
from registry.agencies.api import authenticate
from registry.agencies.api import blueprint as agencies
from registry.batches.api import blueprint as batches
from registry.body_slots import TOKEN_SLOTS, BodySlots
from registry.console.pages import install as install_console
from registry.defects import Defects, QuietFlask
from registry.licences.api import blueprint as licences
from registry.licences.life_api import blueprint as licence_life
from registry.licences.outage import database_out
from registry.licences.search_api import blueprint as licence_search
from registry.licences.status_lists import overdue as status_list_overdue
from registry.log.api import blueprint as audit
from registry.logs import configure_logs
from registry.observation import observe, serve_metrics
from registry.permissions import PUBLIC
from registry.ports import Ports
from registry.seals.api import blueprint as seals
from registry.seals.records_api import blueprint as seal_records
from registry.seals.renewal import expiring
from registry.seals.trust import current_trust_list, last_issued_at, overdue

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
    observe(app, "registry.api", ports.random, metrics, defects)
    serve_metrics(app, metrics)
    _serve_operations(app, ports)
    for blueprint in (agencies, seals, seal_records, licences, licence_life, licence_search, batches, audit):
        app.register_blueprint(blueprint)
    install_console(app, ports)
    return app


def _serve_operations(app: Flask, ports: Ports) -> None:
    @app.get("/livez")
    def livez() -> Response:
        return web.answer({"status": "ok"})

    @app.get("/readyz")
    def readyz() -> Response:
        """Ready when the database answers and the trust list is not overdue. What does not keep it from
        serving is named: an overdue status list, and what only a ceremony renews, and should by now.
        """
        try:
            with Session(ports.database.read) as session:
                issued_at = last_issued_at(session)
                ending = expiring(session, ports.clock())
                unlisted = status_list_overdue(session, ports.clock())
        except SQLAlchemyError as error:
            raise database_out() from error
        if issued_at is None:
            raise VermilionError(Kind.UNAVAILABLE, "no trust list is published yet", reason="not_established")
        if overdue(issued_at, ports.clock()):
            raise VermilionError(
                Kind.UNAVAILABLE, "the trust list was not signed again in time", reason="trust_list_overdue"
            )
        named = [{"certificate": one.profile.value, "until": one.until.isoformat()} for one in ending]
        said = {"expiring": named, "overdue": ["status_list"] if unlisted else []}
        return web.answer({"status": "ready", **{name: value for name, value in said.items() if value}})

    @app.get("/.well-known/elicence/trust-list")
    def trust_list() -> Response:
        with Session(ports.database.read) as session:
            jws = web.found(current_trust_list(session), "trust list yet")
        return Response(jws, content_type=TRUST_LIST_TYPE, headers={"Cache-Control": "public, max-age=300"})
