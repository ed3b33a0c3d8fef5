"""A generator that is not ours reads the served description and asks every operation as every caller: all that
it gets is described, and nothing is a defect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from registry.described import operations
from registry.licences.fsck import fsck
from tests.generated_requests import FEW, MANY, asked_as_described
from tests.registry.relying import front
from tests.registry.test_bodies import right_requests
from tests.registry.test_permissions import callers, reading
from tests.registry.world import World, on_sqlite


@on_sqlite
@pytest.mark.timeout(600)
def test_no_caller_meets_a_defect(world: World, tell: Callable[[str], None]) -> None:
    tell(f"{asked(world, FEW)} requests")


@pytest.mark.long(short="test_no_caller_meets_a_defect")
@pytest.mark.timeout(3600)
def test_no_caller_meets_a_defect_whatever_is_asked(world: World, tell: Callable[[str], None]) -> None:
    tell(f"{asked(world, MANY)} requests")


@on_sqlite
@pytest.mark.timeout(600)
def test_no_reader_of_the_public_site_meets_a_defect(world: World, tell: Callable[[str], None]) -> None:
    """Anybody, and a relying party."""
    with front(world) as site:
        callers = [{}, {"Authorization": f"Bearer {site.key}"}]
        count = asked_as_described(site.app, "/api/v1/openapi.json", callers, {}, MANY // 2)
        tell(f"{count} requests")


def asked(world: World, examples: int) -> int:
    about = about_by_operation(world)
    headers = [caller.headers for caller in callers(world)]
    count = asked_as_described(world.app, "/openapi.json", headers, about, examples)
    assert world.defects.last == []
    assert fsck(world.ports) == []
    return count


def about_by_operation(world: World) -> dict[str, Mapping[str, Any]]:
    rights = {**reading(world), **right_requests(world)}
    return {
        declared.operation_id: rights[rule.endpoint].about
        for rule, _method, declared in operations(world.app)
        if declared is not None and rule.endpoint in rights
    }
