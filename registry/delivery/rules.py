"""Links by which holders take their documents: made for one edition, used once, withdrawn, erased.

A link carries 256 random bits, of which the registry keeps the digest. It gives the document to whoever uses
it first, and to nobody after: one conditional update decides. Should that download break off, the very
browser that used it may fetch the same for a few minutes more.

A link gives what is in force: not a licence that has ended, was replaced, is suspended (the agency withholds
it) or has expired, and again once it is resumed. Whoever opens a link that gives nothing is told one thing,
whatever the cause.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, Literal

from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.agencies.tables import Agency
from registry.delivery.tables import PickUp
from registry.licences.issued import newest_form, read_document
from registry.licences.moment import moment
from registry.licences.outage import database_errors
from registry.licences.tables import Document, Edition, Intent
from registry.licences.types import known_type
from registry.log.rules import Ground, record_event
from registry.notices import rules as notices
from registry.notices.kinds import Language
from registry.notices.messages import Message
from registry.notices.rules import Subject, Way
from registry.ports import Ports
from registry.rows import changed_rows, swept
from registry.uses import rules as uses
from registry.uses.rules import Purpose, Used, UseKind
from registry.vault import Use

LEGAL_BASIS = "Anhui Measures, Art. 12"
"""What delivery rests on: the electronic licence is the licence, so its holder is given it."""

SUBJECT = "pick_up"
TOKEN_BYTES = 32
TOLD_AGAIN = timedelta(hours=1)  # the link, to the very request that it was made for
FETCH_AGAIN = timedelta(minutes=10)  # for the browser that used the link
MOST_FETCHES = 5
MAX_OPEN = 5  # links of one edition
LIFE_HOURS, LONGEST_HOURS = 7 * 24, 30 * 24
KEPT = timedelta(days=90)  # for which a link that is over can be looked up
PAGE = 100


class PickUpState(StrEnum):
    """As it is told; `expired` is reckoned and not on record."""

    OPEN = "open"
    USED = "used"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


Channel = Literal["smtp", "webhook", "none"]


@dataclass(frozen=True, slots=True)
class Made:
    """A link, and what it carries where the agency hands it over by itself; that exists nowhere else."""

    row: PickUp
    token: str | None


@dataclass(frozen=True, slots=True)
class Offered:
    """What a link gives at this moment."""

    edition_id: str
    licence_id: str
    identifier: str
    agency: tuple[str, str]  # its issuer's name, Chinese and English
    type_name: dict[str, str]
    language: str
    until: datetime  # of the link, or for this browser once it was used
    again: bool  # it was used, by this browser
    row: Any  # the columns of the statement below


@dataclass(frozen=True, slots=True)
class Taken:
    """A document as its holder gets it."""

    identifier: str
    pdf: bytes


def make(
    session: Session,
    ports: Ports,
    actor: Actor,
    edition: Edition,
    way: Way | None,
    language: Language,
    life: timedelta,
) -> Made:
    """A link for an edition of the agency's, its row locked; sent to its holder by that way, or told to the
    agency where there is none. The vault is ready.

    Raises VermilionError: CONFLICT (`status`) for a licence that a link would not give; `too_many_pick_ups`.
    """
    at = moment(ports)
    if not deliverable(edition, at.day):
        raise VermilionError(
            Kind.CONFLICT, "the licence is not in force: there is nothing to deliver", reason="status"
        )
    open_now = select(func.count()).where(
        PickUp.edition_id == edition.id, PickUp.state == PickUpState.OPEN, PickUp.expires_at > at.now
    )
    if (session.scalar(open_now) or 0) >= MAX_OPEN:
        raise VermilionError(
            Kind.CONFLICT, f"the licence has {MAX_OPEN} links that are open", reason="too_many_pick_ups"
        )
    token = base64.urlsafe_b64encode(ports.random(TOKEN_BYTES)).rstrip(b"=").decode("ascii")
    row = PickUp(
        id=ports.random(16).hex(),
        edition_id=edition.id,
        client_id=actor.client_id,
        channel="none" if way is None else way.channel.value,
        language=language,
        token_sha256=_digest(token),
        token=None,
        told_until=None,
        state=PickUpState.OPEN.value,
        created_at=at.now,
        expires_at=at.now + life,
        used_at=None,
        browser_sha256=None,
        again_until=None,
        fetched=0,
    )
    if way is None:
        row.token = ports.vault.encrypt(Use.RECORD, token.encode(), _owner(row.id))
        row.told_until = at.now + TOLD_AGAIN
    else:
        about = Subject(SUBJECT, row.id, actor.agency_code)
        message = Message(way.to, language, _values(session, ports, edition, row, token))
        notices.write(session, ports, SUBJECT, about, way, message, row.expires_at)
    session.add(row)
    session.flush()
    detail = {"channel": row.channel, "expires_at": row.expires_at.isoformat(timespec="seconds")}
    _record(session, ports, actor, row, edition.identifier, "offered", detail)
    return Made(row, token if way is None else None)


def told_again(ports: Ports, row: PickUp) -> str | None:
    """What the link carries, for whoever asks by the very request that it was made for: None once that is an
    hour ago, or where it gives nothing any more. The vault is ready.

    Raises VermilionError: UNAUTHENTICATED; UNAVAILABLE.
    """
    now = ports.clock()
    told = row.told_until is not None and now < row.told_until
    if row.token is None or not told or state_of(row, now) is not PickUpState.OPEN:
        return None
    return ports.vault.decrypt(Use.RECORD, row.token, _owner(row.id)).decode()


def withdraw(
    session: Session, ports: Ports, actor: Actor, edition: Edition, pick_up_id: str, ground: Ground
) -> PickUp:
    """Let a link give nothing any more, and erase what would still be sent. The same again, or of one that
    is used, changes nothing. Raises VermilionError(NOT_FOUND).
    """
    find(session, edition, pick_up_id)
    row = session.get_one(PickUp, pick_up_id, with_for_update=True, populate_existing=True)
    if row.state == PickUpState.OPEN:
        row.state, row.token, row.told_until = PickUpState.WITHDRAWN.value, None, None
        notices.withdraw(session, ports, SUBJECT, row.id)
        _record(session, ports, actor, row, edition.identifier, "withdrawn", {}, ground)
    return row


def find(session: Session, edition: Edition, pick_up_id: str) -> PickUp:
    """A link of the edition's. Raises VermilionError(NOT_FOUND)."""
    row = session.get(PickUp, pick_up_id)
    if row is None or row.edition_id != edition.id:
        raise VermilionError(Kind.NOT_FOUND, "the licence has no such link", reason="pick_up_unknown")
    return row


