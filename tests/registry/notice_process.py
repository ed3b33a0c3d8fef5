"""A worker that is a process of its own: `python -m tests.registry.notice_process DATA URL NOW PORT KILL_AFTER`.

It says "claimed" once it has its first claims, and begins to send when it is told to; then how it ended. PORT is a mail
server's. KILL_AFTER: so many messages are handed over, and then it is killed before anything of them is put down (0:
never).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from registry.composition import open_ports
from registry.notices.claims import Claimed, Waiting
from registry.notices.kinds import Channel
from registry.notices.smtp import Smtp
from registry.notices.work import Messenger
from registry.outgoing import lanes
from registry.outgoing.attempts import Outcome
from registry.settings import Settings
from tests.registry.mailing import SENDER
from tests.registry.world import CHEAP

WINDOW = 5  # messages that one worker claims at once


class Dying(Smtp):
    """Hands over so many messages, and is killed then."""

    def __init__(self, settings: Settings, kill_after: int) -> None:
        super().__init__(settings)
        self.left = kill_after

    def __call__(self, one: Claimed) -> Outcome:
        outcome = super().__call__(one)
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome


def main(data: str, url: str, now: str, port: str, kill_after: str) -> None:
    worker = os.fork()
    if worker:
        print(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]), flush=True)
        return
    code = 70
    try:
        code = _worked(Path(data), url, datetime.fromisoformat(now), int(port), int(kill_after))
    finally:
        os._exit(code)


def _worked(data: Path, url: str, now: datetime, port: int, kill_after: int) -> int:
    settings = Settings(
        data=data, database_url=url, demo=True,
        smtp_host="127.0.0.1", smtp_port=port, smtp_tls="none", smtp_from=SENDER,
    )  # fmt: skip
    ports = open_ports(settings, clock=lambda: now, cost=CHEAP)
    claim = Waiting.claim
    claimed: list[int] = []

    def once_told(self: Waiting, wanted: Sequence[Any], defects: list[Any]) -> list[Claimed]:
        found = claim(self, wanted, defects)
        if not claimed:
            claimed.append(len(found))
            print("claimed", flush=True)
            sys.stdin.readline()
        return found

    patch = pytest.MonkeyPatch()  # for the life of this process
    patch.setattr(Waiting, "claim", once_told)
    patch.setattr(lanes, "WINDOW", WINDOW)
    outcome = Messenger(ports, {Channel.SMTP: Dying(settings, kill_after)}).deliver()
    return 1 if outcome.defects or outcome.failed else 0


if __name__ == "__main__":
    main(*sys.argv[1:])
