"""CI never skips in silence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skip_accounting import reason_listed
from tests.skips import LISTED

ROOT = Path(__file__).parents[2]

SUITE = """
import pytest

def test_passes():
    pass

@pytest.mark.skip(reason="no such tool")
def test_lacks_a_tool():
    pass
"""

WHOLE_MODULE = """
import pytest
pytest.skip("no such library", allow_module_level=True)
"""

EXPECTED_FAILURE = """
import pytest

@pytest.mark.xfail(reason="known", strict=True)
def test_known():
    assert False
"""


def run(
    folder: Path, *, ci: bool, listed: str = "", workers: bool = False
) -> subprocess.CompletedProcess[str]:
    entry = f'skip_accounting.LISTED["{listed}"] = "not on this machine"\n' if listed else ""
    (folder / "conftest.py").write_text("from tests import skip_accounting\n" + entry)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "CI"))}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"} | ({"CI": "true"} if ci else {})
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # but for the one that runs workers
    processes = ["-p", "xdist", "-n2"] if workers else []
    command = [sys.executable, "-m", "pytest", "-p", "tests.skip_accounting", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, *processes, "--rootdir", str(folder), "-c", os.devnull, str(folder)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize("workers", [False, True], ids=["one process", "workers"])
def test_an_unlisted_skip_fails_the_session_in_ci(tmp_path: Path, workers: bool) -> None:
    (tmp_path / "test_sample.py").write_text(SUITE)
    result = run(tmp_path, ci=True, workers=workers)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
    assert "test_sample.py::test_lacks_a_tool: no such tool (not listed" in result.stdout
    assert "CI=true: 1 skip(s) without a listed reason" in result.stdout
    assert "1 passed, 1 skipped" in result.stdout


def test_a_listed_skip_is_named_with_its_reason_and_passes(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(SUITE)
    result = run(tmp_path, ci=True, listed="test_sample.py::test_lacks")
    assert result.returncode == 0, result.stdout
    assert "(listed: not on this machine)" in result.stdout


def test_outside_ci_a_skip_is_named_and_passes(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(SUITE)
    result = run(tmp_path, ci=False)
    assert result.returncode == 0, result.stdout
    assert "test_sample.py::test_lacks_a_tool: no such tool (not listed" in result.stdout


@pytest.mark.parametrize("workers", [False, True], ids=["one process", "workers"])
def test_a_module_skipped_whole_counts_too(tmp_path: Path, workers: bool) -> None:
    (tmp_path / "test_sample.py").write_text(SUITE)
    (tmp_path / "test_whole.py").write_text(WHOLE_MODULE)
    result = run(tmp_path, ci=True, listed="test_sample.py", workers=workers)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
    assert "test_whole.py: no such library (not listed" in result.stdout


def test_an_expected_failure_is_not_a_skip(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(EXPECTED_FAILURE)
    result = run(tmp_path, ci=True)
    assert result.returncode == 0, result.stdout
    assert "skipped" not in result.stdout


def test_the_list_names_only_tests_that_exist() -> None:
    for prefix in LISTED:
        file, _, name = prefix.partition("::")
        assert re.search(rf"^def {name}\w*\(", (ROOT / file).read_text(), re.MULTILINE), prefix
    assert all(reason.strip() for reason in LISTED.values())


def test_every_test_for_root_alone_is_listed() -> None:
    """An ordinary user's CI skips exactly these."""
    marked = re.compile(r"^(?:@root_only|@pytest\.mark\.skipif\(os\.geteuid.*)\ndef (test_\w+)", re.MULTILINE)
    found = [
        f"{path.relative_to(ROOT)}::{name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for name in marked.findall(path.read_text())
    ]
    assert len(found) >= 6
    assert [nodeid for nodeid in found if reason_listed(nodeid) is None] == []