def of_edition(
    session: Session, edition: Edition, after: str | None, size: int = PAGE
) -> tuple[Sequence[PickUp], bool]:
    """At most `size` links of the edition, the newest first, behind that of the id `after`; and whether there
    are more. Raises VermilionError(NOT_FOUND).
    """
    wanted = select(PickUp).where(PickUp.edition_id == edition.id)
    if after is not None:
        last = find(session, edition, after)
        at = PickUp.created_at
        wanted = wanted.where(at <= last.created_at, or_(at < last.created_at, PickUp.id < last.id))
    ordered = wanted.order_by(PickUp.created_at.desc(), PickUp.id.desc())
    found = session.scalars(ordered.limit(size + 1)).all()
    return found[:size], len(found) > size


def state_of(row: PickUp, now: datetime) -> PickUpState:
    return (
        PickUpState.EXPIRED
        if row.state == PickUpState.OPEN and row.expires_at <= now
        else PickUpState(row.state)
    )


def deliverable(edition: Any, day: date) -> bool:
    """Whether a link gives it, by an edition's columns: it is in force, and not over. One that is not valid
    yet will be.
    """
    return edition.status == "in_force" and (edition.valid_to is None or day <= edition.valid_to)


# --- what a holder does ---------------------------------------------------------------------------------

_OFFER: Select[*tuple[Any, ...]] = (
    select(
        PickUp.id,
        PickUp.state,
        PickUp.language,
        PickUp.expires_at,
        PickUp.browser_sha256,
        PickUp.again_until,
        PickUp.fetched,
        Edition.id.label("edition_id"),
        Edition.licence_id,
        Edition.identifier,
        Edition.status,
        Edition.valid_to,
        Edition.type_code,
        Intent.matter_code,
        Intent.case_number,
        Agency.name_zh,
        Agency.name_en,
    )
    .join(Edition, Edition.id == PickUp.edition_id)
    .join(Intent, Intent.id == Edition.id)
    .join(Agency, Agency.code == Edition.issuer_code)
)


def offered(session: Session, ports: Ports, token: str, browser: str | None) -> Offered | None:
    """What a link gives to this browser, known by a secret of its own; None where it gives nothing, whatever
    the cause.
    """
    digest, at = _digest(token), moment(ports)
    row = session.execute(_OFFER.where(PickUp.token_sha256 == digest)).one_or_none()
    if row is None or not deliverable(row, at.day):
        return None
    again = row.state == PickUpState.USED
    if again:
        may = (
            row.browser_sha256 is not None
            and row.browser_sha256 == _browser(digest, browser)
            and at.now < row.again_until
            and row.fetched < MOST_FETCHES
        )
    else:
        may = row.state == PickUpState.OPEN and at.now < row.expires_at
    if not may:
        return None
    licence_type = known_type(session, row.type_code)
    return Offered(
        edition_id=row.edition_id,
        licence_id=row.licence_id,
        identifier=row.identifier,
        agency=(row.name_zh, row.name_en),
        type_name={} if licence_type is None else dict(licence_type.name),
        language=row.language,
        until=row.again_until if again else row.expires_at,
        again=again,
        row=row,
    )


