"""For how long licences of a type may be valid."""

from __future__ import annotations

from datetime import date

import pytest

from signing.validity_range import is_term, latest_day


@pytest.mark.parametrize(
    ("terms", "begin", "latest"),
    [
        (["5年"], "2026-11-20", "2031-11-20"),
        (["4年"], "2024-02-29", "2028-02-29"),
        (["1年"], "2024-02-29", "2025-02-28"),
        (["6个月"], "2026-08-31", "2027-02-28"),
        (["12个月"], "2026-12-31", "2027-12-31"),
        (["30日"], "2026-12-15", "2027-01-14"),
        (["1年", "5年", "18个月"], "2026-01-01", "2031-01-01"),
        (["999年"], "9500-01-01", "9999-12-31"),
    ],
)
def test_the_last_day(terms: list[str], begin: str, latest: str) -> None:
    assert latest_day(terms, date.fromisoformat(begin)) == date.fromisoformat(latest)


def test_without_an_end() -> None:
    assert latest_day(["5年", "长期"], date(2026, 1, 1)) is None


@pytest.mark.parametrize(
    "text", ["", "5", "年", "0年", "五年", "5 年", "5年 ", "5月", "1000年", "永久", "5年\n", "-1年"]
)
def test_what_is_no_term(text: str) -> None:
    assert not is_term(text)
    with pytest.raises(ValueError, match="term"):
        latest_day([text], date(2026, 1, 1))
