"""Every skip is counted and named; with CI=true one that `tests/skips.py` does not list fails the session."""

from __future__ import annotations

import os

import pytest

from tests.skips import LISTED


def reason_listed(nodeid: str) -> str | None:
    """The reason `tests/skips.py` gives for skipping this test, if it does."""
    return next((reason for prefix, reason in LISTED.items() if nodeid.startswith(prefix)), None)


class SkipAccount:
    """Gathers the skips of all workers, in the process that reports."""

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.skipped: dict[str, str] = {}

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            said = report.longrepr
            self.skipped[report.nodeid] = str(said[2] if isinstance(said, tuple) else said)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    @property
    def unlisted(self) -> list[str]:
        return sorted(nodeid for nodeid in self.skipped if reason_listed(nodeid) is None)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.strict and self.unlisted and session.exitstatus in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.skipped:
            return
        terminalreporter.section(f"{len(self.skipped)} skipped")
        for nodeid, said in sorted(self.skipped.items()):
            listed = reason_listed(nodeid)
            note = f"listed: {listed}" if listed else "not listed in tests/skips.py"
            terminalreporter.write_line(f"{nodeid}: {said.removeprefix('Skipped: ')} ({note})")
        if self.strict and self.unlisted:
            terminalreporter.write_line(
                f"CI=true: {len(self.unlisted)} skip(s) without a listed reason fail the session.", red=True
            )


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # a worker of xdist reports to the process that counts
        config.pluginmanager.register(SkipAccount(strict=os.environ.get("CI") == "true"), "skip-account")
