"""What every page of the console uses: whose browser it is, where a request comes from, cookies, headers, and
what is shown of a failure.

A route of this blueprint wants a session unless `registry.permissions` says otherwise, and every POST comes
from a page of the console itself: the browser says so (`Origin`, `Sec-Fetch-Site`), and the form carries its
session's token.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

from flask import Blueprint, Response, current_app, g, redirect, request, url_for
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException

from keys.errors import Kind, VermilionError
from registry import web
from registry.actor import Actor, Administrator, Duty
from registry.agencies.tables import Agency
from registry.buckets import Buckets, per_minute
from registry.console import sessions
from registry.console.oidc import OpenId
from registry.console.rendering import LANGUAGE_COOKIE, LANGUAGES, WORDS, civil, fill_in, language_of, moment
from registry.console.sessions import Half, Live
from registry.licences.outage import database_out, is_outage
from registry.licences.previews import Previews
from registry.permissions import PUBLIC, TABLE, admits
from registry.ports import Ports
from registry.problems import status_of

blueprint = Blueprint(web.CONSOLE, __name__, url_prefix="/console")

HOME = "/console/"
SIGN_IN = "/console/sign-in"
CONFIRM = "/console/confirm"
EXTENSION = "vermilion-console"
WATCHING = "X-Watching"  # a page that is renewed by its script: nobody need be there, so the session ages
SESSION, STEP, FLOW = "session", "step", "flow"  # cookies
MAX_FORM_BYTES = 16 * 1024
REQUESTS_PER_MINUTE = 60  # by one network, to a process, of what needs no session
UPLOADS = frozenset({"console.send_batch"})
"""Endpoints that take a form with a file: they look for its token themselves, as it comes."""

MENU = {
    "approvals": "console.approvals",
    "licences": "console.licences",
    "batches": "console.batches",
    "archive": "console.archive",
    "seals": "console.seals",
    "types": "console.types",
    "people": "console.people",
    "enrolments": "console.enrolments",
    "agencies": "console.agencies",
    "events": "console.events",
    "oversight": "console.oversight",
}
"""Where the menu leads whoever may go there: words of its entries, and endpoints."""

_PATH = re.compile(r"/console/(?:[A-Za-z0-9_.~-]+/?)*")

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), geolocation=(), microphone=(), payment=(), usb=(), "
        "publickey-credentials-create=(self), publickey-credentials-get=(self)"
    ),
    "Referrer-Policy": "same-origin",  # with none at all browsers hide the origin of a form, too
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Console:
    """What the console's pages carry beside the API's state."""

    openid: OpenId
    previews: Previews = field(default_factory=Previews)
    networks: Buckets = field(
        default_factory=lambda: Buckets(per_minute(REQUESTS_PER_MINUTE), monotonic=time.monotonic)
    )


def console() -> Console:
    return cast(Console, current_app.extensions[EXTENSION])


def live() -> Live:
    """The session of this request. Set before any view that is not open to all."""
    return cast(Live, g.live)


def staff(scope: str) -> Actor:
    """Who acts, for an agency, within a scope of its console. Raises VermilionError(FORBIDDEN)."""
    acting = live().actor
    if not isinstance(acting, Actor):
        raise VermilionError(Kind.FORBIDDEN, "this is for people of an agency", reason="duty")
    acting.require_scope(scope)
    return acting


def administrator(*duties: Duty) -> Administrator:
    """Who acts, of administration. Raises VermilionError(FORBIDDEN)."""
    acting = live().actor
    if not isinstance(acting, Administrator):
        raise VermilionError(Kind.FORBIDDEN, "this is administration's", reason="duty")
    acting.require(*duties)
    return acting


def fresh() -> None:
    """For dangerous acts, and the pages that ask for them: see `sessions.require_fresh`."""
    sessions.require_fresh(live(), web.ports().clock())


def network() -> str:
    """From which network the request comes."""
    return web.network()


# --- before and after ----------------------------------------------------------------------------------


@blueprint.before_request
def _enter() -> Response | None:
    g.live = None
    if request.endpoint == f"{web.CONSOLE}.static":
        return None
    ports = web.ports()
    ports.vault.ready()  # before a transaction that wants a data key
    if request.method not in {"GET", "HEAD"}:
        _require_own_page()
    with Session(ports.database.read) as session:
        g.live = sessions.find(session, cookie(SESSION), ports.clock())
    if g.live is not None:
        g.actor = g.live.actor
        if WATCHING not in request.headers:
            _touch(ports, g.live)
    if request.endpoint in PUBLIC:
        if request.method == "POST" and (wait := console().networks.enter(network()).wait):
            raise VermilionError(Kind.TOO_MANY, "too many requests", reason="attempts", retry_after=wait)
        return None
    if g.live is None:
        raise VermilionError(Kind.UNAUTHENTICATED, "sign in first", reason="session")
    if request.method not in {"GET", "HEAD"} and not _is_upload():
        require_token(g.live)
    return None


@blueprint.after_request
def _dress(response: Response) -> Response:
    response.headers.update(HEADERS)
    if web.ports().settings.console.startswith("https://"):
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.args.get("lang") in LANGUAGES:
        response.set_cookie(
            LANGUAGE_COOKIE,
            request.args["lang"],
            max_age=365 * 86400,
            path="/console",
            httponly=True,
            samesite="Lax",
            secure=_secure(),
        )
    return response


def _require_own_page() -> None:
    """Raises VermilionError(FORBIDDEN, `origin`) unless the browser says that a page of ours sends this."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    own = web.ports().settings.console
    if (origin is None and site is None) or origin not in {None, own} or site not in {None, "same-origin"}:
        raise VermilionError(
            Kind.FORBIDDEN, f"this was not sent by a page of the console, which is at {own}", reason="origin"
        )


