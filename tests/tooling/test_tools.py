"""A missing tool skips its test by name; an unknown one is a mistake of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools import PACKAGES, need

ROOT = Path(__file__).parents[2]


def test_a_missing_tool_skips_and_names_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match=r"qpdf is not installed \(Debian package qpdf\)"):
        need("qpdf")


def test_an_installed_tool_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "qpdf"
    tool.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert need("qpdf") == str(tool)


def test_a_tool_that_ci_does_not_install_is_refused() -> None:
    with pytest.raises(KeyError):
        need("no-such-tool")


@pytest.mark.parametrize("package", sorted(set(PACKAGES.values())))
def test_ci_installs_the_package_of_every_tool(package: str) -> None:
    assert package in (ROOT / ".ci" / "run").read_text()
