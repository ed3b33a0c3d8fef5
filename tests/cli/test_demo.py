"""`vermilion demo` tells the whole story, and notices when a verifier lies."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from keys.errors import VermilionError
from registry.cli.demo import Story
from registry.client import Answer
from tests import warm
from tests.cli.planted import HEADING, NEVER

pytestmark = pytest.mark.timeout(900)  # whole services start in it, on a machine that may be busy

VERDICTS = ("valid", "genuine_offline", "altered", "suspended", "ended (revoked)")

CASE_STAGES = (
    "submitted", "retrieved: business_licence", "accept refused", "told once and completely",
    "corrected and accepted", "sub-case", "permit refused", "suspended and resumed",
    "opinion of the other agency", "permitted, licence issued", "permit: scanned code", "case archived",
    "first store loses it", "drill, first store", "drill, second store", "lost copy",
)  # fmt: skip


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return warm.ran("registry", "demo", *arguments, timeout=240)


def test_the_story_shows_every_verdict_and_ends_well() -> None:
    """Under other headings, since what is printed of a page must have been in the page."""
    told = demo("--public-app", "tests.cli.planted:other_words")
    assert told.returncode == 0, told.stdout + told.stderr
    for verdict in VERDICTS:
        assert verdict in told.stdout
    pages = [line for line in told.stdout.splitlines() if "page as a phone sees it" in line]
    assert len(pages) == 5
    assert all(line.endswith(HEADING) for line in pages)


def test_the_story_of_an_application_ends_in_the_archive_and_comes_back() -> None:
    told = demo("--case")
    assert told.returncode == 0, told.stdout + told.stderr
    stages = [line[:32].strip() for line in told.stdout.splitlines()]
    assert [one for one in stages if one in CASE_STAGES] == list(CASE_STAGES)
    assert stages.count("ask_correction refused") == 2  # for what was found, and for more than was told


def test_a_site_that_calls_everything_valid_fails_the_demo() -> None:
    told = demo("--public-app", "tests.cli.planted:always_valid")
    assert told.returncode == 1
    assert "instead of" in told.stderr, told.stdout + told.stderr


def test_a_command_that_calls_everything_valid_fails_the_demo() -> None:
    told = demo("--verifier", "tests.cli.planted_valid")
    assert told.returncode == 1
    assert "instead of" in told.stderr, told.stdout + told.stderr


def test_a_step_fails_whatever_the_lie(tmp_path: Path) -> None:
    """A verifier that never says `valid`, by itself: a whole story would end at its first step."""
    story = Story("", "", tmp_path, verifier="tests.cli.planted_never")
    page = Answer(200, {}, b'<p data-verdict="cannot_check"><h1 id="heading">x</h1>')
    lies: list[Callable[[], None]] = [
        lambda: story.page("in force", "valid", page),
        lambda: story.answer("in force", "valid", NEVER, None),
        lambda: story.answer("ended", "cannot_check", NEVER, "revoked"),
        lambda: story.command("in force", "valid", 0, "licence.pdf"),
        lambda: story.command("in force", "cannot_check", 0, "licence.pdf"),
    ]
    for lie in lies:
        with pytest.raises(VermilionError, match="instead of"):
            lie()
