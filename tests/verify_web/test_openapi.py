"""The API as it is described: the file in the repository, what is served, the client made from it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest

from tests.verify_web.world import World
from verify_web import openapi

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "openapi.json"


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # where dataclasses look it up
    spec.loader.exec_module(module)
    return module


def test_the_file_is_what_the_code_describes_and_what_is_served(world: World) -> None:
    """If not: python -m verify_web.openapi > docs/openapi.json"""
    assert FILE.read_text(encoding="utf-8") == openapi.text()
    served = world.client.get("/api/v1/openapi.json")
    assert (served.mimetype, served.get_data(as_text=True)) == ("application/json", openapi.text())


def test_every_route_of_the_api_is_described(world: World) -> None:
    routes = {rule.rule for rule in world.app.url_map.iter_rules() if rule.endpoint.startswith("api.")}
    routes = {rule.replace("<", "{").replace(">", "}") for rule in routes}
    assert routes == set(json.loads(openapi.text())["paths"])


def test_the_document_is_whole() -> None:
    """OpenAPI 3.1: schemas of JSON Schema 2020-12, each reference leads somewhere, each operation has a name."""
    document = json.loads(openapi.text())
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert name.isidentifier()
    assert_whole(document)
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(set(names)) == len(names)


def assert_whole(document: dict[str, Any]) -> None:
    """Each reference leads to something."""
    references = set(_references(document))
    assert references
    for reference in references:
        _, _, kind, name = reference.split("/")
        assert name in document["components"][kind], reference


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [one for item in value.values() for one in _references(item)]
    return [one for item in value for one in _references(item)] if isinstance(value, list) else []


@pytest.mark.parametrize("lang", ["", "?lang=zh"])
def test_the_page_describes_each_operation_and_takes_nothing_from_elsewhere(world: World, lang: str) -> None:
    answer = world.client.get(f"/api/v1/{lang}")
    text = answer.get_data(as_text=True)
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    for path, methods in json.loads(openapi.text())["paths"].items():
        for method in methods:
            assert f"<code>{method.upper()} {path}</code>" in text
    assert 'src="http' not in text
    assert 'href="http' not in text
