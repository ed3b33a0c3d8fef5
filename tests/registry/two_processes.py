"""A process that does what may happen once, in each of its threads: `python -m tests.registry.two_processes DATA URL ACT …`.

It says that it is ready, waits for a line, so that two begin together, and says a word for each thread: "done", or
the reason of the refusal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.composition import open_ports
from registry.licences.document_stamps import stamp_due
from registry.ports import Ports
from registry.seals import revocation
from registry.seals.authority import give_ocsp_key, issuing_authority
from registry.seals.revocation_list import publish_crl
from registry.settings import Settings
from tests.registry.world import CHEAP, GROUND, Ticker

THREADS = 3
FIXED = b"\x07" * 16


def _revoke(ports: Ports, serial: str) -> None:
    with ports.database.transaction() as session:
        revocation.revoke(session, ports, None, serial, GROUND)


def _publish(ports: Ports) -> None:
    with Session(ports.database.read) as session:
        issuer = issuing_authority(session)
    if publish_crl(ports, issuer) is None:
        raise VermilionError(Kind.CONFLICT, "another was faster", reason="faster")


def _same_serial(ports: Ports) -> None:
    give_ocsp_key(replace(ports, random=lambda size: FIXED[:size]))


def _repair(ports: Ports) -> None:
    if not stamp_due(ports).stamped:
        raise VermilionError(Kind.CONFLICT, "another was faster", reason="nothing")


ACTS: dict[str, Callable[..., None]] = {
    "revoke": _revoke, "publish": _publish, "serial": _same_serial, "repair": _repair,
}  # fmt: skip


def main(data: str, url: str, act: str, *arguments: str) -> None:
    ports = open_ports(Settings(data=Path(data), database_url=url, demo=True), clock=Ticker(), cost=CHEAP)

    def once(_number: int) -> str:
        try:
            ACTS[act](ports, *arguments)
        except VermilionError as error:
            return error.reason
        return "done"

    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(THREADS) as pool:
        print(*pool.map(once, range(THREADS)))
    ports.database.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
