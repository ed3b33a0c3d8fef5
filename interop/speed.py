"""Sealing one page: our processor time and EU DSS's, at the same level, with the same kind of key."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time

from bench.sealing import printouts
from interop import java
from interop.documents import Workshop, long_term
from interop.results import Pace
from signing.draw import draw
from signing.record import Printout
from signing.seal import seal
from tests.authority import AT

ROUNDS = 100
WARM_UP = 20
LICENCES = 6


@dataclass(frozen=True, slots=True)
class Road:
    """One way of ours. `level` is a name of EU DSS's SignatureLevel; `start` gets the workshop and some
    licences, and returns what makes one sealed document, given its number and the record that the seal's key
    serves.
    """

    name: str
    level: str
    start: Callable[[Workshop, Sequence[Printout]], Callable[[int, str], object]]


def reference(workshop: Workshop, licences: Sequence[Printout]) -> Callable[[int, str], object]:
    """The page is drawn already, as EU DSS gets it."""
    bench = workshop.bench
    page = draw(licences[0], bench.licence_type, bench.face, bench.fonts)

    def one(_number: int, record: str) -> object:
        return seal(
            page,
            material=bench.material,
            places=bench.face.seal_places(),
            custodian=bench.authority.custodian,
            timestamper=bench.authority.stamper,
            at=AT,
            record=record,
            reason_text=bench.licence_type.name["zh"],
        )

    return one


def prefix_and_tail(workshop: Workshop, licences: Sequence[Printout]) -> Callable[[int, str], object]:
    """Each licence is drawn, too; another one each time."""
    return lambda number, record: long_term(workshop, licences[number % len(licences)], record)


ROADS = (
    Road("reference, page drawn before", "PAdES_BASELINE_T", reference),
    Road("prefix and tail, drawing included", "PAdES_BASELINE_LT", prefix_and_tail),
)
"""The last one is what `seal.vs_dss` is of."""


def measure(
    command: Sequence[str], workshop: Workshop, folder: Path, roads: Sequence[Road] = ROADS
) -> list[Pace]:
    """Ours half before and half after EU DSS, since other work on the machine slows both.

    Raises JavaError when EU DSS cannot seal the page, or its result does not pass its own validation.
    """
    bench = workshop.bench
    licences = list(itertools.islice(printouts(bench), LICENCES))
    page = folder / "page.pdf"
    page.write_bytes(draw(licences[0], bench.licence_type, bench.face, bench.fonts))
    paces = []
    for road in roads:
        one = road.start(workshop, licences)
        ours = cpu_ms(one, f"{road.name}:before", ROUNDS // 2)
        theirs = java.seal_rate(command, page, road.level, ROUNDS, folder)
        ours += cpu_ms(one, f"{road.name}:after", ROUNDS // 2)
        times = (theirs[f"{of}_ms"] for of in ("cpu", "process", "wall"))
        paces.append(Pace(road.name, road.level, statistics.median(ours), *times))
    return paces


def cpu_ms(one: Callable[[int, str], object], name: str, rounds: int) -> list[float]:
    """Processor milliseconds of each document, warm."""
    times = []
    for number in range(WARM_UP + rounds):
        begin = process_time()
        one(number, f"pace:{name}:{number}")
        times.append((process_time() - begin) * 1000)
    return times[WARM_UP:]
