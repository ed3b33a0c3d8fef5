"""What was done: every event for an auditor, an agency's own for its officers and keepers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Response, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry import web
from registry.actor import Actor, Administrator, Duty
from registry.agencies.administrators import in_office
from registry.agencies.tables import Agency, Client, Person
from registry.console.browser import (
    administrator,
    agency_name,
    at,
    blueprint,
    live,
    on,
    page,
    words,
)
from registry.console.csv_file import csv_answer
from registry.console.grounds import fault_of
from registry.licences.outage import database_errors
from registry.licences.tables import Edition
from registry.log.audit import end_of, note_reading
from registry.log.tables import Event
from registry.log.views import View, kinds_of, of_agency
from registry.log.views import page as events_page

SHOWN = 50
MOST_WRITTEN = 5000
"""Lines of a file."""

_ASKED = ("from", "to", "kind", "subject", "person", "agency")
_COLUMNS = (
    "at", "kind", "subject", "agency", "effective", "basis", "reason", "person", "client", "operator",
    "detail", "id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Names:
    """What the ids of some events stand for."""

    people: dict[str, str]
    clients: dict[str, str]
    agencies: dict[str, str]
    editions: dict[str, str]  # identifiers


@blueprint.get("/events")
def events() -> Response:
    asked = _asked()
    try:
        return _events_page(asked, _view(asked))
    except VermilionError as error:
        if error.kind is not Kind.INVALID:
            raise
        return _events_page(asked, None, error)


@blueprint.get("/events/file")
def events_file() -> Response:
    """The newest that were asked for, up to a bound, which the file's last line tells where it was reached.
    As in every export, all is a minute old: nothing is still to come between its lines.
    """
    view = _view(_asked())
    view = replace(view, until=end_of(web.ports().clock, view.until))
    with _reading(view) as session:
        rows, following = events_page(session, view, MOST_WRITTEN)
        names = _names(session, rows)
    told = words()
    lines = [_line(one, names) for one in rows]
    if following is not None:
        lines.append([told["csv_more"].format(count=MOST_WRITTEN)])
    return csv_answer("events.csv", [told[f"csv_{name}"] for name in _COLUMNS], lines)


def _asked() -> dict[str, str]:
    return {name: text for name in (*_ASKED, "after") if (text := request.args.get(name, "").strip()[:120])}


def _view(asked: dict[str, str]) -> View:
    """Days are of the registry's zone, both inclusive. Raises VermilionError(INVALID, FORBIDDEN)."""
    zone = web.ports().settings.tz

    def midnight(name: str, more: int) -> datetime | None:
        if name not in asked:
            return None
        day = web.civil_day(asked[name])
        if day is None or not date(2000, 1, 1) <= day <= date(2999, 1, 1):
            raise field_fault(f"/{name}", "query", "a day, YYYY-MM-DD")
        return datetime.combine(day + timedelta(days=more), time.min, zone)

    view = View(
        agency=asked.get("agency"),
        own=False,
        since=midnight("from", 0),
        until=midnight("to", 1),
        kind=asked.get("kind"),
        person=asked.get("person"),
        subject=asked.get("subject"),
        after=asked.get("after"),
    )
    acting = live().actor
    if isinstance(acting, Actor):
        return of_agency(view, acting)
    administrator(Duty.AUDIT)
    return view


@contextmanager
def _reading(view: View) -> Iterator[Session]:
    """A session to read by. That an auditor reads is itself an event, in the transaction of the reading."""
    ports, acting = web.ports(), live().actor
    if isinstance(acting, Actor):
        with database_errors(), Session(ports.database.read) as session:
            yield session
        return
    with database_errors(), ports.database.transaction() as session:
        in_office(session, acting, Duty.AUDIT)
        yield session
        _note(session, acting, view)


def _note(session: Session, auditor: Administrator, view: View) -> None:
    """What was asked for: all of it has been found to be in form by then."""
    asked = {
        "since": None if view.since is None else view.since.isoformat(),
        "until": None if view.until is None else view.until.isoformat(),
        "actor": view.person,
        "kind": view.kind,
        "subject": view.subject,
        "agency": view.agency,
        "after": view.after,
    }
    note_reading(session, web.ports(), auditor, "events", asked)