def require_token(browser: Live | Half) -> None:
    """Raises VermilionError(FORBIDDEN, `form`) where the form is not one of this session's."""
    told = request.headers.get("X-Form-Token")
    if request.mimetype == web.FORM:
        told = form().get("form")
    require_token_told(browser, told)


def _is_upload() -> bool:
    return request.endpoint in UPLOADS and request.mimetype not in {web.FORM, "application/json"}


def require_token_told(browser: Live | Half, told: str | None) -> None:
    """Raises VermilionError(FORBIDDEN, `form`) where it is not the token of this session's forms."""
    if not hmac.compare_digest((told or "").encode(), sessions.csrf_of(browser.token).encode()):
        raise VermilionError(
            Kind.FORBIDDEN, "the form is of another session: load the page anew", reason="form"
        )


def _touch(ports: Ports, found: Live) -> None:
    now = ports.clock()
    if found.seen_at + sessions.SEEN_EVERY > now:
        return
    with suppress(SQLAlchemyError), ports.database.transaction() as session:  # it is not worth a failure
        sessions.touch(session, found, now)


# --- input ---------------------------------------------------------------------------------------------


def form() -> dict[str, str]:
    """The form's fields, each once. Raises VermilionError(MALFORMED, TOO_LARGE, UNAVAILABLE)."""
    if "form" not in g:
        g.form = web.read_form(max_bytes=MAX_FORM_BYTES)
    return cast("dict[str, str]", g.form)


def json_object() -> dict[str, Any]:
    """Raises VermilionError(UNSUPPORTED_MEDIA, TOO_LARGE, MALFORMED, UNAVAILABLE)."""
    with web.state().strangers.one():
        value = web.read_json(max_bytes=4 * MAX_FORM_BYTES)
    if not isinstance(value, dict):
        raise VermilionError(Kind.MALFORMED, "send an object")
    return value


def next_page(told: object) -> str:
    """Where somebody was going, if it is a page of the console; else its first."""
    return told if isinstance(told, str) and _PATH.fullmatch(told) and ".." not in told else HOME


def half(stage: str) -> Half | None:
    ports = web.ports()
    with Session(ports.database.read) as session:
        return sessions.find_half(session, cookie(STEP), stage, ports.clock())


# --- output --------------------------------------------------------------------------------------------


def page(
    template: str, status: int = 200, *, error: VermilionError | None = None, **context: Any
) -> Response:
    """A page; its status is that of the `error` which it tells of, where there is one."""
    lang = language_of(request)
    if error is not None:
        status = status_of(error.kind)
    found: Live | None = g.get("live")
    body = fill_in(
        template,
        lang,
        live=found,
        path=_page_path() or HOME,
        menu=[] if found is None else _menu(found),
        query=_kept_query(),
        **context,
    )
    response = Response(body, status=status, content_type="text/html; charset=utf-8")
    response.headers["Content-Language"] = {"zh": "zh-Hans", "en": "en"}[lang]
    response.headers["Cache-Control"] = "no-store"
    response.vary.update(("Accept-Language", "Cookie"))
    return response


def _menu(found: Live) -> list[tuple[str, str]]:
    return [
        (word, url_for(endpoint))
        for word, endpoint in MENU.items()
        if admits(TABLE[endpoint], found.actor, authority=found.seal_authority)
    ]


