"""nginx as docs/operate.md sets it up gives what was published as our own services give it."""

from __future__ import annotations

import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError

import pytest
from flask.testing import FlaskClient

from registry.authority_app import create_authority_app
from registry.licences.status_lists import COALESCE, publish_due
from registry.publication import publish_to
from registry.seals.revocation_list import publish_due as publish_crls
from tests.ports import own_port
from tests.registry.issuing import issue_one
from tests.registry.relying import close, make_site
from tests.registry.test_status import change
from tests.registry.world import Ticker, World, on_sqlite
from tests.services.running import ROOT, until
from tests.tools import need

TRUST = "/.well-known/elicence/trust-list"
JWT, CWT = "application/statuslist+jwt", "application/statuslist+cwt"
ACCEPTED = ("*/*", JWT, CWT, f"{CWT}, */*;q=0.1", "text/html,*/*;q=0.8")
SAID = (
    "Content-Type", "Cache-Control", "Access-Control-Allow-Origin", "Cross-Origin-Resource-Policy",
    "X-Content-Type-Options", "Vary",
)  # fmt: skip
Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    issue_one(world)
    publish_due(world.ports)
    publish_crls(world.ports)
    folder = tmp_path / "published"
    publish_to(world.ports.database.read, folder, world.ports.clock())
    return folder


@pytest.fixture
def served(folder: Path, tmp_path: Path) -> Iterator[Callable[..., Answer]]:
    """nginx over that folder, by the block of docs/operate.md: nothing of it but folder and port is changed."""
    nginx, port = need("nginx"), own_port()
    (block,) = re.findall(
        r"^```nginx\n(.*?)^```$", (ROOT / "docs/operate.md").read_text(), re.MULTILINE | re.DOTALL
    )
    for shown, real in (("listen 80;", f"listen 127.0.0.1:{port};"), ("/srv/published", str(folder))):
        assert block.count(shown) == 1
        block = block.replace(shown, real)
    kept = "".join(
        f"{name}_temp_path {tmp_path}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    types = "default_type application/octet-stream;\n"  # as Debian has it
    written = tmp_path / "nginx.conf"
    written.write_text(
        "daemon off; master_process off;\n"
        f"pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{types}{kept}{block}}}\n"
    )
    process = subprocess.Popen([nginx, "-e", str(tmp_path / "error.log"), "-p", tmp_path, "-c", written])

    def get(path: str, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=named)
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def answers() -> bool:
        assert process.poll() is None, (tmp_path / "error.log").read_text()
        with suppress(OSError):
            return get(TRUST)[0] == 200
        return False

    try:
        until(answers, "nginx answers")
        yield get
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def own(world: World) -> Iterator[Callable[..., Answer]]:
    """The public site, and the authority for what is its."""
    site = make_site(world)
    public, authority = site.test_client(), create_authority_app(world.ports).test_client()

    def get(path: str, **headers: str) -> Answer:
        client: FlaskClient = authority if path.startswith(("/crl/", "/ca/")) else public
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = client.get(path, headers=named)
        return answer.status_code, dict(answer.headers), answer.data

    yield get
    close(site)


def paths(folder: Path) -> list[str]:
    """Each address at which our services give something that was published."""
    files = (f"/{path.relative_to(folder)}" for path in folder.rglob("*") if path.is_file())
    there = [
        path for path in files if path.startswith(("/crl/", "/ca/")) or path[1:] in {"status/0", "status/1"}
    ]
    assert len(there) == 6
    return [TRUST, "/status/", *sorted(there)]


@on_sqlite
def test_every_path_has_the_headers_of_our_own(
    folder: Path, own: Callable[..., Answer], served: Callable[..., Answer]
) -> None:
    tags: dict[str, set[str]] = {}
    for path in paths(folder):
        for accept in ACCEPTED:
            status, headers, data = served(path, Accept=accept)
            wanted_status, wanted, wanted_data = own(path, Accept=accept)
            assert (status, data) == (wanted_status, wanted_data) == (200, wanted_data), (path, accept)
            for name in SAID:
                assert headers.get(name) == wanted.get(name), (path, accept, name)
            assert headers["Access-Control-Allow-Origin"] == "*"
            assert "Last-Modified" not in headers
            for get, tag in ((served, headers["ETag"]), (own, wanted["ETag"])):
                assert not tag.startswith("W/")
                for sent in (tag, f'"other", {tag}'):
                    again = get(path, Accept=accept, If_None_Match=sent)
                    assert (again[0], again[2]) == (304, b""), (path, accept, get)
                    assert again[1]["Access-Control-Allow-Origin"] == "*"
                    assert (
                        again[1]["Cache-Control"] == (headers if get is served else wanted)["Cache-Control"]
                    )
                assert get(path, Accept=accept, If_None_Match='"other"')[0] == 200
            tags.setdefault(path, set()).add(headers["ETag"])
    assert {path: len(found) for path, found in tags.items()} == {
        path: 2 if path in {"/status/0", "/status/1"} else 1 for path in tags
    }


@on_sqlite
def test_what_is_not_there_is_not_there(
    folder: Path, own: Callable[..., Answer], served: Callable[..., Answer]
) -> None:
    for path in ("/status/7", "/status/x", f"/crl/{'0' * 40}.crl", f"/ca/{'0' * 40}.cer", "/.well-known/x"):
        for accept in ACCEPTED:
            assert served(path, Accept=accept)[0] == own(path, Accept=accept)[0] == 404, path
    assert served("/status/0?time=1686925000")[0] == own("/status/0?time=1686925000")[0] == 501
    shutil.copy(folder / "status/0", folder / "status/.publish-x")  # of a process that writes
    for path in ("/.vermilion-publish", "/status/.publish-x"):
        assert served(path)[0] == 404
    status, headers, data = served("/index.json")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert data == (folder / "index.json").read_bytes()
    assert served("/status/0.cwt")[1]["Content-Type"] == CWT


@on_sqlite
def test_who_has_the_older_one_gets_the_newer(
    world: World, clock: Ticker, folder: Path, served: Callable[..., Answer]
) -> None:
    before = served("/status/0", Accept=CWT)
    clock.advance(COALESCE)
    change(world, "end", issue_one(world).printout.record.identifier, how="revoked")
    publish_due(world.ports)
    publish_to(world.ports.database.read, folder, world.ports.clock())
    status, headers, data = served("/status/0", Accept=CWT, If_None_Match=before[1]["ETag"])
    assert status == 200
    assert data == (folder / "status/0.cwt").read_bytes() != before[2]
    assert headers["ETag"] != before[1]["ETag"]
