"""The log of uses, for whoever has the paper: identifier and look-up code, as at the public site's typed
look-up.
"""

from __future__ import annotations

import re
from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry import web
from registry.holders import proof
from registry.holders.browser import blueprint, form, page, words
from registry.holders.proof import Proven
from registry.holders.rendering import language_of, minute
from registry.licences.outage import database_errors
from registry.problems import status_of
from registry.uses import rules
from registry.uses.rules import Entry

_ID = re.compile(r"[0-9a-f]{32}")


@blueprint.get("/uses")
def uses() -> Response:
    return _form()


@blueprint.post("/uses", endpoint="find_uses")
def find_uses() -> Response:
    """What is typed is sent, and stands in no address."""
    ports, told = web.ports(), form()
    try:
        shown = proof.read_shown(told.get("licence", ""), told.get("code", ""))
    except VermilionError:
        return _form("fault_form", status_of(Kind.INVALID))
    ports.vault.ready()
    after = told.get("after")
    after = after if after is not None and _ID.fullmatch(after) else None
    try:
        with database_errors():
            attempt = proof.stranger(ports, web.network(), shown)
            proof.count(ports, attempt)
            with Session(ports.database.read) as session:
                found = proof.prove(session, shown)
                entries, more = rules.log_of(session, ports.vault, found.licence_id, after)
            with ports.database.transaction() as session:
                proof.was_right(session, attempt)
    except VermilionError as error:
        if error.reason != "unmatched":
            raise
        return _form("fault_unmatched", status_of(Kind.NOT_FOUND))
    return _log(found, shown.code, entries, entries[-1].id if more else None)


def _form(fault: str | None = None, status: int = 200) -> Response:
    return _page(status, fault=None if fault is None else words()[fault])


def _log(found: Proven, code: str, entries: list[Entry], after: str | None) -> Response:
    shown = [_entry(one) for one in entries]
    return _page(200, entries=shown, identifier=found.identifier, code=code, after=after)


def _page(status: int, **context: Any) -> Response:
    nothing = {"fault": None, "entries": None, "identifier": "", "code": "", "after": None}
    days = web.ports().settings.use_log_days
    return page("uses.html", status, **(nothing | context), days=days)


def _entry(one: Entry) -> dict[str, Any]:
    told, lang, purpose = words(), language_of(request), one.purpose
    rows = [
        (told["matter"], purpose.matter_code, None),
        (told["case"], purpose.case_number, None),
        (told["reason"], purpose.reason, _tag(lang)),
        (told["basis"], purpose.legal_basis, _tag(lang)),
        (told["recipient"], purpose.recipient, _tag(lang)),
        (told["edition"], f"{one.edition:03}", None),
    ]
    if one.agency is None:
        who, who_lang = told["holder"], None
    else:
        who, who_lang = one.agency[0 if lang == "zh" else 1], "en" if lang == "es" else None
    return {
        "what": told[f"kind_{one.kind.value}"],
        "at": minute(one.used_at, web.ports().settings.tz, lang),
        "who": who,
        "who_lang": who_lang,
        "told": [row for row in rows if row[1]],
    }


def _tag(lang: str) -> str | None:
    """Agencies write in Chinese."""
    return None if lang == "zh" else "zh-Hans"
