"""What a test counts reaches the one who ran the suite, with workers too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SUITE = """
def test_counts(tell):
    tell("61 calls")
    tell("2 complete")

def test_counts_and_fails(tell):
    tell("3 calls")
    assert False

def test_is_silent():
    pass
"""


@pytest.mark.parametrize("workers", [False, True], ids=["one process", "workers"])
def test_a_line_is_told_once_with_its_test(tmp_path: Path, workers: bool) -> None:
    (tmp_path / "test_sample.py").write_text(SUITE)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # but for the one that runs workers
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.told", "-p", "no:cacheprovider"]
    processes = ["-p", "xdist", "-n2"] if workers else []
    done = subprocess.run(
        [*command, *processes, "--rootdir", str(tmp_path), "-c", os.devnull, str(tmp_path)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "2 passed" in done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith("test_sample.py::")] == [
        "test_sample.py::test_counts: 61 calls",
        "test_sample.py::test_counts: 2 complete",
        "test_sample.py::test_counts_and_fails: 3 calls",
    ]
