"""The check for breaking changes finds each that is planted, by name, and none in what only adds."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry import openapi
from tools.breaking_changes import breaking_changes
from verify_web import openapi as site

ROOT = Path(__file__).parents[2]
Change = Callable[[dict[str, Any]], None]
LICENCES, LICENCE = "/api/v1/licences", "/api/v1/licences/{identifier}"


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi.text())
    return found


def schema(of: dict[str, Any], name: str) -> Any:
    return of["components"]["schemas"][name]


def issue(of: dict[str, Any]) -> Any:
    return of["paths"][LICENCES]["post"]


def drop(container: Any, name: str) -> None:
    del container[name]


def parameter(of: dict[str, Any], name: str) -> Any:
    return next(one for one in issue(of)["parameters"] if one["name"] == name)


BREAKING: dict[str, tuple[Change, str]] = {
    "a path": (lambda d: drop(d["paths"], LICENCE), f"{LICENCE}: removed"),
    "a method": (
        lambda d: drop(d["paths"][LICENCE], "get"),
        f"GET {LICENCE}: removed",
    ),
    "a name": (
        lambda d: issue(d).update(operationId="makeLicence"),
        f"POST {LICENCES}: is called makeLicence now, and was issueLicence",
    ),
    "a scope more": (
        lambda d: issue(d).update(security=[{"oauth2": ["licence", "seal"]}]),
        f"POST {LICENCES}: oauth2 licence no longer suffices",
    ),
    "a credential": (
        lambda d: d["paths"]["/livez"]["get"].update(security=[{"oauth2": []}]),
        "GET /livez: no credential no longer suffices",
    ),
    "a parameter": (
        lambda d: issue(d)["parameters"].remove(parameter(d, "dry_run")),
        f"POST {LICENCES}: query parameter dry_run: no longer taken",
    ),
    "a parameter that is needed": (
        lambda d: parameter(d, "Idempotency-Key").update(required=True),
        f"POST {LICENCES}: header parameter Idempotency-Key: needed now",
    ),
    "a new parameter that is needed": (
        lambda d: issue(d)["parameters"].append(
            {"in": "query", "name": "x", "required": True, "schema": {"type": "string"}}
        ),
        f"POST {LICENCES}: query parameter x: new, and needed",
    ),
    "a parameter's value": (
        lambda d: parameter(d, "dry_run")["schema"]["enum"].remove("0"),
        f"POST {LICENCES}: query parameter dry_run: 0 is no longer taken",
    ),
    "a media type that is sent": (
        lambda d: drop(d["paths"]["/api/v1/batches"]["post"]["requestBody"]["content"], "text/csv"),
        "POST /api/v1/batches: text/csv is no longer taken",
    ),
    "a body": (
        lambda d: d["paths"][LICENCE]["get"].update(
            requestBody={"required": True, "content": {"application/json": {"schema": {}}}}
        ),
        f"GET {LICENCE}: a body is needed now",
    ),
    "a member that is needed": (
        lambda d: schema(d, "IssueBody")["required"].append("number"),
        f"POST {LICENCES}: body/number: needed now",
    ),
    "a new member that is needed": (
        lambda d: (
            schema(d, "IssueBody")["required"].append("why"),
            schema(d, "IssueBody")["properties"].update(why={"type": "string"}),
        )[0],
        f"POST {LICENCES}: body/why: needed now",
    ),
    "a member that is sent": (
        lambda d: drop(schema(d, "IssueBody")["properties"], "number"),
        f"POST {LICENCES}: body/number: removed",
    ),
    "a type that is sent": (
        lambda d: schema(d, "IssueBody")["properties"].update(operator={"type": "integer"}),
        f"POST {LICENCES}: body/operator: string became integer",
    ),
    "null that is sent": (
        lambda d: schema(d, "IssueBody")["properties"].update(number={"type": "string", "maxLength": 40}),
        f"POST {LICENCES}: body/number: null became string",
    ),
    "a longest length": (
        lambda d: schema(d, "IssueBody")["properties"]["operator"].update(maxLength=40),
        f"POST {LICENCES}: body/operator: maxLength is 40 now, and was 80",
    ),
    "a shortest length": (
        lambda d: schema(d, "IssueBody")["properties"]["operator"].update(minLength=2),
        f"POST {LICENCES}: body/operator: minLength is 2 now, and was 1",
    ),
    "a pattern": (
        lambda d: schema(d, "IssueBody")["properties"]["operator"].update(pattern="^a"),
        f"POST {LICENCES}: body/operator: pattern is ^a now",
    ),
    "a value that is sent": (
        lambda d: schema(d, "SuspensionBody")["properties"]["ground"]["enum"].remove("other"),
        f"POST {LICENCE}/suspension: body/ground: other is no longer taken",
    ),
    "an answer": (
        lambda d: drop(issue(d)["responses"], "201"),
        f"POST {LICENCES}: answer 201: removed",
    ),
    "a media type that is answered": (
        lambda d: drop(d["paths"]["/api/v1/audit/{ledger}"]["get"]["responses"]["200"]["content"],
                       "application/x-ndjson"),
        "GET /api/v1/audit/{ledger}: answer 200: application/x-ndjson removed",
    ),
    "a header": (
        lambda d: drop(issue(d)["responses"]["201"]["headers"], "Location"),
        f"POST {LICENCES}: answer 201: header Location removed",
    ),
    "a member that is answered": (
        lambda d: drop(schema(d, "LicenceIssued")["properties"], "link"),
        f"POST {LICENCES}: answer 201/link: removed",
    ),
    "a member that was always answered": (
        lambda d: schema(d, "LicenceIssued")["required"].remove("link"),
        f"POST {LICENCES}: answer 201/link: may be missing now",
    ),
    "a type that is answered": (
        lambda d: schema(d, "LicenceIssued")["properties"].update(edition={"type": "string"}),
        f"POST {LICENCES}: answer 201/edition: integer became string",
    ),
    "null that is answered": (
        lambda d: schema(d, "LicenceIssued")["properties"].update(
            link={"anyOf": [{"type": "string"}, {"type": "null"}]}
        ),
        f"POST {LICENCES}: answer 201/link: string became null",
    ),
    "a format that is answered": (
        lambda d: schema(d, "LicenceShown")["properties"].update(sealed_at={"type": "string"}),
        f"GET {LICENCE}: answer 200/sealed_at: format is none now, and was date-time",
    ),
    "a member far within": (
        lambda d: drop(schema(d, "DocumentShown")["properties"], "size"),
        f"POST {LICENCES}: answer 201/document/size: removed",
    ),
}  # fmt: skip

HARMLESS: dict[str, Change] = {
    "nothing": lambda d: None,
    "a path": lambda d: d["paths"].update({"/new": d["paths"]["/livez"]}),
    "a member of an answer": lambda d: schema(d, "LicenceIssued")["properties"].update(
        more={"type": "string"}
    ),
    "a value of an answer": lambda d: schema(d, "LicenceIssued")["properties"]["status"]["enum"].append("x"),
    "a member of a request that may be missing": lambda d: schema(d, "IssueBody")["properties"].update(
        more={"type": "string"}
    ),
    "a member that need not be sent": lambda d: schema(d, "IssueBody")["required"].remove("operator"),
    "a longer limit": lambda d: schema(d, "IssueBody")["properties"]["operator"].update(maxLength=800),
    "no limit": lambda d: drop(schema(d, "IssueBody")["properties"]["operator"], "maxLength"),
    "another form of a request": lambda d: schema(d, "IssueBody")["properties"].update(
        operator={"anyOf": [schema(d, "IssueBody")["properties"]["operator"], {"type": "integer"}]}
    ),
    "a value of a request": lambda d: schema(d, "SuspensionBody")["properties"]["ground"]["enum"].append(
        "third"
    ),
    "a parameter": lambda d: issue(d)["parameters"].append(
        {"in": "query", "name": "x", "required": False, "schema": {"type": "string"}}
    ),
    "a problem less": lambda d: drop(issue(d)["responses"], "409"),
    "an answer where null was": lambda d: schema(d, "LicenceShown")["properties"].update(
        valid_to={"type": "string", "format": "date"}
    ),
    "words": lambda d: issue(d).update(summary="x", description="y"),
    "no scope": lambda d: issue(d).update(security=[]),
}


@pytest.mark.parametrize("name", BREAKING)
def test_each_breaking_change_is_named(name: str) -> None:
    change, line = BREAKING[name]
    new = document()
    change(new)
    assert line in breaking_changes(document(), new)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_adds_breaks_nothing(name: str) -> None:
    new = document()
    HARMLESS[name](new)
    assert breaking_changes(document(), new) == []


def test_forms_that_hold_themselves_come_to_an_end() -> None:
    old = json.loads(site.text())
    tree = {"type": "object", "properties": {"below": {"$ref": "#/components/schemas/Tree"}}}
    old["components"]["schemas"]["Tree"] = tree
    old["paths"]["/api/v1/verifications"]["post"]["responses"]["200"]["content"]["application/json"] = {
        "schema": {"$ref": "#/components/schemas/Tree"}
    }
    new = copy.deepcopy(old)
    assert breaking_changes(old, new) == []
    new["components"]["schemas"]["Tree"]["properties"]["below"] = {"type": "string"}
    assert breaking_changes(old, new) == [
        "POST /api/v1/verifications: answer 200/below: object became string"
    ]


def test_the_command_says_what_breaks(tmp_path: Path) -> None:
    new = document()
    del new["paths"][LICENCE]
    (tmp_path / "new.json").write_text(json.dumps(new), encoding="utf-8")
    command = [sys.executable, str(ROOT / "tools" / "breaking_changes.py")]
    golden = ROOT / "docs" / "agency-openapi.json"
    broken = subprocess.run(
        [*command, str(golden), str(tmp_path / "new.json")], capture_output=True, text=True, check=False
    )
    assert (broken.returncode, broken.stdout) == (1, f"{LICENCE}: removed\n")
    subprocess.run([*command, "-", str(golden)], input=golden.read_text("utf-8"), text=True, check=True)
