"""The registry of `tests/registry/world.py` for each test, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.accountable import accountable
from tests.postgres import BACKENDS, Backend, databases
from tests.registry.world import Ticker, World, copy_world, prepare


@pytest.fixture
def clock() -> Ticker:
    """The world's clock; it moves when told to."""
    return Ticker()


@contextmanager
def opened(folder: Path, url: str, clock: Ticker, name: str = "") -> Iterator[World]:
    """A copy of a template's world: when it is closed no defect has happened, and all is answered for."""
    made = copy_world(folder, url, clock, name)
    with accountable(made.ports.database):
        yield made
    assert not made.served or made.defects.last == []
    made.close()


@pytest.fixture
def world(new_database: Callable[..., str], tmp_path: Path, clock: Ticker) -> Iterator[World]:
    """A whole registry of the test's own."""
    with opened(tmp_path, new_database(prepare), clock) as made:
        yield made


@pytest.fixture
def worlds(request: pytest.FixtureRequest, tmp_path: Path, clock: Ticker) -> Iterator[dict[Backend, World]]:
    """One on each database, for a test that divides its work between them."""
    with ExitStack() as stack:
        made: dict[Backend, World] = {}
        for backend in BACKENDS:
            folder = tmp_path / backend
            folder.mkdir()
            new = stack.enter_context(databases(backend, request, folder))
            made[backend] = stack.enter_context(opened(folder, new(prepare), clock))
        yield made
