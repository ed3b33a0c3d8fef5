"""The agency's licences over HTTP: found and listed."""

from __future__ import annotations

from datetime import date
from typing import cast
from urllib.parse import urlencode

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from keys.errors import VermilionError, field_fault
from registry import web
from registry.described import Parameter, described, told
from registry.licences.answers import LicencePage
from registry.licences.outage import database_errors
from registry.licences.rules import recorded_status
from registry.licences.search import MAX_PAGE, PAGE, Found, Question, Status, search
from registry.licences.shown import day_or_none, href, licence_actor, status_json
from signing.codes import check_type_code
from signing.record import record_to_json
from signing.verdict import instant

blueprint = Blueprint("licence_search", __name__)
_ARGUMENTS = frozenset(
    {"type", "number", "holder", "status", "registered_from", "registered_to", "limit", "after"}
)
MAX_ARGUMENT = 100
TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_ARGUMENT}
DAY = {"type": "string", "format": "date"}


@blueprint.get("/api/v1/licences")
@described(
    "findLicences", "Licences of the agency",
    parameters=(
        Parameter("type", "The licence type's code.", {"type": "string", "pattern": "^[0-9A-Z]{21}$"}),
        Parameter("number", "The licence's number.", TEXT),
        Parameter("holder", "The holder's code.", TEXT),
        Parameter("status", "The status on record.", {"enum": ["in_force", "suspended", "ended"]}),
        Parameter("registered_from", "A day.", DAY),
        Parameter("registered_to", "A day, inclusive.", DAY),
        Parameter("limit", "Licences a page.", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE}),
        Parameter("after", "As `next` of a full page says.", TEXT),
    ),
    answers={200: told("A page.", LicencePage)},
)  # fmt: skip
def find() -> Response:
    """A page of licences, newest registration first; `next` leads to the one after it, if there is one."""
    arguments = dict(web.query(_ARGUMENTS))
    for name, value in arguments.items():
        if not 0 < len(value) <= MAX_ARGUMENT or not value.isprintable():
            raise field_fault(f"?{name}", "length", f"1 to {MAX_ARGUMENT} printable characters")
    question = Question(
        type_code=_type(arguments.get("type")),
        number=arguments.get("number"),
        holder=arguments.get("holder"),
        status=_status(arguments.get("status")),
        registered_from=_day("registered_from", arguments.get("registered_from")),
        registered_to=_day("registered_to", arguments.get("registered_to")),
        limit=_limit(arguments.get("limit")),
        after=arguments.get("after"),
    )
    actor = licence_actor()
    with database_errors(), Session(web.ports().database.read) as session:
        page = search(session, web.ports(), actor, question)
    following = None
    if page.after is not None:
        following = "/api/v1/licences?" + urlencode({**arguments, "after": page.after})
    body = {"licences": [_summary(one) for one in page.found], "next": following}
    return web.answer(body, 200, {"Cache-Control": "no-store"})


def _summary(found: Found) -> dict[str, object]:
    row, record = found.edition, found.record
    return {
        **status_json(recorded_status(row)),
        "href": href(row.identifier),
        "type": row.type_code,
        "number": record.number,
        "edition": row.number,
        "issue_date": row.issue_date.isoformat(),
        "valid_from": row.valid_from.isoformat(),
        "valid_to": day_or_none(row.valid_to),
        "registered_at": instant(row.registered_at),
        "fields": record_to_json(record)["fields"],
    }


def _type(text: str | None) -> str | None:
    try:
        return None if text is None else check_type_code(text)
    except VermilionError as error:
        raise field_fault("?type", "type", error.detail) from None


def _status(text: str | None) -> Status | None:
    if text not in (None, "in_force", "suspended", "ended"):
        raise field_fault("?status", "status", "in_force, suspended or ended")
    return cast("Status | None", text)


def _day(name: str, text: str | None) -> date | None:
    if text is None:
        return None
    day = web.civil_day(text)
    if day is None or not date(1900, 1, 1) <= day < date(9999, 1, 1):
        raise field_fault(f"?{name}", "date", "a date is written YYYY-MM-DD")
    return day


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:4]) <= MAX_PAGE or len(text) > 3:
        raise field_fault("?limit", "limit", f"a page has 1 to {MAX_PAGE} licences")
    return int(text)
