"""Published files, static files and what operators ask."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta

from flask import Blueprint, Response, abort, jsonify, request

from keys.errors import VermilionError
from keys.status_list import CWT_TYPE, JWT_MEDIA_TYPE
from registry.local import is_local
from signing.status_list import parse_number
from verify_web import assets, metrics
from verify_web.figures import CHECKS_KEPT_DAYS
from verify_web.scans import KEPT_DAYS
from verify_web.site import site

files = Blueprint("files", __name__)
PLAIN = "text/plain; charset=utf-8"
MAX_AGE = 60
"""Seconds that trust list and status lists may be kept by caches: they may change as often."""


@files.get("/.well-known/elicence/trust-list")
def trust_list() -> Response:
    """The signed trust list as published: a compact JWS (RFC 7515)."""
    return published(site().trust.published().jws.encode(), "application/jwt", MAX_AGE)


@files.get("/status/<text>")
def status_list(text: str) -> Response:
    """A status list token (draft-ietf-oauth-status-list-21, section 8): JWT, or CWT for who asks for that."""
    number, here = parse_number(text), site()
    if "time" in request.args:  # section 8.4
        return Response("past status lists are not given here\n", 501, content_type=PLAIN)
    cwt = request.accept_mimetypes.best_match([JWT_MEDIA_TYPE, CWT_TYPE], default=JWT_MEDIA_TYPE) == CWT_TYPE
    found = None if number is None else here.status_lists.newest(number, cwt=cwt)
    if found is None:
        abort(404)
    left = (found.expires_at - here.clock()).total_seconds()
    response = published(found.token, CWT_TYPE if cwt else JWT_MEDIA_TYPE, max(0, min(MAX_AGE, int(left))))
    response.vary.add("Accept")
    return response


@files.get("/status/")
def status_lists() -> Response:
    """Where all of them are (section 9.3)."""
    body = json.dumps({"status_lists": list(site().status_lists.addresses().values())}) + "\n"
    return published(body.encode(), "application/json", MAX_AGE)


def published(data: bytes, content_type: str, max_age: int) -> Response:
    """What caches may keep and every site may read."""
    response = tagged(data, content_type, f"public, max-age={max_age}")
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def tagged(data: bytes, content_type: str, cache_control: str) -> Response:
    """Bytes with their entity tag; a 304 for who has them."""
    response = Response(data, content_type=content_type)
    response.set_etag(hashlib.sha256(data).hexdigest()[:32])
    response.headers["Cache-Control"] = cache_control
    response.make_conditional(request)
    return response


@files.get("/static/<version>/<name>")
def static(version: str, name: str) -> Response:
    found = assets.serve(request, version, name)
    if found is None:
        abort(404)
    return found


@files.get("/robots.txt")
def robots() -> Response:
    """Links of licences belong to nobody's index."""
    return Response("User-agent: *\nDisallow: /c/\nDisallow: /p/\n", content_type=PLAIN)


@files.get("/livez")
def livez() -> Response:
    """The process answers."""
    return Response("ok\n", content_type=PLAIN)


@files.get("/readyz")
def readyz() -> Response:
    """200 when a check can be made: the registry answers, the trust list verifies, the store takes writes."""
    here = site()
    parts = {"registry": True, "trust_list": here.trust.current() is not None, "store": True}
    try:
        here.live.by_link_id(bytes(32))
    except VermilionError:
        parts["registry"] = False
    try:
        with here.store.begin() as connection:
            here.store.forget_empty(connection)
    except VermilionError:
        parts["store"] = False
    response = jsonify({name: "ok" if fine else "failing" for name, fine in parts.items()})
    response.status_code = 200 if all(parts.values()) else 503
    return response


@files.get("/alerts")
def alerts() -> Response:
    """Licences scanned unusually often: what the registry reads to tell their issuers. To this machine, or to
    whoever shows the secret of the settings.
    """
    here = site()
    if not is_local(request) and not _knows_the_secret(here.figures_secret):
        abort(404)
    since = here.clock().astimezone(here.settings.tz).date() - timedelta(days=KEPT_DAYS)
    names = ("day", "issuer", "identifier", "scans")
    return jsonify({"alerts": [dict(zip(names, one, strict=True)) for one in here.store.alerts(since)]})


@files.get("/figures")
def figures() -> Response:
    """How often each agency's licences were checked, by day and verdict: what the registry reads for
    oversight. Sums alone, and to this machine, or to whoever shows the secret of the settings.
    """
    here = site()
    if not is_local(request) and not _knows_the_secret(here.figures_secret):
        abort(404)
    since = here.clock().astimezone(here.settings.tz).date() - timedelta(days=CHECKS_KEPT_DAYS)
    names = ("day", "agency", "verdict", "checks")
    return jsonify({"checks": [dict(zip(names, one, strict=True)) for one in here.figures.told(since)]})


def _knows_the_secret(secret: bytes | None) -> bool:
    told = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return secret is not None and hmac.compare_digest(hashlib.sha256(told.encode()).digest(), secret)


@files.get("/metrics")
def prometheus() -> Response:
    """For a collector on this machine: a guesser shall not read here when a limit or an alarm was met."""
    if not is_local(request):
        abort(404)
    return Response(site().metrics.text(), content_type=metrics.CONTENT_TYPE)
