"""When something is due, by cases that can be read off a calendar, and by the library that counts as well."""

from __future__ import annotations

from datetime import date, timedelta

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.intake.clocks import MAX_DAYS, TELL_WHAT_IS_MISSING, Due, Limit, Stop, Unit, due, used
from registry.intake.holiday_notices import library_notices, working_days
from registry.intake.working_days import WorkingDays

WORKING, NATURAL = Unit.WORKING_DAY, Unit.NATURAL_DAY
DAYS = working_days(library_notices(range(2023, 2027)))
Case = tuple[str, str, int, Unit, list[tuple[str, str]], str]

CASES: list[Case] = [
    ("the first working day of the year", "2024-01-02", 5, WORKING, [], "2024-01-09"),
    ("over New Year", "2023-12-29", 1, WORKING, [], "2024-01-02"),
    ("a make-up Sunday before the Spring Festival counts", "2024-02-02", 1, WORKING, [], "2024-02-04"),
    ("over the Spring Festival, a make-up Sunday after it", "2024-02-05", 5, WORKING, [], "2024-02-18"),
    ("the last day before the festival", "2024-02-09", 1, WORKING, [], "2024-02-18"),
    ("begun on the first holiday", "2024-02-10", 1, WORKING, [], "2024-02-18"),
    ("the next day is a make-up Sunday", "2024-02-17", 1, WORKING, [], "2024-02-18"),
    ("Qingming, then a make-up Sunday", "2024-04-03", 1, WORKING, [], "2024-04-07"),
    ("a week of six days", "2024-04-03", 5, WORKING, [], "2024-04-11"),
    ("a make-up Sunday before Labour Day", "2024-04-26", 2, WORKING, [], "2024-04-29"),
    ("a make-up Saturday after it", "2024-04-30", 5, WORKING, [], "2024-05-10"),
    ("Dragon Boat on a Monday", "2024-06-07", 1, WORKING, [], "2024-06-11"),
    ("a make-up Saturday, then Mid-Autumn", "2024-09-13", 2, WORKING, [], "2024-09-18"),
    ("a make-up Sunday before National Day", "2024-09-27", 3, WORKING, [], "2024-10-08"),
    ("a make-up Saturday after it", "2024-09-30", 5, WORKING, [], "2024-10-12"),
    ("twenty days over National Day", "2024-09-30", 20, WORKING, [], "2024-11-01"),
    ("over the year's end", "2024-12-17", 20, WORKING, [], "2025-01-15"),
    ("natural days that end on a make-up Sunday", "2024-02-08", 10, NATURAL, [], "2024-02-18"),
    ("natural days that end in the festival", "2024-01-31", 10, NATURAL, [], "2024-02-18"),
    ("natural days that end on the last holiday", "2024-04-27", 8, NATURAL, [], "2024-05-06"),
    ("natural days that end on National Day", "2024-09-20", 11, NATURAL, [], "2024-10-08"),
    ("a natural day that is a make-up Saturday", "2024-05-10", 1, NATURAL, [], "2024-05-11"),
    ("a natural day that is an ordinary Saturday", "2024-05-17", 1, NATURAL, [], "2024-05-20"),
    ("at once, on a holiday", "2024-02-12", 0, WORKING, [], "2024-02-18"),
    ("at once, on a make-up Sunday", "2024-02-18", 0, WORKING, [], "2024-02-18"),
    ("a suspension within a month", "2024-03-01", 10, WORKING, [("2024-03-05", "2024-03-15")], "2024-03-27"),
    (
        "suspended and resumed on one day",
        "2024-03-01",
        10,
        WORKING,
        [("2024-03-05", "2024-03-05")],
        "2024-03-15",
    ),
    (
        "a suspension over the festival and its make-up day",
        "2024-01-29",
        10,
        WORKING,
        [("2024-02-05", "2024-02-20")],
        "2024-02-26",
    ),
    (
        "a suspension that is the holidays alone",
        "2024-09-23",
        10,
        WORKING,
        [("2024-09-30", "2024-10-07")],
        "2024-10-11",
    ),
    (
        "a suspension with two make-up days in it",
        "2024-09-23",
        10,
        WORKING,
        [("2024-09-27", "2024-10-12")],
        "2024-10-21",
    ),
    (
        "a suspension over the year's end",
        "2024-12-23",
        10,
        WORKING,
        [("2024-12-30", "2025-01-10")],
        "2025-01-17",
    ),
    ("New Year on a Wednesday", "2024-12-31", 1, WORKING, [], "2025-01-02"),
    ("a make-up Sunday before the Spring Festival counts", "2025-01-24", 1, WORKING, [], "2025-01-26"),
    ("over the festival", "2025-01-24", 3, WORKING, [], "2025-02-05"),
    ("a make-up Saturday after it", "2025-01-27", 4, WORKING, [], "2025-02-08"),
    ("twenty days over the festival", "2025-01-10", 20, WORKING, [], "2025-02-13"),
    ("to the make-up Saturday", "2025-02-07", 1, WORKING, [], "2025-02-08"),
    ("Qingming from Friday to Sunday", "2025-04-03", 1, WORKING, [], "2025-04-07"),
    ("a make-up Sunday before Labour Day", "2025-04-25", 1, WORKING, [], "2025-04-27"),
    ("over Labour Day", "2025-04-30", 1, WORKING, [], "2025-05-06"),
    ("Dragon Boat to Monday", "2025-05-30", 1, WORKING, [], "2025-06-03"),
    ("a make-up Sunday before National Day", "2025-09-26", 3, WORKING, [], "2025-09-30"),
    ("eight days of holidays", "2025-09-30", 2, WORKING, [], "2025-10-10"),
    ("and the make-up Saturday after them", "2025-09-30", 3, WORKING, [], "2025-10-11"),
    ("twenty days that end with the holidays", "2025-09-03", 20, WORKING, [], "2025-09-30"),
    ("into a year whose first days are holidays", "2025-12-11", 20, WORKING, [], "2026-01-09"),
    ("natural days into the festival", "2025-01-20", 10, NATURAL, [], "2025-02-05"),
    ("natural days that end within the holidays", "2025-09-25", 8, NATURAL, [], "2025-10-09"),
    ("natural days of a joint handling", "2025-03-03", 45, NATURAL, [], "2025-04-17"),
    (
        "natural days with a suspension",
        "2025-06-20",
        30,
        NATURAL,
        [("2025-06-25", "2025-07-10")],
        "2025-08-04",
    ),
    (
        "a suspension with the festival in it",
        "2025-01-06",
        20,
        WORKING,
        [("2025-01-13", "2025-02-10")],
        "2025-03-03",
    ),
    (
        "two suspensions, before and after the holidays",
        "2025-09-15",
        15,
        WORKING,
        [("2025-09-22", "2025-09-28"), ("2025-10-09", "2025-10-17")],
        "2025-10-28",
    ),
    (
        "two that overlap count once",
        "2025-05-06",
        10,
        WORKING,
        [("2025-05-08", "2025-05-16"), ("2025-05-14", "2025-05-21")],
        "2025-06-03",
    ),
    ("suspended on its last day", "2025-10-31", 5, WORKING, [("2025-11-07", "2025-11-14")], "2025-11-07"),
    ("New Year to Saturday, a make-up Sunday after it", "2025-12-31", 1, WORKING, [], "2026-01-04"),
    ("a make-up Saturday before the Spring Festival", "2026-02-13", 1, WORKING, [], "2026-02-14"),
    ("nine days of holidays", "2026-02-13", 2, WORKING, [], "2026-02-24"),
    ("a make-up Saturday after them", "2026-02-24", 5, WORKING, [], "2026-03-02"),
    ("twenty days over the festival", "2026-02-02", 20, WORKING, [], "2026-03-06"),
    ("Qingming to Monday", "2026-04-03", 1, WORKING, [], "2026-04-07"),
    ("a make-up Saturday after Labour Day", "2026-05-08", 1, WORKING, [], "2026-05-09"),
    ("Dragon Boat from Friday to Sunday", "2026-06-18", 1, WORKING, [], "2026-06-22"),
    ("a make-up Sunday", "2026-09-18", 1, WORKING, [], "2026-09-20"),
    ("Mid-Autumn from Friday to Sunday", "2026-09-24", 3, WORKING, [], "2026-09-30"),
    ("a make-up Saturday after National Day", "2026-09-30", 3, WORKING, [], "2026-10-10"),
    ("a limit with its extension, over both", "2026-08-31", 30, WORKING, [], "2026-10-16"),
    ("natural days that end within the festival", "2026-02-10", 10, NATURAL, [], "2026-02-24"),
    (
        "suspended from one make-up Saturday to the other",
        "2026-02-06",
        15,
        WORKING,
        [("2026-02-14", "2026-02-28")],
        "2026-03-12",
    ),
    ("a month without holidays", "2026-12-07", 15, WORKING, [], "2026-12-28"),
]
PROVISIONAL: list[Case] = [
    ("the year's end and New Year", "2026-12-21", 10, WORKING, [], "2027-01-04"),
    ("New Year itself, by the week alone", "2026-12-31", 1, WORKING, [], "2027-01-01"),
    ("a Spring Festival that nobody has published", "2027-02-01", 10, WORKING, [], "2027-02-15"),
    ("a National Day likewise", "2027-09-24", 10, WORKING, [], "2027-10-08"),
    ("natural days that end on a day of rest", "2026-12-25", 15, NATURAL, [], "2027-01-11"),
    (
        "a suspension over the year's end",
        "2026-12-14",
        10,
        WORKING,
        [("2026-12-18", "2027-01-08")],
        "2027-01-18",
    ),
    ("the year after", "2027-12-27", 10, WORKING, [], "2028-01-10"),
]


