"""Service guides (办事指南): the matters there are, and one page for each (Measures, Arts. 5, 6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session

from registry import web
from registry.agencies.tables import Agency
from registry.applicants.acts import ONLINE, takes_applications
from registry.applicants.browser import GUIDES, blueprint, chinese, lang, message, page, words
from registry.applicants.fields import in_language
from registry.holders.rendering import civil
from registry.intake.clocks import Limit
from registry.intake.matter_lists import InForce, list_of, matter_on, matters_on
from registry.intake.matter_search import MAX_SEARCH, searched_on
from registry.intake.matters import Material, Matter
from registry.intake.result_tables import ResultMatter
from registry.licences.moment import moment
from registry.licences.outage import database_errors

LISTED = 20
_CODE = re.compile(r"[0-9A-Z]{10,36}")
_AGENCY = re.compile(r"[0-9A-Z]{18}")


@blueprint.get("/services", endpoint="guides")
def guides() -> Response:
    """The matters, in pages; all, or an agency's, or those whose names have what was typed."""
    typed = " ".join(request.args.get("q", "").split())[:MAX_SEARCH]
    agency, after = request.args.get("agency", ""), request.args.get("after", "")
    agency = agency if _AGENCY.fullmatch(agency) else ""
    after = after if _CODE.fullmatch(after) else ""
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        today = moment(ports).day
        of = agency or None
        if typed:
            found, more = searched_on(session, today, typed, agency_code=of, after=after, size=LISTED)
        else:
            found, more = matters_on(session, today, agency_code=of, after=after, size=LISTED)
        codes = {one.matter.agency_code for one in found} | ({agency} if agency else set())
        agencies = {code: _agency(session, code) for code in codes}
        rows = [_row(one.matter, agencies[one.matter.agency_code]) for one in found]
        here = agencies.get(agency) if agency else None
    kept = {"q": typed, "agency": agency}
    return page(
        "guides.html",
        rows=rows,
        typed=typed,
        agency=None if here is None else {"code": agency, **here},
        too_short=bool(typed) and all(len(word) < 2 for word in typed.split()),
        after=found[-1].matter.code if more else None,
        keep="".join(f"&{name}={_quoted(value)}" for name, value in kept.items() if value),
    )


@blueprint.get("/services/<code>", endpoint="guide")
def guide(code: str) -> Response:
    """One matter, as it is handled today."""
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        found = matter_on(session, code, moment(ports).day) if _CODE.fullmatch(code) else None
        if found is None:
            return no_matter()
        of_list = list_of(session, code, found.version)
        agency = _agency(session, found.matter.agency_code)
        online = takes_applications(session, found.matter)
        has_results = session.get(ResultMatter, code) is not None
        taking_part = [
            {
                "agency": _agency(session, one.agency_code),
                "about": named(one.decides_on),
                "days": words()["joint_days"].format(days=one.days),
            }
            for one in found.matter.joint
        ]
    return page(
        "guide.html",
        m={**_shown(found), "joint": taking_part},
        agency={"code": found.matter.agency_code, **agency},
        online=online,
        results=f"{ports.settings.public_origin}/results/{code}?lang={lang()}" if has_results else None,
        list={
            "name": named(of_list.name),
            "version": of_list.version,
            "from": civil(of_list.effective_from, lang()),
            "to": None if of_list.effective_to is None else civil(of_list.effective_to, lang()),
            "approval": f"{of_list.approved_by} {of_list.approval}",
            "approved_on": civil(of_list.approved_on, lang()),
        },
        zh=chinese(),
    )


def no_matter() -> Response:
    return message(404, "no_matter_title", "no_matter_text")


def named(names: Any) -> dict[str, str | None]:
    """A name with the language it is in."""
    text, tag = in_language(names, lang())
    return {"text": text, "lang": tag}


def agency_named(agency: Agency) -> dict[str, str | None]:
    chosen = lang()
    return {
        "text": agency.name_zh if chosen == "zh" else agency.name_en,
        "lang": "en" if chosen == "es" else None,
    }


def limit(value: Limit) -> str:
    """Ten working days."""
    told = words()
    if value.days == 0:
        return told["at_once"]
    return told[f"{value.unit.value}s"].format(days=value.days)


def material(one: Material) -> dict[str, Any]:
    """What a page says of a material."""
    told = words()
    kinds = told["comma"].join(_MEDIA[media] for media in one.media)
    return {
        "code": one.code,
        "name": named(one.name),
        "required": one.required,
        "source": told[f"source_{one.source}"],
        "looked_up": one.licence_type is not None or one.source == "government",
        "licence": one.licence_type is not None,
        "accept": ",".join(one.media),
        "media": told["media"].format(kinds=kinds, size=_size(one.max_bytes)),
        "paper": None if one.paper is None else str(one.paper),
        "basis": str(one.basis),
        "note": one.note,
    }


_MEDIA = {"application/pdf": "PDF", "image/jpeg": "JPEG", "image/png": "PNG"}


def _size(count: int) -> str:
    return f"{count // (1024 * 1024)} MB" if count % (1024 * 1024) == 0 else f"{count // 1024} KB"


def _agency(session: Session, code: str) -> dict[str, str | None]:
    row = session.get(Agency, code)
    return {"text": code, "lang": None} if row is None else agency_named(row)


def _row(matter: Matter, agency: dict[str, str | None]) -> dict[str, Any]:
    return {
        "href": f"{GUIDES}/{matter.code}",
        "name": named(matter.name),
        "agency": {"code": matter.agency_code, **agency},
        "limit": limit(matter.committed),
        "online": bool(ONLINE & set(matter.forms)),
    }


def _shown(found: InForce) -> dict[str, Any]:
    told, matter = words(), found.matter
    return {
        "code": matter.code,
        "base_code": matter.base_code,
        "href": f"{GUIDES}/{matter.code}",
        "name": named(matter.name),
        "kind": told[f"kind_{matter.kind}"],
        "case_type": told[f"case_type_{matter.case_type}"],
        "audience": _each("audience", matter.audience),
        "forms": _each("way", matter.forms),
        "conditions": matter.conditions,
        "materials": [material(one) for one in matter.materials],
        "steps": [
            {"name": named(one.name), "by": one.by, "days": told["days"].format(days=one.days)}
            for one in matter.steps
        ],
        "statutory": limit(matter.statutory),
        "statutory_basis": str(matter.statutory_basis),
        "committed": limit(matter.committed),
        "extension": None
        if matter.extension is None
        else {
            "days": told["extended_by"].format(days=matter.extension[0]),
            "basis": str(matter.extension[1]),
        },
        "fees": [{"amount": one.amount, "basis": str(one.basis)} for one in matter.fees],
        "result": named(matter.result.name),
        "secret": None if matter.result.secret is None else str(matter.result.secret),
        "visits": told["visits_none"] if not matter.visits else told["visits"].format(count=matter.visits),
        "visits_basis": None if matter.visits_basis is None else str(matter.visits_basis),
        "quantity": matter.quantity,
        "consult": matter.consult_phone,
        "complaint": matter.complaint_phone,
        "review": matter.review,
        "litigation": matter.litigation,
        "basis": [str(one) for one in matter.basis],
    }


def _each(what: str, codes: Sequence[str]) -> str:
    told = words()
    return told["comma"].join(told[f"{what}_{code}"] for code in codes)


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
