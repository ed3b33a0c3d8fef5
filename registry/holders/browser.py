"""What every page for holders uses. Nobody signs in: what a holder has is a link, or what is printed on
paper.

The pages are of the agency API's process, because they write the record, which the public site cannot. A
proxy gives them an origin of their own (`holder_origin`) and leads `/holder/` there, and nothing else.
"""

from __future__ import annotations

import re
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any, cast

from flask import Blueprint, Response, current_app, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from keys.errors import Kind, VermilionError
from registry import web
from registry.buckets import Buckets, per_minute
from registry.console.rendering import static_file
from registry.holders.rendering import HTML_LANG, PAGES, WORDS, Pages, language_of
from registry.licences.outage import database_out, is_outage
from registry.problems import status_of

blueprint = Blueprint(web.HOLDER, __name__, url_prefix="/holder")

EXTENSION = "vermilion-holders"
MAX_FORM_BYTES = 16 * 1024
REQUESTS_PER_MINUTE = 60  # by one network, to a process
SECRET_BYTES = 32
COOKIE_SECONDS = 3600
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",  # an address here may hold a link's secret
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


@dataclass(frozen=True)
class Holders:
    """What these pages carry beside the API's state."""

    networks: Buckets = field(
        default_factory=lambda: Buckets(per_minute(REQUESTS_PER_MINUTE), monotonic=time.monotonic)
    )


@blueprint.before_request
def _enter() -> None:
    if request.endpoint == f"{web.HOLDER}.static":
        return
    require_room(cast(Holders, current_app.extensions[EXTENSION]).networks)
    require_own_page()


def require_room(networks: Buckets) -> None:
    """Count a request of its network's. Raises VermilionError(TOO_MANY)."""
    if wait := networks.enter(web.network()).wait:
        raise VermilionError(Kind.TOO_MANY, "too many requests", reason="rate", retry_after=wait)


def require_own_page() -> None:
    """Raises VermilionError(FORBIDDEN, `origin`) for a form that, as its browser says, another site sends."""
    site = request.headers.get("Sec-Fetch-Site", "none")  # which a browser says of its own doing, too
    if request.method == "POST" and site not in {"none", "same-origin"}:
        raise VermilionError(Kind.FORBIDDEN, "this was not sent by a page of ours", reason="origin")


@blueprint.after_request
def dress(response: Response) -> Response:
    """Give it the headers of these pages."""
    response.headers.update(HEADERS)
    if _secure():
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def page(
    template: str, status: int = 200, *, own: str | None = None, of: Pages = PAGES, **context: Any
) -> Response:
    """A page, in its `own` language where it has one and the reader asks for no other."""
    lang = language_of(request, own)
    body = of.fill_in(template, lang, request.path, **context)
    response = Response(body, status=status, content_type="text/html; charset=utf-8")
    response.headers["Content-Language"] = HTML_LANG[lang]
    response.headers["Cache-Control"] = "no-store"
    response.vary.update(("Accept-Language", "Cookie"))
    return response


def words(own: str | None = None) -> dict[str, str]:
    """In the reader's language, or the page's own."""
    return WORDS[language_of(request, own)]


def form() -> dict[str, str]:
    """Raises VermilionError as `web.read_form`."""
    return web.read_form(max_bytes=MAX_FORM_BYTES)


# --- the one cookie ------------------------------------------------------------------------------------


def browser() -> str | None:
    """What this browser is known by, if it keeps cookies and was here before."""
    told = request.cookies.get(_cookie_name(), "")
    return told if _SECRET.fullmatch(told) else None


def know_browser(response: Response) -> Response:
    """Have the browser known when it comes back within the hour. Lax: a link in a message leads here from
    elsewhere.
    """
    if browser() is None:
        secret = urlsafe_b64encode(web.ports().random(SECRET_BYTES)).rstrip(b"=").decode("ascii")
        response.set_cookie(
            _cookie_name(),
            secret,
            max_age=COOKIE_SECONDS,
            path="/",
            httponly=True,
            secure=_secure(),
            samesite="Lax",
        )
    return response


def _cookie_name() -> str:
    """`__Host-` (RFC 6265bis) wants https; on http://localhost not every browser keeps such a cookie."""
    return "__Host-holder" if _secure() else "vermilion-holder"


def _secure() -> bool:
    return web.ports().settings.holder.startswith("https://")


# --- failures ------------------------------------------------------------------------------------------

_SAID = {Kind.TOO_MANY: "fault_busy", Kind.UNAVAILABLE: "fault_out"}


def tell_failures(pages: Blueprint, of: Pages) -> None:
    """Have what these views raise told by a page."""

    def expected(error: VermilionError) -> Response:
        told = of.words[language_of(request)]
        said = told.get(f"fault_{error.reason}", told[_SAID.get(error.kind, "fault_other")])
        response = page("message.html", status_of(error.kind), of=of, title=told["fault_title"], texts=[said])
        if error.retry_after is not None:
            response.headers["Retry-After"] = str(error.retry_after)
        return response

    def database_failed(error: SQLAlchemyError) -> Response:
        if not is_outage(error):
            raise error
        return expected(database_out())

    def http(error: HTTPException) -> Response:
        told = of.words[language_of(request)]
        return page(
            "message.html", error.code or 500, of=of, title=told["fault_title"], texts=[told["fault_other"]]
        )

    pages.register_error_handler(VermilionError, expected)
    pages.register_error_handler(SQLAlchemyError, database_failed)
    pages.register_error_handler(HTTPException, http)


tell_failures(blueprint, PAGES)


@blueprint.get("/static/<version>/<name>", endpoint="static")
def _static(version: str, name: str) -> Response:
    return web.found(static_file(request, version, name), "file")
