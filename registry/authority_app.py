"""The authority's public face: OCSP, CRLs, CA certificates and time-stamps, for whoever asks.

It holds keys, so it runs in a process of its own, apart from the agency API and from the public site. Plain
http: everything it gives is signed (RFC 6960, A.1; RFC 5280, 4.2.1.13).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256

import structlog
from flask import Flask, Request, Response, g, request
from prometheus_client import CollectorRegistry
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter

from keys.errors import Kind, VermilionError
from keys.ocsp import MALFORMED_REQUEST, MAX_REQUEST_BYTES, TRY_LATER
from keys.profiles import ProfileName
from keys.tsp import MAX_REQUEST_BYTES as TSA_REQUEST_BYTES
from registry import web
from registry.actor import Actor
from registry.body_slots import BODY_SLOTS, BodySlots
from registry.buckets import Buckets, per_minute
from registry.defects import Defects
from registry.framework import QuietFlask
from registry.licences.outage import DATABASE_OUT, database_code, database_out, is_outage
from registry.logs import configure_logs
from registry.networks import network_of
from registry.observation import observe, serve_metrics
from registry.ports import Ports
from registry.seals.responder import MAX_AGE, OcspReply, Responder, unanswered
from registry.seals.revocation_list import current_crl, overdue_crls
from registry.seals.stamping import time_stamper
from registry.seals.tables import Certificate, CertificateAuthority
from registry.seals.time_stamping import time_stamp_reply

OCSP_REQUEST, OCSP_RESPONSE = "application/ocsp-request", "application/ocsp-response"
CRL_TYPE, CERTIFICATE_TYPE = "application/pkix-crl", "application/pkix-cert"  # RFC 2585, 4
CRL_MAX_AGE = timedelta(seconds=60)
_log = structlog.get_logger("registry.authority")


class CaNameConverter(BaseConverter):
    """A CA's key identifier, hex."""

    regex = r"[0-9a-f]{40}"


def create_authority_app(ports: Ports, *, monotonic: Callable[[], float] = time.monotonic) -> Flask:
    """The application for these ports; `monotonic` is the clock of its limits. `PROPAGATE_EXCEPTIONS`
    switches the catch-all off, for tests.
    """
    configure_logs()
    app = QuietFlask("authority", static_folder=None)
    app.url_map.converters["ca_name"] = CaNameConverter
    app.url_map.merge_slashes = False  # base64 has slashes in a row
    metrics = CollectorRegistry()
    defects = Defects(metrics)
    _serve_ocsp(app, ports)
    _serve_time_stamps(app, ports, monotonic)
    _serve_files(app, ports)
    _serve_operations(app, ports)
    serve_metrics(app, metrics)
    # Everything here is for everybody.
    public = frozenset(rule.endpoint for rule in app.url_map.iter_rules())
    web.install(app, web.AppState(ports, defects, _nobody, public, BodySlots(BODY_SLOTS)))
    observe(app, "registry.authority", ports.random, metrics, defects)
    if ports.settings.trusted_proxies:
        proxies = ports.settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=0, x_host=0)  # type: ignore[method-assign]
    return app


def _nobody(_request: Request) -> Actor:
    raise VermilionError(Kind.NOT_FOUND, "not found")


def _serve_ocsp(app: Flask, ports: Ports) -> None:
    responder = Responder(ports.database, ports.custodian, clock=ports.clock, random=ports.random)

    def reply(answer: Callable[[], OcspReply]) -> OcspReply:
        """Without the database there is an answer that says so (RFC 6960, 2.3)."""
        try:
            return answer()
        except SQLAlchemyError as error:
            if not is_outage(error):
                raise
            _log.error(
                "unavailable",
                request_id=g.get("request_id"),
                endpoint=request.endpoint,
                reason=DATABASE_OUT,
                cause=database_code(error),
            )
            return OcspReply(TRY_LATER)

    def answer_to_get(ca: str, encoded: str) -> OcspReply:
        try:
            asked = responder.decode_get(ca, encoded)
        except VermilionError as error:
            if error.kind is not Kind.MALFORMED:
                raise
            return OcspReply(MALFORMED_REQUEST)
        return responder.answer(ca, asked)

    @app.post("/ocsp/<ca_name:ca>")
    def ocsp_post(ca: str) -> Response:
        """RFC 6960, A.1. Not to be kept by caches: the same address answers for every certificate."""
        with web.state().strangers.one():
            body = web.read_body(media_type=OCSP_REQUEST, max_bytes=MAX_REQUEST_BYTES)
        said = reply(lambda: responder.answer(ca, body))
        return Response(said.body, content_type=OCSP_RESPONSE)

    @app.get("/ocsp/<ca_name:ca>/<path:encoded>")
    def ocsp_get(ca: str, encoded: str) -> Response:
        """RFC 9919, section 6: what may be kept, and how long."""
        said = reply(lambda: answer_to_get(ca, encoded))
        response = Response(said.body, content_type=OCSP_RESPONSE)
        if said.produced_at is not None and said.next_update is not None:
            _may_be_kept(response, MAX_AGE, said.produced_at, said.next_update, ports.clock())
        return response


