"""Tests that try everything, and take minutes: `make test-long` runs them too, other runs name them and leave them out.

Each is marked `long(short="…")` with the name of the test beside it that promises the same of fewer cases, and runs
always.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WANTED = os.environ.get("VERMILION_LONG") == "1"
MARKED = re.compile(
    r'^@pytest\.mark\.long\(short="(test_\w+)"\)\n(?:@.*\n|    .*\n|\).*\n)*def (test_\w+)', re.MULTILINE
)


def long_tests() -> dict[str, str]:
    """Node ids without parameters -> the name of the short test, as they stand in the files."""
    return {
        f"{path.relative_to(ROOT)}::{name}": short
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for short, name in MARKED.findall(path.read_text(encoding="utf-8"))
    }


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "long(short): runs where VERMILION_LONG=1; `short` names its short form"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if WANTED:
        return
    left = [item for item in items if item.get_closest_marker("long")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not WANTED and (found := long_tests()):
        terminalreporter.section(f"{len(found)} long tests in their short form alone (all: make test-long)")
        for nodeid, short in found.items():
            terminalreporter.write_line(f"{nodeid}: {short}")
