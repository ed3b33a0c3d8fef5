"""The shortest way to the answer that is asked for most: a licence's link, as a phone's camera opens it.

A plain GET of /c/<id> is answered here, by the functions that its route calls, without the framework's
request, response and hooks around them, which cost more than the answer. Everything else goes to the
framework, and so does a request that fails here: it then says what the matter was. Both give the same answer,
log line and measurements; a test compares them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from registry.request_ids import HEADER, request_id
from verify_web import access_log, checks, headers
from verify_web.answers import status_code
from verify_web.language import HTML_LANG, preferred
from verify_web.reference import new_reference
from verify_web.routes import HTML, JSON, VARY, likes_json, outcome_body, outcome_text

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from verify_web.site import Site

_PATH = re.compile(r"/c/([A-Za-z0-9_-]{22})")
_ROUTE = "/c/<link_id>"


class ScanRoad:
    """A WSGI application before `framework`. `proxies`: X-Forwarded-For is expected, and no cause to warn."""

    def __init__(self, framework: WSGIApplication, site: Site, *, proxies: bool) -> None:
        self.framework = framework
        self._site = site
        self._proxies = proxies
        self._seconds = site.metrics.seconds.labels(_ROUTE)
        secure = site.settings.public_origin.startswith("https://")
        self._headers = [("Vary", VARY), *headers.always(secure=secure), *headers.UNLESS_SAID]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = _PATH.fullmatch(environ.get("PATH_INFO", ""))
        if path is None or not self._is_plain(environ):
            return self.framework(environ, start_response)
        try:
            status, told, body = self._answer(path[1], environ)
        except Exception:  # noqa: BLE001  (it comes again in the framework, which answers, counts and logs it)
            return self.framework(environ, start_response)
        start_response(status, told)
        return [body]

    def _is_plain(self, environ: WSGIEnvironment) -> bool:
        return (
            environ["REQUEST_METHOD"] == "GET"
            and not environ.get("QUERY_STRING")
            and not environ.get("SCRIPT_NAME")
            and (self._proxies or "HTTP_X_FORWARDED_FOR" not in environ)
        )

    def _answer(self, link_id: str, environ: WSGIEnvironment) -> tuple[str, list[tuple[str, str]], bytes]:
        """Status line, headers and body."""
        here, started = self._site, time.perf_counter()
        outcome, link = checks.scanned_link(here, link_id)
        status = status_code(outcome.verification, look_up=True)
        name = request_id(environ.get("HTTP_X_REQUEST_ID"))
        verdict = outcome.verification.verdict.value
        line: dict[str, object] = {"link": link.hex(), "request_id": name, "verdict": verdict}
        if likes_json(environ.get("HTTP_ACCEPT", "")):
            body = outcome_text(here, outcome)
            told = [("Content-Type", JSON), ("Content-Length", str(len(body)))]
        else:
            lang = preferred(environ.get("HTTP_ACCEPT_LANGUAGE", ""))
            reference = "" if outcome.licence is None else new_reference()
            body = outcome_body(here, outcome, lang, link_path=f"/c/{link_id}", reference=reference)
            told = [
                ("Content-Type", HTML),
                ("Content-Length", str(len(body))),
                ("Content-Language", HTML_LANG[lang]),
            ]
            if reference:
                line["reference"] = reference
        access_log.say("GET", _ROUTE, status, time.perf_counter() - started, len(body), line)
        self._seconds.observe(time.perf_counter() - started)
        return f"{status} {_PHRASES[status]}", [*told, (HEADER, name), *self._headers], body


_PHRASES = {status.value: status.phrase.upper() for status in HTTPStatus}
