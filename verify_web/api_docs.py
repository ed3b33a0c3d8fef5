"""The API described, as OpenAPI for programs and as a page for people, and each kind of problem at its own
address; without anything from elsewhere.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from flask import Blueprint, Response, jsonify, request

from keys.errors import Kind, VermilionError
from registry.api_docs import described, kept
from registry.problem_pages import WORDS, as_json, for_page, listed, spoken
from registry.problems import ADDRESS, TABLE
from verify_web import openapi
from verify_web.language import HTML_LANG, negotiate
from verify_web.routes import HTML, JSON, render, wants_json

docs = Blueprint("docs", __name__)
DESCRIPTION = "/api/v1/openapi.json"


@docs.get(DESCRIPTION)
def description() -> Response:
    """OpenAPI 3.1."""
    return kept(Response(openapi.text(), content_type=JSON))


@cache
def _described() -> dict[str, Any]:
    """What the page says, which is the same for everybody."""
    return described(json.loads(openapi.text()))


@docs.get("/api/v1/")
def page() -> Response:
    """The same for people. It is in English, as the names in it are."""
    return _page(render("api.html", "en", switch="/", description=DESCRIPTION, **_described()), "en")


@docs.get(ADDRESS)
def problems() -> Response:
    """Every kind of problem."""
    if wants_json(request):
        return _vary(kept(jsonify({"problems": [as_json(kind) for kind in TABLE.values()]})))
    lang = negotiate(request)
    told = {"kinds": listed(lang), "pw": WORDS[spoken(lang)], "spoken": spoken(lang)}
    return _vary(_page(render("problems.html", lang, switch=ADDRESS, **told), lang))


@docs.get(f"{ADDRESS}<slug>")
def problem(slug: str) -> Response:
    """One kind: RFC 9457, 3.1.1."""
    kind = TABLE.get(slug)
    if kind is None:
        raise VermilionError(Kind.NOT_FOUND, "there is no such kind of problem")
    if wants_json(request):
        return _vary(kept(jsonify(as_json(kind))))
    lang = negotiate(request)
    told = {"kind": for_page(kind, lang), "pw": WORDS[spoken(lang)], "spoken": spoken(lang)}
    return _vary(_page(render("problem.html", lang, switch=ADDRESS + slug, **told), lang))


def _page(body: str, lang: str) -> Response:
    response = kept(Response(body, content_type=HTML))
    response.headers["Content-Language"] = HTML_LANG[lang]
    return response


def _vary(response: Response) -> Response:
    response.vary.update(("Accept", "Accept-Language"))
    return response
