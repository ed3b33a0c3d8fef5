"""Signing in: by password and code, by passkey, by an OpenID provider."""

from __future__ import annotations

from flask import Response, g, request

from keys.errors import VermilionError
from registry import web
from registry.console import local, oidc, passkeys, sessions
from registry.console.browser import (
    FLOW,
    HOME,
    SIGN_IN,
    STEP,
    blueprint,
    console,
    cookie,
    form,
    give_cookie,
    go,
    gone_to,
    half,
    json_object,
    network,
    next_page,
    page,
    require_token,
    said,
    signed_in,
    take_cookie,
)

CODE = f"{SIGN_IN}/code"


@blueprint.get("/sign-in")
def sign_in() -> Response:
    if g.live is not None:
        return go(HOME)
    return _sign_in_page(asked=next_page(request.args.get("next")), done=request.args.get("done") == "1")


@blueprint.post("/sign-in")
def check_password() -> Response:
    told = form()
    asked, account = next_page(told.get("next")), told.get("account", "")
    try:
        token = local.check_password(web.ports(), network(), account, told.get("password", ""))
    except VermilionError as error:
        return _refused(error, _sign_in_page(asked=asked, account=account, error=error))
    return give_cookie(go(CODE if asked == HOME else f"{CODE}?next={asked}"), STEP, token)


@blueprint.get("/sign-in/code")
def code() -> Response:
    found = half(sessions.PASSWORD)
    if found is None:
        return go(SIGN_IN)
    asked = next_page(request.args.get("next"))
    return page("code.html", token=sessions.csrf_of(found.token), asked=asked, fault=None)


@blueprint.post("/sign-in/code")
def check_code() -> Response:
    found = half(sessions.PASSWORD)
    if found is None:
        return go(SIGN_IN)
    require_token(found)
    told = form()
    asked = next_page(told.get("next"))
    try:
        token = local.check_code(web.ports(), found, told.get("code", ""))
    except VermilionError as error:
        token, fault = sessions.csrf_of(found.token), said(error.reason)
        return _refused(error, page("code.html", error=error, token=token, asked=asked, fault=fault))
    return signed_in(go(asked), token)


@blueprint.post("/sign-in/passkey/options")
def passkey_options() -> Response:
    account = json_object().get("account", "")
    return web.answer(passkeys.sign_in_options(web.ports(), account if isinstance(account, str) else ""))


@blueprint.post("/sign-in/passkey")
def check_passkey() -> Response:
    told = json_object()
    token = passkeys.sign_in(web.ports(), passkeys.Answer.read(told.get("answer")))
    return signed_in(gone_to(next_page(told.get("next"))), token)


@blueprint.get("/oidc/start")
def start_oidc() -> Response:
    """To the provider; with `again=1`, for somebody signed in, to show a factor there once more."""
    ports = web.ports()
    if not ports.settings.oidc_issuer:
        return go(SIGN_IN)
    again = g.live if request.args.get("again") == "1" else None
    flow = oidc.begin_flow(ports.vault, ports.random, ports.clock(), again)
    return give_cookie(go(oidc.address(ports.vault, console().openid, flow)), FLOW, flow.cookie)


@blueprint.get("/oidc/callback")
def oidc_callback() -> Response:
    """A page that leads on, and no redirect: within one that another site began, the new cookie would not be
    sent along.
    """
    ports = web.ports()
    flow = oidc.read_flow(cookie(FLOW))
    returned = {name: values[0] for name, values in request.args.lists() if len(values) == 1}
    try:
        token = oidc.finish(ports, console().openid, flow, returned)
    except VermilionError as error:
        return take_cookie(_refused(error, _sign_in_page(asked=HOME, error=error)), FLOW)
    return signed_in(take_cookie(page("onward.html", to=HOME), FLOW), token)


def _sign_in_page(
    *, asked: str, account: str = "", error: VermilionError | None = None, done: bool = False
) -> Response:
    settings = web.ports().settings
    return page(
        "sign_in.html",
        error=error,
        asked=asked,
        account=account[:64],
        fault=None if error is None else said(error.reason),
        wait=None if error is None or error.retry_after is None else -(-error.retry_after // 60),
        done=done,
        provider=settings.oidc_name if settings.oidc_issuer else None,
    )


def _refused(error: VermilionError, shown: Response) -> Response:
    """With the time to wait, where there is one."""
    if error.retry_after is not None:
        shown.headers["Retry-After"] = str(error.retry_after)
    return shown
