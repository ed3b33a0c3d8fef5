"""What runs apart runs under its limits, sees nothing of ours, and keeps nobody waiting for ever."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signing.apart import _END, _LENGTH, MAX_ANSWER, Answer, Apart, Emit, How, Limits, _answer

SMALL = Limits(cpu_seconds=1, wall_seconds=20, memory_bytes=128 << 20)


def echo(order: bytes, emit: Emit) -> None:
    emit(order)


def spins(_: bytes, emit: Emit) -> None:
    emit(b"begun")
    while True:
        pass


def grows(_: bytes, emit: Emit) -> None:
    emit(b"begun")
    held = []
    while True:
        held.append(bytes(1 << 20))


def fails(_: bytes, emit: Emit) -> None:
    emit(b"begun")
    raise ZeroDivisionError("secret")


def dies(_: bytes, __: Emit) -> None:
    os.abort()


def writes_much(_: bytes, emit: Emit) -> None:
    for _turn in range(64):
        emit(bytes(1 << 20))


def waits(_: bytes, __: Emit) -> None:
    signal.pause()


@pytest.fixture
def apart() -> Iterator[Callable[..., Apart]]:
    made: list[Apart] = []

    def make(*arguments: object, **options: object) -> Apart:
        made.append(Apart(*arguments, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


Make = Callable[..., Apart]


def test_orders_of_any_size_are_answered_one_after_another(apart: Make) -> None:
    one = apart(echo, SMALL)
    for order in (b"", b"x", bytes(3 << 20)):
        answer = one.run(order)
        assert (answer.how, answer.emitted) == (How.DONE, (order,))


@pytest.mark.parametrize(
    ("work", "how"), [(spins, How.CPU), (grows, How.MEMORY), (fails, How.BROKE)], ids=lambda w: str(w)[:20]
)
def test_a_limit_or_a_defect_ends_it_and_what_it_had_said_stays(
    apart: Make, work: Callable[[bytes, Emit], None], how: How
) -> None:
    answer = apart(work, SMALL).run(b"")
    assert (answer.how, answer.emitted) == (how, (b"begun",))
    assert answer.cpu_seconds <= SMALL.cpu_seconds + 0.5
    if how is How.MEMORY:  # it came near the limit, and not past what was shared before
        shared = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        assert SMALL.memory_bytes // 4 < answer.peak_bytes < shared + SMALL.memory_bytes


def test_who_does_nothing_is_ended_by_the_clock(apart: Make) -> None:
    assert apart(waits, Limits(1, 0.1, 128 << 20)).run(b"").how is How.TIME


def test_who_ends_without_a_word_or_talks_without_end_has_broken_off(apart: Make) -> None:
    """What it had said whole until then stays."""
    assert apart(dies, SMALL).run(b"").how is How.BROKE
    answer = apart(writes_much, SMALL).run(b"")
    assert (answer.how, answer.emitted) == (How.BROKE, (bytes(1 << 20),) * 3)


OPEN: list[int] = []
"""How many descriptors the process that forks had open, each time that it was about to call."""


def tells_what_was_open(_: bytes, emit: Emit) -> None:
    emit(json.dumps(OPEN).encode())


@pytest.mark.parametrize("call", ["pipe", "fork"])
def test_what_cannot_be_begun_is_away_and_the_next_is_answered(
    apart: Make, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    real, ours = getattr(os, call), os.getpid()

    def fails_twice() -> object:
        if ours not in {os.getpid(), os.getppid()}:  # in the process that forks
            OPEN.append(sum(map(_is_open, range(256))))
            if len(OPEN) < 3:
                raise BlockingIOError
        return real()

    monkeypatch.setattr(os, call, fails_twice)
    one = apart(tells_what_was_open, SMALL)
    first, second, third = (one.run(b"x") for _ in range(3))
    assert (first.how, second.how, third.how) == (How.AWAY, How.AWAY, How.DONE)
    counted = json.loads(third.emitted[-1])
    assert len(counted) == 3
    assert len(set(counted)) == 1  # nothing stays open


@pytest.mark.parametrize("status", [0x137F, -1])
def test_a_wait_status_that_is_none_is_a_defect(status: int) -> None:
    said = _LENGTH.pack(5) + b"begun" + _END.pack(status, 0, 0)
    assert _answer(said) == Answer(How.BROKE, (b"begun",))


def test_many_small_words_are_all_read() -> None:
    """Of a child that somebody took over: as many as an answer holds."""
    said = _LENGTH.pack(0) * (MAX_ANSWER // _LENGTH.size)
    assert len(_answer(said + _END.pack(0, 0, 0)).emitted) == MAX_ANSWER // _LENGTH.size


def tells_of_itself(_: bytes, emit: Emit) -> None:
    dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)  # PR_GET_DUMPABLE
    emit(json.dumps([dumpable, os.getpriority(os.PRIO_PROCESS, 0)]).encode())


def test_it_gives_way_to_who_made_it_and_nobody_may_look_into_it(apart: Make) -> None:
    one = apart(tells_of_itself, SMALL)
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert json.loads(one.run(b"").emitted[-1]) == [0, min(19, ours + 10)]
    assert os.getpriority(os.PRIO_PROCESS, one.pid) == min(19, ours + 10)


def looks_around(order: bytes, emit: Emit) -> None:
    folder, pid = json.loads(order)
    tried: dict[str, Callable[[], object]] = {
        "read": Path(__file__).read_bytes,
        "write": Path(folder, "new").touch,
        "socket": socket.socket,
        "pipe": os.pipe,
    }
    done = []
    for name, act in tried.items():
        try:
            act()
        except OSError:
            continue
        done.append(name)
    limits = {
        name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
        for name in ("CPU", "FSIZE", "NOFILE", "CORE")
    }
    open_ones = [n for n in range(256) if _is_open(n)]
    emit(
        json.dumps(
            {
                "done": done,
                "limits": limits,
                "environment": dict(os.environ),
                "open": open_ones,
                "is us": os.getpid() == pid,
            }
        ).encode()
    )


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_it_has_no_file_no_socket_and_no_setting(apart: Make, tmp_path: Path) -> None:
    os.environ["VERMILION_SECRET"] = "told to nobody"
    held = [os.open(__file__, os.O_RDONLY) for _ in range(5)]
    try:
        one = apart(looks_around, SMALL)
    finally:
        del os.environ["VERMILION_SECRET"]
    answer = one.run(json.dumps([str(tmp_path), os.getpid()]).encode())
    for descriptor in held:
        os.close(descriptor)
    found = json.loads(answer.emitted[-1])
    assert (found["done"], found["environment"], found["is us"]) == ([], {}, False)
    assert found["limits"] == {"CPU": [1, 2], "FSIZE": [0, 0], "NOFILE": [0, 0], "CORE": [0, 0]}
    assert len(found["open"]) == 5  # /dev/null three times, where to answer, and what says that it lives


def test_beyond_its_children_and_a_few_that_wait_it_is_busy(apart: Make) -> None:
    """Two at work and one that waits; a fourth is turned away at once, the third after its patience."""
    one = apart(waits, Limits(1, 30, 128 << 20), children=2, waiting=1, patience=0.2)
    answers: list[How] = []
    busy = [threading.Thread(target=lambda: answers.append(one.run(b"").how)) for _ in range(2)]
    for thread in busy:
        thread.start()
    while len(_children(forks(one))) < 2:
        _let_it_run()
    assert one.run(b"").how is How.BUSY  # it waited
    with one._places:  # as if one more were waiting
        assert one.run(b"").how is How.BUSY
    for pid in _children(forks(one)):
        os.kill(pid, signal.SIGALRM)
    for thread in busy:
        thread.join()
    assert answers == [How.TIME, How.TIME]


def forks(one: Apart) -> int:
    """The process that forks, as soon as it is there."""
    while not (found := _children(one.pid)):
        _let_it_run()
    return found[0]


def _let_it_run() -> None:
    """It gives way to us: who only looked again and again would keep it from what is waited for."""
    time.sleep(0.005)


def _children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def test_a_process_that_forks_is_made_again(apart: Make) -> None:
    one = apart(echo, SMALL)
    for _ in range(2):
        gone = forks(one)
        os.kill(gone, signal.SIGKILL)
        while forks(one) == gone:
            _let_it_run()
        assert one.run(b"x").how is How.DONE


def test_what_was_being_done_then_is_not_done(apart: Make) -> None:
    one = apart(waits, SMALL)
    answers: list[How] = []
    asking = threading.Thread(target=lambda: answers.append(one.run(b"").how))
    asking.start()
    while not (children := _children(forks(one))):
        _let_it_run()
    os.kill(forks(one), signal.SIGKILL)
    os.kill(children[0], signal.SIGKILL)
    asking.join()
    assert answers == [How.AWAY]


def test_where_both_are_gone_it_is_said(apart: Make) -> None:
    one = apart(echo, SMALL)
    child = forks(one)
    os.kill(one.pid, signal.SIGKILL)
    os.waitpid(one.pid, 0)
    assert one.run(b"x").how is How.DONE  # while the one that forks is there
    os.kill(child, signal.SIGKILL)
    while _runs(child):
        _let_it_run()
    assert one.run(b"x").how is How.AWAY


def _runs(pid: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_it_ends_with_who_made_it(apart: Make) -> None:
    one = apart(echo, SMALL)
    one._control.close()
    assert os.waitstatus_to_exitcode(os.waitpid(one.pid, 0)[1]) == 0
