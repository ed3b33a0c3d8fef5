"""Seals: listed, read, where they were used, and stopped at once. Each page asks the rules of the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from flask import Response, request
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer_group

from keys.errors import Kind, VermilionError
from registry import web
from registry.actor import Actor
from registry.agencies.rules import SCOPE_SEAL
from registry.agencies.tables import Agency, Client
from registry.console.browser import agency_name, at, blueprint, fresh, go, on, page, staff, words
from registry.console.grounds import fault_of, filled
from registry.console.rendering import language_of
from registry.licences.outage import database_errors
from registry.licences.types import known_type
from registry.seals import duties, rules, uses
from registry.seals.api import GroundBody, LossBody, made_known
from registry.seals.shown import shown_in
from registry.seals.tables import Certificate, Seal, SealEdition, SealState, StandingAuthorisation
from registry.seals.transitions import NOT_CANCELLED
from signing.picture_png import picture_png

SEALS = "/console/seals"
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Change:
    """What can be done to a seal from its page: from which states, and which fields it asks for."""

    states: tuple[str, ...]
    fields: tuple[str, ...]
    work: Callable[[Session, Actor, str], object]
    at_once: bool  # else another person decides it


def _ground() -> GroundBody:
    return web.parse(GroundBody, filled("legal_basis", "reason_code"))


def _suspend(session: Session, actor: Actor, code: str) -> object:
    return rules.suspend(session, web.ports(), actor, code, _ground().ground())


def _lose(session: Session, actor: Actor, code: str) -> object:
    body = web.parse(LossBody, filled("legal_basis"))
    return rules.report_lost(session, web.ports(), actor, code, body.legal_basis)


def _ask(action: str) -> Callable[[Session, Actor, str], object]:
    def work(session: Session, actor: Actor, code: str) -> object:
        return rules.request_change(session, web.ports(), actor, code, action, _ground().ground())

    return work


_GROUND = ("legal_basis", "reason_code")
CHANGES = {
    "suspension": Change(("active",), _GROUND, _suspend, at_once=True),
    "loss-report": Change(("active", "suspended"), ("legal_basis",), _lose, at_once=True),
    "resumption-request": Change(("suspended",), _GROUND, _ask(rules.RESUME), at_once=False),
    "cancellation-request": Change(NOT_CANCELLED, _GROUND, _ask(rules.CANCEL), at_once=False),
}
_CHANGE = f"<any({', '.join(repr(name) for name in CHANGES)}):change>"


@blueprint.get("/seals")
def seals() -> Response:
    actor = staff(SCOPE_SEAL)
    after = request.args.get("after", "")
    if not re.fullmatch(r"[0-9]{0,14}", after):
        raise VermilionError(Kind.MALFORMED, "after is a seal code", reason="request")
    with database_errors(), Session(web.ports().database.read) as session:
        found = duties.seals_seen_by(session, actor, after, SHOWN + 1)
        agencies = agency_names(session, {one.agency_code for one in found})
    rows = [
        {
            "code": one.code,
            "name": one.name,
            "agency": agencies[one.agency_code],
            "kind": words()[f"kind_{one.kind}"],
            "state": one.state,
            "standing": words()[f"seal_{one.state}"],
        }
        for one in found[:SHOWN]
    ]
    return page("seals.html", rows=rows, after=found[SHOWN - 1].code if len(found) > SHOWN else None)


def agency_names(session: Session, codes: set[str]) -> dict[str, str]:
    rows = session.scalars(select(Agency).where(Agency.code.in_(codes)))
    return {one.code: agency_name(one) for one in rows}


@blueprint.get("/seals/<seal_code:code>")
def seal(code: str) -> Response:
    actor, told = staff(SCOPE_SEAL), words()
    with database_errors(), Session(web.ports().database.read) as session:
        found = duties.seal_seen_by(session, actor, code)
        history = session.scalars(
            select(SealState).where(SealState.seal_code == code).order_by(SealState.version)
        ).all()
        editions = session.execute(
            select(SealEdition, Certificate.state)
            .join(Certificate, Certificate.serial == SealEdition.certificate_serial)
            .where(SealEdition.seal_code == code)
            .order_by(SealEdition.number.desc())
        ).all()
        granted = session.execute(
            select(StandingAuthorisation, Client.name)
            .join(Client, Client.id == StandingAuthorisation.client_id)
            .where(StandingAuthorisation.seal_code == code, StandingAuthorisation.withdrawn_at.is_(None))
            .order_by(StandingAuthorisation.granted_at, StandingAuthorisation.id)
            .limit(100)
        ).all()
        where = shown_in(session, code, web.ports().clock())
        lang = language_of(request)
        types = {row.type_code: known_type(session, row.type_code) for row, _ in granted}
        agency = agency_names(session, {found.agency_code})[found.agency_code]
        overseer = _may(lambda: duties.require_overseer(session, actor))
        stopper = _may(lambda: duties.require_keeper_or_approver(session, actor, found))
    did = request.args.get("done")
    return page(
        "seal.html",
        seal=found,
        agency=agency,
        kind=told[f"kind_{found.kind}"],
        standing=told[f"seal_{found.state}"],
        compromised=at(found.compromised_since) if found.compromised_since else None,
        history=[(told[f"seal_{row.state}"], at(row.from_at)) for row in history],
        editions=[
            {
                "number": row.number,
                "name": row.name,
                "state": told[f"seal_edition_{row.state}"],
                "certificate": told[f"certificate_{certificate}"],
                "from": at(row.valid_from),
                "to": at(row.valid_to),
            }
            for row, certificate in editions
        ],
        granted=[
            {
                "client": name,
                "type": known.name[lang] if (known := types[row.type_code]) else row.type_code,
                "from": on(row.valid_from),
                "to": on(row.valid_to),
                "limit": row.daily_limit,
            }
            for row, name in granted
        ],
        ocsp=told[f"shown_{where['ocsp']}"],
        crl=told[f"shown_{where['crl']}"],
        changes=[name for name, one in CHANGES.items() if stopper and found.state in one.states],
        overseer=overseer,
        done=told[f"done_{did}"] if did in CHANGES else None,
    )


def _may(require: Callable[[], object]) -> bool:
    """Whether a rule lets them: its page leads to nothing that it would refuse."""
    try:
        require()
    except VermilionError as error:
        if error.kind is not Kind.FORBIDDEN:
            raise
        return False
    return True


@blueprint.get("/seals/<seal_code:code>/editions/<edition_number:number>/picture")
def seal_picture(code: str, number: int) -> Response:
    """The picture of an edition, as a PNG."""
    actor = staff(SCOPE_SEAL)
    with database_errors(), Session(web.ports().database.read) as session:
        duties.seal_seen_by(session, actor, code)
        edition = session.scalars(
            select(SealEdition)
            .where(SealEdition.seal_code == code, SealEdition.number == number)
            .options(undefer_group("bulk"))
        ).one_or_none()
        data = web.found(edition, "edition").picture
    return png(data)


def png(pdf: bytes) -> Response:
    response = Response(picture_png(pdf), content_type="image/png")
    response.headers["Cache-Control"] = "private, no-cache"
    return web.tagged(response, sha256(pdf).hexdigest()[:32])


@blueprint.get("/seals/<seal_code:code>/uses")
def seal_uses(code: str) -> Response:
    """Where the seal was used: the newest edition's first."""
    actor = staff(SCOPE_SEAL)
    after = request.args.get("after")
    if after is not None and not re.fullmatch(r"[0-9a-f]{32}", after):
        raise VermilionError(Kind.MALFORMED, "no page ended so", reason="cursor")
    with database_errors(), Session(web.ports().database.read) as session:
        found = duties.seal_seen_by(session, actor, code)
        duties.require_overseer(session, actor)
        rows, more = uses.page(session, found, uses.Days(None, None), web.ports().settings.tz, after, SHOWN)
    told = words()
    return page(
        "seal_uses.html",
        seal=found,
        uses=[
            {
                "at": at(row.begun_at),
                "state": told[f"use_{row.state}"],
                "licence": row.licence,
                "copied": row.copy is not None,
                "client": row.client_name,
                "operator": row.operator,
                "edition": row.seal_edition,
            }
            for row in rows
        ],
        after=rows[-1].id if more else None,
    )


