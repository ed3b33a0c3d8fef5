"""Pick-up links over HTTP: an agency gives its licence's holder a link, and sees whether it was used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry import repeats, web
from registry.actor import Actor
from registry.delivery import rules
from registry.delivery.answers import PickUpMade, PickUpPage, PickUpShown
from registry.delivery.forms import PickUpBody, WithdrawalBody
from registry.delivery.tables import PickUp
from registry.described import ADDRESS, IDEMPOTENCY_KEY, IF_NONE_MATCH, Parameter, described, told
from registry.licences.idempotency import Answered, answer_once
from registry.licences.moment import moment
from registry.licences.outage import database_errors
from registry.licences.rules import own_for
from registry.licences.shown import href, known_form, licence_actor, require_named
from registry.log.rules import Ground
from registry.notices import rules as notices
from registry.notices.answers import notice_json
from registry.notices.rules import Way
from signing.verdict import instant

blueprint = Blueprint("delivery", __name__, url_prefix="/api/v1/licences/<identifier>/pick-ups")

NO_STORE = {"Cache-Control": "no-store"}


@blueprint.post("")
@described(
    "makePickUp", "Give the holder a link to their document",
    sends=PickUpBody,
    parameters=(replace(IDEMPOTENCY_KEY, required=True),),
    answers={
        201: told("The link.", PickUpMade, Location=ADDRESS),
    },
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def create(identifier: str) -> Response:
    """It gives the document to whoever uses it first, and to nobody after, for as long as the licence is in
    force and `hours` have not passed. To whom it was sent is erased once it is handed over. Where the agency
    hands it over by itself the link is told in this answer, and for an hour again to the very same request.
    """
    ports, key = web.ports(), web.idempotency_key(required=True)
    body = web.parse_body(PickUpBody)
    actor = licence_actor(body.operator)
    known_form(identifier)
    require_named(actor)
    mac = repeats.asked_mac(actor, body)
    with database_errors(), ports.database.transaction() as session:
        own_for(session, actor, identifier)
        token: str | None = None

        def work() -> Answered:
            nonlocal token
            edition = own_for(session, actor, identifier, lock=True)
            way = _way(session, actor, body)
            made = rules.make(session, ports, actor, edition, way, body.language, timedelta(hours=body.hours))
            token = made.token
            return Answered(201, {"pick_up": made.row.id})

        kept, replayed = answer_once(session, actor.client_id, key, mac, ports.clock(), work)
        row = session.get(PickUp, kept.body["pick_up"])
        if row is None:
            raise VermilionError(
                Kind.NOT_FOUND,
                "the link was over long ago, and is on record no more",
                reason="pick_up_unknown",
            )
        if replayed:
            token = rules.told_again(ports, row)
        (shown,) = _shown(session, identifier, [row])
    headers = {**NO_STORE, "Location": str(shown["href"])}
    if replayed:
        headers |= repeats.REPLAY
    link = None if token is None else rules.link_of(ports, token)
    return web.answer({**shown, "link": link}, kept.status, headers)


@blueprint.get("")
@described(
    "listPickUps", "The links of a licence",
    parameters=(Parameter("after", "The link before the page."),),
    answers={200: told("A page.", PickUpPage)},
)  # fmt: skip
def index(identifier: str) -> Response:
    """Of this edition, the newest first, in pages of 100. Those that were over for 90 days are on record no
    more.
    """
    arguments = web.query({"after"})
    after = web.hex_id("?after", arguments["after"]) if "after" in arguments else None
    with database_errors(), Session(web.ports().database.read) as session:
        edition = own_for(session, licence_actor(), known_form(identifier))
        found, more = rules.of_edition(session, edition, after)
        shown = _shown(session, identifier, found)
    body: dict[str, Any] = {"identifier": identifier, "pick_ups": shown}
    if more:
        body["next"] = f"{href(identifier)}/pick-ups?{urlencode({'after': found[-1].id})}"
    return web.answer(body, 200, NO_STORE)


@blueprint.get("/<hex32:pick_up_id>")
@described(
    "readPickUp", "A link of a licence",
    parameters=(IF_NONE_MATCH,),
    answers={200: told("As it stands.", PickUpShown)},
)  # fmt: skip
def show(identifier: str, pick_up_id: str) -> Response:
    """Whether it was used, and what became of the message that carries it."""
    web.query()
    with database_errors(), Session(web.ports().database.read) as session:
        edition = own_for(session, licence_actor(), known_form(identifier))
        (shown,) = _shown(session, identifier, [rules.find(session, edition, pick_up_id)])
    return web.shown(shown, NO_STORE)


@blueprint.post("/<hex32:pick_up_id>/withdrawal")
@described(
    "withdrawPickUp", "Withdraw a link",
    sends=WithdrawalBody,
    parameters=(IDEMPOTENCY_KEY,),
    answers={200: told("The link.", PickUpShown)},
)  # fmt: skip
def withdraw(identifier: str, pick_up_id: str) -> Response:
    """From now on it gives nothing. The same again changes nothing, nor does it of one that was used."""
    ports = web.ports()
    body = web.parse_body(WithdrawalBody)
    actor = licence_actor(body.operator)
    known_form(identifier)
    require_named(actor)

    def work(session: Session) -> Answered:
        edition = own_for(session, actor, identifier)
        ground = Ground(body.legal_basis, body.reason_code, moment(ports).day)
        row = rules.withdraw(session, ports, actor, edition, pick_up_id, ground)
        session.flush()
        (shown,) = _shown(session, identifier, [row])
        return Answered(200, shown)

    answered, replayed = repeats.once(actor, body, work)
    return repeats.told(answered, replayed=replayed)


def _way(session: Session, actor: Actor, body: PickUpBody) -> Way | None:
    """How the link is sent; None: not by the registry. Raises VermilionError(INVALID)."""
    if (body.to is not None) != (body.channel != "none"):
        raise field_fault("/to", "channel", "by `smtp` and `webhook` it is said for whom, else it is not")
    if (body.webhook is not None) != (body.channel == "webhook"):
        raise field_fault("/webhook", "channel", "by `webhook` an endpoint is named, otherwise none is")
    if body.to is None:
        return None
    if body.webhook is None:
        return notices.by_mail(web.ports().settings, body.to, "/to")
    return notices.by_receiver(session, actor, body.webhook, body.to, "/webhook")


def _shown(session: Session, identifier: str, rows: Sequence[PickUp]) -> list[dict[str, object]]:
    now = web.ports().clock()
    sent = notices.about(session, rules.SUBJECT, [row.id for row in rows])
    return [
        {
            "id": row.id,
            "href": f"{href(identifier)}/pick-ups/{row.id}",
            "identifier": identifier,
            "channel": row.channel,
            "language": row.language,
            "state": rules.state_of(row, now).value,
            "created_at": instant(row.created_at),
            "expires_at": instant(row.expires_at),
            "used_at": None if row.used_at is None else instant(row.used_at),
            "notice": notice_json(sent[row.id]) if row.id in sent else None,
        }
        for row in rows
    ]
