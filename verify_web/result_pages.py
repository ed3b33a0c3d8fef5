"""Pages of results: the matters of which cases were decided, and each matter's list (Measures, Art. 6)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from registry.intake.published_results import CaseResult, MatterResults
from signing.sentences import in_language
from verify_web.assets import WORDS
from verify_web.language import HTML_LANG, chosen, day_in_words, negotiate
from verify_web.results import MAX_AGE, after, matters, results
from verify_web.routes import HTML, render

result_pages = Blueprint("results", __name__)
PATH = "/results"


@result_pages.get(PATH)
def index() -> Response:
    lang = negotiate(request)
    found, following = matters(after(request, "lang"))
    rows = [_matter(one, lang) for one in found]
    return _page("results.html", lang, PATH, following, matters=rows)


@result_pages.get(f"{PATH}/<matter_code>")
def matter(matter_code: str) -> Response:
    lang = negotiate(request)
    one, found, following = results(matter_code, after(request, "lang"))
    rows = [_result(each, lang) for each in found]
    return _page(
        "matter_results.html", lang, f"{PATH}/{one.code}", following, matter=_matter(one, lang), results=rows
    )


def _page(template: str, lang: str, path: str, following: str | None, **context: Any) -> Response:
    asked = chosen(request)
    onward = None
    if following is not None:
        onward = f"{path}?after={following}" + (f"&lang={asked}" if asked else "")
    response = Response(render(template, lang, switch=path, onward=onward, **context), content_type=HTML)
    response.headers["Content-Language"] = HTML_LANG[lang]
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    response.vary.update(("Accept", "Accept-Language"))
    return response


def _matter(one: MatterResults, lang: str) -> dict[str, Any]:
    name, language = in_language(one.name, lang) or (one.code, lang)
    agency, agency_language = in_language(one.agency_name, lang) or (one.agency, lang)
    withheld = WORDS[lang]["results_withheld"].format(count=one.withheld, law=one.secret_basis or "")
    return {
        "path": f"{PATH}/{one.code}",
        "name": name,
        "lang": _foreign(language, lang),
        "agency": agency,
        "agency_lang": _foreign(agency_language, lang),
        "published": WORDS[lang]["results_published"].format(count=one.published),
        "withheld": withheld if one.withheld else "",
    }


def _result(one: CaseResult, lang: str) -> dict[str, str]:
    words = WORDS[lang]
    return {
        "number": one.number,
        "day": day_in_words(one.decided_on, lang),
        "result": words[f"result_{one.result}"],
        "holder": one.holder or "",
        "identifier": one.identifier or "",
        "status": words[f"result_{one.how or one.status}"] if one.status else "",
    }


def _foreign(language: str, lang: str) -> str:
    """The attribute of a text in another language than the page's."""
    return "" if language == lang else HTML_LANG[language]
