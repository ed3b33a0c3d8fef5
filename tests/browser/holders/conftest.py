"""The pages for holders of a world, served to a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry.app import create_app
from tests.browser.console.place import Place
from tests.browser.site import serve
from tests.registry.world import Ticker, copy_world, prepare


@pytest.fixture(params=["sqlite"])
def database_backend(request: pytest.FixtureRequest) -> str:
    """A browser tells nothing of what differs between the databases."""
    return str(request.param)


@pytest.fixture
def place(new_database: Callable[..., str], tmp_path: Path) -> Iterator[Place]:
    clock = Ticker()
    world = copy_world(tmp_path, new_database(prepare), clock)

    def app(port: int) -> object:
        settings = world.ports.settings.model_copy(update={"holder_origin": f"http://localhost:{port}"})
        object.__setattr__(world.ports, "settings", settings)
        return create_app(world.ports)

    with serve(app) as served:  # type: ignore[arg-type]
        yield Place(world, served, clock)
    assert world.defects.last == []
    world.close()