def found(case: Case, days: WorkingDays = DAYS) -> Due | None:
    _, begin, count, unit, stops, _ = case
    return due(
        days,
        date.fromisoformat(begin),
        Limit(count, unit),
        [Stop(date.fromisoformat(since), date.fromisoformat(until)) for since, until in stops],
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]} {case[0]}")
def test_a_day_is_due(case: Case) -> None:
    assert found(case) == Due(date.fromisoformat(case[-1]), provisional=False)


@pytest.mark.parametrize("case", PROVISIONAL, ids=lambda case: f"{case[1]} {case[0]}")
def test_beyond_the_last_notice_a_day_is_provisional(case: Case) -> None:
    assert found(case) == Due(date.fromisoformat(case[-1]), provisional=True)


def test_a_notice_that_comes_later_moves_the_day_and_makes_it_certain() -> None:
    begin = date(2026, 12, 31)
    assert due(DAYS, begin, Limit(1)) == Due(date(2027, 1, 1), provisional=True)
    noticed = WorkingDays({**DAYS.exceptions, date(2027, 1, 1): False}, DAYS.years | {2027})
    assert due(noticed, begin, Limit(1)) == Due(date(2027, 1, 4), provisional=False)


def test_a_clock_that_stands_says_no_day() -> None:
    begin = date(2026, 3, 2)
    assert due(DAYS, begin, Limit(5), [Stop(date(2026, 3, 4), None)]) is None
    assert due(DAYS, begin, Limit(5), [Stop(date(2026, 3, 9), None)]) == Due(date(2026, 3, 9), False)


