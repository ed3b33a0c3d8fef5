"""Every expected failure has one HTTP status, and its document says nothing it should not."""

from __future__ import annotations

import pytest

from keys.errors import Fault, Kind, VermilionError
from registry.problems import STATUS, defect, problem


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_mapped(kind: Kind) -> None:
    fault = Fault("/name", "too_long", "at most 30 characters")
    error = VermilionError(kind, "what is wrong", reason="slug", faults=(fault,), retry_after=5)
    body, status, headers = problem(error)
    assert set(STATUS) == set(Kind)
    assert body["status"] == status
    assert 400 <= status < 600
    assert status != 500
    assert body["type"].endswith(kind.value)
    assert body["errors"] == [{"pointer": "/name", "reason": "too_long", "detail": "at most 30 characters"}]
    assert headers == {
        "Content-Type": "application/problem+json",
        "Cache-Control": "no-store",
        "Retry-After": "5",
    }


def test_a_defect_says_nothing() -> None:
    assert defect()[0] == {"type": "about:blank", "title": "Internal error", "status": 500}
