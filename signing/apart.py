"""Work on what comes from outside, in a process of its own: under limits of processor time, memory and time,
without files, sockets or settings.

`Limits` are those of any such process. `Apart` runs one function again and again, each time in a fresh child
of a small process that has its code loaded and does nothing but fork: whoever serves with threads must not
fork itself, and a user that cannot read the code cannot start an interpreter either. Beside it stands one
that only waits for its end, and makes another: a kernel that is short of memory ends what it likes.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import resource
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from keys.errors import Kind, VermilionError

MAX_ORDER = 64 << 20
MAX_ANSWER = 4 << 20
_LENGTH = struct.Struct(">Q")
_END = struct.Struct(">iQQ")  # wait status, microseconds of processor time, bytes of the most memory held
_OVER, _NO_MEMORY, _BROKE = 0, 3, 4
_PAUSE = 0.2  # seconds, before the process that forks is made again
_PIECE = 1 << 16
_NICE = 10
_PR_SET_DUMPABLE = 4
_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)  # of Linux

Emit = Callable[[bytes], None]
Work = Callable[[bytes, Emit], None]
"""What is run: an order, and where to put the answer. It may put several, each better than the one before."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one process that works on what comes from outside."""

    cpu_seconds: int
    wall_seconds: float
    memory_bytes: int

    def apply(self, mapped: int = 0) -> None:
        """Bind this process for good; no file gets a byte from now on. `mapped` bytes of its address space
        are not counted: code and data that it shares with the process that it was forked from.
        """
        memory = mapped + self.memory_bytes
        cpu = (self.cpu_seconds, self.cpu_seconds + 1)
        resource.setrlimit(resource.RLIMIT_CPU, cpu)  # SIGXCPU, then SIGKILL
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class How(StrEnum):
    """How the work ended."""

    DONE = "done"
    CPU = "cpu"  # these three: it met a limit
    MEMORY = "memory"
    TIME = "time"
    BROKE = "broke"  # by a defect
    BUSY = "busy"  # it was not begun: others are at work, and enough are waiting
    AWAY = "away"  # nobody did it: the process that forks was gone, or can fork no more


@dataclass(frozen=True, slots=True)
class Answer:
    how: How
    emitted: tuple[bytes, ...] = ()  # as far as it came; the last one is the best
    cpu_seconds: float = 0.0
    peak_bytes: int = 0  # the most memory that the child held, shared code included


class Apart:
    """At most `children` at work at once, and `waiting` more that wait for at most `patience` seconds.

    To be made where there are no other threads, and after its code is loaded: it forks at once. Safe between
    threads from then on. Its processes end with the one that made them.
    """

    def __init__(
        self, work: Work, limits: Limits, *, children: int = 2, waiting: int = 2, patience: float = 3.0
    ) -> None:
        self.limits = limits
        self._patience = patience
        self._places = threading.BoundedSemaphore(children + waiting)
        self._free = threading.BoundedSemaphore(children)
        self._sending = threading.Lock()
        self._control, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            _serve(theirs.detach(), work, limits)
        theirs.close()

    def run(self, order: bytes) -> Answer:
        """Never raises: what keeps the work from being done is in the answer."""
        if not self._places.acquire(blocking=False):
            return Answer(How.BUSY)
        try:
            if not self._free.acquire(timeout=self._patience):
                return Answer(How.BUSY)
            try:
                return self._ask(order)
            finally:
                self._free.release()
        finally:
            self._places.release()

    def _ask(self, order: bytes) -> Answer:
        ours, theirs = socket.socketpair()
        with ours:
            try:
                with theirs, self._sending:
                    socket.send_fds(self._control, [b"\0"], [theirs.fileno()])
            except OSError:
                return Answer(How.AWAY)
            until = time.monotonic() + self.limits.wall_seconds + 2  # the child's own alarm comes before
            received = bytearray()
            try:
                with suppress(BrokenPipeError, ConnectionResetError):  # it ended before it had read all
                    ours.settimeout(self.limits.wall_seconds + 2)
                    ours.sendall(_LENGTH.pack(len(order)) + order)
                while True:
                    ours.settimeout(max(0.01, until - time.monotonic()))
                    try:
                        piece = ours.recv(_PIECE)
                    except ConnectionResetError:  # the end as well: of who had not read all of its order
                        piece = b""
                    if not piece:
                        return _answer(bytes(received))
                    received += piece
                    if len(received) > MAX_ANSWER:  # closing ends the child
                        return Answer(How.BROKE, _emitted(bytes(received[:MAX_ANSWER])))
            except TimeoutError:
                return Answer(How.TIME)
            except OSError:
                return Answer(How.AWAY)

    def close(self) -> None:
        self._control.close()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def _answer(received: bytes) -> Answer:
    if len(received) < _END.size:
        return Answer(How.AWAY)
    status, microseconds, peak = _END.unpack(received[-_END.size :])
    emitted = _emitted(received[: -_END.size])
    try:
        code = os.waitstatus_to_exitcode(status)
    except ValueError:  # it stands where only the process that forks writes, and is none of its words
        return Answer(How.BROKE, emitted)
    how = {
        0: How.DONE,
        _NO_MEMORY: How.MEMORY,
        -signal.SIGXCPU: How.CPU,
        -signal.SIGALRM: How.TIME,
    }.get(code, How.BROKE)
    return Answer(how, emitted, microseconds / 1e6, peak)


def _emitted(body: bytes) -> tuple[bytes, ...]:
    """What was emitted whole."""
    emitted, at = [], 0
    while len(body) - at >= _LENGTH.size:
        (length,) = _LENGTH.unpack_from(body, at)
        at += _LENGTH.size
        if length > len(body) - at:  # it ended within
            break
        emitted.append(body[at : at + length])
        at += length
    return tuple(emitted)


