"""Start, watch and stop the service processes (design, section 9).

The supervisor forks its services and holds no secret itself: keys are unlocked only in the
API's process, after the fork. Where the supervisor is root, the public site drops to another user
before it answers its first request, so the kernel keeps it from the key files.
"""

from __future__ import annotations

import grp
import importlib
import multiprocessing
import os
import pwd
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keys.errors import Kind, VermilionError
from registry.client import call

START_SECONDS = 60
STOP_SECONDS = 15
BLOCKING_THREADS = 4


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
    """Give up root for good. Raises OSError where that is not permitted."""
    os.setgroups([user.gid])
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    os.umask(0o077)


def reachable_by(directory: Path, user: Account) -> bool:
    """Whether the user may pass through every directory above (and into) this one."""
    for part in (directory, *directory.parents):
        found = part.stat()
        if found.st_uid == user.uid:
            bit = 0o100
        elif found.st_gid == user.gid:
            bit = 0o010
        else:
            bit = 0o001
        if not found.st_mode & bit:
            return False
    return True


def group_name(gid: int) -> str:
    return grp.getgrgid(gid).gr_name


@dataclass
class Service:
    """One service: a WSGI factory by name, served by granian in a process of its own."""

    name: str
    factory: str  # "module:function", a function without arguments that returns the WSGI application
    bind: str
    port: int
    user: Account | None = None
    environment: dict[str, str] = field(default_factory=dict)
    process: Any = None

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=_serve, args=(self,), name=self.name)
        self.process.start()

    def wait_ready(self, path: str = "/livez") -> None:
        """Raises VermilionError(UNAVAILABLE) if the service ends, or is silent for a minute."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if not self.process.is_alive():
                raise VermilionError(
                    Kind.UNAVAILABLE, f"the {self.name} ended with code {self.process.exitcode}"
                )
            try:
                if call("GET", self.address + path).status == 200:
                    return
            except VermilionError:
                pass
            time.sleep(0.05)
        raise VermilionError(Kind.UNAVAILABLE, f"the {self.name} did not answer within {START_SECONDS} s")

    def stop(self) -> None:
        if self.process is None:
            return
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(STOP_SECONDS)
        if self.process.is_alive():
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.join()


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


def serve(factory_name: str, bind: str, port: int, user: Account | None = None) -> None:
    """Serve until told to stop. Code is loaded before privileges are dropped; the application is
    made in the worker, after the last fork, because connections and threads do not survive one.
    """
    import granian._loops
    import granian._signals  # noqa: F401  (the worker would import them after the drop)
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces

    factory = load_factory(factory_name)
    if user is not None:
        drop_to(user)
    server = Granian(
        factory_name,
        address=bind,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=BLOCKING_THREADS,
        http=HTTPModes.http1,
        websockets=False,
        backlog=256,
        log_enabled=False,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
    )
    server.serve(target_loader=factory, wrap_loader=False)


def _serve(service: Service) -> None:
    os.setpgrp()  # an interrupt at the terminal goes to the supervisor, which stops us in order
    os.environ.update(service.environment)
    serve(service.factory, service.bind, service.port, service.user)
    sys.exit(0)


def run_once(task: Callable[[], None], name: str) -> None:
    """Run a task that handles secrets in a child, so that none stays in the supervisor's memory.

    Raises VermilionError(UNAVAILABLE) when it fails; the child has printed why.
    """
    process = multiprocessing.get_context("fork").Process(target=_told, args=(task,), name=name)
    process.start()
    process.join()
    if process.exitcode != 0:
        raise VermilionError(Kind.UNAVAILABLE, f"{name} failed with code {process.exitcode}")


def _told(task: Callable[[], None]) -> None:
    """Run the task; an expected failure is one line, not a traceback."""
    try:
        task()
    except VermilionError as error:
        sys.stderr.write(f"vermilion: {error.detail}\n")
        sys.exit(1)


def free_port() -> int:
    """A loopback port free now; whoever takes it must be ready to fail."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
