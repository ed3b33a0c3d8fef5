"""A test client that holds each answer against the description of the API, and each accepted request.

What is described is thus what every test of the API sees: a status, a media type, a header, a member or a
problem that is not described fails the test that met it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from typing import Any

from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from registry.openapi_document import path_of
from registry.problems import ADDRESS, PROBLEM_JSON, TABLE

_DOCUMENT = "urn:document"
JSON = "application/json"


class Description:
    """A document, and what is held against it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._registry: Registry[Any] = Registry().with_resource(
            _DOCUMENT, DRAFT202012.create_resource(_closed(document))
        )
        self._validator = cache(self._new_validator)

    def operation(self, rule: Rule, method: str) -> dict[str, Any] | None:
        """What is described of a route; None where it is no part of the API."""
        found: dict[str, Any] | None = self.document["paths"].get(path_of(rule), {}).get(method.lower())
        return found

    def resolved(self, answer: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in answer:
            return answer
        found: dict[str, Any] = self.document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        return found

    def faults(self, schema: dict[str, Any], value: Any) -> list[str]:
        """What is wrong with a value; members that are not described are."""
        return [
            f"{error.json_path}: {error.message[:300]}"
            for error in self._validator(json.dumps(schema)).iter_errors(value)
        ]

    def _new_validator(self, schema: str) -> Draft202012Validator:
        whole = json.loads(schema.replace('"#/', f'"{_DOCUMENT}#/'))
        return Draft202012Validator(whole, registry=self._registry)


def _closed(document: dict[str, Any]) -> dict[str, Any]:
    """Members may be added to answers: that is for readers. Here each must be described."""
    found = copy.deepcopy(document)
    for schema in found["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return found


def client_of(text: Callable[[], str]) -> type[FlaskClient]:
    """A class of clients for the application that this document describes."""

    class Client(FlaskClient):
        def open(self, *args: Any, **kwargs: Any) -> TestResponse:
            answer = super().open(*args, **kwargs)
            rule, method = self._rule(answer)
            if rule is not None and method in {"GET", "POST", "DELETE", "PUT", "PATCH"}:
                hold(_description(text), rule, method, answer, kwargs.get("json"))
            if answer.mimetype == PROBLEM_JSON and method != "HEAD":
                hold_problem(answer)
            return answer

        def _rule(self, answer: TestResponse) -> tuple[Rule | None, str]:
            asked = answer.request
            try:
                matched = self.application.url_map.bind("localhost").match(
                    asked.path, asked.method, return_rule=True
                )
            except HTTPException:
                return None, asked.method
            return matched[0], asked.method

    return Client


@cache
def _description(text: Callable[[], str]) -> Description:
    return Description(json.loads(text()))


def hold(description: Description, rule: Rule, method: str, answer: TestResponse, sent: Any) -> None:
    """Raises AssertionError."""
    operation = description.operation(rule, method)
    if operation is None:
        return
    name, status = operation["operationId"], str(answer.status_code)
    assert status in operation["responses"], f"{name} does not describe {status}: {answer.text[:300]}"
    told = description.resolved(operation["responses"][status])
    bodies = told.get("content", {})
    if answer.mimetype == PROBLEM_JSON:
        kind = answer.get_json()["type"]
        assert kind in told["x-problem-types"], f"{name} does not describe {kind}: {answer.text[:300]}"
    if status != "304" and (bodies or answer.data):
        assert answer.mimetype in bodies, f"{name} does not describe {answer.mimetype} with {status}"
        schema = bodies[answer.mimetype]["schema"]
        if answer.mimetype in {JSON, PROBLEM_JSON}:
            assert not (wrong := description.faults(schema, answer.get_json())), f"{name} {status}: {wrong}"
    for header in ("Location", "Idempotency-Replayed", "ETag", "RateLimit", "Retry-After", "X-Request-Id"):
        described = header in told["headers"] or "x-problem-types" in told
        assert described or header not in answer.headers, f"{name} does not describe {header} with {status}"
    if answer.status_code < 300:
        _hold_request(description, operation, answer, sent)


def _hold_request(
    description: Description, operation: dict[str, Any], answer: TestResponse, sent: Any
) -> None:
    """What was accepted must be described as acceptable."""
    name, asked = operation["operationId"], answer.request
    arguments = {one["name"]: one for one in operation.get("parameters", ()) if one["in"] == "query"}
    for argument, value in asked.args.items():
        assert argument in arguments, f"{name} does not describe ?{argument}"
        schema = arguments[argument]["schema"]
        if schema.get("type") != "integer":
            assert not description.faults(schema, value), f"{name} ?{argument}={value}"
    bodies = operation.get("requestBody", {}).get("content", {})
    if sent is not None:
        assert JSON in bodies, f"{name} does not describe a JSON body"
        wrong = description.faults(bodies[JSON]["schema"], json.loads(json.dumps(sent)))
        assert not wrong, f"{name} accepted {wrong}"


def hold_problem(answer: TestResponse) -> None:
    """RFC 9457, of a type that is explained, with a reason that its explanation names."""
    told = answer.get_json()
    slug = told["type"].removeprefix(ADDRESS)
    if told["type"] == "about:blank":
        return
    kind = TABLE[slug]
    assert (kind.status, kind.title["en"]) == (told["status"], told["title"]), told
    assert kind.status == answer.status_code, told
    assert told["request_id"] == answer.headers["X-Request-Id"], told
    reason = told.get("reason", slug)
    assert reason == slug or reason in kind.reasons, f"problems.toml has no reason {reason} of {slug}"
