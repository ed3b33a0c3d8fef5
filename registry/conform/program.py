"""The client that is judged: a program that is told steps, a line of JSON each, and answers each with one."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keys.canonical import strict_json
from keys.errors import Kind, VermilionError

MAX_LINE = 1024 * 1024
OUTCOMES = frozenset({"done", "waits", "refused", "failed", "not_supported"})
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV", "PYTHONPATH", "NODE_PATH")
"""What a client's environment has of ours; nothing of the registry's settings."""


def own_integrator() -> list[str]:
    """The command of the integrator on our own client. Raises VermilionError(INVALID) where it is gone."""
    for folder in (Path(__file__).parent / "clients", Path(__file__).parents[2] / "clients"):
        program = folder / "python" / "integrator.py"
        if program.exists():
            return [sys.executable, str(program)]
    raise VermilionError(Kind.INVALID, "our own integrator is not here: --client names another")


class Program:
    """A running client. What it says on standard error goes where ours does."""

    def __init__(self, command: Sequence[str], seconds: float) -> None:
        """Raises VermilionError(INVALID) for a command that cannot be started."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment = {**kept, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        try:
            self._process = subprocess.Popen(  # noqa: S603  (whoever runs the kit chose it)
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
            )
        except OSError as error:
            raise VermilionError(Kind.INVALID, f"the client cannot be started: {error.strerror}") from error
        self._seconds = seconds
        self._count = 0
        self._lines: queue.Queue[bytes] = queue.Queue(maxsize=100)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def tell(self, duty: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """What came of a step; `{"outcome": "silent"}` where no line comes in time, or one that is none."""
        self._count += 1
        line = json.dumps({"step": self._count, "do": duty, "with": arguments}, ensure_ascii=False)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
            end = time.monotonic() + self._seconds
            while True:  # what it says of a step that it was too late for is passed over
                answer = self._answer(self._lines.get(timeout=max(0.0, end - time.monotonic())))
                if answer.get("step") == self._count or answer["outcome"] == "silent":
                    return answer
        except (OSError, queue.Empty):
            return {"outcome": "silent"}

    @staticmethod
    def _answer(line: bytes) -> dict[str, Any]:
        try:
            value = strict_json(line, max_bytes=MAX_LINE, max_depth=8, fractions=True)
        except VermilionError:
            value = None
        if not isinstance(value, dict) or value.get("outcome") not in OUTCOMES:
            return {"outcome": "silent"}
        return value

    def _read(self) -> None:
        assert self._process.stdout is not None
        while line := self._process.stdout.readline(MAX_LINE + 1):
            self._lines.put(line)
        self._lines.put(b"")

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        end = time.monotonic() + 5
        while self._reader.is_alive() and time.monotonic() < end:  # it may wait for room
            with contextlib.suppress(queue.Empty):
                self._lines.get_nowait()
            self._reader.join(0.01)
        if not self._reader.is_alive():  # else a child of the client's has the other end
            self._process.stdout.close()
