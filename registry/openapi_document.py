"""The description of an API (OpenAPI 3.1), derived from its routes and what is declared beside each of them
(`registry.described`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema
from werkzeug.routing import AnyConverter, BaseConverter, IntegerConverter, Rule, UnicodeConverter

from keys.errors import Kind
from registry.described import JSON, Access, Answer, Body, Operation, Parameter, operations
from registry.problems import INTERNAL_ERROR, PROBLEM_JSON, TABLE, Problem, slug_of, status_of, type_uri

_SCHEMA = "#/components/schemas/{model}"
_VARIABLE = re.compile(r"<(?:[^<>]*:)?([^<>:]+)>")
REQUEST_ID = "X-Request-Id"


@dataclass(frozen=True, slots=True)
class Post:
    """What the API sends by itself to whoever has asked for it (Standard Webhooks 1.0.0)."""

    name: str
    summary: str
    body: type[BaseModel]


@dataclass(frozen=True, slots=True)
class Api:
    """What an API says of itself beside its operations."""

    title: str
    version: str
    introduction: str
    covers: Callable[[str], bool]
    """Whether an endpoint belongs to it; each that does must be declared."""
    security: Mapping[str, Mapping[str, Any]]
    variables: Mapping[str, str]
    """What the variables of its paths are, by name."""
    access: Callable[[str], Access] | None = None
    """Who may call an endpoint, where that is not declared with its route."""
    implied: Callable[[Operation, Rule], Collection[Kind]] = lambda _operation, _rule: ()
    """Kinds of problems that follow from what an operation declares."""
    headers: Mapping[str, str] | None = None
    """Headers of each answer to who is known, with what they say."""
    also: tuple[type[BaseModel], ...] = ()
    """Forms that no operation names."""
    posts: tuple[Post, ...] = ()


def text_of(api: Api, app: Flask) -> str:
    """The document as it is served and kept."""
    return json.dumps(document(api, app), ensure_ascii=False, indent=1) + "\n"


def document(api: Api, app: Flask) -> dict[str, Any]:
    """The document of the application's routes. Raises LookupError for one that declares nothing."""
    paths: dict[str, dict[str, Any]] = {}
    models: list[type[BaseModel]] = [*api.also, *(post.body for post in api.posts), Problem]
    kinds: set[frozenset[Kind]] = set()
    for rule, method, operation in operations(app):
        if not api.covers(rule.endpoint):
            continue
        if operation is None:
            raise LookupError(f"{method} {rule.rule} ({rule.endpoint}) declares nothing")
        models += _models(operation)
        refused = refusals(api, operation, rule)
        kinds |= set(refused.values())
        paths.setdefault(path_of(rule), {})[method.lower()] = _operation(api, app, rule, operation, refused)
    _, schemas = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models)],
        ref_template=_SCHEMA,
        schema_generator=_Schemas,
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": api.title, "version": api.version, "description": api.introduction},
        "servers": [{"url": "/"}],
        "paths": paths,
        **({"webhooks": {post.name: {"post": _post(post)} for post in api.posts}} if api.posts else {}),
        "components": {
            "schemas": schemas["$defs"],
            "responses": {
                **{_name(one): _problems(one) for one in sorted(kinds, key=_name)},
                INTERNAL_ERROR: _problem_response([INTERNAL_ERROR]),
            },
            "headers": {REQUEST_ID: _header("What the request is called in logs: yours, or one made for it.")}
            | {name: _header(words) for name, words in (api.headers or {}).items()},
            "securitySchemes": {name: dict(scheme) for name, scheme in api.security.items()},
        },
    }


def path_of(rule: Rule) -> str:
    """The rule's address as OpenAPI writes it."""
    return _VARIABLE.sub(r"{\1}", rule.rule)


