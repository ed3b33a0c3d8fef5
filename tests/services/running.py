"""`vermilion` as a process of its own, watched from outside as its user would."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from registry.client import call
from tests import warm
from tests.ports import own_port

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0
IDENTIFIER = re.compile(r"^Licence +(\S+)$", re.MULTILINE)


@contextlib.contextmanager
def passable_folder() -> Iterator[Path]:
    """A folder that other users pass through, as pytest's own do not let them."""
    folder = Path(tempfile.mkdtemp(prefix="vermilion-services-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def copy_of(data: Path, into: Path) -> Path:
    """The same data directory elsewhere, owners and modes included."""
    target = into / "var"
    subprocess.run(["cp", "-a", str(data), str(target)], check=True)
    return target


def environment(**settings: Any) -> dict[str, str]:
    """Ours, without settings or a window's width, and with these settings."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith("VERMILION_") and k != "COLUMNS"}
    plain["PYTHONPATH"] = str(ROOT)
    return plain | {name: str(value) for name, value in settings.items()}


def until(true: Any, what: str, seconds: float = PATIENCE) -> Any:
    """What `true()` answers once it is true; there is no event to wait for in another process. On a machine
    with more to do than it has processors, everything takes so much longer, and so does this.
    """
    begun = time.monotonic()
    while time.monotonic() < begun + seconds * crowding():
        if found := true():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds * crowding():.0f} s: {what}")


def crowding() -> float:
    """How many want each processor, in the minute past; at least 1."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@dataclass
class Command:
    """A running `vermilion` with what it has said so far."""

    process: subprocess.Popen[bytes] | warm.Process
    folder: Path
    streams: list[IO[bytes]] = field(default_factory=list)

    @property
    def out(self) -> str:
        return (self.folder / "out").read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return (self.folder / "err").read_text(encoding="utf-8")

    def said(self, words: str) -> None:
        """Wait until standard output holds the words."""

        def heard() -> bool:
            if self.process.poll() is not None and words not in self.out:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.out}\n{self.err}")
            return words in self.out

        until(heard, f"{words!r} in {self.out!r}")

    def noted(self, words: str) -> None:
        """Wait until standard error holds the words."""
        until(lambda: words in self.err or self.process.poll() is not None, f"{words!r} on stderr")

    def ended(self) -> int:
        return self.process.wait(PATIENCE * crowding())

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.ended()

    def descendants(self) -> list[int]:
        """Every process below this one."""
        return _below(self.process.pid)


@contextlib.contextmanager
def command(
    *arguments: str,
    settings: Mapping[str, Any],
    program: list[str] | None = None,
    cwd: Path = Path("/"),
    cold: bool = False,
    **options: Any,
) -> Iterator[Command]:
    """Start `vermilion …`; whatever it started is gone afterwards. It is forked from a process that has imported
    everything, unless a `program` or other `options` are given, or it is to start `cold`.
    """
    folder = Path(tempfile.mkdtemp(prefix="vermilion-said-"))
    own = environment(**settings)
    with (
        Path(os.devnull).open("rb") as nothing,
        (folder / "out").open("wb") as out,
        (folder / "err").open("wb") as err,
    ):
        process: subprocess.Popen[bytes] | warm.Process
        if cold or program or options:
            process = subprocess.Popen(
                [*(program or [sys.executable, "-m", "registry"]), *arguments],
                stdout=out, stderr=err, stdin=nothing, env=own, cwd=cwd, **options,
            )  # fmt: skip
        else:
            process = warm.start(arguments, own, cwd, [one.fileno() for one in (nothing, out, err)])
        started = Command(process, folder)
        try:
            yield started
        finally:
            below = started.descendants()
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(30)
            for pid in (process.pid, *below):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Place:
    """A data directory and a port for each service."""

    data: Path
    api_port: int = field(default_factory=own_port)
    public_port: int = field(default_factory=own_port)
    authority_port: int = field(default_factory=own_port)

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "VERMILION_DATA": self.data,
            "VERMILION_API_PORT": self.api_port,
            "VERMILION_PUBLIC_PORT": self.public_port,
            "VERMILION_AUTHORITY_PORT": self.authority_port,
        }

    @property
    def api(self) -> str:
        return f"http://localhost:{self.api_port}"

    @property
    def public(self) -> str:
        return f"http://localhost:{self.public_port}"

    @property
    def authority(self) -> str:
        return f"http://127.0.0.1:{self.authority_port}"

    def answers(self, port: int, path: str = "/livez") -> bool:
        from keys.errors import VermilionError

        try:
            return call("GET", f"http://localhost:{port}{path}").status == 200
        except VermilionError:
            return False

    def verdict(self, link: str) -> str:
        """Of a link, as a phone asks."""
        path = "/c/" + link.partition("#")[0].rpartition("/c/")[2]
        body = call("GET", self.public + path, headers={"Accept": "application/json"}).json()
        return str(body["verdict"])


def line(out: str, name: str) -> str:
    """What `run` printed behind a name."""
    found = re.search(rf"^ *{re.escape(name)} +(.+)$", out, re.MULTILINE)
    assert found, f"{name!r} in {out}"
    return found[1]


def status(pid: int) -> dict[str, str]:
    """/proc/<pid>/status; empty for a process that is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (row.partition(":") for row in text.splitlines())}


def alive(pid: int) -> bool:
    return status(pid).get("State", "Z")[0] not in "ZX"


def _below(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            parent = status(int(entry.name)).get("PPid")
            if parent is not None:
                parents.setdefault(int(parent), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def listener(port: int) -> set[int]:
    """The processes that hold the listening socket of a loopback port."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for row in Path(table).read_text().splitlines()[1:]:
            columns = row.split()
            if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{columns[9]}]")
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if any(str(fd.readlink()) in sockets for fd in (entry / "fd").iterdir()):
                found.add(int(entry.name))
    return found