# The process that waits, and the one that forks. They read nothing that comes from outside.


def _serve(control: int, work: Work, limits: Limits) -> NoReturn:
    try:
        _quieten()
        conceal()
        os.nice(_NICE)  # whoever waits for a verdict comes first
        _close_all_but(control)
        gc.collect()
        gc.freeze()  # what is shared stays shared, and no object from before closes a descriptor
        while _forks_until_its_end(control, work, limits) != _OVER:
            time.sleep(_PAUSE)
    finally:
        os._exit(_OVER)


def _forks_until_its_end(control: int, work: Work, limits: Limits) -> int:
    """How the process that forks ended. What it had begun ends by its own limits."""
    try:
        pid = os.fork()
    except OSError:
        return _BROKE
    if pid == 0:
        code = _BROKE
        try:
            _Forks(control, work, limits).go_on()
            code = _OVER
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _quieten() -> None:
    """Nobody's signals, settings or streams."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # at a terminal; we end with who made us
    for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGXCPU, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    os.environ.clear()
    logging.disable(logging.CRITICAL)  # a library's words may hold what is in a file
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)


def conceal() -> None:
    """Nobody of the same user may look into this process (prctl(2), PR_SET_DUMPABLE): one child into another,
    or into the one that forks, or into a service that holds keys.
    """
    if _PRCTL is not None:
        _PRCTL(_PR_SET_DUMPABLE, ctypes.c_ulong(0), *[ctypes.c_ulong(0)] * 3)


def _close_all_but(*kept: int) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    begin = 3
    for descriptor in sorted(kept):
        os.closerange(begin, descriptor)
        begin = descriptor + 1
    os.closerange(begin, most if most != resource.RLIM_INFINITY else 1 << 16)


class _Forks:
    def __init__(self, control: int, work: Work, limits: Limits) -> None:
        self._control = socket.socket(fileno=control)
        self._work, self._limits = work, limits
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._children: dict[int, tuple[int, socket.socket]] = {}  # by the pipe that ends with the child
        self._asking: dict[int, int] = {}  # whose connection is whose child

    def go_on(self) -> None:
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._control.fileno():
                    if not self._begin():
                        for pid, _connection in self._children.values():
                            os.kill(pid, signal.SIGKILL)
                        return
                elif descriptor in self._children:
                    self._end(descriptor)
                elif descriptor in self._asking:  # nobody waits for it any more
                    os.kill(self._asking.pop(descriptor), signal.SIGKILL)
                    self._poll.unregister(descriptor)

    def _begin(self) -> bool:
        asked, descriptors, _flags, _address = socket.recv_fds(self._control, 1, 1)
        if not asked:
            return False
        if not descriptors:
            return True
        connection = socket.socket(fileno=descriptors[0])
        try:
            ends, held = os.pipe()
        except OSError:  # who asks sees the connection's end
            connection.close()
            return True
        try:
            pid = os.fork()
        except OSError:
            connection.close()
            os.close(ends)
            os.close(held)
            return True
        if pid == 0:
            _close_all_but(connection.fileno(), held)
            _work(connection, self._work, self._limits)
        os.close(held)
        self._children[ends] = (pid, connection)
        self._asking[connection.fileno()] = pid
        self._poll.register(ends, select.POLLIN)
        self._poll.register(connection.fileno(), 0)  # its end alone
        return True

    def _end(self, ends: int) -> None:
        pid, connection = self._children.pop(ends)
        self._poll.unregister(ends)
        os.close(ends)
        if self._asking.pop(connection.fileno(), None) is not None:
            self._poll.unregister(connection.fileno())
        os.kill(pid, signal.SIGKILL)  # it has ended, or has let go of what says so
        _, status, usage = os.wait4(pid, 0)
        spent = int((usage.ru_utime + usage.ru_stime) * 1e6)
        with suppress(OSError), connection:
            connection.send(_END.pack(status, spent, usage.ru_maxrss * 1024), socket.MSG_DONTWAIT)


# The child, of which one order is all that it ever sees.


def _work(connection: socket.socket, work: Work, limits: Limits) -> NoReturn:
    code = _BROKE
    try:
        signal.setitimer(signal.ITIMER_REAL, limits.wall_seconds)
        conceal()
        mapped, resident = _memory()
        limits.apply(mapped - min(resident, limits.memory_bytes // 2))
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # nothing can be opened; what is open stays
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))  # nor begun, but by root
        length = _LENGTH.unpack(_read(connection, _LENGTH.size))[0]
        if length > MAX_ORDER:
            raise VermilionError(Kind.TOO_LARGE, "the order is too long")

        def emit(answer: bytes) -> None:
            connection.sendall(_LENGTH.pack(len(answer)) + answer)

        work(_read(connection, length), emit)
        code = 0
    except MemoryError:
        code = _NO_MEMORY
    finally:
        os._exit(code)


def _memory() -> tuple[int, int]:
    """Bytes of address space that this process has, and bytes that are in memory."""
    try:
        pages = Path("/proc/self/statm").read_bytes().split()
    except OSError:  # another system than Linux: the limit is stricter there
        return 0, 0
    size = resource.getpagesize()
    return int(pages[0]) * size, int(pages[1]) * size


def _read(connection: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        piece = connection.recv(min(_PIECE, length - len(received)))
        if not piece:
            raise VermilionError(Kind.UNAVAILABLE, "the order broke off")
        received += piece
    return bytes(received)
