"""Using another agency's licence in place of its paper, over HTTP (Measures, Art. 8): for a matter, by what
its holder has shown, and for the holder to see.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from keys.errors import Kind
from registry import repeats, web
from registry.agencies.rules import SCOPE_USE
from registry.agencies.tables import Agency
from registry.described import IDEMPOTENCY_KEY, described, told
from registry.holders import proof
from registry.licences.days import is_within
from registry.licences.duties import require_officer
from registry.licences.idempotency import Answered, answer_once
from registry.licences.moment import moment
from registry.licences.outage import database_errors
from registry.licences.public_records import stored_public
from registry.licences.shown import day_or_none, require_named
from registry.licences.tables import Edition
from registry.licences.types import licence_type_of
from registry.ports import Ports
from registry.uses import rules
from registry.uses.answers import LicenceUsed
from registry.uses.forms import UseBody
from registry.uses.rules import Purpose, Used, UseKind
from signing.disclosure import disclose
from signing.verdict import instant

blueprint = Blueprint("uses", __name__)


@blueprint.post("/api/v1/licences/<identifier>/uses")
@described(
    "useLicence", "Use a licence in place of its paper",
    sends=UseBody,
    parameters=(replace(IDEMPOTENCY_KEY, required=True),),
    answers={201: told("What may be seen of it.", LicenceUsed)},
    refuses=(Kind.NOT_FOUND,),
)  # fmt: skip
def create(identifier: str) -> Response:
    """For a matter of the agency's, whichever agency issued it, by the look-up code that its holder has
    shown; its holder sees who used it, for what and why. Without the code nothing is told of it, and attempts
    are limited: an unknown licence, a wrong code and one attempt too many are answered alike.
    """
    ports, key = web.ports(), web.idempotency_key(required=True)
    body = web.parse_body(UseBody)
    actor = web.actor()
    actor.require_scope(SCOPE_USE)
    require_officer(actor)
    if body.operator is not None:
        actor = replace(actor, operator=body.operator)
    require_named(actor)
    shown = proof.read_exact(identifier, body.lookup_code)
    mac = repeats.asked_mac(actor, body)
    purpose = Purpose(body.matter_code, body.case_number, body.reason, body.legal_basis)
    with database_errors():
        attempt = proof.known_client(ports, actor.client_id, shown)
        proof.count(ports, attempt)
        with ports.database.transaction() as session:

            def work() -> Answered:
                found = proof.prove(session, shown)
                used = Used(found.edition_id, found.licence_id)
                use_id = rules.record(session, ports, used, UseKind.USED, actor, purpose)
                told_of = {"use": use_id, "used_at": instant(ports.clock()), "edition": found.edition_id}
                return Answered(201, told_of)

            kept, replayed = answer_once(session, actor.client_id, key, mac, ports.clock(), work)
            proof.was_right(session, attempt)
        with Session(ports.database.read) as session:
            shown_now = _told(session, ports, kept.body["edition"])
    headers = {"Cache-Control": "no-store"}
    if replayed:
        headers |= repeats.REPLAY
    use = {name: kept.body[name] for name in ("use", "used_at")}
    return web.answer({**use, **shown_now}, kept.status, headers)


def _told(session: Session, ports: Ports, edition_id: str) -> dict[str, Any]:
    """What is kept of an answer names the use alone: what may be seen of the licence is read anew."""
    edition = session.get_one(Edition, edition_id)
    public = stored_public(edition.public_record)
    licence_type = licence_type_of(session, public.type_code, public.type_version)
    issuer = session.get_one(Agency, edition.issuer_code)
    at = moment(ports)
    return {
        "as_of": instant(at.now),
        "identifier": edition.identifier,
        "type": {"code": public.type_code, "version": public.type_version, "name": dict(licence_type.name)},
        "issuer": {"code": issuer.code, "name": {"zh": issuer.name_zh, "en": issuer.name_en}},
        "edition": public.edition,
        "issue_date": public.issue_date.isoformat(),
        "valid_from": public.valid_from.isoformat(),
        "valid_to": day_or_none(public.valid_to),
        "status": edition.status,
        "ground": edition.ground,
        "how": edition.how,
        "since": edition.since.isoformat(),
        "suspended_until": day_or_none(edition.suspended_until),
        "removed_on": day_or_none(edition.removed_on),
        "valid": edition.status == "in_force" and is_within(edition.valid_from, edition.valid_to, at.day),
        "specimen": public.specimen,
        "fields": [
            {
                "name": one.field.name,
                "label": dict(one.field.label),
                "value": one.value if isinstance(one.value, str) else list(one.value),
                "masked": one.masked,
            }
            for one in disclose(public, licence_type)
        ],
    }
