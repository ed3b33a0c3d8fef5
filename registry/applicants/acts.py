"""What applicants do at the public pages: draw up, submit, correct, withdraw, and take the licence.

They act through the public form of the matter's agency, which is a client of the agency as its console is:
approved by the same duties, without a credential, and closed by being disabled. So no rule of the intake
knows these pages. Who acts is whoever has the application's link (`registry.applicants.links`).

A case that came another way goes on that way: the agency's system has identified its applicant, and passes
on what they do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError
from registry import web
from registry.actor import Actor
from registry.agencies.rules import SCOPE_CASE
from registry.agencies.tables import Client
from registry.applicants import links
from registry.applicants.fields import photos
from registry.applicants.tables import ApplicationLink
from registry.attempts.rules import Attempt, enter
from registry.buckets import Rate
from registry.delivery import rules as delivery
from registry.intake import cases
from registry.intake.application_form import confirm_form, make_form, take_signed_form, to_sign
from registry.intake.applications import Application, open_application
from registry.intake.cases import Act
from registry.intake.forms import DraftBody, application_of
from registry.intake.matter_lists import matter_of, matter_on
from registry.intake.matters import Material, Matter
from registry.intake.moves import PERMITTED, Action, CaseState, Who
from registry.intake.supplying import require_room, supply, to_supply
from registry.intake.tables import Case
from registry.licences.moment import moment
from registry.licences.outage import database_errors
from registry.licences.tables import Edition
from registry.notices.kinds import Language
from registry.ports import Ports
from registry.rows import unless_known
from signing.form_values import check_form
from signing.licence_type import FieldKind

OPERATOR = "applicant"
"""Who acts through a public form, as the record says it."""

ONLINE = frozenset({"2", "3"})  # of `registry.intake.matters.FORMS`
DRAWN = Rate(burst=20, seconds_each=180.0)  # drafts that one network begins: then twenty an hour
SAVED = Rate(burst=60, seconds_each=30.0)  # and how often it saves: each is an event, which is for good
SENT = Rate(burst=60, seconds_each=60.0)  # files that it sends: then sixty an hour
MAX_FILES = 100 * 1024 * 1024
"""Bytes of all files of one application, replaced ones too."""
PICK_UP_LIFE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Opened:
    """An application as its link opens it."""

    case: Case
    matter: Matter
    application: Application
    of_form: bool  # it came through the agency's public form
    form: Actor | None  # None: that is closed
    drawn_up: bool  # by a draft's own link, not one for number and code

    @property
    def state(self) -> CaseState:
        return CaseState(self.case.state)

    def may(self, action: Action) -> bool:
        """Whether the applicant can do it here and now."""
        return self.form is not None and self.of_form and (self.state, action) in PERMITTED


def public_form(session: Session, agency_code: str) -> Actor | None:
    """Through whom people apply to an agency; None where it takes no applications here."""
    open_ones = (Client.agency_code == agency_code, Client.public_form, Client.active)
    row = session.scalars(select(Client).where(*open_ones)).one_or_none()
    if row is None or SCOPE_CASE not in row.scopes:
        return None
    return Actor(row.id, agency_code, frozenset(row.scopes), operator=OPERATOR)


def takes_applications(session: Session, matter: Matter) -> bool:
    """Whether somebody can apply for it at these pages."""
    return bool(ONLINE & set(matter.forms)) and public_form(session, matter.agency_code) is not None


def opened(session: Session, ports: Ports, token: str) -> Opened:
    """The vault is ready. Raises VermilionError: NOT_FOUND (`no_application`); UNAVAILABLE."""
    link = links.required(session, token, ports.clock())
    return _opened(session, ports, link, session.get_one(Case, link.case_id))


def save(ports: Ports, network: str, token: str, matter_code: str, application: Application) -> None:
    """Draw up a draft under a link, or put other values into the one that it opens. Nothing is checked but
    that there is room. Photos are those that it has.

    Raises VermilionError: NOT_FOUND (`matter`, `no_application`); CONFLICT (`form_closed`, `case_state`,
    `too_many_drafts`); TOO_MANY; UNAVAILABLE.
    """
    ports.vault.ready()
    blind = ports.vault.blind("applicant", "network", network)
    _count(ports, ports.vault.blind("applicant", "saved", network), SAVED)
    with database_errors(), ports.database.transaction() as session:
        link = links.find(session, token, ports.clock())
        if link is not None:
            _redraw(session, ports, link, matter_code, application)
            return
    _count(ports, ports.vault.blind("applicant", "drawn", network), DRAWN)
    with database_errors(), ports.database.transaction() as session:
        at = moment(ports)
        found = matter_on(session, matter_code, at.day)
        if found is None:
            raise VermilionError(Kind.NOT_FOUND, "no such matter is handled today", reason="matter")
        actor = _form_of(session, found.matter)
        if links.open_drafts(session, blind, matter_code, at.now) >= links.MAX_DRAFTS:
            detail = "so many drafts of this matter were begun from this network"
            raise VermilionError(Kind.CONFLICT, detail, reason="too_many_drafts")
        case = cases.draw_up(session, ports, actor, matter_code, application)
        with unless_known(session, links.nothing()):
            links.add(session, token, case, at.now, links.draft_life(ports), blind)


def keep_photo(ports: Ports, network: str, token: str, name: str, photo: str | None) -> None:
    """Put a photo, in base64, into a draft, or take it out. Raises VermilionError as `save`; INVALID with its
    fault, where it is none.
    """
    ports.vault.ready()
    _count(ports, ports.vault.blind("applicant", "saved", network), SAVED)
    with database_errors(), ports.database.transaction() as session:
        link = links.required(session, token, ports.clock())
        case = session.get_one(Case, link.case_id, with_for_update=True)
        found = _opened(session, ports, link, case)
        field = next((one for one in found.matter.fields if one.name == name), None)
        if field is None or field.kind is not FieldKind.PHOTO:
            raise VermilionError(Kind.NOT_FOUND, "the form has no such photo", reason="photo")
        values = {key: value for key, value in found.application.fields.items() if key != name}
        if photo is not None:
            check_form((field,), {name: photo}, moment(ports).day)
            values[name] = photo
        kept = found.application
        made = Application(kept.name, kept.id_type, kept.id_code, kept.contact, values)
        cases.redraw(session, ports, _acting(found), case.id, made)
        link.expires_at = ports.clock() + links.draft_life(ports)


def faults_of(
    session: Session,
    ports: Ports,
    actor: Actor,
    matter: Matter,
    application: Application,
    *,
    photos_too: bool,
) -> tuple[Fault, ...]:
    """All that keeps an application from being submitted, by the rules of the agency API."""
    today = moment(ports).day
    found = _faults_of_who(session, ports, actor, application, today)
    fields = [one for one in matter.fields if photos_too or one.kind is not FieldKind.PHOTO]
    names = {one.name for one in fields}
    values = {name: value for name, value in application.fields.items() if name in names}
    try:
        check_form(fields, values, today)
    except VermilionError as error:
        found += _required(error)
    return tuple(found)


def acting_on(session: Session, ports: Ports, token: str) -> tuple[Actor, str]:
    """Through whom the applicant changes what the link opens, and the case's id. The vault is ready.

    Raises VermilionError: NOT_FOUND (`no_application`); CONFLICT (`other_way`, `form_closed`); UNAVAILABLE.
    """
    found = opened(session, ports, token)
    return _acting(found), found.case.id


def receive_file(ports: Ports, network: str, token: str, code: str) -> Material:
    """The material of an application for which a file is about to come: there is room for it, and it may be
    supplied now. Raises VermilionError: as `acting_on`, `supplying.to_supply`; TOO_MANY; CONFLICT
    (`files_full`).
    """
    _count(ports, ports.vault.blind("applicant", "sent", network), SENT)
    with database_errors(), Session(ports.database.read) as session:
        actor, case_id = acting_on(session, ports, token)
        require_room(session, case_id, 1, MAX_FILES)
        return to_supply(session, actor, case_id, code, moment(ports).day)


def supply_material(ports: Ports, token: str, code: str, data: bytes, media: str) -> None:
    """Keep a file that came, if there is still room for it. Raises VermilionError: as `acting_on` and
    `supplying.supply`.
    """
    with database_errors(), Session(ports.database.read) as session:
        actor, case_id = acting_on(session, ports, token)
    supply(ports, actor, case_id, code, data, media, most=MAX_FILES)


def draw_form(ports: Ports, network: str, token: str, language: Language) -> None:
    """Have the application's form drawn, for its applicant to confirm or sign. Raises VermilionError: as
    `acting_on` and `application_form.make_form`; TOO_MANY.
    """
    ports.vault.ready()
    _count(ports, ports.vault.blind("applicant", "sent", network), SENT)
    with database_errors(), Session(ports.database.read) as session:
        actor, case_id = acting_on(session, ports, token)
    make_form(ports, actor, case_id, language)


def receive_signed_form(ports: Ports, network: str, token: str) -> None:
    """A signed form is about to come. Raises VermilionError: as `acting_on`, `application_form.to_sign`;
    TOO_MANY.
    """
    _count(ports, ports.vault.blind("applicant", "sent", network), SENT)
    with database_errors(), Session(ports.database.read) as session:
        actor, case_id = acting_on(session, ports, token)
        to_sign(session, actor, case_id)


def sign_form(ports: Ports, token: str, data: bytes) -> None:
    """Keep the form that its applicant has signed. Raises VermilionError: as `acting_on` and
    `application_form.take_signed_form`.
    """
    with database_errors(), Session(ports.database.read) as session:
        actor, case_id = acting_on(session, ports, token)
    take_signed_form(ports, actor, case_id, data)


def submit(ports: Ports, token: str, form_sha256: bytes, *, declared: bool) -> None:
    """Submit a draft whose applicant has read and confirms the form of this SHA-256. Once it is submitted,
    the same again changes nothing.

    Raises VermilionError: NOT_FOUND (`no_application`, `form_unknown`); INVALID with faults; CONFLICT
    (`form_closed`, `case_state`, `form_stale`, `move_needs`); UNAVAILABLE.
    """
    ports.vault.ready()
    with database_errors(), ports.database.transaction() as session:
        link = links.required(session, token, ports.clock())
        case = session.get_one(Case, link.case_id, with_for_update=True)
        if case.state != CaseState.DRAFT:
            return
        found = _opened(session, ports, link, case)
        actor = _acting(found)
        faults = faults_of(session, ports, actor, found.matter, found.application, photos_too=True)
        if faults:
            raise VermilionError(
                Kind.INVALID, "the application is not complete", reason="invalid_fields", faults=faults
            )
        if declared:
            confirm_form(session, ports, actor, case.id, form_sha256)
        cases.act(session, ports, case, Action.SUBMIT, Act(Who.APPLICANT, actor, declared=declared))
        link.expires_at = ports.clock() + links.SEEN_LIFE


def correct(ports: Ports, token: str, values: Mapping[str, Any], *, declared: bool) -> None:
    """Put in what was asked for. Of a case that is not waiting for it nothing changes.

    Raises VermilionError as `submit`.
    """
    _act(ports, token, Action.CORRECT, declared=declared, correction=values)


def withdraw(ports: Ports, token: str) -> None:
    """Take the application back; where that cannot be, or was done, nothing changes. Raises VermilionError as
    `submit`.
    """
    _act(ports, token, Action.WITHDRAW)


def take_licence(ports: Ports, token: str, language: Language) -> str:
    """What a pick-up link of the licence that was issued carries; it serves for an hour.

    Raises VermilionError: NOT_FOUND (`no_application`, `no_licence`); CONFLICT (`form_closed`, `status`,
    `too_many_pick_ups`); UNAVAILABLE.
    """
    ports.vault.ready()
    with database_errors(), ports.database.transaction() as session:
        link = links.required(session, token, ports.clock())
        found = _opened(session, ports, link, session.get_one(Case, link.case_id))
        if found.case.edition_id is None:
            raise VermilionError(Kind.NOT_FOUND, "no licence was issued", reason="no_licence")
        actor = _acting(found)
        edition = session.get_one(Edition, found.case.edition_id, with_for_update=True)
        made = delivery.make(session, ports, actor, edition, None, language, PICK_UP_LIFE)
        assert made.token is not None  # it is told to nobody else
        return made.token


def link_for(ports: Ports, case: Case) -> str:
    """What a new link of a case carries, for whoever has shown its number and code. Raises
    VermilionError(UNAVAILABLE).
    """
    token = links.new_token(ports.random)
    with database_errors(), ports.database.transaction() as session:
        links.add(session, token, case, ports.clock(), links.SEEN_LIFE)
    return token


def _act(ports: Ports, token: str, action: Action, **more: Any) -> None:
    ports.vault.ready()
    with database_errors(), ports.database.transaction() as session:
        link = links.required(session, token, ports.clock())
        case = session.get_one(Case, link.case_id, with_for_update=True)
        found = _opened(session, ports, link, case)
        if (found.state, action) not in PERMITTED:
            return
        cases.act(session, ports, case, action, Act(Who.APPLICANT, _acting(found), **more))


def _opened(session: Session, ports: Ports, link: ApplicationLink, case: Case) -> Opened:
    if not case.application:  # a draft that nobody came back to is erased
        raise links.nothing()
    client, day = session.get_one(Client, case.client_id), moment(ports).day
    handled = case.state != CaseState.DRAFT or matter_on(session, case.matter_code, day) is not None
    return Opened(
        case=case,
        matter=matter_of(session, case, day),
        application=open_application(ports.vault, case.id, case.application),
        of_form=client.public_form,
        form=public_form(session, case.agency_code) if handled else None,
        drawn_up=link.network is not None,
    )


def _acting(found: Opened) -> Actor:
    if not found.of_form:
        detail = "this case came another way, by which its applicant acts"
        raise VermilionError(Kind.CONFLICT, detail, reason="other_way")
    if found.form is None:
        raise _closed()
    return found.form


def _form_of(session: Session, matter: Matter) -> Actor:
    actor = public_form(session, matter.agency_code)
    if actor is None or not ONLINE & set(matter.forms):
        raise _closed()
    return actor


def _closed() -> VermilionError:
    return VermilionError(Kind.CONFLICT, "the agency takes no applications here now", reason="form_closed")


def _redraw(
    session: Session, ports: Ports, link: ApplicationLink, matter_code: str, application: Application
) -> None:
    case = session.get_one(Case, link.case_id, with_for_update=True)
    found = _opened(session, ports, link, case)
    if case.matter_code != matter_code:
        raise VermilionError(Kind.NOT_FOUND, "the link is another matter's", reason="no_application")
    kept = photos(found.matter, found.application)
    made = Application(
        application.name,
        application.id_type,
        application.id_code,
        application.contact,
        {**application.fields, **kept},
    )
    actor = _acting(found)
    if made != found.application:  # what changes nothing is no event
        cases.redraw(session, ports, actor, case.id, made)
        link.expires_at = ports.clock() + links.draft_life(ports)


def _count(ports: Ports, key: bytes, rate: Rate) -> None:
    with database_errors(), ports.database.transaction() as session:
        wait = enter(session, Attempt(((key, rate),)), ports.clock())
    if wait:
        raise VermilionError(
            Kind.TOO_MANY, "too many drafts from one network", reason="rate", retry_after=wait
        )


def _body(application: Application) -> dict[str, Any]:
    contact = application.contact
    way = {"channel": contact.channel, "language": contact.language}
    return {
        "applicant": {
            "name": application.name,
            "id_type": application.id_type,
            "id_code": application.id_code,
        },
        "contact": way if contact.channel == "none" else {**way, "to": contact.to},
        "fields": {},
    }


def _faults_of_who(
    session: Session, ports: Ports, actor: Actor, application: Application, today: date
) -> list[Fault]:
    """Of the applicant and how they are told. One fault hides others: what is at fault is put right, and the
    rest asked again.
    """
    body, found = _body(application), list[Fault]()
    right: Mapping[str, dict[str, Any]] = {
        "/applicant/name": {"applicant": {"name": "-"}},
        "/applicant/id_type": {"applicant": {"id_type": "999"}},
        "/applicant/id_code": {"applicant": {"id_type": "999", "id_code": "-"}},
    }
    no_contact = {"contact": {"channel": "none", "language": "zh"}}
    for _ in range(4):  # each round puts one of these four right, or is the last
        try:
            application_of(session, ports, actor, web.parse(DraftBody, body), today)
            break
        except VermilionError as error:
            faults = _required(error)
        found += faults
        for fault in faults:
            for part, values in right.get(fault.field, no_contact).items():
                body[part] = values if part == "contact" else body[part] | values
    return found


def _required(error: VermilionError) -> Sequence[Fault]:
    if not error.faults:
        raise error
    return error.faults