# --- changes -------------------------------------------------------------------------------------------


@blueprint.get(f"/seals/<seal_code:code>/{_CHANGE}")
def changing_seal(code: str, change: str) -> Response:
    fresh()
    return _change_page(code, change)


@blueprint.post(f"/seals/<seal_code:code>/{_CHANGE}")
def change_seal(code: str, change: str) -> Response:
    fresh()
    actor, wanted = staff(SCOPE_SEAL), CHANGES[change]
    try:
        with database_errors(), web.ports().database.transaction() as session:
            wanted.work(session, actor, code)
    except VermilionError as error:
        if error.kind not in {Kind.INVALID, Kind.CONFLICT}:
            raise
        return _change_page(code, change, error)
    if wanted.at_once:
        made_known(code)
    return go(f"{SEALS}/{code}?done={change}")


def _change_page(code: str, change: str, error: VermilionError | None = None) -> Response:
    actor, wanted = staff(SCOPE_SEAL), CHANGES[change]
    with database_errors(), Session(web.ports().database.read) as session:
        found: Seal = duties.seal_seen_by(session, actor, code)
        duties.require_keeper_or_approver(session, actor, found)
    kept = {} if error is None else filled(*wanted.fields)
    fault, wrong = fault_of(error, wanted.fields)
    return page(
        "seal_change.html",
        error=error,
        seal=found,
        standing=words()[f"seal_{found.state}"],
        change=change,
        possible=found.state in wanted.states,
        fields=wanted.fields,
        kept={name: kept.get(name, "") for name in wanted.fields},
        fault=fault,
        wrong=wrong,
    )


def told_of(changes: dict[str, Any]) -> list[tuple[str, str]]:
    """Members of what was asked for, in words: those that a reader decides by."""
    told = words()
    rows = [
        (told["field_kind"], told.get(f"kind_{changes.get('kind')}", "")),
        (told["seal_name"], changes.get("name") or ""),
        (told["bottom_text"], changes.get("bottom_text") or ""),
        (told["field_legal_basis"], changes.get("legal_basis") or ""),
        (told["field_reason_code"], changes.get("reason_code") or ""),
        (told["compromised"], changes.get("compromised_since") or ""),
    ]
    return [(label, text) for label, text in rows if text]
