"""What a test counted is told in the end, whichever worker it ran in: a worker's own print goes nowhere."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter

import pytest

PROPERTY = "told"


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Puts a line into the summary of the run. Properties travel with a test's report between processes."""

    def line(text: str) -> None:
        request.node.user_properties.append((PROPERTY, text))

    return line


class Told:
    """Gathers the lines of all workers, in the process that reports."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.lines += [
                (report.nodeid, str(text)) for name, text in report.user_properties if name == PROPERTY
            ]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.lines:
            terminalreporter.section("told by the tests")
            for nodeid, text in sorted(self.lines, key=itemgetter(0)):
                terminalreporter.write_line(f"{nodeid}: {text}")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # a worker of xdist reports to the process that tells
        config.pluginmanager.register(Told(), "told")
