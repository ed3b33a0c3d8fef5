"""What the agency API says of licences, and what every view of them asks first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from hashlib import sha256

from flask import Response, request

from keys.canonical import canonical_json
from keys.errors import Fault, Kind, VermilionError
from registry import web
from registry.actor import Actor
from registry.agencies.rules import SCOPE_LICENCE
from registry.described import PDF
from registry.licences.examine import IssueRequest
from registry.licences.forms import MAX_REQUEST
from registry.licences.issue import Preview, issue_beside_others, preview
from registry.licences.issued import Issued
from registry.licences.rules import LicenceStatus, licence_unknown
from registry.licences.schedule import Planned
from signing.codes import parse_identifier
from signing.record import Record, record_to_json


def licence_actor(operator: str | None = None) -> Actor:
    """Who calls, within the scope of licences. Raises VermilionError(FORBIDDEN)."""
    actor = web.actor()
    actor.require_scope(SCOPE_LICENCE)
    return actor if operator is None else replace(actor, operator=operator)


def require_named(actor: Actor) -> None:
    """Whoever acts is named: a person by their credential, or the client's operator. Raises
    VermilionError(INVALID).
    """
    if actor.person_id is None and not actor.operator:
        fault = Fault("/operator", "missing", "say who acts: a person's credential, or the operator")
        raise VermilionError(Kind.INVALID, fault.detail, reason="operator", faults=(fault,))


def pdf_answer(name: str, digest: bytes, read: Callable[[], bytes]) -> Response:
    """A registered document as a file of that name, or 304 to whoever has it. Raises what `read` raises."""
    return file_answer(f"{name}.pdf", PDF, digest, read)


def file_answer(name: str, media: str, digest: bytes, read: Callable[[], bytes]) -> Response:
    """A file to be saved under that name, or 304 to whoever has it. Raises what `read` raises."""
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    answer = Response(b"", 200, headers, mimetype=media)
    answer.set_etag(digest.hex())
    if request.if_none_match.contains(digest.hex()):
        answer.status_code = 304
    else:
        answer.set_data(read())
    return answer


def issuing(
    actor: Actor,
    wanted_of: Callable[[object], IssueRequest],
    *,
    tried: Callable[[Preview], Response] | None = None,
    made: Callable[[Issued], Response] | None = None,
    **bound: str,
) -> Response:
    """A request for an edition, by its JSON: 201 with it, on a replay too; 200 for a dry run, which needs no
    key. `bound` is what the address says, and what the key holds for beside the body; `tried` and `made` tell
    of what is no edition.
    """
    ports = web.ports()
    dry_run = web.flag("dry_run", web.query({"dry_run"}))
    key = web.idempotency_key(required=not dry_run)
    value = web.read_json(max_bytes=MAX_REQUEST)
    wanted = wanted_of(value)
    if dry_run:
        return (tried or preview_answer)(preview(ports, actor, wanted))
    asked = {**bound, "body": value} if bound else value
    digest = sha256(canonical_json(asked)).digest()
    return (made or issued_answer)(issue_beside_others(ports, actor, wanted, key, digest))


def known_form(identifier: str) -> str:
    """Raises VermilionError(NOT_FOUND) for what can be no licence's identifier."""
    try:
        parse_identifier(identifier)
    except VermilionError:
        raise licence_unknown() from None
    return identifier


def href(identifier: str) -> str:
    return f"/api/v1/licences/{identifier}"


def day_or_none(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def document_json(identifier: str, digest: bytes, size: int, level: str) -> dict[str, object]:
    return {"sha256": digest.hex(), "href": f"{href(identifier)}/document", "size": size, "level": level}


def issued_answer(issued: Issued) -> Response:
    """201 with the licence, on a replay too, which says `Idempotency-Replayed: true`."""
    headers = {"Location": href(issued.printout.record.identifier), "Cache-Control": "no-store"}
    if issued.replayed:
        headers["Idempotency-Replayed"] = "true"
    return web.answer(_issued(issued), 201, headers)


def _issued(issued: Issued) -> dict[str, object]:
    record = issued.printout.record
    return {
        "identifier": record.identifier,
        "type": record.type_code,
        "number": record.number,
        "edition": record.edition,
        "status": issued.status,
        "valid_from": record.valid_from.isoformat(),
        "valid_to": day_or_none(record.valid_to),
        "link": issued.link,
        "lookup_code": issued.printout.lookup_code,
        "document": document_json(record.identifier, issued.sha256, issued.size, issued.level),
    }


def preview_answer(found: Preview) -> Response:
    """200: what would be issued."""
    record = found.record
    return web.answer(
        {
            "dry_run": True,
            "seal": found.seal_code,
            "type": record.type_code,
            "type_version": record.type_version,
            "issuer": record.issuer_code,
            "number": record.number,
            "edition": record.edition,
            "valid_from": record.valid_from.isoformat(),
            "valid_to": day_or_none(record.valid_to),
            "fields": record_to_json(record)["fields"],
            **seals_json(record),
            "specimen": record.specimen,
        }
    )


def seals_json(record: Record) -> dict[str, object]:
    """The seals of a joint licence as its record names them; of others nothing is said."""
    return {"seals": record_to_json(record)["seals"]} if record.seals else {}


def status_json(status: LicenceStatus) -> dict[str, object]:
    return {
        "identifier": status.identifier,
        "status": status.status,
        "status_version": status.status_version,
        "ground": status.ground,
        "how": status.how,
        "since": status.since.isoformat(),
        "suspended_until": day_or_none(status.suspended_until),
        "removed_on": day_or_none(status.removed_on),
    }


def planned_json(planned: Planned) -> dict[str, object]:
    return {
        "id": planned.id,
        "operation": planned.operation,
        "due": planned.due.isoformat(),
        "ground": planned.effect.ground,
        "until": day_or_none(planned.effect.until),
        "how": planned.effect.how,
        "legal_basis": planned.legal_basis,
        "reason_code": planned.reason_code,
    }
