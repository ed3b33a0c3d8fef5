"""Figures by agency and period: for whoever supervises, and for the auditor."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Response, request
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry import web
from registry.console.browser import agency_name, blueprint, live, on, page, words
from registry.console.csv_file import csv_answer
from registry.console.grounds import fault_of
from registry.licences.outage import database_errors
from registry.oversight.rules import (
    ALL,
    CHECKS,
    CHECKS_FAILED,
    CHECKS_NOT_MADE,
    Figures,
    Period,
    closed_to,
    figures,
    require_supervisor,
    unmatched_checks,
)

SHOWN = 25
MOST_WRITTEN = 5000
"""Agencies in a file."""

_ASKED = ("from", "to")


@blueprint.get("/oversight")
def oversight() -> Response:
    require_supervisor(live().actor)
    after = request.args.get("after", "")
    if not re.fullmatch(r"[0-9A-Z]{0,18}", after):
        raise VermilionError(Kind.MALFORMED, "after is an agency's code", reason="cursor")
    asked = {name: request.args.get(name, "").strip()[:20] for name in _ASKED}
    try:
        return _page(_period(asked), asked, after)
    except VermilionError as error:
        if error.kind is not Kind.INVALID:
            raise
        return _page(_this_month(), asked, "", error)


@blueprint.get("/oversight/file")
def oversight_file() -> Response:
    acting, today = live().actor, _today()
    require_supervisor(acting)
    period = _period({name: request.args.get(name, "") for name in _ASKED})
    with database_errors(), Session(web.ports().database.read) as session:
        rows, following = figures(session, acting, period, today, "", MOST_WRITTEN)
    told = words()
    lines: list[list[object]] = [
        [one.agency.code, agency_name(one.agency), *(one[name] for name in ALL)] for one in rows
    ]
    if following is not None:
        lines.append([told["csv_more"].format(count=MOST_WRITTEN)])
    header = [told["csv_agency"], told["agency"], *(told[f"figure_{name}"] for name in ALL)]
    return csv_answer(f"oversight-{period.begin}-{period.end}.csv", header, lines)


def _today() -> date:
    return web.ports().clock().astimezone(web.ports().settings.tz).date()


def _this_month() -> Period:
    today = _today()
    return Period(today.replace(day=1), today)


def _period(asked: dict[str, str]) -> Period:
    """As asked; this month where nothing is. Raises VermilionError(INVALID)."""
    this = _this_month()
    days: dict[str, date] = {"from": this.begin, "to": this.end}
    for name in _ASKED:
        if asked[name]:
            day = web.civil_day(asked[name])
            if day is None or not date(2000, 1, 1) <= day < date(9999, 1, 1):
                raise field_fault(f"/{name}", "query", "a day, YYYY-MM-DD")
            days[name] = day
    if asked["from"] and not asked["to"]:
        days["to"] = min(this.end, days["from"] + timedelta(days=365))
    return Period(days["from"], days["to"])


def _page(period: Period, asked: dict[str, str], after: str, error: VermilionError | None = None) -> Response:
    acting, told = live().actor, words()
    with database_errors(), Session(web.ports().database.read) as session:
        rows, following = figures(session, acting, period, _today(), after, SHOWN)
        unmatched = unmatched_checks(session, acting, period)
        closed = closed_to(session)
    days = {"from": period.begin.isoformat(), "to": period.end.isoformat()}
    fault, wrong = fault_of(error, _ASKED)
    if error is not None and error.reason == "period":
        fault = told["fault_period"]
    return page(
        "oversight.html",
        error=error,
        asked={name: asked[name] or days[name] for name in _ASKED},
        period=told["from_to"].format(first=on(period.begin), last=on(period.end)),
        rows=[_row(one) for one in rows],
        unmatched=[
            (told[f"figure_{name}"], unmatched.get(name, 0))
            for name in (CHECKS, CHECKS_FAILED, CHECKS_NOT_MADE)
        ],
        closed=on(closed),
        file=urlencode(days),
        after=None if following is None else urlencode({**days, "after": following}),
        fault=fault,
        wrong=wrong,
    )


def _row(one: Figures) -> dict[str, Any]:
    told = words()
    return {
        "code": one.agency.code,
        "name": agency_name(one.agency),
        "counts": [(told[f"figure_{name}"], one[name]) for name in ALL],
    }
