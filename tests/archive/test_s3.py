"""A store of the archive at an S3-compatible server, which runs as a process of its own and is really asked."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from registry.archive.audit import audit_due
from registry.archive.drill import restore_drill
from registry.archive.keep import keep_due
from registry.archive.stores import PACKAGE_KEYS, Stores, open_stores, package_key
from registry.archive.sweep import sweep
from registry.archive.tables import ArchivePackage
from registry.documents import open_store
from registry.ports import Ports
from tests.archive.keeping import copies, packages
from tests.ports import own_port
from tests.registry.issuing import issue_one
from tests.registry.world import World

SERVER = Path(__file__).parents[2] / "build" / "s3" / "bin" / "python"
STARTS_IN = 60
BUCKET = "archive"


@dataclass(frozen=True)
class Server:
    """Asked by plain HTTP, past the library that the product uses."""

    address: str

    def ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        signed = {"Authorization": "AWS sample:none"}  # by nobody: the server only wants some name
        asked = Request(f"{self.address}/{BUCKET}{path}", body, signed, method=method)
        with urlopen(asked, timeout=20) as answer:
            found: bytes = answer.read()
        return found

    def object(self, package: ArchivePackage) -> str:
        return f"/packages/{package_key(package.id, package.attempt)}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if not SERVER.exists():
        pytest.skip("no S3-compatible server is here (make build/s3/.installed)")
    port = own_port()
    command = [str(SERVER), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environment = {"PATH": os.environ["PATH"]}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        try:
            one = Server(f"http://127.0.0.1:{port}")
            _wait(one, process)
            yield one
        finally:
            process.terminate()


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + STARTS_IN
    while True:
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < until, "the server does not answer"
        try:
            server.ask("PUT", "")
        except OSError:
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def ports(world: World, server: Server, monkeypatch: pytest.MonkeyPatch) -> Ports:
    """With a folder and a bucket, by the settings and the environment that docs/operate.md names."""
    for name, value in {
        "AWS_ENDPOINT": server.address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "sample",
        "AWS_SECRET_ACCESS_KEY": "sample",
    }.items():
        monkeypatch.setenv(name, value)
    data = world.ports.settings.data
    places = f"near={data}/near,cloud=s3://{BUCKET}/packages"
    return replace(world.ports, settings=world.ports.settings.model_copy(update={"archive_stores": places}))


def archived(world: World, ports: Ports, stores: Stores) -> list[ArchivePackage]:
    before = {one.id for one in packages(world)}
    issue_one(world)
    done = keep_due(ports, stores)
    assert (done.deferred, done.defects) == ({}, {})
    return [one for one in packages(world) if one.id not in before]


def test_a_package_lies_in_the_bucket_byte_for_byte(world: World, ports: Ports, server: Server) -> None:
    stores = open_stores(ports.settings)
    (package,) = archived(world, ports, stores)
    assert copies(world, package.id) == {"near": "present", "cloud": "present"}
    near = ports.settings.data / "near" / package_key(package.id, package.attempt)
    assert server.ask("GET", server.object(package)) == near.read_bytes()


def test_what_is_there_is_not_written_over(ports: Ports) -> None:
    store = open_store(f"s3://{BUCKET}/once", PACKAGE_KEYS)
    key = package_key(os.urandom(16).hex(), 1)
    first, second = store.put_many([(key, b"one"), (key, b"two")])
    assert (first, second and second.reason) == (None, "document_exists")
    assert store.read_again(key) == b"one"
    assert key in set(store.keys())
    store.remove(key)
    store.remove(key)
    assert store.read_again(key) is None


def test_what_is_lost_or_altered_there_is_found_and_repaired(
    world: World, ports: Ports, server: Server
) -> None:
    stores = open_stores(ports.settings)
    (lost,), (altered,) = archived(world, ports, stores), archived(world, ports, stores)
    whole = {one.id: server.ask("GET", server.object(one)) for one in (lost, altered)}
    server.ask("DELETE", server.object(lost))
    server.ask("PUT", server.object(altered), whole[altered.id][:-1] + b"\1")
    done = audit_due(ports, stores, rest=lambda _seconds: None)
    assert set(done.lost) == {(lost.id, "cloud", "missing"), (altered.id, "cloud", "damaged")}
    assert {package for package, _ in done.repaired} == {lost.id, altered.id}
    assert {one.id: server.ask("GET", server.object(one)) for one in (lost, altered)} == whole


def test_packages_are_restored_from_the_bucket_alone(world: World, ports: Ports, tmp_path: Path) -> None:
    stores = open_stores(ports.settings)
    archived(world, ports, stores)
    for path in (ports.settings.data / "near").rglob("*.tar"):
        path.unlink()
    drill = restore_drill(ports, stores, "cloud", tmp_path / "drill", None)
    assert (drill.report["restored"], drill.faults) == (1, [])


def test_attempts_that_count_for_nothing_are_swept_from_the_bucket(
    world: World, ports: Ports, server: Server
) -> None:
    stores = open_stores(ports.settings)
    (package,) = archived(world, ports, stores)
    beside = server.object(package).replace("-1.tar", "-2.tar")
    server.ask("PUT", beside, b"1")
    assert sweep(ports, stores).removed == {"near": 0, "cloud": 1}
    with pytest.raises(HTTPError):
        server.ask("GET", beside)
    assert server.ask("GET", server.object(package))
