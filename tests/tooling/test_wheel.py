"""The wheel carries everything its packages need: types, faces, tables, pages."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("keys", "signing", "registry", "verify_web")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    with zipfile.ZipFile(next(target.glob("*.whl"))) as wheel:
        return wheel.namelist()


def test_every_tracked_file_of_the_packages_is_in_it(packed: list[str]) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout  # fmt: skip
    tracked = {name for name in listed.split("\0") if name and (ROOT / name).exists()}
    assert tracked
    assert tracked - set(packed) == set()


def test_the_client_that_the_conformance_kit_plays_is_in_it(packed: list[str]) -> None:
    programs = ("integrator.py", "vermilion_agency_client.py")
    assert {f"registry/conform/clients/python/{name}" for name in programs} <= set(packed)


def test_nothing_else_is_installed_beside_them(packed: list[str]) -> None:
    tops = {name.partition("/")[0] for name in packed}
    assert {top for top in tops if not top.startswith("vermilion-")} == set(PACKAGES)


def test_the_licence_goes_with_it(packed: list[str]) -> None:
    assert any(name.endswith("/licenses/LICENSE") for name in packed)