def _serve_time_stamps(app: Flask, ports: Ports, monotonic: Callable[[], float]) -> None:
    stamper = time_stamper(ports)
    share = ports.settings.tsa_per_minute
    limit = Buckets(per_minute(share), monotonic=monotonic) if share else None

    @app.post("/tsa")
    def tsa() -> Response:
        """RFC 3161, 3.4. Each token is a row for ever: no network has more of them than its share."""
        if limit is not None and (wait := limit.enter(network_of(request.remote_addr)).wait):
            raise VermilionError(
                Kind.TOO_MANY, "too many time-stamps for one network", reason="rate", retry_after=wait
            )
        with web.state().strangers.one():
            request.max_content_length = TSA_REQUEST_BYTES
            body = request.get_data(cache=False)
        status, content_type, answer = time_stamp_reply(stamper, body, request.content_type)
        return Response(answer, status, content_type=content_type)


def _serve_files(app: Flask, ports: Ports) -> None:
    @app.get("/crl/<ca_name:ca>.crl")
    def crl(ca: str) -> Response:
        with Session(ports.database.read) as session:
            row = web.found(current_crl(session, ca), "CRL")
        assert row.der is not None
        response = Response(row.der, content_type=CRL_TYPE)
        _may_be_kept(response, CRL_MAX_AGE, row.this_update, row.next_update, ports.clock())
        _for_every_site(response)
        return response

    @app.get("/ca/<ca_name:ca>.cer")
    def certificate(ca: str) -> Response:
        with Session(ports.database.read) as session:
            der = session.scalar(
                select(Certificate.der)
                .join(CertificateAuthority, CertificateAuthority.key_id == Certificate.key_id)
                .where(CertificateAuthority.name == ca, Certificate.der.is_not(None))
                .where(Certificate.profile != ProfileName.ROOT_LINK)
                .limit(1)
            )
        response = Response(web.found(der, "certificate authority"), content_type=CERTIFICATE_TYPE)
        response.headers["Cache-Control"] = "public, max-age=86400"
        _tagged(response)
        _for_every_site(response)
        return response


def _serve_operations(app: Flask, ports: Ports) -> None:
    @app.get("/livez")
    def livez() -> Response:
        return web.answer({"status": "ok"})

    @app.get("/readyz")
    def readyz() -> Response:
        """Ready when the database answers, and each CA in service has a CRL that is not overdue and a
        responder.
        """
        try:
            with Session(ports.database.read) as session:
                late = overdue_crls(session, ports.clock())
                silent = unanswered(session, ports.clock())
        except SQLAlchemyError as error:
            raise database_out() from error
        if late:
            raise VermilionError(Kind.UNAVAILABLE, "a CRL was not made in time", reason="crl_overdue")
        if silent:
            raise VermilionError(
                Kind.UNAVAILABLE, "nothing answers for a certificate authority", reason="no_responder"
            )
        return web.answer({"status": "ready"})


def _may_be_kept(
    response: Response, longest: timedelta, produced_at: datetime, next_update: datetime, now: datetime
) -> None:
    """The headers of RFC 9919, section 6.2, and a 304 for who has these bytes. Nothing is kept beyond its
    nextUpdate.

    Only the entity tag says who has them: another status may be of the same second (RFC 9110, 8.8.2.2).
    """
    age = min(longest, next_update - now - timedelta(seconds=1))
    response.headers["Cache-Control"] = (
        f"max-age={max(0, int(age.total_seconds()))}, public, no-transform, must-revalidate"
    )
    response.headers["Last-Modified"] = format_datetime(produced_at, usegmt=True)
    response.headers["Expires"] = format_datetime(next_update, usegmt=True)
    _tagged(response)


def _for_every_site(response: Response) -> None:
    """What a page of any site may read, as the trust list and the status lists."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"


def _tagged(response: Response) -> None:
    response.set_etag(sha256(response.get_data()).hexdigest())
    response.make_conditional({k: v for k, v in request.environ.items() if k != "HTTP_IF_MODIFIED_SINCE"})
