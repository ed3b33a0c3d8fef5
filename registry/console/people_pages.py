"""Who is on record: an agency's own people and clients, for its people; all agencies', for administrators,
who also stop somebody at once here, and let them go on again.
"""

from __future__ import annotations

import re
from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry import web
from registry.actor import Actor, Administrator, Duty
from registry.agencies.overview import ClientShown, PersonShown, agencies_page, clients_of, people_of
from registry.agencies.rules import known_agency, set_client_active, set_person_active
from registry.agencies.tables import Agency, Client, Person
from registry.console.browser import (
    administrator,
    agency_name,
    at,
    blueprint,
    fresh,
    go,
    live,
    on,
    page,
    words,
)
from registry.console.grounds import fault_of, filled
from registry.console.rendering import language_of
from registry.licences.outage import database_errors
from registry.licences.types import known_type
from registry.seals.api import GroundBody

AGENCIES = "/console/agencies"
SHOWN = 50
_GROUND = ("legal_basis", "reason_code")


@blueprint.get("/people")
def people() -> Response:
    """Those of the reader's own agency: whoever works there is who sees that somebody should not be there."""
    acting = live().actor
    if not isinstance(acting, Actor):
        raise VermilionError(Kind.FORBIDDEN, "this is for people of an agency", reason="duty")
    return _agency_page(acting.agency_code, "/console/people")


@blueprint.get("/agencies")
def agencies() -> Response:
    administrator(*Duty)
    after = request.args.get("after", "")
    if not re.fullmatch(r"[0-9A-Z]{0,18}", after):
        raise VermilionError(Kind.MALFORMED, "after is an agency's code", reason="cursor")
    with database_errors(), Session(web.ports().database.read) as session:
        found = agencies_page(session, after, SHOWN + 1)
    rows = [(one.code, agency_name(one), one.division, one.seal_authority) for one in found[:SHOWN]]
    return page("agencies.html", rows=rows, after=rows[-1][0] if len(found) > SHOWN else None)


@blueprint.get("/agencies/<code>")
def agency(code: str) -> Response:
    administrator(*Duty)
    return _agency_page(code, f"{AGENCIES}/{code}")


@blueprint.get("/administrators")
def administrators() -> Response:
    administrator(*Duty)
    with database_errors(), Session(web.ports().database.read) as session:
        found, following = people_of(session, None, _cursor("after"), SHOWN)
    return page(
        "people.html",
        agency=None,
        people=[_person(one) for one in found],
        people_after=following,
        clients=[],
        clients_after=None,
        here="/console/administrators",
        done=_done(),
    )


def _agency_page(code: str, here: str) -> Response:
    ports, lang = web.ports(), language_of(request)
    with database_errors(), Session(ports.database.read) as session:
        found: Agency = known_agency(session, code)
        shown, after = people_of(session, code, _cursor("after"), SHOWN)
        clients, clients_after = clients_of(session, code, _cursor("clients"), SHOWN, ports.clock())
        names = {
            type_code: known.name[lang] if (known := known_type(session, type_code)) else type_code
            for type_code in {one for client in clients for one in client.types}
        }
    return page(
        "people.html",
        agency={
            "code": code,
            "name": agency_name(found),
            "division": found.division,
            "authority": found.seal_authority,
        },
        people=[_person(one) for one in shown],
        people_after=after,
        clients=[_client(one, names) for one in clients],
        clients_after=clients_after,
        here=here,
        done=_done(),
    )  # fmt: skip


def _cursor(name: str) -> str | None:
    after = request.args.get(name)
    if after is not None and not re.fullmatch(r"[0-9a-f]{32}", after):
        raise VermilionError(Kind.MALFORMED, "no page ended so", reason="cursor")
    return after


def _done() -> str | None:
    did = request.args.get("done")
    return words()[f"done_{did}"] if did in {"disabling", "enabling"} else None


def _person(one: PersonShown) -> dict[str, Any]:
    told, exactly = words(), isinstance(live().actor, Administrator)
    last = one.last_sign_in
    day = None if last is None else last.astimezone(web.ports().settings.tz).date()
    return {
        "id": one.id,
        "name": one.name,
        "roles": [told[f"role_{role}"] for role in one.roles],
        **_standing(one.active, one.enrolment),
        "means": [told[f"way_{way}"] for way in (*(["key"] if one.keys else []), *one.means)],
        # Colleagues see whether somebody still comes, administrators when.
        "last": None if last is None else (at(last) if exactly else on(day)),
        **_acts("people", one.id, one.active, one.enrolment),
    }


