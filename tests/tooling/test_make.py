"""The commands a newcomer meets first."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [
    ".ci/run",
    "tools/lock.sh",
    "deploy/make-secrets.sh",
    "deploy/entrypoint.sh",
    "deploy/postgres/roles.sh",
]


def test_make_alone_lists_every_target_and_builds_nothing() -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    declared = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()
    assert re.findall(r"^  make ([a-z-]+)", shown.stdout, re.MULTILINE) == declared


@pytest.mark.parametrize(
    ("arguments", "told"), [([], ""), (["DATA=elsewhere"], f'VERMILION_DATA="{ROOT}/elsewhere" ')], ids=str
)
def test_run_names_a_data_directory_only_where_one_is_chosen(arguments: list[str], told: str) -> None:
    """Unnamed, it is `./var`, and what stands in its way is the command's to solve."""
    environment = {k: v for k, v in os.environ.items() if k != "DATA"}
    shown = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "run", *arguments],
        cwd=ROOT, check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert shown.stdout.splitlines()[-1] == f"{told}.venv/bin/vermilion run"


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_parse_and_can_be_run(script: str) -> None:
    path = ROOT / script
    assert path.stat().st_mode & 0o111
    shell = "sh" if path.read_text().startswith("#!/bin/sh") else "bash"
    subprocess.run([shell, "-n", str(path)], check=True)


def test_ci_stops_at_the_first_failure_and_takes_the_same_road() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in text
    assert re.findall(r"^make (\w+)$", text, re.MULTILINE) == ["lint", "test", "demo"]
