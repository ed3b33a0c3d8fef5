"""`/api/v1/oversight`: figures by agency and period, for whoever supervises."""

from __future__ import annotations

from datetime import date
from urllib.parse import urlencode

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from keys.errors import field_fault
from registry import web
from registry.described import Parameter, described, told
from registry.licences.outage import database_errors
from registry.oversight.answers import FigurePage
from registry.oversight.rules import ALL, Figures, Period, closed_to, figures

blueprint = Blueprint("oversight", __name__)
DAY = {"type": "string", "format": "date"}


@blueprint.get("/api/v1/oversight")
@described(
    "readFigures", "Figures by agency and period",
    parameters=(
        Parameter("from", "A day.", DAY, required=True),
        Parameter("to", "A day, inclusive; at most 366 days in all.", DAY, required=True),
        Parameter("after", "As `next` of a full page says.", {"type": "string", "pattern": "^[0-9A-Z]{18}$"}),
    ),
    answers={200: told("A page.", FigurePage)},
)  # fmt: skip
def find() -> Response:
    """Sums alone, of every agency, in pages of 100 by their codes. What was recorded in the last seconds may
    not be counted yet, and checks are counted some minutes later.
    """
    arguments = web.query({"from", "to", "after"})
    period = Period(_day("from", arguments.get("from")), _day("to", arguments.get("to")))
    after = arguments.get("after", "")
    if "after" in arguments and not (len(after) == 18 and after.isascii() and after.isalnum()):
        raise field_fault("?after", "cursor", "after is an agency's code")
    ports = web.ports()
    today = ports.clock().astimezone(ports.settings.tz).date()
    with database_errors(), Session(ports.database.read) as session:
        found, following = figures(session, web.actor(), period, today, after)
        closed = closed_to(session)
    more = {"from": period.begin.isoformat(), "to": period.end.isoformat(), "after": following}
    body = {
        "from": period.begin.isoformat(),
        "to": period.end.isoformat(),
        "closed_to": None if closed is None else closed.isoformat(),
        "agencies": [_told(one) for one in found],
        "next": None if following is None else f"/api/v1/oversight?{urlencode(more)}",
    }
    return web.answer(body, 200, {"Cache-Control": "no-store"})


def _told(one: Figures) -> dict[str, object]:
    agency = one.agency
    return {
        "agency": agency.code,
        "name": {"zh": agency.name_zh, "en": agency.name_en},
        **{name: one[name] for name in ALL},
    }


def _day(name: str, text: str | None) -> date:
    day = None if text is None else web.civil_day(text)
    if day is None or not date(2000, 1, 1) <= day < date(9999, 1, 1):
        raise field_fault(f"?{name}", "date", "a date is written YYYY-MM-DD")
    return day
