"""The site with its catch-all off, so that a defect is an error of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.verify_web.world import World, make_world

MakeWorld = Callable[..., World]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[MakeWorld]:
    """Makes sites; their stores are closed afterwards."""
    made: list[World] = []

    def make(*arguments: Any, **options: Any) -> World:
        world = make_world(tmp_path / f"site-{len(made)}", *arguments, **options)
        made.append(world)
        return world

    yield make
    for world in made:
        world.app.extensions["site"].store.close()


@pytest.fixture
def world(build: MakeWorld) -> World:
    return build()
