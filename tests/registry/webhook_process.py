"""A worker that is a process of its own: `python -m tests.registry.webhook_process DATA URL NOW KILL_AFTER`.

It says "claimed" once it has its first claims, and begins to send when it is told to; then how it ended. KILL_AFTER: so
many calls are made, and then it is killed before anything of them is put down (0: never).
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from registry.composition import open_ports
from registry.outgoing import lanes
from registry.outgoing.attempts import Outcome
from registry.settings import Settings
from registry.webhooks import claims, work
from registry.webhooks.claims import Claimed
from registry.webhooks.sending import Sender
from tests.registry.hooking import LOOPBACK
from tests.registry.world import CHEAP

WINDOW = 5  # deliveries of an endpoint that one worker claims at once


def main(data: str, url: str, now: str, kill_after: str) -> None:
    worker = os.fork()
    if worker:
        print(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]), flush=True)
        return
    code = 70
    try:
        code = _worked(Path(data), url, datetime.fromisoformat(now), int(kill_after))
    finally:
        os._exit(code)


def _worked(data: Path, url: str, now: datetime, kill_after: int) -> int:
    settings = Settings(data=data, database_url=url, demo=True, webhook_networks=LOOPBACK)
    ports = open_ports(settings, clock=lambda: now, cost=CHEAP)
    sender = Sender(settings.webhook_permitted, ports.clock)
    posted: list[int] = []
    claimed: list[int] = []

    def post(one: Claimed) -> Outcome:
        outcome = sender(one)
        posted.append(1)
        if kill_after and len(posted) >= kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome

    def claim(*arguments: Any) -> list[Claimed]:
        found = claims.claim(*arguments)
        if not claimed:
            claimed.append(len(found))
            print("claimed", flush=True)
            sys.stdin.readline()
        return found

    patch = pytest.MonkeyPatch()  # for the life of this process
    patch.setattr(work, "claim", claim)
    patch.setattr(lanes, "WINDOW", WINDOW)
    return 1 if work.deliver(ports, post).defects else 0


if __name__ == "__main__":
    main(*sys.argv[1:])
