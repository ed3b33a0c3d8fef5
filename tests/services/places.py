"""One first start for the session, and one pair of services that tests share and leave as they found it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.running import Command, Place, command, copy_of, passable_folder

READY = "Press Ctrl-C to stop."


@dataclass(frozen=True)
class FirstStart:
    """What a first start said, and left behind when it was stopped."""

    place: Place
    out: str
    err: str
    exit_code: int
    left: tuple[int, ...]  # its processes
    pdf: bytes
    passphrase: bytes


@dataclass(frozen=True)
class Running:
    place: Place
    command: Command


@pytest.fixture(scope="session")
def first_start() -> Iterator[FirstStart]:
    with passable_folder() as folder:
        place = Place(folder / "var")
        with command("run", settings=place.settings) as run:
            run.said(READY)
            below = tuple(run.descendants())
            exit_code = run.stop()
            yield FirstStart(
                place,
                run.out,
                run.err,
                exit_code,
                below,
                (place.data / "sample" / "licence.pdf").read_bytes(),
                (place.data / "keys" / "passphrase").read_bytes(),
            )


@pytest.fixture(scope="session")
def again(first_start: FirstStart) -> Iterator[Running]:
    """The same data directory, started again in a wide window; it runs while tests look at it."""
    place = first_start.place
    with command("run", settings=place.settings | {"COLUMNS": 250}) as run:
        run.said(READY)
        yield Running(place, run)


@pytest.fixture
def place(first_start: FirstStart) -> Iterator[Place]:
    """A copy of the established data directory, for a test that does something to it."""
    with passable_folder() as folder:
        yield Place(copy_of(first_start.place.data, folder))


@pytest.fixture
def empty_place() -> Iterator[Place]:
    with passable_folder() as folder:
        yield Place(folder / "var")


@pytest.fixture
def sample(first_start: FirstStart) -> Path:
    return first_start.place.data / "sample" / "licence.pdf"
