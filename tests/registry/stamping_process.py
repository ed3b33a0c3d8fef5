"""A process of its own that stamps: `python -m tests.registry.stamping_process DATA URL COUNT [SEED]`.

With SEED its serials are repeatable. One line a request: "granted <token, hex>", or the failure's name.
"""

from __future__ import annotations

import sys
from pathlib import Path

from keys.clock import system_clock
from keys.der import integer, tlv
from keys.tsp import FailInfo, answer
from registry.composition import open_ports
from registry.seals.stamping import RegistryTimeStamper, time_source
from registry.settings import Settings
from tests.authority import counted_random
from tests.keys.requests import imprint, read
from tests.registry.world import CHEAP


def main(data: str, url: str, count: str, seed: str = "") -> None:
    settings = Settings(data=Path(data), database_url=url, demo=True)
    ports = open_ports(settings, cost=CHEAP)
    stamper = RegistryTimeStamper(
        ports.database, ports.custodian, clock=system_clock, time=time_source(settings, system_clock),
        random=counted_random(seed.encode()) if seed else ports.random,
    )  # fmt: skip
    request = tlv(0x30, integer(1), imprint(), b"\x01\x01\xff")
    sys.stdin.readline()  # all begin together
    for _ in range(int(count)):
        failed: list[FailInfo] = []
        response = answer(request, stamper.grant, on_failure=lambda info, _error: failed.append(info))  # noqa: B023
        token = read(response).token
        print("granted " + token.hex() if token is not None else failed[0].reason, flush=True)
    ports.database.dispose()


if __name__ == "__main__":
    main(*sys.argv[1:])
