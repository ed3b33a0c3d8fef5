"""The page's scripts, their suites and the vectors in one folder, as Node wants them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import signing
import verify_web
from tests.tools import need
from tests.vectors.make import HERE as VECTORS

SUITES = Path(__file__).parent
STATIC = Path(verify_web.__file__).parent / "static"
SCRIPTS = tuple(sorted(path.name for path in STATIC.glob("*.js")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Scripts, suites and vectors together, declared as ES modules for a Node of any age."""
    (tmp_path / "package.json").write_text('{"type": "module"}')
    sources = [STATIC / name for name in SCRIPTS]
    sources += [
        *SUITES.glob("*.mjs"),
        *VECTORS.glob("*.json"),
        Path(signing.__file__).parent / "verdict_table.json",
    ]
    for source in sources:
        shutil.copy(source, tmp_path)
    return tmp_path


def run(folder: Path, suite: str) -> subprocess.CompletedProcess[str]:
    """Runs a suite in the folder."""
    return subprocess.run(
        [need("node"), "--test", f"{suite}.test.mjs"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