def _page_path() -> str | None:
    """Where this page can be asked for again: its own path, if it is not only sent to."""
    if request.method in {"GET", "HEAD"}:
        return request.path
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None
    asked, _ = adapter.match(request.path, "GET")
    return None if asked == f"{web.CONSOLE}.nowhere" else request.path


def words() -> dict[str, str]:
    """In the reader's language."""
    return WORDS[language_of(request)]


def agency_name(agency: Agency) -> str:
    """In the reader's language."""
    return agency.name_zh if language_of(request) == "zh" else agency.name_en


def said(reason: str) -> str:
    """What a page says of a failure; one thing for all that have no words of their own."""
    return words().get(f"fault_{reason}", words()["fault_other"])


def at(value: Any) -> str:
    return moment(value, web.ports().settings.tz, language_of(request))


def on(day: date | None) -> str | None:
    return None if day is None else civil(day, language_of(request))


def go(path: str) -> Response:
    return cast(Response, redirect(path, 303))


def gone_to(path: str) -> Response:
    """The answer to a script, which goes there."""
    return web.answer({"location": path})


def cookie(which: str) -> str | None:
    return request.cookies.get(_cookie_name(which))


def give_cookie(response: Response, which: str, value: str) -> Response:
    """For as long as the browser runs, for this host alone, out of reach of scripts. A flow's comes back from
    another site (Lax); the others go with what the console's own pages ask for, and nothing else (Strict).
    """
    response.set_cookie(
        _cookie_name(which),
        value,
        path="/",
        httponly=True,
        secure=_secure(),
        samesite="Lax" if which == FLOW else "Strict",
    )
    return response


def take_cookie(response: Response, which: str) -> Response:
    response.delete_cookie(
        _cookie_name(which),
        path="/",
        httponly=True,
        secure=_secure(),
        samesite="Lax" if which == FLOW else "Strict",
    )
    return response


def signed_in(response: Response, token: str) -> Response:
    """The browser has a new session: the one it had before, and the step to it, are over."""
    ports = web.ports()
    with ports.database.transaction() as session:
        for old in {cookie(SESSION), cookie(STEP)} - {None, token}:
            sessions.drop(session, str(old))
    take_cookie(response, STEP)
    return give_cookie(response, SESSION, token)


def _cookie_name(which: str) -> str:
    """`__Host-` (RFC 6265bis) wants https; on http://localhost not every browser keeps such a cookie."""
    return f"__Host-{which}" if _secure() else f"console-{which}"


def _secure() -> bool:
    return web.ports().settings.console.startswith("https://")


def _kept_query() -> str:
    """What of the query the language switch keeps: a link's own value."""
    kept = request.args.get("invitation", "")
    return f"&invitation={kept}" if re.fullmatch(r"[A-Za-z0-9_-]{43}", kept) else ""


# --- failures ------------------------------------------------------------------------------------------


@blueprint.errorhandler(VermilionError)
def _expected(error: VermilionError) -> Response:
    if error.reason == "session" and not request.is_json:
        asked = request.path if request.method == "GET" else HOME
        return go(SIGN_IN if asked == HOME else f"{SIGN_IN}?next={asked}")
    if error.reason == "step_up":
        asked = _page_path() or "/console/account"
        target = f"{CONFIRM}?next={next_page(asked)}"
        return gone_to(target) if request.is_json else go(target)
    web.note_refusal(error)
    status = status_of(error.kind)
    headers: Mapping[str, str] = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if request.is_json:
        response = web.answer({"reason": error.reason, "message": said(error.reason)}, status)
    else:
        response = page("message.html", status, title=said(error.reason), text=None)
    response.headers.update(headers)
    return response


@blueprint.errorhandler(SQLAlchemyError)
def _database_failed(error: SQLAlchemyError) -> Response:
    if not is_outage(error):
        raise error
    return _expected(database_out())


@blueprint.errorhandler(HTTPException)
def _http(error: HTTPException) -> Response:
    if (error.code or 500) >= 500:
        told = words()
        return page("message.html", error.code or 500, title=told["defect_title"], text=told["defect_text"])
    return page("message.html", error.code or 400, title=said("request"), text=None)


@blueprint.get("/static/<version>/<name>", endpoint="static")
def _static(version: str, name: str) -> Response:
    from registry.console.rendering import static_file

    return web.found(static_file(request, version, name), "file")


@blueprint.get("/<path:rest>", endpoint="nowhere")
def _nowhere(rest: str) -> Response:  # noqa: ARG001
    told = words()
    return page("message.html", 404, title=told["nowhere_title"], text=told["nowhere_text"])