def _client(one: ClientShown, names: dict[str, str]) -> dict[str, Any]:
    told = words()
    return {
        "id": one.id,
        "name": one.name,
        "console": one.console,
        "public_form": one.public_form,
        "scopes": [told[f"scope_{scope}"] for scope in one.scopes],
        "types": [names[code] for code in one.types],
        "keys": one.keys,
        "token": None if one.token_until is None else at(one.token_until),
        **_standing(one.active, one.enrolment),
        **_acts("clients", one.id, one.active, one.enrolment),
    }


def _standing(active: bool, enrolment: str | None) -> dict[str, str]:
    """In force, disabled, or never let in."""
    known = enrolment if enrolment in {"open", "refused"} else ("active" if active else "disabled")
    return {"state": words()[f"standing_{known}"], "tone": "active" if known == "active" else "suspended"}


def _acts(what: str, subject: str, active: bool, enrolment: str | None) -> dict[str, str | None]:
    """Where an administrator stops them, or lets them go on."""
    acting = live().actor
    duty = acting.duty if isinstance(acting, Administrator) else None
    may_stop = active and duty in {Duty.SYSTEM, Duty.SECURITY}
    may_let = not active and duty is Duty.SECURITY and enrolment not in {"open", "refused"}
    base = f"/console/{what}/{subject}"
    return {
        "stop": f"{base}/disabling" if may_stop else None,
        "let": f"{base}/enabling" if may_let else None,
    }


# --- stopped, and let go on ----------------------------------------------------------------------------


@blueprint.get("/<any(people, clients):what>/<hex32:subject>/disabling")
def disabling(what: str, subject: str) -> Response:
    fresh()
    administrator(Duty.SYSTEM, Duty.SECURITY)
    return _switch_page(what, subject, active=False)


@blueprint.post("/<any(people, clients):what>/<hex32:subject>/disabling")
def disable(what: str, subject: str) -> Response:
    return _switched(administrator(Duty.SYSTEM, Duty.SECURITY), what, subject, active=False)


@blueprint.get("/<any(people, clients):what>/<hex32:subject>/enabling")
def enabling(what: str, subject: str) -> Response:
    fresh()
    administrator(Duty.SECURITY)
    return _switch_page(what, subject, active=True)


@blueprint.post("/<any(people, clients):what>/<hex32:subject>/enabling")
def enable(what: str, subject: str) -> Response:
    return _switched(administrator(Duty.SECURITY), what, subject, active=True)


def _switched(admin: Administrator, what: str, subject: str, *, active: bool) -> Response:
    fresh()
    ports = web.ports()
    try:
        ground = web.parse(GroundBody, filled(*_GROUND)).ground()
        with database_errors(), ports.database.transaction() as session:
            if what == "people":
                set_person_active(session, ports, admin, person_id=subject, active=active, ground=ground)
            else:
                set_client_active(session, ports, admin, client_id=subject, active=active, ground=ground)
            row = _of(session, what, subject)
            code = row.agency_code
    except VermilionError as error:
        if error.kind not in {Kind.INVALID, Kind.CONFLICT}:
            raise
        return _switch_page(what, subject, active=active, error=error)
    back = "/console/administrators" if code is None else f"{AGENCIES}/{code}"
    return go(f"{back}?done={'enabling' if active else 'disabling'}")


def _of(session: Session, what: str, subject: str) -> Person | Client:
    row = session.get(Person, subject) if what == "people" else session.get(Client, subject)
    if row is None:
        raise VermilionError(Kind.NOT_FOUND, "nobody of this id", reason="person_unknown")
    return row


def _switch_page(what: str, subject: str, *, active: bool, error: VermilionError | None = None) -> Response:
    with database_errors(), Session(web.ports().database.read) as session:
        row = _of(session, what, subject)
        found = None if row.agency_code is None else session.get(Agency, row.agency_code)
    kept = {} if error is None else filled(*_GROUND)
    fault, wrong = fault_of(error, _GROUND)
    return page(
        "switch.html",
        error=error,
        change="enabling" if active else "disabling",
        name=row.name,
        agency=None if found is None else agency_name(found),
        back="/console/administrators" if found is None else f"{AGENCIES}/{found.code}",
        possible=row.active is not active,
        kept={name: kept.get(name, "") for name in _GROUND},
        fault=fault,
        wrong=wrong,
    )
