"""For whoever is signed in: the first page, their own account, a factor shown again, signing out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Response, request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry import web
from registry.actor import Actor, Administrator
from registry.agencies.tables import Agency, Person
from registry.batches.rules import unfinished
from registry.console import local, passkeys, sessions
from registry.console.admission_pages import waiting_for_security
from registry.console.approval_pages import asked_rows, waiting_rows
from registry.console.batch_pages import row_of
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
from registry.licences.outage import database_errors
from registry.log.tables import Event
from registry.oversight.rules import Period, own_figures
from registry.permissions import TABLE, admits
from registry.seals.duties import seals_waiting_for

ACCOUNT = "/console/account"
SIGN_INS_SHOWN = 10
SHOWN = 20  # of each list of the first page
AT_A_GLANCE = ("issued", "next_editions", "suspended", "ended", "lapsed", "abandoned")


@dataclass(frozen=True, slots=True)
class SignIn:
    """One of the last times that somebody signed in; in words."""

    when: str
    means: str


@blueprint.get("/")
def home() -> Response:
    """What waits for whoever is signed in, each as its own page has it."""
    acting, told = live().actor, words()
    with database_errors(), Session(web.ports().database.read) as session:
        person = session.get_one(Person, live().person_id)
        agency = None if person.agency_code is None else session.get(Agency, person.agency_code)
        held = [person.duty] if isinstance(acting, Administrator) else person.roles
        shown = {} if not isinstance(acting, Actor) else _of_agency(session, acting)
        if admits(TABLE["console.decide_enrolment"], acting, authority=False):
            shown["enrolments"], shown["invited"] = waiting_for_security(session)
    nothing = ("waiting", "asked", "seals", "batches", "figures", "enrolments", "invited")
    return page(
        "home.html",
        agency=None if agency is None else agency_name(agency),
        roles=[told[f"role_{one}"] for one in held],
        **{**dict.fromkeys(nothing), **shown},
    )


def _of_agency(session: Session, actor: Actor) -> dict[str, Any]:
    """By what the table of permissions lets them see."""
    ports, told = web.ports(), words()
    authority, shown = live().seal_authority, dict[str, Any]()
    if admits(TABLE["console.approvals"], actor, authority=authority):
        shown["waiting"] = waiting_rows(session)
    if admits(TABLE["console.seals"], actor, authority=authority):
        shown["asked"] = asked_rows(session)
        shown["seals"] = [
            {"code": one.code, "name": one.name, "next": told[f"next_{one.state}"]}
            for one in seals_waiting_for(session, actor, SHOWN)
        ]
    if admits(TABLE["console.batches"], actor, authority=authority):
        shown["batches"] = [row_of(session, one) for one in unfinished(session, actor, ports.clock(), SHOWN)]
        today = ports.clock().astimezone(ports.settings.tz).date()
        counted = own_figures(session, actor.agency_code, Period(today.replace(day=1), today), today)
        shown["figures"] = [(told[f"figure_{name}"], counted.get(name, 0)) for name in AT_A_GLANCE]
    return shown


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
