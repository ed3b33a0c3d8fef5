"""`vermilion` without its start: a process that has imported everything forks one for each command.

A command so made is what `python -m registry` is: a process of its own with the arguments, the environment, the
folder, the descriptors and the end that it was given. Only what an interpreter reads before it does anything, which
is most of what a short command costs, was read once; its passphrases are stretched cheaply, and it finds the glyphs
that others converted. Who is about any of that, about another user or about another interpreter starts a real one.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn

from tests.machine import glyphs

ROOT = Path(__file__).parents[1]
FLOORS = ("keys", "signing", "registry", "verify_web")
LATER = ("alembic.command", "granian._loops", "granian._signals", "multiprocessing.popen_fork")
"""What commands import when they come to it and no module of ours does."""
SETTLED = ("PYTHON", "LC_", "LANG", "LD_", "TZ", "OPENSSL_", "MALLOC_")
"""Variables that are read once, at the start of an interpreter: a command cannot have others than the process that
it is forked from.
"""
SHIM = """#!{python} -IS
import json, os, signal, socket, sys
warm = socket.socket(socket.AF_UNIX)
warm.connect({address!r})
umask = os.umask(0o077)
os.umask(umask)
order = json.dumps(["registry", sys.argv[1:], dict(os.environ), os.getcwd(), umask]).encode()
socket.send_fds(warm, [len(order).to_bytes(8, "big")], [0, 1, 2])
warm.sendall(order)
def number():
    said = b""
    while len(said) < 8:
        part = warm.recv(8 - len(said))
        if not part:
            sys.exit("vermilion: the warm process refused, or is gone")
        said += part
    return int.from_bytes(said, "big", signed=True)
pid = number()
for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(one, lambda which, _: os.kill(pid, which))
status = number()
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""
WIDTH = 8  # bytes of a number that is said


class Process:
    """A command, as `subprocess.Popen` has it. It is not our child; its keeper tells us how it ended."""

    def __init__(self, keeper: socket.socket, arguments: Sequence[str]) -> None:
        self.args = list(arguments)
        self.returncode: int | None = None
        self._keeper = keeper
        self.pid = self._said()

    def _said(self) -> int:
        said = b""
        while len(said) < WIDTH:
            part = self._keeper.recv(WIDTH - len(said))
            if not part:
                self._keeper.close()
                raise RuntimeError("the warm process refused: see what it wrote, or start a cold one")
            said += part
        return int.from_bytes(said, "big", signed=True)

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._keeper], [], [], timeout)[0]:
                assert timeout is not None
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = self._said()
            self._keeper.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    cwd: Path,
    descriptors: Sequence[int],
    module: str = "registry",
) -> Process:
    """`python -m registry …`, which is `vermilion …`, or another module; `descriptors` are its standard input,
    output and error.
    """
    umask = os.umask(0o077)
    os.umask(umask)
    order = json.dumps([module, list(arguments), dict(environment), str(cwd), umask]).encode()
    keeper = socket.socket(socket.AF_UNIX)
    keeper.connect(address())
    socket.send_fds(keeper, [len(order).to_bytes(WIDTH, "big")], list(descriptors))
    keeper.sendall(order)
    return Process(keeper, arguments)


