"""What a run found: lines for a terminal, JSON for programs, JUnit XML for whatever shows tests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from keys.errors import Kind, VermilionError
from registry.conform.checks import Result

JSON_FILE, JUNIT_FILE = "conformance.json", "conformance.xml"
MAX_WORDS = 300


@dataclass(frozen=True, slots=True)
class Report:
    """`client`: what was judged as the client."""

    base: str
    client: str
    begun: datetime
    ended: datetime
    results: Sequence[Result]

    def count(self, outcome: str) -> int:
        return sum(one.outcome == outcome for one in self.results)

    @property
    def passed(self) -> bool:
        return self.count("failed") == 0 and self.count("passed") > 0


def lines(report: Report) -> Iterator[str]:
    for one in report.results:
        yield line(one)
    yield (
        ", ".join(f"{report.count(outcome)} {outcome}" for outcome in ("passed", "failed", "skipped"))
        + f": {report.base}, and {report.client}"
    )


def line(one: Result) -> str:
    return f"{one.outcome:8} {one.check.id:24} {_words(one.seen)}"


def _words(text: str) -> str:
    """What a terminal can be shown, whoever said it."""
    return "".join(each if each.isprintable() else "?" for each in text[:MAX_WORDS])


def save(report: Report, folder: Path) -> None:
    """Both files. Raises VermilionError(INVALID)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / JSON_FILE).write_text(as_json(report), encoding="utf-8")
        (folder / JUNIT_FILE).write_text(as_junit(report), encoding="utf-8")
    except OSError as error:
        raise VermilionError(Kind.INVALID, f"{folder}: {error.strerror}") from error


def as_json(report: Report) -> str:
    told: dict[str, Any] = {
        "base_url": report.base,
        "client": report.client,
        "begun_at": report.begun.isoformat(timespec="seconds"),
        "ended_at": report.ended.isoformat(timespec="seconds"),
        "outcome": "passed" if report.passed else "failed",
        "counts": {outcome: report.count(outcome) for outcome in ("passed", "failed", "skipped")},
        "checks": [
            {
                "id": one.check.id,
                "says": one.check.says,
                "clause": one.check.clause,
                "outcome": one.outcome,
                "seen": _words(one.seen),
                "seconds": round(one.seconds, 3),
            }
            for one in report.results
        ],
    }
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def as_junit(report: Report) -> str:
    """As Jenkins, GitLab and others read it."""
    seconds = (report.ended - report.begun).total_seconds()
    counts = f'failures="{report.count("failed")}" skipped="{report.count("skipped")}" errors="0"'
    times = f'time="{seconds:.3f}" timestamp="{report.begun:%Y-%m-%dT%H:%M:%S}"'
    rows = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name="vermilion conform" tests="{len(report.results)}" {counts} {times}>',
    ]
    for one in report.results:
        side, _, name = one.check.id.partition(".")
        inner = {"passed": "", "failed": _element("failure", one), "skipped": _element("skipped", one)}
        rows.append(
            f'<testcase classname="conformance.{side}" name={quoteattr(name)} time="{one.seconds:.3f}">'
            f"{inner[one.outcome]}</testcase>"
        )
    return "\n".join([*rows, "</testsuite>", ""])


def _element(name: str, one: Result) -> str:
    words = f"{one.check.says} ({one.check.clause})"
    return f"<{name} message={quoteattr(_words(one.seen))}>{escape(words)}</{name}>"
