"""Broken clients, planted: each fails the check that is about its fault, and no other."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry.conform.checks import CLIENT
from registry.conform.report import Report
from tests.conform.broken import BROKEN
from tests.conform.sandboxes import Sandbox

PROGRAM = Path(__file__).with_name("broken.py")
AT_ONCE = 3
SOME = ("new-key", "disorderly", "forgetful")


def judged(sandbox: Sandbox, way: str) -> Report:
    return sandbox.found(client=[sys.executable, str(PROGRAM), way], sides=frozenset({"client"}))


def compared(sandbox: Sandbox, ways: tuple[str, ...]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        reports = dict(zip(ways, pool.map(lambda way: judged(sandbox, way), ways), strict=True))
    for way, report in reports.items():
        wrong = {one.check.id: one.seen for one in report.results if one.outcome != "passed"}
        assert list(wrong) == [BROKEN[way][1]], (way, wrong)
        assert not report.passed


@pytest.mark.long(short="test_some_broken_clients")
def test_every_broken_client(sandbox: Sandbox) -> None:
    compared(sandbox, tuple(BROKEN))


def test_some_broken_clients(sandbox: Sandbox) -> None:
    """A new key for a retry, the last to come taken for the latest, and an event that is counted twice."""
    compared(sandbox, SOME)


def test_each_fault_is_about_another_promise() -> None:
    found = [check for _, check in BROKEN.values()]
    assert len(set(found)) == len(found)
    assert set(found) <= set(CLIENT)