def ran(
    module: str, *arguments: str, told: str = "", timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """What became of `python -m module …` in our own environment, `told` on its standard input."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        said.write(told.encode())
        said.seek(0)
        descriptors = [file.fileno() for file in (said, out, err)]
        process = start(arguments, _settled(), ROOT, descriptors, module)
        try:
            code = process.wait(timeout)
        except BaseException:
            process.kill()
            process.wait()
            raise
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess([module, *arguments], code, *texts)


@dataclass(frozen=True)
class Talk:
    """A process that is spoken to, and answers."""

    process: Process
    told: IO[str]  # its standard input
    said: IO[str]  # its standard output


@contextlib.contextmanager
def talking(module: str, *arguments: str) -> Iterator[Talk]:
    """`python -m module …` in our own environment, at the other end of two pipes. It has to end well when its
    standard input does.
    """
    its, told = os.pipe()
    said, mouth = os.pipe()
    process = start(arguments, _settled(), ROOT, [its, mouth, 2], module)
    os.close(its)
    os.close(mouth)
    try:
        with os.fdopen(said, encoding="utf-8") as answers:
            with os.fdopen(told, "w", encoding="utf-8") as orders:
                yield Talk(process, orders, answers)
            assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def program(folder: Path) -> Path:
    """A program `vermilion` in this folder, for shells."""
    path = folder / "vermilion"
    path.write_text(SHIM.format(python=sys.executable, address=address()))
    path.chmod(0o755)
    return path


@cache
def address() -> str:
    """Where the warm process listens. It is started when it is first asked for, and ends with us."""
    folder = Path(tempfile.mkdtemp(prefix="vermilion-warm-"))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.warm", str(folder / "socket"), str(glyphs())],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_settled(), cwd=ROOT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == b"warm\n"

    def end() -> None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return str(folder / "socket")


def _settled() -> dict[str, str]:
    """Our environment without settings, as commands in the tests have it."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("VERMILION_")}
    return plain | {"PYTHONPATH": str(ROOT)}


def preload(of_all: Path) -> None:
    """Load all that commands do. Glyphs that one of them converts are kept in a folder for the others."""
    _stretch_cheaply()
    for floor in FLOORS:
        package = importlib.import_module(floor)
        for module in pkgutil.walk_packages(package.__path__, f"{floor}."):
            if not module.name.startswith("registry.migrations.") and not module.name.endswith(".__main__"):
                importlib.import_module(module.name)
    for name in LATER:
        importlib.import_module(name)

    from sqlalchemy.orm import configure_mappers

    from keys import lint
    from signing.fonts import Fonts
    from verify_web.wsgi import preload as of_site

    configure_mappers()
    lint._certificate_linter(), lint._crl_linter(), lint._ocsp_linter()
    of_site()
    find = Fonts.find
    Fonts.find = lambda _folder, **sources: find(of_all, **sources)  # type: ignore[method-assign]


def _stretch_cheaply() -> None:
    """What commands close under a passphrase costs little to open, as in `tests.registry.world`. Whoever imports
    these defaults does so later.
    """
    from keys import envelope

    default: Any = envelope.ScryptCost.__init__
    default.__defaults__ = (envelope.MIN_N, *default.__defaults__[1:])
    closing: Any = envelope.Passphrase.__init__
    closing.__defaults__ = (envelope.ScryptCost(),)


def listen(path: Path) -> Iterator[socket.socket]:
    """A connection for each command, until our standard input ends: with whoever started us."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(64)
        print("warm", flush=True)
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if sys.stdin in ready:
                return
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    yield connection
                    raise AssertionError


def keep(connection: socket.socket) -> tuple[str, list[str]]:
    """In the keeper: fork the command, say its process id, and then how it ended. In the command: its module and
    arguments.
    """
    head, descriptors, _, _ = socket.recv_fds(connection, WIDTH, 3)
    length, order = int.from_bytes(head, "big"), b""
    while len(order) < length:
        order += connection.recv(length - len(order))
    module, arguments, environment, cwd, umask = json.loads(order)
    fixed = [{n: v for n, v in of.items() if n.startswith(SETTLED)} for of in (environment, dict(os.environ))]
    if fixed[0] != fixed[1]:
        print(f"warm: settled at the start: {fixed[1]}; asked for: {fixed[0]}", file=sys.stderr, flush=True)
        os._exit(1)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become(descriptors, environment, cwd, umask)
        return module, arguments
    for descriptor in descriptors:  # or who reads from the command never sees the end
        os.close(descriptor)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)  # a terminal's interrupt is the command's to answer
    with contextlib.suppress(OSError):
        connection.sendall(pid.to_bytes(WIDTH, "big", signed=True))
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        connection.sendall(ended.to_bytes(WIDTH, "big", signed=True))
    os._exit(0)


def _become(descriptors: Sequence[int], environment: Mapping[str, str], cwd: str, umask: int) -> None:
    """What the kernel and the start of an interpreter would have done for a new process."""
    os.chdir(cwd)
    os.umask(umask)
    os.environ.clear()
    os.environ.update(environment)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    own = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, one.mode, 1 if number == 2 else -1, one.encoding, one.errors, closefd=False)  # noqa: SIM115
        for number, one in enumerate(own)
    )
    sys.path[0] = cwd


def run(module: str) -> NoReturn:
    """`python -m module`, and the end of an interpreter; but the kernel takes back what was imported, which is
    quicker than to take it apart.
    """
    status: object = None
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        status = ended.code
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:  # noqa: BLE001
        sys.excepthook(*sys.exc_info())
        status = 1
    if not isinstance(status, int | None):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit((status or 0) & 0xFF)


def main() -> None:
    path, of_all = map(Path, sys.argv[1:])
    preload(of_all)
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a fork would lose a thread"
    gc.collect()
    gc.freeze()  # what was imported is nobody's garbage, and stays shared
    for connection in listen(path):
        module, sys.argv[1:] = keep(connection)
        run(module)


if __name__ == "__main__":
    main()
