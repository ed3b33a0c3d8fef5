"""`vermilion demo` tells the whole story, and notices when a verifier lies."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.planted import HEADING

VERDICTS = ("valid", "genuine_offline", "altered", "suspended", "ended (revoked)")


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "registry", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_story_shows_every_verdict_and_ends_well() -> None:
    told = demo()
    assert told.returncode == 0, told.stdout + told.stderr
    for verdict in VERDICTS:
        assert verdict in told.stdout


def test_what_is_printed_of_a_page_was_in_the_page() -> None:
    told = demo("--public-app", "tests.cli.planted:other_words")
    assert told.returncode == 0, told.stdout + told.stderr
    pages = [line for line in told.stdout.splitlines() if "page as a phone sees it" in line]
    assert len(pages) == 5
    assert all(line.endswith(HEADING) for line in pages)


@pytest.mark.parametrize("lie", ["always_valid", "never_valid"])
def test_a_lying_site_fails_the_demo(lie: str) -> None:
    told = demo("--public-app", f"tests.cli.planted:{lie}")
    assert told.returncode == 1
    assert "the story went wrong" in told.stderr or "instead of" in told.stderr, told.stdout + told.stderr


@pytest.mark.parametrize("lie", ["planted_valid", "planted_never"])
def test_a_lying_command_fails_the_demo(lie: str) -> None:
    told = demo("--verifier", f"tests.cli.{lie}")
    assert told.returncode == 1
    assert "instead of" in told.stderr, told.stdout + told.stderr