def access_of(api: Api, operation: Operation, rule: Rule) -> Access:
    """Who may call. Raises LookupError where neither route nor API say it."""
    if operation.access is not None:
        return operation.access
    if api.access is None:
        raise LookupError(f"{rule.rule} ({rule.endpoint}) does not declare who may call")
    return api.access(rule.endpoint)


def refusals(api: Api, operation: Operation, rule: Rule) -> dict[int, frozenset[Kind]]:
    """Which problems the operation may answer, by status."""
    found: dict[int, set[Kind]] = {}
    for kind in {*operation.refuses, *api.implied(operation, rule)}:
        found.setdefault(status_of(kind), set()).add(kind)
    return {status: frozenset(found[status]) for status in sorted(found)}


class _Schemas(GenerateJsonSchema):
    """As pydantic does, in the words of JSON Schema: no titles that repeat names, patterns of ECMA-262 (where
    `$` is the very end), bytes as the base64 that our forms take.
    """

    def field_title_should_be_set(self, _schema: Any) -> bool:
        return False

    def str_schema(self, schema: core_schema.StringSchema) -> dict[str, Any]:
        found = super().str_schema(schema)
        if "pattern" in found:
            found["pattern"] = re.sub(r"\\Z$", "$", found["pattern"])
        return found

    def bytes_schema(self, _schema: core_schema.BytesSchema) -> dict[str, Any]:
        return {"type": "string", "contentEncoding": "base64"}


def _models(operation: Operation) -> list[type[BaseModel]]:
    bodies = [*operation.sends.values()]
    for answer in operation.answers.values():
        bodies += answer.bodies.values()
    found: list[type[BaseModel]] = []
    for body in bodies:
        if isinstance(body, type):
            found.append(body)
        elif isinstance(body, tuple):
            found += body
    return found


def _operation(
    api: Api, app: Flask, rule: Rule, operation: Operation, refused: Mapping[int, frozenset[Kind]]
) -> dict[str, Any]:
    access = access_of(api, operation, rule)
    known = [REQUEST_ID, *(api.headers or ())] if access.security else [REQUEST_ID]
    responses = {str(status): _answer(answer, known) for status, answer in operation.answers.items()}
    for status, kinds in refused.items():
        reference = {"$ref": f"#/components/responses/{_name(kinds)}"}
        if str(status) in responses:  # an answer may say the same
            problems = _problems(kinds)
            responses[str(status)]["content"] |= problems["content"]
            responses[str(status)]["x-problem-types"] = problems["x-problem-types"]
        else:
            responses[str(status)] = reference
    responses["500"] = {"$ref": f"#/components/responses/{INTERNAL_ERROR}"}
    found: dict[str, Any] = {
        "operationId": operation.operation_id,
        "summary": operation.summary,
        "description": "\n\n".join(filter(None, (operation.description, _allowed(access)))),
        "tags": [_tag(rule.rule)],
        "security": [dict(one) for one in access.security],
    }
    if access.roles:
        found["x-roles"] = list(access.roles)
    parameters = [*_path_parameters(api, app, rule), *map(_parameter, operation.parameters)]
    if parameters:
        found["parameters"] = parameters
    if operation.sends:
        found["requestBody"] = {"required": True, "content": _content(operation.sends)}
    return {**found, "responses": dict(sorted(responses.items()))}


_SIGNED = (
    Parameter(
        "webhook-id", "The event's id, the same however often it is sent.", required=True, where="header"
    ),
    Parameter("webhook-timestamp", "Of this attempt, seconds since 1970.", required=True, where="header"),
    Parameter(
        "webhook-signature",
        "For each secret that signs `v1,` and the HMAC-SHA-256, in base64, over `id.timestamp.body`; with "
        "spaces between.",
        required=True,
        where="header",
    ),
)


