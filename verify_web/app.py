"""The public site as a WSGI application."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from keys.clock import Clock, system_clock
from registry.body_slots import BODY_SLOTS, BodySlots
from registry.framework import QuietFlask
from registry.request_ids import HEADER
from registry.settings import Settings
from registry.site_secret import site_secret_digest
from signing.validator import Validator
from verify_web import access_log, failures, headers
from verify_web.alarm import SiteAlarm
from verify_web.api import api
from verify_web.api_docs import docs
from verify_web.figures import CheckCounter
from verify_web.files import files
from verify_web.intake import SiteRequest
from verify_web.limits import TypedLimits
from verify_web.metrics import Metrics
from verify_web.offline import offline
from verify_web.readers import readers
from verify_web.result_pages import result_pages
from verify_web.routes import pages
from verify_web.scan_road import ScanRoad
from verify_web.scans import ScanCounter
from verify_web.site import Site
from verify_web.source import Source
from verify_web.store import Store
from verify_web.trust import TrustSource

SETTING = "VERMILION_TRUSTED_PROXIES"
_log = logging.getLogger("vermilion.site")


def create_app(
    settings: Settings,
    *,
    source: Source | None = None,
    clock: Clock = system_clock,
    catch_all: bool = True,
    trusted_proxies: int = 0,
    validator: Validator | None = None,
) -> Flask:
    """Make the application; nothing is opened that needs more than reading the database and writing the
    site's own store.

    `source`: another registry to ask than the one in the settings. `trusted_proxies`: how many proxies in
    front of the site set X-Forwarded-For; with 0 the header is not looked at. `validator`: what explains
    files that are not ours as they were issued; it is the caller's to close.
    Raises VermilionError(UNAVAILABLE) when the store cannot be opened.
    """
    if source is None:
        from verify_web.registry_source import registry_source

        source = registry_source(settings, clock)
    store = Store(settings.public_store, clock)
    metrics = Metrics()
    app = QuietFlask("verify_web", static_folder=None, template_folder=None)
    app.url_map.merge_slashes = False  # it would redirect, and a redirect can lose the fragment
    app.request_class = SiteRequest
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # of DefaultJSONProvider
    app.extensions["site"] = Site(
        settings=settings,
        clock=clock,
        live=source.live,
        types=source.types,
        trust=TrustSource(source.trust_list, clock),
        status_lists=source.status_lists,
        results=source.results,
        store=store,
        alarm=SiteAlarm(store, metrics),
        limits=TypedLimits(store),
        scans=ScanCounter(store, metrics, clock, settings.tz),
        figures=CheckCounter(store, clock, settings.tz),
        metrics=metrics,
        bodies=BodySlots(BODY_SLOTS),
        validator=validator,
        relying=source.relying,
        figures_secret=site_secret_digest(settings),
    )
    for blueprint in (pages, files, offline, readers, result_pages, api, docs):
        app.register_blueprint(blueprint)
    failures.register(app, catch_all=catch_all)
    app.before_request(access_log.begin)

    @app.after_request
    def finish(response: Response) -> Response:
        secure = settings.public_origin.startswith("https://")
        headers.dress(response, secure=secure, scans=request.endpoint == "offline.scan")
        response.headers[HEADER] = g.request_id
        access_log.write(store, response)
        route = request.url_rule.rule if request.url_rule is not None else "(none)"
        metrics.seconds.labels(route).observe(time.perf_counter() - g.get("started", time.perf_counter()))
        return response

    app.wsgi_app = ScanRoad(app.wsgi_app, app.extensions["site"], proxies=trusted_proxies > 0)  # type: ignore[method-assign]
    if not trusted_proxies:
        app.before_request(_warn_of_a_proxy())
    else:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=trusted_proxies, x_proto=0, x_host=0)  # type: ignore[method-assign]
    return app


def _warn_of_a_proxy() -> Callable[[], None]:
    """Said once a process: behind a proxy that nobody told us of, all visitors look like one network, and
    one of them uses up the typed look-ups of all.
    """
    unsaid = threading.Event()

    def look() -> None:
        if not unsaid.is_set() and "X-Forwarded-For" in request.headers:
            unsaid.set()
            _log.warning("proxy", extra={"line": {"event": "proxy_not_trusted", "setting": SETTING}})

    return look
