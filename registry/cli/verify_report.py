"""What `vermilion verify --report` adds: what is in the file, beside the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from keys.errors import VermilionError

if TYPE_CHECKING:
    from keys.trust_list import TrustList
    from signing.check import Outcome
    from signing.live import LiveRegistry

_LONGEST = 1000


def report_on(
    data: bytes, outcome: Outcome, trust: TrustList | None, live: LiveRegistry | None, now: datetime
) -> dict[str, object]:
    """The member `report` of the answer. What pyHanko would be needed for stays unexplained, and is called
    so, where it is not installed.
    """
    from signing.report_words import report_json
    from signing.validator import report_of, start_validator

    try:
        validator = start_validator() if outcome.licence is None and outcome.evidence is None else None
    except VermilionError:
        validator = None
    try:
        return report_json(report_of(data, outcome, trust, live, validator, now))
    finally:
        if validator is not None:
            validator.close()


def report_lines(report: object, lang: str) -> Iterator[str]:
    """For a terminal. It may be a service's: of its texts only what can be printed is."""
    if not isinstance(report, dict):
        return
    says = report.get("says")
    for name, value in (
        ("report", says.get(lang) if isinstance(says, dict) else None),
        ("indication", _joined(report, "indication", "sub_indication")),
        ("signer", report.get("signer")),
        ("sealed at", report.get("sealed_at")),
        ("level", report.get("level")),
        ("covers", report.get("coverage")),
    ):
        if isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable():
            yield f"  {name:11} {value}"


def _joined(report: dict[str, Any], *names: str) -> str:
    return " / ".join(str(report[name]) for name in names if isinstance(report.get(name), str))
