"""What the agency API says of licences, and what every view of them asks first."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Protocol

from flask import Response

from keys.errors import VermilionError
from registry import web
from registry.actor import Actor
from registry.agencies.rules import SCOPE_LICENCE
from registry.licences.issue import Preview
from registry.licences.issued import Issued
from registry.licences.rules import licence_unknown
from registry.licences.schedule import Planned
from signing.codes import parse_identifier
from signing.record import Record, record_to_json


def licence_actor(operator: str | None = None) -> Actor:
    """Who calls, within the scope of licences. Raises VermilionError(FORBIDDEN)."""
    actor = web.actor()
    actor.require_scope(SCOPE_LICENCE)
    return actor if operator is None else replace(actor, operator=operator)


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


class StatusColumns(Protocol):
    """`registry.licences.rules.LicenceStatus`, or a row with its columns."""

    @property
    def identifier(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def status_version(self) -> int: ...
    @property
    def ground(self) -> str | None: ...
    @property
    def how(self) -> str | None: ...
    @property
    def since(self) -> date: ...
    @property
    def suspended_until(self) -> date | None: ...
    @property
    def removed_on(self) -> date | None: ...


def status_json(status: StatusColumns) -> dict[str, object]:
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
        "ground": planned.ground,
        "until": day_or_none(planned.until),
        "how": planned.how,
        "legal_basis": planned.legal_basis,
        "reason_code": planned.reason_code,
    }
