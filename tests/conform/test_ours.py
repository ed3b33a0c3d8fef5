"""Our registry and our clients, in Python and in JavaScript, run the whole life cycle and keep every promise."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.cli import main
from registry.conform.checks import CLIENT, SERVER
from registry.conform.page import page
from registry.conform.report import JSON_FILE, JUNIT_FILE, Report
from tests.conform.sandboxes import Sandbox, on_postgresql
from tests.postgres import PostgresServer
from tests.services.running import ROOT
from tests.tools import need

pytestmark = pytest.mark.timeout(900)  # whole services start in it, on a machine that may be busy

MODULE = ROOT / "clients" / "javascript" / "integrator.mjs"


def all_passed(report: Report, *tables: object) -> None:
    other = [(one.check.id, one.outcome, one.seen) for one in report.results if one.outcome != "passed"]
    assert other == []
    assert [one.check.id for one in report.results] == [name for table in tables for name in table]  # type: ignore[attr-defined]
    assert report.passed


def test_the_command_and_what_it_leaves(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On SQLite, by the command: lines, both files, the exit code; and no secret in any of them."""
    folder = tmp_path / "found"
    with pytest.raises(SystemExit) as ended:
        main(["conform", "--base-url", sandbox.place.api, "--credential", str(sandbox.credential),
              "--audience", f"{sandbox.place.api}/oauth2/token", "--report", str(folder)])  # fmt: skip
    out = capsys.readouterr().out
    assert (ended.value.code, "failed  " in out, "skipped  " in out) == (0, False, False), out
    told = json.loads((folder / JSON_FILE).read_text(encoding="utf-8"))
    assert told["outcome"] == "passed"
    assert [one["id"] for one in told["checks"]] == [*SERVER, *CLIENT]
    assert all(one["clause"] and one["says"] and one["seen"] for one in told["checks"])
    suite = ET.parse(folder / JUNIT_FILE).getroot()
    assert (suite.get("failures"), len(suite)) == ("0", len(SERVER) + len(CLIENT))
    credential = json.loads(sandbox.credential.read_text())
    for text in (out, *(path.read_text() for path in folder.iterdir())):
        assert credential["client_key"]["d"] not in text
        assert "whsec_" not in text.replace("begin with whsec_", "")


def test_on_postgresql_too(postgres_server: PostgresServer, tell: Callable[[str], None]) -> None:
    with on_postgresql(postgres_server) as sandbox:
        report = sandbox.found()
    all_passed(report, SERVER, CLIENT)
    tell(f"{report.count('passed')} checks in {(report.ended - report.begun).total_seconds():.0f} s")


def test_the_client_in_javascript(sandbox: Sandbox) -> None:
    all_passed(sandbox.found(client=[need("node"), str(MODULE)], sides=frozenset({"client"})), CLIENT)


def test_the_manual_is_what_the_code_looks_at() -> None:
    """If not: python -m registry.conform.page > docs/conformance.md"""
    assert (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8") == page()
