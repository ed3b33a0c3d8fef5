"""What there is to read of a seal, over HTTP: the picture applied for, and what the seal has sealed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError
from registry import web
from registry.agencies.rules import SCOPE_SEAL
from registry.described import BINARY, IF_NONE_MATCH, PDF, Answer, Parameter, described, told
from registry.licences.outage import database_errors
from registry.seals import impact, uses
from registry.seals.answers import Impact, UsePage
from registry.seals.duties import approval_seen_by, require_overseer, seal_seen_by
from registry.seals.tables import ApplicationPicture, Approval, Seal

blueprint = Blueprint("seal_records", __name__, url_prefix="/api/v1")

AFTER = Parameter("after", "As `next` of a full page says.", {"type": "string", "pattern": "^[0-9a-f]{32}$"})
DAY = {"type": "string", "format": "date"}
_ID = re.compile(r"[0-9a-f]{32}")


@blueprint.get("/seals/<seal_code:code>/impact")
@described(
    "readImpact", "What a seal has sealed",
    parameters=(AFTER,), answers={200: told("A page.", Impact)},
)  # fmt: skip
def impact_list(code: str) -> Response:
    """What the seal has sealed and what proves that it came before the seal's end; the first page has the
    totals.
    """
    after = _after(web.query({"after"}))
    with database_errors(), Session(web.ports().database.read) as session:
        seal = _overseen(session, code)
        limit = impact.limit_of(session, seal, web.ports().clock())
        found = impact.page(session, seal, limit, after)
        body: dict[str, Any] = {
            "seal": code,
            "state": seal.state,
            "limit": {"at": limit.at.isoformat(), "kind": limit.kind},
            "log": "not_available",
        }
        if after is None:
            body["totals"] = impact.totals(session, seal, limit)
    body["licences"] = [_sealing(sealing) for sealing in found.sealings]
    if found.more:
        body["next"] = f"/api/v1/seals/{code}/impact?after={found.sealings[-1].edition_id}"
    return web.answer(body)


@blueprint.get("/seals/<seal_code:code>/uses")
@described(
    "readSealUses", "Each use of a seal",
    parameters=(AFTER, Parameter("from", "A day.", DAY), Parameter("to", "A day.", DAY)),
    answers={200: told("A page.", UsePage)},
)  # fmt: skip
def use_ledger(code: str) -> Response:
    """Each use of the seal, also those that came to nothing; `from` and `to` are days, both included."""
    arguments = web.query({"after", "from", "to"})
    after = _after(arguments)
    days = uses.Days(_day(arguments, "from"), _day(arguments, "to"))
    with database_errors(), Session(web.ports().database.read) as session:
        seal = _overseen(session, code)
        found, more = uses.page(session, seal, days, web.ports().settings.tz, after)
    body: dict[str, Any] = {"seal": code, "uses": [_use(use) for use in found]}
    if more:
        filters = {name: arguments[name] for name in ("from", "to") if name in arguments}
        body["next"] = f"/api/v1/seals/{code}/uses?{urlencode({'after': found[-1].id, **filters})}"
    return web.answer(body)


@blueprint.get("/seal-applications/<hex32:approval_id>/picture")
@described(
    "readPicture", "The picture that is applied for",
    parameters=(IF_NONE_MATCH,),
    answers={200: Answer("A page.", {PDF: BINARY})},
)  # fmt: skip
def picture(approval_id: str) -> Response:
    """The very picture that is to be approved and made: a one-page PDF, whose digest the payload names."""
    web.query()
    actor = web.actor()
    actor.require_scope(SCOPE_SEAL)
    with database_errors(), Session(web.ports().database.read) as session:
        data = picture_applied_for(session, approval_seen_by(session, actor, approval_id))
    answer = Response(data, 200, {"Cache-Control": "private, no-cache"}, mimetype="application/pdf")
    answer.headers["Content-Disposition"] = f'attachment; filename="{approval_id}.pdf"'
    return web.tagged(answer, sha256(data).hexdigest())


def picture_applied_for(session: Session, approval: Approval) -> bytes:
    """The picture that an application is for. Raises VermilionError: NOT_FOUND for a request without one;
    UNAVAILABLE.
    """
    found = web.found(session.get(ApplicationPicture, approval.id), "picture")
    if sha256(found.data).hexdigest() != approval.payload["picture"]["sha256"]:
        raise VermilionError(
            Kind.UNAVAILABLE, "the picture on record is not the one applied for", reason="picture_altered"
        )
    return found.data


def _overseen(session: Session, code: str) -> Seal:
    actor = web.actor()
    actor.require_scope(SCOPE_SEAL)
    seal = seal_seen_by(session, actor, code)
    require_overseer(session, actor)
    return seal


def _after(arguments: Mapping[str, str]) -> str | None:
    after = arguments.get("after")
    if after is not None and not _ID.fullmatch(after):
        fault = Fault("?after", "hex32", "after is what `next` of a full page says")
        raise VermilionError(Kind.INVALID, fault.detail, reason="query", faults=(fault,))
    return after


def _day(arguments: Mapping[str, str], name: str) -> date | None:
    text = arguments.get(name)
    if text is None:
        return None
    day = web.civil_day(text)
    if day is None:
        fault = Fault(f"?{name}", "date", "a day is written YYYY-MM-DD")
        raise VermilionError(Kind.INVALID, fault.detail, reason="query", faults=(fault,))
    return day


def _use(use: uses.Use) -> dict[str, Any]:
    return {
        "id": use.id,
        "begun_at": use.begun_at.isoformat(),
        "ended_at": use.ended_at.isoformat() if use.ended_at else None,
        "state": use.state,
        "seal_edition": use.seal_edition,
        "licence": use.licence,
        "copy": use.copy,
        "type": use.type_code,
        "document_sha256": use.document_sha256.hex() if use.document_sha256 else None,
        "authorisation": use.authorisation_id,
        "client": use.client_id,
        "client_name": use.client_name,
        "operator": use.operator,
    }


def _sealing(sealing: impact.Sealing) -> dict[str, Any]:
    return {
        "identifier": sealing.identifier,
        "copy": sealing.edition_id if sealing.copied else None,
        "edition": sealing.edition,
        "type": sealing.type_code,
        "seal_edition": sealing.seal_edition,
        "sealed_at": sealing.sealed_at.isoformat(),
        "clock": "time_stamp" if sealing.time_stamped else "signer",
        "status": sealing.status,
        "ground": sealing.ground,
        "how": sealing.how,
        "standing": sealing.standing.value,
        "proofs": [
            {
                "kind": proof.kind,
                "name": proof.name,
                "at": proof.at.isoformat(),
                "independent": proof.independent,
            }
            for proof in sealing.proofs
        ],
    }
