"""The registry of `tests/registry/world.py` for each test, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.registry.world import Ticker, World, copy_world, prepare


@pytest.fixture
def clock() -> Ticker:
    """The world's clock; it moves when told to."""
    return Ticker()


@pytest.fixture
def world(new_database: Callable[..., str], tmp_path: Path, clock: Ticker) -> Iterator[World]:
    """A whole registry of the test's own. No defect may have happened when the test ends."""
    made = copy_world(tmp_path, new_database(prepare), clock)
    yield made
    assert made.defects.last == []
    made.close()
