"""A real PostgreSQL of our own for the tests: a server for each worker, a database for each test.

It lives in a temporary directory, listens on a Unix socket there and dies with the test process. Nothing
is asked of a system service, and PostgreSQL's refusal to run as root is met by running it as another user.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

Backend = Literal["sqlite", "postgresql"]
BACKENDS: tuple[Backend, ...] = ("sqlite", "postgresql")
Prepare = Callable[[str], object]

STARTUP_SECONDS = 60
# Nothing here outlives the tests, so nothing is written for durability's sake.
SERVER_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "timezone": "UTC",
}


def find_binaries() -> Path | None:
    """The directory with `initdb` and `postgres`: Debian's newest version first, else from PATH."""
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    candidates = sorted(debian, key=lambda p: float(p.parent.name), reverse=True)
    if found := shutil.which("initdb"):
        candidates.append(Path(found).resolve().parent)
    return next((d for d in candidates if (d / "initdb").exists() and (d / "postgres").exists()), None)


def _unprivileged() -> dict[str, Any]:
    """Arguments for `subprocess` that leave root behind; empty where we are not root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RuntimeError("no unprivileged user to run PostgreSQL as")


DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",  # as docker-compose.yml has it
}
"""In place of those, for a server that is measured."""


class PostgresServer:
    """A running server. Databases are made from templates, which is a copy of files and quick."""

    def __init__(
        self,
        binaries: Path,
        settings: Mapping[str, str] = MappingProxyType({}),
        access: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`access`: files of its data directory, such as `pg_hba.conf`, in place of those that ask nobody for
        a password. We must remain able to connect as `postgres`.
        """
        self._settings = {**SERVER_SETTINGS, **settings}
        self._access = access
        self._directory = Path(tempfile.mkdtemp(prefix="vermilion-pg-"))
        self._numbers = count(1)
        self._templates: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._kept: psycopg.Connection[Any] | None = None
        try:
            self._start(binaries)
        except BaseException:
            self.stop()
            raise

    def _start(self, binaries: Path) -> None:
        who = _unprivileged()
        if who:
            os.chown(self._directory, who["user"], who["group"])
        self._directory.chmod(0o755)  # other users' processes in the tests reach the socket, not the data
        data = self._directory / "data"
        initdb = [str(binaries / "initdb"), "--pgdata", str(data), "--username=postgres", "--auth=trust"]
        subprocess.run(
            [*initdb, "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"],
            check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=STARTUP_SECONDS, **who,
        )  # fmt: skip
        for name, words in self._access.items():
            (data / name).write_text(words)
        settings = [f"-c{name}={value}" for name, value in self._settings.items()]
        server = [str(binaries / "postgres"), "-D", str(data), "-k", str(self._directory), *settings]
        if setpriv := shutil.which("setpriv"):  # a killed test process leaves no server behind
            server = [setpriv, "--pdeathsig", "QUIT", *server]
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(server, stdout=log, stderr=log, cwd="/", **who)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + STARTUP_SECONDS
        while True:
            try:
                self._connect().close()
            except psycopg.OperationalError as error:
                if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                    log = (self._directory / "log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL did not start:\n{log}") from error
                time.sleep(0.02)  # there is no event to wait for: the server announces itself by answering
            else:
                return

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self._directory), user="postgres", dbname="postgres", autocommit=True)

    def _maintaining(self) -> psycopg.Connection[Any]:
        """One connection for all databases that are made and removed: to connect costs as much as to remove one."""
        if self._kept is None or self._kept.closed:
            self._kept = self._connect()
        return self._kept

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of a database, as superuser; any role may connect without a password."""
        return f"postgresql+psycopg://postgres@/{database}?host={self._directory}"

    def create(self, prepare: Prepare | None = None) -> str:
        """The URL of a new database: empty, or as `prepare(url)` makes one (called once for the server)."""
        template = "template1" if prepare is None else self._template(prepare)
        return self.url(self._create_from(template))

    def _template(self, prepare: Prepare) -> str:
        key = f"{prepare.__module__}.{prepare.__qualname__}"
        if key not in self._templates:
            name = self._create_from("template1")
            prepare(self.url(name))
            self._templates[key] = name
        return self._templates[key]

    def _create_from(self, template: str) -> str:
        name = f"t{next(self._numbers)}"
        connection = self._maintaining()
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [template]
        )
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        return name

    def drop(self, url: str) -> None:
        """Remove a database made by `create`, whoever is still connected to it."""
        name = sql.Identifier(make_url(url).database or "")
        self._maintaining().execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def cpu_seconds(self) -> float:
        """What the server's processes have used so far, those that ended included."""
        assert self._process is not None
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                pid, _, rest = stat.read_text().partition(" (")
                fields = rest.rpartition(") ")[2].split()
                if int(pid) == self._process.pid:
                    ticks += sum(map(int, fields[11:15]))  # with its children that ended
                elif int(fields[1]) == self._process.pid:
                    ticks += sum(map(int, fields[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Stop at once and remove everything."""
        if self._kept is not None:
            self._kept.close()
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """This worker's server; skips by name where PostgreSQL is not installed."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("postgresql is not installed")
    server = PostgresServer(binaries)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of the server's maintenance database, as superuser."""
    return postgres_server.url()


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database, gone after the test."""
    url = postgres_server.create()
    yield url
    postgres_server.drop(url)


@pytest.fixture(params=BACKENDS)
def database_backend(request: pytest.FixtureRequest) -> Backend:
    """Runs the test on both databases."""
    backend: Backend = request.param
    return backend


@contextlib.contextmanager
def databases(
    backend: Backend, request: pytest.FixtureRequest, folder: Path
) -> Iterator[Callable[[Prepare | None], str]]:
    """Makes databases of this kind, gone afterwards: empty ones, or copies of a prepared one."""
    made: list[str] = []
    if backend == "sqlite":
        templates: Path = request.getfixturevalue("sqlite_templates")

        def on_sqlite(prepare: Prepare | None = None) -> str:
            path = folder / f"registry-{len(made)}.db"
            made.append(str(path))
            if prepare is not None:
                shutil.copyfile(_sqlite_template(templates, prepare), path)
            return f"sqlite:///{path}"

        yield on_sqlite
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")

    def on_postgres(prepare: Prepare | None = None) -> str:
        made.append(server.create(prepare))
        return made[-1]

    yield on_postgres
    for url in made:
        server.drop(url)


@pytest.fixture
def new_database(
    database_backend: Backend, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[..., str]]:
    """Makes databases: `new_database()` an empty one, `new_database(prepare)` a copy of a prepared one.

    `prepare(url)` is a module-level function (migrate, say); it runs once and each caller gets a copy.
    """
    with databases(database_backend, request, tmp_path) as new:
        yield new


@pytest.fixture(scope="session")
def sqlite_templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sqlite-templates")


def _sqlite_template(folder: Path, prepare: Prepare) -> Path:
    path = folder / f"{prepare.__module__}.{prepare.__qualname__}.db"
    if not path.exists():
        prepare(f"sqlite:///{path}")
        if Path(f"{path}-wal").exists():
            raise RuntimeError(f"{prepare.__qualname__} left its connection open")
    return path


@pytest.fixture
def database_url(new_database: Callable[..., str]) -> str:
    """The URL of a fresh, empty database, on SQLite and on PostgreSQL in turn."""
    return new_database()