def test_a_limit_that_nobody_could_mean_is_refused() -> None:
    for days in (-1, MAX_DAYS + 1):
        with pytest.raises(ValueError, match="at most"):
            Limit(days)
    with pytest.raises(ValueError, match="ahead"):
        due(DAYS, date(2026, 3, 2), Limit(MAX_DAYS))


def test_what_is_missing_is_told_within_five_days_of_the_corrected_set() -> None:
    """A correction begins the clock anew on the day on which the corrected set arrives."""
    assert due(DAYS, date(2026, 4, 28), TELL_WHAT_IS_MISSING) == Due(date(2026, 5, 8), provisional=False)
    assert due(DAYS, date(2026, 5, 11), TELL_WHAT_IS_MISSING) == Due(date(2026, 5, 18), provisional=False)


begins = st.dates(date(2024, 1, 1), date(2026, 6, 30))
counts = st.integers(0, 60)
spans = st.lists(st.tuples(begins, st.integers(0, 40)), max_size=3)


def stops_of(pairs: list[tuple[date, int]]) -> list[Stop]:
    return [Stop(since, since + timedelta(days=length)) for since, length in pairs]


@given(begins, st.integers(1, 60))
def test_as_many_days_are_worked_on_as_the_library_counts(begin: date, count: int) -> None:
    found = due(DAYS, begin, Limit(count))
    assert found is not None
    assert chinese_calendar.is_workday(found.day)
    assert len(chinese_calendar.get_workdays(begin + timedelta(days=1), found.day)) == count


@given(begins, counts, st.sampled_from(Unit), spans)
def test_what_is_due_is_used_up_on_its_day_and_not_before(
    begin: date, count: int, unit: Unit, pairs: list[tuple[date, int]]
) -> None:
    limit, stops = Limit(count, unit), stops_of(pairs)
    found = due(DAYS, begin, limit, stops)
    assert found is not None
    assert DAYS.works(found.day)
    assert used(DAYS, begin, limit, found.day, stops) >= count
    if found.day > begin and unit is WORKING:
        assert used(DAYS, begin, limit, found.day - timedelta(days=1), stops) == count - (count > 0)


@given(begins, counts, st.sampled_from(Unit), spans, begins, st.integers(0, 40))
def test_a_stop_never_brings_a_day_forward(
    begin: date, count: int, unit: Unit, pairs: list[tuple[date, int]], since: date, length: int
) -> None:
    limit, stops = Limit(count, unit), stops_of(pairs)
    more = [*stops, Stop(since, since + timedelta(days=length))]
    before, after = due(DAYS, begin, limit, stops), due(DAYS, begin, limit, more)
    assert before is not None
    assert after is not None
    assert before.day <= after.day
