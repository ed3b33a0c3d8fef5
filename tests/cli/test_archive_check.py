"""A package is looked at from the terminal, from wherever it comes: what it says steers no terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from registry.cli.archive_group import archive
from tests.archive.packages import ABOUT
from tests.archive.test_natures import PACKAGE, rebagged

WHENCE = ("--agency", ABOUT.agency_code, "--from", "A-7", "--from-name", "另一档案馆")
GROUND = ("--legal-basis", "1", "--reason", "1")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "package.tar"
    path.write_bytes(PACKAGE.tar)
    return path


@pytest.mark.parametrize("command", [("check",), ("import", *WHENCE, *GROUND)])
@pytest.mark.parametrize(
    "digest",
    ["", "ab", "ab" * 31, "ab" * 33, " ".join(["ab"] * 32), "zz" * 32, "１２" * 32, "ab" * 32 + "\n"],
)
def test_a_digest_is_64_hex_digits(package: Path, command: tuple[str, ...], digest: str) -> None:
    """Else what is no digest at all would be told of as other bytes than were announced."""
    name, *more = command
    done = CliRunner().invoke(archive, [name, str(package), *more, "--sha256", digest])
    assert (done.exit_code, "64 hex digits" in done.output) == (2, True)


@pytest.mark.parametrize("digest", [PACKAGE.sha256.hex(), PACKAGE.sha256.hex().upper()])
def test_a_digest_in_small_or_large_letters_is_one(package: Path, digest: str) -> None:
    assert CliRunner().invoke(archive, ["check", str(package), "--sha256", digest]).exit_code == 0


def test_what_a_package_says_steers_no_terminal(tmp_path: Path) -> None:
    """A file is called by characters that a terminal obeys: they are told as JSON escapes, the rest as it is."""
    strange = "材料\x85\x9b2J\u202e\u2066\u2028\U000e0001\x7f.pdf"
    said = PACKAGE.files["data/metadata/metadata.xml"].decode()
    there = "data/materials/business-licence.ofd"
    assert there in said
    path = tmp_path / "package.tar"
    path.write_bytes(rebagged(**{"metadata/metadata.xml": said.replace(there, strange).encode()}))
    done = CliRunner().invoke(archive, ["check", str(path)])
    assert done.exit_code == 1
    assert "材料" in done.output
    assert done.output.replace("\n", "").isprintable()
    assert any(strange in json.loads(line)["detail"] for line in done.output.splitlines())
