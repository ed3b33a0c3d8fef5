"""The agency API as it is described: by its routes, in the repository's file, where it is served. That what is
described is what is answered, every test of the API holds (`tests.describing`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jsonschema
import pytest
from flask import Flask

from registry import openapi
from registry.actor import Duty
from registry.app import routes
from registry.described import EVERYBODY, Answer, described, operations
from registry.description import DESCRIPTION
from registry.openapi_document import Api, path_of
from registry.openapi_document import document as document_of
from registry.permissions import PEOPLE, TABLE
from tests.describing import Description, hold
from tests.registry.world import World, on_sqlite
from tests.verify_web.test_openapi import assert_whole
from tools.breaking_changes import breaking_changes

FILE = Path(__file__).parents[2] / "docs" / "agency-openapi.json"


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi.text())
    return found


def test_the_file_is_what_the_code_describes() -> None:
    """If not: python -m registry.openapi > docs/agency-openapi.json. What breaks clients is named: think twice."""
    kept = FILE.read_text(encoding="utf-8")
    assert breaking_changes(json.loads(kept), document()) == []
    assert kept == openapi.text()


@on_sqlite
def test_the_file_is_served_and_kept_by_who_has_it(world: World) -> None:
    served = world.http.get("/openapi.json")
    assert (served.mimetype, served.text) == ("application/json", openapi.text())
    assert served.headers["Cache-Control"] == "public, max-age=300"
    again = world.http.get("/openapi.json", headers={"If-None-Match": served.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@on_sqlite
def test_the_page_describes_each_operation_and_takes_nothing_from_elsewhere(world: World) -> None:
    page = world.http.get("/docs")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "default-src 'none'; style-src 'sha256-" in page.headers["Content-Security-Policy"]
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            assert f"<code>{method.upper()} {path}</code>" in page.text
            assert f'id="{operation["operationId"]}"' in page.text
    for name in document()["components"]["schemas"]:
        assert f'id="schema-{name}"' in page.text
    for outside in ('src="', 'href="http', "<script", "<link", "url("):
        assert outside not in page.text


def test_every_route_declares_what_it_is() -> None:
    app = Flask("routes", static_folder=None)
    routes(app)
    undeclared = {rule.endpoint for rule, _method, operation in operations(app) if operation is None}
    assert {endpoint for endpoint in undeclared if DESCRIPTION.covers(endpoint)} == set()

    @app.get("/forgotten")
    def forgotten() -> str:
        return ""

    with pytest.raises(LookupError, match=r"GET /forgotten \(forgotten\) declares nothing"):
        document_of(DESCRIPTION, app)


def test_the_document_is_whole() -> None:
    """OpenAPI 3.1: schemas of JSON Schema 2020-12, each reference leads somewhere, each operation has a name."""
    found = document()
    for name, schema in found["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert name.isidentifier()
        assert "\\Z" not in json.dumps(schema)  # ECMA-262 knows none
    assert_whole(found)
    named = [operation for methods in found["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in named}) == len(named)
    assert all(operation["summary"] and operation["operationId"].isidentifier() for operation in named)


def test_an_answer_that_is_not_described_is_found() -> None:
    """The check that every test of the API stands on."""
    app = Flask("planted", static_folder=None)
    said: dict[str, Any] = {"status": "ok"}

    @app.get("/planted")
    @described("planted", "Planted", access=EVERYBODY, answers={200: openapi_answer()})
    def planted() -> tuple[dict[str, Any], int, dict[str, str]]:
        return said["body"], said["status"], said["headers"]

    (rule,) = app.url_map.iter_rules("planted")
    planted_api = Api("Planted", "1", "", lambda endpoint: endpoint == "planted", {}, {})
    described_so = Description(document_of(planted_api, app))

    def wrong(body: Any, status: int = 200, headers: Mapping[str, str] = MappingProxyType({})) -> str:
        said.update(body=body, status=status, headers=dict(headers))
        try:
            hold(described_so, rule, "GET", app.test_client().get("/planted"), None)
        except AssertionError as error:
            return str(error)
        return ""

    right = {"at": "2026-01-01T00:00:00Z"}
    assert wrong(right) == ""
    assert "does not describe 202" in wrong(right, 202)
    assert "does not describe text/plain" in wrong("words", headers={"Content-Type": "text/plain"})
    assert "'at' is a required property" in wrong({})
    assert "'more' was unexpected" in wrong({**right, "more": 1})
    assert "5 is not of type 'string'" in wrong({"at": 5})
    assert "does not describe Location" in wrong(right, headers={"Location": "/x"})


def openapi_answer() -> Answer:
    schema = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
    return Answer("At.", {"application/json": {**schema, "additionalProperties": False}})


def test_who_may_call_is_told_as_the_one_table_has_it() -> None:
    """That the API keeps to the table is held by test_permissions.py."""
    app = Flask("routes", static_folder=None)
    routes(app)
    found, seen = document()["paths"], set()
    for rule, method, _operation in operations(app):
        if not DESCRIPTION.covers(rule.endpoint):
            continue
        told, permission = found[path_of(rule)][method.lower()], TABLE[rule.endpoint]
        assert (told["security"] == []) == permission.public
        if permission.scope is not None:
            assert told["security"] == [{"oauth2": [permission.scope]}]
        narrow = not permission.public and not permission.who >= PEOPLE
        assert set(told.get("x-roles", ())) == {one.value for one in permission.who & PEOPLE if narrow}
        seen.add(rule.endpoint)
    assert seen == {endpoint for endpoint in TABLE if DESCRIPTION.covers(endpoint)}


@on_sqlite
def test_only_an_auditor_reads_the_audit(world: World) -> None:
    assert Duty.AUDIT in world.admins
    operation = document()["paths"]["/api/v1/audit/{ledger}"]["get"]
    assert operation["security"] == [{"oauth2": ["audit"]}]
    assert world.get("/api/v1/audit/events").get_json()["reason"] == "duty"
