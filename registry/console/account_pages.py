"""For whoever is signed in: the first page, their own account, a factor shown again, signing out."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry import web
from registry.actor import Administrator
from registry.agencies.tables import Agency, Person
from registry.console import local, passkeys, sessions
from registry.console.approval_pages import waiting_rows
from registry.console.browser import (
    SESSION,
    SIGN_IN,
    agency_name,
    at,
    blueprint,
    form,
    go,
    gone_to,
    json_object,
    live,
    next_page,
    page,
    said,
    signed_in,
    take_cookie,
    words,
)
from registry.console.tables import ConsoleSession, OutsideIdentity
from registry.log.tables import Event
from registry.permissions import TABLE, admits

ACCOUNT = "/console/account"
SIGN_INS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class SignIn:
    """One of the last times that somebody signed in; in words."""

    when: str
    means: str


@blueprint.get("/")
def home() -> Response:
    with Session(web.ports().database.read) as session:
        person = session.get_one(Person, live().person_id)
        agency = None if person.agency_code is None else session.get(Agency, person.agency_code)
        told = words()
        held = [person.duty] if isinstance(live().actor, Administrator) else person.roles
        name = None if agency is None else agency_name(agency)
        decides = admits(TABLE["console.approvals"], live().actor, authority=live().seal_authority)
        waiting = waiting_rows(session) if decides else None
    return page("home.html", agency=name, roles=[told[f"role_{one}"] for one in held], waiting=waiting)


@blueprint.get("/account")
def account() -> Response:
    return _account_page()


@blueprint.post("/account/passkeys/options")
def add_passkey_options() -> Response:
    sessions.require_fresh(live(), web.ports().clock())
    return web.answer(passkeys.registration_options(web.ports(), live()))


@blueprint.post("/account/passkeys")
def add_passkey() -> Response:
    sessions.require_fresh(live(), web.ports().clock())
    passkeys.add_passkey(web.ports(), live(), passkeys.NewAnswer.read(json_object().get("answer")))
    return gone_to(f"{ACCOUNT}?done=1")


@blueprint.post("/account/passkeys/<hex32:passkey_id>/removal")
def remove_passkey(passkey_id: str) -> Response:
    sessions.require_fresh(live(), web.ports().clock())
    try:
        passkeys.remove_passkey(web.ports(), live(), passkey_id)
    except VermilionError as error:
        return _account_page(error)
    return go(f"{ACCOUNT}?done=1")


@blueprint.get("/confirm")
def confirm() -> Response:
    return _confirm_page(next_page(request.args.get("next")))


@blueprint.post("/confirm")
def confirm_code() -> Response:
    told = form()
    asked = next_page(told.get("next"))
    try:
        local.show_code_again(web.ports(), live().person_id, told.get("code", ""))
    except VermilionError as error:
        return _confirm_page(asked, error)
    ports = web.ports()
    with ports.database.transaction() as session:
        token = sessions.prove_again(session, ports, live(), "password")
    return signed_in(go(asked), token)


@blueprint.post("/confirm/passkey/options")
def confirm_passkey_options() -> Response:
    return web.answer(passkeys.prove_options(web.ports(), live()))


@blueprint.post("/confirm/passkey")
def confirm_passkey() -> Response:
    told = json_object()
    token = passkeys.show_again(web.ports(), live(), passkeys.Answer.read(told.get("answer")))
    return signed_in(gone_to(next_page(told.get("next"))), token)


@blueprint.post("/sign-out")
def sign_out() -> Response:
    return _out(everywhere=False)


@blueprint.post("/sign-out-everywhere")
def sign_out_everywhere() -> Response:
    return _out(everywhere=True)


def _out(*, everywhere: bool) -> Response:
    ports = web.ports()
    with ports.database.transaction() as session:
        sessions.end(session, ports, live(), everywhere=everywhere)
    response = take_cookie(go(SIGN_IN), SESSION)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def _account_page(error: VermilionError | None = None) -> Response:
    ports, mine, told = web.ports(), live(), words()
    with Session(ports.database.read) as session:
        held = passkeys.of_person(session, mine.person_id)
        signed = session.scalars(
            select(Event)
            .where(Event.person_id == mine.person_id, Event.kind == sessions.BEGUN)
            .order_by(Event.recorded_at.desc(), Event.id.desc())
            .limit(SIGN_INS_SHOWN)
        ).all()
        open_now = select(func.count()).where(
            ConsoleSession.person_id == mine.person_id,
            ConsoleSession.stage == sessions.OPEN,
            ConsoleSession.expires_at > ports.clock(),
        )
        outside = select(OutsideIdentity.id).where(
            OutsideIdentity.person_id == mine.person_id, OutsideIdentity.active
        )
        return page(
            "account.html",
            error=error,
            passkeys=[
                {
                    "id": one.id,
                    "label": one.label,
                    "created": at(one.created_at),
                    "used": at(one.last_used_at) if one.last_used_at else None,
                }
                for one in held
            ],
            has_code=local.has_code(session, mine.person_id),
            outside=ports.settings.oidc_name if session.scalar(outside) else None,
            sign_ins=[SignIn(at(one.recorded_at), told[f"means_{one.detail['means']}"]) for one in signed],
            sessions=session.scalars(open_now).one(),
            fault=None if error is None else said(error.reason),
            done=request.args.get("done") == "1",
            here=ACCOUNT,
        )


def _confirm_page(asked: str, error: VermilionError | None = None) -> Response:
    with Session(web.ports().database.read) as session:
        return page(
            "confirm.html",
            error=error,
            asked=asked,
            has_code=local.has_code(session, live().person_id),
            has_passkey=bool(passkeys.of_person(session, live().person_id)),
            provider=web.ports().settings.oidc_name if live().means == "oidc" else None,
            fault=None if error is None else said(error.reason),
        )
