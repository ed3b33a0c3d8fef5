"""Start, watch and stop the service processes (design, section 9).

The supervisor forks its services and holds no secret itself: keys are unlocked only in the
API's process, after the fork. Where the supervisor is root, the public site drops to another user
before it answers its first request, so the kernel keeps it from the key files. No process outlives
the one that started it, whatever ends that one.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import importlib
import multiprocessing
import os
import pwd
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import structlog

from keys.errors import Kind, VermilionError, places
from registry.body_slots import BLOCKING_THREADS
from registry.client import call
from registry.keeper import keep
from registry.logs import configure_logs

START_SECONDS = 60
STOP_SECONDS = 15
TAIL_BYTES = 4000
COLLECTIONS = (700, 10, 10)  # Python's own pace: a service makes garbage, other than a command's start
PR_SET_PDEATHSIG = 1  # prctl(2)
LIBRARIES = (
    "asn1crypto.tsp", "cbor2", "cryptography.x509", "flask", "fontTools.ttLib", "granian", "pikepdf",
    "prometheus_client", "sqlalchemy.orm",
)  # fmt: skip
"""Of others' code, what each service loads: `run` does so once for all, before it forks them. Ours each loads
for itself, so that the public site has none that issues or opens keys."""
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_log = structlog.get_logger("registry.processes")


class Stopped(Exception):  # noqa: N818  (not an error: somebody asked for it)
    """A stop was asked for while something was starting."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user to drop to."""

    uid: int
    gid: int


def account(name: str) -> Account:
    """Raises VermilionError(INVALID) for a user this machine does not have."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise VermilionError(Kind.INVALID, f"there is no user {name} on this machine") from error
    return Account(entry.pw_uid, entry.pw_gid)


def drop_to(user: Account) -> None:
    """Give up root for good. Raises VermilionError(UNAVAILABLE) where that is not permitted."""
    try:
        os.setgroups([user.gid])
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    except OSError as error:
        raise VermilionError(
            Kind.UNAVAILABLE,
            f"root may not become user {user.uid}: {error.strerror}",
            reason="public_user",
        ) from error
    os.umask(0o077)


def barrier(directory: Path, user: Account) -> Path | None:
    """The outermost directory, of those above this one and itself, that the user may not pass into."""
    for part in (*reversed(directory.parents), directory):
        found = part.stat()
        if found.st_uid == user.uid:
            bit = 0o100
        elif found.st_gid == user.gid:
            bit = 0o010
        else:
            bit = 0o001
        if not found.st_mode & bit:
            return part
    return None


def end_with(parent: int, number: signal.Signals) -> None:
    """Have the kernel send us this signal when the parent ends, however it ends (Linux; elsewhere a killed
    parent leaves its children to be stopped by hand). A change of user undoes it: ask again afterwards.
    """
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


@dataclass
class Service:
    """One service: a WSGI factory by name, served by granian in a process of its own."""

    name: str
    factory: str  # "module:function", a function without arguments that returns the WSGI application
    bind: str
    port: int
    user: Account | None = None
    environment: Mapping[str, str | None] = field(default_factory=dict)  # None: taken out of it
    journal: Path | None = None  # SQLite database whose journal is kept in being for `user`
    log: Path | None = None  # where its log lines go; None: our standard error
    workers: int = 1  # processes that answer
    process: Any = None

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=_serve, args=(self, os.getpid()), name=self.name)
        self.process.start()

    def wait_ready(self, path: str = "/livez", stop: threading.Event | None = None) -> None:
        """Raises VermilionError(UNAVAILABLE) if the service ends, or is silent for a minute; Stopped."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if stop is not None and stop.is_set():
                raise Stopped
            if not self.process.is_alive():
                raise self.ended()
            try:
                if call("GET", self.address + path).status == 200:
                    return
            except VermilionError:
                pass
            time.sleep(0.05)
        raise VermilionError(Kind.UNAVAILABLE, f"the {self.name} did not answer within {START_SECONDS} s")

    def ended(self) -> VermilionError:
        """What to say of a service that nobody told to end."""
        code = self.process.exitcode
        how = f"with code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        return VermilionError(
            Kind.UNAVAILABLE, f"the {self.name} ended by itself {how}", reason="service_ended"
        )

    def stop(self) -> None:
        if self.process is None:
            return
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(STOP_SECONDS)
        if self.process.is_alive():
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.join()

    def tail(self) -> str:
        """The last lines of its log, if that is a file of ours."""
        if self.log is None or not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - TAIL_BYTES))
            return file.read(TAIL_BYTES).decode("utf-8", "replace")


def load_libraries() -> None:
    """Load what every service will have, and nothing else."""
    for name in LIBRARIES:
        importlib.import_module(name)


def load_factory(name: str) -> Callable[[], Any]:
    """The WSGI factory `module:function`, imported by name: the floors are joined here alone.

    A module that reads files lazily offers `preload()`, so that nothing is missing once the process
    has become a user who cannot read them.
    """
    module_name, _, attribute = name.partition(":")
    module = importlib.import_module(module_name)
    preload = getattr(module, "preload", None)
    if preload is not None:
        preload()
    factory: Callable[[], Any] = getattr(module, attribute)
    return factory


