"""What is left to `make test-long` has a short form that every run has, and is never left out in silence."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.long import long_tests
from tests.skip_accounting import reason_listed

ROOT = Path(__file__).parents[2]


def functions(path: Path) -> dict[str, list[str]]:
    """The tests of a file with their decorators."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name: [ast.unparse(one) for one in node.decorator_list]
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_long_test_has_a_short_one_that_always_runs() -> None:
    found = long_tests()
    assert found
    for nodeid, short in found.items():
        file, _, name = nodeid.partition("::")
        of_file = functions(ROOT / file)
        assert any(mark.startswith("pytest.mark.long(") for mark in of_file[name]), nodeid
        marks = [mark for mark in of_file[short] if "long" in mark or "skip" in mark]
        assert (marks, reason_listed(f"{file}::{short}")) == ([], None), f"{nodeid} has no short form"


def test_no_long_test_escapes_the_account() -> None:
    """Whatever bears the mark is found: no other spelling of it, not on a module or a class."""
    mark = re.compile(r"\bmark\.long\b")
    marked = {
        path.relative_to(ROOT): len(mark.findall(path.read_text(encoding="utf-8")))
        for path in (ROOT / "tests").rglob("*.py")
        if path != Path(__file__) and path.name != "long.py"
    }
    counted = [Path(nodeid.partition("::")[0]) for nodeid in long_tests()]
    assert {path: count for path, count in marked.items() if count} == {p: counted.count(p) for p in counted}


SUITE = """
from pytest import mark

@mark.MARK(short="test_some")
def test_all():
    pass

def test_some():
    pass
"""


@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize("workers", [False, True], ids=["one process", "workers"])
def test_a_run_says_what_it_leaves_out(tmp_path: Path, wanted: bool, workers: bool) -> None:
    (tmp_path / "conftest.py").write_text("")
    (tmp_path / "test_sample.py").write_text(SUITE.replace("MARK", "long"))
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "VERMILION"))}
    own |= {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.long", "-p", "no:cacheprovider", "--strict-markers",
         *(["-p", "xdist", "-n1"] if workers else []), "-c", os.devnull, "--rootdir", tmp_path, tmp_path],
        env=own | ({"VERMILION_LONG": "1"} if wanted else {}), cwd=tmp_path,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("2 passed" if wanted else "1 passed") in done.stdout
    assert ("in their short form alone" in done.stdout) is not wanted
    assert all((nodeid in done.stdout) is not wanted for nodeid in long_tests())


def test_everything_has_a_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^test-long: .*\n\tVERMILION_LONG=1 \$\(BIN\)/pytest ", makefile, re.MULTILINE)
