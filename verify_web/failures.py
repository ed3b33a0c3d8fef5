"""What a visitor gets when there is no answer to give."""

from __future__ import annotations

import logging

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException, default_exceptions

from keys.errors import Kind, VermilionError
from registry.problems import METHOD_NOT_ALLOWED, TABLE, defect, plain, problem
from verify_web import checks
from verify_web.assets import WORDS
from verify_web.language import HTML_LANG, negotiate
from verify_web.routes import outcome_json, outcome_page, render, wants_json
from verify_web.site import site

LINKS = frozenset({"pages.link", "pages.presentation"})  # read by programs too
CHECKS = LINKS | {"pages.check", "pages.upload", "api.verifications"}
"""Routes that answer a check: whatever fails there, the answer is a verdict, `cannot_check`."""

_KINDS = {400: Kind.MALFORMED, 404: Kind.NOT_FOUND, 413: Kind.TOO_LARGE, 415: Kind.UNSUPPORTED_MEDIA}
_WORDS = {404: "not_found", 405: "method"}
_log = logging.getLogger("vermilion.site")


def for_program() -> bool:
    """Whether the answer is read by a program."""
    return request.path.startswith(("/api/", "/.well-known/", "/static/", "/status/")) or wants_json(request)


def _page(status: int, words: str) -> Response:
    lang = negotiate(request)
    text = WORDS[lang]
    body = render("message.html", lang, title=text[f"{words}_title"], message=text[f"{words}_text"])
    response = Response(body, status=status, content_type="text/html; charset=utf-8")
    response.headers["Content-Language"] = HTML_LANG[lang]
    response.vary.update(("Accept", "Accept-Language"))
    return response


def cannot_check_answer(reason: str) -> Response:
    """503: the check could not be made, which says nothing about the licence."""
    here = site()
    outcome = checks.unanswered(here, reason)
    as_json = request.path.startswith("/api/") or (request.endpoint in LINKS and wants_json(request))
    response = outcome_json(here, outcome, status=503) if as_json else outcome_page(here, outcome, status=503)
    response.headers["Retry-After"] = "30"
    return response


def _expected(error: VermilionError) -> Response:
    if error.kind is Kind.UNAVAILABLE and request.endpoint in CHECKS:
        return cannot_check_answer("busy" if error.reason == "busy" else "registry_unreachable")
    body, status, headers = problem(error, g.get("request_id"))
    if for_program():
        response = jsonify(body)
        response.status_code = status
    else:
        response = _page(status, "error" if status >= 500 else "bad_request")
        headers.pop("Content-Type")
    response.headers.update(headers)
    if error.kind is Kind.UNAUTHENTICATED:  # RFC 6750, section 3
        shown = "" if error.reason == "no_key" else ', error="invalid_token"'
        response.headers["WWW-Authenticate"] = f'Bearer realm="vermilion"{shown}'
    return response


def _http(error: HTTPException) -> Response:
    """Raised by the framework while routing or reading."""
    status = error.code or 500
    if for_program():
        name = g.get("request_id")
        if status == TABLE[METHOD_NOT_ALLOWED].status:
            body, _, headers = plain(METHOD_NOT_ALLOWED, name)
        else:
            kind = _KINDS.get(status, Kind.MALFORMED)
            body, _, headers = problem(VermilionError(kind, error.name), name)
        response = jsonify(body | {"status": status})
        response.headers.update(headers)
    else:
        response = _page(status, _WORDS.get(status, "bad_request"))
    response.status_code = status
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _defect(error: Exception) -> Response:
    """Counted, logged without what the visitor sent, answered without detail."""
    here = site()
    here.metrics.defects.count(request.endpoint or "(none)", error)
    line = {"event": "defect", "route": request.endpoint, "request_id": g.get("request_id")}
    _log.error("defect", exc_info=error, extra={"line": line})
    if request.endpoint in CHECKS:
        return cannot_check_answer("check_failed")
    if not for_program():
        return _page(500, "error")
    body, status, headers = defect(g.get("request_id"))
    response = jsonify(body)
    response.status_code = status
    response.headers.update(headers)
    return response


def register(app: Flask, *, catch_all: bool) -> None:
    """Expected failures always; the catch-all unless tests switch it off."""
    app.register_error_handler(VermilionError, _expected)
    for code in default_exceptions:
        app.register_error_handler(code, _http)
    app.register_error_handler(HTTPException, _http)
    if catch_all:
        app.register_error_handler(Exception, _defect)
    else:
        app.config["PROPAGATE_EXCEPTIONS"] = True
