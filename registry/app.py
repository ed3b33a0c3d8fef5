"""The agency API as a Flask application."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from flask import Flask, Response
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry import web
from registry.agencies.api import authenticate
from registry.agencies.api import blueprint as agencies
from registry.api_docs import docs
from registry.applicants.pages import install as install_applicants
from registry.archive.api import blueprint as archive
from registry.batches.api import blueprint as batches
from registry.body_slots import TOKEN_SLOTS, BodySlots
from registry.buckets import Buckets, per_minute
from registry.console.pages import install as install_console
from registry.defects import Defects
from registry.delivery.api import blueprint as delivery
from registry.described import TEXT, Answer, Instant, Told, described, told
from registry.description import DESCRIPTION
from registry.framework import QuietFlask
from registry.holders.pages import install as install_holders
from registry.intake.api import blueprint as cases
from registry.intake.exchange_api import blueprint as exchange
from registry.intake.forms_api import blueprint as case_forms
from registry.intake.joint_api import blueprint as sub_cases
from registry.intake.materials_api import blueprint as case_materials
from registry.licences.api import blueprint as licences
from registry.licences.copies_api import blueprint as licence_copies
from registry.licences.life_api import blueprint as licence_life
from registry.licences.outage import database_out
from registry.licences.presentations_api import blueprint as licence_presentations
from registry.licences.search_api import blueprint as licence_search
from registry.licences.status_lists import overdue as status_list_overdue
from registry.log.api import blueprint as audit
from registry.logs import configure_logs
from registry.observation import observe, serve_metrics
from registry.oversight.api import blueprint as oversight
from registry.permissions import PUBLIC
from registry.ports import Ports
from registry.seals.api import blueprint as seals
from registry.seals.records_api import blueprint as seal_records
from registry.seals.renewal import expiring
from registry.seals.trust import current_trust_list, last_issued_at, overdue
from registry.uses.api import blueprint as uses
from registry.webhooks.api import blueprint as webhooks

TRUST_LIST_TYPE = "application/jose"


class Alive(Told):
    status: Literal["ok"]


class Expiring(Told):
    """A certificate that only a ceremony renews."""

    certificate: str
    until: Instant


class Ready(Told):
    status: Literal["ready"]
    expiring: list[Expiring] | None = None
    overdue: list[Literal["status_list"]] | None = None


def create_app(ports: Ports, *, monotonic: Callable[[], float] = time.monotonic) -> Flask:
    """The application for these ports; `monotonic` is the clock of its limits. `PROPAGATE_EXCEPTIONS`
    switches the catch-all off, for tests.
    """
    configure_logs()
    app = QuietFlask("registry", static_folder=None)
    metrics = CollectorRegistry()
    defects = Defects(metrics)
    settings = ports.settings
    limit = settings.client_per_minute
    share = per_minute(max(1, limit // settings.limit_shares)) if limit else None
    carried = web.AppState(
        ports,
        defects,
        lambda r: authenticate(ports, r),
        PUBLIC,
        BodySlots(TOKEN_SLOTS),
        limits=None if share is None else Buckets(share, monotonic=monotonic),
        per_minute=limit,
    )
    web.install(app, carried)
    observe(app, "registry.api", ports.random, metrics, defects)
    serve_metrics(app, metrics)
    routes(app)
    install_console(app, ports)
    install_holders(app)
    install_applicants(app)
    return app


def routes(app: Flask) -> None:
    """Every route of the API but `/metrics`. What the description is made of, with or without ports."""
    web.convert(app)
    _serve_operations(app)
    of_licences = (licences, licence_life, licence_copies, licence_presentations, licence_search)
    of_use = (delivery, uses, batches, webhooks, archive)
    of_intake = (cases, sub_cases, case_materials, case_forms, exchange)
    of_registry = (agencies, seals, seal_records, audit, oversight, docs(DESCRIPTION))
    for blueprint in (*of_registry, *of_licences, *of_use, *of_intake):
        app.register_blueprint(blueprint)


def _serve_operations(app: Flask) -> None:
    @app.get("/livez")
    @described("isAlive", "Whether the process answers", answers={200: told("It does.", Alive)})
    def livez() -> Response:
        return web.answer({"status": "ok"})

    @app.get("/readyz")
    @described(
        "isReady",
        "Whether the service can do its work",
        answers={200: told("It can.", Ready)},
    )
    def readyz() -> Response:
        """Ready when the database answers and the trust list is not overdue. What does not keep it from
        serving is named: an overdue status list, and what only a ceremony renews, and should by now.
        """
        ports = web.ports()
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
    @described(
        "readTrustList", "The signed trust list",
        answers={200: Answer("A compact JWS (RFC 7515).", {TRUST_LIST_TYPE: TEXT})},
        refuses=(Kind.NOT_FOUND,),
    )  # fmt: skip
    def trust_list() -> Response:
        with Session(web.ports().database.read) as session:
            jws = web.found(current_trust_list(session), "trust list yet")
        return Response(jws, content_type=TRUST_LIST_TYPE, headers={"Cache-Control": "public, max-age=300"})
