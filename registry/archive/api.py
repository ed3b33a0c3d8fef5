"""`/api/v1/archive`: an agency's own packages and figures, read alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from keys.errors import Kind, field_fault
from registry import web
from registry.agencies.rules import SCOPE_LICENCE
from registry.archive.answers import ArchiveStatistics, PackagePage, WholePackage
from registry.archive.figures import figures_of
from registry.archive.reading import MAX_PAGE, PAGE, Passed, Question, Whole, find_packages, read_package
from registry.archive.tables import ArchivePackage
from registry.described import Parameter, described, told
from registry.licences.duties import require_officer
from registry.licences.outage import database_errors
from signing.verdict import instant

blueprint = Blueprint("archive", __name__)
PACKAGES = "/api/v1/archive/packages"
MAX_ARGUMENT = 120
_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_ARGUMENT}
_YEAR = {"type": "integer", "minimum": 1900, "maximum": 2200}
_PLAIN = {"Cache-Control": "no-store"}


@blueprint.get(PACKAGES)
@described(
    "findPackages", "Packages of the agency in the archive",
    parameters=(
        Parameter("number", "Archive number (档号).", _TEXT),
        Parameter("identifier", "Of a licence.", _TEXT),
        Parameter("catalogue", "Of its number (目录号).", _TEXT),
        Parameter("year", "Of the catalogue.", _YEAR),
        Parameter("limit", "Packages a page.", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE}),
        Parameter("after", "As `next` of a full page says.", _TEXT),
    ),
    answers={200: told("A page.", PackagePage)},
)  # fmt: skip
def find() -> Response:
    """The newest years first. The register does not say what is in a package: no personal data is here."""
    arguments = dict(web.query({"number", "identifier", "catalogue", "year", "limit", "after"}))
    for name, value in arguments.items():
        if not 0 < len(value) <= MAX_ARGUMENT or not value.isprintable():
            raise field_fault(f"?{name}", "length", f"1 to {MAX_ARGUMENT} printable characters")
    question = Question(
        number=arguments.get("number"),
        identifier=arguments.get("identifier"),
        catalogue=arguments.get("catalogue"),
        year=_number("year", arguments.get("year"), 1900, 2200, None),
        limit=_number("limit", arguments.get("limit"), 1, MAX_PAGE, PAGE) or PAGE,
        after=arguments.get("after"),
    )
    code = _agency()
    with database_errors(), Session(web.ports().database.read) as session:
        found, following = find_packages(session, code, question)
        body: dict[str, Any] = {"packages": [shown(row, passed) for row, passed in found], "next": None}
    if following is not None:
        body["next"] = f"{PACKAGES}?{urlencode({**arguments, 'after': following})}"
    return web.answer(body, 200, _PLAIN)


@blueprint.get(f"{PACKAGES}/<hex32:package_id>")
@described(
    "readPackage", "A package with its checks and copies",
    answers={200: told("The package.", WholePackage)},
    refuses=(Kind.NOT_FOUND,),
)  # fmt: skip
def show(package_id: str) -> Response:
    """Its entry of the register: every item of its four-nature checks, its copies and when each was last read
    whole, its time-stamps, where it came from and went to.
    """
    web.query()
    code = _agency()
    with database_errors(), Session(web.ports().database.read) as session:
        body = whole(read_package(session, code, package_id))
    return web.answer(body, 200, _PLAIN)


@blueprint.get("/api/v1/archive/statistics")
@described(
    "readArchiveStatistics", "Figures of the agency's archive",
    answers={200: told("The figures.", ArchiveStatistics)},
)  # fmt: skip
def statistics() -> Response:
    """By fonds, year and retention; copies by store; checks that did not pass; what went to another archive;
    and what waits to be archived.
    """
    web.query()
    code = _agency()
    with database_errors(), Session(web.ports().database.read) as session:
        found = figures_of(session, code)
    as_of = None if found.counted_at is None else instant(found.counted_at)
    return web.answer({"as_of": as_of, **found.said()}, 200, _PLAIN)


def _agency() -> str:
    """Whose packages are read: the caller's. Raises VermilionError(FORBIDDEN)."""
    actor = web.actor()
    actor.require_scope(SCOPE_LICENCE)
    require_officer(actor)
    return actor.agency_code


def _number(name: str, text: str | None, least: int, most: int, otherwise: int | None) -> int | None:
    reason = "limit" if name == "limit" else "query"
    if text is None:
        return otherwise
    if not text.isascii() or not text.isdigit() or len(text) > 4 or not least <= int(text) <= most:
        raise field_fault(f"?{name}", reason, f"a number from {least} to {most}")
    return int(text)


def shown(row: ArchivePackage, passed: Passed | None) -> dict[str, Any]:
    return {
        "package": row.id,
        "href": f"{PACKAGES}/{row.id}",
        "number": row.number,
        "sequence": row.sequence,
        "fonds": row.fonds,
        "catalogue": row.catalogue,
        "year": row.year,
        "identifier": row.identifier,
        "occasion": row.occasion,
        "retention": row.retention,
        "retention_until": None if row.retention_until is None else row.retention_until.isoformat(),
        "state": row.state,
        "size": row.size,
        "sha256": None if row.sha256 is None else row.sha256.hex(),
        "kept_at": None if row.kept_at is None else instant(row.kept_at),
        "passed_on": None if passed is None else {
            "handover": passed.handover,
            "to": passed.to_code,
            "name": passed.to_name,
            "state": passed.state,
            "accepted_at": None if passed.at is None else instant(passed.at),
        },
    }  # fmt: skip


def whole(found: Whole) -> dict[str, Any]:
    arrival = found.arrival
    return {
        **shown(found.row, found.passed),
        "copies": [
            {
                "store": copy.store,
                "state": copy.state,
                "written_at": None if copy.written_at is None else instant(copy.written_at),
                "checked_at": None if copy.checked_at is None else instant(copy.checked_at),
            }
            for copy in found.copies
        ],
        "checks": [
            {
                "occasion": check.occasion,
                "checked_at": instant(check.checked_at),
                "passed": all(one.passed for one in check.findings),
                "findings": [
                    {
                        "nature": one.nature.value,
                        "item": one.item,
                        "passed": one.passed,
                        "detail": one.detail,
                    }
                    for one in check.findings
                ],
            }
            for check in found.checks
        ],
        "time_stamped_at": [instant(at) for at in found.stamped_at],
        "arrived_from": None if arrival is None else {
            "code": arrival.from_code,
            "name": arrival.from_name,
            "handover": arrival.handover,
            "number": arrival.number,
            "arrived_at": instant(arrival.arrived_at),
        },
    }  # fmt: skip
