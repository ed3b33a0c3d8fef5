"""The API described: as OpenAPI for programs, and as a page for people, without anything from elsewhere."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from flask import Blueprint, Response

from verify_web import openapi
from verify_web.language import HTML_LANG
from verify_web.routes import render

docs = Blueprint("docs", __name__)


@cache
def _text() -> str:
    return openapi.text()


@docs.get("/api/v1/openapi.json")
def description() -> Response:
    """OpenAPI 3.1."""
    return Response(_text(), content_type="application/json")


@cache
def _described() -> dict[str, Any]:
    """What the page says, which is the same for everybody."""
    document = json.loads(_text())
    operations = [
        {
            "path": path,
            "operation": operation,
            "sends": list(operation["requestBody"]["content"]),
            "key": "optional" if {} in operation["security"] else "yes",
            "responses": operation["responses"],
        }
        for path, methods in document["paths"].items()
        for operation in methods.values()
    ]
    schemas = [(name, _members(schema)) for name, schema in document["components"]["schemas"].items()]
    return {"info": document["info"], "operations": operations, "schemas": schemas}


@docs.get("/api/v1/")
def page() -> Response:
    """The same for people. It is in English, as the names in it are."""
    body = render("api.html", "en", switch="/", **_described())
    response = Response(body, content_type="text/html; charset=utf-8")
    response.headers["Content-Language"] = HTML_LANG["en"]
    return response


def _members(schema: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Name, what it is, and whether it is always there."""
    always = set(schema.get("required", ()))
    return [(name, _type(one), name in always) for name, one in schema.get("properties", {}).items()]


def _type(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if schema.get("type") == "object":
        return "text by language" if "additionalProperties" in schema else "object"
    return str(schema.get("type", "anything"))
