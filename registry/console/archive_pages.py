"""The archive, read: packages found, figures, and one package with its checks and copies. For an agency's own
officers, and of every agency for the auditor.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Response, request
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry import web
from registry.actor import Administrator, Duty
from registry.agencies.rules import SCOPE_LICENCE
from registry.agencies.tables import Agency
from registry.archive.checks import Check, failed
from registry.archive.figures import Figures, figures_of
from registry.archive.natures import Finding
from registry.archive.reading import Passed, Question, Whole, find_packages, read_package
from registry.archive.tables import ArchivePackage
from registry.console.browser import administrator, agency_name, at, blueprint, live, on, page, staff, words
from registry.console.grounds import fault_of
from registry.licences.duties import require_officer
from registry.licences.outage import database_errors

ARCHIVE = "/console/archive"
SHOWN = 25
_ASKED = ("archive_number", "identifier", "year", "agency")


@blueprint.get("/archive")
def archive() -> Response:
    asked = {name: text for name in (*_ASKED, "after") if (text := request.args.get(name, "").strip()[:120])}
    code = _agency(asked)
    try:
        return _archive_page(asked, _question(asked), code)
    except VermilionError as error:
        if error.kind is not Kind.INVALID:
            raise
        return _archive_page(asked, None, code, error)


@blueprint.get("/archive/<hex32:package_id>")
def archive_package(package_id: str) -> Response:
    code = _agency({})
    with database_errors(), Session(web.ports().database.read) as session:
        found = read_package(session, code, package_id)
        agency = agency_name(session.get_one(Agency, found.row.agency_code))
        told = _told(found, agency)
    return page("archive_package.html", **told)


def _agency(asked: dict[str, str]) -> str | None:
    """Whose packages are shown; None: everybody's. Raises VermilionError(FORBIDDEN)."""
    if isinstance(live().actor, Administrator):
        administrator(Duty.AUDIT)
        return asked.get("agency")
    actor = staff(SCOPE_LICENCE)
    require_officer(actor)
    return actor.agency_code


def _question(asked: dict[str, str]) -> Question:
    """Raises VermilionError(INVALID)."""
    year = asked.get("year")
    if year is not None and not (year.isascii() and year.isdigit() and len(year) == 4):
        raise field_fault("/year", "query", "a year, YYYY")
    return Question(
        number=asked.get("archive_number"),
        identifier=asked.get("identifier"),
        year=None if year is None else int(year),
        limit=SHOWN,
        after=asked.get("after"),
    )


def _archive_page(
    asked: dict[str, str], question: Question | None, code: str | None, error: VermilionError | None = None
) -> Response:
    rows, following, figures = list[dict[str, Any]](), None, None
    with database_errors(), Session(web.ports().database.read) as session:
        if question is not None:
            found, following = find_packages(session, code, question)
            rows = [_row(row, passed) for row, passed in found]
        if code is not None:
            figures = figures_of(session, code)
    fault, wrong = fault_of(error, _ASKED)
    kept = {name: asked[name] for name in _ASKED if name in asked}
    return page(
        "archive.html",
        error=error,
        asked={name: asked.get(name, "") for name in _ASKED},
        searching=bool(kept),
        all_of_them=isinstance(live().actor, Administrator),
        rows=rows,
        after=None if following is None else urlencode({**kept, "after": following}),
        counts=[] if figures is None else _counts(figures),
        counted=None if figures is None or figures.counted_at is None else at(figures.counted_at),
        fault=fault,
        wrong=wrong,
    )


def _row(row: ArchivePackage, passed: Passed | None) -> dict[str, Any]:
    told = words()
    return {
        "id": row.id,
        "number": row.number,
        "sequence": row.sequence,
        "identifier": row.identifier,
        "year": row.year,
        "retention": told[f"retention_{row.retention}"],
        "state": told[f"package_{row.state}" if passed is None else f"package_{passed.state}"],
        "tone": "in_force" if row.state == "kept" else "suspended",
    }


def _counts(figures: Figures) -> list[tuple[str, str]]:
    told = words()
    counts = [(_kind(one), told["packages_and_size"].format(**_amount(one))) for one in figures.packages]
    counts += [
        (f"{one['store']} · {told['copy_' + one['state']]}", str(one["copies"])) for one in figures.copies
    ]
    counts += [
        (f"{told['not_passed']} · {told['occasion_' + one['occasion']]}", str(one["packages"]))
        for one in figures.checks_failed
    ]
    counts += [(told["package_" + one["state"]], str(one["handovers"])) for one in figures.handovers]
    return [*counts, (told["to_be_archived"], str(figures.waiting))]


def _kind(one: dict[str, Any]) -> str:
    told = words()
    parts = (
        one["fonds"],
        one["year"],
        told[f"retention_{one['retention']}"],
        told[f"package_{one['state']}"],
    )
    return " · ".join(map(str, parts))


def _amount(one: dict[str, Any]) -> dict[str, int]:
    return {"count": one["packages"], "megabytes": -(-one["bytes"] // 1_000_000)}


def _told(found: Whole, agency: str) -> dict[str, Any]:
    row, told = found.row, words()
    passed, arrival = found.passed, found.arrival
    return {
        **_row(row, passed),
        "agency": agency,
        "fonds": row.fonds,
        "catalogue": row.catalogue,
        "until": on(row.retention_until),
        "kilobytes": None if row.size is None else -(-row.size // 1024),
        "sha256": None if row.sha256 is None else row.sha256.hex(),
        "kept_at": None if row.kept_at is None else at(row.kept_at),
        "copies": [
            (
                copy.store,
                told[f"copy_{copy.state}"],
                None if copy.checked_at is None else told["read_at"].format(moment=at(copy.checked_at)),
                "in_force" if copy.state == "present" else "suspended",
            )
            for copy in found.copies
        ],
        "checks": [_check(one) for one in found.checks],
        "stamps": [at(moment) for moment in found.stamped_at],
        "to": None if passed is None else f"{passed.to_name} ({passed.to_code})",
        "accepted_at": None if passed is None or passed.at is None else at(passed.at),
        "came_from": None if arrival is None else f"{arrival.from_name} ({arrival.from_code})",
    }


def _check(check: Check) -> dict[str, Any]:
    told = words()
    return {
        "occasion": told[f"occasion_{check.occasion}"],
        "at": at(check.checked_at),
        "passed": not failed(check.findings),
        "findings": [_finding(one) for one in check.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    told = words()
    return {
        "nature": told[f"nature_{finding.nature.value}"],
        "item": told.get(f"item_{finding.item}", finding.item),
        "passed": finding.passed,
        "detail": finding.detail,
    }
