"""A clock that steps back, is lost or is not kept right gives no time; one that runs on does."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from keys.clock import system_clock
from keys.errors import Kind, VermilionError
from keys.ledger import MemoryTimeStamps
from keys.time_source import (
    STEP,
    GivenClock,
    Reading,
    TimeSource,
    WatchedClock,
    kernel_synchronisation,
    system_time,
)
from keys.time_stamp import verify_token
from keys.tsa import TimeStampAuthority
from tests.authority import AT, TestAuthority, make_authority

SECOND = timedelta(seconds=1)


class Clocks:
    """A wall clock that can be set, and one that cannot."""

    def __init__(self) -> None:
        self.wall, self.elapsed = AT, 0.0

    def pass_by(self, by: timedelta) -> None:
        self.wall += by
        self.elapsed += by.total_seconds()

    def watched(self) -> WatchedClock:
        return WatchedClock(lambda: self.wall, lambda: self.elapsed)


def refused(source: TimeSource) -> bool:
    try:
        source.read()
    except VermilionError as error:
        assert (error.kind, error.reason) == (Kind.UNAVAILABLE, "clock")
        return True
    return False


def test_a_clock_that_runs_on_gives_its_time() -> None:
    clocks = Clocks()
    watched = clocks.watched()
    for by in (timedelta(0), SECOND, timedelta(days=3), timedelta(microseconds=1)):
        clocks.pass_by(by)
        assert watched.read() == Reading(clocks.wall, SECOND)


def test_a_step_back_is_seen_though_no_time_was_given_for_long() -> None:
    """The clock is ahead of every time it ever gave, and was set back all the same."""
    clocks = Clocks()
    watched = clocks.watched()
    watched.read()
    clocks.pass_by(timedelta(hours=2))
    clocks.wall -= timedelta(hours=1)
    assert refused(watched)
    clocks.pass_by(timedelta(minutes=59))
    assert refused(watched)  # it runs on, and is still an hour behind


def test_a_step_back_is_forgotten_once_it_is_caught_up_with() -> None:
    clocks = Clocks()
    watched = clocks.watched()
    watched.read()
    clocks.wall -= 2 * SECOND
    assert refused(watched)
    clocks.wall += 2 * SECOND
    assert not refused(watched)


def test_small_steps_do_not_add_up_unseen() -> None:
    clocks = Clocks()
    watched = clocks.watched()
    outcomes = []
    for _ in range(5):
        clocks.wall -= STEP / 4
        outcomes.append(refused(watched))
    assert outcomes == [False, False, False, False, True]


def test_a_step_forward_is_the_new_time() -> None:
    clocks = Clocks()
    watched = clocks.watched()
    clocks.wall += timedelta(hours=1)
    assert watched.read().at == clocks.wall
    clocks.wall -= SECOND
    assert refused(watched)


def test_a_reader_who_is_held_up_between_two_clocks_sees_no_step() -> None:
    """Whatever time passes between reading one clock and the other."""
    clocks = Clocks()

    def slowly(value: object) -> object:
        clocks.pass_by(SECOND)
        return value

    watched = WatchedClock(
        lambda: slowly(clocks.wall),  # type: ignore[arg-type, return-value]
        lambda: slowly(clocks.elapsed),  # type: ignore[arg-type, return-value]
    )
    for _ in range(5):
        assert not refused(watched)


def test_a_clock_that_nothing_keeps_right_gives_no_time_where_that_is_asked() -> None:
    said: list[timedelta | None] = [None, timedelta(milliseconds=3), None]
    watched = WatchedClock(lambda: AT, lambda: 0.0, synchronisation=lambda: said.pop(0))
    assert refused(watched)
    assert watched.read() == Reading(AT, timedelta(milliseconds=3))
    assert refused(watched)


def test_the_machine_s_own_clock_is_asked() -> None:
    at = system_time(require_synchronisation=False).read().at
    assert abs(system_clock() - at) < timedelta(minutes=1)
    error = kernel_synchronisation()
    required = system_time(require_synchronisation=True)
    assert error is None or error >= timedelta(0)
    assert refused(required) is (error is None)


# The authority's own rule: no time before one that was given, by whom and when ever.


def restarted(authority: TestAuthority, *, ahead: timedelta = timedelta(0)) -> TimeStampAuthority:
    return authority.authority_of(authority.tsa_key, authority.tsa, lambda: authority.now + ahead)


def gen_time(authority: TestAuthority, stamper: TimeStampAuthority, record: str) -> datetime:
    return verify_token(stamper.stamp(bytes(32), record), bytes(32), trust=authority.trust()).gen_time


def test_no_time_goes_back_across_a_restart(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    gen_time(authority, authority.stamper, "intent:1")
    authority.now -= timedelta(minutes=5)
    with pytest.raises(VermilionError) as caught:
        restarted(authority).stamp(bytes(32), "intent:2")
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "clock")
    assert len(authority.time_stamps.announced) == 1
    authority.now += timedelta(minutes=5)
    assert gen_time(authority, restarted(authority), "intent:2") == authority.now


def test_two_processes_whose_clocks_differ_by_less_than_a_second_agree(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    authority.now += timedelta(milliseconds=600)
    slow, quick = restarted(authority), restarted(authority, ahead=timedelta(milliseconds=700))
    second = authority.now.replace(microsecond=0)
    assert gen_time(authority, slow, "intent:1") == second
    assert gen_time(authority, quick, "intent:2") == second + SECOND
    # Its own clock still says the second before: what it gives is within the accuracy that it names.
    assert gen_time(authority, slow, "intent:3") == second + SECOND
    authority.now += SECOND
    assert gen_time(authority, slow, "intent:4") == second + SECOND


@pytest.mark.parametrize(("behind", "given"), [(timedelta(microseconds=999_999), True), (SECOND, False)])
def test_a_second_behind_is_behind(tmp_path: Path, behind: timedelta, given: bool) -> None:
    authority = make_authority(tmp_path)
    authority.stamper.stamp(bytes(32), "intent:1")
    authority.now -= behind
    if given:
        assert gen_time(authority, authority.stamper, "intent:2") == AT
        return
    with pytest.raises(VermilionError):
        authority.stamper.stamp(bytes(32), "intent:2")


def test_what_is_on_record_is_read_before_the_clock(tmp_path: Path) -> None:
    """Else a slow reader would hold an old time against a new record."""
    authority = make_authority(tmp_path)
    asked: list[str] = []

    class Register(MemoryTimeStamps):
        def latest(self) -> datetime | None:
            asked.append("record")
            return super().latest()

    def clock() -> datetime:
        asked.append("clock")
        return authority.now

    TimeStampAuthority(
        authority.custodian, authority.tsa_key, authority.tsa, (authority.issuing,), time=GivenClock(clock),
        register=Register(), random=authority.random,
    ).stamp(bytes(32), "intent:1")  # fmt: skip
    assert asked == ["record", "clock"]
