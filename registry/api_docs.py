"""The agency API described: as OpenAPI for programs, as a page for people, and each kind of problem at its
own address. Nothing comes from elsewhere.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, request
from jinja2 import Environment

from keys.errors import Kind, VermilionError
from registry.described import JSON
from registry.openapi_document import Api, text_of
from registry.problem_pages import WORDS, as_json, for_page, listed
from registry.problems import ADDRESS, LANGUAGES, TABLE
from registry.templates import environment

_HERE = Path(__file__).parent / "api_pages"
PAGES = {path.name: path.read_text("utf-8") for path in sorted(_HERE.glob("*.html"))}
"""Templates; those whose name begins with `_` are parts that the public site's pages have too."""
_STYLE = (_HERE / "page.css").read_text("utf-8")
_CSP = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{base64.b64encode(sha256(_STYLE.encode()).digest()).decode()}'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HTML = "text/html; charset=utf-8"
_HTML_LANG = {"zh": "zh-Hans", "en": "en"}


def docs(api: Api) -> Blueprint:
    """The routes, for the application that they are registered on."""
    blueprint = Blueprint("docs", __name__)

    @cache
    def text() -> str:
        return text_of(api, current_app)

    @cache
    def page_text() -> str:
        return _render("docs.html", "en", description="/openapi.json", **described(json.loads(text())))

    @blueprint.get("/openapi.json")
    def description() -> Response:
        """OpenAPI 3.1."""
        return kept(Response(text(), content_type=JSON))

    @blueprint.get("/docs")
    def page() -> Response:
        """The same for people. It is in English, as the names in it are."""
        return _page(page_text(), "en")

    @blueprint.get(ADDRESS)
    def problems() -> Response:
        """Every kind of problem."""
        if _wants_json():
            return _vary(_json({"problems": [as_json(kind) for kind in TABLE.values()]}))
        lang = _language()
        return _vary(_page(_render("problems.html", lang, kinds=listed(lang)), lang))

    @blueprint.get(f"{ADDRESS}<slug>")
    def problem(slug: str) -> Response:
        """One kind: RFC 9457, 3.1.1."""
        kind = TABLE.get(slug)
        if kind is None:
            raise VermilionError(Kind.NOT_FOUND, "there is no such kind of problem")
        if _wants_json():
            return _vary(_json(as_json(kind)))
        lang = _language()
        return _vary(_page(_render("problem.html", lang, kind=for_page(kind, lang)), lang))

    return blueprint


def kept(response: Response) -> Response:
    """With an entity tag, and to be kept for five minutes; 304 for who has it."""
    response.set_etag(sha256(response.get_data()).hexdigest()[:32])
    response.headers["Cache-Control"] = "public, max-age=300"
    response.make_conditional(request)
    return response


def _json(body: dict[str, Any]) -> Response:
    return kept(Response(json.dumps(body, ensure_ascii=False) + "\n", content_type=JSON))


def _page(body: str, lang: str) -> Response:
    response = kept(Response(body, content_type=_HTML))
    response.headers["Content-Language"] = _HTML_LANG[lang]
    response.headers["Content-Security-Policy"] = _CSP
    return response


def _vary(response: Response) -> Response:
    response.vary.update(("Accept", "Accept-Language"))
    return response


def _wants_json() -> bool:
    """Programs that do not say are programs; browsers say."""
    return request.accept_mimetypes.best_match([JSON, "text/html"], default=JSON) == JSON


def _language() -> str:
    asked = request.args.get("lang")
    if asked in LANGUAGES:
        return asked
    return request.accept_languages.best_match(LANGUAGES, default=LANGUAGES[0]) or LANGUAGES[0]


@cache
def _environment() -> Environment:
    return environment(PAGES)


def _render(template: str, lang: str, **context: Any) -> str:
    page = _environment().get_template(template)
    return page.render(html_lang=_HTML_LANG[lang], pw=WORDS[lang], style=_STYLE, **context)


# --- the page of a document ----------------------------------------------------------------------------


def described(document: dict[str, Any]) -> dict[str, Any]:
    """What the page says of a document, for `_described.html`."""
    components = document["components"]
    found = [
        {
            "method": method.upper(),
            "path": path,
            "operation": operation,
            "paragraphs": [part for part in operation["description"].split("\n\n") if part],
            "parameters": [_parameter(one) for one in operation.get("parameters", ())],
            "sends": _bodies(operation.get("requestBody", {})),
            "security": _security(operation["security"]),
            "responses": [
                _response(status, answer, components) for status, answer in operation["responses"].items()
            ],
        }
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = [(name, schema, _members(schema)) for name, schema in components["schemas"].items()]
    return {"info": document["info"], "operations": found, "schemas": schemas}


def _security(required: list[dict[str, list[str]]]) -> str:
    said = [
        " and ".join(" ".join(filter(None, (name, *scopes))) for name, scopes in one.items()) or "none"
        for one in required
    ]
    return " or ".join(said) or "none"


def _parameter(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "type": _type(one["schema"])}


def _response(status: str, answer: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in answer:
        answer = components["responses"][str(answer["$ref"]).rpartition("/")[2]]
    return {
        "status": status,
        "description": answer["description"],
        "bodies": _bodies(answer),
        "problems": answer.get("x-problem-types", []),
    }


def _bodies(holder: dict[str, Any]) -> list[tuple[str, str]]:
    return [(media, _type(one["schema"])) for media, one in holder.get("content", {}).items()]


def _members(schema: dict[str, Any]) -> list[tuple[str, str, bool, str]]:
    """Name, what it is, whether it is always there, and what it says."""
    always = set(schema.get("required", ()))
    return [
        (name, _type(one), name in always, one.get("description", ""))
        for name, one in schema.get("properties", {}).items()
    ]


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(_type(one) for one in schema[several])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if schema.get("type") == "object":
        return "values by name" if schema.get("additionalProperties") else "object"
    return " ".join(filter(None, (schema.get("format"), str(schema.get("type", "anything")))))
