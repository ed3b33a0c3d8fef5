"""Events as pages show them, the newest first: all of them to an auditor, an agency's to its people.

Whatever is asked for enters an index and reads little more than it shows. What is of an agency lies in the
index by kind: so without a kind the newest of each are merged, as many as there are kinds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true, union_all
from sqlalchemy.orm import Session, aliased

from keys.errors import Kind, VermilionError, field_fault
from registry.actor import Actor
from registry.agencies.tables import Person
from registry.licences.duties import OFFICER
from registry.licences.tables import Edition
from registry.log.audit import cursor_of, place_of
from registry.log.tables import Event
from signing.codes import parse_identifier

OWN = (
    "agency.",
    "batch.",
    "case.",
    "client.",
    "enrolment.",
    "licence.",
    "notice.",
    "person.",
    "pick_up.",
    "seal.",
    "webhook.",
)
"""Kinds that an agency's people read, by how they begin: what was done with what is theirs. How colleagues
sign in, and what was refused to them, is the auditor's.
"""

_KIND = re.compile(r"[a-z_]{1,40}\.[a-z_]{1,40}")
_ID = re.compile(r"[0-9a-f]{32}")
_BY_ID = (
    "approval",
    "batch",
    "case",
    "client",
    "identity",
    "key",
    "notice",
    "person",
    "pick_up",
    "verifier",
    "webhook",
)
_BY_SHAPE = (
    (re.compile(r"[0-9]{14}"), ("seal",)),
    (re.compile(r"[0-9A-Z]{18}"), ("agency",)),
    (re.compile(r"[0-9A-Z]{21}"), ("type",)),
    (_ID, _BY_ID),
)


@dataclass(frozen=True, slots=True)
class View:
    """What is asked for; all that is given holds of each event. `agency` None: of all."""

    agency: str | None
    own: bool  # the reader is of the agency, and sees what begins as in `OWN` alone
    until: datetime | None = None  # exclusive
    since: datetime | None = None
    kind: str | None = None
    person: str | None = None
    subject: str | None = None  # an identifier, a seal's or agency's code, an id
    after: str | None = None  # where the page before ended


def page(session: Session, view: View, size: int) -> tuple[Sequence[Event], str | None]:
    """At most `size` events, and where the next page begins. Raises VermilionError(INVALID)."""
    conditions = _conditions(view)
    if view.subject is not None:
        parts = [_about(session, view.subject)]
    elif view.person is not None:
        parts = [_by_person(session, view)]
    elif view.agency is not None:
        kinds = [view.kind] if view.kind is not None else kinds_of(session, view)
        parts = [Event.kind == kind for kind in kinds]
    else:
        parts = [Event.kind == view.kind if view.kind is not None else true()]
    rows = _newest(session, [select(Event).where(part, *conditions) for part in parts], size + 1)
    more = len(rows) > size
    return rows[:size], cursor_of(rows[size - 1].recorded_at, rows[size - 1].id) if more else None


def _newest(session: Session, parts: Sequence[Select[Any]], wanted: int) -> Sequence[Event]:
    ordered = [part.order_by(Event.recorded_at.desc(), Event.id.desc()).limit(wanted) for part in parts]
    if not ordered:
        return ()
    if len(ordered) == 1:
        return session.scalars(ordered[0]).all()
    together = union_all(*(select(part.subquery()) for part in ordered)).subquery()
    event = aliased(Event, together)
    return session.scalars(
        select(event).order_by(event.recorded_at.desc(), event.id.desc()).limit(wanted)
    ).all()


def kinds_of(session: Session, view: View) -> list[str]:
    """The kinds of events that there are for this reader: a step in an index for each."""
    mine: list[ColumnElement[bool]] = [] if view.agency is None else [Event.agency_code == view.agency]
    steps = select(func.min(Event.kind).label("kind")).where(*mine).cte("steps", recursive=True)
    following = select(func.min(Event.kind)).where(*mine, Event.kind > steps.c.kind).scalar_subquery()
    steps = steps.union_all(select(following).where(steps.c.kind.is_not(None)))
    found = session.scalars(select(steps.c.kind).where(steps.c.kind.is_not(None)))
    return [kind for kind in found if not view.own or kind.startswith(OWN)]


def _conditions(view: View) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if view.agency is not None:
        found.append(Event.agency_code == view.agency)
    if view.own:
        found.append(or_(*(Event.kind.startswith(begin) for begin in OWN)))
    if view.kind is not None:
        if _KIND.fullmatch(view.kind) is None:
            raise field_fault("/kind", "query", "a kind, e.g. licence.issued")
        found.append(Event.kind == view.kind)
    if view.person is not None:
        if _ID.fullmatch(view.person) is None:
            raise field_fault("/person", "query", "a person's id")
        found.append(Event.person_id == view.person)
    if view.since is not None:
        found.append(Event.recorded_at >= view.since)
    if view.until is not None:
        found.append(Event.recorded_at < view.until)
    if view.after is not None:
        at, event_id = place_of(view.after)
        found.append(Event.recorded_at <= at)  # by which an index is entered
        found.append(or_(Event.recorded_at < at, and_(Event.recorded_at == at, Event.id < event_id)))
    return found


def _about(session: Session, subject: str) -> ColumnElement[bool]:
    """Events about one thing, by what its name looks like."""
    for shape, kinds in _BY_SHAPE:
        if shape.fullmatch(subject):
            return and_(Event.subject_kind.in_(kinds), Event.subject == subject)
    try:
        parse_identifier(subject)
    except VermilionError:
        detail = "a licence's identifier, the code of a seal, an agency or a type, or an id"
        raise field_fault("/subject", "query", detail) from None
    edition = session.scalar(select(Edition.id).where(Edition.identifier == subject))
    return and_(Event.subject_kind == "edition", Event.subject == (edition or ""))


def _by_person(session: Session, view: View) -> ColumnElement[bool]:
    """Whoever asks for an agency's events by a person names one of its people: those of a person elsewhere
    would be read through for the few that concern it.
    """
    code = session.scalar(select(Person.agency_code).where(Person.id == view.person))
    if view.agency is not None and code != view.agency:
        raise VermilionError(Kind.INVALID, "the person is not of this agency", reason="person_elsewhere")
    return Event.person_id == view.person


def of_agency(view: View, actor: Actor) -> View:
    """What an agency's own people may ask for of it: its officers and keepers. Raises
    VermilionError(FORBIDDEN).
    """
    if not actor.roles & {"keeper", OFFICER}:
        actor.require_person(OFFICER)
    return replace(view, agency=actor.agency_code, own=True)
