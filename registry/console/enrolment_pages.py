"""Setting how one signs in: with the link and the code of an invitation."""

from __future__ import annotations

from flask import Response, request
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry import web
from registry.attempts.rules import enter, succeeded
from registry.console import attempts, invitations, local, passkeys, sessions, totp
from registry.console.browser import (
    SIGN_IN,
    STEP,
    blueprint,
    form,
    give_cookie,
    go,
    gone_to,
    half,
    json_object,
    network,
    page,
    require_token,
    said,
    take_cookie,
)
from registry.console.rendering import qr_picture
from registry.console.sessions import Half

ENROL = "/console/enrol"


@blueprint.get("/enrol")
def invitation() -> Response:
    return page("invitation.html", link=request.args.get("invitation", "")[:64], fault=None)


@blueprint.post("/enrol")
def open_invitation() -> Response:
    ports, told = web.ports(), form()
    link = told.get("invitation", "").strip().rpartition("invitation=")[2]  # a whole address is taken as well
    attempt = attempts.network_attempt(ports.vault, network())
    with ports.database.transaction() as session:
        wait = enter(session, attempt, ports.clock())
    try:
        attempts.require_room(wait)
        with Session(ports.database.read) as session:
            row = invitations.opened_by(session, link, told.get("code", ""), ports.clock())
    except VermilionError as error:
        return page("invitation.html", error=error, link=link[:64], fault=said(error.reason))
    with ports.database.transaction() as session:
        succeeded(session, attempt)
        token = sessions.begin_half(session, ports, row.person_id, sessions.ENROLLING, row.id)
    return give_cookie(go(f"{ENROL}/choose"), STEP, token)


@blueprint.get("/enrol/choose")
def choose() -> Response:
    found = half(sessions.ENROLLING)
    if found is None:
        return go(ENROL)
    return _choice(found)


@blueprint.post("/enrol/password")
def set_password() -> Response:
    found = _enrolling()
    told = form()
    try:
        local.set_password(
            web.ports(), found, told.get("password", ""), told.get("repeated", ""), told.get("code", "")
        )
    except VermilionError as error:
        if error.kind is not Kind.INVALID:
            raise
        return _choice(found, error)
    return take_cookie(go(f"{SIGN_IN}?done=1"), STEP)


@blueprint.post("/enrol/passkey/options")
def new_passkey_options() -> Response:
    return web.answer(passkeys.registration_options(web.ports(), _enrolling()))


@blueprint.post("/enrol/passkey")
def set_passkey() -> Response:
    found = _enrolling()
    passkeys.set_passkey(web.ports(), found, passkeys.NewAnswer.read(json_object().get("answer")))
    return take_cookie(gone_to(f"{SIGN_IN}?done=1"), STEP)


def _enrolling() -> Half:
    """Raises VermilionError(UNAUTHENTICATED, `invitation`; FORBIDDEN, `form`)."""
    found = half(sessions.ENROLLING)
    if found is None:
        raise invitations.no_invitation()
    require_token(found)
    return found


def _choice(found: Half, error: VermilionError | None = None) -> Response:
    ports = web.ports()
    draft = local.draft_for(ports, found)
    name = passkeys.NAME
    return page(
        "choose.html",
        error=error,
        token=sessions.csrf_of(found.token),
        account=draft.account,
        secret=totp.spoken(draft.secret),
        picture=qr_picture(totp.address(draft.secret, name, draft.account)),
        fault=None if error is None else said(error.reason),
        at=None if error is None else error.reason.partition("_")[0],
    )
