"""What the public site can reach by any chain of imports, lazy ones included."""

from __future__ import annotations

import re

import grimp
import pytest

FLOORS = ("keys", "signing", "registry", "verify_web")
ISSUES_OR_HOLDS_KEYS = re.compile(
    r"keys\.(software|envelope)|registry\.\w+\.(rules|api|issue|recovery)|registry\.cli.*"
)
SERVICES = {"flask", "werkzeug", "sqlalchemy", "alembic", "psycopg", "granian"}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*FLOORS, include_external_packages=True, cache_dir=None)


def reached(graph: grimp.ImportGraph, floor: str) -> set[str]:
    return graph.find_upstream_modules(floor, as_package=True)


def test_the_public_site_reaches_nothing_that_issues_or_opens_a_key(graph: grimp.ImportGraph) -> None:
    assert [m for m in sorted(reached(graph, "verify_web")) if ISSUES_OR_HOLDS_KEYS.fullmatch(m)] == []


@pytest.mark.parametrize("floor", ["keys", "signing"])
def test_a_relying_party_needs_no_service(graph: grimp.ImportGraph, floor: str) -> None:
    above = FLOORS[FLOORS.index(floor) + 1 :]
    found = reached(graph, floor)
    assert found
    assert [m for m in sorted(found) if m.partition(".")[0] in {*SERVICES, *above}] == []
