"""Notices of holidays on record: read strictly, the last of a year holds, and what is open is counted anew."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.intake import calendars
from registry.intake.calendars import calendar, import_notice, read_notice
from registry.intake.holiday_notices import library_notices
from registry.intake.moves import Action
from registry.intake.work import work
from registry.log.tables import Event
from tests.intake.casework import TO_HANDLING, found, open_desk, taken
from tests.registry.world import Ticker, World

NOTICE = """
year = 2027
version = 1
source = "国办发明电〔2026〕1号（样本）"
rest = [{ day = 2027-01-01, name = "元旦" }, { day = 2027-01-04, name = "元旦" }]
work = [{ day = 2027-01-09, name = "元旦调休" }]
"""


def put(world: World, text: str) -> None:
    with world.ports.database.transaction() as session:
        import_notice(session, world.ports, world.system, text.encode(), "2027.toml")


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("day = 2027-01-04", "day = 2026-01-05", "a day of the year"),
        ("day = 2027-01-04", "day = 2027-01-01", "stand once"),
        ("day = 2027-01-04", "day = 2027-01-03", "by its day of the week"),
        ("day = 2027-01-09", "day = 2027-01-08", "by its day of the week"),
        ("version = 1", "version = 0", "counts from 1"),
        ("version = 1", "version = 1\nmore = 1", "not known"),
        ("year = 2027", "year = 1999", "a day of the year"),
    ],
)
def test_a_notice_says_only_what_the_week_does_not(before: str, after: str, why: str) -> None:
    with pytest.raises(VermilionError) as error:
        read_notice(NOTICE.replace(before, after, 1).encode(), "2027.toml")
    assert error.value.reason == "bad_data_file"
    assert why in error.value.detail


def test_the_last_notice_of_a_year_holds(world: World) -> None:
    put(world, NOTICE)
    put(world, NOTICE)
    for text in (NOTICE.replace("01-09", "01-10"), NOTICE.replace("元旦调休", "调休")):
        with pytest.raises(VermilionError) as error:
            put(world, text)
        assert error.value.reason == "version_exists"
    put(world, NOTICE.replace("version = 1", "version = 2").replace("01-09", "01-10"))
    with Session(world.ports.database.read) as session:
        days = calendar(session)
        kinds = session.scalars(select(Event.kind).where(Event.subject_kind == "holiday_notice")).all()
    assert [days.works(date(2027, 1, day)) for day in (1, 4, 9, 10)] == [False, False, False, True]
    assert (days.known(date(2027, 1, 1)), days.known(date(2028, 1, 1))) == (True, False)
    assert days.known(date(2026, 1, 1))  # the library's
    assert kinds == ["holiday_notice.imported"] * 2


def test_what_is_open_is_counted_anew_and_what_is_over_is_not(world: World, clock: Ticker) -> None:
    clock.now = datetime.fromisoformat("2026-12-29T02:00:00+00:00")
    desk = open_desk(world)
    over, case_id = taken(desk, *TO_HANDLING, Action.REFUSE), taken(desk, *TO_HANDLING)
    case = found(desk, case_id)
    assert (case.committed_due, case.provisional) == (date(2027, 1, 5), True)
    assert work(desk.ports).recounted == 0
    put(world, NOTICE)
    done = work(desk.ports)
    assert (done.recounted, done.defects) == (1, [])
    case = found(desk, case_id)
    assert (case.committed_due, case.due_on, case.provisional) == (date(2027, 1, 7), date(2027, 1, 7), False)
    with Session(world.ports.database.read) as session:
        recounted = session.scalars(select(Event).where(Event.kind == "case.recounted")).all()
    assert [(one.subject, one.detail) for one in recounted] == [(case_id, {"due_on": "2027-01-07"})]
    assert work(desk.ports).recounted == 0
    assert found(desk, over).calendar == found(desk, case_id).calendar - 1


def test_what_the_library_of_a_later_release_knows_counts_what_is_open_anew(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its notices are loaded by installing it, which puts nothing on record."""
    clock.now = datetime.fromisoformat("2026-09-28T02:00:00+00:00")
    desk = open_desk(world)
    with monkeypatch.context() as before:
        before.setattr(calendars, "_library", lambda: tuple(library_notices(range(2020, 2026))))
        case_id = taken(desk, *TO_HANDLING)
        case = found(desk, case_id)
        assert (case.committed_due, case.provisional) == (date(2026, 10, 5), True)
        assert work(desk.ports).recounted == 0
    done = work(desk.ports)
    assert (done.recounted, done.defects) == (1, [])
    case = found(desk, case_id)
    assert (case.committed_due, case.provisional) == (date(2026, 10, 10), False)
    assert work(desk.ports).recounted == 0


def test_silence_is_put_down_by_the_notices_there_are_and_not_by_a_day_reckoned_before(
    world: World, clock: Ticker
) -> None:
    clock.now = datetime.fromisoformat("2026-12-28T02:00:00+00:00")
    desk = open_desk(world)
    case_id = taken(desk, Action.SUBMIT)
    case = found(desk, case_id)
    assert (case.due_on, case.provisional) == (date(2027, 1, 4), True)
    put(world, NOTICE)
    clock.now = datetime.fromisoformat("2027-01-05T02:00:00+00:00")
    done = work(desk.ports)
    assert (done.silent, done.recounted, done.defects) == (0, 1, [])
    case = found(desk, case_id)
    assert (case.state, case.due_on) == ("submitted", date(2027, 1, 6))
    clock.now = datetime.fromisoformat("2027-01-07T02:00:00+00:00")
    assert work(desk.ports).silent == 1