def take(ports: Ports, token: str, browser: str | None) -> Taken:
    """Use a link: the document, once; or once more for the browser that used it. The document is at hand
    before the link is used, so one that cannot be read costs no link.

    Raises VermilionError: NOT_FOUND (`no_pick_up`) where the link gives nothing, whatever the cause;
    UNAVAILABLE.
    """
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        offer = offered(session, ports, token, browser)
        if offer is None:
            raise no_pick_up()
        form = newest_form(session.scalars(select(Document).where(Document.edition_id == offer.edition_id)))
        key, digest = form.store_key, form.sha256
    pdf = read_document(ports.documents, key, digest)
    with database_errors(), ports.database.transaction() as session:
        edition = session.get_one(Edition, offer.edition_id, with_for_update={"read": True})
        at = moment(ports)
        fetched = _fetched(session, token, browser, at.now) if deliverable(edition, at.day) else 0
        if not fetched:
            raise no_pick_up()
        if fetched == 1:
            purpose = Purpose(offer.row.matter_code, offer.row.case_number)
            used = Used(offer.edition_id, offer.licence_id)
            uses.record(session, ports, used, UseKind.PICKED_UP, None, purpose)
            row = session.get_one(PickUp, offer.row.id)
            _record(session, ports, None, row, offer.identifier, "taken", {"sha256": digest.hex()})
    return Taken(offer.identifier, pdf)


def no_pick_up() -> VermilionError:
    """The one answer to a link that gives nothing."""
    return VermilionError(Kind.NOT_FOUND, "this link gives nothing, or nothing any more", reason="no_pick_up")


def sweep(ports: Ports) -> int:
    """Erase what is told to nobody again, and remove links that were over long ago; how many."""
    now = ports.clock()
    told_no_more = {"token": None, "told_until": None}
    return swept(ports.database, PickUp.id, PickUp.told_until <= now, values=told_no_more) + swept(
        ports.database, PickUp.id, PickUp.expires_at <= now - KEPT
    )


def _fetched(session: Session, token: str, browser: str | None, now: datetime) -> int:
    """Which fetch this is: of any number at once one is the first, which uses the link; 0: none."""
    digest = _digest(token)
    known = _browser(digest, browser)
    first = update(PickUp).where(
        PickUp.token_sha256 == digest, PickUp.state == PickUpState.OPEN, PickUp.expires_at > now
    )
    values: dict[str, Any] = {
        "state": PickUpState.USED.value,
        "used_at": now,
        "browser_sha256": known,
        "again_until": None if known is None else now + FETCH_AGAIN,
        "fetched": 1,
        "token": None,
        "told_until": None,
    }
    if changed_rows(session, first.values(values)) == 1:
        return 1
    if known is None:
        return 0
    again = update(PickUp).where(
        PickUp.token_sha256 == digest,
        PickUp.state == PickUpState.USED,
        PickUp.browser_sha256 == known,
        PickUp.again_until > now,
        PickUp.fetched < MOST_FETCHES,
    )
    wanted = again.values(fetched=PickUp.fetched + 1).returning(PickUp.fetched)
    return session.scalar(wanted, execution_options={"synchronize_session": False}) or 0


def _values(session: Session, ports: Ports, edition: Edition, row: PickUp, token: str) -> dict[str, str]:
    """What the words of the message are filled in with."""
    agency = session.get_one(Agency, edition.issuer_code)
    licence_type = known_type(session, edition.type_code)
    until = row.expires_at.astimezone(ports.settings.tz)
    names = {} if licence_type is None else licence_type.name
    return {
        "agency": agency.name_zh if row.language == "zh" else agency.name_en,
        "licence": names.get(row.language) or names.get("en") or edition.type_code,
        "link": link_of(ports, token),
        "until": f"{until:%Y-%m-%d %H:%M} ({ports.settings.zone})",
    }


def link_of(ports: Ports, token: str) -> str:
    return f"{ports.settings.holder}/holder/pick-up/{token}"


def _record(
    session: Session,
    ports: Ports,
    by: Actor | None,
    row: PickUp,
    identifier: str,
    what: str,
    detail: dict[str, Any],
    ground: Ground | None = None,
) -> None:
    at = moment(ports)
    record_event(
        session,
        kind=f"{SUBJECT}.{what}",
        subject_kind=SUBJECT,
        subject=row.id,
        ground=ground or Ground(LEGAL_BASIS, what, at.day),
        actor=by,
        now=at.now,
        random=ports.random,
        detail={"identifier": identifier, **detail},
    )


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()


def _browser(token_sha256: bytes, secret: str | None) -> bytes | None:
    """A browser as it is known for one link alone."""
    return None if secret is None else sha256(token_sha256 + _digest(secret)).digest()


def _owner(pick_up_id: str) -> str:
    return f"pick_up:{pick_up_id}"
