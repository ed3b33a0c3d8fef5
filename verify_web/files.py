"""Published files, static files and what operators ask."""

from __future__ import annotations

import hashlib

from flask import Blueprint, Response, abort, jsonify, request

from keys.errors import VermilionError
from registry.local import is_local
from verify_web import assets, metrics
from verify_web.site import site

files = Blueprint("files", __name__)


@files.get("/.well-known/elicence/trust-list")
def trust_list() -> Response:
    """The signed trust list as published: a compact JWS (RFC 7515)."""
    jws = site().trust.published().jws.encode()
    response = Response(jws, content_type="application/jwt")
    response.set_etag(hashlib.sha256(jws).hexdigest()[:32])
    response.headers["Cache-Control"] = "public, max-age=60"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
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
    return Response("User-agent: *\nDisallow: /c/\n", content_type="text/plain; charset=utf-8")


@files.get("/livez")
def livez() -> Response:
    """The process answers."""
    return Response("ok\n", content_type="text/plain; charset=utf-8")


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


@files.get("/metrics")
def prometheus() -> Response:
    """For a collector on this machine: a guesser shall not read here when a limit or an alarm was met."""
    if not is_local(request):
        abort(404)
    return Response(site().metrics.text(), content_type=metrics.CONTENT_TYPE)
