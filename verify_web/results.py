"""Results of decided cases, matter by matter (Measures, Art. 6): for programs, and for pages."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from flask import Request

from keys.errors import Fault, Kind, VermilionError
from registry.intake.published_results import CaseResult, MatterResults
from verify_web.site import site

PAGE = 100
MAX_AGE = 60
"""Seconds that caches may keep a page: what is revoked meanwhile says so at the licence at once."""

_CODE = re.compile(r"[0-9A-Z]{10,36}")
_NUMBER = re.compile(r"[0-9]{8,24}")


def after(asked: Request, *also: str) -> str:
    """`?after=`, or nothing. Raises VermilionError(INVALID) for other arguments, and for what is neither a
    matter's code nor a case's number.
    """
    text = asked.args.get("after", "")
    if set(asked.args) - {"after", *also} or len(asked.args.getlist("after")) > 1:
        raise _wrong("?", "one `after` is accepted, and nothing else")
    if text and not (_CODE.fullmatch(text) or _NUMBER.fullmatch(text)):
        raise _wrong("?after", "this is nothing that a page ends with")
    return text


def matters(behind: str) -> tuple[list[MatterResults], str | None]:
    """A page of matters, and behind which the next begins. Raises VermilionError(UNAVAILABLE)."""
    found, more = site().results.matters(behind, PAGE)
    return found, found[-1].code if more else None


def results(code: str, behind: str) -> tuple[MatterResults, list[CaseResult], str | None]:
    """A page of a matter's results, and behind which the next begins.

    Raises VermilionError: NOT_FOUND where no case of such a matter was decided; UNAVAILABLE.
    """
    matter = site().results.matter(code) if _CODE.fullmatch(code) else None
    if matter is None:
        raise VermilionError(Kind.NOT_FOUND, "no case of such a matter was decided")
    return (matter, *site().results.results(code, behind or None, PAGE))


def matters_json(behind: str, path: str) -> dict[str, Any]:
    """`forms.ResultMatters`."""
    found, following = matters(behind)
    body: dict[str, Any] = {"matters": [_matter(one, path) for one in found]}
    return body | _next(path, following)


def results_json(code: str, behind: str, path: str) -> dict[str, Any]:
    """`forms.MatterResults`."""
    matter, found, following = results(code, behind)
    body = _matter(matter, path) | {"results": [_result(one) for one in found]}
    return body | _next(f"{path}/{matter.code}", following)


def _next(path: str, following: str | None) -> dict[str, str]:
    return {} if following is None else {"next": f"{path}?{urlencode({'after': following})}"}


def _matter(one: MatterResults, path: str) -> dict[str, Any]:
    return {
        "code": one.code,
        "name": dict(one.name),
        "agency": {"code": one.agency, "name": dict(one.agency_name)},
        "published": one.published,
        "withheld": one.withheld,
        "secret_basis": one.secret_basis,
        "href": f"{path}/{one.code}",
    }


def _result(one: CaseResult) -> dict[str, Any]:
    licence = None
    if one.identifier is not None:
        licence = {
            "identifier": one.identifier,
            "holder": one.holder,
            "status": one.status,
            "how": one.how,
        }
    return {
        "number": one.number,
        "decided_on": one.decided_on.isoformat(),
        "result": one.result,
        "licence": licence,
    }


def _wrong(field: str, detail: str) -> VermilionError:
    fault = Fault(field, "query", detail)
    return VermilionError(Kind.INVALID, detail, reason="query", faults=(fault,))
