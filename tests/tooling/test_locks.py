"""The locks: every package exact and hashed, nothing else in them, and both agreeing."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENTRY = re.compile(r"^([a-z0-9][a-z0-9.-]*)(?:\[[a-z,-]+\])?==([^\s;]+)( ; [^\\]+)? \\$")


def pins(name: str) -> dict[str, str]:
    """Name -> version. Asserts the shape: an exact pin, then its hashes, then comments."""
    found: dict[str, str] = {}
    hashes = 1
    for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
        if entry := ENTRY.match(line):
            assert hashes, f"no hash before {line}"
            found[entry[1]], hashes = entry[2], 0
        elif re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line):
            hashes += 1
        else:
            assert line.lstrip().startswith("#"), f"{name}.txt: {line}"
    assert hashes
    return found


@pytest.mark.parametrize("name", ["run", "dev"])
def test_every_line_is_an_exact_pin_with_hashes_or_a_comment(name: str) -> None:
    assert len(pins(name)) > 40


def test_tests_run_on_the_versions_that_are_run() -> None:
    run, dev = pins("run"), pins("dev")
    assert {package: dev.get(package) for package in run} == run


def test_every_direct_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    run = project["project"]["dependencies"] + project["project"]["optional-dependencies"]["registry"]
    names = {re.split(r"[\[<>=~ ]", spec)[0].lower() for spec in run}
    assert names <= set(pins("run"))
    groups = project["dependency-groups"]["dev"] + project["dependency-groups"]["build"]
    names = {re.split(r"[\[<>=~ ]", spec)[0].lower() for spec in groups if isinstance(spec, str)}
    assert names <= set(pins("dev"))


def test_what_is_installed_here_is_what_is_locked() -> None:
    installed = {
        d.name.lower().replace("_", "-").replace(".", "-"): d.version for d in metadata.distributions()
    }
    differing = {
        package: (version, installed[package])
        for package, version in pins("dev").items()
        if package in installed and installed[package] != version
    }
    assert differing == {}