def _post(post: Post) -> dict[str, Any]:
    return {
        "summary": post.summary,
        "parameters": [_parameter(one) for one in _SIGNED],
        "requestBody": {"required": True, "content": _content({JSON: post.body})},
        "responses": {
            "2XX": {"description": "It was taken."},
            "410": {"description": "Send nothing more."},
            "default": {"description": "It is sent again later, as Retry-After says or by itself."},
        },
    }


def _tag(path: str) -> str:
    """What the operation is about: the first part of its address in the API."""
    found = re.match(r"/api/v1/([a-z-]+)", path)
    return found[1] if found else "service"


def _allowed(access: Access) -> str:
    roles = "A person who acts has the role " + " or ".join(f"`{one}`" for one in access.roles) + "."
    return " ".join(filter(None, (roles if access.roles else "", access.words)))


def _answer(answer: Answer, known: Collection[str]) -> dict[str, Any]:
    headers: dict[str, Any] = {name: _header(said) for name, said in answer.headers.items()}
    headers |= {name: {"$ref": f"#/components/headers/{name}"} for name in known}
    found: dict[str, Any] = {"description": answer.description, "headers": headers}
    return {**found, "content": _content(answer.bodies)} if answer.bodies else found


def _content(bodies: Mapping[str, Body]) -> dict[str, Any]:
    return {media: {"schema": _schema(body)} for media, body in bodies.items()}


def _schema(body: Body) -> dict[str, Any]:
    if isinstance(body, type):
        return {"$ref": _SCHEMA.format(model=body.__name__)}
    if isinstance(body, tuple):
        return {"oneOf": [_schema(one) for one in body]}
    return dict(body)


def _header(words: str) -> dict[str, Any]:
    return {"description": words, "schema": {"type": "string"}}


# --- problems ------------------------------------------------------------------------------------------


def _name(kinds: Collection[Kind]) -> str:
    return ".".join(sorted(slug_of(kind) for kind in kinds))


def _problems(kinds: Collection[Kind]) -> dict[str, Any]:
    return _problem_response(sorted(slug_of(kind) for kind in kinds))


def _problem_response(slugs: list[str]) -> dict[str, Any]:
    """`x-problem-types` names which types of problems it may be: each address explains its own."""
    headers: dict[str, Any] = {REQUEST_ID: {"$ref": f"#/components/headers/{REQUEST_ID}"}}
    if any(TABLE[slug].retry for slug in slugs):
        headers["Retry-After"] = {
            "description": "After how many seconds to try again.",
            "schema": {"type": "integer"},
        }
    return {
        "description": " Or: ".join(TABLE[slug].meaning["en"] for slug in slugs),
        "headers": headers,
        "content": {PROBLEM_JSON: {"schema": _schema(Problem)}},
        "x-problem-types": [type_uri(slug) for slug in slugs],
    }


# --- parameters ----------------------------------------------------------------------------------------


def _parameter(one: Parameter) -> dict[str, Any]:
    return {
        "name": one.name,
        "in": one.where,
        "description": one.description,
        "required": one.required,
        "schema": dict(one.schema),
    }


def _path_parameters(api: Api, app: Flask, rule: Rule) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "description": api.variables[name],
            "required": True,
            "schema": _converted(_converter(app, rule, name)),
        }
        for name in _VARIABLE.findall(rule.rule)
    ]


def _converter(app: Flask, rule: Rule, name: str) -> BaseConverter:
    """What the router reads the variable by; werkzeug keeps it with the rule once that is bound."""
    assert rule.map is app.url_map
    converters: dict[str, BaseConverter] = rule._converters  # noqa: SLF001
    return converters[name]


def _converted(converter: BaseConverter) -> dict[str, Any]:
    if isinstance(converter, AnyConverter):
        return {"type": "string", "enum": sorted(converter.items)}
    if type(converter) is UnicodeConverter:
        return {"type": "string", "minLength": 1}
    if isinstance(converter, IntegerConverter):
        return {"type": "integer", "minimum": 0}
    return {"type": "string", "pattern": f"^{converter.regex}$"}