def serve(
    factory_name: str,
    bind: str,
    port: int,
    user: Account | None = None,
    journal: Path | None = None,
    supervisor: int | None = None,
    workers: int = 1,
) -> None:
    """Serve until told to stop, or until the supervisor (a process id) is gone. Code is loaded before
    privileges are dropped; the application is made in each worker, after the last fork, because
    connections and threads do not survive one.

    Raises VermilionError(UNAVAILABLE) for a port in use, or a user that cannot be become.
    """
    import multiprocessing.popen_fork  # noqa: F401  (these would be imported after the drop)

    import granian._loops
    import granian._signals  # noqa: F401
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces

    require_free(bind, port)
    factory = load_factory(factory_name)
    gc.set_threshold(*COLLECTIONS)
    if user is not None:
        if journal is not None:
            _fork_keeper(journal)
        drop_to(user)
    if supervisor is not None:
        end_with(supervisor, signal.SIGTERM)
    server = Granian(
        factory_name,
        address=bind,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=BLOCKING_THREADS,
        http=HTTPModes.http1,
        websockets=False,
        backlog=256,
        log_enabled=False,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
    )
    main = os.getpid()

    def application() -> Any:
        end_with(main, signal.SIGTERM)
        try:
            return factory()
        except VermilionError as error:
            configure_logs()
            _log.error("not_started", reason=error.reason, detail=error.detail)
            sys.exit(1)
        except Exception as error:  # noqa: BLE001  (a traceback's message may hold what is on record)
            configure_logs()
            _log.error("not_started", kind=type(error).__name__, where=places(error))
            sys.exit(1)

    server.serve(target_loader=application, wrap_loader=False)


def _fork_keeper(journal: Path) -> None:
    parent = os.getpid()
    if os.fork() == 0:
        _default_signals()
        end_with(parent, signal.SIGKILL)
        keep(journal, parent)
        os._exit(0)


def _default_signals() -> None:
    """Undo what a forked child has from the supervisor."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _serve(service: Service, parent: int) -> None:
    _default_signals()
    os.setpgrp()  # an interrupt at the terminal goes to the supervisor, which stops us in order
    if service.log is not None:
        log = os.open(service.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
    for name, value in service.environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    end_with(parent, signal.SIGKILL)  # nothing is served yet that would have to end in order
    try:
        serve(
            service.factory,
            service.bind,
            service.port,
            service.user,
            service.journal,
            parent,
            service.workers,
        )
    except VermilionError as error:
        sys.stderr.write(f"vermilion: {error.detail}\n")
        sys.exit(1)
    except Exception as error:  # noqa: BLE001
        _end_by_defect(error)
    sys.exit(0)


def run_once(task: Callable[[], None], name: str, stop: threading.Event | None = None) -> None:
    """Run a task that handles secrets in a child, so that none stays in the supervisor's memory.

    Raises the VermilionError that the task raised; UNAVAILABLE when it ended otherwise; Stopped.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_told, args=(task, sender, os.getpid()), name=name)
    process.start()
    sender.close()
    while process.is_alive():
        if stop is not None and stop.is_set():
            process.kill()
            process.join()
            raise Stopped
        process.join(0.1)
    with receiver:
        try:
            kind, detail, reason = receiver.recv()
        except EOFError:
            pass
        else:
            raise VermilionError(kind, detail, reason=reason)
    if process.exitcode != 0:
        raise VermilionError(Kind.UNAVAILABLE, f"{name} failed with code {process.exitcode}")


def _told(task: Callable[[], None], sender: Any, parent: int) -> None:
    """Run the task; an expected failure goes to the supervisor, which says it."""
    _default_signals()
    os.setpgrp()
    end_with(parent, signal.SIGKILL)
    try:
        task()
    except VermilionError as error:
        sender.send((error.kind, error.detail, error.reason))
        sys.exit(1)
    except Exception as error:  # noqa: BLE001
        _end_by_defect(error)


def _end_by_defect(error: Exception) -> NoReturn:
    """End this process with a line instead of a traceback, whose message may hold what is on record."""
    sys.stderr.write(f"vermilion: a defect: {type(error).__name__} at {' '.join(places(error))}\n")
    sys.exit(1)


def require_free(bind: str, *ports: int) -> None:
    """Raises VermilionError(UNAVAILABLE) when somebody listens on one of them, when two are the same, or the
    address is not ours.

    Asked before listening: the server shares its port with others of the same user instead of failing.
    """
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with ExitStack() as held:
        for port in ports:
            probe = held.enter_context(socket.socket(family))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((bind, port))
                probe.listen(1)
            except OSError as error:
                words = (
                    "is in use: choose another by VERMILION_API_PORT, VERMILION_AUTHORITY_PORT or "
                    "VERMILION_PUBLIC_PORT"
                    if error.errno == errno.EADDRINUSE
                    else f"cannot be listened on: {error.strerror}"
                )
                raise VermilionError(
                    Kind.UNAVAILABLE, f"port {port} of {bind} {words}", reason="port"
                ) from error


_given: set[int] = set()


def free_port() -> int:
    """A loopback port free now, and another each time: services that are not up yet hold none. Whoever takes
    it must be ready to fail.
    """
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port
