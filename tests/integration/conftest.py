"""One province for each database and session. Tests issue licences of their own in it and change only those."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.province import Paper, Province, make_province
from tests.postgres import Backend, PostgresServer

AGENCIES = ("own", "other")


@pytest.fixture(scope="session")
def sqlite_province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    made = make_province(tmp_path_factory.mktemp("province"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def postgres_province(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> Iterator[Province]:
    made = make_province(tmp_path_factory.mktemp("province"), postgres_server.create())
    yield made
    made.close()


@pytest.fixture
def province(database_backend: Backend, request: pytest.FixtureRequest) -> Province:
    """On both databases in turn."""
    name = "sqlite_province" if database_backend == "sqlite" else "postgres_province"
    found: Province = request.getfixturevalue(name)
    return found


@pytest.fixture(params=AGENCIES)
def paper(province: Province, request: pytest.FixtureRequest) -> Paper:
    """A licence of each sample type, just issued."""
    return province.issue(request.param)
