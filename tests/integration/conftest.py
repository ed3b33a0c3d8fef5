"""One province for each database and session. Tests issue licences of their own in it and change only those."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.province import Paper, Province, make_province
from tests.postgres import Backend, PostgresServer

AGENCIES = ("own", "other")
ABSENT = ("alembic", "flask", "granian", "psycopg", "pydantic", "sqlalchemy", "werkzeug")
SHIM = f"""
import socket, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
def unplugged(*_):
    raise OSError("there is no network here")
sys.meta_path.insert(0, Absent())
socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = unplugged
"""


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


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment in which neither service nor database library can be imported, and nobody be reached."""
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "sitecustomize.py").write_text(SHIM)
    return {"PYTHONPATH": str(tmp_path / "bare")}
