"""A code checked without the registry: the same cases are run by the page's scripts (`tests/js`)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from keys.errors import VermilionError
from keys.trust_list import TrustList, read_trust_list
from signing.check import Outcome, check_scan
from tests.signing.offline_cases import Answer, OfflineCase, offline_cases


def run(case: OfflineCase) -> tuple[str | None, Outcome]:
    """Why the trust list is refused, and the outcome."""
    trust: TrustList | None = None
    refused: str | None = None
    try:
        trust = read_trust_list(
            case.trust, at=case.at, root_sha256=case.root_sha256, min_sequence=case.min_sequence
        )
    except VermilionError as error:
        refused = error.reason

    def source(number: int) -> Sequence[bytes]:
        return [case.lists[number]] if number in case.lists else []

    return refused, check_scan(case.text, trust, None, None, case.at, source)


def answer(case: OfflineCase) -> tuple[str | None, Answer, datetime]:
    refused, outcome = run(case)
    found = outcome.verification
    said = (found.verdict.value, found.content.reason, found.issuer.reason, found.status.reason)
    return refused, said, found.as_of


def as_json(cases: Sequence[OfflineCase]) -> dict[str, Any]:
    """The cases as the scripts' suite reads them; instants in seconds, and the number that is shown or null."""
    rows = []
    for case in cases:
        claims = run(case)[1].claims
        rows.append(
            {
                "name": case.name,
                "text": case.text,
                "trust": case.trust,
                "root_sha256": case.root_sha256,
                "min_sequence": case.min_sequence,
                "at": int(case.at.timestamp()),
                "lists": {str(number): token.decode() for number, token in case.lists.items()},
                "refused": case.refused,
                "want": list(case.want),
                "as_of": int(case.as_of.timestamp()),
                "number": None if claims is None else claims.number,
            }
        )
    return {"cases": rows}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[OfflineCase]:
    return list(offline_cases(tmp_path_factory.mktemp("offline")))


def test_each_case_is_answered_as_it_says(cases: list[OfflineCase]) -> None:
    assert {case.name: answer(case) for case in cases} == {
        case.name: (case.refused, case.want, case.as_of) for case in cases
    }
    verdicts = {case.want[0] for case in cases}
    assert verdicts >= {
        "valid",
        "genuine_offline",
        "cannot_check",
        "ended",
        "suspended",
        "replaced",
        "altered",
    }
