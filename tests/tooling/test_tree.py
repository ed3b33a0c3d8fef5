"""What no tracked file may carry: the address of a package registry, or a path of one machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# In pieces, so that this file passes its own test.
HOSTS = [
    ("pypi", ".org"), ("pythonhosted", ".org"), ("npmjs", ".org"), ("npmjs", ".com"), ("yarnpkg", ".com"),
    ("crates", ".io"), ("golang", ".org"), ("maven", ".org"), ("maven.apache", ".org"),
    ("deb.debian", ".org"), ("anaconda", ".org"),
]  # fmt: skip
PATHS = [
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/home", "/[a-z]"),
    ("/Us", "ers/[a-z]"),
    ("/opt/", "wheels"),
    (r"\.py", "env"),
]
HOST = re.compile("|".join(re.escape(a + b) for a, b in HOSTS), re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.])(?:" + "|".join(a + b for a, b in PATHS) + ")")


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout  # fmt: skip
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tracked():
        for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    return found


def test_no_file_carries_the_host_of_a_package_registry() -> None:
    assert lines_with(HOST) == []


def test_no_file_carries_a_path_of_a_machine() -> None:
    assert lines_with(MACHINE_PATH) == []


@pytest.mark.parametrize("sample", ["".join(("see https://", *pair)) for pair in HOSTS])
def test_the_host_pattern_finds_each(sample: str) -> None:
    assert HOST.search(sample)


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        (("see /wo", "rk/main"), True),
        (("=/ro", "ot/x"), True),
        (("a/ro", "ot/x"), False),
        (("/framework/x",), False),
    ],
)
def test_the_path_pattern_tells_machines_from_words(pieces: tuple[str, ...], found: bool) -> None:
    assert bool(MACHINE_PATH.search("".join(pieces))) is found


def test_generated_and_secret_files_are_not_tracked() -> None:
    names = [str(p.relative_to(ROOT)) for p in tracked()]
    assert [n for n in names if re.search(r"(^|/)(var|build|\.venv)/|\.(pem|key|p12|pfx|db)$", n)] == []