def _events_page(asked: dict[str, str], view: View | None, error: VermilionError | None = None) -> Response:
    acting, told = live().actor, words()
    all_of_them = isinstance(acting, Administrator)
    rows: Sequence[Event] = ()
    after: str | None = None
    names = _Names({}, {}, {}, {})
    if view is not None:
        with _reading(view) as session:
            rows, after = events_page(session, view, SHOWN)
            names = _names(session, rows)
    base = View(None, own=False)
    if isinstance(acting, Actor):
        base = of_agency(base, acting)
    with database_errors(), Session(web.ports().database.read) as session:
        kinds = kinds_of(session, base)
        people = [] if all_of_them else _people(session, str(base.agency))
    kept = {name: asked.get(name, "") for name in _ASKED}
    question = urlencode({name: text for name, text in kept.items() if text})
    fault, wrong = fault_of(error, _ASKED)
    return page(
        "events.html",
        error=error,
        asked=kept,
        searching=any(kept.values()),
        kinds=[(kind, _kind(kind)) for kind in kinds],
        people=people,
        all_of_them=all_of_them,
        rows=[_row(one, names) for one in rows],
        question=question,
        after=None if after is None else urlencode({"after": after}),
        most=told["csv_bound"].format(count=MOST_WRITTEN),
        fault=fault,
        wrong=wrong,
    )


def _people(session: Session, code: str) -> list[tuple[str, str]]:
    """Of an agency, as many as a form may offer."""
    found = select(Person.id, Person.name).where(Person.agency_code == code)
    rows = session.execute(found.order_by(Person.name, Person.id).limit(500))
    return [(row.id, row.name) for row in rows]


def _kind(kind: str) -> str:
    return words().get(f"event_{kind.replace('.', '_')}", kind)


def _names(session: Session, rows: Sequence[Event]) -> _Names:
    def of(key: Any, name: Any, ids: set[Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        wanted = sorted(one for one in ids if one is not None)
        for begin in range(0, len(wanted), 500):
            part = session.execute(select(key, name).where(key.in_(wanted[begin : begin + 500])))
            found.update({row[0]: row[1] for row in part})
        return found

    codes = sorted({one.agency_code for one in rows if one.agency_code is not None})
    subjects = {one.subject for one in rows if one.subject_kind == "person"}
    agencies: dict[str, str] = {}
    for begin in range(0, len(codes), 500):
        part = session.scalars(select(Agency).where(Agency.code.in_(codes[begin : begin + 500])))
        agencies.update({one.code: agency_name(one) for one in part})
    return _Names(
        people=of(Person.id, Person.name, {one.person_id for one in rows} | subjects),
        clients=of(Client.id, Client.name, {one.client_id for one in rows}),
        agencies=agencies,
        editions=of(
            Edition.id, Edition.identifier, {one.subject for one in rows if one.subject_kind == "edition"}
        ),
    )


def _row(event: Event, names: _Names) -> dict[str, Any]:
    who = (names.people.get(event.person_id or ""), names.clients.get(event.client_id or ""), event.operator)
    return {
        "id": event.id,
        "at": at(event.recorded_at),
        "kind": _kind(event.kind),
        "subject": _subject(event, names),
        "link": _link(event, names),
        "agency": names.agencies.get(event.agency_code or ""),
        "effective": on(event.effective_from),
        "legal_basis": event.legal_basis,
        "reason": event.reason_code,
        "who": [name for name in who if name] or [words()["by_registry"]],
    }


def _subject(event: Event, names: _Names) -> str:
    if event.subject_kind == "edition":
        return names.editions.get(event.subject, str(event.detail.get("identifier") or event.subject))
    if event.subject_kind == "person":
        return names.people.get(event.subject, event.subject)
    return event.subject


def _link(event: Event, names: _Names) -> str | None:
    """Where the reader may look at what it is about."""
    acting = live().actor
    if not isinstance(acting, Actor) or event.agency_code != acting.agency_code:
        return None
    if event.subject_kind == "edition" and event.subject in names.editions and "officer" in acting.roles:
        return f"/console/licences/{names.editions[event.subject]}"
    if event.subject_kind == "seal" and "seal" in acting.scopes:
        return f"/console/seals/{event.subject}"
    if event.subject_kind == "batch" and "officer" in acting.roles:
        return f"/console/batches/{event.subject}"
    return None


def _line(event: Event, names: _Names) -> list[object]:
    return [
        event.recorded_at.isoformat(),
        event.kind,
        _subject(event, names),
        event.agency_code,
        event.effective_from.isoformat(),
        event.legal_basis,
        event.reason_code,
        names.people.get(event.person_id or "", event.person_id),
        names.clients.get(event.client_id or "", event.client_id),
        event.operator,
        json.dumps(event.detail, ensure_ascii=False),
        event.id,
    ]
